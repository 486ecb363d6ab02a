//! What leaves and arrives, judged by its bytes: the drop-copy of placements against intents and prices (I7), rate limits and waits
//! that the venue asked for (I14), the budget of copies of books (I13), secrets (I15).

use super::{Check, Invariant, broken};
use crate::speech::{Speech, crossing};
use crate::venues::Bounds;
use domain::time::SECOND;
use domain::{ClientOrderId, NewOrder, PairScale, Purpose, Side, Tables, VenueId};
use rust_decimal::Decimal;
use sim_exchange::monitor::Placement;
use sim_exchange::reading::{RateWord, Reading, Spends};
use sim_exchange::world::{HttpResponse, World};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use venue::{Ticket, Transmit};

/// Copies of books that one venue is asked for within ten seconds at most; Gate allows 200 public requests per endpoint.
const BOOK_COPIES_MAX: usize = 100;
/// The window of [`BOOK_COPIES_MAX`].
const COPIES_WINDOW_NS: u64 = 10 * SECOND;
/// Requests that one venue gets over REST within a second at most, whatever they are: more is a storm. Bybit shuts an address out for 600
/// in five seconds.
const REQUESTS_MAX: usize = 100;
/// An answer may come so much later than it was given.
const TOLD_LATE_NS: u64 = 10 * SECOND;
/// How far the connector's idea of the venue's clock may be off when it waits for a time of the venue.
const CLOCK_TOLERANCE_NS: u64 = SECOND / 4;
/// Beyond this the connector does not wait, whatever the venue says.
const WAIT_MAX_NS: u64 = 9 * SECOND;
/// How far a limit price may be from the venue's true mid beyond the collar, in 1/10000.
const COLLAR_SLACK_BPS: i64 = 200;

/// The wire between us and the venues.
#[derive(Debug)]
pub struct WireWatch {
    tables: Arc<Tables>,
    bounds: Bounds,
    /// How each venue's bytes read.
    speech: Vec<Speech>,
    /// (key, secret) by venue.
    secrets: Vec<(Needle, Needle)>,
    /// The run has no fault that makes the venue refuse for its rate limits.
    refusals_are_ours: bool,
    /// What spends a limit, and when it left.
    in_flight: BTreeMap<(VenueId, Ticket), (Spends, u64)>,
    /// When each venue bans us by a fault of the run, Unix nanoseconds: then it is no fault of ours.
    banning: Vec<Vec<(u64, u64)>>,
    /// When requests left for each venue within the last second.
    recent: BTreeMap<VenueId, VecDeque<u64>>,
    /// Until when a venue told us to wait with anything, Unix nanoseconds. It knows it over restarts of ours.
    waits: BTreeMap<VenueId, u64>,
    /// Until when nothing may leave over REST, by what a ban said; Unix nanoseconds.
    banned: BTreeMap<VenueId, u64>,
    /// Until when the venue refuses, by what was refused; Unix nanoseconds.
    parked: BTreeMap<(VenueId, Spends), u64>,
    copies: BTreeMap<VenueId, VecDeque<u64>>,
    seen: Vec<u64>,
    /// Refusals for rate limits.
    pub refused: u64,
}

impl WireWatch {
    /// Nothing has left yet. `secrets` are (key, secret) by venue.
    pub fn new(
        tables: Arc<Tables>,
        bounds: Bounds,
        secrets: Vec<(String, String)>,
        speech: Vec<Speech>,
        refusals_are_ours: bool,
        banning: Vec<Vec<(u64, u64)>>,
    ) -> WireWatch {
        let venues = tables.venues.len();
        WireWatch {
            tables,
            bounds,
            speech,
            secrets: secrets.into_iter().map(|(key, secret)| (Needle::new(key), Needle::new(secret))).collect(),
            refusals_are_ours,
            banning,
            recent: BTreeMap::new(),
            waits: BTreeMap::new(),
            banned: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            parked: BTreeMap::new(),
            copies: BTreeMap::new(),
            seen: vec![0; venues],
            refused: 0,
        }
    }

