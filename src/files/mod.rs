//! The mounts: every file a container and its user share, out of reach of each other's tricks.

mod archive;
mod bind;
mod build_stage;
mod clear;
mod error;
mod leftover;
mod limits;
mod manage;
mod mount;
mod open;
mod pack;
mod path;
mod place;
mod receive;
mod staging;
mod task;
#[cfg(test)]
mod tests;
mod unpack;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, fchmod, fsync, openat};
use rustix::fs::{renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

pub use archive::ArchiveError;
pub use build_stage::{BuildStage, ContextKind, STAGING};
pub use error::FilesError;
pub use limits::{ArchiveLimits, Owner, PackLimits};
pub use manage::{
    Conditions, Entry, EntryKind, Listing, Making, Moving, Page, Placed, Removal, Tags, WHOLE_PAGE,
};
pub use open::OpenFile;
pub use path::MountPath;
pub use receive::{Receiving, StagedArchive, StagedFile};
pub use unpack::{UnpackMode, Unpacked};

use self::mount::{FOLDER, Mount, kind_of, open_beneath, read_folder};
use self::staging::Staging;
use self::task::blocking;
use self::unpack::Destination;
use crate::container::Cuid;

/// All mounts. Clones share one set of descriptors.
#[derive(Clone, Debug)]
pub struct Files {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mounts: OwnedFd,
    /// The path of the folder of all mounts, for programs that have to be given one.
    path: PathBuf,
    staging: Staging,
    owner: Owner,
    limits: ArchiveLimits,
}

impl Files {
    /// Opens the folder of all mounts, makes it when it is missing, ends replacements that a crash broke
    /// off and sweeps the rest of what an earlier run left in staging.
    pub fn open(mounts: &Path, owner: Owner, limits: ArchiveLimits) -> Result<Self, FilesError> {
        let path = mounts.to_owned();
        std::fs::create_dir_all(mounts).map_err(|error| FilesError::io("make the mounts folder", error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mounts =
            openat(CWD, mounts, flags, Mode::empty()).map_err(FilesError::on("open the mounts folder"))?;
        match open_beneath(&mounts, ".", FOLDER) {
            Ok(_) => {}
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => return Err(FilesError::KernelTooOld),
            Err(errno) => return Err(FilesError::io("open the mounts folder", errno)),
        }
        // Files in it belong to users of the host that must not run them.
        fchmod(&mounts, Mode::from_raw_mode(0o700)).map_err(FilesError::on("close the mounts folder"))?;
        let staging = Staging::open(&mounts, &limits)?;
        if let Err(error) = staging.sweep(&place::recover(&staging, &mounts)?) {
            tracing::warn!(%error, "something of an earlier run stays in mounts/.staging: remove it by hand");
        }
        Ok(Self { shared: Arc::new(Shared { mounts, path, staging, owner, limits }) })
    }

    /// Makes the mount of a container, which belongs to the owner; one that exists stays as it is.
    pub async fn create(&self, cuid: Cuid) -> Result<(), FilesError> {
        self.run(move |shared| shared.create(cuid)).await
    }

    /// Removes the mount of a container with all that is in it; a missing one is fine.
    pub async fn remove(&self, cuid: Cuid) -> Result<(), FilesError> {
        self.run(move |shared| shared.remove(cuid)).await
    }

    /// Removes the mount of a container when nothing is in it; says whether it is gone.
    pub async fn remove_if_empty(&self, cuid: Cuid) -> Result<bool, FilesError> {
        self.run(move |shared| shared.remove_if_empty(cuid)).await
    }

    /// Whether the container has a mount.
    pub async fn exists(&self, cuid: Cuid) -> Result<bool, FilesError> {
        self.run(move |shared| match shared.mount(cuid) {
            Ok(_) => Ok(true),
            Err(FilesError::NoMount) => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    /// The containers that have a mount, in order.
    pub async fn cuids(&self) -> Result<Vec<Cuid>, FilesError> {
        self.run(Shared::cuids).await
    }

    /// Whether the mount has a regular file at `path`; a link is none.
    pub async fn has_regular_file(&self, cuid: Cuid, path: &MountPath) -> Result<bool, FilesError> {
        let path = path.clone();
        self.run(move |shared| match shared.mount(cuid)?.open_handle(&path) {
            Ok((_, stat)) => Ok(kind_of(&stat) == FileType::RegularFile),
            Err(FilesError::FileNotFound { .. } | FilesError::PathNotAllowed { .. }) => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    /// Whether a path of the host can be mounted: it exists, and no part of it is a link.
    pub async fn check_bind_source(&self, source: &str) -> Result<(), FilesError> {
        let source = source.to_owned();
        blocking(move || bind::check(&source)).await
    }

    /// Starts to take in the body of an upload.
    pub async fn receive(&self) -> Result<Receiving, FilesError> {
        Receiving::start(self.shared.staging.clone(), self.shared.limits.archive_bytes).await
    }

    /// Unpacks an upload into the folder at `path` and answers what was in it. A refused archive leaves
    /// the mount as it was. The work runs to its end even when the caller goes away.
    pub async fn unpack(
        &self,
        cuid: Cuid,
        upload: StagedArchive,
        path: &MountPath,
        mode: UnpackMode,
    ) -> Result<Unpacked, FilesError> {
        let path = path.clone();
        self.run(move |shared| {
            let to = Destination { cuid, path, mode, owner: shared.owner, limits: shared.limits };
            unpack::unpack(&shared.staging, &shared.mount(cuid)?, upload, &to)
        })
        .await
    }

    /// Opens a regular file of the mount.
    pub async fn open_file(&self, cuid: Cuid, path: &MountPath) -> Result<OpenFile, FilesError> {
        let path = path.clone();
        self.run(move |shared| OpenFile::open(&shared.mount(cuid)?, &path)).await
    }

    /// A folder of the mount as a zip that is made while it is read. Whatever goes wrong after the first
    /// byte ends the stream with an error, never cleanly.
    pub async fn pack(
        &self,
        cuid: Cuid,
        path: &MountPath,
    ) -> Result<impl Stream<Item = Result<Bytes, FilesError>> + Send + use<>, FilesError> {
        let path = path.clone();
        let folder = self.run(move |shared| shared.mount(cuid)?.open_folder(&path)).await?;
        Ok(pack::pack(folder, self.shared.limits.pack))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<T, FilesError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || work(&shared)).await
    }
}

impl Shared {
    fn mount(&self, cuid: Cuid) -> Result<Mount, FilesError> {
        Mount::open(&self.mounts, cuid)
    }

    fn create(&self, cuid: Cuid) -> Result<(), FilesError> {
        const NEW: &str = "new";
        let name = cuid.to_string();
        let stage = self.staging.stage()?;
        stage.make_owned_folder(NEW, self.owner, 0o755).map_err(FilesError::on("make the mount"))?;
        match renameat_with(stage.folder(), NEW, &self.mounts, name.as_str(), RenameFlags::NOREPLACE) {
            Ok(()) => self.sync_mounts(),
            Err(Errno::EXIST) => self.mount(cuid).map(|_| ()),
            Err(errno) => Err(FilesError::io("make the mount", errno)),
        }
    }

    fn remove(&self, cuid: Cuid) -> Result<(), FilesError> {
        let stage = self.staging.stage()?;
        // In one step, so that no half-removed mount is ever seen; the stage empties itself.
        match renameat(&self.mounts, cuid.to_string().as_str(), stage.folder(), "removed") {
            Ok(()) => self.sync_mounts(),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(FilesError::io("remove the mount", errno)),
        }
    }

    fn remove_if_empty(&self, cuid: Cuid) -> Result<bool, FilesError> {
        match unlinkat(&self.mounts, cuid.to_string().as_str(), AtFlags::REMOVEDIR) {
            Ok(()) => self.sync_mounts().map(|()| true),
            Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(errno) => Err(FilesError::io("remove the mount", errno)),
        }
    }

    fn cuids(&self) -> Result<Vec<Cuid>, FilesError> {
        let mut cuids = Vec::new();
        for entry in read_folder(&self.mounts).map_err(FilesError::on("list the mounts"))? {
            let entry = entry.map_err(FilesError::on("list the mounts"))?;
            let cuid = entry.file_name().to_str().ok().and_then(|name| name.parse::<Cuid>().ok());
            let is_folder = statat(&self.mounts, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| kind_of(&stat) == FileType::Directory);
            cuids.extend(cuid.filter(|_| is_folder));
        }
        cuids.sort_unstable();
        Ok(cuids)
    }

    fn sync_mounts(&self) -> Result<(), FilesError> {
        fsync(&self.mounts).map_err(FilesError::on("write the mounts folder to the disk"))
    }
}
