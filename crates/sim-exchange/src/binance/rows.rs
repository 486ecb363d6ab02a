//! What Binance says about orders, executions and moments, as JSON (Binance spot API, enums and order responses).

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    notes::{Note, OrderType},
    symbols::Symbols,
};
use crate::core::{AccountTrade, Exchange, FinishReason, Order, OrderKind, Side, TimeInForce, TradeFilter};

/// How moments are written: in milliseconds or microseconds, by a clock that may be off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `timeUnit=MICROSECOND`.
    pub(super) micros: bool,
    /// How far ahead the venue's clock is.
    pub(super) ahead_ns: i64,
}

impl Stamp {
    /// The venue's word for this moment.
    pub(super) fn of(self, t_ns: u64) -> u64 {
        t_ns.saturating_add_signed(self.ahead_ns) / if self.micros { 1_000 } else { 1_000_000 }
    }
}

/// A decimal as Binance prints it: eight decimals, or more where a value has more.
pub(super) fn fixed(value: Decimal) -> String {
    let mut value = value.normalize();
    value.rescale(value.scale().max(8));
    value.to_string()
}

pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// `timeInForce`; what has none is shown as `GTC`.
pub(super) const fn time_in_force_word(order: &Order, kind: OrderType) -> &'static str {
    match (kind, order.time_in_force) {
        (OrderType::Limit, TimeInForce::Ioc) => "IOC",
        (OrderType::Limit, TimeInForce::Fok) => "FOK",
        _ => "GTC",
    }
}

/// `status` of an order.
pub(super) fn status_word(order: &Order) -> &'static str {
    match order.finish() {
        None if order.filled_amount.is_zero() => "NEW",
        None => "PARTIALLY_FILLED",
        Some(FinishReason::Filled) => "FILLED",
        Some(FinishReason::Cancelled) => "CANCELED",
        Some(FinishReason::SelfTrade) => "EXPIRED_IN_MATCH",
        Some(FinishReason::Ioc | FinishReason::Fok | FinishReason::Poc | FinishReason::PriceProtect | FinishReason::Refused) => {
            "EXPIRED"
        }
    }
}

/// `origQty`: base, also of an order that was placed by its quote.
pub(super) fn orig_qty(order: &Order) -> Decimal {
    if order.kind == OrderKind::Market && order.side == Side::Buy { order.filled_amount } else { order.amount }
}

/// Limit price; zero for market orders.
fn price_of(order: &Order, note: &Note) -> Decimal {
    if note.kind == OrderType::Market { Decimal::ZERO } else { order.price }
}

fn client_id(order: &Order) -> &str {
    order.text.as_deref().unwrap_or("web")
}

/// The fields that every form of an order has.
fn base_row(order: &Order, note: &Note, symbols: &Symbols) -> Value {
    let mut row = json!({
        "symbol": symbols.name(order.pair),
        "orderId": order.id.0,
        "orderListId": -1,
        "clientOrderId": client_id(order),
        "price": fixed(price_of(order, note)),
        "origQty": fixed(orig_qty(order)),
        "executedQty": fixed(order.filled_amount),
        "origQuoteOrderQty": fixed(note.quote_order_qty),
        "cummulativeQuoteQty": fixed(order.filled_total),
        "status": status_word(order),
        "timeInForce": time_in_force_word(order, note.kind),
        "type": note.kind.word(),
        "side": side_word(order.side),
        "selfTradePreventionMode": note.stp,
    });
    for (name, value) in [("strategyId", note.strategy_id), ("strategyType", note.strategy_type)] {
        if let Some(value) = value {
            row[name] = json!(value);
        }
    }
    row
}

/// An order as `GET /api/v3/order` and the lists have it.
pub(super) fn order_row(order: &Order, note: &Note, symbols: &Symbols, stamp: Stamp) -> Value {
    let mut row = base_row(order, note, symbols);
    row["stopPrice"] = json!(fixed(Decimal::ZERO));
    row["icebergQty"] = json!(fixed(Decimal::ZERO));
    row["time"] = json!(stamp.of(order.create_t_ns));
    row["updateTime"] = json!(stamp.of(order.update_t_ns));
    row["isWorking"] = json!(true);
    row["workingTime"] = json!(stamp.of(order.create_t_ns));
    row
}

/// The reply to a new order, with its executions in `FULL`.
pub(super) fn placed_row(order: &Order, note: &Note, full: bool, exchange: &Exchange, symbols: &Symbols, stamp: Stamp) -> Value {
    let mut row = base_row(order, note, symbols);
    row["transactTime"] = json!(stamp.of(order.update_t_ns));
    row["workingTime"] = json!(stamp.of(order.create_t_ns));
    if full {
        let filter = TradeFilter { pair: Some(order.pair), order_id: Some(order.id), ..TradeFilter::default() };
        let fills = exchange.trades(order.account, &filter).into_iter().rev().map(|trade| {
            let (commission, asset) = commission(trade, symbols);
            json!({
                "price": fixed(trade.price),
                "qty": fixed(trade.amount),
                "commission": fixed(commission),
                "commissionAsset": asset,
                "tradeId": trade.sequence_id,
            })
        });
        row["fills"] = fills.collect();
    }
    row
}

