//! `scan` of live streams: executable net edges of every pair between every two venues, from public data alone, without keys.
//!
//! The bytes take the same way as in a run: sessions, books, gates. Only the engine and its orders are missing.

use super::routes::{Route, Routes, bps_text};
use crate::cli::ScanArgs;
use crate::clock_text::{seconds, short};
use crate::config::units::Money;
use crate::config::{Loaded, Mode, load};
use crate::demo;
use crate::exit::Failure;
use crate::guard::plain;
use crate::probe::Probe;
use crate::record::Signals;
use crate::report::{print_json, print_line, redundancy};
use crate::setup::{self, Refused, Setup};
use domain::{Amount, FeeRates, FrameReject, MonoNanos, PairId, ResyncReason, VenueId, Verdict};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

/// The configuration without `-c`.
const BUILT_IN: &str = include_str!("../../../../configs/scan.toml");
/// How often everything is judged, frame or not.
const LOOK_EVERY_NS: u64 = 100_000_000;
/// How often a terminal is told how it goes.
const TELL_EVERY_NS: u64 = 2_000_000_000;
/// Routes shown to people; `--json` lists all.
const SHOWN: usize = 25;
/// Quote amount of every route without `--size`.
const SIZE: i128 = 1_000;

/// Scans the streams of a configuration until the time is over or a signal.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a configuration, 1 when a venue can't be reached.
pub fn scan_live(args: &ScanArgs) -> Result<(), Failure> {
    let size = match &args.size {
        None => Amount::from_units(SIZE * domain::number::AMOUNT_ONE),
        Some(text) => Money::parse(text)
            .ok()
            .map(|money| money.0)
            .filter(|amount| amount.units() > 0)
            .ok_or_else(|| Failure::usage(format!("--size {text}: it is no amount of quote above zero")))?,
    };
    let loaded = match &args.config {
        Some(path) => load(path)?,
        None => crate::config::load::load_built_in("scan.toml", BUILT_IN)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(scan(&loaded, args, size))
}

/// CPU time of this thread, nanoseconds: sockets, decoders, books and gates; not the simulated venues.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

async fn scan(loaded: &Loaded, args: &ScanArgs, size: Amount) -> Result<(), Failure> {
    let (mut venues, simulated) = match loaded.config.mode {
        Mode::Sim => {
            let simulated = demo::start(loaded, None)?;
            (simulated.venues(loaded)?, Some(simulated))
        }
        _ => (setup::live_venues(loaded, false)?, None),
    };
    venues.iter_mut().for_each(|venue| venue.keys = None);
    let (setup, refused) = setup::prepare_listed(loaded, venues).await?;
    let mut routes = Routes::new(setup.tables.clone(), &setup.rules, &fees(loaded, &setup), setup.engine.detector, size);
    let mut probe = Probe::start(&setup.venues, setup.sessions(loaded)?).map_err(Failure::config)?;
    let clock = probe.clock();
    let (started, begun_cpu) = (clock.now(), cpu_ns());
    let until = args.run_for.map_or(MonoNanos(u64::MAX), |span| started.after(span));
    let (mut look, mut tell) = (started, started.after(TELL_EVERY_NS));
    let telling = !args.json && std::io::stderr().is_terminal();
    let mut signals = Signals::new()?;
    while clock.now() < until {
        let mut unseen = |_: &venue_io::Clock, _: crate::probe::Crossing<'_>| {};
        tokio::select! {
            () = signals.any() => break,
            () = probe.turn(until, &mut unseen) => {}
        }
        let now = clock.now();
        for (_, input) in probe.take_inputs() {
            if let Some(command) = routes.take(now, &input) {
                probe.command(&command);
            }
        }
        let all = now >= look;
        if all {
            look = now.after(LOOK_EVERY_NS);
        }
        routes.judge(now, all);
        if telling && now >= tell {
            tell = now.after(TELL_EVERY_NS);
            progress(&routes, now.since(started));
        }
    }
    let ended = clock.now();
    routes.end(ended);
    let result = Found {
        size,
        ran_ns: ended.since(started),
        ended,
        cpu_ns: cpu_ns().saturating_sub(begun_cpu),
        venues: venue_counts(&probe, &setup),
        routes,
        refused,
    };
    probe.close().await;
    if let Some(simulated) = simulated {
        simulated.stop();
    }
    if telling {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    if args.json {
        print_json(&result.json().to_string())
    } else {
        print_line(&result.table())
    }
    Ok(())
}

/// What a taker pays on every venue: what the configuration says of paper accounts, else the venue's base tier.
fn fees(loaded: &Loaded, setup: &Setup) -> Vec<FeeRates> {
    let of = |rules: &domain::InstrumentRules| {
        let venue = setup.venues.get(rules.venue.index())?;
        let symbol = venue.aliases.to_venue(&setup.tables.pair(rules.pair)?.symbol);
        let base = venue.connector.base_taker_fee(&symbol);
        let simulated = (loaded.config.mode == Mode::Sim).then_some(loaded.config.sim.fee_bps);
        let taker = simulated.or(loaded.config.paper.fee_bps).map_or(base, |bps| bps.0);
        Some(FeeRates { venue: rules.venue, pair: rules.pair, taker, maker: taker, paid_in: None })
    };
    setup.rules.iter().filter_map(of).collect()
}

/// One line that replaces the last.
fn progress(routes: &Routes, ran_ns: u64) {
    let (books, live) = routes.books();
    let paying = routes.ranked().into_iter().filter(|route| route.verdict == Verdict::Balance).count();
    let updates = routes.updates();
    let line = format!("{} · {live} of {books} books · {updates} updates · {paying} routes pay now", short(ran_ns));
    let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
}

/// Counters of one venue.
struct VenueCounts {
    id: String,
    kind: &'static str,
    frames: u64,
    rejected: u64,
    resyncs: Vec<(&'static str, u64)>,
    redundancy: Option<Value>,
}

fn venue_counts(probe: &Probe, setup: &Setup) -> Vec<VenueCounts> {
    let of = |(venue, session): (&setup::VenueSetup, &dyn venue::VenueSession)| {
        let stats = session.stats();
        let resyncs = ResyncReason::ALL.iter().zip(stats.resyncs).filter(|(_, count)| *count > 0);
        VenueCounts {
            id: venue.id.clone(),
            kind: venue.connector.kind(),
            frames: stats.frames,
            rejected: FrameReject::ALL.iter().zip(stats.rejected).map(|(_, count)| count).sum(),
            resyncs: resyncs.map(|(reason, count)| (reason.as_str(), count)).collect(),
            redundancy: stats.redundancy.as_ref().map(redundancy),
        }
    };
    setup.venues.iter().zip(probe.sessions().iter().map(AsRef::as_ref)).map(of).collect()
}

/// What a scan found.
struct Found {
    size: Amount,
    ran_ns: u64,
    ended: MonoNanos,
    cpu_ns: u64,
    venues: Vec<VenueCounts>,
    routes: Routes,
    refused: Vec<Refused>,
}

impl Found {
    fn updates(&self) -> u64 {
        self.routes.updates()
    }

    /// CPU time for a thousand book updates, microseconds.
    fn cpu_us_per_1000(&self) -> Option<u64> {
        self.cpu_ns.checked_div(self.updates())
    }

    /// How often the books of a venue changed in a second, each from its first change on; best prices that are told apart not counted.
    fn pace(&self, venue: VenueId) -> Value {
        let mut paces: Vec<u64> = self.routes.counts_of(venue).map(|(_, counts)| counts.changes_per_1000_s(self.ended)).collect();
        paces.sort_unstable();
        let text = |pace: Option<&u64>| pace.map(|pace| domain::decimal::format_units(i128::from(*pace), 3));
        json!({"min": text(paces.first()), "median": text(paces.get(paces.len() / 2)), "max": text(paces.last())})
    }

    fn resyncs(&self) -> Map<String, Value> {
        let mut sums: Map<String, Value> = Map::new();
        for (reason, count) in self.venues.iter().flat_map(|venue| &venue.resyncs) {
            let sum = sums.get(*reason).and_then(Value::as_u64).unwrap_or_default();
            sums.insert((*reason).into(), json!(sum + count));
        }
        sums
    }

    fn json(&self) -> Value {
        let tables = self.routes.tables();
        let (books, live) = self.routes.books();
        let name = |pair: PairId| tables.pair(pair).map(|info| info.symbol.to_string());
        let venues = self.venues.iter().zip(tables.venue_ids()).map(|(venue, id)| {
            let resyncs: Map<String, Value> = venue.resyncs.iter().map(|(reason, n)| ((*reason).into(), json!(n))).collect();
            let fetched = self.routes.counts_of(id).filter(|(_, counts)| counts.resyncs().next().is_some());
            let fetched = fetched.map(|(pair, counts)| {
                let reasons: Map<String, Value> =
                    counts.resyncs().map(|(reason, n)| (reason.as_str().into(), json!(n))).collect();
                json!({"pair": name(pair), "resyncs": reasons})
            });
            json!({
                "id": venue.id, "kind": venue.kind, "frames": venue.frames, "rejected_frames": venue.rejected,
                "book_updates": self.routes.updates_of(id), "changes_per_book_s": self.pace(id), "resyncs": resyncs,
                "fetched_anew": fetched.collect::<Vec<_>>(), "redundancy": venue.redundancy,
            })
        });
        let counts = Verdict::ALL.iter().zip(self.routes.verdicts()).filter(|(_, count)| **count > 0);
        let verdicts: Map<String, Value> = counts.map(|(verdict, count)| (verdict.as_str().into(), json!(count))).collect();
        let routes = self.routes.ranked().into_iter().map(|route| {
            json!({
                "pair": name(route.pair), "buy": tables.venue(route.buy), "sell": tables.venue(route.sell),
                "net_bps": {"now": route.now.map(|seen| bps_text(seen.net_rate)), "max": route.best.map(|(best, _)| bps_text(best.net_rate))},
                "net_max_quote": route.best.map(|(best, _)| best.net.to_text()),
                "episodes": route.pays.episodes, "seconds": seconds(route.pays.nanos), "longest_seconds": seconds(route.pays.longest_ns),
                "verdict": route.best.map_or(route.verdict, |(_, verdict)| verdict).as_str(),
            })
        });
        let refused =
            self.refused.iter().map(|one| json!({"pair": one.symbol.to_string(), "venue": one.venue, "reason": one.reason}));
        json!({
            "duration_s": seconds(self.ran_ns), "size": self.size.to_text(), "venues": venues.collect::<Vec<_>>(),
            "books": {"listed": books, "live": live}, "book_updates": self.updates(), "book_resyncs": self.resyncs(),
            "cpu_us_per_1000_updates": self.cpu_us_per_1000(),
            "opportunities": self.routes.verdicts().iter().sum::<u64>(), "verdicts": verdicts,
            "routes": routes.collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>(),
        })
    }

    /// For people: cut to two decimals.
    fn table(&self) -> String {
        let (books, live) = self.routes.books();
        let mut text = format!(
            "{} s, {} quote a route: {live} of {books} books live, {} book updates",
            cut(&seconds(self.ran_ns)),
            self.size,
            self.updates()
        );
        if let Some(cpu) = self.cpu_us_per_1000() {
            let _ = write!(text, ", {} of CPU for a thousand", short(cpu * 1_000));
        }
        let resyncs: Vec<String> = self.resyncs().iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let _ = writeln!(text, "\nbooks fetched anew: {}", if resyncs.is_empty() { "none".into() } else { resyncs.join(", ") });
        let ranked = self.routes.ranked();
        let head = ("pair", "buy on", "sell on", "net bps", "best", "runs", "seconds", "longest");
        let _ = writeln!(
            text,
            "{:<14} {:<12} {:<12} {:>9} {:>9} {:>6} {:>9} {:>9}  verdict",
            head.0, head.1, head.2, head.3, head.4, head.5, head.6, head.7
        );
        for route in ranked.iter().take(SHOWN) {
            let _ = writeln!(text, "{}", self.line(route));
        }
        if ranked.len() > SHOWN {
            let _ = writeln!(text, "{} more routes: --json lists all", ranked.len() - SHOWN);
        }
        for one in &self.refused {
            let _ = writeln!(text, "not scanned: {} on {}: {}", one.symbol, one.venue, plain(&one.reason));
        }
        text + "`balance` is all that is left between a route and a trade: a scan has no account; fees are those of the base tier"
    }

    fn line(&self, route: &Route) -> String {
        let tables = self.routes.tables();
        let bps = |rate: Option<domain::Rate>| rate.map_or("-".into(), |rate| cut(&bps_text(rate)));
        format!(
            "{:<14} {:<12} {:<12} {:>9} {:>9} {:>6} {:>9} {:>9}  {}",
            tables.pair(route.pair).map(|info| info.symbol.to_string()).unwrap_or_default(),
            tables.venue(route.buy),
            tables.venue(route.sell),
            bps(route.now.map(|seen| seen.net_rate)),
            bps(route.best.map(|(best, _)| best.net_rate)),
            route.pays.episodes,
            cut(&seconds(route.pays.nanos)),
            cut(&seconds(route.pays.longest_ns)),
            route.best.map_or(route.verdict, |(_, verdict)| verdict),
        )
    }
}

fn cut(decimal: &str) -> String {
    match decimal.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{:0<2}", fraction.chars().take(2).collect::<String>()),
        None => format!("{decimal}.00"),
    }
}
