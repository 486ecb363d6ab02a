//! Every signature vector of the Gate fact sheet (key `key`, secret `secret`): two printed in the manual (D1, D2), others made with
//! the official SDK under a frozen clock. N1 and N2 are signatures that a venue must reject; they must differ from the right form.

use super::Signer;
use secrecy::SecretString;

fn signer() -> Signer {
    Signer::new(SecretString::from("key"), &SecretString::from("secret"))
}

/// Name, method, path, query, body, timestamp, signature.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const REST: &[Row] = &[
    (
        "D1",
        "GET",
        "/api/v4/futures/orders",
        "contract=BTC_USD&status=finished&limit=50",
        "",
        "1541993715",
        "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a",
    ),
    (
        "D2",
        "POST",
        "/api/v4/futures/orders",
        "",
        r#"{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}"#,
        "1541993715",
        "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541fc4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0",
    ),
    (
        "R1",
        "GET",
        "/api/v4/spot/accounts",
        "",
        "",
        "1700000000",
        "fa17722c057aa9b6bccc9bb5f91a1efe40a0ff7fa4af2ba9252028a29fab7bcb90a309b024e982d89e8bbf0997267c56498b0f4b69f306a79e80434b074f296e",
    ),
    (
        "R2",
        "GET",
        "/api/v4/spot/orders",
        "currency_pair=BTC_USDT&status=open&page=1&limit=100",
        "",
        "1700000000",
        "812b56d7cad2e691ecbc7cf1cabd952b218d05257827d0541342b233d2860d84953bfea1bd09fcdbc96640fa9f22eb99735ab1928086ee60cc7fe0aaf44af2b3",
    ),
    (
        "R3",
        "POST",
        "/api/v4/spot/orders",
        "",
        r#"{"text":"t-arb-0001","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.001","price":"27000.5","time_in_force":"ioc"}"#,
        "1700000000",
        "9bfee89ef342cc3282c4505f088bfe2c42cbea88b09b24b15de85332793744100ff559adba7fe66e6d84f59f5139af47e696c798cef10ed9305a955ba2b1ce1a",
    ),
    (
        "R4",
        "DELETE",
        "/api/v4/spot/orders/1234567890",
        "currency_pair=BTC_USDT",
        "",
        "1700000000",
        "0642bb2e2c29dd45bad996fb7c7a46aa12179b2a2b470d20033f8f1f61ae4e279a8c860c2d8e564455043bda1b4021e7509ac4d9aaf64215a2ad619b2bd2d7fa",
    ),
    (
        "R5",
        "DELETE",
        "/api/v4/spot/orders",
        "currency_pair=BTC_USDT&side=buy&account=spot",
        "",
        "1700000000",
        "2ca696ab9430a32d0857816aeeda84edfbe11a17ee183883fc97a83af8d4a39383a936275a5574e2dcbe59d6e2bc304bb44da961f3007d799d252caefcf08539",
    ),
    (
        "R6",
        "POST",
        "/api/v4/spot/countdown_cancel_all",
        "",
        r#"{"timeout":30,"currency_pair":"BTC_USDT"}"#,
        "1700000000",
        "1017ef1975a4c610e89a9749eec1a23be77cc1aa886f57823aed5fc4ac1479876900bf14802e465c6e3d846106ac7a9e2933d9169f863989b671d81ca3daaff1",
    ),
    (
        "R7",
        "PATCH",
        "/api/v4/spot/orders/1234567890",
        "currency_pair=BTC_USDT",
        r#"{"price":"27001"}"#,
        "1700000000",
        "4d645cc97f3442e81f7db928066fe7319e377cb11eec3acb3abc04327eb12ea21418a1efa1884797be6fb41b49cd6010334381197f506993f40baa6453962789",
    ),
    (
        "R8",
        "GET",
        "/api/v4/unified/estimate_rate",
        "currencies=BTC,GT",
        "",
        "1700000000",
        "84f22212e2ba9250febba8e72fccd349e124f1d67a9687261f77510bef4d7acfa6042bae49e80daa5cb937b805cc9d5d5e5aa3dff6651a82d4cf4cbffb13840c",
    ),
    (
        "R9",
        "POST",
        "/api/v4/futures/usdt/positions/BTC_USDT/leverage",
        "leverage=10",
        "",
        "1700000000",
        "df127117568fdaede6a915a01cefbaf731cd1f38be382b923ef9c6dfe5986b964c070efec57004d77d0e25388779b9b134e76a5c04e7563c7eb1aacab1eb3715",
    ),
    (
        "R10",
        "POST",
        "/api/v4/futures/usdt/orders",
        "",
        r#"{"contract":"BTC_USDT","size":-5,"price":"0","tif":"ioc","reduce_only":true,"text":"t-hedge-1"}"#,
        "1700000000",
        "da601833523ad3305509d71b67ba28154901f6bebbd8e3db623be5457b186911231aeda26b0667007f320c72193f75e669185350a46384b024405108fef7470b",
    ),
    (
        "R11",
        "GET",
        "/api/v4/spot/accounts",
        "",
        "",
        "1700000000.25",
        "7f71666845f4d2e176a7eafb5d99a53153ecc0ac8d2d0550251c5aaad8707ca2a55df295e3271b36efa12822b876cbeb2cc8948f4fc57d4d9c61f07f0ed88b39",
    ),
    (
        "N1",
        "GET",
        "/spot/accounts",
        "",
        "",
        "1700000000",
        "6b8de4c7c2a948f5b51320c2bf52d884d71cc3616ddd3aa277a483a2a0f0daa04537ee87f57e08ec963ea040b2c61f20a8666b4ca407702c8d01d7d104ed997d",
    ),
    (
        "N2",
        "GET",
        "/api/v4/unified/estimate_rate",
        "currencies=BTC%2CGT",
        "",
        "1700000000",
        "db1fb5a6d57e383e73d8ca1af2bc354f8bb2f3147641492b856d7b034dc9c064d47d744af7f66e19199d6ed416cf16e13bb36725afeb7e0b6e033b205e351829",
    ),
];

