//! rumqttc, 3.1.1 (its crate root) and 5.0 (`rumqttc::v5`).

use std::time::Duration;

use crate::dunlin;
use crate::support::unique;

const PATIENCE: Duration = Duration::from_secs(10);
const MEBIBYTE: usize = 1 << 20;

mod v311 {
    use super::*;
    use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, Packet, Publish, QoS};

    fn options(id: &str) -> MqttOptions {
        let address = dunlin().broker.address();
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        options.set_max_packet_size(2 * MEBIBYTE, 2 * MEBIBYTE);
        options
    }

    /// Connected; the flag is Session Present.
    fn connect(options: MqttOptions) -> (Client, Connection, bool) {
        let (client, mut connection) = Client::new(options, 100);
        loop {
            match connection
                .recv_timeout(PATIENCE)
                .expect("no CONNACK")
                .expect("refused")
            {
                Event::Incoming(Packet::ConnAck(connack)) => {
                    return (client, connection, connack.session_present);
                }
                _ => continue,
            }
        }
    }

    fn until(connection: &mut Connection, wanted: impl Fn(&Packet) -> bool) -> Packet {
        loop {
            match connection
                .recv_timeout(PATIENCE)
                .expect("nothing came")
                .expect("disconnected")
            {
                Event::Incoming(packet) if wanted(&packet) => return packet,
                _ => continue,
            }
        }
    }

    fn message(connection: &mut Connection) -> Publish {
        match until(connection, |packet| matches!(packet, Packet::Publish(_))) {
            Packet::Publish(publish) => publish,
            _ => unreachable!(),
        }
    }

    fn subscribe(client: &Client, connection: &mut Connection, topic: &str, qos: QoS) {
        client.subscribe(topic, qos).unwrap();
        until(connection, |packet| matches!(packet, Packet::SubAck(_)));
    }

    const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

    #[test]
    fn qos_0_1_2_small_and_one_mebibyte() {
        let topic = unique("rumqtt/qos");
        let (client, mut connection, _) = connect(options(&unique("ra")));
        subscribe(&client, &mut connection, &topic, QoS::ExactlyOnce);
        for (n, qos) in ALL.into_iter().enumerate() {
            for payload in [vec![n as u8], vec![n as u8; MEBIBYTE]] {
                client.publish(&topic, qos, false, payload.clone()).unwrap();
                let came = message(&mut connection);
                assert!(
                    came.payload == payload && came.qos == qos && !came.retain,
                    "{qos:?}"
                );
            }
        }
    }

    #[test]
    fn retained_and_will() {
        let topic = unique("rumqtt/will");
        let mut mortal = options(&unique("rb"));
        mortal.set_last_will(LastWill::new(&topic, "gone", QoS::AtLeastOnce, true));
        drop(connect(mortal));
        // The retained will, whether it comes at once or to the subscription.
        let (client, mut connection, _) = connect(options(&unique("rc")));
        subscribe(&client, &mut connection, &topic, QoS::AtLeastOnce);
        assert_eq!(message(&mut connection).payload, "gone");
        let (client, mut connection, _) = connect(options(&unique("rd")));
        subscribe(&client, &mut connection, &topic, QoS::AtLeastOnce);
        let late = message(&mut connection);
        assert!(late.retain && late.payload == "gone", "{late:?}");
    }

    #[test]
    fn persistent_session() {
        let (id, topic) = (unique("re"), unique("rumqtt/session"));
        let mut persistent = options(&id);
        persistent.set_clean_session(false);
        let (client, mut connection, present) = connect(persistent.clone());
        assert!(!present);
        subscribe(&client, &mut connection, &topic, QoS::ExactlyOnce);
        client.disconnect().unwrap();
        while connection
            .recv_timeout(PATIENCE)
            .expect("no end of the connection")
            .is_ok()
        {}

        let (sender, mut acknowledgements, _) = connect(options(&unique("rf")));
        for n in 0..10_u8 {
            sender.publish(&topic, QoS::AtLeastOnce, false, [n]).unwrap();
            until(&mut acknowledgements, |packet| {
                matches!(packet, Packet::PubAck(_))
            });
        }
        let (_client, mut connection, present) = connect(persistent);
        assert!(present);
        for n in 0..10_u8 {
            assert_eq!(message(&mut connection).payload, [n].as_slice());
        }
    }
}

