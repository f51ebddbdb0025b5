//! A log on its way to the disk.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::{Segment, blocking, make, may_be_missing, segments};
use crate::engine::logs::{Message, frame};

/// How much is written at once: each write is a task of its own.
const BUFFER: usize = 128 * 1024;

/// A copy that is being made. Nothing is on the disk before the first message.
pub struct Copy {
    folder: PathBuf,
    segment: Segment,
    file: Option<BufWriter<File>>,
    written: u64,
    /// The most bytes of a file, and of all files of the container.
    limits: (u64, u64),
}

impl Copy {
    pub(super) fn new(folder: PathBuf, engine_id: &str, segment: u64, all: u64) -> Self {
        let began = u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
        let segment_name = Segment { began, number: 0, engine_id: engine_id.to_owned() };
        Self { folder, segment: segment_name, file: None, written: 0, limits: (segment, all) }
    }

    /// Adds messages.
    pub async fn write(&mut self, messages: &[Message]) -> io::Result<()> {
        let mut frames = Vec::new();
        for message in messages {
            let before = frames.len();
            frame(message, &mut frames);
            if self.written + frames.len() as u64 > self.limits.0 {
                let next = frames.split_off(before);
                self.append(&frames).await?;
                self.finish().await?;
                frames = next;
            }
        }
        self.append(&frames).await
    }

    async fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if frames.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(BufWriter::with_capacity(BUFFER, self.begin().await?));
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(frames).await?;
        self.written += frames.len() as u64;
        Ok(())
    }

    /// Opens the next file, for the daemon alone.
    async fn begin(&mut self) -> io::Result<File> {
        let folder = self.folder.clone();
        blocking(move || make(&folder)).await?;
        self.segment.number += 1;
        let path = self.folder.join(self.segment.name());
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await
    }

    /// Ends the file, on the disk, and lets the oldest files go that are too many.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.written = 0;
        let Some(mut file) = self.file.take() else { return Ok(()) };
        file.flush().await?;
        file.get_ref().sync_all().await?;
        let (folder, most) = (self.folder.clone(), self.limits.1);
        blocking(move || {
            prune(&folder, most)?;
            // The file's name, and the folder's own.
            [Some(folder.as_path()), folder.parent()].into_iter().flatten().try_for_each(sync)
        })
        .await
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

fn prune(folder: &Path, most: u64) -> io::Result<()> {
    let all = segments(folder)?;
    let mut sum: u64 = all.iter().map(|(_, length)| length).sum();
    for (segment, length) in all {
        if sum <= most {
            break;
        }
        std::fs::remove_file(folder.join(segment.name())).or_else(may_be_missing)?;
        sum -= length;
    }
    Ok(())
}
