//! Tells the shards which records of the registry have changed.

use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::hooks::credentials::NewCertificate;
use crate::shard::{Control, Shared};
use crate::store::registry::Change;

/// Runs for as long as the registry is there. `changes` is from before the first client could connect.
pub(super) async fn run(shared: Arc<Shared>, mut changes: Receiver<Change>) {
    loop {
        let (number, key) = match changes.recv().await {
            Ok(change) if NewCertificate::is_registered_by(&change.key, change.record.as_deref()) => continue,
            Ok(change) => (change.number, Some(change.key)),
            // Which ones were missed, nobody knows.
            Err(RecvError::Lagged(_)) => (shared.registry.changes_made(), None),
            Err(RecvError::Closed) => return,
        };
        for shard in 0..u16::try_from(shared.controls.len()).unwrap_or(u16::MAX) {
            shared.control(shard, Control::RecordChanged(number, key.clone()));
        }
    }
}
