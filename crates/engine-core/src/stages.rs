//! Where a batch spends its time: the engine has no clock, and tells whoever has one that a part of its work has ended.

/// Part of a batch's way through the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Inputs change books, orders and balances.
    Apply,
    /// What came of them is decided: hedges, the verdict on every route, the size of a deal.
    Detect,
    /// A planned deal is held against every limit.
    Risk,
}

/// Called when a part has ended; it took the time since the last call, or since the batch began. Parts of one batch may come more than
/// once. Nothing that it does can change what is decided.
pub type StageWatch = Box<dyn FnMut(Stage) + Send>;
