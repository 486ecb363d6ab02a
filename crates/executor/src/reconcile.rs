//! Comparing with the venues: at start, after every reconnect, every minute, and at the end.
//!
//! A *round* asks for the open orders and for the trades of every listed pair, and when those are in, for the balances: so that
//! whatever the ledger lacks was booked before it is compared. A round that ends with equal balances makes the venue ready (if
//! it began after the private link came up or became suspect (`proof.rs`), and the key's rights fit). One that does not is repeated after two seconds.
//!
//! Balances are primary from fills; a statement is a check (F29). It is compared only when no order there is unsettled and the
//! ledger last moved before the statement was asked for; one with an older version than was seen, or asked before one that was
//! compared, is ignored. A
//! difference that outlasts the grace time is drift: told, and the venue pauses until a comparison is equal again. Stream
//! statements only say which versions exist.
//!
//! A statement is *taken over* only at start, and by a rule over the inputs alone, so that folding the log takes over the same:
//! - A venue whose balances were never adopted: at the first comparable statement that was asked for within a second of all trades
//!   ([`FIRST_WINDOW`]). When those hold some (from the last minute), the statement may lag behind them, and when the stream told a change of
//!   balances, they may lag behind the statement: then, and when the two reads are never so close, as after a restart. A trade from before
//!   the statement may still be listed after it, with nothing told by the stream: until the trades of its pair were asked for once more,
//!   a visibility window later, somebody else's trade is told and not booked, and the balances are taken over anew, as after a restart.
//! - A restart: when comparable statements stay the same and differ from the ledger for the whole grace time; or when a person
//!   resumed after drift.

use crate::{
    Executor, Outbox, StopRequest,
    deals::Deal,
    proof::{PrivateProof, Suspicion},
    reads::{RETRY_LAST, Read},
    refusals::Refusals,
    registry::Orders,
};
use domain::mutants::{self, Mutant};
use domain::time::{MILLI, SECOND};
use domain::{
    AccountFacts, Amount, AssetId, BalanceReport, BalanceSource, ClientOrderId, Command, ErrorClass, Fill, LinkChange, LinkRole,
    LinkState, MonoNanos, Notice, OrderSource, PairId, ReadFailure, ReadKind, StopKind, StopReason, TradesReport, UnixNanos,
    VenueId, VenueOrderId,
};
use risk::Market;
use std::collections::{BTreeMap, BTreeSet};

/// The last one for fees of which some came and some did not: each time all of them are read once more.
const FEES_RETRY_LAST: u64 = 60 * SECOND;
/// Time to the next round after one that did not end equal.
const ROUND_AGAIN: u64 = 2 * SECOND;
/// The longest time between the questions for trades and for balances that a first ledger begins with: what somebody trades between
/// them is in the balances, and would be booked once more when it is listed.
const FIRST_WINDOW: u64 = SECOND;
/// And so much more for each pair, whose trades are a question each, within the venue's limits.
const FIRST_WINDOW_PAIR: u64 = 50 * MILLI;
/// Time between two reads of the fee rates.
const FEES_EVERY: u64 = 600 * SECOND;
/// A venue whose private link is lost for this long is taken to be closed for maintenance (F34).
const DOWN_AFTER: u64 = 30 * SECOND;
/// Trades are read from this long before the time from which some may be missing: clocks differ, lists lag.
pub(crate) const TRADES_OVERLAP_NS: i64 = 60 * SECOND as i64;
/// Foreign open orders remembered, so that each is counted once; past it they are counted again.
const FOREIGN_ORDERS_MAX: usize = 1_024;

