//! `scan` through the real binary: small tapes worked out by hand, and every number on the recordings against judges of ours that
//! share no code with it (`tests/judges/`, exact arithmetic in Python).

#[path = "scan/many_books.rs"]
mod many_books;
#[path = "support/mod.rs"]
mod support;

use domain::{LinkRole, MonoNanos, Symbol, UnixNanos};
use journal::tape::lines::Lines;
use journal::tape::{Direction, FrameEntry, FrameLink, TapeHeader, TapeWriter};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::config::{gates, write};
use support::ops::until;
use support::process::{Done, Running, crossgate, run};
use support::proxy::{Strike, Weather, proxies};
use support::venue::Sim;
use support::{count, dir};

/// Time of the hand-made tapes' first millisecond, Unix nanoseconds.
const START: i64 = 1_700_000_000_000_000_000;

/// A line of an hftbacktest tape.
fn line(ms: i64, frame: &str) -> String {
    format!("{} {frame}\n", START + ms * 1_000_000)
}

/// Best prices.
fn top(ms: i64, id: u64, bid: &str, ask: &str) -> String {
    line(
        ms,
        &format!(
            r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{id},"s":"BTCUSDT","b":"{bid}","B":"1.0","a":"{ask}","A":"1.0"}}}}"#
        ),
    )
}

