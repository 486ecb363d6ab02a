//! Orders, private news and limits: what holds for a session that can trade. [`more`]: the order link, lists in pages, changed terms,
//! links that end.

mod more;

use crate::Case;
use crate::script::{Asked, OrderState, PrivateNews, Reply};
use crate::stage::{PAIR, Stage, order};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{
    Command, ErrorClass, Finish, Input, LinkRole, LinkState, NewOrder, OrderReport, OrderSource, Purpose, Qty, UnknownCause,
    VenueId,
};
use venue::{IoFailure, Transmit};

/// The table.
pub const CASES: &[Case] = &[
    Case { name: "private_link", play: private_link },
    Case { name: "auth_failure", play: auth_failure },
    Case { name: "place", play: place },
    Case { name: "partial_fill", play: partial_fill },
    Case { name: "late_fill", play: late_fill },
    Case { name: "doubled_news", play: doubled_news },
    Case { name: "lost_reply", play: lost_reply },
    Case { name: "not_sent", play: not_sent },
    Case { name: "deadline", play: deadline },
    Case { name: "error_classes", play: error_classes },
    Case { name: "clock_skew", play: clock_skew },
    Case { name: "rate_limit", play: rate_limit },
    Case { name: "own_budget", play: own_budget },
    Case { name: "cancel", play: cancel },
    Case { name: "look_up", play: look_up },
    Case { name: "dead_man", play: dead_man },
    Case { name: "mute_stream", play: mute_stream },
    Case { name: "order_link", play: more::order_link },
    Case { name: "amend", play: more::amend },
    Case { name: "cancel_all", play: more::cancel_all },
    Case { name: "paged_reads", play: more::paged_reads },
    Case { name: "terms_differ", play: more::terms_differ },
    Case { name: "replacement", play: more::replacement },
    Case { name: "ban", play: more::ban },
];

fn qty(units: i64) -> Qty {
    Qty::from_units(units).expect("a quantity")
}

fn state(order: NewOrder, filled: i64, ended: bool) -> OrderState {
    OrderState { order, filled, ended }
}

fn named(order: &NewOrder) -> OrderRef {
    OrderRef { venue: order.venue, pair: order.pair, client_id: order.client_id, venue_order_id: None }
}

/// Says how an order ended: in the answer, or by the private stream after an answer that says only that it was received.
#[track_caller]
fn ends(stage: &mut Stage, sent: &Transmit, end: &OrderState) {
    stage.say(sent, Reply::Order(end));
    if stage.script.only_receives() {
        let first = stage.orders();
        assert!(matches!(first.as_slice(), [update] if update.report == OrderReport::Open { filled: Qty::ZERO }), "{first:?}");
        stage.private(PrivateNews::Order(end));
    }
}

/// Everything on the private link is acknowledged, and it answers after that: only then is it told up.
fn private_link(stage: &mut Stage) {
    stage.enter(true);
    stage.mute(Asked::Ping);
    let now = stage.now;
    stage.session().start(now);
    let link = stage.script.private_link();
    let sent = stage.run(2 * SECOND);
    assert!(sent.contains(&Transmit::Open(link)), "{sent:?}");
    assert_eq!(stage.link_news(LinkRole::Private), Vec::<LinkState>::new(), "not before it answers");
    let ping = |out: &&Transmit| matches!(out, Transmit::Frame { link: on, .. } if *on == link && stage.script.asked(out) == Asked::Ping);
    let ping = sent.iter().find(ping).expect("it is asked for a sign of life").clone();
    stage.say(&ping, Reply::Done);
    assert_eq!(stage.link_news(LinkRole::Private), [LinkState::Up]);
}

