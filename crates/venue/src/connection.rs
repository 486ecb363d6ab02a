//! One connection of a session, from the wish for it to its end: the phases, the silence bound, the waits between tries.
//!
//! What is said on it is the connector's. Start at [`Connection::open`]; every way out of [`Phase::Open`] ends in
//! [`Connection::lost`], which decides when it is tried again.

use crate::backoff::{Jitter, backoff_ns};
use crate::session::LinkId;
use domain::MonoNanos;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not wanted.
    Off,
    /// Tried again at this time.
    Waiting(MonoNanos),
    /// The driver was asked to open it.
    Connecting,
    /// Open.
    Open,
    /// The driver was asked to close it.
    Closing,
}

/// Growing waits between tries.
#[derive(Clone, Copy, Debug)]
pub struct Reconnect {
    /// The first wait.
    pub first_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// A connection that was up for this long starts its waits anew.
    pub stable_ns: u64,
}

impl Reconnect {
    /// The wait after so many tries, before it is spread.
    pub fn wait_ns(&self, attempts: u32) -> u64 {
        backoff_ns(self.first_ns, self.max_ns, attempts)
    }
}

/// One connection, or the wait for one.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub id: LinkId,
    /// Where it stands.
    pub phase: Phase,
    attempts: u32,
    /// `None` before it was up for the first time.
    up_since: Option<MonoNanos>,
    last_frame: MonoNanos,
}

impl Connection {
    /// One that nobody asked for yet.
    pub const fn new(id: LinkId) -> Connection {
        Connection { id, phase: Phase::Off, attempts: 0, up_since: None, last_frame: MonoNanos(0) }
    }

    /// True while frames may be sent on it.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The driver is asked to open it.
    pub fn open(&mut self) -> LinkId {
        self.phase = Phase::Connecting;
        self.id
    }

    /// It is open. False when nobody waits for that any more. Before its wait is over only a recording can tell so, whose session
    /// waited otherwise than this one.
    #[must_use]
    pub fn connected(&mut self, now: MonoNanos) -> bool {
        if !matches!(self.phase, Phase::Connecting | Phase::Waiting(_)) {
            return false;
        }
        self.phase = Phase::Open;
        self.up_since = Some(now);
        self.last_frame = now;
        true
    }

    /// A frame came.
    pub fn frame_came(&mut self, now: MonoNanos) {
        self.last_frame = self.last_frame.max(now);
    }

    /// When the last frame came, or the connection.
    pub const fn last_frame(&self) -> MonoNanos {
        self.last_frame
    }

    /// It is up, in whatever sense counts for `Reconnect::stable_ns`, since now.
    pub fn up(&mut self, now: MonoNanos) {
        self.up_since = Some(now);
    }

    /// It was up for long enough since [`Connection::up`]: the waits begin anew.
    pub fn note_stable(&mut self, now: MonoNanos, reconnect: &Reconnect) {
        if self.up_since.is_some_and(|at| now.since(at) >= reconnect.stable_ns) {
            self.attempts = 0;
        }
    }

    /// It is gone: waits for its next try, or stays off.
    pub fn lost(&mut self, now: MonoNanos, wanted: bool, reconnect: &Reconnect, jitter: &mut Jitter) {
        if matches!(self.phase, Phase::Open | Phase::Closing) {
            self.note_stable(now, reconnect);
        }
        if wanted {
            let wait_ns = reconnect.wait_ns(self.attempts);
            self.wait(now, jitter.spread(wait_ns));
        } else {
            self.phase = Phase::Off;
        }
    }

    /// It is tried again after `wait_ns`.
    pub fn wait(&mut self, now: MonoNanos, wait_ns: u64) {
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Waiting(now.after(wait_ns));
    }

    /// Tries since it was last stable.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// True when its next try is due.
    pub fn is_due(&self, now: MonoNanos) -> bool {
        matches!(self.phase, Phase::Waiting(at) if at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::LinkRole;
    use domain::time::{MILLI, SECOND};

    const RECONNECT: Reconnect = Reconnect { first_ns: 100 * MILLI, max_ns: 10 * SECOND, stable_ns: 10 * SECOND };

    #[test]
    fn waits_grow_until_it_was_up_for_long_enough() {
        let mut jitter = Jitter::new(1);
        let mut link = Connection::new(LinkId { role: LinkRole::Public, shard: 0 });
        assert!(!link.connected(MonoNanos(0)), "nobody asked for it");
        let mut now = MonoNanos(SECOND);
        let mut waits = Vec::new();
        for _ in 0..9 {
            link.open();
            assert!(link.connected(now) && link.is_open());
            link.lost(now, true, &RECONNECT, &mut jitter);
            let Phase::Waiting(at) = link.phase else { panic!("{link:?}") };
            assert!(!link.is_due(now) && link.is_due(at));
            waits.push(at.since(now));
            now = at;
        }
        let bounds = |n: u32| ((100 * MILLI) << n).min(10 * SECOND);
        assert!(waits.iter().zip(0..).all(|(wait, n)| (bounds(n) / 2..=bounds(n)).contains(wait)), "{waits:?}");
        link.open();
        assert!(link.connected(now));
        link.lost(now.after(10 * SECOND), true, &RECONNECT, &mut jitter);
        assert!(matches!(link.phase, Phase::Waiting(at) if at.since(now) <= 10 * SECOND + 100 * MILLI), "{link:?}");
        assert!(link.connected(now) && link.is_open(), "a recording knows better than the wait");
        link.lost(now, false, &RECONNECT, &mut jitter);
        assert_eq!(link.phase, Phase::Off);
        assert!(!link.connected(now), "nobody wants it");
    }
}
