//! The rules of `docs/ARCHITECTURE.md`, kept by a test on the source text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests open files"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use regex::Regex;

/// One source file: its path below `src` and its text without comments, strings and unit tests.
struct Source {
    path: String,
    code: String,
    lines: usize,
}

fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(read_sources)
}

fn read_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                if is_test(&root, &path) {
                    continue;
                }
                found.push(Source { path, code: bare(&text), lines: text.lines().count() });
            }
        }
    }
    assert!(found.iter().any(|s| s.path == "main.rs"), "the sources are found");
    found
}

/// Whether a file is compiled for tests alone: its parent says so where it names it.
fn is_test(root: &Path, path: &str) -> bool {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    (1..=parts.len()).any(|depth| {
        let (folder, name) = (parts[..depth - 1].join("/"), parts[depth - 1]);
        let parent = if folder.is_empty() { "lib.rs".to_owned() } else { format!("{folder}/mod.rs") };
        let text = std::fs::read_to_string(root.join(parent)).unwrap_or_default();
        let named = [format!("mod {name};"), format!("pub mod {name};"), format!("pub(super) mod {name};")];
        let mut pairs = text.lines().zip(text.lines().skip(1));
        pairs.any(|(attribute, item)| attribute == "#[cfg(test)]" && named.iter().any(|mods| mods == item))
    })
}

/// The code alone.
fn bare(text: &str) -> String {
    let until_tests = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let strings = Regex::new(r##"'\\?"'|r#+"(?s:.*?)"#+|"(?:[^"\\]|\\(?s:.))*""##).unwrap();
    let comments = Regex::new(r"(?m)//.*$|(?s:/\*.*?\*/)").unwrap();
    let without_strings = strings.replace_all(until_tests, "\"\"");
    comments.replace_all(&without_strings, "").into_owned()
}

/// No file that `inside` names may match `pattern`.
fn forbid(inside: impl Fn(&str) -> bool, pattern: &str, why: &str) {
    let pattern = Regex::new(pattern).unwrap();
    for source in sources().iter().filter(|s| inside(&s.path)) {
        for line in source.code.lines() {
            assert!(!pattern.is_match(line), "src/{}: {why}: {}", source.path, line.trim());
        }
    }
}

fn room(name: &str) -> impl Fn(&str) -> bool + '_ {
    move |path| path.starts_with(&format!("{name}/")) || path == format!("{name}.rs")
}

#[test]
fn http_names_neither_engine_nor_compose_nor_files() {
    forbid(room("http"), r"\b(crate|super::super)::(engine|compose|files)\b", "http speaks to service alone");
    forbid(room("http"), r"\bbollard\b", "http knows no engine");
    forbid(room("http"), r"use crate::\{[^}]*\b(engine|compose|files)\b", "http speaks to service alone");
}

#[test]
fn container_is_pure() {
    forbid(room("container"), r"\basync\b|\.await\b", "container has no async");
    forbid(
        room("container"),
        r"\b(actix\w*|bollard|tokio|rustix|std::fs|std::net::(Tcp|Udp|To)\w*|std::process|std::io)\b",
        "container does no I/O",
    );
    forbid(
        room("container"),
        r"\bcrate::(http|service|compose|engine|files|terminal|audit|config|app)\b",
        "nothing calls up",
    );
}

#[test]
fn the_rooms_call_down_only() {
    let up = [
        ("compose", "http|service|engine|files|terminal|audit|app"),
        ("engine", "http|service|compose|files|terminal|audit|app"),
        ("files", "http|service|compose|engine|terminal|audit|app"),
        ("terminal", "http|service|compose|files|audit|app"),
        ("kept_logs", "http|service|compose|files|terminal|audit|app"),
        ("registries", "http|service|compose|engine|files|terminal|audit|app"),
        ("audit", "http|service|compose|engine|files|terminal|app"),
        ("tls", "http|service|compose|engine|files|terminal|audit|app|config|cli"),
        ("service", "http|app|cli"),
        ("access", "http|service|compose|engine|files|kept_logs|registries|terminal|audit|config|app|cli"),
        ("cli", "http|service|compose|engine|files|kept_logs|registries|terminal|app"),
    ];
    for (name, above) in up {
        forbid(room(name), &format!(r"\bcrate::({above})::"), "nothing calls up or sideways");
        forbid(room(name), r"\bactix_web\b|\bHttpRequest\b|\bHttpResponse\b", "only http knows actix");
    }
}

#[test]
fn only_main_names_the_command_line() {
    forbid(
        |path| !room("cli")(path) && path != "main.rs",
        r"\bcrate::cli\b|\bclap\b|\brpassword\b",
        "cli is for main",
    );
}

#[test]
fn only_compose_command_starts_processes() {
    forbid(
        |path| path != "compose/command.rs",
        r"\bCommand::new\b|\bprocess::Command\b",
        "only compose/command.rs spawns",
    );
}

#[test]
fn only_config_reads_the_environment() {
    forbid(
        |path| path != "config.rs" && !path.starts_with("config/"),
        r"\benv::(var|vars|var_os|vars_os)\b|\bdotenvy\b",
        "only config.rs reads it",
    );
    forbid(
        |_| true,
        r"\benv::(set_var|remove_var)\b|\bdotenvy::(dotenv|from_path)\(",
        "nothing is put into the environment",
    );
}

#[test]
fn only_seven_rooms_open_files() {
    let may = |path: &str| {
        room("files")(path)
            || room("audit")(path)
            || room("kept_logs")(path)
            || room("access")(path)
            || room("registries")(path)
            || room("tls")(path)
            || path.starts_with("config")
            || ["compose/projects", "terminal/processes"].iter().any(|room| path.starts_with(room))
    };
    forbid(
        |path| !may(path),
        r"\b(tokio::fs|OpenOptions)\b|\bfs::(read|write|remove|rename|create_dir|metadata)|\bFile::(open|create)\b",
        "files are opened elsewhere",
    );
}

