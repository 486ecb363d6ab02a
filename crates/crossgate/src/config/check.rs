//! Checks that types can't make. Each failure is one sentence that names the key and the remedy.

use super::load::{ConfigError, Loaded};
use super::schema::{Mode, OrderWay, Venue};
use super::units::Span;
use crate::registry;
use domain::time::{MILLI, SECOND};
use domain::{Rate, Symbol};
use venue::connector::{host_of, loopback_class};
use venue::{Connector, HostClass};

/// Times that venues take for their dead-man switches, nanoseconds (Gate: at least 5 s).
const DEAD_MAN_NS: std::ops::RangeInclusive<u64> = 5_000_000_000..=600_000_000_000;
/// A smaller cap would remove market logs faster than they are of use.
const MARKET_LOG_BYTES_LEAST: u64 = 1 << 20;

/// Checks everything that can be checked without a connection.
///
/// # Errors
/// The first failure.
pub fn check(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    if config.instance >= domain::ids::INSTANCE_LIMIT {
        return Err(
            loaded.error("instance", format!("{} is too large; use 0 to {}", config.instance, domain::ids::INSTANCE_LIMIT - 1))
        );
    }
    if config.state.dir.is_empty() {
        return Err(loaded.error("state.dir", "is empty; name a directory"));
    }
    if config.state.market_log_bytes_max.0 < MARKET_LOG_BYTES_LEAST {
        let what = format!("{} keeps no run replayable; use at least 1MiB", config.state.market_log_bytes_max);
        return Err(loaded.error("state.market_log_bytes_max", what));
    }
    if !config.ops.listen.is_empty() && config.ops.listen.parse::<std::net::SocketAddr>().is_err() {
        return Err(
            loaded.error("ops.listen", format!("`{}` is no address and port; write \"127.0.0.1:9464\"", config.ops.listen))
        );
    }
    check_pairs(loaded)?;
    check_venues(loaded)?;
    check_assets(loaded)?;
    if config.mode != Mode::Sim && config.risk.is_none() {
        let what = format!(
            "every limit is required in mode `{}`; add a [risk] section (configs/testnet.toml shows one)",
            config.mode.as_str()
        );
        return Err(loaded.error("risk", what));
    }
    if config.mode != Mode::Sim && config.risk.as_ref().is_some_and(|risk| risk.orders_per_second_max.is_none()) {
        let what = format!(
            "is required in mode `{}`, as every limit is; say how many orders may be sent within a second",
            config.mode.as_str()
        );
        return Err(loaded.error("risk.orders_per_second_max", what));
    }
    check_variable(loaded, "ops.token_env", Some(&config.ops.token_env))?;
    check_paper(loaded)?;
    check_risk(loaded)?;
    check_execution(loaded)?;
    super::real_money::check(loaded)?;
    check_floors(loaded)
}

/// A floor that names nothing would protect nothing.
fn check_floors(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let symbols: Vec<Symbol> = config.pair.iter().filter_map(|p| Symbol::parse(&p.symbol).ok()).collect();
    for (index, floor) in config.risk.iter().flat_map(|r| r.floor.iter().enumerate()) {
        let path = |key: &str| format!("risk.floor[{index}].{key}");
        let Some(venue) = config.venue.iter().find(|v| v.id == floor.venue) else {
            return Err(loaded.error(&path("venue"), format!("no venue `{}` is configured", floor.venue)));
        };
        let fee_assets = registry::connector(&venue.kind).map(|connector| connector.fee_assets()).unwrap_or_default();
        let traded = symbols.iter().any(|s| s.base == floor.asset || s.quote == floor.asset);
        if !traded && !fee_assets.iter().any(|token| **token == floor.asset) {
            let what = format!(
                "neither a configured pair nor a fee on `{}` uses `{}`; remove it or correct it",
                floor.venue, floor.asset
            );
            return Err(loaded.error(&path("asset"), what));
        }
        // The engine would hold to one of them alone.
        let earlier = config.risk.iter().flat_map(|r| &r.floor).take(index);
        if earlier.into_iter().any(|one| (&one.venue, &one.asset) == (&floor.venue, &floor.asset)) {
            return Err(
                loaded.error(&path("asset"), format!("`{}` on `{}` has a floor already; keep one", floor.asset, floor.venue))
            );
        }
    }
    Ok(())
}

