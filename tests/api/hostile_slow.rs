//! Clients that are slow on purpose: each is ended at its limit, and meanwhile all others are served.

use crate::support::raw::{connections, known};
use crate::support::*;

/// How long an answer to somebody else may take, on a machine that is busy with other tests; whoever waited for those
/// that are slow would wait for all of them.
const SERVED: Duration = Duration::from_secs(6);

/// Limits of a second or two.
async fn impatient() -> Daemon {
    Daemon::builder()
        .env("APP_BODY_IDLE_TIMEOUT", "2")
        .env("APP_BODY_TIMEOUT", "4")
        .env("APP_IDLE_TIMEOUT", "2")
        .env("APP_ANSWER_IDLE_TIMEOUT", "2")
        .start()
        .await
}

/// Asks again and again for something small: how long half of the answers took at most.
async fn served(daemon: &Daemon, seconds: f64) -> Duration {
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed().as_secs_f64() < seconds {
        let asked = Instant::now();
        // A client that keeps no connection: an idle one may be ended just when it is used again.
        daemon.from([127, 0, 0, 1]).get("/ping").await.expect(200);
        took.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    took.sort();
    took[took.len() / 2]
}

/// Sends the first part at once and then a piece a second: the connection has to end within the limit.
async fn dripping(daemon: &Daemon, what: &str, first: &str, drip: &str, limit: f64) {
    let mut client = Raw::to(daemon).await;
    client.send(first).await;
    let every = Duration::from_millis(900);
    let ended = client.ends_while(drip.as_bytes(), every, limit).await;
    assert!(ended.is_some(), "{what} is still open after {limit} s: {}", client.text());
    assert!(!client.statuses().contains(&200) || first.contains("/ping"), "{what}: {}", client.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_at_a_byte_a_second_is_ended_at_its_limit_and_others_are_served() {
    let daemon = impatient().await;
    let cuid = daemon.idle(json!({})).await;
    let (login, nobody) = (known(&daemon), "Host: x\r\n");
    let json = "Content-Type: application/json\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let upload =
        format!("POST /containers/{cuid}/upload-zip HTTP/1.1\r\n{login}Content-Type: application/zip\r\n");
    let put = format!("PUT /containers/{cuid}/files?path=slow HTTP/1.1\r\n{login}");
    let create = format!("POST /containers HTTP/1.1\r\n{login}{json}");
    let stranger = format!("POST /containers HTTP/1.1\r\n{nobody}{json}");
    let length = "Content-Length: 10000\r\n\r\n";
    let ping = format!("GET /ping HTTP/1.1\r\n{login}\r\n");
    // The head of a first request has 10 s; everything else has the limits of this daemon.
    let cases: Vec<(&str, String, &str, f64)> = vec![
        ("nothing at all", String::new(), "", 15.0),
        ("a head", "GET /ping HTTP/1.1\r\nX: ".into(), "x", 15.0),
        ("the head of a second request", format!("{ping}GET /ping HTTP/1.1\r\nX: "), "x", 8.0),
        ("line ends for a second request", ping.clone(), "\r\n", 8.0),
        ("a JSON body", format!("{create}{length}"), " ", 8.0),
        ("a JSON body in chunks", format!("{create}{chunked}"), "1\r\n \r\n", 9.0),
        ("an extension of a chunk", format!("{create}{chunked}1;"), "x", 9.0),
        ("a trailer", format!("{create}{chunked}0\r\n"), "x", 9.0),
        ("an upload", format!("{upload}{length}"), "P", 9.0),
        ("an upload in chunks", format!("{upload}{chunked}"), "1\r\nP\r\n", 11.0),
        ("an upload that stops", format!("{upload}{length}PK"), "", 9.0),
        ("a file", format!("{put}{length}"), "x", 9.0),
        ("a body that is promised", format!("{create}Expect: 100-continue\r\n{length}"), "", 9.0),
        ("a stranger's body", format!("{stranger}{length}"), " ", 9.0),
        ("a stranger's body in chunks", format!("{stranger}{chunked}"), "1\r\n \r\n", 9.0),
        ("a stranger's trailer", format!("{stranger}{chunked}0\r\n"), "x", 9.0),
        ("a body that nobody reads", format!("GET /ping HTTP/1.1\r\n{login}{chunked}"), "1\r\n \r\n", 9.0),
    ];
    let all = cases.iter().map(|(what, first, drip, limit)| dripping(&daemon, what, first, drip, *limit));
    let (longest, _) = tokio::join!(served(&daemon, 8.0), futures_util::future::join_all(all));
    assert!(longest < SERVED, "others waited {longest:?}");
    assert_eq!(std::fs::read_dir(daemon.mount(&cuid)).unwrap().count(), 0, "and nothing came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_no_answer_is_ended_at_the_limit_and_others_are_served() {
    let daemon = impatient().await;
    // More than all buffers on the way hold, and no more: the engine has others to serve.
    let prints = "yes 0123456789012345678901234567890123456789 | head -n 500000; exec sleep 1000";
    let cuid = daemon.running(json!({"command": prints})).await;
    daemon.upload(&cuid, "", Zip::new().file("large", noise(24 << 20)).bytes()).await.expect(200);
    let login = known(&daemon);
    let get = |path: &str, login: &str| format!("GET {path} HTTP/1.1\r\n{login}\r\n");
    let all = [
        ("refusals", get("/ping", "Host: x\r\n").repeat(5000)),
        ("pages", get("/openapi.json", &login).repeat(20)),
        ("a file", get(&format!("/containers/{cuid}/download?path=large"), &login)),
        ("a folder", get(&format!("/containers/{cuid}/download-zip"), &login)),
        ("logs", get(&format!("/containers/{cuid}/logs?follow=true"), &login)),
    ]
    .map(|(what, asked)| {
        let daemon = &daemon;
        async move {
            let mut client = Raw::narrow(daemon).await;
            // What does not fit any more is not sent: the daemon stops reading too.
            let sent = tokio::time::timeout(Duration::from_secs(1), client.send(asked)).await;
            drop(sent);
            (what, client)
        }
    });
    let clients = futures_util::future::join_all(all).await;
    let open = connections(&daemon);
    assert!(open >= 5, "{open} are open");
    let longest = served(&daemon, 3.0).await;
    assert!(longest < SERVED, "others waited {longest:?}");
    // The connection of the client that is served is one.
    eventually("all of them are ended", 20.0, || async { (connections(&daemon) <= 1).then_some(()) }).await;
    drop(clients);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_slowly_but_reads_gets_the_whole_answer() {
    use tokio::io::AsyncReadExt;
    let daemon = impatient().await;
    let cuid = daemon.idle(json!({})).await;
    let noise = noise(8 << 20);
    daemon.upload(&cuid, "", Zip::new().file("large", &noise).bytes()).await.expect(200);
    let mut client = Raw::to(&daemon).await;
    let asked = format!("GET /containers/{cuid}/download?path=large HTTP/1.1\r\n{}\r\n", known(&daemon));
    client.send(asked).await;
    let begun = Instant::now();
    let mut piece = vec![0; 1 << 20];
    while client.heard.len() < noise.len() {
        let count = within("more comes", 5.0, client.socket.read(&mut piece)).await.unwrap();
        assert!(count > 0, "it ended after {} bytes and {:?}", client.heard.len(), begun.elapsed());
        client.heard.extend(&piece[..count]);
        // In all longer than any limit of this daemon.
        if begun.elapsed() < Duration::from_secs(6) {
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(client.heard.ends_with(&noise[noise.len() - 1000..]) || client.heard.len() >= noise.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_silent_because_nothing_happens_is_not_ended() {
    let daemon = impatient().await;
    let cuid = daemon.running(json!({})).await;
    let mut logs = Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true")).await;
    let mut terminal = Terminal::open(&daemon, &cuid, "").await;
    let (path, body) = (format!("/containers/{cuid}/wait"), json!({"timeout": 30}));
    let waits = daemon.post_json(&path, &body);
    let quiet = async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        terminal.type_in("echo still; exit 3\n").await;
        assert_eq!(terminal.end().await, Some(3));
        daemon.act(&cuid, "stop").await;
    };
    let (waited, ()) = tokio::join!(waits, quiet);
    waited.expect(200);
    let (_, end) = logs.rest().await;
    assert_eq!(end["reason"], "exited", "{end}");
}
