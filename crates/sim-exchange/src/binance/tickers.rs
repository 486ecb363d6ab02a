//! Tickers: the figures of 24 hours, of the trading day and of any window, last and best prices (Binance spot API, market data
//! endpoints and WebSocket streams).
//!
//! Start at [`per_symbol`], [`rolling`] and [`trading_day`]; [`day_event`] and [`window_event`] say the same in one letter per
//! word. A window that is asked for opens at a whole minute, so it is up to a minute wider. Minutes are kept as far back as candles
//! of minutes are: what is older is in no window.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Call,
    error::ApiError,
    market::Market,
    params::Params,
    rows::{Stamp, fixed},
    streams::StreamContext,
};
use crate::{
    core::{Exchange, Level, PairId, Side, exact},
    shared::bars::Bar,
};

const MS: u64 = 1_000_000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Windows that streams tell of, by name.
const STREAM_WINDOWS: [(&str, u64); 3] = [("1h", HOUR_MS), ("4h", 4 * HOUR_MS), ("1d", DAY_MS)];
/// How far a time zone may be behind UTC and ahead of it, in minutes.
const ZONES: (i64, i64) = (-12 * 60, 14 * 60);

/// Which symbols were asked for.
enum Asked {
    /// With `symbol`: the answer is an object.
    One(PairId),
    /// With `symbols`, or all there are: the answer is a list.
    Many(Vec<PairId>),
}

impl Asked {
    fn of(params: &Params, call: &Call<'_>) -> Result<Option<Asked>, ApiError> {
        match (params.get("symbol")?, params.list("symbols")?) {
            (Some(_), Some(_)) => Err(ApiError::new(-1128, "Combination of optional parameters invalid.")),
            (Some(name), None) => call.pair(name).map(|pair| Some(Asked::One(pair))),
            (None, Some(names)) => {
                let pairs = names.iter().map(|name| call.pair(name)).collect::<Result<Vec<PairId>, ApiError>>()?;
                Ok(Some(Asked::Many(pairs)))
            }
            (None, None) => Ok(None),
        }
    }

