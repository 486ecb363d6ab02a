//! Bybit's part of `doctor`: kind of account and its tier, fees of the pairs, rate head-room, the dead-man switch (Bybit v5: API key
//! information, fee rate, DCP information).
//!
//! The switch is told as what it is: one for institutions, set up by the venue's staff. It is never armed here, whatever it is set to.

use crate::connector::get;
use crate::errors;
use crate::market::{Market, venue_name};
use crate::session::wire::{rate_news, signed};
use crate::sign::Signer;
use crate::wire::bodies::{ErrorBody, error_body, result};
use crate::wire::private::{fee_row, key_facts};
use domain::{ErrorClass, Rate, Symbol, UnixNanos};
use venue::checkup::Headroom;
use venue::desk::wire::SendAt;
use venue::fields;
use venue::json::{JsonReader, Reject, items, object, required, text};
use venue::{Checkup, CheckupConfig, Finding, Grade, HttpRequest, Response};

/// Largest answer read, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Decimals of a basis point that a rate holds.
const BPS_DECIMALS: u32 = 5;
/// Rows that a list may have.
const ROWS_MAX: usize = 1000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key,
    Fees,
    DeadMan,
}

/// See the module's docs.
pub(crate) struct BybitCheckup {
    signer: Signer,
    steps: Vec<Step>,
    /// Those that are traded.
    symbols: Vec<Symbol>,
    at: usize,
    reader: JsonReader,
    findings: Vec<Finding>,
    fees: Vec<(Symbol, Rate, Rate)>,
    headroom: Headroom,
}

impl BybitCheckup {
    pub(crate) fn new(config: CheckupConfig) -> BybitCheckup {
        BybitCheckup {
            signer: Signer::new(config.key, &config.secret),
            steps: vec![Step::Key, Step::Fees, Step::DeadMan],
            symbols: config.symbols.into_iter().filter(|symbol| Market::of(symbol) == Some(Market::Spot)).collect(),
            at: 0,
            reader: JsonReader::default(),
            findings: Vec::new(),
            fees: Vec::new(),
            headroom: Headroom::default(),
        }
    }

    fn read(&mut self, step: &Step, body: &mut [u8]) -> Result<(), Reject> {
        let reader = &mut self.reader;
        match step {
            Step::Key => {
                let facts = reader.read(body, BODY_BYTES_MAX, |root| key_facts(&root))?;
                let tier = facts.tier.map(|tier| format!(", tier `{tier}`")).unwrap_or_default();
                self.findings.push(match facts.unified {
                    Some(true) => Finding::new("account_mode", Grade::Ok, format!("unified trading account{tier}"), ""),
                    Some(false) => Finding::new(
                        "account_mode",
                        Grade::Fail,
                        format!("no unified trading account{tier}: its spot balances are not where they are read"),
                        "upgrade the account to a unified trading account, or use a sub-account that is one",
                    ),
                    None => Finding::new("account_mode", Grade::Skip, format!("the venue does not tell{tier}"), ""),
                });
            }
            Step::Fees => {
                let rows = reader.read(body, BODY_BYTES_MAX, |root| {
                    self.symbols
                        .iter()
                        .map(|symbol| fee_row(&root, &venue_name(symbol).unwrap_or_default()))
                        .collect::<Result<Vec<_>, _>>()
                })?;
                self.fees =
                    self.symbols.iter().cloned().zip(rows).map(|(symbol, (taker, maker))| (symbol, taker, maker)).collect();
            }
            Step::DeadMan => {
                let window = reader.read(body, BODY_BYTES_MAX, |root| spot_window(&root))?;
                self.dead_man(window.as_deref());
            }
        }
        Ok(())
    }

    fn dead_man(&mut self, window: Option<&str>) {
        let set = match window {
            Some(window) => format!("it is set up for spot with {window} s, and is not used"),
            None => "it is not set up for spot".to_string(),
        };
        let detail = format!(
            "Bybit's dead-man switch is for institutions only ({set}): should this host die, nothing cancels what rests there"
        );
        let fix = "orders of the engine end at once and rest for moments only; keep another way to cancel at hand";
        self.findings.push(Finding::new("dead_man", Grade::Warn, detail, fix));
    }

