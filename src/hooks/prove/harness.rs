//! The part of the test harness that is not Lua: a real `ctx`, a real `msg`, real checks of answers, stubs, the clock.

use super::records;
use crate::codec::{ProtocolVersion, QoS};
use crate::hooks::client::{Client, ClientParts, TlsInfo};
use crate::hooks::declare;
use crate::hooks::host::Host;
use crate::hooks::lua::answer::{
    Said, change, control_answer, login_vote, p2p_vote, publish_vote, route_change, subscribe_vote,
};
use crate::hooks::lua::connect::{connack_change, connect_change};
use crate::hooks::lua::context::Contexts;
use crate::hooks::lua::convert::Converter;
use crate::hooks::lua::fault::Fault;
use crate::hooks::lua::message::{Message, Shown, qos_of};
use crate::hooks::lua::sandbox;
use crate::hooks::origins::origin_of;
use crate::hooks::policy::Image;
use crate::hooks::verdict::Properties;
use crate::message::{MessageId, Origin};
use bytes::Bytes;
use dunlin_plugin_api::Hook;
use mlua::{Function, Lua, MultiValue, Table, Value};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const SOURCE: &[u8] = include_bytes!("harness.luau");

/// What hooks were seen to answer.
#[derive(Clone, Default)]
pub(super) struct Coverage(Rc<RefCell<BTreeMap<String, BTreeMap<String, u64>>>>);

impl Coverage {
    pub(super) fn take(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        self.0.take()
    }
}

/// What the harness of one state needs.
pub(super) struct Harness {
    policy: Image,
    coverage: Coverage,
}

impl Harness {
    pub(super) fn new(policy: &Image, coverage: &Coverage) -> Self {
        Self {
            policy: policy.clone(),
            coverage: coverage.clone(),
        }
    }
}

/// Puts the harness into the globals; returns the function that lists the tests that were named.
pub(super) fn install(lua: &Lua, host: &Host, harness: Harness) -> mlua::Result<Function> {
    let table = lua.create_table()?;
    let Harness { policy, coverage } = harness;

    let seen = coverage.clone();
    let load = lua.create_function(move |lua, ()| {
        let main = sandbox::load(lua, &policy.bytecode, &policy.file)?;
        let loaded: Value = main.call(())?;
        let Value::Table(loaded) = loaded else {
            return Err(mlua::Error::runtime(format!(
                "{} does not return its table of hooks",
                policy.file
            )));
        };
        let declared =
            declare::read(&loaded, &policy).map_err(|error| mlua::Error::runtime(error.to_string()))?;
        let mut seen = seen.0.borrow_mut();
        for hook in declared.hooks.iter().filter(|hook| !matches!(hook, Hook::OnLoad)) {
            seen.entry(hook.name().to_owned()).or_default();
        }
        Ok(loaded)
    })?;
    table.raw_set("load", load)?;

    let held = host.clone();
    let checked = lua.create_function(move |lua, (name, answer): (String, MultiValue)| {
        if let Some(hook) = Hook::from_name(&name) {
            check(lua, &held, hook, &answer).map_err(|fault| mlua::Error::runtime(fault.message))?;
            let mut coverage = coverage.0.borrow_mut();
            *coverage
                .entry(name)
                .or_default()
                .entry(kind_of(answer.front()))
                .or_default() += 1;
        }
        Ok(answer)
    })?;
    table.raw_set("checked", checked)?;

    let contexts = Contexts::new(host.limits.clone());
    let held = host.clone();
    let clients: RefCell<Vec<Arc<Client>>> = RefCell::default();
    let client = lua.create_function(move |lua, fields: Table| {
        let client = client_of(lua, &held, &fields)?;
        let ctx = contexts.with(lua, &client, mlua::AnyUserData::clone)?;
        // A ctx holds its client weakly.
        clients.borrow_mut().push(client);
        Ok(ctx)
    })?;
    table.raw_set("client", client)?;

    let held = host.clone();
    let message = lua.create_function(move |lua, fields: Table| {
        let shown = Rc::new(RefCell::new(Some(message_of(&fields)?)));
        lua.create_userdata(Message {
            shown,
            limits: held.limits.clone(),
        })
    })?;
    table.raw_set("message", message)?;

    let stub = lua.create_function(|lua, (name, replacement): (String, Function)| {
        let place = name.split_once('.').and_then(|(module, function)| {
            let module: Table = lua.globals().get(module).ok()?;
            let there = module
                .raw_get::<Value>(function)
                .is_ok_and(|value| !value.is_nil());
            there.then_some((module, function))
        });
        let Some((module, function)) = place else {
            return Err(mlua::Error::runtime(format!(
                "stub: there is no function `{name}`"
            )));
        };
        module.set_readonly(false);
        module.raw_set(function, replacement)?;
        module.set_readonly(true);
        Ok(())
    })?;
    table.raw_set("stub", stub)?;

    table.raw_set("record", records::setter(lua, host)?)?;

    let clock = host.clock.clone();
    let set_time = lua.create_function(move |_, seconds: f64| {
        let time = Duration::try_from_secs_f64(seconds)
            .map_err(|_| mlua::Error::runtime("set_time: a time is a number of seconds since 1970"))?;
        clock.set(time);
        Ok(())
    })?;
    table.raw_set("set_time", set_time)?;

    let harness = sandbox::load(lua, &sandbox::compile(SOURCE)?, "harness")?;
    harness.call(table)
}

