//! `reconcile`: venue truth against the state log, without trading. Unknown orders are looked up, missed executions booked and every
//! balance compared; what is learnt goes into the state log, so that the next run starts from it. Nothing is placed, hedged or
//! cancelled: the venue's side is only read.

use crate::alerts::AlertDesk;
use crate::bad_day::FaultBoard;
use crate::cli::ReconcileArgs;
use crate::config::{Loaded, Mode, load};
use crate::earlier::Earlier;
use crate::exit::Failure;
use crate::latch_keeper::{LatchKeeper, Latches};
use crate::live::RunOptions;
use crate::ops::Shared;
use crate::report::{self, Compared, RunFacts, VenueFacts};
use crate::run::{log_failure, open_engine, open_run_dir, start_alerts};
use crate::setup;
use crate::view::View;
use node::Node;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use venue_io::Clock;

/// What the log knew before anything was asked.
struct Before {
    fills: u64,
    unknown: u32,
}

/// Compares and repairs.
///
/// # Errors
/// Exit code 0 when everything is known and equal, 1 when a balance differs, 6 when an order is unknown or exposure is open, 3 and 4 as
/// `run`.
pub fn reconcile_command(args: &ReconcileArgs) -> Result<(), Failure> {
    let loaded = load(&args.config)?;
    if loaded.config.mode != Mode::Live {
        return Err(loaded
            .error(
                "mode",
                format!(
                    "accounts of mode `{}` end with their run; only mode `live` can be reconciled",
                    loaded.config.mode.as_str()
                ),
            )
            .into());
    }
    crate::run::block_on(compare(loaded, args))
}

async fn compare(mut loaded: Loaded, args: &ReconcileArgs) -> Result<(), Failure> {
    let clock = Clock::new();
    let started = clock.wall();
    // Only what recovery reads is written: there is nothing to replay.
    loaded.config.state.market_log = false;
    let venues = setup::live_venues(&loaded, true)?;
    let path = loaded.config.state.dir.clone();
    let mut dir = open_run_dir(&path)?;
    let alerts = start_alerts(&loaded, &dir)?;
    let mut earlier = Earlier::read(&loaded, &dir)?;
    let mut setup = setup::prepare_over(&loaded, venues, &mut earlier).await?;
    setup.engine.executor.observe_only = true;
    let epoch = dir.next_epoch(u64::try_from(started.seconds()).unwrap_or_default()).map_err(|e| log_failure(&e))?;
    let (engine, logs, watch) = open_engine(&loaded, &setup, &mut dir, earlier.logged, epoch, started)?;
    let known = engine.report();
    let before = Before { fills: known.execution.fills, unknown: engine.executor().unknown_orders() };
    let sessions = setup.sessions(&loaded)?;
    let facts = RunFacts {
        mode: loaded.config.mode.as_str(),
        seed: loaded.config.seed,
        started,
        run_dir: path,
        logs: watch,
        alerts: alerts.clone(),
        faults_seed: None,
        venues: loaded
            .config
            .venue
            .iter()
            .map(|v| VenueFacts { id: v.id.clone(), kind: v.kind.clone(), attested: v.withdrawal_disabled_attested })
            .collect(),
    };
    let latches = Latches::of(dir.path(), dir.path());
    let (_control_sender, control) = mpsc::channel(1);
    // Zero seconds of trading: the run begins with its orderly end, which is exactly the comparison that is wanted.
    let options = RunOptions {
        run_for_ns: Some(0),
        shared: Shared::default(),
        view: View::new(true),
        control,
        keeper: LatchKeeper::start(latches.clone(), alerts.clone()).map_err(Failure::failed)?,
        latch: latches,
        alerts: AlertDesk::new(alerts.clone()),
        resumed: false,
        running: loaded.config.clone(),
        faults: FaultBoard::empty(),
        facts: facts.clone(),
    };
    let end = crate::live::run(&setup, sessions, engine, logs, clock, options).await?;
    alerts.flush();
    let lines = report::compare(&end.node);
    let open = report::open_items(&end.node);
    tell(&end.node, &before, &lines, &open, args.json, &facts.run_dir);
    verdict(&Found {
        open,
        exposed: !end.node.engine().executor().open_items().is_empty(),
        clean: end.clean,
        refused: end.refused,
        kept: end.node.state_log_ok(),
        equal: report::reconciled(&end.node),
    })
}

