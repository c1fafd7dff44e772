//! Merging two commits in a bare repository, in GitHub's three ways.
//!
//! Works on objects only: no work tree, no ref is moved here.

use git2::{Commit, Index, MergeOptions, Oid, Repository, Signature, Sort};

use super::pull_request::MergeMethod;

/// What to merge, and how the result is written.
pub(super) struct MergeRequest<'a> {
    pub(super) base: Oid,
    pub(super) head: Oid,
    pub(super) method: MergeMethod,
    /// The new commit's message; rebasing keeps each commit's own.
    pub(super) message: &'a str,
    /// Who merges: the author of merge and squash commits and the committer of all.
    pub(super) signature: &'a Signature<'a>,
}

/// What merging came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// The commit to move the base to.
    Commit(Oid),
    /// The commits conflict.
    Conflict,
}

/// Merges, without moving a ref.
pub(super) fn merge(git: &Repository, request: &MergeRequest<'_>) -> Result<Merged, git2::Error> {
    match request.method {
        MergeMethod::Merge => merge_commit(git, request, &[request.base, request.head]),
        MergeMethod::Squash => merge_commit(git, request, &[request.base]),
        MergeMethod::Rebase => rebase(git, request),
    }
}

/// Returns whether `head` merges into `base` without a conflict.
pub(super) fn is_clean(git: &Repository, base: Oid, head: Oid) -> Result<bool, git2::Error> {
    Ok(!three_way(git, base, head)?.has_conflicts())
}

/// Returns the commits of `head` that `base` does not have, oldest first.
pub(super) fn commits_between(git: &Repository, base: Oid, head: Oid) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = git.revwalk()?;
    walk.push(head)?;
    walk.hide(base)?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.collect()
}

fn three_way(git: &Repository, base: Oid, head: Oid) -> Result<Index, git2::Error> {
    git.merge_commits(&git.find_commit(base)?, &git.find_commit(head)?, Some(&MergeOptions::new()))
}

fn merge_commit(git: &Repository, request: &MergeRequest<'_>, parents: &[Oid]) -> Result<Merged, git2::Error> {
    let index = three_way(git, request.base, request.head)?;
    let parents = parents.iter().map(|oid| git.find_commit(*oid)).collect::<Result<Vec<_>, _>>()?;
    let Some(tree) = clean_tree(git, index)? else { return Ok(Merged::Conflict) };
    let tree = git.find_tree(tree)?;
    let parents: Vec<&Commit<'_>> = parents.iter().collect();
    git.commit(None, request.signature, request.signature, request.message, &tree, &parents).map(Merged::Commit)
}

/// Applies each commit of the head again on the base; commits that merged something are left out, as on GitHub.
fn rebase(git: &Repository, request: &MergeRequest<'_>) -> Result<Merged, git2::Error> {
    let mut tip = git.find_commit(request.base)?;
    for oid in commits_between(git, request.base, request.head)? {
        let commit = git.find_commit(oid)?;
        if commit.parent_count() > 1 {
            continue;
        }
        let Some(tree) = picked_tree(git, &commit, &tip)? else { return Ok(Merged::Conflict) };
        let tree = git.find_tree(tree)?;
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let new = git.commit(None, &commit.author(), request.signature, &message, &tree, &[&tip])?;
        tip = git.find_commit(new)?;
    }
    Ok(Merged::Commit(tip.id()))
}

fn picked_tree(git: &Repository, commit: &Commit<'_>, onto: &Commit<'_>) -> Result<Option<Oid>, git2::Error> {
    if commit.parent_count() == 0 {
        let empty = git.find_tree(git.treebuilder(None)?.write()?)?;
        return clean_tree(git, git.merge_trees(&empty, &onto.tree()?, &commit.tree()?, None)?);
    }
    clean_tree(git, git.cherrypick_commit(commit, onto, 0, None)?)
}

fn clean_tree(git: &Repository, mut index: Index) -> Result<Option<Oid>, git2::Error> {
    if index.has_conflicts() { Ok(None) } else { index.write_tree_to(git).map(Some) }
}

#[cfg(test)]
mod tests {
    use git2::Oid;

    use super::{MergeMethod, MergeRequest, Merged, Repository, Signature, commits_between, is_clean, merge};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    struct Scene {
        _dir: tempfile::TempDir,
        git: Repository,
    }

    impl Scene {
        fn new() -> Result<Self, Box<dyn std::error::Error>> {
            let dir = tempfile::tempdir()?;
            let git = Repository::init_bare(dir.path())?;
            Ok(Self { _dir: dir, git })
        }

