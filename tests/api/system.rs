//! `/ping`, `/version`, `/info`, as podman's service has them.

use crate::support::engine::docker as engine;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn ping_answers_whatever_the_engine_does_and_the_rest_says_what_is_known() {
    let proxy = Proxy::start();
    let daemon = Daemon::builder().engine(&proxy.docker_host()).start().await;
    assert_eq!(daemon.get("/ping").await.expect(200), json!({"message": "OK"}));
    assert!(daemon.get("/version").await.expect(200)["engine"].is_object());
    for how in ["hung", "stopped"] {
        if how == "hung" {
            proxy.hang();
        } else {
            proxy.stop();
        }
        eventually("the engine is away", 10.0, || async {
            (daemon.get("/healthz").await.status == 503).then_some(())
        })
        .await;
        assert_eq!(daemon.get("/ping").await.expect(200), json!({"message": "OK"}));
        let version = within("the version", 5.0, daemon.get("/version")).await.expect(200);
        assert_eq!((&version["engine"], &version["go_version"]), (&Value::Null, &Value::Null));
        assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
        assert!(version["compose"]["version"].is_string());
        daemon.get("/info").await.refused("engine_unavailable", "ENGINE_UNAVAILABLE");
        proxy.resume();
        eventually("it is back", 10.0, || async {
            (daemon.get("/healthz").await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_tells_the_daemon_the_engine_and_compose_apart() {
    let api = shared().await;
    let got = api.get("/version").await.expect(200);
    let told: Value =
        serde_json::from_str(&engine(&["version", "--format", "{{json .Server}}"]).await).unwrap();
    let own = &got["engine"];
    assert_eq!(own["name"], "docker");
    for (ours, theirs) in [
        ("version", "Version"),
        ("api_version", "ApiVersion"),
        ("go_version", "GoVersion"),
        ("git_commit", "GitCommit"),
    ] {
        assert_eq!(own[ours], told[theirs], "{ours}");
    }
    assert!(own["built"].as_i64().is_some_and(|built| built > 1_400_000_000), "{got}");
    let arch = told["Arch"].as_str().unwrap();
    assert_eq!(
        (&own["os_arch"], &got["os_arch"]),
        (&json!(format!("linux/{arch}")), &json!(format!("linux/{arch}")))
    );
    assert_eq!(
        (&got["go_version"], &got["version"]),
        (&told["GoVersion"], &json!(env!("CARGO_PKG_VERSION")))
    );
    let health = api.get("/healthz").await.expect(200);
    assert_eq!(got["compose"]["version"], health["compose_version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn info_tells_host_engine_store_and_registries() {
    let api = shared().await;
    let got = api.get("/info").await.expect(200);
    let told: Value = serde_json::from_str(&engine(&["info", "--format", "{{json .}}"]).await).unwrap();
    let (host, store) = (&got["host"], &got["store"]);
    for (ours, theirs) in [
        ("arch", "Architecture"),
        ("cpus", "NCPU"),
        ("hostname", "Name"),
        ("kernel", "KernelVersion"),
        ("os", "OSType"),
    ] {
        assert_eq!(host[ours], told[theirs], "{ours}");
    }
    assert_eq!(host["mem_total"], told["MemTotal"]);
    assert!(host["mem_free"].as_u64() <= host["mem_total"].as_u64() && host["mem_free"].as_u64() > Some(0));
    assert!(host["swap_free"].as_u64() <= host["swap_total"].as_u64());
    let pattern = regex::Regex::new(r"^\d+h \d+m \d+s$").unwrap();
    assert!(
        pattern.is_match(host["uptime"].as_str().unwrap()) && host["uptime_s"].as_u64() > Some(0),
        "{host}"
    );
    assert_eq!(
        (&store["graph_driver_name"], &store["graph_root"]),
        (&told["Driver"], &told["DockerRootDir"])
    );
    let backing =
        told["DriverStatus"].as_array().unwrap().iter().find(|pair| pair[0] == "Backing Filesystem");
    assert_eq!(store["graph_status"]["backing_filesystem"], backing.unwrap()[1]);
    assert!(store["containers"].is_u64() && store["images"].as_u64() > Some(0));
    let engine = &got["engine"];
    assert_eq!((&engine["name"], &engine["rootless"]), (&json!("docker"), &json!(false)));
    assert_eq!(engine["version"], told["ServerVersion"]);
    assert_eq!(
        (&got["registries"], &got["insecure_registries"]),
        (&json!(["docker.io"]), &json!(["127.0.0.0/8"]))
    );
    for path in ["/ping", "/version", "/info"] {
        api.get(&format!("{path}?x=1")).await.refused("validation_error", "INVALID_QUERY");
        api.with_login(None).get(path).await.refused("auth_error", "UNAUTHORIZED");
    }
}
