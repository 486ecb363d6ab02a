//! One accepted TCP connection: HTTP/1.1 with keep-alive, and the upgrade to WebSocket.
//!
//! Start at [`serve_connection`]. Nothing here knows a venue's protocol: requests and frames go to the task that owns the
//! world, answers come back. Every size and every queue has a cap, and what happens at the cap stands beside it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot, watch},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError,
        handshake::derive_accept_key,
        protocol::{
            CloseFrame, Message, Role, WebSocketConfig,
            frame::{Utf8Bytes, coding::CloseCode},
        },
    },
};

use super::owner::{Command, WS_QUEUE_LEN};
use crate::world::{HttpRequest, HttpResponse, WsFrame};

/// Longest request body. Gate's batches are far smaller; a longer one is answered 413.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest request head. A longer one is answered 431.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest frame and message a client may send. A longer one ends the connection, with close code 1009.
const WS_BYTES_MAX: usize = 256 * 1024;
/// How long a withheld reply keeps its connection open. A client that waits longer sees it closed.
const REPLY_WITHHELD_MAX: Duration = Duration::from_secs(60);

type Body = Full<Bytes>;

/// What every connection of one listener shares.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) venue: usize,
    pub(super) ws_paths: &'static [&'static str],
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) next_conn: Arc<AtomicU64>,
    pub(super) stop: watch::Receiver<bool>,
}

/// Serves one connection until either side ends it or the server stops.
pub(super) async fn serve_connection<S>(stream: S, desk: Desk)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stop = desk.stop.clone();
    let service = service_fn(move |request| answer(request, desk.clone()));
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a client connection ended");
            }
        }
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// A reply that never comes: hyper drops the connection when the service fails.
#[derive(Debug, thiserror::Error)]
#[error("the reply was withheld")]
struct Withheld;

async fn answer(request: Request<Incoming>, desk: Desk) -> Result<Response<Body>, Withheld> {
    if is_upgrade(&request) {
        return Ok(upgrade(request, desk));
    }
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body,
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_REQUEST_BODY", "The body is too long"));
        }
        Err(_) => return Ok(refusal(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", "The body could not be read")),
    };
    let headers =
        head.headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let request = HttpRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_bytes().to_vec(),
    };
    let (reply, replied) = oneshot::channel();
    if desk.commands.send(Command::Http { venue: desk.venue, request, reply }).await.is_err() {
        return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SERVER_ERROR", "The venue is shutting down"));
    }
    match tokio::time::timeout(REPLY_WITHHELD_MAX, replied).await {
        Ok(Ok(response)) => Ok(to_hyper(response)),
        Ok(Err(_)) | Err(_) => Err(Withheld),
    }
}

fn to_hyper(response: HttpResponse) -> Response<Body> {
    let mut builder = Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder
        .body(Full::new(Bytes::from(response.body)))
        .unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "The simulator made an invalid reply"))
}

/// What the transport itself refuses, in the form the venues have for refusals: clients parse every body as JSON, and some
/// end with an error of their own at anything else.
fn refusal(status: StatusCode, label: &'static str, message: &'static str) -> Response<Body> {
    let body = serde_json::json!({"label": label, "message": message}).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn header_has(request: &Request<Incoming>, name: header::HeaderName, word: &str) -> bool {
    let values = request.headers().get_all(name);
    let mut parts = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    parts.any(|part| part.trim().eq_ignore_ascii_case(word))
}

fn is_upgrade(request: &Request<Incoming>) -> bool {
    header_has(request, header::CONNECTION, "upgrade") && header_has(request, header::UPGRADE, "websocket")
}

/// Whether a path is meant by a pattern: the same, or with the same beginning when the pattern ends in `*`.
fn is_path_of(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |beginning| path.starts_with(beginning))
}

