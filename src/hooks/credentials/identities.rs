//! Identities of custom authentication: a user name, alone or with one client id, and its password.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Credentials, Done, Page, Secret, Which, forms, kind, quoted, read_as, record_of, wrong};
use crate::store::registry::Expect;

/// Whose an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IdentityType {
    /// Of everybody who knows it, with any client id.
    User,
    /// Of one client id.
    Client,
}

impl fmt::Display for IdentityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "USER",
            Self::Client => "CLIENT",
        })
    }
}

/// What its password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignMode {
    /// The secret itself.
    Origin,
    /// The client id, signed with the secret.
    Signed,
}

impl fmt::Display for SignMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Origin => "ORIGIN",
            Self::Signed => "SIGNED",
        })
    }
}

/// What an identity is found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityKey {
    /// Whose.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The user name.
    pub username: String,
    /// The client id, for one that is of a client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Whose.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The user name.
    pub username: String,
    /// The client id, for one that is of a client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What its password is.
    pub sign_mode: SignMode,
    /// The secret; left out for who does not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

impl IdentityKey {
    /// `USER/NAME`, `CLIENT/NAME/CLIENT_ID`.
    fn name(&self) -> Done<String> {
        forms::username(&self.username)?;
        match (self.kind, &self.client_id) {
            (IdentityType::User, None) => Ok(format!("USER/{}", self.username)),
            (IdentityType::Client, Some(client_id)) => {
                forms::client_id(client_id)?;
                Ok(format!("CLIENT/{}/{client_id}", self.username))
            }
            (IdentityType::User, Some(_)) => Err(wrong(
                "an identity of the type USER is for any client id; leave the client id out, or take the type CLIENT",
            )),
            (IdentityType::Client, None) => Err(wrong(
                "an identity of the type CLIENT belongs to a client id; name it",
            )),
        }
    }

    fn called(&self) -> String {
        let of = self.client_id.as_ref();
        let of = of.map_or(String::new(), |id| format!(" of the client id {}", quoted(id)));
        format!("{} {}{of}", self.kind, quoted(&self.username))
    }
}

impl Identity {
    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> IdentityKey {
        IdentityKey {
            kind: self.kind,
            username: self.username.clone(),
            client_id: self.client_id.clone(),
        }
    }
}

impl Credentials<'_> {
    /// Adds an identity.
    ///
    /// # Errors
    /// It cannot be one, or is there already.
    pub async fn add_identity(&self, identity: &Identity) -> Done<()> {
        let called = identity.key().called();
        let there = format!("there is the identity {called} already; update it");
        self.put_identity(identity, Expect::Nothing, &there).await
    }

    /// Puts an identity in the place of the one that there is.
    ///
    /// # Errors
    /// It cannot be one, or there is none.
    pub async fn update_identity(&self, identity: &Identity) -> Done<()> {
        let called = identity.key().called();
        let missing = format!("there is no identity {called}; add it");
        self.put_identity(identity, Expect::Something, &missing).await
    }

    async fn put_identity(&self, identity: &Identity, expect: Expect, there: &str) -> Done<()> {
        let name = identity.key().name()?;
        let secret = identity
            .secret
            .as_ref()
            .ok_or_else(|| wrong("an identity has a secret; name it"))?;
        forms::secret(secret.reveal())?;
        self.put(kind::IDENTITY, &name, record_of(identity)?, expect, there)
            .await
    }

    /// Deletes an identity. What it was permitted stays permitted to one of the same name.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete_identity(&self, key: &IdentityKey) -> Done<()> {
        let missing = || format!("there is no identity {}", key.called());
        self.remove(kind::IDENTITY, &key.name()?, missing).await
    }

    /// Identities.
    #[must_use]
    pub fn identities(&self, which: &Which<'_>) -> Page<Identity> {
        self.page(kind::IDENTITY, which, |_, record| {
            let mut identity: Identity = read_as(record)?;
            identity.secret = identity.secret.filter(|_| which.secrets);
            Some(identity)
        })
    }
}
