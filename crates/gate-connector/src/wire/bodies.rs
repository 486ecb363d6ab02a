//! REST bodies of the spot slice (Gate API v4): one method per request, each total.

use super::book::{BookSide, LevelsOf, levels};
use super::fees::PaidIn;
use super::json::{
    BODY_BYTES_MAX, Value, counter, fields, items, millis, number_text, object, optional_flag, optional_integer, text,
};
use super::rows::{self, OrderRow, Stamp};
use super::{Decoder, Reject};
use domain::decimal::{Excess, parse_units};
use domain::{
    Amount, AssetId, BalanceEntry, ErrorClass, FeeRates, Fill, FrameReject, Label, Level, OrderUpdate, PairId, Rate,
    ResyncReason, VenueNanos,
};
use simd_json::prelude::*;

/// Orders or trades a page may have (the venue's own maximum is 1000).
const ROWS_MAX: usize = 2000;
/// Markets with open orders, accounts, or keys a list may have.
const LIST_MAX: usize = 20_000;
/// Open orders per pair and page, as asked for.
pub const OPEN_ORDERS_PAGE: usize = 100;

/// A book of `/spot/order_book?with_id=true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseBook {
    /// Book id of this state.
    pub id: u64,
    /// Descending.
    pub bids: Vec<Level>,
    /// Ascending.
    pub asks: Vec<Level>,
    /// When the venue made the answer (`current`).
    pub sent_at: Option<VenueNanos>,
    /// When the book last changed (`update`).
    pub changed_at: Option<VenueNanos>,
}

/// One page of `/spot/open_orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrdersPage {
    /// Orders on configured pairs.
    pub orders: Vec<OrderRow>,
    /// Orders on other pairs.
    pub elsewhere: u32,
    /// True when some pair filled its page, so that another may follow.
    pub more: bool,
}

/// What `/account/main_keys` says about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// May place orders.
    pub can_trade: bool,
    /// May move funds out: a `withdraw` right, or a `wallet` right that is not read-only.
    pub can_withdraw: bool,
    /// Bound to addresses.
    pub ip_bound: bool,
}

impl Decoder {
    fn body<T>(
        &mut self,
        body: &mut [u8],
        decode: impl FnOnce(Value<'_, '_>, &super::PairNames) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        let Decoder { names, reader, .. } = self;
        reader.read(body, BODY_BYTES_MAX, |root| decode(root, names))
    }

    /// The `label` of an error body; `None` when it is no JSON object with a label.
    pub fn error_label(&mut self, body: &mut [u8]) -> Option<ErrorLabel> {
        self.body(body, |root, _| {
            fields!(object(&root, "error")?, "label" => label);
            Ok(ErrorLabel(text(label, "label")?.chars().take(64).collect()))
        })
        .ok()
    }

