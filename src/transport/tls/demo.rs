//! The self-signed certificate that lets the demo speak TLS without any set-up.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use super::config::TlsError;

/// Finds the demo certificate and its key under `<data>/tls/`, or makes them there.
pub(super) fn certificate(data: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = data.join("tls");
    let (cert, key) = (folder.join("demo-cert.pem"), folder.join("demo-key.pem"));
    let made = !(cert.exists() && key.exists());
    if made {
        let (cert_pem, key_pem) = make().map_err(TlsError::Generate)?;
        let write = |path: &Path, mode: u32, text: &str| {
            replace(path, mode, text).map_err(|source| TlsError::Write {
                path: path.to_owned(),
                source,
            })
        };
        fs::create_dir_all(&folder).map_err(|source| TlsError::Write {
            path: folder.clone(),
            source,
        })?;
        write(&key, 0o600, &key_pem)?;
        write(&cert, 0o644, &cert_pem)?;
    }
    tracing::warn!(
        cert = %cert.display(),
        made,
        "no TLS certificate is configured: using a self-signed one, for the demo only; \
         clients have to trust that file"
    );
    Ok((cert, key))
}

fn make() -> Result<(String, String), rcgen::Error> {
    // The last one is of all instances, by the default of `endpoints.domain`.
    let names = ["localhost", "127.0.0.1", "::1", "*.mqtt.localhost"]
        .map(str::to_owned)
        .to_vec();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Dunlin demo");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok((cert.pem(), key.serialize_pem()))
}

/// Writes beside and renames, so that a crash leaves no half of a file.
fn replace(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("pem.new");
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}
