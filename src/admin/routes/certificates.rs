//! Requests about certificates.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::{body, done, json, query};
use crate::admin::http::Body;
use crate::admin::{CertificateOperations, Failure};

/// The method that a path is asked with, if it is one of these.
pub(super) fn method(path: &str) -> Option<Method> {
    match path {
        "/v1/ca" | "/v1/ca/show" | "/v1/certificates" | "/v1/certificates/show" => Some(Method::GET),
        "/v1/ca/code"
        | "/v1/ca/register"
        | "/v1/ca/activate"
        | "/v1/ca/deactivate"
        | "/v1/ca/delete"
        | "/v1/certificates/activate"
        | "/v1/certificates/deactivate"
        | "/v1/certificates/delete" => Some(Method::POST),
        _ => None,
    }
}

pub(super) async fn act<O: CertificateOperations>(
    request: Request<Incoming>,
    operations: &O,
    patience: Duration,
) -> Result<Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    let activates = path.ends_with("/activate");
    Ok(match path.as_str() {
        "/v1/ca" => json(&operations.cas(&query(&request)?)?),
        "/v1/ca/show" => json(&operations.ca(&query(&request)?)?),
        "/v1/ca/code" => json(
            &operations
                .registration_code(body(request, patience).await?)
                .await?,
        ),
        "/v1/ca/register" => json(&operations.register_ca(body(request, patience).await?).await?),
        "/v1/ca/activate" | "/v1/ca/deactivate" => done(
            operations
                .set_ca(body(request, patience).await?, activates)
                .await?,
        ),
        "/v1/ca/delete" => done(operations.delete_ca(body(request, patience).await?).await?),
        "/v1/certificates" => json(&operations.certificates(&query(&request)?)?),
        "/v1/certificates/show" => json(&operations.certificate(&query(&request)?)?),
        "/v1/certificates/activate" | "/v1/certificates/deactivate" => done(
            operations
                .set_certificate(body(request, patience).await?, activates)
                .await?,
        ),
        _ => done(
            operations
                .delete_certificate(body(request, patience).await?)
                .await?,
        ),
    })
}
