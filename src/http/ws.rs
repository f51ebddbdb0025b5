//! Between a WebSocket and a terminal session: frames both ways, pings, limits.

use std::future::Future;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, MessageStream, ProtocolError, Session,
};
use tokio::sync::mpsc;

use crate::service::{ClientEvent, ServerEvent};

/// The largest frame or message that is read, in bytes.
pub const MAX_MESSAGE: usize = 1024 * 1024;
/// How long a client that does not read may hold up its own close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// When a quiet peer is asked whether it is there, and when it is taken not to be.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time between pings.
    pub ping: Duration,
    /// How long nothing may come, not even a pong.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { ping: Duration::from_secs(30), silence: Duration::from_secs(90) }
    }
}

/// Carries frames until one side ends. Both channels are closed then, which tells the session.
pub async fn carry(
    socket: Session,
    messages: MessageStream,
    to_session: mpsc::Sender<ClientEvent>,
    from_session: mpsc::Receiver<ServerEvent>,
    patience: Patience,
) {
    let messages = messages.max_frame_size(MAX_MESSAGE).aggregate_continuations();
    let messages = messages.max_continuation_size(MAX_MESSAGE);
    let refused = tokio::select! {
        refused = receive(messages, socket.clone(), &to_session, patience) => refused,
        () = send(socket.clone(), from_session, patience) => return,
    };
    // The session may not be reading events; that the channels close reaches it in any case.
    drop(to_session.try_send(ClientEvent::Closed));
    if let Some(code) = refused {
        in_time(socket.close(Some(CloseReason { code, description: None }))).await;
    }
}

/// Reads until the client is gone, or has broken the protocol: then with the code that says how.
async fn receive(
    mut messages: AggregatedMessageStream,
    mut socket: Session,
    to_session: &mpsc::Sender<ClientEvent>,
    patience: Patience,
) -> Option<CloseCode> {
    loop {
        // Time in which the session takes nothing is not the client's silence.
        let Ok(message) = tokio::time::timeout(patience.silence, messages.recv()).await else {
            return Some(CloseCode::Away);
        };
        let event = match message {
            Some(Ok(AggregatedMessage::Text(text))) => ClientEvent::Text(text.into()),
            Some(Ok(AggregatedMessage::Binary(_))) => ClientEvent::Binary,
            // Whoever asks on and reads no answer is as silent as whoever says nothing.
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                match tokio::time::timeout(patience.silence, socket.pong(&bytes)).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(CloseCode::Away),
                }
            }
            Some(Ok(AggregatedMessage::Pong(_))) => continue,
            Some(Ok(AggregatedMessage::Close(_))) => return Some(CloseCode::Normal),
            // Never read on after an error: the same one would come back for ever.
            Some(Err(error)) => return Some(code_of(&error)),
            None => return None,
        };
        if to_session.send(event).await.is_err() {
            // The session has ended; its close frame is on its way.
            return std::future::pending().await;
        }
    }
}

