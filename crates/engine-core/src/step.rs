//! collect → **apply → decide** → publish: this file is the middle of that sentence as code. Start at [`Engine::apply`] and
//! [`Engine::decide`].
//!
//! Kept true:
//! 1. Whatever a decision reads arrived through [`Engine::apply`]; `now` is the batch's time, never a clock's.
//! 2. Commands' results, private events and operator commands take effect before books of the same batch are judged, since
//!    everything is applied before anything is decided.
//! 3. Hedges and look-ups are decided before openings.
//! 4. Every opportunity ends under exactly one verdict; Σ verdicts = opportunities.

use crate::config::EngineConfig;
use crate::dead_man::{DeadManSwitches, Wanted};
use crate::obstacles::Obstacles;
use crate::place_budget::PlaceBudgets;
use crate::stages::{Stage, StageWatch};
use domain::mutants::{self, Mutant};
use domain::{
    Amount, BalanceReport, BalanceSource, ClockOffset, Command, ErrorClass, Input, InstrumentKind, LinkRole, LinkState,
    MonoNanos, Notice, OperatorCommand, PairId, Purpose, StopKind, StopReason, Tables, UnixNanos, VenueId, Verdict,
};
use executor::{DayFlows, Executor, IdSource, Outbox, StopRequest};
use order_book::BookCell;
use risk::controls::{daily_loss, price_collar};
use risk::{Guard, Market, Marks, Plan, RiskView, SizeInputs, Stops, size_plan};
use spread_detector::{Assessment, Group, LegView, Tracker, assess, collar_reference};
use std::cmp::Reverse;
use std::sync::Arc;

/// What a step produced.
#[derive(Debug, Default)]
pub struct Outputs {
    /// For the venue sessions, in order.
    pub commands: Vec<Command>,
    /// For people.
    pub notices: Vec<Notice>,
}

/// Counters of the engine; plain integers, copied out at ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Book updates taken (snapshots and deltas).
    pub book_updates: u64,
    /// Book updates that changed a book.
    pub books_changed: u64,
    /// Books found crossed or locked.
    pub crossed: u64,
    /// Gaps that the engine itself found.
    pub gaps: u64,
    /// Tops of best-bid-offer channels taken.
    pub tops: u64,
    /// Public trades seen.
    pub public_trades: u64,
    /// Tickers seen.
    pub tickers: u64,
    /// Decisions: ordered venue pairs assessed.
    pub assessed: u64,
}

/// One ordered venue pair in a decision, and what was detected there.
struct Route {
    buy: VenueId,
    sell: VenueId,
    assessment: Option<Assessment>,
    /// What its plan would earn, looked at only where routes compete; `None` where there is no plan.
    earning: Option<Amount>,
}

impl Route {
    /// No gate of detection stands in the way.
    fn pays(&self) -> bool {
        self.assessment.is_some_and(|found| found.gross_positive && found.failed.is_none())
    }
}

/// The engine.
pub struct Engine {
    pub(crate) tables: Arc<Tables>,
    pub(crate) config: EngineConfig,
    pub(crate) market: Market,
    pub(crate) tracker: Tracker,
    pub(crate) executor: Executor,
    pub(crate) stops: Stops,
    pub(crate) stats: EngineStats,
    pub(crate) now: MonoNanos,
    pub(crate) unix: UnixNanos,
    dirty: Vec<bool>,
    budgets: PlaceBudgets,
    pub(crate) guard: Guard,
    /// The last statement of every venue about its accounts, for the report's comparison.
    pub(crate) stated: Vec<Option<BalanceReport>>,
    /// Where books are shown to other threads, by (pair, venue); empty when nobody looks. Never read here.
    cells: Vec<Arc<BookCell>>,
    /// Told where time goes; `None` where nobody measures.
    watch: Option<StageWatch>,
    /// Venues that refused our key.
    refused: Vec<bool>,
    /// The last measure of every venue's clock.
    clocks: Vec<Option<ClockOffset>>,
    /// Crossed or locked states by (pair, venue), for replay reports.
    crossed: Vec<u64>,
    /// The day and that its loss has latched: told once, until it is below the limit again or the day is over.
    loss_told: Option<i64>,
    medians: Vec<i64>,
    /// Of the pair that is being decided; empty between decisions.
    routes: Vec<Route>,
    log_lagging: bool,
    stopping: bool,
    pub(crate) draining: bool,
    dead_man: DeadManSwitches,
    obstacles: Obstacles,
    outbox: Outbox,
}