/// Name, text signed, result.
const PLAIN: &[(&str, &str, &str)] = &[
    (
        "W1",
        "channel=spot.orders&event=subscribe&time=1700000000",
        "0dc17b76097b2726573e30bde2a792ce238bbd452f414d949a5f71d5bf1dd50e8e8166a762af6614f0228360882c6e35df2ac39ed0eba1be8b02d9ca1ec9c6c9",
    ),
    (
        "W2",
        "channel=spot.usertrades&event=subscribe&time=1700000000",
        "38094e2f2b72acc25a8648197dc8c850b622b31eab92b445af73b577a2a46ac101976cfa35b33a8c4df6440bf71da4740cad1cf68d8f9da48b2199667f5264e3",
    ),
    (
        "W3",
        "channel=spot.balances&event=subscribe&time=1700000000",
        "f4c2fc92b344d5dcb3dd56bcdab3ecf3bb863a599c51cec748de0189428c8b65d0a60901fa2bf273ff4b0929cb2ae34c317e7070198573dedaa6089b18ce3418",
    ),
    (
        "W4",
        "channel=spot.orders&event=unsubscribe&time=1700000000",
        "e06d9d0680cc2a7f914aac10c2c134bb5ce05f82f227df54cfee337c21f0c2a8ae8908bbe4a2cba1d564803be26dc78236655c3a6a0fb540e4b60168aa75b92d",
    ),
    (
        "W5",
        "channel=futures.orders&event=subscribe&time=1700000000",
        "e40a0260c1d090a7b5f60f6171dfc3d9ca6a1b1dd6abfd8e92347bad5e134af77fb03930eff122f7f72cdcb3c41898a16dbf1ee7089615f540c11b12c19b6d04",
    ),
    (
        "L1",
        "api\nspot.login\n\n1700000000",
        "fda6efd05e40791f1059365daecc597f520349bd009ecaa64454e137d73a181e6bcdeb466148db04b38adfc8800a2e46ab4e4ac02eee77a8a2a2ece43d6d720c",
    ),
    (
        "L2",
        "api\nfutures.login\n\n1700000000",
        "f39035057b3528fc2c5aff4b9cfa9f43673c88d3ff823c55468608173205809999a8b45d7ed898ebf49c15a4f6e5131de175ded143be5eeb58431f600e1d4085",
    ),
    (
        "L3",
        "api\nspot.login\n{}\n1700000000",
        "03cd3c385a7f3b5002acb584da5556d0b47b19b8430534b567283f5f56d6016f341e3bd9aa8565c8fdd81c0d5c76afe725c4ca712083f9823069d0f5ccf69226",
    ),
    (
        "P1",
        "api\nspot.order_place\n{\"text\":\"t-arb-0001\",\"currency_pair\":\"BTC_USDT\",\"type\":\"limit\",\"account\":\"spot\",\"side\":\"buy\",\"amount\":\"0.001\",\"price\":\"27000.5\",\"time_in_force\":\"ioc\"}\n1700000000",
        "7a256b1c8865ebcd3d3aefab39dbca7556523600a55c5315de3cd4b524a728f5456083634f04d9f8268a7e948c9ca603b58609f5072645ed1245253b817ec219",
    ),
];

#[test]
fn rest_signatures_equal_the_vectors() {
    for (name, method, path, query, body, timestamp, sign) in REST {
        assert_eq!(signer().rest(method, path, query, body.as_bytes(), timestamp), *sign, "{name}");
    }
    assert_eq!(REST.len(), 15);
}

#[test]
fn the_negative_vectors_differ_from_the_right_form() {
    let right = signer().rest("GET", "/api/v4/spot/accounts", "", b"", "1700000000");
    let comma = signer().rest("GET", "/api/v4/unified/estimate_rate", "currencies=BTC,GT", b"", "1700000000");
    for (name, .., sign) in REST.iter().filter(|row| row.0.starts_with('N')) {
        assert!(*sign != right && *sign != comma, "{name}");
    }
}

#[test]
fn websocket_signatures_equal_the_vectors() {
    for (name, text, sign) in PLAIN {
        assert_eq!(signer().sign(&[text]), *sign, "{name}");
        let field = |at: usize| text.split('\n').nth(at).unwrap_or_default();
        let made = match text.strip_prefix("channel=").and_then(|t| t.split_once("&event=")) {
            Some((channel, rest)) => {
                let (event, time) = rest.split_once("&time=").expect("a time");
                signer().channel(channel, event, time.parse().expect("seconds"))
            }
            None => signer().api_request(field(1), field(2), field(3)),
        };
        assert_eq!(made, *sign, "{name} by its own method");
    }
    assert_eq!(PLAIN.len(), 9);
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?}", Signer::new(SecretString::from("visible-key"), &SecretString::from("visible-secret")));
    assert_eq!(shown, "Signer(hidden)");
}
