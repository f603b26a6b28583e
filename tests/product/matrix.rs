//! QoS and cleanSession: six cells, and what the options make of them.

use crate::support::{Client, packets::*};
use crate::{Product, device};

fn sender(product: &Product) -> Client {
    device(V311, "sender").to(&product.broker)
}

/// Publishes with QoS 2, so that the subscription decides.
fn send(sender: &mut Client, payload: &str) {
    sender.publish(publish("T1/a", payload).qos(2, 9));
    sender.expect_ack(PUBREC, 9, 0);
    sender.send(&ack(PUBREL, 9));
    sender.expect_ack(PUBCOMP, 9, 0);
}

/// One cell: subscribes, gets one message online, goes away, comes back. Answers with what came then, and whether the
/// session was there.
fn cell(product: &Product, clean: bool, qos: u8) -> (Vec<String>, bool) {
    let name = format!("cell-{clean}-{qos}");
    let connect = || {
        let connect = device(V311, &name);
        if clean { connect } else { connect.resume() }
    };
    let mut sender = sender(product);
    let mut client = connect().to(&product.broker);
    assert_eq!(client.subscribe("T1/a", qos).codes, [qos]);
    send(&mut sender, "online");
    let message = client.expect_message("online");
    assert_eq!(message.qos(), qos);
    client.acknowledge(&message);
    client.disconnect();
    send(&mut sender, "offline");
    let mut client = connect().to(&product.broker);
    let present = client.connack.session_present;
    // What is kept comes by itself; a subscription that is still there shows by the next message.
    send(&mut sender, "again");
    let mut came = Vec::new();
    while let Some(packet) = client.receive_within(150) {
        match packet.kind {
            PUBLISH if packet.qos() == 2 => client.send(&ack(PUBREC, packet.id)),
            PUBLISH if packet.qos() == 1 => client.send(&ack(PUBACK, packet.id)),
            PUBREL => client.send(&ack(PUBCOMP, packet.id)),
            _ => {}
        }
        if packet.kind == PUBLISH {
            came.push(String::from_utf8_lossy(&packet.payload).into_owned());
        }
    }
    client.disconnect();
    (came, present)
}

#[test]
fn qos_0_clean_has_nothing_offline() {
    let product = Product::start(&[]);
    assert_eq!(cell(&product, true, 0), (vec![], false));
}

#[test]
fn qos_1_clean_has_nothing_offline() {
    let product = Product::start(&[]);
    assert_eq!(cell(&product, true, 1), (vec![], false));
}

#[test]
fn qos_2_clean_has_nothing_offline() {
    let product = Product::start(&[]);
    assert_eq!(cell(&product, true, 2), (vec![], false));
}

#[test]
fn qos_0_persistent_has_nothing_offline_and_stays_subscribed() {
    let product = Product::start(&[]);
    assert_eq!(cell(&product, false, 0), (vec!["again".into()], true));
}

#[test]
fn qos_1_persistent_gets_what_came_offline() {
    let product = Product::start(&[]);
    assert_eq!(
        cell(&product, false, 1),
        (vec!["offline".into(), "again".into()], true)
    );
}

#[test]
fn qos_2_persistent_lasts_as_long_as_its_connection() {
    let product = Product::start(&[]);
    assert_eq!(cell(&product, false, 2), (vec![], true));
}

#[test]
fn qos_2_persistent_is_as_in_mqtt_where_that_is_wanted() {
    let product = Product::start(&["product.qos2_subscriptions=session"]);
    assert_eq!(
        cell(&product, false, 2),
        (vec!["offline".into(), "again".into()], true)
    );
}

#[test]
fn what_was_not_acknowledged_with_qos_2_is_gone_with_the_connection() {
    let product = Product::start(&[]);
    let mut sender = sender(&product);
    let mut client = device(V311, "a").resume().to(&product.broker);
    client.subscribe("T1/a", 2);
    client.subscribe("T1/b", 1);
    send(&mut sender, "two");
    sender.publish(publish("T1/b", "one").qos(1, 1));
    sender.expect_ack(PUBACK, 1, 0);
    client.expect_message("two");
    client.expect_message("one");
    client.vanish();
    let mut client = device(V311, "a").resume().to(&product.broker);
    let message = client.expect_message("one");
    assert!(message.dup());
    client.acknowledge(&message);
    client.expect_nothing(100);
}
