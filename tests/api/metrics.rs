//! `GET /metrics`, as Prometheus reads it.
#![allow(clippy::float_cmp, reason = "counts, which Prometheus writes as floats")]

use std::collections::HashMap;

use regex::Regex;

use crate::support::*;

/// What one reading brought: each line's name with its labels, and its value.
struct Scrape(HashMap<String, f64>);

impl Scrape {
    async fn of(api: &Api) -> Self {
        let answer = api.get("/metrics").await;
        answer.expect_bytes(200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self::parse(&answer.text())
    }

    /// Reads the text format, and refuses what is not of it: a line for each figure once, after its help and type.
    fn parse(text: &str) -> Self {
        let line = r#"^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? ([0-9.e+-]+|\+Inf)$"#;
        let (line, suffix) = (Regex::new(line).unwrap(), Regex::new("_(bucket|sum|count)$").unwrap());
        let (mut lines, mut typed) = (HashMap::new(), HashMap::new());
        assert!(text.ends_with('\n'));
        for text in text.lines() {
            if let Some(comment) = text.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let (kind, name, rest) = (words.next(), words.next().unwrap(), words.next().unwrap());
                assert!(matches!(kind, Some("HELP" | "TYPE")) && !rest.is_empty(), "{text}");
                if kind == Some("TYPE") {
                    assert!(["counter", "gauge", "histogram"].contains(&rest), "{text}");
                    assert!(typed.insert(name.to_owned(), rest.to_owned()).is_none(), "twice: {text}");
                }
                continue;
            }
            let parts = line.captures(text).unwrap_or_else(|| panic!("not of the format: {text}"));
            let base = suffix.replace(&parts[1], "").into_owned();
            let kind = typed
                .get(&parts[1])
                .or_else(|| typed.get(&base))
                .unwrap_or_else(|| panic!("no type: {text}"));
            assert_eq!(kind == "counter", parts[1].ends_with("_total"), "{text}");
            let key = format!("{}{}", &parts[1], parts.get(2).map_or("", |labels| labels.as_str()));
            assert!(lines.insert(key, parts[3].parse().unwrap()).is_none(), "twice: {text}");
        }
        Self(lines)
    }

    #[track_caller]
    fn value(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.0.keys()))
    }

    /// What there is of a counter that begins when it first counts.
    fn count(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_bytes_and_changes_are_counted_by_action_and_what_came_of_them() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let zip = Zip::new().file("a", "1").bytes();
    daemon.upload(&cuid, "", zip.clone()).await.expect(200);
    daemon.get(&format!("/containers/{cuid}/download?path=a")).await.expect_bytes(200);
    let refused = daemon.post(&format!("/containers/{cuid}/unpause")).await.refused("state_error", "");
    daemon.get("/no/such/route").await.refused("not_found", "");
    daemon.with_login(None).get("/containers").await.refused("auth_error", "");
    let after = Scrape::of(&daemon).await;
    assert_count(&after, "wharfinger_http_requests_total{action=\"container.create\",status=\"201\"}", 1.0);
    assert_count(&after, "wharfinger_http_requests_total{action=\"container.unpause\",status=\"422\"}", 1.0);
    assert_count(&after, "wharfinger_http_requests_total{action=\"http.unknown\",status=\"404\"}", 1.0);
    assert_count(&after, "wharfinger_http_requests_total{action=\"auth.login\",status=\"401\"}", 1.0);
    assert_count(&after, "wharfinger_http_request_duration_seconds_count{action=\"container.create\"}", 1.0);
    assert!(after.value("wharfinger_http_request_duration_seconds_sum{action=\"container.create\"}") > 0.05);
    assert_count(&after, "wharfinger_changes_total{action=\"container.create\",outcome=\"ok\"}", 1.0);
    assert_count(&after, "wharfinger_changes_total{action=\"files.upload\",outcome=\"ok\"}", 1.0);
    let code = refused["code"].as_str().unwrap();
    let unpaused = format!("wharfinger_changes_total{{action=\"container.unpause\",outcome=\"{code}\"}}");
    assert_count(&after, &unpaused, 1.0);
    assert_eq!(after.count("wharfinger_changes_total{action=\"files.download\",outcome=\"ok\"}"), 0.0);
    let received = "wharfinger_http_received_bytes_total{action=\"files.upload\"}";
    assert_count(&after, received, f64::from(u32::try_from(zip.len()).unwrap()));
    assert_count(&after, "wharfinger_http_sent_bytes_total{action=\"files.download\"}", 1.0);
    assert_count(&after, "wharfinger_containers{status=\"running\"}", 1.0);
    assert_count(&after, "wharfinger_containers_changing", 0.0);
    assert_count(&after, "wharfinger_engine_up", 1.0);
    assert_count(&after, "wharfinger_able", 1.0);
}