#[test]
fn no_file_is_over_four_hundred_lines() {
    for source in sources() {
        assert!(source.lines <= 400, "src/{} has {} lines: split it", source.path, source.lines);
    }
}

#[test]
fn nothing_is_unsafe_and_nothing_unwraps() {
    forbid(|_| true, r"\bunsafe\b", "no unsafe");
    forbid(|_| true, r"\.unwrap\(\)|\.expect\(", "no unwrap outside tests");
    forbid(|_| true, r"\b(todo|unimplemented|dbg)!", "nothing unfinished");
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let text = std::fs::read_to_string(root.join(&source.path)).unwrap();
        assert!(text.starts_with("//! "), "src/{} does not begin with `//!`", source.path);
    }
}

/// The variables that a text names, by the pattern's first group.
fn variables(text: &str, pattern: &str) -> BTreeSet<String> {
    let ours = r"(APP_[A-Z_]+|DEFAULT_USER_UID|DOCKER_HOST)";
    let pattern = Regex::new(&pattern.replace("NAME", ours)).unwrap();
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_variable_stands_in_the_code_the_example_and_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let code = variables(&read("src/config.rs"), "\"NAME\"");
    assert!(code.len() > 20, "the variables are found: {code:?}");
    assert_eq!(
        variables(&read(".env.example"), "(?m)^#?NAME="),
        code,
        ".env.example has what the code reads"
    );
    let readme = read("README.md");
    let table: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(variables(&table.join("\n"), "`NAME`"), code, "README's table has what the code reads");
    let elsewhere = variables(&(readme + &read(".env.example")), r"\bNAME\b");
    assert_eq!(elsewhere, code, "no other variable is spoken of");
}

/// A counter-measure that `script/mutations` takes out.
#[derive(serde::Deserialize)]
struct Mutation {
    name: String,
    out: String,
    test: String,
    edit: Vec<Edit>,
}

#[derive(serde::Deserialize)]
struct Edit {
    file: String,
    before: String,
    after: String,
}

#[derive(serde::Deserialize)]
struct Mutations {
    mutation: Vec<Mutation>,
}

fn mutations() -> Vec<Mutation> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutations");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let list: Mutations = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        found.extend(list.mutation);
    }
    found
}

/// The file of a test as `script/mutations` names it, `api exec::a_name`, and the test's own name.
fn place_of_test(test: &str) -> (String, &str) {
    let (program, path) = test.split_once(' ').unwrap_or_else(|| panic!("{test:?} is no test"));
    let (modules, name) = path.rsplit_once("::").unwrap_or(("", path));
    let modules = modules.replace("::", "/");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = match program {
        "lib" => {
            let outer = modules.strip_suffix("/tests").unwrap_or(&modules);
            vec![format!("src/{modules}.rs"), format!("src/{outer}.rs"), format!("src/{outer}/mod.rs")]
        }
        _ => vec![format!("tests/{program}/{modules}.rs")],
    };
    let file = files.into_iter().find(|file| root.join(file).is_file());
    (file.unwrap_or_else(|| panic!("no file has {test}")), name)
}

fn has_test(file: &str, name: &str) -> bool {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let test = Regex::new(&format!(
        r"#\[(tokio::|actix_web::)?test\b[^\]]*\]\s+(#\[[^\]]*\]\s+)*(async )?fn {name}\("
    ))
    .unwrap();
    source.is_ok_and(|source| test.is_match(&source))
}

#[test]
fn every_mutation_fits_the_sources_and_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mutations = mutations();
    let names: BTreeSet<&str> = mutations.iter().map(|mutation| mutation.name.as_str()).collect();
    assert_eq!(names.len(), mutations.len(), "a name stands twice");
    for mutation in &mutations {
        let (name, test) = (&mutation.name, &mutation.test);
        assert!(!mutation.out.is_empty() && !mutation.edit.is_empty(), "{name} says what it takes out");
        for Edit { file, before, after } in &mutation.edit {
            let source = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            let count = source.matches(before.as_str()).count();
            assert_eq!(count, 1, "{name}: {file} has to have this once: {before}");
            assert_ne!(before, after, "{name} changes nothing in {file}");
        }
        let (file, fn_name) = place_of_test(test);
        assert!(has_test(&file, fn_name), "{name}: {file} has no test {fn_name}");
    }
}

#[test]
fn the_table_of_reliability_names_tests_and_mutations_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/RELIABILITY.md")).unwrap();
    let links = Regex::new(r"\[`([a-z0-9_]+)`\]\(\.\./([^)]+)\)").unwrap();
    let tests: BTreeSet<(&str, &str)> = links
        .captures_iter(&text)
        .map(|found| found.extract())
        .map(|(_, [name, file])| (file, name))
        .collect();
    assert!(tests.len() > 50, "the tests are found: {}", tests.len());
    for (file, name) in &tests {
        assert!(
            has_test(file, name),
            "docs/RELIABILITY.md names the test {name}, which {file} does not have"
        );
    }
    let words = Regex::new(r"`([a-z]+(?:-[a-z0-9]+)+)`").unwrap();
    let words: BTreeSet<&str> =
        words.captures_iter(&text).map(|found| found.extract()).map(|(_, [word])| word).collect();
    for mutation in mutations() {
        let (file, name) = place_of_test(&mutation.test);
        assert!(words.contains(mutation.name.as_str()), "docs/RELIABILITY.md leaves {} out", mutation.name);
        assert!(tests.contains(&(file.as_str(), name)), "docs/RELIABILITY.md leaves out {name} of {file}");
    }
}
