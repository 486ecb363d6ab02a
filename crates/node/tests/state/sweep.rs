//! Every truncation and every flipped bit of a real state log is either a beginning of what was written, or refused with file and
//! offset; what recovery folds from a beginning is what the clean beginning folds to.
//!
//! A log is read many thousand times here, so records before the first changed byte are not read again: reading goes on behind them,
//! with the chain value that they gave. Every few hundredth case is read from its very beginning too.
//!
//! `CROSSGATE_SWEEP_TRUNCATIONS`, `CROSSGATE_SWEEP_FLIPS` and `CROSSGATE_SWEEP_SEED` make it longer.

use crate::rig::*;
use domain::*;
use journal::{CHAIN_START, Header, LogError, LogReader, LogSink, MemoryRun, ReadEnd, Record, StateWriter, Storage};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Read from the very beginning: one case in so many.
const WHOLE_EVERY: u64 = 509;
/// Folded into an engine: one case in so many.
const FOLD_EVERY: u64 = 1_021;

/// A disk that is a vector.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<u8>>);

impl Storage for Kept {
    fn write_all(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }
    fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn reserve(&self, _: u64, _: u64) -> std::io::Result<()> {
        Ok(())
    }
    fn release(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

/// One epoch's log, taken apart.
struct Epoch {
    number: u64,
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// Where each record ends, and the chain value after it.
    ends: Vec<usize>,
    chains: Vec<[u8; 32]>,
    previous: [u8; 32],
}

impl Epoch {
    fn name(&self) -> String {
        format!("state log {}", self.number)
    }

    /// Where record `index` starts, and the chain value before it.
    fn start(&self, index: usize) -> (usize, [u8; 32]) {
        if index == 0 { (0, self.previous) } else { (self.ends[index - 1], self.chains[index - 1]) }
    }

    /// A reader of `bytes`, the rest of this log from record `index` on.
    fn reader<'a>(&self, index: usize, bytes: &'a [u8]) -> LogReader<&'a [u8]> {
        let (start, chain) = self.start(index);
        if index == 0 {
            LogReader::new(bytes, self.name(), Some(chain))
        } else {
            LogReader::resume(bytes, self.name(), chain, start as u64)
        }
    }

    /// How many whole records end at or before a byte.
    fn whole_before(&self, byte: usize) -> usize {
        self.ends.partition_point(|end| *end <= byte)
    }
}

/// Lives of a node, one after the other, until the logs have `bytes_min` bytes; some end in order, some are killed. Written by the
/// real writer, each life beginning with the real recovery and its checkpoint.
fn written(bytes_min: usize) -> (MemoryRun, Vec<Epoch>) {
    let (mut run, truth, mut total, mut life) = (MemoryRun::new(), truth(), 0, 0u64);
    while total < bytes_min {
        life += 1;
        let epoch = 1_700_000_000 + life;
        let mut engine = engine(epoch);
        let tail = node::recover(&mut engine, run.state_records()).unwrap();
        let disk = Arc::new(Kept::default());
        let header = Header { previous: tail.chain, ..header(epoch) };
        let mut writer = StateWriter::start(disk.clone(), "state".into(), &header).unwrap();
        node::write_checkpoint(&engine, &mut writer).unwrap();
        writer.append_note(0, "a life begins").unwrap();
        let mut life_of_it = Life::start(engine, Box::new(writer), None, &truth);
        let length = || disk.0.lock().unwrap().len();
        life_of_it.run(1_000, false);
        while length() < 16 << 10 {
            life_of_it.run(1_500, true);
            life_of_it.queued.push_back(Input::Operator(OperatorCommand::Halt { reason: StopReason::Operator }));
            life_of_it.queued.push_back(Input::Operator(OperatorCommand::Resume));
            life_of_it.run(200, false);
        }
        if life % 3 != 0 {
            life_of_it.stop(15_000);
            life_of_it.check_truth();
            life_of_it.node.close(life_of_it.now, true);
        }
        total += length();
        run.set_state_bytes(epoch, Some(&disk.0.lock().unwrap()));
    }
    let mut epochs: Vec<Epoch> = Vec::new();
    for number in run.epochs() {
        let bytes = run.state_bytes(number).unwrap().to_vec();
        let previous = epochs.last().map_or(CHAIN_START, |epoch| *epoch.chains.last().unwrap());
        let mut reader = LogReader::new(&bytes[..], "whole", Some(previous));
        let (mut records, mut ends, mut chains) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(record) = reader.next_record().unwrap() {
            ends.push(reader.position() as usize);
            chains.push(reader.chain().unwrap());
            records.push(record);
        }
        assert_eq!(reader.outcome(), Some(ReadEnd::Clean));
        epochs.push(Epoch { number, bytes, records, ends, chains, previous });
    }
    (run, epochs)
}

