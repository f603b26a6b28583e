//! HTTP for policies: pooled, bounded in size and time, and only to places that the entry names.

use super::Services;
use super::gate::{Crowd, Failed, Gate};
use super::places::Places;
use crate::config::backends::HttpSettings;
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A request of a script.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Less than the entry allows, if any.
    pub(crate) timeout: Option<Duration>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The client of one policy.
#[derive(Debug)]
pub(crate) struct HttpClient {
    settings: HttpSettings,
    places: Arc<Places>,
    /// Of the authorities that the entry names.
    trusted: Vec<rustls::pki_types::CertificateDer<'static>>,
    /// Made with the first request, off the shards: it reads the system's certificates.
    client: OnceCell<reqwest::Client>,
    crowd: Crowd,
    /// By host and port: one that is dead must not take the others with it.
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

/// How many hosts' health is remembered.
const GATES: usize = 1024;

impl Services {
    /// The client of these settings.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn http_client(
        &self,
        policy: &str,
        settings: &HttpSettings,
        base: &Path,
    ) -> Result<Arc<HttpClient>, String> {
        self.https
            .get(policy, "", settings, || HttpClient::new(settings, base))
    }

    /// Makes a request.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn http(
        &self,
        client: &Arc<HttpClient>,
        request: HttpRequest,
    ) -> Result<HttpAnswer, String> {
        let settings = &client.settings;
        let asked = Asked::read(&request, client)?;
        let timeout = request
            .timeout
            .map_or(settings.timeout, |own| own.min(settings.timeout));
        let visit = client.gate(&asked.url).enter(timeout)?;
        let client = client.clone();
        let work = async move { visit.make(client.send(asked)).await };
        self.run(work).await.map_err(|error| error.to_string())?
    }
}

/// A request that may be made.
struct Asked {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

/// What says how long a message is, which is not for a script to say.
const OURS: [&str; 5] = [
    "connection",
    "content-length",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Asked {
    fn read(request: &HttpRequest, client: &HttpClient) -> Result<Self, String> {
        let url = Url::parse(&request.url).map_err(|why| format!("`{}` is no URL: {why}", request.url))?;
        client.places.admit(&url)?;
        let most = client.settings.request;
        if request.body.as_ref().is_some_and(|body| body.len() > most) {
            return Err(format!("the body is larger than {most} bytes"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let wrong = || format!("`{name}` or its value is no header");
            if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                return Err(format!("the header `{name}` is not the script's to set"));
            }
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?,
                HeaderValue::from_bytes(value).map_err(|_| wrong())?,
            );
        }
        Ok(Self {
            method: Method::from_bytes(request.method.as_bytes())
                .map_err(|_| format!("`{}` is no method", request.method))?,
            url,
            headers,
            body: request.body.clone(),
        })
    }
}

impl Default for HttpClient {
    /// A client that may go nowhere.
    fn default() -> Self {
        Self::with(HttpSettings::default(), Places::default(), Vec::new())
    }
}

impl HttpClient {
    fn new(settings: &HttpSettings, base: &Path) -> Result<Self, String> {
        let places = Places::parse(&settings.allow)?;
        let trusted = match &settings.ca {
            Some(ca) => {
                super::tls::certificates(&base.join(ca)).map_err(|why| format!("`http.ca`: {why}"))?
            }
            None => Vec::new(),
        };
        Ok(Self::with(settings.clone(), places, trusted))
    }

    fn with(
        settings: HttpSettings,
        places: Places,
        trusted: Vec<rustls::pki_types::CertificateDer<'static>>,
    ) -> Self {
        Self {
            crowd: Crowd::of(settings.in_flight),
            settings,
            places: Arc::new(places),
            trusted,
            client: OnceCell::new(),
            gates: Mutex::default(),
        }
    }

    /// How large a request's body may be.
    pub(crate) fn largest_request(&self) -> usize {
        self.settings.request
    }

    fn gate(&self, url: &Url) -> Arc<Gate> {
        let host = url.host_str().unwrap_or_default();
        let key = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        let mut gates = self.gates.lock();
        if gates.len() >= GATES && !gates.contains_key(&key) {
            gates.clear();
        }
        let new = || Gate::new(host, self.crowd.clone());
        gates.entry(key).or_insert_with(new).clone()
    }

    fn build(&self) -> Result<reqwest::Client, Failed> {
        let tls = super::tls::client_config(&self.trusted).map_err(Failed::Said)?;
        let (places, redirects) = (self.places.clone(), self.settings.redirects);
        let policy = reqwest::redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > redirects {
                return attempt.stop();
            }
            match places.admit(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(why) => attempt.error(NotAllowed(why)),
            }
        });
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Resolver(self.places.clone())))
            .redirect(policy)
            // Where it was may be a secret, with a token in it.
            .referer(false)
            .no_proxy()
            .user_agent(concat!("dunlin/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(failed)
    }

    async fn send(&self, asked: Asked) -> Result<HttpAnswer, Failed> {
        let client = self.client.get_or_try_init(|| async { self.build() }).await?;
        let mut sent = client.request(asked.method, asked.url).headers(asked.headers);
        if let Some(body) = asked.body {
            sent = sent.body(body);
        }
        let mut answer = sent.send().await.map_err(failed)?;
        let most = self.settings.response;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > most {
                return Err(Failed::Said(format!("the answer is larger than {most} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer {
            status: answer.status().as_u16(),
            headers: std::mem::take(answer.headers_mut()),
            body,
        })
    }
}

/// Why a place that a request was led to is not gone to.
#[derive(Debug)]
struct NotAllowed(String);

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAllowed {}

/// The error with its causes, for `reqwest` alone says only "error sending request"; without its URL, which may hold a
/// secret.
fn failed(error: reqwest::Error) -> Failed {
    let asked_wrongly = error.is_builder() || error.is_redirect();
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        if let Some(NotAllowed(why)) = inner.downcast_ref() {
            return Failed::Said(why.clone());
        }
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    if asked_wrongly {
        Failed::Said(said)
    } else {
        Failed::Gone(said)
    }
}

/// Resolves names, and leaves out addresses that they must not lead to.
struct Resolver(Arc<Places>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let places = self.0.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (allowed, others): (Vec<_>, Vec<_>) = found
                .into_iter()
                .partition(|address| places.may_lead_to(&name, address.ip()));
            if let ([], [first, ..]) = (&*allowed, &*others) {
                let ip = first.ip();
                return Err(NotAllowed(format!(
                    "{name} leads to {ip}, which is no public address; if it should, add \"{ip}:*\" to `http.allow`"
                ))
                .into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
