//! The input journal of one epoch, put together again from both logs: the batches the engine saw, in its order.

use crate::error::LogError;
use crate::frame::LogReader;
use crate::record::{Header, LogKind, Record};
use crate::recovery::Source;
use domain::{Input, MonoNanos};
use std::io::Read;

/// What the engine collected and decided on at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Counts from 1.
    pub number: u64,
    /// The batch's one time.
    pub now: MonoNanos,
    /// Number, receive time and content of each input, in order.
    pub inputs: Vec<(u64, MonoNanos, Input)>,
    /// Running output hash of the recorded run after this batch.
    pub output_hash: [u8; 32],
}

/// How far a run can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayEnd {
    /// To its end: both logs are complete.
    Complete,
    /// To the last batch mark; the run was killed, and what it did with these inputs afterwards is not recorded.
    Unclosed {
        /// Inputs after the last batch mark, in both logs.
        inputs: u64,
    },
    /// To here: the market log gave up (fell behind, disk, size limit) and says so.
    MarketLogEnded {
        /// Its note.
        note: String,
    },
    /// To here: an input is missing from both logs, so that nothing after it can be replayed.
    Hole {
        /// The first number that is missing.
        first_missing: u64,
    },
}

type BoxedReader = LogReader<Box<dyn Read + Send>>;

/// Iterator over the batches of one epoch. When it ends, [`Replay::end`] says how far the run can be replayed.
pub struct Replay {
    header: Header,
    state: StateSide,
    market: MarketSide,
    /// The number that must come next; unknown before the first batch.
    next_seq: Option<u64>,
    end: Option<ReplayEnd>,
    failed: bool,
}

impl Replay {
    pub(crate) fn new(epoch: u64, state: &Source, market: Vec<Source>) -> Result<Replay, LogError> {
        let mut reader = state.reader(None)?;
        let Some(header) = reader.read_header()? else { return Err(LogError::NoSuchEpoch { what: "state", epoch }) };
        if header.kind != LogKind::State || header.epoch != epoch {
            return Err(LogError::damaged(&state.name(), 0, "its header is that of another log"));
        }
        if market.is_empty() {
            return Err(LogError::NoSuchEpoch { what: "market", epoch });
        }
        let market = MarketSide {
            epoch,
            files: market.into_iter(),
            open: None,
            chain: None,
            pending: Vec::new(),
            note: None,
            clean: false,
        };
        let state = StateSide { reader, peeked: None };
        Ok(Replay { header, state, market, next_seq: None, end: None, failed: false })
    }

    /// Header of the state log: tables, build, seed, configuration.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// How far the run can be replayed, once the iterator has ended.
    pub const fn end(&self) -> Option<&ReplayEnd> {
        self.end.as_ref()
    }

    fn advance(&mut self) -> Result<Option<Batch>, LogError> {
        let Some(mark) = self.market.next_mark()? else {
            self.end = Some(self.find_end()?);
            return Ok(None);
        };
        let mut inputs = std::mem::take(&mut self.market.pending);
        let mut taken: Vec<u64> = inputs.iter().map(|(seq, ..)| *seq).collect();
        while let Some(record) = self.state.next_until(mark.last_seq)? {
            if !matches!(record, Record::Checkpoint { .. }) {
                taken.push(record.view().seq());
            }
            if let Record::Input { seq, received, input } = record {
                inputs.push((seq, received, input));
            }
        }
        inputs.sort_by_key(|(seq, ..)| *seq);
        let twice = inputs.windows(2).any(|pair| matches!(pair, [(a, ..), (b, ..)] if a == b));
        let outside = |seq: u64| seq > mark.last_seq || self.next_seq.is_some_and(|next| seq < next);
        if twice || inputs.iter().any(|(seq, ..)| outside(*seq)) {
            let why = format!("the inputs of batch {} are not numbered in order", mark.number);
            return Err(LogError::damaged(self.state.reader.file(), 0, why));
        }
        taken.sort_unstable();
        taken.dedup();
        let after = mark.last_seq.saturating_add(1);
        let first = self.next_seq.or(taken.first().copied()).unwrap_or(after);
        // Ends after at most one step more than there are records, however absurd the mark is.
        if let Some(first_missing) = (first..after).find(|seq| taken.binary_search(seq).is_err()) {
            self.end = Some(ReplayEnd::Hole { first_missing });
            return Ok(None);
        }
        self.next_seq = Some(after.max(first));
        Ok(Some(Batch { number: mark.number, now: mark.now, inputs, output_hash: mark.output_hash }))
    }

