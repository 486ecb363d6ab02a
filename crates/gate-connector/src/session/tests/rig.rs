//! A venue played by hand: takes what the session sends, answers what a test says.

use crate::session::GateSession;
use crate::wire::samples::tables;
use domain::time::SECOND;
use domain::{
    BookBody, ClientOrderId, Command, DealId, Input, LinkRole, LinkState, MonoNanos, NewOrder, OrderReport, OrderUpdate, PairId,
    Price, Purpose, Qty, Side, TimeInForce, UnixNanos, VenueId,
};
use secrecy::SecretString;
use venue::{
    HttpRequest, IoFailure, LinkId, LossReason, OrderEntry, Response, SessionConfig, SessionOptions, Ticket, Transmit,
    VenueSession,
};

/// Our wall clock at monotonic zero.
pub(super) const WALL_S: i64 = 1_750_000_000;

pub(super) const PUBLIC: LinkId = LinkId { role: LinkRole::Public, shard: 0 };
pub(super) const PRIVATE: LinkId = LinkId { role: LinkRole::Private, shard: 0 };
pub(super) const ENTRY: LinkId = LinkId { role: LinkRole::OrderEntry, shard: 0 };

pub(super) struct Rig {
    pub(super) session: GateSession,
    pub(super) now: MonoNanos,
    pub(super) updates: Vec<Input>,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    pub(super) request: HttpRequest,
    pub(super) order: bool,
}

impl Sent {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }
}

impl Rig {
    pub(super) fn new(channel: &str, keys: bool) -> Rig {
        Rig::with(channel, keys, SessionOptions::default())
    }

    pub(super) fn with(channel: &str, keys: bool, options: SessionOptions) -> Rig {
        let secret = |text: &str| keys.then(|| SecretString::from(text));
        let session = GateSession::new(SessionConfig {
            venue: VenueId(0),
            tables: tables(),
            pairs: vec![PairId(0), PairId(1)],
            key: secret("abcd1234wxyz"),
            secret: secret("secret"),
            book_channel: channel.into(),
            options,
            seed: 7,
        });
        Rig { session: session.unwrap(), now: MonoNanos(SECOND), updates: Vec::new() }
    }

    /// Started, both links open, clock samples answered, nothing queued.
    pub(super) fn open(channel: &str, keys: bool) -> (Rig, Vec<serde_json::Value>) {
        Rig::open_with(channel, keys, SessionOptions::default())
    }

    pub(super) fn open_with(channel: &str, keys: bool, options: SessionOptions) -> (Rig, Vec<serde_json::Value>) {
        let mut rig = Rig::with(channel, keys, options);
        rig.session.start(rig.now);
        let mut open = Vec::new();
        let mut frames = Vec::new();
        let first = rig.drain();
        for out in first {
            match out {
                Transmit::Open(link) => open.push(link),
                Transmit::Request { ticket, .. } => rig.answer_time(ticket),
                other => panic!("{other:?}"),
            }
        }
        for link in open {
            rig.connect(link);
        }
        loop {
            let out = rig.drain();
            if out.is_empty() {
                break;
            }
            for one in out {
                match one {
                    Transmit::Frame { text, .. } => frames.push(serde_json::from_str(&text).unwrap()),
                    Transmit::Request { ticket, .. } => rig.answer_time(ticket),
                    other => panic!("{other:?}"),
                }
            }
        }
        rig.updates.clear();
        (rig, frames)
    }

    /// As `open`, with every subscription acknowledged.
    pub(super) fn live(channel: &str, keys: bool) -> Rig {
        Rig::live_with(channel, keys, SessionOptions::default())
    }

    /// As `live`, with orders over a WebSocket link that is logged in.
    pub(super) fn live_entry() -> Rig {
        Rig::live_with("order_book", true, SessionOptions { order_entry: OrderEntry::WebSocket, ..SessionOptions::default() })
    }

    pub(super) fn live_with(channel: &str, keys: bool, options: SessionOptions) -> Rig {
        let (mut rig, frames) = Rig::open_with(channel, keys, options);
        for frame in frames {
            rig.acknowledge(&frame);
        }
        // The private link is believed when it answers after that.
        if keys {
            rig.drain();
            rig.pong(PRIVATE);
        }
        rig.updates.clear();
        rig
    }

