//! A container's own streams: attach, its log as it grows, its end.

use hyper::Method;
use serde::Deserialize;

use super::exec::{DETACH_KEYS, Size};
use super::socket::escaped;
use super::{EngineError, EngineSocket, Input, Output};

/// Podman's words where it is asked to wait for a container that is removed meanwhile.
const GONE: [&str; 2] = ["no such container", "container has already been removed"];

/// What a session needs to know of a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerFacts {
    /// The engine's id of it.
    #[serde(default)]
    pub id: String,
    /// How it is doing.
    pub state: ContainerState,
    /// How it was made.
    pub config: ContainerConfig,
}

/// How a container is doing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerState {
    /// The engine's word for it.
    #[serde(default)]
    pub status: String,
    /// Whether its main process runs.
    pub running: bool,
    /// Whether it is frozen.
    #[serde(default)]
    pub paused: bool,
    /// Whether it waits to be started again.
    #[serde(default)]
    pub restarting: bool,
    /// Its main process on the host, or 0.
    #[serde(default)]
    pub pid: i32,
    /// The exit code of its last run.
    #[serde(default)]
    pub exit_code: i64,
    /// When its last run began, RFC 3339.
    #[serde(default)]
    pub started_at: String,
    /// When its last finished run ended, RFC 3339; the year 1 when none has.
    #[serde(default)]
    pub finished_at: String,
}

/// How a container was made.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// Whether its main process has a terminal.
    #[serde(default)]
    pub tty: bool,
    /// Whether its standard input is open.
    #[serde(default)]
    pub open_stdin: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Waited {
    status_code: i64,
    #[serde(default)]
    error: Option<WaitError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WaitError {
    message: String,
}

fn log_path(container: &str, query: &str) -> String {
    format!("/containers/{}/logs?stdout=1&stderr=1&{query}", escaped(container))
}

impl EngineSocket {
    /// Reads what a session needs to know.
    pub async fn container_facts(&self, container: &str) -> Result<ContainerFacts, EngineError> {
        self.json(Method::GET, &format!("/containers/{}/json", escaped(container)), None).await
    }

    /// Takes the container's own streams as they are from now on. The engine stops the container's output
    /// while they are not read.
    pub async fn attach(
        &self,
        container: &str,
        config: &ContainerConfig,
    ) -> Result<(Output, Input), EngineError> {
        let path = format!(
            "/containers/{}/attach?stream=1&stdout=1&stderr=1&stdin={}&detachKeys={}",
            escaped(container),
            u8::from(config.open_stdin),
            escaped(DETACH_KEYS),
        );
        let (reader, input) = self.upgrade(&path, None).await?;
        Ok((Output::of(reader, config.tty), input))
    }

    /// Reads the container's log from `since` (seconds and nanoseconds since 1970, `s.n`) and on until it
    /// stops. Unlike [`Self::attach`] this holds up no one, however slowly it is read. Podman answers with the
    /// first output only, so that what refuses is asked for nothing before.
    pub async fn follow_log(
        &self,
        container: &str,
        config: &ContainerConfig,
        since: &str,
    ) -> Result<Output, EngineError> {
        drop(self.log(container, config, "tail=0").await?);
        let path = log_path(container, &format!("follow=1&since={}", escaped(since)));
        Ok(Output::of(self.streamed_late(Method::GET, &path), config.tty))
    }

    /// Reads the container's log from `since` to what is its end now.
    pub async fn log_so_far(
        &self,
        container: &str,
        config: &ContainerConfig,
        since: &str,
    ) -> Result<Output, EngineError> {
        self.log(container, config, &format!("since={}", escaped(since))).await
    }

    async fn log(
        &self,
        container: &str,
        config: &ContainerConfig,
        query: &str,
    ) -> Result<Output, EngineError> {
        let reader = self.streamed(Method::GET, &log_path(container, query)).await?;
        Ok(Output::of(reader, config.tty))
    }

    /// Waits until the container does not run and answers its exit code.
    pub async fn container_end(&self, container: &str) -> Result<i64, EngineError> {
        let path = format!("/containers/{}/wait?condition=not-running", escaped(container));
        let waited: Waited = self.json_whenever(Method::POST, &path, None).await?;
        match waited.error {
            // Podman's word for one that was removed meanwhile, beside an exit code of 0.
            Some(WaitError { message }) if GONE.iter().any(|words| message.ends_with(words)) => {
                Err(EngineError::Api { status: 404, message })
            }
            _ => Ok(waited.status_code),
        }
    }

    /// Gives the container's terminal another size.
    pub async fn container_resize(&self, container: &str, size: Size) -> Result<(), EngineError> {
        let path = format!("/containers/{}/resize?h={}&w={}", escaped(container), size.rows, size.cols);
        self.command(Method::POST, &path, None).await
    }

    /// Sends a signal to the container's main process.
    pub async fn container_signal(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let path = format!("/containers/{}/kill?signal={}", escaped(container), escaped(signal));
        self.command(Method::POST, &path, None).await
    }
}
