//! Every other answer, from bodies made of the fact sheet's field tables.

use super::{d, read};
use crate::errors::Disposition;
use crate::rest::RestReader;
use crate::rest::account::{AccountMode, KeyState, UnifiedMode};
use crate::rest::fees::PaidIn;
use crate::rest::listing::TradeStatus;
use domain::{ErrorClass, FrameReject, Role, Side, VenueNanos};

const MS: i64 = 1_000_000;

#[test]
fn the_clock() {
    for body in [r#"{"server_time":1700000000123}"#, r#"{"server_time":"1700000000123"}"#, r#"{"server_time":1700000000123.0}"#] {
        assert_eq!(read(body, RestReader::time), Ok(VenueNanos(1_700_000_000_123 * MS)), "{body}");
    }
    for body in ["{}", r#"{"server_time":null}"#, r#"{"server_time":0}"#] {
        assert_eq!(read(body, RestReader::time).unwrap_err().0, FrameReject::MissingField, "{body}");
    }
}

#[test]
fn currencies_open_by_chain_not_by_their_deprecated_flags() {
    let body = r#"[
        {"currency":"USDT","name":"Tether","delisted":false,"withdraw_disabled":true,"withdraw_delayed":true,"deposit_disabled":true,
         "trade_disabled":false,"fixed_rate":"","chain":"ETH","total_supply":"1","category":["x"],
         "chains":[{"name":"ETH","addr":"0xdac","withdraw_disabled":true,"withdraw_delayed":false,"deposit_disabled":false},
                   {"name":"TRX","addr":"","withdraw_disabled":false,"withdraw_delayed":true,"deposit_disabled":true},
                   {"name":"NEW"}]},
        {"currency":"OLD","delisted":true,"trade_disabled":true,"withdraw_disabled":false,"deposit_disabled":true,"chain":"OLD"},
        {"currency":"BARE","delisted":false,"trade_disabled":false,"withdraw_disabled":false,"deposit_disabled":false,"chains":[]}]"#;
    let list = read(body, RestReader::currencies).unwrap();
    let flags: Vec<(&str, bool, bool)> =
        list[0].chains.iter().map(|c| (c.name.as_str(), c.can_deposit, c.can_withdraw)).collect();
    assert_eq!(flags, [("ETH", true, false), ("TRX", false, true), ("NEW", false, false)]);
    assert!(list[0].can_deposit() && list[0].can_withdraw() && list[0].chains_told && list[0].chains[1].withdraw_delayed);
    assert_eq!(list[0].chains[0].address.as_deref(), Some("0xdac"));
    assert!(list[1].delisted && list[1].trade_disabled && !list[1].chains_told);
    assert!(!list[1].can_deposit() && list[1].can_withdraw());
    // Told that there is no chain: nothing moves, whatever the deprecated flags say.
    assert!(!list[2].can_deposit() && !list[2].can_withdraw());
    let one = r#"{"currency":"GT","delisted":false,"trade_disabled":false,"chains":[{"name":"ETH","deposit_disabled":false,"withdraw_disabled":false}]}"#;
    assert!(read(one, RestReader::currency).unwrap().can_withdraw());
    assert_eq!(read(r#"{"currency":"GT"}"#, RestReader::currency).unwrap_err(), (FrameReject::MissingField, "delisted"));
    assert_eq!(read(r#"[{"name":"ETH"}]"#, RestReader::currencies).unwrap_err(), (FrameReject::MissingField, "currency"));
}

#[test]
fn pairs_carry_every_rule() {
    let full = r#"{"id":"ETH_USDT","base":"ETH","base_name":"Ethereum","quote":"USDT","fee":"0.2","min_base_amount":"0.001",
        "min_quote_amount":"3","max_base_amount":"10000","max_quote_amount":"5000000","amount_precision":4,"precision":2,
        "trade_status":"tradable","sell_start":1516378650,"buy_start":"1516378651","delisting_time":0,"type":"normal","st_tag":false,
        "market_order_max_stock":"500","market_order_max_money":"1000000","up_rate":"0.1","down_rate":"0.2","slippage":"0.05",
        "trade_quotes":null,"trade_url":"x"}"#;
    let pair = read(full, RestReader::pair).unwrap();
    assert_eq!((pair.id.as_str(), pair.price_decimals, pair.qty_decimals), ("ETH_USDT", 2, 4));
    assert_eq!((pair.base_min, pair.base_max), (Some(d("0.001")), Some(d("10000"))));
    assert_eq!((pair.quote_min, pair.quote_max), (Some(d("3")), Some(d("5000000"))));
    assert_eq!((pair.market_base_max, pair.market_quote_max), (Some(d("500")), Some(d("1000000"))));
    assert_eq!((pair.up_rate, pair.down_rate, pair.slippage), (Some(d("0.1")), Some(d("0.2")), Some(d("0.05"))));
    assert_eq!(pair.sell_start, Some(VenueNanos(1_516_378_650_000 * MS)));
    assert_eq!(pair.buy_start, Some(VenueNanos(1_516_378_651_000 * MS)));
    assert_eq!((pair.delisting_at, pair.listed_fee_percent, pair.status), (None, Some(d("0.2")), TradeStatus::Tradable));
    assert!(!pair.premarket && !pair.special_treatment && !pair.unified);

    // The other spelling, nulls, zeros and absent fields.
    let sparse = r#"{"id":"A_B","base":"A","quote":"B","precision":0,"amount_precision":0,"trade_status":"untradable",
        "max_market_order_stock":"7","max_market_order_money":"0","min_base_amount":null,"min_quote_amount":"","up_rate":null,
        "delisting_time":1800000000,"type":"premarket","st_tag":true,"trade_quotes":["USDC","USD1"]}"#;
    let pair = read(sparse, RestReader::pair).unwrap();
    assert_eq!((pair.market_base_max, pair.market_quote_max), (Some(d("7")), None));
    assert_eq!((pair.base_min, pair.base_max, pair.quote_min, pair.up_rate), (None, None, None, None));
    assert!(pair.premarket && pair.special_treatment && pair.unified);
    assert_eq!(pair.trade_quotes, ["USDC", "USD1"]);
    assert_eq!(pair.delisting_at, Some(VenueNanos(1_800_000_000_000 * MS)));
    // A number where a string is documented is as exact.
    let numbers = full.replace("\"0.001\"", "0.001").replace("\"10000\"", "10000");
    assert_eq!(read(&numbers, RestReader::pair).unwrap().base_min, Some(d("0.001")));
    assert_eq!(read(&format!("[{full},{sparse}]"), RestReader::pairs).unwrap().len(), 2);
}

#[test]
fn tickers_of_busy_and_of_quiet_pairs() {
    let body = r#"[
        {"currency_pair":"BTC3L_USDT","last":"2.46140352","lowest_ask":"2.477","highest_bid":"2.4606821","lowest_size":"1.5",
         "highest_size":"2","change_percentage":"-8.91","change_utc0":"-8.91","base_volume":"656614.0845820589",
         "quote_volume":"1602221.66468375534639404191","high_24h":"2.7431","low_24h":"1.9863","etf_net_value":"2.46316141",
         "etf_pre_net_value":null,"etf_pre_timestamp":1611244800,"etf_leverage":null},
        {"currency_pair":"QUIET_USDT","last":"0","lowest_ask":"","highest_bid":null,"change_percentage":""}]"#;
    let list = read(body, RestReader::tickers).unwrap();
    assert_eq!(
        (list[0].lowest_ask, list[0].highest_size, list[0].change_percent),
        (Some(d("2.477")), Some(d("2")), Some(d("-8.91")))
    );
    assert_eq!(list[0].quote_volume, Some(d("1602221.66468375534639404191")));
    assert_eq!((list[1].last, list[1].lowest_ask, list[1].highest_bid, list[1].change_percent), (Some(d("0")), None, None, None));
    assert_eq!(read(r#"[{"last":"1"}]"#, RestReader::tickers).unwrap_err(), (FrameReject::MissingField, "currency_pair"));
}

#[test]
fn books_in_order_with_their_id() {
    let with_id = |id_asked| move |r: &mut RestReader, b: &mut [u8]| r.order_book(b, id_asked);
    let body = r#"{"id":123456,"current":1623898993123,"update":1623898993121,"asks":[["1.52","1.151"],["1.53","1.218"]],"bids":[["1.17","201.863"],["1.16","725.464"]]}"#;
    let book = read(body, with_id(true)).unwrap();
    assert_eq!((book.id, book.asks[1], book.bids[0]), (Some(123_456), (d("1.53"), d("1.218")), (d("1.17"), d("201.863"))));
    assert_eq!(
        (book.sent_at, book.changed_at),
        (Some(VenueNanos(1_623_898_993_123 * MS)), Some(VenueNanos(1_623_898_993_121 * MS)))
    );
    let without = body.replace(r#""id":123456,"#, "");
    assert_eq!(read(&without, with_id(true)).unwrap_err(), (FrameReject::MissingField, "id"));
    assert_eq!(read(&without, with_id(false)).unwrap().id, None);
    // One side may be empty, both with an id too; both without an id are no answer to what was asked.
    assert!(read(r#"{"id":5,"asks":[],"bids":[]}"#, with_id(true)).is_ok());
    assert_eq!(read(r#"{"asks":[],"bids":[]}"#, with_id(false)).unwrap_err(), (FrameReject::MissingField, "id"));
    for (asks, bids, reason, what) in [
        (r#"[["2","1"],["1","1"]]"#, "[]", FrameReject::Unsorted, "asks"),
        (r#"[["2","1"],["2","1"]]"#, "[]", FrameReject::Unsorted, "asks"),
        ("[]", r#"[["1","1"],["2","1"]]"#, FrameReject::Unsorted, "bids"),
        (r#"[["2","1"]]"#, r#"[["2","1"]]"#, FrameReject::Unsorted, "order_book"),
        (r#"[["2"]]"#, "[]", FrameReject::UnknownShape, "asks"),
        (r#"[["0","1"]]"#, "[]", FrameReject::OutOfRange, "asks"),
        (r#"[["2","-1"]]"#, "[]", FrameReject::OutOfRange, "asks"),
        (r#"[{"p":"2","s":1}]"#, "[]", FrameReject::UnknownShape, "asks"),
        ("null", "[]", FrameReject::MissingField, "asks"),
    ] {
        let body = format!(r#"{{"id":1,"asks":{asks},"bids":{bids}}}"#);
        assert_eq!(read(&body, with_id(true)).unwrap_err(), (reason, what), "{body}");
    }
    assert_eq!(read(r#"{"id":"1","asks":[],"bids":[]}"#, with_id(true)).unwrap_err(), (FrameReject::BadNumber, "id"));
}

#[test]
fn public_trades_and_candlesticks() {
    let body = r#"[{"id":"1232893232","create_time":"1548000000","create_time_ms":"1548000000123.456","order_id":"4128442423",
        "side":"buy","role":"maker","amount":"0.15","price":"0.03","sequence_id":"588018","currency_pair":"ETH_BTC","deal":"0.0045"},
        {"id":7,"create_time":1548000000,"side":"sell","amount":"1","price":"2"}]"#;
    let list = read(body, RestReader::trades).unwrap();
    assert_eq!((list[0].at, list[0].taker_side), (Some(VenueNanos(1_548_000_000_123_456_000)), Side::Buy));
    assert_eq!((list[0].sequence.as_deref(), list[0].amount), (Some("588018"), d("0.15")));
    assert_eq!((list[1].id.as_str(), list[1].at), ("7", Some(VenueNanos(1_548_000_000_000 * MS))));

    let body = r#"[["1539852480","971519.677","0.0021724","0.0021922","0.0021724","0.0021737","447000000","true"],
                   ["1539852540","10","2","3","1","2","5","false"],["1539852600","10","2","3","1","2"]]"#;
    let list = read(body, RestReader::candlesticks).unwrap();
    assert_eq!((list[0].open, list[0].close, list[0].high), (d("0.0021737"), d("0.0021724"), d("0.0021922")));
    assert_eq!((list[0].quote_volume, list[0].base_volume, list[0].closed), (d("971519.677"), Some(d("447000000")), Some(true)));
    assert_eq!((list[1].closed, list[2].closed, list[2].base_volume), (Some(false), None, None));
    assert_eq!(list[0].from, VenueNanos(1_539_852_480_000 * MS));
    for (row, reason) in [
        (r#"["1","1","5","3","1","2","5","true"]"#, FrameReject::OutOfRange),
        (r#"["1","1","2","3"]"#, FrameReject::MissingField),
        (r#"["0","1","2","3","1","2"]"#, FrameReject::MissingField),
        (r#"["1","1","2","3","1","2","5","maybe"]"#, FrameReject::UnknownShape),
        (r#"{"t":1}"#, FrameReject::UnknownShape),
    ] {
        assert_eq!(read(&format!("[{row}]"), RestReader::candlesticks).unwrap_err().0, reason, "{row}");
    }
}

#[test]
fn fees_by_who_pays() {
    let body = r#"{"user_id":10001,"taker_fee":"0.002","maker_fee":"-0.0001","rpi_maker_fee":"0.001","gt_discount":false,"gt_taker_fee":"0.0015",
        "gt_maker_fee":"0.0014","loan_fee":"0.18","point_type":"0","futures_taker_fee":"0.0005","futures_maker_fee":"0",
        "delivery_taker_fee":"0.0005","delivery_maker_fee":"0.0002","debit_fee":3}"#;
    let fee = read(body, RestReader::fee).unwrap();
    let effective = fee.effective().unwrap();
    assert_eq!((effective.taker, effective.maker, effective.paid_in), (d("0.002"), d("-0.0001"), PaidIn::Received));
    assert_eq!((fee.user_id.as_deref(), fee.loan, fee.debit_fee), (Some("10001"), Some(d("0.18")), Some(3)));
    let switched_on = body.replace("\"gt_discount\":false", "\"gt_discount\":true");
    let contradictory = read(&switched_on, RestReader::fee).unwrap().effective().unwrap();
    assert_eq!((contradictory.taker, contradictory.paid_in), (d("0.002"), PaidIn::Received));
    let contradictory = read(&switched_on.replace("\"debit_fee\":3", "\"debit_fee\":2"), RestReader::fee).unwrap().effective();
    assert_eq!(contradictory.map(|fee| (fee.taker, fee.paid_in)), Some((d("0.002"), PaidIn::Points)));
    let gt = read(&switched_on.replace("\"debit_fee\":3", "\"debit_fee\":1"), RestReader::fee).unwrap();
    let effective = gt.effective().unwrap();
    assert_eq!((effective.taker, effective.maker, effective.paid_in), (d("0.0015"), d("0.0014"), PaidIn::Gt));
    let points = read(&body.replace("\"debit_fee\":3", "\"debit_fee\":2"), RestReader::fee).unwrap();
    assert_eq!(points.effective().unwrap().paid_in, PaidIn::Points);
    let untold = read(r#"{"taker_fee":"0.002","maker_fee":"0.002","gt_discount":true}"#, RestReader::fee).unwrap();
    assert_eq!(untold.effective(), None);
    assert_eq!(read(r#"{"maker_fee":"0.002"}"#, RestReader::fee).unwrap_err(), (FrameReject::MissingField, "taker_fee"));

    let several = read(&format!(r#"{{"BTC_USDT":{body},"GT_USDT":{body}}}"#), RestReader::batch_fee).unwrap();
    assert_eq!(several.iter().map(|(pair, _)| pair.as_str()).collect::<Vec<_>>(), ["BTC_USDT", "GT_USDT"]);
    let twice = read(&format!(r#"{{"BTC_USDT":{body},"BTC_USDT":{body}}}"#), RestReader::batch_fee);
    assert_eq!(twice.unwrap_err(), (FrameReject::UnknownShape, "currency_pair"));
    assert_eq!(read(r#"{"enabled":true}"#, RestReader::debit_fee), Ok(true));
    assert_eq!(read("{}", RestReader::debit_fee).unwrap_err(), (FrameReject::MissingField, "enabled"));
}

#[test]
fn accounts_and_their_changes() {
    let body = r#"[{"currency":"ETH","available":"968.8","locked":"0","update_id":98},{"currency":"BTC","available":"1.00000000000000000001","locked":"0.5"}]"#;
    let list = read(body, RestReader::accounts).unwrap();
    assert_eq!((list[0].currency.as_str(), list[0].available, list[0].update_id), ("BTC", d("1.00000000000000000001"), None));
    assert_eq!((list[1].locked, list[1].update_id), (d("0"), Some(98)));
    for (body, reason, what) in [
        (
            r#"[{"currency":"A","available":"1","locked":"0"},{"currency":"A","available":"1","locked":"0"}]"#,
            FrameReject::UnknownShape,
            "currency",
        ),
        (r#"[{"currency":"A","available":"-1","locked":"0"}]"#, FrameReject::OutOfRange, "available"),
        (r#"[{"currency":"A","available":"1"}]"#, FrameReject::MissingField, "locked"),
        (r#"[{"currency":"A","available":"1","locked":"0","update_id":-1}]"#, FrameReject::OutOfRange, "update_id"),
        (r#"{"currency":"A"}"#, FrameReject::UnknownShape, "accounts"),
    ] {
        assert_eq!(read(body, RestReader::accounts).unwrap_err(), (reason, what), "{body}");
    }

    let body = r#"[{"id":"123456","time":1547633726123,"currency":"BTC","change":"-1.03","balance":"4.59316525194","type":"margin_in","code":"110","text":"3815099"}]"#;
    let list = read(body, RestReader::account_book).unwrap();
    assert_eq!(
        (list[0].change, list[0].at, list[0].code.as_deref()),
        (d("-1.03"), Some(VenueNanos(1_547_633_726_123 * MS)), Some("110"))
    );

    let body = r#"{"details":{"cross_margin":{"amount":"0","currency":"USDT"},"spot":{"currency":"USDT","amount":"42264489969935775.52"}},
        "total":{"currency":"USDT","amount":"444877.7","unrealised_pnl":"0.1"}}"#;
    let total = read(body, RestReader::total_balance).unwrap();
    assert_eq!(
        (total.total.amount, total.details.len(), total.details[1].1.amount),
        (d("444877.7"), 2, d("42264489969935775.52"))
    );
}

#[test]
fn the_account_and_its_keys() {
    let body = r#"{"user_id":1667201533,"ip_whitelist":["127.0.0.1"],"currency_pairs":["USDT_BTC"],"copy_trading_role":0,"tier":2,"key":{"mode":1}}"#;
    let detail = read(body, RestReader::detail).unwrap();
    assert_eq!((detail.user_id.as_deref(), detail.tier, detail.mode), (Some("1667201533"), Some(2), Some(AccountMode::Classic)));
    assert_eq!(detail.ip_whitelist.as_deref(), Some(&["127.0.0.1".to_string()][..]));
    let mode = |n: i64| read(&format!(r#"{{"key":{{"mode":{n}}}}}"#), RestReader::detail).unwrap();
    assert_eq!(
        (mode(2).mode, mode(9).mode, mode(2).ip_whitelist),
        (Some(AccountMode::Unified), Some(AccountMode::Other(9)), None)
    );

    let key = |state: &str, perms: &str| {
        format!(
            r#"[{{"state":{state},"mode":1,"name":["x"],"user_id":"100000","created_at":"2023","updated_at":"2023","last_access":1700000000,
                "ip_whitelist":["1.1.1.1"],"perms":[{perms}],"currency_pairs":[],"key":"1234****7890"}}]"#
        )
    };
    let of = |state: &str, perms: &str| {
        let keys = read(&key(state, perms), RestReader::main_keys).unwrap();
        (keys[0].can_trade(), keys[0].can_withdraw(), keys[0].state)
    };
    let spot = r#"{"name":"spot","read_only":false}"#;
    assert_eq!(of("1", spot), (true, false, KeyState::Normal));
    assert_eq!(of("2", spot), (false, false, KeyState::Stopped(2)));
    assert_eq!(of("1", r#"{"name":"spot","read_only":true}"#), (false, false, KeyState::Normal));
    assert_eq!(of("1", r#"{"name":"wallet","read_only":false}"#), (false, true, KeyState::Normal));
    assert_eq!(of("1", r#"{"name":"wallet","read_only":true}"#), (false, false, KeyState::Normal));
    assert_eq!(of("1", r#"{"name":"withdraw","read_only":true}"#), (false, true, KeyState::Normal));
    let one = key("1", spot);
    assert!(read(one.trim_matches(['[', ']']), RestReader::main_keys).unwrap()[0].can_trade());

    let tier =
        read(r#"[{"tier":"1","ratio":"0","main_ratio":"0.5","updated_at":"1728000000"}]"#, RestReader::rate_limit).unwrap();
    assert_eq!(
        (tier[0].tier.as_deref(), tier[0].main_ratio, tier[0].updated_at),
        (Some("1"), Some(d("0.5")), Some(VenueNanos(1_728_000_000_000 * MS)))
    );
    for (mode, expected, unified) in [
        ("classic", UnifiedMode::Classic, false),
        ("single_currency", UnifiedMode::SingleCurrency, true),
        ("multi_currency", UnifiedMode::MultiCurrency, true),
        ("portfolio", UnifiedMode::Portfolio, true),
        ("novel", UnifiedMode::Other("novel".into()), true),
    ] {
        let body = format!(r#"{{"mode":"{mode}","settings":{{"usdt_futures":true,"spot_hedge":false}}}}"#);
        let read = read(&body, RestReader::unified_mode).unwrap();
        assert_eq!((read.is_unified(), read), (unified, expected));
    }
}

#[test]
fn treasury_facts() {
    let body = r#"[{"chain":"ETH","name_cn":"以太坊","name_en":"ETH/ERC20","contract_address":"","is_disabled":0,"is_deposit_disabled":0,"is_withdraw_disabled":1,"is_tag":0,"decimal":"6"},
        {"chain":"EOS","name_en":"EOS","is_disabled":1,"is_deposit_disabled":0,"is_withdraw_disabled":0,"is_tag":1,"decimal":4}]"#;
    let chains = read(body, RestReader::currency_chains).unwrap();
    assert_eq!(
        (chains[0].can_deposit, chains[0].can_withdraw, chains[0].needs_memo, chains[0].decimals),
        (true, false, false, Some(6))
    );
    assert_eq!(
        (chains[1].can_deposit, chains[1].can_withdraw, chains[1].needs_memo, chains[1].decimals),
        (false, false, true, Some(4))
    );

    let body = r#"[{"currency":"GT","name":"GateToken","name_cn":"x","deposit":"0","withdraw_percent":"0.1%","withdraw_fix":"0.02",
        "withdraw_day_limit":"500000","withdraw_day_limit_remain":"499999","withdraw_amount_mini":"0.12","withdraw_eachtime_limit":"499999",
        "withdraw_fix_on_chains":{"GTEVM":"0.02","ETH":"4.3"},"withdraw_percent_on_chains":{"GTEVM":"0%"}}]"#;
    let status = read(body, RestReader::withdraw_status).unwrap();
    assert_eq!((status[0].fixed_fee, status[0].percent_fee, status[0].least), (Some(d("0.02")), Some(d("0.1")), Some(d("0.12"))));
    assert_eq!(status[0].fixed_fee_by_chain, [("GTEVM".to_string(), d("0.02")), ("ETH".to_string(), d("4.3"))]);
    assert_eq!(status[0].percent_fee_by_chain, [("GTEVM".to_string(), d("0"))]);

    let row = |more: &str| {
        format!(r#"[{{"id":"w1","timestamp":"1700000000","currency":"BTC","amount":"1","chain":"BTC","status":"DONE"{more}}}]"#)
    };
    let transfer = |more: &str| read(&row(more), RestReader::transfers).unwrap().remove(0);
    assert!(transfer("").is_final_deposit() && !transfer("").is_final_withdrawal());
    assert!(transfer(r#","block_number":"700","fee":"0.1""#).is_final_withdrawal());
    assert!(!transfer(r#","block_number":"0""#).is_final_withdrawal());
    assert_eq!(transfer(r#","fee":"0.1""#).fee, Some(d("0.1")));

    let body = r#"{"currency":"USDT","address":"wait a moment","multichain_addresses":[
        {"chain":"TRX","address":"TX1","payment_id":"77","obtain_failed":0},{"chain":"ETH","address":"","payment_id":"","obtain_failed":1}]}"#;
    let addresses = read(body, RestReader::deposit_address).unwrap();
    assert_eq!(
        (addresses[0].address.as_deref(), addresses[0].memo.as_deref(), addresses[0].failed),
        (Some("TX1"), Some("77"), false)
    );
    assert_eq!((addresses[1].address.as_deref(), addresses[1].failed), (None, true));
}

#[test]
fn executions_and_the_dead_man_switch() {
    let row = |changes: &str| {
        let mut row: serde_json::Value = serde_json::from_str(
            r#"{"id":"1232893232","create_time":"1548000000","create_time_ms":"1548000000123.456","order_id":"4128442423","side":"buy",
                "role":"maker","amount":"0.15","price":"0.03","fee":"0.0005","fee_currency":"ETH","point_fee":"0","gt_fee":"0",
                "sequence_id":"588018","text":"t-test","amend_text":"-","currency_pair":"ETH_BTC","deal":"0.0045"}"#,
        )
        .unwrap();
        for (name, value) in serde_json::from_str::<serde_json::Value>(&format!("{{{changes}}}")).unwrap().as_object().unwrap() {
            row[name] = value.clone();
        }
        format!("[{row}]")
    };
    let trade = read(&row(""), RestReader::my_trades).unwrap().remove(0);
    assert_eq!((trade.role, trade.at), (Role::Maker, Some(VenueNanos(1_548_000_000_123_456_000))));
    assert_eq!((trade.quote(), trade.net_received().unwrap().amount), (Some(d("0.0045")), d("0.1495")));
    let gt = read(&row(r#""fee":"0","gt_fee":"0.1","point_fee":"0.2","side":"sell""#), RestReader::my_trades).unwrap().remove(0);
    let fees: Vec<(&str, _)> = gt.fees.iter().map(|fee| (fee.asset.as_str(), fee.amount)).collect();
    assert_eq!(fees, [("GT", d("0.1")), ("POINT", d("0.2"))]);
    assert_eq!((gt.net_received().unwrap().asset.as_str(), gt.net_received().unwrap().amount), ("BTC", d("0.0045")));
    for (changes, reason, what) in [
        (r#""role":"watcher""#, FrameReject::UnknownShape, "role"),
        (r#""amount":"0""#, FrameReject::OutOfRange, "amount"),
        (r#""price":null"#, FrameReject::MissingField, "price"),
        (r#""order_id":null"#, FrameReject::MissingField, "order_id"),
        (r#""currency_pair":"ETHBTC""#, FrameReject::UnknownShape, "currency_pair"),
    ] {
        assert_eq!(read(&row(changes), RestReader::my_trades).unwrap_err(), (reason, what), "{changes}");
    }

    for body in [r#"{"triggerTime":1660039145000}"#, r#"{"triggerTime":"1660039145000"}"#] {
        assert_eq!(read(body, RestReader::countdown), Ok(Some(VenueNanos(1_660_039_145_000 * MS))), "{body}");
    }
    for body in [r#"{"triggerTime":0}"#, r#"{"triggerTime":"0"}"#] {
        assert_eq!(read(body, RestReader::countdown), Ok(None), "{body}");
    }
    assert_eq!(read("{}", RestReader::countdown).unwrap_err(), (FrameReject::MissingField, "triggerTime"));
}

#[test]
fn errors_of_every_shape() {
    let error = |status, body: &str| RestReader::default().error(status, &mut body.as_bytes().to_vec());
    let low = error(400, r#"{"label":"BALANCE_NOT_ENOUGH","message":"Not enough balance"}"#);
    assert_eq!((low.label.as_deref(), low.message.as_deref()), (Some("BALANCE_NOT_ENOUGH"), Some("Not enough balance")));
    assert_eq!((low.class(), low.disposition()), (ErrorClass::InsufficientFunds, Disposition::Refused));
    // Futures say `detail`; a message may be absent or no text.
    assert_eq!(error(400, r#"{"label":"ORDER_FOK","detail":"why"}"#).message.as_deref(), Some("why"));
    assert_eq!(error(400, r#"{"label":"CONTRACT_NOT_FOUND"}"#).message, None);
    assert_eq!(error(400, r#"{"label":"INVALID_KEY","message":5}"#).label.as_deref(), Some("INVALID_KEY"));
    for body in ["", "<html>", "[]", "{}", r#"{"label":5}"#, r#"{"label":""}"#, r#"{"message":"x"}"#] {
        let unreadable = error(502, body);
        assert_eq!((unreadable.label.as_deref(), unreadable.disposition()), (None, Disposition::Unknown), "{body}");
    }
}
