//! A venue that bans us, one that does not take the time of our requests, and a queue without room: nothing is opened there, it is told
//! once, and it ends by itself.

mod rig;

use domain::time::{MILLI, SECOND};
use domain::{
    BalanceReport, BalanceSource, Ban, ErrorClass, Input, Label, MonoNanos, Notice, OrderReport, OrderSource, OrderUpdate,
    PairId, ReadFailure, ReadKind, StopKind, StopReason, VenueId,
};
use engine_core::Outputs;
use engine_core::obstacles::{Obstacles, SKEW_MAX_NS};
use executor::StopRequest;
use rig::{A, B, Rig};

fn told(out: &Outputs, of: StopReason) -> Vec<&'static str> {
    let of_it = |notice: &Notice| match notice {
        Notice::Stopped { kind: StopKind::Pause, reason, .. } if *reason == of => Some("set"),
        Notice::Cleared { kind: StopKind::Pause, reason } if *reason == of => Some("cleared"),
        _ => None,
    };
    out.notices.iter().filter_map(of_it).collect()
}

fn opens(out: &Outputs) -> usize {
    out.commands.iter().filter(|command| matches!(command, domain::Command::Place(_))).count()
}

#[test]
fn a_ban_holds_until_the_venue_said_and_no_longer() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    let until = rig.now.after(30 * SECOND);
    let ban = |until| Input::Ban(Ban { venue: B, until, received: MonoNanos(1) });
    assert_eq!(told(&rig.feed(&[ban(until)]), StopReason::VenueBanned), ["set"]);
    assert_eq!(opens(&rig.crossed()), 0, "nothing is opened at a venue that takes no requests");
    assert_eq!(rig.engine.next_deadline().map(|at| at <= until), Some(true), "its end wakes the engine");
    // Told again, and prolonged.
    let later = until.after(10 * SECOND);
    assert!(told(&rig.feed(&[ban(until), ban(later)]), StopReason::VenueBanned).is_empty());
    rig.now = until.after(MILLI);
    assert!(told(&rig.feed(&[]), StopReason::VenueBanned).is_empty());
    rig.now = MonoNanos(later.0 - MILLI);
    assert_eq!(told(&rig.feed(&[]), StopReason::VenueBanned), ["cleared"]);
    assert!(told(&rig.feed(&[ban(until)]), StopReason::VenueBanned).is_empty(), "one that is over is none");
}

#[test]
fn a_full_queue_pauses_everything_until_it_has_room() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    assert_eq!(told(&rig.feed(&[Input::Queue { full: true }, Input::Queue { full: true }]), StopReason::QueueFull), ["set"]);
    assert_eq!(opens(&rig.crossed()), 0);
    let out = rig.feed(&[Input::Queue { full: false }, Input::Queue { full: false }]);
    assert_eq!(told(&out, StopReason::QueueFull), ["cleared"]);
    assert!(opens(&out) + opens(&rig.crossed()) > 0, "and then it trades");
}

const PAIR: PairId = PairId(0);

fn answer(venue: VenueId, source: OrderSource, report: OrderReport) -> Input {
    let at = MonoNanos(1);
    Input::Order(OrderUpdate {
        venue,
        pair: PAIR,
        client_id: None,
        venue_order_id: None,
        source,
        received: at,
        requested: at,
        report,
    })
}

fn refused(class: ErrorClass) -> Input {
    answer(A, OrderSource::Reply, OrderReport::Refused { class, label: Label::cut("X") })
}

fn read_failed(class: ErrorClass) -> Input {
    Input::ReadFailed(ReadFailure { venue: A, read: ReadKind::Balances, class, received: MonoNanos(1) })
}

fn balances(source: BalanceSource) -> Input {
    let at = MonoNanos(1);
    Input::Balances(BalanceReport { venue: A, source, requested: at, received: at, entries: Vec::new() })
}

/// What is asked for after each of these inputs, each at its time.
fn asked(inputs: &[(u64, Input)]) -> Vec<StopRequest> {
    let (mut obstacles, mut stops) = (Obstacles::new(2), Vec::new());
    for (at, input) in inputs {
        obstacles.see(input, MonoNanos(9 * SECOND + at), &mut stops);
    }
    stops
}

const SET: StopRequest = StopRequest::set(StopKind::Pause, StopReason::ClockSkew, Some(A), None);
const CLEAR: StopRequest = StopRequest::clear(StopKind::Pause, StopReason::ClockSkew, Some(A), None);

#[test]
fn a_venue_that_goes_on_refusing_our_time_pauses_until_it_takes_a_request() {
    let skew = || refused(ErrorClass::ClockSkew);
    // The first refusals are what makes the session measure the clock.
    assert_eq!(asked(&[(0, skew()), (SKEW_MAX_NS - 1, read_failed(ErrorClass::ClockSkew))]), []);
    assert_eq!(asked(&[(0, skew()), (SKEW_MAX_NS, skew()), (SKEW_MAX_NS + 1, read_failed(ErrorClass::ClockSkew))]), [SET]);
    let cancel = answer(A, OrderSource::Reply, OrderReport::CancelFailed { class: ErrorClass::ClockSkew });
    assert_eq!(asked(&[(0, cancel), (SKEW_MAX_NS, skew())]), [SET]);
    // What was taken in between starts the count anew; another venue's answer does not.
    let taken = || balances(BalanceSource::Query);
    assert_eq!(asked(&[(0, skew()), (SECOND, taken()), (SKEW_MAX_NS, skew())]), []);
    let other = answer(B, OrderSource::Reply, OrderReport::NotFound);
    assert_eq!(asked(&[(0, skew()), (SECOND, other), (SKEW_MAX_NS, skew())]), [SET]);
    for word in [taken(), refused(ErrorClass::InsufficientFunds), answer(A, OrderSource::Query, OrderReport::NotFound)] {
        assert_eq!(
            asked(&[(0, skew()), (SKEW_MAX_NS, skew()), (SKEW_MAX_NS + 1, word.clone()), (SKEW_MAX_NS + 2, word)]),
            [SET, CLEAR]
        );
    }
    // Nothing of this tells that a request's time was taken.
    let silent = [
        balances(BalanceSource::Stream),
        refused(ErrorClass::RateLimited),
        read_failed(ErrorClass::Unknown),
        answer(A, OrderSource::Edge, OrderReport::NotSent),
        answer(A, OrderSource::Stream, OrderReport::NotFound),
    ];
    for word in silent {
        assert_eq!(asked(&[(0, skew()), (1, word), (SKEW_MAX_NS, skew())]), [SET]);
    }
}

#[test]
fn a_skewed_clock_opens_nothing_and_is_told_once() {
    let mut rig = Rig::new(|_| {});
    rig.ready();
    assert!(told(&rig.feed(&[read_failed(ErrorClass::ClockSkew)]), StopReason::ClockSkew).is_empty());
    rig.now = rig.now.after(SKEW_MAX_NS);
    let again = [read_failed(ErrorClass::ClockSkew), read_failed(ErrorClass::ClockSkew)];
    assert_eq!(told(&rig.feed(&again), StopReason::ClockSkew), ["set"]);
    assert_eq!(opens(&rig.crossed()), 0);
    let out = rig.feed(&[balances(BalanceSource::Query)]);
    assert_eq!(told(&out, StopReason::ClockSkew), ["cleared"]);
}
