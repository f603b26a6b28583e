//! How answers combine, what failures count as, what may be cached.

use super::*;
use crate::config::hooks::{AnswerFallback, Fallback, TransformFallback, Verdict};
use crate::message::Origin;
use std::time::Duration;

const ALLOW: &str = "return 'allow'";
const DENY: &str = "return 'deny', 'no'";
const NEXT: &str = "return 'next'";
const DISCONNECT: &str = "return 'disconnect', 'out'";
const BROKEN: &str = "error('broken')";

fn decide(bodies: &[&str]) -> PublishDecision {
    let scripts: Vec<String> = bodies.iter().map(|body| publish_policy(body)).collect();
    Chain::of(&scripts.iter().map(String::as_str).collect::<Vec<_>>())
        .shard()
        .may_publish("t")
}

#[test]
fn the_first_deny_ends_it_and_a_yes_needs_an_allow() {
    assert_eq!(decide(&[ALLOW]), PublishDecision::Allow);
    assert_eq!(decide(&[NEXT, ALLOW, NEXT]), PublishDecision::Allow);
    assert_eq!(decide(&[ALLOW, DENY]), denied("no"));
    assert_eq!(decide(&[DENY, ALLOW]), denied("no"));
    assert_eq!(decide(&["return 'deny'"]), denied("denied by policy `a`"));
    assert_eq!(
        decide(&[ALLOW, DISCONNECT, DENY]),
        PublishDecision::Disconnect("out".into())
    );
    assert_eq!(decide(&[NEXT, NEXT]), denied("no policy allows it"));
    assert_eq!(decide(&[ALLOW, BROKEN]), denied("policy `b` failed"));
    let reached = decide(&[DENY, "error('an entry after a deny is not asked')"]);
    assert_eq!(reached, denied("no"));
}

#[test]
fn the_default_decides_when_no_one_does() {
    let mut chain = Chain::of(&[&publish_policy(NEXT)]);
    chain.defaults = HookDefaults {
        authenticate: Verdict::Allow,
        authorize_publish: Verdict::Allow,
        authorize_subscribe: Verdict::Allow,
    };
    let mut shard = chain.shard();
    assert_eq!(shard.may_publish("t"), PublishDecision::Allow);
    assert_eq!(
        shard.may_subscribe("t"),
        SubscribeDecision::Allow(QoS::ExactlyOnce)
    );
    assert_eq!(shard.login(None), AuthDecision::Allow(Grant::default()));
    assert!(shard.hooks.wants(Hook::AuthorizePublish) && !shard.hooks.wants(Hook::Authenticate));
    let generation = Arc::new(Generation::empty(7, HookDefaults::default()));
    shard.hooks = ShardHooks::instantiate(&generation, &shard.metrics, 0, 0).unwrap();
    assert_eq!(shard.may_publish("t"), denied("no policy allows it"));
    assert_eq!(shard.hooks.generation().number(), 7);
}

#[test]
fn fallbacks_stand_in_for_failures() {
    let with = |fallback| {
        let mut chain = Chain::of(&[&publish_policy(BROKEN), &publish_policy(ALLOW)]);
        chain.entries[0].on_error = Fallback {
            answer: fallback,
            ..Fallback::default()
        };
        chain.shard()
    };
    assert_eq!(
        with(AnswerFallback::Next).may_publish("t"),
        PublishDecision::Allow
    );
    assert_eq!(
        with(AnswerFallback::Allow).may_publish("t"),
        PublishDecision::Allow
    );
    let mut shard = with(AnswerFallback::Deny);
    assert_eq!(shard.may_publish("t"), denied("policy `a` failed"));
    assert_eq!((shard.totals("a").errors, shard.totals("b").calls), (1, 0));
}

#[test]
fn timeouts_have_a_fallback_of_their_own() {
    let mut chain = Chain::of(&[&publish_policy("while true do end")]);
    chain.entries[0].on_timeout = Fallback {
        answer: AnswerFallback::Allow,
        ..Fallback::default()
    };
    let mut shard = chain.shard();
    assert_eq!(shard.may_publish("t"), PublishDecision::Allow);
    assert_eq!((shard.totals("a").timeouts, shard.totals("a").errors), (1, 0));
}

