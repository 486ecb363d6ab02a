//! What start-up needs of Gate: hosts (Gate API v4, hosts), rules, a session factory.

use crate::rest::listing;
use crate::rules;
use crate::session::{BookChannel, GateSession};
use domain::{Rate, Symbol, UnixNanos};
use venue::connector::{AssetKeys, host_of, loopback_class};
use venue::identity::AssetListing;
use venue::{
    Checkup, CheckupConfig, Connector, ConnectorError, Endpoints, HostClass, HttpRequest, RawRules, Recorded, SessionConfig,
    VenueSession,
};

/// Path prefix of every REST request.
pub(crate) const API_PREFIX: &str = "/api/v4";

/// Base taker fee of spot pairs, basis points.
const BASE_TAKER_BPS: i64 = 10;

/// What a host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPurpose {
    /// REST of all products (the path prefix is `/api/v4`).
    Rest,
    /// REST of futures paths only.
    RestFutures,
    /// WebSocket of spot: streams and order entry.
    SpotStream,
    /// The same with pushes in SBE, which this connector does not read.
    SpotStreamSbe,
    /// WebSocket of perpetual or delivery contracts.
    ContractStream,
    /// The same with pushes in SBE.
    ContractStreamSbe,
    /// WebSocket of the unified account.
    UnifiedStream,
}

/// A host that Gate's documentation, its SDK or captures name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHost {
    /// Scheme and host, and the path of a WebSocket, exactly: the spot stream's trailing slash belongs to it.
    pub url: &'static str,
    /// What it serves.
    pub purpose: HostPurpose,
    /// How orders to it are treated. A retired test host counts as live: nobody can say what answers there.
    pub class: HostClass,
    /// What to know before using it; empty for the documented choice.
    pub note: &'static str,
}

const fn host(url: &'static str, purpose: HostPurpose, class: HostClass, note: &'static str) -> KnownHost {
    KnownHost { url, purpose, class, note }
}

const LIVE_REST: &str = "https://api.gateio.ws";
// The trailing slash of the spot URL belongs to it: without it the upgrade was seen to fail.
const LIVE_WS: &str = "wss://api.gateio.ws/ws/v4/";
const TESTNET_REST: &str = "https://api-testnet.gateapi.io";
const TESTNET_WS: &str = "wss://ws-testnet.gate.com/v4/ws/spot";

/// Every host that is known (Gate API v4, hosts). Start-up uses the live and test hosts of spot; the others are here so that a
/// configured URL is classed for what it is. Keys of live and test network are different pairs.
pub const HOSTS: &[KnownHost] = &{
    use HostClass::{Live, Testnet};
    use HostPurpose::{ContractStream, ContractStreamSbe, Rest, RestFutures, SpotStream, SpotStreamSbe, UnifiedStream};
    const OTHER_COMPANY: &str = "another company and matching engine; older features, spot only";
    [
        host(LIVE_REST, Rest, Live, ""),
        host("https://fx-api.gateio.ws", RestFutures, Live, "futures paths only"),
        host(TESTNET_REST, Rest, Testnet, ""),
        host("https://fx-api-testnet.gateio.ws", RestFutures, Live, "the retired test network: reported as 502, not to be used"),
        host("https://api.gate.us", Rest, Live, OTHER_COMPANY),
        host("https://api.gateeu.com", Rest, Live, "Gate EU: refuses `spot.obu`, serves at most 100 levels"),
        host(LIVE_WS, SpotStream, Live, ""),
        host(TESTNET_WS, SpotStream, Testnet, ""),
        host("wss://api.gateio.ws/ws/v4/ws/spot/sbe", SpotStreamSbe, Live, ""),
        host("wss://ws-testnet.gate.com/v4/ws/spot/sbe", SpotStreamSbe, Testnet, ""),
        host("wss://api.gateeu.com/ws/v4/", SpotStream, Live, "Gate EU"),
        host("wss://fx-ws.gateio.ws/v4/ws/usdt", ContractStream, Live, "without the settle segment it means BTC"),
        host("wss://fx-ws.gateio.ws/v4/ws/btc", ContractStream, Live, ""),
        host("wss://fx-ws.gateio.ws/v4/ws/usd1", ContractStream, Live, "seen in captures"),
        host("wss://fx-ws.gateio.ws/v4/ws/usdt/sbe", ContractStreamSbe, Live, ""),
        host("wss://fx-ws.gateio.ws/v4/ws/delivery/usdt", ContractStream, Live, "delivery"),
        host("wss://fx-ws.gateio.ws/v4/ws/delivery/btc", ContractStream, Live, "delivery"),
        host("wss://ws-testnet.gate.com/v4/ws/futures/usdt", ContractStream, Testnet, ""),
        host("wss://ws-testnet.gate.com/v4/ws/futures/usdt/sbe", ContractStreamSbe, Testnet, ""),
        host("wss://fx-ws-testnet.gateio.ws/v4/ws/btc", ContractStream, Testnet, ""),
        host("wss://fx-ws-testnet.gateio.ws/v4/ws/delivery/usdt", ContractStream, Testnet, "delivery"),
        host("wss://fx-ws-testnet.gateio.ws/v4/ws/delivery/btc", ContractStream, Testnet, "delivery"),
        host("wss://ws.gate.com/v4/ws/unified", UnifiedStream, Live, ""),
    ]
};

