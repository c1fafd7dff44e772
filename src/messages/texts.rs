//! What messages are about, as templates see it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    harmless::{NAMES_LIMIT, REASON_LIMIT, SUBJECT_LIMIT, cut, escape, listed, plain, root_name},
    template::Form,
};
use crate::domain::{
    content::Content,
    drift::{Drift, Restore},
    ids::{DrySha, LaneName, Place, RootName},
};

/// The dry commit as messages show it.
#[derive(Debug, Clone)]
pub struct DryText {
    sha: String,
    short: String,
    /// For titles and commit messages, which are plain text.
    subject: String,
    /// For Markdown.
    quoted_subject: String,
    author: String,
}

/// Which roots a promotion adds, changes and removes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New roots.
    pub added: Vec<String>,
    /// Roots with another rendering.
    pub changed: Vec<String>,
    /// Roots that are gone.
    pub removed: Vec<String>,
}

/// About one promotion.
#[derive(Debug, Clone)]
pub struct PromotionText {
    /// The dry commit.
    pub dry: DryText,
    /// Where it goes.
    pub place: Place,
    /// What it changes.
    pub changes: Changes,
    /// What it is made of, where several lanes share a pull request.
    pub parts: Vec<PartText>,
    /// Which of what it changes was rendered by another version of a renderer than what runs.
    pub renderers: Vec<RendererChange>,
}

/// Another version of a renderer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RendererChange {
    /// What rendered what is proposed, in words.
    by: String,
    /// What rendered what runs, in words.
    before: String,
    /// The roots, as code spans.
    roots: Vec<String>,
}

/// About what one lane brings into a pull request that all lanes share.
#[derive(Debug, Clone)]
pub struct PartText {
    /// The lane.
    pub lane: LaneName,
    /// Its dry commit.
    pub dry: DryText,
    /// What it changes.
    pub changes: Changes,
}

/// About one rollback.
#[derive(Debug, Clone)]
pub struct RollbackText {
    place: String,
    environment: String,
    from: DryText,
    to: DryText,
    by: String,
    automatic: bool,
    /// The roots that go back, in words; empty for all.
    roots: String,
    /// For commit messages, which are plain text.
    reason: String,
    /// For Markdown.
    quoted_reason: String,
}

impl RollbackText {
    /// Makes the text of a rollback; people wrote `by` and `reason`.
    pub fn new(place: &Place, from: DryText, to: DryText, by: &str, automatic: bool, reason: &str) -> Self {
        Self {
            place: place.to_string(),
            environment: place.environment.to_string(),
            from,
            to,
            by: escape(&cut(by, SUBJECT_LIMIT)),
            automatic,
            roots: String::new(),
            reason: plain(&cut(reason, REASON_LIMIT)),
            quoted_reason: escape(&cut(reason, REASON_LIMIT)),
        }
    }

    /// Names the roots that go back, where others stay.
    pub fn only(self, roots: &BTreeSet<RootName>) -> Self {
        Self { roots: listed(roots.iter().map(root_name).collect()).join(", "), ..self }
    }

    pub(super) fn context(&self, form: Form) -> Value {
        json!({
            "place": self.place,
            "environment": self.environment,
            "from": self.from.context(form),
            "to": self.to.context(form),
            "by": self.by,
            "automatic": self.automatic,
            "roots": self.roots,
            "reason": match form {
                Form::Plain => &self.reason,
                Form::Markdown => &self.quoted_reason,
            },
        })
    }
}

/// About drift that is restored.
#[derive(Debug, Clone)]
pub struct RestoreText {
    place: String,
    environment: String,
    dry: DryText,
    outputs: Vec<String>,
    commit: String,
    author: String,
    by: String,
    /// For commit messages, which are plain text.
    reason: String,
    /// For Markdown.
    quoted_reason: String,
}