/// Reads the answer as the broker would.
fn check(lua: &Lua, host: &Host, hook: Hook, answer: &MultiValue) -> Result<(), Fault> {
    let said = Said::of_values(answer);
    let to_json = |value: &Value| Converter::small(lua, &host.limits).make_json(value);
    match hook {
        Hook::AuthorizePublish | Hook::AuthorizeDeliver => publish_vote(hook.name(), &said).map(drop),
        Hook::AuthorizeSubscribe => subscribe_vote(hook.name(), &said).map(drop),
        Hook::P2p => p2p_vote(&said).map(drop),
        Hook::Authenticate | Hook::AuthContinue => login_vote(hook.name(), &said, &to_json).map(drop),
        Hook::Publish | Hook::Will | Hook::Deliver | Hook::Offline => change(hook, &said).map(drop),
        Hook::Route => route_change(&said).map(drop),
        Hook::Connect => connect_change(&said).map(drop),
        Hook::Connack => connack_change(&said).map(drop),
        Hook::Control | Hook::Expiring => control_answer(hook, &said, &to_json).map(drop),
        _ => Ok(()),
    }
}

fn kind_of(answer: Option<&Value>) -> String {
    match answer {
        None | Some(Value::Nil) => "nothing".to_owned(),
        Some(Value::String(word)) => word.to_string_lossy(),
        Some(other) => crate::hooks::lua::kind(other).to_owned(),
    }
}

fn client_of(lua: &Lua, host: &Host, fields: &Table) -> mlua::Result<Arc<Client>> {
    const KNOWN: [&str; 10] = [
        "attrs",
        "client_id",
        "device_id",
        "group_id",
        "instance",
        "listener",
        "peer",
        "protocol_version",
        "tls",
        "username",
    ];
    for pair in fields.pairs::<String, Value>() {
        let (name, _) = pair?;
        if !KNOWN.contains(&name.as_str()) {
            return Err(mlua::Error::runtime(format!(
                "client: a ctx has no field `{name}`"
            )));
        }
    }
    let text = |name: &str, default: &str| -> mlua::Result<Arc<str>> {
        Ok(fields
            .raw_get::<Option<String>>(name)?
            .as_deref()
            .unwrap_or(default)
            .into())
    };
    let tls: Option<Table> = fields.raw_get("tls")?;
    let tls = tls.map(|tls| -> mlua::Result<_> {
        Ok(Arc::new(TlsInfo {
            cn: tls.raw_get("cn")?,
            san: tls.raw_get::<Option<Vec<String>>>("san")?.unwrap_or_default(),
            serial: tls.raw_get("serial")?,
            fingerprint: tls.raw_get("fingerprint")?,
            ca_serial: tls.raw_get("ca_serial")?,
            valid_from: tls.raw_get("valid_from")?,
            valid_until: tls.raw_get("valid_until")?,
        }))
    });
    let parts = ClientParts {
        instance: text("instance", "mqtt-test")?,
        client_id: text("client_id", "test-client")?,
        username: fields.raw_get::<Option<String>>("username")?.map(Into::into),
        peer: text("peer", "192.0.2.1:50000")?,
        listener: text("listener", "tcp")?,
        tls: tls.transpose()?,
        protocol_version: match fields.raw_get::<Option<u8>>("protocol_version")?.unwrap_or(5) {
            3 => ProtocolVersion::V31,
            4 => ProtocolVersion::V311,
            5 => ProtocolVersion::V5,
            _ => return Err(mlua::Error::runtime("client: protocol_version is 3, 4 or 5")),
        },
    };
    let client = Client::new(parts);
    let attrs: Value = fields.raw_get("attrs")?;
    if attrs.is_nil() {
        return Ok(client);
    }
    match Converter::small(lua, &host.limits).make_json(&attrs)? {
        Json::Object(attrs) => Ok(client.with_attrs(attrs)),
        _ => Err(mlua::Error::runtime("client: attrs has named fields")),
    }
}

fn message_of(fields: &Table) -> mlua::Result<Shown> {
    let bytes = |name: &str| -> mlua::Result<Option<Bytes>> {
        let text: Option<mlua::LuaString> = fields.raw_get(name)?;
        Ok(text.map(|text| Bytes::copy_from_slice(&text.as_bytes())))
    };
    let qos = fields.raw_get::<Option<u8>>("qos")?.unwrap_or(0);
    let origin = fields.raw_get::<Option<String>>("origin")?;
    let properties: Option<Table> = fields.raw_get("properties")?;
    let properties = match properties {
        None => Properties::default(),
        Some(table) => crate::hooks::lua::message::read_properties(&table)
            .map_err(|fault| mlua::Error::runtime(fault.message))?,
    };
    Ok(Shown {
        topic: fields
            .raw_get::<Option<String>>("topic")?
            .unwrap_or_else(|| "test".into())
            .into(),
        payload: bytes("payload")?.unwrap_or_default(),
        qos: qos_of(qos).unwrap_or(QoS::AtMostOnce),
        retain: fields.raw_get::<Option<bool>>("retain")?.unwrap_or(false),
        properties: Arc::new(properties),
        origin: match origin {
            None => Origin::Client,
            Some(name) => origin_of(&name)
                .ok_or_else(|| mlua::Error::runtime(format!("message: no origin `{name}`")))?,
        },
        id: MessageId(1),
    })
}
