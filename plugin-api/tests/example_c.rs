//! plugins/example-c builds with its Makefile and does what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code, missing_docs)]

use dunlin_plugin_api::abi;
use dunlin_plugin_api::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies the example away, so that what is built is not left in the sources, and builds it.
fn build(folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["Makefile", "example_c.c"] {
        std::fs::copy(root.join("../plugins/example-c").join(file), folder.join(file)).unwrap();
    }
    let done = Command::new("make")
        .current_dir(folder)
        .arg(format!("HEADER={}", root.join("include").display()))
        .env("CFLAGS", "-Werror -pedantic")
        .output()
        .expect("make");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder.join("example_c.so")
}

#[test]
fn it_lets_in_who_knows_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = build(folder.path());
    let bytes = std::fs::read(&file).unwrap();
    let about = b"abi=1.1\nname=example_c\nversion=1.0.0\n";
    assert!(bytes.windows(about.len()).any(|bytes| bytes == about));
    // SAFETY: it is our own example, and stays loaded until the end of the test.
    let library = unsafe { libloading::Library::new(&file) }.unwrap();
    let declaration = unsafe {
        let entry: libloading::Symbol<'_, abi::Entry> = library.get(abi::ENTRY_SYMBOL.as_bytes()).unwrap();
        entry()
    };
    let load = |settings: &str| unsafe { MockHost::load(declaration, settings) };
    assert!(load("{}").unwrap_err().contains("`password` is missing"));
    assert!(load(r#"{"password":"a\"b"}"#).is_err());
    assert!(load(r#"{"password"#).is_err());
    let mock = load(r#"{"a":1,"password":"open sesame"}"#).unwrap();
    assert!(mock.logged(Level::Info, "ready"));
    let client = MockClient::new("c");
    let login = |password| mock.authenticate(&client, None, password);
    assert!(matches!(login(Some(b"open sesame")), Ok(Login::Allow(grant)) if grant.attrs["role"] == "guest"));
    assert_eq!(
        login(Some(b"open sesamE")),
        Ok(Login::Deny {
            code: Some(0x86),
            reason: "wrong password".to_owned()
        })
    );
    assert_eq!(login(None), Ok(Login::Next));
    assert_eq!(mock.unload(), 0);
}