/// Answers the WebSocket handshake (RFC 6455, section 4.2.2) and starts the socket's task. No extension is accepted.
fn upgrade(mut request: Request<Incoming>, desk: Desk) -> Response<Body> {
    if !desk.ws_paths.iter().any(|pattern| is_path_of(pattern, request.uri().path())) {
        return refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "There is no stream on this path");
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let is_version_13 = header_has(&request, header::SEC_WEBSOCKET_VERSION, "13");
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).filter(|_| is_version_13) else {
        return refusal(StatusCode::BAD_REQUEST, "BAD_REQUEST", "The WebSocket handshake is not valid");
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    let conn = desk.next_conn.fetch_add(1, Ordering::Relaxed);
    tokio::spawn(serve_socket(upgraded, conn, path, desk));
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Full::default())
        .unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "The handshake could not be answered"))
}

async fn serve_socket(upgraded: OnUpgrade, conn: u64, path: String, mut desk: Desk) {
    let upgraded = match upgraded.await {
        Ok(upgraded) => TokioIo::new(upgraded),
        Err(error) => {
            tracing::debug!(%error, "an upgrade failed");
            return;
        }
    };
    let config = WebSocketConfig::default().max_message_size(Some(WS_BYTES_MAX)).max_frame_size(Some(WS_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
    let (frames, outgoing) = mpsc::channel(WS_QUEUE_LEN);
    let venue = desk.venue;
    let opened = Command::WsOpen { venue, conn, path, frames };
    if desk.commands.send(opened).await.is_err() {
        return;
    }
    let mut stop = desk.stop.clone();
    tokio::select! {
        () = carry_frames(socket, conn, outgoing, &mut desk) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    // The owner may have stopped already; then nobody is left to be told.
    desk.commands.send(Command::WsClosed { venue, conn }).await.ok();
}

/// Carries frames both ways until either side ends the socket.
async fn carry_frames<S>(socket: WebSocketStream<S>, conn: u64, mut outgoing: mpsc::Receiver<WsFrame>, desk: &mut Desk)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let venue = desk.venue;
    let (mut sink, mut incoming) = socket.split();
    loop {
        tokio::select! {
            // A closed queue means that the venue cut the connection: no close frame is sent.
            frame = outgoing.recv() => {
                let Some(frame) = frame else { return };
                let message = match frame {
                    WsFrame::Text(bytes) => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
                    WsFrame::Binary(bytes) => Message::binary(bytes),
                    WsFrame::Ping(bytes) => Message::Ping(bytes.into()),
                    // The WebSocket layer answered the ping when it read it.
                    WsFrame::Pong(_) => continue,
                    WsFrame::Close => Message::Close(None),
                };
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            message = incoming.next() => {
                let message = match message {
                    Some(Ok(message)) => message,
                    Some(Err(error)) => {
                        if let Some(farewell) = farewell(&error) {
                            // The socket ends either way; a client that is still sending may not read it.
                            sink.send(Message::Close(Some(farewell))).await.ok();
                        }
                        return;
                    }
                    None => return,
                };
                let frame = match message {
                    Message::Text(text) => WsFrame::Text(text.as_bytes().to_vec()),
                    Message::Binary(bytes) => WsFrame::Binary(bytes.to_vec()),
                    Message::Ping(bytes) => WsFrame::Ping(bytes.to_vec()),
                    Message::Pong(bytes) => WsFrame::Pong(bytes.to_vec()),
                    Message::Close(_) => WsFrame::Close,
                    Message::Frame(_) => continue,
                };
                if desk.commands.send(Command::WsFrame { venue, conn, frame }).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What a client that broke the framing is told before the connection ends (RFC 6455, section 7.4.1).
fn farewell(error: &WsError) -> Option<CloseFrame> {
    let (code, reason) = match error {
        WsError::Capacity(_) => (CloseCode::Size, "the message is too long"),
        WsError::Utf8(_) => (CloseCode::Invalid, "a text frame is not UTF-8"),
        WsError::Protocol(_) => (CloseCode::Protocol, "the frame is not valid"),
        _ => return None,
    };
    Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
}
