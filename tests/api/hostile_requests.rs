//! Requests of which a proxy in front could think another number than the daemon: each is refused and its connection
//! closed, or is exactly one request.

use crate::support::raw::known;
use crate::support::stream::resident;
use crate::support::*;

/// What the daemon has to make of bytes behind which a marker stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing is done, and nothing behind it.
    Refused,
    /// One request, and then the marker.
    One,
    /// One request, and what is behind it is not another one.
    Last,
}

use Then::{Last, One, Refused};

/// The body of most requests: no container is made of it.
const BODY: &str = r#"{"a":1}"#;
const CHUNKS: &str = "7\r\n{\"a\":1}\r\n0\r\n\r\n";

type Case = (String, String, Then);

/// A request with a body, by its headers about that and what follows them.
fn post(login: &str, what: &str, headers: &str, body: &str, then: Then) -> Case {
    let head = format!("POST /containers HTTP/1.1\r\n{login}Content-Type: application/json\r\n");
    (what.to_owned(), format!("{head}{headers}\r\n{body}"), then)
}

fn get(login: &str, what: &str, line: &str, headers: &str, then: Then) -> Case {
    (what.to_owned(), format!("{line}\r\n{login}{headers}\r\n"), then)
}

fn lengths(login: &str) -> Vec<Case> {
    let one = |value: &str, then| {
        post(login, &format!("length {value:?}"), &format!("Content-Length: {value}\r\n"), BODY, then)
    };
    let mut all: Vec<Case> =
        ["+7", "-7", "7,7", "7, 7", "0x7", "7.0", "7e0", "", "seven", "7\x0b", "18446744073709551616", "7 7"]
            .map(|value| one(value, Refused))
            .into();
    all.extend(["7", "7 ", "\t7", "07"].map(|value| one(value, One)));
    all.push(post(login, "two lengths", "Content-Length: 7\r\nContent-Length: 0\r\n", BODY, Refused));
    all.push(post(login, "one length twice", "Content-Length: 7\r\nContent-Length: 7\r\n", BODY, Refused));
    all.push(post(login, "a space behind the name", "Content-Length : 7\r\n", BODY, Refused));
    all.push(post(login, "a space before the name", "X: y\r\n Content-Length: 7\r\n", BODY, Refused));
    all.push(post(login, "a carriage return in a header", "X: y\rContent-Length: 7\r\n", BODY, Refused));
    all.push(post(login, "a NUL in a header", "X: \0\r\nContent-Length: 7\r\n", BODY, Refused));
    all.push(post(login, "a line without colon", "Content-Length\r\nContent-Length: 7\r\n", BODY, Refused));
    all.push(post(login, "a folded header", "X: y\r\n z\r\nContent-Length: 7\r\n", BODY, Refused));
    // A line end alone ends a line, as RFC 9112 (2.2) lets it.
    all.push(post(login, "line ends alone", "X: y\nContent-Length: 7\n", BODY, One));
    all
}

fn encodings(login: &str) -> Vec<Case> {
    let mut all = Vec::new();
    for value in [
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "identity",
        "chunked;q=1",
        "gzip, chunked",
        "gzip",
        "\"chunked\"",
        "",
        "chunked,",
        " , chunked",
        "chunked\x0b",
        "chunked chunked",
    ] {
        let header = format!("Transfer-Encoding: {value}\r\n");
        all.push(post(login, &format!("encoding {value:?}"), &header, CHUNKS, Refused));
        let both = format!("{header}Content-Length: {}\r\n", CHUNKS.len());
        all.push(post(login, &format!("encoding {value:?} and length"), &both, CHUNKS, Refused));
    }
    for value in ["chunked", "\tchunked", "chunked\t", "CHUNKED"] {
        let header = format!("Transfer-Encoding: {value}\r\n");
        all.push(post(login, &format!("encoding {value:?}"), &header, CHUNKS, One));
        for (what, both) in [
            ("before a length", format!("{header}Content-Length: 5\r\n")),
            ("behind a length", format!("Content-Length: 5\r\n{header}")),
        ] {
            all.push(post(login, &format!("encoding {value:?} {what}"), &both, CHUNKS, Refused));
        }
    }
    let chunked = "Transfer-Encoding: chunked\r\n";
    all.push(post(
        login,
        "two encodings",
        &format!("{chunked}Transfer-Encoding: identity\r\n"),
        CHUNKS,
        Refused,
    ));
    all.push(post(login, "one encoding twice", &format!("{chunked}{chunked}"), CHUNKS, Refused));
    all.push(post(login, "a folded encoding", "Transfer-Encoding:\r\n chunked\r\n", CHUNKS, Refused));
    all.push(post(
        login,
        "a space behind its name",
        "Transfer-Encoding : chunked\r\nContent-Length: 7\r\n",
        BODY,
        Refused,
    ));
    let old = post(login, "of HTTP/1.0", chunked, CHUNKS, Refused);
    all.push((old.0, old.1.replacen("HTTP/1.1", "HTTP/1.0", 1), Refused));
    all
}

