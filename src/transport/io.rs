//! One connection's bytes: a socket with the layers on it.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use super::peer::Peer;
use super::socket::{Polled, Socket, StdSocket};
use super::tls::{Over, Tls};
use super::websocket::WebSocket;

/// One connection: bytes in, bytes out.
#[derive(Debug)]
pub struct Io {
    socket: Socket,
    /// None for plain sockets, which is what keeps them small.
    layers: Option<Box<Layers>>,
    peer: Peer,
    closing: Closing,
}

/// An [`Io`] between two runtimes.
#[derive(Debug)]
pub struct Detached {
    socket: StdSocket,
    layers: Option<Box<Layers>>,
    peer: Peer,
    closing: Closing,
}

/// How far [`Io::start_shutdown`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// Close frame, close_notify or what was written before still waits for the socket.
    Flushing,
    /// FIN is sent.
    Sent,
}

impl Io {
    pub(super) fn new(socket: Socket, layers: Option<Box<Layers>>, peer: Peer) -> Self {
        Self {
            socket,
            layers,
            peer,
            closing: Closing::No,
        }
    }

    /// Reads into `buf`, which must not be empty; `Ok(0)` is the end: FIN, close_notify or a WebSocket Close.
    ///
    /// Drives the TLS and WebSocket handshakes too: it stays pending until MQTT's bytes come. While it is pending it
    /// also sends what the layers have to say (handshake, pong), so a task that polls this needs to poll nothing else.
    ///
    /// A plain socket costs exactly one read system call per readiness.
    ///
    /// # Errors
    /// Errors of the socket, and `InvalidData` when the peer breaks TLS or WebSocket rules; the alert, HTTP answer or
    /// Close frame is then on its way already. Call [`Io::poll_shutdown`] so that it arrives.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(layers) = &mut self.layers else {
            return self.socket.poll_read(cx, buf);
        };
        let read = layers.read(
            &mut Polled {
                socket: &mut self.socket,
                cx,
            },
            buf,
        );
        layers.tell(&mut self.peer);
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.wants_write()
                    && let Poll::Ready(Err(error)) = self.poll_flush_buffered(cx)
                {
                    return Poll::Ready(Err(error));
                }
                Poll::Pending
            }
            read => Poll::Ready(read),
        }
    }

    /// The certificate that the client has shown, in DER, already verified.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.layers.as_ref()?.tls.as_ref()?.certificate()
    }

    /// Writes without waiting; returns how many bytes of `bufs` were taken, which may be fewer than given.
    ///
    /// A plain socket takes what the kernel takes. TLS and WebSocket may keep a bounded rest of what they took
    /// ([`super::Limits::write_buffer`]): see [`Io::wants_write`]. WebSocket makes one binary frame of each call.
    ///
    /// # Errors
    /// `WouldBlock` when nothing could be taken: poll [`Io::poll_write_ready`], then try again. `NotConnected` before
    /// the WebSocket handshake is through, `BrokenPipe` after a shutdown began.
    pub fn try_write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.closing != Closing::No {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match &mut self.layers {
            None => self.socket.try_write(bufs),
            Some(layers) => layers.write(&mut self.socket, bufs),
        }
    }

    /// Whether bytes wait here that the socket did not take: ciphertext, frames, handshake answers, pongs, the end of
    /// a shutdown.
    pub fn wants_write(&self) -> bool {
        self.closing == Closing::Flushing || self.layers.as_ref().is_some_and(|layers| layers.wants_write())
    }

    /// Waits until all that is buffered here has gone to the socket.
    ///
    /// # Errors
    /// Errors of the socket.
    pub fn poll_flush_buffered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.push() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(cx))?
                }
                pushed => return Poll::Ready(pushed),
            }
        }
    }

    /// Waits until [`Io::try_write`] is worth another try.
    ///
    /// # Errors
    /// Errors of the socket.
    pub fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.layers {
            None => self.socket.poll_write_ready(cx),
            Some(_) => self.poll_flush_buffered(cx),
        }
    }

    /// Ends the outgoing direction: WebSocket Close, TLS close_notify, then FIN, as far as the socket takes them now.
    /// What it does not take, [`Io::poll_flush_buffered`] sends. Nothing can be written any more.
    pub fn start_shutdown(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Flushing;
            // Best effort: a broken socket needs no goodbye, and whoever polls on will see its error.
            let _ = self.push();
        }
    }

    /// Shuts down and waits until the peer has closed as well, throwing away what it still sends.
    ///
    /// Dropping a socket with unread input makes the kernel send RST, which can destroy the DISCONNECT that was
    /// written last before the peer has read it. The caller bounds the wait by a deadline.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.start_shutdown();
        if ready!(self.poll_flush_buffered(cx)).is_err() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 4096];
        while let 1.. = ready!(self.socket.poll_read(cx, &mut scratch)).unwrap_or(0) {}
        Poll::Ready(())
    }

    /// Takes the connection off this runtime. What the layers have buffered, in either direction, goes along.
    ///
    /// # Errors
    /// When the reactor does not let go of the socket, which is closed then.
    pub fn detach(self) -> io::Result<Detached> {
        let Io {
            socket,
            layers,
            peer,
            closing,
        } = self;
        Ok(Detached {
            socket: socket.into_std()?,
            layers,
            peer,
            closing,
        })
    }

    /// Who is at the other end. What TLS and WebSocket know of them is there once `poll_read` has returned data.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Pushes what is buffered to the socket; `WouldBlock` when something is left.
    fn push(&mut self) -> io::Result<()> {
        if let Some(layers) = &mut self.layers {
            layers.push(&mut self.socket, self.closing == Closing::Flushing)?;
        }
        if self.closing == Closing::Flushing {
            self.closing = Closing::Sent;
            self.socket.shutdown_write()?;
        }
        Ok(())
    }
}

