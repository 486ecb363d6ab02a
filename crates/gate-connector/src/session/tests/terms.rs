//! Orders that the venue holds with other terms than we asked for (F24): told once, whichever way the first echo came.

use super::rig::{ENTRY, PRIVATE, Rig, client, order, row};
use domain::command::OrderRef;
use domain::{
    Amend, Command, Finish, Input, NewOrder, OrderReport, PairId, Price, Qty, ReadKind, Side, TimeInForce, VenueId, VenueOrderId,
};

fn qty(units: i64) -> Qty {
    Qty::from_units(units).unwrap()
}

const OPEN: &str = "open";

/// Rows of [`order`] 4 with one of its terms changed, and the quantity that each says.
fn changed(status: &str, left: &str, finish_as: &str) -> Vec<(String, i64)> {
    let row = row(4, status, left, finish_as);
    vec![
        (row.replace("\"amount\":\"0.0021\"", "\"amount\":\"0.0022\""), 2200),
        (row.replace("61234.5", "61234.6"), 2100),
        (row.replace("\"buy\"", "\"sell\""), 2100),
        (row.replace("\"type\":\"limit\"", "\"type\":\"limit\",\"time_in_force\":\"gtc\""), 2100),
        (row.replace("\"type\":\"limit\"", "\"type\":\"limit\",\"time_in_force\":\"poc\""), 2100),
    ]
}

fn differs(qty_units: i64, filled: i64) -> OrderReport {
    OrderReport::TermsDiffer { qty: qty(qty_units), filled: qty(filled) }
}

fn pushed(row: &str) -> String {
    let event = row.replace(r#""status":"open""#, r#""event":"put""#).replace(r#""status":"cancelled""#, r#""event":"finish""#);
    format!(r#"{{"channel":"spot.orders","event":"update","result":[{event}]}}"#)
}

fn reports(rig: &mut Rig) -> Vec<OrderReport> {
    rig.orders().into_iter().map(|update| update.report).collect()
}

fn look_up() -> Command {
    let (venue, pair) = (VenueId(0), PairId(0));
    Command::LookUp(OrderRef { venue, pair, client_id: client(4), venue_order_id: VenueOrderId::new("77") })
}

#[test]
fn a_reply_with_other_terms_is_told_as_that_by_either_way_and_nothing_is_sent_for_it() {
    for (row, amount) in changed(OPEN, "0.0021", OPEN) {
        let filled = amount - 2100;
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::Place(order(4)));
        let sent = rig.requests().remove(0);
        rig.answer(sent.ticket, 201, &row);
        let told = rig.orders();
        assert_eq!((told.len(), told[0].report), (1, differs(amount, filled)), "{row}");
        assert_eq!((told[0].client_id, told[0].venue_order_id), (Some(client(4)), VenueOrderId::new("77")));
        // Whether to cancel is the engine's to say.
        assert!(rig.drain().is_empty());

        let mut rig = Rig::live_entry();
        rig.submit(Command::Place(order(4)));
        let frame = rig.frames().remove(0);
        rig.reply(ENTRY, &frame, "200", &format!(r#""ack":false,"data":{{"result":{row}}}"#));
        assert_eq!((reports(&mut rig), rig.drain()), (vec![differs(amount, filled)], vec![]), "{row}");
    }
}

#[test]
fn an_order_that_has_ended_with_other_terms_is_told_as_both() {
    for (row, amount) in changed("cancelled", "0.0021", "ioc") {
        let filled = amount - 2100;
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::Place(order(4)));
        let sent = rig.requests().remove(0);
        rig.answer(sent.ticket, 201, &row);
        let ended = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(filled) };
        assert_eq!(reports(&mut rig), [differs(amount, filled), ended], "{row}");
    }
}

#[test]
fn the_first_echo_tells_and_the_others_tell_the_orders_state() {
    for (row, amount) in changed(OPEN, "0.0021", OPEN) {
        let filled = amount - 2100;
        let open = OrderReport::Open { filled: qty(filled) };
        let mut rig = Rig::live("order_book", true);
        rig.submit(Command::Place(order(4)));
        let sent = rig.requests().remove(0);
        // The stream first, then the reply, then a look-up, then the list of open orders.
        rig.frame(PRIVATE, &pushed(&row));
        assert_eq!(reports(&mut rig), [differs(amount, filled)], "{row}");
        rig.answer(sent.ticket, 201, &row);
        assert_eq!(reports(&mut rig), [open]);
        rig.submit(look_up());
        let asked = rig.requests().remove(0);
        rig.answer(asked.ticket, 200, &row);
        assert_eq!(reports(&mut rig), [open]);
    }
}

#[test]
fn a_look_up_or_the_list_of_open_orders_may_be_the_first_to_tell() {
    let (row, amount) = changed(OPEN, "0.0021", OPEN).remove(1);
    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(order(4)));
    rig.drain();
    rig.submit(look_up());
    let asked = rig.requests().remove(0);
    rig.answer(asked.ticket, 200, &row);
    assert_eq!(reports(&mut rig), [differs(amount, 0)]);

    let mut rig = Rig::live("order_book", true);
    rig.submit(Command::Place(order(4)));
    rig.drain();
    rig.submit(Command::Read { venue: VenueId(0), read: ReadKind::OpenOrders });
    let asked = rig.requests().remove(0);
    rig.answer(asked.ticket, 200, &format!(r#"[{{"currency_pair":"BTC_USDT","total":1,"orders":[{row}]}}]"#));
    let told = rig.take();
    let [Input::Order(first), Input::OpenOrders(list)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.report, list.orders.len()), (differs(amount, 0), 1));
}

#[test]
fn only_what_we_asked_for_is_compared() {
    let plain = |rig: &mut Rig, row: &str| {
        rig.frame(PRIVATE, &pushed(row));
        reports(rig)
    };
    // Nobody's order, or another run's.
    let mut rig = Rig::live("order_book", true);
    assert_eq!(plain(&mut rig, &row(9, OPEN, "0.0021", OPEN)), [OrderReport::Open { filled: Qty::ZERO }]);
    // Our terms in other words: trailing zeros, no time in force.
    rig.submit(Command::Place(order(4)));
    let same = row(4, OPEN, "0.0021", OPEN).replace("61234.5", "61234.500").replace("\"0.0021\"", "\"0.002100\"");
    assert_eq!(plain(&mut rig, &same), [OrderReport::Open { filled: Qty::ZERO }]);
    // Another order of ours with other terms than that one.
    let sell = NewOrder { side: Side::Sell, tif: TimeInForce::Gtc, ..order(5) };
    rig.submit(Command::Place(sell));
    let same = row(5, OPEN, "0.0021", OPEN).replace("\"buy\"", "\"sell\",\"time_in_force\":\"gtc\"");
    assert_eq!(plain(&mut rig, &same), [OrderReport::Open { filled: Qty::ZERO }]);
    // An order that we asked to be changed is what the venue says it is.
    let named = OrderRef { venue: VenueId(0), pair: PairId(0), client_id: client(4), venue_order_id: None };
    rig.submit(Command::Amend(Amend { order: named, price: Price::from_units(6_123_460), qty: None }));
    let amended = row(4, OPEN, "0.0021", OPEN).replace("61234.5", "61234.6");
    assert_eq!(plain(&mut rig, &amended), [OrderReport::Open { filled: Qty::ZERO }]);
}