/// Trades of one listed pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TradesRead {
    read: Read,
    /// The venue lists the pair.
    pub(crate) listed: bool,
    /// Trades before this wall time were all read.
    pub(crate) covered: Option<UnixNanos>,
    /// Trades before this wall time were all booked, their ids forgotten.
    pub(crate) forgotten: Option<UnixNanos>,
    /// When the last question was asked, by our clock and by the wall.
    asked: Option<(MonoNanos, UnixNanos)>,
    /// When a list came that was asked for so long after the statement which the ledger began with that no later one can show what was in it.
    past_base: Option<MonoNanos>,
    /// The venue refused to list them since it does not know the pair (any more).
    unknown_pair: bool,
    /// Not waited for: the pair is gone, and nothing of ours can be missing there ([`Executor::see_gone_pairs`]).
    gone: bool,
    /// It was told that the pair is gone and something of ours with it.
    gone_told: bool,
}

/// Whether, and on what, a venue's statement may be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// Never adopted: there is no ledger yet.
    First,
    /// A ledger from the log, or a person's leave.
    Allowed,
    /// The ledger stands; differences are drift.
    Done,
}

/// Balances that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drift {
    since: MonoNanos,
    told: bool,
}

/// What is known of one venue's account.
#[derive(Clone, Debug)]
pub(crate) struct VenueState {
    pub(crate) venue: VenueId,
    link_up: bool,
    /// When the private link came up, or the process woke up.
    up_at: Option<MonoNanos>,
    /// Since when the private link is lost, after it was up.
    lost_at: Option<MonoNanos>,
    account: Read,
    fees: Read,
    fees_at: MonoNanos,
    /// Pairs whose rates came since the last failure.
    fees_of: BTreeSet<PairId>,
    open_orders: Read,
    balances: Read,
    pub(crate) trades: BTreeMap<PairId, TradesRead>,
    facts: Option<AccountFacts>,
    /// The round under way: when it began, and when its balances were asked.
    round: Option<(MonoNanos, Option<MonoNanos>)>,
    next_round_at: MonoNanos,
    /// Beginning of the last round that ended equal.
    equal_round: Option<MonoNanos>,
    /// When the last comparable statement was asked for.
    compared: Option<MonoNanos>,
    last_equal: bool,
    lost_intents: bool,
    /// Read completely, and equal, since the link came up or became suspect; the key's rights fit.
    read: bool,
    /// It was so once since this process began.
    was_read: bool,
    /// Placements that it refused.
    pub(crate) refusals: Refusals,
    /// It takes no requests until then.
    banned_until: Option<MonoNanos>,
    /// The same, and the link is believed: openings are allowed.
    ready: bool,
    told_ready: bool,
    told_drift: bool,
    /// The engine holds the venue for closed; until it is ready again.
    told_down: bool,
    pub(crate) adoption: Adoption,
    /// The statement that differs from the ledger, unchanged since it was asked.
    steady: Option<(MonoNanos, Vec<Amount>)>,
    /// Trades from just before the first start were seen, which the balances may not show yet; or a change of balances, whose trade may not
    /// have been listed yet.
    recent_history: bool,
    /// When the statement came that the ledger began with, in the life that took it over.
    base_at: Option<MonoNanos>,
    drift: Option<Drift>,
    moved_at: Option<MonoNanos>,
    versions: BTreeMap<AssetId, u64>,
    pub(crate) foreign_orders: BTreeSet<VenueOrderId>,
    pub(crate) reconciled: Option<bool>,
    pub(crate) proof: PrivateProof,
}

impl VenueState {
    pub(crate) fn new(venue: VenueId) -> VenueState {
        VenueState {
            venue,
            link_up: false,
            up_at: None,
            lost_at: None,
            account: Read::default(),
            fees: Read::default(),
            fees_at: MonoNanos(0),
            fees_of: BTreeSet::new(),
            open_orders: Read::default(),
            balances: Read::default(),
            trades: BTreeMap::new(),
            facts: None,
            round: None,
            next_round_at: MonoNanos(0),
            equal_round: None,
            compared: None,
            last_equal: false,
            lost_intents: false,
            read: false,
            was_read: false,
            refusals: Refusals::default(),
            banned_until: None,
            ready: false,
            told_ready: false,
            told_drift: false,
            told_down: false,
            adoption: Adoption::First,
            steady: None,
            recent_history: false,
            base_at: None,
            drift: None,
            moved_at: None,
            versions: BTreeMap::new(),
            foreign_orders: BTreeSet::new(),
            reconciled: None,
            proof: PrivateProof::default(),
        }
    }