fn check_assets(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let symbols: Vec<Symbol> = config.pair.iter().filter_map(|p| Symbol::parse(&p.symbol).ok()).collect();
    let is_venue = |id: &String| config.venue.iter().any(|v| v.id == *id);
    for (index, identity) in config.identity.iter().enumerate() {
        let path = |key: &str| format!("identity[{index}].{key}");
        if !is_venue(&identity.venue) {
            return Err(loaded.error(&path("venue"), format!("no venue `{}` is configured", identity.venue)));
        }
        if !is_name(&identity.asset) {
            let what = format!("`{}` is no name of an asset; use 1 to 32 of [A-Z0-9]", identity.asset);
            return Err(loaded.error(&path("asset"), what));
        }
        if identity.multiplier == 0 {
            return Err(loaded.error(&path("multiplier"), "must be above zero; 1 for the same unit"));
        }
        if config.identity[..index].iter().any(|one| (&one.venue, &one.asset) == (&identity.venue, &identity.asset)) {
            return Err(loaded.error(&path("asset"), format!("`{}` on `{}` stands twice", identity.asset, identity.venue)));
        }
    }
    check_units(loaded, &symbols)?;
    check_aliases(loaded, &symbols)?;
    for (index, veto) in config.veto.iter().enumerate() {
        let path = |key: &str| format!("veto[{index}].{key}");
        if !symbols.iter().any(|s| Ok(s) == Symbol::parse(&veto.symbol).as_ref()) {
            return Err(loaded.error(&path("symbol"), format!("no pair `{}` is configured", veto.symbol)));
        }
        for (key, id) in [("buy", &veto.buy), ("sell", &veto.sell)] {
            if !is_venue(id) {
                return Err(loaded.error(&path(key), format!("no venue `{id}` is configured")));
            }
        }
    }
    Ok(())
}

/// What is right and may be a mistake all the same, one sentence each: an asset that no configured pair uses counts only for what
/// an earlier run left of it.
pub fn notes(loaded: &Loaded) -> Vec<String> {
    let symbols: Vec<Symbol> = loaded.config.pair.iter().filter_map(|p| Symbol::parse(&p.symbol).ok()).collect();
    let rows = loaded.config.identity.iter().enumerate();
    let unused = rows.filter(|(_, one)| !symbols.iter().any(|s| s.base == one.asset || s.quote == one.asset));
    let note = |(index, one): (usize, &super::schema::Identity)| {
        let what = format!(
            "no configured pair uses `{}`: this holds for what an earlier run left of it; once nothing is left, remove it",
            one.asset
        );
        loaded.error(&format!("identity[{index}].asset"), what).to_string()
    };
    unused.map(note).collect()
}

fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Units are powers of ten of a spot pair's base: then the same counts hold there, and values in quote stay as they are.
fn check_units(loaded: &Loaded, symbols: &[Symbol]) -> Result<(), ConfigError> {
    let config = &loaded.config;
    for (index, identity) in config.identity.iter().enumerate().filter(|(_, identity)| identity.multiplier != 1) {
        let asset = &identity.asset;
        let refuse = |what: String| Err(loaded.error(&format!("identity[{index}].multiplier"), what));
        if identity.tens().is_none() {
            return refuse(format!(
                "{} is no power of ten; use 1, 10, 100 and so on: units are converted by moving the decimal point, never by rounding",
                identity.multiplier
            ));
        }
        if let Some(pair) = symbols.iter().find(|s| s.quote == *asset) {
            return refuse(format!("{pair} is quoted in {asset}, and only what is bought and sold has another unit; remove it"));
        }
    }
    Ok(())
}

/// A venue's name must lead to one asset.
fn check_aliases(loaded: &Loaded, symbols: &[Symbol]) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let traded = || symbols.iter().flat_map(|symbol| [symbol.base.as_str(), symbol.quote.as_str()]);
    for (index, identity) in config.identity.iter().enumerate() {
        let named = identity.named.as_ref().unwrap_or(&identity.asset);
        if *named == identity.asset && identity.multiplier == 1 {
            continue;
        }
        let (venue, asset) = (&identity.venue, &identity.asset);
        let key = if identity.named.is_some() { "named" } else { "multiplier" };
        let refuse = |what: String| Err(loaded.error(&format!("identity[{index}].{key}"), what));
        if !is_name(named) {
            return refuse(format!("`{named}` is no name of an asset; use 1 to 32 of [A-Z0-9]"));
        }
        let kind = config.venue.iter().find(|one| one.id == *venue).and_then(|one| registry::connector(&one.kind));
        let fee_assets = kind.map(|connector| connector.fee_assets()).unwrap_or_default();
        if let Some(token) = fee_assets.iter().find(|token| **token == asset || **token == named) {
            return refuse(format!(
                "`{token}` pays fees on `{venue}` and has no other name or unit there; remove this [[identity]]"
            ));
        }
        // What others are called there: by their own rows, else as everywhere.
        let called = |other: &str| {
            let own = config.identity.iter().find(|one| one.venue == *venue && one.asset == other);
            own.and_then(|one| one.named.clone()).unwrap_or_else(|| other.to_string())
        };
        // An earlier run may have left some of those that no pair uses.
        let left = config.identity.iter().filter(|one| one.venue == *venue).map(|one| one.asset.as_str());
        if let Some(other) = traded().chain(left).find(|other| other != asset && called(other) == *named) {
            return refuse(format!(
                "`{named}` on `{venue}` can't be both {asset} and {other}: say what {other} is called there, or remove one of them"
            ));
        }
    }
    Ok(())
}

