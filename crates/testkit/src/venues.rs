//! Both sides of a run, built: the simulated venues, and everything an engine needs to know to trade there, learnt the way a real
//! one learns it (rules out of dialect bytes).

use crate::config::{START_T_NS, SimConfig, VenueChoice};
use crate::mixed;
use crate::speech::Speech;
use domain::time::{MILLI, SECOND};
use domain::{InstrumentRules, PairId, Rate, Symbol, Tables, VenueId};
use engine_core::EngineConfig;
use executor::ExecutorConfig;
use risk::{Controls, Limits};
use rust_decimal::Decimal;
use secrecy::SecretString;
use sim_exchange::core::FeeDebit;
use sim_exchange::faults::{Faults, ScriptedFault, TimedFault, Visibility};
use sim_exchange::world::{HttpRequest, OutputBody, VenueConfig, World, WorldConfig};
use spread_detector::DetectorConfig;
use std::sync::Arc;
use venue::{OrderEntry, SessionConfig, SessionOptions, VenueSession, build_tables};

/// This instance's number in client order ids.
pub const INSTANCE: u16 = 7;
/// Books older than this price nothing.
pub const BOOK_AGE_MAX_NS: u64 = 600 * MILLI;

/// Books of venues that lag more than this above normal are not opened on.
const LAG_MAX_NS: u64 = 400 * MILLI;

/// How long after its notice a connection is closed for an upgrade.
const UPGRADE_CLOSE_NS: u64 = 3 * SECOND;
/// How long the venues ran before: longer than any stale statement is old, so that no statement is from before the accounts.
const WARM_UP_NS: u64 = 5 * SECOND;

/// The world of a run, its clock at [`START_T_NS`].
///
/// # Panics
/// For a configuration that names no pair of the simulator's universe: a mistake of the test.
pub fn build_world(config: &SimConfig) -> World {
    let mut world = WorldConfig::demo(config.seed);
    world.pairs.retain(|pair| config.pairs.contains(&pair.id));
    for asset in world.assets.iter_mut().filter(|asset| asset.name != "USDT") {
        asset.decimals = config.base_decimals;
    }
    if let Some(market) = &mut world.market {
        market.pairs.retain(|pair| config.pairs.contains(&pair.pair));
        market.basis_bps = config.basis_bps;
        market.event_interval_ns = config.event_interval_ns;
        // As deep as the judge compares; deeper books only cost time.
        market.levels = 20;
    }
    let assets: Vec<String> = world.assets.iter().map(|asset| asset.name.clone()).collect();
    for number in world.venues.len() + 1..=config.venues.len() {
        let another = another_venue(&world.venues[0], number as u64, config.seed);
        world.venues.push(another);
    }
    for (index, (venue, choice)) in world.venues.iter_mut().zip(&config.venues).enumerate() {
        let kind = choice.kind;
        if venue.kind.settings().kind() != kind {
            let seed = config.seed.wrapping_add(index as u64 + 1);
            venue.kind = sim_exchange::protocols::protocol(kind, seed).expect("the harness names known kinds");
        }
        let connector = connectors::connector(kind).expect("the harness names known kinds");
        let token =
            connector.fee_assets().iter().find(|name| kind == mixed::BINANCE && !assets.iter().any(|asset| asset == *name));
        if let (Some(token), Some(thousandths)) = (token, choice.fee_token) {
            venue.balances.push(((*token).to_owned(), Decimal::new(i64::from(thousandths), 3)));
            venue.fee_debit = FeeDebit::Gt;
        }
        let settings = venue.kind.faults().expect("a protocol with faults");
        if let (Some(sockets), Some((life_ns, notice_ns))) = (settings.sockets, choice.socket_life) {
            (*sockets.life_ns, *sockets.notice_ns) = (life_ns, notice_ns);
        }
        let fault = TimedFault::Upgrade { close_after_ns: UPGRADE_CLOSE_NS };
        let mut script: Vec<ScriptedFault> = choice.upgrade.map(|at_ns| ScriptedFault { at_ns, fault }).into_iter().collect();
        script.extend(config.faults.timed.iter().filter(|(venue, _)| *venue == index).map(|(_, entry)| entry.clone()));
        *settings.delays = config.faults.delays();
        *settings.visibility = config.faults.visibility();
        *settings.faults = config.faults.venue.clone();
        *settings.script = script;
        *settings.from_ns = WARM_UP_NS;
    }
    let mut world = World::new(world, START_T_NS - WARM_UP_NS).expect("the demo's world is good");
    if config.faults.hostile > 0 {
        fund_adversary(&mut world);
    }
    world.advance(START_T_NS);
    world
}

