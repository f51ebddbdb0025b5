//! `mounts/.staging/`: where uploads and unpacked trees stand before they reach a mount.
//!
//! It lies on the mounts' file system, so that a rename moves things into place, and no container
//! sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, fchmod, fchown, fstatvfs, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use uuid::Uuid;

use super::clear::{clear_folder, names_in};
use super::error::FilesError;
use super::leftover::{Leftovers, remove};
use super::limits::{ArchiveLimits, Owner};
use super::mount::{FOLDER, open_beneath};

/// The staging folder's name; no cuid can have it.
pub const NAME: &str = ".staging";

/// The staging folder.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    folder: Arc<OwnedFd>,
    min_free_bytes: u64,
    /// How long a removal is waited for.
    patience: Duration,
    leftovers: Leftovers,
}

/// A folder of its own within staging, removed with all that is in it on drop.
#[derive(Debug)]
pub(super) struct Stage {
    staging: Staging,
    name: String,
    folder: OwnedFd,
    keep: bool,
}

impl Staging {
    /// Opens the staging folder within the folder of all mounts, and makes it when it is missing.
    pub(super) fn open(mounts: &OwnedFd, limits: &ArchiveLimits) -> Result<Self, FilesError> {
        match mkdirat(mounts, NAME, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(FilesError::io("make the staging folder", errno)),
        }
        let folder = open_beneath(mounts, NAME, FOLDER).map_err(FilesError::on("open the staging folder"))?;
        fchmod(&folder, Mode::from_raw_mode(0o700)).map_err(FilesError::on("close the staging folder"))?;
        let (min_free_bytes, patience) = (limits.min_free_bytes, limits.removal);
        Ok(Self { folder: Arc::new(folder), min_free_bytes, patience, leftovers: Leftovers::default() })
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Removes what an earlier run left, but for the names to keep. What that takes too long for goes on beside.
    pub(super) fn sweep(&self, keep: &[Vec<u8>]) -> Result<(), FilesError> {
        let end = Instant::now() + self.patience;
        let (mut left, mut failed) = (Vec::new(), Ok(()));
        let is_known = |name: &Vec<u8>, left: &[Vec<u8>]| keep.contains(name) || left.contains(name);
        loop {
            let mut names = names_in(&self.folder).map_err(FilesError::on("read the staging folder"))?;
            names.retain(|name| !is_known(name, &left));
            if names.is_empty() {
                break;
            }
            for name in names {
                let time_left = end.saturating_duration_since(Instant::now());
                if let Err(errno) = remove(&self.folder, &name, time_left) {
                    failed = if errno == Errno::TIMEDOUT { failed } else { Err(errno) };
                    left.push(name);
                }
            }
        }
        self.leftovers.take_over(&self.folder, left);
        failed.map_err(FilesError::on("empty the staging folder"))
    }

    /// A new folder of its own.
    pub(super) fn stage(&self) -> Result<Stage, FilesError> {
        let name = Uuid::new_v4().to_string();
        mkdirat(&*self.folder, name.as_str(), Mode::from_raw_mode(0o700))
            .map_err(FilesError::on("make a folder in staging"))?;
        let folder = open_beneath(&*self.folder, name.as_str(), FOLDER)
            .map_err(FilesError::on("open a folder in staging"))?;
        Ok(Stage { staging: self.clone(), name, folder, keep: false })
    }

    /// A new file without a name: it is gone when its last descriptor is, whatever happens.
    pub(super) fn unnamed_file(&self) -> Result<std::fs::File, FilesError> {
        let name = Uuid::new_v4().to_string();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&*self.folder, name.as_str(), flags, Mode::from_raw_mode(0o600))
            .map_err(FilesError::on("make a file in staging"))?;
        unlinkat(&*self.folder, name.as_str(), AtFlags::empty())
            .map_err(FilesError::on("make a file in staging"))?;
        Ok(file.into())
    }

    /// Refuses when `wanted` more bytes would leave less free than has to stay free.
    pub(super) fn need_room(&self, wanted: u64) -> Result<(), FilesError> {
        let disk = fstatvfs(&*self.folder).map_err(FilesError::on("read the free disk space"))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < wanted.saturating_add(self.min_free_bytes) { Err(FilesError::NoSpace) } else { Ok(()) }
    }
}

impl Stage {
    /// The folder itself.
    pub(super) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Its name within staging.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The staging folder that it lies in.
    pub(super) fn staging(&self) -> &Staging {
        &self.staging
    }

    /// Makes an empty folder in it that belongs to `owner`.
    pub(super) fn make_owned_folder(
        &self,
        name: &str,
        owner: Owner,
        mode: u32,
    ) -> rustix::io::Result<OwnedFd> {
        make_owned_folder(&self.folder, name, owner, mode)
    }

    /// Makes an empty file in it, for the daemon alone.
    pub(super) fn make_file(&self, name: &str) -> rustix::io::Result<std::fs::File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.folder, name, flags, Mode::from_raw_mode(0o600)).map(Into::into)
    }

    /// Leaves it on the disk, since it holds what belongs into a mount: the next start puts it back.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }
}

/// Makes an empty folder that belongs to `owner` in a folder that no container sees.
pub(super) fn make_owned_folder(
    within: &OwnedFd,
    name: &str,
    owner: Owner,
    mode: u32,
) -> rustix::io::Result<OwnedFd> {
    mkdirat(within, name, Mode::from_raw_mode(0o700))?;
    let folder = open_beneath(within, name, FOLDER)?;
    let (user, group) = owner.ids();
    fchown(&folder, Some(user), Some(group))?;
    fchmod(&folder, Mode::from_raw_mode(mode))?;
    Ok(folder)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let staging = &self.staging;
        let removed = clear_folder(&self.folder, staging.patience)
            .and_then(|()| unlinkat(staging.folder(), self.name.as_str(), AtFlags::REMOVEDIR));
        if let Err(errno) = removed {
            tracing::warn!(stage = %self.name, error = %errno, "could not remove a folder in staging yet; it is tried again");
            staging.leftovers.take_over(&staging.folder, vec![self.name.clone().into_bytes()]);
        }
    }
}

impl Owner {
    /// The numbers as the system calls take them.
    pub(super) fn ids(self) -> (Uid, Gid) {
        (Uid::from_raw(self.uid), Gid::from_raw(self.gid))
    }
}
