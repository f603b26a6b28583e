//! What a client may do, and an edit of the rules while it is connected.

use crate::support::{PUBACK, PUBLISH, Publish, SUBACK, V5, V311, publish, subscribe, unique};
use crate::{Demo, millis_until, signed};

const NOT_AUTHORIZED: u8 = 0x87;

#[test]
fn rules_of_the_demo() {
    let demo = Demo::start(&[]);
    let (id, ops) = (unique("GID_a@@@"), unique("GID_ops@@@"));
    let own = format!("devices/{id}/up");
    let mut reader = signed(V5, &ops).to(&demo.broker);
    assert_eq!(reader.subscribe("devices/+/up", 1).codes, [1]);
    assert_eq!(reader.subscribe("secret/plans", 1).codes, [NOT_AUTHORIZED]);

    let mut client = signed(V5, &id).to(&demo.broker);
    for (number, (topic, code)) in [
        (own.as_str(), 0),
        ("devices/another/up", NOT_AUTHORIZED),
        ("demo/x", 0x10),
        ("secret/plans", NOT_AUTHORIZED),
    ]
    .into_iter()
    .enumerate()
    {
        client.publish(publish(topic, topic).qos(1, number as u16 + 1));
        client.expect_ack(PUBACK, number as u16 + 1, code);
    }
    reader.expect_message(&own);
    reader.expect_nothing(200);

    let filters = [
        ("demo/#", 0),
        ("#", 0),
        ("devices/another/down", 1),
        ("$SYS/#", 0),
    ];
    client.send(&subscribe(V5, 9, &filters, &[]));
    let refused = [NOT_AUTHORIZED; 3];
    assert_eq!(client.expect(SUBACK).codes, [&[0], &refused[..]].concat());

    let mut older = signed(V311, &unique("GID_a@@@")).to(&demo.broker);
    older.send(&subscribe(V311, 9, &filters, &[]));
    assert_eq!(older.expect(SUBACK).codes, [0, 0x80, 0x80, 0x80]);
}

#[test]
fn an_edited_rule_is_in_force_within_a_second_and_nobody_is_disconnected() {
    let demo = Demo::start(&[]);
    let mut client = signed(V5, &unique("GID_a@@@")).to(&demo.broker);
    assert_eq!(client.subscribe("demo/#", 1).codes, [1]);
    let mut answer = |message: Publish| {
        client.publish(message.qos(1, 1));
        loop {
            let packet = client.receive();
            match packet.kind {
                PUBLISH => client.acknowledge(&packet),
                _ => return packet.code(),
            }
        }
    };
    assert_eq!(answer(publish("demo/x", "before")), 0);
    assert_eq!(answer(publish("rooms/7", "before")), NOT_AUTHORIZED);

    let script = std::fs::read_to_string(demo.acl()).unwrap();
    let rule = r#"{ "allow", "all", "*", "demo/#" },"#;
    assert!(script.contains(rule), "the demo's first rule");
    let edited = script.replace(rule, r##"{ "allow", "all", "*", "rooms/#" },"##);
    std::fs::write(demo.acl(), edited).unwrap();
    let millis = millis_until("the new rule", &demo.broker, || {
        answer(publish("rooms/7", "after")) != NOT_AUTHORIZED
    });
    assert!(millis < 1000, "the new rule was in force after {millis} ms");
    assert_eq!(answer(publish("demo/x", "after")), NOT_AUTHORIZED);
}
