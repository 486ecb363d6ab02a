//! What happens to a run at a time beyond links and deaths: people, clocks, strangers, pauses, closed pairs. Drawn from the seed apart
//! from everything else, each kind in a part of the seeds, so that they meet each other and the faults of [`crate::faults`].

use crate::config::tight_limits;
use crate::faults::{Death, Event, FaultMix};
use domain::time::{MILLI, SECOND};
use sim_exchange::faults::{Breakage, Faults, Refusal, ScriptedFault, TimedFault};
use sim_exchange::market::Rng;

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Engages the latch.
    Halt,
    /// Clears whatever only a person clears.
    Resume,
    /// No new deals.
    Drain,
    /// No new deals, and what is open is closed at once.
    Flatten,
}

/// When incidents happen.
const FROM_NS: u64 = 3 * SECOND;
const TO_NS: u64 = 18 * SECOND;

fn time(rng: &mut Rng) -> u64 {
    FROM_NS + rng.below(TO_NS - FROM_NS)
}

/// Adds the incidents of a seed to its mix.
pub fn draw(mix: &mut FaultMix, seed: u64) {
    let mut rng = Rng::fork(seed, 10);
    let mut script = Vec::new();
    if rng.chance(250) {
        let (at, venue) = (time(&mut rng), rng.below(2) as usize);
        script.push((at, Event::Mute { venue, on: true }));
        script.push((at + 500 * MILLI + rng.below(4 * SECOND), Event::Mute { venue, on: false }));
    }
    people(&mut script, &mut rng);
    clocks(&mut script, &mut rng);
    markets(&mut script, &mut rng);
    if rng.chance(200) {
        let at = time(&mut rng);
        script.push((at, Event::Disk { low: true }));
        script.push((at + 200 * MILLI + rng.below(4 * SECOND), Event::Disk { low: false }));
    }
    if rng.chance(150) {
        // Dies, and dies again while it starts.
        let (at, down_ns) = (time(&mut rng), 50 * MILLI + rng.below(SECOND));
        let again = at + down_ns + rng.below(800 * MILLI);
        script.push((at, Event::Crash { death: Death::Between, down_ns }));
        script.push((again, Event::Crash { death: Death::Between, down_ns: 50 * MILLI + rng.below(SECOND) }));
    }
    if rng.chance(120) {
        script.push((time(&mut rng), Event::Terminate { down_ns: 50 * MILLI + rng.below(2 * SECOND) }));
    }
    mix.script.extend(script);
    mix.script.sort_by_key(|(at, _)| *at);
    if rng.chance(200) {
        mix.bad_bodies = 1 + rng.below(60) as u32;
    }
    if rng.chance(250) {
        mix.odd_frames = 1 + rng.below(20) as u32;
    }
    if rng.chance(250) {
        mix.hostile = 50 + rng.below(600) as u32;
    }
    if rng.chance(400) {
        for _ in 0..=rng.below(4) {
            let fault = venue_fault(&mut rng);
            mix.timed.push((rng.below(2) as usize, ScriptedFault { at_ns: time(&mut rng), fault }));
        }
    }
}

/// Faults of orders and answers that came to the harness later. Drawn apart, so that they move no other fault of the seed.
pub fn draw_orders(mix: &mut FaultMix, seed: u64) {
    let mut rng = Rng::fork(seed, 11);
    if rng.chance(350) {
        for _ in 0..=rng.below(2) {
            let count = 1 + rng.below(3) as u32;
            let fault = match rng.below(6) {
                0 | 1 => TimedFault::DustFills { count },
                2 => TimedFault::StaleAnswers { count },
                3 => TimedFault::ChangedAmounts { count },
                4 => TimedFault::ChangedPrices { count },
                _ => TimedFault::Maintenance { for_ns: 300 * MILLI + rng.below(3 * SECOND) },
            };
            mix.timed.push((rng.below(2) as usize, ScriptedFault { at_ns: time(&mut rng), fault }));
        }
    }
}

/// Settings that change while the engine runs: tighter ones and wider ones. Drawn apart as well.
pub fn draw_patches(mix: &mut FaultMix, seed: u64) {
    let mut rng = Rng::fork(seed, 12);
    if rng.chance(200) {
        for _ in 0..=rng.below(3) {
            let limits = tight_limits(&mut rng);
            let (min_edge_bps, collar_bps) = (1 + rng.below(12) as u32, 100 + rng.below(600) as u32);
            mix.script.push((time(&mut rng), Event::Patch { limits, min_edge_bps, collar_bps }));
        }
        mix.script.sort_by_key(|(at, _)| *at);
    }
}

