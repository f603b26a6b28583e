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

impl All {
    /// Which host is whose. Nobody takes one that another had before.
    fn find_hosts(&mut self) {
        let mut tenants: Vec<_> = self.by_id.values().collect();
        tenants.sort_by_key(|tenant| tenant.number);
        self.by_host.clear();
        // Their own endpoints first: what an operator adds to one must not take another's.
        let own = tenants.iter().flat_map(|tenant| {
            [
                (&tenant.endpoints.public, tenant),
                (&tenant.endpoints.internal, tenant),
            ]
        });
        let added = tenants
            .iter()
            .flat_map(|tenant| tenant.endpoints.others.iter().map(move |host| (host, tenant)));
        for (host, tenant) in own.chain(added) {
            let host = normal(host).into();
            self.by_host.entry(host).or_insert_with(|| tenant.id.clone());
        }
    }
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
        all.by_id.insert(tenant.id.clone(), tenant);
        all.find_hosts();
    }

    /// Takes an instance out.
    pub fn remove(&self, id: &InstanceId) -> Option<Arc<Tenant>> {
        let mut all = self.all.write();
        let removed = all.by_id.remove(id);
        all.find_hosts();
        removed
    }

    /// Which instance a client asks for that asked for this host: a TLS server name, or a WebSocket host with or without a
    /// port. An IP address means nobody.
    #[must_use]
    pub fn by_host(&self, host: &str) -> Hosted {
        let name = normal(host);
        if name.is_empty() || name.parse::<std::net::IpAddr>().is_ok() {
            return Hosted::Nobody;
        }
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

/// A host name as it is compared: without a port, without the dot at its end, in small letters.
fn normal(host: &str) -> String {
    without_port(host).trim_end_matches('.').to_ascii_lowercase()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_port_case_and_last_dot() {
        for same in [
            "Example.ORG",
            "example.org.",
            "example.org:8083",
            "example.org.:1",
        ] {
            assert_eq!(normal(same), "example.org", "{same}");
        }
        assert_eq!(
            (normal("[::1]:8083"), normal("::1"), normal("1.2.3.4:1")),
            ("::1".into(), "::1".into(), "1.2.3.4".into())
        );
    }
}
