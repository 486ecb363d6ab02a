//! Rate limits of an account: placements and amendments, cancels, reads, public reads; each a [`RateLimit`]. After a ban nothing at
//! all leaves over REST; the order link goes on where the venue does not mean it too ([`Ban::of_link`]).
//!
//! A limit is parked for what says that it is used up, and for what names a time. A fault of the venue, or its load, is neither: who was
//! refused asks again later by itself, and nobody else waits.

use super::Desk;
use super::orders::{Told, Way};
use super::what::{Asked, What};
use super::wire::{Ban, Failure, Profile, Wire};
use crate::rate_limit::{Limit, RETRY_AFTER_MAX_NS, RateLimit, RateNews, retry_after_ns};
use crate::session::IoFailure;
use domain::command::OrderRef;
use domain::time::MILLI;
use domain::{Amend, Budget, BudgetBucket, ErrorClass, Input, MonoNanos, NewOrder, PairId};

/// The status of a request that is over a limit.
const LIMITED: u16 = 429;
/// A read that finds no budget looks again after this long, unless its limit is parked.
const READ_PAUSE_NS: u64 = 100 * MILLI;

/// The status of a request that the venue failed, or was too busy for: it says nothing of our limits.
const fn is_server_fault(status: u16) -> bool {
    matches!(status, 500..=599)
}

/// Our counts.
pub(super) struct Budgets {
    /// One for all pairs, or one a pair.
    place: Vec<(Option<PairId>, RateLimit)>,
    cancel: RateLimit,
    /// All reads of the account share one.
    read: RateLimit,
    /// One for each market that the venue counts by itself.
    public: Vec<RateLimit>,
    ban: Option<Ban>,
    links_spend_reads: bool,
    /// Nothing at all leaves over REST before this time.
    banned_until: MonoNanos,
}

impl Budgets {
    pub(super) fn new(profile: &Profile, public: &[Limit], pairs: &[PairId]) -> Budgets {
        let place = |pair| (pair, RateLimit::new(profile.place));
        Budgets {
            place: match profile.place_per_pair {
                true => pairs.iter().map(|pair| place(Some(*pair))).collect(),
                false => vec![place(None)],
            },
            cancel: RateLimit::new(profile.cancel),
            read: RateLimit::new(profile.read),
            public: public.iter().copied().map(RateLimit::new).collect(),
            ban: profile.ban,
            links_spend_reads: profile.links_spend_reads,
            banned_until: MonoNanos(0),
        }
    }

    fn place(&mut self, pair: PairId) -> Option<&mut RateLimit> {
        self.place.iter_mut().find(|(of, _)| of.is_none_or(|of| of == pair)).map(|(_, limit)| limit)
    }

    /// Takes budget to place or amend on a pair by this way; both spend the same.
    pub(super) fn may_place(&mut self, pair: PairId, way: Way, now: MonoNanos) -> bool {
        let open = !self.is_banned(way, now);
        open && self.place(pair).is_some_and(|limit| limit.take(now, 1))
    }

    pub(super) fn may_cancel(&mut self, way: Way, now: MonoNanos) -> bool {
        !self.is_banned(way, now) && self.cancel.take(now, 1)
    }

    /// Nothing may leave by this way, since the address is shut out.
    pub(super) fn is_banned(&self, way: Way, now: MonoNanos) -> bool {
        now < self.banned_until && (way == Way::Rest || self.ban.is_none_or(|ban| ban.of_link))
    }

    /// The address is shut out until then, or until a later time that was told before.
    pub(super) fn ban_until(&mut self, until: MonoNanos) {
        self.banned_until = self.banned_until.max(until);
    }

    /// When a ban ends; past or zero when none holds.
    pub(super) const fn banned_until(&self) -> MonoNanos {
        self.banned_until
    }

    /// Before this an order link or a private link would be refused what it must be asked for; past or zero when not.
    pub(super) fn links_open_at(&self) -> MonoNanos {
        if self.links_spend_reads { self.read.parked_until().max(self.banned_until) } else { MonoNanos(0) }
    }

