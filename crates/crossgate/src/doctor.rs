//! `doctor`: time, keys, rules, rights and the run directory, before anything is traded. It never places an order.

use crate::cli::DoctorArgs;
use crate::clock_text::short;
use crate::config::{Loaded, Mode, load};
use crate::demo;
use crate::exit::Failure;
use crate::guard::plain;
use crate::probe::Probe;
use crate::report::{print_json, print_line};
use crate::setup::{self, Setup, VenueSetup, symbols};
use domain::{
    AccountFacts, Amount, ClockOffset, ErrorClass, FeeRates, Input, LinkRole, LinkState, ReadKind, Symbol, UnixNanos, VenueId,
};
use serde_json::json;
use std::path::Path;
use venue::{CheckupConfig, Endpoints, Grade, RawRules, Response};
use venue_io::{HttpOutcome, request_once};

/// How long the venues have to answer.
const PATIENCE_NS: u64 = 15_000_000_000;
/// How long one question of the venue's own part may take.
const CHECKUP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// A clock that differs by more is a warning; by more than half a venue's window, a failure.
const CLOCK_WARN_NS: u64 = 1_000_000_000;
const CLOCK_FAIL_NS: u64 = 30_000_000_000;

/// From harmless to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Skip,
    Ok,
    Warn,
    Fail,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
            Status::Skip => "skip",
        }
    }
}

struct Check {
    id: &'static str,
    venue: Option<String>,
    status: Status,
    detail: String,
    fix: String,
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    /// Adds a finding. There is one check for each id and venue: what is found twice is told together, under the worst status.
    fn add(&mut self, id: &'static str, venue: Option<&str>, status: Status, detail: impl Into<String>, fix: impl Into<String>) {
        // Both may hold a venue's own words.
        let (detail, fix) = (plain(&detail.into()), plain(&fix.into()));
        let Some(known) = self.0.iter_mut().find(|c| c.id == id && c.venue.as_deref() == venue) else {
            return self.0.push(Check { id, venue: venue.map(Into::into), status, detail, fix });
        };
        known.detail = format!("{}; {detail}", known.detail);
        // The remedy of what is worst; of two alike, both.
        known.fix = match status.cmp(&known.status) {
            std::cmp::Ordering::Greater => fix,
            std::cmp::Ordering::Less => std::mem::take(&mut known.fix),
            std::cmp::Ordering::Equal if known.fix.is_empty() || known.fix == fix => fix,
            std::cmp::Ordering::Equal if fix.is_empty() => std::mem::take(&mut known.fix),
            std::cmp::Ordering::Equal => format!("{}; {fix}", known.fix),
        };
        known.status = known.status.max(status);
    }

    /// Tells why the rest of what a venue is asked was not found out: there is one check for each id and venue.
    fn skip_rest(&mut self, venue: &str, why: &str) {
        for id in VENUE_CHECKS {
            if !self.0.iter().any(|c| c.id == id && c.venue.as_deref() == Some(venue)) {
                self.add(id, Some(venue), Status::Skip, why, "");
            }
        }
    }

    /// How the command ends.
    fn verdict(&self, refused: bool) -> Result<(), Failure> {
        let failed = self.0.iter().filter(|c| c.status == Status::Fail).count();
        match (failed, refused) {
            (0, _) => Ok(()),
            (_, true) => Err(Failure::auth(format!("{failed} checks failed, rights or keys among them"))),
            _ => Err(Failure::failed(format!("{failed} checks failed"))),
        }
    }
}

/// What is told of every venue.
const VENUE_CHECKS: [&str; 12] = [
    "reach_rest",
    "rules",
    "clock",
    "reach_ws",
    "auth",
    "withdraw_right",
    "ip_binding",
    "fee_tier",
    "account_mode",
    "fee_token",
    "rate_headroom",
    "dead_man",
];

