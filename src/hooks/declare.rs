//! What a policy declares in the table it returns: its hooks, and what it wants to be shown and cached by.

use super::cache::{CacheRule, Inputs};
use super::error::LoadError;
use super::origins::{Origins, origin_names, origin_of};
use super::policy::Image;
use super::source::line_of;
use super::suggest;
use crate::hooks::lua::kind;
use crate::message::Origin;
use crate::topic;
use dunlin_plugin_api::{Hook, HookSet};
use mlua::{Table, Value};
use std::sync::Arc;
use std::time::Duration;

/// The hooks that this version of Dunlin calls: all of them.
pub const CALLED: HookSet = HookSet::of(Hook::ALL);

/// Hooks of the hot path that answer at once, unless a policy names them in `waits`.
const MAY_WAIT: HookSet = HookSet::of(&[Hook::AuthorizePublish, Hook::AuthorizeSubscribe, Hook::Publish]);

/// Hooks that can be asked about messages of several origins, and those that are meant when nothing is said.
pub(crate) const HAVE_ORIGINS: HookSet = HookSet::of(&[
    Hook::AuthorizePublish,
    Hook::Publish,
    Hook::Route,
    Hook::Deliver,
    Hook::Offline,
]);

/// Keys of the table that are no hooks.
const OTHER_KEYS: &[&str] = &[
    "cache",
    "credentials",
    "description",
    "name",
    "origins",
    "owns",
    "payload",
    "waits",
];
const CACHE_KEYS: &[&str] = &["by", "ttl"];

/// What a policy's table says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Declaration {
    /// The hooks that it has functions for.
    pub(crate) hooks: HookSet,
    /// The hooks in which it wants the payload.
    pub(crate) payload: HookSet,
    /// Whether it can say which credentials a client should use.
    pub(crate) credentials: bool,
    /// The hooks of the hot path in which it may wait.
    pub(crate) waits: HookSet,
    /// The `$SYS` topics that it owns: publishes to them go to its `control` hook.
    pub(crate) owns: Vec<Arc<str>>,
    cache: Vec<(Hook, CacheRule)>,
    origins: Vec<(Hook, Origins)>,
}

impl Declaration {
    /// What a compiled plugin declares: `waits` are all hooks in which it may answer later.
    pub(crate) fn compiled(
        hooks: HookSet,
        payload: HookSet,
        waits: HookSet,
        owns: Vec<Arc<str>>,
        cache: Vec<(Hook, CacheRule)>,
        origins: Vec<(Hook, Origins)>,
    ) -> Self {
        let in_the_path = |hook: &Hook| MAY_WAIT.contains(*hook) && hooks.contains(*hook);
        Self {
            hooks,
            payload,
            credentials: false,
            waits: waits.iter().filter(in_the_path).collect(),
            owns,
            cache,
            origins,
        }
    }

    /// Whether what a compiled plugin declares agrees with itself.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn agrees(&self) -> Result<(), String> {
        for (hook, _) in &self.cache {
            if !self.hooks.contains(*hook) {
                return Err(format!("caches `{hook}`, which it does not have"));
            }
            if self.payload.contains(*hook) {
                return Err(format!(
                    "wants the payload in `{hook}`, so its answers cannot be cached"
                ));
            }
        }
        match self.payload.iter().find(|hook| !self.hooks.contains(*hook)) {
            None => Ok(()),
            Some(hook) => Err(format!("wants the payload in `{hook}`, which it does not have")),
        }
    }

    /// How the answers of `hook` may be cached, as far as this policy is concerned.
    pub(crate) fn cache(&self, hook: Hook) -> Option<CacheRule> {
        self.cache
            .iter()
            .find(|(of, _)| *of == hook)
            .map(|(_, rule)| *rule)
    }

    /// Whether the policy wants to be asked in `hook` about messages of this origin.
    #[inline]
    pub(crate) fn wants_origin(&self, hook: Hook, origin: Origin) -> bool {
        let said = self.origins.iter().find(|(of, _)| *of == hook);
        said.map_or(Origins::DEFAULT, |(_, origins)| *origins)
            .contains(origin)
    }

    /// What the policy is shown in `hook`: everything, or what its cached answers depend on.
    #[inline]
    pub(crate) fn shown(&self, hook: Hook) -> Inputs {
        self.cache(hook).map_or(Inputs::ALL, |rule| rule.by)
    }
}

/// Reads and checks the table that the script returned.
///
/// # Errors
/// The first thing that is wrong, with its line where that can be told.
pub(crate) fn read(table: &Table, image: &Image) -> Result<Declaration, LoadError> {
    let reader = Reader { image };
    let mut declares = Declaration::default();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| reader.wrong(None, error.to_string()))?;
        let Value::String(key) = &key else {
            return Err(reader
                .wrong(
                    None,
                    format!("the policy's table has an entry under a {}", kind(&key)),
                )
                .help("its keys are names of hooks"));
        };
        let key = key.to_string_lossy();
        match Hook::from_name(&key) {
            Some(hook) => reader.hook(hook, &value).map(|()| declares.hooks.insert(hook))?,
            None => reader.other(&key, &value, &mut declares)?,
        }
    }
    if declares.hooks.is_empty() && !declares.credentials {
        return Err(reader
            .wrong(None, "the policy has no hooks")
            .help("return a table such as { authorize_publish = function(ctx, topic) ... end }"));
    }
    reader.belongs(&declares)?;
    Ok(declares)
}

