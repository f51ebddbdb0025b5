//! The changes that a daemon began and did not live to write the end of.
//!
//! They are looked for from the line with which that daemon began. Where one ended in order with nothing under way,
//! from the line with which it ended: a start after that reads next to nothing, however long the log is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use memchr::{memchr, memmem};
use serde_json::{Map, Value};

use super::action::{CLOSE, Phase, now};
use super::aside::Listed;
use super::backward::MOST_LINE;

/// How much is read at once.
const BLOCK: u64 = 1024 * 1024;
/// How the lines of a daemon about itself are found. A quotation mark within a text is written with a backslash in
/// front of it, so that no text of a client looks like this.
const OF_DAEMON: &[u8] = b"\"action\":\"daemon.st";
const START: &[u8] = b"\"action\":\"daemon.start\"";
/// An answer that goes on as something else, and the end of that.
const SWITCHED: &[u8] = b"\"status\":101,";
const CLOSED: &[u8] = b"\"action\":\"terminal.close\"";
/// What the line of a daemon's end says of how much was under way.
pub(super) const OPEN: &str = "open";

const LOST: &str = "the daemon ended, or could not write its log, before it wrote what came of this: it may be done, \
                    done in part, or not begun";

/// An action without an outcome.
struct Left {
    /// The line of its intent.
    intent: Vec<u8>,
    /// The terminal is open: what is missing is its end.
    is_open: bool,
}

/// The intents without an outcome in the files (the youngest first), in the order in which they were made.
pub(super) fn find(files: &[Listed]) -> io::Result<Vec<Map<String, Value>>> {
    let mut left = BTreeMap::new();
    let mut to_read = Vec::new();
    for listed in files {
        let Some(file) = listed.open()? else { continue };
        let begin = last_begin(&file)?;
        to_read.push((file, begin.unwrap_or(0)));
        if begin.is_some() {
            break;
        }
    }
    for (mut file, begin) in to_read.into_iter().rev() {
        file.seek(SeekFrom::Start(begin))?;
        read(file, &mut left)?;
    }
    Ok(left.values().filter_map(whole).collect())
}

/// What is written of one: what its intent said, and what it came to.
pub(super) fn interrupted(mut told: Map<String, Value>) -> Map<String, Value> {
    let began_at = told.insert("timestamp".to_owned(), now().into());
    told.insert("phase".to_owned(), Phase::Interrupted.as_str().into());
    told.insert("message".to_owned(), LOST.into());
    told.insert("began_at".to_owned(), began_at.unwrap_or_default());
    told
}

fn whole(left: &Left) -> Option<Map<String, Value>> {
    let mut whole: Map<String, Value> = serde_json::from_slice(&left.intent).ok()?;
    if left.is_open {
        whole.insert("action".to_owned(), CLOSE.into());
    }
    Some(whole)
}

/// The last place in a file before which everything has an end: within the line that says so.
fn last_begin(file: &File) -> io::Result<Option<u64>> {
    let finder = memmem::Finder::new(OF_DAEMON);
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        // What stands across the border is found with the block before it.
        let mut block = vec![0; usize::try_from(end - start).unwrap_or_default() + OF_DAEMON.len() - 1];
        let length = read_at(file, &mut block, start)?;
        let places: Vec<u64> = finder.find_iter(&block[..length]).map(|at| start + at as u64).collect();
        for place in places.into_iter().rev() {
            if is_begin(file, place)? {
                return Ok(Some(place));
            }
        }
        end = start;
    }
    Ok(None)
}

/// Whether nothing before the line of a daemon about itself matters any more.
fn is_begin(file: &File, place: u64) -> io::Result<bool> {
    let mut rest = vec![0; 4096];
    let length = read_at(file, &mut rest, place)?;
    rest.truncate(length);
    let rest = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let none_open = format!("\"{OPEN}\":0}}");
    Ok(rest.starts_with(START) || rest.ends_with(none_open.as_bytes()))
}

/// Reads as much as there is.
fn read_at(file: &File, to: &mut [u8], place: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < to.len() {
        match file.read_at(&mut to[length..], place + length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Takes in the lines of a file, the oldest first.
fn read(file: File, left: &mut BTreeMap<Vec<u8>, Left>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(usize::try_from(BLOCK).unwrap_or_default(), file);
    let switched = memmem::Finder::new(SWITCHED);
    let closed = memmem::Finder::new(CLOSED);
    let mut line = Vec::new();
    while (&mut reader).take(MOST_LINE).read_until(b'\n', &mut line)? > 0 {
        if let Some((id, phase)) = head(&line) {
            if phase == Phase::Intent.as_str().as_bytes() {
                left.insert(id.to_vec(), Left { intent: line.clone(), is_open: false });
            } else if let Some(begun) = left.get_mut(id) {
                begun.is_open = switched.find(&line).is_some() && closed.find(&line).is_none();
                if !begun.is_open {
                    left.remove(id);
                }
            }
        }
        line.clear();
    }
    Ok(())
}

/// The id and the phase of a line, which stand at its beginning. Those of a log of many lines are found much faster
/// so than by reading each whole; a line that has none is of no change.
fn head(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = text(line.strip_prefix(b"{\"timestamp\":\"")?)?;
    let (id, rest) = text(rest.strip_prefix(b",\"id\":\"")?)?;
    let (phase, _) = text(rest.strip_prefix(b",\"phase\":\"")?)?;
    Some((id, phase))
}

/// The rest of a text without a quotation mark in it, and what comes after it.
fn text(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b'"', line)?;
    Some((&line[..end], &line[end + 1..]))
}
