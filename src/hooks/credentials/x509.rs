//! What is read out of certificates that somebody hands in.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{Done, wrong};
use crate::transport::tls::certificate::{fingerprint_of, serial};

/// The longest serial number, in bytes of its text, as the product has it.
const SERIAL: usize = 128;

/// A certificate, read.
pub(super) struct Read<'a> {
    pub(super) serial: String,
    pub(super) fingerprint: String,
    /// The common name of its subject.
    pub(super) name: Option<String>,
    /// From when until when it is valid, in milliseconds since 1970.
    pub(super) valid: (i64, i64),
    certificate: X509Certificate<'a>,
}

/// The certificate of a PEM text. `what` is what a sentence calls it.
pub(super) fn of_pem(what: &str, pem: &str) -> Done<CertificateDer<'static>> {
    let begins = "it begins with -----BEGIN CERTIFICATE-----";
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let mut all = all.map_err(|error| wrong(format!("{what} is not valid PEM: {error}; {begins}")))?;
    match (all.pop(), all.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(wrong(format!("{what} is no certificate in PEM; {begins}"))),
        (Some(_), more) => Err(wrong(format!(
            "{what} is a list of {} certificates; take the first alone",
            more + 1
        ))),
    }
}

/// Bytes as PEM.
pub(super) fn pem_of(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // The alphabet has letters of one byte alone.
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

impl<'a> Read<'a> {
    /// What these bytes say. `what` is what a sentence calls them.
    pub(super) fn of(what: &str, der: &'a [u8]) -> Done<Self> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| wrong(format!("{what} is no X.509 certificate: {error}")))?;
        let serial = serial(&certificate);
        if serial.len() > SERIAL {
            return Err(wrong(format!(
                "the serial number of {what} has {} digits; {SERIAL} is the most",
                serial.len()
            )));
        }
        let name = certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .map(str::to_owned);
        let validity = certificate.validity();
        let valid =
            [validity.not_before, validity.not_after].map(|time| time.timestamp().saturating_mul(1000));
        Ok(Self {
            serial,
            fingerprint: fingerprint_of(der),
            name,
            valid: valid.into(),
            certificate,
        })
    }

    /// Whether it says that it is an authority's.
    pub(super) fn is_an_authority(&self) -> bool {
        let may_sign = match self.certificate.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        let constraints = self.certificate.basic_constraints();
        may_sign && matches!(constraints, Ok(Some(constraints)) if constraints.value.ca)
    }

    /// Whether the authority has signed it.
    pub(super) fn is_signed_by(&self, authority: &Read<'_>) -> bool {
        let (own, other) = (&self.certificate, &authority.certificate);
        own.issuer().as_raw() == other.subject().as_raw()
            && own.verify_signature(Some(other.public_key())).is_ok()
    }

    /// Whether they are of one authority: certificates of both vouch for the same clients.
    pub(super) fn is_the_same_authority(&self, other: &Read<'_>) -> bool {
        let (one, other) = (&self.certificate, &other.certificate);
        one.subject().as_raw() == other.subject().as_raw() && one.public_key().raw == other.public_key().raw
    }
}
