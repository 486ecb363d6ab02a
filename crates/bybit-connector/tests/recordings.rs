//! Real Bybit traffic recorded by others, read from the folder that `CROSSGATE_DATA` names and only from there.
//!
//! Left out, in one line, where the variable is not set. The v5 session goes through the production session and, what it passes
//! on, through the engine's own book. Single frames must be read, ignored, or refused for the right reason: those of the
//! protocols before v5 are refused, kind by kind.

use bybit_connector::BybitConnector;
use domain::{
    Amount, BookBody, FrameReject, Input, InstrumentKind, MarketNews, MonoNanos, PairId, Symbol, Tables, UnixNanos, VenueId,
};
use order_book::{TrackedBook, VenueLag};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use venue::{Connector, LinkId, RawRules, SessionConfig, SessionOptions, Transmit, VenueSession, build_tables};

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

/// Rules of nothing but decimals, for tapes without a listing.
fn plain_rules(text: &str, price_decimals: u8, qty_decimals: u8) -> RawRules {
    let symbol = symbol(text);
    let multiplier = Amount::from_units(domain::number::AMOUNT_ONE);
    let kind = match &symbol.settle {
        None => InstrumentKind::Spot,
        Some(settle) if *settle == symbol.quote => InstrumentKind::LinearPerpetual { multiplier, settle: settle.clone() },
        Some(settle) => InstrumentKind::InversePerpetual { multiplier, settle: settle.clone() },
    };
    RawRules {
        symbol,
        price_decimals,
        qty_decimals,
        execution_decimals: qty_decimals,
        execution_price_decimals: price_decimals,
        kind,
        qty_min: None,
        qty_max: None,
        value_min: None,
        can_buy: true,
        can_sell: true,
    }
}

fn session(rules: Vec<RawRules>, channel: &str, options: SessionOptions) -> (Box<dyn VenueSession>, Arc<Tables>) {
    let symbols: Vec<Symbol> = rules.iter().map(|r| r.symbol.clone()).collect();
    let tables = Arc::new(build_tables(&symbols, &[("bybit".into(), rules)], &[]).expect("scales").0);
    let config = SessionConfig {
        venue: VenueId(0),
        tables: Arc::clone(&tables),
        pairs: tables.pair_ids().collect(),
        key: None,
        secret: None,
        book_channel: channel.into(),
        options,
        seed: 1,
    };
    (BybitConnector.session(config).expect("known pairs"), tables)
}

/// Nanoseconds of a recorded time (`1749833471.8455276`).
fn nanos(seconds: &str) -> u64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let fraction: String = format!("{fraction:0<9}").chars().take(9).collect();
    whole.parse::<u64>().expect("seconds") * 1_000_000_000 + fraction.parse::<u64>().expect("fraction")
}

/// Symbol, decimals as recorded, and book messages counted by others.
const RECORDED: [(&str, u8, u8, u64); 4] =
    [("AIOZ/USDT:USDT", 4, 0, 28), ("BAND/USDT:USDT", 4, 1, 45), ("RAD/USDT:USDT", 4, 1, 18), ("SNT/USDT:USDT", 5, 0, 107)];

