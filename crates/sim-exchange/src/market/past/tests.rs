//! Made-up candles as clients of three venues find them, and what they leave as it is.

use serde_json::{Value, json};

use super::*;
use crate::{
    core::PairId,
    market::{MarketPair, PairProfile},
    protocols,
    world::{HttpRequest, OutputBody, World, WorldConfig, WsFrame},
};

/// In the middle of a minute, an hour and a day; not even at a whole second.
const START_NS: u64 = 1_795_977_807_123_456_789;
const START_S: u64 = START_NS / 1_000_000_000;
const SECOND: u64 = 1_000_000_000;
const GATE: usize = 0;
const BINANCE: usize = 1;
const BYBIT: usize = 2;
/// Names of intervals by venue, with their lengths in seconds; 0 for months.
const INTERVALS: [(u64, [&str; 3]); 17] = [
    (1, ["1s", "1s", ""]),
    (10, ["10s", "", ""]),
    (60, ["1m", "1m", "1"]),
    (180, ["", "3m", "3"]),
    (300, ["5m", "5m", "5"]),
    (900, ["15m", "15m", "15"]),
    (1_800, ["30m", "30m", "30"]),
    (3_600, ["1h", "1h", "60"]),
    (7_200, ["", "2h", "120"]),
    (14_400, ["4h", "4h", "240"]),
    (21_600, ["", "6h", "360"]),
    (28_800, ["8h", "8h", ""]),
    (43_200, ["", "12h", "720"]),
    (86_400, ["1d", "1d", "D"]),
    (259_200, ["", "3d", ""]),
    (604_800, ["7d", "1w", "W"]),
    (0, ["30d", "1M", "M"]),
];

fn config(seed: u64, has_past: bool) -> WorldConfig {
    let mut config = WorldConfig::universe(seed);
    let mut third = config.venues[0].clone();
    (third.id, third.api_key, third.user_id) = ("third".to_owned(), "third-key".to_owned(), 77);
    config.venues.push(third);
    for (venue, kind) in config.venues.iter_mut().zip(["gate", "binance", "bybit"]) {
        venue.kind = protocols::protocol(kind, 1).expect("a known kind");
    }
    config.market.as_mut().expect("a market").has_past = has_past;
    config
}

fn world(seed: u64, has_past: bool) -> World {
    World::new(config(seed, has_past), START_NS).expect("a valid world")
}

