//! Public REST: time, currencies, pairs, tickers, books, trades, candles (Gate API v4, spot reference and market data).
//!
//! Start at [`answer`]. [`MarketStatistics`] keeps what those answers need and the exchange does not: candles, and the older
//! book copies that the cache faults serve.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    candles::{Candles, Interval, ROWS_MAX},
    config::GateConfig,
    error::ApiError,
    frame::to_json,
    orders::paging,
    query::{Query, page_of},
    render::{Symbols, public_trade_row},
    rows::{PublicTradeRow, TickerRow, text},
    wallet,
};
use crate::{
    core::{Exchange, Level, PairConfig, PairId, PublicTrade, Side, TradeStatus, exact},
    faults::Faults,
    market::{MadeUp, Past},
};

/// Most levels per side that `/spot/order_book` serves.
const BOOK_LEVELS_MAX: u64 = 1_000;
/// Levels served when `limit` is absent.
const BOOK_LEVELS_DEFAULT: u64 = 10;
/// Deeper than this comes from a slow cache where that is simulated: the streams go no deeper either.
const FRESH_LEVELS_MAX: usize = 100;
/// A copy of each book is taken at most this often; the faults serve the copy before the newest.
const BOOK_COPY_INTERVAL_NS: u64 = 1_000_000_000;
/// Levels per side in a copy.
const BOOK_COPY_LEVELS: usize = 1_000;
/// Seconds of UTC+8 ahead of UTC.
const UTC8_S: u64 = 8 * 3_600;
const DAY_S: u64 = 86_400;

/// A public endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicEndpoint<'a> {
    Time,
    Currencies,
    Currency(&'a str),
    Pairs,
    Pair(&'a str),
    Tickers,
    OrderBook,
    Trades,
    Candlesticks,
    CurrencyChains,
    /// A list of things the venue has none of.
    EmptyList(&'static str),
    /// A pair of a product that is not simulated.
    NoSuchPair(&'a str),
    /// A contract: there are none.
    NoSuchContract,
}

impl PublicEndpoint<'_> {
    /// The path pattern that rate limits are counted by.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            PublicEndpoint::Time => "/spot/time",
            PublicEndpoint::Currencies => "/spot/currencies",
            PublicEndpoint::Currency(_) => "/spot/currencies/{currency}",
            PublicEndpoint::Pairs => "/spot/currency_pairs",
            PublicEndpoint::Pair(_) => "/spot/currency_pairs/{currency_pair}",
            PublicEndpoint::Tickers => "/spot/tickers",
            PublicEndpoint::OrderBook => "/spot/order_book",
            PublicEndpoint::Trades => "/spot/trades",
            PublicEndpoint::Candlesticks => "/spot/candlesticks",
            PublicEndpoint::CurrencyChains => "/wallet/currency_chains",
            PublicEndpoint::EmptyList(pattern) => pattern,
            PublicEndpoint::NoSuchPair(_) => "/margin/currency_pairs/{currency_pair}",
            PublicEndpoint::NoSuchContract => "/futures/{settle}/contracts/{contract}",
        }
    }
}

/// A book at one moment.
#[derive(Clone, Debug)]
struct BookCopy {
    t_ns: u64,
    update_t_ns: u64,
    id: u64,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// What is kept of one pair.
#[derive(Clone, Debug, Default)]
struct PairStatistics {
    last: Decimal,
    mid: Option<Decimal>,
    candles: Candles,
    newest: Option<BookCopy>,
    older: Option<BookCopy>,
    /// The book as it stood when trading was halted.
    frozen: Option<BookCopy>,
}

/// What public answers need beyond the exchange's own state.
#[derive(Clone, Debug, Default)]
pub(super) struct MarketStatistics {
    pairs: Vec<PairStatistics>,
    /// The latest time heard of.
    now_ns: u64,
}

impl MarketStatistics {
    /// Shows the book of a pair as it stands now from here on, or as it is again.
    pub(super) fn freeze(&mut self, pair: PairId, at: Option<(&Exchange, u64)>) {
        if let Some(statistics) = self.pairs.get_mut(pair.index()) {
            statistics.frozen = at.map(|(exchange, t_ns)| copy_of(exchange, pair, t_ns, BOOK_COPY_LEVELS));
        }
    }

    pub(super) fn new(pairs: usize) -> MarketStatistics {
        MarketStatistics { pairs: vec![PairStatistics::default(); pairs], now_ns: 0 }
    }

