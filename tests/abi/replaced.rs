//! A good plugin serves, and its file is replaced by bad ones: each is refused with its sentence, and the good one goes on.

use std::fs;

use sha2::{Digest, Sha256};

use crate::built::{FIXTURES, fixture};
use crate::serving::{Serving, entry};

const FILE: &str = "libfixture.so";

#[test]
fn each_bad_variant_is_refused_and_the_good_one_serves_on() {
    let serving = Serving::start(&fixture("PLAIN"), "");
    serving.fixture_answers();
    let bad = FIXTURES.iter().filter(|(_, good, _)| !good);
    for (variant, _, begins) in bad {
        let seen = serving.replace(&fixture(variant));
        let said = serving.refused(seen, 1);
        println!("{variant:<24} {said}");
        assert!(said.starts_with(begins), "{variant}: {said}");
        serving.fixture_answers();
    }
    println!(
        "{:<24} {} images, {} instance",
        "after all of them",
        serving.metric("dunlin_plugin_images", &[]),
        serving.metric("dunlin_plugin_instances", &[])
    );
    assert_eq!(serving.metric("dunlin_plugin_instances", &[]), 1);
    // Then good ones again, of an older and of a newer minor version.
    for variant in ["SHORT_VTABLE", "NEWER_MINOR", "PLAIN"] {
        let seen = serving.replace(&fixture(variant));
        let line = serving.log(seen, "policies reloaded...generation=");
        println!(
            "{variant:<24} serves, generation={}",
            line.split_once("generation=").unwrap().1
        );
        serving.fixture_answers();
    }
    serving.until_metric("dunlin_plugin_instances", 1);
}

#[test]
fn what_is_no_plugin_at_all_is_refused_too() {
    let serving = Serving::start(&fixture("PLAIN"), "");
    let good = fs::read(fixture("PLAIN")).unwrap();
    let mut foreign = good.clone();
    foreign[18] = 0xB7;
    let others = fs::read(fixture("SHORT_VTABLE")).unwrap();
    let table = [
        (
            "a truncated file",
            &good[..good.len() / 2],
            0o755,
            "is not whole: its ",
        ),
        (
            "a text file",
            b"return {}",
            0o755,
            "is no shared library (it has no ELF header); ",
        ),
        (
            "an empty file",
            b"",
            0o755,
            "is no shared library (it has no ELF header); ",
        ),
        (
            "for another machine",
            &foreign,
            0o755,
            "is for aarch64; this broker runs on ",
        ),
        (
            "writable by others",
            &others,
            0o666,
            "the file can be written to by others (mode 666); chmod go-w ",
        ),
    ];
    for (what, bytes, mode, begins) in table {
        let seen = serving.broker.log().len();
        serving.put_bytes(FILE, bytes, mode);
        let said = serving.refused(seen, 1);
        println!("{what:<24} {said}");
        assert!(said.starts_with(begins), "{what}: {said}");
        serving.fixture_answers();
    }
    // None of them has run.
    assert_eq!(serving.metric("dunlin_plugin_images", &[]), 1);
}

#[test]
fn only_files_of_a_known_hash_are_loaded() {
    let digits = |variant: &str| {
        let hash = Sha256::digest(fs::read(fixture(variant)).unwrap());
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let known = |hash: &str| format!("sha256 = [{hash:?}]");
    let serving = Serving::start(&fixture("PLAIN"), &known(&digits("PLAIN")));
    serving.fixture_answers();
    let seen = serving.replace(&fixture("SHORT_VTABLE"));
    let said = serving.refused(seen, 1);
    let other = digits("SHORT_VTABLE");
    println!("{:<24} {said}", "an unknown hash");
    assert_eq!(
        said,
        format!(
            "has the SHA-256 {other}, which is not in `sha256` of its entry; if this is the file that you mean, add it there"
        )
    );
    serving.fixture_answers();
    assert_eq!(serving.metric("dunlin_plugin_images", &[]), 1);
    serving.swap(&entry(&known(&other)));
    serving.fixture_answers();
}

#[test]
fn the_same_file_twice_is_two_images_and_both_serve() {
    let entries = ["one", "two"].map(|name| format!("[[policy]]\nname = \"{name}\"\nplugin = \"{FILE}\"\n"));
    let serving = Serving::with(&[(FILE, &fixture("PLAIN"))], &entries.concat(), &[]);
    serving.fixture_answers();
    let figures = ["dunlin_plugin_images", "dunlin_plugin_instances"].map(|name| serving.metric(name, &[]));
    let calls = ["one", "two"].map(|name| {
        let labels = [&*format!("policy=\"{name}\""), "hook=\"authenticate\""];
        serving.metric("dunlin_hook_calls_total", &labels)
    });
    println!(
        "{:<24} {figures:?} images and instances, {calls:?} logins asked",
        "the same file twice"
    );
    assert_eq!(figures, [2, 2]);
    // The second is asked where the first has no opinion.
    assert_eq!(calls, [2, 1]);
}
