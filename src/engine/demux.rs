//! The engine's framing of two outputs in one stream: 8 bytes of header, then the payload.

use bytes::Bytes;

use super::stream::{Piece, StdStream};

/// The largest payload a frame may announce. The engine's own frames hold 32 KiB at most; this only
/// tells a broken stream from a good one, since payloads are passed on as they come.
const MAX_PAYLOAD: u32 = 64 * 1024 * 1024;
const HEADER: usize = 8;

/// A stream that is not in the engine's framing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemuxError {
    /// The header names an output that does not exist.
    #[error("frame of unknown stream {0}")]
    UnknownStream(u8),
    /// The header is not one the engine makes.
    #[error("malformed frame header")]
    Malformed,
    /// The payload is longer than any engine makes it.
    #[error("frame of {0} bytes")]
    Oversize(u32),
    /// The engine reports an error of its own in the stream.
    #[error("the engine reports an error in the stream")]
    EngineReport,
}

/// Takes the framed stream apart; holds at most one header.
#[derive(Debug, Default)]
pub struct Demux {
    header: [u8; HEADER],
    filled: usize,
    stream: Option<StdStream>,
    left: u32,
}

impl Demux {
    /// Adds to `pieces` what of the payloads is in `read`, sharing its memory.
    pub fn feed(&mut self, read: &Bytes, pieces: &mut Vec<Piece>) -> Result<(), DemuxError> {
        let mut at = 0;
        while at < read.len() {
            match self.stream {
                Some(stream) => {
                    let length = (read.len() - at).min(self.left as usize);
                    pieces.push(Piece { stream, bytes: read.slice(at..at + length) });
                    at += length;
                    self.consumed(length);
                }
                None => at += self.fill_header(&read[at..])?,
            }
        }
        Ok(())
    }

    fn consumed(&mut self, length: usize) {
        // `length` is at most `left`, which is a u32.
        self.left -= u32::try_from(length).unwrap_or(self.left);
        if self.left == 0 {
            self.stream = None;
        }
    }

    fn fill_header(&mut self, read: &[u8]) -> Result<usize, DemuxError> {
        let length = read.len().min(HEADER - self.filled);
        self.header[self.filled..self.filled + length].copy_from_slice(&read[..length]);
        self.filled += length;
        if self.filled == HEADER {
            self.filled = 0;
            self.open_frame()?;
        }
        Ok(length)
    }

    fn open_frame(&mut self) -> Result<(), DemuxError> {
        let [stream, a, b, c, length @ ..] = self.header;
        let stream = match stream {
            0 | 1 => StdStream::Out,
            2 => StdStream::Err,
            3 => return Err(DemuxError::EngineReport),
            unknown => return Err(DemuxError::UnknownStream(unknown)),
        };
        if (a, b, c) != (0, 0, 0) {
            return Err(DemuxError::Malformed);
        }
        self.left = u32::from_be_bytes(length);
        if self.left > MAX_PAYLOAD {
            return Err(DemuxError::Oversize(self.left));
        }
        self.stream = (self.left > 0).then_some(stream);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], length.as_slice(), payload].concat()
    }

    fn told_apart(chunks: impl Iterator<Item = Vec<u8>>) -> Result<(Vec<u8>, Vec<u8>), DemuxError> {
        let (mut demux, mut pieces) = (Demux::default(), Vec::new());
        for chunk in chunks {
            demux.feed(&Bytes::from(chunk), &mut pieces)?;
        }
        let all = |wanted| {
            let of_it = pieces.iter().filter(move |piece| piece.stream == wanted);
            of_it.flat_map(|piece| piece.bytes.to_vec()).collect()
        };
        assert!(pieces.iter().all(|piece| !piece.bytes.is_empty()));
        Ok((all(StdStream::Out), all(StdStream::Err)))
    }

    proptest! {
        #[test]
        fn both_outputs_come_back_whole_however_the_stream_is_cut(
            frames in prop::collection::vec((1u8..=2, prop::collection::vec(any::<u8>(), 0..200)), 0..20),
            size in 1usize..64,
        ) {
            let wire: Vec<u8> = frames.iter().flat_map(|(stream, payload)| frame(*stream, payload)).collect();
            let wanted = |of: u8| -> Vec<u8> {
                frames.iter().filter(|(s, _)| *s == of).flat_map(|(_, p)| p.clone()).collect()
            };
            let got = told_apart(wire.chunks(size).map(<[u8]>::to_vec)).unwrap();
            prop_assert_eq!(got, (wanted(1), wanted(2)));
        }

        #[test]
        fn no_bytes_make_it_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let _ = told_apart(chunks.into_iter());
        }
    }

    #[test]
    fn what_is_not_the_framing_is_an_error() {
        let fed = |bytes: &[u8]| told_apart([bytes.to_vec()].into_iter()).unwrap_err();
        assert_eq!(fed(&frame(9, b"x")), DemuxError::UnknownStream(9));
        assert_eq!(fed(&frame(3, b"x")), DemuxError::EngineReport);
        assert_eq!(fed(&[1, 0, 0, 1, 0, 0, 0, 1]), DemuxError::Malformed);
        assert_eq!(fed(&[1, 0, 0, 0, 255, 255, 255, 255]), DemuxError::Oversize(u32::MAX));
    }

    #[test]
    fn a_long_payload_is_passed_on_before_it_is_whole() {
        let (mut demux, mut pieces) = (Demux::default(), Vec::new());
        demux.feed(&Bytes::from(frame(1, &[7; 1000])[..20].to_vec()), &mut pieces).unwrap();
        assert_eq!(pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>(), 12);
    }
}