mod v5 {
    use super::*;
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
    use rumqttc::v5::{Client, Connection, Event, MqttOptions};

    fn connect(options: MqttOptions) -> (Client, Connection, bool) {
        let (client, mut connection) = Client::new(options, 100);
        match until(&mut connection, |packet| matches!(packet, Packet::ConnAck(_))) {
            Packet::ConnAck(connack) => (client, connection, connack.session_present),
            _ => unreachable!(),
        }
    }

    fn options(id: &str) -> MqttOptions {
        let address = dunlin().broker.address();
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        options.set_max_packet_size(Some(2 * MEBIBYTE as u32));
        options
    }

    fn until(connection: &mut Connection, wanted: impl Fn(&Packet) -> bool) -> Packet {
        loop {
            match connection
                .recv_timeout(PATIENCE)
                .expect("nothing came")
                .expect("disconnected")
            {
                Event::Incoming(packet) if wanted(&packet) => return packet,
                _ => continue,
            }
        }
    }

    fn message(connection: &mut Connection) -> Publish {
        match until(connection, |packet| matches!(packet, Packet::Publish(_))) {
            Packet::Publish(publish) => publish,
            _ => unreachable!(),
        }
    }

    #[test]
    fn properties_and_qos_0_1_2() {
        let topic = unique("rumqtt/five");
        let (client, mut connection, _) = connect(options(&unique("rg")));
        client.subscribe(&topic, QoS::ExactlyOnce).unwrap();
        until(&mut connection, |packet| matches!(packet, Packet::SubAck(_)));
        let text = |text: &str| text.to_owned();
        let sent = PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: Some(600),
            response_topic: Some(text("answers/here")),
            correlation_data: Some((0..=255).collect::<Vec<u8>>().into()),
            user_properties: vec![(text("same"), text("a")), (text("same"), text("b"))],
            content_type: Some(text("text/plain")),
            ..PublishProperties::default()
        };
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for payload in [vec![b'x'], vec![b'x'; MEBIBYTE]] {
                client
                    .publish_with_properties(&topic, qos, false, payload.clone(), sent.clone())
                    .unwrap();
                let came = message(&mut connection);
                assert!(came.payload == payload && came.qos == qos, "{qos:?}");
                let mut properties = came.properties.unwrap();
                let left = properties.message_expiry_interval.replace(600).unwrap();
                assert!((598..=600).contains(&left), "{left}");
                assert_eq!(properties, sent);
            }
        }
    }

    #[test]
    fn persistent_session() {
        let (id, topic) = (unique("rh"), unique("rumqtt/five"));
        let mut persistent = options(&id);
        persistent.set_clean_start(false);
        persistent.set_session_expiry_interval(Some(3600));
        let (client, mut connection, present) = connect(persistent.clone());
        assert!(!present);
        client.subscribe(&topic, QoS::ExactlyOnce).unwrap();
        until(&mut connection, |packet| matches!(packet, Packet::SubAck(_)));
        drop((client, connection));

        let (sender, mut acknowledgements, _) = connect(options(&unique("ri")));
        for n in 0..10_u8 {
            sender
                .publish(&topic, QoS::AtLeastOnce, false, [n].to_vec())
                .unwrap();
            until(&mut acknowledgements, |packet| {
                matches!(packet, Packet::PubAck(_))
            });
        }
        let (_client, mut connection, present) = connect(persistent);
        assert!(present);
        for n in 0..10_u8 {
            assert_eq!(message(&mut connection).payload, [n].as_slice());
        }
    }
}
