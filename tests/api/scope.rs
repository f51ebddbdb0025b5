//! Tokens that are limited to containers: two customers at one daemon, and nothing of the one to the other.

use crate::support::images::Images;
use crate::support::*;

/// A network or volume that goes with the test.
struct Gone(&'static str, String);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args([self.0, "rm", &self.1]).output();
    }
}

/// Two customers: one has the containers of a tag, the other what it creates.
struct Customers {
    tag: String,
    by_tag: Api,
    by_create: Api,
}

impl Customers {
    async fn of(daemon: &Api) -> Self {
        let tag = unique("customer");
        let by_tag = daemon.token(limited(&[&format!("tag:{tag}")])).await;
        Self { tag, by_tag, by_create: daemon.token(limited(&[])).await }
    }

    /// What makes a container one of the first.
    fn tags(&self) -> Value {
        json!({"tags": [self.tag]})
    }
}

fn limited(containers: &[&str]) -> Value {
    json!({"roles": ["write"], "permissions": ["docker:execute"], "containers": containers})
}

fn cuids(page: &Value) -> Vec<String> {
    let containers = page["containers"].as_array().unwrap();
    containers.iter().map(|container| container["cuid"].as_str().unwrap().to_owned()).collect()
}

fn ids(stats: &Value) -> Vec<String> {
    let samples = stats["stats"].as_array().unwrap();
    samples.iter().map(|sample| sample["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_samples_and_counts_tell_of_the_caller_s_containers_alone() {
    let daemon = shared().await;
    let customers = Customers::of(&daemon).await;
    let (a, b) = (&customers.by_tag, &customers.by_create);
    let tagged = daemon.running(customers.tags()).await;
    let second = daemon.idle(customers.tags()).await;
    let created = b.running(json!({})).await;
    for (who, own) in [(a, vec![&tagged, &second]), (b, vec![&created])] {
        let page = who.get("/containers").await.expect(200);
        assert_eq!(
            (cuids(&page).iter().collect::<Vec<_>>(), &page["total"]),
            (own.clone(), &json!(own.len()))
        );
        let running: Vec<&String> = own.iter().copied().take(1).collect();
        let stats = who.get("/stats").await.expect(200);
        assert_eq!(ids(&stats).iter().collect::<Vec<_>>(), running, "only what runs and is its own");
        let health = who.send(who.request("GET", "/healthz")).await.json();
        let counts = health["containers"].as_object().unwrap().values();
        assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), own.len() as u64, "{health}");
        let info = who.get("/info").await.expect(200);
        assert_eq!(info["store"]["containers"], own.len());
    }
    let first = a.get("/containers?limit=1").await.expect(200);
    assert_eq!((cuids(&first), &first["total"]), (vec![tagged.clone()], &json!(2)));
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = a.get(&format!("/containers?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((cuids(&next), &next["next_cursor"]), (vec![second.clone()], &Value::Null));
    for (who, other) in [(a, &created), (b, &tagged)] {
        who.get(&format!("/containers/{other}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
        let of_other = who.get(&format!("/events?since=1m&until=0s&cuid={other}")).await;
        of_other.refused("not_found", "CONTAINER_NOT_FOUND");
    }
    assert!(cuids(&daemon.get("/containers?limit=500").await.expect(200)).contains(&created));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_samples_follows_what_the_caller_may_see() {
    let daemon = shared().await;
    let customers = Customers::of(&daemon).await;
    let other = daemon.running(json!({})).await;
    let mut stream = Stream::open(&customers.by_create, "/stats?stream=true").await;
    let created = customers.by_create.running(json!({})).await;
    for _ in 0..2 {
        assert_eq!(stream.next().await.unwrap()["id"], created.as_str(), "not {other}");
    }
    let mut stream = Stream::open(&customers.by_tag, "/stats?stream=true").await;
    daemon.patch(&format!("/containers/{other}"), &customers.tags()).await.expect(200);
    assert_eq!(stream.next().await.unwrap()["id"], other.as_str(), "it has the tag now");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_the_caller_s_containers_from_their_making_to_their_end() {
    let daemon = shared().await;
    let customers = Customers::of(&daemon).await;
    let mut of_tag = Stream::open(&customers.by_tag, "/events").await;
    let mut of_create = Stream::open(&customers.by_create, "/events").await;
    let other = daemon.running(json!({})).await;
    let tagged = daemon.running(customers.tags()).await;
    let created = customers.by_create.running(json!({})).await;
    for cuid in [&other, &tagged, &created] {
        daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    }
    for (stream, cuid) in [(&mut of_tag, &tagged), (&mut of_create, &created)] {
        stream.until(|event| event["cuid"] == cuid.as_str() && event["action"] == "create").await;
        stream.until(|event| event["cuid"] == cuid.as_str() && event["action"] == "start").await;
        stream.until(|event| event["cuid"] == cuid.as_str() && event["action"] == "destroy").await;
        let of_others = |line: &String| line.contains("\"cuid\":\"") && !line.contains(cuid.as_str());
        assert!(!stream.lines.iter().any(of_others), "{:?}", stream.lines);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_images_are_for_those_who_may_read_images() {
    let (daemon, images) = (shared().await, Images::new());
    let blind = daemon.token(json!({"permissions": ["docker:read"]})).await;
    let error = blind.get("/events?type=image").await.refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "image:read");
    let mut seen =
        Stream::open(&daemon.token(json!({"roles": ["read"], "containers": []})).await, "/events").await;
    let mut unseen = Stream::open(&blind, "/events").await;
    docker(&["tag", BUSYBOX, &images.tag("told")]).await;
    seen.until(|event| event["type"] == "image" && event["image"] == images.tag("told").as_str()).await;
    let cuid = daemon.idle(json!({})).await;
    unseen.until(|event| event["cuid"] == cuid.as_str()).await;
    assert!(unseen.lines.iter().all(|line| !line.contains("\"type\":\"image\"")), "{:?}", unseen.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_takes_the_caller_s_containers_alone() {
    let daemon = Daemon::start().await;
    let customers = Customers::of(&daemon).await;
    let (other, tagged) = (daemon.idle(json!({})).await, daemon.idle(customers.tags()).await);
    let created = customers.by_create.idle(json!({})).await;
    let pruned = customers.by_create.post("/containers/prune").await.expect(200);
    assert_eq!(pruned, json!({"deleted": [created], "failed": []}));
    let pruned = customers.by_tag.post("/containers/prune").await.expect(200);
    assert_eq!(pruned, json!({"deleted": [tagged], "failed": []}));
    assert_eq!(cuids(&daemon.get("/containers").await.expect(200)), [other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_do_not_tell_whose_a_name_a_port_or_an_image_is() {
    let (daemon, images) = (shared().await, Images::new());
    let customers = Customers::of(&daemon).await;
    let (a, b) = (&customers.by_tag, &customers.by_create);
    let image = images.tag("used");
    docker(&["tag", BUSYBOX, &image]).await;
    let (name, port) = (unique("taken"), free_port());
    let ports = json!([{"host": port, "container": 80}]);
    let own = b
        .create(&json!({"image": image, "command": IDLE, "name": name, "ports": ports, "state": "running"}))
        .await;
    let twin = json!({"image": BUSYBOX, "command": IDLE, "state": "running"});
    let by_name = crate::support::api::with(twin.clone(), json!({"name": name}));
    let by_port = crate::support::api::with(twin.clone(), json!({"ports": ports}));
    for (who, is_told) in [(a, false), (b, true)] {
        let victim = who.idle(customers.tags()).await;
        let path = format!("/containers/{victim}");
        let answers = [
            (who.post_json("/containers", &by_name).await, "NAME_IN_USE"),
            (who.post_json("/containers", &by_port).await, "PORT_IN_USE"),
            (who.patch(&path, &json!({"name": name})).await, "NAME_IN_USE"),
            (who.post_json(&format!("{path}/rename"), &json!({"name": name})).await, "NAME_IN_USE"),
            (who.patch(&format!("{path}/ports"), &json!({"ports": ports})).await, "PORT_IN_USE"),
            (who.delete(&format!("/images/{image}")).await, "IMAGE_IN_USE"),
        ];
        for (answer, code) in answers {
            answer.refused("conflict", code);
            assert_eq!(answer.text().contains(&own), is_told, "{}: {}", answer.asked, answer.text());
        }
        let listed = who.get(&format!("/images?name={image}")).await.expect(200);
        let id = listed["images"][0]["id"].as_str().unwrap().to_owned();
        let of_own = who.get("/containers").await.expect(200)["containers"].as_array().unwrap().len();
        assert!(listed["images"][0]["containers"].as_u64().unwrap() <= of_own as u64, "{id}: {listed}");
    }
    let path = format!("/containers/{}", a.idle(customers.tags()).await);
    let request = a.request("PATCH", &path).header("accept", "application/x-ndjson");
    let answer = a.send(request.json(&json!({"ports": ports}))).await;
    answer.refused("conflict", "PORT_IN_USE");
    assert!(!answer.text().contains(&own), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_creates_is_its_own_until_it_is_gone() {
    let daemon = shared().await;
    let api = daemon.token(limited(&[])).await;
    assert_eq!(api.get("/containers").await.expect(200)["total"], 0);
    let cuid = api.idle(json!({})).await;
    assert_eq!(api.container(&cuid).await["cuid"], cuid.as_str());
    let body = json!({"image": BUSYBOX, "command": IDLE});
    let mut told = Stream::begin(&api, "POST", "/containers", &body).await;
    let second = told.until(|record| record["end"]["reason"] == "complete").await["cuid"].clone();
    assert_eq!(
        cuids(&api.get("/containers").await.expect(200)),
        [cuid.clone(), second.as_str().unwrap().to_owned()]
    );
    let bad = json!({"image": BUSYBOX, "command": IDLE, "state": "running", "user": "nosuchuser"});
    api.post_json("/containers", &bad).await.refused("compose_error", "COMPOSE_FAILED");
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
    let tokens = daemon.get("/tokens?limit=500").await.expect(200);
    let own = |token: &&Value| token["containers"].as_array().is_some_and(|list| list.contains(&second));
    let token = tokens["tokens"].as_array().unwrap().iter().find(own).unwrap().clone();
    assert_eq!(token["containers"], json!([second]), "neither what failed nor what is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_volumes_and_networks_of_others_cannot_be_named() {
    let (volume, network) = (unique("wharfinger-vol"), unique("wharfinger-net"));
    let _gone = (Gone("volume", volume.clone()), Gone("network", network.clone()));
    let daemon = Daemon::start().await;
    let customers = Customers::of(&daemon).await;
    let (a, b) = (&customers.by_tag, &customers.by_create);
    let with_volume = json!({"mounts": [{"type": "volume", "source": volume, "target": "/data"}]});
    let with_network = json!({"network": network});
    let both = crate::support::api::with(with_volume.clone(), with_network.clone());
    let first = b.idle(both.clone()).await;
    let second = b.idle(both.clone()).await;
    let victim = daemon.idle(customers.tags()).await;
    for (more, field) in [(&with_volume, "mounts[0].source"), (&with_network, "network")] {
        let body = crate::support::api::with(json!({"image": BUSYBOX, "command": IDLE}), more.clone());
        for answer in
            [a.post_json("/containers", &body).await, a.patch(&format!("/containers/{victim}"), more).await]
        {
            let error = answer.refused("forbidden", "NOT_YOURS");
            assert_eq!(error["details"]["field"], field);
            assert!(!answer.text().contains(&first) && !answer.text().contains(&second));
        }
    }
    daemon.patch(&format!("/containers/{victim}"), &both).await.expect(200);
    let shared_now = a.patch(&format!("/containers/{victim}"), &json!({"env": {"A": "1"}})).await.expect(200);
    assert_eq!(shared_now["network"], network.as_str(), "what the administrator gave it stays");
    a.idle(crate::support::api::with(customers.tags(), both.clone())).await;
    for cuid in cuids(&daemon.get("/containers").await.expect(200)) {
        daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    }
    let left = crate::support::api::with(json!({"image": BUSYBOX, "command": IDLE}), with_volume);
    b.post_json("/containers", &left).await.refused("forbidden", "NOT_YOURS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_cannot_be_named_by_the_engine_s_id_of_it() {
    let network = unique("foreign-net");
    let _gone = Gone("network", network.clone());
    let id = docker(&["network", "create", &network]).await;
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let _made = Gone("network", id.clone());
    let daemon = shared().await;
    let customer = daemon.token(limited(&[])).await;
    for who in [&customer, &*daemon] {
        let cuid = who.idle(json!({})).await;
        let named = json!({"network": id});
        for state in ["running", "stopped"] {
            let body = crate::support::api::with(
                json!({"image": BUSYBOX, "command": IDLE, "state": state}),
                named.clone(),
            );
            let error =
                who.post_json("/containers", &body).await.refused("validation_error", "INVALID_VALUE");
            assert_eq!(error["details"]["field"], "network", "{error}");
            assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
        }
        let path = format!("/containers/{cuid}");
        who.patch(&path, &named).await.refused("validation_error", "INVALID_VALUE");
        who.delete(&path).await.expect(200);
    }
    let on_it = docker(&["network", "inspect", "-f", "{{.Name}} {{len .Containers}}", &network]).await;
    assert_eq!(on_it, format!("{network} 0"), "it is there, and no one is on it");
    let listed = docker(&["network", "ls", "-q", "--filter", &format!("name={id}")]).await;
    assert_eq!(listed, "", "and none has its id for a name");
}

/// Makes a network through the engine's own API, which lets two have one name: its id.
async fn second_network(name: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut engine = tokio::net::UnixStream::connect(crate::support::faults::engine_socket()).await.unwrap();
    let body = json!({"Name": name, "Driver": "bridge"}).to_string();
    let head = "POST /networks/create HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    engine.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let made: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    made["Id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_last_container_goes_the_network_that_was_made_and_not_another_of_its_name() {
    let (daemon, name) = (shared().await, unique("wharfinger-net"));
    let cuid = daemon.idle(json!({"network": name})).await;
    let own = docker(&["network", "inspect", "-f", "{{.Id}}", &name]).await;
    let _own = Gone("network", own.clone());
    let other = second_network(&name).await;
    let _other = Gone("network", other.clone());
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    let left = docker(&["network", "ls", "-q", "--no-trunc"]).await;
    assert!(!left.contains(&own) && left.contains(&other), "{own} goes, {other} stays: {left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_name_a_new_volume_at_once_one_gets_it() {
    let daemon = Daemon::start().await;
    for _ in 0..3 {
        let volume = unique("wharfinger-vol");
        let _gone = Gone("volume", volume.clone());
        let customers = Customers::of(&daemon).await;
        let mounts = json!([{"type": "volume", "source": volume, "target": "/data"}]);
        let body = json!({"image": BUSYBOX, "command": IDLE, "mounts": mounts, "tags": [customers.tag]});
        let (a, b) = (&customers.by_tag, &daemon.token(limited(&[])).await);
        let plain = json!({"image": BUSYBOX, "command": IDLE, "mounts": mounts});
        let answers = tokio::join!(
            a.post_json("/containers", &body),
            a.post_json("/containers", &body),
            b.post_json("/containers", &plain),
            b.post_json("/containers", &plain),
        );
        let statuses = [answers.0.status, answers.1.status, answers.2.status, answers.3.status];
        assert!(matches!(statuses, [201, 201, 403, 403] | [403, 403, 201, 201]), "{statuses:?}");
        for cuid in cuids(&daemon.get("/containers").await.expect(200)) {
            daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
        }
    }
}
