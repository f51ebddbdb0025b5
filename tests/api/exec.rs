//! `POST /containers/{id}/exec`: one command to its end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::engine::docker as engine;
use crate::support::*;

async fn run(api: &Api, cuid: &str, body: Value) -> Value {
    api.post_json(&format!("/containers/{cuid}/exec"), &body).await.expect(200)
}

/// Whether a process with this argument runs in the container.
async fn runs(cuid: &str, marker: &str) -> bool {
    engine(&["top", cuid, "-o", "pid,args"]).await.lines().any(|line| line.contains(marker))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_answers_its_outputs_apart_and_its_exit_code() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let ran = run(&api, &cuid, json!({"cmd": "echo out; echo err >&2; exit 7"})).await;
    assert_eq!(
        (&ran["exit_code"], &ran["stdout"], &ran["stderr"]),
        (&json!(7), &json!("out\n"), &json!("err\n"))
    );
    assert_eq!((&ran["stdout_encoding"], &ran["truncated"]), (&json!("utf8"), &json!(false)));
    assert!(ran["duration_ms"].as_u64().is_some_and(|ms| ms < 20_000), "{ran}");
    let body = json!({
        "cmd": ["sh", "-c", "id -u; pwd; echo $A $N; echo \"$1\"", "sh", "a b; c"],
        "user": "123:45", "working_dir": "/tmp", "env": {"A": "x $HOME", "N": 1, "WHARFINGER_SESSION": "mine"},
    });
    assert_eq!(run(&api, &cuid, body).await["stdout"], "123\n/tmp\nx $HOME 1\na b; c\n");
    let killed = run(&api, &cuid, json!({"cmd": "kill -TERM $$"})).await;
    assert_eq!(killed["exit_code"], 143, "{killed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_reaches_it_whole_and_without_it_there_is_no_input() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    assert_eq!(run(&api, &cuid, json!({"cmd": ["cat"]})).await["stdout"], "", "no input is an end at once");
    assert_eq!(run(&api, &cuid, json!({"cmd": ["cat"], "stdin": ""})).await["stdout"], "");
    assert_eq!(run(&api, &cuid, json!({"cmd": ["cat"], "stdin": "wörd\n"})).await["stdout"], "wörd\n");
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let body = json!({"cmd": ["cat"], "stdin": STANDARD.encode(&bytes), "stdin_encoding": "base64"});
    let ran = run(&api, &cuid, body).await;
    assert_eq!(ran["stdout_encoding"], "base64");
    assert!(STANDARD.decode(ran["stdout"].as_str().unwrap()).unwrap() == bytes, "all of it came back");
    let text = "x".repeat(500_000);
    let ran = run(&api, &cuid, json!({"cmd": ["true"], "stdin": text})).await;
    assert_eq!(ran["exit_code"], 0, "what does not read its input is free to do so");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_answers_as_a_shell_does() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let missing = run(&api, &cuid, json!({"cmd": ["no-such-program"]})).await;
    assert_eq!(missing["exit_code"], 127, "{missing}");
    assert!(missing["stderr"].as_str().unwrap().contains("no-such-program"), "{missing}");
    let missing = run(&api, &cuid, json!({"cmd": ["/no/such/program"]})).await;
    assert_eq!(missing["exit_code"], 127, "{missing}");
    for program in ["/etc", "/etc/passwd"] {
        let refused = run(&api, &cuid, json!({"cmd": [program]})).await;
        assert_eq!(refused["exit_code"], 126, "{refused}");
        assert!(refused["stderr"].as_str().unwrap().contains("permission denied"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_or_folder_that_the_container_does_not_have_is_named() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/exec");
    for (field, body) in [
        ("user", json!({"cmd": ["true"], "user": "nosuchuser"})),
        ("user", json!({"cmd": ["true"], "user": "0:nosuchgroup"})),
        ("working_dir", json!({"cmd": ["true"], "working_dir": "/no/such/folder"})),
    ] {
        let error = api.post_json(&path, &body).await.refused("validation_error", "INVALID_VALUE");
        assert_eq!(error["details"]["field"], field, "{error}");
        assert_eq!(error["details"]["provided"], body[field], "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_wrong_is_told_whole_and_runs_nothing() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/exec");
    let body = json!({"cmd": "touch /tmp/ran", "timeout": 86_401, "max_output": -1, "stdin": 1, "tty": true});
    let error = api.post_json(&path, &body).await.refused("validation_error", "");
    assert_eq!(error["details"]["violations"].as_array().unwrap().len(), 4, "{error}");
    api.post_json(&path, &json!({})).await.refused("validation_error", "MISSING_FIELD");
    api.post_json(&path, &json!({"cmd": []})).await.refused("validation_error", "INVALID_VALUE");
    api.post_json(&path, &json!({"cmd": ["a\0"]})).await.refused("validation_error", "INVALID_VALUE");
    api.post_json("/containers/nobody/exec", &json!({"cmd": "true"})).await.refused("not_found", "");
    assert_eq!(run(&api, &cuid, json!({"cmd": "ls /tmp"})).await["stdout"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_beyond_the_limit_is_dropped_and_holds_up_nothing() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let body = json!({"cmd": "head -c 30000000 /dev/zero | tr '\\0' x; echo done >&2", "max_output": 1000});
    let ran = run(&api, &cuid, body).await;
    assert_eq!(
        (&ran["exit_code"], &ran["truncated"], &ran["stderr"]),
        (&json!(0), &json!(true), &json!("done\n"))
    );
    assert_eq!(ran["stdout"], "x".repeat(1000));
    let whole = run(&api, &cuid, json!({"cmd": "head -c 1048576 /dev/zero | tr '\\0' x"})).await;
    assert_eq!(whole["truncated"], false, "exactly as much as is kept");
    assert_eq!(whole["stdout"].as_str().unwrap().len(), 1_048_576);
    for (max, left) in [(4, "ää"), (3, "ä"), (0, "")] {
        let cut = run(&api, &cuid, json!({"cmd": ["printf", "äää"], "max_output": max})).await;
        assert_eq!((&cut["stdout"], &cut["stdout_encoding"]), (&json!(left), &json!("utf8")), "{cut}");
        assert_eq!(cut["truncated"], true);
    }
    let binary = run(&api, &cuid, json!({"cmd": ["printf", "\\377a"]})).await;
    assert_eq!((&binary["stdout"], &binary["stdout_encoding"]), (&json!("/2E="), &json!("base64")));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_outlasts_its_time_is_ended_with_all_it_started() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let script = "echo begun; printf err >&2; trap '' HUP TERM INT
        (trap '' HUP TERM; setsid sleep 7101) &
        setsid sh -c \"trap '' HUP TERM; while :; do sleep 7102; done\" &
        sleep 7103; sleep 7104";
    let begin = Instant::now();
    let body = json!({"cmd": script, "timeout": 1});
    let error =
        api.post_json(&format!("/containers/{cuid}/exec"), &body).await.refused("timeout", "EXEC_TIMED_OUT");
    assert!((1.0..8.0).contains(&begin.elapsed().as_secs_f64()), "{:?}", begin.elapsed());
    let details = &error["details"];
    assert_eq!((&details["stdout"], &details["stderr"]), (&json!("begun\n"), &json!("err")), "{error}");
    assert_eq!((&details["stdout_encoding"], &details["truncated"]), (&json!("utf8"), &json!(false)));
    assert!(!runs(&cuid, "sleep 710").await, "{}", engine(&["top", &cuid]).await);
    assert_eq!(api.status(&cuid).await, "running", "the container itself goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_leaves_in_the_background_goes_on_and_is_not_waited_for() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let begin = Instant::now();
    let ran = run(&daemon, &cuid, json!({"cmd": "sleep 7201 & echo begun"})).await;
    assert_eq!((&ran["exit_code"], &ran["stdout"]), (&json!(0), &json!("begun\n")));
    assert!(begin.elapsed() < Duration::from_secs(30), "it holds the output open: {:?}", begin.elapsed());
    let begin = Instant::now();
    let ran = run(&daemon, &cuid, json!({"cmd": "(while :; do echo x; done) & echo begun; exit 3"})).await;
    assert_eq!(ran["exit_code"], 3);
    assert!(begin.elapsed() < Duration::from_secs(12), "it prints for ever: {:?}", begin.elapsed());
    assert!(runs(&cuid, "sleep 7201").await);
    let daemon = daemon.restart().await;
    assert!(runs(&cuid, "sleep 7201").await, "also over a restart of the daemon");
    assert_eq!(run(&daemon, &cuid, json!({"cmd": "echo again"})).await["stdout"], "again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_refuses() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let path = format!("/containers/{cuid}/exec");
    let refused = async |status: &str| {
        let answer = api.post_json(&path, &json!({"cmd": "true"})).await;
        let error = answer.refused("state_error", "CONTAINER_NOT_RUNNING");
        assert_eq!(error["details"]["status"], status, "{error}");
    };
    refused("created").await;
    api.act(&cuid, "start").await;
    api.act(&cuid, "pause").await;
    refused("paused").await;
    api.act(&cuid, "unpause").await;
    api.act(&cuid, "stop").await;
    refused("exited").await;
    engine(&["rm", &cuid]).await;
    eventually("it is missing", 15.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
        .await;
    refused("missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ends_in_the_middle_is_answered_at_once() {
    let api = shared().await;
    for how in ["stop", "rm", "delete"] {
        let cuid = api.running(json!({})).await;
        let ending = async {
            eventually("it runs", 10.0, || async { runs(&cuid, "sleep 7301").await.then_some(()) }).await;
            match how {
                "stop" => drop(api.act(&cuid, "stop").await),
                "rm" => drop(engine(&["rm", "-f", &cuid]).await),
                _ => drop(api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200)),
            }
            Instant::now()
        };
        let path = format!("/containers/{cuid}/exec");
        let body = json!({"cmd": ["sleep", "7301"]});
        let running = async { (api.post_json(&path, &body).await, Instant::now()) };
        let ((answer, answered), ended) = tokio::join!(running, ending);
        assert_eq!(answer.expect(200)["exit_code"], 137, "{how}");
        let late = answered.saturating_duration_since(ended);
        assert!(late < Duration::from_secs(15), "{how}: {late:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_up_no_change_and_many_run_side_by_side() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let begin = Instant::now();
    let path = format!("/containers/{cuid}/exec");
    let body = json!({"cmd": "sleep 9.5; echo $$"});
    let many = futures_util::future::join_all((0..8).map(|_| api.post_json(&path, &body)));
    let pausing = async {
        eventually("all of them run", 20.0, || async {
            let list = engine(&["top", &cuid, "-o", "pid,args"]).await;
            (list.lines().filter(|line| line.ends_with(" sleep 9.5")).count() == 8).then_some(())
        })
        .await;
        let begin = Instant::now();
        api.act(&cuid, "pause").await;
        api.act(&cuid, "unpause").await;
        begin.elapsed()
    };
    let (answers, change) = tokio::join!(many, pausing);
    for answer in answers {
        assert_eq!(answer.expect(200)["exit_code"], 0);
    }
    assert!(begin.elapsed() < Duration::from_secs(45), "one after the other: {:?}", begin.elapsed());
    assert!(change < Duration::from_secs(8), "{change:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_a_time_are_refused() {
    let builder = Daemon::builder().env("APP_MAX_TERMINALS_PER_CONTAINER", "1");
    let daemon = builder.start().await;
    let cuid = daemon.running(json!({})).await;
    let path = format!("/containers/{cuid}/exec");
    let second = async {
        eventually("the first runs", 10.0, || async { runs(&cuid, "sleep 7").await.then_some(()) }).await;
        let answer = daemon.post_json(&path, &json!({"cmd": "true"})).await;
        answer.refused("rate_limited", "TOO_MANY_TERMINALS");
        assert!(answer.header("retry-after").is_some());
    };
    let body = json!({"cmd": ["sleep", "7"]});
    tokio::join!(daemon.post_json(&path, &body), second);
    assert_eq!(run(&daemon, &cuid, json!({"cmd": "true"})).await["exit_code"], 0, "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_away_ends_them_and_says_so() {
    let mut daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let path = format!("/containers/{cuid}/exec");
    let body = json!({"cmd": ["sleep", "7401"]});
    let api = Api::new(
        &daemon.base,
        Some((crate::support::daemon::USER, crate::support::daemon::PASS)),
        &daemon.data(),
    );
    let waiting = tokio::spawn(async move { api.post_json(&path, &body).await });
    eventually("it runs", 10.0, || async { runs(&cuid, "sleep 7401").await.then_some(()) }).await;
    assert_eq!(daemon.terminate().await, Some(0));
    waiting.await.unwrap().refused("service_unavailable", "SHUTTING_DOWN");
    assert!(!runs(&cuid, "sleep 7401").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_has_the_exit_code_and_nothing_that_may_be_secret() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let secret = unique("secret");
    let body =
        json!({"cmd": ["sh", "-c", format!("echo {secret}; exit 9")], "env": {"S": secret}, "stdin": secret});
    run(&daemon, &cuid, body).await;
    let line = daemon.audit().into_iter().find(|line| line["action"] == "exec.run").unwrap();
    assert_eq!((&line["exit_code"], &line["cuid"], &line["status"]), (&json!(9), &json!(cuid), &json!(200)));
    assert!(!daemon.audit().iter().any(|line| line.to_string().contains(&secret)), "{line}");
    assert!(!daemon.output().contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_end_it() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let body = json!({"cmd": "sleep 2; touch /tmp/done"});
    let request = api.request("POST", &format!("/containers/{cuid}/exec")).json(&body);
    let left = request.timeout(Duration::from_millis(900)).send().await;
    assert!(left.is_err(), "the client did not wait");
    eventually("it ran to its end", 10.0, || async {
        let ran = run(&api, &cuid, json!({"cmd": ["ls", "/tmp/done"]})).await;
        (ran["exit_code"] == 0).then_some(())
    })
    .await;
}
