//! Faults that begin and end at a time: written down as a script, or drawn from a seed for as long as the venue runs.
//!
//! Start at [`ScriptedFault`] for what can be scripted and [`FaultScript::step`] for how it is played. A step only moves
//! the settings that already exist ([`Faults`](super::Faults), [`Visibility`](super::Visibility)), so that a fault
//! means the same whether it was configured, scripted or drawn. What must be told to every connection (an upgrade notice, a
//! cut), or done to the exchange (a halt, a trade by hand), is returned as a [`Strike`].

use std::collections::BTreeMap;
use std::fmt;

use super::incident::Incident;
use super::{Absurd, Breakage, Crossing, Faults, Refusal, TamperTarget, Tampering, VenueClock, Visibility};
use crate::core::Side;
use crate::timing::Jitter;

const MS: u64 = 1_000_000;
/// Shortest and longest pause between two faults drawn from a seed.
const DRAWN_EVERY_NS: (u64, u64) = (1_500 * MS, 6_000 * MS);
/// How long after its notice an upgraded connection is closed, when the seed draws one.
const DRAWN_UPGRADE_CLOSE_NS: u64 = 3_000 * MS;
/// Faults that began and that nobody asked about yet; beyond it the oldest is forgotten.
const BEGUN_MAX: usize = 64;

/// One fault and when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedFault {
    /// Nanoseconds after the venue's start.
    pub at_ns: u64,
    /// What happens.
    pub fault: TimedFault,
}

