//! `GET /containers/{id}` and `/status`.

use crate::support::engine::inspect;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_found_by_cuid_and_by_name() {
    let api = shared().await;
    let name = unique("named");
    let cuid = api.idle(json!({"name": name})).await;
    for id in [&cuid, &name] {
        let got = api.container(id).await;
        assert_eq!(got["cuid"], cuid);
        let status = api.get(&format!("/containers/{id}/status")).await.expect(200);
        assert_eq!((&status["cuid"], &status["status"]), (&json!(cuid), &json!("created")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_404_on_every_route() {
    let api = shared().await;
    let bogus = format!("c{}", uuid::Uuid::new_v4());
    for id in [&bogus, "nobody", "c123e4567-e89b-12d3-a456-426614174000"] {
        for (method, rest) in [
            ("GET", ""),
            ("GET", "/status"),
            ("DELETE", ""),
            ("POST", "/start"),
            ("POST", "/stop"),
            ("POST", "/restart"),
            ("POST", "/pause"),
            ("POST", "/unpause"),
            ("GET", "/download?path=a"),
            ("GET", "/download-zip"),
        ] {
            let answer = api.send(api.request(method, &format!("/containers/{id}{rest}"))).await;
            answer.refused("not_found", "CONTAINER_NOT_FOUND");
        }
        api.patch(&format!("/containers/{id}"), &json!({"tags": []}))
            .await
            .refused("not_found", "CONTAINER_NOT_FOUND");
        api.patch(&format!("/containers/{id}/ports"), &json!({"ports": []}))
            .await
            .refused("not_found", "CONTAINER_NOT_FOUND");
        api.upload(id, "", Zip::new().file("a", "a").bytes())
            .await
            .refused("not_found", "CONTAINER_NOT_FOUND");
        api.upgrade(&format!("/ws/{id}"), &[]).await.refused("not_found", "CONTAINER_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuid_has_one_spelling() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    for other in [
        cuid.to_uppercase(),
        cuid.replace('-', ""),
        format!("{cuid}%20"),
        format!("..%2f{cuid}"),
        cuid[1..].to_owned(),
    ] {
        let answer = api.get(&format!("/containers/{other}")).await;
        assert!([400, 404].contains(&answer.status), "{other}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_s_numbers_are_shown() {
    let api = shared().await;
    let cuid = api.idle(json!({"command": "exit 7"})).await;
    api.act(&cuid, "start").await;
    eventually("it ends", 10.0, || async { (api.status(&cuid).await == "exited").then_some(()) }).await;
    let got = api.container(&cuid).await;
    assert_eq!(got["exit_code"], 7);
    assert_eq!(got["oom_killed"], false);
    assert_eq!(got["restart_count"], 0);
    let engine = inspect(&cuid).await;
    for (field, of_engine) in [("started_at", "StartedAt"), ("finished_at", "FinishedAt")] {
        let ours = got[field].as_str().unwrap();
        let parsed: jiff::Timestamp = ours.parse().unwrap();
        let theirs: jiff::Timestamp = engine["State"][of_engine].as_str().unwrap().parse().unwrap();
        assert_eq!(parsed.as_second(), theirs.as_second(), "{field}");
    }
    assert!(got["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{got}");
    assert_eq!(got["logfile"], engine["LogPath"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oom_kill_is_shown() {
    let api = shared().await;
    let hungry = "x=a; while :; do x=$x$x; done";
    let body = json!({"image": BUSYBOX, "command": hungry, "resources": {"memory": "16m"}});
    let cuid = api.create(&body).await;
    api.act(&cuid, "start").await;
    eventually("the engine's OOM kill shows", 30.0, || async {
        let got = api.container(&cuid).await;
        (got["status"] == "exited").then_some(got)
    })
    .await;
    assert_eq!(api.container(&cuid).await["oom_killed"], inspect(&cuid).await["State"]["OOMKilled"]);
}
