//! What we send: subscribe and ping frames, order bodies. All values are ids, names and numbers of our own that need no escaping
//! (symbols are `[A-Z0-9]`, client ids `[0-9a-z]`, keys and signatures are checked by [`escaped`]).

use super::frames::Channel;
use super::rows::TEXT_PREFIX;
use crate::sign::Signer;
use domain::{Amend, NewOrder, PairScale, TimeInForce};

/// Text as the inside of a JSON string.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// A subscribe or unsubscribe frame. `time_s` is the venue's time in seconds; private channels are signed with it (and only with
/// it, so the frame can't be kept for later).
pub fn subscription(
    channel: Channel,
    subscribe: bool,
    id: u64,
    time_s: i64,
    payload: &[&str],
    signer: Option<&Signer>,
) -> String {
    let (name, event) = (channel.as_str(), if subscribe { "subscribe" } else { "unsubscribe" });
    let mut frame = format!(r#"{{"time":{time_s},"id":{id},"channel":"{name}","event":"{event}""#);
    if !payload.is_empty() {
        let quoted: Vec<String> = payload.iter().map(|p| format!("\"{}\"", escaped(p))).collect();
        frame.push_str(&format!(r#","payload":[{}]"#, quoted.join(",")));
    }
    if let Some(signer) = signer.filter(|_| channel.is_private()) {
        let sign = signer.channel(name, event, time_s);
        frame.push_str(&format!(r#","auth":{{"method":"api_key","KEY":"{}","SIGN":"{sign}"}}"#, escaped(signer.key())));
    }
    frame.push('}');
    frame
}

/// An application ping.
pub fn ping(time_s: i64) -> String {
    format!(r#"{{"time":{time_s},"channel":"spot.ping"}}"#)
}

/// How much of an order its answer tells (`action_mode`). `FULL` is the venue's default and is asked for by name: the answer echoes the
/// terms, which are compared with what was asked, and states the end of an IOC order. `ACK` would tell neither; `RESULT` would leave
/// out the fees, which come with the executions anyway, but its fields are not documented one by one.
const ACTION_MODE: &str = "FULL";

/// The order object of `POST /spot/orders` and `spot.order_place`: always a limit, always an explicit time in force.
pub fn order_body(order: &NewOrder, pair_name: &str, scale: PairScale) -> Vec<u8> {
    let tif = match order.tif {
        TimeInForce::Ioc => "ioc",
        TimeInForce::Gtc => "gtc",
    };
    format!(
        concat!(
            r#"{{"text":"{}{}","currency_pair":"{}","type":"limit","account":"spot","side":"{}","amount":"{}","price":"{}","#,
            r#""time_in_force":"{}","action_mode":"{}"}}"#
        ),
        TEXT_PREFIX,
        order.client_id,
        pair_name,
        order.side,
        scale.qty_text(order.qty),
        scale.price_text(order.price),
        tif,
        ACTION_MODE
    )
    .into_bytes()
}

/// The changes of an amendment as members of a JSON object, without its braces; empty when nothing changes.
pub fn amend_members(amend: &Amend, scale: PairScale) -> String {
    let amount = amend.qty.map(|qty| format!(r#""amount":"{}""#, scale.qty_text(qty)));
    let price = amend.price.map(|price| format!(r#""price":"{}""#, scale.price_text(price)));
    amount.into_iter().chain(price).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ClientOrderId, DealId, PairId, Price, Purpose, Qty, Side, VenueId};
    use secrecy::SecretString;

    #[test]
    fn orders_are_printed_exactly() {
        let order = NewOrder {
            venue: VenueId(0),
            pair: PairId(0),
            client_id: ClientOrderId::new(1, 2, 3, 4).unwrap(),
            deal: DealId(1),
            purpose: Purpose::Open,
            side: Side::Buy,
            price: Price::from_units(6_123_450).unwrap(),
            qty: Qty::from_units(2100).unwrap(),
            tif: TimeInForce::Ioc,
            deadline: None,
        };
        let body = order_body(&order, "BTC_USDT", PairScale::new(2, 6).unwrap());
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"text":"t-00100000023000000004","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.0021","price":"61234.5","time_in_force":"ioc","action_mode":"FULL"}"#
        );
    }

    #[test]
    fn private_subscriptions_carry_the_signature_of_their_time() {
        let signer = Signer::new(SecretString::from("key"), &SecretString::from("secret"));
        let frame = subscription(Channel::Orders, true, 7, 1_700_000_000, &["BTC_USDT"], Some(&signer));
        let value: serde_json::Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(value["auth"]["SIGN"], signer.channel("spot.orders", "subscribe", 1_700_000_000));
        assert_eq!((value["id"].as_u64(), value["payload"][0].as_str()), (Some(7), Some("BTC_USDT")));
        let public = subscription(Channel::OrderBook, true, 8, 1_700_000_000, &["BTC_USDT", "20", "100ms"], Some(&signer));
        assert!(!public.contains("auth"));
        assert_eq!(ping(5), r#"{"time":5,"channel":"spot.ping"}"#);
        assert_eq!(escaped("a\"\\\n"), "a\\\"\\\\\\u000a");
    }
}
