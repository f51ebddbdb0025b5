//! The guide's error schema, whatever goes wrong.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_route_is_a_404_in_the_schema() {
    let api = shared().await;
    for path in
        ["/", "/nothing", "/containers/x/y/z", "/containers//start", "/ws", "/healthz/x", "/%00", "/..%2f"]
    {
        let answer = api.get(path).await;
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        answer.refused(if answer.status == 404 { "not_found" } else { "validation_error" }, "");
    }
    api.get("/nothing").await.refused("not_found", "ROUTE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_a_405_that_says_which_are_right() {
    let api = shared().await;
    for (method, path, right) in [
        ("PUT", "/containers", vec!["GET", "POST"]),
        ("POST", "/containers/x", vec!["GET", "PATCH", "DELETE"]),
        ("GET", "/containers/x/start", vec!["POST"]),
        ("POST", "/healthz", vec!["GET"]),
        ("GET", "/containers/x/upload-zip", vec!["POST"]),
        ("DELETE", "/containers/x/download", vec!["GET"]),
        ("GET", "/containers/x/ports", vec!["PATCH"]),
        ("POST", "/openapi.json", vec!["GET"]),
        ("BREW", "/containers", vec!["GET", "POST"]),
    ] {
        let answer = api.send(api.request(method, path)).await;
        answer.refused("method_not_allowed", "METHOD_NOT_ALLOWED");
        let allow = answer.header("allow").unwrap_or_else(|| panic!("{method} {path}: no Allow"));
        for one in right {
            assert!(allow.split(',').any(|m| m.trim() == one), "{method} {path}: Allow: {allow}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    for (method, path) in [
        ("POST", "/containers".to_owned()),
        ("PATCH", format!("/containers/{cuid}")),
        ("PATCH", format!("/containers/{cuid}/ports")),
    ] {
        let send = |kind: &'static str, body: Vec<u8>| {
            api.send(api.request(method, &path).header("content-type", kind).body(body))
        };
        for body in ["", "{", "{\"image\":", "nonsense", "{\"a\":1}}", "\u{feff}{"] {
            send("application/json", body.into()).await.refused("validation_error", "INVALID_JSON");
        }
        send("application/json", b"{\"image\": \"\xff\"}".to_vec())
            .await
            .refused("validation_error", "INVALID_JSON");
        send("application/json", "[".repeat(100_000).into())
            .await
            .refused("validation_error", "INVALID_JSON");
        for body in ["[]", "null", "5", "\"text\""] {
            send("application/json", body.into()).await.refused("validation_error", "");
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
        ] {
            send(kind, b"{}".to_vec()).await.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
        }
        let untyped = api.send(api.request(method, &path).body("{}")).await;
        untyped.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
        let answer = send("application/json; charset=utf-8", b"{\"unheard\": 1}".to_vec()).await;
        answer.refused("validation_error", "");
        let large = format!("{{\"image\": \"{}\"}}", "x".repeat(20_000_000));
        // A daemon may answer and close before all of it was sent: then the answer can get lost.
        let mut answer = None;
        for _ in 0..5 {
            let request = api.request(method, &path).header("content-type", "application/json");
            answer = api.try_send(request.body(large.clone())).await.ok();
            if answer.is_some() {
                break;
            }
        }
        answer.expect("an answer to a large body").refused("too_large", "BODY_TOO_LARGE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let api = shared().await;
    let with_id = |id: &str| api.send(api.request("GET", "/nothing").header("x-request-id", id));
    for id in ["123e4567-e89b-12d3-a456-426614174000", "my-request_1.2"] {
        let answer = with_id(id).await;
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(answer.refused("not_found", "")["request_id"], id);
    }
    let long = "x".repeat(5000);
    for id in ["", "with space", "quote\"", "<script>", "semi;colon\tx", &long] {
        let answer = with_id(id).await;
        let kept = answer.header("x-request-id").unwrap().to_owned();
        assert!(kept != id && !kept.is_empty(), "{id:?}");
        answer.refused("not_found", "");
    }
    let (a, b) = (api.get("/healthz").await, api.get("/healthz").await);
    assert_ne!(a.header("x-request-id").unwrap(), b.header("x-request-id").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timestamp_has_the_local_offset() {
    let daemon = Daemon::builder().env("TZ", "Asia/Kolkata").start().await;
    let error = daemon.get("/nothing").await.refused("not_found", "");
    assert!(error["timestamp"].as_str().unwrap().ends_with("+05:30"), "{error}");
    let line = daemon.audit().into_iter().next().unwrap();
    assert!(line["timestamp"].as_str().unwrap().ends_with("+05:30"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stacktrace_comes_in_development_only() {
    let daemon = Daemon::builder().env("APP_ENV", "development").start().await;
    let answer = daemon.get("/nothing").await;
    assert_eq!(answer.status, 404);
    let error = answer.json();
    assert!(error["stacktrace"].is_string(), "{error}");
    assert_eq!(error["code"], "ROUTE_NOT_FOUND");
    shared().await.get("/nothing").await.refused("not_found", "ROUTE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_wire_breaks_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let daemon = Daemon::start().await;
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /containers HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ] {
        let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = within("an end", 20.0, socket.read_to_end(&mut answer)).await;
        assert!(
            !String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 5"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    daemon.get("/healthz").await.expect(200);
}
