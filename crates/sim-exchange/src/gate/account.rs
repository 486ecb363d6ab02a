//! Private REST that reads the account: balances, fees, details, rights of keys (Gate API v4, balances and fees).
//!
//! [`BalanceHistory`] lets `/spot/accounts` lag by a set time, as users report after a cancel or a fill.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::{
    auth::ApiKey,
    error::ApiError,
    frame::to_json,
    query::Query,
    render::Symbols,
    rows::{AccountRow, text},
};
use crate::core::{AccountId, AssetId, Balance, BalanceEvent, Exchange, FeeRates};

/// When every simulated key was made, Unix seconds: long before any run.
const KEYS_MADE_S: &str = "1600000000";

/// Balances as they were, for as long as the configured lag needs.
#[derive(Clone, Debug, Default)]
pub(super) struct BalanceHistory {
    changes: BTreeMap<(AccountId, AssetId), VecDeque<(u64, Balance)>>,
}

impl BalanceHistory {
    /// Notes the balance after a change. Nothing is kept when nothing may lag.
    pub(super) fn on_change(&mut self, event: &BalanceEvent, lag_ns: u64) {
        if lag_ns == 0 {
            return;
        }
        let before = Balance {
            available: event.available - (event.change - event.locked_change),
            locked: event.locked - event.locked_change,
            update_id: event.update_id.saturating_sub(1),
        };
        let after = Balance { available: event.available, locked: event.locked, update_id: event.update_id };
        let changes = self.changes.entry((event.account, event.asset)).or_insert_with(|| VecDeque::from([(0, before)]));
        changes.push_back((event.t_ns, after));
        let shown_from = event.t_ns.saturating_sub(lag_ns);
        while changes.get(1).is_some_and(|(t_ns, _)| *t_ns <= shown_from) {
            changes.pop_front();
        }
    }

    /// The balance as it was `lag_ns` before `t_ns`.
    fn shown(&self, account: AccountId, asset: AssetId, t_ns: u64, lag_ns: u64, exchange: &Exchange) -> Balance {
        let current = exchange.balance(account, asset);
        if lag_ns == 0 {
            return current;
        }
        let shown_at = t_ns.saturating_sub(lag_ns);
        let changes = self.changes.get(&(account, asset));
        changes
            .and_then(|changes| changes.iter().rev().find(|(changed_ns, _)| *changed_ns <= shown_at))
            .map_or(current, |(_, balance)| *balance)
    }
}

/// `/spot/accounts`.
pub(super) fn accounts(
    query: &Query,
    account: AccountId,
    t_ns: u64,
    lag_ns: u64,
    exchange: &Exchange,
    symbols: &Symbols,
    history: &BalanceHistory,
) -> Result<String, ApiError> {
    let wanted = match query.get("currency") {
        Some(name) => Some(symbols.find_asset(name).ok_or_else(|| ApiError::invalid_currency(name))?),
        None => None,
    };
    let rows: Vec<AccountRow> = symbols
        .assets()
        .filter(|(asset, _)| wanted.is_none_or(|wanted| wanted == *asset))
        .map(|(asset, name)| (history.shown(account, asset, t_ns, lag_ns, exchange), name))
        .filter(|(balance, _)| wanted.is_some() || balance.update_id > 0)
        .map(|(balance, name)| AccountRow {
            currency: name.to_owned(),
            available: text(balance.available),
            locked: text(balance.locked),
            update_id: balance.update_id,
        })
        .collect();
    Ok(to_json(&rows))
}

/// `/spot/fee` and `/wallet/fee`; the latter adds the contract rates.
pub(super) fn fees(user_id: u64, rates: FeeRates, with_contracts: bool) -> String {
    let mut row = json!({
        "user_id": user_id,
        "taker_fee": text(rates.taker),
        "maker_fee": text(rates.maker),
        "rpi_maker_fee": text(rates.maker),
        "gt_discount": false,
        "gt_taker_fee": "0",
        "gt_maker_fee": "0",
        "loan_fee": "0.18",
        "point_type": "1",
        "debit_fee": 3,
    });
    if with_contracts && let Value::Object(fields) = &mut row {
        for (name, rate) in [
            ("futures_taker_fee", "0.0005"),
            ("futures_maker_fee", "0.0002"),
            ("delivery_taker_fee", "0.0005"),
            ("delivery_maker_fee", "0.0002"),
        ] {
            fields.insert(name.to_owned(), Value::from(rate));
        }
    }
    row.to_string()
}

/// `/account/detail`.
pub(super) fn detail(user_id: u64, tier: u32) -> String {
    json!({
        "user_id": user_id,
        "tier": tier,
        "ip_whitelist": ["127.0.0.1"],
        "currency_pairs": [],
        "key": {"mode": 1},
        "copy_trading_role": 0,
    })
    .to_string()
}

/// `/account/main_keys`: every key of the user with its rights, the key itself masked.
pub(super) fn main_keys(user_id: u64, keys: &[ApiKey]) -> String {
    let rows = keys.iter().map(|key| {
        let perms: Vec<Value> = key.perms.iter().map(|perm| json!({"name": perm.name, "read_only": perm.read_only})).collect();
        json!({
            "state": 1,
            "mode": 1,
            "name": ["simulated"],
            "currency_pairs": [],
            "user_id": user_id,
            "ip_whitelist": ["127.0.0.1"],
            "perms": perms,
            "key": key.masked(),
            "created_at": KEYS_MADE_S,
            "updated_at": KEYS_MADE_S,
            "last_access": KEYS_MADE_S,
        })
    });
    Value::from_iter(rows).to_string()
}
