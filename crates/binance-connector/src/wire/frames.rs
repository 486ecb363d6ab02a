//! WebSocket frames of combined streams: `{"stream": …, "data": …}`, replies to our control messages, and what concerns the
//! connection (Binance spot and futures WebSocket market streams).
//!
//! Start at [`Decoder::frame`]. The stream's name says what the data is; the data alone does not (a partial futures book has the
//! shape of a change). A frame is read for the market of the link that it came on.

use super::stream::{StreamKind, stream_kind};
use super::{DELTA_LEVELS_MAX, Decoder, FRAME_BYTES_MAX, LEVEL_COLUMNS_MAX, PairNames, Reject, Scope};
use crate::market::Market;
use domain::{
    Amount, FrameReject, InstrumentKind, Level, MonoNanos, PairId, PairInfo, Price, PublicTrade, ResyncReason, Side, Ticker,
    TradeId, VenueNanos,
};
use rust_decimal::Decimal;
use simd_json::prelude::*;
use std::fmt::Write as _;
use venue::book_sync::Delta;
use venue::fields;
use venue::json::{Object, Value, counter, number_text, object, optional_flag, optional_text, required, text, whole_millis};
use venue::levels::{BookSide, FinerPrice, LevelReader, LevelsOf};

/// One decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A change of a book.
    Book(BookFrame),
    /// The best bid and offer.
    Top(TopFrame),
    /// A public trade.
    Trade(PublicTrade),
    /// A 24-hour summary.
    Ticker(Ticker),
    /// The answer to a control message.
    Reply(Reply),
    /// The venue will close this connection soon.
    Shutdown,
    /// A known stream that is not used.
    Ignored,
}

/// A change of one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookFrame {
    /// Which pair.
    pub pair: PairId,
    /// When the venue sent it (`E`).
    pub sent_at: Option<VenueNanos>,
    /// When the book changed (`T`, futures only).
    pub changed_at: Option<VenueNanos>,
    /// The change.
    pub delta: Delta,
}

/// The best bid and offer of one book. Its id counts with the ids of the book's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopFrame {
    /// Which pair.
    pub pair: PairId,
    /// When the venue sent it (`E`, futures only).
    pub sent_at: Option<VenueNanos>,
    /// When the book changed (`T`, futures only).
    pub changed_at: Option<VenueNanos>,
    /// The book's id (`u`).
    pub id: u64,
    /// Best bid; `None` for an empty side.
    pub bid: Option<Level>,
    /// Best ask; `None` for an empty side.
    pub ask: Option<Level>,
}

/// The answer to a control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's `id`; `None` when the venue could not read it.
    pub id: Option<u64>,
    /// True when the venue refused.
    pub refused: bool,
}

impl Decoder {
    /// Decodes one text frame that came on a link of `market` at `received`.
    ///
    /// # Errors
    /// [`Reject`] for anything that is not a frame of a known stream in its documented shape.
    pub fn frame(&mut self, market: Market, bytes: &mut [u8], received: MonoNanos) -> Result<Frame, Reject> {
        let Decoder { names, reader } = self;
        reader.read(bytes, FRAME_BYTES_MAX, |root| frame(&root, market, names, received))
    }
}

fn frame(root: &Value<'_, '_>, market: Market, names: &PairNames, received: MonoNanos) -> Result<Frame, Reject> {
    let root = object(root, "frame")?;
    fields!(root, "stream" => stream, "data" => data, "id" => id, "error" => error, "e" => event, "code" => code);
    if stream.is_none() {
        return unnamed(&root, id, error.is_some() || code.is_some(), event);
    }
    let name = text(stream, "stream")?;
    let data = required(data, "data")?;
    if is_shutdown(&data) {
        return Ok(Frame::Shutdown);
    }
    let kind = stream_kind(name).ok_or(Reject::shape("stream").within(Scope::Nothing))?;
    if kind == StreamKind::Unused {
        return Ok(Frame::Ignored);
    }
    let data = object(&data, "data")?;
    match kind {
        StreamKind::Depth => change(&data, market, names).map(Frame::Book),
        StreamKind::BookTicker => top(&data, market, names).map(Frame::Top),
        StreamKind::Trade => trade(&data, market, names, received).map_err(|reject| reject.within(Scope::Nothing)),
        StreamKind::Ticker => ticker(&data, market, names, received).map_err(|reject| reject.within(Scope::Nothing)),
        StreamKind::Unused => Ok(Frame::Ignored),
    }
}

