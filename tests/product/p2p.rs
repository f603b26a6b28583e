//! Messages to one client: `PARENT/p2p/CLIENT_ID`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::support::{Client, Connect, packets::*};
use crate::{Product, TWO, device, device_in};

fn topic(client: &str) -> String {
    format!("T1/p2p/GID_Test@@@{client}")
}

#[test]
fn one_client_gets_it_and_needs_no_subscription() {
    let product = Product::start(&[]);
    let mut target = device(V311, "target").to(&product.broker);
    let mut other = device(V311, "other").to(&product.broker);
    other.subscribe("T1/#", 1);
    other.subscribe("T1/p2p/+", 1);
    let mut spy = device(V5, "spy").to(&product.broker);
    assert_eq!(spy.subscribe(&topic("target"), 1).codes, [1]);
    let mut sender = device(V5, "sender").to(&product.broker);
    for (qos, ack) in [(0, None), (1, Some(PUBACK)), (2, Some(PUBREC))] {
        sender.publish(publish(topic("target"), "for you").qos(qos, 1));
        if let Some(ack) = ack {
            sender.expect_ack(ack, 1, 0);
        }
        let message = target.expect_message("for you");
        assert_eq!((message.topic(), message.qos()), (&*topic("target"), qos));
        target.acknowledge(&message);
        if qos == 2 {
            sender.send(&ack_with(PUBREL, 1, 0));
            sender.expect(PUBCOMP);
        }
    }
    other.expect_nothing(100);
    spy.expect_nothing(10);
    // Its parent topic has to be there; the length and the `@` of the client id are no matter.
    sender.publish(publish("Unknown/p2p/GID_Test@@@target", "x").qos(1, 2));
    sender.expect_ack(PUBACK, 2, 0x90);
    let long = "a".repeat(53);
    let mut far = device(V311, &long).to(&product.broker);
    sender.publish(publish(topic(&long), "long").qos(1, 3));
    sender.expect_ack(PUBACK, 3, 0);
    far.expect_message("long");
}

#[test]
fn subscribers_get_it_as_well_where_that_is_wanted() {
    let product = Product::start(&["product.p2p_to_subscribers=true"]);
    let mut target = device(V311, "target").to(&product.broker);
    let mut other = device(V311, "other").to(&product.broker);
    other.subscribe("T1/#", 1);
    let mut sender = device(V5, "sender").to(&product.broker);
    sender.publish(publish(topic("target"), "for you").qos(1, 1));
    sender.expect(PUBACK);
    target.expect_message("for you");
    other.expect_message("for you");
}

#[test]
fn it_is_a_topic_like_any_other_where_it_is_off() {
    let product = Product::start(&["product.p2p=false", "product.topic_characters=any"]);
    let mut target = device(V311, "target").to(&product.broker);
    let mut other = device(V311, "other").to(&product.broker);
    other.subscribe("T1/#", 1);
    let mut sender = device(V311, "sender").to(&product.broker);
    sender.publish(publish(topic("target"), "for all").qos(1, 1));
    sender.expect(PUBACK);
    other.expect_message("for all");
    target.expect_nothing(50);
}

#[test]
fn it_waits_for_a_persistent_session_of_its_receiver_alone() {
    let product = Product::start(&[]);
    device(V311, "sleeper").resume().to(&product.broker).disconnect();
    device(V311, "clean").to(&product.broker).disconnect();
    let mut sender = device(V311, "sender").to(&product.broker);
    let mut id = 0;
    for (client, qos) in [
        ("sleeper", 0),
        ("sleeper", 1),
        ("sleeper", 2),
        ("clean", 1),
        ("nobody", 1),
    ] {
        id += 1;
        sender.publish(publish(topic(client), format!("{client} {qos}")).qos(qos, id));
        match qos {
            0 => {}
            1 => sender.expect_ack(PUBACK, id, 0),
            _ => {
                sender.expect_ack(PUBREC, id, 0);
                sender.send(&ack(PUBREL, id));
                sender.expect_ack(PUBCOMP, id, 0);
            }
        }
    }
    let mut sleeper = device(V311, "sleeper").resume().to(&product.broker);
    assert!(sleeper.connack.session_present);
    let message = sleeper.expect_message("sleeper 1");
    assert_eq!(message.topic(), topic("sleeper"));
    sleeper.acknowledge(&message);
    sleeper.expect_nothing(100);
    device(V311, "clean")
        .resume()
        .to(&product.broker)
        .expect_nothing(100);
}

#[test]
fn it_is_not_retained() {
    let product = Product::start(&["product.p2p_to_subscribers=true"]);
    let mut sender = device(V311, "sender").to(&product.broker);
    sender.publish(publish(topic("target"), "x").retain().qos(1, 1));
    sender.expect(PUBACK);
    let mut reader = device(V311, "reader").to(&product.broker);
    reader.subscribe("T1/#", 1);
    reader.expect_nothing(100);
}

