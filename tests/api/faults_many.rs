//! Many containers that are known at the start.

use crate::support::stream::resident;
use crate::support::*;

/// The seconds until a daemon that knows so many serves.
const READY_WITHIN: f64 = 10.0;

#[tokio::test(flavor = "multi_thread")]
async fn many_containers_known_at_the_start_are_all_right_and_soon() {
    let count = rounds(40).min(1000);
    let engine = PrivateEngine::start().await;
    let builder = Daemon::builder().engine(&engine.host());
    let daemon = builder.start().await;
    // One is made by the daemon; the others are its like, made quickly.
    let first = daemon.idle(json!({"tags": ["first"]})).await;
    let mut daemon = daemon;
    assert_eq!(daemon.terminate().await, Some(0));
    let text = daemon.compose_text(&first);
    let shown = engine.docker(&["container", "inspect", &first]).await;
    let shown = serde_json::from_str::<Value>(&shown).unwrap()[0].clone();
    let mut cuids = vec![first.clone()];
    for number in 1..count {
        let cuid = format!("c{}", uuid::Uuid::new_v4());
        let folder = daemon.data().join("compose").join(&cuid);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("compose.yaml"), text.replace(&first, &cuid)).unwrap();
        std::fs::create_dir(daemon.mount(&cuid)).unwrap();
        // Of each ten one is missing, and one file cannot be read.
        if number % 10 == 1 {
            std::fs::write(folder.join("compose.yaml"), "services: [").unwrap();
        }
        cuids.push(cuid);
    }
    let make = cuids.iter().enumerate().skip(1).filter(|(number, _)| number % 10 != 2);
    make_like(&engine, &shown, &first, make.map(|(_, cuid)| cuid.as_str())).await;

    let begin = Instant::now();
    let daemon = daemon.again().start_within(60.0).await;
    let ready = begin.elapsed();
    let states = within("all are read", READY_WITHIN, async {
        loop {
            let health = daemon.get("/healthz").await;
            let health = health.json();
            if health["status"] == "ok" {
                return health["containers"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let memory = resident(daemon.pid()) >> 20;
    eprintln!("{count} known: serves after {ready:?}, all read after {:?}, {memory} MiB", begin.elapsed());
    assert!(ready.as_secs_f64() < READY_WITHIN, "it serves after {ready:?}");
    assert!(memory < 200, "{memory} MiB");
    let missing = (1..count).filter(|number| number % 10 == 2).count();
    assert_eq!(states["missing"], missing, "{states}");
    assert_eq!(states["created"], count - missing, "{states}");
    let mut seen = std::collections::BTreeSet::new();
    let mut query = String::new();
    loop {
        let path = format!("/containers?limit=300{query}");
        let page = within("a page", 10.0, daemon.get(&path)).await.expect(200);
        assert_eq!(page["total"], count);
        for container in page["containers"].as_array().unwrap() {
            let cuid = container["cuid"].as_str().unwrap();
            let number = cuids.iter().position(|known| known == cuid).unwrap();
            let is_unreadable = number % 10 == 1;
            assert_eq!(container["error"].is_string(), is_unreadable, "what is wrong is told: {container}");
            assert!(seen.insert(cuid.to_owned()), "once");
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), count);
    for number in [0, 2, count - 1].into_iter().filter(|number| number % 10 != 1) {
        assert_eq!(daemon.act(&cuids[number], "start").await["status"], "running");
    }
}

/// Makes containers in the engine as Compose made this one.
async fn make_like(engine: &PrivateEngine, shown: &Value, first: &str, cuids: impl Iterator<Item = &str>) {
    let socket = engine.host().strip_prefix("unix://").unwrap().to_owned();
    let mut body = shown["Config"].clone();
    body["HostConfig"] = shown["HostConfig"].clone();
    let text = body.to_string();
    let name = shown["Name"].as_str().unwrap();
    let mut made = tokio::task::JoinSet::new();
    for cuid in cuids {
        let name = name.trim_start_matches('/').replace(first, cuid);
        let (socket, body) = (socket.clone(), text.replace(first, cuid));
        made.spawn(async move {
            let path = format!("/containers/create?name={name}");
            let answer = ask(&socket, &path, &body).await;
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        });
        if made.len() >= 8 {
            made.join_next().await.unwrap().unwrap();
        }
    }
    made.join_all().await;
}

async fn ask(socket: &str, path: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: engine\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
