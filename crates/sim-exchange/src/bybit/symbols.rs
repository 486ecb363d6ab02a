//! Names and rules of what the venue lists, by dense id: Bybit writes a pair as base and quote without anything between them.

use std::collections::BTreeMap;

use crate::core::{AssetId, ExchangeConfig, PairConfig, PairId, exact};
use rust_decimal::Decimal;

/// The venue's symbols.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    config: ExchangeConfig,
    names: Vec<String>,
    by_name: BTreeMap<String, PairId>,
}

impl Symbols {
    /// The symbols of an exchange made from `config`.
    pub(super) fn new(config: &ExchangeConfig) -> Symbols {
        let names: Vec<String> = config.pairs.iter().map(|pair| format!("{}{}", pair.base, pair.quote)).collect();
        let by_name = names.iter().cloned().zip((0..).map(PairId)).collect();
        Symbols { config: config.clone(), names, by_name }
    }

    /// Bybit's name of a pair.
    pub(super) fn name(&self, pair: PairId) -> &str {
        self.names.get(pair.index()).map_or("", String::as_str)
    }

    /// The exchange's own name of a pair, by which faults and monitors know it.
    pub(super) fn id_of(&self, pair: PairId) -> &str {
        self.rules(pair).map_or("", |rules| rules.id.as_str())
    }

    /// The pair of this symbol, upper case only.
    pub(super) fn find(&self, symbol: &str) -> Option<PairId> {
        self.by_name.get(symbol).copied()
    }

    /// Rules of a pair.
    pub(super) fn rules(&self, pair: PairId) -> Option<&PairConfig> {
        self.config.pairs.get(pair.index())
    }

    /// Every pair, in the order of the configuration.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (PairId, &PairConfig)> {
        (0u32..).map(PairId).zip(&self.config.pairs)
    }

    /// Every asset, in the order of the configuration.
    pub(super) fn assets(&self) -> impl Iterator<Item = (AssetId, &str)> {
        (0u32..).map(AssetId).zip(self.config.assets.iter().map(|asset| asset.name.as_str()))
    }

    /// Name of an asset.
    pub(super) fn asset(&self, asset: AssetId) -> &str {
        self.config.assets.get(asset.index()).map_or("", |asset| asset.name.as_str())
    }

    /// The asset of this name.
    pub(super) fn find_asset(&self, name: &str) -> Option<AssetId> {
        self.assets().find(|(_, known)| *known == name).map(|(id, _)| id)
    }

    /// What others call the asset that is listed here as `name`.
    pub(super) fn coin<'a>(&'a self, name: &'a str) -> &'a str {
        self.config.coin(name)
    }

    /// Decimals of an asset.
    pub(super) fn decimals(&self, asset: AssetId) -> u32 {
        self.config.assets.get(asset.index()).map_or(0, |asset| asset.decimals)
    }
}

/// Step of values in quote (`quotePrecision`): every price times every amount is a multiple of it.
pub(super) fn quote_decimals(rules: &PairConfig) -> u32 {
    rules.precision + rules.amount_precision
}

/// One unit of the last of so many decimals.
pub(super) fn step(decimals: u32) -> Decimal {
    exact::from_units(1, decimals)
}