/// A trade.
fn trade(ms: i64) -> String {
    let data = r#"{"e":"trade","E":1,"s":"BTCUSDT","t":9,"p":"100.00","q":"1.0","T":1,"m":true,"M":true}"#;
    line(ms, &format!(r#"{{"stream":"btcusdt@trade","data":{data}}}"#))
}

/// A change of the book: one level a side.
fn change(ms: i64, ids: (u64, u64), bid: (&str, &str), ask: (&str, &str)) -> String {
    let data = format!(
        r#"{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":{},"u":{},"b":[["{}","{}"]],"a":[["{}","{}"]]}}"#,
        ids.0, ids.1, bid.0, bid.1, ask.0, ask.1
    );
    line(ms, &format!(r#"{{"stream":"btcusdt@depth@100ms","data":{data}}}"#))
}

/// A REST snapshot between the frames.
fn copy(ms: i64, id: u64, bid: &str, ask: &str) -> String {
    line(ms, &format!(r#"{{"lastUpdateId":{id},"bids":[["{bid}","5"]],"asks":[["{ask}","5"]]}}"#))
}

fn tape(id: &str, pair: &str, rest: &str, file: impl std::fmt::Display) -> String {
    format!("venue=binance:{id},pair={pair},format=hftbacktest{rest}:{file}")
}

/// `scan --json` over tapes, with further arguments.
#[track_caller]
fn scan(dir: &Path, tapes: &[String], more: &[&str]) -> Value {
    let mut command = crossgate(dir);
    command.args(["scan", "--json"]).args(more);
    for tape in tapes {
        command.args(["--tape", tape]);
    }
    run(&mut command).expect(0).json()
}

#[track_caller]
fn pairs(value: &Value) -> &[Value] {
    value["pairs"].as_array().unwrap_or_else(|| panic!("`pairs` is a list: {value}"))
}

/// Two streams whose every sample is known:
///
/// | ms | a | b | sample |
/// |---|---|---|---|
/// | 0 | 100.00 / 100.01 | | none: b is not known |
/// | 5 | | 100.00 / 100.03 | yes |
/// | 10 | 100.00 / 100.02 | 100.10 / 100.12 | one, after both |
/// | 20 | 100.05 / 100.04, crossed | | none |
/// | 30 | | 100.30 / 100.40 | none: a is crossed |
/// | 40 | 100.00 / 100.02 | | yes |
/// | 50 | a trade | | yes, nothing changed |
/// | 55 | | a change of the book | yes, nothing changed |
/// | 60 | | 100.01 / 100.03 | yes, the last |
fn known_tapes(dir: &Path) -> [String; 2] {
    let a = [
        top(0, 1, "100.00", "100.01"),
        top(10, 2, "100.00", "100.02"),
        top(20, 3, "100.05", "100.04"),
        top(40, 4, "100.00", "100.02"),
        trade(50),
    ];
    let b = [
        top(5, 1, "100.00", "100.03"),
        top(10, 2, "100.10", "100.12"),
        top(30, 3, "100.30", "100.40"),
        change(55, (4, 5), ("90", "1"), ("110", "1")),
        top(60, 6, "100.01", "100.03"),
    ];
    write(dir, "a", &a.concat());
    write(dir, "b", &b.concat());
    [tape("a", "BTC/USDT", "", "a"), tape("b", "BTC/USDT", "", "b")]
}

#[test]
fn every_number_of_a_known_tape_is_the_one_worked_out_by_hand() {
    let dir = dir();
    let tapes = known_tapes(dir.path());
    let found = scan(dir.path(), &tapes, &["--latency-ms", "15"]);
    // Basis: 5 ms of 0.02/200.01, 30 ms of 0.20/200.02 and 20 ms of 0.68/200.02, over 55 ms:
    // (0.1/200.01 + 19.6/200.02) ÷ 55 × 10^4 bps.
    // Edge: 5: −1/10001 (−0.9999 bps); 10: 8/10002 (7.998); 40, 50, 55: 28/10002 (27.994…); 60: −1/10002.
    // Above 5: 10 to 60. Above 10 and 15: 40 to 60.
    // Net at 10 bps each: 100.30 × 0.999 = 100.1997 against 100.02 × 1.001 = 100.12002 pays from 40 to 60; 15 ms after 40 it does.
    let expected = json!({
        "a": {"venue": "a", "pair": "BTC/USDT"}, "b": {"venue": "b", "pair": "BTC/USDT"},
        "seconds": "0.055", "mean_basis_bps": "17.9073047238458086",
        "edge_bps": {
            "max": "27.994401119776044791",
            "episodes": {"5": 1, "10": 1, "15": 1}, "seconds": {"5": "0.05", "10": "0.02", "15": "0.02"},
        },
        "net": {"captured": 1, "episodes": 1, "seconds": "0.02"},
        "verdict": "balance",
    });
    assert_eq!(pairs(&found), [expected]);

    // 16 ms after 40 comes the sample at 60, which does not pay.
    assert_eq!(pairs(&scan(dir.path(), &tapes, &["--latency-ms", "16"]))[0]["net"]["captured"], 0);
    // At 14 bps each, 100.30 × 0.9986 = 100.15958 against 100.02 × 1.0014 = 100.160028: below the fees.
    let dear = tapes.clone().map(|tape| tape.replace("hftbacktest", "hftbacktest,fee_bps=14"));
    let dear = scan(dir.path(), &dear, &["--thresholds-bps", "2.5,27.9944,27.99441"]);
    let row = &pairs(&dear)[0];
    assert_eq!((&row["net"]["episodes"], &row["verdict"]), (&json!(0), &json!("below_fees")));
    assert_eq!(row["edge_bps"]["episodes"], json!({"2.5": 1, "27.9944": 1, "27.99441": 0}));
    // With 13.9 on one side: 100.30 × 0.9986 = 100.15958 against 100.02 × 1.00139 = 100.1590278: it pays.
    let one =
        [tapes[0].replace("hftbacktest", "hftbacktest,fee_bps=13.9"), tapes[1].replace("hftbacktest", "hftbacktest,fee_bps=14")];
    assert_eq!(pairs(&scan(dir.path(), &one, &[]))[0]["net"]["episodes"], 1);

    // The other way round, the same but for the basis.
    let turned = scan(dir.path(), &[tapes[1].clone(), tapes[0].clone()], &["--latency-ms", "15"]);
    assert_eq!(pairs(&turned)[0]["edge_bps"], pairs(&found)[0]["edge_bps"]);
    assert_eq!(pairs(&turned)[0]["net"], pairs(&found)[0]["net"]);
    assert!(pairs(&turned)[0]["mean_basis_bps"].as_str().is_some_and(|basis| basis.starts_with("-17.8")), "{turned}");

    // For people the same numbers, in two decimals.
    let text = run(crossgate(dir.path()).arg("scan").args(tapes.iter().flat_map(|tape| ["--tape", tape]))).expect(0).stdout;
    assert!(text.contains("27.99") && text.contains("17.90") && text.contains("balance"), "{text}");
}

#[test]
fn several_files_of_a_stream_are_one_stream_in_time_order_however_they_are_packed() {
    let dir = dir();
    let whole = known_tapes(dir.path());
    let text = std::fs::read_to_string(dir.path().join("a")).expect("the tape");
    let lines: Vec<&str> = text.lines().collect();
    // Alternate lines in two files, one of them in disorder and with a file of other lines between.
    let odd: String = lines.iter().rev().step_by(2).map(|line| format!("{line}\n")).collect();
    let even: String = lines.iter().skip(1).step_by(2).map(|line| format!("{line}\r\n")).collect();
    write(dir.path(), "odd", &odd);
    write(dir.path(), "even", &even);
    let split = [tape("a", "BTC/USDT", "", "odd"), whole[1].clone(), tape("a", "BTC/USDT", "", "even")];
    assert_eq!(scan(dir.path(), &split, &[]), scan(dir.path(), &whole, &[]));
}

#[test]
fn without_a_best_bid_offer_channel_the_book_tells_the_top() {
    let dir = dir();
    // Known from the copy at 10 on; at 20 the bid moves to 99.50, at 30 a change is missing, at 40 a new copy does not come.
    let book = [
        change(0, (1, 5), ("98", "1"), ("103", "1")),
        copy(10, 5, "99", "101"),
        change(20, (6, 7), ("99.5", "1"), ("102", "1")),
        change(30, (9, 9), ("99.8", "1"), ("102", "1")),
    ];
    write(dir.path(), "book", &book.concat());
    let other = [top(5, 1, "99", "101"), top(15, 2, "99", "101"), top(40, 3, "99", "101")];
    write(dir.path(), "other", &other.concat());
    let tapes = [tape("a", "BTC/USDT", "", "book"), tape("b", "BTC/USDT", "", "other")];
    let found = scan(dir.path(), &tapes, &[]);
    // Samples at 10, 15 and 20. From 30 on the book is not to be trusted, and there is none.
    let row = &pairs(&found)[0];
    assert_eq!((&row["seconds"], &row["verdict"]), (&json!("0.01"), &json!("below_fees")), "{found}");
    // 99/101 − 1 at first, 99.5/101 − 1 = −1.5/101 at the last sample.
    assert_eq!(row["edge_bps"]["max"], "-148.514851485148514851");
    assert_eq!(row["mean_basis_bps"], "0");
}

#[test]
fn what_is_compared_and_its_verdict_follow_kind_and_quote() {
    let dir = dir();
    write(dir.path(), "spot", &[top(0, 1, "100", "101"), top(10, 2, "100", "101")].concat());
    let usdc = top(5, 1, "100", "101").replace("BTCUSDT", "BTCUSDC").replace("btcusdt", "btcusdc");
    write(dir.path(), "usdc", &usdc);
    let linear = top(5, 1, "100", "101").replace("\"u\"", "\"e\":\"bookTicker\",\"u\"");
    write(dir.path(), "linear", &linear);
    let eth = top(5, 1, "100", "101").replace("BTCUSDT", "ETHUSDT").replace("btcusdt", "ethusdt");
    write(dir.path(), "eth", &eth);
    // A stream whose best prices are never usable: a zero bid, then no ask.
    let never = [top(0, 1, "0.00", "101"), top(10, 2, "100", "101").replace("\"A\":\"1.0\"", "\"A\":\"0.0\"")];
    write(dir.path(), "never", &never.concat());
    let tapes = [
        tape("x", "BTC/USDT", "", "spot"),
        tape("x", "BTC/USDC", "", "usdc"),
        tape("x", "BTC/USDT:USDT", "", "linear"),
        tape("x", "ETH/USDT", "", "eth"),
        tape("y", "BTC/USDT", "", "never"),
    ];
    let found = scan(dir.path(), &tapes, &[]);
    let shown: Vec<_> = pairs(&found)
        .iter()
        .map(|row| {
            let side = |key: &str| format!("{} {}", row[key]["venue"], row[key]["pair"]).replace('"', "");
            (side("a"), side("b"), row["verdict"].as_str().unwrap_or_default().to_string())
        })
        .collect();
    let row = |a: &str, b: &str, verdict: &str| (a.to_string(), b.to_string(), verdict.to_string());
    assert_eq!(
        shown,
        [
            row("x BTC/USDT", "x BTC/USDC", "quote_differs"),
            row("x BTC/USDT", "x BTC/USDT:USDT", "not_tradable_kind"),
            row("x BTC/USDT", "y BTC/USDT", "untrusted"),
            row("x BTC/USDC", "x BTC/USDT:USDT", "not_tradable_kind"),
            row("x BTC/USDC", "y BTC/USDT", "quote_differs"),
            row("x BTC/USDT:USDT", "y BTC/USDT", "not_tradable_kind"),
        ]
    );
    let none = &pairs(&found)[2];
    assert_eq!((&none["seconds"], &none["mean_basis_bps"], &none["edge_bps"]["max"]), (&json!("0"), &Value::Null, &Value::Null));
    assert_eq!(none["edge_bps"]["seconds"], json!({"5": "0", "10": "0", "15": "0"}));
}

#[test]
fn a_directory_of_our_own_recordings_is_scanned_by_venue() {
    let dir = dir();
    write(dir.path(), "demo.toml", &gates(&[]));
    run(crossgate(dir.path()).args(["record", "-c", "demo.toml", "--out", "tapes", "--for", "3s"])).expect(0);
    let own = |id: &str, rest: &str| format!("venue=gate:{id}{rest},format=crossgate:tapes");
    let found = scan(dir.path(), &[own("gate-a", ""), own("gate-b", "")], &[]);
    assert_eq!(pairs(&found).len(), 4, "four pairs on two venues: {found}");
    for row in pairs(&found) {
        assert_eq!((&row["a"]["venue"], &row["b"]["venue"]), (&json!("gate-a"), &json!("gate-b")));
        assert_eq!(row["a"]["pair"], row["b"]["pair"]);
        assert!(row["edge_bps"]["max"].is_string() && row["seconds"] != "0", "{row}");
    }
    let one = scan(dir.path(), &[own("gate-a", ",pair=BTC/USDT"), own("gate-b", ",pair=BTC/USDT")], &[]);
    assert_eq!(pairs(&one), [pairs(&found).iter().find(|row| row["a"]["pair"] == "BTC/USDT").expect("its row").clone()]);
    let nobody = run(crossgate(dir.path()).args(["scan", "--tape", &own("gate-c", "")])).expect(2);
    assert!(nobody.complaint().contains("gate-a, gate-b"), "{}", nobody.stderr);
}

#[test]
fn tapes_may_stand_in_the_configuration() {
    let dir = dir();
    let tapes = known_tapes(dir.path());
    let mut text = gates(&[]);
    for id in ["a", "b"] {
        let _ = write!(
            text,
            "\n[[tape]]\nvenue = \"binance:{id}\"\npair = \"BTC/USDT\"\nformat = \"hftbacktest\"\nfile = \"{id}\"\n"
        );
    }
    write(dir.path(), "tapes.toml", &text);
    let configured = run(crossgate(dir.path()).args(["scan", "-c", "tapes.toml", "--json"])).expect(0).json();
    assert_eq!(configured, scan(dir.path(), &tapes, &[]));
    let replayed = run(crossgate(dir.path()).args(["replay", "-c", "tapes.toml", "--json"])).expect(0).json();
    assert_eq!(count(&replayed, "frames"), 10);
    run(crossgate(dir.path()).args(["config", "check", "-c", "tapes.toml"])).expect(0);
    write(dir.path(), "wrong.toml", &text.replace("format = \"hftbacktest\"", "format = \"tar\""));
    let wrong = run(crossgate(dir.path()).args(["scan", "-c", "wrong.toml", "--json"])).expect(3);
    assert!(wrong.complaint().contains("wrong.toml") && wrong.complaint().contains("tape[0]"), "{}", wrong.stderr);
    write(dir.path(), "key.toml", &text.replace("format = \"hftbacktest\"", "format = \"hftbacktest\"\nspeed = 1"));
    run(crossgate(dir.path()).args(["scan", "-c", "key.toml", "--json"])).expect(3);
}

#[test]
fn what_is_wrong_is_told_in_one_sentence_with_its_exit_code() {
    let dir = dir();
    let [a, b] = known_tapes(dir.path());
    write(dir.path(), "broken", "not a tape\n");
    write(dir.path(), "books.json", r#"[{"venue":"x","base":"A","quote":"B","bids":[["1"]],"asks":[]}]"#);
    let failed = |code: i32, args: &[&str], part: &str| {
        let done: Done = run(crossgate(dir.path()).arg("scan").args(args)).expect(code);
        assert!(done.complaint().contains(part), "{args:?}: {}", done.stderr);
        assert!(done.stdout.is_empty());
    };
    failed(2, &["--tape", "venue=binance,pair=BTC/USDT:x"], "--tape venue=binance");
    failed(2, &["--tape", &a.replace("binance", "mtgox")], "no exchange `mtgox`");
    failed(2, &["--tape", &a.replace("BTC/USDT", "XRP/USDT")], "holds nothing of XRP/USDT");
    failed(
        2,
        &["--tape", &a.replace("binance:a", "gate").replace("BTC/USDT", "BTC/USDT:USDT")],
        "holds nothing of BTC/USDT:USDT",
    );
    failed(2, &["--tape", &a, "--tape", &a.replace("pair=BTC/USDT", "pair=ETH/USDT")], "is of one pair");
    failed(2, &["--tape", &a, "--tape", &b.replace("binance:b", "gate:a")], "both binance and gate");
    let fees = [a.replace("hftbacktest", "hftbacktest,fee_bps=1"), a.replace("hftbacktest", "hftbacktest,fee_bps=2")];
    failed(2, &["--tape", &fees[0], "--tape", &fees[1]], "given twice");
    failed(2, &["--tape", &a, "--thresholds-bps", "5,x"], "--thresholds-bps");
    failed(2, &["--tape", &a, "--fee-bps", "5"], "--books");
    failed(2, &["--books", "books.json"], "--fee-bps");
    failed(2, &["--books", "books.json", "--fee-bps", "ten"], "--fee-bps ten");
    failed(2, &["--books", "books.json", "--fee-bps", "1", "--tape", &a], "not both");
    let books = ["--books", "books.json", "--fee-bps", "1"];
    for (option, value) in [("--size", "5"), ("--for", "1s")] {
        failed(2, &[&books[..], &[option, value]].concat(), "belong to live streams; leave --books out");
        failed(2, &["--tape", &a, option, value], "belong to live streams; leave the tapes out");
    }
    for (option, value) in [("--thresholds-bps", "5"), ("--latency-ms", "100")] {
        failed(2, &[&books[..], &[option, value]].concat(), "belong to tapes; leave --books out");
        failed(2, &[option, value, "--for", "1s"], "belong to tapes; name some with --tape");
    }
    failed(1, &["--books", "books.json", "--fee-bps", "1"], "element 0: bids[0]");
    failed(1, &["--books", "missing.json", "--fee-bps", "1"], "missing.json");
    failed(1, &["--tape", &tape("a", "BTC/USDT", "", "missing")], "missing");
    failed(1, &["--tape", &tape("a", "BTC/USDT", "", "broken")], "line 1");
    failed(3, &["-c", "missing.toml"], "missing.toml");
}

/// A recording of ours of `binance`: the lines of an hftbacktest tape, and where the link of its frames opens and closes, at milliseconds.
fn own_tape(dir: &Path, lines: &[String], links: &[(i64, bool)]) -> PathBuf {
    let header = TapeHeader {
        venue: "a".into(),
        kind: "binance".into(),
        host_class: "loopback".into(),
        tables: None,
        build: "test".into(),
        started: UnixNanos(START),
    };
    let symbol = Symbol::parse("BTC/USDT").expect("a symbol");
    let link = connectors::connector("binance").expect("a known kind").public_link(&symbol);
    let (role, shard) = (LinkRole::Public, u16::from(link.shard));
    let entry = |at: i64, link: FrameLink, bytes: &str| FrameEntry {
        received: MonoNanos(u64::try_from(at - START).expect("not before the start")),
        received_unix: UnixNanos(at),
        direction: Direction::In,
        link,
        bytes: bytes.into(),
    };
    let frames = lines.iter().map(|line| {
        let (at, frame) = line.trim_end().split_once(' ').expect("time and frame");
        entry(at.parse().expect("nanoseconds"), FrameLink::Ws { role, shard }, frame)
    });
    let links = links.iter().map(|(ms, opens)| {
        let link = if *opens { FrameLink::Opened { role, shard } } else { FrameLink::Closed { role, shard } };
        entry(START + ms * 1_000_000, link, if *opens { "" } else { "socket_error" })
    });
    let mut all: Vec<FrameEntry> = links.chain(frames).collect();
    all.sort_by_key(|entry| entry.received);
    let mut writer = TapeWriter::create(dir, header).expect("a tape");
    all.iter().for_each(|entry| writer.append(entry).expect("it is written"));
    let path = writer.path().to_path_buf();
    writer.finish().expect("it is written");
    path
}

#[test]
fn a_stream_that_is_down_earns_nothing() {
    let dir = dir();
    let a = [top(0, 1, "100.00", "100.01"), top(70, 2, "100.00", "100.01")];
    let b: Vec<String> = [5, 10, 30, 40, 80].iter().zip(1..).map(|(ms, id)| top(*ms, id, "103.00", "103.01")).collect();
    write(dir.path(), "b", &b.concat());
    let found = |name: &str, links: &[(i64, bool)]| {
        let file = own_tape(&dir.path().join(name), &a, links);
        let tapes =
            [format!("venue=binance:a,pair=BTC/USDT,format=crossgate:{}", file.display()), tape("b", "BTC/USDT", "", "b")];
        let row = pairs(&scan(dir.path(), &tapes, &["--latency-ms", "1"]))[0].clone();
        (row["net"].clone(), row["seconds"].clone())
    };
    // Paying from 5 until it is lost at 20, and from 70, when it is known again, to the last sample at 80.
    let net = json!({"captured": 2, "episodes": 2, "seconds": "0.025"});
    assert_eq!(found("told", &[(0, true), (20, false), (60, true)]), (net, json!("0.075")));
    // A tape of before tells no loss: it shows when the link opens once more.
    let net = json!({"captured": 2, "episodes": 2, "seconds": "0.065"});
    assert_eq!(found("untold", &[(0, true), (60, true)]), (net, json!("0.075")));
    let net = json!({"captured": 1, "episodes": 1, "seconds": "0.075"});
    assert_eq!(found("up", &[(0, true)]), (net, json!("0.075")));
}

#[test]
fn books_are_walked_with_fractions_and_decimals_alike() {
    let dir = dir();
    let text = r#"[
        {"venue":"x","base":"BTC","quote":"USD","bids":[],"asks":[{"price":{"numerator":100,"denominator":1},"qty":{"numerator":1,"denominator":3}}]},
        {"venue":"y","base":"BTC","quote":"USD","bids":[["103","0.25"],["101","1"]],"asks":[]},
        {"venue":"y","base":"ETH","quote":"USD","bids":[["103","1"]],"asks":[]}]"#;
    write(dir.path(), "books.json", text);
    let found = |fee: &str| {
        run(crossgate(dir.path()).args(["scan", "--json", "--books", "books.json", "--fee-bps", fee])).expect(0).json()
    };
    // 0.25 × 3 + (1/3 − 1/4) × 1 = 3/4 + 1/12 = 5/6.
    let edge = json!({"buy": {"venue": "x"}, "sell": {"venue": "y"}, "base": "BTC", "quote": "USD", "quantity": "1/3", "profit_quote": "5/6"});
    assert_eq!(found("0"), json!({ "edges": [edge] }));
    // 50.5 bps: 103 × 0.99495 − 100 × 1.00505 = 1.97485 on 0.25; 101 × 0.99495 = 100.48995 is below 100.505.
    assert_eq!(found("50.5")["edges"][0]["profit_quote"], "0.4937125");
    assert_eq!(found("200"), json!({"edges": []}));
    let people = run(crossgate(dir.path()).args(["scan", "--books", "books.json", "--fee-bps", "0"])).expect(0).stdout;
    assert!(people.contains("0.33333333") && people.contains("BTC/USD"), "{people}");
}

// ------------------------------------------------------------------------------------------------------------ the recordings

/// The recordings, if there are any.
fn recordings() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("CROSSGATE_DATA").map(PathBuf::from) else {
        eprintln!("left out: CROSSGATE_DATA names no recordings, so nothing is scanned");
        return None;
    };
    // Relative to where the tests are started by people and by CI: the root of the repository.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Some(root.join(data).canonicalize().expect("CROSSGATE_DATA names a directory"))
}

/// What a judge says.
fn judged(script: &str, args: &[String]) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges").join(script);
    let Ok(output) = Command::new("python3").arg(&script).args(args).output() else {
        eprintln!("left out: python3 does not start, so no judge is asked");
        return None;
    };
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("the judge prints JSON"))
}

/// The file without its compression, each line as `change` returns it.
#[track_caller]
fn unpacked(from: &Path, to: PathBuf, change: impl Fn(&str) -> String) -> PathBuf {
    let mut text = String::new();
    let mut lines = Lines::open(from).expect("the recording opens");
    while let Some((_, line)) = lines.next_line().expect("the recording reads") {
        text.push_str(&change(std::str::from_utf8(line).expect("a recording is text")));
        text.push('\n');
    }
    std::fs::write(&to, text).expect("the copy can be written");
    to
}

fn as_it_is(line: &str) -> String {
    line.to_string()
}

/// A frame or REST body with every price 40 basis points higher, exactly.
fn shifted(line: &str) -> String {
    let factor = Decimal::new(1004, 3);
    let up = |price: &mut Value| {
        if let Some(exact) = price.as_str().and_then(|text| text.parse::<Decimal>().ok()) {
            *price = Value::String((exact * factor).to_string());
        }
    };
    let Some(at) = line.find('{') else { return line.to_string() };
    let Ok(mut body) = serde_json::from_str::<Value>(&line[at..]) else { return line.to_string() };
    fn walk(value: &mut Value, up: &dyn Fn(&mut Value)) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(key, field)| match (key.as_str(), &mut *field) {
                ("b" | "a" | "p" | "price", Value::String(_)) => up(field),
                ("b" | "a" | "bids" | "asks", Value::Array(levels)) => {
                    levels.iter_mut().filter_map(|level| level.get_mut(0)).for_each(up);
                }
                _ => walk(field, up),
            }),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, up)),
            _ => {}
        }
    }
    walk(&mut body, &up);
    format!("{}{body}", &line[..at])
}

