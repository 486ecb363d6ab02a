//! The configuration file as types. One TOML file per use, complete in itself; unknown keys are errors.

pub use super::sim::Sim;
use super::units::{Bps, Money, Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where inputs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Simulated venues in this process, over real loopback sockets.
    Sim,
    /// Live public data without keys, simulated fills and accounts.
    Paper,
    /// Real venues with keys; needs `--live` too.
    Live,
}

impl Mode {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Sim => "sim",
            Mode::Paper => "paper",
            Mode::Live => "live",
        }
    }
}

/// The file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sim`, `paper` or `live`.
    pub mode: Mode,
    /// Seed of everything random: the simulated market, jitter. The same seed gives the same simulated market.
    #[serde(default)]
    pub seed: u64,
    /// Which of several instances on one account this is (0 to 46655): the first three characters of every order id.
    #[serde(default)]
    pub instance: u16,
    /// Where logs, latch and lock live.
    pub state: State,
    /// The operator's HTTP port.
    #[serde(default)]
    pub ops: Ops,
    /// Where alerts go.
    #[serde(default)]
    pub alerts: Alerts,
    /// Venue accounts.
    pub venue: Vec<Venue>,
    /// Pairs to trade.
    pub pair: Vec<Pair>,
    /// What you know of assets on venues, where the venues do not tell it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<Identity>,
    /// Routes that may not be opened. A run adds those that identities and transfers rule out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub veto: Vec<Veto>,
    /// What counts as an opportunity.
    #[serde(default)]
    pub strategy: Strategy,
    /// How orders are sent and watched.
    #[serde(default)]
    pub execution: Execution,
    /// Hard limits. Required outside `sim`.
    pub risk: Option<Risk>,
    /// The simulated market; only with mode `sim` and the command `sim`.
    #[serde(default)]
    pub sim: Sim,
    /// The paper accounts; only with mode `paper`.
    #[serde(default)]
    pub paper: Paper,
    /// Recordings that `replay` and `scan` read when the command line names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tape: Vec<Tape>,
}

/// `[state]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Run directory: logs, latch, lock. Created when missing.
    pub dir: String,
    /// Keep the market log (books and batch marks), so that the run can be replayed.
    #[serde(default = "yes")]
    pub market_log: bool,
    /// All market logs in the run directory together stay below this: the oldest files are removed, and a run whose beginning was
    /// removed is not replayable from its start.
    #[serde(default = "market_log_bytes_max")]
    pub market_log_bytes_max: Size,
    /// Newest epochs whose logs are kept; older ones are removed at start, once the checkpoint of this run stands for them. 0 keeps all.
    #[serde(default = "state_epochs_kept")]
    pub state_epochs_kept: u32,
    /// With less free on the disk openings pause; with less than twice as much the market log ends. 0: only when the state log finds no
    /// room for its reserve.
    #[serde(default = "disk_free_min")]
    pub disk_free_min: Size,
}

/// `[ops]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ops {
    /// Address and port; port 0 takes a free one. Empty: no ops server.
    pub listen: String,
    /// Environment variable that holds the token for control routes.
    pub token_env: String,
}

impl Default for Ops {
    fn default() -> Ops {
        Ops { listen: "127.0.0.1:9464".into(), token_env: "CROSSGATE_OPS_TOKEN".into() }
    }
}

