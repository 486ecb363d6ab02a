//! Any bytes are answered by every decoder, and so is any JSON of the right names with wrong values.

use crate::rest::RestReader;
use crate::wire::Reject;
use domain::FrameReject;
use proptest::prelude::*;

type Decode = fn(&mut RestReader, &mut [u8]) -> Result<(), Reject>;

const DECODERS: &[(&str, Decode)] = &[
    ("time", |r, b| r.time(b).map(drop)),
    ("currencies", |r, b| r.currencies(b).map(drop)),
    ("currency", |r, b| r.currency(b).map(drop)),
    ("pairs", |r, b| r.pairs(b).map(drop)),
    ("pair", |r, b| r.pair(b).map(drop)),
    ("tickers", |r, b| r.tickers(b).map(drop)),
    ("order_book", |r, b| r.order_book(b, false).map(drop)),
    ("trades", |r, b| r.trades(b).map(drop)),
    ("candlesticks", |r, b| r.candlesticks(b).map(drop)),
    ("currency_chains", |r, b| r.currency_chains(b).map(drop)),
    ("fee", |r, b| r.fee(b).map(drop)),
    ("batch_fee", |r, b| r.batch_fee(b).map(drop)),
    ("debit_fee", |r, b| r.debit_fee(b).map(drop)),
    ("rate_limit", |r, b| r.rate_limit(b).map(drop)),
    ("detail", |r, b| r.detail(b).map(drop)),
    ("main_keys", |r, b| r.main_keys(b).map(drop)),
    ("accounts", |r, b| r.accounts(b).map(drop)),
    ("account_book", |r, b| r.account_book(b).map(drop)),
    ("total_balance", |r, b| r.total_balance(b).map(drop)),
    ("withdraw_status", |r, b| r.withdraw_status(b).map(drop)),
    ("deposit_address", |r, b| r.deposit_address(b).map(drop)),
    ("transfers", |r, b| r.transfers(b).map(drop)),
    ("unified_mode", |r, b| r.unified_mode(b).map(drop)),
    ("order", |r, b| r.order(b).map(drop)),
    ("order_reply", |r, b| r.order_reply(b).map(drop)),
    ("orders", |r, b| r.orders(b).map(drop)),
    ("items", |r, b| r.items(b).map(drop)),
    ("open_orders", |r, b| r.open_orders(b).map(drop)),
    ("my_trades", |r, b| r.my_trades(b).map(drop)),
    ("countdown", |r, b| r.countdown(b).map(drop)),
];

/// Names that some decoder reads.
const NAMES: &[&str] = &[
    "id",
    "currency",
    "currency_pair",
    "chains",
    "name",
    "amount",
    "left",
    "price",
    "side",
    "status",
    "event",
    "type",
    "fee",
    "asks",
    "bids",
    "orders",
    "total",
    "details",
    "perms",
    "key",
    "mode",
    "text",
    "base",
    "quote",
    "precision",
    "amount_precision",
    "trade_status",
    "trade_quotes",
    "filled_amount",
    "filled_total",
    "avg_deal_price",
    "triggerTime",
    "server_time",
    "enabled",
    "withdraw_fix_on_chains",
    "multichain_addresses",
    "succeeded",
    "label",
    "message",
    "available",
    "locked",
    "update_id",
];

fn values() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        Just("true".to_string()),
        "-?[0-9]{1,24}(\\.[0-9]{1,30})?(e-?[0-9]{1,4})?",
        "\"-?[0-9]{1,24}(\\.[0-9]{1,30})?(e-?[0-9]{1,4})?\"",
        proptest::sample::select(
            &["\"buy\"", "\"open\"", "\"market\"", "\"limit\"", "\"A_B\"", "\"finish\"", "\"tradable\"", "\"\""][..]
        )
        .prop_map(str::to_string),
        "\"[ -!#-\\[\\]-~é]{0,12}\"",
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((proptest::sample::select(NAMES), inner), 0..12).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

#[test]
fn what_is_no_json_or_too_much_is_refused_by_every_decoder() {
    let too_deep = [vec![b'['; 40], vec![b']'; 40]].concat();
    let too_large = vec![b' '; (16 << 20) + 1];
    for (name, decode) in DECODERS {
        let reason = |bytes: &[u8]| decode(&mut RestReader::default(), &mut bytes.to_vec()).unwrap_err().reason;
        for text in ["", "<html>", "{", "[1.5", "{\"a\":1.5"] {
            assert_eq!(reason(text.as_bytes()), FrameReject::NotJson, "{name} {text}");
        }
        assert_eq!(reason(b"\"\xff\""), FrameReject::NotUtf8, "{name}");
        assert_eq!(reason(&too_deep), FrameReject::TooDeep, "{name}");
        assert_eq!(reason(&too_large), FrameReject::TooLarge, "{name}");
        for text in ["1", "\"x\"", "null", "true", "1.5"] {
            assert_eq!(reason(text.as_bytes()), FrameReject::UnknownShape, "{name} {text}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = RestReader::default();
        for (_, decode) in DECODERS {
            let _ = decode(&mut reader, &mut bytes.clone());
        }
        let _ = reader.error(400, &mut bytes.clone());
    }

    #[test]
    fn any_json_is_answered_the_same_by_a_used_reader(text in values()) {
        let mut used = RestReader::default();
        for (name, decode) in DECODERS {
            let fresh = decode(&mut RestReader::default(), &mut text.clone().into_bytes());
            prop_assert_eq!(fresh, decode(&mut used, &mut text.clone().into_bytes()), "{}", name);
        }
    }
}