/// Checks everything that can be checked without an order.
///
/// # Errors
/// Exit code 3 for a configuration, 4 when a venue refuses us, a right or a key, 1 for any other failed check.
pub fn doctor_command(args: &DoctorArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let examined = load(&args.config).map_err(Failure::from).and_then(|loaded| runtime.block_on(examine(&loaded)));
    // Nothing was asked, which scripts are told as they are told everything else.
    let (checks, verdict) = match examined {
        Ok((checks, refused)) => {
            let verdict = checks.verdict(refused);
            (checks, verdict)
        }
        Err(failure) if args.json => {
            let mut checks = Checks::default();
            checks.add("config", None, Status::Fail, failure.to_string(), "");
            (checks, Err(failure))
        }
        Err(failure) => return Err(failure),
    };
    if args.json {
        let list: Vec<_> = checks
            .0
            .iter()
            .map(|c| json!({"id": c.id, "venue": c.venue, "status": c.status.as_str(), "detail": c.detail, "fix": c.fix}))
            .collect();
        print_json(&json!({ "checks": list }).to_string());
    } else {
        for check in &checks.0 {
            let venue = check.venue.as_deref().unwrap_or("");
            print_line(&format!("{:<5} {:<15} {:<12} {}", check.status.as_str(), check.id, venue, check.detail));
            if !check.fix.is_empty() && check.status != Status::Ok {
                print_line(&format!("      {:<15} {:<12} → {}", "", "", check.fix));
            }
        }
    }
    verdict
}

async fn examine(loaded: &Loaded) -> Result<(Checks, bool), Failure> {
    let mut checks = Checks::default();
    checks.add("config", None, Status::Ok, format!("{} is valid, mode {}", loaded.origin, loaded.config.mode.as_str()), "");
    let (venues, simulated) = match loaded.config.mode {
        Mode::Sim => {
            let simulated = demo::start(loaded, None)?;
            (simulated.venues(loaded)?, Some(simulated))
        }
        mode => (setup::live_venues(loaded, mode == Mode::Live)?, None),
    };
    state_checks(loaded, &mut checks);
    let refused = venue_checks(loaded, venues, &mut checks).await?;
    if let Some(simulated) = simulated {
        simulated.stop();
    }
    Ok((checks, refused))
}

fn state_checks(loaded: &Loaded, checks: &mut Checks) {
    let dir = &loaded.config.state.dir;
    // As a run would make it: for this user alone.
    match crate::run::make_private(Path::new(dir)).and_then(|()| {
        let probe = Path::new(dir).join(".doctor");
        std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(probe))
    }) {
        Ok(()) => checks.add("state_dir", None, Status::Ok, format!("{dir} can be written"), ""),
        Err(error) => checks.add(
            "state_dir",
            None,
            Status::Fail,
            format!("{dir}: {error}"),
            "set [state] dir to a directory that this user may write",
        ),
    }
    match rustix::fs::statvfs(dir.as_str()) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let min = loaded.config.state.disk_free_min.0;
            let status = match free {
                _ if free < min => Status::Fail,
                _ if free < min.saturating_mul(2) => Status::Warn,
                _ => Status::Ok,
            };
            checks.add(
                "disk",
                None,
                status,
                format!("{} MiB free; below {} MiB nothing is opened ([state] disk_free_min)", free >> 20, min >> 20),
                "free some space: logs need room for cancels and fills",
            );
        }
        Err(error) => checks.add("disk", None, Status::Skip, format!("{error}"), ""),
    }
    if loaded.config.mode != Mode::Live {
        checks.add("lock", None, Status::Skip, "simulated and paper runs use a fresh directory each", "");
        return;
    }
    match journal::RunDir::open(Path::new(dir)) {
        Ok(_) => checks.add("lock", None, Status::Ok, "no other instance runs on this directory", ""),
        Err(error) => checks.add(
            "lock",
            None,
            Status::Fail,
            error.to_full_text(),
            "stop the other instance, or give this one its own [state] dir",
        ),
    }
}

