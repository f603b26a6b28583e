//! All instances, by id and by host name.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::Tenant;
use crate::config::UnknownHost;
use crate::instance::InstanceId;

/// Which instance a host name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosted {
    /// This one.
    By(InstanceId),
    /// The broker: the client's user name says which.
    Nobody,
    /// There is no such host.
    Unknown,
}

/// The instances that there are. Read once a connection.
pub struct Tenants {
    all: RwLock<All>,
    default: InstanceId,
    /// Host names that name no instance.
    hosts: Vec<String>,
    unknown_host: UnknownHost,
}

#[derive(Default)]
struct All {
    by_id: HashMap<InstanceId, Arc<Tenant>>,
    by_host: HashMap<Box<str>, InstanceId>,
}

impl Tenants {
    /// No instances yet; `default` is the id of the one that clients reach who name none.
    #[must_use]
    pub fn new(default: InstanceId, hosts: Vec<String>, unknown_host: UnknownHost) -> Self {
        Self {
            all: RwLock::default(),
            default,
            hosts,
            unknown_host,
        }
    }

    /// The id of the instance that clients reach who name none.
    #[must_use]
    pub fn default_id(&self) -> &InstanceId {
        &self.default
    }

    /// The instance of that id.
    #[must_use]
    pub fn get(&self, id: &InstanceId) -> Option<Arc<Tenant>> {
        self.all.read().by_id.get(id).cloned()
    }

    /// The instance of that id, or else the default one.
    #[must_use]
    pub fn get_or_default(&self, id: Option<&str>) -> Option<Arc<Tenant>> {
        match id {
            Some(id) => self.get(&InstanceId::new(id)),
            None => self.get(&self.default),
        }
    }

    /// All of them, in the order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Tenant>> {
        let mut all: Vec<_> = self.all.read().by_id.values().cloned().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Puts an instance in, or in the place of what it was before.
    pub fn put(&self, tenant: Arc<Tenant>) {
        let mut all = self.all.write();
        all.by_host.retain(|_, id| *id != tenant.id);
        for host in tenant.endpoints.all() {
            all.by_host
                .insert(host.to_ascii_lowercase().into(), tenant.id.clone());
        }
        all.by_id.insert(tenant.id.clone(), tenant);
    }

    /// Takes an instance out.
    pub fn remove(&self, id: &InstanceId) -> Option<Arc<Tenant>> {
        let mut all = self.all.write();
        all.by_host.retain(|_, of| of != id);
        all.by_id.remove(id)
    }

    /// Which instance a client asks for that asked for this host: a TLS server name, or a WebSocket host with or without a
    /// port. An IP address means nobody.
    #[must_use]
    pub fn by_host(&self, host: &str) -> Hosted {
        let name = without_port(host);
        if name.parse::<std::net::IpAddr>().is_ok() {
            return Hosted::Nobody;
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(id) = self.all.read().by_host.get(name.as_str()) {
            return Hosted::By(id.clone());
        }
        let ours = self.hosts.iter().any(|known| known.eq_ignore_ascii_case(&name));
        if ours || self.unknown_host == UnknownHost::Ignore {
            Hosted::Nobody
        } else {
            Hosted::Unknown
        }
    }
}

/// `example.org:8083`, `[::1]:8083`: the name or the address alone.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}
