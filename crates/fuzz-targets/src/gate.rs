//! Gate's frames and bodies: any bytes are answered, what is decoded is sound, a reused decoder says what a fresh one says, and a
//! book prints back to itself.

use crate::bytes::Choices;
use crate::sound;
use domain::{
    AssetId, BalanceReport, BalanceSource, Fill, Input, InstrumentKind, Level, MarketNews, MonoNanos, OrderReport, OrderSource,
    OrderUpdate, PairId, PairInfo, PairScale, Symbol, Tables, UnixNanos, VenueId,
};
use gate_connector::rest::RestReader;
use gate_connector::rest::limits;
use gate_connector::wire::frames::{BookFrame, BookFrameBody, Channel, Frame};
use gate_connector::wire::news::NewsWanted;
use gate_connector::wire::order_entry::{EntryBody, EntryFrame};
use gate_connector::wire::rows::{OrderRow, Stamp};
use gate_connector::wire::{Decoder, PairNames, Reject};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

const RECEIVED: MonoNanos = MonoNanos(77);
const STAMP: Stamp = Stamp { source: OrderSource::Query, received: RECEIVED, requested: MonoNanos(70) };

/// BTC/USDT (2 price, 6 quantity decimals) and ETH/USDT (2, 4), with the assets that fees may come in.
pub fn tables() -> Arc<Tables> {
    static TABLES: OnceLock<Arc<Tables>> = OnceLock::new();
    let pair = |symbol: &str, base, price, qty| PairInfo {
        symbol: Symbol::parse(symbol).expect("a symbol"),
        kind: InstrumentKind::Spot,
        base: AssetId(base),
        quote: AssetId(4),
        scale: PairScale::new(price, qty).expect("small decimals"),
    };
    let make = || {
        Arc::new(Tables {
            venues: vec!["gate-a".into()],
            pairs: vec![pair("BTC/USDT", 0, 2, 6), pair("ETH/USDT", 1, 2, 4)],
            assets: ["BTC", "ETH", "GT", "POINT", "USDT"].map(String::from).to_vec(),
        })
    };
    Arc::clone(TABLES.get_or_init(make))
}

fn decoder() -> Decoder {
    let names = PairNames::new(VenueId(0), tables(), &[PairId(0), PairId(1)]);
    Decoder::new(names).wanting(NewsWanted { book_ticker: true, trades: true, tickers: true })
}

thread_local! {
    static USED: RefCell<Decoder> = RefCell::new(decoder());
}

/// What a fresh decoder says, after a used one has said the same.
fn both<T: PartialEq + std::fmt::Debug>(bytes: &[u8], decode: impl Fn(&mut Decoder, &mut [u8]) -> T) -> T {
    let fresh = decode(&mut decoder(), &mut bytes.to_vec());
    let used = USED.with_borrow_mut(|used| decode(used, &mut bytes.to_vec()));
    assert_eq!(used, fresh, "a used decoder and a fresh one differ on {:?}", String::from_utf8_lossy(bytes));
    fresh
}

fn check_order(update: &OrderUpdate) {
    sound::journalled(&Input::Order(*update));
}

fn check_row(row: &OrderRow) {
    let (OrderReport::Open { filled } | OrderReport::Finished { filled, .. }) = row.update.report else {
        panic!("a row of an order tells how it stands: {row:?}")
    };
    assert!(row.qty.is_none_or(|qty| filled <= qty), "more is filled than was ordered: {row:?}");
    assert!(row.price.is_none_or(|price| price.units() > 0), "{row:?}");
    check_order(&row.update);
}

fn check_fill(fill: &Fill) {
    assert!(!fill.qty.is_zero() && fill.price.units() > 0 && fill.fees.len() <= 3, "{fill:?}");
    sound::journalled(&Input::Fill(fill.clone()));
}

