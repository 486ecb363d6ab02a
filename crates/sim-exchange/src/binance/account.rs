//! The account: balances, fees, counts, and the wallet's calls that clients make when they load (Binance spot and wallet APIs).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Call, Caller, error::ApiError, params::Params, rows::fixed};
use crate::core::{AssetId, Balance, FeeDebit, FeeRates};

/// Networks of the assets that have some: network, title, contract (empty on a chain of its own). A token has the contract that
/// the other simulated venues name for it; what is not listed lives on a chain of the simulator's own.
const NETWORKS: [(&str, &str, &str, &str); 8] = [
    ("BTC", "BTC", "Bitcoin", ""),
    ("ETH", "ETH", "Ethereum (ERC20)", ""),
    ("ETH", "ARBITRUM", "Arbitrum One", ""),
    ("SOL", "SOL", "Solana", ""),
    ("XRP", "XRP", "Ripple", ""),
    ("LTC", "LTC", "Litecoin", ""),
    ("USDT", "ETH", "Ethereum (ERC20)", "0x0000000000000000000000000000000000000001"),
    ("USDT", "TRX", "Tron (TRC20)", "T000000000000000000000000000000001"),
];
const OWN_CHAIN: (&str, &str, &str) = ("SIM", "Simulated chain", "");

fn rates(call: &Call<'_>, caller: Caller) -> FeeRates {
    call.exchange.account(caller.account).map_or(FeeRates::ZERO, |account| account.fees)
}

/// What the account owns, asset by asset, as it is shown: perhaps as it was.
fn balances(call: &Call<'_>, caller: Caller) -> Vec<(AssetId, Balance)> {
    let lag_ns = call.state.config.visibility.balances_stale_ns;
    let shown = |asset| call.state.balances.shown(caller.account, asset, call.t_ns, lag_ns, call.exchange);
    call.exchange.assets().map(|(asset, _)| (asset, shown(asset))).collect()
}

/// `account`, `account.status`.
pub(super) fn account(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let omit_zero = params.flag("omitZeroBalances")?.unwrap_or(false);
    params.finish()?;
    let fees = rates(call, caller);
    let per_10000 = |rate: Decimal| {
        use rust_decimal::prelude::ToPrimitive;
        (rate * Decimal::from(10_000)).to_u32().unwrap_or_default()
    };
    let shown = balances(call, caller)
        .into_iter()
        .filter(|(_, balance)| !omit_zero || !balance.available.is_zero() || !balance.locked.is_zero());
    let rows: Vec<Value> = shown
        .map(|(asset, balance)| {
            json!({
                "asset": call.state.symbols.asset(asset),
                "free": fixed(balance.available),
                "locked": fixed(balance.locked),
            })
        })
        .collect();
    let update_ns = call.exchange.balance_changes(caller.account).next_back().map_or(0, |(_, change)| change.t_ns);
    Ok(json!({
        "makerCommission": per_10000(fees.maker),
        "takerCommission": per_10000(fees.taker),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": fixed(fees.maker), "taker": fixed(fees.taker), "buyer": fixed(Decimal::ZERO), "seller": fixed(Decimal::ZERO),
        },
        "canTrade": true,
        "canWithdraw": true,
        "canDeposit": true,
        "brokered": false,
        "requireSelfTradePrevention": false,
        "preventSor": false,
        "updateTime": call.stamp.of(update_ns),
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
        "uid": caller.user_id,
    }))
}

/// `account/commission`, `account.commission`.
pub(super) fn commission(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let name = params.required("symbol")?;
    call.pair(name)?;
    params.finish()?;
    let mut rows = commission_rates(call, caller);
    rows["symbol"] = json!(name);
    let standard = rows["standardCommissionForOrder"].clone();
    let zero = fixed(Decimal::ZERO);
    rows["standardCommission"] = json!({"maker": standard["maker"], "taker": standard["taker"], "buyer": zero, "seller": zero});
    for name in ["specialCommission", "taxCommission"] {
        rows[name] = json!({"maker": zero, "taker": zero, "buyer": zero, "seller": zero});
    }
    if let Some(fields) = rows.as_object_mut() {
        for name in ["standardCommissionForOrder", "specialCommissionForOrder", "taxCommissionForOrder"] {
            fields.remove(name);
        }
    }
    Ok(rows)
}

/// The rates as a tested order tells them.
pub(super) fn commission_rates(call: &Call<'_>, caller: Caller) -> Value {
    let fees = rates(call, caller);
    let in_house = call.exchange.account(caller.account).is_some_and(|account| account.debit == FeeDebit::Gt);
    let zero = fixed(Decimal::ZERO);
    json!({
        "standardCommissionForOrder": {"maker": fixed(fees.maker), "taker": fixed(fees.taker)},
        "specialCommissionForOrder": {"maker": zero, "taker": zero},
        "taxCommissionForOrder": {"maker": zero, "taker": zero},
        "discount": {
            "enabledForAccount": in_house,
            "enabledForSymbol": true,
            "discountAsset": call.state.symbols.fee_asset(),
            "discount": fixed(call.state.symbols.fee_factor()),
        },
    })
}

/// `rateLimit/order`, `account.rateLimits.orders`.
pub(super) fn order_counts(params: &Params, call: &mut Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    params.finish()?;
    Ok(Value::Array(call.state.limits.of_orders(caller.user_id, call.t_ns)))
}

