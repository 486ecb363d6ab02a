//! Which WebSocket channels exist, and what a subscription to each must name (Gate API v4, spot channels).
//!
//! Start at [`Topics::parse`]: channel and payload in, the feeds or private channels meant out, or the error Gate words.

use super::{
    frame::{ReplyError, code},
    render::Symbols,
};
use crate::core::PairId;

/// Levels of `spot.order_book`. 30 stands in the newer text only.
const BOOK_LEVELS: [(&str, u16); 6] = [("5", 5), ("10", 10), ("20", 20), ("30", 30), ("50", 50), ("100", 100)];

/// Levels of `spot.obu` that are served: the two documented ones, and 100, which a capture shows to be served as well.
/// Other levels are acknowledged and then never served.
const OBU_LEVELS: [(&str, u16); 3] = [("50", 50), ("100", 100), ("400", 400)];

/// Intervals of `spot.candlesticks`, with their length in seconds. `30d` stands for a month of that many days here.
const CANDLE_INTERVALS: [(&str, u32); 13] = [
    ("1s", 1),
    ("10s", 10),
    ("1m", 60),
    ("5m", 300),
    ("15m", 900),
    ("30m", 1_800),
    ("1h", 3_600),
    ("4h", 14_400),
    ("8h", 28_800),
    ("1d", 86_400),
    ("7d", 604_800),
    ("1w", 604_800),
    ("30d", 2_592_000),
];

/// One public feed of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FeedKind {
    /// `spot.order_book`: whole books.
    Book {
        /// Levels per side.
        levels: u16,
        /// 100 or 1000.
        interval_ms: u16,
    },
    /// `spot.order_book_update`: increments.
    Increments {
        /// 100 (100 levels) or 20 (20 levels).
        interval_ms: u16,
    },
    /// `spot.obu`: a whole book first, then increments of a window that the venue keeps.
    Obu {
        /// 50, 100 or 400.
        levels: u16,
    },
    /// `spot.book_ticker`.
    BookTicker,
    /// `spot.tickers`.
    Ticker,
    /// `spot.trades`.
    Trades,
    /// `spot.trades_v2`: the same rows under another name.
    TradesV2,
    /// `spot.candlesticks`.
    Candles {
        /// Position in the list of intervals.
        interval: u8,
    },
}

impl FeedKind {
    /// Time between pushes; trades are pushed at once.
    pub(super) fn interval_ns(self) -> u64 {
        let interval_ms = match self {
            FeedKind::Book { interval_ms, .. } | FeedKind::Increments { interval_ms } => u64::from(interval_ms),
            FeedKind::Obu { levels: 50 } => 20,
            FeedKind::Obu { .. } => 100,
            FeedKind::BookTicker => 10,
            FeedKind::Ticker => 1_000,
            FeedKind::Candles { .. } => 2_000,
            FeedKind::Trades | FeedKind::TradesV2 => 1,
        };
        interval_ms * 1_000_000
    }

    /// Levels per side that the feed covers.
    pub(super) fn depth(self) -> u16 {
        match self {
            FeedKind::Book { levels, .. } | FeedKind::Obu { levels } => levels,
            FeedKind::Increments { interval_ms: 20 } => 20,
            FeedKind::Increments { .. } => 100,
            FeedKind::BookTicker => 1,
            FeedKind::Ticker | FeedKind::Trades | FeedKind::TradesV2 | FeedKind::Candles { .. } => 0,
        }
    }

    /// Whether a change of the book makes a push due.
    pub(super) fn follows_book(self) -> bool {
        self.depth() > 0 || self == FeedKind::Ticker
    }
}

/// Name and length in seconds of a candlestick interval.
pub(super) fn candle_interval(index: u8) -> (&'static str, u32) {
    CANDLE_INTERVALS.get(usize::from(index)).copied().unwrap_or(("1m", 60))
}

/// A private channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PrivateChannel {
    Orders,
    OrdersV2,
    UserTrades,
    UserTradesV2,
    Balances,
    /// Margin accounts are not simulated: acknowledged, and nothing ever happens on them. The rest likewise.
    MarginBalances,
    FundingBalances,
    CrossBalances,
    PriceOrders,
}

impl PrivateChannel {
    const ALL: [PrivateChannel; 9] = [
        PrivateChannel::Orders,
        PrivateChannel::OrdersV2,
        PrivateChannel::UserTrades,
        PrivateChannel::UserTradesV2,
        PrivateChannel::Balances,
        PrivateChannel::MarginBalances,
        PrivateChannel::FundingBalances,
        PrivateChannel::CrossBalances,
        PrivateChannel::PriceOrders,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            PrivateChannel::Orders => "spot.orders",
            PrivateChannel::OrdersV2 => "spot.orders_v2",
            PrivateChannel::UserTrades => "spot.usertrades",
            PrivateChannel::UserTradesV2 => "spot.usertrades_v2",
            PrivateChannel::Balances => "spot.balances",
            PrivateChannel::MarginBalances => "spot.margin_balances",
            PrivateChannel::FundingBalances => "spot.funding_balances",
            PrivateChannel::CrossBalances => "spot.cross_balances",
            PrivateChannel::PriceOrders => "spot.priceorders",
        }
    }

    /// Whether it tells executions.
    pub(super) const fn tells_fills(self) -> bool {
        matches!(self, PrivateChannel::UserTrades | PrivateChannel::UserTradesV2)
    }

    /// The private channel of this name.
    pub(super) fn by_name(name: &str) -> Option<PrivateChannel> {
        PrivateChannel::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// Whether a subscription names pairs.
    const fn takes_pairs(self) -> bool {
        matches!(
            self,
            PrivateChannel::Orders
                | PrivateChannel::OrdersV2
                | PrivateChannel::UserTrades
                | PrivateChannel::UserTradesV2
                | PrivateChannel::PriceOrders
        )
    }
}

