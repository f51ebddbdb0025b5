//! What staging could not be freed of at once, since a container goes on adding to it: removed in a thread of its own.
//!
//! Whoever holds a folder open can add to it wherever it is moved, so its removal may have no end. That must hold up
//! neither a request nor a start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::{Errno, Result};

use super::clear::clear_folder;
use super::mount::{FOLDER, open_beneath};

/// How long one of them may take before it is the next one's turn.
const TURN: Duration = Duration::from_secs(5);
/// The shortest and the longest rest between two tries: what never ends takes a quarter of one processor at most.
const RESTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// The names in staging that are still to be removed. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers {
    names: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Leftovers {
    /// Removes these from `staging`, however long that takes; the caller does not wait.
    pub(super) fn take_over(&self, staging: &Arc<OwnedFd>, more: Vec<Vec<u8>>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = names.is_empty() && !more.is_empty();
        names.extend(more);
        if !is_idle {
            return;
        }
        let (leftovers, staging) = (self.clone(), Arc::clone(staging));
        let thread = std::thread::Builder::new().name("leftovers".to_owned());
        if let Err(error) = thread.spawn(move || leftovers.remove_all(&staging)) {
            tracing::warn!(%error, "something stays in staging: the next start removes it");
            names.clear();
        }
    }

    fn remove_all(&self, staging: &OwnedFd) {
        let mut rest = RESTS.0;
        loop {
            let tried = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let gone: Vec<_> = tried.into_iter().filter(|name| remove(staging, name, TURN).is_ok()).collect();
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|name| !gone.contains(name));
            if names.is_empty() {
                return;
            }
            drop(names);
            std::thread::sleep(rest);
            rest = (rest * 2).min(RESTS.1);
        }
    }
}

/// Removes what has this name in staging; `TIMEDOUT` when it takes longer than `patience`.
pub(super) fn remove(staging: &OwnedFd, name: &[u8], patience: Duration) -> Result<()> {
    match open_beneath(staging, name, FOLDER) {
        Ok(folder) => clear_folder(&folder, patience)?,
        Err(Errno::NOENT) => return Ok(()),
        Err(_) => return unlinkat(staging, name, AtFlags::empty()),
    }
    unlinkat(staging, name, AtFlags::REMOVEDIR)
}
