//! WebSocket links: life and death, bounds, back-pressure, hostile peers (F39, F52).

use crate::peers::{Edge, PRIVATE, PUBLIC, listen, plain, refused_port, run};
use domain::VenueId;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};
use venue::{LinkId, LossReason, Transmit};
use venue_io::{Clock, IoBody, Limits, TlsRoots, VenueIo, event_queue_bounded};

async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (socket, _) = listener.accept().await.unwrap();
    accept_async(socket).await.unwrap()
}

/// A driver with its public link up, and the peer's end of it.
async fn up() -> (Edge, WebSocketStream<TcpStream>, TcpListener) {
    let (listener, port) = listen().await;
    let mut edge = Edge::new(&plain(port));
    let ((), ws) = tokio::join!(edge.open(), accept(&listener));
    (edge, ws, listener)
}

fn frame(text: &str) -> Transmit {
    Transmit::Frame { link: PUBLIC, text: text.to_string(), order: false }
}

/// An unmasked frame header of a server: first byte as given, length in eight bytes.
fn header(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first, 127];
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes
}

#[test]
fn a_link_carries_text_both_ways_and_answers_pings() {
    run(async {
        let (mut edge, mut ws, _listener) = up().await;
        for text in ["one", "two", "three"] {
            edge.io.perform(frame(text));
        }
        for text in ["one", "two", "three"] {
            assert_eq!(ws.next().await.unwrap().unwrap(), Message::text(text));
        }
        ws.send(Message::Ping(Bytes::from_static(b"beat"))).await.unwrap();
        assert_eq!(ws.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"beat")));
        ws.send(Message::text("{\"channel\":\"spot.order_book\"}")).await.unwrap();
        ws.send(Message::text("")).await.unwrap();
        ws.send(Message::binary(vec![0u8, 255])).await.unwrap();
        assert_eq!(edge.frame().await, b"{\"channel\":\"spot.order_book\"}");
        assert_eq!(edge.frame().await, b"");
        assert_eq!(edge.frame().await, [0, 255]);
        // A frame exactly at the cap still comes through.
        ws.send(Message::text("x".repeat(1 << 20))).await.unwrap();
        assert_eq!(edge.frame().await.len(), 1 << 20);
    });
}

#[test]
fn roles_go_to_their_own_paths_and_rest_has_no_link() {
    run(async {
        let (listener, port) = listen().await;
        let mut edge = Edge::new(&plain(port));
        for (link, line) in [(PUBLIC, "GET /ws/v4/ HTTP/1.1\r\n"), (PRIVATE, "GET /private HTTP/1.1\r\n")] {
            edge.io.perform(Transmit::Open(link));
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 4096];
            let read = socket.read(&mut seen).await.unwrap();
            let text = String::from_utf8_lossy(&seen[..read]).into_owned();
            assert!(text.starts_with(line), "{text}");
            assert!(
                text.to_lowercase().contains("user-agent: crossgate/") && !text.to_lowercase().contains("extensions"),
                "{text}"
            );
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            match edge.next().await {
                IoBody::Lost { link: lost, reason: LossReason::ConnectFailed, detail } => {
                    assert!(lost == link && detail.contains("403"), "{detail}");
                }
                other => panic!("{other:?}"),
            }
        }
        let rest = LinkId { role: domain::LinkRole::Rest, shard: 0 };
        edge.io.perform(Transmit::Open(rest));
        assert!(matches!(edge.next().await, IoBody::Lost { link, reason: LossReason::ConnectFailed, .. } if link == rest));
    });
}

