//! What public answers need beyond the exchange's own state: candles, the figures of a day, and books as they stood a while ago.
//!
//! Start at [`Statistics::on_trade`] and [`Statistics::on_book`]. Candles are kept by the minute, since every interval of Bybit's
//! is whole minutes; [`Statistics::candles`] joins them. A minute without trades stands at the close before it. Before the first
//! minute there may be a made-up past ([`Statistics::remember`]), which is forgotten with the first minute.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::{
    core::{Book, Exchange, Level, PairId, PublicTrade, Side},
    market::{MadeUp, Past},
    shared::{bars::MINUTES_WITH_PAST_MAX, time::month_start},
};

/// Minutes kept per pair: a week of them.
const MINUTES_MAX: usize = 7 * 1_440;
const MINUTE_S: u64 = 60;
const DAY_S: u64 = 86_400;
/// The epoch was a Thursday; weeks begin on Monday.
const MONDAY_S: u64 = 4 * DAY_S;
/// A copy of a book is taken when the newest is this old, so that an old answer is one to two of them behind.
const COPY_INTERVAL_NS: u64 = 1_000_000_000;
/// Levels of a copied book: as many as a request may ask for.
pub(super) const COPY_LEVELS: usize = 1_000;

/// An interval of candles (Bybit API v5, enums, `interval`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Interval {
    /// So many minutes.
    Minutes(u16),
    Week,
    Month,
}

impl Interval {
    /// The interval of this name.
    pub(super) fn named(name: &str) -> Option<Interval> {
        match name {
            "D" => Some(Interval::Minutes(1_440)),
            "W" => Some(Interval::Week),
            "M" => Some(Interval::Month),
            _ => {
                let minutes = name.parse().ok()?;
                [1, 3, 5, 15, 30, 60, 120, 240, 360, 720].contains(&minutes).then_some(Interval::Minutes(minutes))
            }
        }
    }

    /// Its name.
    pub(super) fn name(self) -> String {
        match self {
            Interval::Minutes(1_440) => "D".to_owned(),
            Interval::Minutes(minutes) => minutes.to_string(),
            Interval::Week => "W".to_owned(),
            Interval::Month => "M".to_owned(),
        }
    }

    /// Start of the candle that holds `t_s`, Unix seconds.
    pub(super) fn start_of(self, t_s: u64) -> u64 {
        match self {
            Interval::Minutes(minutes) => t_s - t_s % (u64::from(minutes) * MINUTE_S),
            Interval::Week => t_s.saturating_sub((t_s + 7 * DAY_S - MONDAY_S) % (7 * DAY_S)),
            Interval::Month => month_start(t_s),
        }
    }

    /// Start of the candle after the one that starts at `start_s`.
    pub(super) fn next(self, start_s: u64) -> u64 {
        match self {
            Interval::Minutes(minutes) => start_s + u64::from(minutes) * MINUTE_S,
            Interval::Week => start_s + 7 * DAY_S,
            // The 32nd day from a month's start is always in the next month.
            Interval::Month => month_start(start_s + 32 * DAY_S),
        }
    }

    /// Start of its first candle in a past.
    fn begins(self, past: &Past) -> u64 {
        let begins_s = past.begins_s(match self {
            Interval::Minutes(minutes) => u64::from(minutes) * MINUTE_S,
            Interval::Week | Interval::Month => DAY_S,
        });
        let start_s = self.start_of(begins_s);
        if start_s < begins_s { self.next(start_s) } else { start_s }
    }

    /// Start of the candle so many before the one that holds `t_s`; 0 for those that have no length, which are few.
    fn back(self, t_s: u64, count: usize) -> u64 {
        let length_s = match self {
            Interval::Minutes(minutes) => u64::from(minutes) * MINUTE_S,
            Interval::Week | Interval::Month => return 0,
        };
        let span_s = length_s.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
        self.start_of(t_s).saturating_sub(span_s)
    }
}

/// A candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candle {
    /// Start, Unix seconds.
    pub(super) start_s: u64,
    pub(super) open: Decimal,
    pub(super) high: Decimal,
    pub(super) low: Decimal,
    pub(super) close: Decimal,
    /// Base traded.
    pub(super) volume: Decimal,
    /// Quote traded.
    pub(super) turnover: Decimal,
}

