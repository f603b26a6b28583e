//! Which request asks for what.

mod certificates;
mod credentials;
mod instances;

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::Refusal;
use super::http::{self, Body, respond};
use super::stream::Lines;
use super::{AdminState, Failure, Operations, port};

const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";

/// The largest body of a request, in bytes.
const LARGEST: usize = 64 * 1024;

/// Answers a request that came by the socket.
pub(super) async fn answer<O: Operations>(
    request: Request<Incoming>,
    operations: &O,
    state: &AdminState,
) -> Response<Body> {
    let path = request.uri().path();
    if !path.starts_with("/v1/") {
        return port::answer(&request, state);
    }
    let Some(method) = method(path) else {
        let error = format!("there is nothing at {path}; the admin API is described in docs/operating.md");
        return refusal(StatusCode::NOT_FOUND, error);
    };
    if request.method() != method {
        let error = format!("{path} wants {method}");
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, error);
        let allow = if method == Method::GET { "GET" } else { "POST" };
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allow));
        return response;
    }
    match act(request, operations, state.request_timeout).await {
        Ok(response) => response,
        Err(failure) => failed(failure),
    }
}

/// The method that a path is asked with, if there is anything at it.
fn method(path: &str) -> Option<Method> {
    match path {
        "/v1/status" | "/v1/policies" | "/v1/policies/log" | "/v1/policies/diff" | "/v1/clients"
        | "/v1/trace" | "/v1/events" => Some(Method::GET),
        "/v1/reload" | "/v1/policies/rollback" | "/v1/explain" | "/v1/clients/kick" => Some(Method::POST),
        _ => instances::method(path)
            .or_else(|| credentials::method(path))
            .or_else(|| certificates::method(path)),
    }
}

async fn act<O: Operations>(
    request: Request<Incoming>,
    operations: &O,
    patience: Duration,
) -> Result<Response<Body>, Failure> {
    Ok(match request.uri().path() {
        "/v1/status" => json(&operations.status()),
        "/v1/reload" => json(&operations.reload(body(request, patience).await?).await?),
        "/v1/policies" => json(&operations.policies()),
        "/v1/policies/log" => json(&operations.log()),
        "/v1/policies/diff" => json(&operations.diff(query(&request)?).await?),
        "/v1/policies/rollback" => json(&operations.rollback().await?),
        "/v1/explain" => json(&operations.explain(body(request, patience).await?).await?),
        "/v1/clients" => lines(Lines::new(operations.clients(query(&request)?)?)),
        "/v1/clients/kick" => done(operations.kick(body(request, patience).await?).await?),
        "/v1/trace" => lines(Lines::new(operations.trace(query(&request)?)?)),
        "/v1/events" => lines(Lines::new(operations.events(query(&request)?)?)),
        path if instances::method(path).is_some() => instances::act(request, operations, patience).await?,
        path if credentials::method(path).is_some() => {
            credentials::act(request, operations, patience).await?
        }
        _ => certificates::act(request, operations, patience).await?,
    })
}

fn query<T: DeserializeOwned>(request: &Request<Incoming>) -> Result<T, Failure> {
    serde_urlencoded::from_str(request.uri().query().unwrap_or_default())
        .map_err(|error| Failure::Nonsense(format!("the query of the request is wrong: {error}")))
}

/// Nothing at all is as good as `{}`.
async fn body<T: DeserializeOwned>(request: Request<Incoming>, patience: Duration) -> Result<T, Failure> {
    let body = request.into_body();
    let nonsense = |what: String| Failure::Nonsense(format!("the body of the request {what}"));
    // What it claims to be is known before it has come.
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(nonsense(format!("has more than {LARGEST} bytes")));
    }
    let body = Limited::new(body, LARGEST).collect();
    let body = tokio::time::timeout(patience, body)
        .await
        .map_err(|_late| nonsense("takes too long to come".to_owned()))?
        .map_err(|error| nonsense(format!("cannot be read: {error}")))?
        .to_bytes();
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(body).map_err(|error| nonsense(format!("is wrong: {error}")))
}

/// What there is to say when it went well.
fn done((): ()) -> Response<Body> {
    json(&serde_json::json!({}))
}

fn json(answer: &impl Serialize) -> Response<Body> {
    written(StatusCode::OK, answer)
}

fn lines<T: Serialize + Unpin + Send + 'static>(lines: Lines<T>) -> Response<Body> {
    http::answer(StatusCode::OK, JSON_LINES, lines.boxed_unsync())
}

fn failed(failure: Failure) -> Response<Body> {
    match failure {
        Failure::Nonsense(error) => refusal(StatusCode::BAD_REQUEST, error),
        Failure::NotFound(error) => refusal(StatusCode::NOT_FOUND, error),
        Failure::Refused(error) => refusal(StatusCode::CONFLICT, error),
        Failure::Policies(problems) => {
            let error = "the policies were refused; those of before keep serving".to_owned();
            written(StatusCode::CONFLICT, &Refusal { error, problems })
        }
    }
}

fn refusal(status: StatusCode, error: String) -> Response<Body> {
    let problems = Vec::new();
    written(status, &Refusal { error, problems })
}

fn written(status: StatusCode, answer: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(answer) {
        Ok(mut text) => {
            text.push(b'\n');
            respond(status, JSON, text)
        }
        Err(error) => http::sentence(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
