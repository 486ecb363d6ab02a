//! Lists and tables over REST: balances, open orders, executions, fees, rights of the key.
//!
//! A read that fails in a way that may pass is asked once more by itself; then `ReadFailed` says so and the engine decides. Lists
//! come in pages; a list that did not reach its last page within its bound never passes for complete.

use super::{Answer, Asked, GateSession, InFlight, What};
use crate::wire::bodies::OPEN_ORDERS_PAGE;
use crate::wire::rows::Stamp;
use domain::time::SECOND;
use domain::{
    AccountFacts, BalanceReport, BalanceSource, ErrorClass, Fill, Input, MonoNanos, OpenOrdersReport, OrderSource, OrderUpdate,
    PairId, ReadFailure, ReadKind, TradesReport, UnixNanos,
};

/// Executions per page, the venue's maximum.
const TRADES_PAGE: usize = 1000;
/// Pages read of one list of executions.
const TRADES_PAGES_MAX: u32 = 20;
/// Pages read of one list of open orders.
const OPEN_ORDERS_PAGES_MAX: u32 = 10;
/// With only a start given, Gate lists seven days from it.
const TRADES_SPAN_NS: i64 = 7 * 86_400 * SECOND as i64;

/// A list of open orders being read.
#[derive(Clone)]
pub(super) struct OpenOrdersRead {
    page: u32,
    requested: Option<MonoNanos>,
    orders: Vec<OrderUpdate>,
    elsewhere: u32,
}

impl OpenOrdersRead {
    pub(super) fn query(&self) -> String {
        format!("page={}&limit={OPEN_ORDERS_PAGE}&account=spot", self.page)
    }
}

/// A list of executions being read.
#[derive(Clone)]
pub(super) struct TradesRead {
    pub(super) pair: PairId,
    since: UnixNanos,
    /// How far our wall clock, which `since` was read from, is ahead of the venue's; zero while it is behind.
    pub(super) ahead_ns: i64,
    page: u32,
    requested: Option<MonoNanos>,
    fills: Vec<Fill>,
}

impl TradesRead {
    pub(super) fn query(&self, name: &str) -> String {
        // A second early: the list's bound is in whole seconds. By the venue's clock, where ours is ahead: from a time that has not come
        // yet nothing would be listed (F36). Where ours is behind, the list is only longer.
        let since = UnixNanos(self.since.0.saturating_sub(self.ahead_ns));
        let from = since.seconds().saturating_sub(1).max(0);
        format!("currency_pair={name}&limit={TRADES_PAGE}&page={}&from={from}", self.page)
    }
}

/// True when the masked text of a key (`abcd****wxyz`) may stand for `key`.
fn masks(masked: &str, key: &str) -> bool {
    match (masked.find('*'), masked.rfind('*')) {
        (Some(first), Some(last)) => {
            let (head, tail) = (masked.get(..first).unwrap_or_default(), masked.get(last + 1..).unwrap_or_default());
            key.len() >= head.len() + tail.len() && key.starts_with(head) && key.ends_with(tail)
        }
        _ => masked == key,
    }
}

fn kind_of(what: &What) -> Option<ReadKind> {
    Some(match what {
        What::Time => ReadKind::Time,
        What::Balances => ReadKind::Balances,
        What::OpenOrders(_) => ReadKind::OpenOrders,
        What::Trades(read) => ReadKind::Trades { pair: read.pair, since: read.since },
        What::Fees { .. } => ReadKind::Fees,
        What::Account | What::AccountDetail => ReadKind::Account,
        What::Base { .. }
        | What::Place { .. }
        | What::Amend(_)
        | What::Cancel(_)
        | What::CancelAll(_)
        | What::LookUp(_)
        | What::DeadMan(_)
        | What::Rules(_) => return None,
    })
}

impl GateSession {
    pub(super) fn submit_read(&mut self, read: ReadKind, now: MonoNanos, updates: &mut Vec<Input>) {
        if read == ReadKind::Time {
            return self.read_time(now);
        }
        let known = match read {
            ReadKind::Trades { pair, .. } => self.decoder.names.name(pair).is_some(),
            _ => true,
        };
        if self.signer.is_none() || !known {
            let class = if known { ErrorClass::AuthFatal } else { ErrorClass::SymbolClosed };
            return updates.push(Input::ReadFailed(ReadFailure { venue: self.venue, read, class, received: now }));
        }
        self.ask(match read {
            ReadKind::Balances => What::Balances,
            ReadKind::OpenOrders => {
                What::OpenOrders(OpenOrdersRead { page: 1, requested: None, orders: Vec::new(), elsewhere: 0 })
            }
            ReadKind::Trades { pair, since } => {
                What::Trades(TradesRead { pair, since, ahead_ns: 0, page: 1, requested: None, fills: Vec::new() })
            }
            ReadKind::Fees => What::Fees { index: 0 },
            ReadKind::Account => What::Account,
            ReadKind::Time => return,
        });
    }