const SIX: [(&str, &str); 6] = [
    ("BTC/USDT", "spot_btcusdt_20240808"),
    ("BTC/USDT:USDT", "usdm_btcusdt_20240808"),
    ("BTC/USD:BTC", "cm_btcusd_perp_20240808"),
    ("ETH/USDT", "spot_ethusdt_20240808"),
    ("ETH/USDT:USDT", "usdm_ethusdt_20240808"),
    ("ETH/USD:ETH", "cm_ethusd_perp_20240808"),
];

/// Whether a stream of a row is spot.
fn is_spot(row: &Value, side: &str) -> bool {
    !row[side]["pair"].as_str().expect("a pair").contains(':')
}

#[test]
fn the_six_streams_equal_the_judge_number_by_number() {
    let Some(data) = recordings() else { return };
    let dir = dir();
    let packed =
        |(pair, name): &(&str, &str)| tape("b", pair, "", data.join("hftbacktest").join(format!("{name}.zst")).display());
    let plain = |(pair, name): &(&str, &str)| {
        let file = unpacked(&data.join("hftbacktest").join(format!("{name}.zst")), dir.path().join(name), as_it_is);
        tape("b", pair, "", file.display())
    };
    let found = scan(dir.path(), &SIX.iter().map(packed).collect::<Vec<_>>(), &[]);
    assert_eq!(pairs(&found).len(), 6, "three streams of two coins each");
    for row in pairs(&found) {
        assert_eq!(row["verdict"], "not_tradable_kind", "{row}");
        if is_spot(row, "a") != is_spot(row, "b") {
            // Spot at 10 bps against futures at 5: the standing basis is no arbitrage.
            assert_eq!(row["net"], json!({"captured": 0, "episodes": 0, "seconds": "0"}), "{row}");
        }
    }
    let Some(judge) = judged("scan_tape.py", &SIX.iter().map(plain).collect::<Vec<_>>()) else { return };
    assert_eq!(found, judge);
}

