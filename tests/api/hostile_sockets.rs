//! Many connections that do nothing: others are served meanwhile, and each is closed at its limit.

use crate::support::raw::{connections, known};
use crate::support::stream::resident;
use crate::support::*;

/// How many of them: ten thousand in a long run.
fn many() -> usize {
    if crate::support::raw::is_long() { 10_000 } else { 500 }
}

/// Raises the test's own limit on descriptors.
fn make_room() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_sockets_keep_nobody_out_and_are_closed_at_their_limit() {
    make_room();
    let (count, limit) = (many(), if crate::support::raw::is_long() { "9" } else { "5" });
    let builder = Daemon::builder().env("APP_MAX_CONNECTIONS", &(count + 200).to_string());
    let daemon = builder.env("APP_IDLE_TIMEOUT", limit).start().await;
    daemon.get("/ping").await.expect(200);
    let before = resident(daemon.pid());
    let asked = format!("GET /ping HTTP/1.1\r\n{}\r\n", known(&daemon));
    let mut clients = Vec::new();
    for at in 0..count {
        let mut client = Raw::to(&daemon).await;
        // Some have asked for something, and some have begun to.
        match at % 4 {
            0 => drop(client.send(&asked).await),
            1 => drop(client.send("GET /ping HT").await),
            _ => {}
        }
        clients.push(client);
    }
    // The best of a few, since other tests keep the machine busy.
    let mut waited = Duration::MAX;
    for _ in 0..5 {
        let new = Api::new(&daemon.base, None, &daemon.data());
        let begun = Instant::now();
        new.get("/ping").await.refused("auth_error", "UNAUTHORIZED");
        waited = waited.min(begun.elapsed());
    }
    assert!(waited < Duration::from_secs(1), "a new client waited {waited:?}");
    let open = connections(&daemon);
    assert!(open >= count * 9 / 10, "only {open} of {count} are open");
    let each = resident(daemon.pid()).saturating_sub(before) / open as u64;
    println!("{open} sockets, {each} bytes each");
    assert!(each < 64 << 10, "a socket costs {each} bytes");
    // The head of a first request has 10 s, what comes behind an answer the limit above.
    eventually("all of them are closed", 20.0, || async { (connections(&daemon) <= 2).then_some(()) }).await;
    daemon.get("/ping").await.expect(200);
    drop(clients);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_connection_is_left_the_next_is_served_once_the_idle_ones_are_ended() {
    let builder = Daemon::builder().env("APP_MAX_CONNECTIONS", "20").env("APP_IDLE_TIMEOUT", "3");
    let daemon = builder.start().await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(Raw::to(&daemon).await);
    }
    let begun = Instant::now();
    within("others are served in the end", 25.0, daemon.get("/ping")).await.expect(200);
    assert!(begun.elapsed() > Duration::from_secs(1), "there was a limit: {:?}", begun.elapsed());
    drop(clients);
    within("others are served", 5.0, daemon.get("/ping")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_may_open_few_files_raises_its_limit_or_says_so() {
    let limits = |daemon: &Daemon| {
        let text = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        line.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap()
    };
    let daemon = Daemon::builder().descriptors("1024:20000").start().await;
    assert_eq!(limits(&daemon), 2 * 1024 + 4096);
    assert!(!daemon.output().contains("LimitNOFILE"), "{}", daemon.output());
    let poor = Daemon::builder().descriptors("512:900").start().await;
    assert_eq!(limits(&poor), 900);
    assert!(poor.output().contains("LimitNOFILE"), "{}", poor.output());
}
