//! The guide's own clients, run as they are printed.

use std::path::Path;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_client_of_the_guide_works_unchanged() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guide/run");
    assert!(run.exists(), "tests/guide/run is missing: the guide's clients are part of the tests");
    let daemon = Daemon::builder().env("APP_PASS", "password").start().await;
    let out = tokio::process::Command::new(&run)
        .env("WHARFINGER_URL", &daemon.base)
        .env("WHARFINGER_USER", "admin")
        .env("WHARFINGER_PASS", "password")
        .kill_on_drop(true)
        .output();
    let out = within("the guide's clients end", 300.0, out).await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}");
}

/// A token is short enough for every one of them: Ruby's `encode64`, which the guide's client writes its header with,
/// breaks lines after 45 bytes.
#[tokio::test(flavor = "multi_thread")]
async fn every_client_of_the_guide_works_with_a_token_as_its_password() {
    let daemon = Daemon::start().await;
    let body = json!({"name": "guide@example.com", "roles": ["write"], "permissions": ["docker:execute"]});
    let token = daemon.make_token(body).await;
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guide/run");
    let out = tokio::process::Command::new(&run)
        .env("WHARFINGER_URL", &daemon.base)
        .env("WHARFINGER_USER", "guide@example.com")
        .env("WHARFINGER_PASS", &token.secret)
        .kill_on_drop(true)
        .output();
    let out = within("the guide's clients end", 300.0, out).await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}");
    let mine = |line: &&Value| line["token"] == token.id.as_str();
    assert!(daemon.audit().iter().filter(mine).count() > 50, "it was the token that did all of it");
}
