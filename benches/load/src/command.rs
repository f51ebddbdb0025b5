//! A command line that is measured against: by a pipe, or at a terminal as a person sits at one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;

use super::measure::{Flood, Typist};

/// Starts it at a terminal of its own, whose other end is answered.
fn at_terminal(command: &[&str]) -> (Child, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let copy = || Stdio::from(slave.try_clone().unwrap());
    let child =
        Command::new(command[0]).args(&command[1..]).stdin(copy()).stdout(copy()).stderr(copy()).spawn();
    (child.unwrap(), File::from(master))
}

/// Reads all its output.
pub fn flood(command: &[&str], tty: bool) -> Value {
    let (mut child, mut output): (Child, Box<dyn Read>) = if tty {
        let (child, master) = at_terminal(command);
        (child, Box::new(master))
    } else {
        let child =
            Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let output = child.stdout.take().unwrap();
        (child, Box::new(output))
    };
    let mut flood = Flood::default();
    let mut piece = vec![0; 256 * 1024];
    // A terminal whose other side is gone ends with EIO.
    while let Some(length) = output.read(&mut piece).ok().filter(|length| *length > 0) {
        flood.came(length);
    }
    assert!(child.wait().unwrap().success(), "{command:?} fails");
    flood.told()
}

/// Somebody at a terminal in which the command runs.
pub fn typist(command: &[&str]) -> impl Typist {
    let (child, master) = at_terminal(command);
    // The command line makes its terminal raw when what it runs is there; a key before that would come back from
    // the terminal itself, and very quickly.
    while tcgetattr(&master).unwrap().local_modes.intersects(LocalModes::ECHO) {
        std::thread::sleep(Duration::from_millis(1));
    }
    CommandLine { child, master }
}

struct CommandLine {
    child: Child,
    master: File,
}

impl Typist for CommandLine {
    fn key(&mut self) {
        self.master.write_all(b"x").unwrap();
    }

    fn wait(&mut self) {
        let mut piece = [0; 256];
        assert_ne!(self.master.read(&mut piece).unwrap(), 0);
    }

    fn leave(mut self) {
        // The end of the line, then the end of input: what runs in the container ends by itself.
        self.master.write_all(b"\n\x04").unwrap();
        let mut piece = [0; 256];
        while self.master.read(&mut piece).is_ok_and(|length| length > 0) {}
        self.child.wait().unwrap();
    }
}
