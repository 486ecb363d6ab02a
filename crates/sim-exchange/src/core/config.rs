//! What an exchange lists: assets, pairs, fees, bounds of its history. Checked once, when the exchange is made.

use rust_decimal::Decimal;

use super::types::TradeStatus;

/// Most decimals an asset may have.
pub const ASSET_DECIMALS_MAX: u32 = 18;

/// One asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetConfig {
    /// Ticker, e.g. `BTC`.
    pub name: String,
    /// Decimals of every balance, hold and fee in it, at most [`ASSET_DECIMALS_MAX`].
    pub decimals: u32,
}

/// One pair with its trading rules (Gate API v4, `currency_pairs`, gives the vocabulary).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairConfig {
    /// Symbol, e.g. `BTC_USDT`.
    pub id: String,
    /// Name of the base asset.
    pub base: String,
    /// Name of the quote asset.
    pub quote: String,
    /// Decimals of prices.
    pub precision: u32,
    /// Decimals of base amounts. `precision + amount_precision` must not pass the quote's decimals, so that each
    /// price × amount is exact.
    pub amount_precision: u32,
    /// Least base amount of an order.
    pub min_base_amount: Option<Decimal>,
    /// Least price × amount of an order.
    pub min_quote_amount: Option<Decimal>,
    /// Greatest base amount of an order.
    pub max_base_amount: Option<Decimal>,
    /// Greatest price × amount of an order.
    pub max_quote_amount: Option<Decimal>,
    /// Greatest base amount of a market sell (`market_order_max_stock`).
    pub market_max_base: Option<Decimal>,
    /// Greatest quote amount of a market buy (`market_order_max_money`).
    pub market_max_quote: Option<Decimal>,
    /// How far above the last price a limit buy may stand, as a fraction; `None` switches the rule off.
    pub up_rate: Option<Decimal>,
    /// How far below the last price a limit sell may stand, as a fraction; `None` switches the rule off.
    pub down_rate: Option<Decimal>,
    /// Greatest slippage a market order may ask for, as a fraction.
    pub slippage_max: Option<Decimal>,
    /// Directions accepted at start.
    pub trade_status: TradeStatus,
    /// Buy orders are accepted from then on, Unix seconds.
    pub buy_start_s: u64,
    /// Sell orders are accepted from then on, Unix seconds.
    pub sell_start_s: u64,
    /// No orders are accepted from then on, Unix seconds; 0 when no end is announced.
    pub delisting_time_s: u64,
    /// `premarket` instead of `normal`.
    pub is_premarket: bool,
    /// Special-treatment risk flag.
    pub st_tag: bool,
    /// Quote assets of a unified market; `None` for a normal one.
    pub trade_quotes: Option<Vec<String>>,
}

impl Default for PairConfig {
    /// A tradable pair without names and without limits, to be completed with `..PairConfig::default()`.
    fn default() -> PairConfig {
        PairConfig {
            id: String::new(),
            base: String::new(),
            quote: String::new(),
            precision: 0,
            amount_precision: 0,
            min_base_amount: None,
            min_quote_amount: None,
            max_base_amount: None,
            max_quote_amount: None,
            market_max_base: None,
            market_max_quote: None,
            up_rate: None,
            down_rate: None,
            slippage_max: None,
            trade_status: TradeStatus::Tradable,
            buy_start_s: 0,
            sell_start_s: 0,
            delisting_time_s: 0,
            is_premarket: false,
            st_tag: false,
            trade_quotes: None,
        }
    }
}

/// Assets that may pay fees in place of the received one. An asset that is not listed pays nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeductionConfig {
    /// Name of the exchange's own asset.
    pub gt_asset: String,
    /// What is left of a fee rate when it is paid in it, e.g. `0.9`; above 0, at most 1.
    pub gt_rate_factor: Decimal,
    /// Its price per quote asset. Fees of pairs in other quotes are paid in the received asset.
    pub gt_prices: Vec<(String, Decimal)>,
    /// Name of the asset that counts fee points.
    pub point_asset: String,
    /// Price of a point per quote asset.
    pub point_prices: Vec<(String, Decimal)>,
}

impl Default for DeductionConfig {
    /// GT at 8 USDT and nine tenths of the fee, a point for each USDT of fee: simulated prices that never move.
    fn default() -> DeductionConfig {
        DeductionConfig {
            gt_asset: "GT".to_owned(),
            gt_rate_factor: Decimal::new(9, 1),
            gt_prices: vec![("USDT".to_owned(), Decimal::from(8))],
            point_asset: "POINT".to_owned(),
            point_prices: vec![("USDT".to_owned(), Decimal::ONE)],
        }
    }
}