/// A login or private subscription that is refused for the key: never told up, and the key's rights are asked for.
fn auth_failure(stage: &mut Stage) {
    stage.enter(true);
    stage.mute(Asked::Subscribe);
    stage.mute(Asked::Login);
    let now = stage.now;
    stage.session().start(now);
    let link = stage.script.private_link();
    let sent = stage.run(SECOND);
    let needs_key = |out: &&Transmit| {
        let asked = matches!(out, Transmit::Frame { link: on, .. } if *on == link).then(|| stage.script.asked(out));
        matches!(asked, Some(Asked::Subscribe | Asked::Login))
    };
    let refused = sent.iter().find(needs_key).expect("the private link asks for something").clone();
    stage.say(&refused, Reply::Refused(ErrorClass::AuthFatal));
    let sent = stage.run(SECOND);
    assert!(sent.contains(&Transmit::Close(link)), "a link that may not tell is given up: {sent:?}");
    let told =
        sent.iter().filter(|out| matches!(out, Transmit::Request { .. })).any(|out| stage.script.asked(out) == Asked::Account);
    assert!(told, "a signed read tells whether it is the key: {sent:?}");
    assert_eq!(stage.link_news(LinkRole::Private), Vec::<LinkState>::new());
}

/// An order that executes whole.
fn place(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    let sent = stage.place(order);
    ends(stage, &sent, &state(order, 2100, true));
    let told = stage.orders();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].client_id, told[0].pair), (Some(order.client_id), PAIR));
    assert_eq!(told[0].report, OrderReport::Finished { finish: Finish::Filled, filled: qty(2100) });
    assert!(told[0].venue_order_id.is_some(), "{told:?}");
}

/// An immediate order that executes in part ends with a remainder; however the venue calls that, it is known what it has.
fn partial_fill(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    let sent = stage.place(order);
    ends(stage, &sent, &state(order, 700, true));
    assert_eq!(stage.one_report(), OrderReport::Finished { finish: Finish::Cancelled, filled: qty(700) });
}

/// Executions pass whenever they come, before the answer or after the order's end, with their trade ids.
fn late_fill(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    let sent = stage.place(order);
    stage.private(PrivateNews::Fill { order: &order, trade: 5, qty: 300 });
    ends(stage, &sent, &state(order, 700, true));
    stage.run(SECOND);
    stage.private(PrivateNews::Fill { order: &order, trade: 6, qty: 400 });
    let fills: Vec<_> =
        stage.take().into_iter().filter_map(|input| if let Input::Fill(fill) = input { Some(fill) } else { None }).collect();
    assert_eq!(fills.iter().map(|fill| fill.qty.units()).collect::<Vec<_>>(), [300, 400]);
    assert!(fills.iter().all(|fill| fill.client_id.is_none_or(|id| id == order.client_id)), "{fills:?}");
}

/// The same private news twice says the same twice: one trade id, one end.
fn doubled_news(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    stage.place(order);
    let end = state(order, 2100, true);
    for _ in 0..2 {
        stage.private(PrivateNews::Fill { order: &order, trade: 5, qty: 2100 });
        stage.private(PrivateNews::Order(&end));
    }
    let told = stage.take();
    let ids: Vec<_> =
        told.iter().filter_map(|input| if let Input::Fill(fill) = input { Some(fill.trade_id) } else { None }).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    let reports = told.iter().filter_map(|input| if let Input::Order(update) = input { Some(update.report) } else { None });
    // Where one frame tells the execution and the order, each says the order.
    assert!(reports.clone().count() >= 2 && reports.clone().all(|report| Some(report) == reports.clone().next()), "{told:?}");
}

/// A placement whose answer is lost is unknown, and is never sent again.
fn lost_reply(stage: &mut Stage) {
    for (failure, cause) in [(IoFailure::TimedOut, UnknownCause::Timeout), (IoFailure::Broken, UnknownCause::LinkLost)] {
        stage.live(true);
        stage.take();
        let Transmit::Request { ticket, .. } = stage.place(order(1)) else { panic!("orders take REST by default") };
        stage.fail(ticket, failure);
        assert_eq!(stage.one_report(), OrderReport::Unknown { cause });
        assert_eq!(stage.asking(Asked::Place, 60 * SECOND), Vec::<Transmit>::new());
    }
}

/// A placement of which no byte left is told as such.
fn not_sent(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let Transmit::Request { ticket, .. } = stage.place(order(1)) else { panic!("orders take REST by default") };
    stage.fail(ticket, IoFailure::NotSent);
    assert_eq!(stage.one_report(), OrderReport::NotSent);
}

/// An order whose deadline has passed does not leave.
fn deadline(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    stage.submit(Command::Place(NewOrder { deadline: Some(stage.now.after(MILLI)), ..order(1) }));
    stage.now = stage.now.after(MILLI);
    assert_eq!(stage.placements(), Vec::<Transmit>::new());
    assert_eq!(stage.one_report(), OrderReport::NotSent);
}

