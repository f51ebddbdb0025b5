//! Where values come from: `.env`, and the environment, which wins.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{ConfigError, LOST_HASH, invalid};

const PASSWORD: &str = "APP_PASS";
/// What a hash begins with, and what is in its place when it is lost: `.env` puts in the variables `argon2id`, `v`,
/// `m`, the salt and the hash, which are empty as a rule.
const HASH: &str = "$argon2";

/// Every value that was set, by name.
pub(super) struct Values {
    set: BTreeMap<String, String>,
    /// The value of `APP_PASS` that counts is not what `.env` says: parts of a hash in it were replaced.
    has_lost_hash: bool,
}

impl Values {
    /// Reads `.env` in `folder`, then the environment, which wins.
    pub(super) fn read(folder: &Path) -> Result<Self, ConfigError> {
        let mut values = Self::of_file(&folder.join(".env"))?;
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                values.has_lost_hash &= name != PASSWORD;
                values.set.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(values)
    }

    fn of_file(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read(path) {
            Ok(bytes) => Self::of_bytes(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::of_bytes(&[]),
            Err(error) => Err(ConfigError::File(error.to_string())),
        }
    }

    /// Nothing of the file is put into the process environment: children would inherit the password.
    fn of_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let written = String::from_utf8_lossy(bytes);
        let set = dotenvy::from_read_iter(bytes).collect::<Result<BTreeMap<_, _>, _>>();
        let set = set.map_err(|error| match error {
            // A variable at the end of double quotes takes the closing one for itself.
            dotenvy::Error::LineParse(..) if says_hash(&written, |value| value.starts_with('"')) => {
                invalid(PASSWORD, LOST_HASH)
            }
            // The error's own text shows the line, and with it perhaps the password.
            dotenvy::Error::LineParse(_, at) => ConfigError::File(format!(
                "a line is not NAME=value (character {at}); quote values with spaces or #"
            )),
            other => ConfigError::File(other.to_string()),
        })?;
        let has_hash = set.get(PASSWORD).is_some_and(|value| value.contains(HASH));
        let has_lost_hash = !has_hash && says_hash(&written, |_| true);
        Ok(Self { set, has_lost_hash })
    }

    /// Whether `APP_PASS` is what is left of a hash whose parts were taken for variables: by `.env`, or by a shell
    /// or a program that set the environment.
    pub(super) fn has_lost_hash(&self) -> bool {
        self.has_lost_hash || self.text(PASSWORD).is_some_and(is_rest_of_hash)
    }

    /// A value; an empty one counts as not set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Whether the last line that sets the password says a hash, written like this.
fn says_hash(file: &str, is_written: impl Fn(&str) -> bool) -> bool {
    let assigned = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export").map_or(line, str::trim_start);
        let value = line.strip_prefix(PASSWORD)?.trim_start().strip_prefix('=')?.trim_start();
        Some(value.contains(HASH) && is_written(value))
    };
    file.lines().filter_map(assigned).next_back().unwrap_or_default()
}

/// Whether it begins as a hash does when its variables are empty: `=19=19456,t=2,p=1`.
fn is_rest_of_hash(value: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = value.strip_prefix("=19=").unwrap_or_default().splitn(3, ',');
    let (memory, passes, lanes) = (parts.next(), parts.next(), parts.next());
    memory.is_some_and(number)
        && passes.and_then(|passes| passes.strip_prefix("t=")).is_some_and(number)
        && lanes
            .and_then(|lanes| lanes.strip_prefix("p="))
            .is_some_and(|lanes| lanes.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::Values;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZX+zYWx0$aGFz/GhoYXNo";

    #[test]
    fn a_hash_stands_in_single_quotes_or_is_seen_to_be_lost() {
        for (line, lost) in [
            (format!("APP_PASS='{HASH}'"), None),
            (format!("export APP_PASS = '{HASH}' # of mine"), None),
            (format!("APP_PASS={}", HASH.replace('$', "\\$")), None),
            (format!("APP_PASS={HASH}"), Some("=19=19456,t=2,p=1+zYWx0/GhoYXNo")),
            (format!("APP_PASS=\"{HASH}\""), Some("=19=19456,t=2,p=1+zYWx0/GhoYXNo")),
            (format!("v=2\nm=3\nexport APP_PASS = {HASH}"), Some("2=193=19456,t=2,p=1+zYWx0/GhoYXNo")),
            (format!("APP_PASS={HASH}\nAPP_PASS='{HASH}'"), None),
            ("APP_PASS='a $argon2 b'".to_owned(), None),
        ] {
            let values = Values::of_bytes(line.as_bytes()).unwrap();
            assert_eq!(values.has_lost_hash(), lost.is_some(), "{line}");
            let expected = lost.unwrap_or(if line.contains(" b'") { "a $argon2 b" } else { HASH });
            assert_eq!(values.text("APP_PASS"), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_hash_whose_last_part_takes_the_closing_quote_is_seen_too() {
        let hash = HASH.replace('/', "a");
        for (line, words) in [
            (format!("APP_PASS=\"{hash}\""), "single quotes"),
            (format!("APP_PASS='{hash}'\nX=\""), "a line is not NAME=value"),
        ] {
            let Err(error) = Values::of_bytes(line.as_bytes()) else { panic!("{line}") };
            assert!(error.to_string().contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn what_a_shell_left_of_a_hash_is_seen() {
        for (value, expected) in [
            ("=19=19456,t=2,p=1", true),
            ("=19=19456,t=2,p=1+abc", true),
            ("=19=x,t=2,p=1", false),
            ("=19=", false),
            ("", false),
        ] {
            assert_eq!(super::is_rest_of_hash(value), expected, "{value}");
        }
    }
}
