//! Connectors by the words of a configuration. Which there are stands in [`connectors`].

use crate::config::schema::Venue;
pub use connectors::{connector, kinds};
use venue::{Connector, Endpoints};

/// Where a configured venue is reached: what the file says, else the live hosts. A file that leaves `private_ws` out beside a `ws` that
/// does not carry private streams is refused before it is connected (`config::check`); where no key is used it may do so.
pub fn endpoints(venue: &Venue, connector: &dyn Connector) -> Endpoints {
    let live = connector.live_endpoints();
    let private_ws = venue.private_ws.clone().or_else(|| venue.ws.clone()).unwrap_or(live.private_ws);
    Endpoints { rest: venue.rest.clone().unwrap_or(live.rest), ws: venue.ws.clone().unwrap_or(live.ws), private_ws }
}
