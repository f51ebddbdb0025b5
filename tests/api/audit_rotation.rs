//! `logs/actions.jsonl` does not grow without end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::support::*;

/// The files of the log: name to lines, each of which parses.
fn logs(daemon: &Daemon) -> BTreeMap<String, Vec<Value>> {
    let entries = std::fs::read_dir(daemon.data().join("logs")).unwrap().flatten();
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{}: a split line", path.display());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let is_log = |entry: &std::fs::DirEntry| {
        // Beside them lies the file whose lock a writer holds.
        entry.file_type().unwrap().is_file() && entry.file_name() != ".lock"
    };
    entries
        .filter(is_log)
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), read(&entry.path())))
        .collect()
}

/// Asks so many times, `side_by_side` at once: the requests' ids.
async fn ask(daemon: &Daemon, times: usize, side_by_side: usize) -> Vec<String> {
    let all = (0..side_by_side).map(|_| async {
        let mut ids = Vec::new();
        for _ in 0..times / side_by_side {
            ids.push(daemon.get("/containers").await.header("x-request-id").unwrap().to_owned());
        }
        ids
    });
    futures_util::future::join_all(all).await.concat()
}

fn ids_of<'a>(lines: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    let of_requests = lines.into_iter().filter(|line| line["method"] != "DAEMON");
    of_requests.map(|line| line["request_id"].as_str().unwrap()).collect()
}

/// Reads a file over and over: it is there each time, and every line of it whole.
struct Reader {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Reader {
    fn of(path: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut times = 0;
            while !seen.load(Ordering::Relaxed) {
                let text = std::fs::read_to_string(&path).expect("the current log is there at every moment");
                // What comes after the last line feed is being written.
                let whole = text.rfind('\n').map_or("", |end| &text[..end]);
                for line in whole.lines() {
                    serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
                }
                times += 1;
            }
            times
        });
        Self { is_over, thread }
    }

    /// How often it has read.
    fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_is_put_aside_and_no_line_is_lost_or_split() {
    let builder = Daemon::builder().env("APP_LOG_MAX_BYTES", "4000").env("APP_LOG_KEEP", "500");
    let daemon = builder.start().await;
    let reader = Reader::of(daemon.data().join("logs/actions.jsonl"));
    let asked = ask(&daemon, 240, 8).await;
    assert!(reader.end() > 100, "the reader looked often enough");
    let logs = logs(&daemon);
    assert!(logs.len() > 10, "{:?}", logs.keys());
    let mut found = ids_of(logs.values().flatten());
    found.sort_unstable();
    let mut asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    asked.sort_unstable();
    assert_eq!(found, asked);
    for name in logs.keys() {
        let length = std::fs::metadata(daemon.data().join("logs").join(name)).unwrap().len();
        assert!(length <= 4000, "{name} has {length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_log_goes_and_the_current_one_keeps_its_name() {
    let builder = Daemon::builder().env("APP_LOG_MAX_BYTES", "2000").env("APP_LOG_KEEP", "3");
    let mut daemon = builder.start().await;
    let asked = ask(&daemon, 60, 1).await;
    let names = |logs: &BTreeMap<String, Vec<Value>>| logs.keys().cloned().collect::<Vec<_>>().join(" ");
    let kept = logs(&daemon);
    assert_eq!(names(&kept), "actions.jsonl actions.jsonl.1 actions.jsonl.2 actions.jsonl.3");
    let old_to_new = ["actions.jsonl.3", "actions.jsonl.2", "actions.jsonl.1", "actions.jsonl"];
    let found = ids_of(old_to_new.iter().flat_map(|name| &kept[*name]));
    assert_eq!(found, asked[asked.len() - found.len()..], "the last ones, in order");
    daemon.terminate().await;
    let daemon = daemon.again().env("APP_LOG_KEEP", "1").start().await;
    ask(&daemon, 20, 1).await;
    assert_eq!(names(&logs(&daemon)), "actions.jsonl actions.jsonl.1", "fewer are kept than before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_zero_is_none() {
    let daemon = Daemon::builder().env("APP_LOG_MAX_BYTES", "0").start().await;
    ask(&daemon, 20, 1).await;
    assert_eq!(logs(&daemon).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_moved_or_removed_from_outside_is_opened_anew() {
    let daemon = Daemon::start().await;
    let folder = daemon.data().join("logs");
    let before = ask(&daemon, 3, 1).await;
    std::fs::rename(folder.join("actions.jsonl"), folder.join("moved")).unwrap();
    let after = ask(&daemon, 3, 1).await;
    assert_eq!(ids_of(&logs(&daemon)["moved"]), before);
    assert_eq!(ids_of(&logs(&daemon)["actions.jsonl"]), after);
    std::fs::remove_file(folder.join("actions.jsonl")).unwrap();
    std::fs::write(folder.join("actions.jsonl"), "").unwrap();
    let after = ask(&daemon, 2, 1).await;
    assert_eq!(ids_of(&logs(&daemon)["actions.jsonl"]), after, "another file of the same name");
    std::fs::remove_dir_all(&folder).unwrap();
    let after = ask(&daemon, 2, 1).await;
    assert_eq!(ids_of(&logs(&daemon)["actions.jsonl"]), after, "the folder is made again");
}
