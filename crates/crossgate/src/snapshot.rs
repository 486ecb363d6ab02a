//! The copy of a running node that the ops thread and the live view see, made at every tick.

use crate::report::profit::Profit;
use crate::report::{RunFacts, redundancy, run_json};
use domain::{Amount, FrameReject, MonoNanos, Notice, OrderOutcome, ResyncReason, StopKind, StopReason, Unwind, Verdict};
use node::Node;
use risk::{Market, VenuePair};
use serde_json::{Value, json};
use telemetry::{CostHistogram, Exposition, Histogram, names};
use venue::LossReason;

/// Latencies measured at the edge, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct LatencyBook {
    /// Read from the socket → taken by the loop.
    pub queue: Histogram,
    /// Frame → inputs.
    pub decode: Histogram,
    /// Inside the engine, in the order of [`Stage`](engine_core::Stage).
    pub stages: [Histogram; 3],
    /// Command → bytes handed over.
    pub encode: Histogram,
    /// Frame complete → order bytes handed over.
    pub tick_to_order: Histogram,
    /// Order handed over → its reply.
    pub order_round_trip: Histogram,
    /// Time between the first executions of a deal's two legs.
    pub leg_skew: Histogram,
    /// Deals evened out by hedges, in the order of [`Unwind::ALL`].
    pub unwinds: [u64; 4],
    /// What those hedges cost against the deal's own reference.
    pub unwind_cost: CostHistogram,
    /// Opportunities whose best net was above zero.
    pub net_positive: u64,
}

