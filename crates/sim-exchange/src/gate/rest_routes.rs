//! Which endpoint a method and a path name (Gate API v4, spot, wallet, account; unified, margin and contracts as far as
//! ordinary clients call them at start).
//!
//! Start at [`route`]. Products that are not simulated answer as for a user who has none of them: lists are empty.

use super::market_data::PublicEndpoint;

/// Prefix of every path.
const PREFIX: &str = "/api/v4";

/// Settle currencies whose contract paths exist; any other answers like an unknown path.
const SETTLES: [&str; 3] = ["usdt", "btc", "usd1"];

/// A private endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrivateEndpoint<'a> {
    Accounts,
    AccountBook,
    SpotFee,
    BatchFee,
    WalletFee,
    TotalBalance,
    WithdrawStatus,
    Deposits,
    Withdrawals,
    DepositAddress,
    AccountDetail,
    MainKeys,
    AccountRateLimit,
    DebitFee,
    SetDebitFee,
    StpGroups,
    CreateStpGroup,
    StpGroupUsers(&'a str),
    UnifiedMode,
    UnifiedAccounts,
    PlaceOrder,
    ListOrders,
    CancelAll,
    GetOrder(&'a str),
    AmendOrder(&'a str),
    CancelOrder(&'a str),
    BatchOrders,
    CancelBatch,
    AmendBatch,
    OpenOrders,
    MyTrades,
    Countdown,
    /// A list of things the user has none of.
    EmptyList(&'static str),
    /// The contract accounts, never funded.
    ContractAccounts,
    /// Exists on Gate and is not simulated: refused for that reason once the key has this right, with write access.
    NotSimulated(&'static str),
}

impl PrivateEndpoint<'_> {
    /// The path pattern that rate limits are counted by.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            PrivateEndpoint::Accounts => "/spot/accounts",
            PrivateEndpoint::AccountBook => "/spot/account_book",
            PrivateEndpoint::SpotFee => "/spot/fee",
            PrivateEndpoint::BatchFee => "/spot/batch_fee",
            PrivateEndpoint::WalletFee => "/wallet/fee",
            PrivateEndpoint::TotalBalance => "/wallet/total_balance",
            PrivateEndpoint::WithdrawStatus => "/wallet/withdraw_status",
            PrivateEndpoint::Deposits => "/wallet/deposits",
            PrivateEndpoint::Withdrawals => "/wallet/withdrawals",
            PrivateEndpoint::DepositAddress => "/wallet/deposit_address",
            PrivateEndpoint::AccountDetail => "/account/detail",
            PrivateEndpoint::MainKeys => "/account/main_keys",
            PrivateEndpoint::AccountRateLimit => "/account/rate_limit",
            PrivateEndpoint::DebitFee | PrivateEndpoint::SetDebitFee => "/account/debit_fee",
            PrivateEndpoint::StpGroups | PrivateEndpoint::CreateStpGroup => "/account/stp_groups",
            PrivateEndpoint::StpGroupUsers(_) => "/account/stp_groups/{stp_id}/users",
            PrivateEndpoint::UnifiedMode => "/unified/unified_mode",
            PrivateEndpoint::UnifiedAccounts => "/unified/accounts",
            PrivateEndpoint::PlaceOrder | PrivateEndpoint::ListOrders | PrivateEndpoint::CancelAll => "/spot/orders",
            PrivateEndpoint::GetOrder(_) | PrivateEndpoint::AmendOrder(_) | PrivateEndpoint::CancelOrder(_) => {
                "/spot/orders/{order_id}"
            }
            PrivateEndpoint::BatchOrders => "/spot/batch_orders",
            PrivateEndpoint::CancelBatch => "/spot/cancel_batch_orders",
            PrivateEndpoint::AmendBatch => "/spot/amend_batch_orders",
            PrivateEndpoint::OpenOrders => "/spot/open_orders",
            PrivateEndpoint::MyTrades => "/spot/my_trades",
            PrivateEndpoint::Countdown => "/spot/countdown_cancel_all",
            PrivateEndpoint::EmptyList(pattern) => pattern,
            PrivateEndpoint::ContractAccounts => "/futures/{settle}/accounts",
            PrivateEndpoint::NotSimulated(_) => "not simulated",
        }
    }

    /// Places, amends or cancels: takes as long as matching does, and charges its own buckets.
    pub(super) fn is_order_write(self) -> bool {
        matches!(
            self,
            PrivateEndpoint::PlaceOrder
                | PrivateEndpoint::AmendOrder(_)
                | PrivateEndpoint::CancelOrder(_)
                | PrivateEndpoint::CancelAll
                | PrivateEndpoint::BatchOrders
                | PrivateEndpoint::CancelBatch
                | PrivateEndpoint::AmendBatch
        )
    }

    /// Needs a key that may write: everything but GET does (Gate API v4, authentication).
    pub(super) fn is_write(self) -> bool {
        let writes = matches!(
            self,
            PrivateEndpoint::Countdown
                | PrivateEndpoint::SetDebitFee
                | PrivateEndpoint::CreateStpGroup
                | PrivateEndpoint::NotSimulated(_)
        );
        writes || self.is_order_write()
    }

    /// The right a key needs; `None` where any key will do.
    pub(super) fn permission(self) -> Option<&'static str> {
        match self {
            PrivateEndpoint::AccountDetail
            | PrivateEndpoint::MainKeys
            | PrivateEndpoint::AccountRateLimit
            | PrivateEndpoint::DebitFee
            | PrivateEndpoint::StpGroups
            | PrivateEndpoint::StpGroupUsers(_)
            | PrivateEndpoint::UnifiedMode
            | PrivateEndpoint::UnifiedAccounts
            | PrivateEndpoint::EmptyList(_)
            | PrivateEndpoint::ContractAccounts => None,
            PrivateEndpoint::NotSimulated(permission) => Some(permission),
            PrivateEndpoint::WalletFee
            | PrivateEndpoint::TotalBalance
            | PrivateEndpoint::WithdrawStatus
            | PrivateEndpoint::Deposits
            | PrivateEndpoint::Withdrawals
            | PrivateEndpoint::DepositAddress => Some("wallet"),
            _ => Some("spot"),
        }
    }
}

/// What a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Public(PublicEndpoint<'a>),
    Private(PrivateEndpoint<'a>),
    /// Under the prefix, but nothing that is simulated.
    Unknown,
    /// A known path with a method it does not have.
    WrongMethod,
    /// Not under the prefix at all.
    Outside,
}

/// Names the endpoint. `path` is decoded. HEAD asks for what GET would answer (RFC 9110, section 9.3.2); the transport leaves
/// the body out.
pub(super) fn route<'a>(method: &str, path: &'a str) -> Route<'a> {
    let method = if method == "HEAD" { "GET" } else { method };
    let Some(rest) = path.strip_prefix(PREFIX) else { return Route::Outside };
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    if method == "GET"
        && let Some(endpoint) = public(&parts)
    {
        return Route::Public(endpoint);
    }
    if let Some(endpoint) = private(method, &parts) {
        return Route::Private(endpoint);
    }
    let known = public(&parts).is_some()
        || ["GET", "POST", "PATCH", "PUT", "DELETE"].into_iter().any(|other| private(other, &parts).is_some());
    if known { Route::WrongMethod } else { Route::Unknown }
}

