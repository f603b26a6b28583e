//! The policies that ship pass the tests that lie beside them, and do what the demo shows.

use super::*;
use std::path::PathBuf;
use std::time::Duration;

fn run(name: &str) {
    run_in("scripts", name);
}

fn run_in(folder: &str, name: &str) {
    let script = PathBuf::from(format!("{folder}/{name}.lua"));
    let report = prove::run(&script, std::path::Path::new(env!("CARGO_MANIFEST_DIR")), "").unwrap();
    for test in &report.tests {
        if let Some(failure) = &test.failure {
            panic!("{}: {failure:?}", test.name);
        }
    }
    assert!(!report.tests.is_empty());
    let unseen: Vec<&String> = report
        .coverage
        .iter()
        .filter(|(_, seen)| seen.is_empty())
        .map(|(hook, _)| hook)
        .collect();
    assert!(unseen.is_empty(), "no test calls {unseen:?}");
}

macro_rules! passes {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            run(stringify!($name));
        }
    )*};
}

passes!(acl auth auth_certificate auth_custom auth_device auth_http auth_jwt auth_postgres auth_token offline_push paho rate_limit rewrite transform webhook);

/// What `dunlin new` writes is good as it is.
#[test]
fn the_templates_are_good_and_pass_their_tests() {
    for name in ["acl", "auth", "rule", "transform"] {
        run_in("src/cli/templates", name);
        let entry = PolicyEntry::new(name, format!("src/cli/templates/{name}.lua"));
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(check(&[entry], base), []);
    }
}

/// The policies that ship, as dunlin.toml would have them.
pub(super) fn shipped() -> (Vec<PolicyEntry>, PathBuf) {
    let mut auth = PolicyEntry::new("auth", "scripts/auth.lua");
    auth.settings = toml::from_str("instance = 'mqtt-demo'\nkeys = { demo = 'XXXXX' }").unwrap();
    let acl = PolicyEntry::new("acl", "scripts/acl.lua");
    (vec![auth, acl], PathBuf::from(env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn the_shipped_chain_lets_a_signed_client_in_and_holds_it_to_the_rules() {
    let (entries, base) = shipped();
    assert_eq!(check(&entries, &base), []);
    let generation =
        Arc::new(Generation::load(1, &entries, &HookDefaults::default(), &base, &Arc::default()).unwrap());
    let (username, password) = generation.credentials("GID_Test@@@0001").unwrap().unwrap();
    assert_eq!(username, "Signature|demo|mqtt-demo");
    let metrics = Arc::new(HookMetrics::default());
    let mut hooks = ShardHooks::instantiate(&generation, &metrics, 0, 10).unwrap();
    let before = Client::new(ClientParts {
        instance: "mqtt-demo".into(),
        client_id: "GID_Test@@@0001".into(),
        username: Some(username.as_str().into()),
        peer: "192.0.2.7:1".into(),
        listener: "tcp".into(),
        tls: None,
        protocol_version: crate::codec::ProtocolVersion::V311,
    });
    let login = |hooks: &mut ShardHooks, password: &str| {
        block(hooks.chain().authenticate(&AuthRequest {
            client: &before,
            password: Some(password.as_bytes()),
            method: None,
            data: None,
        }))
    };
    let AuthDecision::Allow(grant) = login(&mut hooks, &password) else {
        panic!("not let in")
    };
    let AuthDecision::Deny { code, .. } = login(&mut hooks, "wrong") else {
        panic!("let in")
    };
    assert_eq!(code.0, 0x86);
    let client = before.with_attrs(grant.attrs);
    assert_eq!(client.attrs()["access_key"], "demo");
    let mut shard = Shard {
        hooks,
        metrics,
        client,
    };
    let answer = shard.ask_publish("demo/x", b"");
    assert_eq!(answer.decision, PublishDecision::Allow);
    let rule = answer.cache.unwrap();
    assert!(rule.ttl == Duration::from_secs(60) && rule.by == Inputs::TOPIC);
    assert_eq!(shard.may_publish("other"), denied("no policy allows it"));
    assert_eq!(
        shard.may_subscribe("demo/#"),
        SubscribeDecision::Allow(QoS::ExactlyOnce)
    );
    assert_eq!(
        shard.may_subscribe("secret/#"),
        SubscribeDecision::Deny("denied by policy `acl`".into())
    );
}
