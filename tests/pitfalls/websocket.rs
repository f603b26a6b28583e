//! Point 13: MQTT over WebSocket.

use std::net::SocketAddr;
use std::sync::OnceLock;

use crate::support::broker::free_address;
use crate::support::websocket::*;
use crate::support::*;

/// A broker with a WebSocket listener, and that listener's address.
fn listener() -> SocketAddr {
    static BROKER: OnceLock<(Broker, SocketAddr)> = OnceLock::new();
    let (_, address) = BROKER.get_or_init(|| {
        let address = free_address();
        (
            Broker::start(&[&format!("listeners.ws.bind=\"{address}\"")]),
            address,
        )
    });
    *address
}

const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

/// A connected client.
fn connected(version: u8) -> WebSocket {
    let mut socket = WebSocket::open(listener(), version, MQTT);
    socket.send(&Connect::new(version, unique("p13")).bytes());
    assert_eq!(socket.expect(CONNACK).code(), 0);
    socket
}

// [MQTT-6.0.0-3], [MQTT-6.0.0-4]
#[test]
fn p13_the_subprotocol_is_mqtt() {
    for headers in [MQTT, "Sec-WebSocket-Protocol: chat, mqtt\r\n"] {
        let socket = WebSocket::open(listener(), V5, headers);
        let head = socket.head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(
            head.lines()
                .any(|line| line.trim_end() == "sec-websocket-protocol: mqtt"),
            "{head}"
        );
        assert!(socket.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    }
}

#[test]
fn p13_another_subprotocol_is_not_agreed_to() {
    let socket = WebSocket::open(listener(), V5, "Sec-WebSocket-Protocol: chat\r\n");
    assert!(
        !socket
            .head
            .to_ascii_lowercase()
            .contains("sec-websocket-protocol: chat"),
        "{}",
        socket.head
    );
}

// [MQTT-6.0.0-1]
#[test]
fn p13_text_frames_close_the_connection() {
    let mut socket = WebSocket::open(listener(), V5, MQTT);
    socket.frame(true, TEXT, &Connect::v5(unique("p13")).bytes());
    assert_eq!(socket.receive(), None);
    let mut socket = connected(V5);
    socket.frame(true, TEXT, &pingreq());
    assert!(socket.receive().is_none_or(|packet| packet.kind == DISCONNECT));
}

// [MQTT-6.0.0-2] one message, several packets.
#[test]
fn p13_several_packets_in_one_frame() {
    for version in [V311, V5] {
        let (mut socket, topic) = (WebSocket::open(listener(), version, MQTT), unique("p13"));
        let connect = Connect::new(version, unique("p13")).bytes();
        let subscribe = subscribe(version, 1, &[(&topic, 0)], &[]);
        socket.send(&[connect, subscribe, publish(&topic, "m").bytes(version)].concat());
        socket.expect(CONNACK);
        socket.expect(SUBACK);
        assert_eq!(socket.expect(PUBLISH).payload, b"m");
    }
}

// [MQTT-6.0.0-2] one packet, several messages: a byte each.
#[test]
fn p13_a_packet_in_frames_of_one_byte() {
    let mut socket = WebSocket::open(listener(), V5, MQTT);
    for byte in Connect::v5(unique("p13")).bytes() {
        socket.frame(true, BINARY, &[byte]);
    }
    socket.expect(CONNACK);
}

// Fragments of one message, with a PING between (RFC 6455, 5.4).
#[test]
fn p13_fragments_with_a_ping_between() {
    let mut socket = WebSocket::open(listener(), V5, MQTT);
    let bytes = Connect::v5(unique("p13")).bytes();
    socket.frame(false, BINARY, &bytes[..5]);
    socket.frame(true, PING, b"are you there");
    socket.frame(false, CONTINUATION, &bytes[5..6]);
    socket.frame(true, CONTINUATION, &bytes[6..]);
    assert_eq!(socket.next_frame(), Some((PONG, b"are you there".to_vec())));
    socket.expect(CONNACK);
}

// Empty frames are frames.
#[test]
fn p13_empty_frames() {
    let mut socket = connected(V5);
    socket.send(&[]);
    socket.frame(false, BINARY, &[]);
    socket.frame(true, CONTINUATION, &pingreq());
    socket.expect(PINGRESP);
}

#[test]
fn p13_large_messages_go_both_ways() {
    for size in [125, 126, 65_535, 65_536, 100_000, 3_000_000] {
        let (mut socket, topic) = (connected(V5), unique("p13"));
        socket.send(&subscribe(V5, 1, &[(&topic, 1)], &[]));
        socket.expect(SUBACK);
        let payload: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let bytes = publish(&topic, &payload).bytes(V5);
        // Frames that end where packets do not.
        bytes.chunks(70_001).for_each(|chunk| socket.send(chunk));
        assert!(socket.expect(PUBLISH).payload == payload, "{size} bytes");
    }
}

// Many packets towards the client, whatever frames they travel in.
#[test]
fn p13_many_messages_arrive_in_order() {
    let (mut socket, topic) = (connected(V311), unique("p13"));
    socket.send(&subscribe(V311, 1, &[(&topic, 0)], &[]));
    socket.expect(SUBACK);
    let burst: Vec<u8> = (0..2000)
        .flat_map(|n| publish(&topic, n.to_string()).bytes(V311))
        .collect();
    socket.send(&burst);
    for n in 0..2000 {
        assert_eq!(socket.expect(PUBLISH).payload, n.to_string().as_bytes());
    }
}

// A close of the WebSocket without DISCONNECT is a lost connection: the Will comes.
#[test]
fn p13_the_websockets_close_publishes_the_will() {
    let (mut watcher, topic) = (connected(V5), unique("p13"));
    watcher.send(&subscribe(V5, 1, &[(&topic, 0)], &[]));
    watcher.expect(SUBACK);
    let mut socket = WebSocket::open(listener(), V5, MQTT);
    socket.send(&Connect::v5(unique("p13")).will(Will::new(&topic, "gone")).bytes());
    socket.expect(CONNACK);
    socket.frame(true, CLOSE, &1000u16.to_be_bytes());
    assert_eq!(watcher.expect(PUBLISH).payload, b"gone");
}

// A second reason to close: an MQTT error ends the WebSocket with a close frame or the connection, after DISCONNECT.
#[test]
fn p13_an_mqtt_error_is_told_and_closes() {
    let mut socket = connected(V5);
    socket.send(&hex("D0 00"));
    assert_eq!(socket.expect(DISCONNECT).code(), 0x82);
    assert_eq!(socket.receive(), None);
}
