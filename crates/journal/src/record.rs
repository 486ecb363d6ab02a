//! What the logs are made of. Pure.
//!
//! *State log*: header, perhaps a checkpoint, inputs with [`Input::is_state`], intents, notes, end. *Market log*: header, the other inputs, batch
//! marks, end. Both share one sequence: each [`Record::Input`] and [`Record::Intent`] takes the next number; the other kinds
//! carry the last number taken before them.

use crate::codec::wire::{Reader, Wire, wire_enum, wire_struct};
use crate::codec::{CODEC_VERSION, CodecError};
use domain::{CheckpointItem, Input, MonoNanos, NewOrder, Tables, UnixNanos};

/// Longest text of a note, in bytes; longer ones are cut.
pub const NOTE_BYTES_MAX: usize = 4096;

/// First four bytes of the body of every header.
const MAGIC: [u8; 4] = *b"XGLG";

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// Everything that recovery reads.
    State,
    /// What only replay reads.
    Market,
}

impl LogKind {
    /// `state` or `market`, as in file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogKind::State => "state",
            LogKind::Market => "market",
        }
    }
}

/// The first record of every file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the format; [`CODEC_VERSION`] when written.
    pub version: u16,
    /// Which log.
    pub kind: LogKind,
    /// Instance, as in client order ids.
    pub instance: u16,
    /// Run epoch, as in client order ids.
    pub epoch: u64,
    /// Shard, as in client order ids.
    pub shard: u8,
    /// Version and commit of the program.
    pub build: String,
    /// `sim`, `paper`, `live`.
    pub mode: String,
    /// Seed of the run.
    pub seed: u64,
    /// When it started.
    pub started: UnixNanos,
    /// The effective configuration, redacted.
    pub config: String,
    /// Names behind the ids.
    pub tables: Tables,
    /// Chain value that this file continues; zeros for the first. Writers set it.
    pub previous: [u8; 32],
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first record of every file.
    Header(Header),
    /// Something moved the engine.
    Input {
        /// Its number.
        seq: u64,
        /// When the edge received it.
        received: MonoNanos,
        /// What it was.
        input: Input,
    },
    /// An order is about to be sent: written before its bytes leave (I9).
    Intent {
        /// Its number.
        seq: u64,
        /// The order.
        order: NewOrder,
    },
    /// The engine decided here; replay cuts its batches in the same places.
    BatchEnd {
        /// Counts the batches of an epoch from 1.
        batch: u64,
        /// Last number that belongs to the batch.
        last_seq: u64,
        /// The batch's one time.
        now: MonoNanos,
        /// Running [`crate::OutputHash`] after the batch.
        output_hash: [u8; 32],
    },
    /// Something that people want to know later.
    Note {
        /// Last number taken.
        seq: u64,
        /// At most [`NOTE_BYTES_MAX`] bytes.
        text: String,
    },
    /// Part of what the run started from; stands between the header and everything else, in as many parts as it takes.
    Checkpoint {
        /// The items of this part, their ids those of this log's tables.
        items: Vec<CheckpointItem>,
        /// The checkpoint ends with this part. Without its last part it is none.
        last: bool,
    },
    /// The writer ended in order; nothing follows in this epoch.
    End {
        /// Last number taken.
        seq: u64,
        /// False when the log gave up (a market log that fell behind) or the run ended uncleanly.
        clean: bool,
    },
}

impl Record {
    /// A view that borrows everything.
    pub fn view(&self) -> RecordView<'_> {
        match self {
            Record::Header(header) => RecordView::Header(header),
            Record::Input { seq, received, input } => RecordView::Input { seq: *seq, received: *received, input },
            Record::Intent { seq, order } => RecordView::Intent { seq: *seq, order },
            Record::BatchEnd { batch, last_seq, now, output_hash } => {
                RecordView::BatchEnd { batch: *batch, last_seq: *last_seq, now: *now, output_hash }
            }
            Record::Note { seq, text } => RecordView::Note { seq: *seq, text },
            Record::Checkpoint { items, last } => RecordView::Checkpoint { items, last: *last },
            Record::End { seq, clean } => RecordView::End { seq: *seq, clean: *clean },
        }
    }
}

