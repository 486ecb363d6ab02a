//! Bybit's hosts, as data: live, test network and demo accounts (Bybit v5, connect).
//!
//! A configuration names one REST and one WebSocket host; the paths of markets, of the private stream and of order entry are
//! added here. Country sites and relays are taken as they are, and count as live. Demo accounts have REST and a private stream of
//! their own, and no order entry over WebSocket; their public streams are the live ones, so a demo configuration counts as live
//! by its hosts.

use crate::market::Market;
use venue::connector::host_of;
use venue::{Endpoints, HostClass};

/// One set of hosts that belong together.
struct Environment {
    class: HostClass,
    /// Scheme and host of REST.
    rest: &'static str,
    /// Scheme and host of public streams.
    ws: &'static str,
    /// Scheme and host of the private stream.
    private_ws: &'static str,
    /// Further host names of REST in this environment.
    aliases: &'static [&'static str],
}

const DEMO_PRIVATE_WS: &str = "wss://stream-demo.bybit.com";

/// Every environment, the live one first, the test network second.
const ENVIRONMENTS: &[Environment] = &[
    Environment {
        class: HostClass::Live,
        rest: "https://api.bybit.com",
        ws: "wss://stream.bybit.com",
        private_ws: "wss://stream.bybit.com",
        aliases: &["api.bytick.com"],
    },
    Environment {
        class: HostClass::Testnet,
        rest: "https://api-testnet.bybit.com",
        ws: "wss://stream-testnet.bybit.com",
        private_ws: "wss://stream-testnet.bybit.com",
        aliases: &[],
    },
    // Live prices, invented money.
    Environment {
        class: HostClass::Testnet,
        rest: "https://api-demo.bybit.com",
        ws: "wss://stream.bybit.com",
        private_ws: DEMO_PRIVATE_WS,
        aliases: &[],
    },
];

/// The class of a URL's host among Bybit's, by exact name; anything unknown is [`HostClass::Live`].
pub(crate) fn class(url: &str) -> HostClass {
    let Some(host) = host_of(url) else { return HostClass::Live };
    let names = |environment: &&Environment| {
        let known = [environment.rest, environment.ws, environment.private_ws].into_iter().filter_map(host_of);
        known.into_iter().any(|known| known == host) || environment.aliases.contains(&host.as_str())
    };
    // A host of two environments has the class of the more dangerous one, which is listed first.
    ENVIRONMENTS.iter().find(names).map_or(HostClass::Live, |environment| environment.class)
}

fn endpoints(environment: &Environment) -> Endpoints {
    let Environment { rest, ws, private_ws, .. } = environment;
    Endpoints { rest: (*rest).into(), ws: (*ws).into(), private_ws: (*private_ws).into() }
}

/// The live hosts.
pub(crate) fn live() -> Endpoints {
    endpoints(&ENVIRONMENTS[0])
}

/// The hosts of the test network.
pub(crate) fn testnet() -> Endpoints {
    endpoints(&ENVIRONMENTS[1])
}

/// Scheme, host and port of what is configured, without any path of Bybit's that was configured with it.
fn base(configured: &str) -> &str {
    configured.find("/v5/").and_then(|at| configured.get(..at)).unwrap_or(configured).trim_end_matches('/')
}

/// The URL of a market's public streams.
pub(crate) fn public(configured: &str, market: Market) -> String {
    format!("{}/v5/public/{}", base(configured), market.category())
}

/// The URL of the private stream.
pub(crate) fn private(configured: &str) -> String {
    format!("{}/v5/private", base(configured))
}

/// The private host that belongs to a REST host, where it is not the one of the public streams: demo accounts have their own.
pub(crate) fn private_ws_apart(rest: &str) -> Option<&'static str> {
    let host = host_of(rest)?;
    let own = ENVIRONMENTS.iter().find(|known| host_of(known.rest).is_some_and(|name| name == host))?;
    (own.private_ws != own.ws).then_some(own.private_ws)
}

/// True where orders may take a link: demo accounts have none.
pub(crate) fn has_order_link(private_ws: &str) -> bool {
    host_of(private_ws) != host_of(DEMO_PRIVATE_WS)
}

/// The URL of order entry.
pub(crate) fn order_entry(configured: &str) -> String {
    format!("{}/v5/trade", base(configured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_added_to_whatever_host_is_configured() {
        for (configured, url) in [
            ("wss://stream.bybit.com", "wss://stream.bybit.com/v5/public/linear"),
            ("wss://stream.bybit.com/", "wss://stream.bybit.com/v5/public/linear"),
            ("wss://stream.bybit.com/v5/public/spot", "wss://stream.bybit.com/v5/public/linear"),
            ("wss://stream-testnet.bybit.com", "wss://stream-testnet.bybit.com/v5/public/linear"),
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/v5/public/linear"),
            ("ws://127.0.0.1:8080/relay", "ws://127.0.0.1:8080/relay/v5/public/linear"),
        ] {
            assert_eq!(public(configured, Market::Linear), url);
        }
        assert_eq!(public("ws://h", Market::Spot), "ws://h/v5/public/spot");
        assert_eq!(private("wss://stream-demo.bybit.com"), "wss://stream-demo.bybit.com/v5/private");
        assert_eq!(order_entry("wss://stream.bybit.com/v5/private"), "wss://stream.bybit.com/v5/trade");
        assert!(has_order_link("wss://stream.bybit.com") && has_order_link("ws://127.0.0.1:8080"));
        assert!(!has_order_link("wss://stream-demo.bybit.com/v5/private"));
        let apart =
            ["https://api.bybit.com", "https://api-testnet.bybit.com", "https://api-demo.bybit.com"].map(private_ws_apart);
        assert_eq!(apart, [None, None, Some(DEMO_PRIVATE_WS)]);
    }

    #[test]
    fn hosts_are_classed_by_exact_name_and_unknown_ones_are_live() {
        use HostClass::{Live, Testnet};
        for (url, expected) in [
            ("https://api.bybit.com", Live),
            ("https://api.bytick.com", Live),
            ("https://API.bybit.com:443/v5/market/time", Live),
            ("https://api-testnet.bybit.com", Testnet),
            ("wss://stream-testnet.bybit.com/v5/public/spot", Testnet),
            ("https://api-demo.bybit.com", Testnet),
            ("wss://stream-demo.bybit.com/v5/private", Testnet),
            // Demo accounts read the live streams.
            ("wss://stream.bybit.com", Live),
            ("https://api.bybit.nl", Live),
            ("https://api-testnet.bybit.com.evil.example", Live),
            ("https://api-testnet.bybit.com@evil.example", Live),
            ("nonsense", Live),
        ] {
            assert_eq!(class(url), expected, "{url}");
        }
        assert_eq!((class(&live().rest), class(&testnet().ws)), (Live, Testnet));
    }
}
