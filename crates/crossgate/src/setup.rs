//! From a configuration to sessions and tables: fetches every venue's rules, fixes the scales, builds the sessions.

use crate::config::schema::{Config, Identity};
use crate::config::{Loaded, effective};
use crate::earlier::Earlier;
use crate::exit::Failure;
use crate::registry;
use crate::say;
use crate::secrets::KeyPair;
use domain::{InstrumentRules, Symbol, Tables, VenueId};
use engine_core::EngineConfig;
use std::sync::Arc;
use std::time::Duration;
use venue::connector::RulesRequest;
use venue::rate_limit::{RETRY_AFTER_MAX_NS, retry_after_ns};
use venue::units::in_our_units;
use venue::{Alias, Aliases, Connector, ConnectorError, Endpoints, RawRules, SessionConfig, VenueSession, build_tables_over};
use venue_io::{HttpOutcome, Routes, TlsRoots, request_once};

/// How long one start-up request may take.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a start waits in all for a venue that says when it takes requests again: as long as any ban lasts. A start that gave up
/// would be started again, and requests during a ban prolong it (Binance spot API, limits).
const STARTUP_PATIENCE: Duration = Duration::from_nanos(RETRY_AFTER_MAX_NS);
/// Pages of one list of pairs that are read.
const RULES_PAGES_MAX: usize = 20;
/// Tries of one start-up read.
const STARTUP_TRIES: u32 = 3;
/// How the reason ends when rules can't be read: whom to ask. `doctor` itself leaves it out.
pub const SEE_DOCTOR: &str = "; check the host and the network with `crossgate doctor`";

/// One configured venue, ready to be connected.
pub struct VenueSetup {
    /// Configured id.
    pub id: String,
    /// Its connector.
    pub connector: &'static dyn Connector,
    /// Where it is.
    pub endpoints: Endpoints,
    /// Whom TLS trusts there.
    pub tls: TlsRoots,
    /// Keys, unless only public data is wanted.
    pub keys: Option<KeyPair>,
    /// Assets that it names or counts otherwise than we do.
    pub aliases: Aliases,
}

/// Everything a node is made of.
pub struct Setup {
    /// Venues, in order.
    pub venues: Vec<VenueSetup>,
    /// Names and scales.
    pub tables: Arc<Tables>,
    /// Each venue's rules.
    pub rules: Vec<InstrumentRules>,
    /// Engine settings.
    pub engine: EngineConfig,
}

/// The venues of a live configuration, with keys if wanted. Nothing is connected.
///
/// # Errors
/// Exit code 3 for a missing key, an unreadable authority file.
pub fn live_venues(loaded: &Loaded, with_keys: bool) -> Result<Vec<VenueSetup>, Failure> {
    let mut venues = Vec::new();
    for (index, venue) in loaded.config.venue.iter().enumerate() {
        let connector =
            registry::connector(&venue.kind).ok_or_else(|| Failure::config(format!("no exchange `{}`", venue.kind)))?;
        let endpoints = registry::endpoints(venue, connector);
        let tls = match &venue.ca_file {
            Some(path) => {
                let pem = std::fs::read(path).map_err(|e| {
                    Failure::from(loaded.error(&format!("venue[{index}].ca_file"), format!("can't read {path}: {e}")))
                })?;
                TlsRoots::with_extra_ca(&pem).map_err(|e| Failure::from(loaded.error(&format!("venue[{index}].ca_file"), e)))?
            }
            None => TlsRoots::bundled(),
        };
        let keys = if with_keys { Some(crate::secrets::key_pair(loaded, index)?) } else { None };
        let aliases = aliases(&loaded.config, &venue.id);
        venues.push(VenueSetup { id: venue.id.clone(), connector, endpoints, tls, keys, aliases });
    }
    if with_keys {
        crate::secrets::warn_of_environment(loaded);
    }
    Ok(venues)
}

/// The assets that a venue names or counts otherwise than `[[pair]]` does.
pub fn aliases(config: &Config, venue: &str) -> Aliases {
    aliases_in(&config.identity, venue)
}

