//! TLS: what is spoken, what is refused, and who leaves.

use futures_util::future::BoxFuture;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::engine::docker as engine;
use crate::support::stream::{resident, unix_sockets};
use crate::support::tls;
use crate::support::*;

/// How long a handshake may take, and some for a busy machine.
const HANDSHAKE: f64 = 10.0 + 5.0;

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_are_spoken_and_the_api_is_all_there() {
    let authority = Authority::new();
    let daemon = Daemon::builder().tls(&authority).start().await;
    assert!(daemon.base.starts_with("https://"), "{}", daemon.base);
    let known: [(&'static SupportedProtocolVersion, _); 2] =
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)];
    for (version, name) in known {
        let login = daemon.login.as_ref().map(|(user, pass)| (user.as_str(), pass.as_str()));
        let api = Api::with_tls(&daemon.base, login, &daemon.data(), authority.client(&[version]));
        api.get("/healthz").await.expect(200);
        let cuid = api.idle(json!({})).await;
        let noise = noise(300_000);
        api.upload(&cuid, "", Zip::new().file("noise", &noise).bytes()).await.expect(200);
        assert_eq!(std::fs::read(api.mount(&cuid).join("noise")).unwrap(), noise);
        let mut socket = tls::connect(&api).await.unwrap();
        assert_eq!(socket.get_ref().1.protocol_version(), Some(name));
        assert!(tls::ask(&mut socket, &api, "/containers").await.unwrap().starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_trust_the_authority_does_not_connect() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let stranger = Api::with_tls(&daemon.base, None, &daemon.data(), Authority::new().client(tls::ALL));
    let refused = tls::connect(&stranger).await.expect_err("the certificate is of another authority");
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let plain = daemon.base.replacen("https", "http", 1);
    assert!(api::client().build().unwrap().get(plain).send().await.is_err(), "it speaks TLS alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_is_agreed_on_and_http_2_alone_is_refused() {
    let authority = Authority::new();
    let daemon = Daemon::builder().tls(&authority).start().await;
    for (offered, agreed) in [(vec!["h2", "http/1.1"], true), (vec!["h2"], false)] {
        let mut config = (*authority.client(tls::ALL)).clone();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let api = Api::with_tls(&daemon.base, None, &daemon.data(), config.into());
        match tls::connect(&api).await {
            Ok(socket) => {
                assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]), "{offered:?}");
                assert!(agreed, "{offered:?}");
            }
            Err(error) => assert!(!agreed, "{offered:?}: {error}"),
        }
    }
}

