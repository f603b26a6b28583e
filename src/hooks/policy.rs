//! One policy as a generation holds it: compiled, checked, and the same for every shard.

use super::declare::Declaration;
use super::error::LoadError;
use super::host::{Host, modules::Modules};
use super::lua::sandbox;
use super::lua::state::PolicyState;
use super::services::{Backends, Services};
use crate::config::hooks::{BreakerSettings, Fallback, PolicyEntry};
use serde_json::Value as Json;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A compiled file: the script, or a module that it requires.
#[derive(Clone)]
pub(crate) struct Image {
    /// What the policy (or the module, as in `require`) is called.
    pub(crate) name: Arc<str>,
    /// What errors call the file.
    pub(crate) file: Arc<str>,
    /// Where it was read.
    pub(crate) path: PathBuf,
    /// SHA-256 of the source.
    pub(crate) hash: [u8; 32],
    /// The source, to find the line of a declaration.
    pub(crate) source: Arc<[u8]>,
    /// What shards build their states from: loading it is some thirty times faster than compiling.
    pub(crate) bytecode: Arc<[u8]>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("name", &self.name)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// The limits of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) budget: Duration,
    pub(crate) wait: Duration,
    pub(crate) load_budget: Duration,
    pub(crate) memory: usize,
    pub(crate) instructions: Option<u64>,
}

/// An entry of the chain, ready to be built in any shard.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) image: Image,
    pub(crate) modules: Vec<Image>,
    pub(crate) settings: Json,
    pub(crate) limits: Limits,
    pub(crate) on_error: Fallback,
    pub(crate) on_timeout: Fallback,
    pub(crate) breaker: BreakerSettings,
    pub(crate) declares: Declaration,
    pub(crate) services: Arc<Services>,
    /// The backends that it may use.
    pub(crate) backends: Arc<Backends>,
    /// What the policy of this name in the generation before handed over.
    pub(crate) previous: Json,
    /// What it hands over itself.
    pub(crate) handed_over: Json,
}

impl Policy {
    /// Compiles `image` for `entry` and tries it in a state of its own, which is dropped again.
    pub(crate) fn load(
        entry: &PolicyEntry,
        image: Image,
        base: &Path,
        services: &Arc<Services>,
        previous: Json,
    ) -> Result<Self, LoadError> {
        let refused = |message| LoadError::new(&*image.file, None, message);
        sensible(entry).map_err(refused)?;
        let limits = Limits {
            budget: entry.budget,
            wait: entry.wait,
            load_budget: entry.load_budget,
            memory: entry.memory,
            instructions: entry.instructions,
        };
        let settings = settings(&entry.settings);
        let modules = Rc::new(Modules::reading(&image));
        let backends = Arc::new(Backends::open(entry, base, services).map_err(refused)?);
        let host = Host {
            backends: backends.clone(),
            ..Host::new(&image.name, limits.memory, services)
        };
        let (state, declares, handed_over) =
            PolicyState::build(&image, &limits, &settings, modules.clone(), host, &previous)?;
        drop(state);
        Ok(Self {
            modules: modules.required(),
            image,
            settings,
            limits,
            on_error: entry.on_error,
            on_timeout: entry.on_timeout,
            breaker: entry.breaker,
            declares,
            services: services.clone(),
            backends,
            previous,
            handed_over,
        })
    }

    /// A state of this policy, from its bytecode, with the surroundings of where it is to run.
    pub(crate) fn instantiate(&self, host: Host) -> Result<PolicyState, LoadError> {
        let modules = Rc::new(Modules::loaded(&self.modules));
        PolicyState::build(
            &self.image,
            &self.limits,
            &self.settings,
            modules,
            host,
            &self.previous,
        )
        .map(|(state, _, _)| state)
    }

    /// The same with line counts, which makes it slower.
    pub(crate) fn instantiate_traced(&self, host: Host) -> Result<PolicyState, LoadError> {
        let broken = |error: mlua::Error| LoadError::new(&*self.image.file, None, error.to_string());
        let image = Image {
            bytecode: sandbox::compile_traced(&self.image.source)
                .map_err(broken)?
                .into(),
            ..self.image.clone()
        };
        let modules = Rc::new(Modules::loaded(&self.modules));
        PolicyState::build(
            &image,
            &self.limits,
            &self.settings,
            modules,
            host,
            &self.previous,
        )
        .map(|(state, _, _)| state)
    }

    /// What logs and metrics call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.image.name
    }
}

/// Whether the limits of an entry leave it anything to do.
fn sensible(entry: &PolicyEntry) -> Result<(), String> {
    let name = &entry.name;
    if entry.budget.is_zero() || entry.load_budget.is_zero() {
        return Err(format!(
            "policy `{name}`: `budget` and `load_budget` must be longer than nothing, such as \"5ms\""
        ));
    }
    if !(entry.breaker.rate > 0.0 && entry.breaker.rate <= 1.0) {
        return Err(format!(
            "policy `{name}`: `breaker.rate` is a share of calls, above 0.0 and up to 1.0"
        ));
    }
    Ok(())
}

/// Settings as JSON: what TOML has more than JSON, dates, are strings.
fn settings(table: &toml::Table) -> Json {
    fn value(from: &toml::Value) -> Json {
        match from {
            toml::Value::String(s) => Json::String(s.clone()),
            toml::Value::Integer(n) => Json::from(*n),
            toml::Value::Float(n) => Json::from(*n),
            toml::Value::Boolean(b) => Json::Bool(*b),
            toml::Value::Datetime(when) => Json::String(when.to_string()),
            toml::Value::Array(items) => items.iter().map(value).collect(),
            toml::Value::Table(fields) => settings(fields),
        }
    }
    Json::Object(
        table
            .iter()
            .map(|(key, from)| (key.clone(), value(from)))
            .collect(),
    )
}

impl Policy {
    /// Asks the policy's `credentials` function in a state of its own.
    pub(crate) fn credentials(&self, client_id: &str) -> Result<(String, String), LoadError> {
        let file = &*self.image.file;
        let state = self.instantiate(Host::of(self))?;
        let wrong = || {
            LoadError::new(
                file,
                None,
                "`credentials` did not return a user name and a password",
            )
            .help("return two strings: `return username, password`")
        };
        let function = state.named("credentials").ok_or_else(wrong)?;
        let answer = state
            .call::<(mlua::Value, mlua::Value)>(&function, client_id)
            .map_err(|fault| {
                let fault = fault.of_file(file);
                LoadError::new(fault.file.unwrap_or_default(), fault.line, fault.message)
            })?;
        match answer {
            (mlua::Value::String(user), mlua::Value::String(password)) => {
                Ok((user.to_string_lossy(), password.to_string_lossy()))
            }
            _ => Err(wrong()),
        }
    }
}
