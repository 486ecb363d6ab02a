//! The rows of lists, replies and streams, field by field (Bybit API v5: orders, executions, wallet, tickers).
//!
//! Numbers are text throughout, as on Bybit; times are text in rows and numbers around them. Nothing is decided here.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    memory::{Memory, Unit},
    statistics::Statistics,
    symbols::Symbols,
};
use crate::{
    core::{
        AccountId, AccountTrade, AssetId, Balance, Exchange, FinishReason, Level, Order, OrderKind, PairId, Role, Side,
        TimeInForce, TradeFilter, exact,
    },
    faults::VenueClock,
    shared::text::decimal,
};

const MS: u64 = 1_000_000;
/// Decimals of an average price: a quotient, cut.
const AVERAGE_DECIMALS: u32 = 10;
/// Decimals of values in USD, which are only shown.
const USD_DECIMALS: u32 = 8;

/// What every row is made with.
#[derive(Clone, Copy)]
pub(super) struct RowContext<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) memory: &'a Memory,
    pub(super) exchange: &'a Exchange,
    pub(super) clock: VenueClock,
}

impl RowContext<'_> {
    fn ms(&self, t_ns: u64) -> String {
        (self.clock.shown_ns(t_ns) / MS).to_string()
    }
}

/// `Buy` or `Sell`.
pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

/// Levels as pairs of text.
pub(super) fn levels(levels: &[Level]) -> Vec<[String; 2]> {
    levels.iter().map(|level| [decimal(level.price), decimal(level.amount)]).collect()
}

/// `orderStatus`, `cancelType` and `rejectReason`.
pub(super) fn state_of(order: &Order, memory: &Memory) -> (&'static str, &'static str, &'static str) {
    let ended = if order.filled_amount.is_zero() { "Cancelled" } else { "PartiallyFilledCanceled" };
    match order.finish() {
        None if order.filled_amount.is_zero() => ("New", "UNKNOWN", "EC_NoError"),
        None => ("PartiallyFilled", "UNKNOWN", "EC_NoError"),
        // What a market order sized in quote could not spend to the last digit is given back.
        Some(FinishReason::Filled) if unspent(order, memory) => (ended, "UNKNOWN", "EC_NoError"),
        Some(FinishReason::Filled) => ("Filled", "UNKNOWN", "EC_NoError"),
        Some(FinishReason::Cancelled) => {
            let by = memory.cancelled(order.id).map_or("CancelByAdmin", |by| by.word());
            (ended, by, "EC_PerCancelRequest")
        }
        Some(FinishReason::Ioc) => (ended, "UNKNOWN", "EC_NoImmediateQtyToFill"),
        Some(FinishReason::PriceProtect) => (ended, "UNKNOWN", "EC_ReachMarketPriceLimit"),
        Some(FinishReason::Poc) => (ended, "UNKNOWN", "EC_PostOnlyWillTakeLiquidity"),
        Some(FinishReason::Fok) => (ended, "UNKNOWN", "EC_CancelForNoFullFill"),
        Some(FinishReason::SelfTrade) => (ended, "CancelBySmp", "EC_BySelfMatch"),
        Some(FinishReason::Refused) => ("Rejected", "UNKNOWN", "EC_InvalidSymbolStatus"),
    }
}

fn unspent(order: &Order, memory: &Memory) -> bool {
    memory.market(order.id).is_some_and(|ask| ask.unit == Unit::Quote && order.filled_total < ask.quantity)
}

/// An order as lists and the `order` topic carry it.
pub(super) fn order(order: &Order, context: &RowContext<'_>) -> Value {
    let (status, cancel_type, reject_reason) = state_of(order, context.memory);
    let ask = context.memory.market(order.id);
    let is_market = ask.is_some() || order.kind == OrderKind::Market;
    let fee_coin = context.symbols.asset(order.fee_asset);
    let leaves = if order.end.is_none() { order.left } else { Decimal::ZERO };
    let leaves_value = exact::multiply(leaves, order.price).unwrap_or_default();
    let average = order.average_price_rounded_down(AVERAGE_DECIMALS).map_or_else(String::new, decimal);
    let (tolerance_type, tolerance) = ask.and_then(|ask| ask.tolerance.clone()).unwrap_or_else(|| ("UNKNOWN", String::new()));
    let mut fees = Map::new();
    if !order.fee.is_zero() {
        fees.insert(fee_coin.to_owned(), json!(decimal(order.fee)));
    }
    let row = json!({
        "orderId": order.id.0.to_string(),
        "orderLinkId": order.text.as_deref().unwrap_or_default(),
        "symbol": context.symbols.name(order.pair),
        "price": if is_market { "0".to_owned() } else { decimal(order.price) },
        "qty": decimal(ask.map_or(order.amount, |ask| ask.quantity)),
        "side": side_word(order.side),
        "orderStatus": status,
        "cancelType": cancel_type,
        "rejectReason": reject_reason,
        "avgPrice": average,
        "leavesQty": decimal(leaves),
        "leavesValue": decimal(leaves_value),
        "cumExecQty": decimal(order.filled_amount),
        "cumExecValue": decimal(order.filled_total),
        "cumExecFee": decimal(order.fee),
        "feeCurrency": fee_coin,
        "cumFeeDetail": fees,
        "timeInForce": if is_market { "IOC" } else { time_in_force_word(order.time_in_force) },
        "orderType": if is_market { "Market" } else { "Limit" },
        "marketUnit": ask.filter(|ask| ask.names_unit).map_or("", |ask| ask.unit.word()),
        "slippageToleranceType": tolerance_type,
        "slippageTolerance": tolerance,
        "createdTime": context.ms(order.create_t_ns),
        "updatedTime": context.ms(order.update_t_ns),
    });
    joined(row, unused_of_order())
}

