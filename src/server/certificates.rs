//! Registers certificates of devices with which somebody has logged in for the first time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use super::instances::Instances;
use crate::hooks::credentials::{NewCertificate, kind};
use crate::store::registry::{RegistryError, Write};

/// How many may wait to be registered: a fleet that comes in for the first time. What does not find room comes again.
pub(super) const WAITING: usize = 4_096;
/// How many are written at once.
const AT_ONCE: usize = 256;
/// How long it is believed how many an instance has: counting takes time with each.
const COUNTED: Duration = Duration::from_secs(10);

/// Runs for as long as shards may ask.
pub(super) async fn run(instances: Arc<Instances>, mut wanted: Receiver<NewCertificate>) {
    let mut room = Room::default();
    let mut some = Vec::with_capacity(AT_ONCE);
    while wanted.recv_many(&mut some, AT_ONCE).await > 0 {
        register(&instances, &mut room, &some).await;
        some.clear();
    }
}

async fn register(instances: &Instances, room: &mut Room, some: &[NewCertificate]) {
    // Nobody deletes the instance or the authority meanwhile.
    let _one = instances.one_at_a_time().await;
    let registry = instances.registry();
    let mut names = HashSet::new();
    let mut writes = Vec::new();
    for certificate in some {
        if let Some(write) = certificate.write(registry, instances.now())
            && names.insert(write.key.clone())
            && room.has(instances, &certificate.instance)
        {
            writes.push(write);
        }
    }
    if writes.is_empty() {
        return;
    }
    let count = writes.len();
    let written = match registry.write(writes.clone()).await {
        // An operator may have made one of them in the middle of this.
        Err(RegistryError::Exists(_)) => one_by_one(instances, writes).await,
        written => written,
    };
    match written {
        Ok(()) => tracing::debug!(count, "certificates of devices were registered"),
        Err(error) => tracing::error!(%error, "certificates of devices could not be registered"),
    }
}

async fn one_by_one(instances: &Instances, writes: Vec<Write>) -> Result<(), RegistryError> {
    for write in writes {
        match instances.registry().write(vec![write]).await {
            Ok(()) | Err(RegistryError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many certificates instances have, as of lately.
#[derive(Default)]
struct Room(HashMap<String, Counted>);

struct Counted {
    at: Instant,
    count: usize,
    /// The log has it that there are as many as there may be.
    told: bool,
}

impl Room {
    /// Takes the place of one more, if there is one.
    fn has(&mut self, instances: &Instances, instance: &str) -> bool {
        let Ok(tenant) = instances.get(Some(instance)) else {
            self.0.remove(instance);
            return false;
        };
        let count = || Counted {
            at: Instant::now(),
            count: instances.registry().count(instance, kind::DEVICE_CERTIFICATE),
            told: false,
        };
        let known = self.0.entry(instance.to_owned()).or_insert_with(count);
        if known.at.elapsed() > COUNTED {
            *known = count();
        }
        if known.count < tenant.limits.device_certificates {
            known.count += 1;
            return true;
        }
        if !known.told {
            known.told = true;
            tracing::warn!(
                instance,
                count = known.count,
                "a certificate of a device is not registered: there are as many as there may be (limits.device_certificates)"
            );
        }
        false
    }
}
