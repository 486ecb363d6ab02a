//! The `[sim]` section: the simulated market, its accounts, and what goes wrong on the simulated venues.
//!
//! Faults come in three ways that may be mixed: `[sim.faults]` holds from the start, `[[sim.fault]]` strikes at a time, and
//! `faults_seed` draws one every few seconds. Ordinals count from 1 over the life of each venue.

use super::units::{Bps, Money, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_exchange::core::FeeDebit;
use sim_exchange::gate::{GateConfig, ScriptedFault, TimedFault};

/// `[sim]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sim {
    /// How far the simulated venues' prices drift apart. Below the fees no deal is possible.
    pub basis_bps: Bps,
    /// How far the efficient price moves in a second. The recordings that the market model is made from have 1.
    pub volatility_bps: Bps,
    /// Fee of each simulated venue for takers and makers.
    pub fee_bps: Bps,
    /// Simulated venues whose key may withdraw: to see the engine refuse it.
    pub key_may_withdraw: bool,
    /// The asset that fees leave from the start: `received`, `gt` or `points`.
    pub pay_fees_in: FeesFrom,
    /// Draws faults of the simulated venues from this seed, one every few seconds; none: only those written below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults_seed: Option<u64>,
    /// Balances at the start in place of the usual ones, on every simulated venue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub balance: Vec<SimBalance>,
    /// Faults in force from the start.
    pub faults: SimFaults,
    /// Faults that begin at a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<SimFault>,
}

/// The asset that fees leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FeesFrom {
    /// The asset that a fill brings.
    #[default]
    Received,
    /// GT, at nine tenths of the rate.
    Gt,
    /// Points.
    Points,
}

/// `[[sim.balance]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimBalance {
    /// Asset name.
    pub asset: String,
    /// Amount.
    pub amount: Money,
}

/// `[sim.faults]`: of every simulated venue, from the start
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimFaults {
    /// Accepted orders whose REST reply never leaves, by ordinal.
    pub drop_reply_after_order: Vec<u64>,
    /// Accepted orders whose REST reply is a 500, by ordinal.
    pub fail_reply_after_order: Vec<u64>,
    /// Orders accepted over WebSocket without any reply, by ordinal.
    pub ws_drop_reply_after_order: Vec<u64>,
    /// Orders accepted over WebSocket with the gateway's receipt but no final reply, by ordinal.
    pub ws_ack_only_after_order: Vec<u64>,
    /// Orders accepted over WebSocket with a final reply but no receipt, by ordinal.
    pub ws_final_only_after_order: Vec<u64>,
    /// Orders accepted over WebSocket after which the connection is cut, by ordinal.
    pub ws_cut_after_order: Vec<u64>,
    /// Increments of `spot.order_book_update` that are left out (gaps), by ordinal.
    pub skip_book_delta: Vec<u64>,
    /// Increments of `spot.obu` that are left out (gaps), by ordinal.
    pub skip_obu_delta: Vec<u64>,
    /// Increments of `spot.obu` that come as whole books, by ordinal.
    pub full_obu_push: Vec<u64>,
    /// Private frames that come twice, by ordinal.
    pub double_private_frame: Vec<u64>,
    /// Private frames that come after the one behind them, by ordinal.
    pub reorder_private_frame: Vec<u64>,
    /// Private REST requests that are answered 429, by ordinal.
    pub too_many_requests: Vec<u64>,
    /// Pairs whose public channels say nothing while pongs go on (`BTC_USDT`).
    pub silent_pairs: Vec<String>,
    /// All public channels say nothing.
    pub silent_feed: bool,
    /// Subscriptions are acknowledged and never served.
    pub acknowledge_without_service: bool,
    /// Subscriptions are served and never acknowledged.
    pub swallow_acknowledgements: bool,
    /// The first this many `/spot/order_book` replies come from an old copy.
    pub stale_book_replies: u32,
    /// `/spot/order_book` with a limit above 100 comes from a copy one to two seconds old.
    pub slow_deep_books: bool,
    /// `/spot/order_book` replies have two empty sides and no id.
    pub empty_book_replies: bool,
    /// The first whole book of `spot.obu` is stamped half as old as its book.
    pub old_snapshot_times: bool,
    /// Pairs whose books change about every half minute, so that their venue times are old (`XRP_USDT`).
    pub quiet_pairs: Vec<String>,
    /// Out of 1000 changes of a book, so many leave it as it was: increments of `spot.obu` with an id and no level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_only_per_mille: Option<u32>,
    /// `/spot/accounts` shows a state this old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balances_stale: Option<Span>,
    /// New orders are unknown to look-ups for this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_hidden: Option<Span>,
    /// New trades are absent from lists for this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trades_hidden: Option<Span>,
    /// Cancelled orders without fills are forgotten this long after their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfilled_forgotten: Option<Span>,
    /// Finished orders are found by their client id for this long after their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_lookup: Option<Span>,
}