    /// `/spot/time`: the venue's time.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn time(&mut self, body: &mut [u8]) -> Result<VenueNanos, Reject> {
        self.body(body, |root, _| {
            fields!(object(&root, "time")?, "server_time" => time);
            millis(time, "server_time")?.ok_or(Reject::missing("server_time"))
        })
    }

    /// `/spot/order_book` with `with_id=true`. A book without id is an error, not an empty market.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape; its scope names the resync reason.
    pub fn base_book(&mut self, body: &mut [u8], pair: PairId) -> Result<BaseBook, Reject> {
        self.body(body, |root, names| {
            let info = names.tables.pair(pair).ok_or(Reject::new(FrameReject::UnknownPair, "pair"))?;
            fields!(object(&root, "order_book")?, "id" => id, "bids" => bids, "asks" => asks, "current" => current, "update" => update);
            let id = counter(id, "id")?;
            let side = |value: Option<Value<'_, '_>>, side, what| {
                levels(Some(value.ok_or(Reject::missing(what))?), pair, info.scale, side, LevelsOf::Snapshot, what)
            };
            Ok(BaseBook {
                id,
                bids: side(bids, BookSide::Bids, "bids")?,
                asks: side(asks, BookSide::Asks, "asks")?,
                sent_at: millis(current, "current")?,
                changed_at: millis(update, "update")?,
            })
        })
        .map_err(|reject| reject.within(super::Scope::Book(pair, ResyncReason::Gap)))
    }

    /// `/spot/accounts`: one entry per asset of the tables; an asset that is not listed is zero.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or an asset listed twice.
    pub fn accounts(&mut self, body: &mut [u8]) -> Result<Vec<BalanceEntry>, Reject> {
        self.body(body, |root, names| {
            let zero = |index: usize| BalanceEntry {
                asset: AssetId(index as u16),
                available: Amount::ZERO,
                locked: Amount::ZERO,
                version: None,
            };
            let mut entries: Vec<BalanceEntry> = (0..names.tables.assets.len()).map(zero).collect();
            let mut seen = vec![false; entries.len()];
            let (rows, _) = rows::list(&root, LIST_MAX, "accounts", |row| rows::balance(row, names))?;
            for row in rows {
                let index = row.asset.index();
                let (Some(entry), Some(seen)) = (entries.get_mut(index), seen.get_mut(index)) else { continue };
                if std::mem::replace(seen, true) {
                    return Err(Reject::shape("currency"));
                }
                *entry = row;
            }
            Ok(entries)
        })
    }

    /// One order: the answer to placing, looking up or cancelling it. `None` when it stands on a pair that is not configured.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn order(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Option<OrderRow>, Reject> {
        self.body(body, |root, names| rows::order(&root, names, stamp))
    }

    /// The answer to cancelling all orders of a pair: the end of each, or why its cancel failed.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn cancelled(&mut self, body: &mut [u8], stamp: Stamp) -> Result<Vec<OrderUpdate>, Reject> {
        self.body(body, |root, names| {
            let read = |row: &Value<'_, '_>| rows::cancelled(row, names, stamp);
            rows::list(&root, ROWS_MAX, "orders", read).map(|(list, _)| list)
        })
    }

    /// One page of `/spot/open_orders`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or an order in it that is not open.
    pub fn open_orders(&mut self, body: &mut [u8], stamp: Stamp) -> Result<OpenOrdersPage, Reject> {
        self.body(body, |root, names| {
            let mut page = OpenOrdersPage { orders: Vec::new(), elsewhere: 0, more: false };
            for market in items(&root, LIST_MAX, "open_orders")? {
                let market = object(&market, "open_orders")?;
                fields!(market, "currency_pair" => pair, "orders" => orders);
                let orders = orders.ok_or(Reject::missing("orders"))?;
                if names.find(text(pair, "currency_pair")?).is_none() {
                    page.elsewhere += items(&orders, ROWS_MAX, "orders")?.len() as u32;
                    continue;
                }
                let (rows, count) = rows::list(&orders, ROWS_MAX, "orders", |row| rows::order(row, names, stamp))?;
                page.more |= count >= OPEN_ORDERS_PAGE;
                page.orders.extend(rows);
            }
            Ok(page)
        })
    }

    /// One page of `/spot/my_trades`: the executions, and how many rows the page had.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn my_trades(&mut self, body: &mut [u8], stamp: Stamp) -> Result<(Vec<Fill>, usize), Reject> {
        self.body(body, |root, names| rows::list(&root, ROWS_MAX, "my_trades", |row| rows::trade(row, names, stamp)))
    }

    /// `/wallet/fee` for one pair. With GT deduction on, the GT rates apply and GT pays; with point deduction on, points pay.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, or a deduction in an asset that the tables do not have.
    pub fn fee(&mut self, body: &mut [u8], pair: PairId) -> Result<FeeRates, Reject> {
        self.body(body, |root, names| {
            fields!(object(&root, "fee")?,
                "taker_fee" => taker, "maker_fee" => maker, "gt_discount" => gt, "gt_taker_fee" => gt_taker,
                "gt_maker_fee" => gt_maker, "debit_fee" => debit);
            let rate = |value, what| {
                let units = parse_units(number_text(value, what)?.as_bytes(), domain::number::RATE_DECIMALS, Excess::Refuse)
                    .map_err(|e| Reject::number(e, what))?;
                Rate::from_nano(units).ok_or(Reject::new(FrameReject::OutOfRange, what))
            };
            let asset = |name| names.tables.asset_id(name).map(Some).ok_or(Reject::shape("fee asset"));
            let gt_discount = optional_flag(gt, "gt_discount")?.unwrap_or(false);
            let payer = PaidIn::of(gt_discount, optional_integer(debit, "debit_fee")?);
            let ((taker, taker_name), (maker, maker_name)) = match payer {
                PaidIn::Gt => ((gt_taker, "gt_taker_fee"), (gt_maker, "gt_maker_fee")),
                PaidIn::Points | PaidIn::Received => ((taker, "taker_fee"), (maker, "maker_fee")),
            };
            let (taker, maker) = (rate(taker, taker_name)?, rate(maker, maker_name)?);
            let paid_in = match payer {
                PaidIn::Received => None,
                PaidIn::Gt => asset("GT")?,
                PaidIn::Points => asset("POINT")?,
            };
            Ok(FeeRates { venue: names.venue, pair, taker, maker, paid_in })
        })
    }

    /// `/spot/countdown_cancel_all`: when the switch will fire, Unix milliseconds as an integer or a string; zero once disarmed.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn countdown(&mut self, body: &mut [u8]) -> Result<Option<VenueNanos>, Reject> {
        self.body(body, |root, _| {
            fields!(object(&root, "countdown")?, "triggerTime" => trigger);
            if trigger.is_none() {
                return Err(Reject::missing("triggerTime"));
            }
            millis(trigger, "triggerTime")
        })
    }

    /// `/account/main_keys`: what is said about the key that `is_ours` recognises by its masked text; the union of rights when
    /// several keys look alike, `None` when none does.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn key_facts(&mut self, body: &mut [u8], is_ours: impl Fn(&str) -> bool) -> Result<Option<KeyFacts>, Reject> {
        self.body(body, |root, _| {
            let mut facts: Option<KeyFacts> = None;
            let mut read = |row: &Value<'_, '_>| -> Result<(), Reject> {
                fields!(object(row, "key")?, "key" => key, "perms" => perms, "ip_whitelist" => ips, "state" => state);
                if !is_ours(text(key, "key")?) {
                    return Ok(());
                }
                // State 1 is normal; other states are locked or frozen.
                let normal = state.and_then(|s| s.as_i64()).unwrap_or(1) == 1;
                let mut one = KeyFacts { can_trade: false, can_withdraw: false, ip_bound: false };
                for perm in items(&perms.ok_or(Reject::missing("perms"))?, LIST_MAX, "perms")? {
                    fields!(object(&perm, "perms")?, "name" => name, "read_only" => read_only);
                    let name = text(name, "name")?;
                    let writes = !optional_flag(read_only, "read_only")?.unwrap_or(false);
                    one.can_trade |= normal && name == "spot" && writes;
                    one.can_withdraw |= name.starts_with("withdraw") || (name == "wallet" && writes);
                }
                if let Some(ips) = ips {
                    one.ip_bound = items(&ips, LIST_MAX, "ip_whitelist")?.len() > 0;
                }
                facts = Some(match facts {
                    None => one,
                    Some(other) => KeyFacts {
                        can_trade: one.can_trade || other.can_trade,
                        can_withdraw: one.can_withdraw || other.can_withdraw,
                        ip_bound: one.ip_bound && other.ip_bound,
                    },
                });
                Ok(())
            };
            if root.is_array() {
                for row in items(&root, LIST_MAX, "main_keys")? {
                    read(&row)?;
                }
            } else {
                read(&root)?;
            }
            Ok(facts)
        })
    }

    /// `/account/detail`: whether the key is bound to addresses.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn account_detail(&mut self, body: &mut [u8]) -> Result<Option<bool>, Reject> {
        self.body(body, |root, _| {
            fields!(object(&root, "detail")?, "ip_whitelist" => ips);
            ips.map(|ips| Ok(items(&ips, LIST_MAX, "ip_whitelist")?.len() > 0)).transpose()
        })
    }
}

/// A venue's label, bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLabel(pub String);

impl ErrorLabel {
    /// For people and logs.
    pub fn cut(&self) -> Label {
        Label::cut(&self.0)
    }

    /// The class of an answer with this label.
    pub fn class(&self, status: u16) -> ErrorClass {
        crate::errors::class(status, Some(&self.0))
    }
}

#[cfg(test)]
#[path = "bodies_tests.rs"]
mod tests;
