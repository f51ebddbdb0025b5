//! `POST /images/pull` and `/images/push`: what comes of them, who shares them, and what goes wrong.

use crate::support::engine::try_docker;
use crate::support::registry::*;
use crate::support::stream::unix_sockets;
use crate::support::*;

const MIB: usize = 1024 * 1024;

async fn is_here(image: &str) -> bool {
    try_docker(&["image", "inspect", image]).await.0
}

async fn pull(api: &Api, image: &str) -> Answer {
    api.post_json("/images/pull", &json!({"image": image})).await
}

async fn push(api: &Api, image: &str) -> Answer {
    api.post_json("/images/push", &json!({"image": image})).await
}

/// A daemon that knows the login of a registry.
async fn daemon_with_login(registry: &Registry) -> Daemon {
    let daemon = Daemon::start().await;
    let login = json!({"username": REGISTRY_USER, "password": REGISTRY_PASS});
    let path = format!("/registries/{}", registry.address);
    daemon.send(daemon.request("PUT", &path).json(&login)).await.expect(201);
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_can_be_pulled_and_is_the_same() {
    let api = shared().await;
    let registry = Registry::start().await;
    let name = format!("{}/{}", registry.address, unique("round"));
    let image = make_image(&format!("{name}:latest"), &[MIB]).await;
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &image.0]).await;
    let pushed = push(&api, &name).await.expect(200);
    assert_eq!(pushed["image"], json!(image.0), "written out: {pushed}");
    let digest = pushed["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{pushed}");
    assert!(pushed["size"].as_u64().unwrap() > 100, "{pushed}");
    image.remove().await;
    assert!(!is_here(&id).await);
    let pulled = pull(&api, &name).await.expect(200);
    let _image = Named(format!("{name}:latest"));
    assert_eq!(pulled["id"], json!(id), "{pulled}");
    assert_eq!(pulled["image"], json!(format!("{name}:latest")));
    let size = docker(&["image", "inspect", "--format", "{{.Size}}", &id]).await;
    assert_eq!(pulled["size"].to_string(), size);
    let pinned = format!("{name}@{digest}");
    let again = pull(&api, &pinned).await.expect(200);
    assert_eq!((&again["id"], &again["image"]), (&json!(id), &json!(pinned)), "by its digest, too");
    let _ = try_docker(&["rmi", &pinned]).await;
    let line = api.audit().into_iter().find(|line| line["image"] == json!(pinned)).unwrap();
    assert_eq!((&line["action"], &line["status"]), (&json!("image.pull"), &json!(200)), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_pulls_of_one_image_share_one_transfer() {
    let api = shared().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[4 * MIB]).await;
    let manifests = "manifests/";
    let alone = {
        let proxy = RegistryProxy::start(&registry).await;
        let image = Named(format!("{}/{name}", proxy.address));
        pull(&api, &image.0).await.expect(200);
        image.remove().await;
        proxy.asked(manifests)
    };
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::StallsAfter(MIB));
    let image = Named(format!("{}/{name}", proxy.address));
    let (bare, tag) = name.split_once(':').unwrap();
    assert_eq!(tag, "1");
    let all = (0..10).map(|_| pull(&api, &image.0));
    let release = async {
        proxy.moves_a_layer().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.set(Line::Open);
    };
    let (answers, ()) = futures_util::future::join(futures_util::future::join_all(all), release).await;
    let first = answers[0].expect(200);
    assert!(answers.iter().all(|answer| answer.expect(200) == first), "all have the same result");
    let asked = proxy.asked(manifests);
    assert!((1..=alone).contains(&asked), "{asked} and not {alone}");
    assert!(proxy.asked(&format!("/v2/{bare}/")) > 0, "the images are asked for by their name");
    // The next one is another transfer.
    pull(&api, &image.0).await.expect(200);
    assert!(proxy.asked(manifests) > asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_neither_the_transfer_nor_the_view_of_others() {
    let api = shared().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[4 * MIB]).await;
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::StallsAfter(2 * MIB));
    let image = Named(format!("{}/{name}", proxy.address));
    let body = json!({"image": image.0});
    let mut stays = Stream::begin(&api, "POST", "/images/pull", &body).await;
    let leaves = Stream::begin(&api, "POST", "/images/pull", &body).await;
    let plain = api.request("POST", "/images/pull").json(&body);
    let plain = tokio::time::timeout(Duration::from_millis(300), plain.send()).await;
    assert!(plain.is_err(), "it waits for the transfer, and then it leaves");
    drop(leaves);
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.set(Line::Open);
    let last = stays.until(|record| record["end"].is_object()).await;
    assert_eq!((&last["end"]["reason"], &last["image"]), (&json!("complete"), &json!(image.0)));
    image.remove().await;

    proxy.set(Line::StallsAfter(2 * MIB));
    let image = Named(format!("{}/{name}", proxy.address));
    drop(Stream::begin(&api, "POST", "/images/pull", &body).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.set(Line::Open);
    let here = || async { is_here(&image.0).await.then_some(()) };
    eventually("the image comes although no one waits for it", 15.0, here).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let api = shared().await;
    let registry = Registry::start().await;
    let image = format!("{}/tests/none:1", registry.address);
    for answer in [pull(&api, &image).await, push(&api, &image).await] {
        let error = answer.refused("not_found", "IMAGE_NOT_FOUND");
        assert_eq!(error["details"]["image"], json!(image), "{error}");
        assert!(error["message"].as_str().unwrap().contains(&image), "{error}");
    }
    let error = pull(&api, &image).await.json();
    assert!(error["details"]["output"].as_str().unwrap().contains("manifest unknown"), "{error}");
    let is_ours = |line: &Value| line["action"] == "image.push" && line["image"] == json!(image);
    let line = api.audit().into_iter().rfind(is_ours).unwrap();
    assert_eq!(line["code"], "IMAGE_NOT_FOUND", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_login_denies_strangers_and_takes_those_it_knows() {
    let registry = Registry::start_with_login().await;
    let name = format!("{}/{}:1", registry.address, unique("private"));
    let image = make_image(&name, &[MIB]).await;
    let stranger = shared().await;
    for answer in [push(&stranger, &name).await, pull(&stranger, &name).await] {
        let error = answer.refused("forbidden", "REGISTRY_DENIED");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("PUT /registries/{}", registry.address)), "the remedy: {error}");
        assert_eq!(error["details"]["registry"], json!(registry.address), "{error}");
    }
    let known = daemon_with_login(&registry).await;
    push(&known, &name).await.expect(200);
    image.remove().await;
    stranger.post_json("/containers", &json!({"image": name})).await.refused("forbidden", "REGISTRY_DENIED");
    assert_eq!(known.create(&json!({"image": name})).await.len(), 37, "a create uses the login, too");
    let _image = Named(name.clone());
    pull(&known, &name).await.expect(200);
    let error = pull(&known, &format!("{name}2")).await.refused("not_found", "IMAGE_NOT_FOUND");
    for text in [error.to_string(), known.output(), format!("{:?}", known.audit())] {
        assert!(!text.contains(REGISTRY_PASS), "the password is in {text}");
    }
    // Its container goes first, then the image.
    drop(known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_cannot_be_reached() {
    let api = shared().await;
    let image = format!("127.0.0.1:{}/none:1", free_port());
    let _image = Named::of(BUSYBOX, &image).await;
    for answer in [pull(&api, &image).await, push(&api, &image).await] {
        let error = answer.refused("bad_gateway", "REGISTRY_UNREACHABLE");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(error["details"]["output"].as_str().unwrap().contains("connection refused"), "{error}");
        assert!(error["message"].as_str().unwrap().contains(&image), "{error}");
    }
    pull(&api, "no-such-host.invalid/none:1").await.refused("bad_gateway", "REGISTRY_UNREACHABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_stalls_is_given_up() {
    let daemon = Daemon::builder().env("APP_PULL_IDLE_TIMEOUT", "2").start().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[4 * MIB]).await;
    let proxy = RegistryProxy::start(&registry).await;
    let image = format!("{}/{name}", proxy.address);
    let sockets = unix_sockets(daemon.pid());
    for stalls_after in [0, MIB] {
        proxy.set(Line::StallsAfter(stalls_after));
        let begun = Instant::now();
        let error = pull(&daemon, &image).await.refused("bad_gateway", "REGISTRY_UNREACHABLE");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert_eq!(error["details"]["timeout_s"], 2, "{error}");
        let let_go = || async { (unix_sockets(daemon.pid()) <= sockets).then_some(()) };
        eventually("the engine is told that no one waits", 5.0, let_go).await;
        assert!(!is_here(&image).await);
    }
    let own = make_image(&format!("{}/{}:1", proxy.address, unique("stalls")), &[4 * MIB]).await;
    let error = push(&daemon, &own.0).await.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    assert_eq!(error["details"]["image"], json!(own.0), "{error}");
    proxy.set(Line::Open);
    // By a daemon with more patience: the engine may be busy with other tests' images.
    let patient = shared().await;
    push(&patient, &own.0).await.expect(200);
    pull(&patient, &image).await.expect(200);
    drop(Named(image));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_takes_too_long_in_all_times_out() {
    let daemon = Daemon::builder().env("APP_PULL_TIMEOUT", "2").start().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[4 * MIB]).await;
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::StallsAfter(MIB));
    let image = format!("{}/{name}", proxy.address);
    let error = pull(&daemon, &image).await.refused("timeout", "CHANGE_TIMED_OUT");
    assert_eq!(error["details"]["image"], json!(image), "{error}");
}

/// The engine tries five times by itself, with pauses that get longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_in_mid_layer_is_told_when_the_engine_has_given_up() {
    let daemon = Daemon::start().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[12 * MIB]).await;
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::BreaksAfter(MIB));
    let pulled = format!("{}/{name}", proxy.address);
    let own = make_image(&format!("{}/{}:1", proxy.address, unique("breaks")), &[4 * MIB]).await;
    let told = async {
        let mut told = Stream::begin(&daemon, "POST", "/images/pull", &json!({"image": pulled})).await;
        let mut all = Vec::new();
        while let Some(line) = told.line(60.0).await {
            all.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        all
    };
    let (told, pushed) = futures_util::future::join(told, push(&daemon, &own.0)).await;
    let last = told.last().unwrap();
    assert_eq!(last["end"]["reason"], "error", "{last}");
    let error = &last["end"]["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!("REGISTRY_UNREACHABLE"), &json!(502)), "{last}");
    assert!(told.iter().any(|one| one["status"].as_str().is_some_and(|word| word.starts_with("Retrying"))));
    let percents: Vec<u64> = told.iter().filter_map(|one| one["overall"]["percent"].as_u64()).collect();
    assert!(percents.is_sorted() && percents.iter().all(|percent| *percent < 100), "{percents:?}");
    pushed.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    let line = daemon.audit().into_iter().find(|line| line["image"] == json!(pulled)).unwrap();
    let ended = (&line["status"], &line["code"], &line["error"]);
    assert_eq!(ended, (&json!(200), &json!("REGISTRY_UNREACHABLE"), &json!("bad_gateway")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told_and_moves_nothing() {
    let api = shared().await;
    for path in ["/images/pull", "/images/push"] {
        for (body, code) in [
            (json!({}), "MISSING_IMAGE"),
            (json!({"image": ""}), "MISSING_IMAGE"),
            (json!({"image": null}), "MISSING_IMAGE"),
            (json!({"image": 7}), "INVALID_TYPE"),
            (json!({"image": "No Image"}), "INVALID_IMAGE"),
            (json!({"image": BUSYBOX, "tag": "2"}), "UNKNOWN_FIELD"),
            (json!([BUSYBOX]), "INVALID_TYPE"),
        ] {
            let request = api.request("POST", path).header("accept", "application/x-ndjson").json(&body);
            api.send(request).await.refused("validation_error", code);
        }
        let query = format!("{path}?image=x");
        api.post_json(&query, &json!({"image": "x"})).await.refused("validation_error", "INVALID_QUERY");
        api.post(path).await.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
    }
    let pinned = format!("x@sha256:{}", "a".repeat(64));
    push(&api, &pinned).await.refused("validation_error", "INVALID_IMAGE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_in_flight_and_who_waits_for_it_are_waited_for_when_the_daemon_stops() {
    let mut daemon = Daemon::start().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[4 * MIB]).await;
    let proxy = RegistryProxy::start(&registry).await;
    proxy.set(Line::StallsAfter(2 * MIB));
    let image = Named(format!("{}/{name}", proxy.address));
    let create = json!({"image": image.0, "name": "late"});
    let mut told = Stream::begin(&daemon, "POST", "/containers", &create).await;
    daemon.signal(rustix::process::Signal::TERM);
    tokio::time::sleep(Duration::from_millis(700)).await;
    proxy.set(Line::Open);
    let last = told.until(|record| record["end"].is_object()).await;
    assert_eq!((&last["end"]["reason"], &last["name"]), (&json!("complete"), &json!("late")), "{last}");
    assert_eq!(daemon.wait_end(15.0).await, Some(0));
    assert!(is_here(&image.0).await, "it was let finish");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_transfers_than_allowed_are_refused_and_one_that_runs_is_shared() {
    let daemon = Daemon::builder().env("APP_MAX_TRANSFERS", "1").start().await;
    let registry = Registry::start().await;
    let name = publish(&registry, &[2 * MIB]).await;
    let proxy = RegistryProxy::start(&registry).await;
    let image = Named(format!("{}/{name}", proxy.address));
    proxy.set(Line::StallsAfter(MIB));
    let (first, second) = (pull(&daemon, &image.0), pull(&daemon, &image.0));
    let refused = async {
        proxy.moves_a_layer().await;
        let other = format!("{}/{name}", registry.address);
        let refused = pull(&daemon, &other).await;
        refused.refused("rate_limited", "TOO_MANY_TRANSFERS");
        assert_eq!(refused.header("retry-after"), Some("10"));
        let create = json!({"image": other});
        daemon.post_json("/containers", &create).await.refused("rate_limited", "TOO_MANY_TRANSFERS");
        proxy.set(Line::Open);
    };
    let (first, second, ()) = tokio::join!(first, second, refused);
    assert_eq!(first.expect(200), second.expect(200));
    // It has its place again.
    pull(&daemon, &image.0).await.expect(200);
}
