//! Public REST: time, currencies, pairs, tickers, books, trades (Gate API v4, spot reference and market data).
//!
//! Start at [`answer`]. Also keeps what those answers need and the exchange does not: day statistics and the older book
//! copies that the stale-cache fault serves.

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    config::GateFaults,
    error::ApiError,
    frame::to_json,
    query::{Query, page_of},
    render::{Symbols, public_trade_row},
    rows::{PublicTradeRow, TickerRow, text},
};
use crate::core::{Exchange, Level, PairConfig, PairId, PublicTrade, Side, TradeStatus};

/// Most levels per side that `/spot/order_book` serves.
const BOOK_LEVELS_MAX: u64 = 1_000;
/// Levels served when `limit` is absent.
const BOOK_LEVELS_DEFAULT: u64 = 10;
/// A copy of each book is taken at most this often; the fault serves the copy before the newest.
const BOOK_COPY_INTERVAL_NS: u64 = 1_000_000_000;
/// Levels per side in a copy: as deep as the streams go.
const BOOK_COPY_LEVELS: usize = 100;

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

/// Totals of one pair since the venue opened, and its two newest book copies.
#[derive(Clone, Debug, Default)]
struct PairStatistics {
    first: Option<Decimal>,
    last: Decimal,
    high: Decimal,
    low: Decimal,
    base_volume: Decimal,
    quote_volume: Decimal,
    newest: Option<BookCopy>,
    older: Option<BookCopy>,
}

/// What public answers need beyond the exchange's own state.
#[derive(Clone, Debug, Default)]
pub(super) struct MarketStatistics {
    pairs: Vec<PairStatistics>,
}

impl MarketStatistics {
    pub(super) fn new(pairs: usize) -> MarketStatistics {
        MarketStatistics { pairs: vec![PairStatistics::default(); pairs] }
    }

    pub(super) fn on_trade(&mut self, trade: &PublicTrade) {
        let Some(pair) = self.pairs.get_mut(trade.pair.index()) else { return };
        if pair.first.is_none() {
            pair.first = Some(trade.price);
            pair.low = trade.price;
        }
        pair.last = trade.price;
        pair.high = pair.high.max(trade.price);
        pair.low = pair.low.min(trade.price);
        // Display figures: past the number type they stand still rather than stop the venue.
        pair.base_volume = pair.base_volume.checked_add(trade.amount).unwrap_or(pair.base_volume);
        let value = trade.price.checked_mul(trade.amount).unwrap_or_default();
        pair.quote_volume = pair.quote_volume.checked_add(value).unwrap_or(pair.quote_volume);
    }

    /// Takes a copy of the book if the newest is old enough.
    pub(super) fn on_book(&mut self, pair: PairId, t_ns: u64, exchange: &Exchange) {
        let Some(statistics) = self.pairs.get_mut(pair.index()) else { return };
        let due = statistics.newest.as_ref().is_none_or(|copy| t_ns.saturating_sub(copy.t_ns) >= BOOK_COPY_INTERVAL_NS);
        if due {
            let copy = copy_of(exchange, pair, t_ns, BOOK_COPY_LEVELS);
            statistics.older = statistics.newest.replace(copy);
        }
    }