    pub(crate) fn ready(&self) -> bool {
        self.ready
    }

    /// Nothing that our orders did there is missing here.
    pub(crate) fn is_read(&self) -> bool {
        self.read
    }

    /// What the log of an earlier process may lack of it is here.
    pub(crate) fn was_read(&self) -> bool {
        self.was_read
    }

    /// The venue takes no requests until then.
    pub(crate) fn banned(&mut self, until: MonoNanos) {
        self.banned_until = self.banned_until.max(Some(until));
    }

    pub(crate) fn is_banned(&self, now: MonoNanos) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    /// Compare at the latest then.
    pub(crate) fn want_round_by(&mut self, at: MonoNanos) {
        self.next_round_at = self.next_round_at.min(at);
    }

    pub(crate) fn link_up(&self) -> bool {
        self.link_up
    }

    pub(crate) fn ever_up(&self) -> bool {
        self.up_at.is_some()
    }

    /// Whether the private link was up when something was placed, and is the same still.
    pub(crate) fn came_up_by(&self, placed: MonoNanos) -> bool {
        self.link_up && self.up_at.is_some_and(|up| up <= placed)
    }

    /// The planted bug `NoReconcile` forgets what was placed before the link came up.
    pub(crate) fn came_up_after(&self, placed: MonoNanos) -> bool {
        self.up_at.is_some_and(|up| up >= placed)
    }

    pub(crate) fn facts(&self) -> Option<AccountFacts> {
        self.facts
    }

    pub(crate) fn has_ledger(&self) -> bool {
        self.adoption != Adoption::First
    }

    /// Whether an execution of then was booked, and its id forgotten since.
    pub(crate) fn has_forgotten(&self, pair: PairId, at: UnixNanos) -> bool {
        self.trades.get(&pair).and_then(|trades| trades.forgotten).is_some_and(|before| at < before)
    }

    /// A trade from before the ledger was seen.
    pub(crate) fn history_seen(&mut self) {
        self.recent_history = true;
    }

    /// Whether the balances that the ledger began with may hold a trade of somebody else's already: it may have been listed, or told, this much
    /// later than they were.
    pub(crate) fn may_hold_already(&self, fill: &Fill, visibility_window_ns: u64) -> bool {
        let past = self.trades.get(&fill.pair).and_then(|trades| trades.past_base);
        self.base_at.is_some_and(|base| match fill.source {
            OrderSource::Stream => fill.received <= base.after(visibility_window_ns),
            OrderSource::Reply | OrderSource::Query | OrderSource::Edge => past.is_none_or(|past| fill.received <= past),
        })
    }

    /// What the venue states is taken over again, once it stays the same.
    pub(crate) fn doubt_ledger(&mut self, now: MonoNanos) {
        self.adoption = Adoption::Allowed;
        self.want_round_by(now.after(ROUND_AGAIN));
    }

    pub(crate) fn lists(&self, pair: PairId) -> bool {
        self.trades.get(&pair).is_some_and(|trades| trades.listed)
    }

    pub(crate) fn list_pair(&mut self, pair: PairId) {
        self.trades.entry(pair).or_default().listed = true;
    }

    pub(crate) fn want_open_orders(&mut self, now: MonoNanos) {
        self.open_orders.want(now);
    }

    pub(crate) fn want_fees(&mut self, now: MonoNanos) {
        self.fees.want(now);
    }

    pub(crate) fn want_trades(&mut self, pair: PairId, now: MonoNanos) {
        self.trades.entry(pair).or_default().read.want(now);
    }

    /// Begin a round at the next decision, whatever the schedule says.
    pub(crate) fn want_round(&mut self, now: MonoNanos) {
        self.round = None;
        self.next_round_at = now;
    }

