//! A world: venues with one market and one virtual clock. The in-process body of the simulator, and what the TCP server
//! drives.
//!
//! Start at [`World::advance`]. The world never reads a clock. Time moves only in `advance`, which runs every internal
//! event due on the way, in time order; at equal times the market moves first, then venues by number. Requests and frames
//! arrive at [`World::now`]; what venues say comes out of [`World::poll_output`] once its time has come.
//!
//! Same configuration, same calls at the same times: the same outputs, byte for byte.

mod config;
mod dialect;
mod output;
#[cfg(test)]
mod tests;

use std::{any::Any, collections::BTreeMap};

use rust_decimal::Decimal;

pub use config::{VenueConfig, WorldConfig};
pub use dialect::{Dialect, FaultSettings, HttpRequest, HttpResponse, MoreKey, Settings, SocketLife, VenueKind, WsFrame};
pub use output::{Output, OutputBody, OutputQueue};

use crate::{
    core::{AccountId, ConfigError, ConservationError, Exchange, ExchangeConfig, Reject},
    faults::{Conditions, TimedFault},
    market::Market,
    monitor::Monitor,
};

/// What an account owns of one asset, by the judge's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetBalance {
    /// Free to be used.
    pub available: Decimal,
    /// Held by open orders.
    pub locked: Decimal,
    /// Both together.
    pub total: Decimal,
}

struct Venue {
    config: VenueConfig,
    account: AccountId,
    monitor: Monitor,
    dialect: Box<dyn Dialect>,
}

/// What a dialect is made from.
pub struct DialectParts<'a> {
    /// Position of the venue.
    pub venue_index: usize,
    /// Its settings, key and secret among them.
    pub venue: &'a VenueConfig,
    /// What its exchange was made of: names and rules by dense id.
    pub exchange: &'a ExchangeConfig,
    /// The account its key belongs to.
    pub account: AccountId,
    /// The time at the start, Unix nanoseconds.
    pub start_t_ns: u64,
}

/// Venues with one market and one virtual clock.
pub struct World {
    now_t_ns: u64,
    exchanges: Vec<Exchange>,
    venues: Vec<Venue>,
    market: Option<Market>,
    out: OutputQueue,
}

impl World {
    /// Builds a world whose clock stands at `start_t_ns` (Unix nanoseconds), with its books already quoted.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that can't be.
    pub fn new(config: WorldConfig, start_t_ns: u64) -> Result<World, ConfigError> {
        World::with_dialects(config, start_t_ns, |parts| parts.venue.kind.settings().dialect(&parts))
    }

