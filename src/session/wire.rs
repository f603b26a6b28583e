//! Encode once: the bytes of a publication that goes to many receivers alike.
//!
//! All receivers of one protocol version and with or without a packet id get the same bytes but for the flags in the
//! first byte and the two bytes of the id. The first of them encodes; the others copy and patch.

use crate::codec::{self, ProtocolVersion, PublishParts, QoS};
use crate::message::Publication;

/// One encoded form.
#[derive(Debug, Default)]
struct Form {
    bytes: Vec<u8>,
    /// Where the packet id stands; 0 if there is none.
    id_at: usize,
    /// It belongs to the publication of now.
    current: bool,
}

/// The encoded forms of the publication that is being delivered. One a shard; its buffers are used again and again.
#[derive(Debug, Default)]
pub struct Wires {
    forms: [Form; 4],
}

impl Wires {
    /// Starts with another publication.
    #[inline]
    pub fn reset(&mut self) {
        for form in &mut self.forms {
            form.current = false;
        }
    }

    /// Appends the publication to `out`, with no property that belongs to one receiver alone.
    #[inline]
    pub fn append(
        &mut self,
        out: &mut Vec<u8>,
        version: ProtocolVersion,
        publication: &Publication<'_>,
        head: Head,
        message_expiry: Option<u32>,
    ) {
        let v5 = version == ProtocolVersion::V5;
        let with_id = head.qos > QoS::AtMostOnce;
        let [v3_bare, v3_id, v5_bare, v5_id] = &mut self.forms;
        let form = match (v5, with_id) {
            (false, false) => v3_bare,
            (false, true) => v3_id,
            (true, false) => v5_bare,
            (true, true) => v5_id,
        };
        if !form.current {
            form.bytes.clear();
            let parts = head.parts(publication, message_expiry, &[], None);
            form.id_at = codec::publish(&mut form.bytes, version, &parts);
            form.current = true;
        }
        let start = out.len();
        out.extend_from_slice(&form.bytes);
        if let Some(first) = out.get_mut(start) {
            *first = head.first_byte();
        }
        if with_id {
            let at = start + form.id_at;
            if let Some(place) = out.get_mut(at..at + 2) {
                place.copy_from_slice(&head.packet_id.to_be_bytes());
            }
        }
    }
}

/// What differs from receiver to receiver in every PUBLISH.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The Quality of Service it goes out with.
    pub qos: QoS,
    /// It may have been sent before.
    pub dup: bool,
    /// The RETAIN flag.
    pub retain: bool,
    /// 0 for QoS 0.
    pub packet_id: u16,
}

impl Head {
    /// The fixed header's first byte.
    fn first_byte(self) -> u8 {
        0x30 | (u8::from(self.dup) << 3) | ((self.qos as u8) << 1) | u8::from(self.retain)
    }

    /// Everything the codec needs for this receiver. `alias` is the alias and whether the topic itself goes along.
    pub fn parts<'p>(
        self,
        publication: &'p Publication<'_>,
        message_expiry: Option<u32>,
        subscription_ids: &'p [u32],
        alias: Option<(u16, bool)>,
    ) -> PublishParts<'p> {
        let topic: &str = if matches!(alias, Some((_, false))) {
            ""
        } else {
            publication.topic
        };
        PublishParts {
            topic,
            qos: self.qos,
            dup: self.dup,
            retain: self.retain,
            packet_id: self.packet_id,
            properties: codec::OutboundProperties {
                message_expiry,
                topic_alias: alias.map(|(alias, _)| alias),
                subscription_ids,
                forward: publication.forward,
            },
            payload: publication.payload,
        }
    }
}
