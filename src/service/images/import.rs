//! Import: an image out of the files of a root file system.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use super::feed::Wanted;
use crate::codes::Code;
use crate::container::image_request::ImportRequest;
use crate::engine::EngineError;
use crate::engine::images::archive::{ArchiveRecords, ImportSpec};
use crate::service::inspection::within;
use crate::service::{Error, Result, Service};

/// An image that was made of files.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its id.
    pub id: String,
    /// Its name with tag.
    pub image: String,
}

impl Service {
    /// Makes an image of the tar that a body brings.
    pub async fn import_image(
        self: &Arc<Self>,
        request: ImportRequest,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<Imported> {
        self.engine_must_answer()?;
        let image = request.name.to_string();
        let spec = ImportSpec {
            repository: request.name.repository,
            tag: request.name.tag,
            message: request.message,
            changes: request.changes,
        };
        let socket = self.parts.engine.socket();
        let send = |files| async move { socket.import_image(&spec, files).await };
        let records = self.hand_over(body, Wanted::WholeTar, send).await?;
        let records = records.map_err(|error| self.of_import(error))?;
        let id = within(self.parts.settings.pull_timeout, imported(records)).await;
        Ok(Imported { id: id.map_err(|error| self.of_archive(error))?, image })
    }

    /// The engine looks at the instructions before it reads the files.
    fn of_import(&self, error: EngineError) -> Error {
        match error {
            EngineError::Api { status: 400, message } => {
                let text = format!("change is not what the container engine takes: {message}");
                Error::new(Code::InvalidValue, text).with("field", "change").with("output", message)
            }
            error => self.of_archive(error),
        }
    }
}

/// The id of the image, in the engine's last word.
async fn imported(mut records: ArchiveRecords) -> std::result::Result<String, EngineError> {
    let mut last = String::new();
    while let Some(record) = records.next().await? {
        if let Some(message) = record.error {
            return Err(EngineError::Api { status: 400, message });
        }
        last = record.status.unwrap_or(last);
    }
    match last.strip_prefix("sha256:") {
        Some(_) => Ok(last),
        None => Err(EngineError::Protocol("an import ended without the image's id".to_owned())),
    }
}