/// A list of things that a plain account has none of.
pub(super) fn nothing(params: &Params, call: &Call<'_>) -> Result<Value, ApiError> {
    if let Some(name) = params.get("symbol")? {
        call.pair(name)?;
    }
    for name in
        ["startTime", "endTime", "limit", "fromId", "orderId", "fromPreventedMatchId", "preventedMatchId", "fromAllocationId"]
    {
        params.get(name)?;
    }
    params.finish()?;
    Ok(json!([]))
}

/// `GET /sapi/v1/capital/deposit/hisrec` and `…/withdraw/history`: a simulated wallet is on no chain, so that neither tells any.
pub(super) fn transfers(params: &Params) -> Result<Value, ApiError> {
    for name in ["coin", "txId", "withdrawOrderId", "idList"] {
        params.get(name)?;
    }
    for name in ["status", "offset", "startTime", "endTime"] {
        params.number(name)?;
    }
    params.flag("includeSource")?;
    params.limit(1_000, 1_000)?;
    params.finish()?;
    Ok(json!([]))
}

/// `GET /sapi/v1/account/apiRestrictions`: what the key may do.
pub(super) fn api_restrictions(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    params.finish()?;
    Ok(json!({
        "ipRestrict": false,
        "createTime": call.stamp.of(call.state.start_t_ns),
        "enableReading": true,
        "enableWithdrawals": caller.may_withdraw,
        "enableInternalTransfer": false,
        "enableMargin": false,
        "enableFutures": false,
        "permitsUniversalTransfer": false,
        "enableVanillaOptions": false,
        "enableFixApiTrade": false,
        "enableFixReadOnly": false,
        "enableSpotAndMarginTrading": caller.may_trade,
        "enablePortfolioMarginTrading": false,
    }))
}

/// `GET /sapi/v1/account/status` and `…/apiTradingStatus`.
pub(super) fn trading_status(params: &Params, whole: bool) -> Result<Value, ApiError> {
    params.finish()?;
    Ok(if whole {
        let triggers = json!({"GCR": 150, "IFER": 150, "UFR": 300});
        json!({"data": {"isLocked": false, "plannedRecoverTime": 0, "triggerCondition": triggers, "updateTime": 0}})
    } else {
        json!({"data": "Normal"})
    })
}

/// `GET /sapi/v1/asset/tradeFee`: rates by symbol.
pub(super) fn trade_fee(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    let only = params.get("symbol")?.map(|name| call.pair(name)).transpose()?;
    params.finish()?;
    let fees = rates(call, caller);
    let pairs = call.state.symbols.pairs().map(|(pair, _)| pair).filter(|pair| only.is_none_or(|only| only == *pair));
    let rows = pairs.map(|pair| {
        json!({
            "symbol": call.state.symbols.name(pair),
            "makerCommission": crate::shared::text::decimal(fees.maker),
            "takerCommission": crate::shared::text::decimal(fees.taker),
        })
    });
    Ok(rows.collect())
}

/// `GET /sapi/v1/capital/config/getall`: every asset with its networks and contracts.
pub(super) fn coins(params: &Params, call: &Call<'_>, caller: Caller) -> Result<Value, ApiError> {
    params.finish()?;
    let faults = &call.state.config.faults;
    let closed = |list: &BTreeMap<String, Vec<String>>, coin: &str, network: &str| {
        list.get(coin).is_some_and(|chains| chains.is_empty() || chains.iter().any(|chain| chain == network))
    };
    let rows = call.exchange.balances(caller.account).map(|(asset, balance)| {
        let coin = call.state.symbols.asset(asset);
        let known = call.state.symbols.coin(coin);
        let named = NETWORKS.iter().filter(|(name, ..)| *name == known);
        let mut networks: Vec<(&str, &str, &str)> =
            named.map(|(_, network, title, contract)| (*network, *title, *contract)).collect();
        if networks.is_empty() {
            networks.push(OWN_CHAIN);
        }
        let mut list = Vec::new();
        for (position, (network, title, contract)) in networks.into_iter().enumerate() {
            let may_deposit = !closed(&faults.deposits_disabled, coin, network);
            let may_withdraw = !closed(&faults.withdrawals_disabled, coin, network);
            let mut row = json!({
                "network": network, "coin": coin, "name": title, "isDefault": position == 0,
                "depositEnable": may_deposit, "withdrawEnable": may_withdraw, "depositDesc": "", "withdrawDesc": "",
                "specialTips": "", "specialWithdrawTips": "", "resetAddressStatus": false,
                "addressRegex": "^(0x)[0-9A-Fa-f]{40}$", "addressRule": "", "memoRegex": "",
                "withdrawIntegerMultiple": "0.00000001", "withdrawFee": "0.001", "withdrawMin": "0.002", "withdrawMax": "9999999",
                "withdrawInternalMin": "0.00000001", "depositDust": "0.00000001", "minConfirm": 6, "unLockConfirm": 12,
                "sameAddress": false, "estimatedArrivalTime": 5, "busy": false, "country": "",
            });
            if !contract.is_empty() {
                row["contractAddressUrl"] = json!("https://explorer.invalid/address/");
                row["contractAddress"] = json!(contract);
            }
            if let Some(denomination) = call.state.symbols.denomination(coin) {
                row["denomination"] = json!(denomination);
            }
            list.push(row);
        }
        let any = |name: &str| list.iter().any(|row| row[name] == true);
        json!({
            "coin": coin, "name": coin, "depositAllEnable": any("depositEnable"), "withdrawAllEnable": any("withdrawEnable"),
            "free": fixed(balance.available), "locked": fixed(balance.locked), "freeze": "0", "withdrawing": "0",
            "ipoing": "0", "ipoable": "0", "storage": "0", "isLegalMoney": false, "trading": true, "networkList": list,
        })
    });
    Ok(rows.collect())
}