fn check_paper(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    for (index, balance) in config.paper.balance.iter().enumerate() {
        let path = |key: &str| format!("paper.balance[{index}].{key}");
        if !config.venue.iter().any(|v| v.id == balance.venue) {
            return Err(loaded.error(&path("venue"), format!("no venue `{}` is configured", balance.venue)));
        }
        let used = config.pair.iter().filter_map(|p| Symbol::parse(&p.symbol).ok());
        if !used.into_iter().any(|s| s.base == balance.asset || s.quote == balance.asset) {
            return Err(
                loaded.error(&path("asset"), format!("no configured pair uses `{}`; remove it or correct it", balance.asset))
            );
        }
    }
    Ok(())
}

/// Times and caps of `[execution]` with which the engine could not do what it promises.
fn check_execution(loaded: &Loaded) -> Result<(), ConfigError> {
    let execution = &loaded.config.execution;
    let least = [
        ("order_expiry", execution.order_expiry, 10 * MILLI, "an order needs that long to reach a venue"),
        ("reply_timeout", execution.reply_timeout, 100 * MILLI, "an order needs that long to be answered"),
        ("hedge_pause", execution.hedge_pause, 10 * MILLI, "a hedge needs that long to be answered"),
        ("unhedged_time_max", execution.unhedged_time_max, 100 * MILLI, "a leg needs that long to be hedged"),
        ("reconcile_every", execution.reconcile_every, SECOND, "comparing uses up the venue's limits"),
        ("history_kept", execution.history_kept, 120 * SECOND, "lists of trades overlap by a minute and may lag as long"),
        (
            "visibility_window",
            execution.visibility_window,
            visibility_min(loaded.config.mode),
            "a venue may hide a new order for 10s",
        ),
    ];
    for (key, value, min, why) in least {
        if value.0 < min {
            let what = format!("{value} is too short: {why}; use \"{}\" or more", Span(min));
            return Err(loaded.error(&format!("execution.{key}"), what));
        }
    }
    let flatten = execution.flatten_cap_bps.0;
    if flatten < execution.complete_cap_bps.0 || flatten < execution.reverse_cap_bps.0 {
        let what = "it bounds every hedge, and must not be below complete_cap_bps or reverse_cap_bps";
        return Err(loaded.error("execution.flatten_cap_bps", what));
    }
    if flatten <= Rate::ZERO {
        let what =
            "every hedge pays the venue's fee at least, so that none could leave; use what the last one may cost, like \"100\"";
        return Err(loaded.error("execution.flatten_cap_bps", what));
    }
    let allowance = loaded.config.strategy.latency_allowance_bps.0;
    if allowance < Rate::ZERO {
        return Err(loaded
            .error("strategy.latency_allowance_bps", "it is a cost, and below zero it would be a profit; use \"0\" or more"));
    }
    let dead_man = execution.dead_man;
    if dead_man.0 != 0 && !(DEAD_MAN_NS.contains(&dead_man.0)) {
        return Err(loaded.error(
            "execution.dead_man",
            format!("{dead_man} is out of range; use \"5s\" to \"10m\", or \"0s\" for no dead-man switch"),
        ));
    }
    Ok(())
}

/// A simulated venue shows orders as soon as it is told to.
const fn visibility_min(mode: Mode) -> u64 {
    match mode {
        Mode::Sim => 0,
        Mode::Paper | Mode::Live => 10 * SECOND,
    }
}

