//! A container's log as messages: what was printed, where, and when.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::io::AsyncReadExt;

use super::stream::Reader;
use super::{EngineError, StdStream};

pub use super::log_request::LogQuery;

/// How much is read at once, in bytes.
const PIECE: usize = 32 * 1024;
/// The header of a frame.
const HEADER: usize = 8;
/// The largest frame that is taken for one. The engine's own hold 16 KiB and a timestamp.
const MAX_FRAME: usize = 1024 * 1024;
/// Docker's timestamp, `2026-01-31T12:00:00.123456789Z`, and Podman's, which may have no fraction, and the offset
/// of its host, `2026-01-31T13:00:00+01:00`; without the space behind it.
const STAMPS: [(usize, u8); 4] = [(30, b'Z'), (20, b'Z'), (25, b':'), (35, b':')];
/// Where the `:` of an offset stands, counted from its end.
const COLON: usize = 3;
/// The longest.
const LONGEST_STAMP: usize = STAMPS[3].0;
/// The engine cuts a line into messages of this many bytes.
const MESSAGE: usize = 16 * 1024;

/// What the engine notes at a time: a line with its end, or a part of one that is over 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it was printed.
    pub stream: StdStream,
    /// When.
    pub at: Timestamp,
    /// What was printed.
    pub bytes: Bytes,
}

impl Message {
    /// A time, cut to the second where this message's time is: Podman tells no more of one, and has passed over
    /// what is older by itself.
    #[must_use]
    pub fn as_exact_as_it(&self, time: Timestamp) -> Timestamp {
        let is_exact = self.at.subsec_nanosecond() != 0;
        if is_exact { time } else { Timestamp::from_second(time.as_second()).unwrap_or(time) }
    }
}

/// How a log's messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A frame each.
    Framed,
    /// One after the other, as a container with a terminal has them.
    Raw,
}

/// A log that is read. Holds one piece and one message at most.
pub struct LogReader {
    reader: Reader,
    parser: Parser,
    piece: Vec<u8>,
    /// What failed behind the messages that were answered last.
    failed: Option<std::io::Error>,
}

impl LogReader {
    pub(super) fn new(reader: Reader, form: Form) -> Self {
        Self { reader, parser: Parser { form, buffer: BytesMut::new() }, piece: vec![0; PIECE], failed: None }
    }

    /// Reads what [`frame`] wrote. A last message that is not whole is left out.
    #[must_use]
    pub fn of_frames(reader: Reader) -> Self {
        Self::new(reader, Form::Framed)
    }

    /// The next messages, or nothing at the end. Nothing is lost when the future is dropped.
    ///
    /// The engine sends each message by itself; those that are there already come together, since passing them
    /// on one by one takes far longer than reading them.
    pub async fn next(&mut self) -> Result<Option<Vec<Message>>, EngineError> {
        if let Some(error) = self.failed.take() {
            return Err(EngineError::Unavailable(error));
        }
        let mut messages = Vec::new();
        let mut length = self.reader.read(&mut self.piece).await.map_err(EngineError::Unavailable)?;
        if length == 0 {
            self.parser.end(&mut messages)?;
            return Ok(Some(messages).filter(|messages| !messages.is_empty()));
        }
        let mut sum = 0;
        loop {
            self.parser.feed(&self.piece[..length], &mut messages)?;
            sum += length;
            if sum >= PIECE {
                return Ok(Some(messages));
            }
            match self.reader.read(&mut self.piece).now_or_never() {
                Some(Ok(more)) if more > 0 => length = more,
                Some(Err(error)) => self.failed = Some(error),
                // The end is met again by the next call.
                Some(Ok(_)) | None => return Ok(Some(messages)),
            }
            if self.failed.is_some() {
                return Ok(Some(messages));
            }
        }
    }
}

/// Appends a message in the engine's own framing.
pub fn frame(message: &Message, to: &mut Vec<u8>) {
    let stamp = format!("{:.9} ", message.at);
    let number = match message.stream {
        StdStream::Out => 1,
        StdStream::Err => 2,
    };
    let length = u32::try_from(stamp.len() + message.bytes.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&[number, 0, 0, 0]);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(stamp.as_bytes());
    to.extend_from_slice(&message.bytes);
}

