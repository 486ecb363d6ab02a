//! Everything a decision is tuned by, as full effective values. Built once from the configuration file; logged with the run.
//!
//! [`EngineConfig::patch`] is the part that may change while the engine runs: an [`domain::Input::Config`] carries it, and
//! [`EngineConfig::apply`] puts it in force. A restart takes the file's values: recovery does not fold patches.

use domain::{Amount, AssetId, ConfigPatch, PairId, Rate, VenueId};
use executor::{BookGates, ExecutorConfig};
use risk::{Controls, Limits, LimitsError};
use spread_detector::DetectorConfig;
use std::collections::BTreeSet;

/// Settings of one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Gates on books and edges.
    pub detector: DetectorConfig,
    /// Hard limits on what may be sent.
    pub limits: Limits,
    /// Thresholds of the further controls; they hold for the whole run, but for those that follow the limits.
    pub controls: Controls,
    /// The asset in which limits and the daily loss are stated; without one the only quote of the pairs.
    pub reference: Option<AssetId>,
    /// Order life cycles, hedging, reconciliation.
    pub executor: ExecutorConfig,
    /// Allowance for what moves while orders travel, as a fraction of the value.
    pub latency_allowance: Rate,
    /// How long an opening may take to reach the venue, nanoseconds.
    pub plan_expiry_ns: u64,
    /// Balances that openings never touch.
    pub floors: Vec<(VenueId, AssetId, Amount)>,
    /// Routes (pair, buy, sell) that are judged and never opened.
    pub vetoes: BTreeSet<(PairId, VenueId, VenueId)>,
    /// Time without a word from us after which a venue cancels our orders, nanoseconds; zero arms no switch.
    pub dead_man_ns: u64,
}

impl EngineConfig {
    /// The settings that may change while the engine runs, as they are here.
    pub fn patch(&self) -> ConfigPatch {
        ConfigPatch {
            min_edge: self.detector.min_edge,
            latency_allowance: self.latency_allowance,
            book_age_max_ns: self.detector.book_age_max_ns,
            lag_max_ns: self.detector.lag_max_ns,
            skew_max_ns: self.detector.skew_max_ns,
            collar: self.detector.collar,
            order_value_max: self.limits.order_value_max,
            deal_value_max: self.limits.deal_value_max,
            unhedged_value_max: self.limits.unhedged_value_max,
            open_deals_max: self.limits.open_deals_max,
            orders_per_second_max: self.limits.orders_per_second_max,
            daily_loss_max: self.limits.daily_loss_max,
            floors: self.floors.clone(),
        }
    }

    /// Puts a patch in force.
    ///
    /// # Errors
    /// [`LimitsError`] for limits, or thresholds made from them, that no run may start with: then nothing is changed.
    pub fn apply(&mut self, patch: &ConfigPatch) -> Result<(), LimitsError> {
        let limits = Limits {
            order_value_max: patch.order_value_max,
            deal_value_max: patch.deal_value_max,
            unhedged_value_max: patch.unhedged_value_max,
            open_deals_max: patch.open_deals_max,
            orders_per_second_max: patch.orders_per_second_max,
            daily_loss_max: patch.daily_loss_max,
        };
        limits.validate()?;
        let mut controls = self.controls.clone();
        controls.follow(&limits);
        controls.validate()?;
        self.limits = limits;
        self.controls = controls;
        self.executor.limits = limits;
        self.detector = DetectorConfig {
            min_edge: patch.min_edge,
            book_age_max_ns: patch.book_age_max_ns,
            lag_max_ns: patch.lag_max_ns,
            skew_max_ns: patch.skew_max_ns,
            collar: patch.collar,
            latency_allowance: patch.latency_allowance,
            lag_must_be_known: self.detector.lag_must_be_known,
        };
        self.latency_allowance = patch.latency_allowance;
        self.floors.clone_from(&patch.floors);
        self.align();
        Ok(())
    }

    /// Hedges are priced by the books that openings are: each threshold is set once, in the detector's part.
    pub(crate) fn align(&mut self) {
        let DetectorConfig { book_age_max_ns, lag_max_ns, lag_must_be_known, collar, .. } = self.detector;
        self.executor.books = BookGates { age_max_ns: book_age_max_ns, lag_max_ns, lag_must_be_known, collar };
    }

    /// These settings with a patch in force.
    ///
    /// # Errors
    /// As [`EngineConfig::apply`].
    pub fn patched(&self, patch: &ConfigPatch) -> Result<EngineConfig, LimitsError> {
        let mut config = self.clone();
        config.apply(patch)?;
        Ok(config)
    }

    /// Whether a running engine can take over all of `wanted` as a patch; otherwise something in it needs a restart.
    pub fn differs_only_by_patch(&self, wanted: &EngineConfig) -> bool {
        let mut wanted = wanted.clone();
        wanted.align();
        self.patched(&wanted.patch()).is_ok_and(|patched| patched == wanted)
    }
}
