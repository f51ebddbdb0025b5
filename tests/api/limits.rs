//! `resources`: what the engine and the container get of them, and what is refused.

use crate::support::engine::{exec, inspect, try_docker};
use crate::support::*;

pub const M: u64 = 1 << 20;

/// What the engine has of the container's limits.
pub async fn engine_limits(cuid: &str) -> Value {
    inspect(cuid).await["HostConfig"].clone()
}

/// The container of the engine, and its process from its start on.
pub async fn incarnation(cuid: &str) -> Value {
    let engine = inspect(cuid).await;
    json!([engine["Id"], engine["State"]["Pid"], engine["State"]["StartedAt"]])
}

/// A file of the container's control group, as the container sees it.
pub async fn control(cuid: &str, file: &str) -> String {
    exec(cuid, &format!("cat /sys/fs/cgroup/{file}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_of_a_create_reaches_the_engine_and_the_container() {
    let api = shared().await;
    let resources = json!({
        "cpu_shares": 512, "cpuset_cpus": "0", "cpu_period": 50_000, "cpu_quota": 25_000, "memory": "64m",
        "memory_reservation": "32m", "memory_swap": "96m", "memory_swappiness": 10, "pids": 77, "shm_size": "3m",
    });
    let cuid = api.running(json!({"resources": resources})).await;
    assert_eq!(api.container(&cuid).await["resources"], resources);
    let engine = engine_limits(&cuid).await;
    let expected = json!({
        "CpuShares": 512, "CpusetCpus": "0", "CpuPeriod": 50_000, "CpuQuota": 25_000, "Memory": 64 * M,
        "MemoryReservation": 32 * M, "MemorySwap": 96 * M, "MemorySwappiness": 10, "PidsLimit": 77,
        "ShmSize": 3 * M,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&engine[field], value, "{field}");
    }
    for (file, value) in [
        ("cpu/cpu.shares", "512".to_owned()),
        ("cpuset/cpuset.cpus", "0".to_owned()),
        ("cpu/cpu.cfs_period_us", "50000".to_owned()),
        ("cpu/cpu.cfs_quota_us", "25000".to_owned()),
        ("memory/memory.limit_in_bytes", (64 * M).to_string()),
        ("memory/memory.soft_limit_in_bytes", (32 * M).to_string()),
        ("memory/memory.memsw.limit_in_bytes", (96 * M).to_string()),
        ("memory/memory.swappiness", "10".to_owned()),
        ("pids/pids.max", "77".to_owned()),
    ] {
        assert_eq!(control(&cuid, file).await, value, "{file}");
    }
    assert_eq!(exec(&cuid, "df -k /dev/shm | tail -n 1 | awk '{print $2}'").await, "3072");
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_taken_as_numbers_and_swap_without_a_limit_as_minus_one() {
    let api = shared().await;
    for swap in [json!(-1), json!("-1")] {
        let resources = json!({"memory": 64 * M, "memory_swap": swap, "memory_reservation": 33_554_432.0});
        let cuid = api.idle(json!({"resources": resources})).await;
        let shown = api.container(&cuid).await["resources"].clone();
        assert_eq!(shown["memory_swap"], "-1", "{shown}");
        assert_eq!(memory(&shown["memory_reservation"]), 32 * M, "{shown}");
        let engine = engine_limits(&cuid).await;
        assert_eq!(engine["MemorySwap"], -1, "{swap}");
        assert_eq!(engine["MemoryReservation"], 32 * M);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_cannot_change_live_is_in_force_all_the_same() {
    let api = shared().await;
    let limits = json!({"memory": "64m", "memory_swap": "128m", "cpus": 0.5});
    let cuid = api.running(json!({"resources": limits})).await;
    let path = format!("/containers/{cuid}");
    let changes = [
        (json!({"cpus": null, "cpu_quota": 50_000}), "CpuQuota", json!(50_000)),
        (json!({"cpu_quota": null}), "CpuQuota", json!(0)),
        (json!({"memory_swap": null}), "MemorySwap", json!(128 * M)),
        (json!({"memory": null}), "Memory", json!(0)),
        (json!({"shm_size": "2m"}), "ShmSize", json!(2 * M)),
        (json!({"memory_swappiness": 5}), "MemorySwappiness", json!(5)),
        (Value::Null, "ShmSize", json!(64 * M)),
    ];
    for (resources, field, value) in changes {
        let before = inspect(&cuid).await["Id"].clone();
        let got = api.patch(&path, &json!({"resources": resources})).await.expect(200);
        assert_eq!(got["status"], "running");
        let engine = inspect(&cuid).await;
        assert_eq!(engine["HostConfig"][field], value, "{resources}");
        assert_ne!(engine["Id"], before, "{resources}");
    }
    assert_eq!(api.container(&cuid).await["resources"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_the_host_refuses_change_nothing_and_the_engine_says_why() {
    let api = shared().await;
    let cuid = api
        .running(
            json!({"user": "0", "resources": {"memory": "128m", "memory_swap": "128m", "shm_size": "100m"}}),
        )
        .await;
    exec(&cuid, "dd if=/dev/zero of=/dev/shm/held bs=1M count=50 2>/dev/null").await;
    let (before, file) = (incarnation(&cuid).await, api.compose_text(&cuid));
    let path = format!("/containers/{cuid}");
    let body = json!({"name": unique("never"), "resources": {"memory": "12m", "memory_swap": "12m", "cpu_shares": 50}});
    let error = api.patch(&path, &body).await.refused("validation_error", "INVALID_RESOURCES");
    let output = error["details"]["output"].as_str().unwrap_or_default();
    assert!(output.contains("memory limit"), "{error}");
    assert!(!output.contains("/sys/fs"), "{error}");
    assert_eq!(incarnation(&cuid).await, before);
    assert_eq!(api.compose_text(&cuid), file, "byte for byte");
    assert_eq!(control(&cuid, "memory/memory.limit_in_bytes").await, (128 * M).to_string());
    assert_eq!(control(&cuid, "cpu/cpu.shares").await, "1024", "all or nothing");
    let shown = api.container(&cuid).await;
    assert_eq!((&shown["name"], &shown["resources"]["memory"]), (&Value::Null, &json!("128m")));
    api.act(&cuid, "stop").await;
    api.act(&cuid, "start").await;
    assert_eq!(incarnation(&cuid).await[0], before[0], "and no start makes it anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_merged_limits_are_judged_and_the_field_and_the_remedy_named() {
    let api = shared().await;
    let limits = json!({"memory": "64m", "memory_swap": "128m", "memory_reservation": "32m"});
    let cuid = api.running(json!({"resources": limits})).await;
    let (before, file) = (incarnation(&cuid).await, api.compose_text(&cuid));
    for (resources, field, remedy) in [
        (json!({"memory": "1g"}), "resources.memory", "set it to at least memory"),
        (json!({"memory_swap": "32m"}), "resources.memory_swap", "set it to at least memory"),
        (json!({"memory": null}), "resources.memory", "remove memory_swap with null"),
        (json!({"memory": "16m"}), "resources.memory", "set memory_reservation to at most memory"),
        (json!({"cpus": 1, "cpu_quota": 5000}), "resources.cpu_quota", "remove cpus with null"),
        (json!({"cpuset_cpus": "0-4095"}), "resources.cpuset_cpus", "numbered from 0 to"),
        (json!({"memory_swappiness": 0}), "resources.memory_swappiness", "memory_swap"),
    ] {
        let answer = api.patch(&format!("/containers/{cuid}"), &json!({"resources": resources})).await;
        let error = answer.refused("validation_error", "INVALID_RESOURCES");
        assert_eq!(error["details"]["field"], field, "{error}");
        assert!(error["message"].as_str().unwrap().contains(remedy), "{error}");
    }
    assert_eq!(incarnation(&cuid).await, before);
    assert_eq!(api.compose_text(&cuid), file);
}

/// Whether this host's engine drops a weight of block devices, by its own CLI.
async fn drops_blkio_weight() -> bool {
    let name = unique("blkio");
    let out = tokio::process::Command::new("docker")
        .args(["create", "--name", &name, "--blkio-weight", "100", BUSYBOX])
        .output()
        .await
        .unwrap();
    let weight = try_docker(&["inspect", "-f", "{{.HostConfig.BlkioWeight}}", &name]).await.1;
    docker(&["rm", "-f", &name]).await;
    assert!(out.status.success(), "{out:?}");
    weight == "0"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_of_block_devices_is_in_force_or_not_supported_and_never_dropped() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let body = json!({"resources": {"blkio_weight": 300}});
    let before = incarnation(&cuid).await;
    let answer = api.patch(&format!("/containers/{cuid}"), &body).await;
    if drops_blkio_weight().await {
        let error = answer.refused("not_supported", "NOT_SUPPORTED");
        assert_eq!(error["details"]["feature"], "blkio_weight", "{error}");
        let made = json!({"image": BUSYBOX, "resources": {"blkio_weight": 300}});
        api.post_json("/containers", &made).await.refused("not_supported", "NOT_SUPPORTED");
    } else {
        answer.expect(200);
        assert_eq!(engine_limits(&cuid).await["BlkioWeight"], 300);
    }
    assert_eq!(incarnation(&cuid).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_lacks_is_not_supported_by_its_name() {
    let proxy = Proxy::start();
    let mut info: Value = serde_json::from_str(&docker(&["info", "--format", "{{json .}}"]).await).unwrap();
    for lacking in ["SwapLimit", "CPUSet", "CPUShares", "CpuCfsQuota"] {
        assert!(info[lacking].is_boolean(), "{lacking} in {info}");
        info[lacking] = false.into();
    }
    info["CgroupVersion"] = "2".into();
    info["Warnings"] = json!(["WARNING: No blkio weight support"]);
    proxy.answer("^GET [^ ]*/info ", 200, info.to_string());
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    eventually("it is well", 8.0, || async { (daemon.get("/healthz").await.status == 200).then_some(()) })
        .await;
    for (feature, value) in [
        ("memory_swap", json!("1g")),
        ("cpuset_cpus", json!("0")),
        ("cpu_shares", json!(512)),
        ("cpus", json!(1)),
        ("cpu_quota", json!(5000)),
        ("blkio_weight", json!(500)),
        ("memory_swappiness", json!(50)),
    ] {
        let mut resources = json!({"memory": "64m"});
        resources[feature] = value;
        let body = json!({"image": BUSYBOX, "command": IDLE, "resources": resources});
        let error = daemon.post_json("/containers", &body).await.refused("not_supported", "NOT_SUPPORTED");
        assert_eq!(error["details"]["feature"], feature, "{error}");
        assert_eq!(error["details"]["field"], format!("resources.{feature}"), "{error}");
    }
    let more = json!({"image": BUSYBOX, "resources": {"cpu_shares": 512, "pids": 0}});
    daemon.post_json("/containers", &more).await.refused("validation_error", "INVALID_RESOURCES");
    daemon.idle(json!({"resources": {"memory": "64m", "pids": 9}})).await;
}
