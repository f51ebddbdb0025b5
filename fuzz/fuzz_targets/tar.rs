//! The context of a build: what is taken has safe names only, stays beneath its folder, and leaves nothing.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wharfinger::files::ContextKind;
use wharfinger_fuzz::{Lab, MOST_ENTRIES, right_tar, safe_tree};

static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

fuzz_target!(|data: &[u8]| {
    let Some((flags, tar)) = data.split_first() else { return };
    let mut tar = tar.to_vec();
    if flags & 1 == 1 {
        right_tar(&mut tar);
    }
    let kind = if flags & 2 == 2 { ContextKind::Either } else { ContextKind::Tar };
    let cuid = LAB.mount();
    let staged = LAB.staged(&tar).and_then(|staged| LAB.wait(LAB.files.stage_build(staged, kind)));
    match staged {
        Err(error) => assert!(error.code().word().status() < 500, "the daemon's own fault: {error}"),
        Ok(stage) => {
            let context = stage.context();
            let tree = safe_tree(&context);
            assert!(tree.len() as u64 <= MOST_ENTRIES * 8, "{tree:?}");
            for path in tree.keys() {
                let found = stage.find(path).expect("a path of the context can be looked for");
                assert!(found.is_none_or(|found| found.starts_with(&context)));
            }
            LAB.wait(stage.remove());
        }
    }
    LAB.remove(cuid);
});
