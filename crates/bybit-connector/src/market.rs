//! The three markets of Bybit that are served: their names of symbols and their category.
//!
//! | market | symbols | `category` |
//! |---|---|---|
//! | spot | `BTC/USDT` → `BTCUSDT` | `spot` |
//! | linear perpetuals | `BTC/USDT:USDT` → `BTCUSDT`, `BTC/USDC:USDC` → `BTCPERP` | `linear` |
//! | inverse perpetuals | `BTC/USD:BTC` → `BTCUSD` | `inverse` |
//!
//! Spot and linear share names, so a name means something only together with its market: the link that a frame came on, or the
//! category of a request. Sizes of inverse contracts are dollars, one a contract; linear sizes are base. Dated contracts and
//! options are not served.

use domain::Symbol;
use venue::names::Listing;

/// One of Bybit's markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Market {
    /// Spot.
    Spot,
    /// Perpetuals margined in the quote asset.
    Linear,
    /// Perpetuals margined in the base asset.
    Inverse,
}

impl Market {
    /// Every market.
    pub const ALL: [Market; 3] = [Market::Spot, Market::Linear, Market::Inverse];

    /// The market that lists a symbol: by its settlement asset.
    pub fn of(symbol: &Symbol) -> Option<Market> {
        match &symbol.settle {
            None => Some(Market::Spot),
            Some(_) if symbol.expiry.is_some() => None,
            Some(settle) if *settle == symbol.quote => Some(Market::Linear),
            Some(settle) if *settle == symbol.base && symbol.quote == "USD" => Some(Market::Inverse),
            Some(_) => None,
        }
    }

    /// The `category` of requests, and the last part of the path of its streams.
    pub const fn category(self) -> &'static str {
        match self {
            Market::Spot => "spot",
            Market::Linear => "linear",
            Market::Inverse => "inverse",
        }
    }

    /// The market of a `category`.
    pub fn of_category(category: &str) -> Option<Market> {
        Market::ALL.into_iter().find(|market| market.category() == category)
    }
}

/// Bybit's name of a symbol on its market; `None` for contracts that are not served.
pub fn venue_name(symbol: &Symbol) -> Option<String> {
    let Symbol { base, quote, .. } = symbol;
    Some(match Market::of(symbol)? {
        Market::Linear if quote == "USDC" => format!("{base}PERP"),
        Market::Spot | Market::Linear | Market::Inverse => format!("{base}{quote}"),
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
        let found = Market::listed(&symbol);
        assert_eq!(found.as_ref().map(|(market, name)| (*market, name.as_str())), expected, "{symbol}");
    }

    #[test]
    fn symbols_have_one_name_on_one_market() {
        check("BTC/USDT", Some((Market::Spot, "BTCUSDT")));
        check("BTC/USDT:USDT", Some((Market::Linear, "BTCUSDT")));
        check("1000PEPE/USDT:USDT", Some((Market::Linear, "1000PEPEUSDT")));
        check("BTC/USDC:USDC", Some((Market::Linear, "BTCPERP")));
        check("BTC/USDC", Some((Market::Spot, "BTCUSDC")));
        check("BTC/USD:BTC", Some((Market::Inverse, "BTCUSD")));
        check("BTC/USDT:BTC", None);
        check("BTC/USD:ETH", None);
        check("BTC/USD:BTC-210625", None);
        check("BTC/USDT:USDT-261225", None);
    }

    #[test]
    fn categories_name_their_market() {
        for market in Market::ALL {
            assert_eq!(Market::of_category(market.category()), Some(market));
        }
        assert_eq!(Market::of_category("option"), None);
    }
}
