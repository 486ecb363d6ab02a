//! Gate's part of `doctor`: account mode, fee tier and GT runway, rate head-room, dead-man switch, state of the assets
//! (Gate API v4: account detail, wallet fee, debit fee, spot accounts, tickers, rate limit, countdown, currencies).
//!
//! The dead-man switch is proved without touching any: a disarming request (`timeout` 0) for a pair that does not exist. Whoever may
//! not write is refused for that; whoever may is told that there is no such pair.

use crate::rest::account::{AccountDetail, AccountMode};
use crate::rest::fees::{FeeFacts, PaidIn};
use crate::rest::{CurrencyName, PairName, RequestError, RestReader, Unsigned, account, fees, limits, listing, market, trades};
use crate::sign::Signer;
use domain::{ErrorClass, Symbol, UnixNanos};
use rust_decimal::Decimal;
use venue::checkup::{FeesPaid, Headroom, Paid};
use venue::{Checkup, CheckupConfig, Finding, Grade, HttpRequest, Response};

/// A pair that no venue lists.
const NO_SUCH_PAIR: &str = "CROSSGATEPROBE_NONE";
/// The fee token.
const GT: &str = "GT";
/// The pair that prices it.
const GT_PAIR: &str = "GT_USDT";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Detail,
    Fee,
    Accounts,
    GtTicker,
    Currency(String),
    Countdown,
}

/// See the module's docs.
pub(crate) struct GateCheckup {
    signer: Signer,
    symbols: Vec<Symbol>,
    steps: Vec<Step>,
    at: usize,
    reader: RestReader,
    findings: Vec<Finding>,
    fee: Option<FeeFacts>,
    gt: Option<Decimal>,
    gt_price: Option<Decimal>,
    assets_open: Vec<String>,
    assets_closed: Vec<String>,
    headroom: Headroom,
}

impl GateCheckup {
    pub(crate) fn new(config: CheckupConfig) -> GateCheckup {
        let mut assets: Vec<String> = config.symbols.iter().flat_map(|s| [s.base.clone(), s.quote.clone()]).collect();
        assets.sort();
        assets.dedup();
        let mut steps = vec![Step::Detail, Step::Fee, Step::Accounts, Step::GtTicker];
        steps.extend(assets.into_iter().map(Step::Currency));
        steps.push(Step::Countdown);
        GateCheckup {
            signer: Signer::new(config.key, &config.secret),
            symbols: config.symbols,
            steps,
            at: 0,
            reader: RestReader::default(),
            findings: Vec::new(),
            fee: None,
            gt: None,
            gt_price: None,
            assets_open: Vec::new(),
            assets_closed: Vec::new(),
            headroom: Headroom::default(),
        }
    }

    fn request(&self, step: &Step, wall: UnixNanos) -> Result<HttpRequest, RequestError> {
        let sign = |unsigned: Unsigned| unsigned.signed(&self.signer, wall);
        Ok(match step {
            Step::Detail => sign(account::detail()),
            Step::Fee => sign(fees::wallet_fee(None)),
            Step::Accounts => sign(account::accounts(Some(&CurrencyName::new(GT)?))),
            Step::GtTicker => market::tickers(Some(&PairName::new(GT_PAIR)?)),
            Step::Currency(name) => listing::currency(&CurrencyName::new(name)?),
            Step::Countdown => sign(trades::countdown(0, Some(&PairName::new(NO_SUCH_PAIR)?))?),
        })
    }

