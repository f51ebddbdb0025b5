//! A real daemon on a free port with a data folder of its own, gone with all it made when dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use rustls::ClientConfig;
use tempfile::TempDir;

use super::api::Api;
use super::tls::{self, Authority};
use super::wait::patience;

/// The administrator of the tests. The password has what breaks naive encodings.
pub const USER: &str = "admin";
pub const PASS: &str = "s3cret:wörd \u{1F511}#$PASS";

/// How many seconds the engine has: the disk of a busy host stands still for longer than the usual 10.
const PATIENT: &str = "60";

/// How a daemon is started.
#[derive(Clone)]
pub struct Builder {
    env: BTreeMap<String, String>,
    folder: Arc<Folder>,
    /// A file that is not there for the daemon.
    hidden: Option<&'static str>,
    /// What the kernel answers to `openat2`, in the place of doing it.
    openat2: Option<i32>,
    /// How its client speaks TLS.
    tls: Arc<ClientConfig>,
    /// How many descriptors it may have: the soft limit and the hard one.
    descriptors: Option<&'static str>,
}

/// Lets the kernel refuse `openat2`, which has number 437 everywhere, with the error number that is its first
/// argument, and becomes the program that is its second: the smallest seccomp filter that can.
const REFUSE_OPENAT2: &str = r#"
import ctypes, os, struct, sys
ops = [(0x20, 0, 0, 0), (0x15, 0, 1, 437), (0x06, 0, 0, 0x50000 | int(sys.argv[1])), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *op) for op in ops))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(ops), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filter)), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// Hides the file that is its first argument, if there is one, and becomes the program that is its second.
const HIDE: &str = r#"if [ -e "$0" ]; then mount --bind /dev/null "$0" || exit 70; fi; exec "$1""#;

/// A data folder. With the last one that holds it go the containers it knows, and then itself.
struct Folder(TempDir);

impl Drop for Folder {
    fn drop(&mut self) {
        super::engine::remove_all(&known_cuids(self.0.path()));
    }
}

/// A daemon that runs; derefs to a client with the administrator's credentials.
pub struct Daemon {
    api: Api,
    child: Child,
    output: Arc<Mutex<String>>,
    builder: Builder,
    ended: bool,
}

/// What became of a daemon that did not stay.
pub struct Ended {
    pub code: Option<i32>,
    pub output: String,
}

