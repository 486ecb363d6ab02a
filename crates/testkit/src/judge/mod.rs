//! The judges: invariants asserted from outside the engine, against the venues' own ledgers, the wire monitor, and what the harness
//! itself saw delivered and written.
//!
//! [`Judge`] is told everything as it happens; each check names its [`Invariant`] and says what was seen. [`at_rest`] holds the
//! checks of a run that has ended, [`replay`] the check that its logs give the run again.

pub mod alerts;
pub mod at_rest;
pub mod books;
pub mod exposure;
pub mod feeds;
pub mod orders;
mod ownership;
pub mod replay;
pub mod wire;

use crate::log_tap::Logged;
use crate::process::Process;
use crate::venues::{BOOK_AGE_MAX_NS, Bounds, Setup};
use alerts::Alerts;
use books::{Deliveries, VenueBooks};
use domain::time::MILLI;
use domain::{ClientOrderId, MonoNanos, Notice, OrderOutcome, Purpose, StopReason, Tables, VenueId};
use exposure::Exposures;
use feeds::FeedWatch;
use orders::OrderBookkeeping;
use sim_exchange::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use venue::Transmit;
use wire::WireWatch;

/// Inputs that may wait for a step at most; more would be a queue without a bound (I16).
const PENDING_MAX: usize = 4_096;

/// What must hold in every run (the numbers are those of the project's list of invariants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I1: at rest the engine's balances are the venues', to the digit.
    LedgerIsTrue,
    /// I2: every trade of our accounts is booked, once.
    FillsBookedOnce,
    /// I3: no client order id is used twice.
    IdsUnique,
    /// I4: no opening is decided on a book that is not live or too old.
    BooksFresh,
    /// I5: what may be unhedged at worst never exceeds the limits.
    ExposureBounded,
    /// I6: exposure above dust is closed or told in time.
    ExposureShort,
    /// I7: every order is within the limits, as it arrives and as it was meant.
    WireWithinLimits,
    /// I8: no opening leaves while the latch holds.
    LatchHolds,
    /// I9: an intent is written before its bytes leave.
    IntentFirst,
    /// I10: an order's state never goes back.
    OrdersForward,
    /// I11: an order never has more executed than it asked for.
    NoOverfill,
    /// I12: a live book is the venue's book.
    BooksTrue,
    /// I13: a feed that broke is trusted again in time, and within the budget of requests.
    FeedsRecover,
    /// I14: rate limits of the venues are kept, and their waits.
    LimitsRespected,
    /// I15: no secret is anywhere but where it must be.
    SecretsKept,
    /// I16: no panic, no endless loop; failed assertions of the engine end here.
    NoPanic,
    /// I17: the same run twice is the same, and its logs give it again.
    Deterministic,
    /// I18: once faults are off, everything is known, flat and ready in bounded time; nothing needs a person.
    Converges,
    /// I19: the venues neither lost nor made money.
    Conserved,
    /// I20: each condition that stops something raises exactly one alert.
    AlertsOnce,
    /// Every opportunity has exactly one verdict.
    VerdictsAddUp,
}

impl Invariant {
    /// The number in the project's list.
    pub const fn code(self) -> &'static str {
        match self {
            Invariant::LedgerIsTrue => "I1",
            Invariant::FillsBookedOnce => "I2",
            Invariant::IdsUnique => "I3",
            Invariant::BooksFresh => "I4",
            Invariant::ExposureBounded => "I5",
            Invariant::ExposureShort => "I6",
            Invariant::WireWithinLimits => "I7",
            Invariant::LatchHolds => "I8",
            Invariant::IntentFirst => "I9",
            Invariant::OrdersForward => "I10",
            Invariant::NoOverfill => "I11",
            Invariant::BooksTrue => "I12",
            Invariant::FeedsRecover => "I13",
            Invariant::LimitsRespected => "I14",
            Invariant::SecretsKept => "I15",
            Invariant::NoPanic => "I16",
            Invariant::Deterministic => "I17",
            Invariant::Converges => "I18",
            Invariant::Conserved => "I19",
            Invariant::AlertsOnce => "I20",
            Invariant::VerdictsAddUp => "verdicts",
        }
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When, virtual nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({:?}) at {}.{:09} s: {}",
            self.invariant.code(),
            self.invariant,
            self.at_ns / 1_000_000_000,
            self.at_ns % 1_000_000_000,
            self.text
        )
    }
}