/// A record whose contents stand elsewhere, so that writing one copies nothing.
#[derive(Clone, Copy, Debug)]
pub enum RecordView<'a> {
    /// See [`Record::Header`].
    Header(&'a Header),
    /// See [`Record::Input`].
    Input {
        /// Its number.
        seq: u64,
        /// When the edge received it.
        received: MonoNanos,
        /// What it was.
        input: &'a Input,
    },
    /// See [`Record::Intent`].
    Intent {
        /// Its number.
        seq: u64,
        /// The order.
        order: &'a NewOrder,
    },
    /// See [`Record::BatchEnd`].
    BatchEnd {
        /// Counts the batches of an epoch from 1.
        batch: u64,
        /// Last number that belongs to the batch.
        last_seq: u64,
        /// The batch's one time.
        now: MonoNanos,
        /// Running hash after the batch.
        output_hash: &'a [u8; 32],
    },
    /// See [`Record::Note`].
    Note {
        /// Last number taken.
        seq: u64,
        /// The text.
        text: &'a str,
    },
    /// See [`Record::Checkpoint`].
    Checkpoint {
        /// The items.
        items: &'a [CheckpointItem],
        /// Whether it ends here.
        last: bool,
    },
    /// See [`Record::End`].
    End {
        /// Last number taken.
        seq: u64,
        /// Whether the end was orderly.
        clean: bool,
    },
}

const HEADER: u8 = 1;
const INPUT: u8 = 2;
const INTENT: u8 = 3;
const BATCH_END: u8 = 4;
const NOTE: u8 = 5;
const END: u8 = 6;
const CHECKPOINT: u8 = 7;

/// Whether a type byte means a record.
pub(crate) const fn is_record_type(byte: u8) -> bool {
    matches!(byte, HEADER..=CHECKPOINT)
}

impl RecordView<'_> {
    /// The sequence number it carries; 0 for a header and a checkpoint.
    pub const fn seq(&self) -> u64 {
        match self {
            RecordView::Header(_) | RecordView::Checkpoint { .. } => 0,
            RecordView::Input { seq, .. }
            | RecordView::Intent { seq, .. }
            | RecordView::Note { seq, .. }
            | RecordView::End { seq, .. } => *seq,
            RecordView::BatchEnd { last_seq, .. } => *last_seq,
        }
    }

    /// Appends the type byte and the body.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            RecordView::Header(header) => {
                out.push(HEADER);
                header.put(out);
            }
            RecordView::Input { seq, received, input } => {
                out.push(INPUT);
                seq.put(out);
                received.put(out);
                input.put(out);
            }
            RecordView::Intent { seq, order } => {
                out.push(INTENT);
                seq.put(out);
                order.put(out);
            }
            RecordView::BatchEnd { batch, last_seq, now, output_hash } => {
                out.push(BATCH_END);
                batch.put(out);
                last_seq.put(out);
                now.put(out);
                output_hash.put(out);
            }
            RecordView::Note { seq, text } => {
                out.push(NOTE);
                seq.put(out);
                let text = &text[..text.floor_char_boundary(NOTE_BYTES_MAX)];
                (text.len() as u32).put(out);
                out.extend_from_slice(text.as_bytes());
            }
            RecordView::Checkpoint { items, last } => {
                out.push(CHECKPOINT);
                (items.len() as u32).put(out);
                items.iter().for_each(|item| item.put(out));
                last.put(out);
            }
            RecordView::End { seq, clean } => {
                out.push(END);
                seq.put(out);
                clean.put(out);
            }
        }
    }
}

