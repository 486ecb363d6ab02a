//! What a venue tells of an account beyond what trading needs: for `doctor`. A check-up is a short sequence of requests and a
//! verdict on their answers; the caller carries the bytes. Nothing in it may place an order or change an account.

use crate::session::{HttpRequest, Response};
use domain::{Symbol, UnixNanos};
use secrecy::SecretString;

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

/// A check-up under way. Implemented by connectors; driven by `doctor`.
pub trait Checkup {
    /// The next request, signed for this time; `None` when all is asked. [`Checkup::answer`] follows each.
    fn next_request(&mut self, wall: UnixNanos) -> Option<HttpRequest>;

    /// The answer to the last request.
    fn answer(&mut self, response: Response<'_>);

    /// What was found. Complete once [`Checkup::next_request`] said `None`.
    fn findings(&self) -> Vec<Finding>;
}
