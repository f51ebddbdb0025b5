//! Uploads that must not be taken: hostile archives, paths, links and bodies.

use crate::support::zips::bomb;
use crate::support::*;
use tokio::io::AsyncWriteExt;

/// A container whose mount has something to lose.
async fn furnished(api: &Api) -> String {
    let cuid = api.idle(json!({})).await;
    api.upload(&cuid, "", Zip::new().file("keep", "old").file("dir/keep", "old").bytes()).await.expect(200);
    cuid
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_outside_the_mount() {
    let api = shared().await;
    let cuid = furnished(&api).await;
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), api.mount(&cuid).join("out")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", api.mount(&cuid).join("passwd")).unwrap();
    let before = tree(&api.mount(&cuid));
    for path in ["..", "../x", "a/../../x", "%2e%2e/x", "out", "out/sub", "/app/../x", "a%00b"] {
        let answer = api.upload(&cuid, &format!("?path={path}"), Zip::new().file("f", "evil").bytes()).await;
        answer.refused("validation_error", "");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "{path} wrote outside");
        assert_eq!(tree(&api.mount(&cuid)), before, "{path}");
    }
    let answer = api.upload(&cuid, "", Zip::new().file("out/f", "evil").bytes()).await;
    assert!([200, 400, 409].contains(&answer.status), "{}", answer.text());
    assert_eq!(
        std::fs::read_dir(outside.path()).unwrap().count(),
        0,
        "an archive wrote through a planted link"
    );
    let answer = api.upload(&cuid, "", Zip::new().file("passwd", "evil").bytes()).await;
    assert!([200, 400, 409].contains(&answer.status), "{}", answer.text());
    assert_ne!(std::fs::read("/etc/passwd").unwrap(), b"evil");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_a_file_is_refused() {
    let api = shared().await;
    let cuid = furnished(&api).await;
    api.upload(&cuid, "?path=keep", Zip::new().file("f", "x").bytes())
        .await
        .refused("validation_error", "NOT_A_DIRECTORY");
    assert_eq!(std::fs::read(api.mount(&cuid).join("keep")).unwrap(), b"old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_folder_and_link_while_uploading_leads_nowhere() {
    let api = shared().await;
    let outside = tempfile::tempdir().unwrap();
    let cuid = furnished(&api).await;
    let mount = api.mount(&cuid);
    std::fs::create_dir(mount.join("real")).unwrap();
    std::os::unix::fs::symlink(outside.path(), mount.join("link")).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapper = {
        let (stop, mount) = (stop.clone(), mount.clone());
        std::thread::spawn(move || {
            let dir = std::fs::File::open(&mount).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ =
                    rustix::fs::renameat_with(&dir, "real", &dir, "link", rustix::fs::RenameFlags::EXCHANGE);
            }
        })
    };
    for i in 0..150 {
        let answer =
            api.upload(&cuid, "?path=real/sub", Zip::new().file(&format!("f{i}"), "evil").bytes()).await;
        assert!([200, 400, 404, 409].contains(&answer.status), "{}", answer.text());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "the upload escaped");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_bytes_entries_and_size_hold() {
    let builder = Daemon::builder()
        .env("APP_UPLOAD_MAX_BYTES", "100000")
        .env("APP_UPLOAD_MAX_ENTRIES", "10")
        .env("APP_UPLOAD_MAX_UNPACKED_BYTES", "50000");
    let daemon = builder.start().await;
    let cuid = furnished(&daemon).await;
    let before = tree(&daemon.mount(&cuid));
    let many = (0..11).fold(Zip::new(), |zip, i| zip.file(&format!("f{i}"), "x")).bytes();
    let body = Zip::new().file("big", vec![7; 120_000]).bytes();
    daemon.upload(&cuid, "", body.clone()).await.refused("too_large", "BODY_TOO_LARGE");
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(
        body.chunks(10_000).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>(),
    ));
    let request = daemon
        .request("POST", &format!("/containers/{cuid}/upload-zip"))
        .header("content-type", "application/zip");
    daemon.send(request.body(chunked)).await.refused("too_large", "BODY_TOO_LARGE");
    for (what, bytes) in
        [("entries", many), ("unpacked bytes", Zip::new().file("f", vec![7; 60_000]).bytes())]
    {
        let answer = daemon.upload(&cuid, "", bytes).await;
        assert!([400, 413].contains(&answer.status), "{what}: {}", answer.text());
        answer.refused(if answer.status == 400 { "validation_error" } else { "too_large" }, "");
        assert_eq!(tree(&daemon.mount(&cuid)), before, "{what}");
    }
    let fits = (0..10).fold(Zip::new(), |zip, i| zip.file(&format!("f{i}"), "x")).bytes();
    daemon.upload(&cuid, "", fits).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_or_stalls_changes_nothing() {
    let daemon = Daemon::builder().env("APP_BODY_IDLE_TIMEOUT", "2").start().await;
    let cuid = furnished(&daemon).await;
    let before = tree(&daemon.mount(&cuid));
    let zip = Zip::new().file("keep", "NEW").file("fill", vec![1; 50_000]).bytes();
    let head = format!(
        "POST /containers/{cuid}/upload-zip HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/zip\r\ncontent-length: {}\r\n\r\n",
        daemon.authorization().unwrap(),
        zip.len()
    );
    let open = || async {
        let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&zip[..20_000]).await.unwrap();
        socket
    };
    drop(open().await);
    let mut stalled = open().await;
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stalled, &mut answer);
    let _ = within("a stalled body is answered or cut", 10.0, read).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    assert_eq!(tree(&daemon.mount(&cuid)), before);
    daemon.upload(&cuid, "", zip).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_at_once_leave_one_whole_tree() {
    let api = shared().await;
    let cuid = furnished(&api).await;
    let path = "?mode=replace&path=t";
    let all = (0..8).map(|i| {
        let (api, cuid) = (&api, &cuid);
        async move {
            let zip = (0..30).fold(Zip::new(), |zip, f| zip.file(&format!("d/f{f}"), format!("{i}")));
            api.upload(cuid, path, zip.bytes()).await.expect(200)
        }
    });
    futures_util::future::join_all(all).await;
    let contents: std::collections::BTreeSet<String> =
        tree(&api.mount(&cuid).join("t")).into_values().filter(|v| v != "/").collect();
    assert_eq!(contents.len(), 1, "a mixed tree: {contents:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_by_its_ratio_and_a_small_file_of_zeros_is_none() {
    let daemon = Daemon::builder().env("APP_UPLOAD_MAX_RATIO", "20").start().await;
    let cuid = furnished(&daemon).await;
    let before = tree(&daemon.mount(&cuid));
    daemon.upload(&cuid, "", bomb(20 << 20)).await.refused("validation_error", "ARCHIVE_RATIO");
    assert_eq!(tree(&daemon.mount(&cuid)), before);
    daemon.upload(&cuid, "", bomb(1 << 20)).await.expect(200);
}
