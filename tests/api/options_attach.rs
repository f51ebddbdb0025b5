//! Containers that are typed to: an open input, a terminal of their own.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_input_is_open_is_typed_to_by_attach() {
    let api = shared().await;
    let command =
        json!(["sh", "-c", "while read line && test $line != end; do echo got:$line; done; echo over"]);
    let cuid = api
        .create(&json!({"image": BUSYBOX, "command": command, "stdin_open": true, "state": "running"}))
        .await;
    let mut terminal = Terminal::open(&api, &cuid, "mode=attach").await;
    assert_eq!(terminal.ready["tty"], false);
    terminal.type_in("hello\n").await;
    terminal.until("got:hello\n", 0).await;
    terminal.type_in("end\n").await;
    assert_eq!(terminal.end().await, Some(0));
    assert!(terminal.out().ends_with("over\n"), "{}", terminal.out());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_with_a_terminal_is_typed_to_and_resized_by_attach() {
    let api = shared().await;
    let body =
        json!({"image": BUSYBOX, "command": ["sh"], "stdin_open": true, "tty": true, "state": "running"});
    let cuid = api.create(&body).await;
    let mut terminal = Terminal::open(&api, &cuid, "mode=attach&cols=91&rows=17").await;
    assert_eq!(terminal.ready["tty"], true);
    terminal.type_in("echo $((40+2))-answer; stty size\n").await;
    let at = terminal.until("42-answer", 0).await;
    terminal.until("17 91", at).await;
    terminal.type_in("exit 5\n").await;
    assert_eq!(terminal.end().await, Some(5));
}
