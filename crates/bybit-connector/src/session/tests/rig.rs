//! A venue played by hand: takes what the session sends, answers what a test says.

use crate::session::BybitSession;
use crate::wire::samples::tables;
use domain::time::SECOND;
use domain::{BookBody, Command, Input, LinkRole, LinkState, MonoNanos, PairId, PairInfo, Symbol, Tables, UnixNanos, VenueId};
use serde_json::Value;
use std::sync::Arc;
use venue::{HttpRequest, LinkId, LossReason, Response, SessionConfig, SessionOptions, Ticket, Transmit, VenueSession};

/// Our wall clock at monotonic zero.
const WALL_S: i64 = 1_750_000_000;

pub(super) const fn link(shard: u8) -> LinkId {
    LinkId { role: LinkRole::Public, shard }
}

pub(super) const SPOT: LinkId = link(0);
pub(super) const LINEAR: LinkId = link(1);
/// The link that replaces [`SPOT`].
pub(super) const SPOT_NEXT: LinkId = link(4);

/// What a session sent, by kind.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// `open 0`, `close 4`, by shard.
    pub(super) wires: Vec<String>,
    /// `subscribe orderbook.50.BTCUSDT,…`, `ping`.
    pub(super) asked: Vec<String>,
    pub(super) requests: Vec<(Ticket, HttpRequest)>,
}

pub(super) struct Rig {
    pub(super) session: BybitSession,
    pub(super) now: MonoNanos,
    pub(super) updates: Vec<Input>,
    /// Control messages are answered as they come.
    pub(super) answers: bool,
    /// Subscriptions that name this are refused.
    pub(super) refuses: Option<&'static str>,
}

impl Rig {
    pub(super) fn new(pairs: &[u16], channel: &str, options: SessionOptions) -> Rig {
        Rig::of(tables(), pairs.iter().map(|pair| PairId(*pair)).collect(), channel, options)
    }

    fn of(tables: Arc<Tables>, pairs: Vec<PairId>, channel: &str, options: SessionOptions) -> Rig {
        let session = BybitSession::new(SessionConfig {
            venue: VenueId(0),
            tables,
            pairs,
            key: None,
            secret: None,
            book_channel: channel.into(),
            options,
            seed: 7,
        });
        Rig { session: session.unwrap(), now: MonoNanos(SECOND), updates: Vec::new(), answers: true, refuses: None }
    }

    /// Started, every link open, every subscription acknowledged, nothing queued.
    fn open(mut self) -> Rig {
        self.session.start(self.now);
        for wire in self.drain().wires {
            let shard = wire.strip_prefix("open ").and_then(|shard| shard.parse().ok());
            self.connect(link(shard.unwrap()));
        }
        self.run(SECOND);
        self.updates.clear();
        self
    }

    pub(super) fn live_with(pairs: &[u16], options: SessionOptions) -> Rig {
        Rig::new(pairs, "orderbook.50", options).open()
    }

    pub(super) fn live(pairs: &[u16]) -> Rig {
        Rig::live_with(pairs, SessionOptions::default())
    }

    pub(super) fn live_tops(pairs: &[u16]) -> Rig {
        Rig::new(pairs, "orderbook.1", SessionOptions::default()).open()
    }

    /// Spot pairs `A0/USDT`, `A1/USDT` and so on, not started.
    pub(super) fn many(count: u16) -> Rig {
        let mut many = (*tables()).clone();
        let model = many.pairs[0].clone();
        let pair = |n: u16| PairInfo { symbol: Symbol::parse(&format!("A{n}/USDT")).unwrap(), ..model.clone() };
        many.pairs = (0..count).map(pair).collect();
        let pairs = many.pair_ids().collect();
        Rig::of(Arc::new(many), pairs, "orderbook.50", SessionOptions::default())
    }

