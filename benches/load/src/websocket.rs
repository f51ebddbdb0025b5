//! The daemon's terminals: a WebSocket client that knows what they send and no more.

use std::borrow::Cow;
use std::io::{Read, Write};

use serde::Deserialize;
use serde_json::Value;

use super::measure::{Flood, Typist};
use super::transport::{Transport, request};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame of the terminal's protocol; fields that others have are passed over.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    data: Cow<'a, str>,
    #[serde(default)]
    encoding: &'a str,
}

impl Frame<'_> {
    fn printed(&self) -> usize {
        if self.encoding != "base64" {
            return self.data.len();
        }
        let padding = self.data.bytes().rev().take_while(|byte| *byte == b'=').count();
        self.data.len() / 4 * 3 - padding
    }
}

struct Socket {
    transport: Transport,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Socket {
    /// Connects, and reads the first frame, which says that the terminal is ready.
    fn open(place: &str, path: &str) -> Self {
        let mut transport = Transport::connect(place);
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        transport.write_all(&request(path, upgrade)).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            assert_eq!(transport.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let mut socket = Self { transport, buffer: vec![0; 4 << 20], from: 0, to: 0 };
        assert_eq!(socket.next(|frame| frame.kind.to_owned()).as_deref(), Some("ready"));
        socket
    }

    /// The next frame of the terminal; none at the close.
    fn next<T>(&mut self, mut look: impl FnMut(&Frame<'_>) -> T) -> Option<T> {
        loop {
            let (kind, length) = self.head();
            self.need(length);
            let payload = self.from..self.from + length;
            self.from += length;
            match kind {
                CLOSE => return None,
                PING => {
                    let same = self.buffer[payload].to_vec();
                    self.send(PONG, &same);
                }
                TEXT => return Some(look(&serde_json::from_slice(&self.buffer[payload]).unwrap())),
                other => panic!("a frame of kind {other}"),
            }
        }
    }

    /// The kind of the next frame and the length of its payload. The daemon's are whole and without a mask.
    fn head(&mut self) -> (u8, usize) {
        self.need(2);
        let [first, second] = [self.buffer[self.from], self.buffer[self.from + 1]];
        assert_eq!(first & 0xf0, 0x80, "a whole frame");
        let more = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        self.need(2 + more);
        let long = &self.buffer[self.from + 2..self.from + 2 + more];
        let length = long.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.from += 2 + more;
        (first & 0x0f, if more == 0 { usize::from(second) } else { length })
    }

    /// Reads until there are so many bytes.
    fn need(&mut self, length: usize) {
        if self.to - self.from >= length {
            return;
        }
        if self.from + length > self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        while self.to - self.from < length {
            let read = self.transport.read(&mut self.buffer[self.to..]).unwrap();
            assert_ne!(read, 0, "the socket ends without a close frame");
            self.to += read;
        }
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
    }

    fn send(&mut self, kind: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        assert!(length < 126, "only short frames are sent");
        // A mask of zeros is one, too.
        let mut frame = vec![0x80 | kind, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.transport.write_all(&frame).unwrap();
    }
}

/// Reads all output of a terminal.
pub fn flood(place: &str, path: &str) -> Value {
    let mut socket = Socket::open(place, path);
    let mut flood = Flood::default();
    let mut note = |frame: &Frame<'_>| match frame.kind {
        "stdout" | "stderr" => flood.came(frame.printed()),
        "exit" => {}
        other => panic!("a frame {other}"),
    };
    while socket.next(&mut note).is_some() {}
    flood.told()
}

/// Somebody at a terminal of the daemon.
pub fn typist(place: &str, path: &str) -> impl Typist {
    Socket::open(place, path)
}

impl Typist for Socket {
    fn key(&mut self) {
        self.send(TEXT, br#"{"type":"stdin","data":"x"}"#);
    }

    fn wait(&mut self) {
        assert_eq!(self.next(|frame| frame.kind.to_owned()).as_deref(), Some("stdout"));
    }

    fn leave(mut self) {
        self.send(TEXT, br#"{"type":"close"}"#);
        while self.next(|_| ()).is_some() {}
    }
}
