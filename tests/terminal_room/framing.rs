//! What a process prints that looks like the engine's framing, or like a terminal's commands: it stays bytes.

use crate::support::*;

/// Headers of the engine's framing: of each output, of none, of the engine's own errors; with true lengths, with
/// lengths that lie, cut in the middle and one in another. No line end, which a terminal changes.
fn headers() -> Vec<Vec<u8>> {
    let frame = |stream: u8, length: u32, payload: &[u8]| {
        [&[stream, 0, 0, 0], length.to_be_bytes().as_slice(), payload].concat()
    };
    vec![
        frame(1, 5, b"hello"),
        frame(2, 5, b"error"),
        frame(0, 4, b"null"),
        frame(3, 9, b"of engine"),
        frame(9, 3, b"???"),
        frame(1, u32::MAX, b"endless"),
        frame(2, 0, b""),
        frame(1, 12, &frame(2, 4, b"deep")),
        frame(2, 7, b"cut")[..6].to_vec(),
        b"\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x1b[6n\x1bP+q544e\x1b\\".to_vec(),
        b"{\"type\":\"exit\",\"code\":0}\",\\\"}".to_vec(),
        b"\xff\xfe\x80\xc3".to_vec(),
    ]
}

/// A shell's line that prints the bytes; with pauses, so that they are read in as many pieces.
fn printing(chunks: &[&[u8]], pause: &str) -> String {
    let octal = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<Vec<_>>().concat();
    chunks.iter().map(|chunk| format!("printf '{}'{pause}; ", octal(chunk))).collect::<Vec<_>>().concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_terminal_every_byte_is_output_whatever_it_looks_like() {
    let container = Container::idle();
    let all = headers().concat();
    let seen = whole(terminal(&container, &["sh", "-c", &printing(&[&all], "")])).await;
    assert_eq!((seen.out.as_slice(), seen.err.len()), (all.as_slice(), 0), "{seen:?}");
    is_ended(&seen, 0);
    // Cut anywhere, also in the middle of what would be a header.
    for size in [1, 3, 7] {
        let some = &all[..40];
        let chunks: Vec<&[u8]> = some.chunks(size).collect();
        let seen = whole(terminal(&container, &["sh", "-c", &printing(&chunks, "; sleep 0.01")])).await;
        assert_eq!((seen.out.as_slice(), seen.err.len()), (some, 0), "{size}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_every_byte_comes_by_the_output_it_was_printed_to() {
    let container = Container::idle();
    let all = headers().concat();
    let both = format!("{}{}", printing(&[&all], ""), printing(&[&all], " >&2"));
    let seen = whole(script(&container, &both)).await;
    assert_eq!((seen.out.as_slice(), seen.err.as_slice()), (all.as_slice(), all.as_slice()), "{seen:?}");
    is_ended(&seen, 0);
    let some = &all[..40];
    let chunks: Vec<&[u8]> = some.chunks(3).collect();
    let seen = whole(script(&container, &printing(&chunks, " >&2; sleep 0.01"))).await;
    assert_eq!((seen.out.len(), seen.err.as_slice()), (0, some), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_s_own_output_is_read_as_the_container_has_a_terminal_or_none() {
    // Docker's log, which what was printed before is read from, keeps text only.
    let all =
        headers().into_iter().filter(|bytes| std::str::from_utf8(bytes).is_ok()).collect::<Vec<_>>().concat();
    let nasty = format!("{}sleep 2", printing(&[&all], ""));
    for tty in [true, false] {
        let container = Container::with(if tty { &["-t"] } else { &[] }, &nasty);
        let seen = whole(SessionOptions { container_tty: tty, ..options(&container) }).await;
        assert_eq!((seen.out.as_slice(), seen.err.len()), (all.as_slice(), 0), "tty {tty}: {seen:?}");
    }
}
