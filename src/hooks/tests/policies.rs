//! Runs the tests that lie beside the policies that ship.
//!
//! A test file gets: `policy(settings)`, which loads the policy anew and returns its table; `client{...}`, which makes a
//! `ctx` of a table; `refuses(settings, text)`, which says that loading fails with that text; and `test(name, function)`.

use super::*;
use crate::hooks::host::{Host, modules::Modules};
use crate::hooks::lua::sandbox::Sandbox;
use crate::hooks::source;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

const HARNESS: &str = r#"
local load_policy = ...
local tests = {}
function test(name, body) table.insert(tests, { name = name, body = body }) end
function client(fields) return fields end
function policy(settings)
    local loaded = load_policy()
    if loaded.on_load then loaded.on_load(settings) end
    return loaded
end
function refuses(settings, text)
    local ok, why = pcall(policy, settings)
    if ok then error("it was not refused, with: " .. text, 2) end
    if not string.find(tostring(why), text, 1, true) then error(tostring(why) .. "\n  does not say: " .. text, 2) end
end
return function()
    local failures = {}
    for _, t in tests do
        local ok, why = pcall(t.body)
        if not ok then table.insert(failures, t.name .. ": " .. tostring(why)) end
    end
    return #tests, table.concat(failures, "\n")
end
"#;

fn run(name: &str) {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let read = |file: String| source::read(name, format!("scripts/{file}"), scripts.join(file)).unwrap();
    let (policy, tests) = (read(format!("{name}.lua")), read(format!("{name}_test.lua")));
    let sandbox = Sandbox::new(
        Host::new(name, 64 << 20, &Arc::default()),
        Rc::new(Modules::loaded(&[])),
    )
    .unwrap();
    let main = sandbox.load(&policy.bytecode, &policy.file).unwrap();
    let harness = sandbox
        .lua
        .load(HARNESS)
        .set_name("=harness")
        .into_function()
        .unwrap();
    let run: mlua::Function = harness.call(main).unwrap();
    sandbox
        .load(&tests.bytecode, &tests.file)
        .unwrap()
        .call::<()>(())
        .unwrap();
    let (ran, failures): (usize, String) = sandbox.call(&run, Duration::from_secs(5), None, ()).unwrap();
    assert!(ran > 0 && failures.is_empty(), "{failures}");
}

#[test]
fn auth_passes_its_tests() {
    run("auth");
}

#[test]
fn acl_passes_its_tests() {
    run("acl");
}

#[test]
fn paho_passes_its_tests() {
    run("paho");
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
