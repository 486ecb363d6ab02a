//! Candles and the figures of a day, made of trades alone; and of a made-up past before the first of them, where there is one.
//!
//! Start at [`Bars::add`]; [`Bars::rows`] gives candles of any [`Interval`], [`Bars::since`] what was traded since a moment. A
//! candle without trades stands at the close before it. Seconds, minutes and hours are kept, each bounded; longer candles are
//! added up when they are asked for. Once the first of a kind are forgotten, so is the past that they followed.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use super::time::month_start;
use crate::{
    core::{PublicTrade, Side},
    market::{MadeUp, Past},
};

/// Candles kept of each length: a good day of minutes.
const KEPT_MAX: usize = 3_000;
/// Minutes kept behind a made-up past: as far as candles of half an hour reach back in it.
pub(crate) const MINUTES_WITH_PAST_MAX: usize = 30_000;
const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const WEEK_MS: u64 = 7 * 24 * HOUR_MS;
/// The first Monday of the epoch.
const MONDAY_MS: u64 = 4 * 24 * HOUR_MS;

/// How long a candle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interval {
    /// This many milliseconds, cut at multiples of it since the epoch; weeks begin on Monday.
    Fixed(u64),
    /// A calendar month, UTC.
    Month,
}

impl Interval {
    /// Start of the candle that holds `t_ms`.
    pub(crate) fn start_of(self, t_ms: u64) -> u64 {
        match self {
            // The epoch began in the middle of a week, of which this is the part that there is.
            Interval::Fixed(WEEK_MS) => t_ms.saturating_sub((t_ms + WEEK_MS - MONDAY_MS) % WEEK_MS),
            Interval::Fixed(length) => t_ms - t_ms % length.max(1),
            Interval::Month => month_start(t_ms / 1_000) * 1_000,
        }
    }

    /// Start of the candle after the one that starts at `start_ms`.
    pub(crate) fn next(self, start_ms: u64) -> u64 {
        match self {
            Interval::Fixed(length) => start_ms.saturating_add(length.max(1)),
            // The 32nd day from a month's start is always in the next month.
            Interval::Month => Interval::Month.start_of(start_ms.saturating_add(32 * 24 * HOUR_MS)),
        }
    }

    /// Start of its first candle in a past.
    fn begins(self, past: &Past) -> u64 {
        let length_ms = match self {
            Interval::Fixed(length_ms) => length_ms,
            Interval::Month => 24 * HOUR_MS,
        };
        let begins_ms = past.begins_s(length_ms / SECOND_MS) * SECOND_MS;
        let start_ms = self.start_of(begins_ms);
        if start_ms < begins_ms { self.next(start_ms) } else { start_ms }
    }
}

/// What was traded in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Start, Unix milliseconds.
    pub(crate) start_ms: u64,
    /// First price.
    pub(crate) open: Decimal,
    /// Highest price.
    pub(crate) high: Decimal,
    /// Lowest price.
    pub(crate) low: Decimal,
    /// Last price.
    pub(crate) close: Decimal,
    /// Base traded.
    pub(crate) base: Decimal,
    /// Quote traded.
    pub(crate) quote: Decimal,
    /// Base bought by takers.
    pub(crate) taker_base: Decimal,
    /// Quote spent by takers who bought.
    pub(crate) taker_quote: Decimal,
    /// Trades.
    pub(crate) count: u64,
    /// Position of the first trade in the pair's sequence, 0 without one: made-up trades have none.
    pub(crate) first: u64,
    /// Position of the last trade.
    pub(crate) last: u64,
}

impl Bar {
    /// Nothing traded, at this price.
    pub(crate) fn flat(start_ms: u64, price: Decimal) -> Bar {
        let zero = Decimal::ZERO;
        Bar {
            start_ms,
            open: price,
            high: price,
            low: price,
            close: price,
            base: zero,
            quote: zero,
            taker_base: zero,
            taker_quote: zero,
            count: 0,
            first: 0,
            last: 0,
        }
    }

    fn of(trade: &PublicTrade) -> Bar {
        let value = trade.price.checked_mul(trade.amount).unwrap_or_default();
        let taken = |figure: Decimal| if trade.taker_side == Side::Buy { figure } else { Decimal::ZERO };
        Bar {
            base: trade.amount,
            quote: value,
            taker_base: taken(trade.amount),
            taker_quote: taken(value),
            count: 1,
            first: trade.sequence_id,
            last: trade.sequence_id,
            ..Bar::flat(trade.t_ns / 1_000_000, trade.price)
        }
    }

    /// What a past tells of a span that starts at `start_ms`.
    fn made_up(start_ms: u64, made_up: &MadeUp) -> Bar {
        let MadeUp { open, high, low, close, base, quote, taker_base, taker_quote, count } = *made_up;
        Bar { start_ms, open, high, low, close, base, quote, taker_base, taker_quote, count, first: 0, last: 0 }
    }

