//! `POST /containers/{id}/upload-zip`: what a good archive does.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::*;

/// A container that is not started, and its mount.
async fn mounted(api: &Api) -> (String, std::path::PathBuf) {
    let cuid = api.idle(json!({})).await;
    let mount = api.mount(&cuid);
    (cuid, mount)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_is_unpacked_and_counted() {
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    let zip = Zip::new()
        .file("boot.py", "print(1)")
        .dir("data")
        .file("data/config.json", "{}")
        .file("deep/er/file", "x")
        .file("empty", "");
    let answer = api.upload(&cuid, "", zip.bytes()).await.expect(200);
    assert_eq!(answer["cuid"], cuid);
    assert_eq!(answer["files"], 4);
    let folders = answer["directories"].as_u64().unwrap();
    assert!((1..=3).contains(&folders), "data, and perhaps those that only names imply: {answer}");
    assert_eq!(answer["bytes"], 11);
    assert!(answer["path"].is_string(), "{answer}");
    assert_eq!(std::fs::read(mount.join("boot.py")).unwrap(), b"print(1)");
    assert_eq!(std::fs::read(mount.join("deep/er/file")).unwrap(), b"x");
    assert_eq!(std::fs::read(mount.join("empty")).unwrap(), b"");
    for path in ["boot.py", "data", "deep/er", "deep/er/file"] {
        let meta = std::fs::metadata(mount.join(path)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (1000, 1000), "{path} belongs to DEFAULT_USER_UID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_and_times_are_kept_without_the_dangerous_bits() {
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    let zip = Zip::new()
        .file_mode("run", "#!", 0o755)
        .file_mode("private", "", 0o600)
        .file_mode("suid", "", 0o6755)
        .file_mode("sticky", "", 0o1644);
    api.upload(&cuid, "", zip.bytes()).await.expect(200);
    for (name, mode) in [("run", 0o755), ("private", 0o600), ("suid", 0o755), ("sticky", 0o644)] {
        let meta = std::fs::metadata(mount.join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, mode, "{name}");
        // 2024-05-06 07:08:10, in whatever zone the daemon takes for DOS time.
        assert!((meta.mtime() - 1_714_979_290).abs() < 15 * 3600, "{name}: {}", meta.mtime());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_python_archive_unpacks_to_readable_files() {
    // Python's `writestr` sets mode 0600; an archive from DOS none at all.
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    let dos = zips::Entry { mode: 0, ..zips::Entry::new(b"dos.txt", b"x", 0) };
    api.upload(&cuid, "", Zip::new().entry(&dos).bytes()).await.expect(200);
    let mode = std::fs::metadata(mount.join("dos.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600, "without a mode it is at least readable and writable: {mode:o}");
}

#[tokio::test(flavor = "multi_thread")]
async fn path_names_the_folder_and_app_is_the_root() {
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    for (query, at) in [
        ("?path=sub/dir", "sub/dir/f"),
        ("?path=/app/other", "other/f"),
        ("?path=/app/", "f"),
        ("?path=/app", "f"),
        ("?path=sp%20ace/%C3%BC", "sp ace/ü/f"),
        ("?path=trailing/", "trailing/f"),
    ] {
        let _ = std::fs::remove_file(mount.join("f"));
        api.upload(&cuid, query, Zip::new().file("f", query).bytes()).await.expect(200);
        assert_eq!(std::fs::read_to_string(mount.join(at)).unwrap(), query);
    }
    assert_eq!(
        std::fs::metadata(mount.join("sub")).unwrap().uid(),
        1000,
        "folders made on the way belong to the user"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_keeps_and_replace_clears() {
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    api.upload(&cuid, "", Zip::new().file("a", "1").file("d/b", "1").file("other/c", "1").bytes())
        .await
        .expect(200);
    api.upload(&cuid, "?mode=merge", Zip::new().file("a", "2").file("d/new", "2").bytes()).await.expect(200);
    let read = |path: &str| std::fs::read_to_string(mount.join(path)).ok();
    assert_eq!((read("a"), read("d/b"), read("d/new"), read("other/c")), tuple("2", "1", "2", "1"));
    api.upload(&cuid, "?mode=replace&path=d", Zip::new().file("only", "3").bytes()).await.expect(200);
    assert_eq!((read("d/only"), read("d/b"), read("d/new")), (Some("3".into()), None, None));
    assert_eq!(read("a").as_deref(), Some("2"), "what is outside of the folder stays");
    api.upload(&cuid, "?mode=replace", Zip::new().file("last", "4").bytes()).await.expect(200);
    let left: Vec<_> = std::fs::read_dir(&mount).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["last"]);
    api.upload(&cuid, "?mode=mix", Zip::new().file("x", "").bytes())
        .await
        .refused("validation_error", "INVALID_QUERY");
}

fn tuple(
    a: &str,
    b: &str,
    c: &str,
    d: &str,
) -> (Option<String>, Option<String>, Option<String>, Option<String>) {
    let own = |s: &str| Some(s.to_owned());
    (own(a), own(b), own(c), own(d))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_container_sees_an_upload_at_once() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    for mode in ["merge", "replace"] {
        api.upload(&cuid, &format!("?mode={mode}"), Zip::new().file("new", mode).bytes()).await.expect(200);
        assert_eq!(engine::exec(&cuid, "cat /app/new").await, mode, "the mount's root is never swapped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relative_links_inside_are_kept() {
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    let zip = Zip::new()
        .file("node_modules/tool/cli.js", "x")
        .link("node_modules/.bin/tool", "../tool/cli.js")
        .link("here", "node_modules");
    api.upload(&cuid, "", zip.bytes()).await.expect(200);
    assert_eq!(
        std::fs::read_link(mount.join("node_modules/.bin/tool")).unwrap().to_str(),
        Some("../tool/cli.js")
    );
    assert_eq!(std::fs::read_link(mount.join("here")).unwrap().to_str(), Some("node_modules"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_may_come_in_three_forms_and_no_other() {
    let api = shared().await;
    let (cuid, mount) = mounted(&api).await;
    let path = format!("/containers/{cuid}/upload-zip");
    for (i, kind) in
        ["application/zip", "application/octet-stream", "application/zip; charset=binary"].iter().enumerate()
    {
        let zip = Zip::new().file(&format!("f{i}"), "x").bytes();
        api.send(api.request("POST", &path).header("content-type", *kind).body(zip)).await.expect(200);
        assert!(mount.join(format!("f{i}")).exists());
    }
    let part = reqwest::multipart::Part::bytes(Zip::new().file("multi", "x").bytes()).file_name("a.zip");
    let form = reqwest::multipart::Form::new().part("file", part);
    api.send(api.request("POST", &path).multipart(form)).await.expect(200);
    assert!(mount.join("multi").exists());
    let form = reqwest::multipart::Form::new().text("other", "x");
    api.send(api.request("POST", &path).multipart(form)).await.refused("validation_error", "");
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense"] {
        let answer =
            api.send(api.request("POST", &path).header("content-type", kind).body(Zip::new().bytes())).await;
        answer.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
    }
    api.send(api.request("POST", &path).body(Zip::new().bytes())).await.refused("unsupported_media_type", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_archive_is_no_error() {
    let api = shared().await;
    let (cuid, _) = mounted(&api).await;
    let answer = api.upload(&cuid, "", Zip::new().bytes()).await.expect(200);
    assert_eq!((&answer["files"], &answer["bytes"]), (&json!(0), &json!(0)));
}

/// Peak resident memory of a process, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_body_up_or_down() {
    let daemon = Daemon::start().await;
    let (cuid, _) = mounted(&daemon).await;
    let small = Zip::new().file("small", [1; 1000]).bytes();
    daemon.upload(&cuid, "", small).await.expect(200);
    let before = peak(daemon.pid());
    let data = noise(150_000_000);
    let zip = Zip::new().file("large", &data).bytes();
    daemon.upload(&cuid, "", zip).await.expect(200);
    let got = daemon.get(&format!("/containers/{cuid}/download?path=large")).await;
    assert!(got.expect_bytes(200) == data, "the bytes are the same");
    drop(got);
    daemon.get(&format!("/containers/{cuid}/download-zip")).await.expect_bytes(200);
    let grown = peak(daemon.pid()).saturating_sub(before);
    assert!(grown < 60_000, "memory grew by {grown} KiB for a body of 150 MB");
}
