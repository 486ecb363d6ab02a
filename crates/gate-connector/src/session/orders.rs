//! Orders over REST: placing, cancelling, looking up (Gate API v4, orders).
//!
//! A placement is sent once and never again. Its answer is one of three: accepted, definitely refused, unknown; what can't be read
//! is unknown. Executions are never made of order replies: they come with their trade ids from the stream or `my_trades`.

use super::{Answer, GateSession, InFlight, What};
use crate::errors::{self, Placement};
use crate::wire::bodies::ErrorLabel;
use crate::wire::rows::{OrderRow, Stamp, TEXT_PREFIX};
use domain::command::OrderRef;
use domain::mutants::{self, Mutant};
use domain::{
    ErrorClass, Finish, FrameReject, Input, Label, MonoNanos, NewOrder, OrderReport, OrderSource, OrderUpdate, PairId, Qty,
    RoundTrip, UnknownCause,
};
use venue::IoFailure;

/// Cancelling everything on one pair.
#[derive(Clone, Copy)]
pub(super) struct CancelAll {
    pub(super) pair: PairId,
}

/// Path of one order: by the venue's id where it is known, else by ours, whose prefix belongs to every look-up.
pub(super) fn order_path(order: &OrderRef) -> String {
    match order.venue_order_id {
        Some(id) => format!("/spot/orders/{id}"),
        None => format!("/spot/orders/{TEXT_PREFIX}{}", order.client_id),
    }
}

/// The edge did not send this order.
pub(super) fn not_sent(order: &NewOrder, now: MonoNanos) -> Input {
    placed(order, OrderSource::Edge, now, now, OrderReport::NotSent)
}