/// `[alerts]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// File that gets one line of JSON for every alert; default: `alerts.jsonl` in the run directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// `[[venue]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Venue {
    /// Your name for this account, `[a-z0-9-]`.
    pub id: String,
    /// Which exchange: `gate`, `binance` or `bybit`.
    pub kind: String,
    /// REST host, such as `https://api.gateio.ws`; default: the venue's live host (mode `live`).
    #[serde(default)]
    pub rest: Option<String>,
    /// WebSocket URL of public streams.
    #[serde(default)]
    pub ws: Option<String>,
    /// WebSocket URL of private streams; default: `ws`, where that carries them too (not on Binance: its WebSocket API).
    #[serde(default)]
    pub private_ws: Option<String>,
    /// PEM file of a further certificate authority; loopback hosts only.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Environment variable that holds the API key.
    #[serde(default)]
    pub key_env: Option<String>,
    /// Environment variable that holds the API secret.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// File that holds the API key.
    #[serde(default)]
    pub key_file: Option<String>,
    /// File that holds the API secret.
    #[serde(default)]
    pub secret_file: Option<String>,
    /// You attest that this key may not withdraw, for venues that will not tell (Gate: sub-account keys).
    #[serde(default)]
    pub withdrawal_disabled_attested: bool,
    /// Book channel; default: the venue's first (`order_book` on Gate).
    #[serde(default)]
    pub book_channel: Option<String>,
    /// Subscribe the venue's best-bid-offer channel beside the book: a newer top overlays the book's (Gate `spot.book_ticker`).
    #[serde(default)]
    pub book_ticker: bool,
    /// Subscribe public trades.
    #[serde(default)]
    pub trades: bool,
    /// Subscribe 24-hour tickers.
    #[serde(default)]
    pub tickers: bool,
    /// The way that orders take: `rest`, or `ws` for a logged-in WebSocket link, with REST while it is down.
    #[serde(default)]
    pub order_entry: OrderWay,
    /// Two connections for every public stream: the first to tell a thing is believed, and one may fail unnoticed.
    #[serde(default)]
    pub redundant: bool,
}

/// The way that orders take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderWay {
    /// One request an order.
    #[default]
    Rest,
    /// A logged-in WebSocket link; REST while it is down.
    Ws,
}

impl Venue {
    /// What a session does besides books, private news and reads.
    pub fn options(&self) -> venue::SessionOptions {
        let order_entry = match self.order_entry {
            OrderWay::Rest => venue::OrderEntry::Rest,
            OrderWay::Ws => venue::OrderEntry::WebSocket,
        };
        venue::SessionOptions {
            book_ticker: self.book_ticker,
            trades: self.trades,
            tickers: self.tickers,
            order_entry,
            redundant: self.redundant,
            reads: venue::ReadShare::All,
        }
    }
}

/// `[[pair]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// As in ccxt: `BTC/USDT`.
    pub symbol: String,
}

/// `[[identity]]`: you attest that a venue's asset is ours, and say what it is called there
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The asset as in `[[pair]]`: `PEPE`. One that no pair uses has its name and unit for what an earlier run left of it.
    pub asset: String,
    /// On which venue, by its id.
    pub venue: String,
    /// The venue's name of it; default: the same. The asset's pairs are traded there under this name, and told everywhere under ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// How many of ours one of the venue's is (`1000PEPE`: 1000), a power of ten. Prices, quantities, balances and fees there are told
    /// and limited in our unit. Other than 1 only for assets that spot pairs have as their base.
    #[serde(default = "one_of_ours")]
    pub multiplier: u64,
}

impl Identity {
    /// The power of ten that the multiplier is; `None` for another number.
    pub fn tens(&self) -> Option<u8> {
        let tens = self.multiplier.checked_ilog10()?;
        10u64.checked_pow(tens).filter(|power| *power == self.multiplier).and_then(|_| u8::try_from(tens).ok())
    }
}

fn one_of_ours() -> u64 {
    1
}

/// `[[veto]]`: a route that may not be opened; it is still scanned
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    /// Pair, as in `[[pair]]`.
    pub symbol: String,
    /// Venue id to buy on.
    pub buy: String,
    /// Venue id to sell on.
    pub sell: String,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

/// `[[tape]]`: the parts of one `--tape`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tape {
    /// `KIND` or `KIND:ID`, such as `gate:gate-a`.
    pub venue: String,
    /// As in ccxt; optional for `crossgate` tapes.
    #[serde(default)]
    pub pair: Option<String>,
    /// `crossgate`, `cryptofeed` or `hftbacktest`.
    pub format: String,
    /// Taker fee; default: the venue's base tier.
    #[serde(default)]
    pub fee_bps: Option<Bps>,
    /// The recording; zstd and gzip are read as they are.
    pub file: String,
}

