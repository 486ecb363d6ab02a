//! What can be wrong with a simulated venue, whatever protocol it speaks.
//!
//! Start at [`Faults`]. Each fault has one switch or counter there, whoever sets it: a configuration, a script, a seed or a test. What is
//! made of them stands where the venue would have done right: orders in [`conduct`], the exchange itself in [`incident`], frames and
//! bodies in each dialect. What begins and ends at a time is in [`script`].
//!
//! A fault is named after what it does at Gate, the first venue; a dialect says which of them have no meaning in its protocol.

pub(crate) mod conduct;
pub(crate) mod incident;
pub(crate) mod private;
mod refusal;
pub(crate) mod script;
mod struck;
pub(crate) mod tamper;
mod visibility;

pub use refusal::Refusal;
pub use script::{Conditions, ScriptedFault, TimedFault};
pub use struck::{Effect, Gap, Struck};
pub use visibility::Visibility;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::core::{Level, exact};

/// How a book contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// Best bid and best ask are the same.
    Locked,
    /// The best bid is one per cent above the best ask.
    Crossed,
}

impl Crossing {
    /// The bid that contradicts these asks, at a price of so many decimals.
    pub(crate) fn bid(self, asks: &[Level], decimals: u32) -> Option<Level> {
        let best = asks.first()?;
        let price = match self {
            Crossing::Locked => best.price,
            Crossing::Crossed => {
                let above = exact::multiply(best.price, Decimal::new(101, 2)).ok()?;
                exact::divide_rounded_up(above, Decimal::ONE, decimals)?
            }
        };
        Some(Level { price, amount: best.amount })
    }
}

/// What is tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TamperTarget {
    /// Frames of the book channels.
    Book,
    /// Frames of `spot.book_ticker`.
    BookTicker,
    /// Replies of `/spot/order_book`.
    BookReply,
    /// Frames of `spot.orders`.
    Orders,
    /// Frames of `spot.usertrades`.
    Fills,
    /// Frames of `spot.balances`.
    Balances,
    /// Replies about one order, over REST and order entry.
    OrderReply,
    /// Replies of `/spot/accounts`.
    Accounts,
}

/// What a field becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absurd {
    /// `"0"`.
    Zero,
    /// `"-1"`.
    Negative,
    /// `"NaN"`.
    NotANumber,
    /// `"1e309"`.
    Huge,
    /// Forty decimals.
    TooFine,
    /// `""`.
    Empty,
    /// `null`.
    Null,
    /// A hundred times what it was.
    TimesHundred,
    /// A required field is not there.
    Missing,
    /// A word that is in no list.
    UnknownWord,
    /// A field more, which a client must pass over.
    ExtraField,
}

impl Absurd {
    /// Every one.
    pub const ALL: [Absurd; 11] = [
        Absurd::Zero,
        Absurd::Negative,
        Absurd::NotANumber,
        Absurd::Huge,
        Absurd::TooFine,
        Absurd::Empty,
        Absurd::Null,
        Absurd::TimesHundred,
        Absurd::Missing,
        Absurd::UnknownWord,
        Absurd::ExtraField,
    ];
}

/// The next frames or bodies of a kind, with one field changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tampering {
    /// Which.
    pub target: TamperTarget,
    /// How.
    pub how: Absurd,
    /// How many are left.
    pub count: u32,
}

/// What a reply looks like whose venue is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// 502 with a page of HTML.
    Html,
    /// 500 with a label.
    ServerError,
    /// 504 with nothing.
    GatewayTimeout,
    /// The right status, and JSON that ends in the middle.
    Truncated,
    /// 200 with a label inside.
    ErrorInside,
}

/// A clock that has stepped and drifts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VenueClock {
    /// How far it has stepped, nanoseconds; ahead is positive.
    pub step_ns: i64,
    /// How fast it runs away, nanoseconds per millisecond (parts per million).
    pub drift_ppm: i64,
    /// Since when it drifts, Unix nanoseconds.
    pub since_ns: u64,
}

impl VenueClock {
    /// How far ahead it is.
    pub(crate) fn ahead_ns(self, t_ns: u64) -> i64 {
        let drifted = i128::from(t_ns.saturating_sub(self.since_ns)) * i128::from(self.drift_ppm) / 1_000_000;
        self.step_ns.saturating_add(i64::try_from(drifted).unwrap_or(i64::MAX))
    }

    /// What it shows.
    pub(crate) fn shown_ns(self, t_ns: u64) -> u64 {
        t_ns.saturating_add_signed(self.ahead_ns(t_ns))
    }
}

