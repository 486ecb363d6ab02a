//! Books to measure on: one pair's states in a row, as the two kinds of Gate frame.
//!
//! The states come from a recorded session (its REST copy and its updates) or from the simulator. They are walked forth and back for
//! as many frames as wanted, so that every change changes something; ids and times go on. Changes are gathered until one frame
//! carries about [`LEVELS_A_DIFF`] levels, which is what busy pairs send in 100 ms.
//!
//! Start at [`Tape::load`].

use domain::{AssetId, InstrumentKind, PairId, PairInfo, PairScale, Symbol, Tables, VenueId};
use journal::tape::{TapeFormat, TapeKind, read_tape};
use serde_json::Value;
use sim_exchange::world::{HttpRequest, OutputBody, WsFrame};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testkit::SimConfig;

/// Frames of each kind.
pub const FRAMES: usize = 10_000;
/// Levels that a diff frame carries at least, if the input has so many.
pub const LEVELS_A_DIFF: usize = 19;
/// Levels a side in a snapshot frame.
const SNAPSHOT_LEVELS: usize = 20;
/// Time of the first frame, Unix milliseconds; the others follow every 100 ms.
const FIRST_MS: u64 = 1_750_000_000_000;

/// Price → (price, quantity) as the venue wrote them. Prices count in 10^-10.
type Side = BTreeMap<u64, (String, String)>;

#[derive(Clone, Default)]
struct Book {
    bids: Side,
    asks: Side,
}

/// Changed levels of one side; quantity `0` deletes.
type Changes = BTreeMap<u64, (String, String)>;

#[derive(Clone, Default)]
struct Diff {
    bids: Changes,
    asks: Changes,
}

/// Frames of one pair, and what is needed to decode them.
pub struct Tape {
    /// Where the books come from, for the report.
    pub source: String,
    /// Names and scale of the pair, one venue.
    pub tables: Arc<Tables>,
    /// `spot.order_book` frames, 20 levels a side.
    pub snapshots: Vec<Vec<u8>>,
    /// `spot.order_book_update` frames that continue each other.
    pub diffs: Vec<Vec<u8>>,
    /// The REST copy that the first diff continues.
    pub base: Vec<u8>,
    /// Frames exactly as they were recorded; empty without recordings.
    pub verbatim: Vec<Vec<u8>>,
    /// Names and scales for [`Tape::verbatim`].
    pub verbatim_tables: Arc<Tables>,
}

/// A book and how it went on.
struct Source {
    text: String,
    pair: String,
    base: Book,
    updates: Vec<Diff>,
}

impl Tape {
    /// The recorded session where `CROSSGATE_DATA` is set, else a simulated one.
    ///
    /// # Panics
    /// When the recordings are there but can't be read: a measurement of something else would be worse.
    pub fn load() -> Tape {
        let folder = std::env::var_os("CROSSGATE_DATA").map(|data| PathBuf::from(data).join("cryptofeed")).filter(|f| f.is_dir());
        let (source, verbatim) = match &folder {
            Some(folder) => recorded(folder),
            None => (simulated(), Vec::new()),
        };
        let pairs: Vec<String> = verbatim.iter().filter_map(|frame| name_in(frame)).collect();
        let verbatim_tables = tables(&pairs.iter().map(|name| (name.clone(), (8, 10))).collect());
        let tables = tables(&BTreeMap::from([(source.pair.clone(), decimals(&source))]));
        let (snapshots, diffs, mean_levels) = frames(&source);
        let base = rest_copy(&source.base);
        let text = format!("{}; {FRAMES} frames of each kind, {mean_levels} levels a diff on average", source.text);
        Tape { source: text, tables, snapshots, diffs, base, verbatim, verbatim_tables }
    }
}

/// Exact tables of one venue for these pairs with their (price, quantity) decimals.
fn tables(pairs: &BTreeMap<String, (u8, u8)>) -> Arc<Tables> {
    let symbols: Vec<(Symbol, (u8, u8))> =
        pairs.iter().map(|(name, decimals)| (Symbol::parse(name).expect("a pair's name"), *decimals)).collect();
    let mut assets: Vec<String> = symbols.iter().flat_map(|(s, _)| [s.base.clone(), s.quote.clone()]).collect();
    assets.sort();
    assets.dedup();
    let asset = |name: &String| AssetId(assets.iter().position(|a| a == name).expect("listed above") as u16);
    let info = |(symbol, (price, qty)): &(Symbol, (u8, u8))| PairInfo {
        symbol: symbol.clone(),
        kind: InstrumentKind::Spot,
        base: asset(&symbol.base),
        quote: asset(&symbol.quote),
        scale: PairScale::new(*price, *qty).expect("at most 18 decimals together"),
    };
    Arc::new(Tables { venues: vec!["gate".into()], pairs: symbols.iter().map(info).collect(), assets: assets.clone() })
}

/// The pair and the venue of every tape.
pub const PAIR: PairId = PairId(0);
/// See [`PAIR`].
pub const VENUE: VenueId = VenueId(0);

// ------------------------------------------------------------------------------------------------------------------- inputs

