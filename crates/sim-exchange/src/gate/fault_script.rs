//! Faults that begin and end at a time: written down as a script, or drawn from a seed for as long as the venue runs.
//!
//! Start at [`ScriptedFault`] for what can be scripted and [`FaultScript::step`] for how it is played. A step only moves
//! the settings that already exist ([`GateFaults`](super::GateFaults), [`Visibility`](super::Visibility)), so that a fault
//! means the same whether it was configured, scripted or drawn. What must be told to every connection (an upgrade notice, a
//! cut) is returned as a [`Strike`].

use std::collections::BTreeMap;
use std::fmt;

use super::config::{GateConfig, Jitter, Visibility};

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
        }
    }
}

/// What a step wants done to all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strike {
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
pub(super) struct FaultScript {
    steps: BTreeMap<(u64, u64), Step>,
    planned: u64,
    draws: Option<Jitter>,
    /// What is visible when no fault is on.
    usual: Visibility,
    /// What began since it was last asked for, oldest first.
    begun: Vec<TimedFault>,
}

impl FaultScript {
    /// The script of `config`, for a venue that starts at `start_t_ns`.
    pub(super) fn new(config: &GateConfig, start_t_ns: u64) -> FaultScript {
        let start_t_ns = start_t_ns.saturating_add(config.faults_from_ns);
        let draws = config.faults_seed.map(|seed| Jitter::new(seed ^ config.seed.rotate_left(32)));
        let mut script = FaultScript { steps: BTreeMap::new(), planned: 0, draws, usual: config.visibility, begun: Vec::new() };
        for entry in &config.script {
            script.plan(start_t_ns.saturating_add(entry.at_ns), Step::Begin(entry.fault.clone()));
        }
        script.plan_draw(start_t_ns);
        script
    }

