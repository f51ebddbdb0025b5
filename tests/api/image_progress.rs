//! How far a pull or push is, told as it goes on, also while a container is made of the image.

use crate::support::engine::{inspect, try_docker};
use crate::support::registry::*;
use crate::support::stream::resident;
use crate::support::*;

const MIB: usize = 1024 * 1024;

/// Everything to the end; checks what has to hold of any progress.
async fn to_the_end(mut stream: Stream) -> (Vec<Value>, Value) {
    assert!(stream.header("content-type").starts_with("application/x-ndjson"));
    let mut records = Vec::new();
    while let Some(record) = stream.next().await {
        records.push(record);
    }
    let last = records.pop().expect("a last record");
    let (mut percent, mut current) = (0, 0);
    for record in &records {
        assert!(record["status"].is_string() && record.get("end").is_none(), "{record}");
        let overall = &record["overall"];
        let now = |name: &str| overall[name].as_u64().unwrap_or_else(|| panic!("{name}: {record}"));
        assert!(now("percent") >= percent && now("percent") <= 100, "{record} after {percent}");
        assert!(now("current") >= current && now("current") <= now("total"), "{record} after {current}");
        (percent, current) = (now("percent"), now("current"));
    }
    (records, last)
}

fn percents(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["overall"]["percent"].as_u64().unwrap()).collect()
}

/// A registry with an image, and a slow way to it: the name by the slow way.
async fn slow(layers: &[usize]) -> (Registry, RegistryProxy, Named) {
    let registry = Registry::start().await;
    let name = publish(&registry, layers).await;
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::Drips);
    let image = Named(format!("{}/{name}", proxy.address));
    (registry, proxy, image)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_shows_each_layer_and_all_of_them_and_then_the_result() {
    let api = shared().await;
    let (_registry, _proxy, image) = slow(&[3 * MIB, 3 * MIB]).await;
    let stream = Stream::begin(&api, "POST", "/images/pull", &json!({"image": image.0})).await;
    let (records, last) = to_the_end(stream).await;
    assert_eq!((&last["image"], &last["end"]), (&json!(image.0), &json!({"reason": "complete"})), "{last}");
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &image.0]).await;
    assert_eq!((&last["id"], last["size"].as_u64().unwrap() > 6 << 20), (&json!(id), true), "{last}");
    let loading: Vec<&Value> = records.iter().filter(|record| record["status"] == "Downloading").collect();
    assert!(loading.len() > 4, "{records:?}");
    assert!(loading.iter().all(|one| one["id"].is_string() && one["current"].is_u64()), "{loading:?}");
    assert!(
        loading.iter().any(|one| one["total"].as_u64().is_some_and(|total| total > 2 << 20)),
        "{loading:?}"
    );
    let percents = percents(&records);
    assert_eq!(percents.iter().filter(|percent| **percent == 100).count(), 1, "at the end: {percents:?}");
    assert_eq!(percents.last(), Some(&100));
    assert!(percents.iter().any(|percent| (20..80).contains(percent)), "{percents:?}");
    let total = records.last().unwrap()["overall"]["total"].as_u64().unwrap();
    assert!(total > 5 << 20, "the sum of the layers: {total}");
    let seen = records.iter().any(|record| record["status"] == "Already exists");
    assert!(seen, "the layer that the engine has is told: {records:?}");
    let tagged = records.iter().find(|record| record["status"].as_str().unwrap().starts_with("Pulling from"));
    assert!(tagged.unwrap().get("id").is_none(), "a tag is no layer: {tagged:?}");

    // Once more, when there is nothing to be done.
    let stream = Stream::begin(&api, "POST", "/images/pull", &json!({"image": image.0})).await;
    let (records, last) = to_the_end(stream).await;
    assert_eq!((&last["id"], percents_end(&records)), (&json!(id), Some(100)));
}

