//! Frame tapes through production sessions and engine: what a venue sent is decoded, sequenced and booked as it would be live.
//!
//! The session's REST requests for book snapshots are answered by the REST lines of the tape; nothing else is answered, and no
//! timer fires, since a recording can't react.

use crate::config::{Config, effective, load};
use crate::exit::Failure;
use crate::registry;
use crate::replay::ReplayResult;
use domain::{
    FeeRates, FrameReject, Input, InstrumentRules, LinkRole, MonoNanos, Price, Rate, Symbol, Tables, UnixNanos, VenueId,
};
use engine_core::Engine;
use executor::IdSource;
use journal::tape::{TapeEntry, TapeFormat, TapeKind, merge, read_tape};
use journal::{LogError, LogSink, RecordView};
use node::{Node, NodeLogs};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use venue::{LinkId, RawRules, Response, SessionConfig, Ticket, Transmit, build_tables};

/// One `--tape`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeArg {
    /// Connector kind.
    pub kind: String,
    /// Venue id; default: the kind.
    pub id: String,
    /// Which pair; optional for our own recordings.
    pub pair: Option<Symbol>,
    /// Format.
    pub format: TapeFormat,
    /// Taker fee; default: the venue's base tier, 10 bps.
    pub fee: Rate,
    /// File or directory.
    pub file: PathBuf,
}

impl TapeArg {
    /// Parses `venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE`.
    ///
    /// # Errors
    /// One sentence that says what is missing or wrong.
    pub fn parse(text: &str) -> Result<TapeArg, String> {
        let wrong =
            |what: &str| format!("--tape {text}: {what}; write venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE");
        let (mut venue, mut pair, mut format, mut fee) = (None, None, None, Rate::from_bps(10).unwrap_or_default());
        let mut rest = text;
        loop {
            let (key, after) = rest.split_once('=').ok_or_else(|| wrong("a key without a value"))?;
            // Values of `format` and `fee_bps` hold no colon, so a colon there begins the file; the others end at their comma.
            let last = matches!(key, "format" | "fee_bps");
            let end = after
                .find(|c| c == ',' || (last && c == ':'))
                .ok_or_else(|| wrong("no file: end with format=… or fee_bps=…, a colon and the file"))?;
            let (value, tail) = after.split_at(end);
            match key {
                "venue" => venue = Some(value),
                "pair" => pair = Some(Symbol::parse(value).map_err(|e| wrong(&e.to_string()))?),
                "format" => {
                    format =
                        Some(TapeFormat::parse(value).ok_or_else(|| wrong("format is crossgate, cryptofeed or hftbacktest"))?)
                }
                "fee_bps" => {
                    let bps = value.parse::<rust_decimal::Decimal>().ok().and_then(|d| d.checked_div(10_000.into()));
                    fee = bps.and_then(Rate::from_decimal).ok_or_else(|| wrong("fee_bps is no number of basis points"))?;
                }
                _ => return Err(wrong(&format!("no key `{key}`"))),
            }
            rest = &tail[1..];
            if tail.starts_with(':') {
                break;
            }
        }
        let venue = venue.ok_or_else(|| wrong("venue is missing"))?;
        let format = format.ok_or_else(|| wrong("format is missing"))?;
        if pair.is_none() && format != TapeFormat::Crossgate {
            return Err(wrong("pair is missing"));
        }
        if rest.is_empty() {
            return Err(wrong("the file is missing"));
        }
        let (kind, id) = venue.split_once(':').unwrap_or((venue, venue));
        Ok(TapeArg { kind: kind.into(), id: id.into(), pair, format, fee, file: rest.into() })
    }
}

/// A log that keeps nothing: tapes are their own record.
struct NoLog;

