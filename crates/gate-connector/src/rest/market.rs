//! Public market data over REST: tickers, books, trades, candlesticks (Gate API v4, reference and market data).

use super::endpoint::Endpoint;
use super::field::{self, list};
use super::reader::RestReader;
use super::request::{Page, PairName, Query, RequestError, Span, bounded, public};
use crate::wire::Reject;
use crate::wire::json::{Value, fields, items, object, required};
use domain::{FrameReject, Side, VenueNanos};
use rust_decimal::Decimal;
use venue::HttpRequest;

/// Levels of a side that are asked for: deeper ones come from a slow cache and no stream keeps them.
pub const BOOK_LEVELS: u32 = 100;
/// Levels of a side that are read.
const LEVELS_MAX: usize = 2000;

/// `GET /spot/time`.
pub fn time() -> HttpRequest {
    public(Endpoint::Time, "", Query::default())
}

/// `GET /spot/tickers`: of one pair (then with the sizes of the touch) or of all.
pub fn tickers(pair: Option<&PairName>) -> HttpRequest {
    public(Endpoint::Tickers, "", Query::default().with_some("currency_pair", pair.map(PairName::as_str)))
}

/// `GET /spot/order_book` with the book's id.
///
/// # Errors
/// [`RequestError::OutOfRange`] above [`BOOK_LEVELS`].
pub fn order_book(pair: &PairName, limit: u32) -> Result<HttpRequest, RequestError> {
    bounded("limit", i64::from(limit), 1, i64::from(BOOK_LEVELS))?;
    let query = Query::default().with("currency_pair", pair.as_str()).with("limit", limit).with("with_id", true);
    Ok(public(Endpoint::OrderBook, "", query))
}

/// `GET /spot/trades`, newest first.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 1000 or a page too deep.
pub fn trades(pair: &PairName, page: Page, span: Span) -> Result<HttpRequest, RequestError> {
    let query = page.on(Query::default().with("currency_pair", pair.as_str()), 1000)?;
    Ok(public(Endpoint::Trades, "", span.on(query, i64::MAX)?))
}

/// Length of a candlestick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interval {
    /// 1 second.
    S1,
    /// 10 seconds.
    S10,
    /// 1 minute.
    M1,
    /// 5 minutes.
    M5,
    /// 15 minutes.
    M15,
    /// 30 minutes.
    M30,
    /// 1 hour.
    H1,
    /// 4 hours.
    H4,
    /// 8 hours.
    H8,
    /// 1 day.
    D1,
    /// 7 days.
    D7,
    /// 30 days.
    D30,
}

impl Interval {
    /// Every length.
    pub const ALL: [Interval; 12] = {
        use Interval::{D1, D7, D30, H1, H4, H8, M1, M5, M15, M30, S1, S10};
        [S1, S10, M1, M5, M15, M30, H1, H4, H8, D1, D7, D30]
    };

    /// Gate's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Interval::S1 => "1s",
            Interval::S10 => "10s",
            Interval::M1 => "1m",
            Interval::M5 => "5m",
            Interval::M15 => "15m",
            Interval::M30 => "30m",
            Interval::H1 => "1h",
            Interval::H4 => "4h",
            Interval::H8 => "8h",
            Interval::D1 => "1d",
            Interval::D7 => "7d",
            Interval::D30 => "30d",
        }
    }
}

/// Which candlesticks: the latest so many, or those of a span. The venue does not take both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candles {
    /// The latest, 1 to 1000.
    Latest(u32),
    /// From the first second to the last.
    Span(Span),
}

/// `GET /spot/candlesticks`.
///
/// # Errors
/// [`RequestError::OutOfRange`] for more than 1000.
pub fn candlesticks(pair: &PairName, interval: Interval, which: Candles) -> Result<HttpRequest, RequestError> {
    let query = Query::default().with("currency_pair", pair.as_str()).with("interval", interval.as_str());
    let query = match which {
        Candles::Latest(limit) => query.with("limit", bounded("limit", i64::from(limit), 1, 1000)?),
        Candles::Span(span) => span.on(query, i64::MAX)?,
    };
    Ok(public(Endpoint::Candlesticks, "", query))
}

