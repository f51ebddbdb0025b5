//! One change at a time for each container, and many containers side by side.

use futures_util::future::{join, join_all};
use tokio::io::AsyncWriteExt;

use crate::support::engine::{env_of, inspect, try_docker};
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn forty_changes_at_once_to_one_container_all_happen() {
    let api = shared().await;
    let cuid = api.running(json!({})).await;
    for first in (0..rounds(40)).step_by(40) {
        let changes = (first..first + 40).map(|i| {
            let (api, cuid) = (&api, &cuid);
            async move {
                let base = format!("/containers/{cuid}");
                match i % 4 {
                    0 => api.patch(&base, &json!({"env": {format!("N{}", i % 40): i.to_string()}})).await,
                    1 => api.post(&format!("{base}/restart")).await,
                    2 => api.post(&format!("{base}/stop")).await,
                    _ => api.post(&format!("{base}/start")).await,
                }
            }
        });
        for answer in join_all(changes).await {
            answer.expect(200);
        }
        let got = api.act(&cuid, "start").await;
        assert_eq!(got["status"], "running");
        let engine = inspect(&cuid).await;
        for i in (first..first + 40).step_by(4) {
            let name = format!("N{}", i % 40);
            assert_eq!(got["env"][&name], i.to_string(), "no change was lost");
            assert_eq!(env_of(&engine, &name), Some(i.to_string()));
        }
        assert_eq!(engine["NetworkSettings"]["Networks"].as_object().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_happen_in_the_order_they_came() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    compose.slow(1.0);
    let path = format!("/containers/{cuid}");
    let changes = (0..6).map(|i| {
        let (daemon, path) = (&daemon, &path);
        async move {
            tokio::time::sleep(Duration::from_millis(150 * i)).await;
            daemon.patch(path, &json!({"env": {"LAST": i.to_string()}})).await.expect(200)
        }
    });
    for (i, answer) in join_all(changes).await.iter().enumerate() {
        assert_eq!(answer["env"]["LAST"], i.to_string(), "each answer shows its own change");
    }
    assert_eq!(daemon.container(&cuid).await["env"]["LAST"], "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn different_containers_do_not_wait_for_one_another() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let (a, b) = (daemon.idle(json!({})).await, daemon.idle(json!({})).await);
    compose.hold();
    let both_are_in_it = async {
        eventually("both are in Compose", 20.0, || async { (compose.alive().len() == 2).then_some(()) })
            .await;
        compose.well();
    };
    let (a, b, ()) = tokio::join!(daemon.act(&a, "start"), daemon.act(&b, "start"), both_are_in_it);
    assert_eq!((&a["status"], &b["status"]), (&json!("running"), &json!("running")));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_do_not_wait_for_a_change() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    compose.hold();
    let change = daemon.act(&cuid, "start");
    let reads = async {
        compose.is_in_it().await;
        for path in [
            format!("/containers/{cuid}"),
            format!("/containers/{cuid}/status"),
            "/containers".into(),
            "/healthz".into(),
        ] {
            within(&path, 15.0, daemon.get(&path)).await.expect(200);
        }
        compose.well();
    };
    join(change, reads).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_its_connection_stops_no_change() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    for _ in 0..rounds(1) {
        compose.slow(1.0);
        let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        let login = daemon.authorization().unwrap();
        let text = format!(
            "POST /containers/{cuid}/start HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\ncontent-length: 0\r\n\r\n"
        );
        socket.write_all(text.as_bytes()).await.unwrap();
        compose.is_in_it().await;
        let lines = daemon.audit().len();
        socket.set_zero_linger().unwrap();
        drop(socket);
        eventually("it runs all the same", 10.0, || async {
            (daemon.status(&cuid).await == "running").then_some(())
        })
        .await;
        let is_line = |l: &Value| l["cuid"] == *cuid && l["action"] == "container.start";
        eventually("the change is in the audit log", 5.0, || async {
            daemon.audit().into_iter().skip(lines).find(is_line)
        })
        .await;
        compose.well();
        daemon.act(&cuid, "stop").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_its_connection_stops_no_create() {
    let compose = Compose::new();
    let daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    compose.slow(1.0);
    let body = json!({"image": BUSYBOX, "command": IDLE, "name": "reset", "state": "running"}).to_string();
    let text = format!(
        "POST /containers HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        daemon.authorization().unwrap(),
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    compose.is_in_it().await;
    socket.set_zero_linger().unwrap();
    drop(socket);
    eventually("it is made and runs all the same", 20.0, || async {
        let found = daemon.get("/containers/reset").await;
        (found.status == 200 && found.json()["status"] == "running").then_some(())
    })
    .await;
    eventually("the create is in the audit log", 5.0, || async {
        daemon.audit().into_iter().find(|l| l["action"] == "container.create" && l["status"] == 201)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_five_containers_run_side_by_side() {
    let daemon = Daemon::start().await;
    let body = json!({"image": BUSYBOX, "command": IDLE, "state": "running"});
    let answers = join_all((0..45).map(|_| daemon.post_json("/containers", &body))).await;
    for answer in &answers {
        assert_eq!(answer.expect(201)["status"], "running");
    }
    let list = daemon.get("/containers?status=running").await.expect(200);
    assert_eq!(list["total"], 45);
    assert_eq!(daemon.get("/healthz").await.expect(200)["containers"]["running"], 45);
    let networks = docker(&["network", "ls", "--format", "{{.Name}}"]).await;
    assert!(
        !answers.iter().any(|a| networks.contains(a.json()["cuid"].as_str().unwrap())),
        "no network for each: {networks}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_cannot_reach_one_another() {
    let api = shared().await;
    let server = api.running(json!({"command": "trap 'exit 0' TERM; echo hi > /tmp/index.html; httpd -f -p 8000 -h /tmp & wait"})).await;
    let client = api.running(json!({})).await;
    let networks = inspect(&server).await["NetworkSettings"]["Networks"].clone();
    let address =
        networks.as_object().unwrap().values().next().unwrap()["IPAddress"].as_str().unwrap().to_owned();
    let own = eventually("the server serves itself", 10.0, || async {
        fetch(&server, &address).await.contains("hi").then_some(true)
    });
    assert!(own.await);
    let said = fetch(&client, &address).await;
    assert!(!said.contains("hi"), "one container reached another: {said}");
    let said = fetch(&client, &server).await;
    assert!(!said.contains("hi"), "one container reached another by its name: {said}");
}

/// What a container gets from the web server at an address, within two seconds.
async fn fetch(from: &str, host: &str) -> String {
    let get = format!("printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {host} 8000");
    try_docker(&["exec", from, "/bin/sh", "-c", &get]).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_stop_does_not_hold_up_another_container_even_with_one_turn() {
    let daemon = Daemon::builder().env("APP_PARALLEL_CHANGES", "1").start().await;
    let (slow, other) = (daemon.running(json!({"command": STUBBORN})).await, daemon.running(json!({})).await);
    let stop = async {
        let begin = Instant::now();
        daemon.post(&format!("/containers/{slow}/stop?timeout=8")).await.expect(200);
        assert!(begin.elapsed() > Duration::from_secs(6), "the stop was slow: {:?}", begin.elapsed());
    };
    let pause = async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        within("the pause of another", 4.0, daemon.act(&other, "pause")).await;
    };
    join(stop, pause).await;
    assert_eq!(daemon.status(&other).await, "paused");
    daemon.act(&other, "unpause").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_does_not_get_its_turn_in_time_ends_as_408() {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin());
    let daemon = builder.env("APP_PARALLEL_CHANGES", "1").env("APP_CHANGE_TIMEOUT", "8").start().await;
    let mut cuids = Vec::new();
    for _ in 0..5 {
        cuids.push(daemon.idle(json!({})).await);
    }
    compose.hang();
    let begin = Instant::now();
    let paths: Vec<String> = cuids.iter().map(|cuid| format!("/containers/{cuid}/start")).collect();
    let answers = join_all(paths.iter().map(|path| daemon.post(path))).await;
    let took = begin.elapsed();
    compose.well();
    for answer in answers {
        answer.refused("timeout", "");
    }
    assert!(took < Duration::from_secs(30), "a limit of 8 s, and the last waited {took:?}");
    assert_eq!(daemon.act(&cuids[4], "start").await["status"], "running");
}
