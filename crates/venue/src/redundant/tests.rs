//! Two scripted sessions side by side: names, the start of the second, the public side, bans, trades, counts.

use super::*;
use crate::session::{IoFailure, Method};
use domain::time::MILLI;
use domain::{Ban, BookBody, Level, Price, PublicTrade, Qty, Side};
use std::sync::{Arc, Mutex};

/// What a scripted session was told, and what it is to say next.
#[derive(Default)]
struct Script {
    heard: Vec<String>,
    says: Vec<Input>,
    sends: VecDeque<Transmit>,
    stats: SessionStats,
}

struct Scripted {
    script: Arc<Mutex<Script>>,
    /// The counters as of the last call.
    stats: SessionStats,
}

impl Scripted {
    fn hear(&mut self, what: String, updates: &mut Vec<Input>) {
        let mut script = self.script.lock().unwrap();
        script.heard.push(what);
        updates.append(&mut script.says);
        self.stats = script.stats.clone();
    }
}

impl VenueSession for Scripted {
    fn venue(&self) -> VenueId {
        VenueId(0)
    }
    fn start(&mut self, _: MonoNanos) {
        self.hear("start".into(), &mut Vec::new());
    }
    fn handle_connected(&mut self, link: LinkId, _: MonoNanos, updates: &mut Vec<Input>) {
        self.hear(format!("connected {:?} {}", link.role, link.shard), updates);
    }
    fn handle_frame(&mut self, link: LinkId, _: MonoNanos, _: &mut [u8], updates: &mut Vec<Input>) {
        self.hear(format!("frame {:?} {}", link.role, link.shard), updates);
    }
    fn handle_lost(&mut self, link: LinkId, _: MonoNanos, _: LossReason, updates: &mut Vec<Input>) {
        self.hear(format!("lost {:?} {}", link.role, link.shard), updates);
    }
    fn handle_response(&mut self, ticket: Ticket, _: MonoNanos, response: Response<'_>, updates: &mut Vec<Input>) {
        let sent = !matches!(response, Response::Failed(IoFailure::NotSent));
        self.hear(format!("response {} {sent}", ticket.0), updates);
    }
    fn handle_timeout(&mut self, _: MonoNanos, updates: &mut Vec<Input>) {
        self.hear("timeout".into(), updates);
    }
    fn handle_paused(&mut self, _: MonoNanos, updates: &mut Vec<Input>) {
        self.hear("paused".into(), updates);
    }
    fn submit(&mut self, _: MonoNanos, command: &Command, updates: &mut Vec<Input>) {
        let what = if matches!(command, Command::Resync { .. }) { "resync" } else { "command" };
        self.hear(what.into(), updates);
    }
    fn poll_transmit(&mut self, _: MonoNanos, _: UnixNanos, _: &mut Vec<Input>) -> Option<Transmit> {
        self.script.lock().unwrap().sends.pop_front()
    }
    fn poll_timeout(&self) -> Option<MonoNanos> {
        None
    }
    fn shutdown(&mut self, _: MonoNanos) {
        self.hear("shutdown".into(), &mut Vec::new());
    }
    fn ban_until(&mut self, until: MonoNanos) {
        self.hear(format!("banned until {}", until.0), &mut Vec::new());
    }
    fn stats(&self) -> &SessionStats {
        &self.stats
    }
}

const NOW: MonoNanos = MonoNanos(SECOND);
const PAIR: PairId = PairId(1);
const PUBLIC: LinkId = LinkId { role: LinkRole::Public, shard: 2 };
const TWIN: LinkId = LinkId { role: LinkRole::Public, shard: 2 | SECOND_SHARD };

struct Rig {
    session: Redundant,
    scripts: [Arc<Mutex<Script>>; 2],
}

impl Rig {
    fn new() -> Rig {
        let scripts: [Arc<Mutex<Script>>; 2] = Default::default();
        let half = |index: usize| Box::new(Scripted { script: scripts[index].clone(), stats: SessionStats::default() });
        let mut session = Redundant::new(half(0), half(1), &[PAIR]);
        session.start(NOW);
        Rig { session, scripts }
    }

    /// Both run, with a book at id 10.
    fn both() -> Rig {
        let mut rig = Rig::new();
        rig.frame(PUBLIC, vec![up(), whole(10, 100)]);
        rig.frame(TWIN, vec![up(), whole(10, 100)]);
        rig
    }

    /// What comes of a frame in which a half reads this.
    fn frame(&mut self, link: LinkId, says: Vec<Input>) -> Vec<Input> {
        self.scripts[usize::from(link.shard & SECOND_SHARD != 0)].lock().unwrap().says = says;
        let mut updates = Vec::new();
        self.session.handle_frame(link, NOW, &mut [], &mut updates);
        updates
    }

    fn heard(&self, half: usize) -> Vec<String> {
        std::mem::take(&mut self.scripts[half].lock().unwrap().heard)
    }

