//! `scan --tape`: recorded streams through production sessions, their best prices compared pair by pair.

use super::meter::{BPS_DECIMALS, Found, Meter, Terms, Top};
use crate::cli::ScanArgs;
use crate::config::load;
use crate::exit::Failure;
use crate::report::{print_json, print_line};
use crate::tape_args::{parse_bps, tape_args};
use crate::tape_load::{self, Scales, TapeSet, TapeStream};
use crate::tape_play::{Player, Port, Seen};
use domain::decimal::format_units;
use domain::{
    BookBody, Command, FrameReject, Input, Level, MarketNews, MonoNanos, PairId, ResyncReason, Symbol, UnixNanos, VenueId,
    Verdict,
};
use order_book::OrderBook;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use venue::{LinkId, LossReason, Response, Ticket, Transmit, VenueSession};

/// Quotes that are meant to be worth a dollar, and the dollar. Two different ones are compared, and never traded for each other.
const DOLLAR_QUOTES: &[&str] =
    &["USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDD", "USDP", "GUSD", "PYUSD", "USDE", "USD1", "USDG", "RLUSD"];
/// Thresholds when none are named, basis points.
const THRESHOLDS_BPS: &str = "5,10,15";
/// Latency when none is named, milliseconds.
const LATENCY_MS: u64 = 100;
const MILLI: u64 = 1_000_000;

/// `scan --tape`.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a configuration, 1 for unreadable files.
pub fn scan_tapes(args: &ScanArgs) -> Result<(), Failure> {
    let loaded = args.config.as_deref().map(load).transpose()?;
    let tapes = tape_args(&args.tape, loaded.as_ref())?;
    let thresholds = thresholds(args.thresholds_bps.as_deref().unwrap_or(THRESHOLDS_BPS))?;
    let latency_ms = args.latency_ms.unwrap_or(LATENCY_MS);
    let latency_ns =
        latency_ms.checked_mul(MILLI).ok_or_else(|| Failure::usage(format!("--latency-ms {latency_ms}: it is too long")))?;
    let mut tapes = tape_load::load(&tapes, Scales::SharedPrices, loaded.as_ref())?;
    for venue in &mut tapes.venues {
        // Their receive times are the stream's too, so they are decoded also where the first pass can't tell them.
        venue.options.trades = true;
    }
    let nanos = thresholds.iter().map(|(_, nano)| *nano).collect();
    let mut scan = Scan::new(&tapes, &Terms { thresholds: nanos, fee_a: 0, fee_b: 0, latency_ns })?;
    let mut player = Player::new(&tapes);
    player.begin(&mut scan);
    player.play_all(&mut scan)?;
    scan.end_moment();
    let note = tapes.tell_torn();
    for line in scan.complaints(&tapes) {
        crate::say::line(format_args!("crossgate: {line}"));
    }
    let rows: Vec<Row> = scan.pairs.into_iter().map(|pair| Row::of(&tapes, pair)).collect();
    if args.json {
        let rows: Vec<Value> = rows.iter().map(|row| row.json(&thresholds)).collect();
        let mut found = json!({ "pairs": rows });
        if let Some(note) = note {
            found["note"] = json!(note);
        }
        print_json(&found.to_string());
    } else {
        print_line(&table(&rows, &thresholds));
    }
    Ok(())
}

/// Thresholds as they are printed, and in counts of 10^-9.
fn thresholds(text: &str) -> Result<Vec<(String, i64)>, Failure> {
    let mut found: Vec<(String, i64)> = Vec::new();
    for part in text.split(',') {
        let wrong = |what: &str| Failure::usage(format!("--thresholds-bps {text}: `{part}` {what}; write 5,10,15"));
        let nano = parse_bps(part.trim()).ok_or_else(|| wrong("is no number of basis points"))?.nano();
        let name = format_units(i128::from(nano), 5);
        if found.iter().any(|(_, other)| *other == nano) {
            return Err(wrong("stands twice"));
        }
        found.push((name, nano));
    }
    Ok(found)
}

/// Two streams of one base whose quotes are the same, or both dollars.
fn comparable(a: &Symbol, b: &Symbol) -> bool {
    let dollar = |quote: &str| DOLLAR_QUOTES.contains(&quote);
    a.base == b.base && (a.quote == b.quote || (dollar(&a.quote) && dollar(&b.quote)))
}

