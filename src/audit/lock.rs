//! One writer at a time among processes: whoever writes the log or cuts it back holds a lock.

use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// How long to wait before the lock is tried again.
const PAUSE: Duration = Duration::from_millis(1);

/// The lock of a file, until it is dropped.
pub(super) struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // The lock ends with the file at the latest.
        let _ = self.0.unlock();
    }
}

/// Takes the lock of a file; none where another process holds it for longer than `patience`.
pub(super) fn hold(file: &File, patience: Duration) -> io::Result<Option<Held<'_>>> {
    let end = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Held(file))),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
}
