//! Puts the layers together and reads the result; collects every problem on the way.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::check;
use super::de::De;
use super::listeners::ClientCa;
use super::problem::Problem;
use super::terms::Written;
use super::tree::{self, Node, Place, Step, Value};
use super::{BUILT_IN, Config, Layers, Source};

const DEFAULT_FILE: &str = "dunlin.toml";
const PREFIX: &str = "DUNLIN_";
/// What can change while the broker runs.
const CHAIN: [&str; 2] = ["policy", "policy_defaults"];

pub(super) fn load(path: Option<&Path>, layers: Layers) -> Result<Config, Vec<Problem>> {
    match assemble(path, layers)? {
        (config, problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(problems),
    }
}

/// What can be read, with defaults for the rest, and all that is wrong. An error is a file that cannot be read at all.
pub(super) fn assemble(path: Option<&Path>, layers: Layers) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    let Layers { overrides, env } = &layers;
    let env = env
        .iter()
        .map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    let default_file = Path::new(DEFAULT_FILE);
    let path = path.or_else(|| default_file.exists().then_some(default_file));
    let (mut root, source) = match path {
        Some(path) => (read_file(path)?, Source::File(path.to_owned())),
        None => (
            tree::parse_file(Path::new("dunlin.toml (built in)"), BUILT_IN)?,
            Source::BuiltIn,
        ),
    };
    if let Source::File(file) = &source {
        resolve_paths(&mut root, file);
    }
    let mut problems = Vec::new();
    apply_env(&mut root, env, &mut problems);
    for text in overrides {
        apply_override(&mut root, text, &mut problems);
    }
    let (mut config, failed) = read(&root, &mut problems);
    config.source = source;
    config.written = written(&root);
    config.sections = Written::of(&root);
    if let (Source::File(file), false) = (&config.source, has(&root, &["server", "data"])) {
        config.server.data = beside(file, &config.server.data);
    }
    find_plugins(&mut config);
    check::check(&config, &root, &failed, &mut problems);
    config.layers = layers;
    Ok((config, problems))
}

/// Every setting outside of the chain, by its name.
fn written(root: &Node) -> BTreeMap<String, String> {
    let mut written = BTreeMap::new();
    let mut path = Vec::new();
    root.each(&mut path, &mut |path, value| {
        let of_the_chain = |key: &Step| matches!(key, Step::Key(key) if CHAIN.contains(&key.as_str()));
        if !path.first().is_some_and(of_the_chain) {
            written.insert(tree::name(path), value);
        }
    });
    written
}

fn read_file(path: &Path) -> Result<Node, Vec<Problem>> {
    let refuse = |message: String| {
        let place = Place::source(path.display().to_string());
        vec![Problem::new(place, message)]
    };
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            refuse("there is no such file; name the configuration with --config FILE".into())
        }
        _ => refuse(format!("the file cannot be read: {error}")),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        refuse(format!(
            "the file is not UTF-8 from byte {} on",
            error.utf8_error().valid_up_to()
        ))
    })?;
    tree::parse_file(path, &text)
}

/// Reads the tree into a [`Config`]. What cannot be read is reported and taken out, and the rest is read again, until all
/// that is wrong is known. Every round takes one value out, so it ends.
fn read(root: &Node, problems: &mut Vec<Problem>) -> (Config, Vec<Vec<Step>>) {
    let mut rest = root.clone();
    let mut failed = Vec::new();
    loop {
        match Config::deserialize(De(&rest)) {
            Ok(config) => return (config, failed),
            Err(error) => {
                let (path, problem) = error.explain(&rest);
                problems.push(problem);
                let removed = rest.remove(&path);
                failed.push(path);
                if !removed {
                    return (Config::default(), failed);
                }
            }
        }
    }
}

/// `DUNLIN_LISTENERS__TCP__BIND=...`. A variable without two underscores in a row is not ours: container platforms set such
/// ones for every service that they know (`DUNLIN_PORT`, `DUNLIN_SERVICE_HOST`).
fn apply_env<'e>(
    root: &mut Node,
    env: impl Iterator<Item = (&'e OsStr, &'e OsStr)>,
    problems: &mut Vec<Problem>,
) {
    let mut variables: Vec<_> = env
        .filter_map(|(name, value)| {
            let name = name.to_str()?;
            let key = name.strip_prefix(PREFIX)?;
            key.contains("__").then_some((name, key, value))
        })
        .collect();
    // The environment has no order of its own; without one, which of two problems comes first would change from run to run.
    variables.sort_unstable();
    for (name, key, value) in variables {
        let place = Place::source(name);
        let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
        let result = match value.to_str() {
            _ if path.iter().any(String::is_empty) => {
                Err("the name has an empty part between underscores".to_owned())
            }
            None => Err("the value is not UTF-8".to_owned()),
            Some(value) => tree::parse_override(&place, value).and_then(|node| root.set(&path, node)),
        };
        if let Err(message) = result {
            problems.push(Problem::new(place, message));
        }
    }
}

