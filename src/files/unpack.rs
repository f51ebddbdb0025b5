//! An upload from its file to the mount: check, unpack aside, put into place.

use super::archive::{Archive, Extraction, extract};
use super::error::FilesError;
use super::limits::{ArchiveLimits, Owner};
use super::mount::Mount;
use super::path::MountPath;
use super::place::{Placing, TREE, place};
use super::receive::StagedArchive;
use super::staging::Staging;
use crate::container::Cuid;

/// What happens to what the folder already holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackMode {
    /// It stays, except for files of the same name.
    Merge,
    /// It goes.
    Replace,
}

/// What an archive had in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Files and symbolic links.
    pub files: u64,
    /// Folders, also those that the archive only implies.
    pub directories: u64,
    /// The bytes that came out.
    pub bytes: u64,
}

/// Where an archive goes, and how.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) cuid: Cuid,
    pub(super) path: MountPath,
    pub(super) mode: UnpackMode,
    pub(super) owner: Owner,
    pub(super) limits: ArchiveLimits,
}

/// Unpacks an upload. Until everything is unpacked and checked the mount is not touched.
pub(super) fn unpack(
    staging: &Staging,
    mount: &Mount,
    upload: StagedArchive,
    to: &Destination,
) -> Result<Unpacked, FilesError> {
    let archive = Archive::read(upload, &to.path, &to.limits)?;
    staging.need_room(archive.unpacked)?;
    let mut stage = staging.stage()?;
    let tree =
        stage.make_owned_folder(TREE, to.owner, 0o755).map_err(FilesError::on("make a folder in staging"))?;
    let placing = Placing { mount, plan: &archive.plan, tree: &tree, to };
    placing.check()?;
    let extraction = Extraction { root: &tree, staging, owner: to.owner, limits: &to.limits };
    let bytes = extract(&archive, &extraction)?;
    // One call for thousands of files; each fsync of its own would be a journal commit.
    rustix::fs::syncfs(stage.folder()).map_err(FilesError::on("write the files to the disk"))?;
    let placing = Placing { mount, plan: &archive.plan, tree: &tree, to };
    placing.check()?;
    place(&placing, &mut stage)?;
    Ok(Unpacked { files: archive.plan.files, directories: archive.plan.folders, bytes })
}