/// One more venue like the demo's, under names and numbers of its own.
fn another_venue(model: &VenueConfig, number: u64, seed: u64) -> VenueConfig {
    let id = format!("venue-{number}");
    VenueConfig {
        kind: sim_exchange::protocols::protocol("gate", seed.wrapping_add(number)).expect("a known kind"),
        api_key: format!("demo-key-{id}"),
        api_secret: format!("demo-secret-{id}"),
        user_id: 10_000 + number,
        market_lag_ns: 55 * MILLI,
        first_id: number * 1_000_000_000,
        first_book_id: number * 50_000_000,
        id,
        ..model.clone()
    }
}

/// The user number of the trader that takes what we are about to take (F53).
pub const ADVERSARY: u64 = 666_666;

fn fund_adversary(world: &mut World) {
    let now = world.now();
    for venue in 0..world.venue_count() {
        let exchange = world.exchange_mut(venue);
        let fees = sim_exchange::core::FeeRates { maker: Decimal::ZERO, taker: Decimal::ZERO };
        let account = exchange.add_account(ADVERSARY, "adversary", fees).expect("nobody else has its number");
        let assets: Vec<_> = exchange.assets().map(|(id, _)| id).collect();
        for asset in assets {
            exchange.deposit(now, account, asset, Decimal::from(1_000_000_000)).expect("a deposit that fits");
        }
    }
}

/// Takes the best of a book away before an order of `amount` on `side` at `limit` can have it. Returns whether there was any.
pub fn snatch(
    world: &mut World,
    venue: usize,
    pair: &str,
    side: sim_exchange::core::Side,
    limit: Decimal,
    amount: Decimal,
) -> bool {
    let now = world.now();
    let exchange = world.exchange_mut(venue);
    let (Some(account), Some(pair)) = (exchange.account_by_user(ADVERSARY), exchange.pair_by_name(pair)) else { return false };
    let order = sim_exchange::core::NewOrder {
        account,
        pair,
        side,
        kind: sim_exchange::core::OrderKind::Limit,
        time_in_force: sim_exchange::core::TimeInForce::Ioc,
        price: limit,
        amount: amount * Decimal::from(20),
        text: None,
    };
    exchange.place(now, order).is_ok()
}

/// Switches every fault of the venues off.
pub fn heal_world(world: &mut World) {
    for venue in 0..world.venue_count() {
        if let Some(on) = world.conditions(venue) {
            *on.faults = Faults::default();
            *on.visibility = Visibility::default();
        }
    }
}

/// The limits that the judge holds the engine to; the engine gets the same by its own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of values, counts and losses.
    pub limits: Limits,
    /// Exposure above dust for longer than this pauses.
    pub unhedged_max_ns: u64,
    /// Widest price band of a hedge.
    pub flatten_cap: Rate,
    /// Largest distance of an opening from the market.
    pub collar: Rate,
}

/// Trading of a pair is halted at a venue by a fault: until its end the venue shows the book as it was, whatever becomes of it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Which venue.
    pub venue: VenueId,
    /// The simulator's name of the pair.
    pub pair: String,
    /// From when on, Unix nanoseconds.
    pub from: u64,
    /// Its end, Unix nanoseconds: its own, or that of all faults.
    pub until: u64,
}

/// What every life of the engine in a run shares.
#[derive(Clone)]
pub struct Setup {
    /// Names and scales.
    pub tables: Arc<Tables>,
    /// What each venue accepts.
    pub rules: Vec<InstrumentRules>,
    /// Settings.
    pub engine: EngineConfig,
    /// The venues' names of the pairs.
    names: Vec<String>,
    /// What each venue speaks.
    pub(crate) speech: Vec<Speech>,
    keys: Vec<(String, String)>,
    venues: Vec<VenueChoice>,
    /// When each venue shuts us out by a fault of the run, Unix nanoseconds.
    pub banning: Vec<Vec<(u64, u64)>>,
    /// When a fault of the run halts trading of a pair.
    pub halts: Vec<Halt>,
    seed: u64,
    /// No fault of the run makes a venue refuse for its rate limits, nor bunches requests on their way.
    pub refusals_are_ours: bool,
    /// A book that its venue changed this long ago is too old to open on: its age, its lag, and the network's own.
    pub behind_max_ns: u64,
    /// New orders are hidden from look-ups this long.
    pub order_hidden_ns: u64,
}