    /// The same where one of both must be sent.
    fn required(params: &Params, call: &Call<'_>) -> Result<Asked, ApiError> {
        let missing = || ApiError::new(-1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!");
        Asked::of(params, call)?.ok_or_else(missing)
    }

    fn rows(self, row: impl Fn(PairId) -> Value) -> Value {
        match self {
            Asked::One(pair) => row(pair),
            Asked::Many(pairs) => pairs.into_iter().map(row).collect(),
        }
    }
}

/// `type`: whether the answer is the short one.
fn is_mini(params: &Params) -> Result<bool, ApiError> {
    match params.get("type")? {
        None | Some("FULL") => Ok(false),
        Some("MINI") => Ok(true),
        Some(_) => Err(ApiError::new(-1139, "Invalid ticker type.")),
    }
}

/// A row for each symbol that was asked for, or for all.
pub(super) fn per_symbol(
    params: &Params,
    call: &Call<'_>,
    row: impl Fn(PairId, &Call<'_>, bool) -> Value,
) -> Result<Value, ApiError> {
    let asked = Asked::of(params, call)?;
    let is_mini = is_mini(params)?;
    params.get("symbolStatus")?;
    params.finish()?;
    let all = || Asked::Many(call.state.symbols.pairs().map(|(pair, _)| pair).collect());
    Ok(asked.unwrap_or_else(all).rows(|pair| row(pair, call, is_mini)))
}

/// `ticker`: the figures of the window that is asked for.
pub(super) fn rolling(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let asked = Asked::required(params, call)?;
    let length_ms = match params.get("windowSize")? {
        None => DAY_MS,
        Some(text) => window_ms(text).ok_or_else(|| ApiError::invalid("windowSize"))?,
    };
    let is_mini = is_mini(params)?;
    params.get("symbolStatus")?;
    params.finish()?;
    let opens_ms = opens_ms(call.t_ns, length_ms);
    Ok(asked.rows(|pair| window_row(pair, call, opens_ms, call.stamp.of(call.t_ns), is_mini)))
}

/// `ticker/tradingDay`, `ticker.tradingDay`: the figures since midnight, until the end of that day.
pub(super) fn trading_day(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let asked = Asked::required(params, call)?;
    let zone_ms = match params.get("timeZone")? {
        None => 0,
        Some(text) => zone_ms(text).ok_or_else(|| ApiError::invalid("timeZone"))?,
    };
    let is_mini = is_mini(params)?;
    params.get("symbolStatus")?;
    params.finish()?;
    let local_ms = (call.t_ns / MS).saturating_add_signed(zone_ms);
    let opens_ms = (local_ms - local_ms % DAY_MS).saturating_add_signed(-zone_ms);
    let closes = call.stamp.of((opens_ms + DAY_MS) * MS) - 1;
    Ok(asked.rows(|pair| window_row(pair, call, opens_ms, closes, is_mini)))
}

/// `windowSize`: 1m to 59m, 1h to 23h, 1d to 7d.
fn window_ms(text: &str) -> Option<u64> {
    let (unit, unit_ms, most) =
        [('m', MINUTE_MS, 59), ('h', HOUR_MS, 23), ('d', DAY_MS, 7)].into_iter().find(|(unit, ..)| text.ends_with(*unit))?;
    let count = text.strip_suffix(unit).filter(|count| !count.starts_with('0'))?;
    digits(count, most).map(|count| count * unit_ms)
}

/// `timeZone` as milliseconds ahead of UTC: `-1:00`, `05:45`, `8`.
fn zone_ms(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (hours, minutes) = text.split_once(':').unwrap_or((text, "0"));
    let minutes = sign * i64::try_from(digits(hours, 14)? * 60 + digits(minutes, 59)?).ok()?;
    (ZONES.0..=ZONES.1).contains(&minutes).then_some(minutes * 60_000)
}

/// A number of one or two digits, up to `most`.
fn digits(text: &str, most: u64) -> Option<u64> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_short && *number <= most)
}

/// When a window of this length opens that closes at `t_ns`.
fn opens_ms(t_ns: u64, length_ms: u64) -> u64 {
    let since_ms = (t_ns / MS).saturating_sub(length_ms);
    since_ms - since_ms % MINUTE_MS
}

/// What was traded in a window, and what follows from it.
struct Figures {
    bar: Bar,
    change: Decimal,
    percent: String,
    average: Decimal,
}

impl Figures {
    fn of(bar: Bar) -> Figures {
        let change = bar.close.checked_sub(bar.open).unwrap_or_default();
        let percent =
            change.checked_mul(Decimal::ONE_HUNDRED).and_then(|change| change.checked_div(bar.open)).unwrap_or_default();
        let mut percent = percent.round_dp(3);
        percent.rescale(3);
        let average = exact::divide_rounded_down(bar.quote, bar.base, 8).unwrap_or(bar.close);
        Figures { bar, change, percent: percent.to_string(), average }
    }

    /// Of the last 24 hours.
    fn of_day(pair: PairId, market: &Market, exchange: &Exchange, t_ns: u64) -> Figures {
        Figures::of(market.since(pair, exchange, (t_ns / MS).saturating_sub(DAY_MS)))
    }

    /// Of the whole minutes from `opens_ms` on.
    fn of_window(pair: PairId, market: &Market, exchange: &Exchange, opens_ms: u64) -> Figures {
        Figures::of(market.since(pair, exchange, opens_ms.saturating_sub(1)))
    }

    /// Number of the first trade; −1 without one, as numbers begin at 1.
    fn first(&self) -> Value {
        if self.bar.first == 0 { json!(-1) } else { json!(self.bar.first) }
    }