impl Engine {
    /// An engine that knows names and settings, and nothing of the market yet. Every venue starts frozen until it is reconciled.
    pub fn new(mut config: EngineConfig, tables: Arc<Tables>, ids: IdSource) -> Engine {
        config.align();
        let executor = Executor::new(config.executor.clone(), tables.clone(), ids);
        Engine::with_executor(config, tables, executor)
    }

    pub(crate) fn with_executor(config: EngineConfig, tables: Arc<Tables>, executor: Executor) -> Engine {
        let (venues, pairs) = (tables.venues.len(), tables.pairs.len());
        let mut stops = Stops::new();
        for venue in tables.venue_ids() {
            let _ = stops.set(StopKind::Freeze, StopReason::StreamUnproven, Some(venue), None, UnixNanos(0));
        }
        let mut market = Market::new(tables.clone());
        market.set_reference(config.reference);
        Engine {
            market,
            tracker: Tracker::new(pairs, venues),
            executor,
            stops,
            stats: EngineStats::default(),
            now: MonoNanos(0),
            unix: UnixNanos(0),
            dirty: vec![false; pairs],
            budgets: PlaceBudgets::new(venues, pairs),
            guard: Guard::new(config.controls.clone(), venues, pairs),
            stated: vec![None; venues],
            cells: Vec::new(),
            watch: None,
            refused: vec![false; venues],
            clocks: vec![None; venues],
            crossed: vec![0; venues * pairs],
            loss_told: None,
            medians: Vec::with_capacity(venues),
            routes: Vec::with_capacity(venues * venues),
            log_lagging: false,
            stopping: false,
            draining: false,
            dead_man: DeadManSwitches::new(config.dead_man_ns, venues),
            obstacles: Obstacles::new(venues),
            outbox: Outbox::default(),
            tables,
            config,
        }
    }

    /// The executor, to fold a state log into before the first input.
    pub fn executor_mut(&mut self) -> &mut Executor {
        &mut self.executor
    }

    /// The executor.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Books, rules and fees.
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// Whether a venue has refused our key in this run.
    pub fn key_refused(&self, venue: VenueId) -> bool {
        self.refused.get(venue.index()).copied().unwrap_or_default()
    }

    /// Whether a venue's dead-man switch is armed, by the venue's own word and not beyond the time that it named; `None` when none is
    /// wanted.
    pub fn dead_man_armed(&self, venue: VenueId) -> Option<bool> {
        self.dead_man.armed(venue, self.now)
    }

    /// A venue's clock minus ours, nanoseconds, once measured.
    pub fn clock_offset_ns(&self, venue: VenueId) -> Option<i64> {
        self.clocks.get(venue.index())?.as_ref().map(|clock| clock.offset_ns)
    }

    /// How often a book was found crossed or locked.
    pub fn crossed(&self, venue: VenueId, pair: PairId) -> u64 {
        self.crossed.get(self.cell_index(venue, pair)).copied().unwrap_or_default()
    }

    /// The venue's last own statement of its accounts (`/spot/accounts`), if any came.
    pub fn stated_balances(&self, venue: VenueId) -> Option<&BalanceReport> {
        self.stated.get(venue.index())?.as_ref()
    }

    /// What is stopped.
    pub fn stops(&self) -> &Stops {
        &self.stops
    }

