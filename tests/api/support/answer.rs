//! One whole answer, and the checks every answer has to pass.

use regex::Regex;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Status, headers and body of an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What was asked, for messages.
    pub asked: String,
    /// The host path of the daemon's data, which no answer may show.
    pub host_path: String,
}

/// The statuses of the error words, as the contract's table has them.
pub const WORDS: &[(&str, u16)] = &[
    ("auth_error", 401),
    ("validation_error", 400),
    ("not_found", 404),
    ("conflict", 409),
    ("compose_error", 500),
    ("io_error", 500),
    ("timeout", 408),
    ("state_error", 422),
    ("forbidden", 403),
    ("method_not_allowed", 405),
    ("precondition_failed", 412),
    ("too_large", 413),
    ("unsupported_media_type", 415),
    ("range_not_satisfiable", 416),
    ("rate_limited", 429),
    ("internal_error", 500),
    ("bad_gateway", 502),
    ("insufficient_storage", 507),
    ("not_supported", 501),
    ("bad_gateway", 502),
    ("engine_unavailable", 503),
    ("service_unavailable", 503),
    ("insufficient_storage", 507),
];

impl Answer {
    pub async fn read(asked: String, host_path: &str, response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.unwrap_or_else(|e| panic!("{asked}: the body broke off: {e:?}"));
        Self { status, headers, body: body.to_vec(), asked, host_path: host_path.to_owned() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{}: {} is not JSON ({e}): {}", self.asked, self.status, self.text()))
    }

    /// The JSON of an answer that has to have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        self.expect_bytes(status);
        self.json()
    }

    /// The body of an answer that has to have this status.
    #[track_caller]
    pub fn expect_bytes(&self, status: u16) -> &[u8] {
        let start: String = self.text().chars().take(2000).collect();
        assert_eq!(
            self.status, status,
            "{} answered {} instead of {status}: {start}",
            self.asked, self.status
        );
        assert!(self.header("x-request-id").is_some(), "{}: no X-Request-Id", self.asked);
        &self.body
    }

    /// The error of an answer: word and code as given (an empty code stands for any), in the whole schema.
    #[track_caller]
    pub fn refused(&self, word: &str, code: &str) -> Value {
        let asked = &self.asked;
        let text = self.text();
        let status = WORDS.iter().find(|(w, _)| *w == word).expect("a word of the contract").1;
        assert_eq!(
            self.status, status,
            "{asked} answered {} instead of {status} {word} {code}: {text}",
            self.status
        );
        let kind = self.header("content-type").unwrap_or("");
        assert!(kind.starts_with("application/json"), "{asked}: an error as {kind:?}");
        let error = self.json();
        assert_error_value(asked, &error, word, code);
        assert_eq!(
            error["request_id"].as_str(),
            self.header("x-request-id"),
            "{asked}: request_id is the header: {text}"
        );
        assert!(!text.contains(&self.host_path), "{asked}: a host path in {text}");
        error
    }
}

/// One error in the guide's schema, wherever it stands (an answer's body or a frame).
#[track_caller]
pub fn assert_error_value(asked: &str, error: &Value, word: &str, code: &str) {
    let status = WORDS.iter().find(|(w, _)| *w == word).expect("a word of the contract").1;
    assert_eq!(error["error"], word, "{asked}: {error}");
    assert_eq!(error["status"], status, "{asked}: {error}");
    let said = error["code"].as_str().unwrap_or_else(|| panic!("{asked}: no code: {error}"));
    assert!(Regex::new("^[A-Z][A-Z0-9_]+$").unwrap().is_match(said), "{asked}: code {said:?}");
    if !code.is_empty() {
        assert_eq!(said, code, "{asked}: {error}");
    }
    assert!(!error["message"].as_str().unwrap_or("").is_empty(), "{asked}: no message: {error}");
    assert!(!error["request_id"].as_str().unwrap_or("").is_empty(), "{asked}: no request_id: {error}");
    let time = error["timestamp"].as_str().unwrap_or_default();
    let rfc3339 = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$").unwrap();
    assert!(rfc3339.is_match(time), "{asked}: timestamp {time:?}");
    assert!(error["details"].is_object(), "{asked}: details is an object: {error}");
    assert!(error.get("stacktrace").is_none(), "{asked}: a stacktrace in production: {error}");
}
