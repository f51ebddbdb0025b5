//! `GET /ws/{id}`: what is refused, what is limited, and that nothing is left behind.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::engine::{docker as engine, exec};
use crate::support::*;

/// Whether a process with this argument runs in the container.
async fn runs(cuid: &str, marker: &str) -> bool {
    let titles = engine(&["top", cuid, "-o", "pid,args"]).await;
    titles.lines().any(|line| line.contains(marker))
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_plain_errors_before_the_upgrade() {
    let api = shared().await;
    let running = api.running(json!({})).await;
    let stopped = api.idle(json!({})).await;
    let path = format!("/ws/{running}");
    api.with_login(None).upgrade(&path, &[]).await.refused("auth_error", "UNAUTHORIZED");
    api.with_login(Some(("admin", "wrong"))).upgrade(&path, &[]).await.refused("auth_error", "UNAUTHORIZED");
    api.upgrade(&path, &[("origin", "http://evil.example")]).await.refused("forbidden", "CROSS_SITE");
    api.upgrade(&path, &[("origin", "null")]).await.refused("forbidden", "CROSS_SITE");
    api.upgrade("/ws/nobody", &[]).await.refused("not_found", "CONTAINER_NOT_FOUND");
    api.upgrade(&format!("/ws/{stopped}"), &[]).await.refused("state_error", "CONTAINER_NOT_RUNNING");
    for query in ["cols=0", "rows=1001", "cols=x", "tty=perhaps", "mode=dance", "env=NOEQUALS"] {
        api.upgrade(&format!("{path}?{query}"), &[]).await.refused("validation_error", "");
    }
    let plain = api.get(&path).await;
    assert!([400, 426].contains(&plain.status), "no upgrade asked for: {}", plain.status);
    api.act(&running, "pause").await;
    api.upgrade(&path, &[]).await.refused("state_error", "CONTAINER_NOT_RUNNING");
    api.act(&running, "unpause").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_origin_and_allowed_ones_are_let_in() {
    let daemon = Daemon::builder().env("APP_ALLOWED_ORIGINS", "https://panel.example").start().await;
    let cuid = daemon.running(json!({})).await;
    let own = daemon.base.clone();
    for origin in [&*own, "https://panel.example"] {
        Terminal::open_with(&daemon, &cuid, "", &[("origin", origin)]).await;
    }
    for origin in [
        "https://panel.example.evil.example",
        "http://panel.example",
        "https://evil.example/?https://panel.example",
    ] {
        daemon
            .upgrade(&format!("/ws/{cuid}"), &[("origin", origin)])
            .await
            .refused("forbidden", "CROSS_SITE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_sessions_are_refused_and_a_closed_one_makes_room() {
    let builder = Daemon::builder().env("APP_MAX_TERMINALS", "3").env("APP_MAX_TERMINALS_PER_CONTAINER", "2");
    let daemon = builder.start().await;
    let (a, b) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    let first = Terminal::open(&daemon, &a, "").await;
    let _second = Terminal::open(&daemon, &a, "").await;
    let answer = daemon.upgrade(&format!("/ws/{a}"), &[]).await;
    answer.refused("rate_limited", "TOO_MANY_TERMINALS");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().is_ok());
    let _third = Terminal::open(&daemon, &b, "").await;
    daemon.upgrade(&format!("/ws/{b}"), &[]).await.refused("rate_limited", "TOO_MANY_TERMINALS");
    drop(first);
    eventually("room for another", 8.0, || async {
        let answer = daemon.upgrade_status(&format!("/ws/{b}")).await;
        (answer == 101).then_some(())
    })
    .await;
}

trait UpgradeStatus {
    async fn upgrade_status(&self, path: &str) -> u16;
}

impl UpgradeStatus for Daemon {
    /// The status of a handshake, the socket of which is dropped at once.
    async fn upgrade_status(&self, path: &str) -> u16 {
        let request =
            self.request("GET", path).header("connection", "Upgrade").header("upgrade", "websocket");
        let request = request
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_socket_goes_everything_the_session_started_goes() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    for (query, how) in
        [("", "drop"), ("cols=80&rows=24", "drop"), ("", "close frame"), ("tty=true", "close message")]
    {
        let mut t = Terminal::open(&api, &cuid, query).await;
        // A child that minds nothing but SIGKILL, one in the background, one in a pipe, and the shell.
        t.type_in("sh -c 'trap \"\" HUP TERM INT; while :; do sleep 77771; done' & sleep 77772 & sleep 77773 | cat & echo begun-$((1+1)); sleep 77774\n").await;
        t.until("begun-2", 0).await;
        eventually("it runs", 5.0, || async { runs(&cuid, "sleep 77774").await.then_some(()) }).await;
        match how {
            "close frame" => t.socket.close(None).await.unwrap(),
            "close message" => t.send(json!({"type": "close"})).await,
            _ => drop(t),
        }
        eventually("no process is left behind", 8.0, || async {
            (!runs(&cuid, "sleep 7777").await).then_some(())
        })
        .await;
        assert!(!runs(&cuid, "trap \"\" HUP").await, "{query} {how}");
    }
    assert_eq!(api.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_stops_ends_its_sessions() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cols=80&rows=24").await;
    t.type_in("echo here\n").await;
    t.until("here", 0).await;
    api.act(&cuid, "stop").await;
    let code = t.end().await;
    assert!(code.is_some() || t.close_code.is_some(), "exit or close, not silence");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_is_dropped_for_a_slow_reader() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "").await;
    t.type_in("i=0; while [ $i -lt 300 ]; do head -c 65536 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo end; exit 0\n").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(t.end().await, Some(0));
    assert_eq!(t.stdout.len(), 300 * 65537 + 4);
    assert!(t.out().ends_with("x\nend\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_stops_the_reading_and_not_the_daemon() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut t = Terminal::open(&daemon, &cuid, "").await;
    t.type_in("yes 0123456789012345678901234567890123456789\n").await;
    let rss = || {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", daemon.pid())).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = rss();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(rss().saturating_sub(before) < 30_000_000, "memory grew by {}", rss() - before);
    daemon.get("/healthz").await.expect(200);
    drop(t);
    eventually("the endless command is gone", 8.0, || async {
        (!runs(&cuid, "yes 0123").await).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_a_mebibyte_closes_with_1009_and_one_below_does_not() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cmd=wc&cmd=-c").await;
    t.type_in(&"x".repeat(900_000)).await;
    t.send(json!({"type": "eof"})).await;
    assert_eq!(t.end().await, Some(0));
    assert_eq!(t.out().trim(), "900000");
    let mut t = Terminal::open(&api, &cuid, "cmd=cat").await;
    let _ = t
        .socket
        .send(Message::text(json!({"type": "stdin", "data": "x".repeat(1_200_000)}).to_string()))
        .await;
    t.end().await;
    assert_eq!(t.close_code, Some(1009));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmasked_frame_ends_the_session_and_burns_no_processor() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    let text = format!(
        "GET /ws/{cuid} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        daemon.authorization().unwrap()
    );
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut piece = [0; 4096];
    let n = socket.read(&mut piece).await.unwrap();
    assert!(String::from_utf8_lossy(&piece[..n]).starts_with("HTTP/1.1 101"));
    socket.write_all(&[0x81, 0x05, b'h', b'e', b'l', b'l', b'o']).await.unwrap();
    within("the socket is closed", 10.0, async {
        while socket.read(&mut piece).await.is_ok_and(|n| n > 0) {}
    })
    .await;
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
        let after =
            stat.rsplit(')').next().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        after[11].parse::<u64>().unwrap() + after[12].parse::<u64>().unwrap()
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ticks() - before < 50, "two idle seconds cost {} ticks", ticks() - before);
    daemon.get("/healthz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_pings_within_half_a_minute() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "tty=true").await;
    let ping = async {
        loop {
            match t.socket.next().await {
                Some(Ok(Message::Ping(_))) => return,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    within("a ping", 35.0, ping).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_are_strangers() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut a = Terminal::open(&api, &cuid, "").await;
    let mut b = Terminal::open(&api, &cuid, "").await;
    assert_ne!(a.ready["session"], b.ready["session"]);
    a.type_in("X=a; echo $X; exit\n").await;
    b.type_in("echo [$X]; exit\n").await;
    a.end().await;
    b.end().await;
    assert_eq!((a.out(), b.out()), ("a\n".into(), "[]\n".into()));
    assert!(exec(&cuid, "true").await.is_empty());
}
