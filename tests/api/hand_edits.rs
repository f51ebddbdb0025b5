//! `compose.yaml` as a person edits it: what they wrote stays.

use crate::support::engine::{env_of, inspect};
use crate::support::*;

/// Changes the compose file as an editor does.
fn edit(api: &Api, cuid: &str, change: impl FnOnce(String) -> String) {
    let before = api.compose_text(cuid);
    let after = change(before.clone());
    assert_ne!(before, after, "the edit found its place");
    std::fs::write(api.compose_file(cuid), after).unwrap();
}

async fn up_by_hand(api: &Api, cuid: &str) {
    let file = api.compose_file(cuid);
    docker(&["compose", "-f", file.to_str().unwrap(), "up", "-d"]).await;
}

/// The file with its `environment` written so, from names and quoted values.
fn environment(text: &str, write: impl Fn(&str, &str) -> String) -> String {
    let mut is_in_it = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        is_in_it = line == "    environment:" || (is_in_it && line.starts_with("    - "));
        let item = line.strip_prefix("    - '").and_then(|item| item.strip_suffix('\''));
        match item.filter(|_| is_in_it).and_then(|item| item.split_once('=')) {
            Some((name, value)) => lines.push(format!("      {}", write(name, value))),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_has_no_field_for_stays_through_a_change() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let service = format!("  {cuid}:\n");
    edit(&api, &cuid, |text| {
        // The project's name above, the service's key here: only the key stands at two spaces.
        let added = format!("{service}    hostname: byhand\n    read_only: true\n");
        let text = text.replacen(&service, &added, 1);
        let (before, after) = text.split_once("    cap_drop:\n").unwrap();
        let rest: Vec<&str> = after.lines().skip_while(|line| line.trim_start().starts_with("- ")).collect();
        format!("{before}    cap_drop: [ALL]\n{}\n", rest.join("\n"))
    });
    up_by_hand(&api, &cuid).await;
    assert_eq!(inspect(&cuid).await["Config"]["Hostname"], "byhand", "compose took it");
    for body in [json!({"tags": ["x"]}), json!({"env": {"N": "1"}})] {
        let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
        assert_eq!(got["tags"], json!(["x"]));
        let engine = inspect(&cuid).await;
        assert_eq!(engine["Config"]["Hostname"], "byhand", "after {body}");
        assert_eq!(engine["HostConfig"]["ReadonlyRootfs"], true, "after {body}");
        assert_eq!(engine["HostConfig"]["CapDrop"], json!(["ALL"]), "after {body}");
        assert_eq!(env_of(&engine, "TAGS").as_deref(), Some("x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_as_a_list_or_as_a_mapping_both_work() {
    let api = shared().await;
    let as_list: fn(&str, &str) -> String = |name, value| format!("- \"{name}={value}\"");
    let as_mapping: fn(&str, &str) -> String = |name, value| format!("{name}: \"{value}\"");
    for form in [as_list, as_mapping] {
        let cuid = api.idle(json!({"env": {"MINE": "1"}})).await;
        edit(&api, &cuid, |text| environment(&text, form));
        assert_eq!(api.act(&cuid, "start").await["status"], "running");
        assert_eq!(env_of(&inspect(&cuid).await, "MINE").as_deref(), Some("1"));
        let body = json!({"env": {"NEW": "2"}, "tags": ["t"]});
        let got = api.patch(&format!("/containers/{cuid}"), &body).await.expect(200);
        assert_eq!(got["env"]["MINE"], "1", "{got}");
        let engine = inspect(&cuid).await;
        for (name, value) in [("MINE", "1"), ("NEW", "2"), ("TAGS", "t"), ("CONTAINER_UID", cuid.as_str())] {
            assert_eq!(env_of(&engine, name).as_deref(), Some(value), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_written_by_hand_steals_no_other_containers_name() {
    let daemon = Daemon::start().await;
    let name = unique("first");
    let first = daemon.idle(json!({"name": name})).await;
    let mut thieves = Vec::new();
    for _ in 0..4 {
        let thief = daemon.idle(json!({})).await;
        let with_name = format!("x-wharfinger:\n  name: '{name}'\n");
        edit(&daemon, &thief, |text| text.replacen("x-wharfinger:\n", &with_name, 1));
        thieves.push(thief);
    }
    for thief in &thieves {
        daemon.container(thief).await;
        daemon.post(&format!("/containers/{thief}/start")).await;
        assert_eq!(daemon.container(&name).await["cuid"], first, "after a start of the other");
    }
    let daemon = daemon.restart().await;
    assert_eq!(daemon.container(&name).await["cuid"], first, "after a restart of the daemon");
}
