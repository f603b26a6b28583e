//! The tables that the scripts are held to as well.

#[path = "../../../tests/policy/auth_cases.rs"]
mod auth_cases;
#[path = "../../../tests/policy/login_cases.rs"]
mod login_cases;

use super::*;
use auth_cases::{Case, Table, Verdict};
use dunlin_plugin_api::sdk::mock::MockConnect;
use login_cases::{Done, Policy, Record, Who};
use serde_json::Map;
use std::time::Duration;

/// Settings with which the plugin has an opinion about signatures alone.
fn signatures(settings: &Value) -> String {
    let mut settings = settings.clone();
    settings["modes"] = json!(["Signature"]);
    settings.to_string()
}

fn verdict(mock: &MockHost<Auth>, case: &Case) -> Verdict {
    let client = MockClient::new(&case.client_id()).instance("mqtt-demo");
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
fn it_answers_as_the_table_of_signatures_says() {
    let table = Table::read();
    let mut seen = 0;
    for (name, settings) in &table.settings {
        let mock = MockHost::<Auth>::new(&signatures(settings)).unwrap();
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
fn settings_of_other_modes() {
    for good in [
        r#"{ "keys": "registry" }"#,
        r#"{ "modes": ["Token", "Custom"] }"#,
        r#"{ "modes": ["Token"], "keys": {} }"#,
        r#"{ "modes": ["Custom"], "refresh": 1 }"#,
    ] {
        MockHost::<Auth>::new(good).unwrap();
    }
    for (bad, says) in [
        (
            r#"{ "modes": [] }"#,
            "the setting `modes` is a list of Signature, Token, DeviceCredential, Custom;",
        ),
        (r#"{ "modes": "Token" }"#, "the setting `modes` is a list of"),
        (r#"{ "modes": ["token"] }"#, "the setting `modes` is a list of"),
        (r#"{ "modes": ["Token", 7] }"#, "the setting `modes` is a list of"),
        (
            r#"{ "modes": ["Signature"] }"#,
            "the setting `instance` is missing",
        ),
        (
            r#"{ "keys": "registry", "refresh": 0 }"#,
            "the setting `refresh` is a number of seconds",
        ),
        (
            r#"{ "keys": "registry", "refresh": "10s" }"#,
            "the setting `refresh` is a number of seconds",
        ),
        (
            r#"{ "keys": "registry", "certificates": true }"#,
            "the setting `certificates` is a table;",
        ),
        (
            r#"{ "keys": "registry", "certificates": { "x": 1 } }"#,
            "the setting `certificates` has no `x`;",
        ),
        (
            r#"{ "keys": "registry", "certificates": { "username_required": "no" } }"#,
            "the setting `username_required` is true or false",
        ),
        (
            r#"{ "keys": "registry", "certificates": { "cn": "name" } }"#,
            "the setting `cn` is",
        ),
    ] {
        let said = MockHost::<Auth>::new(bad).unwrap_err();
        assert!(said.starts_with(says), "{bad}: {said}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let keys = Keys::new(None, &[("demo".to_owned(), "XXXXX".to_owned())]).unwrap();
    assert_eq!(format!("{keys:?}"), r#"{"demo"}"#);
    assert_eq!(format!("{:?}", Salt("secret".to_owned())), "Salt");
}

/// As scripts/auth_certificate_test.lua has it.
#[test]
fn certificates_come_before_user_names() {
    let of = |certificates: &str| {
        let settings = format!(r#"{{ "keys": "registry", "certificates": {certificates} }}"#);
        MockHost::<Auth>::new(&settings).unwrap()
    };
    let plain = MockClient::new("GID_fleet@@@truck-7").instance("i");
    let truck = plain
        .clone()
        .certificate("truck-7", &[], "f0")
        .signed("07", "CA01", 2_000_000_000);
    let says = |mock: &MockHost<Auth>, client: &MockClient| match mock.authenticate(client, None, None) {
        Ok(Login::Deny { code, reason }) => format!("{:#x} {reason}", code.unwrap()),
        other => format!("{other:?}"),
    };
    let status = |mock: &MockHost<Auth>, kind: &str, name: &str, status: &str| {
        mock.set_record("i", kind, name, json!({ "status": status }));
    };
    let mock = of("{}");
    assert_eq!(says(&mock, &plain), "Ok(Next)");
    let unknown = "0x87 the authority of the certificate is not registered in this instance";
    assert_eq!(says(&mock, &truck), unknown);
    status(&mock, "ca_certificate", "CA01", "1");
    assert_eq!(says(&mock, &truck), "Ok(Next)");
    assert_eq!(
        says(&mock, &plain.clone().certificate("truck-7", &[], "f0")),
        unknown
    );
    assert_eq!(says(&mock, &truck.clone().instance("other")), unknown);
    assert_eq!(mock.expiring(&truck, 1.0, true), Ok(Controlling::Pass));
    status(&mock, "device_certificate", "CA01/07", "0");
    assert_eq!(says(&mock, &truck), "0x87 the certificate is not active");
    assert_eq!(mock.expiring(&truck, 1.0, false), Ok(Controlling::Pass));
    let over = |reason: &str| {
        let (code, reason) = (Some(0x87), reason.to_owned());
        Ok(Controlling::Disconnect { code, reason })
    };
    assert_eq!(
        mock.expiring(&truck, 1.0, true),
        over("the certificate is not active")
    );
    assert_eq!(mock.expiring(&plain, 1.0, true), Ok(Controlling::Pass));
    status(&mock, "device_certificate", "CA01/07", "1");
    status(&mock, "ca_certificate", "CA01", "0");
    let inactive = "the authority of the certificate is not active";
    assert_eq!(says(&mock, &truck), format!("0x87 {inactive}"));
    assert_eq!(mock.expiring(&truck, 1.0, true), over(inactive));

    let mock = of(r#"{ "username_required": false, "cn": "device_id" }"#);
    status(&mock, "ca_certificate", "CA01", "1");
    let Ok(Login::Allow(grant)) = mock.authenticate(&truck, Some("ann"), None) else {
        panic!()
    };
    assert_eq!(grant.expires_at, Some(2e9));
    let other = truck
        .clone()
        .certificate("car", &[], "f0")
        .signed("08", "CA01", 1);
    assert_eq!(says(&mock, &other), "0x87 the certificate is for another device");
    let mock = of(r#"{ "cn": "client_id" }"#);
    status(&mock, "ca_certificate", "CA01", "1");
    assert_eq!(says(&mock, &truck), "0x87 the certificate is for another device");
    // Without the setting nobody looks.
    let mock = MockHost::<Auth>::new(r#"{ "keys": "registry" }"#).unwrap();
    assert_eq!(says(&mock, &truck), "Ok(Next)");
}

/// All modes at once: each user name finds its own, and none is left to others but a stranger's.
#[test]
fn the_modes_stand_in_one_chain() {
    let mock = MockHost::<Auth>::new(r#"{ "keys": "registry" }"#).unwrap();
    let client = MockClient::new("c").instance("i");
    let reason = |username| match mock.authenticate(&client, Some(username), Some(b"x")) {
        Ok(Login::Deny { reason, .. }) => reason,
        other => format!("{other:?}"),
    };
    assert_eq!(reason("Signature|a|i"), "the signature is wrong");
    assert!(reason("Token|a|i").starts_with("token code 1"));
    assert_eq!(reason("DeviceCredential|a|i"), "the signature is wrong");
    assert_eq!(reason("ann"), "the user name or the password is wrong");
    assert_eq!(reason("Magic|a|i"), "Ok(Next)");
    assert_eq!(reason("Custom|a|i"), "Ok(Next)");
    assert_eq!(mock.authenticate(&client, None, None), Ok(Login::Next));
}

/// What was proved to one version of the plugin is proved to the next.
#[test]
fn the_next_version_knows_the_clients_of_this_one() {
    let settings = r#"{ "modes": ["Custom"] }"#;
    let identity = json!({ "type": "USER", "username": "ann", "sign_mode": "ORIGIN", "secret": "pass" });
    let client = MockClient::new("c").instance("i").username("ann");
    let log_in = |mock: &MockHost<Auth>| {
        mock.set_record("i", "identity", "USER/ann", identity.clone());
        match mock.authenticate(&client, Some("ann"), Some(b"pass")) {
            Ok(Login::Allow(grant)) => grant.attrs,
            other => panic!("{other:?}"),
        }
    };
    let before = MockHost::<Auth>::new(settings).unwrap();
    let attrs = log_in(&before);
    let state = before.export_state().unwrap();
    let after = MockHost::<Auth>::reloaded(settings, Some(&state)).unwrap();
    assert_eq!(log_in(&after), attrs);
    let garbage = State {
        version: 0,
        bytes: b"{".to_vec(),
    };
    MockHost::<Auth>::reloaded(settings, Some(&garbage)).unwrap();
}

/// The plugin in a host in memory.
struct Compiled {
    mock: MockHost<Auth>,
    sent: usize,
}

impl Compiled {
    fn load(mode: Mode, settings: &Map<String, Value>, records: &[Record]) -> Self {
        let mut settings = settings.clone();
        settings.entry("keys").or_insert("registry".into());
        settings.insert("modes".to_owned(), json!([mode.word()]));
        let mock = MockHost::new(&Value::from(settings).to_string()).unwrap();
        for (instance, kind, name, value) in records {
            mock.set_record(instance, kind, name, value.clone());
        }
        Self { mock, sent: 0 }
    }

    /// What clients were sent since this was asked last.
    fn sent(&mut self, who: &Who) -> Vec<(String, String)> {
        assert_eq!(self.mock.logs(), []);
        let all = self.mock.published();
        let new = all.get(self.sent..).unwrap().iter().map(|sent| {
            assert_eq!(
                (&*sent.instance, sent.client_id.as_deref()),
                (&*who.instance, Some(&*who.client_id))
            );
            told(&sent.message)
        });
        let new = new.collect();
        self.sent = all.len();
        new
    }

    fn access(&mut self, who: &Who, said: Access) -> login_cases::Access {
        let (says, reason) = match said {
            Access::Allow => ("allow", String::new()),
            Access::Disconnect { reason } => ("disconnect", reason),
            Access::Next => ("next", String::new()),
            other => panic!("{other:?}"),
        };
        let told = self.sent(who);
        login_cases::Access { says, reason, told }
    }
}

fn told(message: &NewMessage) -> (String, String) {
    let payload = String::from_utf8(message.payload.clone()).unwrap();
    assert_eq!(*message, NewMessage::new(message.topic.clone(), payload.clone()));
    (message.topic.clone(), payload)
}

fn client(who: &Who) -> MockClient {
    let client = MockClient::new(&who.client_id)
        .instance(&who.instance)
        .attrs(&who.attrs.clone().into());
    match &who.username {
        Some(username) => client.username(username),
        None => client,
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn done(said: Controlling) -> Done {
    match said {
        Controlling::Pass => Done::default(),
        Controlling::Disconnect { code, reason } => {
            assert_eq!(code, Some(NOT_AUTHORIZED));
            Done {
                disconnect: Some(reason),
                ..Done::default()
            }
        }
        Controlling::Do(controlled) => Done {
            messages: controlled.messages.iter().map(told).collect(),
            expires_at: controlled.expires_at,
            attrs: controlled.attrs.map(object),
            acl: controlled.acl,
            depends: controlled.depends,
            disconnect: None,
        },
    }
}

impl Policy for Compiled {
    fn time_is(&mut self, seconds: f64) {
        let now = self.mock.host().unwrap().now().as_secs_f64();
        self.mock
            .advance(Duration::from_millis(((seconds - now) * 1000.0).round() as u64));
    }

    fn record(&mut self, instance: &str, kind: &str, name: &str, value: &Value) {
        self.mock.set_record(instance, kind, name, value.clone());
    }

    fn connect(&mut self, username: Option<&str>) -> Option<String> {
        let connect = MockConnect {
            username: username.map(str::to_owned),
            ..MockConnect::default()
        };
        match self.mock.connect(&MockClient::new("x"), &connect).unwrap() {
            Connecting::Pass => None,
            Connecting::Patch(patch) => {
                let rest = ConnectPatch {
                    instance: None,
                    ..patch.clone()
                };
                assert_eq!(rest, ConnectPatch::default());
                patch.instance
            }
            other => panic!("{other:?}"),
        }
    }

    fn authenticate(&mut self, who: &Who, password: Option<&[u8]>) -> login_cases::Verdict {
        let said = self
            .mock
            .authenticate(&client(who), who.username.as_deref(), password)
            .unwrap();
        assert_eq!(self.sent(who), []);
        match said {
            Login::Allow(grant) => {
                let rest = Grant {
                    attrs: Value::Null,
                    acl: Vec::new(),
                    expires_at: None,
                    depends: Vec::new(),
                    any_client_id: false,
                    ..grant.clone()
                };
                assert_eq!(rest, Grant::default());
                login_cases::Verdict::Allow(login_cases::Grant {
                    attrs: object(grant.attrs),
                    acl: grant.acl,
                    expires_at: grant.expires_at,
                    depends: grant.depends,
                    any_client_id: grant.any_client_id,
                })
            }
            Login::Deny { code, reason } => login_cases::Verdict::Deny(code.unwrap(), reason),
            Login::Next => login_cases::Verdict::Next,
            other => panic!("{other:?}"),
        }
    }

    fn publish(&mut self, who: &Who, topic: &str) -> login_cases::Access {
        let said = self.mock.authorize_publish(&client(who), topic, 1, false, b"");
        self.access(who, said.unwrap())
    }

    fn subscribe(&mut self, who: &Who, filter: &str) -> login_cases::Access {
        let said = self.mock.authorize_subscribe(&client(who), filter, 2, None);
        self.access(who, said.unwrap())
    }

    fn control(&mut self, who: &Who, payload: &str) -> Done {
        let message = NewMessage::new(token::UPLOAD, payload);
        let said = self.mock.control(&client(who), &message).unwrap();
        assert_eq!(self.sent(who), []);
        done(said)
    }

    fn expiring(&mut self, who: &Who, expires_at: f64, ended: bool) -> Done {
        let said = self.mock.expiring(&client(who), expires_at, ended).unwrap();
        assert_eq!(self.sent(who), []);
        done(said)
    }
}

fn hold(mode: Mode, table: &str) {
    let table = login_cases::Table::read(table);
    table.hold(|settings, records| Compiled::load(mode, settings, records));
}

#[test]
fn signatures_with_keys_of_the_registry() {
    hold(
        Mode::Signature,
        include_str!("../../../tests/policy/signature_cases.json"),
    );
}

#[test]
fn tokens() {
    hold(
        Mode::Token,
        include_str!("../../../tests/policy/token_cases.json"),
    );
}

#[test]
fn device_credentials() {
    hold(
        Mode::Device,
        include_str!("../../../tests/policy/device_cases.json"),
    );
}

#[test]
fn custom_authentication() {
    hold(
        Mode::Custom,
        include_str!("../../../tests/policy/custom_cases.json"),
    );
}