#[test]
fn nonsense_is_an_error() {
    // Behind a call, or it would be refused before it is asked.
    for body in [
        "",
        "return true",
        "return 'alow'",
        "return 1",
        "return 'deny', 42",
        "return 'allow', 'please'",
    ] {
        let body = format!("return (function() {body} end)()");
        assert_eq!(decide(&[&body]), denied("policy `a` failed"), "{body}");
    }
}

#[test]
fn a_policy_that_keeps_failing_is_no_longer_asked() {
    let mut chain = Chain::of(&[&publish_policy(
        "if topic == 'good' then return 'allow' end error('x')",
    )]);
    chain.entries[0].breaker.probe = Duration::from_millis(30);
    let mut shard = chain.shard();
    for _ in 0..50 {
        assert_eq!(shard.may_publish("bad"), denied("policy `a` failed"));
    }
    let totals = shard.totals("a");
    assert_eq!(
        (totals.calls, totals.refused, totals.opened, totals.open),
        (20, 30, 1, 1)
    );
    assert_eq!(shard.may_publish("good"), denied("policy `a` failed"));
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(shard.may_publish("good"), PublishDecision::Allow);
    assert_eq!(shard.totals("a").open, 0);
}

#[test]
fn a_subscription_gets_the_lowest_qos_that_was_allowed() {
    let allow =
        |qos: &str| format!("return {{ authorize_subscribe = function() return 'allow', {qos} end }}");
    let qos = |one: &str, two: &str| {
        Chain::of(&[&allow(one), &allow(two)])
            .shard()
            .may_subscribe("a/#")
    };
    assert_eq!(qos("1", "nil"), SubscribeDecision::Allow(QoS::AtLeastOnce));
    assert_eq!(qos("2", "0"), SubscribeDecision::Allow(QoS::AtMostOnce));
    assert_eq!(qos("3", "0"), SubscribeDecision::Deny("policy `a` failed".into()));
}

#[test]
fn subscriptions_see_filter_qos_and_share() {
    let script = r#"return { authorize_subscribe = function(ctx, filter, qos, share)
        return "deny", `{ctx.client_id} {filter} {qos} {tostring(share)}`
    end }"#;
    let mut shard = Chain::of(&[script]).shard();
    let request = SubscribeRequest {
        filter: "a/+",
        qos: QoS::AtLeastOnce,
        share: Some("workers"),
    };
    let answer = shard.hooks.authorize_subscribe(&shard.client, &request);
    assert_eq!(
        answer.decision,
        SubscribeDecision::Deny("GID_a@@@one a/+ 1 workers".into())
    );
    assert_eq!(
        shard.may_subscribe("b"),
        SubscribeDecision::Deny("GID_a@@@one b 2 nil".into())
    );
}

fn cached(cache: &str, body: &str) -> String {
    format!(
        "return {{ cache = {{ authorize_publish = {cache} }},
         authorize_publish = function(ctx, topic, qos, retain, size) {body} end }}"
    )
}

#[test]
fn an_answer_is_cacheable_when_every_entry_says_so() {
    let by_topic = cached("{ ttl = 60, by = { 'topic' } }", ALLOW);
    let by_qos = cached("{ ttl = 5, by = { 'topic', 'qos' } }", NEXT);
    let rule = Chain::of(&[&by_topic, &by_qos])
        .shard()
        .ask_publish("t", b"")
        .cache
        .unwrap();
    assert_eq!(
        rule,
        CacheRule {
            ttl: Duration::from_secs(5),
            by: Inputs::TOPIC.union(Inputs::QOS)
        }
    );
    assert_eq!(
        Chain::of(&[&by_topic, &publish_policy(NEXT)])
            .shard()
            .ask_publish("t", b"")
            .cache,
        None
    );
    let failed = cached("{ ttl = 60, by = { 'topic' } }", BROKEN);
    assert_eq!(Chain::of(&[&failed]).shard().ask_publish("t", b"").cache, None);
    let denying = cached("{ ttl = 60, by = { 'topic' } }", DENY);
    assert!(
        Chain::of(&[&denying])
            .shard()
            .ask_publish("t", b"")
            .cache
            .is_some()
    );
}

