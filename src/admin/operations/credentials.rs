//! What is asked about credentials.

use std::future::Future;

use super::Failure;
use crate::admin::api::{
    ApplyToken, BlackRow, ClientName, CreateKey, DeleteIdentity, DeletePermission, DeviceRow, Holds,
    Identity, Issued, KeyName, KeyRow, ListRequest, Page, Permission, PutIdentity, PutPermission, TokenText,
};
use crate::hooks::credentials::CredentialError;

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Wrong(what) => Self::Nonsense(what),
            CredentialError::Missing(what) => Self::NotFound(what),
            CredentialError::Exists(what) | CredentialError::Failed(what) => Self::Refused(what),
        }
    }
}

/// Some of a kind.
pub type Listed<T> = Result<Page<T>, Failure>;

/// Credentials of an instance. What was changed is in the registry when a future resolves.
pub trait CredentialOperations: Send + Sync + 'static {
    /// Keys.
    fn keys(&self, request: &ListRequest) -> Listed<KeyRow>;

    /// Makes a key.
    fn create_key(&self, request: CreateKey) -> impl Future<Output = Result<KeyRow, Failure>> + Send;

    /// Deletes a key.
    fn delete_key(&self, request: KeyName) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Credentials of devices.
    fn devices(&self, request: &ListRequest) -> Listed<DeviceRow>;

    /// The credential of one, with its secret.
    ///
    /// # Errors
    /// It has none.
    fn device(&self, request: &ClientName) -> Result<DeviceRow, Failure>;

    /// Gives a device a credential.
    fn register_device(&self, request: ClientName)
    -> impl Future<Output = Result<DeviceRow, Failure>> + Send;

    /// Gives a device another secret.
    fn refresh_device(&self, request: ClientName) -> impl Future<Output = Result<DeviceRow, Failure>> + Send;

    /// Takes a device its credential.
    fn unregister_device(&self, request: ClientName) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Issues a token.
    fn apply_token(&self, request: ApplyToken) -> impl Future<Output = Result<Issued, Failure>> + Send;

    /// Does a token hold?
    ///
    /// # Errors
    /// There is no such instance.
    fn query_token(&self, request: &TokenText) -> Result<Holds, Failure>;

    /// Makes a token void.
    fn revoke_token(&self, request: TokenText) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Identities.
    fn identities(&self, request: &ListRequest) -> Listed<Identity>;

    /// Adds an identity.
    fn add_identity(&self, request: PutIdentity) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Puts an identity in the place of the one that there is.
    fn update_identity(&self, request: PutIdentity) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Deletes an identity.
    fn delete_identity(&self, request: DeleteIdentity) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Permissions.
    fn permissions(&self, request: &ListRequest) -> Listed<Permission>;

    /// Adds a permission.
    fn add_permission(&self, request: PutPermission) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Puts a permission in the place of the one that there is.
    fn update_permission(&self, request: PutPermission) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Deletes a permission.
    fn delete_permission(
        &self,
        request: DeletePermission,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The black list.
    fn black_list(&self, request: &ListRequest) -> Listed<BlackRow>;

    /// Puts a client id on the black list.
    fn blacklist(&self, request: ClientName) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Takes a client id off the black list.
    fn unblacklist(&self, request: ClientName) -> impl Future<Output = Result<(), Failure>> + Send;
}
