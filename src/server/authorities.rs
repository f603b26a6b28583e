//! The authorities that operators have registered: from the registry to the listeners that ask for them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::hooks::credentials::{kind, trusted};
use crate::shard::Shared;
use crate::store::registry::Change;
use crate::transport::tls::Authorities;

/// Keeps the listeners' authorities as the registry has them.
pub(super) struct Registered {
    shared: Arc<Shared>,
    authorities: Arc<Authorities>,
    /// One at a time: what was read last is what counts in the end.
    reading: Mutex<()>,
}

impl Registered {
    /// Those that are there now count from the beginning.
    pub(super) fn open(shared: &Arc<Shared>, authorities: Arc<Authorities>) -> Arc<Self> {
        let registered = Self {
            shared: Arc::clone(shared),
            authorities,
            reading: Mutex::default(),
        };
        registered.refresh();
        Arc::new(registered)
    }

    /// From now on those count that are active in the registry, of all instances: which one a client is of, nobody knows before
    /// its CONNECT.
    pub(super) fn refresh(&self) {
        let _one = self.reading.lock();
        let instances = self.shared.tenants.list();
        let all = instances
            .iter()
            .flat_map(|tenant| trusted(&self.shared.registry, tenant.id.as_str()));
        self.authorities.replace(all.collect());
    }

    /// Refreshes them whenever one changes, whoever changed it.
    pub(super) async fn run(self: Arc<Self>, mut changes: Receiver<Change>) {
        loop {
            match changes.recv().await {
                Ok(change) if *change.key.kind != *kind::CA_CERTIFICATE => {}
                Ok(_) | Err(RecvError::Lagged(_)) => self.refresh(),
                Err(RecvError::Closed) => return,
            }
        }
    }
}
