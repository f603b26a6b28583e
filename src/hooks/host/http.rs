//! `http`: requests to places that the policy's entry allows. Each waits.

use super::Host;
use super::arguments::{bytes, text, wrong};
use crate::hooks::lua::convert::Converter;
use crate::hooks::services::{HttpAnswer, HttpRequest};
use mlua::{Lua, Table, Value};

const OPTIONS: [&str; 5] = ["body", "headers", "json", "method", "url"];

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
    for (name, value) in &answer.headers {
        headers.raw_set(name.as_str(), host.limits.string(lua, value)?)?;
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
    };
    if let Some(url) = url {
        request.url = text(url, called, 1, "url")?.to_owned();
    }
    match body {
        None | Some(Value::Nil) => {}
        Some(body) => request.body = Some(bytes(body, called, 2, "body")?.as_bytes().to_vec()),
    }
    for pair in options
        .iter()
        .flat_map(|options| options.pairs::<String, Value>())
    {
        let (name, value) = pair?;
        match name.as_str() {
            "url" => request.url = text(&value, called, 1, "url")?.to_owned(),
            "method" => request.method = text(&value, called, 1, "method")?.to_uppercase(),
            "body" => request.body = Some(bytes(&value, called, 1, "body")?.as_bytes().to_vec()),
            "json" => {
                let json = Converter::new(lua, &host.limits).make_json(&value)?;
                request.body = Some(json.to_string().into_bytes());
                request
                    .headers
                    .push(("content-type".into(), "application/json".into()));
            }
            "headers" => {
                let Value::Table(headers) = &value else {
                    return Err(wrong(&value, called, 1, "headers", "a table of names and values"));
                };
                for pair in headers.pairs::<String, Value>() {
                    let (name, value) = pair?;
                    request.headers.push((name, value.to_string()?));
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
