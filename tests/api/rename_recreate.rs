//! Rename and recreate.

use crate::support::engine::{commit, docker as engine, exec, inspect, try_docker};
use crate::support::registry::Registry;
use crate::support::*;

/// An image of this test's own; gone when dropped.
struct Image(String);

impl Image {
    /// A name that stands for what `from` stands for.
    async fn of(from: &str) -> Self {
        Self::named(from, &format!("{}:1", unique("wharfinger-test/ops"))).await
    }

    async fn named(from: &str, name: &str) -> Self {
        let image = Self(name.to_owned());
        engine(&["tag", from, &image.0]).await;
        image
    }

    /// From now on the name stands for an image with this file and this instruction.
    async fn change(&self, script: &str, change: &str) -> String {
        let name = unique("wharfinger-ops");
        engine(&["run", "--name", &name, BUSYBOX, "sh", "-c", script]).await;
        let id = commit(&name, change, &self.0).await;
        engine(&["rm", &name]).await;
        id
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.0]).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rename_gives_another_name_and_restarts_nothing() {
    let api = shared().await;
    let (old, new, taken) = (unique("old"), unique("new"), unique("taken"));
    let cuid = api.running(json!({"name": old})).await;
    api.idle(json!({"name": taken})).await;
    let before = inspect(&cuid).await["State"]["StartedAt"].clone();
    let path = format!("/containers/{old}/rename");
    let error = api.post_json(&path, &json!({"name": taken})).await.refused("conflict", "NAME_IN_USE");
    assert_eq!(error["details"]["name"], json!(taken));
    assert_eq!(api.post_json(&path, &json!({"name": new})).await.expect(200)["name"], json!(new));
    assert_eq!(api.container(&new).await["cuid"], json!(cuid));
    api.get(&format!("/containers/{old}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
    assert_eq!(inspect(&cuid).await["State"]["StartedAt"], before);
    let path = format!("/containers/{cuid}/rename");
    for (body, code) in [
        (json!({}), "MISSING_FIELD"),
        (json!({"name": null}), "MISSING_FIELD"),
        (json!({"name": "-x"}), "INVALID_NAME"),
        (json!({"name": cuid}), "INVALID_NAME"),
        (json!({"name": 1}), "INVALID_TYPE"),
        (json!({"name": "ok-name", "x": 1}), "UNKNOWN_FIELD"),
    ] {
        api.post_json(&path, &body).await.refused("validation_error", code);
    }
    assert_eq!(api.container(&cuid).await["name"], json!(new), "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn recreate_takes_the_image_that_its_name_stands_for_by_now() {
    let api = shared().await;
    let image = Image::of(BUSYBOX).await;
    let cuid = api.running(json!({"image": image.0, "env": {"KEPT": "1"}})).await;
    std::fs::write(api.mount(&cuid).join("file"), "kept").unwrap();
    exec(&cuid, "touch /tmp/inside").await;
    let id = image.change("echo new > /version", "ENV NEW=1").await;
    let path = format!("/containers/{cuid}/recreate");
    let got = api.post(&path).await.expect(200);
    assert_eq!((&got["status"], &got["image"]), (&json!("running"), &json!(image.0)));
    assert_eq!(inspect(&cuid).await["Image"], json!(id));
    let seen = exec(&cuid, "cat /version /app/file; echo $KEPT; ls /tmp").await;
    assert_eq!(seen, "new\nkept1", "the new image, the mount, the environment; the rest is new");
    let before = inspect(&cuid).await["Id"].clone();
    api.post(&path).await.expect(200);
    assert_ne!(inspect(&cuid).await["Id"], before, "anew also when nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn recreate_keeps_the_status() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let path = format!("/containers/{cuid}/recreate");
    let id = inspect(&cuid).await["Id"].clone();
    assert_eq!(api.post(&path).await.expect(200)["status"], "created");
    assert_ne!(inspect(&cuid).await["Id"], id);
    api.act(&cuid, "start").await;
    api.act(&cuid, "pause").await;
    assert_eq!(api.post(&path).await.expect(200)["status"], "paused");
    assert_eq!(inspect(&cuid).await["State"]["Paused"], true);
    engine(&["rm", "-f", &cuid]).await;
    eventually("it is missing", 15.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
        .await;
    assert_eq!(api.post(&path).await.expect(200)["status"], "created", "one that is missing is made");
    assert_eq!(api.act(&cuid, "start").await["status"], "running");
    api.post(&format!("{path}?pull=maybe")).await.refused("validation_error", "INVALID_QUERY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_fails_changes_nothing() {
    let api = shared().await;
    let registry = Registry::start().await;
    let nobody = format!("127.0.0.1:{}", free_port());
    for (address, word, code) in [
        (&registry.address, "not_found", "IMAGE_NOT_FOUND"),
        (&nobody, "bad_gateway", "REGISTRY_UNREACHABLE"),
    ] {
        let image = Image::named(BUSYBOX, &format!("{address}/ops:1")).await;
        let cuid = api.running(json!({"image": image.0})).await;
        let before = inspect(&cuid).await["Id"].clone();
        let answer = api.post_json(&format!("/containers/{cuid}/recreate"), &json!({"pull": true})).await;
        answer.refused(word, code);
        let now = inspect(&cuid).await;
        assert_eq!((&now["Id"], &now["State"]["Running"]), (&before, &json!(true)));
        api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_image_that_cannot_run_leaves_the_old_container() {
    let api = shared().await;
    let image = Image::of(BUSYBOX).await;
    let cuid = api.running(json!({"image": image.0, "command": null})).await;
    let (text, old) = (api.compose_text(&cuid), inspect(&cuid).await["Image"].clone());
    image.change("true", "USER nosuchuser").await;
    let path = format!("/containers/{cuid}/recreate");
    let error = api.post(&path).await.refused("compose_error", "COMPOSE_FAILED");
    assert!(error["details"].get("rolled_back").is_none(), "{error}");
    let now = inspect(&cuid).await;
    assert_eq!((&now["Image"], &now["State"]["Running"]), (&old, &json!(true)), "it runs as before");
    assert_eq!(api.compose_text(&cuid), text, "and its file is what it was");
    assert_eq!(api.container(&cuid).await["image"], json!(image.0));
    assert!(try_docker(&["exec", &cuid, "true"]).await.0);
}
