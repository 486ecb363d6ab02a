//! WebSocket frames of the spot URL (Gate API v4, WebSocket streams).
//!
//! Start at [`Decoder::frame`]. Routing is by `channel`; `event` tells replies from pushes; a reply failed exactly when its
//! `error` is there and not null.

use super::book::{BookSide, LevelsOf, levels};
use super::json::{
    FRAME_BYTES_MAX, Object, Value, counter, fields, items, millis, object, optional_flag, optional_text, required, text,
};
use super::news::{self, NewsWanted, TopFrame};
use super::rows::{self, OrderRow, Stamp};
use super::{Decoder, PairNames, Reject, Scope};
use domain::{BalanceEntry, Fill, FrameReject, Level, MonoNanos, OrderSource, PairId, PublicTrade, Ticker, VenueNanos};
use simd_json::prelude::*;

/// Most rows that a private push may have.
const ROWS_MAX: usize = 1000;

/// Channels this connector subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// `spot.order_book`: whole books.
    OrderBook,
    /// `spot.order_book_update`: changes, based on REST.
    OrderBookUpdate,
    /// `spot.obu`: a whole book first, then changes; streams are named `ob.<pair>.<levels>`.
    Obu,
    /// `spot.book_ticker`: best levels.
    BookTicker,
    /// `spot.trades`.
    Trades,
    /// `spot.tickers`.
    Tickers,
    /// `spot.orders`.
    Orders,
    /// `spot.usertrades`.
    UserTrades,
    /// `spot.balances`.
    Balances,
}

impl Channel {
    const ALL: [Channel; 9] = [
        Channel::OrderBook,
        Channel::OrderBookUpdate,
        Channel::Obu,
        Channel::BookTicker,
        Channel::Trades,
        Channel::Tickers,
        Channel::Orders,
        Channel::UserTrades,
        Channel::Balances,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::OrderBook => "spot.order_book",
            Channel::OrderBookUpdate => "spot.order_book_update",
            Channel::Obu => "spot.obu",
            Channel::BookTicker => "spot.book_ticker",
            Channel::Trades => "spot.trades",
            Channel::Tickers => "spot.tickers",
            Channel::Orders => "spot.orders",
            Channel::UserTrades => "spot.usertrades",
            Channel::Balances => "spot.balances",
        }
    }

    fn parse(text: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    /// True for channels that need a signature.
    pub const fn is_private(self) -> bool {
        matches!(self, Channel::Orders | Channel::UserTrades | Channel::Balances)
    }
}

/// Channels that exist and are not used: their frames are ignored, not refused.
const UNUSED: &[&str] = &[
    "spot.trades_v2",
    "spot.candlesticks",
    "spot.orders_v2",
    "spot.usertrades_v2",
    "spot.margin_balances",
    "spot.funding_balances",
    "spot.cross_balances",
    "spot.cross_loan",
    "spot.priceorders",
];

/// One decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// News about a book.
    Book(BookFrame),
    /// Best levels.
    Top(TopFrame),
    /// A public trade.
    Trade(PublicTrade),
    /// A 24-hour summary.
    Ticker(Ticker),
    /// Order rows.
    Orders(Vec<OrderRow>),
    /// Executions.
    Fills(Vec<Fill>),
    /// Changed balances.
    Balances(Vec<BalanceEntry>),
    /// The answer to a subscribe or unsubscribe request.
    Reply(Reply),
    /// The answer to an application ping, and when the venue sent it.
    Pong(Option<VenueNanos>),
    /// The venue asks for a new connection: this one will be closed for maintenance.
    Upgrade,
    /// A known channel that is not used.
    Ignored,
}