impl Candle {
    fn flat(start_s: u64, price: Decimal) -> Candle {
        let none = Decimal::ZERO;
        Candle { start_s, open: price, high: price, low: price, close: price, volume: none, turnover: none }
    }

    /// What a past tells of a span.
    fn made_up(start_s: u64, made_up: &MadeUp) -> Candle {
        let MadeUp { open, high, low, close, base, quote, .. } = *made_up;
        Candle { start_s, open, high, low, close, volume: base, turnover: quote }
    }

    /// Joins what happened later. Display figures: past the number type they stand still rather than stop the venue.
    fn absorb(&mut self, later: &Candle) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume = self.volume.checked_add(later.volume).unwrap_or(self.volume);
        self.turnover = self.turnover.checked_add(later.turnover).unwrap_or(self.turnover);
    }
}

/// A book at one moment.
#[derive(Clone, Debug)]
pub(super) struct BookCopy {
    t_ns: u64,
    /// When the book last changed, Unix nanoseconds.
    pub(super) changed_ns: u64,
    /// Id of its last change.
    pub(super) id: u64,
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
}

impl BookCopy {
    /// The book as it stands.
    pub(super) fn of(book: &Book, t_ns: u64, levels: usize) -> BookCopy {
        let (bids, asks) = (book.top(Side::Buy, levels), book.top(Side::Sell, levels));
        BookCopy { t_ns, changed_ns: book.update_t_ns(), id: book.update_id(), bids, asks }
    }
}

/// The last day of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// Price of the last trade; zero before the first.
    pub(super) last: Decimal,
    /// Price a day ago, or of the first trade since.
    pub(super) previous: Decimal,
    pub(super) high: Decimal,
    pub(super) low: Decimal,
    pub(super) volume: Decimal,
    pub(super) turnover: Decimal,
}

#[derive(Clone, Debug, Default)]
struct PairStatistics {
    /// Minutes with trades, oldest first.
    minutes: VecDeque<Candle>,
    newest: Option<BookCopy>,
    older: Option<BookCopy>,
    /// The book as it stood when trading was halted.
    frozen: Option<BookCopy>,
    past: Option<Box<Past>>,
}

impl PairStatistics {
    fn minutes_max(&self) -> usize {
        if self.past.is_some() { MINUTES_WITH_PAST_MAX } else { MINUTES_MAX }
    }

    /// The past, as long as it leads to the first minute that is kept.
    fn past(&self) -> Option<&Past> {
        self.past.as_deref().filter(|_| self.minutes.len() < self.minutes_max())
    }
}

/// Of every pair.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pairs: Vec<PairStatistics>,
}

impl Statistics {
    pub(super) fn new(pairs: usize) -> Statistics {
        Statistics { pairs: vec![PairStatistics::default(); pairs] }
    }

    /// What came before the first trade of a pair.
    pub(super) fn remember(&mut self, pair: PairId, past: Past) {
        if let Some(pair) = self.pairs.get_mut(pair.index()) {
            pair.past = Some(Box::new(past));
        }
    }

    /// Adds a trade.
    pub(super) fn on_trade(&mut self, trade: &PublicTrade) {
        let Some(pair) = self.pairs.get_mut(trade.pair.index()) else { return };
        let t_s = trade.t_ns / 1_000_000_000;
        let value = trade.price.checked_mul(trade.amount).unwrap_or_default();
        let start_s = t_s - t_s % MINUTE_S;
        let one = Candle { volume: trade.amount, turnover: value, ..Candle::flat(start_s, trade.price) };
        match pair.minutes.back_mut() {
            Some(minute) if minute.start_s == start_s => minute.absorb(&one),
            _ => pair.minutes.push_back(one),
        }
        if pair.minutes.len() > pair.minutes_max() {
            pair.minutes.pop_front();
        }
    }

    /// Takes a copy of the book if the newest is old enough.
    pub(super) fn on_book(&mut self, pair: PairId, t_ns: u64, exchange: &Exchange) {
        let Some(statistics) = self.pairs.get_mut(pair.index()) else { return };
        if statistics.newest.as_ref().is_none_or(|copy| t_ns.saturating_sub(copy.t_ns) >= COPY_INTERVAL_NS) {
            let copy = BookCopy::of(exchange.book(pair), t_ns, COPY_LEVELS);
            statistics.older = statistics.newest.replace(copy);
        }
    }