fn check_risk(loaded: &Loaded) -> Result<(), ConfigError> {
    let risk = loaded.config.risk.clone().unwrap_or_else(super::effective::default_risk);
    let limits = super::effective::limits(&risk).validate();
    if let Err(error) = limits.and_then(|()| super::effective::controls(&risk).validate()) {
        return Err(loaded.error(&format!("risk.{}", error.field()), error));
    }
    let symbols: Vec<Symbol> = loaded.config.pair.iter().filter_map(|p| Symbol::parse(&p.symbol).ok()).collect();
    for (index, limit) in risk.order_qty.iter().enumerate() {
        let path = |key: &str| format!("risk.order_qty[{index}].{key}");
        if !symbols.iter().any(|s| Ok(s) == Symbol::parse(&limit.symbol).as_ref()) {
            return Err(loaded.error(&path("symbol"), format!("no pair `{}` is configured", limit.symbol)));
        }
        if limit.max.0.is_zero() {
            return Err(loaded.error(&path("max"), "must be above zero"));
        }
        if risk.order_qty[..index].iter().any(|one| Symbol::parse(&one.symbol) == Symbol::parse(&limit.symbol)) {
            return Err(loaded.error(&path("symbol"), format!("`{}` has a largest quantity already; keep one", limit.symbol)));
        }
    }
    check_reference(loaded, risk.reference.as_deref(), &symbols)
}

/// Every quote must be worth something in the reference by one configured pair, or its pairs could never be traded.
fn check_reference(loaded: &Loaded, reference: Option<&str>, symbols: &[Symbol]) -> Result<(), ConfigError> {
    if let Some(reference) = reference
        && !symbols.is_empty()
        && !symbols.iter().any(|s| s.base == reference || s.quote == reference)
    {
        return Err(loaded.error("risk.reference", format!("no configured pair uses `{reference}`; name one of their quotes")));
    }
    let (Some(first), Some(pair)) = (symbols.first(), unvalued(reference, symbols)) else { return Ok(()) };
    let what = match reference {
        Some(reference) => {
            format!("nothing values {pair} in {reference}: configure {}/{reference} or remove the pair", pair.quote)
        }
        None => format!(
            "is required, since pairs quote in {} and in {}: name the asset in which the limits are stated",
            first.quote, pair.quote
        ),
    };
    Err(loaded.error("risk.reference", what))
}

/// The first of these pairs whose quote none of them values in the reference; without one in their first quote, which has to be the
/// only one.
pub fn unvalued<'s>(reference: Option<&str>, symbols: &'s [Symbol]) -> Option<&'s Symbol> {
    let first = symbols.first()?;
    let valued = |asset: &str| match reference {
        None => asset == first.quote,
        Some(reference) => {
            let joins = |s: &Symbol| (s.base == asset && s.quote == reference) || (s.base == reference && s.quote == asset);
            asset == reference || symbols.iter().any(joins)
        }
    };
    symbols.iter().find(|s| !valued(&s.quote))
}

fn check_pairs(loaded: &Loaded) -> Result<(), ConfigError> {
    let pairs = &loaded.config.pair;
    if pairs.is_empty() {
        return Err(loaded.error("pair", "no pair is configured; add [[pair]] with a symbol"));
    }
    let mut seen: Vec<Symbol> = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let path = format!("pair[{index}].symbol");
        let symbol = Symbol::parse(&pair.symbol).map_err(|e| loaded.error(&path, e))?;
        if !symbol.is_spot() {
            return Err(loaded.error(&path, format!("{symbol} is a derivative; only spot pairs are traded")));
        }
        if seen.contains(&symbol) {
            return Err(loaded.error(&path, format!("{symbol} is used twice; remove one")));
        }
        seen.push(symbol);
    }
    Ok(())
}

fn check_venues(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    if config.venue.is_empty() {
        return Err(loaded.error("venue", "no venue is configured; add [[venue]] with id and kind"));
    }
    for (index, venue) in config.venue.iter().enumerate() {
        let path = |key: &str| format!("venue[{index}].{key}");
        let id_ok = (1..=32).contains(&venue.id.len())
            && venue.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_ok {
            return Err(loaded.error(&path("id"), format!("`{}` is no id; use 1 to 32 of [a-z0-9-]", venue.id)));
        }
        if config.venue.iter().take(index).any(|v| v.id == venue.id) {
            return Err(loaded.error(&path("id"), format!("`{}` is used twice; give each venue its own id", venue.id)));
        }
        let Some(connector) = registry::connector(&venue.kind) else {
            return Err(
                loaded.error(&path("kind"), format!("no exchange `{}`; known: {}", venue.kind, registry::kinds().join(", ")))
            );
        };
        if let Some(channel) = &venue.book_channel
            && !connector.book_channels().contains(&channel.as_str())
        {
            let known = connector.book_channels().join(", ");
            return Err(
                loaded.error(&path("book_channel"), format!("no book channel `{channel}` at {}; known: {known}", venue.kind))
            );
        }
        for (key, variable) in [("key_env", &venue.key_env), ("secret_env", &venue.secret_env)] {
            check_variable(loaded, &path(key), variable.as_deref())?;
        }
        check_hosts(loaded, venue, &path)?;
        check_private_host(loaded, venue, connector, &path)?;
        if venue.order_entry == OrderWay::Ws && !connector.has_order_link(&registry::endpoints(venue, connector)) {
            let what = "these hosts take orders over REST only; use `rest`";
            return Err(loaded.error(&path("order_entry"), what));
        }
    }
    Ok(())
}