fn public<'a>(parts: &[&'a str]) -> Option<PublicEndpoint<'a>> {
    let endpoint = match parts {
        ["spot", "time"] => PublicEndpoint::Time,
        ["spot", "currencies"] => PublicEndpoint::Currencies,
        ["spot", "currencies", name] => PublicEndpoint::Currency(name),
        ["spot", "currency_pairs"] => PublicEndpoint::Pairs,
        ["spot", "currency_pairs", name] => PublicEndpoint::Pair(name),
        ["spot", "tickers"] => PublicEndpoint::Tickers,
        ["spot", "order_book"] => PublicEndpoint::OrderBook,
        ["spot", "trades"] => PublicEndpoint::Trades,
        ["spot", "candlesticks"] => PublicEndpoint::Candlesticks,
        ["spot", "insurance_history"] => PublicEndpoint::EmptyList("/spot/insurance_history"),
        ["wallet", "currency_chains"] => PublicEndpoint::CurrencyChains,
        ["wallet", "getLowCapExchangeList"] => PublicEndpoint::EmptyList("/wallet/getLowCapExchangeList"),
        ["margin", "currency_pairs"] => PublicEndpoint::EmptyList("/margin/currency_pairs"),
        ["margin", "uni", "currency_pairs"] => PublicEndpoint::EmptyList("/margin/uni/currency_pairs"),
        ["margin", "currency_pairs", name] | ["margin", "uni", "currency_pairs", name] => PublicEndpoint::NoSuchPair(name),
        ["margin", "cross", "currencies"] => PublicEndpoint::EmptyList("/margin/cross/currencies"),
        ["margin", "funding_book"] => PublicEndpoint::EmptyList("/margin/funding_book"),
        ["unified", "currencies"] => PublicEndpoint::EmptyList("/unified/currencies"),
        ["unified", "currency_discount_tiers"] => PublicEndpoint::EmptyList("/unified/currency_discount_tiers"),
        ["unified", "loan_margin_tiers"] => PublicEndpoint::EmptyList("/unified/loan_margin_tiers"),
        ["earn", "uni", "currencies"] => PublicEndpoint::EmptyList("/earn/uni/currencies"),
        ["flash_swap", "currency_pairs"] => PublicEndpoint::EmptyList("/flash_swap/currency_pairs"),
        ["futures" | "delivery", settle, "contracts"] if SETTLES.contains(settle) => {
            PublicEndpoint::EmptyList("/futures/{settle}/contracts")
        }
        ["futures" | "delivery", settle, "tickers"] if SETTLES.contains(settle) => {
            PublicEndpoint::EmptyList("/futures/{settle}/tickers")
        }
        ["futures" | "delivery", settle, "contracts", _] if SETTLES.contains(settle) => PublicEndpoint::NoSuchContract,
        ["options", "underlyings"] => PublicEndpoint::EmptyList("/options/underlyings"),
        ["options", "expirations"] => PublicEndpoint::EmptyList("/options/expirations"),
        ["options", "contracts"] => PublicEndpoint::EmptyList("/options/contracts"),
        ["options", "tickers"] => PublicEndpoint::EmptyList("/options/tickers"),
        ["options", "contracts", _] => PublicEndpoint::NoSuchContract,
        _ => return None,
    };
    Some(endpoint)
}