    /// When the venue takes a request like this again, by what it said; past when it does now.
    pub(super) fn opens_at<O>(&mut self, what: &What<O>, market: usize) -> MonoNanos {
        let parked = self.limit(what, market).map_or(MonoNanos(0), |(_, limit)| limit.parked_until());
        parked.max(self.banned_until)
    }

    /// The venue said when it takes requests again: of this kind after a refusal, of any kind after a ban.
    fn retry_after<O>(&mut self, what: &What<O>, market: usize, status: u16, after_ns: Option<u64>, now: MonoNanos) {
        if let Some(ban) = self.ban.filter(|ban| ban.status == status) {
            self.ban_until(now.after(after_ns.unwrap_or(ban.lasts_ns).min(RETRY_AFTER_MAX_NS)));
        } else if status == LIMITED
            && let (Some(ns), Some((_, limit))) = (after_ns, self.limit(what, market))
        {
            limit.park(now, ns);
        }
    }

    /// Takes budget for a request that may wait.
    ///
    /// # Errors
    /// When to try again.
    fn may_read<O>(&mut self, what: &What<O>, market: usize, weight: u32, now: MonoNanos) -> Result<(), MonoNanos> {
        if now < self.banned_until {
            return Err(self.banned_until);
        }
        let public = matches!(what, What::Own(_) | What::Rules(_));
        let limit = match self.public.get_mut(market).filter(|_| public) {
            _ if matches!(what, What::Time(_)) => return Ok(()),
            Some(limit) => limit,
            None => &mut self.read,
        };
        if limit.take(now, weight) { Ok(()) } else { Err(now.after(READ_PAUSE_NS).max(limit.parked_until())) }
    }

    /// The limit that a request spends, and its name for the engine.
    fn limit<O>(&mut self, what: &What<O>, market: usize) -> Option<(Option<BudgetBucket>, &mut RateLimit)> {
        match what {
            What::Place { order: NewOrder { pair, .. }, .. } | What::Amend(Amend { order: OrderRef { pair, .. }, .. }) => {
                let (of, limit) = self.place.iter_mut().find(|(of, _)| of.is_none_or(|of| of == *pair))?;
                Some((Some(of.map_or(BudgetBucket::PlaceAll, BudgetBucket::Place)), limit))
            }
            What::Cancel(_) | What::CancelAll(_) => Some((Some(BudgetBucket::Cancel), &mut self.cancel)),
            What::Own(_) | What::Rules(_) => Some((None, self.public.get_mut(market)?)),
            What::Time(_) => None,
            _ => Some((Some(BudgetBucket::Read), &mut self.read)),
        }
    }
}

impl<W: Wire> Desk<W> {
    /// Until when public reads of the limit with this number wait because the venue said so; `None` past the last one.
    pub fn public_parked_until(&self, limit: usize) -> Option<MonoNanos> {
        self.budgets.public.get(limit).map(RateLimit::parked_until)
    }

    /// Another session of this address was told to wait with public reads of this limit.
    pub fn park_public(&mut self, limit: usize, until: MonoNanos) {
        if let Some(limit) = self.budgets.public.get_mut(limit) {
            limit.park_until(until);
        }
    }

    /// Another session of this address was told of a ban, and has told the engine.
    pub fn ban_until(&mut self, until: MonoNanos) {
        self.budgets.ban_until(until);
        self.ban_told = self.ban_told.max(until);
    }

    /// A ban holds. What would have waited for its end is answered at once, as refused: whoever wants it asks again, and would have had
    /// all of it asked at the very moment when the ban ends.
    pub(super) fn refuse_in_ban(&mut self, asked: Asked<W::Own>, now: MonoNanos, updates: &mut Vec<Input>) {
        let class = ErrorClass::RateLimited;
        match asked.what {
            What::Time(round) => {
                if self.clock.awaits(round) {
                    let again = self.clock.conclude(self.venue, Some(class), now, &mut self.jitter, updates);
                    debug_assert!(!again, "Invariant: a round that was refused for its rate is over");
                }
                self.links_begin(now);
            }
            What::Rules(pair) => self.rules_unread(pair, now),
            What::LookUp { .. } => self.on_order_told(asked, now, Told::Silent(IoFailure::NotSent), now, updates),
            _ => self.read_failed(asked, class, now, updates),
        }
    }