/// What an order row says of everything that is not simulated.
fn unused_of_order() -> Value {
    json!({
        "blockTradeId": "",
        "isLeverage": "0",
        "positionIdx": 0,
        "stopOrderType": "",
        "ocoTriggerBy": "OcoTriggerByUnknown",
        "orderIv": "",
        "extraFees": "",
        "triggerPrice": "0",
        "takeProfit": "0",
        "stopLoss": "0",
        "tpLimitPrice": "0",
        "slLimitPrice": "0",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": 0,
        "triggerBy": "",
        "lastPriceOnCreated": "",
        "reduceOnly": false,
        "closeOnTrigger": false,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
    })
}

/// One object with the fields of both.
fn joined(mut row: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut row, more) {
        fields.extend(more);
    }
    row
}

const fn time_in_force_word(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::Poc => "PostOnly",
    }
}

/// An execution as lists and the `execution` topic carry it.
pub(super) fn execution(fill: &AccountTrade, context: &RowContext<'_>) -> Value {
    let order = context.exchange.order(fill.order_id);
    let ask = context.memory.market(fill.order_id);
    let value = exact::multiply(fill.price, fill.amount).unwrap_or_default();
    let is_market = ask.is_some() || order.is_some_and(|order| order.kind == OrderKind::Market);
    let rate = context.exchange.account(fill.account).map_or(Decimal::ZERO, |account| account.fees.rate(fill.role));
    let price = order.filter(|_| !is_market).map_or(Decimal::ZERO, |order| order.price);
    let quantity = ask.map(|ask| ask.quantity).or_else(|| order.map(|order| order.amount)).unwrap_or(fill.amount);
    json!({
        "symbol": context.symbols.name(fill.pair),
        "orderId": fill.order_id.0.to_string(),
        "orderLinkId": fill.text.as_deref().unwrap_or_default(),
        "side": side_word(fill.side),
        "orderPrice": decimal(price),
        "orderQty": decimal(quantity),
        "leavesQty": decimal(left_after(fill, order, is_market, context.exchange)),
        "orderType": if is_market { "Market" } else { "Limit" },
        "stopOrderType": "",
        "execFee": decimal(fill.fee),
        "execId": fill.trade_id.0.to_string(),
        "execPrice": decimal(fill.price),
        "execQty": decimal(fill.amount),
        "execType": "Trade",
        "execValue": decimal(value),
        "execTime": context.ms(fill.t_ns),
        "feeCurrency": context.symbols.asset(fill.fee_asset),
        "isMaker": fill.role == Role::Maker,
        "feeRate": decimal(rate),
        "tradeIv": "",
        "markIv": "",
        "markPrice": "",
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "",
        "isLeverage": "0",
        "marketUnit": ask.filter(|ask| ask.names_unit).map_or("", |ask| ask.unit.word()),
        "extraFees": "",
        "seq": fill.sequence_id,
    })
}

/// What this fill left of its order. Zero for market orders, whose remainder never rests, and for orders that are forgotten.
fn left_after(fill: &AccountTrade, order: Option<&Order>, is_market: bool, exchange: &Exchange) -> Decimal {
    let Some(order) = order.filter(|_| !is_market) else { return Decimal::ZERO };
    let filter = TradeFilter { order_id: Some(fill.order_id), ..TradeFilter::default() };
    let until = exchange.trades(fill.account, &filter).into_iter().filter(|other| other.trade_id <= fill.trade_id);
    let filled = until.fold(Decimal::ZERO, |sum, other| exact::add(sum, other.amount).unwrap_or(sum));
    exact::subtract(order.amount, filled).unwrap_or_default().max(Decimal::ZERO)
}

