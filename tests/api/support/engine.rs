//! The engine as its own CLI shows it.

use serde_json::{Value, json};

/// What `docker …` prints; it has to succeed.
pub async fn docker(args: &[&str]) -> String {
    let (ok, text) = try_docker(args).await;
    assert!(ok, "docker {args:?}: {text}");
    text
}

/// Whether `docker …` succeeds, and what it prints (on failure with its complaint).
pub async fn try_docker(args: &[&str]) -> (bool, String) {
    let out = tokio::process::Command::new("docker").args(args).output().await.unwrap();
    let mut text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    if !out.status.success() {
        text.push_str(&String::from_utf8_lossy(&out.stderr));
    }
    (out.status.success(), text)
}

/// `docker inspect` of a managed container, if it exists.
pub async fn try_inspect(cuid: &str) -> Option<Value> {
    let (ok, text) = try_docker(&["container", "inspect", cuid]).await;
    if !ok {
        return None;
    }
    let inspected = serde_json::from_str::<Value>(&text).unwrap()[0].clone();
    Some(if is_podman().await { in_dockers_words(inspected) } else { inspected })
}

/// What Podman tells in other words than Docker: it completes an image's name, shows its init as a part of the
/// command and a program without arguments as its own argument, writes `ALL` capabilities one by one and stop
/// signals as numbers, names what a tmpfs has by default, and leaves out `:true` and an init that is not wanted.
fn in_dockers_words(mut inspected: Value) -> Value {
    if inspected["Path"] == "/run/podman-init" {
        let words = inspected["Args"].as_array_mut().unwrap();
        let own = words.split_off(1);
        inspected["Path"] = own[0].clone();
        inspected["Args"] = own[1..].into();
    } else if inspected["Args"] == json!([inspected["Path"]]) {
        inspected["Args"] = json!([]);
    }
    let config = &mut inspected["Config"];
    let image = config["Image"].as_str().unwrap_or_default();
    let image = image.strip_prefix("localhost/").or_else(|| image.strip_prefix("docker.io/library/"));
    if let Some(image) = image.map(str::to_owned) {
        config["Image"] = image.into();
    }
    if let Some(name) = signal_name(&config["StopSignal"]) {
        config["StopSignal"] = name.into();
    }
    let host = &mut inspected["HostConfig"];
    if ["CHOWN", "SETUID", "KILL", "NET_BIND_SERVICE"]
        .iter()
        .all(|one| host["CapDrop"].to_string().contains(one))
    {
        host["CapDrop"] = json!(["ALL"]);
    }
    if host.get("Init").is_none() {
        host["Init"] = false.into();
    }
    if host["SecurityOpt"] == json!(["no-new-privileges"]) {
        host["SecurityOpt"] = json!(["no-new-privileges:true"]);
    }
    for options in host["Tmpfs"].as_object_mut().into_iter().flat_map(|tmpfs| tmpfs.values_mut()) {
        let defaults = ["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"];
        let own = options.as_str().unwrap().split(',').filter(|word| !defaults.contains(word));
        *options = own.collect::<Vec<_>>().join(",").into();
    }
    // What may not be written gets some that may.
    if host["ReadonlyRootfs"] == true
        && let Some(tmpfs) = host["Tmpfs"].as_object_mut()
    {
        let own = ["/run", "/tmp", "/var/tmp"];
        tmpfs.retain(|path, options| !own.contains(&path.as_str()) || options != "");
    }
    inspected
}

/// The name of a signal that Podman tells as a number in a string.
pub fn signal_name(number: &Value) -> Option<&'static str> {
    match number.as_str()? {
        "2" => Some("SIGINT"),
        "15" => Some("SIGTERM"),
        "37" => Some("SIGRTMIN+3"),
        _ => None,
    }
}

/// Whether the engine is Podman's service.
pub async fn is_podman() -> bool {
    static ASKED: tokio::sync::OnceCell<bool> = tokio::sync::OnceCell::const_new();
    let ask = || async {
        docker(&["version", "--format", "{{json .Server.Components}}"]).await.contains("Podman Engine")
    };
    *ASKED.get_or_init(ask).await
}

/// Makes an image of a container, with one instruction: its id. Docker's CLI sends no body with it, which Podman
/// does not take.
pub async fn commit(container: &str, change: &str, image: &str) -> String {
    let program = if is_podman().await { "podman" } else { "docker" };
    let args = ["commit", "--change", change, container, image];
    let out = tokio::process::Command::new(program).args(args).output().await.unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    let id = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    if id.contains(':') { id } else { format!("sha256:{id}") }
}

/// How large Podman lets a container's log become; its answer to `docker inspect` leaves that out.
pub async fn log_limit(cuid: &str) -> String {
    let args = ["container", "inspect", "--format", "{{.HostConfig.LogConfig.Size}}", cuid];
    let out = tokio::process::Command::new("podman").args(args).output().await.unwrap();
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// The network of a container that asked for none: the one that all share, or with Podman its own.
pub async fn default_network(cuid: &str) -> String {
    if is_podman().await { format!("{cuid}_default") } else { "wharfinger".to_owned() }
}

/// `docker inspect` of a managed container.
pub async fn inspect(cuid: &str) -> Value {
    try_inspect(cuid).await.unwrap_or_else(|| panic!("the engine has no container {cuid}"))
}

/// What `docker exec cuid sh -c script` prints.
pub async fn exec(cuid: &str, script: &str) -> String {
    docker(&["exec", cuid, "sh", "-c", script]).await
}

/// The container's own output so far, both streams.
pub async fn logs(cuid: &str) -> String {
    let out = tokio::process::Command::new("docker").args(["logs", cuid]).output().await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// One variable of the container's environment, as the engine has it.
pub fn env_of(inspected: &Value, name: &str) -> Option<String> {
    let start = format!("{name}=");
    let list = inspected["Config"]["Env"].as_array()?;
    list.iter().filter_map(Value::as_str).find_map(|pair| pair.strip_prefix(&start)).map(str::to_owned)
}

/// Removes every container that belongs to one of these cuids.
pub fn remove_all(cuids: &std::collections::BTreeSet<String>) {
    if cuids.is_empty() {
        return;
    }
    let format = "{{.ID}} {{.Label \"io.wharfinger.cuid\"}} {{.Names}}";
    let listed =
        std::process::Command::new("docker").args(["ps", "-a", "--no-trunc", "--format", format]).output();
    let Ok(listed) = listed else { return };
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mine = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words[1..].iter().any(|word| cuids.contains(*word)).then(|| words[0].to_owned())
    });
    let ids: Vec<String> = mine.collect();
    if !ids.is_empty() {
        let _ = std::process::Command::new("docker").args(["rm", "-fv"]).args(ids).output();
    }
}
