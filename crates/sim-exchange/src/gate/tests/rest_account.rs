//! REST: fees in GT, the account book, the wallet, self-trade groups, refused keys, limits of reads.

use serde_json::{Value, json};

use super::{KEY, MS, Rig, SECRET};
use crate::{
    core::{AssetConfig, PairConfig, Side},
    gate::{ApiKey, GateDialect},
    world::WorldConfig,
};

fn is_number(value: &Value, expected: &str) {
    assert_eq!(value, &json!(expected));
}

#[test]
fn fees_leave_the_gt_balance_once_the_switch_is_on() {
    let with_gt = |world: &mut WorldConfig| {
        world.assets.push(AssetConfig { name: "GT".to_owned(), decimals: 12 });
        world.venues[0].balances.push(("GT".to_owned(), super::decimal("500")));
    };
    let mut rig = Rig::with(with_gt, |_| {});
    rig.quote_book();
    assert_eq!(rig.private("GET", "/account/debit_fee", "").body, json!({"enabled": false}));
    let switched = rig.send("POST", "/account/debit_fee", "", &json!({"enabled": true}));
    assert_eq!((switched.status, switched.body), (204, Value::Null));
    assert_eq!(rig.private("GET", "/account/debit_fee", "").body, json!({"enabled": true}));
    let fee = rig.private("GET", "/wallet/fee", "").body;
    assert_eq!((&fee["gt_discount"], &fee["debit_fee"]), (&json!(true), &json!(1)));
    is_number(&fee["gt_taker_fee"], "0.0009");

    let order = rig.order(&json!({"amount": "1"})).body;
    // 100.1 at 0.1 % × 0.9, over 8 USDT a GT.
    is_number(&order["fee"], "0");
    is_number(&order["gt_fee"], "0.01126125");
    is_number(&order["point_fee"], "0");
    is_number(&order["fee_currency"], "BTC");
    assert_eq!(order["gt_discount"], json!(true));
    is_number(&order["gt_taker_fee"], "0.0009");
    is_number(&rig.private("GET", "/spot/accounts", "currency=GT").body[0]["available"], "499.98873875");
    is_number(&rig.private("GET", "/spot/accounts", "currency=BTC").body[0]["available"], "5");
    let trade = rig.private("GET", "/spot/my_trades", "").body[0].clone();
    is_number(&trade["fee"], "0");
    is_number(&trade["gt_fee"], "0.01126125");
    let book = rig.private("GET", "/spot/account_book", "currency=GT&type=order_fee").body;
    is_number(&book[0]["change"], "-0.01126125");

    rig.send("POST", "/account/debit_fee", "", &json!({"enabled": false}));
    let order = rig.order(&json!({"price": "100.2", "amount": "1"})).body;
    is_number(&order["fee"], "0.001");
    is_number(&order["gt_fee"], "0");
    rig.send("POST", "/account/debit_fee", "", &json!({})).refused(400, "MISSING_REQUIRED_PARAM");
    assert_eq!(rig.world.conservation_check(), Ok(()));
}

#[test]
fn fees_of_many_pairs_come_by_pair() {
    let mut rig = Rig::new();
    let fees = rig.private("GET", "/spot/batch_fee", "currency_pairs=BTC_USDT,ETH_USDT").body;
    assert_eq!(fees.as_object().map(serde_json::Map::len), Some(2));
    is_number(&fees["ETH_USDT"]["taker_fee"], "0.001");
    is_number(&fees["ETH_USDT"]["currency_pair"], "ETH_USDT");
    rig.private("GET", "/spot/batch_fee", "").refused(400, "MISSING_REQUIRED_PARAM");
    rig.private("GET", "/spot/batch_fee", "currency_pairs=NO_USDT").refused(400, "INVALID_CURRENCY_PAIR");
    let many = vec!["BTC_USDT"; 51].join(",");
    rig.private("GET", "/spot/batch_fee", &format!("currency_pairs={many}")).refused(400, "TOO_MANY_CURRENCY_PAIRS");
    rig.private("GET", "/wallet/fee", "currency_pair=NO_USDT").refused(400, "INVALID_CURRENCY_PAIR");
}

