//! What each venue of a run speaks: its connector on our side, and how its bytes read on the wire between.

use domain::LinkRole;
use sim_exchange::reading::{Crossing, Reading};
use sim_exchange::world::World;
use venue::redundant::SECOND_SHARD;
use venue::{Connector, Endpoints, HttpRequest, LinkId};

/// One venue's protocol, from both sides.
#[derive(Clone)]
pub struct Speech {
    /// How its bytes read.
    pub reading: &'static dyn Reading,
    /// Our side of it.
    pub connector: &'static dyn Connector,
    endpoints: Endpoints,
}

impl std::fmt::Debug for Speech {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Speech({})", self.connector.kind())
    }
}

/// Where nothing listens: the harness carries every byte itself.
const NOWHERE: &str = "127.0.0.1:1";

impl Speech {
    /// What a venue of a world speaks.
    ///
    /// # Panics
    /// For a kind that no connector speaks: a mistake of the test.
    pub fn of(world: &World, venue: usize) -> Speech {
        let settings = world.venue(venue).kind.settings();
        let connector = connectors::connector(settings.kind()).expect("the harness names known kinds");
        let url = |path: &str| format!("ws://{NOWHERE}{path}");
        let ws = settings.ws_paths().first().map(|path| url(path)).expect("a protocol has a stream");
        let private_ws = url(settings.private_ws_path());
        Speech {
            reading: settings.reading(),
            connector,
            endpoints: Endpoints { rest: format!("http://{NOWHERE}"), ws, private_ws },
        }
    }

    /// The path on which a link is opened, without a query.
    pub fn path(&self, link: LinkId) -> String {
        // The second of two connections goes where the first does.
        let shard = if link.role == LinkRole::Public { link.shard & !SECOND_SHARD } else { link.shard };
        let url = self.connector.link_url(&self.endpoints, LinkId { shard, ..link });
        let path = url.split_once(NOWHERE).map_or("", |(_, path)| path);
        path.split('?').next().unwrap_or_default().to_owned()
    }
}

/// A request of ours as it crosses the wire.
pub(crate) fn crossing(request: &HttpRequest) -> Crossing<'_> {
    Crossing { method: request.method.as_str(), path: &request.path, query: &request.query, body: &request.body }
}
