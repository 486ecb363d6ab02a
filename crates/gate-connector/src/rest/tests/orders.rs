//! Order rows, the five decision rules, batches.

use super::{d, read};
use crate::errors::Placement;
use crate::rest::RestReader;
use crate::rest::orders::{Ending, FinishAs, OrderReply, OrderState, OrderView};
use domain::{ErrorClass, FrameReject, VenueNanos};

/// A full row of the fact sheet's table, with some fields replaced or added (`null` removes).
fn row(changes: &str) -> String {
    let mut row: serde_json::Value = serde_json::from_str(
        r#"{"id":"12332324","text":"t-123456","amend_text":"-","create_time":"1548000000","update_time":"1548000100",
            "create_time_ms":1548000000123,"update_time_ms":1548000100123,"status":"closed","currency_pair":"ETC_BTC",
            "type":"limit","account":"spot","side":"buy","amount":"1","price":"5.00032","time_in_force":"gtc","iceberg":"0",
            "left":"0.5","filled_amount":"0.5","fill_price":"2.50016","filled_total":"2.50016","avg_deal_price":"5.00032",
            "fee":"0.005","fee_currency":"ETC","point_fee":"0","gt_fee":"0","gt_maker_fee":"0","gt_taker_fee":"0",
            "gt_discount":false,"rebated_fee":"0","rebated_fee_currency":"BTC","finish_as":"ioc","stp_id":0,"stp_act":"-"}"#,
    )
    .unwrap();
    let changes: serde_json::Value = serde_json::from_str(&format!("{{{changes}}}")).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            row.as_object_mut().unwrap().remove(name);
        } else {
            row[name] = value.clone();
        }
    }
    row.to_string()
}

fn view(changes: &str) -> OrderView {
    read(&row(changes), RestReader::order).unwrap()
}

