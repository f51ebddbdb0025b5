//! `docker compose` that hangs, fails, or outlives the daemon.

use crate::support::engine::{inspect, try_inspect};
use crate::support::*;

async fn with_stand_in(limit: &str) -> (Compose, Daemon) {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).env("APP_CHANGE_TIMEOUT", limit);
    let daemon = builder.start().await;
    (compose, daemon)
}

/// What is left of containers in a folder of the data folder.
fn left_in(daemon: &Daemon, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(daemon.data().join(folder)).unwrap().flatten();
    entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('c'))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_that_hangs_ends_as_408_with_its_whole_group_gone() {
    let (compose, daemon) = with_stand_in("2").await;
    let cuid = daemon.idle(json!({})).await;
    compose.hang();
    let begin = Instant::now();
    let error =
        daemon.post(&format!("/containers/{cuid}/start")).await.refused("timeout", "CHANGE_TIMED_OUT");
    assert!(begin.elapsed().as_secs_f64() > 1.5, "the limit was waited for");
    assert!(begin.elapsed().as_secs_f64() < 20.0, "took {:?}", begin.elapsed());
    assert!(error["message"].as_str().unwrap().contains('2'), "the message says the limit: {error}");
    assert!(!compose.read("pids").is_empty(), "the stand-in hung");
    eventually("nothing of it is left", 5.0, || async { compose.alive().is_empty().then_some(()) }).await;
    compose.well();
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running", "the turn is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_hangs_leaves_nothing_behind() {
    let (compose, daemon) = with_stand_in("2").await;
    compose.hang();
    let body = json!({"image": BUSYBOX, "name": "hung"});
    daemon.post_json("/containers", &body).await.refused("timeout", "CHANGE_TIMED_OUT");
    compose.well();
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0);
    assert_eq!(left_in(&daemon, "compose"), [""; 0]);
    eventually("nothing of it is left", 5.0, || async { compose.alive().is_empty().then_some(()) }).await;
    daemon.create(&body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_compose_says_reaches_the_client_without_host_paths_and_values() {
    let (compose, daemon) = with_stand_in("30").await;
    let secret = "hunter2-very-secret";
    let cuid = daemon.idle(json!({"env": {"TOKEN": secret}})).await;
    let file = daemon.compose_file(&cuid).display().to_string();
    let noise = "x".repeat(200_000);
    compose.fail(&format!("{noise}\nError: cannot parse {file}: TOKEN={secret} is not good\n"));
    let error =
        daemon.post(&format!("/containers/{cuid}/start")).await.refused("compose_error", "COMPOSE_FAILED");
    compose.well();
    let output = error["details"]["output"].as_str().unwrap();
    assert!(output.contains("is not good"), "the tail is told: {output}");
    assert!(!output.contains(secret), "a value of env: {output}");
    assert!(!output.contains(daemon.data().to_str().unwrap()), "a host path: {output}");
    assert!(output.len() < 20_000, "a short tail, not {} bytes", output.len());
    let line = daemon.audit().into_iter().rfind(|l| l["action"] == "container.start").unwrap();
    assert!(
        line.as_object().unwrap().values().any(|v| *v == 17),
        "the audit line has compose's exit status: {line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_gets_a_clean_environment_and_no_shell() {
    let compose = Compose::new();
    let builder =
        Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).env("UNRELATED_SECRET", "should-not-pass");
    let daemon = builder.start().await;
    daemon.running(json!({})).await;
    let seen = compose.read("environment");
    for leak in ["APP_PASS", crate::support::daemon::PASS, "UNRELATED_SECRET", "should-not-pass", "APP_USER"]
    {
        assert!(!seen.contains(leak), "compose saw {leak}: {seen}");
    }
    assert!(!compose.read("calls").is_empty(), "the daemon uses the compose it was told to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_compose_fails_leaves_nothing_behind() {
    let (compose, daemon) = with_stand_in("30").await;
    compose.fail("no");
    daemon
        .post_json("/containers", &json!({"image": BUSYBOX}))
        .await
        .refused("compose_error", "COMPOSE_FAILED");
    compose.well();
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0);
    assert_eq!(left_in(&daemon, "compose"), [""; 0]);
    assert_eq!(left_in(&daemon, "mounts"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_in_mid_change_finds_the_container_whole_at_its_next_start() {
    let (compose, mut daemon) = with_stand_in("30").await;
    let cuid = daemon.running(json!({"env": {"OLD": "1"}})).await;
    compose.slow(2.0);
    let request = daemon.request("PATCH", &format!("/containers/{cuid}")).json(&json!({"env": {"NEW": "2"}}));
    let sent = tokio::spawn(request.send());
    compose.is_in_it().await;
    daemon.kill_9().await;
    assert!(sent.await.unwrap().is_err());
    compose.well();
    let daemon2 = daemon.again().start_within(60.0).await;
    let got = daemon2.container(&cuid).await;
    assert_eq!(got["env"]["OLD"], "1", "whole: {got}");
    assert_eq!(daemon2.act(&cuid, "start").await["status"], "running", "and startable");
    assert!(inspect(&cuid).await["State"]["Running"].as_bool().unwrap());
    daemon2.patch(&format!("/containers/{cuid}"), &json!({"env": {"NEW": "3"}})).await.expect(200);
    daemon2.audit();
    for entry in std::fs::read_dir(daemon2.compose_file(&cuid).parent().unwrap()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.contains("tmp"), "a half-written file is left: {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_in_mid_create_leaves_the_container_whole_or_absent_or_startable() {
    let (compose, mut daemon) = with_stand_in("30").await;
    compose.slow(1.5);
    let request = daemon.request("POST", "/containers").json(&json!({"image": BUSYBOX, "command": IDLE}));
    let sent = tokio::spawn(request.send());
    compose.is_in_it().await;
    daemon.kill_9().await;
    drop(sent.await);
    compose.well();
    let daemon2 = daemon.again().start_within(60.0).await;
    let list = daemon2.get("/containers").await.expect(200);
    for container in list["containers"].as_array().unwrap() {
        let cuid = container["cuid"].as_str().unwrap();
        assert_eq!(
            daemon2.act(cuid, "start").await["status"],
            "running",
            "listed, so startable: {container}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_daemon_waits_for_a_compose_that_outlived_the_last_one() {
    let (compose, mut daemon) = with_stand_in("30").await;
    let cuid = daemon.idle(json!({})).await;
    compose.slow(4.0);
    let begin = Instant::now();
    let sent = tokio::spawn(daemon.request("POST", &format!("/containers/{cuid}/start")).send());
    compose.is_in_it().await;
    daemon.kill_9().await;
    drop(sent.await);
    compose.well();
    assert!(!compose.alive().is_empty(), "the child outlived the daemon");
    let daemon2 = daemon.again().start_within(60.0).await;
    let got = daemon2.post(&format!("/containers/{cuid}/stop?timeout=0")).await.expect(200);
    assert!(
        begin.elapsed().as_secs_f64() > 3.5,
        "the second change waited for the first: {:?}",
        begin.elapsed()
    );
    assert_ne!(got["status"], "running", "{got}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_ne!(daemon2.status(&cuid).await, "running", "nothing of the old change comes after the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_compose_is_put_right_by_the_same_change_again() {
    let (compose, daemon) = with_stand_in("30").await;
    let cuid = daemon.idle(json!({})).await;
    compose.slow(5.0);
    let path = format!("/containers/{cuid}/start");
    let change = daemon.post(&path);
    let kill = async {
        compose.is_in_it().await;
        for pid in compose.alive() {
            let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    };
    let (answer, ()) = futures_util::future::join(change, kill).await;
    answer.refused("compose_error", "COMPOSE_FAILED");
    compose.well();
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
    assert!(try_inspect(&cuid).await.is_some());
}
