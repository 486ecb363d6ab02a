//! Our account: balances and their changes, mode, keys, tiers (Gate API v4, balances; wallet; unified).

use super::endpoint::Endpoint;
use super::field;
use super::reader::{ROWS_MAX, RestReader, is_object};
use super::request::{CurrencyName, Page, Query, RequestError, Span, THIRTY_DAYS_S, Unsigned};
use crate::wire::Reject;
use crate::wire::json::{Value, fields, object, required};
use domain::VenueNanos;
use rust_decimal::Decimal;

/// Entries of a list inside a row: addresses, pairs, rights.
const ENTRIES_MAX: usize = 10_000;

/// `GET /spot/accounts`.
pub fn accounts(currency: Option<&CurrencyName>) -> Unsigned {
    Unsigned::get(Endpoint::Accounts, Query::default().with_some("currency", currency.map(CurrencyName::as_str)))
}

/// `GET /spot/account_book`, newest first. A span may last 30 days.
///
/// # Errors
/// [`RequestError::OutOfRange`] for a limit outside 1 to 1000, a page too deep or a span too long.
pub fn account_book(currency: Option<&CurrencyName>, page: Page, span: Span) -> Result<Unsigned, RequestError> {
    let query = Query::default().with_some("currency", currency.map(CurrencyName::as_str));
    Ok(Unsigned::get(Endpoint::AccountBook, span.on(page.on(query, 1000)?, THIRTY_DAYS_S)?))
}

/// `GET /wallet/total_balance`: an estimate that the venue caches up to a minute. Never size from it.
pub fn total_balance(currency: &CurrencyName) -> Unsigned {
    Unsigned::get(Endpoint::TotalBalance, Query::default().with("currency", currency.as_str()))
}

/// `GET /account/detail`.
pub fn detail() -> Unsigned {
    Unsigned::get(Endpoint::AccountDetail, Query::default())
}

/// `GET /account/main_keys`. Not available to keys of sub-accounts.
pub fn main_keys() -> Unsigned {
    Unsigned::get(Endpoint::MainKeys, Query::default())
}

/// `GET /account/rate_limit`.
pub fn rate_limit() -> Unsigned {
    Unsigned::get(Endpoint::RateLimit, Query::default())
}

/// `GET /unified/unified_mode`.
pub fn unified_mode() -> Unsigned {
    Unsigned::get(Endpoint::UnifiedMode, Query::default())
}

/// Balance of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which currency.
    pub currency: String,
    /// Free to trade.
    pub available: Decimal,
    /// Held by orders.
    pub locked: Decimal,
    /// Version counter: a smaller one is an older state.
    pub update_id: Option<u64>,
}

/// One change of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The venue's id.
    pub id: String,
    /// When.
    pub at: Option<VenueNanos>,
    /// Which currency.
    pub currency: String,
    /// By how much; negative when it left.
    pub change: Decimal,
    /// The balance after it.
    pub balance: Decimal,
    /// Why (`order_fee`, `dnw`, …): an open set.
    pub kind: Option<String>,
    /// Why, by number.
    pub code: Option<String>,
    /// Client text of the order, if one caused it.
    pub text: Option<String>,
}

/// Estimated worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worth {
    /// How much.
    pub amount: Decimal,
    /// Of what.
    pub currency: String,
}

/// Worth of everything, and by account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalBalance {
    /// All accounts.
    pub total: Worth,
    /// By account (`spot`, `futures`, …), in the venue's order.
    pub details: Vec<(String, Worth)>,
}

/// Classic or unified account (`mode` of a key).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountMode {
    /// Every product has a wallet of its own.
    Classic,
    /// One wallet for all products.
    Unified,
    /// A number that is not known.
    Other(i64),
}

impl AccountMode {
    const fn of(number: i64) -> AccountMode {
        match number {
            1 => AccountMode::Classic,
            2 => AccountMode::Unified,
            other => AccountMode::Other(other),
        }
    }
}

/// `/account/detail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDetail {
    /// Numeric user id, as futures streams want it.
    pub user_id: Option<String>,
    /// VIP tier.
    pub tier: Option<i64>,
    /// Addresses that the key is bound to; `None` when not told.
    pub ip_whitelist: Option<Vec<String>>,
    /// Pairs that the key is restricted to; empty for all.
    pub pairs: Vec<String>,
    /// Classic or unified.
    pub mode: Option<AccountMode>,
    /// Role in copy trading.
    pub copy_trading_role: Option<i64>,
}

/// One right of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Its name (`spot`, `wallet`, `withdraw`, `unified`, …).
    pub name: String,
    /// Whether it only reads.
    pub read_only: bool,
}

