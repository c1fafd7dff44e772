//! Fields that take one of a few words.
//!
//! The text is kept as it was written and read later, so that one wrong word does not hide the
//! other mistakes of the document.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{
    Layout, MergeMethod, MergeMode, Newer, OnFailure, Proposing, SecretPolicy, SourceKind, StatusScope,
    mistake::Report,
    nearest::{list, nearest},
    position::{At, Position},
};

/// A closed set of words and what each means.
pub trait Words: Copy + 'static {
    /// What the field chooses, as a noun: `a merge method`.
    const NOUN: &'static str;
    /// Each word with its meaning.
    const WORDS: &'static [(&'static str, Self)];
    /// Words that are reserved for behaviour that is not built yet.
    const NOT_YET: &'static [&'static str] = &[];
}

/// A word as it was written, of the set that `T` defines.
#[derive(Debug, Clone, PartialEq)]
pub struct Word<T> {
    text: At<String>,
    words: PhantomData<T>,
}

impl<T: Words> Word<T> {
    /// Returns where the word is written.
    pub fn position(&self) -> Position {
        self.text.position
    }

    /// Returns the meaning; a mistake is reported where the word is read.
    pub fn meaning(&self) -> Option<T> {
        T::WORDS.iter().find(|(word, _)| *word == self.text.value).map(|(_, meaning)| *meaning)
    }

    /// Returns the meaning, or reports a mistake.
    pub fn read(&self, report: &mut Report<'_>) -> Option<T> {
        if let Some(meaning) = self.meaning() {
            return Some(meaning);
        }
        let text = self.text.value.as_str();
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        if T::NOT_YET.contains(&text) {
            report.mistake(
                self.text.position,
                format!("`{text}` is not yet supported"),
                format!("write {}", list(&words, "or")),
            );
        } else {
            let help = match nearest(text, &words) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("write {}", list(&words, "or")),
            };
            report.mistake(self.text.position, format!("`{text}` is not {}", T::NOUN), help);
        }
        None
    }
}

impl<'de, T> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: At::deserialize(deserializer)?, words: PhantomData })
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NOUN.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// The versions of the format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// `hydromote.dev/v1alpha1`.
    V1Alpha1,
}

/// The kinds of documents that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `PromotionStrategy`.
    PromotionStrategy,
}

impl Words for ApiVersion {
    const NOUN: &'static str = "a version of this format";
    const WORDS: &'static [(&'static str, Self)] = &[("hydromote.dev/v1alpha1", Self::V1Alpha1)];
}

impl Words for Kind {
    const NOUN: &'static str = "a kind of document that Hydromote reads";
    const WORDS: &'static [(&'static str, Self)] = &[("PromotionStrategy", Self::PromotionStrategy)];
}

impl Words for Proposing {
    const NOUN: &'static str = "a way to promote lanes";
    const WORDS: &'static [(&'static str, Self)] = &[("all", Self::AllLanes)];
}

impl Words for MergeMode {
    const NOUN: &'static str = "a merge mode";
    const WORDS: &'static [(&'static str, Self)] =
        &[("pull-request", Self::PullRequest), ("direct", Self::Direct), ("link", Self::Link)];
}

impl Words for MergeMethod {
    const NOUN: &'static str = "a merge method";
    const WORDS: &'static [(&'static str, Self)] =
        &[("merge", Self::Merge), ("squash", Self::Squash), ("rebase", Self::Rebase)];
    const NOT_YET: &'static [&'static str] = &["fast-forward"];
}

impl Words for Newer {
    const NOUN: &'static str = "what happens to a proposal when something newer comes";
    const WORDS: &'static [(&'static str, Self)] = &[("supersede", Self::Supersede), ("finish", Self::Finish)];
}

impl Words for SourceKind {
    const NOUN: &'static str = "a kind of source";
    const WORDS: &'static [(&'static str, Self)] =
        &[("kustomize", Self::Kustomize), ("helm", Self::Helm), ("plain", Self::Plain)];
}

impl Words for StatusScope {
    const NOUN: &'static str = "a choice of roots";
    const WORDS: &'static [(&'static str, Self)] = &[("all", Self::All), ("changed", Self::Changed)];
}

impl Words for OnFailure {
    const NOUN: &'static str = "a reaction to a failure";
    const WORDS: &'static [(&'static str, Self)] = &[("hold", Self::Hold), ("keepLast", Self::KeepLast)];
}

impl Words for Layout {
    const NOUN: &'static str = "a layout";
    const WORDS: &'static [(&'static str, Self)] = &[("manifest", Self::Manifest), ("resources", Self::Resources)];
}

impl Words for SecretPolicy {
    const NOUN: &'static str = "a policy for secrets";
    const WORDS: &'static [(&'static str, Self)] = &[("refuse", Self::Refuse), ("allow", Self::Allow)];
}
