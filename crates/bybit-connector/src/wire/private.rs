//! Frames of the private stream, and the REST lists of the same rows.

use super::bodies::{page_cursor, result};
use super::{BODY_BYTES_MAX, Decoder, FRAME_BYTES_MAX, PairNames, Reject, Scope, rows};
use crate::market::Market;
use domain::decimal::{Excess, parse_units};
use domain::{
    Amount, AssetId, BalanceEntry, ClientOrderId, FeeRates, Fill, FrameReject, MonoNanos, OrderSource, PairId, Rate, VenueOrderId,
};
use simd_json::prelude::*;
use venue::desk::rows::{OrderRow, Stamp};
use venue::desk::wire::Page;
use venue::fields;
use venue::json::{Value, items, object, optional_flag, optional_text, required, text};

/// Rows that a frame or a page may have.
const ROWS_MAX: usize = 2000;

/// One frame of the private stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateFrame {
    /// Orders on configured pairs.
    Orders(Vec<OrderRow>),
    /// Executions on configured pairs.
    Fills(Vec<Fill>),
    /// Balances of known assets: those that changed, and perhaps others.
    Balances(Vec<BalanceEntry>),
    /// The connection may hear private news, or may not.
    LoggedIn(bool),
    /// Topics are subscribed, or refused.
    Subscribed(bool),
    /// The answer to a ping.
    Pong,
    /// A known topic that is not used.
    Ignored,
}

/// What a key may do (`GET /v5/user/query-api`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// It is no read-only key.
    pub writes: bool,
    /// May place orders on spot.
    pub can_trade: bool,
    /// May move funds out.
    pub can_withdraw: bool,
    /// Bound to addresses.
    pub address_bound: bool,
    /// Its account is a unified one; `None` where that is not told.
    pub unified: Option<bool>,
    /// Fee tier by the venue's name.
    pub tier: Option<String>,
}

impl Decoder {
    /// Decodes one text frame of the private stream, which came at `received`.
    ///
    /// # Errors
    /// [`Reject`] for any other shape: news of the account may be missing then.
    pub fn private_frame(&mut self, bytes: &mut [u8], received: MonoNanos) -> Result<PrivateFrame, Reject> {
        let Decoder { names, reader, payer, .. } = self;
        let read = reader.read(bytes, FRAME_BYTES_MAX, |root| private_frame(&root, names, received));
        if let Ok(PrivateFrame::Fills(fills)) = &read {
            fills.iter().for_each(|fill| payer.note(fill, &names.tables));
        }
        read.map_err(|reject| reject.within(Scope::Private))
    }

    /// A page of `GET /v5/order/realtime` or `GET /v5/order/history`.
    ///
    /// # Errors
    /// [`Reject`] for another shape.
    pub fn orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<OrderRow>, Reject> {
        self.page(body, |row, market, names| rows::order(row, market, names, stamp))
    }

