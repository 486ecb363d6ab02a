//! REST: outcomes, bounds, and the proof that nothing is ever on the wire twice.

use crate::peers::{Edge, LONG_NS, answer, get, listen, plain, post, read_request, refused_port, run};
use domain::VenueId;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use venue::{Endpoints, IoFailure, Ticket};
use venue_io::{Clock, HttpOutcome, IoBody, IoSetupError, Limits, TlsRoots, VenueIo, event_queue, request_once};

const BROKEN: HttpOutcome = HttpOutcome::Failed(IoFailure::Broken);
const NOT_SENT: HttpOutcome = HttpOutcome::Failed(IoFailure::NotSent);
const TIMED_OUT: HttpOutcome = HttpOutcome::Failed(IoFailure::TimedOut);

/// Closes with a reset instead of an end of stream.
fn reset(socket: TcpStream) {
    socket.set_zero_linger().unwrap();
    drop(socket);
}

#[test]
fn the_bytes_on_the_wire_are_the_bytes_that_were_signed() {
    run(async {
        let (listener, port) = listen().await;
        let mut edge = Edge::new(&plain(port));
        edge.request(1, get("/api/v4/spot/my_trades", "currency_pair=BTC_USDT&text=t-%2Fa,b"), LONG_NS);
        let (mut socket, _) = listener.accept().await.unwrap();
        let seen = read_request(&mut socket).await.unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert!(seen.starts_with("GET /api/v4/spot/my_trades?currency_pair=BTC_USDT&text=t-%2Fa,b HTTP/1.1\r\n"), "{seen}");
        assert!(seen.to_lowercase().contains(&format!("\r\nhost: 127.0.0.1:{port}\r\n")), "{seen}");
        assert!(seen.to_lowercase().contains(&format!("\r\nuser-agent: crossgate/{version}\r\n")), "{seen}");
        assert!(!seen.to_lowercase().contains("content-length") && !seen.to_lowercase().contains("accept-encoding"), "{seen}");
        let reply = "HTTP/1.1 200 OK\r\nX-Gate-RateLimit-Limit: 10\r\nX-Long: LONG\r\nSet-Cookie: a=b\r\nDate: now\r\n\
                     Retry-After: 3\r\nContent-Length: 4\r\n\r\n[{}]"
            .replace("LONG", &"y".repeat(300));
        socket.write_all(reply.as_bytes()).await.unwrap();
        let HttpOutcome::Http { status, headers, body } = edge.response(1).await else { panic!("no answer") };
        assert_eq!((status, body.as_slice()), (200, &b"[{}]"[..]));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(headers, [("x-gate-ratelimit-limit", "10"), ("date", "now"), ("retry-after", "3")]);

        // The connection is kept warm, and the cookie is forgotten.
        edge.request(2, post("{\"text\":\"t-1\"}"), LONG_NS);
        let seen = read_request(&mut socket).await.unwrap().to_lowercase();
        assert!(
            seen.starts_with("post /api/v4/spot/orders http/1.1\r\n") && seen.ends_with("\r\n\r\n{\"text\":\"t-1\"}"),
            "{seen}"
        );
        assert!(seen.contains("\r\nkey: k\r\n") && seen.contains("\r\nsign: s3cret\r\n") && !seen.contains("cookie"), "{seen}");
        assert!(seen.contains("\r\ncontent-length: 14\r\n"), "{seen}");
        socket.write_all(answer(201, "").as_bytes()).await.unwrap();
        assert_eq!(edge.response(2).await, HttpOutcome::Http { status: 201, headers: vec![], body: vec![] });
    });
}

#[test]
fn every_status_is_passed_on_and_none_is_followed() {
    run(async {
        let (listener, port) = listen().await;
        let mut edge = Edge::new(&plain(port));
        let mut requests = 0;
        for status in [400u16, 404, 429, 500, 502, 503, 504] {
            edge.request(u64::from(status), post("{}"), LONG_NS);
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            requests += 1;
            let body = "<html>busy</html>";
            let reply = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            socket.write_all(reply.as_bytes()).await.unwrap();
            let expected = HttpOutcome::Http { status, headers: vec![], body: body.as_bytes().to_vec() };
            assert_eq!(edge.response(u64::from(status)).await, expected);
        }
        for status in [301u16, 302, 307, 308] {
            edge.request(1, post("{}"), LONG_NS);
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            requests += 1;
            let reply = format!(
                "HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:{port}/again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            socket.write_all(reply.as_bytes()).await.unwrap();
            assert_eq!(edge.response(1).await, HttpOutcome::Http { status, headers: vec![], body: vec![] });
        }
        assert_eq!(requests, 11);
    });
}

#[test]
fn what_never_got_a_connection_was_not_sent() {
    run(async {
        let mut edge = Edge::new(&plain(refused_port().await));
        assert_eq!(edge.exchange(1, post("{}")).await, NOT_SENT);
        let nowhere = Endpoints { rest: "https://no-such-host.invalid".to_string(), ..plain(1) };
        assert_eq!(Edge::new(&nowhere).exchange(1, post("{}")).await, NOT_SENT);
    });
}

/// Takes connections until the test ends, and counts the requests whose first byte came in, whole or not. `behave` says what
/// the peer does with each connection.
async fn count_requests<F>(listener: tokio::net::TcpListener, count: &Cell<u32>, mut behave: F)
where
    F: AsyncFnMut(TcpStream, &Cell<u32>),
{
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        behave(socket, count).await;
    }
}

