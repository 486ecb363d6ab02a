//! Orders: placing, amending, cancelling, looking up, by REST or over the order link.
//!
//! A placement is sent once and never again. Its way is chosen when it is submitted; if that way is gone before a byte has left, the
//! order is not sent, and what may have left on one way is never repeated on the other. Its answer is one of three: accepted,
//! definitely refused, unknown; what can't be read is unknown. Executions are never made of order replies: they come with their trade
//! ids from the stream or the list of executions.
//!
//! Both ways end here: [`Told`] is an answer without its way. Start at [`Desk::on_order_answer`] for REST; [`super::link`] calls the
//! same methods with what its replies say.

use super::rows::{OrderRow, Stamp};
use super::what::{Answer, Asked, InFlight, What};
use super::wire::{AllCancelled, Failure, OrderAnswer, Placement, Wire};
use super::{Desk, ORDER_TIMEOUT_NS};
use crate::json::Reject;
use crate::session::IoFailure;
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::time::SECOND;
use domain::{
    Amend, ErrorClass, Finish, FrameReject, Input, Label, MonoNanos, NewOrder, OrderReport, OrderSource, OrderUpdate, PairId,
    Purpose, Qty, ReadKind, RoundTrip, UnixNanos, UnknownCause, VenueOrderId,
};

/// A cancel is void at the venue after this long. Late by seconds it is as good as ever, and it must not fail for a clock that is off
/// by as much; late by more, a cancel-all could meet orders that were not there when it was asked for.
const CANCEL_EXPIRY_NS: u64 = 10 * SECOND;

/// The way an order takes, chosen when it is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A request of its own.
    Rest,
    /// A frame on the order link.
    Link,
}

/// Cancelling everything on one pair.
#[derive(Clone, Copy, Debug)]
pub struct CancelAll {
    /// Which.
    pub pair: PairId,
}

/// An answer to an order request, whichever way it came.
pub(super) enum Told<T> {
    /// The venue did it and says what came of it, or says something that can't be read.
    Done(Result<T, Reject>),
    /// The venue refused or failed.
    Failed(Failure),
    /// Nothing came.
    Silent(IoFailure),
}

impl<T> Told<T> {
    /// Who says so: the venue, or our own edge.
    const fn source(&self) -> OrderSource {
        match self {
            Told::Silent(_) => OrderSource::Edge,
            Told::Done(_) | Told::Failed(_) => OrderSource::Reply,
        }
    }

    /// The class of what is no success.
    const fn class(&self) -> ErrorClass {
        match self {
            Told::Failed(failure) => failure.class,
            Told::Done(_) | Told::Silent(_) => ErrorClass::Unknown,
        }
    }

    const fn is_not_found(&self) -> bool {
        matches!(self, Told::Failed(Failure { not_found: true, .. }))
    }
}

/// What an answer says about the one order that was asked about.
enum Own {
    Row(OrderRow),
    /// Only that the venue has the request.
    Received,
    /// Nothing, or nothing that can be read.
    Nothing,
}

/// Venue time in milliseconds after which this request must not take effect, where it has such a time.
pub(super) fn expiry_ms<O>(what: &What<O>, now: MonoNanos, venue_ns: i64) -> Option<i64> {
    let left_ns = match what {
        What::Place { order, .. } => order.deadline?.since(now),
        // An amendment that arrives after its answer was given up must not take effect behind our back.
        What::Amend(_) => ORDER_TIMEOUT_NS,
        What::Cancel(_) | What::CancelAll(_) => CANCEL_EXPIRY_NS,
        _ => return None,
    };
    let expires_ns = venue_ns.saturating_add(i64::try_from(left_ns).unwrap_or(i64::MAX));
    Some(UnixNanos(expires_ns).millis())
}

/// The edge did not send this order.
pub(super) fn not_sent(order: &NewOrder, now: MonoNanos) -> Input {
    placed(order, None, OrderSource::Edge, now, now, OrderReport::NotSent)
}

fn placed(
    order: &NewOrder,
    venue_order_id: Option<VenueOrderId>,
    source: OrderSource,
    requested: MonoNanos,
    received: MonoNanos,
    report: OrderReport,
) -> Input {
    let (venue, pair, client_id) = (order.venue, order.pair, Some(order.client_id));
    Input::Order(OrderUpdate { venue, pair, client_id, venue_order_id, source, received, requested, report })
}

