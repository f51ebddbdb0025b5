//! A file read by position, with what stands around the last place kept: headers and small entries are neighbours.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How many bytes are kept; whoever wants as many at once reads them without.
const WINDOW: usize = 64 << 10;

/// The bytes of a file that were read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    at: u64,
}

impl Window {
    /// The bytes from a place on, as far as they are kept; they are read anew where none is. None at the file's end.
    fn near(&mut self, file: &File, at: u64) -> io::Result<&[u8]> {
        if at < self.at || at >= self.at + self.bytes.len() as u64 {
            self.bytes.resize(WINDOW, 0);
            let read = file.read_at(&mut self.bytes, at);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            self.at = at;
            read?;
        }
        let from = usize::try_from(at - self.at).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..).unwrap_or_default())
    }

    /// Fills the buffer with what stands at a place.
    pub(super) fn read_exact(&mut self, file: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut reader = SharedRead { file, window: self, at };
        reader.read_exact(buffer)
    }
}

/// A place in a file.
struct SharedRead<'a> {
    file: &'a File,
    window: &'a mut Window,
    at: u64,
}

impl Read for SharedRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if buffer.len() >= WINDOW {
            self.file.read_at(buffer, self.at)?
        } else {
            self.window.near(self.file, self.at)?.read(buffer)?
        };
        self.at += read as u64;
        Ok(read)
    }
}

/// The upload's file, read by position: clones share the file, not the place.
#[derive(Clone, Debug)]
pub(super) struct SharedFile {
    file: Arc<File>,
    len: u64,
    at: u64,
    window: Window,
}

impl SharedFile {
    pub(super) fn new(file: File, len: u64) -> Self {
        Self { file: Arc::new(file), len, at: 0, window: Window::default() }
    }

    /// The same file, read from a place on.
    pub(super) fn at(&self, at: u64) -> Self {
        Self { file: Arc::clone(&self.file), len: self.len, at, window: Window::default() }
    }
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reader = SharedRead { file: &self.file, window: &mut self.window, at: self.at };
        let read = reader.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
