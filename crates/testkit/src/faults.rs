//! What goes wrong in a run: rates and delays, drawn from the seed (a different mix for every seed), and the script of things that
//! happen at a time ([`crate::incidents`] draws those that are not about links and deaths). Which fault of the project's list is
//! injected how, and who judges it, stands in [`crate::coverage`].

use crate::incidents::{self, Person};
use domain::LinkRole;
use domain::time::{MILLI, SECOND};
use risk::Limits;
use sim_exchange::faults::{Faults, TamperTarget, Visibility};
pub use sim_exchange::faults::{ScriptedFault, TimedFault};
use sim_exchange::market::Rng;
use sim_exchange::timing::{DelayRange, Delays};

/// Faults of frames on one kind of link, each in so many of 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFaults {
    /// Never arrive (F1, F26).
    pub lost: u32,
    /// Arrive twice, the second time later (F3, F25).
    pub doubled: u32,
    /// Arrive late, and everything behind them too.
    pub delayed: u32,
    /// Arrive late while what comes behind overtakes them (F3, F27).
    pub reordered: u32,
    /// Greatest delay, nanoseconds.
    pub delay_max_ns: u64,
}

/// Faults of requests, each in so many of 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFaults {
    /// The connection is refused: no byte left.
    pub refused: u32,
    /// Lost on the way (F14).
    pub lost: u32,
    /// The venue acts, and its reply is lost (F13).
    pub reply_lost: u32,
    /// A lost request or reply is told at once as a broken connection in so many of 1000, else it times out.
    pub broken: u32,
    /// Late, either way.
    pub slow: u32,
    /// Greatest delay, nanoseconds.
    pub delay_max_ns: u64,
}

/// How the engine's process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Between two events.
    Between,
    /// While an intent is written: this many bytes of the last write survive, none of its orders leaves.
    InWrite {
        /// Bytes that survive.
        torn_bytes: usize,
    },
    /// After an intent was written, when this many of its orders have left.
    AfterIntent {
        /// Orders that leave.
        orders: u32,
    },
}

/// A fault that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link breaks.
    Cut {
        /// Which venue.
        venue: usize,
        /// Which link.
        role: LinkRole,
    },
    /// A venue refuses connections, or accepts them again.
    Refuse {
        /// Which venue.
        venue: usize,
        /// Whether it refuses.
        on: bool,
    },
    /// Public channels say nothing while pongs go on (F6), or speak again.
    Silence {
        /// Which venue; `None` is all of them.
        venue: Option<usize>,
        /// Only this pair, by its number.
        pair: Option<usize>,
        /// Whether it is silent.
        on: bool,
    },
    /// Private frames vanish while pongs go on (F28), or come again.
    Mute {
        /// Which venue.
        venue: usize,
        /// Whether they vanish.
        on: bool,
    },
    /// A person does something (F54).
    Person(Person),
    /// The disk is nearly full (F45), or has room again.
    Disk {
        /// Whether it is nearly full.
        low: bool,
    },
    /// The next write of the state log fails half-way (F45); the process runs on until somebody ends it.
    LogFails,
    /// SIGTERM (F55), and a start after it.
    Terminate {
        /// How long it is gone, nanoseconds.
        down_ns: u64,
    },
    /// The wall clock is set (F36, F37).
    WallStep {
        /// By how much, nanoseconds.
        by_ns: i64,
    },
    /// The wall clock drifts from now on (F36).
    WallDrift {
        /// What it gains, 10^-9.
        ppb: i64,
    },
    /// The process is suspended and notices when it wakes (F38).
    Sleep {
        /// How long, nanoseconds.
        for_ns: u64,
    },
    /// The process is too slow to read, and does not know it (F8).
    Slow {
        /// How long, nanoseconds.
        for_ns: u64,
    },
    /// A pair takes no orders (F11), or takes them again.
    Closed {
        /// Which venue.
        venue: usize,
        /// Which pair.
        pair: usize,
        /// Whether it is closed.
        on: bool,
    },
    /// The venue charges another rate from now on (F21).
    Fees {
        /// Which venue.
        venue: usize,
        /// The new rate of takers, in 1/10000.
        taker_bps: u32,
    },
    /// The account begins or ends to pay its fees with the venue's token (F21).
    FeeToken {
        /// Which venue.
        venue: usize,
        /// Whether it pays so.
        on: bool,
    },
    /// Somebody else is on our account (F31).
    Stranger {
        /// Which venue.
        venue: usize,
        /// What is traded.
        pair: usize,
        /// Pays in instead of trading.
        pays_in: bool,
    },
    /// Other settings come in while it runs; a restart takes the first ones again.
    Patch {
        /// The limits from now on.
        limits: Limits,
        /// The least edge, in 1/10000.
        min_edge_bps: u32,
        /// The collar, in 1/10000.
        collar_bps: u32,
    },
    /// The process dies and is started again.
    Crash {
        /// How.
        death: Death,
        /// How long it is gone, nanoseconds.
        down_ns: u64,
    },
}