/// What one venue told.
#[derive(Default)]
struct Told {
    clock: Option<ClockOffset>,
    account: Option<AccountFacts>,
    fees: Vec<FeeRates>,
    balances: Option<usize>,
    public_up: bool,
    private_up: bool,
    failed: Vec<(ReadKind, ErrorClass)>,
}

/// The venues whose rules were read, with these, and the ids of the others.
#[derive(Default)]
struct Reached {
    venues: Vec<VenueSetup>,
    rules: Vec<(String, Vec<RawRules>)>,
    others: Vec<String>,
}

/// Asks every venue what it tells; true when one refuses us, our key or a right. One whose rules can't be read keeps nobody from learning
/// about the others.
async fn venue_checks(loaded: &Loaded, venues: Vec<VenueSetup>, checks: &mut Checks) -> Result<bool, Failure> {
    let symbols = symbols(loaded)?;
    let (reached, mut refused) = reach_all(loaded, venues, &symbols, checks).await;
    for venue in &reached.others {
        checks.add("rules", None, Status::Skip, format!("no asset is compared with {venue}: its rules were not read"), "");
    }
    if reached.venues.is_empty() {
        return Ok(refused);
    }
    let mut without_others = loaded.clone();
    without_others.config.venue.retain(|venue| !reached.others.contains(&venue.id));
    let setup = match setup::assemble(&without_others, reached.venues, &symbols, &reached.rules) {
        Ok(setup) => setup,
        Err(failure) => {
            checks.add("rules", None, Status::Fail, failure.message, "remove the pair");
            for (venue, _) in &reached.rules {
                checks.skip_rest(venue, "not checked: the pairs have to fit together first");
            }
            return Ok(refused);
        }
    };
    minimum_checks(loaded, &reached.rules, checks);
    asset_checks(loaded, &setup.venues, checks).await?;
    let told = ask_all(&without_others, &setup).await?;
    for (venue, (told, configured)) in setup.venues.iter().zip(told.iter().zip(&without_others.config.venue)) {
        if venue.keys.is_none() {
            judge_public(&venue.id, told, checks);
            checks.skip_rest(&venue.id, "mode `paper` uses no key");
            continue;
        }
        refused |= judge(&venue.id, told, configured.withdrawal_disabled_attested, checks);
        check_up(venue, &symbols, told.clock, checks).await?;
        checks.skip_rest(&venue.id, "the venue does not tell");
    }
    Ok(refused)
}

/// Reads every venue's rules and tells how that went; true when one refuses us.
async fn reach_all(loaded: &Loaded, venues: Vec<VenueSetup>, symbols: &[Symbol], checks: &mut Checks) -> (Reached, bool) {
    let (mut reached, mut refused) = (Reached::default(), false);
    for venue in venues {
        match setup::fetch_rules(loaded, &venue, symbols).await {
            Ok(rules) => {
                rules_check(&venue, &rules, checks);
                reached.rules.push((venue.id.clone(), rules));
                reached.venues.push(venue);
            }
            Err(failure) => {
                refused |= failure.code == 4;
                unread_check(&venue.id, &failure, checks);
                reached.others.push(venue.id);
            }
        }
    }
    (reached, refused)
}

/// A venue's rules were read.
fn rules_check(venue: &VenueSetup, rules: &[RawRules], checks: &mut Checks) {
    checks.add("reach_rest", Some(&venue.id), Status::Ok, format!("{} answers", venue.endpoints.rest), "");
    let closed: Vec<String> = rules.iter().filter(|r| !(r.can_buy && r.can_sell)).map(|r| r.symbol.to_string()).collect();
    let (status, mut detail) = if closed.is_empty() {
        (Status::Ok, format!("{} pairs, all open both ways", rules.len()))
    } else {
        (Status::Warn, format!("not open both ways: {}", closed.join(", ")))
    };
    for alias in venue.aliases.iter() {
        detail.push_str(&format!("; {} is {} there", alias.ours, alias.theirs));
        if alias.tens > 0 {
            detail.push_str(&format!(", one of which is 1{} of ours", "0".repeat(usize::from(alias.tens))));
        }
    }
    checks.add("rules", Some(&venue.id), status, detail, "openings there are refused until the venue opens them");
}

