//! The walk over a folder that its container changes meanwhile: no recursion, three descriptors.

use std::fs::File;
use std::io::{Read, Write};

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat, fstat, readlinkat};
use rustix::io::Errno;
use zip::DateTime;

use super::super::error::{FilesError, shown};
use super::super::limits::PackLimits;
use super::super::mount::{FOLDER, HANDLE, kind_of, open_beneath, read_folder, reopen};
use super::entries::{Entries, Entry, Options, SMALL, zip_failed};
use super::writer::{Outlet, Valve};

/// From this size on an entry gets zip64 sizes; below 4 GiB, since deflate can also make data larger.
const LARGE: u64 = (4 << 30) - (64 << 20);

type Name = [u8];

/// A walk under way.
struct Walk<'a, 'scope, 'env> {
    root: &'a OwnedFd,
    zip: Entries<'scope, 'env>,
    limits: PackLimits,
    entries: u64,
    bytes: u64,
    pending: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

/// Writes the folder as a zip. After an error nothing more leaves the outlet.
pub(super) fn write_zip(
    root: &OwnedFd,
    limits: PackLimits,
    outlet: Outlet,
    valve: &Valve,
) -> Result<(), FilesError> {
    let written = std::thread::scope(|scope| {
        let zip = Entries::new(scope, outlet);
        let mut walk = Walk {
            root,
            zip,
            limits,
            entries: 0,
            bytes: 0,
            pending: vec![Vec::new()],
            buffer: vec![0; SMALL],
        };
        // Before the zip is dropped, which would end it as if it were whole.
        let walked = walk.all().inspect_err(|_| valve.close());
        walked.and_then(|()| walk.zip.finish(valve))
    });
    written?.send().map_err(|error| FilesError::io("send the zip", error))
}

