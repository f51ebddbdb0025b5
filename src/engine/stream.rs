//! What an exec, a container or its log prints, and what is typed to it.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::demux::Demux;

/// How much is read at once, in bytes; no piece is larger.
pub const PIECE: usize = 32 * 1024;

/// The reading half of a connection to the engine.
pub type Reader = Pin<Box<dyn AsyncRead + Send>>;
/// The writing half; shutting it down is the end of input.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Which of a process's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdStream {
    /// Standard output, and everything of a terminal.
    Out,
    /// Standard error.
    Err,
}

/// Some bytes of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where they were printed.
    pub stream: StdStream,
    /// What was printed, never empty and at most [`PIECE`] long.
    pub bytes: Bytes,
}

/// The output of something that runs.
pub struct Output {
    reader: Reader,
    demux: Option<Demux>,
    buffer: Vec<u8>,
    /// What was read and not yet taken: its length, 0 for the end.
    read: Option<io::Result<usize>>,
}

impl Output {
    /// Output of something with a terminal: bytes as they are, whatever they look like.
    #[must_use]
    pub fn raw(reader: Reader) -> Self {
        Self { reader, demux: None, buffer: vec![0; PIECE], read: None }
    }

    /// Output of something without a terminal: the engine's frames.
    #[must_use]
    pub fn framed(reader: Reader) -> Self {
        Self { demux: Some(Demux::default()), ..Self::raw(reader) }
    }

    /// Raw or framed, as whatever prints has a terminal or not. It is never guessed from the bytes.
    #[must_use]
    pub fn of(reader: Reader, has_tty: bool) -> Self {
        if has_tty { Self::raw(reader) } else { Self::framed(reader) }
    }

    /// Waits until there is something to take, or the end. Nothing is lost when the future is dropped.
    pub async fn ready(&mut self) {
        if self.read.is_none() {
            self.read = Some(self.reader.read(&mut self.buffer).await);
        }
    }

    /// The next pieces, or nothing at the end. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> io::Result<Option<Vec<Piece>>> {
        self.ready().await;
        let length = self.read.take().unwrap_or(Ok(0))?;
        if length == 0 {
            return Ok(None);
        }
        let read = Bytes::copy_from_slice(&self.buffer[..length]);
        let Some(demux) = &mut self.demux else {
            return Ok(Some(vec![Piece { stream: StdStream::Out, bytes: read }]));
        };
        let mut pieces = Vec::new();
        demux.feed(&read, &mut pieces).map_err(io::Error::other)?;
        Ok(Some(pieces))
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Output").field("framed", &self.demux.is_some()).finish_non_exhaustive()
    }
}
