//! Books as the judge sees them: every state the venues' own books had, and when bytes of each book reached the engine.

use crate::venues::Halt;
use domain::number::pow10;
use domain::{Level, MonoNanos, PairId, PairScale, Tables, VenueId};
use order_book::OrderBook;
use rust_decimal::Decimal;
use sim_exchange::core::Side;
use sim_exchange::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Levels compared on each side: as deep as the shallowest channel.
const DEPTH: usize = 20;
/// States kept of each book, newest last: more than any frame or cached copy is late.
const STATES_MAX: usize = 4_000;

/// Price and quantity in units of the pair's scale.
type Units = (i64, i64);

#[derive(Debug, Default)]
struct State {
    /// The venue's id of it.
    id: u64,
    /// When the book became this, by the venue.
    t_ns: u64,
    bids: Vec<Units>,
    asks: Vec<Units>,
}

/// The states of one book, oldest first: their ids and times only grow.
#[derive(Debug, Default)]
struct States(VecDeque<State>);

impl States {
    fn last_id(&self) -> Option<u64> {
        self.0.back().map(|state| state.id)
    }

    fn get(&self, id: u64) -> Option<&State> {
        self.0.get(self.0.partition_point(|state| state.id < id)).filter(|state| state.id == id)
    }

    fn first_after(&self, id: u64) -> Option<&State> {
        self.0.get(self.0.partition_point(|state| state.id <= id))
    }

    /// Room for the next state: what the oldest leaves behind, once there are enough.
    fn room(&mut self) -> State {
        if self.0.len() < STATES_MAX { State::default() } else { self.0.pop_front().unwrap_or_default() }
    }

    fn push(&mut self, state: State) {
        assert!(self.last_id().is_none_or(|last| last < state.id), "Invariant: a venue's book does not go back");
        self.0.push_back(state);
    }
}

/// Every state of every venue's books, by the venue's id of it.
#[derive(Debug)]
pub struct VenueBooks {
    tables: Arc<Tables>,
    /// The venues' names of the pairs.
    names: Vec<String>,
    /// Levels a side that each venue's book channel shows, as far as they are compared.
    depths: Vec<usize>,
    /// Venue-major.
    states: Vec<States>,
    /// The venues' numbers of the pairs, venue-major; found once.
    theirs: Vec<Option<sim_exchange::core::PairId>>,
    halts: Vec<Halt>,
}

impl VenueBooks {
    /// Nothing seen yet. Each venue's book channel shows so many levels a side; beyond [`DEPTH`] nothing is compared.
    pub fn new(tables: Arc<Tables>, depths: Vec<usize>, halts: Vec<Halt>) -> VenueBooks {
        let names = tables.pairs.iter().map(|info| format!("{}_{}", info.symbol.base, info.symbol.quote)).collect();
        let states = (0..tables.venues.len() * tables.pairs.len()).map(|_| States::default()).collect();
        VenueBooks { tables, names, depths, states, theirs: Vec::new(), halts }
    }

    fn slot(&self, venue: VenueId, pair: PairId) -> usize {
        venue.index() * self.names.len() + pair.index()
    }

    fn states(&self, venue: VenueId, pair: PairId) -> Option<&States> {
        self.states.get(self.slot(venue, pair))
    }

    /// Records the books that changed since the last call.
    ///
    /// # Panics
    /// For a venue's price that does not fit the scale that was made from its rules: a mistake of the simulator.
    pub fn record(&mut self, world: &World) {
        if self.theirs.is_empty() {
            let venues = self.tables.venue_ids().map(|venue| world.exchange(venue.index()));
            self.theirs = venues.flat_map(|exchange| self.names.iter().map(|name| exchange.pair_by_name(name))).collect();
        }
        let pairs = self.names.len();
        for (slot, (states, theirs)) in self.states.iter_mut().zip(&self.theirs).enumerate() {
            let (Some(theirs), Some(info)) = (theirs, self.tables.pairs.get(slot % pairs)) else { continue };
            let book = world.exchange(slot / pairs).book(*theirs);
            if states.last_id() == Some(book.update_id()) {
                continue;
            }
            let mut state = states.room();
            (state.id, state.t_ns) = (book.update_id(), book.update_t_ns());
            for (held, side) in [(&mut state.bids, Side::Buy), (&mut state.asks, Side::Sell)] {
                held.clear();
                held.reserve(DEPTH);
                held.extend(book.levels(side).take(DEPTH).map(|level| units(level.price, level.amount, info.scale)));
            }
            states.push(state);
        }
    }

