//! The lengths that a WebSocket's frames say they have, looked at as they come: the reader of frames waits for all of
//! one, however long it says to be, and holds what came so far.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::Bytes;
use futures_util::Stream;

/// The bits of a frame that no frame of ours may have: reserved ones, as long as no extension is agreed on.
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// The bytes that come for a socket, which break off where a frame says to be longer than `limit`.
pub async fn limited(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<web::Payload, actix_web::Error> {
    let measured = Measured { inner: payload.into_inner(), lengths: Lengths::default(), limit: limit as u64 };
    let boxed: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(measured);
    web::Payload::from_request(request, &mut Payload::from(boxed)).await
}

struct Measured {
    inner: Payload,
    lengths: Lengths,
    limit: u64,
}

impl Stream for Measured {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.inner).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(bytes))) if this.lengths.longest(bytes) > this.limit => {
                Poll::Ready(Some(Err(PayloadError::Overflow)))
            }
            _ => next,
        }
    }
}

/// Where in the frames the bytes are.
#[derive(Debug, Default)]
struct Lengths {
    /// What there is of the next frame's head.
    head: Vec<u8>,
    /// The bytes of the frame that are still to come.
    left: u64,
    /// A frame that its reader refuses by its head: nothing behind it is read.
    is_broken: bool,
}

impl Lengths {
    /// The longest of the frames that begin in these bytes.
    fn longest(&mut self, mut bytes: &[u8]) -> u64 {
        let mut longest = 0;
        while !bytes.is_empty() && !self.is_broken {
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= count as u64;
            bytes = &bytes[count..];
            while let Some((first, rest)) = bytes.split_first().filter(|_| self.left == 0 && !self.is_broken)
            {
                self.head.push(*first);
                bytes = rest;
                longest = longest.max(self.end_head());
                if self.left > 0 {
                    break;
                }
            }
        }
        longest
    }

    /// Where the head of a frame is whole, its length.
    fn end_head(&mut self) -> u64 {
        let [first, second, wide @ ..] = self.head.as_slice() else { return 0 };
        self.is_broken = first & RESERVED != 0 || second & MASKED == 0;
        let width = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        // The mask stands behind the length.
        if wide.len() < width + 4 {
            return 0;
        }
        let length = match width {
            0 => u64::from(second & !MASKED),
            _ => wide[..width].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        self.head.clear();
        self.left = length;
        length
    }
}

#[cfg(test)]
mod tests {
    use super::Lengths;

    fn frame(length: u64) -> Vec<u8> {
        let head = match length {
            0..126 => vec![0x82, 0x80 | u8::try_from(length).unwrap()],
            126..65_536 => [&[0x82, 0xfe][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
            _ => [&[0x82, 0xff][..], &length.to_be_bytes()].concat(),
        };
        [&head[..], &[1, 2, 3, 4], &vec![0xff; usize::try_from(length.min(200_000)).unwrap()]].concat()
    }

    #[test]
    fn the_longest_frame_is_found_in_whatever_pieces_it_comes() {
        let frames: Vec<u8> =
            [0, 5, 125, 126, 127, 70_000, 0, 300, 65_536].into_iter().flat_map(frame).collect();
        let giant = [&frames[..], &frame(1 << 62)].concat();
        for piece in [1, 2, 3, 7, 100, 65_537, giant.len()] {
            let longest = |bytes: &[u8]| {
                let mut lengths = Lengths::default();
                bytes.chunks(piece).map(|piece| lengths.longest(piece)).max()
            };
            assert_eq!(longest(&frames), Some(70_000), "in pieces of {piece}");
            assert_eq!(longest(&giant), Some(1 << 62), "in pieces of {piece}");
        }
    }

    #[test]
    fn behind_a_frame_that_is_refused_nothing_is_read() {
        for broken in [&[0x82, 0x05][..], &[0xc2, 0x85, 1, 2, 3, 4]] {
            let bytes = [&frame(5)[..], broken, &frame(1 << 62)].concat();
            assert_eq!(Lengths::default().longest(&bytes), 5);
        }
    }
}
