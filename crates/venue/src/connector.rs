//! What start-up needs of a venue before a session exists.

use crate::checkup::{Checkup, CheckupConfig};
use crate::identity::AssetListing;
use crate::session::{HttpRequest, LinkId, VenueSession};
use domain::{InstrumentKind, LinkRole, Rate, Symbol, Tables, UnixNanos, VenueId};
use rust_decimal::Decimal;
use secrecy::SecretString;
use std::sync::Arc;

/// Where a venue account is reached. URLs without a trailing path decide nothing: every host is configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Scheme, host and port of REST (`https://host`); the connector adds its own path prefix.
    pub rest: String,
    /// Full WebSocket URL of public streams.
    pub ws: String,
    /// Full WebSocket URL of private streams; often the same.
    pub private_ws: String,
}

/// What kind of host an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostClass {
    /// This machine: `127.0.0.0/8`, `[::1]`, `localhost`.
    Loopback,
    /// The venue's test network.
    Testnet,
    /// Real money, or a host nobody knows: treated alike.
    Live,
}

/// What a session is made of. Not `Clone`: secrets stand once.
pub struct SessionConfig {
    /// Which venue account.
    pub venue: VenueId,
    /// Names behind the ids.
    pub tables: Arc<Tables>,
    /// Names of configured pairs that this venue lists.
    pub pairs: Vec<domain::PairId>,
    /// API key; `None` for public data only (replay, record).
    pub key: Option<SecretString>,
    /// API secret.
    pub secret: Option<SecretString>,
    /// The book channel by the venue's name (Gate: `order_book`, `order_book_update` or `obu`).
    pub book_channel: String,
    /// Further streams, and the way orders take.
    pub options: SessionOptions,
    /// Seed of jitter in reconnect back-off.
    pub seed: u64,
}

/// What a session does besides books, private news and reads. The default: nothing more, orders over REST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Subscribe the venue's best-bid-offer channel beside the book ([`domain::BookBody::Top`]).
    pub book_ticker: bool,
    /// Subscribe public trades ([`domain::MarketNews::Trade`]).
    pub trades: bool,
    /// Subscribe 24-hour tickers ([`domain::MarketNews::Ticker`]).
    pub tickers: bool,
    /// The way that orders take.
    pub order_entry: OrderEntry,
    /// Two connections for every public stream ([`crate::redundant::session`]).
    pub redundant: bool,
    /// Its share of the limits of public reads.
    pub reads: ReadShare,
}

/// How much of a venue's limits of public reads a session may use: two sessions behind one address share them
/// ([`crate::redundant::Redundant`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadShare {
    /// There is no other.
    #[default]
    All,
    /// The account's own session, beside one that doubles its streams.
    ThreeQuarters,
    /// The one that doubles them.
    Quarter,
}

impl ReadShare {
    /// So much of a limit, one at least.
    pub const fn of(self, count: u32) -> u32 {
        let share = match self {
            ReadShare::All => count,
            ReadShare::ThreeQuarters => count - count / 4,
            ReadShare::Quarter => count / 4,
        };
        if share == 0 && count > 0 { 1 } else { share }
    }
}

/// The way that orders take. It is chosen before an intent is written; an order that may have left on one way is never repeated on
/// the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderEntry {
    /// One request an order.
    #[default]
    Rest,
    /// A logged-in WebSocket link while it is up; REST for what is chosen while it is not.
    WebSocket,
}

/// What one recorded frame or REST answer tells of a pair: scales and channels of tapes, which carry no rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Which pair.
    pub symbol: Symbol,
    /// The name of the book channel ([`Connector::book_channels`]) that it belongs to; `None` for tops, trades and REST answers.
    pub book_channel: Option<&'static str>,
    /// True for a frame of the best-bid-offer channel.
    pub book_ticker: bool,
    /// Most decimals of a price in it, without trailing zeros.
    pub price_decimals: u8,
    /// Most decimals of a quantity in it, without trailing zeros.
    pub qty_decimals: u8,
}