#[track_caller]
fn assert_count(scrape: &Scrape, name: &str, count: f64) {
    assert_eq!(scrape.value(name), count, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_and_streams_are_counted_while_they_are_open() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut terminal = Terminal::open(&daemon, &cuid, "cmd=cat").await;
    terminal.type_in("twelve bytes\n").await;
    terminal.until("twelve bytes", 0).await;
    let _follow = Stream::open(&daemon, &format!("/containers/{cuid}/logs?follow=true")).await;
    let open = Scrape::of(&daemon).await;
    assert_count(&open, "wharfinger_terminals_open", 1.0);
    assert_count(&open, "wharfinger_terminal_typed_bytes_total", 13.0);
    assert_count(&open, "wharfinger_terminal_printed_bytes_total", 13.0);
    assert_count(&open, "wharfinger_streams_open", 1.0);
    terminal.send(json!({"type": "close"})).await;
    terminal.end().await;
    eventually("the terminal is counted as closed", 5.0, || async {
        let scrape = Scrape::of(&daemon).await;
        let closed = scrape.count("wharfinger_terminals_closed_total{reason=\"closed\"}");
        (scrape.value("wharfinger_terminals_open") == 0.0 && closed == 1.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_is_seen_by_the_age_of_what_is_known() {
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let before = Scrape::of(&daemon).await;
    assert!(before.value("wharfinger_live_view_age_seconds") < 2.5);
    proxy.hang();
    eventually("the engine counts as down and what is known grows old", 10.0, || async {
        let scrape = Scrape::of(&daemon).await;
        let is_old = scrape.value("wharfinger_live_view_age_seconds") > 3.0;
        (is_old && scrape.value("wharfinger_engine_up") == 0.0 && scrape.value("wharfinger_able") == 0.0)
            .then_some(())
    })
    .await;
    proxy.resume();
    eventually("and is new again", 10.0, || async {
        let scrape = Scrape::of(&daemon).await;
        let is_new = scrape.value("wharfinger_live_view_age_seconds") < 2.5;
        (is_new && scrape.value("wharfinger_engine_up") == 1.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_need_a_login_that_may_see_the_whole_host() {
    let daemon = Daemon::start().await;
    daemon.with_login(None).get("/metrics").await.refused("auth_error", "");
    let reader = daemon.make_token(json!({"name": "prometheus", "permissions": ["health:read"]})).await;
    Scrape::of(&daemon.bearing(&reader.secret)).await;
    let other = daemon.make_token(json!({"name": "other", "permissions": ["docker:read"]})).await;
    daemon.bearing(&other.secret).get("/metrics").await.refused("forbidden", "PERMISSION_MISSING");
    let limited = json!({"name": "limited", "permissions": ["health:read"], "containers": []});
    let limited = daemon.make_token(limited).await;
    daemon.bearing(&limited.secret).get("/metrics").await.refused("forbidden", "NOT_YOURS");
    daemon.get("/metrics?x=1").await.refused("validation_error", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_process_uses_is_shown_as_client_libraries_name_it() {
    let daemon = Daemon::start().await;
    let scrape = Scrape::of(&daemon).await;
    let resident = scrape.value("process_resident_memory_bytes");
    assert!((1e6..1e9).contains(&resident), "{resident}");
    assert!(scrape.value("process_open_fds") > 5.0 && scrape.value("process_threads") > 1.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - scrape.value("process_start_time_seconds");
    assert!((-2.0..120.0).contains(&age), "{age}");
    assert!(scrape.value("process_cpu_seconds_total") > 0.0);
    let version = daemon.get("/healthz").await.expect(200)["version"].as_str().unwrap().to_owned();
    assert!(
        scrape.0.keys().any(|name| name.starts_with("wharfinger_build_info{") && name.contains(&version))
    );
}
