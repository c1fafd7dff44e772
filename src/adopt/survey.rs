//! What stands on a branch that is to be taken over, sorted by whose it is.
//!
//! A file belongs to the deepest output folder that it is in. There, manifests and the files of a
//! hydrator are *owned*: they become ours. A folder in which another hydrator left its metadata and that
//! is no output is *orphaned*: it stays until somebody names it. Everything else is *foreign*.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Oid, Repository};
use hydrators::{Document, Identity};
use serde::Serialize;

use crate::{
    domain::ids::RootName,
    git::{
        GitError,
        batch::{Entry, FILE},
        metadata, other_hydrator, tree,
    },
};

/// Larger manifests are not read, bytes.
const MANIFEST_LIMIT: usize = 32 << 20;

/// How much of a branch is read, bytes.
const BRANCH_LIMIT: usize = 256 << 20;

/// Files by which a folder is read as something to be rendered.
const SOURCES: [&str; 4] = ["kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml"];

/// The documents of each output that is rendered.
pub type Rendered = BTreeMap<RootName, Vec<Document>>;

/// What stands on a branch.
#[derive(Debug, Default)]
pub struct Survey {
    /// The dry SHA in the metadata at the branch's root, and those of the outputs.
    pub claims: Vec<String>,
    /// Whether another hydrator's metadata is on it.
    pub has_metadata: bool,
    /// Output folders with something that becomes ours.
    pub outputs: BTreeMap<RootName, Output>,
    /// Folders of another hydrator that nothing renders to.
    pub orphaned: BTreeMap<String, Vec<String>>,
    /// Files that stay as they are.
    pub foreign: Vec<Foreign>,
    /// Why the branch cannot be taken over as it is.
    pub blockers: Vec<String>,
}

/// What becomes ours in one output folder.
#[derive(Debug, Default)]
pub struct Output {
    /// The files, by path from the branch's root.
    pub files: BTreeMap<String, Entry>,
    /// Those of them that hold manifests.
    pub manifests: BTreeSet<String>,
    /// What the manifests hold.
    pub documents: Vec<Document>,
}

/// A file that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// Its path.
    pub path: String,
    /// What is to be known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A tree that is sorted.
struct Sorter<'r> {
    repository: &'r Repository,
    files: &'r BTreeMap<String, Entry>,
    rendered: &'r Rendered,
    taken: &'r BTreeSet<RootName>,
    /// Folders with another hydrator's metadata.
    hydrated: BTreeSet<String>,
    read: usize,
    found: Survey,
}

/// Sorts the files of a tree. `take` names orphaned folders that are to be ours too.
pub fn survey(
    repository: &Repository,
    tree: Oid,
    rendered: &Rendered,
    take: &BTreeSet<RootName>,
) -> Result<Survey, GitError> {
    let files = tree::files(repository, tree)?;
    let mut sorter = Sorter {
        repository,
        files: &files,
        rendered,
        taken: take,
        hydrated: BTreeSet::new(),
        read: 0,
        found: Survey::default(),
    };
    sorter.find_metadata(repository, tree)?;
    for (path, entry) in &files {
        sorter.sort(path, *entry)?;
    }
    sorter.refuse_what_is_missing();
    sorter.found.outputs.retain(|_, output| !output.documents.is_empty());
    Ok(sorter.found)
}

