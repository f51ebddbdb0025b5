//! The current file of the audit log: a full one is put aside, and one that was taken away is opened anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing_appender::rolling::{RollingFileAppender, Rotation as Schedule};

use super::aside::{self, Identity, identity};
use super::lock;
use super::{FILE, Rotation};

/// How long the daemon waits for another process that writes. It writes a line in much less, and one that was stopped
/// meanwhile must not hold up the daemon.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a command waits.
const PATIENCE_OF_A_COMMAND: Duration = Duration::from_secs(5);
const LOCK: &str = ".lock";
/// How often a command opens the file anew because it was put aside meanwhile.
const TRIES: u32 = 10;

/// The writer of the log.
pub(super) struct LogFile {
    folder: PathBuf,
    path: PathBuf,
    rotation: Rotation,
    /// Writes to the current file.
    appender: RollingFileAppender,
    /// The same file, to be measured, cut and synced.
    current: Arc<Current>,
    /// The file whose lock a writer holds.
    lock: Arc<File>,
    /// Another process held the lock for too long: it is not waited for again.
    is_held_up: bool,
    /// The full file could not be put aside; said once.
    is_stuck: bool,
}

/// A file that is, or was a moment ago, the current one.
pub(super) struct Current {
    file: File,
    identity: Identity,
    folder: PathBuf,
    /// The folder is on the disk with this file's name in it.
    is_named: AtomicBool,
}

impl Current {
    fn open(folder: &Path, path: &Path, lock: &File) -> io::Result<Arc<Self>> {
        fs::create_dir_all(folder)?;
        let held = lock::hold(lock, PATIENCE)?;
        if held.is_some() {
            aside::finish(folder)?;
        }
        let file = open_shared(path)?;
        cut_unfinished_line(&file)?;
        Self::of(folder, file)
    }

    fn of(folder: &Path, file: File) -> io::Result<Arc<Self>> {
        let identity = identity(&file.metadata()?);
        Ok(Arc::new(Self { file, identity, folder: folder.to_owned(), is_named: AtomicBool::new(false) }))
    }

    /// Waits until its lines are on the disk, and a way to them.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.is_named.load(Ordering::Acquire) {
            File::open(&self.folder)?.sync_all()?;
            self.is_named.store(true, Ordering::Release);
        }
        Ok(())
    }
}

impl LogFile {
    /// Opens the current file, and cuts off a last line that a crash left unfinished.
    pub(super) fn open(folder: &Path, rotation: Rotation) -> io::Result<Self> {
        let path = folder.join(FILE);
        let lock = Arc::new(open_lock(folder)?);
        let current = Current::open(folder, &path, &lock)?;
        let appender = open_appender(folder)?;
        let folder = folder.to_owned();
        Ok(Self { folder, path, rotation, appender, current, lock, is_held_up: false, is_stuck: false })
    }

    /// The file that lines are written to at the moment.
    pub(super) fn current(&self) -> &Current {
        &self.current
    }

    /// Hands the whole line to the kernel in one write; takes a short write back. Says which file it is in.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<Arc<Current>> {
        if self.is_taken_away()? {
            self.current = Current::open(&self.folder, &self.path, &self.lock)?;
            self.appender = open_appender(&self.folder)?;
        }
        let patience = if self.is_held_up { Duration::ZERO } else { PATIENCE };
        let lock = Arc::clone(&self.lock);
        let held = lock::hold(&lock, patience)?;
        self.is_held_up = held.is_none();
        if self.is_full(self.current.file.metadata()?.len(), line.len() as u64) {
            self.rotate()?;
        }
        write_whole(&mut self.appender, &self.current.file, line)?;
        Ok(Arc::clone(&self.current))
    }

    /// Whether the current file is another one, or gone: it was moved away or removed from outside.
    fn is_taken_away(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(identity(&found) != self.current.identity),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether a line does not fit any more. One that is longer than the limit has a file to itself.
    fn is_full(&self, length: u64, line: u64) -> bool {
        length > 0 && self.rotation.max_bytes.is_some_and(|most| length + line > most)
    }

    /// Puts the full file aside and goes on with an empty one. What cannot be put aside goes on growing: no line is
    /// lost for it.
    fn rotate(&mut self) -> io::Result<()> {
        let aside = aside::put_aside(&self.folder, self.rotation.keep);
        let was_stuck = std::mem::replace(&mut self.is_stuck, aside.is_err());
        match aside {
            Ok(()) => {
                let next = Current::of(&self.folder, open_shared(&self.path)?)?;
                self.appender = open_appender(&self.folder)?;
                sync_aside(std::mem::replace(&mut self.current, next));
            }
            Err(error) if !was_stuck => {
                tracing::warn!(%error, "the full audit log cannot be put aside and goes on growing");
            }
            Err(_) => {}
        }
        Ok(())
    }
}

/// Brings a file that was put aside to the disk, beside those who write: it may be much.
fn sync_aside(aside: Arc<Current>) {
    let sync = move || {
        if let Err(error) = aside.sync() {
            tracing::warn!(%error, "a full audit log could not be synced");
        }
    };
    // Where no thread is to be had the kernel does it in its own time.
    let _ = std::thread::Builder::new().name("audit-sync".to_owned()).spawn(sync);
}

/// The lock is a file of its own, closed to others: who may read the log must not be able to hold it.
fn open_lock(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))
}

/// Opens the current file for writing. It is put aside by its size here, never by the clock.
fn open_appender(folder: &Path) -> io::Result<RollingFileAppender> {
    let appender = RollingFileAppender::builder().rotation(Schedule::NEVER).filename_prefix(FILE);
    appender.build(folder).map_err(io::Error::other)
}

fn open_shared(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

/// Appends a line beside a daemon that may write, cut or put aside the file at the same time.
pub(super) fn append_beside(folder: &Path, line: &[u8]) -> io::Result<()> {
    let path = folder.join(FILE);
    fs::create_dir_all(folder)?;
    let lock = open_lock(folder)?;
    let Some(_held) = lock::hold(&lock, PATIENCE_OF_A_COMMAND)? else {
        return Err(io::Error::other("another process holds the audit log"));
    };
    for _ in 0..TRIES {
        let file = open_shared(&path)?;
        let opened = identity(&file.metadata()?);
        if fs::metadata(&path).is_ok_and(|found| identity(&found) == opened) {
            cut_unfinished_line(&file)?;
            return write_whole(&mut &file, &file, line);
        }
    }
    Err(io::Error::other("the audit log is put aside again and again"))
}

/// Hands the line to the kernel in one write; takes a short one back.
fn write_whole(to: &mut impl Write, file: &File, line: &[u8]) -> io::Result<()> {
    let written = to.write(line)?;
    if written == line.len() {
        return Ok(());
    }
    file.set_len(file.metadata()?.len().saturating_sub(written as u64))?;
    Err(io::ErrorKind::StorageFull.into())
}

/// Cuts the file back to the end of its last whole line.
fn cut_unfinished_line(mut file: &File) -> io::Result<()> {
    const STEP: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        if let Some(newline) = bytes.iter().rposition(|byte| *byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}
