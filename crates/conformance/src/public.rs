//! Books and links: what holds for a session with or without a key.

use crate::Case;
use crate::script::{Asked, BookNews, Reply};
use crate::stage::{AHEAD_NS, PAIR, Stage, order, untrusted};
use domain::command::OrderRef;
use domain::time::{MILLI, SECOND};
use domain::{Command, ErrorClass, Input, LinkRole, LinkState, OrderReport, PairId, ReadKind, ResyncReason, VenueId};
use venue::redundant::SECOND_SHARD;
use venue::{LinkId, SessionOptions, Transmit};

/// The table.
pub const CASES: &[Case] = &[
    Case { name: "subscribe", play: subscribe },
    Case { name: "gap", play: gap },
    Case { name: "duplicate", play: duplicate },
    Case { name: "resync", play: resync },
    Case { name: "reconnect", play: reconnect },
    Case { name: "silence", play: silence },
    Case { name: "suspension", play: suspension },
    Case { name: "venue_time", play: venue_time },
    Case { name: "without_a_key", play: without_a_key },
    Case { name: "limited_copies", play: limited_copies },
    Case { name: "redundancy", play: redundancy },
    Case { name: "shutdown", play: shutdown },
];

/// Streams are asked for on an open link, the public side is told up once, and nothing of a book before a whole state.
fn subscribe(stage: &mut Stage) {
    stage.enter(false);
    let now = stage.now;
    stage.session().start(now);
    let sent = stage.run(3 * SECOND);
    let link = stage.script.public_link();
    let opened = sent.iter().position(|out| *out == Transmit::Open(link)).expect("the public link is opened");
    let frame = |out: &Transmit| matches!(out, Transmit::Frame { link: on, .. } if *on == link);
    let asked = sent.iter().position(|out| frame(out) && stage.script.asked(out) == Asked::Subscribe);
    assert!(asked.expect("streams are asked for") > opened);
    let told = stage.take();
    let links: Vec<&Input> = told.iter().filter(|input| matches!(input, Input::Link(_))).collect();
    assert!(
        matches!(links.as_slice(), [Input::Link(change)] if (change.role, change.state) == (LinkRole::Public, LinkState::Up)),
        "{links:?}"
    );
    assert!(!told.iter().any(|input| matches!(input, Input::Book(_))), "no book before its stream speaks: {told:?}");
    stage.serve_book(10);
}

/// A break of the chain costs trust at once; nothing is passed on before a whole state that connects.
fn gap(stage: &mut Stage) {
    stage.live(false);
    stage.serve_book(10);
    stage.book(BookNews::Change { previous: 10, last: 12 });
    assert_eq!(stage.book_news(), ["D11-12"]);
    stage.book(BookNews::Change { previous: 20, last: 21 });
    assert_eq!(stage.book_news(), [untrusted(ResyncReason::Gap)]);
    stage.book(BookNews::Change { previous: 21, last: 22 });
    assert_eq!(stage.book_news(), Vec::<String>::new(), "nothing is put on a broken chain");
    stage.serve_book(23);
    stage.book(BookNews::Change { previous: 23, last: 24 });
    assert_eq!(stage.book_news(), ["D24-24"]);
}

/// A change that came twice is passed on once, and costs no trust.
fn duplicate(stage: &mut Stage) {
    stage.live(false);
    stage.serve_book(10);
    for _ in 0..3 {
        stage.book(BookNews::Change { previous: 10, last: 11 });
    }
    stage.book(BookNews::Change { previous: 11, last: 12 });
    assert_eq!(stage.book_news(), ["D11-11", "D12-12"]);
}

/// A fault that the engine found: the book leaves trust for that reason and comes back whole.
fn resync(stage: &mut Stage) {
    stage.live(false);
    stage.serve_book(10);
    stage.submit(Command::Resync { venue: VenueId(0), pair: PAIR, reason: ResyncReason::Crossed });
    assert_eq!(stage.book_news(), [untrusted(ResyncReason::Crossed)]);
    stage.serve_book(11);
}

