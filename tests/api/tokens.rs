//! Tokens over the API: made, listed, used, revoked.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_listed_shown_and_revoked() {
    let daemon = Daemon::start().await;
    let asked = json!({
        "name": "ci@example.com", "roles": ["read"], "permissions": ["files:read"], "containers": null, "expires_in": "30d"
    });
    let answer = daemon.post_json("/tokens", &asked).await;
    let made = answer.expect(201);
    let id = made["id"].as_str().unwrap();
    let secret = made["token"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(&*format!("/tokens/{id}")));
    assert!(secret.starts_with("whf_") && !secret.contains(id), "{secret}");
    assert_eq!(made["roles"], json!(["read"]));
    assert_eq!(made["granted"], json!(["docker:read", "files:read", "image:read", "health:read"]));
    assert_eq!((&made["containers"], &made["created_by"]), (&Value::Null, &json!("admin")));
    assert_eq!((&made["last_used_at"], &made["last_used_from"]), (&Value::Null, &Value::Null));
    let days = |name: &str| made[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(days("expires_at") - days("created_at"), 30 * 86_400);

    daemon.bearing(secret).from([127, 0, 0, 9]).get("/containers").await.expect(200);
    let shown = daemon.get(&format!("/tokens/{id}")).await.expect(200);
    assert_eq!(shown["last_used_from"], "127.0.0.9");
    assert!(shown["last_used_at"].as_str().unwrap() >= made["created_at"].as_str().unwrap());
    assert!(shown.get("token").is_none() && shown["expired"] == false);
    let listed = daemon.get("/tokens").await.expect(200);
    assert_eq!(listed, json!({"tokens": [shown], "next_cursor": null, "total": 1}));

    let revoked = daemon.delete(&format!("/tokens/{id}")).await.expect(200);
    assert_eq!(revoked, json!({"id": id, "deleted": true}));
    daemon.bearing(secret).get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    for answer in [daemon.get(&format!("/tokens/{id}")).await, daemon.delete(&format!("/tokens/{id}")).await]
    {
        answer.refused("not_found", "TOKEN_NOT_FOUND");
    }
    assert_eq!(daemon.get("/tokens").await.expect(200)["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_every_token_once() {
    let daemon = Daemon::start().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(daemon.make_token(json!({"roles": ["read"]})).await.id);
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("/tokens?limit=3{cursor}")).await.expect(200);
        assert_eq!(page["total"], 7 - i32::from(listed.len() >= 3));
        listed
            .extend(page["tokens"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        if listed.len() == 3 {
            // One that goes in between confuses nothing.
            daemon.revoke(&made[0]).await;
            daemon.revoke(&made[6]).await;
            made.push(daemon.make_token(json!({"roles": ["read"]})).await.id);
        }
        cursor = format!("&cursor={next}");
    }
    made.remove(6);
    assert_eq!(listed, made);
    for (query, code) in [("limit=0", ""), ("limit=501", ""), ("cursor=x", "INVALID_CURSOR"), ("name=a", "")]
    {
        daemon.get(&format!("/tokens?{query}")).await.refused("validation_error", code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_that_is_asked_for_is_told_and_makes_none() {
    let daemon = Daemon::start().await;
    let too_many = vec!["read"; 1001];
    for (body, fields) in [
        (json!({}), vec!["name"]),
        (json!({"roles": ["read"]}), vec!["name"]),
        (json!({"name": null, "roles": ["read"]}), vec!["name"]),
        (json!({"name": 7, "roles": ["read"]}), vec!["name"]),
        (json!({"name": "", "roles": ["read"]}), vec!["name"]),
        (json!({"name": "a:b", "roles": ["read"]}), vec!["name"]),
        (json!({"name": "a\u{7f}", "roles": ["read"]}), vec!["name"]),
        (json!({"name": "a".repeat(256), "roles": ["read"]}), vec!["name"]),
        (json!({"name": "admin", "roles": ["read"]}), vec!["name"]),
        (json!({"name": "a"}), vec!["roles"]),
        (json!({"name": "a", "roles": [], "permissions": []}), vec!["roles"]),
        (json!({"name": "a", "roles": "read"}), vec!["roles"]),
        (json!({"name": "a", "roles": ["reader"]}), vec!["roles[0]"]),
        (json!({"name": "a", "roles": [1]}), vec!["roles[0]"]),
        (json!({"name": "a", "roles": too_many}), vec!["roles"]),
        (
            json!({"name": "a", "permissions": ["docker:read", "docker:*", "Docker:read"]}),
            vec!["permissions[1]", "permissions[2]"],
        ),
        (json!({"name": "a", "roles": ["read"], "containers": "x"}), vec!["containers"]),
        (
            json!({"name": "a", "roles": ["read"], "containers": ["ok-1", "a b", "tag:", "", 5]}),
            vec!["containers[1]", "containers[2]", "containers[3]", "containers[4]"],
        ),
        (json!({"name": "a", "roles": ["admin"], "containers": ["web-1"]}), vec!["containers"]),
        (json!({"name": "a", "permissions": ["access:admin"], "containers": []}), vec!["containers"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": 0}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": -1}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": 1.5}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": 315_360_001}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": "3651d"}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": "30 d"}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": "1y"}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": ""}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "expires_in": true}), vec!["expires_in"]),
        (json!({"name": "a", "roles": ["read"], "token": "mine"}), vec!["token"]),
    ] {
        let error = daemon.post_json("/tokens", &body).await.refused("validation_error", "");
        let violations = error["details"]["violations"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![error["details"].clone()]);
        let told: Vec<_> =
            violations.iter().map(|broken| broken["field"].as_str().unwrap_or_default()).collect();
        assert_eq!(told, fields, "{body}: {error}");
    }
    daemon.get("/tokens?limit=5").await.expect(200)["tokens"]
        .as_array()
        .unwrap()
        .is_empty()
        .then_some(())
        .expect("no token");
    for (life, seconds) in [
        (json!(90), 90),
        (json!("90"), 90),
        (json!("2m"), 120),
        (json!("1h"), 3600),
        (json!("1w"), 604_800),
        (json!(60.0), 60),
    ] {
        let made = daemon.make_token(json!({"roles": ["read"], "expires_in": life})).await.made;
        let time = |name: &str| made[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        assert_eq!(time("expires_at") - time("created_at"), seconds, "{life}");
    }
    daemon
        .make_token(json!({"roles": ["read"], "permissions": null, "containers": null, "expires_in": null}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_grants_more_than_they_may_do() {
    let daemon = Daemon::start().await;
    let clerk = daemon.make_token(json!({"roles": ["read"], "permissions": ["access:admin"]})).await.api;
    daemon.role("strong", &["docker:execute", "docker:read"]).await;
    for (roles, permissions, missing) in [
        (json!(["admin"]), json!([]), "docker:write"),
        (json!(["write"]), json!([]), "docker:write"),
        (json!(["strong"]), json!([]), "docker:execute"),
        (json!(["read"]), json!(["audit:read"]), "audit:read"),
    ] {
        let body = json!({"name": "more", "roles": roles, "permissions": permissions});
        let error = clerk.post_json("/tokens", &body).await.refused("forbidden", "PERMISSION_MISSING");
        assert_eq!(error["details"]["required"], missing, "{body}");
    }
    let put = |name: &str, permissions: Value| {
        clerk.send(clerk.request("PUT", &format!("/roles/{name}")).json(&json!({"permissions": permissions})))
    };
    put("mine", json!(["docker:read", "files:write"])).await.refused("forbidden", "PERMISSION_MISSING");
    put("strong", json!(["docker:write"])).await.refused("forbidden", "PERMISSION_MISSING");
    put("mine", json!(["docker:read", "access:admin"])).await.expect(201);
    let made = clerk.make_token(json!({"roles": ["mine"]})).await;
    assert_eq!(made.made["created_by"], clerk.login.as_ref().unwrap().0.as_str());
    assert_eq!(daemon.get("/tokens").await.expect(200)["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_as_bearer_or_as_the_password_of_its_name() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"name": "mülle r", "roles": ["read"]})).await;
    token.api.get("/containers").await.expect(200);
    daemon.bearing(&token.secret).get("/containers").await.expect(200);
    let request = daemon.with_login(None).request("GET", "/containers");
    daemon.send(request.header("authorization", format!("bearer  {} ", token.secret))).await.expect(200);
    for (user, password) in [
        ("admin", &*token.secret),
        ("", &*token.secret),
        ("mülle r ", &*token.secret),
        ("mülle r", daemon::PASS),
    ] {
        daemon
            .with_login(Some((user, password)))
            .get("/containers")
            .await
            .refused("auth_error", "UNAUTHORIZED");
    }
    // A name of several bytes: a password is no token.
    daemon.bearing(daemon::PASS).get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    // Two of one name are two.
    let twin = daemon.make_token(json!({"name": "mülle r", "permissions": ["audit:read"]})).await;
    twin.api.get("/containers").await.refused("forbidden", "PERMISSION_MISSING");
    token.api.get("/containers").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_limited_like_wrong_passwords_and_right_ones_always_work() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["read"]})).await;
    let wrong = daemon.bearing(&format!("whf_{}", "A".repeat(22)));
    for _ in 0..10 {
        wrong.get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    }
    let limited = wrong.get("/containers").await;
    limited.refused("rate_limited", "TOO_MANY_FAILURES");
    assert!(limited.header("retry-after").is_some());
    daemon.with_login(Some(("other", &token.secret))).get("/containers").await.refused("rate_limited", "");
    token.api.get("/containers").await.expect(200);
    daemon.bearing(&token.secret).get("/containers").await.expect(200);
    daemon.get("/containers").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_outlives_a_restart_with_its_last_use() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["read"]})).await;
    daemon.role("ops", &["docker:read"]).await;
    token.api.from([127, 0, 0, 8]).get("/containers").await.expect(200);
    let before = daemon.get(&format!("/tokens/{}", token.id)).await.expect(200);
    let daemon = daemon.restart().await;
    assert_eq!(daemon.get(&format!("/tokens/{}", token.id)).await.expect(200), before);
    assert_eq!(before["last_used_from"], "127.0.0.8");
    daemon.bearing(&token.secret).get("/containers").await.expect(200);
    assert!(daemon.get("/roles").await.text().contains("\"ops\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_names_token_and_permission() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"name": "auditor", "roles": ["read"]})).await;
    let line = |api: Api, method: &'static str, path: &'static str| {
        let daemon = &daemon;
        async move {
            let answer = api.send(api.request(method, path)).await;
            let id = answer.header("x-request-id").unwrap().to_owned();
            daemon.audit().into_iter().find(|line| line["request_id"] == *id).expect("a line")
        }
    };
    let may = line(token.api.clone(), "GET", "/containers").await;
    assert_eq!(
        (&may["user"], &may["token"], &may["permission"]),
        (&json!("auditor"), &json!(token.id), &json!("docker:read"))
    );
    let may_not = line(daemon.bearing(&token.secret), "POST", "/containers/prune").await;
    assert_eq!((&may_not["user"], &may_not["token"]), (&json!("auditor"), &json!(token.id)));
    assert_eq!(
        (&may_not["permission"], &may_not["code"], &may_not["status"]),
        (&json!("docker:write"), &json!("PERMISSION_MISSING"), &json!(403))
    );
    let administrator = line((*daemon).clone(), "GET", "/images").await;
    assert_eq!(
        (&administrator["user"], &administrator["permission"]),
        (&json!("admin"), &json!("image:read"))
    );
    assert!(administrator.get("token").is_none_or(Value::is_null));
    let nobody = line(daemon.bearing("whf_x"), "GET", "/images").await;
    assert_eq!((&nobody["action"], &nobody["status"]), (&json!("auth.login"), &json!(401)));
    assert!(nobody.get("user").is_none_or(Value::is_null) && nobody.get("token").is_none_or(Value::is_null));
    let made = daemon.audit().into_iter().find(|line| line["action"] == "token.create").unwrap();
    assert_eq!(
        (&made["token_id"], &made["granted"]),
        (&json!(token.id), &json!(["docker:read", "image:read", "health:read"]))
    );
    daemon.revoke(&token.id).await;
    let revoked = daemon.audit().into_iter().find(|line| line["action"] == "token.revoke").unwrap();
    assert_eq!((&revoked["token_id"], &revoked["user"]), (&json!(token.id), &json!("admin")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_told_once_and_only_its_hash_is_kept_in_its_file_alone() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["admin"]})).await;
    let secret = &token.secret[4..];
    let file = daemon.data().join(format!("access/tokens/{}.json", token.id));
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let hash = kept["hash"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    let mut answers = Vec::new();
    for api in [token.api.clone(), daemon.bearing(&token.secret)] {
        for path in [
            "/tokens",
            "/roles",
            "/containers",
            "/healthz",
            "/info",
            "/nothing",
            &*format!("/tokens/{}", token.id),
        ] {
            answers.push(api.get(path).await);
        }
        // Whoever takes the token for its id.
        let encoded = token.secret.replacen('f', "%66", 1);
        for path in [&*token.secret, &*encoded] {
            answers.push(api.get(&format!("/tokens/{path}")).await);
            answers.push(api.delete(&format!("/tokens/{path}")).await);
        }
        answers.push(api.post_json("/tokens", &json!({"name": "a", "roles": ["x"]})).await);
    }
    daemon.with_login(Some(("wrong", &token.secret))).get("/containers").await.refused("auth_error", "");
    daemon.bearing(&format!("{}x", token.secret)).get("/containers").await.refused("auth_error", "");
    answers.push(daemon.delete(&format!("/tokens/{}", token.id)).await);
    daemon.bearing(&token.secret).get("/containers").await.refused("auth_error", "");
    for answer in &answers {
        assert!(!answer.text().contains(secret) && !answer.text().contains(&hash), "{}", answer.asked);
        for value in answer.headers.values() {
            assert!(!value.to_str().unwrap_or_default().contains(secret), "{}", answer.asked);
        }
    }
    let again = daemon.make_token(json!({"roles": ["read"]})).await;
    let output = daemon.output();
    assert!(!output.contains(secret) && !output.contains(&hash), "the daemon's own log");
    let mut folders = vec![daemon.data()];
    let (mut looked_at, mut with_hash) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            looked_at += 1;
            with_hash += i32::from(text.contains("sha256:"));
            for secret in [secret, &again.secret[4..], &hash] {
                assert!(!text.contains(secret), "{}", entry.path().display());
            }
        }
    }
    assert!(looked_at >= 3 && with_hash == 1, "{looked_at} {with_hash}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_makes_one_that_is_good_longer_than_itself() {
    let daemon = Daemon::start().await;
    let parent = daemon.make_token(json!({"roles": ["admin"], "expires_in": 600})).await;
    for life in [Value::Null, json!(3600), json!("1d")] {
        let body = json!({"name": "child", "roles": ["read"], "expires_in": life});
        let refused =
            parent.api.post_json("/tokens", &body).await.refused("validation_error", "INVALID_VALUE");
        assert_eq!(refused["details"]["field"], "expires_in", "{life}");
    }
    parent
        .api
        .make_token(json!({"roles": ["read"], "expires_in": 300}))
        .await
        .api
        .get("/ping")
        .await
        .expect(200);
}

/// What stands in the process list of the host: the arguments of every process.
fn arguments() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let read = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    processes.filter_map(read).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_hash_or_ticket_stands_in_the_process_list() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["admin"]})).await;
    let file =
        std::fs::read_to_string(daemon.data().join(format!("access/tokens/{}.json", token.id))).unwrap();
    let hash = serde_json::from_str::<Value>(&file).unwrap()["hash"].as_str().unwrap()[7..].to_owned();
    let cuid = token.api.running(json!({})).await;
    let ticket = token.api.post_json("/ws-tickets", &json!({"id": cuid})).await.expect(201);
    let secrets = [token.secret.clone(), hash, ticket["ticket"].as_str().unwrap().to_owned()];
    let (api, path) = (token.api.clone(), format!("/containers/{cuid}/restart"));
    let work = tokio::spawn(async move { api.post(&path).await });
    let mut has_seen_compose = false;
    while !work.is_finished() {
        for line in arguments() {
            has_seen_compose |= line.contains("compose") && line.contains(&cuid);
            assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    work.await.unwrap().expect(200);
    assert!(has_seen_compose, "the list was looked at while a command of the daemon ran");
}