    pub(super) fn on_read_answer(&mut self, flight: InFlight, mut answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let InFlight { asked, sent, venue_time_ns, .. } = flight;
        if !answer.is_success() {
            let (class, label) = self.failure(&mut answer);
            if matches!(asked.what, What::Account) && self.withholds_rights(&answer, class, label.as_ref().map(|l| l.0.as_str()))
            {
                return self.ask(What::AccountDetail);
            }
            self.on_clock_skew(class, now);
            return self.read_failed(asked, class, now, updates);
        }
        let Answer::Http { body, .. } = &mut answer else { return };
        let stamp = Stamp { source: OrderSource::Query, received: now, requested: sent };
        let venue = self.venue;
        let outcome = match &asked.what {
            What::Balances => self.decoder.accounts(body).map(|entries| {
                let source = BalanceSource::Query;
                updates.push(Input::Balances(BalanceReport { venue, source, requested: sent, received: now, entries }));
            }),
            What::OpenOrders(read) => {
                let read = read.clone();
                self.decoder.open_orders(body, stamp).map(|page| self.on_open_orders(read, page, sent, now, updates))
            }
            What::Trades(read) => {
                let read = read.clone();
                self.decoder
                    .my_trades(body, stamp)
                    .map(|(fills, rows)| self.on_trades(read, fills, rows, sent, venue_time_ns, now, updates))
            }
            What::Fees { index } => match self.books.pair_at(*index) {
                Some(pair) => self.decoder.fee(body, pair).map(|rates| {
                    updates.push(Input::Fees(rates));
                    if self.books.pair_at(*index + 1).is_some() {
                        self.ask(What::Fees { index: *index + 1 });
                    }
                }),
                None => Ok(()),
            },
            What::Account => {
                let key = self.signer.as_ref().map(|signer| signer.key().to_string()).unwrap_or_default();
                self.decoder.key_facts(body, |masked| masks(masked, &key)).map(|facts| match facts {
                    Some(facts) => updates.push(Input::Account(AccountFacts {
                        venue,
                        can_trade: Some(facts.can_trade),
                        can_withdraw: Some(facts.can_withdraw),
                        ip_bound: Some(facts.ip_bound),
                    })),
                    // Other keys of the account are listed, ours is not: its rights are not told.
                    None => self.ask(What::AccountDetail),
                })
            }
            What::AccountDetail => self.decoder.account_detail(body).map(|ip_bound| {
                updates.push(Input::Account(AccountFacts { venue, can_trade: None, can_withdraw: None, ip_bound }));
            }),
            _ => Ok(()),
        };
        if let Err(reject) = outcome {
            self.stats.reject(reject.reason);
            self.read_failed(asked, ErrorClass::Unknown, now, updates);
        }
    }

    /// True when `/account/main_keys` refuses to tell (sub-account keys), rather than refusing the key itself.
    fn withholds_rights(&self, answer: &Answer<'_>, class: ErrorClass, label: Option<&str>) -> bool {
        let Answer::Http { status: 400..=499, .. } = answer else { return false };
        match class {
            ErrorClass::AuthFatal => matches!(label, Some("FORBIDDEN" | "READ_ONLY" | "MISSING_REQUIRED_HEADER")),
            ErrorClass::FilterReject => true,
            _ => false,
        }
    }

    fn on_open_orders(
        &mut self,
        mut read: OpenOrdersRead,
        page: crate::wire::bodies::OpenOrdersPage,
        sent: MonoNanos,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let requested = *read.requested.get_or_insert(sent);
        for row in page.orders {
            self.tell_other_terms(&row, updates);
            read.orders.push(row.update);
        }
        if read.page == 1 {
            read.elsewhere = page.elsewhere;
        }
        if !page.more {
            let OpenOrdersRead { orders, elsewhere, .. } = read;
            updates.push(Input::OpenOrders(OpenOrdersReport { venue: self.venue, requested, received: now, orders, elsewhere }));
        } else if read.page >= OPEN_ORDERS_PAGES_MAX {
            let (venue, read, class) = (self.venue, ReadKind::OpenOrders, ErrorClass::Unknown);
            updates.push(Input::ReadFailed(ReadFailure { venue, read, class, received: now }));
        } else {
            read.page += 1;
            self.ask(What::OpenOrders(read));
        }
    }

    fn on_trades(
        &mut self,
        mut read: TradesRead,
        fills: Vec<Fill>,
        rows: usize,
        sent: MonoNanos,
        venue_time_ns: i64,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let requested = *read.requested.get_or_insert(sent);
        // Executions between two pages shift rows: the same one may come twice, none is skipped.
        for fill in fills {
            if !read.fills.iter().any(|known| known.trade_id == fill.trade_id) {
                read.fills.push(fill);
            }
        }
        let last = rows < TRADES_PAGE;
        if !last && read.page < TRADES_PAGES_MAX {
            read.page += 1;
            return self.ask(What::Trades(read));
        }
        let complete = last && venue_time_ns.saturating_sub(read.since.0) < TRADES_SPAN_NS;
        let TradesRead { pair, since, fills, .. } = read;
        updates.push(Input::Trades(TradesReport { venue: self.venue, pair, requested, received: now, since, complete, fills }));
    }

    fn read_failed(&mut self, asked: Asked, class: ErrorClass, now: MonoNanos, updates: &mut Vec<Input>) {
        if let Err(asked) = self.try_again(asked, class, now)
            && let Some(read) = kind_of(&asked.what)
        {
            updates.push(Input::ReadFailed(ReadFailure { venue: self.venue, read, class, received: now }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::masks;

    #[test]
    fn masked_keys_stand_for_what_they_hide() {
        assert!(masks("abcd****wxyz", "abcd1234wxyz"));
        assert!(masks("*****", "short"));
        assert!(masks("plain", "plain"));
        assert!(!masks("abcd****wxyz", "abce1234wxyz"));
        assert!(!masks("abcd****wxyz", "abcwxyz"));
        assert!(!masks("plain", "plainer"));
    }
}
