//! On which chains assets live (Gate API v4, `/spot/currencies`, public): what identity of assets is judged by.

use crate::rest::listing::{self, Currency};
use crate::rest::{CurrencyName, RestReader};
use venue::identity::{AssetListing, Network};
use venue::{ConnectorError, HttpRequest};

/// More assets than this are read with the list of all.
const SINGLE_MAX: usize = 16;
const WHAT: &str = "GET /spot/currencies";

/// One request for each asset, or one for the list of all.
pub(crate) fn requests(assets: &[String]) -> Vec<HttpRequest> {
    let single: Option<Vec<HttpRequest>> =
        assets.iter().map(|name| CurrencyName::new(name).ok().map(|name| listing::currency(&name))).collect();
    match single.filter(|requests| requests.len() <= SINGLE_MAX) {
        Some(requests) => requests,
        None => vec![listing::currencies()],
    }
}

/// The listings of `assets` in an answer to either form.
///
/// # Errors
/// [`ConnectorError`] for a refusal or another shape.
pub(crate) fn decode(status: u16, body: &mut [u8], assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
    let mut reader = RestReader::default();
    if !(200..300).contains(&status) {
        let label = reader.error(status, body).label.unwrap_or_default();
        return Err(ConnectorError::Refused { what: WHAT, status, label });
    }
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let told = if is_list { reader.currencies(body) } else { reader.currency(body).map(|one| vec![one]) };
    let told = told.map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })?;
    Ok(told.into_iter().filter(|currency| assets.contains(&currency.name)).map(listed).collect())
}

fn listed(currency: Currency) -> AssetListing {
    let chains = currency.chains.into_iter().filter(|_| currency.chains_told);
    let network = |chain: listing::Chain| Network {
        chain: chain.name,
        contract: chain.address.filter(|address| !address.is_empty()),
        can_deposit: chain.can_deposit,
        can_withdraw: chain.can_withdraw,
    };
    AssetListing { asset: currency.name, denomination: 1, networks: chains.map(network).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDT: &str = r#"{"currency":"USDT","name":"Tether","delisted":false,"trade_disabled":false,"chain":"ETH","chains":[
        {"name":"ETH","addr":"0xdAC17F","withdraw_disabled":false,"withdraw_delayed":false,"deposit_disabled":false},
        {"name":"BTC","addr":"","withdraw_disabled":true,"withdraw_delayed":false,"deposit_disabled":true}]}"#;

    #[test]
    fn one_currency_or_all_of_them_are_read() {
        let wanted = ["USDT".to_string()];
        let one = decode(200, &mut USDT.as_bytes().to_vec(), &wanted).unwrap();
        let eth = Network { chain: "ETH".into(), contract: Some("0xdAC17F".into()), can_deposit: true, can_withdraw: true };
        let btc = Network { chain: "BTC".into(), contract: None, can_deposit: false, can_withdraw: false };
        assert_eq!(one, [AssetListing { asset: "USDT".into(), denomination: 1, networks: vec![eth, btc] }]);
        let list = format!(" [{USDT},{}]", USDT.replace("USDT", "USDC"));
        assert_eq!(decode(200, &mut list.into_bytes(), &wanted).unwrap(), one);
        assert_eq!(requests(&wanted)[0].path, "/api/v4/spot/currencies/USDT");
        assert_eq!(requests(&vec!["A".to_string(); 17])[0].path, "/api/v4/spot/currencies");
    }

    #[test]
    fn refusals_and_other_shapes_are_told() {
        let refused = decode(400, &mut br#"{"label":"INVALID_CURRENCY","message":"no"}"#.to_vec(), &[]).unwrap_err();
        assert!(refused.to_string().contains("INVALID_CURRENCY"), "{refused}");
        assert!(decode(200, &mut b"[1]".to_vec(), &[]).is_err());
        assert!(decode(200, &mut b"".to_vec(), &[]).is_err());
    }

    #[test]
    fn deprecated_flags_are_no_chain() {
        let old = r#"{"currency":"OLD","delisted":false,"trade_disabled":false,"chain":"ETH","withdraw_disabled":false,"deposit_disabled":false}"#;
        let told = decode(200, &mut old.as_bytes().to_vec(), &["OLD".to_string()]).unwrap();
        assert_eq!(told, [AssetListing { asset: "OLD".into(), denomination: 1, networks: Vec::new() }]);
    }
}
