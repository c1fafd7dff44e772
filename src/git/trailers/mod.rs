//! The trailers by which a commit of ours is known, and by which its merge is accounted for.
//!
//! - They are the last paragraph of the message, one line each, and written by code: no template
//!   can break them. Forges and people put trailers of their own behind it (`Co-authored-by`): these
//!   are passed over. Behind anything else they are a quotation, and not read.
//! - What people wrote stands in a value and never begins a line, also the name of a folder. Where it
//!   is more than plain words it is a JSON text, and evidence is a JSON document: line breaks and
//!   whatever else is not to be seen are escaped, and so is `@`, so that nobody is mentioned.
//! - They are bounded: evidence that has no room is counted.
//! - A bundle names each lane that is in it with its dry SHA, and what was asked of that lane alone. Its own dry SHA and
//!   lane are those of no lane: the newest of its parts, and the lane that strategies without lanes have.

mod read;
#[cfg(test)]
mod tests;
mod write;

use self::{
    read::Paragraph,
    write::{Block, text},
};
use super::metadata::Origin;
use crate::domain::{
    adoption::TakenOver,
    bundle::{BundleDecision, Part},
    decision::{Decision, RollbackCause},
    drift::Restore,
    hold::HoldRule,
    ids::{DrySha, LaneName},
    rollback::{Restored, Rollback},
};

/// What the last paragraph of a message of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailers {
    /// The dry SHA.
    pub dry: DrySha,
    /// Where it belongs.
    pub origin: Origin,
    /// On the commits of a rollback: what it left.
    pub restored: Option<Restored>,
    /// On the commits of a rollback: why.
    pub cause: Option<RollbackCause>,
    /// On the commits that restore what was promoted last: what a person asked for.
    pub mends: Option<Restore>,
    /// On a merge: on what it was decided.
    pub decision: Option<Decision>,
    /// On a commit that takes a branch over: how what it holds stands to the dry SHA.
    pub taken_over: Option<TakenOver>,
    /// On the commits of a bundle: what each lane brings into it.
    pub parts: Vec<Part>,
}

const DRY_SHA: &str = "Hydromote-Dry-Sha";
const STRATEGY: &str = "Hydromote-Strategy";
const ENVIRONMENT: &str = "Hydromote-Environment";
const LANE: &str = "Hydromote-Lane";
const FROM: &str = "Hydromote-Rollback-From";
const TRIGGER: &str = "Hydromote-Rollback-Trigger";
const BY: &str = "Hydromote-Rollback-By";
const REASON: &str = "Hydromote-Rollback-Reason";
const RULE: &str = "Hydromote-Rollback-Rule";
const ASKED_AT: &str = "Hydromote-Rollback-Asked-At";
const ROOTS: &str = "Hydromote-Rollback-Roots";
const MENDS: &str = "Hydromote-Restores-Over";
const MENDS_FOR: &str = "Hydromote-Restored-For";
const MENDS_WHY: &str = "Hydromote-Restored-Reason";
const MENDS_SINCE: &str = "Hydromote-Restored-Asked-At";
const ADOPTED: &str = "Hydromote-Adopted";
const PROPOSED_SHA: &str = "Hydromote-Proposed-Sha";
const ASKED_BY: &str = "Hydromote-Asked-By";
const DECIDED_AT: &str = "Hydromote-Decided-At";
const GATE: &str = "Hydromote-Gate";
const PART: &str = "Hydromote-Part";
const PART_GATE: &str = "Hydromote-Part-Gate";
const LEFT_OUT: &str = "Hydromote-Gates-Left-Out";

impl Trailers {
    /// Makes the trailers of a promotion.
    pub fn of_promotion(dry: DrySha, origin: Origin) -> Self {
        Self {
            dry,
            origin,
            restored: None,
            cause: None,
            mends: None,
            decision: None,
            taken_over: None,
            parts: Vec::new(),
        }
    }

    /// Makes the trailers of a bundle, of which `dry` is the newest part.
    pub fn of_bundle(dry: DrySha, origin: Origin, parts: Vec<Part>) -> Self {
        Self { parts, ..Self::of_promotion(dry, origin) }
    }

    /// Makes the trailers of a rollback, which holds the place with `rule`.
    pub fn of_rollback(rollback: &Rollback, rule: Option<HoldRule>, origin: Origin) -> Self {
        let restored = Restored {
            from: rollback.bad.clone(),
            roots: rollback.roots.clone(),
            trigger: rollback.trigger,
            by: rollback.by.clone(),
            released: false,
        };
        let cause = RollbackCause { reason: rollback.reason.clone(), rule, asked_at: rollback.at };
        let dry = rollback.target.dry.clone();
        Self {
            dry,
            origin,
            restored: Some(restored),
            cause: Some(cause),
            mends: None,
            decision: None,
            taken_over: None,
            parts: Vec::new(),
        }
    }