    /// What came before the first trade of a pair.
    pub(super) fn remember(&mut self, pair: PairId, past: Past) {
        if let Some(pair) = self.pairs.get_mut(pair.index()) {
            pair.last = past.close();
            pair.candles.remember(past);
        }
    }

    /// What a past tells of the window of this length that the venue began in.
    pub(super) fn begun(&self, pair: PairId, length_s: u64) -> Option<(u64, MadeUp)> {
        self.pairs.get(pair.index())?.candles.begun(length_s)
    }

    pub(super) fn on_trade(&mut self, trade: &PublicTrade) {
        self.now_ns = self.now_ns.max(trade.t_ns);
        let Some(pair) = self.pairs.get_mut(trade.pair.index()) else { return };
        pair.last = trade.price;
        pair.candles.on_trade(trade.t_ns, trade.price, trade.amount);
    }

    /// Notes where the middle is, and takes a copy of the book if the newest is old enough.
    pub(super) fn on_book(&mut self, pair: PairId, t_ns: u64, exchange: &Exchange) {
        self.now_ns = self.now_ns.max(t_ns);
        let Some(statistics) = self.pairs.get_mut(pair.index()) else { return };
        let mid = exchange.book(pair).mid_rounded_down();
        if let Some(mid) = mid.filter(|_| mid != statistics.mid) {
            statistics.mid = Some(mid);
            statistics.candles.on_mid(t_ns, mid);
        }
        let due = statistics.newest.as_ref().is_none_or(|copy| t_ns.saturating_sub(copy.t_ns) >= BOOK_COPY_INTERVAL_NS);
        if due {
            let copy = copy_of(exchange, pair, t_ns, BOOK_COPY_LEVELS);
            statistics.older = statistics.newest.replace(copy);
        }
    }

    /// The ticker of one pair as of the last thing that happened; sizes only for a request that names it.
    pub(super) fn ticker(&self, pair: PairId, symbols: &Symbols, exchange: &Exchange, with_sizes: bool) -> TickerRow {
        self.ticker_at(pair, symbols, exchange, with_sizes, self.now_ns)
    }

    /// The ticker of one pair at `t_ns`.
    fn ticker_at(&self, pair: PairId, symbols: &Symbols, exchange: &Exchange, with_sizes: bool, t_ns: u64) -> TickerRow {
        let none = PairStatistics::default();
        let statistics = self.pairs.get(pair.index()).unwrap_or(&none);
        let book = exchange.book(pair);
        let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
        let price = |level: Option<Level>| level.map_or_else(String::new, |level| text(level.price));
        let size = |level: Option<Level>| with_sizes.then(|| level.map_or_else(|| "0".to_owned(), |level| text(level.amount)));
        let now_s = t_ns / 1_000_000_000;
        let day = statistics.candles.day(now_s);
        // A listed pair always has a price: the middle before its first trade, and the last one over a day without any.
        let last = if statistics.last.is_zero() { statistics.mid.unwrap_or_default() } else { statistics.last };
        let or_last = |price: Decimal| text(if price.is_zero() { last } else { price });
        TickerRow {
            currency_pair: symbols.pair(pair).to_owned(),
            last: text(last),
            lowest_ask: price(ask),
            lowest_size: size(ask),
            highest_bid: price(bid),
            highest_size: size(bid),
            change_percentage: statistics.change_since(now_s.saturating_sub(DAY_S)),
            change_utc0: None,
            change_utc8: None,
            base_volume: text(day.base),
            quote_volume: text(day.quote),
            high_24h: or_last(day.high),
            low_24h: or_last(day.low),
        }
    }

