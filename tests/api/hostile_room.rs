//! A container whose processes are hostile: they race the daemon for their files, and print without end.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::engine::docker as engine;
use crate::support::stream::resident;
use crate::support::*;

/// Exchanges a folder and a link to the outside as fast as it can: `renameat2` with `RENAME_EXCHANGE`.
const EXCHANGE: &str = r"
import ctypes, os, sys
syscall = ctypes.CDLL(None).syscall
os.makedirs('/app/in/deep', exist_ok=True)
for name in ('in/file', 'in/deep/file'):
    open('/app/' + name, 'w').write('inside')
os.symlink(sys.argv[1], '/app/other')
number = 276 if os.uname().machine == 'aarch64' else 316
while True:
    syscall(number, -100, b'/app/in', -100, b'/app/other', 2)
";

/// All that lies in a folder.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            found.extend(contents(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
            found.push((name, "/".to_owned()));
        } else {
            found.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// A folder that every user may change, did it but reach it.
fn outside() -> tempfile::TempDir {
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("deep")).unwrap();
    for name in ["file", "secret-inode", "deep/file"] {
        std::fs::write(outside.path().join(name), "secret").unwrap();
    }
    for folder in ["", "deep"] {
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(outside.path().join(folder), open).unwrap();
    }
    outside
}