/// `[strategy]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Strategy {
    /// Least net edge after all costs, in basis points of the quote spent.
    pub min_edge_bps: Bps,
    /// Allowance for what moves while orders travel.
    pub latency_allowance_bps: Bps,
    /// A book whose last evidence is older is not traded.
    pub book_age_max: Span,
    /// A book whose venue lag is this far above its normal is not traded.
    pub lag_max: Span,
    /// Two books whose arrival times are further apart are not traded against each other.
    pub skew_max: Span,
    /// A book whose mid is further from the other venues' is not believed.
    pub collar_bps: Bps,
    /// Trade a pair between two venues only when its assets are known to be the same on both. Always so on live hosts.
    pub identity_required: bool,
    /// Trade a route only when what it gathers can be moved back: deposits and withdrawals of both assets are open.
    pub transfers_required: bool,
}

impl Default for Strategy {
    fn default() -> Strategy {
        Strategy {
            min_edge_bps: Bps(rate(2)),
            latency_allowance_bps: Bps(rate(1)),
            book_age_max: Span(1_000_000_000),
            lag_max: Span(250_000_000),
            skew_max: Span(500_000_000),
            collar_bps: Bps(rate(500)),
            identity_required: false,
            transfers_required: false,
        }
    }
}

/// `[execution]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Execution {
    /// Openings that reach the venue later are refused by it (server-side expiry).
    pub order_expiry: Span,
    /// No answer in this time: the order is unknown and is looked up.
    pub reply_timeout: Span,
    /// How long a venue may hide a new order from look-ups (Gate: up to 10 s).
    pub visibility_window: Span,
    /// How long a venue's balances may lag ours.
    pub balance_grace: Span,
    /// How often the venue's lists are compared with ours.
    pub reconcile_every: Span,
    /// Exposure that lasts longer pauses openings.
    pub unhedged_time_max: Span,
    /// Pause between hedge attempts.
    pub hedge_pause: Span,
    /// How long settled orders and the ids of booked executions are kept in memory, counted back from the last complete list of trades.
    pub history_kept: Span,
    /// Most a hedge may cost when it completes the missing leg.
    pub complete_cap_bps: Bps,
    /// Most a hedge may cost when it reverses the filled leg.
    pub reverse_cap_bps: Bps,
    /// Most a hedge may cost at all.
    pub flatten_cap_bps: Bps,
    /// Time without a word from us after which a venue cancels what we have resting, in mode `live` where the venue offers it;
    /// refreshed at a third of it. `0s`: not armed.
    pub dead_man: Span,
}

impl Default for Execution {
    fn default() -> Execution {
        Execution {
            order_expiry: Span(500_000_000),
            reply_timeout: Span(3_000_000_000),
            visibility_window: Span(10_000_000_000),
            balance_grace: Span(30_000_000_000),
            reconcile_every: Span(60_000_000_000),
            unhedged_time_max: Span(5_000_000_000),
            hedge_pause: Span(250_000_000),
            history_kept: Span(3_600_000_000_000),
            complete_cap_bps: Bps(rate(30)),
            reverse_cap_bps: Bps(rate(30)),
            flatten_cap_bps: Bps(rate(200)),
            dead_man: Span(30_000_000_000),
        }
    }
}

