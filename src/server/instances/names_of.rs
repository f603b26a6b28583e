//! Groups and parent topics that operators make and delete while the broker runs.

use super::change::not_written;
use super::{Instances, created, kind, may_be_a_parent};
use crate::admin::Failure;
use crate::instance::names;
use crate::shard::Tenant;
use crate::store::registry::{Expect, RecordKey};

/// A kind of names in an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// What client ids begin with.
    Groups,
    /// What topics begin with.
    Topics,
}

impl Names {
    /// The kind of its records.
    fn kind(self) -> &'static str {
        match self {
            Self::Groups => kind::GROUP,
            Self::Topics => kind::TOPIC,
        }
    }

    /// What one is called in a sentence.
    pub(crate) fn called(self) -> &'static str {
        match self {
            Self::Groups => "group",
            Self::Topics => "parent topic",
        }
    }

    /// All that an instance has.
    pub(crate) fn of(self, tenant: &Tenant) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::Groups => &tenant.groups,
            Self::Topics => &tenant.parents,
        };
        all.iter().map(|name| &**name)
    }

    /// May there be one of this name?
    fn check(self, tenant: &Tenant, name: &str) -> Result<(), Failure> {
        let form = match self {
            Self::Groups => names::group(name),
            Self::Topics => names::parent_topic(name),
        };
        form.map_err(|error| Failure::Nonsense(error.to_string()))?;
        let may_be = match self {
            Self::Groups => may_be_a_group(tenant, name),
            Self::Topics => may_be_a_parent(tenant, name),
        };
        may_be.map_err(Failure::Refused)
    }
}

impl Instances {
    /// Makes a group or a parent topic.
    pub(crate) async fn create_name(
        &self,
        instance: Option<&str>,
        names: Names,
        name: &str,
    ) -> Result<(), Failure> {
        let _one = self.one_at_a_time().await;
        let tenant = self.get(instance)?;
        names.check(&tenant, name)?;
        let key = RecordKey::new(tenant.id.as_str(), names.kind(), name);
        let put = self.registry().put(key, created(&self.shared), Expect::Nothing);
        put.await.map_err(|error| not_written(&error))?;
        self.applied(&tenant.id).await
    }

    /// Deletes one.
    pub(crate) async fn delete_name(
        &self,
        instance: Option<&str>,
        names: Names,
        name: &str,
    ) -> Result<(), Failure> {
        let _one = self.one_at_a_time().await;
        let tenant = self.get(instance)?;
        let (called, id) = (names.called(), &tenant.id);
        if self
            .names_in_configuration(&tenant, names)
            .iter()
            .any(|known| known == name)
        {
            return Err(Failure::Refused(format!(
                "the {called} {name} is named by the configuration and cannot be deleted here; take it out there and \
                 start the broker again"
            )));
        }
        if !names.of(&tenant).any(|known| known == name) {
            let name = name.as_bytes().escape_ascii();
            return Err(Failure::NotFound(format!(
                "the instance {id} has no {called} `{name}`"
            )));
        }
        let key = RecordKey::new(id.as_str(), names.kind(), name);
        let removed = self.registry().remove(key).await;
        removed.map_err(|error| not_written(&error))?;
        self.applied(id).await
    }

    /// Those that the configuration names.
    pub(crate) fn names_in_configuration(&self, tenant: &Tenant, names: Names) -> &[String] {
        let configured = self.configured(tenant.id.as_str());
        let all = configured.map(|instance| match names {
            Names::Groups => &instance.groups,
            Names::Topics => &instance.topics,
        });
        all.map_or(&[], |all| all)
    }

    /// When one was made, in milliseconds since 1970.
    pub(crate) fn name_created(&self, tenant: &Tenant, names: Names, name: &str) -> Option<u64> {
        let record = self.registry().get(tenant.id.as_str(), names.kind(), name)?;
        record.number("created")
    }
}

/// May this group be created?
fn may_be_a_group(tenant: &Tenant, group: &str) -> Result<(), String> {
    if tenant.groups.contains(group) {
        return Err(format!(
            "the instance {} has the group {group} already",
            tenant.id
        ));
    }
    if tenant.groups.len() >= tenant.limits.groups {
        return Err(format!(
            "the instance {} has {} groups, as many as it may (limits.groups)",
            tenant.id,
            tenant.groups.len()
        ));
    }
    Ok(())
}