    /// Like [`World::new`], with dialects made by `build`: for scripted protocols in tests.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that can't be.
    pub fn with_dialects(
        config: WorldConfig,
        start_t_ns: u64,
        mut build: impl FnMut(DialectParts<'_>) -> Box<dyn Dialect>,
    ) -> Result<World, ConfigError> {
        config.check()?;
        let (mut exchanges, mut venues) = (Vec::new(), Vec::new());
        for (venue_index, venue) in config.venues.iter().enumerate() {
            let exchange_config = config.exchange_config(venue);
            let mut exchange = Exchange::new(exchange_config.clone())?;
            let account = exchange.add_account(venue.user_id, &venue.id, venue.fees)?;
            exchange.set_fee_debit(account, venue.fee_debit);
            for (name, amount) in &venue.balances {
                let unknown = || ConfigError::UnknownAsset { user: venue.id.clone(), asset: name.clone() };
                let asset = exchange.asset_by_name(venue.asset_name(name)).ok_or_else(unknown)?;
                if !amount.is_zero() {
                    let bad = || ConfigError::BadAmount { asset: name.clone(), amount: *amount };
                    let here = venue.in_unit(name, *amount).ok_or_else(bad)?;
                    exchange.deposit(start_t_ns, account, asset, here).map_err(|_: Reject| bad())?;
                }
            }
            let parts = DialectParts { venue_index, venue, exchange: &exchange_config, account, start_t_ns };
            let dialect = build(parts);
            venues.push(Venue { config: venue.clone(), account, monitor: Monitor::new(config.monitor), dialect });
            exchanges.push(exchange);
        }
        let market = match &config.market {
            Some(market) => Some(Market::new(market, config.seed, &config.venues, &mut exchanges, start_t_ns)?),
            None => None,
        };
        for (venue, pair, past) in market.iter().flat_map(|market| market.pasts(config.seed, &exchanges, start_t_ns)) {
            venues[venue].dialect.remember(pair, past);
        }
        let mut world = World { now_t_ns: start_t_ns, exchanges, venues, market, out: OutputQueue::new() };
        world.tell_events();
        Ok(world)
    }

    /// The time, Unix nanoseconds.
    pub fn now(&self) -> u64 {
        self.now_t_ns
    }

    /// When something will happen by itself: a move of the market, a wake-up of a dialect, or an output becoming due.
    /// Never before [`World::now`]; equal to it while outputs wait to be polled.
    pub fn next_wakeup(&self) -> Option<u64> {
        let next = [self.next_internal(), self.out.next_due()].into_iter().flatten().min();
        next.map(|t_ns| t_ns.max(self.now_t_ns))
    }

    /// Moves the clock to `to_t_ns` and runs everything internal that is due until then, in time order. An earlier time
    /// leaves the clock where it is, and still runs what is due now.
    pub fn advance(&mut self, to_t_ns: u64) {
        let to_t_ns = to_t_ns.max(self.now_t_ns);
        self.tell_events();
        while let Some(due) = self.next_internal()
            && due <= to_t_ns
        {
            self.now_t_ns = self.now_t_ns.max(due);
            let now = self.now_t_ns;
            if let Some(market) = &mut self.market
                && market.next_due().is_some_and(|due| due <= now)
            {
                market.step(now, &mut self.exchanges);
                self.tell_events();
            }
            for (index, venue) in self.venues.iter_mut().enumerate() {
                if venue.dialect.next_wakeup().is_some_and(|wakeup| wakeup <= now) {
                    self.out.begin(index, now);
                    venue.dialect.on_wakeup(now, &mut self.exchanges[index], &mut self.out);
                    let later = venue.dialect.next_wakeup().is_none_or(|wakeup| wakeup > now);
                    assert!(later, "Invariant: a dialect that was woken asks for a later time");
                }
            }
            self.tell_events();
        }
        self.now_t_ns = to_t_ns;
    }

    /// A request arrives at a venue now. Its reply comes out of [`World::poll_output`] under the same ticket, perhaps
    /// later, or never if a fault swallows it.
    pub fn http(&mut self, venue: usize, ticket: u64, request: HttpRequest) {
        let now = self.now_t_ns;
        if let Some((exchange, at, out)) = self.at(venue) {
            at.dialect.http(now, exchange, &mut at.monitor, ticket, request, out);
        }
        self.tell_events();
    }

    /// A WebSocket is opened now, on a path with its query if there is one. `conn` is chosen by the caller and not used again.
    pub fn ws_open(&mut self, venue: usize, conn: u64, path: &str) {
        let now = self.now_t_ns;
        if let Some((exchange, at, out)) = self.at(venue) {
            at.dialect.ws_open(now, exchange, conn, path, out);
        }
        self.tell_events();
    }

    /// A frame arrives now.
    pub fn ws_frame(&mut self, venue: usize, conn: u64, frame: WsFrame) {
        let now = self.now_t_ns;
        if let Some((exchange, at, out)) = self.at(venue) {
            at.dialect.ws_frame(now, exchange, &mut at.monitor, conn, frame, out);
        }
        self.tell_events();
    }

    /// The client's side of a WebSocket is gone. Nothing more comes out for it.
    pub fn ws_closed(&mut self, venue: usize, conn: u64) {
        let now = self.now_t_ns;
        if let Some((exchange, at, out)) = self.at(venue) {
            at.dialect.ws_closed(now, exchange, conn, out);
        }
        self.out.forget_conn(venue, conn);
        self.tell_events();
    }

    /// Takes the next output whose time has come.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.tell_events();
        self.out.pop_due(self.now_t_ns)
    }