impl Detached {
    /// Puts the connection on the current runtime.
    ///
    /// # Errors
    /// When the reactor does not take the socket, which is closed then.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn attach(self) -> io::Result<Io> {
        let Detached {
            socket,
            layers,
            peer,
            closing,
        } = self;
        Ok(Io {
            socket: Socket::from_std(socket)?,
            layers,
            peer,
            closing,
        })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// What lies on a socket: TLS, WebSocket, or WebSocket on TLS.
#[derive(Debug)]
pub(super) struct Layers {
    tls: Option<Tls>,
    web_socket: Option<WebSocket>,
    /// Whether the peer was told about the TLS session.
    told: bool,
}

impl Layers {
    pub fn boxed(tls: Option<Tls>, web_socket: Option<WebSocket>) -> Option<Box<Self>> {
        (tls.is_some() || web_socket.is_some()).then(|| {
            Box::new(Self {
                told: tls.is_none(),
                tls,
                web_socket,
            })
        })
    }

    fn read(&mut self, socket: &mut Polled<'_, '_>, buf: &mut [u8]) -> io::Result<usize> {
        match (&mut self.tls, &mut self.web_socket) {
            (Some(tls), Some(web_socket)) => web_socket.read(&mut Over { tls, wire: socket }, buf),
            (Some(tls), None) => tls.read(socket, buf),
            (None, Some(web_socket)) => web_socket.read(socket, buf),
            (None, None) => Ok(0),
        }
    }

    fn write(&mut self, socket: &mut Socket, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&mut self.tls, &mut self.web_socket) {
            (Some(tls), Some(web_socket)) => web_socket.write(&mut Over { tls, wire: socket }, bufs),
            (Some(tls), None) => tls.write(socket, bufs),
            (None, Some(web_socket)) => web_socket.write(socket, bufs),
            (None, None) => Ok(0),
        }
    }

    /// Pushes down layer by layer, and, when `closing`, lets each say goodbye once the one above is empty.
    fn push(&mut self, socket: &mut Socket, closing: bool) -> io::Result<()> {
        if let Some(web_socket) = &mut self.web_socket {
            if closing {
                web_socket.close();
            }
            match &mut self.tls {
                Some(tls) => web_socket.push(&mut Over { tls, wire: socket })?,
                None => web_socket.push(socket)?,
            }
        }
        if let Some(tls) = &mut self.tls {
            if closing {
                tls.close();
            }
            tls.push(socket)?;
        }
        Ok(())
    }

    fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::wants_write)
            || self.web_socket.as_ref().is_some_and(WebSocket::wants_write)
    }

    /// Tells `peer` what the handshakes have found out.
    fn tell(&mut self, peer: &mut Peer) {
        if !self.told
            && let Some(tls) = &mut self.tls
            && tls.established()
        {
            self.told = true;
            tls.describe(peer.details_mut());
        }
        if let Some(request) = self.web_socket.as_mut().and_then(WebSocket::take_request) {
            let details = peer.details_mut();
            details.host = request.host;
            details.path = Some(request.path);
            details.subprotocol = request.subprotocol;
        }
    }
}
