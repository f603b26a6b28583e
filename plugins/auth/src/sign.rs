//! Signatures, digests, and comparisons that do not tell how much was right.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::InvalidLength;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// Signs client ids: the part of a signature that is the same for all of them is computed once.
#[derive(Clone)]
pub(crate) struct Signer(Hmac<Sha1>);

impl Signer {
    /// # Errors
    /// When a secret has a length that HMAC does not take; it takes all.
    pub(crate) fn new(secret: &str) -> Result<Self, InvalidLength> {
        Hmac::new_from_slice(secret.as_bytes()).map(Self)
    }

    /// The signature as text: there is one way to write it.
    pub(crate) fn sign(&self, client_id: &str) -> String {
        STANDARD.encode(self.0.clone().chain_update(client_id).finalize().into_bytes())
    }
}

/// Lengths are compared at once.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

pub(crate) fn hmac_sha256(key: &[u8], data: &[u8]) -> Result<[u8; 32], InvalidLength> {
    let mac = Hmac::<Sha256>::new_from_slice(key)?;
    Ok(mac.chain_update(data).finalize().into_bytes().into())
}

/// Two lower-case digits a byte.
pub(crate) fn hex(data: &[u8]) -> String {
    data.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