/// The same, of these rows.
pub fn aliases_in(identity: &[Identity], venue: &str) -> Aliases {
    Aliases::new(identity.iter().filter(|one| one.venue == venue).map(|one| Alias {
        ours: one.asset.clone(),
        theirs: one.named.clone().unwrap_or_else(|| one.asset.clone()),
        // A checked configuration has powers of ten only; no scale has room for this one.
        tens: one.tens().unwrap_or(u8::MAX),
    }))
}

/// Fetches the rules and builds tables and settings.
///
/// # Errors
/// Exit code 1 when a venue can't be reached, 3 when a pair is not listed or does not fit, 4 when a venue refuses us.
pub async fn prepare(loaded: &Loaded, venues: Vec<VenueSetup>) -> Result<Setup, Failure> {
    let symbols = symbols(loaded)?;
    let mut listed = Vec::new();
    for venue in &venues {
        listed.push((venue.id.clone(), fetch_rules_of(loaded, venue, &symbols, None, STARTUP_PATIENCE).await?));
    }
    assemble(loaded, venues, &symbols, &listed)
}

/// As [`prepare`], over what the state log holds. Its scales stay; a pair of which something is open stays although a venue does not list
/// it any more, or the configuration does not name it, and so does an asset that was traded and is left. What is kept so opens nothing
/// ([`effective::engine_config`]), and is told.
///
/// # Errors
/// As [`prepare`]: a configured pair of which nothing is open must be listed everywhere. Exit code 3 as well when the configuration
/// has another name or unit for what is left, before a venue is asked for it, or nothing that values it.
pub async fn prepare_over(loaded: &Loaded, venues: Vec<VenueSetup>, earlier: &mut Earlier) -> Result<Setup, Failure> {
    earlier.check_identity(loaded)?;
    let logged = &mut earlier.logged;
    let configured = symbols(loaded)?;
    let open = logged.pairs_open();
    let mut wanted = configured.clone();
    wanted.extend(open.iter().filter(|symbol| !configured.contains(symbol)).cloned());
    let mut listed = Vec::new();
    for venue in &venues {
        let mut missing = Vec::new();
        let rules = fetch_rules_of(loaded, venue, &wanted, Some(&mut missing), STARTUP_PATIENCE).await?;
        if let Some(index) = configured.iter().position(|symbol| missing.contains(symbol) && !open.contains(symbol)) {
            return Err(not_listed(loaded, venue, index, &venue.aliases.told(&configured[index])));
        }
        for symbol in configured.iter().filter(|symbol| missing.contains(symbol)) {
            let told = venue.aliases.told(symbol);
            say::line(format_args!(
                "{told} is not listed on venue `{}` any more, and something of it is open: it is unwound where it can be",
                venue.id
            ));
        }
        listed.push((venue.id.clone(), rules));
    }
    // What a venue that is gone may still be asked for is given up by nobody: recovery refuses it by name.
    let all_asked = logged.tables().venues.iter().all(|id| venues.iter().any(|venue| venue.id == *id));
    wanted.retain(|symbol| {
        let is_listed = listed.iter().any(|(_, rules)| rules.iter().any(|one| one.symbol == *symbol));
        match (configured.contains(symbol), is_listed) {
            (true, true) => true,
            (true, false) => {
                say::line(format_args!(
                    "no venue lists {symbol} any more: take it out of the configuration to have what its deals left open for a balance"
                ));
                true
            }
            (false, false) if all_asked && logged.give_up(symbol) => {
                say::line(format_args!(
                    "{symbol} is not in the configuration and no venue lists it: what its deals left open is a balance from here on"
                ));
                false
            }
            (false, _) => {
                say::line(format_args!(
                    "{symbol} is not in the configuration, and something of it is open: it stays, and opens nothing, until that is settled"
                ));
                true
            }
        }
    });
    crate::earlier::check_worth(loaded, &wanted)?;
    let (tables, held) = (logged.tables(), logged.assets_held());
    crate::earlier::tell_unused(loaded, &wanted, &held);
    assemble_over(loaded, venues, &wanted, &listed, &held, &tables)
}

/// A pair that is left out on a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which pair.
    pub symbol: Symbol,
    /// Which venue.
    pub venue: String,
    /// Why, one clause.
    pub reason: String,
}

