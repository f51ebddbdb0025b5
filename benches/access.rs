//! What it costs to know who asks: `cargo bench --bench access` prints a table in Markdown.
//!
//! Each number is the median of many timed calls. Tokens are written to a temporary folder as the daemon writes them,
//! read from there as it reads them, and looked up in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "a program that measures")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use wharfinger::access::password::{self, Password, PasswordCheck};
use wharfinger::access::request::AskedToken;
use wharfinger::access::{Access, Creator, Permission, Scope};

/// Timed calls of each kind.
const CALLS: usize = 20_001;
/// Whoever is timed one by one pays for the clock too: this many calls are one measurement.
const AT_ONCE: u32 = 16;

fn main() {
    println!("| what | median of a call |\n|---|---|");
    let few = tokens();
    passwords();
    println!("\n10,000 tokens take {:.2} times as long as one.", few.2.as_secs_f64() / few.0.as_secs_f64());
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..AT_ONCE {
                work();
            }
            begun.elapsed() / AT_ONCE
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(what: &str, time: Duration) -> Duration {
    println!("| {what} | {:.3} µs |", time.as_secs_f64() * 1e6);
    time
}

/// The medians with 1, 100 and 10,000 tokens.
fn tokens() -> (Duration, Duration, Duration) {
    let mut right = Vec::new();
    for count in [1_usize, 100, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        let secret = fill(folder.path(), count);
        let begun = Instant::now();
        let access = Access::open(folder.path().to_owned()).unwrap();
        println!("| start with {count} tokens | {:.1} ms |", begun.elapsed().as_secs_f64() * 1e3);
        let address = "192.0.2.1".parse().ok();
        let time = median(|| drop(black_box(access.authenticate(black_box(&secret), address)).unwrap()));
        right.push(row(&format!("a right token among {count}"), time));
        let wrong = format!("{}A", &secret[..secret.len() - 1]);
        let other = if wrong == secret { format!("{}Q", &secret[..secret.len() - 1]) } else { wrong };
        row(
            &format!("a wrong token among {count}"),
            median(|| assert!(black_box(access.authenticate(black_box(&other), address)).is_err())),
        );
    }
    (right[0], right[1], right[2])
}

/// Makes one token as the daemon does, and others by copies of its file; answers the one's secret.
fn fill(folder: &Path, count: usize) -> String {
    let access = Access::open(folder.to_owned()).unwrap();
    let asked = AskedToken {
        name: "bench".to_owned(),
        roles: vec!["read".to_owned()],
        permissions: vec![Permission::FilesRead],
        scope: Scope::All,
        expires_in: None,
    };
    let (view, secret) = access.create_token(asked, Creator::Host("bench")).unwrap();
    let tokens = folder.join("tokens");
    let own = std::fs::read_to_string(tokens.join(format!("{}.json", view.record.id))).unwrap();
    let hash = own.split("sha256:").nth(1).unwrap()[..64].to_owned();
    for at in 1..count {
        let id = format!("t00000000-0000-4000-8000-{at:012x}");
        let another = own.replace(&hash, &format!("{at:064x}"));
        std::fs::write(tokens.join(format!("{id}.json")), another).unwrap();
    }
    secret
}

fn passwords() {
    let plain = PasswordCheck::new("admin", &Password::parse("a password of some length").unwrap());
    row(
        "the plain password",
        median(|| assert_eq!(plain.quick(b"admin", black_box(b"a password of some length")), Some(true))),
    );
    row(
        "a wrong password beside the plain one",
        median(|| assert_eq!(plain.quick(b"admin", black_box(b"b password of some length")), Some(false))),
    );
    let hash = password::hash(b"a password of some length").unwrap();
    let check = PasswordCheck::new("admin", &Password::parse(&hash).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut slow: Vec<_> = (0..11)
        .map(|_| {
            let begun = Instant::now();
            assert!(!runtime.block_on(check.slow(b"admin", b"wrong")));
            begun.elapsed()
        })
        .collect();
    slow.sort_unstable();
    row("argon2id, in full", slow[5]);
    assert!(runtime.block_on(check.slow(b"admin", b"a password of some length")));
    row(
        "argon2id, the login that was right before",
        median(|| assert_eq!(check.quick(b"admin", black_box(b"a password of some length")), Some(true))),
    );
}