/// An execution as `execution.fast` carries it. The client id of a resting order is not in it.
pub(super) fn fast_execution(fill: &AccountTrade, context: &RowContext<'_>) -> Value {
    let link = fill.text.as_deref().filter(|_| fill.role == Role::Taker);
    json!({
        "category": "spot",
        "symbol": context.symbols.name(fill.pair),
        "execId": fill.trade_id.0.to_string(),
        "execPrice": decimal(fill.price),
        "execQty": decimal(fill.amount),
        "orderId": fill.order_id.0.to_string(),
        "isMaker": fill.role == Role::Maker,
        "orderLinkId": link.unwrap_or_default(),
        "side": side_word(fill.side),
        "execTime": context.ms(fill.t_ns),
        "seq": fill.sequence_id,
    })
}

/// The whole account with these coins.
pub(super) fn wallet(account: AccountId, coins: &[(AssetId, Balance)], context: &RowContext<'_>) -> Value {
    let sum = |a: Decimal, b: Decimal| exact::add(a, b).unwrap_or(a);
    let worth = |asset, amount| usd_value(asset, amount, context).unwrap_or_default();
    let rows: Vec<Value> = coins
        .iter()
        .map(|(asset, balance)| coin(*asset, *balance, worth(*asset, sum(balance.available, balance.locked)), context))
        .collect();
    let (mut total, mut free) = (Decimal::ZERO, Decimal::ZERO);
    for (asset, balance) in context.exchange.balances(account) {
        total = sum(total, worth(asset, sum(balance.available, balance.locked)));
        free = sum(free, worth(asset, balance.available));
    }
    let (total, free) = (decimal(total), decimal(free));
    json!({
        "accountType": "UNIFIED",
        "accountLTV": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "accountIMRateByMp": "0",
        "accountMMRateByMp": "0",
        "totalEquity": total,
        "totalWalletBalance": total,
        "totalMarginBalance": total,
        "totalAvailableBalance": free,
        "totalPerpUPL": "0",
        "totalInitialMargin": "0",
        "totalMaintenanceMargin": "0",
        "totalInitialMarginByMp": "0",
        "totalMaintenanceMarginByMp": "0",
        "coin": rows,
    })
}

fn coin(asset: AssetId, balance: Balance, usd: Decimal, context: &RowContext<'_>) -> Value {
    // The ledger refuses any change whose total does not fit, so this sum is exact.
    let total = decimal(balance.available + balance.locked);
    json!({
        "coin": context.symbols.asset(asset),
        "equity": total,
        "usdValue": decimal(usd),
        "walletBalance": total,
        "locked": decimal(balance.locked),
        "spotHedgingQty": "0",
        "borrowAmount": "0",
        "spotBorrow": "0",
        "availableToBorrow": "",
        "availableToWithdraw": "",
        "accruedInterest": "0",
        "totalOrderIM": "0",
        "totalPositionIM": "0",
        "totalPositionMM": "0",
        "unrealisedPnl": "0",
        "cumRealisedPnl": "0",
        "bonus": "0",
        "marginCollateral": true,
        "collateralSwitch": false,
    })
}

/// What an amount is worth in USDT by the middle of its book; `None` without such a book.
fn usd_value(asset: AssetId, amount: Decimal, context: &RowContext<'_>) -> Option<Decimal> {
    let name = context.symbols.asset(asset);
    if name == "USDT" {
        return Some(amount);
    }
    let pair = context.symbols.find(&format!("{name}USDT"))?;
    let price = context.exchange.book(pair).mid_rounded_down()?;
    exact::divide_rounded_down(exact::multiply(amount, price).ok()?, Decimal::ONE, USD_DECIMALS)
}

/// The figures of a day, as lists and the `tickers` topic share them.
pub(super) fn ticker(pair: PairId, symbols: &Symbols, statistics: &Statistics, exchange: &Exchange, t_ns: u64) -> Value {
    let day = statistics.day(pair, t_ns / 1_000_000_000);
    // A listed pair always has a price: the middle of its book before the first trade.
    let middle = || exchange.book(pair).mid_rounded_down().unwrap_or_default();
    let last = if day.last.is_zero() { middle() } else { day.last };
    let or_last = |price: Decimal| decimal(if price.is_zero() { last } else { price });
    let change = last
        .checked_sub(day.previous)
        .filter(|_| !day.previous.is_zero())
        .and_then(|change| change.checked_div(day.previous))
        .unwrap_or_default();
    json!({
        "symbol": symbols.name(pair),
        "lastPrice": decimal(last),
        "prevPrice24h": or_last(day.previous),
        "price24hPcnt": decimal(change.round_dp(4)),
        "highPrice24h": or_last(day.high),
        "lowPrice24h": or_last(day.low),
        "turnover24h": decimal(day.turnover),
        "volume24h": decimal(day.volume),
        "usdIndexPrice": "",
    })
}