fn placed(order: &NewOrder, source: OrderSource, requested: MonoNanos, received: MonoNanos, report: OrderReport) -> Input {
    let (venue, pair, client_id) = (order.venue, order.pair, Some(order.client_id));
    Input::Order(OrderUpdate { venue, pair, client_id, venue_order_id: None, source, received, requested, report })
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

impl GateSession {
    pub(super) fn submit_order(&mut self, order: &NewOrder, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.signer.is_none() || self.decoder.names.name(order.pair).is_none() {
            return updates.push(not_sent(order, now));
        }
        // An order late by its own budget is worse than none: refuse, do not queue.
        if !self.budgets.may_place(order.pair, now) {
            let report = OrderReport::Refused { class: ErrorClass::RateLimited, label: Label::cut("own rate budget") };
            return updates.push(placed(order, OrderSource::Edge, now, now, report));
        }
        self.ask(What::Place { order: *order, resent: false });
    }

    pub(super) fn submit_cancel(&mut self, order: &OrderRef, now: MonoNanos, updates: &mut Vec<Input>) {
        let failed = |class| about(order, OrderSource::Edge, now, now, OrderReport::CancelFailed { class });
        if self.signer.is_none() || self.decoder.names.name(order.pair).is_none() {
            return updates.push(failed(ErrorClass::AuthFatal));
        }
        if !self.budgets.may_cancel(now) {
            return updates.push(failed(ErrorClass::RateLimited));
        }
        self.ask(What::Cancel(*order));
    }

    pub(super) fn submit_cancel_all(&mut self, pair: PairId, now: MonoNanos, updates: &mut Vec<Input>) {
        let known = self.signer.is_some() && self.decoder.names.name(pair).is_some();
        if known && self.budgets.may_cancel(now) {
            return self.ask(What::CancelAll(CancelAll { pair }));
        }
        let class = if known { ErrorClass::RateLimited } else { ErrorClass::AuthFatal };
        updates.push(self.cancel_all_failed(pair, now, now, OrderSource::Edge, class));
    }

    pub(super) fn submit_look_up(&mut self, order: &OrderRef, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.signer.is_none() || self.decoder.names.name(order.pair).is_none() {
            let report = OrderReport::Unknown { cause: UnknownCause::LinkLost };
            return updates.push(about(order, OrderSource::Edge, now, now, report));
        }
        self.ask(What::LookUp(*order));
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

    pub(super) fn on_order_answer(&mut self, flight: InFlight, answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        match flight.asked.what {
            What::Place { order, resent } => self.on_placed(order, resent, flight.sent, answer, now, updates),
            What::Cancel(_) => self.on_cancelled(flight, answer, now, updates),
            What::CancelAll(_) => self.on_all_cancelled(flight, answer, now, updates),
            What::LookUp(_) => self.on_looked_up(flight, answer, now, updates),
            _ => {}
        }
    }

    fn on_placed(
        &mut self,
        order: NewOrder,
        resent: bool,
        sent: MonoNanos,
        mut answer: Answer<'_>,
        now: MonoNanos,
        updates: &mut Vec<Input>,
    ) {
        if matches!(answer, Answer::Http { .. }) {
            updates.push(Input::RoundTrip(RoundTrip { venue: self.venue, order: true, nanos: now.since(sent) }));
        }
        let report = match &mut answer {
            Answer::Failed(IoFailure::NotSent) => {
                return updates.push(placed(&order, OrderSource::Edge, sent, now, OrderReport::NotSent));
            }
            Answer::Failed(failure) => OrderReport::Unknown { cause: cause_of(*failure) },
            Answer::Http { status: 200..=299, body } => {
                let stamp = Stamp { source: OrderSource::Reply, received: now, requested: sent };
                match self.decoder.order(body, stamp) {
                    Ok(Some(row)) if echoes(&row, &order) => return updates.push(Input::Order(row.update)),
                    // An answer to another order, or with other terms than asked: nothing is known of ours.
                    Ok(_) => self.stats.reject(FrameReject::UnknownShape),
                    Err(reject) => self.stats.reject(reject.reason),
                }
                OrderReport::Unknown { cause: UnknownCause::ServerError }
            }
            Answer::Http { status, .. } => {
                let status = *status;
                let (class, label) = self.failure(&mut answer);
                if class == ErrorClass::ClockSkew {
                    self.start_clock_round(now);
                }
                let cut = label.as_ref().map_or_else(|| Label::cut(&format!("HTTP {status}")), ErrorLabel::cut);
                match errors::placement(status, label.as_ref().map(|l| l.0.as_str())) {
                    Placement::RefusedUnlisted(_) if order.deadline.is_some_and(|deadline| now >= deadline) => {
                        OrderReport::Finished { finish: Finish::Expired, filled: Qty::ZERO }
                    }
                    Placement::Refused(class) | Placement::RefusedUnlisted(class) => OrderReport::Refused { class, label: cut },
                    Placement::Unknown => OrderReport::Unknown { cause: UnknownCause::ServerError },
                }
            }
        };
        if matches!(report, OrderReport::Unknown { .. }) && !resent && mutants::active(Mutant::ResendOnUnknown) {
            return self.ask(What::Place { order, resent: true });
        }
        let source = if matches!(answer, Answer::Failed(_)) { OrderSource::Edge } else { OrderSource::Reply };
        updates.push(placed(&order, source, sent, now, report));
    }

    fn on_cancelled(&mut self, flight: InFlight, mut answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let What::Cancel(order) = flight.asked.what else { return };
        let requested = flight.sent;
        if let Answer::Http { status: 200..=299, body } = &mut answer {
            let stamp = Stamp { source: OrderSource::Reply, received: now, requested };
            return match self.own_row(body, stamp, &order) {
                Some(update) => updates.push(Input::Order(update)),
                None => updates.push(about(
                    &order,
                    OrderSource::Reply,
                    requested,
                    now,
                    OrderReport::CancelFailed { class: ErrorClass::Unknown },
                )),
            };
        }
        let (class, label) = self.failure(&mut answer);
        if errors::is_not_found(label.as_ref().map(|l| l.0.as_str())) {
            return updates.push(about(&order, OrderSource::Reply, requested, now, OrderReport::NotFound));
        }
        self.on_clock_skew(class, now);
        // Only what the venue surely did not act on is asked again; after that the order's state decides.
        let not_executed = matches!(class, ErrorClass::RateLimited | ErrorClass::ClockSkew);
        if !not_executed || self.try_again(flight.asked, class, now).is_err() {
            let source = if matches!(answer, Answer::Failed(_)) { OrderSource::Edge } else { OrderSource::Reply };
            updates.push(about(&order, source, requested, now, OrderReport::CancelFailed { class }));
        }
    }

    fn on_all_cancelled(&mut self, flight: InFlight, mut answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let What::CancelAll(CancelAll { pair }) = flight.asked.what else { return };
        let stamp = Stamp { source: OrderSource::Reply, received: now, requested: flight.sent };
        if let Answer::Http { status: 200..=299, body } = &mut answer {
            match self.decoder.cancelled(body, stamp) {
                Ok(rows) => updates.extend(rows.into_iter().map(Input::Order)),
                Err(reject) => {
                    self.stats.reject(reject.reason);
                    updates.push(self.cancel_all_failed(pair, flight.sent, now, stamp.source, ErrorClass::Unknown));
                }
            }
            return;
        }
        let class = self.failure(&mut answer).0;
        self.on_clock_skew(class, now);
        if self.try_again(flight.asked, class, now).is_err() {
            updates.push(self.cancel_all_failed(pair, flight.sent, now, stamp.source, class));
        }
    }

    fn on_looked_up(&mut self, flight: InFlight, mut answer: Answer<'_>, now: MonoNanos, updates: &mut Vec<Input>) {
        let What::LookUp(order) = flight.asked.what else { return };
        let requested = flight.sent;
        let tell = |report| about(&order, OrderSource::Query, requested, now, report);
        if let Answer::Http { status: 200..=299, body } = &mut answer {
            let stamp = Stamp { source: OrderSource::Query, received: now, requested };
            let update = self.own_row(body, stamp, &order).map(Input::Order);
            return updates.push(update.unwrap_or(tell(OrderReport::Unknown { cause: UnknownCause::ServerError })));
        }
        let (class, label) = self.failure(&mut answer);
        if errors::is_not_found(label.as_ref().map(|l| l.0.as_str())) {
            return updates.push(tell(OrderReport::NotFound));
        }
        self.on_clock_skew(class, now);
        if self.try_again(flight.asked, class, now).is_err() {
            let cause = if let Answer::Failed(failure) = answer { cause_of(failure) } else { UnknownCause::ServerError };
            updates.push(tell(OrderReport::Unknown { cause }));
        }
    }

    pub(super) fn on_clock_skew(&mut self, class: ErrorClass, now: MonoNanos) {
        if class == ErrorClass::ClockSkew {
            self.start_clock_round(now);
        }
    }

    /// The order in a body, if it is the one that was asked about.
    fn own_row(&mut self, body: &mut [u8], stamp: Stamp, order: &OrderRef) -> Option<OrderUpdate> {
        let row = match self.decoder.order(body, stamp) {
            Ok(row) => row?,
            Err(reject) => {
                self.stats.reject(reject.reason);
                return None;
            }
        };
        let mut update = row.update;
        let by_id = order.venue_order_id.is_some() && order.venue_order_id == update.venue_order_id;
        if update.pair != order.pair || !(by_id || update.client_id == Some(order.client_id)) {
            self.stats.reject(FrameReject::UnknownShape);
            return None;
        }
        update.client_id = Some(order.client_id);
        Some(update)
    }
}

/// True when a reply names our order and repeats its terms.
fn echoes(row: &OrderRow, order: &NewOrder) -> bool {
    row.update.client_id == Some(order.client_id)
        && row.update.pair == order.pair
        && row.side == order.side
        && row.qty == Some(order.qty)
        && row.price == Some(order.price)
}
