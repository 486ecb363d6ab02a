//! What a venue calls assets that have another name with us, and assets of which it counts thousands or millions as one.
//!
//! Connectors know names and scales only through the tables that their session is given, and everything behind a session knows only
//! ids and counts: so a venue's own names and units are a copy of the tables ([`Aliases::tables`]) and a translation of symbols on the
//! way to and from its start-up requests. Everywhere else an asset has one name and one unit.
//!
//! Where one of the venue's is 10^k of ours (`1000SATS`), its prices are 10^k of ours and its quantities a 10^k-th: the same counts, read
//! at k price decimals fewer and k quantity decimals more. Values in quote have the same decimals either way, so nothing is rounded, and
//! nothing but amounts of that asset itself (balances, fees) is multiplied ([`crate::units`]).

use crate::tables::TableError;
use domain::{PairInfo, PairScale, Symbol, Tables};

/// One asset as a venue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Our name.
    pub ours: String,
    /// The venue's.
    pub theirs: String,
    /// One of the venue's is 10^`tens` of ours; 0 for the same unit.
    pub tens: u8,
}

/// The assets that one venue names or counts otherwise than we do. Empty for most venues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Each name stands on its side once.
    named: Vec<Alias>,
}

impl Aliases {
    /// Those of which something differs. Of several for one name the first holds.
    pub fn new(named: impl IntoIterator<Item = Alias>) -> Aliases {
        let mut aliases = Aliases::default();
        for alias in named {
            let known = aliases.named.iter().any(|one| one.ours == alias.ours || one.theirs == alias.theirs);
            if (alias.ours != alias.theirs || alias.tens != 0) && !known {
                aliases.named.push(alias);
            }
        }
        aliases
    }

    /// True when the venue has our names and units.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The assets that differ.
    pub fn iter(&self) -> impl Iterator<Item = &Alias> {
        self.named.iter()
    }

    /// The power of ten of ours that one of the venue's is, of an asset by our name; 0 for the same unit.
    pub fn tens(&self, ours: &str) -> u8 {
        self.named.iter().find(|one| one.ours == ours).map_or(0, |one| one.tens)
    }

    /// The venue's name of an asset.
    pub fn theirs<'a>(&'a self, ours: &'a str) -> &'a str {
        self.named.iter().find(|one| one.ours == ours).map_or(ours, |one| &one.theirs)
    }

    /// Our name of an asset of the venue; `None` where that is what we call another one: the venue's asset is none of ours then.
    pub fn ours<'a>(&'a self, theirs: &'a str) -> Option<&'a str> {
        match self.named.iter().find(|one| one.theirs == theirs) {
            Some(one) => Some(&one.ours),
            None => (!self.named.iter().any(|one| one.ours == theirs)).then_some(theirs),
        }
    }

    /// The venue's symbol of a pair.
    pub fn to_venue(&self, ours: &Symbol) -> Symbol {
        Symbol {
            base: self.theirs(&ours.base).into(),
            quote: self.theirs(&ours.quote).into(),
            settle: ours.settle.as_deref().map(|settle| self.theirs(settle).into()),
            expiry: ours.expiry,
        }
    }

    /// Our symbol of a pair of the venue; `None` when one of its assets is none of ours.
    pub fn to_ours(&self, theirs: &Symbol) -> Option<Symbol> {
        let settle = match &theirs.settle {
            Some(settle) => Some(self.ours(settle)?.into()),
            None => None,
        };
        let (base, quote) = (self.ours(&theirs.base)?.into(), self.ours(&theirs.quote)?.into());
        Some(Symbol { base, quote, settle, expiry: theirs.expiry })
    }

    /// A pair of ours in a sentence, with the venue's symbol where that is another.
    pub fn told(&self, ours: &Symbol) -> String {
        let theirs = self.to_venue(ours);
        if theirs == *ours { ours.to_string() } else { format!("{ours} ({theirs} there)") }
    }

