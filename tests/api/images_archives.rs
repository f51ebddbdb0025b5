//! Images in and out as archives: save, load, import.

use std::io::Read;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::engine::{docker as engine, exec};
use crate::support::images::{Images, archive, exists, file, load, load_small, peak, tar};
use crate::support::stream::unix_sockets;
use crate::support::*;

/// Sends a body of a type to a path.
async fn send(api: &Api, path: &str, kind: &str, body: Vec<u8>) -> support::Answer {
    api.send(api.request("POST", path).header("content-type", kind).body(body)).await
}

use crate::support;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_saved_removed_and_loaded_works_as_before() {
    let (api, images) = (shared().await, Images::new());
    let cuid = api.running(json!({"user": "0:0"})).await;
    exec(&cuid, "echo kept > /kept").await;
    let tag = images.tag("v1");
    let made = api.post_json(&format!("/containers/{cuid}/commit"), &json!({"image": tag})).await.expect(201);
    let plain = api.get(&format!("/images/{tag}/save")).await;
    let packed = api.get(&format!("/images/{tag}/save?compress=gzip")).await;
    let file_name = tag.replace(['/', ':'], "_");
    for (answer, kind, end) in [(&plain, "application/x-tar", "tar"), (&packed, "application/gzip", "tar.gz")]
    {
        answer.expect_bytes(200);
        assert_eq!(answer.header("content-type"), Some(kind));
        let disposition = format!("attachment; filename=\"{file_name}.{end}\"");
        assert_eq!(answer.header("content-disposition"), Some(&*disposition));
    }
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body && packed.body.len() < plain.body.len());
    for (kind, body) in [
        ("application/x-tar", plain.body.clone()),
        ("application/gzip", packed.body.clone()),
        ("application/octet-stream", plain.body.clone()),
    ] {
        api.delete(&format!("/images/{tag}")).await.expect(200);
        assert!(!exists(made["id"].as_str().unwrap()).await);
        let loaded = send(&api, "/images/load", kind, body).await.expect(200);
        assert_eq!(loaded, json!({"images": [{"id": made["id"], "image": tag}]}), "{kind}");
    }
    let again = api.running(json!({"image": tag})).await;
    assert_eq!(exec(&again, "cat /kept").await, "kept");
    api.delete(&format!("/containers/{again}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_by_name_bears_that_name_alone_and_one_by_id_none() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["latest", "v2"]).await;
    let names = async |image: &str| {
        let answer = api.get(&format!("/images/{image}/save")).await;
        let text = String::from_utf8_lossy(answer.expect_bytes(200)).into_owned();
        let manifest =
            text.split("\"RepoTags\":").nth(1).unwrap().split(",\"Layers\"").next().unwrap().to_owned();
        serde_json::from_str::<Value>(&manifest).unwrap()
    };
    assert_eq!(names(&images.repository).await, json!([images.tag("latest")]), "not all tags");
    assert_eq!(names(&images.tag("v2")).await, json!([images.tag("v2")]));
    assert_eq!(names(&id).await, json!(null));
    let saved = api.get(&format!("/images/{id}/save")).await;
    let wanted = format!("attachment; filename=\"{}.tar\"", &id[7..19]);
    assert_eq!(saved.header("content-disposition"), Some(&*wanted));
    let path = format!("/images/{}/save?compress=zip", images.tag("v2"));
    api.get(&path).await.refused("validation_error", "INVALID_QUERY");
    let loaded = load(&api, saved.body).await.expect(200);
    assert_eq!(loaded, json!({"images": [{"id": id, "image": null}]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_it_is_told_how_far_a_load_is() {
    let (api, images) = (shared().await, Images::new());
    for (accept, is_events) in [("application/x-ndjson", false), ("text/event-stream", true)] {
        let tag = images.tag(if is_events { "events" } else { "lines" });
        let body = archive(&images, std::slice::from_ref(&tag), 3_000_000, json!({}));
        let request = api.request("POST", "/images/load").header("accept", accept).body(body);
        let answer = api.send(request.header("content-type", "application/x-tar")).await;
        assert_eq!(answer.header("content-type"), Some(accept));
        let text = String::from_utf8(answer.expect_bytes(200).to_vec()).unwrap();
        let records: Vec<Value> = text
            .lines()
            .map(|line| line.strip_prefix("data: ").unwrap_or(line))
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let layer =
            records.iter().find(|record| record["total"].is_u64()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(layer["status"], "Loading layer", "{text}");
        assert!(layer["id"].is_string() && layer["current"].as_u64() <= layer["total"].as_u64(), "{text}");
        let last = records.last().unwrap();
        assert_eq!(last["images"][0]["image"], tag, "{text}");
        assert_eq!(last["end"], json!({"reason": "complete"}), "{text}");
    }
    let request = api.request("POST", "/images/load").header("accept", "application/x-ndjson");
    let answer = api.send(request.header("content-type", "application/x-tar").body(tar(&[]))).await;
    let last: Value = serde_json::from_str(answer.text().lines().last().unwrap()).unwrap();
    assert_eq!(last["end"]["error"]["code"], "IMAGE_ARCHIVE_INVALID", "{last}");
    let request = api.request("POST", "/images/load").header("accept", "*/*, application/x-ndjson;q=0");
    let tag = images.tag("plain");
    let body = archive(&images, std::slice::from_ref(&tag), 1000, json!({}));
    let answer = api.send(request.header("content-type", "application/x-tar").body(body)).await;
    assert_eq!(answer.expect(200)["images"][0]["image"], tag);
}

/// Sends the head of a request and a part of its body, and closes its side.
async fn broken_off(daemon: &Daemon, path: &str, length: usize, part: &[u8]) {
    let mut stream = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    let login = daemon.authorization().unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\ncontent-type: application/x-tar\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(part).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_off_leaves_nothing_in_the_engine() {
    let (daemon, images) = (Daemon::start().await, Images::new());
    let sockets = unix_sockets(daemon.pid());
    let tags = [images.tag("v1")];
    let whole = archive(&images, &tags, 5_000_000, json!({}));
    let import = format!("/images/import?image={}", images.tag("v2"));
    for part in [1000, 3_000_000, whole.len() - 1024] {
        for path in ["/images/load", &import] {
            broken_off(&daemon, path, whole.len(), &whole[..part]).await;
        }
    }
    let lines = eventually("the lines of all six", 10.0, || async {
        let lines: Vec<Value> = daemon.audit().into_iter().filter(|line| line["method"] == "POST").collect();
        (lines.len() == 6).then_some(lines)
    })
    .await;
    for line in lines {
        assert_eq!((&line["code"], &line["status"]), (&json!("INCOMPLETE_BODY"), &json!(400)), "{line}");
    }
    eventually("the connections are free", 5.0, || async {
        (unix_sockets(daemon.pid()) <= sockets + 1).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(engine(&["images", "-q", &images.repository]).await, "");
    let list = daemon.get(&format!("/images?label={}", images.label())).await.expect(200);
    assert_eq!(list, json!({"images": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_archives_take_no_memory_and_a_client_that_leaves_frees_the_engine() {
    const LENGTH: usize = 192 * 1024 * 1024;
    const SLOW: Duration = Duration::from_secs(600);
    let (daemon, images) = (Daemon::start().await, Images::new());
    let tag = images.tag("v1");
    let body = archive(&images, std::slice::from_ref(&tag), LENGTH, json!({}));
    let before = peak(daemon.pid());
    load(&daemon, body).await.expect(200);
    // One of them may be about to close.
    let mut sockets = unix_sockets(daemon.pid());
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        sockets = sockets.min(unix_sockets(daemon.pid()));
    }
    for query in ["", "?compress=gzip"] {
        // Compressing takes its time on a busy host.
        let request = daemon.request("GET", &format!("/images/{tag}/save{query}")).timeout(SLOW);
        let mut body = request.send().await.unwrap().bytes_stream();
        let mut read = 0;
        while let Some(piece) = body.next().await {
            read += piece.unwrap().len();
        }
        assert!(read > LENGTH / 10 * 9, "{query}: noise stays as large: {read}");
    }
    let grown = peak(daemon.pid()) - before;
    assert!(grown < 24 * 1024, "{grown} KiB for {LENGTH} bytes in and twice out");
    let mut open = Vec::new();
    for _ in 0..3 {
        let response = daemon.request("GET", &format!("/images/{tag}/save")).send().await.unwrap();
        let mut body = response.bytes_stream();
        body.next().await.unwrap().unwrap();
        open.push(body);
    }
    assert!(unix_sockets(daemon.pid()) >= sockets + 3, "they are under way");
    drop(open);
    eventually("all is free again", 15.0, || async {
        (unix_sockets(daemon.pid()) <= sockets + 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_the_engine_breaks_off_does_not_end_well() {
    let (proxy, images) = (Proxy::start(), Images::new());
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let tag = images.tag("v1");
    let body = archive(&images, std::slice::from_ref(&tag), 64 * 1024 * 1024, json!({}));
    load(&daemon, body).await.expect(200);
    for query in ["", "?compress=gzip"] {
        let response = daemon.request("GET", &format!("/images/{tag}/save{query}")).send().await.unwrap();
        let mut body = response.bytes_stream();
        body.next().await.unwrap().unwrap();
        proxy.stop();
        assert!(stream::breaks_off(body).await, "{query}: a part was taken for the whole");
        proxy.resume();
        eventually("the engine is back", 10.0, || async {
            (daemon.get("/healthz").await.status == 200).then_some(())
        })
        .await;
    }
    proxy.answer("/get ", 200, r#"{"message":"no more"}"#);
    let answer = daemon.request("GET", &format!("/images/{tag}/save")).send().await;
    let is_whole = match answer {
        Ok(response) => response.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!is_whole, "what is no whole tar does not end as one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_makes_an_image_of_files() {
    let (api, images) = (shared().await, Images::new());
    let cuid = api.running(json!({})).await;
    let files = api.get(&format!("/containers/{cuid}/export")).await.body;
    let path = format!(
        "/images/import?image={}&message=a%20message&change=CMD%20%5B%22sleep%22%2C%22100%22%5D&change=ENV%20ADDED%3D1%20",
        images.repository
    );
    api.post(&path).await.refused("validation_error", "INVALID_VALUE");
    let path = path.trim_end_matches("%20");
    let answer = send(&api, path, "application/x-tar", files.clone()).await;
    let made = answer.expect(201);
    assert_eq!(made["image"], images.tag("latest"));
    assert_eq!(answer.header("location"), Some(&*format!("/images/{}", made["id"].as_str().unwrap())));
    let image = api.get(&format!("/images/{}", images.repository)).await.expect(200);
    assert_eq!((&image["id"], &image["comment"]), (&made["id"], &json!("a message")), "{image}");
    assert_eq!(image["config"]["cmd"], json!(["sleep", "100"]), "{image}");
    assert!(image["config"]["env"].to_string().contains("ADDED=1"), "{image}");
    assert_eq!(engine(&["run", "--rm", &images.repository, "echo", "it works"]).await, "it works");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &files).unwrap();
    let path = format!("/images/import?image={}", images.tag("packed"));
    send(&api, &path, "application/gzip", packed.finish().unwrap()).await.expect(201);
    let lines = api.audit();
    let line = lines.iter().find(|line| line["image"] == images.tag("packed")).expect("its line");
    assert_eq!(line["action"], "image.import");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_cannot_be_makes_nothing() {
    let (api, images) = (shared().await, Images::new());
    let name = images.tag("v1");
    let files = tar(&[file("a", &[7; 4096])]);
    for (query, code) in [
        (String::new(), "MISSING_IMAGE"),
        ("image=".to_owned(), "MISSING_IMAGE"),
        ("image=Upper".to_owned(), "INVALID_IMAGE"),
        (format!("image={name}@sha256:{}", "a".repeat(64)), "INVALID_IMAGE"),
        (format!("image={name}&change=RUN%20ls"), "INVALID_VALUE"),
        (format!("image={name}&change=ENV%20A%3Db%0ARUN%20ls"), "INVALID_VALUE"),
        (format!("image={name}&change=EXPOSE%20no-port"), "INVALID_VALUE"),
        (format!("image={name}&message={}", "a".repeat(1001)), "INVALID_VALUE"),
        (format!("image={name}&changes=CMD%20ls"), "INVALID_QUERY"),
        (format!("image={name}&image={name}"), "INVALID_QUERY"),
    ] {
        let answer = send(&api, &format!("/images/import?{query}"), "application/x-tar", files.clone()).await;
        let error = answer.refused("validation_error", code);
        if query.contains("change=") {
            assert_eq!(error["details"]["field"], "change", "{query}");
        }
    }
    let path = format!("/images/import?image={name}");
    send(&api, &path, "text/plain", files.clone()).await.refused("unsupported_media_type", "");
    let packed = [&[0x1f, 0x8b, 8, 0][..], &noise(5000)].concat();
    for bad in
        [Vec::new(), noise(5000), files[..1024].to_vec(), [noise(4096), vec![0; 1024]].concat(), packed]
    {
        let answer = send(&api, &path, "application/x-tar", bad).await;
        answer.refused("validation_error", "IMAGE_ARCHIVE_INVALID");
    }
    assert!(!exists(&name).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_have_a_limit_of_their_own_and_come_in_time() {
    let images = Images::new();
    let builder = Daemon::builder().env("APP_IMAGE_MAX_BYTES", "100000").env("APP_UPLOAD_MAX_BYTES", "10");
    let daemon = builder.env("APP_BODY_IDLE_TIMEOUT", "1").start().await;
    load_small(&daemon, &images, &["small"]).await;
    let large = archive(&images, &[images.tag("large")], 200_000, json!({}));
    load(&daemon, large.clone()).await.refused("too_large", "BODY_TOO_LARGE");
    let path = format!("/images/import?image={}", images.tag("large"));
    send(&daemon, &path, "application/x-tar", large).await.refused("too_large", "BODY_TOO_LARGE");
    let slow = futures_util::stream::once(async { Ok::<_, std::io::Error>(vec![0_u8; 512]) })
        .chain(futures_util::stream::pending());
    let request = daemon.request("POST", "/images/load").header("content-type", "application/x-tar");
    let answer = daemon.send(request.body(reqwest::Body::wrap_stream(slow))).await;
    answer.refused("timeout", "BODY_TIMED_OUT");
    assert!(!exists(&images.tag("large")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_while_it_takes_an_archive_is_not_waited_for_for_ever() {
    let proxy = Proxy::start();
    let daemon = Daemon::builder().engine(&proxy.docker_host());
    let daemon = daemon.env("APP_PULL_IDLE_TIMEOUT", "2").start().await;
    let images = Images::new();
    let body = archive(&images, &[images.tag("v1")], 64 * 1024 * 1024, json!({}));
    for path in ["/images/load".to_owned(), format!("/images/import?image={}", images.tag("v2"))] {
        proxy.hang();
        let answer = within("an answer", 30.0, send(&daemon, &path, "application/x-tar", body.clone())).await;
        assert!([408, 503].contains(&answer.status), "{path}: {}", answer.text());
        proxy.resume();
        let is_well = || async { (daemon.get("/healthz").await.status == 200).then_some(()) };
        eventually("the engine answers again", 20.0, is_well).await;
    }
    send(&daemon, "/images/load", "application/x-tar", body).await.expect(200);
}