    fn read(&mut self, step: &Step, status: u16, body: &mut [u8]) {
        if !(200..300).contains(&status) {
            let error = self.reader.error(status, body);
            let class = error.class();
            let told = error.label.unwrap_or_else(|| format!("HTTP {status}"));
            return self.refused(step, class, &told);
        }
        let unreadable = |reject: crate::wire::Reject| format!("the answer can't be read: {reject}");
        match step {
            Step::Detail => match self.reader.detail(body) {
                Ok(detail) => self.judge_mode(&detail),
                Err(reject) => self.refused(step, ErrorClass::Unknown, &unreadable(reject)),
            },
            Step::Fee => match self.reader.fee(body) {
                Ok(fee) => self.fee = Some(fee),
                Err(reject) => self.refused(step, ErrorClass::Unknown, &unreadable(reject)),
            },
            Step::Accounts => match self.reader.accounts(body) {
                Ok(rows) => {
                    self.gt = Some(rows.iter().filter(|row| row.currency == GT).map(|row| row.available).sum());
                }
                Err(reject) => self.refused(step, ErrorClass::Unknown, &unreadable(reject)),
            },
            // Only prices the runway: without it the runway is told in GT.
            Step::GtTicker => {
                self.gt_price = self.reader.tickers(body).ok().and_then(|rows| rows.into_iter().find_map(|row| row.last));
            }
            Step::Currency(name) => match self.reader.currency(body) {
                Ok(currency) => {
                    let mut shut = Vec::new();
                    if currency.delisted || currency.trade_disabled {
                        shut.push("trading");
                    }
                    if !currency.can_deposit() {
                        shut.push("deposits");
                    }
                    if !currency.can_withdraw() {
                        shut.push("withdrawals");
                    }
                    if shut.is_empty() {
                        self.assets_open.push(name.clone());
                    } else {
                        self.assets_closed.push(format!("{name} ({})", shut.join(", ")));
                    }
                }
                Err(reject) => self.refused(step, ErrorClass::Unknown, &unreadable(reject)),
            },
            Step::Countdown => self.dead_man(),
        }
    }

    /// A step that told nothing.
    fn refused(&mut self, step: &Step, class: ErrorClass, told: &str) {
        let why = format!("not told: {told}");
        let finding = match step {
            Step::Detail => Finding::new("account_mode", Grade::Warn, why, "give the key the right to read the account"),
            Step::Fee => Finding::new("fee_token", Grade::Warn, why, "give the key the right to read fees"),
            Step::Accounts => Finding::new("fee_token", Grade::Warn, why, "give the key the right to read spot balances"),
            Step::GtTicker => return,
            Step::Currency(name) => {
                self.assets_closed.push(format!("{name} ({told})"));
                return;
            }
            // No such pair is the answer that proves the switch.
            Step::Countdown if matches!(class, ErrorClass::SymbolClosed | ErrorClass::FilterReject) => return self.dead_man(),
            Step::Countdown => Finding::new(
                "dead_man",
                Grade::Fail,
                format!("the switch is refused: {told}"),
                "the key needs the right to write spot orders",
            ),
        };
        self.findings.push(finding);
    }

    fn dead_man(&mut self) {
        let detail =
            "countdown_cancel_all is there and this key may use it (asked for a pair that does not exist; nothing was armed)";
        self.findings.push(Finding::new("dead_man", Grade::Ok, detail, ""));
    }

    fn judge_mode(&mut self, detail: &AccountDetail) {
        let shut: Vec<String> = self
            .symbols
            .iter()
            .filter(|s| !detail.pairs.is_empty() && !detail.pairs.contains(&format!("{}_{}", s.base, s.quote)))
            .map(Symbol::to_string)
            .collect();
        let finding = if !shut.is_empty() {
            Finding::new(
                "account_mode",
                Grade::Fail,
                format!("the key is restricted to other pairs than {}", shut.join(", ")),
                "lift the restriction at the venue, or remove the pairs",
            )
        } else {
            let tier = detail.tier.map_or_else(String::new, |tier| format!(", VIP tier {tier}"));
            match detail.mode {
                Some(AccountMode::Classic) => Finding::new("account_mode", Grade::Ok, format!("classic account{tier}"), ""),
                Some(AccountMode::Unified) => Finding::new(
                    "account_mode",
                    Grade::Fail,
                    format!("unified account{tier}: its spot balances are not in /spot/accounts"),
                    "use a classic account, or a sub-account in classic mode",
                ),
                Some(AccountMode::Other(number)) => Finding::new(
                    "account_mode",
                    Grade::Warn,
                    format!("mode {number} is not known{tier}"),
                    "check it at the venue",
                ),
                None => Finding::new("account_mode", Grade::Skip, format!("the venue does not tell{tier}"), ""),
            }
        };
        self.findings.push(finding);
    }

