//! Logs that are followed: over restarts and changes, until the end, without loss and without repetition.

use crate::support::engine::{docker as engine, try_docker};
use crate::support::*;

async fn follow(daemon: &Api, cuid: &str, query: &str) -> Stream {
    Stream::open(daemon, &format!("/containers/{cuid}/logs?follow=true{query}")).await
}

/// Prints numbered lines, some hundred a second, and its incarnation's name. Not faster: the engine turns its log's
/// files after 30 MB, and who is that far behind loses what was in them. It has the time to say its last words also
/// where the engine's disk stands still for a while.
async fn counting(daemon: &Api) -> String {
    let command = "i=0; trap 'echo end $RUN $i; exit 0' TERM; while :; do i=$((i+1)); echo $RUN $i; [ $((i % 7)) = 0 ] && echo e $RUN $i >&2 && sleep 0.01; done";
    let body = json!({"image": BUSYBOX, "command": command, "env": {"RUN": "r0"}, "state": "running", "stop_timeout": 120});
    daemon.create(&body).await
}

/// All lines until one that begins a later run.
async fn lines_until(stream: &mut Stream, is_enough: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    loop {
        let record = stream.next().await.expect("it goes on");
        let Some(data) = record["data"].as_str() else { panic!("it ended: {record}, {:?}", lines.last()) };
        lines.push((record["stream"].as_str().unwrap().to_owned(), data.trim_end().to_owned()));
        if is_enough(data) {
            return lines;
        }
    }
}

