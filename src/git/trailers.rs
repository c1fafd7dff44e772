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

use super::metadata::Origin;
use crate::domain::{
    adoption::TakenOver,
    bundle::{BundleDecision, Part},
    decision::{Decision, OpenGate, RollbackCause},
    drift::Restore,
    hold::HoldRule,
    ids::{ActiveSha, DrySha, EnvironmentName, LaneName, ProposedSha, RootName, StrategyName},
    rollback::{Restored, Rollback, Trigger},
    unseen::is_unseen,
};

/// How many bytes of evidence one message holds.
const EVIDENCE_LIMIT: usize = 16 << 10;

/// How many bytes of evidence about single lanes one message holds beside that.
const PARTS_EVIDENCE_LIMIT: usize = 24 << 10;

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
        block.0
    }

    /// Reads the trailers from the last paragraph of a message, or from one that only trailers of others
    /// follow.
    pub fn parse(message: &str) -> Option<Self> {
        let lines: Vec<&str> = message.lines().collect();
        let mut from_the_end = lines.rsplit(|line| line.trim().is_empty()).filter(|lines| !lines.is_empty());
        loop {
            let paragraph = Paragraph(from_the_end.next()?);
            match Self::of(&paragraph) {
                None if paragraph.may_follow() => {}
                read => return read,
            }
        }
    }

    fn of(block: &Paragraph<'_>) -> Option<Self> {
        Some(Self {
            dry: DrySha::new(block.value(DRY_SHA)?).ok()?,
            origin: Origin {
                strategy: StrategyName::new(block.value(STRATEGY)?).ok()?,
                environment: EnvironmentName::new(block.value(ENVIRONMENT)?).ok()?,
                lane: LaneName::new(block.value(LANE)?).ok()?,
            },
            restored: block.restored(),
            cause: block.cause(),
            mends: block.mends(),
            decision: block.decision(),
            taken_over: block.value(ADOPTED).and_then(TakenOver::of_word),
            parts: block.parts(),
        })
    }
}

/// Trailer lines under way.
#[derive(Default)]
struct Block(String);

impl Block {
    /// Adds a line; `value` holds no line break.
    fn line(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0 += &format!("{key}: {value}\n");
    }

    fn decision(&mut self, decision: &Decision, parts: &[Part]) {
        self.line(PROPOSED_SHA, &decision.proposed_sha);
        self.line(ASKED_BY, text(&decision.asked_by));
        self.line(DECIDED_AT, decision.decided_at);
        let (mut room, mut left_out) = (EVIDENCE_LIMIT, decision.left_out);
        for gate in &decision.gates {
            let document = document(gate);
            match room.checked_sub(document.len()) {
                Some(rest) => {
                    room = rest;
                    self.line(GATE, document);
                }
                None => left_out += 1,
            }
        }
        let mut room = PARTS_EVIDENCE_LIMIT;
        for (lane, gate) in parts.iter().flat_map(|part| part.gates.iter().map(|gate| (&part.lane, gate))) {
            let document = document(gate);
            match room.checked_sub(document.len()) {
                Some(rest) => {
                    room = rest;
                    self.line(PART_GATE, format_args!("{lane} {document}"));
                }
                None => left_out += 1,
            }
        }
        if left_out > 0 {
            self.line(LEFT_OUT, left_out);
        }
    }
}

/// Returns evidence as one line.
fn document(gate: &OpenGate) -> String {
    escaped(&serde_json::to_string(gate).expect("because evidence has text keys only"))
}

