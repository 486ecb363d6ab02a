//! What a simulated Bybit venue is told before and while it runs: keys, delays, limits, visibility and faults.
//!
//! Start at [`BybitConfig`]. All times are nanoseconds. Everything random is drawn from a seed, so that a run is a function of
//! it.

use rust_decimal::Decimal;

use super::{BybitDialect, PRIVATE_WS_PATH, WS_PATHS};
use crate::{
    core::{ClientIdPolicy, DeductionConfig, ExchangeConfig, UnfillablePolicy},
    faults::{Conditions, Faults, ScriptedFault, Visibility, script::FaultScript},
    reading::Reading,
    timing::{Delays, Jitter},
    world::{Dialect, DialectParts, FaultSettings, Settings},
};

const MS: u64 = 1_000_000;
const HOUR_NS: u64 = 3_600_000 * MS;

/// Settings of one Bybit venue.
#[derive(Clone, Debug)]
pub struct BybitConfig {
    /// Seeds the jitter of processing delays.
    pub seed: u64,
    /// Keys that may call besides the venue's own, which the world adds.
    pub keys: Vec<BybitKey>,
    /// Processing times inside the venue; the network's own delays are not part of them.
    pub delays: Delays,
    /// Sizes of the rate limits.
    pub limits: BybitLimits,
    /// How long things stay invisible, stale or known. `text_lookup_ns` is how long `/v5/order/realtime` still knows an order
    /// that has ended; `unfilled_forgotten_ns` how long `/v5/order/history` knows one that ended without a fill.
    pub visibility: Visibility,
    /// A socket on which neither side sent anything for this long is cut, unless its URL asks for less (`max_active_time`).
    pub idle_cutoff_ns: u64,
    /// How far from the best price a market order may trade when it names no tolerance of its own, as a fraction of that price.
    pub market_reach: Decimal,
    /// Whether the account may arm the protection against disconnects (DCP), which Bybit grants to institutions.
    pub dcp_allowed: bool,
    /// Faults in force from the start; may be changed while the venue runs.
    pub faults: Faults,
    /// Faults that begin at a time after the start.
    pub script: Vec<ScriptedFault>,
    /// The script and the draws begin this long after the venue's start: when it ran before anyone could see it.
    pub faults_from_ns: u64,
    /// Draws faults from this seed, one every few seconds for as long as the venue runs.
    pub faults_seed: Option<u64>,
}

impl Default for BybitConfig {
    fn default() -> BybitConfig {
        BybitConfig {
            seed: 0,
            keys: Vec::new(),
            delays: Delays::default(),
            limits: BybitLimits::default(),
            visibility: Visibility {
                unfilled_forgotten_ns: 24 * HOUR_NS,
                text_lookup_ns: 10 * 60_000 * MS,
                ..Visibility::default()
            },
            idle_cutoff_ns: 10 * 60_000 * MS,
            market_reach: Decimal::new(5, 2),
            dcp_allowed: false,
            faults: Faults::default(),
            script: Vec::new(),
            faults_from_ns: 0,
            faults_seed: None,
        }
    }
}

impl Settings for BybitConfig {
    fn kind(&self) -> &'static str {
        "bybit"
    }

    fn ws_paths(&self) -> &'static [&'static str] {
        &WS_PATHS
    }

    fn private_ws_path(&self) -> &'static str {
        PRIVATE_WS_PATH
    }

    /// An order that cannot live is accepted and then ended, and a client id is never free again (Bybit API v5, place order).
    fn adapt(&self, exchange: &mut ExchangeConfig) {
        exchange.unfillable = UnfillablePolicy::AcceptThenCancel;
        exchange.client_ids = ClientIdPolicy::Unique;
        // No token pays fees here.
        exchange.deduction = DeductionConfig { gt_prices: Vec::new(), point_prices: Vec::new(), ..DeductionConfig::default() };
    }

    /// The venue's own key joins the keys given here.
    fn dialect(&self, parts: &DialectParts<'_>) -> Box<dyn Dialect> {
        let venue = parts.venue;
        let key = BybitKey::trading(&venue.api_key, &venue.api_secret, venue.user_id);
        let rights = venue.extra_permissions.iter();
        let key = rights.fold(key, |key, (name, _)| key.with_right(name));
        let mut settings = self.clone();
        settings.keys.push(key);
        Box::new(BybitDialect::new(settings, parts.exchange, parts.start_t_ns))
    }

    fn faults(&mut self) -> Option<FaultSettings<'_>> {
        Some(FaultSettings {
            delays: &mut self.delays,
            faults: &mut self.faults,
            visibility: &mut self.visibility,
            script: &mut self.script,
            from_ns: &mut self.faults_from_ns,
            seed: &mut self.faults_seed,
            sockets: None,
        })
    }

    fn reading(&self) -> &'static dyn Reading {
        &super::reading::BybitReading
    }

    fn boxed(&self) -> Box<dyn Settings> {
        Box::new(self.clone())
    }
}

