//! How long does it take to judge one ordered pair of venues, and to size a plan when it pays?
//!
//! Two venues quote the same book, but the second stands higher: its best bid is 25 to 60 basis points above the first's best ask, so
//! that buying at the first and selling at the second pays after both fees of 10. The other direction is the usual case: not crossed, decided by the two tops.
//!
//! The first row is paid for every changed book times the number of other venues; the last only when there is something to earn.

use crossgate_benches::live_session::decoded;
use crossgate_benches::report::{Report, Times, measure, timed};
use crossgate_benches::tape::{PAIR, Tape};
use domain::{
    Amount, BookBody, BookUpdate, FeeRates, InstrumentRules, Level, MonoNanos, PairScale, Price, Qty, Rate, VenueId,
    number::AMOUNT_ONE,
};
use risk::Limits;
use risk::market::VenuePair;
use risk::size::{SizeInputs, size_plan};
use spread_detector::{DetectorConfig, Group, LegView, assess, collar_reference};

const LOW: VenueId = VenueId(0);
const HIGH: VenueId = VenueId(1);
/// Books judged.
const BOOKS: usize = 500;

fn main() {
    let tape = Tape::load();
    let mut report = Report::new("detect: two books → verdict, and plan", &tape.source);
    let scale = tape.tables.pair(PAIR).expect("the tape's pair").scale;
    let updates = decoded(&tape, "order_book");
    let markets: Vec<Books> = updates.iter().take(BOOKS).enumerate().map(|(i, update)| Books::new(update, i, scale)).collect();
    report.yardstick("not crossed", &measure(|times| markets.iter().for_each(|m| m.judge(times, HIGH, false))));
    report
        .row("crossed: depth walked, waterfall kept", &measure(|times| markets.iter().for_each(|m| m.judge(times, LOW, false))));
    report.row(
        "crossed, and sized into a plan of two legs",
        &measure(|times| markets.iter().for_each(|m| m.judge(times, LOW, true))),
    );
}

fn rate(bps: i64) -> Rate {
    Rate::from_bps(bps).expect("a small rate")
}

fn quote(whole: i128) -> Amount {
    Amount::from_units(whole * AMOUNT_ONE)
}

/// Both venues' books at one moment.
struct Books {
    scale: PairScale,
    now: MonoNanos,
    cells: [VenuePair; 2],
    config: DetectorConfig,
    limits: Limits,
}

impl Books {
    fn new(update: &BookUpdate, index: usize, scale: PairScale) -> Books {
        let above_bps = 25 + (index as i64 % 36);
        let limits = Limits {
            order_value_max: quote(2_500),
            deal_value_max: quote(2_500),
            unhedged_value_max: quote(10_000),
            open_deals_max: 4,
            orders_per_second_max: 1_000,
            daily_loss_max: quote(1_000),
        };
        let config = DetectorConfig {
            min_edge: rate(2),
            book_age_max_ns: 1_000_000_000,
            lag_max_ns: 250_000_000,
            lag_must_be_known: false,
            skew_max_ns: 500_000_000,
            collar: rate(500),
            latency_allowance: rate(1),
        };
        let cells = [cell(LOW, update, None, scale), cell(HIGH, update, Some(above_bps), scale)];
        Books { scale, now: update.received.after(1_000_000), cells, config, limits }
    }

    /// Judges buying at `buy` and selling at the other; sizes what passes if `sized`.
    fn judge(&self, times: &mut Times, buy: VenueId, sized: bool) {
        let sell = if buy == LOW { HIGH } else { LOW };
        let (buy_cell, sell_cell) = (&self.cells[buy.index()], &self.cells[sell.index()]);
        let found = timed(times, || {
            let leg = |venue, cell| leg_view(venue, cell);
            let reference = collar_reference(self.cells.iter().map(|c| &c.book), self.config.book_age_max_ns, self.now);
            let (buy_leg, sell_leg) = (leg(buy, buy_cell), leg(sell, sell_cell));
            let assessed = assess(&self.config, self.scale, Group::Tradable, &reference, &buy_leg, &sell_leg, self.now)?;
            let plan = if sized && assessed.failed.is_none() {
                Some(size_plan(&self.inputs(buy, sell, assessed.waterfall.qty)))
            } else {
                None
            };
            Some((assessed, plan))
        });
        let (assessed, plan) = found.expect("both books are live");
        assert_eq!(assessed.gross_positive, buy == LOW, "the second venue stands above the first");
        if buy == LOW {
            assert_eq!(assessed.failed, None, "the edge pays");
        }
        if let Some(plan) = plan {
            assert!(plan.is_ok(), "the edge is large enough for a plan: {plan:?}");
        }
    }

    fn inputs(&self, buy: VenueId, sell: VenueId, qty_paying: Qty) -> SizeInputs<'_> {
        SizeInputs {
            pair: PAIR,
            scale: self.scale,
            base: domain::AssetId(0),
            buy,
            sell,
            buy_cell: &self.cells[buy.index()],
            sell_cell: &self.cells[sell.index()],
            qty_paying,
            quote_available: quote(250_000),
            base_available: quote(1_000_000),
            quote_floor: Amount::ZERO,
            base_floor: Amount::ZERO,
            room: quote(1_000_000),
            quote_worth: Some(risk::Worth::ONE),
            order_qty_max: None,
            limits: &self.limits,
            min_edge: self.config.min_edge,
            latency_allowance: self.config.latency_allowance,
            deadline: self.now.after(500_000_000),
        }
    }
}

fn leg_view(venue: VenueId, cell: &VenuePair) -> LegView<'_> {
    LegView { venue, book: &cell.book, taker: cell.fees.map(|f| f.taker), fee_in_received: true, open: true }
}

/// The update's book; moved up, if so wanted, until its best bid is `edge_bps` above where its best ask was.
fn cell(venue: VenueId, update: &BookUpdate, edge_bps: Option<i64>, scale: PairScale) -> VenuePair {
    let mut update = update.clone();
    update.venue = venue;
    let BookBody::Snapshot { bids, asks, .. } = &mut update.body else { panic!("snapshots only") };
    if let Some(edge_bps) = edge_bps {
        let (bid, ask) = (bids[0].price.units(), asks[0].price.units());
        let up = ask - bid + ask * edge_bps / 10_000;
        let moved = |level: &mut Level| level.price = Price::from_units(level.price.units() + up).expect("a positive price");
        bids.iter_mut().chain(asks.iter_mut()).for_each(moved);
    }
    let mut cell = VenuePair::default();
    cell.book.handle(&update, &mut order_book::VenueLag::default()).expect("a good book");
    // Fine enough that what rounding to lots wastes does not eat the edge.
    let lot = 10i64.pow(u32::from(scale.qty_decimals().saturating_sub(6)));
    cell.rules = Some(InstrumentRules {
        venue,
        pair: PAIR,
        price_step: 1,
        qty_step: Qty::from_units(lot).expect("a lot"),
        qty_min: Qty::from_units(lot).expect("a lot"),
        qty_max: None,
        value_min: quote(1),
        can_buy: true,
        can_sell: true,
    });
    cell.fees = Some(FeeRates { venue, pair: PAIR, taker: rate(10), maker: rate(10), paid_in: None });
    cell
}
