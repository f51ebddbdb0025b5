//! The JSON frames of the terminal's protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::signal::Signal;
use crate::codes::Code;
use crate::engine::StdStream;
use crate::engine::exec::Size;

/// Columns and rows that a terminal may have.
pub const SIZES: std::ops::RangeInclusive<u32> = 1..=1000;

/// How `data` holds bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As text.
    #[default]
    Utf8,
    /// As base64 with the standard alphabet and padding.
    Base64,
}

/// A frame from the client, as it is written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// Something typed.
    Stdin {
        /// What was typed.
        data: String,
        /// How `data` holds it.
        #[serde(default)]
        encoding: Encoding,
    },
    /// The terminal has another size.
    Resize {
        /// Columns, 1 to 1000.
        cols: u32,
        /// Rows, 1 to 1000.
        rows: u32,
    },
    /// A signal for what runs in the foreground.
    Signal {
        /// Its name, with or without `SIG`.
        name: String,
    },
    /// Nothing more will be typed.
    Eof,
    /// The session shall end.
    Close,
}

/// A frame from the client that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Bytes typed.
    Stdin(Vec<u8>),
    /// The terminal's new size.
    Resize(Size),
    /// A signal for the foreground.
    Signal(Signal),
    /// The end of input.
    Eof,
    /// The end of the session.
    Close,
}

/// What is wrong with a frame or a session, for one `error` frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The stable code.
    pub code: Code,
    /// What is wrong and what to do.
    pub message: String,
}

impl Complaint {
    /// A complaint with a message that is short enough for any client.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(400) {
            message.truncate(end);
        }
        Self { code, message }
    }
}

impl ClientFrame {
    /// Reads one text frame.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let message: ClientMessage = serde_json::from_str(text).map_err(|error| {
            Complaint::new(Code::InvalidFrame, format!("the frame cannot be read: {error}"))
        })?;
        match message {
            ClientMessage::Stdin { data, encoding } => Ok(Self::Stdin(decode(data, encoding)?)),
            ClientMessage::Resize { cols, rows } => Ok(Self::Resize(size(cols, rows)?)),
            ClientMessage::Signal { name } => Signal::parse(&name).map(Self::Signal).ok_or_else(|| {
                Complaint::new(
                    Code::UnknownSignal,
                    format!("no signal has the name {name:?}; send one like \"INT\""),
                )
            }),
            ClientMessage::Eof => Ok(Self::Eof),
            ClientMessage::Close => Ok(Self::Close),
        }
    }
}

fn decode(data: String, encoding: Encoding) -> Result<Vec<u8>, Complaint> {
    match encoding {
        Encoding::Utf8 => Ok(data.into_bytes()),
        Encoding::Base64 => STANDARD
            .decode(data)
            .map_err(|error| Complaint::new(Code::InvalidFrame, format!("data is not base64: {error}"))),
    }
}

fn size(cols: u32, rows: u32) -> Result<Size, Complaint> {
    let narrow = |value: u32| u16::try_from(value).ok().filter(|_| SIZES.contains(&value));
    match (narrow(cols), narrow(rows)) {
        (Some(cols), Some(rows)) => Ok(Size { cols, rows }),
        _ => Err(Complaint::new(Code::InvalidFrame, "cols and rows have to be from 1 to 1000")),
    }
}

/// A frame from the server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The first frame.
    Ready {
        /// The session's id.
        session: String,
        /// Whether it has a terminal.
        tty: bool,
    },
    /// Something printed.
    Stdout {
        /// What was printed.
        data: String,
        /// How `data` holds it.
        encoding: Encoding,
    },
    /// Something printed to standard error.
    Stderr {
        /// What was printed.
        data: String,
        /// How `data` holds it.
        encoding: Encoding,
    },
    /// The process has ended and all it printed was sent.
    Exit {
        /// Its exit code.
        code: i64,
    },
    /// Something is wrong; the session goes on unless the socket closes.
    Error {
        /// The same as the body of an HTTP error.
        error: FrameError,
    },
}

/// The error schema of the API, as it stands in a frame.
#[derive(Debug, Serialize, ToSchema)]
pub struct FrameError {
    error: &'static str,
    code: &'static str,
    message: String,
    status: u16,
    request_id: String,
    timestamp: String,
    #[schema(value_type = Object)]
    details: serde_json::Map<String, serde_json::Value>,
}