fn about(order: &OrderRef, source: OrderSource, requested: MonoNanos, received: MonoNanos, report: OrderReport) -> Input {
    let OrderRef { venue, pair, client_id, venue_order_id } = *order;
    Input::Order(OrderUpdate { venue, pair, client_id: Some(client_id), venue_order_id, source, received, requested, report })
}

const fn cause_of(failure: IoFailure) -> UnknownCause {
    match failure {
        IoFailure::TimedOut => UnknownCause::Timeout,
        IoFailure::NotSent | IoFailure::Broken => UnknownCause::LinkLost,
    }
}

impl<W: Wire> Desk<W> {
    pub(super) fn submit_order(&mut self, order: &NewOrder, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.may_order(order.pair) {
            return updates.push(not_sent(order, now));
        }
        if order.purpose == Purpose::Open && !self.private_admits(order.client_id, now, updates) {
            return updates.push(not_sent(order, now));
        }
        // An order late by its own budget is worse than none: refuse, do not queue.
        let way = if self.link.takes_a_placement(now) { Way::Link } else { Way::Rest };
        if !self.budgets.may_place(order.pair, way, now) {
            let report = OrderReport::Refused { class: ErrorClass::RateLimited, label: Label::cut("own rate budget") };
            updates.push(placed(order, None, OrderSource::Edge, now, now, report));
            return self.private_void(order.client_id, now, updates);
        }
        let way = self.link.way_of_a_placement(now);
        self.intents.note(order);
        self.ask(What::Place { order: *order, way, resent: false });
    }

    /// An amendment spends the budget of placements. What can't be sent, or is refused, is told as `CancelFailed`: the order's state
    /// follows by query.
    pub(super) fn submit_amend(&mut self, amend: &Amend, now: MonoNanos, updates: &mut Vec<Input>) {
        let failed = |class| about(&amend.order, OrderSource::Edge, now, now, OrderReport::CancelFailed { class });
        if !self.may_order(amend.order.pair) {
            return updates.push(failed(ErrorClass::AuthFatal));
        }
        if !self.wire.amends() || (amend.price.is_none() && amend.qty.is_none()) {
            return updates.push(failed(ErrorClass::FilterReject));
        }
        let what = What::Amend(*amend);
        let way = if self.link.takes_a_placement(now) { self.way_of(&what) } else { Way::Rest };
        if !self.budgets.may_place(amend.order.pair, way, now) {
            return updates.push(failed(ErrorClass::RateLimited));
        }
        self.intents.forget(amend.order.client_id);
        self.ask(what);
    }

    pub(super) fn submit_cancel(&mut self, order: &OrderRef, now: MonoNanos, updates: &mut Vec<Input>) {
        let failed = |class| about(order, OrderSource::Edge, now, now, OrderReport::CancelFailed { class });
        if !self.may_order(order.pair) {
            return updates.push(failed(ErrorClass::AuthFatal));
        }
        let what = What::Cancel(*order);
        if !self.budgets.may_cancel(self.way_of(&what), now) {
            return updates.push(failed(ErrorClass::RateLimited));
        }
        self.ask(what);
    }

    pub(super) fn submit_cancel_all(&mut self, pair: PairId, now: MonoNanos, updates: &mut Vec<Input>) {
        let known = self.may_order(pair);
        let what = What::CancelAll(CancelAll { pair });
        if known && self.budgets.may_cancel(self.way_of(&what), now) {
            return self.ask(what);
        }
        let class = if known { ErrorClass::RateLimited } else { ErrorClass::AuthFatal };
        updates.push(self.cancel_all_failed(pair, now, now, OrderSource::Edge, class));
    }

    pub(super) fn submit_look_up(&mut self, order: &OrderRef, now: MonoNanos, updates: &mut Vec<Input>) {
        if !self.may_order(order.pair) {
            let report = OrderReport::Unknown { cause: UnknownCause::LinkLost };
            return updates.push(about(order, OrderSource::Edge, now, now, report));
        }
        self.ask_once(What::LookUp { order: *order, place: 0 });
    }

    /// The way that this takes now, where it is no placement.
    fn way_of(&self, what: &What<W::Own>) -> Way {
        if self.link.ready().is_some() && self.wire.over_link(what) { Way::Link } else { Way::Rest }
    }

