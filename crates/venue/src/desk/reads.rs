//! Lists and tables over REST: balances, open orders, executions, fees, rights of the key.
//!
//! A read that fails in a way that may pass is asked once more by itself; then `ReadFailed` says so and the engine decides. Lists
//! come in pages; a list that did not reach its last page within its bound never passes for complete.

use super::order_names::{NamesTold, OrderName};
use super::rows::{OrderRow, Stamp};
use super::what::{Answer, Asked, InFlight, What};
use super::wire::{AccountAnswer, Page, Wire};
use super::{Desk, Outgoing};
use crate::json::Reject;
use domain::{
    BalanceReport, BalanceSource, ErrorClass, Fill, Input, MonoNanos, OpenOrdersReport, OrderSource, OrderUpdate, PairId,
    ReadFailure, ReadKind, TradeId, TradesReport, UnixNanos,
};
use std::collections::BTreeSet;

/// Executions that one list tells at most: it is one record of the log.
const FILLS_MAX: usize = 50_000;

/// A list of open orders being read.
#[derive(Clone, Debug)]
pub struct OpenOrdersRead {
    /// The page that is asked for, from one on.
    pub page: u32,
    /// The venue's name of it.
    pub cursor: String,
    requested: Option<MonoNanos>,
    orders: Vec<OrderUpdate>,
    elsewhere: u32,
}

/// A list of executions being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradesRead {
    /// Of which pair.
    pub pair: PairId,
    /// The page that is asked for, from one on.
    pub page: u32,
    /// The venue's name of it.
    pub cursor: String,
    since: UnixNanos,
    /// The oldest that the venue keeps, by its clock; zero where that is not known.
    kept: UnixNanos,
    /// How far our wall clock, which `since` was read from, is ahead of the venue's; zero while it is behind.
    ahead_ns: i64,
    requested: Option<MonoNanos>,
    /// It reached its last page.
    complete: bool,
    pub(super) fills: Vec<Fill>,
    /// The ids of these.
    known: BTreeSet<TradeId>,
    /// What is known of the orders behind them, where it had to be asked for.
    pub(super) names: NamesTold,
}

impl TradesRead {
    /// The list of a pair's executions since a time of our clock, from its first page.
    pub const fn new(pair: PairId, since: UnixNanos) -> TradesRead {
        TradesRead {
            pair,
            page: 1,
            cursor: String::new(),
            since,
            kept: UnixNanos(0),
            ahead_ns: 0,
            requested: None,
            complete: false,
            fills: Vec::new(),
            known: BTreeSet::new(),
            names: NamesTold::NONE,
        }
    }

    /// Where the list begins, by the venue's clock where ours is ahead: from a time that has not come yet nothing would be listed (F36).
    /// Where ours is behind, the list is only longer.
    pub fn from(&self) -> UnixNanos {
        UnixNanos(self.since.0.saturating_sub(self.ahead_ns)).max(self.kept)
    }

    /// What was asked for.
    pub(super) const fn kind(&self) -> ReadKind {
        ReadKind::Trades { pair: self.pair, since: self.since }
    }

    /// Since when it tells all: not since earlier than the venue keeps.
    fn told_since(&self) -> UnixNanos {
        if self.kept.0 == 0 { self.since } else { self.since.max(UnixNanos(self.kept.0.saturating_add(self.ahead_ns))) }
    }

    /// The venue keeps executions for so long.
    pub(super) fn keeps(&mut self, kept_ns: i64, venue_ns: i64) {
        self.kept = UnixNanos(venue_ns.saturating_sub(kept_ns).max(0));
    }

    /// Tells all that another list of the pair is asked for, on whichever page either is.
    pub(super) fn covers(&self, other: &TradesRead) -> bool {
        self.pair == other.pair && self.since <= other.since
    }

    /// Takes another list in that is on its first page, too: it begins with the earlier of both.
    pub(super) fn begins_with(&mut self, other: &TradesRead) -> bool {
        let same = (self.pair, self.page, other.page) == (other.pair, 1, 1);
        if same {
            self.since = self.since.min(other.since);
        }
        same
    }

    pub(super) fn clock_is_ahead(&mut self, ahead_ns: i64) {
        self.ahead_ns = ahead_ns.max(0);
    }
}

fn kind_of<O>(what: &What<O>) -> Option<ReadKind> {
    Some(match what {
        What::Time(_) => ReadKind::Time,
        What::Balances => ReadKind::Balances,
        What::OpenOrders(_) => ReadKind::OpenOrders,
        What::Trades(read) => read.kind(),
        What::OrderNames(read) => read.trades.kind(),
        What::Fees { .. } => ReadKind::Fees,
        What::Account { .. } => ReadKind::Account,
        What::Place { .. }
        | What::Amend(_)
        | What::Cancel(_)
        | What::CancelAll(_)
        | What::LookUp { .. }
        | What::DeadMan { .. }
        | What::Rules(_)
        | What::Own(_) => return None,
    })
}

