//! Single moves between staging and the mount, each one rename on names without a `/`.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RenameFlags, fsync, renameat_with, statat};
use rustix::io::Errno;

use super::super::error::{FilesError, shown};
use super::super::mount::{kind_of, read_folder};
use super::super::path::MountPath;
use super::{Pair, Placing};

/// How often a move is tried again when the container makes or removes the same name meanwhile.
const ATTEMPTS: usize = 32;
/// How often a folder is read again until it is empty.
const PASSES: usize = 64;

/// A move that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    /// The node that was moved.
    pub(super) child: usize,
    /// None when the name was free; else whether what came out was a folder, which it must not be.
    pub(super) exchanged: Option<bool>,
}

/// What came of a move.
pub(super) enum Outcome {
    /// It was made.
    Moved(Move),
    /// Both sides have this folder: its children have to be moved one by one.
    Exists,
}

/// Moves one child of a folder into the mount.
pub(super) fn move_child(placing: &Placing<'_>, pair: &Pair, child: usize) -> Result<Outcome, FilesError> {
    let name = &*placing.plan.node(child).name;
    for _ in 0..ATTEMPTS {
        let (flags, exchanged) = match statat(&pair.mount, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if placing.check_one(child, kind_of(&found))? => return Ok(Outcome::Exists),
            Ok(_) => (RenameFlags::EXCHANGE, true),
            Err(Errno::NOENT) => (RenameFlags::NOREPLACE, false),
            Err(errno) => return Err(FilesError::io("look at the mount", errno)),
        };
        match renameat_with(&pair.tree, name, &pair.mount, name, flags) {
            Ok(()) => {
                let exchanged = exchanged.then(|| is_folder(&pair.tree, name));
                return Ok(Outcome::Moved(Move { child, exchanged }));
            }
            Err(Errno::NOENT | Errno::EXIST) => {}
            Err(errno) => return Err(FilesError::io("move a file into place", errno)),
        }
    }
    Err(FilesError::Changed { path: placing.plan.shown(child) })
}

fn is_folder(folder: &OwnedFd, name: &[u8]) -> bool {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| kind_of(&stat) == FileType::Directory)
}

/// Takes one move back. What the container removed meanwhile is as good as taken back.
pub(super) fn take_back(placing: &Placing<'_>, pair: &Pair, step: Move) -> Result<(), FilesError> {
    let name = &*placing.plan.node(step.child).name;
    let moved = match step.exchanged {
        None => renameat_with(&pair.mount, name, &pair.tree, name, RenameFlags::NOREPLACE),
        Some(_) => match renameat_with(&pair.tree, name, &pair.mount, name, RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => renameat_with(&pair.tree, name, &pair.mount, name, RenameFlags::NOREPLACE),
            done => done,
        },
    };
    match moved {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(FilesError::io("take a move back", errno)),
    }
}

/// Moves all that a folder holds into another one. A name that is taken there is an error.
pub(super) fn move_all(from: &OwnedFd, to: &OwnedFd, path: &MountPath) -> Result<(), FilesError> {
    for _ in 0..PASSES {
        if !move_seen(from, to, path)? {
            let both = fsync(from).and_then(|()| fsync(to));
            return both.map_err(FilesError::on("write a folder to the disk"));
        }
    }
    // The container makes files faster than they can be moved out.
    Err(FilesError::Changed { path: path.shown() })
}

/// Moves what one reading of the folder shows; says whether that was anything.
fn move_seen(from: &OwnedFd, to: &OwnedFd, path: &MountPath) -> Result<bool, FilesError> {
    let mut any = false;
    for entry in read_folder(from).map_err(FilesError::on("read the folder"))? {
        let entry = entry.map_err(FilesError::on("read the folder"))?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        any = true;
        match renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::EXIST) => {
                let name = format!("{}/{}", path.as_str(), shown(name.to_bytes()));
                return Err(FilesError::Changed { path: name });
            }
            Err(errno) => return Err(FilesError::io("move a file", errno)),
        }
    }
    Ok(any)
}
