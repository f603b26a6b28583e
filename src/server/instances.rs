//! The instances: from the configuration and the registry to what shards know of them.
//!
//! A change is written to the registry first and applied by [`Instances::refresh`], which answers when every shard has it.

mod change;
mod names_of;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::settings;
use crate::config::{Config, Edition, InstanceConfig, Terms};
use crate::instance::{InstanceId, Usage, names};
use crate::router::{P2pMode, SubscriptionIndex};
use crate::shard::{Control, Endpoints, Shared, Tenant};
use crate::store::InboxLimits;
use crate::store::registry::{Expect, Record, RecordKey, Registry, RegistryError};
use crate::time::Millis;
pub(crate) use names_of::Names;

/// Kinds of records in the registry.
pub(crate) mod kind {
    /// An instance; it belongs to none itself.
    pub(crate) const INSTANCE: &str = "instance";
    /// A group of an instance.
    pub(crate) const GROUP: &str = "group";
    /// A parent topic of an instance.
    pub(crate) const TOPIC: &str = "topic";
}

/// What an operator has set for an instance, of its record.
const SETTINGS: &str = "settings";

/// Makes tenants, and keeps them as the registry has them.
pub(crate) struct Instances {
    config: Arc<Config>,
    shared: Arc<Shared>,
    /// What stays the same when a tenant is replaced.
    lasting: Mutex<HashMap<InstanceId, Lasting>>,
    /// Held by who changes something that was looked at before.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Lasting {
    number: u32,
    index: Arc<SubscriptionIndex>,
    usage: Arc<Usage>,
}

impl Instances {
    /// Makes all instances that there are, before anybody is served.
    ///
    /// # Errors
    /// Settings of the configuration that are wrong: a sentence.
    pub(crate) fn open(config: &Config, shared: &Arc<Shared>) -> anyhow::Result<Self> {
        let instances = Self {
            config: Arc::new(config.clone()),
            shared: Arc::clone(shared),
            lasting: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        };
        for (id, _) in config.named_instances() {
            let tenant = instances.build(&InstanceId::new(id)).map_err(|problems| {
                anyhow::anyhow!(
                    "the instance {id} cannot be as the configuration has it: {}",
                    problems.join("; ")
                )
            })?;
            instances.put(tenant);
        }
        for (id, _) in shared.registry.list("", kind::INSTANCE, None, usize::MAX) {
            let id = InstanceId::new(&id);
            match instances.build(&id) {
                Ok(tenant) => drop(instances.put(tenant)),
                // One that is wrong must not keep the others from being served.
                Err(problems) => {
                    tracing::error!(instance = %id, problems = problems.join("; "), "an instance cannot be served")
                }
            }
        }
        Ok(instances)
    }

    /// What the configuration says of an instance.
    fn configured(&self, id: &str) -> Option<&InstanceConfig> {
        let mut named = self.config.named_instances();
        named
            .find(|(known, _)| *known == id)
            .map(|(_, instance)| instance)
    }

    /// Whether the configuration names it, so that it cannot be deleted.
    pub(crate) fn is_configured(&self, id: &str) -> bool {
        self.configured(id).is_some()
    }

