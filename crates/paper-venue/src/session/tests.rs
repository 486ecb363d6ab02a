//! The paper session over a scripted venue: every frame is the index of the inputs that it makes.

use super::*;
use domain::{
    BookBody, DealId, InstrumentKind, Level, PairInfo, PairScale, Price, Purpose, ResyncReason, RoundTrip, Side, Symbol,
};

const MS: u64 = MILLI;
const PAIR: PairId = PairId(0);
const VENUE: VenueId = VenueId(0);
const PUBLIC: LinkId = LinkId { role: LinkRole::Public, shard: 0 };

/// A venue that says what the test wrote.
#[derive(Default)]
struct Script {
    says: Vec<Vec<Input>>,
    asked: Vec<Command>,
    /// What a suspension makes it say.
    paused: Vec<Input>,
    stats: SessionStats,
}

impl VenueSession for Script {
    fn venue(&self) -> VenueId {
        VENUE
    }
    fn start(&mut self, _: MonoNanos) {}
    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        updates.push(Input::Link(LinkChange { venue: VENUE, role: link.role, state: LinkState::Up, at: now }));
    }
    fn handle_frame(&mut self, _: LinkId, _: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        updates.extend(self.says[usize::from(frame[0])].clone());
    }
    fn handle_lost(&mut self, _: LinkId, _: MonoNanos, _: LossReason, _: &mut Vec<Input>) {}
    fn handle_response(&mut self, _: Ticket, _: MonoNanos, _: Response<'_>, _: &mut Vec<Input>) {}
    fn handle_timeout(&mut self, _: MonoNanos, _: &mut Vec<Input>) {}
    fn handle_paused(&mut self, _: MonoNanos, updates: &mut Vec<Input>) {
        updates.append(&mut self.paused);
    }
    fn submit(&mut self, _: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        self.asked.push(*command);
        updates.push(Input::RoundTrip(RoundTrip { venue: VENUE, order: false, nanos: 8 * MS }));
    }
    fn poll_transmit(&mut self, _: MonoNanos, _: UnixNanos, _: &mut Vec<Input>) -> Option<Transmit> {
        None
    }
    fn poll_timeout(&self) -> Option<MonoNanos> {
        None
    }
    fn shutdown(&mut self, _: MonoNanos) {}
    fn stats(&self) -> &SessionStats {
        &self.stats
    }
}

fn amount(text: &str) -> Amount {
    Amount::from_decimal(text.parse().unwrap()).unwrap()
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
}

fn book(body: BookBody) -> Vec<Input> {
    vec![Input::Book(BookUpdate { venue: VENUE, pair: PAIR, received: MonoNanos(0), changed_at: None, sent_at: None, body })]
}

/// Frame 0: bids 99x4, asks 101x3 102x5. Frame 1: asks 101x1. Frame 2: the book is lost.
fn funded(latency: PaperLatency, funds: PaperFunds) -> PaperSession {
    let symbol = Symbol::parse("BTC/USDT").unwrap();
    let tables = Tables {
        venues: vec!["paper".into()],
        pairs: vec![PairInfo {
            symbol,
            kind: InstrumentKind::Spot,
            base: AssetId(0),
            quote: AssetId(1),
            scale: PairScale::new(0, 0).unwrap(),
        }],
        assets: vec!["BTC".into(), "USDT".into()],
    };
    let says = vec![
        book(BookBody::Snapshot { id: 1, bids: vec![level(99, 4)], asks: vec![level(101, 3), level(102, 5)] }),
        book(BookBody::Delta { first: 2, last: 2, bids: vec![], asks: vec![level(101, 1)] }),
        book(BookBody::Untrusted { reason: ResyncReason::Gap }),
    ];
    let paused = says[2].iter().filter(|_| latency == PaperLatency::Fixed(7 * MS)).cloned().collect();
    let inner = Script { says, paused, ..Script::default() };
    PaperSession::new(
        Box::new(inner),
        PaperConfig {
            venue: VENUE,
            tables: Arc::new(tables),
            pairs: vec![PAIR],
            taker: Rate::from_bps(10).unwrap(),
            funds,
            latency,
        },
    )
}

