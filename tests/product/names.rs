//! Client ids, groups, parent topics: what they have to be, and what becomes of others.

use crate::support::{Connect, packets::*};
use crate::{Product, device};

/// Version, client id, and the code of CONNACK.
fn refused(product: &Product, version: u8, client_id: &str, code: u8) {
    let (mut client, connack) = Connect::new(version, client_id).answer(&product.broker);
    assert_eq!(
        connack.code(),
        code,
        "{client_id:?} of version {version}: {connack:02x?}"
    );
    client.expect_close();
}

#[test]
fn a_client_id_is_a_group_and_a_device() {
    let product = Product::start(&[]);
    device(V311, "0001").to(&product.broker);
    device(V5, "a-b_C9").to(&product.broker);
    for wrong in [
        "plain",
        "GID_Test",
        "GID_Test@@@",
        "@@@0001",
        "GID_Test@@@a@@@b",
        "GID_Test@@@a b",
        "GID_Test@@@ü",
    ] {
        refused(&product, V311, wrong, 2);
        refused(&product, V5, wrong, 0x85);
    }
    // In a group that nobody has created.
    refused(&product, V311, "GID_None@@@0001", 5);
    refused(&product, V5, "GID_None@@@0001", 0x87);
    // The group is compared letter by letter.
    refused(&product, V5, "GID_TEST@@@0001", 0x87);
}

#[test]
fn a_client_id_of_64_bytes_is_the_longest() {
    let product = Product::start(&[]);
    let id = |length: usize| format!("GID_Test@@@{}", "a".repeat(length - 11));
    Connect::v311(id(64)).to(&product.broker);
    Connect::v5(id(64)).to(&product.broker);
    refused(&product, V311, &id(65), 2);
    refused(&product, V5, &id(65), 0x85);
}

#[test]
fn an_empty_client_id_gets_what_mqtt_says() {
    let product = Product::start(&[]);
    Connect::v311("").to(&product.broker);
    let client = Connect::v5("").to(&product.broker);
    assert!(client.connack.property(ASSIGNED_CLIENT_ID).is_some());
    let (_, connack) = Connect::v311("").resume().answer(&product.broker);
    assert_eq!(connack.code(), 2);
}

#[test]
fn a_parent_topic_has_to_be_created() {
    let product = Product::start(&[]);
    let mut old = device(V311, "old").to(&product.broker);
    assert_eq!(old.subscribe("T1/anything/below", 1).codes, [1]);
    old.publish(publish("Case", "x").qos(1, 1));
    old.expect_ack(PUBACK, 1, 0);
    // A 3.x client cannot be told, so it goes.
    old.publish(publish("Unknown/a", "x").qos(1, 2));
    old.expect_close();
    let mut old = device(V311, "old").to(&product.broker);
    old.send(&subscribe(V311, 5, &[("Unknown/#", 0)], &[]));
    old.expect_close();
    // A 5.0 client is told, and stays.
    let mut new = device(V5, "new").to(&product.broker);
    new.publish(publish("Unknown/a", "x").qos(1, 2));
    new.expect_ack(PUBACK, 2, 0x90);
    assert_eq!(new.subscribe("Unknown/#", 0).codes, [0x8F]);
    // Its letters count as they are.
    new.publish(publish("case/a", "x").qos(1, 3));
    new.expect_ack(PUBACK, 3, 0x90);
    new.publish(publish("Case/a", "x").qos(1, 4));
    new.expect_ack(PUBACK, 4, 0x10);
}

#[test]
fn a_parent_topic_that_is_created_counts_at_once() {
    let product = Product::start(&[]);
    let mut client = device(V5, "a").to(&product.broker);
    client.publish(publish("Fresh/a", "x").qos(1, 1));
    client.expect_ack(PUBACK, 1, 0x90);
    assert!(product.ctl(&["topic", "create", "Fresh"]).0);
    client.publish(publish("Fresh/a", "x").qos(1, 2));
    client.expect_ack(PUBACK, 2, 0x10);
    assert!(product.ctl(&["topic", "delete", "Fresh"]).0);
    client.publish(publish("Fresh/a", "x").qos(1, 3));
    client.expect_ack(PUBACK, 3, 0x90);
    // The same of a group.
    let newcomer = Connect::v5("GID_Fresh@@@a");
    assert_eq!(newcomer.answer(&product.broker).1.code(), 0x87);
    assert!(product.ctl(&["group", "create", "GID_Fresh"]).0);
    newcomer.to(&product.broker);
}

