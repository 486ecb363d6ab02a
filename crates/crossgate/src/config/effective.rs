//! From the file to what the engine takes: full effective values on the run's tables.

use super::schema::{Config, Mode, OrderQty, Risk};
use super::units::Money;
use domain::{Amount, AssetId, PairId, Qty, Symbol, Tables, VenueId};
use engine_core::EngineConfig;
use executor::ExecutorConfig;
use risk::controls::Derived;
use risk::{Controls, Limits};
use spread_detector::DetectorConfig;
use std::collections::BTreeSet;

/// Orders of a simulated run within a second, where its file does not say.
pub const ORDERS_PER_SECOND: u32 = 20;

/// Limits of a simulated run whose file names none: small, in quote.
pub fn default_risk() -> Risk {
    let money = |whole: i128| Money(Amount::from_units(whole * domain::number::AMOUNT_ONE));
    Risk {
        order_value_max: money(2_500),
        deal_value_max: money(2_500),
        unhedged_value_max: money(10_000),
        open_deals_max: 4,
        orders_per_second_max: Some(ORDERS_PER_SECOND),
        daily_loss_max: money(1_000),
        reference: None,
        unhedged_opportunity_max: None,
        unhedged_asset_max: None,
        messages_per_second_max: None,
        order_collar_bps: None,
        period_collar_bps: None,
        collar_period: None,
        duplicate_window: None,
        repeat_deals_max: None,
        repeat_window: None,
        hedge_retries_max: None,
        order_qty: Vec::new(),
        live_caps_lifted: false,
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
        orders_per_second_max: risk.orders_per_second_max.unwrap_or(ORDERS_PER_SECOND),
        daily_loss_max: risk.daily_loss_max.0,
    }
}

/// The thresholds of the further controls, those by pair left out.
pub fn controls(risk: &Risk) -> Controls {
    let default = Controls::beside(&limits(risk));
    Controls {
        unhedged_opportunity_max: risk.unhedged_opportunity_max.map_or(default.unhedged_opportunity_max, |m| m.0),
        unhedged_asset_max: risk.unhedged_asset_max.map_or(default.unhedged_asset_max, |m| m.0),
        order_qty_max: Vec::new(),
        messages_per_second_max: risk.messages_per_second_max.unwrap_or(default.messages_per_second_max),
        order_collar: risk.order_collar_bps.map_or(default.order_collar, |bps| bps.0),
        period_collar: risk.period_collar_bps.map_or(default.period_collar, |bps| bps.0),
        period_ns: risk.collar_period.map_or(default.period_ns, |span| span.0),
        duplicate_window_ns: risk.duplicate_window.map_or(default.duplicate_window_ns, |span| span.0),
        repeat_deals_max: risk.repeat_deals_max.unwrap_or(default.repeat_deals_max),
        repeat_window_ns: risk.repeat_window.map_or(default.repeat_window_ns, |span| span.0),
        hedge_retries_max: risk.hedge_retries_max.unwrap_or(default.hedge_retries_max),
        derived: Derived {
            unhedged_opportunity: risk.unhedged_opportunity_max.is_none(),
            unhedged_asset: risk.unhedged_asset_max.is_none(),
            messages_per_second: risk.messages_per_second_max.is_none(),
        },
    }
}

/// Largest quantities by pair, rounded down to the pair's scale.
fn order_qty_max(risk: &Risk, tables: &Tables) -> Vec<(PairId, Qty)> {
    let one = |limit: &OrderQty| {
        let pair = tables.pair_id(&Symbol::parse(&limit.symbol).ok()?)?;
        Some((pair, tables.pair(pair)?.scale.qty_rounded_down(limit.max.0)))
    };
    risk.order_qty.iter().filter_map(one).collect()
}

/// The id of a venue by name: that of the run, whose venues a log or tapes may hold in another order than the file.
fn venue_id(tables: &Tables, name: &str) -> Option<VenueId> {
    tables.venue_ids().find(|id| tables.venue(*id) == name)
}

/// Routes that may not be opened by [[veto]], where one of pairs or venues that are not there rules out nothing.
fn vetoes(config: &Config, tables: &Tables) -> BTreeSet<(PairId, VenueId, VenueId)> {
    let venue = |id: &str| venue_id(tables, id);
    let one = |veto: &super::schema::Veto| {
        Some((tables.pair_id(&Symbol::parse(&veto.symbol).ok()?)?, venue(&veto.buy)?, venue(&veto.sell)?))
    };
    config.veto.iter().filter_map(one).collect()
}

/// Every route of the pairs that are in the tables for what is open of them, and not in the file.
fn routes_kept(config: &Config, tables: &Tables) -> impl Iterator<Item = (PairId, VenueId, VenueId)> {
    let configured: BTreeSet<Symbol> = config.pair.iter().filter_map(|pair| Symbol::parse(&pair.symbol).ok()).collect();
    let kept = tables.pair_ids().filter(move |pair| tables.pair(*pair).is_some_and(|info| !configured.contains(&info.symbol)));
    let venues = || tables.venue_ids();
    kept.flat_map(move |pair| venues().flat_map(move |buy| venues().map(move |sell| (pair, buy, sell))))
}

