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
    /// Directions accepted at start.
    pub trade_status: TradeStatus,
}

/// What happens to a post-only order that would take and to a fill-or-kill order that can't be filled. Gate's own
/// behaviour is an open question, so that both can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfillablePolicy {
    /// A typed refusal; no order comes into being.
    Refuse,
    /// The order gets an id and is finished at once as `poc` or `fok`.
    AcceptThenCancel,
}

/// Bounds of what an exchange remembers of the past. The oldest entry leaves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Finished orders kept per account.
    pub finished_orders_max: usize,
    /// Fills kept per account.
    pub account_trades_max: usize,
    /// Public trades kept per pair.
    pub public_trades_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> HistoryLimits {
        HistoryLimits { finished_orders_max: 20_000, account_trades_max: 50_000, public_trades_max: 1_000 }
    }
}

/// Everything an exchange is made of, apart from its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Assets; an [`AssetId`](super::AssetId) is a position in this list.
    pub assets: Vec<AssetConfig>,
    /// Pairs; a [`PairId`](super::PairId) is a position in this list.
    pub pairs: Vec<PairConfig>,
    /// Treatment of post-only and fill-or-kill orders that can't live.
    pub unfillable: UnfillablePolicy,
    /// Bounds of the history.
    pub history: HistoryLimits,
    /// The first order id and trade id to be given out, less one.
    pub first_id: u64,
    /// Book update id each pair starts with.
    pub first_book_id: u64,
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
