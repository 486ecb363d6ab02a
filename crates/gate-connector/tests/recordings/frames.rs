//! Single frames recorded by others, frame by frame: what the decoder makes of each, or which field it refuses for what. All public
//! news is read here; a session that did not ask for tops, trades or tickers ignores them.

use super::{broad_tables, data, text};
use domain::{FrameReject, MonoNanos, PairId, VenueId};
use gate_connector::wire::frames::{BookFrameBody, Frame};
use gate_connector::wire::news::NewsWanted;
use gate_connector::wire::{Decoder, PairNames};
use std::sync::Arc;

fn decoder(wanted: NewsWanted) -> Decoder {
    let tables = broad_tables();
    let pairs: Vec<PairId> = tables.pair_ids().collect();
    let mut decoder = Decoder::new(PairNames::new(VenueId(0), Arc::clone(&tables), &pairs));
    decoder.wanted = wanted;
    decoder
}

const ALL_NEWS: NewsWanted = NewsWanted { book_ticker: true, trades: true, tickers: true };

/// What the decoder makes of a frame, in short.
fn made(frame: &str, wanted: NewsWanted) -> Result<&'static str, (FrameReject, &'static str)> {
    match decoder(wanted).frame(&mut frame.as_bytes().to_vec(), MonoNanos(1)) {
        Ok(Frame::Book(book)) => Ok(match book.body {
            BookFrameBody::Full { .. } => "book",
            BookFrameBody::Delta(_) => "change",
        }),
        Ok(Frame::Top(_)) => Ok("top"),
        Ok(Frame::Trade(_)) => Ok("trade"),
        Ok(Frame::Ticker(_)) => Ok("ticker"),
        Ok(Frame::Orders(_) | Frame::Fills(_) | Frame::Balances(_)) => Ok("private"),
        Ok(Frame::Reply(reply)) => Ok(if reply.error.is_some() { "refusal" } else { "acknowledgement" }),
        Ok(Frame::Pong(_)) => Ok("pong"),
        Ok(Frame::Upgrade) => Ok("upgrade"),
        Ok(Frame::Ignored) => Ok("ignored"),
        Err(reject) => Err((reject.reason, reject.what)),
    }
}

