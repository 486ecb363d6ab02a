//! What an exchange remembers: orders by id and by client id, fills per account, public trades per pair, each bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    config::HistoryLimits,
    event::{AccountTrade, BalanceEvent, PublicTrade},
    order::Order,
    types::{AccountId, OrderId, PairId, Side, TradeId},
};

/// Which finished orders are wanted. Newest first; `page` counts from 1 and 0 means 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only this pair.
    pub pair: Option<PairId>,
    /// Only this side.
    pub side: Option<Side>,
    /// Ended at or after, Unix nanoseconds.
    pub from_t_ns: Option<u64>,
    /// Ended at or before, Unix nanoseconds.
    pub to_t_ns: Option<u64>,
    /// Rows per page; 0 means all.
    pub limit: usize,
    /// Page.
    pub page: usize,
}

/// Which fills are wanted. Newest first; `page` counts from 1 and 0 means 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeFilter {
    /// Only this pair.
    pub pair: Option<PairId>,
    /// Only fills of this order.
    pub order_id: Option<OrderId>,
    /// Only trades with a greater id.
    pub since_id: Option<TradeId>,
    /// Traded at or after, Unix nanoseconds.
    pub from_t_ns: Option<u64>,
    /// Traded at or before, Unix nanoseconds.
    pub to_t_ns: Option<u64>,
    /// Rows per page; 0 means all.
    pub limit: usize,
    /// Page.
    pub page: usize,
}

fn page_of<T>(rows: impl Iterator<Item = T>, limit: usize, page: usize) -> Vec<T> {
    if limit == 0 {
        return rows.collect();
    }
    rows.skip(limit.saturating_mul(page.saturating_sub(1))).take(limit).collect()
}

#[derive(Clone, Debug)]
pub(super) struct History {
    limits: HistoryLimits,
    /// Open orders of all accounts, and remembered finished ones of all but the market.
    /// Boxed: the market's come and go thousands of times a minute, and an order is large.
    orders: BTreeMap<OrderId, Box<Order>>,
    by_text: BTreeMap<AccountId, BTreeMap<String, OrderId>>,
    open: BTreeSet<(AccountId, OrderId)>,
    /// In order of their end, per account.
    finished: Vec<VecDeque<OrderId>>,
    fills: Vec<VecDeque<AccountTrade>>,
    /// Numbered balance changes, per account.
    balance_changes: Vec<VecDeque<(u64, BalanceEvent)>>,
    last_balance_change: u64,
    trades: Vec<VecDeque<PublicTrade>>,
}

fn push_bounded<T>(rows: &mut VecDeque<T>, row: T, max: usize) -> Option<T> {
    rows.push_back(row);
    if rows.len() > max { rows.pop_front() } else { None }
}

impl History {
    pub(super) fn new(limits: HistoryLimits, pairs: usize) -> History {
        History {
            limits,
            orders: BTreeMap::new(),
            by_text: BTreeMap::new(),
            open: BTreeSet::new(),
            finished: Vec::new(),
            fills: Vec::new(),
            balance_changes: Vec::new(),
            last_balance_change: 0,
            trades: vec![VecDeque::new(); pairs],
        }
    }

    pub(super) fn add_account(&mut self) {
        self.finished.push(VecDeque::new());
        self.fills.push(VecDeque::new());
        self.balance_changes.push(VecDeque::new());
    }

