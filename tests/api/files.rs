//! `GET` and `PUT /containers/{id}/files`.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

use crate::support::*;

/// A container that is not started, the path of its files, and its mount.
pub async fn mounted(api: &Api) -> (String, String, PathBuf) {
    let cuid = api.idle(json!({})).await;
    let mount = api.mount(&cuid);
    (cuid.clone(), format!("/containers/{cuid}/files"), mount)
}

/// The path of a container's files with this `path`.
pub fn at(files: &str, path: &str) -> String {
    format!("{files}?path={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

/// Puts a file, with headers.
pub async fn put(api: &Api, files: &str, path: &str, data: &[u8], headers: &[(&str, &str)]) -> Answer {
    let mut request = api.request("PUT", &at(files, path)).body(data.to_vec());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request).await
}

fn names(listing: &Value) -> Vec<String> {
    let entries = listing["entries"].as_array().unwrap_or_else(|| panic!("{listing}"));
    entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

fn entry<'a>(listing: &'a Value, name: &str) -> &'a Value {
    let entries = listing["entries"].as_array().unwrap();
    entries.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name}: {listing}"))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_listed_with_kind_size_mode_time_and_target() {
    let api = shared().await;
    let (cuid, files, mount) = mounted(&api).await;
    std::fs::write(mount.join("run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(mount.join("run.sh"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    std::fs::create_dir(mount.join("data")).unwrap();
    std::fs::write(mount.join("data/inner"), "").unwrap();
    symlink("/etc/passwd", mount.join("link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, mount.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let listing = api.get(&files).await.expect(200);
    assert_eq!(names(&listing), ["data", "fifo", "link", "run.sh"]);
    assert_eq!(
        (&listing["cuid"], &listing["path"], &listing["total"]),
        (&json!(cuid), &json!(""), &json!(4))
    );
    assert!(listing["next_cursor"].is_null(), "{listing}");
    let run = entry(&listing, "run.sh");
    assert_eq!(
        (&run["type"], &run["size"], &run["mode"]),
        (&json!("file"), &json!(10), &json!("4755")),
        "{run}"
    );
    assert!(run["target"].is_null() && run["name_base64"].is_null(), "{run}");
    let modified = run["modified"].as_str().unwrap();
    let shape = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$").unwrap();
    assert!(shape.is_match(modified), "{modified}");
    let told: jiff::Timestamp = modified.parse().unwrap();
    let real = std::fs::metadata(mount.join("run.sh")).unwrap();
    assert_eq!(told.as_second(), real.mtime(), "{modified}");
    assert_eq!(entry(&listing, "data")["type"], "directory");
    assert_eq!(entry(&listing, "fifo")["type"], "other");
    let link = entry(&listing, "link");
    assert_eq!((&link["type"], &link["target"]), (&json!("symlink"), &json!("/etc/passwd")), "{link}");
    for path in ["data", "/app/data", "data/"] {
        let inner = api.get(&at(&files, path)).await.expect(200);
        assert_eq!((names(&inner), &inner["path"]), (vec!["inner".to_owned()], &json!("data")), "{path}");
    }
    let empty = api.get(&at(&files, "data/inner")).await;
    empty.refused("validation_error", "NOT_A_DIRECTORY");
    let head = api.send(api.request("HEAD", &files)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_bytes_are_listed_and_none_vanishes() {
    let api = shared().await;
    let (_, files, mount) = mounted(&api).await;
    let raw: &[&[u8]] = &[b"caf\xe9", b"\xff\xfe", b"new\nline", b"quo\"te", "日本".as_bytes(), b"a b"];
    for name in raw {
        std::fs::write(mount.join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    symlink(std::ffi::OsStr::from_bytes(b"to\xff"), mount.join("link")).unwrap();
    let listing = api.get(&files).await.expect(200);
    assert_eq!(listing["total"], 7);
    assert_eq!(
        names(&listing),
        ["a b", "caf\u{fffd}", "link", "new\nline", "quo\"te", "日本", "\u{fffd}\u{fffd}"]
    );
    assert_eq!(entry(&listing, "caf\u{fffd}")["name_base64"], "Y2Fm6Q==");
    assert_eq!(entry(&listing, "\u{fffd}\u{fffd}")["name_base64"], "//4=");
    assert!(entry(&listing, "日本")["name_base64"].is_null());
    assert_eq!(entry(&listing, "link")["target"], "to\u{fffd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_folder_comes_in_pages_and_what_comes_or_goes_between_them_moves_nothing() {
    let api = shared().await;
    let (_, files, mount) = mounted(&api).await;
    for n in 0..120 {
        std::fs::write(mount.join(format!("f{n:03}")), "x").unwrap();
    }
    let first = api.get(&format!("{files}?limit=50")).await.expect(200);
    assert_eq!((names(&first).len(), &first["total"]), (50, &json!(120)));
    std::fs::remove_file(mount.join("f010")).unwrap();
    std::fs::remove_file(mount.join("f049")).unwrap();
    std::fs::write(mount.join("a-new-one"), "").unwrap();
    let mut all = names(&first);
    let mut next = first["next_cursor"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let page = api.get(&format!("{files}?limit=50&cursor={cursor}")).await.expect(200);
        all.extend(names(&page));
        next = page["next_cursor"].as_str().map(str::to_owned);
    }
    let expected: Vec<String> = (0..120).map(|n| format!("f{n:03}")).collect();
    assert_eq!(all, expected);
    for query in ["limit=0", "limit=10001", "limit=x", "unheard=1"] {
        api.get(&format!("{files}?{query}")).await.refused("validation_error", "INVALID_QUERY");
    }
    for cursor in ["", "!", "Zi9n"] {
        api.get(&format!("{files}?cursor={cursor}")).await.refused("validation_error", "INVALID_CURSOR");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_with_owner_mode_tag_and_place() {
    let api = shared().await;
    let (cuid, files, mount) = mounted(&api).await;
    let new = put(&api, &files, "boot.py", b"print(1)\n", &[("content-type", "text/x-python")]).await;
    let body = new.expect(201);
    let tag = new.header("etag").unwrap().to_owned();
    assert_eq!(body, json!({"cuid": cuid, "path": "boot.py", "bytes": 9, "etag": tag}));
    let download = api.get(new.header("location").unwrap()).await;
    assert_eq!(download.expect_bytes(200), b"print(1)\n");
    assert_eq!(download.header("etag"), Some(&*tag));
    let meta = std::fs::metadata(mount.join("boot.py")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), mode(&mount.join("boot.py"))), (1000, 1000, 0o644));
    std::fs::set_permissions(mount.join("boot.py"), std::fs::Permissions::from_mode(0o6750)).unwrap();
    let again = put(&api, &files, "/app/boot.py", b"", &[]).await;
    assert_eq!(again.expect(200)["bytes"], 0, "an empty body is an empty file");
    assert!(again.header("location").is_none());
    assert_ne!(again.header("etag"), Some(&*tag));
    assert_eq!(mode(&mount.join("boot.py")), 0o750, "the mode is kept, setuid and setgid are not");
    let odd = "d i r/ü&=#+%.txt";
    std::fs::create_dir(mount.join("d i r")).unwrap();
    let odd_answer = put(&api, &files, odd, b"x", &[]).await;
    odd_answer.expect(201);
    assert_eq!(api.get(odd_answer.header("location").unwrap()).await.expect_bytes(200), b"x");
    assert_eq!(std::fs::read(mount.join(odd)).unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_guard_a_put() {
    let api = shared().await;
    let (_, files, mount) = mounted(&api).await;
    let refused = |answer: Answer| answer.refused("precondition_failed", "PRECONDITION_FAILED");
    refused(put(&api, &files, "f", b"x", &[("if-match", "*")]).await);
    refused(put(&api, &files, "f", b"x", &[("if-match", "\"a\"")]).await);
    assert!(!mount.join("f").exists());
    let first = put(&api, &files, "f", b"one", &[("if-none-match", "*")]).await;
    first.expect(201);
    let tag = first.header("etag").unwrap().to_owned();
    let weak = format!("W/{tag}");
    for (name, value) in [
        ("if-none-match", "*"),
        ("if-none-match", &*tag),
        ("if-none-match", &*weak),
        ("if-match", "\"other\""),
        ("if-match", &*weak),
        ("if-match", "garbage"),
        ("if-match", ""),
        ("if-unmodified-since", "Mon, 01 Jan 2001 00:00:00 GMT"),
    ] {
        refused(put(&api, &files, "f", b"lost", &[(name, value)]).await);
        assert_eq!(std::fs::read(mount.join("f")).unwrap(), b"one", "{name}: {value}");
    }
    let part = put(&api, &files, "f", b"x", &[("content-range", "bytes 0-0/3")]).await;
    part.refused("validation_error", "INVALID_HEADER");
    let list = format!("\"other\", {tag}");
    put(&api, &files, "f", b"two", &[("if-match", &list)]).await.expect(200);
    put(&api, &files, "f", b"three", &[("if-match", "*")]).await.expect(200);
    put(&api, &files, "f", b"four", &[("if-none-match", "\"other\"")]).await.expect(200);
    let future = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(60));
    put(&api, &files, "f", b"five", &[("if-unmodified-since", &future)]).await.expect(200);
    assert_eq!(std::fs::read(mount.join("f")).unwrap(), b"five");
    // A change by the container changes the tag as well.
    let now = api.get(&at(&files.replace("/files", "/download"), "f")).await;
    std::fs::write(mount.join("f"), "FIVE").unwrap();
    refused(put(&api, &files, "f", b"six", &[("if-match", now.header("etag").unwrap())]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_with_one_tag_exactly_one_wins() {
    let api = shared().await;
    let (_, files, mount) = mounted(&api).await;
    let mut tag = put(&api, &files, "f", b"0", &[]).await.header("etag").unwrap().to_owned();
    for round in 0..5 {
        let texts: Vec<String> = (0..12).map(|writer| format!("{round}/{writer}")).collect();
        let all = texts.iter().map(|text| {
            let (api, files, tag) = (&api, &files, &tag);
            async move { put(api, files, "f", text.as_bytes(), &[("if-match", tag)]).await }
        });
        let answers = futures_util::future::join_all(all).await;
        let winners: Vec<usize> = (0..12).filter(|&n| answers[n].status == 200).collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 11);
        assert_eq!(std::fs::read_to_string(mount.join("f")).unwrap(), texts[winners[0]]);
        answers[winners[0]].header("etag").unwrap().clone_into(&mut tag);
    }
    // The same for files that are not there yet.
    let all = (0..12).map(|_| put(&api, &files, "new", b"x", &[("if-none-match", "*")]));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_where_it_cannot_go_is_refused() {
    let api = shared().await;
    let (_, files, mount) = mounted(&api).await;
    std::fs::create_dir(mount.join("dir")).unwrap();
    std::fs::write(mount.join("file"), "x").unwrap();
    std::fs::write(mount.join("target"), "x").unwrap();
    symlink("target", mount.join("link")).unwrap();
    symlink("dir", mount.join("dirlink")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, mount.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    for (path, word, code) in [
        ("dir", "validation_error", "IS_DIRECTORY"),
        ("/app", "validation_error", "IS_DIRECTORY"),
        ("none/f", "not_found", "FILE_NOT_FOUND"),
        ("file/f", "validation_error", "NOT_A_DIRECTORY"),
        ("fifo", "validation_error", "NOT_A_REGULAR_FILE"),
        ("link", "validation_error", "NOT_A_REGULAR_FILE"),
        ("dirlink/f", "validation_error", "PATH_NOT_ALLOWED"),
        ("../f", "validation_error", "PATH_NOT_ALLOWED"),
        ("/etc/f", "validation_error", "PATH_NOT_ALLOWED"),
        ("", "validation_error", "INVALID_QUERY"),
    ] {
        let answer = within("an answer", 5.0, put(&api, &files, path, b"new", &[])).await;
        answer.refused(word, code);
    }
    let missing = put(&api, &files, "none/f", b"", &[]).await.refused("not_found", "FILE_NOT_FOUND");
    assert!(missing["message"].as_str().unwrap().contains("`none`"), "{missing}");
    assert_eq!(std::fs::read(mount.join("target")).unwrap(), b"x");
    assert!(!mount.join("none").exists() && std::fs::read_dir(mount.join("dir")).unwrap().next().is_none());
    let none = api.idle(json!({"mount_path": null})).await;
    let files = format!("/containers/{none}/files");
    put(&api, &files, "f", b"", &[]).await.refused("validation_error", "NO_MOUNT");
    api.get(&files).await.refused("validation_error", "NO_MOUNT");
    api.get("/containers/nobody/files").await.refused("not_found", "CONTAINER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_streams_and_a_broken_or_slow_body_changes_nothing() {
    let daemon = Daemon::builder()
        .env("APP_UPLOAD_MAX_BYTES", "70000000")
        .env("APP_BODY_IDLE_TIMEOUT", "2")
        .start()
        .await;
    let (cuid, files, mount) = mounted(&daemon).await;
    put(&daemon, &files, "f", b"old", &[]).await.expect(201);
    let peak = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = peak();
    let data = noise(60_000_000);
    put(&daemon, &files, "large", &data, &[]).await.expect(201);
    let grown = peak().saturating_sub(before);
    assert!(grown < 30_000, "memory grew by {grown} KiB for a body of 60 MB");
    assert!(std::fs::read(mount.join("large")).unwrap() == data, "the bytes are the same");
    put(&daemon, &files, "f", &noise(70_000_001), &[]).await.refused("too_large", "BODY_TOO_LARGE");
    let head = format!(
        "PUT /containers/{cuid}/files?path=f HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 100\r\n\r\nhalf",
        daemon.authorization().unwrap()
    );
    let open = || async {
        let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
        socket
    };
    drop(open().await);
    let mut stalled = open().await;
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stalled, &mut answer);
    let _ = within("a stalled body is answered or cut", 10.0, read).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    assert_eq!(std::fs::read(mount.join("f")).unwrap(), b"old");
    let staging = daemon.data().join("mounts/.staging");
    eventually("nothing stays in staging", 5.0, || async {
        std::fs::read_dir(&staging).unwrap().next().is_none().then_some(())
    })
    .await;
}

/// A small file system over the mounts, taken down when dropped.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_keeps_the_old_file() {
    let builder = Daemon::builder().env("APP_MIN_FREE_BYTES", "0");
    let _folder = builder.clone();
    let mounts = builder.data().join("mounts");
    std::fs::create_dir_all(&mounts).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&mounts).output();
    assert!(mount.unwrap().status.success(), "mounting a tmpfs (this test runs as root)");
    let _small = Small(mounts);
    let daemon = builder.start().await;
    let (_, files, mount) = mounted(&daemon).await;
    put(&daemon, &files, "f", b"old", &[]).await.expect(201);
    put(&daemon, &files, "f", &noise(6 << 20), &[]).await.refused("insufficient_storage", "NO_SPACE");
    put(&daemon, &files, "g", &noise(6 << 20), &[]).await.refused("insufficient_storage", "NO_SPACE");
    assert_eq!(std::fs::read(mount.join("f")).unwrap(), b"old");
    assert!(!mount.join("g").exists());
    put(&daemon, &files, "f", &noise(1 << 20), &[]).await.expect(200);
}
