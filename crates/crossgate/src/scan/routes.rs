//! The routes of a live scan: every pair bought on one venue and sold on another, judged by the gates of the engine, at one size.
//!
//! A route *pays* while nothing but an account is missing: then its verdict is `balance`, as for recorded streams. Before that the
//! first gate counts, in the order of the contract; a size below a venue's minimum, or above what a book holds, is `min_size`.
//! Start at [`Routes::take`] and [`Routes::judge`].

use domain::{
    Amount, BookBody, BookUpdate, Command, FeeRates, Input, InstrumentKind, InstrumentRules, LinkRole, LinkState, MonoNanos,
};
use domain::{Notice, PairId, Rate, ResyncReason, Tables, VenueId, Verdict, Waterfall};
use risk::Market;
use spread_detector::tracker::VERDICTS;
use spread_detector::{Assessment, DetectorConfig, Group, LegView, Tracker, assess, collar_reference, edge_at_value};
use std::sync::Arc;

/// How long a route paid, in runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Runs.
    pub episodes: u64,
    /// Their time together, nanoseconds, the one that holds up to the last look.
    pub nanos: u64,
    /// The longest, nanoseconds.
    pub longest_ns: u64,
    since: Option<MonoNanos>,
    seen: u64,
}

impl Lifetime {
    fn look(&mut self, pays: bool, now: MonoNanos) {
        if let Some(since) = self.since {
            let lasted = now.since(since);
            self.nanos += lasted.saturating_sub(self.seen);
            self.longest_ns = self.longest_ns.max(lasted);
            self.seen = lasted;
        }
        match (pays, self.since) {
            (true, None) => {
                self.episodes += 1;
                (self.since, self.seen) = (Some(now), 0);
            }
            (false, Some(_)) => self.since = None,
            _ => {}
        }
    }
}

/// One route and what was seen of it.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Which pair.
    pub pair: PairId,
    /// Where it is bought.
    pub buy: VenueId,
    /// Where it is sold.
    pub sell: VenueId,
    /// The costs at the size, at the last look; `None` when a book did not hold it.
    pub now: Option<Waterfall>,
    /// The best net at the size, and the verdict then.
    pub best: Option<(Waterfall, Verdict)>,
    /// The verdict at the last look.
    pub verdict: Verdict,
    /// When it paid.
    pub pays: Lifetime,
}

/// Reasons for which a book is fetched anew.
const RESYNCS: usize = ResyncReason::ALL.len();

/// What came of one book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookCounts {
    /// Whole books and increments.
    pub changes: u64,
    /// Best prices told apart from the book.
    pub tops: u64,
    /// Times it was fetched anew, in the order of [`ResyncReason::ALL`].
    pub resyncs: [u64; RESYNCS],
    /// When the first of its changes came.
    since: Option<MonoNanos>,
}

impl BookCounts {
    fn take(&mut self, update: &BookUpdate) {
        match update.body {
            BookBody::Snapshot { .. } | BookBody::Delta { .. } => {
                self.changes += 1;
                self.since.get_or_insert(update.received);
            }
            BookBody::Top { .. } => self.tops += 1,
            BookBody::Untrusted { reason } => {
                if let Some(count) = self.resyncs.get_mut(reason as usize) {
                    *count += 1;
                }
            }
            BookBody::Evidence { .. } => {}
        }
    }

    /// Changes in a thousand seconds, from its first one until `ended`.
    pub fn changes_per_1000_s(&self, ended: MonoNanos) -> u64 {
        let nanos = self.since.map_or(0, |since| ended.since(since));
        let changes = u128::from(self.changes.saturating_sub(1)) * 1_000_000_000_000;
        u64::try_from(changes.checked_div(u128::from(nanos)).unwrap_or_default()).unwrap_or(u64::MAX)
    }

    /// Reasons and times.
    pub fn resyncs(&self) -> impl Iterator<Item = (ResyncReason, u64)> + '_ {
        ResyncReason::ALL.iter().copied().zip(self.resyncs).filter(|(_, count)| *count > 0)
    }
}

