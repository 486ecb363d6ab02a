//! The ops port's connections, a bounded number of them: whoever opens more, or keeps them open and says nothing, must not take the
//! descriptors that orders, logs and the latch need. The newest are served; the oldest is closed for one more.

use axum::serve::Listener;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Connections at once: a scraper, a few people's browsers, scripts.
const CONNECTIONS_MAX: usize = 64;

/// Accepts without an end, and keeps [`CONNECTIONS_MAX`] open.
pub struct OpsListener {
    listener: TcpListener,
    /// Of every open connection, oldest first; dropping one closes it.
    open: VecDeque<oneshot::Sender<Infallible>>,
}

impl OpsListener {
    /// One without connections.
    pub fn new(listener: TcpListener) -> OpsListener {
        OpsListener { listener, open: VecDeque::new() }
    }
}

impl Listener for OpsListener {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        self.open.retain(|connection| !connection.is_closed());
        if self.open.len() >= CONNECTIONS_MAX {
            self.open.pop_front();
        }
        let (keep, given_up) = oneshot::channel();
        self.open.push_back(keep);
        (Held { stream, given_up }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when its place is needed.
pub struct Held {
    stream: TcpStream,
    given_up: oneshot::Receiver<Infallible>,
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if Pin::new(&mut self.given_up).poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if Pin::new(&mut self.given_up).poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn idle_connections_keep_nobody_out_and_no_descriptors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "ok" }));
        tokio::spawn(async move { axum::serve(OpsListener::new(listener), app).await.unwrap() });
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX + 8 {
            let mut one = TcpStream::connect(address).await.unwrap();
            // A header that never ends.
            one.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
            idle.push(one);
        }
        let mut asked = TcpStream::connect(address).await.unwrap();
        asked.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
        // The oldest were closed: nine were too many.
        for one in &mut idle[..9] {
            let mut end = [0];
            assert!(matches!(one.read(&mut end).await, Ok(0) | Err(_)));
        }
        idle[9].write_all(b"\r\n").await.unwrap();
        let mut end = [0; 12];
        idle[9].read_exact(&mut end).await.unwrap();
        assert_eq!(&end, b"HTTP/1.1 200");
    }
}