/// Decodes a type byte and its body.
pub(crate) fn get_record(bytes: &[u8]) -> Result<Record, CodecError> {
    let mut reader = Reader::new(bytes);
    let r = &mut reader;
    let record = match u8::get(r)? {
        HEADER => Record::Header(Header::get(r)?),
        INPUT => Record::Input { seq: Wire::get(r)?, received: Wire::get(r)?, input: Wire::get(r)? },
        INTENT => Record::Intent { seq: Wire::get(r)?, order: Wire::get(r)? },
        BATCH_END => {
            Record::BatchEnd { batch: Wire::get(r)?, last_seq: Wire::get(r)?, now: Wire::get(r)?, output_hash: Wire::get(r)? }
        }
        NOTE => Record::Note { seq: Wire::get(r)?, text: Wire::get(r)? },
        CHECKPOINT => Record::Checkpoint { items: Wire::get(r)?, last: Wire::get(r)? },
        END => Record::End { seq: Wire::get(r)?, clean: Wire::get(r)? },
        tag => return Err(CodecError::Tag { what: "Record", tag }),
    };
    reader.finish()?;
    Ok(record)
}

wire_enum!(LogKind { 0 => State {}, 1 => Market {} });

/// The fields after magic and version, which must be understood before anything else is.
#[derive(Clone)]
struct HeaderBody {
    kind: LogKind,
    instance: u16,
    epoch: u64,
    shard: u8,
    build: String,
    mode: String,
    seed: u64,
    started: UnixNanos,
    config: String,
    tables: Tables,
    previous: [u8; 32],
}
wire_struct!(HeaderBody { kind, instance, epoch, shard, build, mode, seed, started, config, tables, previous });

impl Wire for Header {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        self.version.put(out);
        let Header { version: _, kind, instance, epoch, shard, build, mode, seed, started, config, tables, previous } =
            self.clone();
        HeaderBody { kind, instance, epoch, shard, build, mode, seed, started, config, tables, previous }.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if reader.array::<4>()? != MAGIC {
            return Err(CodecError::Range { what: "the magic of a log header" });
        }
        let version = u16::get(reader)?;
        if version != CODEC_VERSION {
            return Err(CodecError::Version { found: version });
        }
        let HeaderBody { kind, instance, epoch, shard, build, mode, seed, started, config, tables, previous } =
            Wire::get(reader)?;
        Ok(Header { version, kind, instance, epoch, shard, build, mode, seed, started, config, tables, previous })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategies;
    use proptest::prelude::*;

    #[track_caller]
    fn check(record: &Record) {
        let mut bytes = Vec::new();
        record.view().put(&mut bytes);
        assert_eq!(&get_record(&bytes).unwrap(), record);
        bytes.push(0);
        assert_eq!(get_record(&bytes), Err(CodecError::Trailing { count: 1 }));
    }

    #[test]
    fn every_kind_round_trips() {
        let tables = strategies::some_tables();
        check(&Record::Header(Header {
            version: CODEC_VERSION,
            kind: LogKind::Market,
            instance: 3,
            epoch: 1_700_000_000,
            shard: 1,
            build: "0.1.0 (abc)".into(),
            mode: "sim".into(),
            seed: 42,
            started: UnixNanos(5),
            config: "mode = \"sim\"\n".into(),
            tables,
            previous: [9; 32],
        }));
        for input in strategies::one_of_each_input() {
            check(&Record::Input { seq: 8, received: MonoNanos(9), input });
        }
        check(&Record::Intent { seq: 8, order: strategies::some_order(1) });
        check(&Record::BatchEnd { batch: 1, last_seq: 2, now: MonoNanos(3), output_hash: [4; 32] });
        check(&Record::Note { seq: 1, text: "started — again".into() });
        check(&Record::Checkpoint { items: strategies::one_of_each_checkpoint_item(), last: true });
        check(&Record::End { seq: 1, clean: true });
    }

    #[test]
    fn a_long_note_is_cut_on_a_character() {
        let text = "é".repeat(NOTE_BYTES_MAX);
        let mut bytes = Vec::new();
        RecordView::Note { seq: 1, text: &format!("x{text}") }.put(&mut bytes);
        let Record::Note { text, .. } = get_record(&bytes).unwrap() else { panic!("not a note") };
        assert_eq!(text.len(), NOTE_BYTES_MAX - 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 1..200), tag in 0u8..9) {
            bytes[0] = tag;
            if let Ok(record) = get_record(&bytes) {
                let mut again = Vec::new();
                record.view().put(&mut again);
                if !matches!(record, Record::Note { .. }) {
                    prop_assert_eq!(again, bytes);
                }
            }
        }
    }
}
