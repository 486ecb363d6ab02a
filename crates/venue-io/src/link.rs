//! One WebSocket link, from `Open` to its `Lost`: a task that owns the socket.
//!
//! Start at [`LinkTask::run`]. Kept true on every path:
//! 1. At most one `Connected`, first; exactly one `Lost`, last.
//! 2. Frames come out whole and in order. While the event queue is full the socket is not read, but is still written: a cancel
//!    never waits for books.
//! 3. Every wait for the peer has a deadline, except the wait for its next frame: silence is the session's to judge.
//! 4. After `Lost` is queued the task holds no socket.

use crate::clock::Clock;
use crate::connect::connect;
use crate::endpoint::Endpoint;
use crate::event::{EventSender, IoBody, IoEvent};
use crate::limits::Limits;
use domain::VenueId;
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::lookup_host;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use venue::{LinkId, LossReason};

/// Read buffer of a link, in bytes; allocated once per link.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Bytes that may wait in the write buffer of the WebSocket layer before a write counts as failed.
const WRITE_BUFFER_BYTES_MAX: usize = 4 << 20;
/// Characters of a loss detail.
const DETAIL_CHARS_MAX: usize = 160;

/// Why the driver ends a link.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// The session asked for it: close politely.
    Asked,
    /// The write queue is full: close at once.
    QueueFull,
}

/// Why a link ended.
struct Loss {
    reason: LossReason,
    detail: String,
}

impl Loss {
    fn new(reason: LossReason, detail: impl Into<String>) -> Loss {
        Loss { reason, detail: detail.into() }
    }
}

/// TCP, or TLS over it.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

type Ws = WebSocketStream<Box<dyn Socket>>;

/// An event that waits for room in the queue. Boxed only when the queue was full.
type Waiting = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// What a link needs.
pub(crate) struct LinkTask {
    pub(crate) venue: VenueId,
    pub(crate) link: LinkId,
    /// `None` for a role without a WebSocket.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) events: EventSender,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
}

impl LinkTask {
    /// Connects, carries frames both ways until something ends the link, and tells.
    pub(crate) async fn run(self, mut frames: mpsc::Receiver<String>, mut stop: oneshot::Receiver<Stop>) {
        let mut waiting: Waiting = None;
        let loss = self.carry(&mut frames, &mut stop, &mut waiting).await;
        // A closed frame queue is how the driver sees that the link may be opened again: before the caller can know.
        drop(frames);
        finish(&mut waiting).await;
        let detail = one_line(&loss.detail);
        tracing::debug!(venue = self.venue.0, link = ?self.link, reason = loss.reason.as_str(), detail, "link lost");
        self.events.send(self.event(IoBody::Lost { link: self.link, reason: loss.reason, detail })).await;
    }

    fn event(&self, body: IoBody) -> IoEvent {
        IoEvent { venue: self.venue, received: self.clock.now(), body }
    }

    async fn carry(
        &self,
        frames: &mut mpsc::Receiver<String>,
        stop: &mut oneshot::Receiver<Stop>,
        waiting: &mut Waiting,
    ) -> Loss {
        let connected = tokio::select! {
            biased;
            asked = &mut *stop => return stopped(asked),
            connected = timeout(self.limits.handshake, self.connect()) => connected,
        };
        let (mut ws, peer) = match connected {
            Ok(Ok(up)) => up,
            Ok(Err(loss)) => return loss,
            Err(_) => return Loss::new(LossReason::ConnectFailed, "connect and handshake took too long"),
        };
        self.queue(IoBody::Connected { link: self.link, peer }, waiting);
        loop {
            tokio::select! {
                biased;
                asked = &mut *stop => {
                    if !matches!(asked, Ok(Stop::QueueFull)) {
                        let _ = timeout(self.limits.close, self.close(&mut ws, frames, waiting)).await;
                    }
                    return stopped(asked);
                }
                Some(text) = frames.recv() => match timeout(self.limits.write, write(&mut ws, text, frames)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return loss_of(&error),
                    Err(_) => return Loss::new(LossReason::SocketError, "a write took too long: the peer does not read"),
                },
                () = finish(waiting), if waiting.is_some() => {}
                message = ws.next(), if waiting.is_none() => match message {
                    Some(Ok(Message::Close(frame))) => {
                        // The answer is queued already. Nothing may follow the peer's close frame, so no more is read.
                        let _ = timeout(self.limits.close, ws.flush()).await;
                        let detail = frame.map_or_else(String::new, |f| format!("{} {}", u16::from(f.code), f.reason));
                        return Loss::new(LossReason::ClosedByPeer, detail);
                    }
                    Some(Ok(message)) => {
                        if let Some(bytes) = payload(message) {
                            self.queue(IoBody::Frame { link: self.link, bytes }, waiting);
                        }
                        // A burst or a flood of pings on one link must not keep the thread from the others.
                        tokio::task::consume_budget().await;
                    }
                    Some(Err(error)) => return loss_of(&error),
                    None => return Loss::new(LossReason::ClosedByPeer, "end of stream"),
                },
            }
        }
    }

