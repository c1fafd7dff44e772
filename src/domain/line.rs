//! The dry line: the first-parent history of the dry branch's head as git has it now.
//!
//! *Newer* means later on this line, never by date and never by when it was seen. A dry SHA that
//! left the line (a forced push) is never promoted; where it still runs it counts as just after
//! the newest commit that it shares with the line. Where git has no more of it than its name, it counts as just after the
//! newest commit that ran before it in any place: places move forward.

use std::collections::BTreeMap;

use super::ids::DrySha;

/// A place on the dry line; later is newer. Even ones are of commits on the line, odd ones of those beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LinePosition(usize);

impl LinePosition {
    /// Returns that of the commit with this index on the line.
    const fn on_line(index: usize) -> Self {
        Self(2 * index + 2)
    }

    const fn is_on_line(self) -> bool {
        self.0.is_multiple_of(2)
    }

    /// Returns that of a commit beside the line, newer than this and older than what follows this on the line.
    const fn beside(self) -> Self {
        Self(self.0 | 1)
    }
}

/// The dry line with what left it and still matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DryLine {
    shas: Vec<DrySha>,
    positions: BTreeMap<DrySha, LinePosition>,
}

impl DryLine {
    /// Builds the line from its commits, oldest first, and from the commits that left it, each with
    /// the newest commit that it shares with the line (none when they share nothing).
    pub fn new(oldest_first: Vec<DrySha>, left: impl IntoIterator<Item = (DrySha, Option<DrySha>)>) -> Self {
        let mut positions: BTreeMap<_, _> =
            oldest_first.iter().enumerate().map(|(i, sha)| (sha.clone(), LinePosition::on_line(i))).collect();
        for (sha, shared) in left {
            let anchor = shared.and_then(|s| positions.get(&s).copied()).unwrap_or_default();
            positions.entry(sha).or_insert(anchor.beside());
        }
        Self { shas: oldest_first, positions }
    }

    /// Places a commit that git knows nothing of any more; `before` are those that ran where it runs before it did.
    pub fn place_lost<'a>(&mut self, lost: DrySha, before: impl IntoIterator<Item = &'a DrySha>) {
        let newest = before.into_iter().map(|sha| self.position(sha)).max().unwrap_or_default();
        self.positions.insert(lost, newest.beside());
    }

    /// Returns the newest dry SHA.
    pub fn head(&self) -> Option<&DrySha> {
        self.shas.last()
    }

    /// Says whether `sha` is on the line now.
    pub fn contains(&self, sha: &DrySha) -> bool {
        self.positions.get(sha).is_some_and(|position| position.is_on_line())
    }

    /// Returns the dry SHA with this id, else the newest one that begins so; also one that left the line.
    pub fn beginning_with(&self, beginning: &str) -> Option<&DrySha> {
        let begins = |sha: &&DrySha| sha.as_str().starts_with(beginning);
        let whole = self.positions.keys().find(|sha| sha.as_str() == beginning);
        whole.or_else(|| self.shas.iter().rev().find(begins)).or_else(|| self.positions.keys().find(begins))
    }

    /// Returns every dry SHA that begins so, also those that left the line; one with exactly this id
    /// stands alone.
    pub fn all_beginning_with(&self, beginning: &str) -> Vec<DrySha> {
        let found = |matches: &dyn Fn(&str) -> bool| -> Vec<DrySha> {
            self.positions.keys().filter(|sha| matches(sha.as_str())).cloned().collect()
        };
        let whole = found(&|sha| sha == beginning);
        if whole.is_empty() { found(&|sha| sha.starts_with(beginning)) } else { whole }
    }

    /// Returns where `sha` counts; the beginning for one that shares nothing with the line.
    pub fn position(&self, sha: &DrySha) -> LinePosition {
        self.positions.get(sha).copied().unwrap_or_default()
    }

    /// Returns what is on the line after `position`, newest first.
    pub fn newer_than(&self, position: LinePosition) -> impl Iterator<Item = &DrySha> {
        self.shas.iter().rev().take_while(move |sha| self.position(sha) > position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dry(name: &str) -> DrySha {
        DrySha::new(name).expect("a word")
    }

    #[test]
    fn what_left_the_line_counts_as_just_after_what_it_shares_with_it() {
        let line = DryLine::new(vec![dry("dry-1"), dry("dry-3")], [(dry("dry-2"), Some(dry("dry-1")))]);
        assert!(!line.contains(&dry("dry-2")));
        assert!(line.position(&dry("dry-2")) > line.position(&dry("dry-1")));
        assert!(line.position(&dry("dry-2")) < line.position(&dry("dry-3")));
        let newer: Vec<_> = line.newer_than(line.position(&dry("dry-2"))).map(DrySha::as_str).collect();
        assert_eq!(newer, ["dry-3"]);
    }

    #[test]
    fn what_is_lost_counts_as_just_after_the_newest_that_ran_before_it() {
        let left = [(dry("dry-2"), Some(dry("dry-1"))), (dry("lost"), None)];
        let mut line = DryLine::new(vec![dry("dry-1"), dry("dry-3")], left);
        for (before, newest) in [(vec!["dry-1"], "dry-1"), (vec!["dry-3", "dry-1"], "dry-3"), (vec!["dry-2"], "dry-1")]
        {
            let before: Vec<DrySha> = before.into_iter().map(dry).collect();
            line.place_lost(dry("lost"), &before);
            assert!(line.position(&dry("lost")) > line.position(&dry(newest)), "after {before:?}");
            assert_eq!(line.position(&dry("lost")) < line.position(&dry("dry-3")), newest != "dry-3");
            assert!(!line.contains(&dry("lost")));
        }
        line.place_lost(dry("lost"), []);
        assert!(line.position(&dry("lost")) < line.position(&dry("dry-1")), "nothing ran before it");
    }

    #[test]
    fn what_shares_nothing_with_the_line_is_older_than_all_of_it() {
        let line = DryLine::new(vec![dry("dry-1")], [(dry("other"), None)]);
        assert!(line.position(&dry("other")) < line.position(&dry("dry-1")));
    }
}
