//! Frames of the public streams: `{"topic": …, "type": …, "ts": …, "data": …}`, and replies to our control messages (Bybit v5,
//! WebSocket streams).
//!
//! Start at [`Decoder::frame`]. A frame is read for the market of the link that it came on: spot and linear share names. Fields
//! are found by name; their order differs between the markets.
//!
//! `ts` is when the gateway sent a frame, `cts` when the matching engine changed the book: the first tells how late a frame is,
//! the second how old what it says is.

use super::topic::{Topic, topic};
use super::{Decoder, FRAME_BYTES_MAX, LEVELS_MAX, PairNames, Reject, Scope, TRADES_MAX};
use crate::market::Market;
use domain::{
    Amount, FrameReject, InstrumentKind, Level, MonoNanos, PairId, PairInfo, Price, PublicTrade, ResyncReason, Side, TradeId,
    VenueNanos,
};
use simd_json::prelude::*;
use venue::fields;
use venue::json::{Object, Value, counter, items, object, optional_flag, optional_text, required, text, whole_millis};
use venue::levels::{BookSide, FinerPrice, LevelReader, LevelsOf};
use venue::number::{Finer, parse_amount};

/// One decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole book, or a change of one.
    Book(BookFrame),
    /// The best bid and offer, of a channel that no book is kept by.
    Top(TopFrame),
    /// Public trades, oldest first.
    Trades(Vec<PublicTrade>),
    /// A 24-hour summary, or what changed of one.
    Ticker(TickerFrame),
    /// The answer to a control message.
    Reply(Reply),
    /// A known topic that is not used.
    Ignored,
}

/// A whole book, or a change of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookFrame {
    /// Which pair.
    pub pair: PairId,
    /// True for a whole book: a snapshot, and anything numbered 1, which a restarted service sends.
    pub whole: bool,
    /// When the venue sent it (`ts`).
    pub sent_at: Option<VenueNanos>,
    /// When the book changed (`cts`).
    pub changed_at: Option<VenueNanos>,
    /// Its number among those of its topic (`u`), one more than the last one's.
    pub number: u64,
    /// Orders states of this book across depths (`seq`).
    pub seq: u64,
    /// Bids, descending; zero deletes in a change.
    pub bids: Vec<Level>,
    /// Asks, ascending; zero deletes in a change.
    pub asks: Vec<Level>,
}

/// The best bid and offer of one book. `seq` orders it among the states of the book that deeper channels tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopFrame {
    /// Which pair.
    pub pair: PairId,
    /// When the venue sent it (`ts`).
    pub sent_at: Option<VenueNanos>,
    /// When the book changed (`cts`).
    pub changed_at: Option<VenueNanos>,
    /// See [`BookFrame::seq`].
    pub seq: u64,
    /// Best bid; `None` for an empty side.
    pub bid: Option<Level>,
    /// Best ask; `None` for an empty side.
    pub ask: Option<Level>,
}

/// A 24-hour summary: spot sends whole ones, the others also what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickerFrame {
    /// Which pair.
    pub pair: PairId,
    /// True when what is not there is not known, rather than unchanged.
    pub whole: bool,
    /// Last trade's price, if told.
    pub last: Option<Price>,
    /// Highest bid, if told.
    pub bid: Option<Price>,
    /// Lowest ask, if told.
    pub ask: Option<Price>,
    /// Quote traded in 24 hours, if told.
    pub quote_volume: Option<Amount>,
}

/// The answer to a control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's `req_id`; `None` when it is none of ours.
    pub id: Option<u64>,
    /// True when the venue refused.
    pub refused: bool,
}

impl Decoder {
    /// Decodes one text frame that came on a link of `market` at `received`.
    ///
    /// # Errors
    /// [`Reject`] for anything that is not a frame of a known topic in its documented shape.
    pub fn frame(&mut self, market: Market, bytes: &mut [u8], received: MonoNanos) -> Result<Frame, Reject> {
        let Decoder { names, book_depth, reader, .. } = self;
        let scene = Scene { market, names, received, book_depth: *book_depth };
        reader.read(bytes, FRAME_BYTES_MAX, |root| scene.frame(&root))
    }
}

/// What a frame is read with.
struct Scene<'a> {
    market: Market,
    names: &'a PairNames,
    received: MonoNanos,
    book_depth: u16,
}

/// Whether a frame holds all there is, or what changed.
fn is_snapshot(kind: Option<Value<'_, '_>>) -> Result<bool, Reject> {
    match text(kind, "type")? {
        "snapshot" => Ok(true),
        "delta" => Ok(false),
        _ => Err(Reject::shape("type")),
    }
}

