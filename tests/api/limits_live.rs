//! Limits alone, changed while a container runs: nothing is restarted, and what is in force lasts.

use crate::limits::{M, control, engine_limits, incarnation};
use crate::support::engine::{exec, inspect};
use crate::support::*;

/// Changes limits, and asserts that nothing was restarted for it.
async fn set_live(api: &Api, cuid: &str, resources: Value) -> Value {
    let before = incarnation(cuid).await;
    let got = api.patch(&format!("/containers/{cuid}"), &json!({"resources": resources})).await.expect(200);
    assert_eq!(incarnation(cuid).await, before, "{resources}: the process goes on");
    assert_eq!(got, api.container(cuid).await, "every read shows it");
    got
}

/// Changes the compose file as an editor does.
fn edit(api: &Api, cuid: &str, from: &str, to: &str) {
    let text = api.compose_text(cuid);
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(api.compose_file(cuid), text.replacen(from, to, 1)).unwrap();
}

/// Leaves something in the container's writable layer.
async fn scribble(cuid: &str) {
    exec(cuid, "echo kept > /tmp/scribble").await;
}

async fn scribbled(cuid: &str) -> String {
    exec(cuid, "cat /tmp/scribble 2>/dev/null || echo lost").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_limits_alone_takes_effect_without_a_restart_of_the_process() {
    let api = shared().await;
    let cuid = api.running(json!({"resources": {"memory": "32m", "pids": 50}})).await;
    let changes = [
        (json!({"cpus": 0.5}), "NanoCpus", json!(500_000_000), "cpu/cpu.cfs_quota_us", "50000"),
        (json!({"cpu_shares": 256}), "CpuShares", json!(256), "cpu/cpu.shares", "256"),
        (json!({"cpuset_cpus": "0"}), "CpusetCpus", json!("0"), "cpuset/cpuset.cpus", "0"),
        // Far above the swap that the engine gave at creation.
        (json!({"memory": "256m"}), "Memory", json!(256 * M), "memory/memory.limit_in_bytes", "268435456"),
        (json!({"pids": 60}), "PidsLimit", json!(60), "pids/pids.max", "60"),
        (
            json!({"memory_reservation": "16m"}),
            "MemoryReservation",
            json!(16 * M),
            "memory/memory.soft_limit_in_bytes",
            "16777216",
        ),
        (
            json!({"memory_swap": "300m"}),
            "MemorySwap",
            json!(300 * M),
            "memory/memory.memsw.limit_in_bytes",
            "314572800",
        ),
        (
            json!({"memory": "64m", "memory_swap": "64m"}),
            "MemorySwap",
            json!(64 * M),
            "memory/memory.memsw.limit_in_bytes",
            "67108864",
        ),
    ];
    for (resources, field, value, file, inside) in changes {
        let got = set_live(&api, &cuid, resources.clone()).await;
        for (name, asked) in resources.as_object().unwrap() {
            assert_eq!(&got["resources"][name], asked, "{resources}");
        }
        assert_eq!(engine_limits(&cuid).await[field], value, "{resources}");
        assert_eq!(control(&cuid, file).await, inside, "{resources}");
    }
    let got = set_live(&api, &cuid, json!({"pids": null})).await;
    assert!(got["resources"].get("pids").is_none(), "{got}");
    assert_eq!(control(&cuid, "pids/pids.max").await, "max");
}

#[tokio::test(flavor = "multi_thread")]
async fn period_and_quota_change_live_too() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    set_live(&api, &cuid, json!({"cpu_period": 20_000, "cpu_quota": 5000})).await;
    assert_eq!(control(&cuid, "cpu/cpu.cfs_period_us").await, "20000");
    assert_eq!(control(&cuid, "cpu/cpu.cfs_quota_us").await, "5000");
    set_live(&api, &cuid, json!({"cpu_quota": -1})).await;
    assert_eq!(control(&cuid, "cpu/cpu.cfs_quota_us").await, "-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_and_stopped_containers_get_new_limits_as_they_are() {
    let api = shared().await;
    let paused = api.running(json!({})).await;
    api.act(&paused, "pause").await;
    assert_eq!(set_live(&api, &paused, json!({"cpu_shares": 300})).await["status"], "paused");
    api.act(&paused, "unpause").await;
    assert_eq!(control(&paused, "cpu/cpu.shares").await, "300");
    let created = api.idle(json!({})).await;
    assert_eq!(set_live(&api, &created, json!({"memory": "40m"})).await["status"], "created");
    let before = inspect(&created).await["Id"].clone();
    api.act(&created, "start").await;
    assert_eq!(inspect(&created).await["Id"], before, "the one that was created");
    assert_eq!(control(&created, "memory/memory.limit_in_bytes").await, (40 * M).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_beside_new_limits_restarts_nothing_and_new_env_does() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"TAGS": "own"}})).await;
    let (before, name) = (incarnation(&cuid).await, unique("renamed"));
    let body = json!({"name": name, "tags": ["x"], "resources": {"cpu_shares": 99}});
    let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    assert_eq!((got["name"].as_str(), &got["tags"]), (Some(name.as_str()), &json!(["x"])));
    assert_eq!(incarnation(&cuid).await, before);
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "99");
    let body = json!({"env": {"N": "1"}, "resources": {"cpu_shares": 98}});
    api.patch(&format!("/containers/{name}"), &body).await.expect(200);
    assert_ne!(incarnation(&cuid).await, before);
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "98");
    assert_eq!(exec(&cuid, "echo $N").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_file_that_went_since_the_start_is_missed_at_the_next_one_and_not_for_new_limits() {
    let api = shared().await;
    let cuid = api.idle(json!({"image": PYTHON, "command": null})).await;
    let program = Zip::new().file("boot.py", "import time\ntime.sleep(1000)\n").bytes();
    api.upload(&cuid, "", program).await.expect(200);
    api.act(&cuid, "start").await;
    let runs_boot_file = || async { inspect(&cuid).await["Args"].to_string().contains("boot.py") };
    assert!(runs_boot_file().await);
    api.upload(&cuid, "?mode=replace", Zip::new().file("other", "").bytes()).await.expect(200);
    set_live(&api, &cuid, json!({"cpu_shares": 200})).await;
    api.act(&cuid, "restart").await;
    assert!(!runs_boot_file().await);
    assert_eq!(engine_limits(&cuid).await["CpuShares"], 200);
    assert!(!api.compose_text(&cuid).contains("limits_set_live"), "the mark is gone with its container");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_live_change_stop_start_and_restart_keep_the_container_until_a_change_makes_it_anew() {
    let api = shared().await;
    let cuid = api.running(json!({"resources": {"memory": "32m"}})).await;
    let path = format!("/containers/{cuid}");
    let id = inspect(&cuid).await["Id"].clone();
    scribble(&cuid).await;
    set_live(&api, &cuid, json!({"memory": "48m"})).await;
    for action in ["restart", "stop", "start", "stop", "restart"] {
        api.act(&cuid, action).await;
    }
    assert_eq!(inspect(&cuid).await["Id"], id, "the same container of the engine");
    assert_eq!(scribbled(&cuid).await, "kept", "with its writable layer");
    assert_eq!(control(&cuid, "memory/memory.limit_in_bytes").await, (48 * M).to_string());
    assert!(api.compose_text(&cuid).contains("limits_set_live"));

    api.patch(&path, &json!({"name": unique("named")})).await.expect(200);
    api.act(&cuid, "stop").await;
    api.act(&cuid, "start").await;
    assert_eq!(inspect(&cuid).await["Id"], id, "a new name is nothing to the engine");

    api.patch(&path, &json!({"env": {"N": "1"}})).await.expect(200);
    assert_ne!(inspect(&cuid).await["Id"], id, "made anew");
    assert_eq!(control(&cuid, "memory/memory.limit_in_bytes").await, (48 * M).to_string());
    assert!(!api.compose_text(&cuid).contains("limits_set_live"), "the mark is gone with its container");

    set_live(&api, &cuid, json!({"memory": "56m"})).await;
    assert_eq!(control(&cuid, "memory/memory.limit_in_bytes").await, (56 * M).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_outlasts_the_daemon() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let id = inspect(&cuid).await["Id"].clone();
    set_live(&daemon, &cuid, json!({"cpu_shares": 444})).await;
    let daemon = daemon.restart().await;
    assert_eq!(daemon.container(&cuid).await["resources"]["cpu_shares"], 444);
    daemon.act(&cuid, "stop").await;
    daemon.act(&cuid, "start").await;
    assert_eq!(inspect(&cuid).await["Id"], id);
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "444");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_removed_from_outside_after_a_live_change_comes_back_with_the_new_limits() {
    let api = shared().await;
    let cuid = api.running(json!({"resources": {"pids": 40}})).await;
    set_live(&api, &cuid, json!({"pids": 41, "cpu_shares": 333})).await;
    docker(&["rm", "-f", &cuid]).await;
    eventually("it is missing", 10.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
        .await;
    api.act(&cuid, "start").await;
    assert_eq!(control(&cuid, "pids/pids.max").await, "41");
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "333");
    assert!(!api.compose_text(&cuid).contains("limits_set_live"), "the mark is gone with its container");
    set_live(&api, &cuid, json!({"pids": 42})).await;
    assert_eq!(control(&cuid, "pids/pids.max").await, "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_after_a_live_change_is_applied_by_the_next_start() {
    let api = shared().await;
    let cuid = api.running(json!({"resources": {"pids": 40}})).await;
    set_live(&api, &cuid, json!({"pids": 41})).await;
    edit(&api, &cuid, "pids_limit: 41", "pids_limit: 43\n    hostname: byhand");
    api.act(&cuid, "stop").await;
    assert_eq!(api.act(&cuid, "start").await["resources"]["pids"], 43);
    assert_eq!(control(&cuid, "pids/pids.max").await, "43");
    assert_eq!(exec(&cuid, "hostname").await, "byhand");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_that_is_not_in_force_yet_is_applied_with_the_new_limits() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    edit(&api, &cuid, "init: true", "init: true\n    hostname: byhand");
    let body = json!({"resources": {"pids": 44}});
    api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    assert_eq!(exec(&cuid, "hostname").await, "byhand");
    assert_eq!(control(&cuid, "pids/pids.max").await, "44");
    // Brought up by hand, it is in force, and the next change is live again.
    edit(&api, &cuid, "hostname: 'byhand'", "hostname: 'other'");
    docker(&["compose", "-f", api.compose_file(&cuid).to_str().unwrap(), "up", "-d"]).await;
    set_live(&api, &cuid, json!({"pids": 45})).await;
    assert_eq!(exec(&cuid, "hostname").await, "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_whose_answer_is_lost_is_told_and_can_be_made_again() {
    let proxy = Proxy::start();
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    eventually("it is well", 8.0, || async { (daemon.get("/healthz").await.status == 200).then_some(()) })
        .await;
    let cuid = daemon.running(json!({})).await;
    let file = daemon.compose_text(&cuid);
    proxy.lose("^POST [^ ]*/update ", false);
    let body = json!({"resources": {"cpu_shares": 222}});
    let answer = daemon.patch(&format!("/containers/{cuid}"), &body).await;
    let error = answer.refused("engine_unavailable", "ENGINE_UNAVAILABLE");
    assert_eq!(error["details"]["rolled_back"], false, "{error}");
    assert!(error["message"].as_str().unwrap().contains("PATCH resources again"), "{error}");
    assert_eq!(daemon.compose_text(&cuid), file, "the file at least is the old one");
    proxy.honest();
    proxy.resume();
    eventually("it is well", 15.0, || async { (daemon.get("/healthz").await.status == 200).then_some(()) })
        .await;
    set_live(&daemon, &cuid, json!({"cpu_shares": 223})).await;
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "223");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_change_after_a_live_one_gives_the_container_back_with_the_limits_set_live() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    set_live(&api, &cuid, json!({"pids": 55})).await;
    let (id, file) = (inspect(&cuid).await["Id"].clone(), api.compose_text(&cuid));
    let body = json!({"user": "nosuchuser", "resources": {"pids": 56}});
    api.patch(&format!("/containers/{cuid}"), &body).await.refused("compose_error", "COMPOSE_FAILED");
    assert_eq!(api.compose_text(&cuid), file, "byte for byte");
    assert_eq!(control(&cuid, "pids/pids.max").await, "55");
    assert_ne!(inspect(&cuid).await["Id"], id, "the mark of the old container binds no other");
    set_live(&api, &cuid, json!({"pids": 57})).await;
    assert_eq!(control(&cuid, "pids/pids.max").await, "57");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_changes_no_container_as_it_is_makes_it_anew() {
    let proxy = Proxy::start();
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    eventually("it is well", 8.0, || async { (daemon.get("/healthz").await.status == 200).then_some(()) })
        .await;
    let cuid = daemon.running(json!({})).await;
    let before = inspect(&cuid).await["Id"].clone();
    proxy.answer("^POST [^ ]*/update ", 404, "{\"message\":\"Not Found\"}");
    let body = json!({"resources": {"cpu_shares": 222}});
    daemon.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
    assert_ne!(inspect(&cuid).await["Id"], before);
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "222");
    assert!(!daemon.compose_text(&cuid).contains("limits_set_live"));
}