impl Setup {
    /// What the judge holds the engine to.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            limits: self.engine.limits,
            unhedged_max_ns: self.engine.executor.unhedged_max_ns,
            flatten_cap: self.engine.executor.flatten_cap,
            collar: self.engine.detector.collar,
        }
    }

    /// Levels a side that each venue's book channel shows: those of some say so behind a dot.
    pub fn book_depths(&self) -> Vec<usize> {
        let depth = |channel: &str| channel.rsplit_once('.').and_then(|(_, depth)| depth.parse().ok()).unwrap_or(usize::MAX);
        self.venues.iter().map(|venue| depth(venue.book_channel)).collect()
    }

    /// The pair that a venue calls so; only some venues part base and quote.
    pub fn pair_of(&self, name: &str) -> Option<PairId> {
        let same = |known: &String| known == name || is_joined(known, name);
        self.names.iter().position(same).map(|index| PairId(index as u16))
    }

    /// The simulator's name of a pair.
    pub fn name_of(&self, pair: PairId) -> Option<&str> {
        self.names.get(pair.index()).map(String::as_str)
    }

    /// (key, secret) of each venue.
    pub fn secrets(&self) -> Vec<(String, String)> {
        self.keys.clone()
    }

    /// Asks the venues for their rules and fixes the scales.
    ///
    /// # Panics
    /// When a venue does not answer as documented: nothing can be simulated then.
    pub fn fetch(config: &SimConfig, world: &mut World) -> Setup {
        let symbols: Vec<Symbol> =
            config.pairs.iter().map(|pair| Symbol::parse(pair).expect("the simulator's names are symbols")).collect();
        let speech: Vec<Speech> = (0..world.venue_count()).map(|venue| Speech::of(world, venue)).collect();
        let (mut listed, mut fee_assets) = (Vec::new(), Vec::new());
        for (venue, of) in speech.iter().enumerate() {
            let connector = of.connector;
            let mut rules = Vec::new();
            for asked in connector.rules_requests(&symbols) {
                let (status, mut body) = ask(world, venue, asked.request);
                let read = connector.decode_rules(status, &mut body, &asked.symbols, None);
                rules.extend(read.expect("the simulator answers as documented"));
            }
            fee_assets.extend(connector.fee_assets());
            listed.push((world.venue(venue).id.clone(), rules));
        }
        fee_assets.dedup();
        let (tables, rules) = build_tables(&symbols, &listed, &fee_assets).expect("the demo's pairs fit one scale");
        let keys = config.venues.iter().enumerate().map(|(index, choice)| key_of(world, index, choice.logs_in)).collect();
        Setup {
            names: tables.pairs.iter().map(|info| format!("{}_{}", info.symbol.base, info.symbol.quote)).collect(),
            tables: Arc::new(tables),
            rules,
            engine: engine_config(config.limits),
            keys,
            venues: config.venues.clone(),
            banning: (0..speech.len())
                .map(|venue| config.faults.bans(venue).map(|(from, until)| (START_T_NS + from, START_T_NS + until)).collect())
                .collect(),
            halts: (0..speech.len())
                .flat_map(|venue| {
                    config.faults.halts(venue).map(move |(pair, from, until)| Halt {
                        venue: VenueId(venue as u8),
                        pair: pair.into(),
                        from: START_T_NS + from,
                        until: START_T_NS + until.min(config.duration_ns),
                    })
                })
                .collect(),
            seed: config.seed,
            refusals_are_ours: config.faults.keeps_rate_limits(),
            behind_max_ns: BOOK_AGE_MAX_NS + LAG_MAX_NS + SECOND / 2 + config.faults.feed_delay_max_ns(),
            order_hidden_ns: config.faults.order_hidden_ns,
            speech,
        }
    }

    /// New sessions, in venue order, for the life of the engine with this number.
    ///
    /// # Panics
    /// For a book channel that the connector does not know.
    pub fn sessions(&self, life: u64) -> Vec<Box<dyn VenueSession>> {
        let one = |(index, (key, secret)): (usize, &(String, String))| {
            let (venue, choice) = (VenueId(index as u8), self.venues[index]);
            let pairs: Vec<PairId> = self.rules.iter().filter(|rules| rules.venue == venue).map(|rules| rules.pair).collect();
            let config = SessionConfig {
                venue,
                tables: self.tables.clone(),
                pairs,
                key: Some(SecretString::from(key.clone())),
                secret: Some(SecretString::from(secret.clone())),
                book_channel: choice.book_channel.into(),
                options: SessionOptions {
                    book_ticker: choice.book_ticker,
                    order_entry: if choice.order_entry { OrderEntry::WebSocket } else { OrderEntry::Rest },
                    redundant: choice.redundant,
                    ..SessionOptions::default()
                },
                seed: self.seed.wrapping_mul(31).wrapping_add(life * self.venues.len() as u64 + index as u64),
            };
            venue::redundant::session(self.speech[index].connector, config).expect("the harness names known book channels")
        };
        self.keys.iter().enumerate().map(one).collect()
    }
}