/// As [`prepare`], for those who only look: pairs that a venue does not list are left out there and told.
///
/// # Errors
/// Exit code 1 when a venue can't be reached, 3 when nothing is left to compare or a pair does not fit, 4 when a venue refuses us.
pub async fn prepare_listed(loaded: &Loaded, venues: Vec<VenueSetup>) -> Result<(Setup, Vec<Refused>), Failure> {
    let symbols = symbols(loaded)?;
    let (mut listed, mut refused) = (Vec::new(), Vec::new());
    for venue in &venues {
        let mut missing = Vec::new();
        let rules = fetch_rules_of(loaded, venue, &symbols, Some(&mut missing), STARTUP_PATIENCE).await?;
        let told = |symbol: Symbol| Refused { symbol, venue: venue.id.clone(), reason: "it is not listed there".into() };
        refused.extend(missing.into_iter().map(told));
        listed.push((venue.id.clone(), rules));
    }
    let count = |symbol: &Symbol| listed.iter().flat_map(|(_, rules)| rules).filter(|rules| rules.symbol == *symbol).count();
    let wanted: Vec<Symbol> = symbols.iter().filter(|symbol| count(symbol) >= 2).cloned().collect();
    if wanted.is_empty() {
        let names: Vec<&str> = venues.iter().map(|venue| venue.id.as_str()).collect();
        let what = format!("no [[pair]] is listed by two of {}; there is nothing to compare", names.join(", "));
        return Err(loaded.error("pair", what).into());
    }
    for (venue, rules) in &mut listed {
        let mut alone = Vec::new();
        rules.retain(|one| {
            wanted.contains(&one.symbol) || {
                alone.push(one.symbol.clone());
                false
            }
        });
        let told = |symbol| Refused { symbol, venue: venue.clone(), reason: "no other venue lists it".into() };
        refused.extend(alone.into_iter().map(told));
    }
    Ok((assemble(loaded, venues, &wanted, &listed)?, refused))
}

/// Tables and settings for these venues, the configured ones in their order, by rules that were read.
///
/// # Errors
/// Exit code 3 when a pair does not fit.
pub fn assemble(
    loaded: &Loaded,
    venues: Vec<VenueSetup>,
    symbols: &[Symbol],
    listed: &[(String, Vec<RawRules>)],
) -> Result<Setup, Failure> {
    assemble_over(loaded, venues, symbols, listed, &[], &Tables::default())
}

fn assemble_over(
    loaded: &Loaded,
    venues: Vec<VenueSetup>,
    symbols: &[Symbol],
    listed: &[(String, Vec<RawRules>)],
    assets_held: &[String],
    logged: &Tables,
) -> Result<Setup, Failure> {
    let mut more_assets: Vec<&str> = venues.iter().flat_map(|v| v.connector.fee_assets().iter().copied()).collect();
    more_assets.extend(assets_held.iter().map(String::as_str));
    let aliases: Vec<Aliases> = venues.iter().map(|venue| venue.aliases.clone()).collect();
    let (tables, rules) = build_tables_over(symbols, listed, &aliases, &more_assets, logged).map_err(Failure::config)?;
    let engine = effective::engine_config(&loaded.config, &tables);
    Ok(Setup { venues, tables: Arc::new(tables), rules, engine })
}

/// The configured pairs.
///
/// # Errors
/// Never for a checked configuration.
pub fn symbols(loaded: &Loaded) -> Result<Vec<Symbol>, Failure> {
    loaded.config.pair.iter().map(|p| Symbol::parse(&p.symbol).map_err(Failure::config)).collect()
}

/// One venue's rules of these pairs, by our names and in its decimals and units, as they are to be had now: a venue that takes no
/// requests for a while is an error.
///
/// # Errors
/// As [`prepare`].
pub async fn fetch_rules(loaded: &Loaded, venue: &VenueSetup, symbols: &[Symbol]) -> Result<Vec<RawRules>, Failure> {
    fetch_rules_of(loaded, venue, symbols, None, Duration::ZERO).await
}

