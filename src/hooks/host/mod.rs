//! What a policy can use besides Luau's own library: the modules that Dunlin puts into every state.
//!
//! Three rules hold for each function here. It bounds its own time, because Luau cannot interrupt it: it takes at most
//! [`MAX_INPUT`] bytes and announces what it is about to do. It checks what it is given: an argument of a wrong type
//! is an error that names function, argument and what was expected; bad *content* (a payload that is no JSON) comes from
//! strangers and is an ordinary answer, `nil` and a message. And what takes long is awaited, never done on the shard's
//! thread ([`Host::waiting`]).

mod arguments;
mod cache;
mod cbor;
mod clock;
mod crypto;
mod effects;
mod http;
mod json;
mod json_path;
mod jwt;
mod kv;
mod log;
mod meters;
pub(crate) mod modules;
mod mqtt;
mod passwords;
mod pattern;
mod re;
mod redis;
mod registry;
mod sql;
mod tasks;
mod time;
mod topic;

use super::lua::asked::Asked;
use super::lua::limits::Limits;
use super::policy::Policy;
use super::services::{Backends, Services};
pub(crate) use clock::Clock;
pub use effects::{Broker, Effect, Effects, SessionFacts, SessionReply, SessionSeen, SessionsQuery, Wish};
pub(crate) use meters::{BUCKETS, check_label, check_metric};
use mlua::{FromLuaMulti, IntoLuaMulti, Lua, Table};
use modules::Modules;
pub(crate) use registry::Records;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tasks::Tasks;

/// The largest string that a host function takes, in bytes: hashing that much takes about a millisecond.
pub(crate) const MAX_INPUT: usize = 1 << 20;

/// The surroundings of one state, as its modules see them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Host {
    /// The limits of the running call.
    pub(crate) limits: Rc<Limits>,
    /// The policy's name.
    pub(crate) policy: Arc<str>,
    /// What all states of the process share.
    pub(crate) services: Arc<Services>,
    /// The time as scripts see it; tests turn it by hand.
    pub(crate) clock: Rc<Clock>,
    /// What scripts have asked the broker to do.
    pub(crate) effects: Rc<Effects>,
    /// Whom the running call is about.
    pub(crate) asked: Rc<Asked>,
    /// The registry that they read.
    pub(crate) records: Rc<Records>,
    /// What runs beside the hooks.
    pub(crate) tasks: Rc<Tasks>,
    /// The backends that the policy may use.
    pub(crate) backends: Arc<Backends>,
    /// How long a task may compute between two waits.
    pub(crate) budget: Duration,
    /// How many steps it may take.
    pub(crate) steps: Option<u64>,
}

impl Host {
    /// Surroundings for a state of `policy` that may use `memory` bytes.
    pub(crate) fn new(policy: &str, memory: usize, services: &Arc<Services>) -> Self {
        Self {
            limits: Rc::new(Limits::new(memory)),
            policy: policy.into(),
            services: services.clone(),
            clock: Rc::new(Clock::default()),
            effects: Rc::default(),
            asked: Rc::default(),
            records: Rc::default(),
            tasks: Rc::default(),
            backends: Arc::default(),
            budget: Duration::from_millis(5),
            steps: None,
        }
    }

    /// Surroundings for a state of `policy`.
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            backends: policy.backends.clone(),
            budget: policy.limits.budget,
            steps: policy.limits.instructions,
            ..Self::new(policy.name(), policy.limits.memory, &policy.services)
        }
    }

    /// Surroundings for a state of `policy` that serves on a shard.
    pub(crate) fn on_shard(policy: &Policy, effects: &Rc<Effects>) -> Self {
        Self {
            effects: effects.clone(),
            ..Self::of(policy)
        }
    }

    /// Adds `module.name`, a function that waits: the coroutine of the hook is put aside until `work` is done. A hook
    /// that does not wait gets an error that says so. `called` is the function's full name, such as `http.get`.
    pub(crate) fn waiting<A, R, F>(
        &self,
        lua: &Lua,
        module: &Table,
        name: &str,
        called: &'static str,
        work: impl Fn(Lua, A) -> F + 'static,
    ) -> mlua::Result<()>
    where
        A: FromLuaMulti + 'static,
        R: IntoLuaMulti + 'static,
        F: Future<Output = mlua::Result<R>> + 'static,
    {
        let limits = self.limits.clone();
        let function = lua.create_async_function(move |lua, arguments: A| {
            let allowed = limits.may_wait(&lua, called);
            let work = allowed.map(|()| work(lua, arguments));
            async move { work?.await }
        })?;
        module.raw_set(name, function)
    }
}

/// Puts all modules into the globals of `lua`.
pub(crate) fn install(lua: &Lua, host: &Host, modules: Rc<Modules>) -> mlua::Result<()> {
    let (limits, policy) = (&host.limits, &*host.policy);
    let globals = lua.globals();
    globals.raw_set("crypto", crypto::module(lua, host)?)?;
    globals.raw_set("json", json::module(lua, limits)?)?;
    globals.raw_set("log", log::module(lua, limits, policy)?)?;
    globals.raw_set("cache", cache::module(lua, host)?)?;
    globals.raw_set("cbor", cbor::module(lua, host)?)?;
    globals.raw_set("http", http::module(lua, host)?)?;
    globals.raw_set("redis", redis::module(lua, host)?)?;
    globals.raw_set("sql", sql::module(lua, host)?)?;
    globals.raw_set("kv", kv::module(lua, host)?)?;
    globals.raw_set("metrics", meters::module(lua, host)?)?;
    globals.raw_set("re", re::module(lua, host)?)?;
    globals.raw_set("registry", registry::module(lua, host)?)?;
    globals.raw_set("state", kv::state(lua, host)?)?;
    globals.raw_set("mqtt", mqtt::module(lua, host)?)?;
    globals.raw_set("task", tasks::module(lua, host)?)?;
    globals.raw_set("print", log::print(lua, policy)?)?;
    globals.raw_set("time", time::module(lua, host)?)?;
    globals.raw_set("topic", topic::module(lua)?)?;
    globals.raw_set("require", modules::require(lua, modules)?)
}
