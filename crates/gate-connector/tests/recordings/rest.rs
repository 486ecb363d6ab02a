//! REST bodies recorded by others, body by body: which reader of the catalogue reads it, and what it says, or why it is refused.

use super::{data, text};
use domain::{ErrorClass, FrameReject, Symbol, UnixNanos};
use gate_connector::errors::Disposition;
use gate_connector::rest::RestReader;
use gate_connector::rest::listing::TradeStatus;
use gate_connector::rest::orders::OrderView;
use gate_connector::rules;
use gate_connector::wire::Reject;
use std::collections::BTreeSet;

/// Reads a body and says in short what it says.
type Read = fn(&mut RestReader, &mut [u8]) -> Result<String, Reject>;

fn said(order: &OrderView) -> String {
    let net = order.net_received().map(|net| format!("{} {}", net.amount.normalize(), net.asset));
    let fees: Vec<String> = order.fees().iter().map(|fee| format!("{} {}", fee.amount.normalize(), fee.asset)).collect();
    format!("{} {:?} {:?} net {} fees {}", order.id, order.state, order.ending(), net.unwrap_or_default(), fees.join("+"))
}

fn order(reader: &mut RestReader, body: &mut [u8]) -> Result<String, Reject> {
    reader.order(body).map(|order| said(&order))
}

fn transfers(reader: &mut RestReader, body: &mut [u8]) -> Result<String, Reject> {
    let line = |t: &gate_connector::rest::wallet::Transfer| {
        format!("{} {} {} {} {:?}", t.id, t.amount.normalize(), t.currency, t.status, t.is_final_withdrawal())
    };
    reader.transfers(body).map(|list| list.iter().map(line).collect::<Vec<_>>().join("; "))
}

