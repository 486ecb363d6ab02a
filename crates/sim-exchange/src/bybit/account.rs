//! Private REST about the account: balances, what they would trade, rights of the key, fees, coins and their chains (Bybit API
//! v5: account, user, asset).
//!
//! The account is a unified one that trades spot and has nothing elsewhere: lists of anything else are empty.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    config::{BybitConfig, BybitKey},
    dcp::Protection,
    error::ApiError,
    market::{Category, category, is_listed},
    orders::side_of,
    params::{self, Params},
    rows::{self, RowContext},
};
use crate::{
    core::{AccountId, AssetId, Balance, Side},
    faults::Faults,
    shared::{balances::BalanceHistory, text::decimal},
};

/// When every simulated key was made, as text: long before any run.
const KEYS_MADE: &str = "2020-09-13T12:26:40Z";
/// Groups of rights that are always shown.
const GROUPS: [&str; 11] = [
    "ContractTrade",
    "Spot",
    "Wallet",
    "Options",
    "Derivatives",
    "CopyTrading",
    "BlockTrade",
    "Exchange",
    "NFT",
    "Affiliate",
    "Earn",
];

/// Decimals of quantities and of amounts in a borrow quota (Bybit API v5, get borrow quota).
const QUOTA_DECIMALS: (u32, u32) = (4, 8);

/// Who asks for a balance, and when.
#[derive(Clone, Copy)]
pub(super) struct BalanceView<'a> {
    pub(super) account: AccountId,
    pub(super) t_ns: u64,
    /// How old the state is that is shown.
    pub(super) lag_ns: u64,
    pub(super) history: &'a BalanceHistory,
}

impl BalanceView<'_> {
    fn of(&self, asset: AssetId, context: &RowContext<'_>) -> Balance {
        self.history.shown(self.account, asset, self.t_ns, self.lag_ns, context.exchange)
    }
}

/// The coins that a request names, or all there are.
fn wanted(params: &Params) -> Option<Vec<&str>> {
    params.get("coin").map(|names| names.split(',').map(str::trim).collect())
}

/// GET `/v5/account/wallet-balance`: coins that are owned, and those that are named.
///
/// # Errors
/// `10001` for another account type or an unknown coin.
pub(super) fn wallet_balance(params: &Params, view: &BalanceView<'_>, context: &RowContext<'_>) -> Result<Value, ApiError> {
    match params.get("accountType") {
        Some("UNIFIED") => {}
        None => return Err(ApiError::missing("accountType")),
        Some(other) => return Err(ApiError::new(10_001, format!("accountType only support UNIFIED, not {other}."))),
    }
    let wanted = wanted(params);
    if let Some(unknown) = wanted.iter().flatten().find(|name| context.symbols.find_asset(name).is_none()) {
        return Err(ApiError::parameter(format!("coin {unknown}")));
    }
    let coins: Vec<(AssetId, Balance)> = context
        .symbols
        .assets()
        .map(|(asset, name)| (asset, name, view.of(asset, context)))
        .filter(|(_, name, balance)| match &wanted {
            Some(names) => names.contains(name),
            None => !balance.available.is_zero() || !balance.locked.is_zero(),
        })
        .map(|(asset, _, balance)| (asset, balance))
        .collect();
    Ok(json!({"list": [rows::wallet(view.account, &coins, context)]}))
}

/// GET `/v5/asset/transfer/query-account-coins-balance` and `-coin-balance`: what could be moved between accounts.
///
/// # Errors
/// `10001` without a known account type, or for an unknown coin.
pub(super) fn transfer_balances(params: &Params, view: &BalanceView<'_>, context: &RowContext<'_>) -> Result<Value, ApiError> {
    let kind = params.get("accountType").ok_or_else(|| ApiError::missing("accountType"))?;
    if !["UNIFIED", "FUND", "CONTRACT", "SPOT"].contains(&kind) {
        return Err(ApiError::parameter(format!("accountType {kind}")));
    }
    let names = wanted(params);
    if let Some(unknown) = names.iter().flatten().find(|name| context.symbols.find_asset(name).is_none()) {
        return Err(ApiError::parameter(format!("coin {unknown}")));
    }
    let rows: Vec<Value> = context
        .symbols
        .assets()
        .filter(|(_, name)| names.as_ref().is_none_or(|names| names.contains(name)))
        .map(|(asset, name)| {
            let balance = if kind == "UNIFIED" { view.of(asset, context) } else { Balance::ZERO };
            let total = decimal(balance.available + balance.locked);
            json!({"coin": name, "walletBalance": total, "transferBalance": decimal(balance.available), "bonus": "0"})
        })
        .collect();
    Ok(json!({"accountType": kind, "memberId": "", "balance": rows}))
}