/// The rules of these pairs, by our names and in the venue's units; the venue is asked by its own names. Pairs that it does not list
/// go to `missing`, or are an error without it. A venue that says when it takes requests again is waited for, `patience` in all.
async fn fetch_rules_of(
    loaded: &Loaded,
    venue: &VenueSetup,
    symbols: &[Symbol],
    mut missing: Option<&mut Vec<Symbol>>,
    mut patience: Duration,
) -> Result<Vec<RawRules>, Failure> {
    let mut rules = Vec::new();
    let symbols: &[Symbol] = &symbols.iter().map(|symbol| venue.aliases.to_venue(symbol)).collect::<Vec<_>>();
    let mut left = venue.connector.rules_requests(symbols);
    while let Some(asked) = left.pop() {
        let wanted = asked.symbols.clone();
        match fetch_rules_list(loaded, venue, symbols, asked, missing.as_deref_mut(), &mut patience).await? {
            Some(listed) => rules.extend(listed),
            // The venue does not say which pair it does not list: halves of them are asked for until it is found.
            None => {
                let (first, second) = wanted.split_at(wanted.len() / 2);
                left.extend([first, second].into_iter().flat_map(|half| venue.connector.rules_requests(half)));
            }
        }
    }
    let ours = |rules: RawRules| Some(RawRules { symbol: venue.aliases.to_ours(&rules.symbol)?, ..rules });
    Ok(rules.into_iter().filter_map(ours).collect())
}

/// The rules that one request is for, by the venue's names, page by page; `None` when the venue does not list all and does not say which it does.
async fn fetch_rules_list(
    loaded: &Loaded,
    venue: &VenueSetup,
    symbols: &[Symbol],
    asked: RulesRequest,
    mut missing: Option<&mut Vec<Symbol>>,
    patience: &mut Duration,
) -> Result<Option<Vec<RawRules>>, Failure> {
    let (mut rules, mut next) = (Vec::new(), Some(asked));
    for _ in 0..RULES_PAGES_MAX {
        let Some(asked) = next.take() else { return Ok(Some(rules)) };
        let Some((page, behind)) = fetch_rules_page(loaded, venue, symbols, asked, missing.as_deref_mut(), patience).await?
        else {
            return Ok(None);
        };
        rules.extend(page);
        next = behind;
    }
    let what = format!("venue `{}`: its list of pairs does not end after {RULES_PAGES_MAX} pages", venue.id);
    if next.is_some() { Err(Failure::failed(what)) } else { Ok(Some(rules)) }
}

/// One page of that, and the request for the next where some pairs are not on this one; `None` as above.
async fn fetch_rules_page(
    loaded: &Loaded,
    venue: &VenueSetup,
    symbols: &[Symbol],
    mut asked: RulesRequest,
    mut missing: Option<&mut Vec<Symbol>>,
    patience: &mut Duration,
) -> Result<Option<(Vec<RawRules>, Option<RulesRequest>)>, Failure> {
    let (mut last, mut attempt) = (String::new(), 0);
    while attempt < STARTUP_TRIES {
        if attempt > 0 {
            // A read may be repeated; a short growing pause spares the venue.
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
        }
        attempt += 1;
        let routes = Routes::of(venue.connector, &venue.endpoints);
        match request_once(routes, &venue.tls, asked.request.clone(), STARTUP_TIMEOUT).await {
            Err(error) => return Err(Failure::config(format!("venue `{}`: {error}", venue.id))),
            Ok(HttpOutcome::Failed(failure)) => last = format!("{failure:?}"),
            Ok(HttpOutcome::Http { status, headers, body }) => loop {
                let now = Some(venue_io::Clock::new().wall());
                let success = (200..300).contains(&status);
                let next = success.then(|| venue.connector.next_rules_page(&asked, &mut body.clone())).flatten();
                let here = match &next {
                    Some(next) => asked.symbols.iter().filter(|symbol| !next.symbols.contains(symbol)).cloned().collect(),
                    None => asked.symbols.clone(),
                };
                match venue.connector.decode_rules(status, &mut body.clone(), &here, now) {
                    Ok(rules) => return Ok(Some((rules, next))),
                    Err(ConnectorError::SomeUnlisted(some)) if some.len() > 1 => return Ok(None),
                    Err(ConnectorError::UnknownPair(symbol)) if missing.is_some() && asked.symbols.contains(&symbol) => {
                        asked.symbols.retain(|one| *one != symbol);
                        missing.iter_mut().for_each(|list| list.extend(venue.aliases.to_ours(&symbol)));
                    }
                    Err(ConnectorError::UnknownPair(symbol)) => {
                        let index = symbols.iter().position(|s| *s == symbol).unwrap_or_default();
                        let told =
                            venue.aliases.to_ours(&symbol).map_or_else(|| symbol.to_string(), |ours| venue.aliases.told(&ours));
                        return Err(not_listed(loaded, venue, index, &told));
                    }
                    Err(error @ ConnectorError::Refused { status: 401 | 403, .. }) => {
                        return Err(Failure::auth(format!("venue `{}`: {error}", venue.id)));
                    }
                    Err(error) => {
                        last = error.to_string();
                        if waited_out(venue, status, &headers, patience).await {
                            attempt = 0;
                        }
                        break;
                    }
                }
            },
        }
    }
    Err(Failure::failed(format!(
        "venue `{}`: its rules can't be read from {} ({last}){SEE_DOCTOR}",
        venue.id,
        venue.connector.rest_url(&venue.endpoints, &asked.request.path)
    )))
}

