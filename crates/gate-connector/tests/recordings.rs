//! Real Gate traffic recorded by others, read from the folder that `CROSSGATE_DATA` names and only from there.
//!
//! Left out, in one line, where the variable is not set. The 2021 spot session must run through the production session without a
//! gap and without a crossed book; every other frame ([`frames`]) and REST body ([`rest`]) must be read, ignored, or refused for the
//! right reason, row by row.

use domain::{
    Amount, AssetId, BookBody, FrameReject, Input, InstrumentKind, LinkRole, MonoNanos, OrderSource, PairId, PairInfo, Symbol,
    Tables, UnixNanos, VenueId,
};
use gate_connector::GateConnector;
use gate_connector::wire::rows::Stamp;
use gate_connector::wire::{Decoder, PairNames};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use venue::{Connector, LinkId, RawRules, Response, SessionConfig, Ticket, Transmit, VenueSession, build_tables};

#[path = "recordings/frames.rs"]
mod frames;
#[path = "recordings/rest.rs"]
mod rest;

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

/// Tables with the venue's own scales.
fn tables(rules: Vec<RawRules>) -> Arc<Tables> {
    let symbols: Vec<Symbol> = rules.iter().map(|r| r.symbol.clone()).collect();
    Arc::new(build_tables(&symbols, &[("gate".into(), rules)], GateConnector.fee_assets()).expect("scales").0)
}

fn session(tables: &Arc<Tables>, channel: &str) -> Box<dyn VenueSession> {
    let pairs = tables.pair_ids().collect();
    let config = SessionConfig {
        venue: VenueId(0),
        tables: Arc::clone(tables),
        pairs,
        key: None,
        secret: None,
        book_channel: channel.into(),
        options: venue::SessionOptions::default(),
        seed: 1,
    };
    GateConnector.session(config).expect("a known channel")
}

/// Nanoseconds of a recorded time (`1619093532.9598699`) as monotonic and wall time.
fn nanos(seconds: &str) -> u64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let fraction: String = format!("{fraction:0<9}").chars().take(9).collect();
    whole.parse::<u64>().expect("seconds") * 1_000_000_000 + fraction.parse::<u64>().expect("fraction")
}

/// A book rebuilt naively from what the session passes on.
#[derive(Default)]
struct Naive {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    id: Option<u64>,
    changes: u64,
}

impl Naive {
    fn apply(&mut self, body: &BookBody) {
        let put = |side: &mut BTreeMap<i64, i64>, levels: &[domain::Level]| {
            for level in levels {
                if level.qty.is_zero() {
                    side.remove(&level.price.units());
                } else {
                    side.insert(level.price.units(), level.qty.units());
                }
            }
        };
        match body {
            BookBody::Snapshot { id, bids, asks } => {
                self.bids.clear();
                self.asks.clear();
                put(&mut self.bids, bids);
                put(&mut self.asks, asks);
                self.id = Some(*id);
            }
            BookBody::Delta { first, last, bids, asks } => {
                assert_eq!(Some(*first), self.id.map(|id| id + 1), "a delta continues its book");
                put(&mut self.bids, bids);
                put(&mut self.asks, asks);
                self.id = Some(*last);
            }
            BookBody::Evidence { .. } | BookBody::Top { .. } | BookBody::Untrusted { .. } => return,
        }
        self.changes += 1;
        if let (Some((bid, _)), Some((ask, _))) = (self.bids.last_key_value(), self.asks.first_key_value()) {
            assert!(bid < ask, "crossed: {bid} {ask}");
        }
    }
}

