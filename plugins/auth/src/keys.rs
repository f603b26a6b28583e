//! Access keys: ids and secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::InvalidLength;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::collections::HashMap;
use std::fmt;
use subtle::ConstantTimeEq;

type Signer = Hmac<Sha1>;

/// A signer for each id: the part of a signature that is the same for all client ids is computed once.
pub(crate) struct Keys {
    known: HashMap<String, Signer>,
    /// Signs for ids that nobody has.
    unknown: Signer,
}

/// Nothing of a secret, for logs.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

impl Keys {
    /// # Errors
    /// When a secret has a length that HMAC does not take; it takes all.
    pub(crate) fn new(secrets: &[(String, String)]) -> Result<Self, InvalidLength> {
        let signer = |secret: &str| Signer::new_from_slice(secret.as_bytes());
        let known = secrets
            .iter()
            .map(|(id, secret)| Ok((id.clone(), signer(secret)?)));
        Ok(Self {
            known: known.collect::<Result<_, _>>()?,
            unknown: signer("none")?,
        })
    }

    /// Whether `password` is what the key `id` signs `client_id` with.
    ///
    /// A key that does not exist takes as long as a wrong signature and gets the same answer: nobody learns which keys there are.
    pub(crate) fn signed(&self, id: &str, client_id: &str, password: &[u8]) -> bool {
        let known = self.known.get(id);
        let digest = known
            .unwrap_or(&self.unknown)
            .clone()
            .chain_update(client_id)
            .finalize();
        // As text, so that there is one way to write a signature.
        let right = STANDARD.encode(digest.into_bytes());
        // Lengths are compared at once: that of a signature is no secret.
        let equal = right.as_bytes().ct_eq(password);
        known.is_some() & bool::from(equal)
    }
}
