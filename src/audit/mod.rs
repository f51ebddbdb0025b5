//! `logs/actions.jsonl`: one JSON object a line, written by the daemon, and by commands on the host beside it.
#![expect(clippy::disallowed_methods, reason = "the room of the audit log")]

mod action;
mod aside;
mod backward;
mod file;
mod line;
mod lock;
mod page;
mod search;
mod unfinished;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

pub use self::action::{Action, Phase, new_id, now};
use self::file::{Current, LogFile};
pub use self::page::{Found, Place};
pub use self::search::{Line, Search};

/// The file's name in the folder of logs. Exactly this one, always.
pub const FILE: &str = "actions.jsonl";

/// The status of an answer that goes on as something else: what it opened ends with a line of its own.
const SWITCHING_PROTOCOLS: u16 = 101;

/// When a file of the log is full, and how many full ones are kept.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The most bytes of the file; none: it is never full.
    pub max_bytes: Option<u64>,
    /// How many full files are kept, at least 1.
    pub keep: usize,
}

/// The audit log. A line is in the file before [`Audit::write`] returns, and on the disk before [`Audit::intend`] does.
pub struct Audit {
    folder: PathBuf,
    log: Mutex<Log>,
    is_failing: AtomicBool,
}

/// What one writer at a time has.
struct Log {
    file: LogFile,
    /// The ids of intents that no outcome has followed yet, and of what is open.
    unfinished: HashSet<String>,
}

impl Log {
    fn append(&mut self, action: &Action) -> io::Result<Arc<Current>> {
        let current = self.file.append(&line::render(action)?)?;
        match action.phase {
            Phase::Intent => {
                self.unfinished.insert(action.id.clone());
            }
            Phase::Outcome if action.status == Some(SWITCHING_PROTOCOLS) && !action.closes() => {}
            Phase::Outcome | Phase::Interrupted => {
                self.unfinished.remove(&action.id);
            }
        }
        Ok(current)
    }
}

impl Audit {
    /// Opens the log, cuts off a last line that a crash left unfinished, and ends a rotation that it cut short.
    pub fn open(folder: &Path, rotation: Rotation) -> io::Result<Self> {
        let log = Log { file: LogFile::open(folder, rotation)?, unfinished: HashSet::new() };
        Ok(Self { folder: folder.to_owned(), log: Mutex::new(log), is_failing: AtomicBool::new(false) })
    }

    /// Writes one action. A full disk does not stop the daemon: the log is then [failing](Self::is_failing).
    pub fn write(&self, action: &Action) {
        let written = self.lock().append(action).map(drop);
        self.tell(written);
    }

    /// Writes that a change is about to begin; it is on the disk when this returns. It waits for the disk: not for a
    /// thread that others need.
    pub fn intend(&self, intent: &Action) {
        // Others write while this one waits for the disk.
        let written = self.lock().append(intent);
        self.tell(written.and_then(|current| current.sync()));
    }

    /// Writes what became of the changes that an earlier daemon left without an outcome, then that this one starts;
    /// says how many there were. What is written before that line is never looked at again.
    pub fn begin(&self, more: Map<String, Value>) -> usize {
        let done = self.interrupt().and_then(|count| {
            let mut log = self.lock();
            // Only when all of them are on the disk does the next start look no further back than to its line.
            if count > 0 {
                log.file.current().sync()?;
            }
            log.append(&Action::of_daemon("daemon.start", more))?.sync()?;
            Ok(count)
        });
        let count = *done.as_ref().unwrap_or(&0);
        self.tell(done.map(drop));
        count
    }

    fn interrupt(&self) -> io::Result<usize> {
        let left = unfinished::find(&aside::files(&self.folder)?)?;
        let (mut log, count) = (self.lock(), left.len());
        for intent in left {
            log.file.append(&line::render(&unfinished::interrupted(intent))?)?;
        }
        Ok(count)
    }

    /// Writes that the daemon ends in order; all lines are on the disk when this returns.
    pub fn end(&self) {
        let written = {
            let mut log = self.lock();
            let open = Map::from_iter([(unfinished::OPEN.to_owned(), log.unfinished.len().into())]);
            log.append(&Action::of_daemon("daemon.stop", open))
        };
        self.tell(written.and_then(|current| current.sync()));
    }

    /// The newest lines that a search asks for, as one page; `sees` says whether the caller may see lines of this
    /// container, or of none. It reads: not for a thread that others need.
    pub fn page(&self, search: &Search, sees: &dyn Fn(Option<&str>) -> bool) -> io::Result<Found> {
        // No file changes its name while they are listed.
        let files = {
            let _log = self.lock();
            aside::files(&self.folder)?
        };
        page::read(&files, search, sees)
    }

    /// Whether the last line could not be written.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, written: io::Result<()>) {
        let was_failing = self.is_failing.swap(written.is_err(), Ordering::Relaxed);
        if let Err(error) = written
            && !was_failing
        {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }
}

/// Writes one action of a command on the host: whole, whether a daemon has the log open or not. It leaves it to the
/// daemon to put a full file aside.
pub fn append(folder: &Path, action: &Action) -> io::Result<()> {
    file::append_beside(folder, &line::render(action)?)
}

#[cfg(test)]
mod tests;