fn check_frame(frame: &Frame) {
    match frame {
        Frame::Book(book) => check_book(book),
        Frame::Top(top) => {
            for level in [top.bid, top.ask].into_iter().flatten() {
                assert!(level.price.units() > 0, "{top:?}");
            }
        }
        Frame::Trade(trade) => {
            assert!(!trade.qty.is_zero() && trade.price.units() > 0, "{trade:?}");
            sound::journalled(&Input::Market(MarketNews::Trade(trade.clone())));
        }
        Frame::Ticker(ticker) => sound::journalled(&Input::Market(MarketNews::Ticker(*ticker))),
        Frame::Orders(rows) => rows.iter().for_each(check_row),
        Frame::Fills(fills) => fills.iter().for_each(check_fill),
        Frame::Balances(entries) => sound::journalled(&Input::Balances(BalanceReport {
            venue: VenueId(0),
            source: BalanceSource::Stream,
            requested: RECEIVED,
            received: RECEIVED,
            entries: entries.clone(),
        })),
        Frame::Reply(_) | Frame::Pong(_) | Frame::Upgrade | Frame::Ignored => {}
    }
}

fn check_book(book: &BookFrame) {
    match &book.body {
        BookFrameBody::Full { id, bids, asks } => {
            sound::snapshot(*id, bids, asks);
            let printed = print_full(book, *id, bids, asks);
            let back = decoder().frame(&mut printed.clone().into_bytes(), RECEIVED);
            let Ok(Frame::Book(BookFrame { pair, body, .. })) = back else { panic!("{printed} is no book: {back:?}") };
            assert_eq!((pair, &body), (book.pair, &book.body), "{printed}");
        }
        BookFrameBody::Delta(delta) => sound::delta(delta.first, delta.last, &delta.bids, &delta.asks),
    }
}

