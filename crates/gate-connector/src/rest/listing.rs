//! What is listed: currencies with their chains, pairs with every rule fact (Gate API v4, currencies and `currency_pairs` fields).

use super::endpoint::Endpoint;
use super::field;
use super::reader::{ROWS_MAX, RestReader};
use super::request::{CurrencyName, PairName, Query, public};
use crate::wire::Reject;
use crate::wire::json::{RULES_BYTES_MAX, Value, fields, is_null, object, required};
use domain::{FrameReject, UnixNanos, VenueNanos};
use rust_decimal::Decimal;
use simd_json::prelude::*;
use venue::HttpRequest;

/// Chains a currency may have.
const CHAINS_MAX: usize = 256;
/// Decimals a pair may have; the tables refuse more than 18 together anyway.
const DECIMALS_MAX: u64 = 18;

/// `GET /spot/currencies`.
pub fn currencies() -> HttpRequest {
    public(Endpoint::Currencies, "", Query::default())
}

/// `GET /spot/currencies/{currency}`.
pub fn currency(name: &CurrencyName) -> HttpRequest {
    public(Endpoint::Currency, name.as_str(), Query::default())
}

/// `GET /spot/currency_pairs`.
pub fn pairs() -> HttpRequest {
    public(Endpoint::Pairs, "", Query::default())
}

/// `GET /spot/currency_pairs/{pair}`.
pub fn pair(name: &PairName) -> HttpRequest {
    public(Endpoint::Pair, name.as_str(), Query::default())
}

/// One chain of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Gate's name of the chain.
    pub name: String,
    /// Contract address, if it has one.
    pub address: Option<String>,
    /// Whether deposits are credited.
    pub can_deposit: bool,
    /// Whether withdrawals are taken.
    pub can_withdraw: bool,
    /// Whether withdrawals are taken but delayed.
    pub withdraw_delayed: bool,
}

/// One currency. Deposit and withdrawal flags are those of its chains; the currency's own are deprecated by the venue and count only
/// where it tells no chains (bodies before 2024).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    /// Gate's name.
    pub name: String,
    /// Whether it was delisted.
    pub delisted: bool,
    /// Whether trading it is stopped.
    pub trade_disabled: bool,
    /// Its chains.
    pub chains: Vec<Chain>,
    /// Whether `chains` were told, or made of the deprecated flags.
    pub chains_told: bool,
}

impl Currency {
    /// True when some chain takes deposits.
    pub fn can_deposit(&self) -> bool {
        self.chains.iter().any(|chain| chain.can_deposit)
    }

    /// True when some chain takes withdrawals.
    pub fn can_withdraw(&self) -> bool {
        self.chains.iter().any(|chain| chain.can_withdraw)
    }
}

/// Which directions the venue says are open (`trade_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeStatus {
    /// None.
    Untradable,
    /// Buying only.
    Buyable,
    /// Selling only.
    Sellable,
    /// Both.
    Tradable,
}

/// Everything that `currency_pairs` says about one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFacts {
    /// Gate's name, the symbol everywhere.
    pub id: String,
    /// Base asset; nominal on a unified market.
    pub base: String,
    /// Quote asset; nominal on a unified market.
    pub quote: String,
    /// Decimals of prices.
    pub price_decimals: u8,
    /// Decimals of quantities.
    pub qty_decimals: u8,
    /// Smallest base quantity.
    pub base_min: Option<Decimal>,
    /// Largest base quantity.
    pub base_max: Option<Decimal>,
    /// Smallest quote value.
    pub quote_min: Option<Decimal>,
    /// Largest quote value.
    pub quote_max: Option<Decimal>,
    /// Largest base quantity of a market order (`market_order_max_stock`, or `max_market_order_stock` in the venue's example).
    pub market_base_max: Option<Decimal>,
    /// Largest quote value of a market order (`market_order_max_money`, or `max_market_order_money`).
    pub market_quote_max: Option<Decimal>,
    /// Which directions are open.
    pub status: TradeStatus,
    /// When buying opens; `None` when it is open since ever.
    pub buy_start: Option<VenueNanos>,
    /// When selling opens; `None` when it is open since ever.
    pub sell_start: Option<VenueNanos>,
    /// When it leaves; `None` when nothing is announced.
    pub delisting_at: Option<VenueNanos>,
    /// True for a market of a token that does not exist yet.
    pub premarket: bool,
    /// The special-treatment risk flag.
    pub special_treatment: bool,
    /// Largest rise of a price, as a fraction; presumably the band of limit prices.
    pub up_rate: Option<Decimal>,
    /// Largest fall of a price, as a fraction.
    pub down_rate: Option<Decimal>,
    /// Largest slippage of a market order, as a fraction.
    pub slippage: Option<Decimal>,
    /// The deprecated `fee`, in **percent**; never for profit.
    pub listed_fee_percent: Option<Decimal>,
    /// True for a unified market (`trade_quotes` not null): it settles in other assets than its name says.
    pub unified: bool,
    /// Quote assets of a unified market.
    pub trade_quotes: Vec<String>,
}

