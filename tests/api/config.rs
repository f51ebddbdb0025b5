//! What the daemon is told at its start.

use crate::support::daemon::{PASS, USER};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_user_or_password_it_refuses_and_says_which() {
    for name in ["APP_USER", "APP_PASS"] {
        let ended = Daemon::builder().without(name).refuses().await;
        assert!(ended.output.contains(name), "{}", ended.output);
        let ended = Daemon::builder().env(name, "").refuses().await;
        assert!(ended.output.contains(name), "{}", ended.output);
    }
    let ended = Daemon::builder().env("APP_PASS", "your_secure_password_here").refuses().await;
    assert!(ended.output.contains("APP_PASS"), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_is_refused_by_the_variable_s_name() {
    for (name, values) in [
        ("APP_PORT", &["x", "-1", "65536", "80 80"][..]),
        ("APP_HOST", &["not a host", "999.1.1.1"]),
        ("DEFAULT_USER_UID", &["root", "1000:", "-1:5", "1:2:3"]),
        ("APP_ENV", &["staging"]),
        ("APP_CHANGE_TIMEOUT", &["soon", "-1"]),
        ("APP_ENGINE_TIMEOUT", &["soon", "0"]),
        ("APP_PULL_TIMEOUT", &["x"]),
        ("APP_MAX_TERMINALS", &["many", "-1"]),
        ("APP_MAX_TERMINALS_PER_CONTAINER", &["x"]),
        ("APP_UPLOAD_MAX_BYTES", &["lots", "-5"]),
        ("APP_UPLOAD_MAX_ENTRIES", &["x"]),
        ("APP_UPLOAD_MAX_UNPACKED_BYTES", &["x"]),
        ("APP_UPLOAD_MAX_RATIO", &["x"]),
        ("APP_BODY_IDLE_TIMEOUT", &["x"]),
        ("APP_IDLE_TIMEOUT", &["x", "0"]),
        ("APP_ANSWER_IDLE_TIMEOUT", &["x", "0"]),
        ("APP_TRUSTED_PROXIES", &["nowhere"]),
        ("APP_ALLOWED_ORIGINS", &["no origin"]),
        ("APP_COMPOSE_BIN", &["/no/such/compose"]),
        ("DOCKER_HOST", &["tcp://127.0.0.1:2375", "ssh://host", "nonsense"]),
        ("APP_DATA_DIR", &["/dev/null/x"]),
        ("APP_LOG_MAX_BYTES", &["lots", "-1"]),
        ("APP_LOG_KEEP", &["x", "0"]),
        ("APP_LOG", &["###", "nonsense", "verbose", "info,", "info,nonsense", "a=b", "info,###=debug", "9"]),
    ] {
        for value in values {
            let ended = Daemon::builder().env(name, value).refuses().await;
            assert!(ended.output.contains(name), "{name}={value}: {}", ended.output);
            assert!(!ended.output.contains(PASS), "{}", ended.output);
            assert!(!ended.output.contains("panicked"), "{}", ended.output);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn env_is_read_from_the_working_folder_and_the_environment_wins() {
    let builder =
        Daemon::builder().without("APP_USER").without("APP_PASS").env("DEFAULT_USER_UID", "1700:1700");
    std::fs::write(
        builder.data().join(".env"),
        "# a comment\nAPP_USER=fromfile\nAPP_PASS='p#a ss'\nDEFAULT_USER_UID=1600:1600\n",
    )
    .unwrap();
    let daemon = builder.start().await;
    daemon.get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    let api = daemon.with_login(Some(("fromfile", "p#a ss")));
    api.get("/containers").await.expect(200);
    let cuid = api.idle(json!({"command": "id -u"})).await;
    api.upload(&cuid, "", Zip::new().file("f", "x").bytes()).await.expect(200);
    let meta = std::fs::metadata(api.mount(&cuid).join("f")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 1700, "the environment wins");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_env_file_stops_the_start() {
    let builder = Daemon::builder();
    std::fs::write(builder.data().join(".env"), "APP_USER=\"unclosed\nthis is no line").unwrap();
    let ended = builder.refuses().await;
    assert!(ended.output.contains(".env"), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folders_are_made_and_the_mounts_are_nobody_else_s() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("new/deep");
    let daemon = Daemon::builder().env("APP_DATA_DIR", folder.to_str().unwrap()).start().await;
    for name in ["compose", "mounts", "logs"] {
        assert!(folder.join(name).is_dir(), "{name}");
    }
    let mode = std::fs::metadata(folder.join("mounts")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    daemon.get("/healthz").await.expect(200);
    assert!(folder.join("logs/actions.jsonl").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_stops_the_start_with_a_message() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let ended = Daemon::builder().env("APP_PORT", &port).refuses().await;
    assert!(ended.output.contains(&port), "{}", ended.output);
    assert!(ended.code.is_some(), "no signal ended it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_that_was_named_is_the_one() {
    let port = free_port();
    let daemon = Daemon::builder().env("APP_PORT", &port.to_string()).start().await;
    assert_eq!(daemon.address(), format!("127.0.0.1:{port}"));
    assert_eq!(daemon.login.as_ref().unwrap().0, USER);
    daemon.get("/healthz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_takes_levels_and_levels_of_parts() {
    for value in ["debug", "INFO", "info,wharfinger::engine=debug", "warn,wharfinger=info"] {
        let daemon = Daemon::builder().env("APP_LOG", value).start().await;
        daemon.get("/healthz").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_single_quotes_stands_for_itself() {
    let pass = r#"p$HOME ${USER} #1 \n "x" $$"#;
    let builder = Daemon::builder().without("APP_PASS").env("HOME", "/root");
    std::fs::write(builder.data().join(".env"), format!("APP_PASS='{pass}'\n")).unwrap();
    let daemon = builder.start().await;
    daemon.with_login(Some((USER, pass))).get("/containers").await.expect(200);
}

/// A file that not even root removes, until it is dropped.
struct Immutable(std::path::PathBuf);

impl Immutable {
    fn at(path: std::path::PathBuf) -> Self {
        std::fs::write(&path, "x").unwrap();
        let file = Self(path);
        file.chattr("+i");
        file
    }

    fn chattr(&self, change: &str) {
        let done = std::process::Command::new("chattr").arg(change).arg(&self.0).status().unwrap();
        assert!(done.success(), "chattr {change} (this test runs as root)");
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        self.chattr("-i");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_swept_does_not_stop_the_start() {
    let builder = Daemon::builder();
    let staging = builder.data().join("mounts/.staging");
    std::fs::create_dir_all(staging.join("left")).unwrap();
    for name in ["a", "z"] {
        std::fs::write(staging.join(name), "x").unwrap();
    }
    let _folder = builder.clone();
    let _stuck = (Immutable::at(staging.join("m")), Immutable::at(staging.join("left/f")));
    let daemon = builder.start().await;
    assert!(daemon.output().contains(".staging"), "it is said: {}", daemon.output());
    assert!(!staging.join("a").exists() && !staging.join("z").exists(), "the rest is swept");
    let cuid = daemon.idle(json!({})).await;
    daemon.upload(&cuid, "", Zip::new().file("f", "x").bytes()).await.expect(200);
}

/// Too old for it, or run where a filter of system calls forbids it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_without_openat2_stops_the_start() {
    for error in [rustix::io::Errno::NOSYS, rustix::io::Errno::PERM] {
        let ended = Daemon::builder().without_openat2(error).refuses().await;
        assert!(ended.output.contains("openat2") && ended.output.contains("5.6"), "{}", ended.output);
    }
}
