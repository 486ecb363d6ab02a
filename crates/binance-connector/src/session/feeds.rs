//! Which streams go over which connection: routes, groups of at most 1000 streams, and the number of each link.
//!
//! A link's shard is `route + 4 × lane`; a group of streams owns two lanes, so that a connection can be replaced before it is closed.
//! Shards 0, 1, 2 and 3 are the first connections of spot, USD-M books, COIN-M and USD-M news.

use super::books::BookChannel;
use crate::market::Market;
use crate::wire::PairNames;
use domain::LinkRole;
use venue::feeds::{Group, Stream};
use venue::{ConnectorError, LinkId, SessionOptions};

/// Streams on one connection; Binance allows 1024 on spot.
pub(super) const STREAMS_MAX: usize = 1000;
/// Groups of one route: lanes are numbered in six bits, two a group.
const GROUPS_MAX: usize = 32;

/// A kind of connection: a market, and on USD-M which of its two stream paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    Spot,
    UsdMBooks,
    CoinM,
    /// Trades and tickers of USD-M.
    UsdMNews,
}

impl Route {
    const ALL: [Route; 4] = [Route::Spot, Route::UsdMBooks, Route::CoinM, Route::UsdMNews];

    /// The connections that carry a market's books.
    pub(crate) const fn books(market: Market) -> Route {
        match market {
            Market::Spot => Route::Spot,
            Market::UsdM => Route::UsdMBooks,
            Market::CoinM => Route::CoinM,
        }
    }

    /// The connections that carry a market's trades and tickers.
    const fn news(market: Market) -> Route {
        match market {
            Market::Spot => Route::Spot,
            Market::UsdM => Route::UsdMNews,
            Market::CoinM => Route::CoinM,
        }
    }

    /// Whose streams it carries.
    pub(crate) const fn market(self) -> Market {
        match self {
            Route::Spot => Market::Spot,
            Route::UsdMBooks | Route::UsdMNews => Market::UsdM,
            Route::CoinM => Market::CoinM,
        }
    }

    /// The link of a group of streams; `lane` tells a connection from the one that replaces it.
    pub(crate) const fn link(self, group: u8, lane: u8) -> LinkId {
        LinkId { role: LinkRole::Public, shard: self as u8 + 4 * (2 * group + lane) }
    }

    /// The route of a public link.
    pub(crate) const fn of(link: LinkId) -> Route {
        Route::ALL[(link.shard % 4) as usize]
    }
}

/// Every wanted stream, by connection.
///
/// # Errors
/// [`ConnectorError::BadOption`] for more streams than there are connections for.
pub(super) fn feeds(names: &PairNames, channel: BookChannel, options: SessionOptions) -> Result<Vec<Group>, ConnectorError> {
    let mut groups: Vec<Group> = Vec::new();
    for route in Route::ALL {
        let streams = names.all().iter().filter(|named| named.market == route.market()).flat_map(|named| {
            let symbol = named.name.to_lowercase();
            let spot = named.market == Market::Spot;
            let books = route == Route::books(named.market);
            let news = route == Route::news(named.market);
            // Single trades of futures are not documented, aggregated ones are.
            let trades = if spot { "trade" } else { "aggTrade" };
            [
                books.then(|| (channel.stream(named.market), Some(named.pair))),
                (books && options.book_ticker).then_some(("bookTicker", None)),
                (news && options.trades).then_some((trades, None)),
                (news && options.tickers).then_some(("ticker", None)),
            ]
            .into_iter()
            .flatten()
            .map(move |(kind, book)| Stream::new(format!("{symbol}@{kind}"), book))
        });
        let streams: Vec<Stream> = streams.collect();
        if streams.len() > STREAMS_MAX * GROUPS_MAX {
            let value = streams.len().to_string();
            return Err(ConnectorError::BadOption { what: "number of streams", value, allowed: "at most 32000 of one market" });
        }
        for (number, part) in streams.chunks(STREAMS_MAX).enumerate() {
            groups.push(Group { links: [0, 1].map(|lane| route.link(number as u8, lane)), streams: part.to_vec() });
        }
    }
    Ok(groups)
}

// Shards of a group are told apart by their lane, those of another route by their remainder.
const _: () = assert!(Route::Spot.link(0, 1).shard == 4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::names;

    fn check(options: SessionOptions, channel: BookChannel, expected: &[(u8, &[&str])]) {
        let groups = feeds(&names(), channel, options).unwrap();
        let found: Vec<(u8, Vec<&str>)> =
            groups.iter().map(|g| (g.links[0].shard, g.streams.iter().map(Stream::name).collect())).collect();
        let expected: Vec<(u8, Vec<&str>)> = expected.iter().map(|(shard, names)| (*shard, names.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn streams_go_to_their_market_and_path() {
        check(
            SessionOptions::default(),
            BookChannel::Depth,
            &[(0, &["btcusdt@depth@100ms", "ethusdt@depth@100ms"]), (1, &["btcusdt@depth@0ms"]), (2, &["btcusd_perp@depth@0ms"])],
        );
        let all = SessionOptions { book_ticker: true, trades: true, tickers: true, ..SessionOptions::default() };
        check(
            all,
            BookChannel::Depth100Ms,
            &[
                (
                    0,
                    &[
                        "btcusdt@depth@100ms",
                        "btcusdt@bookTicker",
                        "btcusdt@trade",
                        "btcusdt@ticker",
                        "ethusdt@depth@100ms",
                        "ethusdt@bookTicker",
                        "ethusdt@trade",
                        "ethusdt@ticker",
                    ],
                ),
                (1, &["btcusdt@depth@100ms", "btcusdt@bookTicker"]),
                (2, &["btcusd_perp@depth@100ms", "btcusd_perp@bookTicker", "btcusd_perp@aggTrade", "btcusd_perp@ticker"]),
                (3, &["btcusdt@aggTrade", "btcusdt@ticker"]),
            ],
        );
    }

    #[test]
    fn links_name_their_route_in_every_lane() {
        for route in Route::ALL {
            for (group, lane) in [(0, 0), (0, 1), (31, 1)] {
                assert_eq!(Route::of(route.link(group, lane)), route);
            }
        }
        assert_eq!(Route::UsdMNews.link(31, 1).shard, u8::MAX);
    }
}
