//! Certificates of devices, as far as the broker itself looks at them: a login rests on the records of its own, and the first
//! one with a certificate registers it.

use super::Shard;
use super::slot::Slot;
use crate::hooks::credentials::{NewCertificate, is_new, rests_on};
use crate::hooks::{Client, Depends};
use crate::transport::Io;

impl Shard {
    /// What the login in `at` rests on besides these. Policies may say that it rests on other records from now on; on its
    /// certificate it rests for as long as it lasts.
    pub(super) fn with_certificate(&self, at: u32, depends: Depends) -> Depends {
        let Some(Slot::Live(live)) = self.slots.get(at as usize) else {
            return depends;
        };
        match live.client.tls.as_deref().and_then(rests_on) {
            Some(records) => depends.and(records),
            None => depends,
        }
    }

    /// A client is in. Its certificate is to be registered if its instance does not know it yet. When too many wait for that,
    /// its next login will do.
    pub(super) fn register_certificate(&self, client: &Client, io: &Io) {
        let Some(tls) = &client.tls else { return };
        let (Some(ca_sn), Some(sn), Some(der)) = (&tls.ca_serial, &tls.serial, io.certificate()) else {
            return;
        };
        if is_new(&self.shared.registry, &client.instance, ca_sn, sn) {
            let wanted = NewCertificate {
                instance: client.instance.to_string(),
                ca_sn: ca_sn.clone(),
                der: der.into(),
            };
            let _next_time = self.shared.wanted_certificates.try_send(wanted);
        }
    }
}