/// State of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It works.
    Normal,
    /// Locked, frozen, or a number that is not known.
    Stopped(i64),
}

/// One key of the main account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainKey {
    /// The key, masked.
    pub key: String,
    /// State.
    pub state: KeyState,
    /// Classic or unified.
    pub mode: Option<AccountMode>,
    /// User.
    pub user_id: Option<String>,
    /// Addresses it is bound to; empty for none.
    pub ip_whitelist: Vec<String>,
    /// Rights.
    pub rights: Vec<Right>,
    /// Pairs it is restricted to; empty for all.
    pub pairs: Vec<String>,
    /// When it was last used.
    pub last_access: Option<VenueNanos>,
}

impl MainKey {
    /// True when it may place spot orders.
    pub fn can_trade(&self) -> bool {
        self.state == KeyState::Normal && self.rights.iter().any(|r| r.name == "spot" && !r.read_only)
    }

    /// True when it may move funds out: a `withdraw` right, or a `wallet` right that is not read-only (whether that one can is not
    /// documented, so it counts).
    pub fn can_withdraw(&self) -> bool {
        self.rights.iter().any(|r| r.name.starts_with("withdraw") || (r.name == "wallet" && !r.read_only))
    }
}

/// A tier of the trading rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTier {
    /// The tier.
    pub tier: Option<String>,
    /// Fill ratio of this account.
    pub ratio: Option<Decimal>,
    /// Fill ratio of the main account.
    pub main_ratio: Option<Decimal>,
    /// When it was set.
    pub updated_at: Option<VenueNanos>,
}

/// Mode of the unified account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnifiedMode {
    /// Not unified.
    Classic,
    /// One currency is collateral.
    SingleCurrency,
    /// Several currencies are collateral.
    MultiCurrency,
    /// Portfolio margin.
    Portfolio,
    /// A mode that is not known.
    Other(String),
}

impl UnifiedMode {
    /// True when spot orders settle in a unified wallet.
    pub fn is_unified(&self) -> bool {
        *self != UnifiedMode::Classic
    }
}

fn worth(value: &Value<'_, '_>) -> Result<Worth, Reject> {
    fields!(object(value, "worth")?, "amount" => amount, "currency" => currency);
    Ok(Worth { amount: field::decimal(amount, "amount")?, currency: field::text(currency, "currency")? })
}

fn main_key(value: &Value<'_, '_>) -> Result<MainKey, Reject> {
    fields!(object(value, "key")?,
        "key" => key, "state" => state, "mode" => mode, "user_id" => user_id, "ip_whitelist" => ips, "perms" => perms,
        "currency_pairs" => pairs, "last_access" => last_access);
    Ok(MainKey {
        key: field::text(key, "key")?,
        state: match field::optional_integer(state, "state")? {
            None | Some(1) => KeyState::Normal,
            Some(other) => KeyState::Stopped(other),
        },
        mode: field::optional_integer(mode, "mode")?.map(AccountMode::of),
        user_id: field::optional_id(user_id, "user_id")?,
        ip_whitelist: field::texts(ips, ENTRIES_MAX, "ip_whitelist")?,
        rights: field::list(&required(perms, "perms")?, ENTRIES_MAX, "perms", |right| {
            fields!(object(right, "perms")?, "name" => name, "read_only" => read_only);
            Ok(Right { name: field::text(name, "name")?, read_only: field::flag(read_only, "read_only")? })
        })?,
        pairs: field::texts(pairs, ENTRIES_MAX, "currency_pairs")?,
        last_access: field::seconds(last_access, "last_access")?,
    })
}

fn rate_tier(value: &Value<'_, '_>) -> Result<RateTier, Reject> {
    fields!(object(value, "rate_limit")?,
        "tier" => tier, "ratio" => ratio, "main_ratio" => main_ratio, "updated_at" => updated_at);
    Ok(RateTier {
        tier: field::optional_id(tier, "tier")?,
        ratio: field::optional_decimal(ratio, "ratio")?,
        main_ratio: field::optional_decimal(main_ratio, "main_ratio")?,
        updated_at: field::seconds(updated_at, "updated_at")?,
    })
}

/// An answer that is one object or an array of them.
fn one_or_many<T>(
    root: &Value<'_, '_>,
    what: &'static str,
    read: impl Fn(&Value<'_, '_>) -> Result<T, Reject>,
) -> Result<Vec<T>, Reject> {
    if is_object(root) { Ok(vec![read(root)?]) } else { field::list(root, ROWS_MAX, what, read) }
}

