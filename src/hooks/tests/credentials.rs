//! Access keys of the registry, tokens, device credentials and custom authentication, case by case: the tables that the scripts and `plugins/auth` are
//! both held to. `plugins/auth/src/tests.rs` holds the plugin to them.

use super::auth::auth_cases;
#[path = "../../../tests/policy/login_cases.rs"]
mod login_cases;

use super::*;
use crate::store::registry::{Expect, RecordKey, Registry};
use login_cases::{Access, Done, Policy, Record, Table, Verdict, Who};
use serde_json::{Map, Value};
use std::time::Duration;

const SIGNATURES: &str = include_str!("../../../tests/policy/signature_cases.json");
const DEVICES: &str = include_str!("../../../tests/policy/device_cases.json");

/// A policy on one shard, with a registry of its own. A script's clock stands still; that of a plugin cannot be set, so the plugin is
/// held to the tables here whose answers have no time in them.
struct Loaded {
    hooks: ShardHooks,
    registry: Arc<Registry>,
}

impl Loaded {
    fn load(entry: PolicyEntry, settings: &Map<String, Value>, records: &[Record]) -> Loaded {
        let registry = Arc::new(Registry::default());
        let services = Arc::new(Services::default());
        services.read_registry(&registry);
        let mut settings = settings.clone();
        settings.entry("keys").or_insert("registry".into());
        let entry = PolicyEntry {
            budget: Duration::from_secs(2),
            load_budget: Some(Duration::from_secs(30)),
            settings: serde_json::from_value(settings.into()).unwrap(),
            ..entry
        };
        let base = Path::new(env!("CARGO_MANIFEST_DIR"));
        let generation = Generation::load(1, &[entry], &HookDefaults::default(), base, &services);
        let metrics = Arc::new(HookMetrics::default());
        let hooks = ShardHooks::instantiate(&Arc::new(generation.unwrap()), &metrics, 0, 10).unwrap();
        let mut loaded = Loaded { hooks, registry };
        for (instance, kind, name, value) in records {
            loaded.record(instance, kind, name, value);
        }
        loaded.time_is(1_700_000_000.0);
        loaded
    }

    /// What clients were sent since this was asked last.
    fn sent(&mut self, who: &Who) -> Vec<(String, String)> {
        let effects = self.hooks.take_effects(100).into_iter();
        let sent = effects.map(|effect| match effect.wish {
            Wish::P2p { client_id, message } => {
                assert_eq!(effect.instance.as_deref(), Some(&*who.instance));
                assert_eq!(*client_id, *who.client_id);
                told(&message)
            }
            other => panic!("{other:?}"),
        });
        sent.collect()
    }
}

fn told(message: &NewMessage) -> (String, String) {
    assert!(message.qos == QoS::AtMostOnce && !message.retain && message.properties == Properties::default());
    let payload = String::from_utf8(message.payload.to_vec()).unwrap();
    (message.topic.to_string(), payload)
}

fn client_of(who: &Who) -> Arc<Client> {
    let parts = ClientParts {
        instance: who.instance.as_str().into(),
        client_id: who.client_id.as_str().into(),
        username: who.username.as_deref().map(Into::into),
        peer: "192.0.2.7:1".into(),
        listener: "tcp".into(),
        tls: None,
        protocol_version: crate::codec::ProtocolVersion::V5,
    };
    Client::new(parts).with_attrs(who.attrs.clone())
}

fn texts(depends: &Depends) -> Vec<String> {
    depends.records().map(str::to_owned).collect()
}

fn done(controlled: Controlled) -> Done {
    Done {
        messages: controlled.messages.iter().map(told).collect(),
        expires_at: controlled.expires_at,
        attrs: controlled.attrs,
        acl: controlled.acl.map(|acl| acl.written()),
        depends: controlled.depends.as_ref().map(texts),
        disconnect: controlled.disconnect.map(|(_, reason)| reason.to_string()),
    }
}

impl Policy for Loaded {
    fn time_is(&mut self, seconds: f64) {
        self.hooks.chain().set_time(Duration::from_secs_f64(seconds));
    }

    fn record(&mut self, instance: &str, kind: &str, name: &str, value: &Value) {
        let key = RecordKey::new(instance, kind, name);
        match value.as_object() {
            Some(value) => block(self.registry.put(key, value.clone(), Expect::Whatever)).unwrap(),
            None => drop(block(self.registry.remove(key))),
        }
    }

    fn connect(&mut self, username: Option<&str>) -> Option<String> {
        let before = "mqtt-before";
        let mut client = client("x").of_instance(before.into());
        let mut connect = logins::connect("x");
        connect.username = username.map(str::to_owned);
        let chain = self.hooks.chain().clone();
        assert_eq!(
            block(chain.connect(&mut client, &mut connect)),
            ConnectChange::Pass
        );
        (&*client.instance != before).then(|| client.instance.to_string())
    }