impl LogSink for NoLog {
    fn append_view(&mut self, _: RecordView<'_>) -> Result<(), LogError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}

struct TapeVenue {
    id: String,
    kind: String,
    files: Vec<(TapeFormat, PathBuf)>,
    pairs: Vec<(Symbol, Rate)>,
    default_fee: Rate,
}

fn group(args: &[TapeArg]) -> Result<Vec<TapeVenue>, Failure> {
    let mut venues: Vec<TapeVenue> = Vec::new();
    for arg in args {
        if registry::connector(&arg.kind).is_none() {
            return Err(Failure::usage(format!("--tape: no exchange `{}`; known: {}", arg.kind, registry::kinds().join(", "))));
        }
        let index = match venues.iter().position(|v| v.id == arg.id) {
            Some(index) => index,
            None => {
                venues.push(TapeVenue {
                    id: arg.id.clone(),
                    kind: arg.kind.clone(),
                    files: Vec::new(),
                    pairs: Vec::new(),
                    default_fee: arg.fee,
                });
                venues.len() - 1
            }
        };
        let venue = &mut venues[index];
        let file = (arg.format, arg.file.clone());
        if !venue.files.contains(&file) {
            venue.files.push(file);
        }
        if let Some(pair) = &arg.pair
            && !venue.pairs.iter().any(|(p, _)| p == pair)
        {
            venue.pairs.push((pair.clone(), arg.fee));
        }
    }
    Ok(venues)
}

/// Replays tapes.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a configuration, 1 for unreadable files.
pub fn replay_tapes(texts: &[String], config: Option<&str>) -> Result<ReplayResult, Failure> {
    let args: Vec<TapeArg> = texts.iter().map(|t| TapeArg::parse(t)).collect::<Result<_, _>>().map_err(Failure::usage)?;
    let mut venues = group(&args)?;
    let mut lists = Vec::new();
    for (index, venue) in venues.iter_mut().enumerate() {
        let mut entries = Vec::new();
        for (format, file) in &venue.files {
            entries.extend(read_tape(*format, file).map_err(|e| Failure::failed(chain(&e)))?);
        }
        if venue.pairs.is_empty() {
            venue.pairs = pairs_of(&entries).into_iter().map(|p| (p, venue.default_fee)).collect();
        }
        if venue.pairs.is_empty() {
            return Err(Failure::failed(format!("the tape of `{}` holds no book of any pair", venue.id)));
        }
        entries.sort_by_key(|e| e.received_unix_ns);
        lists.push((index, entries));
    }
    let (tables, rules) = tables_of(&venues, &lists)?;
    let channels: Vec<String> = lists.iter().map(|(_, entries)| channel_of(entries)).collect();
    let config: Config = match config {
        Some(path) => load(path)?.config,
        None => crate::config::load::load_text("demo.toml (built in)", crate::run::DEMO, &Default::default())?.config,
    };
    let tables = Arc::new(tables);
    let ids = IdSource::new(0, 1, 0).ok_or_else(|| Failure::failed("no id source"))?;
    let engine = Engine::new(effective::engine_config(&config, &tables), tables.clone(), ids);
    let mut sessions = Vec::new();
    for (index, venue) in venues.iter().enumerate() {
        let connector =
            registry::connector(&venue.kind).ok_or_else(|| Failure::usage(format!("no exchange `{}`", venue.kind)))?;
        let pairs = venue.pairs.iter().filter_map(|(s, _)| tables.pair_id(s)).collect();
        let session = SessionConfig {
            venue: VenueId(index as u8),
            tables: tables.clone(),
            pairs,
            key: None,
            secret: None,
            book_channel: channels[index].clone(),
            seed: 0,
        };
        sessions.push(connector.session(session).map_err(Failure::usage)?);
    }
    let node = Node::new(sessions, engine, NodeLogs { state: Box::new(NoLog), market: None });
    let mut player = Player { node, waiting: Vec::new(), held: Vec::new(), frames: 0, now: MonoNanos(0), wall: UnixNanos(0) };
    let begun = Instant::now();
    player.begin(&venues, &tables, &rules);
    let merged = merge(lists.into_iter().map(|(_, entries)| entries).collect());
    let origin = merged.first().map_or(0, |(_, e)| e.received_unix_ns);
    for (venue, entry) in merged {
        player.play(VenueId(venue as u8), entry, origin);
    }
    player.node.close(player.now, true);
    Ok(player.result(&venues, begun))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}

struct Player {
    node: Node,
    /// Book requests not answered yet.
    waiting: Vec<(VenueId, Ticket, String)>,
    /// Recorded answers that nobody has asked for yet.
    held: Vec<(VenueId, String, Vec<u8>)>,
    frames: u64,
    now: MonoNanos,
    wall: UnixNanos,
}

const PUBLIC: LinkId = LinkId { role: LinkRole::Public, shard: 0 };

impl Player {
    fn begin(&mut self, venues: &[TapeVenue], tables: &Tables, rules: &[InstrumentRules]) {
        for rule in rules {
            self.node.push(self.now, Input::Rules(*rule));
        }
        for (index, venue) in venues.iter().enumerate() {
            for (symbol, fee) in &venue.pairs {
                let Some(pair) = tables.pair_id(symbol) else { continue };
                self.node.push(
                    self.now,
                    Input::Fees(FeeRates { venue: VenueId(index as u8), pair, taker: *fee, maker: *fee, paid_in: None }),
                );
            }
        }
        self.node.start(self.now);
        self.turn();
    }

    fn play(&mut self, venue: VenueId, entry: TapeEntry, origin: i64) {
        self.now = self.now.max(MonoNanos(u64::try_from(entry.received_unix_ns.saturating_sub(origin)).unwrap_or_default()));
        self.wall = UnixNanos(entry.received_unix_ns);
        let mut bytes = entry.bytes;
        match entry.kind {
            TapeKind::Connected { .. } | TapeKind::Sent => return,
            TapeKind::Ws { url } if url.as_deref().is_some_and(|u| u.starts_with("private")) => return,
            TapeKind::Ws { .. } => {
                self.frames += 1;
                self.node.frame(venue, PUBLIC, self.now, &mut bytes);
            }
            TapeKind::Rest { path_and_query } => self.held.push((venue, path_and_query, bytes)),
        }
        self.turn();
    }

    fn turn(&mut self) {
        loop {
            while let Some((venue, transmit)) = self.node.poll_transmit(self.now, self.wall) {
                match transmit {
                    Transmit::Open(link) if link == PUBLIC => self.node.connected(venue, link, self.now),
                    Transmit::Request { ticket, request, .. } if request.path.ends_with("/order_book") => {
                        self.waiting.push((venue, ticket, format!("{}?{}", request.path, request.query)));
                    }
                    _ => {}
                }
            }
            self.answer();
            if !self.node.step(self.now) && !self.node.has_pending() {
                break;
            }
        }
    }

    /// Answers book requests with the recorded answers for the same pair, oldest first.
    fn answer(&mut self) {
        let mut index = 0;
        while let Some((venue, ticket, asked)) = self.waiting.get(index).cloned() {
            let same = |(v, path, _): &(VenueId, String, Vec<u8>)| {
                *v == venue && pair_in(path).is_some() && pair_in(path) == pair_in(&asked)
            };
            match self.held.iter().position(same) {
                Some(at) => {
                    let (_, _, mut body) = self.held.remove(at);
                    self.waiting.remove(index);
                    self.node.response(venue, ticket, self.now, Response::Http { status: 200, headers: &[], body: &mut body });
                }
                None => index += 1,
            }
        }
    }

    fn result(&self, venues: &[TapeVenue], begun: Instant) -> ReplayResult {
        let mut result = ReplayResult::of(self.node.decider(), self.frames, begun);
        let engine = self.node.engine();
        let tables = engine.tables();
        for (index, (venue, stats)) in venues.iter().zip(self.node.session_stats()).enumerate() {
            result.ignored += stats.ignored;
            for (reason, count) in FrameReject::ALL.iter().zip(stats.rejected) {
                // `pair=` selects: other pairs of the same tape are not asked for.
                if *reason == FrameReject::UnknownPair { result.ignored += count } else { result.reject(*reason, count) }
            }
            for stream in &stats.streams {
                result.gaps += stream.gaps;
                let (Some(info), cell) = (tables.pair(stream.pair), engine.market().at(VenueId(index as u8), stream.pair)) else {
                    continue;
                };
                let price = |p: Option<Price>| p.map(|p| info.scale.price_text(p));
                result.streams.push(json!({
                    "venue": venue.id, "pair": info.symbol.to_string(), "channel": stream.channel, "frames": stream.frames,
                    "applied": stream.applied, "stale": stream.stale, "gaps": stream.gaps, "crossed": engine.crossed(VenueId(index as u8), stream.pair),
                    "best_bid": price(cell.book.book().best_bid().map(|l| l.price)), "best_ask": price(cell.book.book().best_ask().map(|l| l.price)),
                }));
            }
        }
        result
    }
}

/// The `currency_pair=` of a path and query.
fn pair_in(path: &str) -> Option<&str> {
    path.split(['?', '&']).find_map(|part| part.strip_prefix("currency_pair="))
}

/// The pairs that a tape's book frames speak of.
fn pairs_of(entries: &[TapeEntry]) -> Vec<Symbol> {
    let mut pairs = Vec::new();
    for entry in entries {
        let Some(value) = book_value(entry) else { continue };
        if let Some(symbol) = value["result"]["s"].as_str().and_then(|s| Symbol::parse(s).ok())
            && !pairs.contains(&symbol)
        {
            pairs.push(symbol);
        }
    }
    pairs
}

fn book_value(entry: &TapeEntry) -> Option<Value> {
    matches!(entry.kind, TapeKind::Ws { .. }).then(|| serde_json::from_slice::<Value>(&entry.bytes).ok()).flatten()
}

/// The book channel that a tape carries.
fn channel_of(entries: &[TapeEntry]) -> String {
    let has = |name: &str| {
        let quoted = format!("\"{name}\"");
        entries
            .iter()
            .filter(|e| matches!(e.kind, TapeKind::Ws { .. }))
            .any(|e| String::from_utf8_lossy(&e.bytes).contains(&quoted))
    };
    if has("spot.order_book_update") { "order_book_update".into() } else { "order_book".into() }
}

/// Scales from a first pass over the tapes, since they carry no rules: the finest price and quantity of each pair. Quantities
/// give way when both do not fit 18 decimals together.
fn tables_of(venues: &[TapeVenue], lists: &[(usize, Vec<TapeEntry>)]) -> Result<(Tables, Vec<InstrumentRules>), Failure> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for (symbol, _) in venues.iter().flat_map(|v| &v.pairs) {
        if !symbol.is_spot() {
            return Err(Failure::usage(format!("--tape pair={symbol}: only spot streams can be replayed yet")));
        }
        if !symbols.contains(symbol) {
            symbols.push(symbol.clone());
        }
    }
    let mut listed = Vec::new();
    for (venue, (_, entries)) in venues.iter().zip(lists) {
        let mut finest = vec![(0u8, 0u8); venue.pairs.len()];
        for entry in entries {
            let (name, value) = match &entry.kind {
                TapeKind::Ws { .. } => match serde_json::from_slice::<Value>(&entry.bytes) {
                    Ok(value) => (value["result"]["s"].as_str().unwrap_or_default().to_string(), value["result"].clone()),
                    Err(_) => continue,
                },
                TapeKind::Rest { path_and_query } => match serde_json::from_slice::<Value>(&entry.bytes) {
                    Ok(value) => (pair_in(path_and_query).unwrap_or_default().to_string(), value),
                    Err(_) => continue,
                },
                _ => continue,
            };
            let Ok(symbol) = Symbol::parse(&name) else { continue };
            let Some(at) = venue.pairs.iter().position(|(p, _)| *p == symbol) else { continue };
            for level in ["b", "a", "bids", "asks"].iter().flat_map(|k| value[*k].as_array().into_iter().flatten()) {
                let digits = |i: usize| {
                    level[i]
                        .as_str()
                        .and_then(|t| t.split_once('.'))
                        .map_or(0, |(_, f)| f.trim_end_matches('0').len().min(18) as u8)
                };
                finest[at] = (finest[at].0.max(digits(0)), finest[at].1.max(digits(1)));
            }
        }
        let rules = venue.pairs.iter().zip(finest).map(|((symbol, _), (price, qty))| RawRules {
            symbol: symbol.clone(),
            price_decimals: price,
            qty_decimals: qty.min(18 - price.min(18)),
            qty_min: None,
            qty_max: None,
            value_min: None,
            can_buy: true,
            can_sell: true,
        });
        listed.push((venue.id.clone(), rules.collect::<Vec<_>>()));
    }
    level_quantities(&symbols, &mut listed);
    build_tables(&symbols, &listed, &["GT", "POINT"]).map_err(Failure::failed)
}

/// Several venues' finest prices and quantities of one pair may not fit together: quantities are cut.
fn level_quantities(symbols: &[Symbol], listed: &mut [(String, Vec<RawRules>)]) {
    for symbol in symbols {
        let price =
            listed.iter().flat_map(|(_, r)| r).filter(|r| &r.symbol == symbol).map(|r| r.price_decimals).max().unwrap_or(0);
        for rules in listed.iter_mut().flat_map(|(_, r)| r).filter(|r| &r.symbol == symbol) {
            rules.qty_decimals = rules.qty_decimals.min(18 - price.min(18));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tape_arguments_read_as_documented() {
        let arg = TapeArg::parse("venue=gate:g1,pair=BTC/USDT,format=cryptofeed,fee_bps=7.5:/data/a,b:c.zst").unwrap();
        assert_eq!((arg.kind.as_str(), arg.id.as_str(), arg.fee.nano()), ("gate", "g1", 750_000));
        assert_eq!(arg.file, PathBuf::from("/data/a,b:c.zst"));
        let arg = TapeArg::parse("venue=gate,pair=BTC/USDT:USDT,format=hftbacktest:x").unwrap();
        assert_eq!(arg.pair.unwrap().to_string(), "BTC/USDT:USDT");
        for wrong in [
            "",
            "venue=gate",
            "venue=gate,pair=BTC/USDT,format=tar:x",
            "venue=gate,format=cryptofeed:x",
            "pair=BTC/USDT,format=cryptofeed:x",
            "venue=gate,pair=BTC/USDT,format=cryptofeed:",
            "venue=gate,pear=BTC/USDT,format=cryptofeed:x",
        ] {
            assert!(TapeArg::parse(wrong).is_err(), "{wrong}");
        }
    }
}
