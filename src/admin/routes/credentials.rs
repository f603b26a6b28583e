//! Requests about credentials.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::{body, done, json, query};
use crate::admin::http::Body;
use crate::admin::{CredentialOperations, Failure};

/// The method that a path is asked with, if it is one of these.
pub(super) fn method(path: &str) -> Option<Method> {
    match path {
        "/v1/keys"
        | "/v1/credentials"
        | "/v1/credentials/get"
        | "/v1/identities"
        | "/v1/permissions"
        | "/v1/blacklist" => Some(Method::GET),
        "/v1/keys/create"
        | "/v1/keys/delete"
        | "/v1/credentials/register"
        | "/v1/credentials/refresh"
        | "/v1/credentials/unregister"
        | "/v1/tokens/apply"
        | "/v1/tokens/query"
        | "/v1/tokens/revoke"
        | "/v1/identities/add"
        | "/v1/identities/update"
        | "/v1/identities/delete"
        | "/v1/permissions/add"
        | "/v1/permissions/update"
        | "/v1/permissions/delete"
        | "/v1/blacklist/add"
        | "/v1/blacklist/delete" => Some(Method::POST),
        _ => None,
    }
}

pub(super) async fn act<O: CredentialOperations>(
    request: Request<Incoming>,
    operations: &O,
    patience: Duration,
) -> Result<Response<Body>, Failure> {
    Ok(match request.uri().path() {
        "/v1/keys" => json(&operations.keys(&query(&request)?)?),
        "/v1/keys/create" => json(&operations.create_key(body(request, patience).await?).await?),
        "/v1/keys/delete" => done(operations.delete_key(body(request, patience).await?).await?),
        "/v1/credentials" => json(&operations.devices(&query(&request)?)?),
        "/v1/credentials/get" => json(&operations.device(&query(&request)?)?),
        "/v1/credentials/register" => {
            json(&operations.register_device(body(request, patience).await?).await?)
        }
        "/v1/credentials/refresh" => json(&operations.refresh_device(body(request, patience).await?).await?),
        "/v1/credentials/unregister" => done(
            operations
                .unregister_device(body(request, patience).await?)
                .await?,
        ),
        "/v1/tokens/apply" => json(&operations.apply_token(body(request, patience).await?).await?),
        "/v1/tokens/query" => json(&operations.query_token(&body(request, patience).await?)?),
        "/v1/tokens/revoke" => done(operations.revoke_token(body(request, patience).await?).await?),
        "/v1/identities" => json(&operations.identities(&query(&request)?)?),
        "/v1/identities/add" => done(operations.add_identity(body(request, patience).await?).await?),
        "/v1/identities/update" => done(operations.update_identity(body(request, patience).await?).await?),
        "/v1/identities/delete" => done(operations.delete_identity(body(request, patience).await?).await?),
        "/v1/permissions" => json(&operations.permissions(&query(&request)?)?),
        "/v1/permissions/add" => done(operations.add_permission(body(request, patience).await?).await?),
        "/v1/permissions/update" => done(
            operations
                .update_permission(body(request, patience).await?)
                .await?,
        ),
        "/v1/permissions/delete" => done(
            operations
                .delete_permission(body(request, patience).await?)
                .await?,
        ),
        "/v1/blacklist" => json(&operations.black_list(&query(&request)?)?),
        "/v1/blacklist/add" => done(operations.blacklist(body(request, patience).await?).await?),
        _ => done(operations.unblacklist(body(request, patience).await?).await?),
    })
}