impl Event {
    /// The one venue that it is about.
    const fn venue_mut(&mut self) -> Option<&mut usize> {
        match self {
            Event::Cut { venue, .. }
            | Event::Refuse { venue, .. }
            | Event::Silence { venue: Some(venue), .. }
            | Event::Mute { venue, .. }
            | Event::Closed { venue, .. }
            | Event::Fees { venue, .. }
            | Event::FeeToken { venue, .. }
            | Event::Stranger { venue, .. } => Some(venue),
            Event::Silence { venue: None, .. }
            | Event::Person(_)
            | Event::Disk { .. }
            | Event::LogFails
            | Event::Terminate { .. }
            | Event::WallStep { .. }
            | Event::WallDrift { .. }
            | Event::Sleep { .. }
            | Event::Slow { .. }
            | Event::Patch { .. }
            | Event::Crash { .. } => None,
        }
    }
}

/// All faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultMix {
    /// One way through the network, shortest and longest, nanoseconds; zero means the calm network's.
    pub latency_ns: (u64, u64),
    /// Public frames to the engine.
    pub public: FrameFaults,
    /// Private frames to the engine.
    pub private: FrameFaults,
    /// Replies of WebSocket order entry to the engine.
    pub entry: FrameFaults,
    /// Frames to the venue, orders among them: lost and delayed only.
    pub outgoing: FrameFaults,
    /// Placements and cancels.
    pub orders: RequestFaults,
    /// Reads.
    pub reads: RequestFaults,
    /// Book frames that come crossed, of 1000 (F5).
    pub crossed_books: u32,
    /// Order look-ups answered by a replica that still shows the order as it was accepted, of 1000 (F30).
    pub stale_look_ups: u32,
    /// Slow acknowledgements: fills come first (F17).
    pub slow_acknowledgements: bool,
    /// New orders are unknown to look-ups for this long (F15).
    pub order_hidden_ns: u64,
    /// New trades are absent from lists for this long.
    pub trade_hidden_ns: u64,
    /// Stated balances are this old (F29).
    pub balances_stale_ns: u64,
    /// Replies that are HTML, cut, or an error inside a success, of 1000 (F33).
    pub bad_bodies: u32,
    /// Public frames with a number that is none or a shape that is new, of 1000 (F10, F12).
    pub odd_frames: u32,
    /// Placements before which somebody takes what they were to take, of 1000 (F53).
    pub hostile: u32,
    /// Faults that a venue plays by itself, by venue.
    pub timed: Vec<(usize, ScriptedFault)>,
    /// Faults of the venue itself.
    pub venue: Faults,
    /// What happens when, relative to the start, in order.
    pub script: Vec<(u64, Event)>,
}

/// The calm network, one way.
const LATENCY_NS: (u64, u64) = (200_000, 3 * MILLI);
/// Time of the script's first event: the engine has started.
const SCRIPT_FROM_NS: u64 = 2 * SECOND;
/// Time of its last: the run is over at 20 s.
const SCRIPT_TO_NS: u64 = 19 * SECOND;

impl FaultMix {
    /// Nothing goes wrong.
    pub fn none() -> FaultMix {
        FaultMix { latency_ns: LATENCY_NS, ..FaultMix::default() }
    }