    /// A step that told nothing.
    fn untold(&mut self, step: &Step, told: &str) {
        let why = format!("not told: {told}");
        let finding = match step {
            Step::Key => Finding::new("account_mode", Grade::Warn, why, "check the key at the venue"),
            Step::Fees => Finding::new("fee_token", Grade::Warn, why, "give the key the right to read the account"),
            // Of no use here, told or not.
            Step::DeadMan => return self.dead_man(None),
        };
        self.findings.push(finding);
    }

    fn judge_fees(&self) -> Option<Finding> {
        let mut kinds: Vec<((Rate, Rate), Vec<String>)> = Vec::new();
        for (symbol, taker, maker) in &self.fees {
            match kinds.iter_mut().find(|(rates, _)| *rates == (*taker, *maker)) {
                Some((_, symbols)) => symbols.push(symbol.to_string()),
                None => kinds.push(((*taker, *maker), vec![symbol.to_string()])),
            }
        }
        let alike = kinds.len() == 1;
        let bps = |rate: &Rate| domain::decimal::format_units(i128::from(rate.nano()), BPS_DECIMALS);
        let text = |((taker, maker), symbols): &((Rate, Rate), Vec<String>)| {
            let whose = if alike { String::new() } else { format!("{}: ", symbols.join(", ")) };
            format!("{whose}taker {} bps, maker {} bps", bps(taker), bps(maker))
        };
        let told: Vec<String> = kinds.iter().map(text).collect();
        let detail = format!("{}, taken from what is received; whether MNT pays instead is not told", told.join("; "));
        (!told.is_empty()).then(|| Finding::new("fee_token", Grade::Ok, detail, ""))
    }
}

/// The time of the venue's own switch for spot, in seconds, where it is on.
fn spot_window(root: &venue::json::Value<'_, '_>) -> Result<Option<String>, Reject> {
    fields!(object(&result(root)?, "result")?, "dcpInfos" => products);
    for row in items(&required(products, "dcpInfos")?, ROWS_MAX, "dcpInfos")? {
        fields!(object(&row, "product")?, "product" => product, "dcpStatus" => status, "timeWindow" => window);
        if text(product, "product")? == "SPOT" && text(status, "dcpStatus")? == "ON" {
            return Ok(Some(text(window, "timeWindow")?.chars().take(8).collect()));
        }
    }
    Ok(None)
}

fn told_by(status: u16, error: Option<ErrorBody>) -> String {
    match error {
        Some(ErrorBody { code, message }) => format!("{code} {message}"),
        None => format!("HTTP {status}"),
    }
}

impl Checkup for BybitCheckup {
    fn next_request(&mut self, wall: UnixNanos) -> Option<HttpRequest> {
        let request = match self.steps.get(self.at)? {
            Step::Key => get("/v5/user/query-api", String::new()),
            // Of all pairs at once: single ones may be asked for a few times a second only.
            Step::Fees => get("/v5/account/fee-rate", "category=spot".into()),
            Step::DeadMan => get("/v5/account/query-dcp-info", String::new()),
        };
        Some(signed(request, &self.signer, &SendAt { venue_ns: wall.0, expires_ms: None }))
    }

    fn answer(&mut self, response: Response<'_>) {
        let Some(step) = self.steps.get(self.at).cloned() else { return };
        self.at += 1;
        let (status, headers, body) = match response {
            Response::Failed(failure) => return self.untold(&step, &format!("no answer ({failure:?})")),
            Response::Http { status, headers, body } => (status, headers, body),
        };
        // Fees may be asked for a few times a second, and the session before has done so: what is left of that says nothing.
        if step != Step::Fees {
            self.headroom.note(rate_news(headers));
        }
        // The reader scribbles on what it reads.
        let error = error_body(&mut self.reader, &mut body.to_vec());
        if error.is_some() || !(200..300).contains(&status) {
            let code = error.as_ref().map(|error| error.code);
            // A person may take a bare 401 for what it most often is.
            let of_key = errors::class(status, code) == ErrorClass::AuthFatal || status == 401;
            let hint = if of_key { " (key, rights or address)" } else { "" };
            return self.untold(&step, &format!("{}{hint}", told_by(status, error)));
        }
        if let Err(reject) = self.read(&step, body) {
            self.untold(&step, &format!("the answer can't be read: {reject}"));
        }
    }

