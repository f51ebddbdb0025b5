//! Making an image of a container.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::socket::escaped;
use super::{EngineError, EngineSocket};

/// What image is to be made.
#[derive(Clone, Debug)]
pub struct CommitSpec {
    /// The container.
    pub container: String,
    /// The image's name without tag.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// Who made it.
    pub author: String,
    /// What it is.
    pub message: String,
    /// Instructions of a Dockerfile.
    pub changes: Vec<String>,
    /// The signal that ends it in order.
    pub stop_signal: Option<String>,
    /// Whether the container is frozen meanwhile.
    pub pause: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Committed {
    id: String,
}

impl EngineSocket {
    /// Makes the image and answers its id; takes as long as there is to be copied.
    pub async fn commit(&self, spec: &CommitSpec) -> Result<String, EngineError> {
        let mut changes = spec.changes.clone();
        let Some(signal) = &spec.stop_signal else { return self.commit_with(spec, &changes, None).await };
        changes.push(format!("STOPSIGNAL {signal}"));
        match self.commit_with(spec, &changes, None).await {
            // Docker takes this one in the configuration alone.
            Err(EngineError::Api { status: 400, message })
                if message.contains("stopsignal is not a valid") =>
            {
                self.commit_with(spec, &spec.changes, Some(&json!({"StopSignal": signal}))).await
            }
            result => result,
        }
    }

    async fn commit_with(
        &self,
        spec: &CommitSpec,
        changes: &[String],
        config: Option<&Value>,
    ) -> Result<String, EngineError> {
        let changes: String =
            changes.iter().flat_map(|change| ["&changes=".to_owned(), escaped(change).to_string()]).collect();
        let path = format!(
            "/commit?container={}&repo={}&tag={}&author={}&comment={}&pause={}{changes}",
            escaped(&spec.container),
            escaped(&spec.repository),
            escaped(&spec.tag),
            escaped(&spec.author),
            escaped(&spec.message),
            spec.pause,
        );
        // Podman reads a configuration even where none is sent.
        let config = config.cloned().unwrap_or_else(|| json!({}));
        let id = self.json_whenever::<Committed>(Method::POST, &path, Some(&config)).await?.id;
        // Podman leaves out what kind of digest it is.
        Ok(if id.contains(':') { id } else { format!("sha256:{id}") })
    }
}
