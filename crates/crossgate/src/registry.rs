//! The connectors this binary knows: one line a venue.

use crate::config::schema::Venue;
use venue::{Connector, Endpoints};

static CONNECTORS: &[&dyn Connector] =
    &[&gate_connector::GateConnector, &binance_connector::BinanceConnector, &bybit_connector::BybitConnector];

/// A connector by the `kind` of the configuration.
pub fn connector(kind: &str) -> Option<&'static dyn Connector> {
    CONNECTORS.iter().copied().find(|c| c.kind() == kind)
}

/// Every known kind.
pub fn kinds() -> Vec<&'static str> {
    CONNECTORS.iter().map(|c| c.kind()).collect()
}

/// Where a configured venue is reached: what the file says, else the live hosts.
pub fn endpoints(venue: &Venue, connector: &dyn Connector) -> Endpoints {
    let live = connector.live_endpoints();
    let ws = venue.ws.clone().unwrap_or(live.ws);
    Endpoints {
        rest: venue.rest.clone().unwrap_or(live.rest),
        private_ws: venue.private_ws.clone().unwrap_or_else(|| ws.clone()),
        ws,
    }
}
