//! What was begun with a token ends with it.

use crate::support::engine::docker as engine;
use crate::support::*;

/// How long what was begun may go on.
const LIMIT: f64 = 5.0;

async fn runs(cuid: &str, marker: &str) -> bool {
    engine(&["top", cuid, "-o", "pid,args"]).await.contains(marker)
}

/// A container that prints, with a file in its mount that is too large for all buffers on the way.
async fn busy(daemon: &Daemon) -> String {
    let cuid = daemon.running(json!({"command": "while :; do echo tick; sleep 0.2; done"})).await;
    std::fs::write(daemon.mount(&cuid).join("large"), noise(96 << 20)).unwrap();
    cuid
}

async fn last(stream: &mut Stream) -> Value {
    let mut last = Value::Null;
    while let Some(record) = stream.next().await {
        last = record;
    }
    last["end"].clone()
}

/// Begins everything that goes on, lets `end` happen, and sees each end within the limit.
async fn all_ends(daemon: &Daemon, token: &Token, end: impl AsyncFnOnce()) {
    let cuid = busy(daemon).await;
    let mut terminal = Terminal::open(&token.api, &cuid, "").await;
    terminal.type_in("sleep 88881 & echo begun-$((1+1)); sleep 88882\n").await;
    terminal.until("begun-2", 0).await;
    let mut attached = Terminal::open(&token.api, &cuid, "mode=attach").await;
    attached.until("tick", 0).await;
    let mut streams = Vec::new();
    for path in [
        format!("/containers/{cuid}/logs?follow=true"),
        "/events".to_owned(),
        format!("/containers/{cuid}/stats?stream=true"),
        "/stats?stream=true".to_owned(),
    ] {
        streams.push((path.clone(), Stream::open(&token.api, &path).await));
    }
    let text = token.api.request("GET", &format!("/containers/{cuid}/logs?follow=true"));
    let text = text.header("accept", "text/plain").send().await.unwrap();
    let mut downloads = Vec::new();
    for path in ["download-zip", "download?path=large"] {
        let mut download =
            token.api.request("GET", &format!("/containers/{cuid}/{path}")).send().await.unwrap();
        assert_eq!(download.status(), 200);
        assert!(download.chunk().await.unwrap().is_some());
        downloads.push((path, download));
    }
    let (api, path) = (token.api.clone(), format!("/containers/{cuid}/exec"));
    let exec = tokio::spawn(async move { api.post_json(&path, &json!({"cmd": ["sleep", "88883"]})).await });
    let (api, path) = (token.api.clone(), format!("/containers/{cuid}/wait"));
    let wait = tokio::spawn(async move { api.post(&path).await });
    eventually("the command runs", 10.0, || async { runs(&cuid, "sleep 88883").await.then_some(()) }).await;
    end().await;

    within("all ends", LIMIT, async {
        for (path, stream) in &mut streams {
            assert_eq!(last(stream).await["reason"], "revoked", "{path}");
        }
        terminal.end().await;
        attached.end().await;
        assert_eq!((terminal.close_code, attached.close_code), (Some(1008), Some(1008)));
        exec.await.unwrap().refused("auth_error", "UNAUTHORIZED");
        wait.await.unwrap().refused("auth_error", "UNAUTHORIZED");
        assert!(stream::breaks_off(text.bytes_stream()).await, "text has no last record: it breaks off");
        for (path, download) in downloads {
            assert!(stream::breaks_off(download.bytes_stream()).await, "{path} is no whole file");
        }
        eventually("no process is left", LIMIT, || async {
            (!runs(&cuid, "sleep 8888").await).then_some(())
        })
        .await;
    })
    .await;
    let closed = |line: &&Value| line["action"] == "terminal.close";
    eventually("the lines of the terminals", 15.0, || async {
        (daemon.audit().iter().filter(closed).count() == 2).then_some(())
    })
    .await;
    for line in daemon.audit().iter().filter(closed) {
        assert_eq!((&line["reason"], &line["token"]), (&json!("revoked"), &json!(token.id)), "{line}");
        assert_eq!(
            (&line["user"], &line["permission"]),
            (&token.made["name"], &json!("docker:execute")),
            "{line}"
        );
    }
    assert_eq!(daemon.status(&cuid).await, "running", "the container goes on");
    let went = |line: &&Value| line["action"] == "files.download_zip";
    assert!(daemon.audit().iter().find(went).unwrap()["aborted"].as_str().unwrap().contains("credentials"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_token_began_ends_when_it_is_revoked() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["admin"]})).await;
    all_ends(&daemon, &token, async || daemon.revoke(&token.id).await).await;
    token.api.get("/containers").await.refused("auth_error", "UNAUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_token_began_ends_when_its_time_is_over() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["admin"], "expires_in": 25})).await;
    let end: jiff::Timestamp = token.made["expires_at"].as_str().unwrap().parse().unwrap();
    all_ends(&daemon, &token, async || {
        let left = end.duration_since(jiff::Timestamp::now());
        assert!(left.is_positive(), "it took too long to begin");
        tokio::time::sleep(left.try_into().unwrap()).await;
    })
    .await;
    token.api.get("/containers").await.refused("auth_error", "TOKEN_EXPIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_token_began_ends_when_its_role_permits_less() {
    let daemon = Daemon::start().await;
    daemon.role("ops", &["docker:read", "docker:execute", "files:read"]).await;
    let token = daemon.make_token(json!({"roles": ["ops"]})).await;
    all_ends(&daemon, &token, async || daemon.role("ops", &["files:read"]).await).await;
    let error = token.api.get("/containers").await.refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "docker:read");
    token.api.upgrade("/ws/any", &[]).await.refused("forbidden", "PERMISSION_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_keeps_its_rights_goes_on_undisturbed() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"command": "while :; do echo tick; sleep 0.2; done"})).await;
    daemon.role("ops", &["docker:read", "docker:execute"]).await;
    daemon.role("other", &["docker:read"]).await;
    let token = daemon.make_token(json!({"roles": ["ops"]})).await;
    let twin = daemon.make_token(json!({"name": token.made["name"], "roles": ["ops"]})).await;
    let mut logs = Stream::open(&token.api, &format!("/containers/{cuid}/logs?follow=true")).await;
    let mut terminal = Terminal::open(&token.api, &cuid, "").await;
    let mut administrators = Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true")).await;
    daemon.role("ops", &["docker:read", "docker:execute", "files:read"]).await;
    daemon.role("other", &[]).await;
    daemon.revoke(&twin.id).await;
    let brief = daemon.make_token(json!({"roles": ["ops"], "expires_in": 1})).await;
    daemon.make_token(json!({"roles": ["read"]})).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    brief.api.get("/containers").await.refused("auth_error", "TOKEN_EXPIRED");
    for stream in [&mut logs, &mut administrators] {
        // What came in the four seconds, and then some.
        for _ in 0..25 {
            assert_eq!(stream.next().await.expect("it goes on")["data"], "tick\n");
        }
    }
    terminal.type_in("echo still-$((40+2))\n").await;
    terminal.until("still-42", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_meets_a_change_of_its_role_never_outlives_it() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    daemon.role("ops", &["docker:read"]).await;
    let token = daemon.make_token(json!({"roles": ["ops"]})).await;
    let path = format!("/containers/{cuid}/logs?follow=true");
    for _ in 0..30 {
        let open = async {
            let request = token.api.request("GET", &path).send().await.unwrap();
            if request.status() == 200 { Some(request) } else { None }
        };
        let (opened, ()) = tokio::join!(open, daemon.role("ops", &["health:read"]));
        if let Some(response) = opened {
            let text = within("the stream ends with the right to it", LIMIT, response.text()).await.unwrap();
            assert!(text.contains("revoked"), "{text}");
        }
        daemon.role("ops", &["docker:read"]).await;
    }
}

/// The head of a request and a part of its body, whose rest is sent when `end` has happened: the answer's first line.
async fn finished_after(
    daemon: &Daemon,
    token: &Token,
    request: (&str, &str, &str),
    end: impl AsyncFnOnce(),
) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (request, kind, body) = request;
    let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        token.secret,
        body.len(),
        &body[..1]
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    end().await;
    // It may have answered and closed by now.
    drop(socket.write_all(&body.as_bytes()[1..]).await);
    let mut answer = Vec::new();
    drop(within("an answer", LIMIT, socket.read_to_end(&mut answer)).await);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_had_half_sent_when_it_was_revoked_is_not_done() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let json = "application/json";
    let mint = r#"{"name":"heir","roles":["admin"]}"#;
    let folder = r#"{"path":"made"}"#;
    for (request, kind, body) in [
        ("POST /tokens".to_owned(), json, mint),
        (format!("PATCH /containers/{cuid}"), json, r#"{"env":{"A":"1"}}"#),
        (format!("POST /containers/{cuid}/files/mkdir"), json, folder),
        (format!("PUT /containers/{cuid}/files?path=made"), "application/octet-stream", "text"),
    ] {
        let token = daemon.make_token(json!({"roles": ["admin"]})).await;
        let good = finished_after(&daemon, &token, (&request, kind, "?"), async || {}).await;
        assert!(
            good.contains("400") || good.contains("201"),
            "the same request by a good token is read: {good}"
        );
        let asked = (request.as_str(), kind, body);
        let status = finished_after(&daemon, &token, asked, async || daemon.revoke(&token.id).await).await;
        assert!(status.contains("401"), "{request}: {status}");
    }
    let tokens = daemon.get("/tokens").await.text();
    assert!(!tokens.contains("heir"), "{tokens}");
    assert_eq!(daemon.container(&cuid).await["env"], json!({}));
}