fn private<'a>(method: &str, parts: &[&'a str]) -> Option<PrivateEndpoint<'a>> {
    let endpoint = match (method, parts) {
        ("GET", ["spot", "accounts"]) => PrivateEndpoint::Accounts,
        ("GET", ["spot", "account_book"]) => PrivateEndpoint::AccountBook,
        ("GET", ["spot", "fee"]) => PrivateEndpoint::SpotFee,
        ("GET", ["spot", "batch_fee"]) => PrivateEndpoint::BatchFee,
        ("GET", ["wallet", "fee"]) => PrivateEndpoint::WalletFee,
        ("GET", ["wallet", "total_balance"]) => PrivateEndpoint::TotalBalance,
        ("GET", ["wallet", "withdraw_status"]) => PrivateEndpoint::WithdrawStatus,
        ("GET", ["wallet", "deposits"]) => PrivateEndpoint::Deposits,
        ("GET", ["wallet", "withdrawals"]) => PrivateEndpoint::Withdrawals,
        ("GET", ["wallet", "deposit_address"]) => PrivateEndpoint::DepositAddress,
        ("GET", ["wallet", "saved_address"]) => PrivateEndpoint::EmptyList("/wallet/saved_address"),
        ("GET", ["wallet", "sub_account_transfers"]) => PrivateEndpoint::EmptyList("/wallet/sub_account_transfers"),
        ("GET", ["wallet", "sub_account_balances"]) => PrivateEndpoint::EmptyList("/wallet/sub_account_balances"),
        ("GET", ["wallet", "small_balance"]) => PrivateEndpoint::EmptyList("/wallet/small_balance"),
        ("GET", ["sub_accounts"]) => PrivateEndpoint::EmptyList("/sub_accounts"),
        ("GET", ["account", "detail"]) => PrivateEndpoint::AccountDetail,
        ("GET", ["account", "main_keys"]) => PrivateEndpoint::MainKeys,
        ("GET", ["account", "rate_limit"]) => PrivateEndpoint::AccountRateLimit,
        ("GET", ["account", "debit_fee"]) => PrivateEndpoint::DebitFee,
        ("POST", ["account", "debit_fee"]) => PrivateEndpoint::SetDebitFee,
        ("GET", ["account", "stp_groups"]) => PrivateEndpoint::StpGroups,
        ("POST", ["account", "stp_groups"]) => PrivateEndpoint::CreateStpGroup,
        ("GET", ["account", "stp_groups", id, "users"]) => PrivateEndpoint::StpGroupUsers(id),
        ("GET", ["unified", "unified_mode"]) => PrivateEndpoint::UnifiedMode,
        ("GET", ["unified", "accounts"]) => PrivateEndpoint::UnifiedAccounts,
        ("GET", ["unified", "loans"]) => PrivateEndpoint::EmptyList("/unified/loans"),
        ("GET", ["unified", "loan_records"]) => PrivateEndpoint::EmptyList("/unified/loan_records"),
        ("GET", ["unified", "interest_records"]) => PrivateEndpoint::EmptyList("/unified/interest_records"),
        ("GET", ["margin", "accounts" | "funding_accounts" | "account_book"]) => PrivateEndpoint::EmptyList("/margin/accounts"),
        ("GET", ["margin", "user", "account"]) => PrivateEndpoint::EmptyList("/margin/user/account"),
        ("GET", ["margin", "uni", "loans" | "loan_records" | "interest_records"]) => {
            PrivateEndpoint::EmptyList("/margin/uni/loans")
        }
        ("POST", ["spot", "orders"]) => PrivateEndpoint::PlaceOrder,
        ("GET", ["spot", "orders"]) => PrivateEndpoint::ListOrders,
        ("DELETE", ["spot", "orders"]) => PrivateEndpoint::CancelAll,
        ("GET", ["spot", "orders", name]) => PrivateEndpoint::GetOrder(name),
        ("PATCH", ["spot", "orders", name]) => PrivateEndpoint::AmendOrder(name),
        ("DELETE", ["spot", "orders", name]) => PrivateEndpoint::CancelOrder(name),
        ("POST", ["spot", "batch_orders"]) => PrivateEndpoint::BatchOrders,
        ("POST", ["spot", "cancel_batch_orders"]) => PrivateEndpoint::CancelBatch,
        ("POST", ["spot", "amend_batch_orders"]) => PrivateEndpoint::AmendBatch,
        ("GET", ["spot", "open_orders"]) => PrivateEndpoint::OpenOrders,
        ("GET", ["spot", "my_trades"]) => PrivateEndpoint::MyTrades,
        ("POST", ["spot", "countdown_cancel_all"]) => PrivateEndpoint::Countdown,
        ("GET", ["spot", "price_orders"]) => PrivateEndpoint::EmptyList("/spot/price_orders"),
        ("POST" | "DELETE", ["spot", "price_orders"])
        | ("GET" | "DELETE", ["spot", "price_orders", _])
        | ("POST", ["spot", "cross_liquidate_orders"]) => PrivateEndpoint::NotSimulated("spot"),
        ("POST", ["wallet", "transfers" | "sub_account_transfers"]) => PrivateEndpoint::NotSimulated("wallet"),
        ("POST", ["withdrawals"]) | ("DELETE", ["withdrawals", _]) => PrivateEndpoint::NotSimulated("withdraw"),
        ("PUT", ["unified", "unified_mode"]) => PrivateEndpoint::NotSimulated("unified"),
        ("GET", ["futures" | "delivery", settle, "accounts"]) if SETTLES.contains(settle) => PrivateEndpoint::ContractAccounts,
        ("GET", ["futures" | "delivery", settle, "positions" | "orders" | "my_trades" | "position_close"])
            if SETTLES.contains(settle) =>
        {
            PrivateEndpoint::EmptyList("/futures/{settle}/positions")
        }
        ("GET", ["options", "accounts"]) => PrivateEndpoint::ContractAccounts,
        ("GET", ["options", "positions"]) => PrivateEndpoint::EmptyList("/options/positions"),
        _ => return None,
    };
    Some(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_name_endpoints() {
        let rows = [
            ("GET", "/api/v4/spot/time", Route::Public(PublicEndpoint::Time)),
            ("GET", "/api/v4/spot/orders/t-1", Route::Private(PrivateEndpoint::GetOrder("t-1"))),
            ("PATCH", "/api/v4/spot/orders/1", Route::Private(PrivateEndpoint::AmendOrder("1"))),
            ("PUT", "/api/v4/spot/orders/1", Route::WrongMethod),
            ("POST", "/api/v4/spot/tickers", Route::WrongMethod),
            ("GET", "/api/v4/futures/usdt/contracts", Route::Public(PublicEndpoint::EmptyList("/futures/{settle}/contracts"))),
            ("GET", "/api/v4/futures/usdc/contracts", Route::Unknown),
            ("GET", "/api/v4/spot/nothing", Route::Unknown),
            ("GET", "/spot/time", Route::Outside),
            ("HEAD", "/api/v4/spot/time", Route::Public(PublicEndpoint::Time)),
            ("HEAD", "/api/v4/spot/batch_orders", Route::WrongMethod),
            ("OPTIONS", "/api/v4/spot/time", Route::WrongMethod),
            ("GET", "/api/v4//spot/time", Route::Unknown),
            ("GET", "/api/v4/spot/time/", Route::Unknown),
        ];
        for (method, path, expected) in rows {
            assert_eq!(route(method, path), expected, "{method} {path}");
        }
    }
}