    /// A page of `GET /v5/execution/list`.
    ///
    /// # Errors
    /// [`Reject`] for another shape.
    pub fn executions(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Page<Fill>, Reject> {
        let page = self.page(body, |row, market, names| rows::execution(row, market, names, stamp))?;
        page.rows.iter().for_each(|fill| self.payer.note(fill, &self.names.tables));
        Ok(page)
    }

    /// `GET /v5/account/wallet-balance`: one entry for each asset of the tables; an asset that is not listed is zero.
    ///
    /// # Errors
    /// [`Reject`] for another shape, or an asset listed twice.
    pub fn wallet(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        let Decoder { names, reader, .. } = self;
        reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&result(&root)?, "result")?, "list" => list);
            let listed = balances(&required(list, "list")?, names)?;
            let mut told: Vec<Option<BalanceEntry>> = vec![None; names.tables.assets.len()];
            for entry in listed {
                let slot = told.get_mut(entry.asset.index()).ok_or(Reject::shape("coin"))?;
                if slot.replace(entry).is_some() {
                    return Err(Reject::shape("coin"));
                }
            }
            let zero = |index: usize| BalanceEntry {
                asset: AssetId(index as u16),
                available: Amount::ZERO,
                locked: Amount::ZERO,
                version: None,
            };
            Ok(told.into_iter().enumerate().map(|(index, entry)| entry.unwrap_or_else(|| zero(index))).collect())
        })
    }

    /// The acknowledgement of an order request over REST: `None` for an order other than `ours`.
    ///
    /// # Errors
    /// [`Reject`] for another shape.
    pub fn received(&mut self, body: &mut [u8], ours: ClientOrderId) -> Result<Option<VenueOrderId>, Reject> {
        self.reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&result(&root)?, "result")?, "orderId" => id, "orderLinkId" => link_id);
            let other = optional_text(link_id, "orderLinkId")?.and_then(ClientOrderId::parse).is_some_and(|id| id != ours);
            let id = VenueOrderId::new(text(id, "orderId")?).ok_or(Reject::new(FrameReject::OutOfRange, "orderId"))?;
            Ok((!other).then_some(id))
        })
    }

    /// The acknowledgement of `POST /v5/order/cancel-all`. What it lists is left aside: the private stream tells each end.
    ///
    /// # Errors
    /// [`Reject`] for another shape, or when it says that it failed.
    pub fn all_cancelled(&mut self, body: &mut [u8]) -> Result<(), Reject> {
        self.reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&result(&root)?, "result")?, "list" => list, "success" => success);
            required(list, "list")?;
            // Older answers have none.
            if optional_text(success, "success")?.is_some_and(|told| told != "1") {
                return Err(Reject::new(FrameReject::VenueError, "success"));
            }
            Ok(())
        })
    }

    /// `GET /v5/account/fee-rate` of a pair.
    ///
    /// # Errors
    /// [`Reject`] for another shape, or when the pair is not in it.
    pub fn fee_rate(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject> {
        let Decoder { names, reader, payer, .. } = self;
        let named = names.of(pair).ok_or(Reject::shape("symbol"))?;
        let (taker, maker) = reader.read(body, BODY_BYTES_MAX, |root| fee_row(&root, &named.name))?;
        // Charged in what is received, on spot, unless the token pays: then the rates are told without its discount.
        Ok(FeeRates { venue: names.venue, pair, taker, maker, paid_in: payer.token() })
    }

    /// `GET /v5/user/query-api`: what the key may do.
    ///
    /// # Errors
    /// [`Reject`] for another shape.
    pub fn key_facts(&mut self, body: &mut [u8]) -> Result<KeyFacts, Reject> {
        self.reader.read(body, BODY_BYTES_MAX, |root| key_facts(&root))
    }

    fn page<T>(
        &mut self,
        body: &mut [u8],
        read: impl Fn(&Value<'_, '_>, Option<Market>, &PairNames) -> Result<Option<T>, Reject>,
    ) -> Result<Page<T>, Reject> {
        let Decoder { names, reader, .. } = self;
        reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&result(&root)?, "result")?, "category" => category, "list" => list, "nextPageCursor" => cursor);
            let market = optional_text(category, "category")?.and_then(Market::of_category);
            let list = items(&required(list, "list")?, ROWS_MAX, "list")?;
            let (mut rows, mut elsewhere) = (Vec::with_capacity(list.len()), 0);
            for row in list {
                match read(&row, market, names)? {
                    Some(row) => rows.push(row),
                    None => elsewhere += 1,
                }
            }
            // The last page may name one more, which is empty.
            let cursor = page_cursor(cursor)?.filter(|_| !rows.is_empty() || elsewhere > 0);
            Ok(Page { rows, elsewhere, more: cursor.is_some(), cursor: cursor.unwrap_or_default() })
        })
    }
}

fn private_frame(root: &Value<'_, '_>, names: &PairNames, received: MonoNanos) -> Result<PrivateFrame, Reject> {
    fields!(object(root, "frame")?, "topic" => topic, "data" => data, "op" => op, "success" => success);
    let Some(topic) = optional_text(topic, "topic")? else {
        let taken = optional_flag(success, "success")? != Some(false);
        return Ok(match text(op, "op")? {
            "auth" => PrivateFrame::LoggedIn(taken),
            "subscribe" => PrivateFrame::Subscribed(taken),
            "pong" | "ping" => PrivateFrame::Pong,
            "unsubscribe" => PrivateFrame::Ignored,
            _ => return Err(Reject::shape("op")),
        });
    };
    let stamp = Stamp { source: OrderSource::Stream, received, requested: received };
    // One topic for all categories, or one for each.
    let (kind, category) = topic.split_once('.').map_or((topic, None), |(kind, category)| (kind, Some(category)));
    let market = category.and_then(Market::of_category);
    let data = required(data, "data");
    match kind {
        "order" => list(&data?, |row| rows::order(row, market, names, stamp)).map(PrivateFrame::Orders),
        // `execution.fast` tells no fees and not always our ids: nothing is made of it.
        "execution" if category == Some("fast") => Ok(PrivateFrame::Ignored),
        "execution" => list(&data?, |row| rows::execution(row, market, names, stamp)).map(PrivateFrame::Fills),
        "wallet" => balances(&data?, names).map(PrivateFrame::Balances),
        "dcp" | "position" | "greeks" => Ok(PrivateFrame::Ignored),
        _ => Err(Reject::new(FrameReject::UnknownShape, "topic")),
    }
}

