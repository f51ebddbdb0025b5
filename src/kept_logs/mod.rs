//! `logs/containers/<cuid>/`: what earlier incarnations of a container printed, before it was made anew.
#![expect(clippy::disallowed_methods, reason = "the room of the kept logs")]

mod copy;
mod podman;
mod read;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use self::copy::Copy;
pub use self::podman::PodmansLog;
pub use self::read::KeptReader;
use crate::container::Cuid;

/// The largest file of a log; an old one goes as a whole.
const SEGMENT: u64 = 10 * 1024 * 1024;
/// How many files make a log at least, so that the oldest can go.
const SEGMENTS: u64 = 3;
/// How a file's name ends.
const ENDING: &str = ".log";

/// The kept logs of all containers.
#[derive(Clone, Debug)]
pub struct KeptLogs {
    folder: PathBuf,
    /// The most bytes of one container.
    max_bytes: u64,
}

/// What one incarnation of a container printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// The engine's id of it.
    pub engine_id: String,
    /// Its files, in order.
    segments: Vec<PathBuf>,
}

impl Incarnation {
    /// Reads it from the beginning.
    #[must_use]
    pub fn read(&self) -> KeptReader {
        KeptReader::new(self.segments.clone())
    }
}

/// A file: `<when its copy began>-<number>-<engine's id>.log`, so that names sort as the output came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    began: u64,
    number: u32,
    engine_id: String,
}

impl Segment {
    fn name(&self) -> String {
        format!("{:020}-{:06}-{}{ENDING}", self.began, self.number, self.engine_id)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(ENDING)?.splitn(3, '-');
        let (began, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let engine_id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        Some(Self { began, number, engine_id })
    }
}

impl KeptLogs {
    /// Opens the folder of the kept logs; it is made when it is missing. 0 bytes: nothing is kept.
    pub fn open(folder: PathBuf, max_bytes: u64) -> io::Result<Self> {
        make(&folder)?;
        Ok(Self { folder, max_bytes })
    }

    /// Whether anything is kept at all.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.max_bytes > 0
    }

    /// The earlier incarnations of a container, the oldest first.
    pub async fn incarnations(&self, cuid: Cuid) -> io::Result<Vec<Incarnation>> {
        let folder = self.of(cuid);
        blocking(move || {
            let mut found: BTreeMap<(u64, String), Vec<PathBuf>> = BTreeMap::new();
            for (segment, _) in segments(&folder)? {
                let path = folder.join(segment.name());
                found.entry((segment.began, segment.engine_id)).or_default().push(path);
            }
            let found = found.into_iter();
            Ok(found.map(|((_, engine_id), segments)| Incarnation { engine_id, segments }).collect())
        })
        .await
    }

    /// Begins a copy. What an earlier one of the same incarnation left, which a crash cut short, goes.
    pub async fn copy(&self, cuid: Cuid, engine_id: &str) -> io::Result<Copy> {
        self.forget(cuid, engine_id).await?;
        let segment = (self.max_bytes / SEGMENTS).clamp(1, SEGMENT);
        Ok(Copy::new(self.of(cuid), engine_id, segment, self.max_bytes))
    }

