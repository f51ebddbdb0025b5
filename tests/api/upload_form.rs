//! Uploads as a form: the same limits as for a plain body.

use reqwest::multipart::{Form, Part};
use tokio::io::AsyncWriteExt;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_over_the_limit_is_too_large_wherever_it_passes_it() {
    let daemon = Daemon::builder().env("APP_UPLOAD_MAX_BYTES", "100000").start().await;
    let cuid = daemon.idle(json!({})).await;
    let path = format!("/containers/{cuid}/upload-zip");
    let zip = |size: usize| Part::bytes(Zip::new().file("f", vec![7; size]).bytes()).file_name("a.zip");
    let in_file = Form::new().part("file", zip(300_000));
    let before_file = Form::new().text("other", "x".repeat(300_000)).part("file", zip(10));
    for form in [in_file, before_file] {
        let answer = daemon.send(daemon.request("POST", &path).multipart(form)).await;
        let error = answer.refused("too_large", "BODY_TOO_LARGE");
        assert_eq!(error["details"]["limit"], 100_000, "{error}");
    }
    let fits = Form::new().text("other", "x").part("file", zip(10_000));
    daemon.send(daemon.request("POST", &path).multipart(fits)).await.expect(200);
}

/// What is answered to a form that begins like this and then brings `more` twice a second.
async fn drip(daemon: &Daemon, cuid: &str, start: &str, more: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    let head = format!(
        "POST /containers/{cuid}/upload-zip HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 100000\r\n\r\n{start}",
        daemon.authorization().unwrap()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = socket.into_split();
    let more = more.to_owned();
    let dripping = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if write.write_all(more.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut answer = vec![0; 4096];
    let length = within("it is answered", 10.0, tokio::io::AsyncReadExt::read(&mut read, &mut answer)).await;
    dripping.abort();
    String::from_utf8_lossy(&answer[..length.unwrap()]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_stalls_or_drips_before_its_file_is_timed_out() {
    let builder = Daemon::builder().env("APP_BODY_IDLE_TIMEOUT", "2").env("APP_BODY_TIMEOUT", "4");
    let daemon = builder.start().await;
    let cuid = daemon.idle(json!({})).await;
    let field = "--b\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\n";
    for (what, start, more) in [
        ("nothing comes", "", ""),
        ("nothing comes after a field's head", field, ""),
        ("a field that is skipped never ends", field, "x"),
        ("only what stands before the first field", "", "x\r\n"),
    ] {
        let answer = drip(&daemon, &cuid, start, more).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{what}: {answer}");
        assert!(answer.contains("BODY_TIMED_OUT"), "{what}: {answer}");
    }
}
