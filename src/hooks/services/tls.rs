//! TLS towards HTTP servers: the system's authorities, and those that an entry names.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The certificates in a file.
///
/// # Errors
/// The file cannot be read or holds none that can be trusted, in words.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let found = CertificateDer::pem_file_iter(file).map_err(|why| wrong(&why))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|why| wrong(&why))?;
    if found.is_empty() {
        return Err(wrong(&"it holds no certificate in PEM"));
    }
    let mut tried = RootCertStore::empty();
    for certificate in &found {
        tried.add(certificate.clone()).map_err(|why| wrong(&why))?;
    }
    Ok(found)
}

/// A configuration that trusts the system's authorities and these.
///
/// # Errors
/// The library has no such protocol, in words.
pub(super) fn client_config(trusted: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Some systems hold certificates that rustls does not understand; the others are good all the same.
    let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in trusted {
        roots.add(certificate.clone()).map_err(|why| why.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|why| why.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
