//! Who may come in.

use crate::support::*;

/// Every route of the contract, and some that are none.
fn routes() -> Vec<(&'static str, &'static str)> {
    vec![
        ("GET", "/containers"),
        ("POST", "/containers"),
        ("GET", "/containers/x"),
        ("PATCH", "/containers/x"),
        ("DELETE", "/containers/x"),
        ("GET", "/containers/x/status"),
        ("PATCH", "/containers/x/ports"),
        ("POST", "/containers/x/start"),
        ("POST", "/containers/x/stop"),
        ("POST", "/containers/x/restart"),
        ("POST", "/containers/x/pause"),
        ("POST", "/containers/x/unpause"),
        ("POST", "/containers/x/upload-zip"),
        ("GET", "/containers/x/download"),
        ("GET", "/containers/x/download-zip"),
        ("GET", "/ws/x"),
        ("GET", "/healthz"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/nothing"),
        ("PUT", "/containers"),
        ("HEAD", "/containers"),
        ("OPTIONS", "/containers"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_every_route_is_401() {
    // The limiter counts failures, so the many routes get few addresses: each loopback address is one.
    let daemon = Daemon::start().await;
    for (i, (method, path)) in routes().into_iter().enumerate() {
        let local: std::net::IpAddr = format!("127.0.1.{}", i / 5 + 1).parse().unwrap();
        let client = api::client().local_address(local).build().unwrap();
        let api = Api { client, ..daemon.with_login(None) };
        let answer = api.send(api.request(method, path)).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        if method != "HEAD" {
            answer.refused("auth_error", "UNAUTHORIZED");
        }
        let asks = answer.header("www-authenticate").unwrap();
        assert!(
            asks.starts_with("Basic realm=\"") && asks.contains("charset=\"UTF-8\""),
            "{method} {path}: {asks}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_of_every_kind_are_401() {
    let daemon = Daemon::start().await;
    let (user, pass) = daemon.login.clone().unwrap();
    let good = daemon.authorization().unwrap();
    let mut wrong: Vec<String> = Vec::new();
    for (u, p) in [
        (&*user, "wrong"),
        ("root", &*pass),
        (&*user, ""),
        ("", &*pass),
        ("", ""),
        (&*user, &pass[..pass.len() - 1]),
    ] {
        wrong.push(daemon.with_login(Some((u, p))).authorization().unwrap());
    }
    wrong.extend(
        ["Basic", "Basic ", "Basic !!!", "Basic YWRtaW4=", "Bearer x", "Digest x", ""].map(str::to_owned),
    );
    wrong.push(good.replace("Basic ", "Bearer "));
    for (i, value) in wrong.iter().enumerate() {
        let local: std::net::IpAddr = format!("127.0.2.{}", i / 5 + 1).parse().unwrap();
        let client = api::client().local_address(local).build().unwrap();
        let api = Api { client, ..daemon.with_login(None) };
        api.send(api.request("GET", "/containers").header("authorization", value))
            .await
            .refused("auth_error", "UNAUTHORIZED");
    }
    let lower = good.replace("Basic ", "basic ");
    let none = daemon.with_login(None);
    none.send(none.request("GET", "/containers").header("authorization", lower)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_failures_bring_429_and_the_right_password_always_works() {
    let daemon = Daemon::start().await;
    let wrong = daemon.with_login(Some(("admin", "guess")));
    for _ in 0..10 {
        wrong.get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    }
    let answer = wrong.get("/containers").await;
    answer.refused("rate_limited", "TOO_MANY_FAILURES");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    daemon.get("/containers").await.expect(200);
    wrong.get("/containers").await.refused("rate_limited", "TOO_MANY_FAILURES");
    let client = api::client().local_address(std::net::IpAddr::from([127, 0, 0, 77])).build().unwrap();
    let elsewhere = Api { client, ..wrong.clone() };
    elsewhere.get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    let faked = wrong.send(wrong.request("GET", "/containers").header("x-forwarded-for", "9.9.9.9")).await;
    faked.refused("rate_limited", "TOO_MANY_FAILURES");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_client_s_own_address_counts() {
    let daemon = Daemon::builder().env("APP_TRUSTED_PROXIES", "127.0.0.1").start().await;
    let wrong = daemon.with_login(Some(("admin", "guess")));
    let from = |address: &'static str| {
        wrong.send(wrong.request("GET", "/containers").header("x-forwarded-for", address))
    };
    for _ in 0..10 {
        from("203.0.113.1").await.refused("auth_error", "UNAUTHORIZED");
    }
    from("203.0.113.1").await.refused("rate_limited", "TOO_MANY_FAILURES");
    from("203.0.113.2").await.refused("auth_error", "UNAUTHORIZED");
    assert!(daemon.audit().iter().any(|l| l["remote"].as_str().is_some_and(|r| r.contains("203.0.113.1"))));
    // What a client writes before that is its own word, and may be anything.
    for made_up in ["10.0.0.1, x, 203.0.113.1", "10.0.0.2, 203.0.113.1", "x, 203.0.113.1, 127.0.0.1"] {
        from(made_up).await.refused("rate_limited", "TOO_MANY_FAILURES");
    }
    assert!(!daemon.audit().iter().any(|line| line["remote"].as_str().is_some_and(|r| r.starts_with("10."))));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_write() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let path = format!("/containers/{cuid}/start");
    for (name, value) in
        [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        let answer = api.send(api.request("POST", &path).header(name, value)).await;
        answer.refused("forbidden", "CROSS_SITE");
        let answer =
            api.send(api.request("DELETE", &format!("/containers/{cuid}")).header(name, value)).await;
        answer.refused("forbidden", "CROSS_SITE");
    }
    assert_eq!(api.status(&cuid).await, "created");
    let own = api.base.clone();
    let answer = api
        .send(api.request("POST", &path).header("origin", own).header("sec-fetch-site", "same-origin"))
        .await;
    assert_eq!(answer.expect(200)["status"], "running");
    let read = api
        .send(api.request("GET", &path.replace("/start", "")).header("origin", "http://evil.example"))
        .await;
    assert!(read.header("access-control-allow-origin").is_none(), "nothing lets another site read");
}
