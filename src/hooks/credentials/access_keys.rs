//! Access keys: an id and a secret that programs, or all devices of an owner, sign with.

use super::forms::{self, random};
use super::{Credentials, Done, Page, Secret, Which, fields, kind, quoted};
use crate::store::registry::Expect;

/// What new ids begin with, and how long is what follows.
const ID: (&str, usize) = ("AK", 22);
const SECRET: usize = 30;

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id, which everybody may know.
    pub id: String,
    /// Its secret; `None` for who does not ask for it.
    pub secret: Option<Secret>,
    /// When it was made.
    pub created: u64,
}

impl Credentials<'_> {
    /// Makes an access key. What is not given is made up.
    ///
    /// # Errors
    /// It cannot be such a one, or there is one of that id.
    pub async fn create_key(&self, id: Option<String>, secret: Option<Secret>) -> Done<Key> {
        let id = match id {
            Some(id) => id,
            None => random(ID.0, ID.1)?,
        };
        let secret = match secret {
            Some(secret) => secret,
            None => Secret::new(random("", SECRET)?),
        };
        forms::id(&id)?;
        forms::secret(secret.reveal())?;
        let created = self.now.0;
        let value = fields([("secret", secret.reveal().into()), ("created", created.into())]);
        let there = format!("there is an access key {} already; delete it first", quoted(&id));
        self.put(kind::ACCESS_KEY, &id, value, Expect::Nothing, &there)
            .await?;
        Ok(Key {
            id,
            secret: Some(secret),
            created,
        })
    }

    /// Access keys.
    #[must_use]
    pub fn keys(&self, which: &Which<'_>) -> Page<Key> {
        self.page(kind::ACCESS_KEY, which, |id, record| {
            Some(Key {
                id: id.to_owned(),
                secret: record.text("secret").filter(|_| which.secrets).map(Secret::new),
                created: record.number("created")?,
            })
        })
    }

    /// Deletes an access key.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn delete_key(&self, id: &str) -> Done<()> {
        let missing = || format!("there is no access key {}", quoted(id));
        self.remove(kind::ACCESS_KEY, id, missing).await
    }
}
