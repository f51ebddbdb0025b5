//! Credentials of registries: checked, kept for the daemon alone, used wherever an image is moved, never shown.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::builds::{self, Image};
use crate::support::engine::inspect;
use crate::support::registry::{Named, REGISTRY_PASS, REGISTRY_USER, Registry, make_image};
use crate::support::*;

fn login() -> Value {
    json!({"username": REGISTRY_USER, "password": REGISTRY_PASS})
}

async fn put(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    daemon.send(daemon.request("PUT", path).json(body)).await
}

async fn set(daemon: &Daemon, registry: &Registry) {
    put(daemon, &format!("/registries/{}", registry.address), &login()).await.expect(201);
}

/// Every file beneath a folder, as text.
fn written(folder: &std::path::Path) -> Vec<(std::path::PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(written(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    found
}

/// An image that only those can pull whom the registry knows; nothing of it is left in the engine.
async fn publish_behind_login(daemon: &Daemon, registry: &Registry) -> String {
    let image = make_image(&format!("{}/{}:1", registry.address, unique("tests/hidden")), &[1 << 16]).await;
    daemon.post_json("/images/push", &json!({"image": image.0})).await.expect(200);
    let name = image.0.clone();
    image.remove().await;
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_taken_once_the_registry_has_taken_them() {
    let (daemon, registry) = (Daemon::start().await, Registry::start_with_login().await);
    let path = format!("/registries/{}", registry.address);
    let wrong = json!({"username": REGISTRY_USER, "password": "not-the-password"});
    let refused = put(&daemon, &path, &wrong).await;
    refused.refused("forbidden", "REGISTRY_DENIED");
    assert!(!refused.text().contains("not-the-password"));
    assert_eq!(daemon.get("/registries").await.expect(200)["registries"], json!([]));

    assert_eq!(put(&daemon, &path, &login()).await.expect(201), json!({"host": registry.address}));
    put(&daemon, &path, &wrong).await.refused("forbidden", "REGISTRY_DENIED");
    assert_eq!(put(&daemon, &path, &login()).await.expect(200), json!({"host": registry.address}));
    let listed = daemon.get("/registries").await;
    assert_eq!(listed.expect(200)["registries"], json!([{"host": registry.address}]));

    let gone = daemon.delete(&path).await.expect(200);
    assert_eq!(gone, json!({"host": registry.address, "deleted": true}));
    daemon.delete(&path).await.refused("not_found", "REGISTRY_NOT_FOUND");
    assert_eq!(daemon.get("/registries").await.expect(200)["registries"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_cannot_be_asked_gets_no_credentials() {
    let daemon = Daemon::start().await;
    let path = format!("/registries/127.0.0.1:{}", free_port());
    let answer = put(&daemon, &path, &login()).await;
    answer.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    assert_eq!(answer.header("retry-after"), Some("5"));
    for host in ["nothing", "a%2Fb.c", "a..b", "h:port", "-.x"] {
        let error = put(&daemon, &format!("/registries/{host}"), &login()).await;
        assert_eq!(error.refused("validation_error", "INVALID_VALUE")["details"]["field"], "host", "{host}");
    }
    assert_eq!(daemon.get("/registries").await.expect(200)["registries"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_wrong_is_told_without_what_it_holds() {
    let (daemon, registry) = (Daemon::start().await, Registry::start_with_login().await);
    let path = format!("/registries/{}", registry.address);
    for (body, field, code) in [
        (json!({"username": "hush-name"}), "password", "MISSING_FIELD"),
        (json!({"password": "hush-pass"}), "username", "MISSING_FIELD"),
        (json!({"username": "hush:name", "password": "hush-pass"}), "username", "INVALID_VALUE"),
        (json!({"username": "a", "password": ["hush-pass"]}), "password", "INVALID_TYPE"),
        (json!({"username": "a", "password": "b", "passwort": "hush-pass"}), "passwort", "UNKNOWN_FIELD"),
    ] {
        let answer = put(&daemon, &path, &body).await;
        assert_eq!(answer.refused("validation_error", code)["details"]["field"], field);
        assert!(!answer.text().contains("hush"), "{}", answer.text());
    }
    let log = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    assert!(log.contains("registry.set") && !log.contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_used_for_push_pull_create_and_build_and_shown_nowhere() {
    let (daemon, registry) = (Daemon::start().await, Registry::start_with_login().await);
    let local = make_image(&format!("{}/{}:1", registry.address, unique("tests/own")), &[1 << 16]).await;
    let denied = daemon.post_json("/images/push", &json!({"image": local.0})).await;
    denied.refused("forbidden", "REGISTRY_DENIED");
    local.remove().await;
    set(&daemon, &registry).await;
    let image = publish_behind_login(&daemon, &registry).await;
    let named = Named(image.clone());

    let pulled = daemon.post_json("/images/pull", &json!({"image": image})).await.expect(200);
    assert_eq!(pulled["image"], image);
    docker(&["rmi", &image]).await;
    let cuid = daemon.create(&json!({"image": image, "command": IDLE})).await;
    assert_eq!(inspect(&cuid).await["Config"]["Image"], image);
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
    docker(&["rmi", &image]).await;

    let built = Image::new();
    let zip = Zip::new().file("Dockerfile", format!("FROM {image}\nRUN echo built > /built\n")).bytes();
    let answer = builds::build(&daemon, &[("image", &built.0)], zip).await;
    assert_eq!(answer.expect(200)["image"], built.0);
    drop(named);

    // The daemon's own log, the audit log, every compose file: all that it writes but the one file.
    let secrets = [REGISTRY_PASS.to_owned(), STANDARD.encode(format!("{REGISTRY_USER}:{REGISTRY_PASS}"))];
    let mut seen = 0;
    for (path, text) in written(&daemon.data()) {
        if path.ends_with("registries/config.json") {
            assert!(text.contains(&secrets[1]));
            seen += 1;
            continue;
        }
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{}", path.display());
    }
    assert_eq!(seen, 1);
    assert!(!secrets.iter().any(|secret| daemon.output().contains(secret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_dockers_own_open_to_the_daemon_alone_and_outlives_it() {
    let registry = Registry::start_with_login().await;
    let daemon = Daemon::start().await;
    set(&daemon, &registry).await;
    let image = publish_behind_login(&daemon, &registry).await;
    let _named = Named(image.clone());
    let folder = daemon.data().join("registries");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("config.json"))), (0o700, 0o600));
    // Docker's own client reads it.
    let out = tokio::process::Command::new("docker")
        .arg("--config")
        .arg(&folder)
        .args(["pull", "--quiet", &image])
        .output()
        .await
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    docker(&["rmi", &image]).await;

    let daemon = daemon.restart().await;
    assert_eq!(
        daemon.get("/registries").await.expect(200)["registries"],
        json!([{"host": registry.address}])
    );
    daemon.post_json("/images/pull", &json!({"image": image})).await.expect(200);
    docker(&["rmi", &image]).await;
    daemon.delete(&format!("/registries/{}", registry.address)).await.expect(200);
    let denied = daemon.post_json("/images/pull", &json!({"image": image})).await;
    denied.refused("forbidden", "REGISTRY_DENIED");
}