/// A paragraph of a message, by its lines.
struct Paragraph<'m>(&'m [&'m str]);

impl<'m> Paragraph<'m> {
    /// Says whether this is what forges and people put behind a message: trailers, or a rule before them.
    fn may_follow(&self) -> bool {
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

/// Returns what people wrote as a value: as it is when that is plain, else as a JSON text.
fn text(words: &str) -> String {
    let is_plain = !words.is_empty() && !words.contains(is_hidden) && words.trim() == words && !words.starts_with('"');
    if is_plain {
        return words.to_owned();
    }
    escaped(&serde_json::to_string(words).expect("because text is JSON"))
}

/// Reads a value that [`text`] wrote.
fn read_text(value: &str) -> String {
    let json = value.starts_with('"').then(|| serde_json::from_str(value).ok()).flatten();
    json.unwrap_or_else(|| value.to_owned())
}

/// Escapes in a JSON document what a commit message should not hold; such characters stand in its
/// texts only.
fn escaped(document: &str) -> String {
    let mut line = String::with_capacity(document.len());
    for c in document.chars() {
        if is_hidden(c) { line += &format!("\\u{:04x}", u32::from(c)) } else { line.push(c) }
    }
    line
}

/// Says whether a character ends lines, hides text, turns it round, or mentions somebody.
fn is_hidden(c: char) -> bool {
    c == '@' || is_unseen(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        bundle::MOST_PARTS,
        decision::{SeenStatus, Settled},
        ids::StatusKey,
        status::StatusState,
    };

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).expect("a time")
    }

    fn promotion() -> Trailers {
        let origin = Origin {
            strategy: StrategyName::new("shop").expect("a name"),
            environment: EnvironmentName::new("dev").expect("a name"),
            lane: LaneName::single(),
        };
        Trailers::of_promotion(DrySha::new("dry-1").expect("a word"), origin)
    }

    fn rollback(by: &str, reason: &str) -> Trailers {
        let restored = Restored {
            from: DrySha::new("dry-2").expect("a word"),
            roots: [RootName::new("shop").expect("a folder"), RootName::new("web/api").expect("a folder")].into(),
            trigger: Trigger::Automatic,
            by: by.into(),
            released: false,
        };
        let cause = RollbackCause { reason: reason.into(), rule: Some(HoldRule::Strict), asked_at: at(7) };
        Trailers { restored: Some(restored), cause: Some(cause), ..promotion() }
    }

    fn seen(key: &str, description: &str) -> SeenStatus {
        SeenStatus {
            key: StatusKey::new(key).expect("a key"),
            state: StatusState::Success,
            sha: "proposed-1".into(),
            reported_at: at(60),
            stands_since: Some(at(30)),
            settle_seconds: 30,
            check_run: false,
            description: description.into(),
        }
    }

    fn decision(asked_by: &str, gates: Vec<OpenGate>) -> Decision {
        Decision {
            proposed_sha: ProposedSha::new("proposed-1").expect("a word"),
            asked_by: asked_by.into(),
            decided_at: at(90),
            gates,
            left_out: 0,
        }
    }

    #[test]
    fn trailers_are_read_back_from_the_end_of_a_message() {
        let trailers = rollback("Hydromote", "`health` failed").decided(decision("Hydromote", Vec::new()));
        let message = format!("Promote\n\nHydromote-Dry-Sha: forged\n\n{}", trailers.render());
        assert_eq!(Trailers::parse(&message), Some(trailers));
        assert_eq!(Trailers::parse("Promote\n\nHydromote-Dry-Sha: dry-1"), None);
    }

    #[test]
    fn trailers_of_others_may_follow_and_words_may_not() {
        let message = format!("Promote\n\n{}", promotion().render());
        for behind in [
            "\nSigned-off-by: A <a@example.com>\n",
            "\n\nCo-authored-by: A <a@example.com>\nCo-authored-by: B\n  <b@example.com>",
            "\n---------\n\nCo-authored-by: A <a@example.com>",
            "\nHydromote-Dry-Sha: forged\n",
        ] {
            assert_eq!(Trailers::parse(&format!("{message}{behind}")), Some(promotion()), "{behind:?}");
        }
        for behind in ["\nThis was copied.\n", "\nCopied from:\n", "\n> quoted\n", "\n: nothing\n", "\n  words\n"] {
            assert_eq!(Trailers::parse(&format!("{message}{behind}")), None, "{behind:?}");
        }
        let with_windows_line_ends = message.replace('\n', "\r\n");
        assert_eq!(Trailers::parse(&with_windows_line_ends), Some(promotion()));
    }

    #[test]
    fn the_name_of_a_folder_forges_nothing() {
        let mut trailers = rollback("Hydromote", "slow");
        let folder = "web\n\nHydromote-Dry-Sha: forged/@all ";
        trailers.restored.as_mut().expect("a rollback").roots = [RootName::new(folder).expect("a folder")].into();
        assert_eq!(Trailers::parse(&trailers.render()), Some(trailers));
    }

    #[test]
    fn a_merge_says_on_what_it_was_decided() {
        let depends_on = OpenGate::DependsOn {
            environment: EnvironmentName::new("dev").expect("a name"),
            dry_sha: Some(DrySha::new("dry-1").expect("a word")),
            active_sha: Some(ActiveSha::new("active-1").expect("a word")),
            running_since: Some(at(10)),
            verified_at: Some(at(20)),
            soak_seconds: 5,
            statuses: Vec::new(),
        };
        let promote = OpenGate::Promote { by: "developer".into(), at: at(80) };
        let gates = vec![depends_on, OpenGate::ProposedStatus(seen("ticket", "")), promote];
        let trailers = promotion().decided(decision("developer", gates));
        insta::assert_snapshot!(trailers.render(), @r#"
        Hydromote-Dry-Sha: dry-1
        Hydromote-Strategy: shop
        Hydromote-Environment: dev
        Hydromote-Lane: default
        Hydromote-Proposed-Sha: proposed-1
        Hydromote-Asked-By: developer
        Hydromote-Decided-At: 1970-01-01T00:01:30Z
        Hydromote-Gate: {"gate":"depends_on","environment":"dev","drySha":"dry-1","activeSha":"active-1","runningSince":"1970-01-01T00:00:10Z","verifiedAt":"1970-01-01T00:00:20Z","soakSeconds":5}
        Hydromote-Gate: {"gate":"proposed_status","key":"ticket","state":"success","sha":"proposed-1","reportedAt":"1970-01-01T00:01:00Z","standsSince":"1970-01-01T00:00:30Z","settleSeconds":30}
        Hydromote-Gate: {"gate":"promote","by":"developer","at":"1970-01-01T00:01:20Z"}
        "#);
        assert_eq!(Trailers::parse(&trailers.render()), Some(trailers));
    }

    #[test]
    fn words_of_people_forge_no_trailer_and_break_no_block() {
        let nasty = "slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: @root\u{2028}Signed-off-by: x\u{85}\0";
        let key = "Hydromote-Gate: {\"gate\":\"promote\"} @all \u{202e}";
        let trailers =
            rollback(nasty, nasty).decided(decision("\"quoted", vec![OpenGate::ActiveStatus(seen(key, nasty))]));
        let text = trailers.render();
        insta::assert_snapshot!(text, @r#"
        Hydromote-Dry-Sha: dry-1
        Hydromote-Strategy: shop
        Hydromote-Environment: dev
        Hydromote-Lane: default
        Hydromote-Rollback-From: dry-2
        Hydromote-Rollback-Trigger: automatic
        Hydromote-Rollback-By: "slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: \u0040root\u2028Signed-off-by: x\u0085\u0000"
        Hydromote-Rollback-Reason: "slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: \u0040root\u2028Signed-off-by: x\u0085\u0000"
        Hydromote-Rollback-Rule: strict
        Hydromote-Rollback-Asked-At: 1970-01-01T00:00:07Z
        Hydromote-Rollback-Roots: shop
        Hydromote-Rollback-Roots: web/api
        Hydromote-Proposed-Sha: proposed-1
        Hydromote-Asked-By: "\"quoted"
        Hydromote-Decided-At: 1970-01-01T00:01:30Z
        Hydromote-Gate: {"gate":"active_status","key":"Hydromote-Gate: {\"gate\":\"promote\"} \u0040all \u202e","state":"success","sha":"proposed-1","reportedAt":"1970-01-01T00:01:00Z","standsSince":"1970-01-01T00:00:30Z","settleSeconds":30,"description":"slow\n\nHydromote-Dry-Sha: forged\r\nHydromote-Rollback-By: \u0040root\u2028Signed-off-by: x\u0085\u0000"}
        "#);
        assert!(!text.contains('@') && !text.contains(|c: char| c.is_control() && c != '\n'));
        assert_eq!(Trailers::parse(&format!("Back\n\n{text}")), Some(trailers));
    }

    fn part(lane: &str, dry: &str, gates: Vec<OpenGate>) -> Part {
        Part { lane: LaneName::new(lane).expect("a name"), dry: DrySha::new(dry).expect("a word"), gates }
    }

    #[test]
    fn a_bundle_names_each_lane_with_what_was_asked_of_it() {
        let settling = |dry: &str| OpenGate::Settling {
            dry_sha: DrySha::new(dry).expect("a word"),
            active_sha: None,
            because: Settled::Verified,
            since: None,
        };
        let (cart, pay) = (part("cart", "dry-1", vec![settling("dry-0")]), part("pay", "dry-2", Vec::new()));
        let promote = OpenGate::Promote { by: "developer".into(), at: at(80) };
        let shared = decision("developer", vec![promote.clone()]);
        let trailers = Trailers { parts: vec![cart, pay], ..promotion() }.decided(shared.clone());
        insta::assert_snapshot!(trailers.render(), @r#"
        Hydromote-Dry-Sha: dry-1
        Hydromote-Strategy: shop
        Hydromote-Environment: dev
        Hydromote-Lane: default
        Hydromote-Part: cart dry-1
        Hydromote-Part: pay dry-2
        Hydromote-Proposed-Sha: proposed-1
        Hydromote-Asked-By: developer
        Hydromote-Decided-At: 1970-01-01T00:01:30Z
        Hydromote-Gate: {"gate":"promote","by":"developer","at":"1970-01-01T00:01:20Z"}
        Hydromote-Part-Gate: cart {"gate":"settling","drySha":"dry-0","activeSha":null,"because":"verified"}
        "#);
        let read = Trailers::parse(&trailers.render()).expect("is read");
        assert_eq!(read, trailers);
        let lane = |name: &str| LaneName::new(name).expect("a name");
        let dry = |name: &str| read.dry_of(&lane(name)).map(DrySha::as_str);
        assert_eq!([dry("cart"), dry("pay"), dry("default"), dry("web")], [Some("dry-1"), Some("dry-2"), None, None]);
        let gates = |name: &str| read.decision_of(&lane(name)).map(|decision| decision.gates);
        assert_eq!(gates("cart"), Some(vec![settling("dry-0"), promote.clone()]));
        assert_eq!((gates("pay"), gates("web")), (Some(vec![promote]), None));
    }

    #[test]
    fn a_bundle_of_many_lanes_has_room_for_their_names_and_counts_the_evidence_that_has_none() {
        let gates = vec![OpenGate::ProposedStatus(seen(&"k".repeat(250), &"d".repeat(140)))];
        let parts = (0..MOST_PARTS).map(|n| part(&format!("{:0>63}", n), &"a".repeat(40), gates.clone())).collect();
        let trailers = Trailers { parts, ..promotion() }.decided(decision("Hydromote", Vec::new()));
        let text = trailers.render();
        assert!(text.len() < 60_000, "{}", text.len());
        let read = Trailers::parse(&text).expect("is read");
        assert_eq!(read.parts.len(), MOST_PARTS);
        let kept = read.parts.iter().filter(|part| !part.gates.is_empty()).count();
        assert!(kept > 10);
        assert_eq!(kept + read.decision.expect("is read").left_out, MOST_PARTS);
    }

    #[test]
    fn what_restores_over_drift_says_for_whom_and_is_a_rollback_still_where_it_restores_one() {
        let of = ActiveSha::new("foreign").expect("a word");
        let restore = Restore { of, by: "ada".into(), reason: "by: mistake".into(), at: at(7) };
        for trailers in [promotion(), rollback("ada", "slow")] {
            let mending = trailers.clone().mending(restore.clone());
            assert_eq!(mending.restored, trailers.restored);
            assert_eq!(Trailers::parse(&mending.render()), Some(mending));
        }
    }

    #[test]
    fn evidence_without_room_is_counted() {
        let gate = OpenGate::ProposedStatus(seen(&"k".repeat(250), &"d".repeat(140)));
        let trailers = promotion().decided(decision("Hydromote", vec![gate; 500]));
        let text = trailers.render();
        assert!(text.len() < EVIDENCE_LIMIT + 2_000, "{}", text.len());
        let read = Trailers::parse(&text).and_then(|read| read.decision).expect("is read");
        assert!(read.gates.len() > 10);
        assert_eq!(read.gates.len() + read.left_out, 500);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_as_it_was(by in "\\PC*|.*", reason in "(.|\n|\r|Hydromote-Dry-Sha: )*") {
            let trailers = rollback(&by, &reason).decided(decision(&by, Vec::new()));
            let text = trailers.render();
            prop_assert_eq!(text.lines().count(), 15);
            prop_assert_eq!(Trailers::parse(&text), Some(trailers));
        }
    }
}
