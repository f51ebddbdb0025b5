//! What the engine can tell of a container: its processes, what it changed, its own description, its files.

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::socket::escaped;
use super::stream::Reader;
use super::{EngineError, EngineSocket};

/// The most bytes that are read of a list of processes.
const MOST_OF_TOP: u64 = 64 * 1024 * 1024;

/// The processes of a container, as `ps` on the host lists them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Processes {
    /// The heads of the columns.
    pub titles: Vec<String>,
    /// One row each.
    #[serde(default)]
    pub processes: Option<Vec<Vec<String>>>,
}

/// One path that is not as the image has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileChange {
    /// The path in the container.
    pub path: String,
    /// 0: changed, 1: added, 2: deleted.
    pub kind: u8,
}

impl EngineSocket {
    /// Lists the processes by `ps` with these options, or the engine's own where there are none.
    pub async fn processes(&self, container: &str, opts: Option<&str>) -> Result<Processes, EngineError> {
        let query = opts.map_or_else(String::new, |opts| format!("?ps_args={}", escaped(opts)));
        let path = format!("/containers/{}/top{query}", escaped(container));
        self.json(Method::GET, &path, None).await
    }

    /// Lists the processes of a container by Podman's own names of columns, or its usual ones; nothing where
    /// it cannot, for which it gives no reason. Podman would run any other options by the container's own `ps`.
    pub async fn podmans_processes(
        &self,
        container: &str,
        columns: Option<&[&str]>,
    ) -> Result<Option<Processes>, EngineError> {
        let query =
            columns.map_or_else(String::new, |columns| format!("?ps_args={}", escaped(&columns.join(","))));
        let path = format!("/libpod/containers/{}/top{query}", escaped(container));
        let answer = self.of_libpod().streamed(Method::GET, &path).await?;
        let mut body = Vec::new();
        answer.take(MOST_OF_TOP).read_to_end(&mut body).await.map_err(EngineError::Unavailable)?;
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// Lists the paths that are not as the image has them; may take long.
    pub async fn file_changes(&self, container: &str) -> Result<Vec<FileChange>, EngineError> {
        let path = format!("/containers/{}/changes", escaped(container));
        Ok(self.json_whenever::<Option<_>>(Method::GET, &path, None).await?.unwrap_or_default())
    }

    /// The engine's own description of a container.
    pub async fn inspection(&self, container: &str) -> Result<Value, EngineError> {
        self.json(Method::GET, &format!("/containers/{}/json", escaped(container)), None).await
    }

    /// The id of the image that a container was made of; none: the engine does not have the container.
    pub async fn image_of(&self, container: &str) -> Result<Option<String>, EngineError> {
        match self.inspection(container).await {
            Ok(description) => Ok(description["Image"].as_str().map(str::to_owned)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The container's file system as a tar.
    pub async fn export(&self, container: &str) -> Result<Reader, EngineError> {
        self.streamed(Method::GET, &format!("/containers/{}/export", escaped(container))).await
    }
}
