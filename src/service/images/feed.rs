//! A body on its way to the engine: as fast as the engine takes it, and within the client's deadlines.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::codes::Code;
use crate::engine::{EngineError, EngineHealth};
use crate::service::tar::Tail;
use crate::service::transfers::slow;
use crate::service::{BodyDeadlines, Error, Result, Service};

/// How compressed archives begin: gzip, bzip2, xz, zstd.
const MAGICS: [&[u8]; 4] =
    [&[0x1f, 0x8b, 0x08], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z', 0], &[0x28, 0xb5, 0x2f, 0xfd]];
/// The longest of them.
const LONGEST_MAGIC: usize = 6;

/// What a body has to be to be handed over to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Anything: the engine finds out.
    Anything,
    /// A tar with its end, or something compressed: the engine takes one that was cut between two files for whole.
    WholeTar,
}

/// Pieces for the engine; the last is `None`. Without that one the request is broken off.
type Pieces = mpsc::Sender<Option<Bytes>>;

/// The sending side, and the body of a request to the engine.
fn pipe() -> (Pieces, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
    let (pieces, receiver) = mpsc::channel(1);
    let body = stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver: mpsc::Receiver<Option<Bytes>> = receiver?;
        match receiver.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(receiver))),
            Some(None) => None,
            None => Some((Err(io::ErrorKind::ConnectionAborted.into()), None)),
        }
    });
    (pieces, body)
}

impl Service {
    /// Sends a body to the engine and answers what that begins to say. A body that fails breaks the request off.
    pub(super) async fn hand_over<T, F>(
        &self,
        body: impl Stream<Item = Result<Bytes>>,
        wanted: Wanted,
        send: impl FnOnce(stream::BoxStream<'static, io::Result<Bytes>>) -> F,
    ) -> Result<std::result::Result<T, EngineError>>
    where
        F: Future<Output = std::result::Result<T, EngineError>>,
    {
        let (pieces, outgoing) = pipe();
        let mut answer = std::pin::pin!(send(outgoing.boxed()));
        let deadlines = (self.parts.settings.body, self.parts.settings.pull_idle_timeout);
        let mut pump = std::pin::pin!(pump(body, pieces, deadlines, wanted));
        tokio::select! {
            biased;
            pumped = &mut pump => pumped.map_err(|error| self.of_engine(error))?,
            answered = &mut answer => match answered {
                // The engine has begun to answer while it still reads.
                Ok(answer) => {
                    return pump.await.map(|()| Ok(answer)).map_err(|error| self.of_engine(error));
                }
                Err(error) => return Ok(Err(error)),
            },
        }
        let limit = self.parts.settings.pull_timeout;
        Ok(timeout(limit, answer).await.unwrap_or(Err(EngineError::Timeout)))
    }

    /// Where the engine took nothing more because it is away by now, that is the reason.
    fn of_engine(&self, error: Error) -> Error {
        match self.parts.live.health() {
            EngineHealth::Down { reason, .. } if error.code == Code::ChangeTimedOut => {
                Error::engine_away(&reason)
            }
            _ => error,
        }
    }
}

/// Passes a body on. Where the engine takes no more of it, its answer says why; one that takes nothing for `idle` is
/// given up.
async fn pump(
    body: impl Stream<Item = Result<Bytes>>,
    pieces: Pieces,
    (BodyDeadlines { piece, whole }, idle): (BodyDeadlines, Duration),
    wanted: Wanted,
) -> Result<()> {
    let end = Instant::now() + whole;
    let (mut head, mut tail) = (Vec::new(), Tail::default());
    let mut body = std::pin::pin!(body);
    loop {
        let next = match timeout_at(end, timeout(piece, body.next())).await {
            Ok(Ok(next)) => next.transpose()?,
            Ok(Err(_)) => return Err(slow("nothing more of the body came", piece)),
            Err(_) => return Err(slow("the body did not come to its end", whole)),
        };
        let Some(bytes) = next else { break };
        head.extend(bytes.iter().take(LONGEST_MAGIC.saturating_sub(head.len())));
        tail.push(&bytes);
        match timeout(idle, pieces.send(Some(bytes))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(not_taken(idle)),
        }
    }
    let is_compressed = MAGICS.iter().any(|magic| head.starts_with(magic));
    if wanted == Wanted::WholeTar && !is_compressed && !tail.is_end() {
        let message = "the body is no tar, or does not end as one: send the whole of it";
        return Err(Error::new(Code::ImageArchiveInvalid, message));
    }
    // Where no one is there any more, the answer says why.
    match timeout(idle, pieces.send(None)).await {
        Ok(_) => Ok(()),
        Err(_) => Err(not_taken(idle)),
    }
}

fn not_taken(idle: Duration) -> Error {
    let message = format!("the container engine took nothing more of the body within {} s", idle.as_secs());
    Error::new(Code::ChangeTimedOut, message).with("timeout_s", idle.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn passed(body: Vec<Result<Bytes>>, wanted: Wanted) -> (Result<()>, usize, bool) {
        let second = Duration::from_secs(1);
        let (pieces, outgoing) = pipe();
        let deadlines = BodyDeadlines { piece: second, whole: second };
        let reading = outgoing.collect::<Vec<_>>();
        let (result, read) =
            tokio::join!(pump(stream::iter(body), pieces, (deadlines, second), wanted), reading);
        let is_broken = read.last().is_some_and(std::result::Result::is_err);
        (result, read.into_iter().flatten().map(|piece| piece.len()).sum(), is_broken)
    }

    #[tokio::test]
    async fn a_body_arrives_whole_or_broken_off() {
        let piece = || Ok(Bytes::from_static(b"12345"));
        let (result, length, is_broken) = passed(vec![piece(), piece()], Wanted::Anything).await;
        assert!(result.is_ok() && length == 10 && !is_broken);
        let failed = Err(Error::new(Code::IncompleteBody, "gone"));
        let (result, length, is_broken) = passed(vec![piece(), failed], Wanted::Anything).await;
        assert!(result.is_err_and(|error| error.code == Code::IncompleteBody) && length == 5 && is_broken);
    }

    #[tokio::test]
    async fn an_engine_that_takes_nothing_more_is_given_up() {
        let second = Duration::from_secs(1);
        let (pieces, _outgoing) = pipe();
        let body = stream::repeat_with(|| Ok(Bytes::from_static(b"12345")));
        let deadlines = (BodyDeadlines { piece: second, whole: 60 * second }, second / 20);
        let given_up = timeout(20 * second, pump(body, pieces, deadlines, Wanted::Anything)).await.unwrap();
        assert!(given_up.is_err_and(|error| error.code == Code::ChangeTimedOut));
    }

    #[tokio::test]
    async fn a_tar_that_was_cut_is_broken_off() {
        let tar = [vec![7; 512], vec![0; 1024]].concat();
        let cut = |length: usize| vec![Ok(Bytes::copy_from_slice(&tar[..length]))];
        assert!(passed(cut(1536), Wanted::WholeTar).await.0.is_ok());
        for length in [1535, 512, 0] {
            let (result, _, is_broken) = passed(cut(length), Wanted::WholeTar).await;
            assert!(result.is_err_and(|error| error.code == Code::ImageArchiveInvalid) && is_broken);
        }
        let gzip = vec![Ok(Bytes::from_static(&[0x1f])), Ok(Bytes::from_static(&[0x8b, 8, 0]))];
        assert!(passed(gzip, Wanted::WholeTar).await.0.is_ok(), "the engine sees whether that is whole");
    }
}
