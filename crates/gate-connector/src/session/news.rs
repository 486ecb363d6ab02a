//! Public news beside the book, where it is asked for: best levels, trades, 24-hour tickers.
//!
//! Best levels share the book's ids: they are passed on for the engine to overlay, and a book that stays behind them is compared over
//! REST ([`super::audit`]). Their send times are not passed on: the lag of a feed is judged on the depth frames of the same link.
//! Trades and tickers decide nothing.

use super::GateSession;
use super::books::{BookChannel, Phase, Stamps};
use super::links::{Place, news_channels};
use super::streams::Came;
use crate::wire::frames::Channel;
use crate::wire::news::TopFrame;
use domain::{BookBody, Input, MarketNews, MonoNanos, PairId, PublicTrade, Ticker};
use venue::stats::StreamStats;

/// The counters of one stream, at zero.
pub(super) const fn stream_stats(pair: PairId, channel: Channel) -> StreamStats {
    StreamStats { pair, channel: channel.as_str(), frames: 0, applied: 0, stale: 0, gaps: 0, snapshots: 0 }
}

impl GateSession {
    /// Notes a frame; the counters of its stream, unless another connection is to be listened to.
    fn news_came(&mut self, channel: Channel, pair: PairId, place: Place, now: MonoNanos) -> Option<&mut StreamStats> {
        if let Some(link) = self.links.public(place == Place::Next) {
            let stream =
                link.streams.iter_mut().find(|s| s.subscription.channel == channel && s.subscription.pairs.contains(&pair));
            let came = stream.map_or(Came::Again, |stream| stream.came(true));
            link.news_came(now, came != Came::First);
        }
        let books = self.books.books.len();
        let position = news_channels(self.desk.wire.decoder.wanted).position(|one| one == channel)?;
        let index = self.books.index(pair)?;
        let stream = self.desk.stats.streams.get_mut(books * (position + 1) + index)?;
        stream.frames += 1;
        // During a handover both connections tell the same: the one in use is passed on.
        (place == Place::Current).then_some(stream)
    }

    pub(super) fn on_top(&mut self, top: TopFrame, place: Place, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.news_came(Channel::BookTicker, top.pair, place, now).is_none() {
            return;
        }
        let snapshots = self.books.channel == BookChannel::Snapshots;
        let Some(book) = self.books.index(top.pair).and_then(|index| self.books.books.get_mut(index)) else { return };
        // The engine ignores the top of a book that is not live; a scan of a tape wants it all the same.
        if let Phase::Live(have) = book.phase {
            // A whole-book channel may be silent while its levels stay, though ids go on.
            let same = snapshots && book.audit.shows(top.bid, top.ask);
            book.audit.top_came(top.id, have, same, now);
        }
        let stamps = Stamps { received: now, sent_at: None, changed_at: top.changed_at };
        updates.push(self.book_input(top.pair, stamps, BookBody::Top { id: top.id, bid: top.bid, ask: top.ask }));
    }

    pub(super) fn on_trade(&mut self, trade: PublicTrade, place: Place, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.news_came(Channel::Trades, trade.pair, place, now).is_some() {
            updates.push(Input::Market(MarketNews::Trade(trade)));
        }
    }

    pub(super) fn on_ticker(&mut self, ticker: Ticker, place: Place, now: MonoNanos, updates: &mut Vec<Input>) {
        if self.news_came(Channel::Tickers, ticker.pair, place, now).is_some() {
            updates.push(Input::Market(MarketNews::Ticker(ticker)));
        }
    }
}
