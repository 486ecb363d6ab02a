//! Candles of one pair, kept for every interval that Gate serves (Gate API v4, candlesticks).
//!
//! Start at [`Candles::on_trade`] and [`Candles::on_mid`]; [`Candles::rows`] answers. A candle with trades shows them and
//! nothing else. A candle without shows how the middle of the book moved (rounded down to the price grid) and no volume; one
//! in which nothing moved stands at the close before it. The history is bounded, and begins with the venue, or with a made-up
//! past ([`Candles::remember`]), which an interval forgets once it keeps as many true candles as it may.
//!
//! Intervals are cut at multiples of their length since the epoch; `30d` is a calendar month, as on Gate.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use super::rows::text;
use crate::{
    market::{MadeUp, Past},
    shared::time::month_start,
};

/// Candles kept per interval: the most one request may ask for, and a day of minutes.
const KEPT_MAX: usize = 1_500;
/// Most candles in one reply.
pub(super) const ROWS_MAX: u64 = 1_000;
const DAY_S: u64 = 86_400;

/// An interval of Gate's, by name and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    index: usize,
    length_s: u64,
}

/// Names and lengths in seconds; a month has its own rule.
const INTERVALS: [(&str, u64); 12] = [
    ("1s", 1),
    ("10s", 10),
    ("1m", 60),
    ("5m", 300),
    ("15m", 900),
    ("30m", 1_800),
    ("1h", 3_600),
    ("4h", 14_400),
    ("8h", 28_800),
    ("1d", DAY_S),
    ("7d", 7 * DAY_S),
    ("30d", 30 * DAY_S),
];
const MINUTE: usize = 2;
const MINUTE_S: u64 = INTERVALS[MINUTE].1;
const MONTH: usize = 11;

impl Interval {
    /// The interval called `name`.
    pub(super) fn named(name: &str) -> Option<Interval> {
        let index = INTERVALS.iter().position(|(known, _)| *known == name)?;
        Some(Interval { index, length_s: INTERVALS[index].1 })
    }

    const fn at(index: usize) -> Interval {
        Interval { index, length_s: INTERVALS[index].1 }
    }

    /// Start of the candle that holds `t_s`, Unix seconds.
    pub(super) fn start_of(self, t_s: u64) -> u64 {
        if self.index == MONTH { month_start(t_s) } else { t_s - t_s % self.length_s }
    }

    /// Start of the candle after the one that starts at `start_s`.
    pub(super) fn next(self, start_s: u64) -> u64 {
        // The 32nd day from a month's start is always in the next month.
        if self.index == MONTH { month_start(start_s.saturating_add(32 * DAY_S)) } else { start_s.saturating_add(self.length_s) }
    }

    /// Start of its first candle in a past.
    fn begins(self, past: &Past) -> u64 {
        let begins_s = past.begins_s(if self.index == MONTH { DAY_S } else { self.length_s });
        let start_s = self.start_of(begins_s);
        if start_s < begins_s { self.next(start_s) } else { start_s }
    }

    /// Start of the candle `count` before the one that starts at `start_s`.
    pub(super) fn back(self, start_s: u64, count: u64) -> u64 {
        if self.index != MONTH {
            return start_s.saturating_sub(count.saturating_mul(self.length_s));
        }
        (0..count.min(ROWS_MAX)).fold(start_s, |start_s, _| month_start(start_s.saturating_sub(1)))
    }
}

/// Open, high, low, close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
}

impl Range {
    fn at(price: Decimal) -> Range {
        Range { open: price, high: price, low: price, close: price }
    }

    fn then(self, later: Range) -> Range {
        Range { open: self.open, high: self.high.max(later.high), low: self.low.min(later.low), close: later.close }
    }
}

fn merged(first: Option<Range>, later: Option<Range>) -> Option<Range> {
    match (first, later) {
        (Some(first), Some(later)) => Some(first.then(later)),
        (one, other) => one.or(other),
    }
}