    /// Adds what came after it.
    fn absorb(&mut self, later: &Bar) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = Bar { start_ms: self.start_ms, ..*later };
            return;
        }
        // Display figures: past the number type they stand still rather than stop the venue.
        let add = |a: Decimal, b: Decimal| a.checked_add(b).unwrap_or(a);
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.base = add(self.base, later.base);
        self.quote = add(self.quote, later.quote);
        self.taker_base = add(self.taker_base, later.taker_base);
        self.taker_quote = add(self.taker_quote, later.taker_quote);
        self.count += later.count;
        if self.first == 0 {
            self.first = later.first;
        }
        self.last = later.last;
    }
}

/// Candles of one pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bars {
    seconds: VecDeque<Bar>,
    minutes: VecDeque<Bar>,
    hours: VecDeque<Bar>,
    past: Option<Box<Past>>,
}

impl Bars {
    /// What came before the first trade.
    pub(crate) fn remember(&mut self, past: Past) {
        self.past = Some(Box::new(past));
    }

    /// Adds a trade; trades come in the order of their times.
    pub(crate) fn add(&mut self, trade: &PublicTrade) {
        let bar = Bar::of(trade);
        let minutes_max = self.minutes_max();
        for (series, length, kept_max) in [
            (&mut self.seconds, SECOND_MS, KEPT_MAX),
            (&mut self.minutes, MINUTE_MS, minutes_max),
            (&mut self.hours, HOUR_MS, KEPT_MAX),
        ] {
            let start_ms = bar.start_ms - bar.start_ms % length;
            match series.back_mut() {
                Some(last) if last.start_ms == start_ms => last.absorb(&bar),
                _ => {
                    series.push_back(Bar { start_ms, ..bar });
                    if series.len() > kept_max {
                        series.pop_front();
                    }
                }
            }
        }
    }

    fn minutes_max(&self) -> usize {
        if self.past.is_some() { MINUTES_WITH_PAST_MAX } else { KEPT_MAX }
    }

    /// The past, as long as it leads to the first of these trades.
    fn past_of(&self, series: &VecDeque<Bar>, kept_max: usize) -> Option<&Past> {
        self.past.as_deref().filter(|_| series.len() < kept_max)
    }

    /// Candles that start within `from_ms..=to_ms`, oldest first: the first `most` of them, or the last when there is no
    /// `from_ms`. None before the first trade, or before the past begins, and none after `now_ms`.
    pub(crate) fn rows(&self, interval: Interval, from_ms: Option<u64>, to_ms: u64, now_ms: u64, most: usize) -> Vec<Bar> {
        let (series, kept_max) = match interval {
            Interval::Fixed(length) if length < MINUTE_MS => (&self.seconds, KEPT_MAX),
            Interval::Fixed(length) if length < HOUR_MS => (&self.minutes, self.minutes_max()),
            Interval::Fixed(_) | Interval::Month => (&self.hours, KEPT_MAX),
        };
        let past = self.past_of(series, kept_max);
        let to_ms = to_ms.min(now_ms);
        let mut start_ms = match (past, series.front()) {
            (Some(past), _) => interval.begins(past),
            (None, Some(first)) => interval.start_of(first.start_ms),
            (None, None) => return Vec::new(),
        };
        if let Interval::Fixed(length) = interval
            && from_ms.is_none()
        {
            // No more candles are made than can be wanted.
            let span = length.saturating_mul(u64::try_from(most).unwrap_or(u64::MAX));
            start_ms = start_ms.max(interval.start_of(to_ms.saturating_sub(span)));
        }
        let from_ms = from_ms.unwrap_or(0);
        start_ms = start_ms.max(interval.start_of(from_ms));
        let mut waiting = series.iter().peekable();
        let mut close = past.map(|past| past.close_before(start_ms / SECOND_MS));
        while let Some(bar) = waiting.next_if(|bar| bar.start_ms < start_ms) {
            close = Some(bar.close);
        }
        let mut rows: VecDeque<Bar> = VecDeque::new();
        while start_ms <= to_ms {
            let next_ms = interval.next(start_ms);
            let mut row = Bar::flat(start_ms, close.unwrap_or_default());
            if let Some(past) = past.filter(|past| start_ms < past.ends_s() * SECOND_MS) {
                row.absorb(&Bar::made_up(start_ms, &past.over(start_ms / SECOND_MS, next_ms / SECOND_MS)));
            }
            while let Some(bar) = waiting.next_if(|bar| bar.start_ms < next_ms) {
                row.absorb(bar);
            }
            if row.count > 0 {
                close = Some(row.close);
            }
            if close.is_some() && start_ms >= from_ms {
                rows.push_back(row);
            }
            if rows.len() > most {
                rows.pop_front();
            }
            if rows.len() == most && from_ms > 0 {
                break;
            }
            start_ms = next_ms;
        }
        rows.into()
    }

