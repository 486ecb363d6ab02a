//! What a run amounts to, as the JSON of `docs/interface.md` and as text for people.

pub mod profit;

use crate::alerts::AlertBus;
use crate::clock_text::{rfc3339, seconds, short};
use crate::config::Mode;
use crate::exit::Failure;
use crate::guard::{plain, plain_json};
use crate::snapshot::LatencyBook;
use domain::{Amount, OrderOutcome, StopKind, StopReason, UnixNanos, Unwind, VenueId, Verdict};
use journal::{LockWatch, MarketStatus, StateStatus};
use node::Node;
use profit::Profit;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of the run's logs, shared with their writers.
#[derive(Clone, Debug)]
pub struct LogWatch {
    /// The state log.
    pub state: Arc<StateStatus>,
    /// The market log, if one is kept.
    pub market: Option<Arc<MarketStatus>>,
    /// `[state] disk_free_min`, in bytes.
    pub disk_free_min: u64,
    /// The lock of the run directory.
    pub lock: LockWatch,
}

/// Fixed facts of a run.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// `sim`, `paper`, `live`.
    pub mode: &'static str,
    /// Seed in force.
    pub seed: u64,
    /// When it started.
    pub started: UnixNanos,
    /// Run directory.
    pub run_dir: String,
    /// Its logs.
    pub logs: LogWatch,
    /// Its alerts.
    pub alerts: AlertBus,
    /// What faults of the simulated venues are drawn from.
    pub faults_seed: Option<u64>,
    /// Venues.
    pub venues: Vec<VenueFacts>,
}

/// One venue.
#[derive(Clone, Debug)]
pub struct VenueFacts {
    /// Configured id.
    pub id: String,
    /// Connector kind.
    pub kind: String,
    /// Somebody attests that the key may not withdraw.
    pub attested: bool,
}

/// What second connections were worth: which told first how often, how much earlier the second one did, and what it covered for.
pub fn redundancy(stats: &venue::redundant::RedundancyStats) -> Value {
    let quantile = |per_mille| stats.ahead[1].quantile_ns(per_mille).map(seconds);
    json!({
        "first": stats.ahead.each_ref().map(|gains| gains.count()),
        "gain_s": {"median": quantile(500), "p99": quantile(990)},
        "covered": stats.covered,
    })
}

/// Prints a line, or several, on standard output, other control characters shown and not obeyed; a closed pipe is no failure.
pub fn print_line(line: &str) {
    let shown: Vec<String> = line.split('\n').map(plain).collect();
    print(shown.join("\n"));
}

/// As [`print_line`], for serialised JSON: it stays JSON of the same value.
pub fn print_json(json: &str) {
    print(plain_json(json));
}

/// Set once standard output took less than it was given.
static CUT_SHORT: AtomicBool = AtomicBool::new(false);

fn print(shown: String) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all((shown + "\n").as_bytes()).and_then(|()| out.flush());
    // A reader that has seen enough closes its end; a full disk has lost what was asked for.
    if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        CUT_SHORT.store(true, Ordering::Relaxed);
    }
}

/// Whether something that was to be read on standard output could not be written.
///
/// # Errors
/// Exit code 1.
pub fn printed() -> Result<(), Failure> {
    if CUT_SHORT.load(Ordering::Relaxed) {
        return Err(Failure::failed("standard output could not be written; is the disk that it leads to full?"));
    }
    Ok(())
}

/// One line of the comparison: our ledger against the venue's own statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Venue id.
    pub venue: String,
    /// Asset name.
    pub asset: String,
    /// Free by our ledger.
    pub available: Amount,
    /// Held for our own orders.
    pub reserved: Amount,
    /// Our total.
    pub total: Amount,
    /// The venue's total (available and locked), by its last answer; `None` when it never answered.
    pub stated: Option<Amount>,
}

impl Compared {
    /// Equal to the last digit.
    pub fn equal(&self) -> bool {
        self.stated == Some(self.total)
    }
}

