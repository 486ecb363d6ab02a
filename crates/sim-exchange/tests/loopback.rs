//! The simulated venues over real loopback sockets, plain and with TLS, asked by a minimal client of its own.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use sim_exchange::{
    protocols::protocol,
    server::{ServerConfig, ServerHandle, TlsMaterial, serve, unix_now_ns},
    world::{World, WorldConfig},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{client_async, tungstenite::Message};

const PATIENCE: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect(handle: &ServerHandle, venue: usize) -> Box<dyn Stream> {
    let tcp = TcpStream::connect(handle.addrs[venue]).await.expect("the venue listens");
    tcp.set_nodelay(true).expect("nodelay");
    let Some(ca_pem) = &handle.ca_pem else { return Box::new(tcp) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    Box::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("the certificate is trusted"))
}

fn hmac_hex(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// One signed request on an open connection, which is kept alive.
async fn ask(stream: &mut dyn Stream, method: &str, path: &str, query: &str, body: &str) -> (u16, Value) {
    let timestamp = unix_seconds();
    let hash = hex::encode(Sha512::digest(body.as_bytes()));
    let sign = hmac_hex("demo-secret-gate-a", &format!("{method}\n{path}\n{query}\n{hash}\n{timestamp}"));
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nKEY: demo-key-gate-a\r\nTimestamp: {timestamp}\r\nSIGN: {sign}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, head, body) = send(stream, &request).await;
    for name in ["x-in-time:", "x-out-time:", "x-gate-trace-id:", "x-gate-ratelimit-limit:"] {
        assert!(head.contains(name), "{name} in {head}");
    }
    (status, body)
}

