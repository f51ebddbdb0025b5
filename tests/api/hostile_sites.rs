//! Web pages of other sites, with the login that a browser remembers: they change nothing, open nothing, read nothing.

use crate::support::raw::known;
use crate::support::*;

/// What a browser says of a page that is not the daemon's own.
const FOREIGN: &[&[(&str, &str)]] = &[
    &[("origin", "http://evil.example")],
    &[("origin", "null")],
    &[("origin", "")],
    &[("origin", "file://")],
    &[("origin", "chrome-extension://abcdef")],
    &[("origin", "http://127.0.0.1")],
    &[("origin", "http://127.0.0.1:1")],
    &[("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
];

/// Every operation of the live document, with a container in its path.
async fn operations(api: &Api, cuid: &str) -> Vec<(String, String)> {
    let document = api.get("/openapi.json").await.expect(200);
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", cuid).replace("{ref}", "none").replace("{host}", "none.example");
        let path = path.replace("{token}", "t0").replace("{name}", "none").replace("{file}", "none.css");
        assert!(!path.contains('{'), "a parameter that this test does not know: {path}");
        all.extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    assert!(all.len() > 60, "{} operations", all.len());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_that_changes_something_is_done_for_another_site() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let mut tried: usize = 0;
    for (method, path) in operations(&api, &cuid).await {
        if method == "GET" {
            continue;
        }
        tried += 1;
        // One of all, and of the others some each.
        let some = if tried == 1 { FOREIGN.len() } else { 3 };
        for headers in FOREIGN.iter().cycle().skip(tried).take(some) {
            // A form is what a page sends without asking first.
            let request = api.request(&method, &path).header("content-type", "text/plain").body("{}");
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = api.send(request).await;
            answer.refused("forbidden", "CROSS_SITE");
            assert!(answer.header("access-control-allow-origin").is_none(), "{method} {path}");
        }
    }
    assert!(tried > 30, "{tried} operations");
    assert_eq!(api.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_socket_is_opened_for_another_site_and_no_answer_lets_one_read() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    for headers in FOREIGN {
        api.upgrade(&format!("/ws/{cuid}"), headers).await.refused("forbidden", "CROSS_SITE");
    }
    for (method, path) in operations(&api, &cuid).await {
        let is_stream = path.contains("/events") || path.contains("/export") || path.contains("/save");
        if method == "GET" && !is_stream {
            let request = api.request("GET", &path).header("origin", "http://evil.example");
            let answer = api.send(request).await;
            let told: Vec<_> =
                answer.headers.keys().filter(|name| name.as_str().starts_with("access-control")).collect();
            assert!(told.is_empty(), "GET {path}: {told:?}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "GET {path}");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "GET {path}");
        }
        // What a browser asks before it sends more than a form; it has no login to show.
        let ask = api.with_login(None);
        let ask = ask
            .send(
                ask.request("OPTIONS", &path)
                    .header("origin", "http://evil.example")
                    .header("access-control-request-method", &*method),
            )
            .await;
        ask.refused("auth_error", "UNAUTHORIZED");
        assert!(
            ask.header("access-control-allow-methods").is_none()
                && ask.header("access-control-allow-origin").is_none()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_no_json() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let own = api.base.clone();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonp",
        "application/json-patch+json",
    ] {
        for (method, path) in [
            ("POST", "/containers".to_owned()),
            ("PATCH", format!("/containers/{cuid}")),
            ("POST", "/tokens".to_owned()),
            ("POST", "/ws-tickets".to_owned()),
            ("POST", format!("/containers/{cuid}/exec")),
        ] {
            let body = json!({"image": BUSYBOX, "name": "x", "cmd": "true", "id": cuid, "roles": ["admin"], "tags": ["x"]}).to_string();
            let request = api.request(method, &path).header("origin", &own).header("content-type", kind);
            api.send(request.body(body)).await.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
        }
    }
}

/// A name of the attacker's that leads to the daemon: the page is then of the daemon's own origin, but the browser
/// knows no login for that name, and what it is not given it does not send.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_led_to_the_daemon_gets_nothing_without_a_login() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (line, more) in [
        ("GET /containers HTTP/1.1".to_owned(), ""),
        (format!("DELETE /containers/{cuid}?force=true HTTP/1.1"), "Sec-Fetch-Site: same-origin\r\n"),
        (format!("GET /ws/{cuid} HTTP/1.1"), socket),
    ] {
        let mut raw = Raw::to(&daemon).await;
        let head = "Host: evil.example\r\nOrigin: http://evil.example\r\n";
        raw.send(format!("{line}\r\n{head}{more}\r\n")).await.until("UNAUTHORIZED").await;
        assert_eq!(raw.statuses(), [401], "{line}");
    }
    // The origin has to be the host that was asked, and not the one that a proxy or a full target names.
    for (line, head) in [
        (
            format!("POST /containers/{cuid}/stop HTTP/1.1"),
            "X-Forwarded-Host: evil.example\r\nOrigin: http://evil.example\r\n",
        ),
        (
            format!("POST http://evil.example/containers/{cuid}/stop HTTP/1.1"),
            "Origin: http://evil.example\r\n",
        ),
        (
            format!("POST /containers/{cuid}/stop HTTP/1.1"),
            "Origin: http://x\r\nOrigin: http://evil.example\r\n",
        ),
        (format!("POST /containers/{cuid}/stop HTTP/1.1"), "Origin: http://x.evil.example\r\n"),
        (format!("POST /containers/{cuid}/stop HTTP/1.1"), "Origin: http://x@evil.example\r\n"),
        (format!("POST /containers/{cuid}/stop HTTP/1.1"), "Origin: http://x, http://evil.example\r\n"),
    ] {
        let mut raw = Raw::to(&daemon).await;
        raw.send(format!("{line}\r\n{}{head}\r\n", known(&daemon))).await.until("CROSS_SITE").await;
        assert_eq!(raw.statuses(), [403], "{head}");
    }
    assert_eq!(daemon.status(&cuid).await, "running");
}