/// Our ledger beside the venues' own statements, every asset held or used.
pub fn compare(node: &Node) -> Vec<Compared> {
    let engine = node.engine();
    let tables = engine.tables();
    let mut lines = Vec::new();
    for line in engine.report().execution.balances {
        let stated = engine.stated_balances(line.venue).map(|report| {
            let entry = report.entries.iter().find(|e| e.asset == line.asset);
            entry.map_or(Amount::ZERO, |e| e.available + e.locked)
        });
        lines.push(Compared {
            venue: tables.venue(line.venue).into(),
            asset: tables.asset(line.asset).into(),
            available: line.available,
            reserved: line.reserved,
            total: line.total,
            stated,
        });
    }
    lines
}

/// True when every line is equal and every venue's final reconciliation said so.
pub fn reconciled(node: &Node) -> bool {
    let lines = compare(node);
    let said = node.engine().report().execution.reconciled;
    !lines.is_empty() && lines.iter().all(Compared::equal) && said.iter().all(|r| *r == Some(true))
}

/// Venues that never stated their balances.
pub fn unread_accounts(node: &Node) -> Vec<String> {
    let engine = node.engine();
    let tables = engine.tables();
    tables.venue_ids().filter(|v| engine.stated_balances(*v).is_none()).map(|v| format!("`{}`", tables.venue(v))).collect()
}

/// The JSON object of `run --json`, and the common part of `/api/status`.
pub fn run_json(node: &Node, facts: &RunFacts, latency: &LatencyBook, ran_ns: u64) -> Map<String, Value> {
    let engine = node.engine();
    let tables = engine.tables();
    let report = engine.report();
    let execution = &report.execution;
    let frames: u64 = node.session_stats().map(|s| s.frames).sum();
    let verdicts: Map<String, Value> =
        Verdict::ALL.iter().zip(report.verdicts).filter(|(_, n)| *n > 0).map(|(v, n)| (v.as_str().into(), json!(n))).collect();
    let mut fees: Map<String, Value> = Map::new();
    for asset in tables.assets.iter().enumerate() {
        let of = execution.fees.iter().filter(|(_, a, _)| a.index() == asset.0).map(|(_, _, amount)| *amount);
        let sum: Amount = of.sum();
        if !sum.is_zero() {
            fees.insert(asset.1.clone(), json!(sum.to_text()));
        }
    }
    let pnl: Map<String, Value> =
        report.pnl.iter().map(|(a, amount)| (tables.asset(*a).into(), json!(amount.to_text()))).collect();
    let profit = Profit::of(engine.market(), &report.pnl, &report.unvalued);
    let unvalued: Map<String, Value> =
        profit.unvalued.iter().map(|(a, amount)| (tables.asset(*a).into(), json!(amount.to_text()))).collect();
    let marks: Map<String, Value> =
        report.marks.iter().filter_map(|(p, mark)| Some((tables.pair(*p)?.symbol.to_string(), json!(mark.to_text())))).collect();
    let halts: Vec<Value> = report
        .stops
        .iter()
        .filter(|s| !is_orderly_end(s))
        .map(|s| json!({"kind": s.kind.as_str(), "reason": s.reason.as_str(), "since": rfc3339(s.since.max(facts.started))}))
        .collect();
    let balances: Vec<Value> = compare(node)
        .iter()
        .map(|l| {
            json!({"venue": l.venue, "asset": l.asset, "available": l.available.to_text(), "reserved": l.reserved.to_text(), "total": l.total.to_text()})
        })
        .collect();
    let unwinds: Map<String, Value> =
        Unwind::ALL.iter().zip(latency.unwinds).filter(|(_, n)| *n > 0).map(|(how, n)| (how.as_str().into(), json!(n))).collect();
    let h = &latency.tick_to_order;
    let value = json!({
        "mode": facts.mode,
        "seed": facts.seed,
        "duration_s": seconds(ran_ns),
        "frames": frames,
        "book_updates": report.stats.book_updates,
        "opportunities": report.opportunities,
        "verdicts": verdicts,
        "deals": execution.deals_opened,
        "orders_sent": execution.orders_sent,
        "orders_unknown": execution.orders_unknown,
        "fills": execution.fills,
        "pnl": pnl,
        "pnl_quote": profit.quote.to_text(),
        "unvalued": unvalued,
        "marks": marks,
        "fees": fees,
        "unhedged_notional_seconds": execution.unhedged_notional_seconds.to_text(),
        "unwinds": unwinds,
        "max_unhedged_s": seconds(execution.unhedged_max_ns),
        "max_unhedged_unpaused_s": seconds(execution.unhedged_unpaused_max_ns),
        "halts": halts,
        "balances": balances,
        "reconciled": reconciled(node),
        "output_hash": hex::encode(node.decider().output_hash()),
        "tick_to_order_ns": {"p50": h.percentile(500), "p99": h.percentile(990), "p999": h.percentile(999), "max": h.max(), "count": h.count()},
        "run_dir": facts.run_dir,
    });
    match value {
        Value::Object(mut map) => {
            if facts.mode == Mode::Paper.as_str() {
                map.insert("upper_bound".into(), json!(true));
            }
            map
        }
        _ => Map::new(),
    }
}