/// Faults that can be scripted. Those with `for_ns` end by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimedFault {
    /// Public channels of a pair, or of all pairs, say nothing while pongs go on.
    Silence {
        /// `BASE_QUOTE`; `None` is every pair.
        pair: Option<String>,
        /// How long.
        for_ns: u64,
    },
    /// The next increments of the book channels are left out.
    Gaps {
        /// How many.
        count: u32,
    },
    /// The next `/spot/order_book` replies come from an old copy.
    StaleBooks {
        /// How many.
        replies: u32,
    },
    /// Deep `/spot/order_book` replies come from a slow cache.
    SlowDeepBooks {
        /// How long.
        for_ns: u64,
    },
    /// `/spot/accounts` shows an old state.
    StaleBalances {
        /// How old.
        age_ns: u64,
        /// How long.
        for_ns: u64,
    },
    /// New orders and trades are unknown to look-ups.
    HiddenOrders {
        /// For how long after they came into being.
        hidden_ns: u64,
        /// How long.
        for_ns: u64,
    },
    /// Finished orders are forgotten soon after their end: those without fills by id, the others by their `text`.
    ForgottenOrders {
        /// How soon.
        after_ns: u64,
        /// How long.
        for_ns: u64,
    },
    /// Private REST requests are answered 429, with the headers of an empty bucket.
    TooManyRequests {
        /// How many.
        count: u32,
    },
    /// Replies to accepted orders never leave.
    LostReplies {
        /// How many.
        count: u32,
    },
    /// Private frames leave twice.
    DoubledPrivate {
        /// How many.
        count: u32,
    },
    /// Private frames leave after the frame behind them.
    ReorderedPrivate {
        /// How many.
        count: u32,
    },
    /// Subscriptions are acknowledged and never served.
    Unserved {
        /// How long.
        for_ns: u64,
    },
    /// The next book frames show a bid above the best ask, and never take it back (F5).
    CrossedFrames {
        /// How many.
        count: u32,
    },
    /// Books contradict themselves in every channel and over REST (F5).
    CrossedBooks {
        /// `BASE_QUOTE`; `None` is every pair.
        pair: Option<String>,
        /// How.
        how: Crossing,
        /// How long.
        for_ns: u64,
    },
    /// One field of frames or bodies becomes absurd (F10, F12).
    Tampered {
        /// Which.
        target: TamperTarget,
        /// How.
        how: Absurd,
        /// How many.
        count: u32,
    },
    /// Trading of a pair is halted: its list row says so, orders are refused, its book stands still (F11).
    Halt {
        /// `BASE_QUOTE`.
        pair: String,
        /// How long.
        for_ns: u64,
    },
    /// Prices and amounts of a pair may have fewer decimals (F11).
    CoarserRules {
        /// `BASE_QUOTE`.
        pair: String,
        /// How many fewer.
        digits: u32,
        /// How long.
        for_ns: u64,
    },
    /// A pair is no longer listed (F11).
    Delisted {
        /// `BASE_QUOTE`.
        pair: String,
        /// How long.
        for_ns: u64,
    },
    /// Orders are filled by half just before their cancel takes effect (F18).
    FilledCancels {
        /// How many.
        count: u32,
    },
    /// Orders are filled whole before their cancel, which is refused as too late (F18).
    ClosedCancels {
        /// How many.
        count: u32,
    },
    /// Orders are filled up to a remainder below the smallest order (F20).
    DustFills {
        /// How many.
        count: u32,
    },
    /// Orders are filled by half at most (F19).
    HalfFills {
        /// How many.
        count: u32,
    },
    /// Fee rates change (F21). Gate pays no rebate to whoever takes, and nothing here rests: there is none to simulate.
    Fees {
        /// To this many hundredths of what they are.
        hundredths: u32,
        /// How long.
        for_ns: u64,
    },
    /// Orders are refused (F22).
    Refusals {
        /// Why.
        why: Refusal,
        /// How many.
        count: u32,
    },
    /// Answers about orders are those to the request before (F23).
    StaleAnswers {
        /// How many.
        count: u32,
    },
    /// Orders are accepted with one step less amount (F24).
    ChangedAmounts {
        /// How many.
        count: u32,
    },
    /// Orders are accepted at a price one step worse for their owner (F24).
    ChangedPrices {
        /// How many.
        count: u32,
    },
    /// Frames of executions never leave (F26).
    LostFills {
        /// How many.
        count: u32,
    },
    /// Private channels say nothing while pongs and acknowledgements go on (F28).
    MutedPrivate {
        /// How long.
        for_ns: u64,
    },
    /// Every login of order entry runs out; the connections stay (F28).
    ExpiredLogins,
    /// Look-ups and lists of orders show an old state (F30).
    StaleOrders {
        /// How old.
        age_ns: u64,
        /// How long.
        for_ns: u64,
    },
    /// Somebody trades by hand on the account (F31).
    ForeignTrade {
        /// `BASE_QUOTE`.
        pair: String,
        /// Direction.
        side: Side,
    },
    /// Money arrives in the account (F31).
    Deposit {
        /// Asset.
        asset: String,
        /// Thousandths of what is there.
        per_mille: u32,
    },
    /// Money leaves the account (F31); all that is free of a fee token is F21's.
    Withdrawal {
        /// Asset.
        asset: String,
        /// Thousandths of what is free.
        per_mille: u32,
    },
    /// Rate limits are cut (F32).
    LowerLimits {
        /// By this.
        divisor: u32,
        /// How long.
        for_ns: u64,
    },
    /// Refusals for rate say nothing of when they end (F32).
    BareRefusals {
        /// How long.
        for_ns: u64,
    },
    /// Everything over REST is answered 418 with `Retry-After` (F32).
    Ban {
        /// How long.
        for_ns: u64,
    },
    /// Replies to signed requests are broken; what they answer has happened (F33).
    BrokenReplies {
        /// How.
        how: Breakage,
        /// How many.
        count: u32,
    },
    /// All orders are cancelled without a word, and everything is answered 503 (F34).
    Maintenance {
        /// How long.
        for_ns: u64,
    },
    /// All orders are cancelled, and their owners are told (F35).
    MassCancel,
    /// The venue's clock steps (F36).
    ClockStep {
        /// How far, nanoseconds; ahead is positive.
        step_ns: i64,
        /// How long.
        for_ns: u64,
    },
    /// The venue's clock drifts (F36).
    ClockDrift {
        /// Parts per million; fast is positive.
        ppm: i64,
        /// How long; then it is right again.
        for_ns: u64,
    },
    /// Every connection is told of an upgrade (`spot.system`) and closed later.
    Upgrade {
        /// How much later.
        close_after_ns: u64,
    },
    /// Every connection is cut without a word.
    Cut,
}

