//! Unit tests of the audit log: its lines, its files, what a crash leaves, what is read back.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use super::{Action, Audit, FILE, Phase, Place, Rotation, Search, append, new_id, now};

const NEVER: Rotation = Rotation { max_bytes: None, keep: 1 };

#[test]
fn a_line_that_a_crash_left_unfinished_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
    let audit = Audit::open(folder.path(), NEVER).unwrap();
    audit.write(&Action { path: "/x\u{85}\u{2028}\ny".to_owned(), ..Action::default() });
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.is_ascii() && text.ends_with('\n'), "{text}");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["path"], "/x\u{85}\u{2028}\ny");
}

#[test]
fn no_line_is_lost_or_torn_when_others_write_rotate_and_cut() {
    const LINES: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let action = |path: String| Action { path, ..Action::default() };
    let rotation = Rotation { max_bytes: Some(20_000), keep: 1000 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let audit = Audit::open(folder, rotation).unwrap();
            (0..LINES).for_each(|number| audit.write(&action(format!("daemon-{number}"))));
            assert!(!audit.is_failing());
        });
        // A daemon that starts cuts the file back to its last whole line.
        scope.spawn(|| (0..LINES).for_each(|_| drop(Audit::open(folder, rotation).unwrap())));
        for writer in 0..2 {
            scope.spawn(move || {
                (0..LINES).for_each(|number| {
                    // Of many pages, so that a reader may meet a piece of it.
                    let path = format!("{writer}-{number}-{}", "x".repeat(number * 40));
                    append(folder, &action(path)).unwrap();
                });
            });
        }
    });
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
        count += text.lines().map(parse).collect::<Vec<_>>().len();
    }
    assert_eq!(count, 3 * LINES);
}

#[test]
fn a_command_cuts_off_what_a_crash_left_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
    append(folder.path(), &Action::default()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"a\":1}\n{\"timestamp") && text.lines().count() == 2, "{text}");
    // Whoever holds the lock and does not go on stops no daemon.
    let stopped = std::fs::File::open(&path).unwrap();
    stopped.lock().unwrap();
    let audit = Audit::open(folder.path(), NEVER).unwrap();
    audit.write(&Action::default());
    assert!(!audit.is_failing());
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
}

/// The lines of all files, the oldest first: what each says of its path.
fn paths(folder: &Path) -> Vec<String> {
    let mut names: Vec<(usize, PathBuf)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix(FILE)?.to_owned();
            Some((name.strip_prefix('.').map_or(0, |number| number.parse().unwrap()), path))
        })
        .collect();
    names.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let lines = names.iter().flat_map(|(_, path)| {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{}", path.display());
        text.lines().map(|line| path_of(line.as_bytes())).collect::<Vec<_>>()
    });
    lines.collect()
}

fn path_of(line: &[u8]) -> String {
    let line: Value = serde_json::from_slice(line).unwrap();
    line["path"].as_str().unwrap().to_owned()
}

/// A line that says this of its path.
fn at(path: &str) -> Action {
    Action {
        path: path.to_owned(),
        id: new_id(),
        timestamp: now(),
        request_id: "r".to_owned(),
        ..Action::default()
    }
}

/// A few lines a file.
const OFTEN: Rotation = Rotation { max_bytes: Some(1500), keep: 1000 };

#[test]
fn a_rotation_that_was_cut_short_after_any_step_is_ended_and_loses_no_line() {
    type CutShort = fn(&Path);
    let steps: [(&str, CutShort); 4] = [
        ("the numbers were moved up", move_up),
        ("one number was moved up", |folder| {
            let last = (1..20).rev().find(|n| folder.join(format!("{FILE}.{n}")).exists()).unwrap();
            let name = |number: usize| folder.join(format!("{FILE}.{number}"));
            std::fs::rename(name(last), name(last + 1)).unwrap();
        }),
        ("it has both names", |folder| {
            move_up(folder);
            std::fs::hard_link(folder.join(FILE), folder.join(format!("{FILE}.1"))).unwrap();
        }),
        ("the next one is there", |folder| {
            move_up(folder);
            std::fs::hard_link(folder.join(FILE), folder.join(format!("{FILE}.1"))).unwrap();
            std::fs::write(folder.join(format!(".{FILE}.new")), "").unwrap();
        }),
    ];
    for (name, cut_short) in steps {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let audit = Audit::open(folder, OFTEN).unwrap();
        (0..30).for_each(|number| audit.write(&at(&number.to_string())));
        drop(audit);
        cut_short(folder);
        let all = |folder: &Path, until: usize| {
            let search = Search { limit: 500, ..Search::default() };
            let audit = Audit::open(folder, OFTEN).unwrap();
            let found = audit.page(&search, &|_| true).unwrap();
            let read: Vec<String> = found.lines.iter().rev().map(|line| line.path.clone()).collect();
            let expected: Vec<String> = (0..until).map(|number| number.to_string()).collect();
            assert_eq!(paths(folder), expected, "{name}");
            assert_eq!(read, expected, "{name}: what is read back");
            audit
        };
        let audit = all(folder, 30);
        (30..60).for_each(|number| audit.write(&at(&number.to_string())));
        assert!(!audit.is_failing(), "{name}");
        drop(audit);
        all(folder, 60);
    }
}