    /// Makes the trailers of a commit that restores what `self` brought, over drift.
    pub fn mending(self, restore: Restore) -> Self {
        Self { mends: Some(restore), decision: None, ..self }
    }

    /// Makes the trailers of a commit that takes a branch over.
    pub fn of_takeover(dry: DrySha, origin: Origin, taken_over: TakenOver) -> Self {
        Self { taken_over: Some(taken_over), ..Self::of_promotion(dry, origin) }
    }

    /// Adds on what the merge was decided.
    pub fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }

    /// Returns the dry SHA that the commit has for a lane, when that lane is in it.
    pub fn dry_of(&self, lane: &LaneName) -> Option<&DrySha> {
        self.dries().find(|(of, _)| *of == lane).map(|(_, dry)| dry)
    }

    /// Returns the lanes that are in the commit, each with its dry SHA.
    pub fn dries(&self) -> impl Iterator<Item = (&LaneName, &DrySha)> {
        let whole = self.parts.is_empty().then_some((&self.origin.lane, &self.dry));
        whole.into_iter().chain(self.parts.iter().map(|part| (&part.lane, &part.dry)))
    }

    /// Returns on what the merge was decided as one lane sees it.
    pub fn decision_of(&self, lane: &LaneName) -> Option<Decision> {
        let shared = self.decision.clone()?;
        if self.parts.is_empty() {
            return Some(shared).filter(|_| self.origin.lane == *lane);
        }
        BundleDecision { shared, parts: self.parts.clone() }.of_lane(lane)
    }

    /// Says whether the commit is of an environment of a strategy, and has something for a lane of it.
    pub fn is_of(&self, origin: &Origin) -> bool {
        (&self.origin.strategy, &self.origin.environment) == (&origin.strategy, &origin.environment)
            && self.dry_of(&origin.lane).is_some()
    }

    /// Returns what they say of one lane of an environment, as if it had gone by itself; nothing where it has no part.
    pub fn seen_from(self, origin: &Origin) -> Option<Self> {
        let dry = self.dry_of(&origin.lane).filter(|_| self.is_of(origin))?.clone();
        let decision = self.decision_of(&origin.lane);
        Some(Self { dry, origin: origin.clone(), decision, parts: Vec::new(), ..self })
    }

    /// Returns the trailer lines, to stand as the last paragraph of a message.
    pub fn render(&self) -> String {
        let mut block = Block::default();
        block.line(DRY_SHA, &self.dry);
        block.line(STRATEGY, &self.origin.strategy);
        block.line(ENVIRONMENT, &self.origin.environment);
        block.line(LANE, &self.origin.lane);
        if let Some(taken_over) = self.taken_over {
            block.line(ADOPTED, taken_over.word());
        }
        if let Some(restored) = &self.restored {
            block.line(FROM, &restored.from);
            block.line(TRIGGER, restored.trigger.word());
            block.line(BY, text(&restored.by));
            if let Some(cause) = &self.cause {
                block.line(REASON, text(&cause.reason));
                if let Some(rule) = cause.rule {
                    block.line(RULE, rule.word());
                }
                block.line(ASKED_AT, cause.asked_at);
            }
            for root in &restored.roots {
                block.line(ROOTS, text(root.as_str()));
            }
        }
        if let Some(Restore { of, by, reason, at }) = &self.mends {
            block.line(MENDS, of);
            block.line(MENDS_FOR, text(by));
            block.line(MENDS_WHY, text(reason));
            block.line(MENDS_SINCE, at);
        }
        for part in &self.parts {
            block.line(PART, format_args!("{} {}", part.lane, part.dry));
        }
        if let Some(decision) = &self.decision {
            block.decision(decision, &self.parts);
        }
        block.finish()
    }

    /// Reads the trailers from the last paragraph of a message, or from one that only trailers of others
    /// follow.
    pub fn parse(message: &str) -> Option<Self> {
        let lines: Vec<&str> = message.lines().collect();
        let mut from_the_end = lines.rsplit(|line| line.trim().is_empty()).filter(|lines| !lines.is_empty());
        loop {
            let paragraph = Paragraph::new(from_the_end.next()?);
            match paragraph.trailers() {
                None if paragraph.may_follow() => {}
                read => return read,
            }
        }
    }
}
