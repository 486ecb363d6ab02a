//! What start-up needs of Bybit: hosts, rules, a session factory. One kind for spot, linear and inverse perpetuals, told apart by
//! the symbol.

use crate::market::{Market, venue_name};
use crate::session::{BookChannel, BybitSession, link, market_of};
use crate::wire::payer::FEE_TOKEN;
use crate::{hosts, recorded, rules};
use domain::{LinkRole, Rate, Symbol, UnixNanos};
use venue::connector::{AssetKeys, RulesRequest, loopback_class};
use venue::identity::AssetListing;
use venue::{
    Checkup, CheckupConfig, Connector, ConnectorError, Endpoints, HostClass, HttpRequest, LinkId, Method, RawRules, Recorded,
    SessionConfig, VenueSession,
};

/// Taker fee of an account of the lowest tier on spot, in millionths.
const SPOT_TAKER_MILLIONTHS: i64 = 1000;
/// And on perpetuals: 5.5 basis points.
const PERPETUAL_TAKER_MILLIONTHS: i64 = 550;
/// Pairs of one market whose rules are asked for one by one; more are read from the list of that market.
const NAMED_REQUESTS_MAX: usize = 8;

/// Bybit spot, and the public side of linear and inverse perpetuals.
#[derive(Clone, Copy, Debug, Default)]
pub struct BybitConnector;

/// A public request.
pub(crate) fn get(path: &str, query: String) -> HttpRequest {
    let headers = vec![("Accept", "application/json".into())];
    HttpRequest { method: Method::Get, path: path.into(), query, headers, body: Vec::new() }
}

