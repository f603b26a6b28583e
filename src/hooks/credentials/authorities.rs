//! Certificates of authorities, which vouch for devices. Whoever registers one shows that it has the key: by a certificate that it
//! has signed with it, whose common name is the registration code of the instance.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::certificates::Status;
use super::x509::{self, Read};
use super::{
    CredentialError, Credentials, Done, Page, Which, failed, fields, forms, kind, quoted, read_as, record_of,
    wrong,
};
use crate::instance::fresh;
use crate::store::registry::{Expect, Record, Registry, Write};
use crate::transport::tls::{Authority, Trusted};

/// The name of the record that has the registration code.
const CURRENT: &str = "current";
/// Letters and digits of a registration code: a common name may have 64.
const CODE: usize = 40;

/// The certificate of an authority. Its times are milliseconds since 1970, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCertificate {
    /// Its serial number, as [`ClientCertificate::serial`](crate::transport::ClientCertificate::serial).
    #[serde(skip)]
    pub sn: String,
    /// What whoever registered it calls it.
    pub name: String,
    /// The certificate.
    pub pem: String,
    /// SHA-256 of it, in hex.
    pub fingerprint: String,
    /// What showed that the key was there.
    pub verification_pem: String,
    /// Whether it vouches for devices.
    pub status: Status,
    /// From when on it is valid.
    pub valid_begin: String,
    /// Until when.
    pub valid_end: String,
    /// The registration code then.
    pub registration_code: String,
    /// When it was registered.
    pub created: u64,
}

impl Credentials<'_> {
    /// The registration code of the instance; it is made when it is first asked for, and stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn registration_code(&self) -> Done<String> {
        if let Some(code) = self.code() {
            return Ok(code);
        }
        let code = fresh::text(CODE).map_err(|error| CredentialError::Failed(error.to_string()))?;
        let value = fields([("code", code.as_str().into()), ("created", self.now.0.into())]);
        let there = "somebody else asked for the registration code at the same time; ask again";
        self.put(kind::CA_REGISTER_CODE, CURRENT, value, Expect::Nothing, there)
            .await?;
        Ok(code)
    }

    fn code(&self) -> Option<String> {
        let record = self
            .registry
            .get(self.instance, kind::CA_REGISTER_CODE, CURRENT)?;
        record.text("code").map(str::to_owned)
    }

    /// Registers an authority by its certificate; it vouches for devices from then on.
    ///
    /// # Errors
    /// It is no authority's, is not valid now, or is there already; or nothing shows that whoever registers it has the key.
    pub async fn register_ca(&self, name: &str, pem: &str, verification_pem: &str) -> Done<CaCertificate> {
        const CA: &str = "the CA certificate";
        const VERIFICATION: &str = "the verification certificate";
        forms::ca_name(name)?;
        let der = x509::of_pem(CA, pem)?;
        let ca = Read::of(CA, &der)?;
        if !ca.is_an_authority() {
            return Err(wrong(
                "the CA certificate is not one of an authority: it lacks basicConstraints CA:TRUE, or its keyUsage lacks keyCertSign",
            ));
        }
        Trusted::while_valid(&der)
            .map_err(|error| wrong(format!("the CA certificate cannot be used: {error}")))?;
        let now = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        if !(ca.valid.0..=ca.valid.1).contains(&now) {
            return Err(wrong(
                "the CA certificate is not valid at this time; look at its dates, for example with `openssl x509 -dates`",
            ));
        }
        let verification = x509::of_pem(VERIFICATION, verification_pem)?;
        let verification = Read::of(VERIFICATION, &verification)?;
        if !verification.is_signed_by(&ca) {
            return Err(wrong(
                "the verification certificate is not signed by the CA certificate; sign it with the key of the CA (RSA of 2048 \
                 bits and more, P-256, P-384, Ed25519)",
            ));
        }
        let Some(code) = self.code() else {
            return Err(CredentialError::Missing(
                "the instance has no registration code yet; `dunlin ctl ca code` makes one".to_owned(),
            ));
        };
        if verification.name.as_deref() != Some(&code) {
            return Err(wrong(format!(
                "the common name of the verification certificate is {}; it has to be the registration code of the instance, \
                 which `dunlin ctl ca code` prints",
                quoted(verification.name.as_deref().unwrap_or_default())
            )));
        }
        self.is_new(&ca)?;
        let registered = CaCertificate {
            sn: ca.serial,
            name: name.to_owned(),
            pem: pem.trim().to_owned(),
            fingerprint: ca.fingerprint,
            verification_pem: verification_pem.trim().to_owned(),
            status: Status::Active,
            valid_begin: ca.valid.0.to_string(),
            valid_end: ca.valid.1.to_string(),
            registration_code: code,
            created: self.now.0,
        };
        let there = format!("the CA certificate {} is registered already", registered.sn);
        let value = record_of(&registered)?;
        self.put(
            kind::CA_CERTIFICATE,
            &registered.sn,
            value,
            Expect::Nothing,
            &there,
        )
        .await?;
        Ok(registered)
    }

    /// Two certificates of one authority would let a device in by one that was turned away by the other.
    fn is_new(&self, ca: &Read<'_>) -> Done<()> {
        for (sn, record) in self
            .registry
            .list(self.instance, kind::CA_CERTIFICATE, None, usize::MAX)
        {
            let there = record.text("fingerprint") == Some(&ca.fingerprint);
            let what = match *sn == ca.serial {
                true if there => format!("the CA certificate {sn} is registered already"),
                true => format!(
                    "another CA certificate with the serial number {sn} is registered already; serial numbers have to differ"
                ),
                false if is_of(&record, ca) => format!(
                    "the authority is registered already, by its certificate {sn}; delete that first: `dunlin ctl ca delete {sn}`"
                ),
                false => continue,
            };
            return Err(CredentialError::Exists(what));
        }
        Ok(())
    }

    /// Certificates of authorities.
    #[must_use]
    pub fn cas(&self, which: &Which<'_>) -> Page<CaCertificate> {
        self.page(kind::CA_CERTIFICATE, which, read)
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none with this serial number.
    pub fn ca(&self, sn: &str) -> Done<CaCertificate> {
        let sn = forms::serial(sn)?;
        let record = self.registry.get(self.instance, kind::CA_CERTIFICATE, &sn);
        let found = record.and_then(|record| read(&sn, &record));
        found.ok_or_else(|| CredentialError::Missing(missing(&sn)))
    }

    /// Has an authority vouch for devices, or not.
    ///
    /// # Errors
    /// There is none with this serial number.
    pub async fn set_ca(&self, sn: &str, status: Status) -> Done<CaCertificate> {
        let ca = CaCertificate {
            status,
            ..self.ca(sn)?
        };
        let value = record_of(&ca)?;
        self.put(
            kind::CA_CERTIFICATE,
            &ca.sn,
            value,
            Expect::Something,
            &missing(&ca.sn),
        )
        .await?;
        Ok(ca)
    }

    /// Deletes the certificate of an authority, and what is known of the devices that it has vouched for.
    ///
    /// # Errors
    /// There is none with this serial number.
    pub async fn delete_ca(&self, sn: &str) -> Done<()> {
        let ca = self.ca(sn)?;
        let prefix = format!("{}/", ca.sn);
        let devices = self
            .registry
            .list(self.instance, kind::DEVICE_CERTIFICATE, Some(&prefix), usize::MAX);
        let devices = devices
            .iter()
            .take_while(|(name, _)| name.starts_with(&prefix))
            .map(|(name, _)| self.key(kind::DEVICE_CERTIFICATE, name));
        let own = self.key(kind::CA_CERTIFICATE, &ca.sn);
        let gone = |key| Write {
            key,
            value: None,
            expect: Expect::Whatever,
        };
        let writes = std::iter::once(own).chain(devices).map(gone).collect();
        self.registry.write(writes).await.map_err(|error| failed(&error))
    }
}

