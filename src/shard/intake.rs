//! From bytes to packets: one read, and every whole packet in it handled in turn.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::link::End;
use super::{SCRATCH, Shard};
use crate::codec::{self, FixedHeader, Packet, PacketType, ProtocolVersion, ReasonCode};
use crate::session::{Close, Finished, Pubrec, SHARE_FROM};

/// How much a large packet's buffer grows at a time beyond what has come.
const GROWTH: usize = 256 * 1024;

impl Shard {
    /// Reads once and handles what came. `Pending` if there was nothing.
    pub(super) fn read_turn(&mut self, at: u32, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.live(at).is_some_and(|live| live.conn.large.is_some()) {
            return self.read_large(at, cx);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.read_small(at, cx, &mut scratch);
        self.scratch = scratch;
        result
    }

    fn read_small(&mut self, at: u32, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Result<(), End>> {
        let Some(live) = self.live(at) else {
            return Poll::Ready(Err(End::Lost));
        };
        let kept = live.conn.partial.len();
        let (head, room) = scratch.split_at_mut(kept.min(SCRATCH / 2));
        let read = match live.conn.io.poll_read(cx, room) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(End::Lost)),
            Poll::Ready(Ok(read)) => read,
        };
        if kept > 0 {
            head.copy_from_slice(&live.conn.partial);
            live.conn.partial = Vec::new();
        }
        let bytes = scratch.get(..kept + read).unwrap_or_default();
        self.metrics.bytes_received.add(read as u64);
        Poll::Ready(self.take_bytes(at, bytes))
    }

    /// Handles every whole packet of `bytes` and keeps the rest for the next read.
    pub(super) fn take_bytes(&mut self, at: u32, mut bytes: &[u8]) -> Result<(), End> {
        let Some(live) = self.live(at) else {
            return Err(End::Lost);
        };
        let (version, number) = (live.session.version, live.conn.number);
        let maximum = live.session.link.inbound_packet_size as usize;
        while let Some(header) = peek(bytes, maximum)? {
            let Some((packet, rest)) = bytes.split_at_checked(header.packet_len()) else {
                return self.keep_partial(at, bytes, header.packet_len());
            };
            let body = packet.get(usize::from(header.header_len)..).unwrap_or_default();
            self.handle(at, version, header, body, None)?;
            bytes = rest;
            // Somebody may have taken the session over meanwhile, as a client that connects to itself does.
            let Some(live) = self.live(at).filter(|live| live.conn.number == number) else {
                return Err(End::Lost);
            };
            if let Some(parked) = live.conn.parked.as_deref_mut() {
                parked.rest = bytes.to_vec();
                return Ok(());
            }
        }
        self.keep_partial(at, bytes, 0)
    }

    fn keep_partial(&mut self, at: u32, rest: &[u8], packet_len: usize) -> Result<(), End> {
        let Some(live) = self.live(at) else {
            return Err(End::Lost);
        };
        // `SHARE_FROM` and not the whole scratch: a payload worth sharing needs a buffer that lives on.
        if packet_len > SHARE_FROM {
            let mut large = BytesMut::with_capacity(packet_len.min(GROWTH));
            large.extend_from_slice(rest);
            live.conn.large = Some(large);
        } else if !rest.is_empty() {
            live.conn.partial = rest.to_vec();
        }
        Ok(())
    }

    /// Reads into a large packet's own buffer; when the packet is whole, its payload is shared from there.
    fn read_large(&mut self, at: u32, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Some(live) = self.live(at) else {
            return Poll::Ready(Err(End::Lost));
        };
        let maximum = live.session.link.inbound_packet_size as usize;
        let version = live.session.version;
        let Some(large) = live.conn.large.as_mut() else {
            return Poll::Pending;
        };
        let header = match peek(large, maximum) {
            Ok(Some(header)) => header,
            Ok(None) => return Poll::Ready(Err(End::Lost)),
            Err(error) => return Poll::Ready(Err(error)),
        };
        let have = large.len();
        let missing = header.packet_len().saturating_sub(have);
        large.resize(have + missing.min(GROWTH), 0);
        let polled = live
            .conn
            .io
            .poll_read(cx, large.get_mut(have..).unwrap_or_default());
        let read = match polled {
            Poll::Ready(Ok(read)) if read > 0 => read,
            Poll::Pending => {
                large.truncate(have);
                return Poll::Pending;
            }
            Poll::Ready(_) => return Poll::Ready(Err(End::Lost)),
        };
        large.truncate(have + read);
        self.metrics.bytes_received.add(read as u64);
        if read < missing {
            return Poll::Ready(Ok(()));
        }
        let Some(frame) = self
            .live(at)
            .and_then(|live| live.conn.large.take())
            .map(BytesMut::freeze)
        else {
            return Poll::Ready(Err(End::Lost));
        };
        let body = frame.get(usize::from(header.header_len)..).unwrap_or_default();
        Poll::Ready(self.handle(at, version, header, body, Some(&frame)))
    }