    /// The instance as configuration and registry have it now.
    fn build(&self, id: &InstanceId) -> Result<Tenant, Vec<String>> {
        let configured = self.configured(id.as_str());
        let record = self.shared.registry.get("", kind::INSTANCE, id.as_str());
        if configured.is_none() && record.is_none() {
            return Err(vec![format!("there is no instance {id}")]);
        }
        let text = |field: &str| {
            record
                .as_ref()
                .and_then(|record| record.text(field))
                .map(str::to_owned)
        };
        let edition = text("edition")
            .and_then(|name| Edition::from_name(&name))
            .or(configured.map(|instance| instance.edition))
            .unwrap_or_default();
        let own = own_settings(record.as_deref());
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let terms = match self.config.terms(id.as_str(), edition, own) {
            Ok(terms) => terms,
            // Each was good when it was made. What the configuration has become, or a newer Dunlin, must not keep the instance
            // from being served.
            Err(problems) => {
                tracing::error!(instance = %id, problems = problems.join("; "), "what was set for an instance is not good any more and does not count; `dunlin ctl instance unset` takes it out");
                self.config.terms(id.as_str(), edition, [])?
            }
        };
        let name = text("name").or_else(|| configured.and_then(|instance| instance.name.clone()));
        let region = text("region").or_else(|| configured.map(|instance| instance.region.clone()));
        let names_of = |kind: &str, configured: Option<&Vec<String>>| {
            let kept = self.shared.registry.list(id.as_str(), kind, None, usize::MAX);
            let kept = kept.into_iter().map(|(name, _)| Box::from(&*name));
            let written = configured
                .into_iter()
                .flatten()
                .map(|name| Box::from(name.as_str()));
            written.chain(kept).collect()
        };
        let lasting = self.lasting(id);
        let mode = p2p_mode(&terms);
        lasting.index.set_p2p(mode);
        self.shared.store.limit_inboxes(id, inbox_limits(&terms));
        Ok(Tenant {
            id: id.clone(),
            number: lasting.number,
            name: name.as_deref().unwrap_or(id.as_str()).into(),
            region: region.as_deref().unwrap_or("local").into(),
            edition,
            endpoints: self.endpoints(id.as_str(), configured, record.as_deref()),
            groups: Arc::new(names_of(kind::GROUP, configured.map(|instance| &instance.groups))),
            parents: Arc::new(names_of(kind::TOPIC, configured.map(|instance| &instance.topics))),
            settings: settings::session(&terms, self.config.store.grace),
            limits: terms.limits,
            product: terms.product,
            index: lasting.index,
            usage: lasting.usage,
        })
    }

    fn lasting(&self, id: &InstanceId) -> Lasting {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut lasting = self.lasting.lock();
        let made = || Lasting {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            index: Arc::new(SubscriptionIndex::of_instance(
                id.clone(),
                self.shared.controls.len(),
                self.shared.home_seed.clone(),
            )),
            usage: Arc::default(),
        };
        lasting.entry(id.clone()).or_insert_with(made).clone()
    }

    fn endpoints(&self, id: &str, configured: Option<&InstanceConfig>, record: Option<&Record>) -> Endpoints {
        let domain = &self.config.endpoints.domain;
        let kept = record
            .and_then(|record| record.value.get("hosts"))
            .and_then(|hosts| hosts.as_array());
        let kept = kept.into_iter().flatten().filter_map(|host| host.as_str());
        let written = configured
            .into_iter()
            .flat_map(|instance| &instance.hosts)
            .map(String::as_str);
        Endpoints {
            public: format!("{id}.{domain}").into(),
            internal: format!("{id}-internal-vpc.{domain}").into(),
            others: written.chain(kept).map(Arc::from).collect(),
        }
    }

    fn put(&self, tenant: Tenant) -> Arc<Tenant> {
        let tenant = Arc::new(tenant);
        self.shared.tenants.put(Arc::clone(&tenant));
        tenant
    }

    /// Applies what the registry says of an instance now. When it resolves, every shard has it.
    ///
    /// # Errors
    /// Settings that are wrong: sentences. The instance stays as it was.
    pub(crate) async fn refresh(&self, id: &InstanceId) -> Result<(), Vec<String>> {
        let exists = self.configured(id.as_str()).is_some()
            || self
                .shared
                .registry
                .get("", kind::INSTANCE, id.as_str())
                .is_some();
        if !exists {
            self.end(id).await;
            return Ok(());
        }
        let tenant = self.put(self.build(id)?);
        self.tell(|reply| Control::Tenant(Arc::clone(&tenant), reply))
            .await;
        Ok(())
    }

    /// Whether these settings would do for an instance of this edition.
    ///
    /// # Errors
    /// Why not: sentences.
    pub(crate) fn check(
        &self,
        id: &str,
        edition: Edition,
        own: &BTreeMap<String, String>,
    ) -> Result<Terms, Vec<String>> {
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.config.terms(id, edition, own)
    }

    /// An instance is gone: so are its connections and everything that it had.
    async fn end(&self, id: &InstanceId) {
        let Some(tenant) = self.shared.tenants.remove(id) else {
            return;
        };
        self.tell(|reply| Control::TenantGone(Arc::clone(&tenant), reply))
            .await;
        self.lasting.lock().remove(id);
        if let Err(error) = self.shared.store.forget_instance(id).await {
            tracing::error!(instance = %id, %error, "what a deleted instance had could not be forgotten");
        }
    }