    pub(super) fn pong(&mut self, link: LinkId) {
        let time_ms = self.wall().millis();
        self.frame(link, &format!(r#"{{"time":1,"time_ms":{time_ms},"channel":"spot.pong","event":"","result":null}}"#));
    }

    fn answer_time(&mut self, ticket: Ticket) {
        let text = format!(r#"{{"server_time":{}}}"#, self.wall().millis());
        self.answer(ticket, 200, &text);
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

    pub(super) fn frame(&mut self, link: LinkId, text: &str) {
        self.session.handle_frame(link, self.now, &mut text.as_bytes().to_vec(), &mut self.updates);
    }

    pub(super) fn acknowledge(&mut self, request: &serde_json::Value) {
        if request["channel"] == "spot.login" {
            return self.log_in(ENTRY, request);
        }
        let private = request.get("auth").is_some();
        let mut reply = request.clone();
        reply["result"] = serde_json::json!({"status": "success"});
        self.frame(if private { PRIVATE } else { PUBLIC }, &reply.to_string());
    }

    /// Answers a login.
    pub(super) fn log_in(&mut self, link: LinkId, request: &serde_json::Value) {
        self.reply(link, request, "200", r#""data":{"result":{"api_key":"abcd1234wxyz","uid":"1"}}"#);
    }

    /// Answers a request of order entry.
    pub(super) fn reply(&mut self, link: LinkId, request: &serde_json::Value, status: &str, rest: &str) {
        let (id, channel) = (&request["payload"]["req_id"], &request["channel"]);
        let header = format!(r#"{{"status":"{status}","channel":{channel},"event":"api"}}"#);
        self.frame(link, &format!(r#"{{"request_id":{id},"header":{header},{rest}}}"#));
    }

    pub(super) fn drain(&mut self) -> Vec<Transmit> {
        let mut out = Vec::new();
        while let Some(one) = self.session.poll_transmit(self.now, self.wall(), &mut self.updates) {
            out.push(one);
        }
        out
    }

    /// What is queued, as requests; other things are dropped.
    pub(super) fn requests(&mut self) -> Vec<Sent> {
        let request = |out| match out {
            Transmit::Request { ticket, request, order, .. } => Some(Sent { ticket, request, order }),
            _ => None,
        };
        self.drain().into_iter().filter_map(request).collect()
    }

    /// What is queued, as frames; other things are dropped.
    pub(super) fn frames(&mut self) -> Vec<serde_json::Value> {
        let frame = |out| match out {
            Transmit::Frame { text, .. } => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        };
        self.drain().into_iter().filter_map(frame).collect()
    }

    pub(super) fn answer(&mut self, ticket: Ticket, status: u16, body: &str) {
        self.answer_with(ticket, status, &[], body);
    }

    pub(super) fn answer_with(&mut self, ticket: Ticket, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let mut body = body.as_bytes().to_vec();
        let response = Response::Http { status, headers: &headers, body: &mut body };
        self.session.handle_response(ticket, self.now, response, &mut self.updates);
    }

    pub(super) fn fail(&mut self, ticket: Ticket, failure: IoFailure) {
        self.session.handle_response(ticket, self.now, Response::Failed(failure), &mut self.updates);
    }

    pub(super) fn pass(&mut self, nanos: u64) {
        self.now = self.now.after(nanos);
    }

    /// Lets time pass, firing every timer when it is due. Everything sent meanwhile is returned; time requests are answered.
    pub(super) fn run(&mut self, nanos: u64) -> Vec<Transmit> {
        let end = self.now.after(nanos);
        let mut out = Vec::new();
        loop {
            while let Some(one) = self.session.poll_transmit(self.now, self.wall(), &mut self.updates) {
                match one {
                    Transmit::Request { ticket, request, .. } if request.path.ends_with("/spot/time") => self.answer_time(ticket),
                    other => out.push(other),
                }
            }
            match self.session.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.session.handle_timeout(self.now, &mut self.updates);
                    assert!(
                        self.session.poll_timeout().is_none_or(|next| next > self.now),
                        "a timer that fired must not fire again at once"
                    );
                }
                _ => break,
            }
        }
        self.now = end;
        out
    }

    pub(super) fn submit(&mut self, command: Command) {
        self.session.submit(self.now, &command, &mut self.updates);
    }

    pub(super) fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.updates)
    }

    pub(super) fn orders(&mut self) -> Vec<OrderUpdate> {
        let order = |input| if let Input::Order(update) = input { Some(update) } else { None };
        self.take().into_iter().filter_map(order).collect()
    }

    #[track_caller]
    pub(super) fn one_report(&mut self) -> OrderReport {
        let orders = self.orders();
        assert_eq!(orders.len(), 1, "{orders:?}");
        orders[0].report
    }

    /// Book news as short text: `S5` snapshot, `D6-7` delta, `U gap`.
    pub(super) fn book_news(&mut self) -> Vec<String> {
        let news = |input| match input {
            Input::Book(update) => Some(match update.body {
                BookBody::Snapshot { id, .. } => format!("S{id}"),
                BookBody::Delta { first, last, .. } => format!("D{first}-{last}"),
                BookBody::Top { id, .. } => format!("T{id}"),
                BookBody::Evidence { id } => format!("E{id}"),
                BookBody::Untrusted { reason } => format!("U {reason}"),
            }),
            _ => None,
        };
        self.take().into_iter().filter_map(news).collect()
    }

    pub(super) fn link_news(&mut self) -> Vec<(LinkRole, LinkState)> {
        let news = |input| if let Input::Link(change) = input { Some((change.role, change.state)) } else { None };
        self.take().into_iter().filter_map(news).collect()
    }
}

pub(super) fn client(counter: u64) -> ClientOrderId {
    ClientOrderId::new(1, 2, 3, counter).unwrap()
}

/// Buys 0.0021 BTC at 61234.5.
pub(super) fn order(counter: u64) -> NewOrder {
    NewOrder {
        venue: VenueId(0),
        pair: PairId(0),
        client_id: client(counter),
        deal: DealId(1),
        purpose: Purpose::Open,
        side: Side::Buy,
        price: Price::from_units(6_123_450).unwrap(),
        qty: Qty::from_units(2100).unwrap(),
        tif: TimeInForce::Ioc,
        deadline: None,
    }
}

/// The venue's row of [`order`].
pub(super) fn row(counter: u64, status: &str, left: &str, finish_as: &str) -> String {
    format!(
        r#"{{"id":"77","text":"t-{}","status":"{status}","currency_pair":"BTC_USDT","type":"limit","side":"buy","amount":"0.0021","price":"61234.5","left":"{left}","finish_as":"{finish_as}"}}"#,
        client(counter)
    )
}
