//! Every builder: what goes on the wire, and that it is signed as the venue checks.

use super::d;
use crate::rest::batch::Cancellation;
use crate::rest::market::{Candles, Interval};
use crate::rest::request::{Page, Span};
use crate::rest::terms::{
    Account, ActionMode, Amendment, Change, ClientText, LimitTif, MarketTif, OrderKey, OrderRequest, SelfTrade, Terms,
};
use crate::rest::{Access, CurrencyName, Endpoint, PairName, RequestError, Unsigned};
use crate::rest::{account, batch, fees, listing, market, orders, trades, wallet};
use crate::sign::Signer;
use domain::{ClientOrderId, Side, Symbol, UnixNanos};
use secrecy::SecretString;
use std::collections::BTreeSet;
use venue::HttpRequest;

const AT: UnixNanos = UnixNanos(1_700_000_000_999_999_999);

fn signer() -> Signer {
    Signer::new(SecretString::from("key"), &SecretString::from("secret"))
}

fn pair(name: &str) -> PairName {
    PairName::new(name).unwrap()
}

fn coin(name: &str) -> CurrencyName {
    CurrencyName::new(name).unwrap()
}

fn text(text: &str) -> ClientText {
    ClientText::new(text).unwrap()
}

fn line(request: &HttpRequest) -> String {
    let joint = if request.query.is_empty() { "" } else { "?" };
    let body = String::from_utf8(request.body.clone()).unwrap();
    let body = if body.is_empty() { body } else { format!(" {body}") };
    format!("{} {}{joint}{}{body}", request.method.as_str(), request.path, request.query)
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

fn limit_buy(name: &str) -> OrderRequest {
    let terms = Terms::Limit { side: Side::Buy, base: d("0.001"), price: d("27000.5"), tif: LimitTif::Ioc };
    OrderRequest::new(text(name), pair("BTC_USDT"), terms)
}

fn amendment(change: Change) -> Amendment {
    Amendment { order: OrderKey::id("12").unwrap(), pair: pair("BTC_USDT"), account: Account::Spot, change, note: None }
}

/// Every public request, by what goes on the wire.
fn public_requests() -> Vec<(HttpRequest, &'static str)> {
    let span = Span { from_s: Some(1), to_s: Some(9) };
    vec![
        (market::time(), "GET /api/v4/spot/time"),
        (listing::currencies(), "GET /api/v4/spot/currencies"),
        (listing::currency(&coin("BTC_BSC")), "GET /api/v4/spot/currencies/BTC_BSC"),
        (listing::pairs(), "GET /api/v4/spot/currency_pairs"),
        (listing::pair(&pair("BTC_USDT")), "GET /api/v4/spot/currency_pairs/BTC_USDT"),
        (listing::pair(&pair("币_USDT")), "GET /api/v4/spot/currency_pairs/%E5%B8%81_USDT"),
        (market::tickers(None), "GET /api/v4/spot/tickers"),
        (market::tickers(Some(&pair("BTC_USDT"))), "GET /api/v4/spot/tickers?currency_pair=BTC_USDT"),
        (
            market::order_book(&pair("BTC_USDT"), 100).unwrap(),
            "GET /api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true",
        ),
        (
            market::trades(&pair("BTC_USDT"), Page::first(100), span).unwrap(),
            "GET /api/v4/spot/trades?currency_pair=BTC_USDT&page=1&limit=100&from=1&to=9",
        ),
        (
            market::candlesticks(&pair("BTC_USDT"), Interval::M1, Candles::Latest(10)).unwrap(),
            "GET /api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1m&limit=10",
        ),
        (
            market::candlesticks(&pair("BTC_USDT"), Interval::D30, Candles::Span(span)).unwrap(),
            "GET /api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=30d&from=1&to=9",
        ),
        (wallet::currency_chains(&coin("USDT")), "GET /api/v4/wallet/currency_chains?currency=USDT"),
    ]
}

/// Every private request, by what goes on the wire.
fn private_requests() -> Vec<(Unsigned, &'static str)> {
    let btc = pair("BTC_USDT");
    let page = Page { page: 2, limit: 100 };
    let span = Span { from_s: Some(1), to_s: None };
    let key = OrderKey::id("12").unwrap();
    let by_text = OrderKey::Text(text("t-a.b_c-1"));
    let market_buy = OrderRequest {
        slippage: Some(d("0.01")),
        action_mode: Some(ActionMode::Ack),
        ..OrderRequest::new(text("t-2"), btc.clone(), Terms::MarketBuy { quote: d("20"), tif: MarketTif::Ioc })
    };
    let market_sell = OrderRequest::new(text("t-3"), btc.clone(), Terms::MarketSell { base: d("0.0700"), tif: MarketTif::Fok });
    let iceberg = OrderRequest {
        iceberg: Some(d("0.0005")),
        self_trade: Some(SelfTrade::CancelNewest),
        account: Account::Unified,
        ..limit_buy("t-4")
    };
    vec![
        (fees::wallet_fee(Some(&btc)), "GET /api/v4/wallet/fee?currency_pair=BTC_USDT"),
        (fees::spot_fee(None), "GET /api/v4/spot/fee"),
        (
            fees::batch_fee(&[btc.clone(), pair("ETH_USDT")]).unwrap(),
            "GET /api/v4/spot/batch_fee?currency_pairs=BTC_USDT,ETH_USDT",
        ),
        (fees::debit_fee(), "GET /api/v4/account/debit_fee"),
        (fees::set_debit_fee(true), r#"POST /api/v4/account/debit_fee {"enabled":true}"#),
        (account::rate_limit(), "GET /api/v4/account/rate_limit"),
        (account::detail(), "GET /api/v4/account/detail"),
        (account::main_keys(), "GET /api/v4/account/main_keys"),
        (account::accounts(None), "GET /api/v4/spot/accounts"),
        (account::accounts(Some(&coin("USDT"))), "GET /api/v4/spot/accounts?currency=USDT"),
        (
            account::account_book(Some(&coin("GT")), page, span).unwrap(),
            "GET /api/v4/spot/account_book?currency=GT&page=2&limit=100&from=1",
        ),
        (account::total_balance(&coin("USDT")), "GET /api/v4/wallet/total_balance?currency=USDT"),
        (account::unified_mode(), "GET /api/v4/unified/unified_mode"),
        (wallet::withdraw_status(None), "GET /api/v4/wallet/withdraw_status"),
        (wallet::deposit_address(&coin("USDT")), "GET /api/v4/wallet/deposit_address?currency=USDT"),
        (wallet::deposits(None, span, 500, 0).unwrap(), "GET /api/v4/wallet/deposits?from=1&limit=500&offset=0"),
        (
            wallet::withdrawals(Some(&coin("BTC")), Span::default(), 10, 20).unwrap(),
            "GET /api/v4/wallet/withdrawals?currency=BTC&limit=10&offset=20",
        ),
        (
            orders::place(&limit_buy("t-arb-0001")).unwrap(),
            r#"POST /api/v4/spot/orders {"text":"t-arb-0001","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.001","price":"27000.5","time_in_force":"ioc"}"#,
        ),
        (
            orders::place(&market_buy).unwrap(),
            r#"POST /api/v4/spot/orders {"text":"t-2","currency_pair":"BTC_USDT","type":"market","account":"spot","side":"buy","amount":"20","time_in_force":"ioc","slippage":"0.01","action_mode":"ACK"}"#,
        ),
        (
            orders::place(&market_sell).unwrap(),
            r#"POST /api/v4/spot/orders {"text":"t-3","currency_pair":"BTC_USDT","type":"market","account":"spot","side":"sell","amount":"0.07","time_in_force":"fok"}"#,
        ),
        (
            orders::place(&iceberg).unwrap(),
            r#"POST /api/v4/spot/orders {"text":"t-4","currency_pair":"BTC_USDT","type":"limit","account":"unified","side":"buy","amount":"0.001","price":"27000.5","time_in_force":"ioc","iceberg":"0.0005","stp_act":"cn"}"#,
        ),
        (
            orders::list_open(&btc, Account::Spot, page).unwrap(),
            "GET /api/v4/spot/orders?currency_pair=BTC_USDT&status=open&page=2&limit=100&account=spot",
        ),
        (
            orders::list_finished(None, Account::Spot, Some(Side::Sell), page, span).unwrap(),
            "GET /api/v4/spot/orders?status=finished&page=2&limit=100&account=spot&from=1&side=sell",
        ),
        (orders::look_up(&key, &btc, Account::Spot), "GET /api/v4/spot/orders/12?currency_pair=BTC_USDT&account=spot"),
        (
            orders::look_up(&by_text, &btc, Account::Unified),
            "GET /api/v4/spot/orders/t-a.b_c-1?currency_pair=BTC_USDT&account=unified",
        ),
        (
            orders::amend(&amendment(Change::Price(d("27001")))).unwrap(),
            r#"PATCH /api/v4/spot/orders/12?currency_pair=BTC_USDT&account=spot {"price":"27001"}"#,
        ),
        (
            orders::amend(&amendment(Change::Both { price: d("27001"), amount: d("0.002") })).unwrap(),
            r#"PATCH /api/v4/spot/orders/12?currency_pair=BTC_USDT&account=spot {"amount":"0.002","price":"27001"}"#,
        ),
        (orders::cancel(&key, &btc, Account::Spot), "DELETE /api/v4/spot/orders/12?currency_pair=BTC_USDT&account=spot"),
        (
            orders::cancel_all(&btc, Some(Side::Buy), Account::Spot),
            "DELETE /api/v4/spot/orders?currency_pair=BTC_USDT&side=buy&account=spot",
        ),
        (
            batch::place(&[OrderRequest { action_mode: Some(ActionMode::Result), ..limit_buy("t-5") }]).unwrap(),
            r#"POST /api/v4/spot/batch_orders [{"text":"t-5","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.001","price":"27000.5","time_in_force":"ioc","action_mode":"RESULT"}]"#,
        ),
        (
            batch::cancel(&[
                Cancellation { order: key.clone(), pair: btc.clone(), account: Account::Unified },
                Cancellation { order: by_text.clone(), pair: btc.clone(), account: Account::Spot },
            ])
            .unwrap(),
            r#"POST /api/v4/spot/cancel_batch_orders [{"currency_pair":"BTC_USDT","id":"12","account":"unified"},{"currency_pair":"BTC_USDT","id":"t-a.b_c-1","account":"spot"}]"#,
        ),
        (
            batch::amend(&[Amendment { note: Some(text("t-n")), ..amendment(Change::Amount(d("0.5"))) }]).unwrap(),
            r#"POST /api/v4/spot/amend_batch_orders [{"order_id":"12","currency_pair":"BTC_USDT","account":"spot","amount":"0.5","amend_text":"t-n"}]"#,
        ),
        (batch::open_orders(Account::Spot, page).unwrap(), "GET /api/v4/spot/open_orders?page=2&limit=100&account=spot"),
        (
            trades::my_trades(Some(&btc), Page::first(1000), span).unwrap(),
            "GET /api/v4/spot/my_trades?currency_pair=BTC_USDT&page=1&limit=1000&from=1",
        ),
        (
            trades::trades_of("12", &btc, Page::first(100)).unwrap(),
            "GET /api/v4/spot/my_trades?currency_pair=BTC_USDT&page=1&limit=100&order_id=12",
        ),
        (
            trades::countdown(30, Some(&btc)).unwrap(),
            r#"POST /api/v4/spot/countdown_cancel_all {"timeout":30,"currency_pair":"BTC_USDT"}"#,
        ),
        (trades::countdown(0, None).unwrap(), r#"POST /api/v4/spot/countdown_cancel_all {"timeout":0}"#),
    ]
}

#[test]
fn every_request_is_as_written() {
    for (request, expected) in public_requests() {
        assert_eq!(line(&request), expected);
        assert_eq!(request.headers, [("Accept", "application/json".to_string())], "{expected}");
    }
    for (unsigned, expected) in private_requests() {
        let request = unsigned.signed(&signer(), AT);
        assert_eq!(line(&request), expected);
        let typed = header(&request, "Content-Type");
        assert_eq!(typed.is_some(), !request.body.is_empty(), "{expected}");
    }
}

#[test]
fn every_request_is_signed_for_its_time_with_the_decoded_query() {
    for (unsigned, name) in private_requests() {
        let request = unsigned.signed(&signer(), AT);
        // No value here needs encoding, so the query as sent is the query as signed.
        assert!(!request.query.contains('%'), "{name}");
        let expected = signer().rest(request.method.as_str(), &request.path, &request.query, &request.body, "1700000000");
        assert_eq!(header(&request, "SIGN"), Some(expected.as_str()), "{name}");
        assert_eq!(header(&request, "Timestamp"), Some("1700000000"), "{name}");
        assert_eq!(header(&request, "KEY"), Some("key"), "{name}");
    }
}

/// Signatures of the fact sheet that a builder reproduces: R1 and R3 whole, R6 whole.
#[test]
fn builders_reproduce_the_published_signatures() {
    let sign = |unsigned: Unsigned| header(&unsigned.signed(&signer(), AT), "SIGN").unwrap_or_default().to_string();
    assert_eq!(
        sign(account::accounts(None)),
        "fa17722c057aa9b6bccc9bb5f91a1efe40a0ff7fa4af2ba9252028a29fab7bcb90a309b024e982d89e8bbf0997267c56498b0f4b69f306a79e80434b074f296e"
    );
    assert_eq!(
        sign(orders::place(&limit_buy("t-arb-0001")).unwrap()),
        "9bfee89ef342cc3282c4505f088bfe2c42cbea88b09b24b15de85332793744100ff559adba7fe66e6d84f59f5139af47e696c798cef10ed9305a955ba2b1ce1a"
    );
    assert_eq!(
        sign(orders::cancel_all(&pair("BTC_USDT"), Some(Side::Buy), Account::Spot)),
        "2ca696ab9430a32d0857816aeeda84edfbe11a17ee183883fc97a83af8d4a39383a936275a5574e2dcbe59d6e2bc304bb44da961f3007d799d252caefcf08539"
    );
    assert_eq!(
        sign(trades::countdown(30, Some(&pair("BTC_USDT"))).unwrap()),
        "1017ef1975a4c610e89a9749eec1a23be77cc1aa886f57823aed5fc4ac1479876900bf14802e465c6e3d846106ac7a9e2933d9169f863989b671d81ca3daaff1"
    );
}

/// The rule behind vectors R8 and N2: what is encoded on the wire is signed decoded, and a comma goes raw.
#[test]
fn encoded_values_are_signed_decoded() {
    let request = fees::wallet_fee(Some(&pair("币_USDT"))).signed(&signer(), AT);
    assert_eq!(request.query, "currency_pair=%E5%B8%81_USDT");
    let decoded = signer().rest("GET", "/api/v4/wallet/fee", "currency_pair=币_USDT", b"", "1700000000");
    assert_eq!(header(&request, "SIGN"), Some(decoded.as_str()));
    let encoded = signer().rest("GET", "/api/v4/wallet/fee", &request.query, b"", "1700000000");
    assert_ne!(header(&request, "SIGN"), Some(encoded.as_str()));
    // The path is signed as sent.
    let key = OrderKey::id("12").unwrap();
    let path = orders::look_up(&key, &pair("BTC_USDT"), Account::Spot).signed(&signer(), AT).path;
    assert_eq!(path, "/api/v4/spot/orders/12");
}

#[test]
fn every_endpoint_has_a_builder_and_no_builder_moves_funds() {
    let mut built: BTreeSet<Endpoint> = private_requests().iter().map(|(unsigned, _)| unsigned.endpoint()).collect();
    for (request, _) in public_requests() {
        let path = request.path.strip_prefix("/api/v4").unwrap();
        let of = |e: &&Endpoint| {
            e.access() == Access::Public
                && match e.path().strip_suffix("{}") {
                    Some(head) => path.strip_prefix(head).is_some_and(|rest| !rest.is_empty()),
                    None => e.path() == path,
                }
        };
        built.insert(*Endpoint::ALL.iter().find(of).unwrap());
    }
    assert_eq!(built.len(), Endpoint::ALL.len(), "{built:?}");
    for endpoint in Endpoint::ALL {
        let moves =
            endpoint.access() == Access::Write && (endpoint.path().contains("transfer") || endpoint.path().contains("withdraw"));
        assert!(!moves, "{endpoint:?}");
        assert!(endpoint.rate().limit() > 0 && endpoint.rate().window_ns() > 0);
    }
}

#[test]
fn expiry_is_a_header_where_the_venue_honours_it() {
    for (unsigned, name) in private_requests() {
        let endpoint = unsigned.endpoint();
        let plain = unsigned.clone().signed(&signer(), AT);
        match unsigned.expiring_at_ms(1_700_000_000_500) {
            Ok(timed) => {
                let timed = timed.signed(&signer(), AT);
                assert_eq!(header(&timed, "x-gate-exptime"), Some("1700000000500"), "{name}");
                assert_eq!(header(&timed, "SIGN"), header(&plain, "SIGN"), "it is not signed: {name}");
            }
            Err(_) => {
                assert!(endpoint.access() == Access::Read || matches!(endpoint, Endpoint::Countdown | Endpoint::SetDebitFee))
            }
        }
    }
}

#[test]
fn what_the_venue_would_refuse_or_misread_is_not_built() {
    for name in
        ["", "_", "BTC", "btc_usdt", "BTC_", "_USDT", "BTC/USDT", "BTC_USDT&side=buy", "BTC USDT_X", "BTC_USDT\n", "A,B_C"]
    {
        assert!(PairName::new(name).is_err(), "{name:?}");
    }
    for name in ["", "btc", "BTC,ETH", "B T", "BTC&a=b", "../X", "_"] {
        assert!(CurrencyName::new(name).is_err(), "{name:?}");
    }
    assert_eq!(PairName::of(&Symbol::parse("BTC/USDT").unwrap()).unwrap().as_str(), "BTC_USDT");
    assert!(PairName::of(&Symbol::parse("BTC/USDT:USDT").unwrap()).is_err());
    assert_eq!(PairName::new("BTC_BSC_USDT").unwrap().as_str(), "BTC_BSC_USDT");
    for bad in ["", "t-", "x-1", "1", "t-ä", "t-a b", "t-12345678901234567890123456789"] {
        assert!(ClientText::new(bad).is_err(), "{bad:?}");
    }
    assert_eq!(ClientText::new("t-1234567890123456789012345678").unwrap().as_str().len(), 30);
    assert_eq!(ClientText::of(ClientOrderId::new(1, 2, 3, 4).unwrap()).as_str(), "t-00100000023000000004");
    for bad in ["", "../orders", "1?a=b", "1 2"] {
        assert!(OrderKey::id(bad).is_err(), "{bad:?}");
    }

    let btc = pair("BTC_USDT");
    let out = |error: RequestError| matches!(error, RequestError::OutOfRange { .. });
    assert!(out(market::order_book(&btc, 101).unwrap_err()));
    assert!(out(market::order_book(&btc, 0).unwrap_err()));
    assert!(out(market::trades(&btc, Page::first(1001), Span::default()).unwrap_err()));
    assert!(out(market::candlesticks(&btc, Interval::S1, Candles::Latest(1001)).unwrap_err()));
    assert!(out(orders::list_open(&btc, Account::Spot, Page::first(101)).unwrap_err()));
    assert!(out(orders::list_open(&btc, Account::Spot, Page { page: 0, limit: 10 }).unwrap_err()));
    // Deep paging: 100 × (page − 1) may reach 100000.
    assert!(trades::my_trades(None, Page { page: 1001, limit: 100 }, Span::default()).is_ok());
    assert!(out(trades::my_trades(None, Page { page: 1002, limit: 100 }, Span::default()).unwrap_err()));
    let month = |days: i64| Span { from_s: Some(0), to_s: Some(days * 86_400) };
    assert!(trades::my_trades(None, Page::first(100), month(30)).is_ok());
    assert!(out(trades::my_trades(None, Page::first(100), month(31)).unwrap_err()));
    assert!(out(account::account_book(None, Page::first(100), Span { from_s: Some(5), to_s: Some(1) }).unwrap_err()));
    for timeout_s in [1, 4, 86_401] {
        assert!(out(trades::countdown(timeout_s, None).unwrap_err()), "{timeout_s}");
    }

    let count = |error: RequestError| matches!(error, RequestError::Count { .. });
    let pairs: Vec<PairName> = (0..51).map(|n| pair(&format!("A{n}_USDT"))).collect();
    assert!(fees::batch_fee(&pairs[..50]).is_ok());
    assert!(count(fees::batch_fee(&pairs).unwrap_err()) && count(fees::batch_fee(&[]).unwrap_err()));
    let order_on = |n: usize, market: usize| OrderRequest { pair: pairs[market].clone(), ..limit_buy(&format!("t-{n}")) };
    let orders_of = |markets: usize, each: usize| (0..markets * each).map(|n| order_on(n, n / each)).collect::<Vec<_>>();
    assert!(batch::place(&orders_of(4, 10)).is_ok());
    assert!(count(batch::place(&orders_of(5, 1)).unwrap_err()));
    assert!(count(batch::place(&orders_of(1, 11)).unwrap_err()));
    assert!(count(batch::place(&[]).unwrap_err()));
    let contradiction = |error: RequestError| matches!(error, RequestError::Contradiction(_));
    assert!(contradiction(batch::place(&[limit_buy("t-1"), limit_buy("t-1")]).unwrap_err()));
    let elsewhere = OrderRequest { account: Account::Margin, ..limit_buy("t-2") };
    assert!(contradiction(batch::place(&[limit_buy("t-1"), elsewhere]).unwrap_err()));
    let cancellation = Cancellation { order: OrderKey::id("1").unwrap(), pair: btc.clone(), account: Account::Spot };
    assert!(batch::cancel(&vec![cancellation.clone(); 20]).is_ok());
    assert!(count(batch::cancel(&vec![cancellation; 21]).unwrap_err()));
    let change = amendment(Change::Price(d("1")));
    assert!(batch::amend(&vec![change.clone(); 5]).is_ok());
    assert!(count(batch::amend(&vec![change; 6]).unwrap_err()));

    for terms in [
        Terms::Limit { side: Side::Buy, base: d("0"), price: d("1"), tif: LimitTif::Gtc },
        Terms::Limit { side: Side::Sell, base: d("1"), price: d("-1"), tif: LimitTif::Poc },
        Terms::MarketBuy { quote: d("0"), tif: MarketTif::Ioc },
        Terms::MarketSell { base: d("-1"), tif: MarketTif::Ioc },
    ] {
        assert!(orders::place(&OrderRequest::new(text("t-1"), btc.clone(), terms)).is_err(), "{terms:?}");
    }
    assert!(orders::amend(&amendment(Change::Amount(d("0")))).is_err());
    assert!(contradiction(orders::place(&OrderRequest { slippage: Some(d("0.1")), ..limit_buy("t-1") }).unwrap_err()));
    let at_market = OrderRequest::new(text("t-1"), btc, Terms::MarketBuy { quote: d("5"), tif: MarketTif::Ioc });
    assert!(contradiction(orders::place(&OrderRequest { iceberg: Some(d("1")), ..at_market }).unwrap_err()));
}