/// `[risk]`: amounts in the reference quote. The first six are required outside `sim`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Largest value of one order.
    pub order_value_max: Money,
    /// Largest value of one deal (each leg).
    pub deal_value_max: Money,
    /// Largest worst-case unhedged value, orders in flight taken as filled.
    pub unhedged_value_max: Money,
    /// Deals open at once.
    pub open_deals_max: u32,
    /// Orders sent within a second, hedges included.
    #[serde(default)]
    pub orders_per_second_max: Option<u32>,
    /// Loss since UTC midnight that latches.
    pub daily_loss_max: Money,
    /// The asset in which all amounts of this section are stated: required when the pairs have several quotes, else their quote.
    #[serde(default)]
    pub reference: Option<String>,
    /// Largest worst-case unhedged value of one opportunity; default: twice `deal_value_max`.
    #[serde(default)]
    pub unhedged_opportunity_max: Option<Money>,
    /// Largest worst-case unhedged value over all deals of one base asset; default: `unhedged_value_max`.
    #[serde(default)]
    pub unhedged_asset_max: Option<Money>,
    /// Orders and cancels within a second, a quarter kept for hedges and cancels; default: twice `orders_per_second_max`.
    #[serde(default)]
    pub messages_per_second_max: Option<u32>,
    /// Largest distance of an opening's limit price from its own book's mid and from the venues' median; default 500.
    #[serde(default)]
    pub order_collar_bps: Option<Bps>,
    /// Largest distance of an opening's limit price from every median of the last `collar_period`; default 1000.
    #[serde(default)]
    pub period_collar_bps: Option<Bps>,
    /// Default 60s.
    #[serde(default)]
    pub collar_period: Option<Span>,
    /// The same opening again within this time, nothing executed there in between, is refused; default 1s.
    #[serde(default)]
    pub duplicate_window: Option<Span>,
    /// Deals of one pair within `repeat_window`; one more latches until a person resumes. Default 600.
    #[serde(default)]
    pub repeat_deals_max: Option<u32>,
    /// Default 60s.
    #[serde(default)]
    pub repeat_window: Option<Span>,
    /// Hedges of one deal for each of its two legs; one more is not sent and latches. Default 100.
    #[serde(default)]
    pub hedge_retries_max: Option<u32>,
    /// Largest base quantity of one opening order.
    #[serde(default)]
    pub order_qty: Vec<OrderQty>,
    /// You accept limits above the small caps that hold on live hosts (order and deal 25, unhedged 50, daily loss 10, one deal open).
    #[serde(default)]
    pub live_caps_lifted: bool,
    /// Balances that openings never touch.
    #[serde(default)]
    pub floor: Vec<Floor>,
}

/// `[[risk.order_qty]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderQty {
    /// The pair's symbol.
    pub symbol: String,
    /// Largest base quantity.
    pub max: Money,
}

/// `[[risk.floor]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Venue id.
    pub venue: String,
    /// Asset name.
    pub asset: String,
    /// Amount kept.
    pub amount: Money,
}

/// `[paper]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paper {
    /// How long an order takes to a venue, and its answer back; default: half the longest of the venue's last eight measured round
    /// trips.
    pub latency: Option<Span>,
    /// Taker fee; default: each venue's base tier.
    pub fee_bps: Option<Bps>,
    /// Quote value of each side of every pair that an account owns at the start, the base at the first book's ask; for venues without
    /// balances of their own below.
    pub value: Money,
    /// What an account owns at the start, instead.
    pub balance: Vec<PaperBalance>,
}

impl Default for Paper {
    fn default() -> Paper {
        let value = Money(domain::Amount::from_units(10_000 * domain::number::AMOUNT_ONE));
        Paper { latency: None, fee_bps: None, value, balance: Vec::new() }
    }
}

/// `[[paper.balance]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaperBalance {
    /// Venue id.
    pub venue: String,
    /// Asset name.
    pub asset: String,
    /// Amount owned.
    pub amount: Money,
}

fn rate(bps: i64) -> domain::Rate {
    domain::Rate::from_bps(bps).unwrap_or_default()
}

fn market_log_bytes_max() -> Size {
    Size(16 << 30)
}

fn state_epochs_kept() -> u32 {
    100
}

fn disk_free_min() -> Size {
    Size(64 << 20)
}

fn yes() -> bool {
    true
}