/// What a case was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The first records of the epoch, and nothing else.
    Prefix(usize),
    Refused,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    prefixes: u64,
    refusals: u64,
    read_whole: u64,
    folded: u64,
}

struct Sweep {
    run: MemoryRun,
    epochs: Vec<Epoch>,
    counts: Counts,
    cases: u64,
}

impl Sweep {
    fn new(bytes_min: usize) -> Sweep {
        let (run, epochs) = written(bytes_min);
        Sweep { run, epochs, counts: Counts::default(), cases: 0 }
    }

    /// One case: the log of epoch `index` is `changed`, which is as it was before record `from`.
    fn check(&mut self, index: usize, from: usize, changed: &[u8], what: &str) {
        let epoch = &self.epochs[index];
        let (start, _) = epoch.start(from);
        let mut reader = epoch.reader(from, &changed[start..]);
        let mut count = from;
        let found = loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    assert_eq!(Some(&record), epoch.records.get(count), "silently wrong: {what}");
                    count += 1;
                }
                Ok(None) => break Found::Prefix(count),
                Err(LogError::Damaged { file, at, .. }) => {
                    assert_eq!(file, epoch.name(), "{what}");
                    assert_eq!(at as usize, epoch.start(count).0, "the offset is that of the first record not trusted: {what}");
                    assert!(reader.next_record().is_err(), "damage stays damage: {what}");
                    break Found::Refused;
                }
                Err(other) => panic!("{what}: {other}"),
            }
        };
        if let Found::Prefix(count) = found {
            let whole = epoch.start(count).0 as u64;
            let clean = changed.len() as u64 == whole;
            let expected = if clean { ReadEnd::Clean } else { ReadEnd::TornTail { valid_bytes: whole } };
            assert_eq!(reader.outcome(), Some(expected), "{what}");
            // The next epoch goes on from the last record that was written: nothing may be missing before it.
            if let Some(next) = self.epochs.get(index + 1) {
                let header = LogReader::new(&next.bytes[..], next.name(), Some(epoch.start(count).1)).next_record();
                assert_eq!(header.is_ok(), count == epoch.records.len(), "{what}");
            }
            self.counts.prefixes += 1;
        } else {
            self.counts.refusals += 1;
        }
        self.cases += 1;
        if self.cases.is_multiple_of(WHOLE_EVERY) {
            self.read_whole(index, changed, found, what);
        }
        if self.cases.is_multiple_of(FOLD_EVERY) {
            self.fold(index, changed, found, what);
        }
    }

    /// The logs as they would be had the process that wrote epoch `index` been the last one.
    fn up_to(&self, index: usize, last: &[u8]) -> MemoryRun {
        let mut run = self.run.clone();
        for (at, epoch) in self.epochs.iter().enumerate().skip(index) {
            run.set_state_bytes(epoch.number, (at == index).then_some(last));
        }
        run
    }

    fn read_whole(&mut self, index: usize, changed: &[u8], found: Found, what: &str) {
        self.counts.read_whole += 1;
        let mut records = self.up_to(index, changed).state_records();
        let expected = self.epochs[..=index].iter().flat_map(|epoch| epoch.records.iter().map(|r| (epoch.number, r)));
        let (mut count, mut refused) = (0, false);
        for (record, expected) in (&mut records).zip(expected) {
            match record {
                Ok(record) => assert_eq!((record.0, &record.1), expected, "silently wrong: {what}"),
                Err(_) => {
                    refused = true;
                    break;
                }
            }
            count += 1;
        }
        let before: usize = self.epochs[..index].iter().map(|epoch| epoch.records.len()).sum();
        match found {
            Found::Prefix(whole) => {
                assert_eq!((count, refused), (before + whole, false), "{what}");
                assert!(records.next().is_none() && records.finish().is_ok(), "{what}");
            }
            Found::Refused => assert!(refused || records.finish().is_err(), "{what}"),
        }
    }

    fn fold(&mut self, index: usize, changed: &[u8], found: Found, what: &str) {
        self.counts.folded += 1;
        let folded = |run: &MemoryRun| {
            let mut engine = engine(1_800_000_000);
            node::recover(&mut engine, run.state_records()).map(|_| format!("{:?}", engine.executor()))
        };
        let ours = folded(&self.up_to(index, changed));
        match found {
            Found::Prefix(count) => {
                let clean = &self.epochs[index].bytes[..self.epochs[index].start(count).0];
                assert_eq!(ours.unwrap(), folded(&self.up_to(index, clean)).unwrap(), "{what}");
            }
            Found::Refused => {
                let text = ours.expect_err("damage is refused").to_string();
                assert!(text.contains(&self.epochs[index].name()) && text.contains("at byte"), "{what}: {text}");
            }
        }
    }

    fn truncations(&mut self, most: u64) -> u64 {
        let mut done = 0;
        for index in 0..self.epochs.len() {
            let bytes = self.epochs[index].bytes.clone();
            for cut in 0..=bytes.len() {
                if done == most {
                    return done;
                }
                let from = self.epochs[index].whole_before(cut);
                self.check(index, from, &bytes[..cut], &format!("epoch {index} cut at {cut}"));
                done += 1;
            }
        }
        done
    }

    fn flips(&mut self, count: u64, seed: u64) {
        let mut dice = Dice(seed);
        let total: u64 = self.epochs.iter().map(|epoch| epoch.bytes.len() as u64).sum();
        let mut changed: Vec<Vec<u8>> = self.epochs.iter().map(|epoch| epoch.bytes.clone()).collect();
        for _ in 0..count {
            let mut byte = dice.roll(total) as usize;
            let index = changed.iter().position(|bytes| {
                let here = byte < bytes.len();
                byte -= if here { 0 } else { bytes.len() };
                here
            });
            let (index, bit) = (index.unwrap(), dice.roll(8));
            let from = self.epochs[index].whole_before(byte);
            changed[index][byte] ^= 1 << bit;
            let bytes = std::mem::take(&mut changed[index]);
            self.check(index, from, &bytes, &format!("epoch {index}, bit {bit} of byte {byte}"));
            changed[index] = bytes;
            changed[index][byte] ^= 1 << bit;
        }
    }
}

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn commit() -> String {
    let told = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok();
    let told = told.filter(|output| output.status.success()).and_then(|output| String::from_utf8(output.stdout).ok());
    std::env::var("CROSSGATE_COMMIT").ok().or(told).map_or_else(|| "unknown".into(), |text| text.trim().to_string())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is part of the figure")]
fn truncations_and_flipped_bits_are_a_beginning_or_refused() {
    let (truncations, flips) = (setting("CROSSGATE_SWEEP_TRUNCATIONS", 64 << 10), setting("CROSSGATE_SWEEP_FLIPS", 16 << 10));
    let seed = setting("CROSSGATE_SWEEP_SEED", 1);
    let begun = Instant::now();
    let mut sweep = Sweep::new(truncations.max(64 << 10) as usize);
    let (epochs, bytes) = (sweep.epochs.len(), sweep.epochs.iter().map(|epoch| epoch.bytes.len()).sum::<usize>());
    let records: usize = sweep.epochs.iter().map(|epoch| epoch.records.len()).sum();
    let wrote = begun.elapsed();
    assert_eq!(sweep.truncations(truncations), truncations);
    let cut = std::mem::take(&mut sweep.counts);
    assert_eq!((cut.prefixes, cut.refusals), (truncations, 0), "every truncation of the last log is a torn tail");
    let truncated = begun.elapsed() - wrote;
    sweep.flips(flips, seed);
    let flipped = begun.elapsed() - wrote - truncated;
    let flip = sweep.counts;
    assert_eq!(flip.prefixes + flip.refusals, flips);
    println!(
        "commit {}: state log of {epochs} epochs, {records} records, {bytes} bytes, written in {wrote:.1?}; {truncations} truncations \
         in {truncated:.1?} (all a prefix; {} read whole, {} folded); {flips} flips of seed {seed} in {flipped:.1?} ({} refused, {} a \
         prefix; {} read whole, {} folded); none silently wrong",
        commit(),
        cut.read_whole,
        cut.folded,
        flip.refusals,
        flip.prefixes,
        flip.read_whole,
        flip.folded,
    );
}

#[test]
fn lost_sectors_are_a_beginning_or_refused() {
    let mut sweep = Sweep::new(48 << 10);
    for index in 0..sweep.epochs.len() {
        for size in [512, 4_096] {
            for sector in (0..sweep.epochs[index].bytes.len()).step_by(size) {
                let mut changed = sweep.epochs[index].bytes.clone();
                let to = (sector + size).min(changed.len());
                changed[sector..to].fill(0);
                let from = sweep.epochs[index].whole_before(sector);
                sweep.check(index, from, &changed, &format!("epoch {index}, {size} bytes lost at {sector}"));
            }
        }
    }
    assert!(sweep.counts.refusals > 50, "{:?}", sweep.counts);
}

/// Whole logs go missing, are doubled, or change places: recovery, which starts at the newest checkpoint, and a reading of everything.
#[test]
fn missing_doubled_and_exchanged_logs_are_a_beginning_or_refused() {
    let sweep = Sweep::new(200 << 10);
    let count = sweep.epochs.len();
    assert!(count >= 4);
    let recovered = |run: &MemoryRun| {
        let mut engine = engine(1_800_000_000);
        let recovery = node::recover(&mut engine, run.state_records());
        recovery.map(|_| format!("{:?}", engine.executor())).map_err(|e| e.to_string())
    };
    // Beginnings, by the number of whole logs in them.
    let beginning = |logs: usize| {
        let mut run = sweep.run.clone();
        sweep.epochs.iter().skip(logs).for_each(|epoch| run.set_state_bytes(epoch.number, None));
        recovered(&run).unwrap()
    };
    let beginnings: Vec<String> = (0..=count).map(beginning).collect();
    let whole = &beginnings[count];
    let read_all = |run: &MemoryRun| run.state_records().finish();
    for (index, before) in beginnings.iter().enumerate().take(count) {
        let mut run = sweep.run.clone();
        run.set_state_bytes(sweep.epochs[index].number, None);
        let state = recovered(&run).unwrap();
        if index + 1 == count {
            assert_eq!(&state, before);
            assert!(read_all(&run).is_ok());
        } else {
            assert_eq!(&state, whole, "the newest checkpoint needs nothing before it");
            // Without the oldest the second begins with a checkpoint, which is all that may be missing.
            assert_eq!(read_all(&run).is_ok(), index == 0);
        }
        for other in (0..count).filter(|other| *other != index) {
            let mut run = sweep.run.clone();
            run.set_state_bytes(sweep.epochs[index].number, Some(&sweep.epochs[other].bytes));
            assert!(read_all(&run).is_err(), "log {other} under the name of {index}");
            match recovered(&run) {
                Ok(state) => assert!(&state == whole && index + 1 < count, "log {other} under the name of {index}"),
                Err(text) => assert!(text.contains(&sweep.epochs[index].name()), "{text}"),
            }
            run.set_state_bytes(sweep.epochs[other].number, Some(&sweep.epochs[index].bytes));
            assert!(read_all(&run).is_err(), "logs {other} and {index} changed places");
        }
    }
}
