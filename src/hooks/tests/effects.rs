//! What scripts have the broker do, and in which instance.

use super::modules::{run_in, sandbox};
use super::*;
use std::time::Duration;

/// A client of this instance.
fn client_of(instance: &str) -> Arc<Client> {
    client("GID_a@@@one").of_instance(instance.into())
}

fn instances(hooks: &mut ShardHooks) -> Vec<Option<String>> {
    let effects = hooks.take_effects(100);
    let instances = effects.into_iter().map(|effect| effect.instance);
    instances.map(|id| id.map(|id| id.to_string())).collect()
}

fn named(id: &str) -> Option<String> {
    Some(id.to_owned())
}

#[test]
fn what_is_done_is_done_where_the_client_is_or_where_the_script_says() {
    let script = r#"return {
        authorize_publish = function(ctx, topic)
            local message, there = { topic = "t" }, { instance = "mqtt-there" }
            if topic == "here" then there = nil end
            mqtt.publish(message, there)
            mqtt.p2p("c", message, there)
            mqtt.kick("c", nil, nil, there)
            mqtt.reauthorize(there)
            return "allow"
        end,
        limit = function() mqtt.publish({ topic = "t" }) end,
    }"#;
    let mut shard = Chain::of(&[script]).shard();
    shard.client = client_of("mqtt-a");
    shard.may_publish("here");
    assert_eq!(instances(&mut shard.hooks), vec![named("mqtt-a"); 4]);
    shard.may_publish("there");
    assert_eq!(instances(&mut shard.hooks), vec![named("mqtt-there"); 4]);
    // It is about nobody, also after it was about somebody.
    shard.hooks.limit("i", "n");
    assert_eq!(instances(&mut shard.hooks), [None]);
}

#[test]
fn a_call_that_waits_stays_about_whom_it_is_about() {
    let script = r#"return {
        authenticate = function(ctx)
            task.spawn(function() task.sleep(0.03) mqtt.kick("by the task of " .. ctx.instance) end)
            mqtt.kick("before " .. ctx.instance)
            task.sleep(if ctx.instance == "mqtt-a" then 0.02 else 0.01)
            mqtt.kick("after " .. ctx.instance)
            return "allow"
        end,
    }"#;
    let mut shard = Chain::of(&[script]).shard();
    let chain = shard.hooks.chain().clone();
    let (a, b) = (client_of("mqtt-a"), client_of("mqtt-b"));
    let request = |client| AuthRequest {
        client,
        password: None,
        method: None,
        data: None,
    };
    block(async {
        shard.hooks.activate();
        let (first, second) = (request(&a), request(&b));
        let both = (chain.authenticate(&first), chain.authenticate(&second));
        tokio::join!(both.0, both.1);
        tokio::time::sleep(Duration::from_millis(60)).await;
    });
    let effects = shard.hooks.take_effects(100);
    assert_eq!(effects.len(), 6);
    for Effect { instance, wish } in effects {
        let Wish::Kick { client_id, .. } = wish else {
            panic!("{wish:?}")
        };
        assert!(client_id.ends_with(&*instance.unwrap()), "{client_id}");
    }
}

#[test]
fn what_cannot_be_an_instance_is_refused() {
    let sandbox = sandbox(&Arc::default());
    let message = "{ topic = 't' }";
    let options = "a table such as { instance = \"mqtt-cn-1\" }";
    for (body, says) in [
        (
            format!("mqtt.publish({message}, 'i')"),
            format!("mqtt.publish: argument 2 (options) must be {options}"),
        ),
        (
            format!("mqtt.p2p('c', {message}, {{ at = 'i' }})"),
            format!("mqtt.p2p: argument 3 (options) must be {options}"),
        ),
        (
            "mqtt.kick('c', nil, nil, { instance = '' })".to_owned(),
            "mqtt.kick: argument 4: `instance` must be 1 to 512 bytes".to_owned(),
        ),
        (
            "mqtt.reauthorize({ instance = 7 })".to_owned(),
            "mqtt.reauthorize: argument 1 (instance) must be a string".to_owned(),
        ),
        (
            "mqtt.reauthorize({ clients = 'c' })".to_owned(),
            "mqtt.reauthorize: argument 1 (options) must be a table such as { client = \"device-1\" }"
                .to_owned(),
        ),
        (
            "mqtt.sessions({ instance = 7 })".to_owned(),
            "mqtt.sessions: argument 1 (instance) must be a string".to_owned(),
        ),
    ] {
        let said = run_in(&sandbox, &body);
        assert!(said.contains(&says), "{body}: {said}");
    }
}
