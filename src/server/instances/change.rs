//! Instances that operators make, change and delete while the broker runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Instances, SETTINGS, created, kind, own_settings};
use crate::admin::Failure;
use crate::admin::api::CreateInstance;
use crate::config::{Difference, Edition, SetBy};
use crate::instance::{InstanceId, fresh, names};
use crate::shard::Tenant;
use crate::store::registry::{Expect, Record, RecordKey, RegistryError, Write};

impl Instances {
    /// The instance of that id, or else the default one.
    pub(crate) fn get(&self, id: Option<&str>) -> Result<Arc<Tenant>, Failure> {
        self.shared.tenants.get_or_default(id).ok_or_else(|| {
            let id = id.unwrap_or_default().as_bytes().escape_ascii();
            Failure::NotFound(format!(
                "there is no instance `{id}`; `dunlin ctl instance list` shows those there are"
            ))
        })
    }

    /// What an operator has written about an instance.
    pub(crate) fn record(&self, id: &InstanceId) -> Option<Arc<Record>> {
        self.registry().get("", kind::INSTANCE, id.as_str())
    }

    /// What sets an instance apart from the others.
    pub(crate) fn differences(&self, tenant: &Tenant) -> BTreeMap<String, Difference> {
        let own = own_settings(self.record(&tenant.id).as_deref());
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.config.differences(tenant.id.as_str(), tenant.edition, own)
    }

    /// Makes an instance.
    pub(crate) async fn create(&self, request: CreateInstance) -> Result<Arc<Tenant>, Failure> {
        let _one = self.one_at_a_time().await;
        let region = match request.region {
            Some(region) => region,
            None => self.get(None)?.region.to_string(),
        };
        names::region(&region).map_err(|error| Failure::Nonsense(error.to_string()))?;
        let edition = match &request.edition {
            Some(name) => edition(name)?,
            None => Edition::default(),
        };
        if let Some(name) = &request.name {
            self.may_be_called(None, &region, name)?;
        }
        loop {
            let id = fresh::instance_id(&region).map_err(|error| Failure::Refused(error.to_string()))?;
            self.check(&id, edition, &request.settings).map_err(nonsense)?;
            let mut value = created(&self.shared);
            value.insert("name".to_owned(), request.name.as_deref().unwrap_or(&id).into());
            value.insert("region".to_owned(), region.as_str().into());
            value.insert("edition".to_owned(), edition.name().into());
            put_settings(&mut value, &request.settings);
            let key = RecordKey::new("", kind::INSTANCE, &id);
            match self.registry().put(key, value, Expect::Nothing).await {
                Ok(()) => {}
                Err(RegistryError::Exists(_)) => continue,
                Err(error) => return Err(not_written(&error)),
            }
            self.applied(&InstanceId::new(&id)).await?;
            return self.get(Some(&id));
        }
    }

    /// Calls an instance something else.
    pub(crate) async fn rename(&self, id: &str, name: &str) -> Result<Arc<Tenant>, Failure> {
        let _one = self.one_at_a_time().await;
        let tenant = self.get(Some(id))?;
        self.may_be_called(Some(&tenant.id), &tenant.region, name)?;
        self.alter(&tenant.id, |value| {
            value.insert("name".to_owned(), name.into());
        })
        .await?;
        self.get(Some(id))
    }

    /// Sets something for an instance.
    pub(crate) async fn set(&self, id: &str, settings: BTreeMap<String, String>) -> Result<(), Failure> {
        let _one = self.one_at_a_time().await;
        let tenant = self.get(Some(id))?;
        if settings.is_empty() {
            let what = "name a setting and its value, for example limits.tps=100";
            return Err(Failure::Nonsense(what.to_owned()));
        }
        let mut own = own_settings(self.record(&tenant.id).as_deref());
        own.extend(settings);
        self.replace_settings(&tenant, &own).await
    }

    /// Takes back what was set for an instance.
    pub(crate) async fn unset(&self, id: &str, settings: &[String]) -> Result<(), Failure> {
        let _one = self.one_at_a_time().await;
        let tenant = self.get(Some(id))?;
        if settings.is_empty() {
            let what = "name a setting, for example limits.tps";
            return Err(Failure::Nonsense(what.to_owned()));
        }
        let mut own = own_settings(self.record(&tenant.id).as_deref());
        for name in settings {
            if own.remove(name).is_none() {
                return Err(Failure::NotFound(self.not_set(&tenant, name)));
            }
        }
        self.replace_settings(&tenant, &own).await
    }

