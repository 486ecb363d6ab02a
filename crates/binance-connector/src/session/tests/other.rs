//! The clock, commands that need a key, configurations that can't be served, and noise.

use super::rig::{Rig, SPOT, live_spot};
use crate::session::BinanceSession;
use crate::wire::samples::tables;
use domain::command::OrderRef;
use domain::{
    ClientOrderId, Command, DealId, ErrorClass, Input, NewOrder, OrderReport, PairId, Price, Purpose, Qty, ReadKind, Side,
    TimeInForce, VenueId,
};
use proptest::prelude::*;
use venue::{ConnectorError, SessionConfig, SessionOptions, VenueSession};

fn config() -> SessionConfig {
    SessionConfig {
        venue: VenueId(0),
        tables: tables(),
        pairs: vec![PairId(0)],
        key: None,
        secret: None,
        book_channel: "depth".into(),
        options: SessionOptions::default(),
        seed: 7,
    }
}

#[test]
fn what_can_not_be_served_is_refused_at_the_start() {
    let refused = |config| BinanceSession::new(config).unwrap_err();
    let error = refused(SessionConfig { book_channel: "obu".into(), ..config() });
    assert!(matches!(error, ConnectorError::BadOption { what: "book channel", .. }), "{error}");
    let mut tables = (*tables()).clone();
    tables.pairs[0].symbol = domain::Symbol::parse("BTC/USD:ETH").unwrap();
    let error = refused(SessionConfig { tables: tables.into(), ..config() });
    assert_eq!(error.to_string(), "BTC/USD:ETH is not listed by this venue");
}

#[test]
fn the_clock_is_told_at_the_start_and_when_asked_for() {
    let mut rig = Rig::new(&[1], SessionOptions::default());
    rig.session.start(rig.now);
    rig.drain();
    let clocks = |rig: &mut Rig| {
        let clock = |input| if let Input::Clock(clock) = input { Some((clock.offset_ns, clock.uncertainty_ns)) } else { None };
        rig.take().into_iter().filter_map(clock).collect::<Vec<_>>()
    };
    // The venue is 250 ms ahead, and on average half of a millisecond more than it says.
    assert_eq!(clocks(&mut rig), [(250_500_000, 0)]);
    rig.submit(Command::Read { venue: VenueId(0), read: ReadKind::Time });
    rig.drain();
    assert_eq!(clocks(&mut rig).len(), 1);
}

#[test]
fn what_needs_a_key_is_answered_at_once() {
    let mut rig = live_spot();
    let client_id = ClientOrderId::new(1, 2, 3, 4).unwrap();
    let order = OrderRef { venue: VenueId(0), pair: PairId(0), client_id, venue_order_id: None };
    let place = NewOrder {
        venue: VenueId(0),
        pair: PairId(0),
        client_id,
        deal: DealId(1),
        purpose: Purpose::Open,
        side: Side::Buy,
        price: Price::from_units(1).unwrap(),
        qty: Qty::from_units(1).unwrap(),
        tif: TimeInForce::Ioc,
        deadline: None,
    };
    let report = |rig: &mut Rig, command| {
        rig.submit(command);
        assert!(rig.drain().requests.is_empty());
        match rig.take().as_slice() {
            [Input::Order(update)] => (update.client_id, update.report),
            other => panic!("{other:?}"),
        }
    };
    let failed = OrderReport::CancelFailed { class: ErrorClass::AuthFatal };
    assert_eq!(report(&mut rig, Command::Place(place)), (Some(client_id), OrderReport::NotSent));
    assert_eq!(report(&mut rig, Command::Cancel(order)), (Some(client_id), failed));
    assert_eq!(report(&mut rig, Command::CancelAll { venue: VenueId(0), pair: PairId(0) }), (None, failed));
    assert!(matches!(report(&mut rig, Command::LookUp(order)).1, OrderReport::Unknown { .. }));
    for read in [ReadKind::Balances, ReadKind::OpenOrders, ReadKind::Fees, ReadKind::Account] {
        rig.submit(Command::Read { venue: VenueId(0), read });
        let news = rig.take();
        assert!(
            matches!(news.as_slice(), [Input::ReadFailed(failed)] if failed.read == read && failed.class == ErrorClass::AuthFatal)
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_on_any_link_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), shard in any::<u8>()) {
        let mut rig = live_spot();
        rig.session.handle_frame(super::rig::link(shard), rig.now, &mut bytes.clone(), &mut rig.updates);
        rig.session.handle_frame(SPOT, rig.now, &mut bytes.clone(), &mut rig.updates);
        rig.drain();
    }
}
