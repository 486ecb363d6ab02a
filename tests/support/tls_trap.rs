//! A TLS server that nobody should trust, and a record of what was said to it all the same.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is wrong with its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It ended years ago.
    Expired,
    /// It is for another host.
    WrongName,
    /// Nobody knows its authority.
    UnknownAuthority,
    /// Nothing: the trap itself must work.
    Nothing,
}

/// The server. Its thread ends with the test's process.
#[derive(Debug)]
pub(crate) struct TlsTrap {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The authority that a client should trust; with [`Flaw::UnknownAuthority`] it is another one.
    pub(crate) ca_pem: String,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    handshakes: AtomicU64,
    application_bytes: AtomicU64,
}

impl TlsTrap {
    /// Listens on a free port.
    #[track_caller]
    pub(crate) fn start(flaw: Flaw) -> TlsTrap {
        let (known, signer) = (authority(), authority());
        let signer = if flaw == Flaw::UnknownAuthority { &signer } else { &known };
        let name = if flaw == Flaw::WrongName { "venue.example" } else { "127.0.0.1" };
        let mut leaf = CertificateParams::new(vec![name.to_string()]).expect("a name");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if flaw == Flaw::Expired {
            (leaf.not_before, leaf.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = leaf.signed_by(&key, &signer.1).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("the certificate is the key's");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let counts = Arc::new(Counts::default());
        let (counting, config) = (Arc::clone(&counts), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counting.connections.fetch_add(1, Ordering::SeqCst);
                let (counts, config) = (Arc::clone(&counting), Arc::clone(&config));
                std::thread::spawn(move || listen(stream, config, &counts));
            }
        });
        TlsTrap { address, ca_pem: known.0, counts }
    }

    /// Connections, finished handshakes, and bytes that came after one.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (of(&self.counts.connections), of(&self.counts.handshakes), of(&self.counts.application_bytes))
    }
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are fine");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority of a test");
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    (pem, Issuer::new(params, key))
}

fn listen(mut stream: std::net::TcpStream, config: Arc<ServerConfig>, counts: &Counts) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out can be set");
    let mut tls = ServerConnection::new(config).expect("a connection");
    while tls.is_handshaking() {
        if tls.complete_io(&mut stream).is_err() {
            return;
        }
    }
    // A client of TLS 1.3 that refuses the certificate says so only now: a handshake counts once its first bytes came.
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = rustls::Stream::new(&mut tls, &mut stream).read(&mut bytes) {
        if counts.application_bytes.fetch_add(count as u64, Ordering::SeqCst) == 0 {
            counts.handshakes.fetch_add(1, Ordering::SeqCst);
        }
    }
}