#[test]
fn a_caching_policy_is_shown_only_what_it_is_cached_by() {
    // Parameters that are assigned to are not followed, or what is nil here would be refused.
    let body = "qos, retain = qos, retain return 'deny', `{tostring(topic)} {tostring(qos)} {tostring(retain)} {tostring(size)}`";
    let script = cached("{ ttl = 1, by = { 'topic', 'size' } }", body);
    assert_eq!(
        Chain::of(&[&script]).shard().may_publish("t"),
        denied("t nil nil 5")
    );
    assert_eq!(
        Chain::of(&[&publish_policy(body)]).shard().may_publish("t"),
        denied("t 1 false 5")
    );
}

#[test]
fn the_payload_goes_only_to_who_declares_it() {
    let body = "payload = payload return 'deny', tostring(payload)";
    assert_eq!(
        Chain::of(&[&publish_policy(body)]).shard().may_publish("t"),
        denied("nil")
    );
    let declared = publish_policy(body).replace(
        "return { auth",
        "return { payload = { 'authorize_publish' }, auth",
    );
    assert_eq!(Chain::of(&[&declared]).shard().may_publish("t"), denied("hello"));
}

#[test]
fn logins_are_decided_by_the_first_that_says_something() {
    let script = r#"return { authenticate = function(ctx, username, password)
        if password == "next" then return "next" end
        if password == "bad" then return "deny", 0x86, "bad password" end
        return "allow", { attrs = { role = password, list = { 1, 2 } }, keep_alive = 30, session_expiry = 60 }
    end }"#;
    let second = "return { authenticate = function() return 'deny' end }";
    let mut shard = Chain::of(&[script, second]).shard();
    let AuthDecision::Allow(grant) = shard.login(Some(b"meter")) else {
        panic!()
    };
    assert_eq!(
        serde_json::Value::Object(grant.attrs),
        serde_json::json!({"role": "meter", "list": [1, 2]})
    );
    assert_eq!(
        (grant.session.keep_alive, grant.session.session_expiry),
        (Some(30), Some(60))
    );
    assert_eq!(grant.session.receive_maximum, None);
    let deny = |code, reason: &str| AuthDecision::Deny {
        code: crate::codec::ReasonCode(code),
        reason: reason.into(),
    };
    assert_eq!(shard.login(Some(b"bad")), deny(0x86, "bad password"));
    assert_eq!(shard.login(Some(b"next")), deny(0x87, "denied by policy `b`"));
}

#[test]
fn a_grant_is_read_strictly() {
    let grant = |grant: &str| {
        let script =
            format!("return {{ authenticate = function() local grant = {grant} return 'allow', grant end }}");
        Chain::of(&[&script]).shard().login(None)
    };
    let failed = AuthDecision::Deny {
        code: crate::codec::ReasonCode::SERVER_UNAVAILABLE,
        reason: "policy `a` failed".into(),
    };
    for wrong in [
        "{ atrs = {} }",
        "{ keep_alive = 70000 }",
        "{ keep_alive = '1' }",
        "{ receive_maximum = 0 }",
        "7",
        "{ attrs = { f = print } }",
        "{ attrs = { 1 } }",
        "{ attrs = { x = ('x'):rep(100000) } }",
    ] {
        assert_eq!(grant(wrong), failed, "{wrong}");
    }
    assert!(matches!(
        grant("{ receive_maximum = 10, attrs = {} }"),
        AuthDecision::Allow(_)
    ));
}