/// A 24-hour summary. What a quiet pair has not is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// Which pair.
    pub pair: String,
    /// Last trade's price.
    pub last: Option<Decimal>,
    /// Best ask.
    pub lowest_ask: Option<Decimal>,
    /// Best bid.
    pub highest_bid: Option<Decimal>,
    /// Base at the best ask; only when one pair was asked for.
    pub lowest_size: Option<Decimal>,
    /// Base at the best bid; only when one pair was asked for.
    pub highest_size: Option<Decimal>,
    /// Change in 24 hours, in percent.
    pub change_percent: Option<Decimal>,
    /// Base traded in 24 hours.
    pub base_volume: Option<Decimal>,
    /// Quote traded in 24 hours.
    pub quote_volume: Option<Decimal>,
    /// Highest price in 24 hours.
    pub high: Option<Decimal>,
    /// Lowest price in 24 hours.
    pub low: Option<Decimal>,
}

/// A book at one id. Prices and amounts as the venue states them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// The book's id; there when it was asked for.
    pub id: Option<u64>,
    /// When the answer was made (`current`).
    pub sent_at: Option<VenueNanos>,
    /// When the book last changed (`update`).
    pub changed_at: Option<VenueNanos>,
    /// Ascending, price and base amount.
    pub asks: Vec<(Decimal, Decimal)>,
    /// Descending, price and base amount.
    pub bids: Vec<(Decimal, Decimal)>,
}

/// A public trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTrade {
    /// The venue's id.
    pub id: String,
    /// When, to the microsecond where told.
    pub at: Option<VenueNanos>,
    /// Side of the taker.
    pub taker_side: Side,
    /// Which pair.
    pub pair: Option<String>,
    /// Base traded.
    pub amount: Decimal,
    /// Price.
    pub price: Decimal,
    /// Number in the pair's sequence of trades.
    pub sequence: Option<String>,
}

/// A candlestick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candle {
    /// Its first moment.
    pub from: VenueNanos,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Quote traded.
    pub quote_volume: Decimal,
    /// Base traded, where told.
    pub base_volume: Option<Decimal>,
    /// Whether it is over, where told.
    pub closed: Option<bool>,
}

