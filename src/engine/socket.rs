//! Requests to the engine's unix socket, one connection each: JSON, a streamed body, an upgrade.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::io::StreamReader;

use super::EngineError;
use super::stream::{Input, Reader};

/// The version of Podman's own API that is spoken.
const LIBPOD_VERSION: &str = "4.0.0";
/// The largest JSON answer that is read, in bytes.
const MAX_JSON: usize = 64 * 1024 * 1024;

/// Where the engine listens and which version of its API is spoken.
#[derive(Clone, Debug)]
pub struct EngineSocket {
    /// The unix socket.
    pub path: PathBuf,
    /// The API version that prefixes every path, `1.41`; empty: the engine's own.
    pub api_version: String,
    /// How long it may take to begin an answer, and to end a short one.
    pub timeout: Duration,
}

impl EngineSocket {
    /// Whether the engine speaks at least API version `1.minor`.
    #[must_use]
    pub fn at_least(&self, minor: u32) -> bool {
        let mut parts = self.api_version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let (major, own) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        major > 1 || (major == 1 && own >= minor)
    }

    /// The same for Podman's own API, whose paths begin with `/libpod`.
    #[must_use]
    pub fn of_libpod(&self) -> Self {
        Self { api_version: LIBPOD_VERSION.to_owned(), ..self.clone() }
    }

    /// Sends `body` as JSON and reads the JSON answer.
    pub async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, EngineError> {
        let answer = within(self.timeout, self.send(method, path, body, Upgrade::No)).await?;
        Ok(serde_json::from_slice(&within(self.timeout, collect(answer)).await?)?)
    }

    /// Sends `body` as JSON and wants no more than the engine's consent.
    pub async fn command(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(), EngineError> {
        let answer = within(self.timeout, self.send(method, path, body, Upgrade::No)).await?;
        within(self.timeout, collect(answer)).await.map(|_| ())
    }

    /// Asks for the headers of an answer.
    pub async fn head(&self, method: Method, path: &str) -> Result<HeaderMap, EngineError> {
        let answer = within(self.timeout, self.send(method, path, None, Upgrade::No)).await?;
        Ok(answer.headers().clone())
    }

    /// Sends a request that the engine answers when something has happened, however late.
    pub async fn json_whenever<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, EngineError> {
        let answer = self.send(method, path, body, Upgrade::No).await?;
        Ok(serde_json::from_slice(&collect(answer).await?)?)
    }

    /// Asks for a body that comes as it is made.
    pub async fn streamed(&self, method: Method, path: &str) -> Result<Reader, EngineError> {
        within(self.timeout, self.streamed_whenever(method, path)).await
    }

    /// Asks for a body that comes as it is made, and whose beginning may take long.
    pub async fn streamed_whenever(&self, method: Method, path: &str) -> Result<Reader, EngineError> {
        self.streamed_with(method, path, None).await
    }

    /// The same, with one header more.
    pub async fn streamed_with(
        &self,
        method: Method,
        path: &str,
        header: Option<(&'static str, String)>,
    ) -> Result<Reader, EngineError> {
        let mut request = self.request(method, path, None, Upgrade::No)?;
        if let Some((name, value)) = header {
            let value =
                HeaderValue::try_from(value).map_err(|error| EngineError::Protocol(error.to_string()))?;
            request.headers_mut().insert(name, value);
        }
        let answer = self.exchange(request).await?;
        let chunks = answer.into_body().into_data_stream().map_err(std::io::Error::other);
        Ok(Box::pin(StreamReader::new(chunks)))
    }

    /// Asks for a body that comes as it is made, when it is first read: the engine may answer with its first byte
    /// only. Of what the engine does not have the body is empty.
    #[must_use]
    pub fn streamed_late(&self, method: Method, path: &str) -> Reader {
        let (socket, path) = (self.clone(), path.to_owned());
        let body = async move {
            match socket.send(method, &path, None, Upgrade::No).await {
                Ok(answer) => {
                    let chunks = answer.into_body().into_data_stream();
                    Ok(chunks.map_err(std::io::Error::other).left_stream())
                }
                Err(error) if error.status() == Some(404) => Ok(stream::empty().right_stream()),
                Err(error) => Err(std::io::Error::other(error)),
            }
        };
        Box::pin(StreamReader::new(Box::pin(stream::once(body).try_flatten())))
    }

    /// Takes over the connection: what is read and written after the engine's 101.
    pub async fn upgrade(&self, path: &str, body: Option<&Value>) -> Result<(Reader, Input), EngineError> {
        let answer = within(self.timeout, self.send(Method::POST, path, body, Upgrade::Tcp)).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EngineError::Protocol(format!("{} where 101 was expected", answer.status())));
        }
        let upgraded = within(self.timeout, async { Ok(hyper::upgrade::on(answer).await?) }).await?;
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        Ok((Box::pin(reader), Box::pin(writer)))
    }

