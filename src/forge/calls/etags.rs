//! Answers kept for conditional requests: a forge that tags them answers 304 while nothing changed.
//!
//! Bounded in entries and bytes; the entry that was asked for longest ago goes first. An answer is
//! kept only after its whole body was read, and only for the credential that read it.

use std::{collections::HashMap, sync::Arc};

use super::Answer;

/// The most answers kept per credential.
const MAX_ENTRIES: usize = 512;
/// The most bytes of bodies kept per credential.
const MAX_BYTES: usize = 32 << 20;
/// Larger bodies are read again each time.
const MAX_BODY_BYTES: usize = 1 << 20;

/// One answer with the tag that the forge gave it.
#[derive(Debug, Clone)]
pub(in crate::forge) struct Kept {
    pub(in crate::forge) etag: String,
    pub(in crate::forge) answer: Arc<Answer>,
}

/// The answers of one credential by path and query.
#[derive(Debug, Default)]
pub(in crate::forge) struct Etags {
    entries: HashMap<String, (Kept, u64)>,
    bytes: usize,
    clock: u64,
}

impl Etags {
    /// Returns what was kept for `path`, and marks it as used.
    pub(in crate::forge) fn get(&mut self, path: &str) -> Option<Kept> {
        self.clock += 1;
        let (kept, used) = self.entries.get_mut(path)?;
        *used = self.clock;
        Some(kept.clone())
    }

    /// Keeps an answer unless it is too large.
    pub(in crate::forge) fn put(&mut self, path: &str, etag: &str, answer: &Arc<Answer>) {
        self.remove(path);
        if answer.body.len() > MAX_BODY_BYTES {
            return;
        }
        self.clock += 1;
        self.bytes += answer.body.len();
        let kept = Kept { etag: etag.to_owned(), answer: Arc::clone(answer) };
        self.entries.insert(path.to_owned(), (kept, self.clock));
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone())
            else {
                return;
            };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, path: &str) {
        if let Some((kept, _)) = self.entries.remove(path) {
            self.bytes -= kept.answer.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Arc<Answer> {
        let (status, headers) = (http::StatusCode::OK, http::HeaderMap::new());
        Arc::new(Answer { status, headers, body: text.to_owned() })
    }

    #[test]
    fn the_answer_asked_for_longest_ago_is_dropped_first() {
        let mut etags = Etags::default();
        for n in 0..MAX_ENTRIES {
            etags.put(&format!("/{n}"), "tag", &body("x"));
        }
        assert!(etags.get("/0").is_some());
        etags.put("/new", "tag", &body("x"));
        assert!(etags.get("/0").is_some());
        assert!(etags.get("/1").is_none());
        assert_eq!(etags.bytes, MAX_ENTRIES);
    }

    #[test]
    fn bytes_are_bounded_too_and_large_bodies_are_not_kept() {
        let mut etags = Etags::default();
        let large = body(&"x".repeat(MAX_BODY_BYTES));
        for n in 0..40 {
            etags.put(&format!("/{n}"), "tag", &large);
        }
        assert_eq!(etags.entries.len(), MAX_BYTES / MAX_BODY_BYTES);
        etags.put("/39", "tag", &body(&"x".repeat(MAX_BODY_BYTES + 1)));
        assert!(etags.get("/39").is_none());
    }
}