/// A venue's rules were not read: nothing else is asked there.
fn unread_check(venue: &str, failure: &Failure, checks: &mut Checks) {
    let (id, fix, rest) = match failure.code {
        3 => ("rules", "correct [[pair]]", "not checked: the venue's pairs have to be corrected first"),
        4 => ("reach_rest", "check the host, the network and the proxy", "not checked: the venue refuses us"),
        _ => ("reach_rest", "check the host, the network and the proxy", "not checked: the venue was not reached"),
    };
    let why = failure.message.strip_suffix(setup::SEE_DOCTOR).unwrap_or(&failure.message);
    checks.add(id, Some(venue), Status::Fail, why, fix);
    checks.skip_rest(venue, rest);
}

/// Whether the assets are the same on every two of these venues, and whether they can be moved.
async fn asset_checks(loaded: &Loaded, venues: &[VenueSetup], checks: &mut Checks) -> Result<(), Failure> {
    let (known, untold) = crate::assets::ask(loaded, venues).await?;
    let findings = crate::assets::findings(loaded, venues, &known)?;
    let needed = loaded.config.strategy.identity_required || crate::config::real_money::on_live_hosts(loaded);
    let (status, fix) = match (findings.differing.is_empty(), needed) {
        (true, _) => (Status::Ok, ""),
        (false, true) => {
            (Status::Fail, "such pairs are not traded between these venues: attest what you have checked with [[identity]]")
        }
        (false, false) => (Status::Warn, "live hosts would not trade them: attest what you have checked with [[identity]]"),
    };
    let detail = if findings.differing.is_empty() {
        format!("{} assets are the same wherever they meet", findings.same)
    } else {
        findings.differing.join("; ")
    };
    // One venue of several meets no other.
    if venues.len() > 1 || venues.len() == loaded.config.venue.len() {
        checks.add("rules", None, status, detail, fix);
    }
    for crate::assets::Untold { venue, why, .. } in untold {
        checks.add("rules", Some(&venue), Status::Skip, format!("chains and transfers of some assets are not told: {why}"), "");
    }
    for (venue, closed) in findings.closed.into_iter().filter(|(_, closed)| !closed.is_empty()) {
        checks.add(
            "rules",
            Some(&venue),
            Status::Warn,
            closed.join("; "),
            "what piles up there can't be moved; [strategy] transfers_required = true keeps out of such routes",
        );
    }
    Ok(())
}

/// Limits of ours that no order above a venue's minimum can meet.
fn minimum_checks(loaded: &Loaded, listed: &[(String, Vec<RawRules>)], checks: &mut Checks) {
    let Some(risk) = &loaded.config.risk else { return };
    for (venue, rules) in listed {
        for rule in rules {
            let least = rule.value_min.and_then(Amount::from_decimal).unwrap_or_default();
            if least > risk.order_value_max.0.min(risk.deal_value_max.0) {
                checks.add(
                    "rules",
                    Some(venue),
                    Status::Fail,
                    format!(
                        "{}: the venue takes no order below {} {}, the limits allow none above",
                        rule.symbol, least, rule.symbol.quote
                    ),
                    "raise [risk] order_value_max and deal_value_max, or remove the pair",
                );
            }
        }
    }
}

