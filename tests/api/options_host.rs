//! What leads to the host: refused, unless the administrator allows it.

use crate::support::engine::{exec, inspect};
use crate::support::*;

/// What leads to the host, with the token that allows it, and where the engine has which value.
fn rows() -> Vec<(&'static str, Value, &'static str, &'static str, Value)> {
    vec![
        ("privileged", json!(true), "privileged", "/HostConfig/Privileged", json!(true)),
        ("cap_add", json!(["NET_ADMIN"]), "cap_add:NET_ADMIN", "/HostConfig/CapAdd", json!(["NET_ADMIN"])),
        (
            "devices",
            json!(["/dev/null:/dev/other:rw"]),
            "devices:/dev/null",
            "/HostConfig/Devices",
            json!([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/other", "CgroupPermissions": "rw"}]),
        ),
        (
            "security_opt",
            json!(["seccomp=unconfined"]),
            "security_opt:seccomp=unconfined",
            "/HostConfig/SecurityOpt",
            json!(["seccomp=unconfined", "no-new-privileges:true"]),
        ),
        (
            "sysctls",
            json!({"net.ipv4.ip_unprivileged_port_start": "80"}),
            "sysctls:net.ipv4.ip_unprivileged_port_start",
            "/HostConfig/Sysctls",
            json!({"net.ipv4.ip_unprivileged_port_start": "80"}),
        ),
        ("network", json!("host"), "network:host", "/HostConfig/NetworkMode", json!("host")),
        ("pid", json!("host"), "pid", "/HostConfig/PidMode", json!("host")),
        ("ipc", json!("host"), "ipc:host", "/HostConfig/IpcMode", json!("host")),
        ("uts", json!("host"), "uts", "/HostConfig/UTSMode", json!("host")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_at_create_and_patch_and_nothing_changes() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let (file, id) = (daemon.compose_text(&cuid), inspect(&cuid).await["Id"].clone());
    let bind = json!([{"type": "bind", "source": "/srv", "target": "/x"}]);
    let rows = rows().into_iter().map(|(name, value, token, ..)| (name, value, token));
    let more = [
        ("mounts", bind, "bind:/srv"),
        ("ulimits", json!({"rtprio": 10}), "ulimits:rtprio"),
        ("ulimits", json!({"nice": -1}), "ulimits:nice"),
        ("oom_score_adj", json!(-500), "oom_score_adj"),
    ];
    for (name, value, token) in rows.chain(more) {
        for answer in [
            daemon.post_json("/containers", &json!({"image": BUSYBOX, name: value})).await,
            daemon.patch(&format!("/containers/{cuid}"), &json!({name: value})).await,
        ] {
            let error = answer.refused("forbidden", "OPTION_NOT_ALLOWED");
            let details = &error["details"];
            assert_eq!(details["option"], name, "{error}");
            assert!(details["field"].as_str().unwrap().starts_with(name), "{error}");
            assert!(!details["provided"].is_null(), "{error}");
            let allow = details["allow"].as_str().unwrap();
            assert_eq!(allow.split(':').next(), token.split(':').next(), "{error}");
            assert!(error["message"].as_str().unwrap().contains(&format!("APP_ALLOW={allow}")), "{error}");
        }
    }
    assert_eq!(daemon.compose_text(&cuid), file);
    assert_eq!(inspect(&cuid).await["Id"], id);
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 1, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_before_what_is_not_allowed() {
    let api = shared().await;
    let body = json!({"image": BUSYBOX, "privileged": true, "cap_add": ["NET_ADMIN"], "tty": "yes"});
    let error = api.post_json("/containers", &body).await.refused("validation_error", "INVALID_TYPE");
    assert_eq!(error["details"]["field"], "tty");
    assert_eq!(error["details"]["violations"].as_array().unwrap().len(), 3, "{error}");
    let values =
        json!({"image": BUSYBOX, "privileged": false, "cap_add": [], "ipc": "private", "network": "none"});
    let cuid = api.create(&values).await;
    assert_eq!(api.container(&cuid).await["privileged"], false, "what does not lead to the host is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_that_is_allowed_works_at_create_and_patch_and_no_more_than_it() {
    let tokens: Vec<&str> = rows().into_iter().map(|(_, _, token, ..)| token).collect();
    let daemon = Daemon::builder().env("APP_ALLOW", &tokens.join(", ")).start().await;
    let patched = daemon.idle(json!({})).await;
    let path = format!("/containers/{patched}");
    for (name, value, _, at, seen) in rows() {
        let cuid = daemon.running(json!({name: value})).await;
        let engine = inspect(&cuid).await;
        assert_eq!(engine.pointer(at), Some(&seen), "{name} at create");
        assert_eq!(daemon.container(&cuid).await[name], value, "{name}");
        let is_privileged = name == "privileged";
        let guards = [&engine["HostConfig"]["CapDrop"], &engine["HostConfig"]["SecurityOpt"]];
        if is_privileged {
            assert_eq!(guards[0], &Value::Null, "privileged takes the guards away");
            assert_eq!(exec(&cuid, "grep NoNewPrivs /proc/self/status").await.chars().last(), Some('0'));
        } else {
            assert_eq!(guards[0], &json!(["MKNOD"]), "{name} keeps what it has to");
            assert!(guards[1].to_string().contains("no-new-privileges:true"), "{name}: {}", guards[1]);
        }
        daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
        daemon.patch(&path, &json!({name: value})).await.expect(200);
        assert_eq!(inspect(&patched).await.pointer(at), Some(&seen), "{name} by PATCH");
        daemon.patch(&path, &json!({name: null})).await.expect(200);
        assert_ne!(inspect(&patched).await.pointer(at), Some(&seen), "{name} is reset");
    }
    for body in [json!({"cap_add": ["SYS_ADMIN"]}), json!({"devices": ["/dev/zero"]})] {
        daemon.patch(&path, &body).await.refused("forbidden", "OPTION_NOT_ALLOWED");
    }
}

/// Not every host starts such a container, so it is made alone.
#[tokio::test(flavor = "multi_thread")]
async fn priorities_before_the_host_s_are_had_where_they_are_allowed() {
    let daemon = Daemon::builder().env("APP_ALLOW", "ulimits:rtprio,oom_score_adj").start().await;
    let cuid = daemon.idle(json!({"ulimits": {"rtprio": 10}, "oom_score_adj": -500})).await;
    let engine = inspect(&cuid).await;
    assert_eq!(engine["HostConfig"]["OomScoreAdj"], -500);
    assert_eq!(engine["HostConfig"]["Ulimits"], json!([{"Name": "rtprio", "Hard": 10, "Soft": 10}]));
    let body = json!({"ulimits": {"nice": 30}});
    daemon.patch(&format!("/containers/{cuid}"), &body).await.refused("forbidden", "OPTION_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_give_way_to_what_is_allowed_against_them() {
    let daemon = Daemon::builder().env("APP_ALLOW", "cap_add,security_opt").start().await;
    let cuid = daemon
        .running(json!({"cap_add": ["MKNOD"], "security_opt": ["no-new-privileges:false"], "user": "0"}))
        .await;
    let engine = inspect(&cuid).await;
    assert!(engine["HostConfig"]["CapDrop"].as_array().is_none_or(Vec::is_empty), "{engine}");
    assert_eq!(exec(&cuid, "mknod /tmp/null c 1 3 && echo made").await, "made");
    assert_eq!(exec(&cuid, "grep NoNewPrivs /proc/self/status").await.chars().last(), Some('0'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_or_limit_that_the_host_has_not_is_no_fault_of_the_daemon() {
    let daemon = Daemon::builder().env("APP_ALLOW", "devices,sysctls").start().await;
    let device =
        json!({"image": BUSYBOX, "command": IDLE, "state": "running", "devices": ["/dev/nosuchdevice"]});
    let error = daemon.post_json("/containers", &device).await.refused("not_supported", "NOT_SUPPORTED");
    assert_eq!(error["details"]["field"], "devices", "{error}");
    let limits = json!({"image": BUSYBOX, "command": IDLE, "state": "running", "ulimits": {"nofile": 9_007_199_254_740_991_i64}});
    let error = daemon.post_json("/containers", &limits).await.refused("validation_error", "INVALID_VALUE");
    assert_eq!(error["details"]["field"], "ulimits", "{error}");
    let sysctl =
        json!({"image": BUSYBOX, "command": IDLE, "state": "running", "sysctls": {"net.nosuch": "1"}});
    let error = daemon.post_json("/containers", &sysctl).await.refused("not_supported", "NOT_SUPPORTED");
    assert_eq!(error["details"]["field"], "sysctls", "{error}");
    let logging = json!({"driver": "fluentd", "options": {"fluentd-address": format!("tcp://127.0.0.1:{}", free_port())}});
    let logging = json!({"image": BUSYBOX, "command": IDLE, "state": "running", "logging": logging});
    let error = daemon.post_json("/containers", &logging).await.refused("not_supported", "NOT_SUPPORTED");
    assert_eq!(error["details"]["field"], "logging", "{error}");
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_the_host_are_mounted_from_where_it_is_allowed_and_never_through_links() {
    let host = tempfile::tempdir().unwrap();
    let root = host.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("data/inner")).unwrap();
    std::fs::create_dir_all(root.join("other")).unwrap();
    std::fs::write(root.join("data/inner/f"), "from the host\n").unwrap();
    std::os::unix::fs::symlink("../other", root.join("data/link")).unwrap();
    let data = root.join("data").to_str().unwrap().to_owned();
    let daemon = Daemon::builder().env("APP_ALLOW", &format!("bind:{data}")).start().await;
    let bind =
        |source: &str| json!([{"type": "bind", "source": source, "target": "/host", "read_only": true}]);
    let create = |source: String| json!({"image": BUSYBOX, "command": IDLE, "mounts": bind(&source)});

    let cuid = daemon.running(json!({"mounts": bind(&format!("{data}/inner"))})).await;
    assert_eq!(
        exec(&cuid, "cat /host/f; touch /host/g 2>&1 | grep -o Read-only").await,
        "from the host\nRead-only"
    );
    assert_eq!(daemon.container(&cuid).await["mounts"], bind(&format!("{data}/inner")));

    for source in [format!("{data}2"), root.join("other").to_str().unwrap().to_owned(), "/".to_owned()] {
        daemon.post_json("/containers", &create(source)).await.refused("forbidden", "OPTION_NOT_ALLOWED");
    }
    for (source, why) in [("none", "exist"), ("link", "symbolic link"), ("link/x", "symbolic link")] {
        let source = format!("{data}/{source}");
        for answer in [
            daemon.post_json("/containers", &create(source.clone())).await,
            daemon.patch(&format!("/containers/{cuid}"), &json!({"mounts": bind(&source)})).await,
        ] {
            let error = answer.refused("validation_error", "INVALID_VALUE");
            assert_eq!(error["details"]["field"], "mounts[0].source", "{error}");
            assert!(error["message"].as_str().unwrap().contains(why), "{error}");
        }
    }
    assert_eq!(exec(&cuid, "cat /host/f").await, "from the host", "the container is as it was");
    let error = daemon.post_json("/containers", &create(format!("{data}/../other"))).await;
    error.refused("validation_error", "INVALID_VALUE");

    // What was a folder when it was asked for, and a link when it is to be started.
    daemon.act(&cuid, "stop").await;
    std::fs::rename(root.join("data/inner"), root.join("data/aside")).unwrap();
    std::os::unix::fs::symlink("../other", root.join("data/inner")).unwrap();
    let error = daemon.post(&format!("/containers/{cuid}/start")).await.refused("validation_error", "");
    assert!(error["message"].as_str().unwrap().contains("symbolic link"), "{error}");
    assert_eq!(daemon.status(&cuid).await, "exited");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowance_that_means_nothing_stops_the_start() {
    for token in ["everything", "bind", "bind:relative", "cap_add:NOPE", "volume", "pid:1", "privileged:yes"]
    {
        let ended = Daemon::builder().env("APP_ALLOW", &format!("devices,{token}")).refuses().await;
        assert!(
            ended.output.contains("APP_ALLOW") && ended.output.contains(token),
            "{token}: {}",
            ended.output
        );
    }
}