/// A candle in which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candle {
    start_s: u64,
    trades: Option<Range>,
    mids: Option<Range>,
    base: Decimal,
    quote: Decimal,
}

impl Candle {
    fn empty(start_s: u64) -> Candle {
        Candle { start_s, trades: None, mids: None, base: Decimal::ZERO, quote: Decimal::ZERO }
    }

    /// What a past tells of a span; without trades it stands at a price, as the middle does.
    fn made_up(start_s: u64, made_up: &MadeUp) -> Candle {
        let MadeUp { open, high, low, close, base, quote, count, .. } = *made_up;
        let range = Range { open, high, low, close };
        let (trades, mids) = if count > 0 { (Some(range), None) } else { (None, Some(range)) };
        Candle { start_s, trades, mids, base, quote }
    }

    fn absorb(&mut self, later: &Candle) {
        self.trades = merged(self.trades, later.trades);
        self.mids = merged(self.mids, later.mids);
        // Display figures: past the number type they stand still rather than stop the venue.
        self.base = self.base.checked_add(later.base).unwrap_or(self.base);
        self.quote = self.quote.checked_add(later.quote).unwrap_or(self.quote);
    }

    fn range(&self) -> Option<Range> {
        self.trades.or(self.mids)
    }
}

/// Trades of the last day, for tickers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DayFigures {
    /// Highest and lowest price; zero without trades.
    pub(super) high: Decimal,
    pub(super) low: Decimal,
    pub(super) base: Decimal,
    pub(super) quote: Decimal,
}

/// Candles of one pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Candles {
    /// The running second; all other intervals are made of seconds that are over.
    second: Option<Candle>,
    series: [VecDeque<Candle>; INTERVALS.len()],
    past: Option<Box<Past>>,
}

impl Candles {
    /// What came before the first thing that happened.
    pub(super) fn remember(&mut self, past: Past) {
        self.past = Some(Box::new(past));
    }

    /// The past, as long as it leads to the first candle that is kept of an interval.
    fn past_of(&self, interval: Interval) -> Option<&Past> {
        self.past.as_deref().filter(|_| self.series[interval.index].len() < KEPT_MAX)
    }

    /// What the past tells of the window of this length that the venue began in: its start, and what happened in it before.
    pub(super) fn begun(&self, length_s: u64) -> Option<(u64, MadeUp)> {
        let past = self.past.as_deref()?;
        let start_s = past.ends_s() - past.ends_s() % length_s.max(1);
        Some((start_s, past.over(start_s, past.ends_s()))).filter(|(_, made_up)| made_up.count > 0)
    }

    /// Adds a trade.
    pub(super) fn on_trade(&mut self, t_ns: u64, price: Decimal, amount: Decimal) {
        let second = self.second_at(t_ns);
        second.trades = merged(second.trades, Some(Range::at(price)));
        second.base = second.base.checked_add(amount).unwrap_or(second.base);
        let value = price.checked_mul(amount).unwrap_or_default();
        second.quote = second.quote.checked_add(value).unwrap_or(second.quote);
    }

    /// The middle of the book moved.
    pub(super) fn on_mid(&mut self, t_ns: u64, mid: Decimal) {
        let second = self.second_at(t_ns);
        second.mids = merged(second.mids, Some(Range::at(mid)));
    }

    fn second_at(&mut self, t_ns: u64) -> &mut Candle {
        let now_s = t_ns / 1_000_000_000;
        if let Some(over) = self.second.filter(|second| second.start_s < now_s) {
            for (index, series) in self.series.iter_mut().enumerate() {
                add(series, Interval::at(index), &over);
            }
            self.second = None;
        }
        self.second.get_or_insert_with(|| Candle::empty(now_s))
    }

