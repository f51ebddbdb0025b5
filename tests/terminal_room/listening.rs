//! The container's own output: listening and attaching.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_listens_sees_the_program_from_its_start_and_its_exit_code() {
    let program = "for i in 1 2 3 4; do echo line $i; echo err $i >&2; sleep 0.7; done; exit 9";
    let container = Container::running(program);
    let seen = whole(options(&container)).await;
    assert_eq!(seen.out(), "line 1\nline 2\nline 3\nline 4\n");
    assert_eq!(String::from_utf8_lossy(&seen.err), "err 1\nerr 2\nerr 3\nerr 4\n");
    is_ended(&seen, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_within_the_first_second_is_shown_too() {
    let container = Container::running("echo short; sleep 0.6; echo end; exit 2");
    let seen = whole(options(&container)).await;
    assert_eq!(seen.out(), "short\nend\n");
    is_ended(&seen, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_an_earlier_run_is_not_shown_to_a_listener() {
    let container = Container::running("echo run $(cat /tmp/n; echo x >> /tmp/n; wc -l < /tmp/n); sleep 2");
    docker(&["restart", "-t", "0", &container.0]);
    let seen = whole(options(&container)).await;
    assert_eq!(seen.out(), "run x 2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_types_gets_its_shell() {
    let container = Container::running("while true; do echo tick; sleep 0.2; done");
    let (mut client, mut seen) = (Client::open(options(&container)).await, Seen::default());
    client.until(&mut seen, "tick").await;
    client.type_in("echo he''llo; exit 6\n").await;
    client.until(&mut seen, "hello").await;
    client.rest(&mut seen).await;
    assert!(seen.out().ends_with("hello\n"), "{}", seen.out());
    is_ended(&seen, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_look_like_the_engines_framing_are_harmless() {
    let nasty = r"printf '\001\000\000\000\377\377\377\377x\003\000\000\000\000\000\000\005hello'; sleep 2";
    let container = Container::with(&["-t"], nasty);
    let seen = whole(SessionOptions { container_tty: true, ..options(&container) }).await;
    assert!(seen.out.ends_with(b"hello") && seen.err.is_empty(), "{seen:?}");
    let idle = Container::idle();
    let seen = whole(terminal(&idle, &["sh", "-c", nasty])).await;
    assert_eq!(seen.out, b"\x01\0\0\0\xff\xff\xff\xffx\x03\0\0\0\0\0\0\x05hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_shows_types_signals_and_ends_with_the_container() {
    let container = Container::with(&["-i"], "while read line; do echo got $line; done; exit 8");
    let attach = SessionOptions { mode: Mode::Attach, ..options(&container) };
    let (mut client, mut seen) = (Client::open(attach.clone()).await, Seen::default());
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.type_in("one\n").await;
    client.until(&mut seen, "got one").await;
    client.send(json!({ "type": "close" })).await;
    client.rest(&mut seen).await;
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &container.0]), "true");
    let (mut client, mut seen) = (Client::open(attach).await, Seen::default());
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.send(json!({ "type": "signal", "name": "KILL" })).await;
    client.rest(&mut seen).await;
    is_ended(&seen, 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_to_a_container_without_input_says_so() {
    let container = Container::running("sleep 4; echo bye; exit 3");
    let client = Client::open(SessionOptions { mode: Mode::Attach, ..options(&container) }).await;
    client.type_in("hello").await;
    let (seen, _) = client.through().await;
    assert_eq!((seen.errors.len(), seen.out().as_str()), (1, "bye\n"));
    is_ended(&seen, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_container_is_the_end_of_its_sessions() {
    let container = Container::idle();
    let (mut client, mut seen) = (Client::open(terminal(&container, &[])).await, Seen::default());
    client.type_in("echo be''gun\n").await;
    client.until(&mut seen, "begun").await;
    docker(&["kill", &container.0]);
    client.rest(&mut seen).await;
    is_ended(&seen, 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_is_an_error_and_not_a_wait() {
    let container = Container::running("exit 0");
    docker(&["wait", &container.0]);
    let seen = whole(terminal(&container, &[])).await;
    assert_eq!((seen.errors[0]["code"].as_str(), seen.close), (Some("CONTAINER_NOT_RUNNING"), Some(1011)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_is_an_error_and_not_a_wait() {
    let container = Container::idle();
    docker(&["pause", &container.0]);
    let seen = whole(terminal(&container, &[])).await;
    docker(&["unpause", &container.0]);
    assert_eq!((seen.errors[0]["code"].as_str(), seen.close), (Some("CONTAINER_NOT_RUNNING"), Some(1011)));
}
