//! `replay`: recorded frames through the production decoders and engine, or a run directory's input journal through the engine.

use crate::cli::ReplayArgs;
use crate::config::load::load_text;
use crate::config::{Loaded, effective, load};
use crate::exit::Failure;
use crate::report::{print_json, print_line};
use crate::run::log_failure;
use crate::tape_replay;
use domain::{FrameReject, Input, Verdict};
use engine_core::Engine;
use executor::IdSource;
use journal::{Batch, LogError, Replay, ReplayEnd, RunFiles};
use node::Decider;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What a replay found.
#[derive(Debug, Default)]
pub struct ReplayResult {
    /// Frames decoded, or inputs of a journal.
    pub frames: u64,
    /// Frames refused, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Frames of known channels that are not used, or of pairs that were not asked for.
    pub ignored: u64,
    /// Book updates the engine took.
    pub book_updates: u64,
    /// Breaks of sequences.
    pub gaps: u64,
    /// Crossed or locked books.
    pub crossed: u64,
    /// Deals.
    pub deals: u64,
    /// Opportunities.
    pub opportunities: u64,
    /// By verdict.
    pub verdicts: Vec<(Verdict, u64)>,
    /// Per book stream.
    pub streams: Vec<Value>,
    /// Running hash of outputs.
    pub output_hash: String,
    /// Frames a second, of this machine.
    pub frames_per_second: u64,
    /// With `--verify`: whether every batch's hash was equal, and the last record that the engine had taken when one was not.
    pub verified: Option<(bool, Option<u64>)>,
    /// Which epoch was replayed; journals only.
    pub epoch: Option<u64>,
    /// Batch in → order out, of this machine; journals only.
    pub tick_to_order: telemetry::Histogram,
    /// How far a journal could be replayed, or which tapes are torn, for people.
    pub note: Option<String>,
}

/// The shard in the ids of a what-if's orders: the last one, which no run uses.
const WHAT_IF_SHARD: u8 = 35;

/// Replays.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a what-if configuration, 1 when the hashes differ or files can't be read.
pub fn replay_command(args: &ReplayArgs) -> Result<(), Failure> {
    if args.epoch.is_some() && args.run_dir.is_none() {
        return Err(Failure::usage("--epoch names a part of a run directory; tapes have none"));
    }
    let result = match (&args.run_dir, args.tape.is_empty()) {
        (Some(dir), true) => replay_run(dir, args)?,
        (None, false) if args.verify => {
            return Err(Failure::usage("--verify compares a run directory with itself; tapes have no recorded hashes"));
        }
        (None, false) => tape_replay::replay_tapes(&args.tape, args.config.as_deref())?,
        (Some(_), false) => return Err(Failure::usage("name a run directory or tapes, not both")),
        (None, true) if !args.verify && tape_replay::config_has_tapes(args.config.as_deref())? => {
            tape_replay::replay_tapes(&[], args.config.as_deref())?
        }
        (None, true) => return Err(Failure::usage("name a run directory, or tapes with --tape (or [[tape]] and -c)")),
    };
    if args.json {
        print_json(&Value::Object(result.json()).to_string())
    } else {
        print_line(&result.text())
    }
    match result.verified {
        Some((false, at)) => Err(Failure::failed(format!(
            "the replay differs from the recorded run{}: this build decides differently, or the log was changed",
            at.map_or_else(String::new, |n| format!(", first behind record {n}"))
        ))),
        _ => Ok(()),
    }
}

