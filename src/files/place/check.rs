//! What stands in the way of an upload, found before anything is moved.

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::super::archive::ROOT;
use super::super::error::FilesError;
use super::super::mount::{kind_name, kind_of};
use super::super::unpack::UnpackMode;
use super::Placing;

impl Placing<'_> {
    /// Refuses a folder that would go where the mount has something else, and a file that would go
    /// where it has a folder. On the way to the folder unpacked to this holds in both modes.
    pub(in super::super) fn check(&self) -> Result<(), FilesError> {
        let mut pending = vec![ROOT];
        while let Some(folder) = pending.pop() {
            if self.to.mode == UnpackMode::Replace && folder == self.plan.target {
                continue;
            }
            let target = self.open_target(folder)?;
            for &child in &self.plan.node(folder).children {
                let name = &*self.plan.node(child).name;
                match statat(&target, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) if self.check_one(child, kind_of(&found))? => pending.push(child),
                    Ok(_) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(FilesError::io("look at the mount", errno)),
                }
            }
        }
        Ok(())
    }

    /// Compares one node with what the mount has in its place; says whether both are folders.
    pub(super) fn check_one(&self, child: usize, found: FileType) -> Result<bool, FilesError> {
        let path = || self.plan.shown(child);
        match (self.plan.is_folder(child), found == FileType::Directory) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            (true, false) if self.is_on_the_way(child) => Err(FilesError::NotADirectory { path: path() }),
            (true, false) => {
                Err(FilesError::PathConflict { path: path(), found: kind_name(found), given: "a folder" })
            }
            (false, true) => {
                Err(FilesError::PathConflict { path: path(), found: "a folder", given: "a file" })
            }
        }
    }

    /// Whether a node is the folder unpacked to or one above it, which the request names, not the archive.
    fn is_on_the_way(&self, node: usize) -> bool {
        // Those are the first nodes of every plan.
        node <= self.plan.target
    }
}
