//! Logs belong to the cuid: what a container printed before it was made anew is still there.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::engine::inspect;
use crate::support::*;

async fn told(daemon: &Api, cuid: &str, query: &str) -> String {
    let (data, end) = Stream::open(daemon, &format!("/containers/{cuid}/logs{query}")).await.rest().await;
    assert_eq!(end["reason"], "complete");
    data
}

/// Prints its name, and a last word when it is told to end.
async fn speaking(daemon: &Api) -> String {
    let command = "echo hello $WORD; trap 'echo bye $WORD; exit 0' TERM; sleep 100000 & wait";
    let body = json!({"image": BUSYBOX, "command": command, "env": {"WORD": "one"}, "state": "running"});
    let cuid = daemon.create(&body).await;
    said(daemon, &cuid, "hello one\n").await;
    cuid
}

async fn said(daemon: &Api, cuid: &str, wanted: &str) {
    let mut last = String::new();
    let end = Instant::now() + Duration::from_secs(10);
    while last != wanted {
        assert!(Instant::now() < end, "{last:?} is not {wanted:?}");
        last = told(daemon, cuid, "").await;
    }
}

async fn patch(daemon: &Api, cuid: &str, word: &str) {
    daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"WORD": word}})).await.expect(200);
}

fn folder(daemon: &Api, cuid: &str) -> PathBuf {
    daemon.data.join("logs/containers").join(cuid)
}