/// Each full file gets one number more.
fn move_up(folder: &Path) {
    for number in (1..20).rev() {
        let name = |number: usize| folder.join(format!("{FILE}.{number}"));
        if name(number).exists() {
            std::fs::rename(name(number), name(number + 1)).unwrap();
        }
    }
}

#[test]
fn a_reader_finds_the_current_file_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let audit = Audit::open(folder, Rotation { max_bytes: Some(400), keep: 3 }).unwrap();
    audit.write(&at("first"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut times = 0;
            while !is_over.load(Ordering::Relaxed) {
                let bytes = std::fs::read(folder.join(FILE)).expect("the current file is there");
                let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
                bytes[..whole].split_inclusive(|byte| *byte == b'\n').for_each(|line| drop(path_of(line)));
                times += 1;
            }
            times
        });
        (0..2000).for_each(|number| audit.write(&at(&number.to_string())));
        is_over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 100, "the reader was fast enough to see something");
    });
}

#[test]
fn pages_have_nothing_twice_and_miss_nothing_while_lines_are_appended_and_files_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::open(folder.path(), OFTEN).unwrap();
    (0..200).for_each(|number| audit.write(&at(&number.to_string())));
    let mut search = Search { limit: 7, ..Search::default() };
    let mut seen = Vec::new();
    loop {
        let found = audit.page(&search, &|_| true).unwrap();
        assert!(found.lines.len() <= 7);
        seen.extend(found.lines.iter().map(|line| line.path.clone()));
        // Whole files are put aside between two pages.
        (0..20).for_each(|number| audit.write(&at(&format!("later-{number}"))));
        let Some(next) = found.next else { break };
        search.before = Some(next.to_string().parse().unwrap());
    }
    let expected: Vec<String> = (0..200).rev().map(|number: usize| number.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_place_in_a_file_that_fell_off_has_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::open(folder.path(), Rotation { max_bytes: Some(1500), keep: 2 }).unwrap();
    (0..10).for_each(|number| audit.write(&at(&number.to_string())));
    let mut search = Search { limit: 5, ..Search::default() };
    search.before = audit.page(&search, &|_| true).unwrap().next;
    assert!(search.before.is_some());
    (0..100).for_each(|number| audit.write(&at(&number.to_string())));
    let found = audit.page(&search, &|_| true).unwrap();
    assert!(found.lines.is_empty() && found.next.is_none(), "{found:?}");
    for wrong in
        ["", ".", "1.1", "x.1", "00000000000000000000000000000000.+1", "00000000000000000000000000000000.01"]
    {
        assert!(wrong.parse::<Place>().is_err(), "{wrong}");
    }
}

#[test]
fn lines_are_found_by_time_container_action_user_and_phase() {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::open(folder.path(), NEVER).unwrap();
    let day = |hour: u32| format!("2026-01-31T{hour:02}:00:00.000+00:00");
    for hour in 0..20 {
        audit.write(&Action {
            timestamp: day(hour),
            action: if hour % 2 == 0 { "container.start" } else { "containers.none" },
            cuid: Some(format!("c{}", hour % 4)),
            user: Some("quo\"ted\u{85}".to_owned()),
            // A text that looks like another field, and does not count.
            message: Some("\"cuid\":\"c9\"".to_owned()),
            phase: if hour == 3 { Phase::Interrupted } else { Phase::Outcome },
            ..at(&hour.to_string())
        });
    }
    let ask = |search: Search| {
        let found = audit.page(&Search { limit: 100, ..search }, &|cuid| cuid != Some("c1")).unwrap();
        found.lines.iter().map(|line| line.path.clone()).collect::<Vec<_>>().join(" ")
    };
    let time = |hour: u32| Some(day(hour).parse().unwrap());
    assert_eq!(ask(Search { since: time(16), ..Search::default() }), "19 18 16");
    assert_eq!(ask(Search { since: time(5), until: time(8), ..Search::default() }), "8 7 6");
    assert_eq!(ask(Search { cuid: Some("c2".to_owned()), since: time(9), ..Search::default() }), "18 14 10");
    assert_eq!(ask(Search { cuid: Some("c9".to_owned()), ..Search::default() }), "");
    assert_eq!(ask(Search { cuid: Some("c1".to_owned()), ..Search::default() }), "", "not seen");
    let actions = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(
        ask(Search { actions: actions(&["container."]), since: time(15), ..Search::default() }),
        "18 16"
    );
    assert_eq!(ask(Search { actions: actions(&["container"]), ..Search::default() }), "");
    let both = actions(&["containers.none", "container.start"]);
    assert_eq!(ask(Search { actions: both, since: time(18), ..Search::default() }), "19 18");
    assert_eq!(
        ask(Search { user: Some("quo\"ted\u{85}".to_owned()), since: time(18), ..Search::default() }),
        "19 18"
    );
    assert_eq!(ask(Search { user: Some("quo".to_owned()), ..Search::default() }), "");
    assert_eq!(ask(Search { phase: Some(Phase::Interrupted), ..Search::default() }), "3");
}

