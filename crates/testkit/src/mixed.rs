//! What the runs between exchanges of several kinds meet beside what every run does ([`crate::faults`], [`crate::incidents`]): bans and
//! cut limits, rules that change, absurd words, the venue's own clock, cancels and books of the venue's making, fees in a token, sockets
//! that end by age, a second connection for every stream, a key that logs in.
//!
//! Each group is drawn apart, so that one more moves no other. What a venue says that looks right and is wrong (a price a hundred times
//! too high that crosses nothing, an amount of zero that was not zero) is not drawn: nobody on this side of the wire could know it for a
//! lie, and the judge holds the engine to the truth.

use crate::config::SimConfig;
use crate::faults::Event;
use domain::time::{MILLI, SECOND};
use sim_exchange::faults::{Absurd, Crossing, ScriptedFault, TamperTarget, TimedFault};
use sim_exchange::market::Rng;
use std::collections::BTreeSet;

/// The one kind whose sockets end by their age, whose accounts may pay with a token, and that has keys which log in.
pub(crate) const BINANCE: &str = "binance";
/// When these faults begin.
const FROM_NS: u64 = 2 * SECOND;
const TO_NS: u64 = 18 * SECOND;

/// Draws everything of this module into a configuration of two venues that are known.
pub fn draw(config: &mut SimConfig) {
    draw_among(config, &[0, 1], 16);
}

/// The same for one more venue.
pub fn draw_at(config: &mut SimConfig, venue: usize) {
    draw_among(config, &[venue], 32);
}

/// Draws for these venues, from random numbers of this fork and the six after it.
fn draw_among(config: &mut SimConfig, among: &[usize], fork: u64) {
    let seed = config.seed;
    let rng = |group: u64| Rng::fork(seed, fork + group);
    bans(config, among, &mut rng(0));
    limits(config, among, &mut rng(1));
    rules(config, among, &mut rng(2));
    words(config, among, &mut rng(3));
    clocks(config, among, &mut rng(4));
    venue(config, among, &mut rng(5));
    settings(config, among, &mut rng(6));
    config.faults.script.sort_by_key(|(at, _)| *at);
}

fn time(rng: &mut Rng) -> u64 {
    FROM_NS + rng.below(TO_NS - FROM_NS)
}

fn one_of<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.below(all.len() as u64) as usize]
}

fn add(config: &mut SimConfig, venue: usize, at_ns: u64, fault: TimedFault) {
    config.faults.timed.push((venue, ScriptedFault { at_ns, fault }));
}

/// An address that is shut out though it kept every limit: a neighbour behind the same one did not.
fn bans(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    if rng.chance(80) {
        let (at, venue, for_ns) = (time(rng), one_of(rng, among), 500 * MILLI + rng.below(4 * SECOND));
        // Bybit's is over after ten minutes, which such a run waits out.
        if config.venues[venue].kind != "bybit" || rng.chance(300) {
            add(config, venue, at, TimedFault::Ban { for_ns });
        }
    }
}

fn limits(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    if rng.chance(200) {
        for _ in 0..=rng.below(2) {
            let (at, venue, for_ns) = (time(rng), one_of(rng, among), SECOND + rng.below(6 * SECOND));
            add(config, venue, at, TimedFault::LowerLimits { divisor: 2 + rng.below(60) as u32, for_ns });
            if rng.chance(400) {
                add(config, venue, at, TimedFault::BareRefusals { for_ns });
            }
        }
    }
}

fn rules(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    if rng.chance(300) {
        for _ in 0..=rng.below(2) {
            let (at, venue, for_ns) = (time(rng), one_of(rng, among), 300 * MILLI + rng.below(6 * SECOND));
            let pair = config.pairs[rng.below(config.pairs.len() as u64) as usize].clone();
            let fault = match rng.below(3) {
                0 => TimedFault::CoarserRules { pair, digits: 1 + rng.below(2) as u32, for_ns },
                1 => TimedFault::Halt { pair, for_ns },
                _ => TimedFault::Delisted { pair, for_ns },
            };
            add(config, venue, at, fault);
        }
    }
}

