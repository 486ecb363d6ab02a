//! The drop-copy monitor: an independent record of what arrived on the wire of one venue.
//!
//! Start at [`Monitor::placement_arrived`], which a dialect calls for every order that reached it, before anything is
//! decided about it, and [`Monitor::placement_outcome`], which says what became of it. Invariants are asked of it after
//! a run: [`Monitor::duplicate_texts`] (no client id twice), [`Monitor::counts`], [`Monitor::in_flight_max`].
//!
//! Lists are bounded by [`MonitorLimits`]; counts, the set of client ids and the maxima are complete.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rust_decimal::Decimal;

use crate::core::{Event, Exchange, OrderEventKind, OrderId, OrderKind, Side, TimeInForce, exact};

/// How much the lists keep. The oldest entry leaves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorLimits {
    /// Placements kept.
    pub placements_max: usize,
    /// Cancels kept.
    pub cancels_max: usize,
}

impl Default for MonitorLimits {
    fn default() -> MonitorLimits {
        MonitorLimits { placements_max: 100_000, cancels_max: 100_000 }
    }
}

/// An order placement as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Whose key signed it.
    pub user_id: u64,
    /// Client id as sent.
    pub text: Option<String>,
    /// Pair as sent.
    pub pair: String,
    /// Direction.
    pub side: Side,
    /// Limit or market.
    pub kind: OrderKind,
    /// Price, zero for market.
    pub price: Decimal,
    /// Amount as sent.
    pub amount: Decimal,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Server-side expiry (`x-gate-exptime`), Unix milliseconds, if it was given.
    pub expires_at_ms: Option<u64>,
}

/// What became of a placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementOutcome {
    /// Not decided yet.
    Pending,
    /// It became this order.
    Accepted(OrderId),
    /// It was refused with this label of the venue.
    Refused(String),
}

/// Number of a placement, in order of arrival from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementNo(pub u64);

/// What a cancel names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelTarget {
    /// An order id.
    Id(OrderId),
    /// A client id.
    Text(String),
    /// All orders that match.
    All,
}

/// A cancel as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelArrival {
    /// When, Unix nanoseconds.
    pub t_ns: u64,
    /// Whose key signed it.
    pub user_id: u64,
    /// Pair as sent, if any.
    pub pair: Option<String>,
    /// What it names.
    pub target: CancelTarget,
}

/// Complete counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonitorCounts {
    /// Placements that arrived.
    pub placements: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Placements whose client id had been seen before.
    pub duplicate_texts: u64,
    /// Placements without a client id.
    pub without_text: u64,
    /// Placements without an expiry.
    pub without_expiry: u64,
    /// Cancels that arrived.
    pub cancels: u64,
    /// In-flight sums that did not fit the number type; they are left out of the maxima.
    pub unsummed: u64,
}

/// The monitor of one venue.
#[derive(Debug, Default)]
pub struct Monitor {
    limits: MonitorLimits,
    counts: MonitorCounts,
    placements: VecDeque<(PlacementNo, Placement, PlacementOutcome)>,
    cancels: VecDeque<CancelArrival>,
    texts: BTreeSet<(u64, String)>,
    duplicates: BTreeSet<(u64, String)>,
    /// Quote asset and value at risk of placements not decided yet.
    pending: BTreeMap<PlacementNo, (String, Decimal)>,
    /// The same for orders that live.
    live: BTreeMap<OrderId, (String, Decimal)>,
    in_flight: BTreeMap<String, Decimal>,
    in_flight_max: BTreeMap<String, Decimal>,
}

impl Monitor {
    /// A monitor that has seen nothing.
    pub fn new(limits: MonitorLimits) -> Monitor {
        Monitor { limits, ..Monitor::default() }
    }