    /// Publishes every book from now on, for readers on other threads: one cell for each (pair, venue), pairs outermost. The
    /// engine writes them and never reads them, so decisions and replays do not depend on them.
    ///
    /// # Panics
    /// Unless there is exactly one cell for each.
    pub fn publish_books(&mut self, cells: Vec<Arc<BookCell>>) {
        assert_eq!(
            cells.len(),
            self.tables.venues.len() * self.tables.pairs.len(),
            "Invariant: one cell for each venue and pair"
        );
        self.cells = cells;
    }

    /// Counters.
    pub fn stats(&self) -> &EngineStats {
        &self.stats
    }

    /// Names behind the ids.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// The settings in force.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Takes one input. Changes state only; what follows from it is decided by [`Engine::decide`].
    pub fn apply(&mut self, received: MonoNanos, input: &Input, out: &mut Outputs) {
        // `now` is the newest receive time seen: the batch's time, set at decide, is never before it.
        self.now = self.now.max(received);
        self.obstacles.see(input, self.now, &mut self.outbox.stops);
        match input {
            Input::Book(update) => self.apply_book(update, out),
            Input::Order(update) => self.executor.handle_order(self.now, update, &mut self.outbox),
            Input::Fill(fill) => self.executor.handle_fill(self.now, fill, &mut self.outbox),
            Input::Balances(report) => {
                if report.source == BalanceSource::Query
                    && let Some(slot) = self.stated.get_mut(report.venue.index())
                {
                    *slot = Some(report.clone());
                }
                self.executor.handle_balances(self.now, report, &mut self.outbox);
            }
            Input::OpenOrders(report) => self.executor.handle_open_orders(self.now, report, &mut self.outbox),
            Input::Trades(report) => self.executor.handle_trades(self.now, report, &mut self.outbox),
            Input::ReadFailed(failure) => {
                if failure.class == ErrorClass::AuthFatal
                    && let Some(flag) = self.refused.get_mut(failure.venue.index())
                {
                    *flag = true;
                }
                self.executor.handle_read_failed(self.now, failure, &mut self.outbox);
            }
            Input::Account(facts) => self.executor.handle_account(self.now, facts, &mut self.outbox),
            Input::Link(change) => {
                if change.role == LinkRole::Public && change.state != LinkState::Up {
                    self.drop_books(change.venue);
                }
                self.executor.handle_link(self.now, change, &mut self.outbox);
            }
            Input::Rules(rules) => {
                self.market.at_mut(rules.venue, rules.pair).rules = Some(*rules);
                self.touch(rules.pair);
            }
            Input::Fees(fees) => {
                self.market.at_mut(fees.venue, fees.pair).fees = Some(*fees);
                self.executor.handle_fees(fees);
                self.touch(fees.pair);
            }
            Input::Budget(budget) => self.budgets.state(budget),
            Input::Market(news) => match news {
                domain::MarketNews::Trade(_) => self.stats.public_trades += 1,
                domain::MarketNews::Ticker(_) => self.stats.tickers += 1,
            },
            Input::RoundTrip(_) => {}
            Input::Clock(offset) => {
                if let Some(slot) = self.clocks.get_mut(offset.venue.index()) {
                    *slot = Some(*offset);
                }
                self.market.handle_clock(self.now, offset);
            }
            Input::LogWritten { .. } => self.log_lagging = false,
            Input::LogFailed => {
                self.log_lagging = true;
                self.request_stop(StopKind::Pause, StopReason::StateLog);
            }
            Input::Operator(command) => self.apply_operator(*command),
            Input::Config(patch) => {
                // Whoever sent it has checked it; limits that no run may start with change nothing all the same.
                if self.config.apply(patch).is_ok() {
                    self.executor.handle_config(self.config.limits, self.config.executor.books);
                    self.guard.set_controls(&self.config.controls);
                    self.dirty.fill(true);
                }
            }
            Input::DeadMan(answer) => self.dead_man.told(answer, self.now, &mut self.outbox.notices),
            Input::Storage { low } => {
                let change = if *low { StopRequest::set } else { StopRequest::clear };
                self.outbox.stops.push(change(StopKind::Pause, StopReason::Disk, None, None));
            }
            Input::Ban(ban) => {
                self.obstacles.banned(ban, self.now, &mut self.outbox.stops);
                self.executor.handle_ban(ban);
            }
            Input::Queue { full } => {
                let change = if *full { StopRequest::set } else { StopRequest::clear };
                self.outbox.stops.push(change(StopKind::Pause, StopReason::QueueFull, None, None));
            }
            Input::Tick { unix } => {
                self.unix = *unix;
                // Books age without a frame: what is open on an ageing book must be judged again.
                self.dirty.fill(true);
            }
        }
        self.flush_outbox(out);
    }

