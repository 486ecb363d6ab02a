//! What a simulated Gate venue is told before and while it runs: delays, limits, visibility and scripted faults.
//!
//! Start at [`GateConfig`]. All times are nanoseconds. Everything random is drawn from [`Jitter`], seeded by
//! [`GateConfig::seed`], so that a run is a function of its seed.

use super::{
    GateDialect, WS_PATH, WS_PATHS, auth::ApiKey, fault_script::ScriptedFault, faults::GateFaults, rate::RateLimitConfig,
};
use crate::world::{Dialect, DialectParts, FaultSettings, Settings};

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
    pub delays: GateDelays,
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
    pub faults: GateFaults,
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
            delays: GateDelays::default(),
            limits: RateLimitConfig::default(),
            visibility: Visibility::default(),
            idle_cutoff_ns: 60_000 * MS,
            unsubscribed_cutoff_ns: None,
            repeat_unchanged_books: false,
            full_before_ack_per_mille: 300,
            updates_start_full: false,
            answer_malformed: true,
            exptime_refusal: (400, "EXPTIME_PASSED"),
            faults: GateFaults::default(),
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
            faults: &mut self.faults,
            visibility: &mut self.visibility,
            script: &mut self.script,
            from_ns: &mut self.faults_from_ns,
            seed: &mut self.faults_seed,
        })
    }

    fn boxed(&self) -> Box<dyn Settings> {
        Box::new(self.clone())
    }
}

impl GateConfig {
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

/// A processing time drawn evenly from `min_ns..=max_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayRange {
    /// Shortest.
    pub min_ns: u64,
    /// Longest; a value below `min_ns` counts as `min_ns`.
    pub max_ns: u64,
}

impl DelayRange {
    /// Always the same time.
    pub const fn fixed(ns: u64) -> DelayRange {
        DelayRange { min_ns: ns, max_ns: ns }
    }

    /// From `min_ms` to `max_ms` milliseconds.
    pub const fn millis(min_ms: u64, max_ms: u64) -> DelayRange {
        DelayRange { min_ns: min_ms * MS, max_ns: max_ms * MS }
    }
}

/// Processing times inside the venue, from arrival (or from the event) to departure.
///
/// An order takes effect when it arrives; the delays are those of what is said about it. With `private_stream` shorter
/// than `rest_order` a fill is told before its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateDelays {
    /// Reply to a REST read.
    pub rest_read: DelayRange,
    /// Reply to placing or cancelling over REST.
    pub rest_order: DelayRange,
    /// Reply to a WebSocket request, pongs included.
    pub ws_reply: DelayRange,
    /// The gateway's receipt (`ack: true`) of an order sent over WebSocket.
    pub ws_ack: DelayRange,
    /// Final reply to an order, amendment or cancel over WebSocket: a shorter way than REST.
    pub ws_order: DelayRange,
    /// Push on `spot.orders`, after the event.
    pub orders_push: DelayRange,
    /// Push on `spot.usertrades`, after the event.
    pub usertrades_push: DelayRange,
    /// Push on `spot.balances`, after the event.
    pub balances_push: DelayRange,
    /// Push on public channels, after the event or the channel's tick.
    pub public_push: DelayRange,
}

impl Default for GateDelays {
    fn default() -> GateDelays {
        GateDelays {
            rest_read: DelayRange::millis(1, 3),
            rest_order: DelayRange::millis(2, 5),
            ws_reply: DelayRange::millis(1, 2),
            ws_ack: DelayRange { min_ns: 200_000, max_ns: 600_000 },
            ws_order: DelayRange { min_ns: 800_000, max_ns: 2 * MS },
            orders_push: DelayRange::millis(2, 6),
            usertrades_push: DelayRange::millis(2, 6),
            balances_push: DelayRange::millis(2, 8),
            public_push: DelayRange::fixed(MS / 2),
        }
    }
}

/// How long things stay invisible, stale or known (Gate API v4, lookup lifetime of an order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// A new order is unknown to lookups, lists and cancels by REST for this long.
    pub order_hidden_ns: u64,
    /// A new trade is absent from `/spot/my_trades` for this long.
    pub trade_hidden_ns: u64,
    /// `/spot/accounts` shows the state of this long ago.
    pub balances_stale_ns: u64,
    /// A cancelled order without fills is forgotten this long after its end.
    pub unfilled_forgotten_ns: u64,
    /// A finished order can be found by its `text` for this long after its end; by id it stays findable.
    pub text_lookup_ns: u64,
    /// Look-ups and lists of orders show the state of this long ago.
    pub orders_stale_ns: u64,
}

impl Default for Visibility {
    fn default() -> Visibility {
        Visibility {
            order_hidden_ns: 0,
            trade_hidden_ns: 0,
            balances_stale_ns: 0,
            unfilled_forgotten_ns: 60_000 * MS,
            text_lookup_ns: 3_600_000 * MS,
            orders_stale_ns: 0,
        }
    }
}

/// Seeded source of processing delays: SplitMix64, small and the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    state: u64,
}

impl Jitter {
    /// Starts the sequence of `seed`.
    pub(super) const fn new(seed: u64) -> Jitter {
        Jitter { state: seed }
    }

    /// The next 64 bits.
    pub(super) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True in `per_mille` of 1000 cases.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.next_u64() % 1_000 < u64::from(per_mille)
    }

    /// A time from `range`.
    pub(super) fn draw(&mut self, range: DelayRange) -> u64 {
        let span = range.max_ns.saturating_sub(range.min_ns);
        let drawn = self.next_u64();
        if span == u64::MAX { drawn } else { range.min_ns + drawn % (span + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_repeat_with_the_seed() {
        let range = DelayRange::millis(2, 5);
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            (0..1_000).map(|_| jitter.draw(range)).collect::<Vec<u64>>()
        };
        let first = draw(7);
        assert!(first.iter().all(|ns| (range.min_ns..=range.max_ns).contains(ns)));
        assert_eq!(first, draw(7));
        assert_ne!(first, draw(8));
        assert_eq!(Jitter::new(1).draw(DelayRange::fixed(9)), 9);
    }
}
