//! A container that changes names while the file manager works on them.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::manage::if_match;
use super::{House, path, rounds};
use crate::codes::Code;

/// Does something without a pause until it is stopped.
struct Hostile {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Hostile {
    fn start(mut act: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                act();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_never_swallows_a_folder_or_a_link_that_the_container_puts_in_its_place() {
    let house = House::new().await;
    house.write("name", "file");
    house.write("folder/kept", "kept");
    let (name, folder, swaps) = (house.at("name"), house.at("folder"), Arc::new(AtomicUsize::new(0)));
    let hostile = Hostile::start({
        let swaps = Arc::clone(&swaps);
        move || {
            let swapped = renameat_with(CWD, &name, CWD, &folder, RenameFlags::EXCHANGE).is_ok();
            swaps.fetch_add(usize::from(swapped), Ordering::Relaxed);
        }
    });
    let (mut put, mut refused) = (0, 0);
    for _ in 0..rounds(500) {
        match house.put("name", "new").await {
            Ok(_) => put += 1,
            Err(_) => refused += 1,
        }
        // Removing without `recursive` takes the file at most.
        let _ = house.remove_at("name", false).await;
        if !house.at("name").exists() || !house.at("folder").exists() {
            let _ = house.put("name", "again").await;
            let _ = house.put("folder", "again").await;
        }
    }
    drop(hostile);
    let swaps = swaps.load(Ordering::Relaxed);
    eprintln!("put {put}, refused {refused}, swapped {swaps}");
    assert!(put > 0 && swaps > 100, "the race was none: put {put}, swapped {swaps}");
    let tree = house.tree();
    assert!(tree.iter().any(|(path, text)| path.ends_with("/kept") && text == "kept"), "{tree:?}");
    assert!(house.staging_is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_with_if_match_replaces_only_what_was_read_under_the_tag() {
    let house = House::new().await;
    house.write("f", "0");
    // The container writes 1, 2, 3… as `mv` does, and notes which of its own the API had replaced by then.
    let replaced = Arc::new(Mutex::new(Vec::new()));
    let hostile = Hostile::start({
        // Beside it, as all that a container can rename: a file that leaves the mount while it is opened is refused.
        let (at, aside, replaced) = (house.at("f"), house.at("aside"), Arc::clone(&replaced));
        let mut written = 0;
        move || {
            fs::write(&aside, (written + 1).to_string()).unwrap();
            renameat_with(CWD, &at, CWD, &aside, RenameFlags::EXCHANGE).unwrap();
            if fs::read_to_string(&aside).unwrap() == "api" {
                replaced.lock().unwrap().push(written.to_string());
            }
            written += 1;
            fs::remove_file(&aside).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let (mut read, mut put, mut refused, mut undone) = (HashSet::new(), 0, 0, 0);
    for _ in 0..rounds(1500) {
        let open = house.files.open_file(house.cuid, &path("f")).await.unwrap();
        let bytes = Box::pin(open.read_range(0, open.len)).next().await.unwrap().unwrap();
        match house.put_if("f", "api", if_match(&open.etag)).await {
            Ok(_) => {
                put += 1;
                read.insert(String::from_utf8(bytes.to_vec()).unwrap());
            }
            Err(error) if error.code() == Code::FileChanged => undone += 1,
            Err(error) => {
                assert_eq!(error.code(), Code::PreconditionFailed, "{error}");
                refused += 1;
            }
        }
    }
    drop(hostile);
    let replaced = replaced.lock().unwrap();
    let lost = replaced.iter().filter(|written| !read.contains(*written)).count();
    eprintln!("put {put}, refused {refused}, undone {undone}; replaced {}, unread {lost}", replaced.len());
    assert!(put > 0 && refused > 0 && !replaced.is_empty(), "the race was none");
    // Where the container comes between the exchange and its taking back, it has seen what is undone.
    assert!(lost <= undone, "{lost} of the container's files were replaced unread, {undone} undone");
    assert!(house.staging_is_empty());
}
