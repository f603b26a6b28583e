//! Whom the running call is about: what a script has the broker do happens in that client's instance, unless it names another.

use crate::hooks::client::Client;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The instance of the client that a state is being asked about.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// That of the last one: most calls are about clients of one instance, and need no reference of their own.
    last: RefCell<Option<Arc<str>>>,
    /// Whether it is that of the call that runs.
    holds: Cell<bool>,
}

/// A call is about somebody until this is dropped.
pub(crate) struct About<'a>(&'a Asked);

impl Asked {
    /// From here on the call is about this client.
    #[inline]
    pub(crate) fn about(&self, client: &Client) -> About<'_> {
        self.about_one_of(&client.instance)
    }

    /// The same for a client of this instance.
    #[inline]
    pub(crate) fn about_one_of(&self, instance: &Arc<str>) -> About<'_> {
        let mut last = self.last.borrow_mut();
        if last.as_deref() != Some(&**instance) {
            *last = Some(instance.clone());
        }
        self.holds.set(true);
        About(self)
    }

    /// The instance, if the call is about anybody.
    pub(crate) fn instance(&self) -> Option<Arc<str>> {
        self.last.borrow().clone().filter(|_| self.holds.get())
    }
}

impl Drop for About<'_> {
    fn drop(&mut self) {
        self.0.holds.set(false);
    }
}
