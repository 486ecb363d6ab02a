//! Recorded market data as a venue would push it: each frame with the time at which it is due and with stamps that can be moved.
//!
//! Start at [`binance`] and [`gate`], which cut the densest part out of recordings; [`Recording::at_speed`] and [`Recording::then`] turn
//! that into what is played ([`super::feeder`]). Times are nanoseconds from the beginning; of the tape first, of the play after
//! `at_speed`. What the venue stamped (`E`, `T`, `time_ms`, …) moves with the frames, so that receive time less stamp means the same at
//! every speed; what the recording's own path added is kept, and shrinks with the speed.

use journal::tape::{Direction, FrameLink, TapeFormat, TapeReader, open_tape};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const SECOND_NS: i64 = 1_000_000_000;
const MILLI_NS: i64 = 1_000_000;
/// Levels a side that a Binance copy of a book has.
const COPY_LEVELS: usize = 1_000;

/// A time inside a frame's text, written as this many digits: 13 of milliseconds or 10 of seconds.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    position: usize,
    digits: usize,
    at_ns: i64,
}

/// Which of a book's messages: their ids are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A whole book, or a change of one.
    Book,
    /// A best bid and offer.
    Top,
}

/// One frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// When it is pushed.
    pub(crate) at_ns: i64,
    /// When the venue sent it by its own stamp; `at_ns` where it has none.
    pub(crate) sent_ns: i64,
    /// What a client subscribes to in order to get it.
    pub(crate) stream: String,
    /// Of which book it is, and the id that it brings the book to.
    pub(crate) shows: Option<(String, Kind, u64)>,
    text: Vec<u8>,
    stamps: Vec<Stamp>,
    /// Where the id stands, for books that are pushed whole and may be played again.
    id_at: Option<usize>,
    change: Option<Sides>,
}

/// Price and quantity, bids and asks.
type Sides = [Vec<(Decimal, String)>; 2];

impl Frame {
    /// Its text when the play began at `start_ns` of the venue's clock (Unix time).
    pub(crate) fn text(&self, start_ns: i64) -> Vec<u8> {
        let mut text = self.text.clone();
        for stamp in &self.stamps {
            let unit = if stamp.digits == 13 { MILLI_NS } else { SECOND_NS };
            let digits = ((start_ns + stamp.at_ns) / unit).to_string();
            text[stamp.position..stamp.position + stamp.digits].copy_from_slice(digits.as_bytes());
        }
        text
    }
}

/// A book as the venue knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct BookCopy {
    id: u64,
    sides: [BTreeMap<Decimal, String>; 2],
}

impl BookCopy {
    /// Takes in a frame of it.
    pub(crate) fn take(&mut self, frame: &Frame) {
        let Some((_, Kind::Book, id)) = frame.shows else { return };
        // What was under way when the copy was made is in it already.
        if frame.id_at.is_none() && id <= self.id {
            return;
        }
        self.id = id;
        for (side, changes) in self.sides.iter_mut().zip(frame.change.iter().flatten()) {
            if frame.id_at.is_some() {
                side.clear();
            }
            for (price, qty) in changes {
                if qty.trim_matches(['0', '.']).is_empty() {
                    side.remove(price)
                } else {
                    side.insert(*price, qty.clone())
                };
            }
        }
    }

    fn rows(&self, side: usize) -> Vec<Value> {
        let row = |(price, qty): (&Decimal, &String)| json!([price.to_string(), qty]);
        let levels = self.sides[side].iter();
        if side == 0 { levels.rev().take(COPY_LEVELS).map(row).collect() } else { levels.take(COPY_LEVELS).map(row).collect() }
    }

    /// As Binance answers `…/depth`.
    pub(crate) fn binance_answer(&self) -> Value {
        json!({"lastUpdateId": self.id, "bids": self.rows(0), "asks": self.rows(1)})
    }

    /// As Gate answers `/spot/order_book`.
    pub(crate) fn gate_answer(&self, now_ms: i64) -> Value {
        json!({"id": self.id, "current": now_ms, "update": now_ms, "bids": self.rows(0), "asks": self.rows(1)})
    }
}

/// What is to be played.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// By time.
    pub(crate) frames: Vec<Frame>,
    /// Books as of the beginning, by the venue's name of the pair.
    pub(crate) books: BTreeMap<String, BookCopy>,
    /// How long it is.
    pub(crate) span_ns: i64,
}

