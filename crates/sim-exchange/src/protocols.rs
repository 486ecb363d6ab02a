//! The protocols that simulated venues speak: one line each.

use crate::binance::BinanceConfig;
use crate::bybit::BybitConfig;
use crate::gate::GateConfig;
use crate::world::VenueKind;

/// Makes the settings of a protocol out of a seed.
type Make = fn(u64) -> VenueKind;

static PROTOCOLS: &[(&str, Make)] = &[
    ("gate", |seed| VenueKind::of(GateConfig { seed, ..GateConfig::default() })),
    ("binance", |seed| VenueKind::of(BinanceConfig { seed, ..BinanceConfig::default() })),
    ("bybit", |seed| VenueKind::of(BybitConfig { seed, ..BybitConfig::default() })),
];

/// Every known kind.
pub fn kinds() -> Vec<&'static str> {
    PROTOCOLS.iter().map(|(kind, _)| *kind).collect()
}

/// A protocol by the `kind` of a configuration, with settings of its own seed; `None` when nothing here speaks it.
pub fn protocol(kind: &str, seed: u64) -> Option<VenueKind> {
    PROTOCOLS.iter().find(|(known, _)| *known == kind).map(|(_, make)| make(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_makes_the_kind_it_names_and_has_paths_of_its_own() {
        for kind in kinds() {
            let protocol = protocol(kind, 7).unwrap();
            let settings = protocol.settings();
            assert_eq!(settings.kind(), kind);
            assert!(!settings.ws_paths().is_empty() && settings.private_ws_path().starts_with('/'));
            assert_eq!(protocol.clone().settings().kind(), kind, "copies speak the same");
        }
        assert!(protocol("mtgox", 7).is_none());
    }
}
