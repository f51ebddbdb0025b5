//! What the engine knows of one image.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::list::drop_nameless;
use crate::engine::socket::escaped;
use crate::engine::{EngineError, EngineSocket};

/// An image, as the engine describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InspectedImage {
    /// Its id, `sha256:…`.
    pub id: String,
    /// Its names with tag.
    pub repo_tags: Option<Vec<String>>,
    /// Its names with digest.
    pub repo_digests: Option<Vec<String>>,
    /// The image that it was made of; empty: none that is known.
    pub parent: String,
    /// What its maker said of it.
    pub comment: String,
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// Who made it.
    pub author: String,
    /// What containers of it get.
    pub config: Option<ImageConfig>,
    /// The processor that it is for.
    pub architecture: String,
    /// Which kind of that processor.
    pub variant: String,
    /// The system that it is for.
    pub os: String,
    /// Its size with all layers, in bytes.
    pub size: u64,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
}

/// What containers of an image get.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// The user.
    pub user: String,
    /// The environment, `NAME=value`.
    pub env: Option<Vec<String>>,
    /// What is run in front of the command.
    pub entrypoint: Option<Vec<String>>,
    /// The command.
    pub cmd: Option<Vec<String>>,
    /// The folder that it runs in.
    pub working_dir: String,
    /// The ports that it listens on, `80/tcp`.
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    /// The folders that are volumes.
    pub volumes: Option<BTreeMap<String, Value>>,
    /// Labels.
    pub labels: Option<Map<String, Value>>,
    /// The signal that ends it.
    pub stop_signal: Option<String>,
    /// How its health is told.
    pub healthcheck: Option<ImageHealthcheck>,
}

/// How the health of an image's containers is told; times in nanoseconds, 0 where the engine's own holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageHealthcheck {
    /// `NONE`, `CMD` with a command, or `CMD-SHELL` with a line.
    pub test: Option<Vec<String>>,
    /// The time between two checks.
    pub interval: i64,
    /// How long one may take.
    pub timeout: i64,
    /// How long failures do not count.
    pub start_period: i64,
    /// How many failures in a row count.
    pub retries: i64,
}

/// The layers of an image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFs {
    /// The digests of their contents, the lowest first.
    pub layers: Option<Vec<String>>,
}

/// One step of an image's making.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryStep {
    /// The image that it made; `<missing>`: not on this host.
    pub id: String,
    /// When, in Unix seconds.
    pub created: i64,
    /// By what.
    #[serde(default)]
    pub created_by: String,
    /// The names of the image that it made.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// How much it added, in bytes.
    pub size: u64,
    /// What its maker said of it.
    #[serde(default)]
    pub comment: String,
}

impl InspectedImage {
    /// Its names with tag.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }

    /// Its names with digest.
    #[must_use]
    pub fn digests(&self) -> &[String] {
        self.repo_digests.as_deref().unwrap_or_default()
    }

    /// The digests of its layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        self.root_fs.layers.as_deref().unwrap_or_default()
    }
}

impl EngineSocket {
    /// The image of a name, an id or the beginning of one; none: the engine does not have it.
    pub async fn image(&self, image: &str) -> Result<Option<InspectedImage>, EngineError> {
        let path = format!("/images/{}/json", escaped(image));
        match self.json::<InspectedImage>(Method::GET, &path, None).await {
            Ok(mut image) => {
                for names in [&mut image.repo_tags, &mut image.repo_digests].into_iter().flatten() {
                    drop_nameless(names);
                }
                Ok(Some(image))
            }
            Err(error) if error.status() == Some(404) => Ok(None),
            // A name with a digest of a kind that it does not know.
            Err(EngineError::Api { status: 400, message }) if message.contains("no such image") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How an image was made, the last step first.
    pub async fn image_history(&self, image: &str) -> Result<Vec<HistoryStep>, EngineError> {
        self.json(Method::GET, &format!("/images/{}/history", escaped(image)), None).await
    }
}