    /// Adds the changes since midnight that `timezone` asks for.
    fn add_changes(&self, row: &mut TickerRow, pair: PairId, t_ns: u64, (utc0, utc8): (bool, bool)) {
        let Some(statistics) = self.pairs.get(pair.index()) else { return };
        let now_s = t_ns / 1_000_000_000;
        let midnight_s = now_s - now_s % DAY_S;
        let shifted_s = now_s.saturating_add(UTC8_S);
        let midnight8_s = (shifted_s - shifted_s % DAY_S).saturating_sub(UTC8_S);
        row.change_utc0 = utc0.then(|| statistics.change_since(midnight_s));
        row.change_utc8 = utc8.then(|| statistics.change_since(midnight8_s));
    }
}

impl PairStatistics {
    /// Percent from the price at `t_s` to the last one, cut to four decimals.
    fn change_since(&self, t_s: u64) -> String {
        let from = self.candles.price_at(t_s).filter(|price| !price.is_zero());
        let change = from.and_then(|from| self.last.checked_sub(from)?.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(from));
        text(change.unwrap_or_default().round_dp(4))
    }
}

fn copy_of(exchange: &Exchange, pair: PairId, t_ns: u64, levels: usize) -> BookCopy {
    let book = exchange.book(pair);
    BookCopy {
        t_ns,
        update_t_ns: book.update_t_ns(),
        id: book.update_id(),
        bids: book.top(Side::Buy, levels),
        asks: book.top(Side::Sell, levels),
    }
}

#[derive(Serialize)]
struct BookBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    current: u64,
    update: u64,
    asks: Vec<[String; 2]>,
    bids: Vec<[String; 2]>,
}

/// Levels as pairs of text.
pub(super) fn level_texts(levels: &[Level]) -> Vec<[String; 2]> {
    levels.iter().map(|level| [text(level.price), text(level.amount)]).collect()
}

/// The surroundings of a public request.
pub(super) struct PublicContext<'a> {
    pub(super) t_ns: u64,
    pub(super) exchange: &'a Exchange,
    pub(super) symbols: &'a Symbols,
    pub(super) statistics: &'a mut MarketStatistics,
    pub(super) config: &'a mut GateConfig,
}

/// Answers a public request with the body of a 200.
///
/// # Errors
/// The refusal as Gate words it.
pub(super) fn answer(endpoint: PublicEndpoint<'_>, query: &Query, context: PublicContext<'_>) -> Result<String, ApiError> {
    let PublicContext { t_ns, exchange, symbols, .. } = context;
    let faults = &context.config.faults;
    match endpoint {
        // Stamps of replies are moved by whatever the clock is off as they leave.
        PublicEndpoint::Time => Ok(json!({"server_time": t_ns / 1_000_000}).to_string()),
        PublicEndpoint::Currencies => {
            let rows = symbols.assets().map(|(_, name)| wallet::currency_row(name, symbols, faults));
            Ok(Value::from_iter(rows).to_string())
        }
        PublicEndpoint::Currency(name) => {
            symbols.find_asset(name).ok_or_else(|| ApiError::invalid_currency(name))?;
            Ok(wallet::currency_row(name, symbols, faults).to_string())
        }
        PublicEndpoint::CurrencyChains => Ok(wallet::currency_chains(query, symbols, faults)?.to_string()),
        PublicEndpoint::Pairs => {
            let listed = symbols.pairs().filter(|(_, rules)| !faults.delisted_pairs.contains(&rules.id));
            Ok(Value::from_iter(listed.map(|(id, _)| pair_row(&exchange.pair(id).config, faults))).to_string())
        }
        PublicEndpoint::Pair(name) if faults.delisted_pairs.iter().any(|pair| pair == name) => Err(ApiError::invalid_pair(name)),
        PublicEndpoint::Pair(name) => Ok(pair_row(&exchange.pair(listed(name, symbols)?).config, faults).to_string()),
        PublicEndpoint::Tickers => tickers(query, &context),
        PublicEndpoint::OrderBook => order_book(query, context),
        PublicEndpoint::Trades => trades(query, exchange, symbols),
        PublicEndpoint::Candlesticks => candlesticks(query, &context),
        PublicEndpoint::EmptyList(_) => Ok("[]".to_owned()),
        PublicEndpoint::NoSuchPair(name) => Err(ApiError::invalid_pair(name)),
        PublicEndpoint::NoSuchContract => Err(ApiError::new(400, "CONTRACT_NOT_FOUND", "")),
    }
}

fn listed(name: &str, symbols: &Symbols) -> Result<PairId, ApiError> {
    symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))
}

fn tickers(query: &Query, context: &PublicContext<'_>) -> Result<String, ApiError> {
    let PublicContext { t_ns, exchange, symbols, .. } = *context;
    let zones = match query.get("timezone") {
        None => (false, false),
        Some("utc0") => (true, false),
        Some("utc8") => (false, true),
        Some("all") => (true, true),
        Some(other) => return Err(ApiError::invalid_param(format!("Invalid parameter timezone: {other}"))),
    };
    let (pairs, with_sizes) = match query.get("currency_pair") {
        Some(name) => (vec![listed(name, symbols)?], true),
        None => (symbols.pairs().map(|(pair, _)| pair).collect(), false),
    };
    let rows = pairs.into_iter().map(|pair| {
        let mut row = context.statistics.ticker_at(pair, symbols, exchange, with_sizes, t_ns);
        context.statistics.add_changes(&mut row, pair, t_ns, zones);
        row
    });
    Ok(to_json(&rows.collect::<Vec<TickerRow>>()))
}

