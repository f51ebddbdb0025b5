//! What may be asked of a container beside program, ports and limits: as the engine then has it.

use crate::support::engine::{env_of, exec, inspect, is_podman, log_limit};
use crate::support::*;

/// One option: its field, what is asked, what is shown, and where the engine has which value.
type Row = (&'static str, Value, Value, &'static str, Value);

fn row(name: &'static str, asked: Value, at: &'static str, seen: Value) -> Row {
    (name, asked.clone(), asked, at, seen)
}

/// What the engine has at a place; of the mounts, which it has in any order, the one in memory.
fn seen_at<'a>(engine: &'a Value, at: &str) -> Option<&'a Value> {
    let found = engine.pointer(at)?;
    if at != "/HostConfig/Mounts" {
        return Some(found);
    }
    found.as_array()?.iter().find(|mount| mount["Type"] == "tmpfs")
}

/// Options that lead nowhere, each with a value that is not the default.
fn rows() -> Vec<Row> {
    let seconds = 1_000_000_000_u64;
    vec![
        row("hostname", json!("web-1"), "/Config/Hostname", json!("web-1")),
        row("dns", json!(["10.9.9.9"]), "/HostConfig/Dns", json!(["10.9.9.9"])),
        row("dns_search", json!(["example.org"]), "/HostConfig/DnsSearch", json!(["example.org"])),
        row("dns_options", json!(["ndots:3"]), "/HostConfig/DnsOptions", json!(["ndots:3"])),
        row("extra_hosts", json!(["db:10.0.0.5"]), "/HostConfig/ExtraHosts", json!(["db:10.0.0.5"])),
        (
            "cap_drop",
            json!(["CAP_NET_RAW"]),
            json!(["NET_RAW"]),
            "/HostConfig/CapDrop",
            json!(["NET_RAW", "MKNOD"]),
        ),
        row("read_only", json!(true), "/HostConfig/ReadonlyRootfs", json!(true)),
        row("tmpfs", json!(["/cache:size=1m"]), "/HostConfig/Tmpfs", json!({"/cache": "size=1m"})),
        ("shm_size", json!(8_388_608), json!("8388608"), "/HostConfig/ShmSize", json!(8_388_608)),
        row(
            "ulimits",
            json!({"nofile": {"soft": 100, "hard": 200}}),
            "/HostConfig/Ulimits",
            json!([{"Name": "nofile", "Soft": 100, "Hard": 200}]),
        ),
        ("group_add", json!([2345]), json!(["2345"]), "/HostConfig/GroupAdd", json!(["2345"])),
        row("init", json!(false), "/HostConfig/Init", json!(false)),
        row("tty", json!(true), "/Config/Tty", json!(true)),
        row("stdin_open", json!(true), "/Config/OpenStdin", json!(true)),
        ("stop_signal", json!(37), json!("SIGRTMIN+3"), "/Config/StopSignal", json!("SIGRTMIN+3")),
        row("stop_timeout", json!(3), "/Config/StopTimeout", json!(3)),
        (
            "healthcheck",
            json!({"test": ["CMD", "true"], "interval": "1m30s", "timeout": 0.5, "start_period": 1, "retries": 2}),
            json!({"test": ["CMD", "true"], "interval": 90, "timeout": 0.5, "start_period": 1, "retries": 2}),
            "/Config/Healthcheck",
            json!({
                "Test": ["CMD", "true"], "Interval": 90 * seconds, "Timeout": seconds / 2,
                "StartPeriod": seconds, "Retries": 2,
            }),
        ),
        row("network", json!("none"), "/HostConfig/NetworkMode", json!("none")),
        row("ipc", json!("none"), "/HostConfig/IpcMode", json!("none")),
        row("oom_score_adj", json!(500), "/HostConfig/OomScoreAdj", json!(500)),
        (
            "logging",
            json!({"driver": "local", "options": {"max-size": "5m"}}),
            json!({"driver": "local", "options": {"max-size": "5m"}}),
            "/HostConfig/LogConfig",
            json!({"Type": "local", "Config": {"max-size": "5m", "max-file": "3"}}),
        ),
        row(
            "mounts",
            json!([{"type": "tmpfs", "target": "/memory", "size": "2m"}]),
            "/HostConfig/Mounts",
            json!({"Type": "tmpfs", "Target": "/memory", "TmpfsOptions": {"SizeBytes": 2_097_152}}),
        ),
    ]
}