fn replay_run(dir: &str, args: &ReplayArgs) -> Result<ReplayResult, Failure> {
    if args.verify && args.config.is_some() {
        return Err(Failure::usage("--verify replays what was; -c asks what if: use one of them"));
    }
    if !Path::new(dir).is_dir() {
        return Err(Failure::usage(format!("{dir} is no run directory")));
    }
    let files = RunFiles::new(crate::run_dirs::meant(Path::new(dir)));
    let Chosen { epoch, passed_over, first, mut replay } = choose(&files, dir, args.epoch)?;
    let header = replay.header().clone();
    let loaded: Loaded = match &args.config {
        Some(path) => load(path)?,
        None => load_text("the run's own configuration", &header.config, &BTreeMap::new())?,
    };
    let tables = Arc::new(header.tables.clone());
    // A what-if decides differently: ids of its own, or they would meet those of the recorded orders.
    let shard = if args.config.is_some() { WHAT_IF_SHARD } else { header.shard };
    let ids = IdSource::new(header.instance, header.epoch, shard)
        .ok_or_else(|| Failure::failed("the log's header holds an absurd epoch"))?;
    let mut engine = Engine::new(effective::engine_config(&loaded.config, &tables), tables, ids);
    let earlier = files.state_records().map_err(|e| log_failure(&e))?;
    node::recover_before(&mut engine, earlier, epoch).map_err(Failure::failed)?;
    let mut decider = Decider::new(engine);
    let begun = Instant::now();
    let (mut inputs, mut record, mut first_difference) = (0u64, 0u64, None);
    let mut tick_to_order = telemetry::Histogram::default();
    // A reload tells the values of all keys: with other settings they would come into force again.
    let counts = |input: &Input| args.config.is_none() || !matches!(input, Input::Config(_));
    for batch in std::iter::once(Ok(first)).chain(&mut replay) {
        let batch = batch.map_err(|e| log_failure(&e))?;
        record = batch.inputs.last().map_or(record, |(seq, ..)| *seq);
        let step_begun = Instant::now();
        let taken = batch.inputs.iter().filter(|(.., input)| counts(input));
        let output = decider.step(batch.now, taken.map(|(_, received, input)| (*received, input)));
        if output.commands.iter().any(|c| matches!(c, domain::Command::Place(_))) {
            tick_to_order.record(u64::try_from(step_begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        inputs += batch.inputs.len() as u64;
        if first_difference.is_none() && decider.output_hash() != batch.output_hash {
            first_difference = Some(record);
        }
    }
    decider.close();
    let ended = match replay.end() {
        Some(ReplayEnd::Complete) | None => None,
        Some(ReplayEnd::Unclosed { inputs }) => {
            Some(format!("the run did not end in order; {inputs} inputs after its last decision are not replayed"))
        }
        Some(ReplayEnd::MarketLogEnded { note }) => Some(format!("the market log ends early: {note}")),
        Some(ReplayEnd::Hole { first_missing }) => {
            Some(format!("input {first_missing} is missing; nothing after it can be replayed"))
        }
    };
    let complete = !matches!(replay.end(), Some(ReplayEnd::Hole { .. } | ReplayEnd::MarketLogEnded { .. }));
    let notes: Vec<String> = passed_over.into_iter().chain(ended).collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let epoch = Some(epoch);
    let mut result = ReplayResult { frames: inputs, note, epoch, tick_to_order, ..ReplayResult::of(&decider, inputs, begun) };
    if args.verify {
        result.verified = Some((first_difference.is_none() && complete, first_difference));
    }
    Ok(result)
}

/// An epoch that can be replayed.
struct Chosen {
    epoch: u64,
    /// Newer ones that hold nothing to replay, and why, for people.
    passed_over: Option<String>,
    /// Its first batch.
    first: Batch,
    /// The batches behind that.
    replay: Replay,
}

/// The epoch that was asked for, else the newest with a market log and a batch: a start that ended at once, or a `reconcile`, leaves
/// none to replay.
fn choose(files: &RunFiles, dir: &str, asked: Option<u64>) -> Result<Chosen, Failure> {
    let epochs = files.epochs().map_err(|e| log_failure(&e))?;
    if epochs.is_empty() {
        return Err(Failure::failed(format!("{dir} holds no state log: nothing was run there")));
    }
    if let Some(asked) = asked.filter(|asked| !epochs.contains(asked)) {
        let known: Vec<String> = epochs.iter().map(u64::to_string).collect();
        return Err(Failure::usage(format!("--epoch {asked}: {dir} holds {}", known.join(", "))));
    }
    let mut passed_over: Vec<String> = Vec::new();
    for epoch in epochs.into_iter().rev().filter(|epoch| asked.is_none_or(|asked| asked == *epoch)) {
        let mut replay = match files.replay_inputs(epoch) {
            Ok(replay) => replay,
            Err(LogError::NoSuchEpoch { what: "market", .. }) => {
                passed_over.push(format!("epoch {epoch} holds no market log"));
                continue;
            }
            Err(error) => return Err(log_failure(&error)),
        };
        match replay.next().transpose().map_err(|e| log_failure(&e))? {
            Some(first) => {
                let passed_over = (!passed_over.is_empty()).then(|| passed_over.join(", "));
                return Ok(Chosen { epoch, passed_over, first, replay });
            }
            // What is damaged is not passed over.
            None if matches!(replay.end(), Some(ReplayEnd::Hole { .. } | ReplayEnd::MarketLogEnded { .. })) => {
                return Err(Failure::failed(format!(
                    "the logs of epoch {epoch} end before its first decision: there is nothing to replay"
                )));
            }
            None => passed_over.push(format!("the market log of epoch {epoch} holds no decision")),
        }
    }
    Err(Failure::failed(format!("{dir} holds nothing that can be replayed: {}", passed_over.join(", "))))
}

impl ReplayResult {
    /// What the decider holds at the end.
    pub fn of(decider: &Decider, frames: u64, begun: Instant) -> ReplayResult {
        let report = decider.engine().report();
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        ReplayResult {
            frames,
            book_updates: report.stats.book_updates,
            gaps: report.stats.gaps,
            crossed: report.stats.crossed,
            deals: report.execution.deals_opened,
            opportunities: report.opportunities,
            verdicts: Verdict::ALL.iter().copied().zip(report.verdicts).filter(|(_, n)| *n > 0).collect(),
            output_hash: hex::encode(decider.output_hash()),
            frames_per_second: frames.saturating_mul(1_000_000) / micros,
            ..ReplayResult::default()
        }
    }

    /// Counts a refused frame.
    pub fn reject(&mut self, reason: FrameReject, count: u64) {
        if count > 0 {
            *self.rejected.entry(reason.as_str()).or_default() += count;
        }
    }

    fn json(&self) -> Map<String, Value> {
        let verdicts: Map<String, Value> = self.verdicts.iter().map(|(v, n)| (v.as_str().into(), json!(n))).collect();
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.into(), value);
        put("frames", json!(self.frames));
        put("rejected_frames", json!(self.rejected.values().sum::<u64>()));
        put("rejected", json!(self.rejected));
        put("ignored_frames", json!(self.ignored));
        put("book_updates", json!(self.book_updates));
        put("gaps", json!(self.gaps));
        put("crossed", json!(self.crossed));
        put("deals", json!(self.deals));
        put("opportunities", json!(self.opportunities));
        put("verdicts", Value::Object(verdicts));
        put("streams", json!(self.streams));
        put("output_hash", json!(self.output_hash));
        put("frames_per_second", json!(self.frames_per_second));
        let h = &self.tick_to_order;
        put(
            "tick_to_order_ns",
            json!({"p50": h.percentile(500), "p99": h.percentile(990), "p999": h.percentile(999), "max": h.max(), "count": h.count()}),
        );
        if let Some(epoch) = self.epoch {
            put("epoch", json!(epoch));
        }
        if let Some(note) = &self.note {
            put("note", json!(note));
        }
        if let Some((verified, first)) = self.verified {
            put("verified", json!(verified));
            put("first_difference", json!(first));
        }
        map
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self.epoch.iter().map(|epoch| format!("epoch           {epoch}")).collect();
        lines.extend([
            format!(
                "frames          {} ({} refused, {} not used)",
                self.frames,
                self.rejected.values().sum::<u64>(),
                self.ignored
            ),
            format!("book updates    {}", self.book_updates),
            format!("gaps            {}", self.gaps),
            format!("crossed         {}", self.crossed),
            format!("opportunities   {}", self.opportunities),
        ]);
        lines.extend(self.rejected.iter().map(|(reason, n)| format!("  refused       {reason} {n}")));
        lines.extend(self.verdicts.iter().map(|(v, n)| format!("  {:<18}{n:>8}", v.as_str())));
        lines.push(format!("deals           {}", self.deals));
        for stream in &self.streams {
            let text = |key: &str| stream[key].as_str().map_or_else(|| stream[key].to_string(), str::to_string);
            lines.push(format!(
                "stream          {} {} {}: {} frames, {} applied, {} stale, {} gaps, {} crossed, best {} / {}",
                text("venue"),
                text("pair"),
                text("channel"),
                text("frames"),
                text("applied"),
                text("stale"),
                text("gaps"),
                text("crossed"),
                text("best_bid"),
                text("best_ask")
            ));
        }
        lines.push(format!("output hash     {}", self.output_hash));
        lines.push(format!("speed           {} a second", self.frames_per_second));
        lines.extend(self.note.iter().map(|n| format!("note            {n}")));
        if let Some((verified, first)) = self.verified {
            lines.push(match (verified, first) {
                (true, _) => "verified        every decision is the recorded one".into(),
                (false, Some(record)) => format!("verified        NO: first difference behind record {record}"),
                (false, None) => "verified        NO: the journal is not complete".into(),
            });
        }
        lines.join("\n")
    }
}
