//! One page of the log, the youngest line first. A place in it holds whatever is appended and put aside meanwhile.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::aside::Listed;
use super::backward::{Backward, MOST_LINE};
use super::search::{Line, Search, Sieve, Verdict};

/// The most bytes that are looked at for one page.
const MOST_READ: u64 = 64 * 1024 * 1024;
/// A page is full with this many bytes of lines as well.
const MOST_TOLD: u64 = 4 * 1024 * 1024;
/// How much of a file is read at once for its first line.
const STEP: usize = 4096;

/// A place between two lines: a file, which is known by its first line whatever its name, and how far into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    file: u128,
    offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}.{}", self.file, self.offset)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (file, offset) = text.split_once('.').ok_or(())?;
        let place = Self {
            file: u128::from_str_radix(file, 16).map_err(drop)?,
            offset: offset.parse().map_err(drop)?,
        };
        // One spelling each.
        if place.to_string() == text { Ok(place) } else { Err(()) }
    }
}

/// One page.
#[derive(Debug)]
pub struct Found {
    /// The lines, the youngest first.
    pub lines: Vec<Line>,
    /// Where the next page begins; none: there is nothing more. A page may have few lines, or none, and yet a next.
    pub next: Option<Place>,
}

/// A file that has a line.
struct Opened {
    file: File,
    first: Vec<u8>,
    mark: u128,
}

/// Reads a page from the files, the youngest first. A place in a file that was removed since has nothing before it.
pub(super) fn read(
    files: &[Listed],
    search: &Search,
    sees: &dyn Fn(Option<&str>) -> bool,
) -> io::Result<Found> {
    let sieve = Sieve::new(search, sees);
    let mut page = Page { found: Found { lines: Vec::new(), next: None }, told: 0, read: 0 };
    let mut before = search.before;
    for (at, listed) in files.iter().enumerate() {
        let Some(opened) = open(listed)? else { continue };
        if before.is_some_and(|place| place.file != opened.mark) {
            continue;
        }
        let length = opened.file.metadata()?.len();
        let end = before.take().map_or(length, |place| place.offset.min(length));
        if sieve.is_beyond(&opened.first) {
            continue;
        }
        if page.read(opened, end, &sieve, search.limit)? {
            // What is full with the first line of the oldest file has nothing before it.
            let has_more = at + 1 < files.len();
            page.found.next = page.found.next.filter(|place| place.offset > 0 || has_more);
            break;
        }
    }
    Ok(page.found)
}

struct Page {
    found: Found,
    told: u64,
    read: u64,
}

impl Page {
    /// Takes lines from a file; says whether the page has all that it is to have.
    fn read(&mut self, opened: Opened, end: u64, sieve: &Sieve<'_>, limit: usize) -> io::Result<bool> {
        let mut lines = Backward::new(opened.file, end)?;
        while let Some((line, length)) = lines.next()? {
            match sieve.judge(&line) {
                Verdict::TooOld => return Ok(true),
                Verdict::Other => {}
                Verdict::Told(told) => {
                    self.found.lines.push(*told);
                    self.told += length;
                }
            }
            self.read += length;
            if self.found.lines.len() >= limit || self.told >= MOST_TOLD || self.read >= MOST_READ {
                self.found.next = Some(Place { file: opened.mark, offset: lines.end() });
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Opens a file and reads its first line; none where it is gone or has none yet.
fn open(listed: &Listed) -> io::Result<Option<Opened>> {
    let Some(file) = listed.open()? else { return Ok(None) };
    let mut first = Vec::new();
    loop {
        let begin = first.len();
        first.resize(begin + STEP, 0);
        let length = file.read_at(&mut first[begin..], begin as u64)?;
        first.truncate(begin + length);
        if let Some(at) = memchr::memchr(b'\n', &first) {
            first.truncate(at);
            break;
        }
        if length == 0 || first.len() as u64 > MOST_LINE {
            return Ok(None);
        }
    }
    let mut mark = [0; 16];
    mark.copy_from_slice(&Sha256::digest(&first)[..16]);
    Ok(Some(Opened { file, first, mark: u128::from_be_bytes(mark) }))
}
