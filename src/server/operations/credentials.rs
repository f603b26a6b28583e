//! Credentials, as operators see and change them. What they look like is the business of `hooks`.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::{Broker, carried_out, time_of};
use crate::admin::api::{
    ApplyToken, BlackRow, ClientName, CreateKey, DeleteIdentity, DeletePermission, DeviceRow, Holds,
    Identity, Issued, KeyName, KeyRow, ListRequest, Page, Permission, PutIdentity, PutPermission, TokenText,
};
use crate::admin::{CredentialOperations, Failure, Listed};
use crate::config::ParentTopics;
use crate::hooks::credentials::{Credentials, Device, Key, TokenRequest, Which};
use crate::instance::names;
use crate::server::instances::Instances;
use crate::shard::Tenant;
use crate::time::Millis;

/// How many are listed at once when nothing is said, and at most.
const LISTED: (usize, usize) = (100, 1000);

/// An instance in which something is changed; nobody else changes it, or deletes it, meanwhile.
pub(super) struct Here<'a> {
    _one: MutexGuard<'a, ()>,
    instances: &'a Instances,
    pub(super) tenant: Arc<Tenant>,
    now: Millis,
}

impl<'a> Here<'a> {
    pub(super) async fn of(instances: &'a Instances, id: Option<&str>) -> Result<Self, Failure> {
        let one = instances.one_at_a_time().await;
        Ok(Self {
            _one: one,
            instances,
            tenant: instances.get(id)?,
            now: instances.now(),
        })
    }

    pub(super) fn credentials(&self) -> Credentials<'_> {
        Credentials::of(self.instances.registry(), self.tenant.id.as_str(), self.now)
    }

    /// `name` is nothing secret.
    pub(super) fn log(&self, what: &str, name: &str) {
        tracing::info!(instance = %self.tenant.id, name, "an operator {what}");
    }

    /// A permission for topics that nobody may use yet is most likely misspelt.
    fn has_parent(&self, topic: &str) -> Result<(), Failure> {
        let (tenant, parent) = (&self.tenant, names::parent_of(topic));
        let free = parent == "+" || parent == "#" || parent.starts_with('$');
        if tenant.product.parent_topics != ParentTopics::Created || free || tenant.parents.contains(parent) {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "the parent topic {parent} has not been created in the instance {}; `dunlin ctl topic create` does that",
            tenant.id
        )))
    }
}

impl Broker {
    /// A look at the credentials of an instance.
    pub(super) fn look<T>(
        &self,
        instance: Option<&str>,
        look: impl FnOnce(Credentials<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let tenant = self.instances.get(instance)?;
        let now = self.instances.now();
        look(Credentials::of(
            self.instances.registry(),
            tenant.id.as_str(),
            now,
        ))
    }

    /// Which of a kind are asked for.
    pub(super) fn which(request: &ListRequest) -> Which<'_> {
        Which {
            prefix: "",
            after: request.after.as_deref(),
            most: request.limit.unwrap_or(LISTED.0).clamp(1, LISTED.1),
            secrets: request.secrets,
        }
    }

    pub(super) fn listed<T>(
        &self,
        request: &ListRequest,
        list: impl FnOnce(Credentials<'_>, &Which<'_>) -> Page<T>,
    ) -> Listed<T> {
        let which = Self::which(request);
        self.look(request.instance.as_deref(), |credentials| {
            Ok(list(credentials, &which))
        })
    }
}

impl CredentialOperations for Broker {
    fn keys(&self, request: &ListRequest) -> Listed<KeyRow> {
        self.listed(request, |credentials, which| credentials.keys(which).map(key))
    }