/// GET `/v5/order/spot-borrow-check`: what an order of a side could trade. Nothing can be borrowed here, so that it is what is free of the
/// coin that the side spends, in it and in the other at the best price to be had; nothing in the other without a book.
///
/// # Errors
/// `10001` for another category, an unknown symbol or side.
pub(super) fn borrow_quota(params: &Params, view: &BalanceView<'_>, context: &RowContext<'_>) -> Result<Value, ApiError> {
    if category(params.get("category"))? != Category::Spot {
        return Err(ApiError::parameter("category only support spot"));
    }
    let symbol = params.get("symbol").ok_or_else(|| ApiError::missing("symbol"))?;
    let side = params.get("side").ok_or_else(|| ApiError::missing("side"))?;
    let side = side_of(side).ok_or_else(|| ApiError::parameter(format!("side {side}")))?;
    let pair = context.symbols.find(symbol).ok_or_else(ApiError::unsupported_symbol)?;
    let (book, pair) = (context.exchange.book(pair), context.exchange.pair(pair));
    let price = book.best(side.opposite()).map(|level| level.price);
    let coin = if side == Side::Buy { pair.quote } else { pair.base };
    let free = view.of(coin, context).available;
    let (quantity, amount) = match (side, price) {
        (Side::Buy, Some(price)) => (free.checked_div(price).unwrap_or_default(), free),
        (Side::Sell, Some(price)) => (free, free.checked_mul(price).unwrap_or_default()),
        (Side::Buy, None) => (Decimal::ZERO, free),
        (Side::Sell, None) => (free, Decimal::ZERO),
    };
    let (quantity, amount) = (quantity.trunc_with_scale(QUOTA_DECIMALS.0), amount.trunc_with_scale(QUOTA_DECIMALS.1));
    let (quantity, amount) = (decimal(quantity), decimal(amount));
    Ok(json!({
        "symbol": symbol,
        "side": rows::side_word(side),
        "maxTradeQty": quantity,
        "maxTradeAmount": amount,
        "spotMaxTradeQty": quantity,
        "spotMaxTradeAmount": amount,
        "borrowCoin": context.symbols.asset(coin),
    }))
}

/// GET `/v5/account/info`.
pub(super) fn info(protection: &Protection) -> Value {
    json!({
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": "1600000000000",
        "unifiedMarginStatus": 6,
        "dcpStatus": if protection.window_s().is_some() { "ON" } else { "OFF" },
        "timeWindow": protection.window_s().unwrap_or(10),
        "smpGroup": 0,
        "isMasterTrader": false,
        "spotHedgingStatus": "OFF",
    })
}

/// GET `/v5/account/query-dcp-info`: empty for an account that may not have it.
pub(super) fn dcp_info(protection: &Protection) -> Value {
    let rows: Vec<Value> = protection
        .window_s()
        .map(|window_s| json!({"product": "SPOT", "dcpStatus": "ON", "timeWindow": window_s.to_string()}))
        .into_iter()
        .collect();
    json!({"dcpInfos": rows})
}

/// POST `/v5/order/disconnected-cancel-all`.
///
/// # Errors
/// `10001` for a window outside 3..=300 seconds or another product, `10005` where the account may not have it.
pub(super) fn set_dcp(fields: &Map<String, Value>, config: &BybitConfig, protection: &mut Protection) -> Result<Value, ApiError> {
    let window_s = params::integer(fields, "timeWindow")?.ok_or_else(|| ApiError::missing("timeWindow"))?;
    let window_s = u64::try_from(window_s).ok().filter(|window_s| (3..=300).contains(window_s));
    let window_s = window_s.ok_or_else(|| ApiError::parameter("timeWindow"))?;
    match params::text(fields, "product")?.unwrap_or("OPTIONS") {
        "SPOT" if config.dcp_allowed => protection.set_window(window_s),
        "SPOT" => return Err(ApiError::forbidden()),
        "OPTIONS" | "DERIVATIVES" => {}
        other => return Err(ApiError::parameter(format!("product {other}"))),
    }
    Ok(json!({}))
}

/// GET `/v5/account/fee-rate`.
///
/// # Errors
/// `10001` for an unknown category or symbol.
pub(super) fn fee_rate(
    params: &Params,
    account: AccountId,
    faults: &Faults,
    context: &RowContext<'_>,
) -> Result<Value, ApiError> {
    let name = params.get("category").unwrap_or_default();
    if category(params.get("category"))? == Category::Other {
        return Ok(json!({"category": name, "list": []}));
    }
    let wanted = params.get("symbol");
    if wanted.is_some_and(|symbol| context.symbols.find(symbol).is_none()) {
        return Err(ApiError::unsupported_symbol());
    }
    let fees = context.exchange.account(account).map(|account| account.fees).ok_or_else(ApiError::internal)?;
    let rows: Vec<Value> = context
        .symbols
        .pairs()
        .filter(|(pair, rules)| match wanted {
            Some(symbol) => symbol == context.symbols.name(*pair),
            None => is_listed(rules, faults),
        })
        .map(|(pair, _)| {
            json!({
                "symbol": context.symbols.name(pair),
                "baseCoin": "",
                "takerFeeRate": decimal(fees.taker),
                "makerFeeRate": decimal(fees.maker),
            })
        })
        .collect();
    Ok(json!({"category": "spot", "list": rows}))
}