    /// How long ago the venue stopped showing the state of this id; `None` while it still is.
    pub fn behind_ns(&self, venue: VenueId, pair: PairId, id: u64, t_ns: u64) -> Option<u64> {
        let changed = self.states(venue, pair)?.first_after(id)?.t_ns;
        let name = self.names.get(pair.index())?;
        let halts = self.halts.iter().filter(|halt| halt.venue == venue && halt.pair == *name);
        let shown = halts.filter(|halt| (halt.from..halt.until).contains(&changed)).map(|halt| halt.until).min();
        Some(t_ns.saturating_sub(shown.unwrap_or(changed)))
    }

    /// Compares a live book with the venue's own of the same id (I12).
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&self, venue: VenueId, pair: PairId, book: &OrderBook) -> Result<(), String> {
        let id = book.id();
        let (bids, asks) = (side_of(book.bids()), side_of(book.asks()));
        if bids.iter().chain(&asks).any(|(price, qty)| *price <= 0 || *qty <= 0) {
            return Err(format!("the live book {id} has a level that is not positive"));
        }
        if bids.windows(2).any(|w| w[0].0 <= w[1].0) || asks.windows(2).any(|w| w[0].0 >= w[1].0) {
            return Err(format!("the live book {id} is not strictly sorted"));
        }
        if let (Some(bid), Some(ask)) = (bids.first(), asks.first())
            && bid.0 >= ask.0
        {
            return Err(format!("the live book {id} is crossed: bid {} ask {}", bid.0, ask.0));
        }
        let Some(state) = self.states(venue, pair).and_then(|states| states.get(id)) else {
            return Err(format!("the live book has the id {id}, which no state of the venue's book had"));
        };
        let newer = match book.overlay_id() {
            None => None,
            Some(id) => match self.states(venue, pair).and_then(|states| states.get(id)) {
                Some(state) => Some(state),
                None => return Err(format!("a top overlays the book with the id {id}, which no state of the venue's book had")),
            },
        };
        // A newer top hides what is better than it, and stands for what it is.
        let shown = |held: &[Units], top: Option<Option<&Units>>, worse: fn(i64, i64) -> bool| -> Vec<Units> {
            match top {
                None => held.to_vec(),
                Some(None) => Vec::new(),
                Some(Some(top)) => {
                    let rest = held.iter().filter(|level| worse(level.0, top.0));
                    std::iter::once(top).chain(rest).take(DEPTH).copied().collect()
                }
            }
        };
        let theirs = [
            shown(&state.bids, newer.map(|state| state.bids.first()), |level, top| level < top),
            shown(&state.asks, newer.map(|state| state.asks.first()), |level, top| level > top),
        ];
        let shown_levels = self.depths.get(venue.index()).copied().unwrap_or(DEPTH).min(DEPTH);
        let depth =
            |ours: &[Units], theirs: &[Units]| if newer.is_some() { ours.len().min(theirs.len()).max(1) } else { shown_levels };
        for (what, ours, theirs) in [("bids", &bids, &theirs[0]), ("asks", &asks, &theirs[1])] {
            // Below a top the judge, which keeps as many levels as it compares, may know fewer than the engine. The top itself, or that
            // there is none, both know.
            let most = depth(ours, theirs);
            if ours.iter().take(most).ne(theirs.iter().take(most)) {
                let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
                return Err(format!(
                    "{what} of the live book {id} differ from the venue's at level {at}: ours {:?}, theirs {:?}",
                    ours.get(at),
                    theirs.get(at)
                ));
            }
        }
        Ok(())
    }
}

fn side_of(levels: impl Iterator<Item = Level>) -> Vec<Units> {
    levels.take(DEPTH).map(|level| (level.price.units(), level.qty.units())).collect()
}

fn units(price: Decimal, amount: Decimal, scale: PairScale) -> Units {
    (whole(price, u32::from(scale.price_decimals())), whole(amount, u32::from(scale.qty_decimals())))
}

