//! TLS: verified before the first byte of a session or request, always (F42).

use crate::peers::{Ca, Edge, PUBLIC, answer, listen, post, read_request, run, secure};
use domain::VenueId;
use futures_util::{SinkExt, StreamExt};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use venue::{Endpoints, IoFailure, LossReason, Transmit};
use venue_io::{Clock, HttpOutcome, IoSetupError, Limits, TlsRoots, VenueIo, event_queue};

const VALID: i32 = 2100;

/// Takes one connection and returns how many bytes of the client came through TLS. A refusal ends the handshake, or the
/// stream right after it.
async fn application_bytes(listener: &TcpListener, acceptor: &TlsAcceptor) -> usize {
    let (socket, _) = listener.accept().await.unwrap();
    let Ok(mut tls) = acceptor.accept(socket).await else { return 0 };
    let mut seen = 0;
    let mut part = [0; 1024];
    while let Ok(read) = tls.read(&mut part).await {
        if read == 0 {
            break;
        }
        seen += read;
    }
    seen
}

/// Both transports refuse this server, and it sees nothing of them.
async fn check_refused(host: &str, roots: TlsRoots, acceptor: &TlsAcceptor) {
    let (listener, port) = listen().await;
    let mut edge = Edge::with(&secure(host, port), roots, Limits::default());
    edge.io.perform(Transmit::Open(PUBLIC));
    let (seen, (reason, detail)) = tokio::join!(application_bytes(&listener, acceptor), edge.lost());
    assert_eq!((seen, reason), (0, LossReason::TlsRefused), "{detail}");
    let (seen, outcome) = tokio::join!(application_bytes(&listener, acceptor), edge.exchange(1, post("{}")));
    assert_eq!((seen, outcome), (0, HttpOutcome::Failed(IoFailure::NotSent)));
}

#[test]
fn a_known_authority_and_the_right_name_carry_both_transports() {
    run(async {
        let ca = Ca::new();
        for host in ["localhost", "127.0.0.1"] {
            let acceptor = ca.acceptor(host, VALID);
            let (listener, port) = listen().await;
            let mut edge = Edge::with(&secure(host, port), ca.roots(), Limits::default());
            let peer = async {
                let (socket, _) = listener.accept().await.unwrap();
                let tls = acceptor.accept(socket).await.unwrap();
                let mut ws = tokio_tungstenite::accept_async(tls).await.unwrap();
                ws.send(Message::text("hello")).await.unwrap();
                assert_eq!(ws.next().await.unwrap().unwrap(), Message::text("subscribe"));
                ws
            };
            let client = async {
                edge.open().await;
                edge.io.perform(Transmit::Frame { link: PUBLIC, text: "subscribe".to_string(), order: false });
                assert_eq!(edge.frame().await, b"hello");
            };
            let (ws, ()) = tokio::join!(peer, client);
            let peer = async {
                let (socket, _) = listener.accept().await.unwrap();
                let mut tls = acceptor.accept(socket).await.unwrap();
                assert!(read_request(&mut tls).await.unwrap().contains("s3cret"));
                tls.write_all(answer(200, "ok").as_bytes()).await.unwrap();
                tls
            };
            let (tls, outcome) = tokio::join!(peer, edge.exchange(1, post("{}")));
            assert_eq!(outcome, HttpOutcome::Http { status: 200, headers: vec![], body: b"ok".to_vec() });
            drop((ws, tls));
        }
    });
}

#[test]
fn an_unknown_authority_is_refused() {
    run(async {
        let other = Ca::new();
        check_refused("localhost", Ca::new().roots(), &other.acceptor("localhost", VALID)).await;
        check_refused("localhost", TlsRoots::bundled(), &other.acceptor("localhost", VALID)).await;
    });
}

#[test]
fn a_wrong_name_is_refused() {
    run(async {
        let ca = Ca::new();
        check_refused("localhost", ca.roots(), &ca.acceptor("api.example.com", VALID)).await;
        check_refused("127.0.0.1", ca.roots(), &ca.acceptor("localhost", VALID)).await;
    });
}

#[test]
fn an_expired_certificate_is_refused() {
    run(async {
        let ca = Ca::new();
        check_refused("localhost", ca.roots(), &ca.acceptor("localhost", 2021)).await;
    });
}

#[test]
fn a_server_without_tls_gets_nothing_in_the_clear() {
    run(async {
        let (listener, port) = listen().await;
        let mut edge = Edge::with(&secure("localhost", port), Ca::new().roots(), Limits::default());
        edge.io.perform(Transmit::Open(PUBLIC));
        edge.request(1, post("{}"), crate::peers::LONG_NS);
        let (mut lost, mut answered) = (None, None);
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let read = socket.read(&mut seen).await.unwrap();
            // A TLS record of a handshake, and no word of ours in it.
            assert_eq!(seen[0], 0x16);
            let text = String::from_utf8_lossy(&seen[..read]).into_owned();
            assert!(!text.contains("s3cret") && !text.contains("HTTP/1.1"));
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            // Whatever follows the refusal is at most an alert.
            let mut rest = Vec::new();
            match socket.read_to_end(&mut rest).await {
                Ok(_) => assert!(rest.len() < 16),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
            match edge.next().await {
                venue_io::IoBody::Lost { reason, .. } => lost = Some(reason),
                venue_io::IoBody::Response { outcome, .. } => answered = Some(outcome),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lost, Some(LossReason::TlsRefused));
        assert_eq!(answered, Some(HttpOutcome::Failed(IoFailure::NotSent)));
    });
}

#[test]
fn ones_own_authority_is_for_this_machine_only() {
    run(async {
        let ca = Ca::new();
        for field in ["rest", "ws", "private_ws"] {
            let mut endpoints: Endpoints = secure("localhost", 1);
            match field {
                "rest" => endpoints.rest = "https://api.example.com".to_string(),
                "ws" => endpoints.ws = "wss://api.example.com/ws".to_string(),
                _ => endpoints.private_ws = "wss://api.example.com/ws".to_string(),
            }
            let (sender, _receiver) = event_queue();
            match VenueIo::new(VenueId(0), &endpoints, ca.roots(), sender, Clock::new()).map(|_| ()) {
                Err(IoSetupError::ExtraCaNotLoopback { endpoint, host }) => {
                    assert_eq!((endpoint, host.as_str()), (field, "api.example.com"));
                }
                other => panic!("{field}: {other:?}"),
            }
            let (sender, _receiver) = event_queue();
            assert!(VenueIo::new(VenueId(0), &endpoints, TlsRoots::bundled(), sender, Clock::new()).is_ok());
        }
    });
}