/// For people who watch, in a few words.
impl fmt::Display for TimedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ns: &u64| ns / MS;
        match self {
            TimedFault::Silence { pair: Some(pair), for_ns } => {
                write!(f, "the channels of {pair} say nothing for {} ms, pongs go on", ms(for_ns))
            }
            TimedFault::Silence { pair: None, for_ns } => {
                write!(f, "public channels say nothing for {} ms, pongs go on", ms(for_ns))
            }
            TimedFault::Gaps { count } => write!(f, "the next {count} book increments are left out"),
            TimedFault::StaleBooks { replies } => write!(f, "the next {replies} book snapshots are old copies"),
            TimedFault::SlowDeepBooks { for_ns } => write!(f, "deep book snapshots come from a slow cache for {} ms", ms(for_ns)),
            TimedFault::StaleBalances { age_ns, for_ns } => {
                write!(f, "balances are {} ms old for {} ms", ms(age_ns), ms(for_ns))
            }
            TimedFault::HiddenOrders { hidden_ns, for_ns } => {
                write!(f, "new orders and trades are hidden from look-ups for {} ms, during {} ms", ms(hidden_ns), ms(for_ns))
            }
            TimedFault::ForgottenOrders { after_ns, for_ns } => {
                write!(f, "finished orders are forgotten after {} ms, during {} ms", ms(after_ns), ms(for_ns))
            }
            TimedFault::TooManyRequests { count } => write!(f, "the next {count} private requests are answered 429"),
            TimedFault::LostReplies { count } => write!(f, "the replies to the next {count} accepted orders are lost"),
            TimedFault::DoubledPrivate { count } => write!(f, "the next {count} private frames come twice"),
            TimedFault::ReorderedPrivate { count } => write!(f, "the next {count} private frames come in the wrong order"),
            TimedFault::Unserved { for_ns } => {
                write!(f, "subscriptions are acknowledged and not served for {} ms", ms(for_ns))
            }
            TimedFault::Upgrade { close_after_ns } => {
                write!(f, "an upgrade is announced; every connection closes in {} ms", ms(close_after_ns))
            }
            TimedFault::Cut => f.write_str("every connection is cut"),
            TimedFault::CrossedFrames { count } => write!(f, "the next {count} book frames are crossed"),
            TimedFault::CrossedBooks { pair, for_ns, .. } => {
                let whose = pair.as_deref().unwrap_or("every pair");
                write!(f, "the books of {whose} contradict themselves for {} ms", ms(for_ns))
            }
            TimedFault::Tampered { target, how, count } => {
                write!(f, "one field of the next {count} frames becomes absurd ({target:?}, {how:?})")
            }
            TimedFault::Halt { pair, for_ns } => write!(f, "trading of {pair} is halted for {} ms", ms(for_ns)),
            TimedFault::CoarserRules { pair, digits, for_ns } => {
                write!(f, "{pair} takes {digits} decimals fewer for {} ms", ms(for_ns))
            }
            TimedFault::Delisted { pair, for_ns } => write!(f, "{pair} is not listed for {} ms", ms(for_ns)),
            TimedFault::FilledCancels { count } => write!(f, "the next {count} cancelled orders are half filled first"),
            TimedFault::ClosedCancels { count } => write!(f, "the next {count} cancels come after the fill"),
            TimedFault::DustFills { count } => write!(f, "the next {count} orders leave less than the smallest order unfilled"),
            TimedFault::HalfFills { count } => write!(f, "the next {count} orders are half filled at most"),
            TimedFault::Fees { hundredths, for_ns } => {
                write!(f, "fees are {hundredths} % of what they were for {} ms", ms(for_ns))
            }
            TimedFault::Refusals { why, count } => {
                // Named by its class: each dialect refuses in its own words.
                write!(f, "the next {count} orders are refused ({})", why.name().to_lowercase().replace('_', " "))
            }
            TimedFault::StaleAnswers { count } => write!(f, "the next {count} answers about orders belong to the request before"),
            TimedFault::ChangedAmounts { count } => write!(f, "the next {count} orders are accepted with another amount"),
            TimedFault::ChangedPrices { count } => write!(f, "the next {count} orders are accepted at another price"),
            TimedFault::LostFills { count } => write!(f, "the next {count} frames of executions are lost"),
            TimedFault::MutedPrivate { for_ns } => {
                write!(f, "private channels say nothing for {} ms, pongs go on", ms(for_ns))
            }
            TimedFault::ExpiredLogins => f.write_str("every login of order entry runs out"),
            TimedFault::StaleOrders { age_ns, for_ns } => {
                write!(f, "look-ups of orders are {} ms old for {} ms", ms(age_ns), ms(for_ns))
            }
            TimedFault::ForeignTrade { pair, .. } => write!(f, "somebody trades {pair} by hand on the account"),
            TimedFault::Deposit { asset, .. } => write!(f, "{asset} arrives in the account"),
            TimedFault::Withdrawal { asset, .. } => write!(f, "{asset} leaves the account"),
            TimedFault::LowerLimits { divisor, for_ns } => {
                write!(f, "rate limits are divided by {divisor} for {} ms", ms(for_ns))
            }
            TimedFault::BareRefusals { for_ns } => write!(f, "refusals for rate do not say when they end, for {} ms", ms(for_ns)),
            TimedFault::Ban { for_ns } => write!(f, "everything over REST is answered 418 for {} ms", ms(for_ns)),
            TimedFault::BrokenReplies { how, count } => write!(f, "the next {count} replies are broken ({how:?})"),
            TimedFault::Maintenance { for_ns } => {
                write!(f, "maintenance: orders are cancelled and everything is answered 503 for {} ms", ms(for_ns))
            }
            TimedFault::MassCancel => f.write_str("the venue cancels every order"),
            TimedFault::ClockStep { step_ns, for_ns } => {
                write!(f, "the venue's clock steps by {} ms for {} ms", step_ns / 1_000_000, ms(for_ns))
            }
            TimedFault::ClockDrift { ppm, for_ns } => write!(f, "the venue's clock drifts by {ppm} ppm for {} ms", ms(for_ns)),
        }
    }
}

