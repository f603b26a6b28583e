//! What `dunlin check` says of shared libraries: each way in which one can be wrong has a sentence of its own, and none ends the
//! process.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::built::{FIXTURES, fixture, folder, plugin, plugin_with};

/// What `dunlin check` says: whether it is good, and its one line, without the path at the beginning.
fn check(file: &Path) -> (bool, String) {
    let said = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .current_dir(file.parent().unwrap())
        .arg("check")
        .arg(file)
        .output()
        .unwrap();
    let code = said.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}: {:?}", file.display(), said);
    let text = String::from_utf8(if code == Some(0) { said.stdout } else { said.stderr }).unwrap();
    let line = text.trim_end();
    assert_eq!(line.lines().count(), 1, "{text}");
    let what = line
        .strip_prefix(&*file.display().to_string())
        .expect("the path comes first");
    (
        code == Some(0),
        what.trim_start_matches(": ").trim_start().to_owned(),
    )
}

#[track_caller]
fn refused(file: &Path, why: &str) {
    assert_eq!(check(file), (false, why.to_owned()));
}

const REBUILD: &str = "; build it against dunlin-plugin-api, or the dunlin_plugin.h, of this broker";

#[test]
fn a_good_plugin_is_told_by_its_name() {
    let good = (
        true,
        "is good: first 1.2.3, plugin ABI 1.1, hooks: authenticate".to_owned(),
    );
    for switch in ["GOOD", "SHORT_TABLE", "THREAD_LOCAL"] {
        assert_eq!(check(&plugin(switch)), good, "{switch}");
    }
    // Newer than the broker, and content with it: what the broker does not know is not asked.
    assert_eq!(
        check(&plugin("NEWER_MINOR")),
        (
            true,
            "is good: first 1.2.3, plugin ABI 1.8, hooks: authenticate".to_owned()
        )
    );
}

#[test]
fn each_wrong_declaration_has_its_sentence() {
    let needs = "needs a broker with version 1.8 of the plugin ABI, and this one has 1.1; update the broker, or build the plugin with a \
                 smaller `min_minor`";
    let symbol = "is no Dunlin plugin: it has no symbol `dunlin_plugin_v1`; in Rust write export_plugin!(...); in C define it as \
                  dunlin_plugin.h shows";
    let table = [
        ("NO_SYMBOL", symbol.to_owned()),
        (
            "OTHER_MAJOR_SYMBOL",
            "speaks version 2 of the plugin ABI, and this broker speaks 1; build it against dunlin-plugin-api 1, or update the broker"
                .to_owned(),
        ),
        ("OTHER_MAJOR", format!("speaks version 9 of the plugin ABI, and this broker speaks 1{REBUILD}")),
        ("NEEDS_NEWER", needs.to_owned()),
        (
            "UNDEFINED",
            "needs `nobody_has_this`, which is not there; link the library that has it, statically if it can be".to_owned(),
        ),
        ("NOTHING", "declares nothing: its entry symbol answers null".to_owned()),
        ("WRONG_MAGIC", format!("its declaration is none: the magic number is wrong{REBUILD}")),
        ("WRONG_SIZE", format!("its declaration has an impossible size{REBUILD}")),
        ("UNKNOWN_FLAG", format!("its declaration has flags that this broker does not know{REBUILD}")),
        ("NO_NAME", format!("its declaration has no name of up to 128 bytes of UTF-8{REBUILD}")),
        ("LONG_NAME", format!("its declaration has no name of up to 128 bytes of UTF-8{REBUILD}")),
        ("NO_TABLE", format!("its declaration has no table of functions{REBUILD}")),
        ("NO_CREATE", format!("its declaration has a table without `create` and `destroy`{REBUILD}")),
        (
            "NO_FUNCTION",
            format!("its declaration names the hook `will`, and its table has no function for it{REBUILD}"),
        ),
        (
            "SHORTER_TABLE",
            format!("its declaration names the hook `authenticate`, and its table has no function for it{REBUILD}"),
        ),
    ];
    for (switch, why) in table {
        refused(&plugin(switch), &why);
    }
}

/// The frozen plugins of ABI 1.0, for ever: see README.md here.
#[test]
fn the_plugins_of_the_first_abi_are_told_apart_for_ever() {
    for (variant, good, begins) in FIXTURES {
        let (is_good, said) = check(&fixture(variant));
        println!("{variant:<24} {said}");
        assert!(is_good == good && said.starts_with(begins), "{variant}: {said}");
    }
}

#[test]
fn a_file_that_is_no_plugin_runs_no_code() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let no_header = "is no shared library (it has no ELF header); build the plugin as a `cdylib`, or with cc -shared -fPIC, and give the \
                     path of the .so file";
    refused(&write("text.so", b"return {}"), no_header);
    refused(&write("empty.so", b""), no_header);

    let good = fs::read(plugin("GOOD")).unwrap();
    // Cut anywhere at all, and with some bytes turned: refused or good, but never the end of the process.
    for cut in (4..good.len()).step_by(good.len() / 60) {
        let (is_good, said) = check(&write("cut.so", &good[..cut]));
        assert!(
            !is_good && said.starts_with("is not whole: its "),
            "{cut}: {said}"
        );
    }
    let mut foreign = good.clone();
    foreign[18] = 0xB7;
    let here = std::env::consts::ARCH;
    refused(
        &write("arm.so", &foreign),
        &format!("is for aarch64; this broker runs on {here}; build it for this machine"),
    );
    let mut small = good.clone();
    small[4] = 1;
    refused(
        &write("small.so", &small),
        &format!("is for 32-bit machines; this broker runs on {here}; build it for this machine"),
    );
    let object = plugin_with("GOOD", "-c");
    refused(
        &object,
        "is an object file that was not linked, no shared library; build the plugin as a `cdylib`, or link it with cc -shared",
    );
}

#[test]
fn a_plugin_that_others_can_replace_is_refused() {
    let folder = folder();
    let library = plugin("GOOD");
    fs::set_permissions(&library, Permissions::from_mode(0o777)).unwrap();
    let (good, said) = check(&library);
    assert!(
        !good && said.starts_with("the file can be written to by others (mode 777); chmod go-w "),
        "{said}"
    );
    let missing = folder.path().join("none.so");
    let (good, said) = check(&missing);
    assert!(
        !good && said.starts_with("cannot be read: No such file"),
        "{said}"
    );
}

#[test]
fn scripts_and_plugins_are_checked_in_one_go() {
    let folder = folder();
    let library = plugin("NO_TABLE");
    let script = folder.path().join("a.lua");
    fs::write(&script, "return { wil = function() end }").unwrap();
    let said = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .current_dir(folder.path())
        .args(["check", "--json"])
        .args([&library, &script])
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    let list: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert_eq!(list[0]["message"], "its declaration has no table of functions");
    assert_eq!(list[1]["line"], 1);
}