/// Name of a body, its reader, what it says or which field is refused for what.
type Row = (&'static str, Read, Result<&'static str, (FrameReject, &'static str)>);

const BODIES: &[Row] = &[
    (
        "api_v4_spot_account_book",
        |r, b| {
            let line = |e: &gate_connector::rest::account::LedgerEntry| format!("{} {} of {}", e.change, e.currency, e.balance);
            r.account_book(b).map(|list| list.iter().map(line).collect::<Vec<_>>().join("; "))
        },
        Ok("-0.0113918056 USDT of 16.00283141582979715942; -0.0187363344 USDT of 10.31832042142979715942"),
    ),
    (
        "api_v4_spot_accounts",
        |r, b| r.accounts(b).map(|list| format!("{} {} {}", list[0].currency, list[0].available, list[0].locked)),
        Ok("USDT 4.1 1.1"),
    ),
    (
        "api_v4_spot_currencies",
        |r, b| {
            let line =
                |c: &gate_connector::rest::listing::Currency| format!("{} {}/{}", c.name, c.can_deposit(), c.can_withdraw());
            r.currencies(b).map(|list| list.iter().map(line).collect::<Vec<_>>().join("; "))
        },
        Ok("BTC true/true; BTC_BSC true/true; BTC_HT false/false; ETH true/true; ETH_BSC true/true"),
    ),
    (
        "api_v4_spot_currency_pairs",
        |r, b| {
            r.pairs(b).map(|list| {
                list.iter().map(|p| format!("{} {}/{}", p.id, p.price_decimals, p.qty_decimals)).collect::<Vec<_>>().join("; ")
            })
        },
        Ok("BTC_USDT 1/4; CHZ_USDT 5/2; ETH_USDT 2/4"),
    ),
    (
        "api_v4_spot_currency_pairs_chz_usdt",
        |r, b| r.pair(b).map(|p| format!("{} {:?} {:?}", p.id, p.quote_min.map(|m| m.to_string()), p.directions(None))),
        Ok("CHZ_USDT Some(\"1\") Directions { can_buy: true, can_sell: true }"),
    ),
    (
        "api_v4_spot_my_trades",
        |r, b| {
            let line = |t: &gate_connector::rest::trades::MyTrade| {
                let net = t.net_received().map(|net| format!("{} {}", net.amount.normalize(), net.asset));
                format!("{} {:?} {}", t.id, t.role, net.unwrap_or_default())
            };
            r.my_trades(b).map(|list| list.iter().map(line).collect::<Vec<_>>().join("; "))
        },
        Ok("6068816979 Taker 0.00002994 BTC; 6068789332 Taker 1.46941528 USDT"),
    ),
    // Asked for with its id, this answer is none.
    ("api_v4_spot_order_book", |r, b| r.order_book(b, true).map(|_| String::new()), Err((FrameReject::MissingField, "id"))),
    (
        "api_v4_spot_order_book",
        |r, b| r.order_book(b, false).map(|book| format!("{} {} {:?}", book.bids[0].0, book.asks[0].0, book.id)),
        Ok("150 200 None"),
    ),
    ("api_v4_spot_orders-open-limit-order", order, Ok("745504484392 Open None net 0 BTC fees ")),
    ("api_v4_spot_orders-valid-cancel-order", order, Ok("376835979523 Cancelled Some(Unfilled) net 0 BTC fees ")),
    ("api_v4_spot_orders-valid-limit-buy-order", order, Ok("376835979523 Open None net 0 BTC fees ")),
    ("api_v4_spot_orders-valid-limit-sell-order", order, Ok("373824296029 Open None net 0 USDT fees ")),
    (
        "api_v4_spot_orders-valid-market-buy-order",
        order,
        Ok("342251629898 Closed Some(Filled) net 0.0006986 BTC fees 0.0000014 BTC"),
    ),
    (
        "api_v4_spot_orders-valid-market-sell-order",
        order,
        Ok("342260949533 Closed Some(Filled) net 18.90593236 USDT fees 0.03788764 USDT"),
    ),
    ("api_v4_spot_orders_buy-order-details", order, Ok("342251629898 Closed Some(Filled) net 0.0006986 BTC fees 0.0000014 BTC")),
    (
        "api_v4_spot_orders_sell-order-details",
        order,
        Ok("425539509181 Closed Some(Filled) net 8.41770588992 USDT fees 0.01686915008 USDT"),
    ),
    (
        "api_v4_spot_orders",
        |r, b| r.orders(b).map(|list| list.iter().map(said).collect::<Vec<_>>().join("; ")),
        Ok("745504484392 Open None net 0 BTC fees "),
    ),
    (
        "api_v4_spot_tickers",
        |r, b| r.tickers(b).map(|list| format!("{} {:?}", list.len(), list[1].last.map(|l| l.to_string()))),
        Ok("2 Some(\"1752.96\")"),
    ),
    (
        "api_v4_spot_tickers_btc-usdt",
        |r, b| r.tickers(b).map(|list| format!("{} {:?}", list.len(), list[0].quote_volume.map(|v| v.to_string()))),
        Ok("1 Some(\"122407105.4829\")"),
    ),
    (
        "api_v4_wallet_currency_chains",
        |r, b| {
            let line =
                |c: &gate_connector::rest::wallet::CurrencyChain| format!("{} {}/{}", c.chain, c.can_deposit, c.can_withdraw);
            r.currency_chains(b).map(|list| list.iter().map(line).collect::<Vec<_>>().join("; "))
        },
        Ok("BTC true/true; HT false/false"),
    ),
    (
        "api_v4_wallet_deposit_address-pending",
        |r, b| r.deposit_address(b).map(|list| format!("{:?} {}", list[0].address, list[0].failed)),
        Ok("None true"),
    ),
    (
        "api_v4_wallet_deposit_address-valid",
        |r, b| r.deposit_address(b).map(|list| format!("{:?} {:?}", list[0].address, list[0].memo)),
        Ok("Some(\"gateioioabbc\") Some(\"00cceed3f9cb5069\")"),
    ),
    ("api_v4_wallet_deposits", transfers, Ok("d95198946 2353 OMN DONE false; d95194166 5 NAP DONE false")),
    // `DONE` without a block is not final yet.
    ("api_v4_wallet_withdrawals-records", transfers, Ok("w35874123 1030645.8587 LUFFY DONE false")),
    (
        "api_v4_wallet_withdraw_status",
        |r, b| {
            let line = |w: &gate_connector::rest::wallet::WithdrawStatus| {
                format!("{} {} chains, least {:?}", w.currency, w.fixed_fee_by_chain.len(), w.least.map(|l| l.to_string()))
            };
            r.withdraw_status(b).map(|list| list.iter().map(line).collect::<Vec<_>>().join("; "))
        },
        Ok("GT 2 chains, least Some(\"0.12\"); USDT 16 chains, least Some(\"66\")"),
    ),
    // Answers to requests that are not in the catalogue are no other list.
    ("api_v4_wallet_saved_address", transfers, Err((FrameReject::MissingField, "id"))),
    ("api_v4_wallet_sub_account_transfers", transfers, Err((FrameReject::MissingField, "id"))),
    ("api_v4_withdrawals-create-new", transfers, Err((FrameReject::UnknownShape, "transfers"))),
];

#[test]
fn every_rest_body_is_read_or_refused_for_the_right_reason() {
    let Some(folder) = data("xchange/gateio-v4-rest") else { return };
    let mut reader = RestReader::default();
    for (name, read, expected) in BODIES {
        let mut body = text(&folder.join(format!("{name}.json"))).into_bytes();
        let got = read(&mut reader, &mut body).map_err(|reject| (reject.reason, reject.what));
        assert_eq!(got.as_deref().map_err(|e| *e), *expected, "{name}");
    }
    let listed: BTreeSet<String> = BODIES.iter().map(|(name, ..)| format!("{name}.json")).collect();
    assert_eq!(listed, names_in(&folder), "every body has its row");
}

fn names_in(folder: &std::path::Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let files = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_file());
    files.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn every_error_body_is_classed() {
    let Some(folder) = data("xchange/gateio-v4-rest/exceptions") else { return };
    use Disposition::{Fatal, Refused, RetryAfter, Unknown};
    // Name, status of its class in the fact sheet, label, class, disposition.
    let rows = [
        ("spot_orders-balance-not-enough", 400, "BALANCE_NOT_ENOUGH", ErrorClass::InsufficientFunds, Refused),
        ("wallet_withdraw_status-forbidden", 403, "FORBIDDEN", ErrorClass::AuthFatal, Fatal),
        ("wallet_withdraw_status-invalid_currency", 400, "INVALID_CURRENCY", ErrorClass::SymbolClosed, Refused),
        ("wallet_withdraw_status-invalid_key", 401, "INVALID_KEY", ErrorClass::AuthFatal, Fatal),
        ("wallet_withdraw_status-invalid_signature", 401, "INVALID_SIGNATURE", ErrorClass::AuthFatal, Fatal),
        ("wallet_withdraw_status_internal-server-error", 500, "SERVER_ERROR", ErrorClass::Unknown, Unknown),
        ("withdrawals_invalid-address", 400, "INVALID_PARAM_VALUE", ErrorClass::FilterReject, Refused),
        ("withdrawals_min-amount", 400, "INVALID_PARAM_VALUE", ErrorClass::FilterReject, Refused),
        ("withdrawals_rate-limit", 400, "TOO_FAST", ErrorClass::RateLimited, RetryAfter),
    ];
    let mut reader = RestReader::default();
    for (name, status, label, class, disposition) in rows {
        let error = reader.error(status, &mut text(&folder.join(format!("api_v4_{name}.json"))).into_bytes());
        assert_eq!((error.label.as_deref(), error.class(), error.disposition()), (Some(label), class, disposition), "{name}");
        assert!(error.message.is_some(), "{name}");
    }
    assert_eq!(names_in(&folder).len(), rows.len(), "every body has its row");
}

/// The REST calls of a recorded session: path with query, and body.
fn calls(name: &str) -> Option<Vec<(String, String)>> {
    let lines = text(&data(name)?);
    let call = |line: &str| {
        let (url, rest) = line.split_once(" -> ")?;
        let (_, body) = rest.split_once(": ")?;
        Some((url.strip_prefix("https://api.gateio.ws").expect("Gate").to_string(), body.to_string()))
    };
    Some(lines.lines().filter_map(call).collect())
}

#[test]
fn the_listing_of_2021_is_read_whole() {
    let Some(calls) = calls("cryptofeed/GATEIO.0.zst") else { return };
    let [(path, body)] = calls.as_slice() else { panic!("one call") };
    assert_eq!(path, "/api/v4/spot/currency_pairs");
    let pairs = RestReader::default().pairs(&mut body.clone().into_bytes()).expect("pairs");
    let of = |status| pairs.iter().filter(|p| p.status == status).count();
    let counts = (of(TradeStatus::Tradable), of(TradeStatus::Sellable), of(TradeStatus::Buyable), of(TradeStatus::Untradable));
    assert_eq!(
        counts,
        (body.matches("\"tradable\"").count(), body.matches("\"sellable\"").count(), 0, body.matches("\"untradable\"").count())
    );
    assert_eq!(pairs.len(), body.matches("\"trade_status\"").count());
    // Rules follow the facts: what may be sold only can't be bought, and what had begun by then is open.
    let at = Some(UnixNanos(1_619_093_531 * 1_000_000_000));
    let mut judged = 0;
    for facts in &pairs {
        let Ok(symbol) = Symbol::parse(&facts.id) else { continue };
        let rules = rules::decode_at(200, &mut body.clone().into_bytes(), std::slice::from_ref(&symbol), at);
        let Ok(rules) = rules else { panic!("{symbol}: {rules:?}") };
        let open = facts.directions(at);
        assert_eq!((rules[0].can_buy, rules[0].can_sell), (open.can_buy, open.can_sell), "{symbol}");
        judged += 1;
        // The whole listing is read for each: a sample of it is enough.
        if judged == 60 {
            break;
        }
    }
    assert_eq!(judged, 60);
    let later: Vec<&str> = pairs
        .iter()
        .filter(|p| p.status == TradeStatus::Tradable && p.directions(at) != p.directions(None))
        .map(|p| p.id.as_str())
        .collect();
    println!("{} pairs, not begun when recorded: {later:?}", pairs.len());
}

#[test]
fn books_of_spot_are_read_and_books_of_contracts_are_not() {
    let (Some(spot), Some(futures)) = (calls("cryptofeed/GATEIO.http.0.0.zst"), calls("cryptofeed/GATEIO_FUTURES.http.0.0.zst"))
    else {
        return;
    };
    let mut reader = RestReader::default();
    for (path, body) in &spot {
        assert!(path.starts_with("/api/v4/spot/order_book?currency_pair="), "{path}");
        let book = reader.order_book(&mut body.clone().into_bytes(), true).expect(path);
        assert!(book.id.is_some() && !book.bids.is_empty() && !book.asks.is_empty(), "{path}");
    }
    for (path, body) in &futures {
        assert!(path.starts_with("/api/v4/futures/usdt/order_book?contract="), "{path}");
        let reject = reader.order_book(&mut body.clone().into_bytes(), true).expect_err(path);
        assert_eq!((reject.reason, reject.what), (FrameReject::UnknownShape, "asks"), "levels are objects: {path}");
    }
    assert_eq!((spot.len(), futures.len()), (7, 7));
    let Some(contracts) = calls("cryptofeed/GATEIO_FUTURES.0.zst") else { return };
    for (path, body) in contracts {
        let reject = reader.pairs(&mut body.into_bytes()).expect_err(&path);
        assert_eq!((reject.reason, reject.what), (FrameReject::MissingField, "base"), "contracts are no pairs: {path}");
    }
}

#[test]
fn rest_bodies_among_the_single_frames_are_refused_for_the_right_reason() {
    let Some(path) = data("crypto-msg-parser/gate.jsonl") else { return };
    let mut reader = RestReader::default();
    let mut seen = 0;
    for line in text(&path).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let (case, raw) = (line["case"].as_str().expect("a case"), line["raw"].as_str().expect("a frame"));
        let refused = |reject: Reject| (reject.reason, reject.what);
        match case.split('/').next() {
            Some("l2_snapshot") => {
                let book = reader.order_book(&mut raw.to_string().into_bytes(), false).map_err(refused);
                assert_eq!(book.unwrap_err(), (FrameReject::UnknownShape, "asks"), "{case}");
                seen += 1;
            }
            // An array of statistics is no list of the catalogue.
            Some("open_interest") => {
                let tickers = reader.tickers(&mut raw.to_string().into_bytes()).map_err(refused);
                assert_eq!(tickers.unwrap_err(), (FrameReject::MissingField, "currency_pair"), "{case}");
                seen += 1;
            }
            _ => {}
        }
    }
    assert!(seen > 4, "{seen}");
}
