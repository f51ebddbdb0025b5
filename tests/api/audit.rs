//! `logs/actions.jsonl`.

use std::process::Command;

use crate::support::*;

/// The one line of an answer.
fn line_of(daemon: &Daemon, answer: &Answer) -> Value {
    let id = answer.header("x-request-id").unwrap();
    let lines: Vec<Value> = daemon.audit().into_iter().filter(|l| l["request_id"] == id).collect();
    assert_eq!(lines.len(), 1, "{}: one line each: {lines:?}", answer.asked);
    lines[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_one_whole_line_before_its_answer_ends() {
    let daemon = Daemon::start().await;
    let made = daemon.post_json("/containers", &json!({"image": BUSYBOX, "command": IDLE})).await;
    let cuid = made.expect(201)["cuid"].as_str().unwrap().to_owned();
    let base = format!("/containers/{cuid}");
    let mut seen = vec![(made, "container.create")];
    seen.push((daemon.get("/containers").await, "container."));
    seen.push((daemon.get(&base).await, "container."));
    seen.push((daemon.get(&format!("{base}/status")).await, "container."));
    for (action, name) in [
        ("start", "container.start"),
        ("pause", "container.pause"),
        ("unpause", "container.unpause"),
        ("restart", "container.restart"),
        ("stop", "container.stop"),
    ] {
        seen.push((daemon.post(&format!("{base}/{action}")).await, name));
    }
    seen.push((daemon.patch(&base, &json!({"tags": ["x"]})).await, "container."));
    seen.push((daemon.patch(&format!("{base}/ports"), &json!({"ports": []})).await, "container."));
    seen.push((daemon.upload(&cuid, "", Zip::new().file("f", "x").bytes()).await, "files.upload"));
    seen.push((daemon.get(&format!("{base}/download?path=f")).await, "files.download"));
    seen.push((daemon.get(&format!("{base}/download-zip")).await, "files.download"));
    seen.push((daemon.get("/healthz").await, ""));
    seen.push((daemon.get("/openapi.json").await, ""));
    seen.push((daemon.delete(&base).await, "container.delete"));
    for (answer, action) in &seen {
        answer.expect_bytes(if answer.asked.ends_with("POST /containers") { 201 } else { 200 });
        let line = line_of(&daemon, answer);
        let asked: Vec<&str> = answer.asked.splitn(2, ' ').collect();
        assert!(line["action"].as_str().unwrap().starts_with(action), "{}: {line}", answer.asked);
        assert_eq!(line["method"], asked[0], "{line}");
        assert_eq!(line["path"], asked[1].split('?').next().unwrap(), "{line}");
        assert_eq!(line["status"], answer.status, "{line}");
        assert_eq!(line["user"], "admin", "{line}");
        assert!(line["remote"].as_str().unwrap().starts_with("127.0.0.1"), "{line}");
        assert!(line["duration_ms"].is_number(), "{line}");
        assert!(line["error"].is_null() && line.get("error").is_some(), "{line}");
        assert!(line.get("code").is_some() && line.get("message").is_some(), "{line}");
        if answer.asked.contains(&cuid) || *action == "container.create" {
            assert_eq!(line["cuid"], *cuid, "{}", answer.asked);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_a_line_with_its_error() {
    let daemon = Daemon::start().await;
    let missing = daemon.get("/containers/nobody").await;
    let line = line_of(&daemon, &missing);
    assert_eq!(
        (line["error"].as_str(), line["code"].as_str()),
        (Some("not_found"), Some("CONTAINER_NOT_FOUND"))
    );
    assert_eq!(line["status"], 404);
    assert_eq!(line["message"], missing.json()["message"]);
    let login = daemon.with_login(Some(("intruder", "guess"))).get("/containers").await;
    let line = line_of(&daemon, &login);
    assert_eq!((line["error"].as_str(), line["status"].as_i64()), (Some("auth_error"), Some(401)));
    assert_eq!(line["action"], "auth.login", "{line}");
    for answer in [daemon.get("/nothing").await, daemon.send(daemon.request("PUT", "/containers")).await] {
        assert_eq!(line_of(&daemon, &answer)["status"], answer.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_two_lines_and_what_was_typed_is_in_none() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut t = Terminal::open(&daemon, &cuid, "").await;
    t.type_in("echo typed-secret-$((40+2)); exit 3\n").await;
    t.end().await;
    assert!(t.out().contains("typed-secret-42"));
    let close = eventually("the close is in the log", 5.0, || async {
        daemon.audit().into_iter().find(|l| l["action"] == "terminal.close")
    })
    .await;
    assert!(daemon.audit().iter().any(|l| l["action"] == "terminal.open" && l["cuid"] == *cuid));
    assert_eq!(close["cuid"], cuid);
    assert!(close.as_object().unwrap().values().any(|v| *v == 3), "the exit code is in it: {close}");
    assert!(
        !std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap().contains("typed-secret")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_come_out_nowhere() {
    let pass = "planted-password-in-env";
    let secret = "planted-value-of-env";
    let typed = "planted-typed-text";
    let builder = Daemon::builder().env("APP_PASS", pass);
    let daemon = builder.start().await;
    let api = daemon.with_login(Some(("admin", pass)));
    let mut said = String::new();
    let made = api
        .post_json(
            "/containers",
            &json!({"image": BUSYBOX, "command": IDLE, "env": {"TOKEN": secret}, "state": "running"}),
        )
        .await;
    let cuid = made.expect(201)["cuid"].as_str().unwrap().to_owned();
    let base = format!("/containers/{cuid}");
    let bad = json!({"image": BUSYBOX, "command": ["/none"], "env": {"TOKEN": secret, "A=B": secret}});
    for answer in [
        api.patch(&base, &json!({"user": "nosuchuser", "env": {"OTHER": secret}})).await,
        api.get("/healthz").await,
        api.get("/openapi.json").await,
        api.with_login(Some(("admin", "planted-wrong-guess"))).get("/containers").await,
        api.get(&format!("{base}/download?path=none&ticket=planted-ticket")).await,
        api.post(&format!("{base}/unpause")).await,
        api.post_json("/containers", &bad).await,
    ] {
        // A violation's `provided` goes back to who sent it, and nowhere else.
        if answer.status == 400 {
            continue;
        }
        said.push_str(&answer.text());
    }
    let mut t = Terminal::open(&api, &cuid, "env=SESSION=planted-session").await;
    t.type_in(&format!("echo {typed}; exit\n")).await;
    t.end().await;
    assert_eq!(api.container(&cuid).await["env"]["TOKEN"], secret, "who may see it sees it");
    let log = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    let basic = api.authorization().unwrap().replace("Basic ", "");
    for (place, text) in [("audit log", &log), ("stderr", &daemon.output()), ("answers", &said)] {
        for needle in
            [pass, secret, typed, &basic, "planted-wrong-guess", "planted-ticket", "planted-session"]
        {
            assert!(!text.contains(needle), "{needle} in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_forge_no_lines() {
    let daemon = Daemon::start().await;
    let before = daemon.audit().len();
    daemon.get("/containers/a%0a%7b%22action%22:%22forged%22%7d%0d%1b%5b31m%7f%C2%85%E2%80%A8").await;
    daemon.send(daemon.request("GET", "/nothing").header("user-agent", "a\tb")).await;
    // What is decoded stands in the line's message.
    daemon
        .get("/containers?%0a%1b%5b31m%7f%C2%85%E2%80%A8%E2%80%A9=1")
        .await
        .refused("validation_error", "INVALID_QUERY");
    let text = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    assert_eq!(daemon.audit().len(), before + 3);
    let last = daemon.audit().pop().unwrap();
    assert!(last["message"].as_str().unwrap().contains("\n\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}"), "{last}");
    assert!(
        text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{2028}' || c == '\u{2029}')),
        "{text:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_no_line_of_what_a_client_saw_succeed() {
    let mut daemon = Daemon::start().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(daemon.get("/containers").await.header("x-request-id").unwrap().to_owned());
    }
    daemon.kill_9().await;
    let lines = daemon.audit();
    for id in ids {
        assert!(lines.iter().any(|l| l["request_id"] == *id), "{id} is lost");
    }
}

/// A small file system over `logs/`, taken down when dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn over(path: std::path::PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let out = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "mounting a tmpfs (this test runs as root): {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Self(path)
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_disk_does_not_stop_the_daemon() {
    let builder = Daemon::builder();
    let _folder = builder.clone();
    let small = Small::over(builder.data().join("logs"));
    let daemon = builder.start().await;
    daemon.get("/containers").await.expect(200);
    small.fill();
    for _ in 0..30 {
        daemon.get("/containers").await.expect(200);
    }
    let cuid = daemon.running(json!({})).await;
    let health = daemon.get("/healthz").await;
    assert_eq!(health.json()["status"], "degraded", "{}", health.text());
    let kept = daemon.audit_all();
    assert!(kept.iter().all(|line| line["cuid"] != *cuid), "what has no room is not there: {kept:?}");
    std::fs::remove_file(small.0.join("filler")).unwrap();
    daemon.act(&cuid, "stop").await;
    let id = daemon.get("/containers").await.header("x-request-id").unwrap().to_owned();
    assert!(daemon.audit().iter().any(|l| l["request_id"] == *id), "it goes on, and every line parses");
    eventually("well again", 5.0, || async {
        (daemon.get("/healthz").await.json()["status"] == "ok").then_some(())
    })
    .await;
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
}