    /// Takes budget for a request that may wait.
    ///
    /// # Errors
    /// When to try again.
    pub(super) fn may_read(&mut self, what: &What<W::Own>, now: MonoNanos) -> Result<(), MonoNanos> {
        let (market, weight) = (self.wire.public_limit(what), self.wire.weight(what));
        self.budgets.may_read(what, market, weight, now)
    }

    /// Reads what the headers of a REST answer say about limits.
    pub(super) fn on_headers(
        &mut self,
        what: &What<W::Own>,
        status: u16,
        headers: &[(String, String)],
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let after_ns = retry_after_ns(headers);
        // A venue that can't serve now, and says for how long, takes as little as one whose limit is used up.
        let status = if is_server_fault(status) && after_ns.is_some() { LIMITED } else { status };
        let rate = self.wire.rate(what, headers);
        let (rate, venue_ns) = rate.ending_after(after_ns, rate.venue_ns(self.clock.carried_ns(now)));
        self.on_rate(what, rate, status == LIMITED, (now, venue_ns), updates);
        self.on_retry_after(what, status, after_ns, now);
        if matches!(what, What::Time(_)) && status == LIMITED {
            self.on_time_limited(rate, after_ns, (now, venue_ns), updates);
        }
    }

    /// The question for the time weighs least of all. Where links spend what reads do, one that is refused says that there is nothing left
    /// for reads, links and copies.
    fn on_time_limited(
        &mut self,
        rate: RateNews,
        after_ns: Option<u64>,
        (now, venue_ns): (MonoNanos, Option<i64>),
        updates: &mut Vec<Input>,
    ) {
        let (read, market) = (What::Balances, self.wire.public_limit(&What::Time(0)));
        if W::PROFILE.links_spend_reads && self.wire.public_limit(&read) == market {
            self.on_rate(&read, rate, true, (now, venue_ns), updates);
            self.on_retry_after(&read, LIMITED, after_ns, now);
            self.park_public(market, self.budgets.links_open_at());
        }
    }

    /// An answer of this status says when the venue takes requests again.
    pub(super) fn on_retry_after(&mut self, what: &What<W::Own>, status: u16, after_ns: Option<u64>, now: MonoNanos) {
        let market = self.wire.public_limit(what);
        self.budgets.retry_after(what, market, status, after_ns, now);
    }

    /// What a link must be asked for before it serves was refused for a limit, which reads spend as well.
    pub(super) fn on_link_limited(&mut self, failure: &Failure, rate: RateNews, now: MonoNanos, updates: &mut Vec<Input>) {
        if !W::PROFILE.links_spend_reads || failure.class != ErrorClass::RateLimited {
            return;
        }
        let (read, venue_ns) = (What::Balances, rate.venue_ns(self.clock.carried_ns(now)));
        if is_server_fault(failure.status) && rate.left_ns(venue_ns).is_none() {
            return;
        }
        self.on_rate(&read, rate, true, (now, venue_ns), updates);
        self.on_retry_after(&read, failure.status, rate.left_ns(venue_ns), now);
    }

    /// A request was refused, perhaps for a limit that its status did not tell.
    pub(super) fn on_refused(&mut self, what: &What<W::Own>, failure: &Failure, now: MonoNanos, updates: &mut Vec<Input>) {
        let untold = failure.status != LIMITED && !is_server_fault(failure.status);
        if failure.class == ErrorClass::RateLimited && untold {
            self.on_rate(what, RateNews::default(), true, (now, self.clock.carried_ns(now)), updates);
        }
    }

