//! The table that the script is held to as well.

#[path = "../../../tests/policy/auth_cases.rs"]
mod auth_cases;

use super::*;
use auth_cases::{Case, Table, Verdict};

fn verdict(mock: &MockHost<Auth>, case: &Case) -> Verdict {
    let client = MockClient::new(&case.client_id());
    let (username, password) = (case.username(), case.password());
    match mock.authenticate(&client, username.as_deref(), password.as_deref()) {
        Ok(Login::Allow(grant)) => {
            let rest = Grant {
                attrs: Value::Null,
                ..grant.clone()
            };
            assert_eq!(rest, Grant::default(), "{}", case.name);
            Verdict::Allow(grant.attrs.as_object().unwrap().clone())
        }
        Ok(Login::Deny { code, reason }) => Verdict::Deny(code.unwrap(), reason),
        Ok(Login::Next) => Verdict::Next,
        other => panic!("{}: {other:?}", case.name),
    }
}

#[test]
fn it_answers_as_the_table_says() {
    let table = Table::read();
    let mut seen = 0;
    for (name, settings) in &table.settings {
        let mock = MockHost::<Auth>::new(&settings.to_string()).unwrap();
        for case in table.of(name) {
            assert_eq!(verdict(&mock, case), case.expect, "{}", case.name);
            seen += 1;
        }
        assert_eq!(mock.logs(), []);
    }
    assert!(seen == table.cases.len() && seen >= 100, "{seen}");
}

#[test]
fn it_refuses_the_settings_of_the_table() {
    for case in &Table::read().refused {
        let said = MockHost::<Auth>::new(&case.settings.to_string()).unwrap_err();
        assert!(said.starts_with(&case.says), "{}: {said}", case.name);
    }
}

/// The script takes a list for a table of keys, and then lets nobody in.
#[test]
fn a_list_is_no_table_of_keys() {
    let said = MockHost::<Auth>::new(r#"{ "instance": "i", "keys": ["demo"] }"#).unwrap_err();
    assert!(said.starts_with("the setting `keys` is missing"), "{said}");
}

#[test]
fn secrets_are_not_shown() {
    let keys = Keys::new(&[("demo".to_owned(), "XXXXX".to_owned())]).unwrap();
    assert_eq!(format!("{keys:?}"), r#"{"demo"}"#);
}
