//! What a container runs: its command, its `boot.py`, or the image's own command; and as whom.

use crate::support::engine::{exec, inspect, is_podman, logs};
use crate::support::registry::Registry;
use crate::support::*;

/// Starts it, waits for its end: all it printed.
async fn output(api: &Api, cuid: &str) -> String {
    api.act(cuid, "start").await;
    eventually("the program ends", 20.0, || async { (api.status(cuid).await == "exited").then_some(()) })
        .await;
    logs(cuid).await
}

const WHO: &str = "id -u; id -g; pwd";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_string_is_run_by_a_shell() {
    let api = shared().await;
    let made = api
        .post_json(
            "/containers",
            &json!({"image": BUSYBOX, "command": "echo \"a  b\" | tr a-z A-Z && echo $CONTAINER_UID"}),
        )
        .await;
    let made = made.expect(201);
    assert_eq!(
        made["command"], "echo \"a  b\" | tr a-z A-Z && echo $CONTAINER_UID",
        "it reads back as it was sent"
    );
    let cuid = made["cuid"].as_str().unwrap();
    assert_eq!(output(&api, cuid).await, format!("A  B\n{cuid}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_list_is_run_as_it_is() {
    let api = shared().await;
    let cuid =
        api.create(&json!({"image": BUSYBOX, "command": ["echo", "$HOME", "a  b", "", "|", "cat"]})).await;
    assert_eq!(output(&api, &cuid).await, "$HOME a  b  | cat\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_as_the_default_user_in_app() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": BUSYBOX, "command": WHO})).await;
    assert_eq!(output(&api, &cuid).await, "1000\n1000\n/app\n");
    let other = Daemon::builder().env("DEFAULT_USER_UID", "1500:1600").start().await;
    let cuid =
        other.create(&json!({"image": BUSYBOX, "command": format!("{WHO}; echo mine > /app/mine")})).await;
    assert_eq!(output(&other, &cuid).await, "1500\n1600\n/app\n");
    let meta = std::fs::metadata(other.mount(&cuid).join("mine")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 1500);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_working_dir_win_over_the_default() {
    let api = shared().await;
    let cuid =
        api.create(&json!({"image": BUSYBOX, "command": WHO, "user": "0:0", "working_dir": "/tmp"})).await;
    assert_eq!(output(&api, &cuid).await, "0\n0\n/tmp\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_command_and_boot_py_the_image_s_own_command_runs_as_the_image_s_own_user() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": BUSYBOX, "state": "running"})).await;
    let engine = inspect(&cuid).await;
    let image: Value = serde_json::from_str(&docker(&["image", "inspect", BUSYBOX]).await).unwrap();
    assert_eq!(engine["Config"]["Cmd"], image[0]["Config"]["Cmd"]);
    assert_eq!(exec(&cuid, "id -u").await, "0", "the image's own user");
    let image = image[0]["Config"]["WorkingDir"].as_str().unwrap();
    // Podman spells out what an image that names no folder starts in.
    let folder = if is_podman().await && image.is_empty() { "/" } else { image };
    assert_eq!(engine["Config"]["WorkingDir"], folder);
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_py_in_the_mount_is_run_by_python_as_the_default_user() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": PYTHON, "tags": ["x"]})).await;
    let boot = "import os\nprint('booted', os.getuid(), os.getgid(), os.getcwd(), os.environ['CONTAINER_UID'], os.environ['TAGS'])\n";
    api.upload(&cuid, "", Zip::new().file("boot.py", boot).bytes()).await.expect(200);
    assert_eq!(output(&api, &cuid).await, format!("booted 1000 1000 /app {cuid} x\n"));
    let engine = inspect(&cuid).await;
    assert_eq!((&engine["Path"], &engine["Args"]), (&json!("python"), &json!(["-u", "/app/boot.py"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn boot_py_is_looked_for_at_each_start() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": PYTHON})).await;
    api.act(&cuid, "start").await;
    assert!(!inspect(&cuid).await["Args"].to_string().contains("boot.py"), "nothing uploaded yet");
    api.post(&format!("/containers/{cuid}/stop?timeout=0")).await.expect(200);
    api.upload(&cuid, "", Zip::new().file("boot.py", "print('now')").bytes()).await.expect(200);
    assert_eq!(output(&api, &cuid).await.lines().last(), Some("now"));
    std::fs::remove_file(api.mount(&cuid).join("boot.py")).unwrap();
    api.act(&cuid, "start").await;
    assert!(!inspect(&cuid).await["Args"].to_string().contains("boot.py"), "the image's own command again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_wins_over_boot_py() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": PYTHON, "command": ["echo", "command"]})).await;
    api.upload(&cuid, "", Zip::new().file("boot.py", "print('boot')").bytes()).await.expect(200);
    assert_eq!(output(&api, &cuid).await, "command\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mount_is_shared_with_the_container_both_ways() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": BUSYBOX, "command": "cat in; echo out > /app/result"})).await;
    api.upload(&cuid, "", Zip::new().file("in", "from outside\n").bytes()).await.expect(200);
    assert_eq!(output(&api, &cuid).await, "from outside\n");
    let got = api.get(&format!("/containers/{cuid}/download?path=result")).await;
    assert_eq!(got.expect_bytes(200), b"out\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_s_own_secrets_reach_no_container() {
    let api = shared().await;
    let cuid = api
        .create(&json!({"image": BUSYBOX, "env": {"A": "${APP_PASS}", "B": "$APP_USER"}, "command": "env"}))
        .await;
    let seen = output(&api, &cuid).await;
    assert!(seen.contains("A=${APP_PASS}\n") && seen.contains("B=$APP_USER\n"), "{seen}");
    assert!(!seen.contains(crate::support::daemon::PASS), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_lost_its_tag_is_told_and_its_return_is_enough() {
    let api = shared().await;
    let registry = Registry::start().await;
    let image = format!("{}/{}:1", registry.address, unique("private"));
    docker(&["tag", BUSYBOX, &image]).await;
    let cuid = api.running(json!({"image": image})).await;
    api.act(&cuid, "stop").await;
    docker(&["rmi", "--no-prune", &image]).await;
    let gone = api.post(&format!("/containers/{cuid}/start")).await;
    docker(&["tag", BUSYBOX, &image]).await;
    let back = api.post(&format!("/containers/{cuid}/start")).await;
    api.delete(&format!("/containers/{cuid}?force=true")).await;
    docker(&["rmi", "--no-prune", &image]).await;
    if gone.status != 200 {
        gone.refused("not_found", "IMAGE_NOT_FOUND");
    }
    assert_eq!(back.expect(200)["status"], "running");
}
