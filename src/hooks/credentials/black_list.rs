//! The black list: client ids that may not connect.

use super::{Credentials, Done, Page, Which, fields, forms, kind, quoted};
use crate::store::registry::Expect;

/// A client id that may not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlackListed {
    /// It.
    pub client_id: String,
    /// Since when.
    pub created: u64,
}

impl Credentials<'_> {
    /// Puts a client id on the list.
    ///
    /// # Errors
    /// It is no client id, or on the list.
    pub async fn put_on_black_list(&self, client_id: &str) -> Done<()> {
        forms::client_id(client_id)?;
        let value = fields([("created", self.now.0.into())]);
        let there = format!("the client id {} is on the black list already", quoted(client_id));
        self.put(kind::BLACK_LIST, client_id, value, Expect::Nothing, &there)
            .await
    }

    /// Takes a client id off the list.
    ///
    /// # Errors
    /// It is not on it.
    pub async fn take_off_black_list(&self, client_id: &str) -> Done<()> {
        let missing = || format!("the client id {} is not on the black list", quoted(client_id));
        self.remove(kind::BLACK_LIST, client_id, missing).await
    }

    /// Who is on it.
    #[must_use]
    pub fn black_list(&self, which: &Which<'_>) -> Page<BlackListed> {
        self.page(kind::BLACK_LIST, which, |client_id, record| {
            Some(BlackListed {
                client_id: client_id.to_owned(),
                created: record.number("created")?,
            })
        })
    }
}
