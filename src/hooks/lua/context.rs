//! `ctx`: a client as policies see it.
//!
//! A userdata whose fields are made when they are read, because most policies read one or two of ten. It holds the client
//! weakly: a script that keeps a `ctx` for later gets an error once the client has gone, not a client kept in memory.

use super::convert::Converter;
use super::limits::Limits;
use crate::codec::ProtocolVersion;
use crate::hooks::client::{Client, TlsInfo};
use crate::hooks::suggest;
use mlua::{AnyUserData, Lua, LuaString, MetaMethod, Table, UserData, UserDataMethods, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

const FIELDS: &[&str] = &[
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

/// How many clients' `ctx` a state keeps ready. A power of two.
const READY: usize = 256;

struct Context {
    client: Weak<Client>,
    limits: Rc<Limits>,
    /// The attributes as a table, made at the first read.
    attrs: RefCell<Option<Table>>,
}

impl UserData for Context {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: LuaString| {
            this.field(lua, &key)
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(this
                .client
                .upgrade()
                .map_or_else(|| "client (gone)".into(), |c| format!("client {}", c.client_id)))
        });
    }
}

impl Context {
    fn field(&self, lua: &Lua, key: &LuaString) -> mlua::Result<Value> {
        let Some(client) = self.client.upgrade() else {
            return Err(mlua::Error::runtime(
                "this ctx belongs to a client that has gone; keep what you need of it",
            ));
        };
        let text = |text: &str| self.limits.string(lua, text).map(Value::String);
        let maybe = |maybe: Option<&str>| maybe.map_or(Ok(Value::Nil), text);
        match &*key.as_bytes() {
            b"client_id" => text(&client.client_id),
            b"username" => maybe(client.username.as_deref()),
            b"group_id" => maybe(client.group_id()),
            b"device_id" => maybe(client.device_id()),
            b"instance" => text(&client.instance),
            b"peer" => text(&client.peer),
            b"listener" => text(&client.listener),
            b"protocol_version" => Ok(Value::Integer(match client.protocol_version {
                ProtocolVersion::V31 => 3,
                ProtocolVersion::V311 => 4,
                ProtocolVersion::V5 => 5,
            })),
            b"tls" => client
                .tls
                .as_deref()
                .map_or(Ok(Value::Nil), |info| tls(lua, info).map(Value::Table)),
            b"attrs" => self.attrs(lua, &client).map(Value::Table),
            other => Err(unknown("ctx", &String::from_utf8_lossy(other), FIELDS)),
        }
    }

    fn attrs(&self, lua: &Lua, client: &Client) -> mlua::Result<Table> {
        if let Some(table) = &*self.attrs.borrow() {
            return Ok(table.clone());
        }
        let table = lua.create_table_with_capacity(0, client.attrs().len())?;
        let mut converter = Converter::new(lua, &self.limits);
        for (name, value) in client.attrs() {
            table.raw_set(name.as_str(), converter.make_lua(value)?)?;
        }
        // Another hook of the same client reads the same table: writing to it would be a message between hooks
        // that a second shard or a rebuilt state does not get.
        table.set_readonly(true);
        *self.attrs.borrow_mut() = Some(table.clone());
        Ok(table)
    }
}

fn tls(lua: &Lua, info: &TlsInfo) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("cn", info.cn.as_deref())?;
    table.raw_set("san", info.san.as_slice())?;
    table.raw_set("serial", info.serial.as_deref())?;
    table.raw_set("fingerprint", info.fingerprint.as_deref())?;
    table.raw_set("ca_serial", info.ca_serial.as_deref())?;
    // Seconds since 1970, beyond the year 285,000,000 not exactly.
    table.raw_set("valid_from", info.valid_from.map(|time| time as f64))?;
    table.raw_set("valid_until", info.valid_until.map(|time| time as f64))?;
    Ok(table)
}

/// The error for a field that does not exist.
pub(crate) fn unknown(what: &str, field: &str, fields: &[&str]) -> mlua::Error {
    let help = match suggest::nearest(field, fields.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("it has {}", suggest::list(fields.iter().copied())),
    };
    mlua::Error::runtime(format!("{what} has no field `{field}`; {help}"))
}

/// The `ctx` of the clients that were asked about last, by serial number.
pub(crate) struct Contexts {
    limits: Rc<Limits>,
    ready: RefCell<Vec<Option<(u64, AnyUserData)>>>,
}

impl Contexts {
    pub(crate) fn new(limits: Rc<Limits>) -> Self {
        Self {
            limits,
            ready: RefCell::new(Vec::new()),
        }
    }

    /// Calls `with` with the `ctx` of `client`.
    pub(crate) fn with<R>(
        &self,
        lua: &Lua,
        client: &Arc<Client>,
        with: impl FnOnce(&AnyUserData) -> R,
    ) -> mlua::Result<R> {
        let serial = client.serial();
        let mut ready = self.ready.borrow_mut();
        if ready.is_empty() {
            ready.resize(READY, None);
        }
        let place = usize::try_from(serial % READY as u64).unwrap_or(0);
        let Some(slot) = ready.get_mut(place) else {
            return Err(mlua::Error::runtime("no place for a ctx"));
        };
        if let Some((kept, context)) = slot
            && *kept == serial
        {
            return Ok(with(context));
        }
        let context = lua.create_userdata(Context {
            client: Arc::downgrade(client),
            limits: self.limits.clone(),
            attrs: RefCell::new(None),
        })?;
        let answer = with(&context);
        *slot = Some((serial, context));
        Ok(answer)
    }
}