/// The engine's settings for tables of tapes: what they hold is what is asked about, whether the file has its pairs or not.
pub fn engine_config_of_tapes(config: &Config, tables: &Tables) -> EngineConfig {
    EngineConfig { vetoes: vetoes(config, tables), ..engine_config(config, tables) }
}

/// The engine's settings for the tables of a run: a pair of them that is not in the file is there for what is open of it, and opens
/// nothing. A floor on a fee token that the run's tables lack, or on a venue that is not there, is ignored: nothing of it is spent.
pub fn engine_config(config: &Config, tables: &Tables) -> EngineConfig {
    let risk = config.risk.clone().unwrap_or_else(default_risk);
    let (strategy, execution) = (&config.strategy, &config.execution);
    let limits = limits(&risk);
    let floors = risk.floor.iter().filter_map(|floor| {
        let asset: AssetId = tables.asset_id(&floor.asset)?;
        Some((venue_id(tables, &floor.venue)?, asset, floor.amount.0))
    });
    EngineConfig {
        detector: DetectorConfig {
            min_edge: strategy.min_edge_bps.0,
            book_age_max_ns: strategy.book_age_max.0,
            lag_max_ns: strategy.lag_max.0,
            lag_must_be_known: true,
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
            history_kept_ns: execution.history_kept.0,
            ..ExecutorConfig::with_limits(config.instance, limits)
        },
        limits,
        controls: Controls { order_qty_max: order_qty_max(&risk, tables), ..controls(&risk) },
        reference: risk.reference.as_deref().and_then(|name| tables.asset_id(name)),
        latency_allowance: strategy.latency_allowance_bps.0,
        plan_expiry_ns: execution.order_expiry.0,
        floors: floors.collect(),
        vetoes: vetoes(config, tables).into_iter().chain(routes_kept(config, tables)).collect(),
        dead_man_ns: if config.mode == Mode::Live { execution.dead_man.0 } else { 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load_text;
    use domain::{InstrumentKind, PairInfo, PairScale};
    use std::collections::BTreeMap;

    #[test]
    fn a_pair_that_is_kept_for_what_is_open_of_it_opens_nothing_on_any_route() {
        let config = load_text("demo.toml", crate::run::DEMO, &BTreeMap::new()).unwrap().config;
        let pair = |text: &str| PairInfo {
            symbol: Symbol::parse(text).unwrap(),
            kind: InstrumentKind::Spot,
            base: AssetId(0),
            quote: AssetId(1),
            scale: PairScale::new(2, 4).unwrap(),
        };
        let tables = Tables {
            venues: vec!["gate".into(), "binance".into()],
            pairs: vec![pair("BTC/USDT"), pair("LTC/USDT")],
            assets: vec!["BTC".into(), "USDT".into()],
        };
        let vetoed: BTreeSet<_> = engine_config(&config, &tables).vetoes.into_iter().collect();
        let routes = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(buy, sell)| (PairId(1), VenueId(buy), VenueId(sell)));
        assert_eq!(vetoed, BTreeSet::from(routes));
    }

    #[test]
    fn vetoes_and_floors_are_of_the_venue_they_name_wherever_a_run_holds_it() {
        let text = crate::run::DEMO.to_string()
            + "\n[[veto]]\nsymbol = \"BTC/USDT\"\nbuy = \"gate\"\nsell = \"bybit\"\n\
               \n[[risk.floor]]\nvenue = \"gate\"\nasset = \"USDT\"\namount = \"5\"\n";
        let loaded = load_text("floors.toml", &text, &BTreeMap::new()).unwrap();
        let mut tables = tables_of_one_pair();
        let of = |tables: &Tables| {
            let settings = engine_config(&loaded.config, tables);
            let named = |id: VenueId| tables.venue(id).to_string();
            let floors: Vec<String> = settings.floors.iter().map(|(venue, ..)| named(*venue)).collect();
            let vetoes: Vec<_> = settings.vetoes.iter().map(|(_, buy, sell)| (named(*buy), named(*sell))).collect();
            (floors, vetoes)
        };
        let right = (vec!["gate".to_string()], vec![("gate".to_string(), "bybit".to_string())]);
        tables.venues = ["gate", "binance", "bybit"].map(String::from).into();
        assert_eq!(of(&tables), right);
        tables.venues.reverse();
        assert_eq!(of(&tables), right, "tapes given in another order");
        tables.venues.pop();
        assert_eq!(of(&tables), (Vec::new(), Vec::new()), "a venue that is not there is not another one");
    }

    fn tables_of_one_pair() -> Tables {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        let rules = venue::RawRules {
            symbol: symbol.clone(),
            price_decimals: 2,
            qty_decimals: 5,
            execution_decimals: 0,
            execution_price_decimals: 0,
            kind: domain::InstrumentKind::Spot,
            qty_min: None,
            qty_max: None,
            value_min: None,
            can_buy: true,
            can_sell: true,
        };
        venue::build_tables(&[symbol], &[("gate".into(), vec![rules])], &[]).unwrap().0
    }
}