fn recorded(folder: &Path) -> (Source, Vec<Vec<u8>>) {
    let read = |name: &str| {
        let path = folder.join(name);
        read_tape(TapeFormat::Cryptofeed, &path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let mut verbatim = Vec::new();
    let mut updates: BTreeMap<String, Vec<(u64, Diff)>> = BTreeMap::new();
    for entry in read("GATEIO.ws.1.0.zst").into_iter().filter(|e| matches!(e.kind, TapeKind::Ws { .. })) {
        let Ok(frame) = serde_json::from_slice::<Value>(&entry.bytes) else { continue };
        if frame["channel"] == "spot.order_book_update" && frame["event"] == "update" {
            let result = &frame["result"];
            let name = result["s"].as_str().expect("an update names its pair").to_string();
            updates.entry(name).or_default().push((result["u"].as_u64().expect("an update has an id"), diff_of(result)));
            verbatim.push(entry.bytes);
        }
    }
    let (pair, updates) = updates.into_iter().max_by_key(|(_, list)| list.len()).expect("the session has updates");
    let copy = read("GATEIO.http.0.0.zst").into_iter().find_map(|entry| match &entry.kind {
        TapeKind::Rest { path_and_query } if path_and_query.contains(&format!("currency_pair={pair}&")) => {
            serde_json::from_slice::<Value>(&entry.bytes).ok()
        }
        _ => None,
    });
    let copy = copy.expect("the session has a copy of the book");
    let id = copy["id"].as_u64().expect("a copy has an id");
    let updates = updates.into_iter().filter(|(last, _)| *last > id).map(|(_, diff)| diff).collect();
    let text = format!("books of the recorded Gate session, {pair}");
    (Source { text, pair, base: book_of(&copy), updates }, verbatim)
}

/// A minute of the simulator's BTC_USDT, through its own Gate dialect.
fn simulated() -> Source {
    const MINUTE_NS: u64 = 60_000_000_000;
    let pair = "BTC_USDT";
    let mut world = testkit::venues::build_world(&SimConfig::calm(1));
    let end = world.now() + MINUTE_NS;
    world.ws_open(0, 1, "/ws/v4/");
    let subscribe = format!(
        r#"{{"time":{},"channel":"spot.order_book_update","event":"subscribe","payload":["{pair}","100ms"]}}"#,
        world.now() / 1_000_000_000
    );
    world.ws_frame(0, 1, WsFrame::Text(subscribe.into_bytes()));
    let copy_request = HttpRequest {
        method: "GET".into(),
        path: "/api/v4/spot/order_book".into(),
        query: format!("currency_pair={pair}&limit=100&with_id=true"),
        headers: Vec::new(),
        body: Vec::new(),
    };
    world.http(0, 1, copy_request);
    let (mut copy, mut updates) = (Value::Null, Vec::new());
    while world.now() < end {
        while let Some(output) = world.poll_output() {
            match output.body {
                OutputBody::Http { response, .. } => copy = serde_json::from_slice(&response.body).expect("the copy is JSON"),
                OutputBody::Ws { frame: WsFrame::Text(bytes), .. } => {
                    let frame: Value = serde_json::from_slice(&bytes).expect("a frame is JSON");
                    if frame["event"] == "update" {
                        updates.push((frame["result"]["u"].as_u64().expect("an id"), diff_of(&frame["result"])));
                    }
                }
                _ => {}
            }
        }
        let next = world.next_wakeup().expect("the market moves");
        world.advance(next.min(end));
    }
    let id = copy["id"].as_u64().expect("the copy has an id");
    let updates = updates.into_iter().filter(|(last, _)| *last > id).map(|(_, diff)| diff).collect();
    let text = format!("books of the simulator, seed 1, {pair} (set CROSSGATE_DATA for recorded ones)");
    Source { text, pair: pair.into(), base: book_of(&copy), updates }
}

fn name_in(frame: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(frame).ok()?;
    Some(value["result"]["s"].as_str()?.to_string())
}

fn book_of(copy: &Value) -> Book {
    Book { bids: levels(&copy["bids"]), asks: levels(&copy["asks"]) }
}

fn diff_of(result: &Value) -> Diff {
    Diff { bids: levels(&result["b"]), asks: levels(&result["a"]) }
}

fn levels(rows: &Value) -> Side {
    let text = |value: &Value| value.as_str().expect("prices and quantities are text").to_string();
    let rows = rows.as_array().into_iter().flatten();
    rows.map(|row| (text(&row[0]), text(&row[1]))).map(|(price, qty)| (price_units(&price), (price, qty))).collect()
}

fn price_units(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 10, "a price finer than 10^-10: {text}");
    format!("{whole}{fraction:0<10}").parse().expect("a price is a decimal number")
}

/// The finest price and quantity of the source; quantities give way where both together pass 18.
fn decimals(source: &Source) -> (u8, u8) {
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, f)| f.trim_end_matches('0').len()) as u8;
    let diffs = source.updates.iter().flat_map(|d| [&d.bids, &d.asks]);
    let levels = [&source.base.bids, &source.base.asks].into_iter().chain(diffs).flat_map(|side| side.values());
    let (price, qty) = levels.fold((0, 0), |(p, q), (price, qty)| (p.max(digits(price)), q.max(digits(qty))));
    (price, qty.min(18 - price))
}