    /// Shows the book of a pair as it stands now from here on, or as it is again.
    pub(super) fn freeze(&mut self, pair: PairId, at: Option<(&Exchange, u64)>) {
        if let Some(statistics) = self.pairs.get_mut(pair.index()) {
            statistics.frozen = at.map(|(exchange, t_ns)| BookCopy::of(exchange.book(pair), t_ns, COPY_LEVELS));
        }
    }

    /// The book as it stood at the halt.
    pub(super) fn frozen(&self, pair: PairId) -> Option<&BookCopy> {
        self.pairs.get(pair.index())?.frozen.as_ref()
    }

    /// A copy one to two seconds old, if there is one.
    pub(super) fn old_copy(&self, pair: PairId) -> Option<&BookCopy> {
        let statistics = self.pairs.get(pair.index())?;
        statistics.older.as_ref().or(statistics.newest.as_ref())
    }

    /// The last day before `t_s`.
    pub(super) fn day(&self, pair: PairId, t_s: u64) -> Day {
        let Some(statistics) = self.pairs.get(pair.index()) else { return Day::default() };
        let (minutes, past) = (&statistics.minutes, statistics.past());
        let from_s = t_s.saturating_sub(DAY_S);
        let before = minutes.iter().rev().find(|minute| minute.start_s < from_s).map(|minute| minute.close);
        let before = before.or_else(|| past.map(|past| past.close_before(from_s)));
        let made_up = past.filter(|past| from_s < past.ends_s()).map(|past| {
            let minute_s = from_s.next_multiple_of(MINUTE_S);
            Candle::made_up(minute_s, &past.over(minute_s, past.ends_s()))
        });
        let made_up = made_up.filter(|candle| !candle.volume.is_zero());
        let mut within = made_up.iter().chain(minutes.iter().filter(|minute| minute.start_s >= from_s));
        let last = minutes.back().map(|minute| minute.close).or_else(|| past.map(Past::close)).unwrap_or_default();
        let Some(mut whole) = within.next().copied() else {
            return Day { last, previous: before.unwrap_or(last), high: last, low: last, ..Day::default() };
        };
        let first = whole.open;
        within.for_each(|minute| whole.absorb(minute));
        let Candle { high, low, volume, turnover, .. } = whole;
        Day { last, previous: before.unwrap_or(first), high, low, volume, turnover }
    }

    /// Candles of an interval that start in `from_s..=to_s`, oldest first, at most the newest `most`. Nothing before the first
    /// trade, or before the past begins, and nothing that starts after `now_s`.
    pub(super) fn candles(
        &self,
        pair: PairId,
        interval: Interval,
        (from_s, to_s): (u64, u64),
        now_s: u64,
        most: usize,
    ) -> Vec<Candle> {
        let Some(statistics) = self.pairs.get(pair.index()) else { return Vec::new() };
        let mut candles: VecDeque<Candle> = VecDeque::new();
        let mut keep = |candle: Candle| {
            if candle.start_s >= from_s && candle.start_s <= to_s.min(now_s) {
                candles.push_back(candle);
                if candles.len() > most {
                    candles.pop_front();
                }
            }
        };
        let mut current: Option<Candle> = None;
        if let Some(past) = statistics.past() {
            // No more candles are made than can be wanted.
            let wanted_s = from_s.max(interval.back(to_s.min(now_s), most));
            // One is made at least: it tells where the price stands until the first trade.
            let last_s = interval.start_of(past.ends_s().saturating_sub(1));
            let mut start_s = interval.begins(past).max(interval.start_of(wanted_s).min(last_s));
            while start_s < past.ends_s() {
                let next_s = interval.next(start_s);
                let made_up = Candle::made_up(start_s, &past.over(start_s, next_s));
                if let Some(last) = current.replace(made_up) {
                    keep(last);
                }
                start_s = next_s;
            }
        }
        for minute in &statistics.minutes {
            let start_s = interval.start_of(minute.start_s);
            match &mut current {
                // The candle that the venue began in has two parts, the first of which may be empty.
                Some(current) if start_s == current.start_s && !current.volume.is_zero() => current.absorb(minute),
                Some(current) if start_s == current.start_s => *current = Candle { start_s, ..*minute },
                _ => {
                    if let Some(last) = current.replace(Candle { start_s, ..*minute }) {
                        keep(last);
                        fill(interval, last, start_s, &mut keep);
                    }
                }
            }
        }
        let Some(current) = current else { return Vec::new() };
        keep(current);
        let now_start_s = interval.start_of(now_s);
        if current.start_s < now_start_s {
            let flat = fill(interval, current, now_start_s, &mut keep);
            keep(Candle::flat(now_start_s, flat.close));
        }
        candles.into()
    }
}

