//! `PATCH /containers/{id}`.

use crate::support::engine::{env_of, exec, inspect, is_podman};
use crate::support::registry::Registry;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn env_merges_and_null_removes() {
    let api = shared().await;
    let cuid = api.idle(json!({"env": {"KEEP": "1", "OLD_VAR": "2", "CHANGE": "3"}})).await;
    let body = json!({"env": {"NEW_VAR": "value", "OLD_VAR": null, "CHANGE": 4}});
    let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    assert_eq!(got["env"]["KEEP"], "1");
    assert_eq!(got["env"]["NEW_VAR"], "value");
    assert_eq!(got["env"]["CHANGE"], "4");
    assert!(got["env"].get("OLD_VAR").is_none(), "{got}");
    assert_eq!(got["status"], "created", "a stopped one stays stopped");
    assert_eq!(got, api.container(&cuid).await);
    api.act(&cuid, "start").await;
    let engine = inspect(&cuid).await;
    assert_eq!(env_of(&engine, "NEW_VAR").as_deref(), Some("value"));
    assert_eq!(env_of(&engine, "KEEP").as_deref(), Some("1"));
    assert_eq!(env_of(&engine, "OLD_VAR"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_labels_replace_and_resources_merge() {
    let api = shared().await;
    let cuid = api.idle(json!({"tags": ["a"], "labels": {"x.y": "1"}, "resources": {"cpus": 1.0, "memory": "64m", "pids": 50}})).await;
    let body = json!({"tags": ["updated", "v2"], "labels": {"z.z": "2"}, "resources": {"memory": "128m"}});
    let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    assert_eq!(got["tags"], json!(["updated", "v2"]));
    assert_eq!(got["labels"], json!({"z.z": "2"}));
    assert_eq!(memory(&got["resources"]["memory"]), 128 << 20);
    assert_eq!(got["resources"]["cpus"].as_f64(), Some(1.0), "resources merge");
    assert_eq!(got["resources"]["pids"], 50);
    api.act(&cuid, "start").await;
    let engine = inspect(&cuid).await;
    assert_eq!(env_of(&engine, "TAGS").as_deref(), Some("updated,v2"));
    assert_eq!(engine["HostConfig"]["Memory"], 128 << 20);
    assert_eq!(engine["HostConfig"]["PidsLimit"], 50);
    assert!(engine["Config"]["Labels"].get("x.y").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn image_command_name_restart_and_user_replace() {
    let api = shared().await;
    let (old, new) = (unique("old"), unique("new"));
    let cuid = api.idle(json!({"name": old})).await;
    let body =
        json!({"image": PYTHON, "command": ["sleep", "5"], "name": new, "restart": "always", "user": "7:8"});
    let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&got[field], value, "{field}");
    }
    assert_eq!(api.container(&new).await["cuid"], cuid);
    api.get(&format!("/containers/{old}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
    api.act(&cuid, "start").await;
    let engine = inspect(&cuid).await;
    assert_eq!(engine["Config"]["Image"], PYTHON);
    assert_eq!(engine["Config"]["User"], "7:8");
    assert_eq!(engine["HostConfig"]["RestartPolicy"]["Name"], "always");
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_container_is_recreated_with_the_new_configuration() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let before = inspect(&cuid).await["Id"].clone();
    let got = api.patch(&format!("/containers/{cuid}"), &json!({"env": {"FRESH": "yes"}})).await.expect(200);
    assert_eq!(got["status"], "running");
    assert_eq!(got["cuid"], cuid);
    assert_eq!(exec(&cuid, "echo $FRESH").await, "yes");
    assert_ne!(inspect(&cuid).await["Id"], before);
    assert!(api.compose_text(&cuid).contains("FRESH"), "the compose file is the truth");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_refused_before_anything_is_touched() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let (file, id) = (api.compose_text(&cuid), inspect(&cuid).await["Id"].clone());
    for (body, code) in [
        (json!({"image": "Not An Image"}), "INVALID_IMAGE"),
        (json!({"image": null}), ""),
        (json!({"env": {"A=B": "x"}}), "INVALID_ENV"),
        (json!({"resources": {"cpus": -1}}), "INVALID_RESOURCES"),
        (json!({"name": "../x"}), "INVALID_NAME"),
        (json!({"restart": "often"}), "INVALID_VALUE"),
        (json!({"unheard": "of"}), "UNKNOWN_FIELD"),
        (json!({"cuid": "c"}), "UNKNOWN_FIELD"),
    ] {
        api.patch(&format!("/containers/{cuid}"), &body).await.refused("validation_error", code);
    }
    let other = unique("taken");
    api.idle(json!({"name": other})).await;
    api.patch(&format!("/containers/{cuid}"), &json!({"name": other}))
        .await
        .refused("conflict", "NAME_IN_USE");
    let error = api.patch(&format!("/containers/{cuid}"), &json!({"colour": 1, "restart": "often"})).await;
    let error = error.refused("validation_error", "");
    assert_eq!(error["details"]["violations"].as_array().unwrap().len(), 2, "all at once: {error}");
    assert_eq!(api.compose_text(&cuid), file);
    assert_eq!(inspect(&cuid).await["Id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_patch_changes_nothing() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let (before, id) = (api.container(&cuid).await, inspect(&cuid).await["Id"].clone());
    assert_eq!(api.patch(&format!("/containers/{cuid}"), &json!({})).await.expect(200), before);
    assert_eq!(inspect(&cuid).await["Id"], id, "not recreated for nothing");
}

/// After a failed change: the file, the container and the API's view are as they were.
async fn as_it_was(api: &Api, cuid: &str, file: &str, before: &Value) {
    assert_eq!(api.compose_text(cuid), file, "the old file is back");
    let now = api.container(cuid).await;
    for field in ["status", "image", "command", "env", "tags", "ports", "name"] {
        assert_eq!(now[field], before[field], "{field}");
    }
    let engine = inspect(cuid).await;
    assert_eq!(engine["State"]["Running"], before["status"] == "running");
    assert_eq!(engine["Config"]["Image"], before["image"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_started_brings_the_old_container_back() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"OLD": "1"}})).await;
    let (file, before) = (api.compose_text(&cuid), api.container(&cuid).await);
    let body = json!({"user": "nosuchuser", "env": {"SECRET": "do-not-tell-me"}});
    let error =
        api.patch(&format!("/containers/{cuid}"), &body).await.refused("compose_error", "COMPOSE_FAILED");
    let said = error["details"]["output"].as_str().unwrap();
    assert!(said.contains("nosuchuser"), "the error says why: {error}");
    assert!(!error.to_string().contains("do-not-tell-me"), "{error}");
    as_it_was(&api, &cuid, &file, &before).await;
    assert_eq!(exec(&cuid, "echo $OLD").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_command_brings_the_old_container_back_or_shows_as_exited() {
    // With an init in front the engine starts it, and the program is missed only inside.
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let (file, before) = (api.compose_text(&cuid), api.container(&cuid).await);
    let answer = api.patch(&format!("/containers/{cuid}"), &json!({"command": ["/no/such/program"]})).await;
    if answer.status == 200 {
        // Podman's init says so by a status of its own.
        let status = if is_podman().await { 1 } else { 127 };
        let ended = || async { (api.container(&cuid).await["exit_code"] == status).then_some(()) };
        eventually("it has ended with the init's status", 5.0, ended).await;
    } else {
        let error = answer.refused("compose_error", "COMPOSE_FAILED");
        assert!(error["details"]["output"].as_str().unwrap().contains("/no/such/program"), "{error}");
        as_it_was(&api, &cuid, &file, &before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_brings_the_old_container_back() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let (file, before) = (api.compose_text(&cuid), api.container(&cuid).await);
    let id = inspect(&cuid).await["Id"].clone();
    let registry = Registry::start().await;
    let path = format!("/containers/{cuid}");
    let image = format!("{}/none:1", registry.address);
    api.patch(&path, &json!({"image": image})).await.refused("not_found", "IMAGE_NOT_FOUND");
    let image = format!("127.0.0.1:{}/none:1", free_port());
    api.patch(&path, &json!({"image": image})).await.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    as_it_was(&api, &cuid, &file, &before).await;
    assert_eq!(inspect(&cuid).await["Id"], id, "the running container was not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_that_fails_brings_the_old_container_back() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let running = daemon.running(json!({})).await;
    let stopped = daemon.idle(json!({})).await;
    for cuid in [&running, &stopped] {
        let (file, before) = (daemon.compose_text(cuid), daemon.container(cuid).await);
        compose.fail("no more strength");
        let answer = daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"N": "1"}})).await;
        compose.well();
        answer.refused("compose_error", "COMPOSE_FAILED");
        as_it_was(&daemon, cuid, &file, &before).await;
        daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"N": "2"}})).await.expect(200);
    }
    assert_eq!(exec(&running, "echo $N").await, "2", "the same change works afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_keeps_its_state_or_the_change_is_refused() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    api.act(&cuid, "pause").await;
    let answer = api.patch(&format!("/containers/{cuid}"), &json!({"env": {"P": "1"}})).await;
    match answer.status {
        200 => assert_eq!(answer.json()["status"], "paused", "{}", answer.text()),
        _ => drop(answer.refused("state_error", "INVALID_STATE")),
    }
    assert_eq!(inspect(&cuid).await["State"]["Status"], "paused");
    api.act(&cuid, "unpause").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_env_working_dir_and_user_are_survives_a_change_of_something_else() {
    let api = shared().await;
    let cuid = api.idle(json!({"env": {"user": "bob", "working_dir": "/w", "K": "v"}})).await;
    api.act(&cuid, "start").await;
    api.patch(&format!("/containers/{cuid}"), &json!({"tags": ["x"]})).await.expect(200);
    let (shown, engine) = (api.container(&cuid).await, inspect(&cuid).await);
    for (name, value) in [("user", "bob"), ("working_dir", "/w"), ("K", "v")] {
        assert_eq!(shown["env"][name], value, "{shown}");
        assert_eq!(env_of(&engine, name).as_deref(), Some(value), "{name} in {}", engine["Config"]["Env"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_nowhere_when_a_change_with_it_fails() {
    let daemon = Daemon::start().await;
    let secret = "hunter22secret";
    let cuid = daemon.running(json!({})).await;
    let path = format!("/containers/{cuid}");
    let failed = daemon.patch(&path, &json!({"env": {"SECRET": secret}, "user": secret})).await;
    failed.refused("compose_error", "COMPOSE_FAILED");
    let wrong = daemon.patch(&path, &json!({"env": [format!("SECRET={secret}")]})).await;
    wrong.refused("validation_error", "");
    for said in [&failed, &wrong] {
        assert!(!said.text().contains(secret), "the value in the answer: {}", said.text());
    }
    let log = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    assert!(log.contains("container.update"), "{log}");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
    assert!(lines.is_empty(), "the value in the audit log: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_command_a_running_container_runs_boot_py() {
    let api = shared().await;
    let cuid = api.running(json!({"image": PYTHON})).await;
    let program = Zip::new().file("boot.py", "import time\ntime.sleep(1000)\n").bytes();
    api.upload(&cuid, "", program).await.expect(200);
    let got = api.patch(&format!("/containers/{cuid}"), &json!({"command": null})).await.expect(200);
    assert_eq!(got["status"], "running", "{got}");
    let engine = inspect(&cuid).await;
    let words: Vec<&str> = std::iter::once(&engine["Path"])
        .chain(engine["Args"].as_array().unwrap())
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words, ["python", "-u", "/app/boot.py"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tags_leave_a_paused_container_with_tags_of_its_own_in_env_paused() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"TAGS": "mine"}})).await;
    api.act(&cuid, "pause").await;
    let got = api.patch(&format!("/containers/{cuid}"), &json!({"tags": ["new"]})).await.expect(200);
    assert_eq!(got["status"], "paused", "{got}");
    assert_eq!(got["tags"], json!(["new"]));
    assert_eq!(got["env"]["TAGS"], "mine", "{got}");
    assert_eq!(inspect(&cuid).await["State"]["Status"], "paused");
    api.act(&cuid, "unpause").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_change_gives_the_file_back_byte_for_byte() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"OLD": "1"}})).await;
    let file = format!("# a person was here\n{}\n\n# and here\n", api.compose_text(&cuid));
    std::fs::write(api.compose_file(&cuid), &file).unwrap();
    let body = json!({"user": "nosuchuser", "env": {"OLD": "2"}});
    let error = api.patch(&format!("/containers/{cuid}"), &body).await;
    let error = error.refused("compose_error", "COMPOSE_FAILED");
    assert_ne!(error["details"]["rolled_back"], false, "{error}");
    assert_eq!(api.compose_text(&cuid), file);
    assert_eq!(exec(&cuid, "echo $OLD").await, "1", "the container runs with the old env");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_fails_is_told() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.running(json!({})).await;
    let file = daemon.compose_text(&cuid);
    compose.fail_after_one("no way back");
    let answer = daemon.patch(&format!("/containers/{cuid}"), &json!({"user": "nosuchuser"})).await;
    compose.well();
    let error = answer.refused("compose_error", "COMPOSE_FAILED");
    assert_eq!(error["details"]["rolled_back"], false, "{error}");
    assert_eq!(daemon.compose_text(&cuid), file, "the file at least is the old one");
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_never_missing_while_it_is_recreated() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}");
    let body = json!({"env": {"N": "1"}});
    let mut change = std::pin::pin!(api.patch(&path, &body));
    let mut seen = Vec::new();
    let answer = loop {
        tokio::select! {
            answer = &mut change => break answer,
            status = api.status(&cuid) => seen.push(status),
        }
    };
    answer.expect(200);
    assert!(seen.len() >= 50, "only {} reads during the change", seen.len());
    seen.dedup();
    assert!(!seen.contains(&"missing".to_owned()), "{seen:?}");
}