/// A pair's rules as a venue publishes them, still in decimals: before scales exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRules {
    /// Which pair.
    pub symbol: Symbol,
    /// Decimals of prices.
    pub price_decimals: u8,
    /// Decimals of order quantities.
    pub qty_decimals: u8,
    /// Decimals that executions and book quantities may have where they are finer than orders may be (Gate publishes up to ten); the
    /// pair's scale makes room for them as far as prices leave it. At least `qty_decimals`.
    pub execution_decimals: u8,
    /// Decimals that prices of executions, orders and books may have where they are finer than new orders may be (on Binance orders
    /// outlive the tick they were made with). The pair's scale makes room for them as far as quantities leave it. At least
    /// `price_decimals`.
    pub execution_price_decimals: u8,
    /// Spot, or which contract.
    pub kind: InstrumentKind,
    /// Smallest base quantity, if limited.
    pub qty_min: Option<Decimal>,
    /// Largest base quantity, if limited.
    pub qty_max: Option<Decimal>,
    /// Smallest quote value, if limited.
    pub value_min: Option<Decimal>,
    /// Whether buying is open.
    pub can_buy: bool,
    /// Whether selling is open.
    pub can_sell: bool,
}

/// One public request for instrument rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesRequest {
    /// What to ask.
    pub request: HttpRequest,
    /// Whose rules its answer holds: what to hand to [`Connector::decode_rules`] with it.
    pub symbols: Vec<Symbol>,
}

/// Why a venue can't be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// An answer that is not what the venue documents.
    #[error("{what}: {why}")]
    BadAnswer {
        /// Which answer.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The venue refused.
    #[error("{what}: the venue answered {status} {label}")]
    Refused {
        /// Which request.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// The venue's label.
        label: String,
    },
    /// A pair that the venue does not list.
    #[error("{0} is not listed by this venue")]
    UnknownPair(Symbol),
    /// A key that can't sign: why, and what to do, without the key.
    #[error("{0}")]
    BadKey(String),
    /// Some of these pairs are not listed, and the venue does not say which.
    #[error("not all of {} are listed by this venue", names(.0))]
    SomeUnlisted(Vec<Symbol>),
    /// A configured value that this connector does not know.
    #[error("`{value}` is no {what} of this venue: use {allowed}")]
    BadOption {
        /// Which option.
        what: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// Pairs in a sentence.
fn names(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::to_string).collect::<Vec<String>>().join(", ")
}

/// Keys to sign a start-up read with.
#[derive(Clone, Copy)]
pub struct AssetKeys<'a> {
    /// API key.
    pub key: &'a SecretString,
    /// API secret.
    pub secret: &'a SecretString,
}

/// A venue's start-up knowledge. One per connector, in `crossgate`'s registry.
pub trait Connector: Send + Sync {
    /// The `kind` of the configuration (`gate`).
    fn kind(&self) -> &'static str;

    /// Hosts when the configuration names none: the live ones.
    fn live_endpoints(&self) -> Endpoints;

    /// Hosts of the test network, if there is one.
    fn testnet_endpoints(&self) -> Option<Endpoints>;

    /// The private URL that belongs to these public hosts where `ws` does not carry private streams too; `None` where it does. A
    /// configuration that names `ws` must name it then: a guess could log in on other hosts than those it reads.
    fn private_ws_apart(&self, _rest: &str, _ws: &str) -> Option<String> {
        None
    }

    /// The class of a URL's host, by exact host name; anything unknown is [`HostClass::Live`].
    fn host_class(&self, url: &str) -> HostClass;

    /// Environment variables of key and secret when the configuration names none.
    fn default_key_env(&self) -> (&'static str, &'static str);

    /// The public request whose answer holds the rules of all pairs.
    fn rules_request(&self) -> HttpRequest;

    /// The public requests whose answers hold the rules of `symbols`, each with the symbols that it answers for. One for all, unless
    /// the venue keeps its markets apart.
    fn rules_requests(&self, symbols: &[Symbol]) -> Vec<RulesRequest> {
        vec![RulesRequest { request: self.rules_request(), symbols: symbols.to_vec() }]
    }

    /// Reads the rules of `symbols` out of the answer to the request for them, as they stand at `now` by the venue's clock, as near as
    /// ours knows it: a pair that opens later is closed. `None` takes the cautious reading of every date.
    ///
    /// # Errors
    /// [`ConnectorError`] for a refusal, a body that is not as documented, or a pair that is not listed.
    fn decode_rules(
        &self,
        status: u16,
        body: &mut [u8],
        symbols: &[Symbol],
        now: Option<UnixNanos>,
    ) -> Result<Vec<RawRules>, ConnectorError>;

