//! What amounts are worth in the *one* quote asset in which limits and the daily loss are stated, the reference.
//!
//! An asset is valued by configured pairs in one hop: directly (`ASSET/REFERENCE`), or inversely (`REFERENCE/ASSET`), at the
//! mean of the mids of the venues whose books are trusted. Values round up, so that a limit is never passed by rounding; profits
//! round down. What no pair values has no worth, and nothing is opened on it (`limit`).
//!
//! Start at [`Valuation::refresh`] and [`Valuation::worth`].

use crate::market::VenuePair;
use domain::{Amount, AssetId, MonoNanos, PairId, Tables};

/// An exact fraction: reference units for one unit of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    numerator: i128,
    denominator: i128,
}

impl Worth {
    /// Of the reference itself.
    pub const ONE: Worth = Worth { numerator: 1, denominator: 1 };

    /// A fraction in its lowest terms; `None` unless both parts are above zero.
    pub fn new(numerator: i128, denominator: i128) -> Option<Worth> {
        if numerator <= 0 || denominator <= 0 {
            return None;
        }
        let common = greatest_common_divisor(numerator, denominator);
        Some(Worth { numerator: numerator / common, denominator: denominator / common })
    }

    /// The other way round: units of the asset for one unit of the reference.
    #[must_use]
    pub fn inverse(self) -> Worth {
        Worth { numerator: self.denominator, denominator: self.numerator }
    }

    /// The value of an amount of either sign, rounded towards minus infinity; `None` when it does not fit.
    pub fn value_rounded_down(self, amount: Amount) -> Option<Amount> {
        let (whole, part) = (amount.units().div_euclid(self.denominator), amount.units().rem_euclid(self.denominator));
        let part = part.checked_mul(self.numerator)?.div_euclid(self.denominator);
        Some(Amount::from_units(whole.checked_mul(self.numerator)?.checked_add(part)?))
    }

    /// The value of an amount of either sign, rounded towards plus infinity; `None` when it does not fit.
    pub fn value_rounded_up(self, amount: Amount) -> Option<Amount> {
        let negated = Amount::from_units(amount.units().checked_neg()?);
        Some(Amount::from_units(self.value_rounded_down(negated)?.units().checked_neg()?))
    }
}

fn greatest_common_divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A pair that values an asset.
#[derive(Clone, Copy, Debug)]
struct Source {
    asset: AssetId,
    pair: PairId,
    /// The asset is the pair's quote.
    inverse: bool,
}

/// The worth of every asset, as last known.
#[derive(Clone, Debug, Default)]
pub struct Valuation {
    reference: Option<AssetId>,
    /// Direct pairs before inverse ones.
    sources: Vec<Source>,
    /// By asset: what it is worth, and whether its books were trusted at the last look.
    known: Vec<Option<(Worth, bool)>>,
}

impl Valuation {
    /// In this reference; without one, in the only quote of the pairs. With several quotes and no reference nothing is ever
    /// valued.
    pub fn new(tables: &Tables, reference: Option<AssetId>) -> Valuation {
        let mut quotes = tables.pairs.iter().map(|pair| pair.quote);
        let only = quotes.next().filter(|first| quotes.all(|quote| quote == *first));
        let reference = reference.or(only);
        let mut sources = Vec::new();
        for inverse in [false, true] {
            for pair in tables.pair_ids() {
                let Some(info) = tables.pair(pair) else { continue };
                let (asset, against) = if inverse { (info.quote, info.base) } else { (info.base, info.quote) };
                if Some(against) == reference {
                    sources.push(Source { asset, pair, inverse });
                }
            }
        }
        let known = (0..tables.assets.len())
            .map(|index| (reference.map(AssetId::index) == Some(index)).then_some((Worth::ONE, true)))
            .collect();
        Valuation { reference, sources, known }
    }

    /// The asset in which limits are stated.
    pub fn reference(&self) -> Option<AssetId> {
        self.reference
    }

    /// Looks at the books of one pair again. `cells` gives a pair's venues.
    pub fn refresh<'a>(
        &mut self,
        tables: &Tables,
        pair: PairId,
        cells: impl Fn(PairId) -> &'a [VenuePair],
        age_max_ns: u64,
        now: MonoNanos,
    ) {
        for at in 0..self.sources.len() {
            let asset = self.sources[at].asset;
            if self.sources[at].pair != pair || Some(asset) == self.reference {
                continue;
            }
            let found = self.sources.iter().filter(|source| source.asset == asset).find_map(|source| {
                let scale = tables.pair(source.pair)?.scale;
                let unit = domain::number::pow10(u32::from(scale.price_decimals()));
                let (twice_sum, count) = twice_mids(cells(source.pair), age_max_ns, now);
                let (price, unit) = (twice_sum, unit.checked_mul(2 * count)?);
                if source.inverse { Worth::new(unit, price) } else { Worth::new(price, unit) }
            });
            if let Some(slot) = self.known.get_mut(asset.index()) {
                *slot = match (found, *slot) {
                    (Some(worth), _) => Some((worth, true)),
                    (None, Some((worth, _))) => Some((worth, false)),
                    (None, None) => None,
                };
            }
        }
    }

    /// What an asset is worth by books that are trusted now.
    pub fn worth(&self, asset: AssetId) -> Option<Worth> {
        self.known.get(asset.index()).copied().flatten().filter(|(_, trusted)| *trusted).map(|(worth, _)| worth)
    }

    /// What an asset was worth when its books were last trusted: good enough for what was earned or lost, not for what is to be
    /// sent.
    pub fn last_worth(&self, asset: AssetId) -> Option<Worth> {
        self.known.get(asset.index()).copied().flatten().map(|(worth, _)| worth)
    }
}

