//! Builds that do not come to their own end: the client leaves, the time is up, the daemon stops or is killed.

use crate::support::builds::{
    Image, build, context, endless, is_gone, processes, quick, request, runs, told,
};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_its_build() {
    let daemon = Daemon::start().await;
    for accept in ["application/json", "application/x-ndjson"] {
        let (step, word) = endless();
        let image = Image::new();
        let sent = request(&daemon, &[("image", &image.0)], "application/zip", context(&step));
        let sent = sent.header("accept", accept);
        let reading = tokio::spawn(async move { sent.send().await.unwrap().bytes().await });
        runs(&word).await;
        reading.abort();
        let _ = reading.await;
        is_gone(&daemon, &word).await;
        assert!(!image.exists().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_late_gets_all_of_a_build_and_keeps_no_one_else_waiting() {
    let daemon = Daemon::start().await;
    let image = Image::new();
    let zip = context("RUN yes 0123456789012345678901234567890123456789 | head -n 200000; echo last");
    let sent = request(&daemon, &[("image", &image.0), ("no_cache", "1")], "application/zip", zip);
    let mut response = sent.header("accept", "application/x-ndjson").send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(daemon.get("/ping").await.status, 200);
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8(text).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["end"]["reason"], "complete", "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_ended() {
    let daemon = Daemon::builder().env("APP_BUILD_TIMEOUT", "12").start().await;
    let (step, word) = endless();
    let image = Image::new();
    let query = [("image", image.0.as_str())];
    let error = build(&daemon, &query, context(&step)).await.refused("timeout", "CHANGE_TIMED_OUT");
    assert_eq!(error["details"]["timeout_s"], 12);
    assert!(error["details"]["output"].as_str().unwrap().contains("begun"), "{error}");
    is_gone(&daemon, &word).await;
    let (said, last) = told(&daemon, &query, context(&step)).await;
    assert!(said.contains("begun"), "{said}");
    answer::assert_error_value("the end", &last["end"]["error"], "timeout", "CHANGE_TIMED_OUT");
    is_gone(&daemon, &word).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_builds_than_allowed_are_refused_until_one_is_done() {
    let daemon = Daemon::builder().env("APP_MAX_BUILDS", "1").start().await;
    let (step, word) = endless();
    let image = Image::new();
    let sent = request(&daemon, &[("image", &image.0)], "application/zip", context(&step)).send();
    let first = tokio::spawn(sent);
    runs(&word).await;
    let query = [("image", image.0.as_str())];
    let refused = build(&daemon, &query, context(&quick())).await;
    refused.refused("rate_limited", "TOO_MANY_BUILDS");
    assert!(refused.header("retry-after").is_some());
    first.abort();
    let _ = first.await;
    is_gone(&daemon, &word).await;
    // Its place is free a moment after its last process.
    let next = eventually("its place is free", 10.0, || async {
        let next = build(&daemon, &query, context(&quick())).await;
        (next.status != 429).then_some(next)
    });
    next.await.expect(200);
    // What is refused gives its place back.
    build(&daemon, &query, b"no zip".to_vec()).await.refused("validation_error", "ARCHIVE_NOT_A_ZIP");
    build(&daemon, &query, context(&quick())).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stops_ends_its_builds_and_tells_it() {
    let mut daemon = Daemon::start().await;
    let (step, word) = endless();
    let (one, other) = (Image::new(), Image::new());
    let sent = |image: &Image| request(&daemon, &[("image", &image.0)], "application/zip", context(&step));
    let answered = tokio::spawn(sent(&one).send());
    let heard = tokio::spawn({
        let sent = sent(&other).header("accept", "application/x-ndjson").send();
        async move { sent.await.unwrap().text().await }
    });
    runs(&word).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(daemon.terminate().await, Some(0), "{}", daemon.output());
    is_gone(&daemon, &word).await;
    let answer: Value = answered.await.unwrap().unwrap().json().await.unwrap();
    answer::assert_error_value("the answer", &answer, "service_unavailable", "SHUTTING_DOWN");
    let heard = heard.await.unwrap().unwrap();
    let last: Value = serde_json::from_str(heard.lines().last().unwrap()).unwrap();
    assert_eq!(last["end"]["reason"], "shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_killed_leaves_no_build_behind_once_it_is_back() {
    let mut daemon = Daemon::start().await;
    let (step, word) = endless();
    let image = Image::new();
    let sent = request(&daemon, &[("image", &image.0)], "application/zip", context(&step)).send();
    let answered = tokio::spawn(sent);
    runs(&word).await;
    let staging = daemon.data().join("mounts/.staging");
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 1);
    daemon.kill_9().await;
    assert!(answered.await.unwrap().is_err());
    let again = daemon.again().start().await;
    is_gone(&again, &word).await;
    let builder = again.data().display().to_string();
    assert!(
        !processes(&builder).iter().any(|line| line.contains("compose.yaml")),
        "{:?}",
        processes(&builder)
    );
    build(&again, &[("image", &image.0)], context(&quick())).await.expect(200);
}