impl RestoreText {
    /// Makes the text of what brings `dry` back over drift; people wrote the author, and who asked why.
    pub fn new(place: &Place, dry: DryText, drift: &Drift, restore: &Restore) -> Self {
        Self {
            place: place.to_string(),
            environment: place.environment.to_string(),
            dry,
            outputs: listed(drift.outputs.iter().map(|output| format!("`{output}`")).collect()),
            commit: drift.newest.short().to_owned(),
            author: escape(&cut(drift.author.as_deref().unwrap_or("somebody unknown"), SUBJECT_LIMIT)),
            by: escape(&cut(&restore.by, SUBJECT_LIMIT)),
            reason: plain(&cut(&restore.reason, REASON_LIMIT)),
            quoted_reason: escape(&cut(&restore.reason, REASON_LIMIT)),
        }
    }

    pub(super) fn context(&self, form: Form) -> Value {
        json!({
            "place": self.place,
            "environment": self.environment,
            "dry": self.dry.context(form),
            "outputs": self.outputs,
            "commit": self.commit,
            "author": self.author,
            "by": self.by,
            "reason": match form {
                Form::Plain => &self.reason,
                Form::Markdown => &self.quoted_reason,
            },
        })
    }
}

impl DryText {
    /// Makes the text of a dry commit; people wrote `subject` and `author`.
    pub fn new(sha: &DrySha, subject: &str, author: &str) -> Self {
        let name = author.split(" <").next().unwrap_or(author);
        Self {
            sha: sha.to_string(),
            short: sha.short().to_owned(),
            subject: plain(&cut(subject, SUBJECT_LIMIT)),
            quoted_subject: escape(&cut(subject, SUBJECT_LIMIT)),
            author: escape(&cut(name, SUBJECT_LIMIT)),
        }
    }

    /// Returns the subject, harmless and short.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn context(&self, form: Form) -> Value {
        let subject = match form {
            Form::Plain => &self.subject,
            Form::Markdown => &self.quoted_subject,
        };
        json!({ "sha": self.sha, "short": self.short, "subject": subject, "author": self.author })
    }
}

impl PartText {
    pub(super) fn context(&self, form: Form) -> Value {
        json!({ "lane": self.lane, "dry": self.dry.context(form), "changes": self.changes })
    }
}

impl Changes {
    /// Compares two contents.
    pub fn between(old: &Content, new: &Content) -> Self {
        let mut changes = Self::default();
        for root in old.differing(new) {
            let list = match (old.get(root), new.get(root)) {
                (None, _) => &mut changes.added,
                (_, None) => &mut changes.removed,
                _ => &mut changes.changed,
            };
            list.push(root_name(root));
        }
        for list in [&mut changes.added, &mut changes.changed, &mut changes.removed] {
            *list = listed(std::mem::take(list));
        }
        changes
    }
}

impl RendererChange {
    /// Sums up roots, each with what rendered it before and now; one rendered by the same says nothing.
    pub fn of<'r>(roots: impl Iterator<Item = (&'r RootName, &'r str, &'r str)>) -> Vec<Self> {
        let mut found: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (root, before, by) in roots.filter(|(_, before, by)| before != by && !before.is_empty() && !by.is_empty()) {
            found.entry((by, before)).or_default().push(root_name(root));
        }
        let change =
            |((by, before), roots)| Self { by: renderer_name(by), before: renderer_name(before), roots: listed(roots) };
        found.into_iter().take(NAMES_LIMIT).map(change).collect()
    }
}

/// Returns a renderer as people call it: `Helm 4.3.1` for `helm v4.3.1`.
fn renderer_name(label: &str) -> String {
    let name = |part: &str| {
        let (tool, version) = part.split_once(' ').unwrap_or((part, ""));
        let version = version.strip_prefix('v').unwrap_or(version);
        let mut tool = tool.chars();
        let tool: String = tool.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(tool).collect();
        if version.is_empty() { tool } else { format!("{tool} {version}") }
    };
    // What runs is told of by its branch, on which somebody else may have written.
    escape(&cut(&label.split(", ").map(name).collect::<Vec<_>>().join(", "), SUBJECT_LIMIT))
}
