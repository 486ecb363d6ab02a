//! How a protocol's bytes read to somebody on the wire between a client and a simulated venue: for harnesses that watch what is asked
//! for, and tamper with what is answered.
//!
//! Each dialect brings its own [`Reading`]. It decides nothing and keeps nothing; what it does not recognise is `None`.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    core::{AccountTrade, Side},
    world::HttpResponse,
};

/// A request as it crosses the wire.
#[derive(Clone, Copy, Debug)]
pub struct Crossing<'a> {
    /// Method in upper case.
    pub method: &'a str,
    /// Path, without the query.
    pub path: &'a str,
    /// Query, without the `?`.
    pub query: &'a str,
    /// Body bytes.
    pub body: &'a [u8],
}

/// The limit order that a request or frame asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The venue's name of the pair.
    pub pair: String,
    /// Direction.
    pub side: Side,
    /// Limit price.
    pub price: Decimal,
    /// Base amount.
    pub amount: Decimal,
    /// The client id, without what the protocol puts before it; empty when there is none.
    pub client_id: String,
}

/// Which limit of a venue a request spends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spends {
    /// Placements of a pair, by the venue's name.
    Placements(String),
    /// Cancels.
    Cancels,
    /// Copies of books.
    Books,
    /// Reads of the account, by what is read.
    Reads(String),
}

/// What an answer says about the client's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateWord {
    /// Nothing.
    None,
    /// Refused for now.
    Refused {
        /// Until then by the venue's clock, Unix nanoseconds, where told as a moment.
        until_ns: Option<u64>,
        /// What the venue's clock showed as it said so, Unix nanoseconds, where that was told with it.
        told_ns: Option<u64>,
        /// For so long from the answer, nanoseconds, where told so.
        for_ns: Option<u64>,
    },
    /// Shut out altogether.
    Banned {
        /// For so long, nanoseconds, where told or documented.
        for_ns: Option<u64>,
    },
}

/// How a protocol's bytes read.
pub trait Reading: Sync + std::fmt::Debug {
    /// The order that a request places.
    fn placement(&self, request: &Crossing<'_>) -> Option<Asked>;

    /// The order that a frame places.
    fn placement_in_frame(&self, frame: &[u8]) -> Option<Asked>;

    /// Which limit a request spends; `signed` when it carries a signature.
    fn spends(&self, request: &Crossing<'_>, signed: bool) -> Option<Spends>;

    /// The venue's name of the pair whose book a request asks for.
    fn asked_book<'a>(&self, path: &str, query: &'a str) -> Option<&'a str>;

    /// What an answer says about the client's rate.
    fn rate_word(&self, response: &HttpResponse) -> RateWord;

    /// Whether an answer to a request of this path refuses an order.
    fn refuses_order(&self, path: &str, response: &HttpResponse) -> bool;

    /// The header that carries the key, in lower case.
    fn key_header(&self) -> &'static str;

    /// The venue's name of the pair that a frame of a book channel, or of its best levels, is about. It is asked of every frame.
    fn book_pair<'a>(&self, frame: &'a [u8]) -> Option<&'a str>;

    /// Whether a frame of a private link tells news: not an answer, not a pong.
    fn is_news(&self, frame: &[u8]) -> bool;

    /// The frame with its best bid at its best ask, if it is one of a book channel that allows it.
    fn cross_book(&self, frame: &[u8]) -> Option<Vec<u8>>;

    /// The part of a public frame where its levels stand, to be made nonsense of; `None` for other frames.
    fn levels_of<'a>(&self, frame: &'a mut Value) -> Option<&'a mut Value>;

    /// Whether a fault of the project's list, by its number, means anything to a client that trades here.
    fn knows_fault(&self, _number: u8) -> bool {
        true
    }

    /// The id by which clients know an execution.
    fn trade_id(&self, trade: &AccountTrade) -> u64 {
        trade.trade_id.0
    }

    /// Whether a request asks about one order.
    fn looks_up(&self, request: &Crossing<'_>) -> bool;

    /// An error that hides in an answer of success: of the venue's own making, and nothing is known of what was asked for.
    fn error_inside(&self) -> &'static [u8];

    /// The answer about one order as it was just after it was accepted: open, nothing executed.
    fn age_order(&self, body: &[u8]) -> Option<Vec<u8>>;
}

/// Kinds of [`odd_frame`].
pub const ODD_FRAMES: u64 = 9;

/// Nonsense in the place of the first price, or the shape of another version, in a frame of a public channel.
pub fn odd_frame(reading: &dyn Reading, frame: &[u8], kind: u64) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(frame).ok()?;
    let levels = reading.levels_of(&mut root)?;
    if kind == 0 {
        levels.as_object_mut()?.insert("a_new_field".into(), json!({"of": ["another", "version"]}));
        return serde_json::to_vec(&root).ok();
    }
    let side = ["asks", "a", "bids", "b"].into_iter().find(|name| levels.get(*name).is_some_and(|v| v.get(0).is_some()))?;
    let price = levels.get_mut(side)?.get_mut(0)?.get_mut(0)?;
    *price = match kind {
        1 => json!("NaN"),
        2 => json!("-1"),
        3 => json!("1e309"),
        4 => json!("0.1234567890123456789012345678901234567890"),
        5 => json!(""),
        6 => Value::Null,
        7 => json!(["12"]),
        _ => json!("0"),
    };
    serde_json::to_vec(&root).ok()
}

/// Puts the last ask that is not deleted before the bids: in a change of a book it is the least likely to be deep inside the bids' side.
pub(crate) fn cross(levels: &mut Value, bids: &str, asks: &str, is_gone: impl Fn(&Value) -> bool) -> Option<()> {
    let ask = levels.get(asks)?.as_array()?.iter().rfind(|level| level.get(1).is_some_and(|amount| !is_gone(amount)))?;
    let level = json!([ask.get(0)?.clone(), ask.get(1)?.clone()]);
    levels.get_mut(bids)?.as_array_mut()?.insert(0, level);
    Some(())
}

/// The text behind the first occurrence of a field, up to its closing quote. Not a decoder: venues' texts have no escapes where this is
/// used.
pub(crate) fn text_field<'a>(frame: &'a str, field: &str) -> Option<&'a str> {
    let rest = frame.get(frame.find(field)? + field.len()..)?;
    rest.split_once('"').map(|(text, _)| text)
}

/// The seconds of a `Retry-After` header, as nanoseconds.
pub(crate) fn retry_after_ns(response: &HttpResponse) -> Option<u64> {
    let (_, value) = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000_000_000))
}

/// The value of a parameter of a query or form, as it stands.
pub(crate) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// A side by its word, in any case.
pub(crate) fn side_of(word: &str) -> Option<Side> {
    if word.eq_ignore_ascii_case("buy") { Some(Side::Buy) } else { word.eq_ignore_ascii_case("sell").then_some(Side::Sell) }
}
