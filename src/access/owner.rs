//! Whose the daemon's files are: a command on the host writes as that user, whoever runs it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

/// The folders that a daemon makes; the first that is there tells whose the daemon is.
const MADE_BY_DAEMON: [&str; 2] = ["access", "compose"];

/// Lets this thread do what follows as the user of the daemon that has this data folder, so that the daemon can read
/// what it writes, and so that root follows no link that the daemon's user may have put there. Only root becomes
/// someone else; for others it fails with what to do.
pub fn act_as_owner(data_dir: &Path) -> Result<(), String> {
    let shown = data_dir.display();
    let look = |path: &Path| std::fs::symlink_metadata(path).ok();
    let made = MADE_BY_DAEMON.iter().find_map(|name| look(&data_dir.join(name)));
    let Some(found) = made.or_else(|| std::fs::metadata(data_dir).ok()) else {
        return Err(format!(
            "the folder {shown} is not there, or is closed to you (APP_DATA_DIR): {AS_DAEMON}"
        ));
    };
    let me = geteuid();
    if me.as_raw() == found.uid() {
        return Ok(());
    }
    if !me.is_root() {
        let owner = found.uid();
        return Err(format!("what is in {shown} belongs to the user with the number {owner}: {AS_DAEMON}"));
    }
    become_user(Uid::from_raw(found.uid()), Gid::from_raw(found.gid()))
        .map_err(|error| format!("cannot act as the user of the daemon: {error}: {AS_DAEMON}"))
}

/// What to do when the files are not ours.
pub const AS_DAEMON: &str = "run it as the user of the daemon";

fn become_user(user: Uid, group: Gid) -> io::Result<()> {
    set_thread_groups(&[group])?;
    set_thread_gid(group)?;
    Ok(set_thread_uid(user)?)
}
