//! The connectors that are known: one line a venue, for the binary and for the harness alike.

use venue::Connector;

static CONNECTORS: &[&dyn Connector] =
    &[&gate_connector::GateConnector, &binance_connector::BinanceConnector, &bybit_connector::BybitConnector];

/// A connector by the `kind` of the configuration.
pub fn connector(kind: &str) -> Option<&'static dyn Connector> {
    CONNECTORS.iter().copied().find(|c| c.kind() == kind)
}

/// Every known kind.
pub fn kinds() -> Vec<&'static str> {
    CONNECTORS.iter().map(|c| c.kind()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_once() {
        let mut known = kinds();
        known.sort_unstable();
        known.dedup();
        assert_eq!(known.len(), CONNECTORS.len());
        assert!(known.into_iter().all(|kind| connector(kind).is_some_and(|c| c.kind() == kind)));
        assert!(connector("mtgox").is_none());
    }
}
