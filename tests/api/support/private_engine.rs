//! An engine of a test's own, to be killed, stopped and filled: the one that all share is left alone.

use std::fs::read_to_string;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{BUSYBOX, eventually};

/// `dockerd` with a data folder, a containerd, mounts and a network of its own, which all go with it.
pub struct PrivateEngine {
    folder: TempDir,
    /// The first process, which holds the name spaces.
    holder: Child,
    /// The arguments of the engine beside those that it always has.
    size: Option<&'static str>,
}

/// Waits in new name spaces with a file system for the engine's data; `$1` is how large that may become.
const HOLD: &str = r#"ip link set lo up 2>/dev/null; mkdir -p "$0/data"
[ -z "$1" ] || mount -t tmpfs -o "size=$1" tmpfs "$0/data" || exit 70
: > "$0/held"; exec sleep 1000000"#;

impl PrivateEngine {
    pub async fn start() -> Self {
        Self::of(None).await
    }

    /// One whose disk holds that much.
    pub async fn on_a_disk_of(size: &'static str) -> Self {
        Self::of(Some(size)).await
    }

    async fn of(size: Option<&'static str>) -> Self {
        let folder = tempfile::Builder::new().prefix("wharfinger-dockerd-").tempdir().unwrap();
        let mut holder = Command::new("unshare");
        holder.args(["--mount", "--propagation", "slave", "--net", "sh", "-c", HOLD]);
        holder.arg(folder.path()).arg(size.unwrap_or_default()).stdin(Stdio::null());
        let engine = Self { holder: holder.spawn().unwrap(), folder, size };
        let held = engine.folder.path().join("held");
        eventually("its name spaces", 10.0, || async { held.exists().then_some(()) }).await;
        engine.launch().await;
        engine.load(BUSYBOX).await;
        engine
    }

    /// The value for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    /// Starts the engine's process, and waits until it answers.
    pub async fn launch(&self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        std::fs::write(at("config.json"), "{}").unwrap();
        // Where nobody fetches the status of the dead, they pass for living ones by their pid.
        for pid in ["pid", "exec/containerd/containerd.pid"] {
            let _ = std::fs::remove_file(at(pid));
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(at("log")).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "--mount", "--net", "dockerd"]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
        command.args(["--host", &self.host(), "--config-file", &at("config.json"), "--bridge", "none"]);
        command.args(["--cgroup-parent", &self.cgroup()]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        std::thread::spawn(move || child.wait());
        let end = Instant::now() + Duration::from_secs(30);
        while !self.answers().await {
            assert!(Instant::now() < end, "the private engine does not answer: {}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn answers(&self) -> bool {
        let asked = self.try_docker(&["version"]);
        tokio::time::timeout(Duration::from_secs(2), asked).await.is_ok_and(|(ok, _)| ok)
    }

    /// `docker …` on this engine: whether it succeeds, and what it prints.
    pub async fn try_docker(&self, args: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::new("docker");
        let out = command.args(args).env("DOCKER_HOST", self.host()).output().await.unwrap();
        let text = [&out.stdout[..], &out.stderr[..]].concat();
        (out.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// `docker …` on this engine; it has to succeed.
    pub async fn docker(&self, args: &[&str]) -> String {
        let (ok, text) = self.try_docker(args).await;
        assert!(ok, "docker {args:?}: {text}\n{}", self.log());
        text
    }

    /// The end of what it wrote.
    pub fn log(&self) -> String {
        let text = read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text.lines().rev().take(15).collect::<Vec<_>>().join("\n")
    }

    async fn load(&self, image: &str) {
        let tar = self.folder.path().join("image.tar");
        super::docker(&["save", "-o", &tar.to_string_lossy(), image]).await;
        self.docker(&["load", "-i", &tar.to_string_lossy()]).await;
        std::fs::remove_file(tar).unwrap();
    }

    /// Where its data lie, for a process in its name spaces.
    fn inside(&self, script: &str) -> bool {
        let pid = self.holder.id().to_string();
        let data = self.folder.path().join("data");
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "--mount", "sh", "-c", script]).arg(data);
        command.output().unwrap().status.success()
    }

    /// Fills its disk.
    pub fn fill(&self) {
        assert!(self.size.is_some(), "only a disk that has a size is filled");
        self.inside("cat /dev/zero > \"$0/filler\" 2>/dev/null");
    }

    /// Makes room again.
    pub fn make_room(&self) {
        assert!(self.inside("rm \"$0/filler\""));
    }

    fn cgroup(&self) -> String {
        format!("/{}", self.folder.path().file_name().unwrap().to_string_lossy())
    }

    /// The engine's own process.
    pub fn dockerd(&self) -> Pid {
        self.pid("pid")
    }

    /// Its containerd's.
    pub fn containerd(&self) -> Pid {
        self.pid("exec/containerd/containerd.pid")
    }

    fn pid(&self, file: &str) -> Pid {
        let text = read_to_string(self.folder.path().join(file)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }

    /// Sends a signal to one of its processes.
    pub fn signal(pid: Pid, signal: Signal) {
        kill_process(pid, signal).unwrap();
    }

    /// `kill -9` of the engine, and of its containerd with it.
    pub async fn kill_9(&self) {
        let pids = [self.dockerd(), self.containerd()];
        for pid in pids {
            Self::signal(pid, Signal::KILL);
        }
        for pid in pids {
            let path = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
            eventually("it is dead", 5.0, || async {
                let stat = read_to_string(path.join("stat")).unwrap_or_default();
                (stat.is_empty() || stat.contains(") Z ")).then_some(())
            })
            .await;
        }
    }

    /// Every process of it and of its containers.
    fn processes(&self) -> Vec<Pid> {
        let ours = std::fs::read_link(format!("/proc/{}/ns/mnt", self.holder.id())).ok();
        let mut parents = Vec::new();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let stat = read_to_string(entry.path().join("stat")).unwrap_or_default();
            let after = stat.rsplit(')').next().unwrap_or_default().to_owned();
            if let Some(parent) = after.split_whitespace().nth(1).and_then(|text| text.parse::<i32>().ok()) {
                parents.push((pid, parent));
            }
            if ours.is_some() && std::fs::read_link(entry.path().join("ns/mnt")).ok() == ours {
                found.push(pid);
            }
        }
        let mut at = 0;
        while at < found.len() {
            let children = parents.iter().filter(|(_, parent)| *parent == found[at]).map(|(pid, _)| *pid);
            let fresh: Vec<i32> = children.filter(|pid| !found.contains(pid)).collect();
            found.extend(fresh);
            at += 1;
        }
        found.into_iter().filter_map(Pid::from_raw).collect()
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        // Those of the containers first: an engine that lives would only see them die.
        let end = Instant::now() + Duration::from_secs(5);
        let holder = self.holder.id();
        loop {
            let left: Vec<Pid> = self
                .processes()
                .into_iter()
                .filter(|pid| pid.as_raw_nonzero().get().cast_unsigned() != holder)
                .collect();
            if left.is_empty() || Instant::now() > end {
                break;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let roots = hierarchies.map(|entry| entry.path()).chain(["/sys/fs/cgroup".into()]);
        roots.for_each(|root| remove_cgroup(&root.join(&self.cgroup()[1..])));
    }
}

/// Control groups are folders that hold only others of their kind and files that cannot be removed.
fn remove_cgroup(path: &std::path::Path) {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).for_each(|entry| remove_cgroup(&entry.path()));
    let _ = std::fs::remove_dir(path);
}
