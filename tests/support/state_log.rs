//! What an engine's state logs hold, of all its epochs, and the comparison with the venues' own books.

use super::account::Trade;
use super::venue::Sim;
use domain::{Input, Tables};
use journal::{Record, RunFiles};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many finished orders of an account a simulated venue remembers; of executions it remembers more.
const REMEMBERED: usize = 20_000;

/// Ids of simulated orders grow.
fn number(id: &str) -> Option<u64> {
    id.parse().ok()
}

/// One execution, as both sides tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    /// The venue's id of the order.
    order_id: String,
    side: String,
    price: Decimal,
    amount: Decimal,
}

/// Venue, pair (`BTC/USDT`), the venue's id of the trade.
type TradeKey = (String, String, String);

/// What the logs of a run directory say.
#[derive(Debug, Default)]
pub(crate) struct StateLog {
    /// Runs that left a log.
    pub(crate) epochs: BTreeSet<u64>,
    /// Orders that were about to be sent, by venue and our id.
    pub(crate) intents: BTreeMap<(String, String), u64>,
    /// Executions, each once, however often the log heard of it.
    pub(crate) executions: BTreeMap<TradeKey, Execution>,
    /// Our ids of their orders, of those executions of which the venue told it.
    named: BTreeMap<TradeKey, String>,
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
                    let key = (tables.venue(order.venue).to_string(), order.client_id.to_string());
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
            format!("{}/{}", pair.symbol.base, pair.symbol.quote),
            fill.trade_id.as_str().to_string(),
        );
        let number = |text: String| Decimal::from_str_exact(&text).expect("a decimal").normalize();
        let execution = Execution {
            order_id: fill.venue_order_id.as_str().to_string(),
            side: format!("{:?}", fill.side).to_lowercase(),
            price: number(pair.scale.price_text(fill.price)),
            amount: number(pair.scale.qty_text(fill.qty)),
        };
        // The stream and a list may both have told it: then they told the same. Not all of them tell whose order it was.
        if let Some(name) = fill.client_id.map(|id| id.to_string())
            && let Some(before) = self.named.insert(key.clone(), name.clone())
        {
            assert_eq!(before, name, "{key:?} was told of two orders");
        }
        if let Some(before) = self.executions.insert(key.clone(), execution.clone()) {
            assert_eq!(before, execution, "{key:?} was told in two ways");
        }
    }

    /// Compares with the venues' own books: every execution that the venues know is known here of the same order, with the same side,
    /// price and amount, and no other; every order that reached a venue was written here first, exactly once; no id of ours came
    /// twice; no order is open. Returns how many orders and executions the venues have.
    #[track_caller]
    pub(crate) fn assert_is_the_venues(&self, sim: &Sim) -> (usize, usize) {
        let (mut theirs, mut orders) = (BTreeMap::new(), 0);
        for client in sim.clients() {
            let venue = client.id().to_string();
            assert_eq!(client.open_orders(), [], "an order is left open on {venue}");
            let (mut ours, mut used) = (BTreeMap::new(), BTreeSet::new());
            let sent = self.intents.keys().filter(|(of, _)| *of == venue).count();
            let mut oldest = None;
            for order in client.finished_orders() {
                oldest = oldest.into_iter().chain(number(&order.id)).min();
                let intents = self.intents.get(&(venue.clone(), order.client_id.clone()));
                assert_eq!(intents, Some(&1), "intents in the state log of an order on {venue}: {order:?}");
                assert!(used.insert(order.client_id.clone()), "an id was used twice on {venue}: {order:?}");
                ours.insert((order.pair, order.id), order.client_id);
                orders += 1;
            }
            for trade in client.trades() {
                let order = (trade.pair.clone(), trade.order_id.clone());
                let key = (venue.clone(), trade.pair.clone(), trade.id.clone());
                let told = [trade.client_id.as_ref(), self.named.get(&key)];
                match ours.get(&order) {
                    Some(of) => {
                        let differs = told.into_iter().flatten().find(|told| *told != of);
                        assert_eq!(differs, None, "told of another order than the venue's list has, {of}: {trade:?}");
                    }
                    // A list that is full has lost its oldest orders, while their executions are still told.
                    None => {
                        let forgotten =
                            sent > REMEMBERED && number(&trade.order_id).zip(oldest).is_some_and(|(this, oldest)| this < oldest);
                        assert!(forgotten, "{venue} executed an order that it does not list: {trade:?}");
                        assert!(told[0].is_none() || told[1].is_none() || told[0] == told[1], "told of two orders: {trade:?}");
                    }
                }
                let Trade { order_id, side, price, amount, .. } = trade;
                let before = theirs.insert(key, Execution { order_id, side, price, amount });
                assert_eq!(before, None, "{venue} tells a trade twice");
            }
        }
        let lost: Vec<_> = theirs.iter().filter(|(key, _)| !self.executions.contains_key(*key)).collect();
        let invented: Vec<_> = self.executions.iter().filter(|(key, _)| !theirs.contains_key(*key)).collect();
        assert!(lost.is_empty() && invented.is_empty(), "lost: {lost:#?}\ninvented: {invented:#?}");
        assert_eq!(self.executions, theirs, "the same trades are told differently");
        (orders, theirs.len())
    }
}
