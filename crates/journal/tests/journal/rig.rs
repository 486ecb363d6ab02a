//! Headers, records and errors, in short.

use domain::{Input, MonoNanos, OperatorCommand, Tables, UnixNanos};
use journal::{CODEC_VERSION, Header, LogKind, LogSink, MemoryLog, Record};

pub(crate) const EPOCH: u64 = 5;

pub(crate) fn header(kind: LogKind, epoch: u64) -> Header {
    Header {
        version: CODEC_VERSION,
        kind,
        instance: 1,
        epoch,
        shard: 0,
        build: "test".into(),
        mode: "sim".into(),
        seed: 7,
        started: UnixNanos(5),
        config: "mode = \"sim\"".into(),
        tables: Tables::default(),
        previous: [0; 32],
    }
}

/// An input of the state log.
pub(crate) fn command(seq: u64) -> Record {
    Record::Input { seq, received: MonoNanos(seq), input: Input::Operator(OperatorCommand::Resume) }
}

/// An input of the market log.
pub(crate) fn news(seq: u64) -> Record {
    Record::Input { seq, received: MonoNanos(seq), input: Input::LogWritten { seq } }
}

pub(crate) fn mark(batch: u64, last_seq: u64) -> Record {
    Record::BatchEnd { batch, last_seq, now: MonoNanos(last_seq), output_hash: [0; 32] }
}

/// What the file of a log with these records would hold.
pub(crate) fn bytes(header: &Header, records: &[Record]) -> Vec<u8> {
    let mut log = MemoryLog::start(header).unwrap();
    records.iter().for_each(|record| log.append(record).unwrap());
    log.flush().unwrap();
    log.bytes().to_vec()
}

/// The error of what must not have worked.
#[track_caller]
pub(crate) fn refusal<T, E>(result: Result<T, E>) -> E {
    result.err().expect("it must be refused")
}