/// Each definite refusal is told with its class; what proves nothing leaves the order unknown. Nothing is sent again.
fn error_classes(stage: &mut Stage) {
    let definite = stage.script.refusals();
    for class in definite {
        stage.live(true);
        stage.take();
        let sent = stage.place(order(1));
        stage.say(&sent, Reply::Refused(*class));
        let report = stage.orders().first().map(|update| update.report);
        assert!(matches!(report, Some(OrderReport::Refused { class: told, .. }) if told == *class), "{class}: {report:?}");
        assert_eq!(stage.asking(Asked::Place, 30 * SECOND), Vec::<Transmit>::new(), "{class}");
    }
    // An earlier copy lives, or the venue does not know: look it up.
    for class in [ErrorClass::DuplicateClientId, ErrorClass::Unknown] {
        stage.live(true);
        stage.take();
        let sent = stage.place(order(1));
        stage.say(&sent, Reply::Refused(class));
        assert_eq!(stage.one_report(), OrderReport::Unknown { cause: UnknownCause::ServerError }, "{class}");
        assert_eq!(stage.asking(Asked::Place, 30 * SECOND), Vec::<Transmit>::new(), "{class}");
    }
}

/// A refusal for the clock measures it anew; the order is not sent again, a look-up is.
fn clock_skew(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let sent = stage.place(order(1));
    stage.say(&sent, Reply::Refused(ErrorClass::ClockSkew));
    assert!(!stage.asking(Asked::Time, 0).is_empty(), "the clock is measured");
    assert_eq!(stage.asking(Asked::Place, 10 * SECOND), Vec::<Transmit>::new());
    stage.submit(Command::LookUp(named(&order(1))));
    let sent = stage.one(Asked::LookUp);
    stage.say(&sent, Reply::Refused(ErrorClass::ClockSkew));
    assert_eq!(stage.asking(Asked::LookUp, 2 * SECOND).len(), 1, "reads are asked once more");
}

/// After a refusal for a limit nothing of the kind leaves before the time that the venue names; cancels keep their own.
fn rate_limit(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let sent = stage.place(order(1));
    stage.say(&sent, Reply::Limited(7));
    let told = stage.orders();
    assert!(
        matches!(told.as_slice(), [update] if matches!(update.report, OrderReport::Refused { class: ErrorClass::RateLimited, .. })),
        "{told:?}"
    );
    stage.run(7 * SECOND - 2 * MILLI);
    stage.submit(Command::Place(order(2)));
    assert_eq!(stage.placements(), Vec::<Transmit>::new());
    let told = stage.orders();
    assert!(matches!(told.as_slice(), [update] if update.source == OrderSource::Edge), "{told:?}");
    stage.submit(Command::Cancel(named(&order(1))));
    assert_eq!(stage.asking(Asked::Cancel, 0).len(), 1);
    stage.run(2 * MILLI);
    stage.place(order(3));
}

/// What is above our own count is refused at once and never queued; the count refills.
fn own_budget(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let mut counter = 0;
    let mut next = || {
        counter += 1;
        // Hedges, so that no proof of the private stream is waited for.
        NewOrder { purpose: Purpose::Hedge, ..order(counter) }
    };
    let left = (0..1000).take_while(|_| {
        stage.submit(Command::Place(next()));
        !stage.placements().is_empty()
    });
    let left = left.count();
    assert!((1..1000).contains(&left), "{left} placements at once");
    let told = stage.orders();
    let refused =
        |update: &domain::OrderUpdate| matches!(update.report, OrderReport::Refused { class: ErrorClass::RateLimited, .. });
    assert!(matches!(told.as_slice(), [update] if refused(update) && update.source == OrderSource::Edge), "{told:?}");
    stage.run(60 * SECOND);
    stage.take();
    stage.place(next());
}