#[test]
fn a_link_that_cannot_come_up_is_lost_once() {
    run(async {
        let mut edge = Edge::new(&plain(refused_port().await));
        edge.io.perform(Transmit::Open(PUBLIC));
        edge.io.perform(frame("vanishes"));
        assert_eq!(edge.lost().await.0, LossReason::ConnectFailed);

        // A peer that accepts and then says nothing, or drips.
        let (listener, port) = listen().await;
        let limits = Limits { handshake: Duration::from_millis(150), ..Limits::default() };
        let mut edge = Edge::with(&plain(port), TlsRoots::bundled(), limits);
        edge.io.perform(Transmit::Open(PUBLIC));
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 101").await.unwrap();
        let (reason, detail) = edge.lost().await;
        assert_eq!((reason, detail.as_str()), (LossReason::ConnectFailed, "connect and handshake took too long"));
        assert_eq!(edge.events.try_recv(), None);

        // Closing while it connects.
        edge.io.perform(Transmit::Open(PUBLIC));
        let (_silent, _) = listener.accept().await.unwrap();
        edge.io.perform(Transmit::Close(PUBLIC));
        assert_eq!(edge.lost().await.0, LossReason::ClosedByUs);
    });
}

#[test]
fn closing_is_polite_hands_on_what_still_comes_and_is_told_once() {
    run(async {
        let (mut edge, mut ws, _listener) = up().await;
        edge.io.perform(frame("last word"));
        edge.io.perform(Transmit::Close(PUBLIC));
        edge.io.perform(Transmit::Close(PUBLIC));
        edge.io.perform(frame("vanishes"));
        assert_eq!(ws.next().await.unwrap().unwrap(), Message::text("last word"));
        // A fill that was under way when we closed: written before the peer answers the close.
        ws.send(Message::text("late fill")).await.unwrap();
        assert!(matches!(ws.next().await, Some(Ok(Message::Close(_)))));
        while let Some(Ok(_)) = ws.next().await {}
        assert_eq!(edge.frame().await, b"late fill");
        assert_eq!(edge.lost().await, (LossReason::ClosedByUs, String::new()));
        assert_eq!(edge.events.try_recv(), None);
    });
}

#[test]
fn a_peer_that_does_not_answer_the_close_holds_nobody_up() {
    run(async {
        let (listener, port) = listen().await;
        let limits = Limits { close: Duration::from_millis(50), ..Limits::default() };
        let mut edge = Edge::with(&plain(port), TlsRoots::bundled(), limits);
        let ((), _deaf) = tokio::join!(edge.open(), accept(&listener));
        edge.io.perform(Transmit::Close(PUBLIC));
        assert_eq!(edge.lost().await.0, LossReason::ClosedByUs);
    });
}

#[test]
fn open_after_close_tells_the_end_of_the_old_life_first() {
    run(async {
        let (mut edge, mut old, listener) = up().await;
        // Open while open: nothing happens.
        edge.io.perform(Transmit::Open(PUBLIC));
        edge.io.perform(Transmit::Close(PUBLIC));
        edge.io.perform(Transmit::Open(PUBLIC));
        let peer = async {
            while let Some(Ok(_)) = old.next().await {}
            accept(&listener).await
        };
        let client = async {
            assert_eq!(edge.lost().await.0, LossReason::ClosedByUs);
            assert!(matches!(edge.next().await, IoBody::Connected { link: PUBLIC, .. }));
        };
        let (mut new, ()) = tokio::join!(peer, client);
        edge.io.perform(frame("to the new one"));
        assert_eq!(new.next().await.unwrap().unwrap(), Message::text("to the new one"));
        // Reopening right after a loss that the peer caused.
        drop(new);
        assert_eq!(edge.lost().await.0, LossReason::ClosedByPeer);
        let ((), _ws) = tokio::join!(edge.open(), accept(&listener));
        assert_eq!(edge.events.try_recv(), None);
    });
}

#[test]
fn a_close_by_the_peer_carries_its_reason() {
    run(async {
        let (mut edge, mut ws, _listener) = up().await;
        ws.close(Some(CloseFrame { code: CloseCode::Restart, reason: "upgrade\nnow".into() })).await.unwrap();
        let (answered, lost) = tokio::join!(ws.next(), edge.lost());
        assert!(matches!(answered, Some(Ok(Message::Close(_)))));
        assert_eq!(lost, (LossReason::ClosedByPeer, "1012 upgrade?now".to_string()));
    });
}

