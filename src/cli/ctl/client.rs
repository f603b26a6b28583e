//! HTTP over the admin socket, one connection a question.

use std::io::ErrorKind;
use std::path::PathBuf;

use dunlin::admin::api::Refusal;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::Error;

/// A broker to be asked.
pub(super) struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    /// Nothing is asked yet.
    pub(super) fn new(socket: PathBuf) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { socket, runtime })
    }

    /// Asks with GET.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, Error> {
        self.whole(get(path, query)?)
    }

    /// Asks with POST.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Usage(error.to_string()))?;
        self.whole(request(Method::POST, path, body)?)
    }

    /// Asks with GET, and gives `each` line of the answer to whoever wants it until that has enough, the answer ends, or
    /// Ctrl-C is pressed.
    pub(super) fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
        mut each: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let request = get(path, query)?;
        self.runtime.block_on(async {
            let reading = async {
                let mut body = self.answered(self.send(request).await?).await?;
                let mut rest = Vec::new();
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|error| self.lost(&error))?;
                    rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                    let mut lines = rest.split_inclusive(|byte| *byte == b'\n');
                    let mut done = 0;
                    for line in lines.by_ref().take_while(|line| line.ends_with(b"\n")) {
                        done += line.len();
                        each(parse(line)?)?;
                    }
                    rest.drain(..done);
                }
                Ok(())
            };
            tokio::select! {
                result = reading => result,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }

    /// Waits between two questions.
    pub(super) fn sleep(&self, duration: std::time::Duration) {
        std::thread::sleep(duration);
    }

    fn whole<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<T, Error> {
        self.runtime.block_on(async {
            let body = self.answered(self.send(request).await?).await?;
            let body = body.collect().await.map_err(|error| self.lost(&error))?;
            parse(&body.to_bytes())
        })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.lost(&error))?;
        // Ends with the runtime, or when the broker closes.
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map_err(|error| self.lost(&error))
    }

    /// The body of an answer that says yes.
    async fn answered(&self, response: Response<Incoming>) -> Result<Incoming, Error> {
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| self.lost(&error))?.to_bytes();
        let refusal = serde_json::from_slice(&body).unwrap_or_else(|_| Refusal {
            error: format!("{status}: {}", String::from_utf8_lossy(&body).trim()),
            problems: Vec::new(),
        });
        Err(match status {
            StatusCode::BAD_REQUEST => Error::Usage(super::output::shown(&refusal.error)),
            _ => Error::Refused(refusal),
        })
    }

    fn unreachable(&self, error: &std::io::Error) -> Error {
        let socket = self.socket.display();
        Error::Unreachable(match error.kind() {
            ErrorKind::NotFound => format!(
                "no broker is running here: there is no {socket}. Start one with `dunlin serve`, or say where it is: \
                 --config FILE or --data DIR as it was started with, or --socket PATH"
            ),
            ErrorKind::ConnectionRefused => format!(
                "no broker is running here: nobody answers on {socket}, which a broker left behind. Start one with \
                 `dunlin serve`, or say where it is: --config FILE or --data DIR as it was started with, or --socket PATH"
            ),
            ErrorKind::PermissionDenied => format!(
                "{socket} is for the user that the broker runs as: permission denied. Run this as that user, for example \
                 with sudo -u"
            ),
            _ => format!("{socket} cannot be reached: {error}; name the broker's socket with --socket PATH"),
        })
    }

    fn lost(&self, error: &hyper::Error) -> Error {
        let socket = self.socket.display();
        Error::Unreachable(format!(
            "the broker on {socket} did not finish its answer ({error}); perhaps it has just stopped, or no Dunlin is there"
        ))
    }
}

fn get(path: &str, query: &impl Serialize) -> Result<Request<Full<Bytes>>, Error> {
    let query = serde_urlencoded::to_string(query).map_err(|error| Error::Usage(error.to_string()))?;
    request(Method::GET, &format!("{path}?{query}"), Vec::new())
}

fn request(method: Method, path: &str, body: Vec<u8>) -> Result<Request<Full<Bytes>>, Error> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "dunlin")
        .body(Full::new(body.into()))
        .map_err(|error| Error::Usage(error.to_string()))
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| {
        Error::refused(format!(
            "the broker's answer is not understood ({error}); is it of another version?"
        ))
    })
}
