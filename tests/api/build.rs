//! Builds: every parameter, every form of a context, what is told, and what a failure says.

use crate::support::builds::{Image, build, builder, context, dockerfile, request, staging_is_empty, told};
use crate::support::tars::gzip;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_context_becomes_an_image_and_leaves_nothing_else() {
    let daemon = Daemon::start().await;
    let image = Image::new();
    let zip = Zip::new()
        .file("Dockerfile", dockerfile("ARG GREETING=none\nRUN echo \"$GREETING\" > /said\nCOPY data /data"))
        .file("data/a", "A")
        .file("data/skipped", "B")
        .file(".dockerignore", "**/skipped\n")
        .bytes();
    let query = [("image", image.0.as_str()), ("build_arg", "GREETING=a $HOME: \"b\" 'c'")];
    let built = build(&daemon, &query, zip).await.expect(200);
    assert_eq!(built, json!({"id": image.inspect("{{.Id}}").await, "image": image.0}));
    assert_eq!(image.run("cat /said; ls /data").await, "a $HOME: \"b\" 'c'\na");
    let labels = image.inspect("{{json .Config.Labels}}").await;
    assert!(!labels.contains("io.wharfinger.cuid"), "{labels}");
    staging_is_empty(&daemon).await;
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 0);
    let line = daemon.audit().into_iter().find(|line| line["action"] == "image.build").unwrap();
    assert_eq!((&line["image"], &line["status"]), (&json!(image.0), &json!(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_comes_as_a_zip_a_tar_or_a_compressed_tar_in_every_usual_type() {
    let api = builder().await;
    let text = dockerfile("COPY . /c");
    let zip = Zip::new().file("Dockerfile", &text).file("f", "1").bytes();
    // As `tar c .` writes it, `git archive`, and GNU tar where a name is long.
    let long = format!("{}/{}", "d".repeat(80), "n".repeat(60));
    let tar = Tar::new()
        .pax(b'g', "comment", "8f3e5c")
        .dir("./")
        .file("./Dockerfile", &text)
        .file("./f", "1")
        .hard_link("./same", "./f")
        .link("./link", "f")
        .long_file(&long, "2")
        .pax(b'x', "path", "grüße")
        .file("placeholder", "3")
        .bytes();
    for (kind, body, is_tar) in [
        ("application/zip", zip.clone(), false),
        ("application/octet-stream", zip, false),
        ("application/x-tar", tar.clone(), true),
        ("application/x-tar", gzip(&tar), true),
        ("application/gzip", gzip(&tar), true),
        ("application/octet-stream", tar.clone(), true),
        ("application/octet-stream", gzip(&tar), true),
    ] {
        let image = Image::new();
        let answer = api.send(request(&api, &[("image", &image.0)], kind, body)).await;
        answer.expect(200);
        let expected = if is_tar { "1 1 f 3" } else { "1" };
        let script = "cd /c; cat f; [ ! -e same ] || echo $(cat same) $(readlink link) $(cat grüße)";
        assert_eq!(image.run(script).await.replace('\n', " ").replacen("11 ", "1 1 ", 1), expected, "{kind}");
        if is_tar {
            assert_eq!(image.run(&format!("cat /c/{long}")).await, "2");
        }
    }
    let image = Image::new();
    let part = reqwest::multipart::Part::bytes(tar).file_name("context.tar");
    let form = reqwest::multipart::Form::new().text("note", "x").part("file", part);
    let posted = api.request("POST", "/images/build").query(&[("image", &image.0)]).multipart(form);
    api.send(posted).await.expect(200);
    let refused = request(&api, &[("image", &image.0)], "text/plain", b"x".to_vec());
    api.send(refused).await.refused("unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerfile_target_no_cache_and_pull_do_what_they_say() {
    let api = builder().await;
    let image = Image::new();
    let random = "RUN cat /proc/sys/kernel/random/uuid > /id";
    let stages = format!("FROM {BUSYBOX} AS one\n{random}\nFROM one AS two\nRUN echo two > /stage\n");
    let zip = || {
        Zip::new()
            .file("build/web.Dockerfile", &stages)
            .dir("deep")
            .link("deep/Dockerfile", "../build/web.Dockerfile")
            .link("linked", "deep")
            .bytes()
    };
    let id = |query: &'static [(&'static str, &'static str)]| {
        let (api, zip, name) = (&api, zip(), image.0.clone());
        async move {
            let mut query = query.to_vec();
            query.push(("image", &name));
            build(api, &query, zip).await.expect(200)["id"].as_str().unwrap().to_owned()
        }
    };
    let first = id(&[("dockerfile", "build/web.Dockerfile")]).await;
    assert_eq!(image.run("cat /stage").await, "two");
    assert_eq!(id(&[("dockerfile", "./build//web.Dockerfile"), ("target", "two")]).await, first, "cached");
    assert_eq!(id(&[("dockerfile", "linked/Dockerfile")]).await, first, "through links");
    assert_ne!(id(&[("dockerfile", "deep/Dockerfile"), ("no_cache", "true")]).await, first, "nothing cached");
    id(&[("dockerfile", "build/web.Dockerfile"), ("target", "one")]).await;
    assert_eq!(image.run("ls /stage || echo none").await, "none");
    let missing = build(&api, &[("image", &image.0)], zip()).await;
    let error = missing.refused("validation_error", "DOCKERFILE_NOT_FOUND");
    assert_eq!(error["details"]["dockerfile"], "Dockerfile");
    let query = [("image", image.0.as_str()), ("dockerfile", "build/web.Dockerfile"), ("pull", "true")];
    let pulled = build(&api, &query, zip()).await;
    // The small image is in no registry: what counts is that it is asked for.
    assert_ne!(pulled.status, 200, "{}", pulled.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_cannot_be_are_named_before_anything_is_built() {
    let api = builder().await;
    let zip = || context("RUN true");
    for (query, code) in [
        (&[][..], "MISSING_IMAGE"),
        (&[("image", "")], "MISSING_IMAGE"),
        (&[("image", "Upper/Case")], "INVALID_IMAGE"),
        (&[("image", "a:b:c")], "INVALID_IMAGE"),
        (&[("image", "a"), ("dockerfile", "../Dockerfile")], "PATH_NOT_ALLOWED"),
        (&[("image", "a"), ("dockerfile", "/etc/passwd")], "PATH_NOT_ALLOWED"),
        (&[("image", "a"), ("dockerfile", "x/../../y")], "PATH_NOT_ALLOWED"),
        (&[("image", "a"), ("build_arg", "KEY")], "INVALID_QUERY"),
        (&[("image", "a"), ("build_arg", "=x")], "INVALID_QUERY"),
        (&[("image", "a"), ("target", "a b")], "INVALID_QUERY"),
        (&[("image", "a"), ("no_cache", "yes")], "INVALID_QUERY"),
        (&[("image", "a"), ("pull", "2")], "INVALID_QUERY"),
        (&[("image", "a"), ("tag", "b")], "INVALID_QUERY"),
    ] {
        build(&api, query, zip()).await.refused("validation_error", code);
    }
    let all = [("image", "A"), ("dockerfile", ".."), ("build_arg", "s3cret-value"), ("target", "")];
    let error = build(&api, &all, zip()).await.refused("validation_error", "INVALID_IMAGE");
    assert_eq!(error["details"]["violations"].as_array().unwrap().len(), 4, "{error}");
    assert!(!error.to_string().contains("s3cret-value"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_builder_is_heard_line_by_line_while_it_builds() {
    let api = builder().await;
    let image = Image::new();
    let zip = context("RUN for i in 1 2 3; do echo word $i; sleep 1; done");
    let query = [("image", image.0.as_str()), ("no_cache", "true")];
    let request = request(&api, &query, "application/zip", zip.clone());
    let mut response = request.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut text, mut first) = (String::new(), None);
    while let Some(piece) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&piece).unwrap());
        if text.contains("word 1") && first.is_none() {
            first = Some(Instant::now());
        }
    }
    assert!(first.unwrap().elapsed() > Duration::from_millis(1500), "it was told as it went on: {text}");
    assert!(text.contains("event: end\ndata: {\"id\":\"sha256:"), "{text}");
    let (said, last) = told(&api, &query, zip).await;
    let words: Vec<&str> = said.lines().filter(|line| line.contains(" word ")).collect();
    assert!(words.len() >= 3, "{said}");
    let expected =
        json!({"id": image.inspect("{{.Id}}").await, "image": image.0, "end": {"reason": "complete"}});
    assert_eq!(last, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_what_the_builder_says() {
    let api = builder().await;
    let image = Image::new();
    let query = [("image", image.0.as_str())];
    let fails = context("RUN echo a reason; echo another >&2; exit 3");
    let error = build(&api, &query, fails.clone()).await.refused("validation_error", "BUILD_FAILED");
    assert!(error["message"].as_str().unwrap().contains("exit 3"), "{error}");
    let output = error["details"]["output"].as_str().unwrap();
    assert!(output.contains("a reason") && output.contains("another"), "{output}");
    let (said, last) = told(&api, &query, fails).await;
    assert!(said.contains("a reason"), "{said}");
    assert_eq!(last["end"]["reason"], "error");
    answer::assert_error_value("the end", &last["end"]["error"], "validation_error", "BUILD_FAILED");
    for (lines, words) in [("BOGUS x", "BOGUS"), ("COPY nothing /", "nothing")] {
        let error = build(&api, &query, context(lines)).await.refused("validation_error", "BUILD_FAILED");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    let stage = [query[0], ("target", "nowhere")];
    let error = build(&api, &stage, context("RUN true")).await.refused("validation_error", "BUILD_FAILED");
    assert!(error["message"].as_str().unwrap().contains("nowhere"), "{error}");
    let away = Zip::new().file("Dockerfile", "FROM 127.0.0.1:1/none:1\n").bytes();
    build(&api, &query, away).await.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    assert!(!image.exists().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_buildkit_builds_as_well() {
    let proxy = Proxy::start();
    let version = json!({"Version": "18.06.3", "ApiVersion": "1.38", "MinAPIVersion": "1.12"}).to_string();
    proxy.answer(r"^GET (/v[0-9.]+)?/version", 200, version);
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let image = Image::new();
    let query = [("image", image.0.as_str()), ("build_arg", "WORD=said"), ("no_cache", "true")];
    let (said, last) = told(&daemon, &query, context("ARG WORD\nRUN echo $WORD; echo $WORD >&2")).await;
    assert!(said.contains("Step 1/") && !said.contains('\u{1b}'), "{said}");
    assert!(said.lines().filter(|line| *line == "said").count() == 2, "{said}");
    assert_eq!(last["id"], image.inspect("{{.Id}}").await.as_str(), "{last}");
    let mark = unique("fails");
    let failed = build(&daemon, &query, context(&format!("RUN : {mark}; exit 5"))).await;
    // The classic builder leaves the container of a step that failed, as it does for `docker build`.
    let all = docker(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Command}}"]).await;
    for left in all.lines().filter(|line| line.contains(&mark)) {
        docker(&["rm", left.split(' ').next().unwrap()]).await;
    }
    let error = failed.refused("validation_error", "BUILD_FAILED");
    assert!(error["message"].as_str().unwrap().contains("non-zero code: 5"), "{error}");
    let away = Zip::new().file("Dockerfile", "FROM 127.0.0.1:1/none:1\n").bytes();
    build(&daemon, &query, away).await.refused("bad_gateway", "REGISTRY_UNREACHABLE");
    staging_is_empty(&daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_builds_of_one_name_each_answers_its_own_image() {
    let api = builder().await;
    let image = Image::new();
    let query = [("image", image.0.as_str())];
    let one = |word: &str| build(&api, &query, context(&format!("RUN sleep 1; echo {} {word}", image.0)));
    let (first, second) = tokio::join!(one("first"), one("second"));
    let (first, second) = (first.expect(200)["id"].clone(), second.expect(200)["id"].clone());
    assert_ne!(first, second);
    let named = json!(image.inspect("{{.Id}}").await);
    assert!(named == first || named == second);
    let other = if named == first { &second } else { &first };
    docker(&["rmi", "-f", other.as_str().unwrap()]).await;
}