    /// Deletes an instance: its connections and sessions end, and all that operators set up in it goes.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), Failure> {
        let _one = self.one_at_a_time().await;
        if self.is_configured(id) {
            return Err(Failure::Refused(format!(
                "the instance {id} is named by the configuration and cannot be deleted here; take it out there and \
                 start the broker again"
            )));
        }
        let id = InstanceId::new(id);
        if self.record(&id).is_none() {
            self.get(Some(id.as_str()))?;
        }
        let own = RecordKey::new("", kind::INSTANCE, id.as_str());
        let all = self.registry().keys_of(id.as_str()).into_iter().chain([own]);
        let gone = |key| Write {
            key,
            value: None,
            expect: Expect::Whatever,
        };
        let written = self.registry().write(all.map(gone).collect()).await;
        written.map_err(|error| not_written(&error))?;
        self.applied(&id).await
    }

    async fn replace_settings(&self, tenant: &Tenant, own: &BTreeMap<String, String>) -> Result<(), Failure> {
        let id = &tenant.id;
        self.check(id.as_str(), tenant.edition, own).map_err(nonsense)?;
        self.alter(id, |value| put_settings(value, own)).await
    }

    /// Changes what the registry says of an instance, and applies it.
    async fn alter(
        &self,
        id: &InstanceId,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<(), Failure> {
        let record = self.record(id);
        let revision = record
            .as_ref()
            .map_or_else(Default::default, |record| record.revision);
        let mut value = record.map(|record| record.value.clone()).unwrap_or_default();
        change(&mut value);
        let write = Write {
            key: RecordKey::new("", kind::INSTANCE, id.as_str()),
            // For an instance of the configuration there may be nothing left to say.
            value: Some(value).filter(|value| !value.is_empty()),
            expect: Expect::Exactly(revision),
        };
        let written = self.registry().write(vec![write]).await;
        written.map_err(|error| not_written(&error))?;
        self.applied(id).await
    }

    /// Every shard has what the registry says.
    pub(super) async fn applied(&self, id: &InstanceId) -> Result<(), Failure> {
        let refreshed = self.refresh(id).await;
        refreshed.map_err(|problems| Failure::Refused(problems.join("; ")))
    }

    /// Names are unique in their region, whatever their case. `own` is who is called something else.
    fn may_be_called(&self, own: Option<&InstanceId>, region: &str, name: &str) -> Result<(), Failure> {
        names::instance(name).map_err(|error| Failure::Nonsense(error.to_string()))?;
        let mut all = self.shared.tenants.list().into_iter();
        let same = all.find(|tenant| {
            own != Some(&tenant.id) && *tenant.region == *region && tenant.name.eq_ignore_ascii_case(name)
        });
        match same {
            None => Ok(()),
            Some(same) => Err(Failure::Refused(format!(
                "the instance {} in the region {region} is called {} already; names differ in more than case",
                same.id, same.name
            ))),
        }
    }

    fn not_set(&self, tenant: &Tenant, name: &str) -> String {
        let shown = name.as_bytes().escape_ascii();
        let id = &tenant.id;
        match self.differences(tenant).get(name).map(|found| found.by) {
            Some(SetBy::Configuration) => {
                format!("`{shown}` of the instance {id} is set by the configuration; change it there")
            }
            Some(SetBy::Edition) => {
                format!(
                    "`{shown}` of the instance {id} is set by its edition; `instance set` puts something else in its place"
                )
            }
            _ => format!(
                "`{shown}` is not set for the instance {id}; `dunlin ctl instance show {id}` shows what is"
            ),
        }
    }
}

fn edition(name: &str) -> Result<Edition, Failure> {
    Edition::from_name(name).ok_or_else(|| {
        let shown = name.as_bytes().escape_ascii();
        Failure::Nonsense(format!(
            "there is no edition `{shown}`; take lite, standard, professional or platinum"
        ))
    })
}

fn put_settings(value: &mut Map<String, Value>, settings: &BTreeMap<String, String>) {
    if settings.is_empty() {
        value.remove(SETTINGS);
        return;
    }
    let settings = settings
        .iter()
        .map(|(name, text)| (name.clone(), text.as_str().into()));
    value.insert(SETTINGS.to_owned(), Value::Object(settings.collect()));
}

fn nonsense(problems: Vec<String>) -> Failure {
    Failure::Nonsense(problems.join("; "))
}

pub(super) fn not_written(error: &RegistryError) -> Failure {
    Failure::Refused(format!("nothing was changed: {error}"))
}
