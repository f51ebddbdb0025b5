//! The client's side of a session: what it sends, and what waits to be sent to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::frame::{ClientFrame, Complaint, ServerMessage};
use super::session::{ClientEvent, ServerEvent};
use crate::codes::Code;

/// How many error frames may wait for the client before no more of its frames are read.
const MAX_COMPLAINTS: usize = 16;
/// How long a client that does not read may hold up its own close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Why a session ends before its process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client sent `close`.
    Closed,
    /// The socket is no longer there.
    Lost,
    /// The daemon, or whoever opened the session, ends it.
    Shutdown,
    /// The client may not go on.
    Revoked,
}

/// What happened on the client's side.
#[derive(Debug)]
pub(super) enum Event {
    /// A good frame came.
    Frame(ClientFrame),
    /// A waiting frame was taken, or a bad one was answered.
    Moved,
    /// No more can be sent or received.
    Gone(Gone),
}

struct Waiting {
    text: String,
    printed: usize,
    complaint: bool,
}

/// The bytes of all terminals together.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<[AtomicU64; 2]>);

impl Traffic {
    /// What was typed, in bytes.
    #[must_use]
    pub fn typed(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    /// What was printed, in bytes.
    #[must_use]
    pub fn printed(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }

    fn add(&self, typed: usize, printed: usize) {
        self.0[0].fetch_add(typed as u64, Ordering::Relaxed);
        self.0[1].fetch_add(printed as u64, Ordering::Relaxed);
    }
}

pub(super) struct Link {
    client: mpsc::Receiver<ClientEvent>,
    server: mpsc::Sender<ServerEvent>,
    shutdown: CancellationToken,
    revoked: CancellationToken,
    request_id: String,
    waiting: VecDeque<Waiting>,
    complaints: usize,
    closed: bool,
    /// Printed bytes that wait to be sent.
    pub(super) backlog: usize,
    /// Bytes that the client typed.
    pub(super) bytes_in: u64,
    /// Bytes that were printed and queued.
    pub(super) bytes_out: u64,
    traffic: Traffic,
}

impl Link {
    pub(super) fn new(
        client: mpsc::Receiver<ClientEvent>,
        server: mpsc::Sender<ServerEvent>,
        (shutdown, revoked): (CancellationToken, CancellationToken),
        request_id: String,
        traffic: Traffic,
    ) -> Self {
        let waiting = VecDeque::new();
        Self {
            client,
            server,
            shutdown,
            revoked,
            request_id,
            waiting,
            complaints: 0,
            closed: false,
            backlog: 0,
            bytes_in: 0,
            bytes_out: 0,
            traffic,
        }
    }

    /// Queues a frame that stands for `printed` bytes of output.
    pub(super) fn say(&mut self, message: &ServerMessage, printed: usize) {
        self.backlog += printed;
        self.bytes_out += printed as u64;
        self.traffic.add(0, printed);
        self.waiting.push_back(Waiting { text: message.to_text(), printed, complaint: false });
    }

    /// Queues an error frame.
    pub(super) fn complain(&mut self, complaint: Complaint) {
        let text = ServerMessage::error(complaint, &self.request_id).to_text();
        self.complaints += 1;
        self.waiting.push_back(Waiting { text, printed: 0, complaint: true });
    }

    /// The next event. Frames are read from the client only while `listen` holds.
    pub(super) async fn next(&mut self, listen: bool) -> Event {
        enum Came {
            Event(Option<ClientEvent>),
            Sent(usize, bool),
            Gone(Gone),
        }
        let Self { client, server, shutdown, revoked, waiting, .. } = self;
        let came = tokio::select! {
            () = shutdown.cancelled() => Came::Gone(Gone::Shutdown),
            () = revoked.cancelled() => Came::Gone(Gone::Revoked),
            () = server.closed() => Came::Gone(Gone::Lost),
            permit = server.reserve(), if !waiting.is_empty() => match (permit, waiting.pop_front()) {
                (Ok(permit), Some(next)) => {
                    permit.send(ServerEvent::Frame(next.text));
                    Came::Sent(next.printed, next.complaint)
                }
                _ => Came::Gone(Gone::Lost),
            },
            event = client.recv(), if listen && self.complaints < MAX_COMPLAINTS => Came::Event(event),
        };
        match came {
            Came::Event(event) => self.received(event),
            Came::Sent(printed, complaint) => {
                self.backlog -= printed;
                self.complaints -= usize::from(complaint);
                Event::Moved
            }
            Came::Gone(gone) => Event::Gone(gone),
        }
    }

    fn received(&mut self, event: Option<ClientEvent>) -> Event {
        let frame = match event {
            None | Some(ClientEvent::Closed) => return Event::Gone(Gone::Lost),
            Some(ClientEvent::Text(text)) => ClientFrame::parse(&text),
            Some(ClientEvent::Binary) => Err(Complaint::new(
                Code::InvalidFrame,
                "send JSON in text frames; binary frames mean nothing here",
            )),
        };
        match frame {
            Ok(ClientFrame::Close) => Event::Gone(Gone::Closed),
            Ok(frame) => {
                if let ClientFrame::Stdin(bytes) = &frame {
                    self.bytes_in += bytes.len() as u64;
                    self.traffic.add(bytes.len(), 0);
                }
                Event::Frame(frame)
            }
            Err(complaint) => {
                self.complain(complaint);
                Event::Moved
            }
        }
    }

    /// Sends everything that waits, as fast as the client takes it.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        while !self.waiting.is_empty() {
            if let Event::Gone(gone) = self.next(true).await {
                return Err(gone);
            }
        }
        Ok(())
    }

    /// Sends the close frame, unless that was done before.
    pub(super) async fn close(&mut self, code: u16, reason: &str) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let close = ServerEvent::Close { code, reason: reason.to_owned() };
        // A client that is gone or does not read needs none.
        drop(tokio::time::timeout(CLOSE_WITHIN, self.server.send(close)).await);
    }
}
