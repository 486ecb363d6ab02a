//! The candle that `spot.candlesticks` pushes, kept from trades (Gate API v4, candlesticks channel).
//!
//! Start at [`CandleFeed::open`], then [`CandleFeed::on_trade`] for every trade and [`CandleFeed::rows`] once per tick.
//! Promised: a window that has passed since the last tick is told once more, closed (`w: true`), before the running one; a
//! window without trades repeats the last close with no volume.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{channel::candle_interval, rows::text};
use crate::{core::PublicTrade, market::MadeUp};

/// One push of `spot.candlesticks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CandleRow {
    /// Start, seconds as text.
    t: String,
    /// Quote volume.
    v: String,
    /// Close.
    c: String,
    /// Highest.
    h: String,
    /// Lowest.
    l: String,
    /// Open.
    o: String,
    /// `<interval>_<pair>`.
    n: String,
    /// Base volume.
    a: String,
    /// Whether the window is over.
    w: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candle {
    start_s: u64,
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    base: Decimal,
    quote: Decimal,
}

/// The running candle of one pair and interval.
#[derive(Clone, Debug)]
pub(super) struct CandleFeed {
    name: &'static str,
    length_s: u64,
    candle: Option<Candle>,
    /// A candle that ended since the last tick.
    ended: Option<Candle>,
    /// A trade came, or a window passed, since the last tick.
    is_changed: bool,
}

impl CandleFeed {
    /// Begins with what a past tells of the window that the venue began in, and the trades that the venue still remembers, oldest first.
    pub(super) fn open<'a>(
        interval: u8,
        begun: Option<(u64, MadeUp)>,
        trades: impl Iterator<Item = &'a PublicTrade>,
    ) -> CandleFeed {
        let (name, length_s) = candle_interval(interval);
        let candle = begun.map(|(start_s, made_up)| {
            let MadeUp { open, high, low, close, base, quote, .. } = made_up;
            Candle { start_s, open, high, low, close, base, quote }
        });
        let mut feed = CandleFeed { name, length_s: u64::from(length_s), candle, ended: None, is_changed: false };
        for trade in trades {
            feed.on_trade(trade);
        }
        feed.ended = None;
        feed
    }

    /// Adds a trade.
    pub(super) fn on_trade(&mut self, trade: &PublicTrade) {
        self.roll(trade.t_ns);
        self.is_changed = true;
        let (price, amount) = (trade.price, trade.amount);
        let start_s = self.start_of(trade.t_ns);
        let fresh =
            Candle { start_s, open: price, high: price, low: price, close: price, base: Decimal::ZERO, quote: Decimal::ZERO };
        let candle = self.candle.get_or_insert(fresh);
        if candle.base.is_zero() {
            *candle = fresh;
        }
        candle.high = candle.high.max(price);
        candle.low = candle.low.min(price);
        candle.close = price;
        // Display figures: past the number type they stand still rather than stop the venue.
        candle.base = candle.base.checked_add(amount).unwrap_or(candle.base);
        let value = price.checked_mul(amount).unwrap_or_default();
        candle.quote = candle.quote.checked_add(value).unwrap_or(candle.quote);
    }

    /// What is pushed at `t_ns`: nothing before the pair's first trade, and nothing unchanged unless `owed` to a new
    /// subscriber. In the recording of 2021 a pair without trades gets one push in half a minute.
    pub(super) fn rows(&mut self, t_ns: u64, pair: &str, owed: bool) -> Vec<CandleRow> {
        self.roll(t_ns);
        if !std::mem::take(&mut self.is_changed) && !owed {
            return Vec::new();
        }
        let ended = self.ended.take().map(|candle| self.row(&candle, pair, true));
        let running = self.candle.map(|candle| self.row(&candle, pair, false));
        ended.into_iter().chain(running).collect()
    }

    fn start_of(&self, t_ns: u64) -> u64 {
        let s = t_ns / 1_000_000_000;
        s - s % self.length_s
    }

    /// Begins a new candle when the window of the running one has passed.
    fn roll(&mut self, t_ns: u64) {
        let start_s = self.start_of(t_ns);
        let Some(candle) = self.candle.filter(|candle| candle.start_s < start_s) else { return };
        self.ended = Some(candle);
        self.is_changed = true;
        let close = candle.close;
        self.candle =
            Some(Candle { start_s, open: close, high: close, low: close, close, base: Decimal::ZERO, quote: Decimal::ZERO });
    }

    fn row(&self, candle: &Candle, pair: &str, is_over: bool) -> CandleRow {
        CandleRow {
            t: candle.start_s.to_string(),
            v: text(candle.quote),
            c: text(candle.close),
            h: text(candle.high),
            l: text(candle.low),
            o: text(candle.open),
            n: format!("{}_{pair}", self.name),
            a: text(candle.base),
            w: is_over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PairId, Side, TradeId};

    fn trade(t_s: u64, price: i64, amount: i64) -> PublicTrade {
        PublicTrade {
            t_ns: t_s * 1_000_000_000,
            trade_id: TradeId(t_s),
            sequence_id: t_s,
            pair: PairId(0),
            taker_side: Side::Buy,
            price: Decimal::from(price),
            amount: Decimal::from(amount),
        }
    }

    #[test]
    fn trades_make_candles_and_a_quiet_window_repeats_the_close() {
        let before = [trade(100, 9, 1), trade(125, 10, 2)];
        let mut feed = CandleFeed::open(2, None, before.iter());
        feed.on_trade(&trade(130, 14, 1));
        feed.on_trade(&trade(140, 8, 3));
        let rows = feed.rows(141_000_000_000, "BTC_USDT", false);
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!((row.t.as_str(), row.n.as_str(), row.w), ("120", "1m_BTC_USDT", false));
        assert_eq!([&row.o, &row.h, &row.l, &row.c, &row.a, &row.v], ["10", "14", "8", "8", "6", "58"]);
        assert!(feed.rows(142_000_000_000, "BTC_USDT", false).is_empty(), "nothing changed");
        assert_eq!(feed.rows(142_000_000_000, "BTC_USDT", true).len(), 1, "a new subscriber");
        let rows = feed.rows(181_000_000_000, "BTC_USDT", false);
        assert_eq!(rows.iter().map(|row| (row.t.as_str(), row.w)).collect::<Vec<_>>(), [("120", true), ("180", false)]);
        assert_eq!([&rows[1].o, &rows[1].c, &rows[1].a], ["8", "8", "0"]);
        assert!(CandleFeed::open(2, None, [].iter()).rows(5, "BTC_USDT", true).is_empty());
    }
}