/// The sum of twice the mids of trusted books in price units, and how many they are.
fn twice_mids(cells: &[VenuePair], age_max_ns: u64, now: MonoNanos) -> (i128, i128) {
    let (mut sum, mut count) = (0i128, 0i128);
    for cell in cells.iter().filter(|cell| cell.book.is_live() && cell.book.age_ns(now) <= age_max_ns) {
        if let (Some(bid), Some(ask)) = (cell.book.book().best_bid(), cell.book.book().best_ask()) {
            sum += i128::from(bid.price.units()) + i128::from(ask.price.units());
            count += 1;
        }
    }
    (sum, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;
    use domain::{BookBody, BookUpdate, InstrumentKind, Level, PairInfo, PairScale, Price, Qty, Symbol, VenueId};
    use proptest::prelude::*;
    use std::sync::Arc;

    const AGE: u64 = 1_000;

    /// BTC 0, ETH 1, EUR 2, USDT 3; BTC/USDT, ETH/BTC, USDT/EUR.
    fn tables() -> Arc<Tables> {
        let assets = ["BTC", "ETH", "EUR", "USDT"];
        let pair = |text: &str, decimals: u8| {
            let symbol = Symbol::parse(text).unwrap();
            let id = |name: &str| AssetId(assets.iter().position(|a| *a == name).unwrap() as u16);
            let (base, quote) = (id(&symbol.base), id(&symbol.quote));
            PairInfo { symbol, kind: InstrumentKind::Spot, base, quote, scale: PairScale::new(decimals, 4).unwrap() }
        };
        let pairs = vec![pair("BTC/USDT", 2), pair("ETH/BTC", 5), pair("USDT/EUR", 4)];
        Arc::new(Tables { venues: vec!["a".into(), "b".into()], pairs, assets: assets.map(String::from).to_vec() })
    }

    fn set(market: &mut Market, venue: u8, pair: u16, bid: i64, ask: i64, at: u64) {
        let level = |units| vec![Level { price: Price::from_units(units).unwrap(), qty: Qty::from_units(1).unwrap() }];
        let update = BookUpdate {
            venue: VenueId(venue),
            pair: PairId(pair),
            received: MonoNanos(at),
            changed_at: None,
            sent_at: None,
            body: BookBody::Snapshot { id: at, bids: level(bid), asks: level(ask) },
        };
        market.handle_book(&update).unwrap();
    }

    fn amount(text: &str) -> Amount {
        Amount::from_decimal(text.parse().unwrap()).unwrap()
    }

    fn market() -> Market {
        let mut market = Market::new(tables());
        market.set_reference(Some(AssetId(3)));
        market
    }

    #[test]
    fn assets_are_valued_directly_or_inversely_in_one_hop() {
        let mut market = market();
        assert_eq!(market.worth(AssetId(3)), Some(Worth::ONE));
        assert_eq!(market.worth(AssetId(0)), None, "no book yet");
        set(&mut market, 0, 0, 999_900, 1_000_100, 10);
        set(&mut market, 1, 0, 1_000_900, 1_001_100, 10);
        set(&mut market, 0, 2, 8_000, 8_000 + 2_000, 10);
        (0..3).for_each(|pair| market.revalue(PairId(pair), AGE, MonoNanos(20)));
        let value = |asset: u16, text: &str| market.worth(AssetId(asset)).unwrap().value_rounded_up(amount(text)).unwrap();
        assert_eq!(value(0, "2"), amount("20010"), "the mean of both venues' mids");
        assert_eq!(value(2, "0.9"), amount("1"), "a euro by the pair that quotes in it");
        assert_eq!(market.worth(AssetId(1)), None, "ETH/BTC is two hops away");
    }

    #[test]
    fn books_that_are_not_trusted_value_nothing_but_are_remembered() {
        let mut market = market();
        set(&mut market, 0, 0, 9_900, 10_100, 10);
        market.revalue(PairId(0), AGE, MonoNanos(10 + AGE));
        assert!(market.worth(AssetId(0)).is_some(), "exactly as old as allowed");
        market.revalue(PairId(0), AGE, MonoNanos(11 + AGE));
        assert_eq!(market.worth(AssetId(0)), None);
        assert_eq!(market.valuation().last_worth(AssetId(0)), Worth::new(100, 1));
    }

    #[test]
    fn several_quotes_without_a_reference_value_nothing() {
        let market = Market::new(tables());
        assert_eq!(market.valuation().reference(), None);
        assert!((0..4).all(|asset| market.worth(AssetId(asset)).is_none()));
    }

    proptest! {
        /// Up is never below the exact value, down never above it, and they are at most one unit apart.
        #[test]
        fn rounding_is_conservative(units in -10i128.pow(20)..10i128.pow(20), n in 1i128..10i128.pow(9), d in 1i128..10i128.pow(9)) {
            let worth = Worth::new(n, d).unwrap();
            let amount = Amount::from_units(units);
            let (up, down) = (worth.value_rounded_up(amount).unwrap(), worth.value_rounded_down(amount).unwrap());
            prop_assert!(down.units() * d <= units * n && units * n <= up.units() * d);
            prop_assert!(up.units() - down.units() <= 1);
        }
    }
}
