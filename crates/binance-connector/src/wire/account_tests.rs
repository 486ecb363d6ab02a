//! Bodies about an account: every status, right and part of a fee, and any bytes.

use super::*;
use crate::wire::PairNames;
use crate::wire::samples::{account_names as names, stamp};
use domain::{ClientOrderId, Finish, OrderReport, Role, Side};
use proptest::prelude::*;
use venue::desk::rows::EchoedTif;

fn decoder() -> Decoder {
    Decoder::new(names())
}

fn our_id() -> ClientOrderId {
    ClientOrderId::new(1, 2, 3, 4).unwrap()
}

fn order(fields: &str) -> String {
    format!(
        r#"{{"symbol":"BTCUSDT","orderId":77,"clientOrderId":"{}","side":"BUY","type":"LIMIT","timeInForce":"IOC","price":"61234.50000000","origQty":"0.00210000","cummulativeQuoteQty":"0"{fields}}}"#,
        our_id()
    )
}

fn read(text: &str) -> Result<Option<OrderRow>, Reject> {
    decoder().order(&mut text.as_bytes().to_vec(), stamp())
}

#[track_caller]
fn report(text: &str) -> OrderReport {
    read(text).unwrap().unwrap().update.report
}

fn qty(units: i64) -> domain::Qty {
    domain::Qty::from_units(units).unwrap()
}

