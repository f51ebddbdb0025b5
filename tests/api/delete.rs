//! `DELETE /containers/{id}`.

use crate::support::engine::{docker as engine, is_podman, try_inspect};
use crate::support::*;

async fn gone(api: &Api, cuid: &str) {
    assert!(try_inspect(cuid).await.is_none(), "the engine still has it");
    assert!(!api.compose_file(cuid).parent().unwrap().exists(), "the compose folder is left");
    api.get(&format!("/containers/{cuid}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
    let networks = engine(&["network", "ls", "--format", "{{.Name}}"]).await;
    assert!(!networks.contains(cuid), "a network of it is left: {networks}");
    let list = api.get("/containers?limit=500").await.expect(200);
    assert!(!list.to_string().contains(cuid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_container_goes_with_all_its_files() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    std::fs::create_dir_all(api.mount(&cuid).join("a/b")).unwrap();
    std::fs::write(api.mount(&cuid).join("a/b/c"), "x").unwrap();
    api.act(&cuid, "stop").await;
    assert_eq!(
        api.delete(&format!("/containers/{cuid}")).await.expect(200),
        json!({"cuid": cuid, "deleted": true})
    );
    gone(&api, &cuid).await;
    assert!(!api.mount(&cuid).exists(), "the mount is left");
    api.delete(&format!("/containers/{cuid}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_one_wants_force() {
    let api = shared().await;
    let name = unique("force");
    let cuid = api.running(json!({"name": name})).await;
    for query in ["", "?force=false"] {
        api.delete(&format!("/containers/{cuid}{query}")).await.refused("state_error", "CONTAINER_RUNNING");
        assert_eq!(api.status(&cuid).await, "running");
    }
    api.delete(&format!("/containers/{cuid}?force=perhaps"))
        .await
        .refused("validation_error", "INVALID_QUERY");
    let answer = api.delete(&format!("/containers/{name}?force=true")).await.expect(200);
    assert_eq!(answer["cuid"], cuid, "deleted by name, told by cuid");
    gone(&api, &cuid).await;
    api.idle(json!({"name": name})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_one_wants_force_too() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    api.act(&cuid, "pause").await;
    api.delete(&format!("/containers/{cuid}")).await.refused("state_error", "");
    assert_eq!(api.status(&cuid).await, "paused");
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    gone(&api, &cuid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_files_keeps_the_mount() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    std::fs::write(api.mount(&cuid).join("kept"), "x").unwrap();
    api.delete(&format!("/containers/{cuid}?keep_files=true")).await.expect(200);
    gone(&api, &cuid).await;
    assert_eq!(std::fs::read(api.mount(&cuid).join("kept")).unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_the_mount_lead_delete_nowhere() {
    let api = shared().await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("precious"), "x").unwrap();
    let cuid = api.idle(json!({})).await;
    std::os::unix::fs::symlink(outside.path(), api.mount(&cuid).join("link")).unwrap();
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
    assert!(!api.mount(&cuid).exists());
    assert!(outside.path().join("precious").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shared_network_outlives_its_containers() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let networks = engine(&["network", "ls", "--format", "{{.Name}}"]).await;
    assert_eq!(networks.contains(&cuid), is_podman().await, "Docker has no more than some 30: {networks}");
    api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    engine(&["network", "inspect", "wharfinger"]).await;
    api.running(json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_fails_leaves_a_file_a_person_broke_as_it_was() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    let garbage = "services: [this is {no compose file\n# but someone's work\n";
    std::fs::write(daemon.compose_file(&cuid), garbage).unwrap();
    compose.fail("no");
    let answer = daemon.delete(&format!("/containers/{cuid}?force=true")).await;
    compose.well();
    if answer.status == 200 {
        assert!(crate::support::engine::try_inspect(&cuid).await.is_none(), "deleted, and still there");
    } else {
        assert_eq!(daemon.compose_text(&cuid), garbage, "{}", answer.text());
        daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_compose_folder_was_removed_by_hand_can_be_deleted() {
    let api = shared().await;
    for cuid in [api.idle(json!({})).await, api.running(json!({})).await] {
        std::fs::remove_dir_all(api.compose_file(&cuid).parent().unwrap()).unwrap();
        let answer = api.delete(&format!("/containers/{cuid}?force=true")).await;
        let left = crate::support::engine::try_inspect(&cuid).await;
        let _ = crate::support::engine::try_docker(&["rm", "-fv", &cuid]).await;
        answer.expect(200);
        assert!(left.is_none(), "the engine still has it");
    }
}
