//! An engine of its own that is killed, stopped, comes back under load, or has no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::support::engine::env_of;
use crate::support::*;

/// How long one command of Compose may take here, in seconds.
const LIMIT: &str = "6";

async fn over(engine: &PrivateEngine) -> Daemon {
    let builder = Daemon::builder().engine(&engine.host()).env("APP_CHANGE_TIMEOUT", LIMIT);
    let daemon = builder.start().await;
    is_well(&daemon, 10.0).await;
    daemon
}

async fn is_well(daemon: &Daemon, seconds: f64) {
    eventually("it is well", seconds, || async {
        (daemon.get("/healthz").await.status == 200).then_some(())
    })
    .await;
}

async fn is_degraded(daemon: &Daemon, seconds: f64) -> Value {
    eventually("it says that it is degraded", seconds, || async {
        let answer = within("health answers", 10.0, daemon.get("/healthz")).await;
        (answer.status == 503).then(|| answer.json())
    })
    .await
}

/// What is told of a container is what its engine says.
async fn is_told_as_it_is(engine: &PrivateEngine, daemon: &Daemon, cuid: &str, seconds: f64) {
    eventually("what is told is true", seconds, || async {
        let told = daemon.container(cuid).await;
        let (there, text) = engine.try_docker(&["container", "inspect", cuid]).await;
        if !there {
            return (told["status"] == "missing").then_some(());
        }
        let real = serde_json::from_str::<Value>(&text).unwrap()[0].clone();
        let same_env = told["env"]["N"].as_str() == env_of(&real, "N").as_deref();
        (told["status"] == real["State"]["Status"] && same_env).then_some(())
    })
    .await;
}

/// Clients that change, read and run commands until they are told to stop; each answer within its limit.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    clients: tokio::task::JoinSet<()>,
}

impl Load {
    fn on(daemon: &Daemon, cuids: &[String]) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = tokio::task::JoinSet::new();
        for (index, cuid) in cuids.iter().enumerate() {
            for kind in 0..3 {
                let (api, cuid) = ((**daemon).clone(), cuid.clone());
                let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
                clients.spawn(async move {
                    for round in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let limit = if kind == 0 { 2.0 } else { 60.0 };
                        let sent = one(&api, &cuid, kind, index + round);
                        let answer = within("each answer comes within its limit", limit, sent).await;
                        let allowed = [200, 404, 408, 409, 422, 500, 503];
                        assert!(allowed.contains(&answer.status), "{}: {}", answer.asked, answer.text());
                        answers.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                });
            }
        }
        Self { stop, answers, clients }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        // A client that panicked fails the test here.
        within("the clients end", 90.0, self.clients.join_all()).await;
        self.answers.load(Ordering::Relaxed)
    }
}