    /// Takes over what the venue says about the limit that `what` spent: lowers our count, parks a refusal until the reset, keeps the
    /// tightest head-room for the metrics, tells the engine.
    pub(super) fn on_rate(
        &mut self,
        what: &What<W::Own>,
        rate: RateNews,
        refused: bool,
        (now, venue_ns): (MonoNanos, Option<i64>),
        updates: &mut Vec<Input>,
    ) {
        if let (Some(remaining), Some(limit)) = (rate.remain, rate.limit) {
            let tighter = self
                .stats
                .rate_remaining
                .is_none_or(|(r, l)| u64::from(remaining) * u64::from(l) < u64::from(r) * u64::from(limit));
            if tighter {
                self.stats.rate_remaining = Some((remaining, limit));
            }
        }
        let venue = self.venue;
        let market = self.wire.public_limit(what);
        let Some((name, spent)) = self.budgets.limit(what, market) else { return };
        spent.reconcile(now, rate, refused, venue_ns);
        if let Some(name) = name.filter(|_| rate.limit.is_some() || refused) {
            let (remaining, limit, window_ns) = (spent.available(now), spent.limit(), spent.window_ns());
            updates.push(Input::Budget(Budget { venue, bucket: name, remaining, limit, window_ns, at: now }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock_sync::ClockPace;
    use domain::time::SECOND;
    use domain::{ClientOrderId, VenueId};

    const NOW: MonoNanos = MonoNanos(5 * SECOND);
    const TEN: Limit = Limit { count: 10, window_ns: SECOND };
    const BAN: Ban = Ban { status: 418, of_link: true, lasts_ns: 120 * SECOND };
    const PROFILE: Profile = Profile {
        kind: "test",
        clock: ClockPace { samples: 1, refresh_ns: SECOND, retry_ns: SECOND, retry_limited: true },
        place: TEN,
        place_per_pair: true,
        cancel: TEN,
        read: TEN,
        public: TEN,
        link_place: TEN,
        ban: Some(BAN),
        link_login: true,
        link_life_ns: None,
        links_spend_reads: false,
        cancels_together: 1,
        look_up_places: 1,
        dead_man_min_s: None,
        open_orders_pages_max: 1,
        trades_pages_max: 1,
        trades_kept_ns: i64::MAX,
        executions_named: true,
    };
    const BALANCES: What<()> = What::Balances;

    #[test]
    fn no_window_holds_more_than_the_limit_not_even_the_first() {
        let mut budgets = Budgets::new(&PROFILE, &[TEN], &[PairId(0)]);
        let steps = (0..300u64).map(|step| NOW.after(step * 10 * MILLI));
        let sent: Vec<MonoNanos> = steps.filter(|now| budgets.may_place(PairId(0), Way::Rest, *now)).collect();
        for (index, from) in sent.iter().enumerate() {
            let within = sent[index..].iter().take_while(|at| at.since(*from) < SECOND).count();
            assert!(within <= 10, "{within} from {from:?}");
        }
        assert_eq!(sent.len(), 30);
    }

    #[test]
    fn placements_are_counted_by_pair_or_all_together() {
        for (place_per_pair, expected) in [(true, 20), (false, 10)] {
            let mut budgets = Budgets::new(&Profile { place_per_pair, ..PROFILE }, &[TEN], &[PairId(0), PairId(1)]);
            let placed = (0..40u16).filter(|n| budgets.may_place(PairId(n % 2), Way::Rest, NOW)).count();
            assert_eq!(placed, expected);
            // And so are they told.
            let client_id = ClientOrderId::new(0, 1, 0, 1).unwrap();
            let order = OrderRef { venue: VenueId(0), pair: PairId(1), client_id, venue_order_id: None };
            let name = if place_per_pair { BudgetBucket::Place(PairId(1)) } else { BudgetBucket::PlaceAll };
            let what: What<()> = What::Amend(Amend { order, price: None, qty: None });
            assert_eq!(budgets.limit(&what, 0).map(|(told, limit)| (told, limit.available(NOW))), Some((Some(name), 0)));
        }
        let mut budgets = Budgets::new(&PROFILE, &[TEN], &[PairId(0)]);
        assert!(!budgets.may_place(PairId(9), Way::Rest, NOW), "a pair that is not configured has no budget");
    }

    #[test]
    fn a_retry_after_holds_its_limit_and_a_ban_everything() {
        let mut budgets = Budgets::new(&PROFILE, &[TEN], &[PairId(0)]);
        budgets.retry_after(&BALANCES, 0, LIMITED, Some(7 * SECOND), NOW);
        assert_eq!(budgets.may_read(&BALANCES, 0, 1, NOW), Err(NOW.after(7 * SECOND)));
        assert_eq!(budgets.opens_at(&BALANCES, 0), NOW.after(7 * SECOND));
        // Cancels keep their own.
        assert!(budgets.may_cancel(Way::Rest, NOW) && budgets.may_place(PairId(0), Way::Rest, NOW));
        budgets.retry_after(&BALANCES, 0, 403, Some(7 * SECOND), NOW);
        assert!(budgets.may_cancel(Way::Rest, NOW), "a status that is no ban here");
        budgets.retry_after(&BALANCES, 0, BAN.status, None, NOW);
        let end = NOW.after(BAN.lasts_ns);
        assert!(!budgets.may_cancel(Way::Rest, NOW) && !budgets.may_place(PairId(0), Way::Rest, NOW));
        let time: What<()> = What::Time(1);
        assert_eq!((budgets.may_read(&time, 0, 1, NOW), budgets.opens_at(&time, 0)), (Err(end), end));
        assert!(budgets.may_cancel(Way::Rest, end) && budgets.may_place(PairId(0), Way::Rest, end));
        budgets.retry_after(&time, 0, BAN.status, Some(u64::MAX), NOW);
        assert_eq!(budgets.opens_at(&time, 0), NOW.after(RETRY_AFTER_MAX_NS));
    }

    #[test]
    fn a_ban_of_rest_alone_leaves_the_order_link_open() {
        for of_link in [true, false] {
            let mut budgets = Budgets::new(&Profile { ban: Some(Ban { of_link, ..BAN }), ..PROFILE }, &[TEN], &[PairId(0)]);
            budgets.retry_after(&BALANCES, 0, BAN.status, None, NOW);
            assert!(!budgets.may_place(PairId(0), Way::Rest, NOW) && !budgets.may_cancel(Way::Rest, NOW));
            assert_eq!(budgets.may_place(PairId(0), Way::Link, NOW), !of_link);
            assert_eq!(budgets.may_cancel(Way::Link, NOW), !of_link);
            assert!(budgets.may_read(&BALANCES, 0, 1, NOW).is_err());
        }
    }

    #[test]
    fn each_market_has_its_own_limit_of_public_reads() {
        let mut budgets = Budgets::new(&PROFILE, &[TEN, Limit { count: 4, ..TEN }], &[PairId(0)]);
        let copy = What::Own(());
        assert_eq!(budgets.may_read(&copy, 1, 4, NOW), Ok(()));
        assert!(budgets.may_read(&copy, 1, 1, NOW).is_err());
        assert_eq!(budgets.may_read(&copy, 0, 10, NOW), Ok(()));
        budgets.retry_after(&copy, 1, LIMITED, Some(7 * SECOND), NOW);
        let later = NOW.after(5 * SECOND);
        assert!(budgets.may_read(&copy, 1, 1, later).is_err() && budgets.may_read(&copy, 0, 1, later).is_ok());
    }

    #[test]
    fn a_parked_read_comes_back_at_the_reset_and_parks_nothing_else() {
        let mut budgets = Budgets::new(&PROFILE, &[TEN], &[PairId(0)]);
        budgets.retry_after(&BALANCES, 0, LIMITED, Some(1600 * MILLI), NOW);
        assert_eq!(budgets.may_read(&BALANCES, 0, 3, NOW), Err(NOW.after(1600 * MILLI)));
        assert_eq!(budgets.may_read(&BALANCES, 0, 3, NOW.after(1600 * MILLI)), Ok(()));
        assert!(budgets.may_place(PairId(0), Way::Rest, NOW) && budgets.may_cancel(Way::Rest, NOW));
    }
}