    /// A mix that belongs to the seed. Each kind is on in about half of the seeds.
    pub fn draw(seed: u64) -> FaultMix {
        let mut rng = Rng::fork(seed, 2);
        let mut mix = FaultMix::none();
        if rng.chance(300) {
            mix.latency_ns = (MILLI, (5 + rng.below(40)) * MILLI);
        }
        mix.public = frame_faults(&mut rng, 30);
        mix.private = frame_faults(&mut rng, 120);
        mix.outgoing = FrameFaults { doubled: 0, reordered: 0, ..frame_faults(&mut rng, 60) };
        mix.orders = request_faults(&mut rng, 150);
        mix.reads = request_faults(&mut rng, 80);
        if rng.chance(300) {
            mix.crossed_books = 1 + rng.below(12) as u32;
        }
        if rng.chance(350) {
            mix.stale_look_ups = 100 + rng.below(700) as u32;
        }
        mix.slow_acknowledgements = rng.chance(350);
        if rng.chance(400) {
            mix.order_hidden_ns = rng.below(2 * SECOND);
        }
        if rng.chance(300) {
            mix.trade_hidden_ns = rng.below(SECOND);
        }
        if rng.chance(400) {
            mix.balances_stale_ns = rng.below(3 * SECOND);
        }
        mix.venue = venue_faults(&mut rng);
        mix.script = script(&mut rng);
        if rng.chance(200) {
            mix.make_doubtful(&mut rng);
        }
        mix.draw_entry(seed);
        incidents::draw(&mut mix, seed);
        incidents::draw_orders(&mut mix, seed);
        incidents::draw_patches(&mut mix, seed);
        incidents::draw_more_of_the_venue(&mut mix, seed);
        incidents::draw_log_failures(&mut mix, seed);
        mix
    }

    /// One more venue stands at `place`: what is about the venues from there on is about the next one.
    pub fn make_room_for(&mut self, place: usize) {
        let timed = self.timed.iter_mut().map(|(venue, _)| venue);
        let scripted = self.script.iter_mut().filter_map(|(_, event)| event.venue_mut());
        timed.chain(scripted).filter(|venue| **venue >= place).for_each(|venue| *venue += 1);
    }

    /// What happens to one more venue beside what happens to all: cuts, refusals, silence, a private stream that says nothing.
    pub fn draw_at(&mut self, venue: usize, rng: &mut Rng) {
        let time = |rng: &mut Rng| SCRIPT_FROM_NS + rng.below(SCRIPT_TO_NS - SCRIPT_FROM_NS);
        if rng.chance(500) {
            for _ in 0..=rng.below(3) {
                let role = [LinkRole::Public, LinkRole::Private, LinkRole::OrderEntry][rng.below(3) as usize];
                self.script.push((time(rng), Event::Cut { venue, role }));
            }
        }
        if rng.chance(250) {
            let at = time(rng);
            self.script.push((at, Event::Refuse { venue, on: true }));
            self.script.push((at + rng.below(3 * SECOND), Event::Refuse { venue, on: false }));
        }
        if rng.chance(400) {
            let (at, pair) = (time(rng), if rng.chance(500) { Some(rng.below(2) as usize) } else { None });
            self.script.push((at, Event::Silence { venue: Some(venue), pair, on: true }));
            self.script.push((at + 700 * MILLI + rng.below(3 * SECOND), Event::Silence { venue: Some(venue), pair, on: false }));
        }
        if rng.chance(200) {
            let at = time(rng);
            self.script.push((at, Event::Mute { venue, on: true }));
            self.script.push((at + 500 * MILLI + rng.below(4 * SECOND), Event::Mute { venue, on: false }));
        }
        self.script.sort_by_key(|(at, _)| *at);
    }

    /// True when no venue refuses for a rate limit by a fault, and nothing on the way bunches requests that we spaced.
    pub fn keeps_rate_limits(&self) -> bool {
        let bunched = |faults: &RequestFaults| faults.slow > 0;
        let forced = !self.venue.too_many_requests.is_empty() || self.venue.refuse_next_requests > 0;
        let timed = self.timed.iter().any(|(_, entry)| {
            matches!(entry.fault, TimedFault::TooManyRequests { .. } | TimedFault::LowerLimits { .. } | TimedFault::Ban { .. })
        });
        !(bunched(&self.orders) || bunched(&self.reads) || forced || timed || self.latency_ns.1 > LATENCY_NS.1)
    }

