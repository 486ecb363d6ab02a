//! Which streams go over which connection, and how Bybit's connections are treated.
//!
//! Bybit bounds a request to ten topics on spot, and the topics of a connection to 21,000 characters. The client pings every 20
//! seconds, whatever comes. No end of a connection's life is documented; one is replaced before it is a day old all the same. A
//! link's shard is `market + 4 × lane`; a group of streams owns two lanes, so that a connection can be replaced before it is
//! closed.

use super::books::BookChannel;
use crate::market::Market;
use crate::wire::{PairNames, encode};
use domain::LinkRole;
use domain::time::{MILLI, SECOND};
use venue::connection::Reconnect;
use venue::feeds::{FeedWire, Group, Pace, Stream};
use venue::{ConnectorError, LinkId, SessionOptions};

/// Characters that the topics of one connection may have, quotes and commas included; Bybit allows 21,000.
const TOPIC_CHARS_MAX: usize = 20_000;
/// Groups of one market: lanes are numbered in six bits, two a group.
const GROUPS_MAX: usize = 32;

/// How Bybit's connections are treated. How often a client may subscribe is not documented: twenty times a second.
pub(super) const PACE: Pace = Pace {
    control_period_ns: 50 * MILLI,
    control_streams_max: 10,
    ack_timeout_ns: 10 * SECOND,
    probe_ns: 20 * SECOND,
    probe_always: true,
    silence_max_ns: 45 * SECOND,
    unserved_ns: 10 * SECOND,
    unserved_max_ns: 160 * SECOND,
    quiet_max_ns: None,
    // Bybit allows 500 new connections in five minutes.
    reconnect: Reconnect { first_ns: 100 * MILLI, max_ns: 20 * SECOND, stable_ns: 10 * SECOND },
    life_ns: Some((22 * 3600 * SECOND, 3600 * SECOND)),
    take_over_ns: 5 * SECOND,
};

/// Bybit's control messages.
pub(super) struct Controls;

impl FeedWire for Controls {
    fn subscription(&self, subscribe: bool, streams: &[&str], id: u64) -> String {
        encode::subscription(subscribe, streams, id)
    }

    fn probe(&self, id: u64) -> String {
        encode::ping(id)
    }
}

/// The link of a group of streams; `lane` tells a connection from the one that replaces it.
pub(crate) const fn link(market: Market, group: u8, lane: u8) -> LinkId {
    LinkId { role: LinkRole::Public, shard: market as u8 + 4 * (2 * group + lane) }
}

/// Whose streams a public link carries.
pub(crate) const fn market_of(link: LinkId) -> Market {
    match link.shard % 4 {
        1 => Market::Linear,
        2 => Market::Inverse,
        _ => Market::Spot,
    }
}

/// Every wanted stream, by connection.
///
/// # Errors
/// [`ConnectorError::BadOption`] for more streams than there are connections for.
pub(super) fn groups(names: &PairNames, channel: BookChannel, options: SessionOptions) -> Result<Vec<Group>, ConnectorError> {
    let mut groups: Vec<Group> = Vec::new();
    for market in Market::ALL {
        let streams = names.all().iter().filter(|named| named.market == market).flat_map(|named| {
            // A book that is kept by its tops needs no others.
            let tops = options.book_ticker && channel != BookChannel::Level1;
            [
                Some((channel.name(), Some(named.pair))),
                tops.then_some((BookChannel::Level1.name(), None)),
                options.trades.then_some(("publicTrade", None)),
                options.tickers.then_some(("tickers", None)),
            ]
            .into_iter()
            .flatten()
            .map(|(kind, book)| Stream::new(format!("{kind}.{}", named.name), book))
        });
        let (mut number, mut chars) = (0, usize::MAX);
        for stream in streams {
            let own = stream.name().len() + 3;
            if chars.saturating_add(own) > TOPIC_CHARS_MAX {
                if number == GROUPS_MAX {
                    let (what, value) = ("number of pairs", names.all().len().to_string());
                    return Err(ConnectorError::BadOption { what, value, allowed: "fewer of one market" });
                }
                let links = [0, 1].map(|lane| link(market, number as u8, lane));
                groups.push(Group { links, streams: Vec::new() });
                (number, chars) = (number + 1, 0);
            }
            chars += own;
            if let Some(group) = groups.last_mut() {
                group.streams.push(stream);
            }
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::{names, tables};
    use domain::{PairInfo, Symbol, VenueId};
    use std::sync::Arc;

    fn check(options: SessionOptions, channel: BookChannel, expected: &[(u8, &[&str])]) {
        let groups = groups(&names(), channel, options).unwrap();
        let found: Vec<(u8, Vec<&str>)> =
            groups.iter().map(|g| (g.links[0].shard, g.streams.iter().map(Stream::name).collect())).collect();
        let expected: Vec<(u8, Vec<&str>)> = expected.iter().map(|(shard, names)| (*shard, names.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn streams_go_to_their_market() {
        check(
            SessionOptions::default(),
            BookChannel::Level50,
            &[
                (0, &["orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"]),
                (1, &["orderbook.50.BTCUSDT"]),
                (2, &["orderbook.50.BTCUSD"]),
            ],
        );
        let all = SessionOptions { book_ticker: true, trades: true, tickers: true, ..SessionOptions::default() };
        let linear = &["orderbook.200.BTCUSDT", "orderbook.1.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"];
        let found = groups(&names(), BookChannel::Level200, all).unwrap();
        assert!(found[1].streams.iter().map(Stream::name).eq(linear.iter().copied()));
        // The tops are the book.
        let found = groups(&names(), BookChannel::Level1, SessionOptions { book_ticker: true, ..SessionOptions::default() });
        assert!(found.unwrap()[1].streams.iter().map(Stream::name).eq(["orderbook.1.BTCUSDT"]));
    }

    #[test]
    fn connections_are_bounded_by_the_characters_of_their_topics() {
        let mut many = (*tables()).clone();
        let model = many.pairs[0].clone();
        let pair = |n: u16| PairInfo { symbol: Symbol::parse(&format!("A{n}/USDT")).unwrap(), ..model.clone() };
        many.pairs = (0..3000).map(pair).collect();
        let pairs: Vec<_> = many.pair_ids().collect();
        let names = PairNames::new(VenueId(0), Arc::new(many), &pairs);
        let groups = groups(&names, BookChannel::Level50, SessionOptions::default()).unwrap();
        assert_eq!(groups.iter().map(|g| g.streams.len()).sum::<usize>(), 3000);
        assert!(groups.len() > 1);
        for (number, group) in groups.iter().enumerate() {
            let args: Vec<&str> = group.streams.iter().map(Stream::name).collect();
            assert!(serde_json::to_string(&args).unwrap().len() <= 21_000);
            assert_eq!(group.links.map(|link| link.shard), [8 * number as u8, 8 * number as u8 + 4]);
        }
    }

    #[test]
    fn links_name_their_market_in_every_lane() {
        for market in Market::ALL {
            for (group, lane) in [(0, 0), (0, 1), (31, 1)] {
                assert_eq!(market_of(link(market, group, lane)), market);
            }
        }
        assert_eq!(link(Market::Inverse, 31, 1).shard, 254);
    }
}
