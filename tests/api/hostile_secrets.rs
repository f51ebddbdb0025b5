//! Secrets planted wherever one can be given, a whole tour of the API with its failures, and then a search for them in
//! every answer, output, log, file and process.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::builds::{Image, build, dockerfile};
use crate::support::registry::{REGISTRY_USER, Registry};
use crate::support::*;

/// What must be found nowhere that it was not meant for.
struct Secret {
    what: &'static str,
    value: String,
    /// Files beneath the data folder that may hold it.
    may: &'static [&'static str],
}

impl Secret {
    fn new(what: &'static str, may: &'static [&'static str]) -> Self {
        Self { what, value: format!("{}-{}", unique("planted"), what.replace(' ', "-")), may }
    }

    /// The ways in which it can be written.
    fn forms(&self) -> Vec<String> {
        vec![self.value.clone(), STANDARD.encode(&self.value), self.value.replace('-', "%2D")]
    }
}

/// All answers that were heard, by what was asked.
struct Tour<'a> {
    api: &'a Api,
    heard: Mutex<Vec<(String, String)>>,
}

impl Tour<'_> {
    fn hear(&self, answer: Answer) -> Answer {
        let text = format!("{:?} {}", answer.headers, answer.text());
        self.heard.lock().unwrap().push((format!("{} -> {}", answer.asked, answer.status), text));
        answer
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = self.api.request(method, path);
        self.hear(self.api.send(if body.is_null() { request } else { request.json(&body) }).await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null).await
    }
}

/// Looks at the command lines of all processes while it is not told to stop: those that hold a secret.
fn watch_processes(secrets: Vec<String>, stop: &'static AtomicBool) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut found = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                // The programs in the containers were given them.
                let is_ours =
                    line.contains("compose") || line.contains("wharfinger") || line.contains("buildx");
                if is_ours && secrets.iter().any(|secret| line.contains(secret)) {
                    found.push(line);
                }
            }
            std::thread::sleep(Duration::from_millis(4));
        }
        found
    })
}

/// Every file beneath a folder, with its mode and that of its folder.
fn files(root: &Path) -> BTreeMap<String, (u32, u32, String)> {
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode() & 0o777);
    let (mut found, mut left) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, (mode(&path), mode(&folder), text));
            }
        }
    }
    found
}