/// A cancelled order: `clientOrderId` names the cancel, `origClientOrderId` the order.
pub(super) fn cancelled_row(order: &Order, note: &Note, cancel_id: &str, symbols: &Symbols, stamp: Stamp) -> Value {
    let mut row = base_row(order, note, symbols);
    row["origClientOrderId"] = json!(client_id(order));
    row["clientOrderId"] = json!(cancel_id);
    row["transactTime"] = json!(stamp.of(order.update_t_ns));
    row
}

/// An own execution as `myTrades` has it. Trades are numbered per symbol.
pub(super) fn trade_row(trade: &AccountTrade, symbols: &Symbols, stamp: Stamp) -> Value {
    let (commission, asset) = commission(trade, symbols);
    json!({
        "symbol": symbols.name(trade.pair),
        "id": trade.sequence_id,
        "orderId": trade.order_id.0,
        "orderListId": -1,
        "price": fixed(trade.price),
        "qty": fixed(trade.amount),
        "quoteQty": fixed(value_of(trade)),
        "commission": fixed(commission),
        "commissionAsset": asset,
        "time": stamp.of(trade.t_ns),
        "isBuyer": trade.side == Side::Buy,
        "isMaker": trade.role == crate::core::Role::Maker,
        "isBestMatch": true,
    })
}

/// What an execution cost, and in which asset.
pub(super) fn commission<'a>(trade: &AccountTrade, symbols: &'a Symbols) -> (Decimal, &'a str) {
    if trade.gt_fee.is_zero() { (trade.fee, symbols.asset(trade.fee_asset)) } else { (trade.gt_fee, symbols.fee_asset()) }
}

/// Quote of an execution.
pub(super) fn value_of(trade: &AccountTrade) -> Decimal {
    // Matching refuses whatever does not fit.
    crate::core::exact::multiply(trade.price, trade.amount).unwrap_or_default()
}

/// An `executionReport`: what happened to an order, with the state it then was in (Binance spot API, user data streams).
#[derive(Clone, Copy, Debug)]
pub(super) struct Report<'a> {
    /// `x`.
    pub(super) execution: &'static str,
    /// `X`.
    pub(super) status: &'static str,
    /// When.
    pub(super) t_ns: u64,
    /// Base executed until then.
    pub(super) filled: Decimal,
    /// Quote executed until then.
    pub(super) total: Decimal,
    /// The execution that it tells.
    pub(super) trade: Option<&'a AccountTrade>,
    /// The number of the report; 0 for the next one.
    pub(super) number: u64,
    /// The client id that an amendment took from the order.
    pub(super) renamed: Option<&'a str>,
    /// Whether the order rests after it.
    pub(super) rests: bool,
}

impl Report<'_> {
    /// Its JSON, stamped with `out_ns`.
    pub(super) fn value(&self, order: &Order, note: &Note, symbols: &Symbols, stamp: Stamp, out_ns: u64) -> Value {
        let zero = || fixed(Decimal::ZERO);
        let cancel_id = note.cancel_id.as_deref().filter(|_| self.execution == "CANCELED");
        // While it is told, an order placed by its quote shows what it came to.
        let mut event = json!({
            "e": "executionReport",
            "E": stamp.of(out_ns),
            "s": symbols.name(order.pair),
            "c": cancel_id.unwrap_or(client_id(order)),
            "S": side_word(order.side),
            "o": note.kind.word(),
            "f": time_in_force_word(order, note.kind),
            "q": fixed(orig_qty(order)),
            "p": fixed(price_of(order, note)),
            "P": zero(),
            "F": zero(),
            "g": -1,
            "C": cancel_id.map_or(self.renamed.unwrap_or_default(), |_| client_id(order)),
            "x": self.execution,
            "X": self.status,
            "r": "NONE",
            "i": order.id.0,
            "l": self.trade.map_or_else(zero, |trade| fixed(trade.amount)),
            "z": fixed(self.filled),
            "L": self.trade.map_or_else(zero, |trade| fixed(trade.price)),
            "n": "0",
            "N": Value::Null,
            "T": stamp.of(self.t_ns),
            "t": self.trade.map_or(json!(-1), |trade| json!(trade.sequence_id)),
            "I": self.number,
            "w": self.rests,
            "m": self.trade.is_some_and(|trade| trade.role == crate::core::Role::Maker),
            "M": self.trade.is_some(),
            "O": stamp.of(order.create_t_ns),
            "Z": fixed(self.total),
            "Y": self.trade.map_or_else(zero, |trade| fixed(value_of(trade))),
            "Q": fixed(note.quote_order_qty),
            "W": stamp.of(order.create_t_ns),
            "V": note.stp,
        });
        if let Some(trade) = self.trade {
            let (commission, asset) = commission(trade, symbols);
            event["n"] = json!(fixed(commission));
            event["N"] = json!(asset);
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_eight_decimals_and_moments_their_unit() {
        let rows = [
            ("0", "0.00000000"),
            ("35000.1", "35000.10000000"),
            ("1.500000000000", "1.50000000"),
            ("0.0000000001", "0.0000000001"),
        ];
        for (value, expected) in rows {
            assert_eq!(fixed(value.parse().expect("a decimal")), expected);
        }
        let t_ns = 1_700_000_000_123_456_789;
        assert_eq!(Stamp::default().of(t_ns), 1_700_000_000_123);
        assert_eq!(Stamp { micros: true, ahead_ns: -456_000 }.of(t_ns), 1_700_000_000_123_000);
    }
}
