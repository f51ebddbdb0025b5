//! Archives made at random of good and bad parts, and good ones with other bytes: what is taken becomes exactly what
//! was listed, what is refused changes nothing.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use super::super::UnpackMode;
use super::super::archive::testing::tars::{Tar, gzip};
use super::super::archive::testing::{Raw, file, link, with_mode, zip, zip64};
use super::super::build_stage::ContextKind;
use super::{House, rounds};
use crate::codes::Code;

/// Names of which some cannot stand beside others, and some not at all.
const NAMES: [&str; 16] = [
    "a",
    "b",
    "d/a",
    "d/b",
    "d/e/a",
    "d",
    "e",
    "grüße/ü",
    "x y",
    "d/",
    "e/",
    "../a",
    "/a",
    "a\\b",
    "d//a",
    "d/../a",
];
const TARGETS: [&str; 6] = ["a", "d/a", "../a", "../../a", "/a", "x/../a"];

/// One entry as it is meant.
#[derive(Clone, Debug)]
enum Part {
    File { name: &'static str, data: Vec<u8>, form: u8 },
    Link { name: &'static str, target: &'static str },
    Fifo { name: &'static str },
}

impl Part {
    fn any() -> impl Strategy<Value = Self> {
        let name = || select(&NAMES[..]);
        prop_oneof![
            12 => (name(), vec(any::<u8>(), 0..40), 0..6_u8).prop_map(|(name, data, form)| Self::File { name, data, form }),
            2 => (name(), select(&TARGETS[..])).prop_map(|(name, target)| Self::Link { name, target }),
            1 => name().prop_map(|name| Self::Fifo { name }),
        ]
    }

    /// What it is in the archive, where some forms lie.
    fn raw(&self) -> Raw {
        match self {
            Self::File { name, data, form } => {
                let data = if name.ends_with('/') { &[][..] } else { data };
                match form {
                    0..=2 => file(name, data),
                    3 => file(name, data).deflated(),
                    4 => file(name, data).deflated().streamed(true, false),
                    _ => file(name, data).local(|header| header.crc ^= u32::from(data.len() % 3 == 0)),
                }
            }
            Self::Link { name, target } => link(name, target),
            Self::Fifo { name } => with_mode(name, "", 0o010_644),
        }
    }

    /// The paths that it makes, with what is there then.
    fn listed(&self, to: &mut BTreeMap<String, String>) {
        let (name, what) = match self {
            Self::File { name, .. } if name.ends_with('/') => (*name, "/".to_owned()),
            Self::File { name, data, .. } => (*name, String::from_utf8_lossy(data).into_owned()),
            Self::Link { name, target } => (*name, format!("-> {target}")),
            Self::Fifo { name } => (*name, "special".to_owned()),
        };
        let name = name.trim_end_matches('/');
        for (at, _) in name.match_indices('/') {
            to.insert(name[..at].to_owned(), "/".to_owned());
        }
        to.insert(name.to_owned(), what);
    }
}

fn run<S: Strategy>(cases: usize, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config =
        Config { cases: u32::try_from(cases).unwrap(), failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

/// Uploads into an empty folder; what is then in the mount, if it was taken.
fn upload(house: &House, bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let runtime = tokio::runtime::Handle::current();
    let before = house.tree();
    let taken = runtime.block_on(house.upload(bytes, "to", UnpackMode::Replace));
    assert!(house.staging_is_empty());
    let after = house.tree();
    match taken {
        Ok(unpacked) => {
            let beneath = |what: &BTreeMap<String, String>| {
                let named = what
                    .iter()
                    .filter_map(|(path, what)| Some((path.strip_prefix("to/")?.to_owned(), what.clone())));
                named.collect::<BTreeMap<_, _>>()
            };
            let tree = beneath(&after);
            let folders = tree.values().filter(|what| *what == "/").count() as u64;
            assert_eq!(
                (unpacked.files, unpacked.directories),
                (tree.len() as u64 - folders, folders),
                "{tree:?}"
            );
            let others = |tree: &BTreeMap<String, String>| {
                tree.keys().filter(|path| !path.starts_with("to/")).cloned().collect::<Vec<_>>()
            };
            assert_eq!(others(&after), others(&before), "nothing else is touched");
            Some(tree)
        }
        Err(error) => {
            assert!(!matches!(error.code(), Code::InternalError | Code::IoFailed), "{error}");
            assert_eq!(after, before, "{error}");
            None
        }
    }
}

async fn furnished() -> House {
    let house = House::with(|limits| (limits.entries, limits.unpacked_bytes) = (100, 1 << 20)).await;
    house.write("to/kept", "kept");
    house.write("beside", "kept");
    house
}

/// Runs what needs the house and blocks, beside the runtime.
async fn beside(work: impl FnOnce(&House) + Send + 'static) {
    let house = furnished().await;
    tokio::task::spawn_blocking(move || work(&house)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_of_random_archives_is_exactly_what_they_list() {
    beside(|house| {
        let taken = std::cell::Cell::new(0);
        run(rounds(100), &(vec(Part::any(), 0..6), any::<bool>()), |(parts, wide)| {
            let entries: Vec<Raw> = parts.iter().map(Part::raw).collect();
            let bytes = if wide { zip64(&entries, None) } else { zip(&entries) };
            let mut listed = BTreeMap::new();
            for part in &parts {
                part.listed(&mut listed);
            }
            if let Some(tree) = upload(house, &bytes) {
                taken.set(taken.get() + 1);
                prop_assert_eq!(tree, listed);
            }
            Ok(())
        });
        assert!(taken.get() > 9, "only {} of them were taken", taken.get());
    })
    .await;
}

/// Bytes of an archive changed, left out, put in, or cut off.
fn mutated(bytes: &[u8], changes: &[(u8, Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (kind, at, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind {
            0..=5 => bytes[at] = *byte,
            6 => drop(bytes.remove(at)),
            7 => bytes.insert(at, *byte),
            8 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(u8, Index, u8)>> {
    vec((0..10_u8, any::<Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff)]), 1..5)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_with_other_bytes_is_taken_whole_or_not_at_all() {
    let entries = [
        file("d/", ""),
        file("d/a", "hello"),
        file("b", "hello").deflated().streamed(true, false),
        link("l", "b"),
    ];
    let good = [zip(&entries), zip64(&entries, None)];
    beside(move |house| {
        run(rounds(200), &(0..2_usize, changes()), |(which, changes)| {
            upload(house, &mutated(&good[which], &changes));
            Ok(())
        });
        assert_eq!(upload(house, &good[0]).map(|tree| tree.len()), Some(4));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tar_with_other_bytes_is_taken_or_refused_and_leaves_nothing() {
    let tar = Tar::new()
        .file("a", "hello")
        .dir("d")
        .long_file(&"n".repeat(120), "x")
        .pax(b'x', "path", "p/q")
        .file("x", "y");
    let tar = tar.link("l", "a").hard_link("h", "a").bytes();
    let good = [gzip(&tar), tar];
    beside(move |house| {
        let runtime = tokio::runtime::Handle::current();
        run(rounds(200), &(0..2_usize, changes()), |(which, changes)| {
            let bytes = mutated(&good[which], &changes);
            if let Err(error) = runtime.block_on(house.context(&bytes, ContextKind::Tar)) {
                prop_assert!(!matches!(error.code(), Code::InternalError | Code::IoFailed), "{}", error);
            }
            prop_assert!(house.staging_is_empty());
            Ok(())
        });
        runtime.block_on(house.context(&good[0], ContextKind::Tar)).unwrap();
    })
    .await;
}
