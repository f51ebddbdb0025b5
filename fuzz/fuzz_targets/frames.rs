//! A terminal's frames, both ways: the client's JSON, the engine's framing however it is cut, and bytes to text.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use wharfinger::engine::demux::{Demux, DemuxError};
use wharfinger::engine::{Piece, StdStream};
use wharfinger::terminal::frame::{ClientFrame, Encoding, ServerMessage};
use wharfinger::terminal::utf8::Utf8;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => std::str::from_utf8(rest).map(client).unwrap_or_default(),
        1 => demux(rest),
        _ => text(rest),
    }
});

/// What is taken is taken again as it is written out; what is not has an answer that is JSON.
fn client(text: &str) {
    match ClientFrame::parse(text) {
        Err(complaint) => {
            assert!(complaint.message.chars().count() <= 400);
            let answer: Value =
                serde_json::from_str(&ServerMessage::error(complaint, "r").to_text()).expect("JSON");
            assert_eq!(answer["type"], "error");
        }
        Ok(frame) => {
            let again = match &frame {
                ClientFrame::Stdin(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => json!({"type": "stdin", "data": text}),
                    Err(_) => return,
                },
                ClientFrame::Resize(size) => {
                    assert!((1..=1000).contains(&size.cols) && (1..=1000).contains(&size.rows));
                    json!({"type": "resize", "cols": size.cols, "rows": size.rows})
                }
                ClientFrame::Signal(signal) => json!({"type": "signal", "name": signal.name()}),
                ClientFrame::Eof => json!({"type": "eof"}),
                ClientFrame::Close => json!({"type": "close"}),
            };
            assert_eq!(ClientFrame::parse(&again.to_string()), Ok(frame));
        }
    }
}

/// What comes out, byte by byte with its stream, and how it ended.
fn demuxed<'a>(reads: impl Iterator<Item = &'a [u8]>) -> (Vec<(bool, u8)>, Option<DemuxError>) {
    let (mut demux, mut pieces) = (Demux::default(), Vec::<Piece>::new());
    let mut error = None;
    for read in reads {
        if let Err(failed) = demux.feed(&Bytes::copy_from_slice(read), &mut pieces) {
            error = Some(failed);
            break;
        }
    }
    assert!(pieces.iter().all(|piece| !piece.bytes.is_empty()));
    let bytes = pieces
        .iter()
        .flat_map(|piece| piece.bytes.iter().map(|byte| (piece.stream == StdStream::Err, *byte)));
    (bytes.collect(), error)
}

/// Cut at any place, the stream is the same; and no byte comes from nowhere.
fn demux(data: &[u8]) {
    let Some((cuts, wire)) = data.split_at_checked(4) else { return };
    let whole = demuxed(std::iter::once(wire));
    let mut left = wire;
    let mut at = 0;
    let pieces = std::iter::from_fn(|| {
        let len = usize::from(cuts[at % 4] % 23).max(1).min(left.len());
        at += 1;
        let (piece, rest) = left.split_at(len);
        left = rest;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(demuxed(pieces), whole);
    assert!(whole.0.len() <= wire.len());
    // The same bytes as a payload come out as they went in, whatever they look like.
    let mut framed = vec![1, 0, 0, 0];
    framed.extend(u32::try_from(wire.len()).expect("short").to_be_bytes());
    framed.extend(wire);
    let (bytes, error) = demuxed(framed.chunks(usize::from(cuts[0]).max(1)));
    assert_eq!(error, None);
    assert!(bytes.iter().map(|(_, byte)| byte).eq(wire), "a payload is never read as a frame");
}

/// Every byte arrives, in order, in frames that are JSON; text stays text.
fn text(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let mut utf8 = Utf8::default();
    let mut frames: Vec<_> =
        bytes.chunks(usize::from(*cut).max(1)).flat_map(|chunk| utf8.feed(chunk)).collect();
    frames.extend(utf8.finish());
    let mut arrived = Vec::new();
    for (data, encoding) in frames {
        let text = ServerMessage::output(StdStream::Out, data, encoding).to_text();
        let mut frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
        assert!(!text.contains('\n') && frame["data"] != "", "{text}");
        assert!(encoding == Encoding::Utf8 || std::str::from_utf8(bytes).is_err(), "text stays text");
        frame["type"] = "stdin".into();
        let Ok(ClientFrame::Stdin(some)) = ClientFrame::parse(&frame.to_string()) else { panic!("{frame}") };
        arrived.extend(some);
    }
    assert_eq!(arrived, bytes);
}
