//! Names as Binance has them: `BTCUSDT` for a pair, without a separator.

use std::collections::BTreeMap;

use crate::core::{AssetId, ExchangeConfig, PairConfig, PairId};

/// Names and rules of what the venue lists, by dense id.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    config: ExchangeConfig,
    names: Vec<String>,
    ids: BTreeMap<String, PairId>,
}

impl Symbols {
    /// The names of an exchange made from `config`.
    pub(super) fn new(config: &ExchangeConfig) -> Symbols {
        let names: Vec<String> = config.pairs.iter().map(|pair| format!("{}{}", pair.base, pair.quote)).collect();
        let ids = names.iter().cloned().zip((0..).map(PairId)).collect();
        Symbols { config: config.clone(), names, ids }
    }

    /// What others call the asset that is listed here as `name`.
    pub(super) fn coin<'a>(&'a self, name: &'a str) -> &'a str {
        self.config.coin(name)
    }

    /// How many of what others count as one is one of the asset that is listed here as `name`; `None` for the same.
    pub(super) fn denomination(&self, name: &str) -> Option<u64> {
        self.config.denomination(name)
    }

    /// The symbol of a pair.
    pub(super) fn name(&self, pair: PairId) -> &str {
        self.names.get(pair.index()).map_or("", String::as_str)
    }

    /// The pair of a symbol, upper case only.
    pub(super) fn find(&self, name: &str) -> Option<PairId> {
        self.ids.get(name).copied()
    }

    /// The pair of a symbol in lower case, as names of streams have it.
    pub(super) fn find_lower(&self, name: &str) -> Option<PairId> {
        if name.chars().any(char::is_uppercase) { None } else { self.find(&name.to_uppercase()) }
    }

    /// Rules of a pair.
    pub(super) fn rules(&self, pair: PairId) -> Option<&PairConfig> {
        self.config.pairs.get(pair.index())
    }

    /// Every pair, in the order of the configuration.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (PairId, &PairConfig)> {
        (0u32..).map(PairId).zip(&self.config.pairs)
    }

    /// Name of an asset.
    pub(super) fn asset(&self, asset: AssetId) -> &str {
        self.config.assets.get(asset.index()).map_or("", |asset| asset.name.as_str())
    }

    /// Name of the asset that may pay fees.
    pub(super) fn fee_asset(&self) -> &str {
        &self.config.deduction.gt_asset
    }

    /// What is left of a fee rate that is paid in it.
    pub(super) fn fee_factor(&self) -> rust_decimal::Decimal {
        self.config.deduction.gt_rate_factor
    }
}
