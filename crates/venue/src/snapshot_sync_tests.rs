//! The sequence as rows: what comes, what the engine is told.

use super::*;
use crate::backoff::Jitter;
use crate::overtaken::OWED_NS;
use crate::stats::SessionStats;
use domain::{LinkRole, Price, Qty, SendStamp, VenueNanos};

const A: LinkId = LinkId { role: LinkRole::Public, shard: 0 };
const B: LinkId = LinkId { role: LinkRole::Public, shard: 4 };

struct Rig {
    sync: SnapshotSync,
    now: MonoNanos,
    updates: Vec<Input>,
    stats: SessionStats,
    jitter: Jitter,
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
}

impl Rig {
    fn new() -> Rig {
        let pair = PairId(0);
        let stream = StreamStats { pair, channel: "book", frames: 0, applied: 0, stale: 0, gaps: 0, snapshots: 0 };
        Rig {
            sync: SnapshotSync::new(VenueId(0), pair, 0),
            now: MonoNanos(SECOND),
            updates: Vec::new(),
            stats: SessionStats { streams: vec![stream], ..SessionStats::default() },
            jitter: Jitter::new(7),
        }
    }

    /// Live on connection A, number 10, id 1000.
    fn live() -> Rig {
        let mut rig = Rig::new();
        rig.whole(A, 10, 1000);
        assert_eq!(rig.told(), ["S1000"]);
        rig
    }

