//! Roles over the API.

use std::collections::BTreeSet;

use crate::support::*;

async fn put(api: &Api, name: &str, body: &Value) -> Answer {
    api.send(api.request("PUT", &format!("/roles/{name}")).json(body)).await
}

async fn names(api: &Api) -> Vec<String> {
    let roles = api.get("/roles").await.expect(200);
    roles["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_made_changed_and_removed() {
    let daemon = Daemon::start().await;
    assert_eq!(names(&daemon).await, ["admin", "write", "read"]);
    let made =
        put(&daemon, "ops", &json!({"permissions": ["health:read", "docker:read", "docker:read"]})).await;
    assert_eq!(made.header("location"), Some("/roles/ops"));
    assert_eq!(
        made.expect(201),
        json!({"name": "ops", "permissions": ["docker:read", "health:read"], "built_in": false})
    );
    let changed = put(&daemon, "ops", &json!({"permissions": ["audit:read"]})).await.expect(200);
    assert_eq!(changed["permissions"], json!(["audit:read"]));
    put(&daemon, "a_2-b", &json!({"permissions": []})).await.expect(201);
    assert_eq!(names(&daemon).await, ["admin", "write", "read", "a_2-b", "ops"]);
    let removed = daemon.delete("/roles/ops").await.expect(200);
    assert_eq!(removed, json!({"name": "ops", "deleted": true}));
    daemon.delete("/roles/ops").await.refused("not_found", "ROLE_NOT_FOUND");
    assert_eq!(names(&daemon).await, ["admin", "write", "read", "a_2-b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_roles_and_bad_ones_are_refused() {
    let daemon = Daemon::start().await;
    for name in ["admin", "write", "read"] {
        put(&daemon, name, &json!({"permissions": ["docker:read"]}))
            .await
            .refused("conflict", "ROLE_BUILT_IN");
        daemon.delete(&format!("/roles/{name}")).await.refused("conflict", "ROLE_BUILT_IN");
    }
    for name in ["Ops", "1a", "-a", "a%20b", "a%00", "a%2Fb", &"a".repeat(65)] {
        put(&daemon, name, &json!({"permissions": ["docker:read"]})).await.refused("validation_error", "");
    }
    for body in [
        json!({}),
        json!({"permissions": null}),
        json!({"permissions": "docker:read"}),
        json!({"permissions": ["docker:fly"]}),
        json!({"permissions": [1]}),
        json!({"permissions": ["docker:read"], "name": "x"}),
        json!(["docker:read"]),
    ] {
        put(&daemon, "ops", &body).await.refused("validation_error", "");
    }
    assert_eq!(names(&daemon).await, ["admin", "write", "read"]);
    assert!(!daemon.data().join("access/roles.json").exists(), "what is refused writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_role_counts_at_once_and_one_in_use_stays() {
    let daemon = Daemon::start().await;
    daemon.role("ops", &["docker:read"]).await;
    let token = daemon.make_token(json!({"roles": ["ops"]})).await;
    token.api.get("/containers").await.expect(200);
    token.api.get("/images").await.refused("forbidden", "PERMISSION_MISSING");
    daemon.role("ops", &["image:read"]).await;
    token.api.get("/containers").await.refused("forbidden", "PERMISSION_MISSING");
    token.api.get("/images").await.expect(200);
    assert_eq!(
        daemon.get(&format!("/tokens/{}", token.id)).await.expect(200)["granted"],
        json!(["image:read"])
    );
    let error = daemon.delete("/roles/ops").await.refused("conflict", "ROLE_IN_USE");
    assert_eq!(error["details"]["tokens"], json!([token.id]));
    token.api.get("/images").await.expect(200);
    daemon.revoke(&token.id).await;
    daemon.delete("/roles/ops").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_at_once_lose_nothing() {
    let daemon = Daemon::start().await;
    let other = daemon.token(json!({"name": "second", "roles": ["admin"]})).await;
    let mut work = tokio::task::JoinSet::new();
    for at in 0..50 {
        let api = if at % 2 == 0 { (*daemon).clone() } else { other.clone() };
        work.spawn(async move {
            let role = format!("role-{at}");
            put(&api, &role, &json!({"permissions": ["docker:read"]})).await.expect(201);
            let kept = api.make_token(json!({"name": role, "roles": [role]})).await;
            let gone = api.make_token(json!({"name": role, "roles": ["read"]})).await;
            put(&api, "shared", &json!({"permissions": ["health:read"]})).await;
            put(&api, &format!("gone-{at}"), &json!({"permissions": []})).await.expect(201);
            api.revoke(&gone.id).await;
            api.delete(&format!("/roles/gone-{at}")).await.expect(200);
            (role, kept.id, kept.secret)
        });
    }
    let made = work.join_all().await;
    let roles: BTreeSet<_> = names(&daemon).await.into_iter().collect();
    let wanted = ["admin", "write", "read", "shared"].map(str::to_owned).into_iter();
    assert_eq!(roles, wanted.chain(made.iter().map(|(role, _, _)| role.clone())).collect());
    let mut listed: Vec<_> = daemon.get("/tokens?limit=500").await.expect(200)["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["id"].as_str().unwrap().to_owned())
        .collect();
    listed.retain(|id| made.iter().any(|(_, kept, _)| kept == id));
    assert_eq!(listed.len(), 50);
    let daemon = daemon.restart().await;
    assert_eq!(names(&daemon).await.into_iter().collect::<BTreeSet<_>>(), roles);
    for (_, _, secret) in &made {
        daemon.bearing(secret).get("/containers").await.expect(200);
    }
    assert_eq!(daemon.get("/tokens").await.expect(200)["total"], 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_made_with_a_role_that_goes_at_the_same_time() {
    let daemon = Daemon::start().await;
    for _ in 0..40 {
        daemon.role("brief", &["docker:read"]).await;
        let body = json!({"name": "x", "roles": ["brief"]});
        let (made, removed) = tokio::join!(daemon.post_json("/tokens", &body), daemon.delete("/roles/brief"));
        match (made.status, removed.status) {
            (201, 409) => daemon.revoke(made.json()["id"].as_str().unwrap()).await,
            (400, 200) => {}
            other => panic!("{other:?}: {} {}", made.text(), removed.text()),
        }
    }
}
