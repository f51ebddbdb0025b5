//! A host's clock that jumps a day ahead and two days back, while the daemon runs.

use std::path::{Path, PathBuf};

use crate::support::*;

/// The wall clock of one daemon; its monotonic clock goes on as a jump leaves it.
struct Clock {
    file: PathBuf,
}

impl Clock {
    fn library() -> PathBuf {
        let places = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
        let places = places.chain(["/usr/lib".into(), "/usr/lib64".into()]);
        let mut found = places.map(|place| place.join("faketime/libfaketimeMT.so.1"));
        found.find(|path| path.exists()).expect("libfaketime, which script/bootstrap --test installs")
    }

    fn of(builder: daemon::Builder) -> (Self, daemon::Builder) {
        let file = builder.data().join("clock");
        let builder = builder
            .env("LD_PRELOAD", &Self::library().to_string_lossy())
            .env("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let clock = Self { file };
        clock.set("+0");
        (clock, builder)
    }

    /// How far it is from the true time, for instance `-1d`.
    fn set(&self, offset: &str) {
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, format!("{offset}\n")).unwrap();
        std::fs::rename(fresh, &self.file).unwrap();
    }
}

/// How many hours the daemon's clock is ahead.
async fn ahead(api: &Api) -> i64 {
    let text = api.get("/nothing").await.json()["timestamp"].as_str().unwrap().to_owned();
    let told: jiff::Timestamp = text.parse().unwrap();
    (told.as_second() - jiff::Timestamp::now().as_second() + 1800).div_euclid(3600)
}

/// What has a deadline or a place in time still does what it does.
async fn goes_on(
    daemon: &Daemon,
    cuid: &str,
    terminal: &mut Terminal,
    follows: [&mut Stream; 2],
    word: &str,
) {
    let path = |rest: &str| format!("/containers/{cuid}{rest}");
    let from = terminal.stdout.len();
    terminal.type_in(&format!("echo {word}-$((6*7)) | tee /proc/1/fd/1\n")).await;
    terminal.until(&format!("{word}-42"), from).await;
    let [logs, stats] = follows;
    let line = logs.until(|line| line["data"].as_str().is_some_and(|data| data.contains(word)));
    within("the log goes on", 5.0, line).await;
    // One that was taken before may still be on its way.
    for _ in 0..2 {
        within("samples go on", 5.0, stats.next()).await.unwrap();
    }
    let (exec, body) = (path("/exec"), json!({"cmd": ["sleep", "30"], "timeout": 1}));
    let exec = daemon.post_json(&exec, &body);
    within("an exec's deadline", 6.0, exec).await.refused("timeout", "EXEC_TIMED_OUT");
    let wait = path("/wait?timeout=1");
    within("a wait's deadline", 4.0, daemon.post(&wait)).await.refused("timeout", "WAIT_TIMED_OUT");
    let name = format!("{word}-{}", &cuid[1..9]);
    daemon.patch(&path(""), &json!({"name": name})).await.expect(200);
    assert_eq!(daemon.container(&name).await["cuid"], *cuid);
    let other = daemon.running(json!({"tags": [word]})).await;
    docker(&["kill", &other]).await;
    eventually("events are followed", 15.0, || async {
        (daemon.status(&other).await == "exited").then_some(())
    })
    .await;
    let list = daemon.get(&format!("/containers?tag={word}")).await.expect(200);
    assert_eq!(list["total"], 1);
    daemon.delete(&format!("/containers/{other}")).await.expect(200);
    let health = daemon.get("/healthz").await.expect(200);
    assert!(health["uptime_s"].as_u64().unwrap() < 600, "{health}");
}

/// Every six seconds one more guess is free; a limiter that began anew would take ten.
async fn is_still_limited(guesser: &Api) {
    for _ in 0..8 {
        let answer = guesser.get("/ping").await;
        if answer.status == 429 {
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!(seconds <= 60, "{answer:?}");
            return;
        }
        answer.refused("auth_error", "UNAUTHORIZED");
    }
    panic!("guesses are free again");
}

fn lines_are_sound(data: &Path) {
    let text = std::fs::read_to_string(data.join("logs/actions.jsonl")).unwrap();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        // Who only begins has no duration yet.
        let duration = line.get("duration_ms").map_or(0, |duration| duration.as_u64().unwrap());
        assert!(duration < 60_000, "a jump is no duration: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_breaks_nothing_and_ends_what_has_expired() {
    let (clock, builder) = Clock::of(Daemon::builder());
    let daemon = builder.start().await;
    let cuid = daemon.running(json!({"user": "0:0"})).await;
    let lasting = daemon.make_token(json!({"roles": ["read"]})).await;
    let hour = daemon.make_token(json!({"roles": ["read"], "expires_in": 3600})).await;
    let mut watched = Stream::open(&hour.api, "/events").await;
    let mut terminal = Terminal::open(&daemon, &cuid, "").await;
    let mut logs = Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true")).await;
    let mut stats = Stream::open(&daemon, &format!("/containers/{cuid}/stats?stream=true")).await;
    let ticket = daemon.post_json("/ws-tickets", &json!({"id": cuid})).await.expect(201);
    let guesser = daemon.with_login(Some(("admin", "a wrong guess"))).from([127, 0, 9, 7]);
    for _ in 0..10 {
        guesser.get("/ping").await.refused("auth_error", "UNAUTHORIZED");
    }
    assert_eq!(ahead(&daemon).await, 0);

    clock.set("+1d");
    assert_eq!(ahead(&daemon).await, 24, "the clock has jumped for the daemon");
    hour.api.get("/ping").await.refused("auth_error", "TOKEN_EXPIRED");
    let end = within("what was begun with it ends", 6.0, watched.until(|line| line.get("end").is_some()));
    assert_ne!(end.await["end"]["reason"], Value::Null);
    lasting.api.get("/ping").await.expect(200);
    is_still_limited(&guesser).await;
    let opened = format!("ticket={}", ticket["ticket"].as_str().unwrap());
    drop(Terminal::open(&daemon.with_login(None), &cuid, &opened).await);
    goes_on(&daemon, &cuid, &mut terminal, [&mut logs, &mut stats], "tomorrow").await;

    clock.set("-1d");
    assert_eq!(ahead(&daemon).await, -24);
    lasting.api.get("/ping").await.expect(200);
    is_still_limited(&guesser).await;
    let brief = daemon.make_token(json!({"roles": ["read"], "expires_in": 1})).await;
    goes_on(&daemon, &cuid, &mut terminal, [&mut logs, &mut stats], "yesterday").await;
    brief.api.get("/ping").await.refused("auth_error", "TOKEN_EXPIRED");
    let daemon = daemon.restart().await;
    assert_eq!(ahead(&daemon).await, -24);
    daemon.bearing(&lasting.secret).get("/ping").await.expect(200);
    assert_eq!(daemon.status(&cuid).await, "running");
    assert_eq!(daemon.container(&cuid).await["name"], format!("yesterday-{}", &cuid[1..9]));
    assert!(!daemon.output().contains("panicked"), "{}", daemon.output());
    lines_are_sound(&daemon.data());
}