#[test]
fn a_post_whose_answer_never_comes_is_on_the_wire_once() {
    run(async {
        for with_reset in [false, true] {
            let (listener, port) = listen().await;
            let mut edge = Edge::new(&plain(port));
            let posts = Cell::new(0);
            let peer = count_requests(listener, &posts, async |mut socket, posts| {
                let seen = read_request(&mut socket).await.unwrap();
                if seen.starts_with("POST") {
                    posts.set(posts.get() + 1);
                    if with_reset {
                        reset(socket);
                    }
                } else {
                    socket.write_all(answer(200, "ok").as_bytes()).await.unwrap();
                }
            });
            let client = async {
                assert_eq!(edge.exchange(1, post("{\"text\":\"t-1\"}")).await, BROKEN);
                // A read after it shows that the peer still takes requests: a repeated POST would have come before.
                assert!(matches!(edge.exchange(2, get("/api/v4/spot/time", "")).await, HttpOutcome::Http { status: 200, .. }));
            };
            tokio::select! { () = client => {}, () = peer => {} }
            assert_eq!(posts.get(), 1);
        }
    });
}

#[test]
fn a_post_that_meets_a_warm_connection_dying_under_it_is_on_the_wire_once() {
    // The peer answers one request, then waits for the first bytes of the next and resets or closes: the stale-pool case in its
    // worst form, where the bytes did leave.
    run(async {
        for with_reset in [false, true] {
            let (listener, port) = listen().await;
            let mut edge = Edge::new(&plain(port));
            let posts = Cell::new(0);
            let peer = count_requests(listener, &posts, async |mut socket, posts| {
                read_request(&mut socket).await.unwrap();
                posts.set(posts.get() + 1);
                socket.write_all(answer(200, "ok").as_bytes()).await.unwrap();
                let mut first = [0; 1];
                if socket.read(&mut first).await.is_ok_and(|read| read == 1) {
                    posts.set(posts.get() + 1);
                    if with_reset {
                        reset(socket);
                    }
                }
            });
            let client = async {
                assert!(matches!(edge.exchange(1, post("{\"text\":\"t-1\"}")).await, HttpOutcome::Http { status: 200, .. }));
                assert_eq!(edge.exchange(2, post("{\"text\":\"t-2\"}")).await, BROKEN);
                // The dead connection is not used again.
                assert!(matches!(edge.exchange(3, post("{\"text\":\"t-3\"}")).await, HttpOutcome::Http { status: 200, .. }));
            };
            tokio::select! { () = client => {}, () = peer => {} }
            assert_eq!(posts.get(), 3);
        }
    });
}

#[test]
fn idle_connections_that_the_peer_closes_never_double_or_lose_a_post_silently() {
    // Each connection is closed right after its answer, racing the next POST. Whatever wins: an answered POST was seen exactly
    // once, a broken one at most once, and every POST has an outcome.
    run(async {
        const ROUNDS: u64 = 300;
        let (listener, port) = listen().await;
        let mut edge = Edge::new(&plain(port));
        let seen = RefCell::new(vec![0u32; ROUNDS as usize]);
        let none = Cell::new(0);
        let peer = count_requests(listener, &none, async |mut socket, _| {
            let Some(request) = read_request(&mut socket).await else { return };
            let mark: usize = request.rsplit("t-").next().unwrap().trim_end_matches("\"}").parse().unwrap();
            seen.borrow_mut()[mark] += 1;
            socket.write_all(answer(200, "ok").as_bytes()).await.unwrap();
            match mark % 3 {
                0 => drop(socket),
                1 => reset(socket),
                _ => {
                    // The client may have sent the next POST already: it is then read here and its connection closed.
                    let mut rest = vec![0; 4096];
                    if let Ok(Ok(read)) = tokio::time::timeout(Duration::from_micros(50), socket.read(&mut rest)).await
                        && read > 0
                    {
                        let text = String::from_utf8_lossy(&rest[..read]).into_owned();
                        if let Some((_, mark)) = text.rsplit_once("t-") {
                            seen.borrow_mut()[mark.trim_end_matches("\"}").parse::<usize>().unwrap()] += 1;
                        }
                    }
                }
            }
        });
        let outcomes = RefCell::new(Vec::new());
        let client = async {
            for ticket in 0..ROUNDS {
                let outcome = edge.exchange(ticket, post(&format!("{{\"text\":\"t-{ticket}\"}}"))).await;
                outcomes.borrow_mut().push(outcome);
            }
        };
        tokio::select! { () = client => {}, () = peer => {} }
        let outcomes = outcomes.into_inner();
        assert_eq!(outcomes.len(), ROUNDS as usize);
        let mut answered = 0;
        for (mark, outcome) in outcomes.iter().enumerate() {
            let seen = seen.borrow()[mark];
            match outcome {
                HttpOutcome::Http { status: 200, .. } => {
                    assert_eq!(seen, 1, "POST {mark} was answered and seen {seen} times");
                    answered += 1;
                }
                HttpOutcome::Failed(IoFailure::Broken) => assert!(seen <= 1, "POST {mark} was seen {seen} times"),
                other => panic!("POST {mark}: {other:?}"),
            }
        }
        assert!(answered >= ROUNDS / 3, "only {answered} of {ROUNDS} were answered");
    });
}