    /// Removes what is kept of one incarnation.
    pub async fn forget(&self, cuid: Cuid, engine_id: &str) -> io::Result<()> {
        let (folder, engine_id) = (self.of(cuid), engine_id.to_owned());
        blocking(move || {
            let all = segments(&folder)?.into_iter();
            for (segment, _) in all.filter(|(segment, _)| segment.engine_id == engine_id) {
                fs::remove_file(folder.join(segment.name())).or_else(may_be_missing)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes all that is kept of a container.
    pub async fn remove(&self, cuid: Cuid) -> io::Result<()> {
        let folder = self.of(cuid);
        blocking(move || fs::remove_dir_all(folder).or_else(may_be_missing)).await
    }

    /// The containers of which something is kept.
    pub async fn cuids(&self) -> io::Result<Vec<Cuid>> {
        let folder = self.folder.clone();
        blocking(move || {
            let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            Ok(names.filter_map(|name| name.parse().ok()).collect())
        })
        .await
    }

    fn of(&self, cuid: Cuid) -> PathBuf {
        self.folder.join(cuid.to_string())
    }
}

/// The files of a container with their lengths, in order; what has another name is none.
fn segments(folder: &Path) -> io::Result<Vec<(Segment, u64)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let segment = entry.file_name().to_str().and_then(Segment::parse);
        if let (Some(segment), Ok(metadata)) = (segment, entry.metadata()) {
            found.push((segment, metadata.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a folder for the daemon alone.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn may_be_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::engine::StdStream;
    use crate::engine::logs::Message;

    fn line(number: i64) -> Message {
        let bytes = Bytes::from(format!("line {number:06}\n"));
        Message { stream: StdStream::Out, at: Timestamp::new(number, 0).unwrap(), bytes }
    }

    async fn all(logs: &KeptLogs, cuid: Cuid) -> Vec<Message> {
        let mut messages = Vec::new();
        for incarnation in logs.incarnations(cuid).await.unwrap() {
            let mut reader = incarnation.read();
            while let Some(more) = reader.next().await {
                messages.extend(more);
            }
        }
        messages
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn incarnations_come_back_in_order_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, cuid) = (KeptLogs::open(folder.path().join("c"), 1 << 20).unwrap(), Cuid::new());
        for (id, range) in [("ff", 0..50), ("aa", 50..90)] {
            let mut copy = logs.copy(cuid, id).await.unwrap();
            for number in range {
                copy.write(&[line(number)]).await.unwrap();
            }
            copy.finish().await.unwrap();
        }
        assert_eq!(all(&logs, cuid).await, (0..90).map(line).collect::<Vec<_>>());
        let own = folder.path().join("c").join(cuid.to_string());
        let file = fs::read_dir(&own).unwrap().next().unwrap().unwrap().path();
        assert_eq!((mode(&folder.path().join("c")), mode(&own), mode(&file)), (0o700, 0o700, 0o600));
        logs.forget(cuid, "ff").await.unwrap();
        assert_eq!(all(&logs, cuid).await.len(), 40);
        logs.remove(cuid).await.unwrap();
        assert!(!own.exists() && logs.cuids().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_newest_are_kept_within_the_limit_and_a_torn_end_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, cuid) = (KeptLogs::open(folder.path().join("c"), 9000).unwrap(), Cuid::new());
        let mut copy = logs.copy(cuid, "id").await.unwrap();
        for number in 0..1000 {
            copy.write(&[line(number)]).await.unwrap();
        }
        copy.finish().await.unwrap();
        let own = folder.path().join("c").join(cuid.to_string());
        let lengths: u64 = segments(&own).unwrap().iter().map(|(_, length)| length).sum();
        assert!((5000..=9000).contains(&lengths), "{lengths}");
        let kept = all(&logs, cuid).await;
        let first = 1000 - i64::try_from(kept.len()).unwrap();
        assert_eq!(kept, (first..1000).map(line).collect::<Vec<_>>(), "the newest, without a gap");
        let last = own.join(segments(&own).unwrap().pop().unwrap().0.name());
        let bytes = fs::read(&last).unwrap();
        fs::write(&last, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(all(&logs, cuid).await, kept[..kept.len() - 1]);
    }

    #[tokio::test]
    async fn a_second_copy_of_one_incarnation_takes_the_place_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, cuid) = (KeptLogs::open(folder.path().join("c"), 1 << 20).unwrap(), Cuid::new());
        for count in [3, 5] {
            let mut copy = logs.copy(cuid, "id").await.unwrap();
            copy.write(&(0..count).map(line).collect::<Vec<_>>()).await.unwrap();
            copy.finish().await.unwrap();
        }
        assert_eq!(all(&logs, cuid).await.len(), 5);
    }

    #[tokio::test]
    async fn what_printed_nothing_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, cuid) = (KeptLogs::open(folder.path().join("c"), 1 << 20).unwrap(), Cuid::new());
        logs.copy(cuid, "id").await.unwrap().finish().await.unwrap();
        assert!(logs.cuids().await.unwrap().is_empty());
    }
}
