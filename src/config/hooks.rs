//! Settings of the hook chain: which policies, in which order, under which limits, and what happens when one fails.
//!
//! ```toml
//! [policy_defaults]             # when every policy says "next", or none has the hook
//! authenticate = "deny"
//!
//! [[policy]]                    # asked in the order written
//! name = "acl"
//! script = "scripts/acl.lua"
//! budget = "5ms"
//! on_error = "deny"
//! settings = { rules = [["allow", "all", "*", "demo/#"]] }
//!
//! [[policy]]
//! name = "schema"
//! plugin = "libschema_version.so"   # in the folder `plugins` of the data folder
//! settings = { least = 2 }
//! ```

use super::backends::{HttpSettings, RedisSettings, SqlSettings};
use super::humane;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One entry of the chain: a script or a compiled plugin, its limits and its settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    /// What logs, metrics and `dunlin check` call it; unique in the chain.
    pub name: String,
    /// The Luau file, relative to the folder of the configuration file. An entry has this or `plugin`.
    #[serde(default)]
    pub script: PathBuf,
    /// The shared library. A name without a slash is in the folder `plugins` of the data folder; other paths are relative to the
    /// folder of the configuration file.
    #[serde(default)]
    pub plugin: Option<PathBuf>,
    /// Of a plugin: the SHA-256 of files that may be loaded, in hex; an empty list is no limit.
    #[serde(default, with = "humane::one_or_more")]
    pub sha256: Vec<String>,
    /// Of a plugin: what becomes of its image when it has ended.
    #[serde(default)]
    pub unload: Unload,
    /// Of a plugin: how long it may take to end its threads.
    #[serde(default = "PolicyEntry::default_quiesce", with = "humane::duration")]
    pub quiesce: Duration,
    /// How long one call may run, in wall-clock time.
    #[serde(default = "PolicyEntry::default_budget", with = "humane::duration")]
    pub budget: Duration,
    /// How long one call may take in all, where it waits for others (http, sql, redis); `budget` bounds what it computes.
    #[serde(default = "PolicyEntry::default_wait", with = "humane::duration")]
    pub wait: Duration,
    /// How long loading may run. Of a script: its body and its `on_load`, which every shard pays when it swaps; 100 ms when nothing
    /// is said. Of a plugin: each call of its life; 10 s.
    #[serde(default, with = "humane::maybe_duration")]
    pub load_budget: Option<Duration>,
    /// What stands in for the answer of a call that failed.
    #[serde(default)]
    pub on_error: Fallback,
    /// What stands in for the answer of a call that overran its budget.
    #[serde(default)]
    pub on_timeout: Fallback,
    /// How much memory one state may use, in bytes. There is one state a shard.
    #[serde(default = "PolicyEntry::default_memory", with = "humane::size")]
    pub memory: usize,
    /// How many steps one call may take; `None` for no other limit than the budget. A step is a function call or one
    /// turn of a loop: the points at which Luau lets itself be stopped.
    #[serde(default)]
    pub instructions: Option<u64>,
    /// When to stop asking a policy that keeps failing.
    #[serde(default)]
    pub breaker: BreakerSettings,
    /// Where the `http` module may connect, and within which limits.
    #[serde(default)]
    pub http: HttpSettings,
    /// Redis servers that the policy opens by these names.
    #[serde(default)]
    pub redis: BTreeMap<String, RedisSettings>,
    /// Databases that the policy opens by these names.
    #[serde(default)]
    pub sql: BTreeMap<String, SqlSettings>,
    /// Handed to the policy's `on_load`.
    #[serde(default)]
    pub settings: toml::Table,
}