struct Parser {
    form: Form,
    buffer: BytesMut,
}

impl Parser {
    fn feed(&mut self, read: &[u8], messages: &mut Vec<Message>) -> Result<(), EngineError> {
        self.buffer.extend_from_slice(read);
        loop {
            let next = match self.form {
                Form::Framed => self.framed()?,
                Form::Raw => self.raw(Rest::MayCome)?,
            };
            match next {
                Some(message) => messages.push(message),
                None => return Ok(()),
            }
        }
    }

    fn end(&mut self, messages: &mut Vec<Message>) -> Result<(), EngineError> {
        if self.form == Form::Framed {
            self.buffer.clear();
            return Ok(());
        }
        while let Some(message) = self.raw(Rest::IsAll)? {
            messages.push(message);
        }
        Ok(())
    }

    fn framed(&mut self) -> Result<Option<Message>, EngineError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let (number, length) = (header[0], u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
        let length = length as usize;
        let stream = match number {
            0 | 1 if length <= MAX_FRAME => StdStream::Out,
            2 if length <= MAX_FRAME => StdStream::Err,
            _ => return Err(odd(&format!("a frame of stream {number} with {length} bytes"))),
        };
        if self.buffer.len() < HEADER + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        let mut bytes = self.buffer.split_to(length).freeze();
        let (at, length) = stamp(&bytes).ok_or_else(|| odd("a message without its time"))?;
        bytes.advance(length);
        Ok(Some(Message { stream, at, bytes }))
    }