    /// The candles of an interval that hold something, the running one included, oldest first; of the past those from the one that
    /// holds `from_s` on.
    fn all(&self, interval: Interval, from_s: u64) -> VecDeque<Candle> {
        let mut series = self.series[interval.index].clone();
        if let Some(second) = &self.second {
            add(&mut series, interval, second);
        }
        let Some(past) = self.past_of(interval) else { return series };
        // One is made at least: it tells where the price stands until something happens.
        let last_s = interval.start_of(past.ends_s().saturating_sub(1));
        let mut start_s = interval.begins(past).max(interval.start_of(from_s).min(last_s));
        let mut all = VecDeque::new();
        while start_s < past.ends_s() {
            let next_s = interval.next(start_s);
            all.push_back(Candle::made_up(start_s, &past.over(start_s, next_s)));
            start_s = next_s;
        }
        // The candle that the venue began in has two parts.
        if let (Some(last), Some(first)) = (all.back_mut(), series.front())
            && last.start_s == first.start_s
        {
            last.absorb(first);
            series.pop_front();
        }
        all.append(&mut series);
        all
    }

    /// Rows for the candles that start within `from_s..=to_s`, oldest first: `[start, quote volume, close, high, low, open,
    /// base volume, closed]`. None before the first thing that happened, or before the past begins, none after `now_s`.
    pub(super) fn rows(&self, interval: Interval, from_s: u64, to_s: u64, now_s: u64) -> Vec<[String; 8]> {
        let mut happened = self.all(interval, from_s).into_iter().peekable();
        let to_s = to_s.min(now_s);
        let mut rows = Vec::new();
        let mut close: Option<Decimal> = None;
        // Candles before the range only tell where it begins.
        while let Some(candle) = happened.next_if(|candle| candle.start_s < from_s) {
            close = candle.range().map(|range| range.close).or(close);
        }
        let aligned_s = interval.start_of(from_s);
        let first = match (close, happened.peek()) {
            (Some(_), _) if aligned_s < from_s => interval.next(aligned_s),
            (Some(_), _) => aligned_s,
            (None, Some(candle)) => candle.start_s,
            (None, None) => return rows,
        };
        let mut start_s = first;
        while start_s <= to_s && rows.len() < usize::try_from(ROWS_MAX).unwrap_or(usize::MAX) {
            let candle = happened.next_if(|candle| candle.start_s == start_s);
            let range = candle.and_then(|candle| candle.range()).or(close.map(Range::at));
            let next_s = interval.next(start_s);
            if let Some(range) = range {
                close = Some(range.close);
                let (base, quote) = candle.map_or((Decimal::ZERO, Decimal::ZERO), |candle| (candle.base, candle.quote));
                rows.push([
                    start_s.to_string(),
                    text(quote),
                    text(range.close),
                    text(range.high),
                    text(range.low),
                    text(range.open),
                    text(base),
                    (next_s <= now_s).to_string(),
                ]);
            }
            start_s = next_s;
        }
        rows
    }

    /// What was traded in the 24 hours before `now_s`, by whole minutes.
    pub(super) fn day(&self, now_s: u64) -> DayFigures {
        let since_s = now_s.saturating_sub(DAY_S);
        let mut day = DayFigures::default();
        let mut range: Option<Range> = None;
        let minute_s = since_s - since_s % MINUTE_S + MINUTE_S;
        if let Some(past) = self.past_of(Interval::at(MINUTE)).filter(|past| minute_s < past.ends_s()) {
            let made_up = Candle::made_up(minute_s, &past.over(minute_s, past.ends_s()));
            (range, day.base, day.quote) = (made_up.trades, made_up.base, made_up.quote);
        }
        let minutes = self.series[MINUTE].iter().chain(self.second.as_ref());
        for candle in minutes.filter(|candle| candle.start_s > since_s) {
            range = merged(range, candle.trades);
            day.base = day.base.checked_add(candle.base).unwrap_or(day.base);
            day.quote = day.quote.checked_add(candle.quote).unwrap_or(day.quote);
        }
        if let Some(range) = range {
            (day.high, day.low) = (range.high, range.low);
        }
        day
    }

