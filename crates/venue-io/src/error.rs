//! Why a venue's sockets can't be set up. All of it is found before a connection is made.

/// Why a [`crate::VenueIo`] can't be made. Messages name the configured key and the host, never a whole URL (it may hold secrets).
#[derive(Debug, thiserror::Error)]
pub enum IoSetupError {
    /// Called outside a tokio runtime.
    #[error("the driver needs a running tokio runtime")]
    NoRuntime,
    /// A URL that can't be used.
    #[error("`{endpoint}` is not a usable URL: {why}")]
    BadUrl {
        /// Which endpoint (`rest`, `ws`, `private_ws`).
        endpoint: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// `http` or `ws` to another machine.
    #[error("`{endpoint}` would talk to {host} without TLS, which is allowed only to this machine: use {remedy}")]
    PlainNotLoopback {
        /// Which endpoint.
        endpoint: &'static str,
        /// Its host.
        host: String,
        /// The scheme to use.
        remedy: &'static str,
    },
    /// A private CA for a host that is not this machine.
    #[error("a CA of one's own is allowed only for this machine, and `{endpoint}` is at {host}")]
    ExtraCaNotLoopback {
        /// Which endpoint.
        endpoint: &'static str,
        /// Its host.
        host: String,
    },
    /// A CA file without a usable certificate.
    #[error("the CA file can't be used: {0}")]
    BadCa(String),
    /// The TLS library refused its set-up.
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refused its set-up.
    #[error("the HTTP client can't be set up")]
    Client(#[source] reqwest::Error),
}