    /// Of a line over 16 KiB every part has a timestamp of its own in front.
    fn raw(&mut self, rest: Rest) -> Result<Option<Message>, EngineError> {
        loop {
            let (at, length) = match stamp(&self.buffer) {
                Some(stamp) => stamp,
                None if self.buffer.len() <= LONGEST_STAMP => return Ok(None),
                None => return Err(odd("a message without its time")),
            };
            let body = &self.buffer[length..];
            let body = &body[..body.len().min(MESSAGE)];
            let line = body.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
            let end = match line {
                Some(end) => end,
                None if body.len() == MESSAGE || rest == Rest::IsAll => body.len(),
                None => return Ok(None),
            };
            let end = later_stamp(&body[..end], at).unwrap_or(end);
            self.buffer.advance(length);
            let bytes = self.buffer.split_to(end).freeze();
            if !bytes.is_empty() {
                return Ok(Some(Message { stream: StdStream::Out, at, bytes }));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    MayCome,
    IsAll,
}

/// Where the next message begins in the middle of a line: what a run printed last may have no line end, and
/// the next run's output follows at once. A process cannot print a time that is later than the engine's note
/// of it, unless it looks ahead by the nanosecond.
fn later_stamp(line: &[u8], than: Timestamp) -> Option<usize> {
    let spaces = line.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
    let starts =
        spaces.flat_map(|space| STAMPS.iter().filter_map(move |(length, _)| space.checked_sub(*length)));
    let mut later = starts.filter(|start| stamp(&line[*start..]).is_some_and(|(at, _)| at > than));
    later.next()
}

/// The timestamp at the beginning of some bytes, and its length with the space behind it.
fn stamp(bytes: &[u8]) -> Option<(Timestamp, usize)> {
    STAMPS.iter().find_map(|(length, mark)| {
        let (text, space) = (bytes.get(..*length)?, bytes.get(*length)?);
        let marked = if *mark == b'Z' { length - 1 } else { length - COLON };
        if *space != b' ' || text[marked] != *mark || text[10] != b'T' {
            return None;
        }
        Some((std::str::from_utf8(text).ok()?.parse().ok()?, length + 1))
    })
}

fn odd(what: &str) -> EngineError {
    EngineError::Protocol(format!("the log has {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EARLY: &str = "2026-01-31T12:00:00.000000001Z";
    const LATE: &str = "2026-01-31T12:00:07.123456789Z";

    fn parsed(form: Form, pieces: &[&[u8]]) -> Vec<Message> {
        let mut parser = Parser { form, buffer: BytesMut::new() };
        let mut messages = Vec::new();
        for piece in pieces {
            parser.feed(piece, &mut messages).unwrap();
        }
        parser.end(&mut messages).unwrap();
        messages
    }

    fn message(stream: StdStream, at: &str, bytes: &[u8]) -> Message {
        Message { stream, at: at.parse().unwrap(), bytes: Bytes::copy_from_slice(bytes) }
    }

    #[test]
    fn a_raw_line_over_16_kib_loses_the_timestamps_within_it_and_nothing_else() {
        let long = vec![b'x'; MESSAGE];
        let wire = [
            EARLY.as_bytes(),
            b" ",
            &long,
            EARLY.as_bytes(),
            b" yy\r\n",
            LATE.as_bytes(),
            b" ",
            EARLY.as_bytes(),
            b" is what it printed\n",
        ]
        .concat();
        let told = [EARLY.as_bytes(), b" is what it printed\n"].concat();
        let wanted = [
            message(StdStream::Out, EARLY, &long),
            message(StdStream::Out, EARLY, b"yy\r\n"),
            message(StdStream::Out, LATE, &told),
        ];
        for size in [1, 7, 31, 16_384, 40_000] {
            assert_eq!(parsed(Form::Raw, &wire.chunks(size).collect::<Vec<_>>()), wanted, "{size}");
        }
    }

    #[test]
    fn podmans_local_times_are_read_like_dockers() {
        let seconds = [message(StdStream::Out, "2026-01-31T12:00:07Z", b"hello\n")];
        assert_eq!(parsed(Form::Raw, &[b"2026-01-31T12:00:07Z hello\n"]), seconds);
        assert_eq!(parsed(Form::Raw, &[b"2026-01-31T13:00:07+01:00 hello\n"]), seconds);
        let wire = b"2026-01-31T13:00:07.123456789+01:00 hello\n";
        assert_eq!(parsed(Form::Raw, &[wire]), [message(StdStream::Out, LATE, b"hello\n")]);
        for size in [1, 9] {
            assert_eq!(
                parsed(Form::Raw, &wire.chunks(size).collect::<Vec<_>>()),
                [message(StdStream::Out, LATE, b"hello\n")]
            );
        }
    }

    #[test]
    fn a_prompt_without_line_end_before_a_restart_is_a_message() {
        let wire = format!("{EARLY} / # {LATE} hello\n");
        let wanted = [message(StdStream::Out, EARLY, b"/ # "), message(StdStream::Out, LATE, b"hello\n")];
        assert_eq!(parsed(Form::Raw, &[wire.as_bytes()]), wanted);
    }

    #[test]
    fn a_torn_last_frame_is_left_out() {
        let mut wire = Vec::new();
        let first = message(StdStream::Err, LATE, b"whole\n");
        frame(&first, &mut wire);
        frame(&message(StdStream::Out, LATE, b"torn\n"), &mut wire);
        for cut in 1..(HEADER + EARLY.len() + 6) {
            assert_eq!(
                parsed(Form::Framed, &[&wire[..wire.len() - cut]]),
                std::slice::from_ref(&first),
                "{cut}"
            );
        }
    }

    #[test]
    fn what_is_no_log_is_an_error() {
        for wire in [&b"\x07\0\0\0\0\0\0\0"[..], b"\x01\0\0\0\xff\0\0\0", b"\x01\0\0\0\0\0\0\x03abc"] {
            let mut parser = Parser { form: Form::Framed, buffer: BytesMut::new() };
            assert!(parser.feed(wire, &mut Vec::new()).is_err(), "{wire:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_framed_is_read_back(
            lines in prop::collection::vec((any::<bool>(), 0..2_000_000_000_i64, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            size in 1usize..60,
        ) {
            let messages: Vec<Message> = lines.into_iter().map(|(is_out, second, bytes)| Message {
                stream: if is_out { StdStream::Out } else { StdStream::Err },
                at: Timestamp::new(second, 120).unwrap(),
                bytes: bytes.into(),
            }).collect();
            let mut wire = Vec::new();
            for message in &messages {
                frame(message, &mut wire);
            }
            prop_assert_eq!(parsed(Form::Framed, &wire.chunks(size).collect::<Vec<_>>()), messages);
        }
    }
}
