//! A disk that fails or is full at any one call, and power that goes right after an answer.

use rustix::io::Errno;

use crate::support::operations::{Create, Delete, Operation, Patch, PutFile, Upload, no_half_written_file};
use crate::support::syscalls::{Fault, Tracer, sample};
use crate::support::*;

/// The calls of an operation that comes to its end, and is done.
async fn calls_of(operation: &impl Operation, daemon: &Daemon, fault: Fault) -> Vec<(String, String)> {
    let of = operation.prepare(daemon).await;
    let tracer = Tracer::over(daemon, fault);
    let done = daemon.send(operation.request(daemon, &of)).await;
    let calls = tracer.end();
    assert!(done.status < 300, "{} {}", done.status, done.text());
    assert!(operation.is_done(daemon, &of).await);
    operation.check(daemon, &of).await;
    calls
}

fn is_sync((name, _): &(String, String)) -> bool {
    ["fsync", "fdatasync", "syncfs"].contains(&name.trim_start_matches('!'))
}

/// Lets the calls of an operation fail, one at a time: it says so and is not done, or it is done.
async fn fails_at_each_call(operation: impl Operation, short: usize, errno: Errno) {
    let only_syncs = errno == Errno::IO;
    let daemon = Daemon::start().await;
    let calls = calls_of(&operation, &daemon, Fault::None).await;
    // To remove something takes no room; what could not be removed of staging is left for the next start.
    let takes_room = |(name, _): &(String, String)| !name.contains("unlink") && !name.contains("rmdir");
    let points: Vec<usize> = if only_syncs {
        (1..=calls.iter().filter(|call| is_sync(call)).count()).collect()
    } else {
        (1..=calls.len()).filter(|point| takes_room(&calls[point - 1])).collect()
    };
    for point in sample(&points, short) {
        let of = operation.prepare(&daemon).await;
        let fault = if only_syncs { Fault::FailSync(errno, point) } else { Fault::Fail(errno, point) };
        let tracer = Tracer::over(&daemon, fault);
        let answer = daemon.send(operation.request(&daemon, &of)).await;
        let calls = tracer.end();
        let mut calls = calls.iter().filter(|call| !only_syncs || is_sync(call));
        eprintln!("{point} fails: {:?}: {} {}", calls.nth(point - 1), answer.status, answer.text());
        if answer.status >= 300 {
            let (word, code) =
                if only_syncs { ("io_error", "IO_FAILED") } else { ("insufficient_storage", "NO_SPACE") };
            answer.refused(word, code);
        }
        let is_done = operation.is_done(&daemon, &of).await;
        assert_eq!(is_done, answer.status < 300, "what was refused is not done, and what was answered is");
        no_half_written_file(&daemon.data()).await;
        operation.check(&daemon, &of).await;
        daemon.audit();
    }
    eventually("it is well", 5.0, || async {
        (daemon.get("/healthz").await.json()["status"] == "ok").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_on_a_disk_that_is_full_at_any_call_is_whole_or_refused() {
    fails_at_each_call(Create, 2, Errno::NOSPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_on_a_disk_that_is_full_at_any_call_is_whole_or_refused() {
    fails_at_each_call(Patch { ports: None }, 2, Errno::NOSPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_on_a_disk_that_is_full_at_any_call_is_whole_or_refused() {
    fails_at_each_call(Upload { mode: "merge" }, 3, Errno::NOSPC).await;
    fails_at_each_call(Upload { mode: "replace" }, 3, Errno::NOSPC).await;
    fails_at_each_call(PutFile, 3, Errno::NOSPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_fsync_that_fails_is_told_and_nothing_of_the_change_is_done() {
    fails_at_each_call(Patch { ports: Some([free_port(), free_port()]) }, 1, Errno::IO).await;
    fails_at_each_call(Create, 1, Errno::IO).await;
    fails_at_each_call(Upload { mode: "merge" }, 1, Errno::IO).await;
    fails_at_each_call(Upload { mode: "replace" }, 2, Errno::IO).await;
    fails_at_each_call(PutFile, 1, Errno::IO).await;
}

/// The calls before the line of what became of it, which is the last one: the first says that it begins.
fn before_the_answer(calls: &[(String, String)]) -> &[(String, String)] {
    let lines: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].1 == "/logs/actions.jsonl").collect();
    assert!(lines.len() > 1, "{calls:#?}");
    &calls[..*lines.last().unwrap()]
}

/// What would be lost if the power went right after the answer: names that a folder has on no disk yet, and
/// files that got their name before their bytes were written.
fn unsynced(calls: &[(String, String)]) -> Vec<String> {
    let counts = |path: &str| {
        let places =
            path.starts_with("/compose/") || path.starts_with("/mounts/c") || path.starts_with("/access/");
        let own = path.rsplit('/').next().unwrap();
        let passing =
            [".lock", ".new-", ".deleting-", ".compose-"].iter().any(|start| own.starts_with(start));
        places && !passing && !path.starts_with("/compose/.deleting-")
    };
    let calls = before_the_answer(calls);
    let end = calls.len();
    let synced = |after: usize, before: usize, path: &str| {
        calls[after..before]
            .iter()
            .any(|call| is_sync(call) && !call.0.starts_with('!') && (call.0 == "syncfs" || call.1 == path))
    };
    let mut lost = Vec::new();
    for (at, (name, path)) in calls.iter().enumerate() {
        let (from, to) = path.split_once(" -> ").unwrap_or((path, path));
        let makes = ["mkdir", "open", "unlink", "rename", "link", "symlink", "rmdir"];
        let is_entry = makes.iter().any(|start| name.starts_with(start));
        for path in [from, to].into_iter().filter(|path| is_entry && counts(path)) {
            let parent = &path[..path.rfind('/').unwrap()];
            if !synced(at, end, parent) {
                lost.push(format!("{name} {path}: {parent} is not synced after it"));
            }
        }
        let written = calls[..at].iter().rposition(|(name, path)| name.contains("write") && path == from);
        if let Some(written) =
            written.filter(|_| name.starts_with("rename") && !synced(written.unwrap(), at, from))
        {
            lost.push(format!("{name} {path}: written at {written}, and not synced before it"));
        }
    }
    lost
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_on_the_disk() {
    let daemon = Daemon::start().await;
    let mut lost = Vec::new();
    let mut see = |what: &str, calls: Vec<(String, String)>| {
        let of_itself = before_the_answer(&calls).iter().filter(|(_, path)| !path.starts_with("/logs/"));
        assert!(of_itself.filter(|call| is_sync(call)).count() > 0, "{what}: {calls:#?}");
        lost.extend(unsynced(&calls).into_iter().map(|lost| format!("{what}: {lost}")));
    };
    see("create", calls_of(&Create, &daemon, Fault::None).await);
    see("patch", calls_of(&Patch { ports: None }, &daemon, Fault::None).await);
    see("merge", calls_of(&Upload { mode: "merge" }, &daemon, Fault::None).await);
    see("replace", calls_of(&Upload { mode: "replace" }, &daemon, Fault::None).await);
    see("put", calls_of(&PutFile, &daemon, Fault::None).await);
    see("delete", calls_of(&Delete, &daemon, Fault::None).await);
    let tracer = Tracer::over(&daemon, Fault::None);
    let token = daemon.make_token(json!({"roles": ["read"]})).await;
    see("token", tracer.end());
    let tracer = Tracer::over(&daemon, Fault::None);
    daemon.role("ops", &["docker:read"]).await;
    see("role", tracer.end());
    let tracer = Tracer::over(&daemon, Fault::None);
    daemon.revoke(&token.id).await;
    see("revocation", tracer.end());
    assert!(lost.is_empty(), "{lost:#?}");
}
