//! Binance's hosts, as data: three markets in three environments (Binance API documentation, general information).
//!
//! A configuration names one REST and one WebSocket host. Where that is a spot host of Binance's, the futures hosts of the same
//! environment come from here; any other host (this machine, a relay) is asked for every market, told apart by the paths.
//!
//! USD-M streams are split by path since April 2026: books and tops below `/public`, trades and tickers below `/market`.

use crate::market::Market;
use venue::connector::host_of;
use venue::{Endpoints, HostClass};

/// The path of the WebSocket API on every host.
const API_PATH: &str = "/ws-api/v3";

/// One set of hosts that belong together.
struct Environment {
    class: HostClass,
    /// REST bases of [`Market::ALL`].
    rest: [&'static str; 3],
    /// WebSocket bases of [`Market::ALL`].
    ws: [&'static str; 3],
    /// The WebSocket API of spot: orders and news of an account.
    ws_api: &'static str,
    /// Further host names of spot in this environment.
    aliases: &'static [&'static str],
}

/// Every environment, the live one first, the test network second.
const ENVIRONMENTS: &[Environment] = &[
    Environment {
        class: HostClass::Live,
        rest: ["https://api.binance.com", "https://fapi.binance.com", "https://dapi.binance.com"],
        ws: ["wss://stream.binance.com:9443", "wss://fstream.binance.com", "wss://dstream.binance.com"],
        ws_api: "wss://ws-api.binance.com:443/ws-api/v3",
        aliases: &[
            "api-gcp.binance.com",
            "api1.binance.com",
            "api2.binance.com",
            "api3.binance.com",
            "api4.binance.com",
            "data-api.binance.vision",
            "data-stream.binance.vision",
        ],
    },
    Environment {
        class: HostClass::Testnet,
        rest: ["https://testnet.binance.vision", "https://testnet.binancefuture.com", "https://testnet.binancefuture.com"],
        ws: ["wss://stream.testnet.binance.vision", "wss://fstream.binancefuture.com", "wss://dstream.binancefuture.com"],
        ws_api: "wss://ws-api.testnet.binance.vision/ws-api/v3",
        aliases: &["api1.testnet.binance.vision"],
    },
    // Demo mode: live prices, invented money.
    Environment {
        class: HostClass::Testnet,
        rest: ["https://demo-api.binance.com", "https://demo-fapi.binance.com", "https://demo-dapi.binance.com"],
        ws: ["wss://demo-stream.binance.com", "wss://demo-fstream.binance.com", "wss://demo-dstream.binance.com"],
        ws_api: "wss://demo-ws-api.binance.com/ws-api/v3",
        aliases: &[],
    },
];

impl Environment {
    /// The environment that a URL's host belongs to, by exact name.
    fn of(url: &str) -> Option<&'static Environment> {
        let host = host_of(url)?;
        ENVIRONMENTS.iter().find(|environment| {
            let known =
                environment.rest.iter().chain(&environment.ws).chain([&environment.ws_api]).filter_map(|known| host_of(known));
            known.into_iter().any(|known| known == host) || environment.aliases.contains(&host.as_str())
        })
    }

    /// True when the host is one that serves spot.
    fn is_spot(&self, url: &str) -> bool {
        let host = host_of(url);
        let futures = self.rest.iter().chain(&self.ws).enumerate().filter(|(index, _)| index % 3 != Market::Spot.index());
        !futures.into_iter().any(|(_, known)| host_of(known) == host)
    }
}

/// The class of a URL's host among Binance's; anything unknown is [`HostClass::Live`].
pub(crate) fn class(url: &str) -> HostClass {
    Environment::of(url).map_or(HostClass::Live, |environment| environment.class)
}

/// The hosts of an environment by position, as a configuration would name them.
fn endpoints(environment: &Environment) -> Endpoints {
    let [rest, ..] = environment.rest;
    let [ws, ..] = environment.ws;
    Endpoints { rest: rest.into(), ws: ws.into(), private_ws: environment.ws_api.into() }
}

/// The live hosts.
pub(crate) fn live() -> Endpoints {
    endpoints(&ENVIRONMENTS[0])
}

/// The hosts of the test network.
pub(crate) fn testnet() -> Endpoints {
    endpoints(&ENVIRONMENTS[1])
}

/// The WebSocket API of the environment of a stream host; the live one for hosts that are not Binance's.
pub(crate) fn api_of(ws: &str) -> &'static str {
    Environment::of(ws).unwrap_or(&ENVIRONMENTS[0]).ws_api
}

/// Scheme, host and port of a market's REST.
pub(crate) fn rest(configured: &str, market: Market) -> String {
    on_market(configured, market, |environment| &environment.rest)
}