impl Recording {
    /// Faster.
    pub(crate) fn at_speed(&self, speed: i64) -> Recording {
        let mut faster = self.clone();
        faster.span_ns /= speed;
        for frame in &mut faster.frames {
            frame.at_ns /= speed;
            frame.sent_ns /= speed;
            frame.stamps.iter_mut().for_each(|stamp| stamp.at_ns /= speed);
        }
        faster
    }

    /// The same, and then `next`. Only for books that are pushed whole: their ids are raised so that they go on.
    pub(crate) fn then(mut self, mut next: Recording) -> Recording {
        let ids = |recording: &Recording| -> BTreeMap<String, (u64, u64)> {
            let mut ids = BTreeMap::new();
            for (name, _, id) in recording.frames.iter().filter_map(|frame| frame.shows.clone()) {
                let (least, most) = ids.entry(name).or_insert((id, id));
                (*least, *most) = ((*least).min(id), (*most).max(id));
            }
            ids
        };
        let (before, after) = (ids(&self), ids(&next));
        for frame in &mut next.frames {
            frame.at_ns += self.span_ns;
            frame.sent_ns += self.span_ns;
            frame.stamps.iter_mut().for_each(|stamp| stamp.at_ns += self.span_ns);
            if let Some((name, _, id)) = &mut frame.shows {
                let at = frame.id_at.expect("a book that is pushed whole");
                let old = id.to_string();
                *id = *id - after[name].0 + before[name].1 + 1;
                let new = id.to_string();
                assert_eq!(old.len(), new.len(), "ids of one length");
                frame.text[at..at + new.len()].copy_from_slice(new.as_bytes());
            }
        }
        self.frames.append(&mut next.frames);
        self.span_ns += next.span_ns;
        self
    }
}

/// Where the `span_s` seconds with most frames begin: nanoseconds of the recorder's clock, on a whole second.
fn densest(times: &[i64], span_s: i64) -> i64 {
    let mut seconds: BTreeMap<i64, usize> = BTreeMap::new();
    times.iter().for_each(|time| *seconds.entry(time / SECOND_NS).or_default() += 1);
    let (first, last) = (*seconds.keys().next().expect("frames"), *seconds.keys().next_back().expect("frames"));
    // A beginning earlier than the second second could miss the first books.
    let begins = first + 2..=(last - span_s).max(first + 2);
    let count = |begin: i64| seconds.range(begin..begin + span_s).map(|(_, count)| count).sum::<usize>();
    begins.max_by_key(|begin| (count(*begin), -begin)).expect("the recording is long enough") * SECOND_NS
}

/// Every `"KEY":` followed by this many digits, as a stamp relative to `origin_ns`.
fn stamps(text: &[u8], keys: &[(&str, usize)], origin_ns: i64) -> Vec<Stamp> {
    let mut found = Vec::new();
    for (key, digits) in keys {
        let key = format!("\"{key}\":");
        let hits = text.windows(key.len()).enumerate().filter(|(_, window)| *window == key.as_bytes());
        for position in hits.map(|(at, _)| at + key.len()) {
            let Some(number) = text.get(position..position + digits).and_then(|t| std::str::from_utf8(t).ok()) else { continue };
            let unit = if *digits == 13 { MILLI_NS } else { SECOND_NS };
            if let Ok(number) = number.parse::<i64>() {
                found.push(Stamp { position, digits: *digits, at_ns: number * unit - origin_ns });
            }
        }
    }
    found
}

fn decimal(value: &Value) -> Decimal {
    Decimal::from_str_exact(value.as_str().expect("a number in text")).expect("a decimal")
}

fn sides(bids: &Value, asks: &Value) -> Sides {
    [bids, asks].map(|side| {
        let rows = side.as_array().expect("a list of levels").iter();
        rows.map(|row| (decimal(&row[0]), row[1].as_str().expect("a quantity").to_string())).collect()
    })
}

/// One recorded stream of Binance in the format of `hftbacktest`.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    /// The file.
    pub(crate) file: &'a Path,
    /// Binance's name of the pair, upper case.
    pub(crate) name: &'a str,
    /// A perpetual that is served as if it were spot: its changes are chained as those of spot are.
    pub(crate) as_spot: bool,
}

struct Line {
    received_ns: i64,
    bytes: Vec<u8>,
}

fn lines(source: &Source<'_>) -> Vec<Line> {
    let entries = open_tape(TapeFormat::Hftbacktest, source.file).expect("the recording can be read");
    let entries = entries.map(|entry| entry.expect("a whole recording"));
    entries.map(|entry| Line { received_ns: entry.received_unix_ns, bytes: entry.bytes }).collect()
}