fn session(latency: PaperLatency) -> PaperSession {
    funded(latency, PaperFunds::Balances(vec![(AssetId(0), amount("10")), (AssetId(1), amount("1000"))]))
}

fn order(counter: u64, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder {
        venue: VENUE,
        pair: PAIR,
        client_id: ClientOrderId::new(1, 1, 0, counter).unwrap(),
        deal: DealId(1),
        purpose: Purpose::Open,
        side,
        price: Price::from_units(price).unwrap(),
        qty: Qty::from_units(qty).unwrap(),
        tif: TimeInForce::Ioc,
        deadline: None,
    }
}

/// One line an input: enough to see order, amounts and times.
fn told(updates: &[Input]) -> Vec<String> {
    let line = |input: &Input| match input {
        Input::Order(update) => match update.report {
            OrderReport::Finished { finish, filled } => {
                format!("order {:?} {} at {}", finish, filled.units(), update.received.0 / MS)
            }
            OrderReport::Refused { class, .. } => format!("refused {class} at {}", update.received.0 / MS),
            report => format!("{report:?} at {}", update.received.0 / MS),
        },
        Input::Fill(fill) => format!(
            "fill {}x{} fee {} of {}",
            fill.price.units(),
            fill.qty.units(),
            fill.fees.first().map_or(Amount::ZERO, |f| f.1),
            fill.fees.first().map_or(0, |f| f.0.0)
        ),
        Input::Balances(report) => report.entries.iter().map(|e| format!("{} ", e.available)).collect(),
        other => format!("{other:?}"),
    };
    updates.iter().map(line).collect()
}

fn at(ms: u64) -> MonoNanos {
    MonoNanos(ms * MS)
}

#[test]
fn an_order_meets_the_book_of_its_arrival_and_is_answered_one_latency_later() {
    let mut session = session(PaperLatency::Fixed(5 * MS));
    let mut updates = Vec::new();
    session.handle_frame(PUBLIC, at(0), &mut [0], &mut updates);
    updates.clear();
    session.submit(at(10), &Command::Place(order(1, Side::Buy, 101, 2)), &mut updates);
    session.submit(at(10), &Command::Place(order(2, Side::Buy, 102, 4)), &mut updates);
    // The level shrinks before the orders arrive at 15 ms: the first gets one, the second walks on.
    session.handle_frame(PUBLIC, at(14), &mut [1], &mut updates);
    updates.clear();
    assert_eq!(session.poll_timeout(), Some(at(15)));
    session.handle_timeout(at(15), &mut updates);
    assert!(updates.is_empty(), "{updates:?}");
    session.handle_timeout(at(20), &mut updates);
    assert_eq!(
        told(&updates),
        ["fill 101x1 fee 0.001 of 0", "order Cancelled 1 at 20", "fill 102x4 fee 0.004 of 0", "order Filled 4 at 20"]
    );
    // 1000 − 101 − 4 × 102, and 10 + 5 less the fees.
    updates.clear();
    session.submit(at(30), &Command::Read { venue: VENUE, read: ReadKind::Balances }, &mut updates);
    session.handle_timeout(at(40), &mut updates);
    assert_eq!(told(&updates), ["14.995 491 "]);
}

#[test]
fn a_frame_that_came_after_the_arrival_changes_nothing() {
    let mut session = session(PaperLatency::Fixed(5 * MS));
    let mut updates = Vec::new();
    session.handle_frame(PUBLIC, at(0), &mut [0], &mut updates);
    session.submit(at(10), &Command::Place(order(1, Side::Buy, 101, 3)), &mut updates);
    // No timer fired at 15 ms; the frame of 18 ms must not be seen by the order all the same.
    session.handle_frame(PUBLIC, at(18), &mut [1], &mut updates);
    updates.clear();
    session.handle_timeout(at(21), &mut updates);
    assert_eq!(told(&updates), ["fill 101x3 fee 0.003 of 0", "order Filled 3 at 20"]);
}

