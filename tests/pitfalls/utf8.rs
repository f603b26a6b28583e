//! Point 21: text that is none.

use crate::support::*;
use crate::{broker, v5, v311};

/// Surrogates, overlong forms, above U+10FFFF, bytes that never are, a sequence cut off, and U+0000.
const WRONG: [&[u8]; 11] = [
    b"a\xED\xA0\x80b",
    b"\xED\xBF\xBF",
    b"\xC0\x80",
    b"\xC0\xAF",
    b"\xE0\x80\x80",
    b"\xF0\x80\x80\xAF",
    b"\xF4\x90\x80\x80",
    b"\xFF",
    b"a\x80",
    b"\xE2\x82",
    b"a\x00b",
];

// [MQTT-1.5.4-1], [MQTT-1.5.4-2], 3.1.1 [MQTT-1.5.3-1], -2
#[test]
fn p21_wrong_text_in_topics_ends_the_connection() {
    for wrong in WRONG {
        for mut client in [v5(), v311()] {
            client.publish(publish(wrong, "x"));
            client.expect_end(&[0x81, 0x82, 0x90]);
        }
    }
}

#[test]
fn p21_wrong_text_in_filters_ends_the_connection() {
    for wrong in WRONG {
        for mut client in [v5(), v311()] {
            let head: &[u8] = if client.version == V5 { &[0, 1, 0] } else { &[0, 1] };
            client.send(&frame(0x82, &[head, &text(wrong), &[0]].concat()));
            client.expect_end(&[0x81, 0x82]);
        }
        for mut client in [v5(), v311()] {
            let head: &[u8] = if client.version == V5 { &[0, 1, 0] } else { &[0, 1] };
            client.send(&frame(0xA2, &[head, &text(wrong)].concat()));
            client.expect_end(&[0x81, 0x82]);
        }
    }
}

#[test]
fn p21_wrong_text_in_connect_is_not_let_in() {
    for wrong in WRONG {
        for version in [V311, V5] {
            let connect = Connect::new(version, unique("p21"));
            for connect in [
                Connect::new(version, wrong),
                connect.clone().username(wrong),
                connect.will(Will::new(wrong, "x")),
            ] {
                let mut client = Client::open(broker(), version);
                client.send(&connect.bytes());
                client.expect_refusal();
            }
        }
    }
}

#[test]
fn p21_wrong_text_in_properties() {
    for wrong in WRONG {
        for property in [
            user_property(wrong, "v"),
            user_property("k", wrong),
            prop_text(CONTENT_TYPE, wrong),
            prop_text(RESPONSE_TOPIC, wrong),
        ] {
            let mut client = v5();
            client.publish(publish("p21", "x").property(property));
            client.expect_disconnect_of(&[0x81, 0x82, 0x90]);
        }
        let mut client = v5();
        client.send(&disconnect(0, &prop_text(REASON_STRING, wrong)));
        client.expect_disconnect_of(&[0x81, 0x82]);
        let mut client = Client::open(broker(), V5);
        client.send(
            &Connect::v5(unique("p21"))
                .property(user_property(wrong, "v"))
                .bytes(),
        );
        client.expect_refusal();
    }
}

// Passwords and payloads are not text.
#[test]
fn p21_binary_data_is_not_checked() {
    let (topic, mut subscriber) = (unique("p21"), v5());
    subscriber.subscribe(&topic, 0);
    for wrong in WRONG {
        for version in [V311, V5] {
            let connect = Connect::new(version, unique("p21")).username("u").password(wrong);
            let mut client = connect.to(broker());
            client.publish(publish(&topic, wrong));
            assert_eq!(subscriber.expect(PUBLISH).payload, wrong);
        }
        v5().publish(publish(&topic, "m").property(prop_text(CORRELATION_DATA, wrong)));
        assert_eq!(
            subscriber.expect_message("m").property(CORRELATION_DATA),
            Some(wrong)
        );
    }
}

// [MQTT-1.5.4-3] U+FEFF is a character, and is kept.
#[test]
fn p21_a_byte_order_mark_is_kept() {
    let topic = unique("p21");
    let marked = format!("\u{FEFF}{topic}");
    let (mut plain, mut with_mark) = (v5(), v5());
    plain.subscribe(&topic, 0);
    with_mark.subscribe(&marked, 0);
    v5().publish(publish(&marked, "m").property(prop_text(CONTENT_TYPE, "\u{FEFF}t")));
    let message = with_mark.expect_message("m");
    assert_eq!(message.topic(), marked);
    assert_eq!(message.property(CONTENT_TYPE), Some("\u{FEFF}t".as_bytes()));
    plain.expect_nothing(100);
}

// [MQTT-4.7.3-4] topics are compared as they are: no normalising, no folding of case, no trimming.
#[test]
fn p21_topics_are_not_normalised() {
    let base = unique("p21");
    let forms = [
        "\u{E9}", "e\u{301}", "E", "e", " e", "e ", "/e", "e/", "\u{212B}", "\u{C5}", "\u{FB01}", "fi",
    ];
    let mut subscribers = forms.map(|form| {
        let mut client = v5();
        client.subscribe(&format!("{base}/{form}"), 0);
        client
    });
    let mut publisher = v5();
    for form in forms {
        publisher.publish(publish(format!("{base}/{form}"), form));
    }
    publisher.ping();
    for (subscriber, form) in subscribers.iter_mut().zip(forms) {
        assert_eq!(subscriber.expect_message(form).topic(), format!("{base}/{form}"));
        subscriber.expect_nothing(20);
    }
}

// 1.5.4: control characters and non-characters are discouraged, not forbidden; whichever it is, it is consistent.
#[test]
fn p21_rare_characters_pass_or_end_the_connection() {
    for rare in [
        "\u{1}",
        "\u{7F}",
        "\u{9F}",
        "\u{FFFF}",
        "\u{10FFFF}",
        "\u{FDD0}",
        "\u{1F426}",
    ] {
        let (mut client, topic) = (v5(), format!("{}{rare}", unique("p21")));
        client.send(&subscribe(V5, 1, &[(&topic, 0)], &[]));
        let suback = client.receive();
        if suback.kind == SUBACK {
            client.publish(publish(&topic, "m"));
            assert_eq!(client.expect_message("m").topic(), topic);
        } else {
            assert_eq!((suback.kind, suback.code()), (DISCONNECT, 0x81));
        }
    }
}