    /// Sends a body as it comes, and answers what the engine says to it, as that comes; either may take long.
    /// A body that ends in an error breaks the request off.
    pub async fn send_body(
        &self,
        path: &str,
        content_type: &'static str,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<Reader, EngineError> {
        let request = self.request(Method::POST, path, None, Upgrade::No)?;
        let mut request = request.map(|_| StreamBody::new(body.map_ok(Frame::data)));
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let answer = self.exchange(request).await?;
        let chunks = answer.into_body().into_data_stream().map_err(std::io::Error::other);
        Ok(Box::pin(StreamReader::new(chunks)))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        upgrade: Upgrade,
    ) -> Result<Response<Incoming>, EngineError> {
        self.exchange(self.request(method, path, body, upgrade)?).await
    }

    /// Sends one request on a connection of its own and turns a refusal into an error.
    async fn exchange<B>(&self, request: Request<B>) -> Result<Response<Incoming>, EngineError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = UnixStream::connect(&self.path).await.map_err(EngineError::Unavailable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let answer = sender.send_request(request).await?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            return Err(refusal(answer, self.timeout).await);
        }
        Ok(answer)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        upgrade: Upgrade,
    ) -> Result<Request<Full<Bytes>>, EngineError> {
        let prefix =
            if self.api_version.is_empty() { String::new() } else { format!("/v{}", self.api_version) };
        let mut request =
            Request::builder().method(method).uri(format!("{prefix}{path}")).header(header::HOST, "engine");
        if upgrade == Upgrade::Tcp {
            request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
        }
        let bytes = match body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(serde_json::to_vec(value)?)
            }
            None => Bytes::new(),
        };
        request.body(Full::new(bytes)).map_err(|error| EngineError::Protocol(error.to_string()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    No,
    Tcp,
}

/// Text as one segment or value of a URL.
pub(crate) fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(EngineError::Timeout))
}

async fn collect(answer: Response<Incoming>) -> Result<Bytes, EngineError> {
    let body = Limited::new(answer.into_body(), MAX_JSON).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            return EngineError::Protocol(format!("an answer is larger than {MAX_JSON} bytes"));
        }
        EngineError::Unavailable(std::io::Error::other(error))
    })
}

/// The engine's own message in a refusal, `{"message": "…"}`.
async fn refusal(answer: Response<Incoming>, limit: Duration) -> EngineError {
    let mut status = answer.status().as_u16();
    let body = within(limit, collect(answer)).await.unwrap_or_default();
    let message = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|value| value.get("message").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
    // Podman says so of a container that is removed while it is looked for.
    let gone = ["no such container", "layer not known"];
    if status == 500 && gone.iter().any(|words| message.ends_with(words)) {
        status = 404;
    }
    EngineError::Api { status, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaking(api_version: &str) -> EngineSocket {
        EngineSocket {
            path: PathBuf::from("none"),
            api_version: api_version.into(),
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(speaking("1.41").at_least(41) && !speaking("1.41").at_least(42));
        assert!(speaking("1.100").at_least(42) && speaking("2.0").at_least(42));
        assert!(!speaking("nonsense").at_least(1));
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_unavailable() {
        let answer = speaking("1.41").json::<Value>(Method::GET, "/version", None).await;
        assert!(answer.unwrap_err().is_unavailable());
    }
}
