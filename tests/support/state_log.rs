//! What an engine's state logs hold, of all its epochs, and the comparison with the venues' own books.

use super::venue::Sim;
use domain::{Input, Tables};
use journal::{Record, RunFiles};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One execution, as far as both sides tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    text: String,
    side: String,
    price: Decimal,
    amount: Decimal,
}

/// Venue, pair (`BTC_USDT`), the venue's id of the trade.
type TradeKey = (String, String, String);

/// What the logs of a run directory say.
#[derive(Debug, Default)]
pub(crate) struct StateLog {
    /// Runs that left a log.
    pub(crate) epochs: BTreeSet<u64>,
    /// Orders that were about to be sent, by venue and the venue's `text`.
    pub(crate) intents: BTreeMap<(String, String), u64>,
    /// Executions, each once, however often the log heard of it.
    pub(crate) executions: BTreeMap<TradeKey, Execution>,
}

impl StateLog {
    /// Reads every state log of a run directory. One torn tail at the end of each is allowed, damage is not.
    #[track_caller]
    pub(crate) fn read(run_dir: &Path) -> StateLog {
        let mut log = StateLog::default();
        let mut tables = Tables::default();
        let records = RunFiles::new(run_dir).state_records().expect("the run directory can be read");
        for record in records {
            let (epoch, record) = record.unwrap_or_else(|error| panic!("a damaged state log: {}", error.to_full_text()));
            log.epochs.insert(epoch);
            match record {
                Record::Header(header) => tables = header.tables,
                Record::Intent { order, .. } => {
                    let key = (tables.venue(order.venue).to_string(), format!("t-{}", order.client_id));
                    *log.intents.entry(key).or_default() += 1;
                }
                Record::Input { input: Input::Fill(fill), .. } => log.add(&tables, &fill),
                Record::Input { input: Input::Trades(report), .. } => report.fills.iter().for_each(|fill| log.add(&tables, fill)),
                _ => {}
            }
        }
        log
    }

    #[track_caller]
    fn add(&mut self, tables: &Tables, fill: &domain::Fill) {
        let pair = tables.pair(fill.pair).expect("a pair of the tables");
        let key = (
            tables.venue(fill.venue).to_string(),
            format!("{}_{}", pair.symbol.base, pair.symbol.quote),
            fill.trade_id.as_str().to_string(),
        );
        let number = |text: String| Decimal::from_str_exact(&text).expect("a decimal").normalize();
        let execution = Execution {
            text: fill.client_id.map(|id| format!("t-{id}")).unwrap_or_default(),
            side: format!("{:?}", fill.side).to_lowercase(),
            price: number(pair.scale.price_text(fill.price)),
            amount: number(pair.scale.qty_text(fill.qty)),
        };
        // The stream and a list may both have told it: then they told the same.
        if let Some(before) = self.executions.insert(key.clone(), execution.clone()) {
            assert_eq!(before, execution, "{key:?} was told in two ways");
        }
    }

    /// Compares with the venues' own books: every execution that the venues know is known here with the same order, side, price
    /// and amount, and no other; every order that reached a venue was written here first, exactly once; no `text` came twice; no
    /// order is open. Returns how many orders and executions the venues have.
    #[track_caller]
    pub(crate) fn assert_is_the_venues(&self, sim: &Sim) -> (usize, usize) {
        let mut theirs = BTreeMap::new();
        let (mut orders, mut texts) = (0, BTreeSet::new());
        for client in sim.clients() {
            assert_eq!(client.open_orders(), Vec::<Value>::new(), "an order is left open on {}", client.id);
            for row in client.finished_orders() {
                let key = (client.id.clone(), text(&row, "text"));
                assert_eq!(self.intents.get(&key), Some(&1), "intents of {key:?} in the state log: {row}");
                assert!(texts.insert(key.clone()), "{key:?} was used twice");
                orders += 1;
            }
            for row in client.trades() {
                let number = |key: &str| Decimal::from_str_exact(&text(&row, key)).expect("a decimal").normalize();
                let execution = Execution {
                    text: text(&row, "text"),
                    side: text(&row, "side"),
                    price: number("price"),
                    amount: number("amount"),
                };
                let key = (client.id.clone(), text(&row, "currency_pair"), text(&row, "id"));
                assert_eq!(theirs.insert(key, execution), None, "the venue tells a trade twice: {row}");
            }
        }
        let lost: Vec<_> = theirs.iter().filter(|(key, _)| !self.executions.contains_key(*key)).collect();
        let invented: Vec<_> = self.executions.iter().filter(|(key, _)| !theirs.contains_key(*key)).collect();
        assert!(lost.is_empty() && invented.is_empty(), "lost: {lost:#?}\ninvented: {invented:#?}");
        assert_eq!(self.executions, theirs, "the same trades are told differently");
        (orders, theirs.len())
    }
}

#[track_caller]
fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_else(|| panic!("no {key}: {row}")).to_string()
}
