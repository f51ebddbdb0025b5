//! The command line and the environment that Compose gets: nothing of the daemon's own, nothing that a user wrote.

use std::collections::BTreeSet;

use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::engine::{env_of, inspect};
use crate::support::*;

/// All that Compose may find in its environment, beside what the stand-in's shell adds.
const ENVIRONMENT: [&str; 8] =
    ["PATH", "HOME", "DOCKER_CONFIG", "TMPDIR", "DOCKER_HOST", "COMPOSE_DISABLE_ENV_FILE", "LC_ALL", "GOGC"];

async fn with_stand_in() -> (Compose, Daemon) {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin());
    let builder = builder.env("PLANTED", "from-the-daemon").env("LD_DEBUG", "no-such-thing");
    (compose, builder.start().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_compose_is_a_short_list() {
    let (compose, daemon) = with_stand_in().await;
    daemon.running(json!({"env": {"MARKER": "marker-value"}})).await;
    let seen = compose.read("environment");
    let names: BTreeSet<&str> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let known = BTreeSet::from(ENVIRONMENT);
    let strange: Vec<_> =
        names.difference(&known).filter(|name| !["PWD", "SHLVL", "_"].contains(name)).collect();
    assert!(strange.is_empty(), "compose gets {strange:?} as well");
    assert!(names.contains("DOCKER_HOST") && names.contains("COMPOSE_DISABLE_ENV_FILE"), "{names:?}");
}

/// Compose reads `.env` beside the file and in the project's folder, and its own environment. A person may
/// have written `${…}` into the file; the API doubles each `$`.
#[tokio::test(flavor = "multi_thread")]
async fn no_variable_is_filled_in_from_the_daemon_or_a_file_beside_it() {
    let daemon = Daemon::builder().env("PLANTED", "from-the-daemon").start().await;
    let cuid = daemon.idle(json!({"env": {"SEEN": "here"}})).await;
    let file = daemon.compose_file(&cuid);
    for folder in [file.parent().unwrap(), &daemon.data().join("compose"), &daemon.data()] {
        std::fs::write(folder.join(".env"), "IN_A_FILE=from-a-file\n").unwrap();
    }
    let text = daemon.compose_text(&cuid);
    let asked = "SEEN=${APP_PASS:-no} ${APP_USER:-no} ${PLANTED:-no} ${IN_A_FILE:-no}";
    assert!(text.contains("SEEN=here"), "{text}");
    std::fs::write(&file, text.replace("SEEN=here", asked)).unwrap();
    daemon.act(&cuid, "start").await;
    assert_eq!(env_of(&inspect(&cuid).await, "SEEN").as_deref(), Some("no no no no"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dollar_sign_in_the_name_of_a_variable_stays_one() {
    let api = shared().await;
    let cuid =
        api.idle(json!({"env": {"A$B": "v$w", "$$": "$$", "${PATH}": "x"}, "labels": {"a$b": "c$d"}})).await;
    let engine = inspect(&cuid).await;
    for (name, value) in [("A$B", "v$w"), ("$$", "$$"), ("${PATH}", "x")] {
        assert_eq!(env_of(&engine, name).as_deref(), Some(value), "{}", engine["Config"]["Env"]);
    }
    assert_eq!(engine["Config"]["Labels"]["a$b"], "c$d", "{}", engine["Config"]["Labels"]);
    assert_eq!(api.container(&cuid).await["labels"], json!({"a$b": "c$d"}));
}

/// `- NAME` without a value is Compose's word for "from my environment".
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_variable_is_not_filled_in() {
    let api = shared().await;
    let cuid = api.idle(json!({"env": {"DOCKER_HOST": "", "GOGC": "", "APP_PASS": "", "OTHER": ""}})).await;
    let engine = inspect(&cuid).await;
    for name in ["DOCKER_HOST", "GOGC", "APP_PASS", "OTHER"] {
        assert_eq!(env_of(&engine, name).as_deref(), Some(""), "{name} in {}", engine["Config"]["Env"]);
    }
}

/// `null` removes a variable from what was there before; at create there is nothing to remove.
#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_null_reaches_no_container() {
    let api = shared().await;
    let cuid = api.idle(json!({"env": {"GOGC": null, "KEPT": "2"}})).await;
    let engine = inspect(&cuid).await;
    assert_eq!(env_of(&engine, "GOGC"), None, "{}", engine["Config"]["Env"]);
    assert_eq!(env_of(&engine, "KEPT").as_deref(), Some("2"));
    let cuid = api.idle(json!({"env": {"GOGC": "1", "KEPT": "2"}})).await;
    let got = api.patch(&format!("/containers/{cuid}"), &json!({"env": {"GOGC": null}})).await.expect(200);
    assert!(got["env"].get("GOGC").is_none(), "{got}");
    let engine = inspect(&cuid).await;
    assert_eq!(env_of(&engine, "GOGC"), None, "{}", engine["Config"]["Env"]);
    assert_eq!(env_of(&engine, "KEPT").as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_an_option_is_text_or_refused() {
    let daemon = Daemon::start().await;
    let post = async |body: Value| daemon.post_json("/containers", &body).await;
    for name in ["-x", "--privileged", "a b", "a;b", "a\nb", "$(id)", "a/b", "..", "a'b"] {
        let error = post(json!({"image": BUSYBOX, "name": name})).await.refused("validation_error", "");
        assert_eq!(error["details"]["field"], "name", "{name}: {error}");
    }
    let images = [
        "-v",
        "--privileged",
        "busybox --privileged",
        "busybox;id",
        "busybox\n    privileged: true",
        "$(id)",
        "${APP_PASS}",
        "../busybox",
        "busybox:-1",
    ];
    for image in images {
        let error = post(json!({"image": image})).await.refused("validation_error", "");
        assert_eq!(error["details"]["field"], "image", "{image}: {error}");
    }
    for (field, value) in [("user", "-0"), ("working_dir", "-x"), ("mount_path", "--/x"), ("restart", "-no")]
    {
        let error = post(json!({"image": BUSYBOX, field: value})).await.refused("validation_error", "");
        assert_eq!(error["details"]["field"], field, "{value}: {error}");
    }
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0, "nothing was made");
    let nasty = ["--privileged", "-v", "/:/host", "; touch /x", "$(id)", "`id`", "a\nb", "--"];
    let labels = json!({"-l": "--rm", "--label": "x"});
    let made = json!({"image": BUSYBOX, "entrypoint": ["echo", "-n"], "command": nasty, "labels": labels,
        "tags": ["-t", "--tag"], "env": {"-e": "--env", "--env-file": "/etc/passwd"}});
    let cuid = daemon.create(&made).await;
    let engine = inspect(&cuid).await;
    assert_eq!(engine["Config"]["Cmd"], json!(nasty));
    assert_eq!(engine["Config"]["Entrypoint"], json!(["echo", "-n"]));
    assert_eq!(
        (&engine["Config"]["Labels"]["-l"], &engine["Config"]["Labels"]["--label"]),
        (&json!("--rm"), &json!("x"))
    );
    assert_eq!(env_of(&engine, "-e").as_deref(), Some("--env"));
    assert_eq!(env_of(&engine, "--env-file").as_deref(), Some("/etc/passwd"));
    assert_eq!(engine["HostConfig"]["Privileged"], false);
    let container = format!("/containers/{cuid}");
    daemon.post(&format!("{container}/kill?signal=--all")).await.refused("validation_error", "");
    daemon
        .post_json(&format!("{container}/rename"), &json!({"name": "-x"}))
        .await
        .refused("validation_error", "");
    daemon.post(&format!("{container}/stop?timeout=-1")).await.refused("validation_error", "");
}

/// Argv only, and in it nothing but our own words, the cuid, and numbers.
#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_a_user_stands_on_the_command_line() {
    let (compose, daemon) = with_stand_in().await;
    let name = unique("marker");
    let cuid = daemon
        .running(
            json!({"name": name, "tags": ["marker"], "labels": {"marker": "marker"}, "hostname": "marker",
            "env": {"MARKER": "marker"}, "working_dir": "/tmp"}),
        )
        .await;
    let container = format!("/containers/{cuid}");
    for action in ["stop?timeout=1", "start", "restart?timeout=1", "pause", "unpause", "kill?signal=usr1"] {
        daemon.post(&format!("/containers/{name}/{action}")).await.expect(200);
    }
    daemon.patch(&container, &json!({"env": {"MARKER": "other-marker"}})).await.expect(200);
    daemon.patch(&container, &json!({"resources": {"memory": "64m"}})).await.expect(200);
    daemon.post_json(&format!("{container}/recreate"), &json!({})).await.expect(200);
    daemon.post_json(&format!("{container}/rename"), &json!({"name": unique("marker")})).await.expect(200);
    daemon.delete(&format!("{container}?force=true")).await.expect(200);
    let folder = daemon.data().join("compose");
    let folder = regex::escape(folder.to_str().unwrap());
    let fixed = format!(
        "--ansi never --progress quiet --env-file /dev/null --project-name {cuid} \
         --project-directory {folder}/(?:\\.deleting-)?{cuid} --file {folder}/(?:\\.deleting-)?{cuid}/compose\\.yaml"
    );
    let word = format!("[a-z]+|--[a-z-]+|[0-9]+|SIG[A-Z0-9]+|[A-Z0-9]+|{cuid}");
    let whole = Regex::new(&format!("^(?:{fixed}(?: (?:{word}))+|version --short)$")).unwrap();
    let calls = compose.read("calls");
    for call in calls.lines() {
        assert!(whole.is_match(call), "compose was called with {call:?}");
        assert!(!call.contains("marker") && !call.contains("busybox"), "{call}");
    }
    for verb in ["create", "up", "stop", "restart", "pause", "unpause", "kill", "down"] {
        assert!(calls.lines().any(|call| call.contains(&format!(" {verb}"))), "no {verb} in {calls}");
    }
}

/// The status of a request whose path is sent as it stands here; clients take `%2e%2e` for `..` and resolve it.
async fn status_of(daemon: &Daemon, method: &str, path: &str) -> u16 {
    let login = daemon.authorization().unwrap();
    let body = if method == "PATCH" { r#"{"env":{"CHANGED":"1"}}"# } else { "" };
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(daemon.address()).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
}

/// Two spellings would be two locks, two queues and two folders for one container.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_has_one_spelling_whatever_is_done_with_it() {
    let daemon = Daemon::start().await;
    let cuid = daemon.idle(json!({})).await;
    let before = daemon.compose_text(&cuid);
    let bare = cuid.replace('-', "");
    let spellings = [
        cuid.to_uppercase(),
        format!("C{}", &cuid[1..]),
        format!("c{}", cuid[1..].to_uppercase()),
        bare,
        format!("c%7B{}%7D", &cuid[1..]),
        format!("curn:uuid:{}", &cuid[1..]),
        cuid[1..].to_owned(),
        format!("%20{cuid}"),
        format!("{cuid}%00"),
        format!("{cuid}%2f"),
        format!(".%2f{cuid}"),
        format!("..%2fcompose%2f{cuid}"),
        format!("%2e%2e%2fcompose%2f{cuid}"),
        "%2e%2e".to_owned(),
        "%2e".to_owned(),
        ".deleting-x".to_owned(),
        ".staging".to_owned(),
        ".lock".to_owned(),
    ];
    for other in spellings {
        let path = format!("/containers/{other}");
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", format!("{path}?force=true")),
            ("POST", format!("{path}/start")),
            ("GET", format!("{path}/download?path=x")),
            ("GET", format!("{path}/download-zip")),
            ("DELETE", format!("{path}/files?path=x")),
            ("GET", format!("{path}/compose")),
            ("PATCH", path.clone()),
            ("GET", format!("/ws/{other}")),
        ] {
            let status = status_of(&daemon, method, &path).await;
            assert!([400, 404].contains(&status), "{method} {path}: {status}");
        }
    }
    assert_eq!(daemon.compose_text(&cuid), before);
    assert_eq!(daemon.status(&cuid).await, "created");
    // The same letters, escaped: the same id, and the same folder.
    let escaped: String = cuid.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(daemon.act(&escaped, "start").await["cuid"], *cuid);
    let mut folders: Vec<_> = std::fs::read_dir(daemon.data().join("compose"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(".lock"))
        .collect();
    folders.sort();
    assert_eq!(folders, [cuid]);
}