/// What a number or a word of a book may become so that it can't be taken for one.
const OF_BOOKS: [Absurd; 10] = [
    Absurd::Zero,
    Absurd::Negative,
    Absurd::NotANumber,
    Absurd::Huge,
    Absurd::TooFine,
    Absurd::Empty,
    Absurd::Null,
    Absurd::Missing,
    Absurd::UnknownWord,
    Absurd::ExtraField,
];
/// The same of an account's news and answers, where a zero is an amount like any other.
const OF_ACCOUNTS: [Absurd; 9] = [
    Absurd::Negative,
    Absurd::NotANumber,
    Absurd::Huge,
    Absurd::TooFine,
    Absurd::Empty,
    Absurd::Null,
    Absurd::Missing,
    Absurd::UnknownWord,
    Absurd::ExtraField,
];
/// The same of balances. Their word is an asset's name: one that is not known is another asset, and what it stood for is not there. And
/// one below zero is a debt, which Bybit's accounts may have.
const OF_ASSETS: [Absurd; 7] =
    [Absurd::NotANumber, Absurd::Huge, Absurd::TooFine, Absurd::Empty, Absurd::Null, Absurd::Missing, Absurd::ExtraField];
/// What answers become that hold nothing but a text, which may be any.
const OF_IDS: [Absurd; 4] = [Absurd::Empty, Absurd::Null, Absurd::Missing, Absurd::ExtraField];
const TARGETS: [TamperTarget; 8] = [
    TamperTarget::Book,
    TamperTarget::BookTicker,
    TamperTarget::BookReply,
    TamperTarget::Orders,
    TamperTarget::Fills,
    TamperTarget::Balances,
    TamperTarget::OrderReply,
    TamperTarget::Accounts,
];

fn words(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    if rng.chance(350) {
        for _ in 0..=rng.below(4) {
            let (at, venue, target) = (time(rng), one_of(rng, among), one_of(rng, &TARGETS));
            let of_book = matches!(target, TamperTarget::Book | TamperTarget::BookTicker | TamperTarget::BookReply);
            // Bybit acknowledges an order with its id alone (Bybit API v5, place order).
            let of_id = target == TamperTarget::OrderReply && config.venues[venue].kind == "bybit";
            let how = match target {
                _ if of_book => one_of(rng, &OF_BOOKS),
                _ if of_id => one_of(rng, &OF_IDS),
                TamperTarget::Accounts | TamperTarget::Balances => one_of(rng, &OF_ASSETS),
                _ => one_of(rng, &OF_ACCOUNTS),
            };
            add(config, venue, at, TimedFault::Tampered { target, how, count: 1 + rng.below(3) as u32 });
        }
    }
}

fn clocks(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    if rng.chance(150) {
        let (at, venue, for_ns) = (time(rng), one_of(rng, among), SECOND + rng.below(8 * SECOND));
        let size = one_of(rng, &[100 * MILLI, SECOND, 10 * SECOND]) as i64;
        add(config, venue, at, TimedFault::ClockStep { step_ns: if rng.chance(500) { size } else { -size }, for_ns });
    }
    if rng.chance(100) {
        let (at, venue, for_ns) = (time(rng), one_of(rng, among), SECOND + rng.below(8 * SECOND));
        add(config, venue, at, TimedFault::ClockDrift { ppm: one_of(rng, &[-500, 500]), for_ns });
    }
}

fn venue(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    if rng.chance(250) {
        for _ in 0..=rng.below(2) {
            let (at, venue, for_ns) = (time(rng), one_of(rng, among), 200 * MILLI + rng.below(2 * SECOND));
            let count = 1 + rng.below(4) as u32;
            let pair = rng.chance(500).then(|| config.pairs[rng.below(config.pairs.len() as u64) as usize].clone());
            let fault = match rng.below(6) {
                0 => TimedFault::MassCancel,
                1 => TimedFault::CrossedFrames { count },
                2 => TimedFault::CrossedBooks { pair, how: one_of(rng, &[Crossing::Locked, Crossing::Crossed]), for_ns },
                3 => TimedFault::SlowDeepBooks { for_ns },
                4 => TimedFault::FilledCancels { count },
                _ => TimedFault::ClosedCancels { count },
            };
            add(config, venue, at, fault);
        }
    }
}

