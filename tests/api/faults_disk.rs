//! Full disks: each of the data folder's folders on a small one of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::engine::env_of;
use crate::support::operations::no_half_written_file;
use crate::support::*;

/// A small file system over one folder of the data folder, taken down when dropped.
struct Small(PathBuf);

impl Small {
    fn over(path: &Path, size: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mut command = Command::new("mount");
        let out = command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(path).output();
        assert!(out.unwrap().status.success(), "mounting a tmpfs (this test runs as root)");
        Self(path.to_owned())
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join(".filler")).unwrap();
        for piece in [64 * 1024, 512] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join(".filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A daemon of whose data folder one folder is small.
async fn with_small(folder: &str, size: &str) -> (Daemon, Small) {
    let builder = Daemon::builder().env("APP_MIN_FREE_BYTES", "0");
    let small = Small::over(&builder.data().join(folder), size);
    (builder.start().await, small)
}

async fn is_whole(daemon: &Daemon, cuid: &str, word: &str) {
    let told = daemon.container(cuid).await;
    assert_eq!((&told["env"]["WHICH"], &told["status"]), (&json!(word), &json!("running")), "{told}");
    assert_eq!(env_of(&crate::support::engine::inspect(cuid).await, "WHICH").as_deref(), Some(word));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_compose_files_is_told_and_a_retry_works() {
    let (daemon, small) = with_small("compose", "256k").await;
    let cuid = daemon.running(json!({"env": {"WHICH": "old"}})).await;
    small.fill();
    let body = json!({"image": BUSYBOX, "command": IDLE, "name": "second"});
    let path = format!("/containers/{cuid}");
    let new = json!({"env": {"WHICH": "new"}});
    for _ in 0..2 {
        daemon.post_json("/containers", &body).await.refused("insufficient_storage", "NO_SPACE");
        daemon.patch(&path, &new).await.refused("insufficient_storage", "NO_SPACE");
    }
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 1);
    is_whole(&daemon, &cuid, "old").await;
    let mounts = std::fs::read_dir(daemon.data().join("mounts")).unwrap().flatten();
    assert_eq!(mounts.filter(|entry| entry.file_name().to_string_lossy().starts_with('c')).count(), 1);
    // What needs no room goes on, and is known again.
    assert_eq!(daemon.act(&cuid, "restart").await["status"], "running");
    let daemon = daemon.restart().await;
    is_whole(&daemon, &cuid, "old").await;
    small.make_room();
    no_half_written_file(&daemon.data()).await;
    daemon.create(&body).await;
    daemon.patch(&path, &new).await.expect(200);
    is_whole(&daemon, &cuid, "new").await;
    small.fill();
    // To delete needs no room.
    daemon.delete(&format!("{path}?force=true")).await.expect(200);
    small.make_room();
    no_half_written_file(&daemon.data()).await;
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_mounts_is_told_and_a_retry_works() {
    let (daemon, small) = with_small("mounts", "4m").await;
    let cuid = daemon.idle(json!({})).await;
    let old = Zip::new().file("f", "old").file("g", "old").bytes();
    daemon.upload(&cuid, "", old).await.expect(200);
    let new = Zip::new().file("f", noise(100_000)).file("h", noise(100_000)).bytes();
    let file = |name: &str| std::fs::read(daemon.mount(&cuid).join(name)).ok();
    small.fill();
    for mode in ["merge", "replace"] {
        let answer = daemon.upload(&cuid, &format!("?mode={mode}"), new.clone()).await;
        answer.refused("insufficient_storage", "NO_SPACE");
        assert_eq!((file("f"), file("g"), file("h")), (Some(b"old".to_vec()), Some(b"old".to_vec()), None));
    }
    let put = || {
        let path = format!("/containers/{cuid}/files?path=f");
        daemon.send(daemon.request("PUT", &path).body(noise(100_000)).header("content-type", "text/plain"))
    };
    put().await.refused("insufficient_storage", "NO_SPACE");
    assert_eq!(file("f"), Some(b"old".to_vec()));
    no_half_written_file(&daemon.data()).await;
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running", "the container goes on");
    small.make_room();
    daemon.upload(&cuid, "", new).await.expect(200);
    put().await.expect(200);
    assert_eq!(file("h").unwrap().len(), 100_000);
    small.fill();
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    assert!(!daemon.mount(&cuid).exists(), "to delete needs no room");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_disk_that_fills_line_by_line_holds_whole_lines_only() {
    // Of pages of 4 KiB, so that a line is cut short by the end of one.
    let (daemon, small) = with_small("logs", "128k").await;
    let path = format!("/{}", "n".repeat(700));
    let log = daemon.data().join("logs/actions.jsonl");
    for _ in 0..2 {
        let mut lines = 0;
        for _ in 0..400 {
            daemon.get(&path).await.expect_bytes(404);
            let now = daemon.audit().len();
            assert!(std::fs::read(&log).unwrap().ends_with(b"\n"), "a short line is cut back");
            lines = lines.max(now);
        }
        assert!(lines > 50, "it was written: {lines}");
        assert_eq!(daemon.get("/healthz").await.json()["status"], "degraded", "and is full");
        daemon.audit();
        std::fs::remove_file(&log).unwrap();
    }
    daemon.get("/containers").await.expect(200);
    assert_eq!(daemon.audit().len(), 1, "there is room again");
    drop((daemon, small));
}
