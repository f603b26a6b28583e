//! What a refusal looks like to a client, in each version, and that nothing of what was refused gets anywhere.

use crate::support::{
    Connect, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V5, V311, Will, ack, publish, unique,
};
use crate::{Demo, signed};

const NOT_AUTHORIZED: u8 = 0x87;

// [MQTT-3.2.2-6], [MQTT-3.2.2-7]; the answer to an unknown key is that to a wrong signature, so nobody learns which
// keys there are.
#[test]
fn a_refused_connect_has_the_right_code_no_session_and_a_close() {
    let demo = Demo::start(&[]);
    let user = |key: &str, instance: &str| format!("Signature|{key}|{instance}");
    let (known, ours) = (crate::KEY, crate::INSTANCE);
    for (version, bad, not_authorized) in [(V311, 4, 5), (V5, 0x86, NOT_AUTHORIZED)] {
        let id = unique("GID_a@@@");
        let right = crate::password(crate::SECRET, &id);
        for (username, password, code) in [
            (user(known, ours), "guess", bad),
            (user("Unknown", ours), right.as_str(), bad),
            (user(known, "mqtt-cn-other"), right.as_str(), not_authorized),
            // A name without `|` is custom authentication's.
            ("root".to_owned(), "root", bad),
            ("Root|root|{ours}".replace("{ours}", ours), "root", not_authorized),
        ] {
            let connect = Connect::new(version, &id).username(&username).password(password);
            let (mut client, connack) = connect.answer(&demo.broker);
            assert_eq!(
                (connack.code(), connack.session_present),
                (code, false),
                "{username}: {connack:02x?}"
            );
            client.expect_close();
        }
    }
}

#[test]
fn who_is_refused_takes_over_nobodys_session() {
    let demo = Demo::start(&[]);
    let id = unique("GID_a@@@");
    let mut member = signed(V5, &id).to(&demo.broker);
    let (_, connack) = signed(V5, &id).password("guess").answer(&demo.broker);
    assert_eq!(connack.code(), 0x86);
    member.ping();
}

// [MQTT-3.3.5-2]: in 5.0 the acknowledgement says it, and the connection stays.
#[test]
fn a_refused_publish_of_5_reaches_nobody_and_nothing_is_retained() {
    let demo = Demo::start(&[]);
    let mut client = signed(V5, &unique("GID_a@@@")).to(&demo.broker);
    let mut reader = signed(V5, &unique("GID_ops@@@")).to(&demo.broker);
    assert_eq!(reader.subscribe("plant/#", 1).codes, [1]);
    client.publish(publish("plant/a", "no").qos(1, 5));
    client.expect_ack(PUBACK, 5, NOT_AUTHORIZED);
    client.publish(publish("plant/a", "no").qos(2, 6));
    client.expect_ack(PUBREC, 6, NOT_AUTHORIZED);
    client.publish(publish("plant/a", "no").retain());
    client.ping();
    reader.expect_nothing(200);
    assert_eq!(reader.subscribe("plant/#", 1).codes, [1]);
    reader.expect_nothing(100);
    // The packet id is free again.
    client.publish(publish("demo/a", "yes").qos(2, 6));
    assert!(client.expect(PUBREC).code() < 0x80);
}

// 3.1.1 [MQTT-3.3.5-2]: "It MUST either make a positive acknowledgement ... or close the Network Connection".
#[test]
fn a_refused_publish_of_311_reaches_nobody() {
    let demo = Demo::start(&[]);
    let mut client = signed(V311, &unique("GID_a@@@")).to(&demo.broker);
    let mut reader = signed(V5, &unique("GID_ops@@@")).to(&demo.broker);
    assert_eq!(reader.subscribe("plant/#", 1).codes, [1]);
    client.publish(publish("plant/a", "no").qos(1, 5));
    if let Some(answer) = client.receive_or_close() {
        assert_eq!((answer.kind, answer.id), (PUBACK, 5));
        client.publish(publish("plant/a", "no").qos(2, 6));
        client.expect_ack(PUBREC, 6, 0);
        client.send(&ack(PUBREL, 6));
        client.expect_ack(PUBCOMP, 6, 0);
    }
    reader.expect_nothing(200);
}

#[test]
fn a_filter_that_reaches_further_than_allowed_is_refused() {
    let demo = Demo::start(&[]);
    let mut client = signed(V5, &unique("GID_a@@@")).to(&demo.broker);
    for filter in ["+/+", "+/#", "devices/+/up", "devices/#", "$share/g/#", "$SYS/#"] {
        assert_eq!(client.subscribe(filter, 0).codes, [NOT_AUTHORIZED], "{filter}");
    }
    assert_eq!(client.subscribe("$share/g/demo/#", 0).codes, [0]);
}

// A will is a publish of its client's.
#[test]
fn a_will_on_a_topic_that_is_not_allowed_is_not_published() {
    let demo = Demo::start(&[]);
    let mut reader = signed(V5, &unique("GID_ops@@@")).to(&demo.broker);
    reader.subscribe("plant/#", 0);
    reader.subscribe("demo/#", 0);
    for topic in ["plant/will", "demo/will"] {
        let connect = signed(V5, &unique("GID_a@@@")).will(Will::new(topic, "gone"));
        let (client, connack) = connect.answer(&demo.broker);
        // Refused at once, or let in and the will dropped: both keep it away.
        if connack.code() == 0 {
            client.vanish();
        }
    }
    let message = reader.expect(PUBLISH);
    assert_eq!(message.topic(), "demo/will", "{message:02x?}");
    reader.expect_nothing(300);
}
