//! A terminal's client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::Api;

/// How long a frame may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open session.
pub struct Terminal {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The `ready` frame.
    pub ready: Value,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Error frames that came.
    pub errors: VecDeque<Value>,
    pub exit: Option<i64>,
    pub close_code: Option<u16>,
    /// All frames, in their order.
    pub frames: Vec<Value>,
}

impl Terminal {
    /// Opens `/ws/{id}?{query}` and reads the `ready` frame.
    pub async fn open(api: &Api, id: &str, query: &str) -> Self {
        Self::open_with(api, id, query, &[]).await
    }

    pub async fn open_with(api: &Api, id: &str, query: &str, headers: &[(&str, &str)]) -> Self {
        let url = format!(
            "{}/ws/{id}{}{query}",
            api.base.replacen("http", "ws", 1),
            if query.is_empty() { "" } else { "?" }
        );
        let mut request = url.as_str().into_client_request().unwrap();
        if let Some(value) = api.authorization() {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let tls = Connector::Rustls(Arc::clone(&api.tls));
        let opened = connect_async_tls_with_config(request, None, false, Some(tls)).await;
        let (socket, _) = opened.unwrap_or_else(|e| panic!("{url}: {e:?}"));
        let mut terminal = Self {
            socket,
            ready: Value::Null,
            stdout: Vec::new(),
            stderr: Vec::new(),
            errors: VecDeque::new(),
            exit: None,
            close_code: None,
            frames: Vec::new(),
        };
        assert!(terminal.next().await, "the socket closed before `ready`");
        let first = terminal.frames[0].clone();
        assert_eq!(first["type"], "ready", "the first frame: {first}");
        assert!(!first["session"].as_str().unwrap_or("").is_empty(), "{first}");
        terminal.ready = first;
        terminal
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Types text.
    pub async fn type_in(&mut self, text: &str) {
        self.send(json!({"type": "stdin", "data": text})).await;
    }

    /// Takes one frame in; `false` when the socket is closed.
    pub async fn next(&mut self) -> bool {
        match tokio::time::timeout(PATIENCE, self.take()).await {
            Ok(more) => more,
            Err(_) => panic!("no frame in {PATIENCE:?}; so far {:?}; stderr {:?}", self.out(), self.err()),
        }
    }

    async fn take(&mut self) -> bool {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    self.note(serde_json::from_str(&text).unwrap_or_else(|e| panic!("frame {text:?}: {e}")));
                    return true;
                }
                Some(Ok(Message::Close(frame))) => self.close_code = frame.map(|f| f.code.into()),
                Some(Ok(Message::Binary(bytes))) => panic!("a binary frame: {bytes:?}"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
    }

    fn note(&mut self, frame: Value) {
        match frame["type"].as_str() {
            Some(stream @ ("stdout" | "stderr")) => {
                assert!(self.exit.is_none(), "output after exit: {frame}");
                let data = frame["data"].as_str().unwrap_or_else(|| panic!("no data: {frame}"));
                let bytes = match frame["encoding"].as_str() {
                    Some("utf8") => data.as_bytes().to_vec(),
                    Some("base64") => base64::engine::general_purpose::STANDARD.decode(data).unwrap(),
                    _ => panic!("no encoding: {frame}"),
                };
                assert!(!data.contains('\u{FFFD}'), "a broken character: {frame}");
                if stream == "stdout" { self.stdout.extend(bytes) } else { self.stderr.extend(bytes) }
            }
            Some("exit") => {
                self.exit = Some(frame["code"].as_i64().unwrap_or_else(|| panic!("no code: {frame}")));
            }
            Some("error") => self.errors.push_back(frame["error"].clone()),
            Some("ready") => {}
            _ => panic!("a frame of no known type: {frame}"),
        }
        self.frames.push(frame);
    }

    /// Reads until stdout has `needle` after `from` bytes: where it ends.
    pub async fn until(&mut self, needle: &str, from: usize) -> usize {
        loop {
            let text = String::from_utf8_lossy(&self.stdout[from..]).into_owned();
            if let Some(at) = text.find(needle) {
                return from + at + needle.len();
            }
            assert!(
                self.next().await,
                "closed before {needle:?}; stdout {:?}; stderr {:?}",
                self.out(),
                self.err()
            );
        }
    }

    /// Reads until an error frame comes.
    pub async fn error(&mut self) -> Value {
        loop {
            if let Some(error) = self.errors.pop_front() {
                return error;
            }
            assert!(self.next().await, "closed before an error frame came");
        }
    }

    /// Reads to the end: the exit code.
    pub async fn end(&mut self) -> Option<i64> {
        while self.next().await {}
        self.exit
    }
}
