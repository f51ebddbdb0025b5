//! A container that exchanges folders and files for links to the outside, against everything the daemon does in its
//! mount. Beside each a control that looks first and works afterwards, which has to be caught in the same race.
//!
//! With `RELIABILITY_ROUNDS` each verb has 100,000 rounds at least.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::archive::testing::{file, zip};
use super::super::{FilesError, Page, UnpackMode};
use super::race::{Arena, INSIDE, SECRET, Swap, names};
use super::{collect, path, rounds};

/// How many rounds a verb has, over all that is exchanged; and how many when there is time.
const ROUNDS: usize = 240;
const LONG: usize = 100_000;
/// How long the control may take to be caught.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERYWHERE: &[Swap] = &[Swap::Folder, Swap::Middle, Swap::File];
/// For what names folders, or takes a link for what it is.
const FOLDERS: &[Swap] = &[Swap::Folder, Swap::Middle];

/// What the daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Download,
    DownloadZip,
    UploadMerge,
    UploadReplace,
    List,
    Put,
    Delete,
    DeleteTree,
    Mkdir,
    MoveOut,
    MoveIn,
    DeleteContainer,
}

async fn race(verb: Verb, swaps: &[Swap]) {
    let all = if rounds(1) > 1 { rounds(ROUNDS).max(LONG) } else { ROUNDS };
    let share = all.div_ceil(swaps.len());
    for swap in swaps {
        let begun = Instant::now();
        let mut control = 0;
        let arena = Arena::new(*swap).await;
        while !naive(verb, &arena) {
            control += 1;
            assert!(
                begun.elapsed() < PATIENCE,
                "{verb:?} {swap:?}: the control was not caught, the race was none"
            );
            arena.restore();
        }
        drop(arena);
        let (arena, begun, rounds) = (Arena::new(*swap).await, Instant::now(), share);
        let (mut done, mut round, mut over) = (0, 0, None);
        // More than the rounds where the container did not get its share of the processor.
        while round < rounds || done == 0 || arena.swaps() < rounds as u64 {
            done += usize::from(act(verb, &arena, round).await.is_ok());
            assert!(!arena.is_harmed(), "{verb:?} {swap:?}: the outside was changed in round {round}");
            arena.restore();
            round += 1;
            let after =
                if round < rounds { Duration::ZERO } else { over.get_or_insert_with(Instant::now).elapsed() };
            assert!(
                after < PATIENCE,
                "{verb:?} {swap:?}: {done} of {round} done, {} exchanges",
                arena.swaps()
            );
        }
        let (swaps, took) = (arena.swaps(), begun.elapsed());
        eprintln!(
            "{verb:?} {swap:?}: control caught after {control}; {done} of {round} done, {swaps} exchanges, {took:?}"
        );
        // What could not be removed at once, since the container was at it, goes a moment later.
        let begun = Instant::now();
        while !arena.house.staging_is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{verb:?} {swap:?}: something stays in staging");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One round of the daemon's own. What is read is the mount's, or nothing.
async fn act(verb: Verb, arena: &Arena, round: usize) -> Result<(), FilesError> {
    let (house, swap) = (&arena.house, arena.swap);
    let (dir, at) = (swap.dir(), swap.file());
    match verb {
        Verb::Download => {
            let open = house.files.open_file(house.cuid, &path(&at)).await?;
            assert_eq!(&collect(open.read_range(0, open.len)).await?, INSIDE.as_bytes());
            Ok(())
        }
        Verb::DownloadZip => {
            let bytes = collect(house.files.pack(house.cuid, &path(dir)).await?).await?;
            let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
            for number in 0..zip.len() {
                let (mut text, mut entry) = (String::new(), zip.by_index(number).unwrap());
                assert!(!entry.name().unwrap().contains(SECRET), "{swap:?}: what is outside was packed");
                entry.read_to_string(&mut text).unwrap();
                assert_ne!(text, SECRET, "{swap:?}: what is outside was packed");
            }
            Ok(())
        }
        Verb::UploadMerge => {
            let (to, mode) = (if round.is_multiple_of(2) { dir } else { "in" }, UnpackMode::Merge);
            house.upload(&archive(round), to, mode).await.map(drop)
        }
        Verb::UploadReplace => house.upload(&archive(round), dir, UnpackMode::Replace).await.map(drop),
        Verb::List => {
            let page = Page { limit: 100, after: None };
            let listing = house.files.list(house.cuid, &path(dir), page).await?;
            assert!(
                listing.entries.iter().all(|entry| entry.name != SECRET.as_bytes()),
                "outside was listed"
            );
            Ok(())
        }
        Verb::Put => house.put(&at, INSIDE).await.map(drop),
        Verb::Delete => house.remove_at(&at, false).await,
        Verb::DeleteTree => {
            // A name of its own, since a removal that is refused leaves its tree.
            let tree = format!("tree{round}");
            arena.plant(&house.at(&tree));
            house.remove_at(&tree, true).await
        }
        Verb::Mkdir => {
            let made = format!("{dir}/made{}", round % 3);
            house.make(&format!("{made}/deep"), true).await?;
            house.remove_at(&made, true).await
        }
        Verb::MoveOut => {
            house.relocate(&at, "moved", true).await?;
            assert_ne!(house.read("moved"), SECRET, "what is outside was moved into the mount");
            Ok(())
        }
        Verb::MoveIn => {
            house.write("new", INSIDE);
            house.relocate("new", &at, true).await
        }
        Verb::DeleteContainer => {
            let (cuid, at) = arena.other_mount();
            arena.plant(&at);
            house.files.remove(cuid).await
        }
    }
}

/// One round of the control: says whether it was caught.
fn naive(verb: Verb, arena: &Arena) -> bool {
    let root = arena.house.at("").canonicalize().unwrap();
    let is_inside = |path: &Path| path.canonicalize().is_ok_and(|real| real.starts_with(&root));
    let (dir, at) = (arena.house.at(arena.swap.dir()), arena.house.at(&arena.swap.file()));
    // What every verb looks at first.
    let (dir_is_inside, is_inside) = (is_inside(&dir), is_inside(&at));
    let mut read = false;
    match verb {
        Verb::Download => read = is_inside && fs::read(&at).is_ok_and(|text| text == SECRET.as_bytes()),
        Verb::DownloadZip if dir_is_inside => {
            let files = names(&dir).map(|name| dir.join(name));
            let plain = files.filter(|path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()));
            read = plain.into_iter().any(|path| fs::read(path).is_ok_and(|text| text == SECRET.as_bytes()));
        }
        Verb::UploadMerge | Verb::UploadReplace if dir_is_inside && is_inside => {
            if verb == Verb::UploadReplace {
                naive_remove(&at);
            }
            let _ = zip::ZipArchive::new(Cursor::new(archive(0))).unwrap().extract(&dir);
            if arena.swap == Swap::File {
                let _ = fs::write(&at, INSIDE);
            }
        }
        Verb::List => read = dir_is_inside && names(&dir).any(|name| name == SECRET),
        Verb::Put if is_inside => drop(fs::write(&at, INSIDE)),
        Verb::Delete if is_inside => drop(fs::remove_file(&at)),
        Verb::DeleteTree | Verb::DeleteContainer => {
            let tree = arena.house.at("tree");
            arena.plant(&tree);
            naive_remove(&tree);
            // What is exchanged meanwhile is met as what it no longer is: the rest is for the next round's place.
            while fs::symlink_metadata(&tree).is_ok() {
                let _ = fs::remove_dir_all(&tree);
            }
        }
        Verb::Mkdir if dir_is_inside => {
            let _ = fs::create_dir_all(dir.join("made/deep"));
            let _ = fs::remove_dir(dir.join("made"));
        }
        Verb::MoveOut if is_inside => {
            let _ = fs::rename(&at, arena.house.at("moved"));
            read = fs::read(arena.house.at("moved")).is_ok_and(|text| text == SECRET.as_bytes());
        }
        Verb::MoveIn if dir_is_inside => {
            fs::write(arena.house.at("new"), INSIDE).unwrap();
            let _ = fs::rename(arena.house.at("new"), &at);
        }
        _ => {}
    }
    arena.is_harmed() || read
}

/// Removes by path what it finds, as `rm -r` did before there was `openat`.
fn naive_remove(at: &Path) {
    if fs::symlink_metadata(at).is_ok_and(|meta| meta.is_dir()) {
        names(at).for_each(|name| naive_remove(&at.join(name)));
        let _ = fs::remove_dir(at);
    } else {
        let _ = fs::remove_file(at);
    }
}

/// Small, since what it holds does not matter.
fn archive(round: usize) -> Vec<u8> {
    if round.is_multiple_of(4) {
        zip(&[file("file", INSIDE)])
    } else {
        zip(&[file("file", INSIDE), file("deep/file", INSIDE)])
    }
}

#[tokio::test]
async fn a_download_reads_nothing_outside() {
    race(Verb::Download, EVERYWHERE).await;
}

#[tokio::test]
async fn a_folder_s_download_reads_nothing_outside() {
    race(Verb::DownloadZip, EVERYWHERE).await;
}

#[tokio::test]
async fn an_upload_that_merges_writes_nothing_outside() {
    race(Verb::UploadMerge, EVERYWHERE).await;
}

#[tokio::test]
async fn an_upload_that_replaces_writes_and_removes_nothing_outside() {
    race(Verb::UploadReplace, EVERYWHERE).await;
}

#[tokio::test]
async fn a_list_shows_nothing_outside() {
    race(Verb::List, FOLDERS).await;
}

#[tokio::test]
async fn a_put_writes_nothing_outside() {
    race(Verb::Put, EVERYWHERE).await;
}

#[tokio::test]
async fn a_removal_removes_nothing_outside() {
    race(Verb::Delete, FOLDERS).await;
}

#[tokio::test]
async fn a_tree_is_removed_without_what_its_links_lead_to() {
    race(Verb::DeleteTree, &[Swap::Folder]).await;
}

#[tokio::test]
async fn a_new_folder_is_made_nowhere_outside() {
    race(Verb::Mkdir, FOLDERS).await;
}

#[tokio::test]
async fn a_move_takes_nothing_from_outside() {
    race(Verb::MoveOut, FOLDERS).await;
}

#[tokio::test]
async fn a_move_puts_nothing_outside() {
    race(Verb::MoveIn, FOLDERS).await;
}

#[tokio::test]
async fn a_container_s_removal_removes_nothing_outside() {
    race(Verb::DeleteContainer, &[Swap::Folder]).await;
}
