//! From settings and PEM files to what rustls needs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{DistinguishedName, RootCertStore, ServerConfig, version};

use super::authorities::{Authorities, Trusted};
use super::verifier::Verifier;
use super::{ServerTls, demo};
use crate::config::tls::{ClientAuth, ClientCa, TlsSettings};

/// Why a TLS listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {what} {}: {source}", path.display())]
    Read {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{what} {} is not valid PEM: {source}", path.display())]
    Pem {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// A PEM file has nothing of the kind that is needed.
    #[error("{what} {} has no `{wanted}` block", path.display())]
    Missing {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The PEM label that was looked for.
        wanted: &'static str,
    },
    /// The certificate and the key do not go together, or are of a kind that is not supported.
    #[error("certificate {} with key {}: {source}", cert.display(), key.display())]
    Pair {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// rustls's reason.
        source: rustls::Error,
    },
    /// Only one of `cert` and `key` is set.
    #[error("`{set}` is set without `{missing}`: set both, or neither for a self-signed demo certificate")]
    Half {
        /// The setting that is there.
        set: &'static str,
        /// The setting that is not.
        missing: &'static str,
    },
    /// Client certificates are asked for, but nobody vouches for them.
    #[error(
        "client certificates are asked for (`client_auth`), but `client_ca` names no file to check them against"
    )]
    NoClientCa,
    /// A certificate of `client_ca` cannot serve as an authority.
    #[error("client CA file {}: {reason}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The demo certificate cannot be made.
    #[error("cannot make a self-signed certificate: {0}")]
    Generate(rcgen::Error),
    /// The demo certificate cannot be kept.
    #[error("cannot write the self-signed demo certificate to {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// rustls refuses the set-up as a whole.
    #[error("TLS set-up: {0}")]
    Setup(rustls::Error),
}

/// Reads what `settings` name and makes rustls's configuration of it: TLS 1.2 and 1.3, the ring provider.
///
/// `data` is the broker's data folder, for the self-signed demo certificate. `alpn` are the application protocols to
/// agree on, best first (`mqtt`; `http/1.1` for secure WebSocket); a client that offers only others is refused, and
/// with an empty list what clients offer is ignored. `registered` are the authorities that operators register.
///
/// # Errors
/// Names the file or setting and what to do about it.
pub fn server_config(
    settings: &TlsSettings,
    data: &Path,
    alpn: &[&str],
    registered: &Arc<Authorities>,
) -> Result<ServerTls, TlsError> {
    let (cert, key) = match (&settings.cert, &settings.key) {
        (Some(cert), Some(key)) => (cert.clone(), key.clone()),
        (None, None) => demo::certificate(data)?,
        (Some(_), None) => {
            return Err(TlsError::Half {
                set: "cert",
                missing: "key",
            });
        }
        (None, Some(_)) => {
            return Err(TlsError::Half {
                set: "key",
                missing: "cert",
            });
        }
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(TlsError::Setup)?;
    let verifier = match settings.client_auth {
        ClientAuth::None => None,
        asked => Some(client_verifier(settings, asked, &provider, registered)?),
    };
    let authorities = verifier
        .as_ref()
        .map(|verifier| Arc::clone(&verifier.authorities));
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
    };
    let chain = certificates("certificate", &cert)?;
    let mut config = builder
        .with_single_cert(chain, private_key(&key)?)
        .map_err(|source| TlsError::Pair {
            cert: cert.clone(),
            key: key.clone(),
            source,
        })?;
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    if settings.client_auth == ClientAuth::None {
        // Tickets spare a fleet that reconnects the costly half of its handshakes, at no memory here.
        config.ticketer = ring::Ticketer::new().map_err(TlsError::Setup)?;
    } else {
        // A resumed session would keep a certificate in force after its authority ceased to be one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(ServerTls {
        config: Arc::new(config),
        authorities,
    })
}

fn client_verifier(
    settings: &TlsSettings,
    asked: ClientAuth,
    provider: &CryptoProvider,
    registered: &Arc<Authorities>,
) -> Result<Verifier, TlsError> {
    let (authorities, hints) = match &settings.client_ca {
        None => return Err(TlsError::NoClientCa),
        Some(ClientCa::Registered) => (Arc::clone(registered), Vec::new()),
        Some(ClientCa::File(path)) => of_file(path)?,
    };
    Ok(Verifier {
        authorities,
        mandatory: asked == ClientAuth::Required,
        hints,
        algorithms: provider.signature_verification_algorithms,
    })
}

/// The authorities of a file, and their names.
fn of_file(path: &Path) -> Result<(Arc<Authorities>, Vec<DistinguishedName>), TlsError> {
    let mut trusted = Vec::new();
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client CA file", path)? {
        let bad = |reason: String| TlsError::ClientCa {
            path: path.to_owned(),
            reason,
        };
        trusted.push(Trusted::always(&certificate).map_err(bad)?);
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    Ok((Authorities::of(trusted), roots.subjects()))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(what, path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem {
            what,
            path: path.to_owned(),
            source,
        })?;
    if chain.is_empty() {
        return Err(TlsError::Missing {
            what,
            path: path.to_owned(),
            wanted: "CERTIFICATE",
        });
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "private key";
    PrivateKeyDer::from_pem_slice(&read(what, path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::Missing {
            what,
            path: path.to_owned(),
            wanted: "PRIVATE KEY",
        },
        source => TlsError::Pem {
            what,
            path: path.to_owned(),
            source,
        },
    })
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}
