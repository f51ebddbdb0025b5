//! Images as archives: in and out, as they stream.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::records::Records;
use crate::engine::socket::escaped;
use crate::engine::stream::Reader;
use crate::engine::{EngineError, EngineSocket};

/// The engine finds out itself how an archive is compressed.
const TAR: &str = "application/x-tar";

/// What an image is made of beside its files.
#[derive(Clone, Debug)]
pub struct ImportSpec {
    /// The image's name without tag.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// What it is.
    pub message: String,
    /// Instructions of a Dockerfile.
    pub changes: Vec<String>,
}

/// One record of what the engine tells while it takes an archive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ArchiveRecord {
    /// What it is about: a layer.
    pub id: Option<String>,
    /// What happens, or the id of what was imported.
    pub status: Option<String>,
    /// A line for people.
    pub stream: Option<String>,
    /// How far it is: `current` and `total`, in bytes.
    #[serde(rename = "progressDetail")]
    pub progress: Value,
    /// Why it could not go on.
    pub error: Option<String>,
}

/// The records, as they come.
pub type ArchiveRecords = Records<ArchiveRecord>;

impl EngineSocket {
    /// Hands over an archive of images, as `docker save` writes it.
    pub async fn load_images(
        &self,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<ArchiveRecords, EngineError> {
        let reader = self.send_body("/images/load?quiet=0", TAR, archive).await?;
        Ok(Records::new(reader))
    }

    /// Hands over the files of a new image.
    pub async fn import_image(
        &self,
        spec: &ImportSpec,
        files: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<ArchiveRecords, EngineError> {
        let changes: String = spec
            .changes
            .iter()
            .flat_map(|change| ["&changes=".to_owned(), escaped(change).to_string()])
            .collect();
        let path = format!(
            "/images/create?fromSrc=-&repo={}&tag={}&message={}{changes}",
            escaped(&spec.repository),
            escaped(&spec.tag),
            escaped(&spec.message),
        );
        let reader = self.send_body(&path, TAR, files).await?;
        Ok(Records::new(reader))
    }

    /// An image with all its layers as a tar. It begins when the engine has gathered them, however late.
    pub async fn save_image(&self, image: &str) -> Result<Reader, EngineError> {
        self.streamed_whenever(Method::GET, &format!("/images/{}/get", escaped(image))).await
    }
}