/// The venue's own part: what its connector knows to ask beside the session.
async fn check_up(
    venue: &VenueSetup,
    symbols: &[Symbol],
    clock: Option<ClockOffset>,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let Some(keys) = &venue.keys else { return Ok(()) };
    let symbols = symbols.iter().map(|symbol| venue.aliases.to_venue(symbol)).collect();
    let config = CheckupConfig { key: keys.key.clone(), secret: keys.secret.clone(), symbols };
    let Some(mut checkup) = venue.connector.checkup(config) else {
        checks.skip_rest(&venue.id, "this connector knows nothing to ask");
        return Ok(());
    };
    let local = venue_io::Clock::new();
    let offset_ns = clock.map_or(0, |c| c.offset_ns);
    // Signed by the venue's clock, as sessions do.
    while let Some(request) = checkup.next_request(UnixNanos(local.wall().0.saturating_add(offset_ns))) {
        let endpoints = Endpoints { rest: venue.connector.rest_url(&venue.endpoints, &request.path), ..venue.endpoints.clone() };
        match request_once(&endpoints, &venue.tls, request, CHECKUP_TIMEOUT).await {
            Err(error) => return Err(Failure::config(format!("venue `{}`: {error}", venue.id))),
            Ok(HttpOutcome::Failed(failure)) => checkup.answer(Response::Failed(failure)),
            Ok(HttpOutcome::Http { status, headers, mut body }) => {
                checkup.answer(Response::Http { status, headers: &headers, body: &mut body });
            }
        }
    }
    for finding in checkup.findings() {
        let status = match finding.grade {
            Grade::Ok => Status::Ok,
            Grade::Warn => Status::Warn,
            Grade::Fail => Status::Fail,
            Grade::Skip => Status::Skip,
        };
        checks.add(finding.id, Some(&venue.id), status, finding.detail, finding.fix);
    }
    Ok(())
}

/// What each venue tells of itself and, with a key, of the account.
async fn ask_all(loaded: &Loaded, setup: &Setup) -> Result<Vec<Told>, Failure> {
    let venues = &setup.venues;
    let mut probe = Probe::start(venues, setup.sessions(loaded)?).map_err(Failure::config)?;
    let mut told: Vec<Told> = venues.iter().map(|_| Told::default()).collect();
    for (index, venue) in venues.iter().enumerate() {
        let reads = [ReadKind::Time, ReadKind::Account, ReadKind::Fees, ReadKind::Balances];
        for read in reads.into_iter().filter(|read| venue.keys.is_some() || *read == ReadKind::Time) {
            probe.read(VenueId(index as u8), read);
        }
    }
    let until = probe.clock().now().after(PATIENCE_NS);
    while probe.clock().now() < until && !told.iter().zip(venues).all(|(told, venue)| told.complete(venue.keys.is_none())) {
        for (venue, input) in probe.take_inputs() {
            if let Some(told) = told.get_mut(venue.index()) {
                told.take(input);
            }
        }
        probe.turn(until, &mut |_, _| {}).await;
    }
    probe.close().await;
    Ok(told)
}

impl Told {
    /// True when everything that can be told without a key (or with one) is told.
    fn complete(&self, keyless: bool) -> bool {
        if keyless {
            return self.clock.is_some() && self.public_up;
        }
        let failed = |wanted: ReadKind| self.failed.iter().any(|(read, _)| *read == wanted);
        let auth = self.failed.iter().any(|(_, class)| *class == ErrorClass::AuthFatal);
        let answered = self.clock.is_some()
            && (self.account.is_some() || failed(ReadKind::Account))
            && (!self.fees.is_empty() || failed(ReadKind::Fees))
            && (self.balances.is_some() || failed(ReadKind::Balances));
        answered && self.public_up && (self.private_up || auth)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Clock(offset) => self.clock = Some(offset),
            Input::Account(facts) => self.account = Some(facts),
            Input::Fees(fees) => self.fees.push(fees),
            Input::Balances(report) => {
                self.balances = Some(report.entries.iter().filter(|e| !(e.available + e.locked).is_zero()).count())
            }
            Input::Book(_) => self.public_up = true,
            Input::Link(change) if change.role == LinkRole::Private && change.state == LinkState::Up => self.private_up = true,
            Input::ReadFailed(failure) => self.failed.push((failure.read, failure.class)),
            _ => {}
        }
    }

    fn failure_of(&self, wanted: ReadKind) -> Option<ErrorClass> {
        self.failed.iter().find(|(read, _)| *read == wanted).map(|(_, class)| *class)
    }
}

