//! One connection: it never waits for writing before it has read, so that neither side can hold up the other.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::support::{Packet, take_packet};

/// Small, since taking a packet moves what is behind it.
const CHUNK: usize = 16_384;
/// Chunks that are read before others have their turn.
const CHUNKS: usize = 8;

pub struct Link {
    stream: TcpStream,
    version: u8,
    input: Vec<u8>,
    /// What is to be written.
    pub out: Vec<u8>,
    /// Nothing more can be written. What the broker had sent before may still be read.
    broken: bool,
    closed: bool,
}

impl Link {
    pub async fn open(address: SocketAddr, version: u8) -> io::Result<Link> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Link {
            stream,
            version,
            input: Vec::new(),
            out: Vec::new(),
            broken: false,
            closed: false,
        })
    }

    /// Nothing more comes.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Writes and reads what can be, and waits until `wake` if that is nothing.
    pub async fn turn(&mut self, wake: Instant, packets: &mut Vec<Packet>) {
        self.write();
        let interest = if self.out.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        match timeout_at(wake.into(), self.stream.ready(interest)).await {
            Err(_) => return,
            Ok(Err(_)) => self.closed = true,
            Ok(Ok(_)) => {}
        }
        self.write();
        self.read(packets);
    }

    fn write(&mut self) {
        while !self.out.is_empty() && !self.broken {
            match self.stream.try_write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.broken = true,
            }
        }
        self.out.clear();
    }

    fn read(&mut self, packets: &mut Vec<Packet>) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            match self.stream.try_read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.closed = true,
            }
            packets.extend(std::iter::from_fn(|| take_packet(&mut self.input, self.version)));
            if self.closed {
                return;
            }
        }
    }
}
