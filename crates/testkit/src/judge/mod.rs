//! The judges: invariants asserted from outside the engine, against the venues' own ledgers, the wire monitor, and what the harness
//! itself saw delivered and written.
//!
//! [`Judge`] is told everything as it happens; each check names its [`Invariant`] and says what was seen. [`at_rest`] holds the
//! checks of a run that has ended, [`replay`] the check that its logs give the run again.

pub mod at_rest;
pub mod books;
pub mod orders;
pub mod replay;

use crate::log_tap::Logged;
use crate::process::Process;
use crate::venues::BOOK_AGE_MAX_NS;
use books::{Deliveries, VenueBooks};
use domain::{MonoNanos, Notice, Purpose, StopKind, Tables, VenueId};
use orders::OrderBookkeeping;
use sim_exchange::world::World;
use std::fmt;
use std::sync::Arc;

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
    /// I9: an intent is written before its bytes leave.
    IntentFirst,
    /// I10: an order's state never goes back.
    OrdersForward,
    /// I11: an order never has more executed than it asked for.
    NoOverfill,
    /// I12: a live book is the venue's book.
    BooksTrue,
    /// I16: no panic, no endless loop; failed assertions of the engine end here.
    NoPanic,
    /// I17: the same run twice is the same, and its logs give it again.
    Deterministic,
    /// I18: once faults are off, everything is known, flat and ready in bounded time; nothing needs a person.
    Converges,
    /// I19: the venues neither lost nor made money.
    Conserved,
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
            Invariant::IntentFirst => "I9",
            Invariant::OrdersForward => "I10",
            Invariant::NoOverfill => "I11",
            Invariant::BooksTrue => "I12",
            Invariant::NoPanic => "I16",
            Invariant::Deterministic => "I17",
            Invariant::Converges => "I18",
            Invariant::Conserved => "I19",
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
    books_compared: u64,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(tables: Arc<Tables>) -> Judge {
        Judge {
            books: VenueBooks::new(tables.clone()),
            deliveries: Deliveries::default(),
            orders: OrderBookkeeping::default(),
            books_compared: 0,
            tables,
        }
    }

    /// Live books compared with the venue's own.
    pub fn books_compared(&self) -> u64 {
        self.books_compared
    }

    /// The world may have changed.
    pub fn watch(&mut self, world: &World) {
        self.books.record(world);
    }

    /// The engine decided; `logged` is what this step has written, `notices` what it told.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn after_step(&mut self, process: &Process, now: MonoNanos, logged: &[Logged], notices: &[Notice]) -> Check {
        self.check_books(process)?;
        for entry in logged {
            match entry {
                Logged::Intent(order) => {
                    self.orders.decided(order)?;
                    if order.purpose == Purpose::Open {
                        self.check_freshness(process, order.venue, order.pair, now)?;
                    }
                }
                Logged::Fill(fill) => self.orders.fill_told(fill)?,
            }
        }
        for notice in notices {
            if let Notice::Stopped { kind: StopKind::Latch, reason, .. } = notice {
                return broken(
                    Invariant::Converges,
                    format!("latched for {reason}: a person would have to look, and nothing happened that needs one"),
                );
            }
            self.orders.noticed(notice)?;
        }
        self.orders.check_booked()
    }

    fn check_freshness(&self, process: &Process, venue: VenueId, pair: domain::PairId, now: MonoNanos) -> Check {
        let name = self.name(venue, pair);
        if !process.node.engine().market().at(venue, pair).book.is_live() {
            return broken(Invariant::BooksFresh, format!("an opening was decided on the book of {name}, which is not live"));
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
                format!("an opening was decided on the book of {name}, of which nothing came since its link was lost"),
            ),
        }
    }

    fn check_books(&mut self, process: &Process) -> Check {
        for venue in self.tables.clone().venue_ids() {
            for pair in self.tables.clone().pair_ids() {
                let book = process.node.engine().market().at(venue, pair).book.book();
                if book.is_live() {
                    self.books_compared += 1;
                    let name = self.name(venue, pair);
                    self.books
                        .compare(venue, pair, book)
                        .or_else(|text| broken(Invariant::BooksTrue, format!("{name}: {text}")))?;
                }
            }
        }
        Ok(())
    }

    fn name(&self, venue: VenueId, pair: domain::PairId) -> String {
        let symbol = self.tables.pair(pair).map(|info| info.symbol.to_string()).unwrap_or_default();
        format!("{symbol} on {}", self.tables.venue(venue))
    }
}