#[test]
fn net_seconds_never_rise_with_fees_and_a_shifted_stream_pays() {
    let Some(data) = recordings() else { return };
    let dir = dir();
    let file = |name: &str| data.join("hftbacktest").join(format!("{name}.zst"));
    let net = |row: &Value| row["net"]["seconds"].as_str().and_then(|s| s.parse::<Decimal>().ok()).expect("seconds");
    let mut last: Vec<Decimal> = Vec::new();
    for fee in ["0", "1", "2", "5", "10", "20"] {
        let tapes: Vec<String> =
            SIX[..3].iter().map(|(pair, name)| tape("b", pair, &format!(",fee_bps={fee}"), file(name).display())).collect();
        let found = scan(dir.path(), &tapes, &[]);
        let now: Vec<Decimal> = pairs(&found).iter().map(net).collect();
        assert!(last.iter().zip(&now).all(|(before, now)| now <= before), "{fee} bps: {last:?} then {now:?}");
        if fee == "0" {
            assert!(now.iter().all(|seconds| *seconds > Decimal::ZERO), "{now:?}");
        }
        last = now;
    }

    let shift = unpacked(&file(SIX[1].1), dir.path().join("shifted"), shifted);
    let tapes = [tape("b", SIX[0].0, "", file(SIX[0].1).display()), tape("b", SIX[1].0, "", shift.display())];
    let found = scan(dir.path(), &tapes, &[]);
    let row = &pairs(&found)[0];
    assert!(count(&row["net"], "episodes") > 0 && net(row) > Decimal::from(300), "{row}");
    let plain = unpacked(&file(SIX[0].1), dir.path().join("plain"), as_it_is);
    let Some(judge) = judged("scan_tape.py", &[tape("b", SIX[0].0, "", plain.display()), tapes[1].clone()]) else { return };
    assert_eq!(found, judge);
}

