//! What a folder holds, page by page, in the order of names.
//!
//! A page reads all names of the folder and keeps the ones it shows: memory is that of a page, whatever a
//! container puts into its folder, and a name that comes or goes between pages moves no other.

use std::collections::BTreeSet;
use std::time::SystemTime;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use rustix::io::Errno;

use super::super::error::FilesError;
use super::super::mount::{Mount, kind_of, read_folder};
use super::super::open::time_of;
use super::super::path::MountPath;
use super::ATTEMPTS;

/// The most entries of a page.
pub const WHOLE_PAGE: usize = 10_000;
/// The most bytes of names and link targets of a page: ten thousand targets of 4 KiB are 40 MB.
const PAGE_BYTES: usize = 4 << 20;

/// Which part of a folder.
#[derive(Clone, Debug)]
pub struct Page {
    /// The most entries.
    pub limit: usize,
    /// The name after which it begins; none: the first page.
    pub after: Option<Vec<u8>>,
}

/// One page of a folder.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The entries, by the bytes of their names.
    pub entries: Vec<Entry>,
    /// The name after which the next page begins; none: this is the last.
    pub next: Option<Vec<u8>>,
    /// How many names the folder has.
    pub total: u64,
}

/// One thing in a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name: any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Its size in bytes.
    pub size: u64,
    /// Its permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// When it was last written to.
    pub modified: SystemTime,
    /// Where a link leads; none for everything else.
    pub target: Option<Vec<u8>>,
}

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a device or a socket.
    Other,
}

/// Lists a folder of a mount; refuses one with more than `most` names.
pub(super) fn list(mount: &Mount, path: &MountPath, page: &Page, most: u64) -> Result<Listing, FilesError> {
    let folder = mount.open_folder(path)?;
    let (mut names, total) = names(&folder, page, most)
        .map_err(FilesError::on("read the folder"))?
        .ok_or_else(|| FilesError::FolderTooLarge { path: path.shown(), limit: most })?;
    let mut has_more = names.len() > page.limit;
    if has_more {
        names.pop_last();
    }
    let mut listing = Listing { total, ..Listing::default() };
    let (mut bytes, mut last) = (0, None);
    for name in names {
        if bytes >= PAGE_BYTES {
            has_more = true;
            break;
        }
        if let Some(entry) = describe(&folder, &name).map_err(FilesError::on("look at a file"))? {
            bytes += name.len() + entry.target.as_ref().map_or(0, Vec::len);
            listing.entries.push(entry);
        }
        last = Some(name);
    }
    listing.next = last.filter(|_| has_more);
    Ok(listing)
}

/// The first names after where the page begins, one more than it shows, and how many there are in all;
/// none where there are more than `most`.
fn names(folder: &OwnedFd, page: &Page, most: u64) -> rustix::io::Result<Option<(BTreeSet<Vec<u8>>, u64)>> {
    let (mut names, mut total) = (BTreeSet::<Vec<u8>>::new(), 0);
    for entry in read_folder(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        total += 1;
        if total > most {
            return Ok(None);
        }
        let is_full = names.len() > page.limit;
        let is_before = page.after.as_deref().is_some_and(|after| name <= after);
        if is_before || (is_full && names.last().is_some_and(|last| name >= last.as_slice())) {
            continue;
        }
        names.insert(name.to_vec());
        if names.len() > page.limit + 1 {
            names.pop_last();
        }
    }
    Ok(Some((names, total)))
}

/// Describes what has a name; none when it is gone meanwhile.
fn describe(folder: &OwnedFd, name: &[u8]) -> rustix::io::Result<Option<Entry>> {
    for _ in 0..ATTEMPTS {
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if kind_of(&stat) != FileType::Symlink {
            return Ok(Some(entry(name, &stat, None)));
        }
        match readlinkat(folder, name, Vec::new()) {
            Ok(target) => return Ok(Some(entry(name, &stat, Some(target.into_bytes())))),
            // It is no link any more, or gone.
            Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(None)
}

fn entry(name: &[u8], stat: &Stat, target: Option<Vec<u8>>) -> Entry {
    let kind = match kind_of(stat) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::Other,
    };
    Entry {
        name: name.to_vec(),
        kind,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o7777,
        modified: time_of(stat.st_mtime, stat.st_mtime_nsec),
        target,
    }
}
