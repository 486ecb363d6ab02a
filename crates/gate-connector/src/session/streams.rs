//! One subscription as a state machine: asked, acknowledged, served, left, refused (Gate API v4, WebSocket streams).
//!
//! An acknowledgement is no proof of service (§14.1 of the fact sheet): a stream that must begin with a frame has a deadline for it,
//! doubled with every miss. Every state but a served one has a deadline that leads on, so none is waited for without end.

use crate::wire::frames::{Channel, Reply};
use domain::time::SECOND;
use domain::{MonoNanos, PairId};
use venue::backoff::backoff_ns;

/// A subscribe request that is not acknowledged in this time takes the link down.
pub(super) const ACK_TIMEOUT_NS: u64 = 5 * SECOND;
/// An unsubscribe request that is not acknowledged in this time is taken as done.
const LEAVE_TIMEOUT_NS: u64 = 2 * SECOND;
const UNSERVED_MAX_NS: u64 = 160 * SECOND;
/// After so many plain repeats of the request the stream is left first and then asked for.
const NUDGES: u32 = 2;
/// A refused subscription is tried again after this long, doubled each time.
const REFUSED_FIRST_NS: u64 = 2 * SECOND;
const REFUSED_MAX_NS: u64 = 60 * SECOND;

/// How long after its acknowledgement a stream may owe its first frame. `None`: it may be silent for ever (no trade, no order).
const fn first_frame_ns(channel: Channel) -> Option<u64> {
    match channel {
        // Begins with a whole book, seen 0.15 s and at most 0.7 s after the request (§14.1).
        Channel::Obu => Some(3 * SECOND),
        Channel::OrderBook | Channel::OrderBookUpdate | Channel::BookTicker => Some(10 * SECOND),
        Channel::Tickers => Some(30 * SECOND),
        Channel::Trades | Channel::Orders | Channel::UserTrades | Channel::Balances => None,
    }
}

/// One thing to subscribe to.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) channel: Channel,
    pub(super) payload: Vec<String>,
    /// The pairs it is about. A channel that takes a list of pairs has one word of payload for each, in this order.
    pub(super) pairs: Vec<PairId>,
}

impl Subscription {
    /// The pair, if this is the stream of a book.
    pub(super) fn book(&self) -> Option<PairId> {
        match self.channel {
            Channel::OrderBook | Channel::OrderBookUpdate | Channel::Obu => self.pairs.first().copied(),
            _ => None,
        }
    }

    /// The same, one pair each: for a list of which one pair failed, and all others with it (Gate API v4, frames).
    fn split(&self) -> Vec<Subscription> {
        let one = |(pair, name): (&PairId, &String)| Subscription {
            channel: self.channel,
            payload: vec![name.clone()],
            pairs: vec![*pair],
        };
        self.pairs.iter().zip(&self.payload).map(one).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    /// Subscribe sent.
    Asked {
        id: u64,
        at: MonoNanos,
    },
    /// Acknowledged.
    Live {
        at: MonoNanos,
    },
    /// Unsubscribe sent; subscribe follows its acknowledgement.
    Leaving {
        id: u64,
        at: MonoNanos,
    },
    /// Refused; asked again at this time.
    Refused {
        until: MonoNanos,
    },
}

/// What is due on a stream whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The acknowledgement of a subscription: the link is no good.
    Acknowledgement,
    /// Ask for it (again, after a refusal or after it was left).
    Ask,
    /// Its first frame did not come: ask once more without leaving.
    Nudge,
    /// Its first frame did not come: leave it, then ask.
    Leave,
}

/// What a frame is to the stream that it came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// One more.
    Again,
    /// One that was owed because what had come before was void, and that nobody asked for.
    Owed,
    /// The first since the stream was asked for.
    First,
}

/// One subscription and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) subscription: Subscription,
    pub(super) stage: Stage,
    /// The first frame that was due came since it was asked for (perhaps before the acknowledgement).
    pub(super) served: bool,
    /// It was served since it was asked for, and owes a frame again ([`Stream::recall`]).
    recalled: bool,
    unserved_ns: u64,
    /// Times it was asked again for want of frames.
    nudges: u32,
    /// Refusals in a row.
    refusals: u32,
}

impl Stream {
    pub(super) fn new(subscription: Subscription) -> Stream {
        let unserved_ns = first_frame_ns(subscription.channel).unwrap_or(UNSERVED_MAX_NS);
        Stream { subscription, stage: Stage::Idle, served: false, recalled: false, unserved_ns, nudges: 0, refusals: 0 }
    }

    /// The connection is gone, and what was asked on it.
    pub(super) fn reset(&mut self) {
        self.stage = Stage::Idle;
        self.served = false;
        self.recalled = false;
    }

    /// A request of this id leaves now.
    pub(super) fn asked(&mut self, id: u64, subscribe: bool, at: MonoNanos) {
        self.served = false;
        self.recalled = false;
        self.stage = if subscribe { Stage::Asked { id, at } } else { Stage::Leaving { id, at } };
    }

