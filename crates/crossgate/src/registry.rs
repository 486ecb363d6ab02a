//! Connectors by the words of a configuration. Which there are stands in [`connectors`].

use crate::config::schema::Venue;
pub use connectors::{connector, kinds};
use venue::{Connector, Endpoints};

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
