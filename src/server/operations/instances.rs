//! Instances, groups and parent topics, as operators see and change them.

use std::sync::Arc;

use super::{Broker, carried_out, time_of};
use crate::admin::api::{
    CreateInstance, InstanceName, InstanceRow, InstanceShown, Named, NamedRow, OfInstance, Origin,
    RenameInstance, SetInstance, Setting, UnsetInstance,
};
use crate::admin::{Failure, InstanceOperations, Rows};
use crate::config::SetBy;
use crate::hooks::credentials::Credentials;
use crate::instance::Hit;
use crate::server::instances::{Instances, Names};
use crate::shard::Tenant;

impl InstanceOperations for Broker {
    fn instances(&self) -> Vec<InstanceRow> {
        let all = self.shared.tenants.list();
        all.iter().map(|tenant| row(&self.instances, tenant)).collect()
    }

    fn instance(&self, request: &InstanceName) -> Result<InstanceShown, Failure> {
        let tenant = self.instances.get(Some(&request.id))?;
        let record = self.instances.record(&tenant.id);
        let kept = self.shared.store.counts(&tenant.id, self.shared.clock.now());
        let hits = Hit::ALL.map(|hit| (hit.name().to_owned(), tenant.usage.hits(hit)));
        let settings = self.instances.differences(&tenant).into_iter();
        let now = self.instances.now();
        let credentials = Credentials::of(self.instances.registry(), tenant.id.as_str(), now);
        let names = [("groups", tenant.groups.len()), ("topics", tenant.parents.len())];
        let counts = names.into_iter().chain(credentials.counts());
        Ok(InstanceShown {
            row: row(&self.instances, &tenant),
            created: record.and_then(|record| record.number("created")).map(time_of),
            hosts: tenant
                .endpoints
                .others
                .iter()
                .map(|host| host.to_string())
                .collect(),
            settings: settings
                .map(|(name, found)| {
                    let by = set_by(found.by).to_owned();
                    let value = found.value;
                    (name, Setting { value, by })
                })
                .collect(),
            tps: tenant.usage.quota.taken(now).into(),
            retained: kept.retained as u64,
            offline: kept.offline as u64,
            hits: hits.into_iter().filter(|(_, count)| *count > 0).collect(),
            counts: counts
                .map(|(name, count)| (name.to_owned(), count as u64))
                .collect(),
        })
    }

    async fn create_instance(&self, request: CreateInstance) -> Result<InstanceRow, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let tenant = instances.create(request).await?;
            tracing::info!(instance = %tenant.id, name = &*tenant.name, "an operator made an instance");
            Ok(row(&instances, &tenant))
        })
        .await
    }

    async fn rename_instance(&self, request: RenameInstance) -> Result<InstanceRow, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let tenant = instances.rename(&request.id, &request.name).await?;
            tracing::info!(instance = %tenant.id, name = &*tenant.name, "an operator renamed an instance");
            Ok(row(&instances, &tenant))
        })
        .await
    }

    async fn set_instance(&self, request: SetInstance) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let settings = format!("{:?}", request.settings);
            instances.set(&request.id, request.settings).await?;
            tracing::info!(instance = request.id, settings, "an operator set up an instance");
            Ok(())
        })
        .await
    }

    async fn unset_instance(&self, request: UnsetInstance) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            instances.unset(&request.id, &request.settings).await?;
            let settings = format!("{:?}", request.settings);
            tracing::info!(
                instance = request.id,
                settings,
                "an operator took settings of an instance back"
            );
            Ok(())
        })
        .await
    }

    async fn delete_instance(&self, request: InstanceName) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            instances.delete(&request.id).await?;
            tracing::info!(instance = request.id, "an operator deleted an instance");
            Ok(())
        })
        .await
    }

    fn groups(&self, request: &OfInstance) -> Rows {
        rows(&self.instances, request, Names::Groups)
    }

    async fn create_group(&self, request: Named) -> Result<(), Failure> {
        create(&self.instances, request, Names::Groups).await
    }

    async fn delete_group(&self, request: Named) -> Result<(), Failure> {
        delete(&self.instances, request, Names::Groups).await
    }

    fn topics(&self, request: &OfInstance) -> Rows {
        rows(&self.instances, request, Names::Topics)
    }

    async fn create_topic(&self, request: Named) -> Result<(), Failure> {
        create(&self.instances, request, Names::Topics).await
    }

    async fn delete_topic(&self, request: Named) -> Result<(), Failure> {
        delete(&self.instances, request, Names::Topics).await
    }
}

fn row(instances: &Instances, tenant: &Tenant) -> InstanceRow {
    InstanceRow {
        id: tenant.id.to_string(),
        name: tenant.name.to_string(),
        region: tenant.region.to_string(),
        edition: tenant.edition.name().to_owned(),
        origin: origin(instances.is_configured(tenant.id.as_str())),
        public: tenant.endpoints.public.to_string(),
        internal: tenant.endpoints.internal.to_string(),
        connections: tenant.usage.connections.get(),
        subscriptions: tenant.usage.subscriptions.get(),
    }
}

fn rows(instances: &Instances, request: &OfInstance, names: Names) -> Rows {
    let tenant = instances.get(request.instance.as_deref())?;
    let configured = instances.names_in_configuration(&tenant, names);
    let row = |name: &str| NamedRow {
        name: name.to_owned(),
        origin: origin(configured.iter().any(|known| known == name)),
        created: instances.name_created(&tenant, names, name).map(time_of),
    };
    let mut rows: Vec<NamedRow> = names.of(&tenant).map(row).collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(rows)
}

async fn create(instances: &Arc<Instances>, request: Named, names: Names) -> Result<(), Failure> {
    let instances = Arc::clone(instances);
    carried_out(async move {
        let Named { instance, name } = request;
        instances.create_name(instance.as_deref(), names, &name).await?;
        tracing::info!(instance, name, "an operator made a {}", names.called());
        Ok(())
    })
    .await
}

async fn delete(instances: &Arc<Instances>, request: Named, names: Names) -> Result<(), Failure> {
    let instances = Arc::clone(instances);
    carried_out(async move {
        let Named { instance, name } = request;
        instances.delete_name(instance.as_deref(), names, &name).await?;
        tracing::info!(instance, name, "an operator deleted a {}", names.called());
        Ok(())
    })
    .await
}

fn origin(configured: bool) -> Origin {
    match configured {
        true => Origin::Configuration,
        false => Origin::Created,
    }
}

fn set_by(by: SetBy) -> &'static str {
    match by {
        SetBy::Edition => "edition",
        SetBy::Configuration => "configuration",
        SetBy::Operator => "operator",
    }
}
