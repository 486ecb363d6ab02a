//! REST bodies about an account: orders and their lists, executions, balances, rights of the key, commission (Binance spot API, account
//! and trading endpoints; wallet API, key permissions).

use super::{BODY_BYTES_MAX, Decoder, Reject, api, rows};
use domain::{AccountFacts, Amount, AssetId, BalanceEntry, FeeRates, Fill, FrameReject, OrderUpdate, PairId, Rate};
use rust_decimal::{Decimal, RoundingStrategy};
use simd_json::prelude::*;
use venue::desk::order_names::OrderName;
use venue::desk::rows::{OrderRow, Stamp};
use venue::desk::wire::{AccountAnswer, Page};
use venue::fields;
use venue::json::{JsonReader, Value, items, number_text, object, optional_flag, optional_text, required, text};

/// Decimals of a [`Rate`].
const RATE_DECIMALS: u32 = 9;
/// Rows that a list may have.
const ROWS_MAX: usize = 20_000;
/// Executions of one page, the venue's most.
pub const TRADES_PAGE: usize = 1000;

impl Decoder {
    /// The answer to placing, cancelling or looking up one order; `None` when it stands on a pair that is not configured.
    ///
    /// # Errors
    /// [`Reject`] for another shape, as all below.
    pub fn order(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Option<OrderRow>, Reject> {
        let Decoder { names, reader } = self;
        reader.read(body, BODY_BYTES_MAX, |root| rows::order(&root, names, stamp))
    }

    /// The answer to cancelling all orders of a pair.
    ///
    /// # Errors
    /// See [`Decoder::order`].
    pub fn cancelled(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Vec<OrderUpdate>, Reject> {
        let Decoder { names, reader } = self;
        reader.read(body, BODY_BYTES_MAX, |root| api::ended(&root, names, stamp))
    }

    /// `GET /api/v3/openOrders`, all pairs on one page.
    ///
    /// # Errors
    /// See [`Decoder::order`].
    pub fn open_orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<OrderRow>, Reject> {
        let Decoder { names, reader } = self;
        reader.read(body, BODY_BYTES_MAX, |root| {
            let (mut found, mut elsewhere) = (Vec::new(), 0);
            for row in items(&root, ROWS_MAX, "orders")? {
                match rows::order(&row, names, stamp)? {
                    Some(row) => found.push(row),
                    None => elsewhere += 1,
                }
            }
            Ok(Page { rows: found, elsewhere, more: false, cursor: String::new() })
        })
    }

    /// A page of `GET /api/v3/myTrades`; the cursor is the id that the next one begins with.
    ///
    /// # Errors
    /// See [`Decoder::order`].
    pub fn trades(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<Fill>, Reject> {
        let Decoder { names, reader } = self;
        reader.read(body, BODY_BYTES_MAX, |root| {
            let list = items(&root, ROWS_MAX, "trades")?;
            let more = list.len() >= TRADES_PAGE;
            let (mut found, mut last) = (Vec::new(), None);
            for row in list {
                fields!(object(&row, "trade")?, "id" => id);
                last = last.max(id.and_then(|id| id.as_u64()));
                found.extend(rows::trade(&row, names, stamp)?);
            }
            let cursor = last.and_then(|id| id.checked_add(1)).map(|id| id.to_string()).unwrap_or_default();
            Ok(Page { rows: found, elsewhere: 0, more: more && !cursor.is_empty(), cursor })
        })
    }

    /// A page of `GET /api/v3/allOrders`, read for its names only: orders of any type and state, most of them not ours.
    ///
    /// # Errors
    /// See [`Decoder::order`].
    pub fn order_names(&mut self, body: &mut [u8]) -> Result<Vec<OrderName>, Reject> {
        self.reader
            .read(body, BODY_BYTES_MAX, |root| items(&root, ROWS_MAX, "orders")?.map(|row| rows::order_name(&row)).collect())
    }

    /// Balances out of `GET /api/v3/account`: one entry for each asset of the tables; an asset that is not listed is zero.
    ///
    /// # Errors
    /// See [`Decoder::order`]; an asset that is listed twice.
    pub fn balances(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        let Decoder { names, reader } = self;
        reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&root, "account")?, "balances" => listed);
            let zero = |index: usize| BalanceEntry {
                asset: AssetId(index as u16),
                available: Amount::ZERO,
                locked: Amount::ZERO,
                version: None,
            };
            let mut told: Vec<Option<BalanceEntry>> = vec![None; names.tables.assets.len()];
            for row in items(&required(listed, "balances")?, ROWS_MAX, "balances")? {
                let Some(entry) = rows::balance(&row, names)? else { continue };
                let slot = told.get_mut(entry.asset.index()).ok_or(Reject::shape("asset"))?;
                if slot.replace(entry).is_some() {
                    return Err(Reject::shape("asset"));
                }
            }
            Ok(told.into_iter().enumerate().map(|(index, entry)| entry.unwrap_or_else(|| zero(index))).collect())
        })
    }

    /// What an answer tells about the key: its own permissions, which the live venue tells, or what the account may do. An account that
    /// may withdraw says nothing of the key.
    ///
    /// # Errors
    /// See [`Decoder::order`].
    pub fn account(&mut self, own: bool, body: &mut [u8]) -> Result<AccountAnswer, Reject> {
        let venue = self.names.venue;
        let rights = if own { key_rights(&mut self.reader, body)? } else { account_rights(&mut self.reader, body)?.rights };
        let KeyRights { can_trade, can_withdraw, ip_bound } = rights;
        Ok(AccountAnswer::Facts(AccountFacts { venue, can_trade, can_withdraw, ip_bound }))
    }

    /// What the account is charged on a pair (`GET /api/v3/account/commission`).
    ///
    /// # Errors
    /// See [`Decoder::order`].
    pub fn fees(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject> {
        let Decoder { names, reader } = self;
        let told = commission(reader, body)?;
        let name = names.of(pair).map(|named| named.name.as_str());
        if name != Some(told.symbol.as_str()) {
            return Err(Reject::new(FrameReject::UnknownPair, "symbol"));
        }
        // Finer than rates are counted: up, so that no trade is thought cheaper than it is.
        let rate = |rate: Decimal, what| {
            let rate = rate.round_dp_with_strategy(RATE_DECIMALS, RoundingStrategy::AwayFromZero);
            Rate::from_decimal(rate).ok_or(Reject::new(FrameReject::OutOfRange, what))
        };
        let paid_in = match &told.token {
            Some(token) => Some(names.tables.asset_id(token).ok_or(Reject::shape("discountAsset"))?),
            None => None,
        };
        Ok(FeeRates { venue: names.venue, pair, taker: rate(told.taker, "taker")?, maker: rate(told.maker, "maker")?, paid_in })
    }
}

