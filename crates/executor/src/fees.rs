//! The check of every fill's fee against what the venue said it charges (F21).
//!
//! Fees are booked as charged, whatever they are ([`crate::Ledger`] is moved by the fill). This is only the watch over the prediction
//! that detection and sizing use: while the last fill on some (venue, pair) was charged otherwise, openings with that venue pause
//! (`fee_drift`), and the venue's rates are asked for anew. The pause clears itself when the rates are told and explain that fill, when
//! a later fill there is charged as predicted, or when a person resumes.
//!
//! Start at [`FeeWatch::judge`]. What is compared, by the predicted asset ([`FeeRates::paid_in`]):
//! - base or quote: the amount of that asset × the rate for the fill's role, within [`ROUNDING`]; on a token's own pair, where the
//!   token pays, within a twentieth of it;
//! - another token (GT, points): only that the fill was not charged in base or quote, since its amount needs the token's price.

use domain::{Amount, AssetId, FeeRates, Fill, PairId, PairInfo, Role, Side, VenueId};

/// How far a charge may be from amount × rate: one unit of the eighth decimal, to which Gate prints fees. Which way a venue rounds is
/// not documented.
const ROUNDING: Amount = Amount::from_units(10_000_000_000);

/// A fee that was converted from quote to base may be off by one part in so many: by as much may the price of the conversion (the
/// token's of the last minutes) be off the fill's. Rates of neighbouring tiers differ by more.
const CONVERTED_PART: i128 = 20;

/// What a fill was charged, reduced to what a rate must explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) role: Role,
    pub(crate) received: AssetId,
    pub(crate) base: (AssetId, Amount),
    pub(crate) quote: (AssetId, Amount),
    pub(crate) in_base: Amount,
    pub(crate) in_quote: Amount,
    pub(crate) in_tokens: bool,
}

impl Charge {
    /// `None` for a fill whose value is absurd, which is somebody else's to refuse.
    fn of(fill: &Fill, info: &PairInfo) -> Option<Charge> {
        let in_asset = |asset| fill.fees.iter().filter(|(charged, _)| *charged == asset).map(|(_, fee)| *fee).sum();
        Some(Charge {
            role: fill.role,
            received: if fill.side == Side::Buy { info.base } else { info.quote },
            base: (info.base, info.scale.base_of(fill.qty)),
            quote: (info.quote, fill.value(info.scale)?),
            in_base: in_asset(info.base),
            in_quote: in_asset(info.quote),
            in_tokens: fill.fees.iter().any(|(asset, fee)| *asset != info.base && *asset != info.quote && !fee.is_zero()),
        })
    }

    /// Whether these rates explain it.
    fn is_explained_by(&self, rates: &FeeRates) -> bool {
        let rate = if self.role == Role::Taker { rates.taker } else { rates.maker };
        let paid_in = rates.paid_in.unwrap_or(self.received);
        let (mut in_base, mut in_quote) = (Amount::ZERO, Amount::ZERO);
        if paid_in == self.base.0 {
            in_base = self.base.1.times_rounded_up(rate);
        } else if paid_in == self.quote.0 {
            in_quote = self.quote.1.times_rounded_up(rate);
        }
        let token_expected = paid_in != self.base.0 && paid_in != self.quote.0;
        let near = |charged: Amount, predicted: Amount| (charged - predicted).abs() <= ROUNDING;
        if rates.paid_in == Some(self.base.0) {
            // A token's price made it an amount of base, also where base is received, and that price need not be the fill's.
            let apart = (self.in_base - in_base).abs().units();
            let within = ROUNDING.units().saturating_add(in_base.abs().units() / CONVERTED_PART);
            return apart <= within && near(self.in_quote, in_quote) && !self.in_tokens;
        }
        near(self.in_base, in_base) && near(self.in_quote, in_quote) && (token_expected || !self.in_tokens)
    }
}

/// Fills that the rates do not explain, one for each (venue, pair): the last one there.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeeWatch {
    pub(crate) unexplained: Vec<(VenueId, PairId, Charge)>,
    /// Fills whose fee was not the predicted one.
    pub(crate) drifts: u64,
}