    /// When this venue shuts us out by a fault, nanoseconds after the start.
    pub fn bans(&self, venue: usize) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.timed.iter().filter(move |(of, _)| *of == venue).filter_map(|(_, entry)| match entry.fault {
            TimedFault::Ban { for_ns } => Some((entry.at_ns, entry.at_ns + for_ns)),
            _ => None,
        })
    }

    /// When trading of which pair is halted by this venue, by the simulator's name, nanoseconds after the start.
    pub fn halts(&self, venue: usize) -> impl Iterator<Item = (&str, u64, u64)> + '_ {
        self.timed.iter().filter(move |(of, _)| *of == venue).filter_map(|(_, entry)| match &entry.fault {
            TimedFault::Halt { pair, for_ns } => Some((pair.as_str(), entry.at_ns, entry.at_ns + for_ns)),
            _ => None,
        })
    }

    /// How late a public frame may be.
    pub fn feed_delay_max_ns(&self) -> u64 {
        let faults = self.public;
        let late = faults.delayed + faults.reordered + faults.doubled > 0;
        self.latency_ns.1 + if late { faults.delay_max_ns } else { 0 }
    }

    /// True while something may keep a book from being live again.
    pub fn touches_feeds(&self) -> bool {
        let public = self.public;
        let frames = public.lost + public.doubled + public.delayed + public.reordered > 0;
        let reads = self.reads.refused + self.reads.lost + self.reads.reply_lost + self.reads.slow > 0;
        let outgoing = self.outgoing.lost + self.outgoing.delayed > 0;
        let venue = self.venue.stale_book_replies > 0;
        frames
            || reads
            || outgoing
            || venue
            || self.crossed_books + self.odd_frames + self.bad_bodies > 0
            || self.timed.iter().any(|(_, entry)| {
                matches!(
                    entry.fault,
                    TimedFault::Unserved { .. }
                        | TimedFault::StaleBooks { .. }
                        | TimedFault::Silence { .. }
                        | TimedFault::Upgrade { .. }
                        | TimedFault::Maintenance { .. }
                        | TimedFault::Ban { .. }
                        | TimedFault::LowerLimits { .. }
                        | TimedFault::Halt { .. }
                        | TimedFault::Delisted { .. }
                        | TimedFault::CrossedFrames { .. }
                        | TimedFault::CrossedBooks { .. }
                        | TimedFault::SlowDeepBooks { .. }
                        | TimedFault::Tampered {
                            target: TamperTarget::Book | TamperTarget::BookTicker | TamperTarget::BookReply,
                            ..
                        }
                )
            })
    }

    /// Faults of WebSocket order entry. Drawn apart, so that they move no other fault of the seed; without such a link they do nothing.
    fn draw_entry(&mut self, seed: u64) {
        let mut rng = Rng::fork(seed, 6);
        self.entry = frame_faults(&mut rng, 100);
        let mut ordinals = || -> Vec<u64> {
            if !rng.chance(400) {
                return Vec::new();
            }
            (0..=rng.below(4)).map(|_| 1 + rng.below(40)).collect()
        };
        self.venue.ws_drop_reply_after_order = ordinals();
        self.venue.ws_ack_only_after_order = ordinals();
        self.venue.ws_final_only_after_order = ordinals();
        self.venue.ws_cut_after_order = ordinals();
        if rng.chance(500) {
            for _ in 0..=rng.below(4) {
                let at = SCRIPT_FROM_NS + rng.below(SCRIPT_TO_NS - SCRIPT_FROM_NS);
                self.script.push((at, Event::Cut { venue: rng.below(2) as usize, role: LinkRole::OrderEntry }));
            }
            self.script.sort_by_key(|(at, _)| *at);
        }
    }

    /// Faults that meet each other: replies are lost while the private stream is bad and look-ups mislead, so that orders stay
    /// in doubt for long. Drawn independently of each other they would hardly ever meet.
    fn make_doubtful(&mut self, rng: &mut Rng) {
        self.orders.reply_lost = 150 + rng.below(300) as u32;
        self.orders.broken = 900;
        self.private.lost = 80 + rng.below(250) as u32;
        self.private.reordered = 100 + rng.below(300) as u32;
        self.private.delay_max_ns = (200 + rng.below(2_000)) * MILLI;
        if rng.chance(500) {
            self.order_hidden_ns = 300 * MILLI + rng.below(1_700 * MILLI);
        } else {
            self.order_hidden_ns = 0;
            self.stale_look_ups = 500 + rng.below(450) as u32;
            self.reads.slow = self.reads.slow.max(200);
        }
    }

    /// True when nothing of it can move a run away from the calm one.
    pub fn is_none(&self) -> bool {
        *self == FaultMix::none()
    }

    /// The venue's processing times under this mix.
    pub fn delays(&self) -> Delays {
        if self.slow_acknowledgements {
            Delays { rest_order: DelayRange::millis(5, 250), ..Delays::default() }
        } else {
            Delays::default()
        }
    }

    /// What the venue hides under this mix.
    pub fn visibility(&self) -> Visibility {
        Visibility {
            order_hidden_ns: self.order_hidden_ns,
            trade_hidden_ns: self.trade_hidden_ns,
            balances_stale_ns: self.balances_stale_ns,
            ..Visibility::default()
        }
    }
}

fn rate(rng: &mut Rng, most: u32) -> u32 {
    if rng.chance(500) { rng.below(u64::from(most) + 1) as u32 } else { 0 }
}

