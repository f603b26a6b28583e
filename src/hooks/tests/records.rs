//! The registry as policies read it.

use super::modules::{run_in, sandbox};
use super::*;
use crate::store::registry::{Expect, RecordKey, Registry};
use serde_json::{Value, json};

/// Services with these records.
pub(super) fn services(records: &[(&str, &str, &str, Value)]) -> Arc<Services> {
    let registry = Arc::new(Registry::default());
    for (instance, kind, name, value) in records {
        let value = value.as_object().unwrap().clone();
        block(registry.put(RecordKey::new(instance, kind, name), value, Expect::Nothing)).unwrap();
    }
    let services = Arc::new(Services::default());
    services.read_registry(&registry);
    services
}

fn some() -> Arc<Services> {
    services(&[
        (
            "i",
            "key",
            "a",
            json!({ "secret": "s", "of": ["x", "y"], "big": 9_007_199_254_740_993_u64, "no": null }),
        ),
        ("i", "group", "c", json!({ "n": 3 })),
        ("i", "group", "a", json!({ "n": 1 })),
        ("i", "group", "b", json!({ "n": 2 })),
        ("j", "group", "z", json!({})),
        ("", "instance", "i", json!({ "name": "i" })),
    ])
}

#[test]
fn scripts_read_records() {
    let sandbox = sandbox(&some());
    for (body, said) in [
        ("return registry.get('i', 'key', 'a').secret", "s"),
        ("return registry.get('i', 'key', 'a').of[2]", "y"),
        (
            "return json.encode(registry.get('i', 'key', 'a').big)",
            "9007199254740993",
        ),
        (
            "return tostring(registry.get('i', 'key', 'a').no == json.null)",
            "true",
        ),
        ("return tostring(registry.get('i', 'key', 'b'))", "nil"),
        ("return tostring(registry.get('j', 'key', 'a'))", "nil"),
        ("return registry.get('', 'instance', 'i').name", "i"),
        // What is read is the script's own.
        (
            "registry.get('i', 'key', 'a').secret = 't' return registry.get('i', 'key', 'a').secret",
            "s",
        ),
        (
            "local s = '' for _, r in registry.list('i', 'group') do s ..= r.name .. r.value.n end return s",
            "a1b2c3",
        ),
        ("return #registry.list('i', 'groups')", "0"),
        ("return registry.list('i', 'group', { limit = 1 })[1].name", "a"),
        (
            "return registry.list('i', 'group', { after = 'a', limit = 1 })[1].name",
            "b",
        ),
        ("return #registry.list('i', 'group', { after = 'c' })", "0"),
    ] {
        assert_eq!(run_in(&sandbox, body), said, "{body}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let sandbox = sandbox(&some());
    for (body, says) in [
        (
            "registry.get('i', 'key')",
            "registry.get: argument 3 (name) must be a string, it is nil",
        ),
        (
            "registry.get('i', 'key', '\\xff')",
            "registry.get: argument 3 (name) is not UTF-8",
        ),
        (
            "registry.list('i')",
            "registry.list: argument 2 (kind) must be a string",
        ),
        (
            "registry.list('i', 'key', { limit = 1001 })",
            "registry.list: argument 3 (limit) must be a whole number, 1 to 1000",
        ),
        (
            "registry.list('i', 'key', { before = 'a' })",
            "registry.list: argument 3 (options) must be a table such as { after = \"GID_a\", limit = 100 }",
        ),
        ("registry.put = 1", "attempt to modify a readonly table"),
    ] {
        let said = run_in(&sandbox, body);
        assert!(said.contains(says), "{body}: {said}");
    }
}

#[test]
fn a_change_is_seen_by_the_next_call() {
    let services = some();
    let sandbox = sandbox(&services);
    let read = || {
        run_in(
            &sandbox,
            "return (registry.get('i', 'group', 'a') or { n = 'none' }).n",
        )
    };
    assert_eq!(read(), "1");
    let key = || RecordKey::new("i", "group", "a");
    let value = json!({ "n": 7 }).as_object().unwrap().clone();
    block(services.registry().put(key(), value, Expect::Something)).unwrap();
    assert_eq!(read(), "7");
    block(services.registry().remove(key())).unwrap();
    assert_eq!(read(), "none");
}
