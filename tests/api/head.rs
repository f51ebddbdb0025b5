//! `HEAD`, also before other requests on the same connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

/// Sends all requests in one write: all that comes until the server closes.
async fn pipelined(api: &Api, requests: &[(&str, &str)]) -> String {
    let login = api.authorization().unwrap();
    let write = |(at, (method, path)): (usize, &(&str, &str))| {
        let connection = if at + 1 == requests.len() { "close" } else { "keep-alive" };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\nconnection: {connection}\r\n\r\n"
        )
    };
    let text: String = requests.iter().enumerate().map(write).collect();
    let mut socket = tokio::net::TcpStream::connect(api.base.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("the server closes", 20.0, socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status and headers at the beginning of a text, and what stands behind them.
fn head(text: &str) -> (&str, &str) {
    text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:.300}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_body_follows_a_head_whatever_comes_next() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    std::fs::write(api.mount(&cuid).join("big"), noise(3 << 20)).unwrap();
    let file = format!("/containers/{cuid}/download?path=big");
    for (path, status, length) in [
        (file.clone(), 200, Some((3 << 20).to_string())),
        (format!("/containers/{cuid}/download-zip"), 200, None),
        (
            format!("/containers/{cuid}"),
            200,
            Some(api.get(&format!("/containers/{cuid}")).await.body.len().to_string()),
        ),
        ("/docs/index.html".to_owned(), 200, None),
        ("/nowhere".to_owned(), 404, None),
    ] {
        let text = pipelined(&api, &[("HEAD", &path), ("HEAD", &path), ("GET", "/healthz")]).await;
        let mut rest = text.as_str();
        for _ in 0..2 {
            let (said, behind) = head(rest);
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {said:.300}");
            if let Some(length) = &length {
                assert!(said.contains(&format!("content-length: {length}\r\n")), "{path}: {said:.400}");
            }
            rest = behind;
        }
        let (said, body) = head(rest);
        assert!(said.starts_with("HTTP/1.1 200 "), "{path}: the next answer: {said:.300}");
        assert!(serde_json::from_str::<Value>(body).unwrap()["status"].is_string(), "{path}: {body:.300}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_one_line_of_the_audit_log_and_builds_no_zip() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let path = format!("/containers/{cuid}/download-zip");
    // Reading it would end the answer: a folder whose name is not UTF-8 cannot be packed.
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd\xff");
    std::fs::create_dir(daemon.mount(&cuid).join(odd)).unwrap();
    let answer = daemon.send(daemon.request("HEAD", &path)).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    let lines = daemon.audit();
    let mine: Vec<&Value> = lines.iter().filter(|line| line["method"] == "HEAD").collect();
    assert_eq!(mine.len(), 1, "{lines:?}");
    assert_eq!((&mine[0]["action"], &mine[0]["status"]), (&json!("files.download_zip"), &json!(200)));
    assert!(mine[0].get("aborted").is_none(), "{}", mine[0]);
}
