//! Client certificates of registered authorities: `scripts/auth_certificate.lua`, compiled. They are asked for only if the settings have
//! `certificates`.

use crate::keys::field;
use crate::{NOT_AUTHORIZED, deny};
use dunlin_plugin_api::prelude::*;

/// What certificates have to be, and are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Certificates {
    /// Whether a user name decides besides.
    pub(crate) username_required: bool,
    /// What of the client the common name has to be.
    pub(crate) cn: Option<CommonName>,
}

/// What a common name can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommonName {
    ClientId,
    DeviceId,
}

impl Certificates {
    /// What the certificate says to a login; `None` if somebody else decides.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn decide(self, host: &Host, client: &Client<'_>) -> Result<Option<Login>, Error> {
        let Some(tls) = client.tls() else {
            return Ok(None); // it has shown none
        };
        Ok(match self.refusal(host, client, &tls)? {
            Some(why) => Some(deny(NOT_AUTHORIZED, why)),
            None if self.username_required => None,
            None => Some(Login::Allow(Grant {
                expires_at: tls.valid_until().map(|until| until as f64),
                ..Grant::default()
            })),
        })
    }

    /// The end of a login whose certificate, or its authority, does not count any more.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn expiring(self, host: &Host, event: &Expiring<'_>) -> Result<Controlling, Error> {
        let Some(tls) = event.client.tls().filter(|_| event.ended) else {
            return Ok(Controlling::Pass);
        };
        Ok(match self.refusal(host, &event.client, &tls)? {
            None => Controlling::Pass,
            Some(why) => Controlling::Disconnect {
                code: Some(NOT_AUTHORIZED),
                reason: why.to_owned(),
            },
        })
    }

    /// Why a client may not be here with its certificate.
    fn refusal(self, host: &Host, client: &Client<'_>, tls: &Tls<'_>) -> Result<Option<&'static str>, Error> {
        let instance = client.instance();
        // It has none if this instance has not registered the authority, whatever number that has.
        let ca_serial = tls.ca_serial();
        let ca = match ca_serial {
            Some(serial) => host.registry_get(instance, "ca_certificate", serial)?,
            None => None,
        };
        let (Some(ca), Some(ca_serial)) = (ca, ca_serial) else {
            return Ok(Some(
                "the authority of the certificate is not registered in this instance",
            ));
        };
        if !is_active(&ca) {
            return Ok(Some("the authority of the certificate is not active"));
        }
        // A certificate that nobody knows yet is registered by the broker when its client is in.
        let name = format!("{ca_serial}/{}", tls.serial().unwrap_or_default());
        let device = host.registry_get(instance, "device_certificate", &name)?;
        if device.is_some_and(|device| !is_active(&device)) {
            return Ok(Some("the certificate is not active"));
        }
        let of_the_client = match self.cn {
            None => return Ok(None),
            Some(CommonName::ClientId) => Some(client.client_id()),
            Some(CommonName::DeviceId) => client.device_id(),
        };
        let is_its_own = tls.cn() == of_the_client;
        Ok((!is_its_own).then_some("the certificate is for another device"))
    }
}

fn is_active(record: &serde_json::Value) -> bool {
    field(Some(record), "status") == Some("1")
}