    fn send(&mut self, half: usize, transmit: Transmit) -> Vec<Transmit> {
        self.scripts[half].lock().unwrap().sends.push_back(transmit);
        std::iter::from_fn(|| self.session.poll_transmit(NOW, UnixNanos(0), &mut Vec::new())).collect()
    }
}

fn link_is(state: LinkState) -> Input {
    Input::Link(LinkChange { venue: VenueId(0), role: LinkRole::Public, state, at: NOW })
}

fn up() -> Input {
    link_is(LinkState::Up)
}

fn book(body: BookBody, connection: u32) -> Input {
    let sent_at = Some(SendStamp { at: domain::VenueNanos(7), connection });
    Input::Book(BookUpdate { venue: VenueId(0), pair: PAIR, received: NOW, changed_at: None, sent_at, body })
}

fn level(price: i64) -> Level {
    Level { price: Price::from_units(price).unwrap(), qty: Qty::from_units(1).unwrap() }
}

fn whole(id: u64, bid: i64) -> Input {
    book(BookBody::Snapshot { id, bids: vec![level(bid)], asks: Vec::new() }, 1)
}

fn change(id: u64, bid: i64) -> Input {
    book(BookBody::Delta { first: id, last: id, bids: vec![level(bid)], asks: Vec::new() }, 3)
}

fn untrusted() -> Input {
    book(BookBody::Untrusted { reason: ResyncReason::Reconnect }, 0)
}

fn request(ticket: u64) -> Transmit {
    let request =
        HttpRequest { method: Method::Get, path: "/".into(), query: String::new(), headers: Vec::new(), body: Vec::new() };
    Transmit::Request { ticket: Ticket(ticket), request, timeout_ns: 1, order: false }
}

#[test]
fn links_and_requests_of_both_have_names_of_their_own() {
    let mut rig = Rig::both();
    rig.heard(0);
    rig.heard(1);
    assert_eq!(rig.send(0, Transmit::Open(PUBLIC)), [Transmit::Open(PUBLIC)]);
    assert_eq!(rig.send(1, Transmit::Open(PUBLIC)), [Transmit::Open(TWIN)]);
    assert_eq!(rig.send(1, Transmit::Close(PUBLIC)), [Transmit::Close(TWIN)]);
    let private = LinkId { role: LinkRole::Private, shard: 0xff };
    let mut none = Vec::new();
    rig.session.handle_connected(private, NOW, &mut none);
    rig.session.handle_connected(TWIN, NOW, &mut none);
    rig.session.handle_lost(TWIN, NOW, LossReason::ClosedByPeer, &mut none);
    for half in [0, 1] {
        let sent = rig.send(half, request(21));
        let [Transmit::Request { ticket, .. }] = &sent[..] else { panic!("{sent:?}") };
        rig.session.handle_response(*ticket, NOW, Response::Failed(IoFailure::TimedOut), &mut none);
    }
    assert_eq!(rig.heard(0), ["connected Private 255", "response 21 true"]);
    assert_eq!(rig.heard(1), ["connected Public 2", "lost Public 2", "response 21 true"]);
}

#[test]
fn the_second_starts_when_the_first_ones_books_are_there_or_time_is_over() {
    let mut rig = Rig::new();
    assert_eq!((rig.heard(0), rig.heard(1).len()), (vec!["start".to_string()], 0));
    assert_eq!(rig.send(1, Transmit::Open(PUBLIC)), [], "it does not run");
    rig.frame(PUBLIC, vec![up()]);
    assert_eq!(rig.heard(1).len(), 0);
    rig.frame(PUBLIC, vec![whole(1, 100)]);
    assert_eq!(rig.heard(1), ["start"]);

    let mut late = Rig::new();
    let due = late.session.poll_timeout().expect("a bound");
    assert_eq!(due, NOW.after(START_MAX_NS));
    late.session.handle_timeout(due, &mut Vec::new());
    assert_eq!(late.heard(1), ["start", "timeout"]);

    let mut never = Rig::new();
    never.session.shutdown(NOW);
    never.frame(PUBLIC, vec![whole(1, 100)]);
    never.session.handle_timeout(due, &mut Vec::new());
    assert_eq!(never.heard(1).len(), 0);
}