    /// The address is shut out of the way that is left for this: no byte of it leaves.
    pub(super) fn urgent_refused_in_ban(&mut self, asked: Asked<W::Own>, now: MonoNanos, updates: &mut Vec<Input>) {
        let class = ErrorClass::RateLimited;
        let failed = |order: &OrderRef| about(order, OrderSource::Edge, now, now, OrderReport::CancelFailed { class });
        match &asked.what {
            What::Place { order, .. } => {
                updates.push(not_sent(order, now));
                self.private_void(order.client_id, now, updates);
            }
            What::Amend(amend) => updates.push(failed(&amend.order)),
            What::Cancel(order) => updates.push(failed(order)),
            What::CancelAll(all) => updates.push(self.cancel_all_failed(all.pair, now, now, OrderSource::Edge, class)),
            _ => {}
        }
    }

    /// There is a key, and the pair is configured.
    fn may_order(&self, pair: PairId) -> bool {
        self.wire.has_keys() && self.wire.lists(pair)
    }

    fn cancel_all_failed(
        &self,
        pair: PairId,
        requested: MonoNanos,
        received: MonoNanos,
        source: OrderSource,
        class: ErrorClass,
    ) -> Input {
        let report = OrderReport::CancelFailed { class };
        Input::Order(OrderUpdate {
            venue: self.venue,
            pair,
            client_id: None,
            venue_order_id: None,
            source,
            received,
            requested,
            report,
        })
    }

    /// The answer to a request.
    pub(super) fn on_order_answer(
        &mut self,
        flight: InFlight<W::Own>,
        answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let InFlight { asked, sent, .. } = flight;
        let source = if matches!(asked.what, What::LookUp { .. }) { OrderSource::Query } else { OrderSource::Reply };
        let stamp = Stamp { source, received: now, requested: sent };
        if matches!(asked.what, What::CancelAll(_)) {
            let told = self.told(&asked.what, answer, now, updates, |wire, body| wire.cancelled(body, stamp));
            return self.on_all_cancelled(asked, sent, told, now, updates);
        }
        if matches!((&asked.what, &answer), (What::Place { .. }, Answer::Http { .. })) {
            self.order_round_trip(sent, now, updates);
        }
        let told = self.told(&asked.what, answer, now, updates, |wire, body| wire.order(&asked.what, body, stamp));
        self.on_order_told(asked, sent, told, now, updates);
    }

    /// What is said about one order, by either way.
    pub(super) fn on_order_told(
        &mut self,
        asked: Asked<W::Own>,
        sent: MonoNanos,
        told: Told<OrderAnswer>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        match asked.what {
            What::Place { order, resent, .. } => self.on_placed(order, resent, sent, told, now, updates),
            What::Amend(amend) => self.on_amended(&amend, sent, told, now, updates),
            What::Cancel(_) => self.on_cancelled(asked, sent, told, now, updates),
            What::LookUp { .. } => self.on_looked_up(asked, sent, told, now, updates),
            _ => {}
        }
    }

    /// A placement was answered after this long.
    pub(super) fn order_round_trip(&self, sent: MonoNanos, now: MonoNanos, updates: &mut Vec<Input>) {
        updates.push(Input::RoundTrip(RoundTrip { venue: self.venue, order: true, nanos: now.since(sent) }));
    }

    fn told<T>(
        &mut self,
        what: &What<W::Own>,
        answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
        decode: impl FnOnce(&mut W, &mut [u8]) -> Result<T, Reject>,
    ) -> Told<T> {
        match answer {
            Answer::Failed(failure) => Told::Silent(failure),
            Answer::Http { status, body } => match self.wire.failure(status, body) {
                None => Told::Done(decode(&mut self.wire, body)),
                Some(failure) => {
                    self.on_refused(what, &failure, now, updates);
                    Told::Failed(failure)
                }
            },
        }
    }