fn reader(pair: PairId, info: &PairInfo, of: LevelsOf) -> LevelReader {
    // Orders may outlive the tick that they were made with.
    LevelReader { pair, scale: info.scale, levels_max: LEVELS_MAX, columns_max: 2, of, finer: FinerPrice::LeaveOut }
}

impl Scene<'_> {
    fn frame(&self, root: &Value<'_, '_>) -> Result<Frame, Reject> {
        let root = object(root, "frame")?;
        fields!(root, "topic" => name, "type" => kind, "ts" => sent, "cts" => changed, "data" => data, "op" => op,
            "success" => success, "req_id" => id);
        let Some(name) = name else { return reply(op, success, id) };
        let name = name.into_string().ok_or(Reject::shape("topic"))?;
        // Of no book that is kept, whatever it is.
        let topic = topic(name).ok_or(Reject::shape("topic").within(Scope::Nothing))?;
        let nothing = |reject: Reject| Reject { scope: Scope::Nothing, ..reject };
        match topic {
            Topic::Unused => Ok(Frame::Ignored),
            Topic::Book { depth, symbol } if depth == self.book_depth => {
                self.book(symbol, kind, sent, changed, data).map(Frame::Book)
            }
            Topic::Book { depth: 1, symbol } => self.top(symbol, kind, sent, changed, data).map(Frame::Top),
            Topic::Book { .. } => Ok(Frame::Ignored),
            Topic::Trades(symbol) => self.trades(symbol, data).map_err(nothing),
            Topic::Ticker(symbol) => self.ticker(symbol, kind, data).map(Frame::Ticker).map_err(nothing),
        }
    }

    fn configured(&self, name: &str) -> Result<(PairId, &PairInfo), Reject> {
        let unknown = Reject::new(FrameReject::UnknownPair, "topic").within(Scope::Nothing);
        self.names.find(self.market, name).ok_or(unknown)
    }

    fn book(
        &self,
        symbol: &str,
        kind: Option<Value<'_, '_>>,
        sent: Option<Value<'_, '_>>,
        changed: Option<Value<'_, '_>>,
        data: Option<Value<'_, '_>>,
    ) -> Result<BookFrame, Reject> {
        let (pair, info) = self.configured(symbol)?;
        let read = || {
            let snapshot = is_snapshot(kind)?;
            let data = object(&required(data, "data")?, "data")?;
            fields!(data, "s" => s, "b" => bids, "a" => asks, "u" => number, "seq" => seq);
            if text(s, "s")? != symbol {
                return Err(Reject::shape("s"));
            }
            let number = counter(number, "u")?;
            let of = match (snapshot, number) {
                (true, _) => LevelsOf::Snapshot,
                (false, 1) => LevelsOf::FullUpdate,
                (false, _) => LevelsOf::Delta,
            };
            let reader = reader(pair, info, of);
            Ok(BookFrame {
                pair,
                whole: of != LevelsOf::Delta,
                sent_at: whole_millis(sent, "ts")?,
                changed_at: whole_millis(changed, "cts")?,
                number,
                seq: counter(seq, "seq")?,
                bids: reader.side(Some(required(bids, "b")?), BookSide::Bids, "b")?,
                asks: reader.side(Some(required(asks, "a")?), BookSide::Asks, "a")?,
            })
        };
        read().map_err(|reject: Reject| reject.within(Scope::Book(pair, ResyncReason::Gap)))
    }

    /// A top that can't be read leaves the book as it is: its own channel says the same. But a best price finer than the scale is
    /// one that the book leaves out.
    fn top(
        &self,
        symbol: &str,
        kind: Option<Value<'_, '_>>,
        sent: Option<Value<'_, '_>>,
        changed: Option<Value<'_, '_>>,
        data: Option<Value<'_, '_>>,
    ) -> Result<TopFrame, Reject> {
        let frame = self.book(symbol, kind, sent, changed, data).map_err(|reject| match reject.scope {
            Scope::Book(_, ResyncReason::Scale) => reject,
            _ => Reject { scope: Scope::Nothing, ..reject },
        })?;
        let BookFrame { pair, whole, sent_at, changed_at, seq, bids, asks, .. } = frame;
        if !whole || bids.len().max(asks.len()) > 1 {
            return Err(Reject::shape("type").within(Scope::Nothing));
        }
        Ok(TopFrame { pair, sent_at, changed_at, seq, bid: bids.first().copied(), ask: asks.first().copied() })
    }

    fn trades(&self, symbol: &str, data: Option<Value<'_, '_>>) -> Result<Frame, Reject> {
        let (pair, info) = self.configured(symbol)?;
        let rows = items(&required(data, "data")?, TRADES_MAX, "data")?;
        let mut trades = Vec::with_capacity(rows.len());
        for row in rows {
            trades.extend(self.trade(&object(&row, "trade")?, symbol, pair, info)?);
        }
        Ok(Frame::Trades(trades))
    }

    /// One trade; `None` for one that was arranged off the book.
    fn trade(&self, row: &Object<'_, '_>, symbol: &str, pair: PairId, info: &PairInfo) -> Result<Option<PublicTrade>, Reject> {
        fields!(row, "T" => at, "s" => s, "S" => side, "v" => qty, "p" => price, "i" => id, "BT" => block);
        if text(s, "s")? != symbol {
            return Err(Reject::shape("s"));
        }
        let taker_side = match text(side, "S")? {
            "Buy" => Side::Buy,
            "Sell" => Side::Sell,
            _ => return Err(Reject::shape("S")),
        };
        let reader = reader(pair, info, LevelsOf::Delta);
        let trade = PublicTrade {
            venue: self.names.venue,
            pair,
            trade_id: TradeId::new(text(id, "i")?).ok_or(Reject::shape("i"))?,
            taker_side,
            price: reader.price(&required(price, "p")?, "p")?,
            qty: reader.qty(&required(qty, "v")?, "v")?,
            executed_at: whole_millis(at, "T")?,
            received: self.received,
        };
        Ok((!optional_flag(block, "BT")?.unwrap_or(false)).then_some(trade))
    }

    fn ticker(&self, symbol: &str, kind: Option<Value<'_, '_>>, data: Option<Value<'_, '_>>) -> Result<TickerFrame, Reject> {
        let (pair, info) = self.configured(symbol)?;
        let whole = is_snapshot(kind)?;
        fields!(object(&required(data, "data")?, "data")?,
            "symbol" => s, "lastPrice" => last, "bid1Price" => bid, "ask1Price" => ask, "volume24h" => volume,
            "turnover24h" => turnover);
        if text(s, "symbol")? != symbol {
            return Err(Reject::shape("symbol"));
        }
        let reader = reader(pair, info, LevelsOf::Delta);
        // Empty and zero are none. A price finer than the scale is none either: it may be older than the scale.
        let price = |value: Option<Value<'_, '_>>, what| -> Result<Option<Price>, Reject> {
            let Some(value) = value.filter(|value| value.as_str() != Some("")) else { return Ok(None) };
            match reader.price(&value, what) {
                Ok(price) => Ok(Some(price)),
                Err(Reject { reason: FrameReject::OutOfRange, .. }) => Ok(None),
                Err(Reject { scope: Scope::Book(_, ResyncReason::Scale), .. }) => Ok(None),
                Err(reject) => Err(reject),
            }
        };
        // Inverse contracts count dollars as their volume, coins as their turnover.
        let (quote_volume, what) = match info.kind {
            InstrumentKind::InversePerpetual { .. } => (volume, "volume24h"),
            _ => (turnover, "turnover24h"),
        };
        let quote_volume = optional_text(quote_volume, what)?
            .map(|text| parse_amount(text, Finer::Cut).map_err(|error| Reject::number(error, what)))
            .transpose()?;
        if quote_volume.is_some_and(Amount::is_negative) || (whole && quote_volume.is_none()) {
            return Err(Reject::new(FrameReject::OutOfRange, what));
        }
        Ok(TickerFrame {
            pair,
            whole,
            last: price(last, "lastPrice")?,
            bid: price(bid, "bid1Price")?,
            ask: price(ask, "ask1Price")?,
            quote_volume,
        })
    }
}

/// A frame of no topic: the answer to a control message, or nothing that a public link carries. Only some answers have `success`;
/// a pong may be without it.
fn reply(op: Option<Value<'_, '_>>, success: Option<Value<'_, '_>>, id: Option<Value<'_, '_>>) -> Result<Frame, Reject> {
    let op = text(op, "op")?;
    if !matches!(op, "subscribe" | "unsubscribe" | "ping" | "pong" | "auth") {
        return Err(Reject::shape("op"));
    }
    let id = optional_text(id, "req_id")?.and_then(|id| id.parse().ok());
    Ok(Frame::Reply(Reply { id, refused: optional_flag(success, "success")? == Some(false) }))
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
