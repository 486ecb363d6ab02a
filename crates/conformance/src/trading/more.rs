//! The order link, lists in pages, changed terms, links that end, addresses that are shut out.

use super::{ends, named, qty, state};
use crate::script::{Asked, OrderState, PrivateNews, Reply};
use crate::stage::{PAIR, Stage, order};
use domain::time::SECOND;
use domain::{
    Amend, Command, ErrorClass, Finish, Input, LinkRole, LinkState, NewOrder, OrderReport, OrderSource, Price, ReadKind,
    UnknownCause, VenueId,
};
use venue::{LinkId, OrderEntry, SessionOptions, Transmit};

/// An order executes whole, and its execution is told: nothing more is waited for.
#[track_caller]
fn executes(stage: &mut Stage, sent: &Transmit, order: &NewOrder) {
    let filled = order.qty.units();
    ends(stage, sent, &state(*order, filled, true));
    assert_eq!(stage.one_report(), OrderReport::Finished { finish: Finish::Filled, filled: order.qty });
    // The stream tells it as well, whatever the answer said.
    stage.private(PrivateNews::Order(&state(*order, filled, true)));
    stage.private(PrivateNews::Fill { order, trade: order.client_id.counter(), qty: filled });
    stage.take();
}

/// Orders take the order link once it is up, and only then; what was under way on one that is lost is unknown, and REST carries on.
pub(super) fn order_link(stage: &mut Stage) {
    stage.live_with(true, SessionOptions { order_entry: OrderEntry::WebSocket, ..SessionOptions::default() });
    assert_eq!(stage.link_news(LinkRole::OrderEntry), [LinkState::Up]);
    let link = stage.script.order_link();
    let over_link = |sent: &Transmit| matches!(sent, Transmit::Frame { link: on, order: true, .. } if *on == link);
    let sent = stage.place(order(1));
    assert!(over_link(&sent), "{sent:?}");
    executes(stage, &sent, &order(1));
    // A refusal is as definite as over REST.
    let sent = stage.place(order(2));
    stage.say(&sent, Reply::Refused(ErrorClass::FilterReject));
    assert!(matches!(stage.one_report(), OrderReport::Refused { class: ErrorClass::FilterReject, .. }));
    let sent = stage.place(order(3));
    assert!(over_link(&sent), "{sent:?}");
    stage.lose(link);
    assert_eq!(stage.one_report(), OrderReport::Unknown { cause: UnknownCause::LinkLost });
    assert_eq!(stage.link_news(LinkRole::OrderEntry), [LinkState::Lost]);
    // The next one is not late for that, and the lost one is never sent again.
    stage.submit(Command::Place(order(4)));
    let sent = stage.placements();
    assert!(matches!(sent.as_slice(), [Transmit::Request { order: true, .. }]), "{sent:?}");
    executes(stage, &sent[0], &order(4));
    assert_eq!(stage.asking(Asked::Place, 30 * SECOND), Vec::<Transmit>::new());
    assert_eq!(stage.link_news(LinkRole::OrderEntry), [LinkState::Up]);
    let sent = stage.place(order(5));
    assert!(over_link(&sent), "{sent:?}");
}

/// An amendment says where the order stands with its new terms, or leaves that to a look-up; a venue without them says so at once.
pub(super) fn amend(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    let price = Price::from_units(6_123_400);
    let change = Command::Amend(Amend { order: named(&order), price, qty: None });
    if !stage.script.amends() {
        stage.submit(change);
        assert_eq!(stage.one_report(), OrderReport::CancelFailed { class: ErrorClass::FilterReject });
        return assert_eq!(stage.asking(Asked::Amend, SECOND), Vec::<Transmit>::new());
    }
    stage.submit(change);
    let sent = stage.one(Asked::Amend);
    let changed = state(NewOrder { price: price.expect("a price"), ..order }, 0, false);
    stage.say(&sent, Reply::Order(&changed));
    let open = OrderReport::Open { filled: qty(0) };
    let taken = OrderReport::CancelFailed { class: ErrorClass::Unknown };
    assert_eq!(stage.one_report(), if stage.script.only_receives() { taken } else { open });
    // The terms that the stream tells then are the ones that were asked for.
    stage.private(PrivateNews::Order(&changed));
    assert_eq!(stage.one_report(), open);
    stage.submit(change);
    let sent = stage.one(Asked::Amend);
    stage.say(&sent, Reply::NotFound);
    assert_eq!(stage.one_report(), OrderReport::NotFound);
}

