//! What a simulated run is made of. Everything is a number or a name; the same configuration gives the same run.

use crate::faults::FaultMix;
use crate::mixed;
use domain::Amount;
use domain::time::{MILLI, SECOND};
use risk::Limits;
use sim_exchange::market::Rng;

/// Where the virtual clock starts, Unix nanoseconds.
pub const START_T_NS: u64 = 1_700_000_000 * SECOND;

/// One venue, and how the engine trades there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueChoice {
    /// What it is, by the connector's kind.
    pub kind: &'static str,
    /// Book channel, by the connector's names.
    pub book_channel: &'static str,
    /// Whether the best-bid-offer channel is subscribed beside the book.
    pub book_ticker: bool,
    /// When it tells its connections that they will be closed for an upgrade, nanoseconds after the start.
    pub upgrade: Option<u64>,
    /// Whether orders go over the logged-in WebSocket link, with REST while it is down.
    pub order_entry: bool,
    /// Whether its public streams come over two connections.
    pub redundant: bool,
    /// Whether the engine is given the key that logs order links in, where there is one beside the usual.
    pub logs_in: bool,
    /// Thousandths of the fee token that the account owns, where fees may leave one; `None` pays as everybody does.
    pub fee_token: Option<u32>,
    /// How long its sockets live, and how long before it is told, nanoseconds; `None` is as documented.
    pub socket_life: Option<(u64, u64)>,
}

impl VenueChoice {
    /// A Gate as documented, traded over REST.
    pub const fn gate(book_channel: &'static str) -> VenueChoice {
        VenueChoice {
            kind: "gate",
            book_channel,
            book_ticker: false,
            upgrade: None,
            order_entry: false,
            redundant: false,
            logs_in: false,
            fee_token: None,
            socket_life: None,
        }
    }
}

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
    /// The venues, in their order; two or more.
    pub venues: Vec<VenueChoice>,
    /// Greatest distance between any two venues' prices; below the fees of both legs there is nothing to earn.
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
        let order_entry = order_entry(seed);
        let venue = |index: usize| VenueChoice {
            book_ticker: book_ticker[index],
            order_entry: order_entry[index],
            ..VenueChoice::gate(book_channels[index])
        };
        SimConfig {
            seed,
            duration_ns: 20 * SECOND,
            heal_max_ns: 120 * SECOND,
            venues: vec![venue(0), venue(1)],
            pairs: vec!["BTC_USDT".into(), "SOL_USDT".into()],
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
        let mut config = SimConfig {
            faults: FaultMix::draw(seed),
            limits: drawn_limits(seed),
            event_interval_ns: event_interval_ns(seed),
            ..SimConfig::calm(seed)
        };
        for (venue, upgrade) in config.venues.iter_mut().zip(upgrades(seed)) {
            venue.upgrade = upgrade;
        }
        config
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

    /// As [`SimConfig::mixed`], with a third exchange of any kind among the two, which has faults of its own and trades with both.
    pub fn three(seed: u64) -> SimConfig {
        let mut config = SimConfig::mixed(seed);
        let mut rng = Rng::fork(seed, 24);
        let place = rng.below(3) as usize;
        config.faults.make_room_for(place);
        let kind = ["gate", "binance", "bybit"][rng.below(3) as usize];
        let third = VenueChoice {
            book_ticker: rng.chance(500),
            order_entry: rng.chance(500),
            upgrade: rng.chance(250).then(|| 3 * SECOND + rng.below(13 * SECOND)),
            ..VenueChoice::gate(book_channel_of(kind, &mut rng))
        };
        config.venues.insert(place, VenueChoice { kind, ..third });
        config.faults.draw_at(place, &mut rng);
        mixed::draw_at(&mut config, place);
        config
    }

    /// The same between exchanges of these kinds, with book channels of theirs.
    pub fn between(self, kinds: [&'static str; 2]) -> SimConfig {
        let mut rng = Rng::fork(self.seed, 15);
        self.with_kinds(kinds, &mut rng)
    }

    fn with_kinds(mut self, kinds: [&'static str; 2], rng: &mut Rng) -> SimConfig {
        for (venue, kind) in self.venues.iter_mut().zip(kinds) {
            venue.kind = kind;
            if kind != "gate" {
                venue.book_channel = book_channel_of(kind, rng);
            }
        }
        self
    }

    /// Every order goes over REST.
    pub fn over_rest(mut self) -> SimConfig {
        self.venues.iter_mut().for_each(|venue| venue.order_entry = false);
        self
    }

    /// Whether one of its exchanges is not Gate.
    pub fn is_mixed(&self) -> bool {
        self.venues.iter().any(|venue| venue.kind != "gate")
    }

    /// Nothing goes wrong but that replies to accepted orders are lost: how long such an order stays unknown.
    pub fn lost_replies(seed: u64) -> SimConfig {
        let calm = SimConfig::calm(seed);
        let mut faults = FaultMix::none();
        faults.orders.reply_lost = 300;
        faults.orders.broken = 900;
        SimConfig { faults, ..calm }.over_rest()
    }

    /// The venues are healthy and somebody is faster: legs fail, and what is open must be closed.
    pub fn hostile(seed: u64) -> SimConfig {
        SimConfig { faults: FaultMix { hostile: 400, ..FaultMix::none() }, ..SimConfig::calm(seed) }
    }
}

/// One of the first two book channels of a kind of venue: the deepest ones cost time and are judged no further down.
fn book_channel_of(kind: &str, rng: &mut Rng) -> &'static str {
    let channels = connectors::connector(kind).map_or(&[][..], |connector| connector.book_channels());
    let channels = channels.get(..2).unwrap_or(channels);
    channels[rng.below(channels.len().max(1) as u64) as usize]
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
