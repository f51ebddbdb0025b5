//! A command of the program that ends by itself: what it wrote, and its exit code.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;

use super::wait::patience;

/// A command that is about to run.
pub struct Cli {
    command: Command,
    input: Vec<u8>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Cli {
    pub fn new(command: Command) -> Self {
        Self { command, input: Vec::new() }
    }

    /// What it reads from standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn folder(mut self, folder: &std::path::Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// As another user of the host, in that user's own group.
    pub fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        let pipes = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        // One that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(&self.input);
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it on a terminal and types each line behind its prompt, when nothing typed is shown: its exit code, and
    /// all that the terminal showed.
    pub fn type_hidden(self, lines: &[(&str, &str)]) -> (Option<i32>, String) {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let end = || Stdio::from(ioctl_tiocgptpeer(&terminal, flags).unwrap());
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(self.command.get_program()).args(self.command.get_args());
        let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        let mut master = File::from(terminal);
        let shown = Arc::new(Mutex::new(String::new()));
        let reading = std::thread::spawn({
            let (mut reader, shown) = (master.try_clone().unwrap(), Arc::clone(&shown));
            move || {
                let mut piece = [0; 1024];
                // The end of a terminal that nobody holds any more is an error.
                while let Ok(length) = reader.read(&mut piece) {
                    shown.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
                }
            }
        });
        for (prompt, line) in lines {
            until(|| shown.lock().unwrap().ends_with(prompt), prompt);
            let is_hidden = || !tcgetattr(&master).unwrap().local_modes.contains(LocalModes::ECHO);
            until(is_hidden, "nothing typed is shown");
            master.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let code = child.wait().unwrap().code();
        reading.join().unwrap();
        let shown = shown.lock().unwrap().clone();
        (code, shown)
    }
}

fn until(is_so: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + patience(10.0);
    while !is_so() {
        assert!(Instant::now() < end, "not within {:?}: {what}", patience(10.0));
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Ran {
    /// Standard output of a command that did what it was told.
    pub fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.trim_end_matches('\n')
    }

    /// The JSON it printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.done()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it failed with this exit code, printed nothing, and said these words why.
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.starts_with("wharfinger: "), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word}: {self:?}");
        }
    }
}
