//! Certificates of authorities and of devices. Times are as in RFC 3339, certificates in PEM.

use serde::{Deserialize, Serialize};

/// What the certificate has to be made for by which an authority is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationCode {
    /// Its common name.
    pub code: String,
}

/// Register an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterCa {
    /// In which instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What to call it.
    pub name: String,
    /// Its certificate.
    pub certificate: String,
    /// A certificate that it has signed, whose common name is the registration code of the instance.
    pub verification: String,
}

/// An authority, by the serial number of its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaName {
    /// Of which instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The serial number.
    pub sn: String,
}

/// An authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRow {
    /// The serial number of its certificate.
    pub sn: String,
    /// What it is called.
    pub name: String,
    /// `active` if it vouches for devices, or `inactive`.
    pub status: String,
    /// From when on its certificate is valid.
    pub valid_from: String,
    /// Until when.
    pub valid_until: String,
    /// When it was registered.
    pub created: String,
}

/// An authority, and what it was registered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaShown {
    /// It.
    #[serde(flatten)]
    pub row: CaRow,
    /// SHA-256 of its certificate, in hex.
    pub fingerprint: String,
    /// Its certificate.
    pub certificate: String,
    /// What showed that its key was there.
    pub verification: String,
    /// The registration code then.
    pub registration_code: String,
}

/// The certificate of a device, by the serial numbers of its authority's and its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateName {
    /// Of which instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Of which authority.
    pub ca_sn: String,
    /// Its own.
    pub sn: String,
}

/// The certificate of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// The serial number of its authority's.
    pub ca_sn: String,
    /// Its own.
    pub sn: String,
    /// The common name of its subject.
    pub name: String,
    /// `active` if its device may connect, or `inactive`.
    pub status: String,
    /// From when on it is valid.
    pub valid_from: String,
    /// Until when.
    pub valid_until: String,
    /// When it was registered.
    pub created: String,
}

/// The certificate of a device as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateShown {
    /// What is known of it.
    #[serde(flatten)]
    pub row: CertificateRow,
    /// It.
    pub certificate: String,
}
