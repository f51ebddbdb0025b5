//! Passwords guessed from one address and from many: the right one goes on working, the wrong ones get nowhere.

use futures_util::StreamExt;

use crate::support::raw::known;
use crate::support::stream::resident;
use crate::support::*;

/// Guesses from one address of the loopback network: how often each status came.
async fn guess(daemon: &Daemon, address: [u8; 4], times: usize) -> [usize; 2] {
    let api = daemon.with_login(Some(("admin", "guess"))).from(address);
    let mut counted = [0; 2];
    for _ in 0..times {
        match api.get("/containers").await.status {
            401 => counted[0] += 1,
            429 => counted[1] += 1,
            other => panic!("a guess is answered {other}"),
        }
    }
    counted
}

/// How many guesses of one address are judged: ten at once, and ten a minute.
fn allowed(begun: Instant) -> usize {
    10 + usize::try_from(begun.elapsed().as_secs() / 6 + 1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_many_addresses_are_slowed_each_and_keep_nobody_out() {
    let daemon = Daemon::start().await;
    let token = daemon.token(json!({"roles": ["read"]})).await;
    let count = rounds(60).min(3000);
    let addresses =
        (0..count).map(|n| [127, 1, u8::try_from(n / 250).unwrap(), u8::try_from(n % 250 + 1).unwrap()]);
    let attack = futures_util::stream::iter(addresses).map(|address| guess(&daemon, address, 14));
    let begun = Instant::now();
    let attack = async {
        for counted in attack.buffer_unordered(8).collect::<Vec<_>>().await {
            assert!((10..=allowed(begun)).contains(&counted[0]), "{counted:?}");
            assert_eq!(counted[0] + counted[1], 14);
        }
    };
    let work = async {
        let mut longest = Duration::ZERO;
        for n in 0..40 {
            // Also from an address that attacks.
            let asked = Instant::now();
            if n % 2 == 0 {
                daemon.from([127, 1, 0, 1]).get("/containers").await.expect(200);
            } else {
                token.from([127, 1, 0, 2]).get("/containers").await.expect(200);
            }
            longest = longest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        longest
    };
    let ((), longest) = tokio::join!(attack, work);
    assert!(longest < Duration::from_secs(5), "the right ones waited {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_more_guesses_by_naming_other_addresses() {
    let daemon = Daemon::start().await;
    let wrong = daemon.with_login(Some(("admin", "guess")));
    let begun = Instant::now();
    let mut judged = 0;
    for _ in 0..10 {
        judged += usize::from(wrong.get("/containers").await.status == 401);
    }
    for (name, value) in [
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-for", "127.0.0.1, 9.9.9.9"),
        ("forwarded", "for=9.9.9.9"),
        ("x-real-ip", "9.9.9.9"),
        ("x-client-ip", "9.9.9.9"),
        ("true-client-ip", "9.9.9.9"),
        ("cf-connecting-ip", "9.9.9.9"),
    ] {
        let answer = wrong.send(wrong.request("GET", "/containers").header(name, value)).await;
        judged += usize::from(answer.status == 401);
    }
    for header in ["Bearer x", "Basic !", "Digest x", "basic YTpi"] {
        let none = daemon.with_login(None);
        let answer = none.send(none.request("GET", "/containers").header("authorization", header)).await;
        judged += usize::from(answer.status == 401);
    }
    assert!((10..=allowed(begun)).contains(&judged), "{judged} guesses were judged");
    assert!(daemon.audit().iter().all(|line| line["remote"].as_str().unwrap().starts_with("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_is_slow_by_intent_is_not_worked_out_for_every_guess() {
    let builder = Daemon::builder();
    let ran = builder.cli(&["hash-password"]).input("the right one\n").run();
    let daemon = builder.env("APP_PASS", ran.done()).start().await;
    let right = daemon.with_login(Some(("admin", "the right one")));
    right.get("/ping").await.expect(200);
    let (before, begun) = (resident(daemon.pid()), Instant::now());
    let attack = futures_util::stream::iter(0..200_u8).map(|n| guess(&daemon, [127, 2, 0, n % 4 + 1], 2));
    let attack = attack.buffer_unordered(40).collect::<Vec<_>>();
    let work = async {
        for _ in 0..10 {
            within("the right password", 5.0, right.from([127, 2, 0, 1]).get("/ping")).await.expect(200);
        }
    };
    let (counted, ()) = tokio::join!(attack, work);
    let judged: usize = counted.iter().map(|counted| counted[0]).sum();
    assert!(judged <= 4 * allowed(begun), "{judged} guesses were judged");
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 200 << 20, "memory grew by {grown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_authorization_headers_neither_counts() {
    let daemon = Daemon::start().await;
    let (wrong, right) = ("Authorization: Basic YWRtaW46eA==\r\n", known(&daemon));
    for head in [
        format!("{right}{wrong}"),
        format!("{wrong}{right}"),
        format!("{right}{}", right.split_once("\r\n").unwrap().1),
    ] {
        let mut raw = Raw::to(&daemon).await;
        raw.send(format!("GET /ping HTTP/1.1\r\n{head}Connection: close\r\n\r\n")).await.end().await;
        assert_eq!(raw.statuses(), [401], "{head}");
    }
}
