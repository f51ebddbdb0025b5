//! Frames of every broken kind against a terminal: each ends the session with its code, and all that it started.

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::support::engine::docker as engine;
use crate::support::frames::{self, BINARY, Case, PING, TEXT, Then, frame, head};
use crate::support::raw::{known, processor_time};
use crate::support::stream::resident;
use crate::support::*;

/// What the sessions of these tests run: it gives back what it is sent.
const COMMAND: &str = "cmd=sh&cmd=-c&cmd=cat;%20:%20marker-of-frames";

/// The ping that is answered where a session goes on.
const STILL_THERE: &[u8] = b"still there?";

/// A socket behind its handshake.
async fn open(daemon: &Daemon, cuid: &str, more: &str) -> Raw {
    let mut raw = Raw::to(daemon).await;
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{key}{more}");
    raw.send(format!("GET /ws/{cuid}?{COMMAND} HTTP/1.1\r\n{}{upgrade}\r\n", known(daemon))).await;
    let mut byte = [0];
    while !raw.heard.ends_with(b"\r\n\r\n") {
        within("the handshake", 60.0, raw.socket.read_exact(&mut byte)).await.unwrap();
        raw.heard.push(byte[0]);
    }
    assert!(raw.text().starts_with("HTTP/1.1 101"), "{}", raw.text());
    assert!(!raw.text().to_lowercase().contains("sec-websocket-extensions"), "{}", raw.text());
    raw.heard.clear();
    raw
}

/// Takes the first frame out of what was heard, once it is whole: opcode and payload.
fn take_frame(heard: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let opcode = heard.first()? & 15;
    let (at, length) = match *heard.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(heard.get(2..4)?.try_into().unwrap()))),
        127 => (10, u64::from_be_bytes(heard.get(2..10)?.try_into().unwrap())),
        short => (2, u64::from(short)),
    };
    let end = at + usize::try_from(length).unwrap();
    let payload = heard.get(at..end)?.to_vec();
    heard.drain(..end);
    Some((opcode, payload))
}

/// What becomes of a session; nothing where the connection ends without a word. What comes behind it stays heard.
async fn outcome(what: &str, reader: &mut (impl AsyncRead + Unpin), heard: &mut Vec<u8>) -> Option<Then> {
    let mut piece = vec![0; 65_536];
    loop {
        while let Some(frame) = take_frame(heard) {
            match frame {
                (8, payload) => return Some(Then::Closes(u16::from_be_bytes([payload[0], payload[1]]))),
                (10, payload) if payload == STILL_THERE => return Some(Then::Stays),
                _ => {}
            }
        }
        let count = within(what, 60.0, reader.read(&mut piece)).await.unwrap_or(0);
        if count == 0 {
            return None;
        }
        heard.extend(&piece[..count]);
    }
}

/// Plays cases one after the other in one session, of which the last may close it.
async fn play(daemon: &Daemon, cuid: &str, cases: Vec<Case>) {
    let mut raw = open(daemon, cuid, "Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
    for case in cases {
        let got = play_one(&mut raw, &case).await;
        assert_eq!(got, Some(case.then), "{}", case.name);
    }
}

async fn play_one(raw: &mut Raw, case: &Case) -> Option<Then> {
    let (mut reader, mut writer) = raw.socket.split();
    let sender = async {
        let size = if case.pieces == 0 { case.bytes.len().max(1) } else { case.pieces };
        for piece in case.bytes.chunks(size) {
            // The daemon may close before it has read everything.
            if writer.write_all(piece).await.is_err() {
                return;
            }
            if case.pieces > 0 {
                tokio::task::yield_now().await;
            }
        }
        if case.then == Then::Stays {
            let _ = writer.write_all(&frame(PING, STILL_THERE)).await;
        }
    };
    // Both at once: whoever only sends and never reads is held up.
    let listener = async {
        let got = outcome(&case.name, &mut reader, &mut raw.heard).await;
        if got != Some(Then::Stays) {
            let mut rest = tokio::io::sink();
            drop(within("the connection is closed", 60.0, tokio::io::copy(&mut reader, &mut rest)).await);
        }
        got
    };
    tokio::join!(sender, listener).1
}

/// Nothing that a session started is left in the container, and the daemon has nothing to do.
async fn is_at_rest(daemon: &Daemon, cuid: &str) {
    eventually("no process of a session is left", 60.0, || async {
        (!engine(&["top", cuid, "-o", "pid,args"]).await.contains("marker-of-frames")).then_some(())
    })
    .await;
    // What ends the last of them may still go on; what spins never rests.
    eventually("a second in which the daemon rests", 60.0, || async {
        let before = processor_time(daemon.pid());
        tokio::time::sleep(Duration::from_secs(1)).await;
        (processor_time(daemon.pid()) - before < 0.3).then_some(())
    })
    .await;
    daemon.get("/ping").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_frame_ends_its_session_with_its_code_and_each_sound_one_does_not() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let (mut stay, end): (Vec<Case>, Vec<Case>) =
        frames::all().into_iter().partition(|case| case.then == Then::Stays);
    assert!(stay.len() > 50 && end.len() > 70, "{} and {} cases", stay.len(), end.len());
    let mut sessions: Vec<Vec<Case>> = Vec::new();
    for last in end {
        let mut session: Vec<Case> = stay.pop().into_iter().collect();
        session.push(last);
        sessions.push(session);
    }
    assert!(stay.is_empty(), "each is played");
    let plays = futures_util::stream::iter(sessions).map(|cases| play(&daemon, &cuid, cases));
    plays.buffer_unordered(12).collect::<()>().await;
    is_at_rest(&daemon, &cuid).await;
    assert_eq!(daemon.status(&cuid).await, "running");
    assert!(!daemon.output().contains("panicked"), "{}", daemon.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_refused_by_the_length_that_it_says_and_not_gathered() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut raw = open(&daemon, &cuid, "").await;
    let before = resident(daemon.pid());
    raw.send(head(TEXT, 1 << 40)).await;
    let piece = vec![b'*'; 1 << 20];
    for _ in 0..64 {
        if raw.socket.write_all(&piece).await.is_err() {
            break;
        }
    }
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes are held");
    let mut raw = open(&daemon, &cuid, "").await;
    raw.send(head(TEXT, 1 << 40)).await;
    assert_eq!(outcome("its length", &mut raw.socket, &mut raw.heard).await, Some(Then::Closes(1009)));
    is_at_rest(&daemon, &cuid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_breaks_off_anywhere_in_a_frame_leaves_nothing() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let whole =
        [frame(TEXT, br#"{"type":"stdin","data":"x"}"#), frame(1, b"half"), frame(BINARY, &vec![7; 70_000])]
            .concat();
    let places =
        (0..rounds(12)).map(|n| n * 7919 % (whole.len() / 40) + if n % 3 == 0 { whole.len() / 2 } else { 0 });
    let all = places.map(|at| {
        let (daemon, cuid, part) = (&daemon, &cuid, &whole[..at]);
        async move {
            let mut raw = open(daemon, cuid, "").await;
            raw.send(part).await;
            if at % 2 == 0 {
                let _ = rustix::net::sockopt::set_socket_linger(&raw.socket, Some(Duration::ZERO));
            }
        }
    });
    futures_util::stream::iter(all).buffer_unordered(12).collect::<()>().await;
    is_at_rest(&daemon, &cuid).await;
}