        fn commit(&self, parents: &[Oid], message: &str, files: &[(&str, &str)]) -> Result<Oid, git2::Error> {
            let mut builder = self.git.treebuilder(None)?;
            for (name, text) in files {
                builder.insert(name, self.git.blob(text.as_bytes())?, 0o100_644)?;
            }
            let tree = self.git.find_tree(builder.write()?)?;
            let parents = parents.iter().map(|oid| self.git.find_commit(*oid)).collect::<Result<Vec<_>, _>>()?;
            let who = Signature::now("dev", "dev@example.com")?;
            self.git.commit(None, &who, &who, message, &tree, &parents.iter().collect::<Vec<_>>())
        }

        fn merge(&self, base: Oid, head: Oid, method: MergeMethod) -> Result<Merged, git2::Error> {
            let signature = Signature::now("merger", "merger@example.com")?;
            merge(&self.git, &MergeRequest { base, head, method, message: "merged", signature: &signature })
        }

        fn text(&self, commit: Oid, name: &str) -> Result<String, git2::Error> {
            let tree = self.git.find_commit(commit)?.tree()?;
            let id = tree.get_name(name).map(|entry| entry.id()).ok_or_else(|| git2::Error::from_str("absent"))?;
            Ok(String::from_utf8_lossy(self.git.find_blob(id)?.content()).into_owned())
        }
    }

    fn committed(merged: Merged) -> Result<Oid, String> {
        match merged {
            Merged::Commit(oid) => Ok(oid),
            Merged::Conflict => Err("conflict".to_owned()),
        }
    }

    #[test]
    fn a_merge_commit_has_both_parents_and_both_sides_changes() -> TestResult {
        let scene = Scene::new()?;
        let root = scene.commit(&[], "root", &[("a", "1"), ("b", "1")])?;
        let base = scene.commit(&[root], "base", &[("a", "2"), ("b", "1")])?;
        let head = scene.commit(&[root], "head", &[("a", "1"), ("b", "2")])?;
        let merged = committed(scene.merge(base, head, MergeMethod::Merge)?)?;
        let commit = scene.git.find_commit(merged)?;
        assert_eq!(commit.parent_ids().collect::<Vec<_>>(), [base, head]);
        assert_eq!((scene.text(merged, "a")?, scene.text(merged, "b")?), ("2".to_owned(), "2".to_owned()));
        Ok(())
    }

    #[test]
    fn a_squash_has_the_base_as_its_only_parent() -> TestResult {
        let scene = Scene::new()?;
        let base = scene.commit(&[], "base", &[("a", "1")])?;
        let one = scene.commit(&[base], "one", &[("a", "2")])?;
        let two = scene.commit(&[one], "two", &[("a", "3")])?;
        let merged = committed(scene.merge(base, two, MergeMethod::Squash)?)?;
        assert_eq!(scene.git.find_commit(merged)?.parent_ids().collect::<Vec<_>>(), [base]);
        assert_eq!(scene.text(merged, "a")?, "3");
        Ok(())
    }

    #[test]
    fn a_rebase_keeps_each_message_and_author_on_top_of_the_base() -> TestResult {
        let scene = Scene::new()?;
        let root = scene.commit(&[], "root", &[("a", "1"), ("b", "1")])?;
        let base = scene.commit(&[root], "base", &[("a", "2"), ("b", "1")])?;
        let one = scene.commit(&[root], "one", &[("a", "1"), ("b", "2")])?;
        let two = scene.commit(&[one], "two", &[("a", "1"), ("b", "3")])?;
        let tip = committed(scene.merge(base, two, MergeMethod::Rebase)?)?;
        let names: Vec<String> = commits_between(&scene.git, base, tip)?
            .into_iter()
            .map(|oid| Ok(scene.git.find_commit(oid)?.message()?.to_owned()))
            .collect::<Result<_, git2::Error>>()?;
        assert_eq!(names, ["one", "two"]);
        assert_eq!(scene.git.find_commit(tip)?.author().name()?, "dev");
        assert_eq!(scene.git.find_commit(tip)?.committer().name()?, "merger");
        assert_eq!((scene.text(tip, "a")?, scene.text(tip, "b")?), ("2".to_owned(), "3".to_owned()));
        Ok(())
    }

    #[test]
    fn changes_of_the_same_line_conflict_in_every_way() -> TestResult {
        let scene = Scene::new()?;
        let root = scene.commit(&[], "root", &[("a", "1")])?;
        let base = scene.commit(&[root], "base", &[("a", "2")])?;
        let head = scene.commit(&[root], "head", &[("a", "3")])?;
        assert!(!is_clean(&scene.git, base, head)?);
        for method in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase] {
            assert_eq!(scene.merge(base, head, method)?, Merged::Conflict);
        }
        Ok(())
    }
}