// ------------------------------------------------------------------------------------------------------------------- frames

/// Snapshot frames, diff frames, and the average of levels in a diff.
fn frames(source: &Source) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, usize) {
    let steps = gathered(source);
    assert!(!steps.is_empty(), "the input has no change");
    let (mut book, mut snapshots, mut diffs, mut levels) = (source.base.clone(), Vec::new(), Vec::new(), 0);
    let mut id = BASE_ID;
    for at in 0..FRAMES {
        // Forth, then back: 0 1 2 … n-1 n-1 … 1 0 0 1 …
        let (round, place) = (at / steps.len(), at % steps.len());
        let (forth, back) = &steps[if round.is_multiple_of(2) { place } else { steps.len() - 1 - place }];
        let diff = if round.is_multiple_of(2) { forth } else { back };
        apply(&mut book, diff);
        levels += diff.bids.len() + diff.asks.len();
        let (first, last) = (id + 1, id + 4);
        id = last;
        let ms = FIRST_MS + 100 * at as u64;
        snapshots.push(snapshot_frame(&source.pair, &book, last, ms));
        diffs.push(diff_frame(&source.pair, diff, first, last, ms));
    }
    (snapshots, diffs, levels / FRAMES)
}

/// Id of the REST copy.
const BASE_ID: u64 = 7_000_000;

/// The updates gathered into larger ones, each with its inverse. No state on the way is crossed.
fn gathered(source: &Source) -> Vec<(Diff, Diff)> {
    let mut book = source.base.clone();
    let mut steps = Vec::new();
    let mut pending = Diff::default();
    for update in &source.updates {
        pending.bids.extend(update.bids.clone());
        pending.asks.extend(update.asks.clone());
        if pending.bids.len() + pending.asks.len() >= LEVELS_A_DIFF {
            let forth = std::mem::take(&mut pending);
            let before = book.clone();
            apply(&mut book, &forth);
            let crossed = book.bids.last_key_value().zip(book.asks.first_key_value()).is_none_or(|(bid, ask)| bid.0 >= ask.0);
            if crossed {
                book = before;
                continue;
            }
            let back = Diff { bids: inverse(&before.bids, &forth.bids), asks: inverse(&before.asks, &forth.asks) };
            steps.push((forth, back));
        }
    }
    steps
}

fn inverse(before: &Side, changes: &Changes) -> Changes {
    let old = |(units, (price, _)): (&u64, &(String, String))| {
        let qty = before.get(units).map_or_else(|| "0".to_string(), |(_, qty)| qty.clone());
        (*units, (price.clone(), qty))
    };
    changes.iter().map(old).collect()
}

fn apply(book: &mut Book, diff: &Diff) {
    for (side, changes) in [(&mut book.bids, &diff.bids), (&mut book.asks, &diff.asks)] {
        for (units, (price, qty)) in changes {
            if qty.bytes().all(|b| matches!(b, b'0' | b'.')) {
                side.remove(units);
            } else {
                side.insert(*units, (price.clone(), qty.clone()));
            }
        }
    }
}

fn rows<'a>(levels: impl Iterator<Item = &'a (String, String)>) -> String {
    let rows: Vec<String> = levels.map(|(price, qty)| format!("[\"{price}\",\"{qty}\"]")).collect();
    format!("[{}]", rows.join(","))
}

fn snapshot_frame(pair: &str, book: &Book, id: u64, ms: u64) -> Vec<u8> {
    let bids = rows(book.bids.values().rev().take(SNAPSHOT_LEVELS));
    let asks = rows(book.asks.values().take(SNAPSHOT_LEVELS));
    let result = format!(r#"{{"t":{},"lastUpdateId":{id},"s":"{pair}","l":"20","bids":{bids},"asks":{asks}}}"#, ms - 3);
    frame("spot.order_book", ms, &result)
}

fn diff_frame(pair: &str, diff: &Diff, first: u64, last: u64, ms: u64) -> Vec<u8> {
    let (bids, asks) = (rows(diff.bids.values()), rows(diff.asks.values()));
    let result = format!(
        r#"{{"t":{},"e":"depthUpdate","E":{},"s":"{pair}","U":{first},"u":{last},"b":{bids},"a":{asks},"l":"100"}}"#,
        ms - 3,
        ms / 1_000
    );
    frame("spot.order_book_update", ms, &result)
}

fn frame(channel: &str, ms: u64, result: &str) -> Vec<u8> {
    format!(r#"{{"time":{},"time_ms":{ms},"channel":"{channel}","event":"update","result":{result}}}"#, ms / 1_000).into_bytes()
}

fn rest_copy(book: &Book) -> Vec<u8> {
    let (bids, asks) = (rows(book.bids.values().rev()), rows(book.asks.values()));
    format!(r#"{{"id":{BASE_ID},"current":{FIRST_MS},"update":{FIRST_MS},"asks":{asks},"bids":{bids}}}"#).into_bytes()
}
