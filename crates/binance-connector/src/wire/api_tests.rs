//! Frames of the WebSocket API: events and answers, what they put in doubt, and any bytes.

use super::*;
use crate::wire::samples::account_names as names;
use domain::{AssetId, ClientOrderId, Finish, OrderReport, Qty, Role};
use proptest::prelude::*;

const NOW: MonoNanos = MonoNanos(7);

fn read(text: &str) -> Result<ApiFrame, Reject> {
    Decoder::new(names()).api_frame(&mut text.as_bytes().to_vec(), NOW)
}

#[track_caller]
fn reply(text: &str) -> ApiReply {
    match read(text) {
        Ok(ApiFrame::Reply(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn told(event: &str) -> PrivateTold {
    match read(&format!(r#"{{"subscriptionId":0,"event":{event}}}"#)) {
        Ok(ApiFrame::Event(PrivateNews::Told(told))) => told,
        other => panic!("{other:?}"),
    }
}

fn our_id() -> ClientOrderId {
    ClientOrderId::new(1, 2, 3, 4).unwrap()
}

fn event(execution: &str, status: &str, filled: &str, rest: &str) -> String {
    let id = our_id();
    format!(
        r#"{{"e":"executionReport","E":1750000000124,"s":"BTCUSDT","c":"{id}","S":"BUY","o":"LIMIT","f":"IOC","q":"0.00210000","p":"61234.50000000","C":"","x":"{execution}","X":"{status}","r":"NONE","i":77,"z":"{filled}","m":false,"T":1750000000123,"t":-1,"l":"0","L":"0","n":"0","N":null{rest}}}"#
    )
}

fn traded(status: &str, filled: &str, last: &str) -> String {
    event("TRADE", status, filled, "")
        .replace("\"t\":-1", "\"t\":5")
        .replace("\"l\":\"0\"", &format!("\"l\":\"{last}\""))
        .replace("\"L\":\"0\"", "\"L\":\"61234.50000000\"")
        .replace("\"n\":\"0\",\"N\":null", "\"n\":\"0.00010000\",\"N\":\"BNB\"")
}

#[test]
fn a_trade_tells_the_execution_with_its_fee_and_the_order_as_it_stands() {
    let told = told(&traded("PARTIALLY_FILLED", "0.0007", "0.0007"));
    let (fill, order) = (&told.fills[0], &told.orders[0]);
    assert_eq!((fill.trade_id.to_string(), fill.client_id, fill.qty.units()), ("5".into(), Some(our_id()), 70));
    assert_eq!((fill.role, fill.received), (Role::Taker, NOW));
    assert_eq!(fill.fees[0].0, names().tables.asset_id("BNB").unwrap());
    assert_eq!(fill.executed_at.map(|at| at.0), Some(1_750_000_000_123_000_000));
    assert_eq!(order.update.report, OrderReport::Open { filled: Qty::from_units(70).unwrap() });
}

#[test]
fn a_trade_tells_what_it_moved_in_quote_or_nothing_that_contradicts_its_price() {
    let trade = |quote: &str| traded("PARTIALLY_FILLED", "0.0007", "0.0007").replace("\"t\":5", &format!("\"t\":5{quote}"));
    let quote = |text: &str| told(&trade(text)).fills[0].quote.map(|quote| quote.to_text());
    assert_eq!(quote(""), None);
    assert_eq!(quote(r#","Y":"42.86415000""#), Some("42.86415".into()));
    let reject = read(&format!(r#"{{"subscriptionId":0,"event":{}}}"#, trade(r#","Y":"42.86415001""#))).unwrap_err();
    assert_eq!((reject.reason, reject.what), (domain::FrameReject::OutOfRange, "Y"));
}

#[test]
fn a_partly_executed_immediate_order_that_expires_has_ended_with_what_it_got() {
    let told = told(&event("EXPIRED", "EXPIRED", "0.0007", ""));
    assert!(told.fills.is_empty());
    let filled = Qty::from_units(70).unwrap();
    assert_eq!(told.orders[0].update.report, OrderReport::Finished { finish: Finish::Cancelled, filled });
}

#[test]
fn a_cancel_names_the_order_by_its_original_id() {
    let id = our_id().to_string();
    let cancelled = event("CANCELED", "CANCELED", "0", "").replace(&format!("\"c\":\"{id}\""), "\"c\":\"the-cancels-own\"");
    let told = told(&cancelled.replace("\"C\":\"\"", &format!("\"C\":\"{id}\"")));
    assert_eq!(told.orders[0].update.client_id, Some(our_id()));
}

#[test]
fn self_trade_prevention_and_refusals_are_no_executions() {
    let prevented = told(&event("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0", ""));
    assert!(prevented.fills.is_empty() && matches!(prevented.orders[0].update.report, OrderReport::Finished { .. }));
    let refused = told(&event("REJECTED", "REJECTED", "0", "").replace("\"r\":\"NONE\"", "\"r\":\"INSUFFICIENT_BALANCES\""));
    assert!(matches!(refused.orders[0].update.report, OrderReport::Refused { class: domain::ErrorClass::InsufficientFunds, .. }));
}

#[test]
fn balances_are_told_as_they_are_or_asked_for() {
    let position =
        r#"{"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"BTC","f":"1.5","l":"0"},{"a":"XRP","f":"9","l":"0"}]}"#;
    let told = told(position);
    assert_eq!((told.balances.len(), told.balances[0].asset), (1, AssetId(0)));
    for event in
        [r#"{"e":"balanceUpdate","E":1,"a":"BTC","d":"1","T":1}"#, r#"{"e":"externalLockUpdate","E":1,"a":"BTC","d":"1","T":1}"#]
    {
        assert_eq!(read(&format!(r#"{{"event":{event}}}"#)), Ok(ApiFrame::Event(PrivateNews::BalancesMoved)));
    }
}

#[test]
fn the_end_of_a_connection_or_of_its_news_is_known_in_either_shape() {
    for (event, news) in [
        (r#"{"e":"serverShutdown","E":1}"#, PrivateNews::Leave),
        (r#"{"e":"eventStreamTerminated","E":1}"#, PrivateNews::Ended),
        (r#"{"e":"listStatus","E":1}"#, PrivateNews::Ignored),
    ] {
        assert_eq!(read(event), Ok(ApiFrame::Event(news.clone())));
        assert_eq!(read(&format!(r#"{{"subscriptionId":3,"event":{event}}}"#)), Ok(ApiFrame::Event(news)));
    }
    let elsewhere = event("NEW", "NEW", "0", "").replace("BTCUSDT", "XRPUSDT");
    assert_eq!(read(&format!(r#"{{"event":{elsewhere}}}"#)), Ok(ApiFrame::Event(PrivateNews::Ignored)));
}

#[test]
fn what_may_have_been_news_of_the_account_puts_it_in_doubt() {
    let scope = |text: &str| read(text).unwrap_err().scope;
    for broken in [
        traded("FILLED", "0.0021", "0").as_str(),
        event("NEW", "NEW", "0.0022", "").as_str(),
        event("NEW", "ODD", "0", "").as_str(),
        event("TRADE", "FILLED", "0.0021", "").as_str(),
    ] {
        assert_eq!(scope(&format!(r#"{{"event":{broken}}}"#)), Scope::Private, "{broken}");
    }
    for broken in ["{}", "[]", "<html>", r#"{"id":1}"#, r#"{"id":1,"status":400,"error":{}}"#, r#"{"event":7}"#] {
        assert_eq!(scope(broken), Scope::Private, "{broken}");
    }
    assert_eq!(scope(r#"{"event":{"e":"somethingNew"}}"#), Scope::Nothing);
}

#[test]
fn answers_tell_by_their_shape_what_they_say() {
    let row = r#"{"symbol":"BTCUSDT","orderId":77,"clientOrderId":"x","side":"BUY","type":"LIMIT","timeInForce":"IOC","price":"1","origQty":"1","executedQty":"1","status":"FILLED"}"#;
    let placed = reply(&format!(r#"{{"id":3,"status":200,"result":{row}}}"#));
    assert_eq!((placed.number, placed.status), (Some(3), 200));
    assert!(matches!(placed.result, ApiResult::Order(Ok(Some(_)))));
    let all = reply(&format!(r#"{{"id":3,"status":200,"result":[{row},{row}]}}"#));
    assert!(matches!(all.result, ApiResult::Orders(Ok(rows)) if rows.len() == 2));
    let logon = reply(r#"{"id":1,"status":200,"result":{"apiKey":"k","authorizedSince":1,"connectedSince":1}}"#);
    assert_eq!(logon.result, ApiResult::LoggedIn);
    assert_eq!(reply(r#"{"id":0,"status":200,"result":{}}"#).result, ApiResult::Other);
    assert_eq!(reply(r#"{"id":"x","status":200,"result":{"subscriptionId":0}}"#).number, None);
    let failed = reply(r#"{"id":3,"status":400,"error":{"code":-2010,"msg":"Market is closed."}}"#);
    assert_eq!((failed.result, failed.error.map(|error| error.code)), (ApiResult::Other, Some(-2010)));
    assert_eq!(reply(r#"{"id":null,"status":500}"#).status, 500);
}

#[test]
fn head_room_is_that_of_orders_where_they_count_and_a_refusal_says_until_when() {
    let limits = |rows: &str| reply(&format!(r#"{{"id":1,"status":200,"result":{{}},"rateLimits":[{rows}]}}"#)).rate;
    let row = |kind: &str, limit: u32, count: u32| {
        format!(r#"{{"rateLimitType":"{kind}","interval":"SECOND","intervalNum":10,"limit":{limit},"count":{count}}}"#)
    };
    let all = [row("REQUEST_WEIGHT", 6000, 5999), row("ORDERS", 50, 13), row("ORDERS", 160_000, 4044), row("RAW_REQUESTS", 9, 9)];
    assert_eq!(limits(&all.join(",")), RateNews { remain: Some(37), limit: Some(50), ..RateNews::default() });
    assert_eq!(
        limits(&row("REQUEST_WEIGHT", 6000, 70)),
        RateNews { remain: Some(5930), limit: Some(6000), ..RateNews::default() }
    );
    assert_eq!(limits(&row("ORDERS", 0, 1)), RateNews::default());
    assert_eq!(limits(&row("ORDERS", 50, 60)).remain, Some(0));
    let banned = reply(
        r#"{"id":1,"status":418,"error":{"code":-1003,"msg":"Way too much request weight used; IP banned until 1659146400000.","data":{"serverTime":1659142907531,"retryAfter":1659146400000}},"rateLimits":[]}"#,
    );
    assert_eq!((banned.status, banned.rate.reset_at), (418, Some(UnixNanos(1_659_146_400_000_000_000))));
    assert_eq!(banned.rate.told_at, Some(UnixNanos(1_659_142_907_531_000_000)));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Decoder::new(names()).api_frame(&mut bytes.clone(), NOW);
    }

    #[test]
    fn any_change_of_an_event_is_answered(at in 0usize..500, byte in any::<u8>()) {
        let mut bytes = format!(r#"{{"event":{}}}"#, traded("FILLED", "0.0021", "0.0021")).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Decoder::new(names()).api_frame(&mut bytes, NOW);
    }
}