/// What anybody may see of a venue: its clock and its streams.
fn judge_public(venue: &str, told: &Told, checks: &mut Checks) {
    let venue = Some(venue);
    match told.clock {
        Some(clock) => {
            let off = clock.offset_ns.unsigned_abs();
            let status = if off > CLOCK_FAIL_NS {
                Status::Fail
            } else if off > CLOCK_WARN_NS {
                Status::Warn
            } else {
                Status::Ok
            };
            let sign = if clock.offset_ns < 0 { "behind" } else { "ahead of" };
            let detail = format!("the venue is {} {sign} this host (± {})", short(off), short(clock.uncertainty_ns));
            checks.add("clock", venue, status, detail, "run a time service (chrony, systemd-timesyncd)");
        }
        None => checks.add("clock", venue, Status::Fail, "the venue's time could not be read", "check the host and the network"),
    }
    let ws = if told.public_up { Status::Ok } else { Status::Fail };
    checks.add(
        "reach_ws",
        venue,
        ws,
        if told.public_up { "books arrive" } else { "no book arrived" },
        "check the ws host; some networks block WebSocket",
    );
}

/// Turns what a venue told into checks; true when a key or right is refused.
fn judge(venue: &str, told: &Told, attested: bool, checks: &mut Checks) -> bool {
    judge_public(venue, told, checks);
    let venue = Some(venue);
    let mut refused = false;
    let auth_failed = told.failed.iter().any(|(_, class)| *class == ErrorClass::AuthFatal);
    match told.balances {
        Some(count) => {
            let private = if told.private_up { "private streams are up" } else { "private streams are NOT up" };
            let status = if told.private_up { Status::Ok } else { Status::Fail };
            checks.add(
                "auth",
                venue,
                status,
                format!("the key is accepted, {count} assets held; {private}"),
                "check the private_ws host and the key's spot right",
            );
        }
        None => {
            refused |= auth_failed;
            let class = told.failure_of(ReadKind::Balances).map_or("no answer", |c| c.as_str());
            checks.add(
                "auth",
                venue,
                Status::Fail,
                format!("balances could not be read: {class}"),
                "check key, secret, the key's address list, and testnet key against testnet host",
            );
        }
    }
    match told.account.map(|a| a.can_withdraw) {
        Some(Some(true)) => {
            refused = true;
            checks.add(
                "withdraw_right",
                venue,
                Status::Fail,
                "this key may withdraw",
                "make a key without withdrawal rights; crossgate refuses this one",
            );
        }
        Some(Some(false)) => checks.add("withdraw_right", venue, Status::Ok, "this key may not withdraw", ""),
        _ if attested => {
            checks.add("withdraw_right", venue, Status::Warn, "the venue will not tell; attested in the configuration", "")
        }
        _ => {
            refused = true;
            checks.add(
                "withdraw_right",
                venue,
                Status::Fail,
                "the venue will not tell whether this key may withdraw",
                "check it at the venue, then set withdrawal_disabled_attested = true",
            );
        }
    }
    match told.account.and_then(|a| a.ip_bound) {
        Some(true) => checks.add("ip_binding", venue, Status::Ok, "the key is bound to addresses", ""),
        Some(false) => checks.add(
            "ip_binding",
            venue,
            Status::Warn,
            "the key is bound to no address",
            "bind it to this host's address: unbound keys also expire",
        ),
        None => checks.add("ip_binding", venue, Status::Skip, "the venue will not tell", ""),
    }
    match told.fees.iter().map(|f| f.taker).max() {
        Some(taker) => {
            let bps = domain::decimal::format_units(i128::from(taker.nano()), 5);
            checks.add("fee_tier", venue, Status::Ok, format!("taker {bps} bps"), "");
        }
        None => checks.add(
            "fee_tier",
            venue,
            Status::Fail,
            "fees could not be read",
            "the key needs the right to read fees; nothing is traded without them",
        ),
    }
    refused
}

#[cfg(test)]
mod tests;