/// What is known of one stream.
struct Watched {
    stream: TapeStream,
    /// Its book, where it has no best-bid-offer channel.
    book: Option<Box<OrderBook>>,
    /// Its best prices; `None` before they are known and while they are crossed, locked, zero or one-sided.
    top: Option<Top>,
    /// Links that best prices of it came on and that are not lost, where it has no book.
    carriers: BTreeSet<LinkId>,
    /// A frame of it came at the present moment.
    is_touched: bool,
    /// What carried it was lost at the present moment.
    is_lost: bool,
}

struct ComparedPair {
    a: usize,
    b: usize,
    meter: Meter,
}

struct Scan {
    sessions: Vec<Box<dyn VenueSession>>,
    inputs: Vec<Input>,
    watched: Vec<Watched>,
    pairs: Vec<ComparedPair>,
    /// Time of the frames applied since the last samples.
    moment: Option<i64>,
    /// Frames that each session has refused so far.
    rejected: BTreeMap<VenueId, u64>,
    /// A top came out of the frame that is being played.
    topped: bool,
}

impl Scan {
    fn new(tapes: &TapeSet, terms: &Terms) -> Result<Scan, Failure> {
        let watched = tapes.streams.iter().map(|stream| Watched {
            book: (!stream.has_ticker).then(Box::default),
            stream: stream.clone(),
            top: None,
            carriers: BTreeSet::new(),
            is_touched: false,
            is_lost: false,
        });
        let mut pairs = Vec::new();
        for (a, one) in tapes.streams.iter().enumerate() {
            for (b, other) in tapes.streams.iter().enumerate().skip(a + 1) {
                if comparable(&one.symbol, &other.symbol) {
                    let terms = Terms { fee_a: one.fee.nano(), fee_b: other.fee.nano(), ..terms.clone() };
                    pairs.push(ComparedPair { a, b, meter: Meter::new(terms) });
                }
            }
        }
        Ok(Scan {
            sessions: tapes.sessions()?,
            inputs: Vec::new(),
            watched: watched.collect(),
            pairs,
            moment: None,
            rejected: tapes.tables.venue_ids().map(|venue| (venue, 0)).collect(),
            topped: false,
        })
    }

    fn watched(&mut self, venue: VenueId, pair: PairId) -> Option<&mut Watched> {
        self.watched.iter_mut().find(|w| w.stream.venue == venue && w.stream.pair == pair)
    }

    /// Samples every compared pair of which a frame came at the moment that ends; one of which a stream was lost holds no longer.
    fn end_moment(&mut self) {
        let Some(at) = self.moment.take() else { return };
        for pair in &mut self.pairs {
            let (a, b) = (&self.watched[pair.a], &self.watched[pair.b]);
            if a.is_lost || b.is_lost {
                pair.meter.interrupt(at);
            }
            if (a.is_touched || b.is_touched)
                && let (Some(a), Some(b)) = (a.top, b.top)
            {
                pair.meter.sample(at, a, b);
            }
        }
        for watched in &mut self.watched {
            watched.is_touched = false;
            watched.is_lost = false;
        }
    }

    fn take(&mut self, input: &Input) {
        let update = match input {
            Input::Book(update) => update,
            Input::Market(MarketNews::Trade(trade)) => {
                if let Some(watched) = self.watched(trade.venue, trade.pair) {
                    watched.is_touched = true;
                }
                return;
            }
            _ => return,
        };
        self.topped |= matches!(update.body, BookBody::Top { .. });
        let Some(watched) = self.watched(update.venue, update.pair) else { return };
        watched.is_touched = true;
        match (&update.body, &mut watched.book) {
            (BookBody::Top { bid, ask, .. }, None) => watched.top = top_of(*bid, *ask),
            // Best prices come from their own channel where there is one, and from the book alone where there is none.
            (_, None) | (BookBody::Top { .. }, Some(_)) => {}
            (body, Some(book)) => {
                let fault = book.apply(body).err();
                watched.top = if book.is_live() { top_of(book.best_bid(), book.best_ask()) } else { None };
                watched.is_lost |= *body == BookBody::Untrusted { reason: ResyncReason::Reconnect };
                if let Some(fault) = fault {
                    let resync = Command::Resync { venue: update.venue, pair: update.pair, reason: fault.reason() };
                    self.submit(update.venue, update.received, &resync);
                }
            }
        }
    }

