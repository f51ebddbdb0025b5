//! Archives that each break one rule, over HTTP: as an upload into a mount, and as the context of a build.

use crate::support::builds::{Image, build, request, staging_is_empty};
use crate::support::hostile::rules::{ENTRIES, UNPACKED_BYTES};
use crate::support::hostile::{tar_rules, zip_rules};
use crate::support::raw::is_long;
use crate::support::stream::resident;
use crate::support::tars::gzip;
use crate::support::*;

async fn strict() -> Daemon {
    Daemon::builder()
        .env("APP_UPLOAD_MAX_ENTRIES", &ENTRIES.to_string())
        .env("APP_UPLOAD_MAX_UNPACKED_BYTES", &UNPACKED_BYTES.to_string())
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_zip_that_breaks_a_rule_changes_a_mount() {
    let daemon = strict().await;
    let cuid = daemon.idle(json!({})).await;
    daemon
        .upload(&cuid, "", Zip::new().file("kept", "old").file("folder/kept", "old").bytes())
        .await
        .expect(200);
    let (mount, before) = (daemon.mount(&cuid), tree(&daemon.mount(&cuid)));
    for (number, case) in zip_rules::all().into_iter().enumerate() {
        // One way for each in a short run: which is tried at the check itself for both.
        let both = ["", "?mode=replace"];
        for query in if is_long() { &both[..] } else { &both[number % 2..][..1] } {
            let answer = daemon.upload(&cuid, query, case.bytes.clone()).await;
            assert_eq!(answer.json()["code"], case.code, "{}: {}", case.rule, answer.text());
            let error = answer.refused("validation_error", case.code);
            assert!(error["message"].as_str().unwrap().contains(case.says), "{}: {error}", case.rule);
            assert_eq!(tree(&mount), before, "{}", case.rule);
        }
    }
    staging_is_empty(&daemon).await;
    daemon.upload(&cuid, "", Zip::new().file("first", "new").bytes()).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_archive_that_breaks_a_rule_is_the_context_of_a_build() {
    let (daemon, image) = (strict().await, Image::new());
    for case in zip_rules::all() {
        let answer = build(&daemon, &[("image", &image.0)], case.bytes).await;
        assert_eq!(answer.json()["code"], case.code, "{}: {}", case.rule, answer.text());
        answer.refused("validation_error", case.code);
    }
    for case in tar_rules::all() {
        let is_packed = case.bytes.starts_with(&[0x1f, 0x8b]);
        let mut forms = vec![("application/x-tar", case.bytes.clone())];
        // A tar that is not one is not told apart when it is compressed; a large one is a bomb.
        if !is_packed && case.bytes.len() < 1 << 20 && !case.bytes.is_empty() {
            forms.push(("application/gzip", gzip(&case.bytes)));
        }
        for (kind, bytes) in forms {
            let answer = daemon.send(request(&daemon, &[("image", &image.0)], kind, bytes)).await;
            assert_eq!(answer.json()["code"], case.code, "{} as {kind}: {}", case.rule, answer.text());
            answer.refused("validation_error", case.code);
        }
    }
    staging_is_empty(&daemon).await;
    assert!(!image.exists().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_empty_entries_are_refused_before_they_are_read() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let bytes = zip_rules::many_empty(if is_long() { 1_000_000 } else { 210_000 });
    daemon.upload(&cuid, "", Zip::new().file("a", "x").bytes()).await.expect(200);
    let before = resident(daemon.pid());
    let length = bytes.len() as u64;
    daemon.upload(&cuid, "", bytes).await.refused("validation_error", "ARCHIVE_TOO_MANY_ENTRIES");
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < length, "{grown} bytes more for an archive of {length}");
    assert_eq!(std::fs::read_dir(daemon.mount(&cuid)).unwrap().count(), 1);
}