    /// What pays the fees, and how long it lasts.
    fn judge_fees(&self) -> Vec<Finding> {
        let Some(fee) = &self.fee else { return Vec::new() };
        let Some(effective) = fee.effective() else {
            return vec![Finding::new(
                "fee_token",
                Grade::Warn,
                "GT pays, but its rates are not told",
                "check them at the venue",
            )];
        };
        let paid = match effective.paid_in {
            PaidIn::Received => Paid::Received,
            PaidIn::Points => Paid::Outside("points"),
            PaidIn::Gt => Paid::Token { name: GT, held: self.gt.unwrap_or_default(), price: self.gt_price },
        };
        vec![FeesPaid { taker: effective.taker, maker: effective.maker, paid }.finding()]
    }

    fn judge_assets(&self) -> Option<Finding> {
        if self.assets_closed.is_empty() {
            let open = self.assets_open.join(", ");
            return (!open.is_empty())
                .then(|| Finding::new("rules", Grade::Ok, format!("deposits and withdrawals are open: {open}"), ""));
        }
        Some(Finding::new(
            "rules",
            Grade::Warn,
            format!("closed at the venue: {}", self.assets_closed.join(", ")),
            "inventory of these can't be moved; their price may part from other venues'",
        ))
    }
}

impl Checkup for GateCheckup {
    fn next_request(&mut self, wall: UnixNanos) -> Option<HttpRequest> {
        loop {
            let step = self.steps.get(self.at)?.clone();
            match self.request(&step, wall) {
                Ok(request) => return Some(request),
                Err(error) => {
                    self.refused(&step, ErrorClass::Unknown, &error.to_string());
                    self.at += 1;
                }
            }
        }
    }