fn is_of(record: &Record, ca: &Read<'_>) -> bool {
    let pem = record.text("pem").unwrap_or_default();
    let Ok(der) = x509::of_pem("", pem) else {
        return false;
    };
    Read::of("", &der).is_ok_and(|other| other.is_the_same_authority(ca))
}

fn read(sn: &str, record: &Record) -> Option<CaCertificate> {
    let sn = sn.to_owned();
    Some(CaCertificate {
        sn,
        ..read_as(record)?
    })
}

fn missing(sn: &str) -> String {
    format!(
        "no CA certificate with the serial number {sn} is registered; `dunlin ctl ca list` shows those that are"
    )
}

/// The authorities that vouch for devices of this instance. One that cannot be used is told, and left out.
#[must_use]
pub fn trusted(registry: &Registry, instance: &str) -> Vec<Trusted> {
    let all = registry.list(instance, kind::CA_CERTIFICATE, None, usize::MAX);
    let active = all
        .iter()
        .filter(|(_, record)| Status::of(record) == Status::Active);
    let trusted = active.filter_map(|(sn, record)| {
        let der = x509::of_pem("the CA certificate", record.text("pem").unwrap_or_default());
        let read = der
            .map_err(|error| error.to_string())
            .and_then(|der| Trusted::while_valid(&der));
        read.inspect_err(|error| {
            tracing::error!(
                instance,
                sn = &**sn,
                error,
                "a registered CA certificate is not used"
            )
        })
        .ok()
    });
    trusted.collect()
}

/// The serial number of the one of these certificates that is registered in the instance, active or not.
#[must_use]
pub fn registered(registry: &Registry, instance: &str, authorities: &[Arc<Authority>]) -> Option<String> {
    // Other instances may have registered an authority of their own that chose the same number.
    let is_here = |authority: &&Arc<Authority>| {
        let record = registry.get(instance, kind::CA_CERTIFICATE, &authority.serial);
        record.is_some_and(|record| record.text("fingerprint") == Some(&authority.fingerprint))
    };
    Some(authorities.iter().find(is_here)?.serial.clone())
}
