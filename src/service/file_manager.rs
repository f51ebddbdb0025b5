//! The file manager: what a container's mount holds, and single changes of it.
//!
//! Nothing here needs the engine. Every change runs in the container's turn: no other call of this API comes
//! between the look at a file and what is done to it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::Stream;

use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::file_request::{MakeFolder, MoveFile};
use crate::files::{
    Conditions, Files, FilesError, Listing, Making, MountPath, Moving, Page, Placed, Removal,
};

/// One page of a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The container.
    pub cuid: Cuid,
    /// The folder, relative to the mount.
    pub path: String,
    /// What it holds.
    pub listing: Listing,
    /// Where the next page begins; none: this is the last.
    pub next_cursor: Option<String>,
}

/// Where a file is put, and when.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Its path.
    pub path: String,
    /// What has to be true of what is there.
    pub conditions: Conditions,
}

/// A file that was put.
#[derive(Clone, Debug)]
pub struct Put {
    /// The container.
    pub cuid: Cuid,
    /// The file, relative to the mount.
    pub path: String,
    /// What became of it.
    pub placed: Placed,
}

/// What is removed, and when.
#[derive(Clone, Debug, Default)]
pub struct RemoveOptions {
    /// Its path.
    pub path: String,
    /// A folder with all that is in it.
    pub recursive: bool,
    /// What has to be true of it.
    pub conditions: Conditions,
}

/// What was changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The container.
    pub cuid: Cuid,
    /// The path, relative to the mount.
    pub path: String,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// What was moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The container.
    pub cuid: Cuid,
    /// Its old path, relative to the mount.
    pub from: String,
    /// Its new path, relative to the mount.
    pub to: String,
}

impl Service {
    /// One page of a folder of a container's mount.
    pub async fn list_files(
        &self,
        id: &str,
        path: Option<&str>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Folder> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = read_path("path", path.unwrap_or_default(), &mount_path)?;
        let page = Page { limit, after: cursor.map(parse_cursor).transpose()? };
        let listing = self.parts.files.list(cuid, &path, page).await?;
        let next_cursor = listing.next.as_deref().map(|name| URL_SAFE_NO_PAD.encode(name));
        Ok(Folder { cuid, path: path.as_str().to_owned(), listing, next_cursor })
    }

    /// Puts the bytes that `body` brings into a file of a container's mount.
    pub async fn put_file(
        self: &Arc<Self>,
        id: &str,
        options: PutOptions,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<Put> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = read_path("path", &options.path, &mount_path)?;
        if path.is_root() {
            return Err(FilesError::IsDirectory { path: "/".to_owned() }.into());
        }
        let receiving = self.parts.files.receive_file().await?;
        let file = self.fill(receiving, body).await?.finish_file().await?;
        let shown = path.as_str().to_owned();
        let change =
            move |files: Files| async move { files.put(cuid, file, &path, options.conditions).await };
        let placed = self.change_files(cuid, id, change).await?;
        Ok(Put { cuid, path: shown, placed })
    }

    /// Removes a file, a link or a folder of a container's mount.
    pub async fn remove_file(self: &Arc<Self>, id: &str, options: RemoveOptions) -> Result<Changed> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = read_path("path", &options.path, &mount_path)?;
        let shown = path.as_str().to_owned();
        let removal = Removal { recursive: options.recursive, conditions: options.conditions };
        let change = move |files: Files| async move { files.remove_at(cuid, &path, removal).await };
        self.change_files(cuid, id, change).await?;
        Ok(Changed { cuid, path: shown, is_new: false })
    }

    /// Makes a folder in a container's mount.
    pub async fn make_folder(self: &Arc<Self>, id: &str, request: MakeFolder) -> Result<Changed> {
        let (cuid, mount_path) = self.mount(id)?;
        let path = read_path("path", &request.path, &mount_path)?;
        let shown = path.as_str().to_owned();
        let making = Making { parents: request.parents };
        let change = move |files: Files| async move { files.make_folder(cuid, &path, making).await };
        let is_new = self.change_files(cuid, id, change).await?;
        Ok(Changed { cuid, path: shown, is_new })
    }

    /// Moves something within a container's mount.
    pub async fn move_file(self: &Arc<Self>, id: &str, request: MoveFile) -> Result<Moved> {
        let (cuid, mount_path) = self.mount(id)?;
        let from = read_path("from", &request.from, &mount_path)?;
        let to = read_path("to", &request.to, &mount_path)?;
        let moved = Moved { cuid, from: from.as_str().to_owned(), to: to.as_str().to_owned() };
        let moving = Moving { overwrite: request.overwrite };
        let change = move |files: Files| async move { files.relocate(cuid, &from, &to, moving).await };
        self.change_files(cuid, id, change).await?;
        Ok(moved)
    }

    /// Runs a change of files in the container's turn, if the container is still there by then.
    async fn change_files<T, Changing>(
        self: &Arc<Self>,
        cuid: Cuid,
        id: &str,
        change: impl FnOnce(Files) -> Changing + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        Changing: Future<Output = std::result::Result<T, FilesError>> + Send,
    {
        let (service, id) = (Arc::clone(self), id.to_owned());
        let turn = async move {
            service.catalog.get(cuid).ok_or_else(|| Error::no_container(&id))?;
            Ok(change(service.parts.files.clone()).await?)
        };
        self.turns.run(cuid, turn).await
    }
}

/// Reads a path; an error names the field or parameter that it stood in.
fn read_path(field: &str, text: &str, mount_path: &str) -> Result<MountPath> {
    MountPath::parse(text, Some(mount_path)).map_err(|error| Error::from(error).with("field", field))
}

/// The name after which a page begins.
fn parse_cursor(text: &str) -> Result<Vec<u8>> {
    let name = URL_SAFE_NO_PAD.decode(text).ok();
    let is_name = |name: &Vec<u8>| !name.is_empty() && !name.contains(&b'/') && !name.contains(&0);
    name.filter(is_name).ok_or_else(|| {
        let message = "cursor is not one that this API gave out: take next_cursor of a page";
        Error::new(Code::InvalidCursor, message).with("field", "cursor").with("provided", text)
    })
}