    /// What a user owns on a venue by the judge's ledger, by asset name; assets that were never owned are left out.
    /// Empty for unknown venues and users.
    pub fn balances(&self, venue: usize, user_id: u64) -> BTreeMap<String, AssetBalance> {
        let Some(exchange) = self.exchanges.get(venue) else { return BTreeMap::new() };
        let Some(account) = exchange.account_by_user(user_id) else { return BTreeMap::new() };
        exchange
            .balances(account)
            .filter(|(_, balance)| balance.update_id > 0)
            .map(|(asset, balance)| {
                let (available, locked) = (balance.available.normalize(), balance.locked.normalize());
                // The ledger refuses any change whose total does not fit, so this sum is exact.
                let total = (available + locked).normalize();
                (exchange.asset(asset).name.clone(), AssetBalance { available, locked, total })
            })
            .collect()
    }

    /// Number of venues.
    pub fn venue_count(&self) -> usize {
        self.venues.len()
    }

    /// Settings of a venue.
    ///
    /// # Panics
    /// When there is no such venue, as all that follow.
    pub fn venue(&self, venue: usize) -> &VenueConfig {
        &self.venues[venue].config
    }

    /// The account of a venue's key.
    pub fn account(&self, venue: usize) -> AccountId {
        self.venues[venue].account
    }

    /// A venue's exchange.
    pub fn exchange(&self, venue: usize) -> &Exchange {
        &self.exchanges[venue]
    }

    /// A venue's exchange, for scripts. Its events reach the dialect with the next call of the world.
    pub fn exchange_mut(&mut self, venue: usize) -> &mut Exchange {
        &mut self.exchanges[venue]
    }

    /// A venue's monitor.
    pub fn monitor(&self, venue: usize) -> &Monitor {
        &self.venues[venue].monitor
    }

    /// The market model, for scripts.
    pub fn market_mut(&mut self) -> Option<&mut Market> {
        self.market.as_mut()
    }

    /// A venue's dialect, if it is a `D`: to change its faults while it runs.
    pub fn dialect_mut<D: Dialect + 'static>(&mut self, venue: usize) -> Option<&mut D> {
        let dialect: &mut dyn Any = self.venues[venue].dialect.as_mut();
        dialect.downcast_mut()
    }

    /// What faults move on a venue, to be changed while it runs; `None` for a protocol that has none.
    pub fn conditions(&mut self, venue: usize) -> Option<Conditions<'_>> {
        self.venues.get_mut(venue).and_then(|venue| venue.dialect.conditions())
    }

    /// Lets a fault of a venue begin at `at_t_ns` (Unix nanoseconds), or with the next step when that is past.
    pub fn schedule_fault(&mut self, venue: usize, at_t_ns: u64, fault: TimedFault) {
        if let Some(venue) = self.venues.get_mut(venue) {
            venue.dialect.schedule(at_t_ns, fault);
        }
    }

    /// Faults of a venue that began since the last call.
    pub fn take_begun_faults(&mut self, venue: usize) -> Vec<TimedFault> {
        self.venues.get_mut(venue).map(|venue| venue.dialect.take_begun_faults()).unwrap_or_default()
    }

    /// Checks that no venue lost or made money.
    ///
    /// # Errors
    /// [`ConservationError`] names the first asset whose sums differ.
    pub fn conservation_check(&self) -> Result<(), ConservationError> {
        self.exchanges.iter().try_for_each(Exchange::conservation_check)
    }

    fn next_internal(&self) -> Option<u64> {
        let dialects = self.venues.iter().filter_map(|venue| venue.dialect.next_wakeup());
        self.market.as_ref().and_then(Market::next_due).into_iter().chain(dialects).min()
    }

    fn at(&mut self, venue: usize) -> Option<(&mut Exchange, &mut Venue, &mut OutputQueue)> {
        let (exchange, at) = (self.exchanges.get_mut(venue)?, self.venues.get_mut(venue)?);
        self.out.begin(venue, self.now_t_ns);
        Some((exchange, at, &mut self.out))
    }

    fn tell_events(&mut self) {
        for (index, (exchange, venue)) in self.exchanges.iter_mut().zip(&mut self.venues).enumerate() {
            if exchange.has_events() {
                let events = exchange.take_events();
                venue.monitor.observe(&events);
                self.out.begin(index, self.now_t_ns);
                venue.dialect.on_events(self.now_t_ns, exchange, &events, &mut self.out);
            }
        }
    }
}
