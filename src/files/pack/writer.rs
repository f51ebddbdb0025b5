//! The end of the zip writer that leads to the receiver.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::super::error::FilesError;

/// How many bytes are sent at once.
const CHUNK: usize = 64 << 10;

/// What the writer says to the receiver.
#[derive(Debug)]
pub(super) enum Message {
    /// The next bytes.
    Chunk(Bytes),
    /// What was sent so far is no whole zip.
    Failed(FilesError),
    /// The zip is whole.
    End,
}

/// Closes an outlet. The zip writer writes an end record when it is dropped, also after an error; a
/// closed outlet swallows it, so that half a zip never looks like a whole one.
#[derive(Clone, Debug, Default)]
pub(super) struct Valve(Arc<AtomicBool>);

impl Valve {
    /// Lets nothing more through.
    pub(super) fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A writer that sends chunks over the channel.
#[derive(Debug)]
pub(super) struct Outlet {
    sender: mpsc::Sender<Message>,
    valve: Valve,
    buffer: BytesMut,
}

impl Outlet {
    /// An outlet and the valve that closes it.
    pub(super) fn new(sender: mpsc::Sender<Message>) -> (Self, Valve) {
        let valve = Valve::default();
        (Self { sender, valve: valve.clone(), buffer: BytesMut::with_capacity(CHUNK) }, valve)
    }

    /// Sends what is left.
    pub(super) fn send(&mut self) -> io::Result<()> {
        let chunk = self.buffer.split().freeze();
        self.buffer.reserve(CHUNK);
        let sent = self.sender.blocking_send(Message::Chunk(chunk));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the receiver is gone"))
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.valve.0.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
