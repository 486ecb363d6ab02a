//! Which routes are ruled out because an asset is not known to be the same on both venues, or can't be moved between them.
//!
//! Everything is asked once, at start: what venues publish of chains and contracts changes rarely, and a run that changes its mind about
//! what a token is would be harder to trust than one that is restarted. What is ruled out becomes `[[veto]]` rows of the effective
//! configuration, so that the run's log holds them and a replay decides alike.

use crate::config::Loaded;
use crate::config::real_money::on_live_hosts;
use crate::config::schema::{Mode, Veto};
use crate::exit::Failure;
use crate::setup::{VenueSetup, symbols};
use domain::Symbol;
use venue::connector::AssetKeys;
use venue::identity::{Attested, Identities, Identity};
use venue_io::{HttpOutcome, request_once};

/// How long one question may take.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// A venue that did not tell of all its assets.
pub struct Untold {
    /// Which venue.
    pub venue: String,
    /// Why, one clause.
    pub why: String,
    /// Nobody answered: another time it may tell.
    pub unanswered: bool,
}

/// What venues publish of the configured assets, and those that did not tell of all, each with the first reason.
pub async fn ask(loaded: &Loaded, venues: &[VenueSetup]) -> Result<(Identities, Vec<Untold>), Failure> {
    let attested = loaded.config.identity.iter().map(|one| Attested {
        asset: one.asset.clone(),
        venue: one.venue.clone(),
        named: one.named.clone().unwrap_or_else(|| one.asset.clone()),
        multiplier: one.multiplier,
    });
    let mut known = Identities::new(attested);
    let assets = configured_assets(loaded)?;
    let mut untold = Vec::new();
    for venue in venues {
        if let Err((why, unanswered)) = ask_venue(&mut known, venue, &assets).await {
            untold.push(Untold { venue: venue.id.clone(), why, unanswered });
        }
    }
    Ok((known, untold))
}

