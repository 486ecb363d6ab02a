//! Binance's part of `doctor`: account mode, what pays the fees and how long it lasts, rate head-room, whether the pairs trade, and the
//! dead-man switch that there is not (Binance spot API: account, commission, symbol price ticker, exchange information).

use crate::connector::get;
use crate::errors;
use crate::market::{Market, venue_name};
use crate::rules;
use crate::session::signed;
use crate::sign::{KeyError, Signer};
use crate::wire::account::{AccountRights, Commission, account_rights, commission};
use crate::wire::bodies::error_body;
use crate::wire::params::Params;
use domain::{Symbol, UnixNanos};
use rust_decimal::Decimal;
use venue::checkup::{FeesPaid, Headroom, Paid};
use venue::json::{JsonReader, number_text, object};
use venue::rate_limit::RateNews;
use venue::{Checkup, CheckupConfig, ConnectorError, Finding, Grade, HttpRequest, Method, Response, fields};

/// How long a request may be on its way, milliseconds.
const WINDOW_MS: i64 = 5000;
/// Largest body of a price.
const PRICE_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Account,
    Commission(String),
    TokenPrice,
    Rules,
}

/// See the module's docs.
pub(crate) struct BinanceCheckup {
    signer: Signer,
    symbols: Vec<Symbol>,
    steps: Vec<Step>,
    at: usize,
    reader: JsonReader,
    findings: Vec<Finding>,
    account: Option<AccountRights>,
    fee: Option<Commission>,
    price: Option<Decimal>,
    headroom: Headroom,
}

impl BinanceCheckup {
    pub(crate) fn new(config: CheckupConfig) -> Result<BinanceCheckup, KeyError> {
        let spot: Vec<Symbol> = config.symbols.into_iter().filter(Symbol::is_spot).collect();
        let mut steps = vec![Step::Account];
        steps.extend(spot.first().and_then(venue_name).map(Step::Commission));
        steps.push(Step::TokenPrice);
        if !spot.is_empty() {
            steps.push(Step::Rules);
        }
        Ok(BinanceCheckup {
            signer: Signer::new(config.key, &config.secret)?,
            symbols: spot,
            steps,
            at: 0,
            reader: JsonReader::default(),
            findings: Vec::new(),
            account: None,
            fee: None,
            price: None,
            headroom: Headroom::default(),
        })
    }

    fn request(&self, step: &Step, wall: UnixNanos) -> HttpRequest {
        let ask = |name: &str, params: Params| {
            signed(Method::Get, &Market::Spot.path(name), &params, WINDOW_MS, wall.millis(), &self.signer)
        };
        match step {
            Step::Account => ask("account", Params::new().with("omitZeroBalances", "true")),
            Step::Commission(name) => ask("account/commission", Params::new().with("symbol", name.as_str())),
            Step::TokenPrice => get(Market::Spot.path("ticker/price"), "symbol=BNBUSDT".into()),
            Step::Rules => rules::request(Market::Spot, &self.symbols),
        }
    }

    fn read(&mut self, step: &Step, status: u16, body: &mut [u8]) {
        if *step == Step::Rules {
            return self.judge_pairs(status, body);
        }
        if !(200..300).contains(&status) {
            let failure = errors::failure(status, error_body(&mut self.reader, body));
            let told = failure.label.unwrap_or_else(|| format!("HTTP {status}"));
            return self.refused(step, &told);
        }
        let read = match step {
            Step::Account => account_rights(&mut self.reader, body).map(|account| self.account = Some(account)),
            Step::Commission(_) => commission(&mut self.reader, body).map(|fee| self.fee = Some(fee)),
            // Only prices what is held: without it that is told in tokens.
            Step::TokenPrice => {
                self.price = price(&mut self.reader, body);
                Ok(())
            }
            Step::Rules => Ok(()),
        };
        if let Err(reject) = read {
            self.refused(step, &format!("the answer can't be read: {reject}"));
        }
    }