/// From this long before an announced delisting nothing is bought any more: transfers stop, and what is bought may be stuck.
pub const DELISTING_NEAR_S: i64 = 7 * 86_400;

/// An instant that is surely past (2026-09-21 13:33:20 UTC). Without a clock, a start at or before it has happened, and any later
/// one is taken for the future.
const SURELY_PAST: UnixNanos = UnixNanos(1_790_000_000_000_000_000);

/// Which directions are open to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directions {
    /// Whether we may buy.
    pub can_buy: bool,
    /// Whether we may sell.
    pub can_sell: bool,
}

impl PairFacts {
    /// Which directions are open to us at `now`, the venue's time. All of it must agree: the venue's status, the start of each
    /// direction, no delisting passed (none near either, to buy), and no kind of market that we keep out of: unified, pre-market,
    /// special treatment.
    ///
    /// Without a clock (`None`) a start later than this code itself counts as future, and an announced delisting as near.
    pub fn directions(&self, now: Option<UnixNanos>) -> Directions {
        let (status_buy, status_sell) = match self.status {
            TradeStatus::Untradable => (false, false),
            TradeStatus::Buyable => (true, false),
            TradeStatus::Sellable => (false, true),
            TradeStatus::Tradable => (true, true),
        };
        let ours = !(self.unified || self.premarket || self.special_treatment);
        let begun = |start: Option<VenueNanos>| start.is_none_or(|start| start.0 <= now.unwrap_or(SURELY_PAST).0);
        let gone = self.delisting_at.is_some_and(|at| at.0 <= now.unwrap_or(SURELY_PAST).0);
        let leaving = self
            .delisting_at
            .is_some_and(|at| now.is_none_or(|now| at.0.saturating_sub(DELISTING_NEAR_S * 1_000_000_000) <= now.0));
        Directions {
            can_buy: ours && status_buy && begun(self.buy_start) && !leaving,
            can_sell: ours && status_sell && begun(self.sell_start) && !gone,
        }
    }
}

/// One row of `currency_pairs`.
pub(crate) fn pair_row(value: &Value<'_, '_>) -> Result<PairFacts, Reject> {
    fields!(object(value, "pair")?,
        "id" => id, "base" => base, "quote" => quote, "precision" => price_decimals, "amount_precision" => qty_decimals,
        "min_base_amount" => base_min, "max_base_amount" => base_max, "min_quote_amount" => quote_min,
        "max_quote_amount" => quote_max, "market_order_max_stock" => market_base, "max_market_order_stock" => market_base_other,
        "market_order_max_money" => market_quote, "max_market_order_money" => market_quote_other, "trade_status" => status,
        "buy_start" => buy_start, "sell_start" => sell_start, "delisting_time" => delisting, "type" => kind, "st_tag" => st_tag,
        "up_rate" => up_rate, "down_rate" => down_rate, "slippage" => slippage, "fee" => fee, "trade_quotes" => trade_quotes);
    let (base, quote) = (field::text(base, "base")?, field::text(quote, "quote")?);
    let id = field::optional_text(id, "id")?.unwrap_or_else(|| format!("{base}_{quote}"));
    let status = match field::text(status, "trade_status")?.as_str() {
        "tradable" => TradeStatus::Tradable,
        "buyable" => TradeStatus::Buyable,
        "sellable" => TradeStatus::Sellable,
        "untradable" => TradeStatus::Untradable,
        _ => return Err(Reject::shape("trade_status")),
    };
    let decimals = |value, what| {
        let decimals = required(value, what)?.as_u64().ok_or(Reject::new(FrameReject::BadNumber, what))?;
        if decimals > DECIMALS_MAX { Err(Reject::new(FrameReject::OutOfRange, what)) } else { Ok(decimals as u8) }
    };
    Ok(PairFacts {
        id,
        base,
        quote,
        price_decimals: decimals(price_decimals, "precision")?,
        qty_decimals: decimals(qty_decimals, "amount_precision")?,
        base_min: field::limit(base_min, "min_base_amount")?,
        base_max: field::limit(base_max, "max_base_amount")?,
        quote_min: field::limit(quote_min, "min_quote_amount")?,
        quote_max: field::limit(quote_max, "max_quote_amount")?,
        market_base_max: field::limit(market_base.or(market_base_other), "market_order_max_stock")?,
        market_quote_max: field::limit(market_quote.or(market_quote_other), "market_order_max_money")?,
        status,
        buy_start: field::seconds(buy_start, "buy_start")?,
        sell_start: field::seconds(sell_start, "sell_start")?,
        delisting_at: field::seconds(delisting, "delisting_time")?,
        premarket: match field::optional_text(kind, "type")?.as_deref() {
            None | Some("normal") => false,
            // `premarket`, and any kind that is not known: not the asset that its name says elsewhere.
            Some(_) => true,
        },
        special_treatment: field::flag(st_tag, "st_tag")?,
        up_rate: field::optional_size(up_rate, "up_rate")?,
        down_rate: field::optional_size(down_rate, "down_rate")?,
        slippage: field::optional_size(slippage, "slippage")?,
        listed_fee_percent: field::optional_decimal(fee, "fee")?,
        unified: trade_quotes.is_some(),
        // Whatever shape it has, it is not null: the market is unified.
        trade_quotes: field::texts(trade_quotes, CHAINS_MAX, "trade_quotes").unwrap_or_default(),
    })
}