    fn submit(&mut self, venue: VenueId, now: MonoNanos, command: &Command) {
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            session.submit(now, command, &mut self.inputs);
        }
    }

    /// What makes a result doubtful, for people.
    fn complaints(&self, tapes: &TapeSet) -> Vec<String> {
        let mut lines = Vec::new();
        for (venue, session) in tapes.venues.iter().zip(&self.sessions) {
            let stats = session.stats();
            for (reason, count) in FrameReject::ALL.iter().zip(stats.rejected) {
                if count > 0 && *reason != FrameReject::UnknownPair {
                    lines.push(format!("{}: {count} frames were refused as {reason}", venue.id));
                }
            }
            for stream in stats.streams.iter().filter(|s| s.gaps > 0) {
                let symbol = tapes.tables.pair(stream.pair).map(|info| info.symbol.to_string()).unwrap_or_default();
                lines.push(format!("{} {symbol}: {} gaps in its book", venue.id, stream.gaps));
            }
        }
        lines
    }
}

fn top_of(bid: Option<Level>, ask: Option<Level>) -> Option<Top> {
    Top::new(bid?.price.units(), ask?.price.units())
}

impl Port for Scan {
    fn start(&mut self, now: MonoNanos) {
        for session in &mut self.sessions {
            session.start(now);
        }
    }

    fn connected(&mut self, venue: VenueId, link: LinkId, now: MonoNanos) {
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            session.handle_connected(link, now, &mut self.inputs);
        }
    }

    fn lost(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, reason: LossReason) {
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            session.handle_lost(link, now, reason, &mut self.inputs);
        }
        // A book is told to have lost its stream; best prices of their own channel have nobody who tells.
        for watched in self.watched.iter_mut().filter(|w| w.stream.venue == venue) {
            if watched.carriers.remove(&link) && watched.carriers.is_empty() {
                watched.top = None;
                watched.is_lost = true;
            }
        }
    }

    fn frame(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, bytes: &mut [u8]) {
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            session.handle_frame(link, now, bytes, &mut self.inputs);
        }
    }

    fn response(&mut self, venue: VenueId, ticket: Ticket, now: MonoNanos, response: Response<'_>) {
        if let Some(session) = self.sessions.get_mut(venue.index()) {
            session.handle_response(ticket, now, response, &mut self.inputs);
        }
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos) -> Option<(VenueId, Transmit)> {
        let inputs = &mut self.inputs;
        let mut sessions = self.sessions.iter_mut();
        sessions.find_map(|session| session.poll_transmit(now, wall, inputs).map(|transmit| (session.venue(), transmit)))
    }

    fn settle(&mut self, _: MonoNanos) -> bool {
        if self.inputs.is_empty() {
            return false;
        }
        let mut inputs = std::mem::take(&mut self.inputs);
        for input in inputs.drain(..) {
            self.take(&input);
        }
        // Resyncs may have made new ones.
        inputs.append(&mut self.inputs);
        self.inputs = inputs;
        true
    }

    fn before(&mut self, received_unix_ns: i64) {
        if self.moment != Some(received_unix_ns) {
            self.end_moment();
            self.moment = Some(received_unix_ns);
        }
    }

    fn after(&mut self, seen: &Seen) {
        let rejected = self.sessions.get(seen.venue.index()).map_or(0, |s| s.stats().rejected.iter().sum());
        let refused = self.rejected.insert(seen.venue, rejected).is_some_and(|before| before != rejected);
        let topped = std::mem::take(&mut self.topped);
        if let Some(watched) = seen.pair.and_then(|pair| self.watched(seen.venue, pair)) {
            watched.is_touched = true;
            if seen.is_top && watched.book.is_none() {
                watched.carriers.insert(seen.link);
            }
            if seen.is_top && refused && !topped && watched.stream.has_ticker {
                // Best prices that even the decoder refuses are no prices; the ones before them are not the best any more.
                watched.top = None;
            }
        }
    }
}

