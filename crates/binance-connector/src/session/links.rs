//! The connections of the public streams: Binance's pace and control messages for [`venue::feeds::Feeds`], and what its steps do here.
//!
//! Binance counts five messages a second, pongs included, so four are sent; it closes a connection after 24 hours, or earlier after a
//! `serverShutdown`, and allows 300 attempts in five minutes. Protocol pings of the server are invisible here: a connection that
//! carries nothing is asked for its list of streams, which it must answer.

use super::BinanceSession;
use crate::wire::encode;
use crate::wire::frames::Reply;
use domain::time::{MILLI, SECOND};
use domain::{FrameReject, Input, LinkChange, LinkRole, MonoNanos, ResyncReason};
use venue::LinkId;
use venue::connection::Reconnect;
use venue::feeds::{FeedWire, Pace, Step};

/// How Binance's connections are treated.
pub(super) const PACE: Pace = Pace {
    control_period_ns: 250 * MILLI,
    control_streams_max: 200,
    ack_timeout_ns: 10 * SECOND,
    probe_ns: 20 * SECOND,
    probe_always: false,
    silence_max_ns: 45 * SECOND,
    unserved_ns: 10 * SECOND,
    unserved_max_ns: 160 * SECOND,
    quiet_max_ns: None,
    reconnect: Reconnect { first_ns: 100 * MILLI, max_ns: 20 * SECOND, stable_ns: 10 * SECOND },
    life_ns: Some((22 * 3600 * SECOND, 3600 * SECOND)),
    take_over_ns: 5 * SECOND,
};

/// Binance's control messages.
pub(super) struct Controls;

impl FeedWire for Controls {
    fn subscription(&self, subscribe: bool, streams: &[&str], id: u64) -> String {
        encode::subscription(subscribe, streams, id)
    }

    fn probe(&self, id: u64) -> String {
        encode::list_subscriptions(id)
    }
}

impl BinanceSession {
    /// Lets the feeds act, and does what they ask for.
    pub(super) fn with_links(
        &mut self,
        now: MonoNanos,
        updates: &mut Vec<Input>,
        act: impl FnOnce(&mut super::PublicFeeds, &mut venue::backoff::Jitter, &mut Vec<Step>),
    ) {
        let mut steps = Vec::new();
        act(&mut self.links, &mut self.desk.jitter, &mut steps);
        for step in steps {
            match step {
                Step::Open(link) => self.desk.queue_open(link),
                Step::Close(link) => self.close(link),
                Step::Control { link, text } => self.desk.queue_frame(link, text),
                Step::Unserved(pair) => self.resync(pair, ResyncReason::Unserved, None, now, updates),
                Step::Down(pair) => self.book_down(pair, ResyncReason::Reconnect, now, updates),
                Step::Seam(pair) => {
                    if let Some(book) = self.books.get_mut(pair) {
                        book.expect_seam();
                    }
                }
                Step::Tell(state) => {
                    updates.push(Input::Link(LinkChange { venue: self.desk.venue, role: LinkRole::Public, state, at: now }));
                }
            }
        }
    }

    fn close(&mut self, link: LinkId) {
        self.desk.forget_queued(link);
        if self.desk.take_back_open(link) {
            // The driver never heard of it, so no loss will be told.
            return self.links.never_opened(link);
        }
        self.desk.queue_close(link);
    }

    /// The answer to a control message.
    pub(super) fn on_reply(&mut self, link: LinkId, reply: Reply, now: MonoNanos, updates: &mut Vec<Input>) {
        if reply.refused {
            self.desk.stats.reject(FrameReject::VenueError);
        } else {
            self.desk.stats.ignored += 1;
        }
        self.with_links(now, updates, |links, _, steps| links.on_reply(link, reply.id, reply.refused, now, steps));
    }
}
