//! `POST /containers`: every field, the defaults, and what is refused.

use std::process::Command;

use crate::support::engine::{env_of, exec, inspect, try_docker};
use crate::support::registry::Registry;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_body_makes_a_container_with_the_defaults() {
    let api = shared().await;
    let answer = api.post_json("/containers", &json!({"image": BUSYBOX})).await;
    let made = answer.expect(201);
    let cuid = made["cuid"].as_str().unwrap();
    let form = "^c[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
    assert!(regex::Regex::new(form).unwrap().is_match(cuid), "{cuid}");
    assert!(
        answer.header("location").unwrap().ends_with(&format!("/containers/{cuid}")),
        "{:?}",
        answer.headers
    );
    assert_eq!(made["image"], BUSYBOX);
    assert_eq!(made["status"], "created");
    assert_eq!(made["restart"], "no");
    assert_eq!(made["tags"], json!([]));
    assert_eq!(made["ports"], json!([]));
    assert_eq!(made["labels"], json!({}));
    assert!(made["command"].is_null(), "{made}");
    assert!(made["started_at"].is_null(), "never started: {made}");
    for field in [
        "cuid",
        "name",
        "image",
        "command",
        "env",
        "tags",
        "labels",
        "resources",
        "ports",
        "user",
        "working_dir",
        "restart",
        "status",
        "exit_code",
        "health",
        "created_at",
        "started_at",
        "finished_at",
        "restart_count",
        "oom_killed",
        "error",
        "logfile",
    ] {
        assert!(made.get(field).is_some(), "the container object has {field}: {made}");
    }
    assert_eq!(made, api.container(cuid).await, "a read shows what the write answered");
    let engine = inspect(cuid).await;
    assert_eq!(engine["State"]["Status"], "created");
    assert_eq!(engine["Name"], format!("/{cuid}"));
    assert_eq!(engine["Config"]["Labels"]["io.wharfinger.cuid"], cuid);
    assert_eq!(engine["Config"]["Labels"]["com.docker.compose.project"], cuid);
    let networks = engine["NetworkSettings"]["Networks"].as_object().unwrap();
    let network = crate::support::engine::default_network(cuid).await;
    assert_eq!(networks.keys().collect::<Vec<_>>(), [&network], "the default network alone");
    let mounts = engine["Mounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    assert_eq!(mounts[0]["Destination"], "/app");
    assert_eq!(mounts[0]["RW"], true);
    assert_eq!(mounts[0]["Source"].as_str().unwrap(), api.mount(cuid).to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_reaches_the_engine_and_reads_back() {
    let api = shared().await;
    let name = unique("full");
    let port = free_port();
    let body = json!({
        "image": BUSYBOX, "name": name, "command": ["sleep", "7"], "entrypoint": ["/bin/env"],
        "env": {"TEXT": "a b", "NUMBER": 12, "FRACTION": 1.5, "YES": true, "EMPTY": ""},
        "tags": ["web", "production"], "labels": {"com.example.owner": "me"},
        "resources": {"cpus": 0.5, "memory": "64m", "pids": 100},
        "ports": [{"host": port, "container": 80, "protocol": "tcp", "host_ip": "127.0.0.1"}],
        "user": "1234:2345", "working_dir": "/tmp", "mount_path": "/data", "restart": "unless-stopped"
    });
    let made = api.post_json("/containers", &body).await.expect(201);
    let cuid = made["cuid"].as_str().unwrap();
    assert_eq!(made["name"], name);
    assert_eq!(made["command"], json!(["sleep", "7"]));
    for (key, value) in
        [("TEXT", "a b"), ("NUMBER", "12"), ("FRACTION", "1.5"), ("YES", "true"), ("EMPTY", "")]
    {
        assert_eq!(made["env"][key], value, "env values are kept as strings: {made}");
    }
    assert_eq!(made["tags"], json!(["web", "production"]));
    assert_eq!(made["labels"], json!({"com.example.owner": "me"}));
    assert_eq!(made["resources"]["cpus"].as_f64(), Some(0.5));
    assert_eq!(made["resources"]["pids"], 100);
    assert_eq!(memory(&made["resources"]["memory"]), 64 << 20);
    assert_eq!(made["ports"][0]["host"], port);
    assert_eq!(made["ports"][0]["container"], 80);
    assert_eq!(made["ports"][0]["protocol"], "tcp");
    assert_eq!(made["ports"][0]["host_ip"], "127.0.0.1");
    assert_eq!(made["user"], "1234:2345");
    assert_eq!(made["working_dir"], "/tmp");
    assert_eq!(made["restart"], "unless-stopped");
    let engine = inspect(cuid).await;
    assert_eq!(engine["Config"]["Cmd"], json!(["sleep", "7"]));
    assert_eq!(engine["Config"]["Entrypoint"], json!(["/bin/env"]));
    assert_eq!(engine["Config"]["User"], "1234:2345");
    assert_eq!(engine["Config"]["WorkingDir"], "/tmp");
    assert_eq!(engine["Config"]["Labels"]["com.example.owner"], "me");
    assert_eq!(engine["HostConfig"]["Memory"], 64 * 1024 * 1024);
    assert_eq!(engine["HostConfig"]["NanoCpus"], 500_000_000);
    assert_eq!(engine["HostConfig"]["PidsLimit"], 100);
    assert_eq!(engine["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    let bound = &engine["HostConfig"]["PortBindings"]["80/tcp"][0];
    assert_eq!(
        (bound["HostIp"].as_str(), bound["HostPort"].as_str()),
        (Some("127.0.0.1"), Some(&*port.to_string()))
    );
    assert_eq!(engine["Mounts"][0]["Destination"], "/data");
    assert_eq!(env_of(&engine, "NUMBER").as_deref(), Some("12"));
    assert_eq!(env_of(&engine, "YES").as_deref(), Some("true"));
    assert_eq!(env_of(&engine, "EMPTY").as_deref(), Some(""));
    assert_eq!(api.container(&name).await["cuid"], cuid, "a name serves as an id");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_may_be_bytes_and_no_mount_may_be_wanted() {
    let api = shared().await;
    let cuid = api.idle(json!({"mount_path": null, "resources": {"memory": 33_554_432}})).await;
    let engine = inspect(&cuid).await;
    assert_eq!(engine["HostConfig"]["Memory"], 33_554_432);
    assert_eq!(engine["Mounts"], json!([]), "mount_path null: no mount");
    api.upload(&cuid, "", Zip::new().file("a", "a").bytes()).await.refused("validation_error", "NO_MOUNT");
    api.get(&format!("/containers/{cuid}/download?path=a")).await.refused("validation_error", "NO_MOUNT");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_running_starts_it_at_once() {
    let api = shared().await;
    let made = api
        .post_json("/containers", &json!({"image": BUSYBOX, "command": IDLE, "state": "running"}))
        .await
        .expect(201);
    assert_eq!(made["status"], "running");
    assert!(made["started_at"].is_string(), "{made}");
    assert_eq!(inspect(made["cuid"].as_str().unwrap()).await["State"]["Running"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_ours_gets_the_three_variables_unless_env_says_otherwise() {
    let api = shared().await;
    let cuid = api.idle(json!({"tags": ["a", "b c"]})).await;
    let engine = inspect(&cuid).await;
    assert_eq!(env_of(&engine, "CONTAINER_UID").as_deref(), Some(&*cuid));
    assert_eq!(env_of(&engine, "TAGS").as_deref(), Some("a,b c"));
    assert_eq!(env_of(&engine, "PYTHONUNBUFFERED").as_deref(), Some("1"));
    let own = api.idle(json!({"env": {"CONTAINER_UID": "me", "TAGS": "mine", "PYTHONUNBUFFERED": ""}})).await;
    let engine = inspect(&own).await;
    assert_eq!(env_of(&engine, "CONTAINER_UID").as_deref(), Some("me"));
    assert_eq!(env_of(&engine, "TAGS").as_deref(), Some("mine"));
    assert_eq!(env_of(&engine, "PYTHONUNBUFFERED").as_deref(), Some(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_cannot_gain_privileges() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let host = inspect(&cuid).await["HostConfig"].clone();
    assert_eq!(host["Privileged"], false);
    assert!(host["CapDrop"].to_string().contains("MKNOD"), "{}", host["CapDrop"]);
    assert!(exec(&cuid, "grep NoNewPrivs /proc/self/status").await.ends_with('1'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_unique() {
    let api = shared().await;
    let name = unique("twice");
    api.idle(json!({"name": name})).await;
    let body = json!({"image": BUSYBOX, "name": name});
    let error = api.post_json("/containers", &body).await.refused("conflict", "NAME_IN_USE");
    assert!(error["message"].as_str().unwrap().contains(&name), "{error}");
    let many = (0..6).map(|_| async {
        api.post_json("/containers", &json!({"image": BUSYBOX, "name": format!("{name}-b")})).await.status
    });
    let statuses = futures_util::future::join_all(many).await;
    assert_eq!(
        statuses.iter().filter(|s| **s == 201).count(),
        1,
        "one of six at once has the name: {statuses:?}"
    );
    assert_eq!(statuses.iter().filter(|s| **s == 409).count(), 5, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_pulled() {
    let api = shared().await;
    let registry = Registry::start().await;
    let image = format!("{}/tests/pulled:1", registry.address);
    docker(&["tag", BUSYBOX, &image]).await;
    docker(&["push", &image]).await;
    docker(&["rmi", &image]).await;
    let ask = ["image", "inspect", &*image];
    assert!(!try_docker(&ask).await.0, "the image is not here before");
    let two = futures_util::future::join(
        api.create(&json!({"image": image})),
        api.create(&json!({"image": image})),
    )
    .await;
    assert!(try_docker(&ask).await.0, "the image was pulled");
    assert_eq!(inspect(&two.0).await["Config"]["Image"], image);
    api.delete(&format!("/containers/{}", two.0)).await.expect(200);
    api.delete(&format!("/containers/{}", two.1)).await.expect(200);
    docker(&["rmi", &image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_leaves_nothing_behind() {
    let daemon = Daemon::start().await;
    let registry = Registry::start().await;
    let nobody = format!("127.0.0.1:{}", free_port());
    for (address, word, code) in [
        (&registry.address, "not_found", "IMAGE_NOT_FOUND"),
        (&nobody, "bad_gateway", "REGISTRY_UNREACHABLE"),
    ] {
        let image = format!("{address}/tests/none:1");
        let body = json!({"image": image, "name": "gone"});
        let answer = daemon.post_json("/containers", &body).await;
        let error = answer.refused(word, code);
        assert_eq!(error["details"]["image"], json!(image), "the error names the image: {error}");
        assert!(error["details"]["output"].is_string(), "and has the engine's words: {error}");
        assert_eq!(answer.header("retry-after").is_some(), code == "REGISTRY_UNREACHABLE");
    }
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0);
    for folder in ["compose", "mounts"] {
        let left: Vec<_> =
            std::fs::read_dir(daemon.data().join(folder)).unwrap().flatten().map(|e| e.file_name()).collect();
        assert!(
            left.iter().all(|name| !name.to_string_lossy().starts_with('c')),
            "left in {folder}: {left:?}"
        );
    }
    daemon.create(&json!({"image": BUSYBOX, "name": "gone"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compose_file_works_by_hand() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"PRICE": "5$ ${HOME} $$"}})).await;
    let file = api.compose_file(&cuid);
    let compose = crate::support::faults::real();
    let run = |args: &[&str]| {
        let out = Command::new(&compose).arg("-f").arg(&file).args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(run(&["ps"]).contains(&cuid), "compose knows it as its own");
    let id = inspect(&cuid).await["Id"].clone();
    run(&["up", "-d"]);
    assert_eq!(inspect(&cuid).await["Id"], id, "up by hand finds it as it should be");
    assert_eq!(env_of(&inspect(&cuid).await, "PRICE").as_deref(), Some("5$ ${HOME} $$"));
}
