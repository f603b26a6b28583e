//! A publisher with a window, and a subscriber that acknowledges and may lose its connection.

use std::collections::HashSet;

use crate::support::{
    Broker, Client, Connect, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Packet, SUBACK, ack, publish, unique,
};

/// What a publisher has under way at once: below any Receive Maximum.
const WINDOW: usize = 100;
/// The longest session that a test needs, in seconds.
const EXPIRY: u32 = 300;

pub struct Publisher(Client);

impl Publisher {
    pub fn new(broker: &Broker, name: &str) -> Publisher {
        Publisher(Connect::v5(format!("{name}-p")).to(broker))
    }

    /// Publishes 0, 1, 2 ... count - 1 and waits for the acknowledgements.
    pub fn publish(mut self, topic: &str, qos: u8, count: usize) {
        let (mut sent, mut settled) = (0, 0);
        while settled < count {
            let mut batch = Vec::new();
            while sent < count && sent - settled < WINDOW {
                let id = (sent % 60_000) as u16 + 1;
                batch.extend(publish(topic, sent.to_string()).qos(qos, id).bytes(5));
                sent += 1;
            }
            self.0.send(&batch);
            if qos == 0 {
                settled = sent;
                continue;
            }
            // Half of the window, so that it is never empty.
            while settled < count && (sent == count || sent - settled > WINDOW / 2) {
                settled += usize::from(self.acknowledged());
            }
        }
        self.0.ping();
    }

    /// Reads one packet; whether it ends an exchange.
    fn acknowledged(&mut self) -> bool {
        let packet = self.0.receive();
        assert_eq!(packet.code(), 0, "{packet:02x?}");
        match packet.kind {
            PUBACK | PUBCOMP => true,
            PUBREC => {
                self.0.send(&ack(PUBREL, packet.id));
                false
            }
            _ => panic!("{packet:02x?}"),
        }
    }
}

pub struct Subscriber<'a> {
    broker: &'a Broker,
    connect: Connect,
    client: Client,
    /// QoS 2 packet ids that were answered with PUBREC: whoever keeps a session keeps these.
    unreleased: HashSet<u16>,
    came: Vec<(String, usize)>,
}

impl<'a> Subscriber<'a> {
    pub fn new(broker: &'a Broker, id: &str, filter: &str, qos: u8) -> Subscriber<'a> {
        Subscriber::start(broker, Connect::v5(unique(&id[..id.len().min(10)])), filter, qos)
    }

    /// One whose session outlives its connections.
    pub fn persistent(broker: &'a Broker, id: &str, filter: &str, qos: u8) -> Subscriber<'a> {
        Subscriber::start(broker, Connect::v5(id).resume().expiry(EXPIRY), filter, qos)
    }

    fn start(broker: &'a Broker, connect: Connect, filter: &str, qos: u8) -> Subscriber<'a> {
        let mut client = connect.to(broker);
        assert_eq!(client.subscribe(filter, qos).codes, [qos]);
        Subscriber {
            broker,
            connect,
            client,
            unreleased: HashSet::new(),
            came: Vec::new(),
        }
    }

    /// Receives until `count` messages have come, and a little longer, for one too many.
    pub fn receive(mut self, count: usize) -> Vec<(String, usize)> {
        while self.came.len() < count {
            let packet = self.client.receive();
            self.take(packet);
        }
        while let Some(packet) = self.client.receive_within(100) {
            self.take(packet);
        }
        self.came
    }

    /// The same, but loses its connection again and again, in the middle of what it is doing; also how often. A message
    /// that comes again because its acknowledgement was lost is one message.
    pub fn receive_with_losses(mut self, count: usize) -> (Vec<(String, usize)>, usize) {
        let (mut losses, mut packets) = (0, 0);
        while self.came.len() < count {
            let packet = self.client.receive();
            packets += 1;
            // Lost before it was answered.
            if packets % 173 == 0 {
                let next = self.connect.to(self.broker);
                assert!(next.connack.session_present);
                std::mem::replace(&mut self.client, next).vanish();
                losses += 1;
                continue;
            }
            // Or after some answers that the broker may or may not have read.
            let kind = self.take(packet);
            if packets % 301 == 0 && kind == PUBLISH {
                let next = self.connect.clone();
                std::mem::replace(&mut self.client, next.to(self.broker)).vanish();
                losses += 1;
            }
        }
        while let Some(packet) = self.client.receive_within(100) {
            self.take(packet);
        }
        (self.came, losses)
    }

    /// Answers a packet and notes a message that was not there before.
    fn take(&mut self, packet: Packet) -> u8 {
        match packet.kind {
            PUBLISH => {
                let text = String::from_utf8_lossy(&packet.payload);
                let message = (packet.topic().to_owned(), text.parse().unwrap());
                let again = match packet.qos() {
                    0 => false,
                    // Only what was sent before may come again, and then with DUP.
                    1 => packet.dup() && self.came.contains(&message),
                    _ => !self.unreleased.insert(packet.id),
                };
                if !again {
                    self.came.push(message);
                }
                let answer = [0, PUBACK, PUBREC][usize::from(packet.qos())];
                if answer != 0 {
                    self.client.send(&ack(answer, packet.id));
                }
            }
            PUBREL => {
                self.unreleased.remove(&packet.id);
                let code = packet.code();
                assert!(code == 0, "{packet:02x?}");
                self.client.send(&ack(PUBCOMP, packet.id));
            }
            SUBACK => {}
            _ => panic!("{packet:02x?}"),
        }
        packet.kind
    }
}
