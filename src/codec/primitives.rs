//! The data types that packets are made of (1.5): reading without a copy, writing without an allocation of their own.

use bytes::Bytes;

use super::DecodeError;
use super::scan::has_null;

/// What is left to read of a packet's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

const CUT_SHORT: DecodeError = DecodeError::malformed("the packet ends in the middle of a field");
const NOT_UTF8: DecodeError = DecodeError::malformed("a string is not well-formed UTF-8 [MQTT-1.5.4-1]");
const NULL: DecodeError = DecodeError::malformed("a string holds the null character [MQTT-1.5.4-2]");

impl<'a> Reader<'a> {
    #[inline]
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    #[inline]
    pub(super) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left: the packet is longer than its contents otherwise.
    #[inline]
    pub(super) const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::malformed("the packet goes on after its last field"))
        }
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Binary Data (1.5.6).
    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.bytes(usize::from(len))
    }

    /// Binary Data that outlives the packet.
    pub(super) fn owned_binary(&mut self) -> Result<Bytes, DecodeError> {
        Ok(Bytes::copy_from_slice(self.binary()?))
    }

    /// A UTF-8 Encoded String (1.5.4) in which the null character has not been looked for. Rust's idea of UTF-8 is
    /// MQTT's: no surrogates, no overlong forms, nothing above U+10FFFF. A byte order mark stays [MQTT-1.5.4-3].
    #[inline]
    pub(super) fn utf8(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.binary()?).map_err(|_| NOT_UTF8)
    }

    /// A UTF-8 Encoded String.
    #[inline]
    pub(super) fn string(&mut self) -> Result<&'a str, DecodeError> {
        let string = self.utf8()?;
        if has_null(string.as_bytes()) {
            Err(NULL)
        } else {
            Ok(string)
        }
    }

    /// A UTF-8 Encoded String that outlives the packet.
    pub(super) fn owned_string(&mut self) -> Result<String, DecodeError> {
        self.string().map(str::to_owned)
    }

    /// A Packet Identifier, which is never 0 [MQTT-2.2.1-3].
    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<u16, DecodeError> {
        match self.u16()? {
            0 => Err(DecodeError::protocol("the Packet Identifier is 0 [MQTT-2.2.1-3]")),
            id => Ok(id),
        }
    }

    /// A Variable Byte Integer (1.5.5).
    #[inline]
    pub(super) fn variable(&mut self) -> Result<u32, DecodeError> {
        let first = self.u8()?;
        if first < 0x80 {
            Ok(u32::from(first))
        } else {
            self.long_variable(first)
        }
    }

    fn long_variable(&mut self, first: u8) -> Result<u32, DecodeError> {
        let mut value = u32::from(first & 0x7F);
        for shift in [7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte == 0 {
                return Err(DecodeError::malformed(
                    "a Variable Byte Integer is not encoded in as few bytes as possible [MQTT-1.5.5-1]",
                ));
            }
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::malformed(
            "a Variable Byte Integer has more than four bytes",
        ))
    }
}

/// The largest number that a Variable Byte Integer holds, and so the largest Remaining Length.
pub(super) const VARIABLE_MAX: usize = 268_435_455;

/// Bytes that `value` takes as a Variable Byte Integer.
#[inline]
pub(super) const fn variable_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Appends a Variable Byte Integer; `value` is at most [`VARIABLE_MAX`].
#[inline]
pub(super) fn put_variable(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends Binary Data or a UTF-8 Encoded String. What is longer than the length field can say is cut, so that the packet
/// stays well-formed whatever a caller does; callers check with [`fits_string`] where the text is not their own.
#[inline]
pub(super) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes.get(..usize::from(len)).unwrap_or(bytes));
}

/// Can this text be sent as a UTF-8 Encoded String?
pub(super) fn fits_string(text: &str) -> bool {
    text.len() <= usize::from(u16::MAX) && !has_null(text.as_bytes())
}
