//! REST bodies as tables.

use super::*;
use crate::wire::{Scope, samples::names};
use domain::{Finish, MonoNanos, OrderReport, OrderSource, PairScale, Qty, Tables};
use proptest::prelude::*;

fn decoder() -> Decoder {
    Decoder::new(names())
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

const STAMP: Stamp = Stamp { source: OrderSource::Query, received: MonoNanos(9), requested: MonoNanos(5) };

#[test]
fn the_time_is_read_in_every_type() {
    for text in [r#"{"server_time":1750000000123}"#, r#"{"server_time":"1750000000123"}"#, r#"{"server_time":1750000000123.0}"#] {
        assert_eq!(decoder().time(&mut bytes(text)), Ok(VenueNanos(1_750_000_000_123_000_000)), "{text}");
    }
    assert_eq!(decoder().time(&mut bytes("{}")).unwrap_err().reason, FrameReject::MissingField);
}

#[test]
fn a_book_without_id_is_an_error_not_an_empty_market() {
    let book = decoder().base_book(
        &mut bytes(r#"{"id":5,"current":1750000000123,"update":1750000000100,"asks":[["2","1"]],"bids":[["1","1.5"]]}"#),
        PairId(0),
    );
    let book = book.unwrap();
    assert_eq!((book.id, book.bids.len(), book.asks[0].price.units()), (5, 1, 200));
    assert_eq!(book.sent_at, VenueNanos::from_millis(1_750_000_000_123));
    let reject = |text| decoder().base_book(&mut bytes(text), PairId(0)).unwrap_err();
    assert_eq!(reject(r#"{"current":1,"asks":[],"bids":[]}"#).reason, FrameReject::MissingField);
    assert_eq!(reject(r#"{"id":5,"asks":[]}"#).reason, FrameReject::MissingField);
    assert_eq!(reject(r#"{"id":5,"asks":[["1","1"],["1","1"]],"bids":[]}"#).reason, FrameReject::Unsorted);
    assert_eq!(reject(r#"{"id":5,"asks":[["1.001","1"]],"bids":[]}"#).scope, Scope::Book(PairId(0), ResyncReason::Scale));
}

#[test]
fn accounts_answer_every_asset_of_the_tables() {
    let text = r#"[{"currency":"USDT","available":"4.1","locked":"1.1","update_id":98},{"currency":"DOGE","available":"1","locked":"0"}]"#;
    let entries = decoder().accounts(&mut bytes(text)).unwrap();
    assert_eq!(entries.len(), 5);
    assert!(entries[..4].iter().all(|e| e.available.is_zero() && e.locked.is_zero() && e.version.is_none()));
    assert_eq!(
        (entries[4].available.to_text(), entries[4].locked.to_text(), entries[4].version),
        ("4.1".into(), "1.1".into(), Some(98))
    );
    let twice = r#"[{"currency":"USDT","available":"1","locked":"0"},{"currency":"USDT","available":"2","locked":"0"}]"#;
    assert!(decoder().accounts(&mut bytes(twice)).is_err());
    assert!(decoder().accounts(&mut bytes(&text.replace("\"4.1\"", "\"\""))).is_err(), "an amount that is not told is not zero");
    assert!(decoder().accounts(&mut bytes(r#"{"label":"INVALID_KEY"}"#)).is_err());
}

const ORDER: &str = r#"{"id":"745504484392","text":"t-00100000023000000004","create_time_ms":1733442414447,"status":"STATUS","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.00012","price":"80000","time_in_force":"ioc","left":"0.00002","filled_amount":"0.0001","fill_price":"8","filled_total":"8","avg_deal_price":"80000","fee":"0","finish_as":"open"}"#;

#[test]
fn orders_end_by_status_and_never_by_what_is_left() {
    let report =
        |status: &str| decoder().order(&mut bytes(&ORDER.replace("STATUS", status)), STAMP).map(|row| row.unwrap().update.report);
    let filled = Qty::from_units(100).unwrap();
    assert_eq!(report("open"), Ok(OrderReport::Open { filled }));
    assert_eq!(report("cancelled"), Ok(OrderReport::Finished { finish: Finish::Cancelled, filled }));
    assert_eq!(report("closed"), Ok(OrderReport::Finished { finish: Finish::Cancelled, filled }));
    assert_eq!(report("novelty").unwrap_err().reason, FrameReject::UnknownShape);
    let full = ORDER.replace("STATUS", "closed").replace("\"0.0001\"", "\"0.00012\"").replace("\"open\"", "\"filled\"");
    let row = decoder().order(&mut bytes(&full), STAMP).unwrap().unwrap();
    assert_eq!(row.update.report, OrderReport::Finished { finish: Finish::Filled, filled: Qty::from_units(120).unwrap() });
    assert_eq!((row.price.unwrap().units(), row.qty.unwrap().units(), row.update.requested), (8_000_000, 120, MonoNanos(5)));
}

/// Fees of an execution in each asset that can pay them, each as charged (Gate API v4, order response, rule 5).
#[test]
fn every_fee_of_an_execution_keeps_its_asset() {
    let row = |fees: &str| {
        let text = format!(
            r#"[{{"id":"1","currency_pair":"BTC_USDT","side":"sell","role":"taker","amount":"0.001","price":"60000","order_id":"7",{fees}}}]"#
        );
        decoder()
            .my_trades(&mut bytes(&text), STAMP)
            .map(|(fills, _)| fills[0].fees.iter().map(|(asset, fee)| (asset.0, fee.to_text())).collect::<Vec<_>>())
    };
    let (gt, point, usdt) = (2, 3, 4);
    assert_eq!(row(r#""fee":"0.06","fee_currency":"USDT","point_fee":"0","gt_fee":"0""#), Ok(vec![(usdt, "0.06".into())]));
    // Without `fee_currency` the fee is in what was received.
    assert_eq!(row(r#""fee":"0.06""#), Ok(vec![(usdt, "0.06".into())]));
    assert_eq!(row(r#""fee":"0","fee_currency":"USDT","gt_fee":"0.007""#), Ok(vec![(gt, "0.007".into())]));
    let all = row(r#""fee":"0.01","fee_currency":"USDT","gt_fee":"0.002","point_fee":"0.03""#).unwrap();
    assert_eq!(all, [(usdt, "0.01".into()), (gt, "0.002".into()), (point, "0.03".into())]);
    assert_eq!(row(r#""fee":"0.01","fee_currency":"DOGE""#).unwrap_err().reason, FrameReject::UnknownShape);
    assert_eq!(row(r#""fee":0.01"#).unwrap_err().reason, FrameReject::UnknownShape);
}

/// Executions may be finer than orders may be: they are kept to the unit while the pair's scale holds them, and refused beyond.
#[test]
fn executions_finer_than_orders_are_kept_or_refused_and_never_rounded() {
    let mut tables = Tables::clone(&crate::wire::samples::tables());
    tables.pairs[0].scale = PairScale::new(2, 10).unwrap();
    let names = crate::wire::PairNames::new(domain::VenueId(0), std::sync::Arc::new(tables), &[PairId(0)]);
    let mut decoder = Decoder::new(names);
    let row = |amount: &str| {
        format!(
            r#"[{{"id":"1","currency_pair":"BTC_USDT","side":"buy","role":"taker","amount":"{amount}","price":"60000","order_id":"7","fee":"0"}}]"#
        )
    };
    let mut read = |amount: &str| {
        let list = decoder.my_trades(&mut bytes(&row(amount)), STAMP);
        list.map(|(fills, _)| fills[0].qty.units()).map_err(|reject| reject.reason)
    };
    assert_eq!(read("0.0021"), Ok(21_000_000));
    assert_eq!(read("0.0021034567"), Ok(21_034_567));
    assert_eq!(read("0.0021034567000"), Ok(21_034_567));
    assert_eq!(read("0.00210345671"), Err(FrameReject::BadNumber));
    // Orders on the same pair: what is filled and what is left are as fine.
    let fine = ORDER.replace("STATUS", "cancelled").replace(r#""0.0001""#, r#""0.0000123456""#);
    let update = decoder.order(&mut bytes(&fine), STAMP).unwrap().unwrap().update;
    assert_eq!(update.report, OrderReport::Finished { finish: Finish::Cancelled, filled: Qty::from_units(123_456).unwrap() });
}

#[test]
fn open_orders_count_what_stands_elsewhere_and_ask_for_more_when_a_page_is_full() {
    let open = ORDER.replace("STATUS", "open");
    let text = format!(
        r#"[{{"currency_pair":"BTC_USDT","total":1,"orders":[{open}]}},{{"currency_pair":"XRP_USDT","total":2,"orders":[{{}},{{}}]}}]"#
    );
    let page = decoder().open_orders(&mut bytes(&text), STAMP).unwrap();
    assert_eq!((page.orders.len(), page.elsewhere, page.more), (1, 2, false));
    let full = vec![open; OPEN_ORDERS_PAGE].join(",");
    let text = format!(r#"[{{"currency_pair":"BTC_USDT","total":150,"orders":[{full}]}}]"#);
    assert!(decoder().open_orders(&mut bytes(&text), STAMP).unwrap().more);
    assert!(decoder().open_orders(&mut bytes(r#"[{"currency_pair":"BTC_USDT"}]"#), STAMP).is_err());
}

#[test]
fn cancelling_all_tells_each_end_and_each_failure() {
    let done = ORDER.replace("STATUS", "cancelled");
    let failed =
        r#"{"currency_pair":"BTC_USDT","text":"t-00100000023000000005","succeeded":false,"label":"ORDER_CLOSED","message":""}"#;
    let rows = decoder().cancelled(&mut bytes(&format!("[{done},{failed}]")), STAMP).unwrap();
    assert!(matches!(rows[0].report, OrderReport::Finished { .. }));
    assert_eq!(rows[1].report, OrderReport::CancelFailed { class: ErrorClass::UnknownOrder });
    assert_eq!(rows[1].client_id.map(|id| id.counter()), Some(5));
    // A failure was seen without `succeeded`: its label says so.
    let bare = failed.replace(r#""succeeded":false,"#, "");
    let rows = decoder().cancelled(&mut bytes(&format!("[{bare}]")), STAMP).unwrap();
    assert_eq!(rows[0].report, OrderReport::CancelFailed { class: ErrorClass::UnknownOrder });
}

#[test]
fn executions_are_read_with_the_size_of_their_page() {
    let text = r#"[{"id":"6068816979","create_time":"1691702924","create_time_ms":"1691702924010.071000","currency_pair":"BTC_USDT","side":"buy","role":"maker","amount":"0.00003","price":"29454.6","order_id":"381068734893","fee":"0.00000006","fee_currency":"BTC","point_fee":"0","gt_fee":"0"},
                   {"id":"1","currency_pair":"XRP_USDT"}]"#;
    let (fills, rows) = decoder().my_trades(&mut bytes(text), STAMP).unwrap();
    assert_eq!((fills.len(), rows), (1, 2));
    assert_eq!((fills[0].fees[0].0.0, fills[0].fees[0].1.to_text()), (0, "0.00000006".to_string()));
    assert_eq!(fills[0].client_id, None);
}

#[test]
fn fees_follow_the_deduction_that_is_on() {
    let fee = |gt: bool, debit: u8| {
        let text = format!(
            r#"{{"user_id":1,"taker_fee":"0.001","maker_fee":"-0.0001","gt_discount":{gt},"gt_taker_fee":"0.0009","gt_maker_fee":"0.0008","debit_fee":{debit}}}"#
        );
        let rates = decoder().fee(&mut bytes(&text), PairId(1)).unwrap();
        (rates.taker.nano(), rates.maker.nano(), rates.paid_in.map(|a| a.0))
    };
    assert_eq!(fee(false, 3), (1_000_000, -100_000, None));
    assert_eq!(fee(true, 1), (900_000, 800_000, Some(2)));
    assert_eq!(fee(false, 2), (1_000_000, -100_000, Some(3)));
    assert_eq!(fee(true, 2), (1_000_000, -100_000, Some(3)));
    assert_eq!(fee(true, 3), (1_000_000, -100_000, None), "contradictory: not from GT");
    let reason = |text| decoder().fee(&mut bytes(text), PairId(1)).unwrap_err().reason;
    assert_eq!(reason(r#"{"maker_fee":"0.001"}"#), FrameReject::MissingField);
    assert_eq!(reason(r#"{"taker_fee":"2","maker_fee":"0.001"}"#), FrameReject::OutOfRange);
    assert_eq!(reason(r#"{"taker_fee":0.001,"maker_fee":"0.001"}"#), FrameReject::BadNumber);
}

#[test]
fn rights_are_those_of_our_key_and_doubt_counts_as_a_right() {
    let facts = |perms: &str, state: u8| {
        let text = format!(
            r#"[{{"state":9,"key":"other","perms":[{{"name":"withdraw"}}]}},{{"state":{state},"key":"ours","ip_whitelist":["1.1.1.1"],"perms":[{perms}]}}]"#
        );
        decoder().key_facts(&mut bytes(&text), |masked| masked == "ours").unwrap().unwrap()
    };
    let trade = facts(r#"{"name":"spot","read_only":false},{"name":"wallet","read_only":true}"#, 1);
    assert_eq!(trade, KeyFacts { can_trade: true, can_withdraw: false, ip_bound: true });
    assert!(facts(r#"{"name":"spot","read_only":false},{"name":"withdraw","read_only":true}"#, 1).can_withdraw);
    assert!(facts(r#"{"name":"wallet","read_only":false}"#, 1).can_withdraw);
    assert!(!facts(r#"{"name":"spot","read_only":true}"#, 1).can_trade);
    assert!(!facts(r#"{"name":"spot","read_only":false}"#, 2).can_trade);
    let one = decoder().key_facts(&mut bytes(r#"{"key":"ours","perms":[]}"#), |_| true).unwrap();
    assert_eq!(one, Some(KeyFacts { can_trade: false, can_withdraw: false, ip_bound: false }));
    assert_eq!(decoder().key_facts(&mut bytes("[]"), |_| true), Ok(None));
    assert!(decoder().key_facts(&mut bytes(r#"[{"key":"ours"}]"#), |_| true).is_err());
    assert_eq!(decoder().account_detail(&mut bytes(r#"{"user_id":1,"ip_whitelist":[]}"#)), Ok(Some(false)));
    assert_eq!(decoder().account_detail(&mut bytes("{}")), Ok(None));
}

#[test]
fn labels_are_read_with_or_without_a_message() {
    let label = |text: &str| decoder().error_label(&mut bytes(text)).map(|l| l.0);
    assert_eq!(label(r#"{"label":"BALANCE_NOT_ENOUGH","message":"Not enough balance"}"#).as_deref(), Some("BALANCE_NOT_ENOUGH"));
    assert_eq!(label(r#"{"label":"CONTRACT_NOT_FOUND"}"#).as_deref(), Some("CONTRACT_NOT_FOUND"));
    for text in ["", "<html>", "{}", r#"{"label":5}"#, "[]"] {
        assert_eq!(label(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut d = decoder();
        let _ = d.time(&mut body.clone());
        let _ = d.base_book(&mut body.clone(), PairId(0));
        let _ = d.accounts(&mut body.clone());
        let _ = d.order(&mut body.clone(), STAMP);
        let _ = d.cancelled(&mut body.clone(), STAMP);
        let _ = d.open_orders(&mut body.clone(), STAMP);
        let _ = d.my_trades(&mut body.clone(), STAMP);
        let _ = d.fee(&mut body.clone(), PairId(0));
        let _ = d.key_facts(&mut body.clone(), |_| true);
        let _ = d.account_detail(&mut body.clone());
        let _ = d.error_label(&mut body.clone());
    }

    #[test]
    fn any_mutation_of_an_order_is_answered(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = bytes(&ORDER.replace("STATUS", "open"));
        let index = at.index(body.len());
        body[index] = byte;
        let _ = decoder().order(&mut body, STAMP);
    }
}
