//! Builds of images, and what is left of them.

use super::answer::Answer;
use super::api::Api;
use super::{BUSYBOX, Daemon, Value, Zip, docker, eventually, unique};

/// A daemon whose builds no other test's builds keep waiting.
pub async fn builder() -> Daemon {
    Daemon::start().await
}

/// A name for an image of one test; the image is gone when this is dropped.
pub struct Image(pub String);

impl Image {
    pub fn new() -> Self {
        Self(format!("{}/built:v1", unique("wharfinger-test")))
    }

    /// What the engine says of it, by a template.
    pub async fn inspect(&self, format: &str) -> String {
        docker(&["image", "inspect", "--format", format, &self.0]).await
    }

    /// What a command in it prints.
    pub async fn run(&self, script: &str) -> String {
        docker(&["run", "--rm", "--network", "none", &self.0, "sh", "-c", script]).await
    }

    pub async fn exists(&self) -> bool {
        super::engine::try_docker(&["image", "inspect", &self.0]).await.0
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.0]).output();
    }
}

/// A Dockerfile on the small image.
pub fn dockerfile(lines: &str) -> String {
    format!("FROM {BUSYBOX}\n{lines}\n")
}

/// A step that is done at once. Each has an image of its own: one that another test makes too may go with that test.
pub fn quick() -> String {
    format!("RUN true {}", uuid::Uuid::new_v4())
}

/// A context with one.
pub fn context(lines: &str) -> Vec<u8> {
    Zip::new().file("Dockerfile", dockerfile(lines)).bytes()
}

pub fn request(api: &Api, query: &[(&str, &str)], kind: &str, body: Vec<u8>) -> reqwest::RequestBuilder {
    api.request("POST", "/images/build").query(query).header("content-type", kind).body(body)
}

/// Builds a zip and answers once.
pub async fn build(api: &Api, query: &[(&str, &str)], zip: Vec<u8>) -> Answer {
    api.send(request(api, query, "application/zip", zip)).await
}

/// Builds a zip and answers what is told: the builder's lines together, and the last record.
pub async fn told(api: &Api, query: &[(&str, &str)], zip: Vec<u8>) -> (String, Value) {
    let request = request(api, query, "application/zip", zip).header("accept", "application/x-ndjson");
    let answer = api.send(request).await;
    answer.expect_bytes(200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = answer.text();
    let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = records.pop().unwrap();
    let line = |record: &Value| record["stream"].as_str().unwrap_or_else(|| panic!("{record}")).to_owned();
    (records.iter().map(line).collect(), last)
}

/// Processes of the host whose command line holds this.
pub fn processes(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(word)).collect()
}

/// A step that goes on for ever, and a word by which its process is found.
pub fn endless() -> (String, String) {
    let seconds = 100_000 + uuid::Uuid::new_v4().as_u128() % 9_000_000;
    (format!("RUN echo begun; sleep {seconds}"), format!("sleep {seconds}"))
}

/// Waits until the step runs.
pub async fn runs(word: &str) {
    // Its shell, the builder's words and the daemon's file hold it too; what counts is the program itself.
    eventually("the build runs", 40.0, || async { is_running(word).then_some(()) }).await;
}

/// Waits until no process of the step is left, and nothing of its context.
pub async fn is_gone(daemon: &Daemon, word: &str) {
    eventually("the build has ended", 30.0, || async { (!is_running(word)).then_some(()) }).await;
    staging_is_empty(daemon).await;
}

fn is_running(word: &str) -> bool {
    processes(word).iter().any(|line| line.trim() == word)
}

pub async fn staging_is_empty(api: &Api) {
    let folder = api.data.join("mounts/.staging");
    let is_empty = || std::fs::read_dir(&folder).map_or(0, Iterator::count) == 0;
    eventually("staging is empty", 10.0, || async { is_empty().then_some(()) }).await;
}