/// What a venue answers to a public request.
fn get(world: &mut World, venue: usize, path: &str, query: &str) -> Value {
    let (path, query) = (path.to_owned(), query.to_owned());
    world.http(venue, 1, HttpRequest { method: "GET".to_owned(), path, query, headers: Vec::new(), body: Vec::new() });
    loop {
        while let Some(output) = world.poll_output() {
            if let OutputBody::Http { response, .. } = output.body {
                assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
                return serde_json::from_slice(&response.body).expect("JSON");
            }
        }
        let next = world.next_wakeup().expect("a reply is due");
        world.advance(next);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    start_s: u64,
    /// Open, high, low, close.
    prices: [Decimal; 4],
    base: Decimal,
    quote: Decimal,
}

fn figure(value: &Value) -> Decimal {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no decimal: {value}"))
}

/// Candles of a pair (`BTC_USDT`), oldest first.
fn candles(world: &mut World, venue: usize, pair: &str, interval: &str, limit: usize) -> Vec<Row> {
    let symbol = pair.replace('_', "");
    let (path, query) = match venue {
        GATE => ("/api/v4/spot/candlesticks", format!("currency_pair={pair}&interval={interval}&limit={limit}")),
        BINANCE => ("/api/v3/klines", format!("symbol={symbol}&interval={interval}&limit={limit}")),
        _ => ("/v5/market/kline", format!("category=spot&symbol={symbol}&interval={interval}&limit={limit}")),
    };
    let answer = get(world, venue, path, &query);
    let rows = if venue == BYBIT { &answer["result"]["list"] } else { &answer };
    let mut rows: Vec<Row> =
        rows.as_array().unwrap_or_else(|| panic!("no list: {answer}")).iter().map(|row| row_of(venue, row)).collect();
    rows.sort_by_key(|row| row.start_s);
    rows
}

fn row_of(venue: usize, row: &Value) -> Row {
    let at = |positions: [usize; 4]| positions.map(|position| figure(&row[position]));
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("a time");
    match venue {
        GATE => Row { start_s: number(&row[0]), prices: at([5, 3, 4, 2]), base: figure(&row[6]), quote: figure(&row[1]) },
        BINANCE => {
            Row { start_s: number(&row[0]) / 1_000, prices: at([1, 2, 3, 4]), base: figure(&row[5]), quote: figure(&row[7]) }
        }
        _ => Row { start_s: number(&row[0]) / 1_000, prices: at([1, 2, 3, 4]), base: figure(&row[5]), quote: figure(&row[6]) },
    }
}

/// All of them together as one candle.
fn joined(rows: &[Row]) -> Row {
    let traded: Vec<&Row> = rows.iter().filter(|row| !row.base.is_zero()).collect();
    let mut all = (*traded.first().copied().unwrap_or(&rows[0])).clone();
    all.start_s = rows[0].start_s;
    for row in traded.into_iter().skip(1) {
        all.prices[1] = all.prices[1].max(row.prices[1]);
        all.prices[2] = all.prices[2].min(row.prices[2]);
        all.prices[3] = row.prices[3];
        all.base += row.base;
        all.quote += row.quote;
    }
    all
}

fn bps(a: Decimal, b: Decimal) -> Decimal {
    (a - b).abs() * Decimal::from(10_000) / b
}

#[test]
fn every_interval_of_every_venue_reaches_back_a_thousand_candles() {
    let mut world = world(3, true);
    world.advance(START_NS + 3 * SECOND);
    for (length_s, names) in INTERVALS {
        for (venue, name) in names.into_iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let rows = candles(&mut world, venue, "BTC_USDT", name, 1_000);
            // Of weeks the running one is among them, and the first may not be whole; 1,000 months would begin before the epoch.
            let least = if length_s == 0 { 225 } else { 999 };
            assert!(rows.len() >= least, "{name} of {venue}: {}", rows.len());
            assert!(rows[rows.len() - 1].start_s <= START_S + 3, "{name} of {venue}");
            for row in &rows {
                let [open, high, low, close] = row.prices;
                assert!(low > Decimal::ZERO && low <= open.min(close) && high >= open.max(close), "{name} of {venue}: {row:?}");
                // Weeks begin on Thursdays at Gate, on Mondays elsewhere.
                let offset_s = if length_s == 604_800 && venue != GATE { 4 * 86_400 } else { 0 };
                assert_eq!((row.start_s - offset_s).checked_rem(length_s).unwrap_or(0), 0, "{name} of {venue}: {row:?}");
            }
            for pair in rows.windows(2).filter(|pair| pair[1].start_s < START_S) {
                let (before, after) = (&pair[0], &pair[1]);
                assert!(length_s == 0 || after.start_s == before.start_s + length_s, "{name} of {venue}: a hole");
                assert_eq!(after.prices[0], before.prices[3], "{name} of {venue}: {before:?} {after:?}");
                assert!(before.base > Decimal::ZERO && before.quote > Decimal::ZERO, "{name} of {venue}: {before:?}");
            }
        }
    }
}

