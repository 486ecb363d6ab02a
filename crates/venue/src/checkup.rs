//! What a venue tells of an account beyond what trading needs: for `doctor`. A check-up is a short sequence of requests and a
//! verdict on their answers; the caller carries the bytes. Nothing in it may place an order or change an account.

use crate::rate_limit::RateNews;
use crate::session::{HttpRequest, Response};
use domain::{Symbol, UnixNanos};
use rust_decimal::Decimal;
use secrecy::SecretString;

/// Less head-room than this share of a limit is a warning.
const HEADROOM_WARN: u32 = 4;

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Trading works, but a person should know.
    Warn,
    /// Trading will not work, or not as configured.
    Fail,
    /// The venue does not tell.
    Skip,
}

/// One finding, under an id of the contract's list for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `account_mode`, `fee_tier`, `fee_token`, `rate_headroom`, `dead_man`, `rules`.
    pub id: &'static str,
    /// How it stands.
    pub grade: Grade,
    /// What was found, one clause.
    pub detail: String,
    /// What to do about it; empty when nothing.
    pub fix: String,
}

impl Finding {
    /// A finding; `fix` may be empty.
    pub fn new(id: &'static str, grade: Grade, detail: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { id, grade, detail: detail.into(), fix: fix.into() }
    }
}

/// What a check-up is about.
pub struct CheckupConfig {
    /// API key.
    pub key: SecretString,
    /// API secret.
    pub secret: SecretString,
    /// Configured pairs.
    pub symbols: Vec<Symbol>,
}

/// The tightest head-room that the answers of a check-up told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headroom(Option<(u32, u32)>);

impl Headroom {
    /// Notes what one answer told of limits.
    pub fn note(&mut self, told: RateNews) {
        if let Some((remain, limit)) = told.remain.zip(told.limit) {
            let tighter = |(r, l): (u32, u32)| u64::from(remain) * u64::from(l) < u64::from(r) * u64::from(limit);
            if self.0.is_none_or(tighter) {
                self.0 = Some((remain, limit));
            }
        }
    }

    /// What was found.
    pub fn finding(self) -> Finding {
        let Some((remain, limit)) = self.0 else {
            return Finding::new("rate_headroom", Grade::Skip, "the venue sent no rate-limit headers", "");
        };
        let detail = format!("{remain} of {limit} requests left in the tightest window");
        let low = remain.saturating_mul(HEADROOM_WARN) < limit;
        let fix = if low { "something else uses this account or address: give it its own" } else { "" };
        Finding::new("rate_headroom", if low { Grade::Warn } else { Grade::Ok }, detail, fix)
    }
}

/// What an account pays for trades.
#[derive(Clone, Debug)]
pub struct FeesPaid<'a> {
    /// Fraction that a taker pays.
    pub taker: Decimal,
    /// Fraction that a maker pays.
    pub maker: Decimal,
    /// In what.
    pub paid: Paid<'a>,
}

/// What fees are paid in.
#[derive(Clone, Debug)]
pub enum Paid<'a> {
    /// What a trade brings.
    Received,
    /// Something that is not a balance.
    Outside(&'a str),
    /// A token, while it is held.
    Token {
        /// Its name.
        name: &'a str,
        /// What is held of it.
        held: Decimal,
        /// Its price in USDT, where known.
        price: Option<Decimal>,
    },
}

impl FeesPaid<'_> {
    /// What is paid, and how long what pays will last.
    pub fn finding(&self) -> Finding {
        let bps = |rate: Decimal| (rate * Decimal::from(10_000)).normalize();
        let rates = format!("taker {} bps, maker {} bps", bps(self.taker), bps(self.maker));
        let (name, held, price) = match &self.paid {
            Paid::Received => {
                return Finding::new("fee_token", Grade::Ok, format!("{rates}, taken from what is received"), "");
            }
            Paid::Outside(what) => return Finding::new("fee_token", Grade::Ok, format!("{rates}, paid in {what}"), ""),
            Paid::Token { name, held, price } => (name, held.normalize(), price),
        };
        if held.is_zero() {
            let detail = format!("{rates} if paid in {name}, but no {name} is held: fees fall back to what is received");
            let fix = format!("buy some {name}, or switch the deduction off");
            return Finding::new("fee_token", Grade::Warn, detail, fix);
        }
        let covers = price.zip(held.checked_div(self.taker)).and_then(|(price, tokens)| tokens.checked_mul(price));
        let lasts = match covers {
            Some(volume) => format!("{held} {name} cover about {} USDT of trades", volume.round()),
            None => format!("{held} {name} are held"),
        };
        Finding::new("fee_token", Grade::Ok, format!("{rates}, paid in {name}: {lasts}"), "")
    }
}

/// A check-up under way. Implemented by connectors; driven by `doctor`.
pub trait Checkup {
    /// The next request, signed for this time; `None` when all is asked. [`Checkup::answer`] follows each.
    fn next_request(&mut self, wall: UnixNanos) -> Option<HttpRequest>;

    /// The answer to the last request.
    fn answer(&mut self, response: Response<'_>);

    /// What was found. Complete once [`Checkup::next_request`] said `None`.
    fn findings(&self) -> Vec<Finding>;
}
