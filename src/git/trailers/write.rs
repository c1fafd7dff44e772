//! Writes trailer lines: what people wrote never begins one.

use super::{ASKED_BY, DECIDED_AT, GATE, LEFT_OUT, PART_GATE, PROPOSED_SHA};
use crate::domain::{
    bundle::Part,
    decision::{Decision, OpenGate},
    unseen::is_unseen,
};

/// How many bytes of evidence one message holds.
pub(super) const EVIDENCE_LIMIT: usize = 16 << 10;

/// How many bytes of evidence about single lanes one message holds beside that.
const PARTS_EVIDENCE_LIMIT: usize = 24 << 10;

/// Trailer lines under way.
#[derive(Default)]
pub(super) struct Block(String);

impl Block {
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Adds a line; `value` holds no line break.
    pub(super) fn line(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0 += &format!("{key}: {value}\n");
    }

    pub(super) fn decision(&mut self, decision: &Decision, parts: &[Part]) {
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

/// Returns what people wrote as a value: as it is when that is plain, else as a JSON text.
pub(super) fn text(words: &str) -> String {
    let is_plain = !words.is_empty() && !words.contains(is_hidden) && words.trim() == words && !words.starts_with('"');
    if is_plain {
        return words.to_owned();
    }
    escaped(&serde_json::to_string(words).expect("because text is JSON"))
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
