//! A venue played by hand: takes what the session sends, answers what a test says.

use crate::session::BinanceSession;
use crate::wire::samples::tables;
use domain::time::SECOND;
use domain::{BookBody, Command, Input, LinkState, MonoNanos, PairId, PairInfo, Symbol, Tables, UnixNanos, VenueId};
use serde_json::Value;
use std::sync::Arc;
use venue::{
    HttpRequest, IoFailure, LinkId, LossReason, Response, SessionConfig, SessionOptions, Ticket, Transmit, VenueSession,
};

/// Our wall clock at monotonic zero.
const WALL_S: i64 = 1_750_000_000;

pub(super) const fn link(shard: u8) -> LinkId {
    LinkId { role: domain::LinkRole::Public, shard }
}

pub(super) const SPOT: LinkId = link(0);
pub(super) const USDM: LinkId = link(1);
/// The link that replaces [`SPOT`].
pub(super) const SPOT_NEXT: LinkId = link(4);

/// A control message on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) link: LinkId,
    pub(super) method: String,
    pub(super) streams: Vec<String>,
    pub(super) id: u64,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    pub(super) request: HttpRequest,
}

/// Everything else on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Open(LinkId),
    Close(LinkId),
}

/// What a session sent, by kind.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) wires: Vec<Wire>,
    pub(super) controls: Vec<Control>,
    pub(super) requests: Vec<Sent>,
}

impl Out {
    /// Methods and streams of the control messages.
    pub(super) fn asked(&self) -> Vec<String> {
        self.controls.iter().map(|c| format!("{} {}", c.method, c.streams.join(","))).collect()
    }

    /// The ticket of the only book copy asked for.
    #[track_caller]
    pub(super) fn copy(&self) -> Ticket {
        assert_eq!(self.requests.len(), 1, "{:?}", self.requests);
        assert!(self.requests[0].request.path.ends_with("/depth"), "{:?}", self.requests);
        self.requests[0].ticket
    }
}

pub(super) struct Rig {
    pub(super) session: BinanceSession,
    pub(super) now: MonoNanos,
    pub(super) updates: Vec<Input>,
    /// Control messages are acknowledged as they come.
    pub(super) acknowledges: bool,
}

impl Rig {
    pub(super) fn new(pairs: &[u16], options: SessionOptions) -> Rig {
        Rig::of(tables(), pairs.iter().map(|pair| PairId(*pair)).collect(), options)
    }

    fn of(tables: Arc<Tables>, pairs: Vec<PairId>, options: SessionOptions) -> Rig {
        let session = BinanceSession::new(SessionConfig {
            venue: VenueId(0),
            tables,
            pairs,
            key: None,
            secret: None,
            book_channel: "depth".into(),
            options,
            seed: 7,
        });
        Rig { session: session.unwrap(), now: MonoNanos(SECOND), updates: Vec::new(), acknowledges: true }
    }

    /// Started, every link open, every subscription acknowledged, nothing queued.
    pub(super) fn live(pairs: &[u16]) -> Rig {
        Rig::live_with(pairs, SessionOptions::default())
    }

    pub(super) fn live_with(pairs: &[u16], options: SessionOptions) -> Rig {
        let mut rig = Rig::new(pairs, options);
        rig.session.start(rig.now);
        for wire in rig.drain().wires {
            let Wire::Open(link) = wire else { panic!("{wire:?}") };
            rig.connect(link);
        }
        rig.run(SECOND);
        rig.updates.clear();
        rig
    }

