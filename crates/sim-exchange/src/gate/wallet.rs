//! Private and public REST about the wallet: chains, deposits, withdrawals, the estimated total (Gate API v4, wallet).
//!
//! Nothing moves in or out of a simulated venue, apart from the deposits an account starts with. Whether a currency can be
//! deposited or withdrawn is told per chain, from the configured facts; the chains themselves are plausible names.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    error::ApiError,
    orders::Caller,
    query::{Query, page_of},
    render::Symbols,
    rows::{seconds, text},
};
use crate::{
    core::{AccountId, AssetId, BalanceReason, Exchange, Side},
    faults::Faults,
};

/// The widest span of deposit and withdrawal lists.
const SPAN_MAX_S: u64 = 30 * 86_400;
/// What they cover without a time.
const SPAN_DEFAULT_S: u64 = 7 * 86_400;

/// A chain that carries a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) name: &'static str,
    full_name: &'static str,
    /// Contract address, empty on its own chain.
    address: &'static str,
    /// A deposit needs a memo or tag.
    is_tag: bool,
    /// Fixed fee of a withdrawal.
    fee: &'static str,
}

const fn chain(name: &'static str, full_name: &'static str, address: &'static str, is_tag: bool, fee: &'static str) -> Chain {
    Chain { name, full_name, address, is_tag, fee }
}

/// The chains of a currency. Unknown ones live on a chain of the simulator's own.
pub(super) fn chains_of(currency: &str) -> &'static [Chain] {
    const BTC: [Chain; 1] = [chain("BTC", "BTC/Bitcoin", "", false, "0.0001")];
    const ETH: [Chain; 2] =
        [chain("ETH", "ETH/ERC20", "", false, "0.0005"), chain("ARBEVM", "Arbitrum One", "", false, "0.0001")];
    const SOL: [Chain; 1] = [chain("SOL", "Solana", "", false, "0.002")];
    const XRP: [Chain; 1] = [chain("XRP", "Ripple", "", true, "0.2")];
    const USDT: [Chain; 2] = [
        chain("ETH", "ETH/ERC20", "0x0000000000000000000000000000000000000001", false, "1.5"),
        chain("TRX", "TRON/TRC20", "T000000000000000000000000000000001", false, "1"),
    ];
    const GT: [Chain; 1] = [chain("GTEVM", "GateChain", "", false, "0.01")];
    const OTHER: [Chain; 1] = [chain("SIM", "Simulated chain", "", false, "0")];
    match currency {
        "BTC" => &BTC,
        "ETH" => &ETH,
        "SOL" => &SOL,
        "XRP" => &XRP,
        "USDT" => &USDT,
        "GT" => &GT,
        _ => &OTHER,
    }
}

/// One currency as `/spot/currencies` lists it.
pub(super) fn currency_row(name: &str, symbols: &Symbols, faults: &Faults) -> Value {
    let (no_deposit, no_withdrawal) =
        (faults.deposits_disabled.contains_key(name), faults.withdrawals_disabled.contains_key(name));
    let chains: Vec<Value> = chains_of(symbols.coin(name))
        .iter()
        .map(|chain| {
            json!({
                "name": chain.name,
                "addr": chain.address,
                "withdraw_disabled": is_disabled(&faults.withdrawals_disabled, name, chain),
                "withdraw_delayed": false,
                "deposit_disabled": is_disabled(&faults.deposits_disabled, name, chain),
            })
        })
        .collect();
    json!({
        "currency": name,
        "name": name,
        "delisted": false,
        "withdraw_disabled": no_withdrawal,
        "withdraw_delayed": false,
        "deposit_disabled": no_deposit,
        "trade_disabled": false,
        "fixed_rate": "",
        "chain": chains_of(symbols.coin(name)).first().map_or("", |chain| chain.name),
        "chains": chains,
        "total_supply": "0",
        "market_cap": "0",
        "category": [],
    })
}

/// Whether a list of closed ways names this currency with this chain, or with none, which means all of its chains.
fn is_disabled(closed: &std::collections::BTreeMap<String, Vec<String>>, currency: &str, chain: &Chain) -> bool {
    closed.get(currency).is_some_and(|chains| chains.is_empty() || chains.iter().any(|name| name == chain.name))
}