    async fn tell(&self, message: impl Fn(oneshot::Sender<()>) -> Control) {
        let mut told = Vec::new();
        for shard in 0..u16::try_from(self.shared.controls.len()).unwrap_or(u16::MAX) {
            let (reply, done) = oneshot::channel();
            self.shared.control(shard, message(reply));
            told.push(done);
        }
        for done in told {
            // A shard that has stopped serves nobody.
            let _stopped = done.await;
        }
    }

    /// Makes parent topics that clients ask for, for as long as shards may ask.
    pub(crate) async fn make_parents(self: Arc<Self>, mut wanted: Receiver<(InstanceId, Box<str>)>) {
        while let Some((id, parent)) = wanted.recv().await {
            if let Err(problem) = self.make_parent(&id, &parent).await {
                tracing::warn!(instance = %id, topic = &*parent, problem, "a parent topic that a client asked for was not made");
            }
        }
    }

    async fn make_parent(&self, id: &InstanceId, parent: &str) -> Result<(), String> {
        let _one = self.one_at_a_time().await;
        let Some(tenant) = self.shared.tenants.get(id) else {
            return Err("its instance is gone".to_owned());
        };
        may_be_a_parent(&tenant, parent)?;
        let key = RecordKey::new(id.as_str(), kind::TOPIC, parent);
        match self
            .shared
            .registry
            .put(key, created(&self.shared), Expect::Nothing)
            .await
        {
            Ok(()) | Err(RegistryError::Exists(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        self.refresh(id).await.map_err(|problems| problems.join("; "))
    }

    /// Until it is dropped, nobody else changes an instance or what is in it: what was looked at is still so when it is written,
    /// and what is written last is what the shards have in the end.
    pub(crate) async fn one_at_a_time(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Tenant>> {
        self.shared.tenants.list()
    }

    /// The time.
    pub(crate) fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    /// Where all of it is kept.
    pub(crate) fn registry(&self) -> &Registry {
        &self.shared.registry
    }
}

/// May this parent topic be created? Names are unique whatever their case.
///
/// # Errors
/// Why not: a sentence.
pub(crate) fn may_be_a_parent(tenant: &Tenant, parent: &str) -> Result<(), String> {
    names::parent_topic(parent).map_err(|error| error.to_string())?;
    if let Some(same) = tenant
        .parents
        .iter()
        .find(|known| known.eq_ignore_ascii_case(parent))
    {
        return Err(format!(
            "there is the parent topic {same} already; names differ in more than case"
        ));
    }
    if tenant.parents.len() >= tenant.limits.parent_topics {
        return Err(format!(
            "the instance has {} parent topics, as many as it may (limits.parent_topics)",
            tenant.parents.len()
        ));
    }
    Ok(())
}

/// A record that says when it was made, in milliseconds since 1970.
pub(crate) fn created(shared: &Shared) -> serde_json::Map<String, serde_json::Value> {
    let mut value = serde_json::Map::new();
    value.insert("created".to_owned(), shared.clock.now().0.into());
    value
}

/// What an operator has set for an instance.
pub(crate) fn own_settings(record: Option<&Record>) -> BTreeMap<String, String> {
    let settings = record
        .and_then(|record| record.value.get(SETTINGS))
        .and_then(|all| all.as_object());
    let text =
        |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_str()?.to_owned()));
    settings.into_iter().flatten().filter_map(text).collect()
}

fn p2p_mode(terms: &Terms) -> P2pMode {
    match (terms.product.p2p, terms.product.p2p_to_subscribers) {
        (false, _) => P2pMode::Off,
        (true, false) => P2pMode::Only,
        (true, true) => P2pMode::AndSubscribers,
    }
}

fn inbox_limits(terms: &Terms) -> InboxLimits {
    let millis = |age: std::time::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    InboxLimits {
        messages_per_instance: terms.limits.offline_messages,
        age_ms: terms.limits.offline_age.map_or(u64::MAX, millis),
        visible_after_ms: millis(terms.product.offline_visible_after),
    }
}