    fn authenticate(&mut self, who: &Who, password: Option<&[u8]>) -> Verdict {
        let client = client_of(who);
        let request = AuthRequest {
            client: &client,
            password,
            method: None,
            data: None,
        };
        let chain = self.hooks.chain().clone();
        match block(chain.authenticate(&request)) {
            AuthDecision::Allow(grant) => {
                assert_eq!((grant.session, grant.data), (SessionSettings::default(), None));
                Verdict::Allow(login_cases::Grant {
                    attrs: grant.attrs,
                    acl: grant.acl.map(|acl| acl.written()).unwrap_or_default(),
                    expires_at: grant.expires_at,
                    depends: texts(&grant.depends),
                    any_client_id: grant.any_client_id,
                })
            }
            // What the chain says when its only policy has no opinion.
            AuthDecision::Deny { reason, .. } if &*reason == "no policy knows these credentials" => {
                Verdict::Next
            }
            AuthDecision::Deny { code, reason } => Verdict::Deny(code.0, reason.to_string()),
            AuthDecision::Continue(_) => panic!("an exchange began"),
        }
    }

    fn publish(&mut self, who: &Who, topic: &str) -> Access {
        let request = PublishRequest {
            topic,
            qos: QoS::AtLeastOnce,
            retain: false,
            origin: Origin::Client,
            payload: b"",
        };
        let said = self.hooks.authorize_publish(&client_of(who), &request).decision;
        let (says, reason) = match said {
            PublishDecision::Allow => ("allow", String::new()),
            PublishDecision::Disconnect(reason) => ("disconnect", reason.to_string()),
            PublishDecision::Deny(denial) if &*denial.reason == "no policy allows it" => {
                ("next", String::new())
            }
            PublishDecision::Deny(denial) => ("deny", denial.reason.to_string()),
        };
        let told = self.sent(who);
        Access { says, reason, told }
    }

    fn subscribe(&mut self, who: &Who, filter: &str) -> Access {
        let request = SubscribeRequest {
            filter,
            qos: QoS::ExactlyOnce,
            share: None,
        };
        let said = self.hooks.authorize_subscribe(&client_of(who), &request).decision;
        let (says, reason) = match said {
            SubscribeDecision::Allow(_) => ("allow", String::new()),
            SubscribeDecision::Disconnect(reason) => ("disconnect", reason.to_string()),
            SubscribeDecision::Deny(denial) if &*denial.reason == "no policy allows it" => {
                ("next", String::new())
            }
            SubscribeDecision::Deny(denial) => ("deny", denial.reason.to_string()),
        };
        let told = self.sent(who);
        Access { says, reason, told }
    }

    fn control(&mut self, who: &Who, payload: &str) -> Done {
        let event = PublishEvent {
            topic: "$SYS/uploadToken".into(),
            payload: payload.to_owned().into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Arc::default(),
            origin: Origin::Client,
            id: crate::message::MessageId(1),
        };
        let chain = self.hooks.chain().clone();
        let controlled = block(chain.control(&client_of(who), event));
        assert_eq!(self.sent(who), []);
        done(controlled)
    }

    fn expiring(&mut self, who: &Who, expires_at: f64, ended: bool) -> Done {
        let chain = self.hooks.chain().clone();
        let controlled = block(chain.expiring(&client_of(who), expires_at, ended));
        assert_eq!(self.sent(who), []);
        done(controlled)
    }
}

fn hold(name: &str, table: &str) {
    let entry = PolicyEntry::new(name, format!("scripts/{name}.lua"));
    Table::read(table).hold(|settings, records| Loaded::load(entry.clone(), settings, records));
}

/// The plugin, with one of its modes.
fn hold_the_plugin(mode: &str, table: &str) {
    let entry = PolicyEntry::compiled("auth", super::built::shipped("auth"));
    Table::read(table).hold(|settings, records| {
        let mut settings = settings.clone();
        settings.insert("modes".to_owned(), vec![mode].into());
        Loaded::load(entry.clone(), &settings, records)
    });
}

#[test]
fn the_plugin_and_keys_of_the_registry() {
    hold_the_plugin("Signature", SIGNATURES);
}

#[test]
fn the_plugin_and_device_credentials() {
    hold_the_plugin("DeviceCredential", DEVICES);
}

#[test]
fn signatures_with_keys_of_the_registry() {
    hold("auth", SIGNATURES);
}

#[test]
fn tokens() {
    hold(
        "auth_token",
        include_str!("../../../tests/policy/token_cases.json"),
    );
}

#[test]
fn device_credentials() {
    hold("auth_device", DEVICES);
}

#[test]
fn custom_authentication() {
    hold(
        "auth_custom",
        include_str!("../../../tests/policy/custom_cases.json"),
    );
}