/// The key and the secret of a venue's account; with `logs_in` those that order links log in with, where there are others than the usual.
fn key_of(world: &World, index: usize, logs_in: bool) -> (String, String) {
    let venue = world.venue(index);
    let other = venue.kind.settings().more_keys(venue).into_iter().next().filter(|_| logs_in);
    other.map_or_else(|| (venue.api_key.clone(), venue.api_secret.clone()), |more| (more.key, more.secret))
}

/// Whether a name is base and quote of `BASE_QUOTE` without anything between them.
fn is_joined(known: &str, name: &str) -> bool {
    known.split_once('_').is_some_and(|(base, quote)| name.strip_prefix(base) == Some(quote))
}

/// The venue's answer to the connector's request for rules, before any engine runs.
fn ask(world: &mut World, venue: usize, request: venue::HttpRequest) -> (u16, Vec<u8>) {
    world.http(venue, 0, venue_request(request));
    loop {
        while let Some(output) = world.poll_output() {
            if let OutputBody::Http { response, .. } = output.body {
                return (response.status, response.body);
            }
        }
        let next = world.next_wakeup().expect("a reply is on its way");
        world.advance(next);
    }
}

/// A request as a venue receives it.
pub fn venue_request(request: venue::HttpRequest) -> HttpRequest {
    HttpRequest {
        method: request.method.as_str().to_owned(),
        path: request.path,
        query: request.query,
        headers: request.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        body: request.body,
    }
}

/// Settings like the demo's, with shorter windows so that a run converges in seconds. Every window is longer than what the faults
/// hide behind it.
fn engine_config(limits: Limits) -> EngineConfig {
    let bps = |n| Rate::from_bps(n).expect("a small rate");
    limits.validate().expect("limits that a run may start with");
    let order_expiry_ns = 500 * MILLI;
    EngineConfig {
        detector: DetectorConfig {
            min_edge: bps(2),
            book_age_max_ns: BOOK_AGE_MAX_NS,
            lag_max_ns: LAG_MAX_NS,
            lag_must_be_known: true,
            skew_max_ns: 900 * MILLI,
            collar: bps(500),
            latency_allowance: bps(1),
        },
        executor: ExecutorConfig {
            order_expiry_ns,
            visibility_window_ns: 3 * SECOND,
            balance_grace_ns: 6 * SECOND,
            reconcile_period_ns: 5 * SECOND,
            unhedged_max_ns: 3 * SECOND,
            complete_cap: bps(30),
            reverse_cap: bps(30),
            flatten_cap: bps(200),
            ..ExecutorConfig::with_limits(INSTANCE, limits)
        },
        limits,
        controls: Controls::beside(&limits),
        reference: None,
        latency_allowance: bps(1),
        plan_expiry_ns: order_expiry_ns,
        floors: Vec::new(),
        vetoes: std::collections::BTreeSet::new(),
        dead_man_ns: 0,
    }
}
