//! Who shares a backend's connections: the generations of one policy, for as long as its settings stay as they are.
//!
//! *Invariant*: a pool lives as long as a generation that declares it, and no longer.

use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// What was opened, by policy, name and settings.
#[derive(Debug)]
pub(super) struct Pools<S, T>(Mutex<Vec<Opened<S, T>>>);

#[derive(Debug)]
struct Opened<S, T> {
    policy: String,
    name: String,
    settings: S,
    pool: Weak<T>,
}

impl<S, T> Default for Pools<S, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: PartialEq + Clone, T> Pools<S, T> {
    /// The pool of these settings: what the policy has already, else what `open` makes.
    pub(super) fn get(
        &self,
        policy: &str,
        name: &str,
        settings: &S,
        open: impl FnOnce() -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        let mut pools = self.0.lock();
        pools.retain(|opened| opened.pool.strong_count() > 0);
        let known = pools
            .iter()
            .find(|opened| opened.policy == policy && opened.name == name && opened.settings == *settings)
            .and_then(|opened| opened.pool.upgrade());
        if let Some(known) = known {
            return Ok(known);
        }
        let pool = Arc::new(open()?);
        pools.push(Opened {
            policy: policy.to_owned(),
            name: name.to_owned(),
            settings: settings.clone(),
            pool: Arc::downgrade(&pool),
        });
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_kept_over_a_reload_and_closed_with_its_last_user() {
        let pools: Pools<u8, &str> = Pools::default();
        let open = |policy, settings| pools.get(policy, "main", &settings, || Ok("pool")).unwrap();
        let before = open("a", 1);
        assert!(Arc::ptr_eq(&before, &open("a", 1)));
        assert!(!Arc::ptr_eq(&before, &open("a", 2)));
        assert!(!Arc::ptr_eq(&before, &open("b", 1)));
        let closed = Arc::downgrade(&before);
        drop(before);
        assert!(closed.upgrade().is_none());
        let _other = open("c", 1);
        assert_eq!(pools.0.lock().len(), 1);
    }
}
