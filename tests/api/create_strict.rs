//! What `POST /containers` takes to the letter, and what it refuses because it could not.

use crate::support::engine::{env_of, inspect};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn names_with_a_dash_in_env_and_labels_reach_the_engine() {
    let api = shared().await;
    let cuid = api.running(json!({"env": {"x-y": "v"}, "labels": {"x-y": "w"}})).await;
    let engine = inspect(&cuid).await;
    assert_eq!(env_of(&engine, "x-y").as_deref(), Some("v"), "{}", engine["Config"]["Env"]);
    assert_eq!(engine["Config"]["Labels"]["x-y"], "w", "{}", engine["Config"]["Labels"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_with_an_equals_sign_in_its_key_is_refused() {
    let api = shared().await;
    let body = json!({"image": BUSYBOX, "command": IDLE, "labels": {"a=b": "c"}});
    api.post_json("/containers", &body).await.refused("validation_error", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_larger_than_the_engine_can_list_are_refused() {
    let api = shared().await;
    let labels: serde_json::Map<String, Value> =
        (0..9).map(|i| (format!("big{i}"), json!("x".repeat(8000)))).collect();
    let body = json!({"image": BUSYBOX, "command": IDLE, "labels": labels});
    let error = api.post_json("/containers", &body).await.refused("validation_error", "");
    assert!(error["details"]["violations"].to_string().contains("labels"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_image_the_guide_s_error_comes() {
    let api = shared().await;
    for body in [json!({}), json!({"image": null}), json!({"image": ""})] {
        let error = api.post_json("/containers", &body).await.refused("validation_error", "MISSING_IMAGE");
        assert_eq!(error["details"]["field"], "image", "{error}");
        assert_eq!(error["details"]["provided"], body.get("image").cloned().unwrap_or_default(), "{error}");
        assert_eq!(error["details"]["violations"].as_array().unwrap().len(), 1, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_told_at_once() {
    let api = shared().await;
    let body = json!({
        "name": "-no", "env": {"A=B": "x"}, "tags": "web", "restart": "sometimes", "state": "flying",
        "resources": {"cpus": -1, "memory": "much", "pids": 0, "disks": 3},
        "ports": [{"host": 70000, "container": 0, "protocol": "icmp"}, {"container": 80}, {"container": 80}],
        "mount_path": "app", "working_dir": "relative", "privileged": true, "colour": "blue"
    });
    let error = api.post_json("/containers", &body).await.refused("validation_error", "");
    let violations = error["details"]["violations"].as_array().unwrap();
    let fields: Vec<&str> = violations.iter().map(|v| v["field"].as_str().unwrap()).collect();
    for expected in [
        "image",
        "name",
        "env",
        "tags",
        "restart",
        "state",
        "resources",
        "ports",
        "mount_path",
        "working_dir",
        "privileged",
        "colour",
    ] {
        assert!(fields.iter().any(|f| f.starts_with(expected)), "no violation of {expected}: {fields:?}");
    }
    for nested in ["cpus", "memory", "pids", "disks", "protocol"] {
        assert!(fields.iter().any(|f| f.contains(nested)), "no violation of {nested}: {fields:?}");
    }
    for violation in violations {
        assert!(violation["code"].is_string() && violation["message"].is_string(), "{violation}");
        assert!(violation.get("provided").is_some(), "{violation}");
    }
    let first = &violations[0];
    assert_eq!(error["code"], first["code"]);
    assert_eq!(error["details"]["field"], first["field"]);
    assert_eq!(error["details"]["provided"], first["provided"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_field_has_its_code() {
    let api = shared().await;
    let cases = [
        (json!({"image": "Not An Image"}), "INVALID_IMAGE", "image"),
        (json!({"image": "-rm"}), "INVALID_IMAGE", "image"),
        (json!({"image": "a\nb"}), "INVALID_IMAGE", "image"),
        (json!({"image": 7}), "INVALID_TYPE", "image"),
        (json!({"name": "white space"}), "INVALID_NAME", "name"),
        (json!({"name": "../up"}), "INVALID_NAME", "name"),
        (json!({"name": ""}), "INVALID_NAME", "name"),
        (json!({"env": {"": "x"}}), "INVALID_ENV", "env"),
        (json!({"env": {"A=B": "x"}}), "INVALID_ENV", "env"),
        (json!({"env": {"A": "nul\u{0}"}}), "INVALID_ENV", "env"),
        (json!({"env": {"A": {"deep": 1}}}), "INVALID_TYPE", "env"),
        (json!({"tags": "web"}), "INVALID_TYPE", "tags"),
        (json!({"command": 5}), "INVALID_TYPE", "command"),
        (json!({"labels": ["a"]}), "INVALID_TYPE", "labels"),
        (json!({"resources": {"cpus": 0}}), "INVALID_RESOURCES", "resources"),
        (json!({"resources": {"cpus": -0.5}}), "INVALID_RESOURCES", "resources"),
        (json!({"resources": {"memory": "12 parsecs"}}), "INVALID_RESOURCES", "resources"),
        (json!({"resources": {"memory": -1}}), "INVALID_RESOURCES", "resources"),
        (json!({"resources": {"pids": 0}}), "INVALID_RESOURCES", "resources"),
        (json!({"ports": [{"container": 0}]}), "INVALID_PORT", "ports"),
        (json!({"ports": [{"container": 65536}]}), "INVALID_PORT", "ports"),
        (json!({"ports": [{"container": 80, "host": -1}]}), "INVALID_PORT", "ports"),
        (json!({"ports": [{"container": 80, "protocol": "http"}]}), "INVALID_PORT", "ports"),
        (json!({"ports": [{"container": 80, "host_ip": "nowhere"}]}), "INVALID_PORT", "ports"),
        (
            json!({"ports": [{"host": 4000, "container": 80}, {"host": 4000, "container": 80}]}),
            "DUPLICATE_PORT",
            "ports",
        ),
        (json!({"restart": "sometimes"}), "INVALID_VALUE", "restart"),
        (json!({"state": "paused"}), "INVALID_VALUE", "state"),
        (json!({"imagine": 1}), "UNKNOWN_FIELD", "imagine"),
        (json!({"resources": {"disk": 1}}), "UNKNOWN_FIELD", "resources.disk"),
        (json!({"ports": [{"container": 80, "hots": 1}]}), "UNKNOWN_FIELD", "ports"),
    ];
    for (more, code, field) in cases {
        let body = crate::support::api::with(json!({"image": BUSYBOX}), more.clone());
        let error = api.post_json("/containers", &body).await.refused("validation_error", code);
        assert!(error["details"]["field"].as_str().unwrap().starts_with(field), "{more}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_lead_to_the_host_are_no_fields() {
    let api = shared().await;
    for (field, value) in [
        ("privileged", json!(true)),
        ("pid", json!("host")),
        ("network_mode", json!("host")),
        ("volumes", json!(["/:/host"])),
        ("env_file", json!("/etc/passwd")),
        ("extends", json!({"file": "/x"})),
        ("build", json!(".")),
        ("post_start", json!([])),
    ] {
        let body = json!({"image": BUSYBOX, field: value});
        let answer = api.post_json("/containers", &body).await;
        assert!([400, 403].contains(&answer.status), "{field}: {}", answer.text());
        assert!(answer.text().contains(field), "the answer names {field}: {}", answer.text());
    }
}