/// What a step moves: the venue's faults and what can be seen on it.
pub struct Conditions<'a> {
    /// Faults in force.
    pub faults: &'a mut Faults,
    /// How long things stay invisible, stale or known.
    pub visibility: &'a mut Visibility,
}

/// What a step wants done to all connections, or to the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// Forget who logged in.
    ExpireLogins,
    /// Do this to the exchange.
    Incident(Incident),
    /// Send the upgrade notice.
    NoticeUpgrade,
    /// Close with a close frame.
    Close,
    /// Cut without one.
    Cut,
}

#[derive(Clone, Debug)]
enum Step {
    Begin(TimedFault),
    End(TimedFault),
    /// The connections that were told of an upgrade are closed.
    CloseUpgraded,
    /// Draws a fault and plans the next draw.
    Draw,
}

/// Plays a script, and draws more faults when there is a seed.
#[derive(Debug)]
pub(crate) struct FaultScript {
    steps: BTreeMap<(u64, u64), Step>,
    planned: u64,
    draws: Option<Jitter>,
    /// What is visible when no fault is on.
    usual: Visibility,
    /// What began since it was last asked for, oldest first.
    begun: Vec<TimedFault>,
}

impl FaultScript {
    /// The script of a venue whose faults begin at `from_t_ns`, Unix nanoseconds; `draws` draws more of them, and `usual` is what is
    /// visible when no fault is on.
    pub(crate) fn new(entries: &[ScriptedFault], from_t_ns: u64, draws: Option<Jitter>, usual: Visibility) -> FaultScript {
        let mut script = FaultScript { steps: BTreeMap::new(), planned: 0, draws, usual, begun: Vec::new() };
        for entry in entries {
            script.plan(from_t_ns.saturating_add(entry.at_ns), Step::Begin(entry.fault.clone()));
        }
        script.plan_draw(from_t_ns);
        script
    }

    /// Adds a fault that begins at `at_t_ns`, Unix nanoseconds.
    pub(crate) fn schedule(&mut self, at_t_ns: u64, fault: TimedFault) {
        self.plan(at_t_ns, Step::Begin(fault));
    }