#[test]
fn longer_candles_are_sums_of_shorter_ones() {
    let mut world = world(4, true);
    world.advance(START_NS + 5 * SECOND);
    // Between two requests nothing is traded.
    (0..3).for_each(|venue| world.market_mut().expect("a market").set_frozen(venue, true));
    for pair in ["BTC_USDT", "OMG_USDT"] {
        for venue in [GATE, BINANCE, BYBIT] {
            let mut known: Vec<(u64, &str, Vec<Row>)> = Vec::new();
            for (length_s, names) in INTERVALS.into_iter().filter(|(length_s, names)| *length_s > 0 && !names[venue].is_empty()) {
                let long = candles(&mut world, venue, pair, names[venue], 1_000);
                for (short_s, name, short) in known.iter().filter(|(short_s, ..)| length_s.is_multiple_of(*short_s)) {
                    let mut compared = 0;
                    for row in long.iter().filter(|row| row.start_s >= short[0].start_s) {
                        let parts: Vec<Row> = short
                            .iter()
                            .filter(|part| (row.start_s..row.start_s + length_s).contains(&part.start_s))
                            .cloned()
                            .collect();
                        let sum = joined(&parts);
                        // At Gate a candle without trades shows how the middle moved, and one with trades does not.
                        if !sum.base.is_zero() {
                            assert_eq!(sum, *row, "{pair} at {venue}: {} of {name} ({short_s} s)", names[venue]);
                            compared += 1;
                        }
                    }
                    assert!(compared > 0 || 1_000 * short_s < length_s, "{pair} at {venue}: {} of {name}", names[venue]);
                }
                known.push((length_s, names[venue], long));
            }
        }
    }
}

#[test]
fn the_past_leads_to_the_first_true_trade_and_is_not_in_the_list_of_trades() {
    let mut world = world(5, true);
    world.advance(START_NS + 20 * SECOND);
    for venue in [GATE, BINANCE, BYBIT] {
        let first = *world.exchange(venue).public_trades(PairId(0)).next().expect("trades");
        assert!(first.t_ns >= START_NS);
        let past = market_past(5);
        // The basis of the venue, half the spread and some seconds.
        assert!(bps(past.close(), first.price) < Decimal::from(60), "{} {}", past.close(), first.price);
        assert_eq!(past.close_before(START_S), past.close());
    }
    for venue in [GATE, BINANCE] {
        let rows = candles(&mut world, venue, "BTC_USDT", "1s", 60);
        let seam = rows.iter().position(|row| row.start_s >= START_S).expect("true seconds");
        assert!(seam > 30);
        assert!(bps(rows[seam].prices[0], rows[seam - 1].prices[3]) < Decimal::from(60));
    }
    let trades = get(&mut world, BINANCE, "/api/v3/trades", "symbol=BTCUSDT&limit=1000");
    let times = trades.as_array().expect("trades").iter().map(|trade| trade["time"].as_u64().expect("a time"));
    assert!(times.min().expect("a trade") >= START_NS / 1_000_000);
}

/// The past of BTC on the first venue.
fn market_past(seed: u64) -> Past {
    let config = config(seed, true);
    let settings = config.market.clone().expect("a market");
    let rng = Rng::fork(seed, crate::market::PAST_STREAMS);
    Past::new(&settings, &settings.pairs[0], &config.pairs[0], 612_500 * RATE_ONE, 1, START_NS, rng)
}

#[test]
fn venues_went_the_same_way_each_on_its_own_grid() {
    let mut config = config(6, true);
    let mut coarse = config.pairs.clone();
    coarse[0].precision = 0;
    config.venues[BYBIT].pairs = Some(coarse);
    // One of Binance's is a thousand of the others'.
    config.add_made_up(&["SATS_USDT".to_owned()]);
    config.venues[BINANCE].units.push(("SATS".to_owned(), 3));
    config.venues[BINANCE].names.push(("SATS".to_owned(), "1000SATS".to_owned()));
    let mut world = World::new(config, START_NS).expect("a valid world");
    let closes = |rows: Vec<Row>| -> Vec<Decimal> {
        rows.into_iter().filter(|row| row.start_s + 3_600 <= START_S).map(|row| row.prices[3]).collect()
    };
    let [gate, binance, bybit] = [(GATE, "1h"), (BINANCE, "1h"), (BYBIT, "60")]
        .map(|(venue, name)| closes(candles(&mut world, venue, "BTC_USDT", name, 500)));
    assert_eq!(gate, binance);
    assert!(gate.iter().zip(&bybit).all(|(fine, coarse)| fine.floor() == *coarse));
    let one = closes(candles(&mut world, GATE, "SATS_USDT", "1h", 500));
    let thousand = closes(candles(&mut world, BINANCE, "1000SATS_USDT", "1h", 500));
    assert!(one.iter().zip(&thousand).all(|(one, thousand)| bps(*one * Decimal::from(1_000), *thousand) < Decimal::from(3)));
}