    fn on_placed(
        &mut self,
        order: NewOrder,
        resent: bool,
        sent: MonoNanos,
        told: Told<OrderAnswer>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let source = told.source();
        let report = match told {
            Told::Silent(IoFailure::NotSent) => OrderReport::NotSent,
            Told::Silent(failure) => OrderReport::Unknown { cause: cause_of(failure) },
            Told::Done(Ok(OrderAnswer::Row(row)))
                if row.update.client_id == Some(order.client_id) && row.update.pair == order.pair =>
            {
                self.private_expect(order.client_id, sent, now);
                return self.tell_row(&row, updates);
            }
            // It is on its way to the book, or to a refusal: the private stream tells.
            Told::Done(Ok(OrderAnswer::Received(id))) => {
                self.private_expect(order.client_id, sent, now);
                return updates.push(placed(&order, id, source, sent, now, OrderReport::Open { filled: Qty::ZERO }));
            }
            Told::Done(Ok(_)) => self.unreadable(FrameReject::UnknownShape),
            Told::Done(Err(reject)) => self.unreadable(reject.reason),
            Told::Failed(failure) => {
                self.on_clock_skew(failure.class, now);
                match failure.placement {
                    Placement::RefusedUnlisted(_) if order.deadline.is_some_and(|deadline| now >= deadline) => {
                        OrderReport::Finished { finish: Finish::Expired, filled: Qty::ZERO }
                    }
                    // Perhaps it was late by the venue's clock, and nobody has published how that is answered.
                    Placement::RefusedUnlisted(ErrorClass::FilterReject) => {
                        self.start_clock_round(now);
                        OrderReport::Refused { class: ErrorClass::Unknown, label: failure.cut() }
                    }
                    Placement::Refused(class) | Placement::RefusedUnlisted(class) => {
                        OrderReport::Refused { class, label: failure.cut() }
                    }
                    Placement::Unknown => OrderReport::Unknown { cause: UnknownCause::ServerError },
                }
            }
        };
        if matches!(report, OrderReport::Unknown { .. }) && !resent && mutants::active(Mutant::ResendOnUnknown) {
            return self.ask(What::Place { order, way: Way::Rest, resent: true });
        }
        updates.push(placed(&order, None, source, sent, now, report));
        let never_lived = match report {
            OrderReport::NotSent | OrderReport::Refused { .. } => true,
            // Void when it came to the venue's door.
            OrderReport::Finished { finish: Finish::Expired, filled } => filled.is_zero(),
            _ => false,
        };
        if never_lived {
            self.private_void(order.client_id, now, updates);
        }
        if let OrderReport::Refused { class, .. } = report {
            self.on_order_refused(order.pair, class, now, updates);
        }
    }

    /// The venue refused an order of ours, in its answer or by its row: for rules that we have wrong, perhaps, or for the account.
    pub(super) fn on_order_refused(&mut self, pair: PairId, class: ErrorClass, now: MonoNanos, updates: &mut Vec<Input>) {
        self.rules_doubted(pair, class, now);
        self.rights_doubted(class, now, updates);
    }

    /// An answer that tells nothing of our order: counted, and the order's outcome is unknown.
    fn unreadable(&mut self, reason: FrameReject) -> OrderReport {
        self.stats.reject(reason);
        OrderReport::Unknown { cause: UnknownCause::ServerError }
    }

    fn on_amended(&mut self, amend: &Amend, sent: MonoNanos, told: Told<OrderAnswer>, now: MonoNanos, updates: &mut Vec<Input>) {
        let (source, class) = (told.source(), told.class());
        self.on_clock_skew(class, now);
        let report = match told {
            Told::Done(answer) => match self.own(answer, &amend.order) {
                Own::Row(row) if amended_as_asked(&row, amend) => return updates.push(Input::Order(row.update)),
                Own::Row(_) => {
                    self.stats.reject(FrameReject::OutOfRange);
                    OrderReport::CancelFailed { class }
                }
                // Perhaps amended: its state decides.
                Own::Received | Own::Nothing => OrderReport::CancelFailed { class },
            },
            ref failed if failed.is_not_found() => OrderReport::NotFound,
            _ => OrderReport::CancelFailed { class },
        };
        updates.push(about(&amend.order, source, sent, now, report));
    }

    fn on_cancelled(
        &mut self,
        asked: Asked<W::Own>,
        sent: MonoNanos,
        told: Told<OrderAnswer>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let What::Cancel(order) = asked.what else { return };
        let (source, class) = (told.source(), told.class());
        let failed = OrderReport::CancelFailed { class };
        match told {
            Told::Done(answer) => match self.own(answer, &order) {
                Own::Row(row) => self.tell_row(&row, updates),
                Own::Received => self.on_cancel_taken(&order, sent, now, updates),
                Own::Nothing => updates.push(about(&order, source, sent, now, failed)),
            },
            told if told.is_not_found() => updates.push(about(&order, source, sent, now, OrderReport::NotFound)),
            _ => {
                self.on_clock_skew(class, now);
                // Only what the venue surely did not act on is asked again; after that the order's state decides.
                let not_executed = matches!(class, ErrorClass::RateLimited | ErrorClass::ClockSkew);
                if !not_executed || self.try_again(asked, class, now).is_err() {
                    updates.push(about(&order, source, sent, now, failed));
                }
            }
        }
    }

