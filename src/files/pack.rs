//! A folder of a mount as a zip that is made while it is sent.
//!
//! Files and links carry their names' raw bytes, also when those are not UTF-8. The zip crate takes
//! folder names as text only, so a folder whose name is not UTF-8 ends the stream with an error: to
//! leave it out would lose it in silence.

mod entries;
mod walk;
mod writer;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use rustix::fd::OwnedFd;
use tokio::sync::mpsc;

use super::error::FilesError;
use super::limits::PackLimits;
use writer::{Message, Outlet};

/// How many chunks may wait for the receiver.
const WAITING: usize = 8;

/// Where the stream of a zip stands.
enum Pack {
    /// Nobody has asked for a byte yet, so nothing is read.
    Waiting(OwnedFd, PackLimits),
    /// The writer is at work.
    Running(mpsc::Receiver<Message>),
    /// The last word is said.
    Ended,
}

/// Packs the folder. The writer starts when the first byte is asked for, runs on a blocking thread for as
/// long as the receiver takes, waits when it is slow, and ends at the next chunk when it is gone.
pub(super) fn pack(
    folder: OwnedFd,
    limits: PackLimits,
) -> impl Stream<Item = Result<Bytes, FilesError>> + Send {
    unfold(Pack::Waiting(folder, limits), |pack| async move {
        let mut receiver = match pack {
            Pack::Waiting(folder, limits) => start(folder, limits),
            Pack::Running(receiver) => receiver,
            Pack::Ended => return None,
        };
        match receiver.recv().await {
            Some(Message::Chunk(bytes)) => Some((Ok(bytes), Pack::Running(receiver))),
            Some(Message::Failed(error)) => Some((Err(error), Pack::Ended)),
            Some(Message::End) => None,
            // The writer is gone without a word: what was sent is no whole zip.
            None => Some((Err(FilesError::Interrupted), Pack::Ended)),
        }
    })
}

fn start(folder: OwnedFd, limits: PackLimits) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(|| run(&folder, limits, &sender)));
    receiver
}

fn run(folder: &OwnedFd, limits: PackLimits, sender: &mpsc::Sender<Message>) {
    let (outlet, valve) = Outlet::new(sender.clone());
    let last = match walk::write_zip(folder, limits, outlet, &valve) {
        Ok(()) => Message::End,
        Err(error) => Message::Failed(error),
    };
    // When the receiver is gone nobody wants to know.
    let _ = sender.blocking_send(last);
}
