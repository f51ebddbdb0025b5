//! The file manager's bodies and parameters, as they stand in the `OpenAPI` document.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::service::{Entry, EntryKind, Folder};

/// Which folder, and which part of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct ListFilesParams {
    /// The folder, relative to the mount; the root when it is left out. Without `..`.
    #[param(required = false, pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]*$")]
    path: String,
    /// The most entries of a page.
    #[param(required = false, minimum = 1, maximum = 10_000, default = 10_000)]
    limit: u32,
    /// `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

/// Which file.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct PutFileParams {
    /// The file, relative to the mount; a leading `/app/` means the same. Without `..`.
    #[param(pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]+$", example = "boot.py")]
    path: String,
}

/// What to remove.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct RemoveFileParams {
    /// The file, link or folder, relative to the mount; a leading `/app/` means the same. Without `..`.
    #[param(pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]+$", example = "old.log")]
    path: String,
    /// Removes a folder with all that is in it.
    #[param(required = false, default = false)]
    recursive: bool,
}

/// What has to be true of what is there; else 412.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `conditions` reads the values")]
pub struct ConditionParams {
    /// Entity tags of which it has to have one, or `*`: it has to be there.
    #[param(rename = "If-Match", required = false, example = "*")]
    matching: String,
    /// Entity tags of which it must have none, or `*`: nothing must be there.
    #[param(rename = "If-None-Match", required = false)]
    not_matching: String,
    /// A date after which it must not have been written to. Does not count beside `If-Match`.
    #[param(rename = "If-Unmodified-Since", required = false)]
    unmodified_since: String,
}

/// A folder to make. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = MakeFolder, example = json!({"path": "data/cache", "parents": true}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands in the OpenAPI document only")]
pub struct MakeFolderBody {
    /// The folder, relative to the mount; a leading `/app/` means the same. Without `..`.
    #[schema(pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]+$")]
    path: String,
    /// Makes the folders above it too, and lets one that is there already be, as `mkdir -p` does.
    #[schema(default = false)]
    parents: Option<bool>,
}

/// Something to move. Unknown fields are refused.
#[derive(ToSchema)]
#[schema(as = MoveFile, example = json!({"from": "new.conf", "to": "app.conf", "overwrite": true}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands in the OpenAPI document only")]
pub struct MoveFileBody {
    /// The file, link or folder, relative to the mount; a leading `/app/` means the same. Without `..`.
    #[schema(pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]+$")]
    from: String,
    /// The path that it is to have, with its name; the folder has to be there.
    #[schema(pattern = r"^(?!(.*/)?\.\.(/|$))[^\u0000-\u001f\u007f-\u009f]+$")]
    to: String,
    /// Takes the place of a file or a link, or, where a folder is moved, of an empty folder.
    #[schema(default = false)]
    overwrite: Option<bool>,
}

/// One page of a folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Folder)]
pub struct FolderBody {
    /// The container.
    pub cuid: String,
    /// The folder, relative to the mount.
    #[schema(example = "data")]
    pub path: String,
    /// What it holds, by the bytes of the names.
    pub entries: Vec<EntryBody>,
    /// Send it as `cursor` for the next page; `null`: this is the last.
    pub next_cursor: Option<String>,
    /// How many entries there are on all pages.
    pub total: u64,
}

/// One thing in a folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub struct EntryBody {
    /// Its name. What is not UTF-8 in it is shown as U+FFFD.
    #[schema(example = "boot.py")]
    pub name: String,
    /// The bytes of a name that is not UTF-8; such a thing cannot be named in a path. `null` for all others.
    pub name_base64: Option<String>,
    /// What it is; a link itself, not what it leads to.
    #[serde(rename = "type")]
    pub kind: EntryWord,
    /// Its size in bytes.
    pub size: u64,
    /// Its mode, octal, with setuid, setgid and sticky.
    #[schema(pattern = "^[0-7]{4}$", example = "0644")]
    pub mode: String,
    /// When it was last written to; `null` outside the years 0 to 9999.
    #[schema(format = DateTime)]
    pub modified: Option<String>,
    /// Where a symbolic link leads, as it is written there; `null` for all others.
    pub target: Option<String>,
}

/// What a thing in a folder is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EntryType)]
pub enum EntryWord {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a device or a socket.
    Other,
}

/// A file that was put.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PutFile)]
pub struct PutBody {
    /// The container.
    pub cuid: String,
    /// The file, relative to the mount.
    #[schema(example = "boot.py")]
    pub path: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its entity tag, as a download shows it.
    pub etag: String,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedFile)]
pub struct RemovedBody {
    /// The container.
    pub cuid: String,
    /// What was removed, relative to the mount.
    pub path: String,
    /// Always `true`.
    pub deleted: bool,
}

/// A folder that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeFolder)]
pub struct MadeBody {
    /// The container.
    pub cuid: String,
    /// The folder, relative to the mount.
    pub path: String,
}

/// What was moved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MovedFile)]
pub struct MovedBody {
    /// The container.
    pub cuid: String,
    /// Its old path, relative to the mount.
    pub from: String,
    /// Its new path, relative to the mount.
    pub to: String,
}

impl From<Folder> for FolderBody {
    fn from(folder: Folder) -> Self {
        Self {
            cuid: folder.cuid.to_string(),
            path: folder.path,
            entries: folder.listing.entries.into_iter().map(EntryBody::from).collect(),
            next_cursor: folder.next_cursor,
            total: folder.listing.total,
        }
    }
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let is_text = name.as_bytes() == entry.name;
        Self {
            name_base64: (!is_text).then(|| STANDARD.encode(&entry.name)),
            name,
            kind: match entry.kind {
                EntryKind::File => EntryWord::File,
                EntryKind::Directory => EntryWord::Directory,
                EntryKind::Symlink => EntryWord::Symlink,
                EntryKind::Other => EntryWord::Other,
            },
            size: entry.size,
            mode: format!("{:04o}", entry.mode),
            modified: local(entry.modified),
            target: entry.target.map(|target| String::from_utf8_lossy(&target).into_owned()),
        }
    }
}

/// A time with the local offset, to the millisecond, where four digits hold its year.
fn local(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?.to_zoned(jiff::tz::TimeZone::system());
    (0..=9999).contains(&time.year()).then(|| time.strftime("%FT%T%.3f%:z").to_string())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{EntryBody, local};
    use crate::service::{Entry, EntryKind};

    #[test]
    fn a_name_that_is_not_utf_8_is_shown_and_told_byte_by_byte() {
        let entry = |name: &[u8]| Entry {
            name: name.to_vec(),
            kind: EntryKind::File,
            size: 0,
            mode: 0o4755,
            modified: SystemTime::UNIX_EPOCH,
            target: None,
        };
        let body = EntryBody::from(entry(b"caf\xe9"));
        assert_eq!((body.name.as_str(), body.name_base64.as_deref()), ("caf\u{fffd}", Some("Y2Fm6Q==")));
        assert_eq!(body.mode, "4755");
        // The replacement character itself is a name like any other.
        let body = EntryBody::from(entry("caf\u{fffd}".as_bytes()));
        assert_eq!((body.name.as_str(), body.name_base64), ("caf\u{fffd}", None));
    }

    #[test]
    fn a_time_that_rfc_3339_cannot_write_is_none() {
        assert!(local(SystemTime::UNIX_EPOCH).unwrap().contains('T'));
        assert_eq!(local(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }
}