/// `[[sim.fault]]`: of every simulated venue, at a time
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimFault {
    /// When it begins, after the start.
    pub at: Span,
    /// What happens.
    pub kind: SimFaultKind,
    /// How long it lasts, for those that last.
    #[serde(default = "lasts")]
    pub lasts: Span,
    /// How many replies, frames or requests it hits, for those that count.
    #[serde(default = "one")]
    pub count: u32,
    /// The pair it hits, for `silence`; none: all pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// How old or late things are, for `stale_balances`, `hidden_orders`, `forgotten_orders` and `upgrade`.
    #[serde(default = "age")]
    pub age: Span,
}

/// What can strike at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimFaultKind {
    /// Public channels say nothing (lasts).
    Silence,
    /// Increments of the book channels are left out (count).
    Gaps,
    /// `/spot/order_book` replies from an old copy (count).
    StaleBooks,
    /// Deep `/spot/order_book` replies from a slow cache (lasts).
    SlowDeepBooks,
    /// `/spot/accounts` shows a state of `age` ago (lasts).
    StaleBalances,
    /// New orders and trades are unknown for `age` (lasts).
    HiddenOrders,
    /// Finished orders are forgotten after `age` (lasts).
    ForgottenOrders,
    /// Private REST requests are answered 429 (count).
    TooManyRequests,
    /// Replies to accepted orders never leave (count).
    LostReplies,
    /// Private frames come twice (count).
    DoubledPrivate,
    /// Private frames come after the one behind them (count).
    ReorderedPrivate,
    /// Subscriptions are acknowledged and never served (lasts).
    Unserved,
    /// A notice of an upgrade, and a close `age` later.
    Upgrade,
    /// All connections are cut.
    Cut,
}

fn lasts() -> Span {
    Span(2_000_000_000)
}

fn age() -> Span {
    Span(1_000_000_000)
}

fn one() -> u32 {
    1
}

impl Default for Sim {
    fn default() -> Sim {
        let bps = |bps| Bps(domain::Rate::from_bps(bps).unwrap_or_default());
        Sim {
            basis_bps: bps(60),
            volatility_bps: bps(3),
            fee_bps: bps(10),
            key_may_withdraw: false,
            pay_fees_in: FeesFrom::Received,
            faults_seed: None,
            balance: Vec::new(),
            faults: SimFaults::default(),
            fault: Vec::new(),
        }
    }
}

impl FeesFrom {
    /// As the simulator calls it.
    pub fn debit(self) -> FeeDebit {
        match self {
            FeesFrom::Received => FeeDebit::Received,
            FeesFrom::Gt => FeeDebit::Gt,
            FeesFrom::Points => FeeDebit::Points,
        }
    }
}

impl Sim {
    /// True when faults begin at times while the venues run, drawn or written down.
    pub fn has_timed_faults(&self) -> bool {
        self.faults_seed.is_some() || !self.fault.is_empty()
    }

