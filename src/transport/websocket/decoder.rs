//! Frames on their way in: headers taken out and payloads unmasked, in place, whatever the pieces they come in.

use super::failure::Failure;

/// Undoes the frames of one client.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The header of the current frame, as far as it came.
    head: [u8; 14],
    head_length: u8,
    /// Whether the next byte belongs to a header, and not to a payload of `kind`.
    in_header: bool,
    kind: Kind,
    /// Payload bytes of the current frame that are still to come.
    left: u64,
    mask: [u8; 4],
    /// Where in `mask` the next byte falls.
    phase: u8,
    /// Whether the last data frame did not end its message.
    in_message: bool,
    /// Bytes of the current message, by what the headers of its frames claim.
    message: u64,
    max_message: u64,
    /// Payload of the current control frame, at most 125 bytes.
    control: Vec<u8>,
    ping: Option<Box<[u8]>>,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Close,
    Ping,
    Pong,
}

/// Why nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The peer sent Close, with the code to answer.
    Closed(Option<u16>),
    /// The peer broke a rule.
    Failed(Failure),
}

impl End {
    pub fn close_code(self) -> Option<u16> {
        match self {
            End::Closed(code) => code,
            End::Failed(failure) => Some(failure.close_code()),
        }
    }
}

impl Decoder {
    pub fn new(max_message: u64) -> Self {
        Self {
            head: [0; 14],
            head_length: 0,
            in_header: true,
            kind: Kind::Data,
            left: 0,
            mask: [0; 4],
            phase: 0,
            in_message: false,
            message: 0,
            max_message,
            control: Vec::new(),
            ping: None,
        }
    }

    /// Moves the payload that `raw` holds to its start, unmasked, and returns its length. What came before an end
    /// counts; what comes behind it is void.
    pub fn decode(&mut self, raw: &mut [u8]) -> (usize, Option<End>) {
        let (mut from, mut to) = (0, 0);
        loop {
            if self.in_header {
                let (used, header) = self.header(raw.get(from..).unwrap_or_default());
                from += used;
                match header {
                    Ok(true) => {}
                    Ok(false) => return (to, None),
                    Err(failure) => return (to, Some(End::Failed(failure))),
                }
            }
            let here = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(raw.len() - from);
            if self.kind == Kind::Data {
                raw.copy_within(from..from + here, to);
                self.unmask(raw.get_mut(to..to + here).unwrap_or_default());
                to += here;
            } else {
                let payload = raw.get_mut(from..from + here).unwrap_or_default();
                self.unmask(payload);
                self.control.extend_from_slice(payload);
            }
            from += here;
            self.left -= here as u64;
            if self.left > 0 {
                return (to, None);
            }
            if let Some(end) = self.frame_ends() {
                return (to, Some(end));
            }
        }
    }

    /// The payload of the latest ping, which is the one to answer.
    pub fn take_ping(&mut self) -> Option<Box<[u8]>> {
        self.ping.take()
    }

    /// Takes header bytes from `raw`; returns how many, and whether the header is whole.
    fn header(&mut self, raw: &[u8]) -> (usize, Result<bool, Failure>) {
        for (used, byte) in raw.iter().enumerate() {
            if let Some(place) = self.head.get_mut(usize::from(self.head_length)) {
                *place = *byte;
                self.head_length += 1;
            }
            match self.header_so_far() {
                Ok(false) => {}
                done => return (used + 1, done),
            }
        }
        (raw.len(), Ok(false))
    }

    /// Judges the header as soon as its bytes are there, so that nothing more is read for a frame that is wrong.
    fn header_so_far(&mut self) -> Result<bool, Failure> {
        let [first, second, a, b, c, d, e, f, g, h, ..] = self.head;
        if self.head_length < 2 {
            return Ok(false);
        }
        if self.head_length == 2 {
            self.kind = self.judge(first, second)?;
        }
        let (length, header_length) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([a, b])), 8),
            127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 14),
            length => (u64::from(length), 6),
        };
        if self.head_length + 4 == header_length {
            self.measure(length)?;
        }
        if self.head_length < header_length {
            return Ok(false);
        }
        if let Some(mask) = self
            .head
            .get(usize::from(header_length) - 4..usize::from(header_length))
        {
            self.mask.copy_from_slice(mask);
        }
        self.phase = 0;
        self.left = length;
        self.head_length = 0;
        self.in_header = false;
        Ok(true)
    }

    /// Judges the first two bytes: what kind of frame is it, and may it come now?
    fn judge(&mut self, first: u8, second: u8) -> Result<Kind, Failure> {
        let last = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(Failure::ReservedBits);
        }
        if second & 0x80 == 0 {
            return Err(Failure::Unmasked);
        }
        let kind = match first & 0x0F {
            0x0 if self.in_message => Kind::Data,
            0x2 if !self.in_message => Kind::Data,
            0x0 | 0x2 => return Err(Failure::Continuation),
            0x1 => return Err(Failure::TextFrame), // [MQTT-6.0.0-1]
            0x8 => Kind::Close,
            0x9 => Kind::Ping,
            0xA => Kind::Pong,
            _ => return Err(Failure::Opcode),
        };
        if kind == Kind::Data {
            self.in_message = !last;
        } else if !last || second & 0x7F > 125 {
            return Err(Failure::Control);
        }
        Ok(kind)
    }

    /// Judges the claimed length. A length in more bytes than needed is let pass: it is clear what it means.
    fn measure(&mut self, length: u64) -> Result<(), Failure> {
        if length >> 63 != 0 {
            return Err(Failure::Length);
        }
        if self.kind == Kind::Data {
            self.message = self.message.saturating_add(length);
            if self.message > self.max_message {
                return Err(Failure::TooLong);
            }
        }
        Ok(())
    }

    /// Acts on a frame whose payload is complete.
    fn frame_ends(&mut self) -> Option<End> {
        self.in_header = true;
        if self.kind == Kind::Data {
            if !self.in_message {
                self.message = 0;
            }
            return None;
        }
        let payload = std::mem::take(&mut self.control);
        match self.kind {
            Kind::Ping => self.ping = Some(payload.into()),
            Kind::Close => return Some(closed(&payload)),
            Kind::Pong | Kind::Data => {}
        }
        None
    }

    fn unmask(&mut self, payload: &mut [u8]) {
        let mut mask = self.mask;
        mask.rotate_left(usize::from(self.phase));
        let [a, b, c, d] = mask;
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (chunks, rest) = payload.as_chunks_mut::<8>();
        for chunk in chunks {
            *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
            *byte ^= mask;
        }
        self.phase = (self.phase + (payload.len() % 4) as u8) % 4;
    }
}

/// Judges the payload of a Close frame.
fn closed(payload: &[u8]) -> End {
    match payload {
        [] => End::Closed(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if allowed && std::str::from_utf8(reason).is_ok() {
                End::Closed(Some(code))
            } else {
                End::Failed(Failure::Close)
            }
        }
        [_] => End::Failed(Failure::Close),
    }
}
