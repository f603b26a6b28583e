//! Device credentials: an access key that belongs to one client id.

use super::forms::{self, random};
use super::{Credentials, Done, Page, Secret, Which, fields, kind, quoted};
use crate::hooks::credentials::CredentialError;
use crate::instance::names::GROUP_SEPARATOR;
use crate::store::registry::{Expect, Record};

/// What ids and secrets begin with, as the product has it.
const BEGINS: &str = "DC.";
const ID: usize = 20;
const SECRET: usize = 32;

/// The credential of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whose.
    pub client_id: String,
    /// The id of its access key.
    pub id: String,
    /// The secret of its access key; `None` for who does not ask for it.
    pub secret: Option<Secret>,
    /// When it was registered.
    pub created: u64,
    /// When its secret was made.
    pub updated: u64,
}

impl Credentials<'_> {
    /// Gives a client id a credential; one that it has is void then.
    ///
    /// # Errors
    /// It is no client id.
    pub async fn register(&self, client_id: &str) -> Done<Device> {
        forms::client_id(client_id)?;
        let device = Device {
            client_id: client_id.to_owned(),
            id: random(BEGINS, ID)?,
            secret: Some(Secret::new(random(BEGINS, SECRET)?)),
            created: self.now.0,
            updated: self.now.0,
        };
        self.put_device(&device, Expect::Whatever).await?;
        Ok(device)
    }

    /// The credential of a client id, with its secret.
    ///
    /// # Errors
    /// It has none.
    pub fn device(&self, client_id: &str) -> Done<Device> {
        let record = self
            .registry
            .get(self.instance, kind::DEVICE_CREDENTIAL, client_id);
        let device = record.and_then(|record| read(client_id, &record, true));
        device.ok_or_else(|| CredentialError::Missing(missing(client_id)))
    }

    /// Gives the credential of a client id a new secret; its id stays.
    ///
    /// # Errors
    /// It has none.
    pub async fn refresh(&self, client_id: &str) -> Done<Device> {
        let device = Device {
            secret: Some(Secret::new(random(BEGINS, SECRET)?)),
            updated: self.now.0,
            ..self.device(client_id)?
        };
        self.put_device(&device, Expect::Something).await?;
        Ok(device)
    }

    /// Takes the credential of a client id away.
    ///
    /// # Errors
    /// It has none.
    pub async fn unregister(&self, client_id: &str) -> Done<()> {
        self.remove(kind::DEVICE_CREDENTIAL, client_id, || missing(client_id))
            .await
    }

    /// Device credentials: of a group, or all.
    #[must_use]
    pub fn devices(&self, group: Option<&str>, which: &Which<'_>) -> Page<Device> {
        let prefix = group.map_or(String::new(), |group| format!("{group}{GROUP_SEPARATOR}"));
        let which = Which {
            prefix: &prefix,
            ..*which
        };
        self.page(kind::DEVICE_CREDENTIAL, &which, |client_id, record| {
            read(client_id, record, which.secrets)
        })
    }

    async fn put_device(&self, device: &Device, expect: Expect) -> Done<()> {
        let secret = device.secret.as_ref().map_or("", Secret::reveal);
        let value = fields([
            ("access_key_id", device.id.as_str().into()),
            ("secret", secret.into()),
            ("created", device.created.into()),
            ("updated", device.updated.into()),
        ]);
        let missing = missing(&device.client_id);
        self.put(
            kind::DEVICE_CREDENTIAL,
            &device.client_id,
            value,
            expect,
            &missing,
        )
        .await
    }
}

fn read(client_id: &str, record: &Record, secrets: bool) -> Option<Device> {
    Some(Device {
        client_id: client_id.to_owned(),
        id: record.text("access_key_id")?.to_owned(),
        secret: record.text("secret").filter(|_| secrets).map(Secret::new),
        created: record.number("created")?,
        updated: record.number("updated")?,
    })
}

fn missing(client_id: &str) -> String {
    format!(
        "the client id {} has no credential; register one first",
        quoted(client_id)
    )
}