/// The frame of `spot.order_book` that says this.
fn print_full(book: &BookFrame, id: u64, bids: &[Level], asks: &[Level]) -> String {
    let tables = tables();
    let info = tables.pair(book.pair).expect("decoded pairs are configured");
    let side = |levels: &[Level]| {
        let mut text = String::new();
        for level in levels {
            let comma = if text.is_empty() { "" } else { "," };
            let (price, qty) = (info.scale.price_text(level.price), info.scale.qty_text(level.qty));
            let _ = write!(text, r#"{comma}["{price}","{qty}"]"#);
        }
        text
    };
    format!(
        r#"{{"time":1,"time_ms":1750000000123,"channel":"spot.order_book","event":"update","result":{{"t":1750000000120,"lastUpdateId":{id},"s":"{}_{}","bids":[{}],"asks":[{}]}}}}"#,
        info.symbol.base,
        info.symbol.quote,
        side(bids),
        side(asks)
    )
}

fn push(channel: Channel, result: &str) -> String {
    format!(r#"{{"time":1,"time_ms":1750000000123,"channel":"{}","event":"update","result":{result}}}"#, channel.as_str())
}

const FULL: &str = r#"{"t":1750000000120,"lastUpdateId":7,"s":"BTC_USDT","l":"20","bids":[["100.10","0.0000001234"],["98.5","2"]],"asks":[["100.2","3"],["101","1.5"]]}"#;
const CHANGE: &str = r#"{"t":1750000000120,"e":"depthUpdate","E":1,"s":"ETH_USDT","U":8,"u":9,"b":[["2.5","0"],["2","3"],["1.5","1"]],"a":[["3","1"]],"l":"100"}"#;
const OBU_FULL: &str = r#"{"t":1750000000120,"full":true,"s":"ob.BTC_USDT.50","u":12,"b":[["1","2"]],"a":[["2","1"],["3","1"]]}"#;
const OBU_CHANGE: &str = r#"{"t":1750000000121,"s":"ob.BTC_USDT.50","U":13,"u":14,"b":[["1","0"]],"a":[]}"#;
const TOP: &str = r#"{"t":1750000000120,"u":9,"s":"BTC_USDT","b":"100.1","B":"2","a":"100.2","A":"0"}"#;
const TRADE: &str =
    r#"{"id":3,"create_time_ms":"1750000000123.45","side":"sell","currency_pair":"BTC_USDT","amount":"0.01","price":"100.1"}"#;
const TICKER: &str = r#"{"currency_pair":"BTC_USDT","last":"100.1","lowest_ask":"100.2","highest_bid":"100.1","change_percentage":"-0.5","base_volume":"12.5","quote_volume":"1250.1","high_24h":"110","low_24h":"90"}"#;
const ORDER: &str = r#"{"id":"745504484392","text":"t-00100000023000000004","create_time_ms":"1733442414447","status":"cancelled","event":"finish","currency_pair":"BTC_USDT","type":"limit","account":"spot","side":"buy","amount":"0.0012","price":"80000","time_in_force":"ioc","left":"0.0002","filled_amount":"0.001","filled_total":"80","avg_deal_price":"80000","fee":"0","finish_as":"ioc"}"#;
const FILL: &str = r#"{"id":5736713,"order_id":"30784428","currency_pair":"BTC_USDT","create_time_ms":"1605176741123.456","side":"sell","amount":"0.001","role":"taker","price":"10000.1","fee":"0.00201","fee_currency":"USDT","point_fee":"0","gt_fee":"0.1","text":"t-00100000023000000004"}"#;
const BALANCE: &str = r#"{"timestamp":"1667556323","timestamp_ms":"1667556323730","user":"1","currency":"USDT","change":"-3.5","total":"222.2","available":"220.1","freeze":"2.1","update_id":98}"#;

/// Channels of books and public news, with a result each.
const PUBLIC: [(Channel, &str); 7] = [
    (Channel::OrderBook, FULL),
    (Channel::OrderBookUpdate, CHANGE),
    (Channel::Obu, OBU_FULL),
    (Channel::Obu, OBU_CHANGE),
    (Channel::BookTicker, TOP),
    (Channel::Trades, TRADE),
    (Channel::Tickers, TICKER),
];

/// Channels of private news, with a row each.
const PRIVATE: [(Channel, &str); 3] = [(Channel::Orders, ORDER), (Channel::UserTrades, FILL), (Channel::Balances, BALANCE)];

/// Whole frames of every kind.
pub fn frame_seeds() -> Vec<Vec<u8>> {
    let mut all: Vec<String> = PUBLIC.iter().map(|(channel, result)| push(*channel, result)).collect();
    all.extend(PRIVATE.iter().map(|(channel, row)| push(*channel, &format!("[{row}]"))));
    all.extend(
        [
            r#"{"time":1,"time_ms":1750000000123,"channel":"spot.pong","event":"","result":null}"#,
            r#"{"channel":"spot.system","event":"update","result":{"type":"upgrade","msg":"x"}}"#,
            r#"{"time":1,"id":5,"channel":"spot.order_book","event":"subscribe","payload":["ETH_USDT","20","100ms"],"error":null,"result":{"status":"success"}}"#,
            r#"{"time":1,"id":5,"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.50"],"error":{"code":2,"message":"Alert sub ob.BTC_USDT.50"},"result":null}"#,
            r#"{"error":{"code":1,"message":"request message need json scheme"}}"#,
            r#"{"channel":"futures.order_book","event":"update","result":{}}"#,
        ]
        .map(String::from),
    );
    all.into_iter().map(String::into_bytes).collect()
}

/// Any bytes as a frame of the streams.
///
/// # Panics
/// On a finding.
pub fn frame(data: &[u8]) {
    if let Ok(frame) = both(data, |decoder, bytes| decoder.frame(bytes, RECEIVED)) {
        check_frame(&frame);
    }
}

/// Results of book and news channels; the first byte names the channel.
pub fn book_seeds() -> Vec<Vec<u8>> {
    PUBLIC.iter().enumerate().map(|(i, (_, result))| [&[i as u8][..], result.as_bytes()].concat()).collect()
}

/// The result of a push on a public channel, in a frame that is right.
///
/// # Panics
/// On a finding.
pub fn book(data: &[u8]) {
    within(data, &PUBLIC, |text| text.to_string());
}

/// Rows of private channels; the first byte names the channel.
pub fn private_seeds() -> Vec<Vec<u8>> {
    PRIVATE.iter().enumerate().map(|(i, (_, row))| [&[i as u8][..], row.as_bytes()].concat()).collect()
}

/// A row of a private push, in a frame that is right.
///
/// # Panics
/// On a finding.
pub fn private(data: &[u8]) {
    within(data, &PRIVATE, |text| format!("[{text}]"));
}

fn within(data: &[u8], channels: &[(Channel, &str)], wrap: impl Fn(&str) -> String) {
    let mut choices = Choices::new(data);
    let (channel, _) = channels[usize::from(choices.byte()) % channels.len()];
    let text = String::from_utf8_lossy(choices.rest()).into_owned();
    frame(push(channel, &wrap(&text)).as_bytes());
}

const ENTRY_CHANNELS: [&str; 8] = [
    "spot.login",
    "spot.order_place",
    "spot.order_cancel",
    "spot.order_amend",
    "spot.order_status",
    "spot.order_cancel_ids",
    "spot.order_cancel_cp",
    "spot.order_list",
];

/// Replies of order entry; a first byte below `{` names the channel and the rest is the `data`, anything else is a whole frame.
pub fn entry_seeds() -> Vec<Vec<u8>> {
    let mut all = vec![
        br#"{"request_id":"r42","header":{"response_time":"1750000000123","status":"200","channel":"spot.order_place","event":"api","x_gate_ratelimit_limit":10,"x_gate_ratelimit_requests_remain":9,"x_gat_ratelimit_reset_timestamp":1750000001},"ack":true,"data":{"result":{"req_id":"r42"}}}"#.to_vec(),
        br#"{"time":1,"channel":"spot.pong","event":"","result":null}"#.to_vec(),
        br#"{"request_id":"r1","header":{"status":"401","channel":"spot.login"},"data":{"errs":{"label":"INVALID_KEY","message":"label: INVALID_KEY, message: x"}}}"#.to_vec(),
    ];
    for (i, data) in [
        r#"{"result":{"api_key":"key","uid":"1"}}"#.to_string(),
        format!(r#"{{"result":{ORDER}}}"#),
        format!(r#"{{"result":{ORDER},"errs":null}}"#),
        format!(r#"{{"result":{ORDER}}}"#),
        format!(r#"{{"result":{ORDER}}}"#),
        r#"{"result":[{"currency_pair":"BTC_USDT","id":"77","text":"t-a","succeeded":true,"label":""},{"id":"78","succeeded":false,"label":"ORDER_NOT_FOUND"}]}"#.to_string(),
        format!(r#"{{"result":[{ORDER},{{"succeeded":false,"label":"ORDER_CLOSED","currency_pair":"BTC_USDT","text":"t-00100000023000000005","id":"9"}}]}}"#),
        r#"{"result":[]}"#.to_string(),
    ]
    .iter()
    .enumerate()
    {
        all.push([&[i as u8][..], data.as_bytes()].concat());
    }
    all
}

/// Replies of order entry.
///
/// # Panics
/// On a finding.
pub fn entry(data: &[u8]) {
    let whole = match data.split_first() {
        Some((choice, rest)) if *choice < b'{' => {
            let channel = ENTRY_CHANNELS[usize::from(*choice) % ENTRY_CHANNELS.len()];
            let rest = String::from_utf8_lossy(rest);
            format!(r#"{{"request_id":"r42","header":{{"status":"200","channel":"{channel}","event":"api"}},"data":{rest}}}"#)
                .into_bytes()
        }
        _ => data.to_vec(),
    };
    let Ok(EntryFrame::Reply(reply)) = both(&whole, |decoder, bytes| decoder.entry_frame(bytes, RECEIVED)) else { return };
    match &reply.body {
        EntryBody::Order(Ok(Some(row))) => check_row(row),
        EntryBody::CancelPair(Ok(rows)) => rows.iter().for_each(check_order),
        EntryBody::CancelIds(Ok(rows)) => {
            for row in rows {
                let short = |text: &String| text.chars().count() <= 64;
                assert!(short(&row.id) && row.text.iter().chain(&row.label).all(short), "{row:?}");
            }
        }
        EntryBody::Failed(Some(label)) => {
            assert!(!label.cut().as_str().chars().any(char::is_control), "{label:?}");
            let _ = label.class(reply.status);
        }
        _ => {}
    }
}

const PAIR_ROW: &str = r#"{"id":"BTC_USDT","base":"BTC","quote":"USDT","fee":"0.2","min_base_amount":"0.0001","min_quote_amount":"3","max_quote_amount":"5000000","amount_precision":6,"precision":2,"trade_status":"tradable","sell_start":0,"buy_start":0,"type":"normal","trade_url":"x","st_tag":false}"#;

/// Bodies of the REST answers that a session, start-up or `doctor` reads.
pub fn rest_seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"server_time":1750000000123}"#.to_string(),
        r#"{"id":5,"current":1750000000123,"update":1750000000100,"asks":[["2","1"]],"bids":[["1","1.5"],["0.5","2"]]}"#.to_string(),
        r#"[{"currency":"USDT","available":"4.1","locked":"1.1","update_id":98},{"currency":"DOGE","available":"1","locked":"0"}]"#.to_string(),
        ORDER.to_string(),
        format!("[{ORDER}]"),
        format!(r#"[{{"currency_pair":"BTC_USDT","total":1,"orders":[{ORDER}]}},{{"currency_pair":"XRP_USDT","total":2,"orders":[{{}},{{}}]}}]"#),
        format!("[{FILL}]"),
        r#"{"user_id":1,"taker_fee":"0.001","maker_fee":"-0.0001","gt_discount":true,"gt_taker_fee":"0.0009","gt_maker_fee":"0.0008","debit_fee":1}"#.to_string(),
        r#"[{"state":1,"key":"ours","ip_whitelist":["1.1.1.1"],"perms":[{"name":"spot","read_only":false},{"name":"wallet","read_only":true}]}]"#.to_string(),
        r#"{"user_id":1,"ip_whitelist":["127.0.0.1"],"currency_pairs":["BTC_USDT"],"key":{"mode":1},"tier":0}"#.to_string(),
        r#"{"label":"BALANCE_NOT_ENOUGH","message":"Not enough balance"}"#.to_string(),
        format!("[{PAIR_ROW}]"),
        PAIR_ROW.to_string(),
        format!("[{TICKER}]"),
        r#"[["1750000000","12.5","100.1","101","99","100","0.1","true"]]"#.to_string(),
        r#"[{"name":"BTC","delisted":false,"chains":[{"name":"BTC","addr":"","withdraw_disabled":false}]}]"#.to_string(),
        r#"{"triggerTime":"1750000030000"}"#.to_string(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// A body, by every decoder of the session and of start-up.
///
/// # Panics
/// On a finding.
pub fn rest(data: &[u8]) {
    if let Ok(book) = both(data, |decoder, bytes| decoder.base_book(bytes, PairId(0))) {
        sound::snapshot(book.id, &book.bids, &book.asks);
    }
    let _ = both(data, |decoder, bytes| decoder.time(bytes));
    if let Ok(entries) = both(data, |decoder, bytes| decoder.accounts(bytes)) {
        let mut assets: Vec<AssetId> = entries.iter().map(|entry| entry.asset).collect();
        assets.sort();
        assert!(assets.is_sorted_by(|a, b| a < b), "an asset is stated twice: {entries:?}");
    }
    if let Ok(Some(row)) = both(data, |decoder, bytes| decoder.order(bytes, STAMP)) {
        check_row(&row);
    }
    if let Ok(rows) = both(data, |decoder, bytes| decoder.cancelled(bytes, STAMP)) {
        rows.iter().for_each(check_order);
    }
    if let Ok(page) = both(data, |decoder, bytes| decoder.open_orders(bytes, STAMP)) {
        page.orders.iter().for_each(check_row);
    }
    if let Ok((fills, rows)) = both(data, |decoder, bytes| decoder.my_trades(bytes, STAMP)) {
        assert!(fills.len() <= rows);
        fills.iter().for_each(check_fill);
    }
    if let Ok(fees) = both(data, |decoder, bytes| decoder.fee(bytes, PairId(1))) {
        sound::journalled(&Input::Fees(fees));
    }
    let _ = both(data, |decoder, bytes| decoder.key_facts(bytes, |key| key == "ours"));
    let _ = both(data, |decoder, bytes| decoder.account_detail(bytes));
    if let Some(label) = both(data, |decoder, bytes| decoder.error_label(bytes)) {
        assert!(!label.cut().as_str().chars().any(char::is_control), "{label:?}");
    }
    rules(data);
}

fn rules(data: &[u8]) {
    let symbols = [Symbol::parse("BTC/USDT").expect("a symbol")];
    let Ok(rules) =
        gate_connector::rules::decode_at(200, &mut data.to_vec(), &symbols, Some(UnixNanos(1_750_000_000_000_000_000)))
    else {
        return;
    };
    assert_eq!(rules.len(), 1);
    // Whatever is published either makes tables or is refused by name.
    if let Ok((tables, scaled)) = venue::build_tables(&symbols, &[("gate-a".into(), rules)], &["GT"]) {
        let scale = tables.pairs[0].scale;
        assert!(scale.price_decimals() + scale.qty_decimals() <= 18);
        for one in scaled {
            assert!(one.price_step > 0 && one.qty_step.units() > 0, "{one:?}");
            sound::journalled(&Input::Rules(one));
        }
    }
}

type Read = fn(&mut RestReader, &mut [u8]) -> Result<(), Reject>;

/// The decoders of the whole catalogue.
const CATALOGUE: &[Read] = &[
    |r, b| r.time(b).map(drop),
    |r, b| r.currencies(b).map(drop),
    |r, b| r.currency(b).map(drop),
    |r, b| r.pairs(b).map(drop),
    |r, b| r.pair(b).map(drop),
    |r, b| r.tickers(b).map(drop),
    |r, b| r.order_book(b, true).map(drop),
    |r, b| r.trades(b).map(drop),
    |r, b| r.candlesticks(b).map(drop),
    |r, b| r.currency_chains(b).map(drop),
    |r, b| r.fee(b).map(|fee| fee.effective()).map(|_| ()),
    |r, b| r.batch_fee(b).map(drop),
    |r, b| r.debit_fee(b).map(drop),
    |r, b| r.rate_limit(b).map(drop),
    |r, b| r.detail(b).map(drop),
    |r, b| {
        r.main_keys(b).map(|keys| assert!(keys.iter().all(|key| u8::from(key.can_trade()) + u8::from(key.can_withdraw()) < 3)))
    },
    |r, b| r.accounts(b).map(drop),
    |r, b| r.account_book(b).map(drop),
    |r, b| r.total_balance(b).map(drop),
    |r, b| r.withdraw_status(b).map(drop),
    |r, b| r.deposit_address(b).map(drop),
    |r, b| r.transfers(b).map(drop),
    |r, b| r.unified_mode(b).map(drop),
    |r, b| r.order(b).map(|order| assert!(order.has_ended() || order.ending().is_none() || order.fees().len() < 9)),
    |r, b| r.order_reply(b).map(drop),
    |r, b| r.orders(b).map(drop),
    |r, b| r.items(b).map(drop),
    |r, b| r.open_orders(b).map(drop),
    |r, b| r.my_trades(b).map(drop),
    |r, b| r.countdown(b).map(drop),
];

/// A body, by every decoder of the catalogue, fresh and used.
///
/// # Panics
/// On a finding.
pub fn catalogue(data: &[u8]) {
    let mut used = RestReader::default();
    for (index, read) in CATALOGUE.iter().enumerate() {
        let fresh = read(&mut RestReader::default(), &mut data.to_vec());
        assert_eq!(read(&mut used, &mut data.to_vec()), fresh, "decoder {index}");
    }
    let error = used.error(400, &mut data.to_vec());
    let _ = (error.class(), error.disposition(), error.placement());
    if let Ok(text) = std::str::from_utf8(data) {
        let headers = ["x-gate-ratelimit-limit", "x-gate-ratelimit-requests-remain", "x-gate-ratelimit-reset-timestamp"];
        let headers: Vec<(String, String)> = headers.iter().map(|name| ((*name).to_string(), text.to_string())).collect();
        let _ = limits::from_http(&headers);
    }
}