#[test]
fn recorded_sessions_equal_the_judge_also_by_their_books() {
    let Some(data) = recordings() else { return };
    let dir = dir();
    // No two recorded sessions overlap on an instrument: each is held against itself, shifted. Gate's has books alone.
    let sessions: [(&str, &str, &[&str]); 2] = [
        ("gate", "GATEIO", &["OMG/USDT", "NANO/USDT", "BTC/USDC"]),
        ("binance", "BINANCE", &["NKN/USDT", "RUNE/EUR", "LRC/BTC"]),
    ];
    for (kind, name, symbols) in sessions {
        let mut tapes = Vec::new();
        for (id, change) in [("here", as_it_is as fn(&str) -> String), ("there", shifted)] {
            for part in ["http.0.0", "ws.1.0"] {
                let from = data.join("cryptofeed").join(format!("{name}.{part}.zst"));
                let file = unpacked(&from, dir.path().join(format!("{name}.{part}.{id}")), change);
                for symbol in symbols {
                    tapes.push(format!("venue={kind}:{id},pair={symbol},format=cryptofeed:{}", file.display()));
                }
            }
        }
        let found = scan(dir.path(), &tapes, &["--thresholds-bps", "0,5,25", "--latency-ms", "500"]);
        assert_eq!(pairs(&found).len(), symbols.len());
        assert!(pairs(&found).iter().all(|row| row["seconds"] != "0"), "{found}");
        let mut args: Vec<String> = ["--thresholds-bps", "0,5,25", "--latency-ms", "500"].map(str::to_string).into();
        args.extend(tapes);
        let Some(judge) = judged("scan_tape.py", &args) else { return };
        assert_eq!(found, judge, "{name}");
    }
}

