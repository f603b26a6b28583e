//! PINGRESP (3.13).

use super::PacketType;

/// Appends the answer to a PINGREQ.
#[inline]
pub fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[PacketType::Pingresp.first_byte(), 0]);
}
