//! What is secret in the registry's file: the values of records. They lie there encrypted with XChaCha20-Poly1305, under a key that
//! has a file of its own.
//!
//! Readable for whoever has the file: the *keys* of records (instance, kind, name), their revisions, and roughly how long
//! values are. Names are what an operator looks for in a backup, and they are no secrets in MQTT either; whoever makes
//! records must not put a secret into a name.
//!
//! What a value is about (the record's key and its revision) is part of the seal, so a value in the place of another does not
//! open. That an old record is put back in its own place, or is missing, is seen by the [sum](super::sum), for which tags are
//! made here.
//!
//! Nonces are random: 24 bytes are long enough to never meet the same one twice.
//!
//! *Invariant*: no key is shown by `Debug`, and none stays in memory that was given back.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::RecordKey;
use crate::store::{Revision, StoreError};

/// Bytes of a key, of either kind.
pub(super) const KEY: usize = 32;

/// Bytes in front of what is sealed.
const NONCE: usize = 24;

/// Bytes that say which of all values one has to be.
pub(super) struct About(Vec<u8>);

impl About {
    /// The value of this record in this version.
    pub(super) fn record(key: &RecordKey, revision: Revision) -> Self {
        let mut bytes = vec![b'r'];
        for part in [&key.instance, &key.kind, &key.name] {
            // Lengths, so that no two keys have the same bytes.
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend(revision.0.to_be_bytes());
        Self(bytes)
    }

    /// Something of the file itself.
    pub(super) fn file(what: &str) -> Self {
        let mut bytes = vec![b'f'];
        bytes.extend(what.as_bytes());
        Self(bytes)
    }
}

/// Seals and opens.
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
    tags: Zeroizing<[u8; KEY]>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Seal {
    /// Under this key.
    pub(super) fn new(key: &[u8; KEY]) -> Self {
        let sealing = derived(key, b"dunlin registry: values");
        Self {
            cipher: XChaCha20Poly1305::new(&Key::from(*sealing)),
            tags: derived(key, b"dunlin registry: tags"),
        }
    }

    /// Encrypts.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(super) fn close(&self, about: &About, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE];
        let failed = |error: String| StoreError::Failed(format!("a record could not be encrypted: {error}"));
        getrandom::fill(&mut nonce).map_err(|error| failed(error.to_string()))?;
        let payload = Payload {
            msg: plain,
            aad: &about.0,
        };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|error| failed(error.to_string()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts. Nothing, if it was sealed under another key, about something else, or not at all.
    pub(super) fn open(&self, about: &About, closed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = closed.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: &about.0,
        };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload);
        plain.ok().map(Zeroizing::new)
    }

    /// A number that nobody can know who does not have the key: of exactly these bytes in exactly this place.
    pub(super) fn tag(&self, about: &About, closed: &[u8]) -> [u8; KEY] {
        let length = (about.0.len() as u64).to_be_bytes();
        keyed(&self.tags, &[&length, &about.0, closed])
    }
}

fn derived(key: &[u8; KEY], purpose: &[u8]) -> Zeroizing<[u8; KEY]> {
    Zeroizing::new(keyed(key, &[purpose]))
}

fn keyed(key: &[u8; KEY], parts: &[&[u8]]) -> [u8; KEY] {
    // A whole block, as HMAC itself would fill the key up to one: of this length it takes every key.
    let mut block = Zeroizing::new([0_u8; 2 * KEY]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = <Hmac<Sha256> as Mac>::new(hmac::digest::Key::<Hmac<Sha256>>::from_slice(&*block));
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(instance: &str, kind: &str, revision: u64) -> About {
        About::record(&RecordKey::new(instance, kind, "n"), Revision(revision))
    }

    #[test]
    fn what_is_closed_opens_in_its_own_place_alone() {
        let seal = Seal::new(&[7; KEY]);
        let closed = seal.close(&about("a", "bc", 1), b"secret").unwrap();
        assert_eq!(
            seal.open(&about("a", "bc", 1), &closed).unwrap().as_slice(),
            b"secret"
        );
        for other in [about("ab", "c", 1), about("a", "bc", 2), About::file("check")] {
            assert!(seal.open(&other, &closed).is_none());
        }
        assert!(Seal::new(&[8; KEY]).open(&about("a", "bc", 1), &closed).is_none());
        for length in 0..closed.len() {
            assert!(seal.open(&about("a", "bc", 1), &closed[..length]).is_none());
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same_and_its_tag_neither() {
        let seal = Seal::new(&[7; KEY]);
        let place = about("a", "b", 1);
        let (one, two) = (
            seal.close(&place, b"x").unwrap(),
            seal.close(&place, b"x").unwrap(),
        );
        assert_ne!(one, two);
        assert_eq!(seal.tag(&place, &one), seal.tag(&place, &one));
        assert_ne!(seal.tag(&place, &one), seal.tag(&place, &two));
        assert_ne!(seal.tag(&place, &one), seal.tag(&about("a", "b", 2), &one));
        assert_ne!(seal.tag(&place, &one), Seal::new(&[8; KEY]).tag(&place, &one));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Seal::new(&[7; KEY])), "Seal { .. }");
    }
}