    /// The last price traded before `t_s`, or the first one after it; `None` without trades and without a past.
    pub(super) fn price_at(&self, t_s: u64) -> Option<Decimal> {
        let minutes = || self.series[MINUTE].iter().chain(self.second.as_ref());
        let before = minutes().filter(|candle| candle.start_s < t_s).filter_map(|candle| candle.trades).next_back();
        let after = || minutes().filter(|candle| candle.start_s >= t_s).find_map(|candle| candle.trades);
        let past = || self.past_of(Interval::at(MINUTE)).map(|past| past.close_before(t_s));
        before.map(|range| range.close).or_else(past).or_else(|| after().map(|range| range.open))
    }
}

/// Adds a second that is over to a series.
fn add(series: &mut VecDeque<Candle>, interval: Interval, second: &Candle) {
    let start_s = interval.start_of(second.start_s);
    match series.back_mut() {
        Some(last) if last.start_s == start_s => last.absorb(second),
        _ => {
            series.push_back(Candle { start_s, ..*second });
            if series.len() > KEPT_MAX {
                series.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn brief(rows: &[[String; 8]]) -> Vec<String> {
        rows.iter().map(|row| row.join(" ")).collect()
    }

    #[test]
    fn trades_outweigh_mids_and_gaps_stand_at_the_close() {
        let mut candles = Candles::default();
        candles.on_mid(100 * S, dec("10"));
        candles.on_mid(101 * S, dec("11"));
        candles.on_trade(101 * S + 1, dec("12"), dec("2"));
        candles.on_trade(101 * S + 2, dec("9"), dec("1"));
        candles.on_mid(104 * S, dec("8"));
        let one = Interval::named("1s").expect("an interval");
        assert_eq!(
            brief(&candles.rows(one, 0, 200, 104)),
            [
                "100 0 10 10 10 10 0 true",
                "101 33 9 12 9 12 3 true",
                "102 0 9 9 9 9 0 true",
                "103 0 9 9 9 9 0 true",
                "104 0 8 8 8 8 0 false",
            ]
        );
        assert_eq!(brief(&candles.rows(one, 102, 103, 104)), ["102 0 9 9 9 9 0 true", "103 0 9 9 9 9 0 true"]);
        let ten = Interval::named("10s").expect("an interval");
        assert_eq!(brief(&candles.rows(ten, 0, 200, 104)), ["100 33 9 12 9 12 3 false"]);
        assert_eq!(brief(&candles.rows(ten, 101, 200, 115)), ["110 0 9 9 9 9 0 false"]);
        assert_eq!(Interval::named("3m"), None);
    }

    #[test]
    fn a_month_is_a_calendar_month() {
        let month = Interval::named("30d").expect("an interval");
        // 2024-02-29 12:00 UTC; the month began on the first.
        assert_eq!(month.start_of(1_709_208_000), 1_706_745_600);
        assert_eq!(month.next(1_706_745_600), 1_709_251_200);
        assert_eq!(month.back(1_709_251_200, 2), 1_704_067_200);
        assert_eq!(month.start_of(0), 0);
    }

    #[test]
    fn the_day_forgets_what_is_older_and_history_is_bounded() {
        let mut candles = Candles::default();
        candles.on_trade(0, dec("5"), dec("1"));
        candles.on_trade(60 * S, dec("7"), dec("1"));
        candles.on_trade((DAY_S + 30) * S, dec("6"), dec("2"));
        let day = candles.day(DAY_S + 30);
        assert_eq!((day.high, day.low, day.base, day.quote), (dec("7"), dec("6"), dec("3"), dec("19")));
        assert_eq!(candles.price_at(30), Some(dec("5")));
        for second in 0..5_000 {
            candles.on_trade((2 * DAY_S + second) * S, dec("6"), dec("1"));
        }
        assert_eq!(candles.series[0].len(), KEPT_MAX);
    }
}
