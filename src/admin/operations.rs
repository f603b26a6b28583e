//! What the admin socket asks the broker to do. The server implements it; nothing here knows how.

mod certificates;
mod credentials;
mod instances;

use std::future::Future;

use tokio::sync::mpsc::Receiver;

use super::api::{
    ClientRow, ClientsRequest, Diff, DiffRequest, EventLine, EventsRequest, ExplainRequest, Explained,
    InForce, KickRequest, PolicyRow, Problem, Record, ReloadRequest, Status, TraceLine, TraceRequest,
};

pub use certificates::CertificateOperations;
pub use credentials::{CredentialOperations, Listed};
pub use instances::{InstanceOperations, Rows};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What was asked makes no sense: a sentence.
    Nonsense(String),
    /// There is nothing of that name: a sentence.
    NotFound(String),
    /// The broker does not do it now: a sentence.
    Refused(String),
    /// The policies were refused, and this is why.
    Policies(Vec<Problem>),
}

/// What an operator can ask of the broker.
pub trait Operations:
    InstanceOperations + CredentialOperations + CertificateOperations + Send + Sync + 'static
{
    /// How the broker is.
    fn status(&self) -> Status;

    /// Loads the policies' files, and says which generation is in force then.
    fn reload(&self, request: ReloadRequest) -> impl Future<Output = Result<InForce, Failure>> + Send;

    /// Goes back to the generation before.
    fn rollback(&self) -> impl Future<Output = Result<InForce, Failure>> + Send;

    /// The chain.
    fn policies(&self) -> Vec<PolicyRow>;

    /// What was loaded, refused and rolled back, oldest first.
    fn log(&self) -> Vec<Record>;

    /// What changed from one generation to another.
    fn diff(&self, request: DiffRequest) -> impl Future<Output = Result<Diff, Failure>> + Send;

    /// Why the policies answer as they do.
    fn explain(&self, request: ExplainRequest) -> impl Future<Output = Result<Explained, Failure>> + Send;

    /// Who is connected, as fast as they are taken. Nothing is found any more when the receiver is dropped.
    ///
    /// # Errors
    /// There is no such instance.
    fn clients(&self, request: ClientsRequest) -> Result<Receiver<ClientRow>, Failure>;

    /// Ends a connection.
    fn kick(&self, request: KickRequest) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Watches a client until the receiver is dropped.
    ///
    /// # Errors
    /// When what is asked makes no sense, or too many are watching.
    fn trace(&self, request: TraceRequest) -> Result<Receiver<TraceLine>, Failure>;

    /// Tells who comes and goes until the receiver is dropped.
    ///
    /// # Errors
    /// There is no such instance, or too many are following.
    fn events(&self, request: EventsRequest) -> Result<Receiver<EventLine>, Failure>;
}