/// The densest `span_s` seconds of several venues' recordings that one host made at the same time; a recording for each venue. The
/// second number is when they begin, Unix seconds of that host.
pub(crate) fn binance(venues: &[Vec<Source<'_>>], span_s: i64) -> (Vec<Recording>, i64) {
    let read: Vec<Vec<(Source<'_>, Vec<Line>)>> =
        venues.iter().map(|sources| sources.iter().map(|source| (source.clone(), lines(source))).collect()).collect();
    let times: Vec<i64> = read.iter().flatten().flat_map(|(_, lines)| lines.iter().map(|line| line.received_ns)).collect();
    let begin_ns = densest(&times, span_s);
    let recordings = read.iter().map(|sources| binance_venue(sources, begin_ns, span_s)).collect();
    (recordings, begin_ns / SECOND_NS)
}

fn binance_venue(sources: &[(Source<'_>, Vec<Line>)], begin_ns: i64, span_s: i64) -> Recording {
    let mut recording = Recording { frames: Vec::new(), books: BTreeMap::new(), span_ns: span_s * SECOND_NS };
    for (source, lines) in sources {
        let mut book = BookCopy::default();
        // Changes that came before the copy and are newer than it.
        let mut held = Vec::new();
        for line in lines {
            let in_window = (begin_ns..begin_ns + recording.span_ns).contains(&line.received_ns);
            let is_change = line.bytes.windows(8).any(|w| w == b"\"depthUp" || w == b"\"lastUpd");
            if !in_window && (line.received_ns >= begin_ns || !is_change) {
                continue;
            }
            let value: Value = serde_json::from_slice(&line.bytes).expect("JSON");
            if value["lastUpdateId"].is_u64() {
                let sides = sides(&value["bids"], &value["asks"]);
                book = BookCopy {
                    id: value["lastUpdateId"].as_u64().expect("an id"),
                    sides: sides.map(|s| s.into_iter().collect()),
                };
                held.drain(..).for_each(|frame| book.take(&frame));
            } else if in_window {
                recording.frames.push(binance_frame(source, line, value, begin_ns));
            } else if book.id == 0 {
                held.push(binance_frame(source, line, value, begin_ns));
            } else {
                book.take(&binance_frame(source, line, value, begin_ns));
            }
        }
        assert!(book.id > 0, "{} has no book before the part that is played", source.name);
        recording.books.insert(source.name.into(), book);
    }
    recording.frames.sort_by_key(|frame| frame.at_ns);
    // The venue's clock against the recorder's: as if the frame that took least had taken no time.
    let stamped = recording.frames.iter().filter(|frame| !frame.stamps.is_empty());
    let ahead = stamped.map(|frame| frame.sent_ns - frame.at_ns).max().expect("stamped frames");
    for frame in &mut recording.frames {
        frame.stamps.iter_mut().for_each(|stamp| stamp.at_ns -= ahead);
        frame.sent_ns = if frame.stamps.is_empty() { frame.at_ns } else { frame.sent_ns - ahead };
    }
    recording
}

fn binance_frame(source: &Source<'_>, line: &Line, mut value: Value, begin_ns: i64) -> Frame {
    let name = source.name.to_string();
    let data = &value["data"];
    let book = data["e"] == "depthUpdate";
    let kind = if book { Kind::Book } else { Kind::Top };
    let shows = data["u"].as_u64().map(|id| (name.clone(), kind, id));
    let change = book.then(|| sides(&data["b"], &data["a"]));
    let mut stream = value["stream"].as_str().expect("a stream").to_string();
    let text = if source.as_spot {
        stream = stream.replace("@depth@0ms", "@depth@100ms");
        value["stream"] = stream.clone().into();
        if book {
            let previous = value["data"]["pu"].as_u64().expect("a futures change");
            value["data"]["U"] = (previous + 1).into();
            value["data"].as_object_mut().expect("an object").remove("pu");
        }
        value.to_string().into_bytes()
    } else {
        line.bytes.clone()
    };
    let stamps = stamps(&text, &[("E", 13), ("T", 13)], begin_ns);
    let sent = value["data"]["E"].as_i64().map(|ms| ms * MILLI_NS - begin_ns);
    let at_ns = line.received_ns - begin_ns;
    Frame { at_ns, sent_ns: sent.unwrap_or(at_ns), stream, shows, text, stamps, id_at: None, change }
}

/// What `binance` recorded of one pair, moved by `shift` in price.
pub(crate) fn shift_prices(recording: &mut Recording, name: &str, shift: Decimal) {
    if let Some(book) = recording.books.get_mut(name) {
        for side in &mut book.sides {
            *side = std::mem::take(side).into_iter().map(|(price, qty)| (price + shift, qty)).collect();
        }
    }
    let stream = format!("{}@", name.to_lowercase());
    for frame in recording.frames.iter_mut().filter(|frame| frame.stream.starts_with(&stream)) {
        let mut value: Value = serde_json::from_slice(&frame.text).expect("JSON");
        let data = &mut value["data"];
        for key in ["b", "a", "p"] {
            match &mut data[key] {
                Value::Array(rows) => rows.iter_mut().for_each(|row| row[0] = (decimal(&row[0]) + shift).to_string().into()),
                price @ Value::String(_) => *price = (decimal(price) + shift).to_string().into(),
                _ => {}
            }
        }
        let before: Vec<Stamp> = std::mem::take(&mut frame.stamps);
        frame.text = value.to_string().into_bytes();
        frame.stamps = stamps(&frame.text, &[("E", 13), ("T", 13)], 0);
        // The keys stand in the order of their names, before and after: only their places have moved.
        assert_eq!(before.len(), frame.stamps.len(), "the same stamps");
        frame.stamps.iter_mut().zip(before).for_each(|(new, old)| new.at_ns = old.at_ns);
        for (price, _) in frame.change.iter_mut().flatten().flatten() {
            *price += shift;
        }
    }
}

/// The median over a recording of the middle between best bid and best ask of a pair, twice.
pub(crate) fn median_mid_x2(recording: &Recording, name: &str) -> Decimal {
    let ticker = format!("{}@bookTicker", name.to_lowercase());
    let frames = recording.frames.iter().filter(|frame| frame.stream == ticker);
    let mut mids: Vec<Decimal> = frames
        .map(|frame| {
            let value: Value = serde_json::from_slice(&frame.text).expect("JSON");
            decimal(&value["data"]["b"]) + decimal(&value["data"]["a"])
        })
        .collect();
    mids.sort_unstable();
    *mids.get(mids.len() / 2).expect("tops of the pair")
}

/// The densest `span_s` seconds of what `crossgate record` wrote of each of several Gate venues at the same time (channel
/// `spot.order_book`), and when they begin, Unix seconds.
pub(crate) fn gate(tapes: &[&Path], span_s: i64) -> (Vec<Recording>, i64) {
    let read: Vec<Vec<Line>> = tapes.iter().map(|tape| gate_lines(tape)).collect();
    let times: Vec<i64> = read.iter().flatten().map(|line| line.received_ns).collect();
    let begin_ns = densest(&times, span_s);
    (read.iter().map(|lines| gate_venue(lines, begin_ns, span_s)).collect(), begin_ns / SECOND_NS)
}

fn gate_lines(tape: &Path) -> Vec<Line> {
    let entries = TapeReader::open(tape).expect("the recording can be read").map(|entry| entry.expect("a whole recording"));
    let frames = entries.filter(|entry| entry.direction == Direction::In && matches!(entry.link, FrameLink::Ws { .. }));
    frames.map(|entry| Line { received_ns: entry.received_unix.0, bytes: entry.bytes }).collect()
}

fn gate_venue(lines: &[Line], begin_ns: i64, span_s: i64) -> Recording {
    let mut recording = Recording { frames: Vec::new(), books: BTreeMap::new(), span_ns: span_s * SECOND_NS };
    for line in lines.iter().filter(|line| line.received_ns < begin_ns + span_s * SECOND_NS) {
        let value: Value = serde_json::from_slice(&line.bytes).expect("JSON");
        if value["event"] != "update" {
            continue;
        }
        let result = &value["result"];
        let name = result["s"].as_str().expect("a pair").to_string();
        let id = result["lastUpdateId"].as_u64().expect("an id");
        let key = b"\"lastUpdateId\":";
        let id_at = line.bytes.windows(key.len()).position(|window| window == key).map(|at| at + key.len());
        let at_ns = line.received_ns - begin_ns;
        let frame = Frame {
            at_ns,
            sent_ns: value["time_ms"].as_i64().expect("a time") * MILLI_NS - begin_ns,
            stream: format!("spot.order_book {name}"),
            shows: Some((name.clone(), Kind::Book, id)),
            stamps: stamps(&line.bytes, &[("time", 10), ("time_ms", 13), ("t", 13)], begin_ns),
            text: line.bytes.clone(),
            id_at,
            change: Some(sides(&result["bids"], &result["asks"])),
        };
        if at_ns >= 0 {
            recording.frames.push(frame);
        } else {
            recording.books.entry(name).or_default().take(&frame);
        }
    }
    recording
}