/// A cancel is evidence about the order: its end with what it had, or that it is not there.
fn cancel(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    stage.submit(Command::Cancel(named(&order)));
    let sent = stage.one(Asked::Cancel);
    stage.say(&sent, Reply::Order(&state(order, 700, true)));
    let report = stage.one_report();
    let ended = OrderReport::Finished { finish: Finish::Cancelled, filled: qty(700) };
    // A venue that only receives it says nothing of executions: the order is looked up.
    let taken = OrderReport::CancelFailed { class: ErrorClass::Unknown };
    assert_eq!(report, if stage.script.only_receives() { taken } else { ended });
    stage.submit(Command::Cancel(named(&order)));
    let sent = stage.one(Asked::Cancel);
    stage.say(&sent, Reply::NotFound);
    assert_eq!(stage.one_report(), OrderReport::NotFound);
}

/// A look-up by our id tells the order as it stands, or that it is not there; a failure is asked once more, then told.
fn look_up(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    let ask = |stage: &mut Stage| {
        stage.submit(Command::LookUp(named(&order)));
        stage.one(Asked::LookUp)
    };
    let sent = ask(stage);
    stage.say(&sent, Reply::Order(&state(order, 2100, true)));
    let told = stage.orders();
    assert!(matches!(told.as_slice(), [update] if update.source == OrderSource::Query), "{told:?}");
    assert_eq!(told[0].report, OrderReport::Finished { finish: Finish::Filled, filled: qty(2100) });
    let mut asked = vec![ask(stage)];
    // It may have to be looked for in several places.
    for _ in 0..4 {
        let Some(sent) = asked.pop() else { break };
        assert_eq!(stage.orders(), [], "not before the last place was asked");
        stage.say(&sent, Reply::NotFound);
        asked = stage.asking(Asked::LookUp, 0);
    }
    assert_eq!(stage.one_report(), OrderReport::NotFound);
    let sent = ask(stage);
    let Transmit::Request { ticket, .. } = sent else { panic!("look-ups take REST first") };
    stage.fail(ticket, IoFailure::TimedOut);
    assert_eq!(stage.orders(), []);
    let Some(Transmit::Request { ticket, .. }) = stage.asking(Asked::LookUp, 2 * SECOND).pop() else { panic!("asked once more") };
    stage.fail(ticket, IoFailure::TimedOut);
    assert!(matches!(stage.one_report(), OrderReport::Unknown { .. }));
}

/// The switch is armed from when it was asked for, or a venue without one says so at once.
fn dead_man(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let timeout_ns = 10 * SECOND;
    stage.submit(Command::DeadMan { venue: VenueId(0), timeout_ns });
    let armed = |stage: &mut Stage| {
        let told = stage.take().into_iter().find_map(|input| if let Input::DeadMan(told) = input { Some(told) } else { None });
        told.expect("the switch is told")
    };
    if !stage.script.has_dead_man() {
        let told = armed(stage);
        return assert!(!told.ok && told.armed_until.is_none(), "{told:?}");
    }
    let (sent, at) = (stage.one(Asked::DeadMan), stage.now);
    stage.run(100 * MILLI);
    stage.take();
    stage.say(&sent, Reply::Done);
    let told = armed(stage);
    assert_eq!((told.ok, told.armed_until), (true, Some(at.after(timeout_ns))));
    stage.submit(Command::DeadMan { venue: VenueId(0), timeout_ns });
    let sent = stage.one(Asked::DeadMan);
    stage.say(&sent, Reply::Refused(ErrorClass::AuthFatal));
    let told = armed(stage);
    assert!(!told.ok && told.armed_until.is_none(), "an earlier arming may still run, and nothing is claimed: {told:?}");
}

/// A private stream that answers pings and tells nothing of an accepted order is told lost, and openings are held (F28).
fn mute_stream(stage: &mut Stage) {
    stage.live(true);
    stage.take();
    let order = order(1);
    let sent = stage.place(order);
    stage.say(&sent, Reply::Order(&state(order, 0, false)));
    stage.run(3 * SECOND);
    assert_eq!(stage.link_news(LinkRole::Private).first(), Some(&LinkState::Lost));
    stage.submit(Command::Place(self::order(2)));
    assert_eq!(stage.placements(), Vec::<Transmit>::new(), "an opening would be unseen");
    assert_eq!(stage.one_report(), OrderReport::NotSent);
    let hedge = NewOrder { purpose: Purpose::Hedge, ..self::order(3) };
    stage.place(hedge);
}