/// Whether one that looks first and reads afterwards is caught, as the daemon must not be.
fn control_is_caught(mount: &Path) -> bool {
    let (file, root) = (mount.join("in/file"), mount.canonicalize().unwrap());
    let is_inside = file.canonicalize().is_ok_and(|real| real.starts_with(&root));
    is_inside && std::fs::read_to_string(&file).is_ok_and(|text| text == "secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_exchanges_folder_and_link_reaches_nothing_outside_by_any_route() {
    let api = shared().await;
    let outside = outside();
    let before = contents(outside.path());
    let command = json!(["python3", "-c", EXCHANGE, outside.path().to_str().unwrap()]);
    let body = json!({"image": "python:3.12-slim", "command": command, "state": "running"});
    let cuid = api.create(&body).await;
    let mount = api.mount(&cuid);
    eventually("the exchange goes on", 20.0, || async { mount.join("other").exists().then_some(()) }).await;
    eventually("the control is caught", 30.0, || async {
        (0..2000).any(|_| control_is_caught(&mount)).then_some(())
    })
    .await;
    let at = format!("/containers/{cuid}");
    let archive = Zip::new().file("file", "inside").file("deep/file", "inside").bytes();
    let mut done = std::collections::BTreeMap::<&str, usize>::new();
    for round in 0..rounds(25) {
        let (path, mode) = if round % 2 == 0 { ("in", "merge") } else { ("in/deep", "replace") };
        let json = |verb: &str, body: Value| api.request("POST", &format!("{at}/files/{verb}")).json(&body);
        let asked = [
            ("download", api.request("GET", &format!("{at}/download?path={path}/file"))),
            ("download-zip", api.request("GET", &format!("{at}/download-zip?path={path}"))),
            ("list", api.request("GET", &format!("{at}/files?path={path}"))),
            ("put", api.request("PUT", &format!("{at}/files?path={path}/file")).body("inside")),
            ("mkdir", json("mkdir", json!({"path": format!("{path}/made/x"), "parents": true}))),
            ("move", json("move", json!({"from": format!("{path}/file"), "to": "moved", "overwrite": true}))),
            ("move in", json("move", json!({"from": "moved", "to": format!("{path}/file")}))),
            ("delete", api.request("DELETE", &format!("{at}/files?path={path}/made&recursive=true"))),
            (
                "upload-zip",
                api.request("POST", &format!("{at}/upload-zip?path={path}&mode={mode}"))
                    .header("content-type", "application/zip")
                    .body(archive.clone()),
            ),
        ];
        for (verb, request) in asked {
            // A download whose folder is exchanged while it is sent breaks off.
            let Ok(response) = request.send().await else { continue };
            let status = response.status().as_u16();
            assert!(status < 500, "{verb} answered {status}");
            let Ok(bytes) = response.bytes().await else { continue };
            let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            assert!(!holds(b"secret"), "{verb} showed what is outside");
            *done.entry(verb).or_default() += usize::from(status < 300);
        }
    }
    eprintln!("done: {done:?}");
    assert_eq!(done.len(), 9, "{done:?}");
    assert!(done.values().filter(|count| **count > 0).count() >= 6, "{done:?}");
    api.delete(&format!("{at}?force=true")).await.expect(200);
    assert_eq!(contents(outside.path()), before);
    assert!(!mount.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_makes_no_device_and_its_setuid_file_is_none_outside() {
    let api = shared().await;
    let cuid = api.running(json!({"user": "0:0"})).await;
    let script = "cd /app; cp /bin/busybox su; chmod 6755 su; mkfifo fifo; mknod zero c 1 5 || echo refused";
    let ran = api.post_json(&format!("/containers/{cuid}/exec"), &json!({"cmd": script})).await.expect(200);
    assert_eq!(ran["stdout"], "refused\n", "{ran}");
    let mount = api.mount(&cuid);
    assert_eq!(std::fs::metadata(mount.join("su")).unwrap().permissions().mode() & 0o7777, 0o6755);
    // No user of the host gets to it.
    let mounts = std::fs::metadata(mount.parent().unwrap()).unwrap();
    assert_eq!(mounts.permissions().mode() & 0o777, 0o700);
    let guards =
        engine(&["inspect", "-f", "{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}", &cuid]).await;
    assert!(guards.contains("MKNOD") && guards.contains("no-new-privileges"), "{guards}");
    let asked = json!({"cmd": "grep NoNewPrivs /proc/self/status", "user": "1000:1000"});
    let ran = api.post_json(&format!("/containers/{cuid}/exec"), &asked).await.expect(200);
    assert_eq!(ran["stdout"], "NoNewPrivs:\t1\n", "a setuid file gives nothing: {ran}");
    within("an answer", 10.0, api.get(&format!("/containers/{cuid}/download?path=fifo")))
        .await
        .refused("validation_error", "NOT_A_REGULAR_FILE");
}

/// An answer that is asked for and never read.
async fn unread(daemon: &Daemon, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(daemon.address()).await.unwrap();
    let login = daemon.authorization().unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn output_without_end_costs_no_memory_and_holds_up_no_one() {
    const YES: &str = "exec yes 0123456789012345678901234567890123456789";
    let daemon = Daemon::start().await;
    let (loud, quiet) = (daemon.running(json!({"command": YES})).await, daemon.running(json!({})).await);
    // In every way that there is to be shown it, by clients that do not read.
    let (logs, attach) = (format!("/containers/{loud}/logs?follow=true"), "mode=attach");
    let text = format!("{logs}&timestamps=true");
    let _unread = (unread(&daemon, &logs).await, unread(&daemon, &text).await);
    let _attached = Terminal::open(&daemon, &loud, attach).await;
    let mut typed = Terminal::open(&daemon, &quiet, "").await;
    typed.type_in("yes out & yes err >&2\n").await;
    let mut tty = Terminal::open(&daemon, &quiet, "cols=80&rows=24").await;
    tty.type_in("yes tty\n").await;
    let endless = json!({"cmd": YES, "timeout": 6, "max_output": 1000});
    let path = format!("/containers/{loud}/exec");
    let endless = daemon.post_json(&path, &endless);
    let others = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (begun, before, mut slowest) = (Instant::now(), resident(daemon.pid()), Duration::ZERO);
        while begun.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            daemon.get("/healthz").await.expect(200);
            daemon.get("/containers").await.expect(200);
            slowest = slowest.max(asked.elapsed());
            let echo = json!({"cmd": ["echo", "here"]});
            let ran = daemon.post_json(&format!("/containers/{quiet}/exec"), &echo).await.expect(200);
            assert_eq!(ran["stdout"], "here\n");
        }
        let grown = resident(daemon.pid()).saturating_sub(before);
        eprintln!("grew by {grown} bytes, the slowest two answers took {slowest:?}");
        assert!(grown < 16 << 20, "memory grew by {grown} bytes");
        assert!(slowest < Duration::from_secs(5), "others waited {slowest:?}");
    };
    let (ended, ()) = tokio::join!(endless, others);
    let error = ended.refused("timeout", "EXEC_TIMED_OUT");
    assert!(error["details"]["stdout"].as_str().is_some_and(|text| text.len() <= 1000), "{error}");
    drop((typed, tty));
    eventually("what the terminals started is gone", 10.0, || async {
        let all = engine(&["top", &quiet, "-o", "pid,args"]).await;
        (!all.contains("yes ")).then_some(())
    })
    .await;
}
