//! What containers use.

use crate::support::engine::docker as engine;
use crate::support::*;

const BUSY: &str = "while :; do :; done";

fn number(sample: &Value, field: &str) -> f64 {
    sample[field].as_f64().unwrap_or_else(|| panic!("{field} of {sample}"))
}

fn assert_sample(sample: &Value, cuid: &str) {
    assert_eq!(sample["id"], cuid);
    let fields = [
        "id",
        "name",
        "timestamp",
        "cpu",
        "cpu_nano",
        "system_nano",
        "mem_usage",
        "mem_limit",
        "mem_perc",
        "net_input",
        "net_output",
        "block_input",
        "block_output",
        "pids",
    ];
    let own: Vec<&str> = sample.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(own, fields);
    assert!(
        number(sample, "cpu") >= 0.0 && number(sample, "cpu_nano") > 0.0 && number(sample, "mem_usage") > 0.0
    );
    assert!(number(sample, "system_nano") <= number(sample, "cpu_nano") + 2e7, "{sample}");
    let perc = number(sample, "mem_usage") / number(sample, "mem_limit") * 100.0;
    assert!((number(sample, "mem_perc") - perc).abs() < 0.001, "{sample}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sample_agrees_with_docker_stats() {
    let daemon = shared().await;
    let name = unique("used");
    let command = format!(
        "sleep 1000 & sleep 1000 & sleep 1000 & head -c 20000000 /dev/zero | tail -c 20000000 & {IDLE}"
    );
    let cuid =
        daemon.running(json!({"command": command, "name": name, "resources": {"memory": "64m"}})).await;
    // Its processes begin one after the other, and the two are asked one after the other.
    let sample = eventually("both tell the same", 20.0, || async {
        let sample = daemon.get(&format!("/containers/{name}/stats")).await.expect(200);
        let told = engine(&["stats", "--no-stream", "--format", "{{.PIDs}} {{.MemPerc}}", &cuid]).await;
        let (pids, perc) = told.split_once(' ').unwrap();
        let perc: f64 = perc.trim_end_matches('%').parse().unwrap();
        let is_same = sample["pids"].as_u64() == pids.parse().ok()
            && sample["pids"].as_u64() > Some(3)
            && (number(&sample, "mem_perc") - perc).abs() < 1.0;
        eprintln!("{sample} against {told}");
        is_same.then_some(sample)
    })
    .await;
    assert_sample(&sample, &cuid);
    assert_eq!((sample["name"].as_str(), number(&sample, "mem_limit")), (Some(name.as_str()), 67_108_864.0));
    let (sent, received) = (number(&sample, "net_output"), number(&sample, "net_input"));
    assert!(received >= sent, "{sample}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_loop_is_told_in_percent_of_one_processor() {
    let daemon = shared().await;
    // Half a processor, so that the tests beside this one do not decide.
    let cuid = daemon.running(json!({"command": BUSY, "resources": {"cpus": 0.3}})).await;
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/stats?stream=true")).await;
    let mut cpu = Vec::new();
    for _ in 0..4 {
        let sample = stream.next().await.unwrap();
        assert_sample(&sample, &cuid);
        cpu.push(number(&sample, "cpu"));
    }
    cpu.sort_by(f64::total_cmp);
    assert!((20.0..42.0).contains(&cpu[1]) || (20.0..42.0).contains(&cpu[2]), "about 30: {cpu:?}");
    // One sample is of a short time, in which a busy host may have had no processor for it.
    let mut single = Vec::new();
    for _ in 0..5 {
        let sample = daemon.get(&format!("/containers/{cuid}/stats")).await.expect(200);
        single.push(number(&sample, "cpu"));
    }
    single.sort_by(f64::total_cmp);
    assert!((5.0..70.0).contains(&single[2]), "about 30: {single:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_has_no_stats_and_a_paused_one_has() {
    let daemon = shared().await;
    let (created, paused) = (daemon.idle(json!({})).await, daemon.running(json!({})).await);
    for query in ["", "?stream=true"] {
        let error = daemon.get(&format!("/containers/{created}/stats{query}")).await;
        assert_eq!(error.refused("state_error", "CONTAINER_NOT_RUNNING")["details"]["status"], "created");
    }
    daemon.act(&paused, "pause").await;
    let sample = daemon.get(&format!("/containers/{paused}/stats")).await.expect(200);
    assert_sample(&sample, &paused);
    assert!(number(&sample, "cpu") < 1.0);
    daemon.get("/containers/no-such/stats").await.refused("not_found", "CONTAINER_NOT_FOUND");
    for path in [format!("/containers/{paused}/stats?stream=maybe"), "/stats?follow=true".into()] {
        daemon.get(&path).await.refused("validation_error", "INVALID_QUERY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_over_a_restart_and_a_patch_and_ends_with_the_container() {
    let daemon = shared().await;
    let cuid = daemon.running(json!({})).await;
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/stats?stream=true")).await;
    assert_sample(&stream.next().await.unwrap(), &cuid);
    daemon.act(&cuid, "restart").await;
    let now = jiff::Timestamp::now().to_string();
    stream
        .until(|sample| sample["timestamp"].as_str().unwrap_or_else(|| panic!("{sample}")) > now.as_str())
        .await;
    daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"A": "b"}})).await.expect(200);
    let now = jiff::Timestamp::now().to_string();
    let sample = stream
        .until(|sample| sample["timestamp"].as_str().unwrap_or_else(|| panic!("{sample}")) > now.as_str())
        .await;
    assert_sample(&sample, &cuid);
    daemon.act(&cuid, "stop").await;
    let last = stream.until(|record| record.get("end").is_some()).await;
    assert_eq!(last["end"]["reason"], "exited");
    assert!(last["end"]["exit_code"].is_i64(), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_of_one_container_share_one_connection_to_the_engine() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let count = || crate::support::stream::unix_sockets(daemon.pid());
    let before = count();
    let path = format!("/containers/{cuid}/stats?stream=true");
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&daemon, &path).await);
    }
    for stream in &mut streams {
        assert_sample(&stream.next().await.unwrap(), &cuid);
    }
    // A ping of the engine, or the reading of a state, may be under way.
    assert!((1..=3).contains(&(count() - before)), "{} beside {before}", count() - before);
    drop(streams);
    eventually("the connection is closed", 15.0, || async { (count() <= before).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_run_are_told_once_or_every_second() {
    let daemon = Daemon::start().await;
    let (one, two, stopped) =
        (daemon.running(json!({})).await, daemon.running(json!({})).await, daemon.idle(json!({})).await);
    let all = daemon.get("/stats").await.expect(200);
    let ids: Vec<&str> = all["stats"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&one, &two]);
    let mut stream = Stream::open(&daemon, "/stats?stream=true").await;
    for cuid in [&one, &two] {
        let sample = stream.until(|sample| sample["id"] == **cuid).await;
        assert_sample(&sample, cuid);
    }
    daemon.act(&stopped, "start").await;
    stream.until(|sample| sample["id"] == stopped).await;
    daemon.act(&one, "stop").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let read = stream.lines.len();
    for _ in 0..10 {
        stream.until(|sample| sample["id"] == two).await;
    }
    let now = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(2);
    let late = stream.lines[read..].iter().filter(|line| {
        let sample: Value = serde_json::from_str(line).unwrap();
        sample["id"] == one && sample["timestamp"].as_str().unwrap() > now.to_string().as_str()
    });
    assert_eq!(late.count(), 0, "one that has ended is told no more");
}