#[test]
fn full_books_equal_the_judge_at_every_fee() {
    let Some(data) = recordings() else { return };
    let dir = dir();
    for name in ["1-ob", "run1-1"] {
        let packed = data.join("order-graph").join(format!("{name}.json.zst"));
        let plain = unpacked(&packed, dir.path().join(name), as_it_is);
        let mut last = usize::MAX;
        for fee in ["0", "2.5", "10", "25", "100"] {
            let mut command = crossgate(dir.path());
            command.args(["scan", "--json", "--fee-bps", fee, "--books"]).arg(&packed);
            let found = run(&mut command).expect(0).json();
            let edges = found["edges"].as_array().expect("`edges` is a list");
            assert!(edges.len() <= last && (fee != "0" || !edges.is_empty()), "{fee}: {found}");
            last = edges.len();
            let Some(judge) = judged("scan_books.py", &[plain.display().to_string(), fee.into()]) else { return };
            assert_eq!(found, judge, "{name} at {fee} bps");
        }
    }
}

/// A simulated market of made-up pairs on these kinds of venues, with further lines.
fn made_up(kinds: &[&str], pairs: usize, more: &str) -> String {
    let mut text = String::from("mode = \"sim\"\nseed = 3\n[state]\ndir = \"state\"\n[ops]\nlisten = \"\"\n");
    for (index, kind) in kinds.iter().enumerate() {
        let _ = writeln!(text, "[[venue]]\nid = \"{kind}-{index}\"\nkind = \"{kind}\"");
        if *kind == "gate" {
            let _ = writeln!(text, "book_channel = \"order_book_update\"");
        }
    }
    for pair in 1..=pairs {
        let _ = writeln!(text, "[[pair]]\nsymbol = \"T{pair:03}/USDT\"");
    }
    text + more
}

