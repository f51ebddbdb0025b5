//! The signals that a container's main process can be sent, by name or number.

/// Names in the order of their numbers on Linux, from 1.
pub const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names of the same signals.
pub const ALIASES: [(&str, &str); 4] = [("IOT", "ABRT"), ("CLD", "CHLD"), ("POLL", "IO"), ("UNUSED", "SYS")];
/// The first and the last real-time signal, as the C library and the engine count them.
const REAL_TIME: (u8, u8) = (34, 64);
/// How far the engine counts up from the first and down from the last.
const STEPS: (u8, u8) = (15, 14);

/// A signal that the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(u8);

impl Signal {
    /// SIGKILL.
    pub const KILL: Self = Self(9);

    /// Reads `KILL`, `SIGKILL`, `kill`, `9`, `RTMIN+3`. A blank stands for `+`, which is what a `+` in a query
    /// that no one has escaped means.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase().replace(' ', "+");
        if upper.bytes().all(|byte| byte.is_ascii_digit()) && upper.len() <= 2 {
            let number = upper.parse().ok()?;
            let is_known = (1..=31).contains(&number) || (REAL_TIME.0..=REAL_TIME.1).contains(&number);
            return is_known.then_some(Self(number));
        }
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
        let by_name = NAMES.iter().position(|known| *known == name);
        by_name.and_then(|at| u8::try_from(at + 1).ok()).or_else(|| real_time(name)).map(Self)
    }

    /// The name as the engine takes it, `SIGKILL`.
    #[must_use]
    pub fn name(self) -> String {
        let Self(number) = self;
        if let Some(name) = NAMES.get(usize::from(number).wrapping_sub(1)) {
            return format!("SIG{name}");
        }
        let (first, last) = REAL_TIME;
        match (number - first, last - number) {
            (0, _) => "SIGRTMIN".to_owned(),
            (_, 0) => "SIGRTMAX".to_owned(),
            (up, _) if up <= STEPS.0 => format!("SIGRTMIN+{up}"),
            (_, down) => format!("SIGRTMAX-{down}"),
        }
    }
}

fn real_time(name: &str) -> Option<u8> {
    let step = |text: &str, most: u8| text.parse::<u8>().ok().filter(|step| (1..=most).contains(step));
    let (first, last) = REAL_TIME;
    match name {
        "RTMIN" => Some(first),
        "RTMAX" => Some(last),
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(up), _) => Some(first + step(up, STEPS.0)?),
            (_, Some(down)) => Some(last - step(down, STEPS.1)?),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_its_number_under_each_of_its_names() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::parse(&number.to_string()).unwrap();
            assert_eq!(signal, Signal(number));
            let name = signal.name();
            for text in [&name, &name[3..], &name.to_lowercase(), &name.replace('+', " ")] {
                assert_eq!(Signal::parse(text), Some(signal), "{text}");
            }
        }
        assert_eq!(Signal::parse("TERM"), Some(Signal(15)));
        assert_eq!(Signal::parse("rtmin+3").unwrap().name(), "SIGRTMIN+3");
        assert_eq!(Signal::parse("KILL"), Some(Signal::KILL));
    }

    #[test]
    fn what_is_no_signal_is_told_apart() {
        for text in
            ["", "SIG", "SIGSIGINT", "0", "32", "65", "-9", "FOO", "INT\n", "RTMIN+16", "RTMIN+", "RTMAX-15"]
        {
            assert_eq!(Signal::parse(text), None, "{text:?}");
        }
    }
}
