//! Faults at one exact system call of a daemon that runs: counted, killed at, or failed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::Daemon;

/// A daemon's calls that change what lies in its data folder, in their order, seen by `tracer.c`.
pub struct Tracer {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// They are told.
    None,
    /// SIGKILL at the one of this number, before it is done.
    Kill(usize),
    /// The one of this number fails so; with 0 all do.
    Fail(rustix::io::Errno, usize),
    /// The same, of those that write to the disk what was written: fsync, fdatasync, syncfs.
    FailSync(rustix::io::Errno, usize),
}

impl Tracer {
    /// Holds every thread of the daemon; from here on its calls count.
    pub fn over(daemon: &Daemon, fault: Fault) -> Self {
        let mut command = Command::new(program());
        command.arg(daemon.pid().to_string()).arg(daemon.data());
        let error = |errno: rustix::io::Errno| errno.raw_os_error().to_string();
        match fault {
            Fault::None => command.arg("count"),
            Fault::Kill(number) => command.args(["kill", &number.to_string()]),
            Fault::Fail(errno, number) => command.args(["fail", &error(errno), &number.to_string()]),
            Fault::FailSync(errno, number) => command.args(["fail-sync", &error(errno), &number.to_string()]),
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (lines, to) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&said));
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| to.lock().unwrap().push(line));
        });
        let tracer = Self { child, said };
        let end = Instant::now() + Duration::from_secs(10);
        while tracer.said.lock().unwrap().is_empty() {
            assert!(Instant::now() < end, "the tracer holds the daemon (the tests run as root)");
            std::thread::sleep(Duration::from_millis(2));
        }
        tracer
    }

    /// The calls so far, each with its name and its place beneath the data folder. The name of one that failed
    /// begins with `!`.
    pub fn calls(&self) -> Vec<(String, String)> {
        let mut calls = Vec::new();
        for line in self.said.lock().unwrap().iter() {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            match words[..] {
                [_, name, place] => calls.push((name.to_owned(), place.to_owned())),
                ["failed", number] => calls[number.parse::<usize>().unwrap() - 1].0.insert(0, '!'),
                _ => {}
            }
        }
        calls
    }

    /// Lets the daemon go: the calls until then.
    pub fn end(mut self) -> Vec<(String, String)> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Whoever reads its lines ends with them.
        while Arc::strong_count(&self.said) > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.calls()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The tracer, built once.
fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (fresh, place) = (folder.join(super::unique("tracer")), folder.join("tracer"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/support/tracer.c");
        let built = Command::new("cc").args(["-O2", "-Wall", "-o"]).arg(&fresh).arg(source).output().unwrap();
        assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        std::fs::rename(fresh, &place).unwrap();
        place
    };
    BUILT.get_or_init(build).clone()
}

/// Which of the points are tried: `short` of them, evenly from one that is different each time, and more with
/// `RELIABILITY_ROUNDS`, in the end all.
pub fn sample(points: &[usize], short: usize) -> Vec<usize> {
    let count = points.len();
    let wanted = super::rounds(short).min(count).max(1);
    let first = usize::try_from(uuid::Uuid::new_v4().as_u128() % count as u128).unwrap();
    let at = |number: usize| points[(first + number * count / wanted) % count];
    let mut chosen: Vec<usize> = (0..wanted).map(at).collect();
    chosen.sort_unstable();
    eprintln!("of {count} points: {chosen:?}");
    chosen
}
