//! Settings of a TLS listener, as `transport` takes them.

use std::path::PathBuf;

use super::listeners::TlsConfig;
pub use super::listeners::{ClientAuth, ClientCa};

/// What a TLS or secure WebSocket listener shows to clients and asks of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file with the server's certificate chain, its own first. Without it and without `key` Dunlin makes a
    /// self-signed certificate for the demo.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key of `cert`.
    pub key: Option<PathBuf>,
    /// The authorities whose client certificates are trusted.
    pub client_ca: Option<ClientCa>,
    /// Whether clients have to show a certificate.
    pub client_auth: ClientAuth,
}

impl From<&TlsConfig> for TlsSettings {
    fn from(config: &TlsConfig) -> Self {
        let identity = config.identity.as_ref();
        Self {
            cert: identity.map(|identity| identity.cert.clone()),
            key: identity.map(|identity| identity.key.clone()),
            client_ca: config.client_ca.clone(),
            client_auth: config.client_auth,
        }
    }
}
