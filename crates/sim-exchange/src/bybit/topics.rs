//! Topics of the streams: which there are, and what a request for them may hold (Bybit API v5, WebSocket connect).

use super::{statistics::Interval, symbols::Symbols};
use crate::{core::PairId, faults::Faults};

const MS: u64 = 1_000_000;
/// Most topics in one request on the public spot stream.
const SPOT_TOPICS_MAX: usize = 10;
/// Longest text of all topics of one request.
const TOPICS_BYTES_MAX: usize = 21_000;

/// What a public topic tells of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FeedKind {
    /// `orderbook.{depth}`.
    Book(u16),
    /// `publicTrade`.
    Trades,
    /// `tickers`.
    Ticker,
    /// `kline.{interval}`.
    Candles(Interval),
}

impl FeedKind {
    /// How often it may speak, nanoseconds.
    pub(super) const fn interval_ns(self) -> u64 {
        match self {
            FeedKind::Book(1) => 10 * MS,
            FeedKind::Book(50) => 20 * MS,
            FeedKind::Book(200) => 100 * MS,
            FeedKind::Book(_) => 200 * MS,
            FeedKind::Trades => MS,
            FeedKind::Ticker => 50 * MS,
            FeedKind::Candles(_) => 1_000 * MS,
        }
    }

    /// The topic of a symbol.
    pub(super) fn topic(self, symbol: &str) -> String {
        match self {
            FeedKind::Book(depth) => format!("orderbook.{depth}.{symbol}"),
            FeedKind::Trades => format!("publicTrade.{symbol}"),
            FeedKind::Ticker => format!("tickers.{symbol}"),
            FeedKind::Candles(interval) => format!("kline.{}.{symbol}", interval.name()),
        }
    }
}

/// Checks the size of a request.
///
/// # Errors
/// `ret_msg` of the refusal.
pub(super) fn check_size(args: &[String], is_spot: bool) -> Result<(), String> {
    if args.is_empty() {
        return Err("error:args is empty".to_owned());
    }
    if is_spot && args.len() > SPOT_TOPICS_MAX {
        return Err(format!("args size >{SPOT_TOPICS_MAX}"));
    }
    if args.iter().map(String::len).sum::<usize>() > TOPICS_BYTES_MAX {
        return Err("args length exceeds the limit".to_owned());
    }
    Ok(())
}

/// Reads public topics; one that is not served refuses the request whole.
///
/// # Errors
/// `ret_msg` of the refusal.
pub(super) fn public(args: &[String], symbols: &Symbols, faults: &Faults) -> Result<Vec<(PairId, FeedKind)>, String> {
    args.iter().map(|topic| public_topic(topic, symbols, faults)).collect()
}

fn public_topic(topic: &str, symbols: &Symbols, faults: &Faults) -> Result<(PairId, FeedKind), String> {
    let unknown = || format!("error:handler not found,topic:{topic}");
    let parts: Vec<&str> = topic.split('.').collect();
    let (kind, symbol) = match parts.as_slice() {
        ["orderbook", depth @ ("1" | "50" | "200" | "1000"), symbol] => {
            (FeedKind::Book(depth.parse().map_err(|_| unknown())?), *symbol)
        }
        ["publicTrade", symbol] => (FeedKind::Trades, *symbol),
        ["tickers", symbol] => (FeedKind::Ticker, *symbol),
        ["kline", interval, symbol] => (FeedKind::Candles(Interval::named(interval).ok_or_else(unknown)?), *symbol),
        _ => return Err(unknown()),
    };
    let pair = symbols.find(symbol).filter(|pair| !faults.delisted_pairs.iter().any(|id| id == symbols.id_of(*pair)));
    pair.map(|pair| (pair, kind)).ok_or_else(|| format!("Invalid symbol :[{topic}]"))
}

/// What a private topic tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PrivateKind {
    Orders,
    Executions,
    FastExecutions,
    Wallet,
    /// Says nothing; who follows it is protected against disconnects.
    Protection,
    /// Of a product of which the account has nothing.
    Silent,
}

/// Reads private topics.
///
/// # Errors
/// `ret_msg` of the refusal: an unknown topic, or a topic of everything beside one of a category.
pub(super) fn private(args: &[String]) -> Result<Vec<(String, PrivateKind)>, String> {
    let mut topics = Vec::with_capacity(args.len());
    for topic in args {
        let kind = match topic.as_str() {
            "order" | "order.spot" => PrivateKind::Orders,
            "execution" | "execution.spot" => PrivateKind::Executions,
            "execution.fast" | "execution.fast.spot" => PrivateKind::FastExecutions,
            "wallet" => PrivateKind::Wallet,
            "dcp" | "dcp.spot" => PrivateKind::Protection,
            "dcp.future" | "dcp.option" | "position" | "greeks" => PrivateKind::Silent,
            other => {
                let (stem, category) = other.rsplit_once('.').unwrap_or((other, ""));
                let is_known = ["order", "execution", "execution.fast", "position"].contains(&stem);
                if !is_known || !["linear", "inverse", "option"].contains(&category) {
                    return Err(format!("error:handler not found,topic:{other}"));
                }
                PrivateKind::Silent
            }
        };
        topics.push((topic.clone(), kind));
    }
    let has = |name: &str| args.iter().any(|topic| topic == name);
    for whole in ["order", "execution", "execution.fast", "position"] {
        let parts = ["spot", "linear", "inverse", "option"];
        if has(whole) && parts.iter().any(|part| has(&format!("{whole}.{part}"))) {
            return Err(format!("error:{whole} and its categories cannot be in the same request"));
        }
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn topics_of_everything_and_of_a_category_do_not_mix() {
        let kinds =
            |args: &[&str]| private(&words(args)).map(|topics| topics.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>());
        assert_eq!(kinds(&["order", "execution.fast"]), Ok(vec![PrivateKind::Orders, PrivateKind::FastExecutions]));
        assert_eq!(kinds(&["order.spot", "order.linear"]), Ok(vec![PrivateKind::Orders, PrivateKind::Silent]));
        assert_eq!(kinds(&["dcp.spot", "wallet"]), Ok(vec![PrivateKind::Protection, PrivateKind::Wallet]));
        for bad in [&["order", "order.spot"][..], &["stopOrder"], &["order.margin"], &["wallet.spot"]] {
            assert!(kinds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_has_a_size() {
        let many = words(&["tickers.BTCUSDT"; 11]);
        assert_eq!(check_size(&many, true), Err("args size >10".to_owned()));
        assert_eq!(check_size(&many, false), Ok(()));
        assert_eq!(check_size(&many[..10], true), Ok(()));
        assert!(check_size(&[], true).is_err());
        assert!(check_size(&["x".repeat(21_001)], false).is_err());
    }
}
