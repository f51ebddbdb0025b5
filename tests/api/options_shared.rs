//! Networks and volumes that containers name.

use crate::support::engine::{docker, exec, inspect, try_docker};
use crate::support::*;

/// A network or volume that goes with the test.
struct Gone(&'static str, String);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args([self.0, "rm", &self.1]).output();
    }
}

fn network() -> (String, Gone) {
    let name = unique("wharfinger-net");
    (name.clone(), Gone("network", name))
}

fn volume() -> (String, Gone) {
    let name = unique("wharfinger-vol");
    (name.clone(), Gone("volume", name))
}

async fn exists(kind: &str, name: &str) -> bool {
    try_docker(&[kind, "inspect", name]).await.0
}

const SERVER: &str = "echo hello >/tmp/index.html; httpd -f -p 8000 -h /tmp";

/// Whether one container gets the page of another, by a name.
async fn reaches(cuid: &str, name: &str) -> bool {
    let script = format!("printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {name} 8000 2>&1 || true");
    exec(cuid, &script).await.contains("hello")
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_on_a_named_network_reach_one_another_and_others_do_not() {
    let (network, _gone) = network();
    let daemon = Daemon::start().await;
    let name = unique("web");
    let web = daemon.running(json!({"network": network, "name": name, "command": SERVER})).await;
    let client = daemon.running(json!({"network": network})).await;
    let outside = daemon.running(json!({})).await;
    let server = daemon.running(json!({"command": SERVER})).await;
    eventually("reached by its name", 10.0, || async { reaches(&client, &name).await.then_some(()) }).await;
    assert!(reaches(&client, &web).await, "by its cuid");
    let address = |engine: &Value, network: &str| {
        engine["NetworkSettings"]["Networks"][network]["IPAddress"].as_str().unwrap().to_owned()
    };
    let at = address(&inspect(&web).await, &network);
    assert!(reaches(&client, &at).await, "by its address");
    assert!(!reaches(&outside, &at).await, "not from another network");
    let at = address(&inspect(&server).await, "wharfinger");
    assert!(!reaches(&outside, &at).await, "not on the default network");
    assert_eq!(daemon.container(&web).await["network"], network.as_str());
    let label = docker(&["network", "inspect", "--format", "{{json .Labels}}", &network]).await;
    assert!(label.contains("\"io.wharfinger.network\":\"true\""), "{label}");

    let daemon = daemon.restart().await;
    assert_eq!(daemon.container(&web).await["network"], network.as_str(), "after a restart of the daemon");
    let got = daemon.patch(&format!("/containers/{client}"), &json!({"network": null})).await.expect(200);
    assert!(got.get("network").is_none() && got["status"] == "running", "{got}");
    assert!(!reaches(&client, &name).await, "it has left the network");
    assert!(exists("network", &network).await, "the other one is still on it");
    daemon.delete(&format!("/containers/{web}?force=true")).await.expect(200);
    assert!(!exists("network", &network).await, "it goes with the last container that names it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_gone_is_made_again_at_the_start() {
    let (network, _gone) = network();
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"network": network})).await;
    daemon.act(&cuid, "stop").await;
    docker(&["network", "rm", &network]).await;
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
    assert!(exists("network", &network).await);
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_and_volumes_of_others_are_refused_unless_they_are_allowed() {
    let ((network, _net), (volume, _vol)) = (network(), volume());
    docker(&["network", "create", &network]).await;
    docker(&["volume", "create", &volume]).await;
    let mounts = json!([{"type": "volume", "source": volume, "target": "/data"}]);
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let file = daemon.compose_text(&cuid);
    for (name, value, token) in [
        ("network", json!(network), format!("network:{network}")),
        ("mounts", mounts.clone(), format!("volume:{volume}")),
    ] {
        for answer in [
            daemon.post_json("/containers", &json!({"image": BUSYBOX, name: value})).await,
            daemon.patch(&format!("/containers/{cuid}"), &json!({name: value})).await,
        ] {
            let error = answer.refused("forbidden", "OPTION_NOT_ALLOWED");
            assert_eq!(error["details"]["option"], name, "{error}");
            assert_eq!(error["details"]["allow"], token.as_str(), "{error}");
        }
    }
    assert_eq!(daemon.compose_text(&cuid), file);
    drop(daemon);
    let allow = format!("network:{network},volume:{volume}");
    let daemon = Daemon::builder().env("APP_ALLOW", &allow).start().await;
    let cuid = daemon.running(json!({"network": network, "mounts": mounts})).await;
    assert!(inspect(&cuid).await["NetworkSettings"]["Networks"].get(&network).is_some());
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    assert!(exists("network", &network).await && exists("volume", &volume).await, "others' things stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_volume_is_shared_and_outlives_its_containers() {
    let (volume, _gone) = volume();
    let daemon = Daemon::start().await;
    let mounts = |read_only: bool| json!([{"type": "volume", "source": volume, "target": "/data", "read_only": read_only}]);
    let writer = daemon.running(json!({"mounts": mounts(false), "user": "0"})).await;
    exec(&writer, "echo kept >/data/f").await;
    let reader = daemon.idle(json!({})).await;
    daemon.patch(&format!("/containers/{reader}"), &json!({"mounts": mounts(true)})).await.expect(200);
    daemon.act(&reader, "start").await;
    assert_eq!(exec(&reader, "cat /data/f; touch /data/g 2>&1 | grep -o Read-only").await, "kept\nRead-only");
    let label = docker(&["volume", "inspect", "--format", "{{json .Labels}}", &volume]).await;
    assert!(label.contains("\"io.wharfinger.volume\":\"true\""), "{label}");
    for cuid in [&writer, &reader] {
        daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    }
    let again = daemon.running(json!({"mounts": mounts(false)})).await;
    assert_eq!(exec(&again, "cat /data/f").await, "kept");
    let daemon = daemon.restart().await;
    let shown = json!([{"type": "volume", "source": volume, "target": "/data"}]);
    assert_eq!(daemon.container(&again).await["mounts"], shown);
    daemon.delete(&format!("/containers/{again}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_without_a_name_goes_with_its_container() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"mounts": [{"type": "volume", "target": "/data"}], "user": "0"})).await;
    exec(&cuid, "echo kept >/data/f").await;
    let mounts = inspect(&cuid).await["Mounts"].clone();
    let of_data = mounts.as_array().unwrap().iter().find(|mount| mount["Destination"] == "/data").unwrap();
    let volume = of_data["Name"].as_str().unwrap().to_owned();
    daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"A": "1"}})).await.expect(200);
    assert_eq!(exec(&cuid, "cat /data/f").await, "kept", "a change of the configuration keeps it");
    daemon.patch(&format!("/containers/{cuid}"), &json!({"mounts": null})).await.expect(200);
    assert!(!exists("volume", &volume).await, "it goes when it is mounted no more");
    let volume_of = |engine: Value| {
        let mounts = engine["Mounts"].as_array().unwrap().clone();
        mounts
            .into_iter()
            .find(|mount| mount["Type"] == "volume")
            .map(|mount| mount["Name"].as_str().unwrap().to_owned())
    };
    daemon
        .patch(&format!("/containers/{cuid}"), &json!({"mounts": [{"type": "volume", "target": "/data"}]}))
        .await
        .expect(200);
    daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"B": "1"}})).await.expect(200);
    let volume = volume_of(inspect(&cuid).await).unwrap();
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    assert!(!exists("volume", &volume).await, "and with the container, also one that was made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_or_patch_that_fails_leaves_no_network_and_no_volume() {
    let ((network, _net), (volume, _vol)) = (network(), volume());
    let daemon = Daemon::start().await;
    let mounts = json!([{"type": "volume", "source": volume, "target": "/data"}]);
    let more = json!({"network": network, "mounts": mounts, "user": "nosuchuser"});
    let body = crate::support::api::with(
        json!({"image": BUSYBOX, "command": IDLE, "state": "running"}),
        more.clone(),
    );
    daemon.post_json("/containers", &body).await.refused("compose_error", "COMPOSE_FAILED");
    assert!(!exists("network", &network).await && !exists("volume", &volume).await, "after create");
    let cuid = daemon.running(json!({})).await;
    daemon.patch(&format!("/containers/{cuid}"), &more).await.refused("compose_error", "COMPOSE_FAILED");
    assert!(!exists("network", &network).await && !exists("volume", &volume).await, "after PATCH");
    assert_eq!(daemon.status(&cuid).await, "running", "the old container is back");
    assert!(daemon.container(&cuid).await.get("network").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_network_cannot_be_named_as_one_to_share() {
    let daemon = Daemon::builder().env("APP_NETWORK", &unique("wharfinger-test")).start().await;
    let cuid = daemon.idle(json!({})).await;
    let engine = crate::support::engine::inspect(&cuid).await;
    let network = engine["NetworkSettings"]["Networks"].as_object().unwrap().keys().next().unwrap().clone();
    let answer = daemon.post_json("/containers", &json!({"image": BUSYBOX, "network": network})).await;
    assert_eq!(answer.refused("forbidden", "OPTION_NOT_ALLOWED")["details"]["field"], "network");
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
    docker(&["network", "rm", &network]).await;
    let answer = daemon.post_json("/containers", &json!({"image": BUSYBOX, "network": network})).await;
    answer.refused("forbidden", "OPTION_NOT_ALLOWED");
}