/// All routes, their books and rules.
pub struct Routes {
    tables: Arc<Tables>,
    market: Market,
    config: DetectorConfig,
    size: Amount,
    routes: Vec<Route>,
    /// Where the routes of each pair begin and end.
    spans: Vec<(usize, usize)>,
    dirty: Vec<bool>,
    tracker: Tracker,
    notices: Vec<Notice>,
    /// What came of each book: all pairs of a venue, then those of the next.
    counts: Vec<BookCounts>,
}

impl Routes {
    /// The routes between the venues of `rules`, which charge `fees`, at a size in quote.
    pub fn new(
        tables: Arc<Tables>,
        rules: &[InstrumentRules],
        fees: &[FeeRates],
        config: DetectorConfig,
        size: Amount,
    ) -> Routes {
        let mut market = Market::new(tables.clone());
        rules.iter().for_each(|one| market.at_mut(one.venue, one.pair).rules = Some(*one));
        fees.iter().for_each(|one| market.at_mut(one.venue, one.pair).fees = Some(*one));
        let (mut routes, mut spans) = (Vec::new(), Vec::new());
        for pair in tables.pair_ids() {
            let begin = routes.len();
            let lists = |venue: VenueId| market.at(venue, pair).rules.is_some();
            for buy in tables.venue_ids().filter(|venue| lists(*venue)) {
                for sell in tables.venue_ids().filter(|venue| *venue != buy && lists(*venue)) {
                    let (now, best) = (None, None);
                    let pays = Lifetime::default();
                    routes.push(Route { pair, buy, sell, now, best, verdict: Verdict::Untrusted, pays });
                }
            }
            spans.push((begin, routes.len()));
        }
        let (pairs, venues) = (tables.pairs.len(), tables.venues.len());
        Routes {
            market,
            config,
            size,
            routes,
            spans,
            dirty: vec![false; pairs],
            tracker: Tracker::new(pairs, venues),
            notices: Vec::new(),
            counts: vec![BookCounts::default(); venues * pairs],
            tables,
        }
    }

    /// Takes what a session said. A book that broke a rule is to be fetched anew: the command says so.
    pub fn take(&mut self, now: MonoNanos, input: &Input) -> Option<Command> {
        match input {
            Input::Book(update) => {
                self.touch(update.pair);
                let place = update.venue.index() * self.tables.pairs.len() + update.pair.index();
                if let Some(counts) = self.counts.get_mut(place) {
                    counts.take(update);
                }
                let (venue, pair) = (update.venue, update.pair);
                let fault = self.market.handle_book(update).err()?;
                return Some(Command::Resync { venue, pair, reason: fault.reason() });
            }
            Input::Link(change) if change.role == LinkRole::Public && change.state != LinkState::Up => {
                for pair in self.tables.clone().pair_ids() {
                    self.market.at_mut(change.venue, pair).book.drop_trust();
                    self.touch(pair);
                }
            }
            Input::Rules(rules) => {
                self.market.at_mut(rules.venue, rules.pair).rules = Some(*rules);
                self.touch(rules.pair);
            }
            Input::Clock(offset) => self.market.handle_clock(now, offset),
            _ => {}
        }
        None
    }

    fn touch(&mut self, pair: PairId) {
        if let Some(flag) = self.dirty.get_mut(pair.index()) {
            *flag = true;
        }
    }

    /// Judges the pairs that changed; all of them when `all`, since books age without a frame.
    pub fn judge(&mut self, now: MonoNanos, all: bool) {
        for pair in self.tables.clone().pair_ids() {
            if std::mem::replace(&mut self.dirty[pair.index()], false) || all {
                self.judge_pair(pair, now);
            }
        }
        self.notices.clear();
    }