const ALL: &str = "hello one\nbye one\nhello two\nbye two\nhello three\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_change_that_makes_it_anew_keeps_what_was_printed_the_last_words_too() {
    let daemon = Daemon::start().await;
    let cuid = speaking(&daemon).await;
    patch(&daemon, &cuid, "two").await;
    said(&daemon, &cuid, "hello one\nbye one\nhello two\n").await;
    let ports = json!({"ports": [{"host": free_port(), "container": 80}]});
    daemon.patch(&format!("/containers/{cuid}/ports"), &ports).await.expect(200);
    said(&daemon, &cuid, "hello one\nbye one\nhello two\nbye two\nhello two\n").await;
    daemon.act(&cuid, "stop").await;
    patch(&daemon, &cuid, "three").await;
    said(&daemon, &cuid, "hello one\nbye one\nhello two\nbye two\nhello two\nbye two\n").await;
    daemon.act(&cuid, "start").await;
    let all = "hello one\nbye one\nhello two\nbye two\nhello two\nbye two\nhello three\n";
    said(&daemon, &cuid, all).await;
    let own = folder(&daemon, &cuid);
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&own), 0o700);
    let files: Vec<PathBuf> = std::fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() == 3 && files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    // A restart of the daemon changes nothing.
    let daemon = daemon.restart().await;
    said(&daemon, &cuid, all).await;
    let connected = || async { (daemon.get("/healthz").await.status == 200).then_some(()) };
    eventually("the engine answers", 10.0, connected).await;
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    assert!(!own.exists(), "gone with the container");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_since_and_until_go_over_all_incarnations() {
    let daemon = shared().await;
    let cuid = speaking(&daemon).await;
    for word in ["two", "three"] {
        patch(&daemon, &cuid, word).await;
        eventually("it speaks", 10.0, || async {
            told(&daemon, &cuid, "").await.ends_with(&format!("hello {word}\n")).then_some(())
        })
        .await;
    }
    said(&daemon, &cuid, ALL).await;
    let lines: Vec<&str> = ALL.split_inclusive('\n').collect();
    for tail in 0..=6 {
        let wanted = lines[lines.len().saturating_sub(tail)..].concat();
        assert_eq!(told(&daemon, &cuid, &format!("?tail={tail}")).await, wanted, "tail={tail}");
        assert_eq!(told(&daemon, &cuid, &format!("?tail={tail}&stream=stdout")).await, wanted, "tail={tail}");
    }
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/logs")).await;
    stream.rest().await;
    let at = |line: usize| {
        serde_json::from_str::<Value>(&stream.lines[line]).unwrap()["timestamp"].as_str().unwrap().to_owned()
    };
    for (from, to) in [(0, 2), (1, 3), (2, 2), (1, 4), (3, 4)] {
        let query = format!("?since={}&until={}", at(from), at(to));
        // By the engine's times. Podman may read the last words of a container later than the first of the next one.
        let is_within = |line: &usize| (at(from)..=at(to)).contains(&at(*line));
        let wanted: Vec<&str> = (0..lines.len()).filter(is_within).map(|line| lines[line]).collect();
        assert!(wanted.contains(&lines[from]) && wanted.contains(&lines[to]));
        assert_eq!(told(&daemon, &cuid, &query).await, wanted.concat(), "{from} to {to}");
        let last = *wanted.last().unwrap();
        assert_eq!(told(&daemon, &cuid, &format!("{query}&tail=1")).await, last, "{from} to {to}");
    }
    // Followed, the kept lines come first too.
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true&tail=4")).await;
    for line in &lines[1..] {
        assert_eq!(stream.next().await.unwrap()["data"], **line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_and_is_taken_back_shows_nothing_twice() {
    let daemon = shared().await;
    let cuid = speaking(&daemon).await;
    let broken = json!({"user": "nosuchuser", "env": {"WORD": "two"}});
    let answer = daemon.patch(&format!("/containers/{cuid}"), &broken).await;
    assert!(answer.status >= 400, "{}", answer.text());
    eventually("it is back", 10.0, || async {
        (told(&daemon, &cuid, "").await == "hello one\nbye one\nhello one\n").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_makes_nothing_anew_keeps_no_copy() {
    let daemon = shared().await;
    let cuid = speaking(&daemon).await;
    daemon.act(&cuid, "stop").await;
    let before = inspect(&cuid).await["Id"].clone();
    daemon.act(&cuid, "start").await;
    daemon.act(&cuid, "restart").await;
    assert_eq!(inspect(&cuid).await["Id"], before);
    said(&daemon, &cuid, "hello one\nbye one\nhello one\nbye one\nhello one\n").await;
    assert!(!folder(&daemon, &cuid).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_daemon_copied_of_a_container_that_is_still_there_is_not_shown_twice() {
    let mut daemon = Daemon::start().await;
    let cuid = speaking(&daemon).await;
    patch(&daemon, &cuid, "two").await;
    said(&daemon, &cuid, "hello one\nbye one\nhello two\n").await;
    daemon.kill_9().await;
    let own = folder(&daemon, &cuid);
    let name = std::fs::read_dir(&own).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let old_id = name.rsplit('-').next().unwrap().trim_end_matches(".log").to_owned();
    let live = inspect(&cuid).await["Id"].as_str().unwrap().to_owned();
    // A copy of the present one, and the torn end of a second file of the old one.
    let bytes = std::fs::read(own.join(&name)).unwrap();
    std::fs::write(own.join(name.replace(&old_id, &live)), &bytes).unwrap();
    let second = name.replacen("-000001-", "-000002-", 1);
    assert_ne!(second, name);
    std::fs::write(own.join(second), &bytes[..bytes.len() / 2 - 3]).unwrap();
    std::fs::write(own.join("notes.txt"), "of a person").unwrap();
    let orphan = daemon.data().join("logs/containers/c00000000-0000-4000-8000-000000000000");
    std::fs::create_dir(&orphan).unwrap();
    let daemon = daemon.again().start().await;
    assert_eq!(told(&daemon, &cuid, "").await, "hello one\nbye one\nhello two\n");
    assert!(!orphan.exists(), "what belongs to no container is swept");
    patch(&daemon, &cuid, "three").await;
    said(&daemon, &cuid, ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_of_what_was_printed_is_kept_within_the_limit() {
    let daemon = Daemon::builder().env("APP_KEPT_LOGS_MAX_BYTES", "300000").start().await;
    let command = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; trap 'exit 0' TERM; sleep 100000 & wait";
    let cuid = daemon.create(&json!({"image": BUSYBOX, "command": command, "state": "running"})).await;
    eventually("all is printed", 20.0, || async {
        (told(&daemon, &cuid, "?tail=1").await == "line 19999\n").then_some(())
    })
    .await;
    patch(&daemon, &cuid, "x").await;
    daemon.act(&cuid, "stop").await;
    // A long copy goes on behind the change; who reads the log waits for it.
    let data = told(&daemon, &cuid, "").await;
    let files = std::fs::read_dir(folder(&daemon, &cuid)).unwrap();
    let sum: u64 = files.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!((150_000..=300_000).contains(&sum), "{sum}");
    let kept: Vec<&str> = data.lines().collect();
    let first: usize = kept[0].strip_prefix("line ").unwrap().parse().unwrap();
    let wanted: Vec<String> = (first..20000).map(|i| format!("line {i}")).collect();
    assert!(kept.len() > wanted.len() && kept[..wanted.len()] == wanted[..], "from {first} on without a gap");
    let daemon = Daemon::builder().env("APP_KEPT_LOGS_MAX_BYTES", "0").start().await;
    let cuid = speaking(&daemon).await;
    patch(&daemon, &cuid, "two").await;
    said(&daemon, &cuid, "hello two\n").await;
}
