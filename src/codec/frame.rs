//! How every packet but PUBLISH is put together, within what the client takes.

use super::ProtocolVersion;
use super::primitives::{VARIABLE_MAX, fits_string, put_variable, variable_len};
use super::properties::{PropertyId, put_bytes};

/// The most bytes that any MQTT packet can have: fixed header of five, and the largest Remaining Length.
pub const MAX_PACKET_LEN: usize = VARIABLE_MAX + 5;

/// So much of payload and properties fits into a PUBLISH, whatever else is in it: a topic, packet and subscription identifiers.
pub const SURELY_FITS: usize = MAX_PACKET_LEN - (1 << 20);

/// What a client understands and takes; a [`ProtocolVersion`] alone stands for a client without limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The protocol it speaks.
    pub version: ProtocolVersion,
    /// Its Maximum Packet Size, in bytes of the whole packet [MQTT-3.1.2-24]; `u32::MAX` if it set none.
    pub maximum_packet_size: u32,
    /// Its Request Problem Information: without it, only CONNACK and DISCONNECT may explain [MQTT-3.1.2-29].
    pub problem_information: bool,
}

impl From<ProtocolVersion> for Limits {
    #[inline]
    fn from(version: ProtocolVersion) -> Self {
        Self {
            version,
            maximum_packet_size: u32::MAX,
            problem_information: true,
        }
    }
}

/// The parts of a packet, in the order in which they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame<'a> {
    /// The fixed header's first byte.
    pub(super) first: u8,
    /// The variable header before the properties.
    pub(super) head: &'a [u8],
    /// 5.0: properties that the client has to know.
    pub(super) properties: &'a [u8],
    /// 5.0: properties that explain, the most useful first; the last go first if the packet would be too large.
    pub(super) droppable: &'a [&'a [u8]],
    /// 5.0: without any property, the Property Length is left out as well.
    pub(super) bare_without_properties: bool,
    /// What follows the properties.
    pub(super) tail: &'a [u8],
}

impl Frame<'_> {
    /// Appends the packet. `false`, with nothing written, if it is too large without all that can be left out.
    pub(super) fn put(&self, out: &mut Vec<u8>, limits: Limits) -> bool {
        let v5 = limits.version == ProtocolVersion::V5;
        let most = if v5 { self.droppable.len() } else { 0 };
        for kept in (0..=most).rev() {
            let droppable = self.droppable.get(..kept).unwrap_or_default();
            let properties = self.properties.len() + droppable.iter().map(|part| part.len()).sum::<usize>();
            let with_properties = v5 && !(self.bare_without_properties && properties == 0);
            let properties_len = if with_properties {
                variable_len(properties) + properties
            } else {
                0
            };
            let remaining = self.head.len() + properties_len + self.tail.len();
            let packet_len = 1 + variable_len(remaining) + remaining;
            if remaining > VARIABLE_MAX || packet_len > limits.maximum_packet_size as usize {
                continue;
            }
            out.reserve(packet_len);
            out.push(self.first);
            put_variable(out, remaining);
            out.extend_from_slice(self.head);
            if with_properties {
                put_variable(out, properties);
                out.extend_from_slice(self.properties);
                for part in droppable {
                    out.extend_from_slice(part);
                }
            }
            out.extend_from_slice(self.tail);
            return true;
        }
        false
    }
}

/// The property that explains, for packets that may explain only if the client asked for it; empty if it may not, or if
/// the text cannot be sent.
pub(super) fn reason_string_property(limits: Limits, text: Option<&str>) -> Vec<u8> {
    if limits.problem_information {
        reason_string_always(text)
    } else {
        Vec::new()
    }
}

/// The property that explains, for CONNACK and DISCONNECT.
pub(super) fn reason_string_always(text: Option<&str>) -> Vec<u8> {
    let mut property = Vec::new();
    if let Some(text) = text.filter(|text| fits_string(text)) {
        put_bytes(&mut property, PropertyId::ReasonString, text.as_bytes());
    }
    property
}
