//! What we asked for, so that every echo of an order can be held against it (F24).
//!
//! A venue may take an order with another quantity, price, side or time in force than was sent. Start at [`Desk::tell_row`]: every row
//! about an order, whichever way it came, goes through it. The first row with other terms is told as [`OrderReport::TermsDiffer`],
//! once; after that the order's rows are told as they are, so that it can reach its end.
//!
//! Orders that this session did not place (another run's, a person's) have no terms to hold anything against. Nor does one that we
//! amended: its terms are then what the venue answered.

use super::Desk;
use super::rows::{EchoedTif, OrderRow};
use super::wire::Wire;
use domain::{ClientOrderId, FrameReject, Input, NewOrder, OrderReport, OrderUpdate, Price, Qty, Side, TimeInForce};
use std::collections::BTreeMap;

/// Orders whose terms are kept; ids grow, so the lowest are the oldest. An order is over long before so many more were placed.
const KEPT_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Intent {
    side: Side,
    price: Price,
    qty: Qty,
    tif: TimeInForce,
    differs_told: bool,
}

impl Intent {
    fn is_echoed_by(&self, row: &OrderRow) -> bool {
        let tif = match row.tif {
            EchoedTif::Absent => true,
            EchoedTif::Known(tif) => tif == self.tif,
            EchoedTif::Other => false,
        };
        row.side == self.side && row.qty == Some(self.qty) && row.price == Some(self.price) && tif
    }
}

/// Terms of the orders that this session placed.
#[derive(Default)]
pub(super) struct Intents(BTreeMap<ClientOrderId, Intent>);

impl Intents {
    pub(super) fn note(&mut self, order: &NewOrder) {
        let NewOrder { client_id, side, price, qty, tif, .. } = *order;
        if self.0.len() >= KEPT_MAX && !self.0.contains_key(&client_id) {
            self.0.pop_first();
        }
        self.0.entry(client_id).or_insert(Intent { side, price, qty, tif, differs_told: false });
    }

    pub(super) fn forget(&mut self, client_id: ClientOrderId) {
        self.0.remove(&client_id);
    }

    /// True for the first row that names one of our orders with other terms.
    fn is_news(&mut self, row: &OrderRow) -> bool {
        let intent = row.update.client_id.and_then(|id| self.0.get_mut(&id));
        match intent {
            Some(intent) if !intent.is_echoed_by(row) => !std::mem::replace(&mut intent.differs_told, true),
            _ => false,
        }
    }
}

impl<W: Wire> Desk<W> {
    /// Tells what a row says about an order, and before that, once, that its terms are not ours. A refusal means what one in an answer
    /// does: venues that only receive orders refuse them so.
    pub fn tell_row(&mut self, row: &OrderRow, updates: &mut Vec<Input>) {
        self.order_names.note(&row.update);
        let differs = self.tell_other_terms(row, updates);
        // An order that has ended is told as that too: there is nothing to wait for.
        if !(differs && matches!(row.update.report, OrderReport::Open { .. })) {
            updates.push(Input::Order(row.update));
        }
        if let OrderUpdate { report: OrderReport::Refused { class, .. }, client_id: Some(_), pair, received, .. } = row.update {
            self.on_order_refused(pair, class, received, updates);
        }
    }

    /// Tells, once an order, that the venue holds it with other terms than we asked for. True when it told.
    pub(super) fn tell_other_terms(&mut self, row: &OrderRow, updates: &mut Vec<Input>) -> bool {
        let (OrderReport::Open { filled } | OrderReport::Finished { filled, .. }) = row.update.report else { return false };
        let differs = self.intents.is_news(row);
        if differs {
            self.stats.reject(FrameReject::OutOfRange);
            let report = OrderReport::TermsDiffer { qty: row.qty.unwrap_or(filled), filled };
            updates.push(Input::Order(OrderUpdate { report, ..row.update }));
        }
        differs
    }
}
