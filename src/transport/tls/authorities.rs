//! The authorities that client certificates are checked against, and which of them vouches for one.
//!
//! *Invariant*: a change holds for every handshake that comes to its check afterwards, on all listeners that ask these
//! authorities; it touches no connection that is there.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::{CertificateError, OtherError};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::certificate;

/// The certificate of an authority, as it is known to others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Its serial number, as [`ClientCertificate::serial`](crate::transport::ClientCertificate::serial).
    pub serial: String,
    /// SHA-256 of the certificate, lower-case hex without separators. Serial numbers are an authority's own choice: this is
    /// what tells two apart.
    pub fingerprint: String,
}

/// An authority that may vouch for clients.
#[derive(Debug, Clone)]
pub struct Trusted {
    anchor: TrustAnchor<'static>,
    authority: Arc<Authority>,
    /// From when until when, in seconds since 1970; `None`: for as long as it is one.
    validity: Option<(i64, i64)>,
}

impl Trusted {
    /// The authority with this certificate, within the time that the certificate says.
    ///
    /// # Errors
    /// It cannot serve as one: in words.
    pub fn while_valid(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, read) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let validity = read.validity();
        let validity = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(Self {
            validity: Some(validity),
            ..Self::always(der)?
        })
    }

    /// The same, whatever time the certificate says: a file that an operator has named says enough.
    ///
    /// # Errors
    /// As [`Trusted::while_valid`].
    pub fn always(der: &CertificateDer<'_>) -> Result<Self, String> {
        let anchor = webpki::anchor_from_trusted_cert(der).map_err(|error| error.to_string())?;
        let authority = Authority {
            serial: certificate::serial_of(der),
            fingerprint: certificate::fingerprint_of(der),
        };
        Ok(Self {
            anchor: anchor.to_owned(),
            authority: Arc::new(authority),
            validity: None,
        })
    }

    fn vouches_at(&self, now: UnixTime) -> bool {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.validity
            .is_none_or(|(begin, end)| (begin..=end).contains(&now))
    }

    fn is(&self, anchor: &TrustAnchor<'_>) -> bool {
        self.anchor.subject == anchor.subject
            && self.anchor.subject_public_key_info == anchor.subject_public_key_info
    }
}

/// All authorities of one kind. They may change at any time.
#[derive(Debug, Default)]
pub struct Authorities {
    current: RwLock<Arc<Current>>,
}

#[derive(Debug, Default)]
struct Current {
    trusted: Vec<Trusted>,
    anchors: Vec<TrustAnchor<'static>>,
}

impl Authorities {
    /// These, from now on and no others.
    pub fn replace(&self, trusted: Vec<Trusted>) {
        let mut anchors: Vec<TrustAnchor<'static>> = Vec::with_capacity(trusted.len());
        for one in &trusted {
            // Instances may share an authority, and looking for a path takes time with each.
            if !anchors.contains(&one.anchor) {
                anchors.push(one.anchor.clone());
            }
        }
        *self.current.write() = Arc::new(Current { trusted, anchors });
    }

    /// These for good.
    pub(super) fn of(trusted: Vec<Trusted>) -> Arc<Self> {
        let authorities = Self::default();
        authorities.replace(trusted);
        Arc::new(authorities)
    }

    /// The certificates of the authority that vouches for this chain now: more than one if it has several with one name and
    /// one key.
    ///
    /// # Errors
    /// Nobody vouches for it.
    pub(super) fn who_vouches(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Vec<Arc<Authority>>, rustls::Error> {
        let current = Arc::clone(&self.current.read());
        let vouching = |path: &VerifiedPath<'_>| {
            let mut all = current.trusted.iter();
            match all.any(|one| one.is(path.anchor()) && one.vouches_at(now)) {
                true => Ok(()),
                false => Err(webpki::Error::UnknownIssuer),
            }
        };
        let end_entity = EndEntityCert::try_from(end_entity).map_err(refused)?;
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let path = end_entity
            .verify_for_usage(
                algorithms.all,
                &current.anchors,
                intermediates,
                now,
                KeyUsage::client_auth(),
                None,
                Some(&vouching),
            )
            .map_err(refused)?;
        let vouch = |one: &&Trusted| one.is(path.anchor()) && one.vouches_at(now);
        let all = current.trusted.iter().filter(vouch);
        Ok(all.map(|one| Arc::clone(&one.authority)).collect())
    }
}

/// In rustls's words, which decide what alert the client is sent.
fn refused(error: webpki::Error) -> rustls::Error {
    use webpki::Error as E;
    let what = match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::CertExpired { .. } | E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    rustls::Error::InvalidCertificate(what)
}