#[track_caller]
fn check_answer(order: NewOrder, frames: &[u8], expected: &str) {
    let mut session = session(PaperLatency::Fixed(5 * MS));
    let mut updates = Vec::new();
    for frame in frames {
        session.handle_frame(PUBLIC, at(0), &mut [*frame], &mut updates);
    }
    updates.clear();
    session.submit(at(10), &Command::Place(order), &mut updates);
    session.handle_timeout(at(100), &mut updates);
    // An end without an execution is told by the stream, too.
    let times = if expected.starts_with("order Cancelled") { 2 } else { 1 };
    assert_eq!(told(&updates), vec![expected; times]);
    let by_stream = updates.iter().filter(|input| matches!(input, Input::Order(o) if o.source == OrderSource::Stream));
    assert_eq!(by_stream.count(), times - 1);
    assert_eq!(
        (session.account().available(AssetId(0)), session.account().available(AssetId(1))),
        (amount("10"), amount("1000"))
    );
    // A look-up finds the same.
    updates.clear();
    let reference = OrderRef { venue: VENUE, pair: PAIR, client_id: order.client_id, venue_order_id: None };
    session.submit(at(200), &Command::LookUp(reference), &mut updates);
    session.handle_timeout(at(300), &mut updates);
    assert_eq!(told(&updates), [expected.replace("at 20", "at 210")]);
}

#[test]
fn what_cannot_fill_is_told_and_moves_no_money() {
    check_answer(order(1, Side::Buy, 100, 1), &[0], "order Cancelled 0 at 20");
    check_answer(order(1, Side::Sell, 100, 1), &[0], "order Cancelled 0 at 20");
    check_answer(order(1, Side::Buy, 101, 1), &[], "order Cancelled 0 at 20");
    check_answer(order(1, Side::Buy, 101, 1), &[0, 2], "order Cancelled 0 at 20");
    check_answer(order(1, Side::Buy, 101, 10), &[0], "refused InsufficientFunds at 20");
    check_answer(order(1, Side::Sell, 99, 11), &[0], "refused InsufficientFunds at 20");
    check_answer(NewOrder { tif: TimeInForce::Gtc, ..order(1, Side::Buy, 101, 1) }, &[0], "refused FilterReject at 20");
    check_answer(NewOrder { deadline: Some(at(14)), ..order(1, Side::Buy, 101, 1) }, &[0], "order Expired 0 at 20");
    check_answer(NewOrder { pair: PairId(7), ..order(1, Side::Buy, 101, 1) }, &[0], "refused SymbolClosed at 20");
}

#[test]
fn an_unknown_order_is_not_found_and_every_read_is_answered() {
    let mut session = session(PaperLatency::Fixed(MS));
    let mut updates = Vec::new();
    let reference =
        OrderRef { venue: VENUE, pair: PAIR, client_id: ClientOrderId::new(1, 1, 0, 9).unwrap(), venue_order_id: None };
    session.submit(at(0), &Command::LookUp(reference), &mut updates);
    session.submit(at(0), &Command::Cancel(reference), &mut updates);
    for read in [ReadKind::OpenOrders, ReadKind::Trades { pair: PAIR, since: UnixNanos(0) }, ReadKind::Fees, ReadKind::Account] {
        session.submit(at(0), &Command::Read { venue: VENUE, read }, &mut updates);
    }
    session.handle_timeout(at(10), &mut updates);
    let lines = told(&updates);
    assert_eq!(lines[..2], ["NotFound at 2", "NotFound at 2"]);
    let starts: Vec<&str> = lines[2..].iter().map(|line| line.split(['(', ' ']).next().unwrap()).collect();
    assert_eq!(starts, ["OpenOrders", "Trades", "Fees", "Account"]);
    assert!(matches!(updates[4], Input::Fees(FeeRates { taker, .. }) if taker == Rate::from_bps(10).unwrap()));
}

