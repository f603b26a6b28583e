//! `msg`: the message that the `publish` hook sees, and what a patch says of it.

use super::context::unknown;
use super::fault::Fault;
use super::kind;
use super::limits::Limits;
use crate::codec::QoS;
use crate::hooks::origins;
use crate::hooks::sendable;
use crate::hooks::verdict::{NewMessage, Patch, Properties};
use crate::message::{MessageId, Origin};
use crate::topic;
use bytes::Bytes;
use mlua::{Lua, LuaString, MetaMethod, Table, UserData, UserDataMethods, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

const FIELDS: &[&str] = &[
    "id",
    "origin",
    "payload",
    "properties",
    "qos",
    "retain",
    "size",
    "topic",
];
/// What a hook may change of a message.
pub(crate) const DELIVER_FIELDS: &[&str] = &["payload", "properties"];
pub(crate) const WILL_FIELDS: &[&str] = &["payload", "properties", "qos", "retain", "topic"];
pub(crate) const PATCH_FIELDS: &[&str] = &["more", "payload", "properties", "qos", "retain", "topic"];
const MESSAGE_FIELDS: &[&str] = &["payload", "properties", "qos", "retain", "topic"];
const PROPERTY_FIELDS: &[&str] = &[
    "content_type",
    "correlation_data",
    "message_expiry",
    "payload_is_text",
    "response_topic",
    "user",
];

/// The message of the running call. Its parts are shared, not copied, and become Lua values when they are read.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: Arc<Properties>,
    pub(crate) origin: Origin,
    pub(crate) id: MessageId,
}

/// The userdata; emptied when the call ends, so that a script cannot hoard payloads that its memory limit does not see.
pub(crate) struct Message {
    pub(crate) shown: Rc<RefCell<Option<Shown>>>,
    pub(crate) limits: Rc<Limits>,
}

impl UserData for Message {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: LuaString| {
            let shown = this.shown.borrow();
            let Some(shown) = &*shown else {
                return Err(mlua::Error::runtime(
                    "this msg belongs to a call that has ended; keep what you need of it",
                ));
            };
            match &*key.as_bytes() {
                b"topic" => this.limits.string(lua, &*shown.topic).map(Value::String),
                b"payload" => this.limits.string(lua, &shown.payload).map(Value::String),
                b"size" => Ok(Value::Integer(
                    i64::try_from(shown.payload.len()).unwrap_or(i64::MAX),
                )),
                b"qos" => Ok(Value::Integer(i64::from(shown.qos as u8))),
                b"retain" => Ok(Value::Boolean(shown.retain)),
                b"origin" => this
                    .limits
                    .string(lua, origins::name_of(shown.origin))
                    .map(Value::String),
                b"id" => this.limits.string(lua, shown.id.to_string()).map(Value::String),
                b"properties" => properties_to_lua(lua, &shown.properties).map(Value::Table),
                other => Err(unknown("msg", &String::from_utf8_lossy(other), FIELDS)),
            }
        });
    }
}

pub(crate) fn properties_to_lua(lua: &Lua, properties: &Properties) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("payload_is_text", properties.payload_is_text)?;
    table.raw_set("message_expiry", properties.message_expiry)?;
    table.raw_set("content_type", properties.content_type.as_deref())?;
    table.raw_set("response_topic", properties.response_topic.as_deref())?;
    let data = properties
        .correlation_data
        .as_ref()
        .map(|data| lua.create_string(data))
        .transpose()?;
    table.raw_set("correlation_data", data)?;
    let user = lua.create_table_with_capacity(properties.user.len(), 0)?;
    for (n, (name, value)) in properties.user.iter().enumerate() {
        user.raw_set(n + 1, lua.create_sequence_from([name.as_str(), value.as_str()])?)?;
    }
    table.raw_set("user", user)?;
    Ok(table)
}

