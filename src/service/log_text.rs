//! What a container printed as text: no character is cut in two.

use super::logs::LogRecord;
use crate::engine::StdStream;
use crate::engine::logs::Message;
use crate::terminal::utf8;

/// One output's text; holds back the beginning of a character that the engine has cut in two.
#[derive(Default)]
pub(super) struct Text {
    held: Option<Message>,
}

impl Text {
    /// The record of a message, as far as its characters are whole.
    pub(super) fn add(&mut self, mut message: Message) -> Option<LogRecord> {
        if let Some(held) = self.held.take() {
            message.bytes = [held.bytes, message.bytes].concat().into();
        }
        let cut = message.bytes.len() - utf8::unfinished(&message.bytes);
        let rest = message.bytes.split_off(cut);
        if !rest.is_empty() {
            self.held = Some(Message { bytes: rest, ..message.clone() });
        }
        (!message.bytes.is_empty()).then(|| record(message))
    }

    /// What was held back, at the end.
    pub(super) fn rest(&mut self) -> Option<LogRecord> {
        self.held.take().map(record)
    }
}

fn record(message: Message) -> LogRecord {
    let stream = match message.stream {
        StdStream::Out => "stdout",
        StdStream::Err => "stderr",
    };
    LogRecord { stream, at: message.at, bytes: message.bytes }
}
