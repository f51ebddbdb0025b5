//! The tests' own tools do what they say: a fault that is not injected would prove nothing.

use std::process::Command;

use crate::support::zips::{Entry, bomb, read};
use crate::support::*;

fn through(proxy: &Proxy) -> std::process::Child {
    let quiet = std::process::Stdio::null;
    Command::new("docker")
        .args(["-H", &proxy.docker_host(), "ps"])
        .stdout(quiet())
        .stderr(quiet())
        .spawn()
        .unwrap()
}

async fn ended(child: &mut std::process::Child, seconds: f64) -> Option<bool> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.success());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_passes_hangs_stops_and_comes_back() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ended(&mut through(&proxy), 10.0).await, Some(true), "it passes");
    proxy.hang();
    let mut hung = through(&proxy);
    assert_eq!(ended(&mut hung, 2.0).await, None, "it hangs");
    proxy.resume();
    assert_eq!(ended(&mut hung, 10.0).await, Some(true), "what hung goes on");
    proxy.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ended(&mut through(&proxy), 10.0).await, Some(false), "it is gone");
    proxy.resume();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ended(&mut through(&proxy), 10.0).await, Some(true), "it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_compose_fails_hangs_and_is_slow() {
    let compose = Compose::new();
    let ask = || {
        let quiet = std::process::Stdio::null;
        Command::new(compose.bin()).args(["ls", "-q"]).stdout(quiet()).stderr(quiet()).spawn().unwrap()
    };
    assert_eq!(ended(&mut ask(), 10.0).await, Some(true), "it is the real one");
    assert!(compose.read("calls").contains("ls -q"));
    compose.fail("words");
    assert_eq!(ask().wait().unwrap().code(), Some(17));
    compose.slow(1.0);
    let begin = Instant::now();
    assert_eq!(ended(&mut ask(), 10.0).await, Some(true));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    compose.hang();
    let mut hung = ask();
    compose.is_in_it().await;
    assert_eq!(ended(&mut hung, 1.0).await, None);
    assert_eq!(compose.alive().len(), 2, "the child and the grandchild");
    drop(compose);
    hung.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archives_are_what_they_claim() {
    let zip = Zip::new().file("a/b", "text").dir("d").link("l", "a/b").file_mode("x", "#!", 0o755).bytes();
    let entries = read(&zip);
    let names: Vec<&str> = entries.iter().map(|e| &*e.0).collect();
    assert_eq!(names, ["a/b", "d/", "l", "x"]);
    assert_eq!((entries[0].1, &*entries[0].2), (0o100_644, &b"text"[..]));
    assert_eq!(entries[2].1, 0o120_777);
    assert_eq!(entries[3].1, 0o100_755);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, &zip).unwrap();
    let checked = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&path).output().unwrap();
    assert!(
        checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("Done testing"),
        "another reader takes it"
    );
    let lying = Zip::new().entry(&Entry { crc: 1, ..Entry::new(b"f", b"x", 0o100_644) }).bytes();
    std::fs::write(&path, &lying).unwrap();
    let checked = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&path).output().unwrap();
    assert!(String::from_utf8_lossy(&checked.stdout).contains("corrupted"), "and sees the lie");
    assert!(bomb(10_000_000).len() < 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_images_are_here() {
    for image in [BUSYBOX, PYTHON, "wharfinger-test/bash:1"] {
        docker(&["image", "inspect", "--format", "{{.Id}}", image]).await;
    }
    let has =
        "for c in sh nc httpd stty wget head tr yes wc; do command -v $c >/dev/null || echo no $c; done";
    assert_eq!(docker(&["run", "--rm", BUSYBOX, "sh", "-c", has]).await, "");
    assert_eq!(docker(&["run", "--rm", PYTHON, "python", "-c", "print(6*7)"]).await, "42");
}
