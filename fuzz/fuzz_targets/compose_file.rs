//! A compose file that someone has edited: what is read of it is written so that it reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharfinger::container::compose_file::{Surroundings, read, render, without_values};
use wharfinger::container::spec::Owner;
use wharfinger::container::{Cuid, EngineKind};
use wharfinger_fuzz::CUID;

fuzz_target!(|text: &str| {
    let (podman, text) = text.strip_prefix('P').map_or((false, text), |text| (true, text));
    // No fuzzer guesses the id.
    let text = text.replace("ID", CUID);
    let cuid: Cuid = CUID.parse().expect("a cuid");
    let _ = without_values(&text);
    let Ok(definition) = read(cuid, &text) else { return };
    let engine = if podman { EngineKind::Podman } else { EngineKind::Docker };
    let around = Surroundings { owner: Owner { uid: 1000, gid: 1000 }, network: "net".to_owned(), engine };
    let written = render(cuid, &definition, &around).expect("what was read can be written");
    let again = read(cuid, &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!((&again.spec, &again.by_hand), (&definition.spec, &definition.by_hand), "{written}");
    assert_eq!(again.created_at, definition.created_at);
    let written_again = render(cuid, &again, &around).expect("what was read can be written");
    assert_eq!(written_again, written, "the file comes to rest");
    assert!(without_values(&written).is_some(), "our own file can be shown");
});
