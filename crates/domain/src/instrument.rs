//! Instruments, their venue rules, and the tables that map dense ids to names.

use crate::ids::{AssetId, PairId, VenueId};
use crate::number::{Amount, PairScale, Qty};
use std::fmt;

/// The four kinds of instrument. Multiplier and settlement asset belong to the instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstrumentKind {
    /// Base against quote, settled at once.
    Spot,
    /// Perpetual margined and settled in the quote asset; one contract is `multiplier` base.
    LinearPerpetual {
        /// Base per contract.
        multiplier: Amount,
        /// Settlement asset.
        settle: String,
    },
    /// Perpetual quoted in dollars, margined and settled in the base asset; one contract is `multiplier` quote.
    InversePerpetual {
        /// Quote per contract.
        multiplier: Amount,
        /// Settlement asset.
        settle: String,
    },
    /// Future with an expiry date.
    DatedFuture {
        /// Base (linear) or quote (inverse) per contract.
        multiplier: Amount,
        /// Settlement asset.
        settle: String,
        /// `YYMMDD`.
        expiry: u32,
    },
}

impl InstrumentKind {
    /// The `market` label of metrics: `spot`, `linear`, `inverse`, `delivery`.
    pub fn market(&self) -> &'static str {
        match self {
            InstrumentKind::Spot => "spot",
            InstrumentKind::LinearPerpetual { .. } => "linear",
            InstrumentKind::InversePerpetual { .. } => "inverse",
            InstrumentKind::DatedFuture { .. } => "delivery",
        }
    }
}

/// A symbol as ccxt writes it: `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC`, `BTC/USDT:USDT-261225`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    /// Base asset, upper case.
    pub base: String,
    /// Quote asset, upper case.
    pub quote: String,
    /// Settlement asset; `None` for spot.
    pub settle: Option<String>,
    /// `YYMMDD` of a dated future.
    pub expiry: Option<u32>,
}

/// A text that is no symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no symbol: write BASE/QUOTE (BTC/USDT), BASE/QUOTE:SETTLE for a perpetual, BASE/QUOTE:SETTLE-YYMMDD for a dated future"
)]
pub struct SymbolError(pub String);

impl Symbol {
    /// Parses `BTC/USDT`, `BTC_USDT`, `BTC-USDT` and the `:SETTLE` and `:SETTLE-YYMMDD` forms.
    ///
    /// # Errors
    /// [`SymbolError`] unless every asset is 1 to 32 of `[A-Z0-9]`.
    pub fn parse(text: &str) -> Result<Symbol, SymbolError> {
        let refuse = || SymbolError(text.chars().take(64).collect());
        let (pair, contract) = match text.split_once(':') {
            Some((pair, contract)) => (pair, Some(contract)),
            None => (text, None),
        };
        let (base, quote) = pair.split_once(['/', '_', '-']).ok_or_else(refuse)?;
        let (settle, expiry) = match contract.map(|c| c.split_once('-').map_or((c, None), |(s, e)| (s, Some(e)))) {
            None => (None, None),
            Some((settle, None)) => (Some(settle), None),
            Some((settle, Some(expiry))) => {
                let digits = expiry.len() == 6 && expiry.bytes().all(|b| b.is_ascii_digit());
                (Some(settle), Some(expiry.parse().ok().filter(|_| digits).ok_or_else(refuse)?))
            }
        };
        let asset =
            |name: &str| (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !asset(base) || !asset(quote) || settle.is_some_and(|s| !asset(s)) || base == quote {
            return Err(refuse());
        }
        Ok(Symbol { base: base.into(), quote: quote.into(), settle: settle.map(Into::into), expiry })
    }

    /// True for spot.
    pub fn is_spot(&self) -> bool {
        self.settle.is_none()
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.quote)?;
        match (&self.settle, self.expiry) {
            (Some(settle), Some(expiry)) => write!(f, ":{settle}-{expiry:06}"),
            (Some(settle), None) => write!(f, ":{settle}"),
            _ => Ok(()),
        }
    }
}

