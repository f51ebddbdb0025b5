//! The HTTP client of the tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::{ClientBuilder, Method, RequestBuilder};
use rustls::ClientConfig;
use serde_json::{Value, json};

use super::answer::Answer;
use super::{BUSYBOX, IDLE, tls};

/// A client with the administrator's credentials (or other ones, or none).
#[derive(Clone)]
pub struct Api {
    pub base: String,
    pub client: reqwest::Client,
    pub login: Option<(String, String)>,
    /// A token, in the place of a login.
    pub bearer: Option<String>,
    pub data: PathBuf,
    /// How it speaks TLS.
    pub tls: Arc<ClientConfig>,
}

/// A client that believes no certificate.
pub fn client() -> ClientBuilder {
    client_with(&tls::trusting_nobody())
}

fn client_with(tls: &ClientConfig) -> ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls.clone())
}

impl Api {
    pub fn new(base: &str, login: Option<(&str, &str)>, data: &Path) -> Self {
        Self::with_tls(base, login, data, tls::trusting_nobody())
    }

    pub fn with_tls(base: &str, login: Option<(&str, &str)>, data: &Path, tls: Arc<ClientConfig>) -> Self {
        // One test is one runtime: a pool shared among them would hold dead connections.
        let client = client_with(&tls)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(150))
            .build()
            .unwrap();
        let login = login.map(|(user, pass)| (user.to_owned(), pass.to_owned()));
        Self { base: base.to_owned(), client, login, bearer: None, data: data.to_owned(), tls }
    }

    /// The same address with other credentials.
    pub fn with_login(&self, login: Option<(&str, &str)>) -> Self {
        Self::with_tls(&self.base, login, &self.data, Arc::clone(&self.tls))
    }

    /// A client with a new token, as the body of `POST /tokens` says; a name is made up where it has none.
    pub async fn token(&self, body: Value) -> Self {
        let body = with(json!({"name": super::unique("token")}), body);
        let made = self.post_json("/tokens", &body).await.expect(201);
        let bearer = made["token"].as_str().unwrap_or_else(|| panic!("no token: {made}")).to_owned();
        Self { bearer: Some(bearer), ..self.with_login(None) }
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> Option<String> {
        use base64::Engine as _;
        if let Some(bearer) = &self.bearer {
            return Some(format!("Bearer {bearer}"));
        }
        let (user, pass) = self.login.as_ref()?;
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{pass}"))))
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}{path}", self.base));
        match (&self.bearer, &self.login) {
            (Some(bearer), _) => request.bearer_auth(bearer),
            (None, Some((user, pass))) => request.basic_auth(user, Some(pass)),
            (None, None) => request,
        }
    }

    /// Sends and reads the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|e| panic!("no answer: {e:?}"))
    }

    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), &request.url().as_str()[self.base.len()..]);
        let response = self.client.execute(request).await?;
        Ok(Answer::read(asked, &self.data.to_string_lossy(), response).await)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.send(self.request("POST", path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("PATCH", path).json(body)).await
    }

    /// A WebSocket handshake that is expected to be refused: its plain HTTP answer.
    pub async fn upgrade(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .request("GET", path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// `POST /containers` with this body: the cuid.
    pub async fn create(&self, body: &Value) -> String {
        let made = in_time(async || self.post_json("/containers", body).await).await.expect(201);
        made["cuid"].as_str().unwrap_or_else(|| panic!("no cuid: {made}")).to_owned()
    }

    /// A container that idles, with `more` fields, created and not started: its cuid.
    pub async fn idle(&self, more: Value) -> String {
        self.create(&with(json!({"image": BUSYBOX, "command": IDLE}), more)).await
    }

    /// A container that idles and runs: its cuid.
    pub async fn running(&self, more: Value) -> String {
        let cuid =
            self.create(&with(json!({"image": BUSYBOX, "command": IDLE, "state": "running"}), more)).await;
        assert_eq!(self.status(&cuid).await, "running", "created with state running");
        cuid
    }

    /// A lifecycle action that has to succeed: the container.
    pub async fn act(&self, cuid: &str, action: &str) -> Value {
        in_time(async || self.post(&format!("/containers/{cuid}/{action}")).await).await.expect(200)
    }

    /// The container.
    pub async fn container(&self, cuid: &str) -> Value {
        self.get(&format!("/containers/{cuid}")).await.expect(200)
    }

    /// The container's status.
    pub async fn status(&self, cuid: &str) -> String {
        self.container(cuid).await["status"].as_str().unwrap_or("").to_owned()
    }

    /// Uploads an archive to the mount's root: the answer.
    pub async fn upload(&self, cuid: &str, query: &str, zip: Vec<u8>) -> Answer {
        let request = self.request("POST", &format!("/containers/{cuid}/upload-zip{query}"));
        self.send(request.header("content-type", "application/zip").body(zip)).await
    }

    /// The host's folder that is the container's mount.
    pub fn mount(&self, cuid: &str) -> PathBuf {
        self.data.join("mounts").join(cuid)
    }

    /// The compose file's path.
    pub fn compose_file(&self, cuid: &str) -> PathBuf {
        self.data.join("compose").join(cuid).join("compose.yaml")
    }

    /// The text of the compose file.
    pub fn compose_text(&self, cuid: &str) -> String {
        std::fs::read_to_string(self.compose_file(cuid)).unwrap()
    }

    /// The lines of the audit log that say what came of a request, and those of terminals. Each line has to parse.
    pub fn audit(&self) -> Vec<Value> {
        let is_outcome = |line: &Value| line["phase"] == "outcome" && line["method"] != "DAEMON";
        self.audit_all().into_iter().filter(is_outcome).collect()
    }

    /// The whole lines of the audit log, each of which has to parse: intents and those of the daemon itself as well.
    pub fn audit_all(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.data.join("logs/actions.jsonl")).unwrap_or_default();
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("audit line ({e}): {line:?}"));
        text.lines().map(parse).collect()
    }
}

/// Changes until the engine has kept to the limit of seconds that a test has set to run into it: on a busy machine it
/// may take longer also where the test does not mean it to.
async fn in_time(change: impl AsyncFn() -> Answer) -> Answer {
    for _ in 0..5 {
        let answer = change().await;
        let is_late = answer.status == 408 && answer.json()["code"] == "CHANGE_TIMED_OUT";
        if !is_late || answer.json()["details"]["timeout_s"].as_u64().is_none_or(|limit| limit > 10) {
            return answer;
        }
    }
    change().await
}

/// `base` with the fields of `more` in place of its own; `null` stays a value.
pub fn with(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}