    fn act(&mut self, act: impl FnOnce(&mut SnapshotSync, MonoNanos, &mut SyncOut<'_>)) {
        let Rig { sync, now, updates, stats, jitter } = self;
        act(sync, *now, &mut SyncOut { updates, stats, jitter });
    }

    fn stamps(&self) -> Stamps {
        let at = VenueNanos(self.now.0 as i64);
        Stamps { received: self.now, sent_at: Some(SendStamp { at, connection: 1 }), changed_at: None }
    }

    fn whole(&mut self, link: LinkId, number: u64, id: u64) {
        let stamps = self.stamps();
        let whole = Whole { number, id, bids: vec![level(100, 1)], asks: vec![level(101, 1)] };
        self.act(|sync, _, out| sync.on_whole(link, whole, stamps, out));
    }

    fn change(&mut self, link: LinkId, previous: u64, number: u64, id: u64) {
        let stamps = self.stamps();
        let change = Change { previous, number, id, bids: vec![level(99, id as i64)], asks: vec![] };
        self.act(|sync, _, out| sync.on_change(link, change, stamps, out));
    }

    fn resync(&mut self, reason: ResyncReason) {
        self.act(|sync, now, out| sync.resync(reason, now, out));
    }

    fn asks_again(&mut self) -> bool {
        self.sync.take_resubscribe(self.now)
    }

    /// `S5` a whole book, `D6-7` a change, `U gap` trust lost; `~` after what tells nothing of lag.
    fn told(&mut self) -> Vec<String> {
        let news = |input| {
            let Input::Book(update) = input else { panic!("{input:?}") };
            let lag = if update.sent_at.is_some() { "" } else { "~" };
            match update.body {
                BookBody::Snapshot { id, .. } => format!("S{id}{lag}"),
                BookBody::Delta { first, last, .. } => format!("D{first}-{last}{lag}"),
                BookBody::Untrusted { reason } => format!("U {reason}"),
                other => panic!("{other:?}"),
            }
        };
        let told: Vec<String> = std::mem::take(&mut self.updates).into_iter().map(news).collect();
        // The first whole book of each connection tells nothing of lag: shown where a test is about it.
        told.into_iter().map(|text| if text.starts_with('S') { text.trim_end_matches('~').into() } else { text }).collect()
    }

    fn counts(&self) -> (u64, u64, u64, u64) {
        let stream = &self.stats.streams[0];
        (stream.snapshots, stream.applied, stream.stale, stream.gaps)
    }
}

#[test]
fn changes_continue_a_whole_book_by_number_and_are_told_by_id() {
    let mut rig = Rig::new();
    rig.change(A, 9, 10, 990);
    assert!(rig.told().is_empty(), "nothing to continue");
    rig.whole(A, 10, 1000);
    rig.change(A, 10, 11, 1007);
    rig.change(A, 11, 12, 1008);
    // The venue's number of states stood still: ours must not.
    rig.change(A, 12, 13, 1008);
    rig.change(A, 13, 14, 1020);
    assert_eq!(rig.told(), ["S1000", "D1001-1007", "D1008-1008", "D1009-1009", "D1010-1020"]);
    // A whole book at any time, of any number.
    rig.whole(A, 14, 1021);
    rig.whole(A, 1, 5);
    rig.change(A, 1, 2, 6);
    assert_eq!(rig.told(), ["S1021", "S5", "D6-6"]);
    assert_eq!(rig.counts(), (3, 5, 1, 0));
    assert!(!rig.asks_again());
}

#[test]
fn a_gap_costs_trust_at_once_and_only_a_later_whole_book_restores_it() {
    for (previous, number, id) in [(11, 12, 1002), (9, 10, 1001), (9, 9, 2000), (10, 10, 1001), (20, 11, 1001)] {
        let mut rig = Rig::live();
        rig.change(A, previous, number, id);
        assert_eq!(rig.told(), ["U gap"], "{previous} {number} {id}");
        assert!(rig.asks_again() && !rig.asks_again());
        rig.change(A, 10, 11, 1003);
        assert!(rig.told().is_empty());
        rig.whole(A, 40, 1040);
        rig.change(A, 40, 41, 1041);
        assert_eq!(rig.told(), ["S1040", "D1041-1041"]);
        assert_eq!(rig.stats.resyncs.iter().sum::<u64>(), 1);
    }
}

#[test]
fn copies_of_old_messages_do_no_harm_unless_there_is_no_end_to_them() {
    let mut rig = Rig::live();
    rig.change(A, 10, 11, 1001);
    for _ in 0..FALLEN_MAX - 1 {
        rig.change(A, 10, 11, 1001);
    }
    assert_eq!(rig.told(), ["D1001-1001"]);
    rig.change(A, 11, 12, 1002);
    for _ in 0..FALLEN_MAX {
        rig.change(A, 3, 4, 700);
    }
    assert_eq!(rig.told(), ["D1002-1002", "U reset_by_venue"]);
    assert!(rig.asks_again());
}

#[test]
fn crossed_books_are_not_passed_on_and_asking_again_is_spread_out() {
    let mut rig = Rig::new();
    let mut waits = Vec::new();
    for _ in 0..12 {
        let stamps = rig.stamps();
        let crossed = Whole { number: 1, id: 1, bids: vec![level(102, 1)], asks: vec![level(101, 1)] };
        rig.act(|sync, _, out| sync.on_whole(A, crossed, stamps, out));
        let at = rig.sync.next_timeout().unwrap();
        waits.push(at.since(rig.now));
        assert!(rig.now == at || !rig.asks_again(), "not before its time");
        rig.now = at;
        assert!(rig.asks_again());
    }
    assert_eq!(rig.told(), ["U crossed"]);
    assert_eq!(waits[0], 0);
    assert!(
        (1..)
            .zip(&waits[1..])
            .all(|(n, wait)| (backoff_ns(RENEW_FIRST_NS, RENEW_MAX_NS, n - 1) / 2..=RENEW_MAX_NS).contains(wait))
    );
    // Long live, then another fault: at once again.
    rig.whole(A, 1, 1);
    rig.now = rig.now.after(STABLE_NS);
    rig.resync(ResyncReason::Audit);
    assert!(rig.asks_again());
    assert_eq!(rig.told(), ["S1", "U audit"]);
}

/// The same stream told nothing for five seconds after a top that is newer than the book.
#[test]
fn a_stream_that_owes_what_the_tops_showed_is_asked_for_again() {
    let top = |rig: &mut Rig, id| rig.act(|sync, now, _| sync.on_top(id, now));
    let mut rig = Rig::live();
    top(&mut rig, 1000);
    top(&mut rig, 990);
    assert_eq!(rig.sync.next_timeout(), None);
    top(&mut rig, 1005);
    rig.change(A, 10, 11, 1002);
    assert_eq!((rig.sync.next_timeout(), rig.told()), (None, vec!["D1001-1002".to_string()]));
    top(&mut rig, 1005);
    let due = rig.now.after(OWED_NS);
    rig.now = rig.now.after(SECOND);
    top(&mut rig, 1009);
    assert_eq!(rig.sync.next_timeout(), Some(due));
    for (at, told) in [(due.0 - 1, None), (due.0, Some("U audit"))] {
        rig.now = MonoNanos(at);
        rig.act(|sync, now, out| sync.timeout(now, out));
        assert_eq!(rig.told(), told.into_iter().collect::<Vec<_>>());
        assert_eq!(rig.asks_again(), told.is_some());
    }
    top(&mut rig, 1010);
    assert_eq!(rig.sync.next_timeout(), None);
    rig.whole(A, 1, 1010);
    assert_eq!(rig.told(), ["S1010"]);
}

#[test]
fn a_first_whole_book_tells_nothing_of_lag() {
    let mut rig = Rig::new();
    let lags = |rig: &mut Rig| -> Vec<bool> {
        let sent = |input| if let Input::Book(update) = input { update.sent_at.is_some() } else { panic!("{input:?}") };
        std::mem::take(&mut rig.updates).into_iter().map(sent).collect()
    };
    rig.whole(A, 10, 1000);
    rig.whole(A, 10, 1001);
    rig.change(A, 10, 11, 1002);
    assert_eq!(lags(&mut rig), [false, true, true]);
    rig.resync(ResyncReason::Gap);
    rig.whole(A, 12, 1003);
    assert_eq!(lags(&mut rig), [false, false]);
    // Of another connection, taken over at once; then with its first change.
    rig.whole(B, 500, 1003);
    assert_eq!(lags(&mut rig), [false]);
    rig.whole(A, 12, 1002);
    rig.change(A, 12, 13, 1004);
    assert_eq!(lags(&mut rig), [true]);
}

#[test]
fn another_connection_takes_over_as_a_whole_once_it_is_as_new() {
    // Its numbers are its own.
    let mut rig = Rig::live();
    rig.whole(B, 500, 990);
    rig.change(B, 500, 501, 995);
    rig.change(A, 10, 11, 1001);
    assert_eq!(rig.told(), ["D1001-1001"]);
    rig.change(B, 501, 502, 1001);
    rig.change(A, 11, 12, 1002);
    rig.change(B, 502, 503, 1002);
    assert_eq!(rig.told(), ["S1001", "D1002-1002"], "the old connection is not listened to any more");
    let Input::Book(last) = ({
        rig.whole(A, 12, 1001);
        rig.change(A, 12, 13, 1003);
        rig.updates.pop().unwrap()
    }) else {
        panic!("no book");
    };
    // What the other one built: its whole book and its change.
    let BookBody::Snapshot { id: 1003, bids, asks } = last.body else { panic!("{last:?}") };
    assert_eq!((bids, asks), (vec![level(100, 1), level(99, 1003)], vec![level(101, 1)]));
}

#[test]
fn a_connection_that_goes_away_costs_nothing_when_another_one_is_ready() {
    let gone = |rig: &mut Rig, link| rig.act(|sync, now, out| sync.gone(link, now, out));
    let down = |rig: &mut Rig| rig.act(|sync, now, out| sync.down(ResyncReason::Reconnect, now, out));
    // Behind, and catching up.
    let mut rig = Rig::live();
    rig.whole(B, 500, 990);
    gone(&mut rig, A);
    assert!(rig.told().is_empty() && rig.sync.is_carried());
    rig.change(B, 500, 501, 1000);
    rig.change(B, 501, 502, 1001);
    assert_eq!(rig.told(), ["S1000", "D1001-1001"]);
    // Behind for ever: believed after a second, at a time-out or with its next change.
    for by_timeout in [true, false] {
        let mut rig = Rig::live();
        rig.whole(B, 500, 7);
        gone(&mut rig, A);
        assert_eq!(rig.sync.next_timeout(), Some(rig.now.after(CATCH_UP_NS)));
        rig.now = rig.now.after(CATCH_UP_NS);
        match by_timeout {
            true => rig.act(|sync, now, out| sync.timeout(now, out)),
            false => rig.change(B, 500, 501, 8),
        }
        assert_eq!(rig.told(), [if by_timeout { "S7" } else { "S8" }]);
        assert_eq!(rig.sync.next_timeout(), None);
    }
    // Nobody else is to carry it.
    let mut rig = Rig::live();
    gone(&mut rig, A);
    assert!(!rig.sync.is_carried());
    down(&mut rig);
    assert_eq!(rig.told(), ["U reconnect"]);
    // Somebody else has its book already.
    let mut rig = Rig::live();
    rig.whole(B, 500, 7);
    gone(&mut rig, A);
    down(&mut rig);
    assert_eq!(rig.told(), ["S7"]);
    // The other one goes away: nothing happens.
    let mut rig = Rig::live();
    rig.whole(B, 500, 7);
    gone(&mut rig, B);
    rig.change(A, 10, 11, 1001);
    assert_eq!(rig.told(), ["D1001-1001"]);
    // A pause makes everything old.
    rig.whole(B, 500, 7);
    rig.act(|sync, now, out| sync.forget(ResyncReason::Paused, now, out));
    assert_eq!(rig.told(), ["U paused"]);
    assert!(!rig.asks_again(), "the next connection brings it");
}

/// Review: after a planned replacement whose new connection had not told this book yet, that of the dead one stayed without end.
#[test]
fn the_book_of_a_connection_that_is_gone_lasts_a_second_where_nothing_follows() {
    let mut rig = Rig::live();
    rig.act(|sync, now, out| sync.gone(A, now, out));
    assert_eq!(rig.sync.next_timeout(), Some(rig.now.after(CATCH_UP_NS)));
    rig.now = rig.now.after(CATCH_UP_NS - 1);
    rig.act(|sync, now, out| sync.timeout(now, out));
    assert!(rig.told().is_empty());
    rig.now = rig.now.after(1);
    rig.act(|sync, now, out| sync.timeout(now, out));
    assert_eq!(rig.told(), ["U reconnect"]);
    assert_eq!((rig.sync.next_timeout(), rig.asks_again()), (None, false), "its stream is on the other connection");
    rig.whole(B, 500, 7);
    assert_eq!(rig.told(), ["S7"]);
}

#[test]
fn what_is_built_beside_is_dropped_when_it_breaks() {
    let mut rig = Rig::live();
    rig.whole(B, 500, 990);
    rig.change(B, 501, 502, 991);
    rig.change(B, 502, 503, 1005);
    assert!(rig.told().is_empty() && !rig.asks_again());
    rig.change(A, 10, 11, 1001);
    assert_eq!(rig.told(), ["D1001-1001"]);
    // It was to carry the book alone.
    rig.whole(B, 500, 990);
    rig.act(|sync, now, out| sync.gone(A, now, out));
    rig.change(B, 501, 502, 991);
    assert_eq!(rig.told(), ["U gap"]);
    assert!(rig.asks_again());
}