fn not_listed(loaded: &Loaded, venue: &VenueSetup, index: usize, told: &str) -> Failure {
    let what = format!("{told} is not listed on venue `{}`; remove it or correct its spelling", venue.id);
    loaded.error(&format!("pair[{index}].symbol"), what).into()
}

/// Whether a venue that refused us said when it takes requests again, and it was waited for; takes that off the patience.
async fn waited_out(venue: &VenueSetup, status: u16, headers: &[(String, String)], patience: &mut Duration) -> bool {
    // One that asks for nothing is asked again like any other that failed.
    let Some(asked) = retry_after_ns(headers).map(Duration::from_nanos).filter(|asked| !asked.is_zero()) else { return false };
    let Some(left) = patience.checked_sub(asked) else { return false };
    *patience = left;
    let seconds = asked.as_secs();
    crate::say::line(format_args!(
        "venue `{}` answers {status} and takes no requests for {seconds} s: waiting for that",
        venue.id
    ));
    tokio::time::sleep(asked).await;
    true
}

impl Setup {
    /// The sessions, in venue order.
    ///
    /// # Errors
    /// Exit code 3 for an option that a connector does not know, or a unit that has no room in the scales.
    pub fn sessions(&self, loaded: &Loaded) -> Result<Vec<Box<dyn VenueSession>>, Failure> {
        let mut sessions = Vec::new();
        for (index, venue) in self.venues.iter().enumerate() {
            let id = VenueId(index as u8);
            let pairs = self.rules.iter().filter(|r| r.venue == id).map(|r| r.pair).collect();
            let channel = loaded.config.venue.get(index).and_then(|v| v.book_channel.clone());
            let config = SessionConfig {
                venue: id,
                tables: tables_of(venue, &self.tables)?,
                pairs,
                key: venue.keys.as_ref().map(|k| k.key.clone()),
                secret: venue.keys.as_ref().map(|k| k.secret.clone()),
                book_channel: channel.unwrap_or_else(|| venue.connector.book_channels()[0].to_string()),
                options: loaded.config.venue.get(index).map(|v| v.options()).unwrap_or_default(),
                seed: loaded.config.seed.wrapping_add(index as u64),
            };
            let session = venue::redundant::session(venue.connector, config);
            let session = session.map_err(|e| Failure::config(format!("venue `{}`: {e}", venue.id)))?;
            sessions.push(in_our_units(session, &venue.aliases, &self.tables));
        }
        Ok(sessions)
    }
}

/// The tables as a venue names and counts things.
///
/// # Errors
/// Exit code 3 for a unit that has no room in the scales.
pub fn tables_of(venue: &VenueSetup, tables: &Arc<Tables>) -> Result<Arc<Tables>, Failure> {
    match venue.aliases.is_empty() {
        true => Ok(tables.clone()),
        false => Ok(Arc::new(venue.aliases.tables(tables).map_err(Failure::config)?)),
    }
}