/// What the comparison came to.
struct Found {
    /// What is not settled, one sentence each.
    open: Vec<String>,
    /// An order or a deal is among it, not only a venue that was not read.
    exposed: bool,
    /// It ended in time.
    clean: bool,
    /// A venue refused the key.
    refused: Option<Failure>,
    /// What was learnt is in the state log.
    kept: bool,
    /// Every balance is the venue's own.
    equal: bool,
}

/// How the command ends: what may be open outranks why it could not be settled, and both are told.
fn verdict(found: &Found) -> Result<(), Failure> {
    const LOST: &str = "the state log could not be written; nothing learnt here is kept; check the disk";
    let unread = found.refused.is_some() && !found.exposed;
    if !(found.open.is_empty() || unread) || !found.clean {
        let what = if found.open.is_empty() { "the comparison did not end in time".to_string() } else { found.open.join("; ") };
        let lost = (!found.kept).then(|| LOST.to_string());
        let why: Vec<String> = found.refused.iter().map(Failure::to_string).chain(lost).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        return Err(Failure::unclean(format!("not settled: {what}{why}; `crossgate run` finishes or unwinds it")));
    }
    if let Some(refused) = &found.refused {
        return Err(refused.clone());
    }
    if !found.kept {
        return Err(Failure::failed(LOST));
    }
    if !found.equal {
        return Err(Failure::failed(
            "the ledger differs from a venue's account although every execution is known: something else moved money there; \
             find out what, then run again and `crossgate resume` to take the venue's balances over",
        ));
    }
    Ok(())
}

fn tell(node: &Node, before: &Before, lines: &[Compared], open: &[String], as_json: bool, run_dir: &str) {
    let execution = node.engine().report().execution;
    let unknown = node.engine().executor().unknown_orders();
    let resolved = before.unknown.saturating_sub(unknown);
    let booked = execution.fills.saturating_sub(before.fills);
    if as_json {
        let balances: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "venue": line.venue, "asset": line.asset, "ledger": line.total.to_text(),
                    "venue_total": line.stated.map(|a| a.to_text()), "equal": line.equal(),
                })
            })
            .collect();
        let value = json!({
            "reconciled": report::reconciled(node), "orders_resolved": resolved, "orders_unknown": unknown,
            "fills_booked": booked, "open": open, "balances": balances, "run_dir": run_dir,
        });
        return report::print_json(&value.to_string());
    }
    report::print_line(&format!("Orders resolved {resolved}, still unknown {unknown}; executions booked {booked}"));
    for line in lines {
        let stated = line.stated.map_or_else(|| "not told".to_string(), |amount| amount.to_text());
        let mark = if line.equal() { "=" } else { "≠" };
        report::print_line(&format!("{:<12} {:<8} {:>28} {mark} {stated}", line.venue, line.asset, line.total.to_text()));
    }
    for item in open {
        report::print_line(&format!("open: {item}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How it ends, and what the sentence has to say.
    #[track_caller]
    fn ends(change: impl FnOnce(&mut Found), code: u8, parts: &[&str]) {
        let mut found = Found { open: Vec::new(), exposed: false, clean: true, refused: None, kept: true, equal: true };
        change(&mut found);
        let failure = verdict(&found).expect_err("something is wrong");
        assert_eq!(failure.code, code, "{failure}");
        parts.iter().for_each(|part| assert!(failure.message.contains(part), "`{part}` should be said: {failure}"));
    }

    #[test]
    fn what_is_open_outranks_why_it_could_not_be_settled() {
        let refused = || Some(Failure::auth("venue `left` refuses the API key"));
        let open = || vec!["deal 3 of BTC/USDT".to_string()];
        ends(|found| found.open = open(), 6, &["deal 3"]);
        ends(
            |found| (found.open, found.exposed, found.refused) = (open(), true, refused()),
            6,
            &["deal 3", "`left` refuses the API key"],
        );
        ends(|found| (found.open, found.kept) = (open(), false), 6, &["deal 3", "could not be written"]);
        ends(|found| (found.clean, found.refused) = (false, refused()), 6, &["did not end in time", "refuses the API key"]);
        let unread = || vec!["not reconciled: left".to_string()];
        ends(|found| found.open = unread(), 6, &["not reconciled"]);
        ends(|found| (found.open, found.refused) = (unread(), refused()), 4, &["refuses the API key"]);
        ends(|found| (found.refused, found.equal) = (refused(), false), 4, &["refuses the API key"]);
        ends(|found| (found.kept, found.equal) = (false, false), 1, &["could not be written"]);
        ends(|found| found.equal = false, 1, &["the ledger differs"]);
        verdict(&Found { open: Vec::new(), exposed: false, clean: true, refused: None, kept: true, equal: true }).unwrap();
    }
}