struct Reader<'a> {
    image: &'a Image,
}

impl Reader<'_> {
    /// An error at the line where `key` is defined.
    fn wrong(&self, key: Option<&str>, message: impl Into<String>) -> LoadError {
        let line = key.and_then(|key| line_of(&self.image.source, key));
        LoadError::new(&*self.image.file, line, message)
    }

    fn function(&self, key: &str, value: &Value) -> Result<(), LoadError> {
        match value {
            Value::Function(_) => Ok(()),
            other => Err(self
                .wrong(Some(key), format!("`{key}` is a {}, not a function", kind(other)))
                .help(format!("write `{key} = function(...) ... end`"))),
        }
    }

    fn hook(&self, hook: Hook, value: &Value) -> Result<(), LoadError> {
        let name = hook.name();
        self.function(name, value)
    }

    fn other(&self, key: &str, value: &Value, declares: &mut Declaration) -> Result<(), LoadError> {
        match key {
            "name" | "description" => match value {
                Value::String(_) => Ok(()),
                other => Err(self.wrong(Some(key), format!("`{key}` is a {}, not a string", kind(other)))),
            },
            "credentials" => {
                declares.credentials = true;
                self.function(key, value)
            }
            "payload" => self.payload(value).map(|hooks| declares.payload = hooks),
            "cache" => self.cache(value).map(|rules| declares.cache = rules),
            "waits" => self
                .hooks(key, value, MAY_WAIT, "waits = { \"authorize_publish\" }")
                .map(|hooks| declares.waits = hooks),
            "owns" => self.owns(value).map(|topics| declares.owns = topics),
            "origins" => self.origins(value).map(|origins| declares.origins = origins),
            unknown => {
                let known = || CALLED.iter().map(Hook::name).chain(OTHER_KEYS.iter().copied());
                let help = match suggest::nearest(unknown, known()) {
                    Some(nearest) => format!("write `{nearest}`"),
                    None => format!("it knows {}", suggest::list(known())),
                };
                Err(self
                    .wrong(Some(unknown), format!("unknown hook `{unknown}`"))
                    .help(help))
            }
        }
    }

    /// `payload = { "authorize_publish" }`
    fn payload(&self, value: &Value) -> Result<HookSet, LoadError> {
        let known = HookSet::of(&[Hook::AuthorizePublish]);
        self.hooks("payload", value, known, "payload = { \"authorize_publish\" }")
    }

    /// A list of hooks out of `known`.
    fn hooks(&self, key: &str, value: &Value, known: HookSet, form: &str) -> Result<HookSet, LoadError> {
        let wrong = || {
            let names = suggest::list(known.iter().map(Hook::name));
            self.wrong(Some(key), format!("`{key}` lists hooks out of {names}"))
                .help(format!("write `{form}`, or leave it out"))
        };
        let table = value.as_table().ok_or_else(wrong)?;
        table
            .sequence_values::<String>()
            .map(|name| match name.as_deref().map(Hook::from_name) {
                Ok(Some(hook)) if known.contains(hook) => Ok(hook),
                _ => Err(wrong()),
            })
            .collect()
    }

    /// `owns = { "$SYS/uploadToken" }`
    fn owns(&self, value: &Value) -> Result<Vec<Arc<str>>, LoadError> {
        let wrong = || {
            self.wrong(
                Some("owns"),
                "`owns` lists control topics, which begin with `$SYS/`",
            )
            .help("write `owns = { \"$SYS/uploadToken\" }`")
        };
        let table = value.as_table().ok_or_else(wrong)?;
        table
            .sequence_values::<String>()
            .map(|topic| match topic {
                Ok(topic) if topic.starts_with("$SYS/") && topic::check_name(&topic).is_ok() => {
                    Ok(topic.into())
                }
                _ => Err(wrong()),
            })
            .collect()
    }

    /// `origins = { publish = { "client", "will" } }`
    fn origins(&self, value: &Value) -> Result<Vec<(Hook, Origins)>, LoadError> {
        let wrong = |what: String| {
            self.wrong(Some("origins"), what)
                .help("write `origins = { publish = { \"client\", \"will\" } }`")
        };
        let table = value
            .as_table()
            .ok_or_else(|| wrong("`origins` is not a table".into()))?;
        let mut all = Vec::new();
        for pair in table.pairs::<String, Table>() {
            let (name, list) = pair.map_err(|_| wrong("`origins` names hooks and lists origins".into()))?;
            let hook = Hook::from_name(&name).filter(|hook| HAVE_ORIGINS.contains(*hook));
            let hook = hook.ok_or_else(|| {
                let names = suggest::list(HAVE_ORIGINS.iter().map(Hook::name));
                wrong(format!("`{name}` in `origins` is not one of {names}"))
            })?;
            let mut origins = Origins::NONE;
            let publishes = |origin| hook != Hook::AuthorizePublish || Origins::DEFAULT.contains(origin);
            for origin in list.sequence_values::<String>() {
                let origin = origin.ok().and_then(|name| origin_of(&name));
                if origin.is_some_and(|origin| !publishes(origin)) {
                    return Err(wrong(
                        "`authorize_publish` is asked about what clients publish and about their wills; what scripts and \
                         the broker publish needs no permission"
                            .into(),
                    ));
                }
                origins = origins.with(origin.ok_or_else(|| {
                    wrong(format!(
                        "`origins.{name}` lists origins out of {}",
                        suggest::list(origin_names())
                    ))
                })?);
            }
            all.push((hook, origins));
        }
        Ok(all)
    }

    /// `cache = { authorize_publish = { ttl = 60, by = { "topic" } } }`
    fn cache(&self, value: &Value) -> Result<Vec<(Hook, CacheRule)>, LoadError> {
        let at = |message: String| self.wrong(Some("cache"), message);
        let form = "write `cache = { authorize_publish = { ttl = 60, by = { \"topic\" } } }`";
        let table = value
            .as_table()
            .ok_or_else(|| at("`cache` is not a table".into()).help(form))?;
        let mut rules = Vec::new();
        for pair in table.pairs::<String, Table>() {
            let (name, entry) =
                pair.map_err(|_| at("`cache` names hooks and how to cache them".into()).help(form))?;
            let hook = Hook::from_name(&name).filter(|hook| !Inputs::names(*hook).is_empty());
            let hook = hook.ok_or_else(|| {
                at(format!("answers of `{name}` cannot be cached"))
                    .help("`authorize_publish` and `authorize_subscribe` can")
            })?;
            rules.push((hook, self.rule(hook, &entry)?));
        }
        Ok(rules)
    }

    fn rule(&self, hook: Hook, entry: &Table) -> Result<CacheRule, LoadError> {
        let name = hook.name();
        let at = |message: String| self.wrong(Some("cache"), message);
        for pair in entry.pairs::<Value, Value>() {
            let key = pair
                .map(|(key, _)| key.to_string().unwrap_or_default())
                .unwrap_or_default();
            if !CACHE_KEYS.contains(&key.as_str()) {
                return Err(
                    at(format!("unknown field `{key}` in `cache.{name}`")).help("it has `ttl` and `by`")
                );
            }
        }
        let ttl = entry
            .raw_get::<Option<f64>>("ttl")
            .ok()
            .flatten()
            .filter(|ttl| *ttl > 0.0);
        let ttl = ttl
            .and_then(|ttl| Duration::try_from_secs_f64(ttl).ok())
            .ok_or_else(|| {
                at(format!("`cache.{name}.ttl` must be a number of seconds above 0"))
                    .help("write for instance `ttl = 60`")
            })?;
        let known = Inputs::names(hook);
        let by = entry.raw_get::<Table>("by").map_err(|_| {
            let inputs = suggest::list(known.iter().map(|(name, _)| *name));
            at(format!(
                "`cache.{name}.by` must list the inputs that the answer depends on"
            ))
            .help(format!("out of {inputs}"))
        })?;
        let mut inputs = Inputs::NONE;
        for input in by.sequence_values::<Value>() {
            let input = input.and_then(|input| input.to_string()).unwrap_or_default();
            let Some((_, bit)) = known.iter().find(|(name, _)| *name == input) else {
                let names = suggest::list(known.iter().map(|(name, _)| *name));
                return Err(
                    at(format!("`{input}` in `cache.{name}.by` is no input of `{name}`"))
                        .help(format!("it has {names}")),
                );
            };
            inputs = inputs.union(*bit);
        }
        Ok(CacheRule { ttl, by: inputs })
    }

    /// Declarations without their hook, and declarations that contradict each other.
    fn belongs(&self, declares: &Declaration) -> Result<(), LoadError> {
        for (hook, _) in &declares.cache {
            if !declares.hooks.contains(*hook) {
                return Err(self.wrong(
                    Some("cache"),
                    format!("`cache` names `{hook}`, which the policy does not have"),
                ));
            }
            if declares.payload.contains(*hook) {
                return Err(self
                    .wrong(
                        Some("cache"),
                        format!("`{hook}` wants the payload, so its answers cannot be cached"),
                    )
                    .help("take it out of `payload` or out of `cache`"));
            }
        }
        match declares
            .payload
            .iter()
            .find(|hook| !declares.hooks.contains(*hook))
        {
            None => Ok(()),
            Some(hook) => Err(self.wrong(
                Some("payload"),
                format!("`payload` names `{hook}`, which the policy does not have"),
            )),
        }
    }
}
