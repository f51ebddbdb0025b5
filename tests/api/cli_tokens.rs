//! `wharfinger token` and `wharfinger role`: grants on the host, whether the daemon runs or not.

use std::os::unix::fs::{MetadataExt, chown};

use crate::support::cli::Ran;
use crate::support::daemon::{Builder, USER};
use crate::support::*;

const EXAMPLE: [&str; 10] = [
    "token",
    "generate",
    "-r",
    "write",
    "-u",
    "user@example.com",
    "-p",
    "docker:execute",
    "--expires",
    "30d",
];

fn run(builder: &Builder, args: &[&str]) -> Ran {
    builder.cli(args).without("APP_USER").without("APP_PASS").run()
}

fn listed(builder: &Builder) -> Vec<Value> {
    run(builder, &["token", "list", "--json"]).json()["tokens"].as_array().unwrap().clone()
}

async fn bearer(api: &Api, token: &str, path: &str) -> Answer {
    let none = api.with_login(None);
    none.send(none.request("GET", path).header("authorization", format!("Bearer {token}"))).await
}

/// The token that was made: alone on standard output.
fn made(ran: &Ran) -> String {
    let token = ran.done();
    assert!(token.starts_with("whf_") && !token.contains(char::is_whitespace), "{ran:?}");
    assert_eq!(ran.stdout, format!("{token}\n"));
    assert!(!ran.stderr.contains(token), "{ran:?}");
    token.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_while_the_daemon_runs_is_good_at_once_and_a_revoked_one_no_more() {
    let daemon = Daemon::start().await;
    let ran = run(&daemon.again(), &EXAMPLE);
    let token = made(&ran);
    for word in ["user@example.com", "docker:write", "docker:execute", "all containers", "until 2"] {
        assert!(ran.stderr.contains(word), "{word}: {ran:?}");
    }
    bearer(&daemon, &token, "/containers").await.expect(200);
    let basic = daemon.with_login(Some(("user@example.com", token.as_str())));
    basic.get("/containers").await.expect(200);
    let refused = bearer(&daemon, &token, "/tokens").await;
    refused.refused("forbidden", "PERMISSION_MISSING");
    let known = listed(&daemon.again());
    assert_eq!(known.len(), 1);
    let id = known[0]["id"].as_str().unwrap();
    assert!(ran.stderr.contains(id), "{ran:?}");
    assert_eq!(daemon.get(&format!("/tokens/{id}")).await.expect(200)["created_by"], known[0]["created_by"]);

    let revoked = run(&daemon.again(), &["token", "revoke", id]);
    assert_eq!((revoked.done(), revoked.stderr.contains(id)), ("", true));
    let is_refused = async || bearer(&daemon, &token, "/containers").await.status == 401;
    let end = Instant::now() + Duration::from_secs(5);
    while !is_refused().await {
        assert!(Instant::now() < end, "a revoked token is good after 5 s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lines: Vec<_> = daemon.audit().into_iter().filter(|line| line["method"] == "CLI").collect();
    let told: Vec<_> = lines.iter().map(|line| (line["action"].as_str().unwrap(), &line["path"])).collect();
    assert_eq!(
        told,
        [
            ("token.create", &json!("wharfinger token generate")),
            ("token.revoke", &json!("wharfinger token revoke"))
        ]
    );
    for line in &lines {
        assert_eq!((&line["token_id"], &line["status"]), (&json!(id), &json!(0)), "{line}");
        assert!(line["user"].as_str().unwrap().starts_with("cli:"), "{line}");
    }
    let text = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    assert!(!text.contains(&token) && !daemon.output().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_before_the_daemon_starts_is_good_when_it_does() {
    let builder = Daemon::builder();
    let token = made(&run(
        &builder,
        &["token", "generate", "-n", "ci", "-r", "read", "-c", "tag:blue", "-c", "web-1"],
    ));
    let folder = builder.data().join("access/tokens");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    let meta = files[0].metadata().unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(files[0].path()).unwrap().contains(&token), "only a hash is kept");
    let daemon = builder.start().await;
    assert_eq!(bearer(&daemon, &token, "/containers").await.expect(200)["containers"], json!([]));
    let known = &listed(&daemon.again())[0];
    assert_eq!(known["containers"], json!(["tag:blue", "web-1"]));
    assert_eq!((&known["expires_at"], &known["roles"]), (&Value::Null, &json!(["read"])));
}

#[test]
fn what_makes_no_sense_is_refused_and_grants_nothing() {
    let builder = Daemon::builder();
    let generate = |more: &[&str]| run(&builder, &[&["token", "generate"], more].concat());
    generate(&["-n", "a", "-r", "ops"]).refused(1, &["--role \"ops\"", "admin, write, read"]);
    generate(&["-n", "a", "-p", "docker:*"]).refused(1, &["--permission \"docker:*\"", "docker:execute"]);
    generate(&["-n", "a", "-r", "read", "-c", "tag:"]).refused(1, &["--container \"tag:\""]);
    generate(&["-n", "a:b", "-r", "read", "-p", "x"]).refused(1, &["--name \"a:b\"", "--permission \"x\""]);
    generate(&["-n", "a"]).refused(1, &["--role or permissions"]);
    generate(&["-r", "read"]).refused(2, &["--name"]);
    for time in ["30", "soon", "0d", "-1d", "11y", "99999d", ""] {
        let ran = generate(&["-n", "a", "-r", "read", &format!("--expires={time}")]);
        if time == "30" { assert_eq!(ran.code, Some(0), "{ran:?}") } else { ran.refused(2, &["--expires"]) }
    }
    run(&builder, &["token", "revoke", listed(&builder)[0]["id"].as_str().unwrap()]).done();
    builder.cli(&["token", "generate", "-n", USER, "-r", "read"]).run().refused(1, &["administrator"]);
    assert_eq!(listed(&builder), [] as [Value; 0]);
}

#[test]
fn nothing_is_revoked_where_one_id_is_unknown_and_a_token_is_never_shown() {
    let builder = Daemon::builder();
    let token = made(&run(&builder, &["token", "generate", "-n", "a", "-r", "read", "--expires", "never"]));
    let id = listed(&builder)[0]["id"].as_str().unwrap().to_owned();
    let other = "t00000000-0000-4000-8000-000000000000";
    run(&builder, &["token", "revoke", &id, other]).refused(1, &[other]);
    let ran = run(&builder, &["token", "revoke", &id, &token]);
    ran.refused(1, &["token list"]);
    assert!(!ran.stderr.contains(&token), "{ran:?}");
    run(&builder, &["token", "revoke"]).refused(2, &["ID"]);
    assert_eq!(listed(&builder).len(), 1);
    run(&builder, &["token", "revoke", &id, &id]).done();
    assert_eq!(listed(&builder).len(), 0);
}

#[test]
fn tokens_and_roles_are_listed_for_people_and_for_programs() {
    let builder = Daemon::builder();
    let made = run(&builder, &[&EXAMPLE[..], &["--json"]].concat()).json();
    assert!(made["token"].as_str().unwrap().starts_with("whf_"), "{made}");
    let table = run(&builder, &["token", "list"]);
    let lines: Vec<_> = table.done().lines().collect();
    assert_eq!(lines.len(), 2, "{table:?}");
    for head in ["ID", "NAME", "ROLES", "PERMISSIONS", "CONTAINERS", "CREATED", "EXPIRES", "LAST USED"] {
        assert!(lines[0].contains(head), "{head}: {table:?}");
    }
    for word in [made["id"].as_str().unwrap(), "user@example.com", "write", "docker:execute", "all", "never"]
    {
        assert!(lines[1].contains(word), "{word}: {table:?}");
    }
    let mut known = listed(&builder);
    known[0]["token"] = made["token"].clone();
    assert_eq!(known[0], made);
    std::fs::write(builder.data().join("access/roles.json"), "{").unwrap();
    run(&builder, &["role", "list"]).refused(1, &["roles.json"]);
    std::fs::remove_file(builder.data().join("access/roles.json")).unwrap();
    assert!(run(&builder, &["role", "list"]).done().contains("docker:execute"));
    let roles = run(&builder, &["role", "list", "--json"]).json();
    assert_eq!(roles["roles"][2]["name"], "read");
}

#[test]
fn what_root_writes_belongs_to_the_daemon_s_user_and_strangers_are_told_who_that_is() {
    assert!(rustix::process::getuid().is_root(), "this test runs as root");
    let builder = Daemon::builder();
    let data = builder.data();
    std::fs::create_dir(data.join("compose")).unwrap();
    for folder in [data.clone(), data.join("compose")] {
        chown(folder, Some(12_345), Some(12_346)).unwrap();
    }
    made(&run(&builder, &["token", "generate", "-n", "a", "-r", "read"]));
    let mut left = vec![data.join("access"), data.join("logs")];
    let mut files = 0;
    while let Some(path) = left.pop() {
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (12_345, 12_346), "{path:?}");
        files += usize::from(meta.is_file());
        if meta.is_dir() {
            left.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(files >= 2, "the token and the log");
    let stranger = || builder.cli(&["token", "list"]).folder(std::path::Path::new("/")).user(12_399);
    stranger().run().refused(1, &["run it as the user of the daemon"]);
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    stranger().run().refused(1, &["12345", "run it as the user of the daemon"]);
}

#[test]
fn in_a_folder_that_is_no_daemon_s_nothing_is_granted() {
    let builder = Daemon::builder();
    let ran = builder.cli(&EXAMPLE).without("APP_DATA_DIR").run();
    ran.refused(1, &["APP_DATA_DIR", "working folder"]);
    assert_eq!(std::fs::read_dir(builder.data()).unwrap().count(), 0);
    builder.cli(&EXAMPLE).env("APP_DATA_DIR", "/nowhere/at/all").run().refused(1, &["/nowhere/at/all"]);
    std::fs::write(builder.data().join(".env"), "APP_DATA_DIR=data\nAPP_USER=boss\n").unwrap();
    std::fs::create_dir(builder.data().join("data")).unwrap();
    let here = |name| {
        let args = ["token", "generate", "-r", "read", "-n", name];
        builder.cli(&args).without("APP_DATA_DIR").without("APP_USER").run()
    };
    here("boss").refused(1, &["administrator"]);
    made(&here("clerk"));
    assert!(builder.data().join("data/access/tokens").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_a_command_has_just_given_away_is_in_use() {
    let daemon = Daemon::start().await;
    daemon.role("short", &["docker:read"]).await;
    let ran = daemon.again().cli(&["token", "generate", "-n", "x", "-r", "short"]).run();
    ran.done();
    daemon.delete("/roles/short").await.refused("conflict", "ROLE_IN_USE");
}
