//! An upload: what is refused changes nothing, what is taken has safe names only, and a download of it is the same.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wharfinger::files::UnpackMode;
use wharfinger_fuzz::{DEEPEST, Lab, MOST_ENTRIES, MOST_UNPACKED, counts, right_zip};

static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

fuzz_target!(|data: &[u8]| {
    let Some((flags, zip)) = data.split_first() else { return };
    let mut zip = zip.to_vec();
    if flags & 1 == 1 {
        right_zip(&mut zip);
    }
    let to = if flags & 2 == 2 { "kept/in" } else { "" };
    let mode = if flags & 4 == 4 { UnpackMode::Replace } else { UnpackMode::Merge };
    let cuid = LAB.mount();
    if flags & 8 == 8 {
        // Something is there already.
        LAB.upload(cuid, include_bytes!("../seeds/there.zip"), "", UnpackMode::Merge)
            .expect("a good archive");
    }
    let before = LAB.tree(cuid);
    match LAB.upload(cuid, &zip, to, mode) {
        Err(error) => {
            assert!(error.code().word().status() < 500, "the daemon's own fault: {error}");
            assert_eq!(LAB.tree(cuid), before, "what is refused changes nothing");
        }
        Ok(unpacked) => {
            let after = LAB.tree(cuid);
            assert!(unpacked.files + unpacked.directories <= MOST_ENTRIES * (DEEPEST as u64 + 1));
            assert!(unpacked.bytes <= MOST_UNPACKED);
            if before.is_empty() && to.is_empty() {
                assert_eq!((unpacked.files, unpacked.directories), counts(&after), "{after:?}");
            }
            // A download names the folders too that the upload only implied.
            if before.is_empty() && to.is_empty() && after.len() as u64 <= MOST_ENTRIES {
                let again = LAB.packed(cuid, "").expect("what was taken can be downloaded");
                let copy = LAB.mount();
                LAB.upload(copy, &again, "", UnpackMode::Merge).expect("a downloaded archive is taken");
                assert_eq!(LAB.tree(copy), after, "a download is what was uploaded");
                LAB.remove(copy);
            }
        }
    }
    LAB.remove(cuid);
});
