//! Stand-ins from outside: a proxy in front of the engine's socket, and a compose that misbehaves.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use regex::Regex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Where the real engine listens: the socket that the tests' own `docker` speaks to.
pub fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    host.strip_prefix("unix://").expect("DOCKER_HOST names a unix socket").into()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Open,
    Hung,
    Stopped,
}

/// What becomes of a request.
#[derive(Clone)]
enum Fault {
    /// The engine does not get it; this is the answer.
    Answer(u16, Arc<Vec<u8>>),
    /// The engine gets it, and is stopped or hangs before its answer arrives.
    Lost(Mode),
}

/// What all connections share.
struct Gate {
    mode: watch::Sender<Mode>,
    /// Request lines with their fault.
    faults: Mutex<Vec<(Regex, Fault)>>,
}

impl Gate {
    /// The fault of a piece that a client sent, if it starts a request that has one.
    fn fault(&self, piece: &[u8]) -> Option<Fault> {
        let line = piece.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let faults = self.faults.lock().unwrap();
        faults.iter().find(|(pattern, _)| pattern.is_match(&line)).map(|(_, fault)| fault.clone())
    }
}

/// A socket that leads to the engine, and can be made to hang or to be gone.
pub struct Proxy {
    folder: TempDir,
    gate: Arc<Gate>,
}

impl Proxy {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("wharfinger-engine-").tempdir().unwrap();
        let (mode, seen) = watch::channel(Mode::Open);
        let gate = Arc::new(Gate { mode, faults: Mutex::default() });
        tokio::spawn(serve(folder.path().join("proxy.sock"), seen, Arc::clone(&gate)));
        Self { folder, gate }
    }

    /// The value for `DOCKER_HOST`.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.folder.path().join("proxy.sock").display())
    }

    /// As when the engine is stopped: the socket is gone, every connection cut.
    pub fn stop(&self) {
        self.gate.mode.send_replace(Mode::Stopped);
    }

    /// As when the engine gets SIGSTOP: connections are taken, nothing is answered.
    pub fn hang(&self) {
        self.gate.mode.send_replace(Mode::Hung);
    }

    /// The engine is there again.
    pub fn resume(&self) {
        self.gate.mode.send_replace(Mode::Open);
    }

    /// Requests whose first line matches are answered so, in the engine's stead.
    pub fn answer(&self, line: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.fault(line, Fault::Answer(status, Arc::new(body.into())));
    }

    /// The engine does what the first line asks for, and is stopped (or hangs) before it can say so.
    pub fn lose(&self, line: &str, hangs: bool) {
        self.fault(line, Fault::Lost(if hangs { Mode::Hung } else { Mode::Stopped }));
    }

    fn fault(&self, line: &str, fault: Fault) {
        self.gate.faults.lock().unwrap().push((Regex::new(line).unwrap(), fault));
    }

    /// Nothing is singled out any more.
    pub fn honest(&self) {
        self.gate.faults.lock().unwrap().clear();
    }
}

async fn serve(path: PathBuf, mut mode: watch::Receiver<Mode>, gate: Arc<Gate>) {
    // The gate holds the sender: the loop ends with the test's runtime.
    loop {
        if mode.wait_for(|m| *m != Mode::Stopped).await.is_err() {
            return;
        }
        let _ = std::fs::remove_file(&path);
        let Ok(listener) = UnixListener::bind(&path) else { return };
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((client, _)) = accepted {
                        tokio::spawn(pass(client, mode.clone(), Arc::clone(&gate)));
                    }
                }
                stopped = for_stop(&gate) => {
                    let _ = std::fs::remove_file(&path);
                    if !stopped {
                        return;
                    }
                    break;
                }
            }
        }
    }
}

/// Waits until the engine is stopped.
async fn for_stop(gate: &Gate) -> bool {
    gate.mode.subscribe().wait_for(|m| *m == Mode::Stopped).await.is_ok()
}

async fn pass(client: UnixStream, mut mode: watch::Receiver<Mode>, gate: Arc<Gate>) {
    if mode.wait_for(|m| *m != Mode::Hung).await.is_err() {
        return;
    }
    let Ok(engine) = UnixStream::connect(engine_socket()).await else { return };
    let (mut client_in, client_out) = client.into_split();
    let (mut engine_in, mut engine_out) = engine.into_split();
    let client_out = tokio::sync::Mutex::new(client_out);
    let lost = Mutex::new(None);
    let there = async {
        while let Some(piece) = take(&mut client_in, mode.clone()).await {
            match gate.fault(&piece) {
                Some(Fault::Answer(status, body)) => {
                    let head = format!(
                        "HTTP/1.1 {status} Fault\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let mut to = client_out.lock().await;
                    if to.write_all(head.as_bytes()).await.is_err() || to.write_all(&body).await.is_err() {
                        return;
                    }
                    continue;
                }
                Some(Fault::Lost(how)) => *lost.lock().unwrap() = Some(how),
                None => {}
            }
            if engine_out.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = engine_out.shutdown().await;
    };
    let back = async {
        while let Some(piece) = take(&mut engine_in, mode.clone()).await {
            let how = *lost.lock().unwrap();
            if let Some(how) = how {
                gate.mode.send_replace(how);
                return;
            }
            if client_out.lock().await.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = client_out.lock().await.shutdown().await;
    };
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = for_stop(&gate) => {}
    }
}

/// The next piece, once the engine does not hang; `None` at the end.
async fn take(
    from: &mut tokio::net::unix::OwnedReadHalf,
    mut mode: watch::Receiver<Mode>,
) -> Option<Vec<u8>> {
    let mut piece = vec![0; 64 * 1024];
    let n = from.read(&mut piece).await.ok()?;
    mode.wait_for(|m| *m != Mode::Hung).await.ok()?;
    piece.truncate(n);
    (n > 0).then_some(piece)
}

/// A stand-in compose: writes down how it was called, then does as `mode` says.
pub struct Compose {
    folder: TempDir,
}

const SCRIPT: &str = r#"#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
dir="DIR"
printf '%s\n' "$*" >> "$dir/calls"
tr '\0' '\n' < "/proc/$$/environ" >> "$dir/environment"
case " $* " in *" version "*) exec REAL "$@" ;; esac
case " $* " in *" config "*) exec REAL "$@" ;; esac
if [ -f "$dir/watched" ] && [ ! -e "$dir/seen" ]; then cp "$(cat "$dir/watched")" "$dir/seen"; fi
mode=$(cat "$dir/mode" 2>/dev/null)
case "$mode" in
hang)
    # A grandchild as the docker CLI's plugin is one; neither minds SIGTERM.
    trap '' TERM
    sleep 3000 & echo $! >> "$dir/pids"
    echo $$ >> "$dir/pids"
    : > "$dir/hanging"
    while :; do wait; sleep 1; done ;;