/// A lost link is told with its books, opened anew and subscribed on again.
fn reconnect(stage: &mut Stage) {
    stage.live(false);
    stage.serve_book(10);
    let link = stage.script.public_link();
    stage.lose(link);
    let told = stage.take();
    let lost = |input: &Input| matches!(input, Input::Link(change) if (change.role, change.state) == (LinkRole::Public, LinkState::Lost));
    assert_eq!(told.iter().filter(|input| lost(input)).count(), 1, "{told:?}");
    let reasons: Vec<ResyncReason> = told.iter().filter_map(untrusted_reason).collect();
    assert_eq!(reasons.first(), Some(&ResyncReason::Reconnect), "{told:?}");
    // What is still buffered of the old connection is old.
    stage.book(BookNews::Change { previous: 10, last: 11 });
    assert_eq!(stage.book_news(), Vec::<String>::new());
    let sent = stage.run(30 * SECOND);
    let opened = sent.iter().position(|out| *out == Transmit::Open(link)).expect("it is opened anew");
    assert!(
        sent[opened..].iter().any(|out| matches!(out, Transmit::Frame { .. }) && stage.script.asked(out) == Asked::Subscribe)
    );
    assert_eq!(stage.link_news(LinkRole::Public), [LinkState::Up]);
    stage.serve_book(20);
}

/// Two connections for every stream: a state is passed on once, by whichever tells it first; the loss of one costs nothing, the loss of
/// both is one loss, and both are opened anew.
fn redundancy(stage: &mut Stage) {
    stage.live_with(false, SessionOptions { redundant: true, ..SessionOptions::default() });
    let first = stage.script.public_link();
    let second = LinkId { shard: first.shard | SECOND_SHARD, ..first };
    stage.serve_book_on(first, PairId(1), 10);
    stage.take();
    stage.serve_book(10);
    assert!(stage.run(3 * SECOND).contains(&Transmit::Open(second)), "it is opened once the first one's books are there");
    stage.take();
    stage.serve_book_on(second, PairId(1), 10);
    stage.serve_book_on(second, PAIR, 10);
    assert_eq!(stage.book_news(), Vec::<String>::new(), "known already");
    let change = |stage: &mut Stage, link, last| {
        stage.book_on(link, PAIR, BookNews::Change { previous: last - 1, last });
        stage.book_news()
    };
    assert_eq!(change(stage, second, 11), ["D11-11"]);
    assert_eq!(change(stage, first, 11), Vec::<String>::new());
    assert_eq!(change(stage, first, 12), ["D12-12"]);
    assert_eq!(change(stage, second, 12), Vec::<String>::new());
    stage.lose(first);
    let told = stage.take();
    assert!(!told.iter().any(|input| matches!(input, Input::Link(_) | Input::Book(_))), "{told:?}");
    assert_eq!(change(stage, second, 13), ["D13-13"]);
    assert!(stage.run(5 * SECOND).contains(&Transmit::Open(first)));
    let told = stage.take();
    assert_eq!(told.iter().filter_map(untrusted_reason).next(), None, "{told:?}");
    stage.lose(first);
    stage.lose(second);
    let told = stage.take();
    let lost = |input: &&Input| matches!(input, Input::Link(change) if change.state == LinkState::Lost);
    assert_eq!(told.iter().filter(lost).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter_map(untrusted_reason).collect::<Vec<_>>(), [ResyncReason::Reconnect], "{told:?}");
    let sent = stage.run(5 * SECOND);
    assert!([first, second].iter().all(|link| sent.contains(&Transmit::Open(*link))), "{sent:?}");
    stage.take();
    stage.serve_book_on(second, PAIR, 20);
    assert_eq!(stage.book_news(), ["S20"]);
}

fn untrusted_reason(input: &Input) -> Option<ResyncReason> {
    match input {
        Input::Book(update) if update.pair == PAIR => match update.body {
            domain::BookBody::Untrusted { reason } => Some(reason),
            _ => None,
        },
        _ => None,
    }
}

/// A link on which nothing at all comes, answers to pings included, is given up within a minute and opened anew.
fn silence(stage: &mut Stage) {
    stage.live(false);
    stage.serve_book(10);
    stage.mute(Asked::Ping);
    stage.mute(Asked::Subscribe);
    stage.mute(Asked::Leave);
    let link = stage.script.public_link();
    let sent = stage.run(60 * SECOND);
    assert!(sent.contains(&Transmit::Close(link)), "{sent:?}");
    assert!(stage.book_news().iter().any(|news| news.starts_with('U')));
}

