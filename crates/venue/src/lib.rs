//! The seam between the engine and any venue. No implementation of a venue lives here, no socket is opened, no clock read.
//!
//! - [`session::VenueSession`]: the protocol half of one venue account. Implemented by every connector, and by scripts in tests.
//! - [`connector::Connector`]: what start-up needs of a venue before a session exists: hosts, rules, a session factory.
//! - [`tables::build_tables`]: one scale per pair out of what all venues publish.
//! - [`budget::TokenBucket`]: rate budgets, pure. [`backoff`]: growing, jittered waits.
//! - [`desk::Desk`]: the trading half of an account, the same for every venue, over the venue's own [`desk::wire::Wire`].
//! - [`feeds::Feeds`]: public streams in groups over connections that are replaced before they end.
//! - [`redundant::Redundant`]: two connections for every public stream, of any venue.
//! - [`connection::Connection`]: one connection's phases and waits. [`rate_limit::RateLimit`]: our count and the venue's word.
//! - [`json`], [`levels`], [`number`]: bounded, exact reading of venues' JSON. [`names`]: a venue's names of pairs. [`filters`]:
//!   limits and steps of their rules. [`identity`]: whether two venues mean the same asset. [`aliases`]: assets that a venue names
//!   otherwise than we do.
//! - [`book_sync::BookSync`]: a book kept by changes on a fetched copy. [`snapshot_sync::SnapshotSync`]: one whose stream carries
//!   its snapshots. [`clock_sync::ClockSync`]: the venue's clock, measured.

pub mod aliases;
pub mod backoff;
pub mod book_sync;
pub mod budget;
pub mod checkup;
pub mod clock_sync;
pub mod connection;
pub mod connector;
pub mod desk;
pub mod feeds;
pub mod filters;
pub mod identity;
pub mod json;
pub mod levels;
pub mod names;
pub mod number;
mod overtaken;
pub mod rate_limit;
mod recorded;
pub mod redundant;
pub mod session;
pub mod snapshot_sync;
pub mod stats;
pub mod tables;
pub mod units;

pub use aliases::{Alias, Aliases};
pub use budget::TokenBucket;
pub use checkup::{Checkup, CheckupConfig, Finding, Grade};
pub use connector::{
    Connector, ConnectorError, Endpoints, HostClass, OrderEntry, RawRules, ReadShare, Recorded, SessionConfig, SessionOptions,
};
pub use session::{HttpRequest, IoFailure, LinkId, LossReason, Method, Response, Ticket, Transmit, VenueSession};
pub use stats::SessionStats;
pub use tables::{TableError, build_tables, build_tables_in_units, build_tables_over};