    /// When the next step is due, Unix nanoseconds.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.steps.first_key_value().map(|((t_ns, _), _)| *t_ns)
    }

    /// Takes every step due at `t_ns`. `pairs` are the venue's pairs, for draws.
    pub(crate) fn step(&mut self, t_ns: u64, on: &mut Conditions<'_>, pairs: &[String]) -> Vec<Strike> {
        let mut strikes = Vec::new();
        while let Some(entry) = self.steps.first_entry().filter(|entry| entry.key().0 <= t_ns) {
            match entry.remove() {
                Step::Begin(fault) => self.begin(t_ns, fault, on, &mut strikes),
                Step::End(fault) => strikes.extend(end(&fault, on, self.usual)),
                Step::CloseUpgraded => strikes.push(Strike::Close),
                Step::Draw => {
                    if let Some(fault) = self.draws.as_mut().map(|random| draw(random, pairs)) {
                        self.begin(t_ns, fault, on, &mut strikes);
                    }
                    self.plan_draw(t_ns);
                }
            }
        }
        strikes
    }

    /// The faults that began since the last call, for those who watch.
    pub(crate) fn take_begun(&mut self) -> Vec<TimedFault> {
        std::mem::take(&mut self.begun)
    }

    fn plan(&mut self, at_ns: u64, step: Step) {
        self.planned += 1;
        self.steps.insert((at_ns, self.planned), step);
    }

    fn plan_draw(&mut self, t_ns: u64) {
        let Some(random) = &mut self.draws else { return };
        let (shortest, longest) = DRAWN_EVERY_NS;
        let pause_ns = shortest + random.next_u64() % (longest - shortest);
        self.plan(t_ns.saturating_add(pause_ns), Step::Draw);
    }

    fn begin(&mut self, t_ns: u64, fault: TimedFault, on: &mut Conditions<'_>, strikes: &mut Vec<Strike>) {
        if self.begun.len() == BEGUN_MAX {
            self.begun.remove(0);
        }
        self.begun.push(fault.clone());
        let faults = &mut *on.faults;
        let lasts_ns = match &fault {
            TimedFault::Silence { pair, for_ns } => {
                match pair {
                    Some(pair) => faults.silent_pairs.push(pair.clone()),
                    None => faults.silent_feed = true,
                }
                *for_ns
            }
            TimedFault::SlowDeepBooks { for_ns } => {
                faults.slow_deep_books = true;
                *for_ns
            }
            TimedFault::Unserved { for_ns } => {
                faults.acknowledge_without_service = true;
                *for_ns
            }
            TimedFault::StaleBalances { age_ns, for_ns } => {
                on.visibility.balances_stale_ns = *age_ns;
                *for_ns
            }
            TimedFault::HiddenOrders { hidden_ns, for_ns } => {
                on.visibility.order_hidden_ns = *hidden_ns;
                on.visibility.trade_hidden_ns = *hidden_ns;
                *for_ns
            }
            TimedFault::ForgottenOrders { after_ns, for_ns } => {
                on.visibility.unfilled_forgotten_ns = *after_ns;
                on.visibility.text_lookup_ns = *after_ns;
                *for_ns
            }
            TimedFault::CrossedBooks { pair, how, for_ns } => {
                faults.crossed.push((pair.clone(), *how));
                *for_ns
            }
            TimedFault::Halt { pair, for_ns } => {
                faults.halted_pairs.push(pair.clone());
                strikes.push(Strike::Incident(Incident::Halt(pair.clone())));
                *for_ns
            }
            TimedFault::CoarserRules { pair, digits, for_ns } => {
                faults.coarser_pairs.insert(pair.clone(), *digits);
                *for_ns
            }
            TimedFault::Delisted { pair, for_ns } => {
                faults.delisted_pairs.push(pair.clone());
                *for_ns
            }
            TimedFault::Fees { hundredths, for_ns } => {
                strikes.push(Strike::Incident(Incident::Fees(*hundredths)));
                *for_ns
            }
            TimedFault::MutedPrivate { for_ns } => {
                faults.mute_private = true;
                *for_ns
            }
            TimedFault::StaleOrders { age_ns, for_ns } => {
                on.visibility.orders_stale_ns = *age_ns;
                *for_ns
            }
            TimedFault::LowerLimits { divisor, for_ns } => {
                faults.limits_divided_by = *divisor;
                *for_ns
            }
            TimedFault::BareRefusals { for_ns } => {
                faults.bare_refusals = true;
                *for_ns
            }
            TimedFault::Maintenance { for_ns } => {
                faults.maintenance = true;
                strikes.push(Strike::Incident(Incident::MassCancel));
                *for_ns
            }
            TimedFault::ClockStep { step_ns, for_ns } => {
                faults.clock.step_ns = *step_ns;
                *for_ns
            }
            TimedFault::ClockDrift { ppm, for_ns } => {
                faults.clock = VenueClock { drift_ppm: *ppm, since_ns: t_ns, ..faults.clock };
                *for_ns
            }
            // Its end is part of what it says.
            TimedFault::Ban { for_ns } => return faults.banned_until_ns = Some(t_ns.saturating_add(*for_ns)),
            TimedFault::Tampered { target, how, count } => {
                return faults.tampered.push(Tampering { target: *target, how: *how, count: *count });
            }
            TimedFault::Refusals { why, count } => return faults.refuse_next_orders.push((*why, *count)),
            TimedFault::BrokenReplies { how, count } => return faults.break_next_replies.push((*how, *count)),
            TimedFault::CrossedFrames { count } => return add(&mut faults.cross_next_books, *count),
            TimedFault::FilledCancels { count } => return add(&mut faults.fill_before_cancels, *count),
            TimedFault::ClosedCancels { count } => return add(&mut faults.close_before_cancels, *count),
            TimedFault::DustFills { count } => return add(&mut faults.dust_next_orders, *count),
            TimedFault::HalfFills { count } => return add(&mut faults.halve_next_orders, *count),
            TimedFault::StaleAnswers { count } => return add(&mut faults.stale_next_answers, *count),
            TimedFault::ChangedAmounts { count } => return add(&mut faults.cut_next_amounts, *count),
            TimedFault::ChangedPrices { count } => return add(&mut faults.shift_next_prices, *count),
            TimedFault::LostFills { count } => return add(&mut faults.lose_next_fills, *count),
            TimedFault::ExpiredLogins => return strikes.push(Strike::ExpireLogins),
            TimedFault::ForeignTrade { pair, side } => {
                return strikes.push(Strike::Incident(Incident::ForeignTrade(pair.clone(), *side)));
            }
            TimedFault::Deposit { asset, per_mille } => {
                return strikes.push(Strike::Incident(Incident::Deposit(asset.clone(), *per_mille)));
            }
            TimedFault::Withdrawal { asset, per_mille } => {
                return strikes.push(Strike::Incident(Incident::Withdrawal(asset.clone(), *per_mille)));
            }
            TimedFault::MassCancel => return strikes.push(Strike::Incident(Incident::MassCancel)),
            TimedFault::Gaps { count } => return add(&mut faults.skip_next_deltas, *count),
            TimedFault::StaleBooks { replies } => return add(&mut faults.stale_book_replies, *replies),
            TimedFault::TooManyRequests { count } => return add(&mut faults.refuse_next_requests, *count),
            TimedFault::LostReplies { count } => return add(&mut faults.lose_next_replies, *count),
            TimedFault::DoubledPrivate { count } => return add(&mut faults.double_next_private, *count),
            TimedFault::ReorderedPrivate { count } => return add(&mut faults.reorder_next_private, *count),
            TimedFault::Upgrade { close_after_ns } => {
                strikes.push(Strike::NoticeUpgrade);
                return self.plan(t_ns.saturating_add((*close_after_ns).max(1)), Step::CloseUpgraded);
            }
            TimedFault::Cut => return strikes.push(Strike::Cut),
        };
        self.plan(t_ns.saturating_add(lasts_ns.max(1)), Step::End(fault));
    }
}

