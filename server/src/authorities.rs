//! The certificate authorities that this machine trusts, for whoever is asked by TLS.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Why nobody can be asked by TLS at all.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error(
        "this machine trusts no certificate authority, so nobody can be asked by TLS: install its package \
         ca-certificates, or name a file of certificates by SSL_CERT_FILE ({0})"
    )]
    NoAuthorities(String),
    #[error("failed to set up TLS")]
    Versions(#[source] rustls::Error),
}

/// What it takes to speak TLS with those whom the authorities of this machine vouch for.
///
/// # Errors
///
/// When there are none.
pub(crate) fn native() -> Result<ClientConfig, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoAuthorities(reasons.join("; ")));
    }
    trusting(roots)
}

/// What it takes to speak TLS with those whom `roots` vouch for.
pub(crate) fn trusting(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
