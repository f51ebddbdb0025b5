//! The body of an upload, written to a file without a name as it comes in.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;

use super::error::FilesError;
use super::staging::{Stage, Staging};
use super::task::blocking;

/// How many bytes are gathered before they are written.
const BATCH: usize = 512 << 10;
/// How many bytes are written between two looks at the free space.
const LOOK_EVERY: u64 = 16 << 20;

/// An upload that is coming in. Its bytes are gone when it is dropped.
#[derive(Debug)]
pub struct Receiving {
    sink: Option<Sink>,
    batch: Vec<Bytes>,
    batched: usize,
    limit: u64,
}

/// Where the bytes go; travels to the blocking threads and back.
#[derive(Debug)]
struct Sink {
    file: File,
    /// Where the file has its name, if it has one.
    stage: Option<Stage>,
    staging: Staging,
    written: u64,
    looked_at: u64,
}

/// An upload that came in whole. Its bytes are gone when it is dropped.
#[derive(Debug)]
pub struct StagedArchive {
    pub(super) file: File,
    pub(super) len: u64,
}

/// A single file that came in whole, in a stage of its own. Its bytes are gone when it is dropped.
#[derive(Debug)]
pub struct StagedFile {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) stage: Stage,
}

/// The name of a single file in its stage.
pub(super) const STAGED_NAME: &str = "file";

impl StagedArchive {
    /// How many bytes came in.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing came in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Receiving {
    pub(super) async fn start(staging: Staging, limit: u64) -> Result<Self, FilesError> {
        let sink = blocking(move || {
            staging.need_room(0)?;
            Ok(Sink { file: staging.unnamed_file()?, stage: None, staging, written: 0, looked_at: 0 })
        })
        .await?;
        Ok(Self { sink: Some(sink), batch: Vec::new(), batched: 0, limit })
    }

    /// The same for a file that is to be moved into a mount: it needs a name for that.
    pub(super) async fn start_file(staging: Staging, limit: u64) -> Result<Self, FilesError> {
        let sink = blocking(move || {
            staging.need_room(0)?;
            let stage = staging.stage()?;
            let file = stage.make_file(STAGED_NAME).map_err(FilesError::on("make a file in staging"))?;
            Ok(Sink { file, stage: Some(stage), staging, written: 0, looked_at: 0 })
        })
        .await?;
        Ok(Self { sink: Some(sink), batch: Vec::new(), batched: 0, limit })
    }

    /// Takes the next bytes of the body. After an error nothing more can be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.batched += bytes.len();
        self.batch.push(bytes);
        // The count of pieces too: a body in one-byte chunks costs more to hold than to write.
        if self.batched >= BATCH || self.batch.len() >= 1024 { self.flush().await } else { Ok(()) }
    }

    /// Ends the body and hands over what came in.
    pub async fn finish(mut self) -> Result<StagedArchive, FilesError> {
        self.flush().await?;
        let sink = self.sink.take().ok_or(FilesError::Interrupted)?;
        Ok(StagedArchive { file: sink.file, len: sink.written })
    }

    /// Ends the body of a file that was begun by [`super::Files::receive_file`].
    pub async fn finish_file(mut self) -> Result<StagedFile, FilesError> {
        self.flush().await?;
        let sink = self.sink.take().ok_or(FilesError::Interrupted)?;
        let stage = sink.stage.ok_or(FilesError::Interrupted)?;
        Ok(StagedFile { file: sink.file, len: sink.written, stage })
    }

    async fn flush(&mut self) -> Result<(), FilesError> {
        let mut sink = self.sink.take().ok_or(FilesError::Interrupted)?;
        let batch = std::mem::take(&mut self.batch);
        self.batched = 0;
        let limit = self.limit;
        let sink = blocking(move || sink.write(&batch, limit).map(|()| sink)).await?;
        self.sink = Some(sink);
        Ok(())
    }
}

impl Drop for Receiving {
    /// Closing a large file without a name frees its blocks, which is no work for an async thread.
    fn drop(&mut self) {
        if let (Some(sink), Ok(runtime)) = (self.sink.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(sink));
        }
    }
}

impl Sink {
    fn write(&mut self, batch: &[Bytes], limit: u64) -> Result<(), FilesError> {
        for bytes in batch {
            self.written += bytes.len() as u64;
            if self.written > limit {
                return Err(FilesError::BodyTooLarge { limit });
            }
            self.file.write_all(bytes).map_err(|error| FilesError::io("write the upload", error))?;
        }
        if self.written - self.looked_at >= LOOK_EVERY {
            self.looked_at = self.written;
            self.staging.need_room(0)?;
        }
        Ok(())
    }
}