/// One configured pair, the same on every venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairInfo {
    /// The name.
    pub symbol: Symbol,
    /// The kind.
    pub kind: InstrumentKind,
    /// Dense id of the base asset.
    pub base: AssetId,
    /// Dense id of the quote asset.
    pub quote: AssetId,
    /// Decimals, fixed at start.
    pub scale: PairScale,
}

/// Names behind the dense ids of one run. Sessions, engine and log readers share it; it never changes while they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Venue ids as configured (`gate-a`), by [`VenueId`].
    pub venues: Vec<String>,
    /// Pairs, by [`PairId`].
    pub pairs: Vec<PairInfo>,
    /// Asset names, by [`AssetId`]; sorted.
    pub assets: Vec<String>,
}

impl Tables {
    /// The name of a venue, or `?` for an id of another run.
    pub fn venue(&self, id: VenueId) -> &str {
        self.venues.get(id.index()).map_or("?", String::as_str)
    }

    /// A pair.
    pub fn pair(&self, id: PairId) -> Option<&PairInfo> {
        self.pairs.get(id.index())
    }

    /// The name of an asset, or `?` for an id of another run.
    pub fn asset(&self, id: AssetId) -> &str {
        self.assets.get(id.index()).map_or("?", String::as_str)
    }

    /// The id of an asset by name.
    pub fn asset_id(&self, name: &str) -> Option<AssetId> {
        self.assets.iter().position(|a| a == name).map(|i| AssetId(i as u16))
    }

    /// The id of a pair by symbol.
    pub fn pair_id(&self, symbol: &Symbol) -> Option<PairId> {
        self.pairs.iter().position(|p| &p.symbol == symbol).map(|i| PairId(i as u16))
    }

    /// Every pair id.
    pub fn pair_ids(&self) -> impl Iterator<Item = PairId> + use<> {
        (0..self.pairs.len()).map(|i| PairId(i as u16))
    }

    /// Every venue id.
    pub fn venue_ids(&self) -> impl Iterator<Item = VenueId> + use<> {
        (0..self.venues.len()).map(|i| VenueId(i as u8))
    }
}

/// What a venue accepts for a pair, in the pair's scale. Arrives as an input, at start and whenever it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentRules {
    /// Which venue.
    pub venue: VenueId,
    /// Which pair.
    pub pair: PairId,
    /// Order prices are multiples of this many price units (at least 1).
    pub price_step: i64,
    /// Order quantities are multiples of this (at least one unit).
    pub qty_step: Qty,
    /// Smallest order quantity; zero for no limit.
    pub qty_min: Qty,
    /// Largest order quantity, if limited.
    pub qty_max: Option<Qty>,
    /// Smallest order value in quote; zero for no limit.
    pub value_min: Amount,
    /// Whether the venue lets us buy now.
    pub can_buy: bool,
    /// Whether the venue lets us sell now.
    pub can_sell: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(Symbol::parse(text).unwrap().to_string(), shown);
    }

    #[test]
    fn symbols_read_in_every_spelling_and_show_in_one() {
        check("BTC/USDT", "BTC/USDT");
        check("BTC_USDT", "BTC/USDT");
        check("BTC-USDT", "BTC/USDT");
        check("BTC/USDT:USDT", "BTC/USDT:USDT");
        check("BTC/USD:BTC", "BTC/USD:BTC");
        check("BTC/USDT:USDT-261225", "BTC/USDT:USDT-261225");
        check("1000PEPE/USDT", "1000PEPE/USDT");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "BTC", "btc/usdt", "BTC/", "/USDT", "BTC/USDT:", "BTC/USDT:USDT-2612", "A B/USDT", "BTC/BTC", "../USDT"]
        {
            assert!(Symbol::parse(text).is_err(), "{text:?}");
        }
    }
}
