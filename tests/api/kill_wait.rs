//! Kill and wait: a signal to a container, and the end of one.

use crate::support::engine::{docker as engine, inspect, is_podman, logs};
use crate::support::*;

async fn kill(api: &Api, cuid: &str, query: &str) -> Value {
    api.post(&format!("/containers/{cuid}/kill{query}")).await.expect(200)
}

/// How many sockets a process has open.
fn sockets(pid: u32) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    fds.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_ends_a_container_and_the_answer_says_so() {
    let api = shared().await;
    let cuid = api.running(json!({"command": STUBBORN})).await;
    let killed = kill(&api, &cuid, "").await;
    assert_eq!((&killed["status"], &killed["exit_code"]), (&json!("exited"), &json!(137)));
    api.act(&cuid, "start").await;
    api.act(&cuid, "pause").await;
    assert_eq!(kill(&api, &cuid, "?signal=9").await["status"], "exited", "a frozen one as well");
    let always = api.running(json!({"command": STUBBORN, "restart": "always"})).await;
    assert_eq!(
        kill(&api, &always, "").await["status"],
        "exited",
        "its restart policy does not start it again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_signal_reaches_the_main_process() {
    let api = shared().await;
    let script =
        "trap 'echo got usr1' USR1; trap 'echo got rt' 37; trap 'echo got term; exit 5' TERM; echo ready
        while :; do sleep 0.1; done";
    let cuid = api.running(json!({"command": script})).await;
    let says = |text: &'static str| {
        let cuid = &cuid;
        eventually(text, 10.0, move || async move { logs(cuid).await.contains(text).then_some(()) })
    };
    says("ready").await;
    assert_eq!(kill(&api, &cuid, "?signal=SIGUSR1").await["status"], "running");
    says("got usr1").await;
    for spelt in ["RTMIN%2B3", "sigrtmin+3"] {
        kill(&api, &cuid, &format!("?signal={spelt}")).await;
    }
    says("got rt").await;
    let path = format!("/containers/{cuid}/kill");
    api.post_json(&path, &json!({"signal": 15})).await.expect(200);
    says("got term").await;
    eventually("it has ended", 5.0, || async { (api.status(&cuid).await == "exited").then_some(()) }).await;
    assert_eq!(api.container(&cuid).await["exit_code"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_signal_or_not_up_is_refused() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let path = format!("/containers/{cuid}/kill");
    for signal in ["NOPE", "0", "65", "33", "-9", ""] {
        let error = api.post(&format!("{path}?signal={signal}")).await;
        assert_eq!(error.refused("validation_error", "UNKNOWN_SIGNAL")["details"]["provided"], signal);
    }
    let error = api.post(&path).await.refused("state_error", "INVALID_STATE");
    assert_eq!(
        (&error["details"]["status"], &error["details"]["action"]),
        (&json!("created"), &json!("kill"))
    );
    assert!(error["details"]["allowed"].as_array().unwrap().contains(&json!("start")), "{error}");
    api.post("/containers/nobody/kill").await.refused("not_found", "CONTAINER_NOT_FOUND");
    api.post(&format!("{path}?name=KILL")).await.refused("validation_error", "INVALID_QUERY");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_may_come_as_a_json_object_and_not_twice() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/kill");
    let twice = api.post_json(&format!("{path}?signal=USR1"), &json!({"signal": "TERM"})).await;
    assert_eq!(twice.refused("validation_error", "INVALID_QUERY")["details"]["field"], "signal");
    api.post_json(&path, &json!({"sgnal": "TERM"})).await.refused("validation_error", "INVALID_QUERY");
    api.post_json(&path, &json!({"signal": {}})).await.refused("validation_error", "INVALID_QUERY");
    api.post_json(&path, &json!(["TERM"])).await.refused("validation_error", "INVALID_TYPE");
    let broken = api.request("POST", &path).header("content-type", "application/json").body("{");
    api.send(broken).await.refused("validation_error", "INVALID_JSON");
    assert_eq!(api.status(&cuid).await, "running");
    let empty = api.request("POST", &path).header("content-type", "application/json");
    assert_eq!(api.send(empty).await.expect(200)["status"], "exited", "a type without a body is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_with_no_time_answers_for_one_that_has_ended() {
    let api = shared().await;
    let cuid = api.create(&json!({"image": BUSYBOX, "command": "exit 4", "state": "running"})).await;
    eventually("it ends", 10.0, || async { (api.status(&cuid).await == "exited").then_some(()) }).await;
    let got = api.post(&format!("/containers/{cuid}/wait?timeout=0")).await.expect(200);
    assert_eq!(got["exit_code"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_answers_the_exit_code_at_the_end() {
    let api = shared().await;
    let cuid = api.idle(json!({"command": "sleep 1.5; exit 42"})).await;
    let path = format!("/containers/{cuid}/wait");
    assert_eq!(api.post(&path).await.expect(200), json!({"exit_code": 0}), "never started: as docker wait");
    api.act(&cuid, "start").await;
    let error = api.post(&format!("{path}?timeout=0")).await.refused("timeout", "WAIT_TIMED_OUT");
    assert_eq!(error["details"]["timeout_s"], 0);
    let body = json!({"timeout": 60});
    let (one, two) = tokio::join!(api.post(&path), api.post_json(&path, &body));
    assert_eq!((one.expect(200), two.expect(200)), (json!({"exit_code": 42}), json!({"exit_code": 42})));
    assert_eq!(api.post(&path).await.expect(200)["exit_code"], 42, "at once for one that has ended");
    for bad in ["-1", "86401", "1.5", "x"] {
        api.post(&format!("{path}?timeout={bad}")).await.refused("validation_error", "INVALID_QUERY");
    }
    api.post("/containers/nobody/wait").await.refused("not_found", "CONTAINER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_holds_up_no_change_and_outlives_a_recreation() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    let path = format!("/containers/{cuid}/wait");
    let changing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let first = inspect(&cuid).await["Id"].clone();
        api.patch(&format!("/containers/{cuid}"), &json!({"env": {"NEW": "1"}})).await.expect(200);
        assert_ne!(inspect(&cuid).await["Id"], first, "it was made anew");
        tokio::time::sleep(Duration::from_millis(700)).await;
        let killed = Instant::now();
        // By the engine: a command in it would be killed with it, now and then before it has ended.
        engine(&["kill", "--signal", "TERM", &cuid]).await;
        killed
    };
    let waiting = async { (api.post(&path).await, Instant::now()) };
    let ((answer, answered), killed) = tokio::join!(waiting, changing);
    assert_eq!(answer.expect(200)["exit_code"], 0);
    assert!(answered > killed, "the new one was waited for, not the old");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_ends_by_stop_restart_delete_and_removal() {
    let api = shared().await;
    // Docker kills what it is to remove; Podman gives it the time that it has of its own, and ends it by TERM.
    let removed = if is_podman().await { 0 } else { 137 };
    for (how, status, code) in
        [("stop", 200, 0), ("restart", 200, 0), ("rm", 200, removed), ("delete", 404, 0)]
    {
        let cuid = api.running(json!({})).await;
        let path = format!("/containers/{cuid}/wait?timeout=60");
        let ending = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            match how {
                "rm" => drop(engine(&["rm", "-f", &cuid]).await),
                "delete" => drop(api.delete(&format!("/containers/{cuid}?force=true")).await.expect(200)),
                action => drop(api.act(&cuid, action).await),
            }
        };
        let (answer, ()) = tokio::join!(api.post(&path), ending);
        let answer = answer.expect(status);
        if status == 200 {
            assert_eq!(answer["exit_code"], code, "{how}");
        }
    }
    let cuid = api.idle(json!({})).await;
    engine(&["rm", &cuid]).await;
    eventually("it is missing", 15.0, || async { (api.status(&cuid).await == "missing").then_some(()) })
        .await;
    let error = api.post(&format!("/containers/{cuid}/wait")).await.refused("state_error", "INVALID_STATE");
    assert_eq!(error["details"]["status"], "missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_wait_frees_the_engine_s_connection() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = sockets(daemon.pid());
    let api =
        Api::new(&daemon.base, daemon.login.as_ref().map(|(u, p)| (u.as_str(), p.as_str())), &daemon.data());
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let request = api.request("POST", &format!("/containers/{cuid}/wait"));
            tokio::spawn(async move { request.send().await.map(drop) })
        })
        .collect();
    // Each has the client's socket (twice, to see it leave) and the engine's.
    eventually("all of them wait", 10.0, || async { (sockets(daemon.pid()) >= before + 10).then_some(()) })
        .await;
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    drop(api);
    eventually("all is free again", 15.0, || async { (sockets(daemon.pid()) <= before).then_some(()) }).await;
    assert_eq!(daemon.status(&cuid).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_away_ends_a_wait_and_so_does_an_engine() {
    let proxy = Proxy::start();
    let mut daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    let cuid = daemon.running(json!({})).await;
    let path = format!("/containers/{cuid}/wait");
    for how in ["hung", "stopped"] {
        let failing = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if how == "hung" { proxy.hang() } else { proxy.stop() }
        };
        let (answer, ()) = tokio::join!(within("an answer", 10.0, daemon.post(&path)), failing);
        answer.refused("engine_unavailable", "ENGINE_UNAVAILABLE");
        proxy.resume();
        eventually("the engine is back", 10.0, || async {
            (daemon.get("/healthz").await.status == 200).then_some(())
        })
        .await;
    }
    let api =
        Api::new(&daemon.base, daemon.login.as_ref().map(|(u, p)| (u.as_str(), p.as_str())), &daemon.data());
    let waiting = tokio::spawn(async move { api.post(&path).await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(daemon.terminate().await, Some(0));
    waiting.await.unwrap().refused("service_unavailable", "SHUTTING_DOWN");
}