#[test]
fn the_account_book_sums_to_what_is_free() {
    let mut rig = Rig::new();
    rig.quote_book();
    rig.advance(1_000 * MS);
    rig.order(&json!({"amount": "1.5", "price": "100.5"}));
    rig.order(&json!({"price": "90", "time_in_force": "gtc"}));
    rig.private("DELETE", "/spot/orders", "");
    let rows = rig.private("GET", "/spot/account_book", "currency=USDT").body;
    let rows = rows.as_array().expect("rows");
    let words: Vec<&str> = rows.iter().rev().map(|row| row["type"].as_str().expect("text")).collect();
    assert_eq!(words, ["deposit", "new_order", "cancel_order", "cancel_order", "new_order", "cancel_order"]);
    let sum: rust_decimal::Decimal = rows.iter().map(|row| super::decimal(row["change"].as_str().expect("text"))).sum();
    let free = rig.private("GET", "/spot/accounts", "currency=USDT").body[0]["available"].clone();
    assert_eq!(json!(sum.normalize().to_string()), free);
    assert_eq!(rows[0]["balance"], free);
    assert!(rows[0]["time"].is_u64() && rows[0]["id"].is_string());
    assert_eq!(rig.private("GET", "/spot/account_book", "type=order_fee").body.as_array().map(Vec::len), Some(2));
    assert_eq!(rig.private("GET", "/spot/account_book", "limit=1&page=2&currency=USDT").body[0], rows[1]);
    rig.private("GET", "/spot/account_book", "from=1&to=9999999").refused(400, "INVALID_PARAM_VALUE");
    rig.private("GET", "/spot/account_book", "currency=NO").refused(400, "INVALID_CURRENCY");
}

#[test]
fn the_wallet_answers_what_clients_ask_at_start() {
    let mut rig = Rig::new();
    rig.quote_book();
    let total = rig.private("GET", "/wallet/total_balance", "").body;
    // 250,000 USDT and 4 BTC at the middle of 100; nothing else has a price.
    is_number(&total["total"]["amount"], "250400");
    assert_eq!(total["details"]["spot"], total["total"]);
    is_number(&rig.private("GET", "/wallet/total_balance", "currency=BTC").body["total"]["amount"], "2504");
    rig.private("GET", "/wallet/total_balance", "currency=DOGE").refused(400, "INVALID_PARAM_VALUE");
    let status = rig.private("GET", "/wallet/withdraw_status", "currency=USDT").body;
    is_number(&status[0]["withdraw_fix_on_chains"]["TRX"], "1");
    assert_eq!(rig.private("GET", "/wallet/withdrawals", "").body, json!([]));
    let deposits = rig.private("GET", "/wallet/deposits", "currency=BTC").body;
    assert_eq!(
        (&deposits[0]["amount"], &deposits[0]["status"], &deposits[0]["chain"]),
        (&json!("4"), &json!("DONE"), &json!("BTC"))
    );
    let address = rig.private("GET", "/wallet/deposit_address", "currency=XRP").body;
    assert_eq!((&address["currency"], &address["multichain_addresses"][0]["payment_name"]), (&json!("XRP"), &json!("Tag")));
    assert_eq!(rig.private("GET", "/unified/unified_mode", "").body["mode"], "classic");
    let unified = rig.private("GET", "/unified/accounts", "").body;
    assert_eq!((&unified["mode"], &unified["balances"], &unified["user_id"]), (&json!("classic"), &json!({}), &json!(10_001)));
    assert_eq!(rig.private("GET", "/account/rate_limit", "").body[0]["tier"], "0");
    assert_eq!(rig.private("GET", "/margin/accounts", "").body, json!([]));
    assert_eq!(rig.private("GET", "/spot/price_orders", "status=open").body, json!([]));
    rig.send("POST", "/spot/price_orders", "", &json!({})).refused(400, "NOT_SIMULATED");
    rig.send("POST", "/withdrawals", "", &json!({})).refused(403, "FORBIDDEN");
    rig.send("POST", "/wallet/transfers", "", &json!({})).refused(403, "READ_ONLY");
    rig.private("GET", "/futures/usdt/accounts", "").refused(400, "USER_NOT_FOUND");
    rig.private("PUT", "/spot/accounts", "").refused(405, "METHOD_NOT_ALLOWED");
}

