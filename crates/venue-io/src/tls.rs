//! Which certificates are trusted, and the one TLS set-up of both transports: rustls with ring, name check always, TLS 1.2 and
//! 1.3. There is no way to trust everything.

use crate::error::IoSetupError;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The certificate authorities that a venue's hosts are checked against.
#[derive(Clone)]
pub struct TlsRoots {
    roots: Arc<RootCertStore>,
    own_ca: bool,
}

impl std::fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsRoots({} of {})", self.roots.len(), if self.own_ca { "one's own" } else { "the public web" })
    }
}

impl TlsRoots {
    /// The authorities of the public web, compiled in: the host's own store is not asked.
    pub fn bundled() -> TlsRoots {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        TlsRoots { roots: Arc::new(roots), own_ca: false }
    }

    /// One's own authority instead of the public ones, from PEM text (simulator, tests). [`crate::VenueIo::new`] accepts it
    /// only when every endpoint is this machine.
    ///
    /// # Errors
    /// [`IoSetupError::BadCa`] when the text holds no certificate or one that can't be an authority.
    pub fn with_extra_ca(pem: &[u8]) -> Result<TlsRoots, IoSetupError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| IoSetupError::BadCa(e.to_string()))?;
            roots.add(certificate).map_err(|e| IoSetupError::BadCa(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(IoSetupError::BadCa("it holds no certificate".to_string()));
        }
        Ok(TlsRoots { roots: Arc::new(roots), own_ca: true })
    }

    /// Whether these are not the public authorities.
    pub(crate) const fn is_own_ca(&self) -> bool {
        self.own_ca
    }

    /// A client set-up that trusts these, and asks for the protocols `alpn`.
    ///
    /// The provider is named here, so that nothing depends on what the process installed as its default.
    pub(crate) fn client_config(&self, alpn: &[&[u8]]) -> Result<ClientConfig, IoSetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(IoSetupError::Tls)?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_certificate_is_no_authority() {
        for pem in [&b""[..], b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(TlsRoots::with_extra_ca(pem), Err(IoSetupError::BadCa(_))));
        }
        assert!(!TlsRoots::bundled().is_own_ca());
        assert!(TlsRoots::bundled().roots.len() > 50);
    }
}