    /// Whether the final comparison of a shutdown is done.
    pub(crate) fn compared_since(&self, quiet: MonoNanos) -> bool {
        let equal = self.last_equal && self.equal_round.is_some_and(|from| from >= quiet);
        let given_up = self.drift.is_some_and(|drift| drift.told) && self.compared.is_some_and(|at| at >= quiet);
        !self.ever_up() || equal || given_up
    }

    pub(crate) fn ledger_moved(&mut self, at: MonoNanos) {
        self.moved_at = self.moved_at.max(Some(at));
    }

    pub(crate) fn lost_intent_seen(&mut self, now: MonoNanos) {
        self.lost_intents = true;
        (self.read, self.ready) = (false, false);
        self.open_orders.want(now);
    }

    /// True the first time that a foreign open order is seen.
    pub(crate) fn foreign_order_is_new(&mut self, id: VenueOrderId) -> bool {
        if self.foreign_orders.len() >= FOREIGN_ORDERS_MAX {
            self.foreign_orders.clear();
        }
        self.foreign_orders.insert(id)
    }

    pub(crate) fn open_orders_told(&mut self, requested: MonoNanos, lost_intents: bool) {
        if self.open_orders.answered.is_none_or(|newest| requested >= newest) {
            self.lost_intents = lost_intents;
        }
        self.open_orders.answer(requested);
    }

    pub(crate) fn trades_told(&mut self, report: &TradesReport, visibility_window_ns: u64, now: MonoNanos) {
        let past_base = self.base_at.is_some_and(|base| report.requested >= base.after(visibility_window_ns));
        let trades = self.trades.entry(report.pair).or_default();
        if !report.complete {
            trades.read.fail(now);
            return;
        }
        (trades.unknown_pair, trades.gone, trades.gone_told) = (false, false, false);
        trades.read.answer(report.requested);
        if past_base {
            trades.past_base.get_or_insert(now);
        }
        // Folding the log we do not know when it was asked by the wall clock: then it is covered from where it began.
        // The answer may be to an earlier question than the last: a long list is asked for again while it is read, and what was executed
        // since it began is on no page of it.
        let asked = trades.asked.map(|(at, wall)| UnixNanos(wall.0.saturating_sub_unsigned(at.since(report.requested))));
        trades.covered = trades.covered.max(Some(asked.unwrap_or(report.since)));
    }

    pub(crate) fn account_told(&mut self, facts: &AccountFacts, now: MonoNanos) {
        self.facts = Some(*facts);
        self.account.answer(now);
    }

    /// Rates come pair by pair. The first ones end the question; only when all have come without a failure between them are earlier
    /// failures past, or a pair whose rates can never be read would have all others read for ever at the shortest back-off.
    pub(crate) fn fees_told(&mut self, pair: PairId) {
        self.fees.wanted = None;
        self.fees_of.insert(pair);
        if self.trades.iter().all(|(pair, trades)| !trades.listed || self.fees_of.contains(pair)) {
            self.fees.failures = 0;
            self.fees_of.clear();
        }
    }

    pub(crate) fn read_failed(&mut self, failure: &ReadFailure, now: MonoNanos) {
        match failure.read {
            ReadKind::Balances => self.balances.fail(now),
            ReadKind::OpenOrders => self.open_orders.fail(now),
            ReadKind::Trades { pair, .. } => {
                let trades = self.trades.entry(pair).or_default();
                trades.unknown_pair |= failure.class == ErrorClass::SymbolClosed;
                // Of one that is gone every round asks once.
                if trades.gone { trades.read.drop_want() } else { trades.read.fail(now) }
            }
            ReadKind::Fees => {
                // The first rates ended the question: the others are still wanted.
                self.fees.want(now);
                let some_came = !self.fees_of.is_empty();
                self.fees.fail_until(if some_came { FEES_RETRY_LAST } else { RETRY_LAST }, now);
                self.fees_of.clear();
            }
            ReadKind::Account => self.account.fail(now),
            ReadKind::Time => {}
        }
    }

