//! The libraries, each built once in a run, and the table of the frozen ones in C.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder that nobody else can write to, for files that are no plugins.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Builds `name` with `command`, which gets `-o` and where to, unless this run has done so already.
fn once(name: String, command: impl FnOnce() -> Command) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<String, Arc<OnceLock<PathBuf>>>>> = Mutex::new(None);
    let cell = {
        let mut built = BUILT.lock().unwrap();
        built
            .get_or_insert_default()
            .entry(name.clone())
            .or_default()
            .clone()
    };
    let build = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-c");
        fs::create_dir_all(&folder).unwrap();
        let mode = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        mode(&folder);
        let library = folder.join(format!("lib{}.so", name.to_lowercase()));
        run(command().arg("-o").arg(&library));
        mode(&library);
        library
    };
    cell.get_or_init(build).clone()
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
}

/// Builds tests/abi/plugin.c with this switch.
pub fn plugin(switch: &str) -> PathBuf {
    plugin_with(switch, "-shared")
}

/// The same with another option of cc in place of `-shared`.
pub fn plugin_with(switch: &str, option: &str) -> PathBuf {
    once(format!("plugin{option}-{switch}"), || {
        let mut cc = Command::new("cc");
        cc.args([
            "-std=c99", "-Wall", "-Wextra", "-Werror", "-fPIC", "-O1", "-g", "-pthread",
        ])
        .args([option, &format!("-D{switch}"), "-I"])
        .arg(root().join("plugin-api/include"))
        .arg(root().join("tests/abi/plugin.c"));
        cc
    })
}

/// The frozen fixture in C, with this variant.
pub fn fixture(variant: &str) -> PathBuf {
    once(format!("fixture-{variant}"), || {
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-fPIC", "-shared", &format!("-D{variant}")])
            .arg(root().join("tests/abi/c/fixture.c"));
        cc
    })
}

/// The frozen fixture in Rust.
pub fn rust() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-fixture");
        run(Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--manifest-path"])
            .arg(root().join("tests/abi/rust/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target));
        target.join("debug/libabi_fixture.so")
    })
}

/// The first table of README.md: the variant, whether it is good, and how the sentence begins.
pub const FIXTURES: [(&str, bool, &str); 17] = [
    ("PLAIN", true, "is good: "),
    ("SHORT_VTABLE", true, "is good: "),
    ("NEWER_MINOR", true, "is good: "),
    (
        "SHORT_VTABLE_WITH_HOOK",
        false,
        "its declaration names the hook `authorize_publish`, and its table has no function for it",
    ),
    (
        "NEEDS_NEWER_MINOR",
        false,
        "needs a broker with version 1.98 of the plugin ABI, and this one has 1.1; update the broker",
    ),
    (
        "WRONG_MAJOR",
        false,
        "speaks version 9 of the plugin ABI, and this broker speaks 1",
    ),
    (
        "WRONG_MAGIC",
        false,
        "its declaration is none: the magic number is wrong",
    ),
    ("WRONG_SIZE", false, "its declaration has an impossible size"),
    (
        "NULL_DECLARATION",
        false,
        "declares nothing: its entry symbol answers null",
    ),
    ("NO_TABLE", false, "its declaration has no table of functions"),
    (
        "NO_CREATE",
        false,
        "its declaration has a table without `create` and `destroy`",
    ),
    (
        "HOOK_WITHOUT_FUNCTION",
        false,
        "its declaration names the hook `authorize_publish`, and its table has no function for it",
    ),
    (
        "UNKNOWN_HOOK",
        false,
        "its declaration has a hook that this broker does not know (63)",
    ),
    (
        "UNKNOWN_FLAG",
        false,
        "its declaration has flags that this broker does not know",
    ),
    (
        "WAITS_WHERE_NONE_MAY",
        false,
        "wants to answer `deliver` later, and that hook cannot wait; take it out of WAITS",
    ),
    ("UNDEFINED_SYMBOL", false, "needs `nobody_has_this`"),
    // It exports the entry of another major version, and is told so.
    ("NO_SYMBOL", false, "speaks version 0 of the plugin ABI"),
];
