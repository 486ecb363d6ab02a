//! Money of a paper account: exact, never negative.

use domain::{Amount, AssetId, BalanceEntry, Rate, Side};
use fill_model::Execution;
use std::collections::BTreeMap;

/// Balances by asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaperAccount {
    balances: BTreeMap<AssetId, Amount>,
}

/// What one execution did to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// The asset received, in which the fee was taken.
    pub asset: AssetId,
    /// The fee.
    pub fee: Amount,
}

/// The two assets of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairAssets {
    /// Base.
    pub base: AssetId,
    /// Quote.
    pub quote: AssetId,
    /// Decimals.
    pub scale: domain::PairScale,
}

impl PaperAccount {
    /// An account that owns `balances`; negative amounts count as nothing.
    pub fn new(balances: impl IntoIterator<Item = (AssetId, Amount)>) -> PaperAccount {
        let mut account = PaperAccount::default();
        for (asset, amount) in balances {
            if !amount.is_negative() {
                *account.balances.entry(asset).or_default() += amount;
            }
        }
        account
    }

    /// What is there of an asset.
    pub fn available(&self, asset: AssetId) -> Amount {
        self.balances.get(&asset).copied().unwrap_or_default()
    }

    /// Every asset, as a venue lists them.
    pub fn entries(&self) -> Vec<BalanceEntry> {
        let entry = |(asset, amount): (&AssetId, &Amount)| BalanceEntry {
            asset: *asset,
            available: *amount,
            locked: Amount::ZERO,
            version: None,
        };
        self.balances.iter().map(entry).collect()
    }

    /// True when the account covers an order as a venue freezes it: its whole value at the limit for a buy, its quantity for a sell.
    pub fn covers(&self, pair: PairAssets, side: Side, limit: domain::Price, qty: domain::Qty) -> bool {
        match side {
            Side::Buy => pair.scale.value_of(limit, qty).is_some_and(|value| value <= self.available(pair.quote)),
            Side::Sell => pair.scale.base_of(qty) <= self.available(pair.base),
        }
    }

    /// Books one execution; the fee is `rate` of what is received, rounded up, taken from it. `None` when its value is no exact
    /// amount, or the account does not cover it: then nothing is booked.
    pub fn book(&mut self, pair: PairAssets, side: Side, execution: Execution, rate: Rate) -> Option<Charged> {
        let value = pair.scale.value_of(execution.price, execution.qty)?;
        let base = pair.scale.base_of(execution.qty);
        let (gave, given, got, received) = match side {
            Side::Buy => (pair.quote, value, pair.base, base),
            Side::Sell => (pair.base, base, pair.quote, value),
        };
        let left = self.available(gave) - given;
        if left.is_negative() {
            return None;
        }
        let fee = received.times_rounded_up(rate);
        self.balances.insert(gave, left);
        *self.balances.entry(got).or_default() += received - fee;
        Some(Charged { asset: got, fee })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{PairScale, Price, Qty};

    const BASE: AssetId = AssetId(0);
    const QUOTE: AssetId = AssetId(1);

    fn amount(text: &str) -> Amount {
        Amount::from_decimal(text.parse().unwrap()).unwrap()
    }

    fn execution(price: i64, qty: i64) -> Execution {
        Execution { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
    }

    #[test]
    fn executions_move_both_sides_and_the_fee_comes_off_what_is_received() {
        let pair = PairAssets { base: BASE, quote: QUOTE, scale: PairScale::new(2, 4).unwrap() };
        let rate = Rate::from_bps(10).unwrap();
        let mut account = PaperAccount::new([(QUOTE, amount("1000")), (BASE, amount("-5"))]);
        assert!(account.covers(pair, Side::Buy, execution(10_000, 0).price, Qty::from_units(100_000).unwrap()));
        assert!(!account.covers(pair, Side::Buy, execution(10_001, 0).price, Qty::from_units(100_000).unwrap()));
        let bought = account.book(pair, Side::Buy, execution(10_000, 50_000), rate).unwrap();
        assert_eq!((bought.asset, bought.fee.to_text().as_str()), (BASE, "0.005"));
        assert_eq!((account.available(QUOTE).to_text(), account.available(BASE).to_text()), ("500".into(), "4.995".into()));
        let sold = account.book(pair, Side::Sell, execution(10_100, 40_000), rate).unwrap();
        assert_eq!((sold.asset, sold.fee.to_text().as_str()), (QUOTE, "0.404"));
        assert_eq!((account.available(QUOTE).to_text(), account.available(BASE).to_text()), ("903.596".into(), "0.995".into()));
        // What is not there can't be given, and nothing moves.
        let before = account.clone();
        assert_eq!(account.book(pair, Side::Sell, execution(1, 10_000), rate), None);
        assert_eq!(account, before);
    }
}
