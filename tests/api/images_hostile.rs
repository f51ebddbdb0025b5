//! Archives of images that lie or reach for the host: refused with the engine's words, and nothing is left.

use crate::support::engine::docker as engine;
use crate::support::images::{Entry, Images, archive, archive_with, exists, file, link, load, tar};
use crate::support::*;

/// A layer that holds one file, and no other test has.
fn layer() -> Vec<u8> {
    tar(&[file("own", unique("own").as_bytes())])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_lies_or_reaches_out_is_refused_and_leaves_no_image() {
    let (daemon, images) = (Daemon::start().await, Images::new());
    let tags = [images.tag("v1")];
    let good = layer();
    let config = json!({"Labels": {"test": images.repository}});
    let manifest =
        |layers: Value, config: &str| json!([{"Config": config, "RepoTags": tags, "Layers": layers}]);
    let whole = archive_with(&tags, &good, config.clone(), |_, _| {});
    let with_manifest = |of: Value| archive_with(&tags, &good, config.clone(), |_, manifest| *manifest = of);
    let with_layer = |layer: &[u8]| archive_with(&tags, layer, config.clone(), |_, _| {});
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let shown = secret.to_string_lossy().into_owned();
    let linked = tar(&[
        link("config.json", &shown),
        file("layer.tar", &good),
        file("manifest.json", manifest(json!(["layer.tar"]), "config.json").to_string().as_bytes()),
    ]);
    let repeated = json!([format!("sha256:{}", "0".repeat(64))]);
    let cases = [
        ("no body", Vec::new()),
        ("an empty tar", tar(&[])),
        ("noise", noise(100_000)),
        ("a tar without a manifest", tar(&[file("a", b"b")])),
        ("cut in the layer", whole[..whole.len() / 2].to_vec()),
        ("a manifest that is no JSON", tar(&[file("manifest.json", b"[{")])),
        ("a manifest without images", with_manifest(json!([]))),
        ("a layer that is not there", with_manifest(manifest(json!(["other.tar"]), "config.json"))),
        (
            "a layer outside",
            with_manifest(manifest(json!([format!("../../../../..{shown}")]), "config.json")),
        ),
        ("a layer by its absolute path", with_manifest(manifest(json!([shown]), "config.json"))),
        ("a configuration outside", with_manifest(manifest(json!(["layer.tar"]), "../../../../etc/passwd"))),
        ("fewer layers than the configuration has", with_manifest(manifest(json!([]), "config.json"))),
        ("more of them", with_manifest(manifest(json!(["layer.tar", "layer.tar"]), "config.json"))),
        ("a link for a configuration", linked),
        (
            "a layer of another digest",
            archive_with(&tags, &good, config.clone(), |described, _| {
                described["rootfs"]["diff_ids"] = repeated;
            }),
        ),
        (
            "a configuration that is no JSON",
            tar(&[
                file("config.json", b"nonsense"),
                file("layer.tar", &good),
                file("manifest.json", manifest(json!(["layer.tar"]), "config.json").to_string().as_bytes()),
            ]),
        ),
        ("a layer that is no tar", with_layer(&noise(5000))),
        (
            "an archive that writes outside",
            tar(&[file("../../../escaped", b"x"), file("manifest.json", b"[]")]),
        ),
    ];
    for (what, archive) in cases {
        let answer = load(&daemon, archive).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        let error = answer.refused("validation_error", "IMAGE_ARCHIVE_INVALID");
        let text = error.to_string();
        assert!(!text.contains("/var/lib") && !text.contains("root:"), "{what}: {text}");
        assert!(!exists(&tags[0]).await, "{what}: it was loaded");
    }
    let list = daemon.get(&format!("/images?label={}", images.label())).await.expect(200);
    assert_eq!(list, json!({"images": []}), "not even without a name");
    load(&daemon, whole).await.expect(200);
}

/// What is in the root folder of an image, each file with what it holds.
async fn contents(image: &str) -> String {
    let name = unique("hostile");
    engine(&["create", "--name", &name, image, "/none"]).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("files.tar");
    engine(&["export", "-o", &to.to_string_lossy(), &name]).await;
    engine(&["rm", &name]).await;
    String::from_utf8_lossy(&std::fs::read(to).unwrap()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_layer_reaches_for_on_the_host_it_does_not_get() {
    let (api, images) = (shared().await, Images::new());
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "never to be seen").unwrap();
    let (folder, secret) = (outside.path().to_string_lossy(), secret.to_string_lossy());
    let hard = |link| Entry { name: "hard", kind: b'1', link, bytes: b"" };
    let up = format!("../../../../../../../..{folder}/planted");
    let up_to_secret = format!("../../../../../../../..{secret}");
    let layers = [
        tar(&[link("way", &folder), file("way/planted", b"x")]),
        tar(&[file(&up, b"x")]),
        tar(&[file(&format!("{folder}/planted"), b"x")]),
        tar(&[hard(&secret)]),
        tar(&[hard(&up_to_secret)]),
        tar(&[link("way", &folder), hard("way/secret")]),
        tar(&[link("way", &folder), file("way/.wh.secret", b"")]),
    ];
    for (number, layer) in layers.iter().enumerate() {
        let tag = images.tag(&format!("v{number}"));
        let answer = load(&api, archive_with(std::slice::from_ref(&tag), layer, json!({}), |_, _| {})).await;
        match answer.status {
            200 => assert!(!contents(&tag).await.contains("never to be seen"), "{number}"),
            _ => drop(answer.refused("validation_error", "IMAGE_ARCHIVE_INVALID")),
        }
        let left: Vec<_> =
            std::fs::read_dir(outside.path()).unwrap().flatten().map(|one| one.file_name()).collect();
        assert_eq!(left, ["secret"], "{number}: a layer changed the host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_fails_in_the_middle_says_what_it_gave_before() {
    let (api, images) = (shared().await, Images::new());
    let (first, second) = (images.tag("first"), images.tag("second"));
    let body = archive_with(&[first.clone()], &layer(), json!({}), |_, manifest| {
        let bad = json!({"Config": "gone.json", "RepoTags": [second], "Layers": ["layer.tar"]});
        manifest.as_array_mut().unwrap().push(bad);
    });
    let error = load(&api, body).await.refused("validation_error", "IMAGE_ARCHIVE_INVALID");
    let loaded = error["details"].get("loaded").cloned().unwrap_or_else(|| json!([]));
    assert_eq!(exists(&first).await, loaded == json!([first]), "{error}");
    assert!(!exists(&images.tag("second")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_name_is_none_is_refused_and_gets_no_name() {
    let (api, images) = (shared().await, Images::new());
    let config = json!({"Labels": {"test": images.repository}});
    let body = archive_with(&["Not A Name".to_owned()], &layer(), config, |_, _| {});
    load(&api, body).await.refused("validation_error", "IMAGE_ARCHIVE_INVALID");
    // The engine has taken the image itself before it looks at the name: a prune ends that.
    let path = format!("/images?label={}", images.label());
    let list = api.get(&path).await.expect(200);
    let names = list["images"].as_array().unwrap().iter().map(|image| &image["repo_tags"]);
    assert!(names.clone().all(|names| *names == json!([])), "{list}");
    api.post(&format!("/images/prune?label={}", images.label())).await.expect(200);
    assert_eq!(api.get(&path).await.expect(200), json!({"images": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_by_its_type_is_refused() {
    let (api, images) = (shared().await, Images::new());
    let body = archive(&images, &[images.tag("v1")], 1000, json!({}));
    for kind in ["application/zip", "application/json", "text/plain", ""] {
        let request = api.request("POST", "/images/load").header("content-type", kind).body(body.clone());
        api.send(request).await.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
    }
    let request = api.request("POST", "/images/load").body(body.clone());
    api.send(request).await.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
    let answer = api.send(api.request("POST", "/images/load?quiet=true").body(body)).await;
    answer.refused("validation_error", "INVALID_QUERY");
    assert!(!exists(&images.tag("v1")).await);
}