/// Rates of a taker and of a maker on the symbol of this name.
///
/// # Errors
/// [`Reject`] for another shape, or when it is not in the list.
pub(crate) fn fee_row(root: &Value<'_, '_>, name: &str) -> Result<(Rate, Rate), Reject> {
    fields!(object(&result(root)?, "result")?, "list" => list);
    for row in items(&required(list, "list")?, ROWS_MAX, "list")? {
        fields!(object(&row, "fee")?, "symbol" => symbol, "takerFeeRate" => taker, "makerFeeRate" => maker);
        if text(symbol, "symbol")? == name {
            return Ok((rate(taker, "takerFeeRate")?, rate(maker, "makerFeeRate")?));
        }
    }
    Err(Reject::missing("symbol"))
}

/// See [`Decoder::key_facts`].
///
/// # Errors
/// [`Reject`] for another shape.
pub(crate) fn key_facts(root: &Value<'_, '_>) -> Result<KeyFacts, Reject> {
    fields!(object(&result(root)?, "result")?,
        "readOnly" => read_only, "permissions" => permissions, "ips" => addresses, "uta" => unified, "vipLevel" => vip);
    fields!(object(&required(permissions, "permissions")?, "permissions")?, "Spot" => spot, "Wallet" => wallet);
    let writes = required(read_only, "readOnly")?.as_i64().ok_or(Reject::shape("readOnly"))? == 0;
    let addresses = texts(addresses, "ips")?;
    Ok(KeyFacts {
        writes,
        can_trade: writes && texts(spot, "Spot")?.iter().any(|right| right == "SpotTrade"),
        // Told even of a key that may only read: rights can be changed.
        can_withdraw: texts(wallet, "Wallet")?.iter().any(|right| right.contains("Withdraw")),
        address_bound: !addresses.is_empty() && !addresses.iter().any(|address| address == "*"),
        unified: unified.and_then(|flag| flag.as_i64()).map(|flag| flag != 0),
        tier: optional_text(vip, "vipLevel")?.map(|tier| tier.chars().take(40).collect()),
    })
}

fn texts(list: Option<Value<'_, '_>>, what: &'static str) -> Result<Vec<String>, Reject> {
    let Some(list) = list else { return Ok(Vec::new()) };
    items(&list, ROWS_MAX, what)?.map(|text| text.into_string().map(String::from).ok_or(Reject::shape(what))).collect()
}

fn rate(value: Option<Value<'_, '_>>, what: &'static str) -> Result<Rate, Reject> {
    let nano = parse_units(text(value, what)?.as_bytes(), domain::number::RATE_DECIMALS, Excess::Refuse)
        .map_err(|error| Reject::number(error, what))?;
    Rate::from_nano(nano).ok_or(Reject::new(FrameReject::OutOfRange, what))
}

fn list<T>(data: &Value<'_, '_>, read: impl Fn(&Value<'_, '_>) -> Result<Option<T>, Reject>) -> Result<Vec<T>, Reject> {
    let mut kept = Vec::new();
    for row in items(data, ROWS_MAX, "data")? {
        kept.extend(read(&row)?);
    }
    Ok(kept)
}

/// Balances of every account that is listed; there is one unified account.
fn balances(accounts: &Value<'_, '_>, names: &PairNames) -> Result<Vec<BalanceEntry>, Reject> {
    let mut kept = Vec::new();
    for account in items(accounts, ROWS_MAX, "accounts")? {
        fields!(object(&account, "account")?, "accountType" => kind, "coin" => coins);
        if text(kind, "accountType")? != "UNIFIED" {
            continue;
        }
        kept.extend(list(&required(coins, "coin")?, |coin| rows::balance(coin, names))?);
    }
    Ok(kept)
}
