//! The shape of `src/`: who may use whom, who may know of credentials and rules, how long a file is, where `unsafe` is.
//!
//! It reads the sources as text. Comments and what stands under `#[cfg(test)]` do not count, nor do files of tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod rust_text;
mod self_tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rust_text::{blank, is_name, without_tests};

/// A module uses those above it in this list.
const LAYERS: [&[&str]; 9] = [
    &["topic", "time", "config", "metrics", "names"],
    &["codec", "message", "transport"],
    &["instance", "store"],
    &["hooks", "router"],
    &["session"],
    &["shard"],
    &["connection"],
    &["listener", "admin"],
    &["server"],
];

/// The crate's root and the command line: free to use everything, used by nobody.
const FREE: [&str; 3] = ["lib", "main", "cli"];

/// Who uses a neighbour of its own layer, and why.
const NEIGHBOURS: [(&str, &str, &str); 3] = [
    ("config", "names", "what the configuration names has to be a name"),
    (
        "message",
        "codec",
        "a message has a QoS and properties, which are the codec's types",
    ),
    ("store", "instance", "what is stored belongs to an instance"),
];

/// Words, as parts of names or in texts, that only policies know.
const POLICY_WORDS: [&str; 4] = ["acl", "hmac", "republish", "sha1"];

/// Credentials' beginnings and what rules do, in whatever writing.
const POLICY_TEXTS: [&str; 9] = [
    "signature|",
    "token|",
    "devicecredential|",
    "accesskey",
    "access_key",
    "ruleaction",
    "rule_action",
    "ruleengine",
    "rule_engine",
];

/// Where a word of policies is right all the same: folder, text, why.
const KNOWN: [(&str, &str, &str); 4] = [
    (
        "src/cli/new.rs",
        "acl",
        "it names the starting points that it writes",
    ),
    (
        "src/store/registry/seal.rs",
        "hmac",
        "that no record is missing from the file is told by tags that are made with it",
    ),
    (
        "src/transport/websocket",
        "sha1",
        "RFC 6455 has the handshake hashed with it",
    ),
    (
        "src/server/reload.rs",
        "scripts/acl.lua",
        "the demo's files are built in, under their names",
    ),
];

/// Where `unsafe` may be: what crosses to compiled plugins.
const UNSAFE_FOLDERS: [&str; 2] = ["plugin-api", "src/hooks/native"];

const LONGEST_FILE: usize = 600;

/// A source file as the checks see it.
struct Source {
    /// From the repository's root, with slashes.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Code with its texts.
    fn code(&self) -> String {
        without_tests(&blank(&self.text, true), &blank(&self.text, false))
    }

    /// Code alone.
    fn bare(&self) -> String {
        let bare = blank(&self.text, false);
        without_tests(&bare, &bare)
    }

    fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }

    /// `codec` for src/codec/mod.rs and src/codec/frame.rs, and how deep in the module tree the file is.
    fn module(&self) -> (String, usize) {
        let parts: Vec<&str> = self
            .path
            .trim_start_matches("src/")
            .trim_end_matches(".rs")
            .split('/')
            .collect();
        let depth = parts.len() - usize::from(parts.last() == Some(&"mod"));
        (parts[0].to_owned(), depth)
    }
}

