//! A bad day on the simulated venues (`run --faults SEED`): what struck, shown beside how the engine took it.
//!
//! Start at [`FaultBoard::show`]: injected faults as they begin, and [`FaultBoard::react`]: books that lost trust and have it again,
//! orders lost from sight and known again.

use crate::clock_text::short;
use crate::snapshot::Snapshot;
use crate::view::View;
use domain::{ClientOrderId, MonoNanos, Notice, OrderOutcome, UnixNanos};
use node::Node;
use sim_exchange::faults::{Crossing, TamperTarget, TimedFault};
use sim_exchange::world::World;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Faults that wait to be shown; further ones are not shown.
const WAITING_MAX: usize = 256;

/// One fault that began.
#[derive(Clone, Debug)]
pub struct Struck {
    /// Id of the venue.
    pub venue: String,
    /// What happens.
    pub fault: TimedFault,
}

/// Where faults are shown and counted. Without simulated venues of our own nothing comes.
pub struct FaultBoard {
    struck: Option<Receiver<Struck>>,
    counts: BTreeMap<&'static str, u64>,
    /// Books that were trusted once, and since when they are not.
    books: BTreeMap<(String, String), Option<MonoNanos>>,
    /// Orders whose outcome is not known.
    unknown: Vec<ClientOrderId>,
}

/// Orders out of sight that are followed; far more than can be open at once.
const UNKNOWN_MAX: usize = 64;
/// Books of a venue that change together are told in one line from this many on.
const BOOKS_TOGETHER: usize = 2;

impl FaultBoard {
    /// A board on which nothing appears.
    pub fn empty() -> FaultBoard {
        FaultBoard { struck: None, counts: BTreeMap::new(), books: BTreeMap::new(), unknown: Vec::new() }
    }

    /// A board, and where to put what struck.
    pub fn new() -> (SyncSender<Struck>, FaultBoard) {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        (sender, FaultBoard { struck: Some(receiver), ..FaultBoard::empty() })
    }

    /// Shows what struck since the last call.
    pub fn show(&mut self, view: &mut View, wall: UnixNanos) {
        let Some(struck) = &self.struck else { return };
        while let Ok(Struck { venue, fault }) = struck.try_recv() {
            *self.counts.entry(kind(&fault)).or_default() += 1;
            view.fault(&venue, &fault.to_string(), wall);
        }
    }

    /// Follows orders that are lost from sight until they are known again.
    pub fn see(&mut self, notices: &[Notice], node: &Node, view: &mut View, wall: UnixNanos) {
        if self.struck.is_none() {
            return;
        }
        let tables = node.engine().tables();
        for notice in notices {
            let Notice::Order { deal, client_id, venue, side, outcome, took_ns, .. } = *notice else { continue };
            let at = self.unknown.iter().position(|id| *id == client_id);
            match (outcome, at) {
                (OrderOutcome::Unknown, None) if self.unknown.len() < UNKNOWN_MAX => self.unknown.push(client_id),
                (OrderOutcome::Unknown, _) | (_, None) => {}
                (outcome, Some(at)) => {
                    self.unknown.swap_remove(at);
                    let (venue, took) = (tables.venue(venue), short(took_ns));
                    view.strike(
                        &format!("deal {}: {side} on {venue} is known again: {outcome}, {took} after it was sent", deal.0),
                        wall,
                    );
                }
            }
        }
    }

    /// Tells of books that lost trust, which no deal is made on, and of those that have it again.
    pub fn react(&mut self, snapshot: &Snapshot, view: &mut View, now: MonoNanos, wall: UnixNanos) {
        if self.struck.is_none() {
            return;
        }
        // By venue: what is not trusted any more, what is again, and the longest time without.
        let mut changes: BTreeMap<String, (Vec<String>, Vec<String>, u64)> = BTreeMap::new();
        for book in snapshot.status["books"].as_array().into_iter().flatten() {
            let text = |key: &str| book[key].as_str().unwrap_or_default().to_string();
            let (venue, pair, trusted) = (text("venue"), text("pair"), book["trusted"].as_bool() == Some(true));
            match self.books.get_mut(&(venue.clone(), pair.clone())) {
                None if trusted => drop(self.books.insert((venue, pair), None)),
                None => {}
                Some(since @ None) if !trusted => {
                    *since = Some(now);
                    changes.entry(venue).or_default().0.push(pair);
                }
                Some(since) => {
                    if let Some(lost) = since.filter(|_| trusted) {
                        *since = None;
                        let change = changes.entry(venue).or_default();
                        change.1.push(pair);
                        change.2 = change.2.max(now.since(lost));
                    }
                }
            }
        }
        let books = |pairs: &[String]| match pairs {
            [pair] => format!("{pair} is"),
            many if many.len() <= BOOKS_TOGETHER => format!("{} are", many.join(", ")),
            many => format!("{} books are", many.len()),
        };
        for (venue, (lost, again, longest)) in changes {
            if !lost.is_empty() {
                let them = if lost.len() == 1 { "it" } else { "them" };
                view.strike(&format!("{venue}: {} not trusted: no deals on {them}", books(&lost)), wall);
            }
            if !again.is_empty() {
                view.strike(&format!("{venue}: {} trusted again after {}", books(&again), short(longest)), wall);
            }
        }
    }