impl PolicyEntry {
    /// An entry with nothing but defaults.
    pub fn new(name: impl Into<String>, script: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            script: script.into(),
            plugin: None,
            sha256: Vec::new(),
            unload: Unload::default(),
            quiesce: Self::default_quiesce(),
            budget: Self::default_budget(),
            wait: Self::default_wait(),
            load_budget: None,
            on_error: Fallback::default(),
            on_timeout: Fallback::default(),
            memory: Self::default_memory(),
            instructions: None,
            breaker: BreakerSettings::default(),
            http: HttpSettings::default(),
            redis: BTreeMap::new(),
            sql: BTreeMap::new(),
            settings: toml::Table::new(),
        }
    }

    /// The same for a compiled plugin.
    pub fn compiled(name: impl Into<String>, plugin: impl Into<PathBuf>) -> Self {
        Self {
            plugin: Some(plugin.into()),
            ..Self::new(name, PathBuf::new())
        }
    }

    /// Its file: the script, or the plugin.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.plugin.as_deref().unwrap_or(&self.script)
    }

    /// How long loading may run.
    #[must_use]
    pub fn load_budget(&self) -> Duration {
        let otherwise = match self.plugin {
            Some(_) => Duration::from_secs(10),
            None => Duration::from_millis(100),
        };
        self.load_budget.unwrap_or(otherwise)
    }

    fn default_quiesce() -> Duration {
        Duration::from_secs(5)
    }

    fn default_budget() -> Duration {
        Duration::from_millis(5)
    }

    fn default_wait() -> Duration {
        Duration::from_secs(5)
    }

    fn default_memory() -> usize {
        16 << 20
    }
}

/// What becomes of the image of a plugin that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unload {
    /// It stays mapped; what can be read from its file again takes no memory.
    #[default]
    Keep,
    /// It is unmapped, if the plugin declares that nothing refers to it any more, and has neither threads nor thread-local data.
    BestEffort,
}

/// What decides when every policy says `next`, or none has the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HookDefaults {
    /// May a client come in?
    pub authenticate: Verdict,
    /// May it publish?
    pub authorize_publish: Verdict,
    /// May it subscribe?
    pub authorize_subscribe: Verdict,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No: what is not allowed is forbidden.
    #[default]
    Deny,
}

/// What a failed call counts as. Answers and transforms fail differently, so an entry that has both can name both:
/// `on_error = "next"` sets the answer alone, `on_error = { answer = "deny", transform = "drop" }` sets each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// For hooks that answer.
    pub answer: AnswerFallback,
    /// For hooks that transform.
    pub transform: TransformFallback,
    /// Whether `transform` was written. A `connect` hook may say which instance a client is of, and whoever it fails for must
    /// not come into another by default.
    pub transform_written: bool,
    /// How old the last decision may be, where `answer` is [`AnswerFallback::Stale`].
    pub stale: Duration,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            answer: AnswerFallback::default(),
            transform: TransformFallback::default(),
            transform_written: false,
            stale: Self::default_stale(),
        }
    }
}

impl Fallback {
    /// Whether a client goes on whose `connect` hook failed: where that was asked for in so many words.
    #[must_use]
    pub fn lets_connect(&self) -> bool {
        self.transform_written && self.transform == TransformFallback::Pass
    }

    fn default_stale() -> Duration {
        Duration::from_secs(3600)
    }
}

/// What a failed answer counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerFallback {
    /// Deny: a policy that cannot say yes has not said yes.
    #[default]
    Deny,
    /// Allow.
    Allow,
    /// Ask the next entry, as if this one had no opinion.
    Next,
    /// What it last said about the same, for a while; deny, if it never did.
    Stale,
}

/// What a failed transform does to the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformFallback {
    /// It goes on unchanged.
    #[default]
    Pass,
    /// It is dropped.
    Drop,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = r#"expected "deny", "allow", "next", "stale", "pass" or "drop", or { answer = "stale", stale = "1h", transform = "pass" }"#
)]
enum WrittenFallback {
    Answer(AnswerFallback),
    Transform(TransformFallback),
    Both(BothFallbacks),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BothFallbacks {
    #[serde(default)]
    answer: AnswerFallback,
    transform: Option<TransformFallback>,
    #[serde(default = "Fallback::default_stale", with = "humane::duration")]
    stale: Duration,
}

impl<'de> Deserialize<'de> for Fallback {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match WrittenFallback::deserialize(from)? {
            WrittenFallback::Answer(answer) => Fallback {
                answer,
                ..Fallback::default()
            },
            WrittenFallback::Transform(transform) => Fallback {
                transform,
                transform_written: true,
                ..Fallback::default()
            },
            WrittenFallback::Both(both) => Fallback {
                answer: both.answer,
                transform: both.transform.unwrap_or_default(),
                transform_written: both.transform.is_some(),
                stale: both.stale,
            },
        })
    }
}

