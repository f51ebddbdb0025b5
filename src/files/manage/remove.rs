//! Something out of the mount: moved into staging by one rename, and removed there.
//!
//! A tree is never removed where the container can swap its folders for links: in staging it is out of
//! reach of a path, and nothing half-removed is seen.

use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use super::super::error::FilesError;
use super::super::mount::{Mount, kind_of};
use super::super::path::MountPath;
use super::super::staging::{Stage, Staging};
use super::spot::{Spot, is_same, is_unchanged};
use super::{ATTEMPTS, Conditions};

/// The name that something has in its stage.
const REMOVED: &str = "removed";

/// How something is removed.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    /// A folder with all that is in it.
    pub recursive: bool,
    /// What has to be true of it.
    pub conditions: Conditions,
}

/// Removes what is at `path`.
pub(super) fn remove(
    mount: &Mount,
    staging: &Staging,
    path: &MountPath,
    removal: &Removal,
) -> Result<(), FilesError> {
    for _ in 0..ATTEMPTS {
        let spot = Spot::open(mount, path).map_err(missing)?;
        let seen = spot.look()?;
        removal.conditions.check(seen.as_ref(), path)?;
        let seen = seen.ok_or_else(|| FilesError::FileNotFound { path: path.shown() })?;
        let is_removed = if kind_of(&seen) == FileType::Directory && !removal.recursive {
            remove_empty(&spot, path)?
        } else {
            let stage = staging.stage()?;
            take_out(&spot, &stage, &seen, removal)?
        };
        if is_removed {
            return spot.sync();
        }
    }
    Err(FilesError::Changed { path: path.shown() })
}

/// A folder that is missing needs not be made for a removal.
fn missing(error: FilesError) -> FilesError {
    match error {
        FilesError::NoParent { path } => FilesError::FileNotFound { path },
        other => other,
    }
}

/// Removes an empty folder; says whether it was one still.
fn remove_empty(spot: &Spot<'_>, path: &MountPath) -> Result<bool, FilesError> {
    match unlinkat(&spot.folder, spot.name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(FilesError::FolderNotEmpty { path: path.shown() }),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(spot.failed("remove the folder", errno)),
    }
}

/// Moves something into a stage; says whether it was what was looked at, else it is back in its place. The
/// stage removes what it holds on drop.
fn take_out(spot: &Spot<'_>, stage: &Stage, seen: &Stat, removal: &Removal) -> Result<bool, FilesError> {
    match renameat_with(&spot.folder, spot.name, stage.folder(), REMOVED, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(spot.failed("remove the file", errno)),
    }
    let came = statat(stage.folder(), REMOVED, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(FilesError::on("look at what is removed"))?;
    let is_right =
        if removal.conditions.is_empty() { is_same(seen, &came) } else { is_unchanged(seen, &came) };
    if is_right {
        return Ok(true);
    }
    match renameat_with(stage.folder(), REMOVED, &spot.folder, spot.name, RenameFlags::NOREPLACE) {
        // The container has put something else there meanwhile. That would have replaced a file.
        Err(Errno::EXIST) if kind_of(&came) == FileType::Directory => {
            spot.put_beside(stage.folder(), REMOVED).map(|()| false)
        }
        Ok(()) | Err(Errno::EXIST | Errno::NOENT) => Ok(false),
        Err(errno) => Err(spot.failed("put the file back", errno)),
    }
}
