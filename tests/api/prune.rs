//! `POST /containers/prune`: the end of what no one needs any more.

use crate::support::engine::{docker as engine, try_inspect};
use crate::support::*;

fn cuids(answer: &Value) -> Vec<&str> {
    answer["deleted"].as_array().unwrap().iter().map(|cuid| cuid.as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_up_goes_and_the_rest_stays() {
    let daemon = Daemon::start().await;
    let created = daemon.idle(json!({})).await;
    let exited = daemon.running(json!({})).await;
    let missing = daemon.idle(json!({})).await;
    let (running, paused) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    daemon.act(&exited, "stop").await;
    daemon.act(&paused, "pause").await;
    engine(&["rm", &missing]).await;
    eventually("it is missing", 15.0, || async {
        (daemon.status(&missing).await == "missing").then_some(())
    })
    .await;
    let answer = daemon.post("/containers/prune").await.expect(200);
    assert_eq!(cuids(&answer), [&*created, &exited, &missing]);
    assert_eq!(answer["failed"], json!([]));
    for cuid in [&created, &exited, &missing] {
        daemon.get(&format!("/containers/{cuid}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
        assert!(!daemon.mount(cuid).exists() && !daemon.compose_file(cuid).exists());
        assert!(try_inspect(cuid).await.is_none());
    }
    assert_eq!(
        (daemon.status(&running).await, daemon.status(&paused).await),
        ("running".into(), "paused".into())
    );
    assert_eq!(
        cuids(&daemon.post("/containers/prune").await.expect(200)),
        [""; 0],
        "a second one finds nothing"
    );
    let line = daemon.audit().into_iter().find(|line| line["action"] == "container.prune").unwrap();
    assert_eq!(line["deleted"], answer["deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tags_and_age_choose() {
    let daemon = Daemon::start().await;
    let created = daemon.idle(json!({"tags": ["a", "b"]})).await;
    let other = daemon.idle(json!({"tags": ["a"]})).await;
    let exited = daemon.running(json!({"tags": ["a", "b"]})).await;
    daemon.act(&exited, "stop").await;
    let prune = async |query: &str| daemon.post(&format!("/containers/prune{query}")).await.expect(200);
    assert_eq!(cuids(&prune("?older_than=3600").await), [""; 0]);
    assert_eq!(cuids(&prune("?tag=c").await), [""; 0]);
    assert_eq!(cuids(&prune("?status=dead,missing").await), [""; 0]);
    let answer = prune("?tag=a&tag=b&status=exited&keep_files=true").await;
    assert_eq!(cuids(&answer), [&*exited]);
    assert!(daemon.mount(&exited).exists(), "its files are kept");
    let body = json!({"tag": ["a", "b"], "status": ["created", "exited"], "older_than": 0});
    let answer = daemon.post_json("/containers/prune", &body).await.expect(200);
    assert_eq!(cuids(&answer), [&*created]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(cuids(&prune("?status=stopped&older_than=1").await), [&*other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn age_counts_from_the_end() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    daemon.act(&cuid, "stop").await;
    let answer = daemon.post("/containers/prune?older_than=3").await.expect(200);
    assert_eq!(cuids(&answer), [""; 0], "it ended just now");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(cuids(&daemon.post("/containers/prune?older_than=3").await.expect(200)), [&*cuid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_up_is_never_asked_for_and_bad_queries_delete_nothing() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    for query in [
        "status=running",
        "status=exited,paused",
        "status=all",
        "status=",
        "older_than=-1",
        "older_than=x",
        "x=1",
        "keep_files=maybe",
    ] {
        let answer = daemon.post(&format!("/containers/prune?{query}")).await;
        answer.refused("validation_error", "INVALID_QUERY");
    }
    let answer = daemon.post_json("/containers/prune?status=exited", &json!({"status": "created"})).await;
    answer.refused("validation_error", "INVALID_QUERY");
    assert_eq!(daemon.status(&cuid).await, "created");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_deleted_keeps_no_other() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let (first, second) = (daemon.idle(json!({})).await, daemon.idle(json!({})).await);
    compose.fail("no space left on device");
    let answer = daemon.post("/containers/prune").await.expect(200);
    assert_eq!(cuids(&answer), [""; 0]);
    let failed = answer["failed"].as_array().unwrap();
    assert_eq!((&failed[0]["cuid"], &failed[0]["code"]), (&json!(first), &json!("NO_SPACE")));
    assert_eq!((failed.len(), &failed[1]["cuid"]), (2, &json!(second)));
    compose.well();
    assert_eq!(cuids(&daemon.post("/containers/prune").await.expect(200)), [&*first, &second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_started_meanwhile_stays() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    compose.hold();
    let path = format!("/containers/{cuid}/start");
    let pruning = async {
        compose.is_in_it().await;
        let release = async {
            // Once the prune has chosen it, and waits for its turn.
            tokio::time::sleep(Duration::from_secs(1)).await;
            compose.well();
        };
        tokio::join!(daemon.post("/containers/prune"), release).0.expect(200)
    };
    let (started, answer) = tokio::join!(daemon.post(&path), pruning);
    assert_eq!(started.expect(200)["status"], "running");
    assert_eq!((cuids(&answer), &answer["failed"]), (vec![], &json!([])), "its turn came after the start");
    assert_eq!(daemon.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_may_be_named_so_and_a_file_that_cannot_be_read_is_kept() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({"name": "prune"})).await;
    assert_eq!(daemon.container("prune").await["cuid"], json!(cuid));
    daemon.post("/containers/prune/start").await.expect(200);
    daemon.post("/containers/prune/stop").await.expect(200);
    std::fs::write(daemon.compose_file(&cuid), "services: [").unwrap();
    eventually("it cannot be read", 5.0, || async {
        let answer = daemon.patch(&format!("/containers/{cuid}"), &json!({"tags": []})).await;
        (answer.status == 500).then_some(())
    })
    .await;
    assert_eq!(cuids(&daemon.post("/containers/prune").await.expect(200)), [""; 0]);
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_went_missing_has_no_age_and_stays_when_age_is_asked_for() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    docker(&["rm", "-f", &cuid]).await;
    eventually("it is missing", 10.0, || async { (daemon.status(&cuid).await == "missing").then_some(()) })
        .await;
    let got = daemon.post("/containers/prune?older_than=0").await.expect(200);
    assert_eq!(got["deleted"], json!([]), "it may have run a moment ago");
    let got = daemon.post("/containers/prune").await.expect(200);
    assert_eq!(got["deleted"], json!([cuid]));
}