/// News about one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookFrame {
    /// Which pair.
    pub pair: PairId,
    /// Which channel.
    pub channel: Channel,
    /// Levels a side of the stream where the frame names them (`spot.obu`), else zero.
    pub levels: u16,
    /// When the venue sent the frame (`time_ms`; frames before 2022 have none).
    pub sent_at: Option<VenueNanos>,
    /// When the book last changed (`result.t`).
    pub changed_at: Option<VenueNanos>,
    /// What it says.
    pub body: BookFrameBody,
}

/// The two kinds of book news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookFrameBody {
    /// Replaces the book.
    Full {
        /// Book id of this state.
        id: u64,
        /// Descending.
        bids: Vec<Level>,
        /// Ascending.
        asks: Vec<Level>,
    },
    /// Absolute quantities by price.
    Delta(Delta),
}

/// A change of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// First book id covered (`U`).
    pub first: u64,
    /// Last book id covered (`u`).
    pub last: u64,
    /// Changed bids, descending; zero deletes.
    pub bids: Vec<Level>,
    /// Changed asks, ascending; zero deletes.
    pub asks: Vec<Level>,
}

/// The answer to a subscribe or unsubscribe request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which channel.
    pub channel: Channel,
    /// True for `subscribe`.
    pub subscribe: bool,
    /// The request's `id`, where it is echoed (frames before 2022 have none).
    pub id: Option<u64>,
    /// The first pair of the echoed payload.
    pub pair: Option<PairId>,
    /// The error, if it failed.
    pub error: Option<ReplyError>,
}

/// Why a subscribe or unsubscribe request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// The code; -1 where it can't be read.
    pub code: i64,
    /// What its message tells.
    pub cause: ErrorCause,
}

/// What the message of a failed request tells. The codes alone do not: an invalid argument, an unknown pair, a second subscription
/// and a refused signature can all be code 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCause {
    /// The stream is subscribed already (`Alert sub …`); the first subscription goes on delivering.
    AlreadySubscribed,
    /// It names a pair, so one of several is at fault.
    Pair,
    /// Anything else.
    Other,
}

impl Decoder {
    /// Decodes one text frame received at `received`.
    ///
    /// # Errors
    /// [`Reject`] for anything that is not a frame of a known channel in its documented shape.
    pub fn frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<Frame, Reject> {
        let Decoder { names, reader, wanted } = self;
        reader.read(bytes, FRAME_BYTES_MAX, |root| frame(&root, names, *wanted, received))
    }
}