impl ServerMessage {
    /// A frame of output.
    #[must_use]
    pub fn output(stream: StdStream, data: String, encoding: Encoding) -> Self {
        match stream {
            StdStream::Out => Self::Stdout { data, encoding },
            StdStream::Err => Self::Stderr { data, encoding },
        }
    }

    /// An error frame, stamped with the time and the request that opened the session.
    #[must_use]
    pub fn error(complaint: Complaint, request_id: &str) -> Self {
        let Complaint { code, message } = complaint;
        let error = FrameError {
            error: code.word().as_str(),
            code: code.as_str(),
            message,
            status: code.word().status(),
            request_id: request_id.to_owned(),
            timestamp: jiff::Zoned::now().strftime("%FT%T%.3f%:z").to_string(),
            details: serde_json::Map::new(),
        };
        Self::Error { error }
    }

    /// The frame as JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        let room = match self {
            // As much as a log's lines take, so that it seldom has to grow.
            Self::Stdout { data, .. } | Self::Stderr { data, .. } => data.len() + data.len() / 16 + 64,
            Self::Ready { .. } | Self::Exit { .. } | Self::Error { .. } => 256,
        };
        let mut text = Vec::with_capacity(room);
        // Strings and numbers under fixed names always serialize.
        serde_json::to_writer(&mut text, self).ok();
        String::from_utf8(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_guides_frames_are_understood() {
        let parsed = |text: &str| ClientFrame::parse(text).unwrap();
        let typed = parsed(r#"{"type":"stdin","data":"ls\n","encoding":"utf8"}"#);
        assert_eq!(typed, ClientFrame::Stdin(b"ls\n".to_vec()));
        assert_eq!(parsed(r#"{"type":"stdin","data":"é"}"#), ClientFrame::Stdin("é".into()));
        let binary = parsed(r#"{"encoding":"base64","data":"/wA=","type":"stdin"}"#);
        assert_eq!(binary, ClientFrame::Stdin(vec![255, 0]));
        let size = Size { cols: 1000, rows: 1 };
        assert_eq!(parsed(r#"{"type":"resize","cols":1000,"rows":1}"#), ClientFrame::Resize(size));
        assert!(matches!(parsed(r#"{"type":"signal","name":"SIGINT"}"#), ClientFrame::Signal(_)));
        assert_eq!(parsed(r#"{"type":"eof"}"#), ClientFrame::Eof);
        assert_eq!(parsed(r#"{"type":"close"}"#), ClientFrame::Close);
    }

    #[test]
    fn a_bad_frame_is_told_apart_from_a_bad_signal() {
        for text in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"type":"nonsense"}"#,
            r#"{"type":"stdin"}"#,
            r#"{"type":"stdin","data":5}"#,
            r#"{"type":"stdin","data":"x","encoding":"latin1"}"#,
            r#"{"type":"stdin","data":"*","encoding":"base64"}"#,
            r#"{"type":"resize","cols":80}"#,
            r#"{"type":"resize","cols":0,"rows":24}"#,
            r#"{"type":"resize","cols":80,"rows":1001}"#,
            r#"{"type":"resize","cols":-1,"rows":24}"#,
            r#"{"type":"resize","cols":80.5,"rows":24}"#,
            r#"{"type":"close"} {"type":"close"}"#,
        ] {
            assert_eq!(ClientFrame::parse(text).unwrap_err().code, Code::InvalidFrame, "{text}");
        }
        let signal = ClientFrame::parse(r#"{"type":"signal","name":"FOO"}"#).unwrap_err();
        assert_eq!(signal.code, Code::UnknownSignal);
    }

    #[test]
    fn an_error_frame_has_the_error_schema() {
        let complaint = Complaint::new(Code::UnknownSignal, "x".repeat(5000));
        let text = ServerMessage::error(complaint, "r1").to_text();
        let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(frame["type"], "error");
        let error = &frame["error"];
        assert_eq!((&error["error"], &error["code"]), (&"validation_error".into(), &"UNKNOWN_SIGNAL".into()));
        assert_eq!((&error["status"], &error["request_id"]), (&400.into(), &"r1".into()));
        assert_eq!(error["message"].as_str().unwrap().len(), 400);
        assert!(error["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = ClientFrame::parse(&text);
        }
    }
}