    fn apply_book(&mut self, update: &domain::BookUpdate, out: &mut Outputs) {
        match update.body {
            domain::BookBody::Snapshot { .. } | domain::BookBody::Delta { .. } => self.stats.book_updates += 1,
            domain::BookBody::Top { .. } => self.stats.tops += 1,
            domain::BookBody::Evidence { .. } | domain::BookBody::Untrusted { .. } => {}
        }
        match self.market.handle_book(update) {
            Ok(applied) => self.stats.books_changed += u64::from(applied.changed),
            Err(fault) => {
                let reason = fault.reason();
                match reason {
                    domain::ResyncReason::Crossed => {
                        self.stats.crossed += 1;
                        let index = self.cell_index(update.venue, update.pair);
                        self.crossed[index] += 1;
                    }
                    domain::ResyncReason::Gap => self.stats.gaps += 1,
                    _ => {}
                }
                out.commands.push(Command::Resync { venue: update.venue, pair: update.pair, reason });
            }
        }
        self.show_book(update.venue, update.pair);
        self.touch(update.pair);
    }

    fn show_book(&self, venue: VenueId, pair: PairId) {
        if let Some(cell) = self.cells.get(self.cell_index(venue, pair)) {
            cell.publish(&self.market.at(venue, pair).book.view());
        }
    }

    fn drop_books(&mut self, venue: VenueId) {
        for pair in self.tables.pair_ids() {
            self.market.at_mut(venue, pair).book.drop_trust();
            self.show_book(venue, pair);
            self.touch(pair);
        }
    }

    fn apply_operator(&mut self, command: OperatorCommand) {
        match command {
            OperatorCommand::Halt { reason } => {
                // A latch of this reason that names a venue or a pair is the same condition: it is not told twice.
                if !self.latches().any(|holding| holding == reason) {
                    self.request_stop(StopKind::Latch, reason);
                }
                self.executor.cancel_openings(&mut self.outbox);
            }
            OperatorCommand::Resume => {
                self.draining = false;
                self.stops.resume(&mut self.outbox.notices);
                self.executor.handle_resume();
                self.executor.end_flatten();
                self.guard.resumed();
                self.dirty.fill(true);
            }
            OperatorCommand::Drain | OperatorCommand::Flatten => {
                self.draining = true;
                self.request_stop(StopKind::Pause, StopReason::Operator);
                if command == OperatorCommand::Flatten {
                    self.guard.flatten_ordered();
                    self.executor.begin_flatten(self.now, &mut self.outbox);
                }
            }
            OperatorCommand::Stop => {
                self.stopping = true;
                self.request_stop(StopKind::Pause, StopReason::Signal);
                self.executor.begin_shutdown(self.now, &mut self.outbox);
            }
        }
    }

    fn request_stop(&mut self, kind: StopKind, reason: StopReason) {
        self.outbox.stops.push(StopRequest::set(kind, reason, None, None));
    }

    fn touch(&mut self, pair: PairId) {
        if let Some(flag) = self.dirty.get_mut(pair.index()) {
            *flag = true;
        }
    }

    fn cell_index(&self, venue: VenueId, pair: PairId) -> usize {
        pair.index() * self.tables.venues.len() + venue.index()
    }

