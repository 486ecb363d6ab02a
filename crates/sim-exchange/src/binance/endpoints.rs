//! What can be asked, over REST and over the WebSocket API: names, rights, weights.
//!
//! Start at [`Endpoint::of_rest`], [`Endpoint::of_ws`] and [`Endpoint::run`].

use serde_json::{Value, json};

use super::{Call, Caller, account, amend, derivatives, error::ApiError, market, orders, params::Params, tickers};

/// Something that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Ping,
    Time,
    ExchangeInfo,
    Depth,
    Trades,
    HistoricalTrades,
    AggTrades,
    Klines,
    AvgPrice,
    Ticker24hr,
    RollingTicker,
    TradingDay,
    TickerPrice,
    BookTicker,
    Place,
    Test,
    Status,
    Cancel,
    CancelReplace,
    Amend,
    Amendments,
    Open,
    CancelOpen,
    All,
    MyTrades,
    Account,
    Commission,
    OrderCounts,
    Nothing,
    Transfers,
    Coins,
    ApiRestrictions,
    TradeFee,
    AccountStatus,
    TradingStatus,
    SystemStatus,
    UsdMarginedInfo,
    CoinMarginedInfo,
    OptionsInfo,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// Everybody.
    Public,
    /// Whoever signs.
    Signed,
    /// Whoever signs with a key that may trade.
    Trade,
}

/// REST: method, path, what it asks. `/sapi` is the wallet's; `/fapi`, `/dapi` and `/eapi` are those of derivatives.
const REST: [(&str, &str, Endpoint); 50] = [
    ("GET", "/api/v3/ping", Endpoint::Ping),
    ("GET", "/api/v3/time", Endpoint::Time),
    ("GET", "/api/v3/exchangeInfo", Endpoint::ExchangeInfo),
    ("GET", "/api/v3/depth", Endpoint::Depth),
    ("GET", "/api/v3/trades", Endpoint::Trades),
    ("GET", "/api/v3/historicalTrades", Endpoint::HistoricalTrades),
    ("GET", "/api/v3/aggTrades", Endpoint::AggTrades),
    ("GET", "/api/v3/klines", Endpoint::Klines),
    ("GET", "/api/v3/uiKlines", Endpoint::Klines),
    ("GET", "/api/v3/avgPrice", Endpoint::AvgPrice),
    ("GET", "/api/v3/ticker/24hr", Endpoint::Ticker24hr),
    ("GET", "/api/v3/ticker", Endpoint::RollingTicker),
    ("GET", "/api/v3/ticker/tradingDay", Endpoint::TradingDay),
    ("GET", "/api/v3/ticker/price", Endpoint::TickerPrice),
    ("GET", "/api/v3/ticker/bookTicker", Endpoint::BookTicker),
    ("POST", "/api/v3/order", Endpoint::Place),
    ("POST", "/api/v3/order/test", Endpoint::Test),
    ("GET", "/api/v3/order", Endpoint::Status),
    ("DELETE", "/api/v3/order", Endpoint::Cancel),
    ("POST", "/api/v3/order/cancelReplace", Endpoint::CancelReplace),
    ("PUT", "/api/v3/order/amend/keepPriority", Endpoint::Amend),
    ("GET", "/api/v3/order/amendments", Endpoint::Amendments),
    ("GET", "/api/v3/openOrders", Endpoint::Open),
    ("DELETE", "/api/v3/openOrders", Endpoint::CancelOpen),
    ("GET", "/api/v3/allOrders", Endpoint::All),
    ("GET", "/api/v3/myTrades", Endpoint::MyTrades),
    ("GET", "/api/v3/account", Endpoint::Account),
    ("GET", "/api/v3/account/commission", Endpoint::Commission),
    ("GET", "/api/v3/rateLimit/order", Endpoint::OrderCounts),
    ("GET", "/api/v3/myPreventedMatches", Endpoint::Nothing),
    ("GET", "/api/v3/myAllocations", Endpoint::Nothing),
    ("GET", "/api/v3/allOrderList", Endpoint::Nothing),
    ("GET", "/api/v3/openOrderList", Endpoint::Nothing),
    ("GET", "/sapi/v1/capital/config/getall", Endpoint::Coins),
    ("GET", "/sapi/v1/account/apiRestrictions", Endpoint::ApiRestrictions),
    ("GET", "/sapi/v1/system/status", Endpoint::SystemStatus),
    ("GET", "/sapi/v1/account/status", Endpoint::AccountStatus),
    ("GET", "/sapi/v1/account/apiTradingStatus", Endpoint::TradingStatus),
    ("GET", "/sapi/v1/asset/tradeFee", Endpoint::TradeFee),
    ("GET", "/sapi/v1/margin/allPairs", Endpoint::Nothing),
    ("GET", "/sapi/v1/margin/isolated/allPairs", Endpoint::Nothing),
    ("GET", "/sapi/v1/capital/deposit/hisrec", Endpoint::Transfers),
    ("GET", "/sapi/v1/capital/withdraw/history", Endpoint::Transfers),
    ("GET", "/fapi/v1/ping", Endpoint::Ping),
    ("GET", "/fapi/v1/time", Endpoint::Time),
    ("GET", "/fapi/v1/exchangeInfo", Endpoint::UsdMarginedInfo),
    ("GET", "/dapi/v1/ping", Endpoint::Ping),
    ("GET", "/dapi/v1/time", Endpoint::Time),
    ("GET", "/dapi/v1/exchangeInfo", Endpoint::CoinMarginedInfo),
    ("GET", "/eapi/v1/exchangeInfo", Endpoint::OptionsInfo),
];

