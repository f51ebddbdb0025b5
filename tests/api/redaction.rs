//! Values of `env`: in no answer to whoever may not change them, and in none to whoever has other containers.

use crate::support::images::Images;
use crate::support::registry::{Named, Registry};
use crate::support::*;

/// A container with a secret in its environment that shows itself nowhere else.
async fn with_canary(daemon: &Api, canary: &str) -> String {
    daemon.running(json!({"env": {"CANARY": canary, "SECOND": format!("a b={canary}")}})).await
}

/// Every GET route that tells of containers or of images made of them.
fn paths(cuid: &str, image: &str) -> Vec<String> {
    let of_container = [
        "",
        "/status",
        "/inspect",
        "/compose",
        "/top",
        "/top?opts=-ef",
        "/top?opts=aux",
        "/top?opts=-o%20pid,args",
        "/top?opts=auxe",
        "/top?opts=-ef%20e",
        "/top?opts=e",
        "/top?opts=axe%20-o%20pid,args",
        "/changes",
        "/logs",
        "/stats",
        "/export",
        "/files?path=.",
        "/download?path=x",
        "/download-zip",
    ];
    let of_all = [
        "/containers",
        "/containers?limit=500",
        "/stats",
        "/events?since=10m&until=0s",
        "/info",
        "/healthz",
        "/images",
        "/openapi.json",
        "/version",
    ];
    let of_image = ["", "/history", "/save"];
    let container = of_container.iter().map(|path| format!("/containers/{cuid}{path}"));
    let image = of_image.iter().map(|path| format!("/images/{}{path}", image.replace('/', "%2F")));
    container.chain(image).chain(of_all.iter().map(|path| (*path).to_owned())).collect()
}