/// A state log that can't be written any more, and a person who ends the process, makes room and starts it again. Drawn apart as well.
pub fn draw_log_failures(mix: &mut FaultMix, seed: u64) {
    let mut rng = Rng::fork(seed, 13);
    if rng.chance(120) {
        let at = time(&mut rng);
        mix.script.push((at, Event::LogFails));
        let ended = at + 100 * MILLI + rng.below(4 * SECOND);
        mix.script.push((ended, Event::Terminate { down_ns: 50 * MILLI + rng.below(2 * SECOND) }));
        mix.script.sort_by_key(|(at, _)| *at);
    }
}

/// More ways in which a venue plays faults that others play here too. Drawn apart as well.
pub fn draw_more_of_the_venue(mix: &mut FaultMix, seed: u64) {
    let mut rng = Rng::fork(seed, 14);
    if !rng.chance(350) {
        return;
    }
    for _ in 0..=rng.below(3) {
        let for_ns = 300 * MILLI + rng.below(3 * SECOND);
        let count = 1 + rng.below(4) as u32;
        let fault = match rng.below(9) {
            0 => TimedFault::HalfFills { count },
            1 => TimedFault::LostFills { count },
            2 => TimedFault::MutedPrivate { for_ns },
            3 => TimedFault::StaleOrders { age_ns: (100 + rng.below(1_500)) * MILLI, for_ns },
            4 => TimedFault::ExpiredLogins,
            5 => TimedFault::Refusals { why: REFUSED_WITH[rng.below(REFUSED_WITH.len() as u64) as usize], count },
            6 => TimedFault::BrokenReplies { how: BROKEN_AS[rng.below(BROKEN_AS.len() as u64) as usize], count },
            7 => TimedFault::StaleBooks { replies: count },
            _ => TimedFault::Cut,
        };
        mix.timed.push((rng.below(2) as usize, ScriptedFault { at_ns: time(&mut rng), fault }));
    }
}

/// Labels that orders are refused with (F22).
const REFUSED_WITH: [Refusal; 7] = [
    Refusal::Balance,
    Refusal::PriceBand,
    Refusal::TooSmall,
    Refusal::Restricted,
    Refusal::TooManyOrders,
    Refusal::Parameter,
    Refusal::Busy,
];
/// What replies to signed requests become (F33).
const BROKEN_AS: [Breakage; 5] =
    [Breakage::Html, Breakage::ServerError, Breakage::GatewayTimeout, Breakage::Truncated, Breakage::ErrorInside];

fn people(script: &mut Vec<(u64, Event)>, rng: &mut Rng) {
    if rng.chance(300) {
        let at = time(rng);
        let order = [Person::Halt, Person::Halt, Person::Drain, Person::Flatten][rng.below(4) as usize];
        script.push((at, Event::Person(order)));
        if rng.chance(700) {
            script.push((at + 200 * MILLI + rng.below(6 * SECOND), Event::Person(Person::Resume)));
        }
    }
}

fn clocks(script: &mut Vec<(u64, Event)>, rng: &mut Rng) {
    if rng.chance(150) {
        let size = [100 * MILLI, SECOND, 60 * SECOND, 3_600 * SECOND][rng.below(4) as usize] as i64;
        let by_ns = if rng.chance(500) { size } else { -size };
        script.push((time(rng), Event::WallStep { by_ns }));
    }
    if rng.chance(150) {
        script.push((FROM_NS, Event::WallDrift { ppb: if rng.chance(500) { 500_000 } else { -500_000 } }));
    }
    if rng.chance(200) {
        for _ in 0..=rng.below(2) {
            script.push((time(rng), Event::Sleep { for_ns: 260 * MILLI + rng.below(5 * SECOND) }));
        }
    }
    if rng.chance(200) {
        for _ in 0..=rng.below(3) {
            script.push((time(rng), Event::Slow { for_ns: 50 * MILLI + rng.below(2 * SECOND) }));
        }
    }
}

