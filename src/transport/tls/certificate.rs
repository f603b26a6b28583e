//! What a policy may know of a client certificate.

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
        fingerprint: hex(&Sha256::digest(der)).to_lowercase(),
    };
    if let Ok((_, certificate)) = X509Certificate::from_der(der) {
        facts.serial = hex(certificate.raw_serial());
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