fn add(counter: &mut u32, count: u32) {
    *counter = counter.saturating_add(count);
}

fn remove_one<T: PartialEq>(list: &mut Vec<T>, gone: &T) {
    if let Some(position) = list.iter().position(|one| one == gone) {
        list.remove(position);
    }
}

/// Ends a fault. Returns what must be done to the exchange for it.
fn end(fault: &TimedFault, on: &mut Conditions<'_>, usual: Visibility) -> Option<Strike> {
    let faults = &mut *on.faults;
    match fault {
        TimedFault::CrossedBooks { pair, how, .. } => remove_one(&mut faults.crossed, &(pair.clone(), *how)),
        TimedFault::Halt { pair, .. } => {
            remove_one(&mut faults.halted_pairs, pair);
            return (!faults.halted_pairs.contains(pair)).then(|| Strike::Incident(Incident::Resume(pair.clone())));
        }
        TimedFault::CoarserRules { pair, .. } => drop(faults.coarser_pairs.remove(pair)),
        TimedFault::Delisted { pair, .. } => remove_one(&mut faults.delisted_pairs, pair),
        TimedFault::Fees { .. } => return Some(Strike::Incident(Incident::UsualFees)),
        TimedFault::MutedPrivate { .. } => faults.mute_private = false,
        TimedFault::StaleOrders { .. } => on.visibility.orders_stale_ns = usual.orders_stale_ns,
        TimedFault::LowerLimits { .. } => faults.limits_divided_by = 0,
        TimedFault::BareRefusals { .. } => faults.bare_refusals = false,
        TimedFault::Maintenance { .. } => faults.maintenance = false,
        TimedFault::ClockStep { .. } => faults.clock.step_ns = 0,
        TimedFault::ClockDrift { .. } => faults.clock.drift_ppm = 0,
        TimedFault::Silence { pair: Some(pair), .. } => remove_one(&mut faults.silent_pairs, pair),
        TimedFault::Silence { pair: None, .. } => faults.silent_feed = false,
        TimedFault::SlowDeepBooks { .. } => faults.slow_deep_books = false,
        TimedFault::Unserved { .. } => faults.acknowledge_without_service = false,
        TimedFault::StaleBalances { .. } => on.visibility.balances_stale_ns = usual.balances_stale_ns,
        TimedFault::HiddenOrders { .. } => {
            on.visibility.order_hidden_ns = usual.order_hidden_ns;
            on.visibility.trade_hidden_ns = usual.trade_hidden_ns;
        }
        TimedFault::ForgottenOrders { .. } => {
            on.visibility.unfilled_forgotten_ns = usual.unfilled_forgotten_ns;
            on.visibility.text_lookup_ns = usual.text_lookup_ns;
        }
        TimedFault::Gaps { .. }
        | TimedFault::StaleBooks { .. }
        | TimedFault::TooManyRequests { .. }
        | TimedFault::LostReplies { .. }
        | TimedFault::DoubledPrivate { .. }
        | TimedFault::ReorderedPrivate { .. }
        | TimedFault::Upgrade { .. }
        | TimedFault::Cut
        | TimedFault::CrossedFrames { .. }
        | TimedFault::Tampered { .. }
        | TimedFault::FilledCancels { .. }
        | TimedFault::ClosedCancels { .. }
        | TimedFault::DustFills { .. }
        | TimedFault::HalfFills { .. }
        | TimedFault::Refusals { .. }
        | TimedFault::StaleAnswers { .. }
        | TimedFault::ChangedAmounts { .. }
        | TimedFault::ChangedPrices { .. }
        | TimedFault::LostFills { .. }
        | TimedFault::ExpiredLogins
        | TimedFault::ForeignTrade { .. }
        | TimedFault::Deposit { .. }
        | TimedFault::Withdrawal { .. }
        | TimedFault::Ban { .. }
        | TimedFault::BrokenReplies { .. }
        | TimedFault::MassCancel => {}
    }
    None
}