    /// The request for the page behind this answer, with those of the symbols asked for that are not on this one; `None` when the list
    /// ends here, or all are found. Only asked about answers with a status of success.
    fn next_rules_page(&self, _asked: &RulesRequest, _body: &mut [u8]) -> Option<RulesRequest> {
        None
    }

    /// Further asset names that fees may be charged in (Gate: `GT`).
    fn fee_assets(&self) -> &'static [&'static str];

    /// Book channels this connector can use, the default first.
    fn book_channels(&self) -> &'static [&'static str];

    /// The taker fee of an account without any discount, for this instrument: what `scan` assumes unless told otherwise.
    fn base_taker_fee(&self, symbol: &Symbol) -> Rate;

    /// What a recorded frame (`path_and_query` is `None`) or REST answer tells of one of `symbols`, or of any pair when `symbols` is
    /// empty and the venue's names can be split into assets. `None` for anything else: other pairs, acknowledgements, pongs.
    fn recorded(&self, symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded>;

    /// The pair of a REST book snapshot by its request's path and query; `None` for other requests.
    fn book_request_symbol(&self, symbols: &[Symbol], path_and_query: &str) -> Option<Symbol>;

    /// The public link that carries an instrument's streams. Venues with one host for all have just shard 0.
    fn public_link(&self, _symbol: &Symbol) -> LinkId {
        LinkId { role: LinkRole::Public, shard: 0 }
    }

    /// The URL of a link.
    fn link_url(&self, endpoints: &Endpoints, link: LinkId) -> String {
        match link.role {
            LinkRole::Public => endpoints.ws.clone(),
            LinkRole::Private | LinkRole::OrderEntry | LinkRole::Rest => endpoints.private_ws.clone(),
        }
    }

    /// Beginnings of REST paths that may have hosts of their own; every path that is asked for begins with one of them.
    fn rest_prefixes(&self) -> &'static [&'static str] {
        &["/"]
    }

    /// Scheme, host and port for a REST path; venues with several REST hosts tell them apart by the path's prefix.
    fn rest_url(&self, endpoints: &Endpoints, _path: &str) -> String {
        endpoints.rest.clone()
    }

    /// False where these hosts take no orders over a link of their own: `order_entry = "ws"` is refused with them.
    fn has_order_link(&self, _endpoints: &Endpoints) -> bool {
        true
    }

    /// The requests whose answers tell on which chains `assets` live, by the venue's names; signed with `keys` at `wall` where the
    /// venue asks for that. Empty where it publishes none, or only to keys and there are none.
    fn asset_requests(&self, _assets: &[String], _keys: Option<&AssetKeys<'_>>, _wall: UnixNanos) -> Vec<HttpRequest> {
        Vec::new()
    }

    /// Reads one answer to [`Connector::asset_requests`]: the listings of `assets` among what it tells.
    ///
    /// # Errors
    /// [`ConnectorError`] for a refusal or a body that is not as documented.
    fn decode_assets(&self, _status: u16, _body: &mut [u8], _assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
        Ok(Vec::new())
    }

    /// What `doctor` asks beside the session; `None` where this connector knows nothing to ask.
    fn checkup(&self, _config: CheckupConfig) -> Option<Box<dyn Checkup>> {
        None
    }

    /// A session.
    ///
    /// # Errors
    /// [`ConnectorError::BadOption`] for an unknown book channel.
    fn session(&self, config: SessionConfig) -> Result<Box<dyn VenueSession>, ConnectorError>;
}

/// The class of hosts that are this machine, by URL; `None` for any other host.
pub fn loopback_class(url: &str) -> Option<HostClass> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A user name before `@` can disguise a host: such a URL is never loopback.
    if authority.contains('@') {
        return None;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback.then_some(HostClass::Loopback)
}

/// The host name of a URL, lower case, without port.
pub fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.contains('@') || authority.is_empty() {
        return None;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["http://127.0.0.1:80", "ws://localhost:1/ws/v4/", "https://[::1]:443", "http://127.9.9.9"] {
            assert_eq!(loopback_class(url), Some(HostClass::Loopback), "{url}");
        }
        for url in [
            "https://api.gateio.ws",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://10.0.0.1",
            "http://0.0.0.0",
        ] {
            assert_eq!(loopback_class(url), None, "{url}");
        }
        assert_eq!(host_of("wss://API.Gateio.ws:443/ws/v4/").as_deref(), Some("api.gateio.ws"));
    }
}
