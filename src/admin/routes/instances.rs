//! Requests about instances, groups and parent topics.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::{body, done, json, query};
use crate::admin::http::Body;
use crate::admin::{Failure, InstanceOperations};

/// The method that a path is asked with, if it is one of these.
pub(super) fn method(path: &str) -> Option<Method> {
    match path {
        "/v1/instances" | "/v1/instances/show" | "/v1/groups" | "/v1/topics" => Some(Method::GET),
        "/v1/instances/create"
        | "/v1/instances/rename"
        | "/v1/instances/set"
        | "/v1/instances/unset"
        | "/v1/instances/delete"
        | "/v1/groups/create"
        | "/v1/groups/delete"
        | "/v1/topics/create"
        | "/v1/topics/delete" => Some(Method::POST),
        _ => None,
    }
}

pub(super) async fn act<O: InstanceOperations>(
    request: Request<Incoming>,
    operations: &O,
    patience: Duration,
) -> Result<Response<Body>, Failure> {
    Ok(match request.uri().path() {
        "/v1/instances" => json(&operations.instances()),
        "/v1/instances/show" => json(&operations.instance(&query(&request)?)?),
        "/v1/instances/create" => json(&operations.create_instance(body(request, patience).await?).await?),
        "/v1/instances/rename" => json(&operations.rename_instance(body(request, patience).await?).await?),
        "/v1/instances/set" => done(operations.set_instance(body(request, patience).await?).await?),
        "/v1/instances/unset" => done(operations.unset_instance(body(request, patience).await?).await?),
        "/v1/instances/delete" => done(operations.delete_instance(body(request, patience).await?).await?),
        "/v1/groups" => json(&operations.groups(&query(&request)?)?),
        "/v1/groups/create" => done(operations.create_group(body(request, patience).await?).await?),
        "/v1/groups/delete" => done(operations.delete_group(body(request, patience).await?).await?),
        "/v1/topics" => json(&operations.topics(&query(&request)?)?),
        "/v1/topics/create" => done(operations.create_topic(body(request, patience).await?).await?),
        _ => done(operations.delete_topic(body(request, patience).await?).await?),
    })
}
