//! Which outputs on an active branch are of one strategy: others of the repository may share the branch.
//!
//! An output is of the strategy that its metadata names. Where that one is no longer in force, it is of the one that was
//! called so before, or else of whoever renders it now; one that nobody renders stays as it is.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    domain::{
        content::Content,
        ids::{RootName, StrategyName},
    },
    git::{history::BranchCommit, trailers::Trailers, tree::Owned},
};

/// A strategy among those of its repository.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The strategy itself.
    pub own: StrategyName,
    /// The others that are in force.
    pub others: Arc<BTreeSet<StrategyName>>,
    /// What it renders now.
    pub renders: BTreeSet<RootName>,
    /// What it was called before.
    pub earlier: BTreeSet<StrategyName>,
}

impl Sharing {
    fn is_own(&self, root: &RootName, of: &StrategyName) -> bool {
        *of == self.own || (!self.others.contains(of) && (self.renders.contains(root) || self.earlier.contains(of)))
    }

    /// Makes a commit of a strategy that is no longer in force one of this strategy: it goes on with what ran, and with
    /// what was proposed.
    pub fn claim(&self, commit: BranchCommit) -> BranchCommit {
        let claim = |mut trailers: Trailers| {
            if !self.others.contains(&trailers.origin.strategy) {
                trailers.origin.strategy = self.own.clone();
            }
            trailers
        };
        BranchCommit {
            trailers: commit.trailers.map(claim),
            merged_trailers: commit.merged_trailers.map(claim),
            ..commit
        }
    }

    /// The same of a commit on an active branch, which holds `owned` of this strategy: only where what it has there was of
    /// the strategy that made the commit.
    pub fn claim_where_it_stood(&self, commit: BranchCommit, owned: &Owned) -> BranchCommit {
        let was_its = |trailers: &Option<Trailers>| {
            let of = trailers.as_ref().map(|trailers| &trailers.origin.strategy);
            of.is_some_and(|of| owned.strategies.values().any(|strategy| strategy == of))
        };
        let is_claimed = was_its(&commit.trailers) || was_its(&commit.merged_trailers);
        if is_claimed { self.claim(commit) } else { commit }
    }

    /// Returns what of `owned` is of this strategy.
    pub fn part(&self, owned: &Arc<Owned>) -> Arc<Owned> {
        let is_own = |root: &RootName| owned.strategies.get(root).is_some_and(|of| self.is_own(root, of));
        if owned.strategies.keys().all(is_own) { owned.clone() } else { Arc::new(owned.only(is_own)) }
    }

    /// Says whether a branch that would hold `landed`, of all strategies, has something new of this one, which holds
    /// `now` there, together with something of another.
    pub fn would_meet(&self, now: &Content, landed: &Arc<Owned>) -> bool {
        let own = self.part(landed);
        let others = landed.without(&own);
        let mut new = own.content.iter().map(|(root, _)| root).filter(|root| now.get(root).is_none());
        new.any(|root| others.keys().any(|other| root.meets(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::RenderingId;

    #[test]
    fn what_another_strategy_left_is_of_whoever_renders_it() {
        let name = |name: &str| StrategyName::new(name).expect("a name");
        let root = |name: &str| RootName::new(name).expect("a folder");
        let (others, renders) = (Arc::new([name("search")].into()), [root("web")].into());
        let sharing = Sharing { own: name("shop"), others, renders, earlier: [name("store")].into() };
        let cases = [
            ("shop", "api", true),
            ("search", "web", false),
            ("gone", "web", true),
            ("gone", "api", false),
            ("store", "api", true),
        ];
        for (of, folder, is_own) in cases {
            assert_eq!(sharing.is_own(&root(folder), &name(of)), is_own, "{folder} of {of}");
        }
    }

    #[test]
    fn what_is_new_does_not_land_inside_or_around_an_output_of_another() {
        let name = |name: &str| StrategyName::new(name).expect("a name");
        let root = |name: &str| RootName::new(name).expect("a folder");
        let (others, none) = (Arc::new([name("search")].into()), BTreeSet::new());
        let sharing = Sharing { own: name("shop"), others, renders: none, earlier: BTreeSet::new() };
        let content = |roots: &[(&str, &str)]| -> Content {
            roots.iter().map(|(of, _)| (root(of), RenderingId::new("a").expect("an id"))).collect()
        };
        let landed = |roots: &[(&str, &str)]| {
            let strategies = roots.iter().map(|(of, strategy)| (root(of), name(strategy))).collect();
            Arc::new(Owned { content: content(roots), strategies, ..Owned::default() })
        };
        let cases = [
            ("web", "search", false),
            ("shop", "search", true),
            ("shop/api/v1", "search", true),
            ("shop/apiary", "search", false),
            ("shop", "shop", false),
        ];
        for (other, strategy, meets) in cases {
            let landed = landed(&[("shop/api", "shop"), (other, strategy)]);
            let is_there = content(&[("shop/api", "")]);
            assert_eq!(sharing.would_meet(&Content::default(), &landed), meets, "{other}");
            assert!(!sharing.would_meet(&is_there, &landed), "{other}: it is not new");
        }
    }
}
