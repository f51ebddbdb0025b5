//! `DELETE /containers/{id}/files`, `POST …/files/mkdir` and `move`; and what all of the file manager has in common.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::files::{at, mounted, put};
use crate::support::*;

fn paths(root: &Path) -> Vec<String> {
    tree(root).into_keys().collect()
}

fn fill(mount: &Path) {
    std::fs::create_dir_all(mount.join("full/deep")).unwrap();
    std::fs::create_dir(mount.join("empty")).unwrap();
    for name in ["file", "full/deep/file"] {
        std::fs::write(mount.join(name), name).unwrap();
    }
    symlink("full", mount.join("link")).unwrap();
    symlink("/etc", mount.join("outside")).unwrap();
}

async fn remove(api: &Api, files: &str, path: &str, more: &str) -> Answer {
    api.delete(&format!("{}{more}", at(files, path))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_links_and_folders_are_removed() {
    let api = shared().await;
    let (cuid, files, mount) = mounted(&api).await;
    fill(&mount);
    let gone = remove(&api, &files, "/app/file", "").await.expect(200);
    assert_eq!(gone, json!({"cuid": cuid, "path": "file", "deleted": true}));
    remove(&api, &files, "empty", "").await.expect(200);
    remove(&api, &files, "full", "").await.refused("conflict", "FOLDER_NOT_EMPTY");
    remove(&api, &files, "full", "&recursive=false").await.refused("conflict", "FOLDER_NOT_EMPTY");
    remove(&api, &files, "link", "&recursive=true").await.expect(200);
    remove(&api, &files, "outside", "").await.expect(200);
    assert_eq!(paths(&mount), ["full", "full/deep", "full/deep/file"], "links are removed themselves");
    assert!(Path::new("/etc/passwd").exists());
    remove(&api, &files, "full", "&recursive=true").await.expect(200);
    assert!(tree(&mount).is_empty());
    remove(&api, &files, "full", "&recursive=true").await.refused("not_found", "FILE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_removed_is_refused_and_stays() {
    let api = shared().await;
    let (_, files, mount) = mounted(&api).await;
    fill(&mount);
    let before = tree(&mount);
    for (path, word, code) in [
        ("/app", "validation_error", "PATH_NOT_ALLOWED"),
        (".", "validation_error", "PATH_NOT_ALLOWED"),
        ("", "validation_error", "INVALID_QUERY"),
        ("../x", "validation_error", "PATH_NOT_ALLOWED"),
        ("outside/passwd", "validation_error", "PATH_NOT_ALLOWED"),
        ("link/deep", "validation_error", "PATH_NOT_ALLOWED"),
        ("file/x", "validation_error", "NOT_A_DIRECTORY"),
        ("none/x", "not_found", "FILE_NOT_FOUND"),
    ] {
        remove(&api, &files, path, "&recursive=true").await.refused(word, code);
    }
    remove(&api, &files, "file", "&recursive=maybe").await.refused("validation_error", "INVALID_QUERY");
    remove(&api, &files, "file", "&force=true").await.refused("validation_error", "INVALID_QUERY");
    let stale = api.request("DELETE", &at(&files, "file")).header("if-match", "\"stale\"");
    api.send(stale).await.refused("precondition_failed", "PRECONDITION_FAILED");
    assert_eq!(tree(&mount), before);
    let tag = api.get(&at(&files.replace("/files", "/download"), "file")).await;
    let fresh = api.request("DELETE", &at(&files, "file")).header("if-match", tag.header("etag").unwrap());
    api.send(fresh).await.expect(200);
    let none = api.request("DELETE", &at(&files, "file")).header("if-match", "*");
    api.send(none).await.refused("precondition_failed", "PRECONDITION_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_made() {
    let api = shared().await;
    let (cuid, files, mount) = mounted(&api).await;
    fill(&mount);
    let mkdir = |body: Value| {
        let (api, files) = (&api, &files);
        async move { api.post_json(&format!("{files}/mkdir"), &body).await }
    };
    let made = api.post_json(&format!("{files}/mkdir"), &json!({"path": "/app/new"})).await;
    assert_eq!(made.expect(201), json!({"cuid": cuid, "path": "new"}));
    assert_eq!(api.get(made.header("location").unwrap()).await.expect(200)["entries"], json!([]));
    let meta = std::fs::metadata(mount.join("new")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.permissions().mode() & 0o7777), (1000, 1000, 0o755));
    mkdir(json!({"path": "a/b/c"})).await.refused("not_found", "FILE_NOT_FOUND");
    assert!(!mount.join("a").exists());
    mkdir(json!({"path": "a/b/c", "parents": true})).await.expect(201);
    assert_eq!(std::fs::metadata(mount.join("a/b")).unwrap().uid(), 1000);
    assert_eq!(mkdir(json!({"path": "a/b/c", "parents": true})).await.expect(200)["path"], "a/b/c");
    for (path, word, code) in [
        ("a", "conflict", "FILE_EXISTS"),
        ("file", "conflict", "FILE_EXISTS"),
        ("link", "conflict", "FILE_EXISTS"),
        ("/app", "conflict", "FILE_EXISTS"),
        ("file/x", "validation_error", "NOT_A_DIRECTORY"),
        ("link/x", "validation_error", "PATH_NOT_ALLOWED"),
        ("outside/x", "validation_error", "PATH_NOT_ALLOWED"),
        ("../x", "validation_error", "PATH_NOT_ALLOWED"),
        ("", "validation_error", "INVALID_VALUE"),
    ] {
        mkdir(json!({"path": path})).await.refused(word, code);
        if !["a", "/app"].contains(&path) {
            mkdir(json!({"path": path, "parents": true})).await.refused(word, code);
        }
    }
    let long = mkdir(json!({"path": "x".repeat(256)})).await.refused("validation_error", "PATH_NOT_ALLOWED");
    assert_eq!(long["details"]["field"], "path");
    mkdir(json!({})).await.refused("validation_error", "MISSING_FIELD");
    mkdir(json!({"path": 1})).await.refused("validation_error", "INVALID_TYPE");
    mkdir(json!({"path": "x", "parents": "yes"})).await.refused("validation_error", "INVALID_TYPE");
    mkdir(json!({"path": "x", "mode": "0755"})).await.refused("validation_error", "UNKNOWN_FIELD");
    assert!(!mount.join("x").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_folders_and_links_are_moved() {
    let api = shared().await;
    let (cuid, files, mount) = mounted(&api).await;
    fill(&mount);
    let path = format!("{files}/move");
    let to = |from: &str, to: &str| {
        let body = json!({"from": from, "to": to});
        let (api, path) = (&api, &path);
        async move { api.post_json(path, &body).await }
    };
    let over = |from: &str, to: &str| {
        let body = json!({"from": from, "to": to, "overwrite": true});
        let (api, path) = (&api, &path);
        async move { api.post_json(path, &body).await }
    };
    let inode = std::fs::metadata(mount.join("full")).unwrap().ino();
    let moved = to("/app/full", "empty/tree").await.expect(200);
    assert_eq!(moved, json!({"cuid": cuid, "from": "full", "to": "empty/tree"}));
    assert_eq!(std::fs::metadata(mount.join("empty/tree")).unwrap().ino(), inode);
    to("link", "empty/link").await.expect(200);
    assert_eq!(std::fs::read_link(mount.join("empty/link")).unwrap(), Path::new("full"));
    to("file", "renamed").await.expect(200);
    std::fs::write(mount.join("other"), "other").unwrap();
    to("renamed", "other").await.refused("conflict", "FILE_EXISTS");
    to("renamed", "empty").await.refused("conflict", "FILE_EXISTS");
    over("renamed", "other").await.expect(200);
    assert_eq!(std::fs::read_to_string(mount.join("other")).unwrap(), "file");
    let before = tree(&mount);
    for (from, target, word, code) in [
        ("other", "empty", "conflict", "PATH_CONFLICT"),
        ("empty", "other", "conflict", "PATH_CONFLICT"),
        ("empty", "empty/tree/x", "validation_error", "PATH_NOT_ALLOWED"),
        ("empty", "empty", "validation_error", "PATH_NOT_ALLOWED"),
        ("other", "./other", "validation_error", "PATH_NOT_ALLOWED"),
        ("/app", "x", "validation_error", "PATH_NOT_ALLOWED"),
        ("other", "/app", "validation_error", "PATH_NOT_ALLOWED"),
        ("other", "../x", "validation_error", "PATH_NOT_ALLOWED"),
        ("../x", "other", "validation_error", "PATH_NOT_ALLOWED"),
        ("outside/passwd", "stolen", "validation_error", "PATH_NOT_ALLOWED"),
        ("other", "outside/planted", "validation_error", "PATH_NOT_ALLOWED"),
        ("other", "other/x", "validation_error", "NOT_A_DIRECTORY"),
        ("none", "x", "not_found", "FILE_NOT_FOUND"),
        ("none/x", "x", "not_found", "FILE_NOT_FOUND"),
        ("other", "none/x", "not_found", "FILE_NOT_FOUND"),
    ] {
        over(from, target).await.refused(word, code);
        assert_eq!(tree(&mount), before, "{from} to {target}");
    }
    std::fs::create_dir(mount.join("new")).unwrap();
    over("new", "empty/tree").await.refused("conflict", "FOLDER_NOT_EMPTY");
    over("empty", "new").await.expect(200);
    assert_eq!(std::fs::metadata(mount.join("new/tree")).unwrap().ino(), inode);
    let wrong = api.post_json(&path, &json!({"from": "", "overwrite": 1, "x": 1})).await;
    let wrong = wrong.refused("validation_error", "");
    assert_eq!(wrong["details"]["violations"].as_array().map(Vec::len), Some(4), "{wrong}");
    let field = to("other", "a/../b").await.refused("validation_error", "PATH_NOT_ALLOWED");
    assert_eq!(field["details"]["field"], "to", "{field}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_container_and_its_files_see_one_another() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let files = format!("/containers/{cuid}/files");
    put(&api, &files, "from-api", b"hello", &[]).await.expect(201);
    api.post_json(&format!("{files}/mkdir"), &json!({"path": "made"})).await.expect(201);
    let id = docker(&["ps", "-q", "--filter", &format!("label=com.docker.compose.project={cuid}")]).await;
    let shell = "cat from-api; ls -ld made; echo mine > made/mine; rm from-api";
    let said = docker(&["exec", "-u", "1000:1000", "-w", "/app", id.trim(), "sh", "-c", shell]).await;
    assert!(said.starts_with("hello") && said.contains("drwxr-xr-x"), "{said}");
    let listing = api.get(&at(&files, "made")).await.expect(200);
    assert_eq!(listing["entries"][0]["name"], "mine", "{listing}");
    assert_eq!(listing["entries"][0]["size"], 5, "{listing}");
    api.delete(&at(&files, "from-api")).await.refused("not_found", "FILE_NOT_FOUND");
    api.delete(&format!("{}&recursive=true", at(&files, "made"))).await.expect(200);
    assert_eq!(api.get(&files).await.expect(200)["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_engine_and_without_the_mount() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let (cuid, files, mount) = mounted(&daemon).await;
    proxy.hang();
    let work = async {
        put(&daemon, &files, "f", b"x", &[]).await.expect(201);
        daemon.post_json(&format!("{files}/mkdir"), &json!({"path": "d"})).await.expect(201);
        let body = json!({"from": "f", "to": "d/f"});
        daemon.post_json(&format!("{files}/move"), &body).await.expect(200);
        assert_eq!(daemon.get(&at(&files, "d")).await.expect(200)["total"], 1);
        daemon.delete(&format!("{}&recursive=true", at(&files, "d"))).await.expect(200);
    };
    within("the files while the engine hangs", 10.0, work).await;
    proxy.honest();
    std::fs::remove_dir_all(&mount).unwrap();
    daemon.get(&files).await.refused("validation_error", "NO_MOUNT");
    put(&daemon, &files, "f", b"x", &[]).await.refused("validation_error", "NO_MOUNT");
    daemon.delete(&at(&files, "f")).await.refused("validation_error", "NO_MOUNT");
    assert!(!daemon.mount(&cuid).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_names_the_action_and_the_file() {
    let daemon = Daemon::start().await;
    let (cuid, files, _) = mounted(&daemon).await;
    let asked = [
        (put(&daemon, &files, "a\u{e9}", b"12345", &[]).await, "files.put", "a\u{e9}"),
        (daemon.get(&files).await, "files.list", ""),
        (daemon.post_json(&format!("{files}/mkdir"), &json!({"path": "d"})).await, "files.mkdir", "d"),
        (
            daemon.post_json(&format!("{files}/move"), &json!({"from": "a\u{e9}", "to": "d/b"})).await,
            "files.move",
            "a\u{e9}",
        ),
        (daemon.delete(&at(&files, "d")).await, "files.delete", "d"),
    ];
    let lines = daemon.audit();
    for (answer, action, file) in &asked {
        let id = answer.header("x-request-id").unwrap();
        let line = lines.iter().find(|line| line["request_id"] == id).unwrap();
        assert_eq!(
            (&line["action"], &line["file"], &line["cuid"]),
            (&json!(action), &json!(file), &json!(cuid)),
            "{line}"
        );
        assert_eq!(line["path"], answer.asked.split([' ', '?']).nth(1).unwrap(), "{line}");
        match *action {
            "files.put" => assert_eq!(line["bytes"], 5, "{line}"),
            "files.move" => assert_eq!(line["to"], "d/b", "{line}"),
            "files.delete" => assert_eq!(line["code"], "FOLDER_NOT_EMPTY", "{line}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_daemon_left_of_a_put_is_swept() {
    let mut daemon = Daemon::start().await;
    let (cuid, files, mount) = mounted(&daemon).await;
    put(&daemon, &files, "f", b"old", &[]).await.expect(201);
    let head = format!(
        "PUT /containers/{cuid}/files?path=f HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 3000000\r\n\r\n",
        daemon.authorization().unwrap()
    );
    let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, &noise(2_000_000)).await.unwrap();
    let staging = daemon.data().join("mounts/.staging");
    eventually("the body is on its way", 5.0, || async {
        std::fs::read_dir(&staging).unwrap().next().is_some().then_some(())
    })
    .await;
    daemon.kill_9().await;
    let daemon = daemon.again().start().await;
    assert!(std::fs::read_dir(&staging).unwrap().next().is_none());
    assert_eq!(std::fs::read(mount.join("f")).unwrap(), b"old");
    put(&daemon, &files, "f", b"new", &[]).await.expect(200);
}
