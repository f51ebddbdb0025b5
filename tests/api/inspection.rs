//! What the engine tells of a container: top, changes, inspect; and the compose file.

use crate::support::engine::{docker as engine, exec, is_podman};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn top_lists_the_processes_by_the_options_asked_for() {
    let api = shared().await;
    let cuid = api.running(json!({"command": ["sleep", "8101"]})).await;
    let path = format!("/containers/{cuid}/top");
    let list = api.get(&path).await.expect(200);
    assert!(list["titles"].as_array().unwrap().contains(&json!("PID")), "{list}");
    assert!(list["processes"].to_string().contains("sleep 8101"), "{list}");
    let list = api.get(&format!("{path}?opts=-o%20pid,args")).await.expect(200);
    assert_eq!(list["titles"], json!(["PID", "COMMAND"]));
    let row = list["processes"].as_array().unwrap().iter().find(|row| row[1] == "sleep 8101").unwrap();
    assert!(row[0].as_str().unwrap().parse::<u32>().is_ok(), "{list}");
    let (aux, paused) = (api.get(&format!("{path}?opts=aux")).await, api.act(&cuid, "pause").await);
    assert_eq!(paused["status"], "paused");
    let paused = api.get(&path).await;
    if is_podman().await {
        // It has no ps of the host's, and lists no processes of a paused container.
        assert_eq!(aux.refused("not_supported", "NOT_SUPPORTED")["details"]["field"], "opts");
        assert_eq!(paused.refused("not_supported", "NOT_SUPPORTED")["details"]["feature"], "top");
    } else {
        assert_eq!(aux.expect(200)["titles"][0], "USER");
        paused.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_ps_does_not_take_are_refused() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/top?opts=");
    let long = "a".repeat(201);
    for bad in ["", "-zzz", "-o%20args", "-V", "$(id)", "a;b", "a%0ab", "a%00", "%22", &long] {
        let answer = api.get(&format!("{path}{bad}")).await;
        let error = if is_podman().await && ["-zzz", "-V"].contains(&bad) {
            answer.refused("not_supported", "NOT_SUPPORTED")
        } else {
            answer.refused("validation_error", "INVALID_QUERY")
        };
        assert_eq!(error["details"]["field"], "opts", "{bad}: {error}");
    }
    api.get(&format!("/containers/{cuid}/top?ps_args=aux"))
        .await
        .refused("validation_error", "INVALID_QUERY");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_ps_cannot_do_it() {
    let proxy = Proxy::start();
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let cuid = daemon.running(json!({})).await;
    proxy.answer("/top", 500, r#"{"message":"exec: \"ps\": executable file not found in $PATH"}"#);
    let error =
        daemon.get(&format!("/containers/{cuid}/top")).await.refused("not_supported", "NOT_SUPPORTED");
    assert!(error["message"].as_str().unwrap().contains("ps"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_by_kind_and_sorted() {
    let api = shared().await;
    let cuid = api.running(json!({"user": "0:0"})).await;
    let path = format!("/containers/{cuid}/changes");
    exec(&cuid, "mkdir /z; echo > /z/b; echo > /z/a; echo > '/z/ä b'; echo x >> /etc/passwd; rm /etc/group")
        .await;
    let got = api.get(&path).await.expect(200);
    let mine = |kind: &str| -> Vec<String> {
        let list = got[kind].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
        list.filter(|path| path.starts_with("/z") || path.starts_with("/etc/")).collect()
    };
    assert_eq!(mine("added"), ["/z", "/z/a", "/z/b", "/z/ä b"], "{got}");
    assert_eq!(
        (mine("changed"), mine("deleted")),
        (vec!["/etc/passwd".to_owned()], vec!["/etc/group".to_owned()])
    );
    assert!(got["changed"].as_array().unwrap().contains(&json!("/etc")));
    let fresh = api.idle(json!({})).await;
    api.get(&format!("/containers/{fresh}/changes")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_is_the_engine_s_own_json() {
    let api = shared().await;
    let cuid = api.idle(json!({"env": {"A": "b"}})).await;
    let got = api.get(&format!("/containers/{cuid}/inspect")).await.expect(200);
    let own: Value = serde_json::from_str(&engine(&["container", "inspect", &cuid]).await).unwrap();
    assert_eq!(got, own[0]);
    assert_eq!(got["Name"], json!(format!("/{cuid}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compose_file_is_shown_as_it_is_also_when_it_cannot_be_read() {
    let api = shared().await;
    let name = unique("composed");
    let cuid = api.idle(json!({"name": name})).await;
    let path = format!("/containers/{name}/compose");
    let answer = api.get(&path).await;
    assert_eq!(answer.expect_bytes(200), api.compose_text(&cuid).as_bytes());
    assert_eq!(answer.header("content-type"), Some("application/yaml"));
    for text in [&b"services: ["[..], b"\xff\xfe"] {
        std::fs::write(api.compose_file(&cuid), text).unwrap();
        assert_eq!(api.get(&format!("/containers/{cuid}/compose")).await.expect_bytes(200), text);
    }
    std::fs::remove_file(api.compose_file(&cuid)).unwrap();
    api.get(&format!("/containers/{cuid}/compose")).await.refused("not_found", "FILE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_cannot_tell_is_a_state_and_never_a_fault() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let error =
        api.get(&format!("/containers/{cuid}/top")).await.refused("state_error", "CONTAINER_NOT_RUNNING");
    assert_eq!(error["details"]["status"], "created");
    engine(&["rm", &cuid]).await;
    // Before and after the daemon has heard of it.
    for _ in 0..2 {
        for what in ["top", "changes", "inspect", "export"] {
            let answer = api.get(&format!("/containers/{cuid}/{what}")).await;
            assert_eq!(answer.refused("state_error", "")["details"]["status"], "missing", "{what}");
        }
        eventually("it is missing", 15.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
            .await;
    }
    for what in ["top", "changes", "inspect", "export", "compose"] {
        api.get(&format!("/containers/nobody/{what}")).await.refused("not_found", "CONTAINER_NOT_FOUND");
        api.get(&format!("/containers/{cuid}/{what}?x=1")).await.refused("validation_error", "INVALID_QUERY");
    }
}
