//! What may be known of a certificate.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::super::peer::ClientCertificate;

/// Reads the facts out of a certificate that rustls has verified. One that cannot be parsed a second time still has
/// its fingerprint.
pub(super) fn facts(der: &[u8]) -> ClientCertificate {
    let mut facts = ClientCertificate {
        common_name: None,
        alternative_names: Vec::new(),
        serial: String::new(),
        fingerprint: fingerprint_of(der),
        valid: (0, 0),
        authorities: Vec::new(),
    };
    if let Ok((_, certificate)) = X509Certificate::from_der(der) {
        facts.serial = serial(&certificate);
        let validity = certificate.validity();
        facts.valid = (validity.not_before.timestamp(), validity.not_after.timestamp());
        facts.common_name = certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .map(str::to_owned);
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            facts.alternative_names = names.value.general_names.iter().filter_map(text).collect();
        }
    }
    facts
}

/// SHA-256 of a certificate, in lower-case hex.
#[must_use]
pub fn fingerprint_of(der: &[u8]) -> String {
    hex(&Sha256::digest(der)).to_lowercase()
}

/// The serial number of a certificate; empty if it is none.
pub(super) fn serial_of(der: &[u8]) -> String {
    X509Certificate::from_der(der).map_or_else(|_| String::new(), |(_, read)| serial(&read))
}

/// The serial number as `openssl x509 -serial` prints it: upper-case hex, without the zero that only says that it is no
/// negative number.
#[must_use]
pub fn serial(certificate: &X509Certificate<'_>) -> String {
    let bytes = certificate.raw_serial();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(zeros..).unwrap_or_default() {
        [] => "00".to_owned(),
        number => hex(number),
    }
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let ip = <[u8; 4]>::try_from(*bytes)
                .map(|ip| IpAddr::V4(Ipv4Addr::from(ip)))
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(|ip| IpAddr::V6(Ipv6Addr::from(ip))));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02X}");
            text
        })
}
