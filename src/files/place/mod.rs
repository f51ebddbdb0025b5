//! An unpacked tree, moved into its mount child by child.
//!
//! Whole folders that the mount does not have are renamed in one step, files that it has are exchanged
//! with the old ones, so that at any moment each file is either the old or the new one. Every move is
//! noted, and when one fails all are taken back. The mount's root folder is never swapped: a running
//! container holds its inode.

mod check;
mod intent;
mod moves;

use rustix::fd::OwnedFd;
use rustix::fs::fsync;

use super::archive::{Plan, ROOT};
use super::error::FilesError;
use super::mount::{FOLDER, Mount, open_beneath, opening_failed};
use super::path::MountPath;
use super::staging::Stage;
use super::unpack::{Destination, UnpackMode};

use intent::Intent;
pub(super) use intent::recover;
use moves::{Move, Outcome, move_all, move_child};

/// The folder in a stage that the archive is unpacked into, as if it were the mount's root.
pub(super) const TREE: &str = "tree";
/// The folder in a stage that takes what a replaced folder held.
const OLD: &str = "old";

/// What goes where.
pub(super) struct Placing<'a> {
    pub(super) mount: &'a Mount,
    pub(super) plan: &'a Plan,
    pub(super) tree: &'a OwnedFd,
    pub(super) to: &'a Destination,
}

/// One folder of the plan on both sides.
struct Pair {
    /// In staging.
    tree: OwnedFd,
    /// In the mount.
    mount: OwnedFd,
}

/// What was done so far.
#[derive(Default)]
struct Progress {
    moves: Vec<Move>,
    /// The folder that is being replaced. Its descriptors are held, so that its children find back even
    /// when the container renames it meanwhile.
    replaced: Option<(Intent, Pair)>,
}

/// Moves everything into place, or nothing.
pub(super) fn place(placing: &Placing<'_>, stage: &mut Stage) -> Result<(), FilesError> {
    let mut progress = Progress::default();
    let Err(error) = move_in(placing, stage, &mut progress) else {
        // All is in its place, and on the disk. A note that is still there finds nothing left to move.
        if let Some((intent, _)) = progress.replaced
            && let Err(error) = intent.end(stage)
        {
            tracing::warn!(%error, "the note of a replacement could not be removed");
        }
        return Ok(());
    };
    let is_replacement = progress.replaced.is_some();
    let undone = take_back(placing, &progress).and_then(|()| put_back(placing, stage, progress));
    if let Err(undo_error) = undone {
        tracing::error!(%error, %undo_error, "a half-placed upload could not be taken back");
        // What came out of a folder stays in staging until the next start puts it back. Of a merge nothing is noted
        // that could be put back: a container that races uploads must not fill the disk with what they leave.
        if is_replacement {
            stage.keep();
        }
    }
    Err(error)
}

fn move_in(placing: &Placing<'_>, stage: &Stage, progress: &mut Progress) -> Result<(), FilesError> {
    let plan = placing.plan;
    let mut pending = vec![ROOT];
    while let Some(folder) = pending.pop() {
        let opened = placing.pair(folder)?;
        let pair = if placing.to.mode == UnpackMode::Replace && folder == plan.target {
            empty_folder(placing, stage, opened, progress)?
        } else {
            opened
        };
        for &child in &plan.node(folder).children {
            match move_child(placing, &pair, child)? {
                Outcome::Exists => pending.push(child),
                Outcome::Moved(step) => {
                    progress.moves.push(step);
                    if step.exchanged == Some(true) {
                        return Err(FilesError::Changed { path: plan.shown(child) });
                    }
                }
            }
        }
        fsync(&pair.mount).map_err(FilesError::on("write a folder to the disk"))?;
    }
    Ok(())
}

/// Moves out what the folder to be replaced holds.
fn empty_folder(
    placing: &Placing<'_>,
    stage: &Stage,
    pair: Pair,
    progress: &mut Progress,
) -> Result<Pair, FilesError> {
    let again = pair.try_clone()?;
    let (intent, pair) = progress.replaced.insert((Intent::begin(stage, placing.to)?, pair));
    let old = stage
        .make_owned_folder(OLD, placing.to.owner, 0o700)
        .map_err(FilesError::on("make a folder in staging"))?;
    move_all(&pair.mount, &old, &placing.to.path)?;
    intent.place(stage)?;
    Ok(again)
}

/// Takes the moves back, the last one first.
fn take_back(placing: &Placing<'_>, progress: &Progress) -> Result<(), FilesError> {
    for step in progress.moves.iter().rev() {
        let folder = placing.plan.node(step.child).parent;
        let pair = match &progress.replaced {
            Some((_, pair)) if folder == placing.plan.target => pair,
            _ => &placing.pair(folder)?,
        };
        moves::take_back(placing, pair, *step)?;
        fsync(&pair.mount).map_err(FilesError::on("write a folder to the disk"))?;
    }
    Ok(())
}

/// Puts back what a replaced folder held.
fn put_back(placing: &Placing<'_>, stage: &Stage, progress: Progress) -> Result<(), FilesError> {
    let Some((intent, pair)) = progress.replaced else { return Ok(()) };
    if let Ok(old) = open_beneath(stage.folder(), OLD, FOLDER) {
        move_all(&old, &pair.mount, &placing.to.path)?;
    }
    intent.end(stage)
}

impl Pair {
    fn try_clone(&self) -> Result<Self, FilesError> {
        let clone = |folder: &OwnedFd| {
            folder.try_clone().map_err(|error| FilesError::io("hold a folder open", error))
        };
        Ok(Self { tree: clone(&self.tree)?, mount: clone(&self.mount)? })
    }
}

impl Placing<'_> {
    /// Opens a folder of the plan on both sides.
    fn pair(&self, folder: usize) -> Result<Pair, FilesError> {
        let path = self.plan.path(folder);
        let tree = open_beneath(self.tree, path.as_slice(), FOLDER)
            .map_err(FilesError::on("open a folder in staging"))?;
        Ok(Pair { tree, mount: self.open_target(folder)? })
    }

    /// Opens a folder of the plan in the mount.
    fn open_target(&self, folder: usize) -> Result<OwnedFd, FilesError> {
        let path = self.plan.path(folder);
        open_beneath(self.mount.root(), path.as_slice(), FOLDER).map_err(|errno| {
            let shown = MountPath::parse(&String::from_utf8_lossy(&path), None).unwrap_or_default();
            match opening_failed(&shown, errno) {
                FilesError::FileNotFound { path } => FilesError::Changed { path },
                other => other,
            }
        })
    }
}