#[test]
fn self_trade_actions_need_a_group() {
    let mut rig = Rig::new();
    rig.order(&json!({"stp_act": "co"})).refused(400, "INVALID_PARAM_VALUE");
    assert_eq!(rig.private("GET", "/account/stp_groups", "").body, json!([]));
    let group = rig.send("POST", "/account/stp_groups", "", &json!({"name": "mine"})).body;
    let id = group["id"].as_u64().expect("a number");
    assert_eq!(rig.private("GET", "/account/stp_groups", "").body, json!([group]));
    let users = rig.private("GET", &format!("/account/stp_groups/{id}/users"), "").body;
    assert_eq!((&users[0]["user_id"], &users[0]["stp_id"]), (&json!(10_001), &json!(id)));
    let resting = rig.order(&json!({"side": "sell", "price": "100", "time_in_force": "gtc", "text": "t-old"})).body;
    assert_eq!((&resting["stp_id"], &resting["stp_act"]), (&json!(id), &json!("cn")));
    let taking = rig.order(&json!({"price": "100", "time_in_force": "gtc", "stp_act": "co", "text": "t-new"})).body;
    assert_eq!((&taking["status"], &taking["stp_act"]), (&json!("open"), &json!("co")));
    let old = rig.private("GET", "/spot/orders/t-old", "currency_pair=BTC_USDT").body;
    assert_eq!((&old["status"], &old["finish_as"]), (&json!("cancelled"), &json!("stp")));
    rig.order(&json!({"stp_act": "xx"})).refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn a_refused_key_says_why() {
    for label in ["IP_FORBIDDEN", "ACCOUNT_LOCKED"] {
        let mut rig = Rig::new();
        let dialect: &mut GateDialect = rig.world.dialect_mut(0).expect("a Gate venue");
        dialect.config_mut().users[0].keys = vec![ApiKey::trading(KEY, SECRET).with_refusal(label)];
        rig.private("GET", "/spot/accounts", "").refused(403, label);
        rig.order(&json!({})).refused(403, label);
    }
    let mut rig = Rig::new();
    let dialect: &mut GateDialect = rig.world.dialect_mut(0).expect("a Gate venue");
    dialect.config_mut().users[0].keys[0].perms[0].read_only = true;
    rig.order(&json!({})).refused(403, "READ_ONLY");
    rig.send("PATCH", "/spot/orders/1", "", &json!({})).refused(403, "READ_ONLY");
    rig.send("POST", "/spot/countdown_cancel_all", "", &json!({"timeout": 5})).refused(403, "READ_ONLY");
    assert_eq!(rig.private("GET", "/spot/accounts", "").status, 200);
}

#[test]
fn odd_headers_are_refused() {
    let mut rig = Rig::new();
    let body = super::order_body(&json!({})).to_string();
    let mut request = rig.signed("POST", "/spot/orders", "", &body);
    request.headers.push(("content-type".to_owned(), "text/plain".to_owned()));
    rig.raw(request).expect("a reply").refused(400, "INVALID_CONTENT_TYPE");
    let mut request = rig.signed("GET", "/spot/accounts", "", "");
    request.headers.push(("accept".to_owned(), "text/html".to_owned()));
    rig.raw(request).expect("a reply").refused(406, "NOT_ACCEPTABLE");
    let mut request = rig.signed("GET", "/spot/accounts", "", "");
    request.headers.push(("accept".to_owned(), "*/*".to_owned()));
    assert_eq!(rig.raw(request).expect("a reply").status, 200);
}

#[test]
fn each_read_has_its_own_bucket() {
    let mut rig = Rig::with(|_| {}, |gate| (gate.limits.private_per_10s, gate.limits.wallet_per_10s) = (3, 2));
    for _ in 0..3 {
        assert_eq!(rig.private("GET", "/spot/accounts", "").status, 200);
    }
    let refused = rig.private("GET", "/spot/accounts", "");
    refused.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(refused.header("x-gate-ratelimit-requests-remain"), "0");
    assert_eq!(refused.header("x-gate-ratelimit-limit"), "3");
    assert_eq!(refused.header("x-gate-ratelimit-reset-timestamp"), "1700000010");
    assert_eq!(rig.private("GET", "/wallet/fee", "").status, 200);
    for _ in 0..2 {
        assert_eq!(rig.private("GET", "/wallet/total_balance", "").status, 200);
    }
    rig.private("GET", "/wallet/total_balance", "").refused(429, "TOO_MANY_REQUESTS");
    rig.advance(10_000 * MS);
    assert_eq!(rig.private("GET", "/spot/accounts", "").status, 200);
}

#[test]
fn the_rate_is_checked_before_the_parameters() {
    let mut rig = Rig::with(|_| {}, |gate| gate.limits.place_per_s = 1);
    rig.order(&json!({"side": "hold"})).refused(400, "INVALID_PARAM_VALUE");
    rig.order(&json!({"side": "hold"})).refused(429, "TOO_MANY_REQUESTS");
    rig.order(&json!({"currency_pair": null})).refused(400, "MISSING_REQUIRED_PARAM");
}

#[test]
fn a_price_band_has_its_label() {
    let band = |pair: &mut PairConfig| pair.up_rate = Some(super::decimal("0.05"));
    let mut rig = Rig::with(|world| band(&mut world.pairs[0]), |_| {});
    rig.quote_book();
    rig.order(&json!({"price": "105.1"})).refused(400, "PRICE_THRESHOLD_EXCEEDED");
    assert_eq!(rig.order(&json!({"price": "105"})).status, 201);
}

#[test]
fn market_orders_may_bound_their_slippage() {
    let mut rig = Rig::new();
    rig.quote_book();
    let order = rig.order(&json!({"type": "market", "price": null, "amount": "400", "slippage": "0.001"})).body;
    assert_eq!((&order["finish_as"], &order["filled_amount"]), (&json!("price_protect_cancelled"), &json!("3")));
    rig.order(&json!({"slippage": "0.001"})).refused(400, "INVALID_PARAM_VALUE");
    rig.order(&json!({"iceberg": "0.6"})).refused(400, "INVALID_PARAM_VALUE");
}

#[test]
fn an_iceberg_shows_its_tip() {
    let mut rig = Rig::new();
    let order = rig.order(&json!({"price": "90", "time_in_force": "gtc", "iceberg": "0.1", "amount": "0.25"})).body;
    is_number(&order["iceberg"], "0.1");
    is_number(&order["left"], "0.25");
    is_number(&rig.private("GET", "/spot/accounts", "currency=USDT").body[0]["locked"], "22.5");
    let bids = |rig: &mut Rig| rig.public("/spot/order_book", "currency_pair=BTC_USDT").body["bids"].clone();
    assert_eq!(bids(&mut rig), json!([["90", "0.1"]]));
    rig.quote(Side::Buy, "90", "0.4");
    assert_eq!(bids(&mut rig), json!([["90", "0.5"]]));
}

#[test]
fn the_wallet_takes_currencies_in_any_case_and_names_them_as_listed() {
    let mut rig = Rig::new();
    for path in ["/wallet/deposit_address", "/wallet/withdraw_status", "/wallet/deposits", "/spot/account_book"] {
        let upper = rig.private("GET", path, "currency=USDT");
        let lower = rig.private("GET", path, "currency=usdt");
        assert_eq!((lower.status, &lower.body), (200, &upper.body), "{path}");
        rig.private("GET", path, "currency=nope").refused(400, "INVALID_CURRENCY");
    }
    let rows = rig.private("GET", "/wallet/withdraw_status", "currency=usdt").body;
    assert_eq!((rows.as_array().map(Vec::len), &rows[0]["currency"]), (Some(1), &json!("USDT")));
    assert_eq!(rig.public("/wallet/currency_chains", "currency=usdt").body[0]["chain"], "ETH");
    rig.private("GET", "/spot/accounts", "currency=usdt").refused(400, "INVALID_CURRENCY");
}