#[test]
fn a_peer_that_vanishes_in_a_frame_loses_the_link_and_the_half_frame() {
    run(async {
        let (mut edge, mut ws, _listener) = up().await;
        ws.send(Message::text("whole")).await.unwrap();
        ws.get_mut().write_all(&header(0x81, 1000)).await.unwrap();
        ws.get_mut().write_all(b"half").await.unwrap();
        drop(ws);
        assert_eq!(edge.frame().await, b"whole");
        assert_eq!(edge.lost().await.0, LossReason::ClosedByPeer);

        let (mut edge, mut ws, _listener) = up().await;
        ws.get_mut().write_all(&header(0x81, 1000)).await.unwrap();
        ws.get_mut().set_zero_linger().unwrap();
        drop(ws);
        assert_eq!(edge.lost().await.0, LossReason::SocketError);
    });
}

/// Writes `again` for ever; how many bytes the other end and the kernel took before the connection ended.
async fn flood(mut socket: TcpStream, start: &[u8], again: &[u8]) -> usize {
    let mut written = start.len();
    if socket.write_all(start).await.is_err() {
        return 0;
    }
    loop {
        match socket.write(again).await {
            Ok(more) => written += more,
            Err(_) => return written,
        }
        assert!(written < 64 << 20, "the driver reads on and on");
    }
}

#[test]
fn frames_and_messages_over_the_caps_end_the_link_unread() {
    run(async {
        let zeros = vec![b'0'; 64 << 10];
        // One gigabyte announced; one byte over the cap; more fragments than a message may have; each with a flood behind it.
        let mut fragment = header(0x00, 64 << 10);
        fragment.extend_from_slice(&zeros);
        let mut first = header(0x01, 1);
        first.push(b'0');
        let rows = [
            (header(0x81, 1 << 30), zeros.clone(), 0),
            (header(0x81, (1 << 20) + 1), zeros.clone(), 0),
            (header(0x81, u64::MAX), zeros.clone(), 0),
            (first, fragment, 4 << 20),
        ];
        for (start, again, accepted) in rows {
            let (mut edge, ws, _listener) = up().await;
            let since = std::time::Instant::now();
            let (written, (reason, detail)) = tokio::join!(flood(ws.into_inner(), &start, &again), edge.lost());
            assert_eq!(reason, LossReason::ProtocolError, "{detail}");
            // What was read is at most the cap; the rest of what was written are the kernel's socket buffers.
            assert!(written < accepted + (16 << 20), "{written} bytes were taken");
            assert!(since.elapsed() < Duration::from_secs(5));
            assert_eq!(edge.events.try_recv(), None);
        }
    });
}

#[test]
fn frames_against_the_protocol_end_the_link() {
    run(async {
        // The peer announces 200 bytes of ping and sends them.
        let mut long_ping = vec![0x89, 126, 0, 200];
        long_ping.resize(4 + 200, b'p');
        let rows: [(&str, &[u8]); 7] = [
            ("not UTF-8", &[0x81, 2, 0xC3, 0x28]),
            ("compressed without agreement", &[0xC1, 1, b'x']),
            ("unknown opcode", &[0x83, 1, b'x']),
            ("continuation of nothing", &[0x80, 1, b'x']),
            ("fragmented ping", &[0x09, 0]),
            ("ping over 125 bytes", &long_ping),
            ("masked by the server", &[0x81, 0x81, 1, 2, 3, 4, b'x']),
        ];
        for (what, bytes) in rows {
            let (mut edge, mut ws, _listener) = up().await;
            ws.get_mut().write_all(bytes).await.unwrap();
            assert_eq!(edge.lost().await.0, LossReason::ProtocolError, "{what}");
        }
    });
}

#[test]
fn a_full_write_queue_ends_the_link() {
    run(async {
        let (mut edge, ws, _listener) = up().await;
        // More than the queue holds before the task may run.
        for _ in 0..=Limits::default().write_queue_len {
            edge.io.perform(frame("order"));
        }
        assert_eq!(edge.lost().await, (LossReason::SocketError, "the write queue is full".to_string()));
        drop(ws);
    });
}

