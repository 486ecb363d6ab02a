//! The task that owns the world and gives it real time.
//!
//! Start at [`run`]. It is the only one that touches the world: commands come in through one bounded queue, and what the
//! venues say is routed to the sockets it belongs to. The world's clock is Unix time at the start plus monotonic time
//! since, so that it never steps back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{mpsc, oneshot, watch};

use crate::world::{HttpRequest, HttpResponse, OutputBody, World, WsFrame};

/// Commands waiting for the owner. Senders wait when it is full: the sockets are then read more slowly.
pub(super) const COMMAND_QUEUE_LEN: usize = 1_024;
/// Frames waiting for one client. A client that lets it fill up is cut, as venues do with slow consumers.
pub(super) const WS_QUEUE_LEN: usize = 8_192;
/// Replies not given yet. Beyond it the oldest is given up, which its client sees as a closed connection.
const REPLIES_MAX: usize = 65_536;
/// Outputs routed and commands handled before the other gets its turn.
const BURST_MAX: usize = 256;

/// World time that passes at most between two turns of the sockets. A world that fell behind real time (a machine that was busy
/// elsewhere) catches up in steps of this, so that what it says then meets queues that are being emptied.
const STEP_NS: u64 = 50_000_000;

/// Something to be done with the world while it stands still.
pub(super) type Visit = Box<dyn FnOnce(&mut World) + Send>;

/// What the owner is asked to do.
pub(super) enum Command {
    /// A request arrived.
    Http { venue: usize, request: HttpRequest, reply: oneshot::Sender<HttpResponse> },
    /// A WebSocket was opened.
    WsOpen { venue: usize, conn: u64, path: String, frames: mpsc::Sender<WsFrame> },
    /// A frame arrived.
    WsFrame { venue: usize, conn: u64, frame: WsFrame },
    /// A WebSocket is gone.
    WsClosed { venue: usize, conn: u64 },
    /// Someone wants to look at the world or change it.
    Visit(Visit),
}

/// Real time as the world counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorldClock {
    unix_ns: u64,
    started: Instant,
}

impl WorldClock {
    /// Starts now. A clock before 1970 counts as 1970.
    pub(super) fn start() -> WorldClock {
        WorldClock { unix_ns: unix_now_ns(), started: Instant::now() }
    }

    /// Unix nanoseconds.
    fn now_ns(self) -> u64 {
        let elapsed_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.unix_ns.saturating_add(elapsed_ns)
    }
}

/// Unix nanoseconds by the system's clock.
pub fn unix_now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

struct Owner {
    world: World,
    clock: WorldClock,
    /// Replies owed, by ticket. Tickets grow, so the first is the oldest.
    replies: BTreeMap<u64, oneshot::Sender<HttpResponse>>,
    next_ticket: u64,
    sockets: BTreeMap<(usize, u64), mpsc::Sender<WsFrame>>,
    /// Told how far the world is behind real time, nanoseconds, when that is farther than ever since it was last asked for.
    behind: Arc<AtomicU64>,
    /// It has been on time once: what it lives through before anybody can connect takes time too.
    was_on_time: bool,
}

/// Drives the world until `stop` turns true or all command senders are gone. Returns it as it then is.
pub(super) async fn run(
    world: World,
    clock: WorldClock,
    mut commands: mpsc::Receiver<Command>,
    mut stop: watch::Receiver<bool>,
    behind: Arc<AtomicU64>,
) -> World {
    let (replies, sockets) = (BTreeMap::new(), BTreeMap::new());
    let mut owner = Owner { world, clock, replies, next_ticket: 0, sockets, behind, was_on_time: false };
    loop {
        let is_behind = owner.advance();
        owner.route_outputs();
        if is_behind {
            tokio::task::yield_now().await;
        }
        let wait = if is_behind { Duration::ZERO } else { owner.wait() };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            command = commands.recv() => {
                let Some(command) = command else { break };
                owner.handle(command);
                for _ in 1..BURST_MAX {
                    let Ok(command) = commands.try_recv() else { break };
                    owner.handle(command);
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
    owner.world
}

impl Owner {
    /// Time until the world wants to move by itself.
    fn wait(&self) -> Duration {
        let wakeup = self.world.next_wakeup().unwrap_or(u64::MAX);
        Duration::from_nanos(wakeup.saturating_sub(self.clock.now_ns())).min(Duration::from_secs(1))
    }

    /// Moves the world towards real time, by one step at most. True when it is still behind.
    fn advance(&mut self) -> bool {
        let (now, next) = (self.clock.now_ns(), self.world.now().saturating_add(STEP_NS));
        self.world.advance(now.min(next));
        let is_behind = now > next;
        if is_behind && self.was_on_time {
            self.behind.fetch_max(now - next, Ordering::Relaxed);
        }
        self.was_on_time |= !is_behind;
        is_behind
    }

    fn handle(&mut self, command: Command) {
        if self.clock.now_ns() <= self.world.now().saturating_add(STEP_NS) {
            self.advance();
        }
        match command {
            Command::Http { venue, request, reply } => {
                self.next_ticket += 1;
                self.replies.insert(self.next_ticket, reply);
                if self.replies.len() > REPLIES_MAX {
                    self.replies.pop_first();
                }
                self.world.http(venue, self.next_ticket, request);
            }
            Command::WsOpen { venue, conn, path, frames } => {
                self.sockets.insert((venue, conn), frames);
                self.world.ws_open(venue, conn, &path);
            }
            Command::WsFrame { venue, conn, frame } => self.world.ws_frame(venue, conn, frame),
            Command::WsClosed { venue, conn } => self.drop_socket(venue, conn),
            Command::Visit(visit) => visit(&mut self.world),
        }
    }

    fn drop_socket(&mut self, venue: usize, conn: u64) {
        if self.sockets.remove(&(venue, conn)).is_some() {
            self.world.ws_closed(venue, conn);
        }
    }

    fn route_outputs(&mut self) {
        while let Some(output) = self.world.poll_output() {
            match output.body {
                OutputBody::Http { ticket, response } => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        // A client that no longer waits has closed its connection; the reply is lost with it.
                        reply.send(response).ok();
                    }
                }
                OutputBody::Ws { conn, frame } => {
                    let socket = self.sockets.get(&(output.venue, conn));
                    if socket.is_some_and(|socket| socket.try_send(frame).is_err()) {
                        self.drop_socket(output.venue, conn);
                    }
                }
                // Dropping the sender ends the socket's task, which drops the TCP connection.
                OutputBody::WsClose { conn } => self.drop_socket(output.venue, conn),
            }
        }
    }
}
