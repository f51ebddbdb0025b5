//! What a failed change gives back: the volumes that the old container alone had, and what it printed.

use crate::support::api::with;
use crate::support::engine::{docker as engine, exec, inspect, logs};
use crate::support::*;

/// A program that waits, as an image names it.
const WAITS: &str = r#"CMD ["sleep", "100000"]"#;

/// An image with a volume at `/data`; gone when dropped.
struct WithVolume(String);

impl WithVolume {
    async fn new() -> Self {
        let image = Self(format!("{}:1", unique("wharfinger-test/volume")));
        image.change("VOLUME /data").await;
        image
    }

    /// From now on the name stands for an image with this instruction.
    async fn change(&self, instruction: &str) {
        let name = unique("wharfinger-volume");
        engine(&["create", "--name", &name, BUSYBOX, "true"]).await;
        engine(&["commit", "--change", instruction, "--change", WAITS, &name, &self.0]).await;
        engine(&["rm", &name]).await;
    }
}

impl Drop for WithVolume {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.0]).output();
    }
}

/// The name of the volume that a container has at `/data`.
async fn volume(cuid: &str) -> String {
    let engine = inspect(cuid).await;
    let mounts = engine["Mounts"].as_array().unwrap();
    let of_data = mounts.iter().find(|mount| mount["Destination"] == "/data");
    of_data.map(|mount| mount["Name"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_patch_gives_back_the_volumes_that_the_new_configuration_has_not() {
    let api = shared().await;
    let image = WithVolume::new().await;
    let own = json!({"image": BUSYBOX, "mounts": [{"type": "volume", "target": "/data"}]});
    let of_image = json!({"image": image.0});
    for (body, dropped) in [(&of_image, json!({"image": BUSYBOX})), (&own, json!({"mounts": null}))] {
        let cuid = api.running(with(json!({"user": "0:0"}), body.clone())).await;
        exec(&cuid, "echo kept > /data/file").await;
        let (before, file) = (volume(&cuid).await, api.compose_text(&cuid));
        let broken = with(json!({"user": "nosuchuser"}), dropped);
        let error = api.patch(&format!("/containers/{cuid}"), &broken).await;
        let error = error.refused("compose_error", "COMPOSE_FAILED");
        assert_ne!(error["details"]["rolled_back"], false, "{error}");
        assert_eq!(api.status(&cuid).await, "running");
        assert_eq!((volume(&cuid).await, api.compose_text(&cuid)), (before.clone(), file), "{body}");
        assert_eq!(exec(&cuid, "cat /data/file").await, "kept");
        // What it has by now is what its file says: nothing is made anew when it starts again.
        let id = inspect(&cuid).await["Id"].clone();
        api.act(&cuid, "stop").await;
        api.act(&cuid, "start").await;
        assert_eq!(inspect(&cuid).await["Id"], id);
        assert_eq!(exec(&cuid, "cat /data/file").await, "kept");
        api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
        assert_eq!(engine(&["volume", "ls", "-q", "--filter", &format!("name={before}")]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_recreation_gives_back_the_volumes_that_the_new_image_has_not() {
    let api = shared().await;
    let image = WithVolume::new().await;
    let cuid = api.running(json!({"image": image.0, "command": null})).await;
    exec(&cuid, "echo kept > /data/file").await;
    let before = volume(&cuid).await;
    image.change("USER nosuchuser").await;
    let answer = api.post(&format!("/containers/{cuid}/recreate")).await;
    answer.refused("compose_error", "COMPOSE_FAILED");
    assert_eq!((api.status(&cuid).await.as_str(), volume(&cuid).await), ("running", before));
    assert_eq!(exec(&cuid, "cat /data/file").await, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_printed_is_kept_also_when_the_engine_cannot_be_asked_after_the_change() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let command = "echo hello $RUN; trap 'echo bye $RUN; sleep 3; exit 0' TERM; sleep 100000 & wait";
    let cuid = daemon.running(json!({"command": command, "env": {"RUN": "one"}})).await;
    let path = format!("/containers/{cuid}");
    let body = json!({"env": {"RUN": "two"}});
    let change = daemon.patch(&path, &body);
    let fault = async {
        let said = || async { logs(&cuid).await.contains("bye one").then_some(()) };
        eventually("the old one ends", 10.0, said).await;
        proxy.answer(&format!("^GET [^ ]*/containers/{cuid}/json"), 500, r#"{"message":"not now"}"#);
    };
    let (answer, ()) = tokio::join!(change, fault);
    assert!(answer.status >= 500, "the state cannot be read: {}", answer.text());
    proxy.honest();
    eventually("all is told", 20.0, || async {
        let (data, _) = Stream::open(&daemon, &format!("{path}/logs")).await.rest().await;
        (data == "hello one\nbye one\nhello two\n").then_some(())
    })
    .await;
}
