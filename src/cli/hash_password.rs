//! `wharfinger hash-password`: the hash that `APP_PASS` may be, so that the password itself stands nowhere.

use std::io::{self, BufRead, IsTerminal};

use super::{Failure, remark, say};
use crate::access::password;
use crate::config::PLACEHOLDER;

/// What it does, in one line.
pub(super) const SUMMARY: &str = "Makes the argon2id hash of a password, for APP_PASS";

/// What it does, for its help.
pub(super) const ABOUT: &str = "\
Makes the argon2id hash of a password, for APP_PASS

Asks for the password twice on a terminal and shows nothing of it; else reads one line from standard input. The hash \
stands alone on standard output.";

/// How it is used, for its help.
pub(super) const EXAMPLE: &str = "\
Examples:
  wharfinger hash-password
  wharfinger hash-password < password.txt

The hash has $ in it: in .env it stands between single quotes, as in APP_PASS='$argon2id$v=19$...'.";

/// The most bytes of a password.
const LONGEST: u64 = 1024;

pub(super) fn run() -> Result<(), Failure> {
    let password = if io::stdin().is_terminal() { ask()? } else { read_line(io::stdin().lock())? };
    check(&password)?;
    let hash =
        password::hash(&password).map_err(|error| format!("the password cannot be hashed: {error}"))?;
    say(&hash)?;
    if io::stdout().is_terminal() {
        remark(&format!("\nThe line for .env, with its single quotes:\nAPP_PASS='{hash}'"));
    }
    Ok(())
}

fn ask() -> Result<Vec<u8>, Failure> {
    let prompt = |text| {
        rpassword::prompt_password(text).map_err(|error| format!("the password cannot be asked for: {error}"))
    };
    let password = prompt("Password: ")?;
    check(password.as_bytes())?;
    if prompt("The same again: ")? == password {
        Ok(password.into_bytes())
    } else {
        Err("the two passwords are not the same: nothing was made".into())
    }
}

/// The first line, without its end.
fn read_line(input: impl BufRead) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    let read = input.take(LONGEST + 2).read_until(b'\n', &mut line);
    read.map_err(|error| format!("the password cannot be read from standard input: {error}"))?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(line)
}

fn check(password: &[u8]) -> Result<(), Failure> {
    if password.is_empty() {
        return Err("the password is empty: nothing was made".into());
    }
    if password.len() as u64 > LONGEST {
        return Err(format!("the password is longer than {LONGEST} bytes: nothing was made").into());
    }
    if password == PLACEHOLDER.as_bytes() {
        return Err("this is the placeholder of .env.example: choose a password of your own".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check, read_line};

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for (input, expected) in [
            ("a b\n", "a b"),
            ("a\r\nb\n", "a"),
            ("a", "a"),
            ("a\r", "a\r"),
            ("", ""),
            ("\n", ""),
            ("\nx", ""),
        ] {
            assert_eq!(read_line(input.as_bytes()).unwrap(), expected.as_bytes(), "{input:?}");
        }
        let (most, more) = ("x".repeat(1024), "x".repeat(1025));
        assert!(check(&read_line(format!("{most}\r\n").as_bytes()).unwrap()).is_ok());
        assert!(check(&read_line(more.as_bytes()).unwrap()).is_err());
        assert!(check(b"").is_err() && check(b"your_secure_password_here").is_err());
    }
}
