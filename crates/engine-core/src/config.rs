//! Everything a decision is tuned by, as full effective values. Built once from the configuration file; logged with the run.

use domain::{Amount, AssetId, Rate, VenueId};
use executor::ExecutorConfig;
use risk::Limits;
use spread_detector::DetectorConfig;

/// Settings of one engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Gates on books and edges.
    pub detector: DetectorConfig,
    /// Hard limits on what may be sent.
    pub limits: Limits,
    /// Order life cycles, hedging, reconciliation.
    pub executor: ExecutorConfig,
    /// Allowance for what moves while orders travel, as a fraction of the value.
    pub latency_allowance: Rate,
    /// How long an opening may take to reach the venue, nanoseconds.
    pub plan_expiry_ns: u64,
    /// Balances that openings never touch.
    pub floors: Vec<(VenueId, AssetId, Amount)>,
    /// Loss since UTC midnight, in quote, that latches.
    pub daily_loss_max: Amount,
}
