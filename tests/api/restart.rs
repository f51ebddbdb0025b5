//! A daemon that starts on a data folder that is not empty.

use crate::support::engine::{docker as engine, inspect};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_every_container_as_it_was() {
    let daemon = Daemon::start().await;
    let full = json!({
        "name": unique("kept"), "env": {"A": "1", "B": "$x"}, "tags": ["t", "u"], "labels": {"l.l": "m"}, "user": "5:6", "working_dir": "/tmp",
        "resources": {"cpus": 0.5, "memory": "64m", "pids": 99}, "ports": [{"host": free_port(), "container": 80}], "restart": "on-failure"
    });
    let running = daemon.running(full).await;
    let created = daemon.idle(json!({})).await;
    let paused = daemon.running(json!({})).await;
    daemon.act(&paused, "pause").await;
    let exited = daemon.running(json!({})).await;
    daemon.act(&exited, "stop").await;
    let text = daemon.create(&json!({"image": BUSYBOX, "command": "echo a | cat"})).await;
    let before = daemon.get("/containers").await.expect(200);
    let pid = inspect(&running).await["State"]["Pid"].clone();
    let daemon = daemon.restart().await;
    let after = daemon.get("/containers").await.expect(200);
    assert_eq!(after, before, "all of them, in their order, with all their fields");
    assert_eq!(inspect(&running).await["State"]["Pid"], pid, "containers were not touched");
    for (cuid, status) in [
        (&running, "running"),
        (&created, "created"),
        (&paused, "paused"),
        (&exited, "exited"),
        (&text, "created"),
    ] {
        assert_eq!(daemon.status(cuid).await, status);
    }
    daemon.act(&paused, "unpause").await;
    daemon.act(&created, "start").await;
    daemon.delete(&format!("/containers/{exited}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_it_was_away_is_seen() {
    let mut daemon = Daemon::start().await;
    let (stopped, removed) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    assert_eq!(daemon.terminate().await, Some(0));
    engine(&["kill", &stopped]).await;
    engine(&["rm", "-f", &removed]).await;
    let daemon = daemon.again().start().await;
    assert_eq!(daemon.status(&stopped).await, "exited");
    assert_eq!(daemon.status(&removed).await, "missing");
    daemon.act(&removed, "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_one_data_folder_refuses() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let ended = daemon.again().refuses().await;
    assert!(
        ended.output.contains(daemon.data().to_str().unwrap()) || ended.output.contains("APP_DATA_DIR"),
        "it says why: {}",
        ended.output
    );
    assert_eq!(daemon.act(&cuid, "stop").await["status"], "exited", "the first goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_the_next_daemon_starts_at_once() {
    let mut daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    daemon.kill_9().await;
    let daemon = daemon.again().start_within(10.0).await;
    assert_eq!(daemon.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_that_cannot_be_read_is_listed_with_what_is_wrong() {
    let mut daemon = Daemon::start().await;
    let (good, bad) = (daemon.idle(json!({})).await, daemon.idle(json!({})).await);
    assert_eq!(daemon.terminate().await, Some(0));
    std::fs::write(daemon.compose_file(&bad), "services: [broken\n").unwrap();
    std::fs::create_dir(daemon.data().join("compose/not-a-cuid")).unwrap();
    let daemon = daemon.again().start().await;
    let list = daemon.get("/containers").await.expect(200);
    assert_eq!(daemon.status(&good).await, "created");
    let shown = list["containers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["cuid"] == *bad)
        .expect("the broken one is listed");
    assert!(shown["error"].as_str().is_some_and(|e| !e.is_empty()), "with what is wrong: {shown}");
    daemon.post(&format!("/containers/{bad}/start")).await.refused("compose_error", "COMPOSE_FILE_INVALID");
    daemon.delete(&format!("/containers/{bad}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_others_are_none_of_its_business() {
    let daemon = Daemon::start().await;
    let other = unique("foreign");
    engine(&["run", "-d", "--name", &other, BUSYBOX]).await;
    let list = daemon.get("/containers").await.expect(200);
    let seen = daemon.get(&format!("/containers/{other}")).await.status;
    engine(&["rm", "-f", &other]).await;
    assert_eq!((list["total"].as_i64(), seen), (Some(0), 404));
}