fn whole(value: Decimal, decimals: u32) -> i64 {
    // As it stands if that fits: to strip zeros costs divisions, and a venue's book has thousands of states.
    let value = if value.scale() <= decimals { value } else { value.normalize() };
    assert!(value.scale() <= decimals, "Invariant: a venue's numbers fit the scale of its rules");
    let units = value.mantissa().checked_mul(pow10(decimals - value.scale()));
    units.and_then(|units| i64::try_from(units).ok()).expect("Invariant: a venue's numbers fit 64 bits")
}

/// When the engine's process last received bytes of each book, by its monotonic clock.
#[derive(Debug, Default)]
pub struct Deliveries {
    last: BTreeMap<(VenueId, PairId), MonoNanos>,
}

impl Deliveries {
    /// A frame or a copy of the book arrived.
    pub fn arrived(&mut self, venue: VenueId, pair: PairId, now: MonoNanos) {
        self.last.insert((venue, pair), now);
    }

    /// The venue's public link was lost: what came before is worth nothing.
    pub fn link_lost(&mut self, venue: VenueId) {
        self.last.retain(|(of, _), _| *of != venue);
    }

    /// A new process has received nothing.
    pub fn new_process(&mut self) {
        self.last.clear();
    }

    /// Nanoseconds since the last bytes; `None` when none count.
    pub fn age_ns(&self, venue: VenueId, pair: PairId, now: MonoNanos) -> Option<u64> {
        self.last.get(&(venue, pair)).map(|at| now.since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{BookBody, Price, Qty};

    const AT: (VenueId, PairId) = (VenueId(0), PairId(0));

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(qty).unwrap() }
    }

    /// What the judge says of a book at id 5 that a top of id 6 overlays, where the venue had these bids at id 6.
    fn verdict(theirs: &[Units], ours: Option<Level>) -> Result<(), String> {
        let tables = Tables { venues: vec![], pairs: vec![], assets: vec![] };
        let mut books = VenueBooks::new(Arc::new(tables), vec![DEPTH], vec![]);
        let state = |id, bids: &[Units]| State { id, t_ns: 0, bids: bids.to_vec(), asks: vec![(101, 1)] };
        books.states.push(States(VecDeque::from([state(5, &[(100, 1), (99, 2)]), state(6, theirs)])));
        let mut book = OrderBook::new();
        book.apply(&BookBody::Snapshot { id: 5, bids: vec![level(100, 1), level(99, 2)], asks: vec![level(101, 1)] }).unwrap();
        book.apply(&BookBody::Top { id: 6, bid: ours, ask: Some(level(101, 1)) }).unwrap();
        books.compare(AT.0, AT.1, &book)
    }

    #[test]
    fn a_side_that_a_top_empties_must_be_empty_at_the_venue_and_the_other_way_round() {
        assert_eq!(verdict(&[(99, 2)], Some(level(99, 2))), Ok(()));
        assert_eq!(verdict(&[], None), Ok(()));
        assert!(verdict(&[(99, 3)], Some(level(99, 2))).is_err());
        assert!(verdict(&[(99, 2)], None).is_err());
        assert!(verdict(&[], Some(level(99, 2))).is_err());
    }

    #[test]
    fn what_a_halted_venue_does_not_show_counts_from_the_end_of_the_halt() {
        let pairs = ["BTC/USDT", "SOL/USDT"].map(|symbol| domain::PairInfo {
            symbol: domain::Symbol::parse(symbol).unwrap(),
            kind: domain::InstrumentKind::Spot,
            base: domain::AssetId(0),
            quote: domain::AssetId(1),
            scale: domain::PairScale::new(1, 6).unwrap(),
        });
        let tables = Tables { venues: vec!["a".into()], pairs: pairs.into(), assets: vec![] };
        let halt = Halt { venue: VenueId(0), pair: "BTC_USDT".into(), from: 10, until: 50 };
        let mut books = VenueBooks::new(Arc::new(tables), vec![DEPTH], vec![halt]);
        let state = |id, t_ns| State { id, t_ns, bids: vec![], asks: vec![] };
        for states in &mut books.states {
            *states = States(VecDeque::from([state(5, 1), state(6, 9), state(7, 12), state(8, 60)]));
        }
        let behind = |pair, id| books.behind_ns(VenueId(0), PairId(pair), id, 100);
        assert_eq!([5, 6, 7, 8].map(|id| behind(0, id)), [Some(91), Some(50), Some(40), None]);
        assert_eq!([5, 6, 7, 8].map(|id| behind(1, id)), [Some(91), Some(88), Some(40), None]);
    }
}