    /// Hands an event to the caller, or keeps it in `waiting` when the queue is full.
    fn queue(&self, body: IoBody, waiting: &mut Waiting) {
        if let Err(event) = self.events.try_send(self.event(body)) {
            let events = self.events.clone();
            *waiting = Some(Box::pin(async move { events.send(event).await }));
        }
    }

    /// Name look-up, TCP, TLS, WebSocket handshake. The session's first byte leaves only after the last of them.
    async fn connect(&self) -> Result<(Ws, SocketAddr), Loss> {
        let failed = |error: io::Error| Loss::new(LossReason::ConnectFailed, error.to_string());
        let Some(endpoint) = &self.endpoint else {
            return Err(Loss::new(LossReason::ConnectFailed, "this role has no WebSocket"));
        };
        let tcp = match endpoint.localhost_addresses() {
            Some(addresses) => connect(addresses).await,
            None => connect(lookup_host((endpoint.host.as_str(), endpoint.port)).await.map_err(failed)?).await,
        }
        .map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let peer = tcp.peer_addr().map_err(failed)?;
        let socket: Box<dyn Socket> = if endpoint.tls {
            let name = ServerName::try_from(endpoint.host.clone())
                .map_err(|_| Loss::new(LossReason::TlsRefused, "the host is no name that a certificate can hold"))?;
            let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await.map_err(|error| {
                let refused = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
                let reason = if refused { LossReason::TlsRefused } else { LossReason::ConnectFailed };
                Loss::new(reason, error.to_string())
            })?;
            Box::new(tls)
        } else {
            Box::new(tcp)
        };
        let mut request = endpoint.url.as_str().into_client_request().map_err(|e| connect_failed(&e))?;
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(crate::USER_AGENT));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_frame_size(Some(self.limits.frame_bytes_max))
            .max_message_size(Some(self.limits.message_bytes_max));
        let (ws, _) =
            tokio_tungstenite::client_async_with_config(request, socket, Some(config)).await.map_err(|e| connect_failed(&e))?;
        Ok((ws, peer))
    }

    /// The polite end: what was queued goes out, then the close frame; what the peer sent before its own is still handed on.
    async fn close(&self, ws: &mut Ws, frames: &mut mpsc::Receiver<String>, waiting: &mut Waiting) {
        while let Ok(text) = frames.try_recv() {
            if write(ws, text, frames).await.is_err() {
                return;
            }
        }
        if ws.close(None).await.is_err() {
            return;
        }
        loop {
            finish(waiting).await;
            match ws.next().await {
                // Both have said it: the peer need not close the socket first.
                Some(Ok(Message::Close(_))) | Some(Err(_)) | None => return,
                Some(Ok(message)) => {
                    if let Some(bytes) = payload(message) {
                        self.queue(IoBody::Frame { link: self.link, bytes }, waiting);
                    }
                }
            }
        }
    }
}

/// Completes the waiting event, if any. Safe to drop before it is ready: the event keeps its place.
async fn finish(waiting: &mut Waiting) {
    if let Some(event) = waiting {
        event.await;
    }
    *waiting = None;
}

/// Writes `text` and whatever else is queued, with one flush.
async fn write(ws: &mut Ws, text: String, frames: &mut mpsc::Receiver<String>) -> Result<(), WsError> {
    ws.feed(Message::text(text)).await?;
    while let Ok(text) = frames.try_recv() {
        ws.feed(Message::text(text)).await?;
    }
    ws.flush().await
}

/// The bytes of a message for the session; pings and pongs have none (pings are answered by the WebSocket layer).
fn payload(message: Message) -> Option<Vec<u8>> {
    match message {
        Message::Text(text) => Some(Vec::from(tokio_tungstenite::tungstenite::Bytes::from(text))),
        Message::Binary(bytes) => Some(Vec::from(bytes)),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

fn stopped(asked: Result<Stop, oneshot::error::RecvError>) -> Loss {
    match asked {
        Ok(Stop::QueueFull) => Loss::new(LossReason::SocketError, "the write queue is full"),
        // The driver itself is gone: nobody wants the link any more.
        Ok(Stop::Asked) | Err(_) => Loss::new(LossReason::ClosedByUs, ""),
    }
}

fn connect_failed(error: &WsError) -> Loss {
    Loss::new(LossReason::ConnectFailed, error.to_string())
}

/// The reason behind an error on a link that was up.
fn loss_of(error: &WsError) -> Loss {
    let reason = match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => LossReason::ClosedByPeer,
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => LossReason::ClosedByPeer,
        WsError::Capacity(_) | WsError::Protocol(_) | WsError::Utf8(_) | WsError::AttackAttempt => LossReason::ProtocolError,
        _ => LossReason::SocketError,
    };
    Loss::new(reason, error.to_string())
}

/// One short line: a peer chooses parts of this text, and it ends in logs.
fn one_line(text: &str) -> String {
    text.chars().take(DETAIL_CHARS_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_write_lines_into_the_log() {
        assert_eq!(one_line("1000 bye\nERROR \u{1b}[31m"), "1000 bye?ERROR ?[31m");
        assert_eq!(one_line(&"ä".repeat(500)).chars().count(), DETAIL_CHARS_MAX);
    }
}
