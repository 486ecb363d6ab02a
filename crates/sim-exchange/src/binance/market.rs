//! Public answers: rules, books, trades, candles, average prices (Binance spot API, general and market data endpoints).
//!
//! Start at [`exchange_info`] and [`depth`]. [`Market`] keeps what those answers need and the exchange does not: candles, trades
//! added up by taker, and older copies of the books for faults.

use std::collections::VecDeque;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    Call,
    amend::AMENDS_MAX,
    error::ApiError,
    orders::{ORDERS_MAX, STP_DEFAULT, STP_MODES},
    params::Params,
    rows::{Stamp, fixed},
};
use crate::{
    core::{Exchange, Level, PairConfig, PairId, PublicTrade, Side, TradeStatus, exact},
    faults::{Faults, take_one},
    shared::bars::{Bar, Bars, Interval},
};

/// Aggregated trades kept per pair.
const AGGREGATES_MAX: usize = 10_000;
/// A copy of each book is taken at most this often; the faults serve the copy before the newest.
const COPY_EVERY_NS: u64 = 1_000_000_000;
/// Most levels of a side that `depth` serves.
pub(super) const LEVELS_MAX: usize = 5_000;
/// Deeper than this, a book may come from a slow cache by a fault.
const FRESH_LEVELS_MAX: usize = 100;
/// Minutes of the average price.
const AVERAGE_MS: u64 = 5 * 60_000;

/// Every interval of candles, by name.
pub(super) const INTERVALS: [(&str, Interval); 16] = {
    const fn minutes(count: u64) -> Interval {
        Interval::Fixed(count * 60_000)
    }
    [
        ("1s", Interval::Fixed(1_000)),
        ("1m", minutes(1)),
        ("3m", minutes(3)),
        ("5m", minutes(5)),
        ("15m", minutes(15)),
        ("30m", minutes(30)),
        ("1h", minutes(60)),
        ("2h", minutes(120)),
        ("4h", minutes(240)),
        ("6h", minutes(360)),
        ("8h", minutes(480)),
        ("12h", minutes(720)),
        ("1d", minutes(1_440)),
        ("3d", minutes(4_320)),
        ("1w", minutes(10_080)),
        ("1M", Interval::Month),
    ]
};

/// Trades of one taker at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aggregate {
    pub(super) id: u64,
    pub(super) t_ns: u64,
    pub(super) price: Decimal,
    pub(super) amount: Decimal,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) taker_side: Side,
}

impl Aggregate {
    fn may_absorb(&self, trade: &PublicTrade) -> bool {
        (self.t_ns, self.price, self.taker_side, self.last + 1) == (trade.t_ns, trade.price, trade.taker_side, trade.sequence_id)
    }
}

/// A book at one moment.
#[derive(Clone, Debug)]
pub(super) struct BookCopy {
    t_ns: u64,
    pub(super) id: u64,
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
}

impl BookCopy {
    pub(super) fn of(exchange: &Exchange, pair: PairId, t_ns: u64, levels: usize) -> BookCopy {
        let book = exchange.book(pair);
        BookCopy { t_ns, id: book.update_id(), bids: book.top(Side::Buy, levels), asks: book.top(Side::Sell, levels) }
    }
}

#[derive(Clone, Debug, Default)]
struct PairMarket {
    bars: Bars,
    aggregates: VecDeque<Aggregate>,
    newest: Option<BookCopy>,
    older: Option<BookCopy>,
    /// The book as it stood when trading was halted.
    frozen: Option<BookCopy>,
}

/// What public answers need beyond the exchange's own state.
#[derive(Clone, Debug, Default)]
pub(super) struct Market {
    pairs: Vec<PairMarket>,
}

impl Market {
    pub(super) fn new(pairs: usize) -> Market {
        Market { pairs: vec![PairMarket::default(); pairs] }
    }

    /// Adds a trade; returns the aggregate that it made or joined.
    pub(super) fn on_trade(&mut self, trade: &PublicTrade) -> Option<Aggregate> {
        let pair = self.pairs.get_mut(trade.pair.index())?;
        pair.bars.add(trade);
        let next_id = match pair.aggregates.back_mut() {
            Some(last) if last.may_absorb(trade) => {
                last.amount = last.amount.checked_add(trade.amount).unwrap_or(last.amount);
                last.last = trade.sequence_id;
                return Some(*last);
            }
            last => last.map_or(1, |last| last.id + 1),
        };
        let made = Aggregate {
            id: next_id,
            t_ns: trade.t_ns,
            price: trade.price,
            amount: trade.amount,
            first: trade.sequence_id,
            last: trade.sequence_id,
            taker_side: trade.taker_side,
        };
        pair.aggregates.push_back(made);
        if pair.aggregates.len() > AGGREGATES_MAX {
            pair.aggregates.pop_front();
        }
        Some(made)
    }