/// What a key may do, as far as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRights {
    pub(crate) can_trade: Option<bool>,
    pub(crate) can_withdraw: Option<bool>,
    pub(crate) ip_bound: Option<bool>,
}

/// `GET /sapi/v1/account/apiRestrictions`.
pub(crate) fn key_rights(reader: &mut JsonReader, body: &mut [u8]) -> Result<KeyRights, Reject> {
    reader.read(body, BODY_BYTES_MAX, |root| {
        fields!(object(&root, "apiRestrictions")?,
            "ipRestrict" => ip, "enableWithdrawals" => withdraw, "enableSpotAndMarginTrading" => trade);
        let flag = |value, what| optional_flag(value, what)?.ok_or(Reject::missing(what));
        Ok(KeyRights {
            can_trade: Some(flag(trade, "enableSpotAndMarginTrading")?),
            can_withdraw: Some(flag(withdraw, "enableWithdrawals")?),
            ip_bound: optional_flag(ip, "ipRestrict")?,
        })
    })
}

/// What `GET /api/v3/account` says of an account beside its balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountRights {
    pub(crate) rights: KeyRights,
    /// `SPOT` for a classic one.
    pub(crate) kind: Option<String>,
    /// What is held of some assets, free.
    pub(crate) held: Vec<(String, Decimal)>,
}