/// One request on an open connection: status, head in lower case, and JSON of the reply.
async fn send(stream: &mut dyn Stream, request: &str) -> (u16, String, Value) {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut reply = Vec::new();
    let head_end = loop {
        let mut chunk = [0u8; 4096];
        let read = timeout(PATIENCE, stream.read(&mut chunk)).await.expect("a reply in time").expect("readable");
        assert!(read > 0, "the venue closed the connection");
        reply.extend_from_slice(&chunk[..read]);
        if let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(reply[..head_end].to_vec()).expect("ASCII").to_ascii_lowercase();
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let length: usize = length.trim().parse().expect("a number");
    let mut body = reply[head_end + 4..].to_vec();
    let have = body.len();
    body.resize(length, 0);
    timeout(PATIENCE, stream.read_exact(&mut body[have..])).await.expect("a body in time").expect("readable");
    (status, head, serde_json::from_slice(&body).expect("JSON"))
}

async fn a_client_session(tls: Option<TlsMaterial>) {
    let world = World::new(WorldConfig::demo(7), unix_now_ns()).expect("a valid world");
    let handle = serve(world, ServerConfig { tls, ..ServerConfig::loopback(2) }).await.expect("served");

    // Books over the stream.
    let url = handle.ws_url(0).expect("an address").replace("127.0.0.1", "localhost");
    let (mut socket, _) = client_async(url, connect(&handle, 0).await).await.expect("upgraded");
    let send = |value: Value| Message::text(value.to_string());
    let time = unix_seconds();
    let subscribe =
        json!({"time": time, "channel": "spot.order_book", "event": "subscribe", "payload": ["BTC_USDT", "5", "100ms"]});
    socket.send(send(subscribe)).await.expect("sent");
    let sign = hmac_hex("demo-secret-gate-a", &format!("channel=spot.usertrades&event=subscribe&time={time}"));
    let auth = json!({"method": "api_key", "KEY": "demo-key-gate-a", "SIGN": sign});
    socket
        .send(send(json!({"time": time, "channel": "spot.usertrades", "event": "subscribe", "payload": ["!all"], "auth": auth})))
        .await
        .expect("sent");
    let (mut acks, mut books) = (0, Vec::new());
    while acks < 2 || books.len() < 3 {
        let message = timeout(PATIENCE, socket.next()).await.expect("a frame in time").expect("open").expect("a frame");
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        match frame["event"].as_str() {
            Some("subscribe") => {
                assert_eq!(frame["result"]["status"], "success", "{frame}");
                acks += 1;
            }
            Some("update") => books.push(frame["result"].clone()),
            _ => {}
        }
    }
    let ids: Vec<u64> = books.iter().map(|book| book["lastUpdateId"].as_u64().expect("an id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert_eq!(books[0]["asks"].as_array().map(Vec::len), Some(5));

    // A signed read, an order that takes the touch, and a read again, on one connection.
    let mut rest = connect(&handle, 0).await;
    let (status, accounts) = ask(&mut *rest, "GET", "/api/v4/spot/accounts", "", "").await;
    assert_eq!(status, 200);
    assert!(accounts.as_array().is_some_and(|rows| rows.iter().any(|row| row["currency"] == "USDT")));
    let order = json!({
        "currency_pair": "BTC_USDT", "side": "buy", "type": "limit", "account": "spot", "amount": "0.001",
        "price": "99999.9", "time_in_force": "ioc", "text": "t-loopback",
    });
    let (status, placed) = ask(&mut *rest, "POST", "/api/v4/spot/orders", "", &order.to_string()).await;
    assert_eq!((status, &placed["finish_as"]), (201, &json!("filled")), "{placed}");
    let fill = loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("a fill in time").expect("open").expect("a frame");
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if frame["channel"] == "spot.usertrades" && frame["event"] == "update" {
            break frame["result"][0].clone();
        }
    };
    assert_eq!(fill["order_id"], placed["id"]);
    let (_, after) = ask(&mut *rest, "GET", "/api/v4/spot/accounts", "currency=BTC", "").await;
    let judge = handle.with_world(|world| world.balances(0, 10_001)).await.expect("the world lives");
    assert_eq!(after[0]["available"], json!(judge["BTC"].available.to_string()));
    let (status, refused) = ask(&mut *rest, "GET", "/api/v4/spot/orders/1", "currency_pair=BTC_USDT", "").await;
    assert_eq!((status, &refused["label"]), (404, &json!("ORDER_NOT_FOUND")));

    let world = timeout(PATIENCE, handle.shutdown()).await.expect("stops in time").expect("the world comes back");
    world.conservation_check().expect("no money was made");
    let ended = timeout(PATIENCE, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(ended.is_ok(), "the socket ends with the server");
}

/// The next text frame that `wanted` says yes to.
async fn frame_where<S>(socket: &mut S, wanted: impl Fn(&Value) -> bool) -> Value
where
    S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("a frame in time").expect("open").expect("a frame");
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if wanted(&frame) {
            return frame;
        }
    }
}

#[tokio::test]
async fn order_entry_on_a_warm_connection() {
    let world = World::new(WorldConfig::universe(7), unix_now_ns()).expect("a valid world");
    let handle = serve(world, ServerConfig::loopback(2)).await.expect("served");
    let url = handle.ws_url(0).expect("an address");
    let (mut socket, response) = client_async(url, connect(&handle, 0).await).await.expect("upgraded");
    assert_eq!(response.headers().get("sec-websocket-extensions"), None, "no compression is negotiated");

    let time = unix_seconds();
    let subscribe = json!({"time": time, "id": 3, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.OMG_USDT.50", "ob.BTC_USDT.50"]});
    socket.send(Message::text(subscribe.to_string())).await.expect("sent");
    let full = frame_where(&mut socket, |frame| frame["result"]["s"] == "ob.BTC_USDT.50").await;
    assert_eq!(full["result"]["full"], true);
    let last = full["result"]["u"].as_u64().expect("an id");
    let next = frame_where(&mut socket, |frame| frame["result"]["s"] == "ob.BTC_USDT.50").await;
    assert_eq!(next["result"]["U"].as_u64(), Some(last + 1));

    let order = json!({"currency_pair": "BTC_USDT", "side": "buy", "type": "market", "amount": "20", "time_in_force": "ioc"});
    let call =
        |channel: &str, payload: Value| json!({"time": time, "channel": channel, "event": "api", "payload": payload}).to_string();
    let place = call("spot.order_place", json!({"req_id": "p1", "req_param": order}));
    socket.send(Message::text(place.clone())).await.expect("sent");
    let refused = frame_where(&mut socket, |frame| frame["request_id"] == "p1").await;
    assert_eq!(refused["data"]["errs"]["label"], "AUTHENTICATION_FAILED");
    let signature = hmac_hex("demo-secret-gate-a", &format!("api\nspot.login\n\n{time}"));
    let login = json!({"req_id": "l1", "api_key": "demo-key-gate-a", "signature": signature, "timestamp": time.to_string()});
    socket.send(Message::text(call("spot.login", login))).await.expect("sent");
    let reply = frame_where(&mut socket, |frame| frame["request_id"] == "l1").await;
    assert_eq!(reply["data"]["result"]["uid"], "10001", "{reply}");
    socket.send(Message::text(place)).await.expect("sent");
    let ack = frame_where(&mut socket, |frame| frame["request_id"] == "p1").await;
    assert_eq!(ack["ack"], true);
    let done = frame_where(&mut socket, |frame| frame["request_id"] == "p1").await;
    assert_eq!((&done["header"]["status"], &done["data"]["result"]["text"]), (&json!("200"), &json!("apiv4-ws")), "{done}");
    assert_eq!(done["data"]["result"]["finish_as"], "filled", "{done}");
    let world = timeout(PATIENCE, handle.shutdown()).await.expect("stops in time").expect("the world comes back");
    world.conservation_check().expect("no money was made");
}

#[tokio::test]
async fn plain_tcp() {
    a_client_session(None).await;
}

#[tokio::test]
async fn tls_with_a_throw_away_authority() {
    let tls = TlsMaterial::generate(&["localhost", "127.0.0.1"]).expect("certificates");
    a_client_session(Some(tls)).await;
}

#[tokio::test]
async fn hostile_bytes_and_wrong_paths_do_not_stop_a_venue() {
    let world = World::new(WorldConfig::demo(7), unix_now_ns()).expect("a valid world");
    let handle = serve(world, ServerConfig::loopback(2)).await.expect("served");

    let mut garbage = connect(&handle, 0).await;
    garbage.write_all(&[0xff; 2_000]).await.expect("written");
    let mut sink = Vec::new();
    timeout(PATIENCE, garbage.read_to_end(&mut sink)).await.expect("closed in time").ok();

    let (socket, path) = (connect(&handle, 0).await, format!("ws://{}/ws/v4", handle.addrs[0]));
    assert!(client_async(path, socket).await.is_err(), "the path without its trailing slash does not exist");

    let url = handle.ws_url(0).expect("an address");
    let (mut socket, _) = client_async(url, connect(&handle, 0).await).await.expect("upgraded");
    socket.send(Message::text("x".repeat(300 * 1024))).await.ok();
    let ended = timeout(PATIENCE, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(ended.is_ok(), "an oversized frame ends the socket");

    // Broken framing ends the socket too, and says why when the client still listens.
    let mut bare = upgraded(&handle, "/v4/ws/spot").await;
    // A masked text frame of one byte that is not UTF-8.
    bare.write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.expect("written");
    let mut close = [0u8; 4];
    timeout(PATIENCE, bare.read_exact(&mut close)).await.expect("told in time").expect("a close frame");
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1007));

    let mut big = connect(&handle, 1).await;
    let head = format!("POST /api/v4/spot/orders HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 300 * 1024);
    big.write_all(head.as_bytes()).await.expect("written");
    big.write_all(&vec![b'x'; 300 * 1024]).await.ok();
    let too_long = raw_answer(&mut *big).await;
    assert!(too_long.starts_with("HTTP/1.1 413") && too_long.contains("content-type: application/json"), "{too_long}");
    assert!(too_long.ends_with(r#"{"label":"INVALID_REQUEST_BODY","message":"The body is too long"}"#), "{too_long}");

    // What the transport refuses is JSON with a label, as everything else.
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for (target, status, label) in [("/ws/v4/", "400", "BAD_REQUEST"), ("/ws/v4", "404", "NOT_FOUND")] {
        let mut plain = connect(&handle, 0).await;
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{handshake}\r\n");
        plain.write_all(request.as_bytes()).await.expect("written");
        let answer = raw_answer(&mut *plain).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(label), "{answer}");
    }

    // A broken chunk is the client's mistake, not a long body.
    let mut chunked = connect(&handle, 0).await;
    let request = "POST /api/v4/spot/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    chunked.write_all(request.as_bytes()).await.expect("written");
    let answer = raw_answer(&mut *chunked).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("INVALID_REQUEST_BODY"), "{answer}");

    // HEAD has the head of GET, and nothing after it.
    let mut head_only = connect(&handle, 0).await;
    let request = "HEAD /api/v4/spot/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    head_only.write_all(request.as_bytes()).await.expect("written");
    let mut all = String::new();
    timeout(PATIENCE, head_only.read_to_string(&mut all)).await.expect("closed in time").expect("readable");
    assert!(all.starts_with("HTTP/1.1 200") && all.ends_with("\r\n\r\n"), "{all}");

    let mut rest = connect(&handle, 0).await;
    let (status, _) = ask(&mut *rest, "GET", "/api/v4/spot/time", "", "").await;
    assert_eq!(status, 200);
}

/// A connection past the WebSocket handshake, with no client's framing on it.
async fn upgraded(handle: &ServerHandle, path: &str) -> Box<dyn Stream> {
    let mut stream = connect(handle, 0).await;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let head = raw_answer(&mut *stream).await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream
}

/// Head and body of the next answer, as text. An answer without a length has no body.
async fn raw_answer(stream: &mut dyn Stream) -> String {
    let mut answer = String::new();
    let mut byte = [0u8; 1];
    while !answer.ends_with("\r\n\r\n") {
        timeout(PATIENCE, stream.read_exact(&mut byte)).await.expect("an answer in time").expect("readable");
        answer.push(char::from(byte[0]));
    }
    let length =
        answer.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().expect("a number"));
    let mut body = vec![0u8; length];
    timeout(PATIENCE, stream.read_exact(&mut body)).await.expect("a body in time").expect("readable");
    answer + &String::from_utf8(body).expect("text")
}

/// Venues of both kinds side by side: combined streams by the query of their path, the WebSocket API, and REST in the venue's own
/// words.
#[tokio::test]
async fn a_venue_of_another_kind_is_served_beside_the_first() {
    let mut config = WorldConfig::demo(7);
    config.venues[1].kind = protocol("binance", 8).expect("known");
    let world = World::new(config, unix_now_ns()).expect("a valid world");
    let handle = serve(world, ServerConfig::loopback(2)).await.expect("served");

    let address = handle.addrs[1];
    let url = format!("ws://{address}/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms");
    let (mut socket, _) = client_async(url, connect(&handle, 1).await).await.expect("upgraded");
    let (mut tops, mut last) = (0, None);
    while tops < 3 || last.is_none() {
        let message = timeout(PATIENCE, socket.next()).await.expect("a frame in time").expect("open").expect("a frame");
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        let data = &frame["data"];
        match frame["stream"].as_str() {
            Some("btcusdt@bookTicker") => tops += 1,
            Some("btcusdt@depth@100ms") => {
                if let Some(last) = last {
                    assert_eq!(data["U"].as_u64(), Some(last + 1), "{data}");
                }
                last = data["u"].as_u64();
            }
            _ => panic!("{frame}"),
        }
    }

    let url = format!("ws://{address}/ws-api/v3");
    let (mut socket, _) = client_async(url, connect(&handle, 1).await).await.expect("upgraded");
    socket.send(Message::text(r#"{"id": "t", "method": "time"}"#)).await.expect("sent");
    let reply = loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("a frame in time").expect("open").expect("a frame");
        if let Message::Text(text) = message {
            break serde_json::from_str::<Value>(&text).expect("JSON");
        }
    };
    assert_eq!((&reply["id"], &reply["status"]), (&json!("t"), &json!(200)), "{reply}");

    let mut rest = connect(&handle, 1).await;
    rest.write_all(b"GET /api/v3/depth?symbol=NOPE HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let answer = raw_answer(&mut *rest).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(r#""code":-1121"#), "{answer}");
    assert!(answer.contains("x-mbx-used-weight-1m"), "{answer}");
    let mut gate = connect(&handle, 0).await;
    let (status, _) = ask(&mut *gate, "GET", "/api/v4/spot/time", "", "").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn only_loopback_is_served() {
    let world = World::new(WorldConfig::demo(7), unix_now_ns()).expect("a valid world");
    let listen = vec!["0.0.0.0:0".parse().expect("an address"); 2];
    assert!(serve(world, ServerConfig { listen, tls: None }).await.is_err());
}

/// Bybit's way to sign.
fn bybit_sign(message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"demo-secret-gate-a").expect("any key length");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_bybit_session_trades_over_sockets() {
    let mut config = WorldConfig::demo(7);
    config.venues[0].kind = protocol("bybit", 7).expect("known");
    let world = World::new(config, unix_now_ns()).expect("a valid world");
    let handle = serve(world, ServerConfig::loopback(2)).await.expect("served");
    let public_url = handle.ws_url(0).expect("an address").replace("127.0.0.1", "localhost");
    assert!(public_url.ends_with("/v5/public/spot"), "{public_url}");
    let private_url = public_url.replace("/public/spot", "/private?max_active_time=30s");
    let (mut private, _) = client_async(private_url, connect(&handle, 0).await).await.expect("upgraded");
    let expires = (unix_seconds() + 10) * 1_000;
    let auth = json!({"op": "auth", "args": ["demo-key-gate-a", expires, bybit_sign(&format!("GET/realtime{expires}"))]});
    private.send(Message::text(auth.to_string())).await.expect("sent");
    private.send(Message::text(json!({"op": "subscribe", "args": ["order"]}).to_string())).await.expect("sent");

    let mut rest = connect(&handle, 0).await;
    let body = json!({
        "category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "99999.9",
        "timeInForce": "IOC", "orderLinkId": "loopback-1",
    })
    .to_string();
    let timestamp = unix_now_ns() / 1_000_000;
    let sign = bybit_sign(&format!("{timestamp}demo-key-gate-a5000{body}"));
    let request = format!(
        "POST /v5/order/create HTTP/1.1\r\nHost: localhost\r\nX-BAPI-API-KEY: demo-key-gate-a\r\nX-BAPI-TIMESTAMP: {timestamp}\r\n\
         X-BAPI-RECV-WINDOW: 5000\r\nX-BAPI-SIGN: {sign}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, head, placed) = send(&mut *rest, &request).await;
    assert_eq!((status, &placed["retCode"], &placed["result"]["orderLinkId"]), (200, &json!(0), &json!("loopback-1")));
    assert!(head.contains("x-bapi-limit-status: 19"), "{head}");
    let row = loop {
        let message = timeout(PATIENCE, private.next()).await.expect("news in time").expect("open").expect("a frame");
        let Message::Text(text) = message else { continue };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        assert_ne!(frame["success"], false, "{frame}");
        if frame["topic"] == "order" {
            break frame["data"][0].clone();
        }
    };
    assert_eq!((&row["orderId"], &row["orderStatus"]), (&placed["result"]["orderId"], &json!("Filled")));
    let world = handle.shutdown().await.expect("it still runs");
    assert_eq!(world.conservation_check(), Ok(()));
}
