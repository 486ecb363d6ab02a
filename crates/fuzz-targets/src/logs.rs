//! The logs: any bytes are read with suspicion, and a true log that was changed never yields a record that was not written.

use crate::bytes::Choices;
use domain::{MonoNanos, UnixNanos};
use journal::codec::Reader;
use journal::codec::{get_command, get_input, get_order, get_tables, put_command, put_input, put_order, put_tables};
use journal::strategies::{one_of_each_checkpoint_item, one_of_each_command, one_of_each_input, some_order, some_tables};
use journal::{
    Batch, CHAIN_START, CODEC_VERSION, CodecError, Header, LogError, LogKind, LogReader, LogSink, MemoryLog, MemoryRun, ReadEnd,
    Record, StateTail,
};
use std::sync::OnceLock;

/// Epoch of the true run.
const EPOCH: u64 = 7;

fn header() -> Header {
    Header {
        version: CODEC_VERSION,
        kind: LogKind::State,
        instance: 1,
        epoch: EPOCH,
        shard: 0,
        build: "fuzz".into(),
        mode: "sim".into(),
        seed: 7,
        started: UnixNanos(5),
        config: "mode = \"sim\"".into(),
        tables: some_tables(),
        previous: CHAIN_START,
    }
}

/// A true run: both logs, and what they say.
struct Truth {
    state: Vec<u8>,
    market: Vec<u8>,
    records: Vec<Record>,
    batches: Vec<Batch>,
    run: MemoryRun,
}

fn truth() -> &'static Truth {
    static TRUTH: OnceLock<Truth> = OnceLock::new();
    TRUTH.get_or_init(|| {
        let mut run = MemoryRun::new();
        let tail = StateTail { chain: CHAIN_START, epoch: None, last_seq: 0, clean: true, torn: None };
        let (mut state, mut market) = run.begin(&header(), &tail).expect("a small header");
        state.append_checkpoint(&one_of_each_checkpoint_item(), true).expect("a small checkpoint");
        let write = |log: &mut MemoryLog, record: &Record| log.append_view(record.view()).expect("a small record");
        let (mut seq, mut batch) = (0, 0);
        for (index, input) in one_of_each_input().into_iter().enumerate() {
            seq += 1;
            let log = if input.is_state() { &mut state } else { &mut market };
            write(log, &Record::Input { seq, received: MonoNanos(seq * 10), input });
            if index % 3 == 2 {
                seq += 1;
                write(&mut state, &Record::Intent { seq, order: some_order(seq) });
                write(&mut state, &Record::Note { seq, text: "a note".into() });
            }
            if index % 4 == 3 {
                batch += 1;
                write(&mut market, &Record::BatchEnd { batch, last_seq: seq, now: MonoNanos(seq * 10), output_hash: [7; 32] });
            }
        }
        batch += 1;
        write(&mut market, &Record::BatchEnd { batch, last_seq: seq, now: MonoNanos(seq * 10), output_hash: [8; 32] });
        state.finish(seq, true).expect("memory takes it");
        market.finish(seq, true).expect("memory takes it");
        run.store(&state);
        run.store(&market);
        let records = read(state.bytes(), Some(CHAIN_START)).0;
        let batches = run.replay_inputs(EPOCH).expect("a true run").map(|b| b.expect("a true batch")).collect();
        Truth { state: state.bytes().to_vec(), market: market.bytes().to_vec(), records, batches, run }
    })
}

/// Every record up to the end or the refusal.
fn read(bytes: &[u8], previous: Option<[u8; 32]>) -> (Vec<Record>, Result<ReadEnd, LogError>) {
    let mut reader = LogReader::new(bytes, "log", previous);
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, Ok(reader.outcome().expect("told once the end is reached"))),
            Err(error) => {
                assert!(reader.next_record().is_err(), "damage is told again");
                return (records, Err(error));
            }
        }
    }
}

/// Encoded values; the first byte says of which type.
pub fn codec_seeds() -> Vec<Vec<u8>> {
    let encoded = |kind: u8, put: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = vec![kind];
        put(&mut bytes);
        bytes
    };
    let mut all: Vec<Vec<u8>> = one_of_each_input().iter().map(|input| encoded(0, &|out| put_input(out, input))).collect();
    all.extend(one_of_each_command().iter().map(|command| encoded(1, &|out| put_command(out, command))));
    all.push(encoded(2, &|out| put_order(out, &some_order(4))));
    all.push(encoded(3, &|out| put_tables(out, &some_tables())));
    all
}