fn currency_row(value: &Value<'_, '_>) -> Result<Currency, Reject> {
    fields!(object(value, "currency")?,
        "currency" => name, "delisted" => delisted, "trade_disabled" => trade_disabled, "chain" => chain, "chains" => chains,
        "withdraw_disabled" => withdraw_disabled, "withdraw_delayed" => withdraw_delayed, "deposit_disabled" => deposit_disabled);
    let name = field::text(name, "currency")?;
    let chains_told = chains.is_some_and(|chains| !is_null(&chains));
    let chains = if chains_told {
        field::optional_list(chains, CHAINS_MAX, "chains", |row| {
            fields!(object(row, "chain")?,
                "name" => name, "addr" => address, "withdraw_disabled" => withdraw_disabled,
                "withdraw_delayed" => withdraw_delayed, "deposit_disabled" => deposit_disabled);
            Ok(Chain {
                name: field::text(name, "name")?,
                address: field::optional_text(address, "addr")?,
                // A flag that is not told does not open anything.
                can_deposit: field::optional_flag(deposit_disabled, "deposit_disabled")? == Some(false),
                can_withdraw: field::optional_flag(withdraw_disabled, "withdraw_disabled")? == Some(false),
                withdraw_delayed: field::flag(withdraw_delayed, "withdraw_delayed")?,
            })
        })?
    } else {
        vec![Chain {
            name: field::optional_text(chain, "chain")?.unwrap_or_else(|| name.clone()),
            address: None,
            can_deposit: field::optional_flag(deposit_disabled, "deposit_disabled")? == Some(false),
            can_withdraw: field::optional_flag(withdraw_disabled, "withdraw_disabled")? == Some(false),
            withdraw_delayed: field::flag(withdraw_delayed, "withdraw_delayed")?,
        }]
    };
    Ok(Currency {
        name,
        delisted: field::optional_flag(delisted, "delisted")?.ok_or(Reject::missing("delisted"))?,
        trade_disabled: field::optional_flag(trade_disabled, "trade_disabled")?.ok_or(Reject::missing("trade_disabled"))?,
        chains,
        chains_told,
    })
}

impl RestReader {
    /// `/spot/currencies`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn currencies(&mut self, body: &mut [u8]) -> Result<Vec<Currency>, Reject> {
        self.read_capped(body, RULES_BYTES_MAX, |root| field::list(root, ROWS_MAX, "currencies", currency_row))
    }

    /// `/spot/currencies/{currency}`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn currency(&mut self, body: &mut [u8]) -> Result<Currency, Reject> {
        self.read(body, currency_row)
    }

    /// `/spot/currency_pairs`. One row that can't be read refuses the list; `rules::decode` judges wanted rows only.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn pairs(&mut self, body: &mut [u8]) -> Result<Vec<PairFacts>, Reject> {
        self.read_capped(body, RULES_BYTES_MAX, |root| field::list(root, ROWS_MAX, "currency_pairs", pair_row))
    }

    /// `/spot/currency_pairs/{pair}`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn pair(&mut self, body: &mut [u8]) -> Result<PairFacts, Reject> {
        self.read(body, pair_row)
    }
}
