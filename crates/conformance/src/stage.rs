//! The scripted time, and the venue's side of links: what a case does not care about is answered as a healthy venue would.

use crate::script::{Asked, BookNews, PrivateNews, Reply, Said, Script};
use domain::time::{MILLI, SECOND};
use domain::{
    AssetId, BookBody, ClientOrderId, Command, DealId, Input, InstrumentKind, LinkRole, LinkState, MonoNanos, NewOrder,
    OrderReport, OrderUpdate, PairId, PairInfo, PairScale, Price, Purpose, Qty, ResyncReason, Side, Symbol, Tables, TimeInForce,
    UnixNanos, VenueId,
};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::Arc;
use venue::{IoFailure, LinkId, LossReason, Response, SessionConfig, SessionOptions, Ticket, Transmit, VenueSession};

/// The API key of every case.
pub const KEY: &str = "conformance-key";
/// Its secret.
pub const SECRET: &str = "conformance-secret";
/// The pair that cases are about.
pub const PAIR: PairId = PairId(0);
/// Our wall clock at monotonic zero, in seconds.
const WALL_S: i64 = 1_750_000_000;
/// The venue's clock is ahead of ours by this much.
pub const AHEAD_NS: i64 = 250 * MILLI as i64;

/// Assets BTC 0, ETH 1, USDT 2; pairs BTC/USDT (2 price, 6 quantity decimals) and ETH/USDT (2, 4).
///
/// # Panics
/// Never.
pub fn tables() -> Arc<Tables> {
    let pair = |symbol: &str, base: u16, price, qty| PairInfo {
        symbol: Symbol::parse(symbol).expect("a symbol"),
        kind: InstrumentKind::Spot,
        base: AssetId(base),
        quote: AssetId(2),
        scale: PairScale::new(price, qty).expect("a scale"),
    };
    Arc::new(Tables {
        venues: vec!["one".into()],
        pairs: vec![pair("BTC/USDT", 0, 2, 6), pair("ETH/USDT", 1, 2, 4)],
        assets: ["BTC", "ETH", "USDT"].map(String::from).to_vec(),
    })
}

/// Buys 0.0021 BTC at 61234.5, immediate or cancelled.
///
/// # Panics
/// Never for counters below the ids' bound.
pub fn order(counter: u64) -> NewOrder {
    NewOrder {
        venue: VenueId(0),
        pair: PAIR,
        client_id: ClientOrderId::new(1, 2, 3, counter).expect("an id"),
        deal: DealId(1),
        purpose: Purpose::Open,
        side: Side::Buy,
        price: Price::from_units(6_123_450).expect("a price"),
        qty: Qty::from_units(2100).expect("a quantity"),
        tif: TimeInForce::Ioc,
        deadline: None,
    }
}

/// A session on stage.
pub struct Stage {
    /// The venue's bytes.
    pub script: Box<dyn Script>,
    session: Option<Box<dyn VenueSession>>,
    /// The time.
    pub now: MonoNanos,
    updates: Vec<Input>,
    /// Links that are open.
    open: BTreeSet<LinkId>,
    /// What the venue does not answer by itself.
    mute: Vec<Asked>,
}

impl Stage {
    /// An empty stage.
    pub fn new(script: Box<dyn Script>) -> Stage {
        Stage {
            script,
            session: None,
            now: MonoNanos(SECOND),
            updates: Vec::new(),
            open: BTreeSet::new(),
            mute: vec![
                Asked::Place,
                Asked::Amend,
                Asked::Cancel,
                Asked::CancelAll,
                Asked::LookUp,
                Asked::DeadMan,
                Asked::Account,
                Asked::OpenOrders,
                Asked::Trades,
                Asked::Other,
            ],
        }
    }

    /// A session, not started.
    ///
    /// # Panics
    /// When the connector refuses the script's configuration.
    pub fn enter(&mut self, keys: bool) {
        self.enter_with(keys, SessionOptions::default());
    }

