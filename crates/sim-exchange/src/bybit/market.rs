//! Public REST: time, instruments, books, tickers, trades and candles (Bybit API v5, market).
//!
//! Start at [`answer`]. Only spot is simulated: the other products answer as for nothing listed.

use serde_json::{Value, json};

use super::{
    config::BybitConfig,
    error::ApiError,
    params::Params,
    rows,
    statistics::{BookCopy, COPY_LEVELS, Interval, Statistics},
    symbols::{Symbols, quote_decimals, step},
};
use crate::{
    core::{Exchange, Level, PairConfig, PairId, Side},
    faults::{Faults, take_one},
    shared::text::decimal,
};

/// A public endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarketEndpoint {
    Time,
    Instruments,
    OrderBook,
    Tickers,
    RecentTrades,
    Candles,
    SystemStatus,
}

/// The surroundings of a public request.
pub(super) struct MarketContext<'a> {
    pub(super) t_ns: u64,
    pub(super) exchange: &'a Exchange,
    pub(super) symbols: &'a Symbols,
    pub(super) statistics: &'a Statistics,
    pub(super) config: &'a mut BybitConfig,
}

/// Answers a public request.
///
/// # Errors
/// The refusal as Bybit words it.
pub(super) fn answer(endpoint: MarketEndpoint, params: &Params, context: &mut MarketContext<'_>) -> Result<Value, ApiError> {
    match endpoint {
        MarketEndpoint::Time => {
            let shown_ns = context.config.faults.clock.shown_ns(context.t_ns);
            Ok(json!({"timeSecond": (shown_ns / 1_000_000_000).to_string(), "timeNano": shown_ns.to_string()}))
        }
        MarketEndpoint::SystemStatus => Ok(json!({"list": []})),
        MarketEndpoint::Instruments => instruments(params, context),
        MarketEndpoint::OrderBook => order_book(params, context),
        MarketEndpoint::Tickers => tickers(params, context),
        MarketEndpoint::RecentTrades => recent_trades(params, context),
        MarketEndpoint::Candles => candles(params, context),
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Spot,
    /// A product of which nothing is listed here.
    Other,
}

/// Reads `category`.
///
/// # Errors
/// `10001` when it is missing or unknown.
pub(super) fn category(name: Option<&str>) -> Result<Category, ApiError> {
    match name {
        None => Err(ApiError::missing("category")),
        Some("spot") => Ok(Category::Spot),
        Some("linear" | "inverse" | "option") => Ok(Category::Other),
        Some(other) => Err(ApiError::parameter(format!("category {other}"))),
    }
}

/// Whether a pair is in the lists: a halted one is not, since spot pairs have no other status than `Trading`.
pub(super) fn is_listed(rules: &PairConfig, faults: &Faults) -> bool {
    !faults.delisted_pairs.contains(&rules.id) && !faults.halted_pairs.contains(&rules.id)
}

/// The listed pair that a request names.
fn named_pair(params: &Params, context: &MarketContext<'_>) -> Result<PairId, ApiError> {
    let symbol = params.get("symbol").ok_or_else(|| ApiError::missing("symbol"))?;
    if category(params.get("category"))? == Category::Other {
        return Err(ApiError::unsupported_symbol());
    }
    let pair = context.symbols.find(symbol).ok_or_else(ApiError::unsupported_symbol)?;
    let delisted = context.config.faults.delisted_pairs.iter().any(|id| id == context.symbols.id_of(pair));
    if delisted { Err(ApiError::unsupported_symbol()) } else { Ok(pair) }
}

fn instruments(params: &Params, context: &MarketContext<'_>) -> Result<Value, ApiError> {
    let name = params.get("category").unwrap_or_default();
    params.number("limit", 500, 1, 1_000)?;
    if category(params.get("category"))? == Category::Other {
        return Ok(json!({"category": name, "list": [], "nextPageCursor": ""}));
    }
    let wanted = params.get("symbol");
    if wanted.is_some_and(|symbol| context.symbols.find(symbol).is_none()) {
        return Err(ApiError::unsupported_symbol());
    }
    // Spot has no other status, and no pages: everything comes at once.
    let has_status = params.get("status").is_none_or(|status| status == "Trading");
    let faults = &context.config.faults;
    let rows: Vec<Value> = context
        .symbols
        .pairs()
        .filter(|(pair, rules)| {
            has_status && is_listed(rules, faults) && wanted.is_none_or(|symbol| symbol == context.symbols.name(*pair))
        })
        .map(|(pair, rules)| instrument_row(pair, rules, context.symbols, faults))
        .collect();
    Ok(json!({"category": "spot", "list": rows}))
}

fn instrument_row(pair: PairId, rules: &PairConfig, symbols: &Symbols, faults: &Faults) -> Value {
    let coarser = faults.coarser_pairs.get(&rules.id).copied().unwrap_or(0);
    let (tick, lot) = (rules.precision.saturating_sub(coarser), rules.amount_precision.saturating_sub(coarser));
    let most = rules.max_base_amount.filter(|most| !most.is_zero());
    // Without a bound of its own a quantity is bounded by its value alone.
    let most = most.map_or_else(|| "1000000000".to_owned(), decimal);
    let most_market = rules.market_max_base.filter(|most| !most.is_zero()).map_or_else(|| most.clone(), decimal);
    let mut row = json!({
        "symbolId": pair.index() + 1,
        "symbol": symbols.name(pair),
        "baseCoin": rules.base,
        "quoteCoin": rules.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "stTag": if rules.st_tag { "1" } else { "0" },
        "lotSizeFilter": {
            "basePrecision": decimal(step(lot)),
            "quotePrecision": decimal(step(quote_decimals(rules))),
            "minOrderQty": decimal(rules.min_base_amount.unwrap_or_else(|| step(lot))),
            "maxOrderQty": most,
            "minOrderAmt": decimal(rules.min_quote_amount.unwrap_or_default()),
            "maxOrderAmt": rules.max_quote_amount.map_or_else(|| "1000000000000".to_owned(), decimal),
            "maxLimitOrderQty": most,
            "maxMarketOrderQty": most_market,
            "postOnlyMaxLimitOrderSize": most,
        },
        "priceFilter": {"tickSize": decimal(step(tick))},
        "symbolType": "",
    });
    if let (Some(up), Some(down)) = (rules.up_rate, rules.down_rate) {
        row["riskParameters"] = json!({"priceLimitRatioX": decimal(up.min(down)), "priceLimitRatioY": decimal(up.max(down))});
    }
    row
}

fn order_book(params: &Params, context: &mut MarketContext<'_>) -> Result<Value, ApiError> {
    let pair = named_pair(params, context)?;
    // As deep as the streams go (Bybit API v5, get orderbook: spot [1, 1000]).
    let limit = params.number("limit", 1, 1, COPY_LEVELS as u64)?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let now = BookCopy::of(context.exchange.book(pair), context.t_ns, limit);
    let is_stale = take_one(&mut context.config.faults.stale_book_replies);
    let old = context.statistics.old_copy(pair).filter(|_| is_stale);
    let book = context.statistics.frozen(pair).or(old).unwrap_or(&now);
    let mut bids: Vec<Level> = book.bids.iter().take(limit).copied().collect();
    let asks: Vec<Level> = book.asks.iter().take(limit).copied().collect();
    let crossing = context.config.faults.crossing(context.symbols.id_of(pair), false);
    let rules = context.symbols.rules(pair);
    if let Some(bid) = crossing.zip(rules).and_then(|(crossing, rules)| crossing.bid(&asks, rules.precision)) {
        bids.insert(0, bid);
        bids.truncate(limit);
    }
    Ok(json!({
        "s": context.symbols.name(pair),
        "b": rows::levels(&bids),
        "a": rows::levels(&asks),
        "ts": context.config.clock_ms(context.t_ns),
        "u": book.id,
        "seq": book.id,
        "cts": context.config.clock_ms(book.changed_ns),
    }))
}

fn tickers(params: &Params, context: &MarketContext<'_>) -> Result<Value, ApiError> {
    let name = params.get("category").unwrap_or_default();
    if category(params.get("category"))? == Category::Other {
        return Ok(json!({"category": name, "list": []}));
    }
    let wanted = match params.get("symbol") {
        Some(_) => Some(named_pair(params, context)?),
        None => None,
    };
    let listed = context.symbols.pairs().filter(|(pair, rules)| match wanted {
        Some(wanted) => wanted == *pair,
        None => is_listed(rules, &context.config.faults),
    });
    let rows: Vec<Value> = listed.map(|(pair, _)| ticker_row(pair, context)).collect();
    Ok(json!({"category": "spot", "list": rows}))
}

fn ticker_row(pair: PairId, context: &MarketContext<'_>) -> Value {
    let book = context.exchange.book(pair);
    let side = |side| {
        let best = book.best(side);
        let price = best.map_or_else(String::new, |level| decimal(level.price));
        (price, best.map_or_else(|| "0".to_owned(), |level| decimal(level.amount)))
    };
    let ((bid, bid_size), (ask, ask_size)) = (side(Side::Buy), side(Side::Sell));
    let mut row = rows::ticker(pair, context.symbols, context.statistics, context.exchange, context.t_ns);
    row["bid1Price"] = json!(bid);
    row["bid1Size"] = json!(bid_size);
    row["ask1Price"] = json!(ask);
    row["ask1Size"] = json!(ask_size);
    row
}

fn recent_trades(params: &Params, context: &MarketContext<'_>) -> Result<Value, ApiError> {
    let pair = named_pair(params, context)?;
    // Spot ends at 60; a greater limit is cut, as other products know it.
    let limit = usize::try_from(params.number("limit", 60, 1, 1_000)?.min(60)).unwrap_or(60);
    let trades = context.exchange.public_trades(pair).rev().take(limit);
    let rows: Vec<Value> = trades
        .map(|trade| {
            json!({
                "execId": trade.trade_id.0.to_string(),
                "symbol": context.symbols.name(pair),
                "price": decimal(trade.price),
                "size": decimal(trade.amount),
                "side": rows::side_word(trade.taker_side),
                "time": context.config.clock_ms(trade.t_ns).to_string(),
                "isBlockTrade": false,
                "isRPITrade": false,
                "seq": trade.sequence_id.to_string(),
            })
        })
        .collect();
    Ok(json!({"category": "spot", "list": rows}))
}

fn candles(params: &Params, context: &MarketContext<'_>) -> Result<Value, ApiError> {
    let pair = named_pair(params, context)?;
    let name = params.get("interval").ok_or_else(|| ApiError::missing("interval"))?;
    let interval = Interval::named(name).ok_or_else(|| ApiError::new(10_001, "Invalid period!"))?;
    let limit = usize::try_from(params.number("limit", 200, 1, 1_000)?).unwrap_or(200);
    let from_s = params.number("start", 0, 0, u64::MAX)?.div_ceil(1_000);
    let to_s = params.number("end", u64::MAX, 0, u64::MAX)? / 1_000;
    let now_s = context.t_ns / 1_000_000_000;
    let candles = context.statistics.candles(pair, interval, (from_s, to_s), now_s, limit);
    // The newest comes first.
    let rows: Vec<Value> = candles
        .iter()
        .rev()
        .map(|candle| {
            let [open, high, low, close, volume, turnover] =
                [candle.open, candle.high, candle.low, candle.close, candle.volume, candle.turnover].map(decimal);
            json!([(candle.start_s * 1_000).to_string(), open, high, low, close, volume, turnover])
        })
        .collect();
    Ok(json!({"category": "spot", "symbol": context.symbols.name(pair), "list": rows}))
}