impl Connector for BybitConnector {
    fn kind(&self) -> &'static str {
        "bybit"
    }

    fn live_endpoints(&self) -> Endpoints {
        hosts::live()
    }

    fn testnet_endpoints(&self) -> Option<Endpoints> {
        Some(hosts::testnet())
    }

    fn private_ws_apart(&self, rest: &str, _ws: &str) -> Option<String> {
        hosts::private_ws_apart(rest).map(Into::into)
    }

    fn host_class(&self, url: &str) -> HostClass {
        loopback_class(url).unwrap_or_else(|| hosts::class(url))
    }

    fn default_key_env(&self) -> (&'static str, &'static str) {
        ("BYBIT_API_KEY", "BYBIT_API_SECRET")
    }

    /// The rules of all spot pairs; [`Connector::rules_requests`] asks for those that are wanted, on their markets.
    fn rules_request(&self) -> HttpRequest {
        rules::request(Market::Spot, None)
    }

    fn rules_requests(&self, symbols: &[Symbol]) -> Vec<RulesRequest> {
        let mut requests = Vec::new();
        for market in Market::ALL {
            let listed: Vec<Symbol> = symbols.iter().filter(|s| Market::of(s) == Some(market)).cloned().collect();
            if listed.len() > NAMED_REQUESTS_MAX {
                requests.push(RulesRequest { request: rules::request(market, None), symbols: listed });
                continue;
            }
            let named = |symbol: Symbol| {
                let name = venue_name(&symbol)?;
                Some(RulesRequest { request: rules::request(market, Some(&name)), symbols: vec![symbol] })
            };
            requests.extend(listed.into_iter().filter_map(named));
        }
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
        _now: Option<domain::UnixNanos>,
    ) -> Result<Vec<RawRules>, ConnectorError> {
        rules::decode(status, body, symbols)
    }

    fn next_rules_page(&self, asked: &RulesRequest, body: &mut [u8]) -> Option<RulesRequest> {
        rules::next_page(body, &asked.symbols).map(|(request, symbols)| RulesRequest { request, symbols })
    }

    fn has_order_link(&self, endpoints: &Endpoints) -> bool {
        hosts::has_order_link(&endpoints.private_ws)
    }

    fn fee_assets(&self) -> &'static [&'static str] {
        &[FEE_TOKEN]
    }

    fn book_channels(&self) -> &'static [&'static str] {
        BookChannel::NAMES
    }

    fn base_taker_fee(&self, symbol: &Symbol) -> Rate {
        let millionths = if symbol.is_spot() { SPOT_TAKER_MILLIONTHS } else { PERPETUAL_TAKER_MILLIONTHS };
        Rate::from_nano(millionths * 1000).unwrap_or_default()
    }

    fn recorded(&self, symbols: &[Symbol], path_and_query: Option<&str>, bytes: &[u8]) -> Option<Recorded> {
        recorded::recorded(symbols, path_and_query, bytes)
    }

    /// Whole books come over the stream: none is ever asked for.
    fn book_request_symbol(&self, _symbols: &[Symbol], _path_and_query: &str) -> Option<Symbol> {
        None
    }

    fn public_link(&self, symbol: &Symbol) -> LinkId {
        link(Market::of(symbol).unwrap_or(Market::Spot), 0, 0)
    }

    fn link_url(&self, endpoints: &Endpoints, link: LinkId) -> String {
        match link.role {
            LinkRole::Public => hosts::public(&endpoints.ws, market_of(link)),
            LinkRole::OrderEntry => hosts::order_entry(&endpoints.private_ws),
            LinkRole::Private | LinkRole::Rest => hosts::private(&endpoints.private_ws),
        }
    }

    fn checkup(&self, config: CheckupConfig) -> Option<Box<dyn Checkup>> {
        Some(Box::new(crate::checkup::BybitCheckup::new(config)))
    }

    fn asset_requests(&self, assets: &[String], keys: Option<&AssetKeys<'_>>, wall: UnixNanos) -> Vec<HttpRequest> {
        crate::assets::requests(assets, keys, wall)
    }

    fn decode_assets(&self, status: u16, body: &mut [u8], assets: &[String]) -> Result<Vec<AssetListing>, ConnectorError> {
        crate::assets::decode(status, body, assets)
    }

    fn session(&self, config: SessionConfig) -> Result<Box<dyn VenueSession>, ConnectorError> {
        Ok(Box::new(BybitSession::new(config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    #[test]
    fn each_market_has_its_link_its_path_and_its_fee() {
        let live = BybitConnector.live_endpoints();
        for (text, shard, ws, fee) in [
            ("BTC/USDT", 0, "wss://stream.bybit.com/v5/public/spot", 1_000_000),
            ("BTC/USDT:USDT", 1, "wss://stream.bybit.com/v5/public/linear", 550_000),
            ("BTC/USD:BTC", 2, "wss://stream.bybit.com/v5/public/inverse", 550_000),
        ] {
            let link = BybitConnector.public_link(&symbol(text));
            assert_eq!(link, LinkId { role: LinkRole::Public, shard });
            assert_eq!(BybitConnector.link_url(&live, link), ws);
            assert_eq!(BybitConnector.base_taker_fee(&symbol(text)).nano(), fee);
        }
        let order = LinkId { role: LinkRole::OrderEntry, shard: 0 };
        assert_eq!(BybitConnector.link_url(&live, order), "wss://stream.bybit.com/v5/trade");
        assert_eq!(BybitConnector.rest_url(&live, rules::PATH), "https://api.bybit.com");
        assert_eq!(BybitConnector.host_class("http://127.0.0.1:8080"), HostClass::Loopback);
        assert_eq!(BybitConnector.host_class(&live.ws), HostClass::Live);
    }

    #[test]
    fn rules_are_asked_of_each_market_that_has_a_pair_and_without_keys() {
        let asked = |symbols: &[Symbol]| -> Vec<String> {
            let requests = BybitConnector.rules_requests(symbols);
            let shown = requests.iter().map(|r| {
                assert_eq!(r.request.headers.len(), 1);
                format!("{}?{} {}", r.request.path, r.request.query, r.symbols.len())
            });
            shown.collect()
        };
        assert_eq!(
            asked(&["BTC/USDT", "BTC/USDC:USDC", "BTC/USD:ETH"].map(symbol)),
            [
                "/v5/market/instruments-info?category=spot&symbol=BTCUSDT 1",
                "/v5/market/instruments-info?category=linear&symbol=BTCPERP 1",
                "/v5/market/instruments-info?category=spot 1",
            ]
        );
        let many: Vec<Symbol> =
            (0..9).flat_map(|n| [symbol(&format!("A{n}/USDT")), symbol(&format!("A{n}/USDT:USDT"))]).collect();
        assert_eq!(
            asked(&many),
            ["/v5/market/instruments-info?category=spot 9", "/v5/market/instruments-info?category=linear&limit=1000 9"]
        );
    }
}
