//! `GET /images`, one image, its history, its paths, the search.

use crate::support::engine::docker as engine;
use crate::support::images::{Images, archive, load, load_small};
use crate::support::*;

fn ids(list: &Value) -> Vec<&str> {
    list["images"].as_array().unwrap().iter().map(|image| image["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_tells_all_of_an_image_and_how_many_containers_are_made_of_it() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["one", "two"]).await;
    let list = api.get(&format!("/images?name={}", images.repository)).await.expect(200);
    let size = list["images"][0]["size"].clone();
    assert!(size.as_u64().is_some_and(|size| (1000..2000).contains(&size)), "{list}");
    let created = list["images"][0]["created"].as_str().unwrap();
    let moment: jiff::Timestamp = created.parse().unwrap();
    assert_eq!(moment.to_string(), "2024-05-06T07:08:09Z");
    assert_eq!(
        list,
        json!({"images": [{
            "id": id, "parent_id": null, "repo_tags": [images.tag("one"), images.tag("two")], "repo_digests": [],
            "created": created, "size": size, "containers": 0, "labels": {"test": images.repository},
        }]})
    );
    let cuid = api.create(&json!({"image": images.tag("one"), "command": ["/file"]})).await;
    let name = unique("by-hand");
    engine(&["create", "--name", &name, &images.tag("two")]).await;
    let list = api.get(&format!("/images?name={}", images.tag("two"))).await.expect(200);
    engine(&["rm", &name]).await;
    assert_eq!(list["images"][0]["containers"], 2, "{list}");
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_found_by_name_label_and_whether_they_have_a_name() {
    let (api, images) = (shared().await, Images::new());
    let named = load_small(&api, &images, &["one"]).await;
    let nameless = load_small(&api, &images, &[]).await;
    let label = images.label();
    let repository = &images.repository;
    for (query, found) in [
        (format!("name={repository}"), vec![&named]),
        (format!("name=docker.io/{repository}"), vec![&named]),
        (format!("name={repository}:o*"), vec![&named]),
        (format!("name=*/{}", repository.split('/').nth(1).unwrap()), vec![&named]),
        (format!("name={repository}:t*"), vec![]),
        (format!("label={label}&dangling=false"), vec![&named]),
        (format!("label={label}&dangling=true"), vec![&nameless]),
        (format!("label={label}&label=test"), vec![&named, &nameless]),
        (format!("label={label}&label=other"), vec![]),
        (format!("label={label}x"), vec![]),
    ] {
        let list = api.get(&format!("/images?{query}")).await.expect(200);
        let (mut got, mut found) = (ids(&list), found);
        got.sort_unstable();
        found.sort_unstable();
        assert_eq!(got, found, "{query}");
    }
    let list = api.get(&format!("/images?label={label}&dangling=true")).await.expect(200);
    assert_eq!(list["images"][0]["repo_tags"], json!([]), "{list}");
    assert!(!api.get("/images").await.text().contains("<none>"));
    for query in
        ["name=", "name=a%5Bb%5D", "name=a%20b", "dangling=maybe", "label=", "label=%3Dx", "all=true"]
    {
        api.get(&format!("/images?{query}")).await.refused("validation_error", "INVALID_QUERY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_image_comes_first() {
    let (api, images) = (shared().await, Images::new());
    let cuid = api.running(json!({})).await;
    let body = json!({"image": images.tag("new")});
    api.post_json(&format!("/containers/{cuid}/commit"), &body).await.expect(201);
    load_small(&api, &images, &["old"]).await;
    let list = api.get("/images").await.expect(200);
    let made: Vec<jiff::Timestamp> = list["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["created"].as_str().map_or(jiff::Timestamp::MIN, |time| time.parse().unwrap()))
        .collect();
    assert!(made.len() > 3 && made.is_sorted_by(|one, other| one >= other), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_is_told_with_its_configuration_under_every_name_it_has() {
    let (api, images) = (shared().await, Images::new());
    let config = json!({
        "User": "12:13", "Env": ["A=b", "C=d=e"], "Entrypoint": ["/in"], "Cmd": ["x"], "WorkingDir": "/w",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/v": {}}, "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "/ok"], "Interval": 1_500_000_000_u64, "Retries": 3},
    });
    let tag = images.tag("v1");
    let loaded = load(&api, archive(&images, std::slice::from_ref(&tag), 1000, config)).await.expect(200);
    let id = loaded["images"][0]["id"].as_str().unwrap().to_owned();
    let image = api.get(&format!("/images/{tag}")).await.expect(200);
    let told: Value = serde_json::from_str(&engine(&["image", "inspect", &tag]).await).unwrap();
    assert_eq!(image["layers"], told[0]["RootFS"]["Layers"]);
    assert_eq!(image["size"], told[0]["Size"]);
    let mut rest = image.clone();
    for name in ["layers", "size", "created"] {
        rest.as_object_mut().unwrap().remove(name).unwrap();
    }
    assert_eq!(
        rest,
        json!({
            "id": id, "repo_tags": [tag], "repo_digests": [], "parent_id": null, "architecture": "amd64",
            "variant": null, "os": "linux", "author": "a test", "comment": told[0]["Comment"],
            "labels": {"test": images.repository},
            "config": {
                "user": "12:13", "env": ["A=b", "C=d=e"], "entrypoint": ["/in"], "cmd": ["x"],
                "working_dir": "/w", "exposed_ports": ["53/udp", "80/tcp"], "volumes": ["/v"],
                "stop_signal": "SIGINT",
                "healthcheck": {
                    "test": ["CMD", "/ok"], "interval": 1.5, "timeout": null, "start_period": null, "retries": 3,
                },
            },
        })
    );
    let hex = id.strip_prefix("sha256:").unwrap();
    let escaped = tag.replace('/', "%2F").replace(':', "%3A");
    for name in
        [&escaped, &format!("docker.io/{tag}"), &id, hex, &hex[..12], &format!("sha256:{}", &hex[..20])]
    {
        assert_eq!(api.get(&format!("/images/{name}")).await.expect(200), image, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_the_steps_of_an_image() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["v1"]).await;
    let history = api.get(&format!("/images/{}/history", images.tag("v1"))).await.expect(200);
    let step = &history["history"][0];
    let size = step["size"].as_u64().unwrap();
    assert!(size >= 1000, "{history}");
    assert_eq!(
        history,
        json!({"history": [{
            "id": id, "created": step["created"], "created_by": "by hand", "tags": [images.tag("v1")],
            "size": size, "comment": "a layer",
        }]})
    );
    assert!(step["created"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    let cuid = api.create(&json!({"image": images.tag("v1"), "command": ["/file"]})).await;
    let body = json!({"image": images.tag("v2")});
    api.post_json(&format!("/containers/{cuid}/commit"), &body).await.expect(201);
    let history = api.get(&format!("/images/{}/history", images.tag("v2"))).await.expect(200);
    assert_eq!(history["history"][1]["id"], id, "{history}");
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_reference_is_refused_and_what_is_not_there_is_not_found() {
    let api = shared().await;
    let nobody = unique("wharfinger-test/nobody");
    let body = json!({"tag": "a:1"});
    for (method, part) in
        [("GET", ""), ("GET", "/history"), ("GET", "/save"), ("DELETE", ""), ("POST", "/tag")]
    {
        let ask = async |image: &str| {
            let mut request = api.request(method, &format!("/images/{image}{part}"));
            if method == "POST" {
                request = request.json(&body);
            }
            api.send(request).await
        };
        for image in ["Upper", "a:b:c", "a@sha256:12", "a%00", "-a", "a%20b", "a/", "%FF"] {
            ask(image).await.refused("validation_error", "INVALID_IMAGE");
        }
        for image in [&nobody, "0123456789abcdef", &format!("{nobody}@sha256:{}", "0".repeat(64))] {
            let error = ask(image).await.refused("not_found", "IMAGE_NOT_FOUND");
            assert_eq!(error["details"]["image"], image);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_an_image_are_paths_of_their_own_and_an_image_of_such_a_name_can_be_reached() {
    let (api, images) = (shared().await, Images::new());
    for (method, path, allow) in [
        ("PUT", "/images/a/b", "GET, HEAD, DELETE"),
        ("DELETE", "/images/a/b/history", "GET, HEAD"),
        ("DELETE", "/images/a/save", "GET, HEAD"),
        ("GET", "/images/a/b/c/tag", "POST"),
        ("POST", "/images/search", "GET, HEAD"),
        ("PUT", "/images", "GET, HEAD"),
    ] {
        let answer = api.send(api.request(method, path)).await;
        answer.refused("method_not_allowed", "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let name = format!("{}/history", images.repository);
    let id = load_small(&api, &images, &["v1"]).await;
    engine(&["tag", &id, &name]).await;
    let escaped = name.replace('/', "%2F");
    let found = api.get(&format!("/images/{escaped}")).await;
    let history = api.get(&format!("/images/{escaped}/history")).await;
    let removed = api.delete(&format!("/images/{escaped}")).await;
    assert_eq!(removed.expect(200)["untagged"], json!([format!("{name}:latest")]));
    assert_eq!(found.expect(200)["id"], id);
    history.expect(200);
    let actions: Vec<Value> =
        api.audit().iter().map(|line| json!([line["method"], line["path"], line["action"]])).collect();
    for (method, path, action) in [
        ("GET", format!("/images/{escaped}"), "image.get"),
        ("GET", format!("/images/{escaped}/history"), "image.history"),
        ("DELETE", format!("/images/{escaped}"), "image.delete"),
    ] {
        assert!(actions.contains(&json!([method, path, action])), "{method} {path}");
    }
}

/// A registry that knows no more than the search of Docker's first API.
async fn searched(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.unwrap_or(0);
        let line = String::from_utf8_lossy(&asked[..length]).lines().next().unwrap_or_default().to_owned();
        if !line.starts_with("GET /v1/") {
            continue;
        }
        let found = json!({"name": line, "description": "d", "is_official": true, "star_count": 7});
        let body = json!({"num_results": 1, "query": "q", "results": [found]}).to_string();
        let head = "HTTP/1.1 200 OK\r\nx-docker-registry-version: 0.6\r\nconnection: close\r\ncontent-type: application/json";
        let _ = stream
            .write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_answers_what_the_registry_says() {
    let api = shared().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let serving = tokio::spawn(searched(listener));
    for (more, limit) in [("", 25), ("&limit=3", 3)] {
        let found = api.get(&format!("/images/search?term={place}/web%20server{more}")).await.expect(200);
        let line = format!("GET /v1/search?q=web+server&n={limit} HTTP/1.1");
        let one = json!({"name": line, "description": "d", "is_official": true, "star_count": 7});
        assert_eq!(found, json!({"results": [one]}));
    }
    serving.abort();
    let gone = api.get("/images/search?term=127.0.0.1:1/web").await;
    gone.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    for query in [
        "",
        "term=",
        "term=%20a",
        "term=a%00b",
        "term=http://a/b",
        "term=a&limit=0",
        "term=a&limit=101",
        "q=a",
    ] {
        api.get(&format!("/images/search?{query}")).await.refused("validation_error", "INVALID_QUERY");
    }
}