    /// The ticker of one pair; sizes only for a request that names it.
    pub(super) fn ticker(&self, pair: PairId, symbols: &Symbols, exchange: &Exchange, with_sizes: bool) -> TickerRow {
        let none = PairStatistics::default();
        let statistics = self.pairs.get(pair.index()).unwrap_or(&none);
        let book = exchange.book(pair);
        let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
        let price = |level: Option<Level>| level.map_or_else(String::new, |level| text(level.price));
        let size = |level: Option<Level>| with_sizes.then(|| level.map_or_else(|| "0".to_owned(), |level| text(level.amount)));
        let change = statistics
            .first
            .filter(|first| !first.is_zero())
            .map_or(Decimal::ZERO, |first| ((statistics.last - first) / first * Decimal::ONE_HUNDRED).round_dp(4));
        TickerRow {
            currency_pair: symbols.pair(pair).to_owned(),
            last: text(statistics.last),
            lowest_ask: price(ask),
            lowest_size: size(ask),
            highest_bid: price(bid),
            highest_size: size(bid),
            change_percentage: text(change),
            base_volume: text(statistics.base_volume),
            quote_volume: text(statistics.quote_volume),
            high_24h: text(statistics.high),
            low_24h: text(statistics.low),
        }
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

/// Answers a public request with the body of a 200.
pub(super) fn answer(
    endpoint: PublicEndpoint<'_>,
    query: &Query,
    t_ns: u64,
    exchange: &Exchange,
    symbols: &Symbols,
    statistics: &MarketStatistics,
    faults: &mut GateFaults,
) -> Result<String, ApiError> {
    match endpoint {
        PublicEndpoint::Time => Ok(json!({"server_time": t_ns / 1_000_000}).to_string()),
        PublicEndpoint::Currencies => Ok(Value::from_iter(symbols.assets().map(|(_, name)| currency(name))).to_string()),
        PublicEndpoint::Currency(name) => {
            symbols.find_asset(name).ok_or_else(|| ApiError::invalid_currency(name))?;
            Ok(currency(name).to_string())
        }
        PublicEndpoint::Pairs => {
            Ok(Value::from_iter(symbols.pairs().map(|(id, rules)| pair_row(rules, exchange.pair(id).config.trade_status)))
                .to_string())
        }
        PublicEndpoint::Pair(name) => {
            let id = symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
            let rules = symbols.rules(id).ok_or_else(|| ApiError::invalid_pair(name))?;
            Ok(pair_row(rules, exchange.pair(id).config.trade_status).to_string())
        }
        PublicEndpoint::Tickers => {
            let rows: Vec<TickerRow> = match query.get("currency_pair") {
                Some(name) => {
                    let pair = symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
                    vec![statistics.ticker(pair, symbols, exchange, true)]
                }
                None => symbols.pairs().map(|(pair, _)| statistics.ticker(pair, symbols, exchange, false)).collect(),
            };
            Ok(to_json(&rows))
        }
        PublicEndpoint::OrderBook => order_book(query, t_ns, exchange, symbols, statistics, faults),
        PublicEndpoint::Trades => trades(query, exchange, symbols),
    }
}

fn order_book(
    query: &Query,
    t_ns: u64,
    exchange: &Exchange,
    symbols: &Symbols,
    statistics: &MarketStatistics,
    faults: &mut GateFaults,
) -> Result<String, ApiError> {
    let name = query.required("currency_pair")?;
    let pair = symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
    let limit = query.number("limit", BOOK_LEVELS_DEFAULT, 1, BOOK_LEVELS_MAX)?;
    let limit = usize::try_from(limit).unwrap_or(BOOK_COPY_LEVELS);
    if query.get("interval").is_some_and(|interval| interval != "0") {
        return Err(ApiError::invalid_param("Invalid parameter interval: only 0 is simulated"));
    }
    let with_id = query.flag("with_id")?;
    if faults.empty_book_replies {
        let body = BookBody { id: None, current: t_ns / 1_000_000, update: t_ns / 1_000_000, asks: Vec::new(), bids: Vec::new() };
        return Ok(to_json(&body));
    }
    let older = statistics.pairs.get(pair.index()).and_then(|pair| pair.older.as_ref());
    let mut copy = match older {
        Some(older) if faults.stale_book_replies > 0 => {
            faults.stale_book_replies -= 1;
            older.clone()
        }
        _ => copy_of(exchange, pair, t_ns, limit),
    };
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

fn trades(query: &Query, exchange: &Exchange, symbols: &Symbols) -> Result<String, ApiError> {
    let name = query.required("currency_pair")?;
    let pair = symbols.find_pair(name).ok_or_else(|| ApiError::invalid_pair(name))?;
    let limit = query.number("limit", 100, 1, 1_000)?;
    let page = query.number("page", 1, 1, 100_000)?;
    let last_id = query.number("last_id", 0, 0, u64::MAX)?;
    let from_s = query.number("from", 0, 0, u64::MAX)?;
    let to_s = query.number("to", u64::MAX, 0, u64::MAX)?;
    let newest_first = exchange.public_trades(pair).rev();
    let rows: Vec<PublicTradeRow> = newest_first
        .filter(|trade| trade.trade_id.0 > last_id && (from_s..=to_s).contains(&(trade.t_ns / 1_000_000_000)))
        .map(|trade| public_trade_row(trade, symbols))
        .collect();
    Ok(to_json(&page_of(rows, page, limit)))
}

fn currency(name: &str) -> Value {
    json!({
        "currency": name,
        "name": name,
        "delisted": false,
        "withdraw_disabled": false,
        "withdraw_delayed": false,
        "deposit_disabled": false,
        "trade_disabled": false,
        "chain": "SIM",
        "chains": [{
            "name": "SIM",
            "addr": "",
            "withdraw_disabled": false,
            "withdraw_delayed": false,
            "deposit_disabled": false,
        }],
    })
}

fn pair_row(rules: &PairConfig, status: TradeStatus) -> Value {
    let optional = |value: Option<Decimal>| value.map(text);
    json!({
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
        "amount_precision": rules.amount_precision,
        "precision": rules.precision,
        "trade_status": match status {
            TradeStatus::Untradable => "untradable",
            TradeStatus::Buyable => "buyable",
            TradeStatus::Sellable => "sellable",
            TradeStatus::Tradable => "tradable",
        },
        "sell_start": 0,
        "buy_start": 0,
        "delisting_time": 0,
        "type": "normal",
        "st_tag": false,
        "trade_quotes": null,
    })
}
