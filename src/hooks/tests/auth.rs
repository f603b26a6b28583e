//! Signature credentials, case by case: the table that `scripts/auth.lua` and `plugins/auth` are both held to.

#[path = "../../../tests/policy/auth_cases.rs"]
pub(super) mod auth_cases;
use super::*;
use auth_cases::{Case, Table, Verdict};
use serde_json::{Map, Value};
use std::time::Duration;

/// The entry with these settings, and with time enough: a debug build signs a long client id slowly. The plugin is told to have
/// an opinion about signatures alone.
fn with(entry: &PolicyEntry, settings: &Value) -> PolicyEntry {
    let mut settings = settings.clone();
    if let (Some(_), Some(settings)) = (&entry.plugin, settings.as_object_mut()) {
        settings.insert("modes".to_owned(), serde_json::json!(["Signature"]));
    }
    PolicyEntry {
        budget: Duration::from_secs(2),
        load_budget: Some(Duration::from_secs(30)),
        settings: serde_json::from_value(settings).unwrap(),
        ..entry.clone()
    }
}

/// Whoever makes the entry's policy: its files are found from the repository's root.
fn load(entry: &PolicyEntry, settings: &Value) -> Result<Arc<Generation>, Vec<LoadError>> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = [with(entry, settings)];
    Generation::load(1, &entries, &HookDefaults::default(), base, &Arc::default()).map(Arc::new)
}

fn verdict(hooks: &ShardHooks, case: &Case) -> Verdict {
    let client = Client::new(ClientParts {
        instance: "mqtt-demo".into(),
        client_id: case.client_id().into(),
        username: case.username().map(Arc::from),
        peer: "192.0.2.7:1".into(),
        listener: "tcp".into(),
        tls: None,
        protocol_version: crate::codec::ProtocolVersion::V5,
    });
    let password = case.password();
    let request = AuthRequest {
        client: &client,
        password: password.as_deref(),
        method: None,
        data: None,
    };
    match block(hooks.chain().authenticate(&request)) {
        AuthDecision::Allow(grant) => {
            let rest = Grant {
                attrs: Map::new(),
                ..grant.clone()
            };
            assert_eq!(rest, Grant::default(), "{}", case.name);
            Verdict::Allow(grant.attrs)
        }
        // What the chain says when its only policy has no opinion.
        AuthDecision::Deny { reason, .. } if &*reason == "no policy knows these credentials" => Verdict::Next,
        AuthDecision::Deny { code, reason } => Verdict::Deny(code.0, reason.to_string()),
        AuthDecision::Continue(_) => panic!("{}: an exchange began", case.name),
    }
}

/// What the entry's policy says to every case of the table.
fn answers_as_the_table_says(entry: &PolicyEntry) {
    let table = Table::read();
    let mut seen = 0;
    for (name, settings) in &table.settings {
        let generation = load(entry, settings).map_err(|errors| format!("{name}: {errors:?}"));
        let metrics = Arc::new(HookMetrics::default());
        let hooks = ShardHooks::instantiate(&generation.unwrap(), &metrics, 0, 10).unwrap();
        for case in table.of(name) {
            assert_eq!(verdict(&hooks, case), case.expect, "{}", case.name);
            seen += 1;
        }
    }
    assert!(seen == table.cases.len() && seen >= 100, "{seen}");
}

/// And which settings it refuses, in which words.
fn refuses_as_the_table_says(entry: &PolicyEntry, sentence: impl Fn(&str) -> String) {
    for case in &Table::read().refused {
        let Err(errors) = load(entry, &case.settings) else {
            panic!("{}: not refused", case.name)
        };
        let [error] = &errors[..] else {
            panic!("{}: {errors:?}", case.name)
        };
        let said = sentence(&error.message);
        assert!(said.starts_with(&case.says), "{}: {error}", case.name);
    }
}

fn script() -> PolicyEntry {
    PolicyEntry::new("auth", "scripts/auth.lua")
}

fn plugin() -> PolicyEntry {
    PolicyEntry::compiled("auth", super::built::shipped("auth"))
}

#[test]
fn the_plugin_answers_as_the_table_says() {
    answers_as_the_table_says(&plugin());
}

#[test]
fn the_plugin_refuses_the_settings_of_the_table() {
    let refuses = |error: &str| error.trim_start_matches("refuses to load: ").to_owned();
    refuses_as_the_table_says(&plugin(), refuses);
}

#[test]
fn the_script_answers_as_the_table_says() {
    answers_as_the_table_says(&script());
}

#[test]
fn the_script_refuses_the_settings_of_the_table() {
    refuses_as_the_table_says(&script(), str::to_owned);
}
