//! `crossgate sim` as a process of its own, with the engine against it and its venues' own [`account`]s beside it.

use super::account::{self, Account, InOurUnit, Unit};
use super::process::{Done, Running, crossgate, run};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Simulated venues that serve.
pub(crate) struct Sim {
    /// Their process.
    pub(crate) process: Running,
    /// The venues as its first line tells them; `order_entry` is ours.
    pub(crate) venues: Vec<Value>,
    /// Assets that some of them count by the thousand.
    pub(crate) units: Vec<Unit>,
}

impl Sim {
    /// Starts them with these arguments beside `sim`; two Gates, unless the arguments say what.
    #[track_caller]
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Sim {
        let named = arguments.iter().any(|argument| matches!(*argument, "--venue" | "-c"));
        let two: &[&str] = if named { &[] } else { &["--venue", "gate", "--venue", "gate"] };
        let process = Running::start(crossgate(dir).arg("sim").args(two).args(arguments));
        let line = process.first_stdout_line();
        let first: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the first line is no JSON: {e}: {line}"));
        let venues = first["venues"].as_array().expect("the first line lists venues").clone();
        Sim { process, venues, units: Vec::new() }
    }

    /// The way that orders take to each venue, as `order_entry` names it.
    pub(crate) fn orders_over(&mut self, ways: &[&str]) {
        assert_eq!(self.venues.len(), ways.len(), "a way for each venue");
        self.venues.iter_mut().zip(ways).for_each(|(venue, way)| venue["order_entry"] = (*way).into());
    }

    /// The engine against them, with their keys in its environment.
    pub(crate) fn engine(&self, dir: &Path, arguments: &[&str]) -> Command {
        let mut command = crossgate(dir);
        command.args(arguments);
        for (index, venue) in self.venues.iter().enumerate() {
            let signing = signing_key(venue);
            command.env(format!("TEST_KEY_{index}"), signing["key"].as_str().expect("a key"));
            command.env(format!("TEST_SECRET_{index}"), signing["secret"].as_str().expect("a secret"));
        }
        command
    }

    /// A live run to its end, as JSON; it must end in order.
    #[track_caller]
    pub(crate) fn run(&self, dir: &Path, config: &Path, span: &str) -> (Done, Value) {
        let config = config.to_str().expect("a plain path");
        let arguments = ["run", "-c", config, "--live", "--no-tui", "--json", "--for", span];
        let done = run(&mut self.engine(dir, &arguments)).expect(0);
        let json = done.json();
        (done, json)
    }

    /// A client of every venue, which tells in the engine's units.
    #[track_caller]
    pub(crate) fn clients(&self) -> Vec<Box<dyn Account>> {
        let in_our_units = |account: Box<dyn Account>| {
            let of_venue: Vec<&Unit> = self.units.iter().filter(|unit| unit.venue == account.id()).collect();
            of_venue.into_iter().fold(account, |account, unit| Box::new(InOurUnit { account, unit: unit.clone() }))
        };
        self.venues.iter().map(account::of).map(in_our_units).collect()
    }

    /// How long it takes until every venue grants this address so much weight; `None` when they do so now.
    #[track_caller]
    pub(crate) fn until_room(&self, weight: u64) -> Option<Duration> {
        self.venues.iter().filter_map(|venue| account::until_room(venue, weight)).max()
    }

    /// Compares the balances of a run with the venues' own accounts, digit for digit.
    #[track_caller]
    pub(crate) fn assert_balances(&self, run: &Value) {
        let mut theirs = BTreeMap::new();
        for client in self.clients() {
            for (asset, total) in client.accounts() {
                theirs.insert((client.id().to_string(), asset), total);
            }
        }
        let mut ours = BTreeMap::new();
        for line in run["balances"].as_array().expect("`balances` is a list") {
            let text = |key: &str| line[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {line}")).to_string();
            let number = |key: &str| Decimal::from_str_exact(&text(key)).unwrap_or_else(|e| panic!("{key}: {e}: {line}"));
            assert_eq!(number("available") + number("reserved"), number("total"), "the parts add up: {line}");
            let before = ours.insert((text("venue"), text("asset")), number("total"));
            assert_eq!(before, None, "a balance stands twice: {line}");
        }
        assert!(!ours.is_empty(), "no balances");
        // An asset that one side does not name counts as zero there.
        ours.retain(|_, total| !total.is_zero());
        theirs.retain(|_, total| !total.is_zero());
        assert_eq!(ours, theirs, "the engine's ledger (left) and the venues' accounts (right)");
    }
}

/// The key that the engine signs with: over a logged-in link one that may log in, where the account has such a key (Binance spot API,
/// `session.logon`: Ed25519 keys only).
fn signing_key(venue: &Value) -> &Value {
    let links = venue["order_entry"] == "ws";
    let mut more = venue["more_keys"].as_array().into_iter().flatten();
    more.find(|key| links && key["type"] == "ed25519").unwrap_or(venue)
}