    fn findings(&self) -> Vec<Finding> {
        self.findings.iter().cloned().chain(self.judge_fees()).chain([self.headroom.finding()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const KEY: &str = r#"{"retCode":0,"retMsg":"","result":{"readOnly":0,"permissions":{"Spot":["SpotTrade"],"Wallet":[]},"ips":["*"],"uta":1,"vipLevel":"VIP-1"}}"#;
    const FEE: &str = r#"{"retCode":0,"result":{"list":[{"symbol":"BTCUSDT","takerFeeRate":"0.001","makerFeeRate":"0.0008"}]}}"#;
    const DCP: &str = r#"{"retCode":0,"result":{"dcpInfos":[{"product":"SPOT","dcpStatus":"ON","timeWindow":"10"}]}}"#;

    /// Runs a check-up; answers by a part of the path, anything else is 404.
    fn findings(answers: &[(&str, u16, &str)]) -> Vec<(&'static str, Grade, String)> {
        let config = CheckupConfig {
            key: SecretString::from("key"),
            secret: SecretString::from("secret"),
            symbols: ["BTC/USDT", "BTC/USDT:USDT"].map(|text| Symbol::parse(text).unwrap()).to_vec(),
        };
        let mut checkup = BybitCheckup::new(config);
        let headers = [("x-bapi-limit", "50"), ("x-bapi-limit-status", "49")].map(|(n, v)| (n.to_string(), v.to_string()));
        let mut asked = Vec::new();
        while let Some(request) = checkup.next_request(UnixNanos(1_700_000_000_000_000_000)) {
            assert_eq!(request.method.as_str(), "GET", "nothing is changed");
            assert!(request.headers.iter().any(|(name, _)| *name == "X-BAPI-SIGN"));
            let found = answers.iter().find(|(part, ..)| request.path.contains(part));
            let (status, body) = found.map_or((404, "<html>"), |(_, status, body)| (*status, *body));
            checkup.answer(Response::Http { status, headers: &headers, body: &mut body.as_bytes().to_vec() });
            asked.push(request.path);
        }
        assert_eq!(
            asked,
            ["/v5/user/query-api", "/v5/account/fee-rate", "/v5/account/query-dcp-info"],
            "contracts are not traded"
        );
        checkup.findings().into_iter().map(|found| (found.id, found.grade, found.detail)).collect()
    }

    #[track_caller]
    fn check(answers: &[(&str, u16, &str)], id: &str, grade: Grade, part: &str) {
        let all = findings(answers);
        assert!(all.iter().any(|(i, g, detail)| *i == id && *g == grade && detail.contains(part)), "no {id} `{part}`: {all:?}");
    }

    #[test]
    fn every_check_tells_what_the_venue_said() {
        let good = [("query-api", 200, KEY), ("fee-rate", 200, FEE), ("dcp", 200, DCP)];
        check(&good, "account_mode", Grade::Ok, "unified trading account, tier `VIP-1`");
        check(&good, "fee_token", Grade::Ok, "taker 10 bps, maker 8 bps, taken from what is received; whether MNT");
        check(&good, "dead_man", Grade::Warn, "set up for spot with 10 s, and is not used");
        check(&good, "rate_headroom", Grade::Ok, "49 of 50");
        let classic = KEY.replace("\"uta\":1", "\"uta\":0");
        check(&[("query-api", 200, &classic)], "account_mode", Grade::Fail, "no unified trading account");
        check(&[("query-api", 200, &KEY.replace("\"uta\":1,", ""))], "account_mode", Grade::Skip, "does not tell");
        check(&[("dcp", 200, r#"{"retCode":0,"result":{"dcpInfos":[]}}"#)], "dead_man", Grade::Warn, "not set up for spot");
    }

    #[test]
    fn silence_and_nonsense_are_told_as_such() {
        check(&[], "account_mode", Grade::Warn, "HTTP 404");
        check(&[("query-api", 200, "<html>")], "account_mode", Grade::Warn, "can't be read");
        let refused = r#"{"retCode":10003,"retMsg":"API key is invalid."}"#;
        check(&[("query-api", 200, refused)], "account_mode", Grade::Warn, "10003 API key is invalid. (key, rights or address)");
        check(&[("fee-rate", 200, r#"{"retCode":0,"result":{"list":[]}}"#)], "fee_token", Grade::Warn, "not told");
        check(&[], "dead_man", Grade::Warn, "for institutions only");
    }
}