/// When a policy that keeps failing is no longer asked, so that it stops costing its budget on every call.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// The share of calls that must fail, from 0.0 to 1.0.
    pub rate: f64,
    /// How many calls must have been made in the window before the rate says anything.
    pub least: u32,
    /// Over how long calls and failures are counted.
    #[serde(with = "humane::duration")]
    pub window: Duration,
    /// How often one call is let through to see whether the policy is well again.
    #[serde(with = "humane::duration")]
    pub probe: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            rate: 0.5,
            least: 20,
            window: Duration::from_secs(10),
            probe: Duration::from_secs(1),
        }
    }
}

/// How changed files of policies are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// The kernel tells; where it cannot, as on network file systems, look every two seconds.
    #[default]
    Auto,
    /// Look every two seconds.
    Poll,
    /// Not at all: only when asked to.
    Off,
}

/// When a new generation of policies is worse than the one before, and is rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// How changed files are noticed.
    pub files: WatchMode,
    /// How long the tests beside the policies may take together; a generation whose tests fail is refused.
    #[serde(with = "humane::duration")]
    pub prove: Duration,
    /// How long a new generation is watched, and the one before kept warm. Zero is not at all.
    #[serde(with = "humane::duration")]
    pub window: Duration,
    /// How many calls must have been made before errors and latency say anything.
    pub least: u64,
    /// The share of calls that may fail, from 0.0 to 1.0.
    pub errors: f64,
    /// How long 99 of 100 calls may take; those that wait are not counted, `wait` bounds them.
    #[serde(with = "humane::duration")]
    pub p99: Duration,
    /// The share of clients that may be denied what the generation before allows, from 0.0 to 1.0.
    pub denied: f64,
    /// So many clients at least: fewer are never a reason.
    pub denied_clients: u64,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            files: WatchMode::Auto,
            prove: Duration::from_secs(5),
            window: Duration::from_secs(30),
            least: 20,
            errors: 0.1,
            p99: Duration::from_millis(2),
            denied: 0.1,
            denied_clients: 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PolicyEntry, toml::de::Error> {
        toml::from_str(&format!("name = 'a'\nscript = 'a.lua'\n{text}"))
    }

    #[test]
    fn what_is_not_written_has_a_default_that_denies() {
        let entry = read("").unwrap();
        assert_eq!(entry.on_error.answer, AnswerFallback::Deny);
        assert_eq!(entry.on_timeout.transform, TransformFallback::Pass);
        assert_eq!((entry.budget, entry.memory), (Duration::from_millis(5), 16 << 20));
        assert_eq!(HookDefaults::default().authenticate, Verdict::Deny);
    }

    #[test]
    fn a_fallback_is_a_word_or_a_pair() {
        let one = read("on_error = 'next'\non_timeout = 'drop'").unwrap();
        assert_eq!(one.on_error.answer, AnswerFallback::Next);
        assert_eq!(
            one.on_timeout,
            Fallback {
                answer: AnswerFallback::Deny,
                transform: TransformFallback::Drop,
                transform_written: true,
                ..Fallback::default()
            }
        );
        let both = read("on_error = { answer = 'allow', transform = 'drop' }").unwrap();
        assert_eq!(
            both.on_error,
            Fallback {
                answer: AnswerFallback::Allow,
                transform: TransformFallback::Drop,
                transform_written: true,
                ..Fallback::default()
            }
        );
        let error = read("on_error = 'maybe'").unwrap_err().to_string();
        assert!(error.contains(r#""deny", "allow", "next""#), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        assert!(read("budgit = '5ms'").unwrap_err().to_string().contains("budgit"));
    }
}
