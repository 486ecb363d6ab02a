//! Order-entry frames as the venue sends them, and as it might.

use super::*;
use crate::wire::samples::names;
use domain::{ErrorClass, Finish, OrderReport, Qty};
use proptest::prelude::*;
use secrecy::SecretString;

const NOW: MonoNanos = MonoNanos(5);

fn signer() -> Signer {
    Signer::new(SecretString::from("key"), &SecretString::from("secret"))
}

fn read(text: &str) -> Result<EntryFrame, Reject> {
    Decoder::new(names()).entry_frame(&mut text.as_bytes().to_vec(), NOW)
}

#[track_caller]
fn reply(text: &str) -> EntryReply {
    match read(text) {
        Ok(EntryFrame::Reply(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

fn wrap(channel: &str, status: &str, rest: &str) -> String {
    format!(
        r#"{{"request_id":"r42","header":{{"response_time":"1750000000123","status":{status},"channel":"{channel}","event":"api","client_id":"c","x_in_time":1,"x_out_time":2,"conn_id":"x","trace_id":"t"}},{rest}}}"#
    )
}

const ROW: &str = r#"{"id":"1700664330","text":"t-00100000023000000004","amend_text":"-","create_time":"1681470737","update_time":"1681470737","create_time_ms":1681470737278,"update_time_ms":1681470737278,"status":"cancelled","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.0021","price":"61234.5","time_in_force":"ioc","iceberg":"0","left":"0.0011","filled_total":"61.2345","avg_deal_price":"61234.5","fee":"0.000001","fee_currency":"BTC","point_fee":"0","gt_fee":"0","gt_maker_fee":"0","gt_taker_fee":"0","gt_discount":false,"rebated_fee":"0","rebated_fee_currency":"USDT","finish_as":"ioc"}"#;

/// The login vectors of the fact sheet (L1: documented form, L3: the SDK's).
#[test]
fn both_forms_of_a_login_sign_what_they_send() {
    let l1 = "fda6efd05e40791f1059365daecc597f520349bd009ecaa64454e137d73a181e6bcdeb466148db04b38adfc8800a2e46ab4e4ac02eee77a8a2a2ece43d6d720c";
    let l3 = "03cd3c385a7f3b5002acb584da5556d0b47b19b8430534b567283f5f56d6016f341e3bd9aa8565c8fdd81c0d5c76afe725c4ca712083f9823069d0f5ccf69226";
    assert_eq!(
        login(1, 1_700_000_000, &signer(), LoginForm::Empty),
        format!(
            r#"{{"time":1700000000,"channel":"spot.login","event":"api","payload":{{"req_id":"r1","api_key":"key","signature":"{l1}","timestamp":"1700000000"}}}}"#
        )
    );
    assert_eq!(
        login(2, 1_700_000_000, &signer(), LoginForm::Braces),
        format!(
            r#"{{"time":1700000000,"channel":"spot.login","event":"api","payload":{{"req_id":"r2","api_key":"key","signature":"{l3}","timestamp":"1700000000","req_param":{{}}}}}}"#
        )
    );
    assert_eq!(LoginForm::Empty.other().other(), LoginForm::Empty);
}

#[test]
fn requests_are_printed_exactly() {
    assert_eq!(
        request(EntryChannel::Place, 42, 1_750_000_000, r#"{"text":"t-a"}"#, Some(1_750_000_000_500)),
        r#"{"time":1750000000,"channel":"spot.order_place","event":"api","payload":{"req_id":"r42","req_param":{"text":"t-a"},"req_header":{"x-gate-exptime":"1750000000500"}}}"#
    );
    assert_eq!(
        request(EntryChannel::Status, 7, 1, "{}", None),
        r#"{"time":1,"channel":"spot.order_status","event":"api","payload":{"req_id":"r7","req_param":{}}}"#
    );
}

#[test]
fn a_receipt_is_no_answer() {
    let echo = r#""ack":true,"data":{"result":{"req_id":"r42","req_header":null,"req_param":{"text":"t-a"}}}"#;
    let reply = reply(&wrap("spot.order_place", "\"200\"", echo));
    assert_eq!((reply.number, reply.channel, reply.status), (Some(42), Some(EntryChannel::Place), 200));
    assert_eq!(reply.body, EntryBody::Receipt);
}

#[test]
fn a_final_reply_is_an_order_row_whatever_its_ack() {
    for ack in ["", r#""ack":false,"#] {
        let reply = reply(&wrap("spot.order_place", "\"200\"", &format!(r#"{ack}"data":{{"result":{ROW}}}"#)));
        let EntryBody::Order(Ok(Some(row))) = reply.body else { panic!("{reply:?}") };
        let filled = Qty::from_units(1000).unwrap();
        assert_eq!(row.update.report, OrderReport::Finished { finish: Finish::Cancelled, filled });
        assert_eq!((row.update.source, row.tif), (OrderSource::Reply, rows::EchoedTif::Known(domain::TimeInForce::Ioc)));
    }
    let status = reply(&wrap("spot.order_status", "200", &format!(r#""data":{{"result":{ROW},"errs":null}}"#)));
    let EntryBody::Order(Ok(Some(row))) = status.body else { panic!() };
    assert_eq!(row.update.source, OrderSource::Query);
}

#[track_caller]
fn label(status: &str, rest: &str, expected: Option<&str>) {
    let reply = reply(&wrap("spot.order_place", status, rest));
    assert_eq!(reply.body, EntryBody::Failed(expected.map(|l| ErrorLabel(l.into()))), "{status} {rest}");
}

#[test]
fn failures_carry_their_label_or_none() {
    label(
        "\"400\"",
        r#""data":{"errs":{"label":"BALANCE_NOT_ENOUGH","message":"Not enough balance"}}"#,
        Some("BALANCE_NOT_ENOUGH"),
    );
    // The message may repeat the label, and may be all there is.
    let both = r#""data":{"errs":{"label":"INVALID_PRECISION","message":"label: INVALID_PRECISION, message: x"}}"#;
    label("\"400\"", both, Some("INVALID_PRECISION"));
    let only = r#""data":{"errs":{"message":"label: ORDER_NOT_FOUND, message: Order not found"}}"#;
    label("\"404\"", only, Some("ORDER_NOT_FOUND"));
    label("\"404\"", r#""data":{"errs":{"label":"","message":"label: CLIENT_ID_NOT_FOUND"}}"#, Some("CLIENT_ID_NOT_FOUND"));
    // An error under a receipt is still an error; one without a label is still a failure, and so is a bare status.
    label("\"429\"", r#""ack":true,"data":{"errs":{"label":"TOO_MANY_REQUESTS","message":"211"}}"#, Some("TOO_MANY_REQUESTS"));
    label("\"500\"", r#""data":{"errs":{"message":"label: , message: what"}}"#, None);
    label("\"200\"", r#""data":{"errs":"odd"}"#, None);
    label("\"502\"", r#""data":{}"#, None);
    label("\"many\"", r#""data":{"result":{}}"#, None);
    assert_eq!(reply(&wrap("spot.order_place", "70000", r#""data":null"#)).status, 0);
}

#[test]
fn an_answer_whose_result_cannot_be_read_still_names_its_request() {
    for result in ["{}", "[]", r#"{"id":"1"}"#, "null"] {
        let reply = reply(&wrap("spot.order_cancel", "\"200\"", &format!(r#""data":{{"result":{result}}}"#)));
        assert!(matches!(reply.body, EntryBody::Order(Err(_))), "{result}: {reply:?}");
        assert_eq!(reply.number, Some(42));
    }
    let none = reply(r#"{"header":{"status":"200","channel":"spot.order_list"},"data":{"result":[]}}"#);
    assert_eq!((none.number, none.channel, none.body), (None, None, EntryBody::Other));
    for id in ["42", "\"x42\"", "\"r-1\"", "\"r99999999999999999999\"", "null", "{}"] {
        let text =
            format!(r#"{{"request_id":{id},"header":{{"status":"200","channel":"spot.login"}},"data":{{"result":{{}}}}}}"#);
        assert_eq!(reply(&text).number, None, "{id}");
    }
}

#[test]
fn a_login_reply_is_told_by_its_status() {
    let ok = reply(&wrap("spot.login", "\"200\"", r#""data":{"result":{"api_key":"key","uid":"1"}}"#));
    assert_eq!(ok.body, EntryBody::LoggedIn);
    let bad =
        reply(&wrap("spot.login", "\"401\"", r#""data":{"errs":{"label":"INVALID_KEY","message":"Invalid key provided"}}"#));
    assert_eq!((bad.status, bad.body), (401, EntryBody::Failed(Some(ErrorLabel("INVALID_KEY".into())))));
}

#[test]
fn a_cancel_that_does_not_say_it_succeeded_did_not() {
    let rows = r#"[{"currency_pair":"BTC_USDT","id":"77","text":"t-a","succeeded":true,"label":"","message":"","account":"spot"},
                   {"currency_pair":"BTC_USDT","id":"78","label":"ORDER_CANCELLED","message":"x"},
                   {"currency_pair":"BTC_USDT","id":"79","succeeded":false,"label":"ORDER_NOT_FOUND"}]"#;
    let reply = reply(&wrap("spot.order_cancel_ids", "\"200\"", &format!(r#""data":{{"result":{rows}}}"#)));
    let EntryBody::CancelIds(Ok(rows)) = reply.body else { panic!() };
    let told: Vec<_> = rows.iter().map(|r| (r.id.as_str(), r.succeeded, r.label.as_deref())).collect();
    assert_eq!(told, [("77", true, None), ("78", false, Some("ORDER_CANCELLED")), ("79", false, Some("ORDER_NOT_FOUND"))]);
}

#[test]
fn cancelling_a_pair_answers_with_its_orders() {
    let failed =
        r#"{"succeeded":false,"label":"ORDER_CLOSED","currency_pair":"BTC_USDT","text":"t-00100000023000000005","id":"9"}"#;
    let text = wrap("spot.order_cancel_cp", "\"200\"", &format!(r#""data":{{"result":[{ROW},{failed}]}}"#));
    let EntryBody::CancelPair(Ok(rows)) = reply(&text).body else { panic!() };
    assert!(matches!(rows[0].report, OrderReport::Finished { .. }));
    assert_eq!(rows[1].report, OrderReport::CancelFailed { class: ErrorClass::UnknownOrder });
}

#[test]
fn rate_limits_are_in_the_header() {
    let text = r#"{"request_id":"r1","header":{"status":"200","channel":"spot.order_place","x_gate_ratelimit_limit":10,"x_gat_ratelimit_reset_timestamp":1750000001},"data":{"result":{}}}"#;
    assert_eq!((reply(text).rate.limit, reply(text).rate.remain), (Some(10), Some(0)));
}

#[test]
fn frames_without_a_header_are_pongs_and_notices() {
    assert_eq!(read(r#"{"time":1,"channel":"spot.pong","event":"","result":null}"#), Ok(EntryFrame::Pong));
    let system = |rest: &str| read(&format!(r#"{{"time":1,"channel":"spot.system",{rest}}}"#));
    assert_eq!(system(r#""event":"update","result":{"type":"upgrade","msg":"x"}"#), Ok(EntryFrame::Upgrade));
    assert_eq!(system(r#""event":"upgrade""#), Ok(EntryFrame::Upgrade));
    assert_eq!(system(r#""event":"update","result":{"type":"other"}"#), Ok(EntryFrame::Ignored));
    for text in
        ["{}", "[]", "null", r#"{"header":5}"#, r#"{"channel":"spot.trades"}"#, r#"{"channel":"spot.pong","error":{}}"#, "x"]
    {
        assert!(read(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Decoder::new(names()).entry_frame(&mut bytes.clone(), NOW);
    }

    #[test]
    fn any_broken_reply_is_answered(at in 0usize..900, byte in any::<u8>(), cut in 0usize..1200) {
        let mut bytes = wrap("spot.order_place", "\"200\"", &format!(r#""ack":false,"data":{{"result":{ROW}}}"#)).into_bytes();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        bytes.truncate(cut);
        let _ = Decoder::new(names()).entry_frame(&mut bytes, NOW);
    }
}
