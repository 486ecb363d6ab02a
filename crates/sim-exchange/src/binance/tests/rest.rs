//! REST: rules, parameters, market data, weights, keys, and the faults of the edge.

use super::*;

#[test]
fn rules_are_listed_with_filters_and_limits() {
    let mut rig = Rig::new();
    let info = rig.public("exchangeInfo", "").ok();
    assert_eq!(info["rateLimits"][0]["limit"], 6_000);
    let names: Vec<&str> = info["symbols"].as_array().expect("rows").iter().filter_map(|row| row["symbol"].as_str()).collect();
    assert_eq!(names, ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]);
    let btc = &info["symbols"][0];
    let filter = |name: &str| {
        let filters = btc["filters"].as_array().expect("rows");
        filters.iter().find(|row| row["filterType"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(filter("PRICE_FILTER")["tickSize"], "0.10000000");
    assert_eq!((&filter("LOT_SIZE")["stepSize"], &filter("LOT_SIZE")["minQty"]), (&json!("0.00000100"), &json!("0.00001000")));
    assert_eq!(filter("NOTIONAL")["minNotional"], "3.00000000");
    assert_eq!((&btc["status"], &btc["isSpotTradingAllowed"]), (&json!("TRADING"), &json!(true)));
    let rows = |body: Value| body["symbols"].as_array().map(Vec::len);
    assert_eq!(rows(rig.public("exchangeInfo", "symbol=ETHUSDT").ok()), Some(1));
    assert_eq!(rows(rig.public("exchangeInfo", "symbols=%5B%22ETHUSDT%22,%22XRPUSDT%22%5D").ok()), Some(2));
    rig.public("exchangeInfo", "symbol=NOPE").refused(400, -1121, "Invalid symbol.");
    rig.public("exchangeInfo", "symbol=btcusdt").refused(400, -1100, "Illegal characters found in parameter 'symbol'");
    rig.faults().halted_pairs.push("BTC_USDT".into());
    assert_eq!(rig.public("exchangeInfo", "symbol=BTCUSDT").ok()["symbols"][0]["status"], "HALT");
    rig.faults().delisted_pairs.push("ETH_USDT".into());
    assert_eq!(rows(rig.public("exchangeInfo", "").ok()), Some(3));
    rig.public("depth", "symbol=ETHUSDT").refused(400, -1121, "Invalid symbol.");
}

#[test]
fn what_is_missing_empty_unread_or_doubled_is_named() {
    let mut rig = Rig::new();
    rig.public("depth", "").refused(400, -1102, "Mandatory parameter 'symbol' was not sent");
    rig.public("depth", "symbol=").refused(400, -1102, "Mandatory parameter 'symbol'");
    rig.public("depth", "symbol=BTCUSDT&limit=").refused(400, -1105, "Parameter 'limit' was empty.");
    rig.public("depth", "symbol=BTCUSDT&limit=1a").refused(400, -1100, "Illegal characters found in parameter 'limit'");
    rig.public("depth", "symbol=BTCUSDT&foo=1").refused(400, -1104, "read '1' parameter(s) but was sent '2'");
    rig.public("depth", "symbol=BTCUSDT&symbol=BTCUSDT").refused(400, -1101, "Duplicate");
    rig.public("klines", "symbol=BTCUSDT&interval=7m").refused(400, -1120, "Invalid interval.");
    assert_eq!(rig.public("nothing", "").status, 404);
    assert_eq!(rig.raw(Rig::request("POST", "/api/v3/depth", "", None)).expect("a reply").status, 405);
    assert_eq!(rig.raw(Rig::request("POST", "/api/v3/userDataStream", "", Some(KEY))).expect("a reply").status, 410);
}

#[test]
fn books_trades_candles_and_tickers_tell_the_same_story() {
    let mut rig = Rig::new();
    rig.quote_book();
    let book = rig.public("depth", "symbol=BTCUSDT&limit=2").ok();
    assert_eq!(book["bids"], json!([["99.90000000", "1.00000000"], ["99.80000000", "2.00000000"]]));
    assert_eq!(book["asks"][0], json!(["100.10000000", "1.00000000"]));
    let id = book["lastUpdateId"].as_u64().expect("an id");
    rig.place("side=BUY&type=LIMIT&timeInForce=IOC&price=100.2&quantity=1.5").ok();
    let later = rig.public("depth", "symbol=BTCUSDT").ok();
    assert!(later["lastUpdateId"].as_u64().is_some_and(|later| later > id));
    assert_eq!(later["asks"][0], json!(["100.20000000", "1.50000000"]));
    let trades = rig.public("trades", "symbol=BTCUSDT").ok();
    assert_eq!(trades.as_array().map(Vec::len), Some(2));
    assert_eq!((&trades[0]["id"], &trades[0]["price"]), (&json!(1), &json!("100.10000000")));
    assert_eq!(trades[0]["isBuyerMaker"], false);
    rig.place("side=SELL&type=MARKET&quantity=0.25").ok();
    let aggregates = rig.public("aggTrades", "symbol=BTCUSDT").ok();
    assert_eq!(aggregates.as_array().map(Vec::len), Some(3));
    assert_eq!((&aggregates[2]["a"], &aggregates[2]["m"], &aggregates[2]["f"]), (&json!(3), &json!(true), &json!(3)));
    let klines = rig.public("klines", "symbol=BTCUSDT&interval=1m").ok();
    let last = klines.as_array().and_then(|rows| rows.last()).expect("a candle").clone();
    assert_eq!((&last[1], &last[4], &last[5]), (&json!("100.10000000"), &json!("99.90000000"), &json!("1.75000000")));
    assert_eq!((last[8].as_u64(), last[6].as_u64().map(|end| end % 60_000)), (Some(3), Some(59_999)));
    let day = rig.public("ticker/24hr", "symbol=BTCUSDT").ok();
    assert_eq!((&day["lastPrice"], &day["volume"]), (&json!("99.90000000"), &json!("1.75000000")));
    assert_eq!((&day["count"], &day["bidPrice"]), (&json!(3), &json!("99.90000000")));
    assert_eq!(rig.public("ticker/price", "symbol=BTCUSDT").ok()["price"], "99.90000000");
    assert_eq!(rig.public("ticker/bookTicker", "").ok().as_array().map(Vec::len), Some(4));
    // 175.175 of quote for 1.75 of base.
    assert_eq!(rig.public("avgPrice", "symbol=BTCUSDT").ok()["price"], "100.10000000");
}

#[test]
fn weights_are_counted_and_who_ignores_429_is_banned() {
    let sizes = LimitSizes { weight_per_minute: 500, refusals_before_ban: 2, ..LimitSizes::default() };
    let mut rig = Rig::with(|_| {}, |config| config.limits = sizes);
    rig.quote_book();
    let first = rig.public("depth", "symbol=BTCUSDT&limit=5000");
    assert_eq!(first.header("x-mbx-used-weight-1m"), "250");
    rig.limit("BUY", "90", "0.1", "").ok();
    let order = rig.limit("BUY", "90", "0.1", "");
    assert_eq!(order.header("x-mbx-used-weight-1m"), "250", "orders that succeed are free");
    assert_eq!(order.header("x-mbx-order-count-10s"), "2");
    assert_eq!(rig.limit("BUY", "90.05", "0.1", "").header("x-mbx-used-weight-1m"), "251", "those that fail are not");
    let full = rig.public("depth", "symbol=BTCUSDT&limit=5000");
    full.refused(429, -1003, "Too much request weight used; current limit is 500");
    let wait: u64 = full.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
    rig.public("ping", "").refused(429, -1003, "Too much");
    let banned = rig.public("ping", "");
    banned.refused(418, -1003, "IP banned until");
    assert_eq!(banned.header("retry-after"), "120");
    rig.private("GET", "account", "").refused(418, -1003, "banned");
    rig.advance(121_000 * MS);
    rig.public("ping", "").ok();
}

#[test]
fn keys_clocks_and_signatures_are_checked() {
    let mut rig = Rig::new();
    let request = rig.signed("GET", "/api/v3/account", "");
    let with_key = |key: Option<&str>| {
        let headers = key.map(|key| ("x-mbx-apikey".to_owned(), key.to_owned())).into_iter().collect();
        HttpRequest { headers, ..request.clone() }
    };
    rig.raw(with_key(None)).expect("a reply").refused(401, -2014, "API-key format invalid.");
    rig.raw(with_key(Some("other"))).expect("a reply").refused(401, -2015, "Invalid API-key");
    let query = request.query.replace("timestamp", "omitZeroBalances=true&timestamp");
    let forged = HttpRequest { query, ..request.clone() };
    rig.raw(forged).expect("a reply").refused(400, -1022, "Signature for this request is not valid.");
    rig.raw(request.clone()).expect("a reply").ok();
    rig.advance(6_000 * MS);
    rig.raw(request).expect("a reply").refused(400, -1021, "outside of the recvWindow");
    // The account's Ed25519 key, with its signature escaped in a body.
    let now = rig.now_ms();
    let payload = format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=90&quantity=0.1&timestamp={now}");
    let escaped = ed25519(&payload).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let mut request = Rig::request("POST", "/api/v3/order", "", Some("k-ed25519"));
    request.body = format!("{payload}&signature={escaped}").into_bytes();
    rig.raw(request).expect("a reply").ok();
    // A venue whose clock is ahead refuses what was right.
    rig.faults().clock.step_ns = 10_000_000_000;
    rig.private("GET", "account", "").refused(400, -1021, "outside of the recvWindow");
    let told = rig.public("time", "").ok()["serverTime"].as_u64().expect("a time");
    assert!((9_900..=10_000).contains(&(told - rig.now_ms())), "{told}");
}

#[test]
fn what_a_client_loads_at_its_start_is_there() {
    let mut rig = Rig::new();
    let coins = rig.signed("GET", "/sapi/v1/capital/config/getall", "");
    let coins = rig.raw(coins).expect("a reply").ok();
    let usdt = coins.as_array().expect("rows").iter().find(|row| row["coin"] == "USDT").expect("listed").clone();
    assert_eq!(usdt["free"], "250000.00000000");
    assert_eq!(usdt["networkList"][0]["contractAddress"], "0x0000000000000000000000000000000000000001");
    for path in ["account/apiRestrictions", "account/status", "account/apiTradingStatus", "asset/tradeFee"] {
        let request = rig.signed("GET", &format!("/sapi/v1/{path}"), "");
        rig.raw(request).expect("a reply").ok();
    }
    let status = rig.raw(Rig::request("GET", "/sapi/v1/system/status", "", None)).expect("a reply").ok();
    assert_eq!(status, json!({"status": 0, "msg": "normal"}));
    let account = rig.private("GET", "account", "omitZeroBalances=true").ok();
    assert_eq!((account["makerCommission"].as_u64(), account["balances"].as_array().map(Vec::len)), (Some(10), Some(5)));
    let fees = rig.private("GET", "account/commission", "symbol=BTCUSDT").ok();
    assert_eq!((&fees["standardCommission"]["taker"], &fees["discount"]["discountAsset"]), (&json!("0.00100000"), &json!("BNB")));
    assert_eq!(rig.private("GET", "rateLimit/order", "").ok()[0]["count"], 0);
}

#[test]
fn faults_of_the_edge_are_worded_as_the_venue_would() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.faults().refuse_next_requests = 1;
    let refused = rig.private("GET", "account", "");
    refused.refused(429, -1003, "Too much request weight");
    assert_eq!(refused.header("retry-after"), "1");
    rig.faults().lose_next_replies = 1;
    let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=90&quantity=0.1";
    let lost = rig.signed("POST", "/api/v3/order", query);
    assert!(rig.raw(lost).is_none());
    assert_eq!(rig.private("GET", "openOrders", "").ok().as_array().map(Vec::len), Some(1), "it was placed all the same");
    rig.faults().maintenance = true;
    rig.public("ping", "").refused(503, -1001, "Internal error");
    rig.faults().maintenance = false;
    rig.faults().break_next_replies = vec![(Breakage::Truncated, 1)];
    assert_eq!(rig.private("GET", "account", "").body, Value::Null);
    let until = rig.world.now() + 5_000 * MS;
    rig.faults().banned_until_ns = Some(until);
    rig.public("ping", "").refused(418, -1003, "banned until");
    rig.advance(5_001 * MS);
    rig.public("ping", "").ok();
}

#[test]
fn look_ups_may_lag_behind() {
    let mut rig = Rig::new();
    rig.quote_book();
    let visibility = |rig: &mut Rig, change: &dyn Fn(&mut crate::faults::Visibility)| {
        change(&mut rig.world.dialect_mut::<BinanceDialect>(0).expect("a Binance venue").config_mut().visibility);
    };
    visibility(&mut rig, &|visibility| visibility.order_hidden_ns = 1_000 * MS);
    rig.limit("BUY", "90", "0.1", "&newClientOrderId=x").ok();
    rig.private("GET", "order", "symbol=BTCUSDT&origClientOrderId=x").refused(400, -2013, "Order does not exist.");
    rig.advance(1_000 * MS);
    rig.private("GET", "order", "symbol=BTCUSDT&origClientOrderId=x").ok();
    visibility(&mut rig, &|visibility| visibility.balances_stale_ns = 500 * MS);
    rig.advance(500 * MS);
    let before = rig.private("GET", "account", "").ok()["balances"][0].clone();
    rig.limit("BUY", "90", "1", "").ok();
    assert_eq!(rig.private("GET", "account", "").ok()["balances"][0], before, "the hold is not seen yet");
    rig.advance(500 * MS);
    assert_ne!(rig.private("GET", "account", "").ok()["balances"][0], before);
}

#[test]
fn a_form_is_read_whatever_it_is_labelled_as() {
    let mut rig = Rig::new();
    let send = |rig: &mut Rig, method: &str, path: &str, form: &str| {
        let body = format!("{form}&timestamp={}", rig.now_ms());
        let body = format!("{body}&signature={}", hmac(&body));
        let mut request = Rig::request(method, &format!("/api/v3/{path}"), "", Some(KEY));
        request.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        request.body = body.into_bytes();
        rig.raw(request).expect("a reply")
    };
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=90&quantity=0.1&newClientOrderId=x";
    assert_eq!(send(&mut rig, "POST", "order", order).ok()["clientOrderId"], "x");
    let less = "symbol=BTCUSDT&origClientOrderId=x&newQty=0.05&newClientOrderId=x";
    assert_eq!(send(&mut rig, "PUT", "order/amend/keepPriority", less).ok()["amendedOrder"]["qty"], "0.05000000");
    assert_eq!(send(&mut rig, "DELETE", "order", "symbol=BTCUSDT&origClientOrderId=x").ok()["status"], "CANCELED");
    // What is JSON is no form, whatever it is labelled as.
    for body in ["{\"symbol\":\"BTCUSDT\"}", " [1]"] {
        let mut request = rig.signed("POST", "/api/v3/order", order);
        request.body = body.as_bytes().to_vec();
        rig.raw(request).expect("a reply").ok();
        rig.private("DELETE", "openOrders", "symbol=BTCUSDT").ok();
    }
}

#[test]
fn there_are_no_derivatives() {
    let mut rig = Rig::new();
    let get = |rig: &mut Rig, path: &str| rig.raw(Rig::request("GET", path, "", None)).expect("a reply").ok();
    for (path, names) in [
        ("/fapi/v1/exchangeInfo", &["symbols", "assets", "rateLimits", "exchangeFilters"][..]),
        ("/dapi/v1/exchangeInfo", &["symbols", "rateLimits", "exchangeFilters"]),
        ("/eapi/v1/exchangeInfo", &["optionSymbols", "optionContracts", "optionAssets", "rateLimits"]),
    ] {
        let info = get(&mut rig, path);
        assert_eq!((&info["timezone"], info["serverTime"].as_u64().is_some()), (&json!("UTC"), true), "{path}");
        assert!(names.iter().all(|name| info[name] == json!([])), "{path}: {info}");
    }
    for market in ["fapi", "dapi"] {
        assert_eq!(get(&mut rig, &format!("/{market}/v1/ping")), json!({}));
        assert!(get(&mut rig, &format!("/{market}/v1/time"))["serverTime"].is_u64());
    }
    assert_eq!(rig.raw(Rig::request("GET", "/fapi/v1/depth", "", None)).expect("a reply").status, 404);
}

#[test]
fn deposits_and_withdrawals_are_asked_for_in_every_way() {
    let mut rig = Rig::new();
    let span = format!("startTime={}&endTime={}&limit=5&offset=0&status=1", START_NS / MS - 1_000, START_NS / MS);
    for (path, query) in [
        ("deposit/hisrec", "coin=USDT&txId=0xab&includeSource=true"),
        ("withdraw/history", "coin=USDT&withdrawOrderId=mine&idList=a,b"),
    ] {
        for query in [format!("{query}&{span}"), String::new()] {
            let request = rig.signed("GET", &format!("/sapi/v1/capital/{path}"), &query);
            assert_eq!(rig.raw(request).expect("a reply").ok(), json!([]));
        }
        let request = rig.signed("GET", &format!("/sapi/v1/capital/{path}"), "foo=1");
        rig.raw(request).expect("a reply").refused(400, -1104, "Not all sent parameters were read");
    }
}