/// `scan` of live streams.
#[track_caller]
fn scan_live(dir: &Path, config: &str, more: &[&str]) -> Value {
    let file = write(dir, "scan.toml", config);
    run(crossgate(dir).args(["scan", "--json", "--for", "6s", "-c"]).arg(file).args(more)).expect(0).json()
}

/// A scan of venues that serve elsewhere; `redundant` with two connections for every stream.
fn elsewhere(venues: &[Value], pairs: usize, redundant: bool) -> String {
    let mut text = String::from("mode = \"paper\"\n[state]\ndir = \"state\"\n[ops]\nlisten = \"\"\n");
    for venue in venues {
        let _ = writeln!(text, "[[venue]]\nredundant = {redundant}");
        for key in ["id", "kind", "rest", "ws", "private_ws"] {
            let _ = writeln!(text, "{key} = {}", venue[key]);
        }
        if venue["kind"] == "gate" {
            text += "book_channel = \"order_book_update\"\n";
        }
    }
    for pair in 1..=pairs {
        let _ = writeln!(text, "[[pair]]\nsymbol = \"T{pair:03}/USDT\"");
    }
    text + "[risk]\norder_value_max = \"1000\"\ndeal_value_max = \"1000\"\nunhedged_value_max = \"1000\"\nopen_deals_max = 1\n\
            orders_per_second_max = 2\ndaily_loss_max = \"10\"\n"
}

