//! Compiled plugins for tests, built when they are first wanted: those that ship, with cargo, and small ones in C, with cc and the
//! header alone. Unit tests include this file by its path.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library of a plugin that ships, by its package.
pub fn shipped(package: &str) -> PathBuf {
    // A folder of its own: built together with the broker they would have other features, and be built twice.
    let target = root().join("target/test-plugins");
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let built = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--quiet", "--package", package, "--target-dir"])
        .arg(&target)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{package}: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    target
        .join("debug")
        .join(format!("lib{}.so", package.replace('-', "_")))
}

/// Compiles C to a shared library.
pub fn compiled(source: &Path, options: &[&str], library: &Path) {
    let built = Command::new("cc")
        .args([
            "-std=c99", "-Wall", "-Wextra", "-Werror", "-fPIC", "-O1", "-shared",
        ])
        .args(options)
        .arg("-I")
        .arg(root().join("plugin-api/include"))
        .arg("-o")
        .arg(library)
        .arg(source)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
}

/// Puts a file in the place of another, as a whole.
pub fn put(bytes: &[u8], path: &Path) {
    let aside = path.with_extension("aside");
    std::fs::write(&aside, bytes).unwrap();
    std::fs::rename(aside, path).unwrap();
}