impl Builder {
    pub fn new() -> Self {
        super::tell_panics_at_once();
        let folder = tempfile::Builder::new().prefix("wharfinger-test-").tempdir().unwrap();
        let folder = Arc::new(Folder(folder));
        let mut builder = Self {
            env: BTreeMap::new(),
            folder,
            hidden: None,
            openat2: None,
            tls: tls::trusting_nobody(),
            descriptors: None,
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let data = builder.data();
        for (name, value) in [
            ("APP_USER", USER),
            ("APP_PASS", PASS),
            ("APP_HOST", "127.0.0.1"),
            ("APP_PORT", "0"),
            ("APP_ENGINE_TIMEOUT", PATIENT),
            ("PATH", &path),
        ] {
            builder = builder.env(name, value);
        }
        // The engine that the tests' own `docker` speaks to.
        if let Ok(host) = std::env::var("DOCKER_HOST") {
            builder = builder.env("DOCKER_HOST", &host);
        }
        builder.env("APP_DATA_DIR", &data.to_string_lossy())
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Lets it use an engine of the test's, whose faults it sees in the usual time.
    pub fn engine(self, host: &str) -> Self {
        self.without("APP_ENGINE_TIMEOUT").env("DOCKER_HOST", host)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Starts the daemon where something else stands in the place of a file: in a mount name space of its own.
    pub fn hiding(mut self, path: &'static str) -> Self {
        self.hidden = Some(path);
        self
    }

    /// Starts the daemon on a kernel that answers `openat2` with this error.
    pub fn without_openat2(mut self, error: rustix::io::Errno) -> Self {
        self.openat2 = Some(error.raw_os_error());
        self
    }

    /// Starts the daemon with so many descriptors, as `soft:hard`.
    pub fn descriptors(mut self, limits: &'static str) -> Self {
        self.descriptors = Some(limits);
        self
    }

    /// Speaks TLS with a certificate of this authority, which lies in `tls.crt` and `tls.key` of the data folder.
    pub fn tls(mut self, authority: &Authority) -> Self {
        let data = self.data();
        authority.issue().write(&data);
        self.tls = authority.client(tls::ALL);
        self.env("APP_TLS_CERT", &data.join(tls::CERTIFICATE).to_string_lossy())
            .env("APP_TLS_KEY", &data.join(tls::KEY).to_string_lossy())
    }

    /// A client with the administrator's credentials.
    fn api(&self, base: &str) -> Api {
        Api::with_tls(base, Some((USER, PASS)), &self.data(), Arc::clone(&self.tls))
    }

    fn command(&self) -> Command {
        const BINARY: &str = env!("CARGO_BIN_EXE_wharfinger");
        if let Some(error) = self.openat2 {
            let mut command = Command::new("python3");
            command.args(["-c", REFUSE_OPENAT2, &error.to_string(), BINARY]);
            return command;
        }
        if let Some(limits) = self.descriptors {
            let mut command = Command::new("prlimit");
            command.args([&format!("--nofile={limits}"), "--", BINARY]);
            return command;
        }
        let Some(path) = self.hidden else { return Command::new(BINARY) };
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if !rustix::process::getuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", HIDE, path, BINARY]);
        command
    }

    /// The data folder, which is also the working folder.
    pub fn data(&self) -> PathBuf {
        self.folder.0.path().to_owned()
    }

    /// A command of the same program, with the same environment and working folder.
    pub fn cli(&self, args: &[&str]) -> super::cli::Cli {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharfinger"));
        command.args(args).env_clear().envs(&self.env).current_dir(self.folder.0.path());
        super::cli::Cli::new(command)
    }

    fn spawn(&self) -> (Child, Arc<Mutex<String>>) {
        let mut child = self
            .command()
            .env_clear()
            .envs(&self.env)
            .current_dir(self.folder.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        (child, output)
    }

    /// Starts the daemon and waits until it listens.
    pub async fn start(self) -> Daemon {
        self.start_within(30.0).await
    }

    pub async fn start_within(self, seconds: f64) -> Daemon {
        super::engine::docker(&["image", "inspect", "--format", "{{.Id}}", super::BUSYBOX]).await;
        let (child, output) = self.spawn();
        let api = self.api("");
        let mut daemon = Daemon { api, child, output, builder: self, ended: false };
        daemon.wait_listening(seconds).await;
        daemon
    }

    /// Starts without waiting for anything.
    pub fn start_in_background(self) -> Daemon {
        let (child, output) = self.spawn();
        let api = self.api("");
        Daemon { api, child, output, builder: self, ended: false }
    }

    /// Starts a daemon that has to refuse: how it ended.
    pub async fn refuses(&self) -> Ended {
        let (mut child, output) = self.spawn();
        let end = Instant::now() + patience(15.0);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                // Whoever reads its output holds the text until the end of it.
                while std::sync::Arc::strong_count(&output) > 1 && Instant::now() < end {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let output = output.lock().unwrap().clone();
                assert!(!status.success(), "the daemon ended well where it had to refuse: {output}");
                return Ended { code: status.code(), output };
            }
            if Instant::now() > end || output.lock().unwrap().contains("listening on http") {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the daemon started where it had to refuse: {}", output.lock().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Daemon {
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub async fn start() -> Self {
        Builder::new().start().await
    }

    /// Waits for the line that names the address.
    pub async fn wait_listening(&mut self, seconds: f64) {
        let line = Regex::new(r"listening on (https?://127\.0\.0\.1:\d+)").unwrap();
        let end = Instant::now() + patience(seconds);
        loop {
            let output = self.output();
            if let Some(found) = line.captures(&output) {
                self.api = self.builder.api(&found[1]);
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended at start ({status}): {}", self.output());
            }
            assert!(Instant::now() < end, "the daemon does not listen after {seconds} s: {output}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All that the daemon wrote to stdout and stderr.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the address was logged yet.
    pub fn listens(&self) -> bool {
        self.output().contains("listening on http")
    }

    pub fn data(&self) -> PathBuf {
        self.builder.data()
    }

    /// The address without scheme.
    pub fn address(&self) -> &str {
        self.api.base.split_once("://").unwrap().1
    }

    /// A builder for another daemon on the same data folder with the same settings.
    pub fn again(&self) -> Builder {
        self.builder.clone()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the daemon's end: its exit code (`None` when a signal ended it).
    pub async fn wait_end(&mut self, seconds: f64) -> Option<i32> {
        let end = Instant::now() + patience(seconds);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.ended = true;
                return status.code();
            }
            assert!(Instant::now() < end, "the daemon did not end within {seconds} s: {}", self.output());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGTERM and the exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait_end(20.0).await
    }

    /// `kill -9`.
    pub async fn kill_9(&mut self) {
        self.signal(Signal::KILL);
        self.wait_end(5.0).await;
    }

    /// Ends this daemon well and starts another on its data folder.
    pub async fn restart(mut self) -> Self {
        assert_eq!(self.terminate().await, Some(0), "a daemon ends well on SIGTERM: {}", self.output());
        self.again().start().await
    }
}

impl Deref for Daemon {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let output = self.output();
            let tail: Vec<&str> = output.lines().rev().take(30).collect();
            eprintln!("--- the daemon's last words ---");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Every cuid that the data folder or its audit log knows.
fn known_cuids(data: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["compose", "mounts"] {
        let entries = std::fs::read_dir(data.join(folder)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    let log = std::fs::read_to_string(data.join("logs/actions.jsonl")).unwrap_or_default();
    let cuid = Regex::new("c[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    found.extend(cuid.find_iter(&log).map(|m| m.as_str().to_owned()));
    found
}

/// Copies a stream to the shared text, piece by piece.
fn collect(mut from: impl Read + Send + 'static, to: &Arc<Mutex<String>>) {
    let to = Arc::clone(to);
    std::thread::spawn(move || {
        let mut piece = [0; 8192];
        while let Ok(n) = from.read(&mut piece) {
            if n == 0 {
                return;
            }
            to.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    });
}