/// Bytes as a value: whatever is read is written again as the same bytes, so that one value has one encoding.
///
/// # Panics
/// On a finding.
pub fn codec(data: &[u8]) {
    fn check<T>(bytes: &[u8], get: fn(&mut Reader<'_>) -> Result<T, CodecError>, put: fn(&mut Vec<u8>, &T)) {
        let mut reader = Reader::new(bytes);
        let Ok(value) = get(&mut reader) else { return };
        let read = bytes.len() - reader.left();
        let mut out = Vec::new();
        put(&mut out, &value);
        assert_eq!(out, &bytes[..read], "one value has two encodings");
    }
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 4 {
        0 => check(bytes, get_input, put_input),
        1 => check(bytes, get_command, put_command),
        2 => check(bytes, get_order, put_order),
        _ => check(bytes, get_tables, put_tables),
    }
}

/// Changes of a true file, as the edits of [`edited`].
pub fn edit_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0],
        b"\x01XGLG any bytes".to_vec(),
        vec![2, 100, 0, 0x55],
        vec![3, 0, 1],
        vec![4, 90, 0, 40, 0, 9, 9, 9],
        vec![5, 10, 0, 60, 0, 200, 0],
        vec![6, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        vec![2, 4, 1, 1, 2, 9, 2, 3, 3, 9, 3],
    ]
}

/// A file that is `whole` with some changes, or (for a first byte of 1) no relation of it.
pub(crate) fn edited(data: &[u8], whole: &[u8]) -> Vec<u8> {
    let mut choices = Choices::new(data);
    if data.first() == Some(&1) {
        return data[1..].to_vec();
    }
    let mut bytes = whole.to_vec();
    while !choices.is_empty() {
        let kind = choices.below(7);
        let at = usize::from(choices.short()) % (bytes.len() + 1);
        match kind {
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= choices.byte();
                }
            }
            3 => bytes.truncate(at),
            4 => {
                let end = (at + usize::from(choices.short())).min(bytes.len());
                bytes.splice(at..end, choices.take(8).to_vec());
            }
            5 => {
                // A stretch moved or doubled: whole records among them.
                let from = usize::from(choices.short()) % (bytes.len() + 1);
                let end = (from + usize::from(choices.short())).min(bytes.len());
                let copy = bytes[from..end].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => bytes.extend_from_slice(choices.take(32)),
            _ => {
                if at < bytes.len() {
                    bytes[at..].fill(0);
                }
            }
        }
    }
    bytes
}

/// A state log, true, changed or no log at all.
///
/// # Panics
/// On a finding.
pub fn state_log(data: &[u8]) {
    let truth = truth();
    let bytes = edited(data, &truth.state);
    let (records, end) = read(&bytes, Some(CHAIN_START));
    if data.first() == Some(&1) {
        let _ = read(&bytes, None);
    } else {
        assert!(truth.records.starts_with(&records), "a record was read that was not written: {:?}", records.last());
    }
    match end {
        Ok(ReadEnd::Clean) if bytes != truth.state => {
            assert!(truth.state.starts_with(&bytes), "a changed log was read as a clean one");
        }
        Ok(ReadEnd::TornTail { valid_bytes }) => {
            let valid = usize::try_from(valid_bytes).expect("a file in memory");
            assert!(valid < bytes.len(), "nothing is torn");
            let (again, end) = read(&bytes[..valid], Some(CHAIN_START));
            assert_eq!(again, records, "the valid beginning holds what was read");
            assert!(matches!(end, Ok(ReadEnd::Clean)));
        }
        _ => {}
    }
    // Recovery reads the same, and a refusal stands.
    let mut run = MemoryRun::new();
    run.set_state_bytes(EPOCH, Some(&bytes));
    let mut all = run.state_records();
    let found: Vec<Record> = all.by_ref().map_while(Result::ok).map(|(_, record)| record).collect();
    assert!(records.starts_with(&found), "recovery reads what the reader reads");
    if let Ok(tail) = all.finish() {
        assert_eq!(found.len(), records.len());
        assert!(tail.torn.is_none_or(|(epoch, valid)| epoch == EPOCH && valid < bytes.len() as u64));
    }
}

/// A market log, true, changed or no log at all, beside its true state log, as replay reads both.
///
/// # Panics
/// On a finding.
pub fn market_log(data: &[u8]) {
    let truth = truth();
    let bytes = edited(data, &truth.market);
    let mut run = truth.run.clone();
    run.set_market_bytes(EPOCH, Some(&bytes));
    let Ok(mut replay) = run.replay_inputs(EPOCH) else { return };
    let mut batches = Vec::new();
    for batch in &mut replay {
        match batch {
            Ok(batch) => batches.push(batch),
            Err(_) => break,
        }
    }
    assert!(truth.batches.starts_with(&batches), "a batch is replayed that never was: {:?}", batches.last());
    if let Some(end) = replay.end() {
        let whole = batches.len() == truth.batches.len();
        assert!(*end != journal::ReplayEnd::Complete || whole, "a run that misses batches is called complete");
    }
}
