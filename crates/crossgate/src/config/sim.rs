//! The `[sim]` section: the simulated market, its accounts, and what goes wrong on the simulated venues.
//!
//! Faults come in three ways that may be mixed: `[sim.faults]` holds from the start, `[[sim.fault]]` strikes at a time, and
//! `faults_seed` draws one every few seconds. Ordinals count from 1 over the life of each venue.

use super::units::{Bps, Money, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_exchange::core::FeeDebit;
use sim_exchange::faults::{Absurd, Breakage, Crossing, Refusal, ScriptedFault, TamperTarget, TimedFault};
use sim_exchange::world::FaultSettings;
use venue::Aliases;

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
    /// Pairs in which trading is halted (`BTC_USDT`).
    pub halted_pairs: Vec<String>,
    /// Pairs that are not listed.
    pub delisted_pairs: Vec<String>,
    /// Frames of executions that never leave, by ordinal.
    pub lose_fill_frame: Vec<u64>,
    /// Private channels say nothing while pongs go on.
    pub mute_private: bool,
    /// Refusals for rate come without the headers that say until when.
    pub bare_refusals: bool,
    /// All rate limits are divided by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits_divided_by: Option<u32>,
    /// How far the venue's clock is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_behind: Option<Span>,
    /// Look-ups and lists of orders show a state this old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_stale: Option<Span>,
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
    /// The pair it hits, for `silence` and `crossed_books` (none: all pairs), `halt`, `coarser_rules`, `delisted`, `foreign_trade` (none:
    /// `BTC_USDT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// How old or late things are, for `stale_balances`, `hidden_orders`, `forgotten_orders`, `stale_orders` and `upgrade`; how far the
    /// clock goes, for `clock_ahead` and `clock_behind`.
    #[serde(default = "age")]
    pub age: Span,
    /// What a field becomes, for `absurd_*`.
    #[serde(default)]
    pub value: AbsurdValue,
    /// What a reply looks like, for `broken_replies`.
    #[serde(default)]
    pub shape: BrokenShape,
    /// The venue's label, for `refusals`.
    #[serde(default)]
    pub label: RefusalLabel,
    /// The asset, for `deposit` and `withdrawal`.
    #[serde(default = "usdt")]
    pub asset: String,
    /// How much: thousandths for `deposit` and `withdrawal`, hundredths for `fees`, parts per million for `clock_drift`, decimals fewer for
    /// `coarser_rules`, the divisor for `lower_limits`.
    #[serde(default = "two")]
    pub amount: u32,
}

/// What a field becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AbsurdValue {
    /// `"0"`.
    #[default]
    Zero,
    /// `"-1"`.
    Negative,
    /// `"NaN"`.
    NotANumber,
    /// `"1e309"`.
    Huge,
    /// Forty decimals.
    TooFine,
    /// `""`.
    Empty,
    /// `null`.
    Null,
    /// A hundred times what it was.
    TimesHundred,
    /// A required field is missing.
    Missing,
    /// A word that is in no list.
    UnknownWord,
    /// One field more.
    ExtraField,
}

/// What a broken reply looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrokenShape {
    /// 502 with HTML.
    #[default]
    Html,
    /// 500 with a label.
    ServerError,
    /// 504 with nothing.
    GatewayTimeout,
    /// JSON that ends in the middle.
    Truncated,
    /// 200 with a label inside.
    ErrorInside,
}

/// Why a venue refuses an order, by Gate's label; each simulated venue says it in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct RefusalLabel(Refusal);

impl Default for RefusalLabel {
    fn default() -> RefusalLabel {
        RefusalLabel(Refusal::Balance)
    }
}

impl TryFrom<String> for RefusalLabel {
    type Error = String;

    fn try_from(text: String) -> Result<RefusalLabel, String> {
        let known = || Refusal::ALL.map(Refusal::name).join(", ");
        Refusal::by_name(&text).map(RefusalLabel).ok_or_else(|| format!("`{text}` is no label that refuses orders: {}", known()))
    }
}

