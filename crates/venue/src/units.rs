//! Amounts of assets that a venue counts in units of its own, in ours.
//!
//! Prices and quantities need nothing: a session reads and writes them in scales that have our counts ([`Aliases::tables`]). Balances and
//! fees have one scale for all assets, so those of such an asset leave the session as the venue's and are multiplied here. A session
//! whose venue has our units is left as it is.

use crate::aliases::Aliases;
use crate::number::AMOUNT_UNITS_MAX;
use crate::session::{LinkId, LossReason, Response, Ticket, Transmit, VenueSession};
use crate::stats::SessionStats;
use domain::{Amount, AssetId, Command, Fill, Input, MonoNanos, Tables, UnixNanos, VenueId};

/// Puts a session's amounts into our units. `ours` are the tables by our names.
pub fn in_our_units(session: Box<dyn VenueSession>, aliases: &Aliases, ours: &Tables) -> Box<dyn VenueSession> {
    let units = Units::new(aliases, ours);
    if units.0.is_empty() { session } else { Box::new(InOurUnits { session, units }) }
}

/// The assets that a venue counts in units of its own, and how many of ours one is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Units(Vec<(AssetId, i128)>);

impl Units {
    fn new(aliases: &Aliases, ours: &Tables) -> Units {
        let unit = |alias: &crate::Alias| {
            let id = ours.asset_id(&alias.ours)?;
            // A power that does not fit never got past the scales of its pairs.
            Some((id, 10i128.checked_pow(u32::from(alias.tens))?))
        };
        Units(aliases.iter().filter(|alias| alias.tens > 0).filter_map(unit).collect())
    }

    /// Exact. Beyond what amounts of a venue may be at all, which is more than there is of any asset, it is that most.
    fn amount(&self, asset: AssetId, amount: &mut Amount) {
        if let Some((_, unit)) = self.0.iter().find(|(id, _)| *id == asset) {
            let units = amount.units().saturating_mul(*unit).clamp(-AMOUNT_UNITS_MAX, AMOUNT_UNITS_MAX);
            *amount = Amount::from_units(units);
        }
    }

    fn fill(&self, fill: &mut Fill) {
        fill.fees.iter_mut().for_each(|(asset, fee)| self.amount(*asset, fee));
    }

    /// Every kind stands here, so that a new one is thought of.
    fn input(&self, input: &mut Input) {
        match input {
            Input::Fill(fill) => self.fill(fill),
            Input::Trades(report) => report.fills.iter_mut().for_each(|fill| self.fill(fill)),
            Input::Balances(report) => {
                for entry in &mut report.entries {
                    self.amount(entry.asset, &mut entry.available);
                    self.amount(entry.asset, &mut entry.locked);
                }
            }
            // Counts in the pair's scale, values in quote, rates, times.
            Input::Book(_)
            | Input::Order(_)
            | Input::OpenOrders(_)
            | Input::ReadFailed(_)
            | Input::Link(_)
            | Input::Rules(_)
            | Input::Market(_)
            | Input::Fees(_)
            | Input::Account(_)
            | Input::Budget(_)
            | Input::RoundTrip(_)
            | Input::Clock(_)
            | Input::LogWritten { .. }
            | Input::LogFailed
            | Input::Operator(_)
            | Input::Config(_)
            | Input::Storage { .. }
            | Input::DeadMan(_)
            | Input::Ban(_)
            | Input::Queue { .. }
            | Input::Tick { .. } => {}
        }
    }
}

/// A session whose venue counts some assets in units of its own.
struct InOurUnits {
    session: Box<dyn VenueSession>,
    units: Units,
}

impl InOurUnits {
    /// Lets the session speak, and converts what it appended.
    fn of<T>(&mut self, updates: &mut Vec<Input>, call: impl FnOnce(&mut dyn VenueSession, &mut Vec<Input>) -> T) -> T {
        let before = updates.len();
        let told = call(self.session.as_mut(), updates);
        updates.iter_mut().skip(before).for_each(|input| self.units.input(input));
        told
    }
}

impl VenueSession for InOurUnits {
    fn venue(&self) -> VenueId {
        self.session.venue()
    }

    fn start(&mut self, now: MonoNanos) {
        self.session.start(now);
    }