impl Sorter<'_> {
    /// Finds where another hydrator left its metadata; that at the branch's root comes first.
    fn find_metadata(&mut self, repository: &Repository, tree: Oid) -> Result<(), GitError> {
        let tree = repository.find_tree(tree)?;
        let named = self.files.keys().filter(|path| file_name(path) == metadata::FILE_NAME);
        let mut found: Vec<(&String, String)> = named
            .filter_map(|path| Some((path, other_hydrator::metadata_at(repository, &tree, path)?.dry_sha)))
            .collect();
        found.sort_by_key(|(path, _)| path.contains('/'));
        self.found.has_metadata = !found.is_empty();
        for (path, claim) in found {
            self.found.claims.push(claim);
            self.hydrated.insert(folder(path).to_owned());
        }
        Ok(())
    }

    fn sort(&mut self, path: &str, entry: Entry) -> Result<(), GitError> {
        if path == metadata::FILE_NAME && self.hydrated.contains("") {
            return Ok(());
        }
        let orphaned = self.orphaned_folder(path);
        match (self.output_of(path), orphaned) {
            (Some(root), orphaned) if orphaned.as_ref().is_none_or(|folder| folder.len() <= root.as_str().len()) => {
                self.sort_in_output(&root, path, entry)
            }
            (_, Some(folder)) => {
                self.found.orphaned.entry(folder).or_default().push(path.to_owned());
                Ok(())
            }
            (_, None) => {
                let note = self.note_outside(path, entry)?;
                self.found.foreign.push(Foreign { path: path.to_owned(), note });
                Ok(())
            }
        }
    }

    fn sort_in_output(&mut self, root: &RootName, path: &str, entry: Entry) -> Result<(), GitError> {
        let inside = path.strip_prefix(root.as_str()).map_or(path, |rest| rest.trim_start_matches('/'));
        let is_hydrated = self.hydrated.contains(root.as_str());
        if SOURCES.contains(&inside) {
            self.found.blockers.push(format!(
                "`{path}` makes a source of the output folder `{root}`, which then is no place for rendered manifests; \
                 take it off the branch, or give the source another `output`"
            ));
            return Ok(());
        }
        if (inside == metadata::FILE_NAME && is_hydrated) || inside == metadata::README {
            self.output(root).files.insert(path.to_owned(), entry);
            return Ok(());
        }
        if !is_manifest_name(inside) {
            self.found.foreign.push(Foreign { path: path.to_owned(), note: None });
            return Ok(());
        }
        let documents = match self.documents(path, entry)? {
            Ok(documents) => documents,
            Err(words) if inside == "manifest.yaml" || words.must_stop => {
                self.found.blockers.push(words.text);
                return Ok(());
            }
            Err(words) => {
                let note = Some(format!("it is no manifest: {}", words.text));
                self.found.foreign.push(Foreign { path: path.to_owned(), note });
                return Ok(());
            }
        };
        if inside.contains('/') && !self.is_rendered_to(root, &documents) {
            let note = Some("it is in a folder of its own, and nothing of it is rendered to this output".to_owned());
            self.found.foreign.push(Foreign { path: path.to_owned(), note });
            return Ok(());
        }
        let output = self.output(root);
        output.files.insert(path.to_owned(), entry);
        output.manifests.insert(path.to_owned());
        output.documents.extend(documents);
        Ok(())
    }

    fn output(&mut self, root: &RootName) -> &mut Output {
        self.found.outputs.entry(root.clone()).or_default()
    }

    /// Returns the deepest output folder that a file is in.
    fn output_of(&self, path: &str) -> Option<RootName> {
        let roots = self.rendered.keys().chain(self.taken);
        roots.filter(|root| is_in(path, root.as_str())).max_by_key(|root| root.as_str().len()).cloned()
    }

    /// Returns the deepest folder of another hydrator that a file is in and that is no output.
    fn orphaned_folder(&self, path: &str) -> Option<String> {
        let is_output = |name: &&String| {
            RootName::new((*name).clone())
                .is_ok_and(|root| self.rendered.contains_key(&root) || self.taken.contains(&root))
        };
        let folders = self.hydrated.iter().filter(|folder| !folder.is_empty() && !is_output(folder));
        folders.filter(|folder| is_in(path, folder)).max_by_key(|folder| folder.len()).cloned()
    }

    /// Says of a manifest outside of every output what of it is rendered, and to where.
    fn note_outside(&mut self, path: &str, entry: Entry) -> Result<Option<String>, GitError> {
        if !is_manifest_name(path) {
            return Ok(None);
        }
        let Ok(documents) = self.documents(path, entry)? else { return Ok(None) };
        let folder = folder(path);
        let mut roots = self.rendered.keys().filter(|root| self.is_rendered_to(root, &documents));
        Ok(roots.next().map(|root| match folder {
            "" => format!("what it holds is rendered to `{root}`, and a branch's root is no output"),
            folder => format!("what it holds is rendered to `{root}`; `output: {folder}` would take it over"),
        }))
    }

    fn is_rendered_to(&self, root: &RootName, documents: &[Document]) -> bool {
        let rendered: BTreeSet<&Identity> =
            self.rendered.get(root).into_iter().flatten().map(|document| &document.identity).collect();
        documents.iter().any(|document| rendered.contains(&document.identity))
    }

    fn documents(&mut self, path: &str, entry: Entry) -> Result<Result<Vec<Document>, Unreadable>, GitError> {
        let stop = |text: String| Ok(Err(Unreadable { must_stop: true, text }));
        if entry.mode != FILE {
            return stop(format!("`{path}` is no ordinary file; take it off the branch first"));
        }
        let (size, _) = self.repository.odb()?.read_header(entry.id)?;
        self.read = self.read.saturating_add(size);
        if size > MANIFEST_LIMIT || self.read > BRANCH_LIMIT {
            return stop(format!("`{path}` is too large to be read ({size} bytes)"));
        }
        let blob = self.repository.find_blob(entry.id)?;
        let Ok(text) = std::str::from_utf8(blob.content()) else {
            return Ok(Err(Unreadable { must_stop: false, text: format!("`{path}` is no text") }));
        };
        Ok(hydrators::read_documents(text, Some(path))
            .map_err(|bad| Unreadable { must_stop: false, text: format!("{}: {bad}", bad.origin) }))
    }

    /// A folder that is to be taken over has to be there.
    fn refuse_what_is_missing(&mut self) {
        for root in self.taken {
            if self.found.outputs.get(root).is_none_or(|output| output.documents.is_empty()) {
                self.found.blockers.push(format!("there are no manifests in `{root}` to take over"));
            }
        }
        for (root, output) in &self.found.outputs {
            let mut seen: BTreeMap<&Identity, &Document> = BTreeMap::new();
            for document in output.documents.iter().filter(|document| !document.identity.name.is_empty()) {
                if let Some(first) = seen.insert(&document.identity, document) {
                    self.found.blockers.push(format!(
                        "{} is in `{root}` twice, {} and {}; take one of them off the branch",
                        document.identity, first.origin, document.origin
                    ));
                }
            }
        }
    }
}

/// Why a file gives no documents.
struct Unreadable {
    /// Whether it may hold manifests all the same.
    must_stop: bool,
    text: String,
}

fn is_manifest_name(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending))
}

fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