    /// A step that told nothing.
    fn refused(&mut self, step: &Step, told: &str) {
        let (id, fix) = match step {
            Step::Account => ("account_mode", "give the key the right to read the account"),
            Step::Commission(_) => ("fee_token", "give the key the right to read the account"),
            Step::Rules => ("rules", "check the pairs at the venue"),
            Step::TokenPrice => return,
        };
        self.findings.push(Finding::new(id, Grade::Warn, format!("not told: {told}"), fix));
    }

    fn judge_pairs(&mut self, status: u16, body: &mut [u8]) {
        let listed = match rules::decode(status, body, &self.symbols) {
            Ok(listed) => listed,
            Err(ConnectorError::UnknownPair(symbol)) => return self.refused(&Step::Rules, &format!("{symbol} is not listed")),
            Err(error) => return self.refused(&Step::Rules, &error.to_string()),
        };
        let shut: Vec<String> = listed.iter().filter(|rules| !rules.can_buy).map(|rules| rules.symbol.to_string()).collect();
        let finding = if shut.is_empty() {
            Finding::new("rules", Grade::Ok, "every pair is open for trading", "")
        } else {
            let detail = format!("closed for trading at the venue: {}", shut.join(", "));
            Finding::new("rules", Grade::Warn, detail, "nothing is sent on them until they open")
        };
        self.findings.push(finding);
    }

    fn judge_mode(&self) -> Option<Finding> {
        let account = self.account.as_ref()?;
        let kind = account.kind.as_deref().unwrap_or("unnamed").to_lowercase();
        Some(if account.rights.can_trade == Some(false) {
            let fix = "ask the venue why trading is off for this account";
            Finding::new("account_mode", Grade::Fail, format!("the {kind} account may not trade"), fix)
        } else if kind == "spot" {
            Finding::new("account_mode", Grade::Ok, "spot account", "")
        } else {
            Finding::new("account_mode", Grade::Warn, format!("{kind} account"), "use a spot account: others may lend or borrow")
        })
    }

    /// What pays the fees, and how long it lasts.
    fn judge_fees(&self) -> Option<Finding> {
        let fee = self.fee.as_ref()?;
        let paid = match &fee.token {
            None => Paid::Received,
            Some(name) => {
                let held = self.account.as_ref().and_then(|account| account.held.iter().find(|(asset, _)| asset == name));
                Paid::Token {
                    name,
                    held: held.map(|(_, free)| *free).unwrap_or_default(),
                    price: self.price.filter(|_| name == "BNB"),
                }
            }
        };
        Some(FeesPaid { taker: fee.taker, maker: fee.maker, paid }.finding())
    }
}

/// The price of a ticker.
fn price(reader: &mut JsonReader, body: &mut [u8]) -> Option<Decimal> {
    let read = reader.read(body, PRICE_BYTES_MAX, |root| {
        fields!(object(&root, "ticker")?, "price" => price);
        Ok(Decimal::from_str_exact(number_text(price, "price")?).ok())
    });
    read.ok().flatten()
}

impl Checkup for BinanceCheckup {
    fn next_request(&mut self, wall: UnixNanos) -> Option<HttpRequest> {
        self.steps.get(self.at).map(|step| self.request(step, wall))
    }

