//! Client order ids that are never used twice: instance, epoch (one per run), shard, counter.

use domain::ClientOrderId;
use domain::ids::{COUNTER_LIMIT, EPOCH_LIMIT, INSTANCE_LIMIT};

/// Where client order ids come from. The epoch is durable before the first id of it is used, so no id of another run repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdSource {
    instance: u16,
    epoch: u64,
    shard: u8,
    counter: u64,
}

impl IdSource {
    /// `None` when a part does not fit its characters.
    pub const fn new(instance: u16, epoch: u64, shard: u8) -> Option<IdSource> {
        if instance < INSTANCE_LIMIT && epoch < EPOCH_LIMIT && shard < 36 {
            Some(IdSource { instance, epoch, shard, counter: 0 })
        } else {
            None
        }
    }

    /// The epoch of [`IdSource::of_no_run`]: above every epoch that a run directory gives out.
    pub(crate) const NO_RUN: u64 = EPOCH_LIMIT - 1;

    /// For an executor that logs are folded into and that never sends.
    pub(crate) const fn of_no_run(instance: u16) -> IdSource {
        IdSource { instance, epoch: IdSource::NO_RUN, shard: 0, counter: 0 }
    }

    /// A new id.
    ///
    /// # Panics
    /// After 10^14 orders in one run.
    pub fn next_id(&mut self) -> ClientOrderId {
        self.counter += 1;
        assert!(self.counter < COUNTER_LIMIT, "Invariant: an epoch has ids left");
        ClientOrderId::new(self.instance, self.epoch, self.shard, self.counter)
            .expect("Invariant: every part was checked when it was set")
    }

    /// The run.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The instance.
    pub const fn instance(&self) -> u16 {
        self.instance
    }

    /// Ids handed out so far.
    pub const fn used(&self) -> u64 {
        self.counter
    }

    /// Ids that may still be handed out.
    pub const fn left(&self) -> u64 {
        COUNTER_LIMIT - 1 - self.counter
    }

    /// What the planted bug `IdReusedAfterRestart` does: back to the start of an old epoch.
    pub(crate) fn fall_back_to(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.counter = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_never_repeat() {
        let mut ids = IdSource::new(7, 1_700_000_000, 0).unwrap();
        let made: Vec<ClientOrderId> = (0..100).map(|_| ids.next_id()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((made[0].instance(), made[0].epoch(), made[0].counter()), (7, 1_700_000_000, 1));
        assert_eq!(ids.used(), 100);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert_eq!(IdSource::new(INSTANCE_LIMIT, 1, 0), None);
        assert_eq!(IdSource::new(0, EPOCH_LIMIT, 0), None);
        assert_eq!(IdSource::new(0, 1, 36), None);
    }
}