#[test]
fn live_streams_are_scanned_without_keys_and_fetch_books_anew_for_injected_gaps_alone() {
    let dir = dir();
    let quiet = scan_live(dir.path(), &made_up(&["gate", "gate"], 6, ""), &["--size", "250.5"]);
    assert_eq!(quiet["size"], "250.5");
    assert_eq!(quiet["books"], json!({"listed": 12, "live": 12}));
    assert_eq!(quiet["book_resyncs"], json!({}));
    assert!(count(&quiet, "book_updates") > 50 && count(&quiet, "cpu_us_per_1000_updates") > 0, "{quiet}");
    let routes = quiet["routes"].as_array().expect("routes");
    assert_eq!(routes.len(), 12, "six pairs, both ways");
    for route in routes {
        assert_ne!(route["buy"], route["sell"]);
        // Fees of 10 bps a side: what the best net shows is no better than the widest basis allows.
        let max: Decimal = route["net_bps"]["max"].as_str().expect("every book held the size once").parse().expect("a number");
        assert!(max < Decimal::from(60), "{route}");
        assert!(route["verdict"] != "balance" || count(route, "episodes") > 0, "it paid at its best: {route}");
    }
    let verdicts: u64 = quiet["verdicts"].as_object().expect("verdicts").values().filter_map(Value::as_u64).sum();
    assert_eq!(verdicts, count(&quiet, "opportunities"));
    assert!(!dir.path().join("state").exists(), "a scan writes nothing");

    let gaps = "[[sim.fault]]\nat = \"2s\"\nkind = \"gaps\"\ncount = 1\n";
    let holed = scan_live(dir.path(), &made_up(&["gate", "gate"], 6, gaps), &[]);
    // One of each venue: several at once might hit one book, which shows one gap then.
    assert_eq!(holed["book_resyncs"], json!({"gap": 2}), "{holed}");
    assert_eq!(holed["books"]["live"], 12);
}

#[test]
fn live_streams_of_three_kinds_of_venues_are_scanned_side_by_side() {
    let dir = dir();
    let kinds = ["gate", "binance", "bybit"];
    let found = scan_live(dir.path(), &made_up(&kinds, 5, ""), &[]);
    assert_eq!(found["books"], json!({"listed": 15, "live": 15}), "{found}");
    assert_eq!((&found["book_resyncs"], &found["refused"]), (&json!({}), &json!([])), "{found}");
    let venues = found["venues"].as_array().expect("venues");
    assert_eq!(venues.iter().map(|venue| &venue["kind"]).collect::<Vec<_>>(), kinds);
    for venue in venues {
        assert!(count(venue, "book_updates") > 10 && count(venue, "rejected_frames") == 0, "{venue}");
    }
    // Every pair between every two of them, both ways, and each book held the size.
    let routes = found["routes"].as_array().expect("routes");
    assert_eq!(routes.len(), 5 * 6, "{found}");
    for buy in 0..3 {
        for sell in (0..3).filter(|sell| *sell != buy) {
            let ids = [buy, sell].map(|index: usize| json!(format!("{}-{index}", kinds[index])));
            let between: Vec<_> = routes.iter().filter(|route| [&route["buy"], &route["sell"]] == [&ids[0], &ids[1]]).collect();
            assert!(between.len() == 5 && between.iter().all(|route| route["net_bps"]["max"].is_string()), "{ids:?}: {found}");
        }
    }
}

#[test]
fn with_two_connections_for_every_stream_the_faster_one_is_believed_and_one_may_fail_unnoticed() {
    let dir = dir();
    let kinds = ["gate", "binance", "bybit"];
    write(dir.path(), "sim.toml", &made_up(&kinds, 4, ""));
    let sim = Sim::start(dir.path(), &["-c", "sim.toml"]);
    let (lines, fronts) = proxies(&sim.venues);
    let file = write(dir.path(), "scan.toml", &elsewhere(&fronts, 4, true));
    let scan = Running::start(crossgate(dir.path()).args(["scan", "--json", "--for", "20s", "-c"]).arg(file));
    until("both connections of every venue stand", || lines.iter().all(|line| line.streams() >= 2));
    lines.iter().for_each(|line| line.only_stream(0));
    // So long the first one is late; what came of it is counted at the end.
    lines.iter().for_each(|line| line.weather(Weather::Late(Duration::from_millis(60))));
    std::thread::sleep(Duration::from_secs(6));
    lines.iter().for_each(|line| line.strike(Strike::Reset));
    until("the lost one is opened anew", || lines.iter().all(|line| line.streams() >= 3));
    let found = scan.end().expect(0).json();
    assert_eq!(found["book_resyncs"], json!({}), "{found}");
    assert_eq!(found["books"], json!({"listed": 12, "live": 12}), "{found}");
    for venue in found["venues"].as_array().expect("venues") {
        let redundancy = &venue["redundancy"];
        let times = |key: &str, index: usize| redundancy[key][index].as_u64().unwrap_or_default();
        assert!(times("first", 1) > 20, "the second was first while the other one was late: {venue}");
        assert_eq!((times("covered", 0), times("covered", 1)), (4, 0), "{venue}");
        let median: Decimal = redundancy["gain_s"]["median"].as_str().expect("it gained").parse().expect("a number");
        assert!(median < Decimal::ONE, "{venue}");
        println!("{}: {redundancy}", venue["kind"]);
    }
    drop(sim);
}

#[test]
fn a_scan_says_what_is_wrong_with_its_arguments() {
    let dir = dir();
    let file = write(dir.path(), "scan.toml", &made_up(&["gate", "gate"], 1, ""));
    for (more, what) in [(["--size", "0"], "--size 0"), (["--size", "many"], "--size many"), (["--fee-bps", "1"], "--fee-bps")] {
        let done = run(crossgate(dir.path()).args(["scan", "-c"]).arg(&file).args(more)).expect(2);
        assert!(done.stderr.contains(what), "{}", done.stderr);
    }
}
