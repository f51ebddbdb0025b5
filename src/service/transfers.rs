//! Files in and out of a mount.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;
use crate::files::{FilesError, MountPath, OpenFile, Receiving, UnpackMode, Unpacked};

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyDeadlines {
    /// The next piece.
    pub piece: Duration,
    /// All of it.
    pub whole: Duration,
}

/// Where an upload goes.
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// The folder to unpack into; none: the root.
    pub path: Option<String>,
    /// Whether what the folder holds is to go.
    pub replace: bool,
}

/// What an upload brought.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The container.
    pub cuid: Cuid,
    /// The folder unpacked into, relative to the mount.
    pub path: String,
    /// What was in the archive.
    pub unpacked: Unpacked,
}

/// A file that can be sent.
pub struct Download {
    /// Its name, without folders.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// Its strong entity tag, with the quotes.
    pub etag: String,
    file: OpenFile,
}

impl Download {
    /// Some bytes of the file, as a stream.
    pub fn read(&self, start: u64, len: u64) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        self.file.read_range(start, len).map(|piece| piece.map_err(Error::from))
    }
}

impl Service {
    /// Unpacks the zip that `body` brings into the mount of a container.
    pub async fn upload(
        self: &Arc<Self>,
        id: &str,
        options: UploadOptions,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<Uploaded> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = MountPath::parse(options.path.as_deref().unwrap_or_default(), Some(&mount_path))?;
        let archive = self.fill(self.parts.files.receive().await?, body).await?.finish().await?;
        let mode = if options.replace { UnpackMode::Replace } else { UnpackMode::Merge };
        let (service, id) = (Arc::clone(self), id.to_owned());
        let change = async move {
            service.catalog.get(cuid).ok_or_else(|| Error::no_container(&id))?;
            let unpacked = service.parts.files.unpack(cuid, archive, &path, mode).await?;
            Ok(Uploaded { cuid, path: path.as_str().to_owned(), unpacked })
        };
        self.turns.run(cuid, change).await
    }

    /// Opens a file of a container's mount.
    pub async fn download(&self, id: &str, path: &str) -> Result<Download> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = MountPath::parse(path, Some(&mount_path))?;
        let file = self.parts.files.open_file(cuid, &path).await?;
        let name = path.file_name().unwrap_or_default().to_owned();
        Ok(Download { name, len: file.len, modified: file.modified, etag: file.etag.clone(), file })
    }

    /// A folder of a container's mount as a zip; with it the name that the zip should have.
    pub async fn download_zip(
        &self,
        id: &str,
        path: Option<&str>,
    ) -> Result<(String, impl Stream<Item = Result<Bytes>> + Send + use<>)> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = MountPath::parse(path.unwrap_or_default(), Some(&mount_path))?;
        let zip = self.parts.files.pack(cuid, &path).await?;
        let name = path.file_name().map_or_else(|| cuid.to_string(), str::to_owned);
        Ok((format!("{name}.zip"), zip.map(|piece| piece.map_err(Error::from))))
    }

    /// The container and where its mount appears in it.
    pub(super) fn mount(&self, id: &str) -> Result<(Cuid, String)> {
        let known = self.catalog.find(id).ok_or_else(|| Error::no_container(id))?;
        let definition = known.definition.as_ref();
        let definition =
            definition.map_err(|error| Error::new(Code::ComposeFileInvalid, error.to_string()))?;
        let mount_path = definition.spec.mount_path.clone();
        let mount_path = mount_path.ok_or_else(|| {
            Error::new(Code::NoMount, "the container has no mount: it was created with mount_path null")
        })?;
        Ok((known.cuid, mount_path))
    }

    /// Streams a body to the disk, within its deadlines.
    pub(super) async fn fill(
        &self,
        mut receiving: Receiving,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<Receiving> {
        let BodyDeadlines { piece, whole } = self.parts.settings.body;
        let end = Instant::now() + whole;
        let mut body = std::pin::pin!(body);
        loop {
            let next = timeout_at(end, timeout(piece, body.next())).await;
            match next {
                Ok(Ok(Some(bytes))) => receiving.write(bytes?).await?,
                Ok(Ok(None)) => return Ok(receiving),
                Ok(Err(_)) => return Err(slow("nothing more of the body came", piece)),
                Err(_) => return Err(slow("the body did not come to its end", whole)),
            }
        }
    }
}

pub(super) fn slow(what: &str, limit: Duration) -> Error {
    Error::new(Code::BodyTimedOut, format!("{what} within {} s: send it again, faster", limit.as_secs()))
}

impl From<FilesError> for Error {
    fn from(error: FilesError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