/// Gate spot.
#[derive(Clone, Copy, Debug, Default)]
pub struct GateConnector;

impl Connector for GateConnector {
    fn kind(&self) -> &'static str {
        "gate"
    }

    fn live_endpoints(&self) -> Endpoints {
        Endpoints { rest: LIVE_REST.into(), ws: LIVE_WS.into(), private_ws: LIVE_WS.into() }
    }

    fn testnet_endpoints(&self) -> Option<Endpoints> {
        Some(Endpoints { rest: TESTNET_REST.into(), ws: TESTNET_WS.into(), private_ws: TESTNET_WS.into() })
    }

    fn host_class(&self, url: &str) -> HostClass {
        if let Some(class) = loopback_class(url) {
            return class;
        }
        // By exact name: whatever is not surely the test network is treated as real money.
        let name = host_of(url);
        let known = HOSTS.iter().find(|known| name.is_some() && host_of(known.url) == name);
        known.map_or(HostClass::Live, |known| known.class)
    }

    fn default_key_env(&self) -> (&'static str, &'static str) {
        ("GATE_API_KEY", "GATE_API_SECRET")
    }

    fn rules_request(&self) -> HttpRequest {
        listing::pairs()
    }

    fn decode_rules(
        &self,
        status: u16,
        body: &mut [u8],
        symbols: &[Symbol],
        now: Option<UnixNanos>,
    ) -> Result<Vec<RawRules>, ConnectorError> {
        rules::decode_at(status, body, symbols, now)
    }

    fn fee_assets(&self) -> &'static [&'static str] {
        &["GT", "POINT"]
    }

    fn book_channels(&self) -> &'static [&'static str] {
        BookChannel::NAMES
    }

    fn base_taker_fee(&self, _symbol: &Symbol) -> Rate {
        // Spot at the lowest tier, before any discount by GT or points.
        Rate::from_bps(BASE_TAKER_BPS).unwrap_or_default()
    }

    fn recorded(&self, symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded> {
        crate::recorded::recorded(symbols, path_and_query, bytes)
    }

    fn book_request_symbol(&self, symbols: &[Symbol], path_and_query: &str) -> Option<Symbol> {
        crate::recorded::book_request_symbol(symbols, path_and_query)
    }

    fn asset_requests(&self, assets: &[String], _keys: Option<&AssetKeys<'_>>, _wall: UnixNanos) -> Vec<HttpRequest> {
        crate::assets::requests(assets)
    }

    fn decode_assets(&self, status: u16, body: &mut [u8], assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
        crate::assets::decode(status, body, assets)
    }

    fn checkup(&self, config: CheckupConfig) -> Option<Box<dyn Checkup>> {
        Some(Box::new(crate::checkup::GateCheckup::new(config)))
    }

    fn session(&self, config: SessionConfig) -> Result<Box<dyn VenueSession>, ConnectorError> {
        Ok(Box::new(GateSession::new(config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, class: HostClass) {
        assert_eq!(GateConnector.host_class(url), class, "{url}");
    }

    #[test]
    fn hosts_are_classed_by_exact_name_and_unknown_ones_are_live() {
        let live = GateConnector.live_endpoints();
        let testnet = GateConnector.testnet_endpoints().unwrap();
        for url in [&live.rest, &live.ws, &live.private_ws] {
            check(url, HostClass::Live);
        }
        for url in [&testnet.rest, &testnet.ws, &testnet.private_ws] {
            check(url, HostClass::Testnet);
        }
        check("http://127.0.0.1:8080", HostClass::Loopback);
        check("https://fx-api-testnet.gateio.ws", HostClass::Live);
        check("https://api-testnet.gateapi.io.evil.example", HostClass::Live);
        check("https://api-testnet.gateapi.io@evil.example", HostClass::Live);
        check("nonsense", HostClass::Live);
        assert!(live.ws.ends_with("/ws/v4/"));
    }

    #[test]
    fn every_known_host_is_classed_as_listed_and_one_host_has_one_class() {
        for known in HOSTS {
            check(known.url, known.class);
            assert!(host_of(known.url).is_some_and(|name| !name.is_empty()), "{}", known.url);
            let name = known.url.split("://").nth(1).unwrap();
            assert_eq!(
                known.class == HostClass::Testnet,
                name.contains("testnet") && known.note.is_empty() | (known.note == "delivery")
            );
        }
        for unlisted in
            ["https://api.gate.com", "wss://ws-testnet.gate.com.evil.example/v4/ws/spot", "https://testnet.gateapi.io"]
        {
            check(unlisted, HostClass::Live);
        }
    }

    #[test]
    fn the_rules_request_is_public() {
        let request = GateConnector.rules_request();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/api/v4/spot/currency_pairs", ""));
        assert!(request.headers.iter().all(|(name, _)| *name != "KEY"));
    }
}
