//! `kill -9` of the daemon before each call by which an operation changes what lies in its data folder.

use crate::support::operations::{Create, Delete, Operation, Patch, PutFile, Upload, no_half_written_file};
use crate::support::syscalls::{Fault, Tracer, sample};
use crate::support::*;

/// Kills the daemon before the calls of an operation, one at a time, and starts it again.
async fn killed_at_each_call(operation: impl Operation, short: usize) {
    let mut daemon = Daemon::start().await;
    let of = operation.prepare(&daemon).await;
    let tracer = Tracer::over(&daemon, Fault::None);
    let done = daemon.send(operation.request(&daemon, &of)).await;
    assert!(done.status < 300, "{} {}", done.status, done.text());
    let calls = tracer.end();
    assert!(calls.iter().any(|(_, place)| place == "/logs/actions.jsonl"), "the answer's line: {calls:?}");
    operation.check(&daemon, &of).await;
    for point in sample(&(1..=calls.len()).collect::<Vec<_>>(), short) {
        let of = operation.prepare(&daemon).await;
        let tracer = Tracer::over(&daemon, Fault::Kill(point));
        let answer = daemon.try_send(operation.request(&daemon, &of)).await;
        let calls = tracer.calls();
        match answer {
            Ok(answer) => {
                assert!(answer.status < 300, "{} {}", answer.status, answer.text());
                daemon.kill_9().await;
            }
            Err(_) => drop(daemon.wait_end(5.0).await),
        }
        eprintln!("killed at {point}: {:?}", calls.last());
        tracer.end();
        daemon = daemon.again().start_within(60.0).await;
        let folder = daemon.data();
        no_half_written_file(&folder).await;
        daemon.audit();
        for path in ["/healthz", "/tokens", "/roles", "/containers"] {
            daemon.get(path).await.expect(200);
        }
        operation.check(&daemon, &of).await;
        no_half_written_file(&folder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_create_it_is_whole_or_absent_or_startable() {
    killed_at_each_call(Create, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_patch_the_container_is_what_is_told_of_it() {
    killed_at_each_call(Patch { ports: None }, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_patch_of_ports_the_container_is_what_is_told_of_it() {
    killed_at_each_call(Patch { ports: Some([free_port(), free_port()]) }, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_an_upload_each_file_is_the_old_or_the_new_one() {
    killed_at_each_call(Upload { mode: "merge" }, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_replacement_the_folder_is_the_old_or_the_new_one() {
    killed_at_each_call(Upload { mode: "replace" }, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_deletion_it_is_whole_or_gone() {
    killed_at_each_call(Delete, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_writing_of_a_file_it_is_the_old_or_the_new_one() {
    killed_at_each_call(PutFile, 3).await;
}