impl<W: Wire> Desk<W> {
    /// Reads what the engine, or a doubt of the session, asks for.
    pub fn submit_read(&mut self, read: ReadKind, now: MonoNanos, updates: &mut Vec<Input>) {
        if read == ReadKind::Time {
            return self.read_time(now);
        }
        let known = match read {
            ReadKind::Trades { pair, .. } => self.wire.lists(pair),
            _ => true,
        };
        if !self.wire.has_keys() || !known {
            let class = if known { ErrorClass::AuthFatal } else { ErrorClass::SymbolClosed };
            return updates.push(Input::ReadFailed(ReadFailure { venue: self.venue, read, class, received: now }));
        }
        let what = match read {
            ReadKind::Balances => What::Balances,
            ReadKind::OpenOrders => {
                let cursor = String::new();
                What::OpenOrders(OpenOrdersRead { page: 1, cursor, requested: None, orders: Vec::new(), elsewhere: 0 })
            }
            ReadKind::Trades { pair, since } => What::Trades(TradesRead::new(pair, since)),
            ReadKind::Fees => match self.pairs.first().copied() {
                // One list at a time: of a venue that does not answer, each would wait for its time-outs beside the others.
                Some(_) if self.fees_are_read() => return self.fees_wanted = true,
                Some(pair) => What::Fees { index: 0, pair, failed: None },
                None => return,
            },
            ReadKind::Account => What::Account { step: 0 },
            ReadKind::Time => return,
        };
        self.ask_once(what);
    }

    /// Asks for the fees of the pair at this position. Past the last one the list is over.
    fn ask_fees(&mut self, index: usize, failed: Option<ErrorClass>, now: MonoNanos, updates: &mut Vec<Input>) {
        match self.pairs.get(index).copied() {
            Some(pair) => self.ask(What::Fees { index, pair, failed }),
            None => self.fees_end(failed, now, updates),
        }
    }

    /// The list of fees is over. What could not be read is told, and the engine asks again; if it asked meanwhile, that counts from now.
    fn fees_end(&mut self, failed: Option<ErrorClass>, now: MonoNanos, updates: &mut Vec<Input>) {
        let wanted = std::mem::take(&mut self.fees_wanted);
        if let Some(class) = failed {
            updates.push(Input::ReadFailed(ReadFailure { venue: self.venue, read: ReadKind::Fees, class, received: now }));
        } else if wanted {
            self.submit_read(ReadKind::Fees, now, updates);
        }
    }

    /// A list of fees is under way, further than its beginning that still waits to leave.
    fn fees_are_read(&self) -> bool {
        let is_fees = |what: &What<W::Own>, from: usize| matches!(what, What::Fees { index, .. } if *index >= from);
        let queued = self.queue.iter().filter_map(|out| if let Outgoing::Ask(asked) = out { Some(asked) } else { None });
        let mut waiting = queued.chain(self.later.iter().map(|(_, asked)| asked));
        waiting.any(|asked| is_fees(&asked.what, 1)) || self.in_flight.values().any(|flight| is_fees(&flight.asked.what, 0))
    }

    pub(super) fn on_read_answer(
        &mut self,
        flight: InFlight<W::Own>,
        answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let InFlight { asked, sent, venue_ns, .. } = flight;
        let body = match answer {
            Answer::Failed(_) => return self.read_failed(asked, ErrorClass::Unknown, now, updates),
            Answer::Http { status, body } => match self.wire.failure(status, body) {
                None => body,
                Some(failure) => {
                    if let What::Account { step } = asked.what
                        && self.wire.account_withheld(step, &failure)
                    {
                        return self.ask(What::Account { step: step + 1 });
                    }
                    self.on_clock_skew(failure.class, now);
                    self.on_refused(&asked.what, &failure, now, updates);
                    // A pair that the venue knows no more: its rules say so, or that it does.
                    if let Some(ReadKind::Trades { pair, .. }) = kind_of(&asked.what)
                        && failure.class == ErrorClass::SymbolClosed
                    {
                        self.rules_doubted(pair, failure.class, now);
                    }
                    return self.read_failed(asked, failure.class, now, updates);
                }
            },
        };
        let stamp = Stamp { source: OrderSource::Query, received: now, requested: sent };
        let venue = self.venue;
        if let What::Trades(read) = &asked.what {
            let told = self.wire.trades(read, venue_ns, body, stamp);
            return self.on_trades_page(asked, told, sent, now, updates);
        }
        if let What::OrderNames(_) = &asked.what {
            let told = self.wire.order_names(body);
            return self.on_order_names(asked, told, venue_ns, now, updates);
        }
        let outcome = match &asked.what {
            What::Balances => self.wire.balances(body).map(|entries| {
                let source = BalanceSource::Query;
                updates.push(Input::Balances(BalanceReport { venue, source, requested: sent, received: now, entries }));
            }),
            What::OpenOrders(read) => {
                let read = read.clone();
                self.wire.open_orders(body, stamp).map(|page| self.on_open_orders(read, page, sent, now, updates))
            }
            What::Fees { index, pair, failed } => {
                let (index, pair, failed) = (*index, *pair, *failed);
                self.wire.fees(body, pair).map(|rates| {
                    updates.push(Input::Fees(rates));
                    self.ask_fees(index + 1, failed, now, updates);
                })
            }
            What::Account { step } => {
                let step = *step;
                self.wire.account(step, body).map(|told| match told {
                    AccountAnswer::Facts(facts) => updates.push(Input::Account(facts)),
                    AccountAnswer::AskNext => self.ask(What::Account { step: step + 1 }),
                })
            }
            _ => Ok(()),
        };
        if let Err(reject) = outcome {
            self.stats.reject(reject.reason);
            self.read_failed(asked, ErrorClass::Unknown, now, updates);
        }
    }

