//! What tests of several modules write into run directories.

use domain::{Tables, UnixNanos};
use journal::{CODEC_VERSION, Header, LogKind};

/// The header of a state log of this epoch, without names and without a configuration.
pub fn state_header(epoch: u64) -> Header {
    Header {
        version: CODEC_VERSION,
        kind: LogKind::State,
        instance: 0,
        epoch,
        shard: 0,
        build: "crossgate".into(),
        mode: "live".into(),
        seed: 1,
        started: UnixNanos(0),
        config: String::new(),
        tables: Tables { venues: Vec::new(), pairs: Vec::new(), assets: Vec::new() },
        previous: [0; 32],
    }
}