    /// Records a placement before anything is decided about it. `exchange` names the quote asset of its pair; the value
    /// of a placement on an unknown pair is counted under an empty name.
    pub fn placement_arrived(&mut self, exchange: &Exchange, placement: Placement) -> PlacementNo {
        let no = PlacementNo(self.counts.placements);
        self.counts.placements += 1;
        self.counts.without_expiry += u64::from(placement.expires_at_ms.is_none());
        match &placement.text {
            None => self.counts.without_text += 1,
            Some(text) => {
                let key = (placement.user_id, text.clone());
                if !self.texts.insert(key.clone()) {
                    self.counts.duplicate_texts += 1;
                    self.duplicates.insert(key);
                }
            }
        }
        let quote = exchange
            .pair_by_name(&placement.pair)
            .map_or_else(String::new, |pair| exchange.asset(exchange.pair(pair).quote).name.clone());
        let value = match (placement.kind, placement.side) {
            (OrderKind::Limit, _) => exact::multiply(placement.price, placement.amount).ok(),
            (OrderKind::Market, Side::Buy) => Some(placement.amount),
            // Its value is not known before it trades.
            (OrderKind::Market, Side::Sell) => None,
        };
        match value {
            Some(value) => {
                self.add_in_flight(&quote, value);
                self.pending.insert(no, (quote, value));
            }
            None => self.counts.unsummed += 1,
        }
        self.placements.push_back((no, placement, PlacementOutcome::Pending));
        if self.placements.len() > self.limits.placements_max {
            self.placements.pop_front();
        }
        no
    }

    /// Records what became of a placement. To be called once for each, before the events of the order are observed.
    pub fn placement_outcome(&mut self, no: PlacementNo, outcome: PlacementOutcome) {
        match &outcome {
            PlacementOutcome::Pending => return,
            PlacementOutcome::Accepted(order) => {
                self.counts.accepted += 1;
                if let Some(entry) = self.pending.remove(&no) {
                    self.live.insert(*order, entry);
                }
            }
            PlacementOutcome::Refused(_) => {
                self.counts.refused += 1;
                if let Some((quote, value)) = self.pending.remove(&no) {
                    self.add_in_flight(&quote, -value);
                }
            }
        }
        let first = self.placements.front().map_or(0, |(first, ..)| first.0);
        let entry = no.0.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = entry.and_then(|index| self.placements.get_mut(index)) {
            entry.2 = outcome;
        }
    }

    /// Records a cancel before anything is decided about it.
    pub fn cancel_arrived(&mut self, cancel: CancelArrival) {
        self.counts.cancels += 1;
        self.cancels.push_back(cancel);
        if self.cancels.len() > self.limits.cancels_max {
            self.cancels.pop_front();
        }
    }

