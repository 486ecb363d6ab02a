//! Sockets: what keeps them open and what ends them (Binance spot API, WebSocket limits).
//!
//! Start at [`Connections::open`]. Every twenty seconds a socket is pinged; one whose client answers nothing for a minute is cut.
//! A day after its opening it is closed, having been told `serverShutdown` before. On sockets of streams a client that sends more
//! than five messages in a second is cut.

use std::collections::{BTreeMap, BTreeSet};

use super::{config::BinanceConfig, rows::Stamp};
use crate::{
    shared::windows::Window,
    world::{OutputQueue, WsFrame},
};

const SECOND_NS: u64 = 1_000_000_000;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Public streams.
    Streams,
    /// The WebSocket API.
    Api,
}

/// One socket.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) door: Door,
    /// `timeUnit=MICROSECOND` in the URL.
    pub(super) micros: bool,
    /// Not `returnRateLimits=false` in the URL.
    pub(super) shows_limits: bool,
    heard_ns: u64,
    /// Was told that its end is near.
    is_leaving: bool,
    messages: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ping,
    Notice,
    End,
}

/// All sockets of one venue.
#[derive(Debug, Default)]
pub(super) struct Connections {
    all: BTreeMap<u64, Connection>,
    due: BTreeSet<(u64, u64, Due)>,
}

impl Connections {
    pub(super) fn open(&mut self, conn: u64, door: Door, query: &str, t_ns: u64, config: &BinanceConfig) {
        let has = |name: &str, word: &str| {
            query
                .split('&')
                .filter_map(|item| item.split_once('='))
                .any(|(of, value)| of == name && value.eq_ignore_ascii_case(word))
        };
        let connection = Connection {
            door,
            micros: has("timeUnit", "MICROSECOND"),
            shows_limits: !has("returnRateLimits", "false"),
            heard_ns: t_ns,
            is_leaving: false,
            messages: Window::new(SECOND_NS),
        };
        self.due.insert((t_ns.saturating_add(config.ping_every_ns), conn, Due::Ping));
        self.due.insert((t_ns.saturating_add(config.life_ns.saturating_sub(config.notice_ns)), conn, Due::Notice));
        self.due.insert((t_ns.saturating_add(config.life_ns), conn, Due::End));
        self.all.insert(conn, connection);
    }

    pub(super) fn closed(&mut self, conn: u64) {
        self.all.remove(&conn);
        self.due.retain(|(_, of, _)| *of != conn);
    }

    pub(super) fn get(&self, conn: u64) -> Option<&Connection> {
        self.all.get(&conn)
    }

    /// Every socket.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.all.keys().copied().collect()
    }

    /// Sockets that were told to go.
    pub(super) fn leaving(&self) -> Vec<u64> {
        self.all.iter().filter(|(_, connection)| connection.is_leaving).map(|(conn, _)| *conn).collect()
    }

    /// A message of any kind arrived; false when there were too many in this second.
    pub(super) fn heard(&mut self, conn: u64, is_pong: bool, t_ns: u64, config: &BinanceConfig) -> bool {
        let Some(connection) = self.all.get_mut(&conn) else { return false };
        if is_pong {
            connection.heard_ns = t_ns;
        }
        let count = connection.messages.add(1, t_ns);
        connection.door == Door::Api || count <= u64::from(config.messages_per_s)
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(t_ns, ..)| *t_ns)
    }

    /// Pings, tells and ends whatever is due. Returns the sockets that are gone.
    pub(super) fn step(&mut self, t_ns: u64, config: &BinanceConfig, stamp: Stamp, out: &mut OutputQueue) -> Vec<u64> {
        let mut gone = Vec::new();
        while let Some((at_ns, conn, due)) = self.due.first().copied()
            && at_ns <= t_ns
        {
            self.due.pop_first();
            let Some(connection) = self.all.get(&conn) else { continue };
            match due {
                Due::Ping if t_ns.saturating_sub(connection.heard_ns) >= config.pong_within_ns => {
                    out.ws_close(t_ns, conn);
                    gone.push(conn);
                }
                Due::Ping => {
                    out.ws(t_ns, conn, WsFrame::Ping(stamp.of(t_ns).to_string().into_bytes()));
                    self.due.insert((t_ns.saturating_add(config.ping_every_ns.max(1)), conn, Due::Ping));
                }
                Due::Notice => self.notice(conn, t_ns, stamp, out),
                Due::End => {
                    close(conn, t_ns, out);
                    gone.push(conn);
                }
            }
        }
        for conn in &gone {
            self.closed(*conn);
        }
        gone
    }

    /// Tells a socket that its end is near.
    pub(super) fn notice(&mut self, conn: u64, t_ns: u64, stamp: Stamp, out: &mut OutputQueue) {
        let Some(connection) = self.all.get_mut(&conn) else { return };
        connection.is_leaving = true;
        let stamp = Stamp { micros: connection.micros, ..stamp };
        let event = serde_json::json!({"e": "serverShutdown", "E": stamp.of(t_ns)});
        let frame = if connection.door == Door::Api { serde_json::json!({"event": event}) } else { event };
        out.ws(t_ns, conn, WsFrame::Text(frame.to_string().into_bytes()));
    }
}

/// Ends a socket with a close frame.
pub(super) fn close(conn: u64, t_ns: u64, out: &mut OutputQueue) {
    out.ws(t_ns, conn, WsFrame::Close);
    out.ws_close(t_ns, conn);
}