/// The name of an environment variable is shown wherever it is missing, and somebody may have put the secret itself there: what does not look
/// like a name is refused, and not shown.
fn check_variable(loaded: &Loaded, path: &str, name: Option<&str>) -> Result<(), ConfigError> {
    name.map_or(Ok(()), |name| variable_name(name).map_err(|what| loaded.error(path, what)))
}

/// # Errors
/// A sentence that does not show the text.
pub fn variable_name(name: &str) -> Result<(), &'static str> {
    let of_names = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    match name.bytes().next() {
        Some(first) if !first.is_ascii_digit() && name.bytes().all(of_names) => Ok(()),
        _ => Err("is not the name of an environment variable ([A-Z_][A-Z0-9_]*); no key, secret or token belongs into this file"),
    }
}

/// Keys are used on the private host: it is never guessed.
fn check_private_host(
    loaded: &Loaded,
    venue: &Venue,
    connector: &dyn Connector,
    path: &dyn Fn(&str) -> String,
) -> Result<(), ConfigError> {
    let (Mode::Live, Some(ws), None) = (loaded.config.mode, &venue.ws, &venue.private_ws) else { return Ok(()) };
    let at = registry::endpoints(venue, connector);
    let Some(apart) = connector.private_ws_apart(&at.rest, ws) else { return Ok(()) };
    let what = format!(
        "`{ws}` carries no private streams of {}; set `private_ws` too (Binance's and Bybit's own hosts belong to `{apart}`)",
        venue.kind
    );
    Err(loaded.error(&path("ws"), what))
}

fn check_hosts(loaded: &Loaded, venue: &Venue, path: &dyn Fn(&str) -> String) -> Result<(), ConfigError> {
    let urls = [
        ("rest", &venue.rest, ["https", "http"]),
        ("ws", &venue.ws, ["wss", "ws"]),
        ("private_ws", &venue.private_ws, ["wss", "ws"]),
    ];
    for (key, url, schemes) in urls {
        let Some(url) = url else { continue };
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !schemes.contains(&scheme) || host_of(url).is_none() {
            return Err(loaded.error(&path(key), format!("`{url}` is no {}:// URL", schemes[0])));
        }
        let loopback = loopback_class(url).is_some();
        if scheme == schemes[1] && !loopback {
            return Err(loaded.error(&path(key), format!("`{url}` is not encrypted; use {}://", schemes[0])));
        }
        if loaded.config.mode == Mode::Sim && !loopback {
            return Err(
                loaded.error(&path(key), format!("mode `sim` talks to loopback hosts only, not to `{url}`; remove the key"))
            );
        }
        if venue.ca_file.is_some() && !loopback {
            return Err(loaded.error(
                &path("ca_file"),
                format!("a further authority is accepted for loopback hosts only, not for `{url}`; remove it"),
            ));
        }
    }
    if loaded.config.mode == Mode::Live && (venue.rest.is_some() != venue.ws.is_some()) {
        return Err(loaded.error(&path("rest"), "`rest` and `ws` are set together or not at all"));
    }
    if venue.ca_file.is_some() && venue.rest.is_none() {
        return Err(loaded
            .error(&path("ca_file"), "a further authority is accepted for loopback hosts only; remove it or set rest and ws"));
    }
    Ok(())
}

/// The class of a venue's hosts: the most dangerous of them.
pub fn host_class(venue: &Venue) -> HostClass {
    let Some(connector) = registry::connector(&venue.kind) else { return HostClass::Live };
    let endpoints = registry::endpoints(venue, connector);
    [&endpoints.rest, &endpoints.ws, &endpoints.private_ws]
        .into_iter()
        .map(|url| connector.host_class(url))
        .max()
        .unwrap_or(HostClass::Live)
}
