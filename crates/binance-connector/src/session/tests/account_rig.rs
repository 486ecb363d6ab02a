//! A Binance account played by hand: takes what the session sends on its private link, its order link and over REST, answers what a test
//! says. Public links are opened and acknowledged by themselves.

use crate::session::BinanceSession;
use crate::wire::samples::account_names;
use domain::command::OrderRef;
use domain::time::SECOND;
use domain::{
    ClientOrderId, Command, DealId, Fill, Input, LinkRole, LinkState, MonoNanos, NewOrder, OrderReport, PairId, Price, Purpose,
    Qty, Side, TimeInForce, UnixNanos, VenueId,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use venue::{
    HttpRequest, IoFailure, LinkId, LossReason, OrderEntry, Response, SessionConfig, SessionOptions, Ticket, Transmit,
    VenueSession,
};

/// Our wall clock at monotonic zero.
const WALL_S: i64 = 1_750_000_000;
pub(super) const HMAC: &str = "an-hmac-secret-of-any-length";
/// The bytes 0 to 31.
pub(super) const ED25519: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const KEY: &str = "the-api-key";

pub(super) const fn private(shard: u8) -> LinkId {
    LinkId { role: LinkRole::Private, shard }
}

pub(super) const fn entry(shard: u8) -> LinkId {
    LinkId { role: LinkRole::OrderEntry, shard }
}

/// A frame on the WebSocket API.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) link: LinkId,
    pub(super) method: String,
    pub(super) params: Value,
    pub(super) id: Value,
    pub(super) order: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    pub(super) request: HttpRequest,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Out {
    pub(super) opened: Vec<LinkId>,
    pub(super) closed: Vec<LinkId>,
    pub(super) asked: Vec<Asked>,
    pub(super) sent: Vec<Sent>,
}

impl Out {
    pub(super) fn methods(&self) -> Vec<&str> {
        self.asked.iter().map(|asked| asked.method.as_str()).collect()
    }

    #[track_caller]
    pub(super) fn request(&self) -> Sent {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent[0].clone()
    }

    #[track_caller]
    pub(super) fn frame(&self) -> Asked {
        assert_eq!(self.asked.len(), 1, "{:?}", self.asked);
        self.asked[0].clone()
    }
}

pub(super) struct Account {
    pub(super) session: BinanceSession,
    pub(super) now: MonoNanos,
    pub(super) updates: Vec<Input>,
    /// Links are opened, and what a healthy venue says to log-ons, subscriptions and pings is said.
    pub(super) healthy: bool,
    /// The status of what the venue says when it is asked for its time: with 200 it is told.
    pub(super) clock: u16,
    /// How often it was asked for it.
    pub(super) times_asked: u32,
}

impl Account {
    pub(super) fn new(secret: &str, order_entry: OrderEntry) -> Account {
        let session = BinanceSession::new(SessionConfig {
            venue: VenueId(0),
            tables: account_names().tables,
            pairs: vec![PairId(0), PairId(1), PairId(3)],
            key: Some(SecretString::from(KEY)),
            secret: Some(SecretString::from(secret)),
            book_channel: "depth".into(),
            options: SessionOptions { order_entry, ..SessionOptions::default() },
            seed: 7,
        });
        let (session, now) = (session.unwrap(), MonoNanos(SECOND));
        let mut account = Account { session, now, updates: Vec::new(), healthy: true, clock: 200, times_asked: 0 };
        account.session.start(account.now);
        account
    }

    /// Everything that is told of the account is told, and the order link, if there is one, is ready.
    pub(super) fn live(secret: &str, order_entry: OrderEntry) -> Account {
        let mut account = Account::new(secret, order_entry);
        account.run(3 * SECOND);
        assert!(account.link_news(LinkRole::Private).ends_with(&[LinkState::Up]));
        account.updates.clear();
        account
    }

    pub(super) fn wall(&self) -> UnixNanos {
        UnixNanos(WALL_S * SECOND as i64 + self.now.0 as i64)
    }

    pub(super) fn connect(&mut self, link: LinkId) {
        self.session.handle_connected(link, self.now, &mut self.updates);
    }

    pub(super) fn lose(&mut self, link: LinkId) {
        self.session.handle_lost(link, self.now, LossReason::ClosedByPeer, &mut self.updates);
    }

    pub(super) fn frame(&mut self, link: LinkId, frame: &Value) {
        self.session.handle_frame(link, self.now, &mut frame.to_string().into_bytes(), &mut self.updates);
    }

    pub(super) fn event(&mut self, link: LinkId, event: Value) {
        self.frame(link, &json!({"subscriptionId": 0, "event": event}));
    }

    /// A success.
    pub(super) fn say(&mut self, asked: &Asked, result: Value) {
        self.frame(asked.link, &json!({"id": asked.id, "status": 200, "result": result, "rateLimits": []}));
    }

    pub(super) fn refuse(&mut self, asked: &Asked, status: u16, error: Value) {
        self.frame(asked.link, &json!({"id": asked.id, "status": status, "error": error, "rateLimits": []}));
    }

    pub(super) fn answer(&mut self, sent: &Sent, status: u16, body: &Value) {
        self.answer_with(sent, status, &[], body);
    }

    pub(super) fn answer_with(&mut self, sent: &Sent, status: u16, headers: &[(&str, &str)], body: &Value) {
        let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut body = body.to_string().into_bytes();
        let response = Response::Http { status, headers: &headers, body: &mut body };
        self.session.handle_response(sent.ticket, self.now, response, &mut self.updates);
    }

    pub(super) fn fail(&mut self, sent: &Sent, failure: IoFailure) {
        self.session.handle_response(sent.ticket, self.now, Response::Failed(failure), &mut self.updates);
    }

    fn drain(&mut self, all: &mut Out) -> bool {
        let mut any = false;
        while let Some(one) = self.session.poll_transmit(self.now, self.wall(), &mut self.updates) {
            any = true;
            match one {
                Transmit::Open(link) => {
                    if link.role != LinkRole::Public {
                        all.opened.push(link);
                    }
                    if self.healthy || link.role == LinkRole::Public {
                        self.connect(link);
                    }
                }
                Transmit::Close(link) => {
                    if link.role != LinkRole::Public {
                        all.closed.push(link);
                    }
                    self.session.handle_lost(link, self.now, LossReason::ClosedByUs, &mut self.updates);
                }
                Transmit::Request { ticket, request, .. } if request.path.ends_with("/time") => {
                    let body = json!({"serverTime": self.wall().millis()});
                    self.times_asked += 1;
                    self.answer(&Sent { ticket, request }, self.clock, &body);
                }
                Transmit::Request { ticket, request, .. } => all.sent.push(Sent { ticket, request }),
                Transmit::Frame { link, text, order } => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let id = message["id"].clone();
                    if link.role == LinkRole::Public {
                        self.frame(link, &json!({"result": null, "id": id}));
                        continue;
                    }
                    let method = message["method"].as_str().unwrap().to_string();
                    let asked = Asked { link, method, params: message["params"].clone(), id, order };
                    if self.healthy {
                        match asked.method.as_str() {
                            "session.logon" => self.say(&asked, json!({"authorizedSince": 1})),
                            "ping" => self.say(&asked, json!({})),
                            method if method.starts_with("userDataStream") => self.say(&asked, json!({"subscriptionId": 0})),
                            _ => {}
                        }
                    }
                    all.asked.push(asked);
                }
            }
        }
        any
    }

    /// Lets time pass, firing every timer when it is due; returns everything sent meanwhile.
    pub(super) fn run(&mut self, nanos: u64) -> Out {
        let end = self.now.after(nanos);
        let mut all = Out::default();
        loop {
            while self.drain(&mut all) {}
            match self.session.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.session.handle_timeout(self.now, &mut self.updates);
                }
                _ => break,
            }
        }
        self.now = end;
        all
    }

    pub(super) fn submit(&mut self, command: Command) -> Out {
        self.session.submit(self.now, &command, &mut self.updates);
        self.run(0)
    }

    pub(super) fn place(&mut self, order: NewOrder) -> Out {
        self.submit(Command::Place(order))
    }

    pub(super) fn look_up(&mut self, order: &NewOrder) -> Out {
        self.submit(Command::LookUp(named(order)))
    }

    pub(super) fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.updates)
    }

    pub(super) fn reports(&mut self) -> Vec<OrderReport> {
        self.take()
            .into_iter()
            .filter_map(|input| if let Input::Order(update) = input { Some(update.report) } else { None })
            .collect()
    }

    pub(super) fn fills(&mut self) -> Vec<Fill> {
        self.take().into_iter().filter_map(|input| if let Input::Fill(fill) = input { Some(fill) } else { None }).collect()
    }

    pub(super) fn link_news(&mut self, role: LinkRole) -> Vec<LinkState> {
        let news = |input| match input {
            Input::Link(change) if change.role == role => Some(change.state),
            _ => None,
        };
        self.take().into_iter().filter_map(news).collect()
    }
}