/// # Errors
/// Why it told nothing, and whether that was because nobody answered.
async fn ask_venue(known: &mut Identities, venue: &VenueSetup, assets: &[String]) -> Result<(), (String, bool)> {
    let named: Vec<String> = assets.iter().map(|asset| known.name_on(&venue.id, asset).to_string()).collect();
    let keys = venue.keys.as_ref().map(|keys| AssetKeys { key: &keys.key, secret: &keys.secret });
    let requests = venue.connector.asset_requests(&named, keys.as_ref(), venue_io::Clock::new().wall());
    if requests.is_empty() {
        let why = if venue.keys.is_some() { "it publishes no chains" } else { "it tells chains to keys only" };
        return Err((why.into(), false));
    }
    // One asset that a venue does not know says nothing about the others.
    let mut refused = None;
    for request in requests {
        let mut endpoints = venue.endpoints.clone();
        endpoints.rest = venue.connector.rest_url(&venue.endpoints, &request.path);
        let told = match request_once(&endpoints, &venue.tls, request, TIMEOUT).await {
            Err(error) => Err((error.to_string(), true)),
            Ok(HttpOutcome::Failed(failure)) => Err((format!("no answer from {} ({failure:?})", endpoints.rest), true)),
            Ok(HttpOutcome::Http { status, mut body, .. }) => {
                venue.connector.decode_assets(status, &mut body, &named).map_err(|error| (error.to_string(), false))
            }
        };
        match told {
            Ok(listings) => {
                for listing in listings {
                    if let Some(index) = named.iter().position(|name| *name == listing.asset) {
                        known.publish(&venue.id, &assets[index], listing);
                    }
                }
            }
            Err(why) => {
                let unanswered = why.1;
                refused = refused.or(Some(why));
                if unanswered {
                    break;
                }
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Asks the venues where the configuration or its hosts want it, and adds the routes that are ruled out to `[[veto]]`. Returns what to
/// tell people.
///
/// # Errors
/// When no route is left: exit code 1 where a venue did not answer, else 3.
pub async fn rule_out(loaded: &mut Loaded, venues: &[VenueSetup]) -> Result<Vec<String>, Failure> {
    let strategy = &loaded.config.strategy;
    let identity = strategy.identity_required || on_live_hosts(loaded);
    let transfers = strategy.transfers_required;
    if !(identity || transfers) || loaded.config.mode == Mode::Paper {
        return Ok(Vec::new());
    }
    let (known, untold) = ask(loaded, venues).await?;
    let ids: Vec<&str> = venues.iter().map(|venue| venue.id.as_str()).collect();
    // Two accounts of one exchange hold the same assets by definition.
    let same_exchange = |one: &str, other: &str| {
        let kind = |id: &str| venues.iter().find(|venue| venue.id == id).map(|venue| venue.connector.kind());
        kind(one) == kind(other)
    };
    let mut ruled = Vec::new();
    let wanted = symbols(loaded)?;
    for symbol in &wanted {
        for buy in &ids {
            for sell in ids.iter().filter(|sell| *sell != buy) {
                let differs = (identity && !same_exchange(buy, sell)).then(|| not_same(&known, symbol, buy, sell)).flatten();
                let stuck = || transfers.then(|| not_movable(&known, symbol, buy, sell)).flatten();
                if let Some(reason) = differs.or_else(stuck) {
                    ruled.push(Veto { symbol: symbol.to_string(), buy: (*buy).into(), sell: (*sell).into(), reason });
                }
            }
        }
    }
    let silent = untold.iter().find(|one| one.unanswered);
    let mut lines: Vec<String> =
        untold.iter().map(|one| format!("{} does not tell of all its assets: {}", one.venue, one.why)).collect();
    lines.extend(
        ruled.iter().map(|veto| format!("not traded: {} from {} to {}: {}", veto.symbol, veto.buy, veto.sell, veto.reason)),
    );
    if ruled.len() == wanted.len() * ids.len() * ids.len().saturating_sub(1) {
        if let Some(Untold { venue, why, .. }) = silent {
            let what = "and without them no route is left to trade; check the host and the network with `crossgate doctor`";
            return Err(Failure::failed(format!("venue `{venue}`: its assets can't be read: {why}, {what}")));
        }
        let first = ruled.first().map(|veto| veto.reason.clone()).unwrap_or_default();
        let what = format!(
            "no route is left to trade ({first}); check the assets and attest them with [[identity]], or see `crossgate doctor`"
        );
        return Err(loaded.error("pair", what).into());
    }
    loaded.config.veto.extend(ruled);
    Ok(lines)
}

/// What `doctor` shows.
pub struct Findings {
    /// Assets that are the same on every two venues that differ in exchange.
    pub same: usize,
    /// Those that are not known to be, one clause each.
    pub differing: Vec<String>,
    /// For every venue that told: what is closed there, one clause each.
    pub closed: Vec<(String, Vec<String>)>,
}

/// Judges every configured asset between every two venues.
///
/// # Errors
/// Never for a checked configuration.
pub fn findings(loaded: &Loaded, venues: &[VenueSetup], known: &Identities) -> Result<Findings, Failure> {
    let assets = configured_assets(loaded)?;
    let (mut same, mut differing) = (0, Vec::new());
    for asset in &assets {
        let mut holds = true;
        for (index, one) in venues.iter().enumerate() {
            for other in venues.iter().skip(index + 1).filter(|other| other.connector.kind() != one.connector.kind()) {
                let judged = known.judge(asset, &one.id, &other.id);
                if !judged.holds() {
                    holds = false;
                    differing.push(format!("{asset} between {} and {}: {}", one.id, other.id, judged.text()));
                }
            }
        }
        same += usize::from(holds);
    }
    let told = venues.iter().filter(|venue| assets.iter().any(|asset| known.listing(&venue.id, asset).is_some()));
    let closed = told.map(|venue| {
        let listings = assets.iter().filter_map(|asset| Some((asset, known.listing(&venue.id, asset)?)));
        let shut = listings.flat_map(|(asset, listing)| {
            let deposits = (!listing.can_deposit()).then(|| format!("deposits of {asset} are closed"));
            deposits.into_iter().chain((!listing.can_withdraw()).then(|| format!("withdrawals of {asset} are closed")))
        });
        (venue.id.clone(), shut.collect())
    });
    Ok(Findings { same, differing, closed: closed.collect() })
}

/// Every asset of the configured pairs, once.
fn configured_assets(loaded: &Loaded) -> Result<Vec<String>, Failure> {
    let mut assets: Vec<String> = symbols(loaded)?.into_iter().flat_map(|symbol| [symbol.base, symbol.quote]).collect();
    assets.sort();
    assets.dedup();
    Ok(assets)
}

/// Why a pair is not known to be the same on both venues.
fn not_same(known: &Identities, symbol: &Symbol, one: &str, other: &str) -> Option<String> {
    let judge = |asset: &str| Some((asset.to_string(), known.judge(asset, one, other))).filter(|(_, judged)| !judged.holds());
    let (asset, judged): (String, Identity) = judge(&symbol.base).or_else(|| judge(&symbol.quote))?;
    Some(format!("{asset} is not known to be the same on both: {}", judged.text()))
}

/// Why what a route gathers can't be moved back: base piles up where it is bought, quote where it is sold.
fn not_movable(known: &Identities, symbol: &Symbol, buy: &str, sell: &str) -> Option<String> {
    let listed = |venue: &str, asset: &str| known.listing(venue, asset).cloned().unwrap_or_default();
    let steps =
        [(buy, &symbol.base, false), (sell, &symbol.base, true), (sell, &symbol.quote, false), (buy, &symbol.quote, true)];
    steps.into_iter().find_map(|(venue, asset, deposit)| {
        let listing = listed(venue, asset);
        let open = if deposit { listing.can_deposit() } else { listing.can_withdraw() };
        let what = if deposit { "deposits" } else { "withdrawals" };
        (!open).then(|| format!("{what} of {asset} are not open on {venue}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use venue::identity::{AssetListing, Network};

    fn known(rows: &[(&str, &str, &str, bool, bool)]) -> Identities {
        let mut known = Identities::default();
        for (venue, asset, contract, can_deposit, can_withdraw) in rows {
            let contract = (!contract.is_empty()).then(|| (*contract).to_string());
            let chain = if contract.is_some() { "ETH" } else { asset };
            let network = Network { chain: (*chain).into(), contract, can_deposit: *can_deposit, can_withdraw: *can_withdraw };
            known.publish(venue, asset, AssetListing { asset: (*asset).into(), denomination: 1, networks: vec![network] });
        }
        known
    }

    #[test]
    fn both_assets_must_be_the_same() {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        let rows = [("a", "BTC", "", true, true), ("b", "BTC", "", true, true), ("a", "USDT", "0x1", true, true)];
        let same = [("b", "USDT", "0x1", true, true)];
        let other = [("b", "USDT", "0x2", true, true)];
        assert_eq!(not_same(&known(&[&rows[..], &same].concat()), &symbol, "a", "b"), None);
        let reason = not_same(&known(&[&rows[..], &other].concat()), &symbol, "a", "b").unwrap();
        assert_eq!(reason, "USDT is not known to be the same on both: different contracts on ETH: 0x1 and 0x2");
        let untold = not_same(&known(&rows), &symbol, "a", "b").unwrap();
        assert!(untold.ends_with("b publishes no chains of USDT"), "{untold}");
    }

    #[test]
    fn what_a_route_gathers_must_be_movable_back() {
        let symbol = Symbol::parse("BTC/USDT").unwrap();
        let judged = |base_out: bool, base_in: bool, quote_out: bool, quote_in: bool| {
            let rows = [
                ("a", "BTC", "", false, base_out),
                ("b", "BTC", "", base_in, false),
                ("b", "USDT", "0x1", false, quote_out),
                ("a", "USDT", "0x1", quote_in, false),
            ];
            not_movable(&known(&rows), &symbol, "a", "b")
        };
        assert_eq!(judged(true, true, true, true), None);
        assert_eq!(judged(false, true, true, true).as_deref(), Some("withdrawals of BTC are not open on a"));
        assert_eq!(judged(true, false, true, true).as_deref(), Some("deposits of BTC are not open on b"));
        assert_eq!(judged(true, true, false, true).as_deref(), Some("withdrawals of USDT are not open on b"));
        assert_eq!(judged(true, true, true, false).as_deref(), Some("deposits of USDT are not open on a"));
    }
}
