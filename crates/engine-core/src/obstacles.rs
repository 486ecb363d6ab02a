//! What keeps a venue from being opened on although its account is in order, and that the engine keeps time for: a ban, and a clock that
//! we do not get right.
//!
//! - **A ban** (`venue_banned`) holds until the venue said that it takes requests again.
//! - **A clock** (`clock_skew`): a request that the venue refuses for its time makes the session measure the venue's clock anew, so that the
//!   next one is right (F36). If the venue still refuses for that reason [`SKEW_MAX_NS`] after the first time, with nothing taken in
//!   between, nobody knows what it will do with an order's expiry, and the venue pauses. The first signed request that it takes ends
//!   that; the account is read every minute at the latest.
//!
//! Both are pauses of one venue, told once when they begin and once when they end.

use domain::time::SECOND;
use domain::{Ban, ErrorClass, Input, MonoNanos, OrderReport, OrderSource, StopKind, StopReason, VenueId};
use executor::StopRequest;

/// So long a venue may refuse requests for their time before it pauses: a round of clock samples, also on a slow link.
pub const SKEW_MAX_NS: u64 = 2 * SECOND;

#[derive(Clone, Copy, Debug, Default)]
struct Obstacle {
    banned_until: Option<MonoNanos>,
    /// The first request refused for its time since one was taken.
    refused_since: Option<MonoNanos>,
    skewed: bool,
}

/// Bans and clocks of all venues.
#[derive(Clone, Debug)]
pub struct Obstacles(Vec<Obstacle>);

impl Obstacles {
    /// None is known.
    pub fn new(venues: usize) -> Obstacles {
        Obstacles(vec![Obstacle::default(); venues])
    }

    /// Takes in what a venue says of a ban. One that is over by `now` is none; a later end prolongs the one that holds.
    pub fn banned(&mut self, ban: &Ban, now: MonoNanos, stops: &mut Vec<StopRequest>) {
        let Some(obstacle) = self.0.get_mut(ban.venue.index()).filter(|_| ban.until > now) else { return };
        obstacle.banned_until = obstacle.banned_until.max(Some(ban.until));
        stops.push(StopRequest::set(StopKind::Pause, StopReason::VenueBanned, Some(ban.venue), None));
    }

    /// Takes in what an input says about the time that our requests carry.
    pub fn see(&mut self, input: &Input, now: MonoNanos, stops: &mut Vec<StopRequest>) {
        let Some((venue, taken)) = word_on_time(input) else { return };
        let Some(obstacle) = self.0.get_mut(venue.index()) else { return };
        if taken {
            obstacle.refused_since = None;
            if std::mem::take(&mut obstacle.skewed) {
                stops.push(StopRequest::clear(StopKind::Pause, StopReason::ClockSkew, Some(venue), None));
            }
            return;
        }
        let since = *obstacle.refused_since.get_or_insert(now);
        if now.since(since) >= SKEW_MAX_NS && !std::mem::replace(&mut obstacle.skewed, true) {
            stops.push(StopRequest::set(StopKind::Pause, StopReason::ClockSkew, Some(venue), None));
        }
    }

    /// Ends the bans that are over.
    pub fn decide(&mut self, now: MonoNanos, stops: &mut Vec<StopRequest>) {
        for (index, obstacle) in self.0.iter_mut().enumerate() {
            if obstacle.banned_until.take_if(|until| *until <= now).is_some() {
                stops.push(StopRequest::clear(StopKind::Pause, StopReason::VenueBanned, Some(VenueId(index as u8)), None));
            }
        }
    }

    /// When the next ban ends.
    pub fn deadline(&self) -> Option<MonoNanos> {
        self.0.iter().filter_map(|obstacle| obstacle.banned_until).min()
    }
}

/// Which venue took a signed request (`true`) or refused it for its time (`false`); `None` for what tells neither.
fn word_on_time(input: &Input) -> Option<(VenueId, bool)> {
    match input {
        Input::Order(update) if matches!(update.source, OrderSource::Reply | OrderSource::Query) => match update.report {
            OrderReport::Refused { class: ErrorClass::ClockSkew, .. } => Some((update.venue, false)),
            // Told before the venue looked at the time, or perhaps so.
            OrderReport::Refused { class: ErrorClass::RateLimited | ErrorClass::AuthFatal | ErrorClass::Unknown, .. } => None,
            OrderReport::Refused { .. } => Some((update.venue, true)),
            OrderReport::CancelFailed { class } => (class == ErrorClass::ClockSkew).then_some((update.venue, false)),
            OrderReport::Open { .. } | OrderReport::Finished { .. } | OrderReport::NotFound | OrderReport::TermsDiffer { .. } => {
                Some((update.venue, true))
            }
            OrderReport::Unknown { .. } | OrderReport::NotSent => None,
        },
        Input::ReadFailed(failure) => (failure.class == ErrorClass::ClockSkew).then_some((failure.venue, false)),
        Input::Balances(report) => (report.source == domain::BalanceSource::Query).then_some((report.venue, true)),
        Input::OpenOrders(report) => Some((report.venue, true)),
        Input::Trades(report) => Some((report.venue, true)),
        Input::Account(facts) => Some((facts.venue, true)),
        _ => None,
    }
}