    pub(crate) fn link_changed(&mut self, change: &LinkChange, now: MonoNanos) {
        if change.role != LinkRole::Private {
            return;
        }
        match change.state {
            LinkState::Up => {
                self.link_up = true;
                self.lost_at = None;
                self.proof.link_changed();
                self.up_at = Some(change.at);
                self.account.want(now);
                self.want_round(now);
            }
            LinkState::Lost => {
                self.link_up = false;
                self.lost_at = self.lost_at.or(self.ever_up().then_some(change.at));
                self.proof.link_changed();
                self.round = None;
            }
            LinkState::Paused => {
                // The link may still stand, but what it carried while we slept is old: read everything again.
                if self.link_up {
                    self.proof.link_changed();
                    self.up_at = Some(change.at);
                    self.account.want(now);
                    self.want_round(now);
                }
            }
        }
        (self.read, self.ready) = (false, false);
    }

    pub(crate) fn allow_adoption(&mut self) {
        if self.adoption == Adoption::Done && self.drift.is_some() {
            self.adoption = Adoption::Allowed;
        }
    }

    /// A new process: its clock starts anew, links are down, and the ledger of the log may be behind the venue.
    pub(crate) fn restart(&mut self, wall: UnixNanos) {
        let adoption = if self.adoption == Adoption::First { Adoption::First } else { Adoption::Allowed };
        let trades = std::mem::take(&mut self.trades).into_iter().map(|(pair, trades)| {
            let covered = trades.covered.or((wall > UnixNanos(0)).then_some(wall));
            (pair, TradesRead { covered, forgotten: trades.forgotten, ..TradesRead::default() })
        });
        *self = VenueState {
            adoption,
            trades: trades.collect(),
            foreign_orders: std::mem::take(&mut self.foreign_orders),
            ..VenueState::new(self.venue)
        };
    }

    fn listed(&self) -> impl Iterator<Item = &TradesRead> {
        self.trades.values().filter(|trades| trades.listed)
    }

    /// Every listed pair's trades were read since `from`, but for pairs that are gone; false while no pair is listed.
    fn trades_read_since(&self, from: MonoNanos) -> bool {
        self.listed().next().is_some() && self.listed().all(|trades| trades.gone || trades.read.answered_since(from))
    }

    fn rights_fit(&self) -> bool {
        let told = self.up_at.is_some_and(|up| self.account.answered_since(up));
        told && self.facts.is_some_and(|facts| facts.can_withdraw != Some(true) && facts.can_trade != Some(false))
    }

    /// One step of the round, if one is due or under way.
    fn drive_round(&mut self, now: MonoNanos, period: u64) {
        if !self.link_up {
            return;
        }
        if self.round.is_none() && now >= self.next_round_at {
            self.round = Some((now, None));
            self.trades.values_mut().filter(|trades| trades.gone).for_each(|trades| trades.read.want(now));
        }
        let Some((from, balances_from)) = self.round else { return };
        if !self.open_orders.answered_since(from) {
            self.open_orders.want(now);
        }
        for trades in self.trades.values_mut().filter(|trades| trades.listed && !trades.gone && !trades.read.answered_since(from))
        {
            trades.read.want(now);
        }
        if !self.open_orders.answered_since(from) || !self.trades_read_since(from) {
            return;
        }
        let Some(balances_from) = balances_from else {
            self.balances.want(now);
            self.round = Some((from, Some(now)));
            return;
        };
        if !self.balances.answered_since(balances_from) {
            self.balances.want(now);
            return;
        }
        let equal = self.last_equal && self.compared.is_some_and(|at| at >= balances_from);
        if equal {
            self.equal_round = Some(from);
        }
        self.round = None;
        self.next_round_at = now.after(if equal { period } else { ROUND_AGAIN });
    }

