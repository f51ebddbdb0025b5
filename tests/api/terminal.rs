//! `GET /ws/{id}`: what can be said and heard.

use base64::Engine as _;

use crate::support::answer::assert_error_value;
use crate::support::engine::docker as engine;
use crate::support::*;

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_size_there_is_no_tty_and_the_streams_are_separate() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "").await;
    assert_eq!(t.ready["tty"], false);
    t.type_in("echo to-out; echo to-err >&2; [ -t 0 ] || echo no-tty; exit 3\n").await;
    assert_eq!(t.end().await, Some(3), "the shell's exit code");
    assert_eq!(t.out(), "to-out\nno-tty\n", "clean: no prompt, no echo");
    assert_eq!(t.err(), "to-err\n");
    assert_eq!(t.close_code, Some(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_size_there_is_a_tty_of_that_size() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cols=81&rows=25").await;
    assert_eq!(t.ready["tty"], true);
    t.type_in("stty size; [ -t 0 ] && echo is-a-tty\n").await;
    let at = t.until("25 81", 0).await;
    let at = t.until("\nis-a-tty", at).await;
    t.send(json!({"type": "resize", "cols": 132, "rows": 43})).await;
    t.type_in("stty size\n").await;
    let at = t.until("43 132", at).await;
    t.type_in("exit 5\n").await;
    assert_eq!(t.end().await, Some(5));
    assert!(t.stdout.len() >= at && t.stderr.is_empty(), "a tty has one stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn tty_can_be_asked_for_and_away() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    assert_eq!(Terminal::open(&api, &cuid, "tty=true").await.ready["tty"], true);
    assert_eq!(Terminal::open(&api, &cuid, "tty=false&cols=80&rows=24").await.ready["tty"], false);
    assert_eq!(Terminal::open(&api, &cuid, "cols=100").await.ready["tty"], true);
    assert_eq!(Terminal::open(&api, &cuid, "rows=30").await.ready["tty"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_user_folder_and_environment_can_be_named() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let cmd = "cmd=sh&cmd=-c&cmd=id%20-u%3B%20id%20-g%3B%20pwd%3B%20echo%20%22%241%22%20%24A%20%22%24B%22&cmd=x&cmd=two%20words";
    let mut t =
        Terminal::open(&api, &cuid, &format!("{cmd}&user=33:44&working_dir=/tmp&env=A=1&env=B=b%3Dc%20d"))
            .await;
    assert_eq!(t.end().await, Some(0));
    assert_eq!(t.out(), "33\n44\n/tmp\ntwo words 1 b=c d\n");
    let mut t = Terminal::open(&api, &cuid, "").await;
    t.type_in("id -u; pwd; exit\n").await;
    t.end().await;
    assert_eq!(t.out(), "1000\n/app\n", "without them: as the container itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_is_bash_where_the_image_has_it() {
    let api = shared().await;
    let bash =
        api.create(&json!({"image": "wharfinger-test/bash:1", "command": IDLE, "state": "running"})).await;
    let busybox = api.running(json!({})).await;
    for (cuid, expected) in [(bash, "bash\n"), (busybox, "no\n")] {
        let mut t = Terminal::open(&api, &cuid, "").await;
        t.type_in("[ -n \"$BASH_VERSION\" ] && echo bash || echo no; exit\n").await;
        t.end().await;
        assert_eq!(t.out(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_exist_ends_as_a_shell_says() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cmd=/no/such").await;
    let code = t.end().await;
    let told = [Some(127), Some(126)].contains(&code) || !t.errors.is_empty();
    assert!(told, "{code:?} {:?}", t.frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_may_be_base64_and_output_that_is_no_text_is() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cmd=cat").await;
    let bytes: Vec<u8> = (0..=255).collect();
    t.send(json!({"type": "stdin", "data": base64(&bytes), "encoding": "base64"})).await;
    t.send(json!({"type": "stdin", "data": "text ü", "encoding": "utf8"})).await;
    t.send(json!({"type": "eof"})).await;
    assert_eq!(t.end().await, Some(0));
    assert_eq!(t.stdout, [&bytes[..], "text ü".as_bytes()].concat());
    assert!(t.frames.iter().any(|f| f["encoding"] == "base64"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_character_is_never_broken() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    // Each byte of 日 and of an emoji comes in a write of its own.
    let split = "for b in '\\346' '\\227' '\\245' '\\360' '\\237' '\\224' '\\221' '\\n'; do printf $b; sleep 0.15; done; exit\n";
    let mut t = Terminal::open(&api, &cuid, "").await;
    t.type_in(split).await;
    t.end().await;
    assert_eq!(t.out(), "日\u{1F511}\n");
    assert!(
        t.frames.iter().filter(|f| f["type"] == "stdout").all(|f| f["encoding"] == "utf8"),
        "{:?}",
        t.frames
    );
    let mut t = Terminal::open(&api, &cuid, "").await;
    t.type_in("i=0; while [ $i -lt 20000 ]; do echo '日本語テキスト🔑'; i=$((i+1)); done; exit\n").await;
    t.end().await;
    assert_eq!(t.out(), "日本語テキスト🔑\n".repeat(20_000));
    assert!(t.frames.iter().filter(|f| f["type"] == "stdout").all(|f| f["encoding"] == "utf8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn eof_closes_stdin_or_types_ctrl_d() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    for query in ["cmd=cat", "cmd=cat&tty=true", "tty=true"] {
        let mut t = Terminal::open(&api, &cuid, query).await;
        if query == "tty=true" {
            // A Ctrl-D that comes before the shell reads a line is lost: the terminal's own way.
            t.until("$ ", 0).await;
        }
        t.send(json!({"type": "eof"})).await;
        assert_eq!(t.end().await, Some(0), "{query}");
    }
    let mut t = Terminal::open(&api, &cuid, "cmd=sh&cmd=-c&cmd=cat%3B%20echo%20done%3B%20exit%206").await;
    t.type_in("in\n").await;
    t.send(json!({"type": "eof"})).await;
    assert_eq!(t.end().await, Some(6));
    assert_eq!(t.out(), "in\ndone\n", "output after stdin's end still comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn close_ends_the_session() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    for query in ["", "cols=80&rows=24"] {
        let mut t = Terminal::open(&api, &cuid, query).await;
        t.type_in("echo here\n").await;
        t.until("here", 0).await;
        t.send(json!({"type": "close"})).await;
        t.end().await;
        assert_eq!(t.close_code, Some(1000), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_what_runs_in_the_foreground() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cols=80&rows=24").await;
    t.type_in("echo begin; sleep 1000; echo went-on-$?\n").await;
    let at = t.until("\nbegin", 0).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    t.send(json!({"type": "signal", "name": "INT"})).await;
    t.type_in("echo prompt-$((40+2))\n").await;
    t.until("prompt-42", at).await;
    t.type_in("sleep 1000\n").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    t.send(json!({"type": "signal", "name": "SIGKILL"})).await;
    t.type_in("echo code-$?\n").await;
    t.until("code-137", at).await;
    for (name, code) in [("TERM", 143), ("SIGKILL", 137), ("INT", 130), ("SIGUSR1", 138)] {
        let mut t = Terminal::open(&api, &cuid, "cmd=sleep&cmd=1000").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        t.send(json!({"type": "signal", "name": name})).await;
        assert_eq!(t.end().await, Some(code), "{name}");
    }
    assert_eq!(api.status(&cuid).await, "running", "the container itself got none of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_s_executor_gets_streams_and_exit_code() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    std::fs::write(api.mount(&cuid).join("listed"), "").unwrap();
    let mut t = Terminal::open(&api, &cuid, "").await;
    t.send(json!({"type": "stdin", "data": "ls -la /app; ls /none\n", "encoding": "utf8"})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    t.send(json!({"type": "stdin", "data": "exit\n", "encoding": "utf8"})).await;
    assert_eq!(t.end().await, Some(1), "the last command's");
    assert!(t.out().contains("listed"));
    assert!(t.err().contains("/none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_listens_sees_the_program_s_output_from_its_start_and_its_end() {
    let api = shared().await;
    let code = "echo first; echo problem >&2; sleep 8; echo last; exit 9";
    let cuid = api.running(json!({"command": code})).await;
    let mut t = Terminal::open(&api, &cuid, "").await;
    assert_eq!(t.end().await, Some(9), "the container's exit code");
    assert_eq!((t.out().as_str(), t.err().as_str()), ("first\nlast\n", "problem\n"));
    assert_eq!(t.close_code, Some(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_types_gets_the_shell() {
    let api = shared().await;
    let cuid = api.running(json!({"command": format!("echo from-the-program; {IDLE}")})).await;
    let mut t = Terminal::open(&api, &cuid, "").await;
    let at = t.until("from-the-program\n", 0).await;
    t.type_in("echo from-the-shell; exit 4\n").await;
    t.until("from-the-shell\n", at).await;
    assert_eq!(t.end().await, Some(4));
    let mut quick = Terminal::open(&api, &cuid, "").await;
    quick.type_in("sleep 2; echo shell; exit\n").await;
    quick.end().await;
    assert_eq!(quick.out(), "shell\n", "who types at once sees no output of the program");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_to_a_container_that_prints_nothing_gets_the_shell_however_late() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "").await;
    // Longer than the engine may take for an answer.
    tokio::time::sleep(Duration::from_secs(13)).await;
    t.type_in("echo $((40+2))\n").await;
    t.until("42\n", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_shows_the_container_s_own_output_and_end() {
    let api = shared().await;
    let cuid = api
        .running(
            json!({"command": "trap 'echo bye; exit 7' TERM; i=0; while :; do echo tick; sleep 0.3; done"}),
        )
        .await;
    let mut t = Terminal::open(&api, &cuid, "mode=attach").await;
    let at = t.until("tick\n", 0).await;
    t.until("tick\n", at).await;
    engine(&["kill", "-s", "TERM", &cuid]).await;
    t.until("bye\n", at).await;
    assert_eq!(t.end().await, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_frame_costs_one_error_and_not_the_session() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut t = Terminal::open(&api, &cuid, "cols=80&rows=24").await;
    for (frame, code) in [
        ("no json", "INVALID_FRAME"),
        ("[]", "INVALID_FRAME"),
        ("{}", "INVALID_FRAME"),
        (r#"{"type":"dance"}"#, "INVALID_FRAME"),
        (r#"{"type":"stdin"}"#, "INVALID_FRAME"),
        (r#"{"type":"stdin","data":5}"#, "INVALID_FRAME"),
        (r#"{"type":"stdin","data":"!!","encoding":"base64"}"#, "INVALID_FRAME"),
        (r#"{"type":"stdin","data":"x","encoding":"rot13"}"#, "INVALID_FRAME"),
        (r#"{"type":"resize","cols":0,"rows":5}"#, "INVALID_FRAME"),
        (r#"{"type":"resize","cols":1001,"rows":5}"#, "INVALID_FRAME"),
        (r#"{"type":"resize","cols":80}"#, "INVALID_FRAME"),
        (r#"{"type":"signal","name":"DANCE"}"#, "UNKNOWN_SIGNAL"),
    ] {
        t.send_text(frame).await;
        let error = t.error().await;
        assert_error_value(frame, &error, "validation_error", code);
    }
    t.type_in("echo still-$((1+1))\n").await;
    t.until("still-2", 0).await;
}
