//! Private REST about the account: balances, their history, details, rights of keys (Gate API v4, balances).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    auth::ApiKey,
    error::ApiError,
    frame::to_json,
    orders::{Caller, paging},
    query::{Query, page_of},
    render::Symbols,
    rows::{AccountRow, seconds, text},
};
use crate::{
    core::{AccountId, BalanceReason, Exchange},
    shared::balances::BalanceHistory,
};

/// When every simulated key was made, Unix seconds: long before any run.
const KEYS_MADE_S: &str = "1600000000";

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

/// `/account/detail`: a classic account.
pub(super) fn detail(user_id: u64, tier: u32) -> Value {
    json!({
        "user_id": user_id,
        "tier": tier,
        "tier_expire_time": "0001-01-01T00:00:00Z",
        "ip_whitelist": ["127.0.0.1"],
        "currency_pairs": [],
        "key": {"mode": 1},
        "copy_trading_role": 0,
    })
}

/// `/account/main_keys`: every key of the user with its rights, the key itself masked.
pub(super) fn main_keys(user_id: u64, keys: &[ApiKey]) -> Value {
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
    Value::from_iter(rows)
}

/// `/account/rate_limit`: the trading rate-limit tier.
pub(super) fn rate_limit(tier: u32, t_ns: u64) -> Value {
    let row = json!({"tier": tier.to_string(), "ratio": "0", "main_ratio": "0", "updated_at": seconds(t_ns)});
    json!([row])
}

/// `/unified/unified_mode` of a classic account.
pub(super) fn unified_mode() -> Value {
    json!({"mode": "classic", "settings": {"usdt_futures": false, "spot_hedge": false, "use_funding": false, "options": false}})
}

/// `/unified/accounts` of a classic account: nothing is in it.
pub(super) fn unified_accounts(user_id: u64, t_ns: u64) -> Value {
    let mut row = json!({
        "user_id": user_id,
        "refresh_time": t_ns / 1_000_000_000,
        "locked": false,
        "mode": "classic",
        "balances": {},
        "spot_hedge": false,
        "use_funding": false,
        "is_all_collateral": false,
    });
    if let Value::Object(fields) = &mut row {
        for name in [
            "total",
            "borrowed",
            "total_initial_margin",
            "total_margin_balance",
            "total_maintenance_margin",
            "total_initial_margin_rate",
            "total_maintenance_margin_rate",
            "total_available_margin",
            "unified_account_total",
            "unified_account_total_liab",
            "unified_account_total_equity",
            "leverage",
            "spot_order_loss",
            "options_order_loss",
        ] {
            fields.insert(name.to_owned(), json!("0"));
        }
    }
    row
}

/// GET `/account/stp_groups`: the group the account is in, if any.
pub(super) fn stp_groups(user_id: u64, account: AccountId, exchange: &Exchange, names: &BTreeMap<u64, String>) -> Value {
    let group = exchange.account(account).and_then(|account| account.stp_group);
    Value::from_iter(group.map(|id| stp_group(id, names.get(&id).map_or("simulated", String::as_str), user_id)))
}

fn stp_group(id: u64, name: &str, creator_id: u64) -> Value {
    json!({"id": id, "name": name, "creator_id": creator_id, "create_time": KEYS_MADE_S.parse::<u64>().unwrap_or(0)})
}

/// POST `/account/stp_groups`: makes a group numbered like the user, and puts its maker in.
///
/// # Errors
/// `MISSING_REQUIRED_PARAM` without a name; `INVALID_PARAM_VALUE` when the account is in a group.
pub(super) fn create_stp_group(
    body: &Value,
    user_id: u64,
    account: AccountId,
    exchange: &mut Exchange,
    names: &mut BTreeMap<u64, String>,
) -> Result<Value, ApiError> {
    let name = body.get("name").and_then(Value::as_str).ok_or_else(|| ApiError::missing_param("name"))?;
    if exchange.account(account).is_some_and(|account| account.stp_group.is_some()) {
        return Err(ApiError::invalid_param("The user is in an STP group already"));
    }
    exchange.set_stp_group(account, Some(user_id));
    names.insert(user_id, name.to_owned());
    Ok(stp_group(user_id, name, user_id))
}

/// GET `/account/stp_groups/{stp_id}/users`, for members.
///
/// # Errors
/// `INVALID_PARAM_VALUE` for a group the account is not in.
pub(super) fn stp_group_users(id: &str, account: AccountId, exchange: &Exchange) -> Result<Value, ApiError> {
    let group = exchange.account(account).and_then(|account| account.stp_group);
    let group = group.filter(|group| group.to_string() == id).ok_or_else(|| ApiError::invalid_param("Invalid stp_id"))?;
    let members = exchange.accounts().filter(|member| member.stp_group == Some(group));
    let made_s = KEYS_MADE_S.parse::<u64>().unwrap_or(0);
    Ok(members.map(|member| json!({"user_id": member.user_id, "stp_id": group, "create_time": made_s})).collect())
}

/// The widest span of `/spot/account_book`.
const BOOK_SPAN_MAX_S: u64 = 30 * 86_400;

/// GET `/spot/account_book`, newest first: one row for each change of what is free, with what is free after it. So the
/// changes of a currency sum to its `available`. Codes are left empty: Gate's numbers are not public.
///
/// # Errors
/// Refusals of parameters: a span ends at 30 days.
pub(super) fn account_book(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<Value, ApiError> {
    let wanted = query.get("currency").map(|name| symbols.find_asset_any_case(name)).transpose()?;
    let (page, limit) = paging(query, 1_000)?;
    let now_s = caller.t_ns / 1_000_000_000;
    let to_s = query.number("to", now_s, 0, u64::MAX)?;
    let from_s = query.number("from", to_s.saturating_sub(BOOK_SPAN_MAX_S), 0, u64::MAX)?;
    if to_s.saturating_sub(from_s) > BOOK_SPAN_MAX_S {
        return Err(ApiError::invalid_param("Invalid parameter from/to: the time range is at most 30 days"));
    }
    if query.get("code").is_some() {
        return Ok(json!([]));
    }
    let kind = query.get("type");
    let rows = exchange.balance_changes(caller.account).rev().filter_map(|(number, change)| {
        // Both are exact: the ledger refuses what is not.
        let free = change.change - change.locked_change;
        let word = match change.reason {
            BalanceReason::Deposit => "deposit",
            BalanceReason::Withdrawal => "withdraw",
            BalanceReason::OrderCreate | BalanceReason::OrderAmend => "new_order",
            BalanceReason::OrderMatch => "order_fill",
            BalanceReason::Fee => "order_fee",
            BalanceReason::OrderRelease => "cancel_order",
        };
        let is_wanted = !free.is_zero()
            && wanted.is_none_or(|(asset, _)| asset == change.asset)
            && kind.is_none_or(|kind| kind == word)
            && (from_s..=to_s).contains(&(change.t_ns / 1_000_000_000));
        is_wanted.then(|| {
            json!({
                "id": number.to_string(),
                "time": change.t_ns / 1_000_000,
                "currency": symbols.asset(change.asset),
                "change": text(free),
                "balance": text(change.available),
                "type": word,
                "code": "",
                "text": change.order.map_or_else(String::new, |order| order.0.to_string()),
            })
        })
    });
    Ok(Value::Array(page_of(rows.collect(), page, limit)))
}