fn below(root: &Path, folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                files.push(Source {
                    path: name,
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn root() -> PathBuf {
    let root = std::env::var_os("DUNLIN_TEST_ROOT");
    root.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

// --- The checks. Each returns what is wrong, a sentence each.

/// The modules of the crate that a file names: `crate::x`, `crate::{x::.., y}`, and `super::` up to the root.
fn used_modules(source: &Source) -> BTreeSet<String> {
    let bare = source.bare();
    let (_, depth) = source.module();
    let mut found = BTreeSet::new();
    for start in ["crate".to_owned(), vec!["super"; depth].join("::")] {
        for (at, _) in bare.match_indices(&start) {
            let inside = at > 0 && (is_name(bare.as_bytes()[at - 1]) || bare.as_bytes()[at - 1] == b'$');
            let before = bare[..at].trim_end();
            if inside || before.ends_with("super::") {
                continue;
            }
            if let Some(path) = bare[at + start.len()..].trim_start().strip_prefix("::") {
                found.extend(heads(path.trim_start()));
            }
        }
    }
    found
}

/// `a` of `a::b`, and `a` and `c` of `{a::{b}, c}`.
fn heads(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| is_name(*c as u8))
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut heads = vec![name(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn layer_faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let (module, _) = source.module();
        if FREE.contains(&module.as_str()) {
            continue;
        }
        let Some(own) = layer(&module) else {
            faults.push(format!(
                "{}: the module {module} has no layer: give it one in LAYERS",
                source.path
            ));
            continue;
        };
        for used in used_modules(source) {
            let neighbour = NEIGHBOURS
                .iter()
                .any(|(who, whom, _)| *who == module && *whom == used);
            match layer(&used) {
                Some(other) if other < own || used == module || neighbour => {}
                Some(other) if other == own => {
                    faults.push(format!("{}: {module} uses its neighbour {used}", source.path));
                }
                Some(_) => faults.push(format!(
                    "{}: {module} uses {used}, which is above it",
                    source.path
                )),
                None if FREE.contains(&used.as_str()) => {
                    faults.push(format!(
                        "{}: {module} uses {used}, which is above all",
                        source.path
                    ));
                }
                // A name of the root itself, such as a macro.
                None => {}
            }
        }
    }
    faults
}

/// The parts of all names and texts, in small letters: `AclRule` and `acl_rule` are acl and rule.
fn words(code: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut small = false;
    for c in code.chars().chain([' ']) {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && small) {
            words.insert(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words
}

/// `code` without `text`, however that is written.
fn without(code: &str, text: &str) -> String {
    let mut out = String::new();
    let mut from = 0;
    for (at, found) in code.to_ascii_lowercase().match_indices(text) {
        out.push_str(&code[from..at]);
        from = at + found.len();
    }
    out + &code[from..]
}

fn policy_faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let outside = |source: &&Source| !source.is_test() && !source.path.starts_with("src/hooks");
    for source in sources.iter().filter(outside) {
        let mut code = source.code();
        for (_, text, _) in KNOWN
            .iter()
            .filter(|(folder, ..)| source.path.starts_with(folder))
        {
            code = without(&code, text);
        }
        let (parts, code) = (words(&code), code.to_lowercase());
        let known = parts
            .iter()
            .filter(|part| POLICY_WORDS.contains(&part.as_str()))
            .map(String::as_str);
        let texts = POLICY_TEXTS.iter().copied().filter(|text| code.contains(text));
        for what in known.chain(texts) {
            faults.push(format!(
                "{}: {what:?} is a policy's business, in src/hooks or a script",
                source.path
            ));
        }
    }
    faults
}

fn length_faults(sources: &[Source]) -> Vec<String> {
    let lines = |source: &Source| source.text.lines().count();
    let long = sources.iter().filter(|source| lines(source) > LONGEST_FILE);
    long.map(|source| {
        format!(
            "{}: {} lines; {LONGEST_FILE} are enough",
            source.path,
            lines(source)
        )
    })
    .collect()
}

fn unsafe_faults(sources: &[Source]) -> Vec<String> {
    let inside = |source: &&Source| {
        UNSAFE_FOLDERS
            .iter()
            .any(|folder| source.path.starts_with(folder))
    };
    let named = |source: &&Source| {
        blank(&source.text, false)
            .split(|c: char| !is_name(c as u8))
            .any(|word| word == "unsafe")
    };
    let wrong = sources.iter().filter(|source| !inside(source)).filter(named);
    wrong
        .map(|source| format!("{}: `unsafe` outside {UNSAFE_FOLDERS:?}", source.path))
        .collect()
}

// --- The repository

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn modules_use_lower_layers_only() {
    none(layer_faults(&below(&root(), "src")));
}

#[test]
fn every_module_and_every_exception_is_there() {
    let sources = below(&root(), "src");
    let modules: BTreeSet<String> = sources.iter().map(|source| source.module().0).collect();
    for module in LAYERS.concat() {
        assert!(modules.contains(module), "LAYERS has {module}, src/ has not");
    }
    for (who, whom, _) in NEIGHBOURS {
        let used = sources
            .iter()
            .any(|s| !s.is_test() && s.module().0 == who && used_modules(s).contains(whom));
        assert!(
            used,
            "{who} does not use {whom} any more: strike it from NEIGHBOURS"
        );
    }
    for (folder, text, _) in KNOWN {
        let used = sources
            .iter()
            .any(|s| s.path.starts_with(folder) && s.code().contains(text));
        assert!(used, "{folder} has no {text:?} any more: strike it from KNOWN");
    }
}

#[test]
fn only_hooks_know_of_credentials_and_rules() {
    none(policy_faults(&below(&root(), "src")));
}

#[test]
fn no_file_is_too_long() {
    let all = ["src", "plugin-api", "tests", "benches", "fuzz"].map(|folder| below(&root(), folder));
    none(length_faults(&all.into_iter().flatten().collect::<Vec<_>>()));
}

#[test]
fn unsafe_code_is_where_plugins_are() {
    let all = ["src", "plugin-api"].map(|folder| below(&root(), folder));
    none(unsafe_faults(&all.into_iter().flatten().collect::<Vec<_>>()));
}