    /// What was traded in the whole minutes after `since_ms`, as one bar that starts there; flat at the last price when nothing
    /// was, `None` before the first trade and without a past.
    pub(crate) fn since(&self, since_ms: u64) -> Option<Bar> {
        let past = self.past_of(&self.minutes, self.minutes_max());
        let last = self.minutes.back().map(|bar| bar.close).or_else(|| past.map(Past::close))?;
        let mut all = Bar::flat(since_ms, last);
        let minute_s = (since_ms - since_ms % MINUTE_MS + MINUTE_MS) / SECOND_MS;
        if let Some(past) = past.filter(|past| minute_s < past.ends_s()) {
            all.absorb(&Bar::made_up(since_ms, &past.over(minute_s, past.ends_s())));
        }
        for bar in self.minutes.iter().filter(|bar| bar.start_ms > since_ms) {
            all.absorb(bar);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PairId, TradeId};

    fn trade(sequence_id: u64, t_ms: u64, price: i64, amount: i64, taker_side: Side) -> PublicTrade {
        PublicTrade {
            t_ns: t_ms * 1_000_000,
            trade_id: TradeId(sequence_id),
            sequence_id,
            pair: PairId(0),
            taker_side,
            price: Decimal::from(price),
            amount: Decimal::from(amount),
        }
    }

    fn brief(rows: &[Bar]) -> Vec<String> {
        let line = |bar: &Bar| {
            format!(
                "{} {} {} {} {} {} {}/{}",
                bar.start_ms, bar.open, bar.high, bar.low, bar.close, bar.quote, bar.taker_base, bar.count
            )
        };
        rows.iter().map(line).collect()
    }

    #[test]
    fn candles_add_up_and_gaps_stand_at_the_close() {
        let mut bars = Bars::default();
        for (number, (t_ms, price, amount, side)) in
            [(61_000, 10, 1, Side::Buy), (61_500, 12, 2, Side::Sell), (63_000, 9, 1, Side::Buy)].into_iter().enumerate()
        {
            bars.add(&trade(number as u64 + 1, t_ms, price, amount, side));
        }
        let second = Interval::Fixed(SECOND_MS);
        assert_eq!(
            brief(&bars.rows(second, None, 64_000, 64_000, 500)),
            ["61000 10 12 10 12 34 1/2", "62000 12 12 12 12 0 0/0", "63000 9 9 9 9 9 1/1", "64000 9 9 9 9 0 0/0"]
        );
        assert_eq!(brief(&bars.rows(second, None, 64_000, 64_000, 1)), ["64000 9 9 9 9 0 0/0"]);
        assert_eq!(brief(&bars.rows(second, Some(62_000), u64::MAX, 64_000, 1)), ["62000 12 12 12 12 0 0/0"]);
        assert_eq!(brief(&bars.rows(Interval::Fixed(180_000), None, 64_000, 64_000, 9)), ["0 10 12 9 9 43 2/3"]);
        assert_eq!(bars.rows(Interval::Month, None, 64_000, 64_000, 9).len(), 1);
        let day = bars.since(0).expect("traded");
        assert_eq!((day.high, day.low, day.count, day.first, day.last), (12.into(), 9.into(), 3, 1, 3));
        assert_eq!(bars.since(60_000).map(|bar| (bar.close, bar.count)), Some((9.into(), 0)));
        assert_eq!(Bars::default().since(0), None);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first_day() {
        let week = Interval::Fixed(WEEK_MS);
        // 1970-01-01 was a Thursday; 2024-02-29 too.
        assert_eq!(week.start_of(1_709_208_000_000), 1_708_905_600_000);
        assert_eq!(week.start_of(MONDAY_MS), MONDAY_MS);
        assert_eq!([week.start_of(0), week.start_of(MONDAY_MS - 1), week.start_of(MONDAY_MS + WEEK_MS - 1)], [0, 0, MONDAY_MS]);
        assert_eq!(Interval::Month.start_of(1_709_208_000_000), 1_706_745_600_000);
        assert_eq!(Interval::Month.next(1_706_745_600_000), 1_709_251_200_000);
    }

    #[test]
    fn history_is_bounded() {
        let mut bars = Bars::default();
        for number in 0..2 * KEPT_MAX as u64 {
            bars.add(&trade(number, number * 1_000, 5, 1, Side::Buy));
        }
        assert_eq!(bars.seconds.len(), KEPT_MAX);
    }
}
