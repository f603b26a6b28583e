//! Opening the listening sockets of one listener.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::address::BindAddress;

/// How to open a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindOptions {
    /// Sockets wanted: one for each shard. A Unix socket has one only, whatever is asked for.
    pub shards: usize,
    /// Connections that the kernel may complete before they are accepted. The kernel has its own cap (`somaxconn`).
    pub backlog: i32,
    /// File mode of a Unix socket: who may write to it may connect.
    pub unix_mode: u32,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self {
            shards: 1,
            backlog: 4096,
            unix_mode: 0o660,
        }
    }
}

/// A listener that is open.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens: with the port that the system chose, if port 0 was asked for.
    pub address: BindAddress,
    /// Its sockets: one for each shard, or a single one for a Unix socket.
    pub sockets: Vec<ShardListener>,
}

/// One listening socket, on no runtime yet.
#[derive(Debug)]
pub enum ShardListener {
    /// Accepts TCP connections.
    Tcp(std::net::TcpListener),
    /// Accepts connections of a Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// Why a listener cannot open.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error(
        "listener `{listener}` cannot listen on {address}: the address is in use. Stop the other process (perhaps \
         another Dunlin), or choose another address with `listeners.{listener}.bind`"
    )]
    InUse {
        /// The listener's name in the settings.
        listener: String,
        /// The address asked for.
        address: BindAddress,
    },
    /// The system does not let this user listen there.
    #[error(
        "listener `{listener}` cannot listen on {address}: permission denied. Choose a port above 1023, or a folder \
         this user may write to, with `listeners.{listener}.bind`, or give the process the right"
    )]
    Denied {
        /// The listener's name in the settings.
        listener: String,
        /// The address asked for.
        address: BindAddress,
    },
    /// The address belongs to another machine.
    #[error(
        "listener `{listener}` cannot listen on {address}: this machine has no such address. Use one it has, or \
         0.0.0.0 for all of them, in `listeners.{listener}.bind`"
    )]
    NotHere {
        /// The listener's name in the settings.
        listener: String,
        /// The address asked for.
        address: BindAddress,
    },
    /// Something that is not a socket is in the place of a Unix socket.
    #[error(
        "listener `{listener}` cannot listen on {address}: a file that is not a socket is there. Move it away, or \
         choose another path with `listeners.{listener}.bind`"
    )]
    NotASocket {
        /// The listener's name in the settings.
        listener: String,
        /// The address asked for.
        address: BindAddress,
    },
    /// Anything else.
    #[error("listener `{listener}` cannot listen on {address}: {source}")]
    Other {
        /// The listener's name in the settings.
        listener: String,
        /// The address asked for.
        address: BindAddress,
        /// The system's reason.
        source: io::Error,
    },
}

/// Opens listener `name` on `address`.
///
/// # Errors
/// Names the listener, the address and what to do.
pub fn bind(name: &str, address: &BindAddress, options: BindOptions) -> Result<Bound, BindError> {
    let bound = match address {
        BindAddress::Tcp(address) => bind_tcp(*address, options),
        BindAddress::Unix(path) => bind_unix(path, options),
    };
    bound.map_err(|source| {
        let (listener, address) = (name.to_owned(), address.clone());
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { listener, address },
            io::ErrorKind::PermissionDenied => BindError::Denied { listener, address },
            io::ErrorKind::AddrNotAvailable => BindError::NotHere { listener, address },
            io::ErrorKind::AlreadyExists => BindError::NotASocket { listener, address },
            _ => BindError::Other {
                listener,
                address,
                source,
            },
        }
    })
}

/// One socket a shard on the same port, over which the kernel spreads connections (SO_REUSEPORT).
///
/// The first one listens alone before it allows company: with SO_REUSEPORT from the start, a second broker of the
/// same user would join in silently and take half of the connections.
fn bind_tcp(address: SocketAddr, options: BindOptions) -> io::Result<Bound> {
    let first = tcp_socket(address)?;
    first.bind(&address.into())?;
    first.listen(options.backlog)?;
    first.set_reuse_port(true)?;
    // With port 0 only the first socket knows the port.
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![ShardListener::Tcp(first.into())];
    for _ in 1..options.shards {
        let socket = tcp_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(options.backlog)?;
        sockets.push(ShardListener::Tcp(socket.into()));
    }
    Ok(Bound {
        address: BindAddress::Tcp(address),
        sockets,
    })
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Without it a restart would have to wait for the connections of the last run to time out (TIME_WAIT).
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn bind_unix(path: &Path, options: BindOptions) -> io::Result<Bound> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before `listen`, so that nobody gets in while the mode is still what the umask made it.
    fs::set_permissions(path, fs::Permissions::from_mode(options.unix_mode))?;
    socket.listen(options.backlog)?;
    Ok(Bound {
        address: BindAddress::Unix(PathBuf::from(path)),
        sockets: vec![ShardListener::Unix(socket.into())],
    })
}

/// Removes the socket file that a broker left behind when it was killed; nobody answers on it then.
fn remove_stale(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !file.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // Somebody answers, or is too busy to.
        Ok(_) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}