    /// Number of the last trade; −1 without one.
    fn last(&self) -> Value {
        if self.bar.last == 0 { json!(-1) } else { json!(self.bar.last) }
    }

    /// What all tickers of a window have; `times` are its beginning and its end.
    fn row(&self, name: &str, times: (u64, u64), is_mini: bool) -> Value {
        let bar = &self.bar;
        let mut row = json!({
            "symbol": name,
            "openPrice": fixed(bar.open),
            "highPrice": fixed(bar.high),
            "lowPrice": fixed(bar.low),
            "lastPrice": fixed(bar.close),
            "volume": fixed(bar.base),
            "quoteVolume": fixed(bar.quote),
            "openTime": times.0,
            "closeTime": times.1,
            "firstId": self.first(),
            "lastId": self.last(),
            "count": bar.count,
        });
        if !is_mini {
            row["priceChange"] = json!(fixed(self.change));
            row["priceChangePercent"] = json!(self.percent);
            row["weightedAvgPrice"] = json!(fixed(self.average));
        }
        row
    }

    /// The same in one letter per word; `opens_ns` is the window's beginning.
    fn event(&self, kind: &str, name: &str, opens_ns: u64, t_ns: u64, stamp: Stamp) -> Value {
        let bar = &self.bar;
        json!({
            "e": kind, "E": stamp.of(t_ns), "s": name, "p": fixed(self.change), "P": self.percent, "w": fixed(self.average),
            "o": fixed(bar.open), "h": fixed(bar.high), "l": fixed(bar.low), "c": fixed(bar.close), "v": fixed(bar.base),
            "q": fixed(bar.quote), "O": stamp.of(opens_ns), "C": stamp.of(t_ns), "F": self.first(), "L": self.last(), "n": bar.count,
        })
    }
}

fn window_row(pair: PairId, call: &Call<'_>, opens_ms: u64, closes: u64, is_mini: bool) -> Value {
    let figures = Figures::of_window(pair, &call.state.market, call.exchange, opens_ms);
    figures.row(call.state.symbols.name(pair), (call.stamp.of(opens_ms * MS), closes), is_mini)
}

/// The best levels; nothing at nothing where a side is empty.
fn best(pair: PairId, exchange: &Exchange) -> (Level, Level) {
    let none = Level { price: Decimal::ZERO, amount: Decimal::ZERO };
    let best = |side| exchange.book(pair).best(side).unwrap_or(none);
    (best(Side::Buy), best(Side::Sell))
}

fn last_qty(pair: PairId, exchange: &Exchange) -> Decimal {
    exchange.public_trades(pair).next_back().map_or(Decimal::ZERO, |trade| trade.amount)
}

/// `ticker/24hr`.
pub(super) fn day_row(pair: PairId, call: &Call<'_>, is_mini: bool) -> Value {
    let figures = Figures::of_day(pair, &call.state.market, call.exchange, call.t_ns);
    let times = (call.stamp.of(call.t_ns.saturating_sub(DAY_MS * MS)), call.stamp.of(call.t_ns));
    let mut row = figures.row(call.state.symbols.name(pair), times, is_mini);
    if !is_mini {
        let (bid, ask) = best(pair, call.exchange);
        row["prevClosePrice"] = json!(fixed(figures.bar.open));
        row["lastQty"] = json!(fixed(last_qty(pair, call.exchange)));
        row["bidPrice"] = json!(fixed(bid.price));
        row["bidQty"] = json!(fixed(bid.amount));
        row["askPrice"] = json!(fixed(ask.price));
        row["askQty"] = json!(fixed(ask.amount));
    }
    row
}

/// `ticker/price`.
pub(super) fn price_row(pair: PairId, call: &Call<'_>, _is_mini: bool) -> Value {
    let figures = Figures::of_day(pair, &call.state.market, call.exchange, call.t_ns);
    json!({"symbol": call.state.symbols.name(pair), "price": fixed(figures.bar.close)})
}

