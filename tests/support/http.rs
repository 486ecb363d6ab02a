//! The smallest HTTP client that will do: one request, one connection, plain or over TLS.

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for bytes.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: String,
    /// How long the venue wants to be left alone, where it says so.
    pub(crate) retry_after: Option<Duration>,
    /// What the venue has counted of this address in its minute, where it says so.
    pub(crate) used_weight: Option<u64>,
}

/// One request. `headers` may replace the `Host` that is sent otherwise.
#[track_caller]
pub(crate) fn http(address: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    exchange(connect(address), &request(address, method, target, headers, body))
}

/// As [`http`], over TLS, trusting one authority only.
#[track_caller]
pub(crate) fn https(address: &str, ca_file: &Path, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).expect("the authority's file can be read") {
        roots.add(certificate.expect("the authority's file is PEM")).expect("the authority is a certificate");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = address.split(':').next().unwrap_or_default().to_string();
    let name = ServerName::try_from(host).expect("the host is a name or an address");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a TLS connection can be made");
    exchange(StreamOwned::new(connection, connect(address)), &request(address, method, target, headers, ""))
}

fn connect(address: &str) -> TcpStream {
    let address: SocketAddr = address.parse().expect("an address and a port");
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    stream
}

fn request(address: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n" + body
}

fn exchange(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).expect("the request can be sent");
    stream.flush().expect("the request can be sent");
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        // A server may close without TLS's farewell; the length is checked below.
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "the answer can be read: {error}");
    }
    let text = String::from_utf8(bytes).expect("the answer is text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {head:?}"));
    let header =
        |name: &str| head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|n| n.trim().to_string()));
    if let Some(length) = header("content-length:") {
        assert_eq!(length, body.len().to_string(), "the body is whole");
    }
    let number = |name: &str| header(name).and_then(|number| number.parse().ok());
    let retry_after = number("retry-after:").map(Duration::from_secs);
    Answer { status, body: body.to_string(), retry_after, used_weight: number("x-mbx-used-weight-1m:") }
}
