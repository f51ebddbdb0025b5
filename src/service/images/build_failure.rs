//! What it means when an image is not built, by the words of the builder.

use crate::codes::Code;
use crate::compose::ComposeError;
use crate::service::Error;

/// The most characters of the builder's own words in a message; `details.output` has more.
const LONGEST: usize = 500;
/// After how many seconds a registry that could not be reached may be tried again.
const TRY_AGAIN_AFTER: u64 = 5;
/// What BuildKit puts in front of what it has to say.
const LAYERS: [&str; 6] = [
    "failed to solve: ",
    "rpc error: code = Unknown desc = ",
    "failed to solve with frontend dockerfile.v0: ",
    "failed to solve with frontend gateway.v0: ",
    "failed to create LLB definition: ",
    "Error response from daemon: ",
];
/// A program of the build has failed: what follows holds its words, which mean nothing of our own.
const PROGRAM_FAILED: [&str; 3] =
    ["executor failed running", "returned a non-zero code", "did not complete successfully"];
/// How an attempt to speak to a registry begins, after what BuildKit has to say of the purpose.
const ASKED: [&str; 3] = ["Head \"http", "Get \"http", "Post \"http"];
const UNREACHABLE: [&str; 13] = [
    "connection refused",
    "connection reset",
    "connection timed out",
    "no such host",
    "server misbehaving",
    "no route to host",
    "network is unreachable",
    "i/o timeout",
    "TLS handshake timeout",
    "deadline exceeded",
    "Client.Timeout exceeded",
    "x509: ",
    "server gave HTTP response to HTTPS client",
];

/// The error of a build that came to nothing. `shown` makes what the builder says fit to be shown.
pub(super) fn of(error: ComposeError, shown: impl Fn(&str) -> String) -> Error {
    match error {
        ComposeError::Failed { code, output, .. } => {
            let output = shown(&plain(&output));
            of_essence(essence(&output)).with("exit_status", code).with("output", output)
        }
        ComposeError::TimedOut { limit, output, .. } => {
            let text = format!("the image was not built within {} s (APP_BUILD_TIMEOUT)", limit.as_secs());
            let output = shown(&plain(&output));
            Error::new(Code::ChangeTimedOut, text).with("timeout_s", limit.as_secs()).with("output", output)
        }
        // A client that has left is told nothing.
        ComposeError::Unwanted { .. } => Error::shutting_down(),
        ComposeError::Unusable(reason) => Error::new(Code::ComposeFailed, reason),
    }
}

/// What the builder says in the end, without its layers.
fn essence(output: &str) -> &str {
    // BuildKit's word is known by its beginning: in front of what programs say stands the step or the time.
    let last_word = output.lines().rev().find(|line| line.starts_with(LAYERS[0]));
    // Warnings of the builder's own log may come after it.
    let is_log = |line: &str| line.starts_with("time=\"") && line.contains(" level=");
    let says = |line: &&str| !line.is_empty() && !is_log(line);
    let last = || output.lines().rev().map(str::trim).find(says).unwrap_or_default();
    let mut text = last_word.map_or_else(last, str::trim);
    while let Some(rest) = LAYERS.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = rest;
    }
    text
}

fn of_essence(essence: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|words| essence.contains(words));
    let cut: String = essence.chars().take(LONGEST).collect();
    if says(&PROGRAM_FAILED) {
        return Error::new(Code::BuildFailed, format!("the image was not built: {cut}"));
    }
    if essence.starts_with("Cannot connect to the Docker daemon")
        || essence.starts_with("error during connect")
    {
        return Error::engine_away("the builder cannot connect to it");
    }
    if says(&["no space left on device"]) {
        return Error::new(Code::NoSpace, "the disk of the container engine is full");
    }
    if says(&ASKED) && says(&UNREACHABLE) {
        let text = format!("the registry of an image that it builds on cannot be reached: {cut}");
        let mut error = Error::new(Code::RegistryUnreachable, text);
        error.retry_after = Some(TRY_AGAIN_AFTER);
        return error;
    }
    let words = if cut.is_empty() { "the builder did not say why" } else { &cut };
    Error::new(Code::BuildFailed, format!("the image was not built: {words}"))
}

/// A text without the colours of a terminal: the classic builder paints what a program prints to its error output.
pub(super) fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';');
        match end.filter(|end| part[*end..].starts_with('m')) {
            Some(end) => plain.push_str(&part[end + 1..]),
            None => plain.extend(["\u{1b}[", part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(output: &str) -> Error {
        of(ComposeError::Failed { verb: "build", code: Some(17), output: output.to_owned() }, |text| {
            text.replace("s3cret", "***")
        })
    }

    #[test]
    fn the_message_is_what_the_builder_says_in_the_end() {
        for (output, message) in [
            (
                "#5 x\nfailed to solve: executor failed running [/bin/sh -c exit 3]: exit code: 3\n",
                "executor failed running [/bin/sh -c exit 3]: exit code: 3",
            ),
            (
                "failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: \
                 failed to create LLB definition: dockerfile parse error line 1: unknown instruction: BOGUS",
                "dockerfile parse error line 1: unknown instruction: BOGUS",
            ),
            (
                "\u{1b}[91mtoerr\n\u{1b}[0mThe command '/bin/sh -c exit 3' returned a non-zero code: 3",
                "The command '/bin/sh -c exit 3' returned a non-zero code: 3",
            ),
            (
                "Error response from daemon: failed to reach build target x in Dockerfile",
                "failed to reach build target x in Dockerfile",
            ),
            ("failed to solve: x\n#2 DONE 0.0s", "x"),
            ("failed to solve: x\ntime=\"2026-01-01\" level=warning msg=\"y\"\n", "x"),
            ("", "the builder did not say why"),
        ] {
            let error = failed(output);
            assert_eq!(
                (error.code, error.message),
                (Code::BuildFailed, format!("the image was not built: {message}"))
            );
        }
        assert_eq!(
            failed("failed to solve: s3cret: not found").message,
            "the image was not built: ***: not found"
        );
    }

    #[test]
    fn registries_that_are_away_and_full_disks_are_told_from_what_programs_say_of_them() {
        for (output, code) in [
            (
                "failed to solve: rpc error: code = Unknown desc = failed to do request: Head \"http://127.0.0.1:1/v2/\
                 nope/manifests/1\": dial tcp 127.0.0.1:1: connect: connection refused",
                Code::RegistryUnreachable,
            ),
            (
                "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.1:53: no such host",
                Code::RegistryUnreachable,
            ),
            ("failed to solve: r/none:1: not found", Code::BuildFailed),
            ("failed to solve: write /var/lib/x: no space left on device", Code::NoSpace),
            (
                "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
                Code::EngineUnavailable,
            ),
            (
                "failed to solve: executor failed running [/bin/sh -c echo 'Get \"http: connection refused, no space left \
                 on device'; exit 1]: exit code: 1",
                Code::BuildFailed,
            ),
        ] {
            assert_eq!(failed(output).code, code, "{output}");
        }
    }

    #[test]
    fn colours_go_and_nothing_else() {
        assert_eq!(plain("\u{1b}[91mred\u{1b}[0m \u{1b}[1;32mgreen\u{1b}[m"), "red green");
        assert_eq!(plain("a\u{1b}[2Kb\u{1b}["), "a\u{1b}[2Kb\u{1b}[");
        assert_eq!(plain("\u{1b}[91ä"), "\u{1b}[91ä");
    }
}
