//! Something under another path of the same mount, by one rename between two folders that are held open.

use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::super::error::FilesError;
use super::super::mount::{Mount, kind_name, kind_of};
use super::super::path::MountPath;
use super::spot::{Spot, is_same};

/// How something is moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moving {
    /// It takes the place of a file, a link or an empty folder.
    pub overwrite: bool,
}

/// Gives what is at `from` the path `to`.
pub(super) fn relocate(
    mount: &Mount,
    from: &MountPath,
    to: &MountPath,
    moving: Moving,
) -> Result<(), FilesError> {
    let refuse = |why| FilesError::PathNotAllowed { path: to.shown(), why };
    let source = Spot::open(mount, from).map_err(|error| missing(error, from))?;
    let seen = source.look()?.ok_or_else(|| FilesError::FileNotFound { path: from.shown() })?;
    if to == from {
        return Err(refuse("it is the path that is to be moved"));
    }
    if to.is_within(from) && kind_of(&seen) == FileType::Directory {
        return Err(refuse("it lies in the folder that is to be moved"));
    }
    let target = Spot::open(mount, to)?;
    let flags = if moving.overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    match renameat_with(&source.folder, source.name, &target.folder, target.name, flags) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Err(FilesError::FileNotFound { path: from.shown() }),
        Err(Errno::EXIST) if !moving.overwrite => return Err(FilesError::FileExists { path: to.shown() }),
        Err(Errno::EXIST | Errno::NOTEMPTY) => return Err(FilesError::FolderNotEmpty { path: to.shown() }),
        Err(Errno::INVAL) => return Err(refuse("it lies in the folder that is to be moved")),
        Err(Errno::ISDIR | Errno::NOTDIR) => return Err(conflict(&seen, &target, to)),
        Err(errno) => return Err(target.failed("move the file", errno)),
    }
    end_of_two_names(&source, &target, &seen)?;
    target.sync()?;
    source.sync()
}

/// Nothing is to be made for what does not exist.
fn missing(error: FilesError, from: &MountPath) -> FilesError {
    match error {
        FilesError::NoParent { .. } => FilesError::FileNotFound { path: from.shown() },
        other => other,
    }
}

fn conflict(seen: &Stat, target: &Spot<'_>, to: &MountPath) -> FilesError {
    match target.look() {
        Ok(Some(found)) => FilesError::KindConflict {
            path: to.shown(),
            found: kind_name(kind_of(&found)),
            given: kind_name(kind_of(seen)),
        },
        _ => FilesError::Changed { path: to.shown() },
    }
}

/// A rename between two names of one file does nothing and succeeds (POSIX): the old name has to go.
fn end_of_two_names(source: &Spot<'_>, target: &Spot<'_>, seen: &Stat) -> Result<(), FilesError> {
    let (old, new) = (source.look()?, target.look()?);
    let is_of = |stat: Option<Stat>| stat.is_some_and(|stat| is_same(seen, &stat));
    if kind_of(seen) == FileType::Directory || !is_of(old) || !is_of(new) {
        return Ok(());
    }
    match unlinkat(&source.folder, source.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(source.failed("move the file", errno)),
    }
}
