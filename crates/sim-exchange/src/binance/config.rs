//! What a simulated Binance venue is told before and while it runs.
//!
//! Start at [`BinanceConfig`]. All times are nanoseconds.

use rust_decimal::Decimal;

use super::{BinanceDialect, auth, auth::ApiKey, rate::LimitSizes, reading::BinanceReading};
use crate::{
    core::{ClientIdPolicy, DeductionConfig, ExchangeConfig, UnfillablePolicy},
    faults::{Conditions, Faults, ScriptedFault, Visibility, script::FaultScript},
    reading::Reading,
    timing::{Delays, Jitter},
    world::{Dialect, DialectParts, FaultSettings, MoreKey, Settings, SocketLife, VenueConfig},
};

const MS: u64 = 1_000_000;
const DAY_NS: u64 = 86_400_000 * MS;
/// Decimals of every asset (Binance spot API, `baseAssetPrecision`).
pub(super) const ASSET_DECIMALS: u32 = 8;

/// Paths on which a WebSocket may be opened: raw and combined streams, and the WebSocket API.
pub const WS_PATHS: [&str; 4] = ["/ws", "/ws/*", "/stream*", "/ws-api/v3"];

/// Settings of one Binance venue.
#[derive(Clone, Debug)]
pub struct BinanceConfig {
    /// Seeds the jitter of processing delays.
    pub seed: u64,
    /// Keys that act for the venue's account, besides its own and an Ed25519 key made of its secret.
    pub keys: Vec<ApiKey>,
    /// Processing times inside the venue; the network's own delays are not part of them.
    pub delays: Delays,
    /// Sizes of the limits.
    pub limits: LimitSizes,
    /// How long things stay invisible, stale or known.
    pub visibility: Visibility,
    /// The server pings each socket this often.
    pub ping_every_ns: u64,
    /// A socket whose client answered no ping for this long is cut.
    pub pong_within_ns: u64,
    /// A socket lives this long.
    pub life_ns: u64,
    /// `serverShutdown` is told this long before the end.
    pub notice_ns: u64,
    /// Messages that a client may send in a second on a socket of streams; one more and it is cut.
    pub messages_per_s: u32,
    /// Streams that one socket may follow.
    pub streams_max: usize,
    /// Faults in force from the start; may be changed while the venue runs.
    pub faults: Faults,
    /// Faults that begin at a time after the start.
    pub script: Vec<ScriptedFault>,
    /// The script and the draws begin this long after the venue's start.
    pub faults_from_ns: u64,
    /// Draws faults from this seed, one every few seconds for as long as the venue runs.
    pub faults_seed: Option<u64>,
}

impl Default for BinanceConfig {
    fn default() -> BinanceConfig {
        BinanceConfig {
            seed: 0,
            keys: Vec::new(),
            delays: Delays::default(),
            limits: LimitSizes::default(),
            // An order without fills is archived after 90 days; nothing else is forgotten (Binance spot API, −2026).
            visibility: Visibility {
                unfilled_forgotten_ns: 90 * DAY_NS,
                text_lookup_ns: 3_650 * DAY_NS,
                ..Visibility::default()
            },
            ping_every_ns: 20_000 * MS,
            pong_within_ns: 60_000 * MS,
            life_ns: DAY_NS,
            notice_ns: 600_000 * MS,
            messages_per_s: 5,
            streams_max: 1_024,
            faults: Faults::default(),
            script: Vec::new(),
            faults_from_ns: 0,
            faults_seed: None,
        }
    }
}

impl BinanceConfig {
    /// What faults move.
    pub(super) fn conditions(&mut self) -> Conditions<'_> {
        Conditions { faults: &mut self.faults, visibility: &mut self.visibility }
    }

    /// The faults of a venue that starts at `start_t_ns`, Unix nanoseconds.
    pub(super) fn fault_script(&self, start_t_ns: u64) -> FaultScript {
        let draws = self.faults_seed.map(|seed| Jitter::new(seed ^ self.seed.rotate_left(32)));
        FaultScript::new(&self.script, start_t_ns.saturating_add(self.faults_from_ns), draws, self.visibility)
    }
}

impl Settings for BinanceConfig {
    fn kind(&self) -> &'static str {
        "binance"
    }

    fn ws_paths(&self) -> &'static [&'static str] {
        &WS_PATHS
    }

    fn private_ws_path(&self) -> &'static str {
        "/ws-api/v3"
    }

    /// Eight decimals for every asset, BNB at three quarters of the fee and a price that never moves, client ids unique among
    /// open orders, and orders that cannot be filled ending `EXPIRED`.
    fn adapt(&self, exchange: &mut ExchangeConfig) {
        for asset in &mut exchange.assets {
            asset.decimals = asset.decimals.min(ASSET_DECIMALS);
        }
        if !exchange.assets.iter().any(|asset| asset.name == "BNB") {
            exchange.assets.push(crate::core::AssetConfig { name: "BNB".to_owned(), decimals: ASSET_DECIMALS });
        }
        exchange.deduction = DeductionConfig {
            gt_asset: "BNB".to_owned(),
            gt_rate_factor: Decimal::new(75, 2),
            gt_prices: vec![("USDT".to_owned(), Decimal::from(600))],
            point_prices: Vec::new(),
            ..DeductionConfig::default()
        };
        exchange.client_ids = ClientIdPolicy::UniqueAmongOpen;
        exchange.unfillable = UnfillablePolicy::RefusePostOnly;
    }

    fn more_keys(&self, venue: &VenueConfig) -> Vec<MoreKey> {
        let (key, secret) = ed25519_pair(venue);
        vec![MoreKey { algorithm: "ed25519", key, secret }]
    }

    fn reading(&self) -> &'static dyn Reading {
        &BinanceReading
    }

    fn dialect(&self, parts: &DialectParts<'_>) -> Box<dyn Dialect> {
        let venue = parts.venue;
        let (key, pem) = ed25519_pair(venue);
        let mut settings = self.clone();
        let may_withdraw = venue.extra_permissions.iter().any(|(name, read_only)| name == "withdraw" && !read_only);
        let own = [ApiKey::trading(&venue.api_key, &venue.api_secret), ApiKey::trading(&key, &pem)];
        settings.keys.extend(own.into_iter().map(|mut key| {
            key.may_withdraw = may_withdraw;
            key
        }));
        Box::new(BinanceDialect::new(settings, venue.user_id, parts.exchange, parts.start_t_ns))
    }

    fn faults(&mut self) -> Option<FaultSettings<'_>> {
        Some(FaultSettings {
            delays: &mut self.delays,
            faults: &mut self.faults,
            visibility: &mut self.visibility,
            script: &mut self.script,
            from_ns: &mut self.faults_from_ns,
            seed: &mut self.faults_seed,
            sockets: Some(SocketLife { life_ns: &mut self.life_ns, notice_ns: &mut self.notice_ns }),
        })
    }

    fn boxed(&self) -> Box<dyn Settings> {
        Box::new(self.clone())
    }
}

/// The Ed25519 key of a venue's account, and its private half.
fn ed25519_pair(venue: &VenueConfig) -> (String, String) {
    (format!("{}-ed25519", venue.api_key), auth::pem_of(&venue.api_secret))
}
