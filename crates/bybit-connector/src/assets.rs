//! On which chains assets live (Bybit v5, get coin info): what identity of assets is judged by. Told to keys only.

use crate::sign::{RECV_WINDOW_MS, Signer};
use crate::wire::bodies::{error_body, result};
use crate::wire::{BODY_BYTES_MAX, Reject};
use domain::UnixNanos;
use venue::connector::AssetKeys;
use venue::fields;
use venue::identity::{AssetListing, Network};
use venue::json::{JsonReader, Value, items, object, optional_text, required, text};
use venue::{ConnectorError, HttpRequest};

const PATH: &str = "/v5/asset/coin/query-info";
const WHAT: &str = "GET /v5/asset/coin/query-info";
/// Coins that an answer may list.
const COINS_MAX: usize = 10_000;
/// Chains that a coin may have.
const CHAINS_MAX: usize = 200;

/// One signed request for each asset.
pub(crate) fn requests(assets: &[String], keys: Option<&AssetKeys<'_>>, wall: UnixNanos) -> Vec<HttpRequest> {
    let Some(keys) = keys else { return Vec::new() };
    let signer = Signer::new(keys.key.clone(), keys.secret);
    let plain = |name: &&String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let one = |name: &String| {
        let mut request = crate::connector::get(PATH, format!("coin={name}"));
        let signature = signer.rest(wall.millis(), RECV_WINDOW_MS, request.query.as_bytes());
        request.headers.extend([
            ("X-BAPI-API-KEY", signer.key().to_string()),
            ("X-BAPI-TIMESTAMP", wall.millis().to_string()),
            ("X-BAPI-RECV-WINDOW", RECV_WINDOW_MS.to_string()),
            ("X-BAPI-SIGN", signature),
        ]);
        request
    };
    assets.iter().filter(plain).map(one).collect()
}

/// The listings of `assets` in an answer.
///
/// # Errors
/// [`ConnectorError`] for a refusal or another shape.
pub(crate) fn decode(status: u16, body: &mut [u8], assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
    let mut reader = JsonReader::default();
    // The reader scribbles on what it reads.
    let refusal = error_body(&mut reader, &mut body.to_vec());
    if refusal.is_some() || !(200..300).contains(&status) {
        let label = refusal.map(|error| format!("{} {}", error.code, error.message)).unwrap_or_default();
        return Err(ConnectorError::Refused { what: WHAT, status, label });
    }
    let read = reader.read(body, BODY_BYTES_MAX, |root| {
        fields!(object(&result(&root)?, "result")?, "rows" => rows);
        let coins = items(&required(rows, "rows")?, COINS_MAX, "rows")?;
        coins.map(|row| coin(&row)).collect::<Result<Vec<AssetListing>, Reject>>()
    });
    let told = read.map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })?;
    Ok(told.into_iter().filter(|listing| assets.contains(&listing.asset)).collect())
}

fn coin(row: &Value<'_, '_>) -> Result<AssetListing, Reject> {
    fields!(object(row, "coin")?, "coin" => name, "chains" => chains);
    let chains = items(&required(chains, "chains")?, CHAINS_MAX, "chains")?;
    let networks = chains.map(|row| chain(&row)).collect::<Result<Vec<Network>, Reject>>()?;
    Ok(AssetListing { asset: text(name, "coin")?.into(), denomination: 1, networks })
}

/// One chain. A switch that is not told opens nothing.
fn chain(row: &Value<'_, '_>) -> Result<Network, Reject> {
    fields!(object(row, "chain")?,
        "chain" => name, "contractAddress" => contract, "chainDeposit" => deposit, "chainWithdraw" => withdraw,
        "withdrawFee" => fee);
    // An empty fee means that the coin can't be withdrawn there.
    let has_fee = optional_text(fee, "withdrawFee")?.is_none_or(|fee| !fee.is_empty());
    Ok(Network {
        chain: text(name, "chain")?.into(),
        contract: optional_text(contract, "contractAddress")?.filter(|address| !address.is_empty()).map(Into::into),
        can_deposit: optional_text(deposit, "chainDeposit")? == Some("1"),
        can_withdraw: has_fee && optional_text(withdraw, "chainWithdraw")? == Some("1"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const USDT: &str = r#"{"retCode":0,"retMsg":"","result":{"rows":[{"name":"USDT","coin":"USDT","remainAmount":"1","chains":[
        {"chainType":"ERC20","confirmation":"6","withdrawFee":"3","depositMin":"0","withdrawMin":"10","chain":"ETH","chainDeposit":"1",
         "chainWithdraw":"0","minAccuracy":"6","contractAddress":"0xdac17f"},
        {"chainType":"TON","withdrawFee":"","chain":"TON","chainDeposit":"0","chainWithdraw":"1","contractAddress":""}]}]},"time":1}"#;

    #[test]
    fn a_coin_is_read_with_its_chains() {
        let told = decode(200, &mut USDT.as_bytes().to_vec(), &["USDT".to_string()]).unwrap();
        let eth = Network { chain: "ETH".into(), contract: Some("0xdac17f".into()), can_deposit: true, can_withdraw: false };
        let ton = Network { chain: "TON".into(), contract: None, can_deposit: false, can_withdraw: false };
        assert_eq!(told, [AssetListing { asset: "USDT".into(), denomination: 1, networks: vec![eth, ton] }]);
        assert!(decode(200, &mut USDT.as_bytes().to_vec(), &["BTC".to_string()]).unwrap().is_empty());
    }

    #[test]
    fn refusals_and_other_shapes_are_told() {
        let refused = decode(200, &mut br#"{"retCode":10003,"retMsg":"API key is invalid."}"#.to_vec(), &[]).unwrap_err();
        assert!(refused.to_string().contains("10003"), "{refused}");
        for broken in [USDT.replace("\"chains\"", "\"chain_s\""), USDT.replace("[{\"name\"", "[7,{\"name\""), String::new()] {
            assert!(decode(200, &mut broken.into_bytes(), &["USDT".to_string()]).is_err());
        }
    }

    #[test]
    fn requests_are_signed_and_need_keys() {
        let (key, secret) = (SecretString::from("k"), SecretString::from("s"));
        let keys = AssetKeys { key: &key, secret: &secret };
        let assets = ["BTC".to_string(), "A&B".to_string()];
        let asked = requests(&assets, Some(&keys), UnixNanos(1_700_000_000_123_000_000));
        assert_eq!(asked.len(), 1, "a name that would change the query is not asked for");
        assert_eq!((asked[0].path.as_str(), asked[0].query.as_str()), (PATH, "coin=BTC"));
        let sign = Signer::new(key.clone(), &secret).rest(1_700_000_000_123, RECV_WINDOW_MS, b"coin=BTC");
        assert!(asked[0].headers.contains(&("X-BAPI-SIGN", sign)));
        assert!(requests(&assets, None, UnixNanos(0)).is_empty());
    }
}
