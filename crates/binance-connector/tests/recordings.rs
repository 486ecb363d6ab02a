//! Real Binance traffic recorded by others, read from the folder that `CROSSGATE_DATA` names and only from there.
//!
//! Left out, in one line, where the variable is not set. Every stream goes through the production session and, what it passes on,
//! through the engine's own book: no break of the sequence, never crossed, and exactly as many frames of each kind as were counted by
//! others. Single frames must be read, ignored, or refused for the right reason.

use binance_connector::BinanceConnector;
use domain::{
    Amount, BookBody, FrameReject, Input, InstrumentKind, MarketNews, MonoNanos, PairId, ResyncReason, Symbol, Tables, UnixNanos,
    VenueId,
};
use order_book::{TrackedBook, VenueLag};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use venue::{
    Connector, LinkId, LossReason, RawRules, Response, SessionConfig, SessionOptions, Ticket, Transmit, VenueSession,
    build_tables,
};

fn data(name: &str) -> Option<PathBuf> {
    match std::env::var_os("CROSSGATE_DATA") {
        Some(folder) => Some(Path::new(&folder).join(name)),
        None => {
            println!("left out: CROSSGATE_DATA is not set, so {name} was not read");
            None
        }
    }
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let bytes = if path.extension().is_some_and(|e| e == "zst") { zstd::decode_all(&bytes[..]).expect("zstd") } else { bytes };
    String::from_utf8(bytes).expect("UTF-8")
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).expect("a symbol")
}

fn kind(symbol: &Symbol) -> InstrumentKind {
    let units = |n: i128| Amount::from_units(n * 1_000_000_000_000_000_000);
    match &symbol.settle {
        None => InstrumentKind::Spot,
        Some(settle) if *settle == symbol.quote => {
            InstrumentKind::LinearPerpetual { multiplier: units(1), settle: settle.clone() }
        }
        Some(settle) => InstrumentKind::InversePerpetual {
            multiplier: units(if symbol.base == "BTC" { 100 } else { 10 }),
            settle: settle.clone(),
        },
    }
}

/// Rules of nothing but decimals, for tapes without a listing.
fn plain_rules(text: &str, price_decimals: u8, qty_decimals: u8) -> RawRules {
    let symbol = symbol(text);
    RawRules {
        kind: kind(&symbol),
        symbol,
        price_decimals,
        qty_decimals,
        execution_decimals: qty_decimals,
        execution_price_decimals: price_decimals,
        qty_min: None,
        qty_max: None,
        value_min: None,
        can_buy: true,
        can_sell: true,
    }
}

/// A session fed from a recording, and what the engine would hold of it.
struct Replay {
    session: Box<dyn VenueSession>,
    symbols: Vec<Symbol>,
    tables: Arc<Tables>,
    links: BTreeSet<LinkId>,
    /// Book copies that the session asked for, by pair; and recorded ones that nobody asked for yet.
    asked: BTreeMap<Symbol, Ticket>,
    early: BTreeMap<Symbol, Vec<u8>>,
    books: BTreeMap<PairId, TrackedBook>,
    lag: VenueLag,
    tops: u64,
    trades: u64,
    updates: Vec<Input>,
}

impl Replay {
    fn new(rules: Vec<RawRules>, start: MonoNanos) -> Replay {
        let symbols: Vec<Symbol> = rules.iter().map(|r| r.symbol.clone()).collect();
        let tables = Arc::new(build_tables(&symbols, &[("binance".into(), rules)], &[]).expect("scales").0);
        let session = BinanceConnector
            .session(SessionConfig {
                venue: VenueId(0),
                tables: Arc::clone(&tables),
                pairs: tables.pair_ids().collect(),
                key: None,
                secret: None,
                book_channel: BinanceConnector.book_channels()[0].into(),
                options: SessionOptions { book_ticker: true, trades: true, ..SessionOptions::default() },
                seed: 1,
            })
            .expect("known pairs");
        let mut replay = Replay {
            session,
            symbols,
            tables,
            links: BTreeSet::new(),
            asked: BTreeMap::new(),
            early: BTreeMap::new(),
            books: BTreeMap::new(),
            lag: VenueLag::default(),
            tops: 0,
            trades: 0,
            updates: Vec::new(),
        };
        replay.session.start(start);
        replay.turn(start);
        replay
    }