#[test]
fn the_public_side_is_up_while_one_half_is_and_what_the_engine_dropped_it_gets_again() {
    let mut rig = Rig::both();
    assert_eq!(rig.frame(PUBLIC, vec![link_is(LinkState::Lost), untrusted()]), []);
    // The second goes on, under its own connection's number.
    let told = rig.frame(TWIN, vec![change(11, 101)]);
    let [Input::Book(update)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(update.sent_at.map(|sent| sent.connection), Some(7));
    assert_eq!(rig.session.stats().resyncs.iter().sum::<u64>(), 0);
    // The link of the second goes, but a part of its books lives on.
    assert_eq!(rig.frame(TWIN, vec![link_is(LinkState::Lost)]), [link_is(LinkState::Lost)]);
    let told = rig.frame(PUBLIC, vec![up()]);
    assert!(
        matches!(&told[..], [Input::Link(_), Input::Book(BookUpdate { body: BookBody::Snapshot { id: 11, .. }, .. })]),
        "{told:?}"
    );
    assert_eq!(rig.frame(TWIN, vec![untrusted()]).len(), 1, "neither has it");
    assert_eq!(rig.session.stats().resyncs[ResyncReason::Reconnect as usize], 1);
}

#[test]
fn a_resync_goes_to_the_half_whose_book_it_is_and_the_other_one_covers_for_it() {
    let mut rig = Rig::both();
    rig.frame(TWIN, vec![change(11, 101)]);
    rig.heard(0);
    rig.heard(1);
    rig.frame(PUBLIC, vec![change(11, 101)]);
    rig.scripts[1].lock().unwrap().says = vec![untrusted()];
    let mut updates = Vec::new();
    let resync = Command::Resync { venue: VenueId(0), pair: PAIR, reason: ResyncReason::Crossed };
    rig.session.submit(NOW, &resync, &mut updates);
    assert_eq!((rig.heard(0), rig.heard(1)), (vec!["frame Public 2".to_string()], vec!["resync".to_string()]));
    let bodies: Vec<&BookBody> = updates.iter().map(|u| if let Input::Book(u) = u { &u.body } else { panic!("{u:?}") }).collect();
    assert!(matches!(bodies[..], [BookBody::Untrusted { .. }, BookBody::Snapshot { id: 11, .. }]), "{bodies:?}");
    // Everything else is the account's.
    rig.session.submit(NOW, &Command::Read { venue: VenueId(0), read: domain::ReadKind::Fees }, &mut updates);
    assert_eq!((rig.heard(0), rig.heard(1).len()), (vec!["command".to_string()], 0));
}

#[test]
fn a_ban_of_one_holds_the_requests_of_both() {
    let mut rig = Rig::both();
    let ban = Input::Ban(Ban { venue: VenueId(0), until: NOW.after(MILLI), received: NOW });
    assert_eq!(rig.frame(TWIN, vec![ban.clone()]), [ban]);
    // The other half knows: its links are shut out too, which only it can hold back.
    assert!(rig.heard(0).contains(&format!("banned until {}", NOW.after(MILLI).0)));
    assert_eq!(rig.send(0, request(4)), []);
    assert_eq!(rig.heard(0), ["response 4 false"]);
    rig.scripts[0].lock().unwrap().sends.push_back(request(5));
    assert!(rig.session.poll_transmit(NOW.after(MILLI), UnixNanos(0), &mut Vec::new()).is_some());
}

#[test]
fn trades_are_told_once_and_the_rest_of_the_news_by_one_half() {
    let mut rig = Rig::both();
    let trade = |id: &str| {
        Input::Market(MarketNews::Trade(PublicTrade {
            venue: VenueId(0),
            pair: PAIR,
            trade_id: TradeId(id.try_into().unwrap()),
            taker_side: Side::Buy,
            price: Price::from_units(1).unwrap(),
            qty: Qty::from_units(1).unwrap(),
            executed_at: None,
            received: NOW,
        }))
    };
    let told = |rig: &mut Rig, link, says| rig.frame(link, says).len();
    assert_eq!(told(&mut rig, PUBLIC, vec![trade("a"), trade("b")]), 2);
    assert_eq!(told(&mut rig, TWIN, vec![trade("a"), trade("b"), trade("c")]), 1);
    assert_eq!(told(&mut rig, PUBLIC, vec![trade("c")]), 0);
    let ticker = || {
        let (last, bid, ask) = (None, None, None);
        let quote_volume = domain::Amount::ZERO;
        Input::Market(MarketNews::Ticker(domain::Ticker {
            venue: VenueId(0),
            pair: PAIR,
            last,
            bid,
            ask,
            quote_volume,
            received: NOW,
        }))
    };
    assert_eq!((told(&mut rig, PUBLIC, vec![ticker()]), told(&mut rig, TWIN, vec![ticker()])), (1, 0));
    rig.frame(PUBLIC, vec![link_is(LinkState::Lost)]);
    assert_eq!(told(&mut rig, TWIN, vec![ticker()]), 1);
}

#[test]
fn counts_are_those_of_both() {
    let mut rig = Rig::both();
    for (half, frames) in [(0, 5), (1, 7)] {
        let mut script = rig.scripts[half].lock().unwrap();
        script.stats.frames = frames;
        script.stats.reconnects = vec![("closed_by_peer", 1)];
        script.stats.rate_remaining = Some((10 + half as u32, 100));
    }
    rig.frame(PUBLIC, Vec::new());
    rig.frame(TWIN, Vec::new());
    rig.session.shutdown(NOW);
    let stats = rig.session.stats();
    assert_eq!((stats.frames, &stats.reconnects[..], stats.rate_remaining), (12, &[("closed_by_peer", 2)][..], Some((10, 100))));
    let ahead = stats.redundancy.as_ref().expect("counted").ahead.each_ref().map(Gains::count);
    assert_eq!(ahead, [1, 0], "the second told the first book second");
}
