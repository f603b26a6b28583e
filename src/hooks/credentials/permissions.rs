//! Permissions of custom authentication: what an identity may do with topics.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Credentials, Done, IdentityType, Page, Which, forms, kind, quoted, read_as, record_of, wrong};
use crate::store::registry::Expect;

/// What a permission says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Effect {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
        })
    }
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PermitAction {
    /// To publish.
    Pub,
    /// To subscribe.
    Sub,
    /// Both.
    PubSub,
    /// To connect.
    Connect,
}

impl fmt::Display for PermitAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::PubSub => "PUB_SUB",
            Self::Connect => "CONNECT",
        })
    }
}

/// What a permission is found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionKey {
    /// Whether a user name or a client id is meant.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The user name, or the client id.
    pub identity: String,
    /// The topic filter.
    pub topic: String,
}

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// Whether a user name or a client id is meant.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// The user name, or the client id.
    pub identity: String,
    /// The topic filter.
    pub topic: String,
    /// Whether it may.
    pub effect: Effect,
    /// What.
    pub action: PermitAction,
}

impl PermissionKey {
    /// `TYPE/IDENTITY/FILTER`.
    fn name(&self) -> Done<String> {
        match self.kind {
            IdentityType::User => forms::username(&self.identity)?,
            IdentityType::Client => forms::client_id(&self.identity)?,
        }
        if self.identity.contains('/') {
            let what = "a client id with a `/` in it cannot be told from the topic behind it; name another";
            return Err(wrong(what));
        }
        forms::filter(&self.topic)?;
        Ok(format!("{}/{}/{}", self.kind, self.identity, self.topic))
    }

    fn called(&self) -> String {
        let (identity, topic) = (quoted(&self.identity), quoted(&self.topic));
        format!("permission of {} {identity} for {topic}", self.kind)
    }
}

impl Permission {
    /// Can there be such a one?
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Done<()> {
        self.key().name().map(drop)
    }

    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> PermissionKey {
        PermissionKey {
            kind: self.kind,
            identity: self.identity.clone(),
            topic: self.topic.clone(),
        }
    }
}

impl Credentials<'_> {
    /// Adds a permission. Whether its parent topic has been created is for who asks to know.
    ///
    /// # Errors
    /// It cannot be one, or is there already.
    pub async fn add_permission(&self, permission: &Permission) -> Done<()> {
        let there = format!("there is a {} already; update it", permission.key().called());
        self.put_permission(permission, Expect::Nothing, &there).await
    }

    /// Puts a permission in the place of the one that there is.
    ///
    /// # Errors
    /// It cannot be one, or there is none.
    pub async fn update_permission(&self, permission: &Permission) -> Done<()> {
        let missing = format!("there is no {}; add it", permission.key().called());
        self.put_permission(permission, Expect::Something, &missing).await
    }

    async fn put_permission(&self, permission: &Permission, expect: Expect, there: &str) -> Done<()> {
        let name = permission.key().name()?;
        self.put(kind::PERMISSION, &name, record_of(permission)?, expect, there)
            .await
    }

    /// Deletes a permission.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete_permission(&self, key: &PermissionKey) -> Done<()> {
        let missing = || format!("there is no {}", key.called());
        self.remove(kind::PERMISSION, &key.name()?, missing).await
    }

    /// Permissions.
    #[must_use]
    pub fn permissions(&self, which: &Which<'_>) -> Page<Permission> {
        self.page(kind::PERMISSION, which, |_, record| read_as(record))
    }
}