impl std::error::Error for Violation {}

/// The outcome of a check: what did not hold, before its time is known.
pub type Check = Result<(), (Invariant, String)>;

/// Fails a check.
pub(crate) fn broken<T>(invariant: Invariant, text: impl Into<String>) -> Result<T, (Invariant, String)> {
    Err((invariant, text.into()))
}

/// Watches a run.
#[derive(Debug)]
pub struct Judge {
    tables: Arc<Tables>,
    /// Every state that a venue's book ever had.
    pub books: VenueBooks,
    /// When the engine last got bytes of a book.
    pub deliveries: Deliveries,
    /// Every order and fill.
    pub orders: OrderBookkeeping,
    /// Every deal.
    pub exposures: Exposures,
    /// Stops as ordered and told.
    pub alerts: Alerts,
    /// Bytes.
    pub wire: WireWatch,
    /// Feeds.
    pub feeds: FeedWatch,
    /// Unknown orders since when, virtual nanoseconds.
    unknown_since: BTreeMap<ClientOrderId, (VenueId, u64)>,
    known_after: Vec<u64>,
    /// A book that the venue changed this long ago is too old to open on.
    behind_max_ns: u64,
    order_hidden_ns: u64,
    books_compared: u64,
    /// The state log of this life has failed.
    blind: bool,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(setup: &Setup) -> Judge {
        let (tables, bounds) = (setup.tables.clone(), setup.bounds());
        Judge {
            books: VenueBooks::new(tables.clone(), setup.book_depths(), setup.halts.clone()),
            deliveries: Deliveries::default(),
            orders: OrderBookkeeping::default(),
            exposures: Exposures::new(tables.clone(), setup.rules.clone(), bounds),
            alerts: Alerts::default(),
            wire: WireWatch::new(
                tables.clone(),
                bounds,
                setup.secrets(),
                setup.speech.clone(),
                setup.refusals_are_ours,
                setup.banning.clone(),
            ),
            feeds: FeedWatch::new(tables.clone()),
            unknown_since: BTreeMap::new(),
            known_after: Vec::new(),
            behind_max_ns: setup.behind_max_ns,
            order_hidden_ns: setup.order_hidden_ns,
            books_compared: 0,
            blind: false,
            tables,
        }
    }

    /// Live books compared with the venue's own.
    pub fn books_compared(&self) -> u64 {
        self.books_compared
    }

    /// How long accepted orders whose reply was lost stayed unknown, counted from the first instant that a stream or a look-up could
    /// show them, nanoseconds.
    pub fn known_after(&self) -> &[u64] {
        &self.known_after
    }

    /// A new process begins on logs that [`OrderBookkeeping::new_life`] has read.
    pub fn new_life(&mut self, setup: &Setup, process: &Process) {
        self.deliveries.new_process();
        if std::mem::take(&mut self.blind) {
            self.exposures.lost_sight();
        }
        self.exposures.new_life(self.orders.ended_in_log());
        self.wire.new_life();
        self.bounds_changed(setup.bounds());
        self.feeds.new_life();
        self.alerts.new_life(process.node.engine().stops());
        self.unknown_since.clear();
    }

    /// The engine is held to these from its next decision on.
    pub fn bounds_changed(&mut self, bounds: Bounds) {
        self.exposures.bounds_changed(bounds);
        self.wire.bounds_changed(bounds);
    }

    /// The world may have changed.
    ///
    /// # Errors
    /// I7, for what arrived at a venue.
    pub fn watch(&mut self, world: &World) -> Check {
        self.books.record(world);
        let orders = &self.orders;
        self.wire.arrivals(world, |text| orders.terms(text))
    }

