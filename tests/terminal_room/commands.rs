//! Commands and terminals: what goes in, what comes out.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_executor_gets_both_outputs_apart_and_the_exit_code() {
    let container = Container::idle();
    let client = Client::open(options(&container)).await;
    client.type_in("echo out; echo err >&2\n").await;
    client.type_in("exit 7\n").await;
    let (seen, summary) = client.through().await;
    assert_eq!((seen.out.as_slice(), seen.err.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    is_ended(&seen, 7);
    assert_eq!((summary.exit_code, summary.bytes_in, summary.reason), (Some(7), 30, "exited"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_command_loses_neither_output_nor_exit_code() {
    let container = Container::idle();
    for round in 0..20 {
        let seen = whole(script(&container, &format!("echo {round}; exit {round}"))).await;
        assert_eq!(seen.out(), format!("{round}\n"));
        is_ended(&seen, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn user_folder_and_environment_are_the_sessions_own() {
    let container = Container::idle();
    let asked = SessionOptions {
        user: Some("1234:77".into()),
        working_dir: Some("/tmp".into()),
        env: vec!["A=b c".into()],
        ..script(&container, "id -u; id -g; pwd; echo $A$TERM")
    };
    assert_eq!(whole(asked).await.out(), "1234\n77\n/tmp\nb c\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_start_ends_like_in_a_shell() {
    let container = Container::idle();
    for tty in [false, true] {
        for (path, code, word) in
            [("nosuch", 127, "COMMAND_NOT_FOUND"), ("/etc/passwd", 126, "COMMAND_NOT_EXECUTABLE")]
        {
            let seen = whole(SessionOptions { tty, ..command(&container, &[path]) }).await;
            is_ended(&seen, code);
            assert_eq!((seen.errors[0]["code"].as_str(), seen.out.len()), (Some(word), 0), "{seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_its_size_its_name_and_every_later_size() {
    let container = Container::idle();
    let asked = SessionOptions { cols: 101, rows: 33, ..terminal(&container, &[]) };
    let (mut client, mut seen) = (Client::open(asked).await, Seen::default());
    client.type_in("stty size; echo $TERM; tty\n").await;
    client.until(&mut seen, "33 101\r\nxterm-256color\r\n/dev/pts/").await;
    client.send(json!({ "type": "resize", "cols": 55, "rows": 44 })).await;
    client.type_in("stty size\n").await;
    client.until(&mut seen, "44 55\r\n").await;
    // Not `eof`: a Ctrl-D that comes before the shell reads its line again is lost, the terminal's own way.
    client.type_in("exit\n").await;
    client.rest(&mut seen).await;
    is_ended(&seen, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_what_runs_in_the_terminal_and_not_its_shell() {
    let container = Container::idle();
    let (mut client, mut seen) = (Client::open(terminal(&container, &[])).await, Seen::default());
    client.type_in("echo be''gin; sleep 300; echo code=$?\n").await;
    client.until(&mut seen, "begin").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.send(json!({ "type": "signal", "name": "SIGINT" })).await;
    client.type_in("\necho still he''re\n").await;
    client.until(&mut seen, "still here").await;
    client.type_in("exit 3\n").await;
    client.rest(&mut seen).await;
    is_ended(&seen, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_without_a_terminal_reaches_the_group_of_the_process() {
    let container = Container::idle();
    let (mut client, mut seen) =
        (Client::open(script(&container, "echo begin; sleep 300; echo no")).await, Seen::default());
    client.until(&mut seen, "begin").await;
    client.send(json!({ "type": "signal", "name": "TERM" })).await;
    client.rest(&mut seen).await;
    assert_eq!(seen.out(), "begin\n");
    is_ended(&seen, 143);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_reaches_the_process_after_all_that_was_typed() {
    let container = Container::idle();
    let client = Client::open(command(&container, &["wc", "-c"])).await;
    for _ in 0..5 {
        client.type_in(&"x".repeat(200_000)).await;
    }
    client.send(json!({ "type": "eof" })).await;
    let (seen, _) = client.through().await;
    assert_eq!(seen.out().trim(), "1000000");
    is_ended(&seen, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_both_ways_unchanged() {
    let container = Container::idle();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let client = Client::open(command(&container, &["cat"])).await;
    let data = base64::engine::general_purpose::STANDARD.encode(&bytes);
    client.send(json!({ "type": "stdin", "data": data, "encoding": "base64" })).await;
    client.send(json!({ "type": "eof" })).await;
    let (seen, _) = client.through().await;
    assert!(seen.out == bytes && seen.base64 > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_character_printed_in_pieces_arrives_as_text() {
    let container = Container::idle();
    let printing = r"printf 'a\303'; sleep 0.3; printf '\251b\360\237'; sleep 0.3; printf '\216\211'";
    let seen = whole(script(&container, printing)).await;
    assert_eq!((seen.out().as_str(), seen.base64), ("aéb🎉", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_frame_costs_one_error_frame_and_not_the_session() {
    let container = Container::idle();
    let client = Client::open(command(&container, &["cat"])).await;
    client.to.send(ClientEvent::Binary).await.unwrap();
    client.to.send(ClientEvent::Text("{".into())).await.unwrap();
    client.send(json!({ "type": "signal", "name": "NONE" })).await;
    client.type_in("fine").await;
    client.send(json!({ "type": "eof" })).await;
    let (seen, _) = client.through().await;
    let codes: Vec<_> = seen.errors.iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["INVALID_FRAME", "INVALID_FRAME", "UNKNOWN_SIGNAL"]);
    assert_eq!(seen.out(), "fine");
    is_ended(&seen, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_to_a_slow_client_stops_the_process_and_loses_nothing() {
    let container = Container::idle();
    let size = 50 * 1024 * 1024;
    let flood = format!("yes 0123456789 | head -c {size}; echo done >&2");
    let (mut client, mut seen) = (Client::open(script(&container, &flood)).await, Seen::default());
    let empty = resident();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(resident() - empty < 16 << 20, "it was read ahead of the client: {empty} then {}", resident());
    let busy = container.processes();
    assert!(busy.iter().any(|line| line.contains("head -c")), "it ran on without a reader: {busy:?}");
    let before = resident();
    let mut slow = 0;
    while client.next(&mut seen).await {
        slow += 1;
        if slow % 400 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!((seen.out.len(), seen.err.as_slice()), (size, b"done\n".as_slice()));
    assert!(seen.out.chunks(11).all(|line| b"0123456789\n".starts_with(line)));
    // The test itself keeps the 50 MiB, with up to as much again for the vector's growth.
    assert!(resident() - before < 160 << 20, "{before} then {}", resident());
    is_ended(&seen, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_output_waits_for_a_client_that_pauses_at_the_end() {
    let container = Container::idle();
    let size = 1_400_000;
    let (mut client, mut seen) =
        (Client::open(script(&container, &format!("yes | head -c {size}; exit 4"))).await, Seen::default());
    tokio::time::sleep(Duration::from_secs(8)).await;
    client.rest(&mut seen).await;
    assert_eq!(seen.out.len(), size);
    is_ended(&seen, 4);
}

fn resident() -> i64 {
    let pages = procfs::process::Process::myself().unwrap().statm().unwrap().resident;
    i64::try_from(pages * 4096).unwrap()
}
