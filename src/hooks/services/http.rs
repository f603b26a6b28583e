//! HTTP for policies: pooled, bounded in size and time, and only to places that the entry names.

use super::Services;
use super::gate::Gate;
use crate::config::backends::HttpSettings;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A request of a script.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// A client with its connections, for one set of settings.
pub(super) struct HttpClient {
    client: reqwest::Client,
    places: Arc<Places>,
    settings: HttpSettings,
    /// By host: one that is dead must not take the others with it.
    gates: dashmap::DashMap<String, Arc<Gate>>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// How many hosts' health is remembered.
const GATES: usize = 1024;

impl Services {
    /// Makes a request.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn http(
        &self,
        settings: &HttpSettings,
        request: HttpRequest,
    ) -> Result<HttpAnswer, String> {
        let client = self.http_client(settings)?;
        let url =
            reqwest::Url::parse(&request.url).map_err(|why| format!("`{}` is no URL: {why}", request.url))?;
        client.places.admit(&url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if client.gates.len() > GATES {
            client.gates.clear();
        }
        let gate = client.gates.entry(host.clone()).or_default().clone();
        let pass = gate.enter(&host, client.settings.in_flight)?;
        let timeout = client.settings.timeout;
        let work = async move { tokio::time::timeout(timeout, client.send(request, url)).await };
        let done = self.run(work).await.map_err(|error| error.to_string())?;
        drop(pass);
        match done {
            Ok(Ok(answer)) => {
                gate.succeeded();
                Ok(answer)
            }
            Ok(Err(why)) => {
                gate.failed();
                Err(why)
            }
            Err(_late) => {
                gate.failed();
                Err(format!("{host} did not answer within {timeout:?}"))
            }
        }
    }

    fn http_client(&self, settings: &HttpSettings) -> Result<Arc<HttpClient>, String> {
        let key = format!("{settings:?}");
        if let Some(known) = self.https.get(&key) {
            return Ok(known.clone());
        }
        let client = Arc::new(HttpClient::new(settings)?);
        Ok(self.https.entry(key).or_insert(client).clone())
    }
}

impl HttpClient {
    fn new(settings: &HttpSettings) -> Result<Self, String> {
        let places = Arc::new(Places::parse(&settings.allow)?);
        let tls = super::tls::client_config(settings.ca.as_deref())?;
        let followed = places.clone();
        let redirects = settings.redirects;
        let policy = reqwest::redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > redirects {
                return attempt.stop();
            }
            match followed.admit(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(why) => attempt.error(why),
            }
        });
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Resolver(places.clone())))
            .redirect(policy)
            .no_proxy()
            .user_agent(concat!("dunlin/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|why| words(&why))?;
        Ok(Self {
            client,
            places,
            settings: settings.clone(),
            gates: dashmap::DashMap::new(),
        })
    }

    async fn send(&self, request: HttpRequest, url: reqwest::Url) -> Result<HttpAnswer, String> {
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|why| why.to_string())?;
        let mut sent = self.client.request(method, url);
        for (name, value) in request.headers {
            sent = sent.header(name, value);
        }
        if let Some(body) = request.body {
            sent = sent.body(body);
        }
        let mut answer = sent.send().await.map_err(|why| words(&why))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|why| words(&why))? {
            if body.len() + chunk.len() > self.settings.response {
                return Err(format!(
                    "the answer is larger than {} bytes",
                    self.settings.response
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer {
            status,
            headers,
            body,
        })
    }
}

/// The error with its causes: `reqwest` alone says only "error sending request".
fn words(error: &reqwest::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

/// Where requests may go.
#[derive(Debug)]
struct Places(Vec<Place>);

#[derive(Debug)]
struct Place {
    host: PlaceHost,
    /// `None` is any.
    port: Option<u16>,
}

#[derive(Debug)]
enum PlaceHost {
    Name(String),
    Network(IpAddr, u8),
}

impl Places {
    fn parse(allow: &[String]) -> Result<Self, String> {
        allow
            .iter()
            .map(|place| Place::parse(place))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a request to this URL may be made.
    fn admit(&self, url: &reqwest::Url) -> Result<(), String> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(format!("`{url}` names no host"));
        };
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let allowed = self.0.iter().any(|place| {
            place.port.is_none_or(|allowed| allowed == port)
                && match (&place.host, literal) {
                    (PlaceHost::Name(name), _) => name.eq_ignore_ascii_case(host),
                    (PlaceHost::Network(..), Some(ip)) => place.covers(ip),
                    (PlaceHost::Network(..), None) => false,
                }
        });
        if allowed && matches!(url.scheme(), "http" | "https") {
            return Ok(());
        }
        Err(format!(
            "{host}:{port} is not allowed; write `http.allow = [\"{host}:{port}\"]` in the policy's entry of dunlin.toml"
        ))
    }

    /// Whether a name may lead to this address. A name that is allowed may lead anywhere but to the machine itself and to
    /// link-local services, which a name server of somebody else's could point to; those have to be listed as addresses.
    fn may_lead_to(&self, name: &str, ip: IpAddr) -> bool {
        let delicate = match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
        };
        !delicate || name.eq_ignore_ascii_case("localhost") || self.0.iter().any(|place| place.covers(ip))
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` in `http.allow` is no place; write \"host\", \"host:port\", \"10.0.0.0/8\" or \"127.0.0.1:*\""
            )
        };
        if let Some((network, bits)) = text.split_once('/') {
            let ip: IpAddr = network.parse().map_err(|_| wrong())?;
            let bits: u8 = bits.parse().map_err(|_| wrong())?;
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let host = PlaceHost::Network(ip, bits.min(most));
            return Ok(Self { host, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None | Some("*") => None,
            Some(port) => Some(port.parse().map_err(|_| wrong())?),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        let host = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => PlaceHost::Network(ip, if ip.is_ipv4() { 32 } else { 128 }),
            Err(_) => PlaceHost::Name(host.to_owned()),
        };
        Ok(Self { host, port })
    }

    fn covers(&self, ip: IpAddr) -> bool {
        match (&self.host, ip) {
            (PlaceHost::Network(IpAddr::V4(network), bits), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                u32::from(*network) & mask == u32::from(ip) & mask
            }
            (PlaceHost::Network(IpAddr::V6(network), bits), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                u128::from(*network) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// Resolves names, and leaves out addresses that they must not lead to.
struct Resolver(Arc<Places>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let places = self.0.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| places.may_lead_to(&name, address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(format!("{name} leads to an address that is not allowed").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_places_are_reached() {
        let allow = [
            "api.example.com:8443",
            "open.example.com",
            "10.0.0.0/8",
            "127.0.0.1:*",
            "[::1]:80",
        ];
        let places = Places::parse(&allow.map(String::from)).unwrap();
        let admit = |url: &str| places.admit(&reqwest::Url::parse(url).unwrap());
        for good in [
            "https://api.example.com:8443/x",
            "http://open.example.com",
            "https://OPEN.example.com/",
            "http://10.2.3.4:99/",
            "http://127.0.0.1:1/",
            "http://[::1]/",
        ] {
            assert_eq!(admit(good), Ok(()), "{good}");
        }
        for bad in [
            "https://api.example.com/",
            "https://example.com/",
            "http://11.0.0.1/",
            "http://[::1]:81/",
            "http://2130706434/",
            "ftp://open.example.com/",
            "http://x.open.example.com/",
        ] {
            assert!(admit(bad).is_err(), "{bad}");
        }
        let metadata: IpAddr = "169.254.169.254".parse().unwrap();
        assert!(!places.may_lead_to("open.example.com", metadata));
        assert!(places.may_lead_to("open.example.com", "192.168.1.1".parse().unwrap()));
        assert!(places.may_lead_to("open.example.com", "127.0.0.1".parse().unwrap()));
        assert!(
            Places::parse(&["10.0.0.0/x".into()])
                .unwrap_err()
                .contains("is no place")
        );
    }
}
