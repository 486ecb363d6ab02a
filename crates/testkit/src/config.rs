//! What a simulated run is made of. Everything is a number or a name; the same configuration gives the same run.

use crate::faults::FaultMix;
use crate::mixed;
use domain::Amount;
use domain::time::{MILLI, SECOND};
use risk::Limits;
use sim_exchange::market::Rng;

/// Where the virtual clock starts, Unix nanoseconds.
pub const START_T_NS: u64 = 1_700_000_000 * SECOND;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    /// Seeds the market, the network and the faults' times.
    pub seed: u64,
    /// How long it runs before faults are switched off, virtual nanoseconds.
    pub duration_ns: u64,
    /// How long it may take after that until everything is known, flat and ready, and again until a stop is complete.
    pub heal_max_ns: u64,
    /// Pairs of the simulator's universe, by its names (`BTC_USDT`).
    pub pairs: Vec<String>,
    /// What each venue is, by the connector's kind.
    pub kinds: [&'static str; 2],
    /// Book channel of each venue, by the connector's names.
    pub book_channels: [&'static str; 2],
    /// Whether each venue's best-bid-offer channel is subscribed beside the book.
    pub book_ticker: [bool; 2],
    /// When each venue tells its connections that they will be closed for an upgrade, nanoseconds after the start.
    pub upgrades: [Option<u64>; 2],
    /// Whether each venue's orders go over the logged-in WebSocket link, with REST while it is down.
    pub order_entry: [bool; 2],
    /// Whether each venue's public streams come over two connections.
    pub redundant: [bool; 2],
    /// Whether each venue is given the key that logs order links in, where it has one beside the usual.
    pub logs_in: [bool; 2],
    /// Thousandths of the fee token that each account owns, where fees may leave one; `None` pays as everybody does.
    pub fee_token: [Option<u32>; 2],
    /// How long each venue's sockets live, and how long before it is told, nanoseconds; `None` is as documented.
    pub socket_life: [Option<(u64, u64)>; 2],
    /// Greatest distance between the two venues' prices; below the fees of both legs there is nothing to earn.
    pub basis_bps: u32,
    /// Mean time between two events of one pair on one venue, nanoseconds.
    pub event_interval_ns: u64,
    /// Decimals of every asset but the quote: eight of them make fees that must be rounded.
    pub base_decimals: u32,
    /// Our wall clock minus the venues', nanoseconds.
    pub wall_offset_ns: i64,
    /// Limits of the engine, and of the judge.
    pub limits: Limits,
    /// The engine is told to stop (SIGTERM) when this many things have reached it after its first order (F55).
    pub terminate_at: Option<u64>,
    /// What goes wrong.
    pub faults: FaultMix,
}

impl SimConfig {
    /// Twenty seconds in which nothing goes wrong.
    pub fn calm(seed: u64) -> SimConfig {
        let mut rng = Rng::fork(seed, 1);
        let channels = ["order_book", "order_book_update"];
        let mut channel = || channels[usize::from(rng.chance(500))];
        let drawn = [channel(), channel()];
        let (book_channels, book_ticker) = obu_and_tickers(seed, drawn);
        SimConfig {
            seed,
            duration_ns: 20 * SECOND,
            heal_max_ns: 120 * SECOND,
            kinds: ["gate"; 2],
            pairs: vec!["BTC_USDT".into(), "SOL_USDT".into()],
            book_channels,
            book_ticker,
            upgrades: [None; 2],
            order_entry: order_entry(seed),
            redundant: [false; 2],
            logs_in: [false; 2],
            fee_token: [None; 2],
            socket_life: [None; 2],
            basis_bps: 60 + rng.below(90) as u32,
            event_interval_ns: 60 * MILLI,
            base_decimals: if rng.chance(500) { 8 } else { 12 },
            wall_offset_ns: if rng.chance(500) { rng.between(-2_000_000_000, 2_000_000_000) } else { 0 },
            limits: limits(),
            terminate_at: None,
            faults: FaultMix::none(),
        }
    }

    /// As [`SimConfig::calm`], with a mix of faults that is drawn from the seed itself: some runs have many, some few.
    pub fn faulty(seed: u64) -> SimConfig {
        SimConfig {
            faults: FaultMix::draw(seed),
            upgrades: upgrades(seed),
            limits: drawn_limits(seed),
            event_interval_ns: event_interval_ns(seed),
            ..SimConfig::calm(seed)
        }
    }

    /// As [`SimConfig::faulty`], between two exchanges of which at least one is not Gate, with what [`mixed`] draws on top.
    pub fn mixed(seed: u64) -> SimConfig {
        let mut rng = Rng::fork(seed, 15);
        const MIXES: [[&str; 2]; 5] =
            [["gate", "binance"], ["bybit", "gate"], ["binance", "bybit"], ["binance", "binance"], ["bybit", "bybit"]];
        let kinds = MIXES[rng.below(MIXES.len() as u64) as usize];
        let mut config = SimConfig::faulty(seed).with_kinds(kinds, &mut rng);
        mixed::draw(&mut config);
        config
    }

    /// The same between exchanges of these kinds, with book channels of theirs.
    pub fn between(self, kinds: [&'static str; 2]) -> SimConfig {
        let mut rng = Rng::fork(self.seed, 15);
        self.with_kinds(kinds, &mut rng)
    }

    fn with_kinds(mut self, kinds: [&'static str; 2], rng: &mut Rng) -> SimConfig {
        self.kinds = kinds;
        for (index, kind) in kinds.iter().enumerate() {
            if *kind != "gate" {
                let channels = connectors::connector(kind).map_or(&[][..], |connector| connector.book_channels());
                // The deepest ones cost time and are judged no further down.
                let channels = channels.get(..2).unwrap_or(channels);
                self.book_channels[index] = channels[rng.below(channels.len().max(1) as u64) as usize];
            }
        }
        self
    }

    /// Whether one of its exchanges is not Gate.
    pub fn is_mixed(&self) -> bool {
        self.kinds.iter().any(|kind| *kind != "gate")
    }

    /// Nothing goes wrong but that replies to accepted orders are lost: how long such an order stays unknown.
    pub fn lost_replies(seed: u64) -> SimConfig {
        let calm = SimConfig::calm(seed);
        let mut faults = FaultMix::none();
        faults.orders.reply_lost = 300;
        faults.orders.broken = 900;
        SimConfig { faults, order_entry: [false; 2], ..calm }
    }

    /// The venues are healthy and somebody is faster: legs fail, and what is open must be closed.
    pub fn hostile(seed: u64) -> SimConfig {
        SimConfig { faults: FaultMix { hostile: 400, ..FaultMix::none() }, ..SimConfig::calm(seed) }
    }
}

/// Limits wide enough that none of them binds often.
pub fn limits() -> Limits {
    let quote = |whole: i128| Amount::from_units(whole * domain::number::AMOUNT_ONE);
    Limits {
        order_value_max: quote(2_500),
        deal_value_max: quote(2_500),
        unhedged_value_max: quote(10_000),
        open_deals_max: 4,
        orders_per_second_max: 50,
        daily_loss_max: quote(100_000),
    }
}

/// Busy markets and quiet ones: what is quiet is also cheap, and as many orders are sent. Drawn apart.
fn event_interval_ns(seed: u64) -> u64 {
    match Rng::fork(seed, 23).below(8) {
        0 => 60 * MILLI,
        1..4 => 120 * MILLI,
        _ => 240 * MILLI,
    }
}

/// Limits that bind, in half of the seeds. Drawn apart.
fn drawn_limits(seed: u64) -> Limits {
    let mut rng = Rng::fork(seed, 9);
    if rng.chance(500) { tight_limits(&mut rng) } else { limits() }
}

/// Limits that bind.
pub(crate) fn tight_limits(rng: &mut Rng) -> Limits {
    let quote = |whole: u64| Amount::from_units(i128::from(whole) * domain::number::AMOUNT_ONE);
    let order = 200 + rng.below(2_300);
    Limits {
        order_value_max: quote(order),
        deal_value_max: quote(order),
        unhedged_value_max: quote(order + rng.below(order + 1)),
        open_deals_max: 1 + rng.below(4) as u32,
        orders_per_second_max: 2 + rng.below(10) as u32,
        ..limits()
    }
}

/// `obu` in the place of every third book channel, and a ticker beside every second. Drawn apart from everything else, so that it moves
/// no other choice of the seed.
fn obu_and_tickers(seed: u64, mut channels: [&'static str; 2]) -> ([&'static str; 2], [bool; 2]) {
    let mut rng = Rng::fork(seed, 7);
    for channel in &mut channels {
        if rng.chance(330) {
            *channel = "obu";
        }
    }
    (channels, [rng.chance(500), rng.chance(500)])
}

/// An upgrade of every fourth venue. Drawn apart as well.
fn upgrades(seed: u64) -> [Option<u64>; 2] {
    let mut rng = Rng::fork(seed, 8);
    let mut one = || {
        let at = 3 * SECOND + rng.below(13 * SECOND);
        rng.chance(250).then_some(at)
    };
    [one(), one()]
}

/// A way of orders for each venue, half of them each. Drawn apart from everything else, so that it moves no other choice of the seed.
fn order_entry(seed: u64) -> [bool; 2] {
    let mut rng = Rng::fork(seed, 5);
    [rng.chance(500), rng.chance(500)]
}