fn percents_end(records: &[Value]) -> Option<u64> {
    percents(records).last().copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_shows_how_far_it_is() {
    let api = shared().await;
    let registry = Registry::start().await;
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::Drips);
    let image = make_image(&format!("{}/{}:1", proxy.address, unique("push")), &[3 * MIB]).await;
    let stream = Stream::begin(&api, "POST", "/images/push", &json!({"image": image.0})).await;
    let (records, last) = to_the_end(stream).await;
    assert_eq!((&last["image"], &last["end"]["reason"]), (&json!(image.0), &json!("complete")), "{last}");
    assert!(last["digest"].as_str().unwrap().starts_with("sha256:"), "{last}");
    let percents = percents(&records);
    assert!(percents.iter().any(|percent| (20..80).contains(percent)), "{percents:?}");
    assert_eq!(percents.iter().position(|percent| *percent == 100), Some(percents.len() - 1), "{percents:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shown_as_server_sent_events_too_and_only_to_who_asks() {
    let api = shared().await;
    let (_registry, _proxy, image) = slow(&[MIB]).await;
    let body = json!({"image": image.0});
    let plain = api.send(api.request("POST", "/images/pull").header("accept", "*/*").json(&body)).await;
    assert_eq!(plain.expect(200)["image"], json!(image.0), "one answer");
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let events = api.request("POST", "/images/pull").header("accept", "text/event-stream").json(&body);
    let text = api.send(events).await;
    let text = String::from_utf8_lossy(text.expect_bytes(200)).into_owned();
    let blocks: Vec<&str> = text.trim_end().split("\n\n").collect();
    let (last, progress) = blocks.split_last().unwrap();
    let data = last.strip_prefix("event: end\ndata: ").unwrap_or_else(|| panic!("{last}"));
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["image"], json!(image.0));
    assert!(!progress.is_empty() && progress.iter().all(|one| one.starts_with("data: {")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_late_gets_all_that_is_known() {
    let api = shared().await;
    let (_registry, proxy, image) = slow(&[2 * MIB, 4 * MIB]).await;
    proxy.set(Line::StallsAfter(3 * MIB));
    let body = json!({"image": image.0});
    let mut early = Stream::begin(&api, "POST", "/images/pull", &body).await;
    // A busy viewer is told of the newest state alone.
    let is_here = |record: &Value| {
        ["Download complete", "Extracting", "Pull complete"].map(Value::from).contains(&record["status"])
    };
    early.until(is_here).await;
    let mut late = Stream::begin(&api, "POST", "/images/pull", &body).await;
    late.until(|record| is_here(record) && record["overall"]["current"] != 0).await;
    proxy.set(Line::Open);
    let ends = [&mut early, &mut late].map(|stream| stream.until(|record| record["end"].is_object()));
    let ends = futures_util::future::join_all(ends).await;
    assert_eq!(ends[0], ends[1], "both have the same result");
    assert_eq!(ends[0]["end"]["reason"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_does_not_read_costs_nothing_and_gets_the_newest() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let daemon = Daemon::start().await;
    let (_registry, _proxy, image) = slow(&[4 * MIB, 4 * MIB]).await;
    let body = json!({"image": image.0}).to_string();
    let address = daemon.address().to_owned();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut idle = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!(
        "POST /images/pull HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nAccept: application/x-ndjson\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        daemon.authorization().unwrap(),
        body.len()
    );
    idle.write_all(head.as_bytes()).await.unwrap();
    let stream = Stream::begin(&daemon, "POST", "/images/pull", &json!({"image": image.0})).await;
    let before = resident(daemon.pid());
    let (records, last) = to_the_end(stream).await;
    assert_eq!(last["end"]["reason"], "complete", "the others go on: {last}");
    assert!(resident(daemon.pid()) < before + 8 * 1024 * 1024);
    let mut text = String::new();
    within("it gets the rest", 20.0, idle.read_to_string(&mut text)).await.unwrap();
    assert!(text.contains("\"reason\":\"complete\"") && text.contains("Image pulled"), "{text}");
    assert!(records.len() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_shows_the_pull_and_then_the_container() {
    let api = shared().await;
    let (_registry, _proxy, image) = slow(&[2 * MIB]).await;
    let name = unique("shown");
    let body = json!({"image": image.0, "name": name, "command": IDLE, "state": "running"});
    let (records, last) = to_the_end(Stream::begin(&api, "POST", "/containers", &body).await).await;
    assert!(records.iter().any(|record| record["status"] == "Downloading"), "{records:?}");
    let mut container = last.clone();
    assert_eq!(container.as_object_mut().unwrap().remove("end"), Some(json!({"reason": "complete"})));
    assert_eq!(container["status"], "running");
    let cuid = container["cuid"].as_str().unwrap();
    assert_eq!(container, api.container(cuid).await, "the whole container");
    let line = api.audit().into_iter().find(|line| line["cuid"] == cuid).unwrap();
    assert_eq!((&line["action"], &line["status"]), (&json!("container.create"), &json!(200)), "{line}");
    // With the image here, the container is all there is to tell.
    let body = json!({"image": image.0, "name": unique("shown")});
    let (records, second) = to_the_end(Stream::begin(&api, "POST", "/containers", &body).await).await;
    assert!(records.is_empty() && second["status"] == "created", "{records:?}: {second}");
    for cuid in [cuid, second["cuid"].as_str().unwrap()] {
        api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_before_anything_moves_is_an_answer_of_its_own() {
    let api = shared().await;
    let registry = Registry::start().await;
    let cuid = api.running(json!({})).await;
    let missing = format!("{}/none:1", registry.address);
    let nobody = format!("127.0.0.1:{}/none:1", free_port());
    let here = Named::of(BUSYBOX, &nobody).await;
    let container = format!("/containers/{cuid}");
    for (method, path, body, word, code) in [
        ("POST", "/containers", json!({"image": missing}), "not_found", "IMAGE_NOT_FOUND"),
        ("POST", "/containers", json!({"image": BUSYBOX, "no": 1}), "validation_error", "UNKNOWN_FIELD"),
        ("PATCH", "/containers/none", json!({"image": missing}), "not_found", "CONTAINER_NOT_FOUND"),
        ("PATCH", &*container, json!({"image": missing}), "not_found", "IMAGE_NOT_FOUND"),
        ("PATCH", &*container, json!({"restart": "often"}), "validation_error", "INVALID_VALUE"),
        ("POST", "/containers/none/recreate", json!({}), "not_found", "CONTAINER_NOT_FOUND"),
        ("POST", "/images/pull", json!({"image": missing}), "not_found", "IMAGE_NOT_FOUND"),
        ("POST", "/images/pull", json!({"image": nobody}), "bad_gateway", "REGISTRY_UNREACHABLE"),
        ("POST", "/images/push", json!({"image": missing}), "not_found", "IMAGE_NOT_FOUND"),
        ("POST", "/images/push", json!({"image": nobody}), "bad_gateway", "REGISTRY_UNREACHABLE"),
    ] {
        let request = api.request(method, path).header("accept", "application/x-ndjson").json(&body);
        api.send(request).await.refused(word, code);
    }
    drop(here);
    assert_eq!(api.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_and_a_recreate_show_the_pull_and_then_the_container() {
    let api = shared().await;
    let (_registry, _proxy, image) = slow(&[2 * MIB]).await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}");
    let (records, last) =
        to_the_end(Stream::begin(&api, "PATCH", &path, &json!({"image": image.0})).await).await;
    assert!(records.iter().any(|record| record["status"] == "Downloading"), "{records:?}");
    assert_eq!((&last["image"], &last["status"]), (&json!(image.0), &json!("running")), "{last}");
    let id = inspect(&cuid).await["Id"].clone();
    let recreate = format!("{path}/recreate");
    let (records, last) =
        to_the_end(Stream::begin(&api, "POST", &recreate, &json!({"pull": true})).await).await;
    assert_eq!((percents_end(&records), &last["cuid"]), (Some(100), &json!(cuid)), "{last}");
    assert_ne!(inspect(&cuid).await["Id"], id, "it was made anew");
    api.delete(&format!("{path}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_on_when_its_viewer_leaves() {
    let api = shared().await;
    let (_registry, _proxy, image) = slow(&[3 * MIB]).await;
    let name = unique("left");
    let body = json!({"image": image.0, "name": name});
    let mut stream = Stream::begin(&api, "POST", "/containers", &body).await;
    stream.until(|record| record["status"] == "Downloading").await;
    drop(stream);
    assert!(!try_docker(&["image", "inspect", &image.0]).await.0, "it is still on its way");
    let path = format!("/containers/{name}");
    let made = || async { (api.get(&path).await.status == 200).then_some(()) };
    eventually("the container is made", 20.0, made).await;
    api.delete(&path).await.expect(200);
}