fn apply_override(root: &mut Node, text: &str, problems: &mut Vec<Problem>) {
    let Some((key, value)) = text.split_once('=') else {
        let message = "there is no `=`; write --set KEY=VALUE, for example --set log.level=debug";
        problems.push(Problem::new(Place::source(format!("--set {text}")), message));
        return;
    };
    let key = key.trim();
    let place = Place::source(format!("--set {key}"));
    let result = match tree::parse_key(key) {
        Some(path) => tree::parse_override(&place, value.trim()).and_then(|node| root.set(&path, node)),
        None => Err(format!(
            "`{key}` is not a key; write its parts with dots between, for example listeners.tcp.bind"
        )),
    };
    if let Err(message) = result {
        problems.push(Problem::new(place, message));
    }
}

/// Makes the relative paths of a file relative to the folder it is in.
fn resolve_paths(root: &mut Node, file: &Path) {
    let mut settings = vec![path_of(&["server", "data"]), path_of(&["admin", "socket"])];
    if let Some(Node {
        value: Value::Table(listeners),
        ..
    }) = root.get(&path_of(&["listeners"]))
    {
        for listener in listeners {
            for key in ["path", "cert", "key", "client_ca"] {
                settings.push(path_of(&["listeners", &listener.key, key]));
            }
        }
    }
    for index in 0..length(root, &path_of(&["policy"])) {
        let entry = [Step::Key("policy".into()), Step::Index(index)];
        let at = |keys: &[&str]| [&entry[..], &path_of(keys)].concat();
        settings.extend([at(&["script"]), at(&["http", "ca"])]);
        for kind in ["redis", "sql"] {
            for name in keys(root, &at(&[kind])) {
                settings.push(at(&[kind, &name, "ca"]));
                resolve_url(root, &at(&[kind, &name, "url"]), file);
            }
        }
    }
    for setting in settings {
        if let Some(Node {
            value: Value::Text(text),
            ..
        }) = root.get_mut(&setting)
        {
            // The words for no socket, and for authorities that are in no file, are no paths.
            let is_admin = setting.starts_with(&path_of(&["admin"]));
            let is_authority = setting.last() == Some(&Step::Key("client_ca".into()));
            if !(text == "none" && is_admin || text == ClientCa::REGISTERED && is_authority) {
                *text = beside(file, Path::new(text)).display().to_string();
            }
        }
    }
}

/// A plugin that is only named lies in the folder for plugins; other paths are relative to the file that names them.
fn find_plugins(config: &mut Config) {
    let folder = config.plugins();
    let Config { policy, source, .. } = config;
    for plugin in policy.iter_mut().filter_map(|entry| entry.plugin.as_mut()) {
        if plugin.components().count() == 1 && !plugin.is_absolute() {
            *plugin = folder.join(&*plugin);
        } else if let Source::File(file) = source {
            *plugin = beside(file, plugin);
        }
    }
}

/// The same for the file of an SQLite database.
fn resolve_url(root: &mut Node, setting: &[Step], file: &Path) {
    let Some(Node {
        value: Value::Text(url),
        ..
    }) = root.get_mut(setting)
    else {
        return;
    };
    let database = url
        .strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let elsewhere = ["/", ":memory:", "${"];
    if let Some(database) = database.filter(|path| !elsewhere.iter().any(|start| path.starts_with(start))) {
        let folder = beside(file, Path::new("")).display().to_string();
        // What would end the path of a URL.
        let folder = folder.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        *url = format!("sqlite://{}", Path::new(&folder).join(database).display());
    }
}

fn length(root: &Node, path: &[Step]) -> usize {
    match root.get(path).map(|node| &node.value) {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    }
}

fn keys(root: &Node, path: &[Step]) -> Vec<String> {
    match root.get(path).map(|node| &node.value) {
        Some(Value::Table(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        _ => Vec::new(),
    }
}

fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent()
        .map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn has(root: &Node, keys: &[&str]) -> bool {
    root.get(&path_of(keys)).is_some()
}

pub(super) fn path_of(keys: &[&str]) -> Vec<Step> {
    keys.iter().map(|key| Step::Key((*key).to_owned())).collect()
}
