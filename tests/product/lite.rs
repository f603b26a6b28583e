//! The edition `lite`: QoS 0, clean sessions, no wildcards; what it does not have is ignored and not refused.

use crate::support::packets::*;
use crate::{Product, TWO, device_in};

const LITE: &str = "instances.mqtt-test-two.edition=lite";

#[test]
fn qos_and_sessions_are_ignored() {
    let product = Product::start(&[LITE]);
    let mut client = device_in(TWO, V311, "a").resume().to(&product.broker);
    assert_eq!(client.subscribe("T1/a", 1).codes, [0]);
    let mut sender = device_in(TWO, V311, "sender").to(&product.broker);
    // Answered as it was asked, delivered with QoS 0.
    sender.publish(publish("T1/a", "one").qos(1, 1));
    sender.expect_ack(PUBACK, 1, 0);
    sender.publish(publish("T1/a", "two").qos(2, 2));
    sender.expect_ack(PUBREC, 2, 0);
    sender.send(&ack(PUBREL, 2));
    sender.expect_ack(PUBCOMP, 2, 0);
    for payload in ["one", "two"] {
        assert_eq!(client.expect_message(payload).qos(), 0);
    }
    client.disconnect();
    sender.publish(publish("T1/a", "offline").qos(1, 3));
    sender.expect_ack(PUBACK, 3, 0);
    let mut client = device_in(TWO, V311, "a").resume().to(&product.broker);
    assert!(!client.connack.session_present);
    client.expect_nothing(100);
}

#[test]
fn wildcards_are_refused() {
    let product = Product::start(&[LITE]);
    let mut client = device_in(TWO, V311, "a").to(&product.broker);
    for filter in ["T1/#", "T1/+", "#"] {
        assert_eq!(client.subscribe(filter, 0).codes, [0x80], "{filter}");
    }
    assert_eq!(client.subscribe("T1/a", 0).codes, [0]);
}

#[test]
fn mqtt_5_is_for_higher_editions() {
    for edition in ["lite", "standard"] {
        let product = Product::start(&[&format!("instances.mqtt-test-two.edition={edition}")]);
        let (_, connack) = device_in(TWO, V5, "a").answer(&product.broker);
        assert_eq!(connack.code(), 0x84, "{edition}");
        device_in(TWO, V311, "a").to(&product.broker);
    }
    for edition in ["professional", "platinum"] {
        let product = Product::start(&[&format!("instances.mqtt-test-two.edition={edition}")]);
        device_in(TWO, V5, "a").to(&product.broker);
    }
}

#[test]
fn a_setting_of_its_own_goes_before_the_edition() {
    let own = "instances.mqtt-test-two.mqtt.wildcard_subscription_available=true";
    let product = Product::start(&[LITE, own]);
    let mut client = device_in(TWO, V311, "a").to(&product.broker);
    assert_eq!(client.subscribe("T1/#", 0).codes, [0]);
}
