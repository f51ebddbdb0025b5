//! Containers, sessions, and what was seen of them.

pub(crate) use std::process::Command;
pub(crate) use std::time::{Duration, Instant};

pub(crate) use base64::Engine as _;
pub(crate) use serde_json::{Value, json};
pub(crate) use tokio::sync::mpsc;
pub(crate) use tokio::task::JoinHandle;
pub(crate) use tokio_util::sync::CancellationToken;
pub(crate) use wharfinger::engine::EngineSocket;
pub(crate) use wharfinger::terminal::{
    ClientEvent, Mode, ServerEvent, SessionOptions, SessionSummary, Traffic, run,
};

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container that is removed with its value.
pub(crate) struct Container(pub(crate) String);

impl Container {
    pub(crate) fn running(command: &str) -> Self {
        Self::with(&[], command)
    }

    pub(crate) fn with(options: &[&str], command: &str) -> Self {
        let image =
            std::env::var("WHARFINGER_TEST_IMAGE").unwrap_or_else(|_| "wharfinger-test/busybox:1".into());
        let tail = [image.as_str(), "/bin/sh", "-c", command];
        // A terminal wants no network, and one less is made.
        Self(docker(&[&["run", "-d", "--init", "--network", "none"], options, &tail].concat()))
    }

    pub(crate) fn idle() -> Self {
        Self::running("exec sleep 1000")
    }

    /// The command lines that run in it, but for its own.
    pub(crate) fn processes(&self) -> Vec<String> {
        let all = docker(&["top", &self.0, "-eo", "pid,args"]);
        let lines = all.lines().skip(1).map(|line| line.trim().split_once(' ').unwrap().1.trim().to_owned());
        lines.filter(|line| !line.contains("sleep 1000") && !line.contains("docker-init")).collect()
    }

    /// The same as soon as they are as they should be, or after 10 s.
    pub(crate) async fn processes_when(&self, are_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let now = self.processes();
            if are_so(&now) || Instant::now() > end {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "-f", &self.0]);
    }
}

pub(crate) fn engine() -> EngineSocket {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    let path = host.strip_prefix("unix://").unwrap().into();
    EngineSocket { path, api_version: "1.41".into(), timeout: Duration::from_secs(60) }
}

pub(crate) fn options(container: &Container) -> SessionOptions {
    SessionOptions {
        cuid: format!("c{}", uuid::Uuid::new_v4()),
        container_id: container.0.clone(),
        container_tty: false,
        mode: Mode::Shell,
        tty: false,
        cols: 80,
        rows: 24,
        cmd: Vec::new(),
        user: None,
        working_dir: None,
        env: Vec::new(),
        request_id: "test".into(),
        traffic: Traffic::default(),
        revoked: CancellationToken::new(),
    }
}

pub(crate) fn command(container: &Container, cmd: &[&str]) -> SessionOptions {
    SessionOptions { cmd: cmd.iter().map(ToString::to_string).collect(), ..options(container) }
}

pub(crate) fn script(container: &Container, script: &str) -> SessionOptions {
    command(container, &["sh", "-c", script])
}

pub(crate) fn terminal(container: &Container, cmd: &[&str]) -> SessionOptions {
    SessionOptions { tty: true, ..command(container, cmd) }
}

pub(crate) struct Client {
    pub(crate) to: mpsc::Sender<ClientEvent>,
    pub(crate) from: mpsc::Receiver<ServerEvent>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<SessionSummary>,
}

/// What a session sent until its end.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    pub(crate) base64: usize,
    pub(crate) exit: Option<i64>,
    pub(crate) errors: Vec<Value>,
    pub(crate) close: Option<u16>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let (out, err) = (start(&self.out), start(&self.err));
        write!(
            formatter,
            "out {out:?} err {err:?} exit {:?} close {:?} {:?}",
            self.exit, self.close, self.errors
        )
    }
}

impl Seen {
    pub(crate) fn take(&mut self, frame: &Value) {
        let data = || match frame["encoding"].as_str().unwrap() {
            "utf8" => frame["data"].as_str().unwrap().as_bytes().to_vec(),
            _ => base64::engine::general_purpose::STANDARD.decode(frame["data"].as_str().unwrap()).unwrap(),
        };
        assert_eq!(self.exit, None, "a frame after exit: {frame}");
        self.base64 += usize::from(frame["encoding"] == "base64");
        match frame["type"].as_str().unwrap() {
            "stdout" => self.out.extend(data()),
            "stderr" => self.err.extend(data()),
            "exit" => self.exit = frame["code"].as_i64(),
            "error" => self.errors.push(frame["error"].clone()),
            other => panic!("unexpected {other} frame"),
        }
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl Client {
    pub(crate) async fn open(options: SessionOptions) -> Self {
        Self::open_at(engine(), options).await
    }

    pub(crate) async fn open_at(engine: EngineSocket, options: SessionOptions) -> Self {
        let (to, client_rx) = mpsc::channel(8);
        let (server_tx, mut from) = mpsc::channel(8);
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let tty = options.has_tty();
        let task = tokio::spawn(async move { run(&engine, options, client_rx, server_tx, token).await });
        let Some(ServerEvent::Frame(ready)) = from.recv().await else { panic!("no ready frame") };
        let ready: Value = serde_json::from_str(&ready).unwrap();
        assert_eq!((&ready["type"], &ready["tty"]), (&json!("ready"), &json!(tty)));
        Self { to, from, shutdown, task }
    }

    pub(crate) async fn send(&self, frame: Value) {
        self.to.send(ClientEvent::Text(frame.to_string())).await.unwrap();
    }

    pub(crate) async fn type_in(&self, text: &str) {
        self.send(json!({ "type": "stdin", "data": text })).await;
    }

    pub(crate) async fn next(&mut self, seen: &mut Seen) -> bool {
        match tokio::time::timeout(Duration::from_secs(30), self.from.recv()).await.expect("nothing for 30 s")
        {
            Some(ServerEvent::Frame(text)) => seen.take(&serde_json::from_str(&text).unwrap()),
            Some(ServerEvent::Close { code, .. }) => {
                assert_eq!(seen.close.replace(code), None, "closed twice");
            }
            None => return false,
        }
        true
    }

    /// Reads until `text` was printed.
    pub(crate) async fn until(&mut self, seen: &mut Seen, text: &str) {
        while !seen.out().contains(text) {
            assert!(self.next(seen).await, "the session ended before {text:?}: {seen:?}");
        }
    }

    pub(crate) async fn through(mut self) -> (Seen, SessionSummary) {
        let mut seen = Seen::default();
        self.rest(&mut seen).await;
        (seen, self.task.await.unwrap())
    }

    pub(crate) async fn rest(&mut self, seen: &mut Seen) {
        while self.next(seen).await {}
    }
}

pub(crate) async fn whole(options: SessionOptions) -> Seen {
    Client::open(options).await.through().await.0
}

pub(crate) fn is_ended(seen: &Seen, code: i64) {
    assert_eq!((seen.exit, seen.close), (Some(code), Some(1000)), "{seen:?}");
}
