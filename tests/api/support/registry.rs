//! A registry of a test's own, images for it, and a proxy in front of it that stalls, drips or breaks off.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use regex::Regex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::engine::docker;
use super::{BUSYBOX, eventually, free_port, noise, unique};

/// Whom a registry with a login knows. The line is what `htpasswd -nbB` writes.
pub const REGISTRY_USER: &str = "tester";
pub const REGISTRY_PASS: &str = "s3cret-pass";
const HTPASSWD: &str = "tester:$2y$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy\n";

/// A registry on the loopback address, which engines trust without TLS; gone when dropped.
pub struct Registry {
    child: Child,
    /// What the names of its images begin with.
    pub address: String,
    folder: TempDir,
}

impl Registry {
    /// One that lets everybody do everything.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// One that knows [`REGISTRY_USER`] alone.
    pub async fn start_with_login() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(has_login: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("wharfinger-registry-").tempdir().unwrap();
        loop {
            let address = format!("127.0.0.1:{}", free_port());
            let mut child = serve(&folder, &address, has_login);
            let end = Instant::now() + Duration::from_secs(20);
            let is_up = loop {
                if TcpStream::connect(&*address).await.is_ok() {
                    break child.try_wait().unwrap().is_none();
                }
                if child.try_wait().unwrap().is_some() {
                    // Another test has taken the port.
                    break false;
                }
                assert!(Instant::now() < end, "the registry does not listen");
                tokio::time::sleep(Duration::from_millis(25)).await;
            };
            if is_up {
                return Self { child, address, folder };
            }
        }
    }

    /// What it was told and what went wrong.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn serve(folder: &TempDir, address: &str, has_login: bool) -> Child {
    let (root, path) = (folder.path().join("blobs"), folder.path().join("htpasswd"));
    std::fs::write(&path, HTPASSWD).unwrap();
    let mut text = format!(
        "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http: {{addr: '{address}', relativeurls: true}}\n",
        root.display()
    );
    if has_login {
        writeln!(text, "auth: {{htpasswd: {{realm: tests, path: {}}}}}", path.display()).unwrap();
    }
    let config = folder.path().join("config.yml");
    std::fs::write(&config, text).unwrap();
    let log = || Stdio::from(std::fs::File::create(folder.path().join("log")).unwrap());
    let child = Command::new("docker-registry").arg("serve").arg(&config).stdout(log()).stderr(log()).spawn();
    child.expect("docker-registry (Debian's package of that name) is installed")
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name in the engine, gone when dropped.
pub struct Named(pub String);

impl Named {
    /// Another name of an image.
    pub async fn of(image: &str, name: &str) -> Self {
        docker(&["tag", image, name]).await;
        Self(name.to_owned())
    }

    /// Takes the name away, and with the last one the image.
    pub async fn remove(self) {
        docker(&["rmi", &self.0]).await;
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

/// Makes an image like no other: the small one, and above it layers of so many bytes that no compression makes
/// smaller.
pub async fn make_image(name: &str, layers: &[usize]) -> Named {
    let folder = tempfile::tempdir().unwrap();
    let mut dockerfile = format!("FROM {BUSYBOX}\n");
    for (number, length) in layers.iter().enumerate() {
        // `noise` repeats its first MiB; a registry does not mind, and neither does gzip within its window.
        std::fs::write(folder.path().join(number.to_string()), noise(*length)).unwrap();
        writeln!(dockerfile, "COPY {number} /layer-{number}").unwrap();
    }
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let out = tokio::process::Command::new("docker")
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--quiet", "--tag", name])
        .arg(folder.path())
        .output()
        .await
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Named(name.to_owned())
}

/// Puts an image like no other into a registry, and leaves nothing of it in the engine: its name without the
/// registry.
pub async fn publish(registry: &Registry, layers: &[usize]) -> String {
    let name = format!("{}:1", unique("tests/image"));
    let image = make_image(&format!("{}/{name}", registry.address), layers).await;
    docker(&["push", &image.0]).await;
    image.remove().await;
    name
}

/// What a proxy does to the bytes between engine and registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It passes them on.
    Open,
    /// Of each connection it passes on so many, either way, and then no more until it is told otherwise.
    StallsAfter(usize),
    /// It cuts each connection after so many, either way.
    BreaksAfter(usize),
    /// It takes a moment for each 64 KiB.
    Drips,
}

/// A TCP proxy in front of a registry.
pub struct RegistryProxy {
    /// What the names of images begin with that go through it.
    pub address: String,
    line: watch::Sender<Line>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl RegistryProxy {
    pub async fn start(registry: &Registry) -> Self {
        let listener = loop {
            // An ephemeral port would do, but the engine takes no port that another test may take for its own.
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", free_port())).await {
                break listener;
            }
        };
        let address = listener.local_addr().unwrap().to_string();
        let (line, seen) = watch::channel(Line::Open);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (to, log) = (registry.address.clone(), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, seen, log) = (to.clone(), seen.clone(), Arc::clone(&log));
                tokio::spawn(async move { pass(client, &to, seen, &log).await });
            }
        });
        Self { address, line, asked }
    }

    /// From now on the bytes go so, also those of open connections.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// The requests so far whose first line matches.
    pub fn asked(&self, pattern: &str) -> usize {
        let pattern = Regex::new(pattern).unwrap();
        self.asked.lock().unwrap().iter().filter(|line| pattern.is_match(line)).count()
    }

    /// Waits until the engine asks for a blob, to be read or written.
    pub async fn moves_a_layer(&self) {
        let asked = || async { (self.asked("/blobs/uploads/|GET .*/blobs/") > 0).then_some(()) };
        eventually("the engine moves a layer", 20.0, asked).await;
    }
}

async fn pass(client: TcpStream, to: &str, line: watch::Receiver<Line>, log: &Mutex<Vec<String>>) {
    let Ok(registry) = TcpStream::connect(to).await else { return };
    let (client_in, client_out) = client.into_split();
    let (registry_in, registry_out) = registry.into_split();
    // The first direction that breaks off takes the other with it.
    tokio::select! {
        () = pump(client_in, registry_out, line.clone(), Some(log)) => {}
        () = pump(registry_in, client_out, line, None) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
    log: Option<&Mutex<Vec<String>>>,
) {
    let request = Regex::new(r"(?:GET|HEAD|PUT|POST|PATCH|DELETE) \S+ HTTP/1\.1\r\n").unwrap();
    let mut passed = 0;
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut piece).await {
        if length == 0 {
            return;
        }
        if let Some(log) = log {
            let text = String::from_utf8_lossy(&piece[..length]);
            log.lock().unwrap().extend(request.find_iter(&text).map(|found| found.as_str().to_owned()));
        }
        passed += length;
        let now = *line.borrow_and_update();
        match now {
            Line::BreaksAfter(most) if passed > most => return,
            Line::Drips => tokio::time::sleep(Duration::from_millis(25)).await,
            _ => {}
        }
        let stalls = |line: &Line| matches!(line, Line::StallsAfter(most) if passed > *most);
        if stalls(&now) && line.wait_for(|line| !stalls(line)).await.is_err() {
            return;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
