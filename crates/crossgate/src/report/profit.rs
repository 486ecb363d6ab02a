//! Profit in one asset, for readers who want one figure: amounts of different assets are never added as they are.
//!
//! Start at [`Profit::of`].

use domain::{Amount, AssetId};
use risk::Market;

/// Profit in one asset, and what could not go into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profit {
    /// In the only quote of the pairs, or with several of them in the reference.
    pub quote: Amount,
    /// What is not in it: changes that nothing priced, and profits in quotes that no trusted book valued in the reference yet.
    pub unvalued: Vec<(AssetId, Amount)>,
}

impl Profit {
    /// Of profits by quote asset, with the changes that were left out of these already. A quote counts as what it was last worth, as for
    /// the daily loss.
    pub fn of(market: &Market, pnl: &[(AssetId, Amount)], unpriced: &[(AssetId, Amount)]) -> Profit {
        let single = has_single_quote(market);
        let mut profit = Profit { quote: Amount::ZERO, unvalued: unpriced.to_vec() };
        for (asset, amount) in pnl.iter().filter(|(_, amount)| !amount.is_zero()) {
            // The amount itself, in whatever asset the limits are stated.
            let value = if single { Some(*amount) } else { worth_of(market, *asset, *amount) };
            match value {
                Some(value) => profit.quote += value,
                None => profit.leave_out(*asset, *amount),
            }
        }
        profit
    }

    fn leave_out(&mut self, asset: AssetId, amount: Amount) {
        match self.unvalued.iter_mut().find(|(known, _)| *known == asset) {
            Some((_, sum)) => *sum += amount,
            None => self.unvalued.push((asset, amount)),
        }
    }
}

fn has_single_quote(market: &Market) -> bool {
    let mut quotes = market.tables().pairs.iter().map(|pair| pair.quote);
    quotes.next().is_none_or(|first| quotes.all(|quote| quote == first))
}

fn worth_of(market: &Market, asset: AssetId, amount: Amount) -> Option<Amount> {
    market.valuation().last_worth(asset)?.value_rounded_down(amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        BookBody, BookUpdate, InstrumentKind, Level, MonoNanos, PairId, PairInfo, PairScale, Price, Qty, Rate, ResyncReason,
        Symbol, Tables, VenueId,
    };
    use std::sync::Arc;

    const ASSETS: [&str; 4] = ["BTC", "ETH", "EUR", "USDT"];

    fn asset(name: &str) -> AssetId {
        AssetId(ASSETS.iter().position(|a| *a == name).unwrap() as u16)
    }

    fn market(pairs: &[&str], reference: Option<&str>) -> Market {
        let pairs = pairs.iter().map(|text| {
            let symbol = Symbol::parse(text).unwrap();
            let (base, quote) = (asset(&symbol.base), asset(&symbol.quote));
            PairInfo { symbol, kind: InstrumentKind::Spot, base, quote, scale: PairScale::new(2, 4).unwrap() }
        });
        let tables = Tables { venues: vec!["a".into()], pairs: pairs.collect(), assets: ASSETS.map(String::from).to_vec() };
        let mut market = Market::new(Arc::new(tables));
        market.set_reference(reference.map(asset));
        market
    }

    fn see(market: &mut Market, pair: u16, body: BookBody) {
        let at = MonoNanos(10);
        let update = BookUpdate { venue: VenueId(0), pair: PairId(pair), received: at, changed_at: None, sent_at: None, body };
        market.handle_book(&update).unwrap();
        market.revalue(PairId(pair), 1_000, Rate::ZERO, at);
    }

    /// A book around a mid, in price units.
    fn around(mid: i64) -> BookBody {
        let level = |units| vec![Level { price: Price::from_units(units).unwrap(), qty: Qty::from_units(1).unwrap() }];
        BookBody::Snapshot { id: 1, bids: level(mid - 100), asks: level(mid + 100) }
    }

    fn amount(text: &str) -> Amount {
        Amount::from_decimal(text.parse().unwrap()).unwrap()
    }

    fn amounts(of: &[(&str, &str)]) -> Vec<(AssetId, Amount)> {
        of.iter().map(|(name, text)| (asset(name), amount(text))).collect()
    }

    #[test]
    fn quotes_are_converted_into_the_reference_and_what_nothing_values_is_told() {
        let mut market = market(&["BTC/USDT", "ETH/BTC", "EUR/USDT", "BTC/EUR"], Some("USDT"));
        let pnl = amounts(&[("USDT", "5"), ("BTC", "0.001"), ("EUR", "-2.5")]);
        let none = Profit::of(&market, &pnl, &[]);
        let left_out = amounts(&[("BTC", "0.001"), ("EUR", "-2.5")]);
        assert_eq!(none, Profit { quote: amount("5"), unvalued: left_out }, "no book yet");

        see(&mut market, 0, around(5_000_000));
        let some = Profit::of(&market, &pnl, &amounts(&[("ETH", "-0.1"), ("EUR", "-1")]));
        let left_out = amounts(&[("ETH", "-0.1"), ("EUR", "-3.5")]);
        assert_eq!(some, Profit { quote: amount("55"), unvalued: left_out }, "what was unpriced already is told with it");

        see(&mut market, 2, around(120));
        let all = Profit { quote: amount("52"), unvalued: Vec::new() };
        assert_eq!(Profit::of(&market, &pnl, &[]), all);
        see(&mut market, 0, BookBody::Untrusted { reason: ResyncReason::Gap });
        assert_eq!(Profit::of(&market, &pnl, &[]), all, "what it was last worth is good enough for what was earned");
    }

    #[test]
    fn a_quote_that_earned_nothing_is_not_left_out() {
        let market = market(&["BTC/USDT", "ETH/BTC"], Some("USDT"));
        let profit = Profit::of(&market, &amounts(&[("BTC", "0"), ("USDT", "1")]), &[]);
        assert_eq!(profit, Profit { quote: amount("1"), unvalued: Vec::new() });
    }

    #[test]
    fn a_single_quote_is_told_as_it_is() {
        for reference in [None, Some("USDT"), Some("BTC")] {
            let market = market(&["BTC/USDT", "ETH/USDT"], reference);
            let (earned, fees) = (amounts(&[("USDT", "-0.000000000000000001")]), amounts(&[("EUR", "-1")]));
            let profit = Profit::of(&market, &earned, &fees);
            assert_eq!(profit, Profit { quote: earned[0].1, unvalued: fees }, "{reference:?}");
        }
    }
}