impl From<RefusalLabel> for String {
    fn from(label: RefusalLabel) -> String {
        label.0.name().into()
    }
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
    /// Book frames with a bid above the best ask, never taken back (count).
    CrossedFrames,
    /// Books with a bid one per cent above the best ask, in every channel and over REST (lasts).
    CrossedBooks,
    /// Books whose best bid and ask are the same (lasts).
    LockedBooks,
    /// Book frames with one field changed to `value` (count).
    AbsurdBooks,
    /// Best-level frames with one field changed to `value` (count).
    AbsurdTickers,
    /// Frames of orders with one field changed to `value` (count).
    AbsurdOrders,
    /// Frames of executions with one field changed to `value` (count).
    AbsurdFills,
    /// Frames of balances with one field changed to `value` (count).
    AbsurdBalances,
    /// Replies about orders with one field changed to `value` (count).
    AbsurdReplies,
    /// Trading of `pair` is halted (lasts).
    Halt,
    /// Prices and amounts of `pair` take `amount` decimals fewer (lasts).
    CoarserRules,
    /// `pair` is not listed (lasts).
    Delisted,
    /// Orders are filled by half before their cancel takes effect (count).
    FilledCancels,
    /// Orders are filled whole before their cancel, which is refused (count).
    ClosedCancels,
    /// Orders are filled up to a remainder below the smallest order (count).
    DustFills,
    /// Orders are filled by half at most (count).
    HalfFills,
    /// Fee rates are `amount` hundredths of what they were (lasts).
    Fees,
    /// Orders are refused with `label` (count).
    Refusals,
    /// Answers about orders are those to the request before (count).
    StaleAnswers,
    /// Orders are accepted with one step less amount (count).
    ChangedAmounts,
    /// Orders are accepted at a price one step worse (count).
    ChangedPrices,
    /// Frames of executions never leave (count).
    LostFills,
    /// Private channels say nothing while pongs go on (lasts).
    MutedPrivate,
    /// Logins of order entry run out.
    ExpiredLogins,
    /// Look-ups and lists of orders show a state of `age` ago (lasts).
    StaleOrders,
    /// Somebody buys the smallest amount by hand on the account.
    ForeignTrade,
    /// `amount` thousandths of the balance of `asset` arrive.
    Deposit,
    /// `amount` thousandths of what is free of `asset` leave.
    Withdrawal,
    /// Rate limits are divided by `amount` (lasts).
    LowerLimits,
    /// Refusals for rate say nothing of when they end (lasts).
    BareRefusals,
    /// Everything over REST is answered 418 with `Retry-After` (lasts).
    Ban,
    /// Replies to signed requests are of this `shape` (count).
    BrokenReplies,
    /// Orders are cancelled without a word, and everything is answered 503 (lasts).
    Maintenance,
    /// All orders are cancelled.
    MassCancel,
    /// The venue's clock steps ahead by `age` (lasts).
    ClockAhead,
    /// The venue's clock steps back by `age` (lasts).
    ClockBehind,
    /// The venue's clock runs fast by `amount` parts per million (lasts).
    ClockDrift,
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

fn two() -> u32 {
    2
}

fn default_pair() -> String {
    "BTC_USDT".to_owned()
}

fn usdt() -> String {
    "USDT".to_owned()
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

    /// The faults as a venue sees them that names assets otherwise.
    pub fn on_venue(&self, aliases: &Aliases) -> Sim {
        let mut sim = self.clone();
        let rename = |pair: &mut String| {
            let assets: Vec<&str> = pair.split('_').map(|asset| aliases.theirs(asset)).collect();
            *pair = assets.join("_");
        };
        let faults = &mut sim.faults;
        let lists = [&mut faults.silent_pairs, &mut faults.halted_pairs, &mut faults.delisted_pairs];
        lists.into_iter().flatten().for_each(rename);
        for fault in &mut sim.fault {
            use SimFaultKind::{CoarserRules, Delisted, ForeignTrade, Halt};
            if matches!(fault.kind, Halt | CoarserRules | Delisted | ForeignTrade) {
                fault.pair.get_or_insert_with(default_pair);
            }
            fault.pair.iter_mut().for_each(rename);
            fault.asset = aliases.theirs(&fault.asset).into();
        }
        sim
    }

    /// Puts the faults of one venue into its settings.
    pub fn apply_faults(&self, of: FaultSettings<'_>) {
        let from = self.faults.clone();
        let faults = of.faults;
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
        faults.halted_pairs = from.halted_pairs;
        faults.delisted_pairs = from.delisted_pairs;
        faults.lose_fill_frame = from.lose_fill_frame;
        faults.mute_private = from.mute_private;
        faults.bare_refusals = from.bare_refusals;
        faults.limits_divided_by = from.limits_divided_by.unwrap_or(0);
        faults.clock.step_ns = from.clock_behind.map_or(0, |span| -nanos(span));
        let seen = of.visibility;
        let set = |to: &mut u64, from: Option<Span>| *to = from.map_or(*to, |span| span.0);
        set(&mut seen.balances_stale_ns, from.balances_stale);
        set(&mut seen.order_hidden_ns, from.orders_hidden);
        set(&mut seen.trade_hidden_ns, from.trades_hidden);
        set(&mut seen.unfilled_forgotten_ns, from.unfilled_forgotten);
        set(&mut seen.text_lookup_ns, from.text_lookup);
        set(&mut seen.orders_stale_ns, from.orders_stale);
        *of.script = self.fault.iter().map(|fault| ScriptedFault { at_ns: fault.at.0, fault: fault.timed() }).collect();
        *of.seed = self.faults_seed;
    }
}

fn nanos(span: Span) -> i64 {
    i64::try_from(span.0).unwrap_or(i64::MAX)
}

impl SimFault {
    fn timed(&self) -> TimedFault {
        let (for_ns, count, age_ns, amount) = (self.lasts.0, self.count, self.age.0, self.amount);
        let pair = || self.pair.clone().unwrap_or_else(default_pair);
        let absurd = |target| TimedFault::Tampered { target, how: self.value.absurd(), count };
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
            SimFaultKind::CrossedFrames => TimedFault::CrossedFrames { count },
            SimFaultKind::CrossedBooks => TimedFault::CrossedBooks { pair: self.pair.clone(), how: Crossing::Crossed, for_ns },
            SimFaultKind::LockedBooks => TimedFault::CrossedBooks { pair: self.pair.clone(), how: Crossing::Locked, for_ns },
            SimFaultKind::AbsurdBooks => absurd(TamperTarget::Book),
            SimFaultKind::AbsurdTickers => absurd(TamperTarget::BookTicker),
            SimFaultKind::AbsurdOrders => absurd(TamperTarget::Orders),
            SimFaultKind::AbsurdFills => absurd(TamperTarget::Fills),
            SimFaultKind::AbsurdBalances => absurd(TamperTarget::Balances),
            SimFaultKind::AbsurdReplies => absurd(TamperTarget::OrderReply),
            SimFaultKind::Halt => TimedFault::Halt { pair: pair(), for_ns },
            SimFaultKind::CoarserRules => TimedFault::CoarserRules { pair: pair(), digits: amount, for_ns },
            SimFaultKind::Delisted => TimedFault::Delisted { pair: pair(), for_ns },
            SimFaultKind::FilledCancels => TimedFault::FilledCancels { count },
            SimFaultKind::ClosedCancels => TimedFault::ClosedCancels { count },
            SimFaultKind::DustFills => TimedFault::DustFills { count },
            SimFaultKind::HalfFills => TimedFault::HalfFills { count },
            SimFaultKind::Fees => TimedFault::Fees { hundredths: amount, for_ns },
            SimFaultKind::Refusals => {
                // Checked when it was read.
                TimedFault::Refusals { why: self.label.0, count }
            }
            SimFaultKind::StaleAnswers => TimedFault::StaleAnswers { count },
            SimFaultKind::ChangedAmounts => TimedFault::ChangedAmounts { count },
            SimFaultKind::ChangedPrices => TimedFault::ChangedPrices { count },
            SimFaultKind::LostFills => TimedFault::LostFills { count },
            SimFaultKind::MutedPrivate => TimedFault::MutedPrivate { for_ns },
            SimFaultKind::ExpiredLogins => TimedFault::ExpiredLogins,
            SimFaultKind::StaleOrders => TimedFault::StaleOrders { age_ns, for_ns },
            SimFaultKind::ForeignTrade => TimedFault::ForeignTrade { pair: pair(), side: sim_exchange::core::Side::Buy },
            SimFaultKind::Deposit => TimedFault::Deposit { asset: self.asset.clone(), per_mille: amount },
            SimFaultKind::Withdrawal => TimedFault::Withdrawal { asset: self.asset.clone(), per_mille: amount },
            SimFaultKind::LowerLimits => TimedFault::LowerLimits { divisor: amount, for_ns },
            SimFaultKind::BareRefusals => TimedFault::BareRefusals { for_ns },
            SimFaultKind::Ban => TimedFault::Ban { for_ns },
            SimFaultKind::BrokenReplies => TimedFault::BrokenReplies { how: self.shape.breakage(), count },
            SimFaultKind::Maintenance => TimedFault::Maintenance { for_ns },
            SimFaultKind::MassCancel => TimedFault::MassCancel,
            SimFaultKind::ClockAhead => TimedFault::ClockStep { step_ns: nanos(self.age), for_ns },
            SimFaultKind::ClockBehind => TimedFault::ClockStep { step_ns: -nanos(self.age), for_ns },
            SimFaultKind::ClockDrift => TimedFault::ClockDrift { ppm: i64::from(amount), for_ns },
            SimFaultKind::Upgrade => TimedFault::Upgrade { close_after_ns: age_ns },
            SimFaultKind::Cut => TimedFault::Cut,
        }
    }
}