/// GET `/v5/user/query-api`: the key that asks.
pub(super) fn query_api(key: &BybitKey) -> Value {
    let of_group =
        |group: &str| -> Vec<&str> { key.rights.iter().filter(|(known, _)| *known == group).map(|(_, name)| *name).collect() };
    let rights: Map<String, Value> = GROUPS.iter().map(|group| ((*group).to_owned(), json!(of_group(group)))).collect();
    json!({
        "id": key.user_id.to_string(),
        "note": "simulated",
        "apiKey": key.key,
        "readOnly": u8::from(key.read_only),
        "secret": "",
        "permissions": rights,
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 83,
        "expiredAt": "2099-12-31T00:00:00Z",
        "createdAt": KEYS_MADE,
        "unified": 0,
        "uta": 1,
        "userID": key.user_id,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": true,
        "parentUid": "0",
        "kycLevel": "LEVEL_DEFAULT",
        "kycRegion": "",
    })
}

/// GET `/v5/asset/coin/query-info`: chains of the coins, with the contracts that tell one coin from another of the same name.
///
/// # Errors
/// `10001` for an unknown coin.
pub(super) fn coin_info(params: &Params, faults: &Faults, context: &RowContext<'_>) -> Result<Value, ApiError> {
    let wanted = params.get("coin");
    if wanted.is_some_and(|name| context.symbols.find_asset(name).is_none()) {
        return Err(ApiError::new(170_221, "This coin does not exist."));
    }
    let rows: Vec<Value> = context
        .symbols
        .assets()
        .filter(|(_, name)| wanted.is_none_or(|wanted| wanted == *name))
        .map(|(asset, name)| {
            let chains: Vec<Value> = chains_of(context.symbols.coin(name))
                .iter()
                .map(|chain| {
                    let open = |closed: &std::collections::BTreeMap<String, Vec<String>>| {
                        let shut = closed
                            .get(name)
                            .is_some_and(|chains| chains.is_empty() || chains.iter().any(|one| one == chain.chain));
                        if shut { "0" } else { "1" }
                    };
                    json!({
                        "chain": chain.chain,
                        "chainType": chain.name,
                        "confirmation": "6",
                        "withdrawFee": chain.fee,
                        "depositMin": "0",
                        "withdrawMin": "0.001",
                        "minAccuracy": context.symbols.decimals(asset).min(8).to_string(),
                        "chainDeposit": open(&faults.deposits_disabled),
                        "chainWithdraw": open(&faults.withdrawals_disabled),
                        "withdrawPercentageFee": "0",
                        "contractAddress": chain.contract,
                        "safeConfirmNumber": "12",
                    })
                })
                .collect();
            json!({"name": name, "coin": name, "remainAmount": "10000000", "chains": chains})
        })
        .collect();
    Ok(json!({"rows": rows}))
}

/// A chain in Bybit's words.
struct Chain {
    chain: &'static str,
    name: &'static str,
    contract: &'static str,
    fee: &'static str,
}

/// The chains of a coin. The contracts are those of the other simulated venues: the same coin under the same name.
fn chains_of(coin: &str) -> &'static [Chain] {
    const BTC: [Chain; 1] = [Chain { chain: "BTC", name: "BTC", contract: "", fee: "0.0001" }];
    const ETH: [Chain; 2] = [
        Chain { chain: "ETH", name: "Ethereum", contract: "", fee: "0.0005" },
        Chain { chain: "ARBI", name: "Arbitrum One", contract: "", fee: "0.0001" },
    ];
    const SOL: [Chain; 1] = [Chain { chain: "SOL", name: "SOL", contract: "", fee: "0.002" }];
    const XRP: [Chain; 1] = [Chain { chain: "XRP", name: "XRP", contract: "", fee: "0.2" }];
    const USDT: [Chain; 2] = [
        Chain { chain: "ETH", name: "Ethereum (ERC20)", contract: "0x0000000000000000000000000000000000000001", fee: "1.5" },
        Chain { chain: "TRX", name: "TRON (TRC20)", contract: "T000000000000000000000000000000001", fee: "1" },
    ];
    const OTHER: [Chain; 1] = [Chain { chain: "SIM", name: "Simulated chain", contract: "", fee: "0" }];
    match coin {
        "BTC" => &BTC,
        "ETH" => &ETH,
        "SOL" => &SOL,
        "XRP" => &XRP,
        "USDT" => &USDT,
        _ => &OTHER,
    }
}
