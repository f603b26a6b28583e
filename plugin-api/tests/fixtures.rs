//! The frozen plugins of `tests/abi` build, and today's host serves them. What the broker's loader says of each is its own test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unsafe_code,
    missing_docs
)]

use dunlin_plugin_api::abi;
use dunlin_plugin_api::prelude::*;
use dunlin_plugin_api::sdk::mock::{Failure, MockConnect};
// With RTLD_NOW a symbol that nobody has is found now, not when it is called.
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/abi")
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// The fixture in C, and the folder that it lies in.
fn built_c(variant: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("fixture.so");
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"];
    run(Command::new("cc")
        .args(flags)
        .arg(format!("-D{variant}"))
        .arg("-o")
        .arg(&library)
        .arg(fixtures().join("c/fixture.c")));
    (folder, library)
}

/// The one of ABI 1.1.
fn load_c_1_1() -> MockHost {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("fixture.so");
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"];
    run(Command::new("cc")
        .args(flags)
        .arg("-o")
        .arg(&library)
        .arg(fixtures().join("c_1_1/fixture.c")));
    // SAFETY: our own fixture; leaked, so that it stays mapped.
    let library = Box::leak(Box::new(
        unsafe { Library::open(Some(library), RTLD_NOW | RTLD_LOCAL) }.unwrap(),
    ));
    // SAFETY: the same.
    unsafe { MockHost::load(declaration(library).unwrap(), "{}") }.unwrap()
}

/// The fixture in Rust, built once into this crate's target folder.
fn built_rust() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-fixture");
        run(Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--manifest-path"])
            .arg(fixtures().join("rust/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target));
        target.join("debug/libabi_fixture.so")
    })
}

fn declaration(library: &Library) -> Option<*const abi::Declaration> {
    // SAFETY: these are our own fixtures; none is unloaded before its test ends.
    unsafe {
        let entry: Symbol<abi::Entry> = library.get(abi::ENTRY_SYMBOL.as_bytes()).ok()?;
        Some(entry())
    }
}

fn load_c(variant: &str) -> Result<MockHost, String> {
    let (_folder, path) = built_c(variant);
    // SAFETY: the same. Leaked, so that it stays mapped.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = Box::leak(Box::new(library.map_err(|error| error.to_string())?));
    let declaration = declaration(library).ok_or("no symbol")?;
    // SAFETY: the same.
    unsafe { MockHost::load(declaration, "{}") }
}

