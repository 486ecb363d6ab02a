//! What start-up needs of Gate: hosts (Gate API v4, hosts), rules, a session factory.

use crate::rules;
use crate::session::{BookChannel, GateSession};
use domain::Symbol;
use venue::connector::{host_of, loopback_class};
use venue::{Connector, ConnectorError, Endpoints, HostClass, HttpRequest, Method, RawRules, SessionConfig, VenueSession};

/// Path prefix of every REST request.
pub(crate) const API_PREFIX: &str = "/api/v4";

/// Hosts of the test network, by exact name.
const TESTNET_HOSTS: &[&str] = &["api-testnet.gateapi.io", "ws-testnet.gate.com"];

/// Gate spot.
#[derive(Clone, Copy, Debug, Default)]
pub struct GateConnector;

impl Connector for GateConnector {
    fn kind(&self) -> &'static str {
        "gate"
    }

    fn live_endpoints(&self) -> Endpoints {
        // The trailing slash of the spot URL belongs to it: without it the upgrade was seen to fail.
        let ws = "wss://api.gateio.ws/ws/v4/".to_string();
        Endpoints { rest: "https://api.gateio.ws".into(), ws: ws.clone(), private_ws: ws }
    }

    fn testnet_endpoints(&self) -> Option<Endpoints> {
        let ws = "wss://ws-testnet.gate.com/v4/ws/spot".to_string();
        Some(Endpoints { rest: "https://api-testnet.gateapi.io".into(), ws: ws.clone(), private_ws: ws })
    }

    fn host_class(&self, url: &str) -> HostClass {
        if let Some(class) = loopback_class(url) {
            return class;
        }
        match host_of(url) {
            Some(host) if TESTNET_HOSTS.contains(&host.as_str()) => HostClass::Testnet,
            _ => HostClass::Live,
        }
    }

    fn default_key_env(&self) -> (&'static str, &'static str) {
        ("GATE_API_KEY", "GATE_API_SECRET")
    }

    fn rules_request(&self) -> HttpRequest {
        HttpRequest {
            method: Method::Get,
            path: format!("{API_PREFIX}/spot/currency_pairs"),
            query: String::new(),
            headers: vec![("Accept", "application/json".into())],
            body: Vec::new(),
        }
    }

    fn decode_rules(&self, status: u16, body: &mut [u8], symbols: &[Symbol]) -> Result<Vec<RawRules>, ConnectorError> {
        rules::decode(status, body, symbols)
    }

    fn fee_assets(&self) -> &'static [&'static str] {
        &["GT", "POINT"]
    }

    fn book_channels(&self) -> &'static [&'static str] {
        BookChannel::NAMES
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
    fn the_rules_request_is_public() {
        let request = GateConnector.rules_request();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/api/v4/spot/currency_pairs", ""));
        assert!(request.headers.iter().all(|(name, _)| *name != "KEY"));
    }
}
