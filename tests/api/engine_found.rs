//! Which engine the daemon works with when nobody names one.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_docker_host_the_engine_of_this_host_is_found() {
    // script/test-podman leaves Podman's socket as the only one; elsewhere Docker's is there.
    let daemon = Daemon::builder().without("DOCKER_HOST").start().await;
    let health = daemon.get("/healthz").await.expect(200);
    assert_eq!(health["engine_version"], docker(&["version", "--format", "{{.Server.Version}}"]).await);
    let cuid = daemon.running(json!({})).await;
    docker(&["container", "inspect", &cuid]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_host_wins_over_every_socket_that_is_there() {
    let nobody = tempfile::tempdir().unwrap();
    let host = format!("unix://{}/none.sock", nobody.path().display());
    let daemon = Daemon::builder().env("DOCKER_HOST", &host).start().await;
    assert_eq!(daemon.get("/healthz").await.expect(503)["status"], "degraded");
}

/// Of the sockets that are not the host's own, this one the tests can put in its place: it comes after Docker's,
/// which is hidden from the daemon, and before Podman's.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_this_user_is_found() {
    let runtime = tempfile::tempdir().unwrap();
    let proxy = Proxy::start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let socket = proxy.docker_host().replace("unix://", "");
    std::os::unix::fs::symlink(socket, runtime.path().join("docker.sock")).unwrap();
    let folder = runtime.path().to_str().unwrap();
    let daemon = Daemon::builder().without("DOCKER_HOST").env("XDG_RUNTIME_DIR", folder);
    let daemon = daemon.hiding("/var/run/docker.sock").start().await;
    daemon.get("/healthz").await.expect(200);
    proxy.stop();
    eventually("its engine is the one that stopped", 5.0, || async {
        (daemon.get("/healthz").await.status == 503).then_some(())
    })
    .await;
}
