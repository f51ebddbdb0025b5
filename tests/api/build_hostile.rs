//! Builds that must not be: hostile contexts, and builds that reach for the host.

use std::os::unix::fs::PermissionsExt;

use crate::support::builds::{
    Image, build, builder, context, dockerfile, endless, processes, request, runs, staging_is_empty, told,
};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_link_of_a_context_leads_the_builder_to_the_host() {
    let api = builder().await;
    let image = Image::new();
    let query = |path: &'static str| [("image", image.0.clone()), ("dockerfile", path.to_owned())];
    let tar = Tar::new()
        .file("real/Dockerfile", dockerfile("COPY . /c"))
        .link("real/loop", "loop")
        .link("real/out", "../../../../../etc/shadow");
    let answer = api.send(request(&api, &[("image", &image.0)], "application/x-tar", tar.bytes())).await;
    answer.refused("validation_error", "LINK_ESCAPES");
    let zip = Zip::new()
        .dir("Dockerfile")
        .link("loop", "loop")
        .link("nowhere", "gone")
        .link("folder", "Dockerfile")
        .bytes();
    for path in ["Dockerfile", "loop", "nowhere", "folder", "folder/x", "proc/self/environ"] {
        let query = query(path);
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        build(&api, &query, zip.clone()).await.refused("validation_error", "DOCKERFILE_NOT_FOUND");
    }
    // What stands in the context is not read by the host's own programs.
    let ignored = Zip::new()
        .file("Dockerfile", dockerfile("COPY . /c"))
        .link(".dockerignore", "lists/ignored")
        .file("lists/ignored", "secret\n")
        .file("secret", "x")
        .file("kept", "x")
        .file(".env", "COMPOSE_FILE=/etc/passwd\n")
        .file("compose.override.yaml", "services: {image: {privileged: true, build: {network: host}}}\n")
        .bytes();
    build(&api, &[("image", &image.0)], ignored).await.expect(200);
    assert_eq!(image.run("ls /c").await.replace('\n', " "), "Dockerfile compose.override.yaml kept lists");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_program_of_the_host_runs_in_a_context() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script = format!("#!/bin/sh\necho \"$0 $*\" >> {}\n", told.display());
    for name in ["git", "docker-credential-evil", "docker-buildx"] {
        let path = folder.path().join(name);
        std::fs::write(&path, &script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let daemon = Daemon::builder().env("PATH", &path).start().await;
    let image = Image::new();
    let zip = Zip::new()
        .file("Dockerfile", dockerfile("RUN true"))
        .file(".git/HEAD", "ref: refs/heads/main\n")
        .file(".git/config", "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = ./evil\n")
        .dir(".git/objects")
        .dir(".git/refs")
        .file_mode("evil", &script, 0o755)
        .bytes();
    build(&daemon, &[("image", &image.0)], zip).await.expect(200);
    assert_eq!(std::fs::read_to_string(told).unwrap_or_default(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_sees_nothing_of_the_daemon_and_gets_no_rights() {
    let daemon = Daemon::builder().env("APP_SECRET_WORD", "planted-secret").start().await;
    let image = Image::new();
    let query = [("image", image.0.as_str()), ("no_cache", "true"), ("build_arg", "GIVEN=${APP_PASS}")];
    let steps = "ARG APP_PASS\nARG APP_SECRET_WORD\nARG GIVEN\nARG HOME\n\
                 RUN env; echo \"<$APP_PASS|$APP_SECRET_WORD|$GIVEN>\"; cat /proc/self/status | grep Cap; ls /run/secrets || true";
    let (said, last) = told(&daemon, &query, context(steps)).await;
    assert!(last["id"].is_string(), "{last}");
    assert!(said.contains("<||***>") || said.contains("<||${APP_PASS}>"), "{said}");
    assert!(!said.contains("planted-secret") && !said.contains("s3cret:w"), "{said}");
    for steps in [
        "RUN --network=host true",
        "RUN --security=insecure true",
        "COPY ../../../../etc/shadow /s",
        "ADD ../../../../etc/shadow /s",
        "COPY /etc/shadow /s",
    ] {
        build(&daemon, &query, context(steps)).await.refused("validation_error", "BUILD_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_an_argument_is_shown_to_the_build_alone() {
    let daemon = Daemon::start().await;
    let image = Image::new();
    let secret = unique("planted");
    let arg = format!("TOKEN={secret}");
    let (step, word) = endless();
    let query = [("image", image.0.as_str()), ("build_arg", arg.as_str())];
    let zip =
        context(&format!("ARG TOKEN\nRUN [ ${{#TOKEN}} = {} ]\nRUN echo is $TOKEN\n{step}", secret.len()));
    let sent = request(&daemon, &query, "application/zip", zip).header("accept", "application/x-ndjson");
    let mut response = sent.send().await.unwrap();
    let mut heard = String::new();
    while !heard.contains("begun") {
        let piece = within("it goes on", 30.0, response.chunk()).await.unwrap().expect("it goes on");
        heard.push_str(&String::from_utf8_lossy(&piece));
    }
    runs(&word).await;
    assert!(heard.contains("is ***"), "{heard}");
    let seen: Vec<String> = processes(&secret).into_iter().filter(|line| line.contains("compose")).collect();
    assert!(seen.is_empty(), "{seen:?}");
    let staging = daemon.data().join("mounts/.staging");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let stage = std::fs::read_dir(staging).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&stage), 0o700);
    for file in ["compose.yaml", "home/config.json"] {
        assert_eq!(mode(&stage.join(file)), 0o600, "{file}");
    }
    drop(response);
    let failing = "ARG TOKEN\nFROM nowhere.invalid/$TOKEN\n";
    let answer = build(&daemon, &query, Zip::new().file("Dockerfile", failing).bytes()).await;
    assert_ne!(answer.status, 200);
    staging_is_empty(&daemon).await;
    for text in [heard, answer.text(), daemon.output(), json!(daemon.audit()).to_string()] {
        assert!(!text.contains(&secret), "{text}");
    }
}
