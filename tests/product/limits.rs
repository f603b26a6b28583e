//! What happens at each limit of a client or an instance.

use crate::support::{Connect, packets::*};
use crate::{ONE, Product, TWO, device, device_in};

#[test]
fn the_31st_subscription_of_a_client_is_refused() {
    let product = Product::start(&[]);
    for version in [V311, V5] {
        let mut client = device(version, "a").to(&product.broker);
        // A filter with a wildcard is one, whatever it matches; one within another is a second.
        assert_eq!(client.subscribe("T1/#", 0).codes, [0]);
        assert_eq!(client.subscribe("T1/a1/#", 0).codes, [0]);
        for n in 2..30 {
            assert_eq!(client.subscribe(&format!("T1/s{n}"), 0).codes, [0], "{n}");
        }
        let refused = if version == V5 { 0x97 } else { 0x80 };
        assert_eq!(client.subscribe("T1/one-more", 0).codes, [refused]);
        // One that is there already can change.
        assert_eq!(client.subscribe("T1/s2", 1).codes, [1]);
        client.send(&unsubscribe(version, 7, &["T1/s3"]));
        client.expect(UNSUBACK);
        assert_eq!(client.subscribe("T1/one-more", 0).codes, [0]);
        client.ping();
    }
}

#[test]
fn the_101st_wildcard_filter_of_a_parent_topic_has_no_effect() {
    let product = Product::start(&[]);
    let mut clients: Vec<_> = (0..4)
        .map(|n| device(V311, &format!("c{n}")).to(&product.broker))
        .collect();
    for n in 0..99 {
        assert_eq!(
            clients[n / 25].subscribe(&format!("T1/w{n}/#"), 1).codes,
            [1],
            "{n}"
        );
    }
    // `#` can reach T1, and is the hundredth for it.
    let mut all = device(V311, "all").to(&product.broker);
    assert_eq!(all.subscribe("#", 1).codes, [1]);
    // One more is acknowledged, and gets nothing; a filter that somebody has already is none more.
    let mut late = device(V311, "late").to(&product.broker);
    assert_eq!(late.subscribe("T1/late/#", 1).codes, [1]);
    assert_eq!(late.subscribe("T1/w0/#", 1).codes, [1]);
    let mut told = device(V5, "told").to(&product.broker);
    assert_eq!(told.subscribe("T1/told/#", 1).codes, [0x97]);
    assert_eq!(told.subscribe("+/x", 1).codes, [0x97], "it can reach T1");
    assert_eq!(told.subscribe("T2/told/#", 1).codes, [1], "another parent topic");
    let mut sender = device(V311, "sender").to(&product.broker);
    for topic in ["T1/late/x", "T1/w0/x"] {
        sender.publish(publish(topic, topic).qos(1, 1));
        sender.expect(PUBACK);
    }
    late.expect_message("T1/w0/x");
    let message = clients[0].expect_message("T1/w0/x");
    clients[0].acknowledge(&message);
    late.expect_nothing(100);
    // Another instance has its own.
    let mut elsewhere = device_in(TWO, V5, "elsewhere").to(&product.broker);
    assert_eq!(elsewhere.subscribe("T1/more/#", 1).codes, [1]);
    // When one goes there is room.
    clients[0].send(&unsubscribe(V311, 7, &["T1/w1/#"]));
    clients[0].expect(UNSUBACK);
    assert_eq!(told.subscribe("T1/told/#", 1).codes, [1]);
}

#[test]
fn a_payload_over_64_kib_is_dropped() {
    let product = Product::start(&[]);
    let mut reader = device(V5, "reader").to(&product.broker);
    reader.subscribe("T1/#", 1);
    let payload = |length: usize| vec![b'x'; length];
    let mut old = device(V311, "old").to(&product.broker);
    old.publish(publish("T1/a", payload(65_536)).qos(1, 1));
    old.expect_ack(PUBACK, 1, 0);
    assert_eq!(reader.expect(PUBLISH).payload.len(), 65_536);
    old.publish(publish("T1/a", payload(65_537)));
    old.ping();
    // Not taken, so not acknowledged; and a client that waits for an acknowledgement has to come again.
    old.publish(publish("T1/a", payload(65_537)).qos(1, 2));
    old.expect_close();
    let mut new = device(V5, "new").to(&product.broker);
    new.publish(publish("T1/a", payload(65_537)).qos(1, 3));
    new.expect_ack(PUBACK, 3, 0x97);
    new.publish(publish("T1/a", payload(65_537)).qos(2, 4));
    new.expect_ack(PUBREC, 4, 0x97);
    new.ping();
    reader.expect_nothing(100);
}