    fn frame(&mut self, link: LinkId, now: MonoNanos, frame: &str) {
        assert!(self.links.contains(&link), "{link:?} was not opened");
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= now) {
            self.session.handle_timeout(due, &mut self.updates);
            self.turn(due);
        }
        self.session.handle_frame(link, now, &mut frame.as_bytes().to_vec(), &mut self.updates);
        self.turn(now);
    }

    fn copy(&mut self, symbol: &Symbol, now: MonoNanos, body: &str) {
        self.early.insert(symbol.clone(), body.as_bytes().to_vec());
        self.turn(now);
    }

    fn turn(&mut self, now: MonoNanos) {
        while let Some(out) = self.session.poll_transmit(now, UnixNanos(now.0 as i64), &mut self.updates) {
            match out {
                Transmit::Open(link) => {
                    assert!(self.links.insert(link), "{link:?} is open");
                    self.session.handle_connected(link, now, &mut self.updates);
                }
                Transmit::Request { ticket, request, .. } => {
                    let path_and_query = format!("{}?{}", request.path, request.query);
                    if let Some(symbol) = BinanceConnector.book_request_symbol(&self.symbols, &path_and_query) {
                        assert!(self.asked.insert(symbol, ticket).is_none(), "one copy at a time");
                    }
                }
                Transmit::Close(link) => {
                    // The recordings have the trades of USD-M on the connection of its books, so that of its news stays silent.
                    assert_eq!(link.shard, 3, "closed {link:?}");
                    assert!(self.links.remove(&link));
                    self.session.handle_lost(link, now, LossReason::ClosedByUs, &mut self.updates);
                }
                Transmit::Frame { .. } => {}
            }
        }
        let ready: Vec<Symbol> = self.asked.keys().filter(|pair| self.early.contains_key(*pair)).cloned().collect();
        for pair in ready {
            let (Some(ticket), Some(mut body)) = (self.asked.remove(&pair), self.early.remove(&pair)) else { continue };
            let response = Response::Http { status: 200, headers: &[], body: &mut body };
            self.session.handle_response(ticket, now, response, &mut self.updates);
        }
        for update in std::mem::take(&mut self.updates) {
            self.take(&update);
        }
    }

    fn take(&mut self, update: &Input) {
        match update {
            Input::Book(update) => {
                self.tops += u64::from(matches!(update.body, BookBody::Top { .. }));
                let book = self.books.entry(update.pair).or_default();
                let was_live = book.is_live();
                if let BookBody::Untrusted { reason } = update.body {
                    assert_eq!((reason, was_live), (ResyncReason::Unserved, false), "only before its first change");
                }
                let applied = book.handle(update, &mut self.lag).unwrap_or_else(|fault| panic!("{fault} at {update:?}"));
                if let BookBody::Delta { .. } = update.body {
                    assert!(was_live && !applied.stale, "{update:?}");
                }
                book.book().check().expect("a sound book");
            }
            Input::Market(MarketNews::Trade(_)) => self.trades += 1,
            Input::Market(_) | Input::Link(_) | Input::Clock(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// One hftbacktest file: symbol, decimals, and what others counted in it.
struct Tape {
    file: &'static str,
    symbol: &'static str,
    decimals: (u8, u8),
    counts: (u64, u64, u64),
}

const TAPES: &[Tape] = &[
    Tape { file: "spot_btcusdt", symbol: "BTC/USDT", decimals: (2, 6), counts: (3_451, 28_040, 9_757) },
    Tape { file: "usdm_btcusdt", symbol: "BTC/USDT:USDT", decimals: (1, 3), counts: (6_551, 66_089, 21_313) },
    Tape { file: "cm_btcusd_perp", symbol: "BTC/USD:BTC", decimals: (1, 0), counts: (26_847, 19_136, 2_286) },
    Tape { file: "spot_ethusdt", symbol: "ETH/USDT", decimals: (2, 5), counts: (3_434, 24_077, 6_106) },
    Tape { file: "usdm_ethusdt", symbol: "ETH/USDT:USDT", decimals: (2, 3), counts: (6_586, 53_992, 14_076) },
    Tape { file: "cm_ethusd_perp", symbol: "ETH/USD:ETH", decimals: (2, 0), counts: (22_909, 15_812, 1_732) },
];

#[test]
fn six_streams_at_once_have_no_break_and_never_cross() {
    let mut lines: Vec<(u64, usize, String)> = Vec::new();
    for (index, tape) in TAPES.iter().enumerate() {
        let Some(path) = data(&format!("hftbacktest/{}_20240808.zst", tape.file)) else { return };
        for line in text(&path).lines() {
            let (at, frame) = line.split_once(' ').expect("time frame");
            lines.push((at.parse().expect("nanoseconds"), index, frame.to_string()));
        }
    }
    lines.sort_by_key(|(at, ..)| *at);
    let rules = TAPES.iter().map(|t| plain_rules(t.symbol, t.decimals.0, t.decimals.1)).collect();
    let mut replay = Replay::new(rules, MonoNanos(lines[0].0 - 1));
    let frames = lines.len() as u64 - TAPES.len() as u64;
    let mut counts = vec![(0, 0); TAPES.len()];
    for (at, index, frame) in &lines {
        let symbol = symbol(TAPES[*index].symbol);
        let before = (replay.tops, replay.trades);
        if frame.starts_with("{\"lastUpdateId\"") {
            replay.copy(&symbol, MonoNanos(*at), frame);
        } else {
            replay.frame(BinanceConnector.public_link(&symbol), MonoNanos(*at), frame);
        }
        counts[*index].0 += replay.tops - before.0;
        counts[*index].1 += replay.trades - before.1;
    }
    let stats = replay.session.stats();
    assert_eq!((stats.frames, stats.ignored, stats.rejected.iter().sum::<u64>()), (frames, 0, 0));
    assert_eq!(stats.resyncs.iter().sum::<u64>(), 0);
    let mut depth = 0;
    for (tape, (tops, trades)) in TAPES.iter().zip(counts) {
        let pair = replay.tables.pair_id(&symbol(tape.symbol)).expect("a pair");
        let stream = stats.streams.iter().find(|s| s.pair == pair).expect("a stream");
        assert_eq!((stream.frames, tops, trades), tape.counts, "{}", tape.file);
        assert_eq!((stream.gaps, stream.snapshots, stream.applied + stream.stale), (0, 1, stream.frames), "{}", tape.file);
        assert!(replay.books[&pair].is_live(), "{}", tape.file);
        depth += stream.frames;
    }
    assert_eq!(depth, 69_778);
}

#[test]
fn every_recorded_frame_tells_its_pair_and_its_decimals() {
    let all: Vec<Symbol> = TAPES.iter().map(|tape| symbol(tape.symbol)).collect();
    for tape in TAPES {
        let Some(path) = data(&format!("hftbacktest/{}_20240808.zst", tape.file)) else { return };
        let own = symbol(tape.symbol);
        let (mut decimals, mut books, mut tops, mut copies) = ((0, 0), 0, 0, 0);
        for line in text(&path).lines() {
            let (_, frame) = line.split_once(' ').expect("time frame");
            let found = BinanceConnector.recorded(std::slice::from_ref(&own), None, frame.as_bytes()).expect("its pair");
            let copy = frame.starts_with("{\"lastUpdateId\"");
            if !copy {
                // Also among all six, where spot and futures share names.
                let among = BinanceConnector.recorded(&all, None, frame.as_bytes()).expect("its pair");
                assert_eq!((&among.symbol, &found.symbol), (&own, &own), "{frame}");
            }
            decimals.0 = decimals.0.max(found.price_decimals);
            decimals.1 = decimals.1.max(found.qty_decimals);
            books += u64::from(found.book_channel == Some("depth"));
            tops += u64::from(found.book_ticker);
            copies += u64::from(copy);
        }
        assert_eq!((decimals, books, tops, copies), (tape.decimals, tape.counts.0, tape.counts.1, 1), "{}", tape.file);
    }
}

/// Nanoseconds of a recorded time (`1619093532.9598699`).
fn nanos(seconds: &str) -> u64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let fraction: String = format!("{fraction:0<9}").chars().take(9).collect();
    whole.parse::<u64>().expect("seconds") * 1_000_000_000 + fraction.parse::<u64>().expect("fraction")
}

/// Runs one cryptofeed session through the production session; returns the frames by kind of stream.
fn cryptofeed(name: &str, symbols: &[&str]) -> Option<()> {
    let frames = text(&data(&format!("cryptofeed/{name}.ws.1.0.zst"))?);
    let copies = text(&data(&format!("cryptofeed/{name}.http.0.0.zst"))?);
    let listing = text(&data(&format!("cryptofeed/{name}.0.zst"))?);
    let symbols: Vec<Symbol> = symbols.iter().map(|s| symbol(s)).collect();
    let (_, body) = listing.lines().find_map(|l| l.split_once("exchangeInfo -> ")).expect("the listing");
    let (_, body) = body.split_once(": ").expect("a body");
    let rules = BinanceConnector.decode_rules(200, &mut body.as_bytes().to_vec(), &symbols, None).expect("rules");

    let mut events: Vec<(u64, Option<Symbol>, String)> = Vec::new();
    for line in frames.lines().filter(|l| !l.is_empty() && !l.starts_with("wss://") && !l.starts_with("configuration")) {
        let (at, frame) = line.split_once(": ").expect("time: frame");
        events.push((nanos(at), None, frame.to_string()));
    }
    let received = events.len() as u64;
    for line in copies.lines() {
        let Some((url, rest)) = line.split_once(" -> ") else { continue };
        let (at, body) = rest.split_once(": ").expect("time: body");
        let path = &url[url.find(".com").expect("a host") + 4..];
        let symbol = BinanceConnector.book_request_symbol(&symbols, path).expect("a pair");
        events.push((nanos(at), Some(symbol), body.to_string()));
    }
    events.sort_by_key(|(at, ..)| *at);
    let link = BinanceConnector.public_link(&symbols[0]);
    let mut replay = Replay::new(rules, MonoNanos(events[0].0 - 1));
    for (at, copied, bytes) in &events {
        match copied {
            Some(symbol) => replay.copy(symbol, MonoNanos(*at), bytes),
            None => replay.frame(link, MonoNanos(*at), bytes),
        }
    }
    let stats = replay.session.stats();
    assert_eq!((stats.frames, stats.rejected.iter().sum::<u64>()), (received, 0), "{name}");
    let depth: u64 = stats.streams.iter().map(|s| s.frames).sum();
    let settled: u64 = stats.streams.iter().map(|s| s.applied + s.stale).sum();
    assert_eq!((settled, stats.streams.iter().map(|s| s.gaps).sum::<u64>()), (depth, 0), "{name}");
    assert_eq!(depth + replay.tops + replay.trades + stats.ignored, received, "{name}");
    for symbol in &symbols {
        let pair = replay.tables.pair_id(symbol).expect("a pair");
        assert!(replay.books[&pair].is_live(), "{symbol} went live and stayed so");
    }
    println!("{name}: {received} frames, {depth} changes, {} tops, {} trades", replay.tops, replay.trades);
    Some(())
}

#[test]
fn the_spot_session_of_2021_has_no_gap_and_never_crosses() {
    cryptofeed("BINANCE", &["NKN/USDT", "BLZ/ETH", "LRC/BTC", "RUNE/EUR"]);
}

#[test]
fn the_usd_m_session_of_2021_has_no_gap_and_never_crosses() {
    cryptofeed("BINANCE_FUTURES", &["SUSHI/USDT:USDT", "AKRO/USDT:USDT", "KEEP/USDT:USDT", "CTK/USDT:USDT"]);
}

/// What became of a frame: refused why, or ignored, or read as what.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(FrameReject),
    Ignored,
    Book,
    Top,
    News,
}

fn outcome(symbol_of_link: &str, frame: &str) -> Outcome {
    let symbols = [
        "BTC/USDT",
        "ETH/USDT",
        "BTC/USDT:USDT",
        "ETH/USDT:USDT",
        "BAL/USDT:USDT",
        "BTC/USDT:USDT-210625",
        "ETH/USDT:USDT-220624",
        "BTC/USDT:USDT-220624",
        "BTC/USD:BTC",
        "ETH/USD:ETH",
        "XMR/USD:XMR",
        "BTC/USD:BTC-210625",
        "BTC/USD:BTC-220624",
        "BNB/USD:BNB-220624",
        "RUNE/USD:RUNE",
    ];
    let options = SessionOptions { book_ticker: true, trades: true, tickers: true, ..SessionOptions::default() };
    let rules: Vec<RawRules> = symbols.iter().map(|s| plain_rules(s, 8, 8)).collect();
    let names: Vec<Symbol> = rules.iter().map(|r| r.symbol.clone()).collect();
    let tables = Arc::new(build_tables(&names, &[("binance".into(), rules)], &[]).expect("scales").0);
    let mut session = BinanceConnector
        .session(SessionConfig {
            venue: VenueId(0),
            pairs: tables.pair_ids().collect(),
            tables,
            key: None,
            secret: None,
            book_channel: "depth".into(),
            options,
            seed: 1,
        })
        .expect("known pairs");
    let link = BinanceConnector.public_link(&symbol(symbol_of_link));
    let mut updates = Vec::new();
    session.start(MonoNanos(0));
    session.handle_connected(link, MonoNanos(0), &mut updates);
    session.handle_frame(link, MonoNanos(1), &mut frame.as_bytes().to_vec(), &mut updates);
    let stats = session.stats();
    if let Some(reason) = FrameReject::ALL.iter().copied().find(|r| stats.rejected[*r as usize] > 0) {
        return Outcome::Refused(reason);
    }
    if stats.ignored > 0 {
        return Outcome::Ignored;
    }
    match updates.as_slice() {
        [] => Outcome::Book,
        [Input::Book(update)] if matches!(update.body, BookBody::Top { .. }) => Outcome::Top,
        [Input::Market(_)] => Outcome::News,
        other => panic!("{other:?}"),
    }
}

#[test]
fn single_frames_of_2021_and_2022_are_read_ignored_or_refused_for_the_right_reason() {
    let Some(path) = data("crypto-msg-parser/binance.jsonl") else { return };
    let mut seen = BTreeMap::new();
    for line in text(&path).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let (case, raw) = (line["case"].as_str().expect("a case"), line["raw"].as_str().expect("a frame"));
        let (what, market) = case.split_once('/').expect("kind/market");
        let frame: serde_json::Value = serde_json::from_str(raw).expect("JSON");
        let link = match market {
            _ if market.starts_with("spot") => "BTC/USDT",
            _ if market.starts_with("inverse") => "BTC/USD:BTC",
            _ => "BTC/USDT:USDT",
        };
        let expected = match (what, frame["stream"].as_str()) {
            // REST bodies are no frames.
            (_, None) => Outcome::Refused(FrameReject::UnknownShape),
            // Options have streams of their own names.
            (_, Some(_)) if market == "option" => Outcome::Refused(FrameReject::UnknownShape),
            (_, Some(stream)) if stream.starts_with('!') && stream != "!bookTicker" => Outcome::Ignored,
            ("trade" | "ticker", _) => Outcome::News,
            ("l2_event", _) => Outcome::Book,
            ("bbo", _) => Outcome::Top,
            ("l2_topk" | "funding_rate" | "candlestick", _) => Outcome::Ignored,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(outcome(link, raw), expected, "{case}: {raw}");
        *seen.entry(format!("{expected:?}")).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}