async fn one(api: &Api, cuid: &str, kind: usize, round: usize) -> Answer {
    let path = format!("/containers/{cuid}");
    match (kind, round % 3) {
        (0, 0) => api.get("/containers").await,
        (0, _) => api.get(&path).await,
        (1, 0) => api.post(&format!("{path}/restart?timeout=0")).await,
        (1, 1) => api.post(&format!("{path}/start")).await,
        (1, _) => api.patch(&path, &json!({"env": {"N": round.to_string()}})).await,
        _ => api.post_json(&format!("{path}/exec"), &json!({"cmd": ["sleep", "0.2"], "timeout": 5})).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_under_load_is_seen_and_its_return_too() {
    let engine = PrivateEngine::start().await;
    let daemon = over(&engine).await;
    let cuids = [
        daemon.running(json!({"env": {"N": "a"}})).await,
        daemon.running(json!({"env": {"N": "b"}})).await,
        daemon.running(json!({"env": {"N": "c"}, "restart": "always"})).await,
    ];
    for _ in 0..rounds(1).min(50) {
        let load = Load::on(&daemon, &cuids);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        engine.kill_9().await;
        is_degraded(&daemon, 2.0).await;
        for cuid in &cuids {
            within("reads go on", 10.0, daemon.get(&format!("/containers/{cuid}"))).await.expect(200);
        }
        engine.launch().await;
        is_well(&daemon, 5.0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(load.end().await > 20, "the clients were answered");
        for cuid in &cuids {
            is_told_as_it_is(&engine, &daemon, cuid, 25.0).await;
            let started = within("no turn is stuck", 60.0, daemon.act(cuid, "start")).await;
            assert_eq!(started["status"], "running");
            daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"N": "end"}})).await.expect(200);
            is_told_as_it_is(&engine, &daemon, cuid, 2.0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_stopped_holds_no_call_and_goes_on() {
    let engine = PrivateEngine::start().await;
    let daemon = over(&engine).await;
    let cuid = daemon.running(json!({"env": {"N": "a"}})).await;
    PrivateEngine::signal(engine.dockerd(), Signal::STOP);
    let path = format!("/containers/{cuid}/restart?timeout=0");
    let change = daemon.post(&path);
    let (answer, _) = tokio::join!(within("a change ends", 30.0, change), is_degraded(&daemon, 5.0));
    assert!([408, 503].contains(&answer.status), "{}", answer.text());
    within("reads go on", 10.0, daemon.get(&format!("/containers/{cuid}"))).await.expect(200);
    PrivateEngine::signal(engine.dockerd(), Signal::CONT);
    eventually("the engine is found again", 5.0, || async {
        let health = daemon.get("/healthz").await.json();
        (!health["problems"].to_string().contains("engine")).then_some(())
    })
    .await;
    is_told_as_it_is(&engine, &daemon, &cuid, 5.0).await;
    assert_eq!(daemon.act(&cuid, "restart").await["status"], "running");
    is_well(&daemon, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containerd_that_is_stopped_is_seen_by_the_change_that_does_not_end() {
    let engine = PrivateEngine::start().await;
    let daemon = over(&engine).await;
    let cuid = daemon.idle(json!({"env": {"N": "a"}})).await;
    PrivateEngine::signal(engine.containerd(), Signal::STOP);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    daemon.get("/healthz").await.expect(200);
    let path = format!("/containers/{cuid}/start");
    let answer = within("a change ends", 30.0, daemon.post(&path)).await;
    answer.refused("timeout", "CHANGE_TIMED_OUT");
    let health = is_degraded(&daemon, 1.0).await;
    assert!(health["problems"].to_string().contains("did not end in time"), "{health}");
    PrivateEngine::signal(engine.containerd(), Signal::CONT);
    let started = within("no turn is stuck", 30.0, daemon.act(&cuid, "start")).await;
    assert_eq!(started["status"], "running");
    is_well(&daemon, 1.0).await;
    is_told_as_it_is(&engine, &daemon, &cuid, 5.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_disk_is_full_is_told_and_nothing_half_made_is_left() {
    let engine = PrivateEngine::on_a_disk_of("48m").await;
    let daemon = over(&engine).await;
    let cuid = daemon.running(json!({"env": {"N": "a"}})).await;
    engine.fill();
    let body = json!({"image": BUSYBOX, "command": IDLE, "state": "running"});
    daemon.post_json("/containers", &body).await.refused("insufficient_storage", "NO_SPACE");
    assert_eq!(daemon.get("/containers").await.expect(200)["total"], 1);
    let change = daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"N": "b"}})).await;
    change.refused("insufficient_storage", "NO_SPACE");
    assert_eq!(daemon.container(&cuid).await["env"]["N"], "a");
    engine.make_room();
    is_told_as_it_is(&engine, &daemon, &cuid, 25.0).await;
    eventually("nothing half-made is left", 25.0, || async {
        (engine.docker(&["ps", "-aq"]).await.lines().count() == 1).then_some(())
    })
    .await;
    daemon.create(&body).await;
    daemon.patch(&format!("/containers/{cuid}"), &json!({"env": {"N": "b"}})).await.expect(200);
    assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
    is_told_as_it_is(&engine, &daemon, &cuid, 2.0).await;
}