#[test]
fn a_packet_over_128_kib_ends_the_connection() {
    let product = Product::start(&[]);
    let mut client = device(V5, "a").to(&product.broker);
    assert_eq!(client.connack.number(MAXIMUM_PACKET_SIZE), Some(131_072));
    client.publish(publish("T1/a", vec![b'x'; 131_073]));
    client.expect_disconnect(0x95);
}

#[test]
fn keep_alive_is_at_most_8_minutes() {
    let product = Product::start(&[]);
    let client = device(V5, "a").keep_alive(3600).to(&product.broker);
    assert_eq!(client.connack.property(SERVER_KEEP_ALIVE), Some(&[1, 0xE0][..]));
    let client = device(V5, "b").keep_alive(90).to(&product.broker);
    assert_eq!(client.connack.property(SERVER_KEEP_ALIVE), None);
}

#[test]
fn a_session_expiry_is_0_or_at_least_600_seconds() {
    let product = Product::start(&[]);
    let expiry = |seconds| {
        let client = device(V5, "a").expiry(seconds).to(&product.broker);
        client.connack.number(SESSION_EXPIRY)
    };
    assert_eq!(
        [expiry(0), expiry(1), expiry(599), expiry(600), expiry(601)],
        [None, Some(600), Some(600), None, None]
    );
    assert_eq!(expiry(u32::MAX), Some(2_147_483_647));
}

#[test]
fn a_message_expiry_is_between_a_minute_and_3_days() {
    let product = Product::start(&[]);
    let mut reader = device(V5, "reader").to(&product.broker);
    reader.subscribe("T1/#", 0);
    let mut sender = device(V5, "sender").to(&product.broker);
    for (asked, told) in [(1, 60), (60, 60), (3600, 3600), (u32::MAX, 259_200)] {
        sender.publish(publish("T1/a", "x").property(prop_u32(MESSAGE_EXPIRY, asked)));
        assert_eq!(
            reader.expect_message("x").number(MESSAGE_EXPIRY),
            Some(told),
            "{asked}"
        );
    }
    sender.publish(publish("T1/a", "x"));
    assert_eq!(reader.expect_message("x").number(MESSAGE_EXPIRY), None);
}

#[test]
fn an_instance_has_so_many_connections_and_no_more() {
    let product = Product::start(&["instances.mqtt-test-two.limits.instance_connections=2"]);
    let mut first = device_in(TWO, V5, "a").to(&product.broker);
    let _second = device_in(TWO, V5, "b").to(&product.broker);
    let (_, connack) = device_in(TWO, V5, "c").answer(&product.broker);
    assert_eq!(connack.code(), 0x97);
    let (_, connack) = device_in(TWO, V311, "c").answer(&product.broker);
    assert_eq!(connack.code(), 3);
    // One that is there already comes again; another instance is another.
    let _again = device_in(TWO, V5, "a").to(&product.broker);
    first.expect_disconnect(0x8E);
    (0..5).for_each(|n| drop(device(V5, &format!("o{n}")).to(&product.broker)));
}

#[test]
fn an_instance_has_so_many_subscriptions_and_no_more() {
    let product = Product::start(&["limits.instance_subscriptions=3"]);
    let mut client = device(V5, "a").to(&product.broker);
    let mut other = device(V5, "b").to(&product.broker);
    assert_eq!(client.subscribe("T1/a", 0).codes, [0]);
    assert_eq!(client.subscribe("T1/b", 0).codes, [0]);
    assert_eq!(other.subscribe("T1/a", 0).codes, [0]);
    assert_eq!(other.subscribe("T1/b", 0).codes, [0x97]);
    client.disconnect();
    let began = std::time::Instant::now();
    while other.subscribe("T1/b", 0).codes != [0] {
        assert!(began.elapsed().as_secs() < 5);
    }
    let mut elsewhere = device_in(TWO, V5, "a").to(&product.broker);
    assert_eq!(elsewhere.subscribe("T1/a", 0).codes, [0]);
}

#[test]
fn an_instance_keeps_so_many_messages_offline_and_the_oldest_goes_first() {
    // One shard, so that everything is kept when it is acknowledged.
    let product = Product::start(&["limits.offline_messages=10", "server.shards=1"]);
    let mut client = device(V311, "sleeper").resume().to(&product.broker);
    client.subscribe("T1/#", 1);
    client.disconnect();
    let mut sender = device(V311, "sender").to(&product.broker);
    for n in 1..=15 {
        sender.publish(publish("T1/a", n.to_string()).qos(1, n));
        sender.expect_ack(PUBACK, n, 0);
    }
    let mut client = device(V311, "sleeper").resume().to(&product.broker);
    for n in 6..=15 {
        let message = client.expect_message(&n.to_string());
        client.acknowledge(&message);
    }
    client.expect_nothing(100);
}