#[test]
fn a_policy_may_deny_it() {
    let more = "[[policy]]\nname = \"no-p2p\"\nscript = \"no_p2p.lua\"";
    let folder = crate::support::broker::folder();
    std::fs::write(
        folder.join("no_p2p.lua"),
        "return { name = \"no-p2p\", p2p = function(ctx, target) if target == \"GID_Test@@@shy\" then return \"deny\", \"it is shy\" end return \"allow\" end }",
    )
    .unwrap();
    let more = more.replace("no_p2p.lua", folder.join("no_p2p.lua").to_str().unwrap());
    let product = Product::with(&more, &[]);
    let mut shy = device(V311, "shy").to(&product.broker);
    let mut open = device(V311, "open").to(&product.broker);
    let mut sender = device(V5, "sender").to(&product.broker);
    sender.publish(publish(topic("shy"), "x").qos(1, 1));
    sender.expect_ack(PUBACK, 1, 0x87);
    sender.publish(publish(topic("open"), "x").qos(1, 2));
    sender.expect_ack(PUBACK, 2, 0);
    open.expect_message("x");
    shy.expect_nothing(100);
    // Nor by a will.
    let dying = device(V5, "dying").will(crate::support::Will::new(topic("shy"), "from beyond"));
    dying.to(&product.broker).vanish();
    let dying = device(V5, "dying").will(crate::support::Will::new(topic("open"), "from beyond"));
    dying.to(&product.broker).vanish();
    open.expect_message("from beyond");
    shy.expect_nothing(100);
    // A 3.x client cannot be told, and goes.
    let mut old = device(V311, "old").to(&product.broker);
    old.publish(publish(topic("shy"), "x").qos(1, 1));
    old.expect_close();
    let _ = std::fs::remove_dir_all(folder);
}

/// A client that has more waiting than its window takes, and a message of QoS 2, which nothing keeps for it.
#[test]
fn a_backlog_and_qos_2_do_not_end_the_connection() {
    let product = Product::start(&["limits.client_tps=unlimited", "server.shards=1"]);
    let connect = || device(V311, "behind").resume();
    let mut client = connect().to(&product.broker);
    client.subscribe("T1/a", 1);
    client.disconnect();
    let mut sender = device(V311, "sender").to(&product.broker);
    for n in 1..=600 {
        sender.publish(publish("T1/a", n.to_string()).qos(1, n));
        sender.expect_ack(PUBACK, n, 0);
    }
    let mut client = connect().to(&product.broker);
    // The window is full, and the rest waits in the store.
    let first = client.expect_message("1");
    sender.publish(publish(topic("behind"), "two").qos(2, 700));
    sender.expect_ack(PUBREC, 700, 0);
    let (mut next, mut two) = (1, 0);
    let mut message = first;
    loop {
        match message.kind {
            PUBREL => client.send(&ack(PUBCOMP, message.id)),
            PUBLISH if message.qos() == 2 => {
                two += 1;
                client.send(&ack(PUBREC, message.id));
            }
            _ => {
                assert_eq!(String::from_utf8_lossy(&message.payload), next.to_string());
                next += 1;
                client.send(&ack(PUBACK, message.id));
            }
        }
        match client.receive_within(300) {
            Some(packet) => message = packet,
            None => break,
        }
    }
    assert_eq!((next, two), (601, 1));
}

/// How many pairs there are: each asks and answers by P2P.
const PAIRS: usize = 4_000;
/// Connections at a time; the rest have persistent sessions and are away.
const ONLINE: usize = 1_000;

/// 4,000 pairs, a quarter of them online: each message arrives once, at its one receiver, whichever shard that is on.
#[test]
fn four_thousand_pairs() {
    let product = Product::start(&[
        "server.shards=2",
        "limits.client_tps=unlimited",
        "limits.inflight=1000",
    ]);
    let connect = |n: usize| Connect::v311(format!("GID_Test@@@r{n}")).resume();
    // Everybody has a session; some stay.
    let mut online: HashMap<usize, Client> = HashMap::new();
    for n in 0..PAIRS {
        let client = connect(n).to(&product.broker);
        if n % (PAIRS / ONLINE) == 0 {
            online.insert(n, client);
        } else {
            client.disconnect();
        }
    }
    let began = Instant::now();
    let mut senders: Vec<Client> = (0..8)
        .map(|s| Connect::v311(format!("GID_App@@@s{s}")).to(&product.broker))
        .collect();
    for n in 0..PAIRS {
        let sender = &mut senders[n % 8];
        for part in 0..2 {
            let topic = format!("T1/p2p/GID_Test@@@r{n}");
            sender.publish(publish(topic, format!("{n} {part}")).qos(1, (n / 8 * 2 + part + 1) as u16));
        }
    }
    for (s, sender) in senders.iter_mut().enumerate() {
        for expected in 0..PAIRS / 8 * 2 {
            assert_eq!(sender.expect(PUBACK).id as usize, expected + 1, "sender {s}");
        }
    }
    let sent = began.elapsed();
    let mut got = 0;
    for n in 0..PAIRS {
        let mut client = online
            .remove(&n)
            .unwrap_or_else(|| connect(n).to(&product.broker));
        for part in 0..2 {
            let message = client.expect_message(&format!("{n} {part}"));
            assert_eq!(message.topic(), format!("T1/p2p/GID_Test@@@r{n}"));
            client.acknowledge(&message);
            got += 1;
        }
        if n % 50 == 0 {
            client.expect_nothing(5);
        }
        client.disconnect();
    }
    assert_eq!(got, 2 * PAIRS);
    println!(
        "{} P2P messages to {PAIRS} clients, {ONLINE} of them online: acknowledged after {sent:?}",
        2 * PAIRS
    );
    assert!(sent < Duration::from_secs(60));
}

#[test]
fn the_same_client_id_of_another_instance_gets_nothing() {
    let product = Product::start(&[]);
    let mut one = device(V311, "twin").to(&product.broker);
    let mut two = device_in(TWO, V311, "twin").to(&product.broker);
    let mut sender = device_in(TWO, V311, "sender").to(&product.broker);
    sender.publish(publish(topic("twin"), "for two").qos(1, 1));
    sender.expect(PUBACK);
    two.expect_message("for two");
    one.expect_nothing(100);
}
