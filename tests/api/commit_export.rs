//! Export and commit: what leaves a container as a whole.

use futures_util::StreamExt;

use crate::support::engine::{docker as engine, exec, inspect, signal_name, try_docker};
use crate::support::*;

/// An image of this test's own; gone when dropped.
struct Image(String);

impl Image {
    fn new() -> Self {
        Self(format!("{}:v1", unique("wharfinger-test/commit")))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.0]).output();
    }
}

/// How many sockets a process has open.
fn sockets(pid: u32) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    fds.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
        .count()
}

/// The most memory that a process has used, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn listed(tar: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tar).unwrap();
    let out = tokio::process::Command::new("tar").arg("-tf").arg(file.path()).output().await.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn export_is_a_tar_of_the_file_system() {
    let api = shared().await;
    let name = unique("exported");
    let cuid = api.running(json!({"name": name})).await;
    exec(&cuid, "echo hello > /tmp/mine").await;
    let answer = api.get(&format!("/containers/{cuid}/export")).await;
    let names = listed(answer.expect_bytes(200)).await;
    assert!(names.lines().any(|name| name == "tmp/mine"), "{names}");
    assert_eq!(answer.header("content-type"), Some("application/x-tar"));
    let wanted = format!("attachment; filename=\"{name}.tar\"");
    assert_eq!(answer.header("content-disposition"), Some(&*wanted));
    let stopped = api.idle(json!({})).await;
    listed(api.get(&format!("/containers/{stopped}/export")).await.expect_bytes(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_export_takes_no_memory_and_waits_for_a_slow_client() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"user": "0:0"})).await;
    exec(&cuid, "dd if=/dev/zero of=/large bs=1M count=192 2>/dev/null").await;
    let before = peak(daemon.pid());
    let response = daemon.request("GET", &format!("/containers/{cuid}/export")).send().await.unwrap();
    let mut body = response.bytes_stream();
    let mut read = body.next().await.unwrap().unwrap().len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    while let Some(piece) = body.next().await {
        read += piece.unwrap().len();
    }
    assert!(read > 192 * 1024 * 1024, "{read}");
    let grown = peak(daemon.pid()) - before;
    assert!(grown < 24 * 1024, "the daemon grew by {grown} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_an_export_frees_the_engine_s_connection() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"user": "0:0"})).await;
    exec(&cuid, "dd if=/dev/zero of=/large bs=1M count=64 2>/dev/null").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = sockets(daemon.pid());
    let login = daemon.login.as_ref().map(|(user, pass)| (user.as_str(), pass.as_str()));
    let api = Api::new(&daemon.base, login, &daemon.data());
    let mut open = Vec::new();
    for _ in 0..3 {
        let response = api.request("GET", &format!("/containers/{cuid}/export")).send().await.unwrap();
        let mut body = response.bytes_stream();
        body.next().await.unwrap().unwrap();
        open.push(body);
    }
    assert!(sockets(daemon.pid()) >= before + 6, "they are under way");
    drop((open, api));
    eventually("all is free again", 15.0, || async { (sockets(daemon.pid()) <= before).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_the_engine_breaks_off_does_not_end_well() {
    let proxy = Proxy::start();
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let cuid = daemon.running(json!({"user": "0:0"})).await;
    exec(&cuid, "dd if=/dev/zero of=/large bs=1M count=64 2>/dev/null").await;
    for how in ["stopped", "hung"] {
        let path = format!("/containers/{cuid}/export");
        let response = daemon.request("GET", &path).send().await.unwrap();
        let mut body = response.bytes_stream();
        body.next().await.unwrap().unwrap();
        if how == "hung" {
            proxy.hang();
        } else {
            proxy.stop();
        }
        assert!(stream::breaks_off(body).await, "{how}: a part was taken for the whole");
        proxy.resume();
        eventually("the engine is back", 10.0, || async {
            (daemon.get("/healthz").await.status == 200).then_some(())
        })
        .await;
    }
    proxy.answer("/export", 200, r#"{"message":"no more"}"#);
    let answer = daemon.request("GET", &format!("/containers/{cuid}/export")).send().await;
    let whole = match answer {
        Ok(response) => response.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!whole, "what is no whole tar does not end as one");
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_makes_an_image_of_the_container_as_it_is() {
    let api = shared().await;
    let image = Image::new();
    let cuid = api.running(json!({"user": "0:0"})).await;
    exec(&cuid, "echo mine > /mine").await;
    let body = json!({
        "image": image.0, "author": "someone <s@example.com>", "message": "before & after",
        "changes": ["CMD [\"cat\", \"/mine\"]", "env ADDED=\"a b\"", "EXPOSE 8080", "LABEL x=y", "USER 12", "WORKDIR /tmp",
                    "VOLUME /data", "STOPSIGNAL SIGINT", "ENTRYPOINT []"],
    });
    let answer = api.post_json(&format!("/containers/{cuid}/commit"), &body).await;
    let made = answer.expect(201);
    assert_eq!(made["image"], json!(image.0));
    assert_eq!(answer.header("location"), Some(&*format!("/images/{}", made["id"].as_str().unwrap())));
    let got: Value = serde_json::from_str(&engine(&["image", "inspect", &image.0]).await).unwrap();
    let (got, config) = (&got[0], &got[0]["Config"]);
    assert_eq!((&got["Id"], &got["Comment"]), (&made["id"], &json!("before & after")));
    assert_eq!((&got["Author"], &config["User"]), (&json!("someone <s@example.com>"), &json!("12")));
    let signal = signal_name(&config["StopSignal"]).or(config["StopSignal"].as_str());
    assert_eq!((&config["Cmd"], signal), (&json!(["cat", "/mine"]), Some("SIGINT")));
    assert!(config["Env"].to_string().contains("ADDED=a b"), "{config}");
    assert_eq!((&config["Labels"]["x"], &config["WorkingDir"]), (&json!("y"), &json!("/tmp")));
    assert_eq!(engine(&["run", "--rm", &image.0]).await, "mine");
    assert_eq!(api.status(&cuid).await, "running", "it was frozen for as long as that took");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_run_of_a_committed_image_by_hand_is_not_taken_for_the_container() {
    let api = shared().await;
    let image = Image::new();
    let cuid = api.running(json!({})).await;
    api.post_json(&format!("/containers/{cuid}/commit"), &json!({"image": image.0})).await.expect(201);
    let by_hand = engine(&["run", "-d", "--entrypoint", "sleep", &image.0, "1000"]).await;
    api.act(&cuid, "stop").await;
    api.act(&cuid, "start").await;
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    let lives = try_docker(&["inspect", "--format", "{{.State.Running}}", &by_hand]).await;
    engine(&["rm", "-f", &by_hand]).await;
    assert_eq!(lives, (true, "true".to_owned()));
    let again = api.running(json!({"image": image.0})).await;
    assert_eq!(exec(&again, "echo $CONTAINER_UID").await, again, "and one of ours is itself");
    api.delete(&format!("/containers/{again}?force=true")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_or_stopped_container_is_committed_as_it_is_and_a_missing_one_refused() {
    let api = shared().await;
    let image = Image::new();
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/commit");
    api.act(&cuid, "pause").await;
    api.post_json(&path, &json!({"image": image.0, "pause": false})).await.expect(201);
    assert_eq!(api.status(&cuid).await, "paused");
    api.act(&cuid, "stop").await;
    api.post_json(&path, &json!({"image": image.0})).await.expect(201);
    assert_eq!(inspect(&cuid).await["State"]["Status"], "exited");
    engine(&["rm", &cuid]).await;
    let answer = api.post_json(&path, &json!({"image": image.0})).await;
    assert_eq!(answer.refused("state_error", "INVALID_STATE")["details"]["status"], "missing");
    api.post_json("/containers/nobody/commit", &json!({"image": image.0})).await.refused("not_found", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_makes_nothing() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/commit");
    let name = unique("wharfinger-test/refused");
    for (body, code) in [
        (json!({}), "MISSING_IMAGE"),
        (json!({"image": "Not An Image"}), "INVALID_IMAGE"),
        (json!({"image": format!("{name}@sha256:{}", "a".repeat(64))}), "INVALID_IMAGE"),
        (json!({"image": name, "changes": ["RUN ls"]}), "INVALID_VALUE"),
        (json!({"image": name, "changes": ["ENV A=b\nRUN ls"]}), "INVALID_VALUE"),
        (json!({"image": name, "changes": ["ENV A=b", "EXPOSE no-port"]}), "INVALID_VALUE"),
        (json!({"image": name, "changes": "CMD ls"}), "INVALID_TYPE"),
        (json!({"image": name, "pause": "yes"}), "INVALID_TYPE"),
        (json!({"image": name, "repo": "x"}), "UNKNOWN_FIELD"),
    ] {
        api.post_json(&path, &body).await.refused("validation_error", code);
    }
    assert!(!try_docker(&["image", "inspect", &name]).await.0, "no image was made");
}