fn frame_faults(rng: &mut Rng, most: u32) -> FrameFaults {
    FrameFaults {
        lost: rate(rng, most),
        doubled: rate(rng, most * 2),
        delayed: rate(rng, most),
        reordered: rate(rng, most * 2),
        delay_max_ns: (20 + rng.below(1_500)) * MILLI,
    }
}

fn request_faults(rng: &mut Rng, most: u32) -> RequestFaults {
    RequestFaults {
        refused: rate(rng, most / 2),
        lost: rate(rng, most),
        reply_lost: rate(rng, most),
        broken: 700,
        slow: rate(rng, most),
        delay_max_ns: (20 + rng.below(2_500)) * MILLI,
    }
}

fn venue_faults(rng: &mut Rng) -> Faults {
    let mut ordinals = |most: u64| -> Vec<u64> {
        if !rng.chance(400) {
            return Vec::new();
        }
        let count = 1 + rng.below(6);
        (0..count).map(|_| 1 + rng.below(most)).collect()
    };
    Faults {
        drop_reply_after_order: ordinals(60),
        fail_reply_after_order: ordinals(60),
        skip_book_delta: ordinals(400),
        stale_book_replies: if rng.chance(200) { 1 + rng.below(3) as u32 } else { 0 },
        ..Faults::default()
    }
}

fn script(rng: &mut Rng) -> Vec<(u64, Event)> {
    let mut script = Vec::new();
    let time = |rng: &mut Rng| SCRIPT_FROM_NS + rng.below(SCRIPT_TO_NS - SCRIPT_FROM_NS);
    if rng.chance(500) {
        for _ in 0..=rng.below(4) {
            let role = if rng.chance(500) { LinkRole::Public } else { LinkRole::Private };
            script.push((time(rng), Event::Cut { venue: rng.below(2) as usize, role }));
        }
    }
    if rng.chance(250) {
        let (at, venue) = (time(rng), rng.below(2) as usize);
        script.push((at, Event::Refuse { venue, on: true }));
        script.push((at + rng.below(3 * SECOND), Event::Refuse { venue, on: false }));
    }
    if rng.chance(600) {
        for _ in 0..=rng.below(6) {
            let venue = if rng.chance(500) { None } else { Some(rng.below(2) as usize) };
            let pair = if rng.chance(500) { Some(rng.below(2) as usize) } else { None };
            let at = time(rng);
            script.push((at, Event::Silence { venue, pair, on: true }));
            script.push((at + 700 * MILLI + rng.below(3 * SECOND), Event::Silence { venue, pair, on: false }));
        }
    }
    if rng.chance(450) {
        for _ in 0..=rng.below(3) {
            script.push(crash(rng));
        }
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

fn crash(rng: &mut Rng) -> (u64, Event) {
    let death = match rng.below(3) {
        0 => Death::Between,
        1 => Death::InWrite { torn_bytes: rng.below(700) as usize },
        _ => Death::AfterIntent { orders: rng.below(3) as u32 },
    };
    let at = SCRIPT_FROM_NS + rng.below(SCRIPT_TO_NS - SCRIPT_FROM_NS);
    (at, Event::Crash { death, down_ns: 50 * MILLI + rng.below(2 * SECOND) })
}

/// A script of nothing but deaths of the engine.
pub fn deaths(seed: u64, count: usize) -> Vec<(u64, Event)> {
    let mut rng = Rng::fork(seed, 4);
    let mut script: Vec<(u64, Event)> = (0..count).map(|_| crash(&mut rng)).collect();
    script.sort_by_key(|(at, _)| *at);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_belongs_to_its_seed_and_seeds_differ() {
        assert_eq!(FaultMix::draw(7), FaultMix::draw(7));
        let mixes: Vec<FaultMix> = (0..200).map(FaultMix::draw).collect();
        assert!(mixes.windows(2).all(|pair| pair[0] != pair[1]));
        let with = |holds: fn(&FaultMix) -> bool| mixes.iter().filter(|mix| holds(mix)).count();
        assert!(with(|mix| mix.private.lost > 0) > 50);
        assert!(with(|mix| mix.orders.reply_lost > 0) > 50);
        assert!(with(|mix| mix.script.iter().any(|(_, event)| matches!(event, Event::Crash { .. }))) > 50);
        assert!(with(|mix| mix.script.is_empty()) > 0);
        assert!(with(|mix| mix.entry.lost > 0) > 50);
        assert!(with(|mix| !mix.venue.ws_cut_after_order.is_empty()) > 50);
        assert!(FaultMix::none().is_none());
    }
}