/// What was found interrupted at a start: action and path.
fn begin(folder: &Path, rotation: Rotation) -> (Audit, Vec<(String, String)>) {
    let audit = Audit::open(folder, rotation).unwrap();
    let before = interrupted(&audit).len();
    let count = audit.begin(Map::new());
    let mut found = interrupted(&audit);
    found.truncate(found.len() - before);
    assert_eq!(found.len(), count);
    found.reverse();
    (audit, found)
}

fn interrupted(audit: &Audit) -> Vec<(String, String)> {
    let search = Search { limit: 500, phase: Some(Phase::Interrupted), ..Search::default() };
    let lines = audit.page(&search, &|_| true).unwrap().lines;
    lines.into_iter().map(|line| (line.action, line.path)).collect()
}

fn intent(action: &Action) -> Action {
    Action { phase: Phase::Intent, ..action.clone() }
}

fn done(action: &Action, status: u16) -> Action {
    Action { status: Some(status), duration_ms: Some(1), ..action.clone() }
}

#[test]
fn an_intent_without_an_outcome_is_interrupted_once_whatever_was_put_aside_and_however_often_it_starts() {
    for rotation in [NEVER, OFTEN] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (audit, found) = begin(folder, rotation);
        assert_eq!(found, []);
        let [lost, kept] = ["lost", "kept"].map(|path| Action { action: "container.start", ..at(path) });
        audit.intend(&intent(&lost));
        audit.intend(&intent(&kept));
        (0..50).for_each(|number| audit.write(&done(&at(&number.to_string()), 200)));
        audit.write(&done(&kept, 200));
        drop(audit);
        let (audit, found) = begin(folder, rotation);
        assert_eq!(found, [("container.start".to_owned(), "lost".to_owned())]);
        let search = Search { limit: 500, ..Search::default() };
        let lines = audit.page(&search, &|_| true).unwrap().lines;
        let of_it: Vec<_> = lines.iter().filter(|line| line.path == "lost").collect();
        let [told, intent] = of_it[..] else { panic!("{of_it:?}") };
        assert_eq!((&told.id, &told.request_id), (&intent.id, &intent.request_id));
        assert!(told.status.is_none() && told.message.is_some(), "{told:?}");
        assert_eq!(told.more["began_at"], intent.timestamp);
        drop(audit);
        assert_eq!(begin(folder, rotation).1, [], "only once");
    }
}

#[test]
fn a_start_that_is_killed_while_it_writes_them_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let (audit, _) = begin(folder.path(), NEVER);
    (0..3).for_each(|number| audit.intend(&intent(&at(&number.to_string()))));
    drop(audit);
    drop(begin(folder.path(), NEVER));
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let first = text.find("\"phase\":\"interrupted\"").unwrap();
    // Wherever the file ends: also in the midst of a line.
    for end in (first..whole.len()).step_by(37) {
        std::fs::write(&path, &whole[..end]).unwrap();
        let (audit, _) = begin(folder.path(), NEVER);
        let mut found: Vec<String> = interrupted(&audit).into_iter().map(|(_, path)| path).collect();
        found.sort();
        assert_eq!(found, ["0", "1", "2"], "cut at {end} of {}", whole.len());
    }
}

#[test]
fn a_terminal_that_was_open_is_closed_as_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, _) = begin(folder.path(), NEVER);
    for name in ["ended", "open", "early"] {
        let open = Action { action: "terminal.open", ..at(name) };
        let close = Action { action: "terminal.close", ..open.clone() };
        audit.intend(&intent(&open));
        if name == "early" {
            audit.write(&done(&close, 101));
        }
        audit.write(&done(&open, 101));
        if name == "ended" {
            audit.write(&done(&close, 101));
        }
    }
    drop(audit);
    let found = begin(folder.path(), NEVER).1;
    assert_eq!(found, [("terminal.close".to_owned(), "open".to_owned())]);
}

#[test]
fn an_end_in_order_says_what_is_still_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let (audit, _) = begin(folder.path(), NEVER);
    let (one, two) = (at("one"), at("two"));
    audit.intend(&intent(&one));
    audit.intend(&intent(&two));
    audit.write(&done(&two, 200));
    audit.end();
    let last: Value =
        serde_json::from_str(std::fs::read_to_string(&path).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((&last["action"], &last["open"]), (&"daemon.stop".into(), &1.into()));
    drop(audit);
    let (audit, found) = begin(folder.path(), NEVER);
    assert_eq!(found.len(), 1, "what was not waited for");
    audit.end();
    drop(audit);
    // Whoever writes a path like this is not the daemon.
    let forged = Action { action: "container.start", ..at("\"action\":\"daemon.start\"") };
    let audit = Audit::open(folder.path(), NEVER).unwrap();
    audit.intend(&intent(&at("behind")));
    audit.write(&forged);
    drop(audit);
    assert_eq!(begin(folder.path(), NEVER).1.len(), 1, "after an end in order as well");
}