#[test]
fn the_spot_session_of_2021_has_no_gap_and_never_crosses() {
    let (Some(frames), Some(copies), Some(listing)) =
        (data("cryptofeed/GATEIO.ws.1.0.zst"), data("cryptofeed/GATEIO.http.0.0.zst"), data("cryptofeed/GATEIO.0.zst"))
    else {
        return;
    };
    let names = ["HAI_ETH", "QTUM3S_USDT", "OMG_USDT", "INK_USDT", "DIS_USDT", "BTC_USDC", "NANO_USDT"];
    let symbols: Vec<Symbol> = names.iter().map(|n| Symbol::parse(n).expect("a symbol")).collect();
    let listing = text(&listing);
    let (_, body) = listing.lines().find_map(|l| l.split_once("currency_pairs -> ")).expect("the listing");
    let (_, body) = body.split_once(": ").expect("a body");
    let rules = GateConnector.decode_rules(200, &mut body.as_bytes().to_vec(), &symbols, None).expect("rules");
    let tables = tables(rules);

    enum Event {
        Frame(String),
        Copy { pair: String, body: String },
    }
    let mut events: Vec<(u64, Event)> = Vec::new();
    for line in text(&frames).lines().filter(|l| !l.is_empty() && !l.starts_with("wss://") && !l.starts_with("configuration")) {
        let (at, frame) = line.split_once(": ").expect("time: frame");
        events.push((nanos(at), Event::Frame(frame.to_string())));
    }
    let received = events.len() as u64;
    for line in text(&copies).lines() {
        let Some((url, rest)) = line.split_once(" -> ") else { continue };
        let (at, body) = rest.split_once(": ").expect("time: body");
        let pair = url.split_once("currency_pair=").expect("a pair").1.split('&').next().expect("a name");
        events.push((nanos(at), Event::Copy { pair: pair.to_string(), body: body.to_string() }));
    }
    events.sort_by_key(|(at, _)| *at);

    let mut session = session(&tables, "order_book_update");
    let link = LinkId { role: LinkRole::Public, shard: 0 };
    let start = MonoNanos(events[0].0 - 1_000_000);
    let mut updates = Vec::new();
    let mut asked: BTreeMap<String, Ticket> = BTreeMap::new();
    let mut early: BTreeMap<String, String> = BTreeMap::new();
    session.start(start);
    session.handle_connected(link, start, &mut updates);
    for (at, event) in events {
        let now = MonoNanos(at);
        while let Some(due) = session.poll_timeout().filter(|due| *due <= now) {
            session.handle_timeout(due, &mut updates);
            while session.poll_transmit(due, UnixNanos(due.0 as i64), &mut updates).is_some() {}
        }
        match event {
            Event::Frame(frame) => session.handle_frame(link, now, &mut frame.into_bytes(), &mut updates),
            Event::Copy { pair, body } => drop(early.insert(pair, body)),
        }
        while let Some(out) = session.poll_transmit(now, UnixNanos(at as i64), &mut updates) {
            match out {
                Transmit::Request { ticket, request, .. } if request.path.ends_with("/spot/order_book") => {
                    let pair = request.query.split('&').next().and_then(|q| q.strip_prefix("currency_pair=")).expect("a pair");
                    asked.insert(pair.to_string(), ticket);
                }
                Transmit::Close(link) => panic!("closed {link:?} at {at}"),
                _ => {}
            }
        }
        let ready: Vec<String> = asked.keys().filter(|pair| early.contains_key(*pair)).cloned().collect();
        for pair in ready {
            let (Some(ticket), Some(body)) = (asked.remove(&pair), early.remove(&pair)) else { continue };
            let response = Response::Http { status: 200, headers: &[], body: &mut body.into_bytes() };
            session.handle_response(ticket, now, response, &mut updates);
        }
    }

    let mut books: BTreeMap<PairId, Naive> = BTreeMap::new();
    for update in &updates {
        if let Input::Book(update) = update {
            if let BookBody::Untrusted { reason } = update.body {
                assert_eq!(reason.as_str(), "unserved", "only quiet pairs may be unserved before their first frame");
                assert!(!books.contains_key(&update.pair));
                continue;
            }
            books.entry(update.pair).or_default().apply(&update.body);
        }
    }
    let stats = session.stats();
    assert_eq!(books.len(), names.len(), "every book went live");
    assert_eq!(stats.frames, received);
    assert_eq!(stats.rejected.iter().sum::<u64>(), 0);
    let deltas: u64 = stats.streams.iter().map(|s| s.frames).sum();
    let settled: u64 = stats.streams.iter().map(|s| s.applied + s.stale).sum();
    assert_eq!((deltas, stats.streams.iter().map(|s| s.gaps).sum::<u64>()), (settled, 0));
    assert_eq!(deltas + stats.ignored, received);
    println!("{received} frames, {deltas} deltas, {} applied", stats.streams.iter().map(|s| s.applied).sum::<u64>());
}

