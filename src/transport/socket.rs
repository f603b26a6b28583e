//! A TCP or Unix stream on the reactor of the current runtime, or off every reactor.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket on the current runtime's reactor.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// Whether the reactor may not have told tokio yet that the socket is writable. Until it has, a write goes to the
    /// kernel directly, or each connection's CONNACK would wait for a turn of the reactor.
    fresh: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that belongs to no runtime.
#[derive(Debug)]
pub(super) enum StdSocket {
    Tcp(std::net::TcpStream),
    Unix(StdUnixStream),
}

impl Socket {
    pub fn tcp(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Tcp(stream),
            fresh: true,
        }
    }

    pub fn unix(stream: UnixStream) -> Self {
        Self {
            stream: Stream::Unix(stream),
            fresh: true,
        }
    }

    /// One read system call per readiness: after a short read tokio knows, without asking the kernel again, that
    /// there is no more.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        let done = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buf),
        };
        ready!(done)?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_write_ready(cx),
            Stream::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    pub fn try_write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match (&self.stream, bufs) {
            // One piece is the common case, and send(2) costs less than writev(2).
            (Stream::Tcp(stream), [one]) => stream.try_write(one),
            (Stream::Tcp(stream), many) => stream.try_write_vectored(many),
            (Stream::Unix(stream), many) => stream.try_write_vectored(many),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.fresh => {
                self.write_unannounced(bufs)
            }
            written => written,
        }
    }

    #[cold]
    fn write_unannounced(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        // sendmsg refuses more than IOV_MAX pieces, which the path through std clamps for us.
        let bufs = bufs.get(..64).unwrap_or(bufs);
        let written = match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream).send_vectored(bufs),
            Stream::Unix(stream) => SockRef::from(stream).send_vectored(bufs),
        };
        // Full already: from here on the reactor's word counts. It is edge-triggered and has not reported yet, so
        // no wake-up is missed.
        self.fresh = written.is_ok();
        written
    }

    /// Sends FIN. The other direction stays open.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Stream::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
        }
    }

    /// Takes the socket off this runtime's reactor.
    pub fn into_std(self) -> io::Result<StdSocket> {
        Ok(match self.stream {
            Stream::Tcp(stream) => StdSocket::Tcp(stream.into_std()?),
            Stream::Unix(stream) => StdSocket::Unix(stream.into_std()?),
        })
    }

    /// Puts a socket on the current runtime's reactor.
    pub fn from_std(socket: StdSocket) -> io::Result<Self> {
        Ok(match socket {
            StdSocket::Tcp(stream) => Self::tcp(TcpStream::from_std(stream)?),
            StdSocket::Unix(stream) => Self::unix(UnixStream::from_std(stream)?),
        })
    }
}

/// `Write` that never blocks: what [`Socket::try_write`] says, for code written against `std::io`.
impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.try_write(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket during one poll: `Read` that says `WouldBlock` once the task's waker is registered.
pub(super) struct Polled<'a, 'b> {
    pub socket: &'a mut Socket,
    pub cx: &'a mut Context<'b>,
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.socket.poll_read(self.cx, buf) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.socket.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.try_write(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