    fn wall(&self) -> UnixNanos {
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

    pub(super) fn whole(&mut self, link: LinkId, u: u64, seq: u64) {
        self.frame(link, &book("snapshot", "BTCUSDT", u, seq));
    }

    pub(super) fn change(&mut self, link: LinkId, u: u64, seq: u64) {
        self.frame(link, &book("delta", "BTCUSDT", u, seq));
    }

    pub(super) fn answer(&mut self, ticket: Ticket, status: u16, body: &str) {
        let response = Response::Http { status, headers: &[], body: &mut body.as_bytes().to_vec() };
        self.session.handle_response(ticket, self.now, response, &mut self.updates);
    }

    /// What is queued. Times are answered; control messages are if the venue does that.
    pub(super) fn drain(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(one) = self.session.poll_transmit(self.now, self.wall(), &mut self.updates) {
            match one {
                Transmit::Open(link) => out.wires.push(format!("open {}", link.shard)),
                Transmit::Close(link) => out.wires.push(format!("close {}", link.shard)),
                Transmit::Request { ticket, request, .. } if request.path == "/v5/market/time" => {
                    let nanos = self.wall().0 + 250_000_000;
                    self.answer(ticket, 200, &format!(r#"{{"retCode":0,"result":{{"timeNano":"{nanos}"}}}}"#));
                }
                Transmit::Request { ticket, request, .. } => out.requests.push((ticket, request)),
                Transmit::Frame { link, text, order } => {
                    assert!(!order);
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let topics: Vec<&str> = message["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    assert!(topics.len() <= 10, "ten topics a request");
                    let op = message["op"].as_str().unwrap();
                    out.asked.push(format!("{op} {}", topics.join(",")).trim_end().to_string());
                    let refused = self.refuses.is_some_and(|bad| topics.iter().any(|topic| topic.ends_with(bad)));
                    if self.answers {
                        let (id, success) = (&message["req_id"], !refused);
                        self.frame(
                            link,
                            &format!(r#"{{"success":{success},"ret_msg":"","conn_id":"x","req_id":{id},"op":"{op}"}}"#),
                        );
                    }
                }
            }
        }
        out
    }

    /// Lets time pass, firing every timer when it is due; returns everything sent meanwhile.
    pub(super) fn run(&mut self, nanos: u64) -> Out {
        let end = self.now.after(nanos);
        let mut all = Out::default();
        loop {
            let out = self.drain();
            all.wires.extend(out.wires);
            all.asked.extend(out.asked);
            all.requests.extend(out.requests);
            match self.session.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.session.handle_timeout(self.now, &mut self.updates);
                    let next = self.session.poll_timeout();
                    assert!(next.is_none_or(|next| next > self.now), "a timer that fired must not fire again at once");
                }
                _ => break,
            }
        }
        self.now = end;
        all
    }

    pub(super) fn submit(&mut self, command: Command) {
        self.session.submit(self.now, &command, &mut self.updates);
    }

    pub(super) fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.updates)
    }

    /// Book news as short text: `S5` whole, `D6-7` change, `T8` top, `U gap` trust lost; `~` after what tells nothing of lag.
    pub(super) fn book_news(&mut self) -> Vec<String> {
        let news = |input| {
            let Input::Book(update) = input else { return None };
            let lag = if update.sent_at.is_some() { "" } else { "~" };
            Some(match update.body {
                BookBody::Snapshot { id, .. } => format!("S{id}{lag}"),
                BookBody::Delta { first, last, .. } => format!("D{first}-{last}{lag}"),
                BookBody::Top { id, .. } => format!("T{id}{lag}"),
                BookBody::Untrusted { reason } => format!("U {reason}"),
                other => panic!("{other:?}"),
            })
        };
        self.take().into_iter().filter_map(news).collect()
    }

    pub(super) fn link_news(&mut self) -> Vec<LinkState> {
        let news = |input| if let Input::Link(change) = input { Some(change.state) } else { None };
        self.take().into_iter().filter_map(news).collect()
    }
}

/// A message of a book stream of 50 levels.
pub(super) fn book(kind: &str, symbol: &str, u: u64, seq: u64) -> String {
    format!(
        r#"{{"topic":"orderbook.50.{symbol}","type":"{kind}","ts":1750000000100,"data":{{"s":"{symbol}","b":[["100","2"]],"a":[["101","1"]],"u":{u},"seq":{seq}}},"cts":1750000000090}}"#
    )
}

/// A message of `orderbook.1`.
pub(super) fn top(symbol: &str, u: u64, seq: u64) -> String {
    book("snapshot", symbol, u, seq).replace("orderbook.50", "orderbook.1")
}