/// A frame of no stream: the answer to a control message, news of the connection, or nothing that a combined link carries.
fn unnamed(
    root: &Object<'_, '_>,
    id: Option<Value<'_, '_>>,
    refused: bool,
    event: Option<Value<'_, '_>>,
) -> Result<Frame, Reject> {
    if event.is_some_and(|e| e.as_str() == Some("serverShutdown")) {
        return Ok(Frame::Shutdown);
    }
    let answers = refused || root.iter().any(|(key, _)| key == "result");
    if event.is_none() && answers {
        return Ok(Frame::Reply(Reply { id: id.and_then(|id| id.as_u64()), refused }));
    }
    Err(Reject::shape("stream"))
}

fn is_shutdown(data: &Value<'_, '_>) -> bool {
    let Some(data) = data.as_object() else { return false };
    data.iter().any(|(key, value)| key == "e" && value.as_str() == Some("serverShutdown"))
}

fn configured<'n>(name: &str, market: Market, names: &'n PairNames) -> Result<(PairId, &'n PairInfo), Reject> {
    names.find(market, name).ok_or(Reject::new(FrameReject::UnknownPair, "s").within(Scope::Nothing))
}

/// Reads changes of a book, and prices and quantities by themselves.
const fn changes(pair: PairId, info: &PairInfo, levels_max: usize) -> LevelReader {
    LevelReader {
        pair,
        scale: info.scale,
        levels_max,
        columns_max: LEVEL_COLUMNS_MAX,
        of: LevelsOf::Delta,
        finer: FinerPrice::LeaveOut,
    }
}

fn change(data: &Object<'_, '_>, market: Market, names: &PairNames) -> Result<BookFrame, Reject> {
    fields!(data,
        "e" => event, "E" => sent, "T" => changed, "s" => symbol, "U" => first, "u" => last, "pu" => previous, "b" => bids,
        "a" => asks);
    let (pair, info) = configured(text(symbol, "s")?, market, names)?;
    let doubt = |reject: Reject| reject.within(Scope::Book(pair, ResyncReason::Gap));
    if text(event, "e").map_err(doubt)? != "depthUpdate" {
        return Err(doubt(Reject::shape("e")));
    }
    let first = counter(first, "U").map_err(doubt)?;
    let last = counter(last, "u").map_err(doubt)?;
    let previous = match market {
        Market::Spot => first.checked_sub(1).ok_or(doubt(Reject::new(FrameReject::OutOfRange, "U")))?,
        Market::UsdM | Market::CoinM => counter(previous, "pu").map_err(doubt)?,
    };
    if first > last || previous >= last {
        return Err(doubt(Reject::new(FrameReject::OutOfRange, "u")));
    }
    let sent_at = whole_millis(sent, "E").map_err(doubt)?;
    let changed_at = whole_millis(changed, "T").map_err(doubt)?;
    let reader = changes(pair, info, DELTA_LEVELS_MAX);
    let bids = reader.side(Some(required(bids, "b").map_err(doubt)?), BookSide::Bids, "b")?;
    let asks = reader.side(Some(required(asks, "a").map_err(doubt)?), BookSide::Asks, "a")?;
    Ok(BookFrame { pair, sent_at, changed_at, delta: Delta { previous, last, bids, asks } })
}

fn top(data: &Object<'_, '_>, market: Market, names: &PairNames) -> Result<TopFrame, Reject> {
    fields!(data,
        "E" => sent, "T" => changed, "s" => symbol, "u" => id, "b" => bid, "B" => bid_qty, "a" => ask, "A" => ask_qty);
    let (pair, info) = configured(text(symbol, "s")?, market, names)?;
    // A top that can't be read leaves the book as it is: its own changes say the same. But a best price finer than the scale is one
    // that the book leaves out.
    let narrow = |reject: Reject| match reject.scope {
        Scope::Book(_, ResyncReason::Scale) => reject,
        _ => Reject { scope: Scope::Nothing, ..reject },
    };
    let reader = changes(pair, info, 1);
    let level = |price: Option<Value<'_, '_>>, qty: Option<Value<'_, '_>>, what, qty_what| {
        let price = required(price, what)?;
        let qty = reader.qty(&required(qty, qty_what)?, qty_what)?;
        // An empty side is sent as zeros.
        if qty.is_zero() { Ok(None) } else { Ok(Some(Level { price: reader.price(&price, what)?, qty })) }
    };
    Ok(TopFrame {
        pair,
        sent_at: whole_millis(sent, "E").map_err(narrow)?,
        changed_at: whole_millis(changed, "T").map_err(narrow)?,
        id: counter(id, "u").map_err(narrow)?,
        bid: level(bid, bid_qty, "b", "B").map_err(narrow)?,
        ask: level(ask, ask_qty, "a", "A").map_err(narrow)?,
    })
}

