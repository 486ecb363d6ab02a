//! From the file to what the engine takes: full effective values on the run's tables.

use super::schema::{Config, Risk};
use super::units::Money;
use domain::{Amount, AssetId, Tables, VenueId};
use engine_core::EngineConfig;
use executor::ExecutorConfig;
use risk::Limits;
use spread_detector::DetectorConfig;

/// Limits of a simulated run whose file names none: small, in quote.
pub fn default_risk() -> Risk {
    let money = |whole: i128| Money(Amount::from_units(whole * domain::number::AMOUNT_ONE));
    Risk {
        order_value_max: money(2_500),
        deal_value_max: money(2_500),
        unhedged_value_max: money(10_000),
        open_deals_max: 4,
        orders_per_second_max: 20,
        daily_loss_max: money(1_000),
        floor: Vec::new(),
    }
}

/// The hard limits of a [risk] section.
pub fn limits(risk: &Risk) -> Limits {
    Limits {
        order_value_max: risk.order_value_max.0,
        deal_value_max: risk.deal_value_max.0,
        unhedged_value_max: risk.unhedged_value_max.0,
        open_deals_max: risk.open_deals_max,
        orders_per_second_max: risk.orders_per_second_max,
        daily_loss_max: risk.daily_loss_max.0,
    }
}

/// The engine's settings. A floor on an asset that no pair uses is ignored: there is nothing to protect.
pub fn engine_config(config: &Config, tables: &Tables) -> EngineConfig {
    let risk = config.risk.clone().unwrap_or_else(default_risk);
    let (strategy, execution) = (&config.strategy, &config.execution);
    let limits = limits(&risk);
    let floors = risk.floor.iter().filter_map(|floor| {
        let venue = config.venue.iter().position(|v| v.id == floor.venue)?;
        let asset: AssetId = tables.asset_id(&floor.asset)?;
        Some((VenueId(venue as u8), asset, floor.amount.0))
    });
    EngineConfig {
        detector: DetectorConfig {
            min_edge: strategy.min_edge_bps.0,
            book_age_max_ns: strategy.book_age_max.0,
            lag_max_ns: strategy.lag_max.0,
            skew_max_ns: strategy.skew_max.0,
            collar: strategy.collar_bps.0,
            latency_allowance: strategy.latency_allowance_bps.0,
        },
        executor: ExecutorConfig {
            order_expiry_ns: execution.order_expiry.0,
            reply_timeout_ns: execution.reply_timeout.0,
            visibility_window_ns: execution.visibility_window.0,
            balance_grace_ns: execution.balance_grace.0,
            reconcile_period_ns: execution.reconcile_every.0,
            unhedged_max_ns: execution.unhedged_time_max.0,
            complete_cap: execution.complete_cap_bps.0,
            reverse_cap: execution.reverse_cap_bps.0,
            flatten_cap: execution.flatten_cap_bps.0,
            hedge_pause_ns: execution.hedge_pause.0,
            book_age_max_ns: strategy.book_age_max.0,
            ..ExecutorConfig::with_limits(config.instance, limits)
        },
        limits,
        latency_allowance: strategy.latency_allowance_bps.0,
        plan_expiry_ns: execution.order_expiry.0,
        floors: floors.collect(),
        daily_loss_max: risk.daily_loss_max.0,
    }
}
