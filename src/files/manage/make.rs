//! A new folder, with the ones above it where that is asked for: made in staging, then moved in whole.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RenameFlags, fsync, renameat_with, statat, syncfs};
use rustix::io::Errno;

use super::super::error::FilesError;
use super::super::limits::Owner;
use super::super::mount::{FOLDER, Mount, kind_of, open_beneath, opening_failed};
use super::super::path::MountPath;
use super::super::staging::{Stage, Staging, make_owned_folder};
use super::ATTEMPTS;

/// The top folder's name in its stage.
const NEW: &str = "new";
const MODE: u32 = 0o755;

/// How a folder is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Making {
    /// Folders above it that are missing are made too, and one that is there already is fine.
    pub parents: bool,
}

/// Makes a folder; says whether it was not there before.
pub(super) fn make(
    mount: &Mount,
    staging: &Staging,
    path: &MountPath,
    making: Making,
    owner: Owner,
) -> Result<bool, FilesError> {
    for _ in 0..ATTEMPTS {
        let (folder, depth) = deepest(mount, path)?;
        let missing: Vec<&str> = path.parts().skip(depth).collect();
        let Some((first, inner)) = missing.split_first() else {
            let exists = || FilesError::FileExists { path: path.shown() };
            return if making.parents { Ok(false) } else { Err(exists()) };
        };
        if !inner.is_empty() && !making.parents {
            return Err(FilesError::NoParent { path: path.first(path.parts().count() - 1).shown() });
        }
        let stage = staging.stage()?;
        build(&stage, inner, owner).map_err(FilesError::on("make the folder"))?;
        match renameat_with(stage.folder(), NEW, &folder, *first, RenameFlags::NOREPLACE) {
            Ok(()) => {
                fsync(&folder).map_err(FilesError::on("write a folder to the disk"))?;
                return Ok(true);
            }
            // The container made it first, or removed the folder above.
            Err(Errno::EXIST | Errno::NOENT) => {}
            Err(errno) => return Err(FilesError::io("make the folder", errno)),
        }
    }
    Err(FilesError::Changed { path: path.shown() })
}

/// Opens the deepest folder of the path that exists; with it, how many parts of the path that are.
fn deepest(mount: &Mount, path: &MountPath) -> Result<(OwnedFd, usize), FilesError> {
    let mut folder = mount.open_folder(&MountPath::root())?;
    let mut depth = 0;
    for part in path.parts() {
        match open_beneath(&folder, part, FOLDER) {
            Ok(inner) => folder = inner,
            Err(Errno::NOENT) => break,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(in_the_way(&folder, part, path, depth + 1)),
            Err(errno) => return Err(opening_failed(&path.first(depth + 1), errno)),
        }
        depth += 1;
    }
    Ok((folder, depth))
}

/// What to say of something that is no folder and has the name of one of the path's first `depth` parts.
fn in_the_way(folder: &OwnedFd, name: &str, path: &MountPath, depth: usize) -> FilesError {
    let above = path.first(depth);
    if above == *path {
        return FilesError::FileExists { path: path.shown() };
    }
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if kind_of(&stat) == FileType::Symlink => opening_failed(&above, Errno::LOOP),
        _ => FilesError::NotADirectory { path: above.shown() },
    }
}

/// Makes the new folder and the ones in it, each the next one's parent.
fn build(stage: &Stage, inner: &[&str], owner: Owner) -> rustix::io::Result<()> {
    let top = stage.make_owned_folder(NEW, owner, MODE)?;
    if inner.is_empty() {
        return fsync(&top);
    }
    let mut folder = top;
    for name in inner {
        folder = make_owned_folder(&folder, name, owner, MODE)?;
    }
    // One call for all of them.
    syncfs(&folder)
}
