//! `GET /healthz` while all is well.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn health_names_versions_uptime_and_counts() {
    let daemon = Daemon::start().await;
    let running = daemon.running(json!({})).await;
    daemon.idle(json!({})).await;
    let health = daemon.get("/healthz").await.expect(200);
    assert_eq!(health["status"], "ok");
    let version = health["compose_version"].as_str().unwrap();
    assert!(version.trim_start_matches('v').starts_with("2."), "{version}");
    let engine = docker(&["version", "--format", "{{.Server.Version}}"]).await;
    assert_eq!(health["engine_version"], engine);
    assert!(!health["version"].as_str().unwrap().is_empty());
    assert!(health["uptime_s"].as_f64().unwrap() >= 0.0);
    assert_eq!(health["containers"]["running"], 1);
    assert_eq!(health["containers"]["created"], 1);
    docker(&["kill", &running]).await;
    eventually("the count follows", 15.0, || async {
        (daemon.get("/healthz").await.json()["containers"]["running"] == 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let later = daemon.get("/healthz").await.expect(200);
    assert!(later["uptime_s"].as_f64() > health["uptime_s"].as_f64());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_quick() {
    let api = shared().await;
    api.get("/healthz").await.expect(200);
    let begin = Instant::now();
    for _ in 0..200 {
        api.get("/healthz").await.expect(200);
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "200 took {:?}: health starts no process",
        begin.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_timed_out_shows_until_one_succeeds() {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).env("APP_CHANGE_TIMEOUT", "4");
    let daemon = builder.start().await;
    let cuid = daemon.idle(json!({})).await;
    daemon.get("/healthz").await.expect(200);
    compose.hang();
    daemon.post(&format!("/containers/{cuid}/start")).await.refused("timeout", "CHANGE_TIMED_OUT");
    compose.well();
    let health = daemon.get("/healthz").await.expect(503);
    assert_eq!(health["status"], "degraded", "{health}");
    daemon.act(&cuid, "start").await;
    assert_eq!(daemon.get("/healthz").await.expect(200)["status"], "ok");
}