impl Walk<'_, '_, '_> {
    fn all(&mut self) -> Result<(), FilesError> {
        while let Some(path) = self.pending.pop() {
            let opened =
                open_beneath(self.root, if path.is_empty() { b"." } else { path.as_slice() }, FOLDER);
            let folder = match opened {
                Ok(folder) => folder,
                // Removed since its parent was read, or another file system.
                Err(Errno::NOENT | Errno::XDEV) => continue,
                Err(Errno::LOOP | Errno::NOTDIR | Errno::AGAIN) => {
                    return Err(FilesError::Changed { path: shown(&path) });
                }
                Err(errno) => return Err(FilesError::io("open a folder", errno)),
            };
            if !path.is_empty() {
                self.add_folder(&path, &folder)?;
            }
            self.read(&path, &folder)?;
        }
        Ok(())
    }

    fn read(&mut self, path: &Name, folder: &OwnedFd) -> Result<(), FilesError> {
        let action = "read a folder";
        for entry in read_folder(folder).map_err(FilesError::on(action))? {
            let entry = entry.map_err(FilesError::on(action))?;
            let name = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            let handle = match open_beneath(folder, name, HANDLE) {
                Ok(handle) => handle,
                Err(Errno::NOENT | Errno::XDEV) => continue,
                Err(errno) => return Err(FilesError::io("open a file", errno)),
            };
            let stat = fstat(&handle).map_err(FilesError::on("look at a file"))?;
            let child = join(path, name.to_bytes());
            match kind_of(&stat) {
                FileType::Directory => self.postpone(child)?,
                FileType::RegularFile => self.add_file(&child, &handle)?,
                FileType::Symlink => self.add_link(&child, &handle, &stat)?,
                // FIFOs, devices and sockets have no place in a zip.
                _ => {}
            }
        }
        Ok(())
    }

    fn postpone(&mut self, path: Vec<u8>) -> Result<(), FilesError> {
        self.count_entry()?;
        let depth = path.split(|byte| *byte == b'/').count();
        if depth > self.limits.depth || path.len() > super::super::path::LONGEST_PATH - 1 {
            return Err(FilesError::TreeTooLarge {
                what: "levels of folders",
                limit: self.limits.depth as u64,
            });
        }
        self.pending.push(path);
        Ok(())
    }

    fn add_folder(&mut self, path: &Name, folder: &OwnedFd) -> Result<(), FilesError> {
        let Ok(name) = std::str::from_utf8(path) else {
            return Err(FilesError::NameNotUtf8 { path: shown(path) });
        };
        let stat = fstat(folder).map_err(FilesError::on("look at a folder"))?;
        let options = options(&stat)?.unix_permissions(stat.st_mode);
        self.zip.add(Entry::Folder(name.to_owned(), options))
    }

    fn add_link(&mut self, path: &Name, handle: &OwnedFd, stat: &Stat) -> Result<(), FilesError> {
        self.count_entry()?;
        let target = readlinkat(handle, "", Vec::new()).map_err(FilesError::on("read a symbolic link"))?;
        self.zip.add(Entry::Link(path.to_vec(), options(stat)?, target.into_bytes()))
    }

    fn add_file(&mut self, path: &Name, handle: &OwnedFd) -> Result<(), FilesError> {
        self.count_entry()?;
        let file = File::from(reopen(handle).map_err(FilesError::on("open a file"))?);
        let stat = fstat(&file).map_err(FilesError::on("look at a file"))?;
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > self.limits.bytes {
            return Err(FilesError::TreeTooLarge { what: "bytes", limit: self.limits.bytes });
        }
        let options = options(&stat)?.unix_permissions(stat.st_mode).large_file(len >= LARGE);
        let changed = || FilesError::Changed { path: shown(path) };
        // Exactly so many bytes: of a file that grew no more, and one that shrank is an error.
        let mut bytes = file.take(len);
        if let Some(len) = usize::try_from(len).ok().filter(|len| *len <= SMALL) {
            let mut data = Vec::with_capacity(len);
            let read = bytes.read_to_end(&mut data).map_err(|error| FilesError::io("read a file", error))?;
            return if read < len {
                Err(changed())
            } else {
                self.zip.add(Entry::File(path.to_vec(), options, data))
            };
        }
        let zip = self.zip.large(path, options)?;
        while bytes.limit() > 0 {
            match bytes.read(&mut self.buffer) {
                Ok(0) => return Err(changed()),
                Ok(read) => zip
                    .write_all(&self.buffer[..read])
                    .map_err(|error| FilesError::io("send the zip", error))?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FilesError::io("read a file", error)),
            }
        }
        Ok(())
    }

    fn count_entry(&mut self) -> Result<(), FilesError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(FilesError::TreeTooLarge { what: "entries", limit: self.limits.entries });
        }
        Ok(())
    }
}

fn join(folder: &Name, name: &Name) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, name].join(&b'/') }
}

/// The options that carry a thing's time: exact to the second as an extended timestamp, and as a DOS time
/// in UTC for readers that know no better.
fn options(stat: &Stat) -> Result<Options, FilesError> {
    let mut options = Options::default().last_modified_time(dos_time(stat.st_mtime));
    if let Ok(seconds) = i32::try_from(stat.st_mtime) {
        let mut field = vec![1];
        field.extend_from_slice(&seconds.to_le_bytes());
        options.add_extra_field(0x5455, field, false).map_err(zip_failed)?;
    }
    Ok(options)
}

fn dos_time(seconds: i64) -> DateTime {
    let moment =
        jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC));
    let converted = moment.and_then(|moment| {
        let part = |value: i8| u8::try_from(value).unwrap_or(0);
        let year = u16::try_from(moment.year()).ok()?;
        let (month, day) = (part(moment.month()), part(moment.day()));
        let (hour, minute, second) = (part(moment.hour()), part(moment.minute()), part(moment.second()));
        DateTime::from_date_and_time(year, month, day, hour, minute, second).ok()
    });
    converted.unwrap_or_default()
}
