//! Public news beside the book: best levels, trades, 24-hour tickers (Gate API v4, public spot channels).
//!
//! None of it is the depth feed, so a frame that can't be read puts no book in doubt, with one exception: a price finer than the
//! pair's scale means that the scale is wrong, and then the book's is too.

use super::book::{price_units, qty_units};
use super::json::{Object, Value, counter, fields, millis, number_text, text};
use super::number::{Finer, parse_amount};
use super::{PairNames, Reject, Scope};
use domain::{
    FrameReject, Level, MonoNanos, PairId, PairInfo, Price, PublicTrade, ResyncReason, Side, Ticker, TradeId, VenueNanos,
};

/// The best levels of `spot.book_ticker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopFrame {
    /// Which pair.
    pub pair: PairId,
    /// The book id of this state; the same counter as the book's own ids.
    pub id: u64,
    /// Best bid; `None` for an empty side.
    pub bid: Option<Level>,
    /// Best ask; `None` for an empty side.
    pub ask: Option<Level>,
    /// When the venue sent the frame.
    pub sent_at: Option<VenueNanos>,
    /// When the book last changed.
    pub changed_at: Option<VenueNanos>,
}

/// Which of these channels a session reads; frames of the others are ignored unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewsWanted {
    /// `spot.book_ticker`.
    pub book_ticker: bool,
    /// `spot.trades`.
    pub trades: bool,
    /// `spot.tickers`.
    pub tickers: bool,
}

/// `spot.book_ticker`.
pub(super) fn top(result: &Object<'_, '_>, sent_at: Option<VenueNanos>, names: &PairNames) -> Result<TopFrame, Reject> {
    fields!(result,
        "t" => time, "u" => id, "s" => pair, "b" => bid, "B" => bid_qty, "a" => ask, "A" => ask_qty);
    let (pair, info) = configured(text(pair, "s")?, names)?;
    Ok(TopFrame {
        pair,
        id: counter(id, "u")?,
        bid: level(bid, bid_qty, pair, info, "b")?,
        ask: level(ask, ask_qty, pair, info, "a")?,
        sent_at,
        changed_at: millis(time, "t")?,
    })
}

/// `spot.trades`.
pub(super) fn trade(result: &Object<'_, '_>, received: MonoNanos, names: &PairNames) -> Result<PublicTrade, Reject> {
    fields!(result,
        "id" => id, "create_time_ms" => time, "side" => side, "currency_pair" => pair, "amount" => amount, "price" => price);
    let (pair, info) = configured(text(pair, "currency_pair")?, names)?;
    let taker_side = match text(side, "side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(Reject::shape("side")),
    };
    let qty = qty_units(number_text(amount, "amount")?, info.scale, "amount")?;
    if qty.is_zero() {
        return Err(Reject::new(FrameReject::OutOfRange, "amount"));
    }
    let id = counter(id, "id")?.to_string();
    Ok(PublicTrade {
        venue: names.venue,
        pair,
        trade_id: TradeId::new(&id).ok_or(Reject::new(FrameReject::OutOfRange, "id"))?,
        taker_side,
        price: price_of(number_text(price, "price")?, pair, info, "price")?,
        qty,
        executed_at: millis(time, "create_time_ms")?,
        received,
    })
}

/// `spot.tickers`. Prices that the venue leaves empty or at zero (no trade yet, an empty side) are not told.
pub(super) fn ticker(result: &Object<'_, '_>, received: MonoNanos, names: &PairNames) -> Result<Ticker, Reject> {
    fields!(result,
        "currency_pair" => pair, "last" => last, "lowest_ask" => ask, "highest_bid" => bid, "quote_volume" => volume);
    let (pair, info) = configured(text(pair, "currency_pair")?, names)?;
    let price = |value: Option<Value<'_, '_>>, what: &'static str| match value {
        None => Ok(None),
        Some(_) => {
            let text = number_text(value, what)?;
            if is_nothing(text) { Ok(None) } else { price_of(text, pair, info, what).map(Some) }
        }
    };
    let quote_volume =
        parse_amount(number_text(volume, "quote_volume")?, Finer::Cut).map_err(|error| Reject::number(error, "quote_volume"))?;
    if quote_volume.is_negative() {
        return Err(Reject::new(FrameReject::OutOfRange, "quote_volume"));
    }
    Ok(Ticker {
        venue: names.venue,
        pair,
        last: price(last, "last")?,
        bid: price(bid, "highest_bid")?,
        ask: price(ask, "lowest_ask")?,
        quote_volume,
        received,
    })
}

/// An empty text or a plain zero: nothing is there.
fn is_nothing(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// One side's best. An empty side has an empty or zero price.
fn level(
    price: Option<Value<'_, '_>>,
    qty: Option<Value<'_, '_>>,
    pair: PairId,
    info: &PairInfo,
    what: &'static str,
) -> Result<Option<Level>, Reject> {
    let price = number_text(price, what)?;
    let qty = number_text(qty, what)?;
    if is_nothing(price) {
        return if is_nothing(qty) { Ok(None) } else { Err(Reject::new(FrameReject::OutOfRange, what)) };
    }
    let price = price_of(price, pair, info, what)?;
    Ok(Some(Level { price, qty: qty_units(qty, info.scale, what)? }))
}

fn price_of(text: &str, pair: PairId, info: &PairInfo, what: &'static str) -> Result<Price, Reject> {
    price_units(text, info.scale, what).map_err(|(reject, fault)| match fault {
        ResyncReason::Scale => reject.within(Scope::Book(pair, ResyncReason::Scale)),
        _ => reject,
    })
}

fn configured<'n>(name: &str, names: &'n PairNames) -> Result<(PairId, &'n PairInfo), Reject> {
    names.find(name).ok_or(Reject::new(FrameReject::UnknownPair, "pair"))
}
