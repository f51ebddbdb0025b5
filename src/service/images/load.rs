//! Load: images out of an archive, as `docker save` writes it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::timeout;

use super::feed::Wanted;
use crate::codes::Code;
use crate::engine::EngineError;
use crate::engine::images::archive::{ArchiveRecord, ArchiveRecords};
use crate::service::streams::Sink;
use crate::service::{Error, Result, Service, Source};

/// An image that came out of an archive.
#[derive(Clone, Debug)]
pub struct LoadedImage {
    /// Its id.
    pub id: String,
    /// Its name with tag; none: the archive gives it none.
    pub image: Option<String>,
}

/// A part of what is told of a load.
#[derive(Clone, Debug)]
pub enum LoadPart {
    /// How far the engine is.
    Progress {
        /// The layer that it is about.
        layer: Option<String>,
        /// What happens.
        status: String,
        /// How many bytes of it are done, and of how many.
        bytes: Option<(u64, u64)>,
    },
    /// What came of it.
    Loaded(Vec<LoadedImage>),
}

impl Service {
    /// Hands an archive over to the engine and answers the images that were in it.
    pub async fn load_images(
        self: &Arc<Self>,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<Vec<LoadedImage>> {
        self.engine_must_answer()?;
        let records = self.hand_archive_over(body).await?;
        let limit = self.parts.settings.pull_timeout;
        let loaded = timeout(limit, self.loaded(records, None)).await;
        loaded.unwrap_or_else(|_| Err(self.of_archive(EngineError::Timeout)))
    }

    /// The same, told as it goes on; what is wrong with the body itself is told at once.
    pub async fn load_images_told(
        self: &Arc<Self>,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<Source<LoadPart>> {
        self.engine_must_answer()?;
        let place = self.parts.streams.take_place()?;
        let records = self.hand_archive_over(body).await?;
        let service = Arc::clone(self);
        let tell = |sink| async move { service.loaded(records, Some(&sink)).await.map(LoadPart::Loaded) };
        Ok(self.parts.streams.begin_with_result(place, tell))
    }

    async fn hand_archive_over(&self, body: impl Stream<Item = Result<Bytes>>) -> Result<ArchiveRecords> {
        let socket = self.parts.engine.socket();
        let send = |archive| async move { socket.load_images(archive).await };
        self.hand_over(body, Wanted::Anything, send).await?.map_err(|error| self.of_archive(error))
    }

    /// Reads to its end what the engine says.
    async fn loaded(
        &self,
        mut records: ArchiveRecords,
        sink: Option<&Sink<LoadPart>>,
    ) -> Result<Vec<LoadedImage>> {
        let limit = self.parts.settings.pull_timeout;
        let mut names = Vec::new();
        loop {
            let next = timeout(limit, records.next()).await.unwrap_or(Err(EngineError::Timeout));
            let Some(record) = next.map_err(|error| self.of_archive(error))? else { break };
            if let Some(message) = record.error {
                let error = self.of_archive(EngineError::Api { status: 400, message });
                return Err(if names.is_empty() { error } else { error.with("loaded", names) });
            }
            names.extend(record.stream.as_deref().map(named).unwrap_or_default());
            if let Some(sink) = sink {
                sink.send(progress(record).into_iter().collect()).await;
            }
        }
        if names.is_empty() {
            let message =
                "the archive holds no image: send what docker save or GET /images/{ref}/save writes";
            return Err(Error::new(Code::ImageArchiveInvalid, message));
        }
        let mut images = Vec::new();
        for name in names {
            images.extend(self.loaded_image(&name).await?);
        }
        Ok(images)
    }

    /// What was loaded under a name or, without one, as an id; nothing where someone has removed it since.
    async fn loaded_image(&self, name: &str) -> Result<Option<LoadedImage>> {
        let found = self.parts.engine.socket().image(name).await?;
        let image = (!name.starts_with("sha256:")).then(|| name.to_owned());
        Ok(found.map(|found| LoadedImage { id: found.id, image }))
    }

    /// The engine's refusal of an archive.
    pub(super) fn of_archive(&self, error: EngineError) -> Error {
        match error {
            EngineError::Api { message, .. } if message.contains("no space left") => super::no_space(),
            EngineError::Api { message, .. } => {
                let text = format!("the container engine cannot use the archive: {message}");
                self.redacted(Error::new(Code::ImageArchiveInvalid, text).with("output", message))
            }
            EngineError::Timeout => Error::new(
                Code::ChangeTimedOut,
                "the container engine did not take the archive in time: it may be at it still",
            ),
            error => error.into(),
        }
    }
}

/// The names in a line such as `Loaded image: a:1`, or the id of what has none.
fn named(line: &str) -> Vec<String> {
    let names = line.trim().strip_prefix("Loaded image").and_then(|rest| rest.split_once(": "));
    let names = names.map(|(_, names)| names).unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn progress(record: ArchiveRecord) -> Option<LoadPart> {
    let bytes = record.progress["current"].as_u64().zip(record.progress["total"].as_u64());
    let line = record.stream.map(|line| line.trim().to_owned());
    let status = record.status.or(line).filter(|status| !status.is_empty())?;
    Some(LoadPart::Progress { layer: record.id, status, bytes })
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn the_engine_names_what_it_has_loaded() {
        assert_eq!(named("Loaded image: a/b:1\n"), ["a/b:1"]);
        assert_eq!(named("Loaded image ID: sha256:ab\n"), ["sha256:ab"]);
        assert_eq!(named("Loaded image: localhost/a:1,localhost/b:1"), ["localhost/a:1", "localhost/b:1"]);
        assert!(named("The image a:1 already exists, renaming the old one").is_empty());
    }
}