impl LatencyBook {
    /// Takes what the engine told: closed deals and opportunities.
    pub fn see(&mut self, notices: &[Notice]) {
        for notice in notices {
            match *notice {
                Notice::Opportunity { best, .. } if !best.net.is_negative() && !best.net.is_zero() => self.net_positive += 1,
                Notice::DealClosed { leg_skew_ns, unwind, unwind_cost, unwind_value, .. } => {
                    if let Some(skew) = leg_skew_ns {
                        self.leg_skew.record(skew);
                    }
                    if let Some(unwind) = unwind {
                        self.unwinds[unwind as usize] += 1;
                        if let Some(rate) = nano_rate(unwind_cost, unwind_value) {
                            self.unwind_cost.record(rate);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// `cost ÷ value` in 10⁻⁹, rounded down; `None` for no value.
fn nano_rate(cost: Amount, value: Amount) -> Option<i64> {
    if value.is_zero() {
        return None;
    }
    let scaled = cost.units().checked_mul(1_000_000_000)?;
    i64::try_from(scaled.div_euclid(value.units())).ok()
}

type Labels = Vec<(&'static str, String)>;

/// Figures for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct MetricsCopy {
    counters: Vec<(&'static str, Labels, u64)>,
    gauges: Vec<(&'static str, Labels, f64)>,
    histograms: Vec<(&'static str, String, Histogram)>,
    costs: Vec<(&'static str, CostHistogram)>,
    exact: Vec<(&'static str, String, String)>,
}

impl MetricsCopy {
    fn counter(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        self.counters.push((name, labels.iter().map(|(k, v)| (*k, (*v).to_string())).collect(), value));
    }

    fn gauge(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.gauges.push((name, labels.iter().map(|(k, v)| (*k, (*v).to_string())).collect(), value));
    }

    /// Sets everything in `exposition` and renders it; an engine whose loop stands still is not up.
    pub fn render(&self, exposition: &Exposition, moves: bool) -> String {
        let borrowed = |labels: &Labels| labels.iter().map(|(k, v)| (*k, v.clone())).collect::<Vec<_>>();
        for (name, labels, value) in &self.counters {
            let owned = borrowed(labels);
            let refs: Vec<(&'static str, &str)> = owned.iter().map(|(k, v)| (*k, v.as_str())).collect();
            exposition.counter(name, &refs, *value);
        }
        for (name, labels, value) in &self.gauges {
            let owned = borrowed(labels);
            let refs: Vec<(&'static str, &str)> = owned.iter().map(|(k, v)| (*k, v.as_str())).collect();
            exposition.gauge(name, &refs, *value);
        }
        exposition.gauge(names::UP, &[], if moves { 1.0 } else { 0.0 });
        exposition.render(&self.histograms, &self.costs, &self.exact)
    }
}

/// The copy.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `/api/status`.
    pub status: Value,
    /// `/metrics`.
    pub metrics: MetricsCopy,
    /// Why it is not ready; empty when it is.
    pub not_ready: Vec<String>,
    /// A few lines for people.
    pub text: String,
}

/// An amount as Prometheus keeps numbers: for display only.
fn shown(amount: Amount) -> f64 {
    amount.to_text().parse().unwrap_or(0.0)
}

fn shown_seconds(nanos: u64) -> f64 {
    std::time::Duration::from_nanos(nanos).as_secs_f64()
}

impl Snapshot {
    /// The copy as of `now`, when `queued` events waited for the loop.
    pub fn of(node: &Node, facts: &RunFacts, latency: &LatencyBook, queued: usize, ran_ns: u64, now: MonoNanos) -> Snapshot {
        let mut status = run_json(node, facts, latency, ran_ns);
        let (books, not_ready) = books(node, now);
        status.insert("books".into(), json!(books));
        status.insert("venues".into(), json!(venues(node, facts)));
        status.insert("open_deals".into(), json!(open_deals(node)));
        status.insert("open".into(), json!(node.engine().executor().open_items()));
        let alerts = facts.alerts.counts().read();
        status.insert("alerts".into(), alerts.iter().map(|(name, n)| ((*name).to_string(), json!(n))).collect());
        let metrics = metrics(node, facts, latency, queued, now);
        let text = serde_json::to_string_pretty(&json!({
            "mode": status["mode"], "running_s": status["duration_s"], "opportunities": status["opportunities"],
            "verdicts": status["verdicts"], "deals": status["deals"], "pnl": status["pnl"], "halts": status["halts"], "books": status["books"],
        }))
        .unwrap_or_default();
        Snapshot { status: Value::Object(status), metrics, not_ready, text }
    }
}

fn books(node: &Node, now: MonoNanos) -> (Vec<Value>, Vec<String>) {
    let engine = node.engine();
    let tables = engine.tables();
    let age_max = engine.config().detector.book_age_max_ns;
    let (mut books, mut not_ready) = (Vec::new(), Vec::new());
    for venue in tables.venue_ids() {
        if !engine.executor().ready(venue) {
            not_ready.push(format!("{} is not reconciled", tables.venue(venue)));
        }
        for pair in tables.pair_ids() {
            let (Some(info), cell) = (tables.pair(pair), engine.market().at(venue, pair)) else { continue };
            if cell.rules.is_none() {
                continue;
            }
            let age = cell.book.age_ns(now);
            let trusted = cell.book.is_live() && age <= age_max;
            if !trusted {
                not_ready.push(format!("the book {} on {} is not trusted", info.symbol, tables.venue(venue)));
            }
            let price = |level: Option<domain::Level>| level.map(|l| info.scale.price_text(l.price));
            books.push(json!({
                "venue": tables.venue(venue), "pair": info.symbol.to_string(), "trusted": trusted,
                "age_s": if age == u64::MAX { Value::Null } else { json!(crate::clock_text::seconds(age)) },
                "best_bid": price(cell.book.book().best_bid()), "best_ask": price(cell.book.book().best_ask()),
            }));
        }
    }
    (books, not_ready)
}

fn open_deals(node: &Node) -> Vec<Value> {
    let tables = node.engine().tables();
    let deals = node.engine().executor().deals_open().into_iter();
    deals
        .map(|deal| {
            let symbol = tables.pair(deal.pair).map(|p| p.symbol.to_string());
            let (lo, hi) = deal.exposure;
            json!({"deal": deal.deal.0, "pair": symbol, "buy": tables.venue(deal.buy), "sell": tables.venue(deal.sell),
                   "base_min": lo.to_text(), "base_max": hi.to_text()})
        })
        .collect()
}

fn venues(node: &Node, facts: &RunFacts) -> Vec<Value> {
    let engine = node.engine();
    let stats = node.session_stats();
    let each = facts.venues.iter().zip(engine.tables().venue_ids()).zip(stats);
    each.map(|((venue, id), stats)| {
        json!({"id": venue.id, "kind": venue.kind, "ready": engine.executor().ready(id), "dead_man_armed": engine.dead_man_armed(id), "frames": stats.frames,
               "rejected": stats.rejected.iter().sum::<u64>(), "resyncs": stats.resyncs.iter().sum::<u64>(), "requests": stats.requests,
               "redundancy": stats.redundancy.as_ref().map(redundancy)})
    })
    .collect()
}

/// The best bid of any live book over the best ask of any other, before costs, in basis points; for display only.
fn gross_edge_bps(cells: &[VenuePair]) -> Option<f64> {
    let tops = || cells.iter().enumerate().filter(|(_, c)| c.book.is_live());
    let edges = tops().flat_map(|(buy, b)| {
        let ask = b.book.book().best_ask();
        tops()
            .filter(move |(sell, _)| *sell != buy)
            .filter_map(move |(_, s)| Some((ask?.price.units(), s.book.book().best_bid()?.price.units())))
    });
    edges.map(|(ask, bid)| (bid - ask) as f64 / ask as f64 * 10_000.0).reduce(f64::max)
}

fn edges(copy: &mut MetricsCopy, market: &Market) {
    let tables = market.tables();
    for (pair, info) in tables.pair_ids().filter_map(|pair| Some((pair, tables.pair(pair)?))) {
        let symbol = info.symbol.to_string();
        // The exporter shows what a gauge was last set to: a pair without an edge has to say so, or its last one would stand for ever.
        let edge = gross_edge_bps(market.venues_of(pair)).unwrap_or(f64::NAN);
        copy.gauge(names::EDGE, &[("market", info.kind.market()), ("pair", symbol.as_str())], edge);
    }
}

fn metrics(node: &Node, facts: &RunFacts, latency: &LatencyBook, queued: usize, now: MonoNanos) -> MetricsCopy {
    let mut copy = MetricsCopy::default();
    let engine = node.engine();
    let tables = engine.tables();
    let report = engine.report();
    copy.gauge(names::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION")), ("commit", env!("CROSSGATE_COMMIT"))], 1.0);
    for (venue, stats) in tables.venues.iter().zip(node.session_stats()) {
        copy.counter(names::FRAMES, &[("venue", venue)], stats.frames);
        for (reason, count) in FrameReject::ALL.iter().zip(stats.rejected) {
            copy.counter(names::FRAMES_REJECTED, &[("venue", venue), ("reason", reason.as_str())], count);
        }
        for (reason, count) in ResyncReason::ALL.iter().zip(stats.resyncs) {
            copy.counter(names::BOOK_RESYNCS, &[("venue", venue), ("reason", reason.as_str())], count);
        }
        for reason in LossReason::ALL {
            let count = stats.reconnects.iter().find(|(label, _)| *label == reason.as_str()).map_or(0, |(_, count)| *count);
            copy.counter(names::RECONNECTS, &[("venue", venue), ("reason", reason.as_str())], count);
        }
        if let Some(both) = &stats.redundancy {
            for (connection, (ahead, covered)) in ["1", "2"].into_iter().zip(both.ahead.iter().zip(both.covered)) {
                let labels = [("venue", venue.as_str()), ("connection", connection)];
                copy.counter(names::REDUNDANT_FIRST, &labels, ahead.count());
                copy.counter(names::REDUNDANT_COVERED, &labels, covered);
            }
            for (quantile, per_mille) in [("0.5", 500), ("0.99", 990)] {
                if let Some(gain) = both.ahead[1].quantile_ns(per_mille) {
                    let labels = [("venue", venue.as_str()), ("quantile", quantile)];
                    copy.gauge(names::REDUNDANT_GAIN, &labels, shown_seconds(gain));
                }
            }
        }
        if let Some((remaining, limit)) = stats.rate_remaining {
            copy.gauge(
                names::RATE_USED,
                &[("venue", venue)],
                f64::from(limit.saturating_sub(remaining)) / f64::from(limit.max(1)),
            );
        }
    }
    let age_max = engine.config().detector.book_age_max_ns;
    for (venue, pair) in tables.venue_ids().flat_map(|v| tables.pair_ids().map(move |p| (v, p))) {
        let (cell, Some(info)) = (engine.market().at(venue, pair), tables.pair(pair)) else { continue };
        let symbol = info.symbol.to_string();
        let labels = [("venue", tables.venue(venue)), ("market", info.kind.market()), ("pair", symbol.as_str())];
        let age = cell.book.age_ns(now);
        if age != u64::MAX {
            copy.gauge(names::BOOK_AGE, &labels, shown_seconds(age));
        }
        copy.gauge(names::BOOK_TRUSTED, &labels, f64::from(u8::from(cell.book.is_live() && age <= age_max)));
    }
    for venue in tables.venue_ids() {
        if let Some(offset) = engine.clock_offset_ns(venue) {
            let size = shown_seconds(offset.unsigned_abs());
            copy.gauge(names::CLOCK_OFFSET, &[("venue", tables.venue(venue))], if offset < 0 { -size } else { size });
        }
    }
    edges(&mut copy, engine.market());
    copy.gauge(names::QUEUE_DEPTH, &[("stage", "inputs")], queued as f64);
    if latency.net_positive > 0 {
        let traded = report.verdicts[Verdict::Traded as usize];
        copy.gauge(names::CAPTURED, &[], traded as f64 / latency.net_positive as f64);
    }
    copy.counter(names::BOOK_UPDATES, &[], report.stats.book_updates);
    let execution = &report.execution;
    for (outcome, count) in OrderOutcome::ALL.iter().zip(execution.outcomes).filter(|(o, _)| **o != OrderOutcome::Unknown) {
        copy.counter(names::ORDERS, &[("outcome", outcome.as_str())], count);
    }
    copy.counter(names::FEE_DRIFT, &[], execution.fee_drift);
    copy.gauge(names::ORDERS_UNKNOWN, &[], f64::from(execution.orders_unknown));
    for (verdict, count) in Verdict::ALL.iter().zip(report.verdicts) {
        copy.counter(names::OPPORTUNITIES, &[("reason", verdict.as_str())], count);
    }
    for line in &execution.balances {
        let labels = [("venue", tables.venue(line.venue)), ("asset", tables.asset(line.asset))];
        copy.gauge(names::BALANCE, &labels, shown(line.total));
        copy.gauge(names::RESERVED, &labels, shown(line.reserved));
    }
    // Every series from the start, at zero: a rate over a counter that appears late misses its first step.
    for line in &execution.balances {
        let charged = execution.fees.iter().filter(|(venue, asset, _)| (*venue, *asset) == (line.venue, line.asset));
        let sum: Amount = charged.map(|(_, _, amount)| *amount).sum();
        let labels = format!("venue=\"{}\",asset=\"{}\"", tables.venue(line.venue), tables.asset(line.asset));
        copy.exact.push((names::FEES, labels, sum.to_text()));
    }
    let profit = Profit::of(engine.market(), &report.pnl, &report.unvalued);
    copy.gauge(names::PNL, &[], shown(profit.quote));
    copy.gauge(names::UNHEDGED, &[], shown(engine.executor().exposure(engine.market()).worst_quote()));
    for (how, count) in Unwind::ALL.iter().zip(latency.unwinds) {
        copy.counter(names::UNWINDS, &[("reason", how.as_str())], count);
    }
    copy.costs.push((names::UNWIND_COST, latency.unwind_cost.clone()));
    copy.exact.push((names::UNHEDGED_SECONDS, String::new(), crate::clock_text::seconds(execution.unhedged_ns)));
    for reason in StopReason::ALL {
        let held = report.stops.iter().any(|s| s.reason == *reason && s.kind != StopKind::Freeze);
        copy.gauge(names::HALTED, &[("reason", reason.as_str())], f64::from(u8::from(held)));
    }
    for (outcome, count) in facts.alerts.counts().read() {
        copy.counter(names::ALERTS, &[("outcome", outcome)], count);
    }
    // Numbers up to 2^53 are exact in a gauge; a lag is far below.
    let state = &facts.logs.state;
    copy.gauge(names::JOURNAL_LAG, &[("stage", "sync")], state.written_seq().saturating_sub(state.synced_seq()) as f64);
    if let Some(market) = &facts.logs.market {
        copy.gauge(names::JOURNAL_LAG, &[("stage", "market")], market.handed_seq().saturating_sub(market.written_seq()) as f64);
    }
    let [apply, detect, risk] = &latency.stages;
    for (stage, histogram) in [
        ("queue", &latency.queue),
        ("decode", &latency.decode),
        ("apply", apply),
        ("detect", detect),
        ("risk", risk),
        ("encode", &latency.encode),
    ] {
        copy.histograms.push((names::STAGE, format!("stage=\"{stage}\""), histogram.clone()));
    }
    copy.histograms.push((names::TICK_TO_ORDER, String::new(), latency.tick_to_order.clone()));
    copy.histograms.push((names::LEG_SKEW, String::new(), latency.leg_skew.clone()));
    copy.histograms.push((names::ORDER_ROUND_TRIP, String::new(), latency.order_round_trip.clone()));
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        AssetId, BookBody, BookUpdate, InstrumentKind, Level, PairId, PairInfo, PairScale, Price, Qty, Symbol, Tables, VenueId,
    };
    use std::sync::Arc;

    fn market() -> Market {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        let scale = PairScale::new(2, 4).unwrap();
        let pair = PairInfo { symbol, kind: InstrumentKind::Spot, base: AssetId(0), quote: AssetId(1), scale };
        let (venues, assets) = (vec!["a".into(), "b".into()], vec!["BTC".into(), "USDT".into()]);
        Market::new(Arc::new(Tables { venues, pairs: vec![pair], assets }))
    }

    fn see(market: &mut Market, venue: u8, body: BookBody) {
        let received = MonoNanos(10);
        let update = BookUpdate { venue: VenueId(venue), pair: PairId(0), received, changed_at: None, sent_at: None, body };
        market.handle_book(&update).unwrap();
    }

    fn book(bid: i64, ask: i64) -> BookBody {
        let level = |units| vec![Level { price: Price::from_units(units).unwrap(), qty: Qty::from_units(1).unwrap() }];
        BookBody::Snapshot { id: 1, bids: level(bid), asks: level(ask) }
    }

    #[test]
    fn an_edge_ends_with_the_books_that_it_was_seen_in() {
        let exposition = Exposition::new();
        let told = |market: &Market| {
            let mut copy = MetricsCopy::default();
            edges(&mut copy, market);
            let text = copy.render(&exposition, true);
            let line = text.lines().find(|line| line.starts_with("crossgate_edge_bps{")).map(str::to_string);
            line.unwrap_or_else(|| panic!("no series: {text}"))
        };
        let series = |value: &str| format!("crossgate_edge_bps{{market=\"spot\",pair=\"BTC/USDT\"}} {value}");
        let mut market = market();
        assert_eq!(told(&market), series("NaN"), "no book yet");
        see(&mut market, 0, book(9_900, 10_000));
        assert_eq!(told(&market), series("NaN"), "one venue is no edge");
        see(&mut market, 1, book(10_100, 10_200));
        assert_eq!(told(&market), series("100"));
        see(&mut market, 1, BookBody::Untrusted { reason: ResyncReason::Gap });
        assert_eq!(told(&market), series("NaN"), "the last edge is no news of a dead book");
    }
}
