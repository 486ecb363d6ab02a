//! The three markets of Binance: their names of symbols, paths, streams and sequence rule.
//!
//! | market | symbols | REST paths | chain of book changes |
//! |---|---|---|---|
//! | spot | `BTC/USDT` → `BTCUSDT` | `/api/v3/…` | `U ≤ last u + 1` |
//! | USD-M | `BTC/USDT:USDT` → `BTCUSDT`, dated `BTCUSDT_261225` | `/fapi/v1/…` | `pu == last u` |
//! | COIN-M | `BTC/USD:BTC` → `BTCUSD_PERP`, dated `BTCUSD_261225` | `/dapi/v1/…` | `pu == last u` |
//!
//! Two markets share names, so a name means something only together with its market: the link that a frame came on, or the path of
//! a request. COIN-M sizes are contracts (100 USD for BTC, 10 USD for others), not base.

use domain::Symbol;
use venue::book_sync::Chain;
use venue::names::Listing;

/// One of Binance's markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Market {
    /// Spot.
    Spot,
    /// Futures margined in the quote asset.
    UsdM,
    /// Futures margined in the base asset.
    CoinM,
}

impl Market {
    /// Every market.
    pub const ALL: [Market; 3] = [Market::Spot, Market::UsdM, Market::CoinM];

    /// The market that lists a symbol: by its settlement asset.
    pub fn of(symbol: &Symbol) -> Option<Market> {
        match &symbol.settle {
            None => Some(Market::Spot),
            Some(settle) if *settle == symbol.quote => Some(Market::UsdM),
            Some(settle) if *settle == symbol.base => Some(Market::CoinM),
            Some(_) => None,
        }
    }

    /// The market of a REST path.
    pub fn of_path(path: &str) -> Option<Market> {
        Market::ALL.into_iter().find(|market| path.starts_with(market.path_prefix()))
    }

    /// What every REST path of this market begins with.
    pub const fn path_prefix(self) -> &'static str {
        match self {
            Market::Spot => "/api/",
            Market::UsdM => "/fapi/",
            Market::CoinM => "/dapi/",
        }
    }

    /// `name` below the current version of this market's API: `/api/v3/depth`.
    pub fn path(self, name: &str) -> String {
        let version = if self == Market::Spot { "v3" } else { "v1" };
        format!("{}{version}/{name}", self.path_prefix())
    }

    /// How book changes of this market continue each other.
    pub const fn chain(self) -> Chain {
        match self {
            Market::Spot => Chain::Overlap,
            Market::UsdM | Market::CoinM => Chain::Linked,
        }
    }

    /// What the market allows of weight in a minute (defaults of 2026).
    pub const fn weight_max(self) -> u32 {
        match self {
            Market::Spot => 6000,
            Market::UsdM | Market::CoinM => 2400,
        }
    }

    /// The copies of a book that are asked for: levels and weight, the deepest first (Binance, order book of each market).
    pub const fn copies(self) -> [BookDepth; 3] {
        const fn of(levels: u32, weight: u32) -> BookDepth {
            BookDepth { levels, weight }
        }
        match self {
            Market::Spot => [of(1000, 50), of(500, 25), of(100, 5)],
            Market::UsdM | Market::CoinM => [of(1000, 20), of(500, 10), of(100, 5)],
        }
    }

    /// The deepest copies of so many books that take half of a minute's `allowed` weight together: after a start, or a lost connection,
    /// all of them are asked for, and a book that breaks meanwhile must not wait for the next minute. The shallowest where none do.
    pub fn copy_depth(self, books: usize, allowed: u32) -> BookDepth {
        let fits = |depth: &BookDepth| books.saturating_mul(depth.weight as usize) <= allowed as usize / 2;
        let [deepest, middle, least] = self.copies();
        [deepest, middle].into_iter().find(fits).unwrap_or(least)
    }

    /// Dense.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// How deep a copy of a book is, and what it weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookDepth {
    /// Levels of a side.
    pub levels: u32,
    /// Of the market's limit.
    pub weight: u32,
}

/// Binance's name of a symbol on its market, in upper case; `None` for contracts that Binance has no market for.
pub fn venue_name(symbol: &Symbol) -> Option<String> {
    let Symbol { base, quote, .. } = symbol;
    Some(match (Market::of(symbol)?, symbol.expiry) {
        (Market::Spot, None) | (Market::UsdM, None) => format!("{base}{quote}"),
        (Market::CoinM, None) => format!("{base}{quote}_PERP"),
        (Market::Spot, Some(_)) => return None,
        (Market::UsdM | Market::CoinM, Some(expiry)) => format!("{base}{quote}_{expiry:06}"),
    })
}

impl Listing for Market {
    fn listed(symbol: &Symbol) -> Option<(Market, String)> {
        Some((Market::of(symbol)?, venue_name(symbol)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(symbol: &str, expected: Option<(Market, &str)>) {
        let symbol = Symbol::parse(symbol).unwrap();
        let found = venue_name(&symbol);
        assert_eq!(Market::of(&symbol).zip(found.as_deref()), expected, "{symbol}");
    }

    #[test]
    fn symbols_have_one_name_on_one_market() {
        check("BTC/USDT", Some((Market::Spot, "BTCUSDT")));
        check("BTC/USDT:USDT", Some((Market::UsdM, "BTCUSDT")));
        check("1000SHIB/USDT:USDT", Some((Market::UsdM, "1000SHIBUSDT")));
        check("BTC/USD:BTC", Some((Market::CoinM, "BTCUSD_PERP")));
        check("BTC/USD:BTC-210625", Some((Market::CoinM, "BTCUSD_210625")));
        check("BTC/USDT:USDT-060105", Some((Market::UsdM, "BTCUSDT_060105")));
        check("BTC/USD:ETH", None);
    }

    #[test]
    fn copies_of_all_books_fit_into_a_minute_as_far_as_the_shallowest_do() {
        let levels = |market: Market, books| market.copy_depth(books, market.weight_max() / 2).levels;
        assert_eq!([30, 31, 60, 61, 500, 5000].map(|books| levels(Market::Spot, books)), [1000, 500, 500, 100, 100, 100]);
        assert_eq!([30, 31, 60, 61].map(|books| levels(Market::UsdM, books)), [1000, 500, 500, 100]);
    }

    #[test]
    fn paths_name_their_market() {
        for market in Market::ALL {
            assert_eq!(Market::of_path(&market.path("depth")), Some(market));
        }
        assert_eq!(Market::Spot.path("depth"), "/api/v3/depth");
        assert_eq!(Market::CoinM.path("time"), "/dapi/v1/time");
        assert_eq!(Market::of_path("/sapi/v1/x"), None);
    }
}