/// An image with the container's environment in it: its name.
async fn commit(daemon: &Api, cuid: &str, images: &Images) -> String {
    let image = images.tag("of-container");
    daemon.post_json(&format!("/containers/{cuid}/commit"), &json!({"image": image})).await.expect(201);
    image
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_shown_to_whoever_lacks_docker_write() {
    let (daemon, images) = (shared().await, Images::new());
    let canary = unique("canary");
    let cuid = with_canary(&daemon, &canary).await;
    let image = commit(&daemon, &cuid, &images).await;
    let reader = daemon.token(json!({"roles": ["read"]})).await;
    for path in paths(&cuid, &image) {
        let answer = reader.get(&path).await;
        assert!(!answer.text().contains(&canary), "{path} answers {}: {}", answer.status, answer.text());
    }
    let shown = reader.container(&cuid).await;
    assert_eq!(shown["env"], json!({"CANARY": "***", "SECOND": "***"}), "the names stay");
    let page = reader.get("/containers?limit=500").await.expect(200);
    let listed =
        page["containers"].as_array().unwrap().iter().find(|one| one["cuid"] == cuid.as_str()).unwrap();
    assert_eq!(listed["env"]["CANARY"], "***");
    let inspected = reader.get(&format!("/containers/{cuid}/inspect")).await.expect(200);
    let env = inspected["Config"]["Env"].as_array().unwrap();
    assert!(env.contains(&json!("CANARY=***")) && env.contains(&json!("SECOND=***")), "{env:?}");
    let file = reader.get(&format!("/containers/{cuid}/compose")).await;
    let text = String::from_utf8_lossy(file.expect_bytes(200)).into_owned();
    assert!(text.contains("CANARY=***") && text.contains("image:"), "{text}");
    let details = reader.get(&format!("/images/{image}")).await.expect(200);
    assert!(details["config"]["env"].as_array().unwrap().contains(&json!("CANARY=***")), "{details}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_change_values_is_shown_them() {
    let (daemon, images) = (shared().await, Images::new());
    let canary = unique("canary");
    let cuid = with_canary(&daemon, &canary).await;
    let image = commit(&daemon, &cuid, &images).await;
    let writer = daemon.token(json!({"roles": ["write"]})).await;
    for path in ["", "/status", "/inspect", "/compose", "/top?opts=auxe"] {
        let answer = writer.get(&format!("/containers/{cuid}{path}")).await;
        assert!(answer.text().contains(&canary), "{path} answers {}: {}", answer.status, answer.text());
    }
    let answer = writer.get(&format!("/images/{image}")).await;
    assert!(answer.text().contains(&canary), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_shown_to_whoever_has_other_containers() {
    let (daemon, images) = (shared().await, Images::new());
    let canary = unique("canary");
    let cuid = with_canary(&daemon, &canary).await;
    let image = commit(&daemon, &cuid, &images).await;
    let own = daemon.running(json!({})).await;
    let customer = daemon.token(json!({"roles": ["write"], "containers": [own]})).await;
    for path in paths(&cuid, &image) {
        let answer = customer.get(&path).await;
        assert!(!answer.text().contains(&canary), "{path} answers {}: {}", answer.status, answer.text());
        assert!(!answer.text().contains(&cuid) || answer.status == 404, "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_made_of_a_container_is_saved_for_those_who_may_know_its_values() {
    let (daemon, images) = (shared().await, Images::new());
    let cuid = with_canary(&daemon, &unique("canary")).await;
    let image = commit(&daemon, &cuid, &images).await;
    let reader = daemon.token(json!({"roles": ["read"]})).await;
    let error = reader.get(&format!("/images/{image}/save")).await.refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "docker:write");
    reader.get(&format!("/images/{BUSYBOX}/save")).await.expect_bytes(200);
    let writer = daemon.token(json!({"roles": ["write"]})).await;
    writer.get(&format!("/images/{image}/save")).await.expect_bytes(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_for_those_who_may_know_the_values() {
    let (daemon, images) = (shared().await, Images::new());
    let cuid = with_canary(&daemon, &unique("canary")).await;
    let path = format!("/containers/{cuid}/commit");
    let body = json!({"image": images.tag("refused")});
    let builder = daemon.token(json!({"permissions": ["docker:read", "image:read", "image:write"]})).await;
    let error = builder.post_json(&path, &body).await.refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "docker:write");
    builder.get(&format!("/images/{}", images.tag("refused"))).await.refused("not_found", "IMAGE_NOT_FOUND");
    let blind = daemon.token(json!({"permissions": ["docker:read", "docker:write"]})).await;
    let error = blind.post_json(&path, &body).await.refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "image:write");
    let writer = daemon.token(json!({"permissions": ["docker:write", "image:write"]})).await;
    writer.post_json(&path, &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_made_of_a_container_is_pushed_by_those_who_may_know_its_values() {
    let (daemon, registry) = (shared().await, Registry::start().await);
    let cuid = with_canary(&daemon, &unique("canary")).await;
    let image = Named(format!("{}/{}:1", registry.address, unique("values")));
    let committed = json!({"image": image.0});
    daemon.post_json(&format!("/containers/{cuid}/commit"), &committed).await.expect(201);
    let plain = Named(format!("{}/{}:1", registry.address, unique("plain")));
    docker(&["tag", BUSYBOX, &plain.0]).await;
    let reader = daemon.token(json!({"permissions": ["docker:read", "image:read", "image:write"]})).await;
    let refused = reader.post_json("/images/push", &committed).await;
    assert_eq!(refused.refused("forbidden", "PERMISSION_MISSING")["details"]["required"], "docker:write");
    let told = reader.request("POST", "/images/push").header("accept", "application/x-ndjson");
    reader.send(told.json(&committed)).await.refused("forbidden", "PERMISSION_MISSING");
    reader.post_json("/images/push", &json!({"image": plain.0})).await.expect(200);
    let writer = daemon.token(json!({"roles": ["write"]})).await;
    writer.post_json("/images/push", &committed).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_takes_away_images_of_its_own_containers_alone() {
    let (daemon, registry) = (shared().await, Registry::start().await);
    let foreign = with_canary(&daemon, &unique("canary")).await;
    let customer = daemon.token(json!({"roles": ["write"], "containers": []})).await;
    let own = customer.running(json!({"env": {"A": "1"}})).await;
    let of_foreign = Named(format!("{}/{}:1", registry.address, unique("foreign")));
    let of_own = Named(format!("{}/{}:1", registry.address, unique("own")));
    daemon
        .post_json(&format!("/containers/{foreign}/commit"), &json!({"image": of_foreign.0}))
        .await
        .expect(201);
    customer.post_json(&format!("/containers/{own}/commit"), &json!({"image": of_own.0})).await.expect(201);
    let save = |image: &str| format!("/images/{}/save", image.replace('/', "%2F"));
    for answer in [
        customer.get(&save(&of_foreign.0)).await,
        customer.post_json("/images/push", &json!({"image": of_foreign.0})).await,
    ] {
        answer.refused("forbidden", "NOT_YOURS");
        assert!(!answer.text().contains(&foreign), "{}", answer.text());
    }
    customer.get(&save(&of_own.0)).await.expect_bytes(200);
    customer.post_json("/images/push", &json!({"image": of_own.0})).await.expect(200);
    let reader = daemon
        .token(json!({"permissions": ["docker:read", "image:read", "image:write"], "containers": [own]}))
        .await;
    reader.get(&save(&of_own.0)).await.refused("forbidden", "PERMISSION_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_edited_by_hand_shows_no_value_in_any_form() {
    let daemon = Daemon::start().await;
    let reader = daemon.token(json!({"roles": ["read"]})).await;
    let canary = unique("canary");
    let cuid = daemon.idle(json!({"env": {"CANARY": canary}})).await;
    let path = format!("/containers/{cuid}/compose");
    let written = daemon.compose_text(&cuid);
    let list = format!("- 'CANARY={canary}'");
    assert!(written.contains(&list), "{written}");
    let as_map = regex::Regex::new(r"environment:\n(?:\s+- '.*'\n)+").unwrap();
    let map = format!("environment:\n      CANARY: {canary}\n      N: 1\n");
    for edited in [
        as_map.replace(&written, map.as_str()).into_owned(),
        format!("# CANARY={canary}\n{written}"),
        format!("x-env: &env\n  CANARY: {canary}\n{}", as_map.replace(&written, "environment: *env\n")),
    ] {
        assert!(edited.contains(&canary), "{edited}");
        std::fs::write(daemon.compose_file(&cuid), &edited).unwrap();
        let answer = reader.get(&path).await;
        answer.expect_bytes(200);
        assert!(answer.text().contains("CANARY") && !answer.text().contains(&canary), "{}", answer.text());
        assert!(daemon.get(&path).await.text().contains(&canary), "to the administrator it is as it is");
    }
    for unreadable in [format!("CANARY: [{canary}"), format!("services: {canary}\n"), canary.clone()] {
        std::fs::write(daemon.compose_file(&cuid), &unreadable).unwrap();
        let answer = reader.get(&path).await;
        let error = answer.refused("forbidden", "PERMISSION_MISSING");
        assert_eq!(error["details"]["required"], "docker:write");
        assert!(!answer.text().contains(&canary), "{}", answer.text());
    }
    let daemon = daemon.restart().await;
    let reader = daemon.token(json!({"roles": ["read"]})).await;
    let shown = reader.get(&format!("/containers/{cuid}")).await;
    assert!(shown.expect(200)["error"].as_str().unwrap().contains("compose.yaml"), "{}", shown.text());
    assert!(!shown.text().contains(&canary), "{}", shown.text());
    std::fs::write(daemon.compose_file(&cuid), written).unwrap();
    daemon.delete(&format!("/containers/{cuid}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_ps_that_can_show_variables_need_docker_write() {
    let daemon = shared().await;
    let cuid = daemon.running(json!({})).await;
    let reader = daemon.token(json!({"roles": ["read"]})).await;
    for opts in ["e", "auxe", "-ef%20e", "-ef%20-o%20args", "axo%20pid,args"] {
        let answer = reader.get(&format!("/containers/{cuid}/top?opts={opts}")).await;
        let error = answer.refused("forbidden", "PERMISSION_MISSING");
        assert_eq!(error["details"]["field"], "opts");
    }
    for opts in ["-ef", "aux", "-o%20pid,user,args", "-eo%20pid"] {
        let listed = reader.get(&format!("/containers/{cuid}/top?opts={opts}")).await.expect(200);
        assert!(!listed["processes"].as_array().unwrap().is_empty(), "{opts}: {listed}");
    }
    let listed = reader.get(&format!("/containers/{cuid}/top?opts=-o%20pid,args")).await.expect(200);
    assert_eq!(listed["titles"], json!(["PID", "COMMAND"]));
}
