//! What the catalogue knows, as data: method, path, access and rate limit of every endpoint (Gate API v4, spot REST, wallet,
//! rate limits).

use domain::time::SECOND;
use venue::Method;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; limits count per address.
    Public,
    /// A signed request with read permission; limits count per user.
    Read,
    /// A signed request with write permission; limits count per user.
    Write,
}

/// Which limit a request spends. "User" is the main or sub-account, whatever the number of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateClass {
    /// Each public endpoint by itself, per address.
    Public,
    /// Placing and amending, single and batch together, per user and market.
    SpotPlace,
    /// Cancelling, single and batch together, per user.
    SpotCancel,
    /// Each other private spot endpoint by itself, per user.
    SpotPrivate,
    /// The total balance, per user.
    TotalBalance,
    /// Each other private endpoint by itself (wallet, account, unified), per user.
    Other,
}

impl RateClass {
    /// Requests in one window.
    pub const fn limit(self) -> u32 {
        match self {
            RateClass::Public | RateClass::SpotCancel | RateClass::SpotPrivate => 200,
            RateClass::SpotPlace => 10,
            RateClass::TotalBalance => 80,
            RateClass::Other => 150,
        }
    }

    /// Length of the window, in nanoseconds.
    pub const fn window_ns(self) -> u64 {
        match self {
            RateClass::SpotPlace | RateClass::SpotCancel => SECOND,
            RateClass::Public | RateClass::SpotPrivate | RateClass::TotalBalance | RateClass::Other => 10 * SECOND,
        }
    }
}

macro_rules! endpoints {
    ($($name:ident: $method:ident $path:literal, $access:ident, $rate:ident, $doc:literal;)*) => {
        /// One endpoint.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Endpoint {
            $(#[doc = $doc] $name,)*
        }

        impl Endpoint {
            /// Every endpoint.
            pub const ALL: &'static [Endpoint] = &[$(Endpoint::$name,)*];

            /// HTTP method.
            pub const fn method(self) -> Method {
                match self { $(Endpoint::$name => Method::$method,)* }
            }

            /// Path below `/api/v4`; `{}` stands for the one argument in it.
            pub const fn path(self) -> &'static str {
                match self { $(Endpoint::$name => $path,)* }
            }

            /// Who may ask.
            pub const fn access(self) -> Access {
                match self { $(Endpoint::$name => Access::$access,)* }
            }

            /// Which limit it spends.
            pub const fn rate(self) -> RateClass {
                match self { $(Endpoint::$name => RateClass::$rate,)* }
            }
        }
    };
}

endpoints! {
    Time: Get "/spot/time", Public, Public, "The venue's clock.";
    Currencies: Get "/spot/currencies", Public, Public, "All currencies with their chains.";
    Currency: Get "/spot/currencies/{}", Public, Public, "One currency.";
    Pairs: Get "/spot/currency_pairs", Public, Public, "All pairs with their rules.";
    Pair: Get "/spot/currency_pairs/{}", Public, Public, "One pair.";
    Tickers: Get "/spot/tickers", Public, Public, "24-hour summaries.";
    OrderBook: Get "/spot/order_book", Public, Public, "A book.";
    Trades: Get "/spot/trades", Public, Public, "Public trades.";
    Candlesticks: Get "/spot/candlesticks", Public, Public, "Candlesticks.";
    CurrencyChains: Get "/wallet/currency_chains", Public, Public, "Chains of a currency.";
    WalletFee: Get "/wallet/fee", Read, Other, "Our fee rates: the recommended source.";
    SpotFee: Get "/spot/fee", Read, SpotPrivate, "Our spot fee rates; deprecated by the venue.";
    BatchFee: Get "/spot/batch_fee", Read, SpotPrivate, "Our spot fee rates of several pairs.";
    DebitFee: Get "/account/debit_fee", Read, Other, "Whether GT pays fees.";
    SetDebitFee: Post "/account/debit_fee", Write, Other, "Switches GT deduction.";
    RateLimit: Get "/account/rate_limit", Read, Other, "Our tier of the trading rate limit.";
    AccountDetail: Get "/account/detail", Read, Other, "Account mode, tier, user id, bound addresses.";
    MainKeys: Get "/account/main_keys", Read, Other, "Keys of the main account and their rights.";
    Accounts: Get "/spot/accounts", Read, SpotPrivate, "Spot balances.";
    AccountBook: Get "/spot/account_book", Read, SpotPrivate, "Changes of spot balances.";
    TotalBalance: Get "/wallet/total_balance", Read, TotalBalance, "Estimated worth of all accounts.";
    WithdrawStatus: Get "/wallet/withdraw_status", Read, Other, "Withdrawal fees and limits.";
    DepositAddress: Get "/wallet/deposit_address", Read, Other, "Our deposit addresses.";
    Deposits: Get "/wallet/deposits", Read, Other, "Our deposits.";
    Withdrawals: Get "/wallet/withdrawals", Read, Other, "Our withdrawals.";
    UnifiedMode: Get "/unified/unified_mode", Read, Other, "Mode of the unified account.";
    PlaceOrder: Post "/spot/orders", Write, SpotPlace, "Places one order.";
    ListOrders: Get "/spot/orders", Read, SpotPrivate, "Open or finished orders.";
    CancelAll: Delete "/spot/orders", Write, SpotCancel, "Cancels all orders of a pair.";
    Order: Get "/spot/orders/{}", Read, SpotPrivate, "One order by id or text.";
    AmendOrder: Patch "/spot/orders/{}", Write, SpotPlace, "Amends one order.";
    CancelOrder: Delete "/spot/orders/{}", Write, SpotCancel, "Cancels one order.";
    BatchOrders: Post "/spot/batch_orders", Write, SpotPlace, "Places several orders.";
    CancelBatch: Post "/spot/cancel_batch_orders", Write, SpotCancel, "Cancels several orders by id.";
    AmendBatch: Post "/spot/amend_batch_orders", Write, SpotPlace, "Amends several orders.";
    OpenOrders: Get "/spot/open_orders", Read, SpotPrivate, "Open orders of every market.";
    MyTrades: Get "/spot/my_trades", Read, SpotPrivate, "Our executions.";
    Countdown: Post "/spot/countdown_cancel_all", Write, SpotPrivate, "Arms or disarms the dead-man switch.";
}

impl Endpoint {
    /// True where the venue honours `x-gate-exptime`: create, batch, amend and every cancel, but not the dead-man switch.
    pub const fn can_expire(self) -> bool {
        matches!(
            self,
            Endpoint::PlaceOrder
                | Endpoint::CancelAll
                | Endpoint::AmendOrder
                | Endpoint::CancelOrder
                | Endpoint::BatchOrders
                | Endpoint::CancelBatch
                | Endpoint::AmendBatch
        )
    }
}