    pub(crate) fn deadline(&self) -> Option<MonoNanos> {
        if !self.ever_up() {
            return None;
        }
        let round = (self.link_up && self.round.is_none()).then_some(self.next_round_at);
        let reads = [self.account.deadline(), self.open_orders.deadline(), self.balances.deadline(), self.fees.deadline(), round];
        let trades = self.trades.values().filter_map(|trades| trades.read.deadline());
        let down = self.lost_at.filter(|_| !self.told_down).map(|at| at.after(DOWN_AFTER));
        reads.into_iter().flatten().chain(trades).chain([self.fees_at]).chain(self.proof.deadline()).chain(down).min()
    }
}

/// Whether a venue has a part in a deal: a leg, an order, or what was last dealt.
fn has_part(orders: &Orders, deal: &Deal, venue: VenueId) -> bool {
    let ordered = |id: &ClientOrderId| orders.get(*id).is_some_and(|order| order.terms.venue == venue);
    [deal.buy, deal.sell, deal.dealt_at.0, deal.dealt_at.1].contains(&venue) || deal.orders().iter().any(ordered)
}

impl Executor {
    /// Time passes for every venue's account: rounds, reads, readiness.
    pub(crate) fn reconcile(&mut self, now: MonoNanos, market: &Market, out: &mut Outbox) {
        for index in 0..self.venues.len() {
            let venue = VenueId(index as u8);
            for pair in self.tables.pair_ids() {
                if market.at(venue, pair).rules.is_some() {
                    self.venues[index].list_pair(pair);
                }
            }
            if !self.venues[index].ever_up() {
                continue;
            }
            self.see_gone_pairs(venue, market, out);
            let mut mute = false;
            let state = &mut self.venues[index];
            if now >= state.fees_at {
                state.fees.want(now);
                state.fees_at = now.after(FEES_EVERY);
            }
            if mutants::active(Mutant::NoReconcile) && state.has_ledger() && self.quiet_since.is_none() {
                state.round = None;
                state.next_round_at = now.after(self.config.reconcile_period_ns);
                (state.read, state.ready) = (state.link_up, state.link_up);
            } else {
                if let Some(suspicion) = state.proof.became_suspect(now) {
                    (state.read, state.ready) = (false, false);
                    state.want_round(now);
                    mute |= suspicion == Suspicion::Again;
                }
                state.drive_round(now, self.config.reconcile_period_ns);
                state.proof.end_hold(now);
                let since = state.up_at.max(state.proof.suspect_since());
                let equal_since = state.equal_round.zip(since).is_some_and(|(from, since)| from >= since);
                state.read = state.link_up && (state.read || equal_since) && !state.lost_intents && state.rights_fit();
                state.ready = state.read && !state.proof.holds(now);
            }
            state.was_read |= state.read;
            let heard = state.proof.is_proven();
            if mute {
                self.pause_for_a_person(StopReason::StreamUnproven, venue, None, out);
            } else if heard {
                self.end_pause(StopReason::StreamUnproven, venue, out);
            }
            self.ask(venue, now, out);
            self.tell_venue(venue, now, out);
        }
    }

    /// A pair that a venue knows no more would be read there without end, and keep the venue from ever being ready. No round waits for it
    /// once everything says that it is gone and that nothing of ours is missing there: the venue refuses to list its trades, its rules allow
    /// neither direction, every order of ours on it there is settled, and no open deal has a part there. Nothing else is forgotten: its trades are
    /// asked for once in a round, and waited for again, from where they are covered, once its rules open it or a list comes.
    ///
    /// Where there is an order or a deal of ours, the venue stays as it is, not ready, and a person is told.
    fn see_gone_pairs(&mut self, venue: VenueId, market: &Market, out: &mut Outbox) {
        let Some(state) = self.venues.get_mut(venue.index()) else { return };
        let mut with_ours = Vec::new();
        for (pair, trades) in state.trades.iter_mut().filter(|(_, trades)| trades.unknown_pair) {
            let closed = market.at(venue, *pair).rules.is_some_and(|rules| !rules.can_buy && !rules.can_sell);
            let ours = self.orders.active_on(venue).any(|order| order.terms.pair == *pair)
                || self.orders.early.iter().any(|fill| (fill.venue, fill.pair) == (venue, *pair))
                || self.deals.open_deals().any(|deal| deal.pair == *pair && has_part(&self.orders, deal, venue));
            let gone = closed && !ours;
            if gone && !trades.gone {
                trades.read.drop_want();
            }
            trades.gone = gone;
            if closed && ours && !std::mem::replace(&mut trades.gone_told, true) {
                with_ours.push(*pair);
            }
        }
        for pair in with_ours {
            self.pause_for_a_person(StopReason::RulesChanged, venue, Some(pair), out);
        }
    }

