//! What a venue calls assets that have another name with us.
//!
//! Connectors know names only through the tables that their session is given, and everything behind a session knows only ids: so a
//! venue's own names are a copy of the tables ([`Aliases::tables`]) and a translation of symbols on the way to and from its
//! start-up requests. Everywhere else an asset has one name.

use domain::{PairInfo, Symbol, Tables};

/// The assets that one venue names otherwise than we do. Empty for most venues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Our name and the venue's; each name stands on its side once.
    named: Vec<(String, String)>,
}

impl Aliases {
    /// Our names with the venue's. Equal ones say nothing; of several for one name the first holds.
    pub fn new(named: impl IntoIterator<Item = (String, String)>) -> Aliases {
        let mut aliases = Aliases::default();
        for (ours, theirs) in named {
            let known = aliases.named.iter().any(|(one, other)| *one == ours || *other == theirs);
            if ours != theirs && !known {
                aliases.named.push((ours, theirs));
            }
        }
        aliases
    }

    /// True when the venue has our names.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Our names with the venue's, where they differ.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named.iter().map(|(ours, theirs)| (ours.as_str(), theirs.as_str()))
    }

    /// The venue's name of an asset.
    pub fn theirs<'a>(&'a self, ours: &'a str) -> &'a str {
        self.named.iter().find(|(one, _)| one == ours).map_or(ours, |(_, theirs)| theirs)
    }

    /// Our name of an asset of the venue; `None` where that is what we call another one: the venue's asset is none of ours then.
    pub fn ours<'a>(&'a self, theirs: &'a str) -> Option<&'a str> {
        match self.named.iter().find(|(_, other)| other == theirs) {
            Some((ours, _)) => Some(ours),
            None => (!self.named.iter().any(|(one, _)| one == theirs)).then_some(theirs),
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

    /// The tables as this venue names things: the same ids and scales.
    pub fn tables(&self, ours: &Tables) -> Tables {
        let taken = |name: &str| self.theirs(name) == name && self.named.iter().any(|(_, theirs)| theirs == name);
        let asset = |name: &String| match taken(name) {
            // Another venue's fee token, of a name that one of our assets has here: this venue knows no such thing, and no asset has
            // a name with a blank.
            true => format!("{name} elsewhere"),
            false => self.theirs(name).to_string(),
        };
        let pair = |info: &PairInfo| PairInfo { symbol: self.to_venue(&info.symbol), ..info.clone() };
        Tables {
            venues: ours.venues.clone(),
            pairs: ours.pairs.iter().map(pair).collect(),
            assets: ours.assets.iter().map(asset).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AssetId, InstrumentKind, PairScale};

    fn aliases(named: &[(&str, &str)]) -> Aliases {
        Aliases::new(named.iter().map(|(ours, theirs)| ((*ours).into(), (*theirs).into())))
    }

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    #[test]
    fn names_lead_there_and_back_and_a_stranger_of_our_name_is_not_ours() {
        let ron = aliases(&[("RON", "RONIN"), ("BTC", "BTC")]);
        assert_eq!(ron.iter().collect::<Vec<_>>(), [("RON", "RONIN")]);
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
        let theirs = aliases(&[("RON", "RONIN")]).tables(&ours);
        assert_eq!(theirs.assets, ["GT", "RONIN elsewhere", "RONIN", "USDT"]);
        assert_eq!((theirs.asset_id("RONIN"), theirs.asset_id("RON")), (Some(AssetId(2)), None));
        assert_eq!(theirs.pairs, [PairInfo { symbol: symbol("RONIN/USDT"), ..info }]);
        assert_eq!(Aliases::default().tables(&ours), ours);
        assert!(Aliases::default().is_empty());
    }
}