#[test]
fn silence_times_out_and_is_not_asked_twice() {
    run(async {
        let (listener, port) = listen().await;
        let mut edge = Edge::new(&plain(port));
        edge.request(1, post("{}"), 100_000_000);
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(read_request(&mut socket).await.is_some());
        assert_eq!(edge.response(1).await, TIMED_OUT);
        // Half an answer is none, and its time is the request's whole time.
        edge.request(2, post("{}"), 100_000_000);
        let (mut second, _) = listener.accept().await.unwrap();
        assert!(read_request(&mut second).await.is_some());
        second.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal").await.unwrap();
        assert_eq!(edge.response(2).await, TIMED_OUT);
        // Given up means closed: nothing of it can still leave.
        assert_eq!(socket.read(&mut [0; 16]).await.unwrap_or(0), 0);
        assert_eq!(second.read(&mut [0; 16]).await.unwrap_or(0), 0);
    });
}

#[test]
fn a_cut_or_senseless_answer_is_broken() {
    run(async {
        for reply in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "\u{1}\u{2}\u{3}\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ] {
            let (listener, port) = listen().await;
            let mut edge = Edge::new(&plain(port));
            edge.request(1, post("{}"), LONG_NS);
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            socket.write_all(reply.as_bytes()).await.unwrap();
            drop(socket);
            assert_eq!(edge.response(1).await, BROKEN, "{reply:?}");
        }
    });
}

#[test]
fn bodies_and_heads_without_end_are_cut_off() {
    run(async {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_string();
        let sized = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1u64 << 30);
        let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
        let flat = "a".repeat(0x10000);
        let header = format!("x-a: {}\r\n", "a".repeat(0x1000));
        let rows = [(head, chunk), (sized, flat), ("HTTP/1.1 200 OK\r\n".to_string(), header)];
        for (start, again) in rows {
            let (listener, port) = listen().await;
            let mut edge = Edge::new(&plain(port));
            edge.request(1, get("/big", ""), LONG_NS);
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            let mut written = start.len();
            socket.write_all(start.as_bytes()).await.unwrap();
            while socket.write_all(again.as_bytes()).await.is_ok() {
                written += again.len();
                assert!(written < 64 << 20, "the driver reads on and on");
            }
            assert_eq!(edge.response(1).await, BROKEN);
        }
    });
}

#[test]
fn a_body_up_to_the_cap_is_whole_and_the_common_budget_comes_back() {
    run(async {
        let (listener, port) = listen().await;
        let limits = Limits { body_bytes_max: 200_000, bodies_bytes_max: 200_000, ..Limits::default() };
        let mut edge = Edge::with(&plain(port), TlsRoots::bundled(), limits);
        let body = "b".repeat(200_000);
        for ticket in 1..=3 {
            edge.request(ticket, get("/big", ""), LONG_NS);
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            let reply = answer(200, &body).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            let (written, response) = tokio::join!(socket.write_all(reply.as_bytes()), edge.response(ticket));
            written.unwrap();
            let expected = HttpOutcome::Http { status: 200, headers: vec![], body: body.clone().into_bytes() };
            assert!(response == expected, "body {ticket} is not whole");
        }
    });
}

