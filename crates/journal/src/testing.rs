//! What the tests of this crate share.

use crate::codec::CODEC_VERSION;
use crate::record::{Header, LogKind, Record};
use crate::strategies::{one_of_each_input, some_order, some_tables};
use domain::{MonoNanos, UnixNanos};

/// A small header.
pub(crate) fn header(epoch: u64, previous: [u8; 32]) -> Header {
    Header {
        version: CODEC_VERSION,
        kind: LogKind::State,
        instance: 1,
        epoch,
        shard: 0,
        build: "test".into(),
        mode: "sim".into(),
        seed: 7,
        started: UnixNanos(5),
        config: "mode = \"sim\"".into(),
        tables: some_tables(),
        previous,
    }
}

/// `count` state records, numbered from 1.
pub(crate) fn records(count: u64) -> Vec<Record> {
    let inputs: Vec<_> = one_of_each_input().into_iter().filter(|input| input.is_state()).collect();
    let record = |seq: u64| match seq % 5 {
        0 => Record::Intent { seq, order: some_order(seq) },
        _ => Record::Input { seq, received: MonoNanos(seq * 10), input: inputs[seq as usize % inputs.len()].clone() },
    };
    (1..=count).map(record).collect()
}