/// Reads the table that a `publish` hook returned.
pub(crate) fn patch(table: &Table, may: &[&str]) -> Result<(Patch, Vec<NewMessage>), Fault> {
    let mut fields = Fields::of("the patch", table, may)?;
    let patch = Patch {
        topic: fields.topic()?,
        payload: fields.payload()?,
        qos: fields.qos()?,
        retain: fields.boolean("retain")?,
        properties: fields.properties()?,
    };
    let mut more = Vec::new();
    if let Some(list) = fields.table("more")? {
        for message in list.sequence_values::<Value>() {
            more.push(new_message(
                "a message in `more`",
                &message.map_err(|e| Fault::from_lua(&e, None))?,
            )?);
        }
    }
    Ok((patch, more))
}

pub(crate) fn new_message(what: &str, value: &Value) -> Result<NewMessage, Fault> {
    let Value::Table(table) = value else {
        return Err(Fault::answer(format!(
            "`more` is a list of messages, such as {{ topic = \"a\", payload = \"b\" }}; it holds a {}",
            kind(value)
        )));
    };
    let mut fields = Fields::of(what, table, MESSAGE_FIELDS)?;
    let topic = fields.topic()?;
    Ok(NewMessage {
        topic: topic.ok_or_else(|| Fault::answer(format!("{what} has no topic")))?,
        payload: fields.payload()?.unwrap_or_default(),
        qos: fields.qos()?.unwrap_or(QoS::AtMostOnce),
        retain: fields.boolean("retain")?.unwrap_or(false),
        properties: fields.properties()?.unwrap_or_default(),
    })
}

