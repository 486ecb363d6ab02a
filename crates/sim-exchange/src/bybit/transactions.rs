//! The account's transaction log (Bybit API v5, get transaction log): a row for each change of a wallet balance, newest first.
//!
//! What is only held for an order, or freed again, changes no wallet balance and has no row. An execution has two: one for the coin that
//! was spent, one for the coin that was received, with the fee. `change` is `cashFlow` less `fee`, and `cashBalance` what the wallet holds
//! after it, so that the changes of a coin add up to its balance. The money an account began with was transferred in.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    error::ApiError,
    lookups::{DAY_MS, below, cut, span},
    market::{Category, category},
    orders::Caller,
    params::Params,
    rows::{RowContext, side_word},
};
use crate::{
    core::{AccountTrade, BalanceEvent, BalanceReason, TradeFilter},
    shared::text::decimal,
};

/// GET `/v5/account/transaction-log`.
///
/// # Errors
/// `10001` for another account type, an unknown category, or a span of more than seven days.
pub(super) fn transactions(params: &Params, caller: &Caller, context: &RowContext<'_>) -> Result<Value, ApiError> {
    if let Some(other) = params.get("accountType").filter(|kind| *kind != "UNIFIED") {
        return Err(ApiError::new(10_001, format!("accountType only support UNIFIED, not {other}.")));
    }
    let limit = params.number("limit", 20, 1, 50)?;
    let below = below(params)?;
    let (from_ms, to_ms) = span(params, caller, context.clock, DAY_MS)?;
    let of_spot = params.get("category").map(|name| category(Some(name))).transpose()?;
    let wanted = |row: &Transaction<'_>| {
        let (kind, fill) = (row.kind(), row.fill);
        let base = fill.and_then(|fill| context.symbols.rules(fill.pair)).map(|rules| rules.base.as_str());
        let shown_ms = context.clock.shown_ns(row.change.t_ns) / 1_000_000;
        row.number < below
            && (from_ms..=to_ms).contains(&shown_ms)
            && row.change.t_ns <= caller.t_ns.saturating_sub(caller.visibility.trade_hidden_ns)
            // A transfer belongs to no product.
            && of_spot.is_none_or(|category| category == Category::Spot && fill.is_some())
            && params.get("currency").is_none_or(|name| name == context.symbols.asset(row.change.asset))
            && params.get("baseCoin").is_none_or(|name| base == Some(name))
            && params.get("type").is_none_or(|name| name == kind)
            // What has one is not simulated.
            && params.get("transSubType").is_none()
    };
    let most = usize::try_from(limit).unwrap_or(50) + 1;
    let rows = newest_first(caller, context).filter(wanted).take(most).map(|row| (row.number, row.shown(context))).collect();
    let (rows, cursor) = cut(rows, limit);
    Ok(json!({"list": rows, "nextPageCursor": cursor}))
}

/// A change of a wallet balance.
struct Transaction<'a> {
    /// Its number in the venue's account book.
    number: u64,
    change: &'a BalanceEvent,
    /// The execution that caused it.
    fill: Option<&'a AccountTrade>,
    /// Paid of what was received.
    fee: Decimal,
    /// What the wallet holds after it.
    after: Decimal,
}

/// All changes that are still remembered.
///
/// Going back, an execution comes as its fee, what it received and what it spent; so each of those that spent is the next execution.
fn newest_first<'a>(caller: &Caller, context: &RowContext<'a>) -> impl Iterator<Item = Transaction<'a>> + use<'a> {
    let account = caller.account;
    let mut fills = context.exchange.trades(account, &TradeFilter::default()).into_iter().peekable();
    let mut paid: Option<&BalanceEvent> = None;
    context.exchange.balance_changes(account).rev().filter_map(move |(number, change)| {
        let plain = |fill, fee, after| Some(Transaction { number: *number, change, fill, fee, after });
        match change.reason {
            BalanceReason::OrderCreate | BalanceReason::OrderAmend | BalanceReason::OrderRelease => None,
            BalanceReason::Deposit | BalanceReason::Withdrawal => plain(None, Decimal::ZERO, change.total),
            BalanceReason::Fee => {
                paid = Some(change);
                None
            }
            BalanceReason::OrderMatch if change.change.is_sign_negative() => plain(fills.next(), Decimal::ZERO, change.total),
            BalanceReason::OrderMatch => {
                let paid = paid.take().filter(|paid| (paid.asset, paid.order) == (change.asset, change.order));
                let (fee, after) = paid.map_or((Decimal::ZERO, change.total), |paid| (-paid.change, paid.total));
                plain(fills.peek().copied(), fee, after)
            }
        }
    })
}

impl Transaction<'_> {
    /// `type` (Bybit API v5, enums).
    fn kind(&self) -> &'static str {
        match self.change.reason {
            BalanceReason::Deposit => "TRANSFER_IN",
            BalanceReason::Withdrawal => "TRANSFER_OUT",
            _ => "TRADE",
        }
    }

    fn shown(&self, context: &RowContext<'_>) -> Value {
        let flow = self.change.change;
        let symbol = self.fill.map_or("", |fill| context.symbols.name(fill.pair));
        let of_fill = |text: fn(&AccountTrade) -> String| self.fill.map(text).unwrap_or_default();
        let account = context.exchange.account(self.change.account);
        let rate = account.zip(self.fill).filter(|_| !self.fee.is_zero()).map(|(account, fill)| account.fees.rate(fill.role));
        json!({
            "id": if symbol.is_empty() { self.number.to_string() } else { format!("{symbol}_{}", self.number) },
            "symbol": symbol,
            "category": if self.fill.is_some() { "spot" } else { "" },
            "side": self.fill.map_or("None", |fill| side_word(fill.side)),
            "transactionTime": (context.clock.shown_ns(self.change.t_ns) / 1_000_000).to_string(),
            "type": self.kind(),
            "transSubType": "",
            "qty": decimal(flow),
            "size": "0",
            "currency": context.symbols.asset(self.change.asset),
            "tradePrice": of_fill(|fill| decimal(fill.price)),
            "funding": "",
            "fee": decimal(self.fee),
            "cashFlow": decimal(flow),
            "change": decimal(flow - self.fee),
            "cashBalance": decimal(self.after),
            "feeRate": rate.map_or_else(|| "0".to_owned(), decimal),
            "bonusChange": "",
            "tradeId": of_fill(|fill| fill.trade_id.0.to_string()),
            "orderId": of_fill(|fill| fill.order_id.0.to_string()),
            "orderLinkId": of_fill(|fill| fill.text.clone().unwrap_or_default()),
            "extraFees": "",
        })
    }
}