/// GET `/wallet/currency_chains`, public.
///
/// # Errors
/// `MISSING_REQUIRED_PARAM` without a currency, `INVALID_CURRENCY` for one that is not listed.
pub(super) fn currency_chains(query: &Query, symbols: &Symbols, faults: &Faults) -> Result<Value, ApiError> {
    let (asset, name) = symbols.find_asset_any_case(query.required("currency")?)?;
    let decimals = symbols.decimals(asset);
    let rows = chains_of(symbols.coin(name)).iter().map(|chain| {
        let (no_deposit, no_withdrawal) =
            (is_disabled(&faults.deposits_disabled, name, chain), is_disabled(&faults.withdrawals_disabled, name, chain));
        json!({
            "chain": chain.name,
            "name_en": chain.full_name,
            "name_cn": chain.full_name,
            "contract_address": chain.address,
            "is_disabled": u8::from(no_deposit && no_withdrawal),
            "is_deposit_disabled": u8::from(no_deposit),
            "is_withdraw_disabled": u8::from(no_withdrawal),
            "is_tag": u8::from(chain.is_tag),
            "decimal": decimals.to_string(),
        })
    });
    Ok(rows.collect())
}

/// GET `/wallet/withdraw_status`.
///
/// # Errors
/// `INVALID_CURRENCY` for one that is not listed.
pub(super) fn withdraw_status(query: &Query, symbols: &Symbols) -> Result<Value, ApiError> {
    let wanted = query.get("currency").map(|name| symbols.find_asset_any_case(name)).transpose()?;
    let rows = symbols.assets().filter(|asset| wanted.is_none_or(|wanted| wanted == *asset)).map(|(_, name)| {
        let chains = chains_of(symbols.coin(name));
        let fees: serde_json::Map<String, Value> =
            chains.iter().map(|chain| (chain.name.to_owned(), Value::from(chain.fee))).collect();
        let percents: serde_json::Map<String, Value> =
            chains.iter().map(|chain| (chain.name.to_owned(), Value::from("0%"))).collect();
        json!({
            "currency": name,
            "name": name,
            "name_cn": name,
            "deposit": "0",
            "withdraw_percent": "0%",
            "withdraw_fix": chains.first().map_or("0", |chain| chain.fee),
            "withdraw_day_limit": "1000000",
            "withdraw_day_limit_remain": "1000000",
            "withdraw_amount_mini": "0.001",
            "withdraw_eachtime_limit": "1000000",
            "withdraw_fix_on_chains": fees,
            "withdraw_percent_on_chains": percents,
        })
    });
    Ok(rows.collect())
}

/// The seconds a list covers: at most 30 days, the last seven without a time.
fn span(query: &Query, t_ns: u64) -> Result<(u64, u64), ApiError> {
    let to_s = query.number("to", t_ns / 1_000_000_000, 0, u64::MAX)?;
    let from_s = query.number("from", to_s.saturating_sub(SPAN_DEFAULT_S), 0, u64::MAX)?;
    if to_s.saturating_sub(from_s) > SPAN_MAX_S {
        return Err(ApiError::invalid_param("Invalid parameter from/to: the time range is at most 30 days"));
    }
    Ok((from_s, to_s))
}

/// GET `/wallet/deposits`, newest first: the money an account was given.
///
/// # Errors
/// Refusals of parameters.
pub(super) fn deposits(query: &Query, caller: &Caller, exchange: &Exchange, symbols: &Symbols) -> Result<Value, ApiError> {
    let wanted = query.get("currency").map(|name| symbols.find_asset_any_case(name)).transpose()?;
    let (from_s, to_s) = span(query, caller.t_ns)?;
    let limit = query.number("limit", 100, 1, 500)?;
    let offset = usize::try_from(query.number("offset", 0, 0, 1_000_000)?).unwrap_or(usize::MAX);
    let changes = exchange.balance_changes(caller.account).rev();
    let rows = changes
        .filter(|(_, change)| change.reason == BalanceReason::Deposit)
        .filter(|(_, change)| wanted.is_none_or(|(asset, _)| asset == change.asset))
        .filter(|(_, change)| (from_s..=to_s).contains(&(change.t_ns / 1_000_000_000)))
        .map(|(number, change)| {
            let currency = symbols.asset(change.asset);
            json!({
                "id": format!("d{number}"),
                "txid": format!("{number:064x}"),
                "timestamp": seconds(change.t_ns),
                "amount": text(change.change),
                "currency": currency,
                "address": "",
                "memo": "",
                "status": "DONE",
                "chain": chains_of(symbols.coin(currency)).first().map_or("", |chain| chain.name),
            })
        });
    Ok(Value::Array(page_of(rows.skip(offset).collect(), 1, limit)))
}

