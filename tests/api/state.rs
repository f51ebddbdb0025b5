//! Start, stop, restart, pause, unpause: what each status allows, and the engine's truth.

use crate::support::engine::{docker as engine, inspect};
use crate::support::*;

async fn refused(api: &Api, cuid: &str, action: &str, status: &str) {
    let error =
        api.post(&format!("/containers/{cuid}/{action}")).await.refused("state_error", "INVALID_STATE");
    assert_eq!(error["details"]["status"], status, "{error}");
    assert_eq!(error["details"]["action"], action, "{error}");
    let allowed =
        error["details"]["allowed"].as_array().unwrap_or_else(|| panic!("allowed is a list: {error}"));
    assert!(allowed.iter().all(|a| a != action), "what was refused is not allowed: {error}");
    assert_eq!(api.status(cuid).await, status, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_container_starts_and_nothing_else() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    refused(&api, &cuid, "pause", "created").await;
    refused(&api, &cuid, "unpause", "created").await;
    assert_eq!(api.act(&cuid, "stop").await["status"], "created", "stop of what is stopped changes nothing");
    let started = api.act(&cuid, "start").await;
    assert_eq!(started["status"], "running");
    assert!(started["started_at"].is_string());
    assert_eq!(inspect(&cuid).await["State"]["Status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_container_pauses_stops_and_restarts() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    refused(&api, &cuid, "unpause", "running").await;
    let first = inspect(&cuid).await["State"]["StartedAt"].clone();
    let again = api.act(&cuid, "start").await;
    assert_eq!(again["status"], "running");
    assert_eq!(inspect(&cuid).await["State"]["StartedAt"], first, "start of what runs changes nothing");
    assert_eq!(api.act(&cuid, "restart").await["status"], "running");
    assert_ne!(inspect(&cuid).await["State"]["StartedAt"], first, "it was restarted");
    let stopped = api.act(&cuid, "stop").await;
    assert_eq!(stopped["status"], "exited");
    assert_eq!(stopped["exit_code"], 0);
    assert!(stopped["finished_at"].is_string());
    assert_eq!(inspect(&cuid).await["State"]["Running"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_container_starts_again_and_does_not_pause() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let finished = api.act(&cuid, "stop").await["finished_at"].clone();
    let again = api.act(&cuid, "stop").await;
    assert_eq!(
        (&again["status"], &again["finished_at"]),
        (&json!("exited"), &finished),
        "stop twice is safe"
    );
    refused(&api, &cuid, "pause", "exited").await;
    refused(&api, &cuid, "unpause", "exited").await;
    assert_eq!(api.act(&cuid, "start").await["status"], "running");
    api.act(&cuid, "stop").await;
    assert_eq!(api.act(&cuid, "restart").await["status"], "running", "as docker restart does");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_unpauses_and_does_not_start() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    assert_eq!(api.act(&cuid, "pause").await["status"], "paused");
    assert_eq!(inspect(&cuid).await["State"]["Paused"], true);
    refused(&api, &cuid, "start", "paused").await;
    refused(&api, &cuid, "pause", "paused").await;
    assert_eq!(api.act(&cuid, "unpause").await["status"], "running");
    assert_eq!(inspect(&cuid).await["State"]["Paused"], false);
    api.act(&cuid, "pause").await;
    assert_eq!(api.act(&cuid, "stop").await["status"], "exited", "as docker stop does");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_restart_wait_as_long_as_they_are_told() {
    let api = shared().await;
    let cuid = api.running(json!({"command": STUBBORN})).await;
    let begin = Instant::now();
    assert_eq!(
        api.post(&format!("/containers/{cuid}/restart?timeout=0")).await.expect(200)["status"],
        "running"
    );
    assert!(begin.elapsed() < Duration::from_secs(10), "restart took {:?}", begin.elapsed());
    let begin = Instant::now();
    let stopped = api.post(&format!("/containers/{cuid}/stop?timeout=2")).await.expect(200);
    assert_eq!((stopped["status"].as_str(), stopped["exit_code"].as_i64()), (Some("exited"), Some(137)));
    assert!((1.8..8.0).contains(&begin.elapsed().as_secs_f64()), "stop took {:?}", begin.elapsed());
    for bad in ["-1", "soon", "1e9"] {
        api.post(&format!("/containers/{cuid}/stop?timeout={bad}"))
            .await
            .refused("validation_error", "INVALID_QUERY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_ten_seconds_by_default() {
    let api = shared().await;
    let cuid = api.running(json!({"command": STUBBORN})).await;
    let begin = Instant::now();
    api.act(&cuid, "stop").await;
    assert!((9.0..16.0).contains(&begin.elapsed().as_secs_f64()), "stop took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_behind_the_daemon_s_back_shows_within_a_second() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let shows = |status: &'static str| {
        let (api, cuid) = (&api, &cuid);
        eventually(status, 1.0, move || async move { (api.status(cuid).await == status).then_some(()) })
    };
    engine(&["pause", &cuid]).await;
    shows("paused").await;
    engine(&["unpause", &cuid]).await;
    shows("running").await;
    engine(&["kill", &cuid]).await;
    shows("exited").await;
    assert_eq!(api.container(&cuid).await["exit_code"], 137);
    engine(&["start", &cuid]).await;
    shows("running").await;
    engine(&["rm", "-f", &cuid]).await;
    shows("missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_container_is_brought_back_by_start() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"KEPT": "1"}, "tags": ["t"]})).await;
    std::fs::write(api.mount(&cuid).join("file"), "kept").unwrap();
    engine(&["rm", "-f", &cuid]).await;
    eventually("it is missing", 15.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
        .await;
    let got = api.container(&cuid).await;
    assert_eq!(
        (&got["env"]["KEPT"], &got["tags"]),
        (&json!("1"), &json!(["t"])),
        "its configuration is still there"
    );
    refused(&api, &cuid, "pause", "missing").await;
    refused(&api, &cuid, "unpause", "missing").await;
    assert_eq!(api.act(&cuid, "start").await["status"], "running");
    assert_eq!(crate::support::engine::exec(&cuid, "cat /app/file; echo $KEPT").await, "kept1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_container_can_be_deleted_and_changed() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    engine(&["rm", &cuid]).await;
    eventually("it is missing", 15.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
        .await;
    api.patch(&format!("/containers/{cuid}"), &json!({"tags": ["x"]})).await.expect(200);
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
    assert!(!api.mount(&cuid).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restart_policy_is_the_engine_s_and_restarting_shows() {
    let api = shared().await;
    let cuid = api.idle(json!({"command": "exit 3", "restart": "always"})).await;
    api.post(&format!("/containers/{cuid}/start")).await.expect(200);
    eventually("restarts are counted", 15.0, || async {
        let got = api.container(&cuid).await;
        (got["restart_count"].as_i64() >= Some(2) && got["status"] == "restarting").then_some(())
    })
    .await;
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_cannot_be_started_says_why() {
    let api = shared().await;
    let cuid = api.idle(json!({"user": "nosuchuser"})).await;
    let error =
        api.post(&format!("/containers/{cuid}/start")).await.refused("compose_error", "COMPOSE_FAILED");
    assert!(error["details"]["output"].as_str().unwrap().contains("nosuchuser"), "{error}");
    assert_ne!(api.status(&cuid).await, "running");
    api.patch(&format!("/containers/{cuid}"), &json!({"user": "1000:1000"})).await.expect(200);
    assert_eq!(api.act(&cuid, "start").await["status"], "running", "put right, it starts");
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_take_the_name_and_a_body_of_no_kind() {
    let api = shared().await;
    let name = unique("byname");
    api.idle(json!({"name": name})).await;
    // The guide's Ruby client sends `Content-Type: application/json` and no body.
    let request =
        api.request("POST", &format!("/containers/{name}/start")).header("content-type", "application/json");
    assert_eq!(api.send(request).await.expect(200)["status"], "running");
}