    /// Bytes leave the engine; `blind` when its state log has failed.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn leaves(&mut self, t_ns: u64, venue: VenueId, transmit: &Transmit, placed: Option<Option<&str>>, blind: bool) -> Check {
        self.wire.leaves(t_ns, venue, transmit)?;
        let Some(text) = placed else { return Ok(()) };
        self.orders.leaves(text, blind)?;
        let opening = text.and_then(|text| self.orders.terms(text)).filter(|terms| terms.purpose == Purpose::Open);
        match opening {
            Some(terms) => self.alerts.opening(&format!("the bytes of the opening {} leave", terms.client_id)),
            None => Ok(()),
        }
    }

    /// The engine decided; `logged` is what this step has written, `notices` what it told.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn after_step(
        &mut self,
        process: &Process,
        world: &World,
        (now, t_ns): (MonoNanos, u64),
        logged: &[Logged],
        notices: &[Notice],
        obstructed: impl Fn(VenueId) -> bool,
    ) -> Check {
        self.check_books(process)?;
        if process.state.has_failed() {
            return self.after_blind_step(process, now, notices, obstructed);
        }
        self.exposures.hear_last_words(process);
        // Latched before this step, or ordered to: nothing it decides may open.
        let opens = logged.iter().any(|entry| matches!(entry, Logged::Intent(order) if order.purpose == Purpose::Open));
        if opens {
            self.alerts.opening("an opening was decided")?;
        }
        // In the engine's order: what was told to it, what it made of that, what it then decided.
        for entry in logged {
            if let Logged::Executed(id, filled) = entry {
                self.exposures.executed_told(*id, *filled);
            }
            if let Logged::Fill(fill) = entry {
                let named = fill.client_id.is_some();
                let fill = ownership::owned(world, fill);
                self.orders.fill_told(&fill, named)?;
                let mut holdings = process.node.engine().executor().ledger().holdings();
                if !holdings.any(|(venue, _, holding)| venue == fill.venue && !holding.total.is_zero()) {
                    self.orders.is_history(&fill);
                }
                let booked = notices.iter().find_map(|notice| match notice {
                    Notice::Filled { deal, venue, pair, side, price, qty }
                        if (*venue, *pair, *side, *price, *qty) == (fill.venue, fill.pair, fill.side, fill.price, fill.qty) =>
                    {
                        Some(*deal)
                    }
                    _ => None,
                });
                self.exposures.fill_told(&fill, booked.is_some());
                if let Some(deal) = booked.flatten() {
                    self.exposures.fill_booked(deal, &fill);
                }
            }
        }
        for notice in notices {
            self.orders.noticed(notice)?;
            self.exposures.noticed(notice);
            if let Notice::Order { client_id, venue, outcome: OrderOutcome::Unknown, .. } = notice {
                self.unknown_since.insert(*client_id, (*venue, t_ns));
            }
        }
        self.orders.check_booked()?;
        for notice in notices {
            self.alerts.noticed(notice)?;
        }
        for entry in logged {
            if let Logged::Intent(order) = entry {
                self.orders.decided(order)?;
                if order.purpose == Purpose::Open {
                    self.check_freshness(process, order.venue, order.pair, (now, t_ns))?;
                }
                self.exposures.decided(order, now)?;
            }
        }
        self.orders.check_open(process.node.engine().executor().orders_open())?;
        if !self.unknown_since.is_empty() {
            self.time_unknown(world, process, t_ns);
        }
        self.alerts.after_step(process.node.engine().stops())?;
        let escalated = [StopReason::UnhedgedTime, StopReason::UnknownOrder].iter().any(|reason| self.alerts.paused_for(*reason));
        self.exposures.after_step(now, escalated)?;
        self.feeds.after_step(process, now, obstructed)?;
        if process.node.pending_inputs() > PENDING_MAX {
            return broken(Invariant::NoPanic, format!("{} inputs wait for a step", process.node.pending_inputs()));
        }
        for notice in notices {
            self.wire.check_kept("a notice", format!("{notice:?}").as_bytes())?;
        }
        Ok(())
    }

    /// The state log has failed: what this step was told and decided is nowhere to be read. What is left to judge until the next life is
    /// that it is told, that nothing opens, and everything that needs no log; what it did meanwhile is judged by the venues' books at rest.
    fn after_blind_step(
        &mut self,
        process: &Process,
        now: MonoNanos,
        notices: &[Notice],
        obstructed: impl Fn(VenueId) -> bool,
    ) -> Check {
        for notice in notices {
            self.orders.noticed_blind(notice)?;
            self.alerts.noticed(notice)?;
            self.wire.check_kept("a notice", format!("{notice:?}").as_bytes())?;
        }
        self.alerts.after_step(process.node.engine().stops())?;
        // Told in the step after the one whose write failed.
        if std::mem::replace(&mut self.blind, true) && !self.alerts.paused_for(StopReason::StateLog) {
            return broken(Invariant::AlertsOnce, "the state log has failed, and no pause was told");
        }
        self.feeds.after_step(process, now, obstructed)?;
        if process.node.pending_inputs() > PENDING_MAX {
            return broken(Invariant::NoPanic, format!("{} inputs wait for a step", process.node.pending_inputs()));
        }
        Ok(())
    }

    /// How long orders that the venue took, and of which nothing was known for a while, stayed unknown: from the moment that the venue would
    /// show one to a look-up, until the engine holds it for known.
    fn time_unknown(&mut self, world: &World, process: &Process, t_ns: u64) {
        let open = process.node.engine().executor().orders_open();
        let unknown: BTreeSet<ClientOrderId> = open.filter(|order| order.unknown).map(|order| order.client_id).collect();
        let (order_hidden_ns, known_after) = (self.order_hidden_ns, &mut self.known_after);
        self.unknown_since.retain(|client_id, (venue, since)| {
            if unknown.contains(client_id) {
                return true;
            }
            let exchange = world.exchange(venue.index());
            let account = world.account(venue.index());
            let by_text = |text: &str| exchange.order_by_text(account, text);
            if let Some(order) = by_text(&format!("t-{client_id}")).or_else(|| by_text(&client_id.to_string())) {
                known_after.push(t_ns.saturating_sub((*since).max(order.create_t_ns + order_hidden_ns)));
            }
            false
        });
    }

    fn check_freshness(&self, process: &Process, venue: VenueId, pair: domain::PairId, (now, t_ns): (MonoNanos, u64)) -> Check {
        let name = self.name(venue, pair);
        let book = process.node.engine().market().at(venue, pair).book.book();
        if !book.is_live() {
            return broken(Invariant::BooksFresh, format!("an opening was decided on the book of {name}, which is not live"));
        }
        let shown = book.overlay_id().unwrap_or(book.id());
        if let Some(behind) = self.books.behind_ns(venue, pair, shown, t_ns).filter(|behind| *behind > self.behind_max_ns) {
            return broken(
                Invariant::BooksFresh,
                format!("an opening was decided on the book of {name}, which the venue changed {} ms ago", behind / MILLI),
            );
        }
        match self.deliveries.age_ns(venue, pair, now) {
            Some(age) if age <= BOOK_AGE_MAX_NS => Ok(()),
            Some(age) => broken(
                Invariant::BooksFresh,
                format!(
                    "an opening was decided on the book of {name}, whose last byte came {age} ns ago; {BOOK_AGE_MAX_NS} is the most"
                ),
            ),
            None => broken(
                Invariant::BooksFresh,
                format!(
                    "an opening was decided on the book of {name}, of which nothing came since its link was lost or the process slept"
                ),
            ),
        }
    }

    /// Compares the live books that got anything since the last step; all others were compared when they did.
    fn check_books(&mut self, process: &Process) -> Check {
        for (venue, pair) in process.market.take_touched() {
            let book = process.node.engine().market().at(venue, pair).book.book();
            if book.is_live() {
                self.books_compared += 1;
                let verdict = self.books.compare(venue, pair, book);
                verdict.or_else(|text| broken(Invariant::BooksTrue, format!("{}: {text}", self.name(venue, pair))))?;
            }
        }
        Ok(())
    }

    fn name(&self, venue: VenueId, pair: domain::PairId) -> String {
        let symbol = self.tables.pair(pair).map(|info| info.symbol.to_string()).unwrap_or_default();
        format!("{symbol} on {}", self.tables.venue(venue))
    }
}