    /// Puts the faults of one venue into its settings.
    pub fn apply_faults(&self, gate: &mut GateConfig) {
        let from = self.faults.clone();
        let faults = &mut gate.faults;
        faults.drop_reply_after_order = from.drop_reply_after_order;
        faults.fail_reply_after_order = from.fail_reply_after_order;
        faults.ws_drop_reply_after_order = from.ws_drop_reply_after_order;
        faults.ws_ack_only_after_order = from.ws_ack_only_after_order;
        faults.ws_final_only_after_order = from.ws_final_only_after_order;
        faults.ws_cut_after_order = from.ws_cut_after_order;
        faults.skip_book_delta = from.skip_book_delta;
        faults.skip_obu_delta = from.skip_obu_delta;
        faults.full_obu_push = from.full_obu_push;
        faults.double_private_frame = from.double_private_frame;
        faults.reorder_private_frame = from.reorder_private_frame;
        faults.too_many_requests = from.too_many_requests;
        faults.silent_pairs = from.silent_pairs;
        faults.silent_feed = from.silent_feed;
        faults.acknowledge_without_service = from.acknowledge_without_service;
        faults.swallow_acknowledgements = from.swallow_acknowledgements;
        faults.stale_book_replies = from.stale_book_replies;
        faults.slow_deep_books = from.slow_deep_books;
        faults.empty_book_replies = from.empty_book_replies;
        faults.old_snapshot_times = from.old_snapshot_times;
        let seen = &mut gate.visibility;
        let set = |to: &mut u64, from: Option<Span>| *to = from.map_or(*to, |span| span.0);
        set(&mut seen.balances_stale_ns, from.balances_stale);
        set(&mut seen.order_hidden_ns, from.orders_hidden);
        set(&mut seen.trade_hidden_ns, from.trades_hidden);
        set(&mut seen.unfilled_forgotten_ns, from.unfilled_forgotten);
        set(&mut seen.text_lookup_ns, from.text_lookup);
        gate.script = self.fault.iter().map(|fault| ScriptedFault { at_ns: fault.at.0, fault: fault.timed() }).collect();
        gate.faults_seed = self.faults_seed;
    }
}

impl SimFault {
    fn timed(&self) -> TimedFault {
        let (for_ns, count, age_ns) = (self.lasts.0, self.count, self.age.0);
        match self.kind {
            SimFaultKind::Silence => TimedFault::Silence { pair: self.pair.clone(), for_ns },
            SimFaultKind::Gaps => TimedFault::Gaps { count },
            SimFaultKind::StaleBooks => TimedFault::StaleBooks { replies: count },
            SimFaultKind::SlowDeepBooks => TimedFault::SlowDeepBooks { for_ns },
            SimFaultKind::StaleBalances => TimedFault::StaleBalances { age_ns, for_ns },
            SimFaultKind::HiddenOrders => TimedFault::HiddenOrders { hidden_ns: age_ns, for_ns },
            SimFaultKind::ForgottenOrders => TimedFault::ForgottenOrders { after_ns: age_ns, for_ns },
            SimFaultKind::TooManyRequests => TimedFault::TooManyRequests { count },
            SimFaultKind::LostReplies => TimedFault::LostReplies { count },
            SimFaultKind::DoubledPrivate => TimedFault::DoubledPrivate { count },
            SimFaultKind::ReorderedPrivate => TimedFault::ReorderedPrivate { count },
            SimFaultKind::Unserved => TimedFault::Unserved { for_ns },
            SimFaultKind::Upgrade => TimedFault::Upgrade { close_after_ns: age_ns },
            SimFaultKind::Cut => TimedFault::Cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_reach_the_venue_and_unknown_keys_are_refused() {
        let text = r#"
            faults_seed = 7
            pay_fees_in = "gt"
            balance = [{ asset = "GT", amount = "12.5" }]
            [faults]
            skip_obu_delta = [3]
            balances_stale = "1500ms"
            silent_pairs = ["ETH_USDT"]
            [[fault]]
            at = "5s"
            kind = "upgrade"
            age = "2s"
            [[fault]]
            at = "6s"
            kind = "too_many_requests"
            count = 3
        "#;
        let sim: Sim = toml::from_str(text).expect("a valid section");
        let mut gate = GateConfig::default();
        sim.apply_faults(&mut gate);
        assert_eq!((gate.faults.skip_obu_delta.as_slice(), gate.visibility.balances_stale_ns), (&[3][..], 1_500_000_000));
        assert!(gate.faults.is_silent("ETH_USDT") && gate.faults_seed == Some(7));
        let script = vec![
            ScriptedFault { at_ns: 5_000_000_000, fault: TimedFault::Upgrade { close_after_ns: 2_000_000_000 } },
            ScriptedFault { at_ns: 6_000_000_000, fault: TimedFault::TooManyRequests { count: 3 } },
        ];
        assert_eq!((gate.script, sim.pay_fees_in.debit()), (script, FeeDebit::Gt));
        for bad in ["[faults]\nskip_obu = [1]", "[[fault]]\nat = \"1s\"\nkind = \"boom\"", "faults_sed = 1"] {
            assert!(toml::from_str::<Sim>(bad).is_err(), "{bad}");
        }
        let mut untouched = GateConfig::default();
        Sim::default().apply_faults(&mut untouched);
        assert_eq!((untouched.faults, untouched.visibility), (Default::default(), Default::default()));
    }
}