/// The pause that every orderly end sets: no news.
fn is_orderly_end(stop: &risk::Stop) -> bool {
    (stop.kind, stop.reason) == (StopKind::Pause, StopReason::Signal)
}

/// The longest time that a deal was exposed, and from when on openings were paused for it, if they were.
fn longest_unhedged(execution: &executor::ExecutionReport) -> String {
    let (longest, unpaused) = (execution.unhedged_max_ns, execution.unhedged_unpaused_max_ns);
    if unpaused < longest { format!("{}, openings paused after {}", short(longest), short(unpaused)) } else { short(longest) }
}

/// Adds what struck the simulated venues to the JSON of a run; nothing when nothing could.
pub fn add_faults(json: &mut Map<String, Value>, node: &Node, faults: &BTreeMap<&'static str, u64>) {
    if !faults.is_empty() {
        json.insert("faults".into(), json!(faults));
    }
    let execution = node.engine().report().execution;
    let resolved = execution.orders_unknown_ever.saturating_sub(u64::from(execution.orders_unknown));
    json.insert("orders_resolved".into(), json!(resolved));
}

/// How the engine took a bad day, for people; empty when none was asked for.
pub fn bad_day_text(node: &Node, facts: &RunFacts, faults: &BTreeMap<&'static str, u64>) -> String {
    let Some(seed) = facts.faults_seed else { return String::new() };
    let execution = node.engine().report().execution;
    let resolved = execution.orders_unknown_ever.saturating_sub(u64::from(execution.orders_unknown));
    let struck: u64 = faults.values().sum();
    let kinds: Vec<String> = faults.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    let mut text = String::new();
    let _ = writeln!(text, "\nThe bad day (--faults {seed})");
    let _ = writeln!(
        text,
        "  faults that struck        {struck}{}",
        if struck > 0 { format!(": {}", kinds.join(", ")) } else { String::new() }
    );
    let _ = writeln!(text, "  orders lost from sight    {}, known again {resolved}", execution.orders_unknown_ever);
    let _ = writeln!(
        text,
        "  fills told late or twice  {} late, {} twice; each booked once",
        execution.fills_late, execution.fills_repeated
    );
    let _ = writeln!(text, "  longest unhedged          {}", longest_unhedged(&execution));
    let equal = if reconciled(node) { "yes, every balance is the venue's to the last digit" } else { "NO" };
    let _ = write!(text, "  reconciled                {equal}");
    text
}

