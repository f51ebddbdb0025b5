//! The files of tokens and roles: their modes, a crash, other hands, a full disk.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Every file below `access/`; each that is JSON has to be whole.
fn files(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [data.join("access"), data.join("access/tokens")] {
        for entry in std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = std::fs::read_to_string(&path).unwrap();
                serde_json::from_str::<Value>(&text)
                    .unwrap_or_else(|e| panic!("{}: {e}: {text:?}", path.display()));
            }
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_daemon_reads_its_tokens_and_roles() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["read"]})).await;
    daemon.role("ops", &["docker:read"]).await;
    token.api.get("/containers").await.expect(200);
    let access = daemon.data().join("access");
    let check = || {
        assert_eq!((mode(&access), mode(&access.join("tokens"))), (0o700, 0o700));
        for file in files(access.parent().unwrap()) {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    };
    check();
    // A hand that opened them.
    std::fs::set_permissions(&access, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(access.join("roles.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let daemon = daemon.restart().await;
    assert!(access.join("uses.json").exists(), "when tokens were used is written at the end");
    check();
    daemon.get("/tokens").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_answered_outlives_kill_9_and_files_are_whole() {
    let mut daemon = Daemon::start().await;
    let made = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    for round in 0..3_u64 {
        let mut work = tokio::task::JoinSet::new();
        for worker in 0..4 {
            let (api, made) = ((*daemon).clone(), Arc::clone(&made));
            work.spawn(async move {
                for at in 0.. {
                    let body = json!({"name": unique("t"), "roles": ["read"]});
                    let Ok(answer) = api.try_send(api.request("POST", "/tokens").json(&body)).await else {
                        return;
                    };
                    if answer.status == 201 {
                        made.lock().unwrap().0.push(answer.json()["token"].as_str().unwrap().to_owned());
                    }
                    let role = format!("r-{round}-{worker}-{at}");
                    let request =
                        api.request("PUT", &format!("/roles/{role}")).json(&json!({"permissions": []}));
                    let Ok(answer) = api.try_send(request).await else { return };
                    if answer.status == 201 {
                        made.lock().unwrap().1.push(role);
                    }
                }
            });
        }
        // A disk that is busy takes its time for each.
        let enough = usize::try_from(round + 1).unwrap() * 4;
        eventually("some were made", 20.0, || async {
            let made = made.lock().unwrap();
            (made.0.len() >= enough && made.1.len() >= enough).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(137 * round)).await;
        daemon.kill_9().await;
        work.join_all().await;
        daemon = daemon.again().start().await;
        let left: Vec<_> = files(&daemon.data())
            .into_iter()
            .filter(|path| path.to_string_lossy().contains("/.new-"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let (tokens, roles) = made.lock().unwrap().clone();
    assert!(tokens.len() > 10 && roles.len() > 10, "{} {}", tokens.len(), roles.len());
    for secret in &tokens {
        daemon.bearing(secret).get("/ping").await.expect(200);
    }
    let listed = daemon.get("/roles").await.text();
    for role in &roles {
        assert!(listed.contains(&format!("\"{role}\"")), "{role} is lost");
    }
    assert_eq!(daemon.get("/healthz").await.expect(200)["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_told_and_stops_nobody_else() {
    let daemon = Daemon::start().await;
    let (broken, good) = (
        daemon.make_token(json!({"roles": ["read"]})).await,
        daemon.make_token(json!({"roles": ["read"]})).await,
    );
    let tokens = daemon.data().join("access/tokens");
    let file = tokens.join(format!("{}.json", broken.id));
    let whole = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let folder = tokens.join("t00000000-0000-4000-8000-000000000000.json");
    std::fs::create_dir(&folder).unwrap();
    let told = |health: &Value, id: &str| {
        health["problems"].as_array().unwrap().iter().any(|problem| {
            let problem = problem.as_str().unwrap();
            problem.contains(id) && problem.starts_with("access/tokens/")
        })
    };
    eventually("it is told", 15.0, || async {
        let health = daemon.get("/healthz").await.json();
        (told(&health, &broken.id) && told(&health, "t00000000")).then_some(())
    })
    .await;
    assert_eq!(daemon.get("/healthz").await.expect(200)["status"], "degraded", "it stops nobody else");
    broken.api.get("/ping").await.refused("auth_error", "UNAUTHORIZED");
    good.api.get("/ping").await.expect(200);
    let another = daemon.make_token(json!({"roles": ["read"]})).await;
    another.api.get("/ping").await.expect(200);
    let daemon = daemon.restart().await;
    assert!(told(&daemon.get("/healthz").await.expect(200), &broken.id), "also after a restart");
    daemon.bearing(&good.secret).get("/ping").await.expect(200);
    // Mended, and removed.
    std::fs::remove_dir(&folder).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &whole).unwrap();
    eventually("well again", 15.0, || async {
        (daemon.get("/healthz").await.json()["status"] == "ok").then_some(())
    })
    .await;
    daemon.bearing(&broken.secret).get("/ping").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hand_changes_counts_within_two_seconds() {
    let daemon = Daemon::start().await;
    daemon.role("ops", &["docker:read"]).await;
    let (token, ops) = (
        daemon.make_token(json!({"roles": ["read"]})).await,
        daemon.make_token(json!({"roles": ["ops"]})).await,
    );
    tokio::time::sleep(Duration::from_millis(1200)).await;
    token.api.get("/containers").await.expect(200);
    std::fs::remove_file(daemon.data().join(format!("access/tokens/{}.json", token.id))).unwrap();
    eventually("a token that was removed is none", 15.0, || async {
        (token.api.from([127, 0, 4, 1]).get("/containers").await.status != 200).then_some(())
    })
    .await;
    token.api.from([127, 0, 4, 2]).get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    daemon.get(&format!("/tokens/{}", token.id)).await.refused("not_found", "TOKEN_NOT_FOUND");
    std::fs::write(daemon.data().join("access/roles.json"), "{\"ops\": [\"image:read\"]}\n").unwrap();
    eventually("a role that was changed", 15.0, || async {
        (ops.api.get("/images").await.status == 200).then_some(())
    })
    .await;
    ops.api.get("/containers").await.refused("forbidden", "PERMISSION_MISSING");
}

/// A small file system, taken down when dropped.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_changes_nothing() {
    let builder = Daemon::builder();
    let _folder = builder.clone();
    let access = builder.data().join("access");
    std::fs::create_dir_all(&access).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&access).output();
    assert!(mount.unwrap().status.success(), "mounting a tmpfs (this test runs as root)");
    let _small = Small(access.clone());
    let daemon = builder.start().await;
    daemon.role("ops", &["docker:read"]).await;
    let token = daemon.make_token(json!({"roles": ["ops"]})).await;
    let before = daemon.get("/tokens").await.expect(200);
    let mut filler = std::fs::File::create(access.join("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 512]).is_ok() {}
    let refused = daemon.post_json("/tokens", &json!({"name": "more", "roles": ["read"]})).await;
    refused.refused("insufficient_storage", "NO_SPACE");
    let put = |permissions: Value| {
        daemon.send(daemon.request("PUT", "/roles/ops").json(&json!({"permissions": permissions})))
    };
    put(json!(["image:read"])).await.refused("insufficient_storage", "NO_SPACE");
    daemon.delete("/roles/ops").await.refused("conflict", "ROLE_IN_USE");
    assert_eq!(daemon.get("/tokens").await.expect(200), before);
    token.api.get("/containers").await.expect(200);
    token.api.get("/images").await.refused("forbidden", "PERMISSION_MISSING");
    let left: Vec<_> =
        files(&daemon.data()).into_iter().filter(|path| path.to_string_lossy().contains("/.new-")).collect();
    assert!(left.is_empty(), "{left:?}");
    // To take rights away needs no room.
    daemon.revoke(&token.id).await;
    token.api.get("/containers").await.refused("auth_error", "UNAUTHORIZED");
    drop(filler);
    std::fs::remove_file(access.join("filler")).unwrap();
    put(json!(["image:read"])).await.expect(200);
    daemon.make_token(json!({"roles": ["ops"]})).await.api.get("/images").await.expect(200);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_tokens_that_is_removed_takes_all_of_them_with_it() {
    let daemon = Daemon::start().await;
    let token = daemon.make_token(json!({"roles": ["read"]})).await;
    let mut events = Stream::open(&token.api, "/events").await;
    std::fs::remove_dir_all(daemon.data().join("access/tokens")).unwrap();
    eventually("the token is no longer good", 5.0, || async {
        (token.api.get("/ping").await.status == 401).then_some(())
    })
    .await;
    let end = within("the stream ends", 5.0, events.next()).await.unwrap();
    assert_eq!(end["end"]["reason"], "revoked");
    daemon.make_token(json!({"roles": ["read"]})).await.api.get("/ping").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lost_its_limit_is_broken_and_no_unlimited_token() {
    let daemon = Daemon::start().await;
    for line in ["containers", "expires_at"] {
        let token =
            daemon.make_token(json!({"roles": ["read"], "containers": ["web-1"], "expires_in": 600})).await;
        let file = daemon.data().join(format!("access/tokens/{}.json", token.id));
        let mut text: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        text.as_object_mut().unwrap().remove(line).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, text.to_string()).unwrap();
        eventually(line, 3.0, || async { (token.api.get("/ping").await.status == 401).then_some(()) }).await;
    }
}