    /// How many struck, by kind.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

/// Takes what began since the last call from every venue of a world.
pub fn collect(world: &mut World, to: &SyncSender<Struck>) {
    for index in 0..world.venue_count() {
        let venue = world.venue(index).id.clone();
        for fault in world.take_begun_faults(index) {
            // A full board loses the line, never the fault.
            let _ = to.try_send(Struck { venue: venue.clone(), fault });
        }
    }
}

/// The kind, as the configuration writes it.
pub fn kind(fault: &TimedFault) -> &'static str {
    match fault {
        TimedFault::Silence { .. } => "silence",
        TimedFault::Gaps { .. } => "gaps",
        TimedFault::StaleBooks { .. } => "stale_books",
        TimedFault::SlowDeepBooks { .. } => "slow_deep_books",
        TimedFault::StaleBalances { .. } => "stale_balances",
        TimedFault::HiddenOrders { .. } => "hidden_orders",
        TimedFault::ForgottenOrders { .. } => "forgotten_orders",
        TimedFault::TooManyRequests { .. } => "too_many_requests",
        TimedFault::LostReplies { .. } => "lost_replies",
        TimedFault::DoubledPrivate { .. } => "doubled_private",
        TimedFault::ReorderedPrivate { .. } => "reordered_private",
        TimedFault::Unserved { .. } => "unserved",
        TimedFault::CrossedFrames { .. } => "crossed_frames",
        TimedFault::CrossedBooks { how: Crossing::Crossed, .. } => "crossed_books",
        TimedFault::CrossedBooks { how: Crossing::Locked, .. } => "locked_books",
        TimedFault::Tampered { target, .. } => match target {
            TamperTarget::Book | TamperTarget::BookReply => "absurd_books",
            TamperTarget::BookTicker => "absurd_tickers",
            TamperTarget::Orders => "absurd_orders",
            TamperTarget::Fills => "absurd_fills",
            TamperTarget::Balances | TamperTarget::Accounts => "absurd_balances",
            TamperTarget::OrderReply => "absurd_replies",
        },
        TimedFault::Halt { .. } => "halt",
        TimedFault::CoarserRules { .. } => "coarser_rules",
        TimedFault::Delisted { .. } => "delisted",
        TimedFault::FilledCancels { .. } => "filled_cancels",
        TimedFault::ClosedCancels { .. } => "closed_cancels",
        TimedFault::DustFills { .. } => "dust_fills",
        TimedFault::HalfFills { .. } => "half_fills",
        TimedFault::Fees { .. } => "fees",
        TimedFault::Refusals { .. } => "refusals",
        TimedFault::StaleAnswers { .. } => "stale_answers",
        TimedFault::ChangedAmounts { .. } => "changed_amounts",
        TimedFault::ChangedPrices { .. } => "changed_prices",
        TimedFault::LostFills { .. } => "lost_fills",
        TimedFault::MutedPrivate { .. } => "muted_private",
        TimedFault::ExpiredLogins => "expired_logins",
        TimedFault::StaleOrders { .. } => "stale_orders",
        TimedFault::ForeignTrade { .. } => "foreign_trade",
        TimedFault::Deposit { .. } => "deposit",
        TimedFault::Withdrawal { .. } => "withdrawal",
        TimedFault::LowerLimits { .. } => "lower_limits",
        TimedFault::BareRefusals { .. } => "bare_refusals",
        TimedFault::Ban { .. } => "ban",
        TimedFault::BrokenReplies { .. } => "broken_replies",
        TimedFault::Maintenance { .. } => "maintenance",
        TimedFault::MassCancel => "mass_cancel",
        TimedFault::ClockStep { step_ns, .. } if *step_ns < 0 => "clock_behind",
        TimedFault::ClockStep { .. } => "clock_ahead",
        TimedFault::ClockDrift { .. } => "clock_drift",
        TimedFault::Upgrade { .. } => "upgrade",
        TimedFault::Cut => "cut",
    }
}