#[test]
fn every_status_is_an_order_that_rests_or_one_that_ended_with_what_it_had() {
    let of = |status: &str, filled: &str| report(&order(&format!(r#","status":"{status}","executedQty":"{filled}""#)));
    for status in ["NEW", "PENDING_NEW", "PARTIALLY_FILLED", "PENDING_CANCEL"] {
        assert_eq!(of(status, "0.00070000"), OrderReport::Open { filled: qty(70) });
    }
    // A partly executed immediate order ends EXPIRED.
    for status in ["CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"] {
        assert_eq!(of(status, "0.00070000"), OrderReport::Finished { finish: Finish::Cancelled, filled: qty(70) });
    }
    assert_eq!(of("FILLED", "0.00210000"), OrderReport::Finished { finish: Finish::Filled, filled: qty(210) });
    assert_eq!(of("EXPIRED", "0.00210000"), OrderReport::Finished { finish: Finish::Filled, filled: qty(210) });
    assert!(matches!(of("REJECTED", "0"), OrderReport::Refused { .. }));
    for (status, filled) in [("REJECTED", "0.001"), ("SOMETHING", "0"), ("NEW", "0.00220000"), ("NEW", "-1"), ("NEW", "x")] {
        let text = order(&format!(r#","status":"{status}","executedQty":"{filled}""#));
        assert!(read(&text).is_err(), "{text}");
    }
}

#[test]
fn the_answer_to_a_placement_tells_its_terms_and_that_to_a_cancel_our_id_not_the_cancels() {
    let full = order(
        r#","status":"FILLED","executedQty":"0.0021","fills":[{"price":"61234.5","qty":"0.0021","commission":"0","commissionAsset":"BNB","tradeId":1}]"#,
    );
    let row = read(&full).unwrap().unwrap();
    assert_eq!((row.update.client_id, row.update.venue_order_id.unwrap().to_string()), (Some(our_id()), "77".into()));
    assert_eq!((row.side, row.price.unwrap().units(), row.qty), (Side::Buy, 6_123_450, Some(qty(210))));
    assert_eq!(row.tif, EchoedTif::Known(domain::TimeInForce::Ioc));
    let cancel = order(r#","status":"CANCELED","executedQty":"0""#)
        .replace("clientOrderId", "origClientOrderId")
        .replace("\"orderId\"", "\"clientOrderId\":\"theirs\",\"orderId\"");
    assert_eq!(read(&cancel).unwrap().unwrap().update.client_id, Some(our_id()));
    // Another's order, a post-only one, a market order by quote, and one on a pair that is not configured.
    let foreign = full.replace(&our_id().to_string(), "web_1");
    assert_eq!(read(&foreign).unwrap().unwrap().update.client_id, None);
    let maker = full.replace("\"LIMIT\"", "\"LIMIT_MAKER\"").replace("IOC", "GTC");
    assert_eq!(read(&maker).unwrap().unwrap().tif, EchoedTif::Other);
    let market = full.replace("\"LIMIT\"", "\"MARKET\"").replace("61234.50000000", "0.00000000").replace("0.00210000", "0");
    let market = read(&market).unwrap().unwrap();
    assert_eq!((market.price, market.qty), (None, None));
    assert_eq!(read(&full.replace("BTCUSDT", "XRPUSDT")), Ok(None));
    for broken in [full.replace("77", "-7"), full.replace("BUY", "HOLD"), full.replace("0.00210000", "0.0000001"), "[]".into()] {
        assert!(read(&broken).is_err(), "{broken}");
    }
}

#[test]
fn lists_are_whole_or_refused() {
    let open = format!("[{},{}]", order(r#","status":"NEW","executedQty":"0""#), order("").replace("BTCUSDT", "XRPUSDT"));
    let page = decoder().open_orders(&mut open.clone().into_bytes(), stamp()).unwrap();
    assert_eq!((page.rows.len(), page.elsewhere, page.more), (1, 1, false));
    assert!(decoder().open_orders(&mut open.replace("NEW", "ODD").into_bytes(), stamp()).is_err());
    // Orders of a list stand below it.
    let cancelled = order(r#","status":"CANCELED","executedQty":"0.0007""#);
    let all = format!(r#"[{cancelled},{{"orderListId":1,"orderReports":[{cancelled},{cancelled}]}}]"#);
    let ended = decoder().cancelled(&mut all.into_bytes(), stamp()).unwrap();
    assert_eq!(ended.len(), 3);
    let finished = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(70) };
    assert!(ended.iter().all(|update| update.report == finished));
}

#[test]
fn executions_tell_fee_role_and_where_the_next_page_begins() {
    let row = |id: u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","id":{id},"orderId":77,"price":"61234.50000000","qty":"0.00070000","quoteQty":"42.86415000","commission":"0.00000070","commissionAsset":"BTC","time":1750000000123,"isBuyer":true,"isMaker":false}}"#
        )
    };
    let page = |rows: &[u64]| {
        let list: Vec<String> = rows.iter().map(|id| row(*id)).collect();
        decoder().trades(&mut format!("[{}]", list.join(",")).into_bytes(), stamp())
    };
    let one = page(&[5]).unwrap();
    let fill = &one.rows[0];
    assert_eq!((fill.trade_id.to_string(), fill.venue_order_id.to_string(), fill.client_id), ("5".into(), "77".into(), None));
    assert_eq!((fill.side, fill.qty, fill.role), (Side::Buy, qty(70), Role::Taker));
    assert_eq!(fill.fees.as_slice(), [(AssetId(0), Amount::from_units(700_000_000_000))]);
    assert!(!one.more);
    let full: Vec<u64> = (1..=TRADES_PAGE as u64).collect();
    let first = page(&full).unwrap();
    assert_eq!((first.more, first.cursor.as_str()), (true, "1001"));
    assert!(!page(&[]).unwrap().more);
    let text = |change: &dyn Fn(String) -> String| decoder().trades(&mut format!("[{}]", change(row(5))).into_bytes(), stamp());
    assert!(text(&|row| row.replace("\"BTC\"", "\"XRP\"")).is_err(), "a fee that the ledger has no asset for");
    assert!(text(&|row| row.replace("0.00070000", "0")).is_err());
    let free = text(&|row| row.replace("0.00000070", "0").replace("\"BTC\"", "null")).unwrap();
    assert!(free.rows[0].fees.is_empty());
}

/// A decoder of one spot pair, in the scale that its rules give.
fn decoder_of(symbol: &str, tick: &str, step: &str) -> Decoder {
    let symbol = domain::Symbol::parse(symbol).unwrap();
    let mut rules = format!(
        r#"{{"symbols":[{{"symbol":"{0}{1}","status":"TRADING","baseAsset":"{0}","quoteAsset":"{1}","isSpotTradingAllowed":true,"filters":[{{"filterType":"PRICE_FILTER","tickSize":"{tick}"}},{{"filterType":"LOT_SIZE","stepSize":"{step}"}}]}}]}}"#,
        symbol.base, symbol.quote
    )
    .into_bytes();
    let symbols = [symbol];
    let rules = crate::rules::decode(200, &mut rules, &symbols).unwrap();
    let (tables, _) = venue::build_tables(&symbols, &[("binance".into(), rules)], &["BNB"]).unwrap();
    Decoder::new(PairNames::new(domain::VenueId(0), std::sync::Arc::new(tables), &[PairId(0)]))
}

/// One row of `myTrades`.
fn executed(symbol: &str, price: &str, qty: &str, quote: &str) -> String {
    format!(
        r#"[{{"symbol":"{symbol}","id":5,"orderId":77,"price":"{price}","qty":"{qty}"{quote},"commission":"0","commissionAsset":"BNB","time":1750000000123,"isBuyer":true,"isMaker":false}}]"#
    )
}

/// Rows of a public account: Binance keeps eight decimals of a product that has nine.
#[test]
fn what_an_execution_moved_in_quote_is_what_the_venue_told() {
    let read = |price: &str, qty: &str, quote: &str| {
        let mut decoder = decoder_of("BNB/BTC", "0.00000100", "0.00100000");
        let page = decoder.trades(&mut executed("BNBBTC", price, qty, quote).into_bytes(), stamp());
        page.map(|page| page.rows[0].quote.map(|quote| quote.to_text())).map_err(|reject| reject.reason)
    };
    let told = |quote: &str| format!(r#","quoteQty":"{quote}""#);
    assert_eq!(read("0.00566780", "0.38000000", &told("0.00215376")), Ok(Some("0.00215376".into())));
    assert_eq!(read("0.00324060", "3.27000000", &told("0.01059676")), Ok(Some("0.01059676".into())));
    // Rounded up, exact, and not told.
    assert_eq!(read("0.00324060", "3.27000000", &told("0.01059677")), Ok(Some("0.01059677".into())));
    assert_eq!(read("0.00324060", "3.27000000", &told("0.010596762")), Ok(Some("0.010596762".into())));
    assert_eq!(read("0.00324060", "3.27000000", ""), Ok(None));
    // A unit of the eighth decimal apart, and what is no quote.
    for quote in ["0.010596752", "0.010596772", "0.01059775", "3.27", "0", "-0.01059676"] {
        assert_eq!(read("0.00324060", "3.27000000", &told(quote)), Err(FrameReject::OutOfRange), "{quote}");
    }
    assert_eq!(read("0.00324060", "3.27000000", &told("x")), Err(FrameReject::BadNumber));
    // Less than the smallest unit.
    assert_eq!(read("0.00000100", "0.00100000", &told("0.00000000")), Ok(Some("0".into())));
    assert_eq!(read("0.00000100", "0.00100000", &told("-0.000000001")), Err(FrameReject::OutOfRange));
}

/// Orders go on with the tick and step they were made with when these are raised.
#[test]
fn executions_and_orders_finer_than_tick_and_step_are_read() {
    let mut decoder = decoder_of("BTC/USDT", "0.10000000", "0.00010000");
    let row = executed("BTCUSDT", "61234.50700000", "0.00000070", r#","quoteQty":"0.04286415""#);
    let fill = decoder.trades(&mut row.into_bytes(), stamp()).unwrap().rows.remove(0);
    let scale = decoder.names.tables.pairs[0].scale;
    assert_eq!((scale.price_text(fill.price), scale.qty_text(fill.qty)), ("61234.507".into(), "0.0000007".into()));
    let order = order(r#","status":"PARTIALLY_FILLED","executedQty":"0.00000070""#).replace("61234.50000000", "61234.50700000");
    let order = decoder.order(&mut order.into_bytes(), stamp()).unwrap().unwrap();
    assert_eq!(order.update.report, OrderReport::Open { filled: fill.qty });
    assert_eq!(order.price, Some(fill.price));
}

#[test]
fn balances_are_told_for_every_asset_and_once() {
    let read = |rows: &str| decoder().balances(&mut format!(r#"{{"canTrade":true,"balances":[{rows}]}}"#).into_bytes());
    let told = read(r#"{"asset":"BTC","free":"1.5","locked":"0.5"},{"asset":"XRP","free":"9","locked":"0"}"#).unwrap();
    let shown: Vec<(usize, String, String)> =
        told.iter().map(|e| (e.asset.index(), e.available.to_text(), e.locked.to_text())).collect();
    assert_eq!(shown[0], (0, "1.5".into(), "0.5".into()));
    assert!(
        shown[1..].iter().all(|(_, free, locked)| free == "0" && locked == "0") && shown.len() == names().tables.assets.len()
    );
    let btc = r#"{"asset":"BTC","free":"1","locked":"0"}"#;
    assert!(read(&format!("{btc},{btc}")).is_err());
    assert!(read(&btc.replace("\"1\"", "\"-1\"")).is_err());
    assert!(read(&btc.replace("\"1\"", "\"\"")).is_err(), "an amount that is not told is not zero");
    assert!(decoder().balances(&mut b"{}".to_vec()).is_err());
}

#[test]
fn rights_are_those_of_the_key_and_an_account_that_may_withdraw_says_nothing_of_it() {
    let facts = |own, text: &str| match decoder().account(own, &mut text.as_bytes().to_vec()) {
        Ok(AccountAnswer::Facts(facts)) => Some((facts.can_trade, facts.can_withdraw, facts.ip_bound)),
        _ => None,
    };
    let key = r#"{"ipRestrict":true,"enableReading":true,"enableWithdrawals":false,"enableSpotAndMarginTrading":true}"#;
    assert_eq!(facts(true, key), Some((Some(true), Some(false), Some(true))));
    let risky = key.replace("\"enableWithdrawals\":false", "\"enableWithdrawals\":true");
    assert_eq!(facts(true, &risky), Some((Some(true), Some(true), Some(true))));
    assert_eq!(facts(true, "{}"), None);
    assert_eq!(facts(false, r#"{"canTrade":true,"canWithdraw":true,"balances":[]}"#), Some((Some(true), None, None)));
    assert_eq!(facts(false, r#"{"canTrade":false,"canWithdraw":false}"#), Some((Some(false), Some(false), None)));
    assert_eq!(facts(false, "{}"), None);
}

#[test]
fn commission_is_the_sum_of_its_parts_with_the_discount_on_the_standard_part_alone() {
    let text = |on: bool| {
        format!(
            r#"{{"symbol":"BTCUSDT","standardCommission":{{"maker":"0.0009","taker":"0.0010","buyer":"0","seller":"0.0001"}},"specialCommission":{{"maker":"0","taker":"0.0002","buyer":"0","seller":"0"}},"taxCommission":{{"maker":"0.0001","taker":"0.0001","buyer":"0.0001","seller":"0"}},"discount":{{"enabledForAccount":{on},"enabledForSymbol":true,"discountAsset":"BNB","discount":"0.75000000"}}}}"#
        )
    };
    let fees = |text: String| decoder().fees(&mut text.into_bytes(), PairId(0));
    // (0.0010 + 0.0001) × 0.75 + 0.0002 + 0.0001 + 0.0001 and (0.0009 + 0.0001) × 0.75 + 0.0001 + 0.0001.
    let paid = fees(text(true)).unwrap();
    assert_eq!((paid.taker.nano(), paid.maker.nano()), (1_225_000, 950_000));
    assert_eq!(paid.paid_in, names().tables.asset_id("BNB"));
    let plain = fees(text(false)).unwrap();
    assert_eq!((plain.taker.nano(), plain.maker.nano(), plain.paid_in), (1_500_000, 1_200_000, None));
    assert!(fees(text(true).replace("BTCUSDT", "ETHUSDT")).is_err(), "another pair's");
    assert!(fees(text(true).replace("\"BNB\"", "\"XRP\"")).is_err(), "a token that the ledger does not know");
    let finer = fees(text(true).replace("\"0.0010\"", "\"0.00100000001\"")).unwrap();
    assert_eq!(finer.taker.nano(), 1_225_001, "never thought cheaper than it is");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = decoder();
        let _ = decoder.order(&mut bytes.clone(), stamp());
        let _ = decoder.cancelled(&mut bytes.clone(), stamp());
        let _ = decoder.open_orders(&mut bytes.clone(), stamp());
        let _ = decoder.trades(&mut bytes.clone(), stamp());
        let _ = decoder.balances(&mut bytes.clone());
        let _ = decoder.fees(&mut bytes.clone(), PairId(0));
        let _ = decoder.account(true, &mut bytes.clone());
        let _ = decoder.account(false, &mut bytes.clone());
    }
}
