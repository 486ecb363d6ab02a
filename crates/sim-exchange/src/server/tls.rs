//! A throw-away certificate authority for one run, and a server certificate signed by it.
//!
//! Start at [`TlsMaterial::generate`]. Keys live in memory only; clients are given [`TlsMaterial::ca_pem`] to trust.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The generator refused, usually because a host name is not a valid name.
    #[error("cannot make a throw-away certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the result.
    #[error("cannot use the throw-away certificate")]
    Config(#[from] rustls::Error),
}

/// A certificate authority made for this run and the server side of TLS that it vouches for.
#[derive(Clone, Debug)]
pub struct TlsMaterial {
    ca_pem: String,
    server_config: Arc<rustls::ServerConfig>,
}

impl TlsMaterial {
    /// Makes a fresh authority and one server certificate for `hosts` (names or addresses).
    ///
    /// # Errors
    /// [`TlsError`] when a host is neither a valid DNS name nor an address.
    pub fn generate(hosts: &[&str]) -> Result<TlsMaterial, TlsError> {
        let mut ca = CertificateParams::new(Vec::<String>::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        ca.distinguished_name.push(DnType::CommonName, "crossgate simulator, throw-away authority");
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name.push(DnType::CommonName, "crossgate simulated venue");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let leaf_key = KeyPair::generate()?;
        let leaf_certificate = leaf.signed_by(&leaf_key, &issuer)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf_certificate.der().clone()], private_key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsMaterial { ca_pem: ca_certificate.pem(), server_config: Arc::new(config) })
    }

    /// The authority's certificate, for clients to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(super) fn server_config(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.server_config)
    }
}
