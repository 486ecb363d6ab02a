//! What all tests share: a driver with its queue, raw HTTP peers, a throw-away CA.

use domain::{LinkRole, VenueId};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use venue::{Endpoints, HttpRequest, LinkId, LossReason, Method, Ticket, Transmit};
use venue_io::{Clock, EventReceiver, HttpOutcome, IoBody, IoEvent, Limits, TlsRoots, VenueIo, event_queue};

/// Past this a test has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// The time-out of requests that are expected to be answered.
pub(crate) const LONG_NS: u64 = 15_000_000_000;

pub(crate) const PUBLIC: LinkId = LinkId { role: LinkRole::Public, shard: 0 };
pub(crate) const PRIVATE: LinkId = LinkId { role: LinkRole::Private, shard: 0 };

/// Runs a test on the kind of runtime that the driver is made for.
pub(crate) fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.expect("the test took too long") });
}

pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that refuses connections.
pub(crate) async fn refused_port() -> u16 {
    let (listener, port) = listen().await;
    drop(listener);
    port
}

pub(crate) fn plain(port: u16) -> Endpoints {
    Endpoints {
        rest: format!("http://127.0.0.1:{port}"),
        ws: format!("ws://127.0.0.1:{port}/ws/v4/"),
        private_ws: format!("ws://127.0.0.1:{port}/private"),
    }
}

pub(crate) fn secure(host: &str, port: u16) -> Endpoints {
    Endpoints {
        rest: format!("https://{host}:{port}"),
        ws: format!("wss://{host}:{port}/ws/v4/"),
        private_ws: format!("wss://{host}:{port}/private"),
    }
}

/// A driver and its queue.
pub(crate) struct Edge {
    pub(crate) io: VenueIo,
    pub(crate) events: EventReceiver,
}

impl Edge {
    pub(crate) fn new(endpoints: &Endpoints) -> Edge {
        Edge::with(endpoints, TlsRoots::bundled(), Limits::default())
    }

    pub(crate) fn with(endpoints: &Endpoints, tls: TlsRoots, limits: Limits) -> Edge {
        let (sender, events) = event_queue();
        let io = VenueIo::with_limits(VenueId(3), endpoints, tls, sender, Clock::new(), limits).unwrap();
        Edge { io, events }
    }

    pub(crate) async fn next(&mut self) -> IoBody {
        let IoEvent { venue, body, .. } = self.events.recv().await.unwrap();
        assert_eq!(venue, VenueId(3));
        body
    }

    /// The next event, which must be a frame of the public link.
    pub(crate) async fn frame(&mut self) -> Vec<u8> {
        match self.next().await {
            IoBody::Frame { link: PUBLIC, bytes } => bytes,
            other => panic!("no frame of the public link: {other:?}"),
        }
    }

    /// The next event, which must be the loss of the public link.
    pub(crate) async fn lost(&mut self) -> (LossReason, String) {
        match self.next().await {
            IoBody::Lost { link: PUBLIC, reason, detail } => (reason, detail),
            other => panic!("no loss of the public link: {other:?}"),
        }
    }

    /// Opens the public link and waits until it is up.
    pub(crate) async fn open(&mut self) {
        self.io.perform(Transmit::Open(PUBLIC));
        match self.next().await {
            IoBody::Connected { link: PUBLIC, peer } => assert!(peer.ip().is_loopback()),
            other => panic!("not connected: {other:?}"),
        }
    }

    pub(crate) fn request(&mut self, ticket: u64, request: HttpRequest, timeout_ns: u64) {
        let order = request.method == Method::Post;
        self.io.perform(Transmit::Request { ticket: Ticket(ticket), request, timeout_ns, order });
    }

    /// The next event, which must be the response to `ticket`.
    pub(crate) async fn response(&mut self, ticket: u64) -> HttpOutcome {
        match self.next().await {
            IoBody::Response { ticket: got, outcome } => {
                assert_eq!(got, Ticket(ticket));
                outcome
            }
            other => panic!("no response: {other:?}"),
        }
    }

    pub(crate) async fn exchange(&mut self, ticket: u64, request: HttpRequest) -> HttpOutcome {
        self.request(ticket, request, LONG_NS);
        self.response(ticket).await
    }
}

pub(crate) fn get(path: &str, query: &str) -> HttpRequest {
    HttpRequest { method: Method::Get, path: path.to_string(), query: query.to_string(), headers: vec![], body: vec![] }
}

pub(crate) fn post(body: &str) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        path: "/api/v4/spot/orders".to_string(),
        query: String::new(),
        headers: vec![("KEY", "k".to_string()), ("SIGN", "s3cret".to_string())],
        body: body.as_bytes().to_vec(),
    }
}

/// One whole request as it was on the wire, or `None` when the peer left before.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(socket: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                assert_eq!(bytes.len(), end + 4 + length, "more than one request on the wire");
                return Some(String::from_utf8(bytes).unwrap());
            }
        }
        let mut part = [0; 4096];
        match socket.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    }
}

/// A plain answer that keeps the connection.
pub(crate) fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A CA made for one test.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Ca {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Ca { issuer }
    }

    pub(crate) fn roots(&self) -> TlsRoots {
        TlsRoots::with_extra_ca(self.issuer.pem().as_bytes()).unwrap()
    }

    /// A server for `name`, valid from 2020 until the year given.
    pub(crate) fn acceptor(&self, name: &str, until_year: i32) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