/// One line of the result.
struct Row {
    a: (String, Symbol),
    b: (String, Symbol),
    found: Found,
    verdict: Verdict,
}

impl Row {
    fn of(tapes: &TapeSet, pair: ComparedPair) -> Row {
        let named = |index: usize| {
            let stream = &tapes.streams[index];
            (tapes.tables.venue(stream.venue).to_string(), stream.symbol.clone())
        };
        let (a, b, found) = (named(pair.a), named(pair.b), pair.meter.finish());
        let verdict = verdict(&a.1, &b.1, &found);
        Row { a, b, found, verdict }
    }

    fn json(&self, thresholds: &[(String, i64)]) -> Value {
        let found = &self.found;
        let side = |(venue, symbol): &(String, Symbol)| json!({"venue": venue, "pair": symbol.to_string()});
        let (mut episodes, mut seconds_above) = (Map::new(), Map::new());
        for ((name, _), runs) in thresholds.iter().zip(&found.above) {
            episodes.insert(name.clone(), json!(runs.episodes));
            seconds_above.insert(name.clone(), json!(seconds(runs.nanos)));
        }
        json!({
            "a": side(&self.a), "b": side(&self.b), "seconds": seconds(found.nanos), "mean_basis_bps": found.mean_basis_bps,
            "edge_bps": {"max": found.edge_max_bps, "episodes": episodes, "seconds": seconds_above},
            "net": {"captured": found.captured, "episodes": found.net.episodes, "seconds": seconds(found.net.nanos)},
            "verdict": self.verdict.as_str(),
        })
    }
}

/// The first gate, in the order of the contract, that keeps the two streams from being traded against each other. A scan has no
/// account: what pays after fees ends at `balance`.
fn verdict(a: &Symbol, b: &Symbol, found: &Found) -> Verdict {
    if !a.is_spot() || !b.is_spot() {
        Verdict::NotTradableKind
    } else if a.quote != b.quote {
        Verdict::QuoteDiffers
    } else if !found.sampled {
        Verdict::Untrusted
    } else if found.net.episodes == 0 {
        Verdict::BelowFees
    } else {
        Verdict::Balance
    }
}

fn seconds(nanos: u64) -> String {
    format_units(i128::from(nanos), 9)
}

/// For people: cut to two decimals.
fn short(decimal: Option<&str>) -> String {
    let Some(text) = decimal else { return "-".into() };
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{:0<2}", &fraction[..fraction.len().min(2)]),
        None => format!("{text}.00"),
    }
}

fn table(rows: &[Row], thresholds: &[(String, i64)]) -> String {
    if rows.is_empty() {
        return "no two streams have the same base and comparable quotes".into();
    }
    let mut head = format!("{:<26} {:<26} {:>10} {:>10} {:>10}", "a", "b", "seconds", "basis bps", "best bps");
    for (name, _) in thresholds {
        head.push_str(&format!(" {:>18}", format!("> {name} bps")));
    }
    head.push_str(&format!(" {:>18} {:>9}  verdict", "net", "captured"));
    let mut lines = vec![head];
    for row in rows {
        let found = &row.found;
        let named = |(venue, symbol): &(String, Symbol)| format!("{venue} {symbol}");
        let mut line = format!(
            "{:<26} {:<26} {:>10} {:>10} {:>10}",
            named(&row.a),
            named(&row.b),
            short(Some(&seconds(found.nanos))),
            short(found.mean_basis_bps.as_deref()),
            short(found.edge_max_bps.as_deref()),
        );
        for runs in found.above.iter().chain([&found.net]) {
            line.push_str(&format!(" {:>18}", format!("{} / {} s", runs.episodes, short(Some(&seconds(runs.nanos))))));
        }
        line.push_str(&format!(" {:>9}  {}", found.captured, row.verdict));
        lines.push(line);
    }
    lines.push(format!(
        "runs and their seconds; basis and edges are rounded to {BPS_DECIMALS} decimals in --json, seconds are exact"
    ));
    lines.join("\n")
}

#[cfg(test)]
#[path = "tape_tests.rs"]
mod tests;
