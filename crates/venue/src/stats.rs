//! Plain counters of a session: bumped on the hot path, copied out at ticks.

use crate::redundant::RedundancyStats;
use domain::mutants::{self, Mutant};
use domain::{FrameReject, PairId, ResyncReason};

/// What a session has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Frames received, all kinds.
    pub frames: u64,
    /// Frames of known channels that are not used (acknowledgements of others, pongs, tickers).
    pub ignored: u64,
    /// Frames refused, by position in [`FrameReject::ALL`].
    pub rejected: [u64; 11],
    /// Books resynchronised, by position in [`ResyncReason::ALL`].
    pub resyncs: [u64; 10],
    /// Links lost after they were up or failed to come up, by loss reason label.
    pub reconnects: Vec<(&'static str, u64)>,
    /// REST requests sent.
    pub requests: u64,
    /// Smallest used-to-limit head-room seen in rate-limit headers: remaining and limit of the tightest bucket.
    pub rate_remaining: Option<(u32, u32)>,
    /// Per book stream: counts that `replay` reports.
    pub streams: Vec<StreamStats>,
    /// What the second connection of every public stream was worth; `None` without one.
    pub redundancy: Option<RedundancyStats>,
}

/// Counts of one book stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStats {
    /// Which pair.
    pub pair: PairId,
    /// The venue's channel name.
    pub channel: &'static str,
    /// Frames of this stream.
    pub frames: u64,
    /// Deltas applied.
    pub applied: u64,
    /// Deltas older than the book.
    pub stale: u64,
    /// Breaks of the sequence.
    pub gaps: u64,
    /// Frames refused by reason of this stream are in [`SessionStats::rejected`]; crossed states are counted by the engine.
    pub snapshots: u64,
}

impl SessionStats {
    /// Counts a refused frame.
    pub fn reject(&mut self, reason: FrameReject) {
        let nonsense = matches!(reason, FrameReject::BadNumber | FrameReject::OutOfRange);
        assert!(!(nonsense && mutants::active(Mutant::PanicOnNonsense)), "a planted panic");
        if let Some(count) = self.rejected.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Counts a resync.
    pub fn resync(&mut self, reason: ResyncReason) {
        if let Some(count) = self.resyncs.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Counts a lost link.
    pub fn reconnect(&mut self, label: &'static str) {
        match self.reconnects.iter_mut().find(|(l, _)| *l == label) {
            Some((_, count)) => *count += 1,
            None => self.reconnects.push((label, 1)),
        }
    }
}

const _: () = assert!(FrameReject::ALL.len() == 11);
const _: () = assert!(ResyncReason::ALL.len() == 10);