    /// Sends the reads that are due.
    fn ask(&mut self, venue: VenueId, now: MonoNanos, out: &mut Outbox) {
        let wall = self.wall;
        let Some(state) = self.venues.get_mut(venue.index()) else { return };
        let mut read = |read: ReadKind| out.commands.push(Command::Read { venue, read });
        if state.account.due(now) {
            read(ReadKind::Account);
        }
        if state.fees.due(now) {
            read(ReadKind::Fees);
        }
        if state.open_orders.due(now) {
            read(ReadKind::OpenOrders);
        }
        if state.balances.due(now) {
            read(ReadKind::Balances);
        }
        for (pair, trades) in &mut state.trades {
            if !trades.read.due(now) {
                continue;
            }
            if wall <= UnixNanos(0) {
                trades.read.next_at = now.after(100 * MILLI); // no wall time was told yet
                continue;
            }
            let floors = self.orders.active_on(venue).filter(|order| order.terms.pair == *pair).map(|order| order.wall_floor);
            let from = floors.chain(trades.covered).chain([wall]).min().unwrap_or(wall);
            trades.asked = Some((now, wall));
            read(ReadKind::Trades { pair: *pair, since: UnixNanos(from.0.saturating_sub(TRADES_OVERLAP_NS).max(0)) });
        }
    }

    /// Tells what changed about a venue: ready or not, drifting or not.
    fn tell_venue(&mut self, venue: VenueId, now: MonoNanos, out: &mut Outbox) {
        let grace = self.config.balance_grace_ns;
        let fills_missing = self
            .orders
            .active_on(venue)
            .any(|order| order.is_done() && !order.is_settled() && now.since(order.ended_at) >= grace);
        let Some(state) = self.venues.get_mut(venue.index()) else { return };
        if state.ready != state.told_ready {
            state.told_ready = state.ready;
            if state.ready {
                out.notices.push(Notice::Reconciled { venue });
                out.stops.push(StopRequest::clear(StopKind::Freeze, StopReason::StreamUnproven, Some(venue), None));
            } else {
                out.stops.push(StopRequest::set(StopKind::Freeze, StopReason::StreamUnproven, Some(venue), None));
            }
        }
        let down = !state.ready && (state.told_down || state.lost_at.is_some_and(|at| now.since(at) >= DOWN_AFTER));
        if down != state.told_down {
            state.told_down = down;
            let change = if down { StopRequest::set } else { StopRequest::clear };
            out.stops.push(change(StopKind::Pause, StopReason::VenueMaintenance, Some(venue), None));
        }
        let drifting = fills_missing || state.drift.is_some_and(|drift| drift.told) || state.refusals.funds_doubted();
        if drifting != state.told_drift {
            state.told_drift = drifting;
            let change = if drifting { StopRequest::set } else { StopRequest::clear };
            out.stops.push(change(StopKind::Pause, StopReason::LedgerDrift, Some(venue), None));
        }
    }