/// Each run's lines count from 1 on without gap or repetition, on both outputs.
fn assert_whole(lines: &[(String, String)], runs: usize) {
    let mut seen = 0;
    let (mut next, mut next_err) = (1, 7);
    for (stream, line) in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let number: u64 = words.last().unwrap().parse().unwrap();
        match (stream.as_str(), words[0]) {
            ("stderr", "e") => {
                if number == 7 && next_err != 7 {
                    next_err = 7;
                }
                assert_eq!(number, next_err, "stderr: {line}");
                next_err += 7;
            }
            ("stdout", "end") => assert!(number + 1 >= next, "{line} after {next}"),
            ("stdout", _) => {
                if number == 1 {
                    seen += 1;
                    next = 1;
                }
                assert_eq!(number, next, "stdout: {line}");
                next += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, runs, "runs that were seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_told_twice_over_a_restart_and_over_a_patch() {
    let daemon = shared().await;
    let cuid = counting(&daemon).await;
    let mut stream = follow(&daemon, &cuid, "").await;
    let mut lines = lines_until(&mut stream, |line| line == "r0 2000\n").await;
    let changes = async {
        daemon.act(&cuid, "restart").await;
        daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"RUN": "r2"}})).await.expect(200);
        daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"RUN": "r3"}})).await.expect(200);
    };
    let (more, ()) = tokio::join!(lines_until(&mut stream, |line| line == "r3 500\n"), changes);
    lines.extend(more);
    assert_whole(&lines, 4);
    let ends: Vec<&str> =
        lines.iter().map(|(_, line)| line.as_str()).filter(|line| line.starts_with("end")).collect();
    assert_eq!(ends.len(), 3, "the last words of each run: {ends:?}");
    // Who asks later is told the same.
    daemon.act(&cuid, "stop").await;
    let mut whole = Stream::open(&daemon, &format!("/containers/{cuid}/logs")).await;
    let mut later = Vec::new();
    while let Some(record) = whole.next().await {
        if let Some(data) = record["data"].as_str() {
            later.push((record["stream"].as_str().unwrap().to_owned(), data.trim_end().to_owned()));
        }
    }
    assert_whole(&later, 4);
    let of = |lines: &[(String, String)], stream: &str| -> Vec<String> {
        lines.iter().filter(|(own, _)| own == stream).map(|(_, line)| line.clone()).collect()
    };
    for output in ["stdout", "stderr"] {
        let (followed, later) = (of(&lines, output), of(&later, output));
        assert!(later.len() > followed.len() - 1 && later[..followed.len()] == followed[..], "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_told_as_soon_as_it_is_printed() {
    let daemon = shared().await;
    let cuid = daemon.running(json!({"command": "mkfifo /tmp/p; while :; do cat /tmp/p; done"})).await;
    let mut stream = follow(&daemon, &cuid, "&tail=0").await;
    for word in ["one", "two"] {
        engine(&[
            "exec",
            &cuid,
            "sh",
            "-c",
            &format!("until [ -p /tmp/p ]; do sleep 0.1; done; echo {word} > /tmp/p"),
        ])
        .await;
        let line = stream.line(2.0).await.unwrap();
        assert!(line.contains(&format!("{word}\\n")), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_container_and_its_exit_code() {
    let daemon = shared().await;
    let body = json!({"image": BUSYBOX, "command": "sleep 1.5; echo last; exit 7", "state": "running"});
    let cuid = daemon.create(&body).await;
    let (data, end) = follow(&daemon, &cuid, "").await.rest().await;
    assert_eq!((data.as_str(), end), ("last\n", json!({"reason": "exited", "exit_code": 7})));
    let (data, end) = follow(&daemon, &cuid, "").await.rest().await;
    assert_eq!(
        (data.as_str(), end),
        ("last\n", json!({"reason": "exited", "exit_code": 7})),
        "also when it had ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_the_container_is_deleted_or_removed_by_hand() {
    let daemon = shared().await;
    let (deleted, removed) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    let mut streams = [follow(&daemon, &deleted, "").await, follow(&daemon, &removed, "").await];
    daemon.delete(&format!("/containers/{deleted}?force=true")).await.expect(200);
    engine(&["rm", "-f", &removed]).await;
    for stream in &mut streams {
        assert_eq!(stream.rest().await.1, json!({"reason": "removed"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_the_engine_starts_the_container_again_and_waits_while_it_is_paused() {
    let daemon = shared().await;
    let body = json!({"image": BUSYBOX, "command": "echo up; sleep 1; exit 3", "restart": "on-failure:3", "state": "running"});
    let cuid = daemon.create(&body).await;
    let (data, end) = follow(&daemon, &cuid, "").await.rest().await;
    assert_eq!((data.as_str(), end), ("up\nup\nup\nup\n", json!({"reason": "exited", "exit_code": 3})));
    let cuid = daemon.running(json!({"command": "while :; do echo tick; sleep 0.2; done"})).await;
    let mut stream = follow(&daemon, &cuid, "&tail=1").await;
    stream.next().await.unwrap();
    daemon.act(&cuid, "pause").await;
    // What was printed until it stood still comes first.
    while let Ok(record) = tokio::time::timeout(Duration::from_secs(1), stream.next()).await {
        assert_eq!(record.unwrap()["data"], "tick\n");
    }
    let silent = tokio::time::timeout(Duration::from_secs(2), stream.next()).await;
    assert!(silent.is_err(), "nothing is printed meanwhile: {silent:?}");
    daemon.act(&cuid, "unpause").await;
    assert_eq!(stream.next().await.unwrap()["data"], "tick\n");
    // Someone restarts it at the engine itself.
    let (ok, _) = try_docker(&["restart", "-t", "0", &cuid]).await;
    assert!(ok);
    for _ in 0..5 {
        assert_eq!(stream.next().await.unwrap()["data"], "tick\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_the_future_ends_it() {
    let daemon = shared().await;
    let cuid = daemon.running(json!({"command": "while :; do echo tick; sleep 0.2; done"})).await;
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let started = Instant::now();
    let mut stream = follow(&daemon, &cuid, &format!("&until={until}")).await;
    let (data, end) = stream.rest().await;
    assert_eq!(end, json!({"reason": "complete"}));
    assert!((1500..4000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert!(data.lines().count() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_the_future_takes_nothing_from_a_reader_who_is_slow() {
    let daemon = shared().await;
    // More than fits between the engine and the reader.
    let command = "yes $(printf %01000d 0) | head -n 16000; echo last; sleep 1000";
    let cuid = daemon.running(json!({"command": command})).await;
    let last = format!("/containers/{cuid}/logs?tail=1");
    eventually("all is printed", 30.0, async || {
        daemon.get(&last).await.text().contains("last").then_some(())
    })
    .await;
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let mut stream = follow(&daemon, &cuid, &format!("&until={until}")).await;
    stream.next().await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (data, end) = stream.rest().await;
    assert_eq!(end, json!({"reason": "complete"}));
    assert_eq!((data.lines().count(), data.lines().last()), (16_000, Some("last")));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_ends_before_its_end_is_broken_off() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let cuid = daemon.running(json!({"command": "echo up; sleep 1000"})).await;
    let path = format!("/containers/{cuid}/logs?follow=true");
    let mut text = daemon.request("GET", &path).header("accept", "text/plain").send().await.unwrap();
    assert_eq!(text.chunk().await.unwrap().as_deref(), Some(&b"up\n"[..]));
    proxy.stop();
    let end = tokio::time::timeout(Duration::from_secs(20), text.chunk()).await.expect("it ends");
    assert!(end.is_err(), "a clean end would say that this was all: {end:?}");
    proxy.honest();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_away_is_told_in_the_last_record() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let cuid = daemon.running(json!({"command": "echo up; sleep 1000"})).await;
    let mut streams = [
        follow(&daemon, &cuid, "").await,
        Stream::open(&daemon, &format!("/containers/{cuid}/stats?stream=true")).await,
        Stream::open(&daemon, "/events").await,
        Stream::open(&daemon, "/stats?stream=true").await,
    ];
    streams[0].next().await.unwrap();
    proxy.stop();
    for stream in &mut streams {
        let last = stream.until(|record| record.get("end").is_some()).await;
        assert_eq!(last["end"]["reason"], "error", "{last}");
        crate::support::answer::assert_error_value(
            "the end",
            &last["end"]["error"],
            "engine_unavailable",
            "ENGINE_UNAVAILABLE",
        );
        assert!(stream.next().await.is_none());
    }
    daemon.get(&format!("/containers/{cuid}/logs")).await.refused("engine_unavailable", "");
    proxy.honest();
}
