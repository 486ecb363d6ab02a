//! What amounts are worth in the *one* quote asset in which limits and the daily loss are stated, the reference.
//!
//! An asset is valued by configured pairs: in one hop, directly (`ASSET/REFERENCE`) or inversely (`REFERENCE/ASSET`); where no pair
//! does that, in two, by a pair whose other asset is valued in one (`ASSET/BTC` and `BTC/REFERENCE`). The nearest come first, direct ones
//! before inverse ones, then in the order of the pairs. Values round up, so that a limit is never passed by rounding; profits
//! round down. What no pair values has no worth, and nothing is opened on it (`limit`).
//!
//! A pair's price is what its venues agree on, so that no single wrong book makes a limit loose or a loss of the day (F10): see
//! [`Valuation::refresh`]. While they don't agree the last price stays, for what was earned or lost, and nothing is opened on it.
//!
//! Start at [`Valuation::refresh`] and [`Valuation::worth`].

use crate::controls::price_collar::{middle_x4, trusted_mids_x2, within};
use crate::market::VenuePair;
use domain::time::SECOND;
use domain::{Amount, AssetId, MonoNanos, PairId, Rate, Tables};

/// A pair's only venue is believed a jump beyond the collar once its price has stayed there for so long.
pub const JUMP_HOLDS_NS: u64 = 60 * SECOND;

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

    /// One after the other; `None` when it does not fit.
    fn times(self, other: Worth) -> Option<Worth> {
        let (one, two) = (
            greatest_common_divisor(self.numerator, other.denominator),
            greatest_common_divisor(other.numerator, self.denominator),
        );
        let numerator = (self.numerator / one).checked_mul(other.numerator / two)?;
        let denominator = (self.denominator / two).checked_mul(other.denominator / one)?;
        Some(Worth { numerator, denominator })
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

/// A pair that values an asset by another one.
#[derive(Clone, Copy, Debug)]
struct Source {
    pair: PairId,
    /// The asset is the pair's quote.
    inverse: bool,
    /// The pair's other asset: the reference, or one that is valued in one hop.
    by: AssetId,
}

/// An asset with the pairs that value it, all of them as near to the reference as any, direct ones before inverse ones.
#[derive(Clone, Debug)]
struct Valued {
    asset: AssetId,
    sources: Vec<Source>,
}

impl Valued {
    fn new(tables: &Tables, asset: AssetId, by: impl Fn(AssetId) -> bool) -> Valued {
        let mut sources = Vec::new();
        for inverse in [false, true] {
            for pair in tables.pair_ids() {
                let Some(info) = tables.pair(pair) else { continue };
                let (of, other) = if inverse { (info.quote, info.base) } else { (info.base, info.quote) };
                if of == asset && by(other) {
                    sources.push(Source { pair, inverse, by: other });
                }
            }
        }
        Valued { asset, sources }
    }
}

/// The price of one pair, as its venues agree on it. Prices are mids × 4, in price units.
#[derive(Clone, Copy, Debug, Default)]
struct AgreedPrice {
    last: Option<i128>,
    /// Whether it was `last` at the last look.
    fresh: bool,
    /// Where the only venue's price jumped to, and when.
    jump: Option<(i128, MonoNanos)>,
}

/// The worth of every asset, as last known.
#[derive(Clone, Debug, Default)]
pub struct Valuation {
    reference: Option<AssetId>,
    /// Those in one hop before those in two.
    valued: Vec<Valued>,
    /// By pair: which of `valued` depend on it, in their order.
    dependents: Vec<Vec<usize>>,
    /// By pair: the price, and one whole in price units.
    prices: Vec<(AgreedPrice, i128)>,
    /// By asset: what it is worth, and whether its books were trusted at the last look.
    known: Vec<Option<(Worth, bool)>>,
    mids: Vec<i64>,
}

impl Valuation {
    /// In this reference; without one, in the only quote of the pairs. With several quotes and no reference nothing is ever
    /// valued.
    pub fn new(tables: &Tables, reference: Option<AssetId>) -> Valuation {
        let mut quotes = tables.pairs.iter().map(|pair| pair.quote);
        let only = quotes.next().filter(|first| quotes.all(|quote| quote == *first));
        let reference = reference.or(only);
        let valued = reference.map(|reference| nearest_sources(tables, reference)).unwrap_or_default();
        let known = (0..tables.assets.len())
            .map(|index| (reference.map(AssetId::index) == Some(index)).then_some((Worth::ONE, true)))
            .collect();
        let one = |price_decimals: u8| domain::number::pow10(u32::from(price_decimals));
        Valuation {
            reference,
            dependents: tables.pair_ids().map(|pair| dependents(&valued, pair)).collect(),
            prices: tables.pairs.iter().map(|p| (AgreedPrice::default(), one(p.scale.price_decimals()))).collect(),
            valued,
            known,
            mids: Vec::with_capacity(tables.venues.len()),
        }
    }

    /// The asset in which limits are stated.
    pub fn reference(&self) -> Option<AssetId> {
        self.reference
    }

    /// Looks at the books of one pair again: `cells` of all its venues. Only books that are live and not older than `age_max_ns` count.
    ///
    /// - With several venues that have the pair, the price is the median of at least two books that agree: two within the `collar` of
    ///   each other, of more than two most within it of their median. Else the last price stays and is not trusted.
    /// - With a single venue that has the pair at all, its book is all there is. Its first price is taken as it is; after that, one
    ///   within the `collar` of the last. A jump beyond it is taken once the price has stayed there for [`JUMP_HOLDS_NS`], and is
    ///   not trusted until then.
    ///
    /// A venue has a pair that it told rules of or ever showed a book of. Rules of all venues are the first inputs of a run.
    pub fn refresh(&mut self, pair: PairId, cells: &[VenuePair], age_max_ns: u64, collar: Rate, now: MonoNanos) {
        let Some(dependents) = self.dependents.get(pair.index()).filter(|dependents| !dependents.is_empty()) else { return };
        trusted_mids_x2(cells, age_max_ns, now, &mut self.mids);
        let has_pair = |cell: &&VenuePair| cell.rules.is_some() || cell.book.evidence_at().is_some();
        let alone = cells.iter().filter(has_pair).count() < 2;
        if let Some((price, _)) = self.prices.get_mut(pair.index()) {
            let found = if alone { price.step(middle_x4(&self.mids), collar, now) } else { agreed_x4(&self.mids, collar) };
            price.fresh = found.is_some();
            price.last = found.or(price.last);
        }
        for at in dependents {
            let Some(Valued { asset, sources }) = self.valued.get(*at) else { continue };
            let found = sources.iter().find_map(|source| self.worth_by(source));
            if let Some(slot) = self.known.get_mut(asset.index()) {
                *slot = match (found, *slot) {
                    (Some(worth), _) => Some((worth, true)),
                    (None, Some((worth, _))) => Some((worth, false)),
                    (None, None) => None,
                };
            }
        }
    }

    fn worth_by(&self, source: &Source) -> Option<Worth> {
        let (price, one) = self.prices.get(source.pair.index())?;
        let (price, one) = (price.last.filter(|_| price.fresh)?, one.checked_mul(4)?);
        let worth = if source.inverse { Worth::new(one, price) } else { Worth::new(price, one) };
        worth?.times(self.worth(source.by)?)
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

impl AgreedPrice {
    /// What the only venue's price is believed to be.
    fn step(&mut self, found: Option<i128>, collar: Rate, now: MonoNanos) -> Option<i128> {
        let jump = self.jump.take();
        let price = found?;
        if self.last.is_none_or(|last| near(last, price, collar)) {
            return Some(price);
        }
        let (to, since) = jump.filter(|(to, _)| near(*to, price, collar)).unwrap_or((price, now));
        if now.since(since) >= JUMP_HOLDS_NS {
            return Some(price);
        }
        self.jump = Some((to, since));
        None
    }
}

/// The median × 4 of sorted mids × 2 if most of them agree on it; `None` with fewer than two.
fn agreed_x4(mids: &[i64], collar: Rate) -> Option<i128> {
    let median = middle_x4(mids)?;
    let agree = match mids {
        [_] => false,
        [low, high] => near(i128::from(*low), i128::from(*high), collar),
        _ => 2 * mids.iter().filter(|mid| within(2 * i128::from(**mid), median, collar)).count() > mids.len(),
    };
    agree.then_some(median)
}

/// Whether two prices keep the collar. The smaller one is the measure, so that the answer does not depend on the direction.
fn near(one: i128, other: i128, collar: Rate) -> bool {
    within(one.max(other), one.min(other), collar)
}

/// Every asset that pairs lead to in one hop or two, by its nearest ones.
fn nearest_sources(tables: &Tables, reference: AssetId) -> Vec<Valued> {
    let assets = (0..tables.assets.len()).map(|index| AssetId(index as u16)).filter(|asset| *asset != reference);
    let (near, far): (Vec<Valued>, Vec<Valued>) =
        assets.map(|asset| Valued::new(tables, asset, |by| by == reference)).partition(|valued| !valued.sources.is_empty());
    let in_one: Vec<AssetId> = near.iter().map(|valued| valued.asset).collect();
    let in_two = far.iter().map(|valued| Valued::new(tables, valued.asset, |by| in_one.contains(&by)));
    near.iter().cloned().chain(in_two.filter(|valued| !valued.sources.is_empty())).collect()
}

/// Which assets' worth changes with a pair: by the pair itself, or by an asset that it values.
fn dependents(valued: &[Valued], pair: PairId) -> Vec<usize> {
    let by_pair = |valued: &Valued| valued.sources.iter().any(|source| source.pair == pair);
    let moved: Vec<AssetId> = valued.iter().filter(|valued| by_pair(valued)).map(|valued| valued.asset).collect();
    let by_asset = |valued: &Valued| valued.sources.iter().any(|source| moved.contains(&source.by));
    (0..valued.len()).filter(|at| by_pair(&valued[*at]) || by_asset(&valued[*at])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;
    use domain::{
        BookBody, BookUpdate, InstrumentKind, InstrumentRules, Level, PairInfo, PairScale, Price, Qty, Symbol, VenueId,
    };
    use proptest::prelude::*;
    use std::sync::Arc;

    const AGE: u64 = 1_000;

    /// BTC 0, ETH 1, EUR 2, USDT 3; BTC/USDT, ETH/BTC, USDT/EUR.
    fn tables() -> Arc<Tables> {
        tables_of(["BTC", "ETH", "EUR", "USDT"], &[("BTC/USDT", 2), ("ETH/BTC", 5), ("USDT/EUR", 4)])
    }

    fn tables_of(assets: [&str; 4], pairs: &[(&str, u8)]) -> Arc<Tables> {
        let pair = |text: &str, decimals: u8| {
            let symbol = Symbol::parse(text).unwrap();
            let id = |name: &str| AssetId(assets.iter().position(|a| *a == name).unwrap() as u16);
            let (base, quote) = (id(&symbol.base), id(&symbol.quote));
            PairInfo { symbol, kind: InstrumentKind::Spot, base, quote, scale: PairScale::new(decimals, 4).unwrap() }
        };
        let pairs = pairs.iter().map(|(text, decimals)| pair(text, *decimals)).collect();
        let venues = vec!["a".into(), "b".into(), "c".into()];
        Arc::new(Tables { venues, pairs, assets: assets.map(String::from).to_vec() })
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

    /// 5 %.
    fn collar() -> Rate {
        Rate::from_bps(500).unwrap()
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
        (0..3).for_each(|pair| market.revalue(PairId(pair), AGE, collar(), MonoNanos(20)));
        let value = |asset: u16, text: &str| market.worth(AssetId(asset)).unwrap().value_rounded_up(amount(text)).unwrap();
        assert_eq!(value(0, "2"), amount("20010"), "the mean of both venues' mids");
        assert_eq!(value(2, "0.9"), amount("1"), "a euro by the pair that quotes in it");
        assert_eq!(market.worth(AssetId(1)), None, "no book of ETH/BTC yet");
    }

    /// One book around a mid, and what the pair's assets are worth then.
    fn see(market: &mut Market, venue: u8, pair: u16, mid: i64, at: u64) {
        set(market, venue, pair, mid - 1, mid + 1, at);
        market.revalue(PairId(pair), AGE, collar(), MonoNanos(at));
    }

    #[test]
    fn an_asset_that_no_pair_joins_to_the_reference_is_valued_in_two_hops() {
        let (eth, btc) = (PairId(1), PairId(0));
        for eth_first in [false, true] {
            let mut market = market();
            (0..2).for_each(|venue| set(&mut market, venue, 0, 999_900, 1_000_100, 10));
            (0..2).for_each(|venue| set(&mut market, venue, 1, 4_999, 5_001, 10));
            for pair in if eth_first { [eth, btc] } else { [btc, eth] } {
                market.revalue(pair, AGE, collar(), MonoNanos(20));
            }
            assert_eq!(market.worth(AssetId(1)), Worth::new(500, 1), "0.05 BTC of 10,000 each");
            // Bitcoin moves, the pair does not.
            (0..2).for_each(|venue| set(&mut market, venue, 0, 1_019_900, 1_020_100, 30));
            market.revalue(btc, AGE, collar(), MonoNanos(30));
            assert_eq!(market.worth(AssetId(1)), Worth::new(510, 1));
            // Either hop that is not trusted any more is enough: the last worth stays.
            let old = 11 + AGE;
            (0..2).for_each(|venue| set(&mut market, venue, 0, 1_009_900, 1_010_100, old));
            [eth, btc].into_iter().for_each(|pair| market.revalue(pair, AGE, collar(), MonoNanos(old)));
            assert_eq!((market.worth(AssetId(1)), market.worth(AssetId(0))), (None, Worth::new(10_100, 1)));
            assert_eq!(market.valuation().last_worth(AssetId(1)), Worth::new(510, 1));
        }
    }

    #[test]
    fn the_nearest_pairs_value_an_asset_and_direct_ones_before_inverse_ones() {
        let pairs = [("ETH/BTC", 5), ("USDT/ETH", 5), ("ETH/USDT", 2), ("BTC/USDT", 2), ("EUR/BTC", 5), ("EUR/ETH", 5)];
        let mut market = Market::new(tables_of(["BTC", "ETH", "EUR", "USDT"], &pairs));
        market.set_reference(Some(AssetId(3)));
        see(&mut market, 0, 3, 1_000_000, 10);
        see(&mut market, 0, 0, 5_000, 10);
        assert_eq!(market.worth(AssetId(1)), None, "0.05 BTC, but there are nearer pairs");
        see(&mut market, 0, 1, 200, 10);
        assert_eq!(market.worth(AssetId(1)), Worth::new(500, 1));
        see(&mut market, 0, 2, 50_100, 10);
        assert_eq!(market.worth(AssetId(1)), Worth::new(501, 1), "the direct pair goes first");
        see(&mut market, 0, 5, 200, 10);
        assert_eq!(market.worth(AssetId(2)), Worth::new(1_002, 1_000), "by ether, while nothing else is told");
        see(&mut market, 0, 4, 10, 10);
        assert_eq!(market.worth(AssetId(2)), Worth::new(1, 1), "the first pair goes first");
    }

    #[test]
    fn books_that_differ_by_more_than_the_collar_value_nothing_and_move_no_loss() {
        let last = |market: &Market| market.valuation().last_worth(AssetId(0));
        let mut market = market();
        see(&mut market, 0, 0, 10_000_000, 10);
        see(&mut market, 1, 0, 1_000_000, 10);
        assert_eq!((market.worth(AssetId(0)), last(&market)), (None, Worth::new(100_000, 1)), "the first was alone when it came");
        // Back within 5 %, measured on the smaller one: at the collar, and a price unit beyond.
        see(&mut market, 0, 0, 1_050_000, 20);
        assert_eq!(market.worth(AssetId(0)), Worth::new(10_250, 1));
        see(&mut market, 0, 0, 1_050_001, 30);
        assert_eq!((market.worth(AssetId(0)), last(&market)), (None, Worth::new(10_250, 1)));
        for absurd in [10_000_000, 100_000, 2] {
            see(&mut market, 0, 0, absurd, 40);
            assert_eq!((market.worth(AssetId(0)), last(&market)), (None, Worth::new(10_250, 1)), "{absurd}");
        }
        // A third venue tells who is wrong.
        see(&mut market, 2, 0, 1_002_000, 50);
        assert_eq!(market.worth(AssetId(0)), Worth::new(10_000, 1), "the median of 2, 1,000,000 and 1,002,000");
        see(&mut market, 1, 0, 1_200_000, 60);
        assert_eq!((market.worth(AssetId(0)), last(&market)), (None, Worth::new(10_000, 1)), "no two of them agree");
    }

    #[test]
    fn one_book_of_a_pair_that_several_venues_have_values_nothing() {
        let mut market = market();
        let rules = |venue: u8| {
            let unit = Qty::from_units(1).unwrap();
            let (price_step, qty_step, qty_min, value_min) = (1, unit, unit, Amount::ZERO);
            let (qty_max, can_buy, can_sell) = (None, true, true);
            InstrumentRules {
                venue: VenueId(venue),
                pair: PairId(0),
                price_step,
                qty_step,
                qty_min,
                qty_max,
                value_min,
                can_buy,
                can_sell,
            }
        };
        (0..2).for_each(|venue| market.at_mut(VenueId(venue), PairId(0)).rules = Some(rules(venue)));
        see(&mut market, 0, 0, 1_000_000, 10);
        assert_eq!((market.worth(AssetId(0)), market.valuation().last_worth(AssetId(0))), (None, None));
        see(&mut market, 1, 0, 1_001_000, 10);
        assert_eq!(market.worth(AssetId(0)), Worth::new(10_005, 1));
        see(&mut market, 0, 0, 1_003_000, 12 + AGE);
        assert_eq!(market.worth(AssetId(0)), None, "the other one is too old");
        assert_eq!(market.valuation().last_worth(AssetId(0)), Worth::new(10_005, 1));
    }

    #[test]
    fn the_only_venue_of_a_pair_is_believed_in_sane_steps_and_a_jump_once_it_stays() {
        let mut market = market();
        let worth = |market: &Market| market.worth(AssetId(0)).map(|w| w.value_rounded_down(amount("1")).unwrap());
        see(&mut market, 0, 0, 1_000_000, 10);
        see(&mut market, 0, 0, 1_050_000, 20);
        assert_eq!(worth(&market), Some(amount("10500")));
        see(&mut market, 0, 0, 1_000_000, 30);
        // An absurd frame, and back.
        see(&mut market, 0, 0, 10_000_000, 40);
        assert_eq!((worth(&market), market.valuation().last_worth(AssetId(0))), (None, Worth::new(10_000, 1)));
        see(&mut market, 0, 0, 1_001_000, 50);
        assert_eq!(worth(&market), Some(amount("10010")));
        // A jump that another one interrupts begins anew; one that stays is the price.
        see(&mut market, 0, 0, 1_100_000, 60);
        see(&mut market, 0, 0, 2_000_000, 70);
        see(&mut market, 0, 0, 1_110_000, 80);
        see(&mut market, 0, 0, 1_120_000, 60 + JUMP_HOLDS_NS);
        see(&mut market, 0, 0, 1_120_000, 79 + JUMP_HOLDS_NS);
        assert_eq!(worth(&market), None);
        see(&mut market, 0, 0, 1_120_000, 80 + JUMP_HOLDS_NS);
        assert_eq!(worth(&market), Some(amount("11200")));
    }

    #[test]
    fn books_that_are_not_trusted_value_nothing_but_are_remembered() {
        let mut market = market();
        set(&mut market, 0, 0, 9_900, 10_100, 10);
        market.revalue(PairId(0), AGE, collar(), MonoNanos(10 + AGE));
        assert!(market.worth(AssetId(0)).is_some(), "exactly as old as allowed");
        market.revalue(PairId(0), AGE, collar(), MonoNanos(11 + AGE));
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
