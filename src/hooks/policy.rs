//! One policy as a generation holds it: loaded, checked, and the same for every shard.

use super::declare::Declaration;
use super::error::LoadError;
use super::handed_over::State;
use super::host::{Host, modules::Modules};
use super::lua::sandbox;
use super::lua::state::PolicyState;
use super::native::Plugin;
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

/// An entry of the chain, ready to be asked in any shard.
#[derive(Debug)]
pub(crate) struct Policy {
    /// What logs and metrics call it.
    name: Arc<str>,
    /// What errors call its file.
    pub(crate) file: Arc<str>,
    /// Where it was read.
    pub(crate) path: PathBuf,
    /// SHA-256 of the file.
    pub(crate) hash: [u8; 32],
    pub(crate) body: Body,
    pub(crate) settings: Json,
    pub(crate) limits: Limits,
    pub(crate) on_error: Fallback,
    pub(crate) on_timeout: Fallback,
    pub(crate) breaker: BreakerSettings,
    pub(crate) declares: Declaration,
    pub(crate) services: Arc<Services>,
    /// The backends that it may use.
    pub(crate) backends: Arc<Backends>,
}

/// What answers.
#[derive(Debug)]
pub(crate) enum Body {
    Script(Box<Script>),
    Plugin(Arc<Plugin>),
}

/// A script and what goes with it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) image: Image,
    pub(crate) modules: Vec<Image>,
    /// What the policy of this name in the generation before handed over.
    previous: State,
    /// What it hands over itself.
    handed_over: State,
}

impl Limits {
    fn of(entry: &PolicyEntry) -> Self {
        Self {
            budget: entry.budget,
            wait: entry.wait,
            load_budget: entry.load_budget(),
            memory: entry.memory,
            instructions: entry.instructions,
        }
    }
}

impl Policy {
    /// Compiles `image` for `entry` and tries it in a state of its own, which is dropped again.
    pub(crate) fn load(
        entry: &PolicyEntry,
        image: Image,
        base: &Path,
        services: &Arc<Services>,
        previous: State,
    ) -> Result<Self, LoadError> {
        let refused = |message| LoadError::new(&*image.file, None, message);
        sensible(entry).map_err(refused)?;
        let limits = Limits::of(entry);
        let settings = settings(&entry.settings);
        let modules = Rc::new(Modules::reading(&image));
        let backends = Arc::new(Backends::open(entry, base, services).map_err(refused)?);
        let host = Host {
            backends: backends.clone(),
            ..Host::new(&image.name, limits.memory, services)
        };
        let given = previous.for_script();
        let (state, declares, handed_over) =
            PolicyState::build(&image, &limits, &settings, modules.clone(), host, &given)?;
        drop(state);
        Ok(Self {
            name: image.name.clone(),
            file: image.file.clone(),
            path: image.path.clone(),
            hash: image.hash,
            body: Body::Script(Box::new(Script {
                modules: modules.required(),
                image,
                previous,
                handed_over: State::json(handed_over),
            })),
            settings,
            limits,
            on_error: entry.on_error,
            on_timeout: entry.on_timeout,
            breaker: entry.breaker,
            declares,
            services: services.clone(),
            backends,
        })
    }

    /// A policy that is a compiled plugin.
    pub(crate) fn compiled(
        entry: &PolicyEntry,
        name: Arc<str>,
        file: Arc<str>,
        path: PathBuf,
        hash: [u8; 32],
        plugin: Arc<Plugin>,
        services: &Arc<Services>,
    ) -> Result<Self, LoadError> {
        sensible(entry).map_err(|message| LoadError::new(&*file, None, message))?;
        Ok(Self {
            name,
            file,
            path,
            hash,
            declares: plugin.declares().clone(),
            body: Body::Plugin(plugin),
            settings: settings(&entry.settings),
            limits: Limits::of(entry),
            on_error: entry.on_error,
            on_timeout: entry.on_timeout,
            breaker: entry.breaker,
            services: services.clone(),
            backends: Arc::default(),
        })
    }

    /// Its script, if it is one.
    pub(crate) fn script(&self) -> Option<&Script> {
        match &self.body {
            Body::Script(script) => Some(script),
            Body::Plugin(_) => None,
        }
    }

    /// Its plugin, if it is one.
    pub(crate) fn plugin(&self) -> Option<&Arc<Plugin>> {
        match &self.body {
            Body::Plugin(plugin) => Some(plugin),
            Body::Script(_) => None,
        }
    }

    /// What it hands over to the next policy of its name.
    pub(crate) fn handed_over(&self) -> State {
        match &self.body {
            Body::Script(script) => script.handed_over.clone(),
            Body::Plugin(plugin) => plugin.handed_over(),
        }
    }

    /// A state of this script, from its bytecode, with the surroundings of where it is to run.
    pub(crate) fn instantiate(&self, script: &Script, host: Host) -> Result<PolicyState, LoadError> {
        self.build(script, &script.image, host)
    }

    /// The same with line counts, which makes it slower.
    pub(crate) fn instantiate_traced(&self, script: &Script, host: Host) -> Result<PolicyState, LoadError> {
        let broken = |error: mlua::Error| LoadError::new(&*self.file, None, error.to_string());
        let image = Image {
            bytecode: sandbox::compile_traced(&script.image.source)
                .map_err(broken)?
                .into(),
            ..script.image.clone()
        };
        self.build(script, &image, host)
    }

    fn build(&self, script: &Script, image: &Image, host: Host) -> Result<PolicyState, LoadError> {
        let modules = Rc::new(Modules::loaded(&script.modules));
        let previous = script.previous.for_script();
        PolicyState::build(image, &self.limits, &self.settings, modules, host, &previous)
            .map(|(state, _, _)| state)
    }

    /// What logs and metrics call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// Whether the limits of an entry leave it anything to do.
fn sensible(entry: &PolicyEntry) -> Result<(), String> {
    let name = &entry.name;
    if entry.budget.is_zero() || entry.load_budget().is_zero() {
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
pub(crate) fn settings(table: &toml::Table) -> Json {
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
        let file = &*self.file;
        let wrong = || {
            LoadError::new(
                file,
                None,
                "`credentials` did not return a user name and a password",
            )
            .help("return two strings: `return username, password`")
        };
        let script = self.script().ok_or_else(wrong)?;
        let state = self.instantiate(script, Host::of(self))?;
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