#[test]
fn a_peer_that_does_not_read_is_lost_after_the_write_deadline() {
    run(async {
        let (listener, port) = listen().await;
        let limits = Limits { write: Duration::from_millis(200), ..Limits::default() };
        let mut edge = Edge::with(&plain(port), TlsRoots::bundled(), limits);
        let ((), deaf) = tokio::join!(edge.open(), accept(&listener));
        let text = "x".repeat(1 << 20);
        for _ in 0..64 {
            edge.io.perform(frame(&text));
        }
        assert_eq!(edge.lost().await.0, LossReason::SocketError);
        drop(deaf);
    });
}

#[test]
fn a_full_event_queue_stops_the_reading_loses_nothing_and_still_writes() {
    run(async {
        const FRAMES: u32 = 5_000;
        let (listener, port) = listen().await;
        let (sender, mut events) = event_queue_bounded(8, 1 << 20);
        let clock = Clock::new();
        let mut io = VenueIo::new(VenueId(0), &plain(port), TlsRoots::bundled(), sender, clock).unwrap();
        io.perform(Transmit::Open(PUBLIC));
        let ws = accept(&listener).await;
        let (mut sink, mut stream) = ws.split();
        // Far more than queue and socket buffers take: the peer must feel that nobody reads.
        let padding = "p".repeat(4_096);
        let mut sent = 0u32;
        let pushed = async {
            while sent < FRAMES {
                sink.send(Message::text(format!("{sent} {padding}"))).await.unwrap();
                sent += 1;
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(300), pushed).await.is_err(), "20 MB went into a queue of 8 events");
        // The write side is alive although the read side stands still.
        io.perform(frame("cancel"));
        assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("cancel"));
        // Now the caller drains: every frame, in order, stamped in order. The send that was cut short went into the sink's
        // buffer, so the count goes on behind it.
        let refill = async {
            let mut next = sent + 1;
            while next < FRAMES {
                sink.send(Message::text(format!("{next} {padding}"))).await.unwrap();
                next += 1;
            }
            sink.close().await.unwrap();
        };
        let drain = async {
            assert!(matches!(events.recv().await.unwrap().body, IoBody::Connected { .. }));
            let (mut expected, mut stamp) = (0u32, clock.now());
            let mut first = true;
            loop {
                let event = events.recv().await.unwrap();
                assert!(first || event.received >= stamp);
                (first, stamp) = (false, event.received);
                match event.body {
                    IoBody::Frame { bytes, .. } => {
                        let text = String::from_utf8(bytes).unwrap();
                        assert_eq!(text.split_once(' ').unwrap().0, expected.to_string());
                        expected += 1;
                    }
                    IoBody::Lost { reason, .. } => {
                        assert_eq!(reason, LossReason::ClosedByPeer);
                        return expected;
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        let read_close = async { while let Some(Ok(_)) = stream.next().await {} };
        let ((), total, ()) = tokio::join!(refill, drain, read_close);
        assert_eq!(total, FRAMES);
    });
}

#[test]
fn closing_the_driver_closes_its_links_in_time() {
    run(async {
        let (Edge { io, mut events }, mut ws, _listener) = up().await;
        let peer = async { while let Some(Ok(_)) = ws.next().await {} };
        tokio::join!(io.close(Duration::from_secs(5)), peer);
        assert!(matches!(events.recv().await.unwrap().body, IoBody::Lost { link: PUBLIC, reason: LossReason::ClosedByUs, .. }));
        assert_eq!(events.recv().await, None);
        // A deaf peer costs no more than the time given.
        let (Edge { io, mut events }, _deaf, _listener) = up().await;
        io.close(Duration::from_millis(50)).await;
        assert_eq!(events.recv().await, None);
    });
}

#[test]
fn a_driver_that_is_dropped_takes_its_sockets_along() {
    run(async {
        let (Edge { io, mut events }, mut ws, _listener) = up().await;
        drop(io);
        while let Some(Ok(_)) = ws.next().await {}
        assert!(matches!(events.recv().await.unwrap().body, IoBody::Lost { reason: LossReason::ClosedByUs, .. }));
    });
}
