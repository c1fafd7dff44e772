//! Reads trailer lines of a paragraph.

use super::{
    ADOPTED, ASKED_AT, ASKED_BY, BY, DECIDED_AT, DRY_SHA, ENVIRONMENT, FROM, GATE, LANE, LEFT_OUT, MENDS, MENDS_FOR,
    MENDS_SINCE, MENDS_WHY, PART, PART_GATE, PROPOSED_SHA, REASON, ROOTS, RULE, STRATEGY, TRIGGER, Trailers,
};
use crate::{
    domain::{
        adoption::TakenOver,
        bundle::Part,
        decision::{Decision, OpenGate, RollbackCause},
        drift::Restore,
        hold::HoldRule,
        ids::{ActiveSha, DrySha, EnvironmentName, LaneName, ProposedSha, RootName, StrategyName},
        rollback::{Restored, Trigger},
    },
    git::metadata::Origin,
};

/// A paragraph of a message, by its lines.
pub(super) struct Paragraph<'m>(&'m [&'m str]);

impl<'m> Paragraph<'m> {
    pub(super) fn new(lines: &'m [&'m str]) -> Self {
        Self(lines)
    }

    /// Returns the trailers of ours in it.
    pub(super) fn trailers(&self) -> Option<Trailers> {
        Some(Trailers {
            dry: DrySha::new(self.value(DRY_SHA)?).ok()?,
            origin: Origin {
                strategy: StrategyName::new(self.value(STRATEGY)?).ok()?,
                environment: EnvironmentName::new(self.value(ENVIRONMENT)?).ok()?,
                lane: LaneName::new(self.value(LANE)?).ok()?,
            },
            restored: self.restored(),
            cause: self.cause(),
            mends: self.mends(),
            decision: self.decision(),
            taken_over: self.value(ADOPTED).and_then(TakenOver::of_word),
            parts: self.parts(),
        })
    }

    /// Says whether this is what forges and people put behind a message: trailers, or a rule before them.
    pub(super) fn may_follow(&self) -> bool {
        let is_rule = |line: &str| line.starts_with("---") && line.trim_end().bytes().all(|b| b == b'-');
        let is_trailer = |line: &str| {
            let key = line.split_once(": ").map(|(key, _)| key);
            key.is_some_and(|key| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        };
        let is_continued = |line: &str| line.starts_with([' ', '\t']);
        !self.0.first().is_some_and(|line| is_continued(line))
            && self.0.iter().all(|line| is_rule(line) || is_trailer(line) || is_continued(line))
    }

    fn values(&self, key: &'static str) -> impl DoubleEndedIterator<Item = &'m str> {
        self.0.iter().filter_map(move |line| line.strip_prefix(key)?.strip_prefix(": ")).map(str::trim)
    }

    fn value(&self, key: &'static str) -> Option<&'m str> {
        self.values(key).next_back()
    }

    fn restored(&self) -> Option<Restored> {
        Some(Restored {
            from: DrySha::new(self.value(FROM)?).ok()?,
            roots: self.values(ROOTS).filter_map(|root| RootName::new(read_text(root)).ok()).collect(),
            trigger: match self.value(TRIGGER) {
                Some(word) if word == Trigger::Automatic.word() => Trigger::Automatic,
                _ => Trigger::Person,
            },
            by: self.value(BY).map(read_text).unwrap_or_default(),
            released: false,
        })
    }

    fn cause(&self) -> Option<RollbackCause> {
        Some(RollbackCause {
            reason: read_text(self.value(REASON)?),
            rule: self.value(RULE).and_then(HoldRule::of_word),
            asked_at: self.value(ASKED_AT)?.parse().ok()?,
        })
    }

    fn mends(&self) -> Option<Restore> {
        Some(Restore {
            of: ActiveSha::new(self.value(MENDS)?).ok()?,
            by: self.value(MENDS_FOR).map(read_text).unwrap_or_default(),
            reason: self.value(MENDS_WHY).map(read_text).unwrap_or_default(),
            at: self.value(MENDS_SINCE)?.parse().ok()?,
        })
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (lane, dry) in self.values(PART).filter_map(|text| text.split_once(' ')) {
            let (Ok(lane), Ok(dry)) = (LaneName::new(lane), DrySha::new(dry)) else { continue };
            parts.push(Part { lane, dry, gates: Vec::new() });
        }
        for (lane, document) in self.part_gates() {
            let part = parts.iter_mut().find(|part| part.lane.as_str() == lane);
            if let Some((part, gate)) = part.zip(serde_json::from_str(document).ok()) {
                part.gates.push(gate);
            }
        }
        parts
    }

    fn part_gates(&self) -> impl Iterator<Item = (&'m str, &'m str)> {
        self.values(PART_GATE).filter_map(|text| text.split_once(' '))
    }

    fn decision(&self) -> Option<Decision> {
        let mut left_out = self.value(LEFT_OUT).and_then(|count| count.parse().ok()).unwrap_or(0);
        let unread = |(_, document): &(&str, &str)| serde_json::from_str::<OpenGate>(document).is_err();
        left_out += self.part_gates().filter(unread).count();
        let mut gates = Vec::new();
        for document in self.values(GATE) {
            match serde_json::from_str::<OpenGate>(document) {
                Ok(gate) => gates.push(gate),
                // Of another version: it cannot be told, and is not passed over in silence.
                Err(_) => left_out += 1,
            }
        }
        Some(Decision {
            proposed_sha: ProposedSha::new(self.value(PROPOSED_SHA)?).ok()?,
            asked_by: read_text(self.value(ASKED_BY)?),
            decided_at: self.value(DECIDED_AT)?.parse().ok()?,
            gates,
            left_out,
        })
    }
}

/// Reads a value that [`text`](super::write::text) wrote.
fn read_text(value: &str) -> String {
    let json = value.starts_with('"').then(|| serde_json::from_str(value).ok()).flatten();
    json.unwrap_or_else(|| value.to_owned())
}
