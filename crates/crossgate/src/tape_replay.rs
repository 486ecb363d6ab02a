//! Frame tapes through production sessions and engine: what a venue sent is decoded, sequenced and booked as it would be live.

use crate::config::{Loaded, effective, load};
use crate::exit::Failure;
use crate::replay::ReplayResult;
use crate::tape_args::tape_args;
use crate::tape_load::{self, Scales, TapeSet};
use crate::tape_play::{Player, Port};
use domain::{FeeRates, FrameReject, Input, MonoNanos, Price, UnixNanos, VenueId};
use engine_core::Engine;
use executor::IdSource;
use journal::{LogError, LogSink, RecordView};
use node::{Node, NodeLogs};
use serde_json::json;
use std::time::Instant;
use venue::{LinkId, LossReason, Response, Ticket, Transmit};

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

/// Whether a configuration names tapes.
///
/// # Errors
/// Exit code 3 for a configuration that is wrong.
pub fn config_has_tapes(config: Option<&str>) -> Result<bool, Failure> {
    Ok(match config {
        Some(path) => !load(path)?.config.tape.is_empty(),
        None => false,
    })
}

/// Replays tapes: those of the command line, else those of the configuration.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a configuration, 1 for unreadable files.
pub fn replay_tapes(texts: &[String], config: Option<&str>) -> Result<ReplayResult, Failure> {
    let loaded: Loaded = match config {
        Some(path) => load(path)?,
        None => crate::config::load::load_built_in("demo.toml", crate::run::DEMO)?,
    };
    let tapes = tape_load::load(&tape_args(texts, Some(&loaded))?, Scales::Own, Some(&loaded))?;
    let ids = IdSource::new(0, 1, 0).ok_or_else(|| Failure::failed("no id source"))?;
    let mut settings = effective::engine_config_of_tapes(&loaded.config, &tapes.tables);
    // A tape holds no measure of the venue's clock.
    settings.detector.lag_must_be_known = false;
    let engine = Engine::new(settings, tapes.tables.clone(), ids);
    let node = Node::new(tapes.sessions()?, engine, NodeLogs { state: Box::new(NoLog), market: None });
    let mut port = EnginePort { node };
    for rule in &tapes.rules {
        port.node.push(MonoNanos(0), Input::Rules(*rule));
    }
    for stream in &tapes.streams {
        let (venue, pair, fee) = (stream.venue, stream.pair, stream.fee);
        port.node.push(MonoNanos(0), Input::Fees(FeeRates { venue, pair, taker: fee, maker: fee, paid_in: None }));
    }
    let note = tapes.tell_torn();
    let mut player = Player::new(&tapes);
    let begun = Instant::now();
    player.begin(&mut port);
    player.play_all(&mut port)?;
    port.node.close(player.now, true);
    Ok(ReplayResult { note, ..result(&port.node, &tapes, player.frames, begun) })
}

/// Sessions that feed an engine.
struct EnginePort {
    node: Node,
}

impl Port for EnginePort {
    fn start(&mut self, now: MonoNanos) {
        self.node.start(now);
    }

    fn connected(&mut self, venue: VenueId, link: LinkId, now: MonoNanos) {
        self.node.connected(venue, link, now);
    }

    fn lost(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, reason: LossReason) {
        self.node.lost(venue, link, now, reason);
    }

    fn frame(&mut self, venue: VenueId, link: LinkId, now: MonoNanos, bytes: &mut [u8]) {
        self.node.frame(venue, link, now, bytes);
    }

    fn response(&mut self, venue: VenueId, ticket: Ticket, now: MonoNanos, response: Response<'_>) {
        self.node.response(venue, ticket, now, response);
    }

    fn poll_transmit(&mut self, now: MonoNanos, wall: UnixNanos) -> Option<(VenueId, Transmit)> {
        self.node.poll_transmit(now, wall)
    }

    fn settle(&mut self, now: MonoNanos) -> bool {
        let stepped = self.node.step(now);
        // Nobody reads them here; a long tape must not pile them up.
        self.node.take_notices();
        stepped || self.node.has_pending()
    }
}

fn result(node: &Node, tapes: &TapeSet, frames: u64, begun: Instant) -> ReplayResult {
    let mut result = ReplayResult::of(node.decider(), frames, begun);
    let engine = node.engine();
    for (index, (venue, stats)) in tapes.venues.iter().zip(node.session_stats()).enumerate() {
        result.ignored += stats.ignored;
        for (reason, count) in FrameReject::ALL.iter().zip(stats.rejected) {
            // `pair=` selects: other pairs of the same tape are not asked for.
            if *reason == FrameReject::UnknownPair { result.ignored += count } else { result.reject(*reason, count) }
        }
        let id = VenueId(index as u8);
        for stream in &stats.streams {
            result.gaps += stream.gaps;
            let Some(info) = tapes.tables.pair(stream.pair) else { continue };
            let book = engine.market().at(id, stream.pair).book.book();
            let price = |p: Option<Price>| p.map(|p| info.scale.price_text(p));
            result.streams.push(json!({
                "venue": venue.id, "pair": info.symbol.to_string(), "channel": stream.channel, "frames": stream.frames,
                "applied": stream.applied, "stale": stream.stale, "gaps": stream.gaps, "crossed": engine.crossed(id, stream.pair),
                "best_bid": price(book.best_bid().map(|l| l.price)), "best_ask": price(book.best_ask().map(|l| l.price)),
            }));
        }
    }
    result
}
