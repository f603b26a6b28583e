//! Where a listener listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener listens. Parsed from, and displayed as, `127.0.0.1:1883`, `[::]:1883` or `unix:/run/dunlin.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindAddress {
    /// A TCP address; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address to listen on: write an IP address and a port, as in \"0.0.0.0:1883\" or \"[::]:1883\", or \
     \"unix:/path/of/socket\""
)]
pub struct BadAddress(String);

impl FromStr for BindAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(BindAddress::Unix(path.into())),
            Some(_) => Err(BadAddress(text.to_owned())),
            None => text
                .parse()
                .map(BindAddress::Tcp)
                .map_err(|_| BadAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindAddress::Tcp(address) => address.fmt(f),
            BindAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_parse_and_display_alike() {
        for text in ["127.0.0.1:1883", "[::]:0", "unix:/run/dunlin.sock"] {
            assert_eq!(text.parse::<BindAddress>().unwrap().to_string(), text);
        }
        for text in ["", "1883", "localhost:1883", "unix:", "127.0.0.1"] {
            assert!(text.parse::<BindAddress>().is_err(), "{text}");
        }
    }
}
