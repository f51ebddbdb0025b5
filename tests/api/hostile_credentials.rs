//! Every operation of the live document without credentials and with wrong ones: one answer, whatever is asked.

use std::collections::BTreeSet;

use futures_util::StreamExt;

use crate::support::*;

/// The paths of the live document, each with what is there and with what is not.
async fn paths(daemon: &Daemon, cuid: &str) -> BTreeSet<String> {
    let document = daemon.get("/openapi.json").await.expect(200);
    let mut all = BTreeSet::new();
    for path in document["paths"].as_object().unwrap().keys() {
        for id in [cuid, "nobody"] {
            let path = path.replace("{id}", id).replace("{ref}", BUSYBOX).replace("{host}", "none.example");
            let path =
                path.replace("{token}", "t0").replace("{name}", "admin").replace("{file}", "index.html");
            assert!(!path.contains('{'), "a parameter that this test does not know: {path}");
            all.insert(path);
        }
    }
    assert!(all.len() > 50, "{} paths", all.len());
    for other in [
        "/",
        "/nothing",
        "/containers/",
        "//containers",
        "/../containers",
        "/%2e%2e/containers",
        "/%63ontainers",
        "/containers%2f",
        "/ws",
        "/ws/",
        "/docs/..%2f",
        "/favicon.ico",
        "/.env",
        "/metrics",
        "/%00",
        "/a?b=c",
        "/containers?limit=x",
    ] {
        all.insert(other.to_owned());
    }
    all
}

/// What an answer says beside its own id and time.
fn told(answer: &Answer) -> (u16, String, Vec<String>) {
    let mut body = if answer.body.is_empty() { Value::Null } else { answer.json() };
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
        body.remove("timestamp");
    }
    let mine = ["x-request-id", "date", "content-length", "transfer-encoding"];
    let headers = answer.headers.iter().filter(|(name, _)| !mine.contains(&name.as_str()));
    let mut headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    (answer.status, body.to_string(), headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_told_the_same_whatever_is_asked() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let paths = paths(&daemon, &cuid).await;
    let nobody = daemon.with_login(None);
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get"];
    let asked = paths.iter().flat_map(|path| methods.map(|method| (method, path)));
    let answers = futures_util::stream::iter(asked).map(|(method, path)| {
        let nobody = &nobody;
        async move {
            let request = nobody.request(method, path).header("content-type", "application/json").body("{}");
            (method, nobody.send(request).await)
        }
    });
    let answers: Vec<(&str, Answer)> = answers.buffer_unordered(8).collect().await;
    let first = told(&answers.iter().find(|(method, _)| *method == "GET").unwrap().1);
    assert_eq!(first.0, 401, "{first:?}");
    let mut seen = 0;
    for (method, answer) in &answers {
        let told = told(answer);
        if *method == "HEAD" {
            assert_eq!((told.0, &told.2), (401, &first.2), "{}", answer.asked);
        } else {
            assert_eq!(told, first, "{}", answer.asked);
        }
        seen += 1;
    }
    assert!(seen > 600, "{seen} answers");
    assert_eq!(daemon.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_the_same_whatever_is_asked() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let token = daemon.make_token(json!({"roles": ["admin"]})).await;
    let paths = paths(&daemon, &cuid).await;
    let last = if token.secret.ends_with('A') { "B" } else { "A" };
    let other = format!("{}{last}", &token.secret[..token.secret.len() - 1]);
    for (kind, wrong) in [
        daemon.with_login(Some(("admin", "guess"))),
        daemon.with_login(Some(("", ""))),
        daemon.with_login(Some(("nobody", &token.secret))),
        daemon.bearing(&other),
        daemon.bearing("x"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut told_first: Option<(u16, String, Vec<String>)> = None;
        for (number, path) in paths.iter().enumerate() {
            // Ten failures of one address bring 429.
            let address = [127, 3, u8::try_from(kind).unwrap(), u8::try_from(number / 4 + 1).unwrap()];
            let from = wrong.from(address);
            for method in ["GET", "DELETE"] {
                let told = told(&from.send(from.request(method, path)).await);
                assert_eq!(told.0, 401, "{method} {path}: {told:?}");
                assert_eq!(told_first.get_or_insert_with(|| told.clone()), &told, "{method} {path}");
            }
        }
    }
    assert_eq!(daemon.status(&cuid).await, "running");
}
