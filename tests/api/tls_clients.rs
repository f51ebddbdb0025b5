//! TLS with clients that have other libraries beneath: curl, Python and Node.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use crate::support::tls;
use crate::support::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn run(command: &mut Command) -> Output {
    within("it ends", 60.0, command.kill_on_drop(true).output()).await.unwrap()
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A client of a terminal, told where and as whom.
async fn terminal(program: PathBuf, script: &str) {
    let authority = Authority::new();
    let daemon = Daemon::builder().tls(&authority).start().await;
    let cuid = daemon.running(json!({})).await;
    let ca = daemon.data().join("authority.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let (user, pass) = daemon.login.clone().unwrap();
    let mut command = Command::new(program);
    command
        .arg(root().join("tests/clients").join(script))
        .env("NODE_PATH", root().join("target/guide/node_modules"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WHARFINGER_URL", &daemon.base)
        .env("WHARFINGER_USER", user)
        .env("WHARFINGER_PASS", pass)
        .env("WHARFINGER_CUID", &cuid)
        .env("WHARFINGER_CA", &ca);
    let out = run(&mut command).await;
    assert!(out.status.success() && text(&out).contains("works over TLSv1.3"), "{}", text(&out));
    std::fs::write(&ca, Authority::new().pem()).unwrap();
    let out = run(&mut command).await;
    assert!(!out.status.success(), "it does not trust another authority: {}", text(&out));
    assert!(text(&out).to_lowercase().contains("certificate"), "{}", text(&out));
}

#[tokio::test(flavor = "multi_thread")]
async fn python_opens_a_terminal() {
    terminal(root().join("target/guide/venv/bin/python"), "terminal.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_opens_a_terminal() {
    terminal("node".into(), "terminal.js").await;
}

/// Runs `openssl` in a folder.
async fn openssl(folder: &Path, args: &str) {
    let out = run(Command::new("openssl").args(args.split(' ')).current_dir(folder)).await;
    assert!(out.status.success(), "openssl {args}: {}", text(&out));
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_takes_what_openssl_made_with_a_key_in_every_form() {
    const MAKE: &str =
        "-nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    let builder = Daemon::builder().tls(&Authority::new());
    let data = builder.data();
    for (kind, header, convert) in [
        ("-newkey rsa:2048", "-----BEGIN PRIVATE KEY-----", "pkey -in made.key -out tls.key"),
        ("-newkey rsa:2048", "-----BEGIN RSA PRIVATE KEY-----", "rsa -traditional -in made.key -out tls.key"),
        (EC, "-----BEGIN PRIVATE KEY-----", "pkey -in made.key -out tls.key"),
        (EC, "-----BEGIN EC PRIVATE KEY-----", "ec -in made.key -out tls.key"),
        ("-newkey ed25519", "-----BEGIN PRIVATE KEY-----", "pkey -in made.key -out tls.key"),
    ] {
        openssl(&data, &format!("req -x509 {kind} {MAKE} -keyout made.key -out tls.crt")).await;
        openssl(&data, convert).await;
        let key = std::fs::read_to_string(data.join(tls::KEY)).unwrap();
        assert!(key.starts_with(header), "{kind}: {}", key.lines().next().unwrap());
        let daemon = builder.clone().start().await;
        for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"]] {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--noproxy", "*", "--cacert", "tls.crt"]).args(version);
            let (user, pass) = daemon.login.clone().unwrap();
            curl.args(["--user", &format!("{user}:{pass}"), &format!("{}/containers", daemon.base)]);
            let out = run(curl.current_dir(&data)).await;
            assert!(out.status.success(), "{kind} {version:?}: {}", text(&out));
            let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
            assert_eq!(answer["containers"], json!([]), "{kind}: {answer}");
        }
    }
}