    /// One packet.
    #[inline]
    fn handle(
        &mut self,
        at: u32,
        version: ProtocolVersion,
        header: FixedHeader,
        body: &[u8],
        frame: Option<&Bytes>,
    ) -> Result<(), End> {
        self.metrics.packets_received.add(1);
        let now = self.now;
        let buffers = &mut self.buffers;
        let Some(super::slot::Slot::Live(live)) = self.slots.get_mut(at as usize) else {
            return Err(End::Lost);
        };
        live.conn.last_packet = now;
        if live.conn.traced {
            self.traces.came(now, &live.key, version, header, body);
        }
        // Most packets are answered: have a buffer at hand.
        live.session.outbox.lend(|| buffers.pop().unwrap_or_default());
        if header.packet_type == PacketType::Publish {
            live.conn.publishes_received += 1;
            let publish = codec::decode_publish(version, header, body).map_err(malformed)?;
            return Ok(self.on_publish(at, &publish, frame)?);
        }
        match codec::decode(version, header, body).map_err(malformed)? {
            Packet::Publish(publish) => self.on_publish(at, &publish, frame)?,
            Packet::Puback(ack) => {
                let finished = live.session.on_puback(&ack)?;
                self.acknowledged(at, finished);
            }
            Packet::Pubrec(ack) => match live.session.on_pubrec(&ack)? {
                Pubrec::Release(seq) => self.release(at, seq, ack.packet_id),
                Pubrec::Over(finished) => self.acknowledged(at, finished),
                Pubrec::Pubrel | Pubrec::Waits => self.mark_dirty(at),
            },
            Packet::Pubrel(ack) => {
                let known = live.session.on_pubrel(&ack)?;
                if known && live.session.is_persistent() {
                    self.forget(at, ack.packet_id);
                } else {
                    live.session.completed(ack.packet_id, known);
                    self.mark_dirty(at);
                }
            }
            Packet::Pubcomp(ack) => {
                let finished = live.session.on_pubcomp(&ack)?;
                self.acknowledged(at, finished);
            }
            Packet::Subscribe(subscribe) => self.on_subscribe(at, subscribe)?,
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(at, unsubscribe)?,
            Packet::Pingreq => {
                codec::pingresp(live.session.outbox.buffer());
                self.mark_dirty(at);
            }
            Packet::Disconnect(disconnect) => return Err(End::Goodbye(disconnect)),
            Packet::Auth(auth) => self.on_auth(at, &auth)?,
            Packet::Connect => {
                // [MQTT-3.1.0-2]
                return Err(Close::new(ReasonCode::PROTOCOL_ERROR, "a second CONNECT").into());
            }
        }
        Ok(())
    }

    /// The client acknowledged something: what waited for room may go.
    #[inline]
    fn acknowledged(&mut self, at: u32, finished: Finished) {
        self.mark_dirty(at);
        self.finished(at, finished);
        if self
            .live(at)
            .is_some_and(|live| live.session.has_queued() || live.session.spilled)
        {
            self.pump(at);
        }
    }
}

/// The next packet's header, within the size that the broker takes [MQTT-3.2.2-15].
#[inline]
fn peek(bytes: &[u8], maximum: usize) -> Result<Option<FixedHeader>, End> {
    let header = codec::peek(bytes).map_err(malformed)?;
    if header.is_some_and(|header| header.packet_len() > maximum) {
        let what = "the packet is larger than the Maximum Packet Size";
        return Err(Close::new(ReasonCode::PACKET_TOO_LARGE, what).into());
    }
    Ok(header)
}

fn malformed(error: codec::DecodeError) -> End {
    Close::new(error.reason, error.what).into()
}
