//! A file of a mount, open for a download.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat, fstat};
use rustix::io::pread;

use super::error::FilesError;
use super::mount::{Mount, kind_name, kind_of, reopen};
use super::path::MountPath;
use super::task::blocking;

/// How many bytes are read at once.
const CHUNK: u64 = 64 << 10;

/// A regular file, held open: what happens to its name does not matter any more.
#[derive(Debug)]
pub struct OpenFile {
    /// Its length in bytes when it was opened.
    pub len: u64,
    /// When it was last written to.
    pub modified: SystemTime,
    /// A strong validator with its quotes: inode, length, and both times to the nanosecond. The change
    /// time is set by the kernel, so a program that sets the other back does not keep the validator.
    pub etag: String,
    file: Arc<OwnedFd>,
    shown: String,
}

impl OpenFile {
    pub(super) fn open(mount: &Mount, path: &MountPath) -> Result<Self, FilesError> {
        let (handle, seen) = mount.open_handle(path)?;
        match kind_of(&seen) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(FilesError::IsDirectory { path: path.shown() }),
            kind => return Err(FilesError::NotARegularFile { path: path.shown(), kind: kind_name(kind) }),
        }
        let file = reopen(&handle).map_err(FilesError::on("open the file"))?;
        let stat = fstat(&file).map_err(FilesError::on("look at the file"))?;
        Ok(Self {
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified: time_of(stat.st_mtime, stat.st_mtime_nsec),
            etag: etag_of(&stat),
            file: Arc::new(file),
            shown: path.shown(),
        })
    }

    /// The bytes from `start` on, `len` of them. A file that became shorter ends in an error, never in
    /// a clean end; of one that grew, no more than `len` is sent.
    pub fn read_range(
        &self,
        start: u64,
        len: u64,
    ) -> impl Stream<Item = Result<Bytes, FilesError>> + Send + use<> {
        let file = Arc::clone(&self.file);
        let shown = self.shown.clone();
        unfold(Some((start, len)), move |state| {
            let file = Arc::clone(&file);
            let shown = shown.clone();
            async move {
                let (at, left) = state.filter(|(_, left)| *left > 0)?;
                match blocking(move || read_chunk(&file, at, left.min(CHUNK), shown)).await {
                    Ok(bytes) => {
                        let read = bytes.len() as u64;
                        Some((Ok(bytes), Some((at + read, left - read))))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
        })
    }
}

/// Reads at least one byte and at most `len`.
fn read_chunk(file: &OwnedFd, at: u64, len: u64, shown: String) -> Result<Bytes, FilesError> {
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = rustix::io::retry_on_intr(|| pread(file, &mut buffer[..], at))
        .map_err(FilesError::on("read the file"))?;
    if read == 0 {
        return Err(FilesError::Changed { path: shown });
    }
    buffer.truncate(read);
    Ok(buffer.into())
}

/// A time of the file system; nanoseconds count up from the second also before 1970.
pub(super) fn time_of(seconds: i64, nanoseconds: u64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    base.and_then(|base| base.checked_add(Duration::from_nanos(nanoseconds)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The validator of a file: see [`OpenFile::etag`].
pub(super) fn etag_of(stat: &Stat) -> String {
    format!(
        "\"{:x}-{:x}-{:x}.{:x}-{:x}.{:x}\"",
        stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec
    )
}