    /// Follows the life of accepted orders. The world calls it with every batch of core events.
    pub fn observe(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Order(event) = event
                && event.kind == OrderEventKind::Finish
                && let Some((quote, value)) = self.live.remove(&event.order.id)
            {
                self.add_in_flight(&quote, -value);
            }
        }
    }

    fn add_in_flight(&mut self, quote: &str, value: Decimal) {
        let sum = self.in_flight.get(quote).copied().unwrap_or_default();
        let Ok(sum) = exact::add(sum, value) else {
            self.counts.unsummed += 1;
            return;
        };
        self.in_flight.insert(quote.to_owned(), sum);
        let max = self.in_flight_max.entry(quote.to_owned()).or_default();
        *max = sum.max(*max);
    }

    /// Complete counts.
    pub fn counts(&self) -> MonitorCounts {
        self.counts
    }

    /// Client ids that arrived more than once, with their user. Empty in a run that keeps I3.
    pub fn duplicate_texts(&self) -> impl Iterator<Item = (u64, &str)> {
        self.duplicates.iter().map(|(user, text)| (*user, text.as_str()))
    }

    /// Whether a placement with this client id ever arrived.
    pub fn has_seen_text(&self, user_id: u64, text: &str) -> bool {
        self.texts.contains(&(user_id, text.to_owned()))
    }

    /// Placements kept, oldest first.
    pub fn placements(&self) -> impl DoubleEndedIterator<Item = (&Placement, &PlacementOutcome)> {
        self.placements.iter().map(|(_, placement, outcome)| (placement, outcome))
    }

    /// Cancels kept, oldest first.
    pub fn cancels(&self) -> impl DoubleEndedIterator<Item = &CancelArrival> {
        self.cancels.iter()
    }

    /// Price × amount of all placements neither refused nor ended, per quote asset.
    pub fn in_flight(&self) -> &BTreeMap<String, Decimal> {
        &self.in_flight
    }

    /// The greatest value [`Monitor::in_flight`] ever had, per quote asset.
    pub fn in_flight_max(&self) -> &BTreeMap<String, Decimal> {
        &self.in_flight_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::{AccountId, NewOrder},
        world::WorldConfig,
    };

    fn arrival(number: u64) -> Placement {
        Placement {
            t_ns: number,
            user_id: 7,
            text: (number > 0).then(|| format!("t-{number}")),
            pair: "BTC_USDT".to_owned(),
            side: Side::Sell,
            kind: OrderKind::Limit,
            price: Decimal::from(60_000),
            amount: Decimal::new(1, 2),
            time_in_force: TimeInForce::Gtc,
            expires_at_ms: Some(number),
        }
    }

    fn exchange() -> (Exchange, AccountId) {
        let config = WorldConfig::demo(1);
        let mut exchange = Exchange::new(config.exchange_config(&config.venues[0])).expect("good configuration");
        let user = exchange.add_account(7, "user", config.venues[0].fees).expect("new user");
        let btc = exchange.asset_by_name("BTC").expect("listed");
        exchange.deposit(0, user, btc, Decimal::ONE).expect("deposit");
        (exchange, user)
    }

    #[test]
    fn value_is_in_flight_from_arrival_to_the_end_of_the_order() {
        let (mut exchange, user) = exchange();
        let mut monitor = Monitor::new(MonitorLimits::default());
        let in_flight = |monitor: &Monitor| monitor.in_flight()["USDT"];
        let first = monitor.placement_arrived(&exchange, arrival(1));
        assert_eq!(in_flight(&monitor), Decimal::from(600), "not decided yet");
        let second = monitor.placement_arrived(&exchange, arrival(2));
        monitor.placement_outcome(second, PlacementOutcome::Refused("TOO_MANY_REQUESTS".to_owned()));
        let pair = exchange.pair_by_name("BTC_USDT").expect("listed");
        let Placement { side, kind, price, amount, time_in_force, text, .. } = arrival(1);
        let order = NewOrder { account: user, pair, side, kind, price, amount, time_in_force, text };
        let id = exchange.place(3, order).expect("rests");
        monitor.placement_outcome(first, PlacementOutcome::Accepted(id));
        monitor.observe(&exchange.take_events());
        assert_eq!(in_flight(&monitor), Decimal::from(600), "rests");
        exchange.cancel(4, user, id).expect("open");
        monitor.observe(&exchange.take_events());
        assert_eq!(in_flight(&monitor), Decimal::ZERO);
        assert_eq!(monitor.in_flight_max()["USDT"], Decimal::from(1_200));
    }

    #[test]
    fn lists_are_bounded_and_counts_and_texts_are_complete() {
        let (exchange, _) = exchange();
        let mut monitor = Monitor::new(MonitorLimits { placements_max: 3, cancels_max: 2 });
        for number in 0..10 {
            let no = monitor.placement_arrived(&exchange, arrival(number));
            monitor.placement_outcome(no, PlacementOutcome::Refused(number.to_string()));
            let target = CancelTarget::Text(format!("t-{number}"));
            monitor.cancel_arrived(CancelArrival { t_ns: number, user_id: 7, pair: None, target });
        }
        let kept: Vec<(u64, &PlacementOutcome)> =
            monitor.placements().map(|(placement, outcome)| (placement.t_ns, outcome)).collect();
        let refused = |number: u64| PlacementOutcome::Refused(number.to_string());
        assert_eq!(kept, vec![(7, &refused(7)), (8, &refused(8)), (9, &refused(9))]);
        assert_eq!(monitor.cancels().map(|cancel| cancel.t_ns).collect::<Vec<_>>(), vec![8, 9]);
        let counts = monitor.counts();
        assert_eq!((counts.placements, counts.refused, counts.cancels, counts.without_text), (10, 10, 10, 1));
        assert_eq!(monitor.duplicate_texts().count(), 0);
        monitor.placement_arrived(&exchange, arrival(1));
        assert_eq!(monitor.duplicate_texts().collect::<Vec<_>>(), vec![(7, "t-1")], "long after it left the list");
        // Another user's text is another text.
        monitor.placement_arrived(&exchange, Placement { user_id: 8, ..arrival(1) });
        assert_eq!(monitor.duplicate_texts().count(), 1);
    }
}
