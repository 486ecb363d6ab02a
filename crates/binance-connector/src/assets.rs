//! On which chains assets live (Binance wallet API, all coins' information): what identity of assets is judged by. Told to keys only,
//! and on the live hosts only: the test network has no wallet API.

use crate::sign::Signer;
use crate::wire::Reject;
use crate::wire::bodies::error_body;
use domain::UnixNanos;
use venue::connector::AssetKeys;
use venue::identity::{AssetListing, Network};
use venue::json::{JsonReader, Value, counter, items, object, optional_flag, optional_text, required, text};
use venue::{ConnectorError, HttpRequest, fields};

const PATH: &str = "/sapi/v1/capital/config/getall";
const WHAT: &str = "GET /sapi/v1/capital/config/getall";
/// Largest list read, in bytes.
const BYTES_MAX: usize = 32 << 20;
/// Coins that it may hold.
const COINS_MAX: usize = 20_000;
/// Chains that a coin may have.
const NETWORKS_MAX: usize = 200;

/// The one request, whose answer lists every coin. None without keys, or with keys that can't sign: sessions tell what is wrong.
pub(crate) fn requests(keys: Option<&AssetKeys<'_>>, wall: UnixNanos) -> Vec<HttpRequest> {
    let signer = keys.and_then(|keys| Signer::new(keys.key.clone(), keys.secret).ok());
    let signed = |signer: Signer| {
        let mut request = crate::connector::get(PATH.into(), signer.signed(&format!("timestamp={}", wall.millis())));
        request.headers.push(("X-MBX-APIKEY", signer.key().to_string()));
        request
    };
    signer.map(signed).into_iter().collect()
}

/// The listings of `assets` in the answer.
///
/// # Errors
/// [`ConnectorError`] for a refusal or another shape.
pub(crate) fn decode(status: u16, body: &mut [u8], assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
    let mut reader = JsonReader::default();
    if !(200..300).contains(&status) {
        let label = error_body(&mut reader, body).map(|error| format!("{} {}", error.code, error.message)).unwrap_or_default();
        return Err(ConnectorError::Refused { what: WHAT, status, label });
    }
    let read = reader.read(body, BYTES_MAX, |root| {
        let coins = items(&root, COINS_MAX, "coins")?;
        coins.filter_map(|row| coin(&row, assets).transpose()).collect::<Result<Vec<AssetListing>, Reject>>()
    });
    read.map_err(|reject| ConnectorError::BadAnswer { what: WHAT, why: reject.to_string() })
}

/// A wanted coin; others are not judged.
fn coin(row: &Value<'_, '_>, assets: &[String]) -> Result<Option<AssetListing>, Reject> {
    fields!(object(row, "coin")?, "coin" => name, "networkList" => networks);
    let name = text(name, "coin")?;
    if !assets.iter().any(|asset| asset == name) {
        return Ok(None);
    }
    let mut denomination = 1;
    let mut read = Vec::new();
    for row in items(&required(networks, "networkList")?, NETWORKS_MAX, "networkList")? {
        fields!(object(&row, "network")?,
            "network" => chain, "contractAddress" => contract, "depositEnable" => deposit, "withdrawEnable" => withdraw,
            "denomination" => unit);
        if unit.is_some() {
            denomination = denomination.max(counter(unit, "denomination")?);
        }
        read.push(Network {
            chain: text(chain, "network")?.into(),
            contract: optional_text(contract, "contractAddress")?.filter(|address| !address.is_empty()).map(Into::into),
            // A switch that is not told opens nothing.
            can_deposit: optional_flag(deposit, "depositEnable")? == Some(true),
            can_withdraw: optional_flag(withdraw, "withdrawEnable")? == Some(true),
        });
    }
    Ok(Some(AssetListing { asset: name.into(), denomination, networks: read }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const COINS: &str = r#"[{"coin":"1MBABYDOGE","depositAllEnable":true,"trading":true,"networkList":[
        {"network":"BSC","coin":"1MBABYDOGE","depositEnable":true,"withdrawEnable":false,"contractAddress":"0xC748","denomination":1000000}]},
        {"coin":"BTC","networkList":[{"network":"BTC","depositEnable":true,"withdrawEnable":true,"contractAddress":""}]},
        {"coin":"ODD"}]"#;

    #[test]
    fn wanted_coins_are_read_with_their_unit() {
        let wanted = ["BTC".to_string(), "1MBABYDOGE".to_string()];
        let told = decode(200, &mut COINS.as_bytes().to_vec(), &wanted).unwrap();
        let bsc = Network { chain: "BSC".into(), contract: Some("0xC748".into()), can_deposit: true, can_withdraw: false };
        let btc = Network { chain: "BTC".into(), contract: None, can_deposit: true, can_withdraw: true };
        assert_eq!(
            told,
            [
                AssetListing { asset: "1MBABYDOGE".into(), denomination: 1_000_000, networks: vec![bsc] },
                AssetListing { asset: "BTC".into(), denomination: 1, networks: vec![btc] },
            ]
        );
    }

    #[test]
    fn refusals_and_other_shapes_are_told() {
        let refused = decode(401, &mut br#"{"code":-2015,"msg":"Invalid API-key"}"#.to_vec(), &[]).unwrap_err();
        assert!(refused.to_string().contains("-2015"), "{refused}");
        assert!(decode(200, &mut COINS.as_bytes().to_vec(), &["ODD".to_string()]).is_err());
        assert!(decode(200, &mut b"{}".to_vec(), &[]).is_err());
    }

    #[test]
    fn the_request_is_signed_and_needs_keys() {
        let (key, secret) = (SecretString::from("k"), SecretString::from("s"));
        let asked = requests(Some(&AssetKeys { key: &key, secret: &secret }), UnixNanos(1_700_000_000_123_000_000));
        let sign = Signer::new(key.clone(), &secret).unwrap().signed("timestamp=1700000000123");
        assert_eq!((asked[0].path.as_str(), &asked[0].query), (PATH, &sign));
        assert!(asked[0].headers.contains(&("X-MBX-APIKEY", "k".to_string())));
        assert!(requests(None, UnixNanos(0)).is_empty());
    }
}
