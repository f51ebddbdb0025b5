//! A note in staging of which folder is being replaced, so that a start after a crash finishes it.
//!
//! While the old children move out the note is called `clearing`, and a restart puts them back. Once they
//! are all out it is called `placing`, and a restart moves the rest of the new ones in.

use std::fs::File;
use std::io::{Read, Write};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, fsync, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::super::error::FilesError;
use super::super::mount::{FOLDER, Mount, open_beneath, read_folder};
use super::super::path::MountPath;
use super::super::staging::{Stage, Staging};
use super::super::unpack::Destination;
use super::moves::move_all;
use super::{OLD, TREE};
use crate::container::Cuid;

const CLEARING: &str = "clearing";
const PLACING: &str = "placing";

/// The note of a replacement under way.
#[derive(Debug)]
pub(super) struct Intent {
    name: &'static str,
}

impl Intent {
    /// Notes that the folder is about to be emptied.
    pub(super) fn begin(stage: &Stage, to: &Destination) -> Result<Self, FilesError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(stage.folder(), CLEARING, flags, Mode::from_raw_mode(0o600));
        let mut file = File::from(file.map_err(FilesError::on("note the replacement"))?);
        let text = format!("{}\n{}", to.cuid, to.path.as_str());
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| FilesError::io("note the replacement", error))?;
        sync_stage(stage)?;
        Ok(Self { name: CLEARING })
    }

    /// Notes that the folder is empty now.
    pub(super) fn place(&mut self, stage: &Stage) -> Result<(), FilesError> {
        renameat(stage.folder(), CLEARING, stage.folder(), PLACING)
            .map_err(FilesError::on("note the replacement"))?;
        self.name = PLACING;
        sync_stage(stage)
    }

    /// Removes the note: the folder is whole, with the new or the old children.
    pub(super) fn end(self, stage: &Stage) -> Result<(), FilesError> {
        unlinkat(stage.folder(), self.name, AtFlags::empty())
            .map_err(FilesError::on("note the replacement"))?;
        sync_stage(stage)
    }
}

fn sync_stage(stage: &Stage) -> Result<(), FilesError> {
    let staging = stage.staging().folder();
    let synced = fsync(stage.folder()).and_then(|()| fsync(staging));
    synced.map_err(FilesError::on("write a folder to the disk"))
}

/// Ends the replacements that a crash broke off. What cannot be ended stays in staging, with an error in
/// the log: it may hold the only copy of a folder's files.
///
/// Answers the names of the stages to keep.
pub(in super::super) fn recover(staging: &Staging, mounts: &OwnedFd) -> Result<Vec<Vec<u8>>, FilesError> {
    let mut kept = Vec::new();
    for entry in read_folder(staging.folder()).map_err(FilesError::on("read the staging folder"))? {
        let entry = entry.map_err(FilesError::on("read the staging folder"))?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let Ok(stage) = open_beneath(staging.folder(), name, FOLDER) else { continue };
        if let Err(error) = recover_one(&stage, mounts) {
            tracing::error!(stage = %name.to_string_lossy(), %error, "a broken-off upload could not be ended; its files stay in staging");
            kept.push(name.to_bytes().to_vec());
        }
    }
    Ok(kept)
}

fn recover_one(stage: &OwnedFd, mounts: &OwnedFd) -> Result<(), FilesError> {
    if let Some((cuid, path)) = read_note(stage, CLEARING)? {
        let Some(folder) = open_replaced(mounts, cuid, &path)? else { return Ok(()) };
        if let Ok(old) = open_beneath(stage, OLD, FOLDER) {
            move_all(&old, &folder, &path)?;
        }
        remove_note(stage, CLEARING)?;
    }
    if let Some((cuid, path)) = read_note(stage, PLACING)? {
        let Some(folder) = open_replaced(mounts, cuid, &path)? else { return Ok(()) };
        let tree = open_beneath(stage, TREE, FOLDER).map_err(FilesError::on("open a folder in staging"))?;
        if let Ok(new) = open_beneath(&tree, path.as_relative(), FOLDER) {
            move_rest(&new, &folder)?;
        }
        remove_note(stage, PLACING)?;
    }
    Ok(())
}

/// Moves in what had not been moved yet. A file that the container made in the meantime gives way; a
/// folder that it made stays.
fn move_rest(new: &OwnedFd, folder: &OwnedFd) -> Result<(), FilesError> {
    for entry in read_folder(new).map_err(FilesError::on("read the folder"))? {
        let entry = entry.map_err(FilesError::on("read the folder"))?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        let moved = match renameat_with(new, name, folder, name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => renameat(new, name, folder, name),
            done => done,
        };
        match moved {
            Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => {}
            Err(errno) => return Err(FilesError::io("move a file into place", errno)),
        }
    }
    fsync(folder).map_err(FilesError::on("write a folder to the disk"))
}

/// The folder that was being replaced; none when its container is gone.
fn open_replaced(mounts: &OwnedFd, cuid: Cuid, path: &MountPath) -> Result<Option<OwnedFd>, FilesError> {
    match Mount::open(mounts, cuid) {
        Ok(mount) => mount.open_folder(path).map(Some),
        Err(FilesError::NoMount) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_note(stage: &OwnedFd, name: &str) -> Result<Option<(Cuid, MountPath)>, FilesError> {
    let file = match openat(stage, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(FilesError::io("read the note of a replacement", errno)),
    };
    let mut text = String::new();
    file.take(8192)
        .read_to_string(&mut text)
        .map_err(|error| FilesError::io("read the note of a replacement", error))?;
    // A note that was not written to its end was written before anything was moved.
    let Some((cuid, path)) = text.split_once('\n') else { return Ok(None) };
    let Ok(cuid) = cuid.parse() else { return Ok(None) };
    Ok(Some((cuid, MountPath::parse(path, None)?)))
}

fn remove_note(stage: &OwnedFd, name: &str) -> Result<(), FilesError> {
    unlinkat(stage, name, AtFlags::empty())
        .and_then(|()| fsync(stage))
        .map_err(FilesError::on("remove the note of a replacement"))
}