fn frame(root: &Value<'_, '_>, names: &PairNames, wanted: NewsWanted, received: MonoNanos) -> Result<Frame, Reject> {
    let root = object(root, "frame")?;
    fields!(root,
        "channel" => channel, "event" => event, "result" => result, "error" => error, "time_ms" => time_ms, "id" => id,
        "payload" => payload);
    if channel.is_none() && error.is_some() {
        // What was not understood was ours; nothing of the venue's is lost.
        return Err(Reject::new(FrameReject::VenueError, "error").within(Scope::Nothing));
    }
    let name =
        text(channel, "channel").map_err(|r| if r.reason == FrameReject::MissingField { Reject::shape("channel") } else { r })?;
    let event = optional_text(event, "event")?.unwrap_or_default();
    let Some(channel) = Channel::parse(name) else { return other_channel(name, event, result, time_ms, error.is_some()) };
    if event == "subscribe" || event == "unsubscribe" {
        return Ok(Frame::Reply(Reply {
            channel,
            subscribe: event == "subscribe",
            id: id.and_then(|id| id.as_u64()),
            pair: payload.and_then(|p| first_pair(&p, names)),
            error: error.map(|e| reply_error(&e, names)),
        }));
    }
    if error.is_some() {
        return Err(Reject::new(FrameReject::VenueError, "error"));
    }
    // Documented samples of `spot.obu` have no event; captures have one.
    if event != "update" && !(channel == Channel::Obu && event.is_empty()) {
        return Err(Reject::shape("event"));
    }
    if is_unwanted(channel, wanted) {
        return Ok(Frame::Ignored);
    }
    let result = required(result, "result")?;
    let stamp = Stamp { source: OrderSource::Stream, received, requested: received };
    let private = |reject: Reject| reject.within(Scope::Private);
    // No book depends on these.
    let aside = |reject: Reject| reject.within(Scope::Nothing);
    match channel {
        Channel::OrderBook | Channel::OrderBookUpdate | Channel::Obu => {
            let sent_at = millis(time_ms, "time_ms")?;
            let result = object(&result, "result")?;
            let news = match channel {
                Channel::OrderBook => snapshot(&result, names),
                Channel::OrderBookUpdate => update(&result, names, false),
                _ => update(&result, names, true),
            };
            news.map(|BookNews { pair, levels, changed_at, body }| {
                Frame::Book(BookFrame { pair, channel, levels, sent_at, changed_at, body })
            })
        }
        Channel::BookTicker => {
            let read = || news::top(&object(&result, "result")?, millis(time_ms, "time_ms")?, names);
            read().map(Frame::Top).map_err(aside)
        }
        Channel::Trades => {
            let read = || news::trade(&object(&result, "result")?, received, names);
            read().map(Frame::Trade).map_err(aside)
        }
        Channel::Tickers => {
            let read = || news::ticker(&object(&result, "result")?, received, names);
            read().map(Frame::Ticker).map_err(aside)
        }
        Channel::Orders => {
            let read = |row: &Value<'_, '_>| rows::order(row, names, stamp);
            rows::list(&result, ROWS_MAX, "result", read).map(|(list, _)| Frame::Orders(list)).map_err(private)
        }
        Channel::UserTrades => rows::list(&result, ROWS_MAX, "result", |row| rows::trade(row, names, stamp))
            .map(|(list, _)| Frame::Fills(list))
            .map_err(private),
        Channel::Balances => rows::list(&result, ROWS_MAX, "result", |row| rows::balance(row, names))
            .map(|(list, _)| Frame::Balances(list))
            .map_err(private),
    }
}

/// True for a channel of public news that the session did not ask for.
fn is_unwanted(channel: Channel, wanted: NewsWanted) -> bool {
    match channel {
        Channel::BookTicker => !wanted.book_ticker,
        Channel::Trades => !wanted.trades,
        Channel::Tickers => !wanted.tickers,
        _ => false,
    }
}

fn other_channel(
    name: &str,
    event: &str,
    result: Option<Value<'_, '_>>,
    time_ms: Option<Value<'_, '_>>,
    failed: bool,
) -> Result<Frame, Reject> {
    let nothing = |reason| Err(Reject::new(reason, "channel").within(Scope::Nothing));
    match name {
        _ if failed => nothing(FrameReject::VenueError),
        "spot.pong" => Ok(Frame::Pong(millis(time_ms, "time_ms").map_err(|reject| reject.within(Scope::Nothing))?)),
        "spot.system" => {
            let kind = match result.and_then(|r| r.as_object()) {
                Some(result) => {
                    fields!(result, "type" => kind);
                    optional_text(kind, "type")?
                }
                None => None,
            };
            Ok(if event == "upgrade" || kind == Some("upgrade") { Frame::Upgrade } else { Frame::Ignored })
        }
        _ if UNUSED.contains(&name) || name.starts_with("futures.") => Ok(Frame::Ignored),
        _ => nothing(FrameReject::UnknownShape),
    }
}

struct BookNews {
    pair: PairId,
    levels: u16,
    changed_at: Option<VenueNanos>,
    body: BookFrameBody,
}

