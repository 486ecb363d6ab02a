//! What start-up needs of Binance: hosts, rules, a session factory. One kind for spot, USD-M and COIN-M, told apart by the symbol.

use crate::market::{Market, venue_name};
use crate::session::{BinanceSession, BookChannel, Route};
use crate::{hosts, recorded, rules};
use domain::{LinkRole, Rate, Symbol, UnixNanos};
use venue::connector::{AssetKeys, RulesRequest, loopback_class};
use venue::identity::AssetListing;
use venue::{
    Checkup, CheckupConfig, Connector, ConnectorError, Endpoints, HostClass, HttpRequest, LinkId, Method, RawRules, Recorded,
    SessionConfig, VenueSession,
};

/// Base taker fee of spot, basis points.
const SPOT_TAKER_BPS: i64 = 10;
/// Base taker fee of futures, basis points.
const FUTURES_TAKER_BPS: i64 = 5;

/// Binance: spot is traded; futures are recorded, scanned and traded on paper.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinanceConnector;

/// A public request.
pub(crate) fn get(path: String, query: String) -> HttpRequest {
    HttpRequest { method: Method::Get, path, query, headers: vec![("Accept", "application/json".into())], body: Vec::new() }
}

impl Connector for BinanceConnector {
    fn kind(&self) -> &'static str {
        "binance"
    }

    fn live_endpoints(&self) -> Endpoints {
        hosts::live()
    }

    fn testnet_endpoints(&self) -> Option<Endpoints> {
        Some(hosts::testnet())
    }

    fn private_ws_apart(&self, _rest: &str, ws: &str) -> Option<String> {
        Some(hosts::api_of(ws).into())
    }

    fn host_class(&self, url: &str) -> HostClass {
        loopback_class(url).unwrap_or_else(|| hosts::class(url))
    }

    fn default_key_env(&self) -> (&'static str, &'static str) {
        ("BINANCE_API_KEY", "BINANCE_API_SECRET")
    }

    /// The rules of all spot pairs; [`Connector::rules_requests`] asks for those that are wanted, on their markets.
    fn rules_request(&self) -> HttpRequest {
        get(Market::Spot.path("exchangeInfo"), "showPermissionSets=false".into())
    }

    fn rules_requests(&self, symbols: &[Symbol]) -> Vec<RulesRequest> {
        let of = |market: Market| {
            let symbols: Vec<Symbol> = symbols.iter().filter(|s| Market::of(s) == Some(market)).cloned().collect();
            (!symbols.is_empty()).then(|| RulesRequest { request: rules::request(market, &symbols), symbols })
        };
        let mut requests: Vec<RulesRequest> = Market::ALL.into_iter().filter_map(of).collect();
        let unknown: Vec<Symbol> = symbols.iter().filter(|s| venue_name(s).is_none()).cloned().collect();
        if !unknown.is_empty() {
            // No market lists them; the spot list is asked so that their absence is told like that of any other pair.
            requests.push(RulesRequest { request: self.rules_request(), symbols: unknown });
        }
        requests
    }

    fn decode_rules(
        &self,
        status: u16,
        body: &mut [u8],
        symbols: &[Symbol],
        _now: Option<UnixNanos>,
    ) -> Result<Vec<RawRules>, ConnectorError> {
        rules::decode(status, body, symbols)
    }

    fn asset_requests(&self, _assets: &[String], keys: Option<&AssetKeys<'_>>, wall: UnixNanos) -> Vec<HttpRequest> {
        crate::assets::requests(keys, wall)
    }

    fn decode_assets(&self, status: u16, body: &mut [u8], assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
        crate::assets::decode(status, body, assets)
    }

    fn fee_assets(&self) -> &'static [&'static str] {
        &["BNB"]
    }

    fn book_channels(&self) -> &'static [&'static str] {
        BookChannel::NAMES
    }

    fn base_taker_fee(&self, symbol: &Symbol) -> Rate {
        // Lowest tier, before any discount by BNB.
        let bps = if symbol.is_spot() { SPOT_TAKER_BPS } else { FUTURES_TAKER_BPS };
        Rate::from_bps(bps).unwrap_or_default()
    }

    fn recorded(&self, symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded> {
        recorded::recorded(symbols, path_and_query, bytes)
    }

    fn book_request_symbol(&self, symbols: &[Symbol], path_and_query: &str) -> Option<Symbol> {
        recorded::book_request_symbol(symbols, path_and_query)
    }

    fn public_link(&self, symbol: &Symbol) -> LinkId {
        Route::books(Market::of(symbol).unwrap_or(Market::Spot)).link(0, 0)
    }

    fn link_url(&self, endpoints: &Endpoints, link: LinkId) -> String {
        match link.role {
            LinkRole::Public => {
                let route = Route::of(link);
                hosts::streams(&endpoints.ws, route.market(), route == Route::UsdMNews)
            }
            LinkRole::Private | LinkRole::OrderEntry | LinkRole::Rest => hosts::api(&endpoints.private_ws),
        }
    }

    fn rest_prefixes(&self) -> &'static [&'static str] {
        const { &[Market::Spot.path_prefix(), Market::UsdM.path_prefix(), Market::CoinM.path_prefix(), "/sapi/"] }
    }

    fn rest_url(&self, endpoints: &Endpoints, path: &str) -> String {
        hosts::rest(&endpoints.rest, Market::of_path(path).unwrap_or(Market::Spot))
    }

    fn checkup(&self, config: CheckupConfig) -> Option<Box<dyn Checkup>> {
        // A secret that can't sign was refused by the session before.
        crate::checkup::BinanceCheckup::new(config).ok().map(|checkup| Box::new(checkup) as Box<dyn Checkup>)
    }

    fn session(&self, config: SessionConfig) -> Result<Box<dyn VenueSession>, ConnectorError> {
        Ok(Box::new(BinanceSession::new(config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    #[test]
    fn each_market_has_its_link_its_hosts_and_its_fee() {
        let live = BinanceConnector.live_endpoints();
        for (text, shard, ws, fee) in [
            ("BTC/USDT", 0, "wss://stream.binance.com:9443/stream", 1_000_000),
            ("BTC/USDT:USDT", 1, "wss://fstream.binance.com/public/stream", 500_000),
            ("BTC/USD:BTC", 2, "wss://dstream.binance.com/stream", 500_000),
        ] {
            let link = BinanceConnector.public_link(&symbol(text));
            assert_eq!(link, LinkId { role: LinkRole::Public, shard });
            assert_eq!(BinanceConnector.link_url(&live, link), ws);
            assert_eq!(BinanceConnector.base_taker_fee(&symbol(text)).nano(), fee);
        }
        let urls: Vec<String> = BinanceConnector.rest_prefixes().iter().map(|p| BinanceConnector.rest_url(&live, p)).collect();
        assert_eq!(
            urls,
            ["https://api.binance.com", "https://fapi.binance.com", "https://dapi.binance.com", "https://api.binance.com"]
        );
        for role in [LinkRole::Private, LinkRole::OrderEntry] {
            let url = BinanceConnector.link_url(&live, LinkId { role, shard: 1 });
            assert_eq!(url, "wss://ws-api.binance.com:443/ws-api/v3");
        }
        assert_eq!(BinanceConnector.host_class("http://127.0.0.1:8080"), HostClass::Loopback);
        assert_eq!(BinanceConnector.host_class(&live.ws), HostClass::Live);
    }

    #[test]
    fn rules_are_asked_of_each_market_that_has_a_pair_and_without_keys() {
        let symbols = ["BTC/USDT", "ETH/BTC", "BTC/USD:BTC", "BTC/USD:ETH"].map(symbol);
        let requests = BinanceConnector.rules_requests(&symbols);
        let shown: Vec<String> = requests
            .iter()
            .map(|r| {
                assert_eq!(r.request.headers.len(), 1);
                format!("{}?{} {}", r.request.path, r.request.query, r.symbols.len())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22,%22ETHBTC%22%5D 2",
                "/dapi/v1/exchangeInfo? 1",
                "/api/v3/exchangeInfo?showPermissionSets=false 1",
            ]
        );
    }
}