fn order_book(query: &Query, context: PublicContext<'_>) -> Result<String, ApiError> {
    let PublicContext { t_ns, exchange, symbols, statistics, config } = context;
    let faults = &mut config.faults;
    let pair = listed(query.required("currency_pair")?, symbols)?;
    let limit = query.number("limit", BOOK_LEVELS_DEFAULT, 1, BOOK_LEVELS_MAX)?;
    let limit = usize::try_from(limit).unwrap_or(BOOK_COPY_LEVELS);
    let interval = match query.get("interval") {
        None => Decimal::ZERO,
        Some(text) => Decimal::from_str_exact(text)
            .ok()
            .filter(|interval| *interval >= Decimal::ZERO)
            .ok_or_else(|| ApiError::invalid_param(format!("Invalid parameter interval: {text}")))?,
    };
    let with_id = query.flag("with_id")?;
    let is_deep = limit > FRESH_LEVELS_MAX;
    if faults.empty_book_replies || faults.empty_deep_books && is_deep {
        let body = BookBody { id: None, current: t_ns / 1_000_000, update: t_ns / 1_000_000, asks: Vec::new(), bids: Vec::new() };
        return Ok(to_json(&body));
    }
    let older = statistics.pairs.get(pair.index()).and_then(|pair| pair.older.as_ref());
    let wanted = if interval.is_zero() { limit } else { usize::MAX };
    let mut copy = match older {
        Some(older) if faults.stale_book_replies > 0 => {
            faults.stale_book_replies -= 1;
            older.clone()
        }
        Some(older) if faults.slow_deep_books && is_deep => older.clone(),
        _ => match statistics.pairs.get(pair.index()).and_then(|pair| pair.frozen.as_ref()) {
            Some(frozen) => frozen.clone(),
            None => copy_of(exchange, pair, t_ns, wanted),
        },
    };
    faults.struck.copied(symbols.pair(pair));
    if let Some(crossing) = faults.crossing(symbols.pair(pair), false)
        && let Some(bid) = symbols.rules(pair).and_then(|rules| crossing.bid(&copy.asks, rules.precision))
    {
        copy.bids.insert(0, bid);
    }
    if !interval.is_zero() {
        let grouped = grouped(&copy.bids, Side::Buy, interval).zip(grouped(&copy.asks, Side::Sell, interval));
        (copy.bids, copy.asks) = grouped.ok_or_else(|| ApiError::invalid_param("Invalid parameter interval: too fine"))?;
    }
    copy.bids.truncate(limit);
    copy.asks.truncate(limit);
    let body = BookBody {
        id: with_id.then_some(copy.id),
        current: t_ns / 1_000_000,
        update: copy.update_t_ns / 1_000_000,
        asks: level_texts(&copy.asks),
        bids: level_texts(&copy.bids),
    };
    Ok(to_json(&body))
}

/// Levels added up on a coarser grid: bids go down to it, asks up, so that no price looks better than it is. `None` when a
/// figure does not fit.
fn grouped(levels: &[Level], side: Side, interval: Decimal) -> Option<Vec<Level>> {
    let mut rows: Vec<Level> = Vec::new();
    for level in levels {
        let steps = match side {
            Side::Buy => exact::divide_rounded_down(level.price, interval, 0)?,
            Side::Sell => exact::divide_rounded_up(level.price, interval, 0)?,
        };
        let price = exact::multiply(steps, interval).ok()?;
        match rows.last_mut() {
            Some(last) if last.price == price => last.amount = exact::add(last.amount, level.amount).ok()?,
            _ => rows.push(Level { price, amount: level.amount }),
        }
    }
    Some(rows)
}