fn load_rust(mode: &str) -> Result<MockHost, String> {
    // SAFETY: the same; leaked.
    let library = Box::leak(Box::new(unsafe { Library::new(built_rust()) }.unwrap()));
    let settings = format!(r#"{{"do":"{mode}"}}"#);
    // SAFETY: the same.
    unsafe { MockHost::load(declaration(library).unwrap(), &settings) }
}

fn login(mock: &MockHost) -> Result<Login, Failure> {
    mock.authenticate(&MockClient::new("c"), Some("fixture"), None)
}

#[test]
fn good_ones_serve() {
    for variant in ["NOTHING", "SHORT_VTABLE", "NEWER_MINOR"] {
        let mock = load_c(variant).unwrap_or_else(|error| panic!("{variant}: {error}"));
        assert_eq!(login(&mock), Ok(Login::deny("by the fixture")), "{variant}");
        assert_eq!(mock.unload(), 0);
    }
}

#[test]
fn one_of_1_1_uses_what_it_knows() {
    let mock = load_c_1_1();
    let client = MockClient::new("a").instance("i");
    let connect = MockConnect {
        username: Some("j".to_owned()),
        ..MockConnect::default()
    };
    let Ok(Connecting::Patch(patch)) = mock.connect(&client, &connect) else {
        panic!()
    };
    assert_eq!(patch.instance.as_deref(), Some("j"));
    let login = || mock.authenticate(&client, None, None);
    assert_eq!(login(), Ok(Login::deny("no such key")));
    mock.set_record("i", "key", "a", serde_json::json!({ "n": 1 }));
    mock.set_record("i", "key", "b", serde_json::json!({ "n": 2 }));
    let granted = Grant {
        attrs: serde_json::json!({ "n": 1 }),
        any_client_id: true,
        depends: vec!["key/a".to_owned()],
        ..Grant::default()
    };
    assert_eq!(login(), Ok(Login::Allow(granted)));
    let controlled = |ended| match mock.expiring(&client, 5.0, ended) {
        Ok(Controlling::Do(controlled)) => controlled,
        other => panic!("{other:?}"),
    };
    let listed = serde_json::json!({ "keys": [{ "name": "b", "value": { "n": 2 } }] });
    let changed = Controlled {
        attrs: Some(listed),
        ..Controlled::default()
    };
    assert_eq!(controlled(false), changed);
    let changed = Controlled {
        expires_at: Some(65.0),
        acl: Some(Vec::new()),
        depends: Some(Vec::new()),
        ..Controlled::default()
    };
    assert_eq!(controlled(true), changed);
}

#[test]
fn what_is_declared_wrongly_is_refused() {
    for (variant, says) in [
        ("NEEDS_NEWER_MINOR", "minor 98"),
        ("WRONG_MAJOR", "major 9"),
        ("WRONG_MAGIC", "no declaration"),
        ("WRONG_SIZE", "no declaration"),
        ("NULL_DECLARATION", "no declaration"),
        ("NO_TABLE", "no table"),
        ("NO_CREATE", "no `create`"),
        ("HOOK_WITHOUT_FUNCTION", "`authorize_publish`"),
        ("SHORT_VTABLE_WITH_HOOK", "`authorize_publish`"),
        ("UNKNOWN_HOOK", "unknown hooks"),
        ("UNKNOWN_FLAG", "unknown flags"),
        ("WAITS_WHERE_NONE_MAY", "`deliver` cannot wait"),
        ("NO_SYMBOL", "no symbol"),
        ("UNDEFINED_SYMBOL", "nobody_has_this"),
    ] {
        let refused = load_c(variant).err();
        let refused = refused.unwrap_or_else(|| panic!("{variant} was loaded"));
        assert!(refused.contains(says), "{variant}: {refused}");
    }
}

#[test]
fn hooks_answer_now_later_and_wrongly() {
    let denied = Ok(Login::deny("by the fixture"));
    for (mode, answer) in [
        ("", Ok(Login::allow())),
        ("panic", Err(Failure::Panic)),
        ("thread", denied.clone()),
        ("twice", denied.clone()),
        ("twice_later", denied),
        ("error", Err(Failure::Error(String::new()))),
        ("never", Err(Failure::Timeout)),
    ] {
        let mock = load_rust(mode).unwrap();
        assert_eq!(login(&mock), answer, "{mode}");
        assert_eq!(mock.unload(), 0, "{mode}");
    }
    for mode in ["unknown_verdict", "lie"] {
        let mock = load_rust(mode).unwrap();
        assert!(matches!(login(&mock), Err(Failure::Wrong(_))), "{mode}");
    }
}

#[test]
fn every_hook_of_it_panics_without_harm() {
    let mock = load_rust("panic").unwrap();
    let (c, m) = (MockClient::new("c"), NewMessage::new("a", "b"));
    assert_eq!(mock.publish(&c, &m), Err(Failure::Panic));
    assert_eq!(mock.deliver(&c, &m), Err(Failure::Panic));
    assert_eq!(mock.limit("i", "n"), Err(Failure::Panic));
    assert_eq!(mock.on_tick(1.0), Err(Failure::Panic));
    assert_eq!(
        mock.rule_action(&serde_json::json!({}), &[m]),
        Err(Failure::Panic)
    );
    assert_eq!(mock.session_start(&c, true), Err(Failure::Panic));
}

#[test]
fn second_and_late_completions_do_nothing() {
    let twice = load_rust("twice").unwrap();
    login(&twice).unwrap();
    assert_eq!(twice.stale_completions(), 1);
    assert!(twice.logged(Level::Info, "completed twice: (0, -11)"));
    let late = load_rust("after_quiesce").unwrap();
    assert_eq!(login(&late), Err(Failure::Timeout));
    assert_eq!(late.unload(), 0);
}

#[test]
fn threads_that_do_not_stop_are_told() {
    assert_eq!(load_rust("threads").unwrap().unload(), 1);
}

#[test]
fn refusals_keep_their_words() {
    for (mode, says) in [
        ("refuse", "the fixture refuses to load, as it was asked"),
        (
            "fail_self_test",
            "the fixture fails its own test, as it was asked",
        ),
    ] {
        assert_eq!(load_rust(mode).map(|_| ()).unwrap_err(), says);
    }
}

/// What a header says without comments: its structs with their fields in order, and its numbers.
fn said(header: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let code: Vec<&str> = header
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let numbers = code
        .iter()
        .filter(|line| line.starts_with("#define DUNLIN_") && line.split(' ').count() == 3)
        .map(|line| (*line).to_owned())
        .collect();
    let text = code.join("\n");
    let structs = text
        .split("typedef struct ")
        .skip(1)
        .filter_map(|rest| {
            let (name, rest) = rest.split_once(" {\n")?;
            let (body, _) = rest.split_once("\n} ")?;
            let one_line = |field: &str| field.split_whitespace().collect::<Vec<_>>().join(" ");
            let fields = body
                .split(';')
                .map(one_line)
                .filter(|field| !field.is_empty())
                .collect();
            Some((name.to_owned(), fields))
        })
        .collect();
    (structs, numbers)
}

#[test]
fn the_header_only_grew_at_the_ends_of_its_structs() {
    for frozen in ["c/dunlin_plugin_1_0.h", "c_1_1/dunlin_plugin_1_1.h"] {
        grew_from(frozen);
    }
}

#[track_caller]
fn grew_from(frozen: &str) {
    let old = std::fs::read_to_string(fixtures().join(frozen)).unwrap();
    let new = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/dunlin_plugin.h"))
        .unwrap();
    let ((old, old_numbers), (new, new_numbers)) = (said(&old), said(&new));
    assert!(old.len() > 40, "{}", old.len());
    for (name, fields) in &old {
        let (_, now) = new
            .iter()
            .find(|(now, _)| now == name)
            .unwrap_or_else(|| panic!("{name} is gone"));
        assert!(
            now.starts_with(fields),
            "{name} did not only grow at its end: {fields:?}, now {now:?}"
        );
        // What has no size never grows.
        if fields.first().is_none_or(|first| first != "uint32_t struct_size") {
            assert_eq!(now, fields, "{name} must not grow");
        }
    }
    for number in &old_numbers {
        let minor = number.starts_with("#define DUNLIN_ABI_MINOR ");
        assert!(minor || new_numbers.contains(number), "changed or gone: {number}");
    }
}
