//! Emptying a folder that hostile processes filled: no recursion, two descriptors, no long path.
//!
//! `remove_dir_all` recurses and holds a descriptor a level, which a tree nested ten thousand deep
//! exhausts. Here every inner folder is moved up to the top before it is emptied.

use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, RenameFlags, renameat_with, unlinkat};
use rustix::io::{Errno, Result};
use uuid::Uuid;

use super::mount::{FOLDER, open_beneath, read_folder};

/// How many passes without anything removed are made before giving up.
const IDLE_PASSES: usize = 8;

/// Removes all that is in `top`. Links are removed, never followed. What cannot be removed holds up nothing
/// beside it. `TIMEDOUT` when it takes longer than `patience`: a process that keeps adding files must not hold it
/// up for ever.
pub(super) fn clear_folder(top: &OwnedFd, patience: Duration) -> Result<()> {
    let end = Instant::now() + patience;
    let mut idle = 0;
    loop {
        let mut removed = false;
        let mut left = false;
        let mut failed = Errno::NOTEMPTY;
        for name in names_in(top)? {
            let gone = remove_one(top, &name, end).unwrap_or_else(|errno| {
                failed = errno;
                false
            });
            removed |= gone;
            left |= !gone;
            in_time(end)?;
        }
        idle = if removed { 0 } else { idle + 1 };
        if !left && names_in(top)?.is_empty() {
            return Ok(());
        }
        if idle > IDLE_PASSES {
            return Err(failed);
        }
    }
}

/// Removes `name` in `top` when that takes no more than one step down; says whether it is gone.
fn remove_one(top: &OwnedFd, name: &[u8], end: Instant) -> Result<bool> {
    if unlink(top, name)? {
        return Ok(true);
    }
    let folder = match open_beneath(top, name, FOLDER) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(true),
        Err(errno) => return Err(errno),
    };
    loop {
        let children = names_in(&folder)?;
        if children.is_empty() {
            return unlink(top, name);
        }
        for child in children {
            move_up(&folder, &child, top)?;
            in_time(end)?;
        }
    }
}

fn in_time(end: Instant) -> Result<()> {
    if Instant::now() < end { Ok(()) } else { Err(Errno::TIMEDOUT) }
}

/// Removes a child, or moves it up to `top` when it is a folder with something in it.
fn move_up(folder: &OwnedFd, child: &[u8], top: &OwnedFd) -> Result<()> {
    if unlink(folder, child)? {
        return Ok(());
    }
    let aside = Uuid::new_v4().simple().to_string();
    match renameat_with(folder, child, top, aside.as_str(), RenameFlags::NOREPLACE) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Removes a file or an empty folder; says whether it is gone. What a process exchanges meanwhile is not: in step
/// with this it would be a folder for the one call and a link for the other for ever, and has to be moved first.
fn unlink(folder: &OwnedFd, name: &[u8]) -> Result<bool> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    match unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Up to a few thousand names of a folder, so that memory does not grow with it.
pub(super) fn names_in(folder: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    const AT_ONCE: usize = 4096;
    let mut names = Vec::new();
    for entry in read_folder(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
        if names.len() == AT_ONCE {
            break;
        }
    }
    Ok(names)
}