#[test]
fn what_would_not_go_out_as_signed_does_not_go_out() {
    run(async {
        let (listener, port) = listen().await;
        let mut edge = Edge::new(&plain(port));
        let mut ticket = 0;
        for (path, query) in [
            ("/a/../b", ""),
            ("/a b", ""),
            ("no-slash", ""),
            ("@evil.example/", ""),
            ("//evil.example/", "x=\"1\""),
            ("/a", "b=c d"),
            ("/a", "b=<"),
            ("/a", "b#c"),
            ("/a?b", ""),
            ("/ä", ""),
        ] {
            ticket += 1;
            assert_eq!(edge.exchange(ticket, get(path, query)).await, NOT_SENT, "{path} {query}");
        }
        let mut split = post("{}");
        split.headers.push(("X-A", "1\r\nX-B: 2".to_string()));
        assert_eq!(edge.exchange(99, split).await, NOT_SENT);
        // Nothing of all that connected: the first connection carries the first good request.
        edge.request(100, get("/good", ""), LONG_NS);
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(read_request(&mut socket).await.unwrap().starts_with("GET /good HTTP/1.1\r\n"));
    });
}

#[test]
fn requests_over_the_bound_are_refused_here_and_every_ticket_is_answered_once() {
    run(async {
        let (listener, port) = listen().await;
        let limits = Limits { requests_max: 2, ..Limits::default() };
        let mut edge = Edge::with(&plain(port), TlsRoots::bundled(), limits);
        for ticket in 1..=5 {
            edge.request(ticket, post("{}"), LONG_NS);
        }
        let mut sockets = Vec::new();
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            sockets.push(socket);
        }
        for ticket in 3..=5 {
            assert_eq!(edge.response(ticket).await, NOT_SENT);
        }
        let mut answered = Vec::new();
        for mut socket in sockets {
            socket.write_all(answer(200, "{}").as_bytes()).await.unwrap();
            let IoBody::Response { ticket: Ticket(ticket), outcome } = edge.next().await else { panic!("no response") };
            assert_eq!(outcome, HttpOutcome::Http { status: 200, headers: vec![], body: b"{}".to_vec() });
            answered.push(ticket);
        }
        answered.sort_unstable();
        assert_eq!(answered, [1, 2]);
        assert_eq!(edge.events.try_recv(), None);
    });
}

#[test]
fn closing_answers_what_still_hangs() {
    run(async {
        let (listener, port) = listen().await;
        let Edge { mut io, mut events } = Edge::new(&plain(port));
        io.perform(venue::Transmit::Request { ticket: Ticket(7), request: post("{}"), timeout_ns: LONG_NS, order: true });
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await.unwrap();
        io.close(Duration::from_millis(50)).await;
        let event = events.recv().await.unwrap();
        assert_eq!(event.body, IoBody::Response { ticket: Ticket(7), outcome: BROKEN });
        // All senders are gone with the driver.
        assert_eq!(events.recv().await, None);
    });
}

#[test]
fn one_request_without_a_session() {
    run(async {
        let (listener, port) = listen().await;
        let endpoints = plain(port);
        let roots = TlsRoots::bundled();
        let once = request_once(&endpoints, &roots, get("/api/v4/spot/time", ""), Duration::from_secs(10));
        let peer = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_request(&mut socket).await.unwrap();
            socket.write_all(answer(200, "{}").as_bytes()).await.unwrap();
            socket
        };
        let (outcome, _socket) = tokio::join!(once, peer);
        assert_eq!(outcome.unwrap(), HttpOutcome::Http { status: 200, headers: vec![], body: b"{}".to_vec() });
        let foreign = Endpoints { rest: "http://192.0.2.1".to_string(), ..plain(1) };
        let refused = request_once(&foreign, &roots, get("/", ""), Duration::from_secs(10)).await;
        assert!(matches!(refused, Err(IoSetupError::PlainNotLoopback { endpoint: "rest", .. })));
    });
}

#[test]
fn a_driver_needs_a_runtime_and_never_plain_text_abroad() {
    let new = |endpoints: &Endpoints| {
        let (sender, _receiver) = event_queue();
        VenueIo::new(VenueId(0), endpoints, TlsRoots::bundled(), sender, Clock::new()).map(|_| ())
    };
    assert!(matches!(new(&plain(1)), Err(IoSetupError::NoRuntime)));
    run(async move {
        assert!(new(&plain(1)).is_ok());
        let abroad = |field: &str| {
            let mut endpoints = plain(1);
            match field {
                "rest" => endpoints.rest = "http://api.example.com".to_string(),
                "ws" => endpoints.ws = "ws://api.example.com/ws".to_string(),
                _ => endpoints.private_ws = "ws://api.example.com/ws".to_string(),
            }
            endpoints
        };
        for field in ["rest", "ws", "private_ws"] {
            match new(&abroad(field)) {
                Err(IoSetupError::PlainNotLoopback { endpoint, host, .. }) => {
                    assert_eq!((endpoint, host.as_str()), (field, "api.example.com"));
                }
                other => panic!("{field}: {other:?}"),
            }
        }
    });
}
