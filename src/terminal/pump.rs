//! Moves bytes between a client and a process until something has to be decided.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;

use super::frame::{ClientFrame, ServerMessage};
use super::link::{Event, Gone, Link};
use super::utf8::Utf8;
use crate::engine::{Input, Output, Piece, StdStream};

/// How many printed bytes may wait for the client while the process runs: a client that does not read
/// stops the reading, and so the process.
const BACKLOG: usize = 64 * 1024;
/// How many may wait once the process has ended: the engine throws away what is not read within 2 s of it
/// (20.10), which is at most what its pipes hold.
const LAST_OUTPUT: usize = 4 * 1024 * 1024;
/// How many typed bytes may wait for the process before no more frames are read.
const MAX_TYPED: usize = 1024 * 1024;

/// Ctrl-D.
const END_OF_TRANSMISSION: u8 = 4;

/// Something that ends by itself.
pub(super) type Ending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What has to be decided.
#[derive(Debug)]
pub(super) enum Step<T> {
    /// The client sent a frame.
    Frame(ClientFrame),
    /// The client can no longer be served.
    Gone(Gone),
    /// Nothing more will be printed, or at least nothing that could be read.
    OutputEnded,
    /// What was waited for has come.
    Ended(T),
}

/// Both directions of one session.
pub(super) struct Pump {
    output: Option<Output>,
    input: Option<Input>,
    typed: BytesMut,
    end_of_input: bool,
    /// How many printed bytes may wait for the client now.
    most_waiting: usize,
    out: Utf8,
    err: Utf8,
    read_at: Instant,
    /// Bytes of standard output and error that were read, and those to be passed over.
    read: [usize; 2],
    again: [usize; 2],
}

impl Pump {
    /// A pump for what is printed to `output` and typed to `input`; nothing where there is none.
    pub(super) fn new(output: Option<Output>, input: Option<Input>) -> Self {
        Self {
            output,
            input,
            typed: BytesMut::new(),
            end_of_input: false,
            most_waiting: BACKLOG,
            out: Utf8::default(),
            err: Utf8::default(),
            read_at: Instant::now(),
            read: [0; 2],
            again: [0; 2],
        }
    }

    /// Queues what was typed; after the end of input it is dropped.
    pub(super) fn type_in(&mut self, bytes: &[u8]) {
        if self.input.is_some() && !self.end_of_input {
            self.typed.extend_from_slice(bytes);
        }
    }

    /// Ends the input: Ctrl-D for a terminal, else the end of the stream once all was written.
    pub(super) fn end_input(&mut self, tty: bool) {
        if tty {
            self.type_in(&[END_OF_TRANSMISSION]);
        } else {
            self.end_of_input = true;
        }
    }

    /// The process has ended: what it printed last is read at once, however slowly the client reads.
    pub(super) fn take_last_output(&mut self) {
        self.most_waiting = LAST_OUTPUT;
    }

    /// Goes on with an output that begins with everything that was read before.
    pub(super) fn go_on_with(&mut self, output: Output) {
        self.again = std::mem::take(&mut self.read);
        self.output = Some(output);
    }

    /// Moves bytes until something has to be decided. Nothing is lost when the future is dropped.
    pub(super) async fn step<T>(&mut self, link: &mut Link, end: &mut Ending<T>) -> Step<T> {
        loop {
            let room = link.backlog < self.most_waiting;
            if !room {
                self.read_at = Instant::now();
            }
            let to_write = !self.typed.is_empty() || self.end_of_input;
            let last = self.typed.is_empty();
            tokio::select! {
                event = link.next(self.typed.len() < MAX_TYPED) => match event {
                    Event::Moved => {}
                    Event::Frame(frame) => return Step::Frame(frame),
                    Event::Gone(gone) => return Step::Gone(gone),
                },
                read = read(&mut self.output), if room && self.output.is_some() => {
                    let Ok(Some(pieces)) = read else {
                        self.finish_output(link);
                        return Step::OutputEnded;
                    };
                    self.print(link, &pieces);
                }
                written = write(&mut self.input, &mut self.typed), if to_write && self.input.is_some() => {
                    if written.is_err() || last {
                        self.input = None;
                        self.typed.clear();
                    }
                },
                value = &mut *end => return Step::Ended(value),
            }
        }
    }

    /// Reads what is left until its end, or until nothing has come for `silence`.
    pub(super) async fn drain(&mut self, link: &mut Link, silence: Duration) -> Result<(), Gone> {
        self.read_at = Instant::now();
        while self.output.is_some() {
            let mut tick: Ending<()> = Box::pin(tokio::time::sleep(silence / 10));
            match self.step(link, &mut tick).await {
                Step::Gone(gone) => return Err(gone),
                Step::Ended(()) if self.read_at.elapsed() >= silence => self.finish_output(link),
                Step::Ended(()) | Step::Frame(_) | Step::OutputEnded => {}
            }
        }
        Ok(())
    }

    /// Sends what was held back of characters and reads no more.
    pub(super) fn finish_output(&mut self, link: &mut Link) {
        self.output = None;
        for (stream, utf8) in [(StdStream::Out, &mut self.out), (StdStream::Err, &mut self.err)] {
            for (data, encoding) in utf8.finish() {
                let printed = data.len();
                link.say(&ServerMessage::output(stream, data, encoding), printed);
            }
        }
    }

    fn print(&mut self, link: &mut Link, pieces: &[Piece]) {
        self.read_at = Instant::now();
        for piece in pieces {
            let (utf8, index) = match piece.stream {
                StdStream::Out => (&mut self.out, 0),
                StdStream::Err => (&mut self.err, 1),
            };
            let known = self.again[index].min(piece.bytes.len());
            self.again[index] -= known;
            self.read[index] += piece.bytes.len();
            for (data, encoding) in utf8.feed(&piece.bytes[known..]) {
                let printed = data.len();
                link.say(&ServerMessage::output(piece.stream, data, encoding), printed);
            }
        }
    }
}

async fn read(output: &mut Option<Output>) -> io::Result<Option<Vec<Piece>>> {
    match output {
        Some(output) => output.next().await,
        None => Ok(None),
    }
}

/// Writes some of what was typed; with nothing left, ends the input.
async fn write(input: &mut Option<Input>, typed: &mut BytesMut) -> io::Result<()> {
    let Some(input) = input else { return Ok(()) };
    if typed.is_empty() {
        return input.shutdown().await;
    }
    let length = input.write(typed).await?;
    if length == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    typed.advance(length);
    Ok(())
}