/// BTC, ETH, SAND and SOL against two quotes, with wide scales: what single frames need.
fn broad_tables() -> Arc<Tables> {
    let symbols = ["BTC/USDT", "ETH/USDT", "SAND/USD", "SOL/USD", "VAI/USDT"];
    let assets = ["BTC", "ETH", "GT", "POINT", "SAND", "SOL", "USD", "USDT", "VAI"];
    let asset = |name: &str| AssetId(assets.iter().position(|a| *a == name).expect("an asset") as u16);
    let pair = |symbol: &&str| {
        let symbol = Symbol::parse(symbol).expect("a symbol");
        let (base, quote) = (asset(&symbol.base), asset(&symbol.quote));
        PairInfo { symbol, kind: InstrumentKind::Spot, base, quote, scale: domain::PairScale::new(8, 8).expect("a scale") }
    };
    Arc::new(Tables {
        venues: vec!["gate".into()],
        pairs: symbols.iter().map(pair).collect(),
        assets: assets.map(String::from).to_vec(),
    })
}

#[test]
fn the_session_reads_the_rest_bodies_it_needs() {
    let Some(folder) = data("xchange/gateio-v4-rest") else { return };
    let tables = broad_tables();
    let pairs: Vec<PairId> = tables.pair_ids().collect();
    let mut decoder = Decoder::new(PairNames::new(VenueId(0), Arc::clone(&tables), &pairs));
    let body = |name: &str| text(&folder.join(name)).into_bytes();
    let stamp = Stamp { source: OrderSource::Query, received: MonoNanos(1), requested: MonoNanos(0) };

    let balances = decoder.accounts(&mut body("api_v4_spot_accounts.json")).expect("accounts");
    let usdt = balances.iter().find(|b| tables.asset(b.asset) == "USDT").expect("USDT");
    assert_eq!((usdt.available.to_text(), usdt.locked.to_text()), ("4.1".into(), "1.1".into()));
    assert!(balances.iter().filter(|b| tables.asset(b.asset) != "USDT").all(|b| b.available == Amount::ZERO));

    for (name, filled) in [
        ("open-limit-order", "0"),
        ("valid-cancel-order", "0"),
        ("valid-limit-buy-order", "0"),
        ("valid-limit-sell-order", "0"),
        ("valid-market-buy-order", "0.0007"),
        ("valid-market-sell-order", "0.0007"),
    ] {
        let row = decoder.order(&mut body(&format!("api_v4_spot_orders-{name}.json")), stamp).expect(name).expect("our pair");
        let (domain::OrderReport::Open { filled: got } | domain::OrderReport::Finished { filled: got, .. }) = row.update.report
        else {
            panic!("{name}")
        };
        assert_eq!(tables.pairs[0].scale.qty_text(got), filled, "{name}");
    }
    for name in ["buy", "sell"] {
        assert!(decoder.order(&mut body(&format!("api_v4_spot_orders_{name}-order-details.json")), stamp).expect(name).is_some());
    }
    let (fills, rows) = decoder.my_trades(&mut body("api_v4_spot_my_trades.json"), stamp).expect("trades");
    assert_eq!((fills.len(), rows), (2, 2));
    assert_eq!((fills[0].fees[0].1.to_text(), tables.asset(fills[0].fees[0].0)), ("0.00000006".into(), "BTC"));
    let book = decoder.base_book(&mut body("api_v4_spot_order_book.json"), PairId(0)).unwrap_err();
    assert_eq!(book.reason, FrameReject::MissingField, "a book asked for without an id can't be a base");
    let symbols = [Symbol::parse("CHZ/USDT").expect("a symbol"), Symbol::parse("BTC/USDT").expect("a symbol")];
    let rules = GateConnector.decode_rules(200, &mut body("api_v4_spot_currency_pairs.json"), &symbols, None).expect("rules");
    assert_eq!((rules[0].price_decimals, rules[0].qty_min, rules[1].qty_decimals), (5, None, 4));

    for (name, label) in [
        ("spot_orders-balance-not-enough", "BALANCE_NOT_ENOUGH"),
        ("wallet_withdraw_status-forbidden", "FORBIDDEN"),
        ("wallet_withdraw_status-invalid_currency", "INVALID_CURRENCY"),
        ("wallet_withdraw_status-invalid_key", "INVALID_KEY"),
        ("wallet_withdraw_status-invalid_signature", "INVALID_SIGNATURE"),
        ("wallet_withdraw_status_internal-server-error", "SERVER_ERROR"),
        ("withdrawals_invalid-address", "INVALID_PARAM_VALUE"),
        ("withdrawals_rate-limit", "TOO_FAST"),
    ] {
        let found = decoder.error_label(&mut body(&format!("exceptions/api_v4_{name}.json")));
        assert_eq!(found.map(|l| l.0).as_deref(), Some(label), "{name}");
    }
}