    /// A cancel was taken, and nothing is said about executions: the order's end comes by stream, or by the look-up that this asks for.
    pub(super) fn on_cancel_taken(&self, order: &OrderRef, sent: MonoNanos, now: MonoNanos, updates: &mut Vec<Input>) {
        let report = OrderReport::CancelFailed { class: ErrorClass::Unknown };
        updates.push(about(order, OrderSource::Reply, sent, now, report));
    }

    pub(super) fn on_all_cancelled(
        &mut self,
        asked: Asked<W::Own>,
        sent: MonoNanos,
        told: Told<AllCancelled>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let What::CancelAll(CancelAll { pair }) = asked.what else { return };
        let (source, class) = (told.source(), told.class());
        match told {
            Told::Done(Ok(AllCancelled::Ends(rows))) => updates.extend(rows.into_iter().map(Input::Order)),
            // The private stream tells each end; what it does not tell of, this list does.
            Told::Done(Ok(AllCancelled::Received)) => self.submit_read(ReadKind::OpenOrders, now, updates),
            Told::Done(Err(reject)) => {
                self.stats.reject(reject.reason);
                updates.push(self.cancel_all_failed(pair, sent, now, source, class));
            }
            // Nothing is open there.
            told if told.is_not_found() => {}
            Told::Failed(_) | Told::Silent(_) => {
                self.on_clock_skew(class, now);
                if self.try_again(asked, class, now).is_err() {
                    updates.push(self.cancel_all_failed(pair, sent, now, source, class));
                }
            }
        }
    }

    fn on_looked_up(
        &mut self,
        asked: Asked<W::Own>,
        sent: MonoNanos,
        told: Told<OrderAnswer>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        let What::LookUp { order, place } = asked.what else { return };
        let class = told.class();
        let not_here = told.is_not_found() || matches!(told, Told::Done(Ok(OrderAnswer::NotHere)));
        if not_here && place + 1 < W::PROFILE.look_up_places {
            return self.ask(What::LookUp { order, place: place + 1 });
        }
        let tell = |report| about(&order, OrderSource::Query, sent, now, report);
        match told {
            _ if not_here => updates.push(tell(OrderReport::NotFound)),
            Told::Done(answer) => {
                let unread = tell(OrderReport::Unknown { cause: UnknownCause::ServerError });
                match self.own(answer, &order) {
                    Own::Row(row) => self.tell_row(&row, updates),
                    Own::Received | Own::Nothing => updates.push(unread),
                }
            }
            told => {
                self.on_clock_skew(class, now);
                if self.try_again(asked, class, now).is_err() {
                    let cause = if let Told::Silent(failure) = told { cause_of(failure) } else { UnknownCause::ServerError };
                    updates.push(tell(OrderReport::Unknown { cause }));
                }
            }
        }
    }

    /// What an answer says, if it is about the order that was asked about (F23).
    fn own(&mut self, answer: Result<OrderAnswer, Reject>, order: &OrderRef) -> Own {
        let mut row = match answer {
            Ok(OrderAnswer::Row(row)) => row,
            Ok(OrderAnswer::Received(_)) => return Own::Received,
            Ok(OrderAnswer::Elsewhere | OrderAnswer::NotHere) => return Own::Nothing,
            Err(reject) => {
                self.stats.reject(reject.reason);
                return Own::Nothing;
            }
        };
        let update = &mut row.update;
        let by_id = order.venue_order_id.is_some() && order.venue_order_id == update.venue_order_id;
        if update.pair != order.pair || !(by_id || update.client_id == Some(order.client_id)) {
            self.stats.reject(FrameReject::UnknownShape);
            return Own::Nothing;
        }
        update.client_id = Some(order.client_id);
        Own::Row(row)
    }
}

impl Failure {
    /// Its label for people and logs.
    fn cut(&self) -> Label {
        match &self.label {
            Some(label) => Label::cut(label),
            None => Label::cut(&format!("HTTP {}", self.status)),
        }
    }
}

fn amended_as_asked(row: &OrderRow, amend: &Amend) -> bool {
    amend.price.is_none_or(|price| row.price == Some(price)) && amend.qty.is_none_or(|qty| row.qty == Some(qty))
}
