//! Private news: what is told to the owner of an order or a balance (Binance spot API, user data streams).
//!
//! Start at [`tell`]. An order is told as `NEW`, then once for each execution and amendment, and at its end unless the last
//! execution filled it; then come the balances that moved, all that one batch touched in one event. There is no sequence number over
//! these events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    notes::Notes,
    rate::Limits,
    rows::{Report, Stamp, fixed, status_word, value_of},
    symbols::Symbols,
};
use crate::core::{
    AccountId, AccountTrade, AssetId, BalanceEvent, BalanceReason, Event, Exchange, FinishReason, Order, OrderEvent, Role,
};

/// What an event is about: delays and faults differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Order,
    Fill,
    Balance,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) account: AccountId,
    pub(super) topic: Topic,
    /// In milliseconds and in microseconds.
    pub(super) texts: [Value; 2],
}

/// What is needed to tell.
pub(super) struct TellContext<'a> {
    pub(super) t_ns: u64,
    /// Whose news is told: the account that the venue's keys belong to. Nobody can hear of any other.
    pub(super) owner: Option<AccountId>,
    pub(super) exchange: &'a Exchange,
    pub(super) symbols: &'a Symbols,
    pub(super) notes: &'a mut Notes,
    pub(super) limits: &'a mut Limits,
    pub(super) stamp: Stamp,
    /// Counts reports.
    pub(super) reports: &'a mut u64,
}

/// Turns what happened into news, oldest first, and counts first fills.
pub(super) fn tell(events: &[Event], context: &mut TellContext<'_>) -> Vec<News> {
    let mut news = Vec::new();
    let mut moved: BTreeMap<(AccountId, AssetId), BalanceEvent> = BTreeMap::new();
    for event in events {
        let account = match event {
            Event::Fill(trade) => trade.account,
            Event::Order(event) => event.order.account,
            Event::Balance(change) => change.account,
            Event::Book(_) | Event::Trade(_) => continue,
        };
        if Some(account) != context.owner {
            continue;
        }
        match event {
            Event::Fill(trade) => on_fill(trade, context, &mut news),
            Event::Order(event) => on_order(event, context, &mut news),
            Event::Balance(change) => {
                moved.insert((change.account, change.asset), *change);
                if matches!(change.reason, BalanceReason::Deposit | BalanceReason::Withdrawal) {
                    news.push(balance_update(change, context));
                }
            }
            Event::Book(_) | Event::Trade(_) => {}
        }
    }
    let mut by_account: BTreeMap<AccountId, Vec<BalanceEvent>> = BTreeMap::new();
    for ((account, _), change) in moved {
        by_account.entry(account).or_default().push(change);
    }
    news.extend(by_account.into_iter().map(|(account, changes)| position(account, &changes, context)));
    news
}

fn both(context: &TellContext<'_>, make: impl Fn(Stamp) -> Value) -> [Value; 2] {
    [false, true].map(|micros| make(Stamp { micros, ..context.stamp }))
}

fn on_fill(trade: &AccountTrade, context: &mut TellContext<'_>, news: &mut Vec<News>) {
    let exchange = context.exchange;
    let Some(order) = exchange.order(trade.order_id) else { return };
    introduce(order, context, news);
    let note = context.notes.of_mut(order);
    if note.told_amount.is_zero()
        && let Some(account) = exchange.account(order.account)
    {
        context.limits.first_fill(account.user_id, trade.role == Role::Maker, context.t_ns);
    }
    note.told_amount = note.told_amount.checked_add(trade.amount).unwrap_or(note.told_amount);
    note.told_total = note.told_total.checked_add(value_of(trade)).unwrap_or(note.told_total);
    let is_last = order.finish() == Some(FinishReason::Filled) && note.told_amount == order.filled_amount;
    let (filled, total) = (note.told_amount, note.told_total);
    let report = Report {
        execution: "TRADE",
        status: if is_last { "FILLED" } else { "PARTIALLY_FILLED" },
        t_ns: trade.t_ns,
        filled,
        total,
        trade: Some(trade),
        number: 0,
        renamed: None,
        rests: !is_last && order.end.is_none(),
    };
    push(report, order, Topic::Fill, context, news);
}

