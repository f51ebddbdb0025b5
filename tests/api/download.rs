//! `GET /containers/{id}/download`.

use std::os::unix::fs::symlink;

use crate::support::*;

/// A container with one file, the path that downloads it, and its mount.
async fn with_file(api: &Api, name: &str, data: &[u8]) -> (String, std::path::PathBuf) {
    let cuid = api.idle(json!({})).await;
    let mount = api.mount(&cuid);
    std::fs::write(mount.join(name), data).unwrap();
    (format!("/containers/{cuid}/download"), mount)
}

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_come_with_all_their_headers() {
    let api = shared().await;
    let (path, mount) = with_file(&api, "data.json", b"{\"a\": 1}").await;
    let answer = api.get(&format!("{path}?path=data.json")).await;
    assert_eq!(answer.expect_bytes(200), b"{\"a\": 1}");
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    assert_eq!(answer.header("content-length"), Some("8"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    let tag = answer.header("etag").unwrap();
    assert!(tag.trim_start_matches("W/").starts_with('"') && tag.ends_with('"'), "{tag}");
    let modified = httpdate::parse_http_date(answer.header("last-modified").unwrap()).unwrap();
    let real = std::fs::metadata(mount.join("data.json")).unwrap().modified().unwrap();
    assert!(real.duration_since(modified).unwrap() < Duration::from_secs(1));
    assert!(answer.header("content-disposition").unwrap().contains("data.json"), "{:?}", answer.headers);
    for same in ["/app/data.json", "./data.json"] {
        let answer = api.get(&format!("{path}?path={same}")).await;
        assert!(
            answer.status == 200 || (same.starts_with('.') && answer.status == 400),
            "{same}: {}",
            answer.text()
        );
    }
    for (name, kind) in
        [("x.html", "text/html"), ("x.png", "image/png"), ("x.unheard", "application/octet-stream")]
    {
        std::fs::write(mount.join(name), "x").unwrap();
        assert!(
            api.get(&format!("{path}?path={name}")).await.header("content-type").unwrap().starts_with(kind),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_answered_as_such() {
    let api = shared().await;
    let (path, _) = with_file(&api, "f", ALPHABET).await;
    let path = format!("{path}?path=f");
    for (range, body, shown) in [
        ("bytes=0-4", "abcde", "bytes 0-4/26"),
        ("bytes=20-", "uvwxyz", "bytes 20-25/26"),
        ("bytes=-3", "xyz", "bytes 23-25/26"),
        ("bytes=25-100", "z", "bytes 25-25/26"),
        ("bytes=-100", "abcdefghijklmnopqrstuvwxyz", "bytes 0-25/26"),
        ("bytes=3-3", "d", "bytes 3-3/26"),
    ] {
        let answer = api.send(api.request("GET", &path).header("range", range)).await;
        assert_eq!(answer.expect_bytes(206), body.as_bytes(), "{range}");
        assert_eq!(answer.header("content-range"), Some(shown), "{range}");
        assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()), "{range}");
    }
    for range in ["bytes=26-", "bytes=100-200", "bytes=-0"] {
        let answer = api.send(api.request("GET", &path).header("range", range)).await;
        answer.refused("range_not_satisfiable", "RANGE_NOT_SATISFIABLE");
        assert_eq!(answer.header("content-range"), Some("bytes */26"), "{range}");
    }
    // A range in a unit or a form that no one knows is as none.
    for range in ["lines=1-2", "bytes=x", "bytes=5-2", "bytes="] {
        let answer = api.send(api.request("GET", &path).header("range", range)).await;
        assert!([200, 416].contains(&answer.status), "{range}: {}", answer.status);
    }
    let answer = api.send(api.request("GET", &path).header("range", "bytes=0-1,4-5")).await;
    assert!(
        [200, 206].contains(&answer.status),
        "several ranges: all of the file, or the parts: {}",
        answer.status
    );
    if answer.status == 200 {
        assert_eq!(answer.body, ALPHABET);
    } else {
        assert!(answer.header("content-type").unwrap().starts_with("multipart/byteranges"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_hold() {
    let api = shared().await;
    let (path, mount) = with_file(&api, "f", ALPHABET).await;
    let path = format!("{path}?path=f");
    let first = api.get(&path).await;
    let (tag, modified) =
        (first.header("etag").unwrap().to_owned(), first.header("last-modified").unwrap().to_owned());
    let ask = |headers: Vec<(&'static str, String)>| {
        let mut request = api.request("GET", &path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        api.send(request)
    };
    let same = ask(vec![("if-none-match", tag.clone())]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(same.header("etag"), Some(&*tag));
    assert_eq!(ask(vec![("if-none-match", "*".into())]).await.status, 304);
    assert_eq!(ask(vec![("if-none-match", format!("\"other\", {tag}"))]).await.status, 304);
    assert_eq!(ask(vec![("if-none-match", "\"other\"".into())]).await.status, 200);
    assert_eq!(ask(vec![("if-modified-since", modified.clone())]).await.status, 304);
    assert_eq!(ask(vec![("if-modified-since", "Mon, 01 Jan 2001 00:00:00 GMT".into())]).await.status, 200);
    assert_eq!(
        ask(vec![("if-match", "\"other\"".into())])
            .await
            .refused("precondition_failed", "PRECONDITION_FAILED")["status"],
        412
    );
    assert_eq!(ask(vec![("if-unmodified-since", "Mon, 01 Jan 2001 00:00:00 GMT".into())]).await.status, 412);
    let range = ("range", "bytes=0-1".to_owned());
    assert_eq!(ask(vec![range.clone(), ("if-range", tag.clone())]).await.status, 206);
    assert_eq!(ask(vec![range.clone(), ("if-range", "\"other\"".into())]).await.status, 200);
    std::fs::write(mount.join("f"), b"zbcdefghijklmnopqrstuvwxyz").unwrap();
    let changed = ask(vec![("if-none-match", tag.clone())]).await;
    assert_eq!(changed.status, 200, "same size, other content");
    assert_ne!(changed.header("etag"), Some(&*tag));
    assert_eq!(ask(vec![range, ("if-range", tag)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_says_what_get_would() {
    let api = shared().await;
    let (path, _) = with_file(&api, "f.txt", ALPHABET).await;
    let path = format!("{path}?path=f.txt");
    let (get, head) = (api.get(&path).await, api.send(api.request("HEAD", &path)).await);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "last-modified", "content-disposition"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(head.header("content-length"), Some("26"));
}

#[tokio::test(flavor = "multi_thread")]
async fn weird_names_come_through_and_split_no_header() {
    let api = shared().await;
    let (path, mount) = with_file(&api, "x", b"").await;
    for name in [
        "sp ace",
        "ü日本.txt",
        "quo\"te",
        "semi;colon",
        "per%20cent",
        "plus+",
        "back\\slash",
        "new\nline",
        "cr\rx",
        "'",
        "#hash",
        "&amp",
        "-dash",
    ] {
        std::fs::write(mount.join(name), name).unwrap();
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let answer = api.get(&format!("{path}?path={encoded}")).await;
        if name.contains(['\n', '\r', '\\']) && answer.status == 400 {
            continue; // A name that cannot be a path here may be refused; never a broken header.
        }
        assert_eq!(answer.expect_bytes(200), name.as_bytes(), "{name:?}");
        let disposition =
            String::from_utf8_lossy(answer.headers["content-disposition"].as_bytes()).into_owned();
        assert!(!disposition.contains(['\n', '\r']) && disposition.contains("filename"), "{disposition:?}");
        if !name.is_ascii() {
            assert!(disposition.contains("filename*=UTF-8''%C3%BC%E6%97%A5%E6%9C%AC.txt"), "{disposition}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_refused() {
    let api = shared().await;
    let (path, mount) = with_file(&api, "f", b"x").await;
    std::fs::create_dir(mount.join("dir")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, mount.join("fifo"), rustix::fs::FileType::Fifo, 0o644.into(), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(mount.join("sock")).unwrap();
    let get = |query: &str| {
        let path = format!("{path}{query}");
        let api = &api;
        async move { within("an answer", 5.0, api.get(&path)).await }
    };
    for query in ["?path=dir", "?path=dir/", "?path=/app", "?path=."] {
        let answer = get(query).await;
        assert_eq!(answer.status, 400, "{query}");
        if query != "?path=." {
            answer.refused("validation_error", "IS_DIRECTORY");
        }
    }
    get("?path=none").await.refused("not_found", "FILE_NOT_FOUND");
    get("?path=dir/none").await.refused("not_found", "FILE_NOT_FOUND");
    let beneath = get("?path=f/none").await;
    assert!([400, 404].contains(&beneath.status), "{}", beneath.text());
    get("?path=fifo").await.refused("validation_error", "NOT_A_REGULAR_FILE");
    get("?path=sock").await.refused("validation_error", "NOT_A_REGULAR_FILE");
    get("").await.refused("validation_error", "");
    get("?path=").await.refused("validation_error", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_mount_is_shown() {
    let api = shared().await;
    let (path, mount) = with_file(&api, "f", b"mine").await;
    symlink("/etc/passwd", mount.join("absolute")).unwrap();
    symlink("../../../../../../../etc/passwd", mount.join("relative")).unwrap();
    symlink("/etc", mount.join("folder")).unwrap();
    symlink("/proc/self/environ", mount.join("magic")).unwrap();
    // Nor is one followed that stays inside: where it leads may be another place a moment later.
    std::fs::create_dir(mount.join("real")).unwrap();
    std::fs::write(mount.join("real/f"), "root:").unwrap();
    symlink("real", mount.join("inside")).unwrap();
    for query in [
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "/app/../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "absolute",
        "relative",
        "folder/passwd",
        "inside/f",
        "magic",
        "a%00b",
        "%2e%2e",
        "..",
        "/app/..",
    ] {
        let answer = api.get(&format!("{path}?path={query}")).await;
        assert!([400, 404].contains(&answer.status), "{query}: {} {}", answer.status, answer.text());
        answer.refused(if answer.status == 400 { "validation_error" } else { "not_found" }, "");
        assert!(!answer.text().contains("root:"), "{query}");
    }
    api.get(&format!("{path}?path=../../x")).await.refused("validation_error", "PATH_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_or_shrinks_meanwhile_breaks_nothing() {
    let api = shared().await;
    let (path, mount) = with_file(&api, "f", &vec![b'x'; 30_000_000]).await;
    let mut response = api.request("GET", &format!("{path}?path=f")).send().await.unwrap();
    assert_eq!(response.content_length(), Some(30_000_000));
    response.chunk().await.unwrap();
    std::fs::write(mount.join("f"), "short").unwrap();
    let mut whole = true;
    loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    assert!(!whole, "an answer cut short ends as an error, never as a clean end");
    assert_eq!(api.get(&format!("{path}?path=f")).await.expect_bytes(200), b"short");
}