/// The quiet candles between `last` and the one that starts at `to_s`; the last one before it.
fn fill(interval: Interval, last: Candle, to_s: u64, keep: &mut impl FnMut(Candle)) -> Candle {
    let mut last = last;
    loop {
        let next_s = interval.next(last.start_s);
        if next_s >= to_s {
            return last;
        }
        last = Candle::flat(next_s, last.close);
        keep(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::TradeId;

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

    fn brief(candles: &[Candle]) -> Vec<[u64; 6]> {
        let number = |value: Decimal| u64::try_from(value).expect("small and whole");
        let row = |c: &Candle| [c.start_s, number(c.open), number(c.high), number(c.low), number(c.close), number(c.volume)];
        candles.iter().map(row).collect()
    }

    #[test]
    fn minutes_join_into_intervals_and_quiet_ones_stand_at_the_close() {
        let mut statistics = Statistics::new(1);
        for one in [trade(61, 10, 1), trade(62, 12, 2), trade(119, 9, 1), trade(300, 11, 4)] {
            statistics.on_trade(&one);
        }
        let pair = PairId(0);
        let minutes = statistics.candles(pair, Interval::Minutes(1), (0, u64::MAX), 425, 100);
        assert_eq!(
            brief(&minutes),
            [
                [60, 10, 12, 9, 9, 4],
                [120, 9, 9, 9, 9, 0],
                [180, 9, 9, 9, 9, 0],
                [240, 9, 9, 9, 9, 0],
                [300, 11, 11, 11, 11, 4],
                [360, 11, 11, 11, 11, 0],
                [420, 11, 11, 11, 11, 0]
            ]
        );
        let five = statistics.candles(pair, Interval::Minutes(5), (0, u64::MAX), 425, 100);
        assert_eq!(brief(&five), [[0, 10, 12, 9, 9, 4], [300, 11, 11, 11, 11, 4]]);
        assert_eq!(statistics.candles(pair, Interval::Minutes(1), (0, u64::MAX), 425, 2).len(), 2, "the newest");
        assert_eq!(brief(&statistics.candles(pair, Interval::Minutes(1), (60, 120), 425, 9)).len(), 2);
        assert!(Statistics::new(1).candles(pair, Interval::Week, (0, u64::MAX), 425, 9).is_empty());
        assert!(statistics.candles(PairId(7), Interval::Week, (0, u64::MAX), 425, 9).is_empty());
        let day = statistics.day(pair, 425);
        assert_eq!(
            [day.last, day.previous, day.high, day.low, day.volume, day.turnover],
            [11, 10, 12, 9, 8, 87].map(Decimal::from)
        );
        let later = statistics.day(pair, 425 + 2 * DAY_S);
        assert_eq!([later.last, later.previous, later.volume], [11, 11, 0].map(Decimal::from));
    }

    #[test]
    fn intervals_begin_where_the_calendar_says() {
        // 2024-02-29 12:34:56 UTC, a Thursday.
        let t_s = 1_709_210_096;
        let start = |name: &str| Interval::named(name).expect("an interval").start_of(t_s);
        assert_eq!([start("1"), start("720"), start("D")], [1_709_210_040, 1_709_208_000, 1_709_164_800]);
        assert_eq!([start("W"), start("M")], [1_708_905_600, 1_706_745_600]);
        assert_eq!(Interval::Month.next(start("M")), 1_709_251_200);
        assert_eq!(Interval::Week.next(start("W")), start("W") + 604_800);
        for name in ["1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"] {
            assert_eq!(Interval::named(name).map(Interval::name).as_deref(), Some(name));
        }
        for name in ["", "2", "1440", "d", "1m"] {
            assert_eq!(Interval::named(name), None, "{name}");
        }
    }
}