/// GET `/wallet/withdrawals`: none.
///
/// # Errors
/// Refusals of parameters.
pub(super) fn withdrawals(query: &Query, caller: &Caller, symbols: &Symbols) -> Result<Value, ApiError> {
    if let Some(name) = query.get("currency") {
        symbols.find_asset_any_case(name)?;
    }
    span(query, caller.t_ns)?;
    Ok(json!([]))
}

/// GET `/wallet/deposit_address`: an address per chain that leads nowhere.
///
/// # Errors
/// `MISSING_REQUIRED_PARAM` without a currency, `INVALID_CURRENCY` for one that is not listed.
pub(super) fn deposit_address(query: &Query, user_id: u64, symbols: &Symbols) -> Result<Value, ApiError> {
    let (_, name) = symbols.find_asset_any_case(query.required("currency")?)?;
    let address = |chain: &Chain| format!("sim-{}-{user_id}", chain.name.to_ascii_lowercase());
    let chains = chains_of(symbols.coin(name));
    let rows: Vec<Value> = chains
        .iter()
        .map(|chain| {
            json!({
                "chain": chain.name,
                "address": address(chain),
                "payment_id": if chain.is_tag { user_id.to_string() } else { String::new() },
                "payment_name": if chain.is_tag { "Tag" } else { "" },
                "obtain_failed": 0,
                "min_confirms": 1,
            })
        })
        .collect();
    Ok(json!({
        "currency": name,
        "address": chains.first().map_or_else(String::new, address),
        "min_deposit_amount": "0",
        "min_confirms": 1,
        "multichain_addresses": rows,
    }))
}

/// GET `/wallet/total_balance`: everything the account owns, in `currency`, at the middle of the books. An estimate, cut off
/// at eight decimals; what has no price in it counts as nothing.
///
/// # Errors
/// `INVALID_PARAM_VALUE` for a currency other than BTC, CNY, USD and USDT.
pub(super) fn total_balance(
    query: &Query,
    account: AccountId,
    exchange: &Exchange,
    symbols: &Symbols,
) -> Result<Value, ApiError> {
    let currency = query.get("currency").unwrap_or("USDT");
    if !["BTC", "CNY", "USD", "USDT"].contains(&currency) {
        return Err(ApiError::invalid_param(format!("Invalid parameter currency: {currency}")));
    }
    let usdt = symbols.find_asset("USDT");
    let owned = |asset: AssetId| {
        let balance = exchange.balance(account, asset);
        balance.available.checked_add(balance.locked).unwrap_or_default()
    };
    let in_usdt = symbols.assets().filter_map(|(asset, _)| {
        let price = if Some(asset) == usdt { Some(Decimal::ONE) } else { price(asset, usdt?, exchange) };
        owned(asset).checked_mul(price?)
    });
    let mut sum = in_usdt.fold(Decimal::ZERO, |sum, value| sum.checked_add(value).unwrap_or(sum));
    if currency == "BTC" {
        let price = symbols.find_asset("BTC").zip(usdt).and_then(|(btc, usdt)| price(btc, usdt, exchange));
        sum = price.and_then(|price| sum.checked_div(price)).unwrap_or_default();
    }
    let amount = text(sum.trunc_with_scale(8));
    let entry = |amount: &str| json!({"amount": amount, "currency": currency, "unrealised_pnl": "0", "borrowed": "0"});
    let mut details = serde_json::Map::new();
    details.insert("spot".to_owned(), entry(&amount));
    for product in ["cross_margin", "margin", "futures", "delivery", "finance", "quant", "meme_box", "options", "payment"] {
        details.insert(product.to_owned(), entry("0"));
    }
    Ok(json!({"total": entry(&amount), "details": details}))
}

/// Middle of the book of `asset` against `quote`, or its only side, or its last trade.
fn price(asset: AssetId, quote: AssetId, exchange: &Exchange) -> Option<Decimal> {
    let (id, pair) = exchange.pairs().find(|(_, pair)| pair.base == asset && pair.quote == quote)?;
    let book = exchange.book(id);
    let side = || book.best(Side::Buy).or_else(|| book.best(Side::Sell)).map(|level| level.price);
    book.mid_rounded_down().or_else(side).or_else(|| pair.last_price())
}
