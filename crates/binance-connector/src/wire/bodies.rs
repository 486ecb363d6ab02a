//! REST bodies that a session reads: book copies, the time, and errors (Binance REST API, market data; error codes).

use super::{BODY_BYTES_MAX, COPY_LEVELS_MAX, Decoder, LEVEL_COLUMNS_MAX, Reject, Scope};
use domain::{FrameReject, PairId, ResyncReason, UnixNanos};
use simd_json::prelude::*;
use venue::book_sync::BookCopy;
use venue::fields;
use venue::json::{Value, counter, object, required, text, whole_millis};
use venue::levels::{BookSide, FinerPrice, LevelReader, LevelsOf};

/// Bytes of an error's message that are kept.
const MESSAGE_BYTES_MAX: usize = 120;

/// `{"code": -1121, "msg": "Invalid symbol."}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// Binance's code.
    pub code: i64,
    /// Its message, cut.
    pub message: String,
}

impl Decoder {
    /// A book copy of `pair` (`GET …/depth`).
    ///
    /// # Errors
    /// [`Reject`] with the pair's book as scope.
    pub fn book_copy(&mut self, body: &mut [u8], pair: PairId) -> Result<BookCopy, Reject> {
        let Decoder { names, reader } = self;
        let doubt = |reject: Reject| reject.within(Scope::Book(pair, ResyncReason::Gap));
        let info = names.tables.pair(pair).ok_or(doubt(Reject::new(FrameReject::UnknownPair, "pair")))?;
        let levels = LevelReader {
            pair,
            scale: info.scale,
            levels_max: COPY_LEVELS_MAX,
            columns_max: LEVEL_COLUMNS_MAX,
            of: LevelsOf::Snapshot,
            finer: FinerPrice::LeaveOut,
        };
        reader
            .read(body, BODY_BYTES_MAX, |root| {
                fields!(object(&root, "body")?,
                    "lastUpdateId" => id, "T" => changed, "bids" => bids, "asks" => asks);
                Ok(BookCopy {
                    id: counter(id, "lastUpdateId")?,
                    changed_at: whole_millis(changed, "T")?,
                    bids: levels.side(Some(required(bids, "bids")?), BookSide::Bids, "bids")?,
                    asks: levels.side(Some(required(asks, "asks")?), BookSide::Asks, "asks")?,
                })
            })
            .map_err(doubt)
    }

    /// The venue's time (`GET …/time`).
    ///
    /// # Errors
    /// [`Reject`] for another shape.
    pub fn time(&mut self, body: &mut [u8]) -> Result<UnixNanos, Reject> {
        self.reader.read(body, BODY_BYTES_MAX, |root| {
            fields!(object(&root, "body")?, "serverTime" => time);
            let time = whole_millis(Some(required(time, "serverTime")?), "serverTime")?;
            time.map(|t| UnixNanos(t.0)).ok_or(Reject::new(FrameReject::OutOfRange, "serverTime"))
        })
    }

    /// Code and message of an error answer; `None` for any other body.
    pub fn error(&mut self, body: &mut [u8]) -> Option<ErrorBody> {
        error_body(&mut self.reader, body)
    }
}

/// Code and message of an error answer; `None` for any other body.
pub(crate) fn error_body(reader: &mut venue::json::JsonReader, body: &mut [u8]) -> Option<ErrorBody> {
    reader.read(body, BODY_BYTES_MAX, |root| error_of(&root)).ok()
}

/// Code and message of an error.
///
/// # Errors
/// [`Reject`] for anything without a code.
pub(super) fn error_of(value: &Value<'_, '_>) -> Result<ErrorBody, Reject> {
    fields!(object(value, "error")?, "code" => code, "msg" => message);
    let code = required(code, "code")?.as_i64().ok_or(Reject::shape("code"))?;
    let message = text(message, "msg").unwrap_or_default();
    Ok(ErrorBody { code, message: message.chars().take(MESSAGE_BYTES_MAX).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::names;
    use proptest::prelude::*;

    fn decoder() -> Decoder {
        Decoder::new(names())
    }

    fn copy(text: &str) -> Result<BookCopy, Reject> {
        decoder().book_copy(&mut text.as_bytes().to_vec(), PairId(0))
    }

    #[test]
    fn copies_are_whole_books() {
        let spot = copy(r#"{"lastUpdateId":7,"bids":[["2.00","1.5"],["1.5","0.1"]],"asks":[["2.01","1"]]}"#).unwrap();
        assert_eq!((spot.id, spot.changed_at, spot.bids.len(), spot.asks[0].price.units()), (7, None, 2, 201));
        let futures = copy(r#"{"lastUpdateId":7,"E":1653864801536,"T":1653864801453,"bids":[],"asks":[]}"#).unwrap();
        assert_eq!(futures.changed_at.unwrap().0, 1_653_864_801_453_000_000);
        let refused = |text: &str| copy(text).unwrap_err();
        let gap = Scope::Book(PairId(0), ResyncReason::Gap);
        for (text, reason) in [
            (r#"{"bids":[],"asks":[]}"#, FrameReject::MissingField),
            (r#"{"lastUpdateId":7,"asks":[]}"#, FrameReject::MissingField),
            (r#"{"lastUpdateId":"7","bids":[],"asks":[]}"#, FrameReject::BadNumber),
            (r#"{"lastUpdateId":7,"bids":[["1","1"],["2","1"]],"asks":[]}"#, FrameReject::Unsorted),
            (r#"{"lastUpdateId":7,"bids":{},"asks":[]}"#, FrameReject::UnknownShape),
            ("<html>", FrameReject::NotJson),
        ] {
            let reject = refused(text);
            assert_eq!((reject.reason, reject.scope), (reason, gap), "{text}");
        }
        let fine = refused(r#"{"lastUpdateId":7,"bids":[["1.001","1"]],"asks":[]}"#);
        assert_eq!(fine.scope, Scope::Book(PairId(0), ResyncReason::Scale));
    }

    #[test]
    fn times_and_errors() {
        let time = |text: &str| decoder().time(&mut text.as_bytes().to_vec());
        assert_eq!(time(r#"{"serverTime":1700000000123}"#), Ok(UnixNanos(1_700_000_000_123_000_000)));
        for text in ["{}", r#"{"serverTime":"1"}"#, r#"{"serverTime":0}"#, r#"{"serverTime":-1}"#] {
            assert!(time(text).is_err(), "{text}");
        }
        let error = decoder().error(&mut br#"{"code":-1121,"msg":"Invalid symbol."}"#.to_vec());
        assert_eq!(error, Some(ErrorBody { code: -1121, message: "Invalid symbol.".into() }));
        assert_eq!(decoder().error(&mut b"<html>".to_vec()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = decoder();
            let _ = decoder.book_copy(&mut bytes.clone(), PairId(0));
            let _ = decoder.time(&mut bytes.clone());
            let _ = decoder.error(&mut bytes.clone());
        }
    }
}