/// `ticker/bookTicker`.
pub(super) fn book_row(pair: PairId, call: &Call<'_>, _is_mini: bool) -> Value {
    let (bid, ask) = best(pair, call.exchange);
    json!({
        "symbol": call.state.symbols.name(pair),
        "bidPrice": fixed(bid.price),
        "bidQty": fixed(bid.amount),
        "askPrice": fixed(ask.price),
        "askQty": fixed(ask.amount),
    })
}

/// What a stream says about 24 hours.
pub(super) fn day_event(pair: PairId, is_mini: bool, context: &StreamContext<'_>, stamp: Stamp) -> Value {
    let figures = Figures::of_day(pair, context.market, context.exchange, context.t_ns);
    let name = context.symbols.name(pair);
    if is_mini {
        let bar = &figures.bar;
        return json!({
            "e": "24hrMiniTicker", "E": stamp.of(context.t_ns), "s": name, "c": fixed(bar.close), "o": fixed(bar.open),
            "h": fixed(bar.high), "l": fixed(bar.low), "v": fixed(bar.base), "q": fixed(bar.quote),
        });
    }
    let opens_ns = context.t_ns.saturating_sub(DAY_MS * MS);
    let mut event = figures.event("24hrTicker", name, opens_ns, context.t_ns, stamp);
    let (bid, ask) = best(pair, context.exchange);
    event["x"] = json!(fixed(figures.bar.open));
    event["Q"] = json!(fixed(last_qty(pair, context.exchange)));
    event["b"] = json!(fixed(bid.price));
    event["B"] = json!(fixed(bid.amount));
    event["a"] = json!(fixed(ask.price));
    event["A"] = json!(fixed(ask.amount));
    event
}

/// The position of a window among those that streams tell of.
pub(super) fn stream_window(name: &str) -> Option<usize> {
    STREAM_WINDOWS.iter().position(|(known, _)| *known == name)
}

/// The position of every window that streams tell of.
pub(super) fn stream_windows() -> std::ops::Range<usize> {
    0..STREAM_WINDOWS.len()
}

/// What a stream says about one of its windows, by position.
pub(super) fn window_event(pair: PairId, window: usize, context: &StreamContext<'_>, stamp: Stamp) -> Value {
    let (word, length_ms) = STREAM_WINDOWS.get(window).copied().unwrap_or_default();
    let opens_ms = opens_ms(context.t_ns, length_ms);
    let figures = Figures::of_window(pair, context.market, context.exchange, opens_ms);
    figures.event(&format!("{word}Ticker"), context.symbols.name(pair), opens_ms * MS, context.t_ns, stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_of_one_unit_and_bounded() {
        let rows = [("1m", MINUTE_MS), ("59m", 59 * MINUTE_MS), ("1h", HOUR_MS), ("23h", 23 * HOUR_MS), ("7d", 7 * DAY_MS)];
        for (text, length) in rows {
            assert_eq!(window_ms(text), Some(length), "{text}");
        }
        for bad in ["", "m", "0m", "60m", "24h", "8d", "1w", "01h", "-1h", "+1h", "1d2h", "1 h", "1H", "100m"] {
            assert_eq!(window_ms(bad), None, "{bad}");
        }
        // The example of the documents: 2022-08-11 02:27:45.291 and seven days.
        assert_eq!(opens_ms(1_660_184_865_291 * MS, 7 * DAY_MS), 1_659_580_020_000);
    }

    #[test]
    fn time_zones_are_hours_and_minutes() {
        let rows = [("0", 0), ("8", 480), ("05:45", 345), ("-1:00", -60), ("-12:00", -720), ("14:00", 840)];
        for (text, minutes) in rows {
            assert_eq!(zone_ms(text), Some(minutes * 60_000), "{text}");
        }
        for bad in ["", "-", "14:01", "-12:30", "15", "1:60", "UTC", "1:", "--1"] {
            assert_eq!(zone_ms(bad), None, "{bad}");
        }
    }
}
