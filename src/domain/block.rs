//! Blocks: what a rollback or a rejection keeps from being promoted.
//!
//! A block stands between a target T, which is good, and a bad dry SHA B. It looks at the roots
//! that are implicated: those that were named, else all that differ between T and B. A dry SHA is
//! blocked
//!
//! - when it is newer than T and not newer than B: the bad change may have come with it;
//! - wherever it lies on the line, T itself excepted, as long as by what it renders to every
//!   implicated root still has B's rendering or T's, and at least one has B's;
//! - while what it renders to is not known.
//!
//! So what is unrelated to the failure never brings the bad content back, and a fix or a plain
//! revert flows by itself.

use std::collections::BTreeSet;

use super::{
    broken::{self, Broken},
    content::Content,
    ids::{DrySha, PullRequestNumber, RootName},
    line::DryLine,
};

/// What one rollback or rejection keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What left it.
    pub cause: BlockCause,
    /// T: the dry SHA that is good, and what it renders to.
    pub target: (Option<DrySha>, Content),
    /// B: the dry SHA that is bad.
    pub bad: DrySha,
    /// What B renders to, where that is known.
    pub bad_content: Option<Content>,
    /// The roots that were named; all that differ when there are none.
    pub roots: BTreeSet<RootName>,
}

/// What leaves a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockCause {
    /// The environment was, or is being, rolled back.
    Rollback,
    /// A person closed this pull request.
    ClosedPullRequest(PullRequestNumber),
    /// A person rejected the dry commit everywhere.
    RejectedCommit,
}

impl Block {
    /// Says whether `dry` is blocked, which renders to `content` as far as that is known.
    pub fn covers(&self, dry: &DrySha, content: Option<&Content>, line: &DryLine) -> bool {
        if self.target.0.as_ref() == Some(dry) {
            return false;
        }
        if self.covers_by_place(dry, line) {
            return true;
        }
        match (content, &self.bad_content) {
            (Some(content), Some(bad)) => self.carries_the_bad(content, bad),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Says whether `dry` is newer than T and not newer than B.
    pub fn covers_by_place(&self, dry: &DrySha, line: &DryLine) -> bool {
        let position = line.position(dry);
        *dry == self.bad
            || (!broken::is(Broken::BlockRange)
                && position > self.target_position(line)
                && position <= line.position(&self.bad))
    }

    /// Says whether what ran as `dry` with `content` brought the bad content, wherever `dry` lies.
    pub fn was_brought_by(&self, dry: &DrySha, content: &Content) -> bool {
        *dry == self.bad || self.bad_content.as_ref().is_some_and(|bad| self.carries_the_bad(content, bad))
    }

    /// Says whether `dry` is newer than T.
    pub fn is_after_target(&self, dry: &DrySha, line: &DryLine) -> bool {
        line.position(dry) > self.target_position(line)
    }

    fn target_position(&self, line: &DryLine) -> super::line::LinePosition {
        self.target.0.as_ref().map(|target| line.position(target)).unwrap_or_default()
    }

    fn carries_the_bad(&self, content: &Content, bad: &Content) -> bool {
        if broken::is(Broken::BlockContent) {
            return false;
        }
        let target = &self.target.1;
        let mut implicated: BTreeSet<&RootName> = target.differing(bad);
        if !self.roots.is_empty() {
            implicated.retain(|root| self.roots.contains(*root));
        }
        let has_bad = |root: &&&RootName| content.get(root) == bad.get(root);
        implicated.iter().any(|root| has_bad(&root))
            && implicated.iter().all(|root| has_bad(&root) || content.get(root) == target.get(root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RenderingId;

    fn dry(name: &str) -> DrySha {
        DrySha::new(name).expect("a word")
    }

    fn content(roots: &[(&str, u32)]) -> Content {
        let root = |name: &str| RootName::new(name).expect("a folder");
        roots.iter().map(|(n, v)| (root(n), RenderingId::new(format!("v{v}")).expect("a word"))).collect()
    }

    fn line() -> DryLine {
        DryLine::new((0..9).map(|n| dry(&format!("dry-{n}"))).collect(), [])
    }

    /// From dry-2 back to dry-1: `a` and `b` changed.
    fn block() -> Block {
        Block {
            cause: BlockCause::Rollback,
            target: (Some(dry("dry-1")), content(&[("a", 1), ("b", 1), ("c", 1)])),
            bad: dry("dry-4"),
            bad_content: Some(content(&[("a", 2), ("b", 2), ("c", 1)])),
            roots: BTreeSet::new(),
        }
    }

    fn covers(block: &Block, name: &str, roots: &[(&str, u32)]) -> bool {
        block.covers(&dry(name), Some(&content(roots)), &line())
    }

    #[test]
    fn what_lies_between_target_and_bad_is_blocked_whatever_it_holds() {
        let fine = [("a", 9), ("b", 9), ("c", 9)];
        assert!(covers(&block(), "dry-2", &fine) && covers(&block(), "dry-4", &fine));
        assert!(!covers(&block(), "dry-5", &fine) && !covers(&block(), "dry-1", &[("a", 2), ("b", 2)]));
    }

    /// The case of several roots of the model (§5.7): an unrelated commit inherits the bad content.
    #[test]
    fn an_unrelated_commit_inherits_the_block_and_a_fix_does_not() {
        assert!(covers(&block(), "dry-5", &[("a", 2), ("b", 2), ("c", 7)]), "unrelated");
        assert!(covers(&block(), "dry-5", &[("a", 2), ("b", 1), ("c", 1)]), "half reverted");
        assert!(!covers(&block(), "dry-5", &[("a", 1), ("b", 1), ("c", 1)]), "reverted");
        assert!(!covers(&block(), "dry-5", &[("a", 3), ("b", 2), ("c", 1)]), "changed");
    }

    /// A case of the model (§5.1): an older dry SHA with the bad content.
    #[test]
    fn an_older_dry_sha_with_the_bad_content_is_blocked() {
        assert!(covers(&block(), "dry-0", &[("a", 2), ("b", 2), ("c", 1)]));
        assert!(!covers(&block(), "dry-0", &[("a", 0), ("b", 0), ("c", 0)]));
    }

    #[test]
    fn what_is_not_rendered_yet_is_blocked() {
        assert!(block().covers(&dry("dry-5"), None, &line()));
        assert!(block().covers(&dry("dry-0"), None, &line()));
        assert!(!block().covers(&dry("dry-1"), None, &line()));
    }

    #[test]
    fn only_named_roots_are_implicated() {
        let block = Block { roots: BTreeSet::from([RootName::new("a").expect("a folder")]), ..block() };
        assert!(!covers(&block, "dry-5", &[("a", 3), ("b", 2), ("c", 1)]));
        assert!(!covers(&block, "dry-5", &[("a", 1), ("b", 2), ("c", 1)]));
        assert!(covers(&block, "dry-5", &[("a", 2), ("b", 3), ("c", 1)]));
    }

    #[test]
    fn a_root_that_the_bad_content_removed_counts_as_a_difference() {
        let block = Block { bad_content: Some(content(&[("a", 1), ("b", 1)])), ..block() };
        assert!(covers(&block, "dry-5", &[("a", 9), ("b", 1)]));
        assert!(!covers(&block, "dry-5", &[("a", 9), ("b", 1), ("c", 1)]));
    }
}
