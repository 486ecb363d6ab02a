//! The argument `--tape` and its twin `[[tape]]` in the configuration.

use crate::config::Loaded;
use crate::exit::Failure;
use crate::registry;
use domain::decimal::{Excess, parse_units};
use domain::{Rate, Symbol};
use journal::tape::TapeFormat;
use std::path::PathBuf;
use venue::Connector;

/// Decimals of basis points that a [`Rate`] holds.
const BPS_DECIMALS: u32 = 5;

/// One tape of one stream, or of all streams of one of our own recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeArg {
    /// Connector kind.
    pub kind: String,
    /// Venue id; default: the kind.
    pub id: String,
    /// Which pair; optional for our own recordings.
    pub pair: Option<Symbol>,
    /// Format.
    pub format: TapeFormat,
    /// Taker fee; default: the venue's base tier.
    pub fee: Option<Rate>,
    /// File or directory.
    pub file: PathBuf,
}

/// Basis points as text, exact; `None` beyond 100 % or finer than five decimals.
pub fn parse_bps(text: &str) -> Option<Rate> {
    Rate::from_nano(parse_units(text.as_bytes(), BPS_DECIMALS, Excess::Refuse).ok()?)
}

impl TapeArg {
    /// Parses `venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE`.
    ///
    /// # Errors
    /// One sentence that says what is missing or wrong.
    pub fn parse(text: &str) -> Result<TapeArg, String> {
        let wrong =
            |what: &str| format!("--tape {text}: {what}; write venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE");
        let mut parts = Parts::default();
        let mut rest = text;
        loop {
            let (key, after) = rest.split_once('=').ok_or_else(|| wrong("a key without a value"))?;
            // Values of `format` and `fee_bps` hold no colon, so a colon there begins the file; the others end at their comma.
            let last = matches!(key, "format" | "fee_bps");
            let end = after
                .find(|c| c == ',' || (last && c == ':'))
                .ok_or_else(|| wrong("no file: end with format=… or fee_bps=…, a colon and the file"))?;
            let (value, tail) = after.split_at(end);
            let place = match key {
                "venue" => &mut parts.venue,
                "pair" => &mut parts.pair,
                "format" => &mut parts.format,
                "fee_bps" => &mut parts.fee_bps,
                _ => return Err(wrong(&format!("no key `{key}`"))),
            };
            if place.replace(value).is_some() {
                return Err(wrong(&format!("`{key}` stands twice")));
            }
            rest = &tail[1..];
            if tail.starts_with(':') {
                break;
            }
        }
        parts.file = rest;
        parts.read().map_err(|what| wrong(&what))
    }
}

/// The parts of one tape, as text.
#[derive(Clone, Copy, Debug, Default)]
struct Parts<'a> {
    venue: Option<&'a str>,
    pair: Option<&'a str>,
    format: Option<&'a str>,
    fee_bps: Option<&'a str>,
    file: &'a str,
}

impl Parts<'_> {
    fn read(self) -> Result<TapeArg, String> {
        let venue = self.venue.ok_or("venue is missing")?;
        let (kind, id) = venue.split_once(':').unwrap_or((venue, venue));
        if kind.is_empty() || id.is_empty() {
            return Err("venue is KIND or KIND:ID".into());
        }
        let format = self.format.ok_or("format is missing")?;
        let format = TapeFormat::parse(format).ok_or("format is crossgate, cryptofeed or hftbacktest")?;
        let pair = self.pair.map(Symbol::parse).transpose().map_err(|e| e.to_string())?;
        if pair.is_none() && format != TapeFormat::Crossgate {
            return Err("pair is missing".into());
        }
        let wrong_fee = "fee_bps is no number of basis points with at most five decimals";
        let fee = self.fee_bps.map(|text| parse_bps(text).ok_or(wrong_fee)).transpose()?;
        if self.file.is_empty() {
            return Err("the file is missing".into());
        }
        Ok(TapeArg { kind: kind.into(), id: id.into(), pair, format, fee, file: self.file.into() })
    }
}

/// The tapes of the command line, else those of the configuration.
///
/// # Errors
/// Exit code 2 for an argument, 3 for a `[[tape]]`; one sentence.
pub fn tape_args(texts: &[String], loaded: Option<&Loaded>) -> Result<Vec<TapeArg>, Failure> {
    if !texts.is_empty() {
        return texts.iter().map(|text| TapeArg::parse(text).map_err(Failure::usage)).collect();
    }
    let Some(loaded) = loaded else { return Ok(Vec::new()) };
    let read = |(index, tape): (usize, &crate::config::schema::Tape)| {
        let fee = tape.fee_bps.map(|fee| fee.to_string());
        let parts = Parts {
            venue: Some(&tape.venue),
            pair: tape.pair.as_deref(),
            format: Some(&tape.format),
            fee_bps: fee.as_deref(),
            file: &tape.file,
        };
        parts.read().map_err(|what| Failure::from(loaded.error(&format!("tape[{index}]"), what)))
    };
    loaded.config.tape.iter().enumerate().map(read).collect()
}

/// The connector of a tape.
///
/// # Errors
/// Exit code 2 for a kind that nobody knows.
pub fn connector_of(arg: &TapeArg) -> Result<&'static dyn Connector, Failure> {
    registry::connector(&arg.kind)
        .ok_or_else(|| Failure::usage(format!("--tape: no exchange `{}`; known: {}", arg.kind, registry::kinds().join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tape_arguments_read_as_documented() {
        let arg = TapeArg::parse("venue=gate:g1,pair=BTC/USDT,format=cryptofeed,fee_bps=7.5:/data/a,b:c.zst").unwrap();
        assert_eq!((arg.kind.as_str(), arg.id.as_str(), arg.fee.unwrap().nano()), ("gate", "g1", 750_000));
        assert_eq!(arg.file, PathBuf::from("/data/a,b:c.zst"));
        let arg = TapeArg::parse("venue=gate,pair=BTC/USDT:USDT,format=hftbacktest:x").unwrap();
        assert_eq!(arg.pair.unwrap().to_string(), "BTC/USDT:USDT");
        assert_eq!(arg.fee, None);
        let arg = TapeArg::parse("venue=gate,format=crossgate,fee_bps=-1:x").unwrap();
        assert_eq!((arg.pair, arg.fee.unwrap().nano()), (None, -100_000));
        for wrong in [
            "",
            "venue=gate",
            "venue=gate,pair=BTC/USDT,format=tar:x",
            "venue=gate,format=cryptofeed:x",
            "pair=BTC/USDT,format=cryptofeed:x",
            "venue=gate,pair=BTC/USDT,format=cryptofeed:",
            "venue=gate,pear=BTC/USDT,format=cryptofeed:x",
            "venue=gate,venue=gate,pair=BTC/USDT,format=cryptofeed:x",
            "venue=gate:,pair=BTC/USDT,format=cryptofeed:x",
            "venue=gate,pair=btc/usdt,format=cryptofeed:x",
            "venue=gate,pair=BTC/USDT,format=cryptofeed,fee_bps=0.000001:x",
            "venue=gate,pair=BTC/USDT,format=cryptofeed,fee_bps=20000:x",
            "venue=gate,pair=BTC/USDT,format=cryptofeed,fee_bps=ten:x",
        ] {
            assert!(TapeArg::parse(wrong).is_err(), "{wrong}");
        }
    }
}