/// Writes until the session has closed the socket or the socket is gone. A client that does not read makes
/// it wait, and with it the session.
async fn send(mut socket: Session, mut from_session: mpsc::Receiver<ServerEvent>, patience: Patience) {
    let mut ping = tokio::time::interval(patience.ping);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let sent = tokio::select! {
            event = from_session.recv() => match event {
                Some(ServerEvent::Frame(text)) => socket.text(text).await,
                Some(ServerEvent::Close { code, reason }) => {
                    let reason = CloseReason { code: code.into(), description: Some(reason) };
                    return in_time(socket.close(Some(reason))).await;
                }
                None => return,
            },
            _ = ping.tick() => socket.ping(b"").await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn in_time<T>(closing: impl Future<Output = T>) {
    // A client that does not take its close frame does without.
    drop(tokio::time::timeout(CLOSE_WITHIN, closing).await);
}

fn code_of(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::Size,
        ProtocolError::Io(error) if is_overlong(error) => CloseCode::Size,
        // actix-ws reports an overlong message and text that is not UTF-8 as I/O errors.
        ProtocolError::Io(error) if error.to_string().contains("continuation size") => CloseCode::Size,
        ProtocolError::Io(error) if error.to_string().to_ascii_lowercase().contains("utf") => {
            CloseCode::Invalid
        }
        _ => CloseCode::Protocol,
    }
}

/// Whether a frame said to be longer than is read (see `frame_lengths`).
fn is_overlong(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<PayloadError>());
    matches!(inner, Some(PayloadError::Overflow))
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::http::frame_lengths;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    /// Echoes texts as frames and closes with 1000 on `bye`.
    async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
        let body = frame_lengths::limited(&request, body, MAX_MESSAGE).await?;
        let (response, socket, messages) = actix_ws::handle(&request, body)?;
        let (to_session, mut events) = mpsc::channel(2);
        let (frames, from_session) = mpsc::channel(2);
        let patience = Patience { ping: Duration::from_millis(200), silence: Duration::from_millis(1500) };
        let ended = request.app_data::<mpsc::UnboundedSender<()>>().cloned();
        actix_web::rt::spawn(async move {
            carry(socket, messages, to_session, from_session, patience).await;
            ended.map(|ended| ended.send(()))
        });
        actix_web::rt::spawn(async move {
            while let Some(event) = events.recv().await {
                let answer = match event {
                    ClientEvent::Text(text) if text == "bye" => {
                        ServerEvent::Close { code: 1000, reason: "bye".into() }
                    }
                    ClientEvent::Text(text) => ServerEvent::Frame(text),
                    ClientEvent::Binary => ServerEvent::Frame("binary".into()),
                    ClientEvent::Closed => return,
                };
                if frames.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(response)
    }

    async fn connected() -> TcpStream {
        connected_and_told().await.0
    }

    /// A connection, and what tells that nothing is carried on it any more.
    async fn connected_and_told() -> (TcpStream, mpsc::UnboundedReceiver<()>) {
        let (ended, told) = mpsc::unbounded_channel();
        let app = move || App::new().app_data(ended.clone()).route("/", web::get().to(echo));
        let server = HttpServer::new(app).workers(1);
        let server = server.bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        (stream, told)
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | 127];
        frame.extend((payload.len() as u64).to_be_bytes());
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// The next frame that is no ping: its opcode and payload.
    async fn next(stream: &mut TcpStream) -> (u8, Vec<u8>) {
        loop {
            let opcode = stream.read_u8().await.unwrap() & 15;
            let length = match stream.read_u8().await.unwrap() {
                126 => u64::from(stream.read_u16().await.unwrap()),
                127 => stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            if opcode != 9 {
                return (opcode, payload);
            }
        }
    }

    async fn closed_with(stream: &mut TcpStream) -> u16 {
        let waiting = tokio::time::timeout(Duration::from_secs(20), next(stream));
        let (opcode, payload) = waiting.await.expect("no close frame within 20 s");
        assert_eq!(opcode, 8);
        u16::from_be_bytes([payload[0], payload[1]])
    }

    #[actix_web::test]
    async fn texts_go_both_ways_and_the_session_closes_the_socket() {
        let mut stream = connected().await;
        let large = "x".repeat(1_000_000);
        stream.write_all(&frame(0x81, large.as_bytes())).await.unwrap();
        assert_eq!(next(&mut stream).await, (1, large.into_bytes()));
        stream.write_all(&frame(0x82, b"\xff")).await.unwrap();
        assert_eq!(next(&mut stream).await, (1, b"binary".to_vec()));
        stream.write_all(&frame(0x81, b"bye")).await.unwrap();
        assert_eq!(closed_with(&mut stream).await, 1000);
    }

    #[actix_web::test]
    async fn whatever_breaks_the_protocol_is_closed_with_its_own_code() {
        let long = vec![b'x'; 700_000];
        let cases: [(Vec<u8>, u16); 5] = [
            (vec![0x81, 1, b'x'], 1002),
            (frame(0x83, b"x"), 1002),
            (frame(0x81, &[long.as_slice(), &long].concat()), 1009),
            ([frame(0x01, &long), frame(0x80, &long)].concat(), 1009),
            (frame(0x81, b"\xff\xfe"), 1007),
        ];
        for (bytes, code) in cases {
            let mut stream = connected().await;
            // The server may close before it has read everything.
            drop(stream.write_all(&bytes).await);
            assert_eq!(closed_with(&mut stream).await, code);
        }
    }

    #[actix_web::test]
    async fn a_peer_that_says_nothing_is_given_up() {
        let mut stream = connected().await;
        assert_eq!(closed_with(&mut stream).await, 1001);
    }

    #[actix_web::test]
    async fn a_peer_that_asks_on_and_reads_no_answer_is_given_up() {
        let (mut stream, mut told) = connected_and_told().await;
        let asking = async {
            let pings = frame(0x89, &[0; 125]).repeat(500);
            while stream.write_all(&pings).await.is_ok() {}
        };
        let waiting = tokio::time::timeout(Duration::from_secs(20), told.recv());
        tokio::select! {
            ended = waiting => drop(ended.expect("it is carried on for ever")),
            () = asking => {}
        }
    }
}
