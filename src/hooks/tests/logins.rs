//! What policies say of a client before it is in, and of its login afterwards.

use super::*;
use crate::codec::{Connect, ConnectProperties, ProtocolVersion};

pub(super) fn connect(client_id: &str) -> Connect {
    Connect {
        version: ProtocolVersion::V5,
        client_id: client_id.to_owned(),
        clean_start: true,
        keep_alive: 60,
        username: None,
        password: None,
        will: None,
        properties: ConnectProperties::default(),
    }
}

/// What becomes of a CONNECT with this client id, and whose client it is then.
fn connected(scripts: &[&str], client_id: &str) -> (ConnectChange, String) {
    let shard = Chain::of(scripts).shard();
    let chain = shard.hooks.chain().clone();
    let mut client = client(client_id);
    let change = block(chain.connect(&mut client, &mut connect(client_id)));
    (change, client.instance.to_string())
}

const MOVES: &str = r#"return { connect = function(ctx, connect)
    if connect.client_id == "moves" then return { instance = "mqtt-" .. #ctx.instance } end
    if connect.client_id == "none" then return { instance = "" } end
    if connect.client_id == "long" then return { instance = string.rep("i", 513) } end
    if connect.client_id == "number" then return { instance = 7 } end
end }"#;

#[test]
fn connect_says_which_instance_a_client_is_of() {
    let (change, instance) = connected(&[MOVES], "moves");
    assert_eq!((change, &*instance), (ConnectChange::Pass, "mqtt-9"));
    // Who is asked next sees the client as one of that instance.
    let (_, instance) = connected(&[MOVES, MOVES], "moves");
    assert_eq!(instance, "mqtt-6");
    let (_, instance) = connected(&[MOVES], "stays");
    assert_eq!(instance, "mqtt-demo");
}

/// The text is often a stranger's: what cannot be an instance refuses that client, and is no failure of the policy.
#[test]
fn an_instance_that_cannot_be_one_refuses_the_client() {
    use crate::codec::ReasonCode;
    for (client_id, errors, refused) in [
        ("none", 0, ReasonCode::NOT_AUTHORIZED),
        ("long", 0, ReasonCode::NOT_AUTHORIZED),
        ("number", 1, ReasonCode::SERVER_UNAVAILABLE),
    ] {
        let chain = Chain::of(&[MOVES]);
        let shard = chain.shard();
        let hooks = shard.hooks.chain().clone();
        let mut client = client(client_id);
        let change = block(hooks.connect(&mut client, &mut connect(client_id)));
        let ConnectChange::Reject { code, .. } = change else {
            panic!("{client_id}: {change:?}");
        };
        assert_eq!(
            (code, &*client.instance, shard.totals("a").errors),
            (refused, "mqtt-demo", errors),
            "{client_id}"
        );
    }
}

/// What a policy grants whose `authenticate` answers this.
fn granted(answer: &str) -> Result<Grant, AuthDecision> {
    let script = format!("return {{ authenticate = function(ctx) return \"allow\", {answer} end }}");
    match Chain::of(&[&script]).shard().login(None) {
        AuthDecision::Allow(grant) => Ok(grant),
        other => Err(other),
    }
}

#[test]
fn a_login_depends_on_records_and_frees_the_client_id() {
    let grant = granted(r#"{ any_client_id = true, depends = { "key/AK", "group/GID_a" } }"#).unwrap();
    assert!(grant.any_client_id && grant.depends.has("key", "AK") && grant.depends.has("group", "GID_a"));
    let grant = granted("{ depends = {} }").unwrap();
    assert!(!grant.any_client_id && grant.depends.is_empty());
    for wrong in [
        "{ any_client_id = 1 }",
        "{ depends = \"key/AK\" }",
        "{ depends = { \"key\" } }",
        "{ depends = { 7 } }",
    ] {
        let refused = granted(wrong).unwrap_err();
        let failed = AuthDecision::Deny {
            code: crate::codec::ReasonCode::SERVER_UNAVAILABLE,
            reason: "policy `a` failed".into(),
        };
        assert_eq!(refused, failed, "{wrong}");
    }
}

#[test]
fn a_login_can_be_given_something_else_to_bring() {
    let expiring = |scripts: &[&str]| {
        let shard = Chain::of(scripts).shard();
        let chain = shard.hooks.chain().clone();
        (block(chain.expiring(&shard.client, 5.0, true)), shard)
    };
    let whole = r#"return { expiring = function(ctx, expires_at, ended) return {
        expires_at = expires_at + 1, attrs = { role = "a" }, acl = {}, depends = { "key/AK" },
    } end }"#;
    let (all, _) = expiring(&[whole]);
    assert_eq!(
        (all.expires_at, &all.attrs.unwrap()["role"]),
        (Some(6.0), &"a".into())
    );
    assert_eq!(all.acl, Some(Arc::default()));
    assert!(all.depends.unwrap().has("key", "AK"));
    // What a policy says nothing about stays what the one before it said.
    let (both, _) = expiring(&[
        whole,
        r#"return { expiring = function() return { attrs = {}, depends = {} } end }"#,
    ]);
    assert_eq!(
        (both.expires_at, both.attrs),
        (Some(6.0), Some(serde_json::Map::new()))
    );
    assert_eq!(
        (both.acl, both.depends),
        (Some(Arc::default()), Some(Depends::default()))
    );
    let (none, shard) = expiring(&["return { expiring = function() return { attrs = { 1, 2 } } end }"]);
    assert_eq!((none, shard.totals("a").errors), (Controlled::default(), 1));
}

#[test]
fn a_renewed_client_keeps_what_is_not_renewed() {
    let acl = Arc::new(Acl::new(vec![Rule::parse("deny", "all", "#").unwrap()]));
    let attrs = serde_json::json!({ "role": "a" }).as_object().unwrap().clone();
    let before = client("GID_a@@@one").renewed(Some(attrs), Some(acl));
    assert!(before.has_rights() && before.attrs()["role"] == "a");
    let after = before.renewed(Some(serde_json::Map::new()), None);
    assert!(after.has_rights() && after.attrs().is_empty() && after.serial() != before.serial());
    let after = before.renewed(None, Some(Arc::default()));
    assert_eq!(
        (
            &after.attrs()["role"],
            after.acl().unwrap().decide(Action::Publish, "a")
        ),
        (&"a".into(), None)
    );
}
