//! A create whose end nobody heard: the client is told it failed, so nothing of it may stay.

use crate::support::engine::docker as engine;
use crate::support::*;

/// The containers that bear this mark in the engine.
async fn marked(mark: &str) -> Vec<String> {
    let filter = format!("label=test.mark={mark}");
    let text = engine(&["ps", "-aq", "--no-trunc", "--filter", &filter]).await;
    text.lines().map(str::to_owned).collect()
}

fn body(mark: &str, state: &str) -> Value {
    json!({"image": BUSYBOX, "command": IDLE, "labels": {"test.mark": mark}, "state": state})
}

/// What is left of containers in a folder of the data folder.
fn left_in(daemon: &Daemon, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(daemon.data().join(folder)).unwrap().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('c')).collect()
}

/// Waits until nothing of the create is left; takes what is left away itself before it fails.
async fn reaped(daemon: &Daemon, mark: &str, seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let left = (marked(mark).await, left_in(daemon, "compose"), left_in(daemon, "mounts"));
        if left.0.is_empty() && left.1.is_empty() && left.2.is_empty() {
            return;
        }
        if Instant::now() > end {
            for id in &left.0 {
                engine(&["rm", "-fv", id]).await;
            }
            panic!("left after {seconds} s (engine, compose, mounts): {left:?}");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn is_refused_and_not_listed(daemon: &Daemon, answer: &Answer) {
    assert!([408, 500, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_engine_went_away_under_it_is_reaped() {
    for (state, hangs) in [("running", true), ("created", false)] {
        let proxy = Proxy::start();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let builder = Daemon::builder().engine(&proxy.docker_host());
        let daemon = builder.env("APP_CHANGE_TIMEOUT", "6").start().await;
        eventually("it is well", 8.0, || async {
            (daemon.get("/healthz").await.status == 200).then_some(())
        })
        .await;
        let mark = unique("lost");
        proxy.lose("^POST [^ ]*/containers/create", hangs);
        let body = body(&mark, state);
        let sent = daemon.post_json("/containers", &body);
        let answer = within("the create ends", 40.0, sent).await;
        assert_eq!(marked(&mark).await.len(), 1, "the engine did make it: {}", answer.text());
        is_refused_and_not_listed(&daemon, &answer).await;
        proxy.honest();
        proxy.resume();
        // Health may stay degraded after a 408, so it does not tell when the engine is found again:
        // 5 s for that, and 15 s from there.
        reaped(&daemon, &mark, 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_compose_finished_too_late_is_reaped() {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin());
    let daemon = builder.env("APP_CHANGE_TIMEOUT", "6").start().await;
    let mark = unique("late");
    compose.late(60.0);
    let answer = daemon.post_json("/containers", &body(&mark, "created")).await;
    compose.is_in_it().await;
    is_refused_and_not_listed(&daemon, &answer).await;
    compose.well();
    reaped(&daemon, &mark, 70).await;
}
