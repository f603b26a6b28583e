//! What is asked about certificates.

use std::future::Future;

use super::{Failure, Listed};
use crate::admin::api::{
    CaName, CaRow, CaShown, CertificateName, CertificateRow, CertificateShown, ListRequest, OfInstance,
    RegisterCa, RegistrationCode,
};

/// Certificates of an instance. What was changed holds for every login that begins when a future has resolved.
pub trait CertificateOperations: Send + Sync + 'static {
    /// The registration code of an instance.
    fn registration_code(
        &self,
        request: OfInstance,
    ) -> impl Future<Output = Result<RegistrationCode, Failure>> + Send;

    /// Registers an authority.
    fn register_ca(&self, request: RegisterCa) -> impl Future<Output = Result<CaRow, Failure>> + Send;

    /// Authorities.
    fn cas(&self, request: &ListRequest) -> Listed<CaRow>;

    /// One of them.
    ///
    /// # Errors
    /// There is none of that number.
    fn ca(&self, request: &CaName) -> Result<CaShown, Failure>;

    /// Has one vouch for devices, or not.
    fn set_ca(&self, request: CaName, active: bool) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Deletes one, and what is known of its devices' certificates.
    fn delete_ca(&self, request: CaName) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Certificates of devices.
    fn certificates(&self, request: &ListRequest) -> Listed<CertificateRow>;

    /// One of them.
    ///
    /// # Errors
    /// There is none of that number.
    fn certificate(&self, request: &CertificateName) -> Result<CertificateShown, Failure>;

    /// Lets the device with one connect, or not.
    fn set_certificate(
        &self,
        request: CertificateName,
        active: bool,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Forgets one.
    fn delete_certificate(
        &self,
        request: CertificateName,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}