/// What a request subscribes to or leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topics {
    /// Public feeds.
    Feeds(Vec<(PairId, FeedKind)>),
    /// Streams of `spot.obu` by their names, with the feed behind each; `None` is acknowledged and never served.
    Obu(Vec<(String, Option<(PairId, FeedKind)>)>),
    /// A private channel, for these pairs; `None` means all.
    Private(PrivateChannel, Option<Vec<PairId>>),
}

fn argument(message: String) -> ReplyError {
    ReplyError { code: code::ARGUMENT, message }
}

impl Topics {
    /// Reads the payload of a subscription to `channel`.
    pub(super) fn parse(channel: &str, payload: &[String], symbols: &Symbols) -> Result<Topics, ReplyError> {
        if let Some(private) = PrivateChannel::by_name(channel) {
            return private_topics(private, payload, symbols);
        }
        let pair = |name: &str| symbols.find_pair(name).ok_or_else(|| argument(format!("unknown currency pair: {name}")));
        let each_pair = |kind: FeedKind| -> Result<Topics, ReplyError> {
            if payload.is_empty() {
                return Err(argument("invalid payload: a currency pair is required".to_owned()));
            }
            payload.iter().map(|name| pair(name).map(|pair| (pair, kind))).collect::<Result<Vec<_>, _>>().map(Topics::Feeds)
        };
        let bad_interval = |interval: &str| argument(format!("incorrect update interval specified: {interval}"));
        match (channel, payload) {
            ("spot.tickers", _) => each_pair(FeedKind::Ticker),
            ("spot.trades", _) => each_pair(FeedKind::Trades),
            ("spot.trades_v2", _) => each_pair(FeedKind::TradesV2),
            ("spot.book_ticker", _) => each_pair(FeedKind::BookTicker),
            ("spot.order_book", [name, levels, interval]) => {
                let pair = pair(name)?;
                let (_, levels) = BOOK_LEVELS
                    .into_iter()
                    .find(|(text, _)| text == levels)
                    .ok_or_else(|| argument(format!("provided level not supported: {levels}")))?;
                let interval_ms = match interval.as_str() {
                    "100ms" => 100,
                    "1000ms" => 1_000,
                    other => return Err(bad_interval(other)),
                };
                Ok(Topics::Feeds(vec![(pair, FeedKind::Book { levels, interval_ms })]))
            }
            ("spot.order_book_update", [name, interval, rest @ ..]) if rest.len() <= 1 => {
                let pair = pair(name)?;
                let interval_ms = match interval.as_str() {
                    "100ms" => 100,
                    "20ms" => 20,
                    other => return Err(bad_interval(other)),
                };
                let kind = FeedKind::Increments { interval_ms };
                // The contract channel takes a level as well; the one that goes with the interval does no harm here.
                match rest.first() {
                    Some(level) if *level != kind.depth().to_string() => {
                        Err(argument(format!("provided level not supported: {level}")))
                    }
                    _ => Ok(Topics::Feeds(vec![(pair, kind)])),
                }
            }
            ("spot.candlesticks", [interval, name]) => {
                let index = CANDLE_INTERVALS.iter().position(|(text, _)| text == interval);
                let index = index.and_then(|index| u8::try_from(index).ok()).ok_or_else(|| bad_interval(interval))?;
                Ok(Topics::Feeds(vec![(pair(name)?, FeedKind::Candles { interval: index })]))
            }
            ("spot.obu", [_, ..]) => {
                let streams = payload.iter().map(|name| obu_stream(name, symbols)).collect::<Result<Vec<_>, _>>()?;
                Ok(Topics::Obu(streams))
            }
            ("spot.order_book" | "spot.order_book_update" | "spot.candlesticks" | "spot.obu", _) => {
                Err(argument("invalid payload".to_owned()))
            }
            _ => Err(argument(format!("Unknown channel {channel}"))),
        }
    }
}

/// `ob.<pair>.<level>`: by the first and the last point, since names of pairs may hold others.
fn obu_stream(name: &str, symbols: &Symbols) -> Result<(String, Option<(PairId, FeedKind)>), ReplyError> {
    let (pair, level) = name
        .strip_prefix("ob.")
        .and_then(|rest| rest.rsplit_once('.'))
        .ok_or_else(|| argument(format!("invalid payload: {name}")))?;
    let levels = OBU_LEVELS.into_iter().find(|(text, _)| *text == level).map(|(_, levels)| levels);
    let feed = symbols.find_pair(pair).zip(levels).map(|(pair, levels)| (pair, FeedKind::Obu { levels }));
    Ok((name.to_owned(), feed))
}

fn private_topics(channel: PrivateChannel, payload: &[String], symbols: &Symbols) -> Result<Topics, ReplyError> {
    if !channel.takes_pairs() {
        return Ok(Topics::Private(channel, None));
    }
    if payload.is_empty() {
        return Err(argument("invalid payload: a currency pair or !all is required".to_owned()));
    }
    if payload.iter().any(|name| name == "!all") {
        return Ok(Topics::Private(channel, None));
    }
    let pairs = payload
        .iter()
        .map(|name| symbols.find_pair(name).ok_or_else(|| argument(format!("unknown currency pair: {name}"))))
        .collect::<Result<Vec<PairId>, ReplyError>>()?;
    Ok(Topics::Private(channel, Some(pairs)))
}