/// The URL of combined streams of a market; `news` for USD-M trades and tickers.
pub(crate) fn streams(configured: &str, market: Market, news: bool) -> String {
    let base = on_market(configured, market, |environment| &environment.ws);
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/stream").or_else(|| base.strip_suffix("/ws")).unwrap_or(base).trim_end_matches('/');
    match market {
        Market::UsdM if news => format!("{base}/market/stream"),
        Market::UsdM => format!("{base}/public/stream"),
        Market::Spot | Market::CoinM => format!("{base}/stream"),
    }
}

/// The URL of the WebSocket API: a configured base without a path gets the documented one.
pub(crate) fn api(configured: &str) -> String {
    let after_scheme = configured.split_once("://").map_or(configured, |(_, rest)| rest);
    let bare = after_scheme.split_once('/').is_none_or(|(_, path)| path.is_empty());
    if bare { format!("{}{API_PATH}", configured.trim_end_matches('/')) } else { configured.to_string() }
}

/// What is configured, unless that is a spot host of Binance's and another market is wanted.
fn on_market(configured: &str, market: Market, bases: impl Fn(&Environment) -> &[&'static str; 3]) -> String {
    match Environment::of(configured).filter(|environment| market != Market::Spot && environment.is_spot(configured)) {
        Some(environment) => bases(environment)[market.index()].to_string(),
        None => configured.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_host_brings_the_futures_hosts_of_its_environment() {
        use Market::{CoinM, Spot, UsdM};
        for (configured, market, news, url) in [
            ("wss://stream.binance.com:9443", Spot, false, "wss://stream.binance.com:9443/stream"),
            ("wss://stream.binance.com:443/stream", Spot, false, "wss://stream.binance.com:443/stream"),
            ("wss://data-stream.binance.vision/ws/", Spot, false, "wss://data-stream.binance.vision/stream"),
            ("wss://data-stream.binance.vision", UsdM, false, "wss://fstream.binance.com/public/stream"),
            ("wss://stream.binance.com:9443", UsdM, true, "wss://fstream.binance.com/market/stream"),
            ("wss://stream.binance.com:9443", CoinM, false, "wss://dstream.binance.com/stream"),
            ("wss://stream.testnet.binance.vision", UsdM, false, "wss://fstream.binancefuture.com/public/stream"),
            ("wss://demo-stream.binance.com", CoinM, true, "wss://demo-dstream.binance.com/stream"),
            ("wss://fstream.binance.com", UsdM, false, "wss://fstream.binance.com/public/stream"),
            ("ws://127.0.0.1:9000", Spot, false, "ws://127.0.0.1:9000/stream"),
            ("ws://127.0.0.1:9000", UsdM, true, "ws://127.0.0.1:9000/market/stream"),
            ("ws://127.0.0.1:9000/relay/", CoinM, false, "ws://127.0.0.1:9000/relay/stream"),
        ] {
            assert_eq!(streams(configured, market, news), url, "{configured} {market:?}");
        }
        assert_eq!(rest("https://api2.binance.com", UsdM), "https://fapi.binance.com");
        assert_eq!(rest("https://api2.binance.com", Spot), "https://api2.binance.com");
        assert_eq!(rest("https://testnet.binance.vision", CoinM), "https://testnet.binancefuture.com");
        assert_eq!(rest("http://localhost:1", CoinM), "http://localhost:1");
    }

    #[test]
    fn the_websocket_api_has_hosts_of_its_own_and_one_path() {
        for (environment, url) in ENVIRONMENTS.iter().zip([
            "wss://ws-api.binance.com:443/ws-api/v3",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
            "wss://demo-ws-api.binance.com/ws-api/v3",
        ]) {
            assert_eq!((api(&endpoints(environment).private_ws).as_str(), class(url)), (url, environment.class));
        }
        assert_eq!(api("ws://127.0.0.1:9000"), "ws://127.0.0.1:9000/ws-api/v3");
        assert_eq!(api("ws://127.0.0.1:9000/"), "ws://127.0.0.1:9000/ws-api/v3");
        assert_eq!(api("wss://relay.example/binance"), "wss://relay.example/binance");
    }

    #[test]
    fn hosts_are_classed_by_exact_name_and_unknown_ones_are_live() {
        for environment in ENVIRONMENTS {
            for url in environment.rest.iter().chain(&environment.ws) {
                assert_eq!(class(url), environment.class, "{url}");
            }
        }
        for url in ["https://testnet.binance.vision.evil.example", "https://testnet.binance.vision@evil.example", "nonsense"] {
            assert_eq!(class(url), HostClass::Live, "{url}");
        }
        assert_eq!((class(&live().rest), class(&testnet().ws)), (HostClass::Live, HostClass::Testnet));
    }
}