    /// Decides over everything that was touched since the last call. `batch_now` never goes back.
    pub fn decide(&mut self, batch_now: MonoNanos, out: &mut Outputs) {
        assert!(batch_now >= self.now, "Invariant: batch time is not before a receive time of the batch");
        self.now = batch_now;
        self.obstacles.decide(self.now, &mut self.outbox.stops);
        self.executor.on_decide(self.now, self.unix, &self.market, &mut self.outbox);
        for venue in self.tables.venue_ids() {
            let wanted = self.dead_man_wanted(venue);
            self.dead_man.decide(venue, wanted, self.now, &mut self.outbox.commands);
        }
        self.flush_outbox(out);
        self.look_at_prices();
        self.watch_limits(out);
        for pair in self.tables.clone().pair_ids() {
            if std::mem::replace(&mut self.dirty[pair.index()], false) {
                self.decide_pair(pair, out);
            }
        }
        self.stage_ended(Stage::Detect);
    }

    /// Has this one told whenever a part of the work on a batch has ended.
    pub fn watch_stages(&mut self, watch: StageWatch) {
        self.watch = Some(watch);
    }

    /// Tells whoever watches. The engine tells [`Stage::Detect`] and [`Stage::Risk`], and whoever applies inputs [`Stage::Apply`].
    pub fn stage_ended(&mut self, stage: Stage) {
        if let Some(watch) = &mut self.watch {
            watch(stage);
        }
    }

    /// What assets are worth, and the venues' median, by the books that changed.
    fn look_at_prices(&mut self) {
        let age_max_ns = self.config.detector.book_age_max_ns;
        for pair in self.tables.clone().pair_ids().filter(|pair| self.dirty[pair.index()]) {
            self.market.revalue(pair, age_max_ns, self.config.detector.collar, self.now);
            let cells = self.market.venues_of(pair);
            if let Some(median) = price_collar::median_x4(cells, age_max_ns, self.now, &mut self.medians) {
                self.guard.median_seen(pair, median, self.now);
            }
        }
    }

    /// Limits that the market can pass without an order of ours: the loss of the day latches, exposure pauses.
    fn watch_limits(&mut self, out: &mut Outputs) {
        let limit = self.config.limits.daily_loss_max;
        let lost = self.days_judged().find(|day| self.result_of(*day).is_some_and(|result| daily_loss::reached(result, limit)));
        if let Some(day) = lost
            && self.loss_told != Some(day)
        {
            out.notices.extend(self.stops.set(StopKind::Latch, StopReason::DailyLoss, None, None, self.unix));
        }
        self.loss_told = lost;
        let exceeded = self.executor.exposure(&self.market).exceeded(&self.config.limits.unhedged_max(&self.guard));
        out.notices.extend(if exceeded {
            self.stops.set(StopKind::Pause, StopReason::Exposure, None, None, self.unix)
        } else {
            self.stops.clear(StopKind::Pause, StopReason::Exposure, None, None)
        });
    }

    /// The result of our own executions since midnight UTC in the reference quote, at what every asset was last worth, fees in
    /// tokens included; negative is a loss. `None` when something in it can't be valued yet.
    ///
    /// Executions have their venue's day. Where a venue's clock has another day than ours, the worse result of the two days counts.
    pub fn realised_today(&self) -> Option<Amount> {
        let mut worst: Option<Amount> = None;
        for day in self.days_judged() {
            let result = self.result_of(day)?;
            worst = Some(worst.map_or(result, |worst| worst.min(result)));
        }
        worst
    }

