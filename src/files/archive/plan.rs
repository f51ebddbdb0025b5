//! What an archive becomes: a tree in memory, built and checked before anything is written.

use std::collections::HashMap;

use super::super::error::shown;
use super::super::path::MountPath;
use super::directory::{Entry, EntryKind};
use super::error::ArchiveError;

/// The number of the mount's root folder in a plan.
pub(in super::super) const ROOT: usize = 0;

/// The tree, from the mount's root on. Parents stand before their children.
#[derive(Debug)]
pub(in super::super) struct Plan {
    nodes: Vec<Node>,
    /// The folder unpacked to.
    pub(in super::super) target: usize,
    /// Files and links.
    pub(in super::super) files: u64,
    /// Folders beneath the one unpacked to.
    pub(in super::super) folders: u64,
}

/// One file, folder or link.
#[derive(Debug)]
pub(in super::super) struct Node {
    pub(in super::super) parent: usize,
    pub(in super::super) name: Box<[u8]>,
    pub(in super::super) kind: NodeKind,
    pub(in super::super) children: Vec<usize>,
}

/// What a node is, with the number of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum NodeKind {
    /// A folder, which has an entry only when the archive names it.
    Folder(Option<usize>),
    /// A regular file.
    File(usize),
    /// A symbolic link.
    Link(usize),
}

type Index = HashMap<(usize, Box<[u8]>), usize>;

impl Plan {
    /// Plans the unpacking of `entries`, whose names are checked, into the folder at `target`.
    pub(super) fn build(entries: &[Entry], target: &MountPath) -> Result<Self, ArchiveError> {
        let root =
            Node { parent: ROOT, name: Box::default(), kind: NodeKind::Folder(None), children: Vec::new() };
        let mut plan = Self { nodes: vec![root], target: ROOT, files: 0, folders: 0 };
        let mut index = Index::new();
        for part in target.parts() {
            plan.target = plan.add(&mut index, plan.target, part.as_bytes(), NodeKind::Folder(None));
        }
        for (number, entry) in entries.iter().enumerate() {
            plan.insert(&mut index, number, entry)?;
        }
        for node in &plan.nodes {
            match node.kind {
                NodeKind::Folder(_) => plan.folders += 1,
                NodeKind::File(_) | NodeKind::Link(_) => plan.files += 1,
            }
        }
        // The root and the folders on the way to the target are not the archive's.
        plan.folders -= target.parts().count() as u64 + 1;
        Ok(plan)
    }

    fn insert(&mut self, index: &mut Index, number: usize, entry: &Entry) -> Result<(), ArchiveError> {
        let path = entry.name.strip_suffix(b"/").unwrap_or(&entry.name);
        let mut folder = self.target;
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let found = index.get(&(folder, Box::from(part))).copied();
            folder = match (found, last) {
                (Some(node), false) => self.enter(node, entry)?,
                (Some(node), true) => return self.meet(node, number, entry),
                (None, false) => self.add(index, folder, part, NodeKind::Folder(None)),
                (None, true) => self.add(index, folder, part, kind_of(entry, number)),
            };
        }
        Ok(())
    }

    /// Goes through a node on the way to an entry.
    fn enter(&self, node: usize, entry: &Entry) -> Result<usize, ArchiveError> {
        match self.nodes[node].kind {
            NodeKind::Folder(_) => Ok(node),
            NodeKind::File(_) => Err(ArchiveError::FileAndFolder(self.shown(node))),
            NodeKind::Link(_) => Err(ArchiveError::BelowLink(shown(&entry.name))),
        }
    }

    /// An entry whose place is taken: only a folder that has had no entry of its own may have one.
    fn meet(&mut self, node: usize, number: usize, entry: &Entry) -> Result<(), ArchiveError> {
        let name = || shown(&entry.name);
        match (self.nodes[node].kind, entry.kind) {
            (NodeKind::Folder(None), EntryKind::Folder) => {
                self.nodes[node].kind = NodeKind::Folder(Some(number));
                Ok(())
            }
            (NodeKind::Folder(_), EntryKind::Folder)
            | (NodeKind::File(_) | NodeKind::Link(_), EntryKind::File | EntryKind::Link) => {
                Err(ArchiveError::Duplicate(name()))
            }
            (NodeKind::Folder(None), EntryKind::Link) => Err(ArchiveError::BelowLink(name())),
            (NodeKind::Folder(_), _) | (_, EntryKind::Folder) => Err(ArchiveError::FileAndFolder(name())),
        }
    }

    fn add(&mut self, index: &mut Index, parent: usize, name: &[u8], kind: NodeKind) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node { parent, name: name.into(), kind, children: Vec::new() });
        self.nodes[parent].children.push(node);
        index.insert((parent, name.into()), node);
        node
    }

    /// The nodes with their numbers, parents before children.
    pub(in super::super) fn nodes(&self) -> impl DoubleEndedIterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate()
    }

    /// One node.
    pub(in super::super) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// Whether a node is a folder.
    pub(in super::super) fn is_folder(&self, node: usize) -> bool {
        matches!(self.nodes[node].kind, NodeKind::Folder(_))
    }

    /// A node's path from the mount's root, `.` for the root.
    pub(in super::super) fn path(&self, node: usize) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = node;
        while at != ROOT {
            parts.push(&*self.nodes[at].name);
            at = self.nodes[at].parent;
        }
        parts.reverse();
        if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
    }

    /// A node's path as messages show it.
    pub(in super::super) fn shown(&self, node: usize) -> String {
        shown(&self.path(node))
    }
}

fn kind_of(entry: &Entry, number: usize) -> NodeKind {
    match entry.kind {
        EntryKind::File => NodeKind::File(number),
        EntryKind::Folder => NodeKind::Folder(Some(number)),
        EntryKind::Link => NodeKind::Link(number),
    }
}