#[test]
fn the_latency_is_measured_on_the_venues_own_answers_and_private_news_begin_with_the_public_link() {
    let mut session = session(PaperLatency::Measured);
    let mut updates = Vec::new();
    session.handle_connected(PUBLIC, at(0), &mut updates);
    let links: Vec<_> = updates
        .iter()
        .filter_map(|i| if let Input::Link(change) = i { Some((change.role, change.state)) } else { None })
        .collect();
    assert_eq!(links, [(LinkRole::Public, LinkState::Up), (LinkRole::Private, LinkState::Up)]);
    session.submit(at(0), &Command::Place(order(1, Side::Buy, 101, 1)), &mut updates);
    assert_eq!(session.poll_timeout(), Some(at(100)));
    // A time read measures a round trip of 8 ms: 4 ms one way.
    session.submit(at(0), &Command::Read { venue: VENUE, read: ReadKind::Time }, &mut updates);
    session.submit(at(200), &Command::Place(order(2, Side::Buy, 101, 1)), &mut updates);
    session.handle_timeout(at(203), &mut updates);
    assert_eq!(session.poll_timeout(), Some(at(204)));
    // After a suspension the link has to come up again before the engine trusts the account.
    session.handle_timeout(at(299), &mut updates);
    updates.clear();
    session.handle_paused(at(300), &mut updates);
    assert!(matches!(updates[..], [Input::Link(LinkChange { role: LinkRole::Private, state: LinkState::Paused, .. })]));
    session.handle_connected(PUBLIC, at(310), &mut updates);
    assert!(matches!(updates.last(), Some(Input::Link(LinkChange { role: LinkRole::Private, state: LinkState::Up, .. }))));
}

#[test]
fn an_account_funded_by_value_opens_with_the_books() {
    let private_up =
        |updates: &[Input]| updates.iter().any(|i| matches!(i, Input::Link(change) if change.role == LinkRole::Private));
    let mut session = funded(PaperLatency::Fixed(MS), PaperFunds::Value(amount("1000")));
    let mut updates = Vec::new();
    session.handle_connected(PUBLIC, at(0), &mut updates);
    assert!(!private_up(&updates), "no book yet");
    assert_eq!(session.poll_timeout(), Some(at(10_000)));
    // The ask is 101: 1000 / 101 is 9 whole units of this scale.
    session.handle_frame(PUBLIC, at(5), &mut [0], &mut updates);
    assert!(private_up(&updates));
    assert_eq!((session.account().available(AssetId(0)), session.account().available(AssetId(1))), (amount("9"), amount("1000")));

    // Without a book it opens in the end, with quote only.
    let mut session = funded(PaperLatency::Fixed(MS), PaperFunds::Value(amount("1000")));
    let mut updates = Vec::new();
    session.handle_connected(PUBLIC, at(0), &mut updates);
    session.handle_timeout(at(10_000), &mut updates);
    assert!(private_up(&updates));
    assert_eq!(
        (session.account().available(AssetId(0)), session.account().available(AssetId(1))),
        (Amount::ZERO, amount("1000"))
    );
}

