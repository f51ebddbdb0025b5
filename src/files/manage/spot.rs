//! A name in a folder of the mount that is held open.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, fsync, renameat_with, statat};
use rustix::io::Errno;
use uuid::Uuid;

use super::super::error::FilesError;
use super::super::mount::{Mount, kind_of, opening_failed};
use super::super::path::MountPath;

/// A name in a folder that is held open, whether or not something has that name.
pub(super) struct Spot<'a> {
    pub(super) folder: OwnedFd,
    pub(super) name: &'a str,
    path: &'a MountPath,
}

impl<'a> Spot<'a> {
    /// Opens the folder that `path` lies in. The root lies in none.
    pub(super) fn open(mount: &Mount, path: &'a MountPath) -> Result<Self, FilesError> {
        let Some((parent, name)) = path.split() else {
            return Err(FilesError::PathNotAllowed { path: path.shown(), why: "it is the mount's root" });
        };
        let folder = open_parent(mount, &parent)?;
        Ok(Self { folder, name, path })
    }

    /// What has the name; a link itself.
    pub(super) fn look(&self) -> Result<Option<Stat>, FilesError> {
        match statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at the file", errno)),
        }
    }

    /// Brings the folder to the disk.
    pub(super) fn sync(&self) -> Result<(), FilesError> {
        fsync(&self.folder).map_err(FilesError::on("write a folder to the disk"))
    }

    /// Puts a folder that came out by mistake beside its name, which the container has taken for something
    /// else meanwhile: what is in it must not be lost.
    pub(super) fn put_beside(&self, stage: &OwnedFd, name: &str) -> Result<(), FilesError> {
        let beside = format!(".put-back-{}", Uuid::new_v4().simple());
        tracing::warn!(folder = %beside, "a folder that a container moved meanwhile got another name");
        renameat_with(stage, name, &self.folder, beside.as_str(), RenameFlags::NOREPLACE)
            .map_err(FilesError::on("put a folder back"))
    }

    /// The container is faster.
    pub(super) fn changed(&self) -> FilesError {
        FilesError::Changed { path: self.path.shown() }
    }

    /// Why something could not be done to the name.
    pub(super) fn failed(&self, action: &'static str, errno: Errno) -> FilesError {
        match errno {
            Errno::BUSY | Errno::XDEV => FilesError::PathNotAllowed {
                path: self.path.shown(),
                why: "another file system is mounted there",
            },
            errno => FilesError::io(action, errno),
        }
    }
}

/// Opens a folder that something lies in, or should. Unlike for a folder that is itself asked for, a link
/// in its place means that the path leads through a link.
fn open_parent(mount: &Mount, parent: &MountPath) -> Result<OwnedFd, FilesError> {
    match mount.open_folder(parent) {
        Err(FilesError::FileNotFound { path }) => Err(FilesError::NoParent { path }),
        Err(FilesError::NotADirectory { path }) => match mount.open_handle(parent) {
            Ok((_, stat)) if kind_of(&stat) == FileType::Symlink => Err(opening_failed(parent, Errno::LOOP)),
            _ => Err(FilesError::NotADirectory { path }),
        },
        done => done,
    }
}

/// Whether what came out of a folder is what was looked at before.
pub(super) fn is_same(seen: &Stat, came: &Stat) -> bool {
    seen.st_dev == came.st_dev && seen.st_ino == came.st_ino && kind_of(seen) == kind_of(came)
}

/// Whether it was not written to in between either. The change time says nothing: the rename sets it.
pub(super) fn is_unchanged(seen: &Stat, came: &Stat) -> bool {
    is_same(seen, came)
        && seen.st_size == came.st_size
        && (seen.st_mtime, seen.st_mtime_nsec) == (came.st_mtime, came.st_mtime_nsec)
}