#[test]
fn the_v5_session_of_2025_has_no_break_and_never_crosses() {
    let Some(path) = data("cryptofeed/BYBIT_V5_LINEAR.2025-06-13.ws.zst") else { return };
    let tape = text(&path);
    let frames: Vec<(u64, &str)> = tape
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("wss://"))
        .map(|line| line.split_once(": ").map(|(at, frame)| (nanos(at), frame)).expect("time: frame"))
        .collect();
    let rules = RECORDED.map(|(name, price, qty, _)| plain_rules(name, price, qty)).to_vec();
    let symbols: Vec<Symbol> = rules.iter().map(|r| r.symbol.clone()).collect();
    let (mut session, tables) = session(rules, "orderbook.1", SessionOptions::default());
    let start = MonoNanos(frames[0].0 - 1);
    let (mut updates, mut links) = (Vec::new(), BTreeSet::new());
    let (mut books, mut lag): (BTreeMap<PairId, TrackedBook>, _) = (BTreeMap::new(), VenueLag::default());
    let mut lags = Vec::new();
    session.start(start);
    let link = BybitConnector.public_link(&symbols[0]);
    let mut turn = |session: &mut Box<dyn VenueSession>, now: MonoNanos, updates: &mut Vec<Input>| {
        while let Some(out) = session.poll_transmit(now, UnixNanos(now.0 as i64), updates) {
            match out {
                Transmit::Open(link) => {
                    assert!(links.insert(link), "{link:?} is open");
                    session.handle_connected(link, now, updates);
                }
                Transmit::Close(link) => panic!("closed {link:?}"),
                Transmit::Frame { .. } | Transmit::Request { .. } => {}
            }
        }
        for update in std::mem::take(updates) {
            let Input::Book(update) = &update else {
                assert!(matches!(update, Input::Link(_)), "{update:?}");
                continue;
            };
            assert!(matches!(update.body, BookBody::Snapshot { .. }), "{update:?}");
            let book = books.entry(update.pair).or_default();
            book.handle(update, &mut lag).unwrap_or_else(|fault| panic!("{fault} at {update:?}"));
            book.book().check().expect("a sound book");
            assert!(book.is_live() && update.changed_at.is_some());
            lags.extend(update.sent_at.map(|sent| sent.at.0 - update.received.0 as i64));
        }
    };
    turn(&mut session, start, &mut updates);
    for (at, frame) in &frames {
        let now = MonoNanos(*at);
        while let Some(due) = session.poll_timeout().filter(|due| *due <= now) {
            session.handle_timeout(due, &mut updates);
            turn(&mut session, due, &mut updates);
        }
        session.handle_frame(link, now, &mut frame.as_bytes().to_vec(), &mut updates);
        turn(&mut session, now, &mut updates);
    }
    let stats = session.stats();
    // Four of them acknowledge subscriptions.
    assert_eq!((stats.frames, stats.ignored, stats.rejected.iter().sum::<u64>()), (202, 4, 0));
    assert_eq!((stats.resyncs.iter().sum::<u64>(), stats.reconnects.len()), (0, 0));
    for (name, .., count) in RECORDED {
        let pair = tables.pair_id(&symbol(name)).expect("a pair");
        let stream = stats.streams.iter().find(|s| s.pair == pair).expect("a stream");
        assert_eq!((stream.frames, stream.snapshots, stream.gaps, stream.applied), (count, count, 0, 0), "{name}");
        assert!(books[&pair].is_live(), "{name}");
    }
    // What answers a subscription is stamped up to half a second before it comes; what follows is not, but for a spike of this
    // host's.
    let (least, most) = (lags.iter().min().expect("stamps"), lags.iter().max().expect("stamps"));
    assert_eq!(lags.len(), 194, "all but the first of each book");
    assert!(most - least < 200_000_000, "{} ms", (most - least) / 1_000_000);
    // Every frame tells its pair and how fine it is.
    let mut seen: BTreeMap<Symbol, (u8, u8, u64)> = BTreeMap::new();
    for (_, frame) in &frames {
        let Some(found) = BybitConnector.recorded(&symbols, None, frame.as_bytes()) else { continue };
        assert_eq!((found.book_channel, found.book_ticker), (Some("orderbook.1"), true));
        let (price, qty, count) = seen.entry(found.symbol).or_default();
        (*price, *qty, *count) = ((*price).max(found.price_decimals), (*qty).max(found.qty_decimals), *count + 1);
    }
    let expected = RECORDED.map(|(name, price, qty, count)| (symbol(name), (price, qty, count)));
    assert!(seen.into_iter().eq(expected));
}

/// What became of a frame: refused why, or ignored, or read as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused(FrameReject),
    Ignored,
    Trade,
    Ticker,
}