#[test]
fn an_exchange_goes_on_with_the_policy_that_began_it() {
    let script = r#"return {
        authenticate = function(ctx, username, password, method, data)
            if method ~= "COUNT" then return "next" end
            return "continue", "1", { step = 1, seen = { data } }
        end,
        auth_continue = function(ctx, method, data, state)
            if state == nil then return "continue", "again", { step = 2 } end
            if state.step < 3 then return "continue", tostring(state.step + 1), { step = state.step + 1 } end
            return "allow", { data = "done:" .. data, attrs = { steps = state.step } }
        end,
    }"#;
    let other = "return { auth_continue = function() return 'deny' end }";
    let shard = Chain::of(&[other, script]).shard();
    let request = AuthRequest {
        client: &shard.client,
        password: None,
        method: Some("COUNT"),
        data: Some(b"hi"),
    };
    let mut decision = block(shard.hooks.chain().authenticate(&request));
    let mut steps = Vec::new();
    while let AuthDecision::Continue(challenge) = decision {
        steps.push(challenge.data.clone());
        decision = block(shard.hooks.chain().auth_continue(&AuthContinueRequest {
            client: &shard.client,
            method: "COUNT",
            data: Some(b"x"),
            pending: Some(&challenge.pending),
        }));
    }
    assert_eq!(steps, ["1", "2", "3"]);
    let AuthDecision::Allow(grant) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(
        (grant.data.unwrap().as_ref(), &grant.attrs["steps"]),
        (&b"done:x"[..], &serde_json::json!(3))
    );
    let begin = AuthContinueRequest {
        client: &shard.client,
        method: "COUNT",
        data: None,
        pending: None,
    };
    assert!(matches!(
        block(shard.hooks.chain().auth_continue(&begin)),
        AuthDecision::Deny { .. }
    ));
    let orphan = PendingAuth {
        policy: "gone".into(),
        state: serde_json::Value::Null,
    };
    let lost = AuthContinueRequest {
        pending: Some(&orphan),
        ..begin
    };
    assert!(matches!(
        block(shard.hooks.chain().auth_continue(&lost)),
        AuthDecision::Deny { .. }
    ));
}

#[test]
fn a_failing_transform_passes_or_drops_as_declared() {
    let mut chain = Chain::of(&["return { publish = function() error('x') end }"]);
    let event = || PublishEvent {
        topic: "t".into(),
        payload: "p".into(),
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Arc::default(),
        origin: crate::message::Origin::Client,
        id: crate::message::MessageId(0),
    };
    let mut shard = chain.shard();
    assert_eq!(
        shard.hooks.publish(Some(&shard.client), event()),
        Published::default()
    );
    chain.entries[0].on_error = Fallback {
        transform: TransformFallback::Drop,
        ..Fallback::default()
    };
    let mut shard = chain.shard();
    let published = shard.hooks.publish(Some(&shard.client), event());
    assert_eq!(published.transform, Transform::Drop("policy `a` failed".into()));
}

#[test]
fn an_answer_is_explained_by_script_and_line() {
    let script = "local rules = { a = true }
local function decide(topic)
    if rules[topic] then
        return 'allow'
    end
    return 'deny', 'not in the rules'
end
return {
    authorize_publish = function(ctx, topic)
        if topic == 'broken' then error('oh') end
        return decide(topic)
    end,
}";
    let shard = Chain::of(&[&publish_policy("return 'next'"), script]).shard();
    let explain = |topic: &str| {
        let request = PublishRequest {
            topic,
            qos: QoS::AtMostOnce,
            retain: false,
            origin: Origin::Client,
            payload: b"",
        };
        block(shard.hooks.chain().explain_publish(&shard.client, &request))
    };
    let allowed = explain("a");
    assert_eq!(
        (
            allowed.generation,
            allowed.decision.as_str(),
            allowed.entries.len()
        ),
        (1, "allow", 2)
    );
    let last = &allowed.entries[1];
    assert_eq!(
        (&*last.file, last.line, last.through.as_slice(), &*last.said),
        ("b.lua", Some(11), &[4][..], "allow")
    );
    assert_eq!(allowed.entries[0].said, "next");
    let denied = explain("b");
    assert_eq!(denied.decision, "deny: not in the rules");
    let last = &denied.entries[1];
    assert_eq!(
        (last.line, last.through.as_slice(), &*last.said),
        (Some(11), &[6][..], "deny: not in the rules")
    );
    let broken = explain("broken");
    assert_eq!(
        (broken.entries[1].line, &*broken.entries[1].said),
        (Some(10), "failed: b.lua:10: oh")
    );
}

#[test]
fn a_limit_keeps_its_last_value_while_the_policy_fails() {
    let script = "local n = 0\nreturn { limit = function(instance, name)\n n = n + 1\n if n > 2 then error('broken') end\n \
                  if name == 'a' then return n end\nend }";
    let mut shard = Chain::of(&[script]).shard();
    let mut limit = |name| shard.hooks.limit("i", name);
    assert_eq!((limit("a"), limit("b")), (Some(1.0), None));
    assert_eq!((limit("a"), limit("b"), limit("c")), (Some(1.0), None, None));
    assert_eq!(shard.totals("a").errors, 3);
}
