//! Certificates of devices. Nobody registers them: the first login with one does, if its authority vouches for devices then.

use serde::{Deserialize, Serialize};

use super::x509::{self, Read};
use super::{CredentialError, Credentials, Done, Page, Which, forms, kind, read_as, record_of};
use crate::hooks::client::TlsInfo;
use crate::store::registry::{Expect, Record, RecordKey, Registry, Write};
use crate::time::Millis;

/// Whether a certificate counts, as the product writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It does not.
    #[serde(rename = "0")]
    Inactive,
    /// It does.
    #[serde(rename = "1")]
    Active,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Active => "active",
        }
    }

    /// What a record says. One that says nothing does not count.
    pub(super) fn of(record: &Record) -> Self {
        match record.text("status") {
            Some("1") => Self::Active,
            _ => Self::Inactive,
        }
    }
}

/// The certificate of a device. Its times are milliseconds since 1970, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCertificate {
    /// The serial number of its authority.
    #[serde(skip)]
    pub ca_sn: String,
    /// Its serial number.
    #[serde(skip)]
    pub sn: String,
    /// The certificate.
    pub pem: String,
    /// The common name of its subject.
    pub name: String,
    /// Whether its device may connect.
    pub status: Status,
    /// From when on it is valid.
    pub valid_begin: String,
    /// Until when.
    pub valid_end: String,
    /// When it was registered.
    pub created: u64,
}

impl Credentials<'_> {
    /// Certificates of devices: of one authority, or all.
    ///
    /// # Errors
    /// That is no serial number.
    pub fn certificates(&self, ca: Option<&str>, which: &Which<'_>) -> Done<Page<DeviceCertificate>> {
        let prefix = match ca {
            Some(sn) => format!("{}/", forms::serial(sn)?),
            None => String::new(),
        };
        let which = Which {
            prefix: &prefix,
            ..*which
        };
        Ok(self.page(kind::DEVICE_CERTIFICATE, &which, read))
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none.
    pub fn certificate(&self, ca_sn: &str, sn: &str) -> Done<DeviceCertificate> {
        let name = name_of(&forms::serial(ca_sn)?, &forms::serial(sn)?);
        let record = self.registry.get(self.instance, kind::DEVICE_CERTIFICATE, &name);
        let found = record.and_then(|record| read(&name, &record));
        found.ok_or_else(|| CredentialError::Missing(missing(&name)))
    }

    /// Lets the device with a certificate connect, or not.
    ///
    /// # Errors
    /// There is none.
    pub async fn set_certificate(&self, ca_sn: &str, sn: &str, status: Status) -> Done<()> {
        let found = DeviceCertificate {
            status,
            ..self.certificate(ca_sn, sn)?
        };
        let name = name_of(&found.ca_sn, &found.sn);
        let value = record_of(&found)?;
        self.put(
            kind::DEVICE_CERTIFICATE,
            &name,
            value,
            Expect::Something,
            &missing(&name),
        )
        .await
    }

    /// Forgets a certificate: its next login registers it anew.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete_certificate(&self, ca_sn: &str, sn: &str) -> Done<()> {
        let name = name_of(&forms::serial(ca_sn)?, &forms::serial(sn)?);
        self.remove(kind::DEVICE_CERTIFICATE, &name, || missing(&name))
            .await
    }
}

fn name_of(ca_sn: &str, sn: &str) -> String {
    format!("{ca_sn}/{sn}")
}

fn read(name: &str, record: &Record) -> Option<DeviceCertificate> {
    let (ca_sn, sn) = name.split_once('/')?;
    Some(DeviceCertificate {
        ca_sn: ca_sn.to_owned(),
        sn: sn.to_owned(),
        ..read_as(record)?
    })
}

fn missing(name: &str) -> String {
    format!(
        "no device certificate {name} is registered; `dunlin ctl certificate list` shows those that are, as CA/DEVICE"
    )
}

/// The records that a login with a certificate of a registered authority rests on, whatever policies say.
pub fn rests_on(tls: &TlsInfo) -> Option<[String; 2]> {
    let (ca_sn, sn) = (tls.ca_serial.as_ref()?, tls.serial.as_ref()?);
    Some([
        format!("{}/{ca_sn}", kind::CA_CERTIFICATE),
        format!("{}/{}", kind::DEVICE_CERTIFICATE, name_of(ca_sn, sn)),
    ])
}

/// What the product calls the serial number of the chain: `CaSn/DeviceSn`, or of another authority's certificate its own alone.
pub fn chain_serial(tls: &TlsInfo) -> Option<String> {
    let sn = tls.serial.as_ref()?;
    Some(match &tls.ca_serial {
        Some(ca_sn) => name_of(ca_sn, sn),
        None => sn.clone(),
    })
}

/// A certificate that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCertificate {
    /// The instance.
    pub instance: String,
    /// The serial number of its authority there.
    pub ca_sn: String,
    /// It.
    pub der: Box<[u8]>,
}

/// Whether this certificate is one that is not known in the instance, of an authority that vouches for devices.
#[must_use]
pub fn is_new(registry: &Registry, instance: &str, ca_sn: &str, sn: &str) -> bool {
    let ca = registry.get(instance, kind::CA_CERTIFICATE, ca_sn);
    ca.is_some_and(|ca| Status::of(&ca) == Status::Active)
        && registry
            .get(instance, kind::DEVICE_CERTIFICATE, &name_of(ca_sn, sn))
            .is_none()
}

impl NewCertificate {
    /// What registers it, unless somebody has or it cannot be.
    #[must_use]
    pub fn write(&self, registry: &Registry, now: Millis) -> Option<Write> {
        let read = Read::of("the certificate", &self.der).ok()?;
        if !is_new(registry, &self.instance, &self.ca_sn, &read.serial) {
            return None;
        }
        let certificate = DeviceCertificate {
            ca_sn: self.ca_sn.clone(),
            pem: x509::pem_of(&self.der),
            name: read.name.unwrap_or_default(),
            status: Status::Active,
            valid_begin: read.valid.0.to_string(),
            valid_end: read.valid.1.to_string(),
            created: now.0,
            sn: read.serial,
        };
        let name = name_of(&self.ca_sn, &certificate.sn);
        Some(Write {
            key: RecordKey::new(&self.instance, kind::DEVICE_CERTIFICATE, &name),
            value: Some(record_of(&certificate).ok()?),
            expect: Expect::Nothing,
        })
    }

    /// Whether a change of a record is such a registration. It takes nothing from anybody: a certificate that is not known
    /// counts as much as one that is active.
    #[must_use]
    pub fn is_registered_by(key: &RecordKey, record: Option<&Record>) -> bool {
        let is_first = |record: &Record| record.revision.0 == 1 && Status::of(record) == Status::Active;
        *key.kind == *kind::DEVICE_CERTIFICATE && record.is_some_and(is_first)
    }
}