    /// As `live`, with spot pairs `A0/USDT`, `A1/USDT` and so on.
    pub(super) fn live_many(count: u16) -> Rig {
        let mut many = (*tables()).clone();
        let model = many.pairs[0].clone();
        let pair = |n: u16| PairInfo { symbol: Symbol::parse(&format!("A{n}/USDT")).unwrap(), ..model.clone() };
        many.pairs = (0..count).map(pair).collect();
        let pairs = many.pair_ids().collect();
        let mut rig = Rig::of(Arc::new(many), pairs, SessionOptions::default());
        rig.session.start(rig.now);
        rig.drain();
        rig.connect(SPOT);
        rig.run(SECOND);
        rig.updates.clear();
        rig
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

    pub(super) fn answer(&mut self, ticket: Ticket, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let mut body = body.as_bytes().to_vec();
        let response = Response::Http { status, headers: &headers, body: &mut body };
        self.session.handle_response(ticket, self.now, response, &mut self.updates);
    }

    pub(super) fn copy(&mut self, ticket: Ticket, id: u64) {
        self.answer(ticket, 200, &[], &format!(r#"{{"lastUpdateId":{id},"bids":[["100","1"]],"asks":[["101","1"]]}}"#));
    }

    pub(super) fn fail(&mut self, ticket: Ticket, failure: IoFailure) {
        self.session.handle_response(ticket, self.now, Response::Failed(failure), &mut self.updates);
    }

    /// What is queued. Times are answered; control messages are acknowledged if the venue does that.
    pub(super) fn drain(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(one) = self.session.poll_transmit(self.now, self.wall(), &mut self.updates) {
            match one {
                Transmit::Open(link) => out.wires.push(Wire::Open(link)),
                Transmit::Close(link) => out.wires.push(Wire::Close(link)),
                Transmit::Request { ticket, request, .. } if request.path.ends_with("/time") => {
                    let body = format!(r#"{{"serverTime":{}}}"#, self.wall().millis() + 250);
                    self.answer(ticket, 200, &[], &body);
                }
                Transmit::Request { ticket, request, .. } => out.requests.push(Sent { ticket, request }),
                Transmit::Frame { link, text, order } => {
                    assert!(!order);
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let texts = message["params"].as_array().into_iter().flatten();
                    let streams: Vec<String> = texts.map(|s| s.as_str().unwrap().to_string()).collect();
                    let id = message["id"].as_u64().unwrap();
                    out.controls.push(Control { link, method: message["method"].as_str().unwrap().into(), streams, id });
                    if self.acknowledges {
                        self.frame(link, &format!(r#"{{"result":null,"id":{id}}}"#));
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
            all.controls.extend(out.controls);
            all.requests.extend(out.requests);
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
        all
    }

    pub(super) fn pass(&mut self, nanos: u64) {
        self.now = self.now.after(nanos);
    }

    pub(super) fn submit(&mut self, command: Command) {
        self.session.submit(self.now, &command, &mut self.updates);
    }

    pub(super) fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.updates)
    }

    /// Book news as short text: `S5` snapshot, `D6-7` change, `T8` top, `U gap` trust lost; the pair in front where it is not the
    /// first.
    pub(super) fn book_news(&mut self) -> Vec<String> {
        let news = |input| match input {
            Input::Book(update) => {
                let pair = if update.pair == PairId(0) { String::new() } else { format!("{}:", update.pair.0) };
                Some(match update.body {
                    BookBody::Snapshot { id, .. } => format!("{pair}S{id}"),
                    BookBody::Delta { first, last, .. } => format!("{pair}D{first}-{last}"),
                    BookBody::Top { id, .. } => format!("{pair}T{id}"),
                    BookBody::Untrusted { reason } => format!("{pair}U {reason}"),
                    other => panic!("{other:?}"),
                })
            }
            _ => None,
        };
        self.take().into_iter().filter_map(news).collect()
    }

    pub(super) fn link_news(&mut self) -> Vec<LinkState> {
        let news = |input| if let Input::Link(change) = input { Some(change.state) } else { None };
        self.take().into_iter().filter_map(news).collect()
    }
}

/// A change of spot BTC/USDT.
pub(super) fn spot(first: u64, last: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1750000000100,"s":"BTCUSDT","U":{first},"u":{last},"b":[["100","2"]],"a":[]}}}}"#
    )
}

/// A change of the USD-M perpetual BTC/USDT:USDT.
pub(super) fn usdm(previous: u64, first: u64, last: u64) -> String {
    format!(
        r#"{{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1750000000100,"T":1750000000090,"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},"b":[["100","2"]],"a":[]}}}}"#
    )
}

/// A live spot book at id 10, alone.
pub(super) fn live_spot() -> Rig {
    let mut rig = Rig::live(&[0]);
    rig.frame(SPOT, &spot(10, 10));
    let ticket = rig.drain().copy();
    rig.copy(ticket, 10);
    assert_eq!(rig.book_news(), ["S10"]);
    rig
}