/// Rights of an account, out of `GET /api/v3/account`.
pub(crate) fn account_rights(reader: &mut JsonReader, body: &mut [u8]) -> Result<AccountRights, Reject> {
    reader.read(body, BODY_BYTES_MAX, |root| {
        fields!(object(&root, "account")?,
            "canTrade" => trade, "canWithdraw" => withdraw, "accountType" => kind, "balances" => balances);
        let trade = optional_flag(trade, "canTrade")?.ok_or(Reject::missing("canTrade"))?;
        // The account may: whether the key may is not said. If the account may not, nor may the key.
        let withdraw = optional_flag(withdraw, "canWithdraw")?.filter(|may| !may);
        let rights = KeyRights { can_trade: Some(trade), can_withdraw: withdraw, ip_bound: None };
        let mut held = Vec::new();
        for row in balances.map(|list| items(&list, ROWS_MAX, "balances")).transpose()?.into_iter().flatten() {
            fields!(object(&row, "balance")?, "asset" => asset, "free" => free);
            held.push((text(asset, "asset")?.to_string(), decimal(free, "free")?));
        }
        Ok(AccountRights { rights, kind: optional_text(kind, "accountType")?.map(str::to_string), held })
    })
}

/// What a trade on a symbol is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commission {
    pub(crate) symbol: String,
    /// Of the received amount.
    pub(crate) taker: Decimal,
    pub(crate) maker: Decimal,
    /// The token that pays while it is held, at a discount.
    pub(crate) token: Option<String>,
}

/// The sum of standard commission (less the discount of the token that pays), special commission and tax. Each side of a trade has its
/// own part: the dearer one is taken for both.
pub(crate) fn commission(reader: &mut JsonReader, body: &mut [u8]) -> Result<Commission, Reject> {
    reader.read(body, BODY_BYTES_MAX, |root| {
        fields!(object(&root, "commission")?,
            "symbol" => symbol, "standardCommission" => standard, "specialCommission" => special, "taxCommission" => tax,
            "discount" => discount);
        let mut told =
            Commission { symbol: text(symbol, "symbol")?.into(), taker: Decimal::ZERO, maker: Decimal::ZERO, token: None };
        let mut factor = Decimal::ONE;
        if let Some(discount) = discount {
            fields!(object(&discount, "discount")?,
                "enabledForAccount" => account, "enabledForSymbol" => symbol, "discountAsset" => asset, "discount" => rate);
            let on = optional_flag(account, "enabledForAccount")? == Some(true)
                && optional_flag(symbol, "enabledForSymbol")? == Some(true);
            if on {
                factor = decimal(rate, "discount")?;
                told.token = Some(text(asset, "discountAsset")?.to_string());
            }
        }
        let parts = [(Some(required(standard, "standardCommission")?), factor), (special, Decimal::ONE), (tax, Decimal::ONE)];
        for (part, factor) in parts {
            let Some(part) = part else { continue };
            fields!(object(&part, "commission")?, "maker" => maker, "taker" => taker, "buyer" => buyer, "seller" => seller);
            let side = |value: Option<Value<'_, '_>>, what| value.map_or(Ok(Decimal::ZERO), |value| decimal(Some(value), what));
            let dearer = side(buyer, "buyer")?.max(side(seller, "seller")?);
            let of = |rate: Decimal| rate.checked_add(dearer)?.checked_mul(factor);
            let too_much = Reject::new(FrameReject::OutOfRange, "commission");
            let sum = |sum: Decimal, rate| of(rate).and_then(|rate| sum.checked_add(rate)).ok_or(too_much);
            told.taker = sum(told.taker, decimal(taker, "taker")?)?;
            told.maker = sum(told.maker, decimal(maker, "maker")?)?;
        }
        Ok(told)
    })
}

fn decimal(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Decimal, Reject> {
    Decimal::from_str_exact(number_text(value, what)?).map_err(|_| Reject::new(FrameReject::BadNumber, what))
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