fn on_order(event: &OrderEvent, context: &mut TellContext<'_>, news: &mut Vec<News>) {
    let order = &event.order;
    introduce(order, context, news);
    let (execution, rests) = match order.finish() {
        // The order's state as of now is in its executions, and the first word was told already.
        Some(FinishReason::Filled) => return,
        None => return on_amendment(order, context, news),
        Some(FinishReason::Cancelled) => ("CANCELED", false),
        Some(FinishReason::SelfTrade) => ("TRADE_PREVENTION", false),
        Some(FinishReason::Ioc | FinishReason::Fok | FinishReason::Poc | FinishReason::PriceProtect | FinishReason::Refused) => {
            ("EXPIRED", false)
        }
    };
    let report = Report {
        execution,
        status: status_word(order),
        t_ns: order.update_t_ns,
        filled: order.filled_amount,
        total: order.filled_total,
        trade: None,
        number: 0,
        renamed: None,
        rests,
    };
    push(report, order, Topic::Order, context, news);
}

/// Tells of the amendment that gave an order its quantity, once.
fn on_amendment(order: &Order, context: &mut TellContext<'_>, news: &mut Vec<News>) {
    let mut amendments = context.notes.of_mut(order).amendments.iter_mut();
    let Some(amended) = amendments.find(|amended| !amended.is_told && amended.new_amount == order.amount) else { return };
    amended.is_told = true;
    let amended = amended.clone();
    let report = Report {
        execution: "REPLACED",
        status: status_word(order),
        t_ns: amended.t_ns,
        filled: order.filled_amount,
        total: order.filled_total,
        trade: None,
        number: amended.number,
        renamed: Some(&amended.old_id),
        rests: true,
    };
    push(report, order, Topic::Order, context, news);
}

/// Tells of an order as new, once.
fn introduce(order: &Order, context: &mut TellContext<'_>, news: &mut Vec<News>) {
    let note = context.notes.of_mut(order);
    if std::mem::replace(&mut note.is_told, true) {
        return;
    }
    let report = Report {
        execution: "NEW",
        status: "NEW",
        t_ns: order.create_t_ns,
        filled: rust_decimal::Decimal::ZERO,
        total: rust_decimal::Decimal::ZERO,
        trade: None,
        number: 0,
        renamed: None,
        rests: true,
    };
    push(report, order, Topic::Order, context, news);
}

fn push(mut report: Report<'_>, order: &Order, topic: Topic, context: &mut TellContext<'_>, news: &mut Vec<News>) {
    if report.number == 0 {
        *context.reports += 1;
        report.number = *context.reports;
    }
    let note = context.notes.of(order);
    let texts = both(context, |stamp| report.value(order, &note, context.symbols, stamp, context.t_ns));
    news.push(News { account: order.account, topic, texts });
}

fn balance_update(change: &BalanceEvent, context: &TellContext<'_>) -> News {
    let texts = both(context, |stamp| {
        json!({
            "e": "balanceUpdate",
            "E": stamp.of(context.t_ns),
            "a": context.symbols.asset(change.asset),
            "d": fixed(change.change),
            "T": stamp.of(change.t_ns),
        })
    });
    News { account: change.account, topic: Topic::Balance, texts }
}

fn position(account: AccountId, changes: &[BalanceEvent], context: &TellContext<'_>) -> News {
    let texts = both(context, |stamp| {
        let rows = changes.iter().map(
            |change| json!({"a": context.symbols.asset(change.asset), "f": fixed(change.available), "l": fixed(change.locked)}),
        );
        json!({
            "e": "outboundAccountPosition",
            "E": stamp.of(context.t_ns),
            "u": stamp.of(changes.iter().map(|change| change.t_ns).max().unwrap_or(context.t_ns)),
            "B": rows.collect::<Vec<Value>>(),
        })
    });
    News { account, topic: Topic::Balance, texts }
}