    fn enter_with(&mut self, keys: bool, options: SessionOptions) {
        let secret = |text: &str| keys.then(|| SecretString::from(text));
        let config = SessionConfig {
            venue: VenueId(0),
            tables: tables(),
            pairs: vec![PAIR, PairId(1)],
            key: secret(KEY),
            secret: secret(SECRET),
            book_channel: self.script.book_channel().into(),
            options,
            seed: 7,
        };
        self.session =
            Some(venue::redundant::session(self.script.connector(), config).expect("the script names a known book channel"));
    }

    /// The session.
    ///
    /// # Panics
    /// Before [`Stage::enter`].
    pub fn session(&mut self) -> &mut dyn VenueSession {
        self.session.as_deref_mut().expect("a session has entered")
    }

    /// A session that was started, whose links are up and whose streams are acknowledged.
    pub fn live(&mut self, keys: bool) {
        self.live_with(keys, SessionOptions::default());
    }

    /// As [`Stage::live`], with these options.
    pub fn live_with(&mut self, keys: bool, options: SessionOptions) {
        self.enter_with(keys, options);
        let now = self.now;
        self.session().start(now);
        self.run(3 * SECOND);
    }

    /// The book of [`PAIR`] live at this id, told to the engine as a snapshot.
    ///
    /// # Panics
    /// When no snapshot is told.
    #[track_caller]
    pub fn serve_book(&mut self, id: u64) {
        self.serve_book_on(self.script.public_link(), PAIR, id);
        assert_eq!(self.book_news(), [format!("S{id}")], "the book is live again");
    }

    /// A book served whole on a link, at this id.
    ///
    /// # Panics
    /// When no copy is asked for by a session that needs one.
    #[track_caller]
    pub fn serve_book_on(&mut self, link: LinkId, pair: PairId, id: u64) {
        if self.script.streams_whole_books() {
            return self.book_on(link, pair, BookNews::Whole(id));
        }
        let copied = Asked::Copy(pair);
        self.mute.push(copied);
        self.book_on(link, pair, BookNews::Change { previous: id - 1, last: id });
        let copy = (0..100).find_map(|_| self.asking(copied, 100 * MILLI).pop());
        self.mute.retain(|asked| *asked != copied);
        self.say(&copy.expect("a copy is asked for once the stream speaks"), Reply::Copy(id));
    }

    /// News of a book's stream on a link.
    pub fn book_on(&mut self, link: LinkId, pair: PairId, news: BookNews) {
        let text = self.script.book(pair, news);
        self.frame(link, text);
    }

    /// The venue does not answer this by itself from now on.
    pub fn mute(&mut self, asked: Asked) {
        self.mute.push(asked);
    }

    /// Our wall clock.
    pub fn wall(&self) -> UnixNanos {
        UnixNanos(WALL_S * SECOND as i64 + self.now.0 as i64)
    }

    /// The venue's clock.
    pub fn venue_time(&self) -> UnixNanos {
        UnixNanos(self.wall().0 + AHEAD_NS)
    }

    /// What is queued for the wire.
    pub fn drain(&mut self) -> Vec<Transmit> {
        let (now, wall) = (self.now, self.wall());
        let mut out = Vec::new();
        let mut updates = std::mem::take(&mut self.updates);
        while let Some(one) = self.session().poll_transmit(now, wall, &mut updates) {
            out.push(one);
        }
        self.updates = updates;
        out
    }

    /// The venue's side of one transmit. Gives back what it does not answer by itself.
    fn attend(&mut self, out: Transmit) -> Option<Transmit> {
        let now = self.now;
        match &out {
            Transmit::Open(link) => {
                let link = *link;
                self.open.insert(link);
                self.with(|session, updates| session.handle_connected(link, now, updates));
                Some(out)
            }
            Transmit::Close(link) => {
                let link = *link;
                self.open.remove(&link);
                self.with(|session, updates| session.handle_lost(link, now, LossReason::ClosedByUs, updates));
                Some(out)
            }
            Transmit::Frame { .. } | Transmit::Request { .. } => {
                let asked = self.script.asked(&out);
                if self.mute.contains(&asked) {
                    return Some(out);
                }
                let reply = if let Asked::Copy(_) = asked { Reply::Copy(1) } else { Reply::Done };
                self.say(&out, reply);
                Some(out)
            }
        }
    }