/// The first message of a client that speaks no version above this one.
fn client_hello(version: u8) -> Vec<u8> {
    let extensions: &[u8] = &[
        0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17, // the curve P-256
        0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, // its points in their long form
        0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03, // ECDSA with SHA-256
    ];
    let mut body = vec![0x03, version];
    body.extend([7; 32]);
    body.push(0);
    // ECDHE-ECDSA with AES-128: by GCM for 1.2, by CBC for what was before.
    body.extend([0x00, 0x04, 0xc0, 0x2b, 0xc0, 0x09]);
    body.extend([0x01, 0x00, 0x00, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 0x03, 0x01, 0x00, length + 4, 0x01, 0x00, 0x00, length][..], &body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_before_1_2_are_refused_by_name() {
    const HANDSHAKE_RECORD: u8 = 0x16;
    const PROTOCOL_VERSION: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 70];
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    for (version, spoken) in [(0x01, false), (0x02, false), (0x03, true)] {
        let mut socket = TcpStream::connect(daemon.address()).await.unwrap();
        socket.write_all(&client_hello(version)).await.unwrap();
        let mut answer = [0; 7];
        within("an answer", 5.0, socket.read_exact(&mut answer)).await.unwrap();
        if spoken {
            assert_eq!(answer[0], HANDSHAKE_RECORD, "1.{}: {answer:?}", version - 1);
        } else {
            // The version that the alert's own record names is not told by the rules.
            assert_eq!((answer[0], &answer[3..]), (0x15, &PROTOCOL_VERSION[3..]), "1.{}", version - 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_works_and_ends_with_its_client() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let cuid = daemon.running(json!({})).await;
    let mut terminal = Terminal::open(&daemon, &cuid, "tty=true").await;
    terminal.type_in("echo over-$((40+2))\n").await;
    terminal.until("over-42", 0).await;
    terminal.type_in("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo all-$((1+1)); exit 3\n").await;
    terminal.until("all-2", 0).await;
    assert_eq!(terminal.end().await, Some(3));
    assert!(terminal.out().matches('x').count() >= 3_000_000);
    let mut terminal = Terminal::open(&daemon, &cuid, "").await;
    terminal.type_in("echo on; sleep 77771\n").await;
    terminal.until("on\n", 0).await;
    assert!(engine(&["top", &cuid]).await.contains("77771"));
    drop(terminal);
    eventually("what it ran is gone", 8.0, || async {
        (!engine(&["top", &cuid]).await.contains("77771")).then_some(())
    })
    .await;
}

/// The connections that the daemon has to the engine, when nothing comes and goes: the least of a few looks.
async fn connections(daemon: &Daemon) -> usize {
    let mut least = usize::MAX;
    for _ in 0..10 {
        least = least.min(unix_sockets(daemon.pid()));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    least
}

type Client = TlsStream<TcpStream>;
type Leave = fn(Client) -> BoxFuture<'static, ()>;

/// How clients leave.
const WAYS_TO_LEAVE: [(&str, Leave); 3] = [
    ("its process is gone", |client| {
        drop(client);
        Box::pin(async {})
    }),
    ("it ends TLS and TCP", |mut client| Box::pin(async move { client.shutdown().await.unwrap() })),
    // As Python's asyncio does, which closes the socket only after half a minute where nothing comes.
    ("it ends TLS, and waits for the other side to do so", |mut client| {
        Box::pin(async move {
            client.get_mut().1.send_close_notify();
            client.flush().await.unwrap();
            let mut rest = Vec::new();
            within("the other side ends TLS too", 10.0, client.read_to_end(&mut rest)).await.unwrap();
        })
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_silent_stream_is_seen_within_two_seconds() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let cuid = daemon.running(json!({})).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = connections(&daemon).await;
    for (way, leave) in WAYS_TO_LEAVE {
        let mut clients = Vec::new();
        for path in [format!("/containers/{cuid}/logs?follow=true"), "/events".to_owned()] {
            let mut client = tls::connect(&daemon).await.unwrap();
            assert!(tls::ask(&mut client, &daemon, &path).await.unwrap().starts_with("HTTP/1.1 200"));
            clients.push(client);
        }
        eventually("the streams are open", 5.0, || async {
            (connections(&daemon).await >= before + 2).then_some(())
        })
        .await;
        for client in clients {
            leave(client).await;
        }
        eventually(&format!("their connections to the engine are closed ({way})"), 2.0, || async {
            (connections(&daemon).await <= before).then_some(())
        })
        .await;
    }
}

/// A request whose answer the client does not wait for.
async fn post(api: &Api, path: &str, body: &str) -> Client {
    let mut client = tls::connect(api).await.unwrap();
    let (login, length) = (api.authorization().unwrap(), body.len());
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n");
    let body = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
    client.write_all((head + &body).as_bytes()).await.unwrap();
    client.flush().await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_not_waited_for_any_more() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let cuid = daemon.running(json!({})).await;
    for (at, (way, leave)) in WAYS_TO_LEAVE.into_iter().enumerate() {
        let client = post(&daemon, &format!("/containers/{cuid}/wait"), "{}").await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let lines =
            || daemon.audit().iter().filter(|l| l["path"].as_str().unwrap().ends_with("/wait")).count();
        assert_eq!(lines(), at, "{way}: it waits");
        leave(client).await;
        eventually(way, 2.0, || async { (lines() == at + 1).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_end_the_change_it_began_nor_its_line() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    for (at, (way, leave)) in WAYS_TO_LEAVE.into_iter().enumerate() {
        let cuid = daemon.running(json!({})).await;
        let body = json!({"cmd": "sleep 2; touch /tmp/done"}).to_string();
        let client = post(&daemon, &format!("/containers/{cuid}/exec"), &body).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        leave(client).await;
        let is_line =
            |line: &Value| line["cuid"] == json!(cuid) && line["path"].as_str().unwrap().ends_with("/exec");
        assert!(!daemon.audit().iter().any(is_line), "{way} while it ran");
        eventually(way, 8.0, || async { daemon.audit().iter().any(is_line).then_some(()) }).await;
        assert_eq!(engine(&["exec", &cuid, "ls", "/tmp/done"]).await.trim(), "/tmp/done", "{at}: {way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_stops_the_reading() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let cuid = daemon.running(json!({})).await;
    let mut terminal = Terminal::open(&daemon, &cuid, "").await;
    terminal.type_in("yes 0123456789012345678901234567890123456789\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = resident(daemon.pid());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 30_000_000, "memory grew by {grown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_says_so_to_terminals_and_is_not_held_by_handshakes() {
    let mut daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let cuid = daemon.running(json!({})).await;
    let mut terminal = Terminal::open(&daemon, &cuid, "").await;
    let _silent = TcpStream::connect(daemon.address()).await.unwrap();
    let _idle = tls::connect(&daemon).await.unwrap();
    daemon.get("/healthz").await.expect(200);
    let begun = Instant::now();
    daemon.signal(rustix::process::Signal::TERM);
    terminal.end().await;
    assert_eq!(terminal.close_code, Some(1001));
    assert_eq!(daemon.wait_end(10.0).await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_gets_no_answer_and_does_no_harm() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let hello = client_hello(0x03);
    let changed: Vec<u8> = hello.iter().map(|byte| byte ^ 0x55).collect();
    let mut all = [&hello[..], &hello[..]].concat();
    all[60] ^= 0xff;
    for sent in [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        noise(100_000),
        changed,
        all,
        vec![0x16, 0x03, 0x01, 0xff, 0xff, 0x01],
        vec![],
    ] {
        let mut socket = TcpStream::connect(daemon.address()).await.unwrap();
        let _ = socket.write_all(&sent).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = within("the daemon hangs up", HANDSHAKE, socket.read_to_end(&mut answer)).await;
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
        assert!(answer.len() < 2000, "an alert at most, or its side of the handshake: {}", answer.len());
        daemon.get("/healthz").await.expect(200);
    }
    assert!(!daemon.output().contains("panicked"), "{}", daemon.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_stalls_is_dropped_and_holds_nobody() {
    let daemon = Daemon::builder().tls(&Authority::new()).start().await;
    let hello = client_hello(0x03);
    let mut stalled = Vec::new();
    // Nothing, a part of the first message, and the first message alone.
    for sent in [0, 1, 5, 40, hello.len()] {
        let mut socket = TcpStream::connect(daemon.address()).await.unwrap();
        socket.write_all(&hello[..sent]).await.unwrap();
        stalled.push(socket);
    }
    let begun = Instant::now();
    for _ in 0..10 {
        let mut socket = within("others are served", 10.0, tls::connect(&daemon)).await.unwrap();
        assert!(tls::ask(&mut socket, &daemon, "/healthz").await.unwrap().starts_with("HTTP/1.1 200"));
    }
    for mut socket in stalled {
        let mut answer = Vec::new();
        let left = HANDSHAKE - begun.elapsed().as_secs_f64();
        let _ = within("it is dropped", left, socket.read_to_end(&mut answer)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "a slow client has its time: {:?}", begun.elapsed());
}
