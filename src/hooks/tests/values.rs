//! What policies see of clients, messages and events, and what they make of them.

use super::*;
use crate::hooks::Denial;
use bytes::Bytes;
use std::borrow::Cow;

fn event() -> PublishEvent {
    PublishEvent {
        topic: "plant/1".into(),
        payload: Bytes::from_static(b"{\"t\":20}"),
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: Arc::new(Properties {
            content_type: Some("application/json".into()),
            user: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            ..Properties::default()
        }),
        origin: crate::message::Origin::Client,
        id: crate::message::MessageId(0),
    }
}

fn publish(bodies: &[&str]) -> Published {
    let scripts: Vec<String> = bodies
        .iter()
        .map(|body| format!("return {{ publish = function(ctx, msg) {body} end }}"))
        .collect();
    let mut shard = Chain::of(&scripts.iter().map(String::as_str).collect::<Vec<_>>()).shard();
    shard.hooks.publish(Some(&shard.client), event())
}

#[test]
fn messages_pass_change_and_vanish() {
    assert_eq!(publish(&[""]), Published::default());
    assert_eq!(publish(&["return 'pass'"]), Published::default());
    assert_eq!(
        publish(&["return 'drop', 'why'"]).transform,
        Transform::Drop("why".into())
    );
    let Transform::Patch(patch) = publish(&["return { payload = msg.payload .. '!', qos = 0 }"]).transform
    else {
        panic!()
    };
    assert_eq!(
        *patch,
        Patch {
            payload: Some("{\"t\":20}!".into()),
            qos: Some(QoS::AtMostOnce),
            ..Patch::default()
        }
    );
}

#[test]
fn patches_add_up_along_the_chain() {
    let bodies = [
        "return { topic = 'x/' .. msg.topic, retain = false }",
        "return { topic = msg.topic .. '/y', more = { { topic = 'log', payload = msg.topic, qos = 1 } } }",
        "assert(msg.topic == 'x/plant/1/y' and not msg.retain) return nil",
    ];
    let published = publish(&bodies);
    let Transform::Patch(patch) = published.transform else {
        panic!()
    };
    assert_eq!(
        (patch.topic.as_deref(), patch.retain, patch.payload),
        (Some("x/plant/1/y"), Some(false), None)
    );
    assert_eq!(published.more.len(), 1);
    assert_eq!(
        (&*published.more[0].topic, published.more[0].qos),
        ("log", QoS::AtLeastOnce)
    );
    assert_eq!(published.more[0].payload, "x/plant/1");
}

#[test]
fn properties_are_read_and_written_whole() {
    let body = "local p = msg.properties
        assert(p.content_type == 'application/json' and p.user[2][2] == '2' and p.message_expiry == nil)
        p.message_expiry = 60
        p.user[3] = { 'b', '3' }
        return { properties = p }";
    let Transform::Patch(patch) = publish(&[body]).transform else {
        panic!()
    };
    let properties = patch.properties.unwrap();
    assert_eq!((properties.message_expiry, properties.user.len()), (Some(60), 3));
    assert_eq!(properties.content_type.as_deref(), Some("application/json"));
}

#[test]
fn a_patch_that_is_none_changes_nothing() {
    for wrong in [
        "return { topic = 'a/+' }",
        "return { topic = '' }",
        "return { topik = 'a' }",
        "return { qos = 3 }",
        "return { payload = 5 }",
        "return { more = { 'x' } }",
        "return { more = { { payload = 'no topic' } } }",
        "return { properties = { user = { 'x' } } }",
        "return { properties = { response_topic = '#' } }",
        "return 'block'",
        "return 42",
        "msg.topic = 'x'",
    ] {
        // In a function of its own, or it would be refused before it is asked.
        let body = format!("msg = msg return (function() {wrong} end)()");
        assert_eq!(publish(&[&body]), Published::default(), "{wrong}");
    }
}

#[test]
fn a_message_cannot_be_kept() {
    let script = "local kept return { publish = function(ctx, msg)
        if kept then local ok, why = pcall(function() return kept.payload end) return 'drop', why end
        kept = msg
    end }";
    let mut shard = Chain::of(&[script]).shard();
    assert_eq!(
        shard.hooks.publish(Some(&shard.client), event()),
        Published::default()
    );
    let Transform::Drop(why) = shard.hooks.publish(Some(&shard.client), event()).transform else {
        panic!()
    };
    assert!(why.contains("belongs to a call that has ended"), "{why}");
}

#[test]
fn ctx_has_all_its_fields() {
    let body = "return 'deny', table.concat({ ctx.client_id, ctx.group_id, ctx.device_id, ctx.username, ctx.instance,
        ctx.peer, ctx.listener, tostring(ctx.protocol_version), tostring(ctx.tls), ctx.attrs.role, tostring(ctx) }, ' ')";
    let mut shard = Chain::of(&[&publish_policy(body)]).shard();
    shard.client = shard
        .client
        .with_attrs(serde_json::json!({"role": "meter"}).as_object().unwrap().clone());
    let all = "GID_a@@@one GID_a one Signature|AK|mqtt-demo mqtt-demo 192.0.2.7:51234 tcp 5 nil meter client GID_a@@@one";
    assert_eq!(shard.may_publish("t"), denied(all));
}