/// What happens to a post-only order that would take and to a fill-or-kill order that can't be filled. Gate's own
/// behaviour is an open question, so that both can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfillablePolicy {
    /// A typed refusal; no order comes into being.
    Refuse,
    /// The order gets an id and is finished at once as `poc` or `fok`; so is a market order that finds nothing, as `ioc`.
    AcceptThenCancel,
    /// A post-only order is refused. A fill-or-kill order, and a market order that finds nothing, get an id and are finished at once
    /// (Binance spot API: `LIMIT_MAKER` and `EXPIRED`).
    RefusePostOnly,
}

/// What a client id is unique among, per account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientIdPolicy {
    /// Nothing: a later order shadows the earlier one of the same id (Gate API v4, `text`).
    #[default]
    Shadowed,
    /// Open orders: the id is free again when its order has ended (Binance spot API, `newClientOrderId`).
    UniqueAmongOpen,
    /// All orders that are still remembered (Bybit API v5, `orderLinkId`).
    Unique,
}

/// Bounds of what an exchange remembers of the past. The oldest entry leaves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Finished orders kept per account.
    pub finished_orders_max: usize,
    /// Fills kept per account.
    pub account_trades_max: usize,
    /// Balance changes kept per account.
    pub balance_changes_max: usize,
    /// Public trades kept per pair.
    pub public_trades_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> HistoryLimits {
        HistoryLimits {
            finished_orders_max: 20_000,
            account_trades_max: 50_000,
            balance_changes_max: 50_000,
            public_trades_max: 10_000,
        }
    }
}

impl Default for ExchangeConfig {
    /// Nothing listed.
    fn default() -> ExchangeConfig {
        ExchangeConfig {
            assets: Vec::new(),
            pairs: Vec::new(),
            names: Vec::new(),
            denominations: Vec::new(),
            unfillable: UnfillablePolicy::Refuse,
            client_ids: ClientIdPolicy::Shadowed,
            deduction: DeductionConfig::default(),
            history: HistoryLimits::default(),
            first_id: 0,
            first_book_id: 0,
        }
    }
}

/// Everything an exchange is made of, apart from its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Assets; an [`AssetId`](super::AssetId) is a position in this list.
    pub assets: Vec<AssetConfig>,
    /// Pairs; a [`PairId`](super::PairId) is a position in this list.
    pub pairs: Vec<PairConfig>,
    /// Assets that have another name elsewhere: that one, and the one here.
    pub names: Vec<(String, String)>,
    /// Assets of which one here is 10^n of what others count as one: the name here, and n.
    pub denominations: Vec<(String, u32)>,
    /// Treatment of post-only and fill-or-kill orders that can't live.
    pub unfillable: UnfillablePolicy,
    /// What client ids are unique among.
    pub client_ids: ClientIdPolicy,
    /// Assets that may pay fees.
    pub deduction: DeductionConfig,
    /// Bounds of the history.
    pub history: HistoryLimits,
    /// The first order id and trade id to be given out, less one.
    pub first_id: u64,
    /// Book update id each pair starts with.
    pub first_book_id: u64,
}

impl ExchangeConfig {
    /// What others call the asset that is listed here as `name`: the same coin on the same chains.
    pub fn coin<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.iter().find(|(_, here)| here == name).map_or(name, |(elsewhere, _)| elsewhere)
    }

    /// How many of what others count as one is one of the asset that is listed here as `name`; `None` for the same.
    pub fn denomination(&self, name: &str) -> Option<u64> {
        let (_, tens) = self.denominations.iter().find(|(here, _)| here == name)?;
        10_u64.checked_pow(*tens)
    }
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An asset or pair has no name, or a name stands twice.
    #[error("name {0:?} is empty or given twice")]
    BadName(String),
    /// Too many decimals.
    #[error("{name} has {decimals} decimals, {max} is the most")]
    TooManyDecimals {
        /// Asset or pair.
        name: String,
        /// Decimals asked for.
        decimals: u32,
        /// Decimals possible.
        max: u32,
    },
    /// A pair or balance names an asset that is not listed.
    #[error("{user} names the unknown asset {asset}")]
    UnknownAsset {
        /// Who names it.
        user: String,
        /// The unknown name.
        asset: String,
    },
    /// A venue or market names a pair that is not listed.
    #[error("{user} names the unknown pair {pair}")]
    UnknownPair {
        /// Who names it.
        user: String,
        /// The unknown name.
        pair: String,
    },
    /// A number is outside its range.
    #[error("{what} is out of range: {why}")]
    OutOfRange {
        /// The setting.
        what: String,
        /// The rule.
        why: &'static str,
    },
    /// Two accounts have the same user id.
    #[error("user id {0} stands twice")]
    DuplicateUser(u64),
    /// An amount does not fit the asset or the number type.
    #[error("amount {amount} of {asset} is not representable")]
    BadAmount {
        /// The asset.
        asset: String,
        /// The amount.
        amount: Decimal,
    },
}