    fn answer(&mut self, response: Response<'_>) {
        let Some(step) = self.steps.get(self.at).cloned() else { return };
        self.at += 1;
        match response {
            Response::Failed(failure) => self.refused(&step, ErrorClass::Unknown, &format!("no answer ({failure:?})")),
            Response::Http { status, headers, body } => {
                self.headroom.note(limits::from_http(headers));
                self.read(&step, status, body);
            }
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut all = self.findings.clone();
        all.extend(self.judge_fees());
        all.extend(self.judge_assets());
        all.push(self.headroom.finding());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const DETAIL: &str = r#"{"user_id":1,"tier":3,"ip_whitelist":["10.0.0.1"],"currency_pairs":[],"key":{"mode":1}}"#;
    const FEE: &str = r#"{"user_id":1,"taker_fee":"0.001","maker_fee":"0.001","gt_discount":false,"gt_taker_fee":"0.0009","gt_maker_fee":"0.0009","debit_fee":3}"#;
    const FEE_GT: &str = r#"{"user_id":1,"taker_fee":"0.001","maker_fee":"0.001","gt_discount":true,"gt_taker_fee":"0.0009","gt_maker_fee":"0.0008","debit_fee":1}"#;
    const GT_HELD: &str = r#"[{"currency":"GT","available":"1.8","locked":"0","update_id":3}]"#;
    const GT_PRICED: &str = r#"[{"currency_pair":"GT_USDT","last":"10","lowest_ask":"10","highest_bid":"9","change_percentage":"0","base_volume":"1","quote_volume":"1","high_24h":"1","low_24h":"1"}]"#;
    const NO_PAIR: &str = r#"{"label":"INVALID_CURRENCY_PAIR","message":"Invalid currency pair"}"#;

    fn currency(name: &str, deposit_off: bool) -> String {
        format!(
            r#"{{"currency":"{name}","delisted":false,"trade_disabled":false,"chains":[{{"name":"X","addr":"","withdraw_disabled":false,"withdraw_delayed":false,"deposit_disabled":{deposit_off}}}]}}"#
        )
    }

    /// Runs a check-up; `answers` by a part of the path, everything else is 404.
    fn findings(answers: &[(&str, u16, &str)]) -> Vec<(String, Grade, String)> {
        let config = CheckupConfig {
            key: SecretString::from("key"),
            secret: SecretString::from("secret"),
            symbols: vec![Symbol::parse("BTC/USDT").unwrap()],
        };
        let mut checkup = GateCheckup::new(config);
        let headers = [("x-gate-ratelimit-requests-remain".to_string(), "150".to_string())];
        let headers = [&headers[..], &[("x-gate-ratelimit-limit".to_string(), "200".to_string())]].concat();
        let mut asked = 0;
        while let Some(request) = checkup.next_request(UnixNanos(1_700_000_000_000_000_000)) {
            asked += 1;
            assert!(asked < 50, "a check-up ends");
            assert!(request.method.as_str() == "GET" || request.path.ends_with("/countdown_cancel_all"), "{request:?}");
            let target = format!("{}?{}", request.path, request.query);
            let found = answers.iter().find(|(part, ..)| target.contains(part));
            let (status, body) = found.map_or((404, "{}"), |(_, status, body)| (*status, *body));
            checkup.answer(Response::Http { status, headers: &headers, body: &mut body.as_bytes().to_vec() });
        }
        checkup.findings().into_iter().map(|f| (f.id.to_string(), f.grade, f.detail)).collect()
    }

    #[track_caller]
    fn check(answers: &[(&str, u16, &str)], id: &str, grade: Grade, part: &str) {
        let all = findings(answers);
        assert!(
            all.iter().any(|(i, g, detail)| i == id && *g == grade && detail.contains(part)),
            "no {id} {grade:?} `{part}`: {all:?}"
        );
    }

    #[test]
    fn every_check_tells_what_the_venue_said() {
        let (btc, usdt) = (currency("BTC", true), currency("USDT", false));
        let good = [
            ("/account/detail", 200, DETAIL),
            ("/wallet/fee", 200, FEE),
            ("/spot/accounts", 200, "[]"),
            ("/spot/tickers", 200, GT_PRICED),
            ("/currencies/BTC", 200, btc.as_str()),
            ("/currencies/USDT", 200, usdt.as_str()),
            ("/countdown", 400, NO_PAIR),
        ];
        check(&good, "account_mode", Grade::Ok, "classic account, VIP tier 3");
        check(&good, "fee_token", Grade::Ok, "taker 10 bps, maker 10 bps, taken from what is received");
        check(&good, "rules", Grade::Warn, "BTC (deposits)");
        check(&good, "rate_headroom", Grade::Ok, "150 of 200");
        check(&good, "dead_man", Grade::Ok, "nothing was armed");

        let with = |part: &str, status: u16, body: &'static str| {
            let mut answers = good.to_vec();
            answers.retain(|(p, ..)| *p != part);
            answers.push((
                if part == "/countdown" { "/countdown" } else { good.iter().find(|(p, ..)| *p == part).unwrap().0 },
                status,
                body,
            ));
            answers
        };
        check(&with("/account/detail", 200, r#"{"user_id":1,"key":{"mode":2}}"#), "account_mode", Grade::Fail, "unified");
        let other = r#"{"user_id":1,"currency_pairs":["ETH_USDT"],"key":{"mode":1}}"#;
        check(&with("/account/detail", 200, other), "account_mode", Grade::Fail, "BTC/USDT");
        let refusal = r#"{"label":"FORBIDDEN","message":"no"}"#;
        check(&with("/account/detail", 403, refusal), "account_mode", Grade::Warn, "FORBIDDEN");
        check(&with("/countdown", 403, r#"{"label":"READ_ONLY","message":"no"}"#), "dead_man", Grade::Fail, "READ_ONLY");
        check(&with("/countdown", 200, r#"{"triggerTime":"0"}"#), "dead_man", Grade::Ok, "nothing was armed");
        // GT pays 9 bps: 1.8 GT at 10 USDT cover 18 / 0.0009 = 20,000 USDT.
        let mut gt = with("/wallet/fee", 200, FEE_GT);
        check(&gt, "fee_token", Grade::Warn, "no GT is held");
        gt.retain(|(p, ..)| *p != "/spot/accounts");
        gt.push(("/spot/accounts", 200, GT_HELD));
        check(&gt, "fee_token", Grade::Ok, "1.8 GT cover about 20000 USDT");
    }

    #[test]
    fn silence_and_nonsense_are_told_as_such() {
        check(&[], "account_mode", Grade::Warn, "HTTP 404");
        check(&[("/account/detail", 200, "<html>")], "account_mode", Grade::Warn, "can't be read");
        check(&[], "dead_man", Grade::Fail, "HTTP 404");
        check(&[], "rules", Grade::Warn, "BTC (HTTP 404), USDT (HTTP 404)");
    }
}