    fn find_end(&mut self) -> Result<ReplayEnd, LogError> {
        if let Some(note) = self.market.note.take() {
            return Ok(ReplayEnd::MarketLogEnded { note });
        }
        let mut inputs = self.market.pending.len() as u64;
        let mut state_clean = false;
        while let Some(record) = self.state.next_until(u64::MAX)? {
            inputs += u64::from(matches!(record, Record::Input { .. }));
            state_clean = matches!(record, Record::End { .. });
        }
        if state_clean && !self.market.clean {
            // The run ended in order, so the end of its market log was written too: it was cut afterwards.
            return Ok(ReplayEnd::MarketLogEnded {
                note: "it has no end although the run ended in order: it was cut or lost".into(),
            });
        }
        Ok(if inputs == 0 && state_clean && self.market.clean { ReplayEnd::Complete } else { ReplayEnd::Unclosed { inputs } })
    }
}

impl Iterator for Replay {
    type Item = Result<Batch, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.end.is_some() {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

struct StateSide {
    reader: BoxedReader,
    peeked: Option<Record>,
}

impl StateSide {
    /// The next record numbered up to `last_seq`; the end of the log comes with [`u64::MAX`] only, so that it is not lost on the way.
    fn next_until(&mut self, last_seq: u64) -> Result<Option<Record>, LogError> {
        let record = match self.peeked.take() {
            Some(record) => record,
            None => match self.reader.next_record()? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        let later = record.view().seq() > last_seq || (matches!(record, Record::End { .. }) && last_seq != u64::MAX);
        if later {
            self.peeked = Some(record);
            return Ok(None);
        }
        Ok(Some(record))
    }
}

struct Mark {
    number: u64,
    last_seq: u64,
    now: MonoNanos,
    output_hash: [u8; 32],
}

struct MarketSide {
    epoch: u64,
    files: std::vec::IntoIter<Source>,
    open: Option<BoxedReader>,
    chain: Option<[u8; 32]>,
    pending: Vec<(u64, MonoNanos, Input)>,
    /// The last note, once the log ended uncleanly.
    note: Option<String>,
    clean: bool,
}

impl MarketSide {
    /// Gathers inputs up to the next batch mark; `None` at the end of the last file.
    fn next_mark(&mut self) -> Result<Option<Mark>, LogError> {
        let mut note = None;
        loop {
            let reader = match &mut self.open {
                Some(reader) => reader,
                None => match self.files.next() {
                    Some(file) => self.open.insert(file.reader(self.chain)?),
                    None => return Ok(None),
                },
            };
            match reader.next_record()? {
                Some(Record::Header(header)) => {
                    let first = self.chain.is_none();
                    let continues = !first || header.previous == crate::frame::CHAIN_START;
                    if header.kind != LogKind::Market || header.epoch != self.epoch || !continues {
                        return Err(LogError::damaged(
                            reader.file(),
                            0,
                            "it is not the file that belongs here: one is missing or was exchanged",
                        ));
                    }
                }
                Some(Record::Input { seq, received, input }) => self.pending.push((seq, received, input)),
                Some(Record::BatchEnd { batch, last_seq, now, output_hash }) => {
                    return Ok(Some(Mark { number: batch, last_seq, now, output_hash }));
                }
                Some(Record::Note { text, .. }) => note = Some(text),
                Some(Record::End { clean, .. }) => {
                    self.clean = clean;
                    if !clean {
                        self.note = note.take();
                    }
                }
                Some(Record::Intent { .. } | Record::Checkpoint { .. }) => {
                    return Err(LogError::damaged(reader.file(), 0, "a record of the state log stands in the market log"));
                }
                None => {
                    if !self.files.as_slice().is_empty() && reader.outcome() != Some(crate::frame::ReadEnd::Clean) {
                        return Err(LogError::damaged(reader.file(), 0, "it ends inside a record although a later file follows"));
                    }
                    self.chain = reader.chain();
                    self.open = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{MarketConfig, MarketWriter, market_file_name};
    use crate::memory::{MemoryLog, MemoryRun};
    use crate::output_hash::OutputHash;
    use crate::run_dir::RunDir;
    use crate::sink::LogSink;
    use crate::strategies::{self, some_order};
    use crate::testing::header;
    use domain::Command;
    use proptest::prelude::*;

    /// Logs batches as an engine does: inputs by kind, the mark, then the intents of its decision.
    fn write(batches: &[Vec<Input>], state: &mut impl LogSink, market: &mut impl LogSink) -> (Vec<Batch>, u64) {
        let (mut seq, mut written, mut hash) = (0, Vec::new(), OutputHash::new());
        for (n, inputs) in batches.iter().enumerate() {
            let mut batch =
                Batch { number: n as u64 + 1, now: MonoNanos(n as u64 * 7), inputs: Vec::new(), output_hash: [0; 32] };
            for input in inputs {
                seq += 1;
                let received = MonoNanos(seq * 3);
                if input.is_state() {
                    state.append_input(seq, received, input).unwrap();
                } else {
                    market.append_input(seq, received, input).unwrap();
                }
                batch.inputs.push((seq, received, input.clone()));
            }
            let last_seq = seq;
            if n % 3 == 1 {
                seq += 1;
                let order = some_order(seq);
                hash.update(&Command::Place(order));
                state.append_intent(seq, &order).unwrap();
            }
            state.flush().unwrap();
            batch.output_hash = hash.value();
            market.append_batch_end(batch.number, last_seq, batch.now, &batch.output_hash).unwrap();
            market.flush().unwrap();
            written.push(batch);
        }
        (written, seq)
    }

    fn logs() -> (MemoryRun, MemoryLog, MemoryLog) {
        let mut run = MemoryRun::new();
        let tail = run.state_records().finish().unwrap();
        let (state, market) = run.begin(&header(5, [0; 32]), &tail).unwrap();
        (run, state, market)
    }

    fn replay(mut run: MemoryRun, state: &MemoryLog, market: &MemoryLog) -> (Vec<Batch>, ReplayEnd) {
        run.store(state);
        run.store(market);
        let mut replay = run.replay_inputs(5).unwrap();
        let batches = (&mut replay).map(Result::unwrap).collect();
        (batches, replay.end().unwrap().clone())
    }

    fn some_batches(count: u64) -> Vec<Vec<Input>> {
        let inputs = strategies::one_of_each_input();
        (0..count as usize).map(|n| inputs.iter().cycle().skip(n * 5).take(n % 7).cloned().collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn both_logs_give_the_batches_back(
            batches in proptest::collection::vec(proptest::collection::vec(strategies::input(), 0..6), 0..12)
        ) {
            let (run, mut state, mut market) = logs();
            let (written, seq) = write(&batches, &mut state, &mut market);
            state.finish(seq, true).unwrap();
            market.finish(seq, true).unwrap();
            prop_assert_eq!(replay(run, &state, &market), (written, ReplayEnd::Complete));
        }
    }

    #[test]
    fn a_killed_run_replays_up_to_its_last_mark() {
        let (run, mut state, mut market) = logs();
        let (written, seq) = write(&some_batches(20), &mut state, &mut market);
        let inputs = strategies::one_of_each_input();
        state.append_input(seq + 1, MonoNanos(1), &inputs[1]).unwrap();
        state.flush().unwrap();
        market.append_input(seq + 2, MonoNanos(1), &inputs[0]).unwrap();
        market.crash(usize::MAX);
        assert_eq!(replay(run.clone(), &state, &market), (written.clone(), ReplayEnd::Unclosed { inputs: 2 }));
        // The same with the market log torn anywhere inside its last mark.
        let (run, mut state, mut market) = logs();
        write(&some_batches(19), &mut state, &mut market);
        let whole = market.bytes().len();
        market.append_batch_end(20, 0, MonoNanos(0), &[0; 32]).unwrap();
        market.crash(20);
        assert_eq!(market.bytes().len(), whole + 20);
        let (batches, end) = replay(run, &state, &market);
        assert_eq!(batches, written[..19]);
        assert_eq!(end, ReplayEnd::Unclosed { inputs: 0 });
    }

    #[test]
    fn a_missing_input_is_told_and_ends_the_replay() {
        let (run, mut state, mut market) = logs();
        let (written, seq) = write(&some_batches(4), &mut state, &mut market);
        let input = &strategies::one_of_each_input()[0];
        // Number seq + 1 was lost.
        market.append_input(seq + 2, MonoNanos(1), input).unwrap();
        market.append_batch_end(5, seq + 2, MonoNanos(99), &[1; 32]).unwrap();
        market.finish(seq + 2, true).unwrap();
        let (batches, end) = replay(run, &state, &market);
        assert_eq!(batches, written);
        assert_eq!(end, ReplayEnd::Hole { first_missing: seq + 1 });
    }

    #[test]
    fn absurd_marks_and_numbers_are_answered() {
        let (run, state, mut market) = logs();
        market.append_batch_end(1, u64::MAX, MonoNanos(0), &[0; 32]).unwrap();
        market.flush().unwrap();
        assert_eq!(replay(run, &state, &market).0.len(), 1, "no input at all is no hole");
        let (mut run, state, mut market) = logs();
        let input = &strategies::one_of_each_input()[0];
        market.append_input(3, MonoNanos(0), input).unwrap();
        market.append_input(3, MonoNanos(0), input).unwrap();
        market.append_batch_end(1, 3, MonoNanos(0), &[0; 32]).unwrap();
        market.flush().unwrap();
        run.store(&state);
        run.store(&market);
        let mut replay = run.replay_inputs(5).unwrap();
        assert!(matches!(replay.next(), Some(Err(LogError::Damaged { .. }))));
        assert!(replay.next().is_none());
    }

    #[test]
    fn a_run_directory_replays_across_rotated_files_and_refuses_a_missing_one() {
        let place = tempfile::tempdir().unwrap();
        let mut directory = RunDir::open(place.path()).unwrap();
        let tail = directory.state_records().unwrap().finish().unwrap();
        let epoch = directory.next_epoch(77).unwrap();
        let mut state = directory.create_state(&header(0, [0; 32]), &tail).unwrap();
        let config = MarketConfig { rotate_bytes: 2_000, ..MarketConfig::default() };
        let mut market: MarketWriter = directory.create_market(&header(0, [0; 32]), config).unwrap();
        let (written, seq) = write(&some_batches(200), &mut state, &mut market);
        state.finish(seq, true).unwrap();
        assert!(market.finish(true));
        let read = || {
            let mut replay = directory.replay_inputs(epoch)?;
            let batches = (&mut replay).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, LogError>((batches, replay.end().cloned().unwrap()))
        };
        assert_eq!(read().unwrap(), (written.clone(), ReplayEnd::Complete));
        let aside = place.path().join("aside");
        let files = (0..).take_while(|n| place.path().join(market_file_name(epoch, *n)).exists()).count() as u32;
        assert!(files > 3);
        for number in 0..files - 1 {
            // The first may have been removed to stay below the cap, which is no damage, and no replay either.
            let expected = |error: &LogError| match error {
                LogError::BeginningRemoved { epoch: of } => number == 0 && *of == epoch,
                LogError::Damaged { .. } => number > 0,
                _ => false,
            };
            let file = place.path().join(market_file_name(epoch, number));
            std::fs::rename(&file, &aside).unwrap();
            assert!(read().is_err_and(|error| expected(&error)), "file {number}");
            std::fs::rename(&aside, &file).unwrap();
        }
        std::fs::remove_file(place.path().join(market_file_name(epoch, files - 1))).unwrap();
        let (batches, end) = read().unwrap();
        assert!(batches.len() < written.len() && batches == written[..batches.len()]);
        assert!(matches!(end, ReplayEnd::MarketLogEnded { .. }), "the run ended in order, its market log did not: {end:?}");
        assert!(matches!(directory.replay_inputs(epoch + 1), Err(LogError::NoSuchEpoch { .. })));
    }

    #[test]
    fn memory_runs_recover_across_crashes() {
        let mut run = MemoryRun::new();
        for epoch in 1..=4 {
            let tail = run.state_records().finish().unwrap();
            assert_eq!(tail.epoch, if epoch == 1 { None } else { Some(epoch - 1) });
            let (mut state, mut market) = run.begin(&header(epoch, [0; 32]), &tail).unwrap();
            write(&some_batches(8), &mut state, &mut market);
            state.append_note(0, "torn away").unwrap();
            state.crash(epoch as usize * 5);
            assert!(state.append_note(0, "dead").is_err());
            run.store(&state);
            run.store(&market);
        }
        let headers = run.state_records().filter(|r| matches!(r, Ok((_, Record::Header(_))))).count();
        assert_eq!(headers, 4);
        assert!(run.state_records().all(|record| !matches!(record.unwrap().1, Record::Note { .. })));
    }

    #[test]
    fn a_planted_write_error_and_a_power_loss_keep_what_was_promised() {
        let (mut run, mut state, _) = logs();
        let input = &strategies::one_of_each_input()[1];
        state.fail_flush_in(3);
        for seq in 1..=5 {
            let written = state.append_input(seq, MonoNanos(seq), input).and_then(|()| state.flush());
            assert_eq!(written.is_ok(), seq < 3);
        }
        assert_eq!(state.written_seq(), 2);
        run.store(&state);
        assert_eq!(run.state_records().finish().unwrap().last_seq, 2);
        let (mut run, mut state, _) = logs();
        for seq in 1..=5 {
            state.append_input(seq, MonoNanos(seq), input).unwrap();
            state.flush().unwrap();
            if seq == 3 {
                state.sync();
            }
        }
        state.lose_power(10);
        run.store(&state);
        assert_eq!(run.state_records().finish().unwrap().last_seq, 3);
    }
}
