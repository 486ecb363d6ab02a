//! `crossgate sim` as a process of its own, and a client for its venues that shares no code with the engine: it signs by itself,
//! as Gate's API documents it (Gate API v4, authentication).

use super::http::{http, https};
use super::process::{Done, Running, crossgate, run};
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The largest page of lists.
const PAGE: usize = 1_000;

/// Simulated venues that serve.
pub(crate) struct Sim {
    /// Their process.
    pub(crate) process: Running,
    /// The venues as its first line tells them.
    pub(crate) venues: Vec<Value>,
}

impl Sim {
    /// Starts them with these arguments beside `sim`; two Gates, whose API [`Client`] speaks, unless the arguments say what.
    #[track_caller]
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Sim {
        let named = arguments.iter().any(|argument| matches!(*argument, "--venue" | "-c"));
        let two: &[&str] = if named { &[] } else { &["--venue", "gate", "--venue", "gate"] };
        let process = Running::start(crossgate(dir).arg("sim").args(two).args(arguments));
        let line = process.first_stdout_line();
        let first: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the first line is no JSON: {e}: {line}"));
        let venues = first["venues"].as_array().expect("the first line lists venues").clone();
        Sim { process, venues }
    }

    /// The engine against them, with their keys in its environment.
    pub(crate) fn engine(&self, dir: &Path, arguments: &[&str]) -> Command {
        let mut command = crossgate(dir);
        command.args(arguments);
        for (index, venue) in self.venues.iter().enumerate() {
            command.env(format!("TEST_KEY_{index}"), venue["key"].as_str().expect("a key"));
            command.env(format!("TEST_SECRET_{index}"), venue["secret"].as_str().expect("a secret"));
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

    /// A client of every venue.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.venues.iter().map(Client::of).collect()
    }

    /// Compares the balances of a run with the venues' own accounts, digit for digit.
    #[track_caller]
    pub(crate) fn assert_balances(&self, run: &Value) {
        let mut theirs = BTreeMap::new();
        for client in self.clients() {
            for (asset, total) in client.accounts() {
                theirs.insert((client.id.clone(), asset), total);
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

/// A client of one venue account.
pub(crate) struct Client {
    /// The venue's id.
    pub(crate) id: String,
    address: String,
    ca_file: Option<PathBuf>,
    key: String,
    secret: String,
}

impl Client {
    fn of(venue: &Value) -> Client {
        let text = |key: &str| venue[key].as_str().unwrap_or_else(|| panic!("no {key}: {venue}")).to_string();
        let rest = text("rest");
        let address = rest.split("://").nth(1).expect("a URL").trim_end_matches('/').to_string();
        Client {
            id: text("id"),
            address,
            ca_file: venue["ca_file"].as_str().map(Into::into),
            key: text("key"),
            secret: text("secret"),
        }
    }

    /// A signed GET. The text that is signed: method, path, query, SHA-512 of the body, seconds; one a line.
    #[track_caller]
    fn get(&self, path: &str, query: &str) -> Value {
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set").as_secs().to_string();
        let text = format!("GET\n{path}\n{query}\n{}\n{seconds}", hex::encode(Sha512::digest(b"")));
        let mut mac = Hmac::<Sha512>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        let sign = hex::encode(mac.finalize().into_bytes());
        let headers = [("KEY", self.key.as_str()), ("Timestamp", seconds.as_str()), ("SIGN", sign.as_str())];
        let target = if query.is_empty() { path.to_string() } else { format!("{path}?{query}") };
        let answer = match &self.ca_file {
            Some(ca_file) => https(&self.address, ca_file, "GET", &target, &headers),
            None => http(&self.address, "GET", &target, &headers, ""),
        };
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{target}: {e}: {}", answer.body))
    }

    /// Asset → available and locked.
    #[track_caller]
    pub(crate) fn accounts(&self) -> BTreeMap<String, Decimal> {
        let rows = self.get("/api/v4/spot/accounts", "");
        let number = |row: &Value, key: &str| {
            let text = row[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {row}"));
            Decimal::from_str_exact(text).unwrap_or_else(|e| panic!("{key}: {e}: {row}"))
        };
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| (row["currency"].as_str().expect("an asset").into(), number(row, "available") + number(row, "locked")))
            .collect()
    }

    /// Every order that the venue ever accepted from this account and that has ended.
    #[track_caller]
    pub(crate) fn finished_orders(&self) -> Vec<Value> {
        self.pages("/api/v4/spot/orders", "status=finished&")
    }

    /// Orders that stand in the book.
    #[track_caller]
    pub(crate) fn open_orders(&self) -> Vec<Value> {
        self.get("/api/v4/spot/open_orders", "").as_array().expect("a list").clone()
    }

    /// Every fill of this account.
    #[track_caller]
    pub(crate) fn trades(&self) -> Vec<Value> {
        self.pages("/api/v4/spot/my_trades", "")
    }

    fn pages(&self, path: &str, filter: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let rows = self.get(path, &format!("{filter}limit={PAGE}&page={page}"));
            let rows = rows.as_array().expect("a list");
            all.extend(rows.iter().cloned());
            if rows.len() < PAGE {
                break;
            }
        }
        all
    }
}
