//! `http`: requests to places that the policy's entry allows. Each waits.

use super::Host;
use super::arguments::{text, wrong};
use crate::hooks::lua::convert::Converter;
use crate::hooks::services::{HttpAnswer, HttpRequest};
use mlua::{Lua, Table, Value};
use reqwest::header::HeaderValue;
use std::time::Duration;

const OPTIONS: [&str; 6] = ["body", "headers", "json", "method", "timeout", "url"];

/// The answer as a table, or why there is none.
type Answer = (Option<Table>, Option<String>);

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    let held = host.clone();
    host.waiting(
        lua,
        &module,
        "get",
        "http.get",
        move |lua, (url, options): (Value, Option<Table>)| {
            let request = read(&lua, &held, "http.get", "GET", Some(&url), None, options.as_ref());
            send(lua, held.clone(), request)
        },
    )?;
    let held = host.clone();
    host.waiting(
        lua,
        &module,
        "post",
        "http.post",
        move |lua, (url, body, options): (Value, Value, Option<Table>)| {
            let request = read(
                &lua,
                &held,
                "http.post",
                "POST",
                Some(&url),
                Some(&body),
                options.as_ref(),
            );
            send(lua, held.clone(), request)
        },
    )?;
    let held = host.clone();
    host.waiting(
        lua,
        &module,
        "request",
        "http.request",
        move |lua, options: Value| {
            let request = match &options {
                Value::Table(options) => read(&lua, &held, "http.request", "GET", None, None, Some(options)),
                other => Err(wrong(
                    other,
                    "http.request",
                    1,
                    "request",
                    "a table such as { url = \"http://...\" }",
                )),
            };
            send(lua, held.clone(), request)
        },
    )?;
    module.set_readonly(true);
    Ok(module)
}

async fn send(lua: Lua, host: Host, request: mlua::Result<HttpRequest>) -> mlua::Result<Answer> {
    match host.services.http(&host.backends.http, request?).await {
        Ok(answer) => Ok((Some(table(&lua, &host, &answer)?), None)),
        Err(why) => Ok((None, Some(why))),
    }
}

fn table(lua: &Lua, host: &Host, answer: &HttpAnswer) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 3)?;
    table.raw_set("status", answer.status)?;
    table.raw_set("body", host.limits.string(lua, &answer.body)?)?;
    let headers = lua.create_table_with_capacity(0, answer.headers.len())?;
    for name in answer.headers.keys() {
        // A header that comes several times means the same as one with all its values.
        let values: Vec<&[u8]> = answer
            .headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        headers.raw_set(name.as_str(), host.limits.string(lua, values.join(&b", "[..]))?)?;
    }
    table.raw_set("headers", headers)?;
    Ok(table)
}

fn read(
    lua: &Lua,
    host: &Host,
    called: &str,
    method: &str,
    url: Option<&Value>,
    body: Option<&Value>,
    options: Option<&Table>,
) -> mlua::Result<HttpRequest> {
    let mut request = HttpRequest {
        method: method.to_owned(),
        url: String::new(),
        headers: Vec::new(),
        body: None,
        timeout: None,
    };
    if let Some(url) = url {
        request.url = text(url, called, 1, "url")?.to_owned();
    }
    match body {
        None | Some(Value::Nil) => {}
        Some(given) => request.body = Some(body_of(host, given, called, 2)?),
    }
    for pair in options
        .iter()
        .flat_map(|options| options.pairs::<String, Value>())
    {
        let (name, value) = pair?;
        match name.as_str() {
            "url" => request.url = text(&value, called, 1, "url")?.to_owned(),
            "method" => request.method = text(&value, called, 1, "method")?.to_uppercase(),
            "body" => request.body = Some(body_of(host, &value, called, 1)?),
            "timeout" => request.timeout = Some(timeout(&value, called)?),
            "json" => {
                let json = Converter::new(lua, &host.limits).make_json(&value)?;
                request.body = Some(json.to_string().into_bytes());
                request
                    .headers
                    .push(("content-type".into(), b"application/json".to_vec()));
            }
            "headers" => {
                let Value::Table(headers) = &value else {
                    return Err(wrong(&value, called, 1, "headers", "a table of names and values"));
                };
                for pair in headers.pairs::<String, Value>() {
                    let (name, value) = pair?;
                    request.headers.push((name, header(&value, called)?));
                }
            }
            other => {
                return Err(mlua::Error::runtime(format!(
                    "{called}: unknown option `{other}`; there are {}",
                    OPTIONS.join(", ")
                )));
            }
        }
    }
    if request.url.is_empty() {
        return Err(mlua::Error::runtime(format!("{called}: there is no `url`")));
    }
    Ok(request)
}

/// A body; of one that is too large just enough to see that it is.
fn body_of(host: &Host, value: &Value, called: &str, n: usize) -> mlua::Result<Vec<u8>> {
    let Value::String(body) = value else {
        return Err(wrong(value, called, n, "body", "a string"));
    };
    let body = body.as_bytes();
    host.limits.work(body.len())?;
    Ok(body
        .get(..=host.backends.http.largest_request())
        .unwrap_or(&body)
        .to_vec())
}

fn header(value: &Value, called: &str) -> mlua::Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => Ok(value.to_string()?.into_bytes()),
        other => Err(wrong(other, called, 1, "headers", "a table of names and strings")),
    }
}

fn timeout(value: &Value, called: &str) -> mlua::Result<Duration> {
    let seconds = value
        .as_number()
        .and_then(|n| Duration::try_from_secs_f64(n).ok());
    seconds
        .filter(|time| !time.is_zero())
        .ok_or_else(|| wrong(value, called, 1, "timeout", "a number of seconds, above 0"))
}
