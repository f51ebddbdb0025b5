//! The files of the log: the current one, and the full ones beside it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::FILE;

/// Which file it is, whatever its name: device and inode.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino())
}

/// A file of the log, as it was when they were listed.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    folder: PathBuf,
    /// 0: the current one; 1: the youngest full one.
    number: usize,
    identity: Identity,
}

impl Listed {
    /// Opens it, whatever it is called by now; none where it is gone. A file changes its name only to a higher number.
    pub(super) fn open(&self) -> io::Result<Option<File>> {
        let most = numbers(&self.folder)?.last().copied().unwrap_or_default();
        for number in self.number..=most.max(self.number) {
            let Some(file) = is_there(File::open(named(&self.folder, number)))? else { continue };
            if identity(&file.metadata()?) == self.identity {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }
}

/// All files of the log, the youngest first. Nobody may rotate them meanwhile.
pub(super) fn files(folder: &Path) -> io::Result<Vec<Listed>> {
    let mut found: Vec<Listed> = Vec::new();
    for number in std::iter::once(0).chain(numbers(folder)?) {
        let Some(metadata) = is_there(fs::metadata(named(folder, number)))? else { continue };
        let listed = Listed { folder: folder.to_owned(), number, identity: identity(&metadata) };
        // One that is half put aside has two names.
        if found.iter().all(|other| other.identity != listed.identity) {
            found.push(listed);
        }
    }
    Ok(found)
}

/// The name of a file; 0 is the current one, 1 the youngest full one.
fn named(folder: &Path, number: usize) -> PathBuf {
    folder.join(if number == 0 { FILE.to_owned() } else { format!("{FILE}.{number}") })
}

/// The numbers of the full files, in order.
fn numbers(folder: &Path) -> io::Result<Vec<usize>> {
    let mut found = Vec::new();
    for entry in is_there(fs::read_dir(folder))?.into_iter().flatten() {
        let name = entry?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(FILE)?.strip_prefix('.')?.parse::<usize>().ok());
        // One spelling each.
        found.extend(number.filter(|number| *number > 0 && *name == *format!("{FILE}.{number}")));
    }
    found.sort_unstable();
    Ok(found)
}

/// Gives the current file number 1 and those before it one number more, up to a number that is free, and an empty
/// file takes its name; the one that leaves the edge is gone. At every moment there is a current file, and every
/// line is in a file with a name; whatever is left half done, the next call or [`finish`] does the rest.
pub(super) fn put_aside(folder: &Path, keep: usize) -> io::Result<()> {
    if !is_half_done(folder)? {
        let taken = numbers(folder)?;
        // More are there when fewer are kept than before.
        for beyond in taken.iter().rev().filter(|number| **number > keep) {
            is_there(fs::remove_file(named(folder, *beyond)))?;
        }
        let free = (1..keep).find(|number| taken.binary_search(number).is_err()).unwrap_or(keep);
        for number in (1..free).rev() {
            fs::rename(named(folder, number), named(folder, number + 1))?;
        }
        if keep == 1 {
            is_there(fs::remove_file(named(folder, 1)))?;
        }
        fs::hard_link(named(folder, 0), named(folder, 1))?;
    }
    replace_current(folder)
}

/// Ends what [`put_aside`] had begun when the daemon was killed.
pub(super) fn finish(folder: &Path) -> io::Result<()> {
    if is_half_done(folder)? { replace_current(folder) } else { Ok(()) }
}

/// Whether the current file is the youngest full one as well.
fn is_half_done(folder: &Path) -> io::Result<bool> {
    let of = |number| {
        Ok::<_, io::Error>(is_there(fs::metadata(named(folder, number)))?.map(|found| identity(&found)))
    };
    let (current, aside) = (of(0)?, of(1)?);
    Ok(current.is_some() && current == aside)
}

/// An empty file takes the name of the current one, in one step.
fn replace_current(folder: &Path) -> io::Result<()> {
    let fresh = folder.join(format!(".{FILE}.new"));
    OpenOptions::new().write(true).create(true).truncate(true).open(&fresh)?;
    fs::rename(fresh, named(folder, 0))
}

/// What was found; none where there is nothing.
fn is_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