impl BybitConfig {
    /// What faults move.
    pub(super) fn conditions(&mut self) -> Conditions<'_> {
        Conditions { faults: &mut self.faults, visibility: &mut self.visibility }
    }

    /// The faults of a venue that starts at `start_t_ns`, Unix nanoseconds.
    pub(super) fn fault_script(&self, start_t_ns: u64) -> FaultScript {
        let draws = self.faults_seed.map(|seed| Jitter::new(seed ^ self.seed.rotate_left(32)));
        FaultScript::new(&self.script, start_t_ns.saturating_add(self.faults_from_ns), draws, self.visibility)
    }

    /// What the venue's clock shows at `t_ns`, milliseconds: signatures, windows and stamps go by it.
    pub(super) fn clock_ms(&self, t_ns: u64) -> u64 {
        self.faults.clock.shown_ns(t_ns) / MS
    }
}

/// One API key. `Debug` shows neither the key nor the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct BybitKey {
    /// The value of `X-BAPI-API-KEY`.
    pub key: String,
    /// The shared secret, used as text.
    pub secret: String,
    /// The user id of an account of the exchange.
    pub user_id: u64,
    /// The key may not place, amend or cancel.
    pub read_only: bool,
    /// Groups and names of what it may do, as `/v5/user/query-api` shows them. Orders need `Spot` with `SpotTrade`.
    pub rights: Vec<(&'static str, &'static str)>,
}

impl BybitKey {
    /// A key with the rights an engine should have: spot orders, and nothing else.
    pub fn trading(key: &str, secret: &str, user_id: u64) -> BybitKey {
        let rights = vec![("Spot", "SpotTrade")];
        BybitKey { key: key.to_owned(), secret: secret.to_owned(), user_id, read_only: false, rights }
    }

    /// Adds a right, for example `withdraw`, to simulate a key that an engine must refuse.
    pub fn with_right(mut self, name: &str) -> BybitKey {
        self.rights.push(match name {
            "withdraw" => ("Wallet", "Withdraw"),
            "wallet" | "transfer" => ("Wallet", "AccountTransfer"),
            "subaccount" => ("Wallet", "SubMemberTransfer"),
            _ => ("ContractTrade", "Order"),
        });
        self
    }

    /// Whether it may place, amend and cancel spot orders.
    pub fn may_trade(&self) -> bool {
        !self.read_only && self.rights.contains(&("Spot", "SpotTrade"))
    }
}

impl std::fmt::Debug for BybitKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BybitKey").field("user_id", &self.user_id).field("rights", &self.rights).finish_non_exhaustive()
    }
}

/// Requests per second and user, except for the address (Bybit API v5, rate limit rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BybitLimits {
    /// `/v5/order/create`, over REST and WebSocket together.
    pub create: u32,
    /// `/v5/order/amend`.
    pub amend: u32,
    /// `/v5/order/cancel`, `/v5/order/cancel-all`, each.
    pub cancel: u32,
    /// Orders in batches: placed, amended, cancelled, each.
    pub batch: u32,
    /// Lists of orders and executions, balances.
    pub query: u32,
    /// The transaction log.
    pub log: u32,
    /// Fee rates, coins, transfers.
    pub slow: u32,
    /// Requests of one address in five seconds. Everybody here has the same address; beyond it everything is answered 403.
    pub address_per_5s: u32,
    /// How long an address is shut out then.
    pub address_ban_ns: u64,
}

impl Default for BybitLimits {
    fn default() -> BybitLimits {
        BybitLimits {
            create: 20,
            amend: 10,
            cancel: 20,
            batch: 20,
            query: 50,
            log: 30,
            slow: 5,
            address_per_5s: 600,
            address_ban_ns: 10 * 60_000 * MS,
        }
    }
}