/// Everything that fails or works with the container, as somebody does who may not see its values.
async fn look_around(tour: &Tour<'_>, cuid: &str, image: &str) {
    let base = format!("/containers/{cuid}");
    for path in ["", "/status", "/top", "/changes", "/inspect", "/compose", "/stats", "/logs?stream=stderr"] {
        tour.get(&format!("{base}{path}")).await;
    }
    for path in [
        "/containers",
        "/stats",
        "/events?since=10m&until=0s",
        "/info",
        "/healthz",
        "/images",
        "/version",
        "/registries",
    ] {
        tour.get(path).await;
    }
    tour.get(&format!("/images/{image}")).await;
    tour.get(&format!("/images/{image}/history")).await;
    for (method, path, body) in [
        ("POST", "/pause", Value::Null),
        ("POST", "/unpause", Value::Null),
        ("POST", "/start", Value::Null),
        ("POST", "/kill", json!({"signal": "NONE"})),
        ("PATCH", "", json!({"image": "wharfinger-test/none:1"})),
        ("POST", "/exec", json!({"cmd": "x"})),
        ("POST", "/rename", json!({"name": "-"})),
        ("POST", "/nothing", Value::Null),
    ] {
        tour.ask(method, &format!("{base}{path}"), body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_found_nowhere_else() {
    static STOP: AtomicBool = AtomicBool::new(false);
    const IN_FILE: &[&str] = &["compose/"];
    let pass = Secret::new("pass", &[]);
    let (env, patched, executed) =
        (Secret::new("env", IN_FILE), Secret::new("patched", IN_FILE), Secret::new("executed", &[]));
    let (refused, session, typed) =
        (Secret::new("refused", &[]), Secret::new("session", &[]), Secret::new("typed", &[]));
    let (argument, login) = (Secret::new("argument", &[]), Secret::new("registry", &["registries/"]));
    let (guess, input) = (Secret::new("guess", &[]), Secret::new("input", &[]));
    let daemon = Daemon::builder().env("APP_PASS", &pass.value).start().await;
    let (admin, registry, image) =
        (daemon.with_login(Some(("admin", &pass.value))), Registry::start().await, Image::new());
    let secrets: Vec<String> =
        [&pass, &env, &patched, &executed, &refused, &session, &typed, &argument, &login, &guess]
            .map(|secret| secret.value.clone())
            .into();
    let watch = watch_processes(secrets, &STOP);
    let reader = admin.token(json!({"roles": ["read"]})).await;
    let token = reader.bearer.clone().unwrap();
    let (quiet, eyes) =
        (Tour { api: &admin, heard: Mutex::default() }, Tour { api: &reader, heard: Mutex::default() });

    let body = json!({"image": BUSYBOX, "command": IDLE, "env": {"SECRET": env.value}, "state": "running"});
    let cuid = admin.create(&body).await;
    let base = format!("/containers/{cuid}");
    admin.patch(&base, &json!({"env": {"OTHER": patched.value}})).await.expect(200);
    let run = json!({"cmd": ["sh", "-c", "cat >/dev/null; [ -n \"$MORE\" ] && echo ran"], "env": {"MORE": executed.value}, "stdin": input.value});
    assert_eq!(quiet.ask("POST", &format!("{base}/exec"), run).await.expect(200)["stdout"], "ran\n");
    // Changes that fail, in the engine and before it.
    let wrong = json!({"user": "nosuchuser", "env": {"REFUSED": refused.value}});
    quiet.ask("PATCH", &base, wrong).await.refused("compose_error", "COMPOSE_FAILED");
    for body in [
        json!({"image": "wharfinger-test/none:1", "env": {"REFUSED": refused.value}}),
        json!({"image": BUSYBOX, "user": "nosuchuser", "env": {"REFUSED": refused.value}, "state": "running"}),
        json!({"image": BUSYBOX, "name": "-", "env": {"REFUSED": refused.value}}),
        json!({"image": BUSYBOX, "env": {"REFUSED": refused.value}, "ports": [{"container": 0}]}),
        json!({"image": BUSYBOX, "env": {"REFUSED": refused.value}, "privileged": true}),
    ] {
        let answer = quiet.ask("POST", "/containers", body).await;
        assert!(answer.status >= 400, "{}", answer.text());
    }
    // A terminal by a ticket.
    let made = admin.post_json("/ws-tickets", &json!({"id": cuid})).await.expect(201);
    let ticket = made["ticket"].as_str().unwrap().to_owned();
    let query = format!("ticket={ticket}&env=SESSION={}", session.value);
    let mut terminal = Terminal::open(&daemon.with_login(None), &cuid, &query).await;
    terminal.type_in(&format!("true {}; exit 3\n", typed.value)).await;
    assert_eq!(terminal.end().await, Some(3));
    quiet.hear(daemon.with_login(None).upgrade(&format!("/ws/{cuid}?ticket={ticket}"), &[]).await);
    // Images: a build with an argument, one that fails, and a registry that takes no login and one that does.
    let argument_of = format!("ARG_OF={}", argument.value);
    let asked = [("image", image.0.as_str()), ("build_arg", argument_of.as_str())];
    let context = |steps: &str| Zip::new().file("Dockerfile", dockerfile(steps)).bytes();
    quiet.hear(build(&admin, &asked, context("ARG ARG_OF\nLABEL given=yes")).await).expect(200);
    quiet.hear(build(&admin, &asked, context("ARG ARG_OF\nRUN echo $ARG_OF; exit 7")).await);
    let credentials = json!({"username": REGISTRY_USER, "password": login.value});
    quiet.ask("PUT", &format!("/registries/{}", registry.address), credentials.clone()).await;
    quiet.ask("PUT", "/registries/127.0.0.1:1", credentials).await;
    quiet.ask("POST", "/images/pull", json!({"image": format!("{}/none:1", registry.address)})).await;
    // Those who may not come in, and those who may not see.
    quiet.hear(daemon.with_login(Some(("admin", &guess.value))).get("/containers").await);
    quiet.hear(daemon.bearing(&guess.value).get("/containers").await);
    look_around(&eyes, &cuid, &image.0).await;
    eyes.hear(reader.get(&format!("/tokens/{token}")).await);
    quiet.get(&format!("/tokens/{token}")).await;

    STOP.store(true, Ordering::Relaxed);
    let lines = watch.join().unwrap();
    assert!(lines.is_empty(), "processes show them: {lines:?}");
    let token = Secret { what: "token", value: token, may: &[] };
    let ticket = Secret { what: "ticket", value: ticket, may: &[] };
    let planted =
        [pass, env, patched, executed, refused, session, typed, argument, login, guess, input, token, ticket];
    let files = files(&daemon.data());
    for secret in &planted {
        for form in secret.forms() {
            assert!(!daemon.output().contains(&form), "the daemon's own log shows {}", secret.what);
            let (eyes, quiet) = (eyes.heard.lock().unwrap(), quiet.heard.lock().unwrap());
            for (asked, text) in eyes.iter().chain(quiet.iter()) {
                assert!(!text.contains(&form), "{asked} shows {}: {text}", secret.what);
            }
            for (name, (_, _, text)) in &files {
                let may = secret.may.iter().any(|may| name.starts_with(may));
                assert!(may || !text.contains(&form), "{name} holds {}", secret.what);
            }
        }
    }
    for (name, (mode, folder, _)) in &files {
        let is_closed = mode.trailing_zeros() >= 6 || folder.trailing_zeros() >= 6;
        // The mounts' own folder is closed, and a project has its secrets in its compose file alone.
        let is_beneath = ["mounts/", "logs/actions.jsonl"].iter().any(|top| name.starts_with(top));
        let is_bare = name.starts_with("compose/") && !name.contains("compose.yaml");
        assert!(is_closed || is_beneath || is_bare, "{name} is open to others: {mode:o} in {folder:o}");
    }
    for top in ["mounts", "access", "registries"] {
        let path = daemon.data().join(top);
        let mode = std::fs::metadata(&path).map_or(0, |meta| meta.permissions().mode());
        assert_eq!(mode & 0o077, 0, "{top} is open to others: {mode:o}");
    }
    let labels = docker(&["inspect", "--format", "{{json .Config.Labels}} {{json .Args}}", &cuid]).await;
    assert!(planted.iter().all(|secret| !labels.contains(&secret.value)), "{labels}");
    let text = files.values().map(|file| file.2.as_str()).collect::<String>();
    assert!(text.contains(&planted[1].value), "the search finds what is there");
}