    fn handle_connected(&mut self, link: LinkId, now: MonoNanos, updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.handle_connected(link, now, updates));
    }

    fn handle_frame(&mut self, link: LinkId, now: MonoNanos, frame: &mut [u8], updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.handle_frame(link, now, frame, updates));
    }

    fn handle_lost(&mut self, link: LinkId, now: MonoNanos, reason: LossReason, updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.handle_lost(link, now, reason, updates));
    }

    fn handle_response(&mut self, ticket: Ticket, now: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.handle_response(ticket, now, response, updates));
    }

    fn handle_timeout(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.handle_timeout(now, updates));
    }

    fn handle_paused(&mut self, now: MonoNanos, updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.handle_paused(now, updates));
    }

    fn submit(&mut self, now: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        self.of(updates, |session, updates| session.submit(now, command, updates));
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos, updates: &mut Vec<Input>) -> Option<Transmit> {
        self.of(updates, |session, updates| session.poll_transmit(now, wall, updates))
    }

    fn poll_timeout(&self) -> Option<MonoNanos> {
        self.session.poll_timeout()
    }

    fn shutdown(&mut self, now: MonoNanos) {
        self.session.shutdown(now);
    }

    fn public_parked_until(&self, limit: usize) -> Option<MonoNanos> {
        self.session.public_parked_until(limit)
    }

    fn park_public(&mut self, limit: usize, until: MonoNanos) {
        self.session.park_public(limit, until);
    }

    fn ban_until(&mut self, until: MonoNanos) {
        self.session.ban_until(until);
    }

    fn stats(&self) -> &SessionStats {
        self.session.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alias;
    use domain::{
        BalanceEntry, BalanceReport, BalanceSource, OrderSource, PairId, Price, Qty, Role, Side, TradeId, TradesReport,
        VenueOrderId,
    };

    fn amount(text: &str) -> Amount {
        Amount::from_decimal(text.parse().unwrap()).unwrap()
    }

    fn thousands() -> Units {
        let ours = Tables { assets: ["SATS", "USDT"].map(String::from).to_vec(), ..Tables::default() };
        let alias = |ours: &str, theirs: &str, tens| Alias { ours: ours.into(), theirs: theirs.into(), tens };
        Units::new(&Aliases::new([alias("SATS", "1000SATS", 3), alias("USDT", "USD", 0)]), &ours)
    }

    fn fill(fees: &[(AssetId, Amount)]) -> Fill {
        Fill {
            venue: VenueId(0),
            pair: PairId(0),
            trade_id: TradeId::new("1").unwrap(),
            client_id: None,
            venue_order_id: VenueOrderId::new("2").unwrap(),
            side: Side::Buy,
            price: Price::from_units(5).unwrap(),
            qty: Qty::from_units(7_000).unwrap(),
            quote: None,
            fees: fees.iter().copied().collect(),
            role: Role::Taker,
            executed_at: None,
            source: OrderSource::Stream,
            received: MonoNanos(1),
        }
    }

    #[test]
    fn amounts_of_the_asset_are_multiplied_and_all_else_is_left() {
        let (units, sats, usdt) = (thousands(), AssetId(0), AssetId(1));
        let told = |mut input: Input| {
            units.input(&mut input);
            input
        };
        let theirs = fill(&[(sats, amount("0.00012345")), (usdt, amount("0.5"))]);
        let ours = fill(&[(sats, amount("0.12345")), (usdt, amount("0.5"))]);
        assert_eq!(told(Input::Fill(theirs.clone())), Input::Fill(ours.clone()), "price and quantity are counts already");
        let report = |fills| TradesReport {
            venue: VenueId(0),
            pair: PairId(0),
            requested: MonoNanos(0),
            received: MonoNanos(1),
            since: UnixNanos(0),
            complete: true,
            fills,
        };
        assert_eq!(told(Input::Trades(report(vec![theirs]))), Input::Trades(report(vec![ours])));
        let balances = |sats_free, sats_locked, usdt_free| {
            let entry = |asset, available, locked| BalanceEntry { asset, available, locked, version: Some(3) };
            let entries = vec![entry(sats, sats_free, sats_locked), entry(usdt, usdt_free, Amount::ZERO)];
            let (source, requested, received) = (BalanceSource::Query, MonoNanos(0), MonoNanos(1));
            Input::Balances(BalanceReport { venue: VenueId(0), source, requested, received, entries })
        };
        let one = Amount::from_units(1);
        assert_eq!(
            told(balances(amount("12.000000000000000001"), one, one)),
            balances(amount("12000.000000000000001"), Amount::from_units(1_000), one)
        );
        let most = Amount::from_units(AMOUNT_UNITS_MAX);
        assert_eq!(told(balances(most, Amount::from_units(-AMOUNT_UNITS_MAX), most)), balances(most, -most, most));
    }

    #[test]
    fn a_venue_of_our_units_has_none() {
        let ours = Tables { assets: vec!["RON".into()], ..Tables::default() };
        let ron = Aliases::new([Alias { ours: "RON".into(), theirs: "RONIN".into(), tens: 0 }]);
        assert_eq!((Units::new(&ron, &ours), Units::new(&Aliases::default(), &ours)), (Units(Vec::new()), Units(Vec::new())));
    }
}
