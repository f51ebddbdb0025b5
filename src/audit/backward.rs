//! A file's lines, the last one first, with no more of them in memory than a block.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memrchr;

/// How much is read at once.
const BLOCK: u64 = 256 * 1024;
/// No line of the log is longer; what is comes from someone else, and is taken for pieces that are no lines.
pub(super) const MOST_LINE: u64 = 8 * 1024 * 1024;

/// The lines that end at or before a place in a file.
pub(super) struct Backward {
    file: File,
    /// What was read and not told yet.
    bytes: Vec<u8>,
    /// Where `bytes` begins in the file.
    start: u64,
}

impl Backward {
    /// The lines before `end`. What comes after the last line feed before it is a line that is being written.
    pub(super) fn new(file: File, end: u64) -> io::Result<Self> {
        let mut lines = Self { file, bytes: Vec::new(), start: end };
        loop {
            if let Some(at) = memrchr(b'\n', &lines.bytes) {
                lines.bytes.truncate(at + 1);
                return Ok(lines);
            }
            lines.bytes.clear();
            if lines.start == 0 {
                return Ok(lines);
            }
            lines.read_more()?;
        }
    }

    /// The place after the lines that were not told yet.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The next line, without its line feed, and the bytes that it takes; none: there is none before.
    pub(super) fn next(&mut self) -> io::Result<Option<(Vec<u8>, u64)>> {
        loop {
            let Some(last) = self.bytes.len().checked_sub(1) else {
                if self.start == 0 {
                    return Ok(None);
                }
                self.read_more()?;
                continue;
            };
            let begin = match memrchr(b'\n', &self.bytes[..last]) {
                Some(at) => at + 1,
                None if self.start == 0 || self.bytes.len() as u64 > MOST_LINE => 0,
                None => {
                    self.read_more()?;
                    continue;
                }
            };
            let mut line = self.bytes.split_off(begin);
            let length = line.len() as u64;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            return Ok(Some((line, length)));
        }
    }

    /// Puts the block before in front of what is there.
    fn read_more(&mut self) -> io::Result<()> {
        let start = self.start.saturating_sub(BLOCK);
        let length = usize::try_from(self.start - start).unwrap_or_default();
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        bytes.append(&mut self.bytes);
        (self.bytes, self.start) = (bytes, start);
        Ok(())
    }
}