#[test]
fn ctx_is_the_same_for_every_call_and_refuses_what_it_has_not() {
    let why = |body: &str| {
        let body =
            format!("ctx = ctx local ok, why = pcall(function() {body} end) return 'deny', tostring(why)");
        match Chain::of(&[&publish_policy(&body)]).shard().may_publish("t") {
            PublishDecision::Deny(why) => why.reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(why("return ctx.clientid").contains("ctx has no field `clientid`; did you mean `client_id`?"));
    assert!(
        why("ctx.client_id = 'x'").contains("attempt to index"),
        "{}",
        why("ctx.client_id = 'x'")
    );
    assert!(why("ctx.attrs.x = 1").contains("readonly"));
    let script = "local kept return { authorize_publish = function(ctx)
        if kept == nil then kept = ctx return 'allow' end
        if kept == ctx then return 'deny', 'same' end
        local ok, why = pcall(function() return kept.client_id end)
        return 'deny', tostring(why)
    end }";
    let mut shard = Chain::of(&[script]).shard();
    assert_eq!(shard.may_publish("t"), PublishDecision::Allow);
    assert_eq!(shard.may_publish("t"), denied("same"));
    shard.client = client("other");
    let PublishDecision::Deny(Denial { reason: why, .. }) = shard.may_publish("t") else {
        panic!()
    };
    assert!(why.contains("a client that has gone"), "{why}");
}

#[test]
fn observers_are_told_in_order_and_lose_what_does_not_fit() {
    let script = r#"
        local seen = {}
        local function note(ctx, event)
            local fields = {}
            for name, value in event do table.insert(fields, `{name}={tostring(value)}`) end
            table.sort(fields)
            seen = { seen[1], seen[2] }
            table.insert(seen, (if ctx then ctx.client_id else "nobody") .. ":" .. table.concat(fields, ","))
        end
        return {
            session_start = note, disconnect = note, acked = note, dropped = note,
            authorize_publish = function() return "deny", table.concat(seen, " ") end,
        }"#;
    let mut shard = Chain::of(&[script]).shard();
    let client = shard.client.clone();
    shard.hooks.observe(Event::SessionStart {
        client: client.clone(),
        resumed: true,
    });
    shard.hooks.observe(Event::SessionEnd {
        client: client.clone(),
        reason: Cow::Borrowed("nobody listens"),
    });
    shard.hooks.observe(Event::Dropped {
        client: None,
        topic: "t".into(),
        reason: Cow::Borrowed("expired"),
        count: 3,
    });
    assert_eq!(shard.may_publish("t"), denied(""));
    assert_eq!(run_observers(&mut shard.hooks, 1), 1);
    assert_eq!(run_observers(&mut shard.hooks, 10), 0);
    let acked = Event::Acked {
        client: client.clone(),
        topic: "a".into(),
        qos: QoS::AtLeastOnce,
        message_id: crate::message::MessageId(255),
    };
    for _ in 0..150 {
        shard.hooks.observe(acked.clone());
    }
    assert_eq!(
        shard
            .metrics
            .events_dropped
            .load(std::sync::atomic::Ordering::Relaxed),
        50
    );
    let PublishDecision::Deny(Denial { reason: seen, .. }) = shard.may_publish("t") else {
        panic!()
    };
    assert_eq!(
        &*seen,
        "GID_a@@@one:resumed=true nobody:count=3,reason=expired,topic=t"
    );
    // After a call that took long others come first, so it may take more than one turn.
    while run_observers(&mut shard.hooks, 1000) > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let PublishDecision::Deny(Denial { reason: seen, .. }) = shard.may_publish("t") else {
        panic!()
    };
    assert!(
        seen.ends_with("GID_a@@@one:message_id=000000000000000000000000000000FF,qos=1,topic=a"),
        "{seen}"
    );
}

#[test]
fn what_waits_for_observers_outlives_a_swap() {
    let script = "local n = 0 return { session_start = function() n += 1 end,
        authorize_publish = function() return 'deny', tostring(n) end }";
    let chain = Chain::of(&[script]);
    let mut old = chain.shard();
    let client = old.client.clone();
    old.hooks.observe(Event::SessionStart {
        client,
        resumed: false,
    });
    let next = old.hooks.prepare(&chain.load().unwrap()).unwrap();
    old.hooks.swap(next, None).end();
    assert_eq!(run_observers(&mut old.hooks, 10), 0);
    assert_eq!(old.may_publish("t"), denied("1"));
}
