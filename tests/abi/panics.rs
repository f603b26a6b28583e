//! A plugin of which every hook panics: what its entry says stands in for each answer, as far as a client can see it; every panic
//! is counted; nobody's connection ends because of it.

use std::collections::BTreeMap;

use crate::built;
use crate::serving::{NOT_AUTHORIZED, Serving, UNAVAILABLE, entry, reason};
use crate::support::{
    AUTH, AUTHENTICATION_METHOD, Client, Connect, PUBACK, UNSUBACK, Will, ack, auth, prop_text, publish,
    unsubscribe,
};

/// Before the plugin in the chain: it lets those in who do not come as `ask`, and has more done, so that the plugin is asked in
/// hooks that it would not be asked in otherwise.
const STAGE: &str = r#"return {
    authenticate = function(ctx, username)
        if username == "ask" then return "next" end
        if username == "short" then return "allow", { expires_at = time.now() + 1 } end
        if username == "speaker" then mqtt.p2p("reader", { topic = "script", payload = "script" }) end
        return "allow"
    end,
    route = function(ctx, msg)
        if msg.topic == "ok/direct" then return { clients = { "reader" } } end
    end,
}"#;

fn chain(what: &str, stands_in: &str) -> String {
    // No breaker: all are to be asked.
    let keys = format!(
        "settings = {{ do = {what:?} }}\non_error = {stands_in}\nbreaker = {{ rate = 1.0, least = 1_000_000 }}"
    );
    format!(
        "[[policy]]\nname = \"stage\"\nscript = \"stage.lua\"\n{}",
        entry(&keys)
    )
}

/// How often each hook of the plugin was called.
fn calls(serving: &Serving) -> BTreeMap<String, u64> {
    let metrics = serving.metrics();
    let series = metrics.lines().filter_map(|line| {
        let labels = line.strip_prefix("dunlin_hook_calls_total{policy=\"fixture\",hook=\"")?;
        let (hook, count) = labels.split_once("\"} ")?;
        Some((hook.to_owned(), count.parse().unwrap()))
    });
    series.collect()
}

fn publishes(client: &mut Client, topic: &str, id: u16) -> u8 {
    client.publish(publish(topic, topic).qos(1, id));
    let ack = client.expect(PUBACK);
    assert_eq!(ack.id, id);
    // 0x10 is that nobody subscribes.
    if ack.code() < 0x80 { 0 } else { ack.code() }
}

/// Nothing more is on its way to this client.
#[track_caller]
fn got_nothing(client: &mut Client, hook: &str) {
    let came = client.receive_within(100);
    assert!(came.is_none(), "{hook}: {came:02x?}");
}

struct Cast {
    writer: Client,
    reader: Client,
    challenged: Client,
}

impl Cast {
    fn connect(serving: &Serving) -> Cast {
        let broker = &serving.broker;
        let mut reader = Connect::v5("reader").to(broker);
        assert_eq!(reader.subscribe("ok/#", 1).codes, [1]);
        let mut absent = Connect::v5("absent").expiry(600).to(broker);
        assert_eq!(absent.subscribe("ok/kept", 1).codes, [1]);
        absent.disconnect();
        let writer = Connect::v5("writer").to(broker);
        assert_eq!(serving.login("short").1, 0);
        let method = prop_text(AUTHENTICATION_METHOD, "M");
        let challenged = Connect::v5("challenged").property(method).to(broker);
        Cast {
            writer,
            reader,
            challenged,
        }
    }
}

#[test]
fn every_hook_panics_and_what_stands_in_is_what_clients_see() {
    let stage = serving_with_stage();
    let serving = &stage;
    let mut cast = Cast::connect(serving);
    assert_eq!(publishes(&mut cast.writer, "t", 1), 0);
    let (before, counted) = (calls(serving), panics(serving));
    assert_eq!(counted, 0);

    serving.swap(&chain("panic", "{ answer = 'deny', transform = 'pass' }"));
    denies(serving, &mut cast);
    // Subscriptions are asked about again at a swap: those of the reader are gone.
    serving.swap(&chain("panic", "{ answer = 'allow', transform = 'drop' }"));
    drops(serving, &mut cast);
    let seen = serving.swap(&chain("panic", "{ answer = 'allow', transform = 'pass' }"));
    allows_and_passes(serving, &mut cast);
    let line = serving.log(seen, "WARN...policy failed: ");
    println!(
        "{:<24} {}",
        "panic",
        line.split_once("policy failed: ").unwrap().1
    );

    // Each call was a panic, and is counted as one.
    let since = || {
        let calls = calls(serving).into_iter();
        let since = calls.map(|(hook, count)| (hook.clone(), count - before.get(&hook).unwrap_or(&0)));
        since.filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>()
    };
    serving.until("all calls are counted as panics", || {
        since().values().sum::<u64>() == panics(serving)
    });
    let asked = since();
    println!(
        "{:<24} {} panics in {} hooks: {asked:?}",
        "",
        panics(serving),
        asked.len()
    );
    let hooks: Vec<&str> = asked.keys().map(String::as_str).collect();
    // It owns no topic (`control`), no rule calls it (`rule_action`), and the end of an instance is no call of a client's.
    assert_eq!(hooks.join(" "), HOOKS);
    assert_eq!(
        serving.metric("dunlin_hook_errors_total", &["policy=\"fixture\""]),
        panics(serving)
    );
    let seen = serving.swap(&chain("", "'deny'"));
    let line = serving.log(
        seen,
        "WARN...a plugin panicked in `on_unload`; it ends all the same",
    );
    println!("{:<24} {}", "", line.split_once(": ").unwrap().1);
    serving.until_metric("dunlin_plugin_instances", 1);
    cast.writer.ping();
}

