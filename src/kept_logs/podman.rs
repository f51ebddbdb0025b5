//! The log of a container as Podman writes it to its own file: what keeps it when it goes with its container.

use std::io;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::engine::StdStream;
use crate::engine::logs::Message;

/// The longest line that is taken for one; Podman cuts them at some KiB.
const LONGEST: usize = 1024 * 1024;
/// How many messages are passed on at a time.
const BATCH: usize = 256;

/// A log file that is open: it can be read also when it has been removed since.
pub struct PodmansLog {
    reader: BufReader<File>,
}

impl PodmansLog {
    /// Opens the file that Podman names in its description of the container.
    pub async fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: BufReader::new(File::open(path).await?) })
    }

    /// The next messages, or nothing at the end.
    pub async fn next(&mut self) -> io::Result<Option<Vec<Message>>> {
        let mut messages = Vec::new();
        let mut line = Vec::new();
        while messages.len() < BATCH && self.reader.read_until(b'\n', &mut line).await? > 0 {
            let message = message(&line).filter(|_| line.len() <= LONGEST);
            messages
                .push(message.ok_or_else(|| io::Error::other("the log file has a line of another form"))?);
            line.clear();
        }
        Ok(Some(messages).filter(|messages| !messages.is_empty()))
    }
}

/// A line `<time> stdout F <text>`, `P` for one that was printed without a line end. Podman's API tells of its time
/// the second only; here too, so that what was read by either is known by the other.
fn message(line: &[u8]) -> Option<Message> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let at: Timestamp = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let stream = match parts.next()? {
        b"stdout" => StdStream::Out,
        b"stderr" => StdStream::Err,
        _ => return None,
    };
    let (is_whole, text) = (parts.next()? == b"F", parts.next()?);
    let end: &[u8] = if is_whole { b"\n" } else { b"" };
    let at = Timestamp::from_second(at.as_second()).ok()?;
    Some(Message { stream, at, bytes: Bytes::from([text, end].concat()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_podman_writes_them() {
        let told = |line: &[u8]| message(line).map(|told| (told.stream, told.at.to_string(), told.bytes));
        let at = "2026-11-22T07:31:03Z".to_owned();
        let line = b"2026-11-22T07:31:03.118340288+00:00 stdout F two words\n";
        assert_eq!(told(line), Some((StdStream::Out, at.clone(), "two words\n".into())));
        let line = b"2026-11-22T08:31:03.5+01:00 stderr P part\n";
        assert_eq!(told(line), Some((StdStream::Err, at.clone(), "part".into())));
        assert_eq!(told(b"2026-11-22T07:31:03Z stdout F \n"), Some((StdStream::Out, at, "\n".into())));
        for line in [&b"\n"[..], b"2026-11-22T07:31:03Z stdout F", b"now stdout F x\n", b"{}\n"] {
            assert_eq!(told(line), None);
        }
    }

    #[tokio::test]
    async fn a_file_that_was_removed_is_read_to_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = "2026-11-22T07:31:03Z stdout F x\n";
        std::fs::write(file.path(), line.repeat(300)).unwrap();
        let mut log = PodmansLog::open(file.path()).await.unwrap();
        drop(file);
        let mut count = 0;
        while let Some(messages) = log.next().await.unwrap() {
            count += messages.len();
        }
        assert_eq!(count, 300);
    }
}
