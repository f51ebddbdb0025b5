//! Columns of a list of processes, as `ps -o` names them, for an engine that has no `ps` of its own.

/// A column by a name that `ps` knows, and its name with Podman. What Podman shows in another form is left out.
const COLUMNS: [(&str, &str); 24] = [
    ("pid", "pid"),
    ("ppid", "ppid"),
    ("pgid", "pgid"),
    ("pgrp", "pgid"),
    ("user", "user"),
    ("euser", "user"),
    ("ruser", "ruser"),
    ("group", "group"),
    ("egroup", "group"),
    ("rgroup", "rgroup"),
    ("args", "args"),
    ("cmd", "args"),
    ("command", "args"),
    ("comm", "comm"),
    ("ucmd", "comm"),
    ("etime", "etime"),
    ("time", "time"),
    ("tty", "tty"),
    ("tt", "tty"),
    ("vsz", "vsz"),
    ("nice", "nice"),
    ("ni", "nice"),
    ("pcpu", "pcpu"),
    ("%cpu", "pcpu"),
];

/// Podman's names of the columns that options of `ps` ask for; nothing where they ask for anything but columns
/// of all processes (`-o pid,args`, `-eo pid -o args`) that Podman has.
#[must_use]
pub fn podmans_columns(opts: &str) -> Option<Vec<&'static str>> {
    let mut words = opts.split_ascii_whitespace();
    let mut columns = Vec::new();
    while let Some(word) = words.next() {
        let list = match word {
            "-e" | "-A" => continue,
            "-o" | "-eo" | "-Ao" => words.next()?,
            word => word.strip_prefix("-o")?,
        };
        for name in list.split(',') {
            columns.push(COLUMNS.iter().find(|(known, _)| *known == name)?.1);
        }
    }
    (!columns.is_empty()).then_some(columns)
}

/// The same processes by options that show no variables; none where these may. `ps` reads a line over again in
/// another way when the first fails, and then takes letters such as the `e` of `-ef` for the environment; so what
/// is passed on are columns that are known and no letter that would mean that.
#[must_use]
pub fn plain(opts: &str) -> Option<String> {
    if matches!(opts.trim(), "-ef" | "aux") {
        return Some(opts.trim().to_owned());
    }
    podmans_columns(opts)?;
    let lists = opts.split_ascii_whitespace().filter_map(|word| {
        let list = word.strip_prefix("-o").or(word.strip_prefix("-eo")).or(word.strip_prefix("-Ao"));
        list.or((!word.starts_with('-')).then_some(word)).filter(|list| !list.is_empty())
    });
    Some(format!("-A -o {}", lists.collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::{plain, podmans_columns};

    #[test]
    fn options_that_may_show_variables_are_not_passed_on() {
        for (opts, plain_opts) in [
            ("-ef", "-ef"),
            ("aux", "aux"),
            ("-o pid,args", "-A -o pid,args"),
            ("-eo pid -ouser -o cmd", "-A -o pid,user,cmd"),
            ("-A -e -o pid", "-A -o pid"),
        ] {
            assert_eq!(plain(opts).as_deref(), Some(plain_opts), "{opts}");
        }
        for opts in [
            "e",
            "auxe",
            "aux e",
            "-ef e",
            "-efe",
            "-ef -o args",
            "axo pid,args",
            "-o pid,environ",
            "-o pid e",
        ] {
            assert_eq!(plain(opts), None, "{opts}");
        }
    }

    #[test]
    fn columns_are_found_in_any_form_of_the_option() {
        for opts in ["-o pid,args", "-opid,cmd", "-eo pid -o command", "-A -o pid -oargs"] {
            assert_eq!(podmans_columns(opts), Some(vec!["pid", "args"]), "{opts}");
        }
        assert_eq!(podmans_columns("-o args"), Some(vec!["args"]));
    }

    #[test]
    fn what_podman_does_not_have_is_no_column() {
        for opts in ["", "aux", "-e", "-ef", "-o", "-o pid,", "-o pid=X", "-o pid,nope", "-zzz", "-V"] {
            assert_eq!(podmans_columns(opts), None, "{opts}");
        }
    }
}