fn markets(script: &mut Vec<(u64, Event)>, rng: &mut Rng) {
    if rng.chance(150) {
        let (at, venue, pair) = (time(rng), rng.below(2) as usize, rng.below(2) as usize);
        script.push((at, Event::Closed { venue, pair, on: true }));
        script.push((at + 300 * MILLI + rng.below(4 * SECOND), Event::Closed { venue, pair, on: false }));
    }
    if rng.chance(120) {
        script.push((time(rng), Event::Fees { venue: rng.below(2) as usize, taker_bps: 1 + rng.below(25) as u32 }));
    }
    if rng.chance(120) {
        let (venue, pair) = (rng.below(2) as usize, rng.below(2) as usize);
        script.push((time(rng), Event::Stranger { venue, pair, pays_in: rng.chance(400) }));
    }
}

fn venue_fault(rng: &mut Rng) -> TimedFault {
    let for_ns = 500 * MILLI + rng.below(3 * SECOND);
    let count = 1 + rng.below(4) as u32;
    match rng.below(9) {
        0 => TimedFault::Unserved { for_ns },
        1 => TimedFault::TooManyRequests { count },
        2 => TimedFault::HiddenOrders { hidden_ns: (50 + rng.below(1_500)) * MILLI, for_ns },
        3 => TimedFault::ForgottenOrders { after_ns: (500 + rng.below(3_000)) * MILLI, for_ns },
        4 => TimedFault::StaleBalances { age_ns: (200 + rng.below(2_500)) * MILLI, for_ns },
        5 => TimedFault::DoubledPrivate { count },
        6 => TimedFault::ReorderedPrivate { count },
        7 => TimedFault::LostReplies { count },
        _ => TimedFault::Gaps { count },
    }
}

/// Faults that wait for something of ours to happen to: how many were asked for, and how many still wait.
pub fn waiting(fault: &TimedFault, faults: &Faults) -> Option<(u32, u32)> {
    Some(match fault {
        TimedFault::DustFills { count } => (*count, faults.dust_next_orders),
        TimedFault::StaleAnswers { count } => (*count, faults.stale_next_answers),
        TimedFault::ChangedAmounts { count } => (*count, faults.cut_next_amounts),
        TimedFault::ChangedPrices { count } => (*count, faults.shift_next_prices),
        TimedFault::Tampered { count, .. } => (*count, faults.tampered.iter().map(|tampering| tampering.count).sum()),
        _ => return None,
    })
}

/// The number of a venue's fault in the project's list.
pub fn number_of(fault: &TimedFault) -> u8 {
    match fault {
        TimedFault::Gaps { .. } => 1,
        TimedFault::StaleBooks { .. } | TimedFault::SlowDeepBooks { .. } => 2,
        TimedFault::CrossedFrames { .. } | TimedFault::CrossedBooks { .. } => 5,
        TimedFault::Silence { .. } => 6,
        TimedFault::Unserved { .. } => 9,
        TimedFault::Tampered { .. } => 10,
        TimedFault::Halt { .. } | TimedFault::CoarserRules { .. } | TimedFault::Delisted { .. } => 11,
        TimedFault::LostReplies { .. } => 13,
        TimedFault::HiddenOrders { .. } | TimedFault::ForgottenOrders { .. } => 15,
        TimedFault::FilledCancels { .. } | TimedFault::ClosedCancels { .. } => 18,
        TimedFault::HalfFills { .. } => 19,
        TimedFault::DustFills { .. } => 20,
        TimedFault::Fees { .. } => 21,
        TimedFault::Refusals { .. } => 22,
        TimedFault::StaleAnswers { .. } => 23,
        TimedFault::ChangedAmounts { .. } | TimedFault::ChangedPrices { .. } => 24,
        TimedFault::DoubledPrivate { .. } => 25,
        TimedFault::LostFills { .. } => 26,
        TimedFault::ReorderedPrivate { .. } => 27,
        TimedFault::MutedPrivate { .. } | TimedFault::ExpiredLogins => 28,
        TimedFault::StaleBalances { .. } => 29,
        TimedFault::StaleOrders { .. } => 30,
        TimedFault::ForeignTrade { .. } | TimedFault::Deposit { .. } | TimedFault::Withdrawal { .. } => 31,
        TimedFault::TooManyRequests { .. }
        | TimedFault::LowerLimits { .. }
        | TimedFault::BareRefusals { .. }
        | TimedFault::Ban { .. } => 32,
        TimedFault::BrokenReplies { .. } => 33,
        TimedFault::Maintenance { .. } => 34,
        TimedFault::MassCancel => 35,
        TimedFault::ClockStep { .. } | TimedFault::ClockDrift { .. } => 36,
        TimedFault::Upgrade { .. } | TimedFault::Cut => 39,
    }
}