/// Hands frames to one session, on the link of a symbol, and says what became of each.
fn outcomes<'a>(frames: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Outcome> {
    let symbols = ["BTC/USDT", "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC"].map(|s| plain_rules(s, 8, 8)).to_vec();
    let options = SessionOptions { book_ticker: true, trades: true, tickers: true, ..SessionOptions::default() };
    let (mut session, _) = session(symbols, "orderbook.50", options);
    let mut updates = Vec::new();
    session.start(MonoNanos(0));
    for name in ["BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"] {
        let link: LinkId = BybitConnector.public_link(&symbol(name));
        session.handle_connected(link, MonoNanos(0), &mut updates);
    }
    let mut outcome = |(of, frame): (&str, &str)| {
        let before = session.stats().clone();
        updates.clear();
        let link = BybitConnector.public_link(&symbol(of));
        session.handle_frame(link, MonoNanos(1), &mut frame.as_bytes().to_vec(), &mut updates);
        let after = session.stats();
        let refused = |reason: &FrameReject| after.rejected[*reason as usize] > before.rejected[*reason as usize];
        if let Some(reason) = FrameReject::ALL.iter().copied().find(refused) {
            return Outcome::Refused(reason);
        }
        if after.ignored > before.ignored {
            return Outcome::Ignored;
        }
        match updates.first() {
            Some(Input::Market(MarketNews::Trade(_))) => Outcome::Trade,
            Some(Input::Market(MarketNews::Ticker(_))) => Outcome::Ticker,
            other => panic!("{other:?}"),
        }
    };
    frames.into_iter().map(&mut outcome).collect()
}

#[test]
fn frames_of_the_protocols_before_v5_are_refused_kind_by_kind() {
    let Some(path) = data("crypto-msg-parser/bybit.jsonl") else { return };
    let unknown = Outcome::Refused(FrameReject::UnknownShape);
    // Kind, what became of it, why that is right, how many there are.
    let expected = [
        ("trade", unknown, "topic `trade.…`: v5 says `publicTrade.…`", 2),
        ("l2_orderbook", unknown, "topic `orderBookL2_25.…`: v5 says `orderbook.…`", 2),
        ("ticker", unknown, "topic `instrument_info.100ms.…`: v5 says `tickers.…`", 5),
        ("l2_snapshot", Outcome::Refused(FrameReject::MissingField), "a REST body, no frame", 1),
        ("open_interest", Outcome::Refused(FrameReject::MissingField), "a REST body, no frame", 1),
    ];
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for line in text(&path).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let (case, raw) = (line["case"].as_str().expect("a case"), line["raw"].as_str().expect("a frame"));
        let (kind, market) = case.split_once('/').expect("kind/market");
        let (_, right, why, _) = expected.iter().find(|row| row.0 == kind).unwrap_or_else(|| panic!("no row of {kind}"));
        let of = if market.starts_with("inverse") { "BTC/USD:BTC" } else { "BTC/USDT:USDT" };
        assert_eq!(outcomes([(of, raw)]), [*right], "{case}: {why}");
        *seen.entry(kind.to_string()).or_default() += 1;
    }
    for (kind, outcome, why, count) in expected {
        println!("{kind:<14} {count} {outcome:?}: {why}");
        assert_eq!(seen.remove(kind), Some(count), "{kind}");
    }
    assert!(seen.is_empty());
}

#[test]
fn v5_tickers_are_read_and_names_of_nobody_are_refused() {
    let Some(path) = data("gocryptotrader/bybit_wsTicker.json") else { return };
    let unknown = Outcome::Refused(FrameReject::UnknownPair);
    let expected = [
        // Upstream edited the name in this topic: Bybit's has no hyphen.
        ("BTC/USDT", unknown),
        // An option.
        ("BTC/USDT:USDT", unknown),
        ("BTC/USDT:USDT", Outcome::Ticker),
        ("BTC/USDT:USDT", Outcome::Ticker),
        ("BTC/USDC:USDC", Outcome::Ticker),
        ("BTC/USDC:USDC", Outcome::Ticker),
        ("BTC/USD:BTC", Outcome::Ticker),
        ("BTC/USD:BTC", Outcome::Ticker),
    ];
    let text = text(&path);
    let frames: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(frames.len(), expected.len());
    let found = outcomes(expected.iter().zip(&frames).map(|((of, _), frame)| (*of, *frame)));
    assert_eq!(found, expected.map(|(_, outcome)| outcome));
}
