//! What must hold of the loader on any text: one sentence of refusal, or values that print back to themselves and limits that the
//! engine can take. Driven by a seeded test here and by `cargo fuzz` (`tests/fuzz`, target `config`).

use super::load::load_text;
use super::{effective, schema::Config};
use std::collections::BTreeMap;

/// Every configuration that the project ships.
pub(crate) const SHIPPED: [&str; 4] = [
    include_str!("../../../../configs/demo.toml"),
    include_str!("../../../../configs/paper.toml"),
    include_str!("../../../../configs/testnet.toml"),
    include_str!("../../../../configs/live.toml"),
];

/// A text as configuration; from a NUL on, `KEY=value` lines are the environment.
///
/// # Panics
/// On a finding.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, environment) = text.split_once('\0').unwrap_or((&text, ""));
    let environment: BTreeMap<String, String> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(k, v)| (format!("CROSSGATE__{k}"), v.to_string()))
        .collect();
    match load_text("fuzz.toml", file, &environment) {
        Ok(loaded) => {
            let limits = enforced(&loaded.config);
            assert_eq!(limits.validate(), Ok(()), "limits that the engine refuses were accepted");
            let printed = toml::to_string(&loaded.config).expect("a configuration can be written");
            let again = load_text("printed.toml", &printed, &BTreeMap::new())
                .unwrap_or_else(|e| panic!("{e}: what is shown:\n{printed}"));
            assert_eq!(enforced(&again.config), limits, "the limits shown are not the limits enforced");
            assert_eq!(controls(&again.config), controls(&loaded.config), "the controls shown are not the controls enforced");
            assert_eq!(toml::to_string(&again.config).as_ref(), Ok(&printed), "what is shown reads back to something else");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(
                told.starts_with("fuzz.toml") || told.starts_with("environment variable"),
                "a refusal that names no place: {told}"
            );
            assert!(told.len() < 4096, "a refusal of {} bytes", told.len());
        }
    }
}

fn controls(config: &Config) -> String {
    format!("{:?}", effective::controls(&config.risk.clone().unwrap_or_else(effective::default_risk)))
}

fn enforced(config: &Config) -> risk::Limits {
    effective::limits(&config.risk.clone().unwrap_or_else(effective::default_risk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fuzz_targets::mutate::{Dice, input};

    #[test]
    fn any_text_is_refused_in_a_sentence_or_enforced_as_shown() {
        let seeds: Vec<Vec<u8>> = SHIPPED.iter().map(|text| text.as_bytes().to_vec()).collect();
        seeds.iter().for_each(|seed| check(seed));
        let mut dice = Dice::new(49);
        for _ in 0..400 {
            check(&input(&mut dice, &seeds, 8192));
        }
    }

    /// The testnet's file with `key` of [risk] set to `value`, or left out.
    fn with_risk(key: &str, value: Option<&str>) -> Result<risk::Limits, String> {
        let shipped = SHIPPED[2];
        let line = shipped.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("the file sets every limit");
        let new = value.map_or_else(String::new, |value| format!("{key} = {value}"));
        let loaded = load_text("testnet.toml", &shipped.replacen(line, &new, 1), &BTreeMap::new());
        loaded.map(|loaded| enforced(&loaded.config)).map_err(|error| error.to_string())
    }

    const REQUIRED: [&str; 5] = ["order_value_max", "deal_value_max", "unhedged_value_max", "open_deals_max", "daily_loss_max"];

    #[test]
    fn a_limit_left_out_is_named() {
        for key in REQUIRED {
            let refusal = with_risk(key, None).unwrap_err();
            assert!(refusal.contains("missing field") && refusal.contains(key), "{refusal}");
        }
    }

    #[test]
    fn limits_far_out_of_proportion_are_named_and_others_are_what_is_enforced() {
        let mut dice = Dice::new(50);
        for _ in 0..300 {
            let key = REQUIRED[dice.below(3)];
            let whole = 10u64.pow(dice.below(9) as u32) * (1 + dice.below(9) as u64);
            let told = with_risk(key, Some(&format!("\"{whole}\"")));
            match told {
                Ok(limits) => {
                    let of = |limits: risk::Limits| match key {
                        "order_value_max" => limits.order_value_max,
                        "deal_value_max" => limits.deal_value_max,
                        _ => limits.unhedged_value_max,
                    };
                    assert_eq!(of(limits).to_text(), whole.to_string(), "{key}");
                }
                Err(refusal) => assert!(refusal.contains("risk."), "{key} = {whole}: {refusal}"),
            }
        }
        for (key, value, part) in [
            ("order_value_max", "\"100000000\"", "order_value_max"),
            ("order_value_max", "\"0\"", "order_value_max"),
            ("order_value_max", "\"-50\"", "order_value_max"),
            ("order_value_max", "\"50 USDT\"", "order_value_max"),
            ("order_value_max", "5e1", "order_value_max"),
            ("order_value_max", "50.5", "order_value_max"),
            ("deal_value_max", "\"1000\"", "unhedged_value_max"),
            ("open_deals_max", "0", "open_deals_max"),
            ("open_deals_max", "1000000", "open_deals_max"),
            ("open_deals_max", "-1", "open_deals_max"),
        ] {
            let refusal = with_risk(key, Some(value)).unwrap_err();
            assert!(refusal.contains(part), "{key} = {value}: {refusal}");
        }
    }

    #[test]
    fn on_live_hosts_a_limit_a_hundred_times_too_large_is_refused_unless_somebody_said_so() {
        let live = SHIPPED[3];
        for key in REQUIRED {
            let line = live.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("the file sets every limit");
            let small = line.split(['=', '#']).nth(1).expect("a value").trim();
            let large = if small.starts_with('"') { small.replacen('"', "\"9", 1) } else { format!("{small}0") };
            let text = live.replacen(line, &format!("{key} = {large}"), 1);
            let refusal = load_text("live.toml", &text, &BTreeMap::new()).map(drop).unwrap_err().to_string();
            assert!(refusal.contains("risk."), "{key} = {large}: {refusal}");
        }
    }

    #[test]
    fn units_that_were_mixed_up_are_named() {
        let demo = SHIPPED[0];
        let line = |key: &str| demo.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("the demo sets it");
        for (key, value) in [
            ("min_edge_bps", "\"1e-4\""),
            ("min_edge_bps", "\"5%\""),
            ("min_edge_bps", "\"5000\""),
            ("min_edge_bps", "0.5"),
            ("book_age_max", "\"2000\""),
            ("book_age_max", "2000"),
            ("book_age_max", "\"2 s\""),
            ("lag_max", "\"-1s\""),
            ("order_expiry", "\"1min\""),
        ] {
            let Some(_) = demo.lines().find(|line| line.starts_with(&format!("{key} = "))) else { continue };
            let text = demo.replacen(line(key), &format!("{key} = {value}"), 1);
            let refusal = load_text("demo.toml", &text, &BTreeMap::new()).map(drop).unwrap_err().to_string();
            assert!(refusal.contains(key), "{key} = {value}: {refusal}");
        }
    }
}
