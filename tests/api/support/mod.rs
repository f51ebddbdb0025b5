//! What every test needs: a daemon of its own, a client, the engine, terminals, archives and faults.

pub mod answer;
pub mod api;
pub mod builds;
pub mod cli;
pub mod daemon;
pub mod engine;
pub mod faults;
pub mod frames;
#[path = "../../../src/files/archive/testing/mod.rs"]
pub mod hostile;
pub mod images;
pub mod operations;
pub mod private_engine;
pub mod raw;
pub mod registry;
pub mod shared;
pub mod stream;
pub mod syscalls;
pub mod tars;
pub mod terminal;
pub mod tls;
pub mod tokens;
pub mod trees;
pub mod wait;
pub mod zips;

pub use answer::Answer;
pub use api::Api;
pub use daemon::Daemon;
pub use engine::docker;
pub use faults::{Compose, Proxy};
pub use private_engine::PrivateEngine;
pub use raw::Raw;
pub use serde_json::{Value, json};
pub use shared::shared;
pub use std::time::{Duration, Instant};
pub use stream::Stream;
pub use tars::Tar;
pub use terminal::Terminal;
pub use tls::Authority;
pub use tokens::Token;
pub use trees::tree;
pub use wait::{eventually, within};
pub use zips::Zip;

/// The small image of the tests: `sh`, `nc`, `httpd`, `stty`; its own command sleeps.
pub const BUSYBOX: &str = "wharfinger-test/busybox:1";
/// The small image that has `python`.
pub const PYTHON: &str = "wharfinger-test/python:1";
/// A command that does nothing and ends at once on SIGTERM.
pub const IDLE: &str = "trap 'exit 0' TERM INT; sleep 100000 & wait";
/// A command that ignores SIGTERM.
pub const STUBBORN: &str = "trap '' TERM; while :; do sleep 1; done";

/// Says at once what a test fails with: the test program itself says it when all others have ended.
pub fn tell_panics_at_once() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            usual(panic);
            let thread = std::thread::current();
            // Not `eprintln`, which is kept for the end.
            let line = format!("{}: {panic}\n", thread.name().unwrap_or("a thread"));
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
        }));
    });
}

/// How often something is done: `short` times, or as many times more often as `RELIABILITY_ROUNDS` says.
pub fn rounds(short: usize) -> usize {
    let more = std::env::var("RELIABILITY_ROUNDS").ok().and_then(|text| text.parse().ok());
    short * more.unwrap_or(1).max(1)
}

/// A name no other test uses.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// A port that was free a moment ago. Ports below the ephemeral range, so that no outgoing
/// connection of another test takes it in between.
pub fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = 20_000 + u16::try_from(uuid::Uuid::new_v4().as_u128() % 12_000).unwrap();
        let free_tcp = std::net::TcpListener::bind(("0.0.0.0", port)).is_ok();
        if free_tcp && std::net::UdpSocket::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// Bytes that do not get smaller when they are compressed.
pub fn noise(length: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..65_536_u32).flat_map(|_| uuid::Uuid::new_v4().into_bytes()).collect();
    block.into_iter().cycle().take(length).collect()
}

/// A memory limit in bytes, whether it is shown as a number or as Compose writes it.
pub fn memory(value: &Value) -> u64 {
    if let Some(bytes) = value.as_u64() {
        return bytes;
    }
    let text = value.as_str().unwrap_or_else(|| panic!("no memory limit: {value}")).to_lowercase();
    let text = text.trim_end_matches('b');
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        other => panic!("a memory unit {other:?}"),
    };
    digits.parse::<u64>().unwrap() << unit
}
