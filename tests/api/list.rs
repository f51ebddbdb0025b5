//! `GET /containers`: filters, order, pages.

use std::collections::BTreeSet;

use crate::support::engine::docker as engine;
use crate::support::*;

async fn cuids(api: &Api, query: &str) -> Vec<String> {
    let page = api.get(&format!("/containers{query}")).await.expect(200);
    page["containers"].as_array().unwrap().iter().map(|c| c["cuid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_house_has_an_empty_list() {
    let daemon = Daemon::start().await;
    let page = daemon.get("/containers").await.expect(200);
    assert_eq!(page, json!({"containers": [], "next_cursor": null, "total": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_by_status() {
    let daemon = Daemon::start().await;
    let created = daemon.idle(json!({})).await;
    let running = daemon.running(json!({})).await;
    let paused = daemon.running(json!({})).await;
    daemon.act(&paused, "pause").await;
    let exited = daemon.running(json!({})).await;
    daemon.act(&exited, "stop").await;
    let missing = daemon.running(json!({})).await;
    engine(&["rm", "-f", &missing]).await;
    eventually("it is missing", 15.0, || async {
        (daemon.status(&missing).await == "missing").then_some(())
    })
    .await;
    assert_eq!(cuids(&daemon, "?status=created").await, [created.clone()]);
    assert_eq!(cuids(&daemon, "?status=running").await, [running.clone()]);
    assert_eq!(cuids(&daemon, "?status=paused").await, [paused.clone()]);
    assert_eq!(cuids(&daemon, "?status=exited").await, [exited.clone()]);
    assert_eq!(cuids(&daemon, "?status=missing").await, [missing.clone()]);
    assert_eq!(cuids(&daemon, "?status=running,paused").await, [running.clone(), paused.clone()]);
    assert_eq!(cuids(&daemon, "?status=stopped").await, [created.clone(), exited.clone()]);
    let all = [created, running, paused, exited, missing];
    assert_eq!(cuids(&daemon, "?status=all").await, all);
    assert_eq!(cuids(&daemon, "").await, all, "without a filter: all, in the order of their creation");
    let page = daemon.get("/containers?status=running").await.expect(200);
    assert_eq!(page["total"], 1, "total counts what the filter lets through");
    daemon.get("/containers?status=flying").await.refused("validation_error", "INVALID_QUERY");
    daemon.get("/containers?status=running,flying").await.refused("validation_error", "INVALID_QUERY");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_by_tag_name_and_image() {
    let daemon = Daemon::start().await;
    let a = daemon.idle(json!({"tags": ["web", "a b&c"], "name": "front-one"})).await;
    let b = daemon.idle(json!({"tags": ["web"], "name": "front-two"})).await;
    let c = daemon.create(&json!({"image": PYTHON, "name": "back"})).await;
    assert_eq!(cuids(&daemon, "?tag=web").await, [a.clone(), b.clone()]);
    assert_eq!(cuids(&daemon, "?tag=web&tag=a%20b%26c").await, [a.clone()], "all tags must match");
    assert!(cuids(&daemon, "?tag=we").await.is_empty(), "a tag is matched whole");
    assert_eq!(cuids(&daemon, "?name=front").await, [a.clone(), b.clone()]);
    assert_eq!(cuids(&daemon, "?name=ack").await, [c.clone()]);
    assert_eq!(cuids(&daemon, "?image=python").await, [c]);
    assert_eq!(cuids(&daemon, "?image=busybox&name=two").await, [b]);
    assert!(cuids(&daemon, "?name=nowhere").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another() {
    let daemon = Daemon::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(daemon.idle(json!({})).await);
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = daemon.get(&format!("/containers{query}")).await.expect(200);
        assert_eq!(page["total"], 5);
        let here = page["containers"].as_array().unwrap();
        assert!(here.len() <= 2);
        seen.extend(here.iter().map(|c| c["cuid"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, made, "each once, in the order of creation");
    let exact = daemon.get("/containers?limit=5").await.expect(200);
    assert!(exact["next_cursor"].is_null(), "nothing follows: {}", exact["next_cursor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_between_pages_moves_nothing_else() {
    let daemon = Daemon::start().await;
    let make = |_| daemon.idle(json!({}));
    let first: Vec<String> = futures_util::future::join_all((0..12).map(make)).await;
    let order = cuids(&daemon, "").await;
    assert_eq!(order.iter().collect::<BTreeSet<_>>(), first.iter().collect::<BTreeSet<_>>());
    let mut seen = Vec::new();
    let mut gone = BTreeSet::new();
    let mut query = "?limit=3".to_owned();
    for round in 0.. {
        let page = daemon.get(&format!("/containers{query}")).await.expect(200);
        let here: Vec<String> = page["containers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["cuid"].as_str().unwrap().to_owned())
            .collect();
        seen.extend(here.clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=3&cursor={cursor}");
        if round < 3 {
            // The last one shown (the cursor's own), and one that is still to come, go; one comes.
            for victim in [here[2].clone(), order[11 - round].clone()] {
                daemon.delete(&format!("/containers/{victim}")).await.expect(200);
                gone.insert(victim);
            }
            daemon.idle(json!({})).await;
        }
    }
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "none twice: {seen:?}");
    for cuid in first.iter().filter(|c| !gone.contains(*c)) {
        assert!(once.contains(cuid), "{cuid} was there all the time and not shown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_limit_or_cursor_is_refused() {
    let api = shared().await;
    for limit in ["0", "501", "-1", "ten", "1.5", ""] {
        api.get(&format!("/containers?limit={limit}")).await.refused("validation_error", "INVALID_QUERY");
    }
    for limit in ["1", "500"] {
        api.get(&format!("/containers?limit={limit}")).await.expect(200);
    }
    for cursor in ["x", "AAAA", "%00", "eyJhIjoxfQ==", "../..", "%F0%9F%92%A5"] {
        api.get(&format!("/containers?cursor={cursor}")).await.refused("validation_error", "INVALID_CURSOR");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_write_every_read_shows_it() {
    let daemon = Daemon::start().await;
    for _ in 0..3 {
        let cuid = daemon.running(json!({})).await;
        assert_eq!(cuids(&daemon, "?status=running").await, [cuid.clone()]);
        daemon.act(&cuid, "stop").await;
        assert!(cuids(&daemon, "?status=running").await.is_empty());
        daemon.patch(&format!("/containers/{cuid}"), &json!({"tags": ["seen"]})).await.expect(200);
        assert_eq!(cuids(&daemon, "?tag=seen").await, [cuid.clone()]);
        daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
        assert!(cuids(&daemon, "").await.is_empty());
    }
}
