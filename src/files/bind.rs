//! What of the host is mounted into a container beside its own mount: looked at without following a link.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::error::FilesError;

/// Opening a thing without touching it. Not `NOFOLLOW`: with it, a link at the end would be opened itself.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// No link on the way, wherever it leads; other file systems are the administrator's own choice.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// How often an open is tried again when the kernel saw a rename beside it (`EAGAIN`).
const ATTEMPTS: usize = 128;

/// Whether this path of the host exists and no part of it is a link.
pub(super) fn check(source: &str) -> Result<(), FilesError> {
    let root = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        openat(CWD, Path::new("/"), root, Mode::empty()).map_err(FilesError::on("open the host's root"))?;
    let beneath = source.trim_start_matches('/');
    let path = if beneath.is_empty() { "." } else { beneath };
    let mut result = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        result = openat2(&root, path, HANDLE, Mode::empty(), RESOLVE);
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    let refuse = |why| Err(FilesError::BindSource { path: source.to_owned(), why });
    match result {
        Ok(_) => Ok(()),
        Err(Errno::NOENT | Errno::NOTDIR) => refuse("does not exist on the host: make it there first"),
        Err(Errno::LOOP) => refuse("leads through a symbolic link: name the real path"),
        Err(Errno::AGAIN | Errno::INTR) => refuse("is being renamed at this moment: try again"),
        Err(errno) => Err(FilesError::io("look at a path of the host", errno)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test makes files")]

    use super::check;

    #[test]
    fn a_source_has_to_exist_and_to_have_no_link_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(folder.join("real/deep")).unwrap();
        std::fs::write(folder.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", folder.join("link")).unwrap();
        let check =
            |path: &str| check(folder.join(path).to_str().unwrap()).map_err(|error| error.to_string());
        assert_eq!(check("real/deep"), Ok(()));
        assert_eq!(check("real/file"), Ok(()));
        for (path, why) in
            [("none", "exist"), ("link", "symbolic"), ("link/deep", "symbolic"), ("real/file/x", "exist")]
        {
            assert!(check(path).unwrap_err().contains(why), "{path}");
        }
        assert!(super::check("/").is_ok());
    }
}