/// Buys 0.0021 BTC at 61234.50, immediate or cancelled.
pub(super) fn order(counter: u64) -> NewOrder {
    NewOrder {
        venue: VenueId(0),
        pair: PairId(0),
        client_id: ClientOrderId::new(1, 2, 3, counter).unwrap(),
        deal: DealId(1),
        purpose: Purpose::Hedge,
        side: Side::Buy,
        price: Price::from_units(6_123_450).unwrap(),
        qty: Qty::from_units(210).unwrap(),
        tif: TimeInForce::Ioc,
        deadline: None,
    }
}

pub(super) fn named(order: &NewOrder) -> OrderRef {
    OrderRef { venue: order.venue, pair: order.pair, client_id: order.client_id, venue_order_id: None }
}

/// The row of an order with this status and so much executed.
pub(super) fn row(order: &NewOrder, status: &str, filled: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "orderId": 77, "clientOrderId": order.client_id.to_string(), "side": "BUY", "type": "LIMIT",
        "timeInForce": "IOC", "price": "61234.50000000", "origQty": "0.00210000", "executedQty": filled, "status": status,
    })
}

/// The event of an execution, or of anything else.
pub(super) fn report(order: &NewOrder, execution: &str, status: &str, filled: &str, trade: i64, last: &str) -> Value {
    json!({
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": order.client_id.to_string(), "C": "", "S": "BUY", "o": "LIMIT",
        "f": "IOC", "q": "0.00210000", "p": "61234.50000000", "x": execution, "X": status, "r": "NONE", "i": 77, "l": last,
        "L": "61234.50000000", "z": filled, "n": "0.00000100", "N": "BNB", "T": 1_750_000_000_123i64, "t": trade, "m": false,
    })
}
