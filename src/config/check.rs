//! What no single value shows: settings that contradict each other or name what is not there.

mod instances;
mod listeners;
pub(super) mod terms;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::load::path_of;
use super::problem::Problem;
use super::tree::{Node, Step};
use super::{Config, PolicyEntry, Source};

/// Adds the problems of `config`. What already `failed` is not judged again: its value is a default that nobody wrote.
pub(super) fn check(config: &Config, root: &Node, failed: &[Vec<Step>], problems: &mut Vec<Problem>) {
    let mut check = Check {
        config,
        root,
        failed,
        problems,
    };
    check.listeners();
    check.addresses();
    check.admin();
    check.numbers();
    check.names();
    check.instances();
    check.policies();
}

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Settings that mean something to one kind of policy alone.
const OF_SCRIPTS: [&str; 5] = ["memory", "instructions", "http", "redis", "sql"];
const OF_PLUGINS: [&str; 3] = ["sha256", "unload", "quiesce"];

struct Check<'a> {
    config: &'a Config,
    root: &'a Node,
    failed: &'a [Vec<Step>],
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    /// Whether the setting, and all in it, was read as written.
    fn sound(&self, path: &[Step]) -> bool {
        !self
            .failed
            .iter()
            .any(|failed| failed.starts_with(path) || path.starts_with(failed))
    }

    fn report(&mut self, keys: &[&str], message: String) {
        self.report_at(&path_of(keys), message);
    }

    fn report_at(&mut self, path: &[Step], message: String) {
        if self.sound(path) {
            self.problems
                .push(Problem::new(self.root.place_of(path).clone(), message));
        }
    }

    fn admin(&mut self) {
        let admin = &self.config.admin;
        if admin.enabled && !admin.allow_remote && !admin.bind.ip().to_canonical().is_loopback() {
            let message = format!(
                "the admin port asks nobody who they are, and {} is not this machine alone; write \"127.0.0.1:{}\", or add `allow_remote = true`",
                admin.bind.ip(),
                admin.bind.port()
            );
            self.report(&["admin", "bind"], message);
        }
    }

    /// What holds for instances as well, and then what does not.
    fn numbers(&mut self) {
        let config = self.config;
        for fault in terms::faults(&config.limits, &config.mqtt, &config.product) {
            match fault.other {
                Some(other) => self.pair(fault.setting, other, fault.message),
                None => self.report(&fault.setting, fault.message),
            }
        }
        let (limits, mqtt) = (&config.limits, &config.mqtt);
        if limits.mailbox == 0 {
            self.report(
                &["limits", "mailbox"],
                "`limits.mailbox` is 0; write a whole number of 1 or more".into(),
            );
        }
        if limits.connect_timeout.is_zero() {
            self.report(
                &["limits", "connect_timeout"],
                "`limits.connect_timeout` is 0; write for example \"10s\"".into(),
            );
        }
        if mqtt.sys_interval.is_some_and(|interval| interval.is_zero()) {
            self.report(
                &["mqtt", "sys_interval"],
                "`mqtt.sys_interval` is 0; write for example \"10s\", or \"none\"".into(),
            );
        }
    }

    /// A problem between two settings stands where one of them was written.
    fn pair(&mut self, first: [&str; 2], second: [&str; 2], message: String) {
        if self.sound(&path_of(&first)) && self.sound(&path_of(&second)) {
            let written = if self.root.get(&path_of(&first)).is_some() {
                first
            } else {
                second
            };
            self.report(&written, message);
        }
    }

    fn names(&mut self) {
        let id = &self.config.instance.id;
        if crate::names::instance(id).is_err() {
            self.report(
                &["instance", "id"],
                format!("`instance.id` is {id:?}; write 3 to 64 letters, digits, `-` and `_`"),
            );
        }
        let level = &self.config.log.level;
        if !is_filter(level) {
            self.report(&["log", "level"], format!("`log.level` is {level:?}; write error, warn, info, debug, trace or off, or per module, for example \"info,dunlin::hooks=debug\""));
        }
        let data = &self.config.server.data;
        if data.exists() && !data.is_dir() {
            self.report(
                &["server", "data"],
                format!("{} is not a folder; name one for Dunlin's data", data.display()),
            );
        }
    }

    fn policies(&mut self) {
        let config = self.config;
        // Entries keep their place in the list even when one of them was taken out as wrong.
        let policy = path_of(&["policy"]);
        let removed = self
            .failed
            .iter()
            .filter(|path| path.len() == 2 && path.starts_with(&policy));
        let removed: Vec<&Step> = removed.filter_map(|path| path.last()).collect();
        let indexes = (0..).filter(|index| !removed.contains(&&Step::Index(*index)));
        let mut names: Vec<&str> = Vec::new();
        for (index, entry) in indexes.zip(&config.policy) {
            let at = |key: &str| {
                vec![
                    Step::Key("policy".into()),
                    Step::Index(index),
                    Step::Key(key.into()),
                ]
            };
            if names.contains(&entry.name.as_str()) {
                self.report_at(
                    &at("name"),
                    format!(
                        "there are two policies `{}`; give this one another name",
                        entry.name
                    ),
                );
            }
            names.push(&entry.name);
            self.kind_of(entry, &at);
            self.patience_of(entry, &at);
            if let Some(plugin) = &entry.plugin {
                self.readable(&at("plugin"), plugin, "copy it there");
            } else if config.source != Source::BuiltIn && self.root.get(&at("script")).is_some() {
                self.readable(&at("script"), &entry.script, "create it");
            }
        }
    }

    /// Whether its calls may be waited for so long. Longer is a slip of the pen, and no clock can add it to the time of day.
    fn patience_of(&mut self, entry: &PolicyEntry, at: &dyn Fn(&str) -> Vec<Step>) {
        let all = [
            ("budget", entry.budget),
            ("wait", entry.wait),
            ("load_budget", entry.load_budget()),
            ("quiesce", entry.quiesce),
        ];
        for (key, patience) in all.into_iter().filter(|(_, patience)| *patience > A_DAY) {
            let message = format!(
                "`{key}` of policy `{}` is {}; write at most \"1d\"",
                entry.name,
                humantime::format_duration(patience)
            );
            self.report_at(&at(key), message);
        }
    }

    /// Whether an entry is a script or a plugin, and has no settings of the other.
    fn kind_of(&mut self, entry: &PolicyEntry, at: &dyn Fn(&str) -> Vec<Step>) {
        let written = |key: &str| self.root.get(&at(key)).is_some();
        let name = &entry.name;
        let (others, kind, other) = match (written("script"), entry.plugin.is_some()) {
            (true, true) => {
                let message =
                    format!("policy `{name}` has a `script` and a `plugin`; make two entries of it");
                return self.report_at(&at("plugin"), message);
            }
            (false, false) => {
                let mut entry = at("name");
                entry.pop();
                let message = format!(
                    "`{}` has neither a `script` nor a `plugin`; add `script = ...` or `plugin = ...`",
                    super::tree::name(&entry)
                );
                return self.report_at(&entry, message);
            }
            (true, false) => (&OF_PLUGINS[..], "script", "plugin"),
            (false, true) => (&OF_SCRIPTS[..], "plugin", "script"),
        };
        let found: Vec<&str> = others.iter().copied().filter(|key| written(key)).collect();
        for key in found {
            let message =
                format!("policy `{name}` is a {kind}, and `{key}` is a setting of a {other}; take it out");
            self.report_at(&at(key), message);
        }
        for digest in &entry.sha256 {
            if digest.len() != 64 || !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                let message =
                    format!("\"{digest}\" in `sha256` is no SHA-256 in hex; sha256sum FILE prints one");
                self.report_at(&at("sha256"), message);
            }
        }
    }

    fn readable(&mut self, path: &[Step], file: &Path, remedy: &str) {
        let name = super::tree::name(path);
        let shown = file.display();
        match File::open(file).and_then(|file| file.metadata()) {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => self.report_at(path, format!("`{name}`: {shown} is not a file; correct the path")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.report_at(
                    path,
                    format!("`{name}`: there is no file {shown}; {remedy} or correct the path"),
                );
            }
            Err(error) => self.report_at(path, format!("`{name}`: {shown} cannot be read: {error}")),
        }
    }
}

/// `Targets` takes a word that is no level for the name of a module, so that a typing error would turn the log off.
fn is_filter(level: &str) -> bool {
    let mut parts = level.split(',').map(str::trim);
    level.parse::<Targets>().is_ok()
        && parts.all(|part| part.contains('=') || (!part.is_empty() && part.parse::<LevelFilter>().is_ok()))
}

fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