    /// The venue took it.
    pub(super) fn acknowledged(&mut self, now: MonoNanos) {
        self.stage = Stage::Live { at: now };
        self.refusals = 0;
    }

    /// A frame came. `begins`: one with which the stream may begin.
    pub(super) fn came(&mut self, begins: bool) -> Came {
        if self.served || !begins {
            return Came::Again;
        }
        // After a nudge it may be the answer to that.
        let came = if self.recalled && self.nudges == 0 { Came::Owed } else { Came::First };
        self.served = true;
        self.recalled = false;
        self.unserved_ns = first_frame_ns(self.subscription.channel).unwrap_or(UNSERVED_MAX_NS);
        self.nudges = 0;
        came
    }

    /// Its book lost trust: a frame is owed again, unless one is owed already.
    pub(super) fn recall(&mut self, now: MonoNanos) {
        if self.served {
            self.owes_again(now);
            self.recalled = true;
        }
    }

    /// Its book came back without it: what [`Stream::recall`] made it owe is no longer due.
    pub(super) fn forgive(&mut self) {
        if self.recalled {
            self.came(true);
        }
    }

    /// It was served since it was asked for, whatever it owes now.
    pub(super) const fn was_served(&self) -> bool {
        self.served || self.recalled
    }

    /// What came so far is void: the first frame is due again.
    pub(super) fn owes_again(&mut self, now: MonoNanos) {
        self.served = false;
        if let Stage::Live { .. } = self.stage {
            self.stage = Stage::Live { at: now };
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    /// It was answered: acknowledged, proved by frames, or refused for its pair alone.
    pub(super) const fn is_settled(&self) -> bool {
        self.served || matches!(self.stage, Stage::Live { .. } | Stage::Refused { .. })
    }

    pub(super) fn deadline(&self) -> Option<MonoNanos> {
        match self.stage {
            Stage::Idle => None,
            Stage::Asked { at, .. } => Some(at.after(ACK_TIMEOUT_NS)),
            Stage::Leaving { at, .. } => Some(at.after(LEAVE_TIMEOUT_NS)),
            Stage::Live { at } if !self.served && first_frame_ns(self.subscription.channel).is_some() => {
                Some(at.after(self.unserved_ns))
            }
            Stage::Live { .. } => None,
            Stage::Refused { until } => Some(until),
        }
    }

    /// What is due at `now`. A served stream whose acknowledgement is lost becomes live: its frames are the better proof.
    pub(super) fn overdue(&mut self, now: MonoNanos) -> Option<Overdue> {
        if self.deadline().is_none_or(|at| at > now) {
            return None;
        }
        match self.stage {
            Stage::Idle => None,
            Stage::Asked { .. } if self.served => {
                self.stage = Stage::Live { at: now };
                None
            }
            Stage::Asked { .. } => Some(Overdue::Acknowledgement),
            Stage::Leaving { .. } | Stage::Refused { .. } => Some(Overdue::Ask),
            Stage::Live { .. } => {
                self.stage = Stage::Live { at: now };
                self.nudges += 1;
                // A second subscription to `spot.obu` is an error (`Alert sub …`) and brings no whole book.
                let leave = self.nudges > NUDGES || self.subscription.channel == Channel::Obu;
                if !leave {
                    return Some(Overdue::Nudge);
                }
                // A market that stays quiet is asked for less and less often; one whose first nudge was lost is not.
                self.unserved_ns = self.unserved_ns.saturating_mul(2).min(UNSERVED_MAX_NS);
                Some(Overdue::Leave)
            }
        }
    }

    /// Refused: waits, longer each time.
    pub(super) fn refused(&mut self, now: MonoNanos) {
        let wait = backoff_ns(REFUSED_FIRST_NS, REFUSED_MAX_NS, self.refusals);
        self.refusals = self.refusals.saturating_add(1);
        self.stage = Stage::Refused { until: now.after(wait) };
    }

    /// True when this is the request that `reply` answers: by id, or where none is echoed by pair and state.
    pub(super) fn answers(&self, reply: &Reply) -> bool {
        let id = match (self.stage, reply.subscribe) {
            (Stage::Asked { id, .. }, true) | (Stage::Leaving { id, .. }, false) => id,
            _ => return false,
        };
        let pair = self.subscription.pairs.first().copied();
        self.subscription.channel == reply.channel
            && match reply.id {
                Some(echoed) => echoed == id,
                None => reply.pair.is_none() || pair.is_none() || reply.pair == pair,
            }
    }

    /// The streams that take the place of this one when a pair of its list is at fault; empty when it has just one.
    pub(super) fn parts(&self) -> Vec<Stream> {
        if self.subscription.pairs.len() < 2 {
            return Vec::new();
        }
        self.subscription.split().into_iter().map(Stream::new).collect()
    }
}
