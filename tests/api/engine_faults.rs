//! An engine that stops, hangs, and comes back: a proxy in front of the real one plays it.

use crate::support::engine::{docker as engine, inspect};
use crate::support::*;

async fn with_proxy() -> (Proxy, Daemon) {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let builder = Daemon::builder().engine(&proxy.docker_host()).env("APP_CHANGE_TIMEOUT", "5");
    let daemon = builder.start().await;
    (proxy, daemon)
}

async fn degraded(daemon: &Daemon, seconds: f64) -> Value {
    eventually("health says degraded", seconds, || async {
        let answer = within("health answers", 5.0, daemon.get("/healthz")).await;
        (answer.status == 503).then(|| answer.json())
    })
    .await
}

async fn well(daemon: &Daemon, seconds: f64) {
    eventually("health is well again", seconds, || async {
        (daemon.get("/healthz").await.status == 200).then_some(())
    })
    .await;
}

/// Reads answer at once from what is known.
async fn reads_answer(daemon: &Daemon, cuid: &str) {
    for path in
        [format!("/containers/{cuid}"), format!("/containers/{cuid}/status"), "/containers".to_owned()]
    {
        within(&path, 10.0, daemon.get(&path)).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_is_seen_and_one_that_comes_back_too() {
    let (proxy, daemon) = with_proxy().await;
    let (a, b) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    proxy.stop();
    let health = degraded(&daemon, 10.0).await;
    assert_eq!(health["status"], "degraded");
    for field in ["compose_version", "engine_version", "version", "uptime_s", "containers"] {
        assert!(health.get(field).is_some(), "the same shape: no {field} in {health}");
    }
    reads_answer(&daemon, &a).await;
    let change = within("a change ends", 20.0, daemon.post(&format!("/containers/{a}/stop"))).await;
    change.refused("engine_unavailable", "ENGINE_UNAVAILABLE");
    daemon.upgrade(&format!("/ws/{a}"), &[]).await.refused("engine_unavailable", "ENGINE_UNAVAILABLE");
    daemon
        .post_json("/containers", &json!({"image": BUSYBOX}))
        .await
        .refused("engine_unavailable", "ENGINE_UNAVAILABLE");
    engine(&["kill", &a]).await;
    engine(&["rm", "-f", &b]).await;
    // Longer ago than what of the engine's events is asked for again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    proxy.resume();
    well(&daemon, 15.0).await;
    eventually("all is read again", 15.0, || async {
        (daemon.status(&a).await == "exited" && daemon.status(&b).await == "missing").then_some(())
    })
    .await;
    assert_eq!(daemon.act(&a, "start").await["status"], "running");
    engine(&["kill", &a]).await;
    // All is read anew once a minute only: sooner it is by an event.
    eventually("events come again", 15.0, || async { (daemon.status(&a).await == "exited").then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_holds_nothing_for_ever() {
    let (proxy, daemon) = with_proxy().await;
    let cuid = daemon.running(json!({})).await;
    proxy.hang();
    let change = within("a change ends", 30.0, daemon.post(&format!("/containers/{cuid}/restart"))).await;
    assert!([408, 503].contains(&change.status), "{} {}", change.status, change.text());
    change.refused(if change.status == 408 { "timeout" } else { "engine_unavailable" }, "");
    degraded(&daemon, 6.0).await;
    reads_answer(&daemon, &cuid).await;
    let upgrade = within("a terminal's refusal", 30.0, daemon.upgrade(&format!("/ws/{cuid}"), &[])).await;
    assert!([408, 503].contains(&upgrade.status), "{}", upgrade.text());
    proxy.resume();
    well(&daemon, 10.0).await;
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_sees_a_hung_engine_within_five_seconds() {
    let (proxy, daemon) = with_proxy().await;
    well(&daemon, 5.0).await;
    proxy.hang();
    degraded(&daemon, 6.0).await;
    proxy.resume();
    well(&daemon, 6.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_starts_without_an_engine_and_finds_it_later() {
    let (proxy, daemon) = with_proxy().await;
    let cuid = daemon.running(json!({})).await;
    let mut daemon = daemon;
    assert_eq!(daemon.terminate().await, Some(0));
    proxy.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let daemon = daemon.again().start().await;
    degraded(&daemon, 5.0).await;
    proxy.resume();
    well(&daemon, 8.0).await;
    eventually("its container is found", 5.0, || async {
        (daemon.status(&cuid).await == "running").then_some(())
    })
    .await;
    assert_eq!(inspect(&cuid).await["State"]["Running"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_end_when_the_engine_goes() {
    let (proxy, daemon) = with_proxy().await;
    let cuid = daemon.running(json!({})).await;
    let mut t = Terminal::open(&daemon, &cuid, "cols=80&rows=24").await;
    t.type_in("echo here\n").await;
    t.until("here", 0).await;
    proxy.stop();
    t.end().await;
    assert!(
        t.close_code.is_some_and(|code| code != 1000) || !t.errors.is_empty(),
        "no clean end: {:?}",
        t.close_code
    );
    proxy.resume();
    well(&daemon, 8.0).await;
    Terminal::open(&daemon, &cuid, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_removed_behind_its_back_is_made_again() {
    let name = unique("net");
    let daemon = Daemon::builder().env("APP_NETWORK", &name).start().await;
    let cuid = daemon.running(json!({})).await;
    engine(&["rm", "-f", &cuid]).await;
    engine(&["network", "rm", &name]).await;
    eventually("it is missing", 15.0, || async { (daemon.status(&cuid).await == "missing").then_some(()) })
        .await;
    let brought = daemon.post(&format!("/containers/{cuid}/start")).await;
    let status = brought.status;
    daemon.delete(&format!("/containers/{cuid}?force=true")).await;
    let _ = crate::support::engine::try_docker(&["network", "rm", &name]).await;
    assert_eq!(status, 200, "{}", brought.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_container_starts_again_without_its_network() {
    let name = unique("net");
    let daemon = Daemon::builder().env("APP_NETWORK", &name).start().await;
    let cuid = daemon.running(json!({})).await;
    daemon.act(&cuid, "stop").await;
    engine(&["network", "rm", &name]).await;
    let brought = daemon.post(&format!("/containers/{cuid}/start")).await;
    daemon.delete(&format!("/containers/{cuid}?force=true")).await;
    let _ = crate::support::engine::try_docker(&["network", "rm", &name]).await;
    assert_eq!(brought.expect(200)["status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_container_the_engine_cannot_show_harms_no_other() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let builder = Daemon::builder().engine(&proxy.docker_host());
    let mut daemon = builder.env("APP_CHANGE_TIMEOUT", "30").start().await;
    let (bad, good) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    proxy.answer(&format!("^GET [^ ]*/containers/{bad}/json"), 500, r#"{"message":"broken layer"}"#);
    assert_eq!(daemon.terminate().await, Some(0));
    // With a start all containers are read anew.
    let daemon = daemon.again().start().await;
    well(&daemon, 8.0).await;
    daemon.act(&good, "stop").await;
    daemon.act(&good, "start").await;
    daemon.patch(&format!("/containers/{good}"), &json!({"env": {"N": "1"}})).await.expect(200);
    let new = daemon.running(json!({})).await;
    assert_eq!(daemon.status(&new).await, "running");
    for _ in 0..20 {
        daemon.get("/healthz").await.expect(200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    proxy.honest();
    daemon.act(&bad, "restart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_does_not_make_the_engine_away() {
    // The short one shows that the stand-in's answer is one the daemon can read.
    for length in [20, 20 << 20] {
        let proxy = Proxy::start();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let labels = json!({"junk": "j".repeat(length)});
        let list = json!([{"Id": "f".repeat(64), "Names": ["/junk"], "State": "exited", "Labels": labels}]);
        proxy.answer("^GET [^ ]*/containers/json", 200, list.to_string());
        let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
        let what = format!("it is well with a label of {length} bytes");
        let is_well = || async { (daemon.get("/healthz").await.status == 200).then_some(()) };
        eventually(&what, 12.0, is_well).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        daemon.get("/healthz").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_knows_no_ping_of_that_version_is_found() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.answer("^(GET|HEAD) /v1[^ ]*/_ping", 400, r#"{"message":"client version is too new"}"#);
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    well(&daemon, 10.0).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    daemon.get("/healthz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_may_take_longer_is_waited_for_and_not_called_away() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let builder = Daemon::builder().engine(&proxy.docker_host()).env("APP_ENGINE_TIMEOUT", "60");
    let daemon = builder.start().await;
    let cuid = daemon.running(json!({})).await;
    proxy.hang();
    let path = format!("/containers/{cuid}/top");
    let meanwhile = async {
        // Longer than it has where nothing else is set.
        tokio::time::sleep(Duration::from_secs(12)).await;
        daemon.get("/healthz").await.expect(200);
        proxy.resume();
    };
    let (answer, ()) = tokio::join!(daemon.get(&path), meanwhile);
    answer.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_container_is_told_also_when_the_engine_takes_too_long_to_tell_it() {
    let (proxy, daemon) = with_proxy().await;
    let ended = daemon.create(&json!({"image": BUSYBOX, "command": "exit 4", "state": "running"})).await;
    let up = daemon.running(json!({})).await;
    eventually("it ends", 10.0, || async { (daemon.status(&ended).await == "exited").then_some(()) }).await;
    proxy.hang();
    let got = within("an answer", 10.0, daemon.post(&format!("/containers/{ended}/wait?timeout=0"))).await;
    assert_eq!(got.expect(200), json!({"exit_code": 4}));
    let got = within("an answer", 10.0, daemon.post(&format!("/containers/{up}/wait?timeout=0"))).await;
    assert!([408, 503].contains(&got.status), "{}", got.status);
    proxy.resume();
}