    /// Takes a copy of a book if the newest is old enough.
    pub(super) fn on_book(&mut self, pair: PairId, t_ns: u64, exchange: &Exchange) {
        let Some(market) = self.pairs.get_mut(pair.index()) else { return };
        if market.newest.as_ref().is_none_or(|copy| t_ns.saturating_sub(copy.t_ns) >= COPY_EVERY_NS) {
            market.older = market.newest.replace(BookCopy::of(exchange, pair, t_ns, LEVELS_MAX));
        }
    }

    /// Shows the book of a pair as it stands now from here on, or as it is again.
    pub(super) fn freeze(&mut self, pair: PairId, at: Option<(&Exchange, u64)>) {
        if let Some(market) = self.pairs.get_mut(pair.index()) {
            market.frozen = at.map(|(exchange, t_ns)| BookCopy::of(exchange, pair, t_ns, LEVELS_MAX));
        }
    }

    /// Candles of a pair.
    pub(super) fn bars(&self, pair: PairId) -> Option<&Bars> {
        self.pairs.get(pair.index()).map(|pair| &pair.bars)
    }

    /// The average price of the last minutes, or the last price, or the middle of the book.
    pub(super) fn average(&self, pair: PairId, exchange: &Exchange, t_ns: u64) -> Option<Decimal> {
        let precision = exchange.pair(pair).config.precision;
        let bar = self.bars(pair)?.since((t_ns / 1_000_000).saturating_sub(AVERAGE_MS));
        let average = bar.and_then(|bar| exact::divide_rounded_down(bar.quote, bar.base, 8).or(Some(bar.close)));
        average.or_else(|| exchange.book(pair).mid_rounded_down()).map(|price| price.round_dp(precision.max(8)))
    }

    /// What was traded in the whole minutes after `since_ms`, in one bar; without trades flat at the last price, or in the middle of
    /// the book.
    pub(super) fn since(&self, pair: PairId, exchange: &Exchange, since_ms: u64) -> Bar {
        let middle = || exchange.book(pair).mid_rounded_down().unwrap_or_default();
        self.bars(pair).and_then(|bars| bars.since(since_ms)).unwrap_or_else(|| Bar::flat(since_ms, middle()))
    }
}

