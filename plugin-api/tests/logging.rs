//! Where `tracing` and panics of an image with several instances go. What is installed is the whole process's, so this
//! is one test in a program of its own. What it panics with when it fails goes to the instance that logs, not to the terminal.
#![allow(clippy::unwrap_used, clippy::panic, unsafe_code, missing_docs)]

use dunlin_plugin_api::prelude::*;
use std::sync::Mutex;

/// What the last instance was given, whether it was refused or not.
static KEPT: Mutex<Option<Host>> = Mutex::new(None);

fn kept() -> Host {
    KEPT.lock().unwrap().clone().unwrap()
}

struct Named;

impl Plugin for Named {
    type Settings = String;
    const HOOKS: &'static [Hook] = &[];

    fn create(host: Host, setup: Setup<String>) -> Result<Self, Error> {
        *KEPT.lock().unwrap() = Some(host);
        match setup.settings.as_str() {
            "refused" => Err("as asked".into()),
            "panics" => panic!("as asked"),
            _ => Ok(Named),
        }
    }
}

/// As a broker does it: with what is installed for the whole image.
fn load(settings: &str) -> Result<MockHost, String> {
    let declared = MockHost::<Named>::declared();
    // SAFETY: the declaration was just made, and its functions are this program's.
    unsafe { MockHost::load(declared.as_ptr(), settings) }
}

/// Logs a line outside of all hooks, as a thread of the plugin's would, and says who of these got it.
fn heard(line: &str, hosts: &[&MockHost]) -> Vec<bool> {
    tracing::info!("{line}");
    hosts.iter().map(|host| host.logged(Level::Info, line)).collect()
}

#[test]
fn the_newest_instance_that_lives_logs() {
    let first = load(r#""first""#).unwrap();
    assert_eq!(heard("one", &[&first]), [true]);
    let second = load(r#""second""#).unwrap();
    assert_eq!(heard("two", &[&first, &second]), [false, true]);

    // Refused ones: by the plugin, by its settings, by a panic, which the one that was about to live still tells.
    assert_eq!(load(r#""refused""#).unwrap_err(), "as asked");
    assert_eq!(kept().kv_get(Space::Own, b"k"), Err(Refused::NotServing));
    assert_eq!(heard("three", &[&first, &second]), [false, true]);
    assert!(load("7").unwrap_err().starts_with("the settings: "));
    assert_eq!(heard("four", &[&first, &second]), [false, true]);
    assert_eq!(load(r#""panics""#).unwrap_err(), "the plugin panicked: as asked");
    assert_eq!(kept().kv_get(Space::Own, b"k"), Err(Refused::NotServing));
    assert!(!second.logged(Level::Error, "the plugin panicked"));
    assert_eq!(heard("five", &[&first, &second]), [false, true]);

    // The older one goes, or the newer one: the other logs.
    let third = load(r#""third""#).unwrap();
    assert_eq!(first.unload(), 0);
    assert_eq!(heard("six", &[&second, &third]), [false, true]);
    assert_eq!(third.unload(), 0);
    assert_eq!(heard("seven", &[&second]), [true]);
    let thread = std::thread::spawn(|| panic!("a thread's"));
    assert!(thread.join().is_err());
    assert!(second.logged(Level::Error, "a thread's"));
    assert_eq!(second.unload(), 0);

    // And none: nobody hears it, and nothing else happens.
    assert_eq!(heard("eight", &[]), [] as [bool; 0]);
}