fn snapshot(result: &Object<'_, '_>, names: &PairNames) -> Result<BookNews, Reject> {
    fields!(result, "t" => time, "lastUpdateId" => id, "s" => pair, "bids" => bids, "asks" => asks);
    let (pair, info) = configured(text(pair, "s")?, names)?;
    let doubt = |reject: Reject| reject.within(Scope::Book(pair, domain::ResyncReason::Gap));
    let id = counter(id, "lastUpdateId").map_err(doubt)?;
    let changed_at = millis(time, "t").map_err(doubt)?;
    let bids =
        levels(Some(required(bids, "bids").map_err(doubt)?), pair, info.scale, BookSide::Bids, LevelsOf::Snapshot, "bids")?;
    let asks =
        levels(Some(required(asks, "asks").map_err(doubt)?), pair, info.scale, BookSide::Asks, LevelsOf::Snapshot, "asks")?;
    Ok(BookNews { pair, levels: 0, changed_at, body: BookFrameBody::Full { id, bids, asks } })
}

/// The pair's name and the levels in the name of a `spot.obu` stream, by its first and last point: names may hold others.
fn stream_name(name: &str) -> Option<(&str, u16)> {
    let (pair, levels) = name.strip_prefix("ob.")?.rsplit_once('.')?;
    Some((pair, levels.parse().ok()?))
}

/// A frame of `spot.order_book_update`, or of `spot.obu`, which has the same members but for the name.
fn update(result: &Object<'_, '_>, names: &PairNames, named: bool) -> Result<BookNews, Reject> {
    fields!(result, "t" => time, "U" => first, "u" => last, "s" => pair, "b" => bids, "a" => asks, "full" => full);
    let name = text(pair, "s")?;
    let (name, levels_told) = if named { stream_name(name).ok_or(Reject::shape("s"))? } else { (name, 0) };
    let (pair, info) = configured(name, names)?;
    let doubt = |reject: Reject| reject.within(Scope::Book(pair, domain::ResyncReason::Gap));
    let last = counter(last, "u").map_err(doubt)?;
    let changed_at = millis(time, "t").map_err(doubt)?;
    let full = optional_flag(full, "full").map_err(doubt)?.unwrap_or(false);
    let of = if full { LevelsOf::FullUpdate } else { LevelsOf::Delta };
    let bids = levels(bids, pair, info.scale, BookSide::Bids, of, "b")?;
    let asks = levels(asks, pair, info.scale, BookSide::Asks, of, "a")?;
    if full {
        return Ok(BookNews { pair, levels: levels_told, changed_at, body: BookFrameBody::Full { id: last, bids, asks } });
    }
    let first = counter(first, "U").map_err(doubt)?;
    if first > last {
        return Err(doubt(Reject::new(FrameReject::OutOfRange, "U")));
    }
    Ok(BookNews { pair, levels: levels_told, changed_at, body: BookFrameBody::Delta(Delta { first, last, bids, asks }) })
}

fn configured<'n>(name: &str, names: &'n PairNames) -> Result<(PairId, &'n domain::PairInfo), Reject> {
    names.find(name).ok_or(Reject::new(FrameReject::UnknownPair, "s").within(Scope::Nothing))
}

fn first_pair(payload: &Value<'_, '_>, names: &PairNames) -> Option<PairId> {
    let first = items(payload, ROWS_MAX, "payload").ok()?.next()?;
    let name = first.as_str()?;
    names.find(stream_name(name).map_or(name, |(pair, _)| pair)).map(|(pair, _)| pair)
}

/// What an error object tells; an error without a readable code is still an error.
fn reply_error(error: &Value<'_, '_>, names: &PairNames) -> ReplyError {
    let member = |name: &str| error.as_object().and_then(|e| e.get(name));
    let code = member("code").and_then(|code| code.as_i64()).unwrap_or(-1);
    let message = member("message");
    let message = message.as_ref().and_then(|message| message.as_str()).unwrap_or_default();
    let cause = if message.contains("Alert sub") {
        ErrorCause::AlreadySubscribed
    } else if message.contains("currency pair") || names.iter().any(|(name, _)| message.contains(name)) {
        ErrorCause::Pair
    } else {
        ErrorCause::Other
    };
    ReplyError { code, cause }
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