    /// How a venue's bytes read.
    pub fn reading(&self, venue: VenueId) -> &'static dyn Reading {
        self.speech[venue.index()].reading
    }

    /// Other limits hold from now on.
    pub fn bounds_changed(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// The process died: what waits, waits no more.
    pub fn new_life(&mut self) {
        self.in_flight.clear();
        self.parked.clear();
        self.banned.clear();
    }

    /// Whether a venue told us to wait with something, and still does.
    pub fn is_told_to_wait(&self, venue: VenueId, t_ns: u64) -> bool {
        self.waits.get(&venue).is_some_and(|until| t_ns < *until)
    }

    /// When the last ban that this process was told of ends, Unix nanoseconds.
    pub fn banned_until(&self) -> Option<u64> {
        self.banned.values().copied().max()
    }

    /// Something leaves the engine.
    ///
    /// # Errors
    /// I13, I14, I15.
    pub fn leaves(&mut self, t_ns: u64, venue: VenueId, transmit: &Transmit) -> Check {
        self.check_secrets(venue, transmit)?;
        self.check_kept("the Debug text of what leaves", format!("{transmit:?}").as_bytes())?;
        let Transmit::Request { ticket, request, .. } = transmit else { return Ok(()) };
        if let Some(until) = self.banned.get(&venue).filter(|until| t_ns < **until) {
            let (method, path, early_ms) = (request.method.as_str(), &request.path, (until - t_ns) / 1_000_000);
            let text = format!("{method} {path} leaves {early_ms} ms before the ban of {} ends", self.tables.venue(venue));
            return broken(Invariant::LimitsRespected, text);
        }
        let recent = self.recent.entry(venue).or_default();
        while recent.front().is_some_and(|at| t_ns - at >= SECOND) {
            recent.pop_front();
        }
        recent.push_back(t_ns);
        if recent.len() > REQUESTS_MAX {
            let text = format!("{} requests leave for {} within a second", recent.len(), self.tables.venue(venue));
            return broken(Invariant::LimitsRespected, text);
        }
        let reading = self.speech[venue.index()].reading;
        let key_header = reading.key_header();
        let signed = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(key_header));
        let Some(spends) = reading.spends(&crossing(request), signed) else { return Ok(()) };
        if let Some(until) = self.parked.get(&(venue, spends.clone()))
            && t_ns + CLOCK_TOLERANCE_NS < *until
        {
            return broken(
                Invariant::LimitsRespected,
                format!(
                    "{} {} leaves {} ms before the venue takes it again",
                    request.method.as_str(),
                    request.path,
                    (until - t_ns) / 1_000_000
                ),
            );
        }
        if spends == Spends::Books {
            let copies = self.copies.entry(venue).or_default();
            while copies.front().is_some_and(|at| t_ns - at >= COPIES_WINDOW_NS) {
                copies.pop_front();
            }
            copies.push_back(t_ns);
            if copies.len() > BOOK_COPIES_MAX {
                return broken(Invariant::FeedsRecover, format!("{} copies of books asked for within 10 s", copies.len()));
            }
        }
        self.in_flight.insert((venue, *ticket), (spends, t_ns));
        Ok(())
    }

    /// The venue answered, and the answer reached the engine.
    ///
    /// # Errors
    /// I14 for a refusal that we earned ourselves, and for a ban.
    pub fn answered(&mut self, t_ns: u64, venue: VenueId, ticket: Ticket, reply: Option<&HttpResponse>) -> Check {
        let (spends, left_ns) = self.in_flight.remove(&(venue, ticket)).unzip();
        let Some(reply) = reply else { return Ok(()) };
        let word = self.speech[venue.index()].reading.rate_word(reply);
        if let RateWord::Banned { for_ns } = word {
            let by_fault =
                |spans: &Vec<(u64, u64)>| spans.iter().any(|(from, until)| (*from..until + TOLD_LATE_NS).contains(&t_ns));
            if !self.banning.get(venue.index()).is_some_and(by_fault) {
                return broken(Invariant::LimitsRespected, format!("{} bans us", self.tables.venue(venue)));
            }
            let until = self.banned.entry(venue).or_default();
            *until = (*until).max(t_ns + for_ns.unwrap_or(0));
        }
        let wait_until = wait_until(word, left_ns.unwrap_or(t_ns), t_ns);
        if let Some(until) = wait_until {
            let waits = self.waits.entry(venue).or_default();
            *waits = (*waits).max(until);
        }
        let Some(spends) = spends else { return Ok(()) };
        let until_ns = match word {
            RateWord::Banned { .. } => return Ok(()),
            RateWord::None => return Ok(()),
            RateWord::Refused { .. } => wait_until,
        };
        self.refused += 1;
        if self.refusals_are_ours {
            return broken(
                Invariant::LimitsRespected,
                format!("{} refuses {spends:?} for its rate limits", self.tables.venue(venue)),
            );
        }
        if let Some(until) = until_ns.map(|until_ns| until_ns.min(t_ns + WAIT_MAX_NS)) {
            self.parked.insert((venue, spends), until);
        }
        Ok(())
    }

    fn check_secrets(&self, venue: VenueId, transmit: &Transmit) -> Check {
        let leak =
            |place: &str| broken(Invariant::SecretsKept, format!("a secret of {} is in {place}", self.tables.venue(venue)));
        for (key, secret) in &self.secrets {
            match transmit {
                Transmit::Frame { text, .. } if secret.is_in(text.as_bytes()) => return leak("a frame"),
                Transmit::Request { request, .. } => {
                    let holds = |bytes: &[u8]| secret.is_in(bytes) || key.is_in(bytes);
                    if holds(request.path.as_bytes()) || holds(request.query.as_bytes()) {
                        return leak("a URL");
                    }
                    if holds(&request.body) {
                        return leak("a body");
                    }
                    let key_header = self.speech[venue.index()].reading.key_header();
                    let is_auth = |name: &str| name.eq_ignore_ascii_case(key_header);
                    let holds_wrongly = |(name, value): &(&str, String)| {
                        secret.is_in(value.as_bytes()) || !is_auth(name) && key.is_in(value.as_bytes())
                    };
                    if request.headers.iter().any(holds_wrongly) {
                        return leak("a header");
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether bytes that stay (a log, what is told, a `Debug` text) hold a secret.
    ///
    /// # Errors
    /// I15.
    pub fn check_kept(&self, what: &str, bytes: &[u8]) -> Check {
        for (index, (key, secret)) in self.secrets.iter().enumerate() {
            if secret.is_in(bytes) || key.is_in(bytes) {
                let venue = self.tables.venue(VenueId(index as u8));
                return broken(Invariant::SecretsKept, format!("a secret of {venue} is in {what}"));
            }
        }
        Ok(())
    }

    /// Placements that arrived since the last call, against their intents and the venue's own book.
    ///
    /// # Errors
    /// I7.
    pub fn arrivals(&mut self, world: &World, intent: impl Fn(&str) -> Option<NewOrder>) -> Check {
        for venue in self.tables.clone().venue_ids() {
            let monitor = world.monitor(venue.index());
            let count = monitor.counts().placements;
            if monitor.counts().duplicate_texts > 0
                && let Some((_, text)) = monitor.duplicate_texts().next()
            {
                return broken(Invariant::IdsUnique, format!("{text} arrived at {} more than once", self.tables.venue(venue)));
            }
            let Some(seen) = self.seen.get_mut(venue.index()) else { continue };
            let new = (count - *seen) as usize;
            *seen = count;
            for (placement, _) in monitor.placements().rev().take(new) {
                // One without an intent is I9's, at rest at the latest.
                if let Some(order) = placement.text.as_deref().and_then(&intent) {
                    self.check_placement(world, venue, placement, &order)?;
                }
            }
        }
        Ok(())
    }

    fn check_placement(&self, world: &World, venue: VenueId, placement: &Placement, order: &NewOrder) -> Check {
        let wrong = |what: &str| {
            broken(Invariant::WireWithinLimits, format!("{} arrived with {what} that its intent does not have", order.client_id))
        };
        let Some(info) = self.tables.pair(order.pair) else { return wrong("a pair") };
        let side = if placement.side == sim_exchange::core::Side::Buy { Side::Buy } else { Side::Sell };
        if order.venue != venue || placement.pair != format!("{}_{}", info.symbol.base, info.symbol.quote) {
            return wrong("a pair or a venue");
        }
        let (price, amount) = (price_of(order, info.scale), amount_of(order, info.scale));
        if side != order.side || placement.price != price || placement.amount != amount {
            return wrong("terms");
        }
        if placement.time_in_force != sim_exchange::core::TimeInForce::Ioc || placement.expires_at_ms.is_none() {
            return wrong("a time in force or an expiry");
        }
        let exchange = world.exchange(venue.index());
        let mid = exchange.pair_by_name(&placement.pair).and_then(|pair| exchange.book(pair).mid_rounded_down());
        let (Some(mid), Purpose::Open) = (mid, order.purpose) else { return Ok(()) };
        let far = Decimal::from(self.bounds.collar.nano() / 100_000 + COLLAR_SLACK_BPS) / Decimal::from(10_000);
        let outside = match side {
            Side::Buy => price > mid * (Decimal::ONE + far),
            Side::Sell => price < mid * (Decimal::ONE - far),
        };
        if outside {
            let text = format!("{} arrived at {price}, outside the collar around {mid}", order.client_id);
            return broken(Invariant::WireWithinLimits, text);
        }
        Ok(())
    }
}

/// Until when an answer that came at `t_ns`, to a request that left at `left_ns`, asks to wait. A time that the venue's clock cannot have
/// shown by then in truth is one of a clock that has stepped ahead: what it shows must not be taken for the time. How long it is until
/// then is told all the same, from the answer on, which was not before the request left.
fn wait_until(word: RateWord, left_ns: u64, t_ns: u64) -> Option<u64> {
    match word {
        RateWord::None => None,
        RateWord::Banned { for_ns } => for_ns.map(|for_ns| t_ns + for_ns),
        RateWord::Refused { until_ns, told_ns, for_ns } => {
            let by_true_time = |until_ns: u64| match told_ns {
                Some(told_ns) if told_ns > t_ns => left_ns + until_ns.saturating_sub(told_ns),
                _ => until_ns,
            };
            until_ns.map(by_true_time).max(for_ns.map(|for_ns| t_ns + for_ns))
        }
    }
}

fn price_of(order: &NewOrder, scale: PairScale) -> Decimal {
    Decimal::new(order.price.units(), u32::from(scale.price_decimals()))
}

fn amount_of(order: &NewOrder, scale: PairScale) -> Decimal {
    Decimal::new(order.qty.units(), u32::from(scale.qty_decimals()))
}

/// Our id in the client id of an order as the venue knows it: Gate's begin with `t-`, which no id of ours does.
pub fn wire_id(text: &str) -> Option<ClientOrderId> {
    ClientOrderId::parse(text.strip_prefix("t-").unwrap_or(text))
}

/// A text to look for in many bytes (Horspool): what can't be its end is passed over at once, for whole logs are looked through.
#[derive(Clone, Debug)]
struct Needle {
    text: String,
    /// By the byte under the needle's end: how far it may move on.
    shifts: Box<[usize; 256]>,
}

impl Needle {
    fn new(text: String) -> Needle {
        let mut shifts = Box::new([text.len().max(1); 256]);
        for (at, byte) in text.bytes().enumerate().take(text.len().saturating_sub(1)) {
            shifts[usize::from(byte)] = text.len() - 1 - at;
        }
        Needle { text, shifts }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let mut at = 0;
        while let Some(window) = bytes.get(at..at + text.len()) {
            let Some(last) = window.last() else { return false };
            if window == text {
                return true;
            }
            at += self.shifts[usize::from(*last)];
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_a_clock_ahead_of_time_tells_is_as_long_as_it_says() {
        const T_NS: u64 = 1_700_000_000 * SECOND;
        let (left_ns, came_ns) = (T_NS, T_NS + 20_000_000);
        let told = |ahead_ns: i64| {
            let told_ns = (T_NS + 10_000_000).saturating_add_signed(ahead_ns);
            let word = RateWord::Refused { until_ns: Some(told_ns + SECOND), told_ns: Some(told_ns), for_ns: None };
            wait_until(word, left_ns, came_ns)
        };
        // A clock that is right is believed to the moment.
        assert_eq!(told(0), Some(T_NS + 10_000_000 + SECOND));
        for ahead_s in [1, 10, 3_600] {
            assert_eq!(told(ahead_s * SECOND as i64), Some(T_NS + SECOND), "{ahead_s} s ahead");
        }
        // One that is behind asks for less.
        assert_eq!(told(-(SECOND as i64)), Some(T_NS + 10_000_000));
        let bare = RateWord::Refused { until_ns: Some(T_NS + 7 * SECOND), told_ns: None, for_ns: None };
        assert_eq!(wait_until(bare, left_ns, came_ns), Some(T_NS + 7 * SECOND));
        let lasts = RateWord::Refused { until_ns: None, told_ns: None, for_ns: Some(3 * SECOND) };
        assert_eq!(wait_until(lasts, left_ns, came_ns), Some(came_ns + 3 * SECOND));
    }

    #[test]
    fn a_part_is_found_wherever_it_stands() {
        let contains = |bytes: &[u8], text: &str| Needle::new(text.into()).is_in(bytes);
        assert!(contains(b"xxsecret", "secret") && contains(b"secretxx", "secret") && contains(b"ssecret", "secret"));
        assert!(contains(b"seseecsecsecresecret", "secret") && contains(b"aabaab", "aab") && contains(b"xs", "s"));
        assert!(
            !contains(b"secre", "secret") && !contains(b"", "s") && !contains(b"abc", "") && !contains(b"secresecre", "secret")
        );
    }
}