    fn judge_pair(&mut self, pair: PairId, now: MonoNanos) {
        let Some(info) = self.tables.pair(pair) else { return };
        let (scale, is_spot) = (info.scale, info.kind == InstrumentKind::Spot);
        let group = if is_spot { Group::Tradable } else { Group::NotTradableKind };
        let books = self.market.venues_of(pair).iter().map(|cell| &cell.book);
        let reference = collar_reference(books, self.config.book_age_max_ns, now);
        let (begin, end) = self.spans[pair.index()];
        for index in begin..end {
            let Route { buy, sell, .. } = self.routes[index];
            let leg = |venue: VenueId, buying: bool| {
                let cell = self.market.at(venue, pair);
                LegView {
                    venue,
                    book: &cell.book,
                    taker: cell.fees.map(|fees| fees.taker),
                    fee_in_received: true,
                    open: cell.rules.is_some_and(|rules| if buying { rules.can_buy } else { rules.can_sell }),
                }
            };
            let (from, to) = (leg(buy, true), leg(sell, false));
            let found = assess(&self.config, scale, group, &reference, &from, &to, now);
            let sized = edge_at_value(&self.config, scale, &from, &to, self.size);
            let verdict = self.verdict(pair, buy, sell, found.as_ref(), sized.as_ref());
            self.tracker.observe(pair, buy, sell, now, found.as_ref(), verdict, false, &mut self.notices);
            let route = &mut self.routes[index];
            (route.now, route.verdict) = (sized, verdict);
            if let Some(seen) = sized.filter(|seen| route.best.is_none_or(|(best, _)| seen.net_rate > best.net_rate)) {
                route.best = Some((seen, verdict));
            }
            route.pays.look(verdict == Verdict::Balance, now);
        }
    }

    fn verdict(
        &self,
        pair: PairId,
        buy: VenueId,
        sell: VenueId,
        found: Option<&Assessment>,
        sized: Option<&Waterfall>,
    ) -> Verdict {
        use Verdict::{Balance, BelowFees, BelowMinEdge, LegLagging, LegSkew, MinSize, NotTradableKind, QuoteDiffers, Untrusted};
        let Some(found) = found else { return Untrusted };
        match found.failed {
            Some(gate @ (NotTradableKind | QuoteDiffers | Untrusted | LegLagging | LegSkew)) => return gate,
            _ if !found.gross_positive => return BelowFees,
            _ => {}
        }
        let Some(sized) = sized else { return MinSize };
        let small = |venue: VenueId| {
            let rules = self.market.at(venue, pair).rules.as_ref();
            rules.is_none_or(|rules| sized.qty < rules.qty_min || self.size < rules.value_min)
        };
        match () {
            () if sized.net.units() <= 0 => BelowFees,
            () if sized.net_rate < self.config.min_edge => BelowMinEdge,
            () if small(buy) || small(sell) => MinSize,
            () => Balance,
        }
    }

    /// Ends what is open.
    pub fn end(&mut self, now: MonoNanos) {
        self.routes.iter_mut().for_each(|route| route.pays.look(false, now));
        self.tracker.close_all(now, &mut self.notices);
    }

    /// All routes, the best net first; those never seen last.
    pub fn ranked(&self) -> Vec<&Route> {
        let mut ranked: Vec<&Route> = self.routes.iter().collect();
        ranked.sort_by_key(|route| std::cmp::Reverse(route.best.map(|(best, _)| best.net_rate)));
        ranked
    }

    /// Opportunities that ended, by verdict, in the order of [`Verdict::ALL`].
    pub fn verdicts(&self) -> &[u64; VERDICTS] {
        self.tracker.counts()
    }

    /// Books of listed pairs, and those that are live now.
    pub fn books(&self) -> (usize, usize) {
        let cells = || self.tables.pair_ids().flat_map(|pair| self.market.venues_of(pair)).filter(|cell| cell.rules.is_some());
        (cells().count(), cells().filter(|cell| cell.book.is_live()).count())
    }

    /// What came of the listed books of a venue.
    pub fn counts_of(&self, venue: VenueId) -> impl Iterator<Item = (PairId, &BookCounts)> {
        let begin = venue.index() * self.tables.pairs.len();
        let of_venue = self.counts.get(begin..).unwrap_or_default();
        let listed = move |pair: &PairId| self.market.at(venue, *pair).rules.is_some();
        self.tables.pair_ids().zip(of_venue).filter(move |(pair, _)| listed(pair))
    }

    /// Book updates of a venue: whole books, increments and tops.
    pub fn updates_of(&self, venue: VenueId) -> u64 {
        self.counts_of(venue).map(|(_, counts)| counts.changes + counts.tops).sum()
    }

