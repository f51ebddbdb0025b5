//! The command on the host: help, exit codes, the password's hash.

use crate::support::daemon::{PASS, USER};
use crate::support::*;

#[test]
fn each_command_has_a_help_with_an_example() {
    let builder = Daemon::builder();
    for command in [
        "",
        "serve",
        "version",
        "hash-password",
        "token",
        "token generate",
        "token list",
        "token revoke",
        "role",
        "role list",
    ] {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let ran = builder.cli(&args).run();
        assert!(ran.done().contains("Example") && ran.stdout.contains("Usage: wharfinger"), "{ran:?}");
        assert!(ran.stdout.contains(&format!("  wharfinger {command}")) || command == "serve", "{ran:?}");
        assert_eq!(ran.stderr, "");
        args.insert(0, "help");
        args.pop();
        assert_eq!(builder.cli(&args).run().done(), ran.stdout.trim_end());
    }
    for version in ["version", "--version", "-V"] {
        assert_eq!(builder.cli(&[version]).run().done(), concat!("wharfinger ", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn arguments_that_make_no_sense_end_with_2_and_a_failure_with_1() {
    let builder = Daemon::builder();
    for args in [&["bogus"][..], &["serve", "x"], &["--bogus"], &["hash-password", "x"], &["version", "--x"]]
    {
        builder.cli(args).run().refused(2, &["Usage: wharfinger"]);
    }
    builder.cli(&["serve"]).env("APP_PORT", "x").run().refused(1, &["cannot start: APP_PORT"]);
    builder.cli(&[]).without("APP_USER").run().refused(1, &["cannot start: APP_USER"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hash_of_a_password_lets_that_password_in_and_nothing_else() {
    let builder = Daemon::builder().without("APP_PASS");
    let ran = builder.cli(&["hash-password"]).without("APP_USER").input(format!("{PASS}\nmore\n")).run();
    let hash = ran.done();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hash.contains('\n'), "{hash}");
    assert_eq!(ran.stderr, "", "standard output is no terminal");
    std::fs::write(builder.data().join(".env"), format!("APP_PASS='{hash}'\n")).unwrap();
    let daemon = builder.start().await;
    for _ in 0..3 {
        daemon.get("/containers").await.expect(200);
        for (user, pass) in [(USER, hash), (USER, "wrong"), ("root", PASS)] {
            daemon
                .with_login(Some((user, pass)))
                .get("/containers")
                .await
                .refused("auth_error", "UNAUTHORIZED");
        }
        daemon.get("/containers").await.expect(200);
    }
    assert!(!daemon.output().contains(hash), "{}", daemon.output());
    let audit = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    assert!(!audit.contains("argon2") && !audit.contains(PASS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_the_env_file_garbles_is_refused_with_the_remedy() {
    let builder = Daemon::builder().without("APP_PASS");
    let hash = builder.cli(&["hash-password"]).input("x\n").run().done().to_owned();
    // Whether the last part of a hash has a + or a / changes what becomes of it.
    let plain = hash.replace(['+', '/'], "a");
    for line in [
        format!("v=1\nexport APP_PASS=\"{plain}+\""),
        format!("APP_PASS = \"{plain}\" # mine"),
        format!("APP_PASS={hash}"),
    ] {
        std::fs::write(builder.data().join(".env"), line).unwrap();
        let ended = builder.refuses().await;
        assert!(
            ended.output.contains("APP_PASS") && ended.output.contains("single quotes"),
            "{}",
            ended.output
        );
        assert!(!ended.output.contains(&hash[40..60]), "{}", ended.output);
    }
    // The environment wins over what the file says.
    let daemon = builder.clone().env("APP_PASS", PASS).start().await;
    daemon.get("/containers").await.expect(200);
    let garbled = builder.clone().env("APP_PASS", "=19=19456,t=2,p=1/x").refuses().await;
    assert!(garbled.output.contains("single quotes"), "{}", garbled.output);
    let broken = builder.clone().env("APP_PASS", &hash[..60]).refuses().await;
    assert!(
        broken.output.contains("APP_PASS") && broken.output.contains("hash-password"),
        "{}",
        broken.output
    );
}

#[test]
fn a_password_that_is_empty_or_the_placeholder_gets_no_hash() {
    let builder = Daemon::builder();
    for input in ["", "\n", "\r\n", "\nsecret\n"] {
        builder.cli(&["hash-password"]).input(input).run().refused(1, &["empty"]);
    }
    builder.cli(&["hash-password"]).input("your_secure_password_here\n").run().refused(1, &["placeholder"]);
    builder.cli(&["hash-password"]).input(vec![b'x'; 2000]).run().refused(1, &["longer than 1024"]);
}

#[test]
fn on_a_terminal_the_password_is_asked_for_twice_and_not_shown() {
    let builder = Daemon::builder();
    let again = |password| ("The same again: ", password);
    let (code, shown) =
        builder.cli(&["hash-password"]).type_hidden(&[("Password: ", "ge heim"), again("ge heim")]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("heim"), "{shown}");
    assert!(shown.contains("Password: ") && shown.contains("APP_PASS='$argon2id$"), "{shown}");
    let (code, shown) = builder.cli(&["hash-password"]).type_hidden(&[("Password: ", "one"), again("other")]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("not the same") && !shown.contains("$argon2id"), "{shown}");
    let (code, shown) = builder.cli(&["hash-password"]).type_hidden(&[("Password: ", "")]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("empty"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_let_in_by_its_hash_also_after_many_wrong_ones() {
    let builder = Daemon::builder();
    let hash = builder.cli(&["hash-password"]).input(format!("{PASS}\n")).run().done().to_owned();
    let daemon = builder.env("APP_PASS", &hash).start().await;
    let wrong = daemon.with_login(Some(("admin", "guess")));
    for _ in 0..10 {
        wrong.get("/ping").await.refused("auth_error", "UNAUTHORIZED");
    }
    wrong.get("/ping").await.refused("rate_limited", "TOO_MANY_FAILURES");
    let right = daemon.with_login(Some((&daemon.login.clone().unwrap().0, PASS)));
    right.get("/ping").await.expect(200);
}
