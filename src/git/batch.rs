//! New git objects, collected in memory and written at once.
//!
//! Few objects are written loose; many become one pack, since thousands of small files cost ten
//! times as much.

use std::collections::{BTreeMap, HashMap};

use git2::{ObjectType, Oid, Repository};

use super::GitError;

/// From how many objects on a batch is written as a pack.
pub const PACK_FROM: usize = 64;

/// An entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The file mode, as git stores it.
    pub mode: i32,
    /// The object.
    pub id: Oid,
}

/// The mode of an ordinary file.
pub const FILE: i32 = 0o100_644;
/// The mode of a folder.
pub const FOLDER: i32 = 0o040_000;

impl Entry {
    /// Returns an ordinary file.
    pub fn file(id: Oid) -> Self {
        Self { mode: FILE, id }
    }

    /// Says whether the entry is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode == FOLDER
    }
}

/// Objects that are not written yet.
#[derive(Debug, Default)]
pub struct Batch {
    objects: HashMap<Oid, (ObjectType, Vec<u8>)>,
    order: Vec<Oid>,
}

impl Batch {
    /// Adds a blob.
    pub fn blob(&mut self, bytes: Vec<u8>) -> Result<Oid, GitError> {
        self.add(ObjectType::Blob, bytes)
    }

    /// Adds a tree of these entries.
    pub fn tree(&mut self, entries: &BTreeMap<String, Entry>) -> Result<Oid, GitError> {
        self.add(ObjectType::Tree, tree_bytes(entries))
    }

    /// Adds a commit whose bytes are ready.
    pub fn commit(&mut self, bytes: Vec<u8>) -> Result<Oid, GitError> {
        self.add(ObjectType::Commit, bytes)
    }

    fn add(&mut self, kind: ObjectType, bytes: Vec<u8>) -> Result<Oid, GitError> {
        let id = Oid::hash_object(kind, &bytes)?;
        if self.objects.insert(id, (kind, bytes)).is_none() {
            self.order.push(id);
        }
        Ok(id)
    }

    /// Returns the entries of a tree that is in the batch or in the repository.
    pub fn entries(&self, repository: &Repository, id: Oid) -> Result<BTreeMap<String, Entry>, GitError> {
        match self.objects.get(&id) {
            Some((_, bytes)) => Ok(parse_tree(bytes)),
            None => read_entries(repository, id),
        }
    }

    /// Writes what the repository does not have yet.
    pub fn write(self, repository: &Repository) -> Result<(), GitError> {
        let odb = repository.odb()?;
        let new: Vec<Oid> = self.order.into_iter().filter(|id| !odb.exists(*id)).collect();
        if new.len() < PACK_FROM {
            for id in &new {
                let (kind, bytes) = &self.objects[id];
                odb.write(*kind, bytes)?;
            }
            return Ok(());
        }
        let memory = odb.add_new_mempack_backend(MEMORY_FIRST)?;
        for id in &new {
            let (kind, bytes) = &self.objects[id];
            odb.write(*kind, bytes)?;
        }
        let mut pack = repository.packbuilder()?;
        for id in &new {
            pack.insert_object(*id, None)?;
        }
        let mut bytes = git2::Buf::new();
        pack.write_buf(&mut bytes)?;
        memory.reset()?;
        let mut writer = odb.packwriter()?;
        std::io::Write::write_all(&mut writer, &bytes).map_err(GitError::Folder)?;
        writer.commit()?;
        Ok(())
    }
}

/// The priority of the in-memory back end: before the ones on disk, so that it takes the writes.
const MEMORY_FIRST: i32 = 1000;

/// Returns the entries of a tree in the repository.
pub fn read_entries(repository: &Repository, id: Oid) -> Result<BTreeMap<String, Entry>, GitError> {
    let tree = repository.find_tree(id)?;
    Ok(tree
        .iter()
        .map(|entry| {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            (name, Entry { mode: entry.filemode(), id: entry.id() })
        })
        .collect())
}

/// Returns the id that a tree of these entries has.
pub fn tree_id(entries: &BTreeMap<String, Entry>) -> Result<Oid, GitError> {
    Ok(Oid::hash_object(ObjectType::Tree, &tree_bytes(entries))?)
}

/// Writes a tree as git does: by name, a folder sorting as if its name ended in a slash.
fn tree_bytes(entries: &BTreeMap<String, Entry>) -> Vec<u8> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|(name, entry)| if entry.is_folder() { format!("{name}/") } else { (*name).clone() });
    let mut bytes = Vec::new();
    for (name, entry) in sorted {
        bytes.extend_from_slice(format!("{:o} {name}\0", entry.mode).as_bytes());
        bytes.extend_from_slice(entry.id.as_bytes());
    }
    bytes
}

fn parse_tree(mut bytes: &[u8]) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    while let Some(end) = bytes.iter().position(|b| *b == 0) {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let Some((id, rest)) = bytes[end + 1..].split_at_checked(ID_LENGTH) else { break };
        if let (Some((mode, name)), Ok(id)) = (head.split_once(' '), Oid::from_bytes(id)) {
            entries.insert(name.to_owned(), Entry { mode: i32::from_str_radix(mode, 8).unwrap_or(FILE), id });
        }
        bytes = rest;
    }
    entries
}

/// The length of an object id in a tree.
const ID_LENGTH: usize = 20;
