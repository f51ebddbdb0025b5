//! What happens to containers and images.

use crate::support::engine::{docker as engine, is_podman};
use crate::support::*;

async fn past(daemon: &Api, query: &str) -> Vec<Value> {
    let mut stream = Stream::open(daemon, &format!("/events?until=0s&{query}")).await;
    let mut events = Vec::new();
    while let Some(record) = stream.next().await {
        events.push(record);
    }
    assert_eq!(events.pop().unwrap(), json!({"end": {"reason": "complete"}}));
    events
}

fn actions(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containers_life_is_told_as_it_happens() {
    let daemon = shared().await;
    let (name, other) = (unique("told"), daemon.idle(json!({})).await);
    let mut stream = Stream::open(&daemon, "/events?type=container").await;
    let cuid =
        daemon.running(json!({"name": name, "command": "trap 'exit 5' TERM; sleep 1000 & wait"})).await;
    let start = stream.until(|event| event["cuid"] == cuid && event["action"] == "start").await;
    assert_eq!((start["type"].as_str(), start["image"].as_str()), (Some("container"), Some(BUSYBOX)));
    let fields: Vec<&str> = start.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        ["type", "action", "cuid", "name", "image", "timestamp", "exit_code", "signal", "health"]
    );
    engine(&["exec", &cuid, "sh", "-c", "echo s3cret-of-the-command"]).await;
    daemon.act(&cuid, "pause").await;
    daemon.act(&cuid, "unpause").await;
    daemon.act(&cuid, "stop").await;
    // Podman tells of no signal that ends a container, nor which one it was.
    let kills: &[&str] = if is_podman().await { &[] } else { &["kill"] };
    if !kills.is_empty() {
        let kill = stream.until(|event| event["cuid"] == cuid && event["action"] == "kill").await;
        assert_eq!((kill["signal"].as_i64(), kill["name"].as_str()), (Some(15), Some(name.as_str())));
    }
    let die = stream.until(|event| event["cuid"] == cuid && event["action"] == "die").await;
    assert_eq!((&die["exit_code"], &die["name"]), (&json!(5), &json!(name)));
    assert!(
        !stream.lines.iter().any(|line| line.contains("exec_") || line.contains("s3cret")),
        "{:?}",
        stream.lines
    );
    // Its past, for its cuid and for its name, and no one else's.
    for id in [&cuid, &name] {
        let events = past(&daemon, &format!("since=5m&cuid={id}")).await;
        assert!(events.iter().all(|event| event["cuid"] == cuid), "{events:?}");
        let actions = actions(&events);
        for action in ["create", "start", "pause", "unpause", "die"].iter().chain(kills) {
            assert!(actions.iter().any(|own| own == action), "{action} of {actions:?}");
        }
    }
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
    let events = past(&daemon, &format!("since=5m&cuid={cuid}")).await;
    assert!(actions(&events).contains(&"destroy".to_owned()), "also when it is gone: {events:?}");
    daemon.get(&format!("/events?cuid={name}&since=5m")).await.refused("not_found", "CONTAINER_NOT_FOUND");
    daemon.get(&format!("/events?cuid={cuid}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
    assert!(past(&daemon, &format!("since=5m&cuid={other}&type=image")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_others_are_left_out_and_images_are_told() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let second = Daemon::start().await;
    let theirs = second.running(json!({})).await;
    let (plain, tag) = (unique("plain"), format!("wharfinger-test/{}:1", unique("tag")));
    engine(&["run", "--rm", "--name", &plain, BUSYBOX, "true"]).await;
    engine(&["tag", BUSYBOX, &tag]).await;
    engine(&["rmi", &tag]).await;
    let events = past(&daemon, "since=1m").await;
    let cuids: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "container").map(|event| &event["cuid"]).collect();
    assert!(!cuids.is_empty() && cuids.iter().all(|own| **own == cuid), "{theirs}: {events:?}");
    let images = past(&daemon, "since=1m&type=image").await;
    assert!(images.iter().all(|event| event["type"] == "image" && event["cuid"].is_null()));
    for action in ["tag", "untag"] {
        assert!(images.iter().any(|event| event["action"] == action), "{action}: {images:?}");
    }
    assert!(images.iter().any(|event| event["image"] == tag.as_str()), "{images:?}");
    assert!(past(&daemon, "since=1m&type=container").await.iter().all(|event| event["type"] == "container"));
}

#[tokio::test(flavor = "multi_thread")]
async fn until_ends_it_and_what_cannot_be_is_refused() {
    let daemon = shared().await;
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let begun = Instant::now();
    let mut stream = Stream::open(&daemon, &format!("/events?until={until}")).await;
    let last = stream.until(|record| record.get("end").is_some()).await;
    assert_eq!(last["end"], json!({"reason": "complete"}));
    assert!((1000..4000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    for query in ["type=volume", "since=x", "until=", "cuid=a&cuid=b", "filter=x"] {
        daemon.get(&format!("/events?{query}")).await.refused("validation_error", "INVALID_QUERY");
    }
}
