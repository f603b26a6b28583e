//! Certificates, as operators see and change them.

use std::sync::Arc;

use super::credentials::Here;
use super::{Broker, carried_out, time_of};
use crate::admin::api::{
    CaName, CaRow, CaShown, CertificateName, CertificateRow, CertificateShown, ListRequest, OfInstance,
    RegisterCa, RegistrationCode,
};
use crate::admin::{CertificateOperations, Failure, Listed};
use crate::hooks::credentials::{CaCertificate, DeviceCertificate, Status, kind};

impl CertificateOperations for Broker {
    async fn registration_code(&self, request: OfInstance) -> Result<RegistrationCode, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let code = here.credentials().registration_code().await?;
            Ok(RegistrationCode { code })
        })
        .await
    }

    async fn register_ca(&self, request: RegisterCa) -> Result<CaRow, Failure> {
        let (instances, authorities) = (Arc::clone(&self.instances), Arc::clone(&self.authorities));
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let most = here.tenant.limits.ca_certificates;
            let count = instances
                .registry()
                .count(here.tenant.id.as_str(), kind::CA_CERTIFICATE);
            if count >= most {
                return Err(Failure::Refused(format!(
                    "the instance {} has {count} CA certificates, as many as it may (limits.ca_certificates)",
                    here.tenant.id
                )));
            }
            let RegisterCa {
                name,
                certificate,
                verification,
                ..
            } = &request;
            let made = here
                .credentials()
                .register_ca(name, certificate, verification)
                .await?;
            authorities.refresh();
            here.log("registered a CA certificate", &made.sn);
            Ok(ca_row(&made))
        })
        .await
    }

    fn cas(&self, request: &ListRequest) -> Listed<CaRow> {
        self.listed(request, |credentials, which| {
            credentials.cas(which).map(|ca| ca_row(&ca))
        })
    }

    fn ca(&self, request: &CaName) -> Result<CaShown, Failure> {
        self.look(request.instance.as_deref(), |credentials| {
            let ca = credentials.ca(&request.sn)?;
            Ok(CaShown {
                row: ca_row(&ca),
                fingerprint: ca.fingerprint,
                certificate: ca.pem,
                verification: ca.verification_pem,
                registration_code: ca.registration_code,
            })
        })
    }

    async fn set_ca(&self, request: CaName, active: bool) -> Result<(), Failure> {
        let (instances, authorities) = (Arc::clone(&self.instances), Arc::clone(&self.authorities));
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let made = here.credentials().set_ca(&request.sn, status(active)).await?;
            authorities.refresh();
            let what = if active { "activated" } else { "deactivated" };
            here.log(&format!("{what} a CA certificate"), &made.sn);
            Ok(())
        })
        .await
    }

    async fn delete_ca(&self, request: CaName) -> Result<(), Failure> {
        let (instances, authorities) = (Arc::clone(&self.instances), Arc::clone(&self.authorities));
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().delete_ca(&request.sn).await?;
            authorities.refresh();
            here.log("deleted a CA certificate", &request.sn);
            Ok(())
        })
        .await
    }

    fn certificates(&self, request: &ListRequest) -> Listed<CertificateRow> {
        let which = Self::which(request);
        self.look(request.instance.as_deref(), |credentials| {
            let page = credentials.certificates(request.ca.as_deref(), &which)?;
            Ok(page.map(|certificate| row(&certificate)))
        })
    }

    fn certificate(&self, request: &CertificateName) -> Result<CertificateShown, Failure> {
        self.look(request.instance.as_deref(), |credentials| {
            let found = credentials.certificate(&request.ca_sn, &request.sn)?;
            Ok(CertificateShown {
                row: row(&found),
                certificate: found.pem,
            })
        })
    }

    async fn set_certificate(&self, request: CertificateName, active: bool) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let CertificateName { ca_sn, sn, .. } = &request;
            here.credentials()
                .set_certificate(ca_sn, sn, status(active))
                .await?;
            let what = if active { "activated" } else { "deactivated" };
            here.log(&format!("{what} a device certificate"), &format!("{ca_sn}/{sn}"));
            Ok(())
        })
        .await
    }

    async fn delete_certificate(&self, request: CertificateName) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let CertificateName { ca_sn, sn, .. } = &request;
            here.credentials().delete_certificate(ca_sn, sn).await?;
            here.log("deleted a device certificate", &format!("{ca_sn}/{sn}"));
            Ok(())
        })
        .await
    }
}

fn status(active: bool) -> Status {
    match active {
        true => Status::Active,
        false => Status::Inactive,
    }
}

fn ca_row(ca: &CaCertificate) -> CaRow {
    CaRow {
        sn: ca.sn.clone(),
        name: ca.name.clone(),
        status: ca.status.name().to_owned(),
        valid_from: time_in(&ca.valid_begin),
        valid_until: time_in(&ca.valid_end),
        created: time_of(ca.created),
    }
}

fn row(certificate: &DeviceCertificate) -> CertificateRow {
    CertificateRow {
        ca_sn: certificate.ca_sn.clone(),
        sn: certificate.sn.clone(),
        name: certificate.name.clone(),
        status: certificate.status.name().to_owned(),
        valid_from: time_in(&certificate.valid_begin),
        valid_until: time_in(&certificate.valid_end),
        created: time_of(certificate.created),
    }
}

/// A time that is kept as text. One before 1970 is shown as that.
fn time_in(text: &str) -> String {
    time_of(text.parse().unwrap_or(0))
}