fn chunks(login: &str) -> Vec<Case> {
    let one = |what: &str, chunks: &str, then| {
        post(login, &format!("chunk: {what}"), "Transfer-Encoding: chunked\r\n", chunks, then)
    };
    let giant = format!("7;{}\r\n{BODY}\r\n0\r\n\r\n", "x".repeat(300_000));
    vec![
        one("a size that flows over", &format!("10000000000000007\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("a size below nothing", &format!("-7\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("a size with 0x", &format!("0x7\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("no size", &format!("\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("a space before the size", &format!(" 7\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("a line end in an extension", &format!("7;a\nb\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("line ends alone", &format!("7\n{BODY}\n0\n\n"), Last),
        one("no line end behind", &format!("7\r\n{BODY}0\r\n\r\n"), Last),
        one("other bytes behind", &format!("7\r\n{BODY}XX0\r\n\r\n"), Last),
        one("a size that is too small", &format!("6\r\n{BODY}\r\n0\r\n\r\n"), Last),
        one("an extension", &format!("7;a=b\r\n{BODY}\r\n0\r\n\r\n"), One),
        one("a giant extension", &giant, One),
        one("zeros before the size", &format!("0007\r\n{BODY}\r\n000\r\n\r\n"), One),
        one("a trailer", &format!("7\r\n{BODY}\r\n0\r\nContent-Length: 50\r\n\r\n"), One),
        one(
            "a trailer like a request",
            &format!("7\r\n{BODY}\r\n0\r\nX: y\nGET /hidden HTTP/1.1\r\n\r\n"),
            One,
        ),
    ]
}

fn targets(login: &str) -> Vec<Case> {
    let mut all = Vec::new();
    for (path, then) in [
        ("//ping", One),
        ("/ping/", One),
        ("/./ping", One),
        ("/x/../ping", One),
        ("/%2fping", One),
        ("/pi%6eg", One),
        ("/ping%00", One),
        ("/%2e%2e/ping", One),
        ("/ping%zz", One),
        ("/ping#x", One),
        ("/ping;x", One),
        ("/ping\\", One),
        ("http://x/ping", One),
        ("http://other.example/ping", One),
        ("x:80", One),
        ("*", One),
        ("ping", One),
        ("/ping\0", Refused),
        ("/p ing", Refused),
        ("/ping\t", Refused),
        ("\\ping", Refused),
        ("?x", Refused),
        ("", Refused),
    ] {
        all.push(get(login, &format!("target {path:?}"), &format!("GET {path} HTTP/1.1"), "", then));
    }
    for version in ["HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 x", "HTTP/01.1", "HTTP/1.1\t", ""] {
        all.push(get(login, &format!("version {version:?}"), &format!("GET /ping {version}"), "", Refused));
    }
    for line in [
        "GET  /ping HTTP/1.1",
        " GET /ping HTTP/1.1",
        "G{T /ping HTTP/1.1",
        "GET\t/ping HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        all.push(get(login, &format!("line {line:?}"), line, "", Refused));
    }
    all.push(get(login, "two hosts", "GET /ping HTTP/1.1", "Host: y\r\n", Refused));
    all.push((
        "no host".into(),
        format!("GET /ping HTTP/1.1\r\n{}\r\n", login.split_once("\r\n").unwrap().1),
        Refused,
    ));
    all.push(get(login, "no line end before", "\r\n\r\nGET /ping HTTP/1.1", "", One));
    all.push(get(login, "CONNECT", "CONNECT x:80 HTTP/1.1", "", Last));
    all.push(get(login, "CONNECT to a path", "CONNECT /ping HTTP/1.1", "", Last));
    all.push(get(
        login,
        "another method in a header",
        "GET /ping HTTP/1.1",
        "X-HTTP-Method-Override: DELETE\r\n",
        One,
    ));
    all
}

/// Bodies where none belongs, and where nobody reads them: they hold a request.
fn hidden(login: &str) -> Vec<Case> {
    let inner = format!("GET /hidden HTTP/1.1\r\n{login}\r\n");
    let length = format!("Content-Length: {}\r\n", inner.len());
    let with = |what: &str, line: &str, login: &str, headers: &str, then| {
        let (name, bytes, then) = get(login, what, line, headers, then);
        (name, bytes + &inner, then)
    };
    let socket = format!("Content-Type: application/json\r\nUpgrade: websocket\r\n{length}");
    vec![
        with("a body of GET", "GET /ping HTTP/1.1", login, &length, One),
        with("a body of HEAD", "HEAD /ping HTTP/1.1", login, &length, One),
        with("a body that nobody reads", "GET /nothing HTTP/1.1", login, &length, One),
        with("a stranger's body", "POST /containers HTTP/1.1", "Host: x\r\n", &length, One),
        with(
            "a body behind 100",
            "GET /ping HTTP/1.1",
            login,
            &format!("Expect: 100-continue\r\n{length}"),
            One,
        ),
        // Everything that comes for a socket is its own: without this rule the marker would be part of a body.
        with("a body and a socket", "POST /containers HTTP/1.1", login, &socket, Last),
        with("a file and a socket", "PUT /containers/x/files?path=a HTTP/1.1", login, &socket, Last),
        with("a socket that is none", "GET /ping HTTP/1.1", login, "Upgrade: websocket\r\n", Last),
        with("a socket with a body", "GET /ws/x HTTP/1.1", login, &socket, Last),
        get(login, "another protocol", "GET /ping HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", One),
    ]
}

/// Sends a case with a marker behind it: what is wrong with what came of it.
async fn wrong(daemon: &Daemon, number: usize, (what, bytes, then): &Case) -> Option<String> {
    let (marker, agent) = (format!("/marker-{number}"), format!("case-{number}"));
    let mut raw = Raw::to(daemon).await;
    // Each request of this connection is told by its id in the audit log, where the client gave it one.
    let is_stranger = what.contains("stranger");
    let named = format!("\r\nX-Request-Id: {agent}\r\nAuthorization");
    let bytes = if is_stranger { bytes.clone() } else { bytes.replacen("\r\nAuthorization", &named, 1) };
    raw.send(format!("{bytes}GET {marker} HTTP/1.1\r\n{}\r\n", known(daemon))).await;
    let begun = Instant::now();
    let mut is_closed = raw.settle(Duration::from_millis(200)).await;
    // What has to come may take its time on a busy machine.
    while !is_closed
        && (*then != One || raw.statuses().len() < 2)
        && begun.elapsed() < Duration::from_secs(12)
    {
        is_closed = raw.settle(Duration::from_millis(200)).await;
    }
    let lines = daemon.audit();
    let seen = |text: &str| lines.iter().filter(|line| line["path"] == text).count();
    let (own, marked, hidden) = (
        lines.iter().filter(|line| line["request_id"] == agent.as_str()).count(),
        seen(&marker),
        lines.iter().filter(|line| line["path"].as_str().is_some_and(|path| path.contains("hidden"))).count(),
    );
    let own = if is_stranger { 1 } else { own };
    let statuses = raw.statuses();
    let is_right = hidden == 0
        && match then {
            Refused => own == 0 && marked == 0 && is_closed && statuses == [400],
            One => own == 1 && marked == 1 && statuses.len() == 2,
            Last => own == 1 && marked == 0 && is_closed && statuses.len() <= 1,
        };
    (!is_right).then(|| {
        format!("{what} has to be {then:?}: {own} of it, {marked} markers, {hidden} hidden, {statuses:?}, closed: {is_closed}")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shape_is_refused_or_is_exactly_one_request() {
    use futures_util::StreamExt;
    let daemon = Daemon::start().await;
    let login = known(&daemon);
    let cases: Vec<Case> =
        [lengths, encodings, chunks, targets, hidden].into_iter().flat_map(|group| group(&login)).collect();
    assert!(cases.len() > 120, "{} cases", cases.len());
    let plays = futures_util::stream::iter(cases.iter().enumerate());
    let plays = plays.map(|(number, case)| wrong(&daemon, number, case)).buffer_unordered(24);
    let all: Vec<String> = plays.filter_map(|wrong| async { wrong }).collect().await;
    assert!(all.is_empty(), "{}", all.join("\n"));
    assert!(daemon.get("/containers").await.expect(200)["containers"].as_array().unwrap().is_empty());
    let said = daemon.output();
    assert!(!said.contains("panicked") && !said.contains("ERROR"), "a stranger fills the log: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn giant_heads_are_refused_and_cost_no_memory() {
    let daemon = Daemon::start().await;
    let login = known(&daemon);
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\n{login}{headers}\r\n");
    let headers = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    let (many, hundred) = (headers(5000), headers(100));
    let large = "x".repeat(8 << 20);
    let cases = [
        ("a giant header", get("/ping", &format!("X: {large}\r\n"))),
        ("a giant name", get("/ping", &format!("{large}: x\r\n"))),
        ("a giant path", get(&format!("/{large}"), "")),
        ("a giant query", get(&format!("/ping?{large}"), "")),
        ("a path of 100,000 bytes", get(&format!("/{}", &large[..100_000]), "")),
        ("a giant method", format!("{large} /ping HTTP/1.1\r\n{login}\r\n")),
        ("many headers", get("/ping", &many)),
        ("a hundred headers", get("/ping", &hundred)),
        ("a head that never ends", format!("GET /ping HTTP/1.1\r\n{}", "X: y\r\n".repeat(1 << 20))),
        ("line ends", "\r\n".repeat(4 << 20)),
    ];
    daemon.get("/ping").await.expect(200);
    let before = resident(daemon.pid());
    for (what, bytes) in cases {
        let mut raw = Raw::to(&daemon).await;
        let sent = async {
            raw.send(&bytes).await;
            raw.end_within(15.0).await
        };
        within(what, 25.0, sent).await;
        let statuses = raw.statuses();
        // A client that goes on sending may lose the answer, since its bytes are not read any more.
        assert!(
            statuses.len() <= 1 && statuses.iter().all(|status| [400, 408, 414, 431].contains(status)),
            "{what}: {statuses:?}"
        );
    }
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "memory grew by {grown}");
    daemon.get("/ping").await.expect(200);
}
