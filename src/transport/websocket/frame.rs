//! Frames on their way out.

use std::io::{self, Write};

use smallvec::SmallVec;

/// The frames a server sends. It never masks, and never splits a message.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Opcode {
    Binary = 0x2,
    Close = 0x8,
    Pong = 0xA,
}

/// The header of a whole message in one frame.
pub(super) fn header(opcode: Opcode, length: usize) -> SmallVec<[u8; 16]> {
    let mut header = SmallVec::new();
    header.push(0x80 | opcode as u8);
    if let (Ok(length), true) = (u8::try_from(length), length < 126) {
        header.push(length);
    } else if let Ok(length) = u16::try_from(length) {
        header.push(126);
        header.extend_from_slice(&length.to_be_bytes());
    } else {
        header.push(127);
        header.extend_from_slice(&(length as u64).to_be_bytes());
    }
    header
}

/// What the wire did not take. Holds no memory while empty.
#[derive(Debug, Default)]
pub(super) struct OutBuffer {
    bytes: Vec<u8>,
    sent: usize,
}

impl OutBuffer {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.extend(&header(opcode, payload.len()));
        self.extend(payload);
    }

    /// Writes until nothing is left; `WouldBlock` when something is.
    pub fn push<W: Write>(&mut self, wire: &mut W) -> io::Result<()> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match wire.write(rest)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => self.sent += n,
            }
        }
        *self = Self::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_use_the_shortest_length() {
        assert_eq!(header(Opcode::Binary, 125).as_slice(), [0x82, 125]);
        assert_eq!(header(Opcode::Binary, 126).as_slice(), [0x82, 126, 0, 126]);
        assert_eq!(header(Opcode::Binary, 255).as_slice(), [0x82, 126, 0, 255]);
        assert_eq!(header(Opcode::Binary, 65535).as_slice(), [0x82, 126, 255, 255]);
        assert_eq!(
            header(Opcode::Binary, 65536).as_slice(),
            [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]
        );
    }
}