fail)
    cat "$dir/message" >&2
    exit 17 ;;
once)
    echo fail > "$dir/mode" ;;
late)
    REAL "$@"
    echo $$ >> "$dir/pids"
    : > "$dir/hanging"
    sleep "$(cat "$dir/seconds")"
    exit 0 ;;
killed)
    REAL "$@" &
    sleep "$(cat "$dir/seconds")"
    kill -9 $!
    wait
    exit 137 ;;
held)
    echo $$ >> "$dir/pids"
    : > "$dir/hanging"
    while [ "$(cat "$dir/mode")" = held ]; do sleep 0.05; done ;;
slow)
    echo $$ >> "$dir/pids"
    : > "$dir/hanging"
    sleep "$(cat "$dir/seconds")" ;;
esac
exec REAL "$@"
"#;

impl Compose {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("wharfinger-compose-").tempdir().unwrap();
        let text = SCRIPT
            .replace("DIR", &folder.path().to_string_lossy())
            .replace("REAL", &real().to_string_lossy());
        let path = folder.path().join("docker-compose");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// The value for `APP_COMPOSE_BIN`.
    pub fn bin(&self) -> String {
        self.folder.path().join("docker-compose").to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// From now on every change hangs.
    pub fn hang(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("hanging"));
        self.write("mode", "hang");
    }

    /// When it is next called for a change, this file is as it was then under the name `seen`.
    pub fn watch(&self, file: &Path) {
        let _ = std::fs::remove_file(self.folder.path().join("seen"));
        self.write("watched", &file.to_string_lossy());
    }

    /// From now on every change is killed in the midst of it.
    pub fn killed_after(&self, seconds: f64) {
        self.write("seconds", &seconds.to_string());
        self.write("mode", "killed");
    }

    /// From now on every change fails with this message.
    pub fn fail(&self, message: &str) {
        self.write("message", message);
        self.write("mode", "fail");
    }

    /// From now on every change first waits.
    pub fn slow(&self, seconds: f64) {
        let _ = std::fs::remove_file(self.folder.path().join("hanging"));
        self.write("seconds", &seconds.to_string());
        self.write("mode", "slow");
    }

    /// From now on every change waits until another word is given.
    pub fn hold(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("hanging"));
        self.write("mode", "held");
    }

    /// The next change is the real one's, all after it fail with this message.
    pub fn fail_after_one(&self, message: &str) {
        self.write("message", message);
        self.write("mode", "once");
    }

    /// From now on every change is done, and waits before it says so.
    pub fn late(&self, seconds: f64) {
        let _ = std::fs::remove_file(self.folder.path().join("hanging"));
        self.write("seconds", &seconds.to_string());
        self.write("mode", "late");
    }

    /// From now on it is the real one.
    pub fn well(&self) {
        self.write("mode", "");
    }

    /// Waits until a command hangs (or is slow, or held).
    pub async fn is_in_it(&self) {
        let path = self.folder.path().join("hanging");
        super::eventually("compose was called", 60.0, || async { path.exists().then_some(()) }).await;
    }

    /// The processes that hung (or are slow, or held) and still live.
    pub fn alive(&self) -> Vec<String> {
        let pids = self.read("pids");
        let lives = |pid: &&str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z')
        };
        pids.lines().filter(lives).map(str::to_owned).collect()
    }

    /// Ends those processes.
    pub fn end_all(&self) {
        for pid in
            self.alive().iter().filter_map(|pid| pid.parse().ok()).filter_map(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// The real plugin.
pub fn real() -> PathBuf {
    let usual = [
        "/usr/libexec/docker/cli-plugins/docker-compose",
        "/usr/lib/docker/cli-plugins/docker-compose",
        "/usr/local/lib/docker/cli-plugins/docker-compose",
        "/usr/local/libexec/docker/cli-plugins/docker-compose",
    ];
    usual.iter().map(Path::new).find(|path| path.exists()).expect("the compose plugin").to_owned()
}