/// WebSocket API: method, what it asks.
const WS: [(&str, Endpoint); 30] = [
    ("ping", Endpoint::Ping),
    ("time", Endpoint::Time),
    ("exchangeInfo", Endpoint::ExchangeInfo),
    ("depth", Endpoint::Depth),
    ("trades.recent", Endpoint::Trades),
    ("trades.historical", Endpoint::HistoricalTrades),
    ("trades.aggregate", Endpoint::AggTrades),
    ("klines", Endpoint::Klines),
    ("uiKlines", Endpoint::Klines),
    ("avgPrice", Endpoint::AvgPrice),
    ("ticker.24hr", Endpoint::Ticker24hr),
    ("ticker", Endpoint::RollingTicker),
    ("ticker.tradingDay", Endpoint::TradingDay),
    ("ticker.price", Endpoint::TickerPrice),
    ("ticker.book", Endpoint::BookTicker),
    ("order.place", Endpoint::Place),
    ("order.test", Endpoint::Test),
    ("order.status", Endpoint::Status),
    ("order.cancel", Endpoint::Cancel),
    ("order.cancelReplace", Endpoint::CancelReplace),
    ("order.amend.keepPriority", Endpoint::Amend),
    ("order.amendments", Endpoint::Amendments),
    ("openOrders.status", Endpoint::Open),
    ("openOrders.cancelAll", Endpoint::CancelOpen),
    ("allOrders", Endpoint::All),
    ("myTrades", Endpoint::MyTrades),
    ("account.status", Endpoint::Account),
    ("account.commission", Endpoint::Commission),
    ("account.rateLimits.orders", Endpoint::OrderCounts),
    ("myPreventedMatches", Endpoint::Nothing),
];

impl Endpoint {
    /// What this method and path ask; whether the path exists at all.
    pub(super) fn of_rest(method: &str, path: &str) -> (Option<Endpoint>, bool) {
        let mut of_path = REST.iter().filter(|(_, known, _)| *known == path).peekable();
        let exists = of_path.peek().is_some();
        (of_path.find(|(known, ..)| *known == method).map(|(.., endpoint)| *endpoint), exists)
    }

    /// What this method of the WebSocket API asks; it may name its version.
    pub(super) fn of_ws(method: &str) -> Option<Endpoint> {
        let method = method.strip_prefix("v3/").unwrap_or(method);
        WS.iter().find(|(known, _)| *known == method).map(|(_, endpoint)| *endpoint)
    }

    /// Who may ask it.
    pub(super) const fn security(self) -> Security {
        match self {
            Endpoint::Ping
            | Endpoint::Time
            | Endpoint::ExchangeInfo
            | Endpoint::Depth
            | Endpoint::Trades
            | Endpoint::HistoricalTrades
            | Endpoint::AggTrades
            | Endpoint::Klines
            | Endpoint::AvgPrice
            | Endpoint::Ticker24hr
            | Endpoint::RollingTicker
            | Endpoint::TradingDay
            | Endpoint::TickerPrice
            | Endpoint::BookTicker
            | Endpoint::SystemStatus
            | Endpoint::UsdMarginedInfo
            | Endpoint::CoinMarginedInfo
            | Endpoint::OptionsInfo => Security::Public,
            Endpoint::Place
            | Endpoint::Test
            | Endpoint::Cancel
            | Endpoint::CancelReplace
            | Endpoint::Amend
            | Endpoint::CancelOpen => Security::Trade,
            _ => Security::Signed,
        }
    }

    /// Whether it changes orders: such requests cost no weight when they succeed.
    pub(super) const fn is_order_write(self) -> bool {
        matches!(self, Endpoint::Place | Endpoint::Cancel | Endpoint::CancelReplace | Endpoint::Amend | Endpoint::CancelOpen)
    }

    /// Whether it is about one order: such replies are what faults falsify.
    pub(super) const fn is_one_order(self) -> bool {
        matches!(self, Endpoint::Place | Endpoint::Cancel | Endpoint::Status | Endpoint::Amend)
    }

