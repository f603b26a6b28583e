//! What is asked about instances, groups and parent topics.

use std::future::Future;

use super::Failure;
use crate::admin::api::{
    CreateInstance, InstanceName, InstanceRow, InstanceShown, Named, NamedRow, OfInstance, RenameInstance,
    SetInstance, UnsetInstance,
};

/// What there is of a kind.
pub type Rows = Result<Vec<NamedRow>, Failure>;

/// Instances and the names in them. What was changed holds on every shard when a future resolves.
pub trait InstanceOperations: Send + Sync + 'static {
    /// All of them.
    fn instances(&self) -> Vec<InstanceRow>;

    /// One, with everything that is known of it.
    ///
    /// # Errors
    /// There is none of that id.
    fn instance(&self, request: &InstanceName) -> Result<InstanceShown, Failure>;

    /// Makes one.
    fn create_instance(
        &self,
        request: CreateInstance,
    ) -> impl Future<Output = Result<InstanceRow, Failure>> + Send;

    /// Calls one something else.
    fn rename_instance(
        &self,
        request: RenameInstance,
    ) -> impl Future<Output = Result<InstanceRow, Failure>> + Send;

    /// Sets something for one.
    fn set_instance(&self, request: SetInstance) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Takes back what was set for one.
    fn unset_instance(&self, request: UnsetInstance) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Deletes one, with its connections and everything it has.
    fn delete_instance(&self, request: InstanceName) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The groups of an instance.
    fn groups(&self, request: &OfInstance) -> Rows;

    /// Makes a group.
    fn create_group(&self, request: Named) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Deletes a group.
    fn delete_group(&self, request: Named) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The parent topics of an instance.
    fn topics(&self, request: &OfInstance) -> Rows;

    /// Makes a parent topic.
    fn create_topic(&self, request: Named) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Deletes a parent topic.
    fn delete_topic(&self, request: Named) -> impl Future<Output = Result<(), Failure>> + Send;
}