/// `/spot/trades`, newest first. `last_id` asks for newer trades than that one, or with `reverse` for older ones.
fn trades(query: &Query, exchange: &Exchange, symbols: &Symbols) -> Result<String, ApiError> {
    let pair = listed(query.required("currency_pair")?, symbols)?;
    let (page, limit) = paging(query, 1_000)?;
    let last_id = query.get("last_id").map(|_| query.number("last_id", 0, 0, u64::MAX)).transpose()?;
    let reverse = query.flag("reverse")?;
    let from_s = query.number("from", 0, 0, u64::MAX)?;
    let to_s = query.number("to", u64::MAX, 0, u64::MAX)?;
    let wanted = |trade: &&PublicTrade| {
        let id = trade.trade_id.0;
        let by_id = last_id.is_none_or(|last| if reverse { id < last } else { id > last });
        by_id && (from_s..=to_s).contains(&(trade.t_ns / 1_000_000_000))
    };
    let newest_first = exchange.public_trades(pair).rev().filter(wanted);
    let rows: Vec<PublicTradeRow> = newest_first.map(|trade| public_trade_row(trade, symbols)).collect();
    Ok(to_json(&page_of(rows, page, limit)))
}

/// `/spot/candlesticks`, oldest first: the last `limit` candles up to `to`, or all from `from` to `to`.
fn candlesticks(query: &Query, context: &PublicContext<'_>) -> Result<String, ApiError> {
    let pair = listed(query.required("currency_pair")?, context.symbols)?;
    let name = query.get("interval").unwrap_or("30m");
    let interval = Interval::named(name).ok_or_else(|| ApiError::invalid_param(format!("Invalid parameter interval: {name}")))?;
    let now_s = context.t_ns / 1_000_000_000;
    if query.get("from").is_some() && query.get("limit").is_some() {
        return Err(ApiError::invalid_param("Invalid parameter limit: it does not go with from"));
    }
    let limit = query.number("limit", 100, 1, ROWS_MAX)?;
    let to_s = query.number("to", now_s, 0, u64::MAX)?;
    let from_s = match query.get("from") {
        Some(_) => query.number("from", 0, 0, u64::MAX)?,
        None => interval.back(interval.start_of(to_s.min(now_s)), limit - 1),
    };
    if interval.back(interval.start_of(to_s.min(now_s)), ROWS_MAX) >= from_s.max(1) {
        let message = "Candlestick range too broad. Maximum 1000 data points are allowed per request";
        return Err(ApiError::invalid_param(message));
    }
    let candles = context.statistics.pairs.get(pair.index()).map(|pair| &pair.candles);
    Ok(to_json(&candles.map(|candles| candles.rows(interval, from_s, to_s, now_s)).unwrap_or_default()))
}

fn pair_row(rules: &PairConfig, faults: &Faults) -> Value {
    let coarser = faults.coarser_pairs.get(&rules.id).copied().unwrap_or(0);
    let trade_status = if faults.halted_pairs.contains(&rules.id) { TradeStatus::Untradable } else { rules.trade_status };
    let optional = |value: Option<Decimal>| value.map(text);
    let mut row = json!({
        "id": rules.id,
        "base": rules.base,
        "base_name": rules.base,
        "quote": rules.quote,
        "quote_name": rules.quote,
        "fee": "0.2",
        "min_base_amount": optional(rules.min_base_amount),
        "min_quote_amount": optional(rules.min_quote_amount),
        "max_base_amount": optional(rules.max_base_amount),
        "max_quote_amount": optional(rules.max_quote_amount),
        "market_order_max_stock": optional(rules.market_max_base),
        "market_order_max_money": optional(rules.market_max_quote),
        "amount_precision": rules.amount_precision.saturating_sub(coarser),
        "precision": rules.precision.saturating_sub(coarser),
        "trade_status": match trade_status {
            TradeStatus::Untradable => "untradable",
            TradeStatus::Buyable => "buyable",
            TradeStatus::Sellable => "sellable",
            TradeStatus::Tradable => "tradable",
        },
        "sell_start": rules.sell_start_s,
        "buy_start": rules.buy_start_s,
        "delisting_time": rules.delisting_time_s,
        "type": if rules.is_premarket { "premarket" } else { "normal" },
        "trade_url": format!("https://www.gate.com/trade/{}", rules.id),
        "st_tag": rules.st_tag,
        "trade_quotes": rules.trade_quotes,
    });
    if let Value::Object(fields) = &mut row {
        // These are text and never null: a rule that is off is left out.
        let rates = [("up_rate", rules.up_rate), ("down_rate", rules.down_rate), ("slippage", rules.slippage_max)];
        for (name, rate) in rates.into_iter().filter_map(|(name, rate)| Some((name, rate?))) {
            fields.insert(name.to_owned(), Value::from(text(rate)));
        }
    }
    row
}