/// `exchangeInfo`: what is listed, and by which rules.
pub(super) fn exchange_info(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let one = params.get("symbol")?.map(str::to_owned);
    let many = params.list("symbols")?;
    let permissions = params.get("permissions")?.map(str::to_owned);
    let with_sets = params.flag("showPermissionSets")?.unwrap_or(true);
    let status = params.get("symbolStatus")?.map(str::to_owned);
    params.finish()?;
    if one.is_some() && many.is_some() {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    if let Some(status) = &status
        && !["TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"].contains(&status.as_str())
    {
        return Err(ApiError::new(-1122, "Invalid symbolStatus."));
    }
    let wanted = one.map(|name| vec![name]).or(many);
    let faults = &call.state.config.faults;
    let pairs = match &wanted {
        None => call.state.symbols.pairs().map(|(pair, _)| pair).collect(),
        Some(names) => names.iter().map(|name| call.pair(name)).collect::<Result<Vec<PairId>, ApiError>>()?,
    };
    // The one permission that there is.
    let fits = permissions.is_none_or(|permissions| permissions.contains("SPOT"));
    let rows = pairs.into_iter().filter(|_| fits).map(|pair| symbol_row(pair, call, with_sets));
    let rows = rows.filter(|row| status.as_ref().is_none_or(|status| row["status"] == status.as_str()));
    let listed = |row: &Value| !faults.delisted_pairs.iter().any(|name| row["symbol"] == name.replace('_', "").as_str());
    Ok(json!({
        "timezone": "UTC",
        "serverTime": call.stamp.of(call.t_ns),
        "rateLimits": call.state.limits.listed(),
        "exchangeFilters": [],
        "symbols": rows.filter(listed).collect::<Vec<Value>>(),
    }))
}

fn symbol_row(pair: PairId, call: &Call<'_>, with_sets: bool) -> Value {
    let rules = &call.exchange.pair(pair).config;
    let faults = &call.state.config.faults;
    let is_open = rules.trade_status == TradeStatus::Tradable && !faults.halted_pairs.contains(&rules.id);
    let mut row = json!({
        "symbol": call.state.symbols.name(pair),
        "status": if is_open { "TRADING" } else { "HALT" },
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": false,
        "ocoAllowed": false,
        "otoAllowed": false,
        "opoAllowed": false,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": false,
        "cancelReplaceAllowed": true,
        "amendAllowed": true,
        "pegInstructionsAllowed": false,
        "isSpotTradingAllowed": true,
        "isMarginTradingAllowed": false,
        "filters": filters(rules, faults),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": STP_DEFAULT,
        "allowedSelfTradePreventionModes": STP_MODES.map(|(mode, _)| mode),
    });
    if !with_sets && let Some(fields) = row.as_object_mut() {
        fields.remove("permissionSets");
    }
    row
}

fn filters(rules: &PairConfig, faults: &Faults) -> Value {
    let coarser = faults.coarser_pairs.get(&rules.id).copied().unwrap_or(0);
    let step = |decimals: u32| exact::from_units(1, decimals.saturating_sub(coarser));
    let or = |value: Option<Decimal>, default: i64| fixed(value.unwrap_or_else(|| Decimal::from(default)));
    let (tick, lot) = (step(rules.precision), step(rules.amount_precision));
    let min = rules.min_base_amount.unwrap_or(lot).max(lot);
    let mut rows = vec![
        json!({"filterType": "PRICE_FILTER", "minPrice": fixed(tick), "maxPrice": or(None, 10_000_000), "tickSize": fixed(tick)}),
        json!({"filterType": "LOT_SIZE", "minQty": fixed(min), "maxQty": or(rules.max_base_amount, 9_000_000),
               "stepSize": fixed(lot)}),
        json!({"filterType": "ICEBERG_PARTS", "limit": 10}),
        json!({"filterType": "MARKET_LOT_SIZE", "minQty": fixed(Decimal::ZERO),
               "maxQty": or(rules.market_max_base.or(rules.max_base_amount), 9_000_000), "stepSize": fixed(Decimal::ZERO)}),
        json!({"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000,
               "minTrailingBelowDelta": 10,
               "maxTrailingBelowDelta": 2000}),
        json!({"filterType": "NOTIONAL", "minNotional": or(rules.min_quote_amount, 0), "applyMinToMarket": true,
               "maxNotional": or(rules.max_quote_amount, 9_000_000), "applyMaxToMarket": false, "avgPriceMins": 5}),
        json!({"filterType": "MAX_NUM_ORDERS", "maxNumOrders": ORDERS_MAX}),
        json!({"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5}),
        json!({"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": AMENDS_MAX}),
    ];
    if let (Some(up), Some(down)) = (rules.up_rate, rules.down_rate) {
        let factor = |rate: Decimal| crate::shared::text::decimal(rate);
        rows.push(json!({
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": factor(Decimal::ONE + up), "bidMultiplierDown": "0",
            "askMultiplierUp": "1000", "askMultiplierDown": factor((Decimal::ONE - down).max(Decimal::ZERO)), "avgPriceMins": 0,
        }));
    }
    Value::Array(rows)
}

/// `depth`: the book with the id of its last change.
pub(super) fn depth(params: &Params, call: &mut Call<'_>) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let limit = params.limit(100, LEVELS_MAX)?;
    params.get("symbolStatus")?;
    params.finish()?;
    let is_deep = limit > FRESH_LEVELS_MAX;
    let market = call.state.market.pairs.get(pair.index());
    let older = market.and_then(|market| market.older.as_ref());
    let frozen = market.and_then(|market| market.frozen.as_ref());
    let faults = &mut call.state.config.faults;
    if faults.empty_book_replies || faults.empty_deep_books && is_deep {
        return Ok(json!({"lastUpdateId": 0, "bids": [], "asks": []}));
    }
    let mut copy = match (older, frozen) {
        (Some(older), _) if take_one(&mut faults.stale_book_replies) => older.clone(),
        (Some(older), _) if faults.slow_deep_books && is_deep => older.clone(),
        (_, Some(frozen)) => frozen.clone(),
        _ => BookCopy::of(call.exchange, pair, call.t_ns, limit),
    };
    if let Some(rules) = call.state.symbols.rules(pair) {
        faults.struck.copied(&rules.id);
        if let Some(crossing) = faults.crossing(&rules.id, false)
            && let Some(bid) = crossing.bid(&copy.asks, rules.precision)
        {
            copy.bids.insert(0, bid);
        }
    }
    copy.bids.truncate(limit);
    copy.asks.truncate(limit);
    Ok(json!({"lastUpdateId": copy.id, "bids": level_rows(&copy.bids), "asks": level_rows(&copy.asks)}))
}

/// Levels as pairs of text.
pub(super) fn level_rows(levels: &[Level]) -> Value {
    levels.iter().map(|level| json!([fixed(level.price), fixed(level.amount)])).collect()
}

/// `trades` and `historicalTrades`: public trades, oldest first.
pub(super) fn trades(params: &Params, call: &Call<'_>, historical: bool) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let limit = params.limit(500, 1_000)?;
    let from_id = if historical { params.number("fromId")? } else { None };
    params.finish()?;
    let all = call.exchange.public_trades(pair);
    let rows: Vec<&PublicTrade> = match from_id {
        Some(from) => all.filter(|trade| trade.sequence_id >= from).take(limit).collect(),
        None => {
            let mut last: Vec<&PublicTrade> = all.rev().take(limit).collect();
            last.reverse();
            last
        }
    };
    let row = |trade: &PublicTrade| {
        json!({
            "id": trade.sequence_id,
            "price": fixed(trade.price),
            "qty": fixed(trade.amount),
            "quoteQty": fixed(trade.price.checked_mul(trade.amount).unwrap_or_default()),
            "time": call.stamp.of(trade.t_ns),
            "isBuyerMaker": trade.taker_side == Side::Sell,
            "isBestMatch": true,
        })
    };
    Ok(rows.into_iter().map(row).collect())
}

/// `aggTrades`: trades of one taker at one price added up, oldest first.
pub(super) fn agg_trades(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let limit = params.limit(500, 1_000)?;
    let from_id = params.number("fromId")?;
    let (from, to) = (params.time_ns("startTime")?, params.time_ns("endTime")?);
    params.finish()?;
    if from_id.is_some() && (from.is_some() || to.is_some()) {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    let Some(market) = call.state.market.pairs.get(pair.index()) else { return Ok(json!([])) };
    let wanted = |trade: &&Aggregate| {
        from_id.is_none_or(|from| trade.id >= from)
            && from.is_none_or(|from| trade.t_ns >= from)
            && to.is_none_or(|to| trade.t_ns <= to.saturating_add(999_999))
    };
    let found: Vec<&Aggregate> = market.aggregates.iter().filter(wanted).collect();
    let skip = if from_id.is_some() || from.is_some() { 0 } else { found.len().saturating_sub(limit) };
    Ok(found.into_iter().skip(skip).take(limit).map(|trade| aggregate_row(trade, call.stamp)).collect())
}

/// An aggregated trade without the words that only the stream has.
pub(super) fn aggregate_row(trade: &Aggregate, stamp: Stamp) -> Value {
    json!({
        "a": trade.id,
        "p": fixed(trade.price),
        "q": fixed(trade.amount),
        "f": trade.first,
        "l": trade.last,
        "T": stamp.of(trade.t_ns),
        "m": trade.taker_side == Side::Sell,
        "M": true,
    })
}

/// `klines` and `uiKlines`.
pub(super) fn klines(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    let name = params.required("interval")?;
    let (_, interval) =
        INTERVALS.into_iter().find(|(known, _)| *known == name).ok_or_else(|| ApiError::new(-1120, "Invalid interval."))?;
    let (from, to) = (params.time_ns("startTime")?, params.time_ns("endTime")?);
    let limit = params.limit(500, 1_000)?;
    if params.get("timeZone")?.is_some_and(|zone| zone != "0" && zone != "0:00") {
        // Candles are cut by UTC only.
        return Err(ApiError::invalid("timeZone"));
    }
    params.finish()?;
    let ms = |ns: u64| ns / 1_000_000;
    let now_ms = ms(call.t_ns);
    let bars = call.state.market.bars(pair);
    let rows = bars.map(|bars| bars.rows(interval, from.map(ms), to.map_or(u64::MAX, ms), now_ms, limit)).unwrap_or_default();
    let at = |ms: u64| call.stamp.of(ms.saturating_mul(1_000_000));
    let row = |bar: Bar| {
        json!([
            at(bar.start_ms),
            fixed(bar.open),
            fixed(bar.high),
            fixed(bar.low),
            fixed(bar.close),
            fixed(bar.base),
            at(interval.next(bar.start_ms)) - 1,
            fixed(bar.quote),
            bar.count,
            fixed(bar.taker_base),
            fixed(bar.taker_quote),
            "0",
        ])
    };
    Ok(rows.into_iter().map(row).collect())
}

/// `avgPrice`.
pub(super) fn avg_price(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    let pair = call.pair(params.required("symbol")?)?;
    params.finish()?;
    let average = call.state.market.average(pair, call.exchange, call.t_ns).unwrap_or_default();
    let last_ns = call.exchange.public_trades(pair).next_back().map_or(call.t_ns, |trade| trade.t_ns);
    Ok(json!({"mins": 5, "price": fixed(average), "closeTime": call.stamp.of(last_ns)}))
}
