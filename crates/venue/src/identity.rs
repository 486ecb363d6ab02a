//! Whether two venues mean the same asset: the same ticker is not the same token.
//!
//! Venues publish on which chains an asset lives and under which contract; two listings are the same asset when a chain that both name
//! has one contract, or neither shows one and the asset is that chain's own coin. One chain on which the contracts differ makes them different assets. What is
//! published by neither, or on no common chain, is unproved: a person may attest it ([`Attested`]), the code never guesses.
//!
//! Start at [`Identities::judge`].

use std::collections::BTreeMap;

/// One chain of an asset, as a venue publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The venue's name of the chain.
    pub chain: String,
    /// The contract; `None` on the chain of its own, or where the venue publishes none.
    pub contract: Option<String>,
    /// Whether deposits are credited.
    pub can_deposit: bool,
    /// Whether withdrawals are taken.
    pub can_withdraw: bool,
}

/// What a venue publishes of an asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetListing {
    /// The venue's name of the asset.
    pub asset: String,
    /// How many tokens one of the venue's is, where it publishes that (Binance `denomination`: 1000000 of `1MBABYDOGE`); 0 and 1 alike
    /// mean one.
    pub denomination: u64,
    /// Its chains; empty when the venue publishes none.
    pub networks: Vec<Network>,
}

impl AssetListing {
    /// True when some chain takes deposits.
    pub fn can_deposit(&self) -> bool {
        self.networks.iter().any(|network| network.can_deposit)
    }

    /// True when some chain takes withdrawals.
    pub fn can_withdraw(&self) -> bool {
        self.networks.iter().any(|network| network.can_withdraw)
    }
}

/// What a person states of an asset on a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Our name of the asset, that of the configured pairs.
    pub asset: String,
    /// On which venue, by configured id.
    pub venue: String,
    /// The venue's name of it.
    pub named: String,
    /// How many of ours one of the venue's is (1000 for `1000PEPE`).
    pub multiplier: u64,
}

/// How an asset stands between two venues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The venues publish one and the same: the chain that proves it.
    Proved {
        /// The common chain.
        chain: String,
    },
    /// A person attests it for both venues.
    Attested,
    /// The venues publish different contracts on a chain.
    Different {
        /// Which chain.
        chain: String,
        /// The one contract.
        one: String,
        /// The other.
        other: String,
    },
    /// One of the venue's is several of ours as the venue publishes it, and nobody said so, or said otherwise.
    OtherUnit {
        /// On which venue.
        venue: String,
        /// The venue's name.
        named: String,
        /// How many of ours, by the venue.
        multiplier: u64,
        /// How many of ours as attested; 1 where nothing is.
        attested: u64,
    },
    /// Nothing that both publish tells.
    Unproved {
        /// Why, one clause.
        why: String,
    },
}

impl Identity {
    /// True when the two are the same asset, in units whose ratio is known.
    pub const fn holds(&self) -> bool {
        matches!(self, Identity::Proved { .. } | Identity::Attested)
    }

    /// One clause for people.
    pub fn text(&self) -> String {
        match self {
            Identity::Proved { chain } => format!("same on {chain}"),
            Identity::Attested => "attested in the configuration".into(),
            Identity::Different { chain, one, other } => format!("different contracts on {chain}: {one} and {other}"),
            Identity::OtherUnit { venue, named, multiplier, attested } => {
                format!("{named} on {venue} is {multiplier} of ours, and [[identity]] multiplier is {attested}")
            }
            Identity::Unproved { why } => why.clone(),
        }
    }
}

/// Everything that is published and attested.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// By venue and our name of the asset.
    listings: BTreeMap<(String, String), AssetListing>,
    attested: BTreeMap<(String, String), Attested>,
}

impl Identities {
    /// What people attest.
    pub fn new(attested: impl IntoIterator<Item = Attested>) -> Identities {
        let attested = attested.into_iter().map(|one| ((one.venue.clone(), one.asset.clone()), one)).collect();
        Identities { listings: BTreeMap::new(), attested }
    }