/// One fault, with sizes that a client can live through. Left out: a cut, which an upgrade covers, and whatever rightly stops a client
/// until a person has looked (foreign activity, a ban, changed terms, a clock an hour off, a halt, absurd private news).
fn draw(random: &mut Jitter, pairs: &[String]) -> TimedFault {
    let mut below = |bound: u64| random.next_u64() % bound;
    let for_ns = (500 + below(4_000)) * MS;
    let count = 1 + u32::try_from(below(3)).unwrap_or(0);
    match below(26) {
        0 => {
            let index = usize::try_from(below(pairs.len().max(1) as u64)).unwrap_or(0);
            TimedFault::Silence { pair: pairs.get(index).cloned(), for_ns }
        }
        1 => TimedFault::Silence { pair: None, for_ns },
        2 => TimedFault::Gaps { count },
        3 => TimedFault::StaleBooks { replies: count },
        4 => TimedFault::SlowDeepBooks { for_ns },
        5 => TimedFault::StaleBalances { age_ns: (200 + below(2_500)) * MS, for_ns },
        6 => TimedFault::HiddenOrders { hidden_ns: (50 + below(1_500)) * MS, for_ns },
        7 => TimedFault::ForgottenOrders { after_ns: (500 + below(3_000)) * MS, for_ns },
        8 => TimedFault::TooManyRequests { count },
        9 => TimedFault::LostReplies { count },
        10 => TimedFault::DoubledPrivate { count },
        11 => TimedFault::ReorderedPrivate { count },
        12 => TimedFault::Unserved { for_ns },
        13 => TimedFault::CrossedFrames { count },
        14 => TimedFault::CrossedBooks { pair: None, how: Crossing::Locked, for_ns: for_ns / 4 },
        15 => {
            let index = usize::try_from(below(Absurd::ALL.len() as u64)).unwrap_or(0);
            let how = Absurd::ALL.get(index).copied().unwrap_or(Absurd::Null);
            TimedFault::Tampered { target: TamperTarget::Book, how, count }
        }
        16 => TimedFault::HalfFills { count },
        17 => TimedFault::FilledCancels { count },
        18 => TimedFault::Refusals { why: Refusal::Balance, count },
        19 => TimedFault::StaleAnswers { count: 1 },
        20 => TimedFault::LostFills { count },
        21 => TimedFault::MutedPrivate { for_ns },
        22 => TimedFault::StaleOrders { age_ns: (50 + below(1_500)) * MS, for_ns },
        23 => TimedFault::BrokenReplies { how: Breakage::Html, count },
        24 => TimedFault::LowerLimits { divisor: 2, for_ns },
        _ => TimedFault::Upgrade { close_after_ns: DRAWN_UPGRADE_CLOSE_NS },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Rig {
        faults: Faults,
        visibility: Visibility,
        script: Vec<ScriptedFault>,
        seed: Option<u64>,
    }

    fn play(rig: &mut Rig, until_ns: u64) -> Vec<(u64, Vec<Strike>)> {
        let pairs = ["BTC_USDT".to_owned(), "ETH_USDT".to_owned()];
        let mut script = FaultScript::new(&rig.script, 0, rig.seed.map(Jitter::new), rig.visibility);
        let mut played = Vec::new();
        while let Some(due) = script.next_due().filter(|due| *due <= until_ns) {
            let mut on = Conditions { faults: &mut rig.faults, visibility: &mut rig.visibility };
            played.push((due, script.step(due, &mut on, &pairs)));
        }
        played
    }

    #[test]
    fn faults_begin_and_end_on_time() {
        let mut rig = Rig::default();
        let entry = |at_ms: u64, fault| ScriptedFault { at_ns: at_ms * MS, fault };
        rig.script = vec![
            entry(10, TimedFault::Silence { pair: Some("BTC_USDT".to_owned()), for_ns: 100 * MS }),
            entry(20, TimedFault::StaleBalances { age_ns: 7, for_ns: 1_000 * MS }),
            entry(30, TimedFault::Gaps { count: 2 }),
            entry(40, TimedFault::Upgrade { close_after_ns: 5 * MS }),
            entry(50, TimedFault::Cut),
        ];
        let strikes: Vec<(u64, Strike)> = play(&mut rig, 60 * MS)
            .into_iter()
            .flat_map(|(at, strikes)| strikes.into_iter().map(move |strike| (at / MS, strike)))
            .collect();
        assert_eq!(strikes, [(40, Strike::NoticeUpgrade), (45, Strike::Close), (50, Strike::Cut)]);
        assert!(rig.faults.is_silent("BTC_USDT") && !rig.faults.is_silent("ETH_USDT"));
        assert_eq!((rig.visibility.balances_stale_ns, rig.faults.skip_next_deltas), (7, 2));
        rig.script.truncate(2);
        rig.visibility = Visibility::default();
        rig.faults = Faults::default();
        play(&mut rig, 2_000 * MS);
        assert_eq!(rig.visibility, Visibility::default());
        assert_eq!(rig.faults, Faults::default());
    }

    #[test]
    fn a_seed_draws_the_same_faults_again_and_never_stops() {
        let run = |seed| {
            let mut rig = Rig { seed: Some(seed), ..Rig::default() };
            (play(&mut rig, 600_000 * MS), rig.faults)
        };
        let first = run(3);
        assert!(first.0.len() > 150, "{} steps in ten minutes", first.0.len());
        assert_eq!(first, run(3));
        assert_ne!(first.0, run(4).0);
        let kinds: std::collections::BTreeSet<String> = (0..400)
            .map(|seed| format!("{:?}", draw(&mut Jitter::new(seed), &["BTC_USDT".to_owned()])))
            .map(|text| text.split(' ').next().unwrap_or("").to_owned())
            .collect();
        assert_eq!(kinds.len(), 25, "{kinds:?}");
    }
}