impl RestReader {
    /// `/spot/tickers`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn tickers(&mut self, body: &mut [u8]) -> Result<Vec<Ticker>, Reject> {
        self.rows(body, "tickers", |row| {
            fields!(object(row, "ticker")?,
                "currency_pair" => pair, "last" => last, "lowest_ask" => lowest_ask, "highest_bid" => highest_bid,
                "lowest_size" => lowest_size, "highest_size" => highest_size, "change_percentage" => change,
                "base_volume" => base_volume, "quote_volume" => quote_volume, "high_24h" => high, "low_24h" => low);
            Ok(Ticker {
                pair: field::text(pair, "currency_pair")?,
                last: field::optional_size(last, "last")?,
                lowest_ask: field::optional_size(lowest_ask, "lowest_ask")?,
                highest_bid: field::optional_size(highest_bid, "highest_bid")?,
                lowest_size: field::optional_size(lowest_size, "lowest_size")?,
                highest_size: field::optional_size(highest_size, "highest_size")?,
                change_percent: field::optional_decimal(change, "change_percentage")?,
                base_volume: field::optional_size(base_volume, "base_volume")?,
                quote_volume: field::optional_size(quote_volume, "quote_volume")?,
                high: field::optional_size(high, "high_24h")?,
                low: field::optional_size(low, "low_24h")?,
            })
        })
    }

    /// `/spot/order_book`. An answer without id is refused when the id was asked for, and always when it is empty: some hosts answer
    /// so for a depth they do not serve, and it is no empty market.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, sides out of order, or a crossed book.
    pub fn order_book(&mut self, body: &mut [u8], id_asked: bool) -> Result<Book, Reject> {
        self.read(body, |root| {
            fields!(object(root, "order_book")?,
                "id" => id, "current" => current, "update" => update, "asks" => asks, "bids" => bids);
            let book = Book {
                id: id.map(|id| crate::wire::json::counter(Some(id), "id")).transpose()?,
                sent_at: field::millis(current, "current")?,
                changed_at: field::millis(update, "update")?,
                asks: levels(asks, "asks", |before, after| before < after)?,
                bids: levels(bids, "bids", |before, after| before > after)?,
            };
            if book.id.is_none() && (id_asked || (book.asks.is_empty() && book.bids.is_empty())) {
                return Err(Reject::missing("id"));
            }
            match (book.bids.first(), book.asks.first()) {
                (Some((bid, _)), Some((ask, _))) if bid >= ask => Err(Reject::new(FrameReject::Unsorted, "order_book")),
                _ => Ok(book),
            }
        })
    }

    /// `/spot/trades`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn trades(&mut self, body: &mut [u8]) -> Result<Vec<PublicTrade>, Reject> {
        self.rows(body, "trades", |row| {
            fields!(object(row, "trade")?,
                "id" => id, "create_time" => time, "create_time_ms" => time_ms, "side" => side, "currency_pair" => pair,
                "amount" => amount, "price" => price, "sequence_id" => sequence);
            Ok(PublicTrade {
                id: field::id(id, "id")?,
                at: match field::millis(time_ms, "create_time_ms")? {
                    Some(at) => Some(at),
                    None => field::seconds(time, "create_time")?,
                },
                taker_side: field::side(side, "side")?,
                pair: field::optional_text(pair, "currency_pair")?,
                amount: field::size(amount, "amount")?,
                price: field::size(price, "price")?,
                sequence: field::optional_id(sequence, "sequence_id")?,
            })
        })
    }

    /// `/spot/candlesticks`: rows of `[time, quote volume, close, high, low, open, base volume, closed]`, the last two newer.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or a candlestick whose low is above another of its prices.
    pub fn candlesticks(&mut self, body: &mut [u8]) -> Result<Vec<Candle>, Reject> {
        self.rows(body, "candlesticks", |row| {
            let columns: Vec<Value<'_, '_>> = items(row, 16, "candlestick")?.collect();
            let number = |index, what| field::size(Some(field::column(&columns, index, what)?), what);
            let candle = Candle {
                from: field::seconds(Some(field::column(&columns, 0, "t")?), "t")?.ok_or(Reject::missing("t"))?,
                quote_volume: number(1, "quote_volume")?,
                close: number(2, "close")?,
                high: number(3, "high")?,
                low: number(4, "low")?,
                open: number(5, "open")?,
                base_volume: field::optional_size(columns.get(6).copied(), "base_volume")?,
                closed: field::optional_flag(columns.get(7).copied(), "closed")?,
            };
            let (least, most) = (candle.open.min(candle.close), candle.open.max(candle.close));
            if candle.low > least || candle.high < most {
                return Err(Reject::new(FrameReject::OutOfRange, "candlestick"));
            }
            Ok(candle)
        })
    }
}

fn levels(
    value: field::Field<'_, '_>,
    what: &'static str,
    in_order: impl Fn(Decimal, Decimal) -> bool,
) -> Result<Vec<(Decimal, Decimal)>, Reject> {
    let mut last: Option<Decimal> = None;
    list(&required(value, what)?, LEVELS_MAX, what, |row| {
        let mut pair = items(row, 2, what)?;
        let (Some(price), Some(amount)) = (pair.next(), pair.next()) else { return Err(Reject::shape(what)) };
        let (price, amount) = (field::size(Some(price), what)?, field::size(Some(amount), what)?);
        if price.is_zero() {
            return Err(Reject::new(FrameReject::OutOfRange, what));
        }
        if last.is_some_and(|last| !in_order(last, price)) {
            return Err(Reject::new(FrameReject::Unsorted, what));
        }
        last = Some(price);
        Ok((price, amount))
    })
}