/// Faults of the venue itself. Faults of the network (lost, doubled, late frames) belong to whoever carries the bytes.
///
/// Ordinals count from 1 over the life of the venue and are exact: `drop_reply_after_order = [3]` swallows the reply to
/// the third order that matching accepted, and to no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Accepted orders whose REST reply never leaves.
    pub drop_reply_after_order: Vec<u64>,
    /// Accepted orders whose REST reply is a 500.
    pub fail_reply_after_order: Vec<u64>,
    /// `spot.order_book_update` pushes that are left out: every subscriber then sees a gap.
    pub skip_book_delta: Vec<u64>,
    /// Pairs whose public channels say nothing, while the socket and its pongs go on.
    pub silent_pairs: Vec<String>,
    /// All public channels say nothing.
    pub silent_feed: bool,
    /// The next this many `/spot/order_book` replies come from a copy one to two seconds old.
    pub stale_book_replies: u32,
    /// Every `/spot/order_book` reply lacks its `id` and both sides, as seen on an affiliate venue for deep limits.
    pub empty_book_replies: bool,
    /// Subscriptions are acknowledged and then never served.
    pub acknowledge_without_service: bool,
    /// Subscribe requests get no acknowledgement, but are served.
    pub swallow_acknowledgements: bool,
    /// `spot.obu` increments that are left out: every subscriber of that stream then sees a gap.
    pub skip_obu_delta: Vec<u64>,
    /// `spot.obu` increments replaced by a whole book (`full: true`).
    pub full_obu_push: Vec<u64>,
    /// The first full push of `spot.obu` is stamped half as old as its book, as captured on a quiet pair.
    pub old_snapshot_times: bool,
    /// The next this many increments of either book channel are left out.
    pub skip_next_deltas: u32,
    /// Orders accepted over WebSocket of which neither receipt nor final reply leaves.
    pub ws_drop_reply_after_order: Vec<u64>,
    /// Orders accepted over WebSocket whose receipt leaves and whose final reply does not.
    pub ws_ack_only_after_order: Vec<u64>,
    /// Orders accepted over WebSocket whose final reply leaves without the receipt before it.
    pub ws_final_only_after_order: Vec<u64>,
    /// Orders accepted over WebSocket after which the connection is cut without a word.
    pub ws_cut_after_order: Vec<u64>,
    /// Replies to the next this many accepted orders, by either way, never leave.
    pub lose_next_replies: u32,
    /// Private frames, counted over all connections, that leave twice.
    pub double_private_frame: Vec<u64>,
    /// Private frames, counted over all connections, that leave after the frame behind them.
    pub reorder_private_frame: Vec<u64>,
    /// The next this many private frames leave twice.
    pub double_next_private: u32,
    /// The next this many private frames leave after the frame behind them.
    pub reorder_next_private: u32,
    /// Private REST requests, counted over the life of the venue, that are answered 429 though their bucket has room.
    pub too_many_requests: Vec<u64>,
    /// The next this many private REST requests are answered 429.
    pub refuse_next_requests: u32,
    /// Currencies that take no deposits, each with the chains meant; an empty list means all of them.
    pub deposits_disabled: BTreeMap<String, Vec<String>>,
    /// Currencies that pay out no withdrawals, each with the chains meant; an empty list means all of them.
    pub withdrawals_disabled: BTreeMap<String, Vec<String>>,
    /// `/spot/order_book` with a `limit` above 100 has two empty sides and no `id`, as seen on affiliate venues.
    pub empty_deep_books: bool,
    /// `/spot/order_book` with a `limit` above 100 is served from a copy one to two seconds old, as users report.
    pub slow_deep_books: bool,

    // Market data that is wrong. No channel of Gate carries a checksum: there is none to falsify.
    /// The next this many book frames show a bid above the best ask, and never take it back.
    pub cross_next_books: u32,
    /// Books that are crossed or locked for as long as this stands, in all channels and over REST; without a name: all of them.
    pub crossed: Vec<(Option<String>, Crossing)>,
    /// Frames and bodies with one absurd field.
    pub tampered: Vec<Tampering>,

    // Rules that change.
    /// Pairs in which trading is halted: orders are refused, public channels are silent, and the book over REST stands still.
    pub halted_pairs: Vec<String>,
    /// Pairs whose prices and amounts take so many decimals fewer than before; the list of pairs says so.
    pub coarser_pairs: BTreeMap<String, u32>,
    /// Pairs that are no longer listed.
    pub delisted_pairs: Vec<String>,

    // Orders that come out otherwise.
    /// Refusals of the next orders: why, and how many.
    pub refuse_next_orders: Vec<(Refusal, u32)>,
    /// The next this many orders are accepted with one step less amount than asked for.
    pub cut_next_amounts: u32,
    /// The next this many orders are accepted at a price one step worse for their owner.
    pub shift_next_prices: u32,
    /// The next this many orders are filled up to a remainder one step below the smallest order.
    pub dust_next_orders: u32,
    /// The next this many orders are filled by half at most.
    pub halve_next_orders: u32,
    /// The next this many orders to be cancelled are filled by half before the cancel takes effect.
    pub fill_before_cancels: u32,
    /// The next this many orders to be cancelled are filled whole before it, and the cancel is refused as too late.
    pub close_before_cancels: u32,
    /// The next this many answers about orders are those to the request before.
    pub stale_next_answers: u32,

    // Private news.
    /// Frames of executions, counted over all connections, that never leave.
    pub lose_fill_frame: Vec<u64>,
    /// The next this many frames of executions never leave.
    pub lose_next_fills: u32,
    /// Private channels say nothing, while the socket, its pongs and acknowledgements go on.
    pub mute_private: bool,

    // The venue's edge.
    /// All rate limits are divided by this; 0 and 1 leave them as they are.
    pub limits_divided_by: u32,
    /// Refusals for rate come without the headers that say until when.
    pub bare_refusals: bool,
    /// Until then everything over REST is answered 418 with `Retry-After`, Unix nanoseconds.
    pub banned_until_ns: Option<u64>,
    /// What the next replies to signed requests look like: shape, and how many. What they answer has happened.
    pub break_next_replies: Vec<(Breakage, u32)>,
    /// Everything over REST and order entry is answered 503, and no channel says anything.
    pub maintenance: bool,
    /// The venue's clock.
    pub clock: VenueClock,

    /// Gaps that struck so far, for those who count them.
    pub struck: Struck,
}