    /// The venue's name of our asset.
    pub fn name_on<'a>(&'a self, venue: &str, asset: &'a str) -> &'a str {
        self.attested.get(&(venue.to_string(), asset.to_string())).map_or(asset, |one| one.named.as_str())
    }

    /// Takes what a venue publishes of our `asset`.
    pub fn publish(&mut self, venue: &str, asset: &str, listing: AssetListing) {
        self.listings.insert((venue.to_string(), asset.to_string()), listing);
    }

    /// What a venue publishes of our asset.
    pub fn listing(&self, venue: &str, asset: &str) -> Option<&AssetListing> {
        self.listings.get(&(venue.to_string(), asset.to_string()))
    }

    /// Whether our asset is the same on both venues.
    pub fn judge(&self, asset: &str, one: &str, other: &str) -> Identity {
        let key = |venue: &str| (venue.to_string(), asset.to_string());
        let attested = [one, other].map(|venue| self.attested.get(&key(venue)));
        for venue in [one, other] {
            // A venue that publishes no unit of an asset (0 and 1 alike) does not contradict the one that is attested.
            let Some(listing) = self.listings.get(&key(venue)).filter(|listing| listing.denomination > 1) else { continue };
            let attested = self.attested.get(&key(venue)).map_or(1, |attested| attested.multiplier);
            if attested != listing.denomination {
                let (venue, named, multiplier) = (venue.to_string(), listing.asset.clone(), listing.denomination);
                return Identity::OtherUnit { venue, named, multiplier, attested };
            }
        }
        // What is published outranks what is attested where it contradicts it: a person can be wrong about a contract.
        let published = match [one, other].map(|venue| self.listings.get(&key(venue)).filter(|l| !l.networks.is_empty())) {
            [Some(a), Some(b)] => compare(asset, a, b),
            [None, _] => Identity::Unproved { why: format!("{one} publishes no chains of {asset}") },
            [_, None] => Identity::Unproved { why: format!("{other} publishes no chains of {asset}") },
        };
        match published {
            Identity::Unproved { .. } if attested.iter().all(Option::is_some) => Identity::Attested,
            known => known,
        }
    }
}

fn compare(asset: &str, one: &AssetListing, other: &AssetListing) -> Identity {
    let mut same = None;
    for a in &one.networks {
        for b in other.networks.iter().filter(|b| chain_id(&a.chain) == chain_id(&b.chain)) {
            let contract = |network: &Network| network.contract.as_deref().map(contract_id);
            match (contract(a), contract(b)) {
                (Some(x), Some(y)) if x != y => return Identity::Different { chain: chain_id(&a.chain), one: x, other: y },
                (Some(_), Some(_)) => same = same.or_else(|| Some(chain_id(&a.chain))),
                (None, None) if is_own_coin(asset, &chain_id(&a.chain)) => same = same.or_else(|| Some(chain_id(&a.chain))),
                // A contract is not published: nothing can be told from this chain.
                _ => {}
            }
        }
    }
    match same {
        Some(chain) => Identity::Proved { chain },
        None => {
            let names = |listing: &AssetListing| {
                let chains: Vec<String> = listing.networks.iter().map(|network| chain_id(&network.chain)).collect();
                chains.join(", ")
            };
            Identity::Unproved { why: format!("no chain and contract in common ({} and {})", names(one), names(other)) }
        }
    }
}

/// Whether an asset is a chain's own coin, which has no contract there.
fn is_own_coin(asset: &str, chain: &str) -> bool {
    let coins: &[&str] = match chain {
        "ARBITRUM" | "OPTIMISM" | "BASE" | "ZKSYNCERA" | "LINEA" => &["ETH"],
        "BSC" => &["BNB"],
        "POLYGON" => &["POL", "MATIC"],
        "AVAXC" => &["AVAX"],
        "APTOS" => &["APT"],
        "MANTLE" => &["MNT"],
        "KAIA" => &["KAIA", "KLAY"],
        "SONIC" => &["S"],
        _ => return chain == asset.to_ascii_uppercase(),
    };
    coins.contains(&asset)
}

/// Hexadecimal addresses are the same in either case; others (base58, base32) are not.
fn contract_id(contract: &str) -> String {
    let contract = contract.trim();
    let is_hex = contract.strip_prefix("0x").or_else(|| contract.strip_prefix("0X"));
    match is_hex.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Some(_) => contract.to_ascii_lowercase(),
        None => contract.to_string(),
    }
}

