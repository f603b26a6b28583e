//! `dunlin ctl ca` and `dunlin ctl certificate`.

use std::path::Path;

use dunlin::admin::api::{
    CaName, CaRow, CaShown, CertificateName, CertificateRow, CertificateShown, ListRequest, OfInstance,
    RegisterCa, RegistrationCode,
};
use serde_json::Value;

use super::Error;
use super::arguments::{CaCommand, CertificateCommand, OneCa, OneCertificate};
use super::client::Client;
use super::listing;
use super::output::Output;

/// Asks about authorities.
pub(super) fn authorities(client: &Client, output: &Output, command: &CaCommand) -> Result<(), Error> {
    match command {
        CaCommand::Code { of } => {
            let request = OfInstance {
                instance: of.instance.clone(),
            };
            let answer: RegistrationCode = client.post("/v1/ca/code", &request)?;
            output.done(&answer, &answer.code)
        }
        CaCommand::Register {
            name,
            cert,
            verification,
            of,
        } => {
            let request = RegisterCa {
                instance: of.instance.clone(),
                name: name.clone(),
                certificate: read(cert)?,
                verification: read(verification)?,
            };
            let row: CaRow = client.post("/v1/ca/register", &request)?;
            if output.is_json() {
                return output.json(&row);
            }
            output.pairs(&described(&row))
        }
        CaCommand::List { of } => {
            let heads = ["SN", "NAME", "STATUS", "VALID UNTIL", "CREATED"];
            let request = listing::of(of, false);
            listing::print(client, output, "/v1/ca", request, heads, |row: CaRow| {
                [row.sn, row.name, row.status, row.valid_until, row.created]
            })
        }
        CaCommand::Show(one) => {
            let all: CaShown = client.get("/v1/ca/show", &ca(one))?;
            if output.is_json() {
                return output.json(&all);
            }
            let mut pairs = described(&all.row).to_vec();
            pairs.extend([
                ("sha256", all.fingerprint),
                ("registration code", all.registration_code),
                ("certificate", all.certificate),
                ("verification", all.verification),
            ]);
            output.pairs(&pairs)
        }
        CaCommand::Activate(one) => {
            let said = format!("{}: active; it vouches for devices", one.sn);
            change(client, output, "/v1/ca/activate", &ca(one), &said)
        }
        CaCommand::Deactivate(one) => {
            let said = format!("{}: inactive; devices with its certificates are kept out", one.sn);
            change(client, output, "/v1/ca/deactivate", &ca(one), &said)
        }
        CaCommand::Delete(one) => {
            let said = format!(
                "{}: deleted, with what was known of its devices' certificates",
                one.sn
            );
            change(client, output, "/v1/ca/delete", &ca(one), &said)
        }
    }
}

/// Asks about certificates of devices.
pub(super) fn devices(client: &Client, output: &Output, command: &CertificateCommand) -> Result<(), Error> {
    let shown = |one: &OneCertificate| format!("{}/{}", one.ca_sn, one.device_sn);
    match command {
        CertificateCommand::List { ca, of } => {
            let request = ListRequest {
                ca: ca.clone(),
                ..listing::of(of, false)
            };
            let heads = ["CA SN", "SN", "NAME", "STATUS", "VALID UNTIL", "CREATED"];
            let columns = |row: CertificateRow| {
                [
                    row.ca_sn,
                    row.sn,
                    row.name,
                    row.status,
                    row.valid_until,
                    row.created,
                ]
            };
            listing::print(client, output, "/v1/certificates", request, heads, columns)
        }
        CertificateCommand::Show(one) => {
            let all: CertificateShown = client.get("/v1/certificates/show", &certificate(one))?;
            if output.is_json() {
                return output.json(&all);
            }
            let row = all.row;
            output.pairs(&[
                ("ca sn", row.ca_sn),
                ("sn", row.sn),
                ("name", row.name),
                ("status", row.status),
                ("valid from", row.valid_from),
                ("valid until", row.valid_until),
                ("created", row.created),
                ("certificate", all.certificate),
            ])
        }
        CertificateCommand::Activate(one) => {
            let said = format!("{}: active; its device may connect", shown(one));
            change(
                client,
                output,
                "/v1/certificates/activate",
                &certificate(one),
                &said,
            )
        }
        CertificateCommand::Deactivate(one) => {
            let said = format!("{}: inactive; its device is kept out", shown(one));
            change(
                client,
                output,
                "/v1/certificates/deactivate",
                &certificate(one),
                &said,
            )
        }
        CertificateCommand::Delete(one) => {
            let said = format!(
                "{}: forgotten; the next login with it registers it anew",
                shown(one)
            );
            change(
                client,
                output,
                "/v1/certificates/delete",
                &certificate(one),
                &said,
            )
        }
    }
}

fn change(
    client: &Client,
    output: &Output,
    path: &str,
    request: &impl serde::Serialize,
    said: &str,
) -> Result<(), Error> {
    let answer: Value = client.post(path, request)?;
    output.done(&answer, said)
}

fn described(row: &CaRow) -> [(&'static str, String); 6] {
    [
        ("sn", row.sn.clone()),
        ("name", row.name.clone()),
        ("status", row.status.clone()),
        ("valid from", row.valid_from.clone()),
        ("valid until", row.valid_until.clone()),
        ("created", row.created.clone()),
    ]
}

fn ca(one: &OneCa) -> CaName {
    CaName {
        instance: one.of.instance.clone(),
        sn: one.sn.clone(),
    }
}

fn certificate(one: &OneCertificate) -> CertificateName {
    CertificateName {
        instance: one.of.instance.clone(),
        ca_sn: one.ca_sn.clone(),
        sn: one.device_sn.clone(),
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| {
        Error::Usage(format!(
            "{} cannot be read: {error}; name a certificate in PEM",
            file.display()
        ))
    })
}