    /// The tables as this venue names and counts things: the same ids, and scales in which its texts have our counts.
    ///
    /// # Errors
    /// [`TableError::UnitDoesNotFit`] for a pair whose scale was not chosen with these units in mind
    /// ([`crate::tables::build_tables_in_units`]).
    pub fn tables(&self, ours: &Tables) -> Result<Tables, TableError> {
        let taken = |name: &str| self.named.iter().any(|one| one.theirs == name && one.ours != name) && self.theirs(name) == name;
        let asset = |name: &String| match taken(name) {
            // Another venue's fee token, of a name that one of our assets has here: this venue knows no such thing, and no asset has
            // a name with a blank.
            true => format!("{name} elsewhere"),
            false => self.theirs(name).to_string(),
        };
        let pair = |info: &PairInfo| {
            let scale = self.scale(&info.symbol, info.scale)?;
            Ok(PairInfo { symbol: self.to_venue(&info.symbol), scale, ..info.clone() })
        };
        Ok(Tables {
            venues: ours.venues.clone(),
            pairs: ours.pairs.iter().map(pair).collect::<Result<_, TableError>>()?,
            assets: ours.assets.iter().map(asset).collect(),
        })
    }

    /// The scale in which the venue's texts of a pair, by our name, have the counts that ours have in `ours`.
    fn scale(&self, symbol: &Symbol, ours: PairScale) -> Result<PairScale, TableError> {
        let tens = self.tens(&symbol.base);
        if tens == 0 {
            return Ok(ours);
        }
        let price = ours.price_decimals().checked_sub(tens);
        let scale = price.and_then(|price| PairScale::new(price, ours.qty_decimals().checked_add(tens)?));
        scale.ok_or_else(|| TableError::UnitDoesNotFit { symbol: symbol.clone(), tens, price: ours.price_decimals() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::decimal::{Excess, parse_units};
    use domain::{AssetId, InstrumentKind};
    use proptest::prelude::*;

    fn aliases(named: &[(&str, &str)]) -> Aliases {
        let one = |(ours, theirs): &(&str, &str)| Alias { ours: (*ours).into(), theirs: (*theirs).into(), tens: 0 };
        Aliases::new(named.iter().map(one))
    }

    fn thousands(ours: &str, theirs: &str, tens: u8) -> Aliases {
        Aliases::new([Alias { ours: ours.into(), theirs: theirs.into(), tens }])
    }

    fn sats(price: u8, qty: u8) -> Tables {
        let info = PairInfo {
            symbol: symbol("SATS/USDT"),
            kind: InstrumentKind::Spot,
            base: AssetId(0),
            quote: AssetId(1),
            scale: PairScale::new(price, qty).unwrap(),
        };
        Tables { venues: vec!["gate".into()], pairs: vec![info], assets: ["SATS", "USDT"].map(String::from).to_vec() }
    }

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    #[test]
    fn names_lead_there_and_back_and_a_stranger_of_our_name_is_not_ours() {
        let ron = aliases(&[("RON", "RONIN"), ("BTC", "BTC")]);
        assert_eq!(ron.iter().map(|one| (one.ours.as_str(), one.theirs.as_str())).collect::<Vec<_>>(), [("RON", "RONIN")]);
        for (ours, theirs) in [("RON/USDT", "RONIN/USDT"), ("BTC/RON", "BTC/RONIN"), ("RON/USDT:RON", "RONIN/USDT:RONIN")] {
            assert_eq!(ron.to_venue(&symbol(ours)), symbol(theirs));
            assert_eq!(ron.to_ours(&symbol(theirs)), Some(symbol(ours)));
        }
        assert_eq!(ron.to_ours(&symbol("RON/USDT")), None, "their RON is another token than ours");
        assert_eq!(ron.to_ours(&symbol("BTC/USDT:RON")), None);
        assert_eq!(
            (ron.told(&symbol("RON/USDT")), ron.told(&symbol("BTC/USDT"))),
            ("RON/USDT (RONIN/USDT there)".into(), "BTC/USDT".into())
        );
        let swapped = aliases(&[("A", "B"), ("B", "A")]);
        assert_eq!((swapped.theirs("A"), swapped.ours("A")), ("B", Some("B")));
    }

    #[test]
    fn the_tables_of_a_venue_keep_ids_and_scales_and_no_name_stands_twice() {
        let info = PairInfo {
            symbol: symbol("RON/USDT"),
            kind: InstrumentKind::Spot,
            base: AssetId(2),
            quote: AssetId(3),
            scale: PairScale::new(4, 2).unwrap(),
        };
        let ours = Tables {
            venues: vec!["gate-a".into()],
            pairs: vec![info.clone()],
            assets: ["GT", "RONIN", "RON", "USDT"].map(String::from).to_vec(),
        };
        let theirs = aliases(&[("RON", "RONIN")]).tables(&ours).unwrap();
        assert_eq!(theirs.assets, ["GT", "RONIN elsewhere", "RONIN", "USDT"]);
        assert_eq!((theirs.asset_id("RONIN"), theirs.asset_id("RON")), (Some(AssetId(2)), None));
        assert_eq!(theirs.pairs, [PairInfo { symbol: symbol("RONIN/USDT"), ..info }]);
        assert_eq!(Aliases::default().tables(&ours), Ok(ours));
        assert!(Aliases::default().is_empty());
    }

    #[test]
    fn another_unit_moves_the_decimal_point_of_prices_and_quantities_against_each_other() {
        let theirs = thousands("SATS", "1000SATS", 3).tables(&sats(11, 0)).unwrap();
        assert_eq!(theirs.pairs[0].symbol, symbol("1000SATS/USDT"));
        assert_eq!(theirs.pairs[0].scale, PairScale::new(8, 3).unwrap());
        assert_eq!(theirs.assets, ["1000SATS", "USDT"]);
        // A unit of the same name is a unit all the same, and its asset is nobody else's.
        let same = thousands("SATS", "SATS", 3);
        assert!(!same.is_empty() && same.tens("SATS") == 3 && same.tens("USDT") == 0);
        let theirs = same.tables(&sats(11, 0)).unwrap();
        assert_eq!((theirs.assets[0].as_str(), theirs.pairs[0].scale), ("SATS", PairScale::new(8, 3).unwrap()));
        assert_eq!((same.ours("SATS"), same.theirs("SATS")), (Some("SATS"), "SATS"));
    }

    #[test]
    fn a_scale_without_room_for_the_unit_is_refused_and_never_cut() {
        let refused = thousands("SATS", "1000SATS", 3).tables(&sats(2, 4)).unwrap_err();
        assert_eq!(refused, TableError::UnitDoesNotFit { symbol: symbol("SATS/USDT"), tens: 3, price: 2 });
        assert!(thousands("SATS", "1000SATS", 2).tables(&sats(2, 4)).is_ok());
        assert!(thousands("SATS", "1000SATS", 255).tables(&sats(18, 0)).is_err());
    }

    proptest! {
        /// A price and a quantity of the venue, and the same facts in our unit, are the same counts; what is finer than the scale is
        /// refused, not rounded; and what we send reads there as the same fact.
        #[test]
        fn the_same_fact_is_the_same_count_in_both_units(
            tens in 0u8..=9,
            price in 0u8..=9,
            qty in 0u8..=9,
            price_units in 1i64..=domain::number::UNITS_MAX,
            qty_units in 1i64..=domain::number::UNITS_MAX,
        ) {
            // The venue's decimals; ours have `tens` more for prices, and as many fewer for quantities where there are so many.
            let ours = sats(price + tens, qty.saturating_sub(tens));
            let theirs = thousands("SATS", "1000SATS", tens).tables(&ours).unwrap();
            let (our, their) = (ours.pairs[0].scale, theirs.pairs[0].scale);
            prop_assert_eq!(our.price_decimals() + our.qty_decimals(), their.price_decimals() + their.qty_decimals());
            let (p, q) = (domain::Price::from_units(price_units).unwrap(), domain::Qty::from_units(qty_units).unwrap());
            prop_assert_eq!(our.value_of(p, q), their.value_of(p, q));
            // By another arithmetic: digits with the point moved, as whole numbers and a power of ten.
            let moved = |text: &str, by: i32| {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                let exponent = by - fraction.len() as i32;
                format!("{whole}{fraction}e{exponent}")
            };
            let read = |text: &str, decimals: u8| parse_units(text.as_bytes(), u32::from(decimals), Excess::Refuse);
            let (price_here, price_there) = (our.price_text(p), their.price_text(p));
            prop_assert_eq!(read(&moved(&price_there, -i32::from(tens)), our.price_decimals()), Ok(price_units));
            prop_assert_eq!(read(&moved(&price_here, i32::from(tens)), their.price_decimals()), Ok(price_units));
            let (qty_here, qty_there) = (our.qty_text(q), their.qty_text(q));
            prop_assert_eq!(read(&moved(&qty_there, i32::from(tens)), our.qty_decimals()), Ok(qty_units));
            prop_assert_eq!(read(&moved(&qty_here, -i32::from(tens)), their.qty_decimals()), Ok(qty_units));
            let finer = format!("0.{:0width$}", 1, width = usize::from(their.price_decimals()) + 1);
            prop_assert!(read(&finer, their.price_decimals()).is_err());
        }
    }
}
