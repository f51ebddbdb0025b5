//! An engine that goes away or hangs.

use crate::support::*;

/// A way to the engine that can be cut or blocked without touching the engine.
struct Way {
    engine: EngineSocket,
    cut: CancellationToken,
    blocked: tokio::sync::watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Way {
    fn to_the_engine() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let (cut, (blocked, block)) = (CancellationToken::new(), tokio::sync::watch::channel(false));
        let token = cut.clone();
        tokio::spawn(async move {
            while let Some(Ok((near, _))) = token.run_until_cancelled(listener.accept()).await {
                let (token, block) = (token.clone(), block.clone());
                tokio::spawn(async move { token.run_until_cancelled(carry(near, block)).await });
            }
        });
        Self {
            engine: EngineSocket { path, timeout: Duration::from_secs(10), ..engine() },
            cut,
            blocked,
            _folder: folder,
        }
    }
}

async fn carry(near: tokio::net::UnixStream, mut block: tokio::sync::watch::Receiver<bool>) {
    let (mut near, mut far) = (near, tokio::net::UnixStream::connect(engine().path).await.unwrap());
    let mut watching = block.clone();
    while !*block.borrow_and_update() {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            _ = watching.wait_for(|blocked| *blocked) => {}
        }
    }
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_away_ends_the_session_with_an_error_and_its_processes() {
    for tty in [false, true] {
        let (container, way) = (Container::idle(), Way::to_the_engine());
        let shell = SessionOptions { tty, ..command(&container, &["sh"]) };
        let (mut client, mut seen) = (Client::open_at(way.engine.clone(), shell).await, Seen::default());
        client.type_in("sleep 601 & echo be''gun; sleep 602\n").await;
        client.until(&mut seen, "begun").await;
        way.cut.cancel();
        client.rest(&mut seen).await;
        assert_eq!((seen.errors[0]["code"].as_str(), seen.close), (Some("ENGINE_UNAVAILABLE"), Some(1011)));
        assert_eq!(client.task.await.unwrap().reason, "failed");
        assert_eq!(container.processes(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_keeps_no_process_of_a_client_that_goes() {
    let (container, way) = (Container::idle(), Way::to_the_engine());
    let client = Client::open_at(way.engine.clone(), script(&container, "sleep 603")).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    way.blocked.send(true).unwrap();
    let begun = Instant::now();
    client.to.send(ClientEvent::Closed).await.unwrap();
    assert_eq!(client.task.await.unwrap().reason, "lost");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(container.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_from_the_start_is_an_error_and_not_a_wait() {
    let (container, way) = (Container::idle(), Way::to_the_engine());
    way.blocked.send(true).unwrap();
    let (seen, _) = Client::open_at(way.engine.clone(), terminal(&container, &[])).await.through().await;
    assert_eq!((seen.errors[0]["code"].as_str(), seen.close), (Some("ENGINE_UNAVAILABLE"), Some(1011)));
}