impl AbsurdValue {
    fn absurd(self) -> Absurd {
        match self {
            AbsurdValue::Zero => Absurd::Zero,
            AbsurdValue::Negative => Absurd::Negative,
            AbsurdValue::NotANumber => Absurd::NotANumber,
            AbsurdValue::Huge => Absurd::Huge,
            AbsurdValue::TooFine => Absurd::TooFine,
            AbsurdValue::Empty => Absurd::Empty,
            AbsurdValue::Null => Absurd::Null,
            AbsurdValue::TimesHundred => Absurd::TimesHundred,
            AbsurdValue::Missing => Absurd::Missing,
            AbsurdValue::UnknownWord => Absurd::UnknownWord,
            AbsurdValue::ExtraField => Absurd::ExtraField,
        }
    }
}

impl BrokenShape {
    fn breakage(self) -> Breakage {
        match self {
            BrokenShape::Html => Breakage::Html,
            BrokenShape::ServerError => Breakage::ServerError,
            BrokenShape::GatewayTimeout => Breakage::GatewayTimeout,
            BrokenShape::Truncated => Breakage::Truncated,
            BrokenShape::ErrorInside => Breakage::ErrorInside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_exchange::gate::GateConfig;
    use sim_exchange::world::Settings;

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
            [[fault]]
            at = "7s"
            kind = "refusals"
            label = "PRICE_THRESHOLD_EXCEEDED"
            count = 2
            [[fault]]
            at = "8s"
            kind = "absurd_fills"
            value = "not_a_number"
            [[fault]]
            at = "9s"
            kind = "clock_behind"
            age = "3s"
        "#;
        let sim: Sim = toml::from_str(text).expect("a valid section");
        let mut gate = GateConfig::default();
        sim.apply_faults(gate.faults().expect("Gate has faults"));
        assert_eq!((gate.faults.skip_obu_delta.as_slice(), gate.visibility.balances_stale_ns), (&[3][..], 1_500_000_000));
        assert!(gate.faults.is_silent("ETH_USDT") && gate.faults_seed == Some(7));
        let script = vec![
            ScriptedFault { at_ns: 5_000_000_000, fault: TimedFault::Upgrade { close_after_ns: 2_000_000_000 } },
            ScriptedFault { at_ns: 6_000_000_000, fault: TimedFault::TooManyRequests { count: 3 } },
            ScriptedFault { at_ns: 7_000_000_000, fault: TimedFault::Refusals { why: Refusal::PriceBand, count: 2 } },
            ScriptedFault {
                at_ns: 8_000_000_000,
                fault: TimedFault::Tampered { target: TamperTarget::Fills, how: Absurd::NotANumber, count: 1 },
            },
            ScriptedFault {
                at_ns: 9_000_000_000,
                fault: TimedFault::ClockStep { step_ns: -3_000_000_000, for_ns: 2_000_000_000 },
            },
        ];
        assert_eq!((gate.script, sim.pay_fees_in.debit()), (script, FeeDebit::Gt));
        for bad in [
            "[[fault]]\nat = \"1s\"\nkind = \"refusals\"\nlabel = \"NO_SUCH\"",
            "[faults]\nskip_obu = [1]",
            "[[fault]]\nat = \"1s\"\nkind = \"boom\"",
            "faults_sed = 1",
        ] {
            assert!(toml::from_str::<Sim>(bad).is_err(), "{bad}");
        }
        let mut untouched = GateConfig::default();
        Sim::default().apply_faults(untouched.faults().expect("Gate has faults"));
        assert_eq!((untouched.faults, untouched.visibility), (Default::default(), Default::default()));
    }
}