    /// Lets time pass, firing every timer when it is due. Everything sent meanwhile is returned; what is not muted is answered.
    pub fn run(&mut self, nanos: u64) -> Vec<Transmit> {
        let end = self.now.after(nanos);
        let mut sent = Vec::new();
        loop {
            loop {
                let out = self.drain();
                if out.is_empty() {
                    break;
                }
                let attended: Vec<Transmit> = out.into_iter().filter_map(|one| self.attend(one)).collect();
                sent.extend(attended);
            }
            match self.session().poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    let now = self.now;
                    self.with(|session, updates| session.handle_timeout(now, updates));
                }
                _ => break,
            }
        }
        self.now = end;
        sent
    }

    fn with(&mut self, act: impl FnOnce(&mut dyn VenueSession, &mut Vec<Input>)) {
        let mut updates = std::mem::take(&mut self.updates);
        act(self.session(), &mut updates);
        self.updates = updates;
    }

    /// The venue answers.
    ///
    /// # Panics
    /// When the script has no bytes for it.
    #[track_caller]
    pub fn say(&mut self, out: &Transmit, reply: Reply<'_>) {
        let said = self.script.say(out, reply, self.venue_time());
        self.answer(out, said);
    }

    /// The venue answers with these bytes.
    ///
    /// # Panics
    /// When they are no answer to what was sent.
    #[track_caller]
    pub fn answer(&mut self, out: &Transmit, said: Said) {
        let now = self.now;
        match (said, out) {
            (Said::Nothing, _) => {}
            (Said::Frame(text), Transmit::Frame { link, .. }) => {
                let (link, mut bytes) = (*link, text.into_bytes());
                self.with(|session, updates| session.handle_frame(link, now, &mut bytes, updates));
            }
            (Said::Http { status, headers, body }, Transmit::Request { ticket, .. }) => {
                let (ticket, mut bytes) = (*ticket, body.into_bytes());
                let response = Response::Http { status, headers: &headers, body: &mut bytes };
                self.with(|session, updates| session.handle_response(ticket, now, response, updates));
            }
            (said, out) => panic!("{said:?} is no answer to {out:?}"),
        }
    }

    /// No answer to a request comes.
    pub fn fail(&mut self, ticket: Ticket, failure: IoFailure) {
        let now = self.now;
        self.with(|session, updates| session.handle_response(ticket, now, Response::Failed(failure), updates));
    }

    /// News of the book stream of [`PAIR`].
    pub fn book(&mut self, news: BookNews) {
        self.book_on(self.script.public_link(), PAIR, news);
    }

    /// News of the private stream.
    ///
    /// # Panics
    /// For a script without any.
    pub fn private(&mut self, news: PrivateNews<'_>) {
        self.private_on(self.script.private_link(), news);
    }

    /// News of the private stream over this connection.
    ///
    /// # Panics
    /// For a script without any.
    pub fn private_on(&mut self, link: LinkId, news: PrivateNews<'_>) {
        let text = self.script.private(news).expect("a venue that can trade has private news");
        self.frame(link, text);
    }

    /// A frame comes over a link.
    pub fn frame(&mut self, link: LinkId, text: String) {
        let (now, mut bytes) = (self.now, text.into_bytes());
        self.with(|session, updates| session.handle_frame(link, now, &mut bytes, updates));
    }

    /// The venue's side of a link ends.
    pub fn lose(&mut self, link: LinkId) {
        let now = self.now;
        self.open.remove(&link);
        self.with(|session, updates| session.handle_lost(link, now, LossReason::ClosedByPeer, updates));
    }

    /// The process was suspended.
    pub fn suspend(&mut self) {
        let now = self.now;
        self.with(|session, updates| session.handle_paused(now, updates));
    }

    /// The engine commands.
    pub fn submit(&mut self, command: Command) {
        let now = self.now;
        self.with(|session, updates| session.submit(now, &command, updates));
    }

    /// Places an order and gives back its bytes.
    ///
    /// # Panics
    /// When it does not leave as exactly one transmit that is marked as an order.
    #[track_caller]
    pub fn place(&mut self, order: NewOrder) -> Transmit {
        self.submit(Command::Place(order));
        let mut sent = self.placements();
        assert_eq!(sent.len(), 1, "one placement leaves: {sent:?}");
        sent.remove(0)
    }

    /// What leaves now and places an order; everything else is attended to.
    #[track_caller]
    pub fn placements(&mut self) -> Vec<Transmit> {
        let sent = self.run(0);
        let marked = |out: &Transmit| matches!(out, Transmit::Frame { order: true, .. } | Transmit::Request { order: true, .. });
        for out in &sent {
            let stream = matches!(out, Transmit::Open(_) | Transmit::Close(_));
            assert_eq!(marked(out), !stream && self.script.asked(out) == Asked::Place, "orders are marked as such: {out:?}");
        }
        sent.into_iter().filter(marked).collect()
    }

    /// The only transmit that asks for this.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[track_caller]
    pub fn one(&mut self, asked: Asked) -> Transmit {
        let mut sent = self.asking(asked, 0);
        assert_eq!(sent.len(), 1, "{asked:?} is asked for once: {sent:?}");
        sent.remove(0)
    }

    /// What asks for this within so many nanoseconds.
    pub fn asking(&mut self, asked: Asked, nanos: u64) -> Vec<Transmit> {
        let sent = self.run(nanos);
        let wire = |out: &Transmit| matches!(out, Transmit::Frame { .. } | Transmit::Request { .. });
        sent.into_iter().filter(|out| wire(out) && self.script.asked(out) == asked).collect()
    }

    /// What the engine was told since the last call.
    pub fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.updates)
    }

    /// Orders among it; the rest stays for [`Stage::take`].
    pub fn orders(&mut self) -> Vec<OrderUpdate> {
        let mut orders = Vec::new();
        self.updates.retain(|input| match input {
            Input::Order(update) => {
                orders.push(*update);
                false
            }
            _ => true,
        });
        orders
    }

    /// The only report about an order.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[track_caller]
    pub fn one_report(&mut self) -> OrderReport {
        let orders = self.orders();
        assert_eq!(orders.len(), 1, "{orders:?}");
        orders[0].report
    }

    /// News of the book of [`PAIR`] as short text: `S5` snapshot, `D6-7` changes, `U gap`.
    pub fn book_news(&mut self) -> Vec<String> {
        let news = |input| match input {
            Input::Book(update) if update.pair == PAIR => match update.body {
                BookBody::Snapshot { id, .. } => Some(format!("S{id}")),
                BookBody::Delta { first, last, .. } => Some(format!("D{first}-{last}")),
                BookBody::Untrusted { reason } => Some(untrusted(reason)),
                BookBody::Top { .. } | BookBody::Evidence { .. } => None,
            },
            _ => None,
        };
        self.take().into_iter().filter_map(news).collect()
    }

    /// What was told of links of a role.
    pub fn link_news(&mut self, role: LinkRole) -> Vec<LinkState> {
        let news = |input| match input {
            Input::Link(change) if change.role == role => Some(change.state),
            _ => None,
        };
        self.take().into_iter().filter_map(news).collect()
    }
}

/// A loss of trust, as [`Stage::book_news`] writes it.
pub fn untrusted(reason: ResyncReason) -> String {
    format!("U {reason}")
}
