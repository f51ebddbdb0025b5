//! One file's new bytes, in the place of the old ones or of nothing, by one rename.
//!
//! An old file is exchanged with the new one, not replaced: so what came out can be compared with what the
//! conditions were checked against, and goes back where the container was faster. Between calls of this API
//! that needs the container's turn as well, which the caller holds. What a process of the container writes
//! through a descriptor that it opened before goes to the old file, and with it.

use rustix::fs::{
    AtFlags, FileType, Mode, RenameFlags, Stat, fchmod, fchown, fstat, fsync, renameat_with, statat,
};
use rustix::io::Errno;

use super::super::error::FilesError;
use super::super::limits::Owner;
use super::super::mount::{Mount, kind_name, kind_of};
use super::super::open::etag_of;
use super::super::path::MountPath;
use super::super::receive::{STAGED_NAME, StagedFile};
use super::spot::{Spot, is_same, is_unchanged};
use super::{ATTEMPTS, Conditions};

/// The mode of a file that was not there.
const NEW_MODE: u32 = 0o644;

/// A file that was put.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Whether there was none before.
    pub is_new: bool,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its entity tag, as a download shows it.
    pub etag: String,
}

/// Puts a file into the mount.
pub(super) fn put(
    mount: &Mount,
    file: &StagedFile,
    path: &MountPath,
    conditions: &Conditions,
    owner: Owner,
) -> Result<Placed, FilesError> {
    if path.is_root() {
        return Err(FilesError::IsDirectory { path: path.shown() });
    }
    for _ in 0..ATTEMPTS {
        let spot = Spot::open(mount, path)?;
        let seen = spot.look()?;
        let mode = mode_for(seen.as_ref(), path)?;
        conditions.check(seen.as_ref(), path)?;
        let written = finish(file, owner, mode).map_err(FilesError::on("write the file to the disk"))?;
        let is_placed = match &seen {
            None => place_new(file, &spot)?,
            Some(seen) => replace(file, &spot, seen, conditions)?,
        };
        if is_placed {
            if let Err(error) = spot.sync() {
                give_back(file, &spot, seen.is_none());
                return Err(error);
            }
            return Ok(Placed { is_new: seen.is_none(), bytes: file.len, etag: tag(file, &written)? });
        }
    }
    Err(FilesError::Changed { path: path.shown() })
}

/// The mode that the new file gets, where what was seen may be replaced at all.
fn mode_for(seen: Option<&Stat>, path: &MountPath) -> Result<u32, FilesError> {
    let Some(seen) = seen else { return Ok(NEW_MODE) };
    match kind_of(seen) {
        FileType::RegularFile => Ok(seen.st_mode & 0o777),
        FileType::Directory => Err(FilesError::IsDirectory { path: path.shown() }),
        kind => Err(FilesError::NotARegularFile { path: path.shown(), kind: kind_name(kind) }),
    }
}

/// Gives the file its owner and mode, in this order, and brings it to the disk.
fn finish(file: &StagedFile, owner: Owner, mode: u32) -> rustix::io::Result<Stat> {
    let (user, group) = owner.ids();
    fchown(&file.file, Some(user), Some(group))?;
    fchmod(&file.file, Mode::from_raw_mode(mode))?;
    fsync(&file.file)?;
    fstat(&file.file)
}

fn place_new(file: &StagedFile, spot: &Spot<'_>) -> Result<bool, FilesError> {
    match renameat_with(file.stage.folder(), STAGED_NAME, &spot.folder, spot.name, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::NOENT) => Ok(false),
        Err(errno) => Err(spot.failed("move the file into place", errno)),
    }
}

/// Exchanges the old file with the new one; says whether the old one was the one that was looked at, else
/// it is back in its place.
fn replace(
    file: &StagedFile,
    spot: &Spot<'_>,
    seen: &Stat,
    conditions: &Conditions,
) -> Result<bool, FilesError> {
    match exchange(file, spot) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(spot.failed("move the file into place", errno)),
    }
    let came = look_at_staged(file)?;
    let is_right = if conditions.is_empty() {
        // Without conditions a file that the container put there meanwhile would have been replaced too.
        kind_of(&came) == FileType::RegularFile
    } else {
        is_unchanged(seen, &came)
    };
    if is_right {
        return Ok(true);
    }
    take_back(file, spot)?;
    Ok(false)
}

/// Puts back what was exchanged. What the container made of the name meanwhile is newer and stays.
fn take_back(file: &StagedFile, spot: &Spot<'_>) -> Result<(), FilesError> {
    for _ in 0..2 {
        match exchange(file, spot) {
            Ok(()) => {}
            Err(Errno::NOENT) => break,
            Err(errno) => return Err(spot.failed("put the old file back", errno)),
        }
        let ours = fstat(&file.file).map_err(FilesError::on("look at the new file"))?;
        if is_same(&ours, &look_at_staged(file)?) {
            return Ok(());
        }
    }
    // It holds what came out first. A file is as good as replaced by what the container put there, as by
    // any rename; a folder could not have been.
    if kind_of(&look_at_staged(file)?) == FileType::Directory {
        spot.put_beside(file.stage.folder(), STAGED_NAME)?;
    }
    Err(spot.changed())
}

/// Takes a file out again of a folder that cannot be brought to the disk, as far as that goes.
fn give_back(file: &StagedFile, spot: &Spot<'_>, is_new: bool) {
    let taken = if is_new {
        let flags = RenameFlags::NOREPLACE;
        renameat_with(&spot.folder, spot.name, file.stage.folder(), STAGED_NAME, flags)
            .map_err(|errno| errno.to_string())
    } else {
        take_back(file, spot).map_err(|error| error.to_string())
    };
    if let Err(error) = taken {
        tracing::warn!(error, "a file that was put could not be taken back");
    }
}

/// What has the file's name in its stage.
fn look_at_staged(file: &StagedFile) -> Result<Stat, FilesError> {
    statat(file.stage.folder(), STAGED_NAME, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(FilesError::on("look at what was exchanged"))
}

fn exchange(file: &StagedFile, spot: &Spot<'_>) -> rustix::io::Result<()> {
    renameat_with(file.stage.folder(), STAGED_NAME, &spot.folder, spot.name, RenameFlags::EXCHANGE)
}

/// The entity tag of the bytes that were put. Should the container have written to the file already, it is
/// no tag of that.
fn tag(file: &StagedFile, written: &Stat) -> Result<String, FilesError> {
    let mut stat = fstat(&file.file).map_err(FilesError::on("look at the new file"))?;
    stat.st_size = written.st_size;
    stat.st_mtime = written.st_mtime;
    stat.st_mtime_nsec = written.st_mtime_nsec;
    Ok(etag_of(&stat))
}
