//! Names of images given and taken away, removal and prune: nothing goes that a container of ours needs.

use crate::support::engine::{docker as engine, try_docker};
use crate::support::images::{Images, exists, load_small};
use crate::support::*;

/// A container made of an image of these tests, which has no program to start: its cuid.
async fn made_of(api: &Api, image: &str) -> String {
    api.create(&json!({"image": image, "command": ["/file"]})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_one_name_more() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["v1"]).await;
    let other = load_small(&api, &images, &["other"]).await;
    let path = format!("/images/{}/tag", images.tag("v1"));
    let answer = api.post_json(&path, &json!({"tag": images.tag("v2")})).await;
    assert_eq!(answer.expect(201), json!({"id": id, "image": images.tag("v2")}));
    assert_eq!(answer.header("location"), Some(&*format!("/images/{id}")));
    let again = api.post_json(&path, &json!({"tag": images.tag("v2")})).await.expect(201);
    assert_eq!(again["id"], id, "it has the name already");
    let latest = api.post_json(&path, &json!({"tag": format!("docker.io/{}", images.repository)})).await;
    assert_eq!(latest.expect(201)["image"], images.tag("latest"));
    api.post_json(&path, &json!({"tag": images.tag("other")})).await.expect(201);
    assert_eq!(
        engine(&["image", "inspect", "-f", "{{.Id}}", &images.tag("other")]).await,
        id,
        "it went over"
    );
    assert!(exists(&other).await);
    for (body, code) in [
        (json!({}), "MISSING_FIELD"),
        (json!({"tag": "Upper"}), "INVALID_IMAGE"),
        (json!({"tag": format!("a@sha256:{}", "a".repeat(64))}), "INVALID_IMAGE"),
        (json!({"tag": 1}), "INVALID_TYPE"),
        (json!({"tag": "a", "repo": "b"}), "UNKNOWN_FIELD"),
    ] {
        api.post_json(&path, &body).await.refused("validation_error", code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_go_one_by_one_and_the_image_with_the_last() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["v1", "v2", "v3"]).await;
    let error = api.delete(&format!("/images/{id}")).await.refused("conflict", "IMAGE_REFERENCED");
    assert!(error["message"].as_str().unwrap().contains("referenced in multiple"), "{error}");
    let removed = api.delete(&format!("/images/docker.io/{}", images.tag("v3"))).await.expect(200);
    assert_eq!(removed, json!({"deleted": [], "untagged": [images.tag("v3")]}));
    api.delete(&format!("/images/{}", images.tag("v2"))).await.expect(200);
    let removed = api.delete(&format!("/images/{}", images.tag("v1"))).await.expect(200);
    assert_eq!(removed["untagged"], json!([images.tag("v1")]));
    assert_eq!(removed["deleted"][0], id);
    assert!(!exists(&id).await);
    let id = load_small(&api, &images, &["v1", "v2"]).await;
    let removed = api.delete(&format!("/images/{id}?force=true")).await.expect(200);
    assert_eq!(removed["untagged"].as_array().map(Vec::len), Some(2), "{removed}");
    assert!(!exists(&id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_others_are_made_of_stays() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &[]).await;
    let cuid = made_of(&api, &id).await;
    let body = json!({"image": images.tag("child")});
    api.post_json(&format!("/containers/{cuid}/commit"), &body).await.expect(201);
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
    let error = api.delete(&format!("/images/{id}")).await.refused("conflict", "IMAGE_REFERENCED");
    assert!(error["details"]["output"].as_str().unwrap().contains("child"), "{error}");
    assert!(exists(&id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_container_of_ours_needs_goes_only_by_force() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["v1"]).await;
    let (tag, hex) = (images.tag("v1"), id.strip_prefix("sha256:").unwrap());
    let cuid = made_of(&api, &format!("docker.io/{tag}")).await;
    let by_id = made_of(&api, &hex[..16]).await;
    let mut cuids = vec![cuid.clone(), by_id.clone()];
    cuids.sort();
    for image in [&*tag, &format!("docker.io/{tag}"), &id, &hex[..12]] {
        let error = api.delete(&format!("/images/{image}")).await.refused("conflict", "IMAGE_IN_USE");
        assert_eq!(error["details"]["cuids"], json!(cuids), "{image}");
    }
    engine(&["rm", &cuid, &by_id]).await;
    let error = api.delete(&format!("/images/{tag}")).await.refused("conflict", "IMAGE_IN_USE");
    assert_eq!(error["details"]["cuids"], json!(cuids), "their files name it");
    assert!(exists(&tag).await);
    let removed = api.delete(&format!("/images/{tag}?force=true")).await.expect(200);
    assert_eq!(removed["deleted"][0], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_container_uses_goes_though_the_image_is_needed() {
    let (api, images) = (shared().await, Images::new());
    let id = load_small(&api, &images, &["v1", "v2"]).await;
    let cuid = made_of(&api, &images.tag("v1")).await;
    let error =
        api.delete(&format!("/images/{}", images.tag("v1"))).await.refused("conflict", "IMAGE_IN_USE");
    assert_eq!(error["details"]["cuids"], json!([cuid]), "its file names this one");
    let removed = api.delete(&format!("/images/{}", images.tag("v2"))).await.expect(200);
    assert_eq!(removed, json!({"deleted": [], "untagged": [images.tag("v2")]}));
    let path = format!("/images/{}", images.tag("v1"));
    api.delete(&path).await.refused("conflict", "IMAGE_IN_USE");
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
    assert_eq!(api.delete(&path).await.expect(200)["deleted"][0], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_keeps_its_image_even_by_force_whoever_made_it() {
    let (api, images) = (shared().await, Images::new());
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/commit");
    let made = api.post_json(&path, &json!({"image": images.tag("v1")})).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let ours = api.running(json!({"image": images.tag("v1")})).await;
    let error = api.delete(&format!("/images/{id}?force=true")).await.refused("conflict", "IMAGE_IN_USE");
    assert_eq!(error["details"]["cuids"], json!([ours]));
    api.delete(&format!("/containers/{ours}?force=true")).await.expect(200);
    let name = unique("by-hand");
    engine(&["create", "--name", &name, &images.tag("v1")]).await;
    let answer = api.delete(&format!("/images/{}", images.tag("v1"))).await;
    engine(&["rm", &name]).await;
    let error = answer.refused("conflict", "IMAGE_IN_USE");
    assert_eq!(error["details"]["cuids"], json!([]), "a container of someone else");
    assert!(error["message"].as_str().unwrap().contains("container"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_takes_what_has_no_name_and_says_how_much_that_was() {
    let (api, images) = (shared().await, Images::new());
    let named = load_small(&api, &images, &["v1"]).await;
    let nameless = load_small(&api, &images, &[]).await;
    let used = load_small(&api, &images, &[]).await;
    let cuid = made_of(&api, &used).await;
    engine(&["rm", &cuid]).await;
    let size = api.get(&format!("/images/{nameless}")).await.expect(200)["size"].clone();
    let path = format!("/images/prune?label={}", images.label());
    let pruned = api.post(&path).await.expect(200);
    assert_eq!(pruned["deleted"][0], nameless, "{pruned}");
    assert_eq!((&pruned["untagged"], &pruned["space_reclaimed"]), (&json!([]), &size), "{pruned}");
    assert_eq!(pruned.as_object().unwrap().len(), 3);
    assert!(exists(&named).await && exists(&used).await && !exists(&nameless).await);
    api.delete(&format!("/containers/{cuid}")).await.expect(200);
    let body = json!({"label": [images.label()], "all": false});
    let pruned = api.post_json("/images/prune", &body).await.expect(200);
    assert_eq!(pruned["deleted"][0], used);
    let nothing = api.post(&path).await.expect(200);
    assert_eq!(nothing, json!({"deleted": [], "untagged": [], "space_reclaimed": 0}));
    for query in ["all=maybe", "label=", "dangling=true"] {
        api.post(&format!("/images/prune?{query}")).await.refused("validation_error", "INVALID_QUERY");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_of_all_spares_what_containers_need() {
    let (api, images) = (shared().await, Images::new());
    let free = load_small(&api, &images, &["free", "free-too"]).await;
    for tag in ["ours", "gone", "others"] {
        load_small(&api, &images, &[tag]).await;
    }
    made_of(&api, &images.tag("ours")).await;
    let gone = made_of(&api, &images.tag("gone")).await;
    engine(&["rm", &gone]).await;
    let name = unique("by-hand");
    engine(&["create", "--name", &name, &images.tag("others")]).await;
    let pruned = api.post(&format!("/images/prune?all=true&label={}", images.label())).await;
    let left: Vec<bool> = futures_util::future::join_all(
        ["ours", "gone", "others"]
            .map(|tag| async move { tag })
            .into_iter()
            .map(|tag| async { exists(&images.tag(tag.await)).await }),
    )
    .await;
    engine(&["rm", &name]).await;
    let pruned = pruned.expect(200);
    assert_eq!(left, [true, true, true], "{pruned}");
    assert_eq!(pruned["deleted"][0], free);
    assert_eq!(pruned["untagged"], json!([images.tag("free"), images.tag("free-too")]));
    assert!(pruned["space_reclaimed"].as_u64().is_some_and(|bytes| bytes >= 1000), "{pruned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_beside_prunes_and_removals_has_its_image_or_does_not_find_it() {
    // Of a registry that refuses at once, where there is no such image any more.
    let images = Images { repository: format!("127.0.0.1:1/{}", unique("tests")) };
    let (api, image) = (shared().await, images.tag("v1"));
    let (mut made, mut missed) = (0, 0);
    for round in 0..12_u64 {
        load_small(&api, &images, &["v1"]).await;
        let create = async {
            tokio::time::sleep(Duration::from_millis(round % 4 * 5)).await;
            api.post_json("/containers", &json!({"image": image, "command": ["/file"]})).await
        };
        let prune = async {
            for _ in 0..3 {
                api.post(&format!("/images/prune?all=true&label={}", images.label())).await.expect(200);
            }
        };
        let remove = async {
            let answer = api.delete(&format!("/images/{image}?force={}", round % 2 == 0)).await;
            assert!([200, 404, 409].contains(&answer.status), "{}", answer.text());
        };
        let created =
            if round % 3 == 0 { tokio::join!(create, remove).0 } else { tokio::join!(create, prune).0 };
        if created.status == 502 {
            missed += 1;
            continue;
        }
        let cuid = created.expect(201)["cuid"].as_str().unwrap().to_owned();
        made += 1;
        let is_there = try_docker(&["container", "inspect", &cuid]).await.0;
        // By force it may have gone after the create.
        let has_image = exists(&image).await || (round % 3 == 0 && round % 2 == 0);
        api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
        assert!(is_there && has_image, "round {round}");
    }
    assert!(made > 0, "{made} made, {missed} missed");
}
