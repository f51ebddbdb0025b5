//! What is in a folder, to compare it with what was there before.

use std::collections::BTreeMap;
use std::path::Path;

/// Everything beneath a folder: a file's path and its content, a link's and where it leads, a folder's and `/`.
/// What goes meanwhile is left out.
pub fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let what = if kind.is_symlink() {
                std::fs::read_link(&path).map(|target| format!("-> {}", target.display()))
            } else if kind.is_dir() {
                left.push(path);
                Ok("/".into())
            } else {
                std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            };
            if let Ok(what) = what {
                found.insert(name, what);
            }
        }
    }
    found
}
