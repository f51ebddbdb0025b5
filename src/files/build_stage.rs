//! A folder in staging for one build: the context, checked and unpacked, and beside it what the builder reads.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2, readlinkat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::archive::{Archive, ArchiveError, Extraction, extract, inflated, is_gzip};
use super::error::FilesError;
use super::limits::Owner;
use super::mount::{FOLDER, kind_of, open_beneath};
use super::receive::StagedArchive;
use super::staging::Stage;
use super::task::blocking;
use super::{Files, Shared};

/// The name of the folder in `mounts/` that holds what is on its way.
pub use super::staging::NAME as STAGING;

const CONTEXT: &str = "context";
const HOME: &str = "home";
/// Where the mark of a POSIX tar stands, and the mark.
const TAR_MARK: (u64, &[u8; 5]) = (257, b"ustar");
/// Links may be followed here, since all that they lead to lies beneath; not to `/proc` or other file systems.
const WITHIN: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);

/// What archive a context comes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextKind {
    /// A zip.
    Zip,
    /// A tar, which gzip may have compressed.
    Tar,
    /// The one that it begins as.
    Either,
}

/// The folder of one build; gone with all that is in it when it is dropped.
#[derive(Debug)]
pub struct BuildStage {
    stage: Option<Stage>,
    context: OwnedFd,
    path: PathBuf,
}

impl Files {
    /// Checks an upload as one into a mount is checked, and unpacks it to be the context of a build.
    pub async fn stage_build(
        &self,
        upload: StagedArchive,
        kind: ContextKind,
    ) -> Result<BuildStage, FilesError> {
        self.run(move |shared| shared.stage_build(upload, kind)).await
    }
}

impl Shared {
    fn stage_build(&self, upload: StagedArchive, kind: ContextKind) -> Result<BuildStage, FilesError> {
        let archive = self.read_context(upload, kind)?;
        self.staging.need_room(archive.unpacked)?;
        let stage = self.staging.stage()?;
        // Whom the files belong to does not get into the image.
        let owner = Owner { uid: geteuid().as_raw(), gid: getegid().as_raw() };
        let making = FilesError::on("make a folder in staging");
        let context = stage.make_owned_folder(CONTEXT, owner, 0o700).map_err(making)?;
        for folder in [HOME.to_owned(), format!("{HOME}/tmp")] {
            mkdirat(stage.folder(), folder.as_str(), Mode::from_raw_mode(0o700))
                .map_err(FilesError::on("make a folder in staging"))?;
        }
        let to = Extraction { root: &context, staging: &self.staging, owner, limits: &self.limits };
        extract(&archive, &to)?;
        let path = self.path.join(STAGING).join(stage.name());
        Ok(BuildStage { stage: Some(stage), context, path })
    }

    fn read_context(&self, upload: StagedArchive, kind: ContextKind) -> Result<Archive, FilesError> {
        let is_tar = kind == ContextKind::Tar || kind == ContextKind::Either && looks_like_tar(&upload);
        if !is_tar {
            return Archive::read(upload, &super::MountPath::root(), &self.limits);
        }
        let packed = upload.len;
        if packed == 0 {
            return Err(ArchiveError::NotATar.into());
        }
        let upload = if is_gzip(&upload) { inflated(upload, &self.staging, &self.limits)? } else { upload };
        Archive::read_tar(upload, packed, &self.limits)
    }
}

fn looks_like_tar(upload: &StagedArchive) -> bool {
    let (at, mark) = TAR_MARK;
    let mut there = [0; TAR_MARK.1.len()];
    is_gzip(upload) || upload.file.read_exact_at(&mut there, at).is_ok_and(|()| there == *mark)
}

impl BuildStage {
    /// Its path on the host.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the context.
    #[must_use]
    pub fn context(&self) -> PathBuf {
        self.path.join(CONTEXT)
    }

    /// The path of an empty folder for what the builder keeps for itself.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.path.join(HOME)
    }

    /// Where a file of the context lies that is named by a path, once all links are followed; nothing where there
    /// is none, and where a link leads out.
    pub fn find(&self, path: &str) -> Result<Option<PathBuf>, FilesError> {
        let file = match openat2(&self.context, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), WITHIN) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG) => {
                return Ok(None);
            }
            Err(errno) => return Err(FilesError::io("open the path", errno)),
        };
        let stat = fstat(&file).map_err(FilesError::on("look at the file"))?;
        if kind_of(&stat) != FileType::RegularFile {
            return Ok(None);
        }
        let (root, found) = (place_of(&self.context)?, place_of(&file)?);
        Ok(found.strip_prefix(root).ok().map(|path| self.context().join(path)))
    }

    /// Writes a file beside the context that only the daemon's user can read.
    pub async fn write(&self, name: &'static str, bytes: Vec<u8>) -> Result<(), FilesError> {
        self.write_in(".", name, bytes).await
    }

    /// Writes a file into the home folder that only the daemon's user can read.
    pub async fn write_home(&self, name: &'static str, bytes: Vec<u8>) -> Result<(), FilesError> {
        self.write_in(HOME, name, bytes).await
    }

    async fn write_in(&self, folder: &str, name: &'static str, bytes: Vec<u8>) -> Result<(), FilesError> {
        let stage = self.stage.as_ref().ok_or(FilesError::Interrupted)?;
        let folder = open_beneath(stage.folder(), folder, FOLDER);
        let folder = folder.map_err(FilesError::on("open a folder in staging"))?;
        blocking(move || {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600));
            let mut file = std::fs::File::from(file.map_err(FilesError::on("make a file in staging"))?);
            file.write_all(&bytes).map_err(|error| FilesError::io("write a file in staging", error))
        })
        .await
    }

    /// Removes it, and waits for the end of that.
    pub async fn remove(mut self) {
        let stage = self.stage.take();
        // A stage that cannot be removed says so itself.
        let removed = blocking(move || {
            drop(stage);
            Ok(())
        });
        let _ = removed.await;
    }
}

impl Drop for BuildStage {
    /// Removing a tree is no work for an async thread.
    fn drop(&mut self) {
        if let (Some(stage), Ok(runtime)) = (self.stage.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(stage));
        }
    }
}

/// Where the kernel says that an open file is.
fn place_of(file: &OwnedFd) -> Result<PathBuf, FilesError> {
    use std::os::unix::ffi::OsStringExt;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let place = readlinkat(rustix::fs::CWD, link, Vec::new()).map_err(FilesError::on("find the file"))?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(place.into_bytes())))
}