#[test]
fn the_same_seed_makes_the_same_candles_and_another_seed_others() {
    let all = |seed: u64| -> Vec<Row> {
        let mut world = world(seed, true);
        (0..3).flat_map(|venue| candles(&mut world, venue, "ETH_USDT", INTERVALS[4].1[venue], 1_000)).collect()
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
}

#[test]
fn a_day_is_told_from_the_first_moment() {
    let mut world = world(9, true);
    world.advance(START_NS + 3 * SECOND);
    for venue in [GATE, BINANCE, BYBIT] {
        let (path, query, names) = match venue {
            GATE => {
                ("/api/v4/spot/tickers", "currency_pair=BTC_USDT", ["high_24h", "low_24h", "last", "base_volume", "quote_volume"])
            }
            BINANCE => ("/api/v3/ticker/24hr", "symbol=BTCUSDT", ["highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume"]),
            _ => (
                "/v5/market/tickers",
                "category=spot&symbol=BTCUSDT",
                ["highPrice24h", "lowPrice24h", "lastPrice", "volume24h", "turnover24h"],
            ),
        };
        let answer = get(&mut world, venue, path, query);
        let ticker = match venue {
            GATE => &answer[0],
            BINANCE => &answer,
            _ => &answer["result"]["list"][0],
        };
        let [high, low, last, base, quote] = names.map(|name| figure(&ticker[name]));
        let quarters = candles(&mut world, venue, "BTC_USDT", INTERVALS[5].1[venue], 1_000);
        let day: Vec<Row> = quarters.into_iter().filter(|row| row.start_s + 86_400 > START_S + 900).collect();
        let sum = joined(&day);
        assert!(day.len() >= 95 && low <= last && last <= high);
        assert!(high >= sum.prices[1] && low <= sum.prices[2], "{ticker}");
        assert!(base >= sum.base && base < sum.base * Decimal::new(11, 1), "{base} {}", sum.base);
        assert!(quote >= sum.quote && quote < sum.quote * Decimal::new(11, 1));
        let (percent, opened) = match venue {
            GATE => (figure(&ticker["change_percentage"]), sum.prices[0]),
            BINANCE => (figure(&ticker["priceChangePercent"]), figure(&ticker["openPrice"])),
            _ => (figure(&ticker["price24hPcnt"]) * Decimal::ONE_HUNDRED, figure(&ticker["prevPrice24h"])),
        };
        assert!(bps(opened, sum.prices[0]) < Decimal::from(300), "{opened} {}", sum.prices[0]);
        if venue != GATE {
            assert!((percent - (last - opened) * Decimal::ONE_HUNDRED / opened).abs() < Decimal::new(1, 2), "{percent}");
        }
        assert!(percent != Decimal::ZERO && percent.abs() < Decimal::from(20), "{percent}");
    }
}

#[test]
fn the_running_candle_of_a_stream_holds_what_came_before_the_start() {
    let mut world = world(10, true);
    world.ws_open(GATE, 1, "/ws/v4/");
    let request = json!({"time": START_S, "channel": "spot.candlesticks", "event": "subscribe", "payload": ["4h", "BTC_USDT"]});
    world.ws_frame(GATE, 1, WsFrame::Text(request.to_string().into_bytes()));
    world.advance(START_NS + 5 * SECOND);
    let mut rows = Vec::new();
    while let Some(output) = world.poll_output() {
        if let OutputBody::Ws { frame: WsFrame::Text(text), .. } = output.body {
            let frame: Value = serde_json::from_slice(&text).expect("JSON");
            if frame["event"] == "update" {
                rows.push(frame["result"].clone());
            }
        }
    }
    let told = rows.last().expect("a push");
    let row = candles(&mut world, GATE, "BTC_USDT", "4h", 1).remove(0);
    assert_eq!((&told["t"], figure(&told["o"])), (&Value::from(row.start_s.to_string()), row.prices[0]));
    assert!(row.start_s < START_S && figure(&told["a"]) <= row.base && figure(&told["a"]) > row.base / Decimal::TWO);
}

#[test]
fn a_world_without_a_past_begins_at_its_start_and_goes_the_same_way() {
    assert!(!MarketConfig::default().has_past, "only who asks for it gets it");
    let (mut with, mut without) = (world(11, true), world(11, false));
    for world in [&mut with, &mut without] {
        world.advance(START_NS + 5 * SECOND);
    }
    for venue in [GATE, BINANCE, BYBIT] {
        for pair in (0..7).map(PairId) {
            let [a, b] = [&with, &without].map(|world| world.exchange(venue));
            assert!(a.public_trades(pair).eq(b.public_trades(pair)));
            for side in [crate::core::Side::Buy, crate::core::Side::Sell] {
                assert_eq!(a.book(pair).top(side, 100), b.book(pair).top(side, 100));
            }
        }
    }
    for venue in [GATE, BINANCE, BYBIT] {
        for (length_s, names) in INTERVALS.into_iter().filter(|(_, names)| !names[venue].is_empty()) {
            let rows = candles(&mut without, venue, "BTC_USDT", names[venue], 1_000);
            let seconds = if length_s == 1 || length_s == 10 { 6 } else { 2 };
            assert!((1..=seconds).contains(&rows.len()), "{length_s} s of {venue}: {}", rows.len());
        }
    }
}

#[test]
fn nothing_is_made_before_somebody_asks() {
    let past = market_past(1);
    let _ = (past.ends_s(), past.close());
    assert!(past.layers.get().is_none());
    past.over(0, START_S);
    let count: usize = past.layers.get().expect("made").iter().map(|layer| layer.candles.len()).sum();
    let bytes = count * size_of::<Candle>();
    assert!((15_000..20_000).contains(&count) && bytes < 700_000, "{count} candles, {bytes} bytes");
}

#[test]
fn a_quiet_pair_stands_where_nothing_is_traded() {
    let settings = MarketConfig::default();
    let pair = MarketPair { pair: "OMG_USDT".to_owned(), price: Decimal::new(7_898, 3), profile: PairProfile::QUIET };
    let rules = PairConfig { precision: 3, amount_precision: 2, ..PairConfig::default() };
    let past = Past::new(&settings, &pair, &rules, 7_898 * RATE_ONE, 1, START_NS, Rng::new(2));
    let mut quiet = 0;
    for second in START_S - 900..START_S {
        let before = past.close_before(second);
        let row = past.over(second, second + 1);
        match row.count {
            0 => {
                quiet += 1;
                assert_eq!([row.open, row.high, row.low, row.close], [before; 4]);
                assert!(row.base.is_zero() && row.quote.is_zero());
            }
            // A single trade has a single price.
            1 => assert_eq!([row.open, row.high, row.low], [row.close; 3]),
            _ => assert_eq!(row.open, before),
        }
        assert!(row.taker_base <= row.base && row.taker_quote <= row.quote);
    }
    assert!((700..900).contains(&quiet), "a trade in ten seconds: {quiet}");
}

#[test]
fn what_cannot_be_is_empty_and_stands_still() {
    let settings = MarketConfig { flow_per_mille: 0, ..MarketConfig::default() };
    let pair = MarketPair { pair: "BTC_USDT".to_owned(), price: Decimal::from(61_250), profile: PairProfile::LARGE };
    let rules = PairConfig { precision: 1, amount_precision: 6, ..PairConfig::default() };
    let still = Past::new(&settings, &pair, &rules, 612_500 * RATE_ONE, 1, START_NS, Rng::new(1));
    let all = still.over(0, START_S);
    assert_eq!((all.count, all.open, all.close), (0, still.close(), still.close()), "books without trades");
    // A world that begins with the epoch has no room for a past.
    let early = Past::new(&MarketConfig::default(), &pair, &rules, 612_500 * RATE_ONE, 1, 90 * SECOND, Rng::new(1));
    assert_eq!((early.begins_s(86_400), early.ends_s(), early.close_before(0)), (0, 90, early.over(0, 1).open));
    assert_eq!(early.over(90, 1_000).count, 0);
    assert!(early.over(0, 90).count > 0);
}