#[test]
fn a_row_is_kept_as_told() {
    let order = view("");
    assert_eq!((order.id.as_str(), order.text.as_deref(), order.amend_text.as_deref()), ("12332324", Some("t-123456"), None));
    assert_eq!((order.base.as_str(), order.quote.as_str()), ("ETC", "BTC"));
    assert_eq!(order.created_at, Some(VenueNanos(1_548_000_000_123_000_000)));
    assert_eq!((order.amount, order.price, order.left), (d("1"), d("5.00032"), Some(d("0.5"))));
    assert_eq!((order.iceberg, order.stp_act.as_deref(), order.stp_id), (None, None, Some(0)));
    assert_eq!(order.finish_as, FinishAs::Ioc);
    // Times as strings (the stream), or in seconds only.
    assert_eq!(view(r#""create_time_ms":"1548000000123""#).created_at, order.created_at);
    assert_eq!(view(r#""create_time_ms":null"#).created_at, Some(VenueNanos(1_548_000_000_000_000_000)));
    assert_eq!(view(r#""id":12332324"#).id, "12332324");
}

#[test]
fn rule_1_executed_base() {
    let cases: &[(&str, &str, bool)] = &[
        // Told.
        ("", "0.5", true),
        (r#""filled_amount":"0.25""#, "0.25", true),
        // Amount − left, for limit orders and market sells.
        (r#""filled_amount":null"#, "0.5", true),
        (r#""filled_amount":"","left":"0""#, "1", true),
        (r#""filled_amount":null,"type":"market","side":"sell","price":"0","left":"0.4""#, "0.6", true),
        // Total ÷ average for market buys, whose amount and left are quote.
        (
            r#""filled_amount":null,"type":"market","price":"0","amount":"20","left":"1.07319","filled_total":"18.92681","avg_deal_price":"27038.3""#,
            "0.0007",
            true,
        ),
        (
            r#""filled_amount":null,"type":"market","price":"0","amount":"5","left":"0","filled_total":"1","avg_deal_price":"3""#,
            "0.333333333333333333",
            false,
        ),
        // The alias of the total, and nothing traded.
        (
            r#""filled_amount":null,"filled_total":null,"type":"market","price":"0","amount":"20","left":"20","fill_price":"0","avg_deal_price":null"#,
            "0",
            true,
        ),
    ];
    for (changes, base, exact) in cases {
        let executed = view(changes).executed;
        assert_eq!((executed.base, executed.exact), (d(base), *exact), "{changes}");
    }
}

#[test]
fn rules_2_and_3_the_end() {
    use Ending::{Filled, PartlyFilled, Unfilled};
    use OrderState::{Cancelled, Closed, Open};
    let cases: &[(&str, OrderState, Option<Ending>)] = &[
        // An immediate order that filled in part is a success with a remainder.
        (r#""status":"cancelled","finish_as":"ioc""#, Cancelled, Some(PartlyFilled)),
        (r#""status":"cancelled","finish_as":"ioc","filled_amount":"0","left":"1""#, Cancelled, Some(Unfilled)),
        (r#""status":"closed","finish_as":"filled","filled_amount":"1","left":"0""#, Closed, Some(Filled)),
        (r#""status":"open","finish_as":"open""#, Open, None),
        // Nothing left does not end it; a remainder does not keep it open.
        (r#""status":"open","finish_as":"open","filled_amount":"1","left":"0""#, Open, None),
        (
            r#""status":"closed","finish_as":"filled","type":"market","price":"0","amount":"70","left":"0.143511""#,
            Closed,
            Some(Filled),
        ),
        (
            r#""status":"cancelled","finish_as":"filled","type":"market","price":"0","amount":"5","left":"0.000000000141""#,
            Cancelled,
            Some(Filled),
        ),
        // Reasons that are not known end it all the same.
        (r#""status":"cancelled","finish_as":"unified_check_failed","filled_amount":"0""#, Cancelled, Some(Unfilled)),
        (r#""status":"cancelled","finish_as":"-""#, Cancelled, Some(PartlyFilled)),
        // The stream has `event` instead.
        (r#""status":null,"event":"put","finish_as":"open","filled_amount":"0""#, Open, None),
        (r#""status":null,"event":"update","finish_as":"open""#, Open, None),
        (r#""status":null,"event":"finish","finish_as":"cancelled""#, Cancelled, Some(PartlyFilled)),
        (r#""status":null,"event":"finish","finish_as":"filled","filled_amount":"1""#, Closed, Some(Filled)),
    ];
    for (changes, state, ending) in cases {
        let order = view(changes);
        assert_eq!((order.state, order.ending()), (*state, *ending), "{changes}");
        assert_eq!(order.has_ended(), *state != Open);
    }
    assert_eq!(view(r#""finish_as":"poc""#).finish_as, FinishAs::Poc);
    assert_eq!(view(r#""finish_as":"depth_not_enough""#).finish_as, FinishAs::Other("depth_not_enough".into()));
}

#[test]
fn rules_4_and_5_what_is_received_and_charged() {
    let net = |changes: &str| {
        let order = view(changes);
        let net = order.net_received().unwrap();
        let fees: Vec<String> = order.fees().iter().map(|fee| format!("{} {}", fee.amount, fee.asset)).collect();
        format!("{} {} after {}", net.amount.normalize(), net.asset, fees.join(" + "))
    };
    assert_eq!(net(""), "0.495 ETC after 0.005 ETC");
    assert_eq!(net(r#""side":"sell","fee":"0.001","fee_currency":"BTC""#), "2.49916 BTC after 0.001 BTC");
    // GT or points pay: nothing is taken from what is received.
    assert_eq!(net(r#""fee":"0","gt_fee":"0.002""#), "0.5 ETC after 0.002 GT");
    assert_eq!(
        net(r#""fee":"0.001","gt_fee":"0.002","point_fee":"0.003""#),
        "0.499 ETC after 0.001 ETC + 0.002 GT + 0.003 POINT"
    );
    // A fee in the other asset does not touch it either; without a name the fee is in the asset received.
    assert_eq!(net(r#""fee_currency":"BTC""#), "0.5 ETC after 0.005 BTC");
    assert_eq!(net(r#""fee_currency":null"#), "0.495 ETC after 0.005 ETC");
    assert_eq!(net(r#""fee_currency":"","side":"sell","fee":"0.1""#), "2.40016 BTC after 0.1 BTC");
    let rebated = view(r#""rebated_fee":"0.0001""#).rebate.unwrap();
    assert_eq!((rebated.asset.as_str(), rebated.amount), ("BTC", d("0.0001")));
}

#[test]
fn rows_that_contradict_themselves_are_refused_for_the_right_reason() {
    use FrameReject::{BadNumber, MissingField, OutOfRange, UnknownShape};
    for (changes, reason, what) in [
        (r#""status":"dancing""#, UnknownShape, "status"),
        (r#""status":null"#, MissingField, "status"),
        (r#""event":"jump""#, UnknownShape, "event"),
        (r#""side":"hold""#, UnknownShape, "side"),
        (r#""side":null"#, MissingField, "side"),
        (r#""type":"stop""#, UnknownShape, "type"),
        (r#""currency_pair":"ETCBTC""#, UnknownShape, "currency_pair"),
        (r#""amount":null"#, MissingField, "amount"),
        (r#""amount":"many""#, BadNumber, "amount"),
        (r#""amount":"-1""#, OutOfRange, "amount"),
        (r#""price":"0""#, OutOfRange, "price"),
        (r#""price":null"#, MissingField, "price"),
        (r#""filled_amount":"1.1""#, OutOfRange, "filled_amount"),
        (r#""filled_amount":null,"left":"1.5""#, OutOfRange, "left"),
        (r#""filled_amount":null,"left":null"#, MissingField, "left"),
        (r#""filled_amount":null,"type":"market","price":"0","avg_deal_price":"0""#, OutOfRange, "avg_deal_price"),
        (r#""filled_amount":null,"type":"market","price":"0","avg_deal_price":null"#, MissingField, "avg_deal_price"),
        (r#""id":null"#, MissingField, "id"),
        (r#""id":[]"#, UnknownShape, "id"),
        (r#""rebated_fee":"1","rebated_fee_currency":null"#, MissingField, "rebated_fee_currency"),
        (r#""create_time_ms":"soon""#, BadNumber, "create_time_ms"),
    ] {
        assert_eq!(read(&row(changes), RestReader::order).unwrap_err(), (reason, what), "{changes}");
    }
}

#[test]
fn lending_kinds_and_receipts() {
    assert!(!view(r#""type":"limit_borrow_repay""#).market);
    assert!(view(r#""type":"market_repay","side":"sell","price":"0""#).market);
    let receipt = read(r#"{"id":"5","text":"t-1","amend_text":"-"}"#, RestReader::order_reply).unwrap();
    assert_eq!(receipt, OrderReply::Receipt { id: "5".into(), text: Some("t-1".into()), amend_text: None });
    assert!(matches!(read(&row(""), RestReader::order_reply).unwrap(), OrderReply::Order(_)));
    // Half an order is no receipt.
    assert!(read(r#"{"id":"5","text":"t-1","status":"open"}"#, RestReader::order_reply).is_err());
}

#[test]
fn batches_have_an_outcome_per_item() {
    let good = row(r#""succeeded":true,"label":"","message":"""#);
    let unmarked = row("");
    let body = format!(
        r#"[{good},
            {{"text":"t-2","succeeded":false,"label":"BALANCE_NOT_ENOUGH","message":"Not enough balance"}},
            {{"text":"t-3","succeeded":false,"label":"TOO_MANY_REQUESTS","message":""}},
            {{"text":"t-4","succeeded":false,"label":"INTERNAL"}},
            {{"text":"t-5","succeeded":false}},
            {unmarked},
            {{"currency_pair":"ETC_BTC","id":"9","succeeded":true,"label":"","message":"","text":"t-9","account":"spot"}},
            {{"currency_pair":"ETC_BTC","id":"10","label":"ORDER_NOT_FOUND","message":"Order not found"}},
            {{"currency_pair":"ETC_BTC","id":"11"}},
            {{"order_id":"12","succeeded":true,"text":"t-12"}}]"#
    );
    let items = read(&body, RestReader::items).unwrap();
    let of = |index: usize| match &items[index].outcome {
        Ok(Some(OrderReply::Order(order))) => format!("order {}", order.id),
        Ok(Some(OrderReply::Receipt { id, .. })) => format!("receipt {id}"),
        Ok(None) => "done".into(),
        Err(error) => format!("{} {:?}", error.label.as_deref().unwrap_or("-"), error.placement()),
    };
    assert_eq!(of(0), "order 12332324");
    assert_eq!(of(1), format!("BALANCE_NOT_ENOUGH {:?}", Placement::Refused(ErrorClass::InsufficientFunds)));
    assert_eq!(of(2), format!("TOO_MANY_REQUESTS {:?}", Placement::Refused(ErrorClass::RateLimited)));
    assert_eq!(of(3), "INTERNAL Unknown");
    assert_eq!(of(4), "- Unknown");
    assert_eq!(of(5), "order 12332324");
    assert_eq!(of(6), "receipt 9");
    assert_eq!(of(7), "ORDER_NOT_FOUND Unknown");
    // `succeeded` absent and no order with it: a failure that does not say why.
    assert_eq!(of(8), "- Unknown");
    assert_eq!(of(9), "receipt 12");
    assert_eq!((items[9].id.as_deref(), items[9].text.as_deref()), (Some("12"), Some("t-12")));
    assert_eq!((items[6].id.as_deref(), items[6].pair.as_deref()), (Some("9"), Some("ETC_BTC")));
}

#[test]
fn open_orders_come_by_market() {
    let open = row(r#""status":"open","finish_as":"open""#);
    let markets =
        read(&format!(r#"[{{"currency_pair":"ETC_BTC","total":1,"orders":[{open}]}}]"#), RestReader::open_orders).unwrap();
    assert_eq!((markets[0].pair.as_str(), markets[0].total, markets[0].orders.len()), ("ETC_BTC", Some(1), 1));
    let wrong = read(&format!(r#"[{{"currency_pair":"ETC_USDT","total":1,"orders":[{open}]}}]"#), RestReader::open_orders);
    assert_eq!(wrong.unwrap_err(), (FrameReject::UnknownShape, "currency_pair"));
    assert_eq!(read(&format!("[{open},{open}]"), RestReader::orders).unwrap().len(), 2);
}