    async fn create_key(&self, request: CreateKey) -> Result<KeyRow, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let made = here.credentials().create_key(request.id, request.secret).await?;
            here.log("made a key", &made.id);
            Ok(key(made))
        })
        .await
    }

    async fn delete_key(&self, request: KeyName) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().delete_key(&request.id).await?;
            here.log("deleted a key", &request.id);
            Ok(())
        })
        .await
    }

    fn devices(&self, request: &ListRequest) -> Listed<DeviceRow> {
        let group = request.group.as_deref();
        self.listed(request, |credentials, which| {
            credentials.devices(group, which).map(device)
        })
    }

    fn device(&self, request: &ClientName) -> Result<DeviceRow, Failure> {
        self.look(request.instance.as_deref(), |credentials| {
            Ok(device(credentials.device(&request.client_id)?))
        })
    }

    async fn register_device(&self, request: ClientName) -> Result<DeviceRow, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let made = here.credentials().register(&request.client_id).await?;
            here.log("registered a device", &request.client_id);
            Ok(device(made))
        })
        .await
    }

    async fn refresh_device(&self, request: ClientName) -> Result<DeviceRow, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let made = here.credentials().refresh(&request.client_id).await?;
            here.log("gave a device a new secret", &request.client_id);
            Ok(device(made))
        })
        .await
    }

    async fn unregister_device(&self, request: ClientName) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().unregister(&request.client_id).await?;
            here.log("took a device its credential", &request.client_id);
            Ok(())
        })
        .await
    }

    async fn apply_token(&self, request: ApplyToken) -> Result<Issued, Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            let until = match (request.seconds, request.until) {
                (Some(seconds), None) => here.now.plus_seconds(seconds).0,
                (None, Some(until)) => until,
                _ => {
                    let what = "say either for how many seconds a token is to hold, or until when";
                    return Err(Failure::Nonsense(what.to_owned()));
                }
            };
            let wish = TokenRequest {
                actions: request.actions,
                resources: request.resources,
                until,
            };
            let token = here.credentials().apply_token(&wish).await?;
            Ok(Issued {
                token: token.text,
                expires: time_of(token.expires),
            })
        })
        .await
    }

    fn query_token(&self, request: &TokenText) -> Result<Holds, Failure> {
        self.look(request.instance.as_deref(), |credentials| {
            let holds = credentials.token_holds(request.token.reveal());
            Ok(Holds { holds })
        })
    }

    async fn revoke_token(&self, request: TokenText) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            Ok(here.credentials().revoke_token(request.token.reveal()).await?)
        })
        .await
    }

    fn identities(&self, request: &ListRequest) -> Listed<Identity> {
        self.listed(request, |credentials, which| credentials.identities(which))
    }

    async fn add_identity(&self, request: PutIdentity) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().add_identity(&request.identity).await?;
            here.log("added an identity", &request.identity.username);
            Ok(())
        })
        .await
    }

    async fn update_identity(&self, request: PutIdentity) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().update_identity(&request.identity).await?;
            here.log("updated an identity", &request.identity.username);
            Ok(())
        })
        .await
    }

    async fn delete_identity(&self, request: DeleteIdentity) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().delete_identity(&request.identity).await?;
            here.log("deleted an identity", &request.identity.username);
            Ok(())
        })
        .await
    }

    fn permissions(&self, request: &ListRequest) -> Listed<Permission> {
        self.listed(request, |credentials, which| credentials.permissions(which))
    }

    async fn add_permission(&self, request: PutPermission) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            request.permission.check()?;
            here.has_parent(&request.permission.topic)?;
            here.credentials().add_permission(&request.permission).await?;
            here.log("added a permission", &request.permission.identity);
            Ok(())
        })
        .await
    }

    async fn update_permission(&self, request: PutPermission) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            request.permission.check()?;
            here.has_parent(&request.permission.topic)?;
            here.credentials().update_permission(&request.permission).await?;
            here.log("updated a permission", &request.permission.identity);
            Ok(())
        })
        .await
    }

    async fn delete_permission(&self, request: DeletePermission) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().delete_permission(&request.permission).await?;
            here.log("deleted a permission", &request.permission.identity);
            Ok(())
        })
        .await
    }

    fn black_list(&self, request: &ListRequest) -> Listed<BlackRow> {
        self.listed(request, |credentials, which| {
            credentials.black_list(which).map(|listed| BlackRow {
                client_id: listed.client_id,
                created: time_of(listed.created),
            })
        })
    }

    async fn blacklist(&self, request: ClientName) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().put_on_black_list(&request.client_id).await?;
            here.log("put a client id on the black list", &request.client_id);
            Ok(())
        })
        .await
    }

    async fn unblacklist(&self, request: ClientName) -> Result<(), Failure> {
        let instances = Arc::clone(&self.instances);
        carried_out(async move {
            let here = Here::of(&instances, request.instance.as_deref()).await?;
            here.credentials().take_off_black_list(&request.client_id).await?;
            here.log("took a client id off the black list", &request.client_id);
            Ok(())
        })
        .await
    }
}

fn key(key: Key) -> KeyRow {
    KeyRow {
        id: key.id,
        secret: key.secret,
        created: time_of(key.created),
    }
}

fn device(device: Device) -> DeviceRow {
    DeviceRow {
        client_id: device.client_id,
        id: device.id,
        secret: device.secret,
        created: time_of(device.created),
        updated: time_of(device.updated),
    }
}
