//! Reading the configuration again while the engine runs. Thresholds, limits and floors may change; everything else needs a restart
//! and is refused by name, and then nothing is changed.

use super::effective;
use super::load::Loaded;
use super::schema::Config;
use domain::{ConfigPatch, Tables};

/// What may change while the engine runs: exactly what a [`ConfigPatch`] carries.
const CHANGEABLE: [&str; 13] = [
    "strategy.min_edge_bps",
    "strategy.latency_allowance_bps",
    "strategy.book_age_max",
    "strategy.lag_max",
    "strategy.skew_max",
    "strategy.collar_bps",
    "risk.order_value_max",
    "risk.deal_value_max",
    "risk.unhedged_value_max",
    "risk.open_deals_max",
    "risk.orders_per_second_max",
    "risk.daily_loss_max",
    "risk.floor",
];

/// What a new reading amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing differs.
    Same,
    /// These keys changed, and this puts them in force.
    Patch {
        /// The keys.
        keys: Vec<String>,
        /// All values that hold from now on.
        patch: Box<ConfigPatch>,
    },
    /// These keys can't change while the engine runs.
    Refused {
        /// The keys.
        keys: Vec<String>,
    },
}

/// Compares a new reading with what is in force.
pub fn compare(running: &Config, new: &Loaded, tables: &Tables) -> Reload {
    let mut keys = Vec::new();
    if let (Ok(old), Ok(new)) = (serde_json::to_value(running), serde_json::to_value(&new.config)) {
        differences("", &old, &new, &mut keys);
    }
    if keys.is_empty() {
        return Reload::Same;
    }
    let may_change = |key: &&String| CHANGEABLE.contains(&key.as_str());
    let refused: Vec<String> = keys.iter().filter(|key| !may_change(key)).cloned().collect();
    if !refused.is_empty() {
        return Reload::Refused { keys: refused };
    }
    Reload::Patch { keys, patch: Box::new(effective::engine_config(&new.config, tables).patch()) }
}

/// The paths at which two values differ: keys of tables one by one, lists as a whole.
fn differences(path: &str, old: &serde_json::Value, new: &serde_json::Value, out: &mut Vec<String>) {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else {
        if old != new {
            out.push(path.to_string());
        }
        return;
    };
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let null = serde_json::Value::Null;
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        differences(&path, before.get(name).unwrap_or(&null), after.get(name).unwrap_or(&null), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load_text;
    use std::collections::BTreeMap;

    fn loaded(replace: &[(&str, &str)]) -> Loaded {
        let text = replace.iter().fold(crate::run::DEMO.to_string(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        load_text("demo.toml", &text, &BTreeMap::new()).unwrap()
    }

    fn compared(replace: &[(&str, &str)]) -> Reload {
        compare(&loaded(&[]).config, &loaded(replace), &Tables::default())
    }

    #[test]
    fn thresholds_and_limits_may_change_and_everything_else_is_named() {
        assert_eq!(compared(&[]), Reload::Same);
        let edge = ("min_edge_bps = \"2\"", "min_edge_bps = \"7\"");
        let loss = ("daily_loss_max = \"1000\"", "daily_loss_max = \"900\"");
        match compared(&[edge, loss]) {
            Reload::Patch { keys, patch } => {
                assert_eq!(keys, ["risk.daily_loss_max", "strategy.min_edge_bps"]);
                assert_eq!((patch.min_edge.nano(), patch.daily_loss_max.to_text().as_str()), (700_000, "900"));
            }
            other => panic!("{other:?}"),
        }
        let seed = ("seed = 1 ", "seed = 2 ");
        let pause = ("hedge_pause = \"250ms\"", "hedge_pause = \"300ms\"");
        let pair = ("symbol = \"XRP/USDT\"", "symbol = \"LTC/USDT\"");
        assert_eq!(
            compared(&[edge, seed, pause, pair]),
            Reload::Refused { keys: vec!["execution.hedge_pause".into(), "pair".into(), "seed".into()] }
        );
    }

    /// Thresholds that are made from limits follow them; those that the file names stay.
    #[test]
    fn a_patch_puts_in_force_what_a_start_with_the_new_file_would() {
        let deal = ("\ndeal_value_max = \"2500\"", "\ndeal_value_max = \"1000\"");
        let order = ("\norder_value_max = \"2500\"", "\norder_value_max = \"1000\"");
        let total = ("unhedged_value_max = \"10000\"", "unhedged_value_max = \"4000\"");
        let pace = ("orders_per_second_max = 20", "orders_per_second_max = 10");
        let given = "[risk]\nunhedged_opportunity_max = \"3000\"\nunhedged_asset_max = \"3500\"\nmessages_per_second_max = 30";
        let lag = ("lag_max = \"250ms\"", "lag_max = \"300ms\"");
        for named in [None, Some(("[risk]", given))] {
            let with = |more: &[(&str, &str)]| {
                let replace: Vec<(&str, &str)> = named.into_iter().chain(more.iter().copied()).collect();
                effective::engine_config(&loaded(&replace).config, &Tables::default())
            };
            let (old, new) = (with(&[]), with(&[deal, order, total, pace, lag]));
            assert_eq!(old.controls == new.controls, named.is_some());
            assert!(old.differs_only_by_patch(&new), "{:?} is not {:?}", old.patched(&new.patch()), new);
        }
    }
}
