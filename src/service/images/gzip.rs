//! A stream compressed while it goes by, away from the threads that serve.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt, stream};

use crate::codes::Code;
use crate::service::{Error, Result};

/// The level that is as fast as the lowest and takes a fifth less; the lowest makes noise larger than it is.
const LEVEL: u32 = 2;

type Encoder = GzEncoder<Vec<u8>>;

/// The gzip of a stream; an error in it is passed on, and the gzip then has no end.
pub(super) fn gzip(
    pieces: impl Stream<Item = Result<Bytes>> + Send + Unpin,
) -> impl Stream<Item = Result<Bytes>> + Send + Unpin {
    let encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    Box::pin(stream::unfold(Some((pieces, encoder)), |state| async move {
        let (mut pieces, mut encoder) = state?;
        loop {
            let piece = match pieces.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((finished(encoder).await, None)),
            };
            let bytes;
            (encoder, bytes) = match compressed(encoder, piece).await {
                Ok(next) => next,
                Err(error) => return Some((Err(error), None)),
            };
            if !bytes.is_empty() {
                return Some((Ok(bytes), Some((pieces, encoder))));
            }
        }
    }))
}

async fn compressed(mut encoder: Encoder, piece: Bytes) -> Result<(Encoder, Bytes)> {
    aside(move || {
        encoder.write_all(&piece)?;
        let bytes = std::mem::take(encoder.get_mut());
        Ok((encoder, bytes.into()))
    })
    .await
}

async fn finished(encoder: Encoder) -> Result<Bytes> {
    aside(move || Ok(encoder.finish()?.into())).await
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    let broke_off = |_| Error::new(Code::InternalError, "the compression broke off by a fault of the daemon");
    Ok(tokio::task::spawn_blocking(work).await.map_err(broke_off)??)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    async fn collected(pieces: Vec<Result<Bytes>>) -> (Vec<u8>, bool) {
        let mut read = gzip(stream::iter(pieces));
        let mut bytes = Vec::new();
        while let Some(piece) = read.next().await {
            match piece {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(_) => return (bytes, false),
            }
        }
        (bytes, true)
    }

    #[tokio::test]
    async fn what_is_compressed_comes_out_again_and_an_error_leaves_no_end() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let pieces = || text.chunks(65_536).map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let (bytes, is_whole) = collected(pieces().collect()).await;
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut back).unwrap();
        assert!(is_whole && back == text && bytes.len() < text.len());
        let failed = Err(Error::new(Code::InternalError, "gone"));
        let (bytes, is_whole) = collected(pieces().chain([failed]).collect()).await;
        assert!(!is_whole && flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut Vec::new()).is_err());
    }
}
