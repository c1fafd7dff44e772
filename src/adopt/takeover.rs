//! The commit that takes a branch over: what is there, written as we write it.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Oid, Repository, Signature};
use hydrators::Document;

use super::{
    proof,
    survey::{Rendered, Survey},
};
use crate::{
    domain::{
        adoption::TakenOver,
        content::Content,
        hydration::RootInfo,
        ids::{DrySha, RenderingId, RootName},
    },
    git::{
        GitError,
        batch::Batch,
        compose::{self, Composition},
        history::DryCommit,
        metadata::Origin,
        trailers::Trailers,
        tree::Owned,
    },
};

/// The file that we write.
const MANIFEST: &str = "manifest.yaml";

/// What is known of the dry SHA that the branch is counted as.
#[derive(Debug)]
pub struct Claim {
    /// The dry commit.
    pub dry: DryCommit,
    /// Strategy and environment.
    pub origin: Origin,
    /// The dry repository's address, for metadata.
    pub repo_url: String,
    /// About each rendered root.
    pub roots: BTreeMap<RootName, RootInfo>,
    /// README text by root.
    pub readmes: BTreeMap<RootName, String>,
}

/// A commit that takes a branch over, written but not pushed.
#[derive(Debug)]
pub struct Takeover {
    /// The commit.
    pub commit: Oid,
    /// What it holds.
    pub content: Content,
}

/// Why a branch cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The documents cannot be put into one file.
    #[error("`{root}`: {message}")]
    Documents {
        /// The output.
        root: RootName,
        /// Why.
        message: String,
    },
    /// What would be written does not say the same as what is there.
    #[error("what would be written does not say the same as what is there: {0}")]
    Differs(String),
    /// git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Returns what an output holds after the branch was taken over: each document that is there, in the
/// renderer's own words where those say the same, so that the next rendering differs in nothing else.
pub fn rewritten(there: &[Document], rendered: &[Document]) -> Vec<Document> {
    let mut left: Vec<&Document> = rendered.iter().collect();
    let mut in_renderers_words = |document: &Document| {
        let is_same = |other: &&Document| other.identity == document.identity && other.meaning() == document.meaning();
        left.iter().position(is_same).map(|position| left.swap_remove(position).clone())
    };
    there.iter().map(|document| in_renderers_words(document).unwrap_or_else(|| document.clone())).collect()
}

/// Returns the content of each output after the branch was taken over.
pub fn contents(repository: &Repository, survey: &Survey, rendered: &Rendered) -> Result<Content, TakeoverError> {
    let (mut content, mut batch) = (Content::default(), Batch::default());
    for (root, output) in &survey.outputs {
        let none = Vec::new();
        let documents = rewritten(&output.documents, rendered.get(root).unwrap_or(&none));
        let text = hydrators::write_documents(documents)
            .map_err(|bad| TakeoverError::Documents { root: root.clone(), message: bad.to_string() })?;
        let files = BTreeMap::from([(MANIFEST.to_owned(), text.into_bytes())]);
        content.insert(root.clone(), compose::add_rendering(repository, &mut batch, &files)?);
    }
    batch.write(repository)?;
    Ok(content)
}

/// Writes the commit on `head` and proves that only formatting changes.
pub fn commit(
    repository: &Repository,
    head: Oid,
    survey: &Survey,
    content: Content,
    claim: Claim,
    adoption: TakenOver,
    who: &Signature<'_>,
) -> Result<Takeover, TakeoverError> {
    let parent = repository.find_commit(head).map_err(GitError::from)?;
    let subject = format!("Take {} over for Hydromote", claim.origin.environment);
    let trailers = Trailers::of_takeover(claim.dry.sha.clone(), claim.origin.clone(), adoption);
    let body = body(&claim.dry.sha, adoption);
    let message = format!("{subject}\n\n{body}\n\n{}", trailers.render());
    let composition = Composition {
        parent: None,
        content: content.clone(),
        roots: claim.roots,
        dry: claim.dry,
        origin: claim.origin,
        repo_url: claim.repo_url,
        readmes: claim.readmes,
        taken_over: BTreeSet::new(),
        is_undivided: true,
        dry_of: BTreeMap::new(),
        others: BTreeMap::new(),
    };
    let base = without_other_metadata(repository, parent.tree_id())?;
    let mut batch = Batch::default();
    let tree = compose::compose_tree(repository, &mut batch, base, &owned(survey), &composition)?;
    batch.write(repository)?;
    proof::prove(repository, parent.tree_id(), tree, survey)?;
    let tree = repository.find_tree(tree).map_err(GitError::from)?;
    let commit = repository.commit(None, who, who, &message, &tree, &[&parent]).map_err(GitError::from)?;
    Ok(Takeover { commit, content })
}

fn body(dry: &DrySha, adoption: TakenOver) -> String {
    let stands = match adoption {
        TakenOver::AsRendered => "It is what the commit renders to.",
        TakenOver::Differing => "It differs from what the commit renders to; the next promotion shows where.",
    };
    format!(
        "Only formatting changes: every manifest says what it said before.\nWhat runs here counts as {}. {stands}",
        dry.short()
    )
}

/// Returns what is on the branch as if it were ours, so that it is replaced.
fn owned(survey: &Survey) -> Owned {
    let mut owned = Owned::default();
    for (root, output) in &survey.outputs {
        // No tree has this id: whatever is written differs from it.
        let nothing = RenderingId::new("0".repeat(40)).expect("because it is hexadecimal");
        owned.content.insert(root.clone(), nothing);
        owned.files.insert(root.clone(), output.files.clone());
    }
    owned
}

/// Returns the tree without another hydrator's metadata at the root, which ours replaces.
fn without_other_metadata(repository: &Repository, tree: Oid) -> Result<Option<Oid>, GitError> {
    use crate::git::{metadata, tree::edit};
    let mut batch = Batch::default();
    let edits = BTreeMap::from([(metadata::FILE_NAME.to_owned(), None)]);
    let edited = edit(repository, &mut batch, Some(tree), &edits)?;
    batch.write(repository)?;
    Ok(edited)
}