/// Reads typed fields out of an answer's table, and names what is wrong.
pub(crate) struct Fields<'a> {
    what: &'a str,
    table: &'a Table,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// When the table has a field that is not in `known`.
    pub(crate) fn of(what: &'a str, table: &'a Table, known: &[&str]) -> Result<Self, Fault> {
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair.map_err(|e| Fault::from_lua(&e, None))?;
            let Value::String(key) = &key else {
                return Err(Fault::answer(format!(
                    "{what} has a field named by a {}",
                    kind(&key)
                )));
            };
            let key = key.to_string_lossy();
            if !known.contains(&key.as_str()) {
                return Err(Fault::from_lua(&unknown(what, &key, known), None));
            }
        }
        Ok(Self { what, table })
    }

    fn wrong(&self, name: &str, wanted: &str, got: &Value) -> Fault {
        Fault::answer(format!(
            "`{name}` in {} must be {wanted}, it is a {}",
            self.what,
            kind(got)
        ))
    }

    fn get(&self, name: &str) -> Result<Value, Fault> {
        self.table.raw_get(name).map_err(|e| Fault::from_lua(&e, None))
    }

    pub(crate) fn bytes(&mut self, name: &str) -> Result<Option<Bytes>, Fault> {
        match self.get(name)? {
            Value::Nil => Ok(None),
            Value::String(s) => Ok(Some(Bytes::copy_from_slice(&s.as_bytes()))),
            other => Err(self.wrong(name, "a string", &other)),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.get(name)? {
            Value::Nil => Ok(None),
            Value::String(s) => match s.to_str() {
                Ok(text) => Ok(Some((*text).to_owned())),
                Err(_) => Err(Fault::answer(format!("`{name}` in {} is not UTF-8", self.what))),
            },
            other => Err(self.wrong(name, "a string", &other)),
        }
    }

    /// The id of an instance, which need not be one.
    pub(crate) fn instance(&mut self) -> Result<Option<Arc<str>>, Fault> {
        Ok(self.text("instance")?.map(Arc::from))
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.get(name)? {
            Value::Nil => Ok(None),
            Value::Boolean(b) => Ok(Some(b)),
            other => Err(self.wrong(name, "true or false", &other)),
        }
    }

    pub(crate) fn integer<T: TryFrom<i64>>(&mut self, name: &str, range: &str) -> Result<Option<T>, Fault> {
        match self.get(name)? {
            Value::Nil => Ok(None),
            value => match value
                .as_integer()
                .or_else(|| whole(&value))
                .and_then(|n| T::try_from(n).ok())
            {
                Some(n) => Ok(Some(n)),
                None => Err(self.wrong(name, range, &value)),
            },
        }
    }

    pub(crate) fn number(&mut self, name: &str, wanted: &str) -> Result<Option<f64>, Fault> {
        match self.get(name)? {
            Value::Nil => Ok(None),
            value => match value.as_number().or_else(|| value.as_integer().map(|n| n as f64)) {
                Some(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(self.wrong(name, wanted, &value)),
            },
        }
    }

    pub(crate) fn table(&mut self, name: &str) -> Result<Option<Table>, Fault> {
        match self.get(name)? {
            Value::Nil => Ok(None),
            Value::Table(table) => Ok(Some(table)),
            other => Err(self.wrong(name, "a table", &other)),
        }
    }

    pub(crate) fn topic(&mut self) -> Result<Option<Arc<str>>, Fault> {
        let Some(topic) = self.text("topic")? else {
            return Ok(None);
        };
        // [MQTT-3.3.2-2]: what goes on as a PUBLISH has a topic name without wildcards, whoever wrote it.
        topic::check_name(&topic).map_err(|e| Fault::answer(format!("`topic` in {}: {e}", self.what)))?;
        Ok(Some(topic.into()))
    }

    pub(crate) fn payload(&mut self) -> Result<Option<Bytes>, Fault> {
        let payload = self.bytes("payload")?;
        if let Some(payload) = &payload {
            sendable::payload(payload).map_err(Fault::answer)?;
        }
        Ok(payload)
    }

    pub(crate) fn qos(&mut self) -> Result<Option<QoS>, Fault> {
        let Some(qos) = self.integer::<u8>("qos", "0, 1 or 2")? else {
            return Ok(None);
        };
        qos_of(qos)
            .map(Some)
            .ok_or_else(|| Fault::answer(format!("`qos` in {} must be 0, 1 or 2, it is {qos}", self.what)))
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<Arc<str>>, Fault> {
        let Some(list) = self.table(name)? else {
            return Ok(Vec::new());
        };
        let texts = list.sequence_values::<String>().map(|text| text.map(Into::into));
        texts
            .collect::<mlua::Result<_>>()
            .map_err(|_| Fault::answer(format!("`{name}` in {} must be a list of strings", self.what)))
    }

    /// User Properties.
    pub(crate) fn user(&mut self) -> Result<Vec<(String, String)>, Fault> {
        let Some(list) = self.table("user")? else {
            return Ok(Vec::new());
        };
        let mut pairs = Vec::new();
        for pair in list.sequence_values::<Table>() {
            let pair = pair.and_then(|pair| Ok((pair.raw_get(1)?, pair.raw_get(2)?)));
            pairs.push(pair.map_err(|_| Fault::answer(USER_FORM))?);
        }
        Ok(pairs)
    }

    fn properties(&mut self) -> Result<Option<Properties>, Fault> {
        let Some(table) = self.table("properties")? else {
            return Ok(None);
        };
        read_properties(&table).map(Some)
    }
}

/// The properties of a message as a table.
pub(crate) fn read_properties(table: &Table) -> Result<Properties, Fault> {
    let mut fields = Fields::of("`properties`", table, PROPERTY_FIELDS)?;
    let mut properties = Properties {
        payload_is_text: fields.boolean("payload_is_text")?,
        message_expiry: fields.integer("message_expiry", "a number of seconds, 0 to 4,294,967,295")?,
        content_type: fields.text("content_type")?,
        response_topic: fields.text("response_topic")?,
        correlation_data: fields.bytes("correlation_data")?,
        user: Vec::new(),
    };
    if let Some(topic) = &properties.response_topic {
        topic::check_name(topic).map_err(|e| Fault::answer(format!("`response_topic`: {e}")))?;
    }
    properties.user = fields.user()?;
    sendable::properties(&properties).map_err(Fault::answer)?;
    Ok(properties)
}

const USER_FORM: &str = r#"`user` is a list of pairs, such as { { "name", "value" } }"#;

fn whole(value: &Value) -> Option<i64> {
    let n = value
        .as_number()
        .filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15)?;
    Some(n as i64)
}

/// The QoS of that number.
pub(crate) fn qos_of(number: u8) -> Option<QoS> {
    match number {
        0 => Some(QoS::AtMostOnce),
        1 => Some(QoS::AtLeastOnce),
        2 => Some(QoS::ExactlyOnce),
        _ => None,
    }
}
