//! What a container has printed: the forms, the filters, and what is refused.

use crate::support::engine::{docker as engine, is_podman};
use crate::support::*;

const LABEL: &str = "io.wharfinger.cuid";

async fn ended(daemon: &Api, command: &str) -> String {
    let cuid = daemon.create(&json!({"image": BUSYBOX, "command": command, "state": "running"})).await;
    eventually("it has ended", 20.0, || async { (daemon.status(&cuid).await == "exited").then_some(()) })
        .await;
    cuid
}

async fn told(daemon: &Api, cuid: &str, query: &str) -> String {
    let (data, end) = Stream::open(daemon, &format!("/containers/{cuid}/logs{query}")).await.rest().await;
    assert_eq!(end, json!({"reason": "complete"}));
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_has_its_output_its_time_and_exactly_what_was_printed() {
    let daemon = shared().await;
    // json-file replaces what is not UTF-8 before anyone can read it; `local` keeps it.
    let cuid = daemon.idle(json!({})).await;
    in_its_place(
        &cuid,
        &["--log-driver", exact_driver().await],
        r"echo öut; sleep 0.1; echo err >&2; sleep 0.1; printf 'a\377b\n'; printf 'no end'",
    )
    .await;
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/logs")).await;
    assert_eq!(stream.header("content-type"), "application/x-ndjson");
    assert_eq!(
        (stream.header("cache-control"), stream.header("x-accel-buffering")),
        ("no-store".into(), "no".into())
    );
    let mut records = Vec::new();
    while let Some(record) = stream.next().await {
        records.push(record);
    }
    assert_eq!(records.pop().unwrap(), json!({"end": {"reason": "complete"}}));
    let times: Vec<String> =
        records.iter().map(|record| record["timestamp"].as_str().unwrap().to_owned()).collect();
    assert!(
        times.is_sorted() && times.iter().all(|time| time.len() == 30 && time.ends_with('Z')),
        "{times:?}"
    );
    for record in &mut records {
        record.as_object_mut().unwrap().remove("timestamp");
    }
    assert_eq!(
        records,
        [
            json!({"stream": "stdout", "data": "öut\n"}),
            json!({"stream": "stderr", "data": "err\n"}),
            json!({"stream": "stdout", "data": "Yf9iCg==", "encoding": "base64"}),
            json!({"stream": "stdout", "data": "no end"}),
        ]
    );
    assert_eq!(told(&daemon, &cuid, "?stream=stderr").await, "err\n");
    assert_eq!(told(&daemon, &cuid, "?stream=stdout&tail=1").await, "no end");
    assert_eq!(told(&daemon, &cuid, "?stream=both&tail=0").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_breaks_no_character() {
    let daemon = shared().await;
    // 16384 is no multiple of 3: the engine cuts characters in two.
    let cuid = daemon.idle(json!({})).await;
    in_its_place(
        &cuid,
        &["--log-driver", exact_driver().await],
        "i=0; while [ $i -lt 20000 ]; do printf '\u{20ac}'; i=$((i+1)); done; echo",
    )
    .await;
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/logs")).await;
    let (data, _) = stream.rest().await;
    assert!(data.trim_end() == "\u{20ac}".repeat(20000), "{} characters", data.chars().count());
    assert!(stream.lines.len() > 3 && !stream.lines.iter().any(|line| line.contains("base64")));
    let text = daemon
        .send(
            daemon
                .request("GET", &format!("/containers/{cuid}/logs?timestamps=true"))
                .header("accept", "text/plain"),
        )
        .await;
    let text = String::from_utf8(text.expect_bytes(200).to_vec()).unwrap();
    // The driver itself drops the end of a line that it has cut.
    assert_eq!(text.trim_end().len(), 31 + 60_000, "the time stands once, in front of the line");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_as_it_was_printed_and_has_times_when_they_are_asked_for() {
    let daemon = shared().await;
    let cuid = daemon.idle(json!({})).await;
    in_its_place(&cuid, &["--log-driver", exact_driver().await], r"printf 'one\ntwo \377\nthree'").await;
    let path = format!("/containers/{cuid}/logs");
    let answer = daemon.send(daemon.request("GET", &path).header("accept", "text/plain")).await;
    assert_eq!(answer.expect_bytes(200), b"one\ntwo \xff\nthree");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let answer = daemon
        .send(daemon.request("GET", &format!("{path}?timestamps=true&tail=2")).header("accept", "text/plain"))
        .await;
    let text = String::from_utf8_lossy(answer.expect_bytes(200)).into_owned();
    let form =
        regex::Regex::new("^[0-9-]{10}T[0-9:.]{18}Z two \u{fffd}\n[0-9-]{10}T[0-9:.]{18}Z three$").unwrap();
    assert!(form.is_match(&text), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn since_until_and_tail_choose_a_part() {
    let daemon = shared().await;
    // Podman tells whole seconds.
    let pause = if is_podman().await { 1.1 } else { 0.3 };
    let cuid = ended(&daemon, &format!("for i in 1 2 3 4 5 6; do echo $i; sleep {pause}; done")).await;
    let mut stream = Stream::open(&daemon, &format!("/containers/{cuid}/logs")).await;
    stream.rest().await;
    let at = |line: usize| {
        let record: Value = serde_json::from_str(&stream.lines[line - 1]).unwrap();
        record["timestamp"].as_str().unwrap().to_owned()
    };
    let unix = |line: usize| {
        let time: jiff::Timestamp = at(line).parse().unwrap();
        format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
    };
    for (query, wanted) in [
        (format!("?since={}", at(3)), "3\n4\n5\n6\n"),
        (format!("?since={}", unix(3)), "3\n4\n5\n6\n"),
        (format!("?until={}", at(3)), "1\n2\n3\n"),
        (format!("?since={}&until={}", at(2), unix(4)), "2\n3\n4\n"),
        (format!("?since={}&until={}&tail=2", at(2), at(4)), "3\n4\n"),
        (format!("?until={}&follow=true&tail=1", at(2)), "2\n"),
        ("?tail=2".to_owned(), "5\n6\n"),
        ("?tail=100".to_owned(), "1\n2\n3\n4\n5\n6\n"),
        ("?tail=all&since=1h".to_owned(), "1\n2\n3\n4\n5\n6\n"),
        ("?since=10ms".to_owned(), ""),
        ("?until=1h".to_owned(), ""),
    ] {
        assert_eq!(told(&daemon, &cuid, &query).await, wanted, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_before_the_first_byte() {
    let daemon = shared().await;
    let cuid = daemon.idle(json!({})).await;
    for query in [
        "tail=-1",
        "tail=x",
        "tail=",
        "tail=1.5",
        "since=yesterday",
        "since=-5",
        "until=10",
        "until=2026-01-01",
        "stream=stdin",
        "follow=maybe",
        "timestamps=2",
        "since=1&since=2",
        "lines=5",
    ] {
        let answer = daemon.get(&format!("/containers/{cuid}/logs?{query}")).await;
        // 10 are Unix seconds: an end long ago.
        if query == "until=10" {
            answer.expect_bytes(200);
        } else {
            answer.refused("validation_error", "INVALID_QUERY");
        }
    }
    daemon.get("/containers/no-such/logs").await.refused("not_found", "CONTAINER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_never_ran_has_printed_nothing() {
    let daemon = shared().await;
    let cuid = daemon.idle(json!({})).await;
    assert_eq!(told(&daemon, &cuid, "").await, "");
    let (data, end) =
        Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true")).await.rest().await;
    assert_eq!((data.as_str(), end), ("", json!({"reason": "exited"})));
    engine(&["rm", "-f", &cuid]).await;
    assert_eq!(told(&daemon, &cuid, "").await, "");
    let (_, end) = Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true")).await.rest().await;
    assert_eq!(end["reason"], "removed");
}

/// Puts another container in the place of the engine's: as someone does by hand.
/// The driver that keeps bytes as they are: Podman has no `local`, and its `json-file` is a file of its own form.
async fn exact_driver() -> &'static str {
    if is_podman().await { "json-file" } else { "local" }
}

async fn in_its_place(cuid: &str, options: &[&str], command: &str) {
    engine(&["rm", "-f", cuid]).await;
    let label = format!("{LABEL}={cuid}");
    let args = [&["run", "-d", "--name", cuid, "--label", &label], options, &[BUSYBOX, "sh", "-c", command]]
        .concat();
    engine(&args).await;
    engine(&["wait", cuid]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_terminal_the_engines_times_are_taken_out_of_the_middle_of_long_lines_too() {
    let daemon = shared().await;
    let cuid = daemon.idle(json!({})).await;
    let command = "stty -onlcr; echo a; head -c 40000 /dev/zero | tr '\\0' x; echo; echo 2026-01-01T00:00:00.000000000Z b; printf '/ # '";
    in_its_place(&cuid, &["-t"], command).await;
    engine(&["start", &cuid]).await;
    engine(&["wait", &cuid]).await;
    let once = format!("a\n{}\n2026-01-01T00:00:00.000000000Z b\n/ # ", "x".repeat(40000));
    let data = told(&daemon, &cuid, "").await;
    assert!(data.replace('\r', "") == format!("{once}{once}"), "{}", data.replace(&"x".repeat(100), "x"));
    assert_eq!(told(&daemon, &cuid, "?tail=1").await, "/ # ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_is_not_supported() {
    let daemon = shared().await;
    let cuid = daemon.idle(json!({})).await;
    in_its_place(&cuid, &["--log-driver", "none"], "echo lost").await;
    let error =
        daemon.get(&format!("/containers/{cuid}/logs")).await.refused("not_supported", "NOT_SUPPORTED");
    assert_eq!(error["details"]["feature"], "logs");
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
}