    /// Book updates of all venues.
    pub fn updates(&self) -> u64 {
        self.tables.venue_ids().map(|venue| self.updates_of(venue)).sum()
    }

    /// Names.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

/// A fraction in basis points, exact.
pub fn bps_text(rate: Rate) -> String {
    domain::decimal::format_units(i128::from(rate.nano()), 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AssetId, Level, PairInfo, PairScale, Price, Qty, Symbol};

    const SECOND: u64 = 1_000_000_000;

    fn rig(size: i128) -> Routes {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        let info = PairInfo {
            symbol,
            kind: InstrumentKind::Spot,
            base: AssetId(0),
            quote: AssetId(1),
            scale: PairScale::new(2, 3).unwrap(),
        };
        let tables = Tables {
            venues: vec!["a".into(), "b".into(), "c".into()],
            pairs: vec![info],
            assets: vec!["BTC".into(), "USDT".into()],
        };
        let rules = |venue: u8| InstrumentRules {
            venue: VenueId(venue),
            pair: PairId(0),
            price_step: 1,
            qty_step: Qty::from_units(1).unwrap(),
            qty_min: Qty::from_units(100).unwrap(),
            qty_max: None,
            value_min: Amount::ZERO,
            can_buy: true,
            can_sell: true,
        };
        let fees = |venue: u8| {
            let taker = Rate::from_bps(10).unwrap();
            FeeRates { venue: VenueId(venue), pair: PairId(0), taker, maker: taker, paid_in: None }
        };
        let config = DetectorConfig {
            min_edge: Rate::from_bps(2).unwrap(),
            book_age_max_ns: SECOND,
            lag_max_ns: SECOND,
            lag_must_be_known: false,
            skew_max_ns: SECOND,
            collar: Rate::from_bps(1_000).unwrap(),
            latency_allowance: Rate::ZERO,
        };
        let size = Amount::from_units(size * domain::number::AMOUNT_ONE);
        Routes::new(Arc::new(tables), &[rules(0), rules(1)], &[fees(0), fees(1)], config, size)
    }

    fn book(routes: &mut Routes, venue: u8, at: u64, bid: (i64, i64), ask: (i64, i64)) {
        let level = |(price, qty)| Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() };
        let body = BookBody::Snapshot { id: at + 1, bids: vec![level(bid)], asks: vec![level(ask)] };
        let received = MonoNanos(at);
        let update = BookUpdate { venue: VenueId(venue), pair: PairId(0), received, changed_at: None, sent_at: None, body };
        assert_eq!(routes.take(received, &Input::Book(update)), None);
    }

    fn route(routes: &Routes, buy: u8) -> Route {
        *routes.ranked().into_iter().find(|route| route.buy == VenueId(buy)).unwrap()
    }

    #[test]
    fn a_route_pays_at_its_size_for_as_long_as_it_does() {
        let mut routes = rig(1_000);
        assert_eq!((routes.ranked().len(), routes.books()), (2, (2, 0)), "venue c does not list it");
        routes.judge(MonoNanos(0), true);
        assert_eq!(route(&routes, 0).verdict, Verdict::Untrusted);
        // Buy 10 at 100.00; 9.99 are left and sold at 101.00, less 0.1 %.
        book(&mut routes, 0, 10, (9_990, 20_000), (10_000, 20_000));
        book(&mut routes, 1, 10, (10_100, 20_000), (10_110, 20_000));
        routes.judge(MonoNanos(10), false);
        let there = route(&routes, 0);
        assert_eq!((there.verdict, there.pays.episodes), (Verdict::Balance, 1));
        assert_eq!(there.now.map(|seen| seen.net.to_text()).as_deref(), Some("7.98101"));
        assert_eq!(bps_text(there.now.unwrap().net_rate), "79.8101");
        assert_eq!(route(&routes, 1).verdict, Verdict::BelowFees);
        // Half a second later the edge is gone.
        book(&mut routes, 1, SECOND / 2, (10_010, 20_000), (10_110, 20_000));
        routes.judge(MonoNanos(SECOND / 2 + 10), false);
        let there = route(&routes, 0);
        assert_eq!((there.verdict, there.pays.nanos, there.pays.longest_ns), (Verdict::BelowFees, SECOND / 2, SECOND / 2));
        assert_eq!(there.best.map(|(_, verdict)| verdict), Some(Verdict::Balance));
        routes.end(MonoNanos(SECOND));
        assert_eq!(routes.verdicts().iter().sum::<u64>(), 1);
        assert_eq!([0, 1, 2].map(|venue| routes.updates_of(VenueId(venue))), [1, 2, 0]);
    }

