//! The file manager: single files and folders of a mount listed, put, removed, made and moved.
//!
//! The container's processes race every step. So each step works on names in a folder that is held open,
//! what comes out of the mount is compared with what was looked at before, and what goes in is made in
//! staging and appears by one rename.

mod conditions;
mod list;
mod make;
mod put;
mod relocate;
mod remove;
mod spot;

use super::Files;
use super::error::FilesError;
use super::path::MountPath;
use super::receive::{Receiving, StagedFile};
use crate::container::Cuid;

pub use conditions::{Conditions, Tags};
pub use list::{Entry, EntryKind, Listing, Page, WHOLE_PAGE};
pub use make::Making;
pub use put::Placed;
pub use relocate::Moving;
pub use remove::Removal;

/// How often a step is tried again when the container changes the same name meanwhile.
const ATTEMPTS: usize = 32;

impl Files {
    /// One page of what the folder at `path` holds.
    pub async fn list(&self, cuid: Cuid, path: &MountPath, page: Page) -> Result<Listing, FilesError> {
        let path = path.clone();
        self.run(move |shared| list::list(&shared.mount(cuid)?, &path, &page, shared.limits.pack.entries))
            .await
    }

    /// Starts to take in the body of a single file.
    pub async fn receive_file(&self) -> Result<Receiving, FilesError> {
        Receiving::start_file(self.shared.staging.clone(), self.shared.limits.archive_bytes).await
    }

    /// Puts a file to `path`, in one step, where the conditions hold.
    pub async fn put(
        &self,
        cuid: Cuid,
        file: StagedFile,
        path: &MountPath,
        conditions: Conditions,
    ) -> Result<Placed, FilesError> {
        let path = path.clone();
        self.run(move |shared| put::put(&shared.mount(cuid)?, &file, &path, &conditions, shared.owner)).await
    }

    /// Removes what is at `path`; a link itself, never what it leads to.
    pub async fn remove_at(&self, cuid: Cuid, path: &MountPath, removal: Removal) -> Result<(), FilesError> {
        let path = path.clone();
        self.run(move |shared| remove::remove(&shared.mount(cuid)?, &shared.staging, &path, &removal)).await
    }

    /// Makes a folder at `path`; says whether it was made, and not there before.
    pub async fn make_folder(
        &self,
        cuid: Cuid,
        path: &MountPath,
        making: Making,
    ) -> Result<bool, FilesError> {
        let path = path.clone();
        self.run(move |shared| make::make(&shared.mount(cuid)?, &shared.staging, &path, making, shared.owner))
            .await
    }

    /// Gives what is at `from` the path `to`; a link itself, never what it leads to.
    pub async fn relocate(
        &self,
        cuid: Cuid,
        from: &MountPath,
        to: &MountPath,
        moving: Moving,
    ) -> Result<(), FilesError> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |shared| relocate::relocate(&shared.mount(cuid)?, &from, &to, moving)).await
    }
}
