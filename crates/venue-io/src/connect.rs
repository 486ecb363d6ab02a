//! TCP to a host that has several addresses.
//!
//! A network may promise a family of addresses and swallow what is sent to it. Tried one after the other, the first such address would
//! use up the whole handshake, at every attempt anew, while the next one would have answered: so each keeps the next waiting for a
//! moment only (RFC 8305, connection attempt delay). REST has the same from its client.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long an address that does not answer keeps the next one waiting.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Connects to whichever of these addresses answers first. Each is tried when the one before it failed, or said nothing for
/// [`NEXT_ADDRESS`]. What is still under way then is dropped. The caller bounds the whole.
///
/// # Errors
/// The last failure, when all have failed; that there is no address.
pub(crate) async fn connect(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter().peekable();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        attempts.extend(addresses.next().map(TcpStream::connect));
        tokio::select! {
            biased;
            Some(done) = attempts.next() => match done {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = sleep(NEXT_ADDRESS), if addresses.peek().is_some() => {}
            else => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn local() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// An address at which nothing is refused and nothing answered, for as long as what is returned lives: its queue is full.
    async fn swallowing() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(local()).unwrap();
        let listener = socket.listen(1).unwrap();
        let (address, mut queued) = (listener.local_addr().unwrap(), Vec::new());
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
            assert!(queued.len() < 16, "this system's queues have no end");
        }
        (address, listener, queued)
    }

    #[test]
    fn an_address_that_swallows_everything_does_not_keep_the_others_waiting() {
        runtime().block_on(async {
            let (silent, _listener, _queued) = swallowing().await;
            let good = TcpListener::bind(local()).await.unwrap();
            let good = good.local_addr().unwrap();
            let connected = timeout(Duration::from_secs(30), connect([silent, silent, good])).await.expect("one of them answers");
            assert_eq!(connected.unwrap().peer_addr().unwrap(), good);
        });
    }

    #[test]
    fn refused_addresses_are_passed_over_and_the_last_refusal_is_told() {
        runtime().block_on(async {
            let gone = TcpListener::bind(local()).await.unwrap().local_addr().unwrap();
            let good = TcpListener::bind(local()).await.unwrap();
            let address = good.local_addr().unwrap();
            assert_eq!(connect([gone, address]).await.unwrap().peer_addr().unwrap(), address);
            assert_eq!(connect([gone, gone]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(connect([]).await.unwrap_err().to_string(), "the host has no address");
        });
    }
}