#[test]
fn a_message_is_kept_for_an_absent_client_for_a_time_only() {
    let product = Product::start(&["limits.offline_age=500ms"]);
    let mut client = device(V311, "sleeper").resume().to(&product.broker);
    client.subscribe("T1/#", 1);
    client.disconnect();
    let mut sender = device(V311, "sender").to(&product.broker);
    sender.publish(publish("T1/a", "old").qos(1, 1));
    sender.expect_ack(PUBACK, 1, 0);
    crate::support::sleep(700);
    sender.publish(publish("T1/a", "new").qos(1, 2));
    sender.expect_ack(PUBACK, 2, 0);
    let mut client = device(V311, "sleeper").resume().to(&product.broker);
    client.expect_message("new");
}

#[test]
fn a_stored_message_counts_as_offline_after_a_time() {
    let product = Product::start(&["product.offline_visible_after=1s"]);
    let offline = || {
        let (done, said) = product.ctl(&["instance", "show", ONE, "--json"]);
        assert!(done, "{said}");
        let shown: serde_json::Value = serde_json::from_str(&said).unwrap();
        shown["offline"].as_u64().unwrap()
    };
    let mut client = device(V311, "sleeper").resume().to(&product.broker);
    client.subscribe("T1/#", 1);
    client.disconnect();
    let mut sender = device(V311, "sender").to(&product.broker);
    sender.publish(publish("T1/a", "m").qos(1, 1));
    sender.expect_ack(PUBACK, 1, 0);
    assert_eq!(offline(), 0);
    crate::support::sleep(2_100);
    assert_eq!(offline(), 1);
    sender.publish(publish("T1/a", "n").qos(1, 2));
    sender.expect_ack(PUBACK, 2, 0);
    let mut client = device(V311, "sleeper").resume().to(&product.broker);
    client.expect_message("m");
    client.expect_message("n");
}

#[test]
fn an_instance_has_25_parent_topics() {
    let product = Product::start(&[]);
    // Three are the configuration's.
    for n in 3..25 {
        let (done, said) = product.ctl(&["topic", "create", &format!("P{n}")]);
        assert!(done, "{said}");
    }
    let (done, said) = product.ctl(&["topic", "create", "P25"]);
    assert!(!done && said.contains("limits.parent_topics"), "{said}");
    let (done, said) = product.ctl(&["topic", "create", "P25", "--instance", TWO]);
    assert!(done, "{said}");
}

#[test]
fn a_client_over_20_messages_a_second_is_told_of_and_loses_nothing() {
    let product = Product::start(&[]);
    let mut reader = device(V5, "reader").to(&product.broker);
    reader.subscribe("T1/#", 0);
    let mut sender = Connect::v311("GID_App@@@fast").to(&product.broker);
    for n in 0..200 {
        sender.publish(publish("T1/a", n.to_string()));
    }
    for n in 0..200 {
        reader.expect_message(&n.to_string());
    }
    let log = product.broker.log();
    let warned: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("limits.client_tps"))
        .collect();
    assert!(
        warned.len() == 1 && warned[0].contains("GID_App@@@fast"),
        "{warned:?}"
    );
}

#[test]
fn an_instance_name_has_3_to_64_plain_characters() {
    let product = Product::start(&[]);
    let create = |name: &str| product.ctl(&["instance", "create", "--name", name]);
    for good in ["abc", "A-b_9", &"n".repeat(64)] {
        assert!(create(good).0, "{good}");
    }
    for wrong in ["ab", "a b", "a.b", &"n".repeat(65)] {
        let (done, said) = create(wrong);
        assert!(!done && said.contains("3 to 64"), "{wrong}: {said}");
    }
    // Unique in its region, whatever its case.
    assert!(!create("ABC").0);
    assert!(
        product
            .ctl(&["instance", "create", "--name", "ABC", "--region", "north"])
            .0
    );
}

#[test]
fn a_group_id_has_7_to_64_plain_characters_and_begins_with_gid() {
    let product = Product::start(&[]);
    let create = |group: &str| product.ctl(&["group", "create", group]);
    for good in ["GID_abc", "GID-abc", &format!("GID_{}", "g".repeat(60))] {
        assert!(create(good).0, "{good}");
    }
    for wrong in ["GID_ab", "abcdefg", "GID_a b", &format!("GID_{}", "g".repeat(61))] {
        let (done, said) = create(wrong);
        assert!(!done && said.contains("7 to 64"), "{wrong}: {said}");
    }
    assert!(!create("GID_abc").0, "there is one");
    assert!(
        product.ctl(&["group", "create", "GID_abc", "-i", TWO]).0,
        "another instance"
    );
}
