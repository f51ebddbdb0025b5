//! Tars on their way through: whether one has come to its end.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{Error, Result, Service};
use crate::codes::Code;
use crate::engine::EngineError;

/// How much is read at once, in bytes.
pub(super) const PIECE: usize = 64 * 1024;
/// The zeros that a tar ends with, in bytes.
const TRAILER: usize = 1024;

/// The last bytes of a tar so far.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    /// Takes the next bytes in.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.0.extend(&piece[piece.len().saturating_sub(TRAILER)..]);
        self.0.drain(..self.0.len().saturating_sub(TRAILER));
    }

    /// Whether they are those that a tar ends with.
    pub(super) fn is_end(&self) -> bool {
        self.0.len() == TRAILER && self.0.iter().all(|byte| *byte == 0)
    }
}

impl Service {
    /// Returns when there is no use in going on: the engine or the daemon goes away, or by `left` the client.
    pub(super) fn broken_off<L: Future<Output = ()>>(
        self: &Arc<Self>,
        left: L,
    ) -> impl Future<Output = Error> + use<L> {
        let service = Arc::clone(self);
        let shutdown = self.parts.terminals.shutdown();
        async move {
            tokio::select! {
                error = service.interrupted(&shutdown) => error,
                () = left => Error::new(Code::IncompleteBody, "the client left before the end"),
            }
        }
    }
}

/// The pieces of a tar, and an error where the tar does not end as one does: the engine has no other way to tell
/// that it could not go on.
pub(super) fn whole(
    pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin,
) -> impl Stream<Item = Result<Bytes>> + Send + Unpin {
    let start = Some((pieces, Tail::default()));
    Box::pin(futures_util::stream::unfold(start, |state| async move {
        let (mut pieces, mut tail) = state?;
        match pieces.next().await {
            Some(Ok(piece)) => {
                tail.push(&piece);
                Some((Ok(piece), Some((pieces, tail))))
            }
            Some(Err(error)) => Some((Err(EngineError::Unavailable(error).into()), None)),
            None if tail.is_end() => None,
            None => {
                let message = "the container engine ended the tar before its end";
                Some((Err(Error::new(Code::InternalError, message)), None))
            }
        }
    }))
}

/// The stream, ended by an error as soon as there is one.
pub(super) fn until(
    pieces: impl Stream<Item = Result<Bytes>> + Send + Unpin,
    error: impl Future<Output = Error>,
) -> impl Stream<Item = Result<Bytes>> {
    let start = Some((pieces, Box::pin(error)));
    futures_util::stream::unfold(start, |state| async move {
        let (mut pieces, mut error) = state?;
        tokio::select! {
            biased;
            error = &mut error => Some((Err(error), None)),
            piece = pieces.next() => match piece? {
                Ok(piece) => Some((Ok(piece), Some((pieces, error)))),
                Err(error) => Some((Err(error), None)),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(pieces: Vec<std::io::Result<Bytes>>) -> (usize, bool) {
        let mut read = whole(futures_util::stream::iter(pieces));
        let mut length = 0;
        while let Some(piece) = read.next().await {
            match piece {
                Ok(piece) => length += piece.len(),
                Err(_) => return (length, false),
            }
        }
        (length, true)
    }

    #[tokio::test]
    async fn a_tar_is_whole_when_it_ends_in_its_zeros_however_it_is_cut() {
        let tar = [vec![7; 512], vec![0; 1024]].concat();
        for size in [1, 3, 512, 1024, 1500, 4096] {
            let pieces =
                |tar: &[u8]| tar.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            assert_eq!(read(pieces(&tar)).await, (1536, true), "{size}");
            assert_eq!(read(pieces(&tar[..1535])).await, (1535, false), "{size}");
            assert_eq!(read(pieces(&[&tar[..], b"{}"].concat())).await, (1538, false), "{size}");
        }
        assert_eq!(read(vec![]).await, (0, false));
        let broken = vec![Ok(Bytes::from(tar)), Err(std::io::Error::other("gone"))];
        assert_eq!(read(broken).await, (1536, false));
    }
}
