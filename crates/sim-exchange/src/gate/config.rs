//! What a simulated Gate venue is told before and while it runs: delays, limits, visibility and scripted faults.
//!
//! Start at [`GateConfig`]. All times are nanoseconds. Everything random is drawn from [`Jitter`], seeded by
//! [`GateConfig::seed`], so that a run is a function of its seed.

use super::{GateDialect, WS_PATH, WS_PATHS, auth::ApiKey, rate::RateLimitConfig};
use crate::{
    faults::{Conditions, Faults, ScriptedFault, Visibility, script::FaultScript},
    reading::Reading,
    timing::{Delays, Jitter},
    world::{Dialect, DialectParts, FaultSettings, Settings},
};

const MS: u64 = 1_000_000;

/// Settings of one Gate venue.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// Seeds the jitter of processing delays.
    pub seed: u64,
    /// Who may call, and with which keys. The world adds the user of the venue's own key.
    pub users: Vec<GateUser>,
    /// Fee tier shown by `/account/detail`.
    pub tier: u32,
    /// Processing times inside the venue; the network's own delays are not part of them.
    pub delays: Delays,
    /// Sizes of the rate-limit buckets.
    pub limits: RateLimitConfig,
    /// How long things stay invisible, stale or known.
    pub visibility: Visibility,
    /// A socket on which neither side sent anything for this long is cut, without a close frame.
    pub idle_cutoff_ns: u64,
    /// A socket that subscribed to nothing and did not log in is cut after this long instead; `None` makes no difference
    /// between sockets. One capture shows 30 seconds.
    pub unsubscribed_cutoff_ns: Option<u64>,
    /// A full `spot.order_book` is pushed every interval even when nothing changed.
    pub repeat_unchanged_books: bool,
    /// In so many of 1000 subscriptions to `spot.obu` the first full push leaves before the acknowledgement, as captured.
    pub full_before_ack_per_mille: u32,
    /// The first push of `spot.order_book_update` to each subscriber is whole (`full: true`). Gate documents the field;
    /// captures show none, so it is off.
    pub updates_start_full: bool,
    /// Text that is no JSON is answered with code 1, as captured on the contract stream; otherwise it gets no reply.
    pub answer_malformed: bool,
    /// Status and label for a request that arrives after its `x-gate-exptime`. Gate documents neither: clients must treat
    /// any refusal with an unknown label as "not accepted".
    pub exptime_refusal: (u16, &'static str),
    /// Faults in force from the start; may be changed while the venue runs.
    pub faults: Faults,
    /// Faults that begin at a time after the start.
    pub script: Vec<ScriptedFault>,
    /// The script and the draws begin this long after the venue's start: when it ran before anyone could see it.
    pub faults_from_ns: u64,
    /// Draws faults from this seed, one every few seconds for as long as the venue runs.
    pub faults_seed: Option<u64>,
}

impl Default for GateConfig {
    fn default() -> GateConfig {
        GateConfig {
            seed: 0,
            users: Vec::new(),
            tier: 0,
            delays: Delays::default(),
            limits: RateLimitConfig::default(),
            visibility: Visibility::default(),
            idle_cutoff_ns: 60_000 * MS,
            unsubscribed_cutoff_ns: None,
            repeat_unchanged_books: false,
            full_before_ack_per_mille: 300,
            updates_start_full: false,
            answer_malformed: true,
            exptime_refusal: (400, "EXPTIME_PASSED"),
            faults: Faults::default(),
            script: Vec::new(),
            faults_from_ns: 0,
            faults_seed: None,
        }
    }
}

impl Settings for GateConfig {
    fn kind(&self) -> &'static str {
        "gate"
    }

    fn ws_paths(&self) -> &'static [&'static str] {
        &WS_PATHS
    }

    fn private_ws_path(&self) -> &'static str {
        WS_PATH
    }

    /// The venue's own user and key join the users given here.
    fn dialect(&self, parts: &DialectParts<'_>) -> Box<dyn Dialect> {
        let venue = parts.venue;
        let key = ApiKey::trading(&venue.api_key, &venue.api_secret);
        let rights = venue.extra_permissions.iter();
        let key = rights.fold(key, |key, (name, read_only)| key.with_permission(name, *read_only));
        let mut settings = self.clone();
        settings.users.push(GateUser { user_id: venue.user_id, keys: vec![key] });
        Box::new(GateDialect::new(settings, parts.exchange, parts.start_t_ns))
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
        &super::reading::GateReading
    }

    fn boxed(&self) -> Box<dyn Settings> {
        Box::new(self.clone())
    }
}

impl GateConfig {
    /// What faults move.
    pub(super) fn conditions(&mut self) -> Conditions<'_> {
        Conditions { faults: &mut self.faults, visibility: &mut self.visibility }
    }

    /// The faults of a venue that starts at `start_t_ns`, Unix nanoseconds.
    pub(super) fn fault_script(&self, start_t_ns: u64) -> FaultScript {
        let draws = self.faults_seed.map(|seed| Jitter::new(seed ^ self.seed.rotate_left(32)));
        FaultScript::new(&self.script, start_t_ns.saturating_add(self.faults_from_ns), draws, self.visibility)
    }

    /// What the venue's clock shows at `t_ns`: signatures, expiries and stamps go by it.
    pub(super) fn clock_ns(&self, t_ns: u64) -> u64 {
        self.faults.clock.shown_ns(t_ns)
    }
}

/// One user of the venue and the keys that act for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateUser {
    /// The user id of an account of the exchange; shown by `/account/detail` and in private streams.
    pub user_id: u64,
    /// Keys; all share the user's rate-limit buckets.
    pub keys: Vec<ApiKey>,
}
