//! `GET /containers/{id}/download-zip`.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::zips::read;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_downloaded_archive_goes_up_again_as_it_was() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let many = (0..200).fold(Zip::new(), |zip, i| zip.file(&format!("many/f{i}"), format!("content {i}")));
    let zip = many
        .file_mode("run", "#!", 0o755)
        .dir("empty")
        .file("ü/日本", "x")
        .file("nm/t/cli", "x")
        .link("nm/.bin/t", "../t/cli");
    api.upload(&cuid, "", zip.bytes()).await.expect(200);
    let answer = api.get(&format!("/containers/{cuid}/download-zip")).await;
    let bytes = answer.expect_bytes(200);
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert!(answer.header("content-disposition").unwrap().contains(".zip"));
    let entries = read(bytes);
    let find = |name: &str| {
        entries.iter().find(|e| e.0 == name).unwrap_or_else(|| panic!("no {name} in the archive"))
    };
    assert_eq!(find("many/f7").2, b"content 7");
    assert_eq!(find("run").1 & 0o777, 0o755);
    assert_eq!(find("ü/日本").2, b"x");
    assert_eq!(find("empty/").1 & 0o170_000, 0o040_000);
    let link = find("nm/.bin/t");
    assert_eq!((link.1 & 0o170_000, &*link.2), (0o120_000, &b"../t/cli"[..]), "a link is stored as a link");
    let other = api.idle(json!({})).await;
    api.upload(&other, "", bytes.to_vec()).await.expect(200);
    let again = api.get(&format!("/containers/{other}/download-zip")).await;
    assert_eq!(read(again.expect_bytes(200)), entries, "the round trip changes nothing");
    let mtime = |cuid: &str| std::fs::metadata(api.mount(cuid).join("run")).unwrap().modified().unwrap();
    assert_eq!(mtime(&cuid), mtime(&other), "times are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_relative_to_the_folder_asked_for() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    api.upload(&cuid, "", Zip::new().file("a/b/c", "x").file("a/d", "y").file("z", "z").bytes())
        .await
        .expect(200);
    for path in ["a", "/app/a", "a/"] {
        let answer = api.get(&format!("/containers/{cuid}/download-zip?path={path}")).await;
        let names: Vec<String> =
            read(answer.expect_bytes(200)).into_iter().map(|e| e.0).filter(|n| !n.ends_with('/')).collect();
        assert_eq!(names, ["b/c", "d"], "{path}");
    }
    let base = format!("/containers/{cuid}/download-zip");
    api.get(&format!("{base}?path=none")).await.refused("not_found", "FILE_NOT_FOUND");
    api.get(&format!("{base}?path=z")).await.refused("validation_error", "NOT_A_DIRECTORY");
    api.get(&format!("{base}?path=../..")).await.refused("validation_error", "PATH_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mount_is_an_empty_archive() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let answer = api.get(&format!("/containers/{cuid}/download-zip")).await;
    assert!(read(answer.expect_bytes(200)).iter().all(|e| e.0.is_empty() || e.0 == "./"), "an empty mount");
}

#[tokio::test(flavor = "multi_thread")]
async fn special_files_are_left_out_and_links_are_not_followed() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let mount = api.mount(&cuid);
    std::fs::write(mount.join("file"), "x").unwrap();
    std::fs::write(mount.join("setuid"), "x").unwrap();
    std::fs::set_permissions(mount.join("setuid"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, mount.join("fifo"), rustix::fs::FileType::Fifo, 0o644.into(), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(mount.join("sock")).unwrap();
    symlink("/etc", mount.join("etc")).unwrap();
    symlink(".", mount.join("round")).unwrap();
    let answer = within("an answer", 10.0, api.get(&format!("/containers/{cuid}/download-zip"))).await;
    let entries = read(answer.expect_bytes(200));
    let names: Vec<&str> = entries.iter().map(|e| &*e.0).collect();
    assert!(names.contains(&"file"), "{names:?}");
    assert!(!names.contains(&"fifo") && !names.contains(&"sock"), "{names:?}");
    assert!(!names.iter().any(|n| n.starts_with("etc/") || n.starts_with("round/")), "{names:?}");
    let link = entries.iter().find(|e| e.0 == "round").unwrap();
    assert_eq!(link.2, b".");
    assert_eq!(entries.iter().find(|e| e.0 == "setuid").unwrap().1 & 0o7000, 0, "no setuid in an archive");
    api.get(&format!("/containers/{cuid}/download-zip?path=etc")).await.refused("validation_error", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_very_deep_tree_breaks_nothing() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    engine::exec(
        &cuid,
        "cd /app; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || break; i=$((i+1)); done; true",
    )
    .await;
    let path = format!("/containers/{cuid}/download-zip");
    let sent = api.request("GET", &path).send().await.expect("the head of an answer");
    assert!([200, 400].contains(&sent.status().as_u16()));
    let body = within("an end of the answer", 20.0, sent.bytes()).await;
    assert!(body.is_err(), "a tree deeper than the limit ends as an error, never as a whole archive");
    api.get("/healthz").await.expect(200);
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    assert!(!api.mount(&cuid).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_download() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let data = noise(60_000_000);
    std::fs::write(daemon.mount(&cuid).join("large"), data).unwrap();
    for path in ["download-zip", "download?path=large"] {
        let mut response = daemon.request("GET", &format!("/containers/{cuid}/{path}")).send().await.unwrap();
        response.chunk().await.unwrap();
        drop(response);
    }
    let holds = || {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|p| p.ends_with("large"))
    };
    eventually("the daemon lets go of the file", 40.0, || async { (!holds()).then_some(()) }).await;
}
