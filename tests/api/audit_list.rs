//! `GET /audit`.

use crate::support::*;

fn lines(page: &Value) -> Vec<Value> {
    page["actions"].as_array().unwrap().clone()
}

fn field(lines: &[Value], name: &str) -> Vec<String> {
    lines.iter().map(|line| line[name].as_str().unwrap_or("-").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_the_file_has_the_youngest_first() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    daemon.act(&cuid, "stop").await;
    daemon.get("/containers/nobody").await.refused("not_found", "");
    let in_file = daemon.audit_all();
    let page = daemon.get("/audit").await.expect(200);
    assert_eq!(page["next_cursor"], Value::Null);
    let told = lines(&page);
    assert_eq!(told.len(), in_file.len(), "its own line is written after it is answered");
    for (told, written) in told.iter().zip(in_file.iter().rev()) {
        for (name, value) in written.as_object().unwrap() {
            assert_eq!(told[name], *value, "{name} of {written}");
        }
        assert!(told.get("status").is_some(), "what a line does not have is null: {told}");
    }
    assert_eq!(daemon.audit().last().unwrap()["action"], "audit.list");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_searched_by_time_container_action_user_and_phase() {
    let daemon = Daemon::start().await;
    let name = unique("two");
    let (one, two) = (daemon.running(json!({})).await, daemon.idle(json!({"name": name})).await);
    let user = daemon.make_token(json!({"name": "w\u{fc}rde\"ich", "roles": ["write"]})).await;
    user.api.act(&one, "stop").await;
    daemon.delete(&format!("/containers/{one}?force=true")).await.expect(200);
    let ask = |query: String| {
        let daemon = &daemon;
        async move { lines(&daemon.get(&format!("/audit?{query}")).await.expect(200)) }
    };
    let of_one = ask(format!("cuid={one}&phase=outcome")).await;
    // The container is gone, and what was done to it is not.
    let actions = field(&of_one, "action");
    assert_eq!(actions, ["container.delete", "container.stop", "container.get", "container.create"]);
    assert_eq!(
        field(&ask(format!("cuid={one}&action=container.stop")).await, "phase"),
        ["outcome", "intent"]
    );
    let both = ask(format!("cuid={one}&phase=outcome&action=container.stop&action=container.get")).await;
    assert_eq!(field(&both, "action"), ["container.stop", "container.get"]);
    let by_name = field(&ask(format!("cuid={name}")).await, "cuid");
    assert_eq!(by_name, [two.as_str()], "the intent of a create does not know its container yet");
    let of_user = ask("user=w%C3%BCrde%22ich".to_owned()).await;
    assert_eq!(field(&of_user, "action"), ["container.stop", "container.stop"]);
    let of_containers = field(&ask("action=container.".to_owned()).await, "action");
    assert!(of_containers.len() > 5 && of_containers.iter().all(|action| action.starts_with("container.")));
    assert_eq!(field(&ask("action=daemon.".to_owned()).await, "action"), ["daemon.start"]);
    assert_eq!(ask("phase=interrupted".to_owned()).await, [Value::Null; 0]);
    let stop = &of_one[1];
    let at = stop["timestamp"].as_str().unwrap().replace('+', "%2B");
    let since = ask(format!("cuid={one}&phase=outcome&since={at}")).await;
    assert_eq!(field(&since, "action"), ["container.delete", "container.stop"]);
    let until = ask(format!("cuid={one}&phase=outcome&until={at}")).await;
    assert_eq!(field(&until, "action"), ["container.stop", "container.get", "container.create"]);
    assert_eq!(ask("until=1h".to_owned()).await, [Value::Null; 0]);
    assert!(ask("since=1h".to_owned()).await.len() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_miss_nothing_and_have_nothing_twice_while_lines_are_written_and_files_put_aside() {
    let builder = Daemon::builder().env("APP_LOG_MAX_BYTES", "4000").env("APP_LOG_KEEP", "500");
    let daemon = builder.start().await;
    for _ in 0..60 {
        daemon.get("/ping").await;
    }
    let whole = daemon.get("/audit?action=system.ping&limit=500").await.expect(200);
    let expected = field(&lines(&whole), "request_id");
    assert_eq!((expected.len(), &whole["next_cursor"]), (60, &Value::Null));
    let first = daemon.get("/audit?action=system.ping&limit=7").await.expect(200);
    let mut seen = field(&lines(&first), "request_id");
    let mut cursor = first["next_cursor"].as_str().unwrap().to_owned();
    loop {
        // A file is put aside before each page.
        for _ in 0..12 {
            daemon.get("/ping").await;
        }
        let page =
            daemon.get(&format!("/audit?action=system.ping&limit=7&cursor={cursor}")).await.expect(200);
        seen.extend(field(&lines(&page), "request_id"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    let mut daemon = daemon;
    daemon.kill_9().await;
    let daemon = daemon.again().start().await;
    let page = daemon.get(&format!("/audit?action=system.ping&limit=7&cursor={cursor}")).await.expect(200);
    assert_eq!(field(&lines(&page), "request_id"), expected[56..], "a cursor outlives a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_its_permission_and_shows_a_limited_token_the_lines_of_its_containers_alone() {
    let daemon = Daemon::start().await;
    let (mine, other) = (daemon.idle(json!({})).await, daemon.idle(json!({})).await);
    daemon.with_login(None).get("/audit").await.refused("auth_error", "UNAUTHORIZED");
    let writer = daemon.token(json!({"roles": ["write"]})).await;
    let error = writer.get("/audit").await.refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "audit:read");
    let all = daemon.token(json!({"permissions": ["audit:read"]})).await;
    assert!(lines(&all.get("/audit").await.expect(200)).len() > 5);
    let limited = daemon.token(json!({"permissions": ["audit:read"], "containers": [mine]})).await;
    limited.get("/audit").await.expect(200);
    let seen = lines(&limited.get("/audit").await.expect(200));
    assert!(!seen.is_empty() && seen.iter().all(|line| line["cuid"] == *mine), "{seen:?}");
    limited.get(&format!("/audit?cuid={other}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
    assert!(!lines(&limited.get(&format!("/audit?cuid={mine}")).await.expect(200)).is_empty());
    assert_eq!(lines(&limited.get("/audit?action=token.").await.expect(200)), [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_by_name() {
    let daemon = shared().await;
    for (query, field) in [
        ("nonsense=1", "nonsense"),
        ("since=yesterday", "since"),
        ("until=-1", "until"),
        ("action=container", "action"),
        ("action=container.start%22", "action"),
        ("action=.start", "action"),
        ("phase=begun", "phase"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("user=a&user=b", "user"),
    ] {
        let error = daemon.get(&format!("/audit?{query}")).await.refused("validation_error", "INVALID_QUERY");
        assert_eq!(error["details"]["field"], field, "{query}");
    }
    for cursor in ["x", "", "eA", "MTAwLjE"] {
        daemon.get(&format!("/audit?cursor={cursor}")).await.refused("validation_error", "INVALID_CURSOR");
    }
    daemon.get("/audit?cuid=nobody").await.refused("not_found", "CONTAINER_NOT_FOUND");
    let gone = format!("/audit?cuid=c{}", uuid::Uuid::new_v4());
    assert_eq!(lines(&daemon.get(&gone).await.expect(200)), [Value::Null; 0]);
}
