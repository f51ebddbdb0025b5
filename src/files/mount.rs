//! Every access under one mount, by `openat2` from a held descriptor of its root.
//!
//! The container's processes own everything in the mount and change it at any time, so no path is ever
//! looked at first and used afterwards: it is opened once, and all that follows is on the descriptor.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2};
use rustix::io::Errno;
use rustix::path::Arg;

use super::error::FilesError;
use super::path::MountPath;
use crate::container::Cuid;

/// How often an open is tried again when the kernel saw a rename beside it (`EAGAIN`).
const ATTEMPTS: usize = 128;
/// Opening a folder to read, change or sync it.
pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Opening a thing without touching it: no device wakes, no FIFO blocks, a link is not followed.
pub(super) const HANDLE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// No way out of the folder: not by `..`, links, `/proc` or other file systems.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens `path` beneath `folder` without following a link anywhere.
pub(super) fn open_beneath<P: Arg + Copy>(
    folder: impl AsFd,
    path: P,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    for _ in 0..ATTEMPTS {
        match openat2(folder.as_fd(), path, flags, Mode::empty(), RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens for reading what `handle` (made with [`HANDLE`]) holds, if it is a regular file.
///
/// Opening by name and looking afterwards would be too late: opening a device or a FIFO is already an
/// act. The way through `/proc/self/fd` cannot be swapped, since it leads to the file that is held.
pub(super) fn reopen(handle: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(format!("/proc/self/fd/{}", handle.as_raw_fd()), flags, Mode::empty())
}

/// Reads the folder behind a descriptor; `.` and `..` are among the entries.
pub(super) fn read_folder(folder: &OwnedFd) -> rustix::io::Result<Dir> {
    Dir::read_from(folder)
}

/// The kind of a thing.
pub(super) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// What messages call a thing of this kind.
pub(super) fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "of an unknown kind",
    }
}

/// One container's mount, by a descriptor of its root folder.
#[derive(Debug)]
pub(super) struct Mount {
    root: OwnedFd,
}

impl Mount {
    /// Opens the mount of a container in the folder of all mounts.
    pub(super) fn open(mounts: &OwnedFd, cuid: Cuid) -> Result<Self, FilesError> {
        match open_beneath(mounts, cuid.to_string().as_str(), FOLDER) {
            Ok(root) => Ok(Self { root }),
            Err(Errno::NOENT) => Err(FilesError::NoMount),
            Err(errno) => Err(FilesError::io("open the mount", errno)),
        }
    }

    /// The root folder.
    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens the folder at `path`.
    pub(super) fn open_folder(&self, path: &MountPath) -> Result<OwnedFd, FilesError> {
        match open_beneath(&self.root, path.as_relative(), FOLDER) {
            Ok(folder) => Ok(folder),
            // What stands in the way, the last part or one before it, decides between the answers.
            Err(Errno::NOTDIR) => {
                self.open_handle(path)?;
                Err(FilesError::NotADirectory { path: path.shown() })
            }
            Err(errno) => Err(opening_failed(path, errno)),
        }
    }

    /// Opens the thing at `path` without touching it, and says what it is.
    pub(super) fn open_handle(&self, path: &MountPath) -> Result<(OwnedFd, Stat), FilesError> {
        let handle = open_beneath(&self.root, path.as_relative(), HANDLE)
            .map_err(|errno| opening_failed(path, errno))?;
        let stat = fstat(&handle).map_err(FilesError::on("look at the file"))?;
        Ok((handle, stat))
    }
}

/// Why a path of the mount could not be opened.
pub(super) fn opening_failed(path: &MountPath, errno: Errno) -> FilesError {
    let refuse = |why| FilesError::PathNotAllowed { path: path.shown(), why };
    match errno {
        Errno::NOENT | Errno::NOTDIR => FilesError::FileNotFound { path: path.shown() },
        Errno::LOOP => refuse("it leads through a symbolic link"),
        Errno::XDEV => refuse("it leads out of the mount or to another file system"),
        Errno::NAMETOOLONG => refuse("it is too long"),
        Errno::AGAIN => FilesError::Changed { path: path.shown() },
        errno => FilesError::io("open the path", errno),
    }
}