/// After a suspension what is buffered is old: every book resyncs as paused, over a new connection.
fn suspension(stage: &mut Stage) {
    stage.live(false);
    stage.serve_book(10);
    stage.suspend();
    let told = stage.take();
    assert_eq!(told.iter().filter_map(untrusted_reason).collect::<Vec<_>>(), [ResyncReason::Paused], "{told:?}");
    let paused = |input: &Input| matches!(input, Input::Link(change) if change.state == LinkState::Paused);
    assert!(told.iter().any(paused), "{told:?}");
    stage.book(BookNews::Change { previous: 10, last: 11 });
    assert_eq!(stage.book_news(), Vec::<String>::new());
    let link = stage.script.public_link();
    let sent = stage.run(30 * SECOND);
    assert!(sent.contains(&Transmit::Close(link)) && sent.contains(&Transmit::Open(link)), "{sent:?}");
    stage.take();
    stage.serve_book(20);
}

/// The venue's clock is measured at the start, and again later.
fn venue_time(stage: &mut Stage) {
    stage.live(false);
    let offset = |input: Input| if let Input::Clock(clock) = input { Some(clock) } else { None };
    let told: Vec<_> = stage.take().into_iter().filter_map(offset).collect();
    let clock = told.first().expect("the clock is told");
    assert!(clock.offset_ns.abs_diff(AHEAD_NS) <= MILLI, "{clock:?}");
    let read = Command::Read { venue: VenueId(0), read: ReadKind::Time };
    stage.submit(read);
    assert!(!stage.asking(Asked::Time, SECOND).is_empty());
    assert!(stage.take().into_iter().any(|input| offset(input).is_some()));
}

/// Commands that need a key are answered at once, and nothing of them leaves.
fn without_a_key(stage: &mut Stage) {
    stage.live(false);
    stage.take();
    let order = order(1);
    let named = OrderRef { venue: order.venue, pair: order.pair, client_id: order.client_id, venue_order_id: None };
    let told = |stage: &mut Stage, command| {
        stage.submit(command);
        stage.one_report()
    };
    assert_eq!(told(stage, Command::Place(order)), OrderReport::NotSent);
    let refused = OrderReport::CancelFailed { class: ErrorClass::AuthFatal };
    assert_eq!(told(stage, Command::Cancel(named)), refused);
    assert_eq!(told(stage, Command::CancelAll { venue: VenueId(0), pair: PAIR }), refused);
    assert!(matches!(told(stage, Command::LookUp(named)), OrderReport::Unknown { .. }));
    stage.submit(Command::Read { venue: VenueId(0), read: ReadKind::Balances });
    let failed = stage.take();
    assert!(matches!(failed.as_slice(), [Input::ReadFailed(read)] if read.class == ErrorClass::AuthFatal), "{failed:?}");
    stage.submit(Command::DeadMan { venue: VenueId(0), timeout_ns: 10 * SECOND });
    let told = stage.take();
    assert!(matches!(told.as_slice(), [Input::DeadMan(told)] if !told.ok && told.armed_until.is_none()), "{told:?}");
    assert_eq!(stage.drain(), Vec::<Transmit>::new());
}

/// A venue that takes no copies for a while is not asked for one before that, and then is.
fn limited_copies(stage: &mut Stage) {
    stage.live(false);
    if stage.script.streams_whole_books() {
        return stage.serve_book(10);
    }
    stage.mute(Asked::Copy(PAIR));
    stage.book(BookNews::Change { previous: 9, last: 10 });
    let copy = stage.one(Asked::Copy(PAIR));
    stage.say(&copy, Reply::Limited(7));
    assert_eq!(stage.asking(Asked::Copy(PAIR), 7 * SECOND - MILLI), Vec::<Transmit>::new());
    let again = (0..100).find_map(|_| stage.asking(Asked::Copy(PAIR), 100 * MILLI).pop());
    let again = again.expect("it is asked for once that is over");
    stage.take();
    stage.say(&again, Reply::Copy(10));
    assert_eq!(stage.book_news(), ["S10"]);
}

/// After the end every link is closed and none is opened any more.
fn shutdown(stage: &mut Stage) {
    stage.live(false);
    let now = stage.now;
    stage.session().shutdown(now);
    let sent = stage.run(120 * SECOND);
    assert!(sent.contains(&Transmit::Close(stage.script.public_link())), "{sent:?}");
    assert!(!sent.iter().any(|out| matches!(out, Transmit::Open(_))), "{sent:?}");
}