impl Faults {
    /// True if public channels of `pair` are mute.
    pub fn is_silent(&self, pair: &str) -> bool {
        let named = |pairs: &[String]| pairs.iter().any(|silent| silent == pair);
        self.maintenance
            || self.silent_feed
            || named(&self.silent_pairs)
            || named(&self.halted_pairs)
            || named(&self.delisted_pairs)
    }

    /// Whether a change of a book is left out that would leave for so many connections; `is_named` when a fault names its ordinal. What
    /// is left out is written down.
    pub(crate) fn withholds(&mut self, is_named: bool, t_ns: u64, pair: &str, followers: usize) -> bool {
        let is_withheld = is_named || take_one(&mut self.skip_next_deltas);
        if is_withheld {
            self.struck.withheld(t_ns, pair, followers);
        } else if followers > 0 {
            self.struck.told(pair);
        }
        is_withheld
    }

    /// How the book of `pair` is crossed now, if it is; `is_frame` counts one of the next frames.
    pub(crate) fn crossing(&mut self, pair: &str, is_frame: bool) -> Option<Crossing> {
        let standing = self.crossed.iter().find(|(name, _)| name.as_deref().is_none_or(|name| name == pair)).map(|(_, how)| *how);
        standing.or_else(|| (is_frame && take_one(&mut self.cross_next_books)).then_some(Crossing::Crossed))
    }

    /// Whether private channels say nothing.
    pub(crate) fn is_mute(&self) -> bool {
        self.mute_private || self.maintenance
    }
}

/// Counts one down; whether there was one.
pub(crate) fn take_one(counter: &mut u32) -> bool {
    let had_one = *counter > 0;
    *counter = counter.saturating_sub(1);
    had_one
}

/// Counts down the first of these; what it is.
pub(crate) fn take_first<T: Copy>(counted: &mut Vec<(T, u32)>) -> Option<T> {
    counted.retain(|(_, left)| *left > 0);
    let (what, left) = counted.first_mut()?;
    *left -= 1;
    Some(*what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_steps_and_drifts() {
        let clock = VenueClock { step_ns: -2_000, drift_ppm: 500, since_ns: 1_000_000 };
        assert_eq!(clock.shown_ns(1_000_000), 998_000);
        // Half a microsecond a millisecond.
        assert_eq!(clock.ahead_ns(11_000_000), 3_000);
        assert_eq!(VenueClock::default().shown_ns(7), 7);
        assert_eq!(VenueClock { step_ns: -10, ..clock }.shown_ns(5), 0);
    }

    #[test]
    fn counted_faults_strike_in_order_and_end() {
        let mut counted = vec![("a", 0), ("b", 2), ("c", 1)];
        let struck: Vec<&str> = std::iter::from_fn(|| take_first(&mut counted)).collect();
        assert_eq!(struck, ["b", "b", "c"]);
        let mut faults =
            Faults { cross_next_books: 1, crossed: vec![(Some("A_B".into()), Crossing::Locked)], ..Default::default() };
        assert_eq!(faults.crossing("A_B", true), Some(Crossing::Locked));
        assert_eq!((faults.crossing("C_D", false), faults.crossing("C_D", true)), (None, Some(Crossing::Crossed)));
        assert_eq!(faults.crossing("C_D", true), None);
    }
}