    pub(super) fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id).map(Box::as_ref)
    }

    pub(super) fn order_mut(&mut self, id: OrderId) -> Option<&mut Order> {
        self.orders.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn order_by_text(&self, account: AccountId, text: &str) -> Option<&Order> {
        self.by_text.get(&account)?.get(text).and_then(|id| self.order(*id))
    }

    pub(super) fn add_open(&mut self, order: Order) {
        if order.account != AccountId::MARKET {
            self.open.insert((order.account, order.id));
            self.index_text(&order);
        }
        self.orders.insert(order.id, Box::new(order));
    }

    /// Adds an order that ended on arrival.
    pub(super) fn add_finished(&mut self, order: Order) {
        if order.account == AccountId::MARKET {
            return;
        }
        self.index_text(&order);
        let (account, id) = (order.account, order.id);
        self.orders.insert(id, Box::new(order));
        self.remember_finished(account, id);
    }

    /// Puts an amended order in the place of the one it was; it is found by the client id that it has now.
    pub(super) fn replace(&mut self, order: Order) {
        let Some(known) = self.orders.get_mut(&order.id) else { return };
        if known.text != order.text {
            let texts = self.by_text.entry(order.account).or_default();
            if let Some(before) = &known.text
                && texts.get(before) == Some(&order.id)
            {
                texts.remove(before);
            }
            if let Some(text) = &order.text {
                texts.insert(text.clone(), order.id);
            }
        }
        **known = order;
    }

    /// An open order ended as this. Market orders are forgotten.
    pub(super) fn end(&mut self, order: &Order) {
        if order.account != AccountId::MARKET {
            self.replace(order.clone());
        }
        self.finish(order.id);
    }

    /// Moves an open order, now ended, to the finished ones. Market orders are forgotten.
    pub(super) fn finish(&mut self, id: OrderId) {
        let Some(account) = self.orders.get(&id).map(|order| order.account) else { return };
        if account == AccountId::MARKET {
            self.orders.remove(&id);
            return;
        }
        self.open.remove(&(account, id));
        self.remember_finished(account, id);
    }

    fn index_text(&mut self, order: &Order) {
        if let Some(text) = &order.text {
            self.by_text.entry(order.account).or_default().insert(text.clone(), order.id);
        }
    }

    fn remember_finished(&mut self, account: AccountId, id: OrderId) {
        let forgotten = push_bounded(&mut self.finished[account.index()], id, self.limits.finished_orders_max);
        if let Some(order) = forgotten.and_then(|old| self.orders.remove(&old)) {
            let texts = self.by_text.get_mut(&account);
            if let (Some(texts), Some(text)) = (texts, &order.text)
                && texts.get(text) == Some(&order.id)
            {
                texts.remove(text);
            }
        }
    }

    pub(super) fn add_fill(&mut self, fill: AccountTrade) {
        if fill.account != AccountId::MARKET {
            push_bounded(&mut self.fills[fill.account.index()], fill, self.limits.account_trades_max);
        }
    }

    /// Remembers a change under the next number of the venue's account book.
    pub(super) fn add_balance_change(&mut self, change: BalanceEvent) {
        self.last_balance_change += 1;
        let row = (self.last_balance_change, change);
        push_bounded(&mut self.balance_changes[change.account.index()], row, self.limits.balance_changes_max);
    }

    pub(super) fn balance_changes(&self, account: AccountId) -> impl DoubleEndedIterator<Item = &(u64, BalanceEvent)> {
        self.balance_changes.get(account.index()).into_iter().flatten()
    }

    pub(super) fn add_trade(&mut self, trade: PublicTrade) {
        push_bounded(&mut self.trades[trade.pair.index()], trade, self.limits.public_trades_max);
    }

    pub(super) fn open_orders(&self, account: AccountId, pair: Option<PairId>) -> impl Iterator<Item = &Order> {
        let range = (account, OrderId(0))..=(account, OrderId(u64::MAX));
        self.open
            .range(range)
            .filter_map(|(_, id)| self.order(*id))
            .filter(move |order| pair.is_none_or(|pair| order.pair == pair))
    }

    pub(super) fn finished_orders(&self, account: AccountId, filter: &OrderFilter) -> Vec<&Order> {
        let Some(ids) = self.finished.get(account.index()) else { return Vec::new() };
        let rows = ids.iter().rev().filter_map(|id| self.order(*id)).filter(|order| {
            let end_t_ns = order.end_t_ns().unwrap_or(0);
            filter.pair.is_none_or(|pair| order.pair == pair)
                && filter.side.is_none_or(|side| order.side == side)
                && filter.from_t_ns.is_none_or(|from| end_t_ns >= from)
                && filter.to_t_ns.is_none_or(|to| end_t_ns <= to)
        });
        page_of(rows, filter.limit, filter.page)
    }

    pub(super) fn fills(&self, account: AccountId, filter: &TradeFilter) -> Vec<&AccountTrade> {
        let Some(fills) = self.fills.get(account.index()) else { return Vec::new() };
        let rows = fills.iter().rev().filter(|fill| {
            filter.pair.is_none_or(|pair| fill.pair == pair)
                && filter.order_id.is_none_or(|order| fill.order_id == order)
                && filter.since_id.is_none_or(|since| fill.trade_id > since)
                && filter.from_t_ns.is_none_or(|from| fill.t_ns >= from)
                && filter.to_t_ns.is_none_or(|to| fill.t_ns <= to)
        });
        page_of(rows, filter.limit, filter.page)
    }

    pub(super) fn public_trades(&self, pair: PairId) -> impl DoubleEndedIterator<Item = &PublicTrade> {
        self.trades.get(pair.index()).into_iter().flatten()
    }
}