impl RestReader {
    /// `/spot/accounts`. A currency that is not listed has nothing.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape, a negative balance, or a currency listed twice.
    pub fn accounts(&mut self, body: &mut [u8]) -> Result<Vec<Balance>, Reject> {
        let mut balances = self.rows(body, "accounts", |row| {
            fields!(object(row, "balance")?,
                "currency" => currency, "available" => available, "locked" => locked, "update_id" => update_id);
            Ok(Balance {
                currency: field::text(currency, "currency")?,
                available: field::size(available, "available")?,
                locked: field::size(locked, "locked")?,
                update_id: match field::optional_integer(update_id, "update_id")? {
                    None => None,
                    Some(version) => {
                        Some(u64::try_from(version).map_err(|_| Reject::new(domain::FrameReject::OutOfRange, "update_id"))?)
                    }
                },
            })
        })?;
        balances.sort_by(|a, b| a.currency.cmp(&b.currency));
        if balances.windows(2).any(|two| matches!(two, [a, b] if a.currency == b.currency)) {
            return Err(Reject::shape("currency"));
        }
        Ok(balances)
    }

    /// `/spot/account_book`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn account_book(&mut self, body: &mut [u8]) -> Result<Vec<LedgerEntry>, Reject> {
        self.rows(body, "account_book", |row| {
            fields!(object(row, "entry")?,
                "id" => id, "time" => time, "currency" => currency, "change" => change, "balance" => balance, "type" => kind,
                "code" => code, "text" => text);
            Ok(LedgerEntry {
                id: field::id(id, "id")?,
                at: field::millis(time, "time")?,
                currency: field::text(currency, "currency")?,
                change: field::decimal(change, "change")?,
                balance: field::decimal(balance, "balance")?,
                kind: field::optional_text(kind, "type")?,
                code: field::optional_id(code, "code")?,
                text: field::optional_text(text, "text")?,
            })
        })
    }

    /// `/wallet/total_balance`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn total_balance(&mut self, body: &mut [u8]) -> Result<TotalBalance, Reject> {
        self.read(body, |root| {
            fields!(object(root, "total_balance")?, "total" => total, "details" => details);
            let mut by_account = Vec::new();
            if let Some(details) = details {
                for (name, value) in object(&details, "details")?.iter() {
                    if by_account.len() >= ENTRIES_MAX {
                        return Err(Reject::new(domain::FrameReject::TooLarge, "details"));
                    }
                    by_account.push((name.to_string(), worth(&value)?));
                }
            }
            Ok(TotalBalance { total: worth(&required(total, "total")?)?, details: by_account })
        })
    }

    /// `/account/detail`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn detail(&mut self, body: &mut [u8]) -> Result<AccountDetail, Reject> {
        self.read(body, |root| {
            fields!(object(root, "detail")?,
                "user_id" => user_id, "tier" => tier, "ip_whitelist" => ips, "currency_pairs" => pairs, "key" => key,
                "copy_trading_role" => copy_trading_role);
            let mode = match key {
                Some(key) => {
                    fields!(object(&key, "key")?, "mode" => mode);
                    field::optional_integer(mode, "mode")?.map(AccountMode::of)
                }
                None => None,
            };
            Ok(AccountDetail {
                user_id: field::optional_id(user_id, "user_id")?,
                tier: field::optional_integer(tier, "tier")?,
                ip_whitelist: ips.map(|ips| field::texts(Some(ips), ENTRIES_MAX, "ip_whitelist")).transpose()?,
                pairs: field::texts(pairs, ENTRIES_MAX, "currency_pairs")?,
                mode,
                copy_trading_role: field::optional_integer(copy_trading_role, "copy_trading_role")?,
            })
        })
    }

    /// `/account/main_keys`: an array, or one object.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn main_keys(&mut self, body: &mut [u8]) -> Result<Vec<MainKey>, Reject> {
        self.read(body, |root| one_or_many(root, "main_keys", main_key))
    }

    /// `/account/rate_limit`: an array, or one object.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn rate_limit(&mut self, body: &mut [u8]) -> Result<Vec<RateTier>, Reject> {
        self.read(body, |root| one_or_many(root, "rate_limit", rate_tier))
    }

    /// `/unified/unified_mode`.
    ///
    /// # Errors
    /// [`Reject`] for a body of another shape.
    pub fn unified_mode(&mut self, body: &mut [u8]) -> Result<UnifiedMode, Reject> {
        self.read(body, |root| {
            fields!(object(root, "unified_mode")?, "mode" => mode);
            let mode = field::text(mode, "mode")?;
            Ok(match mode.as_str() {
                "classic" => UnifiedMode::Classic,
                "single_currency" => UnifiedMode::SingleCurrency,
                "multi_currency" => UnifiedMode::MultiCurrency,
                "portfolio" => UnifiedMode::Portfolio,
                _ => UnifiedMode::Other(mode),
            })
        })
    }
}
