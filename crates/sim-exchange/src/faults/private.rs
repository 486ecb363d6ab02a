//! What faults make of private frames: doubled, late, lost.
//!
//! Start at [`PrivateOrder::next`], to be asked once for each frame that would leave.

use super::{Faults, take_one};

/// What becomes of the next private frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrivateFate {
    /// It leaves as it should.
    Usual,
    /// It leaves twice.
    Doubled,
    /// It waits for the frame behind it.
    Held,
    /// It never leaves.
    Lost,
}

/// Counts private frames for the faults that name one.
#[derive(Debug, Default)]
pub(crate) struct PrivateOrder {
    made: u64,
    fills_made: u64,
}

impl PrivateOrder {
    /// What becomes of the next frame, which tells executions or other news.
    pub(crate) fn next(&mut self, tells_fills: bool, faults: &mut Faults) -> PrivateFate {
        self.made += 1;
        if tells_fills {
            self.fills_made += 1;
            if faults.lose_fill_frame.contains(&self.fills_made) || take_one(&mut faults.lose_next_fills) {
                return PrivateFate::Lost;
            }
        }
        if faults.double_private_frame.contains(&self.made) || take_one(&mut faults.double_next_private) {
            return PrivateFate::Doubled;
        }
        if faults.reorder_private_frame.contains(&self.made) || take_one(&mut faults.reorder_next_private) {
            return PrivateFate::Held;
        }
        PrivateFate::Usual
    }
}
