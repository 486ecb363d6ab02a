//! Feeds as the judge sees them (I13): a book that lost its trust is trusted again within the goal, once nothing stands in its way.

use super::{Check, Invariant, broken};
use crate::process::Process;
use domain::time::{MILLI, SECOND};
use domain::{LinkRole, MonoNanos, PairId, Tables, VenueId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A book must be live again within this, while its link is up and no fault touches the feed. Without a loss it takes milliseconds; a
/// question that a fault has lost counts as lost after 5 s, and a wall clock that was set takes several refusals until it is measured
/// anew and the stream is subscribed to again: 10.1 s were seen.
pub const GOAL_NS: u64 = 15 * SECOND;

/// All books of a run.
#[derive(Debug)]
pub struct FeedWatch {
    tables: Arc<Tables>,
    /// Since when each book waits without anything in its way.
    waits: BTreeMap<(VenueId, PairId), MonoNanos>,
    /// Public links that came up and whose books are not all live yet.
    reconnects: BTreeMap<VenueId, MonoNanos>,
    recovered: Vec<u64>,
}

impl FeedWatch {
    /// Nothing seen.
    pub fn new(tables: Arc<Tables>) -> FeedWatch {
        FeedWatch { tables, waits: BTreeMap::new(), reconnects: BTreeMap::new(), recovered: Vec::new() }
    }

    /// A new process, or one that slept: clocks start anew.
    pub fn new_life(&mut self) {
        self.waits.clear();
        self.reconnects.clear();
    }

    /// A link came up.
    pub fn connected(&mut self, venue: VenueId, role: LinkRole, now: MonoNanos) {
        if role == LinkRole::Public {
            self.reconnects.insert(venue, now);
        }
    }

    /// Time from a public link's coming up until all books of its venue were trusted, nanoseconds.
    pub fn recovered(&self) -> &[u64] {
        &self.recovered
    }

    /// After a step. `obstructed` says of a venue whether a fault touches its feed now.
    ///
    /// # Errors
    /// I13.
    pub fn after_step(&mut self, process: &Process, now: MonoNanos, obstructed: impl Fn(VenueId) -> bool) -> Check {
        for venue in self.tables.clone().venue_ids() {
            let (mut all_live, blocked) = (true, obstructed(venue));
            for pair in self.tables.clone().pair_ids() {
                let live = process.node.engine().market().at(venue, pair).book.is_live();
                all_live &= live;
                if live || blocked {
                    self.waits.remove(&(venue, pair));
                    continue;
                }
                let since = *self.waits.entry((venue, pair)).or_insert(now);
                if now.since(since) > GOAL_NS {
                    let symbol = self.tables.pair(pair).map(|info| info.symbol.to_string()).unwrap_or_default();
                    return broken(
                        Invariant::FeedsRecover,
                        format!(
                            "the book of {symbol} on {} is not live for {} ms, and nothing stands in its way",
                            self.tables.venue(venue),
                            now.since(since) / MILLI
                        ),
                    );
                }
            }
            if all_live && let Some(since) = self.reconnects.remove(&venue) {
                self.recovered.push(now.since(since));
            }
        }
        Ok(())
    }
}