    fn on_open_orders(
        &mut self,
        mut read: OpenOrdersRead,
        page: Page<OrderRow>,
        sent: MonoNanos,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let requested = *read.requested.get_or_insert(sent);
        for row in page.rows {
            self.order_names.note(&row.update);
            self.tell_other_terms(&row, updates);
            read.orders.push(row.update);
        }
        read.elsewhere = read.elsewhere.saturating_add(page.elsewhere);
        if !page.more {
            let OpenOrdersRead { orders, elsewhere, .. } = read;
            updates.push(Input::OpenOrders(OpenOrdersReport { venue: self.venue, requested, received: now, orders, elsewhere }));
        } else if read.page >= W::PROFILE.open_orders_pages_max {
            let (venue, read, class) = (self.venue, ReadKind::OpenOrders, ErrorClass::Unknown);
            updates.push(Input::ReadFailed(ReadFailure { venue, read, class, received: now }));
        } else {
            read.page += 1;
            read.cursor = page.cursor;
            self.ask(What::OpenOrders(read));
        }
    }

    /// A page of executions, which goes on with the list that it is of: a long one is not copied for each.
    fn on_trades_page(
        &mut self,
        asked: Asked<W::Own>,
        told: Result<Page<Fill>, Reject>,
        sent: MonoNanos,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        match (told, asked) {
            (Ok(page), Asked { what: What::Trades(read), .. }) => self.on_trades(read, page, sent, now, updates),
            (Ok(_), _) => {}
            (Err(reject), asked) => {
                self.stats.reject(reject.reason);
                self.read_failed(asked, ErrorClass::Unknown, now, updates);
            }
        }
    }

    /// A page of the orders behind a list of executions, which goes on with that list; not copied for each either.
    fn on_order_names(
        &mut self,
        mut asked: Asked<W::Own>,
        told: Result<Vec<OrderName>, Reject>,
        venue_ns: i64,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let What::OrderNames(read) = &mut asked.what else { return };
        let came = told.map(|page| self.order_names_came(read, &page, venue_ns));
        match (came, asked) {
            (Ok(true), Asked { what: What::OrderNames(read), .. }) => self.tell_trades(read.trades, now, updates),
            (Ok(_), asked) => self.read_failed(asked, ErrorClass::Unknown, now, updates),
            (Err(reject), asked) => {
                self.stats.reject(reject.reason);
                self.read_failed(asked, ErrorClass::Unknown, now, updates);
            }
        }
    }

    fn on_trades(&mut self, mut read: TradesRead, page: Page<Fill>, sent: MonoNanos, now: MonoNanos, updates: &mut Vec<Input>) {
        read.requested.get_or_insert(sent);
        // Executions between two pages shift rows: the same one may come twice, none is skipped.
        for fill in page.rows {
            if read.known.insert(fill.trade_id) {
                read.fills.push(fill);
            }
        }
        if page.more && read.page < W::PROFILE.trades_pages_max && read.fills.len() < FILLS_MAX {
            read.page += 1;
            read.cursor = page.cursor;
            return self.ask(What::Trades(read));
        }
        read.complete = !page.more;
        self.tell_trades(read, now, updates);
    }

    /// Tells a list of executions, once it is known whose they are.
    fn tell_trades(&mut self, read: TradesRead, now: MonoNanos, updates: &mut Vec<Input>) {
        let Some(read) = self.trades_named(read, now, updates) else { return };
        let since = read.told_since();
        let TradesRead { pair, requested, complete, fills, .. } = read;
        let requested = requested.unwrap_or(now);
        updates.push(Input::Trades(TradesReport { venue: self.venue, pair, requested, received: now, since, complete, fills }));
    }

    pub(super) fn read_failed(&mut self, asked: Asked<W::Own>, class: ErrorClass, now: MonoNanos, updates: &mut Vec<Input>) {
        let Err(asked) = self.try_again(asked, class, now) else { return };
        match (&asked.what, class) {
            // A key that is refused, and a limit that is used up, are about all pairs.
            (What::Fees { .. }, ErrorClass::AuthFatal | ErrorClass::RateLimited) => self.fees_end(Some(class), now, updates),
            // Anything else may be about this one, and keeps no other's rates away.
            (What::Fees { index, failed, .. }, _) => self.ask_fees(index + 1, failed.or(Some(class)), now, updates),
            (what, _) => {
                if let Some(read) = kind_of(what) {
                    updates.push(Input::ReadFailed(ReadFailure { venue: self.venue, read, class, received: now }));
                }
            }
        }
    }
}