/// A cancel of a pair tells the end of each order, or the stream does and the list of open orders is read; never of other pairs.
pub(super) fn cancel_all(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let all = Command::CancelAll { venue: VenueId(0), pair: PAIR };
    stage.submit(all);
    let sent = stage.one(Asked::CancelAll);
    let end = state(order(1), 700, true);
    stage.say(&sent, Reply::Order(&end));
    if stage.script.only_receives() {
        assert_eq!(stage.orders(), []);
        assert_eq!(stage.asking(Asked::OpenOrders, 0).len(), 1);
        stage.private(PrivateNews::Order(&end));
    }
    let told = stage.orders();
    let ended = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(700) };
    assert!(matches!(told.as_slice(), [update] if update.report == ended && update.pair == PAIR), "{told:?}");
    stage.submit(all);
    let sent = stage.one(Asked::CancelAll);
    stage.say(&sent, Reply::Refused(ErrorClass::AuthFatal));
    let told = stage.orders();
    let failed = OrderReport::CancelFailed { class: ErrorClass::AuthFatal };
    assert!(matches!(told.as_slice(), [update] if update.report == failed && update.client_id.is_none()), "{told:?}");
}

/// Lists are read to their last page and told once, whole, as of when the first page was asked for.
pub(super) fn paged_reads(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let page = stage.script.orders_page();
    let open: Vec<OrderState> = (1..=page.unwrap_or(1) as u64).map(|counter| state(order(counter), 0, false)).collect();
    let last = [state(order(open.len() as u64 + 1), 0, false)];
    stage.submit(Command::Read { venue: VenueId(0), read: ReadKind::OpenOrders });
    let asked = stage.now;
    let first = stage.one(Asked::OpenOrders);
    stage.run(SECOND);
    stage.take();
    stage.say(&first, Reply::OpenOrders { orders: &open, more: page.is_some() });
    let mut expected = open.len();
    if page.is_some() {
        assert_eq!(stage.take(), [], "not before the last page");
        let second = stage.one(Asked::OpenOrders);
        assert_ne!(target(&first), target(&second), "another page");
        stage.say(&second, Reply::OpenOrders { orders: &last, more: false });
        expected += 1;
    }
    let told = stage.take();
    let [Input::OpenOrders(report)] = told.as_slice() else { panic!("{} inputs", told.len()) };
    assert_eq!((report.orders.len(), report.elsewhere, report.requested), (expected, 0, asked));
    assert!(report.orders.iter().all(|row| row.source == OrderSource::Query), "told as a list");

    let page = stage.script.trades_page();
    let numbers: Vec<u64> = (1..=page.unwrap_or(1) as u64).collect();
    let one = order(1);
    let since = stage.wall();
    stage.submit(Command::Read { venue: VenueId(0), read: ReadKind::Trades { pair: PAIR, since } });
    let first = stage.one(Asked::Trades);
    stage.say(&first, Reply::Trades { order: &one, trades: &numbers, more: page.is_some() });
    let mut expected = numbers.len();
    if page.is_some() {
        assert_eq!(stage.take(), [], "not before the last page");
        let second = stage.one(Asked::Trades);
        assert_ne!(target(&first), target(&second), "another page");
        // Rows may shift between two pages: what comes twice is told once.
        let last = [numbers.len() as u64, numbers.len() as u64 + 1];
        stage.say(&second, Reply::Trades { order: &one, trades: &last, more: false });
        expected += 1;
    }
    let told = stage.take();
    let [Input::Trades(report)] = told.as_slice() else { panic!("{} inputs", told.len()) };
    assert_eq!((report.fills.len(), report.complete, report.since), (expected, true, since));
}