const SERVER_BUSY: u8 = 0x89;

const HOOKS: &str = "acked auth_continue authenticate authorize_deliver authorize_publish authorize_subscribe connack connect deliver \
                     disconnect dropped expiring limit offline on_tick p2p publish route session_end session_start subscribe \
                     unsubscribe will";

fn panics(serving: &Serving) -> u64 {
    serving.metric("dunlin_hook_panics_total", &["policy=\"fixture\""])
}

fn serving_with_stage() -> Serving {
    let files = [("libfixture.so", built::rust())];
    Serving::with_script(&files, ("stage.lua", STAGE), &chain("", "'deny'"))
}

/// `answer = "deny"`: whoever is asked says no; what is transformed goes on as it was.
fn denies(serving: &Serving, cast: &mut Cast) {
    let (_, code, why) = serving.login("ask");
    assert_eq!(
        (code, &*why),
        (UNAVAILABLE, "policy `fixture` failed"),
        "authenticate"
    );
    assert_eq!(
        publishes(&mut cast.writer, "t", 2),
        NOT_AUTHORIZED,
        "authorize_publish"
    );
    assert_eq!(
        cast.writer.subscribe("t", 0).codes,
        [NOT_AUTHORIZED],
        "authorize_subscribe"
    );
    assert_eq!(serving.login("speaker").1, 0);
    got_nothing(&mut cast.reader, "authorize_deliver");
    let method = prop_text(AUTHENTICATION_METHOD, "M");
    cast.challenged.send(&auth(0x19, &method));
    // DISCONNECT has no 0x88 (server unavailable).
    let told = cast.challenged.expect_disconnect(SERVER_BUSY);
    assert_eq!(reason(&told), "policy `fixture` failed", "auth_continue");
}

/// `transform = "drop"`: messages are dropped, and nobody comes in.
fn drops(serving: &Serving, cast: &mut Cast) {
    let (_, code, why) = serving.login("somebody");
    assert_eq!((code, &*why), (UNAVAILABLE, "policy `fixture` failed"), "connect");
    assert_eq!(cast.reader.subscribe("ok/#", 1).codes, [1]);
    publishes(&mut cast.writer, "ok/dropped", 4);
    got_nothing(&mut cast.reader, "publish");
    // Filters stay as they were, and each is allowed.
    assert_eq!(cast.writer.subscribe("t", 1).codes, [1]);
    cast.writer.send(&unsubscribe(5, 9, &["t"]));
    assert_eq!(cast.writer.expect(UNSUBACK).codes, [0]);
}

/// All as without the plugin.
fn allows_and_passes(serving: &Serving, cast: &mut Cast) {
    let (mut client, code, _) = serving.login("ask");
    assert_eq!(code, 0);
    assert_eq!(client.subscribe("t", 1).codes, [1]);
    assert_eq!(publishes(&mut cast.writer, "t", 5), 0);
    assert_eq!(serving.login("speaker").1, 0);
    cast.reader.expect_message("script");
    let message = client.expect_message("t");
    client.acknowledge(&message);
    assert_eq!(publishes(&mut cast.writer, "ok/passed", 6), 0);
    let message = cast.reader.expect_message("ok/passed");
    cast.reader.send(&ack(PUBACK, message.id));
    // By its subscription, and because `route` names it.
    assert_eq!(publishes(&mut cast.writer, "ok/direct", 7), 0);
    for _ in 0..2 {
        let message = cast.reader.expect_message("ok/direct");
        cast.reader.acknowledge(&message);
    }
    assert_eq!(publishes(&mut cast.writer, "ok/kept", 8), 0);
    let message = cast.reader.expect_message("ok/kept");
    cast.reader.acknowledge(&message);
    let mut absent = Connect::v5("absent").resume().to(&serving.broker);
    let message = absent.expect_message("ok/kept");
    absent.acknowledge(&message);
    let dying = Connect::v5("dying")
        .will(Will::new("ok/will", "will"))
        .to(&serving.broker);
    dying.vanish();
    cast.reader.expect_message("will");
    // A login that ends is announced to the policies, and ends all the same.
    let (mut short, code, _) = serving.login("short");
    assert_eq!(code, 0);
    short.expect_disconnect(NOT_AUTHORIZED);
    let method = prop_text(AUTHENTICATION_METHOD, "M");
    let mut challenged = Connect::v5("challenged")
        .property(method.clone())
        .to(&serving.broker);
    challenged.send(&auth(0x19, &method));
    assert_eq!(challenged.expect(AUTH).code(), 0);
}
