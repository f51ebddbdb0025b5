//! What is about to be done is in the audit log before it is done, and what a killed daemon left has an end.

use crate::permissions::{NOBODY, OPERATIONS, ask, path_of};
use crate::support::*;

/// What changes nothing although it is a `POST`, and what runs a process although it is a `GET`.
const NO_CHANGE: &[&str] = &["/containers/{id}/wait"];
const CHANGE: &[&str] = &["/ws/{id}"];

/// The lines of an answer, or of whatever else they have in common.
fn lines_where(daemon: &Daemon, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
    all_lines(daemon).into_iter().filter(is_it).collect()
}

/// The lines of all files, the oldest first.
fn all_lines(daemon: &Daemon) -> Vec<Value> {
    let current = daemon.data().join("logs/actions.jsonl");
    let mut text = String::new();
    for number in (1..=500).rev() {
        let aside = format!("{}.{number}", current.display());
        text.push_str(&std::fs::read_to_string(aside).unwrap_or_default());
    }
    text.push_str(&std::fs::read_to_string(current).unwrap());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn phases(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["phase"].as_str().unwrap()).collect()
}

fn interrupted(daemon: &Daemon) -> Vec<Value> {
    lines_where(daemon, |line| line["phase"] == "interrupted")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_in_the_log_before_the_change_begins_and_its_outcome_after_it_under_the_same_id() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    compose.watch(&daemon.data().join("logs/actions.jsonl"));
    let request = daemon.request("POST", &format!("/containers/{cuid}/start"));
    let answer = daemon.send(request.header("x-request-id", "watched-by-compose")).await;
    answer.expect(200);
    let is_it = |line: &Value| line["request_id"] == "watched-by-compose";
    let seen = compose.read("seen");
    let seen: Vec<Value> =
        seen.lines().map(|line| serde_json::from_str(line).unwrap()).filter(is_it).collect();
    assert_eq!(phases(&seen), ["intent"], "what Compose found when it was called");
    let (intent, lines) = (&seen[0], lines_where(&daemon, is_it));
    assert_eq!(phases(&lines), ["intent", "outcome"]);
    assert_eq!(lines[0], *intent);
    for field in ["id", "request_id", "action", "user", "permission", "remote", "method", "path", "cuid"] {
        assert!(intent[field].is_string(), "{field}: {intent}");
        assert_eq!(lines[1][field], intent[field], "{field}");
    }
    assert_ne!(intent["id"], intent["request_id"], "the client does not choose it");
    assert_eq!((&intent["action"], &intent["cuid"]), (&json!("container.start"), &json!(cuid)));
    assert!(intent.get("status").is_none() && intent.get("duration_ms").is_none(), "{intent}");
    assert_eq!(lines[1]["status"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_changes_something_has_an_intent_and_no_other_has() {
    let daemon = Daemon::start().await;
    for (method, template, _, query) in OPERATIONS {
        let answer = ask(&daemon, method, &path_of(template, query, NOBODY)).await;
        let id = answer.header("x-request-id").unwrap();
        let is_change = (*method != "GET" && !NO_CHANGE.contains(template)) || CHANGE.contains(template);
        let expected: &[&str] = if is_change { &["intent", "outcome"] } else { &["outcome"] };
        // A line is there before its answer has ended.
        let lines = lines_where(&daemon, |line| line["request_id"] == id);
        assert_eq!(phases(&lines), expected, "{method} {template}");
        let ids: std::collections::BTreeSet<_> =
            lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1, "{method} {template}");
        assert_eq!(lines.last().unwrap()["status"], answer.status, "{method} {template}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_leaves_no_intent() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let reader = daemon.token(json!({"roles": ["read"]})).await;
    let other = daemon.token(json!({"roles": ["write"], "containers": ["tag:none"]})).await;
    let before = lines_where(&daemon, |line| line["phase"] == "intent").len();
    let path = format!("/containers/{cuid}/start");
    daemon.with_login(Some(("admin", "wrong"))).post(&path).await.refused("auth_error", "UNAUTHORIZED");
    reader.post(&path).await.refused("forbidden", "PERMISSION_MISSING");
    other.post(&path).await.refused("not_found", "CONTAINER_NOT_FOUND");
    let request = daemon.request("POST", &path).header("origin", "https://elsewhere.example");
    daemon.send(request).await.refused("forbidden", "");
    daemon.post("/nothing").await.refused("not_found", "");
    assert_eq!(lines_where(&daemon, |line| line["phase"] == "intent").len(), before);
}

/// A change that is under way for long, sent by a task of its own.
async fn begin_change(daemon: &Daemon, compose: &Compose, cuid: &str) {
    compose.slow(60.0);
    let request = daemon.request("PATCH", &format!("/containers/{cuid}")).json(&json!({"env": {"NEW": "2"}}));
    tokio::spawn(request.send());
    compose.is_in_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_under_way_at_a_kill_is_interrupted_once_over_kills_and_rotations() {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin());
    let builder = builder.env("APP_LOG_MAX_BYTES", "3000").env("APP_LOG_KEEP", "500");
    let mut daemon = builder.start().await;
    let mut cuids = Vec::new();
    for _ in 0..3 {
        cuids.push(daemon.running(json!({})).await);
    }
    for (kills, cuid) in cuids.iter().enumerate() {
        begin_change(&daemon, &compose, cuid).await;
        for _ in 0..20 {
            daemon.get("/containers").await.expect(200);
        }
        daemon.kill_9().await;
        compose.well();
        compose.end_all();
        daemon = daemon.again().start_within(60.0).await;
        let told = interrupted(&daemon);
        assert_eq!(told.len(), kills + 1, "{told:?}");
        let line = told.last().unwrap();
        let of_it = lines_where(&daemon, |other| other["id"] == line["id"]);
        assert_eq!(phases(&of_it), ["intent", "interrupted"]);
        for field in ["request_id", "action", "user", "permission", "remote", "method", "path", "cuid"] {
            assert_eq!(line[field], of_it[0][field], "{field}");
        }
        assert_eq!((&line["action"], &line["cuid"]), (&json!("container.update"), &json!(cuid)));
        assert_eq!(line["began_at"], of_it[0]["timestamp"]);
        assert!(line["message"].as_str().unwrap().contains("the daemon ended"), "{line}");
        assert!(line.get("status").is_none() && line.get("duration_ms").is_none(), "{line}");
    }
    daemon.kill_9().await;
    let mut daemon = daemon.again().start_within(60.0).await;
    assert_eq!(interrupted(&daemon).len(), 3, "none again after a kill in which nothing was under way");
    assert_eq!(daemon.terminate().await, Some(0));
    let lines = all_lines(&daemon);
    let of_daemons: Vec<&str> = lines
        .iter()
        .filter(|line| line["method"] == "DAEMON")
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(of_daemons, [&["daemon.start"; 5][..], &["daemon.stop"]].concat());
    assert_eq!(lines.last().unwrap()["open"], 0, "{}", lines.last().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_was_open_at_a_kill_is_closed_as_interrupted() {
    let mut daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut ended = Terminal::open(&daemon, &cuid, "").await;
    ended.type_in("exit\n").await;
    ended.end().await;
    let mut open = Terminal::open(&daemon, &cuid, "").await;
    open.type_in("echo here-$((1+1))\n").await;
    open.until("here-2", 0).await;
    daemon.kill_9().await;
    let daemon = daemon.again().start_within(60.0).await;
    let told = interrupted(&daemon);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["action"], &told[0]["cuid"]), (&json!("terminal.close"), &json!(cuid)));
    let of_it = lines_where(&daemon, |line| line["id"] == told[0]["id"]);
    let actions: Vec<&str> = of_it.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["terminal.open", "terminal.open", "terminal.close"]);
    assert_eq!(phases(&of_it), ["intent", "outcome", "interrupted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_and_a_daemon_that_drains_leave_no_change_without_an_outcome() {
    let compose = Compose::new();
    let mut daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let (reset, drained) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    for cuid in [&reset, &drained] {
        compose.slow(1.5);
        let request = daemon.request("POST", &format!("/containers/{cuid}/restart"));
        let sent = tokio::spawn(request.send());
        compose.is_in_it().await;
        if cuid == &reset {
            sent.abort();
        }
    }
    assert_eq!(daemon.terminate().await, Some(0));
    for cuid in [&reset, &drained] {
        let of_it =
            lines_where(&daemon, |line| line["cuid"] == **cuid && line["action"] == "container.restart");
        assert_eq!(phases(&of_it), ["intent", "outcome"], "{of_it:?}");
        assert_eq!(of_it[0]["id"], of_it[1]["id"]);
        assert_eq!(of_it[1]["status"], 200, "{of_it:?}");
    }
    let daemon = daemon.again().start_within(60.0).await;
    assert_eq!(interrupted(&daemon), [Value::Null; 0]);
}