/// Thousandths of the fee token in the account: enough for a run, or so few that they run out.
const FEE_TOKENS: [u32; 3] = [500_000, 20, 4];

fn settings(config: &mut SimConfig, among: &[usize], rng: &mut Rng) {
    for venue in among.iter().copied() {
        config.venues[venue].redundant = rng.chance(250);
        let (logs_in, token) = (rng.chance(500), rng.chance(300).then(|| one_of(rng, &FEE_TOKENS)));
        // From the opening of a socket to its end, and how long before it is told.
        let life_ns = 4 * SECOND + rng.below(9 * SECOND);
        let notice_ns = if rng.chance(500) { SECOND + rng.below(2 * SECOND) } else { 0 };
        let life = rng.chance(200).then_some((life_ns, notice_ns));
        let changes = rng.chance(100).then(|| time(rng));
        if config.venues[venue].kind != BINANCE {
            continue;
        }
        let choice = &mut config.venues[venue];
        (choice.logs_in, choice.fee_token, choice.socket_life) = (logs_in, token, life);
        if let Some(at) = changes {
            config.faults.script.push((at, Event::FeeToken { venue, on: token.is_none() }));
        }
    }
}

/// What was drawn for a run, by name and by the kind of the venue that it is about: for tables.
pub fn drawn(config: &SimConfig) -> BTreeSet<String> {
    let name = |text: String| text.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
    let kind = |venue: usize| config.venues.get(venue).map_or("?", |choice| choice.kind);
    let mut all = BTreeSet::new();
    for (venue, entry) in &config.faults.timed {
        let what = match &entry.fault {
            TimedFault::Tampered { target, .. } => format!("Tampered{target:?}"),
            other => name(format!("{other:?}")),
        };
        all.insert(format!("{what}@{}", kind(*venue)));
    }
    all.extend(config.faults.script.iter().map(|(_, event)| name(format!("{event:?}"))));
    for choice in &config.venues {
        let on = [
            ("Redundant", choice.redundant),
            ("Upgrade", choice.upgrade.is_some()),
            ("LogsIn", choice.logs_in),
            ("FeeTokenHeld", choice.fee_token.is_some()),
            ("SocketLife", choice.socket_life.is_some()),
        ];
        all.extend(on.into_iter().filter(|(_, on)| *on).map(|(what, _)| format!("{what}@{}", choice.kind)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VenueChoice;

    #[test]
    fn every_fault_is_drawn_at_every_kind_of_venue_and_one_more_moves_no_other() {
        let mut seen = BTreeSet::new();
        (0..3_000).for_each(|seed| seen.extend(drawn(&SimConfig::mixed(seed))));
        for kind in ["gate", "binance", "bybit"] {
            for what in ["Ban", "LowerLimits", "BareRefusals", "CoarserRules", "Halt", "Delisted", "ClockStep", "ClockDrift"] {
                assert!(seen.contains(&format!("{what}@{kind}")), "{what}@{kind} in {seen:?}");
            }
            for target in TARGETS {
                assert!(seen.contains(&format!("Tampered{target:?}@{kind}")));
            }
            assert!(seen.contains(&format!("MassCancel@{kind}")) && seen.contains(&format!("Redundant@{kind}")));
        }
        for what in ["SocketLife@binance", "FeeTokenHeld@binance", "LogsIn@binance", "FeeToken"] {
            assert!(seen.contains(what), "{what}");
        }
        // A run between two Gates knows nothing of it.
        let faulty = SimConfig::faulty(3);
        let mixed = SimConfig::mixed(3);
        assert!(faulty.faults.timed.iter().all(|entry| mixed.faults.timed.contains(entry)));
        let plain = |choice: &VenueChoice| !choice.redundant && choice.fee_token.is_none() && choice.socket_life.is_none();
        assert!(faulty.venues.iter().all(plain));
    }
}