type Row = (&'static str, Result<&'static str, (FrameReject, &'static str)>);

/// The protocol before v4 and REST bodies have no channel; contracts have channels of their own.
const ROWS_2021: [Row; 25] = [
    ("trade/spot_20210916", Err((FrameReject::UnknownShape, "channel"))),
    ("trade/spot", Ok("trade")),
    ("trade/inverse_future", Ok("ignored")),
    ("trade/inverse_swap", Ok("ignored")),
    ("trade/linear_swap", Ok("ignored")),
    ("trade/linear_swap_2", Ok("ignored")),
    ("l2_event/spot_update_20210916", Err((FrameReject::UnknownShape, "channel"))),
    ("l2_event/spot_update", Ok("change")),
    ("l2_event/inverse_future_snapshot", Ok("ignored")),
    ("l2_topk/spot", Ok("book")),
    ("l2_topk/linear_swap", Ok("ignored")),
    ("bbo/spot", Ok("top")),
    ("bbo/inverse_swap", Ok("ignored")),
    ("bbo/linear_swap", Ok("ignored")),
    ("candlestick/spot", Ok("ignored")),
    ("candlestick/inverse_future", Ok("ignored")),
    ("candlestick/linear_future", Ok("ignored")),
    ("candlestick/inverse_swap", Ok("ignored")),
    ("ticker/spot", Ok("ticker")),
    ("ticker/inverse_swap", Ok("ignored")),
    ("l2_snapshot/inverse_future", Err((FrameReject::UnknownShape, "channel"))),
    ("l2_snapshot/linear_future", Err((FrameReject::UnknownShape, "channel"))),
    ("l2_snapshot/inverse_swap", Err((FrameReject::UnknownShape, "channel"))),
    ("l2_snapshot/linear_swap", Err((FrameReject::UnknownShape, "channel"))),
    ("open_interest/inverse_swap", Err((FrameReject::UnknownShape, "frame"))),
];

const ROWS_2026: [Row; 18] = [
    ("futures-usdt subscribe-sent", Ok("ignored")),
    ("futures-usdt ack", Ok("ignored")),
    ("futures-usdt obu-snapshot", Ok("ignored")),
    ("futures-usdt obu-snapshot-of-quiet-book", Ok("ignored")),
    ("futures-usdt obu-delta", Ok("ignored")),
    ("futures-usdt obu-delta-id-only", Ok("ignored")),
    ("futures-usdt order-book-update-delta", Ok("ignored")),
    ("futures-usdt ping-sent", Ok("ignored")),
    ("futures-usdt pong", Ok("ignored")),
    // An error on a channel that was never subscribed here is told, not passed over.
    ("futures-usdt error-duplicate-subscription", Err((FrameReject::VenueError, "channel"))),
    ("futures-usdt ack-of-unknown-symbol", Ok("ignored")),
    ("futures-usdt ticker", Ok("ignored")),
    ("futures-usdt book-ticker", Ok("ignored")),
    ("spot order-book-snapshot", Ok("book")),
    ("spot order-book-update-delta-unordered", Ok("change")),
    ("spot order-book-update-delete", Ok("change")),
    ("spot error-unknown-pair", Ok("refusal")),
    ("spot book-ticker", Ok("top")),
];

const ROWS_CONTRACTS: [Row; 17] = [
    ("futures.tickers", Ok("ignored")),
    ("futures.trades", Ok("ignored")),
    ("futures.book_ticker", Ok("ignored")),
    ("futures.orders", Ok("ignored")),
    ("futures.usertrades", Ok("ignored")),
    ("futures.liquidates", Ok("ignored")),
    ("futures.auto_deleverages", Ok("ignored")),
    ("futures.position_closes", Ok("ignored")),
    ("futures.balances", Ok("ignored")),
    ("futures.reduce_risk_limits", Ok("ignored")),
    ("futures.positions", Ok("ignored")),
    ("futures.autoorders", Ok("ignored")),
    ("futures.order_book", Ok("ignored")),
    ("futures.order_book_update", Ok("ignored")),
    ("futures.obu", Ok("ignored")),
    ("futures.candlesticks", Ok("ignored")),
    ("futures.pong", Ok("ignored")),
];

/// The rows must be the recording's cases, in its order.
#[track_caller]
fn check(found: &[(String, String)], rows: &[Row]) {
    for (index, (name, frame)) in found.iter().enumerate() {
        let row = rows.get(index).unwrap_or_else(|| panic!("no row for {name}"));
        assert_eq!((name.as_str(), made(frame, ALL_NEWS)), *row, "row {index}");
        let unasked = made(frame, NewsWanted::default());
        let expected = if matches!(row.1, Ok("top" | "trade" | "ticker")) { Ok("ignored") } else { row.1 };
        assert_eq!(unasked, expected, "{name}, unless asked for");
    }
    assert_eq!(found.len(), rows.len(), "every frame has its row");
}

#[test]
fn single_frames_of_2021_and_2022() {
    let Some(path) = data("crypto-msg-parser/gate.jsonl") else { return };
    let frames: Vec<(String, String)> = text(&path)
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            (line["case"].as_str().expect("a case").to_string(), line["raw"].as_str().expect("a frame").to_string())
        })
        .collect();
    check(&frames, &ROWS_2021);
}

#[test]
fn frames_of_2026() {
    let Some(path) = data("arbitrage-observatory/gate_frames_2026-09.jsonl") else { return };
    let frames: Vec<(String, String)> = text(&path)
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let word = |name: &str| line[name].as_str().expect("a word").to_string();
            (format!("{} {}", word("family"), word("kind")), line["raw"].to_string())
        })
        .collect();
    check(&frames, &ROWS_2026);
}

#[test]
fn frames_of_contracts_from_documentation() {
    let Some(path) = data("gocryptotrader/gateio_wsFutures.json") else { return };
    let frames: Vec<(String, String)> = text(&path)
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let frame: serde_json::Value = serde_json::from_str(line).expect("JSON");
            (frame["channel"].as_str().expect("a channel").to_string(), line.to_string())
        })
        .collect();
    check(&frames, &ROWS_CONTRACTS);
}

#[test]
fn a_session_of_contracts_holds_nothing_for_spot() {
    let Some(path) = data("cryptofeed/GATEIO_FUTURES.ws.1.0.zst") else { return };
    let mut frames = 0;
    for line in text(&path).lines().filter(|l| !l.is_empty() && !l.starts_with("wss://") && !l.starts_with("configuration")) {
        let (_, frame) = line.split_once(": ").expect("time: frame");
        assert_eq!(made(frame, ALL_NEWS), Ok("ignored"), "{frame}");
        frames += 1;
    }
    assert!(frames > 200, "{frames}");
}
