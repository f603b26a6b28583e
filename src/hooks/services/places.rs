//! Where `http` may connect: what an entry allows, asked twice. Once of the URL, and once of the addresses that its name
//! leads to, because a name server may be somebody else's.

use ipnet::IpNet;
use reqwest::Url;
use std::net::IpAddr;

/// Where requests may go.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Place>);

#[derive(Debug)]
struct Place {
    host: Host,
    /// `None` is any.
    port: Option<u16>,
}

#[derive(Debug)]
enum Host {
    Name(String),
    /// Every name that ends so, as `.example.com`.
    Below(String),
    Network(IpNet),
}

/// What a name does not lead to unless it is listed: the machine itself, its neighbourhood, what clouds keep beside a
/// machine, and addresses that stand for others.
const NOT_PUBLIC: [&str; 22] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn is_public(ip: IpAddr) -> bool {
    !NOT_PUBLIC
        .iter()
        .filter_map(|network| network.parse::<IpNet>().ok())
        .any(|network| network.contains(&ip))
}

impl Places {
    /// Reads what an entry lists.
    ///
    /// # Errors
    /// What is no place, and how one is written.
    pub(super) fn parse(allow: &[String]) -> Result<Self, String> {
        allow
            .iter()
            .map(|place| Place::parse(place))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a request to this URL may be made.
    ///
    /// # Errors
    /// What to write so that it may.
    pub(super) fn admit(&self, url: &Url) -> Result<(), String> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err("the URL names no host".to_owned());
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("`{}:` is neither http: nor https:", url.scheme()));
        }
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let listed = |place: &Place| match literal {
            Some(ip) => place.covers(ip),
            None => place.names(host),
        };
        if self
            .0
            .iter()
            .any(|place| place.port.is_none_or(|allowed| allowed == port) && listed(place))
        {
            return Ok(());
        }
        Err(format!(
            "{host}:{port} is not allowed; write `http.allow = [\"{host}:{port}\"]` in the policy's entry of dunlin.toml"
        ))
    }

    /// Whether a name that is allowed may lead to this address: to a public one, or to one that is listed for every port
    /// of the name.
    pub(super) fn may_lead_to(&self, name: &str, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if is_public(ip) || (ip.is_loopback() && name.eq_ignore_ascii_case("localhost")) {
            return true;
        }
        let mut named = self.0.iter().filter(|place| place.names(name));
        named.all(|named| {
            let port = |place: &Place| place.port.is_none() || place.port == named.port;
            self.0.iter().any(|place| port(place) && place.covers(ip))
        })
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` in `http.allow` is no place; write \"host\", \"host:port\", \"*.host:port\", \"10.0.0.0/8\", \"127.0.0.1:*\" or \"[::1]:80\""
            )
        };
        if text.contains('/') {
            let network = text.parse::<IpNet>().map_err(|_| wrong())?;
            return Ok(Self {
                host: Host::Network(network.trunc()),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None | Some("*") => None,
            Some(port) => Some(port.parse().map_err(|_| wrong())?),
        };
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            let host = Host::Network(ip.to_canonical().into());
            return Ok(Self { host, port });
        }
        let (host, below) = match host.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') => (rest, true),
            _ => (host, false),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.trim_matches('.').is_empty() || !host.chars().all(fits) {
            return Err(wrong());
        }
        let host = host.to_ascii_lowercase();
        let host = if below {
            Host::Below(host)
        } else {
            Host::Name(host)
        };
        Ok(Self { host, port })
    }

    fn names(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match &self.host {
            Host::Name(name) => *name == host,
            Host::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
            Host::Network(_) => false,
        }
    }

    fn covers(&self, ip: IpAddr) -> bool {
        matches!(&self.host, Host::Network(network) if network.contains(&ip.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(allow: &[&str]) -> Places {
        let allow: Vec<String> = allow.iter().map(|place| (*place).to_owned()).collect();
        Places::parse(&allow).unwrap()
    }

    #[test]
    fn only_listed_places_are_reached() {
        let places = places(&[
            "api.example.com:8443",
            "open.example.com",
            "*.below.example.com:443",
            "10.0.0.0/8",
            "127.0.0.1:*",
            "[::1]:80",
        ]);
        let admit = |url: &str| places.admit(&Url::parse(url).unwrap());
        for good in [
            "https://api.example.com:8443/x",
            "http://open.example.com",
            "https://OPEN.example.com/",
            "https://a.b.below.example.com/",
            "http://10.2.3.4:99/",
            "http://127.0.0.1:1/",
            "http://2130706433/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::1]/",
        ] {
            assert_eq!(admit(good), Ok(()), "{good}");
        }
        for bad in [
            "https://api.example.com/",
            "https://example.com/",
            "https://below.example.com/",
            "https://xbelow.example.com/",
            "http://11.0.0.1/",
            "http://[::1]:81/",
            "http://2130706434/",
            "ftp://open.example.com/",
            "file:///etc/passwd",
            "http://x.open.example.com/",
            "http://open.example.com.evil.com/",
            "http://open.example.com@evil.com/",
        ] {
            assert!(admit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_leads_to_public_addresses_or_listed_ones() {
        let places = places(&[
            "api.example.com:443",
            "db.example.com:80",
            "10.0.0.0/8",
            "127.0.0.1:80",
        ]);
        let leads = |name: &str, ip: &str| places.may_lead_to(name, ip.parse().unwrap());
        assert!(leads("api.example.com", "93.184.215.14"));
        assert!(leads("api.example.com", "2606:2800::1"));
        assert!(leads("api.example.com", "10.1.2.3"));
        for address in [
            "169.254.169.254",
            "127.0.0.1",
            "192.168.1.1",
            "::1",
            "0.0.0.0",
            "::ffff:127.0.0.1",
            "fd00::1",
        ] {
            assert!(!leads("api.example.com", address), "{address}");
        }
        // Listed, with the port that the name has.
        assert!(leads("db.example.com", "127.0.0.1") && leads("localhost", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for bad in [
            "",
            "10.0.0.0/x",
            "10.0.0.0/33",
            "host:port",
            "http://host",
            "*",
            "*.",
            "a b",
            "::1:80:x y",
            ":80",
        ] {
            let why = Places::parse(&[bad.to_owned()]).err();
            assert!(why.is_some_and(|why| why.contains("is no place")), "{bad}");
        }
    }
}