impl FeeWatch {
    /// Compares a fill of ours with the rates that were last told; true when they do not explain it. Without rates nothing is
    /// predicted.
    pub(crate) fn judge(&mut self, fill: &Fill, info: &PairInfo, rates: Option<FeeRates>) -> bool {
        let (Some(rates), Some(charge)) = (rates, Charge::of(fill, info)) else { return false };
        self.unexplained.retain(|(venue, pair, _)| (*venue, *pair) != (fill.venue, fill.pair));
        let drift = !charge.is_explained_by(&rates);
        if drift {
            self.drifts += 1;
            self.unexplained.push((fill.venue, fill.pair, charge));
        }
        drift
    }

    /// New rates: what they explain is explained.
    pub(crate) fn told(&mut self, rates: &FeeRates) {
        let here = |venue: VenueId, pair: PairId| (venue, pair) == (rates.venue, rates.pair);
        self.unexplained.retain(|(venue, pair, charge)| !(here(*venue, *pair) && charge.is_explained_by(rates)));
    }

    /// Counts begin with this process.
    pub(crate) fn forget_count(&mut self) {
        self.drifts = 0;
    }

    /// A person has looked.
    pub(crate) fn resumed(&mut self) {
        self.unexplained.clear();
    }

    /// Venues with which openings must pause.
    pub(crate) fn venues(&self) -> impl Iterator<Item = VenueId> + '_ {
        self.unexplained.iter().map(|(venue, _, _)| *venue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrayvec::ArrayVec;
    use domain::{InstrumentKind, MonoNanos, OrderSource, PairScale, Price, Qty, Rate, Symbol, TradeId, VenueOrderId};

    const VENUE: VenueId = VenueId(1);
    const PAIR: PairId = PairId(0);
    const BTC: AssetId = AssetId(0);
    const GT: AssetId = AssetId(1);
    const USDT: AssetId = AssetId(2);

    fn info() -> PairInfo {
        PairInfo {
            symbol: Symbol::parse("BTC/USDT").unwrap(),
            kind: InstrumentKind::Spot,
            base: BTC,
            quote: USDT,
            scale: PairScale::new(2, 8).unwrap(),
        }
    }

    fn amount(text: &str) -> Amount {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        Amount::from_units(format!("{whole}{fraction:0<18}").parse().unwrap())
    }

    /// 0.01 BTC at 60 000, charged this.
    fn fill(side: Side, role: Role, fees: &[(AssetId, &str)]) -> Fill {
        Fill {
            venue: VENUE,
            pair: PAIR,
            trade_id: TradeId::new("1").unwrap(),
            client_id: None,
            venue_order_id: VenueOrderId::new("1").unwrap(),
            side,
            price: Price::from_units(6_000_000).unwrap(),
            qty: Qty::from_units(1_000_000).unwrap(),
            quote: None,
            fees: fees.iter().map(|(asset, fee)| (*asset, amount(fee))).collect::<ArrayVec<_, 3>>(),
            role,
            executed_at: None,
            source: OrderSource::Stream,
            received: MonoNanos(7),
        }
    }

    /// 0.1 % for takers, 0.05 % for makers.
    fn rates(paid_in: Option<AssetId>) -> FeeRates {
        let rate = |nano| Rate::from_nano(nano).unwrap();
        FeeRates { venue: VENUE, pair: PAIR, taker: rate(1_000_000), maker: rate(500_000), paid_in }
    }

    #[track_caller]
    fn check(side: Side, role: Role, paid_in: Option<AssetId>, fees: &[(AssetId, &str)], explained: bool) {
        let mut watch = FeeWatch::default();
        watch.judge(&fill(side, role, fees), &info(), Some(rates(paid_in)));
        assert_eq!((watch.drifts, watch.venues().count()), (u64::from(!explained), usize::from(!explained)), "{side} {fees:?}");
    }

    #[test]
    fn a_fee_in_the_received_asset_is_compared_to_one_unit_of_rounding() {
        let (buy, sell, taker) = (Side::Buy, Side::Sell, Role::Taker);
        check(buy, taker, None, &[(BTC, "0.00001")], true);
        check(buy, taker, None, &[(BTC, "0.00001001")], true);
        check(buy, taker, None, &[(BTC, "0.00000999")], true);
        check(buy, taker, None, &[(BTC, "0.00001002")], false);
        check(buy, taker, None, &[(BTC, "0.00002")], false);
        check(buy, taker, None, &[], false);
        check(sell, taker, None, &[(USDT, "0.6")], true);
        check(sell, taker, None, &[(USDT, "1.2")], false);
        check(buy, Role::Maker, None, &[(BTC, "0.000005")], true);
        check(buy, Role::Maker, None, &[(BTC, "0.00001")], false);
    }

    #[test]
    fn a_fee_in_another_asset_than_predicted_is_drift_and_a_tokens_amount_is_not_judged() {
        let (buy, taker) = (Side::Buy, Role::Taker);
        check(buy, taker, Some(GT), &[(GT, "0.05")], true);
        check(buy, taker, Some(GT), &[(BTC, "0.00001")], false);
        check(buy, taker, Some(GT), &[(GT, "0.02"), (BTC, "0.000005")], false);
        check(buy, taker, None, &[(GT, "0.05")], false);
        check(buy, taker, None, &[(BTC, "0.00001"), (GT, "0.05")], false);
        check(buy, taker, Some(USDT), &[(USDT, "0.6")], true);
        check(buy, taker, Some(USDT), &[(BTC, "0.00001")], false);
    }

    #[test]
    fn a_token_that_is_the_pairs_own_base_is_converted_at_the_venues_price_not_the_fills() {
        let (sell, taker) = (Side::Sell, Role::Taker);
        check(sell, taker, Some(BTC), &[(BTC, "0.00001")], true);
        check(sell, taker, Some(BTC), &[(BTC, "0.00001013")], true);
        check(sell, taker, Some(BTC), &[(BTC, "0.00000987")], true);
        check(sell, taker, Some(BTC), &[(BTC, "0.0000125")], false);
        check(sell, taker, Some(BTC), &[], false);
        check(sell, taker, Some(BTC), &[(USDT, "0.6")], false);
        check(Side::Buy, taker, Some(BTC), &[(BTC, "0.00001013")], true);
        check(Side::Buy, taker, Some(BTC), &[(BTC, "0.0000125")], false);
        // Charged because it is received, and not because a token pays: exact.
        check(Side::Buy, taker, None, &[(BTC, "0.00001013")], false);
    }

    #[test]
    fn drift_ends_by_rates_that_explain_it_by_a_good_fill_or_by_a_person() {
        let drifted = || {
            let mut watch = FeeWatch::default();
            watch.judge(&fill(Side::Buy, Role::Taker, &[(BTC, "0.00002")]), &info(), Some(rates(None)));
            watch
        };
        let mut watch = drifted();
        watch.told(&rates(None));
        assert_eq!(watch.venues().collect::<Vec<_>>(), [VENUE]);
        let twice = Rate::from_nano(2_000_000).unwrap();
        watch.told(&FeeRates { pair: PairId(1), taker: twice, ..rates(None) });
        assert_eq!(watch.venues().count(), 1);
        watch.told(&FeeRates { taker: twice, ..rates(None) });
        assert_eq!(watch.venues().count(), 0);

        let mut watch = drifted();
        watch.judge(&fill(Side::Buy, Role::Taker, &[(BTC, "0.00001")]), &info(), Some(rates(None)));
        assert_eq!((watch.venues().count(), watch.drifts), (0, 1));
        let mut watch = drifted();
        watch.resumed();
        assert_eq!((watch.venues().count(), watch.drifts), (0, 1));
        // Nothing was predicted yet.
        let mut watch = FeeWatch::default();
        watch.judge(&fill(Side::Buy, Role::Taker, &[]), &info(), None);
        assert_eq!((watch.venues().count(), watch.drifts), (0, 0));
    }
}
