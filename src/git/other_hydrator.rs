//! Tells the commits of other hydrators from those of people, by what only they write.
//!
//! - Argo CD's source hydrator keeps a `hydrator.metadata` at the branch's root without the part that is ours
//!   alone, and passes the reference trailers of a dry commit on.
//! - gitops-promoter leaves trailers about hydrated commits on what it merges, and its name as author.
//!
//! Git notes are not looked at: they move without any file being written.

use git2::{Commit, Repository, Tree};
use serde::Deserialize;

use super::metadata;
use crate::domain::adoption::OtherHydrator;

/// Larger files are no metadata, bytes.
const METADATA_LIMIT: usize = 1 << 20;

/// Trailers that gitops-promoter writes on merges, in lower case.
const PROMOTER_TRAILERS: [&str; 6] = [
    "sha-hydrated-active:",
    "sha-hydrated-proposed:",
    "sha-dry-active:",
    "sha-dry-proposed:",
    "pull-request-source-branch:",
    "pull-request-merge-time:",
];

/// Trailers that Argo CD reads from dry commits and that some hydrators pass on, in lower case.
const ARGOCD_TRAILER: &str = "argocd-reference-commit-";

/// The metadata of another hydrator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherMetadata {
    /// The dry SHA that it says was hydrated.
    pub dry_sha: String,
    /// The dry repository.
    #[serde(rename = "repoURL", default)]
    pub repo_url: String,
}

/// Reads the metadata of another hydrator; ours is none.
pub fn parse(bytes: &[u8]) -> Option<OtherMetadata> {
    #[derive(Deserialize)]
    struct Ours {
        #[serde(rename = "hydromote")]
        _hydromote: serde::de::IgnoredAny,
    }
    if bytes.len() > METADATA_LIMIT || serde_json::from_slice::<Ours>(bytes).is_ok() {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// Returns the metadata that another hydrator wrote to `path` in a tree.
pub fn metadata_at(repository: &Repository, tree: &Tree<'_>, path: &str) -> Option<OtherMetadata> {
    let entry = tree.get_path(std::path::Path::new(path)).ok()?;
    if entry.kind() != Some(git2::ObjectType::Blob) {
        return None;
    }
    let (size, _) = repository.odb().ok()?.read_header(entry.id()).ok()?;
    if size > METADATA_LIMIT {
        return None;
    }
    parse(repository.find_blob(entry.id()).ok()?.content())
}

/// Returns the hydrator that made a commit of an environment branch, as far as the commit tells.
pub fn of_commit(repository: &Repository, commit: &Commit<'_>) -> Option<OtherHydrator> {
    let merged = commit.parent(1).ok();
    let messages = [Some(commit), merged.as_ref()];
    let mut lines = messages.into_iter().flatten().flat_map(|commit| {
        let text = String::from_utf8_lossy(commit.message_bytes()).to_ascii_lowercase();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let author = commit.author();
    let promoter_by_name = author.name_bytes().starts_with(b"argoproj-promoter");
    let by_line = lines.find_map(|line| {
        if PROMOTER_TRAILERS.iter().any(|trailer| line.starts_with(trailer)) {
            return Some(OtherHydrator::GitopsPromoter);
        }
        line.starts_with(ARGOCD_TRAILER).then_some(OtherHydrator::ArgoCd)
    });
    let keeps = || commit.tree().is_ok_and(|tree| holds_branch(repository, &tree)).then_some(OtherHydrator::ArgoCd);
    by_line.or(promoter_by_name.then_some(OtherHydrator::GitopsPromoter)).or_else(keeps)
}

/// Says whether the metadata at a branch's root is another hydrator's: then the branch is as that one keeps it.
pub fn holds_branch(repository: &Repository, tree: &Tree<'_>) -> bool {
    metadata_at(repository, tree, metadata::FILE_NAME).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_others_is_told_from_ours() {
        let theirs = br#"{"drySha":"a","repoURL":"https://example.com/a/b","commands":[]}"#;
        assert_eq!(parse(theirs).map(|found| found.dry_sha), Some("a".to_owned()));
        assert_eq!(parse(br#"{"drySha":"a","hydromote":{"files":[],"renderer":"","labels":{}}}"#), None);
        assert_eq!(parse(b"text"), None);
        assert_eq!(parse(b"{}"), None);
    }

    /// Makes a commit with a root metadata file, on one without.
    fn commit(metadata: &str, author: &str, message: &str) -> Option<OtherHydrator> {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Repository::init_bare(folder.path()).expect("a repository");
        let tree = |text: &str| {
            let mut builder = repository.treebuilder(None).expect("a builder");
            builder
                .insert("hydrator.metadata", repository.blob(text.as_bytes()).expect("a blob"), 0o100_644)
                .expect("in");
            repository.find_tree(builder.write().expect("a tree")).expect("a tree")
        };
        let who = git2::Signature::new(author, "a@example.com", &git2::Time::new(1, 0)).expect("a signature");
        let first = repository.commit(None, &who, &who, "first", &tree("{}"), &[]).expect("a commit");
        let first = repository.find_commit(first).expect("a commit");
        let second = repository.commit(None, &who, &who, message, &tree(metadata), &[&first]).expect("a commit");
        of_commit(&repository, &repository.find_commit(second).expect("a commit"))
    }

    #[test]
    fn commits_are_known_by_what_only_hydrators_write() {
        let theirs = r#"{"drySha":"a"}"#;
        assert_eq!(commit(theirs, "Argo CD", "a1b2c3d: bump"), Some(OtherHydrator::ArgoCd));
        assert_eq!(commit("{}", "x", "m\n\nArgocd-reference-commit-sha: 1"), Some(OtherHydrator::ArgoCd));
        let merge = "Promote\n\nPull-request-id: 4\nSha-hydrated-proposed: 1";
        assert_eq!(commit(theirs, "x", merge), Some(OtherHydrator::GitopsPromoter));
        assert_eq!(commit(theirs, "argoproj-promoter[bot]", "m"), Some(OtherHydrator::GitopsPromoter));
        assert_eq!(commit("{}", "developer", "by hand"), None);
        let ours = r#"{"drySha":"a","hydromote":{"strategy":"s","environment":"e","lane":"default"}}"#;
        assert_eq!(commit(ours, "Hydromote", "Promote"), None);
    }
}