    /// Its weight (Binance spot API, weights by endpoint).
    pub(super) fn weight(self, params: &Params) -> u64 {
        let one = params.has("symbol");
        let many = || params.list("symbols").ok().flatten().map_or(usize::MAX, |names| names.len());
        match self {
            Endpoint::Ping | Endpoint::Time => 1,
            Endpoint::ExchangeInfo | Endpoint::Account | Endpoint::Commission | Endpoint::All => 20,
            Endpoint::Depth => match params.number("limit").ok().flatten().unwrap_or(100) {
                0..=100 => 5,
                101..=500 => 25,
                501..=1_000 => 50,
                _ => 250,
            },
            Endpoint::Trades | Endpoint::HistoricalTrades => 25,
            Endpoint::AggTrades => 4,
            Endpoint::Klines | Endpoint::AvgPrice => 2,
            Endpoint::Ticker24hr if one => 2,
            Endpoint::Ticker24hr => match many() {
                0..=20 => 2,
                21..=100 => 40,
                _ => 80,
            },
            Endpoint::RollingTicker | Endpoint::TradingDay if !params.has("symbols") => 4,
            Endpoint::RollingTicker | Endpoint::TradingDay => 4 * many().clamp(1, 50) as u64,
            Endpoint::TickerPrice | Endpoint::BookTicker => 2 + 2 * u64::from(!one),
            Endpoint::Test if params.has("computeCommissionRates") => 20,
            Endpoint::Status | Endpoint::Amend | Endpoint::Amendments => 4,
            Endpoint::Open => {
                if one {
                    6
                } else {
                    80
                }
            }
            Endpoint::MyTrades => {
                if params.has("orderId") {
                    5
                } else {
                    20
                }
            }
            Endpoint::OrderCounts => 40,
            Endpoint::Nothing => 20,
            // The wallet counts apart, as do derivatives.
            Endpoint::Coins
            | Endpoint::Transfers
            | Endpoint::ApiRestrictions
            | Endpoint::TradeFee
            | Endpoint::AccountStatus
            | Endpoint::TradingStatus
            | Endpoint::SystemStatus
            | Endpoint::UsdMarginedInfo
            | Endpoint::CoinMarginedInfo
            | Endpoint::OptionsInfo => 0,
            _ => 1,
        }
    }

    /// Answers it. `caller` is there for whatever is signed.
    ///
    /// # Errors
    /// The refusal as Binance words it.
    pub(super) fn run(self, params: &Params, call: &mut Call<'_>, caller: Option<Caller>) -> Result<Value, ApiError> {
        let Some(caller) = caller else { return self.run_public(params, call) };
        match self {
            Endpoint::Place => orders::place(params, call, caller),
            Endpoint::Test => orders::test(params, call, caller),
            Endpoint::Status => orders::status(params, call, caller),
            Endpoint::Cancel => orders::cancel(params, call, caller),
            Endpoint::CancelReplace => orders::cancel_replace(params, call, caller),
            Endpoint::Amend => amend::amend(params, call, caller),
            Endpoint::Amendments => amend::amendments(params, call, caller),
            Endpoint::Open => orders::open(params, call, caller),
            Endpoint::CancelOpen => orders::cancel_all(params, call, caller),
            Endpoint::All => orders::all(params, call, caller),
            Endpoint::MyTrades => orders::my_trades(params, call, caller),
            Endpoint::Account => account::account(params, call, caller),
            Endpoint::Commission => account::commission(params, call, caller),
            Endpoint::OrderCounts => account::order_counts(params, call, caller),
            Endpoint::Nothing => account::nothing(params, call),
            Endpoint::Transfers => account::transfers(params),
            Endpoint::Coins => account::coins(params, call, caller),
            Endpoint::ApiRestrictions => account::api_restrictions(params, call, caller),
            Endpoint::TradeFee => account::trade_fee(params, call, caller),
            Endpoint::AccountStatus => account::trading_status(params, false),
            Endpoint::TradingStatus => account::trading_status(params, true),
            _ => self.run_public(params, call),
        }
    }

    fn run_public(self, params: &Params, call: &mut Call<'_>) -> Result<Value, ApiError> {
        match self {
            Endpoint::Ping => params.finish().map(|()| json!({})),
            Endpoint::Time => params.finish().map(|()| json!({"serverTime": call.stamp.of(call.t_ns)})),
            Endpoint::ExchangeInfo => market::exchange_info(params, call),
            Endpoint::Depth => market::depth(params, call),
            Endpoint::Trades => market::trades(params, call, false),
            Endpoint::HistoricalTrades => market::trades(params, call, true),
            Endpoint::AggTrades => market::agg_trades(params, call),
            Endpoint::Klines => market::klines(params, call),
            Endpoint::AvgPrice => market::avg_price(params, call),
            Endpoint::Ticker24hr => tickers::per_symbol(params, call, tickers::day_row),
            Endpoint::RollingTicker => tickers::rolling(params, call),
            Endpoint::TradingDay => tickers::trading_day(params, call),
            Endpoint::TickerPrice => tickers::per_symbol(params, call, tickers::price_row),
            Endpoint::BookTicker => tickers::per_symbol(params, call, tickers::book_row),
            Endpoint::UsdMarginedInfo => derivatives::usd_margined(params, call),
            Endpoint::CoinMarginedInfo => derivatives::coin_margined(params, call),
            Endpoint::OptionsInfo => derivatives::options(params, call),
            // Down for maintenance, it answers nobody.
            Endpoint::SystemStatus => params.finish().map(|()| json!({"status": 0, "msg": "normal"})),
            _ => Err(ApiError::new(-1002, "You are not authorized to execute this request.").with_status(401)),
        }
    }
}