/// One name for a chain, out of the venues' many. Unknown ones keep theirs, in upper case.
///
/// Names as seen in the venues' currency lists: Gate `chains[].name`, Binance `networkList[].network`, Bybit `chains[].chain`.
fn chain_id(name: &str) -> String {
    let upper = name.trim().to_ascii_uppercase();
    let known = match upper.as_str() {
        "ETH" | "ERC20" | "ETHEREUM" => "ETH",
        "TRX" | "TRC20" | "TRON" => "TRX",
        "BSC" | "BEP20" | "BSC_BNB" | "BNB SMART CHAIN" => "BSC",
        "SOL" | "SOLANA" => "SOL",
        "MATIC" | "POL" | "POLYGON" => "POLYGON",
        "ARBITRUM" | "ARBI" | "ARBEVM" | "ARBITRUM ONE" => "ARBITRUM",
        "OP" | "OPETH" | "OPTIMISM" => "OPTIMISM",
        "AVAXC" | "CAVAX" | "AVAX_C" | "AVAX C-CHAIN" => "AVAXC",
        "BASE" | "BASEEVM" => "BASE",
        "BTC" | "BITCOIN" => "BTC",
        "ZKSYNC" | "ZKSYNCERA" | "ZKSERA" => "ZKSYNCERA",
        "MNT" | "MANTLE" => "MANTLE",
        "APT" | "APTOS" => "APTOS",
        "TON" | "GRAM" => "TON",
        "XRP" | "RIPPLE" => "XRP",
        "DOT" | "POLKADOT" => "DOT",
        "KSM" | "KUSAMA" => "KSM",
        "ATOM" | "COSMOS" => "ATOM",
        "KLAY" | "KAIA" => "KAIA",
        "FTM" | "FTMEVM" | "FANTOM" => "FTM",
        "S" | "SONIC" => "SONIC",
        "CELO" | "CELOEVM" => "CELO",
        "LINEA" | "LINEAETH" => "LINEA",
        _ => return upper,
    };
    known.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(asset: &str, networks: &[(&str, &str)]) -> AssetListing {
        let network = |(chain, contract): &(&str, &str)| Network {
            chain: (*chain).into(),
            contract: (!contract.is_empty()).then(|| (*contract).into()),
            can_deposit: true,
            can_withdraw: *chain != "TRX",
        };
        AssetListing { asset: asset.into(), denomination: 1, networks: networks.iter().map(network).collect() }
    }

    fn judged_as(asset: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> Identity {
        let mut known = Identities::default();
        known.publish("gate", asset, listing(asset, one));
        known.publish("bybit", asset, listing(asset, other));
        known.judge(asset, "gate", "bybit")
    }

    fn judged(one: &[(&str, &str)], other: &[(&str, &str)], attested: &[(&str, u64)]) -> Identity {
        let attest = |(venue, multiplier): &(&str, u64)| Attested {
            asset: "AAA".into(),
            venue: (*venue).into(),
            named: if *multiplier == 1 { "AAA".into() } else { format!("{multiplier}AAA") },
            multiplier: *multiplier,
        };
        let mut known = Identities::new(attested.iter().map(attest));
        known.publish("gate", "AAA", listing("AAA", one));
        known.publish("binance", "AAA", listing("AAA", other));
        known.judge("AAA", "gate", "binance")
    }

    #[test]
    fn one_contract_on_a_common_chain_proves_it() {
        let proved = |chain: &str| Identity::Proved { chain: chain.into() };
        assert_eq!(judged(&[("ETH", "0xABcd")], &[("ERC20", "0xabCD")], &[]), proved("ETH"));
        assert_eq!(judged_as("BTC", &[("BTC", "")], &[("BITCOIN", "")]), proved("BTC"));
        assert_eq!(judged_as("ETH", &[("ARBEVM", "")], &[("ARBI", "")]), proved("ARBITRUM"));
        assert!(!judged_as("AAA", &[("ETH", "")], &[("ETH", "")]).holds(), "a token without its contract is not proved");
        assert_eq!(judged(&[("ARBEVM", "0x1"), ("SOL", "Abc")], &[("SOL", "Abc")], &[]), proved("SOL"));
        assert_eq!(judged(&[("NEWCHAIN", "x1")], &[("newchain", "x1")], &[]), proved("NEWCHAIN"));
    }

    #[test]
    fn one_differing_contract_is_another_token_whatever_is_attested() {
        let different = judged(&[("BTC", ""), ("ETH", "0x1")], &[("BTC", ""), ("ETH", "0x2")], &[("gate", 1), ("binance", 1)]);
        assert_eq!(different.text(), "different contracts on ETH: 0x1 and 0x2");
        assert!(!different.holds());
        // Base58 is case-sensitive.
        assert!(matches!(judged(&[("SOL", "Abc")], &[("SOL", "ABC")], &[]), Identity::Different { .. }));
    }

    #[test]
    fn what_nobody_publishes_is_unproved_unless_both_sides_are_attested() {
        let apart = [("ETH", "0x1")];
        let silent = judged(&apart, &[], &[]);
        assert_eq!(silent.text(), "binance publishes no chains of AAA");
        assert_eq!(judged(&apart, &[("SOL", "x")], &[]).text(), "no chain and contract in common (ETH and SOL)");
        assert!(!judged(&apart, &[("ETH", "")], &[]).holds(), "a contract on one side only tells nothing");
        assert!(!judged(&apart, &[], &[("gate", 1)]).holds());
        assert_eq!(judged(&apart, &[], &[("gate", 1), ("binance", 1)]), Identity::Attested);
    }

    #[test]
    fn an_attested_unit_is_the_same_asset_where_all_else_says_so() {
        let proved = Identity::Proved { chain: "ETH".into() };
        assert_eq!(judged(&[("ETH", "0x1")], &[("ETH", "0x1")], &[("binance", 1_000)]), proved);
        assert_eq!(judged(&[("ETH", "0x1")], &[], &[("gate", 1), ("binance", 1_000)]), Identity::Attested);
        assert!(!judged(&[("ETH", "0x1")], &[("ETH", "0x2")], &[("gate", 1), ("binance", 1_000)]).holds());
        assert!(!judged(&[("ETH", "0x1")], &[], &[("binance", 1_000)]).holds(), "one side only attests nothing");
    }

    #[test]
    fn a_published_denomination_must_be_the_attested_multiplier() {
        let judged = |attested: Option<u64>| {
            let attest =
                |multiplier| Attested { asset: "DOGS".into(), venue: "binance".into(), named: "DOGS".into(), multiplier };
            let mut known = Identities::new(attested.map(attest));
            known.publish("gate", "DOGS", listing("DOGS", &[("BSC", "0x1")]));
            let denominated = AssetListing { denomination: 1_000, ..listing("DOGS", &[("BSC", "0x1")]) };
            known.publish("binance", "DOGS", denominated);
            known.judge("DOGS", "gate", "binance")
        };
        assert_eq!(judged(None).text(), "DOGS on binance is 1000 of ours, and [[identity]] multiplier is 1");
        assert_eq!(judged(Some(1_000_000)).text(), "DOGS on binance is 1000 of ours, and [[identity]] multiplier is 1000000");
        assert!(!judged(None).holds() && !judged(Some(1_000_000)).holds());
        assert_eq!(judged(Some(1_000)), Identity::Proved { chain: "BSC".into() });
    }

    #[test]
    fn names_and_transfers_are_those_of_the_venue() {
        let attested = Attested { asset: "SATS".into(), venue: "binance".into(), named: "1000SATS".into(), multiplier: 1_000 };
        let known = Identities::new([attested]);
        assert_eq!((known.name_on("binance", "SATS"), known.name_on("gate", "SATS")), ("1000SATS", "SATS"));
        let open = listing("AAA", &[("TRX", ""), ("ETH", "")]);
        assert!(open.can_deposit() && open.can_withdraw());
        assert!(!listing("AAA", &[("TRX", "")]).can_withdraw());
        assert!(!listing("AAA", &[]).can_deposit());
    }
}
