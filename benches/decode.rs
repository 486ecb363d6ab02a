//! How long does it take to turn a Gate book frame into a typed, checked update?
//!
//! `session` is what a live run does: decode, sequence, link bookkeeping, one `Input`. `decoder` is the first part alone. The
//! yardstick is simd-json parsing the same bytes into its tape and nothing else: no number read, no level checked.
//!
//! A regression here is paid by every frame of every venue, also the 99 % that lead to no order.

use crossgate_benches::json_alone::JsonAlone;
use crossgate_benches::live_session::LiveSession;
use crossgate_benches::report::{Report, Times, measure, timed};
use crossgate_benches::tape::{PAIR, Tape, VENUE};
use domain::{Input, MonoNanos, PairId, Tables};
use gate_connector::wire::frames::Frame;
use gate_connector::wire::{Decoder, PairNames};
use std::sync::Arc;

fn main() {
    let tape = Tape::load();
    let mut report = Report::new("decode: Gate book frame → typed update", &tape.source);
    for (name, channel, frames) in
        [("20 × 20 snapshot", "order_book", &tape.snapshots), ("diff", "order_book_update", &tape.diffs)]
    {
        println!("{name}: {} bytes on average", frames.iter().map(Vec::len).sum::<usize>() / frames.len());
        report.yardstick("simd-json alone", &simd_json_alone(frames));
        report.row(&format!("{name}, decoder"), &decoder(frames, tape.tables.clone()));
        report.row(&format!("{name}, session"), &session(&tape, channel, frames));
    }
    if tape.verbatim.is_empty() {
        println!("recorded frames verbatim: left out, CROSSGATE_DATA is not set");
    } else {
        report.yardstick("simd-json alone", &simd_json_alone(&tape.verbatim));
        report.row("recorded diffs verbatim, 7 pairs, decoder", &decoder(&tape.verbatim, tape.verbatim_tables.clone()));
    }
}

/// Copies each frame into one buffer first, as a socket read would have: the copy is not measured, the parsers may scribble.
fn each_frame(frames: &[Vec<u8>], mut use_frame: impl FnMut(&mut [u8])) {
    let mut buffer = Vec::with_capacity(8192);
    for frame in frames {
        buffer.clear();
        buffer.extend_from_slice(frame);
        use_frame(&mut buffer);
    }
}

fn simd_json_alone(frames: &[Vec<u8>]) -> Times {
    let mut json = JsonAlone::default();
    measure(|times| {
        each_frame(frames, |bytes| {
            timed(times, || json.parse(bytes));
        });
    })
}

fn decoder(frames: &[Vec<u8>], tables: Arc<Tables>) -> Times {
    let pairs: Vec<PairId> = tables.pair_ids().collect();
    let mut decoder = Decoder::new(PairNames::new(VENUE, tables, &pairs));
    measure(|times| {
        each_frame(frames, |bytes| {
            let frame = timed(times, || decoder.frame(bytes, MonoNanos(1)));
            assert!(matches!(frame, Ok(Frame::Book(_))), "every frame is news of a book: {frame:?}");
        });
    })
}

fn session(tape: &Tape, channel: &str, frames: &[Vec<u8>]) -> Times {
    measure(|times| {
        // Ids go on within the tape only, so each pass has a session of its own; its first frame is not measured.
        let mut live = LiveSession::new(tape, channel);
        let (first, rest) = frames.split_first().expect("a tape has frames");
        live.first_frame(&mut first.clone(), tape);
        each_frame(rest, |bytes| {
            timed(times, || live.frame(bytes));
            let is_update = matches!(live.inputs(), [Input::Book(update)] if update.pair == PAIR);
            assert!(is_update, "every frame becomes one update");
        });
    })
}