#[test]
fn an_order_that_arrived_before_a_suspension_met_the_book_of_then() {
    // This latency's venue loses its books with the suspension.
    let mut session = session(PaperLatency::Fixed(7 * MS));
    let mut updates = Vec::new();
    session.handle_frame(PUBLIC, at(0), &mut [0], &mut updates);
    session.submit(at(292), &Command::Place(order(1, Side::Buy, 101, 1)), &mut updates);
    session.submit(at(298), &Command::Place(order(2, Side::Buy, 101, 1)), &mut updates);
    updates.clear();
    session.handle_paused(at(300), &mut updates);
    session.handle_timeout(at(400), &mut updates);
    let orders: Vec<String> =
        told(&updates).into_iter().filter(|line| line.starts_with("order") || line.starts_with("fill")).collect();
    assert_eq!(
        orders,
        ["fill 101x1 fee 0.001 of 0", "order Filled 1 at 306", "order Cancelled 0 at 312", "order Cancelled 0 at 312"]
    );
}

#[test]
fn executions_are_listed_from_the_time_asked_for_and_not_kept_for_ever() {
    let mut session = session(PaperLatency::Fixed(MS));
    let mut updates = Vec::new();
    session.handle_frame(PUBLIC, at(0), &mut [0], &mut updates);
    session.submit(at(10), &Command::Place(order(1, Side::Buy, 101, 1)), &mut updates);
    session.submit(at(20), &Command::Place(order(2, Side::Buy, 101, 1)), &mut updates);
    let listed = |session: &mut PaperSession, since_ms: i64| {
        let read = ReadKind::Trades { pair: PAIR, since: UnixNanos(since_ms * MS as i64) };
        let mut updates = Vec::new();
        session.submit(at(100), &Command::Read { venue: VENUE, read }, &mut updates);
        session.handle_timeout(at(200), &mut updates);
        let Some(Input::Trades(report)) = updates.pop() else { panic!("{updates:?}") };
        (report.fills.len(), report.complete)
    };
    session.handle_timeout(at(50), &mut updates);
    assert_eq!(listed(&mut session, 0), (2, true));
    assert_eq!(listed(&mut session, 15), (1, true));
    let oldest = session.fills.front().expect("an execution").clone();
    (0..FILLS_MAX).for_each(|_| session.keep(Fill { executed_at: Some(VenueNanos(30 * MS as i64)), ..oldest.clone() }));
    assert_eq!(session.fills.len(), FILLS_MAX);
    assert_eq!(listed(&mut session, 25), (FILLS_MAX, true));
    assert_eq!(listed(&mut session, 15), (FILLS_MAX, false), "what is forgotten never passes for absent");
}

#[test]
fn a_wall_clock_that_steps_moves_no_execution_and_a_sleep_is_made_up_for() {
    let mut session = session(PaperLatency::Fixed(MS));
    let mut updates = Vec::new();
    session.handle_frame(PUBLIC, at(0), &mut [0], &mut updates);
    let hour = 3_600_000;
    let bought_at = |session: &mut PaperSession, now_ms: u64, wall_ms: i64, counter: u64| {
        let mut updates = Vec::new();
        session.poll_transmit(at(now_ms), UnixNanos(wall_ms * MS as i64), &mut updates);
        session.handle_frame(PUBLIC, at(now_ms), &mut [0], &mut updates);
        session.submit(at(now_ms), &Command::Place(order(counter, Side::Buy, 102, 1)), &mut updates);
        session.handle_timeout(at(now_ms + 5), &mut updates);
        session.fills.back().and_then(|fill| fill.executed_at).map(|executed| executed.0 / MS as i64)
    };
    assert_eq!(bought_at(&mut session, 10, 9 * hour, 1), Some(9 * hour + 1));
    assert_eq!(bought_at(&mut session, 20, 7 * hour, 2), Some(9 * hour + 11), "set back by two hours");
    assert_eq!(bought_at(&mut session, 30, 12 * hour, 3), Some(9 * hour + 21), "and forward");
    session.handle_paused(at(40), &mut updates);
    assert_eq!(bought_at(&mut session, 50, 10 * hour, 4), Some(10 * hour + 1), "monotonic time stood still while it slept");
    session.handle_paused(at(60), &mut updates);
    assert_eq!(bought_at(&mut session, 70, 8 * hour, 5), Some(10 * hour + 21), "never back");
}
