//! TLS towards backends: the system's authorities, and those that an entry names.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// A configuration that trusts the system's authorities and those in `ca`.
///
/// # Errors
/// The file cannot be read or holds no certificate, in words.
pub(super) fn client_config(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Some systems hold certificates that rustls does not understand; the others are good all the same.
    let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = ca {
        let wrong = |why: &dyn std::fmt::Display| format!("`http.ca`: {}: {why}", ca.display());
        let certificates = CertificateDer::pem_file_iter(ca).map_err(|why| wrong(&why))?;
        let mut found = false;
        for certificate in certificates {
            let certificate = certificate.map_err(|why| wrong(&why))?;
            roots.add(certificate).map_err(|why| wrong(&why))?;
            found = true;
        }
        if !found {
            return Err(wrong(&"it holds no certificate in PEM"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|why| why.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
