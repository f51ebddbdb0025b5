//! The names of signals, with and without `SIG`.

use crate::container::signal::{ALIASES, NAMES};

/// A signal that Linux knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(rustix::process::Signal);

impl Signal {
    /// Reads `INT`, `SIGINT` or `int`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
        let number = i32::try_from(NAMES.iter().position(|known| *known == name)? + 1).ok()?;
        rustix::process::Signal::from_named_raw(number).map(Self)
    }

    /// The signal as the kernel takes it.
    #[must_use]
    pub fn raw(self) -> rustix::process::Signal {
        self.0
    }

    /// The name as the engine takes it, `SIGINT`.
    #[must_use]
    pub fn name(self) -> String {
        let index = usize::try_from(self.0.as_raw() - 1).unwrap_or_default();
        format!("SIG{}", NAMES.get(index).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_its_number_under_each_of_its_names() {
        for (index, name) in NAMES.iter().enumerate() {
            let signal = Signal::parse(name).unwrap();
            assert_eq!(signal.raw().as_raw(), i32::try_from(index).unwrap() + 1, "{name}");
            assert_eq!(Signal::parse(&format!("SIG{name}")), Some(signal));
            assert_eq!(Signal::parse(&name.to_lowercase()), Some(signal));
            assert_eq!(signal.name(), format!("SIG{name}"));
        }
        assert_eq!(Signal::parse("TERM").unwrap().raw().as_raw(), 15);
    }

    #[test]
    fn what_is_no_signal_has_no_number() {
        for text in ["", "SIG", "SIGSIGINT", "9", "FOO", "INT ", "SIGINT\n"] {
            assert_eq!(Signal::parse(text), None, "{text:?}");
        }
    }
}
