//! What all streams have in common: their forms, their end, their limit, and what they cost.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::stream::{resident, unix_sockets};
use crate::support::*;

const TICK: &str = "while :; do echo tick; sleep 0.2; done";

/// A request whose connection the test has in hand.
async fn raw(daemon: &Daemon, method: &str, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(daemon.address()).await.unwrap();
    let login = daemon.authorization().unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn settled(daemon: &Daemon) -> usize {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // A ping may be under way: the least of a few looks is what stays.
    let mut least = usize::MAX;
    for _ in 0..10 {
        least = least.min(unix_sockets(daemon.pid()));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    least
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_are_data_and_a_last_event() {
    let daemon = shared().await;
    let body = json!({"image": BUSYBOX, "command": "echo one; echo two; exit 4", "state": "running"});
    let cuid = daemon.create(&body).await;
    let path = format!("/containers/{cuid}/logs?follow=true");
    let mut stream = Stream::open_as(&daemon, &path, "text/plain;q=0.4, text/event-stream").await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(
        (stream.header("cache-control"), stream.header("x-accel-buffering")),
        ("no-store".into(), "no".into())
    );
    let mut lines = Vec::new();
    while let Some(line) = stream.line(20.0).await {
        lines.push(line);
    }
    assert_eq!(lines.len(), 7, "{lines:?}");
    for (at, word) in [(0, "one"), (2, "two")] {
        let record: Value = serde_json::from_str(lines[at].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(record["data"], format!("{word}\n"));
    }
    assert_eq!(lines[4..], ["event: end", r#"data: {"reason":"exited","exit_code":4}"#, ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_of_events_gives_signs_of_life() {
    let daemon = shared().await;
    let cuid = daemon.running(json!({})).await;
    let path = format!("/containers/{cuid}/logs?follow=true");
    let mut stream = Stream::open_as(&daemon, &path, "text/event-stream").await;
    let begun = Instant::now();
    assert_eq!(stream.line(18.0).await.as_deref(), Some(": keep-alive"));
    assert!(begun.elapsed() > Duration::from_secs(13), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_the_engines_connection_within_two_seconds() {
    let daemon = Daemon::start().await;
    let silent = daemon.running(json!({})).await;
    let ticking = daemon.running(json!({"command": TICK})).await;
    let before = settled(&daemon).await;
    let mut clients = Vec::new();
    for path in [
        format!("/containers/{silent}/logs?follow=true"),
        format!("/containers/{ticking}/logs?follow=true"),
        format!("/containers/{ticking}/stats?stream=true"),
        "/stats?stream=true".to_owned(),
        "/events".to_owned(),
    ] {
        let mut client = raw(&daemon, "GET", &path).await;
        let mut head = [0; 12];
        within(&path, 5.0, client.read_exact(&mut head)).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200", "{path}");
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let during = settled(&daemon).await;
    assert!(during >= before + 5, "{during} after {before}");
    drop(clients);
    eventually("the connections are closed", 15.0, || async {
        (unix_sockets(daemon.pid()) <= before).then_some(())
    })
    .await;
    let lines = eventually("their lines are written", 15.0, || async {
        let lines: Vec<Value> = daemon
            .audit()
            .into_iter()
            .filter(|line| line["bytes"].is_u64() && line["aborted"].is_string())
            .collect();
        (lines.len() == 5).then_some(lines)
    })
    .await;
    assert!(
        lines.iter().any(|line| line["action"] == "container.logs"
            && line["cuid"] == ticking.as_str()
            && line["bytes"].as_u64() > Some(100)),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_holds_no_connection() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"command": TICK})).await;
    let before = settled(&daemon).await;
    for path in [
        format!("/containers/{cuid}/logs?follow=true"),
        format!("/containers/{cuid}/stats?stream=true"),
        "/stats?stream=true".to_owned(),
        "/events".to_owned(),
    ] {
        let answer = within(&path, 5.0, daemon.send(daemon.request("HEAD", &path))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    }
    eventually("no connection is held", 15.0, || async {
        (unix_sockets(daemon.pid()) <= before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_costs_no_memory_and_loses_nothing() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"command": "exec yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"})).await;
    let path = format!("/containers/{cuid}/logs?follow=true");
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(raw(&daemon, "GET", &path).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = resident(daemon.pid());
    let logged = |what: &str| {
        let what = what.to_owned();
        async move {
            let text =
                crate::support::engine::try_docker(&["inspect", "--format", "{{.LogPath}}", &what]).await.1;
            std::fs::metadata(text).map_or(0, |metadata| metadata.len())
        }
    };
    let first = logged(&cuid).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = resident(daemon.pid());
    let printed = logged(&cuid).await.abs_diff(first);
    assert!(
        after < before + 8 * 1024 * 1024,
        "{before} became {after} while {printed} bytes or more were printed"
    );
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_streams_with_a_word_and_takes_no_time() {
    let mut daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"command": TICK})).await;
    let mut streams = Vec::new();
    for path in [
        format!("/containers/{cuid}/logs?follow=true"),
        format!("/containers/{cuid}/stats?stream=true"),
        "/stats?stream=true".to_owned(),
        "/events".to_owned(),
    ] {
        streams.push(Stream::open(&daemon, &path).await);
    }
    let deaf = raw(&daemon, "GET", &format!("/containers/{cuid}/logs?follow=true")).await;
    streams[0].next().await.unwrap();
    let begun = Instant::now();
    let (code, ()) = tokio::join!(daemon.terminate(), async {
        for stream in &mut streams {
            let last = stream.until(|record| record.get("end").is_some()).await;
            assert_eq!(last["end"], json!({"reason": "shutdown"}));
            assert!(stream.next().await.is_none());
        }
    });
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_are_open_at_a_time() {
    let daemon = Daemon::builder().env("APP_MAX_STREAMS", "2").start().await;
    let cuid = daemon.running(json!({"command": TICK})).await;
    let path = format!("/containers/{cuid}/logs?follow=true");
    let one = Stream::open(&daemon, &path).await;
    let two = Stream::open(&daemon, "/events").await;
    for path in [&path, "/stats?stream=true", "/events"] {
        let answer = daemon.get(path).await;
        answer.refused("rate_limited", "TOO_MANY_STREAMS");
        assert!(answer.header("retry-after").is_some());
    }
    daemon.get(&format!("/containers/{cuid}/stats")).await.expect(200);
    drop(one);
    eventually("a place is free again", 15.0, || async {
        let answer = daemon.get(&format!("/containers/{cuid}/logs?tail=1")).await;
        (answer.status == 200).then_some(())
    })
    .await;
    drop(two);
}
