//! Terminal sessions on a real engine, at `DOCKER_HOST` or its usual socket. The image is one that `script/test-images`
//! makes, or another with a busybox in `/bin`, named by `WHARFINGER_TEST_IMAGE`.
#![expect(clippy::disallowed_methods, reason = "tests make their containers with the docker command")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics"
)]

mod commands;
mod ends;
mod faults;
mod framing;
mod listening;
mod support;