#[test]
fn parent_topics_can_create_themselves() {
    let product = Product::start(&["product.parent_topics=auto", "limits.parent_topics=5"]);
    let mut client = device(V5, "a").to(&product.broker);
    assert_eq!(client.subscribe("New1/#", 1).codes, [1]);
    client.publish(publish("New1/a", "x").qos(1, 1));
    client.expect_message("x");
    client.expect_ack(PUBACK, 1, 0);
    client.publish(publish("New2/a", "x").qos(1, 2));
    client.expect_ack(PUBACK, 2, 0x10);
    // Five there may be, three of them the configuration's.
    let began = std::time::Instant::now();
    loop {
        client.publish(publish("New3/a", "x").qos(1, 3));
        let answer = client.expect(PUBACK);
        if answer.code() == 0x90 {
            break;
        }
        assert!(began.elapsed().as_secs() < 10, "{answer:02x?}");
        crate::support::sleep(10);
    }
    // What differs in its letters alone is not another.
    client.publish(publish("t1/a", "x").qos(1, 4));
    assert_eq!(client.expect(PUBACK).code(), 0x90);
}

#[test]
fn topics_have_3_to_64_characters_of_the_products() {
    let product = Product::start(&[]);
    let mut client = device(V5, "a").to(&product.broker);
    let long = |length: usize| format!("T1/{}", "a".repeat(length - 3));
    let mut id = 0;
    let mut publish_to = |topic: &str| {
        id += 1;
        client.publish(publish(topic, "x").qos(1, id));
        client.expect(PUBACK).code()
    };
    for good in [long(64), "T1/a".into(), "T1/A-b_9/c".into()] {
        assert_eq!(publish_to(&good), 0x10, "{good}");
    }
    for wrong in [
        long(65),
        "T1".into(),
        "T1/a b".into(),
        "T1/ü".into(),
        "T1//a".into(),
        "T1/".into(),
        "/T1".into(),
        "T1/a.b".into(),
        "T1/a@b".into(),
    ] {
        assert_eq!(publish_to(&wrong), 0x90, "{wrong}");
    }
    let filter = |client: &mut crate::support::Client, filter: &str| client.subscribe(filter, 0).codes[0];
    assert_eq!(filter(&mut client, &long(64)), 0);
    assert_eq!(filter(&mut client, &long(65)), 0x8F);
    assert_eq!(filter(&mut client, "T1/a.b/#"), 0x8F);
    assert_eq!(filter(&mut client, "#"), 0);
    assert_eq!(filter(&mut client, "+/a"), 0);
    // A filter with a wildcard is none that names one client.
    assert_eq!(filter(&mut client, "+/p2p/x"), 0);
    assert_eq!(filter(&mut client, "T1/p2p/+"), 0);
    assert_eq!(filter(&mut client, "Unknown/p2p/x"), 0x8F);
}

#[test]
fn a_second_connection_of_a_client_id_takes_over_or_is_refused() {
    let product = Product::start(&[]);
    let mut first = device(V5, "a").to(&product.broker);
    let mut second = device(V5, "a").to(&product.broker);
    first.expect_disconnect(0x8E);
    second.ping();
    drop(product);
    let product = Product::start(&["product.duplicate_client_id=reject"]);
    let mut first = device(V5, "a").to(&product.broker);
    let (_, connack) = device(V5, "a").answer(&product.broker);
    assert_eq!(connack.code(), 0x85);
    let (_, connack) = device(V311, "a").answer(&product.broker);
    assert_eq!(connack.code(), 2);
    first.ping();
    first.disconnect();
    device(V5, "a").to(&product.broker);
}

#[test]
fn a_client_that_changes_clean_session_is_served_and_told_of_once() {
    let product = Product::start(&[]);
    for clean in [true, false, true, false] {
        let connect = device(V311, "wavers");
        let connect = if clean { connect } else { connect.resume() };
        let mut client = connect.to(&product.broker);
        assert!(!client.connack.session_present, "{clean}");
        client.subscribe("T1/#", 1);
        client.disconnect();
    }
    let warned = product.broker.log().matches("changed cleanSession").count();
    assert_eq!(warned, 1, "{}", product.broker.log_tail());
}

#[test]
fn a_will_is_held_to_the_same_names() {
    let product = Product::start(&[]);
    let with = |topic: &str| device(V5, "a").will(crate::support::Will::new(topic, "x"));
    with("T1/will").to(&product.broker);
    for wrong in ["Unknown/will", "T1/a b", "T1"] {
        assert_eq!(with(wrong).answer(&product.broker).1.code(), 0x90, "{wrong}");
    }
}