    /// When the next step is due, Unix nanoseconds.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.steps.first_key_value().map(|((t_ns, _), _)| *t_ns)
    }

    /// Takes every step due at `t_ns`. `pairs` are the venue's pairs, for draws.
    pub(super) fn step(&mut self, t_ns: u64, config: &mut GateConfig, pairs: &[String]) -> Vec<Strike> {
        let mut strikes = Vec::new();
        while let Some(entry) = self.steps.first_entry().filter(|entry| entry.key().0 <= t_ns) {
            match entry.remove() {
                Step::Begin(fault) => self.begin(t_ns, fault, config, &mut strikes),
                Step::End(fault) => end(&fault, config, self.usual),
                Step::CloseUpgraded => strikes.push(Strike::Close),
                Step::Draw => {
                    if let Some(fault) = self.draws.as_mut().map(|random| draw(random, pairs)) {
                        self.begin(t_ns, fault, config, &mut strikes);
                    }
                    self.plan_draw(t_ns);
                }
            }
        }
        strikes
    }

    /// The faults that began since the last call, for those who watch.
    pub(super) fn take_begun(&mut self) -> Vec<TimedFault> {
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

    fn begin(&mut self, t_ns: u64, fault: TimedFault, config: &mut GateConfig, strikes: &mut Vec<Strike>) {
        if self.begun.len() == BEGUN_MAX {
            self.begun.remove(0);
        }
        self.begun.push(fault.clone());
        let faults = &mut config.faults;
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
                config.visibility.balances_stale_ns = *age_ns;
                *for_ns
            }
            TimedFault::HiddenOrders { hidden_ns, for_ns } => {
                config.visibility.order_hidden_ns = *hidden_ns;
                config.visibility.trade_hidden_ns = *hidden_ns;
                *for_ns
            }
            TimedFault::ForgottenOrders { after_ns, for_ns } => {
                config.visibility.unfilled_forgotten_ns = *after_ns;
                config.visibility.text_lookup_ns = *after_ns;
                *for_ns
            }
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

fn end(fault: &TimedFault, config: &mut GateConfig, usual: Visibility) {
    let faults = &mut config.faults;
    match fault {
        TimedFault::Silence { pair: Some(pair), .. } => {
            if let Some(position) = faults.silent_pairs.iter().position(|silent| silent == pair) {
                faults.silent_pairs.remove(position);
            }
        }
        TimedFault::Silence { pair: None, .. } => faults.silent_feed = false,
        TimedFault::SlowDeepBooks { .. } => faults.slow_deep_books = false,
        TimedFault::Unserved { .. } => faults.acknowledge_without_service = false,
        TimedFault::StaleBalances { .. } => config.visibility.balances_stale_ns = usual.balances_stale_ns,
        TimedFault::HiddenOrders { .. } => {
            config.visibility.order_hidden_ns = usual.order_hidden_ns;
            config.visibility.trade_hidden_ns = usual.trade_hidden_ns;
        }
        TimedFault::ForgottenOrders { .. } => {
            config.visibility.unfilled_forgotten_ns = usual.unfilled_forgotten_ns;
            config.visibility.text_lookup_ns = usual.text_lookup_ns;
        }
        TimedFault::Gaps { .. }
        | TimedFault::StaleBooks { .. }
        | TimedFault::TooManyRequests { .. }
        | TimedFault::LostReplies { .. }
        | TimedFault::DoubledPrivate { .. }
        | TimedFault::ReorderedPrivate { .. }
        | TimedFault::Upgrade { .. }
        | TimedFault::Cut => {}
    }
}

/// One fault of any kind but [`TimedFault::Cut`], which an upgrade covers, with sizes that a client can live through.
fn draw(random: &mut Jitter, pairs: &[String]) -> TimedFault {
    let mut below = |bound: u64| random.next_u64() % bound;
    let for_ns = (500 + below(4_000)) * MS;
    let count = 1 + u32::try_from(below(3)).unwrap_or(0);
    match below(14) {
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
        _ => TimedFault::Upgrade { close_after_ns: DRAWN_UPGRADE_CLOSE_NS },
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::GateFaults;
    use super::*;

    fn play(config: &mut GateConfig, until_ns: u64) -> Vec<(u64, Vec<Strike>)> {
        let pairs = ["BTC_USDT".to_owned(), "ETH_USDT".to_owned()];
        let mut script = FaultScript::new(config, 0);
        let mut played = Vec::new();
        while let Some(due) = script.next_due().filter(|due| *due <= until_ns) {
            played.push((due, script.step(due, config, &pairs)));
        }
        played
    }

    #[test]
    fn faults_begin_and_end_on_time() {
        let mut config = GateConfig::default();
        let entry = |at_ms: u64, fault| ScriptedFault { at_ns: at_ms * MS, fault };
        config.script = vec![
            entry(10, TimedFault::Silence { pair: Some("BTC_USDT".to_owned()), for_ns: 100 * MS }),
            entry(20, TimedFault::StaleBalances { age_ns: 7, for_ns: 1_000 * MS }),
            entry(30, TimedFault::Gaps { count: 2 }),
            entry(40, TimedFault::Upgrade { close_after_ns: 5 * MS }),
            entry(50, TimedFault::Cut),
        ];
        let strikes: Vec<(u64, Strike)> = play(&mut config, 60 * MS)
            .into_iter()
            .flat_map(|(at, strikes)| strikes.into_iter().map(move |strike| (at / MS, strike)))
            .collect();
        assert_eq!(strikes, [(40, Strike::NoticeUpgrade), (45, Strike::Close), (50, Strike::Cut)]);
        assert!(config.faults.is_silent("BTC_USDT") && !config.faults.is_silent("ETH_USDT"));
        assert_eq!((config.visibility.balances_stale_ns, config.faults.skip_next_deltas), (7, 2));
        config.script.truncate(2);
        config.visibility = Visibility::default();
        config.faults = GateFaults::default();
        play(&mut config, 2_000 * MS);
        assert_eq!(config.visibility, Visibility::default());
        assert_eq!(config.faults, GateFaults::default());
    }

    #[test]
    fn a_seed_draws_the_same_faults_again_and_never_stops() {
        let run = |seed| {
            let mut config = GateConfig { faults_seed: Some(seed), ..GateConfig::default() };
            (play(&mut config, 600_000 * MS), config.faults)
        };
        let first = run(3);
        assert!(first.0.len() > 150, "{} steps in ten minutes", first.0.len());
        assert_eq!(first, run(3));
        assert_ne!(first.0, run(4).0);
        let kinds: std::collections::BTreeSet<String> = (0..400)
            .map(|seed| format!("{:?}", draw(&mut Jitter::new(seed), &["BTC_USDT".to_owned()])))
            .map(|text| text.split(' ').next().unwrap_or("").to_owned())
            .collect();
        assert_eq!(kinds.len(), 13, "{kinds:?}");
    }
}