/// The same, where Podman has it in another place or in other words.
async fn rows_of_this_engine() -> Vec<Row> {
    let mut rows = rows();
    if is_podman().await {
        // It does not have Docker's driver `local`, nor does it tell a log's options; it tells no mounts in memory,
        // and an ipc namespace without /dev/shm as any other. What these do stands in the test of their effect.
        rows.retain(|(name, ..)| !["logging", "mounts", "ipc"].contains(name));
        for (name, asked, canonical, at, seen) in &mut rows {
            match *name {
                "cap_drop" => *seen = json!(["MKNOD", "NET_RAW"]),
                // With any limit it sets that of processes too: to more than a host may give, if none is named.
                "ulimits" => {
                    *asked =
                        json!({"nofile": {"soft": 100, "hard": 200}, "nproc": {"soft": 5000, "hard": 5000}});
                    *canonical = asked.clone();
                    *at = "/HostConfig/Ulimits/0";
                    *seen = json!({"Name": "RLIMIT_NOFILE", "Soft": 100, "Hard": 200});
                }
                _ => {}
            }
        }
    }
    rows
}

/// All of them in one body, but for what cannot be together with `shm_size`.
fn all(rows: &[Row]) -> Value {
    let together = rows.iter().filter(|(name, ..)| *name != "ipc");
    together
        .map(|(name, asked, ..)| ((*name).to_owned(), asked.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn check(rows: &[Row], shown: &Value, engine: &Value, when: &str) {
    for (name, _, canonical, at, seen) in rows.iter().filter(|(name, ..)| *name != "ipc") {
        assert_eq!(&shown[name], canonical, "{name} {when}");
        assert_eq!(seen_at(engine, at), Some(seen), "{name} in the engine {when}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_at_create_reach_the_engine_and_are_read_back_after_a_restart() {
    let daemon = Daemon::start().await;
    let rows = rows_of_this_engine().await;
    let cuid = daemon.idle(all(&rows)).await;
    check(&rows, &daemon.container(&cuid).await, &inspect(&cuid).await, "after create");
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
    let plain = daemon.idle(json!({})).await;
    let daemon = daemon.restart().await;
    check(&rows, &daemon.container(&cuid).await, &inspect(&cuid).await, "after a restart of the daemon");
    let shown = daemon.container(&plain).await;
    for (name, ..) in &rows {
        assert!(shown.get(*name).is_none(), "{name} was not asked for: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_by_patch_replaces_and_null_resets() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let path = format!("/containers/{cuid}");
    let plain = inspect(&cuid).await;
    for (name, asked, canonical, at, seen) in rows_of_this_engine().await {
        let got = api.patch(&path, &json!({name: asked})).await.expect(200);
        assert_eq!(got[name], canonical, "{name}");
        assert_eq!(seen_at(&inspect(&cuid).await, at), Some(&seen), "{name} in the engine");
        let got = api.patch(&path, &json!({name: null})).await.expect(200);
        assert!(got.get(name).is_none(), "{name} is the default again: {got}");
        let now = inspect(&cuid).await;
        if name != "hostname" {
            assert_eq!(seen_at(&now, at), seen_at(&plain, at), "{name} in the engine is the default again");
        }
    }
    assert_eq!(api.status(&cuid).await, "created", "a stopped one stays stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_take_effect_inside() {
    let api = shared().await;
    let cuid = api
        .running(json!({
            "hostname": "inside", "extra_hosts": ["db:10.0.0.5"], "read_only": true, "group_add": ["2345"],
            "shm_size": "8m", "ulimits": {"nofile": 123, "nproc": 5000}, "dns_search": ["example.org"],
            "mounts": [{"type": "tmpfs", "target": "/memory", "size": "2m"}], "tmpfs": ["/cache"], "oom_score_adj": 300,
        }))
        .await;
    let script = "hostname; grep db /etc/hosts; ulimit -n; id -G; cat /proc/1/oom_score_adj; \
                  grep search /etc/resolv.conf; df -k /dev/shm /memory | awk 'NR>1 {print $2}'; \
                  touch /x 2>&1; touch /cache/x && echo written";
    let said = exec(&cuid, script).await;
    for expected in [
        "inside",
        "10.0.0.5",
        "123",
        "2345",
        "300",
        "search example.org",
        "8192",
        "2048",
        "Read-only",
        "written",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_options_every_container_has_an_init_and_is_kept_from_the_host() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let engine = inspect(&cuid).await;
    let host = &engine["HostConfig"];
    assert_eq!(host["Init"], true);
    assert_eq!(host["CapDrop"], json!(["MKNOD"]));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    if is_podman().await {
        assert_eq!(
            (host["LogConfig"]["Type"].as_str(), &*log_limit(&cuid).await),
            (Some("json-file"), "10MB")
        );
    } else {
        let log = json!({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}});
        assert_eq!(host["LogConfig"], log);
    }
    assert_eq!(host["Privileged"], false);
    assert!(exec(&cuid, "grep NoNewPrivs /proc/self/status").await.ends_with('1'));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_has_anyway_is_shown_when_it_was_asked_for() {
    let api = shared().await;
    let asked = json!({
        "init": true, "cap_drop": ["MKNOD"], "privileged": false,
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    });
    let cuid = api.idle(asked.clone()).await;
    let got = api.patch(&format!("/containers/{cuid}"), &json!({"env": {"A": "1"}})).await.expect(200);
    for (name, value) in asked.as_object().unwrap() {
        assert_eq!(&got[name], value, "{name}: {got}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_gets_what_it_needs() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": BUSYBOX, "systemd": true})).await;
    let engine = inspect(&cuid).await;
    assert_eq!(engine["Path"], "/sbin/init");
    assert_eq!(engine["Args"], json!([]));
    assert_eq!(engine["Config"]["StopSignal"], "SIGRTMIN+3");
    assert_eq!(engine["Config"]["User"], "", "systemd is root");
    assert_eq!(engine["HostConfig"]["Init"], false);
    assert_eq!(env_of(&engine, "container").as_deref(), Some("docker"));
    let tmpfs = engine["HostConfig"]["Tmpfs"].as_object().unwrap();
    assert_eq!(tmpfs.keys().collect::<Vec<_>>(), ["/run", "/run/lock", "/tmp"]);
    let shown = api.container(&cuid).await;
    assert_eq!(shown["systemd"], true);
    for hidden in ["tmpfs", "stop_signal", "init", "user"] {
        assert!(shown.get(hidden).is_none_or(Value::is_null), "{hidden} was not asked for: {shown}");
    }
    assert_eq!((&shown["command"], &shown["entrypoint"]), (&Value::Null, &Value::Null));
    assert!(shown["env"].get("container").is_none(), "{shown}");

    // A program of its own is PID 1, without an init and before it.
    let command = "trap 'exit 9' RTMIN+3; while :; do sleep 0.1; done";
    let body = json!({"command": ["/bin/sh", "-c", command], "init": null});
    let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    assert_eq!(got["command"], body["command"]);
    api.act(&cuid, "start").await;
    let said = exec(&cuid, "tr '\\0' ' ' </proc/1/cmdline; grep ' /run ' /proc/mounts; id -u").await;
    assert!(said.contains("trap") && said.contains("tmpfs /run"), "{said}");
    api.upload(&cuid, "", Zip::new().file("boot.py", "print(1)\n").bytes()).await.expect(200);
    api.act(&cuid, "restart").await;
    assert!(exec(&cuid, "cat /proc/1/cmdline").await.contains("trap"), "boot.py is not looked for");

    let got = api
        .patch(&format!("/containers/{cuid}"), &json!({"systemd": null, "command": IDLE}))
        .await
        .expect(200);
    assert!(got.get("systemd").is_none(), "{got}");
    let engine = inspect(&cuid).await;
    assert_eq!(engine["HostConfig"]["Init"], true);
    assert!(engine["HostConfig"]["Tmpfs"].as_object().is_none_or(serde_json::Map::is_empty), "{engine}");
    // Podman has one of its own in every container.
    let own = if is_podman().await { Some("podman") } else { None };
    assert_eq!(env_of(&engine, "container").as_deref(), own);
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_that_is_asked_for_wins_over_systemd() {
    let api = shared().await;
    let cuid = api
        .idle(json!({"systemd": true, "init": true, "stop_signal": "TERM", "tmpfs": ["/tmp:size=1m"]}))
        .await;
    let engine = inspect(&cuid).await;
    assert_eq!(engine["HostConfig"]["Init"], true);
    assert_eq!(engine["Config"]["StopSignal"], "SIGTERM");
    assert_eq!(engine["HostConfig"]["Tmpfs"]["/tmp"], "size=1m");
    let shown = api.container(&cuid).await;
    assert_eq!(shown["tmpfs"], json!(["/tmp:size=1m"]), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_are_refused_by_their_field_at_create_and_patch() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let (file, id) = (api.compose_text(&cuid), inspect(&cuid).await["Id"].clone());
    for (field, value) in [
        ("systemd", json!("yes")),
        ("mounts", json!([{"type": "volume"}])),
        ("mounts", json!([{"type": "volume", "target": "/app"}])),
        ("mounts", json!([{"type": "volume", "target": "/a"}, {"type": "tmpfs", "target": "/a"}])),
        ("mounts", json!([{"type": "volume", "target": "/proc/x"}])),
        ("mounts", json!(["/a:/b"])),
        ("hostname", json!("-")),
        ("dns", json!(["nowhere"])),
        ("dns_search", json!("example.org")),
        ("dns_options", json!([3])),
        ("extra_hosts", json!(["a:b"])),
        ("cap_add", json!(["NOPE"])),
        ("cap_drop", json!("NET_RAW")),
        ("devices", json!(["/etc/shadow"])),
        ("privileged", json!(1)),
        ("read_only", json!("true")),
        ("tmpfs", json!(["relative"])),
        ("shm_size", json!("many")),
        ("sysctls", json!({"kernel.panic": 1})),
        ("ulimits", json!({"nofile": "x"})),
        ("security_opt", json!(["seccomp=/etc/shadow"])),
        ("group_add", json!(["a b"])),
        ("init", json!(0)),
        ("tty", json!("no")),
        ("stdin_open", json!([])),
        ("stop_signal", json!("SIGNOPE")),
        ("stop_timeout", json!(-1)),
        ("healthcheck", json!({"test": []})),
        ("healthcheck", json!({"interval": -1})),
        ("network", json!("bridge")),
        ("pid", json!("container:x")),
        ("ipc", json!("container:x")),
        ("uts", json!("private")),
        ("oom_score_adj", json!(2000)),
        ("logging", json!({"driver": "splunk"})),
        ("logging", json!({"driver": "none", "options": {"tag": "x"}})),
        // What the engine or the log driver refuses to have together.
        ("logging", json!({"driver": "json-file", "options": {"max-buffer-size": "1m"}})),
        ("logging", json!({"driver": "local", "options": {"max-buffer-size": "1m", "mode": "blocking"}})),
        ("logging", json!({"driver": "json-file", "options": {"max-file": 1, "compress": true}})),
        ("logging", json!({"driver": "local", "options": {"max-file": 1}})),
        (
            "logging",
            json!({"driver": "gelf", "options": {"gelf-address": "tcp://10.0.0.9:1", "gelf-compression-type": "gzip"}}),
        ),
        ("mounts", json!([{"type": "volume", "target": "/data", "read_only": true}])),
    ] {
        let create = json!({"image": BUSYBOX, field: value});
        for answer in [
            api.post_json("/containers", &create).await,
            api.patch(&format!("/containers/{cuid}"), &json!({field: value})).await,
        ] {
            let error = answer.refused("validation_error", "");
            let named = error["details"]["field"].as_str().unwrap();
            assert!(named.starts_with(field), "{field} {value}: {error}");
        }
    }
    let body = json!({"image": BUSYBOX, "network": "none", "ports": [{"container": 80}]});
    let error = api.post_json("/containers", &body).await.refused("validation_error", "INVALID_VALUE");
    assert_eq!(error["details"]["field"], "network", "{error}");
    assert_eq!(api.compose_text(&cuid), file);
    assert_eq!(inspect(&cuid).await["Id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_timeout_longer_than_a_change_may_take_is_waited_for() {
    let daemon = Daemon::builder().env("APP_CHANGE_TIMEOUT", "8").start().await;
    let stubborn = json!({"command": STUBBORN, "stop_timeout": 11, "init": false});
    let cuid = daemon.running(stubborn).await;
    let begin = Instant::now();
    assert_eq!(daemon.act(&cuid, "stop").await["status"], "exited");
    assert!(begin.elapsed() > Duration::from_secs(10), "{:?}", begin.elapsed());
    daemon.act(&cuid, "start").await;
    let got = daemon.patch(&format!("/containers/{cuid}"), &json!({"stop_timeout": 0})).await.expect(200);
    assert_eq!(got["status"], "running", "{got}");
    daemon.act(&cuid, "stop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_is_told_in_the_container() {
    let api = shared().await;
    let check = json!({"test": "test -e /tmp/well", "interval": 0.2, "retries": 1});
    let cuid = api.running(json!({"healthcheck": check})).await;
    let is = async |wanted: &str| (api.container(&cuid).await["health"] == wanted).then_some(());
    eventually("unhealthy", 10.0, || is("unhealthy")).await;
    exec(&cuid, "touch /tmp/well").await;
    eventually("healthy", 10.0, || is("healthy")).await;
}