    /// Ours first. The newest day of an execution is one of them if it is after ours: our clock is behind then, measured or not. A
    /// venue's day before ours counts by the measure of its clock alone: executions of yesterday may be told after midnight.
    fn days_judged(&self) -> impl Iterator<Item = i64> + '_ {
        let ours = DayFlows::day_of(self.unix);
        // Before the first tick every day is after ours.
        let newest = self.executor.day_flows().newest().filter(|day| *day > ours && self.unix > UnixNanos(0));
        let now = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        let venues = self.clocks.iter().flatten();
        let days = venues.map(move |clock| DayFlows::day_of(UnixNanos(now.saturating_add(clock.over_monotonic_ns))));
        std::iter::once(ours).chain(newest).chain(days.filter(move |day| *day != ours))
    }

    fn result_of(&self, day: i64) -> Option<Amount> {
        let mut sum = Amount::ZERO;
        for (asset, flow) in self.executor.day_flows().of(day) {
            if !flow.is_zero() {
                let value = self.market.valuation().last_worth(asset)?.value_rounded_down(flow)?;
                sum = sum.checked_add(value)?;
            }
        }
        Some(sum)
    }

    /// Every ordered venue pair of a pair. A pair holds one deal at a time, so where several of them pay, the one that would earn most
    /// goes first; of those that would earn the same, and where at most one pays, the order is the venues'.
    fn decide_pair(&mut self, pair: PairId, out: &mut Outputs) {
        let mut routes = std::mem::take(&mut self.routes);
        for buy in self.tables.venue_ids() {
            for sell in self.tables.venue_ids().filter(|sell| *sell != buy) {
                routes.push(Route { buy, sell, assessment: self.assess_route(pair, buy, sell), earning: None });
            }
        }
        if routes.iter().filter(|route| route.pays()).count() > 1 {
            for route in &mut routes {
                route.earning = self.earning(pair, route);
            }
            // In place: nothing is allocated on this thread.
            routes.sort_unstable_by_key(|route| (Reverse(route.earning), route.buy, route.sell));
        }
        for route in routes.drain(..) {
            self.decide_route(pair, &route, out);
        }
        self.routes = routes;
    }

    /// What the plan of a route that pays would earn; `None` where there is no plan.
    fn earning(&self, pair: PairId, route: &Route) -> Option<Amount> {
        let found = route.assessment.as_ref().filter(|_| route.pays())?;
        self.size_route(pair, route.buy, route.sell, found).ok().map(|plan| plan.expected.net)
    }

    /// One ordered venue pair: size, approve, send what was detected. The verdict is the first gate that fails.
    fn decide_route(&mut self, pair: PairId, route: &Route, out: &mut Outputs) {
        let Route { buy, sell, assessment, .. } = *route;
        let Some(found) = &assessment else {
            self.tracker.observe(pair, buy, sell, self.now, None, Verdict::Untrusted, false, &mut out.notices);
            return;
        };
        self.stats.assessed += 1;
        if !found.gross_positive {
            self.tracker.observe(pair, buy, sell, self.now, assessment.as_ref(), Verdict::BelowFees, false, &mut out.notices);
            return;
        }
        let verdict = match self.plan_route(pair, buy, sell, found) {
            // Both legs are sent, or nothing is.
            Ok(approved) => match self.executor.open_deal(self.now, approved, &self.market, &mut self.outbox) {
                Ok(_) => {
                    self.guard.deal_approved(pair, self.now);
                    self.flush_outbox(out);
                    Verdict::Traded
                }
                Err(verdict) => verdict,
            },
            Err(verdict) => {
                self.flush_outbox(out);
                verdict
            }
        };
        let traded = verdict == Verdict::Traded;
        self.tracker.observe(pair, buy, sell, self.now, assessment.as_ref(), verdict, traded, &mut out.notices);
    }

    fn assess_route(&self, pair: PairId, buy: VenueId, sell: VenueId) -> Option<Assessment> {
        let info = self.tables.pair(pair)?;
        let leg = |venue: VenueId, buying: bool| {
            let cell = self.market.at(venue, pair);
            let received = if buying { info.base } else { info.quote };
            LegView {
                venue,
                book: &cell.book,
                taker: cell.fees.map(|f| f.taker),
                // Also where a token pays that is what is received (GT on GT/USDT).
                fee_in_received: cell.fees.is_none_or(|f| f.paid_in.is_none_or(|asset| asset == received)),
                open: cell.rules.is_some_and(|r| if buying { r.can_buy } else { r.can_sell }),
            }
        };
        let books = self.market.venues_of(pair).iter().map(|cell| &cell.book);
        let reference = collar_reference(books, self.config.detector.book_age_max_ns, self.now);
        let vetoed = self.config.vetoes.contains(&(pair, buy, sell));
        let group = if info.kind == InstrumentKind::Spot && !vetoed { Group::Tradable } else { Group::NotTradableKind };
        assess(&self.config.detector, info.scale, group, &reference, &leg(buy, true), &leg(sell, false), self.now)
    }

    fn plan_route(
        &mut self,
        pair: PairId,
        buy: VenueId,
        sell: VenueId,
        found: &Assessment,
    ) -> Result<risk::Approved<Plan>, Verdict> {
        if let Some(failed) = found.failed {
            return Err(failed);
        }
        let renewed = |venue| self.executor.is_renewed(venue, pair, &self.market);
        if !(renewed(buy) && renewed(sell)) {
            return Err(Verdict::Untrusted);
        }
        if mutants::active(Mutant::HiddenEntropy) && hidden_entropy() {
            return Err(Verdict::Paused);
        }
        let plan = self.size_route(pair, buy, sell, found)?;
        self.stage_ended(Stage::Detect);
        let tables = self.tables.clone();
        let info = tables.pair(pair).ok_or(Verdict::NotTradableKind)?;
        let exposure = self.executor.exposure(&self.market);
        let quote_worth = self.market.worth(info.quote);
        let allows = |venue| self.budgets.allows_opening(venue, pair, self.now);
        let place_budget_ok = (allows(buy), allows(sell));
        let age_max_ns = self.config.detector.book_age_max_ns;
        let marks = Marks {
            buy_mid_x2: price_collar::mid_x2(self.market.at(buy, pair)),
            sell_mid_x2: price_collar::mid_x2(self.market.at(sell, pair)),
            median_x4: price_collar::median_x4(self.market.venues_of(pair), age_max_ns, self.now, &mut self.medians),
        };
        let view = RiskView {
            now: self.now,
            guard: &self.guard,
            base: info.base,
            quote_worth,
            marks,
            exposure: &exposure,
            open_deals: self.executor.open_deals(),
            pair_busy: self.executor.pair_busy(pair),
            stops: &self.stops,
            place_budget_ok,
            log_lagging: self.log_lagging,
            realised_today: self.realised_today(),
        };
        let approved = self.config.limits.approve(plan, info.scale, &view);
        self.stage_ended(Stage::Risk);
        if matches!(approved, Err(Verdict::Latched)) && !self.stops.latched() {
            self.request_stop(StopKind::Latch, StopReason::RepeatThrottle);
        }
        approved
    }

    fn size_route(&self, pair: PairId, buy: VenueId, sell: VenueId, found: &Assessment) -> Result<Plan, Verdict> {
        let info = self.tables.pair(pair).ok_or(Verdict::NotTradableKind)?;
        let exposure = self.executor.exposure(&self.market);
        size_plan(&SizeInputs {
            pair,
            scale: info.scale,
            base: info.base,
            buy,
            sell,
            buy_cell: self.market.at(buy, pair),
            sell_cell: self.market.at(sell, pair),
            qty_paying: found.waterfall.qty,
            quote_available: self.executor.available(buy, info.quote),
            base_available: self.executor.available(sell, info.base),
            quote_floor: self.floor(buy, info.quote),
            base_floor: self.floor(sell, info.base),
            room: self.config.limits.unhedged_max(&self.guard).room(&exposure, info.base),
            quote_worth: self.market.worth(info.quote),
            order_qty_max: self.guard.controls().order_qty_max(pair),
            limits: &self.config.limits,
            min_edge: self.config.detector.min_edge,
            latency_allowance: self.config.latency_allowance,
            deadline: self.now.after(self.config.plan_expiry_ns),
        })
    }

    fn floor(&self, venue: VenueId, asset: domain::AssetId) -> Amount {
        self.config.floors.iter().find(|(v, a, _)| (*v, *a) == (venue, asset)).map_or(Amount::ZERO, |(_, _, floor)| *floor)
    }

    /// Moves what the executor produced to the outputs, applying its stop requests on the way.
    fn flush_outbox(&mut self, out: &mut Outputs) {
        for request in self.outbox.stops.drain(..) {
            let notice = match request {
                StopRequest::Set { kind, reason, venue, pair } => self.stops.set(kind, reason, venue, pair, self.unix),
                StopRequest::Clear { kind, reason, venue, pair } => self.stops.clear(kind, reason, venue, pair),
            };
            out.notices.extend(notice);
            self.dirty.fill(true);
        }
        for notice in std::mem::take(&mut self.outbox.notices) {
            match notice {
                Notice::Filled { venue, pair, .. } => self.guard.executed(venue, pair),
                Notice::DealClosed { deal, .. } => self.guard.deal_closed(deal),
                _ => {}
            }
            out.notices.push(notice);
        }
        let mut disproportionate = false;
        for command in self.outbox.commands.drain(..) {
            if let Command::Place(order) = &command {
                debug_assert!(matches!(order.purpose, Purpose::Open | Purpose::Hedge));
                // Not sent, and no more is said: to the executor it is an order without an answer, and ends as absent.
                if !(self.guard.in_proportion(order) || mutants::active(Mutant::ResendOnUnknown)) {
                    disproportionate = true;
                    continue;
                }
                self.budgets.count(order.venue, order.pair, self.now);
            }
            self.guard.sent(&command, self.now);
            out.commands.push(command);
        }
        if disproportionate {
            let latch = self.stops.set(StopKind::Latch, StopReason::OrdersOutOfProportion, None, None, self.unix);
            out.notices.extend(latch);
        }
    }

    /// Closes whatever opportunity is open, each under its verdict. Called once, at the end of a run.
    pub fn close_opportunities(&mut self, out: &mut Outputs) {
        self.tracker.close_all(self.now, &mut out.notices);
    }

    /// True once a stop was ordered and everything is finished: no open order, no exposure, final balances seen, no dead-man
    /// switch left armed.
    pub fn finished(&self) -> bool {
        self.ending() && self.dead_man.at_rest(self.now)
    }

    /// True when this run was told to stop, could trade, and is [`Engine::finished`]: a drain is complete then, and what its deals have left
    /// is dust. An observer finishes with deals open.
    pub fn ended_settled(&self) -> bool {
        self.finished() && !self.config.executor.observe_only
    }

    /// True while a drain or flatten is in force and has come to its end: no open deal, no order that may still change.
    pub fn drained(&self) -> bool {
        self.draining && self.executor.idle()
    }

    fn ending(&self) -> bool {
        self.stopping && self.executor.finished()
    }

    fn dead_man_wanted(&self, venue: VenueId) -> Wanted {
        let closed = |stop: &risk::Stop| stop.reason == StopReason::VenueMaintenance && stop.venue == Some(venue);
        if self.ending() || self.stops.list().iter().any(closed) {
            Wanted::Disarmed
        } else if self.executor.ready(venue) && !self.config.executor.observe_only {
            Wanted::Armed
        } else {
            Wanted::Left
        }
    }

    /// When [`Engine::decide`] wants to be called although nothing arrived.
    pub fn next_deadline(&self) -> Option<MonoNanos> {
        let switches = self.tables.venue_ids().filter_map(|venue| self.dead_man.deadline(venue, self.dead_man_wanted(venue)));
        switches.chain(self.executor.next_deadline()).chain(self.obstacles.deadline()).min()
    }
}

/// What the planted bug of I17 reads: a counter that outlives the engine.
fn hidden_entropy() -> bool {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) % 5 == 3
}