/// The report for people.
pub fn run_text(node: &Node, facts: &RunFacts, latency: &LatencyBook, ran_ns: u64, ended: UnixNanos) -> String {
    let engine = node.engine();
    let tables = engine.tables();
    let report = engine.report();
    let execution = &report.execution;
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = text.write_fmt(args);
        text.push('\n');
    };
    line(format_args!("\nRun ended {} after {} (mode {}, seed {})", rfc3339(ended), short(ran_ns), facts.mode, facts.seed));
    if facts.mode == Mode::Paper.as_str() {
        line(format_args!("Paper: {}", crate::paper::UPPER_BOUND));
    }
    line(format_args!("\nOpportunities   {}", report.opportunities));
    for (verdict, count) in Verdict::ALL.iter().zip(report.verdicts).filter(|(_, n)| *n > 0) {
        line(format_args!("  {:<18}{count:>8}", verdict.as_str()));
    }
    let outcomes: Vec<String> =
        OrderOutcome::ALL.iter().zip(execution.outcomes).filter(|(_, n)| *n > 0).map(|(o, n)| format!("{n} {o}")).collect();
    line(format_args!("\nDeals           {} ({} hedges)", execution.deals_opened, execution.hedges));
    line(format_args!(
        "Orders          {} sent: {}",
        execution.orders_sent,
        if outcomes.is_empty() { "none".into() } else { outcomes.join(", ") }
    ));
    line(format_args!("Fills           {}", execution.fills));
    for (asset, amount) in &report.pnl {
        line(format_args!("Profit          {} {} after fees", amount, tables.asset(*asset)));
    }
    for (asset, amount) in &report.unvalued {
        line(format_args!("  not counted   {} {}: no live book of a configured pair prices it", amount, tables.asset(*asset)));
    }
    for (pair, mark) in &report.marks {
        let symbol = tables.pair(*pair).map_or_else(String::new, |p| p.symbol.to_string());
        line(format_args!("  marked at     {symbol} {mark}"));
    }
    line(format_args!(
        "Unhedged        {} quote-seconds, longest {}",
        execution.unhedged_notional_seconds,
        longest_unhedged(execution)
    ));
    let h = &latency.tick_to_order;
    if h.count() > 0 {
        line(format_args!(
            "Frame to order  p50 ≤ {}, p99 ≤ {}, max {} ({} orders)",
            short(h.percentile(500)),
            short(h.percentile(990)),
            short(h.max()),
            h.count()
        ));
    }
    for stop in report.stops.iter().filter(|s| !is_orderly_end(s)) {
        line(format_args!("Stopped         {} {} since {}", stop.kind, stop.reason, rfc3339(stop.since.max(facts.started))));
    }
    line(format_args!("Run directory   {}", facts.run_dir));
    if let Some(why) = facts.logs.market.as_ref().and_then(|log| log.failure()) {
        line(format_args!("Not replayable  {why}"));
    }
    line(format_args!("\nLedger against the venues' own accounts"));
    line(format_args!("  {:<10} {:<6} {:>26} {:>26}  ", "venue", "asset", "ledger", "venue says"));
    for compared in compare(node) {
        let stated = compared.stated.map_or_else(|| "no answer".into(), Amount::to_text);
        let mark = if compared.equal() { "equal" } else { "DIFFERS" };
        line(format_args!("  {:<10} {:<6} {:>26} {:>26}  {mark}", compared.venue, compared.asset, compared.total, stated));
    }
    let verdict = if reconciled(node) { "every balance equal to the last digit" } else { "NOT reconciled" };
    line(format_args!("  {verdict}"));
    text
}

/// What may be open after an unclean end, one line each.
pub fn open_items(node: &Node) -> Vec<String> {
    let engine = node.engine();
    let tables = engine.tables();
    let mut items: Vec<String> = engine.executor().open_items().into_iter().collect();
    let unready: Vec<String> =
        tables.venue_ids().filter(|v: &VenueId| !engine.executor().ready(*v)).map(|v| tables.venue(v).to_string()).collect();
    if !unready.is_empty() {
        items.push(format!("not reconciled: {}", unready.join(", ")));
    }
    items
}