    #[test]
    fn a_book_that_does_not_hold_the_size_does_not_pay() {
        for (size, verdict) in [(1_000, Verdict::MinSize), (5, Verdict::MinSize), (50, Verdict::Balance)] {
            let mut routes = rig(size);
            book(&mut routes, 0, 10, (9_990, 5_000), (10_000, 5_000));
            book(&mut routes, 1, 10, (10_100, 5_000), (10_110, 5_000));
            routes.judge(MonoNanos(10), false);
            assert_eq!(route(&routes, 0).verdict, verdict, "{size}");
        }
    }

    #[test]
    fn what_ages_is_judged_without_a_frame_and_a_lost_link_drops_its_books() {
        let mut routes = rig(50);
        book(&mut routes, 0, 10, (9_990, 5_000), (10_000, 5_000));
        book(&mut routes, 1, 10, (10_100, 5_000), (10_110, 5_000));
        routes.judge(MonoNanos(10), false);
        routes.judge(MonoNanos(SECOND + 11), false);
        assert_eq!(route(&routes, 0).verdict, Verdict::Balance, "nobody looked");
        routes.judge(MonoNanos(SECOND + 11), true);
        assert_eq!((route(&routes, 0).verdict, routes.books()), (Verdict::Untrusted, (2, 2)));
        let lost =
            domain::LinkChange { venue: VenueId(0), role: LinkRole::Public, state: LinkState::Lost, at: MonoNanos(SECOND + 12) };
        routes.take(MonoNanos(SECOND + 12), &Input::Link(lost));
        assert_eq!(routes.books(), (2, 1));
    }

    #[test]
    fn a_book_that_breaks_a_rule_is_fetched_anew() {
        let mut routes = rig(50);
        book(&mut routes, 0, 10, (9_990, 5_000), (10_000, 5_000));
        let body = BookBody::Delta { first: 20, last: 21, bids: Vec::new(), asks: Vec::new() };
        let (venue, pair, received) = (VenueId(0), PairId(0), MonoNanos(20));
        let update = BookUpdate { venue, pair, received, changed_at: None, sent_at: None, body };
        let asked = routes.take(received, &Input::Book(update));
        assert_eq!(asked, Some(Command::Resync { venue, pair, reason: ResyncReason::Gap }));
    }

    #[test]
    fn what_comes_of_a_book_is_counted_by_book() {
        let mut routes = rig(50);
        (0..5).for_each(|n| book(&mut routes, 1, 10 + n * SECOND / 2, (9_990, 5_000), (10_000, 5_000)));
        let body = BookBody::Untrusted { reason: ResyncReason::Gap };
        let (venue, pair, received) = (VenueId(1), PairId(0), MonoNanos(2 * SECOND));
        routes.take(received, &Input::Book(BookUpdate { venue, pair, received, changed_at: None, sent_at: None, body }));
        let counts: Vec<_> = routes.counts_of(venue).map(|(pair, counts)| (pair, *counts)).collect();
        assert_eq!((counts.len(), counts[0].0, counts[0].1.changes, counts[0].1.tops), (1, pair, 5, 0));
        // Four more after the first, in two seconds; in four it would be half of it.
        assert_eq!(counts[0].1.changes_per_1000_s(MonoNanos(10 + 2 * SECOND)), 2_000);
        assert_eq!(counts[0].1.changes_per_1000_s(MonoNanos(10 + 4 * SECOND)), 1_000);
        assert_eq!(counts[0].1.resyncs().collect::<Vec<_>>(), [(ResyncReason::Gap, 1)]);
        assert_eq!((routes.counts_of(VenueId(0)).count(), routes.counts_of(VenueId(2)).count()), (1, 0), "c does not list it");
    }
}
