//! What was sent is what the engine gets, whatever the strings hold.

use futures_util::StreamExt;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

use crate::support::engine::env_of;
use crate::support::*;

/// Strings that YAML, Compose or a shell are known to read as something else.
const NASTY: &[&str] = &[
    "",
    " ",
    "  lead",
    "trail  ",
    "2021-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "1_000",
    "0x1F",
    "0o17",
    "017",
    "1e3",
    ".inf",
    "-.inf",
    ".nan",
    "NaN",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "true",
    "null",
    "Null",
    "~",
    "<<",
    "=",
    "- a",
    "? a",
    "a: b",
    "a:",
    ": a",
    "#x",
    "a #b",
    "${HOME}",
    "$HOME",
    "$$",
    "$",
    "${",
    "${APP_PASS:-x}",
    "\"",
    "'",
    "\\",
    "\\n",
    "a\nb",
    "\n",
    "\r\n",
    "a\tb",
    "\t",
    "|",
    ">-",
    "|\n  a\n",
    "!tag",
    "!!binary aGk=",
    "&a",
    "*a",
    "%YAML 1.2",
    "---",
    "...",
    "@a",
    "`a`",
    "{a: b}",
    "[a]",
    "{{.Names}}",
    "a,b",
    "1:30",
    "190:20:30",
    "\u{2028}",
    "\u{2029}",
    "\u{a0}",
    "\u{feff}",
    "\u{fffe}",
    "\u{200b}",
    "\u{202e}abc",
    "e\u{301}",
    "\u{1F469}\u{200D}\u{1F680}",
    "\u{1}",
    "\u{1b}[31m",
    "\u{10ffff}",
    "привет",
    "日本語",
];

/// Any text but what the API refuses: NUL, DEL and C1.
fn text() -> impl Strategy<Value = String> {
    let allowed = |c: &char| !matches!(*c as u32, 0 | 0x7f..=0x9f);
    let random = vec(any::<char>().prop_filter("allowed", allowed), 0..20)
        .prop_map(|chars| chars.into_iter().collect());
    let nasty = proptest::sample::select(NASTY).prop_map(str::to_owned);
    let both = vec(proptest::sample::select(NASTY), 1..4).prop_map(|parts| parts.concat());
    prop_oneof![3 => random, 2 => nasty, 1 => both]
}

type Sent = (BTreeMap<String, String>, BTreeMap<String, String>, Vec<String>, Vec<String>);

fn configuration() -> impl Strategy<Value = Sent> {
    let env = btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}x", text(), 0..5);
    let labels = btree_map("[a-z]{1,6}(\\.[a-z]{1,6}){1,2}", text(), 0..4);
    let plain = text().prop_map(|t| t.chars().filter(|c| !c.is_control() && *c != ',').collect::<String>());
    let tag = plain.prop_map(|t| t.trim().to_owned()).prop_filter("a tag says something", |t| !t.is_empty());
    let command = vec(text(), 0..5).prop_map(|mut rest| {
        rest.insert(0, "echo".to_owned());
        rest
    });
    (env, labels, vec(tag, 0..3), command)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_random_configurations_reach_docker_inspect_exactly() {
    let mut left = rounds(200);
    while left > 0 {
        // No more than one list shows.
        let count = left.min(200);
        reach_docker_inspect_exactly(count).await;
        left -= count;
    }
}

async fn reach_docker_inspect_exactly(count: usize) {
    let seed = uuid::Uuid::new_v4().into_bytes().repeat(2);
    println!("seed {seed:?}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sent: Vec<Sent> =
        (0..count).map(|_| configuration().new_tree(&mut runner).unwrap().current()).collect();
    let daemon = Daemon::start().await;
    let made = sent.iter().map(|(env, labels, tags, command)| {
        let body = json!({"image": BUSYBOX, "env": env, "labels": labels, "tags": tags, "command": command});
        let api = &*daemon;
        async move {
            let answer = api.post_json("/containers", &body).await;
            assert_eq!(answer.status, 201, "{body}: {}", answer.text());
            answer.json()
        }
    });
    let made: Vec<Value> = futures_util::stream::iter(made).buffered(6).collect().await;
    let cuids: Vec<&str> = made.iter().map(|m| m["cuid"].as_str().unwrap()).collect();
    let seen: Value =
        serde_json::from_str(&docker(&[&["container", "inspect"], &*cuids].concat()).await).unwrap();
    for (i, (env, labels, tags, command)) in sent.iter().enumerate() {
        let (engine, ours) = (&seen[i], &made[i]);
        assert_eq!(engine["Config"]["Cmd"], json!(command), "command");
        assert_eq!(ours["command"], json!(command), "command, read back");
        assert_eq!(ours["tags"], json!(tags), "tags, read back");
        assert_eq!(env_of(engine, "TAGS").unwrap_or_default(), tags.join(","), "TAGS");
        for (key, value) in env {
            assert_eq!(env_of(engine, key).as_ref(), Some(value), "env {key}");
            assert_eq!(ours["env"][key], **value, "env {key}, read back");
        }
        for (key, value) in labels {
            assert_eq!(engine["Config"]["Labels"][key], **value, "label {key}");
        }
        assert_eq!(ours["labels"], json!(labels), "labels, read back");
    }
    let daemon = daemon.restart().await;
    let again = daemon.get("/containers?limit=500").await.expect(200);
    for ours in &made {
        let found =
            again["containers"].as_array().unwrap().iter().find(|c| c["cuid"] == ours["cuid"]).unwrap();
        for field in ["env", "labels", "tags", "command"] {
            assert_eq!(found[field], ours[field], "{field} after a restart: from the compose file");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_no_yaml_keeps_are_refused() {
    let api = shared().await;
    for bad in ["a\u{0}b", "a\u{7f}b", "a\u{80}b", "a\u{85}b", "a\u{9f}b"] {
        for body in [
            json!({"env": {"A": bad}}),
            json!({"labels": {"a.b": bad}}),
            json!({"tags": [bad]}),
            json!({"command": ["x", bad]}),
            json!({"command": bad}),
            json!({"working_dir": format!("/{bad}")}),
            json!({"user": bad}),
        ] {
            let field = body.as_object().unwrap().keys().next().unwrap().clone();
            let body = crate::support::api::with(json!({"image": BUSYBOX}), body);
            let error = api.post_json("/containers", &body).await.refused("validation_error", "");
            assert!(error["details"]["field"].as_str().unwrap().starts_with(&field), "{error}");
        }
    }
}