    /// Compares a statement with the ledger.
    pub(crate) fn compare_balances(&mut self, now: MonoNanos, report: &BalanceReport, out: &mut Outbox) {
        let venue = report.venue;
        let Some(state) = self.venues.get_mut(venue.index()) else { return };
        let seen = |versions: &BTreeMap<AssetId, u64>, asset: AssetId| versions.get(&asset).copied().unwrap_or(0);
        let stale =
            report.entries.iter().any(|entry| entry.version.is_some_and(|version| version < seen(&state.versions, entry.asset)));
        for entry in &report.entries {
            if let Some(version) = entry.version {
                let newest = version.max(seen(&state.versions, entry.asset));
                state.versions.insert(entry.asset, newest);
            }
        }
        if report.source == BalanceSource::Stream {
            // Somebody trades while the venue is read for the first time: a statement may hold what the trades that were read before it
            // do not, and it would be booked once more when it is listed.
            if state.adoption == Adoption::First {
                state.history_seen();
            }
            return;
        }
        state.balances.answer(report.requested);
        let trades_read = state.up_at.is_some_and(|up| state.trades_read_since(up));
        let moved = state.moved_at.is_some_and(|at| at >= report.requested);
        let unsettled = self.orders.active_on(venue).next().is_some() || self.orders.early.iter().any(|fill| fill.venue == venue);
        let starting = state.adoption != Adoption::Done;
        let outrun = state.compared.is_some_and(|at| report.requested < at);
        if stale || outrun || moved || unsettled || (starting && !trades_read) {
            return;
        }
        let assets = self.tables.assets.len();
        let (mut stated, mut locked) = (vec![Amount::ZERO; assets], vec![Amount::ZERO; assets]);
        for entry in &report.entries {
            if let (Some(total), Some(held)) = (stated.get_mut(entry.asset.index()), locked.get_mut(entry.asset.index())) {
                let Some(sum) = entry.available.checked_add(entry.locked) else { return };
                (*total, *held) = (sum, entry.locked);
            }
        }
        state.compared = Some(report.requested);
        let window = FIRST_WINDOW + FIRST_WINDOW_PAIR * state.listed().count() as u64;
        let close = state.trades_read_since(MonoNanos(report.requested.0.saturating_sub(window)));
        let ledger = &self.ledger;
        let differs = |(index, stated): &(usize, &Amount)| ledger.holding(venue, AssetId(*index as u16)).total != **stated;
        let equal = !stated.iter().enumerate().any(|entry| differs(&entry));
        let steady_since = match &state.steady {
            Some((since, before)) if *before == stated => *since,
            _ => report.requested,
        };
        let steady = report.requested.since(steady_since) >= self.config.balance_grace_ns;
        let adopt = match state.adoption {
            Adoption::First => (close && !state.recent_history) || equal || steady,
            Adoption::Allowed => !equal && steady,
            Adoption::Done => false,
        };
        let external = state.adoption == Adoption::Allowed;
        if adopt && !external {
            state.base_at = Some(report.received);
        }
        state.steady = (state.adoption != Adoption::Done && !adopt && !equal).then(|| (steady_since, stated.clone()));
        let equal = equal || adopt;
        state.last_equal = equal;
        state.reconciled = Some(equal);
        if equal {
            state.adoption = Adoption::Done;
            state.drift = None;
            state.refusals.compared_equal(report.requested);
        } else if state.adoption == Adoption::Done {
            let drift = state.drift.get_or_insert(Drift { since: report.received, told: false });
            if !drift.told && report.received.since(drift.since) >= self.config.balance_grace_ns {
                drift.told = true;
                for (index, stated) in stated.iter().enumerate().filter(differs) {
                    let asset = AssetId(index as u16);
                    out.notices.push(Notice::Drift { venue, asset, ledger: ledger.holding(venue, asset).total, stated: *stated });
                }
            }
        }
        if !equal {
            state.next_round_at = state.next_round_at.min(now.after(ROUND_AGAIN));
            return;
        }
        for (index, (stated, locked)) in stated.iter().zip(&locked).enumerate() {
            let asset = AssetId(index as u16);
            if adopt {
                let before = self.ledger.adopt(venue, asset, *stated);
                if before != *stated {
                    out.notices.push(Notice::Adopted { venue, asset, before, after: *stated, external });
                }
            }
            // No order of ours is unsettled here, so whatever is locked is not ours.
            self.ledger.set_elsewhere(venue, asset, *locked);
        }
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