fn trade(data: &Object<'_, '_>, market: Market, names: &PairNames, received: MonoNanos) -> Result<Frame, Reject> {
    fields!(data,
        "e" => event, "s" => symbol, "t" => id, "a" => aggregate, "p" => price, "q" => qty, "T" => at, "m" => maker, "X" => origin);
    let id = match text(event, "e")? {
        "trade" => counter(id, "t")?,
        "aggTrade" => counter(aggregate, "a")?,
        _ => return Err(Reject::shape("e")),
    };
    let (pair, info) = configured(text(symbol, "s")?, market, names)?;
    if optional_text(origin, "X")?.is_some_and(|origin| origin != "MARKET") {
        // Insurance fund and auto-deleveraging: not a trade of the book.
        return Ok(Frame::Ignored);
    }
    let reader = changes(pair, info, 1);
    let nothing = |reject: Reject| Reject { scope: Scope::Nothing, ..reject };
    let price = reader.price(&required(price, "p")?, "p").map_err(nothing)?;
    let qty = reader.qty(&required(qty, "q")?, "q").map_err(nothing)?;
    let buyer_is_maker = optional_flag(maker, "m")?.ok_or(Reject::missing("m"))?;
    let mut digits = arrayvec::ArrayString::<{ domain::ids::ID_BYTES_MAX }>::new();
    let fits = write!(digits, "{id}").is_ok();
    Ok(Frame::Trade(PublicTrade {
        venue: names.venue,
        pair,
        trade_id: TradeId::new(&digits).filter(|_| fits).ok_or(Reject::shape("t"))?,
        taker_side: if buyer_is_maker { Side::Sell } else { Side::Buy },
        price,
        qty,
        executed_at: whole_millis(at, "T")?,
        received,
    }))
}

fn ticker(data: &Object<'_, '_>, market: Market, names: &PairNames, received: MonoNanos) -> Result<Frame, Reject> {
    fields!(data,
        "e" => event, "s" => symbol, "c" => last, "b" => bid, "a" => ask, "v" => volume, "q" => quote_volume);
    if text(event, "e")? != "24hrTicker" {
        return Err(Reject::shape("e"));
    }
    let (pair, info) = configured(text(symbol, "s")?, market, names)?;
    let reader = changes(pair, info, 1);
    // Zero is what Binance says for "none". Last prices may be older than the scale, so a finer one is none either.
    let price = |value: Option<Value<'_, '_>>, what| -> Result<Option<Price>, Reject> {
        let Some(value) = value else { return Ok(None) };
        match reader.price(&value, what) {
            Ok(price) => Ok(Some(price)),
            Err(Reject { reason: FrameReject::OutOfRange, .. }) => Ok(None),
            Err(Reject { scope: Scope::Book(_, ResyncReason::Scale), .. }) => Ok(None),
            Err(reject) => Err(Reject { scope: Scope::Nothing, ..reject }),
        }
    };
    let quote_volume = match &info.kind {
        // COIN-M counts contracts in `v` and base in `q`.
        InstrumentKind::InversePerpetual { multiplier, .. } => times(amount(volume, "v")?, *multiplier),
        InstrumentKind::DatedFuture { multiplier, .. } if market == Market::CoinM => times(amount(volume, "v")?, *multiplier),
        _ => Some(amount(quote_volume, "q")?),
    };
    Ok(Frame::Ticker(Ticker {
        venue: names.venue,
        pair,
        last: price(last, "c")?,
        bid: price(bid, "b")?,
        ask: price(ask, "a")?,
        quote_volume: quote_volume.ok_or(Reject::new(FrameReject::OutOfRange, "v"))?,
        received,
    }))
}

fn amount(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Amount, Reject> {
    let value = Decimal::from_str_exact(number_text(value, what)?).map_err(|_| Reject::new(FrameReject::BadNumber, what))?;
    Amount::from_decimal(value).filter(|a| !a.is_negative()).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

/// Contracts times quote per contract, exact for whole multipliers.
fn times(contracts: Amount, multiplier: Amount) -> Option<Amount> {
    let whole = multiplier.units() / domain::number::AMOUNT_ONE;
    contracts.units().checked_mul(whole).map(Amount::from_units)
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