    fn answer(&mut self, response: Response<'_>) {
        let Some(step) = self.steps.get(self.at).cloned() else { return };
        self.at += 1;
        match response {
            Response::Failed(failure) => self.refused(&step, &format!("no answer ({failure:?})")),
            Response::Http { status, headers, body } => {
                let used =
                    headers.iter().find(|(name, _)| name == "x-mbx-used-weight-1m").and_then(|(_, used)| used.parse().ok());
                let allowed = Market::Spot.weight_max();
                let remain = used.map(|used: u32| allowed.saturating_sub(used));
                self.headroom.note(RateNews { remain, limit: Some(allowed), ..RateNews::default() });
                self.read(&step, status, body);
            }
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut all = self.findings.clone();
        all.extend(self.judge_mode());
        all.extend(self.judge_fees());
        all.push(self.headroom.finding());
        all.push(Finding::new(
            "dead_man",
            Grade::Warn,
            "Binance has no dead-man switch on spot: should this host die, nothing cancels what rests there",
            "orders of the engine end at once and rest for moments only; keep another way to cancel at hand",
        ));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const ACCOUNT: &str =
        r#"{"canTrade":true,"canWithdraw":true,"accountType":"SPOT","balances":[{"asset":"BNB","free":"0.5","locked":"0"}]}"#;
    const FEE: &str = r#"{"symbol":"BTCUSDT","standardCommission":{"maker":"0.001","taker":"0.001","buyer":"0","seller":"0"},"discount":{"enabledForAccount":true,"enabledForSymbol":true,"discountAsset":"BNB","discount":"0.75"}}"#;
    const RULES: &str = r#"{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","isSpotTradingAllowed":true,"filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","minQty":"0","maxQty":"0","stepSize":"0.001"}]}]}"#;
    const DENIED: &str = r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#;

    /// Runs a check-up; `answers` by a part of the path, everything else is 404.
    fn findings(answers: &[(&str, u16, &str)]) -> Vec<(&'static str, Grade, String)> {
        let config = CheckupConfig {
            key: SecretString::from("key"),
            secret: SecretString::from("secret"),
            symbols: ["BTC/USDT", "BTC/USDT:USDT"].map(|text| Symbol::parse(text).unwrap()).to_vec(),
        };
        let mut checkup = BinanceCheckup::new(config).unwrap();
        let mut asked = 0;
        while let Some(request) = checkup.next_request(UnixNanos(1_700_000_000_000_000_000)) {
            asked += 1;
            assert!(asked < 10 && request.method == Method::Get, "it changes nothing: {request:?}");
            let found = answers.iter().find(|(part, ..)| request.path.ends_with(part));
            let (status, body) = found.map_or((404, "<html>"), |(_, status, body)| (*status, *body));
            let headers = [("x-mbx-used-weight-1m".to_string(), "5000".to_string())];
            checkup.answer(Response::Http { status, headers: &headers, body: &mut body.as_bytes().to_vec() });
        }
        checkup.findings().into_iter().map(|finding| (finding.id, finding.grade, finding.detail)).collect()
    }

    #[test]
    fn a_healthy_account_is_told_with_what_pays_and_with_the_switch_that_is_not_there() {
        let price = ("/ticker/price", 200, r#"{"symbol":"BNBUSDT","price":"600"}"#);
        let all = findings(&[("/account", 200, ACCOUNT), ("/commission", 200, FEE), price, ("/exchangeInfo", 200, RULES)]);
        let expected = [
            ("rules", Grade::Ok, "every pair is open for trading"),
            ("account_mode", Grade::Ok, "spot account"),
            ("fee_token", Grade::Ok, "taker 7.5 bps, maker 7.5 bps, paid in BNB: 0.5 BNB cover about 400000 USDT of trades"),
            ("rate_headroom", Grade::Warn, "1000 of 6000 requests left in the tightest window"),
        ];
        for (found, (id, grade, detail)) in all.iter().zip(expected) {
            assert_eq!((found.0, found.1, found.2.as_str()), (id, grade, detail));
        }
        assert_eq!((all[4].0, all[4].1), ("dead_man", Grade::Warn));
        assert!(all[4].2.contains("no dead-man switch"), "{all:?}");
    }

    #[test]
    fn what_is_withheld_is_told_as_such_and_a_closed_account_fails() {
        let all = findings(&[("/account", 401, DENIED), ("/commission", 200, "{}"), ("/exchangeInfo", 200, r#"{"symbols":[]}"#)]);
        let of = |id: &str| all.iter().find(|found| found.0 == id).map(|found| (found.1, found.2.as_str()));
        let denied = "not told: -2015 Invalid API-key, IP, or permissions for action.";
        assert_eq!(of("account_mode"), Some((Grade::Warn, denied)));
        assert_eq!(of("fee_token").map(|found| found.0), Some(Grade::Warn));
        assert_eq!(of("rules"), Some((Grade::Warn, "not told: BTC/USDT is not listed")));
        let shut = findings(&[("/account", 200, r#"{"canTrade":false,"accountType":"SPOT"}"#)]);
        let mode = shut.iter().find(|found| found.0 == "account_mode").unwrap();
        assert_eq!((mode.1, mode.2.as_str()), (Grade::Fail, "the spot account may not trade"));
    }
}