fn target(sent: &Transmit) -> String {
    match sent {
        Transmit::Request { request, .. } => format!("{}?{}", request.path, request.query),
        Transmit::Frame { text, .. } => text.clone(),
        Transmit::Open(_) | Transmit::Close(_) => String::new(),
    }
}

/// An order that the venue holds with other terms than were sent is told as that, once; after that its rows are told as they are.
pub(super) fn terms_differ(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    stage.place(order(1));
    let less = NewOrder { qty: qty(1800), ..order(1) };
    stage.private(PrivateNews::Order(&state(less, 0, false)));
    assert_eq!(stage.one_report(), OrderReport::TermsDiffer { qty: qty(1800), filled: qty(0) });
    stage.private(PrivateNews::Order(&state(less, 0, false)));
    assert_eq!(stage.one_report(), OrderReport::Open { filled: qty(0) });
    stage.private(PrivateNews::Order(&state(less, 1800, true)));
    assert_eq!(stage.one_report(), OrderReport::Finished { finish: Finish::Filled, filled: qty(1800) });
}

/// A private link that the venue will close is closed only after another one is proved: no loss is told, and the new one tells.
pub(super) fn replacement(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let old = stage.script.private_link();
    if let Some(notice) = stage.script.notice() {
        stage.frame(old, notice);
    }
    let private = |out: &Transmit| matches!(out, Transmit::Open(link) | Transmit::Close(link) if link.role == LinkRole::Private);
    let mut seen: Vec<Transmit> = Vec::new();
    // A day and an hour, by ten minutes.
    for _ in 0..150 {
        seen.extend(stage.run(600 * SECOND).into_iter().filter(private));
        if seen.contains(&Transmit::Close(old)) {
            break;
        }
    }
    let [Transmit::Open(new), Transmit::Close(closed)] = seen.as_slice() else { panic!("{seen:?}") };
    let new: LinkId = *new;
    assert_eq!((*closed, new == old), (old, false));
    assert_eq!(stage.link_news(LinkRole::Private), Vec::<LinkState>::new(), "one proved link listened at every moment");
    stage.private_on(new, PrivateNews::Order(&state(order(1), 700, true)));
    assert!(matches!(stage.one_report(), OrderReport::Finished { .. }));
}

/// Once the venue shuts the address out nothing at all leaves over REST, orders included, and it goes on when that is over. What is asked
/// for meanwhile is told as failed at once and asked for by nobody later: a ban's end is no storm.
pub(super) fn ban(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    stage.submit(Command::LookUp(named(&order(1))));
    let sent = stage.one(Asked::LookUp);
    stage.say(&sent, Reply::Banned);
    stage.submit(Command::Place(order(2)));
    stage.submit(Command::Cancel(named(&order(1))));
    let told: Vec<OrderReport> = stage.orders().into_iter().map(|update| update.report).collect();
    let [OrderReport::Unknown { .. }, OrderReport::Refused { class, .. }, OrderReport::CancelFailed { class: cancel }] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((*class, *cancel), (ErrorClass::RateLimited, ErrorClass::RateLimited));
    let requests = |out: &[Transmit]| out.iter().filter(|out| matches!(out, Transmit::Request { .. })).count();
    for _ in 0..20 {
        stage.submit(Command::LookUp(named(&order(1))));
        stage.submit(Command::Read { venue: VenueId(0), read: ReadKind::OpenOrders });
        assert_eq!(requests(&stage.run(SECOND)), 0);
        let told = stage.take();
        let failed = |input: &Input| match input {
            Input::ReadFailed(failure) => failure.class == ErrorClass::RateLimited,
            Input::Order(update) => matches!(update.report, OrderReport::Unknown { .. }),
            _ => false,
        };
        assert_eq!(told.iter().filter(|input| failed(input)).count(), 2, "{told:?}");
    }
    assert_eq!(requests(&stage.run(40 * SECOND)), 0);
    let later = stage.run(3600 * SECOND);
    assert!(requests(&later) > 0);
    let kept = |out: &&Transmit| stage.script.asked(out) == Asked::LookUp;
    assert_eq!(later.iter().find(kept), None);
    stage.take();
    stage.place(order(3));
}
